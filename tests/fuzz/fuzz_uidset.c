/* Any text as a sequence set: what is taken is sorted and disjoint, the same when printed in pieces and read again, and like a plain bit map. */
#include "mail/uidset.h"

#include "base/arena.h"
#include "base/buf.h"

#define BITS 512
#define PRINT_MAX (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void check_order(const struct uidset *set)
{
	for (size_t i = 0; i < set->count; i++) {
		must(set->range[i].first > 0 && set->range[i].first <= set->range[i].last);
		must(i == 0 || set->range[i - 1].last + 1 < set->range[i].first);
	}
}

static void check_same(const struct uidset *a, const struct uidset *b)
{
	must(a->count == b->count);
	for (size_t i = 0; i < a->count; i++)
		must(a->range[i].first == b->range[i].first &&
			a->range[i].last == b->range[i].last);
}

/* Printed in pieces of at most max_len octets, each a set of its own, and put together again. */
static void check_printed(const struct uidset *set, size_t max_len, struct arena *arena)
{
	struct uidset again = { 0 }, piece;
	struct buf text;
	size_t next = 0;

	buf_init(&text, PRINT_MAX);
	while (uidset_print(set, &next, max_len, &text)) {
		must(uidset_parse(buf_span(&text), arena, &piece) == 0);
		for (size_t i = 0; i < piece.count; i++)
			uidset_add(&again, arena, piece.range[i].first, piece.range[i].last);
		buf_clear(&text);
	}
	check_same(set, &again);
	buf_release(&text);
}

/* Ranges added in the order written, into the set and into a map of the first UIDs. */
static void check_added(const struct uidset *ordered, const struct uidset *set, struct arena *arena)
{
	struct uidset added = { 0 };
	bool bits[BITS] = { false };

	for (size_t i = 0; i < ordered->count; i++) {
		const struct uid_range *range = &ordered->range[i];

		uidset_add(&added, arena, range->first, range->last);
		for (uint32_t uid = range->first; uid < BITS && uid <= range->last; uid++)
			bits[uid] = true;
	}
	check_same(set, &added);
	for (uint32_t uid = 0; uid < BITS; uid++)
		must(uidset_has(set, uid) == bits[uid]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct span text = span_make((const char *)data, size);
	struct arena *arena = arena_new();
	struct uidset set, ordered;
	const int rc = uidset_parse(text, arena, &set);

	must(rc == uidset_parse_ordered(text, arena, &ordered));
	if (rc == 0) {
		check_order(&set);
		check_added(&ordered, &set, arena);
		check_printed(&set, 1, arena);
		check_printed(&set, 40, arena);
		must(uidset_size(&set) > 0);
		must(uidset_at(&set, 0) == set.range[0].first);
		must(uidset_at(&set, uidset_size(&set) - 1) == set.range[set.count - 1].last);
		must(uidset_at(&set, uidset_size(&set)) == 0);
	}
	arena_free(arena);
	return 0;
}
