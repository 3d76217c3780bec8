/* Open addressing with linear probing over places in an array of entries; at most three quarters of the slots are taken. */
#include "base/map.h"

#include "base/arena.h"
#include "base/mem.h"

#include <string.h>
#include <sys/random.h>

#define FIRST_SLOTS 16

struct entry {
	struct span key;
	void *value;
	uint64_t hash;
};

struct map {
	struct arena *arena;
	struct entry *entries;
	size_t count, room;
	uint32_t *slots; /* place in entries plus 1, or 0 */
	size_t slot_count; /* 0 or a power of two */
	uint64_t seed[2];
};

struct map *map_new(struct arena *arena)
{
	struct map *map = mem_alloc(sizeof(*map));

	map->arena = arena;
	/* Cannot fail for so few octets, but for kernels without the call; then keys are not hostile-proof. */
	if (getrandom(map->seed, sizeof(map->seed), 0) < 0)
		map->seed[0] = (uintptr_t)map;
	return map;
}

void map_free(struct map *map)
{
	if (!map)
		return;
	mem_free(map->entries);
	mem_free(map->slots);
	mem_free(map);
}

static uint64_t rotate(uint64_t word, unsigned bits)
{
	return word << bits | word >> (64 - bits);
}

static void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] = rotate(v[0], 32) + v[3];
	v[2] += v[1];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] = rotate(v[2], 32);
}

/* Aumasson and Bernstein, SipHash: a fast short-input PRF, 2012, with 1 and 3 rounds. */
static uint64_t sip_hash(const uint64_t seed[2], struct span key)
{
	uint64_t v[4] = { seed[0] ^ 0x736f6d6570736575, seed[1] ^ 0x646f72616e646f6d,
		seed[0] ^ 0x6c7967656e657261, seed[1] ^ 0x7465646279746573 };
	uint64_t last = (uint64_t)key.len << 56;
	size_t at = 0;

	for (; key.len - at >= 8; at += 8) {
		uint64_t word;

		memcpy(&word, key.data + at, 8);
		v[3] ^= word;
		sip_round(v);
		v[0] ^= word;
	}
	for (unsigned i = 0; at + i < key.len; i++)
		last |= (uint64_t)(unsigned char)key.data[at + i] << (8 * i);
	v[3] ^= last;
	sip_round(v);
	v[0] ^= last;
	v[2] ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* The slot of the key, or the free one where it belongs; there is always a free one. */
static size_t slot_of(const struct map *map, struct span key, uint64_t hash)
{
	size_t mask = map->slot_count - 1, slot = (size_t)hash & mask;

	while (map->slots[slot] != 0) {
		const struct entry *entry = &map->entries[map->slots[slot] - 1];

		if (entry->hash == hash && span_equal(entry->key, key))
			break;
		slot = (slot + 1) & mask;
	}
	return slot;
}

static const struct entry *find(const struct map *map, struct span key)
{
	uint32_t place;

	if (map->count == 0)
		return NULL;
	place = map->slots[slot_of(map, key, sip_hash(map->seed, key))];
	return place > 0 ? &map->entries[place - 1] : NULL;
}

static void grow_slots(struct map *map)
{
	map->slot_count = map->slot_count > 0 ? 2 * map->slot_count : FIRST_SLOTS;
	mem_free(map->slots);
	map->slots = mem_array(map->slot_count, sizeof(*map->slots));
	for (size_t i = 0; i < map->count; i++) {
		size_t slot = (size_t)map->entries[i].hash & (map->slot_count - 1);

		while (map->slots[slot] != 0)
			slot = (slot + 1) & (map->slot_count - 1);
		map->slots[slot] = (uint32_t)i + 1;
	}
}

void *map_set(struct map *map, struct span key, void *value)
{
	uint64_t hash = sip_hash(map->seed, key);
	size_t slot;

	if (map->count >= map->slot_count / 4 * 3)
		grow_slots(map);
	slot = slot_of(map, key, hash);
	if (map->slots[slot] != 0) {
		struct entry *entry = &map->entries[map->slots[slot] - 1];
		void *old = entry->value;

		entry->value = value;
		return old;
	}
	if (map->count == map->room) {
		map->room = map->room > 0 ? 2 * map->room : FIRST_SLOTS;
		map->entries = mem_resize(map->entries, map->room, sizeof(*map->entries));
	}
	map->entries[map->count++] = (struct entry){ arena_span(map->arena, key), value, hash };
	map->slots[slot] = (uint32_t)map->count;
	return NULL;
}

void *map_find(const struct map *map, struct span key)
{
	const struct entry *entry = find(map, key);

	return entry ? entry->value : NULL;
}

bool map_has(const struct map *map, struct span key)
{
	return find(map, key) != NULL;
}

size_t map_count(const struct map *map)
{
	return map->count;
}

struct span map_key(const struct map *map, size_t index)
{
	return map->entries[index].key;
}

void *map_value(const struct map *map, size_t index)
{
	return map->entries[index].value;
}
