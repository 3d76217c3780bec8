/*
 * A connection as protocols want it: buffered reading by peek / wait / consume, and writing that never deadlocks: what cannot be
 * sent at once is kept (up to a cap), and every wait for room also drains input into the read buffer (up to its cap).
 *
 * Owner: the session (imap, pop3); it owns the stream. Threads: one at a time.
 */
#ifndef NET_WIRE_H
#define NET_WIRE_H

#include "net/stream.h"

struct wire;
struct redact;
struct tls_options;
struct tls_facts;

#define WIRE_READ_SIZE \
	65536 /* first size of the read buffer; it grows to hold one response, up to its cap, and shrinks again */
#define WIRE_READ_CAP (8u << 20)
#define WIRE_WRITE_CAP (256u << 10) /* unsent octets kept before wire_put() waits */

/* timeout: longest time without any octet of progress */
struct wire *wire_new(struct stream *stream, int64_t timeout_ms);
void wire_free(struct wire *wire); /* accepts NULL */
struct stream *wire_stream(struct wire *wire);
/*
 * Switches TLS on (STARTTLS) or compression (COMPRESS) after the server's OK. On failure the wire has lost its stream and can only be freed.
 * tls.h and stream.h say what fails; input that is already buffered: see wire_restack().
 */
int wire_start_tls(struct wire *wire, const struct tls_options *options, struct tls_facts *facts,
	struct err *err) MUST_CHECK;
int wire_start_deflate(struct wire *wire, struct err *err) MUST_CHECK;
/*
 * The step the two above end with: the stack is now `top`, made from wire_stream(); NULL says that making it failed and freed
 * everything (-1, err stays). With input already buffered: ERR_ACCOUNT kind TLS, for what came in
 * clear text must not survive STARTTLS.
 */
int wire_restack(struct wire *wire, struct stream *top, struct err *err) MUST_CHECK;
bool wire_is_clean(const struct wire *wire); /* nothing buffered either way */

/* what is buffered; borrowed until the next call that reads */
struct span wire_peek(const struct wire *wire);
/* Reads what is there without waiting: 1 = got some, 0 = nothing now, -1 = error or end of stream. */
int wire_fill(struct wire *wire, struct err *err) MUST_CHECK;
/* Flushes, then waits for more input: 1 = more was added, 0 = the far side closed, -1 = error, deadline, stop, or the cap is reached. */
int wire_wait(struct wire *wire, struct err *err) MUST_CHECK;
void wire_consume(struct wire *wire, size_t count);
bool wire_ready(struct wire *wire); /* input is buffered, reading what is there; never waits */

/* Queues octets; waits only while more than the write cap is unsent (draining input meanwhile). */
int wire_put(struct wire *wire, struct span bytes, struct err *err) MUST_CHECK;
/* As wire_put() and wire_flush(), traced as *** and wiped from the queue afterwards: passwords, tokens, SASL responses. */
int wire_put_secret(struct wire *wire, struct span bytes, struct err *err) MUST_CHECK;
/*
 * What wire_redact() gives is blotted out where the other side says it back, in the trace at once, elsewhere by who reads it. A secret in all its
 * forms, or these octets only.
 */
void wire_hide(struct wire *wire, struct span secret);
void wire_hide_exact(struct wire *wire, struct span bytes);
const struct redact *wire_redact(const struct wire *wire); /* NULL = nothing is hidden */
/* sends what can be sent without waiting */
int wire_push(struct wire *wire, struct err *err) MUST_CHECK;
int wire_flush(struct wire *wire, struct err *err) MUST_CHECK; /* sends everything */
size_t wire_unsent(const struct wire *wire);

void wire_set_timeout(struct wire *wire, int64_t timeout_ms);
uint64_t wire_bytes_in(const struct wire *wire); /* octets of the protocol, before compression */
uint64_t wire_bytes_out(const struct wire *wire);
/* waits that had to sleep for an answer to something sent: round trips as felt */
uint64_t wire_turns(const struct wire *wire);
/* microseconds spent asleep, for input or for room: how long the line, or the server, was waited for */
int64_t wire_slept_us(const struct wire *wire);

#endif
