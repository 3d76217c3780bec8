/* Harmless text, UTF-8, columns, sizes and durations both ways, percent escapes. */
#include "base/text.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_utf8(void **state)
{
	static const char *const good[] = { "", "a", "\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80",
		"\xed\x9f\xbf", "\xee\x80\x80", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf" };
	static const char *const bad[] = { "\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc3",
		"\xe0\x9f\xbf", "\xe2\x82", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80",
		"\xf5\x80\x80\x80", "\xf8\x88\x80\x80\x80", "\xff", "a\xc3(" };

	(void)state;
	for (size_t i = 0; i < countof(good); i++)
		assert_true(utf8_valid(span_of(good[i])));
	for (size_t i = 0; i < countof(bad); i++) {
		if (utf8_valid(span_of(bad[i])))
			fail_msg("bad[%zu] passed", i);
	}
	assert_true(utf8_valid(span_make("a\0b", 3)));
	assert_true(utf8_valid(span_make(NULL, 0)));
}

static void test_columns(void **state)
{
	static const struct {
		const char *text;
		size_t columns;
	} rows[] = {
		{ "", 0 },
		{ "abc", 3 },
		{ "\xc3\xa9", 1 }, /* é */
		{ "e\xcc\x81", 1 }, /* e and a combining acute */
		{ "\xe6\x97\xa5\xe6\x9c\xac", 4 }, /* 日本 */
		{ "\xf0\x9f\x98\x80", 2 }, /* an emoji */
		{ "\xe2\x80\x8b", 0 }, /* zero width space */
		{ "\xef\xbc\xa1", 2 }, /* full width A */
		{ "\xf4\x8f\xbf\xbd", 1 }, /* private use, behind all tables */
		{ "\xff", 1 },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		if (utf8_columns(span_of(rows[i].text)) != rows[i].columns)
			fail_msg("\"%s\": %zu", rows[i].text, utf8_columns(span_of(rows[i].text)));
	}
}

static void test_cut(void **state)
{
	struct arena *arena = arena_new();

	(void)state;
	assert_string_equal(text_cut(arena, "abc", 3, false), "abc");
	assert_string_equal(text_cut(arena, "abcd", 3, false), "ab\xe2\x80\xa6");
	assert_string_equal(text_cut(arena, "abcd", 3, true), "\xe2\x80\xa6"
							      "cd");
	assert_string_equal(text_cut(arena, "abcd", 1, true), "\xe2\x80\xa6");
	/* half of a wide character is none: 日本 */
	assert_string_equal(
		text_cut(arena, "\xe6\x97\xa5\xe6\x9c\xac", 3, false), "\xe6\x97\xa5\xe2\x80\xa6");
	assert_string_equal(text_cut(arena, "\xe6\x97\xa5\xe6\x9c\xac", 2, false), "\xe2\x80\xa6");
	arena_free(arena);
}

static void test_harmless(void **state)
{
	static const struct {
		const char *text, *shown;
	} rows[] = {
		{ "", "" },
		{ "plain \xc3\xa9 \xf0\x9f\x98\x80 \\", "plain \xc3\xa9 \xf0\x9f\x98\x80 \\" },
		{ "\x1b[2J", "\\x1B[2J" },
		{ "a\r\nb\tc\x7f", "a\\x0D\\x0Ab\\x09c\\x7F" },
		{ "\xc2\x9b", "\\u{009B}" },
		{ "\xe2\x80\xae"
		  "a\xe2\x81\xa6"
		  "b\xe2\x81\xa9",
			"\\u{202E}a\\u{2066}b\\u{2069}" },
		{ "\xe2\x80\xa8\xe2\x80\xa9", "\\u{2028}\\u{2029}" },
		{ "\xe2\x80\x8e\xe2\x80\x8f\xd8\x9c\xe2\x80\x8d",
			"\\u{200E}\\u{200F}\\u{061C}\xe2\x80\x8d" },
		{ "\x9b\xff\xc3", "\\x9B\\xFF\\xC3" },
		{ "\xed\xa0\x80", "\\xED\\xA0\\x80" },
	};
	struct arena *arena = arena_new();
	struct buf out;

	(void)state;
	for (size_t i = 0; i < countof(rows); i++)
		assert_string_equal(
			text_harmless_copy(arena, span_of(rows[i].text)), rows[i].shown);
	assert_string_equal(text_harmless_copy(arena, span_make("a\0b", 3)), "a\\x00b");
	buf_init(&out, 6);
	assert_int_equal(buf_add(&out, SPAN("ab")), 0);
	assert_int_equal(text_harmless(SPAN("c\x01"), &out), -1);
	assert_int_equal(out.len, 2);
	assert_int_equal(text_harmless(SPAN("\x01"), &out), 0);
	buf_release(&out);
	arena_free(arena);
}

static void test_shown(void **state)
{
	char text[600], out[TEXT_SHOWN];

	(void)state;
	text_shown(SPAN("a\nb"), out);
	assert_string_equal(out, "a\\x0Ab");
	text_shown(span_make(NULL, 0), out);
	assert_string_equal(out, "");
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = i % 2 ? '\xa9' : '\xc3';
	text_shown(span_make(text, sizeof(text)), out);
	assert_true(strlen(out) < TEXT_SHOWN && strlen(out) > TEXT_SHOWN - 8);
	assert_true(utf8_valid(span_of(out)));
	assert_true(span_ends(span_of(out), SPAN("…")));
}

static void test_sizes(void **state)
{
	static const struct {
		const char *text;
		uint64_t size;
	} good[] = {
		{ "0", 0 },
		{ "500", 500 },
		{ "10k", 10000 },
		{ "10K", 10000 },
		{ "5M", 5000000 },
		{ "2G", 2000000000 },
		{ "1.5G", 1500000000 },
		{ "1.2 MB", 1200000 },
		{ "64KiB", 65536 },
		{ "64kib", 65536 },
		{ "3MiB", 3145728 },
		{ "0.5GiB", 536870912 },
		{ "18446744073709551615", UINT64_MAX },
	};
	static const char *const bad[] = { "", "k", "-1", "+1", " 1", "1 ", "1x", "1.5", "1.",
		".5M", "1.M", "1.1234567M", "1e3", "0x10", "10kk", "10kBB", "1,000",
		"18446744073709551616", "18446744073709552k", "99999999999999999999G", "1\n" };
	struct err err = ERR_INIT;
	uint64_t size = 42;

	(void)state;
	for (size_t i = 0; i < countof(bad); i++) {
		if (text_parse_size(bad[i], &size, &err) != -1)
			fail_msg("\"%s\" passed", bad[i]);
	}
	assert_int_equal(size, 42);
	assert_int_equal(err.kind, ERR_KIND_USAGE);
	assert_null(strchr(err.text, '\n'));
	for (size_t i = 0; i < countof(good); i++) {
		assert_int_equal(text_parse_size(good[i].text, &size, &err), 0);
		assert_true(size == good[i].size);
	}
}

static void test_durations(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} good[] = { { "30", 30000 }, { "1.5", 1500 }, { "500ms", 500 }, { "2m", 120000 },
		{ "1h", 3600000 }, { "1d", 86400000 }, { "0", 0 }, { "0.001s", 1 } };
	static const char *const bad[] = { "", "s", "-1", "1.5ms", "1w", "1m30s",
		"9223372036854775808ms", "9223372036854776" };
	struct err err = ERR_INIT;
	int64_t ms;

	(void)state;
	for (size_t i = 0; i < countof(good); i++) {
		assert_int_equal(text_parse_duration(good[i].text, &ms, &err), 0);
		assert_true(ms == good[i].ms);
	}
	for (size_t i = 0; i < countof(bad); i++) {
		if (text_parse_duration(bad[i], &ms, &err) != -1)
			fail_msg("\"%s\" passed", bad[i]);
	}
}

