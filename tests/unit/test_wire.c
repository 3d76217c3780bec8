/* The buffered connection: order, caps, deadlines, no deadlock, and what the trace shows. */
#include "net/wire.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/stop.h"
#include "net/tls.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE 5000

struct pair {
	struct wire *wire;
	struct stream *far;
};

static struct pair pair_new(int64_t timeout_ms)
{
	struct pair pair;
	struct stream *near;

	stream_pair_new(&near, &pair.far);
	pair.wire = wire_new(near, timeout_ms);
	return pair;
}

static void pair_free(struct pair *pair)
{
	wire_free(pair->wire);
	stream_free(pair->far);
}

static void far_send(struct pair *pair, const char *text)
{
	assert_int_equal(stream_write(pair->far, text, strlen(text), NULL), strlen(text));
}

static void far_expect(struct pair *pair, const char *text)
{
	char data[256];
	const ssize_t got = stream_read(pair->far, data, sizeof(data), NULL);

	assert_int_equal(got, strlen(text));
	assert_memory_equal(data, text, strlen(text));
}

static void test_small_puts_leave_at_push(void **state)
{
	struct pair pair = pair_new(PATIENCE);
	char byte;

	(void)state;
	assert_int_equal(wire_put(pair.wire, SPAN("A1 NOOP"), NULL), 0);
	assert_int_equal(wire_put(pair.wire, SPAN("\r\n"), NULL), 0);
	assert_int_equal(wire_unsent(pair.wire), 9);
	assert_false(wire_is_clean(pair.wire));
	assert_int_equal(stream_read(pair.far, &byte, 1, NULL), STREAM_AGAIN);
	assert_int_equal(wire_push(pair.wire, NULL), 0);
	assert_int_equal(wire_unsent(pair.wire), 0);
	far_expect(&pair, "A1 NOOP\r\n");
	assert_int_equal(wire_bytes_out(pair.wire), 9);
	pair_free(&pair);
}

static void test_peek_and_consume(void **state)
{
	struct pair pair = pair_new(PATIENCE);

	(void)state;
	assert_false(wire_ready(pair.wire));
	assert_int_equal(wire_fill(pair.wire, NULL), 0);
	assert_int_equal(wire_peek(pair.wire).len, 0);
	far_send(&pair, "* OK one\r\n");
	assert_true(wire_ready(pair.wire));
	assert_true(span_equal(wire_peek(pair.wire), SPAN("* OK one\r\n")));
	wire_consume(pair.wire, 5);
	far_send(&pair, "two");
	assert_int_equal(wire_wait(pair.wire, NULL), 1);
	assert_true(span_equal(wire_peek(pair.wire), SPAN("one\r\ntwo")));
	wire_consume(pair.wire, 8);
	assert_int_equal(wire_peek(pair.wire).len, 0);
	assert_true(wire_is_clean(pair.wire));
	assert_int_equal(wire_bytes_in(pair.wire), 13);
	pair_free(&pair);
}

static void test_end_of_stream(void **state)
{
	struct pair pair = pair_new(PATIENCE);
	struct err err = ERR_INIT;

	(void)state;
	far_send(&pair, "* BYE\r\n");
	stream_free(pair.far);
	pair.far = NULL;
	/* The write fails, and the last words are there all the same. */
	assert_int_equal(wire_put(pair.wire, SPAN("A1 NOOP\r\n"), &err), 0);
	assert_int_equal(wire_wait(pair.wire, &err), 1);
	assert_true(span_equal(wire_peek(pair.wire), SPAN("* BYE\r\n")));
	wire_consume(pair.wire, 7);
	assert_int_equal(wire_wait(pair.wire, &err), 0);
	assert_int_equal(wire_fill(pair.wire, &err), -1);
	assert_int_equal(err.scope, ERR_CONN);
	pair_free(&pair);
}

static void test_deadline_and_stop(void **state)
{
	struct pair pair = pair_new(30);
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(wire_wait(pair.wire, &err), -1);
	assert_int_equal(err.scope, ERR_CONN);
	assert_int_equal(err.kind, ERR_KIND_NETWORK);
	assert_non_null(strstr(err.text, "no answer within"));

	wire_set_timeout(pair.wire, PATIENCE);
	stop_init();
	stop_request(0);
	assert_int_equal(wire_wait(pair.wire, &err), -1);
	assert_int_equal(err.scope, ERR_STOPPED);
	stop_reset();
	pair_free(&pair);
}

