/* COMPRESS=DEFLATE: both ways, octet by octet, a bomb, and damage. */
#include "net/wire.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/stop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#define PATIENCE 5000

static void wires_new(struct wire **near, struct wire **far)
{
	struct stream *a, *b;

	stream_pair_new(&a, &b);
	*near = wire_new(a, PATIENCE);
	*far = wire_new(b, PATIENCE);
}

static void expect(struct wire *wire, const char *text)
{
	while (wire_peek(wire).len < strlen(text))
		assert_int_equal(wire_wait(wire, NULL), 1);
	assert_true(span_equal_text(wire_peek(wire), text));
	wire_consume(wire, strlen(text));
}

static void test_both_ways(void **state)
{
	struct wire *near, *far;

	(void)state;
	wires_new(&near, &far);
	assert_int_equal(wire_start_deflate(near, NULL), 0);
	assert_int_equal(wire_start_deflate(far, NULL), 0);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(wire_put(near, SPAN("A1 FETCH 1:* (UID FLAGS)\r\n"), NULL), 0);
		assert_int_equal(wire_flush(near, NULL), 0);
		expect(far, "A1 FETCH 1:* (UID FLAGS)\r\n");
		assert_int_equal(wire_put(far, SPAN("* 1 FETCH (UID 1)\r\n"), NULL), 0);
		assert_int_equal(wire_flush(far, NULL), 0);
		expect(near, "* 1 FETCH (UID 1)\r\n");
	}
	wire_free(near);
	wire_free(far);
}

/* Hard to compress, larger than every buffer on the way, with flushes in between. */
static void test_much(void **state)
{
	enum { SIZE = 600000 };
	struct wire *near, *far;
	char *data = mem_array(SIZE, 1);
	uint32_t seed = 1;

	(void)state;
	for (size_t i = 0; i < SIZE; i++) {
		seed = seed * 1664525u + 1013904223u;
		data[i] = (char)(seed >> 24);
	}
	wires_new(&near, &far);
	assert_int_equal(wire_start_deflate(near, NULL), 0);
	assert_int_equal(wire_start_deflate(far, NULL), 0);
	size_t sent = 0, seen = 0;
	while (seen < SIZE) {
		const size_t part = SIZE - sent > 50000 ? 50000 : SIZE - sent;
		if (part > 0)
			assert_int_equal(wire_put(near, span_make(data + sent, part), NULL), 0);
		sent += part;
		assert_int_equal(wire_push(near, NULL), 0);
		while (wire_fill(far, NULL) > 0)
			assert_int_equal(wire_push(near, NULL), 0);
		const struct span span = wire_peek(far);
		assert_memory_equal(span.data, data + seen, span.len);
		seen += span.len;
		wire_consume(far, span.len);
	}
	assert_int_equal(seen, SIZE);
	assert_true(wire_is_clean(near));
	wire_free(near);
	wire_free(far);
	mem_free(data);
}

/* Raw deflate of text, flushed, into out. */
static size_t compress_raw(const char *text, size_t len, unsigned char *out, size_t size)
{
	z_stream z = { .zalloc = NULL };

	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = (unsigned char *)text;
	z.avail_in = (unsigned)len;
	z.next_out = out;
	z.avail_out = (unsigned)size;
	assert_int_equal(deflate(&z, Z_SYNC_FLUSH), Z_OK);
	(void)deflateEnd(&z);
	return size - z.avail_out;
}

static void test_octet_by_octet(void **state)
{
	static const char text[] = "* OK [CAPABILITY IMAP4rev1] ready\r\n* LIST () \"/\" INBOX\r\n";
	unsigned char packed[256];
	struct stream *a, *b;

	(void)state;
	const size_t size = compress_raw(text, sizeof(text) - 1, packed, sizeof(packed));
	stream_pair_new(&a, &b);
	a = stream_deflate_new(a);
	char seen[sizeof(text)];
	size_t have = 0;
	for (size_t i = 0; i < size; i++) {
		assert_int_equal(stream_write(b, packed + i, 1, NULL), 1);
		for (;;) {
			const ssize_t got = stream_read(a, seen + have, 1, NULL);
			if (got == STREAM_AGAIN)
				break;
			assert_int_equal(got, 1);
			have++;
		}
		assert_false(stream_pending(a));
	}
	assert_int_equal(have, sizeof(text) - 1);
	assert_memory_equal(seen, text, have);
	stream_free(a);
	stream_free(b);
}

