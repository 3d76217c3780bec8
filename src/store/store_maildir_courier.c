/*
 * Courier's keywords. A folder's directory `courierimapkeywords` has a file `:list` (keywords, a line each, an empty line, then "NAME:0 3", the numbers of a message's
 * keywords), and files that are newer than it: `.N.NAME`, N growing with time, and `NAME` alone, newer than all of these, with a keyword a line. NAME is a message's file name up
 * to ":2,". Courier takes no lock; it renames, and so does what is written here.
 */
#include "store/store_maildir_parts.h"

#include "base/buf.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/os.h"
#include "store/side_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>

#define KEYWORDS "courierimapkeywords"
#define LIST ":list"
#define NEW ".mailhaul-new"
#define ROUNDS 5
#define WORDS_MAX 65536 /* octets of a message's keywords */
#define LISTED_MAX 65536 /* keywords of a folder */

struct told { /* of a message */
	uint64_t rank; /* the newest counts */
	const char *file;
	char *words; /* between blanks */
};

struct maildir_courier {
	struct arena *arena; /* borrowed */
	struct map *by_base; /* struct told */
};

static bool next_line(struct span *rest, struct span *line)
{
	const size_t end = span_find(*rest, '\n');

	if (rest->len == 0)
		return false;
	*line = span_trim(span_sub(*rest, 0, end));
	*rest = span_from(*rest, end == SIZE_MAX ? rest->len : end + 1);
	return true;
}

static void see_file(struct maildir_courier *courier, const char *file)
{
	struct span base = span_of(file);
	uint64_t rank = UINT64_MAX;
	struct told *told;

	if (*file == ':')
		return;
	if (*file == '.') {
		const size_t dot = span_find(span_from(base, 1), '.');

		if (dot == SIZE_MAX || !span_u64(span_sub(base, 1, dot), &rank))
			return;
		base = span_from(base, dot + 2);
	}
	told = map_find(courier->by_base, base);
	if (told == NULL) {
		told = arena_alloc(courier->arena, sizeof(*told));
		map_set(courier->by_base, base, told);
	} else if (told->rank >= rank) {
		return;
	}
	*told = (struct told){ .rank = rank, .file = arena_strdup(courier->arena, file) };
}

static int see_files(struct maildir_courier *courier, int dir, struct err *err)
{
	const int fd = os_openat(dir, ".", O_RDONLY | O_DIRECTORY, 0);
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	int rc = 0;

	if (stream == NULL) {
		err_set_errno(err, ERR_MAILBOX, "cannot list %s", KEYWORDS);
		if (fd >= 0)
			(void)os_close(fd);
		return -1;
	}
	for (errno = 0; (entry = readdir(stream)) != NULL; errno = 0)
		see_file(courier, entry->d_name);
	if (errno != 0)
		rc = err_set_errno(err, ERR_MAILBOX, "cannot list %s", KEYWORDS);
	(void)closedir(stream);
	return rc;
}

/* 1; 0 = a file has gone meanwhile: something newer stands in its place. */
static int read_files(struct maildir_courier *courier, int dir, struct err *err)
{
	for (size_t i = 0; i < map_count(courier->by_base); i++) {
		struct told *told = map_value(courier->by_base, i);
		struct span text;
		const int rc = maildir_read_text(dir, told->file, courier->arena, &text, err);

		if (rc <= 0)
			return rc;
		told->words = arena_text(courier->arena, text);
		for (char *at = told->words; *at != '\0'; at++) {
			if (*at == '\n' || *at == '\r' || *at == '\t')
				*at = ' ';
		}
	}
	return 1;
}

/* "0 3": the keywords of these numbers. */
static char *listed_words(struct maildir_courier *courier, struct span numbers,
	const struct span *keyword, size_t count)
{
	struct buf words;
	char *out;

	buf_init(&words, WORDS_MAX);
	while (numbers.len > 0) {
		const size_t blank = span_find(numbers, ' ');
		uint32_t number;

		if (span_u32(span_sub(numbers, 0, blank), &number) && number < count &&
			buf_print(&words, "%.*s ", (int)keyword[number].len, keyword[number].data) <
				0)
			break;
		numbers = span_from(numbers, blank == SIZE_MAX ? numbers.len : blank + 1);
	}
	out = arena_text(courier->arena, buf_span(&words));
	buf_release(&words);
	return out;
}

