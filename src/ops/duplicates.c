/* Rows are put in an order in which the same ones stand side by side; runs of them are looked at one by one. */
#include "ops/duplicates.h"

#include "base/mem.h"
#include "mail/date.h"

struct work {
	struct duplicate *rows;
	const struct duplicates_policy *policy;
	uint32_t *order; /* rows that can be duplicates at all */
	size_t count;
};

struct run { /* of order */
	size_t first, count;
};

static int compare_u64(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

/* Date and mailbox, as far as they count. */
static int compare_scope(
	const struct work *work, const struct duplicate *a, const struct duplicate *b)
{
	if (!work->policy->across && a->box != b->box)
		return compare_u64(a->box, b->box);
	if (work->policy->with_date && a->instant != b->instant)
		return (a->instant > b->instant) - (a->instant < b->instant);
	return 0;
}

static int compare_keys(
	const struct work *work, const struct duplicate *a, const struct duplicate *b)
{
	const int by_key = digest128_compare(a->key, b->key);

	return by_key ? by_key : compare_scope(work, a, b);
}

/* Rows come in the order of their places. */
static int by_key(const void *a, const void *b, void *context)
{
	const struct work *work = context;
	const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	const int by_keys = compare_keys(work, &work->rows[x], &work->rows[y]);

	return by_keys ? by_keys : compare_u64(x, y);
}

static int by_content(const void *a, const void *b, void *context)
{
	const struct work *work = context;
	const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	const int by_contents = digest128_compare(work->rows[x].content, work->rows[y].content);

	return by_contents ? by_contents : compare_u64(x, y);
}

static void begin(struct work *work, struct duplicate *rows, size_t count,
	const struct duplicates_policy *policy)
{
	*work = (struct work){ .rows = rows, .policy = policy };
	work->order = mem_array(count + 1, sizeof(*work->order));
	for (size_t i = 0; i < count; i++) {
		rows[i].kept = DUPLICATE_STAYS;
		rows[i].attr &= (uint8_t) ~(unsigned)DUPLICATE_KEPT;
		if (!(rows[i].attr & DUPLICATE_HAS_KEY) ||
			(policy->with_date && rows[i].instant == DATE_UNKNOWN))
			continue;
		work->order[work->count++] = (uint32_t)i;
	}
	qsort_r(work->order, work->count, sizeof(*work->order), by_key, work);
}

static struct duplicate *row(const struct work *work, size_t at)
{
	return &work->rows[work->order[at]];
}

/* The next rows with equal keys, two and more; false = there are no more. */
static bool next_run(const struct work *work, struct run *run)
{
	for (size_t at = run->first + run->count; at < work->count; at += run->count) {
		size_t end = at + 1;

		while (end < work->count && compare_keys(work, row(work, at), row(work, end)) == 0)
			end++;
		*run = (struct run){ at, end - at };
		if (run->count > 1)
			return true;
	}
	return false;
}

static bool needs_content(const struct work *work, const struct run *run)
{
	const struct duplicates_policy *policy = work->policy;
	const uint32_t size = row(work, run->first)->size;

	if (policy->verify || policy->by == DUPLICATES_BY_CONTENT)
		return true;
	if (policy->by != DUPLICATES_BY_AUTO)
		return false;
	for (size_t i = run->first; i < run->first + run->count; i++) {
		if (!(row(work, i)->attr & DUPLICATE_HAS_MESSAGE_ID) ||
			row(work, i)->size != size || size == UINT32_MAX)
			return true;
	}
	return false;
}

/* What is marked as deleted all over is nobody's to decide. */
static bool is_alive(const struct work *work, const struct run *run)
{
	for (size_t i = run->first; i < run->first + run->count; i++)
		if (!(row(work, i)->attr & DUPLICATE_DELETED))
			return true;
	return false;
}

size_t duplicates_ask(struct duplicate *rows, size_t count, const struct duplicates_policy *policy)
{
	struct work work;
	struct run run = { 0, 0 };
	size_t asked = 0;

	begin(&work, rows, count, policy);
	while (next_run(&work, &run)) {
		if (!is_alive(&work, &run) || !needs_content(&work, &run))
			continue;
		for (size_t i = run.first; i < run.first + run.count; i++)
			row(&work, i)->attr |= DUPLICATE_ASKED;
		asked += run.count;
	}
	mem_free(work.order);
	return asked;
}

/* Whether b is to stay rather than a, which comes before it. */
static bool is_better(const struct work *work, const struct duplicate *a, const struct duplicate *b)
{
	if ((a->attr ^ b->attr) & DUPLICATE_DELETED)
		return a->attr & DUPLICATE_DELETED;
	switch (work->policy->keep) {
	case DUPLICATES_KEEP_FIRST:
		return false;
	case DUPLICATES_KEEP_LAST:
		return true;
	case DUPLICATES_KEEP_FLAGGED:
		return !(a->attr & DUPLICATE_FLAGGED) && (b->attr & DUPLICATE_FLAGGED);
	case DUPLICATES_KEEP_LARGEST:
		return b->size > a->size;
	}
	return false;
}

/* Rows that are the same, in the order of their places. */
static void decide_same(const struct work *work, const struct run *run, struct duplicates_sum *sum)
{
	uint32_t best = work->order[run->first];

	for (size_t i = run->first + 1; i < run->first + run->count; i++)
		if (is_better(work, &work->rows[best], row(work, i)))
			best = work->order[i];
	if (work->rows[best].attr & DUPLICATE_DELETED)
		return;
	for (size_t i = run->first; i < run->first + run->count; i++)
		row(work, i)->kept = best;
	work->rows[best].kept = DUPLICATE_STAYS;
	work->rows[best].attr |= DUPLICATE_KEPT;
	sum->groups++;
	sum->copies += run->count - 1;
}

static void decide_by_content(
	struct work *work, const struct run *whole, struct duplicates_sum *sum)
{
	const size_t end = whole->first + whole->count;
	struct run run = { whole->first, 0 };

	qsort_r(&work->order[whole->first], whole->count, sizeof(*work->order), by_content, work);
	for (; run.first < end; run.first += run.count) {
		const struct duplicate *first = row(work, run.first);

		run.count = 1;
		while (run.first + run.count < end &&
			digest128_equal(row(work, run.first + run.count)->content, first->content))
			run.count++;
		if (!(first->attr & DUPLICATE_HAS_CONTENT) || run.count == 1)
			sum->differing += run.count;
		else
			decide_same(work, &run, sum);
	}
}

/* Unknown content is all zero, which nothing known is: it makes a run of its own. */
static void forget_unknown(struct duplicate *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!(rows[i].attr & DUPLICATE_HAS_CONTENT) || !digest128_known(rows[i].content)) {
			rows[i].content = (struct digest128){ { 0, 0 } };
			rows[i].attr &= (uint8_t) ~(unsigned)DUPLICATE_HAS_CONTENT;
		}
	}
}

void duplicates_decide(struct duplicate *rows, size_t count, const struct duplicates_policy *policy,
	struct duplicates_sum *sum)
{
	struct work work;
	struct run run = { 0, 0 };

	*sum = (struct duplicates_sum){ 0 };
	forget_unknown(rows, count);
	begin(&work, rows, count, policy);
	while (next_run(&work, &run)) {
		if (!is_alive(&work, &run))
			continue;
		if (needs_content(&work, &run))
			decide_by_content(&work, &run, sum);
		else
			decide_same(&work, &run, sum);
	}
	mem_free(work.order);
}
