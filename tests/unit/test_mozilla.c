/* X-Mozilla-Status and its kin: hexadecimal bits, and back. */
#include "mail/mozilla.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct {
	const char *status, *status2, *keys, *flags;
	bool gone;
} examples[] = {
	{ "0000", "00000000", "", "", false },
	{ "0001", "00000000", "", "\\Seen", false },
	/* "read" and "Re:": bits, not digits */
	{ "0011", "00000000", "", "\\Seen", false },
	{ "1001", "00000000", "", "\\Seen $Forwarded", false },
	{ "0009", "00000000", "", "\\Seen", true },
	{ " 0006 ", "00800000", "$label1  Work ", "\\Answered \\Flagged $MDNSent $label1 Work",
		false },
	{ "0000", "06000000", "", "$label3", false },
	{ "0000", "06000000", "$label3", "$label3", false },
	{ "E000", "0E010000", "\\Seen", "", false },
	{ "0000", "00200000", "", "\\Deleted", false },
};

static void test_flags(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 1000);
	for (size_t i = 0; i < countof(examples); i++) {
		struct mozilla mozilla;

		assert_true(mozilla_status(span_of(examples[i].status), &mozilla.status));
		assert_true(mozilla_status(span_of(examples[i].status2), &mozilla.status2));
		buf_clear(&out);
		assert_int_equal(mozilla_flags(&mozilla, span_of(examples[i].keys), &out), 0);
		assert_string_equal(buf_text(&out), examples[i].flags);
		assert_int_equal(mozilla_is_gone(&mozilla), examples[i].gone);
	}
	buf_release(&out);
}

static void test_numbers(void **state)
{
	static const char *const bad[] = { "", " ", "0x01", "123456789", "00g1", "1 1" };
	uint32_t value = 7;

	(void)state;
	for (size_t i = 0; i < countof(bad); i++)
		assert_false(mozilla_status(span_of(bad[i]), &value));
	assert_int_equal(value, 7);
	assert_true(mozilla_status(SPAN("fFfFfFfF"), &value));
	assert_int_equal(value, UINT32_MAX);
}

static void test_print(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 1000);
	assert_int_equal(
		mozilla_print(SPAN("\\Seen \\Draft $forwarded $label2 Work $MDNSent"), &out), 0);
	assert_true(span_starts(
		buf_span(&out), SPAN("X-Mozilla-Status: 1001\nX-Mozilla-Status2: 00800000\n"
				     "X-Mozilla-Keys: $label2 Work    ")));
	assert_true(span_ends(buf_span(&out), SPAN(" \n")));
	out.max = 140;
	buf_clear(&out);
	assert_int_equal(mozilla_print(SPAN(""), &out), -1);
	buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_print),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
