#include "ops/compare.h"

#include "base/mem.h"
#include "ops/select.h"

#define KEYS 5 /* of an entry, the most telling first */

struct entry {
	struct digest128 digest, content;
	int64_t instant;
	uint32_t size, uid;
	flags_t flags;
	bool has_content;
};

struct list {
	struct entry *entry;
	size_t count;
};

struct side {
	struct list selected, others;
	bool doubtful; /* it may have more than is in the lists */
};

struct comparing {
	const struct compare_request *request;
	struct compare_result *result;
};

static int order(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

/* By so many of the keys. */
static int compare_keys(const struct entry *a, const struct entry *b, unsigned keys)
{
	int rc = digest128_compare(a->digest, b->digest);

	if (rc == 0 && keys > 1)
		rc = digest128_compare(a->content, b->content);
	if (rc == 0 && keys > 2)
		rc = order(a->size, b->size);
	if (rc == 0 && keys > 3)
		rc = (a->instant > b->instant) - (a->instant < b->instant);
	if (rc == 0 && keys > 4)
		rc = order(a->flags, b->flags);
	return rc;
}

static int compare_entries(const void *x, const void *y)
{
	const struct entry *a = x, *b = y;
	int rc = compare_keys(a, b, KEYS);

	return rc != 0 ? rc : order(a->uid, b->uid);
}

static void tell(struct comparing *comparing, enum difference_kind kind, unsigned in,
	uint32_t a_uid, uint32_t b_uid)
{
	const struct difference difference = {
		.kind = kind, .in = in, .a_uid = a_uid, .b_uid = b_uid
	};
	struct compare_result *result = comparing->result;

	switch (kind) {
	case DIFFERENCE_MISSING:
		result->missing++;
		break;
	case DIFFERENCE_EXTRA:
		result->extra++;
		break;
	case DIFFERENCE_IN:
		result->differing++;
		result->in_flags += (in & COMPARE_FLAGS) != 0;
		result->in_date += (in & COMPARE_DATE) != 0;
		result->in_size += (in & COMPARE_SIZE) != 0;
		result->in_content += (in & COMPARE_CONTENT) != 0;
		break;
	case DIFFERENCE_UNKNOWN:
		result->unknown++;
		break;
	}
	if (comparing->request->found != NULL)
		comparing->request->found(comparing->request->context, &difference);
}

static void judge_pair(struct comparing *comparing, const struct entry *a, const struct entry *b)
{
	const bool no_date = a->instant == DATE_UNKNOWN || b->instant == DATE_UNKNOWN;
	const bool no_size = a->size == UINT32_MAX || b->size == UINT32_MAX;
	const bool no_content = !a->has_content || !b->has_content;
	unsigned in = 0, unknown = 0;

	in |= a->flags != b->flags ? COMPARE_FLAGS : 0;
	if (no_date)
		unknown |= COMPARE_DATE;
	else if (a->instant != b->instant)
		in |= COMPARE_DATE;
	if (no_size)
		unknown |= COMPARE_SIZE;
	else if (a->size != b->size)
		in |= COMPARE_SIZE;
	if (no_content)
		unknown |= COMPARE_CONTENT;
	else if (!digest128_equal(a->content, b->content))
		in |= COMPARE_CONTENT;
	in &= comparing->request->check;
	unknown &= comparing->request->check;
	if (in != 0)
		tell(comparing, DIFFERENCE_IN, in, a->uid, b->uid);
	if (unknown != 0)
		tell(comparing, DIFFERENCE_UNKNOWN, unknown, a->uid, b->uid);
	if (in == 0 && unknown == 0)
		comparing->result->equal++;
}

/* Pairs what agrees in so many keys; what is left stays in the lists, in order. */
static void merge(struct comparing *comparing, struct list *a, struct list *b, unsigned keys)
{
	size_t i = 0, j = 0, left_a = 0, left_b = 0;

	while (i < a->count && j < b->count) {
		const int rc = compare_keys(&a->entry[i], &b->entry[j], keys);

		if (rc == 0)
			judge_pair(comparing, &a->entry[i++], &b->entry[j++]);
		else if (rc < 0)
			a->entry[left_a++] = a->entry[i++];
		else
			b->entry[left_b++] = b->entry[j++];
	}
	while (i < a->count)
		a->entry[left_a++] = a->entry[i++];
	while (j < b->count)
		b->entry[left_b++] = b->entry[j++];
	a->count = left_a;
	b->count = left_b;
}

static void pair_lists(struct comparing *comparing, struct list *a, struct list *b)
{
	for (unsigned keys = KEYS; keys > 0; keys--)
		merge(comparing, a, b, keys);
}

static void add(struct list *list, const struct snapshot *rows, size_t row, bool content)
{
	struct entry *entry = &list->entry[list->count++];

	*entry = (struct entry){ .digest = rows->digest[row],
		.instant = rows->instant[row],
		.size = rows->size[row],
		.uid = rows->uid[row],
		.flags = rows->flags[row] };
	if (content && rows->content != NULL && (rows->attr[row] & SNAPSHOT_HAS_CONTENT)) {
		entry->content = rows->content[row];
		entry->has_content = true;
	}
}

static void sort(struct list *list)
{
	if (list->count > 1)
		qsort(list->entry, list->count, sizeof(*list->entry), compare_entries);
}

/* Messages without digest are told as unknown at once. */
static void fill(struct comparing *comparing, const struct compare_side *from, bool is_a,
	struct side *side, uint64_t *selected_out)
{
	const struct snapshot *rows = from->rows;
	const bool content = (comparing->request->check & COMPARE_CONTENT) != 0;

	side->selected.entry = mem_array(rows->count + 1, sizeof(struct entry));
	side->others.entry = mem_array(rows->count + 1, sizeof(struct entry));
	side->doubtful = !rows->complete;
	for (size_t row = 0; row < rows->count; row++) {
		const bool selected = from->reason == NULL || from->reason[row] == SELECT_YES;

		*selected_out += selected;
		if (rows->digest != NULL && (rows->attr[row] & SNAPSHOT_HAS_DIGEST)) {
			add(selected ? &side->selected : &side->others, rows, row, content);
			continue;
		}
		side->doubtful = true;
		if (selected)
			tell(comparing, DIFFERENCE_UNKNOWN, 0, is_a ? rows->uid[row] : 0,
				is_a ? 0 : rows->uid[row]);
	}
	sort(&side->selected);
	sort(&side->others);
}

static void release(struct side *side)
{
	mem_free(side->selected.entry);
	mem_free(side->others.entry);
}

void compare_boxes(const struct compare_request *request, struct compare_result *out)
{
	struct comparing comparing = { .request = request, .result = out };
	struct side a = { 0 }, b = { 0 };

	*out = (struct compare_result){ 0 };
	fill(&comparing, &request->a, true, &a, &out->a);
	fill(&comparing, &request->b, false, &b, &out->b);
	pair_lists(&comparing, &a.selected, &b.selected);
	pair_lists(&comparing, &a.selected, &b.others);
	if (!request->no_extra)
		pair_lists(&comparing, &a.others, &b.selected);
	for (size_t i = 0; i < a.selected.count; i++)
		tell(&comparing, b.doubtful ? DIFFERENCE_UNKNOWN : DIFFERENCE_MISSING, 0,
			a.selected.entry[i].uid, 0);
	for (size_t i = 0; i < b.selected.count && !request->no_extra; i++)
		tell(&comparing, a.doubtful ? DIFFERENCE_UNKNOWN : DIFFERENCE_EXTRA, 0, 0,
			b.selected.entry[i].uid);
	release(&a);
	release(&b);
}