static void test_for_people(void **state)
{
	struct arena *arena = arena_new();

	(void)state;
	assert_string_equal(text_size(arena, 0), "0 B");
	assert_string_equal(text_size(arena, 999), "999 B");
	assert_string_equal(text_size(arena, 1000), "1.0 kB");
	assert_string_equal(text_size(arena, 1234567), "1.2 MB");
	assert_string_equal(text_size(arena, 999949), "999.9 kB");
	assert_string_equal(text_size(arena, 999950), "1.0 MB");
	assert_string_equal(text_size(arena, UINT64_MAX), "18.4 EB");
	assert_string_equal(text_duration(arena, INT64_MIN), "0s");
	assert_string_equal(text_duration(arena, 0), "0s");
	assert_string_equal(text_duration(arena, 75), "1m 15s");
	assert_string_equal(text_duration(arena, 3600), "1h");
	assert_string_equal(text_duration(arena, 3605), "1h 5s");
	assert_string_equal(text_duration(arena, 93784), "1d 2h 3m");
	assert_string_equal(text_duration(arena, INT64_MAX), "106751991167300d 15h 30m");
	assert_string_equal(text_count(arena, 0), "0");
	assert_string_equal(text_count(arena, 999), "999");
	assert_string_equal(text_count(arena, 1000), "1,000");
	assert_string_equal(text_count(arena, 1234567), "1,234,567");
	assert_string_equal(text_count(arena, UINT64_MAX), "18,446,744,073,709,551,615");
	arena_free(arena);
}

static void test_percent(void **state)
{
	static const char *const bad[] = { "%", "%4", "a%4", "%4g", "%g4", "%%41", "%00", "%+1",
		"% 1" };
	struct buf out;

	(void)state;
	buf_init(&out, 20);
	assert_int_equal(percent_decode(SPAN("user%40host%2f%C3%a9"), &out), 0);
	assert_true(span_equal_text(buf_span(&out), "user@host/\xc3\xa9"));
	for (size_t i = 0; i < countof(bad); i++) {
		if (percent_decode(span_of(bad[i]), &out) != -1)
			fail_msg("\"%s\" passed", bad[i]);
	}
	assert_int_equal(out.len, 12);
	buf_clear(&out);
	assert_int_equal(percent_encode(span_make("a%\0\x7f/\xc3\xa9", 7), "/:", &out), 0);
	assert_true(span_equal_text(buf_span(&out), "a%25%00%7F%2F\xc3\xa9"));
	assert_int_equal(percent_encode(SPAN("abc//"), "/", &out), -1);
	assert_int_equal(out.len, 15);
	buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_columns),
		cmocka_unit_test(test_harmless),
		cmocka_unit_test(test_shown),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_for_people),
		cmocka_unit_test(test_percent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
