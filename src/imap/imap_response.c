/*
 * Framing (where does a response end?) and dispatch (which reader understands it?).
 *
 * Framing tracks no quotes, and needs none: a quoted string cannot hold CR or LF (RFC 3501 §9 quoted), so "{5}" right before a line end is
 * never inside a well-formed one, and where a quote is left open (Domino's "\" for a delimiter) taking the literal for what it says is
 * the reading that cannot turn the octets of a message into responses. Lines of words for people hold no literals at all.
 */
#include "imap/imap_response.h"

#include "imap/imap_response_parts.h"

#include "base/err.h"

/* --- framing --- */

static const struct {
	const char *word;
	enum imap_status status;
} status_words[] = {
	{ "OK", IMAP_OK },
	{ "NO", IMAP_NO },
	{ "BAD", IMAP_BAD },
	{ "BYE", IMAP_BYE },
	{ "PREAUTH", IMAP_PREAUTH },
};

static bool find_status(struct span word, enum imap_status *out)
{
	for (size_t i = 0; i < countof(status_words); i++) {
		if (span_equal_nocase(word, span_of(status_words[i].word))) {
			*out = status_words[i].status;
			return true;
		}
	}
	return false;
}

/* Decides by the first line what may be in the response. */
static void judge(struct imap_frame *frame, struct span line)
{
	struct imap_cursor c = imap_cursor(line, NULL);
	enum imap_status status;

	frame->judged = true;
	imap_skip_blanks(&c);
	if (!imap_skip_char(&c, '*')) {
		frame->text = true;
		return;
	}
	imap_skip_blanks(&c);

	if (imap_read_digits(&c).len > 0) {
		imap_skip_blanks(&c);
		frame->fetch = span_equal_nocase(imap_read_word(&c), SPAN("FETCH"));
		return;
	}

	const struct span word = imap_read_word(&c);
	frame->text = word.len == 0 || find_status(word, &status);
}

/* Is the literal at the end of this text the value of BODY[…], BODY[…]<n>, BINARY[…], RFC822, RFC822.HEADER or RFC822.TEXT? */
static bool ends_in_section(struct span text)
{
	static const char *const names[] = { "RFC822", "RFC822.HEADER", "RFC822.TEXT" };

	while (text.len > 0 && (text.data[text.len - 1] == ' ' || text.data[text.len - 1] == '~'))
		text.len--;
	if (text.len > 0 && text.data[text.len - 1] == '>') {
		text.len--;
		while (text.len > 0 && text.data[text.len - 1] >= '0' &&
			text.data[text.len - 1] <= '9')
			text.len--;
		return text.len > 1 && text.data[text.len - 1] == '<' &&
		       text.data[text.len - 2] == ']';
	}
	if (text.len > 0 && text.data[text.len - 1] == ']')
		return true;
	for (size_t i = 0; i < countof(names); i++) {
		const struct span name = span_of(names[i]);

		if (text.len > name.len &&
			span_equal_nocase(span_from(text, text.len - name.len), name))
			return true;
	}
	return false;
}

/* A line is there, frame->at is behind it. 1 = it ends the response or part, 0 = a literal follows and then a further line. */
static int frame_line(struct imap_frame *frame, struct span line, struct err *err)
{
	size_t start;
	uint64_t size;

	if (line.len > 0 && line.data[line.len - 1] == '\r')
		line.len--;
	frame->size = frame->at;
	if (!frame->judged)
		judge(frame, line);
	if (frame->text)
		return 1;

	switch (imap_line_literal(line, &start, &size)) {
	case IMAP_LITERAL_NONE:
		/* No value of a FETCH ends a line so: if it was meant for a literal, octets of a message would be read as responses. */
		if (frame->fetch && span_ends(line, SPAN("}")))
			return err_set(
				err, ERR_CONN, "server sent a literal of an impossible size");
		return 1;
	case IMAP_LITERAL_BAD:
		return err_set(err, ERR_CONN, "server sent a literal of an impossible size");
	case IMAP_LITERAL_SIZE:
		break;
	}

	const bool section = frame->fetch && ends_in_section(span_sub(line, 0, start));
	if (section && size > IMAP_INLINE_MAX) {
		frame->stream = true;
		frame->stream_size = size;
		return 1;
	}
	if (size > IMAP_STRING_MAX)
		return err_set(err, ERR_CONN,
			"server sent a string of %llu octets where none can be so long",
			(unsigned long long)size);
	frame->skip = size;
	return 0;
}

static int frame_check(const struct imap_frame *frame, struct err *err)
{
	if (frame->at > IMAP_LINE_MAX)
		return err_set(err, ERR_CONN, "server sent a response longer than %u octets",
			IMAP_LINE_MAX);
	return 0;
}

