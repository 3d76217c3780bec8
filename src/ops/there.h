/*
 * Which messages of an open mailbox another one of the same account holds already, as a multiset by header digest and size: what is copied without being taken away
 * is found again by the next run, and must not be copied twice.
 *
 * Owner: the command. Lifetime: the call; results are in the visit's arena. Threads: a visit's.
 *
 *	there_find(visit, box, &found, &target_rows, &there, err);    // then copy there.missing
 */
#ifndef OPS_THERE_H
#define OPS_THERE_H

#include "base/must.h"
#include "mail/uidset.h"

struct box;
struct err;
struct snapshot;
struct walk_visit;

struct there { /* every UID asked for is in exactly one of them */
	struct uidset there, missing;
	struct uidset
		unknown; /* perhaps there: what the target holds is not all known, or it could not be read here */
	struct uidset gone; /* not here any more */
};

/* target: all rows of the other mailbox, with digests. The box stays open. */
int there_find(struct walk_visit *visit, struct box *box, const struct uidset *uids,
	const struct snapshot *target, struct there *out, struct err *err) MUST_CHECK;

#endif
