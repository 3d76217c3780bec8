/*
 * The digests of a message, computed while its bytes stream by. The header part is walked by lines (memchr); only the values of
 * the digest's own fields are touched byte by byte. The body part costs one look for line ends and, if wanted, one SHA-256.
 */
#include "mail/header.h"

#include "base/mem.h"
#include "mail/line_facts.h"

#define FIELDS_MAX 32
#define NAME_MAX_LEN 76
#define VALUE_ROOM 1024
#define BODY_ROOM 8192

enum part {
	PART_LINE_START, /* nothing of this line seen */
	PART_EMPTY_CR, /* only a CR seen: the empty line, if LF follows */
	PART_NAME,
	PART_VALUE,
	PART_SKIP, /* the rest of the line is of no interest */
};

struct field {
	char name[NAME_MAX_LEN + 1];
	size_t name_len;
	struct digest *digest; /* all values so far, but for those still in text */
	size_t len;
	bool seen;
	bool blank; /* a run of blanks waits to be written as one, or dropped at the end */
	bool started; /* the value has a byte that is no blank */
	char text[VALUE_ROOM];
};

struct header_scan {
	bool want_content;
	size_t field_count;
	struct field *field;
	uint32_t by_letter[32]; /* fields whose name starts with this letter, as bits */
	struct digest *digest;
	struct digest *content;

	bool in_header;
	enum part part;
	struct field *open; /* the field of which this line or the one before is a part */
	char name[NAME_MAX_LEN + 1];
	size_t name_len;
	struct digest128 header;
	struct line_facts lines;
	uint64_t size;
	bool has_8bit, has_message_id;
};

static const char *const default_fields[] = { "Date", "From", "To", "Cc", "Subject", "Message-ID",
	"In-Reply-To", "References" };

static void start_message(struct header_scan *scan)
{
	scan->in_header = true;
	scan->part = PART_LINE_START;
	scan->open = NULL;
	scan->name_len = 0;
	scan->lines = (struct line_facts){ 0 };
	scan->size = 0;
	scan->has_8bit = scan->has_message_id = false;
	scan->header = (struct digest128){ { 0, 0 } };
}

struct header_scan *header_scan_new_fields(
	bool want_content, const char *const *names, size_t count)
{
	struct header_scan *scan = mem_alloc(sizeof(*scan));

	scan->want_content = want_content;
	scan->field_count = count < FIELDS_MAX ? count : FIELDS_MAX;
	scan->field =
		mem_array(scan->field_count > 0 ? scan->field_count : 1, sizeof(*scan->field));
	for (size_t i = 0; i < scan->field_count; i++) {
		struct field *field = &scan->field[i];

		field->name_len =
			(size_t)snprintf(field->name, sizeof(field->name), "%s", names[i]);
		if (field->name_len > NAME_MAX_LEN)
			field->name_len = NAME_MAX_LEN;
		field->digest = digest_new();
		scan->by_letter[field->name[0] & 31] |= UINT32_C(1) << i;
	}
	scan->digest = digest_new();
	scan->content = want_content ? digest_new() : NULL;
	start_message(scan);
	return scan;
}

struct header_scan *header_scan_new(bool want_content)
{
	return header_scan_new_fields(want_content, default_fields, countof(default_fields));
}

void header_scan_free(struct header_scan *scan)
{
	if (scan == NULL)
		return;
	for (size_t i = 0; i < scan->field_count; i++)
		digest_free(scan->field[i].digest);
	mem_free(scan->field);
	digest_free(scan->digest);
	digest_free(scan->content);
	mem_free(scan);
}

static struct field *find_field(struct header_scan *scan, struct span name)
{
	uint32_t candidates;

