/* Errors: retry classes, context in front, harmless text, and cuts that never split a character. */
#include "base/err.h"

#include "base/text.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_set(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(err_set(&err, ERR_CONN, "broken %d", 7), -1);
	assert_true(
		err.scope == ERR_CONN && err.kind == ERR_KIND_OTHER && err.retry == ERR_RETRY_NOW);
	assert_string_equal(err.text, "broken 7");
	assert_int_equal(err_retry_after(&err, 500), -1);
	assert_true(err.retry == ERR_RETRY_AFTER && err.wait_ms == 500);
	assert_int_equal(err_wrap(&err, "mailbox %s", "Sent"), -1);
	assert_string_equal(err.text, "mailbox Sent: broken 7");
	assert_true(err.retry == ERR_RETRY_AFTER && err.wait_ms == 500);
	err_rescope(&err, ERR_ACCOUNT);
	assert_int_equal(err.scope, ERR_ACCOUNT);
	err_set_kind(&err, ERR_MAILBOX, ERR_KIND_QUOTA, "again: %s",
		err.text); /* its own text as an argument */
	assert_true(err.kind == ERR_KIND_QUOTA && err.retry == ERR_RETRY_NEVER && err.wait_ms == 0);
	assert_string_equal(err.text, "again: mailbox Sent: broken 7");
	errno = ENOENT;
	err_set_errno(&err, ERR_LOCAL, "cannot open %s", "x");
	assert_string_equal(err.text, "cannot open x: No such file or directory");
	assert_true(err.scope == ERR_LOCAL && err.kind == ERR_KIND_PATH);
	errno = ENOENT;
	err_set_errno(&err, ERR_MAILBOX, "cannot open %s", "x");
	assert_int_equal(err.kind, ERR_KIND_OTHER); /* that it is of one path, the scope says */
	errno = ENOSPC;
	err_set_errno(&err, ERR_LOCAL, "cannot write %s", "x");
	assert_int_equal(err.kind, ERR_KIND_OTHER);
	err_clear(&err);
	assert_true(err.scope == ERR_NONE && err.text[0] == '\0');
}

static void test_null(void **state)
{
	(void)state;
	assert_int_equal(err_set(NULL, ERR_CONN, "x"), -1);
	assert_int_equal(err_set_kind(NULL, ERR_CONN, ERR_KIND_TLS, "x"), -1);
	assert_int_equal(err_set_errno(NULL, ERR_CONN, "x"), -1);
	assert_int_equal(err_wrap(NULL, "x"), -1);
	assert_int_equal(err_rescope(NULL, ERR_CONN), -1);
	assert_int_equal(err_retry_after(NULL, 1), -1);
	err_clear(NULL);
}

static void test_harmless(void **state)
{
	struct err err;

	(void)state;
	err_set(&err, ERR_CONN, "server said %s", "\x1b[2J\r\n\xe2\x80\xae\xff");
	for (const char *at = err.text; *at; at++)
		assert_in_range(*at, ' ', '~');
	err_wrap(&err, "mailbox %s", "a\nb");
	assert_null(strchr(err.text, '\n'));
}

static void test_cut(void **state)
{
	struct err err;
	char text[2000];

	(void)state;
	for (size_t shift = 0; shift < 4; shift++) {
		memset(text, 'x', sizeof(text));
		for (size_t at = shift; at + 4 < sizeof(text); at += 4)
			memcpy(text + at, "\xf0\x9f\x93\xac", 4);
		text[sizeof(text) - 1] = '\0';
		err_set(&err, ERR_CONN, "%s", text);
		assert_true(strlen(err.text) > sizeof(err.text) - 5);
		assert_true(utf8_valid(span_of(err.text)));
		assert_null(strchr(err.text, '\\'));
		err_wrap(&err, "a");
		assert_true(utf8_valid(span_of(err.text)));
		assert_memory_equal(err.text, "a: ", 3);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set),
		cmocka_unit_test(test_null),
		cmocka_unit_test(test_harmless),
		cmocka_unit_test(test_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
