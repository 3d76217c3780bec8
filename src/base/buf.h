/*
 * Owned bytes that grow up to a cap fixed where the buffer is created. Reaching the cap is an ordinary, testable
 * outcome (-1), never an allocation by announced size.
 *
 * Owner: the enclosing struct. Threads: one at a time.
 *
 *	struct buf line;
 *	buf_init(&line, 65536);
 *	if (buf_add(&line, chunk) < 0)
 *		return err_set(err, ERR_CONN, "line longer than %zu bytes", line.max);
 *	buf_release(&line);
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/must.h"
#include "base/span.h"

struct buf {
	char *data; /* NULL until the first byte */
	size_t len;
	size_t room; /* bytes allocated */
	size_t max; /* cap in bytes */
};

void buf_init(struct buf *buf, size_t max);
void buf_release(struct buf *buf);
void buf_clear(struct buf *buf); /* len = 0, memory kept */
/* 0, or -1 when the cap would be passed (nothing is added then). */
int buf_add(struct buf *buf, struct span bytes) MUST_CHECK;
int buf_add_char(struct buf *buf, char byte) MUST_CHECK;
int buf_print(struct buf *buf, const char *fmt, ...) MUST_FORMAT(2, 3) MUST_CHECK;
/* Room for at least size more bytes at data + len; the caller adds to len itself. */
int buf_reserve(struct buf *buf, size_t size) MUST_CHECK;
void buf_drop_front(struct buf *buf, size_t count); /* memmove */
struct span buf_span(const struct buf *buf);
/* NUL-terminates behind len (not counted) and returns data; "" for an empty buffer at its cap. */
const char *buf_text(struct buf *buf);

#endif
