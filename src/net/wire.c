/*
 * The buffered connection. Data moves at most once in user space: input is read straight into the buffer that is peeked at, and
 * large output goes to the stream from the caller's memory as long as nothing waits ahead of it.
 */
#include "net/wire.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "net/redact.h"
#include "net/secret.h"
#include "net/tls.h"

#include <string.h>

#define BURST (256u << 10) /* read at most this much in one go, so that the caller gets to work */
#define READ_MIN (16u << 10) /* less free room than this is made larger before reading */
#define CHUNK (16u << 10) /* small puts are gathered up to this: one TLS record */
#define OUT_ROOM \
	(2 * WIRE_WRITE_CAP) /* twice the cap, so that a full queue is moved to the front once a cap's worth, not at every put */

/* Octets data[head .. tail) of an allocation of `room`. */
struct queue {
	char *data;
	size_t room, head, tail;
};

struct wire {
	struct stream *stream; /* NULL once a layer failed to be put on */
	int64_t timeout_ms;
	struct queue in, out;
	size_t send_at; /* unsent octets at which wire_put() tries to send again */
	bool ended; /* the far side will send no more */
	bool held; /* a layer still has output of its own */
	/* something was sent, or nothing was read yet: the next sleep is a round trip */
	bool asked;
	bool read_failed, write_failed; /* sticky: fault says why */
	struct err fault;
	struct redact *redact; /* NULL = nothing is hidden; the trace's tee borrows it */
	uint64_t bytes_in, bytes_out, turns;
	int64_t slept_us;
};

static size_t queue_used(const struct queue *queue)
{
	return queue->tail - queue->head;
}

/*
 * Makes room for `want` octets behind the tail, or as much as the cap allows; returns the room there is. Octets are moved to the front only
 * when they are few compared to the allocation; otherwise it grows, so that moving stays cheap in the long run.
 */
static size_t queue_make_room(struct queue *queue, size_t want, size_t cap)
{
	const size_t used = queue_used(queue);

	if (used == 0)
		queue->head = queue->tail = 0;
	if (queue->room - queue->tail >= want)
		return queue->room - queue->tail;
	if (queue->head > 0) {
		memmove(queue->data, queue->data + queue->head, used);
		queue->head = 0;
		queue->tail = used;
	}
	if (queue->room - used >= want && used <= queue->room / 2)
		return queue->room - used;

	size_t room = queue->room * 2;
	if (room < used + want)
		room = used + want;
	if (room > cap)
		room = cap;
	if (room > queue->room) {
		queue->data = mem_resize(queue->data, room, 1);
		queue->room = room;
	}
	return queue->room - used;
}

static void queue_add(struct queue *queue, struct span bytes, size_t cap)
{
	if (bytes.len == 0)
		return;
	(void)queue_make_room(queue, bytes.len, cap);
	memcpy(queue->data + queue->tail, bytes.data, bytes.len);
	queue->tail += bytes.len;
}

static void queue_drop(struct queue *queue, size_t count)
{
	queue->head += count < queue_used(queue) ? count : queue_used(queue);
	if (queue->head == queue->tail)
		queue->head = queue->tail = 0;
}

/* Gives back what an unusually large response took. Only when empty: nothing to move. */
static void queue_shrink(struct queue *queue, size_t above, size_t to)
{
	if (queue->room <= above || queue_used(queue) > 0)
		return;
	mem_free(queue->data);
	*queue = (struct queue){ .data = mem_resize(NULL, to, 1), .room = to };
}

struct wire *wire_new(struct stream *stream, int64_t timeout_ms)
{
	struct wire *wire = mem_alloc(sizeof(*wire));

	wire->stream = stream;
	wire->timeout_ms = timeout_ms;
	wire->send_at = CHUNK;
	wire->asked = true;
	return wire;
}

void wire_free(struct wire *wire)
{
	if (!wire)
		return;
	stream_free(wire->stream);
	redact_free(wire->redact);
	mem_free(wire->in.data);
	mem_free(wire->out.data);
	mem_free(wire);
}

