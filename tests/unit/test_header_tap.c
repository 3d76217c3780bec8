/* The header of a message that comes in pieces of any size. */
#include "store/header_tap.h"
#include "store/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct told {
	struct span expected;
	unsigned count;
};

static void take(void *context, uint32_t uid, struct span header)
{
	struct told *told = context;

	assert_int_equal(uid, 7);
	assert_true(span_equal(header, told->expected));
	told->count++;
}

static void test_chunks(void **state)
{
	static const struct {
		struct span text;
		size_t header;
	} sample[] = {
		{ SPAN("A: b\r\nC: d\r\n\r\nbody\r\n\r\nx"), 14 },
		{ SPAN("A: b\nC: d\n\nbody\n\nx"), 11 },
		{ SPAN("\r\nbody"), 2 },
		{ SPAN("\nbody"), 1 },
		{ SPAN("A: b\r\r\nno end"), 13 },
		{ SPAN("x\r\n"), 3 },
		{ SPAN(""), 0 },
	};
	struct told told = { .count = 0 };
	const struct box_scan want = { .header = take, .header_context = &told };
	struct header_tap tap;

	(void)state;
	header_tap_init(&tap, &want);
	for (size_t i = 0; i < sizeof(sample) / sizeof(sample[0]); i++) {
		for (size_t piece = 1; piece < 30; piece++) {
			struct span rest = sample[i].text;

			told.expected = span_sub(rest, 0, sample[i].header);
			for (; rest.len > 0; rest = span_from(rest, piece))
				header_tap_add(&tap, span_sub(rest, 0, piece));
			header_tap_give(&tap, &want, 7);
		}
	}
	assert_int_equal(told.count, 29 * sizeof(sample) / sizeof(sample[0]));
	header_tap_release(&tap);
}

static void test_endless(void **state)
{
	static char text[HEADER_TAP_MAX + 10];
	struct told told = { .expected = { text, HEADER_TAP_MAX } };
	const struct box_scan want = { .header = take, .header_context = &told }, none = { 0 };
	struct header_tap tap;

	(void)state;
	memset(text, 'x', sizeof(text));
	header_tap_init(&tap, &want);
	for (unsigned i = 0; i < 3; i++)
		header_tap_add(&tap, span_make(text, sizeof(text) / 2));
	header_tap_give(&tap, &want, 7);
	assert_int_equal(told.count, 1);
	header_tap_add(&tap, SPAN("A: b\n\n"));
	header_tap_drop(&tap);
	told.expected = SPAN("");
	header_tap_give(&tap, &want, 7);
	assert_int_equal(told.count, 2);
	header_tap_release(&tap);

	header_tap_init(&tap, &none);
	header_tap_add(&tap, SPAN("A: b\n\n"));
	header_tap_give(&tap, &none, 7);
	header_tap_release(&tap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chunks),
		cmocka_unit_test(test_endless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
