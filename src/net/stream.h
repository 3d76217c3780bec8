/*
 * Byte pipes of one shape, stackable: socket, TLS, deflate, trace, test script. Never block; the one wait is stream_wait(),
 * which also sees the stop descriptor and a deadline, so cancellation and timeouts live in net/ only.
 *
 * Owner: the stream above (freeing the top frees the stack). Threads: one at a time.
 *
 *	struct stream *s = stream_socket_new(fd, -1, 0);
 *	s = stream_tls_new(s, &options, &facts, deadline, err);
 */
#ifndef NET_STREAM_H
#define NET_STREAM_H

#include "base/must.h"
#include "base/span.h"

#include <sys/types.h>

struct err;
struct stream;

#define STREAM_AGAIN (-2) /* would block; see stream_ops.wants */

enum stream_want { STREAM_READ = 1, STREAM_WRITE = 2 };

struct stream_ops {
	const char *name;
	/* > 0 octets, 0 end of stream, STREAM_AGAIN, -1 error. */
	ssize_t (*read)(struct stream *stream, void *data, size_t size, struct err *err);
	/* > 0 octets taken, STREAM_AGAIN, -1 error. */
	ssize_t (*write)(struct stream *stream, const void *data, size_t size, struct err *err);
	/* Pushes out what the layer holds (deflate, TLS). 0, STREAM_AGAIN, -1. */
	int (*flush)(struct stream *stream, struct err *err);
	/* Octets readable without asking the layer below (already decrypted or inflated). */
	bool (*pending)(const struct stream *stream);
	/* Directions to poll for before the layer can make progress with `want` (TLS may need the other one). NULL: the layer below decides. */
	int (*wants)(const struct stream *stream, int want);
	/* Ends the layer politely if that costs no wait (TLS close_notify) and frees it, not the one below. */
	void (*free)(struct stream *stream);
};

struct stream { /* first member of every stream */
	const struct stream_ops *ops;
	struct stream *below; /* NULL at the bottom */
	int read_fd, write_fd; /* of the bottom; two for a tunnel */
};

ssize_t stream_read(struct stream *stream, void *data, size_t size, struct err *err) MUST_CHECK;
ssize_t stream_write(
	struct stream *stream, const void *data, size_t size, struct err *err) MUST_CHECK;
int stream_flush(struct stream *stream, struct err *err) MUST_CHECK;
bool stream_pending(const struct stream *stream); /* in any layer */
/*
 * Waits until one of the wanted directions can make progress. Returns the directions ready (0 at once if deadline is in the past
 * and nothing is ready is -1): -1 with ERR_CONN "no answer within N s" at the deadline (clock_ms() based, 0 = none), or ERR_STOPPED.
 */
int stream_wait(struct stream *stream, int want, int64_t deadline, struct err *err) MUST_CHECK;
int stream_ready(struct stream *stream, int want); /* the directions ready now; never waits */
void stream_free(struct stream *stream); /* the whole stack; accepts NULL */

/*
 * The layers. Each takes `below`, also when it fails (then everything is freed), and returns the new top of the stack. That is not always
 * the new layer: the trace wants to see the protocol, not ciphertext, so a layer put on a tee goes *under* it and the tee is returned.
 * Layers do that with stream_insert_point() and stream_insert().
 */
/* write_fd -1: the same; child > 0: a tunnel's pid, reaped */
struct stream *stream_socket_new(int read_fd, int write_fd, int child);
/* RFC 4978: raw deflate both ways; guards against bombs */
struct stream *stream_deflate_new(struct stream *below);
/* Writes both directions to the trace file; outgoing secrets are masked by stream_tee_mask(). */
struct stream *stream_tee_new(struct stream *below, const char *label);
/* From now on outgoing octets are traced as ***, until called with false. Finds the tee in the stack, if any. */
void stream_tee_mask(struct stream *top, bool masked);
/* What is blotted out of both directions from now on; borrowed until the stack is freed. Finds the tee in the stack, if any. */
struct redact;
void stream_tee_redact(struct stream *top, const struct redact *redact);
/* --trace FILE, 0600, for all tees; NULL closes */
int stream_trace_open(const char *path, struct err *err) MUST_CHECK;
bool stream_trace_on(void);
/* Where a new layer on top of `top` belongs: top itself, or what is below a tee. */
struct stream *stream_insert_point(struct stream *top);
/* Puts a layer made on stream_insert_point(top) there; returns the top of the stack. */
struct stream *stream_insert(struct stream *top, struct stream *layer);
/* Octets that arrived together with the answer that switched compression on: already compressed. -1 when they are not. */
int stream_deflate_feed(struct stream *top, struct span compressed, struct err *err) MUST_CHECK;
/* both ends of a socket pair, for tests */
void stream_pair_new(struct stream **a, struct stream **b);

#endif
