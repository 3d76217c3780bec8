/*
 * A hash map from bytes to pointers that keeps the order of insertion. Keys may be hostile: the hash is keyed with a
 * random seed (SipHash-1-3).
 *
 * Owner: the caller. Lifetime: until map_free(); keys are copied into the arena, which outlives the map; values are
 * borrowed. Threads: one at a time, or many that only look up.
 *
 *	struct map *map = map_new(arena);
 *	map_set(map, name, box);
 *	struct box *found = map_find(map, SPAN("INBOX"));
 *	for (size_t i = 0; i < map_count(map); i++)
 *		show(map_key(map, i), map_value(map, i));
 *	map_free(map);
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "base/span.h"

struct arena;
struct map;

struct map *map_new(struct arena *arena);
void map_free(struct map *map);
/* Adds the key or gives it another value; returns the value it had, or NULL. */
void *map_set(struct map *map, struct span key, void *value);
/* NULL when there is no such key (or its value is NULL: then map_has() tells). */
void *map_find(const struct map *map, struct span key);
bool map_has(const struct map *map, struct span key);
size_t map_count(const struct map *map);
/* The entry at this place in the order of insertion, index < map_count(). The key is also NUL-terminated behind len. */
struct span map_key(const struct map *map, size_t index);
void *map_value(const struct map *map, size_t index);

#endif
