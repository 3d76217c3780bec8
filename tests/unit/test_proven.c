/* What every target has: a message that one of them lacks stays at the source. */
#include "ops/proven.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/must.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct say {
	unsigned round;
	const char *mailbox;
	uint32_t uidvalidity;
	const char *uids, *left;
};

static void play(const struct say *say, size_t count)
{
	struct arena *arena = arena_new();
	struct proven *proven = proven_new();

	for (size_t i = 0; i < count; i++) {
		struct uidset uids = { 0 };
		size_t next = 0;
		struct buf text;

		if (*say[i].uids)
			assert_int_equal(uidset_parse(span_of(say[i].uids), arena, &uids), 0);
		proven_cut(proven, say[i].round, say[i].mailbox, say[i].uidvalidity, &uids, arena);
		buf_init(&text, 1000);
		(void)uidset_print(&uids, &next, 1000, &text);
		assert_string_equal(buf_text(&text), say[i].left);
		buf_release(&text);
	}
	proven_free(proven);
	arena_free(arena);
}

static void test_what_all_have(void **state)
{
	static const struct say says[] = {
		{ 0, "INBOX", 7, "1:10", "1:10" },
		{ 0, "a", 7, "1:3", "1:3" },
		{ 0, "b", 7, "", "" },
		{ 0, "c", 7, "1", "1" },
		{ 1, "INBOX", 7, "2:5,8:12", "2:5,8:10" }, /* 11 and 12 came meanwhile */
		{ 1, "b", 7, "1:5", "" },
		{ 1, "c", 8, "1", "" }, /* another mailbox by now */
		{ 1, "new", 7, "1", "" },
		{ 2, "INBOX", 7, "1:12", "2:5,8:10" },
		{ 2, "a", 7, "1:3", "" }, /* the second job did not come to it */
		{ 2, "c", 7, "1", "" },
	};

	(void)state;
	play(says, countof(says));
}

static void test_first_failed(void **state)
{
	static const struct say says[] = { { 1, "INBOX", 7, "1:10", "" },
		{ 2, "INBOX", 7, "1:10", "" } };

	(void)state;
	play(says, countof(says));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_all_have),
		cmocka_unit_test(test_first_failed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
