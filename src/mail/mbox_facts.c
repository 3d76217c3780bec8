/* Facts about a message in an mbox file. Header lines are gathered one by one, the body only goes by. */
#include "mail/mbox_facts.h"

#include "base/buf.h"
#include "base/mem.h"
#include "mail/unix_eol.h"

#include <string.h>

#define FRONT 64 /* octets of a line by which its field is told */
#define VALUE_MAX 4096
#define BODY_MAX 16384 /* octets of the body in the key */

enum field {
	FIELD_OTHER,
	FIELD_STATUS,
	FIELD_X_STATUS,
	FIELD_KEYWORDS,
	FIELD_MOZILLA_STATUS,
	FIELD_MOZILLA_STATUS2,
	FIELD_MOZILLA_KEYS,
	FIELD_RECEIVED,
	FIELD_DATE,
	FIELD_IGNORED, /* neither read nor part of the key */
	FIELDS
};

static const struct {
	const char *name;
	enum field field;
} fields[] = {
	{ "Status", FIELD_STATUS },
	{ "X-Status", FIELD_X_STATUS },
	{ "X-Keywords", FIELD_KEYWORDS },
	{ "X-Mozilla-Status", FIELD_MOZILLA_STATUS },
	{ "X-Mozilla-Status2", FIELD_MOZILLA_STATUS2 },
	{ "X-Mozilla-Keys", FIELD_MOZILLA_KEYS },
	{ "Received", FIELD_RECEIVED },
	{ "Date", FIELD_DATE },
	{ "X-UID", FIELD_IGNORED },
	{ "X-IMAP", FIELD_IGNORED },
	{ "X-IMAPbase", FIELD_IGNORED },
	{ "Content-Length", FIELD_IGNORED },
	{ "Lines", FIELD_IGNORED },
};

struct mbox_facts {
	struct digest *digest;
	struct unix_eol eol;
	struct buf value[FIELDS]; /* of the first line of a field */
	struct buf flags, moz_flags;
	char front[FRONT]; /* of this line, while its field is not known */
	size_t front_len;
	enum { LINE_FRONT, LINE_REST, LINE_BODY } state;
	enum field field; /* of this line */
	bool seen[FIELDS], first; /* first: this line's value is kept */
	/* which line of ours comes next, if the header begins with them; keywords stand last */
	enum { OWN_STATUS, OWN_X_STATUS, OWN_KEYWORDS, OWN_LAST, OWN_END } own;
	uint64_t octets, body, own_octets, mozilla_octets, bare_lf;
};

struct mbox_facts *mbox_facts_new(void)
{
	struct mbox_facts *facts = mem_alloc(sizeof(*facts));

	facts->digest = digest_new();
	for (size_t i = 0; i < FIELDS; i++)
		buf_init(&facts->value[i], VALUE_MAX);
	buf_init(&facts->flags, VALUE_MAX + 64);
	buf_init(&facts->moz_flags, VALUE_MAX + 64);
	return facts;
}

void mbox_facts_free(struct mbox_facts *facts)
{
	if (facts == NULL)
		return;
	digest_free(facts->digest);
	for (size_t i = 0; i < FIELDS; i++)
		buf_release(&facts->value[i]);
	buf_release(&facts->flags);
	buf_release(&facts->moz_flags);
	mem_free(facts);
}

void mbox_facts_reset(struct mbox_facts *facts)
{
	digest_reset(facts->digest);
	for (size_t i = 0; i < FIELDS; i++) {
		buf_clear(&facts->value[i]);
		facts->seen[i] = false;
	}
	facts->eol = (struct unix_eol){ 0 };
	facts->state = LINE_FRONT;
	facts->front_len = 0;
	facts->field = FIELD_OTHER;
	facts->own = OWN_STATUS;
	facts->octets = facts->body = 0;
	facts->own_octets = facts->mozilla_octets = facts->bare_lf = 0;
}

static enum field field_of(struct span name)
{
	for (size_t i = 0; i < countof(fields); i++) {
		if (span_equal_nocase(name, span_of(fields[i].name)))
			return fields[i].field;
	}
	return FIELD_OTHER;
}

