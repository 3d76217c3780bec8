/* What is about to be moved: kept over a crash, replaced, taken out again, forgotten without a directory. */
#include "state/intents.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/must.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define IDENTITY "imap://anna@mail.example:993"

static char dir[64];

static int remove_one(const char *name, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(name);
}

static int set_up(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/mailhaul-test-intents-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static struct intents *open_intents(const char *where)
{
	struct err err = ERR_INIT;
	struct intents *intents = intents_open(where, IDENTITY, &err);

	assert_string_equal(err.text, "");
	assert_non_null(intents);
	return intents;
}

static void put(struct intents *intents, const char *source, const char *target, size_t count)
{
	struct intent_message message[200];
	struct intent intent = { source, target, 7, 9, 41, message, count, NULL, 0 };
	struct err err = ERR_INIT;

	for (size_t i = 0; i < count; i++)
		message[i] = (struct intent_message){ (uint32_t)(count - i) * 3, 5000000000 + i,
			{ { i, 0xffffffffffffffff } } };
	assert_int_equal(intents_put(intents, &intent, &err), 0);
}

static int get(struct intents *intents, const char *source, const char *target, size_t expected)
{
	struct arena *arena = arena_new();
	struct intent intent;
	struct err err = ERR_INIT;
	const int rc = intents_get(intents, source, target, arena, &intent, &err);

	assert_string_equal(err.text, "");
	assert_int_equal(intent.count, expected);
	if (rc > 0) {
		assert_int_equal(intent.source_uidvalidity, 7);
		assert_int_equal(intent.target_uidvalidity, 9);
		assert_int_equal(intent.target_uidnext, 41);
	}
	for (size_t i = 0; i < intent.count; i++) {
		assert_int_equal(intent.message[i].uid, (i + 1) * 3);
		assert_int_equal(intent.message[i].size, 5000000000 + expected - 1 - i);
		assert_int_equal(intent.message[i].digest.word[0], expected - 1 - i);
	}
	arena_free(arena);
	return rc;
}

static void drop(struct intents *intents, const char *source, const char *target)
{
	struct err err = ERR_INIT;

	assert_int_equal(intents_drop(intents, source, target, &err), 0);
}

static void test_kept(void **state)
{
	struct intents *intents = open_intents(dir);

	(void)state;
	assert_int_equal(get(intents, "INBOX", "Trash", 0), 0);
	put(intents, "INBOX", "Trash", 200);
	put(intents, "INBOX", "Archive", 1);
	intents_close(intents);
	assert_true(intents_exist(dir, IDENTITY));
	assert_false(intents_exist(dir, "imap://otto@mail.example:993"));
	intents = open_intents(dir);
	assert_int_equal(get(intents, "INBOX", "Trash", 200), 1);
	assert_int_equal(get(intents, "INBOX", "Archive", 1), 1);
	assert_int_equal(get(intents, "Trash", "INBOX", 0), 0);
	intents_close(intents);
}

static void test_replaced_and_dropped(void **state)
{
	struct intents *intents = open_intents(dir);

	(void)state;
	put(intents, "a", "b", 20);
	put(intents, "a", "b", 3);
	assert_int_equal(get(intents, "a", "b", 3), 1);
	drop(intents, "a", "b");
	drop(intents, "a", "b");
	assert_int_equal(get(intents, "a", "b", 0), 0);
	put(intents, "a", "c", 2);
	assert_int_equal(get(intents, "a", "c", 2), 1);
	intents_close(intents);
}

/* What is known to be a copy of one mailbox's message is noted with every other intent of this target, and stays noted when that is written anew. */
static void test_claims(void **state)
{
	const struct intent_range copies[] = { { 50, 52 }, { 60, 60 } };
	const struct intent by = { .source = "b", .target = "t", .target_uidvalidity = 9 };
	const struct intent other = { .source = "b", .target = "t", .target_uidvalidity = 10 };
	struct intents *intents = open_intents(dir);
	struct arena *arena = arena_new();
	struct intent_message *rival;
	struct err err = ERR_INIT;
	struct intent intent;
	size_t count;

	(void)state;
	put(intents, "a", "t", 2);
	put(intents, "a", "u", 1);
	put(intents, "b", "t", 3);
	assert_int_equal(intents_claim(intents, &by, copies, 2, &err), 0);
	assert_int_equal(intents_claim(intents, &by, copies, 1, &err), 0);
	assert_int_equal(intents_claim(intents, &other, copies, 1, &err), 0);
	intents_close(intents);
	intents = open_intents(dir);
	assert_int_equal(intents_get(intents, "a", "t", arena, &intent, &err), 1);
	assert_int_equal(intent.claims, 2);
	assert_int_equal(intent.claimed[0].first, 50);
	assert_int_equal(intent.claimed[0].last, 52);
	assert_int_equal(intent.claimed[1].first, 60);
	assert_int_equal(intents_put(intents, &intent, &err), 0);
	assert_int_equal(intents_get(intents, "a", "t", arena, &intent, &err), 1);
	assert_int_equal(intent.claims, 2);
	assert_int_equal(intents_get(intents, "b", "t", arena, &intent, &err), 1);
	assert_int_equal(intent.claims, 0);
	assert_int_equal(intents_get(intents, "a", "u", arena, &intent, &err), 1);
	assert_int_equal(intent.claims, 0);
	assert_int_equal(intents_rivals(intents, "a", "t", arena, &rival, &count, &err), 0);
	assert_int_equal(count, 3);
	assert_int_equal(intents_rivals(intents, "a", "u", arena, &rival, &count, &err), 0);
	assert_int_equal(count, 0);
	drop(intents, "a", "t");
	put(intents, "a", "t", 1);
	assert_int_equal(intents_get(intents, "a", "t", arena, &intent, &err), 1);
	assert_int_equal(intent.claims, 0);
	arena_free(arena);
	intents_close(intents);
}

static void test_without_directory(void **state)
{
	struct intents *intents = open_intents(NULL);

	(void)state;
	assert_false(intents_exist(NULL, IDENTITY));
	put(intents, "a", "b", 5);
	assert_int_equal(get(intents, "a", "b", 5), 1);
	intents_close(intents);
	intents = open_intents(NULL);
	assert_int_equal(get(intents, "a", "b", 0), 0);
	intents_close(intents);
}

static void test_one_run_at_a_time(void **state)
{
	struct intents *intents = open_intents(dir);
	struct err err = ERR_INIT;

	(void)state;
	assert_null(intents_open(dir, IDENTITY, &err));
	assert_int_equal(err.scope, ERR_LOCAL);
	intents_close(intents);
}

static void test_sources(void **state)
{
	struct intents *intents = open_intents(dir);
	struct arena *arena = arena_new();
	const char **source;
	struct err err = ERR_INIT;
	size_t count;

	(void)state;
	put(intents, "b", INTENT_MARKS, 3);
	put(intents, "c", "t", 2);
	put(intents, "a", INTENT_MARKS, 1);
	assert_int_equal(intents_sources(intents, INTENT_MARKS, arena, &source, &count, &err), 0);
	assert_int_equal(count, 2);
	assert_string_equal(source[0], "a");
	assert_string_equal(source[1], "b");
	assert_int_equal(intents_sources(intents, "u", arena, &source, &count, &err), 0);
	assert_int_equal(count, 0);
	arena_free(arena);
	intents_close(intents);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_kept, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_replaced_and_dropped, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_claims, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_without_directory, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_one_run_at_a_time, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_sources, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
