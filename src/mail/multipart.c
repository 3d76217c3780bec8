#include "mail/multipart.h"

#include "base/arena.h"
#include "mail/header_field.h"
#include "mail/mime_text.h"

#define BOUNDARY_ROOM 256 /* octets; RFC 2046 §5.1.1 allows 70 */

/* Blanks may follow. */
static bool closes(struct span line, struct span boundary)
{
	if (!span_starts(line, SPAN("--")) || !span_starts(span_from(line, 2), boundary))
		return false;
	line = span_from(line, 2 + boundary.len);
	return span_starts(line, SPAN("--")) && span_trim(span_from(line, 2)).len == 0;
}

bool multipart_is_closed(struct span header, struct span tail, struct arena *arena)
{
	const struct span type = span_of(header_field(header, SPAN("Content-Type"), arena));
	char boundary[BOUNDARY_ROOM];

	if (!span_starts_nocase(span_trim(type), SPAN("multipart/")))
		return false;
	mime_parameter(type, "boundary", boundary, sizeof(boundary));
	if (boundary[0] == '\0')
		return false;
	for (size_t at; (at = span_find(tail, '\n')) != SIZE_MAX;) {
		tail = span_from(tail, at + 1);
		if (closes(span_sub(tail, 0, span_find(tail, '\n')), span_of(boundary)))
			return true;
	}
	return false;
}
