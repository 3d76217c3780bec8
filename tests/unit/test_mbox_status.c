/* mail/mbox_status.h: names put aside come back, whole and octet by octet. */
#include "mail/mbox_status.h"

#include "base/buf.h"
#include "base/must.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void run(bool undo, bool crlf, struct span text, size_t piece, struct buf *out)
{
	struct mbox_status status = { .undo = undo, .crlf = crlf };

	buf_clear(out);
	for (size_t at = 0; at < text.len; at += piece)
		assert_int_equal(mbox_status_add(&status, span_sub(text, at, piece), out), 0);
	assert_int_equal(mbox_status_end(&status, out), 0);
}

static void check(bool undo, bool crlf, const char *text, const char *expected)
{
	struct buf out;

	buf_init(&out, SIZE_MAX / 2);
	for (size_t piece = 1; piece <= strlen(text) + 1; piece++) {
		run(undo, crlf, span_of(text), piece, &out);
		assert_string_equal(buf_text(&out), expected);
	}
	buf_release(&out);
}

static void test_aside(void **state)
{
	(void)state;
	check(false, false, "A: b\nStatus: RO\nx-status: F\nX-KEYWORDS: $a\n\nStatus: body\n",
		"A: b\nX-Original-Status: RO\nX-Original-x-status: F\nX-Original-X-KEYWORDS: $a\n\nStatus: body\n");
	check(false, false, "X-Original-Status: RO\nX-Original-: x\nX-Original-\n\nStatus: b",
		"X-Original-X-Original-Status: RO\nX-Original-: x\nX-Original-\n\nStatus: b");
	check(false, false, "Statu: x\nStatus : x\nx-original-Status: x\n Status: x\nX-Statu\n",
		"Statu: x\nStatus : x\nx-original-Status: x\n Status: x\nX-Statu\n");
	check(false, false, "A: b\n\r\nStatus: x\n", "A: b\n\r\nX-Original-Status: x\n");
	check(false, true, "A: b\r\n\r\nStatus: x\r\n", "A: b\r\n\r\nStatus: x\r\n");
	check(false, true, "A: b\n\r\r\nStatus: x\r\n", "A: b\n\r\r\nX-Original-Status: x\r\n");
	check(false, false, "Status:", "X-Original-Status:");
	check(false, false, "X-Original-Stat", "X-Original-Stat");
	check(false, false, "", "");
}

static void test_undo(void **state)
{
	(void)state;
	check(true, false,
		"Status: R\nX-Status: F\nX-Keywords: a\n b\n\tc\nX-Original-Status: O\n d\n\nStatus: x\n",
		"Status: O\n d\n\nStatus: x\n");
	check(true, false, "X-Original-X-Original-X-Keywords: k\nX-Original-Other: o\nX-Original-",
		"X-Original-X-Keywords: k\nX-Original-Other: o\nX-Original-");
	check(true, false, "Status: last", "");
	check(true, false, "Status: a\nA: b\nStatus: c\n\n", "A: b\n\n");
}

/* Anything at all. */
static void test_random(void **state)
{
	static const char *const part[] = { "Status", "X-Status", "X-Keywords", "X-Original-",
		"x-original-", ":", " ", "\n", "\n", "\r", "\r\n", "\t", "X", "-", "S", "a",
		"From ", "\n\n", "sTATUS:" };
	struct buf text, aside, back;

	(void)state;
	buf_init(&text, SIZE_MAX / 2);
	buf_init(&aside, SIZE_MAX / 2);
	buf_init(&back, SIZE_MAX / 2);
	srand(7);
	for (unsigned i = 0; i < 20000; i++) {
		const bool crlf = i % 2;

		buf_clear(&text);
		for (int n = rand() % 14; n > 0; n--)
			assert_int_equal(
				buf_add(&text, span_of(part[(size_t)rand() % countof(part)])), 0);
		run(false, crlf, buf_span(&text), 1 + (size_t)rand() % 9, &aside);
		run(true, crlf, buf_span(&aside), 1 + (size_t)rand() % 9, &back);
		assert_string_equal(buf_text(&back), buf_text(&text));
	}
	buf_release(&text);
	buf_release(&aside);
	buf_release(&back);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_aside),
		cmocka_unit_test(test_undo),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
