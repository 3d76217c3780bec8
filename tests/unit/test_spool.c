/* Spools: the same bytes come back, from memory, from the file, and from both. */
#include "base/spool.h"

#include "base/buf.h"
#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void check_content(struct spool *spool, struct span expected)
{
	struct err err = ERR_INIT;
	struct span chunk;
	int rc;

	assert_int_equal(spool_size(spool), expected.len);
	spool_rewind(spool);
	for (rc = spool_next(spool, &chunk, &err); rc > 0; rc = spool_next(spool, &chunk, &err)) {
		assert_true(chunk.len > 0 && span_starts(expected, chunk));
		expected = span_from(expected, chunk.len);
	}
	assert_int_equal(rc, 0);
	assert_int_equal(expected.len, 0);
}

static void test_limits(void **state)
{
	static const size_t limits[] = { 0, 1, 100, 4096, 1 << 20 };
	static const size_t pieces[] = { 1, 99, 100, 101, 70000, 3, 0, 200000 };
	struct err err = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < countof(limits); i++) {
		struct spool *spool = spool_new(limits[i]);
		struct buf all;
		unsigned seed = 1;

		buf_init(&all, 1 << 20);
		for (int round = 0; round < 2; round++) {
			check_content(spool, buf_span(&all));
			for (size_t piece = 0; piece < countof(pieces); piece++) {
				const size_t start = all.len;

				for (size_t n = 0; n < pieces[piece]; n++) {
					seed = seed * 1103515245 + 12345;
					assert_int_equal(buf_add_char(&all, (char)(seed >> 16)), 0);
				}
				assert_int_equal(
					spool_add(spool, span_from(buf_span(&all), start), &err),
					0);
			}
			check_content(spool, buf_span(&all));
			check_content(spool, buf_span(&all));
			buf_clear(&all);
			spool_clear(spool);
		}
		buf_release(&all);
		spool_free(spool);
	}
	spool_free(NULL);
}

static void test_no_place(void **state)
{
	struct err err = ERR_INIT;
	struct spool *spool = spool_new(4);

	(void)state;
	setenv("TMPDIR", "/nowhere/at/all", 1);
	assert_int_equal(spool_add(spool, SPAN("1234"), &err), 0);
	assert_int_equal(spool_add(spool, SPAN("5"), &err), -1);
	assert_int_equal(err.scope, ERR_LOCAL);
	assert_non_null(strstr(err.text, "/nowhere/at/all"));
	unsetenv("TMPDIR");
	spool_free(spool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_no_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
