/*
 * What the files of dedup share: dedup.c (looking and deciding), dedup_do.c (a mailbox at a time: its copies go), dedup_same.c (what is one message under
 * two names), dedup_kept.c (looking at those that stay), dedup_marks.c (what
 * a run that is broken off leaves behind; holds). For these only.
 *
 * Owner: dedup.c. Lifetime: of struct dedup. Threads: a visit writes to its own mailbox's box and rows only; of others' rows it reads box, uid and kept, which are final.
 */
#ifndef OPS_DEDUP_PARTS_H
#define OPS_DEDUP_PARTS_H

#include "base/err.h"
#include "ops/dedup.h"
#include "ops/settings.h"

#include <pthread.h>

enum dedup_fate { /* struct duplicate.fate, bits */
	DEDUP_MARKED = 1, /* by this run, and the mark may still be there */
	DEDUP_BEGUN = 2, /* the removal was tried: if it is missing, it went by that */
	DEDUP_DONE = 4,
	DEDUP_VANISHED = 8,
	DEDUP_SPARED = 16,
	DEDUP_FAILED = 32, /* stays, unless the visit is called again */
	DEDUP_UNKNOWN = 64, /* stands in the target too, or nobody knows */
	DEDUP_STAYS = DEDUP_SPARED | DEDUP_FAILED,
	DEDUP_SETTLED = DEDUP_DONE | DEDUP_VANISHED | DEDUP_STAYS,
};

struct dedup_box { /* a mailbox, by rank */
	struct dedup_row row;
	struct arena *arena; /* of the error */
	uint32_t uidvalidity; /* 0: it was not read */
	bool noted; /* dedup_note_marks() */
	struct duplicate *own; /* its rows, until they are joined with the others' */
	struct digest128 *id; /* of each, until then: Gmail's; NULL = not asked for */
	size_t first, count; /* … and where they are then */
};

struct dedup {
	struct dedup_request request;
	struct duplicates_policy policy;
	struct walk *walk;
	struct dedup_box *box; /* walk_place.data points here */
	size_t boxes; /* those that are looked at come first */
	struct duplicate *rows;
	size_t count;
	struct duplicates_sum sum;
	bool unsure; /* a run before may have left marks where this one does not look */

	pthread_mutex_t lock; /* of target_ready; in files held for a visit */
	bool target_ready;
};

struct dedup_item { /* a copy that is to go */
	uint32_t row;
	flags_t flags; /* when it was looked at again */
};

struct dedup_batch { /* of one mailbox's copies; lives in a visit */
	struct dedup *dedup;
	struct walk_visit *visit;
	struct dedup_box *from;
	struct dedup_item *item; /* by the rows that stay; what is settled is taken out */
	size_t count;
	flags_t deleted; /* the mark */
	struct box *open; /* what is open in the visit's store, or NULL … */
	const struct dedup_box *open_of; /* … and of which mailbox */
	bool writes;
	bool held; /* no other run changes the mailboxes of this batch: files */
};

struct hold;

/* Whether the plan is to treat it: a copy of one that stays. */
bool dedup_goes(const struct dedup *dedup, const struct duplicate *row);
/* The first error of a mailbox is the one that tells. */
void dedup_keep_err(struct dedup_box *box, const struct err *err);
/* Of the last walk: the next one forgets them. */
void dedup_keep_errors(struct dedup *dedup);

/* With --across on Gmail, where a message stands under each of its labels: which one each row is has to be known (box->id). */
bool dedup_wants_ids(const struct dedup *dedup, const struct walk_visit *visit);
/* Takes the keys of what is no copy, but the same message again. */
void dedup_leave_out_same(struct dedup *dedup);

/*
 * Opens this mailbox, if it is not open already for what it is wanted for; anew: in any case, for what other sessions changed is only sure to be seen so. That of
 * the batch is opened for writing. Its UIDs have to be those of the plan.
 */
int dedup_open(struct dedup_batch *batch, const struct dedup_box *of, enum store_mode mode,
	bool anew, struct err *err) MUST_CHECK;
/* This copy stays; dedup_drop_settled() takes it out of the batch. */
void dedup_spare(struct dedup_batch *batch, const struct dedup_item *item);
void dedup_drop_settled(struct dedup_batch *batch);

/*
 * Looks at the messages that are to stay, in whatever mailboxes they are. Copies of one that is not there, is marked as deleted, or cannot be looked at, are spared, and the
 * batch's mailbox has an error. With merge it gets the flags of its copies; where these are not kept, they are spared too. -1: the connection, or more than that, or the
 * server is busy.
 */
int dedup_look_at_kept(struct dedup_batch *batch, bool merge, struct err *err) MUST_CHECK;

/*
 * Writes down what is about to be marked, durably, with what is marked already; and forgets it once no mark of this run is left that should not be there. A run that is killed
 * in between leaves the note to dedup_undo_marks() of the next, which is called before anything is looked at: the marks come off. Where nothing may be changed, or the mailbox
 * is not chosen, it is told, and dedup->unsure.
 */
int dedup_note_marks(
	struct dedup_batch *batch, const struct uidset *uids, struct err *err) MUST_CHECK;
int dedup_forget_marks(struct dedup_batch *batch, struct err *err) MUST_CHECK;
int dedup_undo_marks(struct dedup *dedup, struct err *err) MUST_CHECK;
/* The batch's mailbox and those of the messages that stay (store/hold.h); NULL where it is a server. */
int dedup_hold(const struct dedup_batch *batch, struct hold **out, struct err *err) MUST_CHECK;

#endif
