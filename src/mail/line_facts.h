/*
 * What a message's lines are like, found while its bytes stream by: NULs, bare line feeds and carriage returns, the longest line.
 * One pass over 64 bytes at a time, no branch per byte.
 *
 * Owner: the enclosing struct. Threads: one at a time.
 *
 *	struct line_facts lines = { 0 };
 *	bool bare = line_facts_add(&lines, chunk); …
 *	line_facts_end(&lines);
 */
#ifndef MAIL_LINE_FACTS_H
#define MAIL_LINE_FACTS_H

#include "base/span.h"

struct line_facts { /* starts as all zero */
	bool has_nul, has_bare_lf, has_bare_cr;
	bool last_cr; /* the byte before the next chunk is a CR */
	uint64_t column; /* octets of the unfinished line */
	uint64_t longest; /* octets, without line ends */
};

/* Whether this chunk holds a LF without a CR before it. */
bool line_facts_add(struct line_facts *facts, struct span chunk);
void line_facts_end(struct line_facts *facts);

#endif
