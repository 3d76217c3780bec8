/* The borders of messages in mbox files, by From_ lines and verified lengths. */
#include "mail/mbox_reader.h"

#include <string.h>

/* Lengths that turn out wrong cost reading their message twice; after so many none of the file is believed. */
#define WRONG_MAX 16

struct view { /* the window */
	struct span window;
	bool last;
};

enum seen { SEEN_NO, SEEN_YES, SEEN_MORE }; /* MORE: the window ends too early to tell */

/* An empty line at the position: how long it is with its end. */
static enum seen empty_line(const struct view *view, size_t at, size_t *len_out)
{
	const struct span rest = span_from(view->window, at);

	*len_out = 0;
	if (rest.len == 0)
		return view->last ? SEEN_NO : SEEN_MORE;
	if (rest.data[0] == '\n') {
		*len_out = 1;
		return SEEN_YES;
	}
	if (rest.data[0] != '\r')
		return SEEN_NO;
	if (rest.len == 1)
		return view->last ? SEEN_NO : SEEN_MORE;
	*len_out = 2;
	return rest.data[1] == '\n' ? SEEN_YES : SEEN_NO;
}

/* The line at the position without its end; len_out: with it. */
static enum seen whole_line(
	const struct view *view, size_t at, struct span *line_out, size_t *len_out)
{
	const struct span rest = span_sub(view->window, at, MBOX_FROM_MAX + 2);
	const size_t end = span_find(rest, '\n');

	if (end == SIZE_MAX && (rest.len == MBOX_FROM_MAX + 2 || !view->last))
		return rest.len == MBOX_FROM_MAX + 2 ? SEEN_NO : SEEN_MORE;
	*len_out = end == SIZE_MAX ? rest.len : end + 1;
	*line_out = span_sub(rest, 0, end == SIZE_MAX ? rest.len : end);
	if (span_ends(*line_out, SPAN("\r")))
		line_out->len--;
	return SEEN_YES;
}

/* A From_ line at the position: how long it is with its end. loose: any that begins with "From ". */
static enum seen from_line(
	const struct view *view, size_t at, bool loose, struct mbox_from *out, size_t *len_out)
{
	const struct span rest = span_sub(view->window, at, 5);
	struct span line;
	enum seen seen;

	*len_out = 0;
	if (memcmp(rest.data, "From ", rest.len) != 0 || (rest.len < 5 && view->last))
		return SEEN_NO;
	if (rest.len < 5)
		return SEEN_MORE;
	seen = whole_line(view, at, &line, len_out);
	if (seen != SEEN_YES || mbox_from_parse(line, out))
		return seen;
	*out = (struct mbox_from){ .date = { .instant = DATE_UNKNOWN } };
	return loose ? SEEN_YES : SEEN_NO;
}

/* Behind an empty line: is this where the message ends? */
static enum seen next_begins(const struct view *view, size_t at)
{
	struct mbox_from from;
	size_t len;

	if (at == view->window.len)
		return view->last ? SEEN_YES : SEEN_MORE;
	return from_line(view, at, false, &from, &len);
}

static enum mbox_event begin(struct mbox_reader *reader, const struct view *view)
{
	size_t at = 0, len;
	struct mbox_from from;
	enum seen seen;

	while ((seen = empty_line(view, at, &len)) == SEEN_YES)
		at += len;
	reader->offset += at;
	if (seen == SEEN_MORE)
		return MBOX_MORE;
	if (at == view->window.len)
		return MBOX_DONE;
	seen = from_line(view, at, !reader->begun, &from, &len);
	if (seen == SEEN_MORE)
		return MBOX_MORE;
	if (seen == SEEN_NO)
		return MBOX_FOREIGN;
	reader->message = (struct mbox_message){
		.start = reader->offset,
		.head = (uint32_t)len,
		.from = from,
	};
	reader->offset += len;
	reader->state = MBOX_STATE_HEADER;
	reader->inside = reader->has_length = reader->hides = false;
	reader->begun = true;
	return MBOX_BEGIN;
}

static enum mbox_event give(
	struct mbox_reader *reader, const struct view *view, size_t len, struct span *text_out)
{
	*text_out = span_sub(view->window, 0, len);
	reader->offset += len;
	reader->message.size += len;
	return MBOX_TEXT;
}