/* RFC 4978 §3: what came with the OK is compressed already. */
static void test_fed_with_the_answer(void **state)
{
	static const char text[] = "* 3 EXISTS\r\n";
	unsigned char packed[256];
	struct wire *near, *far;

	(void)state;
	const size_t size = compress_raw(text, sizeof(text) - 1, packed, sizeof(packed));
	wires_new(&near, &far);
	assert_int_equal(wire_put(far, SPAN("A1 OK go\r\n"), NULL), 0);
	assert_int_equal(wire_put(far, span_make((const char *)packed, size), NULL), 0);
	assert_int_equal(wire_flush(far, NULL), 0);
	assert_int_equal(wire_wait(near, NULL), 1);
	wire_consume(near, 10);
	assert_int_equal(wire_start_deflate(near, NULL), 0);
	expect(near, text);
	wire_free(near);
	wire_free(far);
}

/* Dovecot's compressed half begins with an empty block. Who asks whether there is input, and then waits for it, would wait in vain. */
static void test_empty_block(void **state)
{
	struct wire *near, *far;

	(void)state;
	wires_new(&near, &far);
	assert_int_equal(wire_start_deflate(near, NULL), 0);
	assert_int_equal(wire_put(far, SPAN("\0\0\0\xff\xff"), NULL), 0);
	assert_int_equal(wire_flush(far, NULL), 0);
	assert_false(wire_ready(near));
	assert_int_equal(wire_start_deflate(far, NULL), 0);
	assert_int_equal(wire_put(far, SPAN("* 3 EXISTS\r\n"), NULL), 0);
	assert_int_equal(wire_flush(far, NULL), 0);
	assert_true(wire_ready(near));
	expect(near, "* 3 EXISTS\r\n");
	wire_free(near);
	wire_free(far);
}

/* 64 MB of zeros in 64 KB: the reader's cap stops it, and nothing else grows. */
static void test_bomb(void **state)
{
	enum { SIZE = 64 << 20, ROOM = 1 << 20 };
	char *zeros = mem_array(SIZE, 1);
	unsigned char *packed = mem_array(ROOM, 1);
	struct wire *near, *far;
	struct err err = ERR_INIT;
	int rc;

	(void)state;
	const size_t size = compress_raw(zeros, SIZE, packed, ROOM);
	mem_free(zeros);
	wires_new(&near, &far);
	assert_int_equal(wire_start_deflate(near, NULL), 0);
	assert_int_equal(wire_put(far, span_make((const char *)packed, size), NULL), 0);
	do {
		assert_int_equal(wire_push(far, NULL), 0);
		rc = wire_wait(near, &err);
	} while (rc > 0);
	assert_int_equal(rc, -1);
	assert_int_equal(err.scope, ERR_CONN);
	assert_int_equal(wire_peek(near).len, WIRE_READ_CAP);
	wire_free(near);
	wire_free(far);
	mem_free(packed);
}

static void test_damage(void **state)
{
	struct wire *near, *far;
	struct err err = ERR_INIT;

	(void)state;
	wires_new(&near, &far);
	assert_int_equal(wire_start_deflate(near, NULL), 0);
	assert_int_equal(wire_put(far, SPAN("\xff\xff\xff\xff\xff not deflate"), NULL), 0);
	assert_int_equal(wire_flush(far, NULL), 0);
	assert_int_equal(wire_wait(near, &err), -1);
	assert_int_equal(err.scope, ERR_CONN);
	assert_non_null(strstr(err.text, "damaged"));
	wire_free(near);
	wire_free(far);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_ways),
		cmocka_unit_test(test_much),
		cmocka_unit_test(test_octet_by_octet),
		cmocka_unit_test(test_fed_with_the_answer),
		cmocka_unit_test(test_empty_block),
		cmocka_unit_test(test_bomb),
		cmocka_unit_test(test_damage),
	};

	stop_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