	/* Blanks between name and colon: RFC 5322 §4.5.3. */
	while (name.len > 0 && (name.data[name.len - 1] == ' ' || name.data[name.len - 1] == '\t'))
		name.len--;
	if (name.len == 0)
		return NULL;
	if (span_equal_nocase(name, SPAN("Message-ID")))
		scan->has_message_id = true;
	candidates = scan->by_letter[name.data[0] & 31];
	for (; candidates != 0; candidates &= candidates - 1) {
		struct field *field = &scan->field[__builtin_ctz(candidates)];

		if (span_equal_nocase(name, span_make(field->name, field->name_len)))
			return field;
	}
	return NULL;
}

static void put_byte(struct field *field, char byte)
{
	if (field->len == sizeof(field->text)) {
		digest_add(field->digest, span_make(field->text, field->len));
		field->len = 0;
	}
	field->text[field->len++] = byte;
}

/* Part of a value: line ends fall away, runs of blanks (also a stray CR) become one, none at the ends. */
static void put_value(struct field *field, const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		char byte = data[i];

		if (byte == ' ' || byte == '\t' || byte == '\r') {
			field->blank = field->started;
			continue;
		}
		if (field->blank)
			put_byte(field, ' ');
		field->blank = false;
		field->started = true;
		put_byte(field, byte);
	}
}

static void open_value(struct header_scan *scan, struct field *field)
{
	scan->open = field;
	scan->part = field != NULL ? PART_VALUE : PART_SKIP;
	if (field == NULL)
		return;
	field->seen = true;
	field->blank = field->started = false;
}

/* The value is complete: the line behind it is no continuation. */
static void close_value(struct header_scan *scan)
{
	if (scan->open != NULL)
		put_byte(scan->open, '\n');
	scan->open = NULL;
}

/* The name may come in pieces; one longer than any we know is of no interest. */
static void put_name(struct header_scan *scan, const char *data, size_t len)
{
	const char *colon = memchr(data, ':', len);
	size_t part = colon != NULL ? (size_t)(colon - data) : len;

	if (scan->name_len + part > NAME_MAX_LEN) {
		open_value(scan, NULL);
		return;
	}
	if (colon != NULL && scan->name_len == 0) {
		open_value(scan, find_field(scan, span_make(data, part)));
	} else {
		memcpy(scan->name + scan->name_len, data, part);
		scan->name_len += part;
		if (colon != NULL)
			open_value(scan, find_field(scan, span_make(scan->name, scan->name_len)));
	}
	if (scan->part == PART_VALUE)
		put_value(scan->open, colon + 1, len - part - 1);
}

/* A piece of a header line, without its LF; never empty. */
static void put_piece(struct header_scan *scan, const char *data, size_t len)
{
	if (scan->part == PART_LINE_START) {
		if (len == 1 && *data == '\r') {
			scan->part = PART_EMPTY_CR;
			return;
		}
		if (*data == ' ' || *data == '\t') { /* folded: RFC 5322 §2.2.3 */
			scan->part = scan->open != NULL ? PART_VALUE : PART_SKIP;
		} else {
			close_value(scan);
			scan->part = PART_NAME;
			scan->name_len = 0;
		}
	}
	if (scan->part == PART_EMPTY_CR) { /* a bare CR at the start of a line: no field's name */
		close_value(scan);
		scan->part = PART_SKIP;
	}
	if (scan->part == PART_NAME)
		put_name(scan, data, len);
	else if (scan->part == PART_VALUE)
		put_value(scan->open, data, len);
}

static void end_field(struct header_scan *scan, struct field *field)
{
	static const unsigned char none[DIGEST_SIZE]; /* a field the message does not have */
	unsigned char hash[DIGEST_SIZE];

	if (!field->seen) {
		digest_add(scan->digest, span_make((const char *)none, sizeof(none)));
		return;
	}
	digest_add(field->digest, span_make(field->text, field->len));
	digest_end(field->digest, hash);
	digest_add(scan->digest, span_make((const char *)hash, sizeof(hash)));
	field->len = 0;
	field->seen = false;
}