int imap_response_frame(struct imap_frame *frame, struct span input, struct err *err)
{
	if (frame->continued && !frame->judged)
		frame->judged = frame->fetch = true;
	/* An alert of TLS, a compressed stream, another protocol: no text begins with a control character. */
	if (!frame->judged && input.len > 0 && (unsigned char)input.data[0] < ' ' &&
		span_find(SPAN("\r\n\t"), input.data[0]) == SIZE_MAX)
		return err_set(err, ERR_CONN, "server sent something that is not IMAP");

	while (frame->at < input.len) {
		const size_t here = input.len - frame->at;

		if (frame->skip > 0) {
			const size_t step = frame->skip < here ? (size_t)frame->skip : here;

			frame->skip -= step;
			frame->at += step;
			frame->line_start = frame->at;
			if (frame_check(frame, err) < 0)
				return -1;
			continue;
		}

		const char *end = memchr(input.data + frame->at, '\n', here);
		const size_t line_end = end ? (size_t)(end - input.data) : input.len;
		frame->at = line_end + (end != NULL);
		if (frame_check(frame, err) < 0)
			return -1;
		if (!end)
			return 0;

		const size_t line_start = frame->line_start;
		frame->line_start = frame->at;
		const int rc =
			frame_line(frame, span_sub(input, line_start, line_end - line_start), err);
		if (rc != 0)
			return rc;
	}
	return 0;
}

/* --- what is said --- */

/* tag = "m" number: the tags we send. */
uint32_t imap_tag_number(struct span tag)
{
	uint32_t number;

	if (tag.len < 2 || tag.data[0] != 'm' || !span_u32(span_from(tag, 1), &number))
		return 0;
	return number;
}

static bool read_words(struct imap_cursor *c, struct imap_event *out)
{
	imap_read_words(c, &out->words);
	return true;
}

static bool read_capability(struct imap_cursor *c, struct imap_event *out)
{
	imap_read_words(c, &out->words);
	imap_join_capabilities(&out->words);
	return true;
}

static bool read_id(struct imap_cursor *c, struct imap_event *out)
{
	imap_read_words(c, &out->words);
	if (out->words.count == 1)
		out->words.count = 0; /* NIL, or a name without its value */
	return true;
}

typedef bool (*read_function)(struct imap_cursor *c, struct imap_event *out);

/* response-data that begins with a word (RFC 3501 §7.2, 7.3 and extensions) */
static const struct {
	const char *word;
	enum imap_type type;
	read_function read;
} named[] = {
	{ "CAPABILITY", IMAP_CAPABILITY, read_capability },
	{ "ENABLED", IMAP_ENABLED, read_capability },
	{ "ESEARCH", IMAP_SEARCH, imap_read_esearch },
	{ "FLAGS", IMAP_FLAGS, read_words },
	{ "ID", IMAP_ID, read_id },
	{ "LIST", IMAP_LIST, imap_read_list_response },
	{ "LSUB", IMAP_LIST, imap_read_lsub_response },
	{ "NAMESPACE", IMAP_NAMESPACE, imap_read_namespace },
	{ "QUOTA", IMAP_QUOTA, imap_read_quota },
	{ "QUOTAROOT", IMAP_QUOTAROOT, read_words },
	{ "SEARCH", IMAP_SEARCH, imap_read_search },
	{ "STATUS", IMAP_STATUS, imap_read_mailbox_status },
	{ "VANISHED", IMAP_VANISHED, imap_read_vanished },
	{ "XLIST", IMAP_LIST, imap_read_list_response },
};

/* message-data = number SP ("EXISTS" / "RECENT" / "EXPUNGE" / …) but FETCH */
static const struct {
	const char *word;
	enum imap_type type;
} numbered[] = {
	{ "EXISTS", IMAP_EXISTS },
	{ "EXPUNGE", IMAP_EXPUNGE },
	{ "RECENT", IMAP_RECENT },
};

struct parse {
	struct imap_cursor c;
	const struct imap_frame *frame;
	struct span line; /* without its end */
	struct imap_event *out;
	struct err *err;
};

static int unknown(struct parse *p)
{
	*p->out = (struct imap_event){ .type = IMAP_UNKNOWN, .text = p->line };
	return 0;
}