bool mbox_is_mozilla_field(struct span name)
{
	const enum field field = field_of(name);

	return field >= FIELD_MOZILLA_STATUS && field <= FIELD_MOZILLA_KEYS;
}

bool mbox_is_status_field(struct span name)
{
	const enum field field = field_of(name);

	return field == FIELD_IGNORED || (field >= FIELD_STATUS && field <= FIELD_MOZILLA_KEYS);
}

/* Octets of a header line whose field is known. */
static void take(struct mbox_facts *facts, struct span part)
{
	const enum field field = facts->field;
	struct buf *value = &facts->value[field];

	if (field == FIELD_OTHER || field == FIELD_RECEIVED || field == FIELD_DATE) {
		digest_add(facts->digest, part);
		facts->octets += part.len;
	} else if (field >= FIELD_MOZILLA_STATUS && field <= FIELD_MOZILLA_KEYS) {
		facts->mozilla_octets += part.len;
	} else if (facts->own != OWN_STATUS && facts->own != OWN_END) {
		facts->own_octets += part.len;
	}
	if (facts->first && field != FIELD_OTHER && field != FIELD_IGNORED &&
		buf_add(value, span_sub(part, 0, value->max - value->len)) < 0)
		facts->first = false;
}

/* A line of ours has to be in its place; the first other one ends them. */
static void follow_own(struct mbox_facts *facts)
{
	static const enum field expected[] = {
		[OWN_STATUS] = FIELD_STATUS,
		[OWN_X_STATUS] = FIELD_X_STATUS,
		[OWN_KEYWORDS] = FIELD_KEYWORDS,
	};

	if (facts->own < OWN_LAST && facts->field == expected[facts->own]) {
		facts->own++;
		return;
	}
	if (facts->own <= OWN_X_STATUS)
		facts->own_octets = 0;
	facts->own = OWN_END;
}

/* The front of a line is there, as far as it is needed. */
static void decide(struct mbox_facts *facts)
{
	const struct span front = span_make(facts->front, facts->front_len);
	const size_t colon = span_find(front, ':');

	if (span_equal_text(front, "\n") || span_equal_text(front, "\r\n")) {
		facts->state = LINE_BODY;
		digest_add(facts->digest, SPAN("\n"));
		return;
	}
	if (front.len == 0 || (*front.data != ' ' && *front.data != '\t')) {
		facts->field = colon == SIZE_MAX ? FIELD_OTHER
						 : field_of(span_trim(span_sub(front, 0, colon)));
		facts->first = !facts->seen[facts->field];
		facts->seen[facts->field] = true;
		follow_own(facts);
	}
	take(facts, front);
	facts->state = front.len > 0 && front.data[front.len - 1] == '\n' ? LINE_FRONT : LINE_REST;
	facts->front_len = 0;
}

static size_t add_header(struct mbox_facts *facts, struct span text)
{
	const char *lf = memchr(text.data, '\n', text.len);
	const size_t line = lf == NULL ? text.len : (size_t)(lf - text.data) + 1;
	size_t len = line;

	if (facts->state == LINE_REST) {
		take(facts, span_sub(text, 0, len));
		if (lf != NULL)
			facts->state = LINE_FRONT;
		return len;
	}
	if (len > FRONT - facts->front_len)
		len = FRONT - facts->front_len;
	memcpy(facts->front + facts->front_len, text.data, len);
	facts->front_len += len;
	if (facts->front_len == FRONT || facts->front[facts->front_len - 1] == '\n')
		decide(facts);
	return len;
}

void mbox_facts_add(struct mbox_facts *facts, struct span text)
{
	facts->bare_lf += unix_eol_count(&facts->eol, text);
	while (text.len > 0 && facts->state != LINE_BODY)
		text = span_from(text, add_header(facts, text));
	if (text.len > 0 && facts->body < BODY_MAX)
		digest_add(facts->digest, span_sub(text, 0, (size_t)(BODY_MAX - facts->body)));
	facts->body += text.len;
}

