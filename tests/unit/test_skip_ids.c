/* The file of --skip-ids: what counts as a line, what as the same ID, and what is refused. */
#include "ops/skip_ids.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/must.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char path[] = "/tmp/mailhaul-test-skip-ids-XXXXXX";
static struct arena *arena;

static int begin(void **state)
{
	const int fd = mkstemp(path);

	(void)state;
	arena = arena_new();
	return fd < 0 || close(fd) < 0 ? -1 : 0;
}

static int end(void **state)
{
	(void)state;
	arena_free(arena);
	return unlink(path);
}

static void write_file(const char *text, size_t len)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
}

static struct skip_ids *from(const char *text)
{
	struct err err = ERR_INIT;
	struct skip_ids *ids;

	write_file(text, strlen(text));
	ids = skip_ids_read(path, arena, &err);
	if (ids == NULL)
		fail_msg("%s", err.text);
	return ids;
}

static void test_lines(void **state)
{
	const struct skip_ids *ids = from("\xef\xbb\xbf<first@x>\r\n# <comment@x>\n\n"
					  "  <blanks@x>\t\n<first@x>\nbare@x\n \t\n<Case@x>\n"
					  "<two words@x>\n<last@x>");

	(void)state;
	assert_int_equal(skip_ids_count(ids), 6);
	assert_true(skip_ids_has(ids, SPAN("<first@x>")));
	assert_true(skip_ids_has(ids, SPAN(" <blanks@x> ")));
	assert_true(skip_ids_has(ids, SPAN("<bare@x>")));
	assert_true(skip_ids_has(ids, SPAN("first@x")));
	assert_true(skip_ids_has(ids, SPAN("<two words@x>")));
	assert_true(skip_ids_has(ids, SPAN("<last@x>")));
	assert_false(skip_ids_has(ids, SPAN("<case@x>")));
	assert_false(skip_ids_has(ids, SPAN("<comment@x>")));
	assert_false(skip_ids_has(ids, SPAN("")));
	assert_false(skip_ids_has(ids, SPAN("<>")));
	assert_false(skip_ids_has(from("# nothing\n"), SPAN("<first@x>")));
}

/* Whatever order they stand in, and however often. */
static void test_digest(void **state)
{
	const struct digest128 a = skip_ids_digest(from("<1@x>\n<2@x>\n"));

	(void)state;
	assert_true(digest128_equal(a, skip_ids_digest(from("2@x\n<1@x>\n<2@x>\n#\n"))));
	assert_false(digest128_equal(a, skip_ids_digest(from("<1@x>\n"))));
	assert_false(digest128_equal(a, skip_ids_digest(from(""))));
}

/* Lines lie across the pieces in which the file is read. */
static void test_many(void **state)
{
	enum { COUNT = 20000 };
	struct buf text;
	char id[32];

	(void)state;
	buf_init(&text, COUNT * sizeof(id));
	for (int i = 0; i < COUNT; i++)
		assert_int_equal(buf_print(&text, "<%d.%0*d@x>\n", i, i % 13 + 1, i), 0);
	write_file(text.data, text.len);
	buf_release(&text);

	struct err err = ERR_INIT;
	const struct skip_ids *ids = skip_ids_read(path, arena, &err);

	assert_non_null(ids);
	assert_int_equal(skip_ids_count(ids), COUNT);
	for (int i = 0; i < COUNT; i++) {
		snprintf(id, sizeof(id), "<%d.%0*d@x>", i, i % 13 + 1, i);
		assert_true(skip_ids_has(ids, span_of(id)));
	}
}

static void refuse(const char *text, size_t len, const char *expected)
{
	struct err err = ERR_INIT;

	write_file(text, len);
	assert_null(skip_ids_read(path, arena, &err));
	assert_int_equal(err.kind, ERR_KIND_USAGE);
	if (strstr(err.text, expected) == NULL)
		fail_msg("\"%s\" not in \"%s\"", expected, err.text);
}

static void test_refused(void **state)
{
	struct err err = ERR_INIT;
	char *line = malloc(2 * SKIP_IDS_LINE_MAX);

	(void)state;
	assert_non_null(line);
	memset(line, 'x', 2 * SKIP_IDS_LINE_MAX);
	memcpy(line, "<a@x>\n", 6);
	refuse(line, 2 * SKIP_IDS_LINE_MAX, "line 2: a line that is too long");
	free(line);
	refuse("<a@x>\n<b\0@x>\n", 13, "line 2: control characters");
	refuse("\x7f"
	       "ELF\x02",
		5, "line 1: control characters");

	assert_null(skip_ids_read("/does/not/exist", arena, &err));
	assert_int_equal(err.kind, ERR_KIND_USAGE);
	err_clear(&err);
	assert_null(skip_ids_read("/", arena, &err));
	assert_int_equal(err.scope, ERR_LOCAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_digest),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
