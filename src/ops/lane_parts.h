/*
 * What lane_record.c, lane_copy.c and lane_share.c share. For these only.
 *
 * Owner: the pass. Threads: of one lane, except struct share (lane_share.c), which locks.
 */
#ifndef OPS_LANE_PARTS_H
#define OPS_LANE_PARTS_H

#include "ops/lane.h"

struct item { /* a message to copy */
	uint32_t uid;
	flags_t src_flags, dst_flags, lost; /* as in struct plan_action */
};

/* Copies the items (sorted by UID) of an opened pass whose baseline is set. */
int lane_copy(struct lane *lane, struct pass *pass, const struct item *items, size_t count,
	struct err *err) MUST_CHECK;
/* The part of it that a helping lane does too: no more and no less than these items, everything settled when it returns. */
int lane_copy_items(struct lane *lane, struct pass *pass, const struct item *items, size_t count,
	struct err *err) MUST_CHECK;

/*
 * Where nothing but synchronising literals exist, a message costs round trips that nothing hides: then idle lanes help with the mailbox
 * (architecture: order is kept elsewhere). lane_share.c.
 */
bool lane_shares(const struct lane *lane, size_t count);
int lane_share(struct lane *lane, struct pass *pass, const struct item *items, size_t count,
	struct err *err) MUST_CHECK;

/* The tally and what else of a struct work several lanes may touch when they share it. */
void work_lock(struct pass *pass);
void work_unlock(struct pass *pass);

void work_note_stored(struct work *work, uint32_t src_uid);
const char *lane_mailbox_of(const struct pass *pass);
void lane_count_error(struct lane *lane, uint64_t count);
void lane_lost_flags(struct lane *lane, struct pass *pass, uint32_t uid, flags_t lost);
void lane_may_delete(struct lane *lane, struct pass *pass, uint32_t src_uid);

#endif
