/*
 * Keeps the header of a message that streams by, for box_scan.header: what comes before the first empty line, in any chunking, at most
 * HEADER_TAP_MAX octets; and for box_scan.tail its last HEADER_TAP_TAIL octets.
 *
 * Owner: the scan. Lifetime: header_tap_init() to header_tap_release(). Threads: one at a time.
 *
 *	header_tap_add(&tap, chunk); …
 *	header_tap_give(&tap, want, uid);        // calls want->header; ready for the next message
 */
#ifndef STORE_HEADER_TAP_H
#define STORE_HEADER_TAP_H

#include "base/buf.h"

#define HEADER_TAP_MAX 65536
#define HEADER_TAP_TAIL 4096

struct box_scan;

struct header_tap {
	struct buf text, tail; /* tail: at least the last octets */
	bool wanted, whole, wants_tail;
};

/* Does nothing at all from here on unless the scan wants headers. */
void header_tap_init(struct header_tap *tap, const struct box_scan *want);
void header_tap_release(struct header_tap *tap);
void header_tap_add(struct header_tap *tap, struct span chunk);
void header_tap_drop(struct header_tap *tap); /* the message is not to be told about */
void header_tap_give(struct header_tap *tap, const struct box_scan *want, uint32_t uid);

#endif
