/* SHA-256 by the examples of FIPS 180-4, base64 by those of RFC 4648 §10, and what base64 refuses. */
#include "base/digest.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static void test_sha256(void **state)
{
	unsigned char out[DIGEST_SIZE];
	char hex[2 * DIGEST_SIZE + 1];
	struct digest *digest = digest_new();

	(void)state;
	digest_bytes(span_make(NULL, 0), out);
	digest_hex(out, sizeof(out), hex);
	assert_string_equal(hex, EMPTY);
	for (int i = 0; i < 2; i++) {
		digest_add(digest, SPAN("a"));
		digest_add(digest, span_make(NULL, 0));
		digest_add(digest, SPAN("bc"));
		digest_end(digest, out);
		digest_hex(out, sizeof(out), hex);
		assert_string_equal(hex, ABC);
	}
	digest_add(digest, SPAN("forgotten"));
	digest_reset(digest);
	digest_end(digest, out);
	digest_hex(out, sizeof(out), hex);
	assert_string_equal(hex, EMPTY);
	digest_free(digest);
	digest_free(NULL);
}

static void test_128(void **state)
{
	struct digest *digest = digest_new();
	struct digest128 none = { { 0, 0 } }, a, b;
	char hex[33];

	(void)state;
	digest_add(digest, SPAN("abc"));
	a = digest_end128(digest);
	b = digest_end128(digest);
	digest_hex((const unsigned char *)&a, sizeof(a), hex);
	assert_memory_equal(hex, ABC, 32);
	assert_true(digest128_equal(a, a));
	assert_false(digest128_equal(a, b));
	assert_int_equal(digest128_compare(a, a), 0);
	assert_int_equal(digest128_compare(a, b), -digest128_compare(b, a));
	assert_int_equal(digest128_compare(none, a), -1);
	assert_true(digest128_known(a));
	assert_false(digest128_known(none));
	digest_free(digest);
}

static void test_base64(void **state)
{
	static const struct {
		const char *plain, *coded;
	} rows[] = { { "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" },
		{ "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" },
		{ "\xff\xff\xfe", "///+" } };
	static const char *const bad[] = { "Z", "Zg", "Zg=", "Zm8", "=",
		"====", "Z===", "Zg==Zg==", "Zg==\nA", "Z=g=", "Zg=a", "Zm9v!", "Zm-_", "Zm9v\x80",
		"Zm9v=" };
	struct buf out;

	(void)state;
	buf_init(&out, 10);
	for (size_t i = 0; i < countof(rows); i++) {
		buf_clear(&out);
		assert_int_equal(base64_encode(span_of(rows[i].plain), &out), 0);
		assert_true(span_equal_text(buf_span(&out), rows[i].coded));
		buf_clear(&out);
		assert_int_equal(base64_decode(span_of(rows[i].coded), &out), 0);
		assert_true(span_equal_text(buf_span(&out), rows[i].plain));
	}
	buf_clear(&out);
	assert_int_equal(base64_decode(SPAN(" Zm\r\n9v\tYg= =\n"), &out), 0);
	assert_true(span_equal_text(buf_span(&out), "foob"));
	for (size_t i = 0; i < countof(bad); i++) {
		if (base64_decode(span_of(bad[i]), &out) != -1)
			fail_msg("\"%s\" passed", bad[i]);
	}
	assert_int_equal(base64_decode(SPAN("Zm9v\0"), &out), -1);
	assert_int_equal(base64_decode(SPAN("Zm9vZm9vZm9v"), &out), -1); /* the cap */
	assert_int_equal(base64_encode(SPAN("foobar"), &out), -1);
	assert_true(span_equal_text(buf_span(&out), "foob"));
	buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sha256),
		cmocka_unit_test(test_128),
		cmocka_unit_test(test_base64),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
