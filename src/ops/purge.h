/*
 * purge: removes the selected messages of the chosen mailboxes. First everything is read and decided, in mailboxes opened for reading only; then the brake and the
 * question; then exactly the UIDs of the plan go, under the guards of remove.h, as far as the options still select them: what was flagged meanwhile, say, stays with
 * --no-flag. What arrives meanwhile is in no plan and stays.
 *
 * Owner: the command. Lifetime: purge_plan() to purge_free(). Threads: the caller's; rows are final between calls.
 *
 *	purge = purge_plan(&request, err);             // nothing has changed yet
 *	if (purge_allow(purge, ask, NULL, err) == 0)   // brake, question
 *		rc = purge_do(purge, err);
 *	for (i = 0; i < purge_count(purge); i++) … purge_row(purge, i)
 */
#ifndef OPS_PURGE_H
#define OPS_PURGE_H

#include "base/must.h"
#include "ops/walk.h"

struct purge;

struct purge_row { /* a mailbox */
	const char *mailbox;
	uint64_t found, chosen; /* chosen: to go; both 0 when it could not be read */
	uint64_t deleted; /* seen to be gone; with --no-expunge: or marked */
	uint64_t vanished; /* went before, by another hand */
	uint64_t spared; /* are not selected any more: stay */
	const struct err *err; /* why it was left alone, or NULL; kind SAFETY: a guard */
};

/* NULL: nothing is known and nothing goes. A mailbox that could not be read completely has an err, and nothing in it goes. */
struct purge *purge_plan(const struct walk_request *request, struct err *err);
void purge_free(struct purge *purge); /* accepts NULL */
/* The brake over all of the plan, and the question if anything is to go. -1, kind SAFETY: nothing goes. */
int purge_allow(struct purge *purge, int (*ask)(void *context, const char *question), void *context,
	struct err *err) MUST_CHECK;
/* Carries the plan out. 0: each row tells how it went; -1: it was ended, and the rows tell how far it came. */
int purge_do(struct purge *purge, struct err *err) MUST_CHECK;
size_t purge_count(const struct purge *purge);
const struct purge_row *purge_row(const struct purge *purge, size_t index);
bool purge_left_out(const struct purge *purge); /* the listing was not complete */

#endif
