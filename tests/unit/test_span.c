/* Spans: comparisons, parts and numbers, with the empty span in every place. */
#include "base/span.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct span none = { NULL, 0 };

static void test_compare(void **state)
{
	(void)state;
	assert_true(span_equal(none, SPAN("")));
	assert_true(span_equal(span_of(NULL), none));
	assert_false(span_equal(SPAN("a"), SPAN("A")));
	assert_true(span_equal_nocase(SPAN("inBox"), SPAN("INBOX")));
	assert_false(span_equal_nocase(SPAN("[a"), SPAN("{a"))); /* 0x20 apart, and no letters */
	assert_false(span_equal_nocase(SPAN("\xc3\xa4"), SPAN("\xc3\x84")));
	assert_true(span_equal_text(SPAN("x"), "x"));
	assert_true(span_starts(SPAN("abc"), SPAN("ab")) && span_starts(none, none));
	assert_false(span_starts(SPAN("a"), SPAN("ab")));
	assert_true(span_starts_nocase(SPAN("ABc"), SPAN("ab")));
	assert_true(span_ends(SPAN("abc"), SPAN("bc")) && span_ends(SPAN("abc"), none));
	assert_false(span_ends(SPAN("bc"), SPAN("abc")));
	assert_true(span_compare(SPAN("ab"), SPAN("abc")) < 0);
	assert_true(span_compare(SPAN("b"), SPAN("abc")) > 0);
	assert_true(span_compare(SPAN("\xff"), SPAN("a")) > 0);
	assert_int_equal(span_compare(none, SPAN("")), 0);
}

static void test_parts(void **state)
{
	(void)state;
	assert_int_equal(span_find(SPAN("abca"), 'c'), 2);
	assert_true(span_find(SPAN("abc"), 'x') == SIZE_MAX && span_find(none, 'x') == SIZE_MAX);
	assert_true(span_equal_text(span_from(SPAN("abc"), 2), "c"));
	assert_int_equal(span_from(SPAN("abc"), 9).len, 0);
	assert_true(span_equal_text(span_sub(SPAN("abcdef"), 1, 2), "bc"));
	assert_true(span_equal_text(span_sub(SPAN("abc"), 1, SIZE_MAX), "bc"));
	assert_int_equal(span_sub(none, 3, 3).len, 0);
	assert_true(span_equal_text(span_trim(SPAN(" \t\r\n a b \r\n")), "a b"));
	assert_int_equal(span_trim(SPAN(" \t ")).len, 0);
}

static void test_numbers(void **state)
{
	static const char *const bad[] = { "", "-1", "+1", " 1", "1 ", "0x1",
		"18446744073709551616", "99999999999999999999", "000000000000000000001", "1.0" };
	uint64_t wide = 77;
	uint32_t narrow = 77;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (span_u64(span_of(bad[i]), &wide) || wide != 77)
			fail_msg("\"%s\" was read as a number", bad[i]);
	}
	assert_true(span_u64(SPAN("18446744073709551615"), &wide) && wide == UINT64_MAX);
	assert_true(span_u64(SPAN("0"), &wide) && wide == 0);
	assert_false(span_u32(SPAN("4294967296"), &narrow));
	assert_int_equal(narrow, 77);
	assert_true(span_u32(SPAN("4294967295"), &narrow) && narrow == UINT32_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_compare),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
