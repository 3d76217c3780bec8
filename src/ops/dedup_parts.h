/*
 * What the files of dedup share: dedup.c (looking and deciding), dedup_do.c (a mailbox at a time: its copies go), dedup_kept.c (looking at those that stay). For these only.
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
	DEDUP_SETTLED = DEDUP_DONE | DEDUP_VANISHED | DEDUP_SPARED,
};

struct dedup_box { /* a mailbox, by rank */
	struct dedup_row row;
	struct arena *arena; /* of the error */
	uint32_t uidvalidity; /* 0: it was not read */
	bool gmail;
	struct duplicate *own; /* its rows, until they are joined with the others' */
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

	pthread_mutex_t lock; /* of target_ready; in files held for a visit */
	bool target_ready;
};

/* Whether the plan is to treat it: a copy of one that stays. */
bool dedup_goes(const struct dedup *dedup, const struct duplicate *row);
/* The first error of a mailbox is the one that tells. */
void dedup_keep_err(struct dedup_box *box, const struct err *err);

#endif
