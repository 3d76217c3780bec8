/* Tokens: what each reader takes, what it leaves, and what it refuses. */
#include "imap/imap_syntax.h"

#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* A reader that succeeds gives `value` and leaves `rest`; value NULL: it fails. "NIL" stands for data NULL. */
struct row {
	const char *input, *value, *rest;
};

typedef bool (*read_function)(struct imap_cursor *c, struct span *out);

static void check_rows(read_function read, const struct row *rows, size_t count)
{
	struct arena *arena = arena_new();

	for (size_t i = 0; i < count; i++) {
		struct imap_cursor c = imap_cursor(span_of(rows[i].input), arena);
		struct span value = SPAN("untouched");
		const bool done = read(&c, &value);

		if (done != (rows[i].value != NULL))
			fail_msg("'%s' is read: %d", rows[i].input, done);
		if (!done)
			continue;
		if (!value.data)
			value = SPAN("<nil>");
		if (!span_equal_text(value, rows[i].value) ||
			!span_equal_text(imap_rest(&c), rows[i].rest))
			fail_msg("'%s' gives '%.*s' and leaves '%.*s'", rows[i].input,
				(int)value.len, value.data, (int)imap_rest(&c).len,
				imap_rest(&c).data);
	}
	arena_free(arena);
}

static void test_atom(void **state)
{
	static const struct row rows[] = {
		{ "abc", "abc", "" },
		{ "abc def", "abc", " def" },
		{ "abc)", "abc", ")" },
		{ "a\"b\\[c]*%(d", "a\"b\\[c]*%", "(d" },
		{ "a{5}b", "a{5}b", "" },
		{ "a{5}\r\nhello", "a", "{5}\r\nhello" },
		{ "a~{5+}\nhello", "a", "~{5+}\nhello" },
		{ "a~b", "a~b", "" },
		{ "a\r\nb", "a", "\r\nb" },
		{ "a\tb\xc3\xa9", "a\tb\xc3\xa9", "" },
		{ "", NULL, NULL },
		{ " a", NULL, NULL },
		{ "(", NULL, NULL },
		{ "{5}\r\n", NULL, NULL },
	};

	(void)state;
	check_rows(imap_read_atom, rows, countof(rows));
}

static void test_string(void **state)
{
	static const struct row rows[] = {
		{ "\"\" x", "", " x" },
		{ "\"a b\"c", "a b", "c" },
		{ "\"a\\\"b\\\\\"", "a\"b\\", "" },
		{ "\"a\\b\\n\"", "a\\b\\n", "" },
		{ "\"{5}\"", "{5}", "" },
		{ "\"\xc3\xa9\"", "\xc3\xa9", "" },
		{ "{3}\r\na)b)", "a)b", ")" },
		{ "{3}\na)b)", "a)b", ")" },
		{ "~{3+}\r\na)b)", "a)b", ")" },
		{ "{0}\r\n)", "", ")" },
		{ "{003}\r\nabc", "abc", "" },
		{ "NIL)", "<nil>", ")" },
		{ "nil", "<nil>", "" },
		{ "\"NIL\"", "NIL", "" },
		{ "NILS", "NILS", "" },
		{ "{3}\r\nNIL", "NIL", "" },
		{ "atom x", "atom", " x" },
		{ "~x", "~x", "" },
		{ "{x} y", "{x}", " y" },
		{ "\"open", NULL, NULL },
		{ "\"open\\\"", NULL, NULL },
		{ "\"open\r\n\"", NULL, NULL },
		{ "{4}\r\nabc", NULL, NULL },
		{ "{18446744073709551615}\r\nabc", NULL, NULL },
		{ "", NULL, NULL },
		{ ")", NULL, NULL },
	};

	(void)state;
	check_rows(imap_read_string, rows, countof(rows));
}

static void test_astring_has_no_nil(void **state)
{
	static const struct row rows[] = { { "NIL x", "NIL", " x" }, { "\"NIL\"", "NIL", "" } };

	(void)state;
	check_rows(imap_read_astring, rows, countof(rows));
}

static bool skip_one(struct imap_cursor *c, struct span *out)
{
	*out = SPAN("");
	return imap_skip_value(c);
}

static bool skip_rest(struct imap_cursor *c, struct span *out)
{
	*out = SPAN("");
	return imap_skip_list_rest(c);
}

static void test_skip(void **state)
{
	static const struct row values[] = {
		{ "a b", "", " b" },
		{ "(a (b \")\" {1}\r\n)) NIL) c", "", " c" },
		{ "() c", "", " c" },
		{ "\"a b\" c", "", " c" },
		{ "(a", NULL, NULL },
		{ ")", NULL, NULL },
		{ "", NULL, NULL },
		{ "(a \"b)", NULL, NULL },
		{ "(a\r\n)", NULL, NULL },
	};
	static const struct row rests[] = {
		{ ") x", "", " x" },
		{ "a (b)) x", "", " x" },
		{ "a (b) x", NULL, NULL },
		{ "\")\"", NULL, NULL },
	};

	(void)state;
	check_rows(skip_one, values, countof(values));
	check_rows(skip_rest, rests, countof(rests));
}

