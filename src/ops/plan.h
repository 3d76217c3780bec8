/*
 * What to do in one mailbox pair: a pure function of two snapshots, the recorded pairs and a policy, in up to three steps of growing cost.
 * Nothing here touches a network; --dry-run prints the plan, a lane carries it out.
 *
 *	1. by record    recorded pairs are found again by UID
 *	2. by digest    what is left on both sides: equal header digest and equal size, as a multiset
 *	3. by content   where sizes or multiplicities differ, or no Message-ID tells: the bodies decide
 *
 * What stays unmatched at the source is copied, unless it lies in a grave. N identical messages stay N. With policy.extra, what is at the destination and certainly no
 * copy of any source message, selected or not, is EXTRA (plan_extra.c).
 *
 * Owner: the lane. Lifetime: plan_free(). Threads: one at a time.
 *
 *	plan = plan_new(&input);
 *	while (plan_wants_digests(plan, arena, &src_uids, &dst_uids)) { … scan, snapshot_merge() … plan_by_digest(plan); }
 *	if (plan_wants_content(plan, arena, &src_uids, &dst_uids)) { … scan … plan_by_content(plan); }
 *	plan_decide(plan);
 *	plan_see(plan, &now);
 *	plan_finish(plan, newest_first);
 *	for (i = 0; i < plan_count(plan); i++) … plan_action(plan, i)
 */
#ifndef OPS_PLAN_H
#define OPS_PLAN_H

#include "mail/uidset.h"
#include "ops/select.h"
#include "ops/settings.h"
#include "state/journal.h"
#include "store/snapshot.h"

struct plan;

struct plan_policy {
	enum match_by match;
	enum flags_on_update flags_on_update;
	bool recopy, no_keywords;
	bool extra; /* what only the destination has is wanted: PLAN_EXTRA */
	/* sources that the destination confirmed in this run: recopy is not for them; NULL = none */
	const struct uidset *confirmed;
	/* --add-flags, --remove-flags: change what the source is seen as having */
	flags_t add, remove;
	bool has_permanent, any_keyword;
	flags_t permanent; /* what the destination can store */
};

/* What a destination does not show that shows only the newest messages of a mailbox (box_facts.shows_part). */
struct plan_hidden {
	uint32_t below; /* the lowest UID shown; 0 = nothing is hidden */
	struct journal_view view; /* as recorded */
	bool same_selection; /* as view.selection */
	const struct uidset *others; /* UIDs of copies of other mailboxes' messages; may be NULL */
};

struct plan_input {
	struct flag_table *flags;
	/*
	 * Digests are added to them between the steps. Complete both, or: what an incomplete one does not show is unknown. Then pairs are neither
	 * GONE_SRC nor GONE_DST for it, and with an incomplete destination nothing is copied that is not found there: it is UNKNOWN.
	 */
	const struct snapshot *src, *dst;
	const uint8_t *src_reason; /* enum select_reason a row of src; NULL = all selected */
	const uint8_t *dst_reason; /* likewise of dst: only what is selected can be EXTRA */
	const struct journal_pairs *pairs; /* may be NULL */
	/*
	 * As journal_graves() gives them: of messages that their owner deleted at the destination, when the source's UIDs were others. A source message that no step
	 * finds there, with a Message-ID and the header digest and size of one, is PLAN_GONE_DST; each is for one message.
	 */
	const struct journal_grave *graves;
	size_t grave_count;
	const struct plan_policy *policy;
	/* destination's UIDNEXT before this program's unreconciled appends, 0 = none: above it sizes are trusted to narrow the scan */
	uint32_t baseline;
	struct plan_hidden hidden;
};

enum plan_kind {
	PLAN_KEEP, /* recorded pair, nothing to do */
	PLAN_ADOPT, /* found at the destination: record the pair */
	PLAN_COPY,
	PLAN_GONE_SRC, /* recorded, the source has lost it */
	PLAN_GONE_DST, /* recorded, its owner deleted it at the destination: not copied again */
	/* never made: one that was refused in an earlier run is PLAN_COPY again, or PLAN_SKIP */
	PLAN_REFUSED,
	PLAN_SKIP, /* not selected; dst_uid: of its recorded pair */
	/* may be at the destination or not, and nobody could look: neither copied nor given up; to be reported */
	PLAN_UNKNOWN,
	/* dst_uid only: the destination has it, and the source does not. Only if both snapshots are complete and no message is unknown. */
	PLAN_EXTRA,
};

