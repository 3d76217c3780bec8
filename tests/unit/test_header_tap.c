/* The header of a message that comes in pieces of any size. */
#include "store/header_tap.h"
#include "store/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct told {
	struct span expected, tail;
	unsigned count, tails;
};

static void take(void *context, uint32_t uid, struct span header)
{
	struct told *told = context;

	assert_int_equal(uid, 7);
	assert_true(span_equal(header, told->expected));
	told->count++;
}

static void take_tail(void *context, uint32_t uid, struct span header, struct span tail)
{
	struct told *told = context;

	take(context, uid, header);
	assert_true(span_equal(tail, told->tail));
	told->count--;
	told->tails++;
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
	const struct box_scan want = { .header = take, .header_context = &told, .tail = take_tail };
	struct header_tap tap;

	(void)state;
	header_tap_init(&tap, &want);
	for (size_t i = 0; i < sizeof(sample) / sizeof(sample[0]); i++) {
		for (size_t piece = 1; piece < 30; piece++) {
			struct span rest = sample[i].text;

			told.expected = span_sub(rest, 0, sample[i].header);
			told.tail = rest;
			for (; rest.len > 0; rest = span_from(rest, piece))
				header_tap_add(&tap, span_sub(rest, 0, piece));
			header_tap_give(&tap, &want, 7);
		}
	}
	assert_int_equal(told.count, 29 * sizeof(sample) / sizeof(sample[0]));
	assert_int_equal(told.tails, told.count);
	header_tap_release(&tap);
}

static void test_tail(void **state)
{
	static char text[5 * HEADER_TAP_TAIL];
	static const size_t pieces[] = { 1, 100, HEADER_TAP_TAIL - 1, HEADER_TAP_TAIL,
		HEADER_TAP_TAIL + 1, 2 * HEADER_TAP_TAIL, sizeof(text) };
	struct told told = { .count = 0 };
	const struct box_scan want = { .header = take, .header_context = &told, .tail = take_tail };
	struct header_tap tap;

	(void)state;
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)('a' + i % 23 + i / 1000 % 3);
	told.expected = span_make(text, sizeof(text));
	told.tail = span_from(told.expected, sizeof(text) - HEADER_TAP_TAIL);
	header_tap_init(&tap, &want);
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		for (size_t at = 0; at < sizeof(text); at += pieces[i])
			header_tap_add(&tap, span_sub(told.expected, at, pieces[i]));
		header_tap_give(&tap, &want, 7);
	}
	assert_int_equal(told.tails, sizeof(pieces) / sizeof(pieces[0]));
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
		cmocka_unit_test(test_tail),
		cmocka_unit_test(test_endless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
