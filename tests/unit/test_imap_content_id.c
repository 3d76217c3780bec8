/* Which ids of content are believed. */
#include "imap/imap_content_id.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define DIGEST IMAP_CONTENT_ID_DIGEST
#define EMAILID IMAP_CONTENT_ID_EMAILID
#define GUID IMAP_CONTENT_ID_GUID

static const struct sample {
	enum imap_content_id kind;
	const char *id;
	bool good;
} samples[] = {
	{ DIGEST, "44237d4339d2b593fde33e0bbf00cf72c8f8f45e", true },
	{ DIGEST, "44237d4339d2b593fde33e0bbf00cf72c8f8f45", false },
	{ DIGEST, "44237d4339d2b593fde33e0bbf00cf72c8f8f45g", false },
	{ DIGEST, "0000000000000000000000000000000000000000", false }, /* Cyrus: none */
	{ EMAILID, "M44237d4339d2b593fde33e0b", true },
	{ EMAILID, "M000000000000000000000000", false },
	{ EMAILID, "M6d99ac3275bb4e", false }, /* too short to be told apart from a counter */
	{ EMAILID, "M44237d4339d2b593fde 3e0b", false },
	{ EMAILID, "M44237d4339d2b593fde\x1b[31mb", false },
	{ GUID, "efc4921fdc75096b8b09000083ecc375", true },
	/* A digest of headers, in mbox: neither seconds nor a process. */
	{ GUID, "3efd1ce917f32b250012d67b1e53a450", false },
	{ GUID, "efc4921fdc75096b8b09008083ecc375", false },
	{ GUID, "EFC4921FDC75096B8B09000083ECC375", false },
	{ GUID, "efc4921fdc75096b8b09000083ecc3", false },
	{ GUID, "1795782414.M568828P8149.vm,S=115,W=121", true },
	{ GUID, "1795782414.8149.mail.example", false },
	{ GUID, "1795782414.M568828P8149.v m,S=115", false },
	{ GUID, "00000000000000000123456", false },
	{ GUID, "", false },
};

static bool take(
	enum imap_content_id kind, enum imap_content_id told, struct span id, struct digest128 *out)
{
	const struct imap_fetch_data fetch = {
		.has = IMAP_FETCH_CONTENT_ID, .content_id = id, .content_id_kind = told
	};

	return imap_content_id_take(kind, &fetch, out);
}

static void test_samples(void **state)
{
	struct digest128 digest;

	(void)state;
	for (size_t i = 0; i < countof(samples); i++)
		if (take(samples[i].kind, samples[i].kind, span_of(samples[i].id), &digest) !=
			samples[i].good)
			fail_msg("%s", samples[i].id);
}

static void test_kinds(void **state)
{
	const struct span id = span_of(samples[0].id);
	const struct imap_fetch_data nothing = { .has = IMAP_FETCH_UID };
	char longest[256];
	struct digest128 one, two;

	(void)state;
	assert_true(take(DIGEST, DIGEST, id, &one));
	assert_true(take(EMAILID, EMAILID, id, &two)); /* the letters are allowed */
	assert_false(digest128_equal(one, two));
	assert_false(take(DIGEST, EMAILID, id, &one)); /* what nobody asked for */
	assert_false(imap_content_id_take(DIGEST, &nothing, &one));
	for (size_t i = 0; i < sizeof(longest); i++)
		longest[i] = "abcdefgh"[i % 8];
	assert_true(take(EMAILID, EMAILID, span_make(longest, 255), &one));
	assert_false(take(EMAILID, EMAILID, span_make(longest, 256), &one));
	assert_string_equal(imap_content_id_item(GUID), "X-GUID");
	assert_null(imap_content_id_item(IMAP_CONTENT_ID_NONE));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_samples),
		cmocka_unit_test(test_kinds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
