/* resp-text and its response codes (RFC 3501 §7.1, 5530, 4315, 7162, 8474, 9585 and others): one table. */
#include "imap/imap_response_parts.h"

#include "base/arena.h"

/* What stands behind a code's name. */
enum code_form {
	FORM_TEXT,
	FORM_NUMBER,
	FORM_MODSEQ,
	FORM_WORDS,
	FORM_CAPABILITIES,
	FORM_OBJECTID,
	FORM_SET,
	FORM_APPENDUID,
	FORM_COPYUID,
};

static const struct {
	const char *name;
	enum imap_code_type type;
	enum code_form form;
} codes[] = {
	{ "ALERT", IMAP_CODE_ALERT, FORM_TEXT },
	{ "ALREADYEXISTS", IMAP_CODE_ALREADYEXISTS, FORM_TEXT },
	{ "APPENDUID", IMAP_CODE_APPENDUID, FORM_APPENDUID },
	{ "AUTHENTICATIONFAILED", IMAP_CODE_AUTHENTICATIONFAILED, FORM_TEXT },
	{ "AUTHORIZATIONFAILED", IMAP_CODE_AUTHORIZATIONFAILED, FORM_TEXT },
	{ "BADCHARSET", IMAP_CODE_BADCHARSET, FORM_TEXT },
	{ "CANNOT", IMAP_CODE_CANNOT, FORM_TEXT },
	{ "CAPABILITY", IMAP_CODE_CAPABILITY, FORM_CAPABILITIES },
	{ "CLIENTBUG", IMAP_CODE_CLIENTBUG, FORM_TEXT },
	{ "CLOSED", IMAP_CODE_CLOSED, FORM_TEXT },
	{ "CONTACTADMIN", IMAP_CODE_CONTACTADMIN, FORM_TEXT },
	{ "COPYUID", IMAP_CODE_COPYUID, FORM_COPYUID },
	{ "CORRUPTION", IMAP_CODE_CORRUPTION, FORM_TEXT },
	{ "EXPIRED", IMAP_CODE_EXPIRED, FORM_TEXT },
	{ "EXPUNGEISSUED", IMAP_CODE_EXPUNGEISSUED, FORM_TEXT },
	{ "HASCHILDREN", IMAP_CODE_HASCHILDREN, FORM_TEXT },
	{ "HIGHESTMODSEQ", IMAP_CODE_HIGHESTMODSEQ, FORM_MODSEQ },
	{ "INPROGRESS", IMAP_CODE_INPROGRESS, FORM_TEXT },
	{ "INUSE", IMAP_CODE_INUSE, FORM_TEXT },
	{ "LIMIT", IMAP_CODE_LIMIT, FORM_TEXT },
	{ "MAILBOXID", IMAP_CODE_MAILBOXID, FORM_OBJECTID },
	{ "MODIFIED", IMAP_CODE_MODIFIED, FORM_SET },
	{ "NOMODSEQ", IMAP_CODE_NOMODSEQ, FORM_TEXT },
	{ "NONEXISTENT", IMAP_CODE_NONEXISTENT, FORM_TEXT },
	{ "NOPERM", IMAP_CODE_NOPERM, FORM_TEXT },
	{ "OVERQUOTA", IMAP_CODE_OVERQUOTA, FORM_TEXT },
	{ "PERMANENTFLAGS", IMAP_CODE_PERMANENTFLAGS, FORM_WORDS },
	{ "PRIVACYREQUIRED", IMAP_CODE_PRIVACYREQUIRED, FORM_TEXT },
	{ "READ-ONLY", IMAP_CODE_READ_ONLY, FORM_TEXT },
	{ "READ-WRITE", IMAP_CODE_READ_WRITE, FORM_TEXT },
	{ "REFERRAL", IMAP_CODE_REFERRAL, FORM_TEXT },
	{ "SERVERBUG", IMAP_CODE_SERVERBUG, FORM_TEXT },
	{ "THROTTLED", IMAP_CODE_THROTTLED, FORM_TEXT },
	{ "TOOBIG", IMAP_CODE_TOOBIG, FORM_TEXT },
	{ "TRYCREATE", IMAP_CODE_TRYCREATE, FORM_TEXT },
	{ "UIDNEXT", IMAP_CODE_UIDNEXT, FORM_NUMBER },
	{ "UIDNOTSTICKY", IMAP_CODE_UIDNOTSTICKY, FORM_TEXT },
	{ "UIDVALIDITY", IMAP_CODE_UIDVALIDITY, FORM_NUMBER },
	{ "UNAVAILABLE", IMAP_CODE_UNAVAILABLE, FORM_TEXT },
	{ "UNKNOWN-CTE", IMAP_CODE_UNKNOWN_CTE, FORM_TEXT },
	{ "UNSEEN", IMAP_CODE_UNSEEN, FORM_NUMBER },
	{ "USEATTR", IMAP_CODE_USEATTR, FORM_TEXT },
};