struct stream *wire_stream(struct wire *wire)
{
	return wire->stream;
}

bool wire_is_clean(const struct wire *wire)
{
	return queue_used(&wire->in) == 0 && queue_used(&wire->out) == 0 && !wire->held;
}

static int wire_refuse_dirty(const struct wire *wire, struct err *err)
{
	if (queue_used(&wire->in) > 0)
		return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_TLS,
			"the server sent data before the switch to encryption or compression was complete: someone may be tampering with the connection");
	return err_set_kind(err, ERR_CONN, ERR_KIND_NETWORK,
		"commands were still unsent at the switch to encryption or compression");
}

int wire_restack(struct wire *wire, struct stream *top, struct err *err)
{
	wire->stream = top;
	if (!top)
		return -1;
	if (!wire_is_clean(wire))
		return wire_refuse_dirty(wire, err);
	return 0;
}

int wire_start_tls(struct wire *wire, const struct tls_options *options, struct tls_facts *facts,
	struct err *err)
{
	if (wire_flush(wire, err) < 0)
		return -1;
	/* Looked at before the handshake, for what is injected must not even meet the key exchange (CVE-2011-0411). */
	if (!wire_is_clean(wire))
		return wire_refuse_dirty(wire, err);

	const int64_t deadline = wire->timeout_ms > 0 ? clock_ms() + wire->timeout_ms : 0;
	return wire_restack(wire, stream_tls_new(wire->stream, options, facts, deadline, err), err);
}

int wire_start_deflate(struct wire *wire, struct err *err)
{
	if (wire_flush(wire, err) < 0)
		return -1;
	wire->stream = stream_deflate_new(wire->stream);
	/* RFC 4978 §3: the server compresses from the octet after its OK on, so what came along is input of the new layer. */
	if (stream_deflate_feed(wire->stream, wire_peek(wire), err) < 0)
		return -1;
	wire_consume(wire, queue_used(&wire->in));
	return 0;
}

struct span wire_peek(const struct wire *wire)
{
	if (queue_used(&wire->in) == 0)
		return span_make("", 0);
	return span_make(wire->in.data + wire->in.head, queue_used(&wire->in));
}

static int wire_fault(const struct wire *wire, struct err *err)
{
	if (err)
		*err = wire->fault;
	return -1;
}

/* Reads until nothing is there, the burst is full, the cap is reached, the end, or an error. Returns the octets added. */
static size_t wire_drain(struct wire *wire)
{
	size_t total = 0;

	queue_shrink(&wire->in, BURST, WIRE_READ_SIZE);
	while (total < BURST && !wire->ended && !wire->read_failed) {
		const size_t room = queue_make_room(
			&wire->in, wire->in.room ? READ_MIN : WIRE_READ_SIZE, WIRE_READ_CAP);
		if (room == 0)
			break;

		const ssize_t got = stream_read(
			wire->stream, wire->in.data + wire->in.tail, room, &wire->fault);
		if (got == STREAM_AGAIN)
			break;
		if (got < 0)
			wire->read_failed = true;
		if (got == 0)
			wire->ended = true;
		if (got <= 0)
			break;
		wire->in.tail += (size_t)got;
		total += (size_t)got;
		if ((size_t)got < room && !stream_pending(wire->stream))
			break; /* that was all: spares a read() that would only say so */
	}
	wire->bytes_in += total;
	return total;
}

int wire_fill(struct wire *wire, struct err *err)
{
	if (wire_drain(wire) > 0)
		return 1;
	if (wire->read_failed)
		return wire_fault(wire, err);
	if (wire->ended)
		return err_set_kind(
			err, ERR_CONN, ERR_KIND_NETWORK, "the server closed the connection");
	return 0;
}

