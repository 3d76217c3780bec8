/* Any text as an expression of --rename, a zero octet, then the name: no crash, no endless match; what cannot be is refused as usage. */
#include "base/regex.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/text.h"

#define INPUT_MAX 512

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct span text = span_make((const char *)data, size);
	struct arena *arena = arena_new();
	struct err err = ERR_INIT;
	const size_t end = span_find(text, '\0');

	if (size > INPUT_MAX || end == SIZE_MAX)
		goto out;
	char *name = arena_text(arena, span_from(text, end + 1));
	struct rewrite *rewrite = rewrite_new(arena_text(arena, span_sub(text, 0, end)), &err);
	if (rewrite) {
		const char *to = rewrite_apply(rewrite, arena, name);

		if (!to || (utf8_valid(span_of(name)) && !utf8_valid(span_of(to))))
			abort();
		rewrite_free(rewrite);
	} else if (err.kind != ERR_KIND_USAGE) {
		abort();
	}
out:
	arena_free(arena);
	return 0;
}