static int parse_fetch(struct parse *p)
{
	struct imap_fetch_data *fetch = &p->out->fetch;

	p->out->type = IMAP_FETCH;
	fetch->continued = p->frame->continued;

	const enum imap_fetch_end end = imap_read_fetch(&p->c, p->frame->stream, fetch);
	if (end == IMAP_FETCH_STREAM) {
		fetch->stream = true;
		fetch->stream_size = p->frame->stream_size;
		return 0;
	}
	if (end == IMAP_FETCH_WHOLE && !p->frame->stream)
		return 0;
	/* A body was or will be passed on: what does not fit around it means that the literal's size was a lie. */
	if (p->frame->stream || fetch->continued || (fetch->has & IMAP_FETCH_SECTION) != 0)
		return err_set(p->err, ERR_CONN,
			"server sent a message whose end is not where its size says");
	return unknown(p);
}

static int parse_numbered(struct parse *p, struct span number)
{
	uint32_t value = 0;
	const bool valid = span_u32(number, &value);

	imap_skip_blanks(&p->c);
	const struct span word = imap_read_word(&p->c);
	if (span_equal_nocase(word, SPAN("FETCH"))) {
		p->out->fetch.seq = value; /* 0 from Courier; nobody relies on it */
		return parse_fetch(p);
	}
	for (size_t i = 0; valid && i < countof(numbered); i++) {
		if (span_equal_nocase(word, span_of(numbered[i].word))) {
			p->out->type = numbered[i].type;
			p->out->number = value;
			return 0;
		}
	}
	return unknown(p);
}

static int parse_named(struct parse *p, struct span word)
{
	for (size_t i = 0; i < countof(named); i++) {
		if (!span_equal_nocase(word, span_of(named[i].word)))
			continue;
		p->out->type = named[i].type;
		imap_skip_blanks(&p->c);
		if (named[i].read(&p->c, p->out))
			return 0;
		/* No SEARCH at all means "nothing found": an answer must not be dropped. */
		if (named[i].type == IMAP_SEARCH)
			return err_set(p->err, ERR_CONN,
				"server sent a search result with impossible numbers");
		break;
	}
	return unknown(p);
}

/* untagged: "*" SP, then a status, a number, or a word; "* [ALERT] …" without the OK too (Exchange) */
static int parse_untagged(struct parse *p)
{
	imap_skip_blanks(&p->c);

	const struct span number = imap_read_digits(&p->c);
	if (number.len > 0)
		return parse_numbered(p, number);

	const struct span word = imap_read_word(&p->c);
	if (word.len == 0 && imap_peek(&p->c) == '[')
		p->out->status = IMAP_OK;
	else if (!find_status(word, &p->out->status))
		return parse_named(p, word);
	p->out->type = IMAP_STATUS_LINE;
	imap_read_status_text(&p->c, p->out);
	return 0;
}

/* response-tagged = tag SP resp-cond-state CRLF; a line of junk is unknown, unless it has one of our tags */
static int parse_tagged(struct parse *p)
{
	struct span tag;

	if (!imap_read_atom(&p->c, &tag))
		return unknown(p);
	imap_skip_blanks(&p->c);
	p->out->tag = imap_tag_number(tag);
	if (find_status(imap_read_word(&p->c), &p->out->status) && p->out->status <= IMAP_BAD) {
		p->out->type = IMAP_TAGGED;
		imap_read_status_text(&p->c, p->out);
		return 0;
	}
	if (p->out->tag != 0)
		return err_set(p->err, ERR_CONN,
			"server sent an answer that says neither OK nor NO: %.*s",
			(int)(p->line.len < 200 ? p->line.len : 200), p->line.data);
	return unknown(p);
}

static struct span without_line_end(struct span input)
{
	if (input.len > 0 && input.data[input.len - 1] == '\n')
		input.len--;
	if (input.len > 0 && input.data[input.len - 1] == '\r')
		input.len--;
	return input;
}

int imap_response_parse(struct span input, const struct imap_frame *frame, struct arena *arena,
	struct imap_event *out, struct err *err)
{
	const struct span line = without_line_end(input);
	/* In front of a streamed literal the line end belongs to it. */
	struct parse p = { imap_cursor(frame->stream ? input : line, arena), frame, line, out,
		err };

	*out = (struct imap_event){ 0 };
	if (frame->continued)
		return parse_fetch(&p);
	imap_skip_blanks(&p.c);
	if (imap_skip_char(&p.c, '*'))
		return parse_untagged(&p);
	if (imap_skip_char(&p.c, '+')) {
		imap_skip_blanks(&p.c);
		out->type = IMAP_CONTINUE;
		out->text = imap_rest(&p.c);
		return 0;
	}
	if (imap_peek(&p.c) == '[') {
		out->type = IMAP_STATUS_LINE;
		imap_read_status_text(&p.c, out);
		return 0;
	}
	return parse_tagged(&p);
}