static int wire_sleep(struct wire *wire, int want, struct err *err)
{
	const int64_t began = clock_us();
	const int rc = stream_wait(
		wire->stream, want, wire->timeout_ms > 0 ? clock_ms() + wire->timeout_ms : 0, err);

	wire->slept_us += clock_us() - began;
	return rc;
}

int wire_wait(struct wire *wire, struct err *err)
{
	const uint64_t before = wire->bytes_in;

	for (;;) {
		/* A server that says BYE and closes makes the write fail; its last words are still worth reading. */
		const int pushed = wire->write_failed ? -1 : wire_push(wire, NULL);

		(void)wire_drain(wire);
		if (wire->bytes_in > before)
			return 1;
		if (pushed < 0 || wire->read_failed)
			return wire->ended ? 0 : wire_fault(wire, err);
		if (wire->ended)
			return 0;
		if (queue_used(&wire->in) >= WIRE_READ_CAP)
			return err_set(err, ERR_CONN,
				"the server sent a response of more than %u octets", WIRE_READ_CAP);

		if (wire->asked)
			wire->turns++;
		wire->asked = false;
		const bool unsent = queue_used(&wire->out) > 0 || wire->held;
		if (wire_sleep(wire, unsent ? STREAM_READ | STREAM_WRITE : STREAM_READ, err) < 0)
			return -1;
	}
}

void wire_consume(struct wire *wire, size_t count)
{
	queue_drop(&wire->in, count);
}

bool wire_ready(struct wire *wire)
{
	if (queue_used(&wire->in) == 0 && (stream_ready(wire->stream, STREAM_READ) & STREAM_READ))
		(void)wire_drain(wire);
	/* What a layer says for itself (a TLS ticket, an empty deflate block as Dovecot begins with) is readable and no input. */
	return queue_used(&wire->in) > 0 || wire->ended || wire->read_failed;
}

/* One write straight to the stream: octets taken, 0 when it would block, -1 with the fault set. */
static ssize_t wire_write(struct wire *wire, const char *data, size_t size)
{
	if (wire->write_failed)
		return -1;

	const ssize_t put = stream_write(wire->stream, data, size, &wire->fault);
	if (put == STREAM_AGAIN)
		return 0;
	if (put < 0) {
		wire->write_failed = true;
		(void)wire_drain(wire); /* the reason may stand in what arrived before */
		return -1;
	}
	wire->asked = true;
	return put;
}

/* Sends of the queue what goes without waiting; does not flush the layers. */
static int wire_send(struct wire *wire)
{
	struct queue *out = &wire->out;

	while (queue_used(out) > 0) {
		const ssize_t put = wire_write(wire, out->data + out->head, queue_used(out));
		if (put < 0)
			return -1;
		if (put == 0)
			break;
		queue_drop(out, (size_t)put);
	}
	wire->send_at = queue_used(out) + CHUNK;
	return 0;
}

int wire_push(struct wire *wire, struct err *err)
{
	if (wire->write_failed || wire_send(wire) < 0)
		return wire_fault(wire, err);

	const int rc = stream_flush(wire->stream, &wire->fault);
	if (rc == -1) {
		wire->write_failed = true;
		(void)wire_drain(wire);
		return wire_fault(wire, err);
	}
	wire->held = rc == STREAM_AGAIN;
	return 0;
}

/* Waits until something more can be sent, taking in meanwhile what the far side sends: it may be waiting for just that. */
static int wire_wait_room(struct wire *wire, struct err *err)
{
	const bool listen =
		!wire->ended && !wire->read_failed && queue_used(&wire->in) < WIRE_READ_CAP;
	const int ready = wire_sleep(wire, listen ? STREAM_READ | STREAM_WRITE : STREAM_WRITE, err);

	if (ready < 0)
		return -1;
	if (ready & STREAM_READ)
		(void)wire_drain(wire);
	return wire->read_failed ? wire_fault(wire, err) : 0;
}

