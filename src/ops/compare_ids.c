/* Which messages of two mailboxes their ids tell apart. */
#include "ops/compare.h"

#include "base/mem.h"

#include <stdlib.h>

struct ids { /* rows with an id, by id and size */
	const struct snapshot *rows;
	uint32_t *row;
	size_t count;
	uint8_t *out;
};

static int by_id(const void *x, const void *y, void *context)
{
	const struct snapshot *rows = context;
	const uint32_t i = *(const uint32_t *)x, k = *(const uint32_t *)y;
	const int rc = digest128_compare(rows->id[i], rows->id[k]);

	return rc != 0 ? rc : (rows->size[i] > rows->size[k]) - (rows->size[i] < rows->size[k]);
}

static bool has_id(const struct snapshot *rows, size_t row)
{
	return rows->id != NULL && (rows->attr[row] & SNAPSHOT_HAS_ID);
}

static struct ids gather(const struct snapshot *rows, uint8_t *out)
{
	struct ids ids = { .rows = rows, .out = out };

	ids.row = mem_array(rows->count + 1, sizeof(*ids.row));
	for (uint32_t row = 0; row < rows->count; row++) {
		out[row] = COMPARE_BY_HEADERS;
		if (has_id(rows, row))
			ids.row[ids.count++] = row;
	}
	if (ids.count > 1)
		qsort_r(ids.row, ids.count, sizeof(*ids.row), by_id, (void *)(uintptr_t)rows);
	return ids;
}

static struct digest128 id_at(const struct ids *ids, size_t at)
{
	return ids->rows->id[ids->row[at]];
}

static uint32_t size_at(const struct ids *ids, size_t at)
{
	return ids->rows->size[ids->row[at]];
}

/* Behind the last with the same id. */
static size_t group_end(const struct ids *ids, size_t at)
{
	size_t end = at + 1;

	while (end < ids->count && digest128_equal(id_at(ids, end), id_at(ids, at)))
		end++;
	return end;
}

static void mark(struct ids *ids, size_t at, size_t end)
{
	for (; at < end; at++)
		ids->out[ids->row[at]] = COMPARE_BY_ID;
}

/* So many on both sides, and all of one size. */
static bool agree(
	const struct ids *a, size_t i, size_t i_end, const struct ids *b, size_t k, size_t k_end)
{
	const uint32_t size = size_at(a, i);

	return i_end - i == k_end - k && size != UINT32_MAX && size_at(a, i_end - 1) == size &&
	       size_at(b, k) == size && size_at(b, k_end - 1) == size;
}

static void settle(struct ids *a, struct ids *b)
{
	size_t i = 0, k = 0;

	while (i < a->count && k < b->count) {
		const int rc = digest128_compare(id_at(a, i), id_at(b, k));
		const size_t i_end = rc <= 0 ? group_end(a, i) : i;
		const size_t k_end = rc >= 0 ? group_end(b, k) : k;

		if (rc == 0 && agree(a, i, i_end, b, k, k_end)) {
			mark(a, i, i_end);
			mark(b, k, k_end);
		}
		i = i_end;
		k = k_end;
	}
}

static size_t count_open(const struct ids *ids)
{
	size_t open = 0;

	for (size_t row = 0; row < ids->rows->count; row++)
		open += ids->out[row] == COMPARE_BY_HEADERS;
	return open;
}

static void mark_alone(struct ids *ids)
{
	for (size_t i = 0; i < ids->count; i++)
		if (ids->out[ids->row[i]] == COMPARE_BY_HEADERS)
			ids->out[ids->row[i]] = COMPARE_ALONE;
}

void compare_by_ids(
	const struct snapshot *a, const struct snapshot *b, uint8_t *a_out, uint8_t *b_out)
{
	struct ids ids_a = gather(a, a_out), ids_b = gather(b, b_out);
	size_t open_a, open_b;

	settle(&ids_a, &ids_b);
	open_a = count_open(&ids_a);
	open_b = count_open(&ids_b);
	if (open_b == 0)
		mark_alone(&ids_a);
	if (open_a == 0)
		mark_alone(&ids_b);
	mem_free(ids_a.row);
	mem_free(ids_b.row);
}