/* Letters as mbox programs use them (Status: RO, X-Status: AFDT). */
static void add_letters(struct mbox_facts *facts)
{
	static const struct {
		enum field field;
		char letter;
		const char *flag;
	} letters[] = {
		{ FIELD_STATUS, 'R', "\\Seen " },
		{ FIELD_X_STATUS, 'A', "\\Answered " },
		{ FIELD_X_STATUS, 'F', "\\Flagged " },
		{ FIELD_X_STATUS, 'D', "\\Deleted " },
		{ FIELD_X_STATUS, 'T', "\\Draft " },
	};

	for (size_t i = 0; i < countof(letters); i++) {
		const struct span value = buf_span(&facts->value[letters[i].field]);
		const size_t colon = span_find(value, ':');

		if (colon != SIZE_MAX &&
			span_find(span_from(value, colon), letters[i].letter) != SIZE_MAX &&
			buf_add(&facts->flags, span_of(letters[i].flag)) < 0)
			return;
	}
}

/* What stands behind the colon, unfolded as far as it matters here. */
static struct span value_of(const struct mbox_facts *facts, enum field field)
{
	const struct span line = buf_span(&facts->value[field]);
	const size_t colon = span_find(line, ':');

	return colon == SIZE_MAX ? span_sub(line, 0, 0) : span_trim(span_from(line, colon + 1));
}

/* A list of words in which line ends count as blanks. */
static void add_words(struct buf *out, struct span words)
{
	for (size_t i = 0; i < words.len; i++) {
		const char byte = words.data[i];

		if (buf_add_char(out, byte == '\r' || byte == '\n' || byte == '\t' ? ' ' : byte) <
			0)
			return;
	}
}

static struct date find_date(const struct mbox_facts *facts)
{
	const struct span received = value_of(facts, FIELD_RECEIVED);
	const char *semicolon = received.len > 0 ? memrchr(received.data, ';', received.len) : NULL;
	struct date date = { .instant = DATE_UNKNOWN };

	if (semicolon != NULL &&
		date_parse_header(
			span_from(received, (size_t)(semicolon - received.data) + 1), &date) == 0)
		return date;
	if (date_parse_header(value_of(facts, FIELD_DATE), &date) < 0)
		date = (struct date){ .instant = DATE_UNKNOWN };
	return date;
}

static void find_flags(struct mbox_facts *facts, struct mbox_result *out)
{
	buf_clear(&facts->flags);
	buf_clear(&facts->moz_flags);
	add_letters(facts);
	add_words(&facts->flags, value_of(facts, FIELD_KEYWORDS));
	out->has_status = facts->seen[FIELD_STATUS] || facts->seen[FIELD_X_STATUS];
	out->has_mozilla =
		mozilla_status(value_of(facts, FIELD_MOZILLA_STATUS), &out->mozilla.status);
	if (!mozilla_status(value_of(facts, FIELD_MOZILLA_STATUS2), &out->mozilla.status2))
		out->mozilla.status2 = 0;
	if (mozilla_flags(&out->mozilla, value_of(facts, FIELD_MOZILLA_KEYS), &facts->moz_flags) <
		0)
		buf_clear(&facts->moz_flags);
	out->status_flags = buf_span(&facts->flags);
	out->mozilla_flags = buf_span(&facts->moz_flags);
}

static bool only_letters(struct span value, const char *letters)
{
	for (size_t i = 0; i < value.len; i++) {
		if (strchr(letters, value.data[i]) == NULL)
			return false;
	}
	return true;
}

void mbox_facts_end(struct mbox_facts *facts, struct mbox_result *out)
{
	uint64_t octets;

	*out = (struct mbox_result){ .mozilla_octets = 0 };
	if (facts->state == LINE_FRONT && facts->front_len > 0)
		decide(facts);
	octets = facts->octets + facts->body;
	digest_add(facts->digest, span_make((const char *)&octets, sizeof(octets)));
	out->key = digest_end128(facts->digest);
	out->date = find_date(facts);
	find_flags(facts, out);
	out->mozilla_octets = facts->mozilla_octets;
	if (facts->own > OWN_X_STATUS && only_letters(value_of(facts, FIELD_STATUS), "RO") &&
		only_letters(value_of(facts, FIELD_X_STATUS), "AFTD"))
		out->own_octets = facts->own_octets;
	out->bare_lf = facts->bare_lf;
	mbox_facts_reset(facts);
}
