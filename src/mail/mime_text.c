/* A line at a time: headers, boundaries, and the lines of text parts. */
#include "mail/mime_text.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/must.h"
#include "base/text.h"
#include "mail/mime_transfer.h"

#define LINE_MAX 16384 /* longer lines come in parts of this size */
#define TEXT_ENOUGH 32768 /* octets of text that are handed on at once */
#define BOUNDARY_MAX 200 /* RFC 2046 §5.1.1 allows 70 */
#define VALUE_MAX 256 /* octets of a type, a charset, an encoding */
#define QUEUE_MAX 6 /* pieces that one line can make */

enum phase { PHASE_HEADER, PHASE_TEXT, PHASE_SKIP };

struct level { /* a multipart that is open */
	char boundary[BOUNDARY_MAX];
	size_t len;
	bool digest; /* its parts are messages unless they say otherwise (RFC 2046 §5.1.5) */
};

struct entity { /* what the header says of what follows */
	char type[VALUE_MAX], charset[VALUE_MAX], encoding[VALUE_MAX], boundary[BOUNDARY_MAX];
};

struct mime_text {
	enum phase phase;
	bool own; /* in the message's own header */
	bool within; /* in the middle of a line */
	struct entity entity;
	struct level level[MIME_DEPTH_MAX];
	size_t depth;
	struct buf line; /* one that came in several chunks */
	struct buf field, shown; /* being read; handed on */
	struct mime_transfer transfer;
	struct buf text;
	size_t given; /* octets of text that were handed on */
	struct mime_piece queue[QUEUE_MAX];
	size_t first, count;
	bool ended;
};

struct mime_text *mime_text_new(void)
{
	struct mime_text *mime = mem_alloc(sizeof(*mime));

	buf_init(&mime->line, LINE_MAX);
	buf_init(&mime->field, MIME_FIELD_MAX);
	buf_init(&mime->shown, MIME_FIELD_MAX);
	buf_init(&mime->text, TEXT_ENOUGH + (size_t)LINE_MAX * MIME_TRANSFER_GROWTH +
				      2 * (size_t)MIME_TRANSFER_REST);
	mime_transfer_init(&mime->transfer);
	mime_text_begin(mime);
	return mime;
}

void mime_text_free(struct mime_text *mime)
{
	if (mime == NULL)
		return;
	buf_release(&mime->line);
	buf_release(&mime->field);
	buf_release(&mime->shown);
	buf_release(&mime->text);
	mime_transfer_release(&mime->transfer);
	mem_free(mime);
}

/* A header begins; `digest`: that of a part in a multipart/digest. */
static void begin_entity(struct mime_text *mime, bool digest)
{
	mime->phase = PHASE_HEADER;
	mime->entity = (struct entity){ .type = "" };
	if (digest)
		memcpy(mime->entity.type, "message/rfc822", sizeof("message/rfc822"));
}

void mime_text_begin(struct mime_text *mime)
{
	mime->own = true;
	mime->within = mime->ended = false;
	mime->depth = 0;
	mime->given = 0;
	mime->first = mime->count = 0;
	buf_clear(&mime->line);
	buf_clear(&mime->field);
	buf_clear(&mime->text);
	begin_entity(mime, false);
}

static void give(struct mime_text *mime, enum mime_kind kind, struct span text)
{
	if (mime->count == QUEUE_MAX)
		abort(); /* no line makes so many */
	mime->queue[mime->count++] = (struct mime_piece){ kind, text };
}

/* ---- fields ---- */

static void copy(char *to, size_t size, struct span value)
{
	if (value.len >= size)
		value.len = 0; /* nothing that is known is so long */
	if (value.len > 0)
		memcpy(to, value.data, value.len);
	to[value.len] = '\0';
}

void mime_parameter(struct span value, const char *name, char *to, size_t size)
{
	struct buf out;

	buf_init(&out, size - 1);
	for (size_t at = span_find(value, ';'); at != SIZE_MAX; at = span_find(value, ';')) {
		value = span_trim(span_from(value, at + 1));
		const size_t equals = span_find(value, '=');

		if (equals == SIZE_MAX)
			break;
		const bool wanted =
			span_equal_nocase(span_trim(span_sub(value, 0, equals)), span_of(name));
		bool quoted = false;

		value = span_trim(span_from(value, equals + 1));
		for (at = 0; at < value.len && (quoted || value.data[at] != ';'); at++) {
			const char c = value.data[at];

			if (c == '"')
				quoted = !quoted;
			else if (quoted && c == '\\' && at + 1 < value.len)
				at++;
			if (wanted && c != '"')
				(void)!buf_add_char(&out, value.data[at]);
		}
		value = span_from(value, at);
		if (wanted)
			break;
	}
	copy(to, size, span_trim(buf_span(&out)));
	buf_release(&out);
}