static void end_header(struct header_scan *scan)
{
	close_value(scan);
	for (size_t i = 0; i < scan->field_count; i++)
		end_field(scan, &scan->field[i]);
	scan->header = digest_end128(scan->digest);
	scan->in_header = false;
	if (scan->want_content)
		digest_add(scan->content,
			span_make((const char *)&scan->header, sizeof(scan->header)));
}

/* Reads up to the end of the header; how many bytes belonged to it, with the empty line. */
static size_t read_header(struct header_scan *scan, struct span chunk)
{
	size_t at = 0;

	while (at < chunk.len) {
		const char *start = chunk.data + at;
		const char *lf = memchr(start, '\n', chunk.len - at);
		size_t len = lf != NULL ? (size_t)(lf - start) : chunk.len - at;

		if (len > 0)
			put_piece(scan, start, len);
		if (lf == NULL)
			return chunk.len;
		at += len + 1;
		if (scan->part == PART_LINE_START || scan->part == PART_EMPTY_CR) {
			end_header(scan);
			return at;
		}
		scan->part = PART_LINE_START;
	}
	return at;
}

static bool has_8bit(struct span text)
{
	uint64_t seen = 0;
	size_t at = 0;

	for (; text.len - at >= sizeof(seen); at += sizeof(seen)) {
		uint64_t word;

		memcpy(&word, text.data + at, sizeof(word));
		seen |= word;
	}
	for (; at < text.len; at++)
		seen |= (unsigned char)text.data[at];
	return (seen & UINT64_C(0x8080808080808080)) != 0;
}

/* Hashes a chunk of body in which some LF has no CR: each counts as CRLF. */
static void add_repaired(struct digest *digest, struct span chunk, bool last_cr)
{
	char out[BODY_ROOM];
	size_t used = 0;

	while (chunk.len > 0) {
		size_t at = span_find(span_sub(chunk, 0, sizeof(out) - 2), '\n');
		size_t len = at != SIZE_MAX ? at : span_sub(chunk, 0, sizeof(out) - 2).len;

		if (used + len + 2 > sizeof(out)) {
			digest_add(digest, span_make(out, used));
			used = 0;
		}
		memcpy(out + used, chunk.data, len);
		used += len;
		if (len > 0)
			last_cr = chunk.data[len - 1] == '\r';
		if (at != SIZE_MAX) {
			if (!last_cr)
				out[used++] = '\r';
			out[used++] = '\n';
			last_cr = false;
			len++;
		}
		chunk = span_from(chunk, len);
	}
	digest_add(digest, span_make(out, used));
}

void header_scan_add(struct header_scan *scan, struct span chunk)
{
	bool last_cr, bare_lf;

	scan->size += chunk.len;
	if (scan->in_header) {
		struct span head = span_sub(chunk, 0, read_header(scan, chunk));

		line_facts_add(&scan->lines, head);
		scan->has_8bit |= has_8bit(head);
		chunk = span_from(chunk, head.len);
	}
	if (chunk.len == 0)
		return;
	last_cr = scan->lines.last_cr;
	bare_lf = line_facts_add(&scan->lines, chunk);
	if (!scan->want_content)
		return;
	if (bare_lf)
		add_repaired(scan->content, chunk, last_cr);
	else
		digest_add(scan->content, chunk);
}

void header_scan_end(struct header_scan *scan, struct header_facts *out)
{
	if (scan->in_header)
		end_header(scan);
	const bool open_line = scan->lines.column != 0;
	line_facts_end(&scan->lines);
	*out = (struct header_facts){
		.header = scan->header,
		.size = scan->size,
		.has_message_id = scan->has_message_id,
		.has_nul = scan->lines.has_nul,
		.has_bare_lf = scan->lines.has_bare_lf,
		.has_bare_cr = scan->lines.has_bare_cr,
		.has_open_line = open_line,
		.has_8bit_header = scan->has_8bit,
		.longest_line = scan->lines.longest > UINT32_MAX ? UINT32_MAX
								 : (uint32_t)scan->lines.longest,
	};
	if (scan->want_content)
		out->content = digest_end128(scan->content);
	start_message(scan);
}
