#include "mail/header_field.h"

#include "base/arena.h"

#include <string.h>

static char *unfold(struct span text, struct arena *arena)
{
	char *out = arena_text(arena, text);
	size_t kept = 0;

	for (size_t i = 0; i < text.len; i++) {
		if (out[i] != '\r' && out[i] != '\n' && out[i] != '\0')
			out[kept++] = out[i];
	}
	out[kept] = '\0';
	const struct span trimmed = span_trim(span_make(out, kept));
	return arena_text(arena, trimmed);
}

char *header_field(struct span header, struct span name, struct arena *arena)
{
	while (header.len > 0) {
		size_t end = span_find(header, '\n');
		const struct span line = span_sub(header, 0, end);

		if (end == SIZE_MAX || span_trim(line).len == 0)
			return NULL;
		while (end + 1 < header.len && strchr(" \t", header.data[end + 1])) {
			const size_t more = span_find(span_from(header, end + 1), '\n');

			if (more == SIZE_MAX)
				break;
			end += more + 1;
		}
		const struct span whole = span_sub(header, 0, end);
		if (span_starts_nocase(whole, name) && whole.len > name.len &&
			whole.data[name.len] == ':')
			return unfold(span_from(whole, name.len + 1), arena);
		header = span_from(header, end + 1);
	}
	return NULL;
}
