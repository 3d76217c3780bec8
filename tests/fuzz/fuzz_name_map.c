/* Any bytes as the file of --map: no crash, every refusal names a line, and what it finds is a name a mailbox can have. */
#include "ops/name_map.h"

#include "base/arena.h"
#include "base/err.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = { "INBOX", "Sent", "Sent/2023", "a:b", "" };
	struct arena *arena = arena_new();
	struct err err = ERR_INIT;
	struct name_map *map =
		name_map_parse("map", span_make((const char *)data, size), arena, &err);

	if (map == NULL && (strncmp(err.text, "map:", 4) != 0 || err.kind != ERR_KIND_USAGE))
		abort();
	for (size_t i = 0; map != NULL && i < sizeof(names) / sizeof(names[0]); i++) {
		const char *found = name_map_find(map, names[i], arena);

		if (found != NULL && name_problem(span_of(found)) != NULL)
			abort();
	}
	name_map_free(map);
	arena_free(arena);
	return 0;
}
