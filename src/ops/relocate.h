/*
 * Moves or copies messages of an open mailbox into another mailbox of the same account: what `filter`, `trash`, `dedup --move-to` and the actions of
 * `search` have in common.
 *
 * MOVE where the server offers it (RFC 6851); else COPY, and only what the answer (COPYUID, RFC 4315 §3) or a scan of the target above its earlier UIDNEXT shows to have
 * arrived is then marked \Deleted and expunged, by UID. In file stores: appended, durable, and only then removed. A message of which it is not known that it
 * stands in the target stays where it is.
 *
 * Before the first message goes, what is about to happen is durable (state/intents.h, below the usual state directory): a run that was killed between the copy and the
 * removal is taken up by the next one that moves messages from the same mailbox to the same target, and doubles nothing. Places without UIDs of their own need a
 * walk_request.state_dir for that: settings_state_dir().
 *
 * Owner: the command. Lifetime: the call. Threads: a visit's (ops/walk.h).
 *
 *	struct relocation work = { .target = "Archive", .uids = &going };
 *	if (relocate(visit, &box, &work, err) < 0) … work still says what is certain
 */
#ifndef OPS_RELOCATE_H
#define OPS_RELOCATE_H

#include "base/must.h"
#include "mail/flags.h"
#include "mail/uidset.h"

#include <stdbool.h>

struct box;
struct err;
struct walk_visit;

struct relocation {
	const char *target; /* display name; it exists, and is not the open mailbox */
	/* of the box; all that will go into this target in this visit, for one call is one intent */
	const struct uidset *uids;
	bool copy; /* they stay here too; the box may be open for reading only */
	bool expunge_all; /* --expunge-all: also where messages can't be removed one by one */
	flags_t remove_flags; /* taken off the copies, once they stand in the target; of the visit's table */
	/*
	 * Results, memory of the visit's arena; every UID asked for is in exactly one of them, also after -1. moved and unknown may hold UIDs too that an earlier attempt of the
	 * visit, or a run that was killed, had under way to this target.
	 */
	struct uidset moved; /* stand in the target and, unless copy, are gone from here */
	struct uidset gone; /* were not here any more: nothing was done */
	struct uidset stayed; /* are here and not in the target */
	struct uidset unknown; /* not known; or in the target and here */
};

/*
 * -1: err says what stopped it, with its scope. 0: also when some stayed or are unknown. *box is idle before; it may be another one of the same mailbox
 * afterwards (the target had to be looked at), or NULL after -1.
 */
int relocate(struct walk_visit *visit, struct box **box, struct relocation *work,
	struct err *err) MUST_CHECK;
/*
 * Whether an earlier attempt, or a run that was killed, left something open from this mailbox to this target: then relocate() ends it, also with an empty set of uids. Costs
 * nothing where nothing was ever moved.
 */
bool relocate_pending(struct walk_visit *visit, const char *target);
/*
 * Whether a store with these enum store_cap bits can do it: before anything begins. One without STORE_CAP_MOVE and STORE_CAP_REMOVE_ONE can't move unless expunge_all (kind
 * SAFETY), one that is only read can do nothing (kind UNSUPPORTED).
 */
int relocate_check(unsigned caps, const struct relocation *work, struct err *err) MUST_CHECK;

#endif
