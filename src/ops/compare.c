#include "ops/compare.h"

#include "base/mem.h"
#include "ops/select.h"

#define KEYS 5 /* of a message, the most telling first */

/* Rows of one side, sorted by all keys and then by UID. */
struct list {
	uint32_t *row;
	size_t count;
};

struct side {
	const struct compare_side *from;
	struct list selected, others;
	uint8_t *taken; /* a bit a row: by records; NULL = there are none */
	bool doubtful; /* it may have more than is in the lists */
};

struct comparing {
	const struct compare_request *request;
	struct compare_result *result;
	struct side a, b;
};

static int order(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static bool has_content(const struct snapshot *rows, size_t row)
{
	return rows->content != NULL && (rows->attr[row] & SNAPSHOT_HAS_CONTENT);
}

static struct digest128 content_of(const struct snapshot *rows, size_t row)
{
	return has_content(rows, row) ? rows->content[row] : (struct digest128){ { 0, 0 } };
}

static bool is_by_id(const struct compare_side *side, size_t row)
{
	return side->by != NULL && side->by[row] != COMPARE_BY_HEADERS;
}

static struct digest128 first_key(const struct compare_side *side, size_t row)
{
	return is_by_id(side, row) ? side->rows->id[row] : side->rows->digest[row];
}

/* By so many of the keys. */
static int compare_keys(const struct compare_side *side_a, uint32_t i,
	const struct compare_side *side_b, uint32_t k, unsigned keys)
{
	const struct snapshot *a = side_a->rows, *b = side_b->rows;
	int rc = digest128_compare(first_key(side_a, i), first_key(side_b, k));

	if (rc == 0 && keys > 1)
		rc = digest128_compare(content_of(a, i), content_of(b, k));
	if (rc == 0 && keys > 2)
		rc = order(a->size[i], b->size[k]);
	if (rc == 0 && keys > 3)
		rc = (a->instant[i] > b->instant[k]) - (a->instant[i] < b->instant[k]);
	if (rc == 0 && keys > 4)
		rc = order(a->flags[i], b->flags[k]);
	return rc;
}

static int compare_rows(const void *x, const void *y, void *context)
{
	const struct compare_side *side = context;
	const uint32_t i = *(const uint32_t *)x, k = *(const uint32_t *)y;
	const int rc = compare_keys(side, i, side, k, KEYS);

	return rc != 0 ? rc : order(i, k);
}

static int compare_digests(const void *x, const void *y, void *context)
{
	const struct snapshot *rows = context;

	return digest128_compare(
		rows->digest[*(const uint32_t *)x], rows->digest[*(const uint32_t *)y]);
}

static const struct snapshot *rows_a(const struct comparing *comparing)
{
	return comparing->request->a.rows;
}

static const struct snapshot *rows_b(const struct comparing *comparing)
{
	return comparing->request->b.rows;
}

static void count(struct compare_result *result, enum difference_kind kind, unsigned in)
{
	switch (kind) {
	case DIFFERENCE_MISSING:
		result->missing++;
		break;
	case DIFFERENCE_EXTRA:
		result->extra++;
		break;
	case DIFFERENCE_DOUBLED:
		result->doubled++;
		break;
	case DIFFERENCE_IN:
		result->differing++;
		for (unsigned bit = 0; bit < COMPARE_CHECKS; bit++)
			result->in[bit] += (in >> bit) & 1;
		break;
	case DIFFERENCE_UNKNOWN:
		result->unknown++;
		break;
	}
}

static void tell(
	struct comparing *comparing, enum difference_kind kind, unsigned in, uint32_t a, uint32_t b)
{
	const struct difference difference = { .kind = kind,
		.in = in,
		.a_row = a,
		.b_row = b,
		.a_uid = a != NO_ROW ? rows_a(comparing)->uid[a] : 0,
		.b_uid = b != NO_ROW ? rows_b(comparing)->uid[b] : 0 };

	count(comparing->result, kind, in);
	if (comparing->request->found != NULL)
		comparing->request->found(comparing->request->context, &difference);
}

static void judge_pair(
	struct comparing *comparing, uint32_t i, uint32_t k, enum compare_proof proof)
{
	const struct snapshot *a = rows_a(comparing), *b = rows_b(comparing);
	const bool no_date = a->instant[i] == DATE_UNKNOWN || b->instant[k] == DATE_UNKNOWN;
	const bool no_size = a->size[i] == UINT32_MAX || b->size[k] == UINT32_MAX;
	const bool no_content = !has_content(a, i) || !has_content(b, k);
	unsigned in = 0, unknown = 0;

	in |= a->flags[i] != b->flags[k] ? COMPARE_FLAGS : 0;
	if (no_date)
		unknown |= COMPARE_DATE;
	else if (a->instant[i] != b->instant[k])
		in |= COMPARE_DATE;
	if (no_size)
		unknown |= COMPARE_SIZE;
	else if (a->size[i] != b->size[k])
		in |= COMPARE_SIZE;
	if (no_content)
		unknown |= COMPARE_CONTENT;
	else if (!digest128_equal(a->content[i], b->content[k]))
		in |= COMPARE_CONTENT;
	if (!((in | unknown) & COMPARE_CONTENT))
		proof = PROOF_CONTENT;
	else if (proof == PROOF_DIGEST && is_by_id(&comparing->request->a, i) &&
		 is_by_id(&comparing->request->b, k))
		proof = PROOF_ID;
	else if (proof == PROOF_DIGEST && ((in | unknown) & COMPARE_SIZE))
		proof = PROOF_HEADER;
	comparing->result->proved[proof]++;
	in &= comparing->request->check;
	unknown &= comparing->request->check;
	if (in != 0)
		tell(comparing, DIFFERENCE_IN, in, i, k);
	if (unknown != 0)
		tell(comparing, DIFFERENCE_UNKNOWN, unknown, i, k);
	if (in == 0 && unknown == 0)
		comparing->result->equal++;
}

/* Pairs what agrees in so many keys; what is left stays in the lists, in order. */
static void merge(struct comparing *comparing, struct list *a, struct list *b, unsigned keys)
{
	size_t i = 0, j = 0, left_a = 0, left_b = 0;

	while (i < a->count && j < b->count) {
		const int rc = compare_keys(
			&comparing->request->a, a->row[i], &comparing->request->b, b->row[j], keys);

		if (rc == 0)
			judge_pair(comparing, a->row[i++], b->row[j++], PROOF_DIGEST);
		else if (rc < 0)
			a->row[left_a++] = a->row[i++];
		else
			b->row[left_b++] = b->row[j++];
	}
	while (i < a->count)
		a->row[left_a++] = a->row[i++];
	while (j < b->count)
		b->row[left_b++] = b->row[j++];
	a->count = left_a;
	b->count = left_b;
}

static void pair_lists(struct comparing *comparing, struct list *a, struct list *b)
{
	for (unsigned keys = KEYS; keys > 0; keys--)
		merge(comparing, a, b, keys);
}

/* ---- the two sides ---- */

static bool is_selected(const struct compare_side *from, size_t row)
{
	return from->reason == NULL || from->reason[row] == SELECT_YES;
}

static bool is_taken(const struct side *side, size_t row)
{
	return side->taken != NULL && (side->taken[row / 8] >> (row % 8)) & 1;
}

static void take(struct side *side, size_t row)
{
	side->taken[row / 8] |= (uint8_t)(1u << (row % 8));
}

static void sort(struct list *list, const struct compare_side *side)
{
	if (list->count > 1)
		qsort_r(list->row, list->count, sizeof(*list->row), compare_rows,
			(void *)(uintptr_t)side);
}

static void sort_digests(struct list *list, const struct snapshot *rows)
{
	if (list->count > 1)
		qsort_r(list->row, list->count, sizeof(*list->row), compare_digests,
			(void *)(uintptr_t)rows);
}

static bool has_digest(const struct snapshot *rows, size_t row)
{
	return rows->digest != NULL && (rows->attr[row] & SNAPSHOT_HAS_DIGEST);
}

static bool has_key(const struct compare_side *side, size_t row)
{
	return is_by_id(side, row) || has_digest(side->rows, row);
}

/* Messages without digest are told as unknown at once. */
static void fill(struct comparing *comparing, struct side *side)
{
	const bool is_a = side == &comparing->a;
	const struct snapshot *rows = side->from->rows;

	side->selected.row = mem_array(rows->count + 1, sizeof(uint32_t));
	side->others.row = mem_array(rows->count + 1, sizeof(uint32_t));
	side->doubtful = !rows->complete;
	for (uint32_t row = 0; row < rows->count; row++) {
		const bool selected = is_selected(side->from, row);
		struct list *list = selected ? &side->selected : &side->others;

		if (is_taken(side, row))
			continue;
		if (has_key(side->from, row)) {
			list->row[list->count++] = row;
			continue;
		}
		side->doubtful = true;
		if (selected)
			tell(comparing, DIFFERENCE_UNKNOWN, 0, is_a ? row : NO_ROW,
				is_a ? NO_ROW : row);
	}
	sort(&side->selected, side->from);
	sort(&side->others, side->from);
}

static uint64_t count_selected(const struct compare_side *from)
{
	uint64_t selected = 0;

	for (size_t row = 0; row < from->rows->count; row++)
		selected += is_selected(from, row);
	return selected;
}

/* A server that was put in an old one's place may give its UIDs to other messages. */
static bool is_believed(const struct compare_request *request, const struct compare_record *record)
{
	return !has_key(&request->a, record->a) || !has_key(&request->b, record->b) ||
	       digest128_equal(
		       first_key(&request->a, record->a), first_key(&request->b, record->b));
}

static void pair_records(struct comparing *comparing)
{
	const struct compare_request *request = comparing->request;

	if (request->records == 0)
		return;
	comparing->a.taken = mem_alloc(request->a.rows->count / 8 + 1);
	comparing->b.taken = mem_alloc(request->b.rows->count / 8 + 1);
	for (size_t i = 0; i < request->records; i++) {
		const struct compare_record *record = &request->record[i];
		const bool wanted = is_selected(&request->a, record->a) ||
				    (!request->no_extra && is_selected(&request->b, record->b));

		if (!is_believed(request, record))
			continue;
		take(&comparing->a, record->a);
		take(&comparing->b, record->b);
		if (wanted)
			judge_pair(comparing, record->a, record->b, PROOF_RECORD);
	}
}

/* All rows of a that have a header digest, by it. */
static void list_digests(struct comparing *comparing, struct list *out)
{
	const struct snapshot *a = rows_a(comparing);

	out->row = mem_array(a->count + 1, sizeof(uint32_t));
	for (uint32_t row = 0; row < a->count; row++) {
		if (has_digest(a, row))
			out->row[out->count++] = row;
		else if (is_by_id(&comparing->request->a, row))
			comparing->result->headers_wanted = true;
	}
	comparing->a.doubtful |= comparing->result->headers_wanted;
	sort_digests(out, a);
}

/* Takes out what has an id and no header digest: nobody knows whether it is doubled. */
static void drop_undigested(struct comparing *comparing, struct list *left)
{
	size_t kept = 0;

	for (size_t i = 0; i < left->count; i++) {
		const uint32_t row = left->row[i];

		if (has_digest(rows_b(comparing), row)) {
			left->row[kept++] = row;
			continue;
		}
		comparing->result->headers_wanted = true;
		tell(comparing, DIFFERENCE_UNKNOWN, 0, NO_ROW, row);
	}
	left->count = kept;
	sort_digests(left, rows_b(comparing));
}

/* What only b has: whether a has one of its digest, which has its counterpart then. */
static void tell_left_of_b(struct comparing *comparing)
{
	const struct snapshot *a = rows_a(comparing), *b = rows_b(comparing);
	struct list *left = &comparing->b.selected;
	struct list all = { 0 };
	size_t at = 0;

	if (left->count == 0)
		return;
	list_digests(comparing, &all);
	if (a->count > 0)
		drop_undigested(comparing, left);
	for (size_t i = 0; i < left->count; i++) {
		const uint32_t row = left->row[i];
		int rc = -1;

		while (at < all.count &&
			(rc = digest128_compare(a->digest[all.row[at]], b->digest[row])) < 0)
			at++;
		if (at == all.count)
			rc = 1;
		if (rc == 0)
			tell(comparing, DIFFERENCE_DOUBLED, 0, NO_ROW, row);
		else
			tell(comparing,
				comparing->a.doubtful ? DIFFERENCE_UNKNOWN : DIFFERENCE_EXTRA, 0,
				NO_ROW, row);
	}
	mem_free(all.row);
}

static void release(struct side *side)
{
	mem_free(side->selected.row);
	mem_free(side->others.row);
	mem_free(side->taken);
}

void compare_boxes(const struct compare_request *request, struct compare_result *out)
{
	struct comparing comparing = { .request = request,
		.result = out,
		.a = { .from = &request->a },
		.b = { .from = &request->b } };
	struct side *a = &comparing.a, *b = &comparing.b;

	*out = (struct compare_result){ 0 };
	out->a = count_selected(&request->a);
	out->b = count_selected(&request->b);
	pair_records(&comparing);
	fill(&comparing, a);
	fill(&comparing, b);
	pair_lists(&comparing, &a->selected, &b->selected);
	pair_lists(&comparing, &a->selected, &b->others);
	if (!request->no_extra)
		pair_lists(&comparing, &a->others, &b->selected);
	for (size_t i = 0; i < a->selected.count; i++)
		tell(&comparing, b->doubtful ? DIFFERENCE_UNKNOWN : DIFFERENCE_MISSING, 0,
			a->selected.row[i], NO_ROW);
	if (!request->no_extra)
		tell_left_of_b(&comparing);
	release(a);
	release(b);
}
