/* Dates: the RFCs' examples, what the wild writes, the calendar against the C library's, and print -> parse. */
#include "mail/date.h"

#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct example {
	const char *text;
	int64_t instant;
	int zone;
};

static void check(int (*parse)(struct span, struct date *), const struct example *example)
{
	struct date date = { .instant = 77, .zone = 77 };
	int rc = parse(span_of(example->text), &date);

	if (example->instant == DATE_UNKNOWN) {
		if (rc != -1)
			fail_msg("\"%s\" was read as a date", example->text);
		assert_int_equal(date.instant, 77);
		return;
	}
	if (rc != 0 || date.instant != example->instant || date.zone != example->zone)
		fail_msg("\"%s\": rc %d, %lld %d", example->text, rc, (long long)date.instant,
			date.zone);
}

static void test_internal(void **state)
{
	static const struct example examples[] = {
		{ "17-Jul-1996 02:44:25 -0700", 837596665, -420 }, /* RFC 3501 §6.4.5 */
		{ " 7-Jul-1996 02:44:25 -0700", 836732665, -420 },
		{ "7-jul-1996 02:44:25 -0700", 836732665, -420 },
		{ "01-Jan-1970 00:00:00 +0000", 0, 0 },
		{ "31-Dec-1969 23:59:59 +0000", -1, 0 },
		{ "19-Jan-2038 03:14:07 +0000", 2147483647, 0 },
		{ "19-Jan-2038 03:14:08 +0000", 2147483648, 0 },
		{ "01-Jan-0001 00:00:00 +0000", -62135596800, 0 },
		{ "31-Dec-9999 23:59:59 +0000", 253402300799, 0 },
		{ "29-Feb-2024 12:00:00 +0100", 1709204400, 60 },
		{ "30-Jun-2012 23:59:60 +0000", 1341100800, 0 },
		{ "17-Jul-1996 02:44:25", 837571465, 0 },
		{ "17-Jul-1996 02:44:25 +2359", 837571465 - 1439 * 60, 1439 },
		{ "", DATE_UNKNOWN, 0 },
		{ "00-Jan-0000 00:00:00 +0000", DATE_UNKNOWN, 0 }, /* seen from Domino */
		{ "29-Feb-2023 12:00:00 +0000", DATE_UNKNOWN, 0 },
		{ "29-Feb-1900 12:00:00 +0000", DATE_UNKNOWN, 0 },
		{ "32-Jan-2024 12:00:00 +0000", DATE_UNKNOWN, 0 },
		{ "01-Jan-0000 12:00:00 +0000", DATE_UNKNOWN, 0 },
		{ "01-Foo-2024 12:00:00 +0000", DATE_UNKNOWN, 0 },
		{ "01-Jan-2024 24:00:00 +0000", DATE_UNKNOWN, 0 },
		{ "01-Jan-2024 12:60:00 +0000", DATE_UNKNOWN, 0 },
		{ "01-Jan-2024 12:00:61 +0000", DATE_UNKNOWN, 0 },
		{ "01-Jan-2024 12:00:00 +2400", DATE_UNKNOWN, 0 },
		{ "01-Jan-2024 12:00:00 +0160", DATE_UNKNOWN, 0 },
		{ "01-Jan-2024 12:00:00 +9999", DATE_UNKNOWN, 0 },
		{ "01-Jan-2024 12:00:00 0100", DATE_UNKNOWN, 0 },
		{ "01-Jan-2024 12:00:00 +01:00", DATE_UNKNOWN, 0 },
		{ "01-Jan-2024 12:00:00 GMT", DATE_UNKNOWN, 0 },
		{ "01-Jan-2024", DATE_UNKNOWN, 0 },
		{ "1-Jan-24 12:00:00 +0000", DATE_UNKNOWN, 0 },
		{ "001-Jan-2024 12:00:00 +0000", DATE_UNKNOWN, 0 },
		{ "01-Jan-2024 12:00:00 +0000\r\nA1 DELETE", DATE_UNKNOWN, 0 },
		{ "-1-Jan-2024 12:00:00 +0000", DATE_UNKNOWN, 0 },
	};

	(void)state;
	for (size_t i = 0; i < countof(examples); i++)
		check(date_parse_internal, &examples[i]);
}