int wire_flush(struct wire *wire, struct err *err)
{
	for (;;) {
		if (wire_push(wire, err) < 0)
			return -1;
		if (queue_used(&wire->out) == 0 && !wire->held)
			return 0;
		if (wire_wait_room(wire, err) < 0)
			return -1;
	}
}

/* Large octets: the queue is topped up to a whole record and sent, the rest goes from the caller's memory. */
static int wire_put_large(struct wire *wire, struct span bytes, struct err *err)
{
	struct queue *out = &wire->out;

	while (bytes.len > 0) {
		ssize_t put = 0;

		if (queue_used(out) > 0) {
			if (queue_used(out) < CHUNK) {
				const struct span part =
					span_sub(bytes, 0, CHUNK - queue_used(out));
				queue_add(out, part, OUT_ROOM);
				bytes = span_from(bytes, part.len);
			}
			if (wire_send(wire) < 0)
				return wire_fault(wire, err);
			if (queue_used(out) == 0)
				continue;
		} else {
			put = wire_write(wire, bytes.data, bytes.len);
			if (put < 0)
				return wire_fault(wire, err);
			bytes = span_from(bytes, (size_t)put);
			if (put > 0)
				continue;
		}
		if (bytes.len <= WIRE_WRITE_CAP - queue_used(out)) {
			queue_add(out, bytes, OUT_ROOM);
			wire->send_at = queue_used(out) + CHUNK;
			return 0;
		}
		if (wire_wait_room(wire, err) < 0)
			return -1;
	}
	return 0;
}

int wire_put(struct wire *wire, struct span bytes, struct err *err)
{
	struct queue *out = &wire->out;

	if (wire->write_failed)
		return wire_fault(wire, err);
	wire->bytes_out += bytes.len;
	if (bytes.len >= CHUNK / 2)
		return wire_put_large(wire, bytes, err);

	while (queue_used(out) + bytes.len > WIRE_WRITE_CAP) {
		if (wire_send(wire) < 0)
			return wire_fault(wire, err);
		if (queue_used(out) + bytes.len > WIRE_WRITE_CAP && wire_wait_room(wire, err) < 0)
			return -1;
	}
	if (out->room == 0)
		(void)queue_make_room(out, CHUNK, OUT_ROOM);
	queue_add(out, bytes, OUT_ROOM);
	if (queue_used(out) >= wire->send_at && wire_send(wire) < 0)
		return wire_fault(wire, err);
	return 0;
}

int wire_put_secret(struct wire *wire, struct span bytes, struct err *err)
{
	/* What is queued ahead belongs in the trace. */
	if (wire_flush(wire, err) < 0)
		return -1;
	stream_tee_mask(wire->stream, true);
	int rc = wire_put(wire, bytes, err);
	if (rc == 0)
		rc = wire_flush(wire, err);
	stream_tee_mask(wire->stream, false);
	secret_wipe(wire->out.data, wire->out.room);
	return rc;
}

static struct redact *wire_redactor(struct wire *wire)
{
	if (!wire->redact)
		wire->redact = redact_new();
	stream_tee_redact(wire->stream, wire->redact);
	return wire->redact;
}

void wire_hide(struct wire *wire, struct span secret)
{
	redact_secret(wire_redactor(wire), secret);
}

void wire_hide_exact(struct wire *wire, struct span bytes)
{
	redact_add(wire_redactor(wire), bytes);
}

const struct redact *wire_redact(const struct wire *wire)
{
	return wire->redact;
}

size_t wire_unsent(const struct wire *wire)
{
	return queue_used(&wire->out);
}

void wire_set_timeout(struct wire *wire, int64_t timeout_ms)
{
	wire->timeout_ms = timeout_ms;
}

uint64_t wire_bytes_in(const struct wire *wire)
{
	return wire->bytes_in;
}

uint64_t wire_bytes_out(const struct wire *wire)
{
	return wire->bytes_out;
}

uint64_t wire_turns(const struct wire *wire)
{
	return wire->turns;
}

int64_t wire_slept_us(const struct wire *wire)
{
	return wire->slept_us;
}
