/*
 * Accounts in files, for tests of what decides and acts on whole accounts: Maildirs in a directory of their own, in memory where there is any, and settings as a command
 * line would give them. A message is "NAME FLAGS": its subject, and the letters of its file name (S seen, F flagged, T deleted).
 *
 *	struct place place;
 *	place_open(&place, "here");                     // an account, its state, and INBOX
 *	place_put(&place, "INBOX", "invoice", "F");
 *	assert_string_equal(place_list(&place, "INBOX"), "invoice:F ");
 *	place_close(&place);
 */
#ifndef TEST_MAILDIR_FIXTURE_H
#define TEST_MAILDIR_FIXTURE_H

#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "ops/settings.h"
#include "store/store.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <string.h>

struct place {
	struct arena *arena;
	struct account *account;
	const char *top, *state; /* the directory of all; of the state */
	unsigned made; /* messages, so that none is named like another */
};

static inline struct account *place_account(struct place *place, const char *name)
{
	const struct account_request request = { .location = arena_print(place->arena,
							 "maildir:%s/%s", place->top, name),
		.role = "dst" };
	struct err err = ERR_INIT;
	struct account *account = account_new(&request, &err);

	if (!account)
		fail_msg("%s", err.text);
	return account;
}

static inline const char *place_path(struct place *place, const char *mailbox)
{
	return arena_print(place->arena, "%s%s%s", account_path(place->account),
		strcmp(mailbox, "INBOX") == 0 ? "" : "/.",
		strcmp(mailbox, "INBOX") == 0 ? "" : mailbox);
}

static inline void place_make(struct place *place, const char *mailbox)
{
	const char *path = place_path(place, mailbox);

	assert_int_equal(system(arena_print(place->arena, "mkdir -p '%s/cur' '%s/new' '%s/tmp'",
				 path, path, path)),
		0);
}

static inline void place_put(
	struct place *place, const char *mailbox, const char *name, const char *flags)
{
	/* the time in the name orders them */
	const char *path = arena_print(place->arena, "%s/cur/%u.M1P1.host:2,%s",
		place_path(place, mailbox), 1700000000 + ++place->made, flags);
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_true(
		fprintf(file, "Subject: %s\nMessage-ID: <%u@x>\n\nbody\n", name, place->made) > 0);
	assert_int_equal(fclose(file), 0);
}

static inline void place_open(struct place *place, const char *name)
{
	char *top;

	*place = (struct place){ .arena = arena_new() };
	/* in memory: the disk's fsync is most of the time else */
	top = arena_print(place->arena, "%s/mailhaul-account-XXXXXX",
		access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	assert_non_null(mkdtemp(top));
	place->top = top;
	place->state = arena_print(place->arena, "%s/state", top);
	assert_int_equal(mkdir(place->state, 0700), 0);
	place->account = place_account(place, name);
	place_make(place, "INBOX");
}

static inline void place_close(struct place *place)
{
	account_free(place->account);
	assert_int_equal(system(arena_print(place->arena, "rm -r '%s'", place->top)), 0);
	arena_free(place->arena);
}

static inline int place_order(const void *a, const void *b)
{
	/* by the numbers in the names: microseconds have five digits now and then */
	return strverscmp(*(char *const *)a, *(char *const *)b);
}

/* "subject:FLAGS " of each, in the order in which they came; "-" where there is no such directory. */
static inline const char *place_list_of(struct place *place, const char *directory)
{
	DIR *dir = opendir(arena_print(place->arena, "%s/cur", directory));
	char *names[100], subject[100];
	const char *list = "";
	const struct dirent *entry;
	size_t count = 0;

	if (!dir)
		return "-";
	while ((entry = readdir(dir)) && count < 100)
		if (entry->d_name[0] != '.')
			names[count++] = arena_strdup(place->arena, entry->d_name);
	closedir(dir);
	qsort(names, count, sizeof names[0], place_order);
	for (size_t i = 0; i < count; i++) {
		FILE *file =
			fopen(arena_print(place->arena, "%s/cur/%s", directory, names[i]), "r");

		assert_non_null(file);
		assert_int_equal(fscanf(file, "Subject: %99[^\r\n]", subject), 1);
		fclose(file);
		list = arena_print(place->arena, "%s%s:%s ", list, subject,
			strchr(names[i], ',') ? strrchr(names[i], ',') + 1 : "");
	}
	return list;
}

static inline const char *place_list(struct place *place, const char *mailbox)
{
	return place_list_of(place, place_path(place, mailbox));
}

/* Somebody's hand in the middle of it: the message is gone, or has other flags. */
static inline void place_touch(
	struct place *place, const char *mailbox, unsigned number, const char *from, const char *to)
{
	const char *path = arena_print(place->arena, "%s/cur/%u.M1P1.host:2,",
		place_path(place, mailbox), 1700000000 + number);
	const char *old = arena_print(place->arena, "%s%s", path, from);

	assert_int_equal(
		to ? rename(old, arena_print(place->arena, "%s%s", path, to)) : unlink(old), 0);
}

/* Removed, and made anew under the same name: another UIDVALIDITY. */
static inline void place_renew(struct place *place, const char *mailbox)
{
	const struct store_request request = { .state_dir = place->state, .will_write = true };
	struct err err = ERR_INIT;
	struct store *store = store_open(place->account, &request, &err);

	assert_non_null(store);
	if (store_remove_mailbox(store, mailbox, &err) < 0)
		fail_msg("%s", err.text);
	store_close(store);
	place_make(place, mailbox);
}

#endif