static enum mbox_event end(struct mbox_reader *reader)
{
	reader->state = MBOX_STATE_SEEK;
	reader->no_length = false;
	return MBOX_END;
}

static void note_line(struct mbox_reader *reader, struct span rest)
{
	const bool quoted = *rest.data == '>';

	while (rest.len > 0 && *rest.data == '>')
		rest = span_from(rest, 1);
	if (!span_starts(rest, SPAN("From ")))
		return;
	reader->message.has_quoted |= quoted;
	reader->message.has_from |= !quoted;
}

static void note_length(struct mbox_reader *reader, struct span line)
{
	static const struct span name = { "Content-Length:", 15 };
	uint64_t value;

	if (!span_starts_nocase(line, name) ||
		!span_u64(span_trim(span_from(line, name.len)), &value) ||
		value > INT64_MAX - reader->offset)
		return;
	reader->has_length = true;
	reader->length = value;
}

/*
 * At the front of a line that is not empty: how far it can be passed over. 0: more has to be seen. Lines longer than any that matters are passed over as
 * far as they are there.
 */
static size_t pass_line(struct mbox_reader *reader, const struct view *view, size_t at)
{
	const struct span rest = span_from(view->window, at);
	const char *lf = memchr(rest.data, '\n', rest.len);

	if (lf == NULL && !view->last && rest.len < MBOX_FROM_MAX)
		return 0;
	if (*rest.data == 'F' || *rest.data == '>')
		note_line(reader, rest);
	if (reader->state == MBOX_STATE_HEADER && (*rest.data == 'C' || *rest.data == 'c') &&
		lf != NULL && !reader->has_length)
		note_length(reader, span_sub(rest, 0, (size_t)(lf - rest.data)));
	reader->inside = lf == NULL;
	return lf == NULL ? rest.len : (size_t)(lf - rest.data) + 1;
}

/* A line beginning with this octet may matter; in a header all do. */
static bool may_matter(const struct mbox_reader *reader, char byte)
{
	return byte == '\n' || byte == '\r' || byte == 'F' || byte == '>' ||
	       reader->state == MBOX_STATE_HEADER;
}

/* The rest of a line whose front went by; lines that begin with nothing of interest too. */
static size_t pass_plain(struct mbox_reader *reader, const struct view *view, size_t at, size_t end)
{
	const char *p = view->window.data + at, *const stop = view->window.data + end;

	while ((p = memchr(p, '\n', (size_t)(stop - p))) != NULL) {
		reader->inside = false;
		if (++p == stop || may_matter(reader, *p))
			return (size_t)(p - view->window.data);
		reader->inside = true;
	}
	return end;
}

static bool lengths_count(const struct mbox_reader *reader)
{
	return reader->has_length && !reader->no_length && reader->wrong < WRONG_MAX &&
	       reader->variant != MBOX_O && reader->variant != MBOX_RD;
}

/* The empty line at the position ends the header. */
static void enter_body(struct mbox_reader *reader, uint64_t body)
{
	reader->state = MBOX_STATE_BODY;
	if (!lengths_count(reader))
		return;
	reader->state = MBOX_STATE_COUNTED;
	reader->length += body;
}

/* Header and body by From_ lines: gives what surely belongs to the message, up to where it must be looked at anew. */
static enum mbox_event read_lines(
	struct mbox_reader *reader, const struct view *view, struct span *text_out)
{
	size_t at = 0, len;

	while (at < view->window.len) {
		enum seen seen;
		bool empty;

		if (reader->inside || !may_matter(reader, view->window.data[at])) {
			reader->inside = true;
			at = pass_plain(reader, view, at, view->window.len);
			continue;
		}
		seen = empty_line(view, at, &len);
		empty = seen == SEEN_YES;
		if (empty)
			seen = next_begins(view, at + len);
		if (seen == SEEN_MORE)
			break;
		if (seen == SEEN_YES) {
			if (at > 0)
				break;
			reader->offset += len;
			return end(reader);
		}
		if (!empty)
			len = pass_line(reader, view, at);
		if (len == 0)
			break;
		at += len;
		if (empty && reader->state == MBOX_STATE_HEADER)
			enter_body(reader, reader->offset + at);
		if (reader->state == MBOX_STATE_COUNTED)
			break;
	}
	if (at > 0)
		return give(reader, view, at, text_out);
	return view->last && view->window.len == 0 ? end(reader) : MBOX_MORE;
}

