/* Matching within limits, and rewriting: delimiters, groups, case, and everything that is refused. */
#include "base/regex.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static bool matches(const char *pattern, struct span subject)
{
	struct err err = ERR_INIT;
	struct regex *regex = regex_new(pattern, &err);
	bool found;

	assert_non_null(regex);
	found = regex_match(regex, subject);
	regex_free(regex);
	return found;
}

static void test_match(void **state)
{
	(void)state;
	assert_true(matches("b", SPAN("abc")));
	assert_true(matches("^a.c$", SPAN("a\xc3\xa9"
					  "c")));
	assert_false(matches("^a.c$", SPAN("abbc")));
	assert_true(matches("(?i)\xc3\x89t\xc3\xa9", SPAN("\xc3\xa9t\xc3\xa9")));
	assert_true(matches("", span_make(NULL, 0)));
	assert_true(matches("^$", SPAN("")));
	assert_true(matches("b", span_make("a\0b", 3)));
	assert_true(matches("abc", SPAN("\xff\xfe"
					"abc\xc3")));
	assert_false(matches("^.$", SPAN("\xff")));
}

static void test_bad_patterns(void **state)
{
	static const char *const bad[] = { "(", "[a", "a**+", "\\", "(?<n>a)(?<n>b)", "\xff", "\\C",
		"(?<=a+)b" };
	struct err err = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < countof(bad); i++) {
		if (regex_new(bad[i], &err))
			fail_msg("\"%s\" passed", bad[i]);
		assert_int_equal(err.kind, ERR_KIND_USAGE);
		assert_non_null(strstr(err.text, "offset"));
	}
	regex_free(NULL);
}

static void test_hostile(void **state)
{
	char subject[5001];
	struct err err = ERR_INIT;
	struct regex *regex = regex_new("^(a+)+$", &err);

	(void)state;
	log_set_level(LOG_ERROR);
	memset(subject, 'a', sizeof(subject) - 1);
	subject[sizeof(subject) - 1] = '!';
	assert_false(regex_match(regex, span_make(subject, sizeof(subject))));
	assert_false(regex_match(regex, span_make(subject, sizeof(subject))));
	assert_true(regex_match(regex, SPAN("aaa")));
	regex_free(regex);
	log_set_level(LOG_WARN);
}

static void test_rewrite(void **state)
{
	static const struct {
		const char *expression, *subject, *wanted;
	} rows[] = {
		{ "s/a/b/", "aa", "ba" },
		{ "s/a/b/g", "aa", "bb" },
		{ "s/A/b/ig", "aa", "bb" },
		{ "s/x/y/", "abc", "abc" },
		{ "s/a//", "abc", "bc" },
		{ "s/abc//", "abc", "" },
		{ "s,a/b,c/d,", "x/a/b", "x/c/d" },
		{ "s/a\\/b/c\\/d/", "a/b", "c/d" },
		{ "s|a\\|b|x|", "a|b", "x" },
		{ "s|a\\|b|x|", "a", "a" },
		{ "s/(\\w+) (\\w+)/$2 $1/", "one two", "two one" },
		{ "s/(\\w+) (\\w+)/\\2 \\1/", "one two", "two one" },
		{ "s/(?<who>\\w+)@.*/${who}0/", "ann@example.org", "ann0" },
		{ "s/(a)/$10/", "a", "a0" },
		{ "s/(a)/${1}\\E0$0/", "a", "a0a" },
		{ "s/(a)|(b)/[$1$2]/g", "ab", "[a][b]" },
		{ "s/^.*$/\\U$0/", "\xc3\xa9t\xc3\xa9", "\xc3\x89T\xc3\x89" },
		{ "s/(.)(.*)/\\U$1\\L$2\\E-X/", "aBC", "Abc-X" },
		{ "s/a/\\$1 \\\\ $ &/", "a", "$1 \\ $ &" },
		{ "s/a/$/", "a", "$" },
		{ "s/x*/-/g", "abc", "-a-b-c-" },
		{ "s/^INBOX\\.//", "INBOX.Sent", "Sent" },
		{ "s/a/${0}${0}/g", "aa", "aaaa" },
		{ "s/b/c/",
			"\xff"
			"b",
			"\xff"
			"c" },
	};
	struct arena *arena = arena_new();
	struct err err = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		struct rewrite *rewrite = rewrite_new(rows[i].expression, &err);

		if (!rewrite)
			fail_msg("%s", err.text);
		const char *got = rewrite_apply(rewrite, arena, rows[i].subject);
		if (strcmp(got, rows[i].wanted) != 0)
			fail_msg("%s on \"%s\" gave \"%s\"", rows[i].expression, rows[i].subject,
				got);
		rewrite_free(rewrite);
	}
	arena_free(arena);
}

static void test_bad_rewrites(void **state)
{
	static const char *const bad[] = { "", "s", "s/", "s/a", "s/a/b", "s/a/b\\/", "y/a/b/",
		"s/a/b/e", "s/a/b/x", "s/a/b/gg1", "saxbxg", "s\\a\\b\\", "s a b ", "s\na\nb\n",
		"s/(/b/", "s/a/$1/", "s/(a)/\\2/", "s/a/${x}/", "s/a/${/", "s/a/${}/", "s/a/\\q/",
		"s/a/\\n/", "s/a/${99999999999999999999}/", "s/a/\xff/", "s/(?<a>b)/${a:-x}/",
		"s/a/${aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa}/" };
	struct err err;

	(void)state;
	for (size_t i = 0; i < countof(bad); i++) {
		err = ERR_INIT;
		if (rewrite_new(bad[i], &err))
			fail_msg("\"%s\" passed", bad[i]);
		assert_int_equal(err.kind, ERR_KIND_USAGE);
		assert_null(strchr(err.text, '\n'));
	}
	rewrite_free(NULL);
}

static void test_long_results(void **state)
{
	struct arena *arena = arena_new();
	struct err err = ERR_INIT;
	struct rewrite *rewrite = rewrite_new("s/a/${0}${0}${0}${0}${0}${0}${0}${0}/g", &err);
	char subject[20001];

	(void)state;
	log_set_level(LOG_ERROR);
	memset(subject, 'a', 1000);
	subject[1000] = '\0';
	assert_int_equal(strlen(rewrite_apply(rewrite, arena, subject)), 8000);
	memset(subject, 'a', sizeof(subject) - 1);
	subject[sizeof(subject) - 1] = '\0';
	assert_string_equal(rewrite_apply(rewrite, arena, subject), subject); /* past the cap */
	rewrite_free(rewrite);
	arena_free(arena);
	log_set_level(LOG_WARN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_match),
		cmocka_unit_test(test_bad_patterns),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_rewrite),
		cmocka_unit_test(test_bad_rewrites),
		cmocka_unit_test(test_long_results),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
