/* Lines of a manifest: JSON objects of plain values, and nothing else. */
#include "store/inventory_line.h"

#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_values(void **state)
{
	struct arena *arena = arena_new();
	struct inventory_fields fields;
	struct span text;
	uint64_t number = 0;
	int64_t any = 7;
	bool flag = false;

	(void)state;
	assert_int_equal(
		inventory_line_parse(
			SPAN(" { \"t\" : \"a\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00ü\" , \"n\":12,\"m\":-3,\"y\":true,\"f\":false,\"z\":null} "),
			arena, &fields),
		0);
	assert_int_equal(fields.count, 6);
	assert_int_equal(inventory_line_text(&fields, "t", &text), 0);
	assert_true(span_equal_text(text, "a\"\\/\b\f\n\r\té😀ü"));
	assert_int_equal(inventory_line_u64(&fields, "n", 12, &number), 0);
	assert_int_equal(number, 12);
	assert_int_equal(inventory_line_u64(&fields, "n", 11, &number), -1);
	assert_int_equal(inventory_line_u64(&fields, "m", 11, &number), -1);
	assert_int_equal(inventory_line_i64_null(&fields, "m", &any), 0);
	assert_int_equal(any, -3);
	any = 7;
	assert_int_equal(inventory_line_i64_null(&fields, "z", &any), 0);
	assert_int_equal(any, 7);
	assert_int_equal(inventory_line_bool(&fields, "y", &flag), 0);
	assert_true(flag);
	assert_int_equal(inventory_line_text_null(&fields, "z", &text), 0);
	assert_null(text.data);
	/* Another kind, or not there. */
	assert_int_equal(inventory_line_text(&fields, "z", &text), -1);
	assert_int_equal(inventory_line_text(&fields, "n", &text), -1);
	assert_int_equal(inventory_line_bool(&fields, "z", &flag), -1);
	assert_int_equal(inventory_line_u64(&fields, "t", 99, &number), -1);
	assert_int_equal(inventory_line_i64_null(&fields, "none", &any), -1);
	assert_int_equal(inventory_line_parse(SPAN("{}"), arena, &fields), 0);
	assert_int_equal(fields.count, 0);
	arena_free(arena);
}

static void test_refused(void **state)
{
	static const char *const samples[] = { "", "{", "}", "[]", "{}x", "{\"a\"}", "{\"a\":}",
		"{\"a\":1,}", "{,}", "{\"a\":1 \"b\":2}", "{\"a\":{}}", "{\"a\":[]}", "{\"a\":1.5}",
		"{\"a\":1e3}", "{\"a\":+1}", "{\"a\":- 1}", "{\"a\":01}", "{\"a\":nul}",
		"{\"a\":truex}", "{\"a\":1,\"a\":1}", "{\"a\":\"x}", "{\"a\":\"\\x\"}",
		"{\"a\":\"\\u12\"}", "{\"a\":\"\\u0000\"}", "{\"a\":\"\\ud800\"}",
		"{\"a\":\"\\ud800\\u0041\"}", "{\"a\":\"\\udc00\"}", "{\"a\":\"\xff\"}",
		"{\"a\":\"\xed\xa0\x80\"}", "{\"a\":\"\t\"}", "{'a':1}", "{a:1}",
		"{\"a\":1234567890123456789}" };
	struct arena *arena = arena_new();
	struct inventory_fields fields;
	char many[1024] = "{";

	(void)state;
	for (size_t i = 0; i < sizeof(samples) / sizeof(*samples); i++)
		if (inventory_line_parse(span_of(samples[i]), arena, &fields) == 0)
			fail_msg("taken: %s", samples[i]);
	assert_int_equal(
		inventory_line_parse(span_make("{\"a\":\"x\0\"}", 10), arena, &fields), -1);
	for (int i = 0; i < INVENTORY_FIELDS + 1; i++)
		(void)snprintf(many + strlen(many), sizeof(many) - strlen(many), "%s\"k%d\":1",
			i ? "," : "", i);
	assert_int_equal(
		inventory_line_parse(span_of(arena_print(arena, "%s}", many)), arena, &fields), -1);
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
