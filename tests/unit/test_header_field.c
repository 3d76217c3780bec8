#include "mail/header_field.h"

#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_field(void **state)
{
	const struct span header = SPAN("Subject: a\r\n b\r\nMESSAGE-ID:\r\n <x@y>\r\nX: \r\n\r\n"
					"From: body\r\n");
	struct arena *arena = arena_new();

	(void)state;
	assert_string_equal(header_field(header, SPAN("Subject"), arena), "a b");
	assert_string_equal(header_field(header, SPAN("Message-ID"), arena), "<x@y>");
	assert_string_equal(header_field(header, SPAN("X"), arena), "");
	assert_null(header_field(header, SPAN("From"), arena));
	assert_null(header_field(SPAN("Subject: open"), SPAN("Subject"), arena));
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_field),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
