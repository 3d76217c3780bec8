#include "mail/mime.h"

#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_decode(void **state)
{
	static const char *const cases[][2] = {
		{ "", "" },
		{ "plain", "plain" },
		{ "=?UTF-8?Q?caf=C3=A9?=", "caf\xc3\xa9" },
		{ "=?iso-8859-1?q?caf=E9?= =?utf-8?b?w6k=?=", "caf\xc3\xa9\xc3\xa9" },
		{ "Re: =?UTF-8?B?4oKs?= 5", "Re: \xe2\x82\xac 5" },
		{ "=?unknown?Z?x?=", "=?unknown?Z?x?=" },
	};
	struct arena *arena = arena_new();

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(mime_decode(cases[i][0], arena), cases[i][1]);
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
