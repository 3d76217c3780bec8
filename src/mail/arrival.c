/* When a message arrived, by its header. */
#include "mail/arrival.h"

#include <string.h>

/* The next field with its continuation lines (RFC 5322 §2.2.3); false at the end of the header. */
static bool next_field(struct span *rest, struct span *field_out)
{
	size_t at = 0;

	while (at < rest->len) {
		const size_t end = span_find(span_from(*rest, at), '\n');

		at = end == SIZE_MAX ? rest->len : at + end + 1;
		if (at >= rest->len || (rest->data[at] != ' ' && rest->data[at] != '\t'))
			break;
	}
	*field_out = span_trim(span_sub(*rest, 0, at));
	*rest = span_from(*rest, at);
	return field_out->len > 0;
}

/* Its text, if the field has this name. */
static bool field_is(struct span field, struct span name, struct span *text_out)
{
	const size_t colon = span_find(field, ':');

	if (colon == SIZE_MAX || !span_equal_nocase(span_trim(span_sub(field, 0, colon)), name))
		return false;
	*text_out = span_from(field, colon + 1);
	return true;
}

/* What stands behind the last ';' (RFC 5321 §4.4, time-stamp line). */
static bool received_date(struct span text, struct date *out)
{
	const char *mark = text.len > 0 ? memrchr(text.data, ';', text.len) : NULL;

	return mark && date_parse_header(span_from(text, (size_t)(mark - text.data) + 1), out) == 0;
}

struct date arrival_date(struct span header)
{
	struct date date = { .instant = DATE_UNKNOWN }, written = date, found;
	struct span field, text;

	while (next_field(&header, &field)) {
		if (field_is(field, SPAN("Received"), &text) && received_date(text, &found))
			return found;
		if (written.instant == DATE_UNKNOWN && field_is(field, SPAN("Date"), &text) &&
			date_parse_header(text, &found) == 0)
			written = found;
	}
	return written.instant != DATE_UNKNOWN ? written : date;
}
