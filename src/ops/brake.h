/*
 * The brake on whatever deletes (product §3, Deleting): how much may go without being asked for by --max-delete, and the question before it. Pure but
 * for the question.
 *
 * Owner: the job or command. Threads: any.
 *
 *	losses = { { "INBOX", .going = 3, .found = 40, .left = 37 }, … };
 *	if (brake_check(settings, "source", losses, count, err) < 0 || brake_confirm(settings, ask, context, question, err) < 0)
 *		return -1;                  // kind SAFETY: nothing goes at all
 */
#ifndef OPS_BRAKE_H
#define OPS_BRAKE_H

#include "base/must.h"
#include "ops/settings.h"

#include <stddef.h>

struct err;

struct loss { /* of one mailbox, in messages */
	const char *mailbox;
	uint64_t going;
	uint64_t found; /* it held before the run */
	uint64_t left; /* afterwards */
};

/* side: "source" or "destination", for the text. */
int brake_check(const struct settings *settings, const char *side, const struct loss *losses,
	size_t count, struct err *err) MUST_CHECK;
/* --yes, or a yes on the terminal: ask says 1 for it, as job.h's confirm; NULL: only --yes counts. */
int brake_confirm(const struct settings *settings, int (*ask)(void *context, const char *question),
	void *context, const char *question, struct err *err) MUST_CHECK;

#endif
