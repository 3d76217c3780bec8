/* Mailbox patterns: levels, sets, subtrees, invalid UTF-8, and a pattern that takes others for ever. */
#include "base/glob.h"

#include "base/must.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct row {
	const char *pattern, *name;
};

static const struct row matching[] = {
	{ "", "" },
	{ "INBOX", "INBOX" },
	{ "*", "INBOX" },
	{ "*", "" },
	{ "Arch*", "Archive" },
	{ "*ive", "Archive" },
	{ "A*h*e", "Archive" },
	{ "a/*", "a/b" },
	{ "a/*/c", "a/b/c" },
	{ "a/**", "a" },
	{ "a/**", "a/" },
	{ "a/**", "a/b" },
	{ "a/**", "a/b/c" },
	{ "*/**", "a" },
	{ "**", "a/b/c" },
	{ "**", "" },
	{ "**/Spam", "Spam" },
	{ "**/Spam", "a/b/Spam" },
	{ "a/**/c", "a/c" },
	{ "a/**/c", "a/b/b/c" },
	{ "a/**/c/**", "a/c" },
	{ "**c", "a/b/c" },
	{ "?", "\xc3\xa9" },
	{ "[a-c]x", "bx" },
	{ "[!a-c]x", "dx" },
	{ "[^a-c]x", "dx" },
	{ "[]x]", "]" },
	{ "[]x]", "x" },
	{ "[!]]", "x" },
	{ "[a-]", "-" },
	{ "[-a]", "-" },
	{ "[*]", "*" },
	{ "[\xc3\xa0-\xc3\xbf]", "\xc3\xa9" },
	{ "[", "[" },
	{ "a[b", "a[b" },
	{ "[]", "[]" },
	{ "[!]", "[!]" },
	{ "a\\b", "a\\b" },
	{ "a\xff", "a\xff" },
	{ "a?", "a\xff" },
};

static const struct row other[] = {
	{ "", "a" },
	{ "INBOX", "inbox" },
	{ "INBOX", "INBOX/a" },
	{ "INBO", "INBOX" },
	{ "*", "a/b" },
	{ "?", "/" },
	{ "?", "" },
	{ "??", "\xc3\xa9" },
	{ "a/*", "a" },
	{ "a/*", "a/b/c" },
	{ "a/**", "ab" },
	{ "a/**", "b/a" },
	{ "**/Spam", "aSpam" },
	{ "a/**/c", "ac" },
	{ "a/**/c", "a/bc" },
	{ "[a-c]", "d" },
	{ "[!a-c]", "b" },
	{ "[!a]", "/" },
	{ "[.-0]", "/" },
	{ "[c-a]", "b" },
	{ "a\xff", "a\xfe" },
	{ "\xc3\xa9", "\xc3" },
};

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < countof(matching); i++) {
		if (!glob_match(matching[i].pattern, span_of(matching[i].name)))
			fail_msg("\"%s\" should match \"%s\"", matching[i].pattern,
				matching[i].name);
	}
	for (size_t i = 0; i < countof(other); i++) {
		if (glob_match(other[i].pattern, span_of(other[i].name)))
			fail_msg("\"%s\" should not match \"%s\"", other[i].pattern, other[i].name);
	}
	assert_false(glob_match("a", span_make("a\0b", 3)));
	assert_true(glob_match("a?b", span_make("a\0b", 3)));
	assert_true(glob_match("*", span_make(NULL, 0)));
}

static void test_hostile(void **state)
{
	char name[20001];

	(void)state;
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_false(glob_match("*a*a*a*a*a*a*a*a*a*a**a*a*a*a*a*a*a*a*b", span_of(name)));
	assert_true(glob_match("*a*a*a*a*a*a*a*a*a*a**a*a*a*a*a*a*a*a", span_of(name)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