static void test_turns_count_round_trips(void **state)
{
	struct pair pair = pair_new(30);

	(void)state;
	assert_int_equal(wire_put(pair.wire, SPAN("A1 NOOP\r\n"), NULL), 0);
	assert_int_equal(wire_wait(pair.wire, NULL), -1);
	assert_int_equal(wire_turns(pair.wire), 1);
	assert_int_equal(wire_wait(pair.wire, NULL), -1);
	assert_int_equal(wire_turns(pair.wire), 1); /* nothing was asked in between */
	assert_int_equal(wire_put(pair.wire, SPAN("A2 NOOP\r\n"), NULL), 0);
	far_send(&pair, "A1 OK\r\n");
	assert_int_equal(wire_wait(pair.wire, NULL), 1);
	assert_int_equal(wire_turns(pair.wire), 1); /* it was there already */
	pair_free(&pair);
}

struct flood {
	struct wire *wire;
	size_t size;
	bool in_bits;
	int result;
};

/* Octet i of a flood: tells gaps and swaps. */
static char flood_octet(size_t i)
{
	return (char)((i * 2654435761u) >> 13);
}

static void *flood_send(void *argument)
{
	struct flood *flood = argument;
	char *data = mem_array(flood->size, 1);

	for (size_t i = 0; i < flood->size; i++)
		data[i] = flood_octet(i);
	for (size_t at = 0, part = 1; at < flood->size && flood->result == 0; at += part) {
		part = flood->in_bits ? 1 + (at * 7919) % 30000 : flood->size;
		if (part > flood->size - at)
			part = flood->size - at;
		flood->result = wire_put(flood->wire, span_make(data + at, part), NULL);
	}
	if (flood->result == 0)
		flood->result = wire_flush(flood->wire, NULL);
	mem_free(data);
	return NULL;
}

static int flood_receive(struct wire *wire, size_t size)
{
	for (size_t at = 0; at < size;) {
		const struct span span = wire_peek(wire);
		if (span.len == 0) {
			if (wire_wait(wire, NULL) <= 0)
				return -1;
			continue;
		}
		for (size_t i = 0; i < span.len; i++)
			if (span.data[i] != flood_octet(at + i))
				return -1;
		/* Leaves a rest now and then, as a parser does. */
		const size_t take = span.len > 3 ? span.len - at % 3 : span.len;
		wire_consume(wire, take);
		at += take;
	}
	return 0;
}

static void *flood_both(void *argument)
{
	struct flood *flood = argument;

	flood_send(flood);
	if (flood->result == 0)
		flood->result = flood_receive(flood->wire, flood->size);
	return NULL;
}

static void flood_each_other(size_t size, bool in_bits)
{
	struct stream *a, *b;
	pthread_t thread;

	stream_pair_new(&a, &b);
	struct flood near = { .wire = wire_new(a, PATIENCE), .size = size, .in_bits = in_bits };
	struct flood far = { .wire = wire_new(b, PATIENCE), .size = size, .in_bits = in_bits };
	assert_int_equal(pthread_create(&thread, NULL, flood_both, &far), 0);
	flood_both(&near);
	(void)pthread_join(thread, NULL);
	assert_int_equal(near.result, 0);
	assert_int_equal(far.result, 0);
	assert_int_equal(wire_bytes_in(near.wire), size);
	wire_free(near.wire);
	wire_free(far.wire);
}

static void test_both_sides_write_first(void **state)
{
	(void)state;
	flood_each_other(4u << 20, false);
	flood_each_other(4u << 20, true);
}

static void test_read_cap(void **state)
{
	struct pair pair = pair_new(PATIENCE);
	struct flood far = { .wire = wire_new(pair.far, PATIENCE),
		.size = WIRE_READ_CAP + (1u << 20) };
	struct err err = ERR_INIT;
	pthread_t thread;
	int rc;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, flood_send, &far), 0);
	do {
		rc = wire_wait(pair.wire, &err);
	} while (rc > 0);
	assert_int_equal(rc, -1);
	assert_int_equal(wire_peek(pair.wire).len, WIRE_READ_CAP);
	assert_int_equal(err.scope, ERR_CONN);
	wire_free(pair.wire);
	(void)pthread_join(thread, NULL);
	wire_free(far.wire);
}