/* At the end that Content-Length gives: a From_ line or the end of the file, with an empty line before it or without. */
static enum seen length_holds(const struct view *view, size_t *skip_out)
{
	enum seen seen;

	*skip_out = 0;
	if (view->window.len == 0)
		return view->last ? SEEN_YES : SEEN_MORE;
	seen = empty_line(view, 0, skip_out);
	if (seen == SEEN_YES)
		seen = next_begins(view, *skip_out);
	else if (seen == SEEN_NO)
		seen = next_begins(view, *skip_out = 0);
	return seen;
}

static enum mbox_event at_length(struct mbox_reader *reader, const struct view *view)
{
	size_t skip;
	const enum seen seen = length_holds(view, &skip);

	if (seen == SEEN_MORE)
		return MBOX_MORE;
	/* "text" without its line end, then From_: no. */
	if (seen == SEEN_YES && (!reader->inside || skip > 0 || view->window.len == 0)) {
		reader->offset += skip;
		reader->message.by_length = true;
		return end(reader);
	}
	return MBOX_AGAIN;
}

/* It does not hold: without anything hidden before it the message just goes on. */
static enum mbox_event length_fails(struct mbox_reader *reader)
{
	if (!reader->hides) {
		reader->state = MBOX_STATE_BODY;
		reader->has_length = false;
		return MBOX_TEXT;
	}
	reader->wrong++;
	reader->no_length = true;
	reader->state = MBOX_STATE_SEEK;
	reader->offset = reader->message.start;
	return MBOX_AGAIN;
}

/* Does a message seem to begin behind this empty line? Where the window ends too early, that it might is enough. */
static bool seems_to_begin(const struct view *view, size_t at)
{
	struct mbox_from from;
	size_t len;

	if (at == view->window.len)
		return !view->last;
	return from_line(view, at, false, &from, &len) != SEEN_NO;
}

/* Up to the end that Content-Length gives all is text, whatever it looks like. */
static enum mbox_event read_counted(
	struct mbox_reader *reader, const struct view *view, struct span *text_out)
{
	const uint64_t left = reader->length - reader->offset;
	const size_t stop = left < view->window.len ? (size_t)left : view->window.len;
	size_t at = 0, len;

	while (at < stop) {
		if (reader->inside || !may_matter(reader, view->window.data[at])) {
			reader->inside = true;
			at = pass_plain(reader, view, at, stop);
			continue;
		}
		if (empty_line(view, at, &len) == SEEN_YES && at + len <= stop) {
			reader->hides |= seems_to_begin(view, at + len);
			at += len;
			continue;
		}
		len = pass_line(reader, view, at);
		if (len == 0)
			break;
		if (at + len > stop) {
			len = stop - at;
			reader->inside = true;
		}
		at += len;
	}
	return at > 0 ? give(reader, view, at, text_out) : MBOX_MORE;
}

enum mbox_event mbox_reader_next(
	struct mbox_reader *reader, struct span window, bool last, struct span *text_out)
{
	const struct view view = { window, last };
	enum mbox_event event;

	*text_out = span_sub(window, 0, 0);
	if (reader->state == MBOX_STATE_SEEK)
		return begin(reader, &view);
	if (reader->state == MBOX_STATE_COUNTED && reader->offset < reader->length) {
		if (window.len > 0 || !last)
			return read_counted(reader, &view, text_out);
		event = length_fails(reader);
	} else if (reader->state == MBOX_STATE_COUNTED) {
		event = at_length(reader, &view);
		if (event == MBOX_AGAIN)
			event = length_fails(reader);
	} else {
		return read_lines(reader, &view, text_out);
	}
	return event;
}

enum mbox_quote_how mbox_unquote_how(enum mbox_variant variant, bool by_length, bool any_bare)
{
	switch (variant) {
	case MBOX_RD:
		return MBOX_UNQUOTE_RD;
	case MBOX_O:
	case MBOX_CL:
		return MBOX_UNQUOTE_O;
	case MBOX_CL2:
		return MBOX_UNQUOTE_NONE;
	case MBOX_AUTO:
		break;
	}
	if (!by_length)
		return MBOX_UNQUOTE_RD;
	return any_bare ? MBOX_UNQUOTE_NONE : MBOX_UNQUOTE_O;
}
