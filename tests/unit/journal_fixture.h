/*
 * Journals in a directory of their own, and short words for what is put into them and found there.
 *
 *	cmocka_unit_test_setup_teardown(test_x, set_up, tear_down)
 *
 *	struct journal *journal = open_pair("a", "b");
 *	const int64_t box = put_box(journal, "Sent", "Gesendet");
 *	put(journal, box, 1, 101, "\\Answered");
 *	close_good(journal);
 */
#ifndef TEST_JOURNAL_FIXTURE_H
#define TEST_JOURNAL_FIXTURE_H

#include "state/journal.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/must.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[80];
static char top[64];

static inline int remove_one(const char *name, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(name);
}

static inline int set_up(void **state)
{
	(void)state;
	snprintf(top, sizeof(top), "/tmp/mailhaul-test-journal-XXXXXX");
	if (!mkdtemp(top))
		return -1;
	snprintf(dir, sizeof(dir), "%s/deep/state", top);
	return 0;
}

static inline int tear_down(void **state)
{
	(void)state;
	return nftw(top, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static inline struct journal *open_pair(const char *src, const char *dst)
{
	struct err err = ERR_INIT;
	struct journal *journal = journal_open(dir, src, dst, &err);

	assert_string_equal(err.text, "");
	assert_non_null(journal);
	return journal;
}

static inline void close_good(struct journal *journal)
{
	struct err err = ERR_INIT;

	if (journal_close(journal, &err) < 0)
		fail_msg("close: %s", err.text);
}

static inline int64_t put_box(struct journal *journal, const char *src, const char *dst)
{
	struct journal_mailbox box = { .src_name = src, .dst_name = dst };
	struct err err = ERR_INIT;

	assert_int_equal(journal_put_mailbox(journal, &box, false, &err), 0);
	assert_true(box.id > 0);
	return box.id;
}

static inline void put(struct journal *journal, int64_t mailbox, uint32_t src_uid, uint32_t dst_uid,
	const char *flags)
{
	const struct journal_pair pair = {
		.src_uid = src_uid, .dst_uid = dst_uid, .src_flags = flags, .dst_flags = "\\Seen"
	};
	struct err err = ERR_INIT;

	assert_int_equal(journal_put_pair(journal, mailbox, &pair, &err), 0);
}

static inline void assert_says(const struct err *err, const char *part)
{
	if (!strstr(err->text, part))
		fail_msg("\"%s\" does not say \"%s\"", err->text, part);
	assert_int_equal(err->scope, ERR_LOCAL);
}

/* "src:dst flags/flags status" a pair, in order. */
static inline void assert_pairs(struct journal *journal, int64_t mailbox, const char *expected)
{
	struct arena *arena = arena_new();
	struct journal_pairs pairs;
	struct err err = ERR_INIT;
	char *text = arena_strdup(arena, "");

	assert_int_equal(journal_pairs(journal, mailbox, arena, &pairs, &err), 0);
	for (size_t i = 0; i < pairs.count; i++)
		text = arena_print(arena, "%s%u:%u %s/%s %d, ", text, pairs.src_uid[i],
			pairs.dst_uid[i], pairs.flag_text[pairs.src_flags[i]],
			pairs.flag_text[pairs.dst_flags[i]], pairs.status[i]);
	assert_string_equal(text, expected);
	assert_int_equal(journal_pair_count(journal, mailbox), pairs.count);
	arena_free(arena);
}

#endif
