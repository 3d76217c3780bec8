/* Names of message files and directories: what imapdump wrote into them, what is tamed, and the way there and back. */
#include "store/store_eml_parts.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_flags(void **state)
{
	static const struct {
		const char *name, *bare, *flags;
	} cases[] = {
		{ "12", "12", "" },
		{ "12.eml,S", "12.eml", "\\Seen" },
		{ "1,SFA$Work$$b$", "1", "\\Answered \\Flagged \\Seen b Work" },
		{ "1,Dd", "1", "\\Deleted \\Draft" },
		{ "a, b", "a, b", "" },
		{ "a,", "a,", "" },
		{ ",S", ",S", "" },
		{ "1,SX", "1,SX", "" },
		{ "1,$$", "1,$$", "" },
		{ "1,$a", "1,$a", "" },
	};
	struct flag_table *table = flag_table_new();

	(void)state;
	for (size_t i = 0; i < countof(cases); i++) {
		flags_t set;
		const struct span bare = eml_name_without_flags(cases[i].name, table, &set);

		assert_true(span_equal_text(bare, cases[i].bare));
		assert_int_equal(set, flags_parse(table, span_of(cases[i].flags)));
		assert_true(span_equal(bare, eml_name_without_flags(cases[i].name, NULL, NULL)));
	}
	flag_table_free(table);
}

static void test_tame(void **state)
{
	static const char *const cases[][2] = {
		{ "plain.txt", "plain.txt" },
		{ "../../etc/passwd", "_.._etc_passwd" },
		{ "...", "" },
		{ " .a. ", "a" },
		{ "a\x01\xe2\x80\xae/b\xff", "a___b_" },
		{ "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f" },
		{ "123456789012", "1234567890" },
		{ "123456789\xc3\xbc", "123456789" },
	};

	(void)state;
	for (size_t i = 0; i < countof(cases); i++) {
		struct buf out;
		const size_t max = i < 6 ? 100 : 10;

		buf_init(&out, 200);
		eml_name_tame(span_of(cases[i][0]), max, &out);
		assert_string_equal(buf_text(&out), cases[i][1]);
		buf_release(&out);
	}
	assert_true(eml_name_is_plain("a") && eml_name_is_plain("-"));
	assert_false(eml_name_is_plain("") || eml_name_is_plain("..") || eml_name_is_plain("a/b"));
	assert_true(eml_name_has_ext(SPAN("1.EML"), "eml"));
	assert_false(eml_name_has_ext(SPAN(".eml"), "eml") || eml_name_has_ext(SPAN("eml"), "eml"));
}

static void test_levels(void **state)
{
	static const char *const cases[][2] = {
		{ "INBOX", "INBOX" },
		{ ".hidden", "%2Ehidden" },
		{ "%2Ehidden", "%252Ehidden" },
		{ "%252Ehidden", "%25252Ehidden" },
		{ "..", "%2E%2E" },
		{ ".", NULL },
		{ "a.", "a%2E" },
		{ "a%2E", "a%252E" },
		{ "a ", "a%20" },
		{ "con", "%63on" },
		{ "CON.txt", "%43ON.txt" },
		{ "%43ON", "%2543ON" },
		{ "console", "console" },
		{ "com9", "%63om9" },
		{ "a%2Fb", "a%2Fb" },
		{ "100%", "100%" },
		{ "%2E", NULL },
		{ "%", "%" },
	};
	struct arena *arena = arena_new();

	(void)state;
	for (size_t i = 0; i < countof(cases); i++) {
		struct buf out;

		buf_init(&out, 1000);
		assert_true(eml_level_to_file(span_of(cases[i][0]), &out));
		if (cases[i][1])
			assert_string_equal(buf_text(&out), cases[i][1]);
		assert_true(eml_name_is_plain(buf_text(&out)));
		assert_string_equal(eml_level_of_file(buf_text(&out), arena), cases[i][0]);
		buf_release(&out);
	}
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_tame),

		cmocka_unit_test(test_levels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
