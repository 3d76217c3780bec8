/*
 * A message's own lines Status, X-Status and X-Keywords in an mbox file where such lines stand in front of each header for other programs to read: they are kept aside
 * as X-Original-Status and so on, wherever in the header they stand, so that they are nobody's flags. One that is called X-Original-Status already gets one more
 * "X-Original-": undoing it gives back the very octets. Undoing also leaves out what stands there by the plain names: with all of the message's own aside, that is what other
 * programs wrote. It streams; up to 22 octets are held back.
 *
 *	struct mbox_status status = { .undo = false };
 *	mbox_status_add(&status, chunk, &out); …
 *	mbox_status_end(&status, &out);
 *
 * Owner: the caller. Threads: any. Errors: -1 when out may not grow further.
 */
#ifndef MAIL_MBOX_STATUS_H
#define MAIL_MBOX_STATUS_H

#include "base/must.h"
#include "base/span.h"

#include <stdbool.h>

struct buf;

struct mbox_status {
	/* set by the caller; the rest starts as zero */
	bool undo;
	bool crlf; /* CRLF ends a line too. May become true under way, when what has been given by then gets CRs; undoing begins with it then. */

	bool done; /* behind the header */
	bool inside; /* a line whose front is decided */
	bool begun; /* the line has octets */
	bool cr; /* the line is nothing but a CR so far */
	bool dropping; /* undo: a line of others, and those it is continued on */
	bool prefixed; /* undo: an "X-Original-" is held back */
	char token[12]; /* held back: the front of a name */
	unsigned len; /* of token */
};

int mbox_status_add(struct mbox_status *status, struct span chunk, struct buf *out) MUST_CHECK;
int mbox_status_end(struct mbox_status *status, struct buf *out) MUST_CHECK; /* what is held back */

#endif
