/*
 * Text in lower case and decomposed, so that what differs only in case or Unicode normal form becomes equal: an approximation of i;unicode-casemap (RFC 5051) for
 * Latin, Greek and Cyrillic. What is no valid UTF-8 stays as it is.
 *
 * Owner: the caller. Threads: any.
 *
 *	fold_text(SPAN("Grüße"), &out);      // "gru\u0308ße"
 */
#ifndef MAIL_FOLD_H
#define MAIL_FOLD_H

#include "base/span.h"

struct buf;

#define FOLD_GROWTH 3 /* an octet becomes at most so many */

/* Appends; out needs a cap that has room (less ends the program). The text ends with a whole character. */
void fold_text(struct span text, struct buf *out);

#endif
