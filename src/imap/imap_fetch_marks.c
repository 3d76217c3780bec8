/* Which UIDs were answered: words of 64 marks in a hash table, so that neither a hostile 1:4294967295 nor a hostile order costs much. */
#include "imap/imap_fetch_parts.h"

#include "base/clock.h"
#include "base/mem.h"

#define ROOM_FIRST 16

struct fetch_mark {
	uint64_t bits;
	uint32_t key; /* place / 64 + 1; 0 = free */
};

/* splitmix64: the seed keeps a server from choosing UIDs that all meet in one slot. */
static size_t slot_of(const struct fetch_marks *marks, uint32_t key)
{
	uint64_t hash = (key + marks->seed) * 0x9e3779b97f4a7c15u;

	hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9u;
	hash = (hash ^ (hash >> 27)) * 0x94d049bb133111ebu;
	return (size_t)(hash ^ (hash >> 31)) & (marks->room - 1);
}

/* The slot of the key, or the free one where it belongs. */
static struct fetch_mark *find(struct fetch_marks *marks, uint32_t key)
{
	if (marks->slot[marks->near].key == key)
		return &marks->slot[marks->near];

	size_t at = slot_of(marks, key);
	while (marks->slot[at].key != 0 && marks->slot[at].key != key)
		at = (at + 1) & (marks->room - 1);
	marks->near = at;
	return &marks->slot[at];
}

static void grow(struct fetch_marks *marks)
{
	struct fetch_mark *old = marks->slot;
	const size_t old_room = marks->room;

	if (old_room == 0)
		marks->seed = (uint64_t)clock_us() * 0xd6e8feb86659fd93u ^ (uintptr_t)marks;
	marks->room = old_room ? old_room * 2 : ROOM_FIRST;
	marks->slot = mem_array(marks->room, sizeof(*marks->slot));
	for (size_t i = 0; i < old_room; i++) {
		if (old[i].key != 0)
			*find(marks, old[i].key) = old[i];
	}
	mem_free(old);
}

bool imap_fetch_mark_has(struct fetch_marks *marks, uint32_t place)
{
	if (marks->room == 0)
		return false;

	const struct fetch_mark *mark = find(marks, place / 64 + 1);
	return mark->key != 0 && (mark->bits >> (place % 64) & 1) != 0;
}

void imap_fetch_mark_set(struct fetch_marks *marks, uint32_t place)
{
	if (marks->used * 2 >= marks->room)
		grow(marks);

	struct fetch_mark *mark = find(marks, place / 64 + 1);
	if (mark->key == 0) {
		mark->key = place / 64 + 1;
		marks->used++;
	}
	mark->bits |= UINT64_C(1) << (place % 64);
}

void imap_fetch_marks_release(struct fetch_marks *marks)
{
	mem_free(marks->slot);
	*marks = (struct fetch_marks){ 0 };
}
