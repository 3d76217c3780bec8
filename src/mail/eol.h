/*
 * Streaming repairs asked for by options: --fix-eol (bare LF and bare CR to CRLF), --wrap-lines N. The length changes, so the
 * result goes through a spool. Pure: bytes in, bytes out.
 *
 * Owner: the caller. Threads: one at a time.
 */
#ifndef MAIL_EOL_H
#define MAIL_EOL_H

#include "base/must.h"
#include "base/span.h"

struct buf;

struct eol_fix {
	bool fix_eol;
	uint32_t wrap; /* 0 = never; else lines longer than this many octets are broken with CRLF */
	bool last_cr; /* running state, start with 0 */
	uint32_t column;
};

int eol_fix_add(struct eol_fix *fix, struct span chunk, struct buf *out) MUST_CHECK;
int eol_fix_end(struct eol_fix *fix, struct buf *out) MUST_CHECK; /* a CR at the very end */

#endif
