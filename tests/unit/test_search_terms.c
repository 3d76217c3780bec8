/* Words and the expressions they are. */
#include "ops/search_terms.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/must.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define NOW INT64_C(1706745600) /* 1-Feb-2024 */
#define WORDS_MAX 10

static const struct {
	const char *word[WORDS_MAX];
	const char *expression; /* NULL = refused */
} samples[] = {
	{ { NULL }, "" },
	{ { "from=anna" }, "FROM \"anna\"" },
	{ { "FROM=Anna B", "Subject=a=b" }, "FROM \"Anna B\" SUBJECT \"a=b\"" },
	{ { "subject=a \"b\" \\ c" }, "SUBJECT \"a \\\"b\\\" \\\\ c\"" },
	{ { "to=" }, "TO \"\"" },
	{ { "cc=x", "bcc=y", "body=z", "text=gr\xc3\xbc" },
		"CC \"x\" BCC \"y\" BODY \"z\" TEXT \"gr\xc3\xbc\"" },
	{ { "message-id=<a@b>" }, "HEADER \"message-id\" \"<a@b>\"" },
	{ { "header X-Spam=yes" }, "HEADER \"X-Spam\" \"yes\"" },
	{ { "header", "from=a" }, "HEADER \"from\" \"a\"" },
	{ { "header from=a" }, "HEADER \"from\" \"a\"" },
	{ { "since=2024-01-31", "before=1d", "on=1-Feb-2024" },
		"SINCE 31-Jan-2024 BEFORE 31-Jan-2024 ON 1-Feb-2024" },
	{ { "sentsince=1-Jan-2024", "senton=2-Jan-2024", "sentbefore=3-Jan-2024" },
		"SENTSINCE 1-Jan-2024 SENTON 2-Jan-2024 SENTBEFORE 3-Jan-2024" },
	{ { "larger=5M", "smaller=1KiB" }, "LARGER 5000000 SMALLER 1024" },
	{ { "uid=1:5,9" }, "UID 1:5,9" },
	{ { "keyword=$Junk", "unkeyword=a" }, "KEYWORD $Junk UNKEYWORD a" },
	{ { "unseen", "Flagged" }, "UNSEEN FLAGGED" },
	{ { "OR", "seen", "from=a" }, "OR SEEN FROM \"a\"" },
	{ { "not", "(", "seen", "AND", "draft", ")" }, "NOT (SEEN DRAFT)" },
	{ { "OR", "NOT", "seen", "(", "draft", ")", "all" }, "OR NOT SEEN (DRAFT) ALL" },
	{ { "anna" }, NULL },
	{ { "" }, NULL },
	{ { "=x" }, NULL },
	{ { "x:y=z" }, NULL },
	{ { "a b=c" }, NULL },
	{ { "header" }, NULL },
	{ { "header", "x" }, NULL },
	{ { "from=a\r\nA1 LOGOUT" }, NULL },
	{ { "from=\x7f" }, NULL },
	{ { "from=\xff" }, NULL },
	{ { "since=tomorrow" }, NULL },
	{ { "larger=much" }, NULL },
	{ { "larger=8888888888888888888" }, "LARGER 8888888888888888888" },
	{ { "larger=9999999999999999999" }, NULL },
	{ { "uid=a" }, NULL },
	{ { "keyword=" }, NULL },
	{ { "keyword=a b" }, NULL },
	{ { "keyword=\\Seen" }, NULL },
	{ { "OR", "seen" }, NULL },
	{ { "NOT" }, NULL },
	{ { "AND" }, NULL },
	{ { "(" }, NULL },
	{ { "(", ")" }, NULL },
	{ { ")" }, NULL },
};

static void test_samples(void **state)
{
	struct arena *arena = arena_new();

	(void)state;
	for (size_t i = 0; i < countof(samples); i++) {
		struct err err = ERR_INIT;
		char *words[WORDS_MAX];
		size_t count = 0;

		while (count < WORDS_MAX && samples[i].word[count]) {
			words[count] = arena_strdup(arena, samples[i].word[count]);
			count++;
		}
		const char *text = search_terms(words, count, NOW, arena, &err);

		if (!samples[i].expression) {
			if (text)
				fail_msg("%s: %s", words[0], text);
			assert_int_equal(err.kind, ERR_KIND_USAGE);
			continue;
		}
		if (!text)
			fail_msg("%s: %s", words[0], err.text);
		assert_string_equal(text, samples[i].expression);
	}
	arena_free(arena);
}

static void test_limits(void **state)
{
	struct arena *arena = arena_new();
	struct err err = ERR_INIT;
	char not [] = "NOT", seen[] = "seen";
	char *words[200], *long_word;

	(void)state;
	for (size_t i = 0; i < countof(words); i++)
		words[i] = not ;
	words[100] = seen;
	assert_non_null(search_terms(words, 101, NOW, arena, &err));
	words[100] = not ;
	words[101] = seen;
	assert_null(search_terms(words, 102, NOW, arena, &err));
	long_word = arena_alloc(arena, 70001);
	memset(long_word, 'x', 70000);
	memcpy(long_word, "from=", 5);
	assert_null(search_terms(&long_word, 1, NOW, arena, &err));
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_samples),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
