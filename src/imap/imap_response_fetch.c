/* The items of a FETCH response (RFC 3501 §7.4.2), in any order, whole or in front of a streamed literal or behind one. */
#include "imap/imap_response_parts.h"

#include "base/arena.h"

struct reader {
	struct imap_cursor c;
	/* a literal at the very end of the part has its octets still on the wire */
	bool may_stream;
	bool streams; /* and we have come to it */
	bool body; /* the last item was octets of a message */
	struct imap_fetch_data *out;
};

typedef bool (*item_function)(struct reader *r);

static bool read_uid(struct reader *r)
{
	uint32_t uid;

	if (imap_read_number32(&r->c, &uid) && uid != 0) {
		r->out->uid = uid;
		r->out->has |= IMAP_FETCH_UID;
	}
	return true;
}

/* A float (mail.ru) or a negative size is no size; it is only a hint anyway. */
static bool read_size(struct reader *r)
{
	uint64_t size;

	if (imap_read_number(&r->c, &size)) {
		r->out->size = size;
		r->out->has |= IMAP_FETCH_SIZE;
	}
	return true;
}

/* fetch-mod-resp = "MODSEQ" SP "(" permsg-modsequence ")" (RFC 7162 §7); -1 and 0 are none */
static bool read_modseq(struct reader *r)
{
	const bool list = imap_skip_char(&r->c, '(');

	imap_skip_blanks(&r->c);
	const uint64_t modseq = imap_read_modseq(&r->c);
	if (modseq != 0) {
		r->out->modseq = modseq;
		r->out->has |= IMAP_FETCH_MODSEQ;
	}
	return !list || imap_skip_list_rest(&r->c);
}

static bool read_date(struct reader *r)
{
	struct span date;

	if (!imap_read_string(&r->c, &date))
		return false;
	if (date.data) {
		r->out->date = date;
		r->out->has |= IMAP_FETCH_DATE;
	}
	return true;
}

static bool has_blank(struct span word)
{
	for (size_t i = 0; i < word.len; i++) {
		if ((unsigned char)word.data[i] <= ' ')
			return true;
	}
	return false;
}

/* Flags with quotes, literals or parentheses among them become plain names again; what cannot be a name is left out. */
static bool read_odd_flags(struct reader *r)
{
	struct imap_cursor rest = r->c;
	size_t len = 0, depth = 0;
	struct span flag;

	if (!imap_skip_list_rest(&rest))
		return false;

	char *out = arena_alloc(r->c.arena, (size_t)(rest.at - r->c.at));
	for (;;) {
		imap_skip_blanks(&r->c);
		if (imap_skip_char(&r->c, '(')) {
			depth++;
			continue;
		}
		if (imap_skip_char(&r->c, ')')) {
			if (depth-- == 0)
				break;
			continue;
		}
		if (!imap_read_string(&r->c, &flag))
			return false;
		if (!flag.data || flag.len == 0 || has_blank(flag))
			continue;
		if (len > 0)
			out[len++] = ' ';
		memcpy(out + len, flag.data, flag.len);
		len += flag.len;
	}
	r->out->flags = span_make(out, len);
	return true;
}

/* "FLAGS" SP "(" [flag-fetch *(SP flag-fetch)] ")" */
static bool read_flags(struct reader *r)
{
	struct span nothing;

	r->out->has |= IMAP_FETCH_FLAGS;
	r->out->flags = SPAN("");
	if (!imap_skip_char(&r->c, '(')) {
		if (!imap_read_string(&r->c, &nothing))
			return false;
		if (nothing.data)
			r->out->has &= ~(unsigned)IMAP_FETCH_FLAGS;
		return true;
	}
	for (const char *at = r->c.at; at < r->c.end; at++) {
		if (*at == ')') {
			r->out->flags = span_make(r->c.at, (size_t)(at - r->c.at));
			r->c.at = at + 1;
			return true;
		}
		if (*at == '"' || *at == '{' || *at == '(' || *at == '\n')
			break;
	}
	return read_odd_flags(r);
}

/* "EMAILID" SP "(" objectid ")" (RFC 8474 §7); the others come without parentheses */
static bool read_content_id(struct reader *r, enum imap_content_id kind)
{
	const bool list = imap_skip_char(&r->c, '(');
	struct span id;

	imap_skip_blanks(&r->c);
	if (imap_peek(&r->c) == ')')
		return !list || imap_skip_list_rest(&r->c);
	if (!imap_read_string(&r->c, &id))
		return false;
	if (id.data) {
		r->out->content_id = id;
		r->out->content_id_kind = kind;
		r->out->has |= IMAP_FETCH_CONTENT_ID;
	}
	return !list || imap_skip_list_rest(&r->c);
}

static bool read_digest(struct reader *r)
{
	return read_content_id(r, IMAP_CONTENT_ID_DIGEST);
}

static bool read_emailid(struct reader *r)
{
	return read_content_id(r, IMAP_CONTENT_ID_EMAILID);
}

static bool read_guid(struct reader *r)
{
	return read_content_id(r, IMAP_CONTENT_ID_GUID);
}

static bool read_gmail_id(struct reader *r)
{
	return read_content_id(r, IMAP_CONTENT_ID_GMAIL);
}

/*
 * The octets of a section: nstring / literal8 (RFC 3501 §9 msg-att-static, RFC 3516 §7). No leniency: a word that is not NIL may be a
 * literal gone wrong, with the message behind it.
 */
