/*
 * Line ends between IMAP (CRLF) and Unix files (LF), so that what comes back is what went in, octet for octet.
 *
 * Back: an LF without a CR before it becomes CRLF; all else stays. Forth: CRLF becomes LF, as long as Back undoes it. It does not where a message has a
 * bare LF, or CR CR LF: from there on the caller has to keep the message with its CRLFs (unix_eol_put() is false), which Back leaves alone. A message with
 * bare LFs cannot be kept at all but raw: has_bare_lf of header_facts tells.
 *
 * Buffers need a cap that has room for the result: twice the chunk and two octets (less ends the program).
 *
 * Owner: the caller. Threads: one at a time. Pure.
 *
 *	struct unix_eol eol = { 0 };
 *	if (!unix_eol_put(&eol, chunk, &out)) … rewrite what was written so far with unix_eol_get(), go on with the octets as they are
 *	unix_eol_put_end(&eol, &out);
 */
#ifndef MAIL_UNIX_EOL_H
#define MAIL_UNIX_EOL_H

#include "base/must.h"
#include "base/span.h"

struct buf;

struct unix_eol { /* start with zeros, one for each direction */
	bool last_cr; /* the octet before is a CR; forth: it is not written yet */
	bool two_cr; /* forth: and so is the one before that */
};

/*
 * Forth: appends the chunk with LFs to out. False: the chunk shows that this cannot be undone; out and eol are as before the call, and what went before, with
 * last_cr's CR, is still right to be undone.
 */
bool unix_eol_put(struct unix_eol *eol, struct span chunk, struct buf *out) MUST_CHECK;
void unix_eol_put_end(struct unix_eol *eol, struct buf *out); /* a CR at the very end */
/* Back: appends the chunk with CRLFs. */
void unix_eol_get(struct unix_eol *eol, struct span chunk, struct buf *out);
/* How many octets unix_eol_get() adds to the chunk. */
uint64_t unix_eol_count(struct unix_eol *eol, struct span chunk);

#endif
