/*
 * What may go at the source once it is to be in several mailboxes: of each source mailbox the UIDs that every job so far has proven to be in its own
 * target. A message that came between two jobs, or that one of them could not store, is in none of the later sets.
 *
 * Owner: the command. Lifetime: the jobs of one command, one after another. Threads: one at a time.
 *
 *	proven_cut(proven, 0, "INBOX", uidvalidity, &first, arena);     // the job for one target
 *	proven_cut(proven, 1, "INBOX", uidvalidity, &second, arena);    // for the next: second is now what both have
 */
#ifndef OPS_PROVEN_H
#define OPS_PROVEN_H

#include "mail/uidset.h"

struct arena;
struct proven;

struct proven *proven_new(void);
void proven_free(struct proven *proven); /* accepts NULL */
/* round: of this job, from 0. A mailbox that an earlier job did not come to, or saw under another UIDVALIDITY, has nothing that all have. */
void proven_cut(struct proven *proven, unsigned round, const char *mailbox, uint32_t uidvalidity,
	struct uidset *uids, struct arena *arena);

#endif