static bool read_bytes(struct reader *r, struct span name)
{
	struct imap_section section = { .name = name };
	struct imap_cursor probe = r->c;
	uint64_t size;
	const bool literal = imap_read_literal_size(&probe, &size);
	const bool string = literal || imap_peek(&r->c) == '"';

	r->body = true;
	r->out->has |= IMAP_FETCH_SECTION;
	if (literal && r->may_stream && imap_at_end(&probe)) {
		r->streams = true;
		r->c.at = probe.at;
	} else {
		if (!imap_read_string(&r->c, &section.bytes))
			return false;
		section.nil = section.bytes.data == NULL;
		if (!section.nil && !string)
			return false;
	}
	r->out->section = section;
	return true;
}

static bool read_rfc822(struct reader *r)
{
	return read_bytes(r, SPAN(""));
}

static bool read_rfc822_header(struct reader *r)
{
	return read_bytes(r, SPAN("HEADER"));
}

static bool read_rfc822_text(struct reader *r)
{
	return read_bytes(r, SPAN("TEXT"));
}

/*
 * section = "[" [section-spec] "]" ["<" number ">"]; header names in it may be quoted or literals, with a ']' in them.
 */
static bool read_section_name(struct imap_cursor *c, struct span *out)
{
	const char *start = ++c->at;
	struct span part;

	for (;;) {
		const char next = imap_peek(c);

		if (next == ']')
			break;
		if (next == '"' || next == '{') {
			if (!imap_read_astring(c, &part))
				return false;
		} else if (next == '\n' || imap_at_end(c)) {
			return false;
		} else {
			c->at++;
		}
	}
	*out = span_make(start, (size_t)(c->at - start));
	c->at++;
	if (imap_skip_char(c, '<')) {
		imap_read_digits(c);
		return imap_skip_char(c, '>');
	}
	return true;
}

/* Items with brackets: BODY[…] and BINARY[…] are octets, others (BINARY.SIZE[1]) values to be passed. */
static bool read_bracketed(struct reader *r, struct span item)
{
	struct span name;

	if (!read_section_name(&r->c, &name))
		return false;
	imap_skip_blanks(&r->c);
	if (span_equal_nocase(item, SPAN("BODY")) || span_equal_nocase(item, SPAN("BINARY")) ||
		span_equal_nocase(item, SPAN("BODY.PEEK")))
		return read_bytes(r, name);
	return imap_skip_value(&r->c);
}

static bool pass_value(struct reader *r)
{
	return imap_skip_value(&r->c);
}

#define ITEM(name, read)                         \
	{                                        \
		{ name, sizeof(name) - 1 }, read \
	}

static const struct {
	struct span name;
	item_function read;
} items[] = {
	ITEM("UID", read_uid),
	ITEM("FLAGS", read_flags),
	ITEM("INTERNALDATE", read_date),
	ITEM("RFC822.SIZE", read_size),
	ITEM("MODSEQ", read_modseq),
	ITEM("EMAILID", read_emailid),
	ITEM("X-GUID", read_guid),
	ITEM("DIGEST.SHA1", read_digest),
	ITEM("X-GM-MSGID", read_gmail_id),
	ITEM("RFC822", read_rfc822),
	ITEM("RFC822.HEADER", read_rfc822_header),
	ITEM("RFC822.TEXT", read_rfc822_text),
	ITEM("BODY", pass_value),
	ITEM("BODYSTRUCTURE", pass_value),
	ITEM("ENVELOPE", pass_value),
	ITEM("PREVIEW", pass_value),
	ITEM("SAVEDATE", pass_value),
	ITEM("THREADID", pass_value),
	ITEM("X-GM-LABELS", pass_value),
	ITEM("X-GM-THRID", pass_value),
};

static bool behind_body(const struct imap_fetch_data *fetch)
{
	return fetch->continued || (fetch->has & IMAP_FETCH_SECTION) != 0;
}

/*
 * Unknown items and those without a value are passed over, but not behind octets of a message: what stands there and is no item may be
 * the rest of the message, whose literal was announced too short (Rambler).
 */
static bool read_item(struct reader *r)
{
	const bool strict = behind_body(r->out);
	const struct span name = imap_read_word(&r->c);

	if (name.len == 0)
		return false;
	if (imap_peek(&r->c) == '[')
		return read_bracketed(r, name);
	imap_skip_blanks(&r->c);
	if (imap_at_end(&r->c) || imap_peek(&r->c) == ')')
		return !strict;
	for (size_t i = 0; i < countof(items); i++) {
		if (name.len == items[i].name.len && span_equal_nocase(name, items[i].name))
			return items[i].read(r);
	}
	return !strict && imap_skip_value(&r->c);
}

/* Behind the octets of a message comes a blank or the end. */
static bool at_border(const struct reader *r)
{
	const char next = imap_peek(&r->c);

	return next == ' ' || next == ')';
}

/* msg-att = "(" item *(SP item) ")": parentheses more or less (Domino) are passed over, but the last thing must be one. */
enum imap_fetch_end imap_read_fetch(struct imap_cursor *c, bool stream, struct imap_fetch_data *out)
{
	struct reader r = { .c = *c, .may_stream = stream, .out = out };
	bool closed = false;

	if (out->continued && !at_border(&r))
		return IMAP_FETCH_BROKEN;
	for (;;) {
		imap_skip_blanks(&r.c);
		if (imap_at_end(&r.c))
			return closed ? IMAP_FETCH_WHOLE : IMAP_FETCH_BROKEN;
		if (imap_skip_char(&r.c, ')')) {
			closed = true;
			continue;
		}
		closed = false;
		if (!behind_body(out) && imap_skip_char(&r.c, '('))
			continue;
		r.body = false;
		if (!read_item(&r))
			return IMAP_FETCH_BROKEN;
		if (r.streams)
			return IMAP_FETCH_STREAM;
		if (r.body && !at_border(&r))
			return IMAP_FETCH_BROKEN;
	}
}