/* The word up to a ";" or a comment. */
static struct span first_word(struct span value)
{
	size_t len = 0;

	while (len < value.len && value.data[len] != ';' && value.data[len] != '(' &&
		value.data[len] != ' ' && value.data[len] != '\t')
		len++;
	return span_sub(value, 0, len);
}

static void note_field(struct entity *entity, struct span field)
{
	const size_t colon = span_find(field, ':');
	const struct span name = span_trim(span_sub(field, 0, colon));
	const struct span value =
		span_trim(span_from(field, colon == SIZE_MAX ? field.len : colon + 1));

	if (span_equal_nocase(name, SPAN("Content-Transfer-Encoding"))) {
		copy(entity->encoding, sizeof(entity->encoding), first_word(value));
	} else if (span_equal_nocase(name, SPAN("Content-Type"))) {
		copy(entity->type, sizeof(entity->type), first_word(value));
		mime_parameter(value, "charset", entity->charset, sizeof(entity->charset));
		mime_parameter(value, "boundary", entity->boundary, sizeof(entity->boundary));
	}
}

static void end_field(struct mime_text *mime)
{
	const struct buf empty = mime->shown;

	if (mime->field.len == 0)
		return;
	mime->shown = mime->field;
	mime->field = empty;
	buf_clear(&mime->field);
	note_field(&mime->entity, buf_span(&mime->shown));
	give(mime, mime->own ? MIME_FIELD : MIME_PART_FIELD, buf_span(&mime->shown));
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static void add_to_field(struct mime_text *mime, struct span line)
{
	const size_t room = mime->field.max - mime->field.len;

	(void)!buf_add(&mime->field, span_sub(line, 0, room));
}

/* ---- parts ---- */

static bool type_is(const struct entity *entity, const char *prefix)
{
	return span_starts_nocase(span_of(entity->type), span_of(prefix));
}

static bool push_level(struct mime_text *mime)
{
	const struct entity *entity = &mime->entity;
	struct level *level = &mime->level[mime->depth];

	if (entity->boundary[0] == '\0' || mime->depth == MIME_DEPTH_MAX)
		return false;
	level->len = strlen(entity->boundary);
	memcpy(level->boundary, entity->boundary, level->len);
	level->digest = type_is(entity, "multipart/digest");
	mime->depth++;
	return true;
}

static void begin_text(struct mime_text *mime)
{
	mime->phase = PHASE_TEXT;
	mime_transfer_begin(
		&mime->transfer, span_of(mime->entity.encoding), span_of(mime->entity.charset));
}

/* The empty line behind a header, or what stands in for it. */
static void end_header(struct mime_text *mime)
{
	const struct entity *entity = &mime->entity;

	end_field(mime);
	if (mime->own)
		give(mime, MIME_HEADER_END, SPAN(""));
	mime->own = false;
	mime->phase = PHASE_SKIP;
	if (type_is(entity, "multipart/") && push_level(mime))
		return;
	if ((type_is(entity, "message/rfc822") || type_is(entity, "message/global")) &&
		mime_encoding_of(span_of(entity->encoding)) == MIME_IDENTITY)
		begin_entity(mime, false);
	else if (entity->type[0] == '\0' || type_is(entity, "text/") ||
		 type_is(entity, "message/") || type_is(entity, "multipart/"))
		begin_text(mime);
}

/* How many octets at the end begin a character that is not whole. */
static size_t open_end(struct span text)
{
	for (size_t back = 1; back <= 3 && back <= text.len; back++) {
		const unsigned char byte = (unsigned char)text.data[text.len - back];

		if (byte >= 0xc0) /* the first of two, three or four */
			return back < (byte >= 0xf0 ? 4u : byte >= 0xe0 ? 3u : 2u) ? back : 0;
		if (byte < 0x80)
			return 0;
	}
	return 0;
}

static void give_text(struct mime_text *mime, bool all)
{
	const struct span text = buf_span(&mime->text);
	const size_t len = text.len - (all ? 0 : open_end(text));

	if (len > 0)
		give(mime, MIME_TEXT, span_sub(text, 0, len));
	mime->given = len;
}

static void end_text(struct mime_text *mime)
{
	mime_transfer_end(&mime->transfer, &mime->text);
	give_text(mime, true);
	give(mime, MIME_TEXT_END, SPAN(""));
}

/* A line of "--" and a boundary: the multipart it belongs to, MIME_DEPTH_MAX = none. RFC 2046 §5.1.1: blanks may follow. */
static size_t find_boundary(const struct mime_text *mime, struct span line, bool *closes)
{
	if (!span_starts(line, SPAN("--")))
		return MIME_DEPTH_MAX;
	for (size_t i = mime->depth; i-- > 0;) {
		const struct level *level = &mime->level[i];
		struct span rest = span_from(line, 2);

		if (!span_starts(rest, span_make(level->boundary, level->len)))
			continue;
		rest = span_from(rest, level->len);
		*closes = span_starts(rest, SPAN("--"));
		if (*closes || span_trim(rest).len == 0)
			return i;
	}
	return MIME_DEPTH_MAX;
}

/* True: it was one. */
static bool take_boundary(struct mime_text *mime, struct span line)
{
	bool closes = false;
	const size_t level = find_boundary(mime, line, &closes);

	if (level == MIME_DEPTH_MAX)
		return false;
	if (mime->phase == PHASE_HEADER)
		end_header(mime);
	if (mime->phase == PHASE_TEXT)
		end_text(mime);
	mime->depth = level + (closes ? 0 : 1);
	if (closes)
		mime->phase = PHASE_SKIP;
	else
		begin_entity(mime, mime->level[level].digest);
	return true;
}

/* ---- lines ---- */

static void header_line(struct mime_text *mime, struct span line, bool begins)
{
	const bool more = begins && line.len > 0 && is_blank(line.data[0]) && mime->field.len > 0;

	while (line.len > 0 && (line.data[line.len - 1] == '\n' || line.data[line.len - 1] == '\r'))
		line.len--;
	if (begins && line.len == 0) {
		end_header(mime);
		return;
	}
	if (begins && !more)
		end_field(mime);
	if (more) {
		while (line.len > 0 && is_blank(line.data[0]))
			line = span_from(line, 1);
		add_to_field(mime, SPAN(" "));
	}
	add_to_field(mime, line);
}

static void take_line(struct mime_text *mime, struct span line)
{
	const bool begins = !mime->within;

	mime->within = line.data[line.len - 1] != '\n';
	if (begins && line.len >= 2 && line.data[0] == '-' && take_boundary(mime, line))
		return;
	switch (mime->phase) {
	case PHASE_HEADER:
		header_line(mime, line, begins);
		break;
	case PHASE_TEXT:
		mime_transfer_add(&mime->transfer, line, &mime->text);
		if (mime->text.len >= TEXT_ENOUGH)
			give_text(mime, false);
		break;
	case PHASE_SKIP:
		break;
	}
}

/* The next line, or LINE_MAX octets of one; false: the chunk ends before it does. */
static bool cut_line(struct mime_text *mime, struct span *chunk, struct span *line)
{
	const char *end = memchr(chunk->data, '\n', chunk->len);
	size_t len = end != NULL ? (size_t)(end - chunk->data) + 1 : chunk->len;

	if (len > LINE_MAX - mime->line.len) {
		len = LINE_MAX - mime->line.len;
		end = chunk->data;
	}
	*line = span_sub(*chunk, 0, len);
	*chunk = span_from(*chunk, len);
	if (mime->line.len == 0 && end != NULL)
		return true;
	if (buf_add(&mime->line, *line) < 0)
		abort(); /* it was cut to what has room */
	*line = buf_span(&mime->line);
	return end != NULL;
}

static bool take_piece(struct mime_text *mime, struct mime_piece *out)
{
	if (mime->first == mime->count) {
		mime->first = mime->count = 0;
		buf_drop_front(&mime->text, mime->given);
		mime->given = 0;
		return false;
	}
	*out = mime->queue[mime->first++];
	return true;
}

bool mime_text_next(struct mime_text *mime, struct span *chunk, struct mime_piece *out)
{
	struct span line;

	for (;;) {
		if (take_piece(mime, out))
			return true;
		if (chunk->len == 0)
			return false;
		if (!cut_line(mime, chunk, &line))
			return false;
		take_line(mime, line);
		buf_clear(&mime->line);
	}
}

bool mime_text_end(struct mime_text *mime, struct mime_piece *out)
{
	if (take_piece(mime, out))
		return true;
	if (mime->ended)
		return false;
	if (mime->line.len > 0) {
		take_line(mime, buf_span(&mime->line));
		buf_clear(&mime->line);
		if (take_piece(mime, out))
			return true;
	}
	mime->ended = true;
	if (mime->phase == PHASE_HEADER)
		end_header(mime);
	if (mime->phase == PHASE_TEXT)
		end_text(mime);
	return take_piece(mime, out);
}