static void test_restack_refuses_what_came_before(void **state)
{
	struct pair pair = pair_new(PATIENCE);
	struct err err = ERR_INIT;
	struct tls_facts facts;
	const struct tls_options options = { .host = "localhost", .verify = true };

	(void)state;
	far_send(&pair, "A1 OK begin TLS\r\nA2 OK injected\r\n");
	assert_int_equal(wire_wait(pair.wire, &err), 1);
	wire_consume(pair.wire, 17);
	assert_int_equal(wire_start_tls(pair.wire, &options, &facts, &err), -1);
	assert_int_equal(err.scope, ERR_ACCOUNT);
	assert_int_equal(err.kind, ERR_KIND_TLS);
	/* Not an octet of a handshake was sent. */
	char byte;
	assert_int_equal(stream_read(pair.far, &byte, 1, NULL), STREAM_AGAIN);

	assert_int_equal(wire_restack(pair.wire, wire_stream(pair.wire), &err), -1);
	assert_int_equal(err.kind, ERR_KIND_TLS);
	pair_free(&pair);
}

static void read_file(const char *path, char *out, size_t size)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	const ssize_t got = read(fd, out, size - 1);

	out[got > 0 ? got : 0] = '\0';
	(void)close(fd);
}

static void test_trace_hides_secrets(void **state)
{
	struct err err = ERR_INIT;
	struct pair pair;
	struct stream *near;
	char path[] = "/tmp/test_wire_XXXXXX", text[4096];

	(void)state;
	(void)close(mkstemp(path));
	assert_int_equal(stream_trace_open(path, &err), 0);
	assert_true(stream_trace_on());
	stream_pair_new(&near, &pair.far);
	pair.wire = wire_new(stream_tee_new(near, "src"), PATIENCE);

	assert_int_equal(wire_put(pair.wire, SPAN("A1 LOGIN anna "), &err), 0);
	assert_int_equal(wire_put_secret(pair.wire, SPAN("hunter2\r\n"), &err), 0);
	assert_int_equal(wire_put(pair.wire, SPAN("A2 APPEND x {300}\r\n"), &err), 0);
	for (int i = 0; i < 30; i++)
		assert_int_equal(wire_put(pair.wire, SPAN("Subject:\x1b\r\n"), &err), 0);
	assert_int_equal(wire_put(pair.wire, SPAN("\r\nA3 NOOP\r\n"), &err), 0);
	assert_int_equal(wire_flush(pair.wire, &err), 0);
	far_send(&pair, "A1 OK hel");
	assert_int_equal(wire_wait(pair.wire, &err), 1);
	far_send(&pair, "lo\r\n");
	assert_int_equal(wire_wait(pair.wire, &err), 1);
	pair_free(&pair);
	assert_int_equal(stream_trace_open(NULL, &err), 0);
	assert_false(stream_trace_on());

	read_file(path, text, sizeof(text));
	(void)unlink(path);
	assert_null(strstr(text, "hunter2"));
	assert_non_null(strstr(text, "src C: A1 LOGIN anna ***\n"));
	assert_non_null(strstr(text, "src C: A2 APPEND x {300}\n"));
	assert_non_null(strstr(text, "[literal of 300 octets] Subject:"));
	assert_non_null(strstr(text, "src S: A1 OK hello\n"));
	assert_null(strchr(text, '\x1b'));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_small_puts_leave_at_push),
		cmocka_unit_test(test_peek_and_consume),
		cmocka_unit_test(test_end_of_stream),
		cmocka_unit_test(test_deadline_and_stop),
		cmocka_unit_test(test_turns_count_round_trips),
		cmocka_unit_test(test_both_sides_write_first),
		cmocka_unit_test(test_read_cap),
		cmocka_unit_test(test_restack_refuses_what_came_before),
		cmocka_unit_test(test_trace_hides_secrets),
	};

	stop_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
