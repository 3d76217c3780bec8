/*
 * One field of a header block.
 *
 * Owner: none; results are in the arena given. Threads: any.
 *
 *	subject = header_field(header, SPAN("Subject"), arena);
 */
#ifndef MAIL_HEADER_FIELD_H
#define MAIL_HEADER_FIELD_H

#include "base/span.h"

struct arena;

/* The value of the first field of this name, in any case (RFC 5322 §2.2), unfolded, without NULs; NULL = not there. */
char *header_field(struct span header, struct span name, struct arena *arena);

#endif
