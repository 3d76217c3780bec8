/* Sets of UIDs as sorted, disjoint ranges: parsing, merging, printing. */
#include "mail/uidset.h"

#include "base/arena.h"
#include "base/buf.h"

#define ROOM_FIRST 8

static void push(struct uidset *set, struct arena *arena, uint32_t first, uint32_t last)
{
	if (set->count == set->room) {
		size_t room = set->room ? set->room * 2 : ROOM_FIRST;

		set->range = arena_grow(arena, set->range, set->room, room, sizeof(*set->range));
		set->room = room;
	}
	set->range[set->count++] = (struct uid_range){ first, last };
}

/* seq-number = nz-number / "*" (RFC 3501 §9). Advances *at. */
static int parse_number(struct span text, size_t *at, uint32_t *out)
{
	size_t i = *at;
	uint64_t value = 0;

	if (i < text.len && text.data[i] == '*') {
		*at = i + 1;
		*out = UINT32_MAX;
		return 0;
	}
	for (; i < text.len && text.data[i] >= '0' && text.data[i] <= '9'; i++) {
		value = value * 10 + (uint64_t)(text.data[i] - '0');
		if (value > UINT32_MAX)
			return -1;
	}
	if (value == 0)
		return -1;
	*at = i;
	*out = (uint32_t)value;
	return 0;
}

/* sequence-set = (seq-number / seq-range) *("," sequence-set) */
int uidset_parse_ordered(struct span text, struct arena *arena, struct uidset *out)
{
	struct uidset set = { 0 };
	size_t at = 0;

	for (;;) {
		uint32_t first, last;

		if (parse_number(text, &at, &first) < 0)
			return -1;
		last = first;
		if (at < text.len && text.data[at] == ':') {
			at++;
			if (parse_number(text, &at, &last) < 0)
				return -1;
		}
		if (set.count == UIDSET_RANGES_MAX)
			return -1;
		/* RFC 3501 §9: 4:2 and 2:4 are the same; RFC 4315 §3: a uid-set is in ascending order. */
		push(&set, arena, first < last ? first : last, first < last ? last : first);
		if (at == text.len)
			break;
		if (text.data[at++] != ',')
			return -1;
	}
	*out = set;
	return 0;
}

