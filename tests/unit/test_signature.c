/* Signatures: RFC 8032's first test, keys that are none, texts that are others. */
#include "base/signature.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/path.h"

#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

/* RFC 8032 §7.1, TEST 1: an empty message. */
static const char key_pem[] = "-----BEGIN PRIVATE KEY-----\n"
			      "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
			      "-----END PRIVATE KEY-----\n";
static const char public_pem[] = "-----BEGIN PUBLIC KEY-----\n"
				 "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n"
				 "-----END PUBLIC KEY-----\n";
static const unsigned char expected[] = { 0xe5, 0x56, 0x43, 0x00, 0xc3, 0x60, 0xac, 0x72, 0x90 };

static char root[] = "/tmp/mailhaul-signature-XXXXXX";
static struct arena *arena;

static char *file(const char *name, const char *text, mode_t mode)
{
	char *path = arena_print(arena, "%s/%s", root, name);

	(void)unlink(path);
	assert_int_equal(path_write(path, span_of(text), mode, NULL), 0);
	return path;
}

static void test_signature(void **state)
{
	unsigned char signature[SIGNATURE_SIZE];
	struct err err = ERR_INIT;
	char *key, *public;

	(void)state;
	arena = arena_new();
	assert_non_null(mkdtemp(root));
	key = file("key", key_pem, 0600);
	public = file("pub", public_pem, 0644);
	assert_int_equal(signature_make(key, SPAN(""), signature, NULL), 0);
	assert_memory_equal(signature, expected, sizeof(expected));
	assert_int_equal(signature_check(public, SPAN(""), signature, NULL), 0);
	assert_int_equal(signature_check(public, SPAN("x"), signature, &err), -1);
	assert_int_equal(err.kind, ERR_KIND_SAFETY);
	signature[63] ^= 1;
	assert_int_equal(signature_check(public, SPAN(""), signature, NULL), -1);
	assert_int_equal(signature_make(public, SPAN(""), signature, NULL), -1);
	assert_int_equal(signature_check(key, SPAN(""), signature, NULL), -1);
	assert_int_equal(signature_make(file("key", key_pem, 0644), SPAN(""), signature, &err), -1);
	assert_int_equal(err.kind, ERR_KIND_USAGE);
	assert_int_equal(signature_make(file("no", "no key", 0600), SPAN(""), signature, NULL), -1);
	for (size_t i = 0; i < 3; i++)
		(void)unlink(arena_print(
			arena, "%s/%s", root, ((const char *[]){ "key", "pub", "no" })[i]));
	(void)rmdir(root);
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_signature) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
