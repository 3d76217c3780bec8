/* Thunderbird's lines are left out of the header and nowhere else. */
#include "mail/mozilla_filter.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct {
	const char *in, *out;
} examples[] = {
	{ "", "" },
	{ "X-Mozilla-Status: 0001\nA: b\n\nX-Mozilla-Status: 0001\n",
		"A: b\n\nX-Mozilla-Status: 0001\n" },
	{ "A: b\r\nx-mozilla-keys: a\r\n  b\r\n\tc\r\nX-Mozilla-Status3: 1\r\n d\r\n\r\n",
		"A: b\r\nX-Mozilla-Status3: 1\r\n d\r\n\r\n" },
	{ "X-Mozilla-Status2: 00000000", "" },
	{ "X-Mozilla-Keys:                                                                  "
	  "               \nX-Long: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	  "aaaaaaaaaa\nno end",
		"X-Long: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aa\nno end" },
	{ "no header\n\r", "no header\n\r" },
};

static void test_filter(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 1000);
	for (size_t i = 0; i < countof(examples); i++) {
		const struct span in = span_of(examples[i].in);

		for (size_t step = 1; step <= in.len + 1; step++) {
			struct mozilla_filter filter = { .len = 0 };

			buf_clear(&out);
			for (size_t at = 0; at < in.len; at += step)
				assert_int_equal(
					mozilla_filter_add(&filter, span_sub(in, at, step), &out),
					0);
			assert_int_equal(mozilla_filter_end(&filter, &out), 0);
			assert_string_equal(buf_text(&out), examples[i].out);
		}
	}
	buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_filter) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