static void test_header(void **state)
{
	static const struct example examples[] = {
		{ "Fri, 21 Nov 1997 09:55:06 -0600", 880127706, -360 }, /* RFC 5322 §A.1.1 */
		{ "Thu,\r\n      13\r\n        Feb\r\n          1969\r\n      23:32\r\n               -0330 (Newfoundland Time)",
			-27723480, -210 }, /* §A.5 */
		{ "21 Nov 97 09:55:06 GMT", 880106106, 0 }, /* §A.6.2 */
		{ "Mon Jan  2 15:04:05 2006", 1136214245, 0 },
		{ "Mon Jan  2 15:04:05 MST 2006", 1136239445, -420 },
		{ "Mon Jan  2 15:04:05 2006 +0100", 1136210645, 60 },
		{ "Mon, 2 Jan 2006 15:04:05 PST", 1136243045, -480 },
		{ "2 Jan 2006 15:04:05 Z", 1136214245, 0 },
		{ "2 Jan 2006 15:04:05 Q", 1136214245, 0 }, /* military: no information */
		{ "Mon, 2 Jan 06 15.04.05 +0000", 1136214245, 0 },
		{ "Mon, 2 Jan 106 15:04:05 +0000", 1136214245, 0 }, /* §4.3, three digits */
		{ "2-Jan-2006 15:04:05 +0000", 1136214245, 0 },
		{ "2006-01-02T15:04:05Z", 1136214245, 0 },
		{ "2006-01-02 15:04:05.123 +0100", 1136210645, 60 },
		{ "2006-01-02T15:04:05+01:00", 1136210645, 60 },
		{ "Monday, January 2, 2006 3:04:05 PM", 1136214245, 0 },
		{ "2 Jan 2006 12:04am", 1136160240, 0 },
		{ "2 Jan 2006", 1136160000, 0 },
		{ "Mon, 2 Jan 2006 15:04:05 +0000 (Coordinated (Universal\\) Time))", 1136214245,
			0 },
		{ "(comment (nested)) Mon(x), 2 (y)Jan 2006 15:04:05 +0000", 1136214245, 0 },
		{ "2 Jan 2006 15:04:05 +9999", 1136214245, 0 },
		{ "", DATE_UNKNOWN, 0 },
		{ "(((((((((", DATE_UNKNOWN, 0 },
		{ "yesterday", DATE_UNKNOWN, 0 },
		{ "31 Feb 2006 15:04:05 +0000", DATE_UNKNOWN, 0 },
		{ "2 Jan", DATE_UNKNOWN, 0 },
		{ "99999999999999999999 Jan 2006", DATE_UNKNOWN, 0 },
		{ "2 Jan 2006 25:00:00 +0000", DATE_UNKNOWN, 0 },
		{ "\\", DATE_UNKNOWN, 0 },
		{ "(\\", DATE_UNKNOWN, 0 },
		{ "2006-13-02T00:00:00Z", DATE_UNKNOWN, 0 },
		{ "1--2", DATE_UNKNOWN, 0 },
	};

	(void)state;
	for (size_t i = 0; i < countof(examples); i++)
		check(date_parse_header, &examples[i]);
}

static void check_print(int64_t instant, int zone, const char *expected)
{
	char text[DATE_TEXT_SIZE];

	date_print_internal((struct date){ instant, (int16_t)zone }, text);
	assert_string_equal(text, expected);
}

static void test_print(void **state)
{
	(void)state;
	check_print(837596665, -420, "17-Jul-1996 02:44:25 -0700");
	check_print(0, 0, "01-Jan-1970 00:00:00 +0000");
	check_print(-1, 60, "01-Jan-1970 00:59:59 +0100");
	check_print(2147483648, 0, "19-Jan-2038 03:14:08 +0000");
	check_print(4294967296, -30, "07-Feb-2106 05:58:16 -0030");
	check_print(-62135596800, 0, "01-Jan-0001 00:00:00 +0000");
	/* year 0 in its zone: the instant is printed, in UTC */
	check_print(-62135596800, -60, "01-Jan-0001 00:00:00 +0000");
	check_print(253402300799, 60, "31-Dec-9999 23:59:59 +0000");
	/* a zone no land has */
	check_print(837596665, 1439, "17-Jul-1996 09:44:25 +0000");
	check_print(837596665, INT16_MIN, "17-Jul-1996 09:44:25 +0000");
	check_print(DATE_UNKNOWN, 0, "");
	check_print(INT64_MAX, 0, "");
	check_print(INT64_MIN + 1, 60, "");
	check_print(253402300800, 0, "");
}

