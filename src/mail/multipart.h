/*
 * Whether a message has come to its end, by itself: where RFC822.SIZE says more than came (Exchange makes it up), a multipart that is closed is whole all the same.
 *
 * Owner: none. Threads: any.
 *
 *	if (octets < claimed && !multipart_is_closed(header, tail, scratch))
 *		… who knows what is missing
 */
#ifndef MAIL_MULTIPART_H
#define MAIL_MULTIPART_H

#include "base/span.h"

struct arena;

/*
 * header: of the message, as it came; tail: its last octets, a few KiB. True: it is a multipart, and the line that closes it (RFC 2046 §5.1.1) begins in the tail.
 * False: it is no multipart, or is cut, or more follows than the tail holds.
 */
bool multipart_is_closed(struct span header, struct span tail, struct arena *arena);

#endif
