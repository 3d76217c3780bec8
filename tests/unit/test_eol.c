/* Repairs of line ends and long lines: the same result for every way to cut the input. */
#include "mail/eol.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct example {
	bool fix_eol;
	uint32_t wrap;
	const char *in, *out;
};

static const struct example examples[] = {
	{ true, 0, "", "" },
	{ true, 0, "a\r\nb\r\n", "a\r\nb\r\n" },
	{ true, 0, "a\nb\n", "a\r\nb\r\n" },
	{ true, 0, "a\rb\r", "a\r\nb\r\n" },
	{ true, 0, "\r\r\n\n\r", "\r\n\r\n\r\n\r\n" },
	{ true, 0, "no end", "no end" },
	{ false, 0, "a\rb\nc\r\n\r", "a\rb\nc\r\n\r" },
	{ false, 4, "abcd\r\nefgh\n", "abcd\r\nefgh\n" },
	{ false, 4, "abcde\r\n", "abcd\r\ne\r\n" },
	{ false, 4, "abcdefgh", "abcd\r\nefgh" },
	{ false, 4, "abc\rdefg\r\n", "abc\r\r\ndefg\r\n" },
	{ true, 4, "abc\rdefgh\n", "abc\r\ndefg\r\nh\r\n" },
	{ true, 1, "ab", "a\r\nb" },
};

static void run(const struct example *example, size_t first, size_t second, struct buf *out)
{
	struct eol_fix fix = { .fix_eol = example->fix_eol, .wrap = example->wrap };
	struct span in = span_of(example->in);

	buf_init(out, 4096);
	assert_int_equal(eol_fix_add(&fix, span_sub(in, 0, first), out), 0);
	assert_int_equal(eol_fix_add(&fix, span_sub(in, first, second), out), 0);
	assert_int_equal(eol_fix_add(&fix, span_from(in, first + second), out), 0);
	assert_int_equal(eol_fix_end(&fix, out), 0);
}

static void test_examples(void **state)
{
	(void)state;
	for (size_t i = 0; i < countof(examples); i++) {
		size_t len = strlen(examples[i].in);

		for (size_t first = 0; first <= len; first++) {
			for (size_t second = 0; first + second <= len; second++) {
				struct buf out;

				run(&examples[i], first, second, &out);
				assert_string_equal(buf_text(&out), examples[i].out);
				buf_release(&out);
			}
		}
	}
}

static void test_cap(void **state)
{
	struct eol_fix fix = { .fix_eol = true };
	struct buf out;

	(void)state;
	buf_init(&out, 3);
	assert_int_equal(eol_fix_add(&fix, SPAN("a\nbc"), &out), -1);
	buf_release(&out);
}

static void test_many_cr(void **state)
{
	static char text[200000];
	struct eol_fix fix = { .fix_eol = true };
	struct buf out;

	(void)state;
	memset(text, '\r', sizeof(text));
	buf_init(&out, 2 * sizeof(text));
	assert_int_equal(eol_fix_add(&fix, span_make(text, sizeof(text)), &out), 0);
	assert_int_equal(eol_fix_end(&fix, &out), 0);
	assert_int_equal(out.len, 2 * sizeof(text));
	buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_examples),
		cmocka_unit_test(test_cap),
		cmocka_unit_test(test_many_cr),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
