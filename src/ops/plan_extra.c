/*
 * What a destination holds that is none of the source's. A message is called extra only if nobody can doubt it: whatever at the source has no
 * counterpart, and is not copied either (left out by options, deleted at the destination by its owner), is compared by header digest, and one such
 * message of unknown header is enough to call nothing extra.
 */
#include "base/mem.h"
#include "ops/plan_parts.h"

static bool is_free(const struct plan *plan, size_t row)
{
	enum plan_claim claim = plan_claim(plan, row);

	return (claim == CLAIM_NONE || claim == CLAIM_ORPHAN) &&
	       (plan->in.dst_reason == NULL || plan->in.dst_reason[row] == SELECT_YES);
}

/* A source message that a free one may be the copy of, though it is not looked for. */
static bool is_blocker(const struct plan *plan, size_t row)
{
	enum plan_fate fate = plan_fate(plan, row);

	return (fate == FATE_SKIP || fate == FATE_GONE) && plan->src_dst[row] == PLAN_NONE;
}

static size_t count_free(const struct plan *plan)
{
	size_t count = 0;

	for (size_t row = 0; row < plan->in.dst->count; row++)
		count += is_free(plan, row);
	return count;
}

static size_t count_blockers(const struct plan *plan)
{
	size_t count = 0;

	for (size_t row = 0; row < plan->in.src->count; row++)
		count += is_blocker(plan, row);
	return count;
}

void plan_ask_extra(
	struct plan *plan, struct arena *arena, struct uidset *src_set, struct uidset *dst_set)
{
	const struct snapshot *src = plan->in.src, *dst = plan->in.dst;

	if (count_free(plan) == 0 || count_blockers(plan) == 0)
		return;
	for (size_t row = 0; row < src->count; row++) {
		if (is_blocker(plan, row))
			plan_ask(src, row, &plan->src_state[row], arena, src_set);
	}
	for (size_t row = 0; row < dst->count; row++) {
		if (is_free(plan, row))
			plan_ask(dst, row, &plan->dst_state[row], arena, dst_set);
	}
}

static int compare_digests(const void *a, const void *b)
{
	return digest128_compare(*(const struct digest128 *)a, *(const struct digest128 *)b);
}

/* Whether each source message is known well enough. Fills the digests of the blockers, sorted. */
static bool is_certain(const struct plan *plan, struct digest128 *blocker, size_t *count_out)
{
	const struct snapshot *src = plan->in.src;
	size_t count = 0;

	for (size_t row = 0; row < src->count; row++) {
		enum plan_fate fate = plan_fate(plan, row);
		bool has_digest = plan_has(src, row, SNAPSHOT_HAS_DIGEST);

		if (fate == FATE_UNKNOWN || fate == FATE_HIDDEN ||
			(fate == FATE_KEEP && plan->src_dst[row] == PLAN_NONE) ||
			fate == FATE_STORED)
			return false;
		if (fate == FATE_FRESH && (plan->src_state[row] & ROW_ASKED) && !has_digest)
			return false;
		if (!is_blocker(plan, row))
			continue;
		if (!has_digest)
			return false;
		blocker[count++] = src->digest[row];
	}
	if (count > 1)
		qsort(blocker, count, sizeof(*blocker), compare_digests);
	*count_out = count;
	return true;
}

static bool is_extra(
	const struct plan *plan, const struct digest128 *blocker, size_t blockers, size_t row)
{
	const struct snapshot *dst = plan->in.dst;
	uint8_t state = plan->dst_state[row];

	if (!is_free(plan, row) || (state & ROW_CONTENT))
		return false;
	if (!plan_has(dst, row, SNAPSHOT_HAS_DIGEST))
		return !(state & ROW_ASKED) && blockers == 0;
	return blockers == 0 || bsearch(&dst->digest[row], blocker, blockers, sizeof(*blocker),
					compare_digests) == NULL;
}

size_t plan_mark_extra(struct plan *plan)
{
	struct digest128 *blocker;
	size_t blockers = 0, count = 0;

	if (!plan->policy.extra || (count_free(plan) == 0 && !plan_hides_strangers(plan)))
		return 0;
	plan->extra_unknown =
		!plan->in.src->complete || !plan->in.dst->complete || plan_hides_strangers(plan);
	if (plan->extra_unknown)
		return 0;
	blocker = mem_array(count_blockers(plan) + 1, sizeof(*blocker));
	if (is_certain(plan, blocker, &blockers)) {
		for (size_t row = 0; row < plan->in.dst->count; row++) {
			if (!is_extra(plan, blocker, blockers, row))
				continue;
			plan->dst_state[row] = CLAIM_EXTRA;
			count++;
		}
	} else {
		plan->extra_unknown = true;
	}
	mem_free(blocker);
	return count;
}