static void test_numbers(void **state)
{
	static const struct {
		const char *input, *rest;
		bool valid;
		uint64_t value;
	} rows[] = {
		{ "0", "", true, 0 },
		{ "012)", ")", true, 12 },
		{ "18446744073709551615 x", " x", true, UINT64_MAX },
		{ "\"12\" x", " x", true, 12 },
		{ "18446744073709551616 x", " x", false, 0 },
		{ "-1 x", " x", false, 0 },
		{ "9.37e+06 x", " x", false, 0 },
		{ "NIL x", " x", false, 0 },
		{ "\"\" x", " x", false, 0 },
		{ "(5)", "(5)", false, 0 },
		{ "", "", false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		struct imap_cursor c = imap_cursor(span_of(rows[i].input), NULL);
		uint64_t value = 77;

		assert_int_equal(imap_read_number(&c, &value), rows[i].valid);
		assert_int_equal(value, rows[i].valid ? rows[i].value : 77);
		assert_true(span_equal_text(imap_rest(&c), rows[i].rest));
	}

	struct imap_cursor c = imap_cursor(SPAN("4294967296 4294967295"), NULL);
	uint32_t small = 7;
	assert_false(imap_read_number32(&c, &small));
	assert_int_equal(small, 7);
	imap_skip_blanks(&c);
	assert_true(imap_read_number32(&c, &small));
	assert_int_equal(small, UINT32_MAX);
}

static void check_list(const char *input, bool valid, const char *joined)
{
	struct arena *arena = arena_new();
	struct imap_cursor c = imap_cursor(span_of(input), arena);
	struct imap_words words = { 0 };
	char *text = arena_strdup(arena, "");

	assert_int_equal(imap_read_list(&c, &words), valid);
	for (size_t i = 0; i < words.count; i++)
		text = arena_print(arena, "%s<%.*s>", text, (int)words.word[i].len,
			words.word[i].data ? words.word[i].data : "");
	assert_string_equal(text, joined);
	arena_free(arena);
}

static void test_list(void **state)
{
	(void)state;
	check_list("()", true, "");
	check_list("NIL", true, "");
	check_list("( a  \"b c\" {1}\r\n) NIL )", true, "<a><b c><)><>");
	check_list("(a (b (c)) d)", true, "<a><d>");
	check_list("(1 2 3 4 5 6 7 8 9)", true, "<1><2><3><4><5><6><7><8><9>");
	check_list("(a", false, "");
	check_list("a", false, "");
	check_list("", false, "");
}

static void test_line_literal(void **state)
{
	static const struct {
		const char *line;
		enum imap_literal literal;
		size_t start;
		uint64_t size;
	} rows[] = {
		{ "BODY[] {5}", IMAP_LITERAL_SIZE, 7, 5 },
		{ "x{0}", IMAP_LITERAL_SIZE, 1, 0 },
		{ "{012}", IMAP_LITERAL_SIZE, 0, 12 },
		{ "~{7+}", IMAP_LITERAL_SIZE, 1, 7 },
		{ "{9223372036854775807}", IMAP_LITERAL_SIZE, 0, INT64_MAX },
		{ "{9223372036854775808}", IMAP_LITERAL_BAD, 0, 0 },
		{ "{18446744073709551616}", IMAP_LITERAL_BAD, 0, 0 },
		{ "{-1}", IMAP_LITERAL_BAD, 0, 0 },
		{ "{}", IMAP_LITERAL_NONE, 0, 0 },
		{ "{+}", IMAP_LITERAL_NONE, 0, 0 },
		{ "{5}x", IMAP_LITERAL_NONE, 0, 0 },
		{ "{5", IMAP_LITERAL_NONE, 0, 0 },
		{ "5}", IMAP_LITERAL_NONE, 0, 0 },
		{ "x5}", IMAP_LITERAL_NONE, 0, 0 },
		{ "{a5}", IMAP_LITERAL_NONE, 0, 0 },
		{ "{5++}", IMAP_LITERAL_NONE, 0, 0 },
		{ "", IMAP_LITERAL_NONE, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		size_t start = 0;
		uint64_t size = 0;

		assert_int_equal(
			imap_line_literal(span_of(rows[i].line), &start, &size), rows[i].literal);
		assert_int_equal(start, rows[i].start);
		assert_int_equal(size, rows[i].size);
	}
}

/* No token may run over a place that the framing takes for a literal, nor see one where it does not. */
static void test_both_agree(void **state)
{
	static const char bytes[] = "{}0159+-~ax\r";
	char text[16];
	uint32_t seed = 1;

	(void)state;
	for (int round = 0; round < 300000; round++) {
		size_t len = 1 + (size_t)round % 8;

		for (size_t i = 0; i < len; i++) {
			seed = seed * 1664525 + 1013904223;
			text[i] = bytes[(seed >> 16) % (sizeof(bytes) - 1)];
		}

		struct span line = span_make(text, len);
		size_t start = 0;
		uint64_t framed = 0, read = 0;
		memcpy(text + len, "\r\n", 2);
		const bool is_framed =
			imap_line_literal(line, &start, &framed) == IMAP_LITERAL_SIZE;
		struct imap_cursor c = imap_cursor(span_make(text + start, len + 2 - start), NULL);
		const bool is_read = imap_read_literal_size(&c, &read);

		if (is_framed) {
			assert_true(is_read);
			assert_int_equal(framed, read);
			assert_true(imap_at_end(&c));
		} else {
			assert_false(is_read && imap_at_end(&c));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_atom),
		cmocka_unit_test(test_string),
		cmocka_unit_test(test_astring_has_no_nil),
		cmocka_unit_test(test_skip),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_line_literal),
		cmocka_unit_test(test_both_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
