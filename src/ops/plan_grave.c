/*
 * Messages that were copied once and deleted at the destination by their owner, before the source got other UIDs: known again by header digest and size. A
 * message without Message-ID is not: two of those may be alike and are not the same, and a copy too many is better than one too few.
 */
#include "base/mem.h"
#include "ops/plan_parts.h"

static int compare_sizes(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

void plan_ask_graves(struct plan *plan, struct arena *arena, struct uidset *src_set)
{
	const struct snapshot *src = plan->in.src;
	const size_t count = plan->in.grave_count;
	uint64_t *sizes;

	if (count == 0)
		return;
	sizes = mem_array(count, sizeof(*sizes));
	for (size_t i = 0; i < count; i++)
		sizes[i] = plan->in.graves[i].size;
	qsort(sizes, count, sizeof(*sizes), compare_sizes);
	for (size_t row = 0; row < src->count; row++) {
		const uint64_t size = src->size[row];

		if (plan_fate(plan, row) == FATE_FRESH &&
			bsearch(&size, sizes, count, sizeof(size), compare_sizes))
			plan_ask(src, row, &plan->src_state[row], arena, src_set);
	}
	mem_free(sizes);
}

static int compare_graves(const struct journal_grave *x, const struct journal_grave *y)
{
	const int order = digest128_compare(x->header, y->header);

	return order ? order : x->size < y->size ? -1 : x->size > y->size;
}

/* The first that is not before one like `like`. */
static size_t find_grave(const struct plan *plan, const struct journal_grave *like)
{
	size_t low = 0, high = plan->in.grave_count;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (compare_graves(&plan->in.graves[middle], like) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

void plan_bury(struct plan *plan)
{
	const struct snapshot *src = plan->in.src;
	const size_t count = plan->in.grave_count;
	bool *filled;

	if (count == 0)
		return;
	filled = mem_array(count, sizeof(*filled));
	for (size_t row = 0; row < src->count; row++) {
		size_t at;

		if (plan_fate(plan, row) != FATE_FRESH ||
			!plan_has(src, row, SNAPSHOT_HAS_DIGEST) ||
			!plan_has(src, row, SNAPSHOT_HAS_MESSAGE_ID))
			continue;

		const struct journal_grave like = { src->digest[row], src->size[row] };
		at = find_grave(plan, &like);
		while (at < count && filled[at] && compare_graves(&plan->in.graves[at], &like) == 0)
			at++;
		if (at == count || compare_graves(&plan->in.graves[at], &like) != 0)
			continue;
		filled[at] = true;
		plan->src_state[row] = FATE_GONE;
		plan->src_pair[row] = (uint32_t)(plan->in.pairs->count + at);
	}
	mem_free(filled);
}