static int compare_ranges(const void *a, const void *b)
{
	const struct uid_range *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

static bool is_sorted(const struct uidset *set)
{
	for (size_t i = 1; i < set->count; i++) {
		if (set->range[i].first < set->range[i - 1].first)
			return false;
	}
	return true;
}

static bool touches(struct uid_range low, uint32_t first)
{
	return low.last == UINT32_MAX || first <= low.last + 1;
}

int uidset_parse(struct span text, struct arena *arena, struct uidset *out)
{
	struct uidset set;
	size_t kept = 0;

	if (uidset_parse_ordered(text, arena, &set) < 0)
		return -1;
	if (!is_sorted(&set))
		qsort(set.range, set.count, sizeof(*set.range), compare_ranges);
	for (size_t i = 1; i < set.count; i++) {
		struct uid_range range = set.range[i];

		if (!touches(set.range[kept], range.first))
			set.range[++kept] = range;
		else if (range.last > set.range[kept].last)
			set.range[kept].last = range.last;
	}
	set.count = kept + 1;
	*out = set;
	return 0;
}

/* Index of the first range that ends at or behind uid. */
static size_t find_range(const struct uidset *set, uint32_t uid)
{
	size_t low = 0, high = set->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (set->range[mid].last < uid)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static void insert(struct uidset *set, struct arena *arena, uint32_t first, uint32_t last)
{
	/* Ranges that overlap or touch first..last: from..to (exclusive). */
	size_t from = find_range(set, first > 1 ? first - 1 : first);
	size_t to = from;

	while (to < set->count && (last == UINT32_MAX || set->range[to].first <= last + 1))
		to++;
	if (from == to) {
		push(set, arena, 0, 0);
		memmove(&set->range[from + 1], &set->range[from],
			(set->count - 1 - from) * sizeof(*set->range));
		set->range[from] = (struct uid_range){ first, last };
		return;
	}
	if (first < set->range[from].first)
		set->range[from].first = first;
	if (set->range[to - 1].last > last)
		last = set->range[to - 1].last;
	set->range[from].last = last;
	memmove(&set->range[from + 1], &set->range[to], (set->count - to) * sizeof(*set->range));
	set->count -= to - from - 1;
}

void uidset_add(struct uidset *set, struct arena *arena, uint32_t first, uint32_t last)
{
	struct uid_range *tail = set->count > 0 ? &set->range[set->count - 1] : NULL;

	if (first > last) {
		uint32_t turned = first;

		first = last;
		last = turned;
	}
	if (first == 0)
		first = 1; /* there is no UID 0 */
	if (last == 0)
		return;
	if (set->count == 0 || (tail->last < first && tail->last + 1 < first))
		push(set, arena, first, last);
	else if (first >= tail->first && touches(*tail, first))
		tail->last = last > tail->last ? last : tail->last;
	else
		insert(set, arena, first, last);
}

void uidset_add_set(struct uidset *set, struct arena *arena, const struct uidset *more)
{
	for (size_t i = 0; i < more->count; i++)
		uidset_add(set, arena, more->range[i].first, more->range[i].last);
}

struct uidset uidset_common(const struct uidset *a, const struct uidset *b, struct arena *arena)
{
	struct uidset out = { 0 };

	for (size_t i = 0, k = 0; i < a->count && k < b->count;) {
		const struct uid_range x = a->range[i], y = b->range[k];
		const uint32_t first = x.first > y.first ? x.first : y.first;
		const uint32_t last = x.last < y.last ? x.last : y.last;

		if (first <= last)
			uidset_add(&out, arena, first, last);
		if (x.last < y.last)
			i++;
		else
			k++;
	}
	return out;
}

struct uidset uidset_without(const struct uidset *a, const struct uidset *b, struct arena *arena)
{
	struct uidset out = { 0 };
	size_t k = 0;

	for (size_t i = 0; i < a->count; i++) {
		uint64_t next = a->range[i].first;
		const uint32_t last = a->range[i].last;

		while (k < b->count && b->range[k].last < next)
			k++;
		for (size_t n = k; n < b->count && b->range[n].first <= last; n++) {
			if (b->range[n].first > next)
				uidset_add(&out, arena, (uint32_t)next, b->range[n].first - 1);
			if (b->range[n].last >= next)
				next = (uint64_t)b->range[n].last + 1;
		}
		if (next <= last)
			uidset_add(&out, arena, (uint32_t)next, last);
	}
	return out;
}

bool uidset_has(const struct uidset *set, uint32_t uid)
{
	size_t i = find_range(set, uid);

	return i < set->count && set->range[i].first <= uid && uid != 0;
}

uint64_t uidset_size(const struct uidset *set)
{
	uint64_t size = 0;

	for (size_t i = 0; i < set->count; i++)
		size += (uint64_t)set->range[i].last - set->range[i].first + 1;
	return size;
}

uint32_t uidset_at(const struct uidset *set, uint64_t n)
{
	for (size_t i = 0; i < set->count; i++) {
		uint64_t size = (uint64_t)set->range[i].last - set->range[i].first + 1;

		if (n < size)
			return set->range[i].first + (uint32_t)n;
		n -= size;
	}
	return 0;
}

static size_t print_range(struct uid_range range, bool comma, char out[32])
{
	int len;

	if (range.first == range.last)
		len = snprintf(out, 32, "%s%u", comma ? "," : "", range.first);
	else
		len = snprintf(out, 32, "%s%u:%u", comma ? "," : "", range.first, range.last);
	return (size_t)len;
}

bool uidset_print(const struct uidset *set, size_t *next, size_t max_len, struct buf *out)
{
	size_t written = 0;

	while (*next < set->count) {
		char text[32];
		size_t len = print_range(set->range[*next], written > 0, text);

		if (written > 0 && written + len > max_len)
			break;
		if (buf_add(out, span_make(text, len)) < 0)
			break;
		written += len;
		(*next)++;
	}
	return written > 0;
}
