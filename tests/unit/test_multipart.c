/* Multiparts that are closed, and what only looks so. */
#include "mail/multipart.h"

#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define TYPE "Content-Type: multipart/mixed;\r\n boundary=\"a b\"\r\n\r\n"

static void test_closed(void **state)
{
	static const struct {
		const char *header, *tail;
		bool closed;
	} sample[] = {
		{ TYPE, "text\r\n--a b--\r\n", true },
		{ TYPE, "text\r\n--a b--", true },
		{ TYPE, "text\n--a b-- \t\nepilogue\n", true },
		{ "content-TYPE: Multipart/x; charset=x; BOUNDARY=q\n\n", "\n--q--", true },
		{ TYPE, "text\r\n--a b\r\n", false },
		{ TYPE, "text\r\n--a b--x\r\n", false },
		{ TYPE, "text\r\n--a b-", false },
		{ TYPE, "--a b--\r\n", false }, /* not known to begin a line */
		{ TYPE, "text --a b--\r\n", false },
		{ TYPE, "text\r\n--inner--\r\n", false },
		{ TYPE, "", false },
		{ "Content-Type: multipart/mixed\r\n\r\n", "\r\n----\r\n", false },
		{ "Content-Type: text/plain; boundary=q\r\n\r\n", "\r\n--q--\r\n", false },
		{ "Subject: x\r\n\r\n", "\r\n--q--\r\n", false },
	};
	struct arena *arena = arena_new();

	(void)state;
	for (size_t i = 0; i < sizeof(sample) / sizeof(sample[0]); i++)
		if (multipart_is_closed(span_of(sample[i].header), span_of(sample[i].tail),
			    arena) != sample[i].closed)
			fail_msg("sample %zu", i);
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_closed) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
