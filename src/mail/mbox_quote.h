/*
 * Lines of a message that would begin a new one in an mbox file: quoted with '>' when written, and back.
 *
 * mboxrd: any number of '>' and "From " gets one more '>', and loses it again: reversible. mboxo (and mboxcl): only "From " got one, so ">From " loses
 * it, whatever it was before. mboxcl2: nothing is quoted.
 *
 * Owner: the caller. Threads: one at a time. Pure, in any chunking.
 *
 *	struct mbox_quote quote = { .how = MBOX_QUOTE_RD };
 *	mbox_quote_add(&quote, chunk, &out); …
 *	mbox_quote_end(&quote, &out);
 */
#ifndef MAIL_MBOX_QUOTE_H
#define MAIL_MBOX_QUOTE_H

#include "base/must.h"
#include "base/span.h"

struct buf;

enum mbox_quote_how { MBOX_QUOTE_RD, MBOX_UNQUOTE_RD, MBOX_UNQUOTE_O, MBOX_UNQUOTE_NONE };

struct mbox_quote {
	enum mbox_quote_how how; /* set by the caller; the rest starts as zero */
	bool inside; /* of a line that is decided */
	uint64_t depth; /* '>' seen at the front of this line */
	unsigned matched; /* octets of "From " held back */
	bool held; /* a '>' held back */
};

/* -1 at the buffer's cap; then the state is of no use any more. */
int mbox_quote_add(struct mbox_quote *quote, struct span chunk, struct buf *out) MUST_CHECK;
int mbox_quote_end(struct mbox_quote *quote, struct buf *out) MUST_CHECK; /* what is held back */

#endif
