/*
 * The manifest: rows and notes come back as they were kept, whatever was damaged is said, a writer keeps others out, and killed or out of disk at any step it holds
 * one of two states: that of the last commit or that of the next. Run with arguments it is the victim.
 */
#include "store/manifest_parts.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/os.h"
#include "base/path.h"

#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char top[64];
static char file[80];
static struct arena *arena;
static struct flag_table *flags;
static struct manifest_place place = { .name = ".m", .owner = UINT32_MAX, .group = UINT32_MAX };

static void open_place(void)
{
	arena = arena_new();
	flags = flag_table_new();
	place.dir = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	place.shown = file;
	place.flags = flags;
	snprintf(file, sizeof(file), "%s/.m", top);
}

static int set_up(void **state)
{
	(void)state;
	snprintf(top, sizeof(top), "/tmp/mailhaul-test-manifest-XXXXXX");
	if (!mkdtemp(top))
		return -1;
	open_place();
	return 0;
}

static int remove_one(const char *name, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(name);
}

static int tear_down(void **state)
{
	(void)state;
	close(place.dir);
	place.check = NULL;
	flag_table_free(flags);
	arena_free(arena);
	return nftw(top, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static struct manifest *open_as(enum manifest_mode mode)
{
	struct err err = ERR_INIT;
	struct manifest *manifest = manifest_open(&place, mode, &err);

	if (!manifest)
		fail_msg("manifest_open(): %s", err.text);
	return manifest;
}

static void commit(struct manifest *manifest)
{
	struct err err = ERR_INIT;

	if (manifest_commit(manifest, &err) < 0)
		fail_msg("manifest_commit(): %s", err.text);
}

static void expect_refused(enum manifest_mode mode, const char *text)
{
	struct err err = ERR_INIT;

	assert_null(manifest_open(&place, mode, &err));
	if (!strstr(err.text, text) || err.scope != ERR_MAILBOX)
		fail_msg("\"%s\" expected: %s", text, err.text);
}

/* All that a manifest tells, but its UIDVALIDITY. */
static const char *dump(struct manifest *manifest)
{
	static const char *const keys[] = { "a", "b" };
	struct buf out;
	struct err err = ERR_INIT;
	int rc;

	buf_init(&out, SIZE_MAX);
	rc = buf_print(&out, "next %u\n", manifest_uidnext(manifest));
	for (size_t i = 0; i < manifest_count(manifest) && rc == 0; i++) {
		struct manifest_row row;

		if (manifest_read(manifest, i, &row, &err) < 0)
			fail_msg("%s", err.text);
		assert_int_equal(row.uid, manifest_uid(manifest, i));
		assert_int_equal(row.flags, manifest_flags(manifest, i));
		assert_int_equal(manifest_find(manifest, row.uid), i);
		rc = manifest_print_row(&out, flags, &row) | buf_add_char(&out, '\n');
	}
	for (size_t i = 0; i < countof(keys) && rc == 0; i++) {
		const char *note = manifest_note(manifest, keys[i]);

		rc = note ? buf_print(&out, "%s=%s\n", keys[i], note) : 0;
	}
	assert_int_equal(rc, 0);
	const char *text = arena_strdup(arena, buf_text(&out));
	buf_release(&out);
	return text;
}

static const char *dump_file(void)
{
	struct manifest *manifest = open_as(MANIFEST_READ);
	const char *text = dump(manifest);

	manifest_close(manifest);
	return text;
}

static uint32_t add(struct manifest *manifest, const char *where, const char *names)
{
	const struct manifest_row row = {
		.date = { .instant = 837596665, .zone = -420 },
		.size = 120,
		.flags = flags_parse(flags, span_of(names)),
		.has_sha256 = true,
		.sha256 = { 0xab, 1 },
		.message_id = "<a\t%@b>",
		.where = where,
	};

	return manifest_add(manifest, &row);
}

static void remove_uid(struct manifest *manifest, uint32_t uid)
{
	struct uidset uids = { 0 };

	uidset_add(&uids, arena, uid, uid);
	manifest_remove(manifest, &uids);
}

static void test_round(void **state)
{
	(void)state;
	struct manifest *manifest = open_as(MANIFEST_READ);
	assert_false(manifest_exists(manifest));
	assert_int_equal(manifest_uidvalidity(manifest), 0);
	manifest_close(manifest);

	manifest = open_as(MANIFEST_WRITE);
	const uint32_t validity = manifest_uidvalidity(manifest);
	assert_true(manifest_exists(manifest) && manifest_is_new(manifest) && validity != 0);
	assert_int_equal(manifest_uidnext(manifest), 1);
	assert_false(manifest_dirty(manifest));
	assert_int_equal(add(manifest, "1.eml", "\\Seen $Junk"), 1);
	struct manifest_row bare = {
		.uid = 7, .date = { .instant = DATE_UNKNOWN }, .size = UINT64_MAX, .where = "-"
	};
	assert_int_equal(manifest_add(manifest, &bare), 7);
	assert_int_equal(manifest_add(manifest, &bare), 0); /* does not ascend */
	bare.uid = 0;
	bare.where = "odd\tname%\n\x7f\xc3\xa4";
	assert_int_equal(manifest_add(manifest, &bare), 8);
	bare.where = "";
	assert_int_equal(manifest_add(manifest, &bare), 0);
	manifest_set_note(manifest, "a", "note 100%\nmore");
	assert_true(manifest_dirty(manifest));
	const char *before = dump(manifest);
	assert_string_equal(before,
		"next 9\n"
		"1\t1996-07-17T02:44:25-07:00\t120\t\\Seen $Junk\t"
		"ab01000000000000000000000000000000000000000000000000000000000000\t<a%09%25@b>\t1.eml\n"
		"7\t-\t-\t-\t-\t-\t%2D\n"
		"8\t-\t-\t-\t-\t-\todd%09name%25%0A%7F\xc3\xa4\n"
		"a=note 100%\nmore\n");
	assert_string_equal(dump_file(), "next 1\n"); /* nothing is there before the commit */
	commit(manifest);
	assert_string_equal(dump(manifest), before);
	assert_string_equal(dump_file(), before);
	manifest_close(manifest);

	manifest = open_as(MANIFEST_WRITE);
	assert_false(manifest_is_new(manifest));
	assert_int_equal(manifest_uidvalidity(manifest), validity);
	assert_string_equal(dump(manifest), before);
	manifest_close(manifest);
}

/* Put back to an earlier state, it betrays itself by its newest message, whatever is added then. */
static void test_put_back(void **state)
{
	(void)state;
	struct manifest_row bare = { .size = 5, .date = { .instant = 7 }, .where = "x" };
	char newest[MANIFEST_NEWEST_ROOM];
	struct manifest *manifest = open_as(MANIFEST_WRITE);

	manifest_newest(manifest, newest);
	assert_string_equal(newest, "");
	assert_true(manifest_continues(manifest, newest));
	assert_int_equal(add(manifest, "1.eml", ""), 1);
	manifest_newest(manifest, newest);
	assert_string_equal(newest, "1:ab01000000000000");
	assert_true(manifest_continues(manifest, newest));
	assert_true(manifest_continues(manifest, "of a server: MAILBOXID"));
	assert_false(manifest_continues(manifest, "2:ab01000000000000")); /* never given */
	assert_false(manifest_continues(manifest, "1:ab02000000000000")); /* given anew */
	assert_int_equal(manifest_add(manifest, &bare), 2);
	assert_true(manifest_continues(manifest, newest));
	remove_uid(manifest, 1);
	assert_true(manifest_continues(manifest, newest));
	manifest_newest(manifest, newest);
	commit(manifest);
	assert_true(manifest_continues(manifest, newest));
	manifest_set_flags(manifest, 0, flags_parse(flags, SPAN("\\Seen")));
	manifest_set_where(manifest, 0, "y");
	commit(manifest);
	assert_true(manifest_continues(manifest, newest));
	remove_uid(manifest, 2);
	bare.size = 6;
	bare.uid = 3;
	assert_int_equal(manifest_add(manifest, &bare), 3);
	newest[0] = '3';
	assert_false(manifest_continues(manifest, newest));
	manifest_close(manifest);
}

static void test_changes(void **state)
{
	(void)state;
	struct manifest *manifest = open_as(MANIFEST_WRITE);
	for (int i = 0; i < 5; i++)
		add(manifest, "w", "\\Seen");
	commit(manifest);
	manifest_set_flags(manifest, 1, flags_parse(flags, SPAN("\\Flagged -")));
	manifest_set_flags(manifest, 2, 0);
	remove_uid(manifest, 1);
	remove_uid(manifest, 5);
	manifest_skip_to(manifest, 90);
	manifest_skip_to(manifest, 20); /* is below already */
	manifest_set_note(manifest, "b", "x");
	manifest_set_note(manifest, "b", NULL);
	manifest_set_note(manifest, "a", "-");
	commit(manifest);
	const char *text = dump(manifest);
	assert_int_equal(manifest_count(manifest), 3);
	assert_int_equal(manifest_find(manifest, 1), SIZE_MAX);
	assert_non_null(strstr(text, "next 90\n2\t"));
	assert_non_null(strstr(text, "\t\\Flagged -\t"));
	assert_non_null(strstr(text, "a=-\n"));
	assert_string_equal(dump_file(), text);

	manifest_set_where(manifest, 0, "elsewhere");
	add(manifest, "x", "-"); /* one keyword of that name */
	text = dump(manifest);
	assert_non_null(strstr(text, "elsewhere"));
	commit(manifest);
	assert_string_equal(dump(manifest), text);
	assert_string_equal(dump_file(), text);
	add(manifest, "y", "");
	commit(manifest);
	assert_string_equal(dump_file(), dump(manifest));
	assert_int_equal(manifest_uidnext(manifest), 92);
	manifest_close(manifest);
}

static void test_last_uid(void **state)
{
	(void)state;
	struct manifest *manifest = open_as(MANIFEST_WRITE);
	manifest_skip_to(manifest, UINT32_MAX);
	assert_int_equal(add(manifest, "w", ""), UINT32_MAX);
	assert_int_equal(manifest_uidnext(manifest), 0);
	assert_int_equal(add(manifest, "w", ""), 0);
	remove_uid(manifest, UINT32_MAX);
	manifest->rewrite = true;
	manifest->wheres_arena = arena_new();
	manifest->wheres = map_new(manifest->wheres_arena);
	commit(manifest);
	manifest_close(manifest);
	manifest = open_as(MANIFEST_WRITE);
	assert_int_equal(add(manifest, "w", ""), 0);
	manifest_close(manifest);
}

static void test_dates(void **state)
{
	static const struct date dates[] = { { 0, 0 }, { -1, 60 }, { 253402300799, 0 },
		{ 253402300800, 0 }, { 1e9, -5999 }, { INT64_MAX, 0 } };
	(void)state;
	struct manifest *manifest = open_as(MANIFEST_WRITE);
	for (size_t i = 0; i < countof(dates); i++)
		manifest_add(manifest,
			&(struct manifest_row){ .date = dates[i], .where = "w", .size = 1 });
	commit(manifest);
	for (size_t i = 0; i < countof(dates); i++) {
		struct manifest_row row;

		assert_int_equal(manifest_read(manifest, i, &row, NULL), 0);
		const bool kept = i != 3 && i != 5; /* four digits of a year are all there are */
		assert_int_equal(row.date.instant, kept ? dates[i].instant : DATE_UNKNOWN);
		if (kept)
			assert_int_equal(row.date.zone, dates[i].zone);
	}
	manifest_close(manifest);
}

static bool no_slash(const char *where)
{
	return !strchr(where, '/');
}

static void write_file(const char *text)
{
	struct err err = ERR_INIT;

	assert_int_equal(path_write(file, span_of(text), 0600, &err), 0);
}

/* A manifest of these lines, with its mark. */
static void write_lines(const char *lines)
{
	char mark[MANIFEST_MARK_LEN + 1];
	const char *text = arena_print(arena, "mailhaul-manifest 1 77\n%s", lines);

	manifest_mark("", span_of(text), mark);
	write_file(arena_print(arena, "%s%s", text, mark));
}

static void test_damaged(void **state)
{
	static const char *const bad[] = {
		"nonsense\n",
		"\n",
		"0\t-\t-\t-\t-\t-\tw\n",
		"1\t-\t-\t-\t-\t-\n",
		"1\t-\t-\t-\t-\t-\tw\tx\n",
		"1\t-\t-\t-\t-\t-\t\n",
		"1\t-\t-\t-\t-\t-\t-\n",
		"1\t-\t-\t-\t-\t-\ta/b\n",
		"1\t-\t-\t-\t-\t-\ta%2Fb\n",
		"1\t-\t-\t-\t-\t-\ta%\n",
		"1\t-\t-\t-\t-\t-\ta%00\n",
		"1\t-\t-\t-\t-\t-\ta\x01\n",
		"1\t-\t-\t-\t-\t\tw\n",
		"1\t-\t-\t\t-\t-\tw\n",
		"1\t-\t-\t-\tABCD\t-\tw\n",
		"1\t-\t-\t-\tAB01000000000000000000000000000000000000000000000000000000000000\t-\tw\n",
		"1\t-\tx\t-\t-\t-\tw\n",
		"1\t-\t18446744073709551615\t-\t-\t-\tw\n",
		"1\t2020-13-01T00:00:00+00:00\t-\t-\t-\t-\tw\n",
		"1\t2020-02-30T00:00:00+00:00\t-\t-\t-\t-\tw\n",
		"1\t2020-02-03T00:00:00+0:00\t-\t-\t-\t-\tw\n",
		"1\t2020-02-03\t-\t-\t-\t-\tw\n",
		"-1\n",
		"-x\n",
		"=1\t-\n",
		"+0\n",
		"+4294967297\n",
		"@\tx\n",
		"@a\n",
		"@a b\tx\n",
		"@a\t%\n",
	};
	(void)state;
	place.check = no_slash;
	write_lines("1\t-\t-\t-\t-\t-\tw\n=1\t\\Seen\n-1\n+9\n@a\tb\n");
	assert_string_equal(dump_file(), "next 9\na=b\n");
	for (size_t i = 0; i < countof(bad); i++) {
		write_lines(bad[i]);
		expect_refused(i % 2 ? MANIFEST_READ : MANIFEST_WRITE, ".m:2: damaged");
	}
	write_lines("2\t-\t-\t-\t-\t-\tw\n2\t-\t-\t-\t-\t-\tw\n");
	expect_refused(MANIFEST_READ, ".m:3: damaged (a UID that does not ascend)");
	write_lines("2\t-\t-\t-\t-\t-\tw\n-2\n-2\n");
	expect_refused(MANIFEST_READ, ".m:4: damaged");
	write_lines("2\t-\t-\t-\t-\t-\tw\n-2\n=2\t-\n");
	expect_refused(MANIFEST_READ, ".m:4: damaged");
}

static void test_foreign(void **state)
{
	char mark[MANIFEST_MARK_LEN + 1];

	(void)state;
	write_file("");
	expect_refused(MANIFEST_WRITE, ".m:1: damaged");
	write_file("mailhaul-manifest 1 5\n");
	expect_refused(MANIFEST_WRITE, ".m:1: damaged");
	manifest_mark("", SPAN("hello\n"), mark);
	write_file(arena_print(arena, "hello\n%s", mark));
	expect_refused(MANIFEST_READ, ".m:1: damaged");
	manifest_mark("", SPAN("mailhaul-manifest 2 5\n"), mark);
	write_file(arena_print(arena, "mailhaul-manifest 2 5\n%s", mark));
	expect_refused(MANIFEST_READ, "newer mailhaul");
	manifest_mark("", SPAN("mailhaul-manifest 1 0\n"), mark);
	write_file(arena_print(arena, "mailhaul-manifest 1 0\n%s", mark));
	expect_refused(MANIFEST_READ, ".m:1: damaged");

	assert_int_equal(unlink(file), 0);
	assert_int_equal(symlink("/etc/passwd", file), 0);
	expect_refused(MANIFEST_READ, "symbolic link");
	expect_refused(MANIFEST_WRITE, "symbolic link");
	assert_int_equal(unlink(file), 0);
	assert_int_equal(mkfifo(file, 0600), 0);
	expect_refused(MANIFEST_READ, "no regular file");
	expect_refused(MANIFEST_WRITE, "no regular file");
}

static struct span slurp(void)
{
	struct err err = ERR_INIT;
	struct span text;

	assert_int_equal(path_read(file, SIZE_MAX, arena, &text, &err), 0);
	return text;
}

/* Cut off anywhere, or any octet changed: what is believed is the state of a commit, or nothing is. */
static void test_tampered(void **state)
{
	const char *states[4];
	size_t ends[4], torn = 0, refused = 0;

	(void)state;
	struct manifest *manifest = open_as(MANIFEST_WRITE);
	for (size_t i = 0; i < countof(states); i++) {
		if (i > 0) {
			add(manifest, "w", "\\Seen");
			commit(manifest);
		}
		states[i] = dump(manifest);
		ends[i] = slurp().len;
	}
	manifest_close(manifest);
	const struct span whole = slurp();
	for (size_t cut = ends[0]; cut < whole.len; cut++) {
		size_t group = 0;

		while (ends[group + 1] <= cut)
			group++;
		write_file(arena_text(arena, span_sub(whole, 0, cut)));
		assert_string_equal(dump_file(), states[group]);
		manifest = open_as(MANIFEST_WRITE);
		assert_string_equal(dump(manifest), states[group]);
		add(manifest, "w", "\\Seen");
		commit(manifest);
		manifest_close(manifest);
		assert_string_equal(dump_file(), states[group + 1]);
	}
	for (size_t at = 0; at < whole.len; at++) {
		char *text = arena_text(arena, whole);

		text[at] ^= 1;
		write_file(text);
		manifest = manifest_open(&place, MANIFEST_READ, NULL);
		if (!manifest) {
			refused++;
			continue;
		}
		assert_string_equal(dump(manifest), states[2]);
		assert_true(at >= ends[2]);
		torn++;
		manifest_close(manifest);
	}
	assert_true(refused >= ends[2]);
	assert_true(torn >= 1);
	/* blocks of the last group that never reached the disk */
	char *hole = arena_text(arena, whole);
	memset(hole + ends[2] + 3, 0, 9);
	const int fd = open(file, O_WRONLY | O_TRUNC | O_CLOEXEC);
	assert_int_equal(write(fd, hole, whole.len), whole.len);
	close(fd);
	assert_string_equal(dump_file(), states[2]);
	/* a group in the middle is missing */
	write_file(arena_print(arena, "%.*s%s", (int)ends[0], whole.data, whole.data + ends[1]));
	expect_refused(MANIFEST_READ, "damaged");
}

static void test_lock(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	struct manifest *manifest = open_as(MANIFEST_WRITE);
	add(manifest, "w", "");
	commit(manifest);
	clock_fake(1000000);
	assert_null(manifest_open(&place, MANIFEST_WRITE, &err));
	assert_int_equal(err.kind, ERR_KIND_BUSY);
	assert_int_equal(err.scope, ERR_MAILBOX);
	assert_string_equal(dump_file(), dump(manifest));
	manifest_set_where(manifest, 0, "x"); /* the lock goes with the new file */
	commit(manifest);
	assert_null(manifest_open(&place, MANIFEST_WRITE, &err));
	clock_fake(-1);
	manifest_close(manifest);
	manifest_close(open_as(MANIFEST_WRITE));
}

/* One that reads is not disturbed by one that writes. */
static void test_reader(void **state)
{
	(void)state;
	struct manifest *writer = open_as(MANIFEST_WRITE);
	for (int i = 0; i < 100; i++)
		add(writer, "w", "");
	commit(writer);
	struct manifest *reader = open_as(MANIFEST_READ);
	const char *before = dump(reader);
	manifest_set_flags(writer, 3, flags_parse(flags, SPAN("\\Seen")));
	commit(writer);
	assert_string_equal(dump(reader), before);
	manifest_set_where(writer, 0, "x");
	commit(writer);
	assert_string_equal(dump(reader), before);
	manifest_close(reader);
	manifest_close(writer);
}

/* A file that is mostly out of date is written anew; so many rows cost 16 octets each, and some spare. */
static void test_shorter(void **state)
{
	char *where = arena_alloc(arena, MANIFEST_WHERE_MAX + 2);

	(void)state;
	memset(where, 'w', MANIFEST_WHERE_MAX + 1);
	struct manifest *manifest = open_as(MANIFEST_WRITE);
	assert_int_equal(add(manifest, where, ""), 0);
	where[MANIFEST_WHERE_MAX] = '\0';
	for (int i = 0; i < 50; i++)
		assert_int_equal(add(manifest, where, ""), i + 1);
	commit(manifest);
	for (int i = 0; i < 200; i++) {
		for (size_t row = 0; row < manifest_count(manifest); row++)
			manifest_set_flags(manifest, row,
				flags_parse(flags, i % 2 ? SPAN("\\Seen") : SPAN("\\Draft")));
		commit(manifest);
		if (i % 50 == 0)
			assert_string_equal(dump_file(), dump(manifest));
	}
	const char *text = dump(manifest);
	assert_true(manifest->lines < 3000);
	assert_true(manifest->room * 16 < 50 * 32 + 256);
	manifest_close(manifest);
	assert_string_equal(dump_file(), text);
}

#ifdef MAILHAUL_FAULTS
/* What the victim does, a commit each. */
#define STEPS 8
static int step(struct manifest *manifest, int number, struct err *err)
{
	switch (number) {
	case 1:
	case 2:
		for (int i = 0; i < 3; i++)
			add(manifest, "w", "\\Seen");
		break;
	case 3:
		manifest_set_flags(manifest, 1, flags_parse(flags, SPAN("\\Flagged k")));
		manifest_set_note(manifest, "a", "b");
		break;
	case 4:
		remove_uid(manifest, 2);
		manifest_skip_to(manifest, 70);
		break;
	case 5:
		manifest_set_where(manifest, 0, "elsewhere");
		break;
	case 6:
		for (int i = 0; i < 3000; i++)
			manifest_set_flags(
				manifest, 1, i % 2 ? flags_parse(flags, SPAN("\\Seen")) : 0);
		break;
	default: /* writes the file anew */
		add(manifest, "x", "");
		break;
	}
	return manifest_commit(manifest, err);
}

static int victim(char **argv)
{
	struct err err = ERR_INIT;
	const int fd = open(argv[2], O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	snprintf(top, sizeof(top), "%s", argv[1]);
	open_place();
	struct manifest *manifest = manifest_open(&place, MANIFEST_WRITE, &err);
	if (!manifest)
		return err.scope == ERR_LOCAL ? 3 : 8;
	for (int i = 1; i <= STEPS; i++) {
		if (step(manifest, i, &err) < 0) {
			const bool stays = manifest_commit(manifest, NULL) < 0;

			return err.scope == ERR_LOCAL && stays ? 3 : 8;
		}
		if (pwrite(fd, &i, sizeof(i), 0) != sizeof(i))
			return 9;
	}
	manifest_close(manifest);
	return 0;
}

static const char *states[STEPS + 2];

static int run_victim(const char *fault, int *safe_out)
{
	char self[] = "/proc/self/exe", variable[80], progress[80];
	char *argv[] = { self, top, progress, NULL };
	char *env[] = { variable, NULL };
	int status;
	pid_t child;

	snprintf(progress, sizeof(progress), "%s/progress", top);
	snprintf(variable, sizeof(variable), "MAILHAUL_FAULT=%s", fault);
	(void)unlink(progress);
	(void)unlink(file);
	assert_int_equal(posix_spawn(&child, self, NULL, NULL, argv, env), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	const int fd = open(progress, O_RDONLY | O_CLOEXEC);
	if (read(fd, safe_out, sizeof(*safe_out)) != sizeof(*safe_out))
		*safe_out = 0;
	close(fd);
	return status;
}

static void sweep(const char *op, const char *action, int stride)
{
	for (int at = 1;; at += stride) {
		char fault[64];
		int safe;

		snprintf(fault, sizeof(fault), "%s:%d:%s", op, at, action);
		const int status = run_victim(fault, &safe);
		if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && safe == STEPS && at > 60)
			return;
		if (WIFEXITED(status) && WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != 3)
			fail_msg("MAILHAUL_FAULT=%s: status %d", fault, WEXITSTATUS(status));
		const char *now = dump_file();
		if (strcmp(now, states[safe]) != 0 && strcmp(now, states[safe + 1]) != 0)
			fail_msg("MAILHAUL_FAULT=%s: after %d commits: %s", fault, safe, now);
		manifest_close(open_as(MANIFEST_WRITE));
	}
}

static void test_faults(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	struct manifest *manifest = open_as(MANIFEST_WRITE);
	for (int i = 0; i <= STEPS; i++) {
		if (i > 0)
			assert_int_equal(step(manifest, i, &err), 0);
		states[i] = states[i + 1] = dump(manifest);
	}
	manifest_close(manifest);
	sweep("any", "kill", 1);
	sweep("any", "EIO", 1);
	sweep("any", "short", 1);
	sweep("pwrite", "ENOSPC", 1);
}
#endif

int main(int argc, char **argv)
{
#ifdef MAILHAUL_FAULTS
	if (argc == 3)
		_exit(victim(argv));
#endif
	(void)argc, (void)argv;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_round, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_put_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_changes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_last_uid, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_dates, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_damaged, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_foreign, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_tampered, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_lock, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_reader, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_shorter, set_up, tear_down),
#ifdef MAILHAUL_FAULTS
		cmocka_unit_test_setup_teardown(test_faults, set_up, tear_down),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
