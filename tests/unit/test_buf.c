/* Buffers: growth up to the cap, and nothing added beyond it. */
#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_cap(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 5);
	assert_int_equal(buf_add(&buf, SPAN("abc")), 0);
	assert_int_equal(buf_add(&buf, SPAN("def")), -1);
	assert_int_equal(buf_print(&buf, "%d", 123), -1);
	assert_string_equal(buf_text(&buf), "abc");
	assert_int_equal(buf_print(&buf, "%d", 12), 0);
	assert_int_equal(buf_add_char(&buf, 'x'), -1);
	assert_int_equal(buf_reserve(&buf, SIZE_MAX), -1);
	assert_int_equal(buf_add(&buf, SPAN("")), 0);
	assert_string_equal(buf_text(&buf), "abc12");
	assert_true(buf.room <= 6);
	buf_release(&buf);
	buf_release(&buf);
}

static void test_empty(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 0);
	assert_string_equal(buf_text(&buf), "");
	assert_int_equal(buf_add(&buf, span_of(NULL)), 0);
	assert_int_equal(buf_add_char(&buf, 'x'), -1);
	assert_int_equal(buf_span(&buf).len, 0);
	buf_drop_front(&buf, 3);
	buf_release(&buf);
}

static void test_growth(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, SIZE_MAX);
	for (int i = 0; i < 100000; i++)
		assert_int_equal(buf_add_char(&buf, (char)('a' + i % 26)), 0);
	for (size_t i = 0; i < buf.len; i++)
		assert_int_equal(buf.data[i], 'a' + (int)(i % 26));
	assert_true(buf.room < 300000);
	buf_drop_front(&buf, 99999);
	assert_int_equal(buf.len, 1);
	assert_int_equal(buf.data[0], 'a' + 99999 % 26);
	buf_clear(&buf);
	assert_string_equal(buf_text(&buf), "");
	buf_release(&buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cap),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_growth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
