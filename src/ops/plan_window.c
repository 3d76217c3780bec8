/*
 * Destinations that show only the newest messages of a mailbox. What is older than the lowest UID shown is hidden: a message recorded there stays as recorded, and one that
 * is not found among those shown is missing only if it cannot be one of the hidden.
 *
 * Which may be hidden without a pair? None below view.clean, none where a pair names the UID. Those below view.seen stood there at a time when the source
 * was compared with all of them, and are older than what the source got since. Of the rest nothing is known.
 */
#include "base/mem.h"
#include "ops/plan_parts.h"

struct plan_window {
	uint32_t
		stranger; /* the highest UID that a message without a pair may hide under; 0 = none */
	/* Sizes of hidden copies whose source message is gone: it may have been moved out and back. Sorted; late: not below view.seen. */
	uint32_t *orphan, *late;
	size_t orphans, lates;
	bool unknown_orphan, unknown_late; /* there is one of unknown size */
};

bool plan_is_hidden(const struct plan *plan, uint32_t dst_uid)
{
	return dst_uid != 0 && dst_uid < plan->in.hidden.below;
}

static int compare_u32(const void *a, const void *b)
{
	const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void sort(uint32_t *values, size_t count)
{
	if (count > 1)
		qsort(values, count, sizeof(*values), compare_u32);
}

static void add_orphan(struct plan_window *window, const struct plan *plan, size_t pair)
{
	const uint32_t size = plan->in.pairs->size ? plan->in.pairs->size[pair] : 0;

	window->orphan[window->orphans++] = size;
	window->unknown_orphan |= size == 0;
	if (plan->in.pairs->dst_uid[pair] < plan->in.hidden.view.seen)
		return;
	window->late[window->lates++] = size;
	window->unknown_late |= size == 0;
}

/* The hidden UIDs that pairs name, into taken. */
static size_t list_taken(struct plan_window *window, const struct plan *plan, uint32_t *taken)
{
	const struct journal_pairs *pairs = plan->in.pairs;
	size_t count = 0;

	for (size_t i = 0; i < pairs->count; i++) {
		if (!plan_is_hidden(plan, pairs->dst_uid[i]))
			continue;
		taken[count++] = pairs->dst_uid[i];
		if (pairs->status[i] != JOURNAL_GONE_DST &&
			snapshot_find(plan->in.src, pairs->src_uid[i]) == SIZE_MAX)
			add_orphan(window, plan, i);
	}
	sort(taken, count);
	return count;
}

/* Downwards from the lowest that is shown to the first that nothing names. */
static uint32_t find_stranger(const struct plan *plan, const uint32_t *taken, size_t count)
{
	const struct plan_hidden *hidden = &plan->in.hidden;

	for (uint32_t uid = hidden->below - 1; uid > 0 && uid >= hidden->view.clean; uid--) {
		while (count > 0 && taken[count - 1] > uid)
			count--;
		if ((count == 0 || taken[count - 1] != uid) &&
			!(hidden->others && uidset_has(hidden->others, uid)))
			return uid;
	}
	return 0;
}

struct plan_window *plan_window_new(const struct plan *plan)
{
	const size_t room = plan->in.pairs->count + 1;
	struct plan_window *window;
	uint32_t *taken;
	size_t count;

	if (plan->in.hidden.below <= 1)
		return NULL;
	window = mem_alloc(sizeof(*window));
	window->orphan = mem_array(room, sizeof(*window->orphan));
	window->late = mem_array(room, sizeof(*window->late));
	taken = mem_array(room, sizeof(*taken));
	count = list_taken(window, plan, taken);
	window->stranger = find_stranger(plan, taken, count);
	mem_free(taken);
	sort(window->orphan, window->orphans);
	sort(window->late, window->lates);
	return window;
}

void plan_window_free(struct plan_window *window)
{
	if (window == NULL)
		return;
	mem_free(window->orphan);
	mem_free(window->late);
	mem_free(window);
}

static bool has_size(const uint32_t *sizes, size_t count, bool unknown, uint32_t size)
{
	if (count == 0)
		return false;
	return unknown || size == UINT32_MAX ||
	       bsearch(&size, sizes, count, sizeof(size), compare_u32) != NULL;
}

bool plan_may_hide(const struct plan *plan, size_t row)
{
	const struct plan_window *window = plan->window;
	const struct journal_view *view = &plan->in.hidden.view;
	const uint32_t size = plan->in.src->size[row];
	const int64_t instant = plan->in.src->instant[row];
	bool compared, newer;

	if (window == NULL)
		return false;
	if (window->stranger != 0 && window->stranger >= view->seen)
		return true;
	compared = plan->in.hidden.same_selection && plan->in.src->uid[row] < view->src_uidnext;
	newer = view->seen != 0 && instant != DATE_UNKNOWN && instant >= view->time;
	if (compared)
		return false;
	if (!newer)
		return window->stranger != 0 ||
		       has_size(window->orphan, window->orphans, window->unknown_orphan, size);
	return has_size(window->late, window->lates, window->unknown_late, size);
}

bool plan_hides_strangers(const struct plan *plan)
{
	return plan->window != NULL && (plan->window->stranger != 0 || plan->window->orphans > 0);
}

/* Every message shown has a pair, or is another mailbox's. */
static bool is_all_paired(const struct plan *plan)
{
	for (size_t row = 0; row < plan->in.dst->count; row++)
		if (plan_claim(plan, row) == CLAIM_NONE || plan_claim(plan, row) == CLAIM_EXTRA)
			return false;
	return true;
}

/* Below what no message of the source is in doubt. */
static uint32_t compared_below(const struct plan *plan, uint32_t src_uidnext)
{
	for (size_t row = 0; row < plan->in.src->count; row++) {
		const enum plan_fate fate = plan_fate(plan, row);

		if (fate == FATE_UNKNOWN || fate == FATE_HIDDEN)
			return plan->in.src->uid[row];
	}
	return src_uidnext;
}

void plan_see(struct plan *plan, const struct journal_view *now)
{
	const struct plan_hidden *hidden = &plan->in.hidden;
	const uint32_t stranger = plan->window ? plan->window->stranger : 0;
	struct journal_view *view = &plan->view;

	*view = hidden->view;
	if (!plan->in.dst->complete || now->seen == 0)
		return;
	if (stranger == 0) {
		*view = *now;
		view->src_uidnext =
			plan->in.src->complete ? compared_below(plan, now->src_uidnext) : 0;
		view->clean = is_all_paired(plan) ? now->seen : hidden->view.clean;
	} else if (stranger >= view->seen) { /* only what comes from now on can be told from it */
		*view = *now;
		view->src_uidnext = 0;
		view->clean = hidden->view.clean;
	}
}
