/*
 * What plan.c, plan_ask.c, plan_match.c, plan_extra.c, plan_window.c and plan_flags.c share. For these only.
 *
 * Owner: the plan. Lifetime: plan_new() to plan_finish(), but for the actions. Threads: one at a time.
 *
 * Memory: 9 octets a source message and 1 a destination message until plan_finish(), 24 a message that takes part in a step while it runs,
 * 32 an action.
 */
#ifndef OPS_PLAN_PARTS_H
#define OPS_PLAN_PARTS_H

#include "ops/plan.h"

#define PLAN_NONE UINT32_MAX /* no row, no pair */

/* What a source message is known to be, in the low bits of src_state. */
enum plan_fate {
	FATE_SKIP, /* not selected */
	FATE_FRESH, /* no pair: looked for at the destination, else copied */
	FATE_STORED, /* recorded as stored, UID not known: looked for before the fresh ones */
	FATE_KEEP, /* recorded pair, found */
	FATE_GONE, /* recorded pair, the destination's message is not there any more */
	FATE_ADOPT_RECORD, /* was STORED */
	FATE_ADOPT_DIGEST,
	FATE_ADOPT_CONTENT,
	FATE_UNKNOWN,
	FATE_HIDDEN, /* unknown, for it may be among what the destination hides */
};

/* What a destination message is, in the low bits of dst_state. */
enum plan_claim {
	CLAIM_NONE,
	CLAIM_ORPHAN, /* its pair's source message is gone */
	CLAIM_TAKEN,
	CLAIM_EXTRA, /* none of the source's */
};

#define ROW_LOW 0x0f /* fate or claim */
#define ROW_CANDIDATE \
	0x10 /* an orphan whose size is that of a fresh message: it may be the same one, moved out and back */
#define ROW_DRIVEN \
	0x20 /* --flags-on-update=source: one source message already decides about these flags */
#define ROW_ASKED 0x40 /* the digest was asked for */
#define ROW_CONTENT 0x80 /* the body decides */

struct plan {
	struct plan_input in;
	struct plan_policy policy;
	struct plan_flags *flags;
	flags_t *base; /* a set for each text of in.pairs */
	uint8_t *src_state, *dst_state;
	uint32_t *src_dst; /* destination row */
	uint32_t *src_pair; /* index in in.pairs; from its count on, a grave */
	bool sizes_differ; /* a pair's sizes: then they are no evidence between these two servers */
	bool unexplained; /* by a scan by sizes: a size only the destination has, in a group */
	/* The source was scanned by size only; had to be scanned in full after all. */
	bool narrow, widened;
	bool extra_unknown, decided;
	size_t extra; /* messages of the destination that are, once decided */
	unsigned rounds; /* of plan_wants_digests() that asked */
	struct plan_window *window; /* NULL = nothing is hidden */
	struct journal_view view;
	struct plan_action *action;
	size_t count, copies, hidden;
};

static inline enum plan_fate plan_fate(const struct plan *plan, size_t row)
{
	return plan->src_state[row] & ROW_LOW;
}

static inline enum plan_claim plan_claim(const struct plan *plan, size_t row)
{
	return plan->dst_state[row] & ROW_LOW;
}

/* Whether a source message is looked for at the destination. */
static inline bool plan_is_wanting(const struct plan *plan, size_t row)
{
	enum plan_fate fate = plan_fate(plan, row);

	return fate == FATE_STORED || fate == FATE_FRESH;
}

/* Whether a destination message may be one of them. */
static inline bool plan_is_offered(const struct plan *plan, size_t row)
{
	enum plan_claim claim = plan_claim(plan, row);

	return claim == CLAIM_NONE ||
	       (claim == CLAIM_ORPHAN && (plan->dst_state[row] & ROW_CANDIDATE));
}

static inline bool plan_has(const struct snapshot *snapshot, size_t row, enum snapshot_attr attr)
{
	return (snapshot->attr[row] & attr) != 0;
}

/* Pairs a source row with a destination row. */
void plan_take(struct plan *plan, size_t src_row, size_t dst_row, enum plan_fate fate);
/* What no step decided: fresh messages stay FRESH only if they are known to be missing. Before the actions are made. */
void plan_settle(struct plan *plan); /* plan_ask.c */

/* plan_window.c */

/* After step 1; NULL = the destination hides nothing. */
struct plan_window *plan_window_new(const struct plan *plan);
void plan_window_free(struct plan_window *window);
bool plan_is_hidden(const struct plan *plan, uint32_t dst_uid);
/* Whether a source message that is not found may be among the hidden ones. */
bool plan_may_hide(const struct plan *plan, size_t row);
/* Whether a message may be hidden that is none of the source's. */
bool plan_hides_strangers(const struct plan *plan);

/* plan_extra.c */

/* Asks for the digests that tell what is extra from what options left out. The scan by sizes alone (is_resumed()) is never enough. */
void plan_ask_extra(
	struct plan *plan, struct arena *arena, struct uidset *src_set, struct uidset *dst_set);
/* After plan_settle(): claims what is extra. Returns how many. */
size_t plan_mark_extra(struct plan *plan);

/* plan_grave.c */

/* Asks for the digests of fresh messages that may lie in a grave. */
void plan_ask_graves(struct plan *plan, struct arena *arena, struct uidset *src_set);
/* Of what plan_settle() found to be missing. */
void plan_bury(struct plan *plan);

/* Puts a row into the set of those whose digest is asked for. */
void plan_ask(const struct snapshot *snapshot, size_t row, uint8_t *state, struct arena *arena,
	struct uidset *set);

/* plan_flags.c */
struct plan_flags;

struct flags_seen { /* as recorded and as they are */
	flags_t src_base, dst_base, src, dst;
};

struct flags_change {
	flags_t add, remove, after, lost; /* after: what the destination has then */
};

struct plan_flags *plan_flags_new(struct flag_table *table, const struct plan_policy *policy);
void plan_flags_free(struct plan_flags *flags);
/* of a recorded pair */
struct flags_change plan_flags_keep(struct plan_flags *flags, const struct flags_seen *seen);
struct flags_change plan_flags_adopt(struct plan_flags *flags, flags_t src, flags_t dst);
struct flags_change plan_flags_copy(struct plan_flags *flags, flags_t src); /* add: what to store */

#endif
