/*
 * What a plan has to know before it can decide: whose digests and whose contents; and what is left when no step could decide.
 */
#include "base/mem.h"
#include "ops/plan_parts.h"

/* Sizes of some messages, sorted. */
struct sizes {
	uint32_t *size;
	size_t count;
	bool any_unknown;
};

static int compare_sizes(const void *a, const void *b)
{
	const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void sizes_init(struct sizes *sizes, size_t room)
{
	*sizes = (struct sizes){ .size = mem_array(room + 1, sizeof(*sizes->size)) };
}

static void sizes_add(struct sizes *sizes, uint32_t size)
{
	sizes->any_unknown |= size == UINT32_MAX;
	sizes->size[sizes->count++] = size;
}

static void sizes_sort(struct sizes *sizes)
{
	if (sizes->count > 1)
		qsort(sizes->size, sizes->count, sizeof(*sizes->size), compare_sizes);
}

/* Whether one of them may be the message of this size: sizes tell unless they are unknown or two servers were seen to count differently. */
static bool sizes_fit(const struct plan *plan, const struct sizes *sizes, uint32_t size)
{
	if (sizes->count == 0)
		return false;
	if (plan->sizes_differ || sizes->any_unknown || size == UINT32_MAX)
		return true;
	return bsearch(&size, sizes->size, sizes->count, sizeof(size), compare_sizes) != NULL;
}

/* Orphans that a fresh message may have been before it was moved out of the mailbox and back. */
static void mark_candidates(struct plan *plan)
{
	const struct snapshot *src = plan->in.src, *dst = plan->in.dst;
	struct sizes sizes;
	size_t orphans = 0;

	for (size_t row = 0; row < dst->count; row++)
		orphans += plan_claim(plan, row) == CLAIM_ORPHAN;
	if (orphans == 0)
		return;
	sizes_init(&sizes, src->count);
	for (size_t row = 0; row < src->count; row++) {
		if (plan_fate(plan, row) == FATE_FRESH)
			sizes_add(&sizes, src->size[row]);
	}
	sizes_sort(&sizes);
	for (size_t row = 0; row < dst->count; row++) {
		if (plan_claim(plan, row) == CLAIM_ORPHAN &&
			sizes_fit(plan, &sizes, dst->size[row]))
			plan->dst_state[row] |= ROW_CANDIDATE;
	}
	mem_free(sizes.size);
}

/*
 * Whether all that is offered is newer than the baseline: our own appends of a run that broke off, and the source messages they are
 * copies of have their sizes. Fills sizes (to be freed) then.
 */
static bool is_resumed(const struct plan *plan, struct sizes *sizes)
{
	const struct snapshot *dst = plan->in.dst;

	if (plan->in.baseline == 0 || plan->widened || plan->sizes_differ || plan->policy.extra)
		return false;
	for (size_t row = 0; row < dst->count; row++) {
		if (plan_is_offered(plan, row) && dst->uid[row] < plan->in.baseline)
			return false;
	}
	sizes_init(sizes, dst->count);
	for (size_t row = 0; row < dst->count; row++) {
		if (plan_is_offered(plan, row))
			sizes_add(sizes, dst->size[row]);
	}
	sizes_sort(sizes);
	return true;
}

void plan_ask(const struct snapshot *snapshot, size_t row, uint8_t *state, struct arena *arena,
	struct uidset *set)
{
	if (plan_has(snapshot, row, SNAPSHOT_HAS_DIGEST) || (*state & ROW_ASKED))
		return;
	*state |= ROW_ASKED;
	uidset_add(set, arena, snapshot->uid[row], snapshot->uid[row]);
}

static void ask_digests(
	struct plan *plan, struct arena *arena, struct uidset *src_set, struct uidset *dst_set)
{
	const struct snapshot *src = plan->in.src, *dst = plan->in.dst;
	struct sizes sizes = { 0 };

	plan->narrow = is_resumed(plan, &sizes);
	for (size_t row = 0; row < src->count; row++) {
		if (!plan_is_wanting(plan, row))
			continue;
		if (plan->narrow && plan_fate(plan, row) == FATE_FRESH &&
			!sizes_fit(plan, &sizes, src->size[row]))
			continue;
		plan_ask(src, row, &plan->src_state[row], arena, src_set);
	}
	for (size_t row = 0; row < dst->count; row++) {
		if (plan_is_offered(plan, row))
			plan_ask(dst, row, &plan->dst_state[row], arena, dst_set);
	}
	mem_free(sizes.size);
}

static bool both_sides(const struct plan *plan)
{
	size_t wanting = 0, offered = 0;

	for (size_t row = 0; row < plan->in.src->count && wanting == 0; row++)
		wanting += plan_is_wanting(plan, row);
	for (size_t row = 0; row < plan->in.dst->count && offered == 0; row++)
		offered += plan_is_offered(plan, row);
	return wanting > 0 && offered > 0;
}

bool plan_wants_digests(
	struct plan *plan, struct arena *arena, struct uidset *src, struct uidset *dst)
{
	*src = *dst = (struct uidset){ 0 };
	if (plan->rounds > 0 && !plan->widened)
		return false;
	if (plan->rounds == 0)
		mark_candidates(plan);
	if (both_sides(plan))
		ask_digests(plan, arena, src, dst);
	else if (!plan->policy.extra && plan->in.grave_count == 0)
		return false;
	if (plan->policy.extra)
		plan_ask_extra(plan, arena, src, dst);
	plan_ask_graves(plan, arena, src);
	if (src->count == 0 && dst->count == 0) {
		if (plan->rounds++ == 0) /* all known already */
			plan_by_digest(plan);
		return false;
	}
	plan->rounds++;
	return true;
}

static void ask_content(const struct snapshot *snapshot, const uint8_t *state, struct arena *arena,
	struct uidset *set)
{
	for (size_t row = 0; row < snapshot->count; row++) {
		if ((state[row] & ROW_CONTENT) && !plan_has(snapshot, row, SNAPSHOT_HAS_CONTENT))
			uidset_add(set, arena, snapshot->uid[row], snapshot->uid[row]);
	}
}

bool plan_wants_content(
	struct plan *plan, struct arena *arena, struct uidset *src, struct uidset *dst)
{
	*src = *dst = (struct uidset){ 0 };
	ask_content(plan->in.src, plan->src_state, arena, src);
	ask_content(plan->in.dst, plan->dst_state, arena, dst);
	if (src->count > 0 || dst->count > 0)
		return true;
	plan_by_content(plan); /* all known already, or nothing to decide */
	return false;
}

/* What kinds of destination messages are left without a source message. */
struct leftover {
	struct sizes all, blind; /* blind: their header could not be read */
};

static void leftover_init(struct leftover *left, const struct plan *plan)
{
	const struct snapshot *dst = plan->in.dst;

	sizes_init(&left->all, dst->count);
	sizes_init(&left->blind, dst->count);
	for (size_t row = 0; row < dst->count; row++) {
		if (!plan_is_offered(plan, row))
			continue;
		sizes_add(&left->all, dst->size[row]);
		if (!plan_has(dst, row, SNAPSHOT_HAS_DIGEST))
			sizes_add(&left->blind, dst->size[row]);
	}
	sizes_sort(&left->all);
	sizes_sort(&left->blind);
}

/* A fresh message that no step found: missing, unless one of those left may be it and nobody could look. */
static bool is_missing(const struct plan *plan, const struct leftover *left, size_t row)
{
	const struct snapshot *src = plan->in.src;

	if (!plan->in.dst->complete || (plan->src_state[row] & ROW_CONTENT))
		return false;
	if (plan_has(src, row, SNAPSHOT_HAS_DIGEST))
		return !sizes_fit(plan, &left->blind, src->size[row]);
	return !sizes_fit(plan, &left->all, src->size[row]);
}

/* One that was stored and not found: gone, unless one of those left may be it. Its size is no evidence when it was changed on the way. */
static bool is_gone(const struct plan *plan, const struct leftover *left, size_t row)
{
	if (!plan->in.dst->complete || plan->window != NULL || (plan->src_state[row] & ROW_CONTENT))
		return false;
	if (plan_has(plan->in.src, row, SNAPSHOT_HAS_DIGEST))
		return left->blind.count == 0;
	return left->all.count == 0;
}

/*
 * A stored message whose header could not be read may be what a fresh one of its size was found to be: the one would be given up, and
 * the other never copied. Then nobody has it.
 */
static void release_contended(struct plan *plan)
{
	const struct snapshot *src = plan->in.src;
	struct sizes blind;

	sizes_init(&blind, src->count);
	for (size_t row = 0; row < src->count; row++) {
		if (plan_fate(plan, row) == FATE_STORED && !plan_has(src, row, SNAPSHOT_HAS_DIGEST))
			sizes_add(&blind, src->size[row]);
	}
	sizes_sort(&blind);
	for (size_t row = 0; row < src->count && blind.count > 0; row++) {
		enum plan_fate fate = plan_fate(plan, row);

		if ((fate != FATE_ADOPT_DIGEST && fate != FATE_ADOPT_CONTENT) ||
			!sizes_fit(plan, &blind, src->size[row]))
			continue;
		plan->src_state[row] = FATE_UNKNOWN;
		plan->dst_state[plan->src_dst[row]] = CLAIM_NONE;
		plan->src_dst[row] = PLAN_NONE;
	}
	mem_free(blind.size);
}

void plan_settle(struct plan *plan)
{
	const uint8_t *reason = plan->in.src_reason;
	struct leftover left;

	release_contended(plan);
	leftover_init(&left, plan);
	for (size_t row = 0; row < plan->in.src->count; row++) {
		enum plan_fate fate = plan_fate(plan, row);

		if (fate == FATE_FRESH && !is_missing(plan, &left, row))
			plan->src_state[row] = FATE_UNKNOWN;
		else if (fate == FATE_FRESH && plan_may_hide(plan, row))
			plan->src_state[row] = FATE_HIDDEN;
		else if (fate == FATE_FRESH)
			plan->src_state[row] &= FATE_FRESH | ROW_ASKED;
		else if (fate == FATE_STORED && reason != NULL && reason[row] != SELECT_YES)
			plan->src_state[row] = FATE_SKIP;
		else if (fate == FATE_STORED && is_gone(plan, &left, row))
			plan->src_state[row] = FATE_GONE;
	}
	mem_free(left.all.size);
	mem_free(left.blind.size);
	plan_bury(plan);
}
