/* JSON lines: nesting and commas, every kind of value, hostile strings, and the buffer's cap. */
#include "base/json.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_values(void **state)
{
	struct json json;
	struct buf out;

	(void)state;
	buf_init(&out, 1000);
	json_init(&json, &out);
	json_begin_object(&json);
	json_key(&json, "u");
	json_u64(&json, UINT64_MAX);
	json_key(&json, "i");
	json_i64(&json, INT64_MIN);
	json_key(&json, "list");
	json_begin_array(&json);
	json_bool(&json, true);
	json_bool(&json, false);
	json_null(&json);
	json_begin_object(&json);
	json_end_object(&json);
	json_begin_array(&json);
	json_end_array(&json);
	json_text(&json, "x");
	json_text(&json, NULL);
	json_string(&json, span_make(NULL, 0));
	json_end_array(&json);
	json_key(&json, "a\"b");
	json_string(&json, SPAN("end"));
	json_end_object(&json);
	assert_int_equal(json_end_line(&json), 0);
	json_begin_array(&json);
	json_end_array(&json);
	assert_int_equal(json_end_line(&json), 0);
	assert_string_equal(buf_text(&out),
		"{\"u\":18446744073709551615,\"i\":-9223372036854775808,\"list\":[true,false,null,{},[],\"x\",null,\"\"],\"a\\\"b\":\"end\"}\n[]\n");
	buf_release(&out);
}

static void test_strings(void **state)
{
	static const struct {
		const char *text, *json;
	} rows[] = {
		{ "plain/\xc3\xa9\xf0\x9f\x98\x80", "\"plain/\xc3\xa9\xf0\x9f\x98\x80\"\n" },
		{ "\"\\\n\r\t", "\"\\\"\\\\\\n\\r\\t\"\n" },
		{ "\x01\x1b\x7f", "\"\\u0001\\u001b\\u007f\"\n" },
		{ "\xc2\x85\xe2\x80\xa8\xe2\x80\xae", "\"\\u0085\\u2028\\u202e\"\n" },
		{ "a\xff"
		  "b\xc3",
			"\"a\xef\xbf\xbd"
			"b\xef\xbf\xbd\"\n" },
		{ "\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"\n" },
	};
	struct json json;
	struct buf out;

	(void)state;
	buf_init(&out, 100);
	for (size_t i = 0; i < countof(rows); i++) {
		buf_clear(&out);
		json_init(&json, &out);
		json_string(&json, span_of(rows[i].text));
		assert_int_equal(json_end_line(&json), 0);
		assert_string_equal(buf_text(&out), rows[i].json);
	}
	buf_clear(&out);
	json_init(&json, &out);
	json_string(&json, span_make("a\0b", 3));
	assert_int_equal(json_end_line(&json), 0);
	assert_string_equal(buf_text(&out), "\"a\\u0000b\"\n");
	buf_release(&out);
}

static void test_cap(void **state)
{
	struct json json;
	struct buf out;

	(void)state;
	buf_init(&out, 12);
	json_init(&json, &out);
	json_u64(&json, 1234);
	assert_int_equal(json_end_line(&json), 0);
	json_begin_array(&json);
	json_string(&json, SPAN("too long \x01\xff"));
	json_u64(&json, 1);
	json_end_array(&json);
	assert_int_equal(json_end_line(&json), -1);
	assert_string_equal(buf_text(&out), "1234\n");
	json_null(&json);
	assert_int_equal(json_end_line(&json), 0);
	assert_string_equal(buf_text(&out), "1234\nnull\n");
	buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_cap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
