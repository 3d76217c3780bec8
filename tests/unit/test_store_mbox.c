/* Places of messages as text in the record of an mbox file; windows on plain and compressed files. */
#include "store/store_mbox_parts.h"

#include "base/os.h"
#include "base/spool.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

static void test_places(void **state)
{
	static const char *const bad[] = { "", "1", "1.2.3.4.r.0123456789abcdef",
		"1.2.3.4.q.0123456789abcdef.5", "1.2.3.4.r.0123456789abcdeg.5",
		"1.2.3.4.r.0123456789abcde.5", "1.2.3.4.r.0123456789abcdef.5",
		"1.2.3.0.r.0123456789abcdef.5.6", "1.2.0.0.re.0123456789abcdef.5",
		"-1.2.3.0.r.0123456789abcdef.5",
		"18446744073709551615.2.3.0.r.0123456789abcdef.5" };
	const struct mbox_entry entry = { .start = 1234567890123,
		.size = 98765,
		.head = 45,
		.strip = 12,
		.how = MBOX_UNQUOTE_O,
		.exact = true,
		.open_line = true,
		.filtered = true,
		.key = 0x0123456789abcdef,
		.line = 77 };
	struct mbox_entry back;
	char text[128];

	(void)state;
	mbox_entry_print(&entry, text);
	assert_string_equal(text, "1234567890123.45.98765.12.oxem.0123456789abcdef.77");
	assert_true(mbox_entry_parse(text, &back));
	assert_int_equal(back.start, entry.start);
	assert_int_equal(back.size, entry.size);
	assert_int_equal(back.head, 45);
	assert_int_equal(back.strip, 12);
	assert_int_equal(back.how, MBOX_UNQUOTE_O);
	assert_true(back.exact && back.open_line && back.filtered);
	assert_true(back.key == entry.key && back.line == 77);
	for (size_t i = 0; i < countof(bad); i++) {
		if (mbox_entry_check(bad[i]))
			fail_msg("%s", bad[i]);
	}
}

/* Octets that are told by their place. */
static char octet_at(uint64_t offset)
{
	return (char)('a' + offset * 7 % 23 + offset / 4096 % 3);
}

static void check_window(struct mbox_octets *octets, uint64_t offset, uint64_t size)
{
	struct span window;
	bool last;

	assert_int_equal(mbox_octets_window(octets, offset, &window, &last, NULL), 0);
	assert_true(last ? offset + window.len == size : window.len >= MBOX_WINDOW);
	for (size_t i = 0; i < window.len; i++)
		assert_int_equal(window.data[i], octet_at(offset + i));
}

static void test_windows(void **state)
{
	static const uint64_t at[] = { 0, 1, 100000, 99999, 300000, 700000, 650000, 800000, 0 };
	const uint64_t size = 800000, half = 300000;

	(void)state;
	for (int packing = MBOX_PLAIN; packing <= MBOX_XZ; packing++) {
		struct spool *in = spool_new(65536), *out = spool_new(65536);
		const int fd = os_open("/tmp", O_RDWR | O_TMPFILE, 0600);
		struct mbox_octets *octets;
		struct span chunk;
		struct err err = ERR_INIT;

		assert_true(fd >= 0);
		/* two parts, one after the other */
		for (uint64_t i = 0; i < size; i++) {
			const char octet = octet_at(i);

			assert_int_equal(spool_add(in, span_make(&octet, 1), &err), 0);
			if (i + 1 != half && i + 1 != size)
				continue;
			if (packing == MBOX_PLAIN) {
				spool_rewind(in);
				while (spool_next(in, &chunk, &err) > 0)
					assert_int_equal(spool_add(out, chunk, &err), 0);
			} else {
				assert_int_equal(
					mbox_pack((enum mbox_packing)packing, in, out, &err), 0);
			}
			spool_clear(in);
		}
		spool_rewind(out);
		while (spool_next(out, &chunk, &err) > 0)
			assert_int_equal(os_write(fd, chunk.data, chunk.len), chunk.len);
		octets = mbox_octets_open(
			fd, (enum mbox_packing)packing, spool_size(out), "the file");
		for (size_t i = 0; i < countof(at); i++)
			check_window(octets, at[i], size);
		mbox_octets_close(octets);
		if (packing == MBOX_GZIP ||
			packing == MBOX_BZIP2) { /* zeros are padding, other octets may be mail */
			struct span window;
			bool last;

			for (int junk = 0; junk < 2; junk++) {
				assert_int_equal(os_write(fd, junk ? "x" : "\0", 1), 1);
				octets = mbox_octets_open(fd, (enum mbox_packing)packing,
					spool_size(out) + 1 + (uint64_t)junk, "the file");
				assert_int_equal(
					mbox_octets_window(octets, size - 9, &window, &last, &err),
					junk ? -1 : 0);
				mbox_octets_close(octets);
			}
			assert_int_equal(err.scope, ERR_MAILBOX);
		}
		spool_free(in);
		spool_free(out);
		os_close(fd);
	}
}

static void test_packings(void **state)
{
	size_t len;

	(void)state;
	assert_int_equal(mbox_packing_of(SPAN("a.mbox"), &len), MBOX_PLAIN);
	assert_int_equal(mbox_packing_of(SPAN("a.MBOX.GZ"), &len), MBOX_GZIP);
	assert_int_equal(len, 3);
	assert_int_equal(mbox_packing_of(SPAN("a.zst"), &len), MBOX_ZSTD);
	assert_int_equal(mbox_packing_of(SPAN(".xz"), &len), MBOX_PLAIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_windows),
		cmocka_unit_test(test_packings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
