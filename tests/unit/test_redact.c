/* What is blotted out, in every form a secret goes out in. */
#include "net/redact.h"

#include "base/buf.h"
#include "base/digest.h"
#include "base/must.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define SECRET "pass\"word\\long"

static void assert_redacted(const struct redact *redact, const char *text, const char *expected)
{
	char copy[256];

	snprintf(copy, sizeof(copy), "%s", text);
	redact_apply(redact, copy, strlen(copy));
	assert_string_equal(copy, expected);
}

static void test_plain(void **state)
{
	struct redact *redact = redact_new();

	(void)state;
	redact_secret(redact, SPAN(SECRET));
	assert_redacted(redact, "", "");
	assert_redacted(redact, "a " SECRET " b", "a ************** b");
	assert_redacted(redact, "\"pass\\\"word\\\\long\"", "\"****************\"");
	assert_redacted(redact, "PASS\"WORD", "PASS\"WORD");
	/* A text that was cut: the beginning of it, but not two letters that begin many words. */
	assert_redacted(redact, "no pass\"wo", "no *******");
	assert_redacted(redact, "no pas", "no pas");
	redact_apply(NULL, NULL, 0);
	redact_free(redact);
	redact_free(NULL);
}

/* Wherever it stands in the text that is encoded: what is left decodes to none of it but the octets at its ends. */
static void test_base64(void **state)
{
	struct redact *redact = redact_new();

	(void)state;
	redact_secret(redact, SPAN(SECRET));
	for (size_t before = 0; before < 10; before++) {
		for (size_t behind = 0; behind < 4; behind++) {
			struct buf plain, coded, left;

			buf_init(&plain, 256);
			buf_init(&coded, 256);
			buf_init(&left, 256);
			assert_int_equal(buf_add(&plain, span_make("0123456789", before)), 0);
			assert_int_equal(buf_add(&plain, SPAN(SECRET)), 0);
			assert_int_equal(buf_add(&plain, span_make("0123456789", behind)), 0);
			assert_int_equal(base64_encode(buf_span(&plain), &coded), 0);
			redact_apply(redact, coded.data, coded.len);
			for (size_t i = 0; i < coded.len; i++)
				coded.data[i] = coded.data[i] == '*' ? 'A' : coded.data[i];
			assert_int_equal(base64_decode(buf_span(&coded), &left), 0);
			for (size_t i = 1; i + 1 < strlen(SECRET); i++)
				assert_int_equal(left.data[before + i], 0);
			buf_release(&plain);
			buf_release(&coded);
			buf_release(&left);
		}
	}
	redact_free(redact);
}

static void test_exact(void **state)
{
	struct redact *redact = redact_new();

	(void)state;
	redact_add(redact, SPAN("abc")); /* too short */
	redact_add(redact, SPAN("abcdef"));
	redact_add(redact, SPAN("defghi")); /* begins inside the other */
	assert_redacted(redact, "abc abcdefghi.", "abc *********.");
	/* More than are kept: no more are looked for, and nothing is overrun. */
	for (int i = 0; i < 500; i++) {
		char word[16];

		snprintf(word, sizeof(word), "word%d", i);
		redact_add(redact, span_of(word));
	}
	assert_redacted(redact, "abcdef", "******");
	redact_free(redact);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_base64),
		cmocka_unit_test(test_exact),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