enum plan_proof { PROOF_NONE, PROOF_RECORD, PROOF_DIGEST, PROOF_CONTENT };

struct plan_action {
	uint8_t kind; /* enum plan_kind */
	uint8_t proof; /* enum plan_proof of KEEP and ADOPT */
	uint8_t reason; /* enum select_reason of SKIP */
	bool flags : 1; /* change the destination's flags: add and remove below */
	/* the journal has to learn it: new pair, other flags than recorded, newly gone */
	bool record : 1;
	/* UNKNOWN: it may be among what the destination hides. KEEP: its copy is there by record, and hidden. */
	bool hidden : 1;
	/* 0 = none. KEEP without dst_uid: recorded as stored, its UID could not be found out; flags are those recorded, and it is not proven to be there now. GONE_SRC: only if no other message is paired with it. */
	uint32_t src_uid;
	union {
		uint32_t dst_uid;
		uint32_t
			grave; /* GONE_DST: the place in plan_input.graves + 1; 0 = it has a recorded pair */
	};
	flags_t src_flags; /* now at the source */
	/* for COPY: what to store; else: what the destination has after this action */
	flags_t dst_flags;
	flags_t add, remove;
	/* flags the destination cannot hold, unless a recorded pair had them before */
	flags_t lost;
};

/* Step 1 is done; the input is borrowed until plan_finish(). */
struct plan *plan_new(const struct plan_input *input);
void plan_free(struct plan *plan);
/*
 * Whether step 2 is needed, and of which messages the header digest is not known yet; memory of the arena. To be asked again after
 * plan_by_digest(): when sizes narrowed the scan and then turned out to be no evidence, the rest is wanted too. All known already: false,
 * and the step is done. A message whose digest was asked for and not given was not readable: it is not taken as missing.
 */
bool plan_wants_digests(
	struct plan *plan, struct arena *arena, struct uidset *src, struct uidset *dst);
void plan_by_digest(struct plan *plan);
/* As above, for step 3. Contents are scanned with the usual headers (box_scan.fields NULL) under every --match: else bodies alone would count. */
bool plan_wants_content(
	struct plan *plan, struct arena *arena, struct uidset *src, struct uidset *dst);
void plan_by_content(struct plan *plan);
/*
 * Decides what no step has decided. From then on digests are not looked at any more: who can, forgets them (snapshot_forget_digests()), before plan_finish() takes
 * twice as much for the actions. plan_finish() does it where it was left out.
 */
void plan_decide(struct plan *plan);
/* Orders the actions: kept and adopted by UID, copies by UID (or newest first), unknown, gone, skipped, extra ones. */
void plan_finish(struct plan *plan, bool newest_first);
size_t plan_count(const struct plan *plan);
const struct plan_action *plan_action(const struct plan *plan, size_t index);
/*
 * After plan_decide() and before plan_finish(): what is known of the destination after this look; plan_view() gives it. now: the destination's UIDNEXT and the
 * source's before the scans, the selection and the time; clean is not looked at.
 */
void plan_see(struct plan *plan, const struct journal_view *now);
const struct journal_view *plan_view(const struct plan *plan);
size_t plan_hidden_count(const struct plan *plan); /* how many PLAN_UNKNOWN are hidden */
/* policy.extra: something may be extra, and for doubt about another message nothing is called so. */
bool plan_extra_unknown(const struct plan *plan);
size_t plan_copies(const struct plan *plan); /* how many PLAN_COPY */
const char *plan_kind_name(enum plan_kind kind);

/* Sets digest and content of rows of `into` from rows of the same UID. A digest once set stays. */
void snapshot_merge(struct snapshot *into, const struct snapshot *from);
/* What a new copy's flags are (policy, then what the destination can hold); *lost_out what it can't. */
flags_t plan_flags_for_copy(
	struct flag_table *flags, const struct plan_policy *policy, flags_t src, flags_t *lost_out);

#endif
