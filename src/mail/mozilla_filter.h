/*
 * Takes the lines X-Mozilla-Status, -Status2 and -Keys out of a message's header, with what they are continued by; everything else goes by unchanged.
 *
 * Owner: the caller. Threads: one at a time. Pure, in any chunking.
 *
 *	struct mozilla_filter filter = { 0 };
 *	mozilla_filter_add(&filter, chunk, &out); …
 *	mozilla_filter_end(&filter, &out);
 */
#ifndef MAIL_MOZILLA_FILTER_H
#define MAIL_MOZILLA_FILTER_H

#include "base/must.h"
#include "base/span.h"

struct buf;

struct mozilla_filter { /* starts with zeros */
	char front[64]; /* of this line, while its field is not known */
	size_t len;
	enum { MOZILLA_FRONT, MOZILLA_REST, MOZILLA_BODY } state;
	bool dropping; /* this line */
};

/* -1 at the buffer's cap. */
int mozilla_filter_add(
	struct mozilla_filter *filter, struct span chunk, struct buf *out) MUST_CHECK;
int mozilla_filter_end(struct mozilla_filter *filter, struct buf *out) MUST_CHECK;

#endif