static void test_calendar(void **state)
{
	static const int zones[] = { 0, 60, -720, 840, 345, -210 };
	int64_t step = 86400 * 3 + 12345;

	(void)state;
	for (int64_t instant = -62135596800 + 86400; instant < 253402300799 - 86400;
		instant += step) {
		int zone = zones[(uint64_t)(instant + INT64_C(70000000000)) % countof(zones)];
		time_t local = (time_t)(instant + zone * 60);
		char text[DATE_TEXT_SIZE], expected[40];
		struct date date;
		struct tm tm;

		date_print_internal((struct date){ instant, (int16_t)zone }, text);
		gmtime_r(&local, &tm);
		strftime(expected, sizeof(expected), "%d-%b-", &tm);
		snprintf(expected + 7, sizeof(expected) - 7, "%04d %02d:%02d:%02d",
			tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
		assert_memory_equal(text, expected, 20);
		assert_int_equal(date_parse_internal(span_of(text), &date), 0);
		assert_int_equal(date.instant, instant);
		assert_int_equal(date.zone, zone);
	}
}

static void test_iso(void **state)
{
	static const char *const good[] = { "1996-07-17T02:44:25-07:00",
		"2024-02-29T00:00:00+00:00", "0000-01-01T00:00:00+00:00",
		"9999-12-31T23:59:59+14:00" };
	static const char *const bad[] = { "", "-", "1996-07-17", "1996-07-17T02:44:25",
		"1996-07-17T02:44:25Z", "1996-7-17T02:44:25-07:00", "1996-02-30T02:44:25-07:00",
		"1996-07-17T02:44:25-07:00 ", "1996-07-17T24:00:00+00:00",
		"1996-07-17T02:44:25+07:77", "99999-07-17T02:44:25-07:00",
		"1996-07-17T02:44:25*07:00" };
	char text[DATE_ISO_SIZE];
	struct date date;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		assert_int_equal(date_parse_iso(span_of(good[i]), &date), 0);
		assert_true(date_print_iso(date, text));
		assert_string_equal(text, good[i]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (date_parse_iso(span_of(bad[i]), &date) == 0)
			fail_msg("taken: %s", bad[i]);
	assert_false(date_print_iso((struct date){ DATE_UNKNOWN, 0 }, text));
	assert_false(date_print_iso((struct date){ INT64_MAX, 0 }, text));
}

static void test_option(void **state)
{
	static const struct {
		const char *text;
		int64_t instant;
		const char *day;
	} good[] = {
		{ "1-Feb-2024", 1706745600, "1-Feb-2024" },
		{ "01-feb-2024", 1706745600, "1-Feb-2024" },
		{ "2024-02-01", 1706745600, "1-Feb-2024" },
		{ "2024-02-01T10:00:00Z", 1706781600, "1-Feb-2024" },
		{ "2024-02-01T10:00", 1706781600, "1-Feb-2024" },
		{ "2024-02-01 10:00:00+02:00", 1706774400, "1-Feb-2024" },
		{ "2024-02-01T00:30:00+0100", 1706743800, "31-Jan-2024" },
		{ "30d", 1706745600 - 30 * 86400 + 5, "2-Jan-2024" },
		{ "0d", 1706745605, "1-Feb-2024" },
	};
	static const char *const bad[] = { "", "d", "-1d", "1.5d", "99999999d", "719500000d",
		"2024", "2024-2-1", "2024-02-30", "1-Feb-24", "1 Feb 2024", "2024-02-01T",
		"2024-02-01T10", "2024-02-01T10:00:00X", "2024-02-01X10:00:00", "tomorrow",
		"2024-02-01T1:00:00Z" };
	struct err err = ERR_INIT;
	int64_t instant = 77;
	char day[12];

	(void)state;
	for (size_t i = 0; i < countof(good); i++) {
		assert_int_equal(
			date_parse_option(good[i].text, 1706745605, &instant, day, &err), 0);
		assert_int_equal(instant, good[i].instant);
		assert_string_equal(day, good[i].day);
	}
	instant = 77;
	for (size_t i = 0; i < countof(bad); i++) {
		err = ERR_INIT;
		if (date_parse_option(bad[i], 1706745605, &instant, day, &err) != -1)
			fail_msg("\"%s\" was taken", bad[i]);
		assert_int_equal(err.kind, ERR_KIND_USAGE);
		assert_int_equal(instant, 77);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_internal),
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_print),
		cmocka_unit_test(test_calendar),
		cmocka_unit_test(test_iso),
		cmocka_unit_test(test_option),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