static int read_list(struct maildir_courier *courier, int dir, struct err *err)
{
	struct span text, line, *keyword = NULL;
	size_t count = 0, room = 0;
	int rc = maildir_read_text(dir, LIST, courier->arena, &text, err);

	if (rc <= 0)
		return rc;
	while (next_line(&text, &line) && line.len > 0 && count < LISTED_MAX) {
		if (count == room) {
			room = room > 0 ? 2 * room : 32;
			keyword = mem_resize(keyword, room, sizeof(*keyword));
		}
		keyword[count++] = line;
	}
	while (next_line(&text, &line)) {
		const size_t colon = span_find(line, ':');
		const struct span base = span_sub(line, 0, colon);
		struct told *told;

		if (colon == SIZE_MAX || map_has(courier->by_base, base))
			continue;
		told = arena_alloc(courier->arena, sizeof(*told));
		told->words = listed_words(courier, span_from(line, colon + 1), keyword, count);
		map_set(courier->by_base, base, told);
	}
	mem_free(keyword);
	return 0;
}

/* A look at all of it, until none of what was seen has gone before it was read. */
static int read_all(struct maildir_courier *courier, int dir, struct err *err)
{
	int rc = 0;

	for (unsigned round = 0; rc == 0 && round < ROUNDS; round++) {
		map_free(courier->by_base);
		courier->by_base = map_new(courier->arena);
		if (see_files(courier, dir, err) < 0)
			return -1;
		rc = read_files(courier, dir, err);
	}
	if (rc == 0)
		return err_set(err, ERR_MAILBOX, "%s changes all the time", KEYWORDS);
	return rc < 0 ? -1 : read_list(courier, dir, err);
}

static int open_keywords(int dir)
{
	return os_openat(dir, KEYWORDS, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
}

int maildir_courier_read(
	int dir, struct arena *arena, struct maildir_courier **out, struct err *err)
{
	const int fd = open_keywords(dir);
	int rc;

	*out = NULL;
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return err_set_errno(err, ERR_MAILBOX, "cannot open %s", KEYWORDS);
	*out = mem_alloc(sizeof(**out));
	(*out)->arena = arena;
	rc = read_all(*out, fd, err);
	(void)os_close(fd);
	return rc;
}

void maildir_courier_free(struct maildir_courier *courier)
{
	if (courier == NULL)
		return;
	map_free(courier->by_base);
	mem_free(courier);
}

flags_t maildir_courier_flags(
	const struct maildir_courier *courier, struct flag_table *table, struct span base)
{
	const struct told *told = courier != NULL ? map_find(courier->by_base, base) : NULL;
	flags_t flags = told != NULL ? flags_parse(table, span_of(told->words)) : 0;

	return flags_minus(table, flags, flags_system(table, flags));
}

int maildir_courier_remove(struct store_maildir *store, int dir, struct maildir_courier *courier,
	struct span base, flags_t remove, struct err *err)
{
	struct flag_table *table = store->store.flags;
	const flags_t now = maildir_courier_flags(courier, table, base);
	const flags_t left = flags_minus(table, now, remove);
	struct told *told;
	char *lines;
	int fd, rc;

	if (left == now)
		return 0;
	told = map_find(courier->by_base, base);
	told->words = arena_strdup(courier->arena, flags_text(table, left));
	lines = arena_print(courier->arena, "%s\n", told->words);
	for (char *at = lines; *at != '\0'; at++) {
		if (*at == ' ')
			*at = '\n';
	}
	fd = open_keywords(dir);
	if (fd < 0)
		return err_set_errno(err, ERR_MAILBOX, "cannot open %s", KEYWORDS);
	rc = side_file_put(
		store->owner, fd, NEW, arena_text(courier->arena, base), span_of(lines), err);
	(void)os_close(fd);
	return rc;
}
