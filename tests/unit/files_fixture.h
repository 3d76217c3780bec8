/*
 * One location of any kind of files, as a destination, in a directory of its own: in memory where there is any, for the disk's fsync is most of the time else.
 *
 *	struct files files;
 *	files_open(&files, "mbox:%s/mail?layout=fs");     // %s: the directory
 *	files_make(&files, "A");
 *	files_open_again(&files);
 *	files_close(&files);                              // and the directory is gone
 */
#ifndef TEST_FILES_FIXTURE_H
#define TEST_FILES_FIXTURE_H

#include "base/arena.h"
#include "base/err.h"
#include "store/store.h"

#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct files {
	struct arena *arena;
	struct account *account;
	struct store *store;
	char top[64];
};

static inline void files_new_top(struct files *files)
{
	snprintf(files->top, sizeof(files->top), "%s/mailhaul-files-XXXXXX",
		access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	assert_non_null(mkdtemp(files->top));
}

static inline int files_drop_one(
	const char *path, const struct stat *st, int type, struct FTW *walk)
{
	(void)st;
	(void)type;
	(void)walk;
	return remove(path);
}

static inline void files_drop_top(const struct files *files)
{
	assert_int_equal(nftw(files->top, files_drop_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

/* In a directory that is there. */
static inline int files_try(struct files *files, const char *how, struct err *err)
{
	const char *percent = strstr(how, "%s");
	const struct store_request wanted = { .state_dir = files->top, .will_write = true };
	struct account_request request = { .role = "dst" };

	files->arena = arena_new();
	request.location = arena_print(
		files->arena, "%.*s%s%s", (int)(percent - how), how, files->top, percent + 2);
	files->account = account_new(&request, err);
	files->store = files->account ? store_open(files->account, &wanted, err) : NULL;
	return files->store ? 0 : -1;
}

static inline void files_leave(struct files *files)
{
	store_close(files->store);
	account_free(files->account);
	arena_free(files->arena);
}

static inline void files_open(struct files *files, const char *how)
{
	struct err err = ERR_INIT;

	files_new_top(files);
	if (files_try(files, how, &err) < 0)
		fail_msg("%s: %s", how, err.text);
}

static inline void files_open_again(struct files *files)
{
	const struct store_request wanted = { .state_dir = files->top, .will_write = true };
	struct err err = ERR_INIT;

	store_close(files->store);
	files->store = store_open(files->account, &wanted, &err);
	if (!files->store)
		fail_msg("%s", err.text);
}

static inline void files_close(struct files *files)
{
	files_leave(files);
	files_drop_top(files);
}

static inline void files_make(struct files *files, const char *name)
{
	struct err err = ERR_INIT;
	bool changed;

	if (store_create(files->store, name, STORE_USE_NONE, &changed, &err) < 0)
		fail_msg("%s: %s", name, err.text);
}

static inline const char *files_path(const struct files *files, const char *name)
{
	return arena_print(files->arena, "%s/%s", files->top, name);
}

/* flags: of open(2), beside O_WRONLY */
static inline void files_write(
	const struct files *files, const char *name, int flags, const char *text)
{
	const int fd = open(files_path(files, name), O_WRONLY | flags, 0600);

	assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	assert_int_equal(close(fd), 0);
}

#endif