void imap_join_capabilities(struct imap_words *words)
{
	size_t kept = 0;

	for (size_t i = 0; i < words->count; i++) {
		struct span *last = kept > 0 ? &words->word[kept - 1] : NULL;

		if (last && span_equal_nocase(*last, SPAN("LITERAL")) &&
			span_equal(words->word[i], SPAN("+")))
			*last = SPAN("LITERAL+");
		else
			words->word[kept++] = words->word[i];
	}
	words->count = kept;
}

/* An empty set (Exchange sends COPYUID without any) and one that cannot be read are the same: nothing is known. */
static void read_set(struct imap_cursor *c, struct uidset *out)
{
	struct span text;

	imap_skip_blanks(c);
	if (!imap_read_astring(c, &text) || uidset_parse_ordered(text, c->arena, out) < 0)
		*out = (struct uidset){ 0 };
}

static void read_number(struct imap_cursor *c, uint32_t *out)
{
	imap_skip_blanks(c);
	if (!imap_read_number32(c, out))
		*out = 0;
}

static void read_objectid(struct imap_cursor *c, struct span *out)
{
	struct span text;

	while (imap_peek(c) == ' ' || imap_peek(c) == '(')
		c->at++;
	if (imap_read_string(c, &text) && text.data)
		*out = text;
}

static void read_arguments(struct imap_cursor *c, enum code_form form, struct imap_code *out)
{
	switch (form) {
	case FORM_TEXT:
		break;
	case FORM_NUMBER:
		read_number(c, &out->number);
		break;
	case FORM_MODSEQ:
		out->modseq = imap_read_modseq(c);
		break;
	case FORM_CAPABILITIES:
	case FORM_WORDS:
		imap_read_words(c, &out->words);
		if (form == FORM_CAPABILITIES)
			imap_join_capabilities(&out->words);
		break;
	case FORM_OBJECTID:
		read_objectid(c, &out->text);
		break;
	case FORM_SET:
		read_set(c, &out->set_a);
		break;
	case FORM_APPENDUID:
		read_number(c, &out->number);
		read_set(c, &out->set_b);
		break;
	case FORM_COPYUID:
		read_number(c, &out->number);
		read_set(c, &out->set_a);
		read_set(c, &out->set_b);
		break;
	}
}

/*
 * Where the ']' of a code stands that began in front of text, or SIZE_MAX: behind parentheses and strings, so that flags with a ']' in
 * them and addresses like [::1] in referrals do not end it; where those are not balanced, simply the first.
 */
static size_t find_code_end(struct span text)
{
	size_t round = 0, square = 0;
	bool quoted = false;

	for (size_t i = 0; i < text.len; i++) {
		const char byte = text.data[i];

		if (quoted) {
			i += byte == '\\';
			quoted = byte != '"';
		} else if (byte == '"') {
			quoted = true;
		} else if (byte == '(') {
			round++;
		} else if (byte == ')' && round > 0) {
			round--;
		} else if (byte == '[' && round == 0) {
			square++;
		} else if (byte == ']' && round == 0) {
			if (square == 0)
				return i;
			square--;
		}
	}
	return span_find(text, ']');
}

static void read_code(struct span text, struct arena *arena, struct imap_code *out)
{
	struct imap_cursor c = imap_cursor(span_trim(text), arena);

	out->type = IMAP_CODE_OTHER;
	out->name = imap_read_word(&c);
	imap_skip_blanks(&c);
	out->text = imap_rest(&c);
	for (size_t i = 0; i < countof(codes); i++) {
		if (span_equal_nocase(out->name, span_of(codes[i].name))) {
			out->type = codes[i].type;
			read_arguments(&c, codes[i].form, out);
			break;
		}
	}
}

/* resp-text = ["[" resp-text-code "]" SP] text (RFC 3501 §9) */
void imap_read_status_text(struct imap_cursor *c, struct imap_event *out)
{
	imap_skip_blanks(c);
	if (imap_peek(c) == '[') {
		const struct span inside = span_from(imap_rest(c), 1);
		const size_t end = find_code_end(inside);

		if (end != SIZE_MAX) {
			read_code(span_sub(inside, 0, end), c->arena, &out->code);
			c->at += end + 2;
		}
	}
	out->text = span_trim(imap_rest(c));
}
