/* A small recursive descent over words. */
#include "ops/search_terms.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"
#include "mail/date.h"
#include "mail/uidset.h"

#define EXPRESSION_MAX 65536
#define DEPTH_MAX 100

enum value_kind { VALUE_TEXT, VALUE_DATE, VALUE_SIZE, VALUE_UIDS, VALUE_FLAG };

static const struct {
	const char *word, *key;
	enum value_kind kind;
} keys[] = {
	{ "from", "FROM", VALUE_TEXT },
	{ "to", "TO", VALUE_TEXT },
	{ "cc", "CC", VALUE_TEXT },
	{ "bcc", "BCC", VALUE_TEXT },
	{ "subject", "SUBJECT", VALUE_TEXT },
	{ "body", "BODY", VALUE_TEXT },
	{ "text", "TEXT", VALUE_TEXT },
	{ "since", "SINCE", VALUE_DATE },
	{ "before", "BEFORE", VALUE_DATE },
	{ "on", "ON", VALUE_DATE },
	{ "sentsince", "SENTSINCE", VALUE_DATE },
	{ "sentbefore", "SENTBEFORE", VALUE_DATE },
	{ "senton", "SENTON", VALUE_DATE },
	{ "larger", "LARGER", VALUE_SIZE },
	{ "smaller", "SMALLER", VALUE_SIZE },
	{ "uid", "UID", VALUE_UIDS },
	{ "keyword", "KEYWORD", VALUE_FLAG },
	{ "unkeyword", "UNKEYWORD", VALUE_FLAG },
};

static const char *const plain[] = { "ALL", "ANSWERED", "DELETED", "DRAFT", "FLAGGED", "NEW", "OLD",
	"RECENT", "SEEN", "UNANSWERED", "UNDELETED", "UNDRAFT", "UNFLAGGED", "UNSEEN" };

struct terms {
	char *const *word;
	size_t count, next;
	unsigned depth;
	int64_t now;
	struct arena *arena;
	struct buf out;
};

static int wrong(const char *word, const char *problem, struct err *err)
{
	char shown[TEXT_SHOWN];

	text_shown(span_of(word), shown);
	return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE, "\"%s\": %s", shown, problem);
}

/* What does not fit is noticed at the end. */
static void emit(struct terms *terms, const char *text)
{
	if (terms->out.len > 0 && terms->out.data[terms->out.len - 1] != '(' && text[0] != ')')
		(void)!buf_add_char(&terms->out, ' ');
	(void)!buf_add(&terms->out, span_of(text));
}

/* RFC 3501 §9 quoted: what ends it is escaped, what it cannot hold is refused. */
static int emit_text(struct terms *terms, const char *word, const char *value, struct err *err)
{
	if (!utf8_valid(span_of(value)))
		return wrong(word, "not valid UTF-8", err);
	emit(terms, "\"");
	for (const char *c = value; *c; c++) {
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return wrong(word, "control characters", err);
		if (*c == '"' || *c == '\\')
			(void)!buf_add_char(&terms->out, '\\');
		(void)!buf_add_char(&terms->out, *c);
	}
	(void)!buf_add_char(&terms->out, '"');
	return 0;
}

/* RFC 3501 §9 atom. */
static bool is_atom(const char *text)
{
	for (const char *c = text; *c; c++)
		if ((unsigned char)*c <= ' ' || (unsigned char)*c >= 0x7f ||
			strchr("(){%*\"\\]", *c))
			return false;
	return *text != '\0';
}

/* RFC 5322 §2.2 field-name. */
static bool is_field(const char *text)
{
	for (const char *c = text; *c; c++)
		if ((unsigned char)*c <= ' ' || (unsigned char)*c >= 0x7f || *c == ':')
			return false;
	return *text != '\0';
}

static int emit_value(struct terms *terms, enum value_kind kind, const char *word,
	const char *value, struct err *err)
{
	struct uidset uids = { 0 };
	int64_t instant;
	uint64_t size;
	char day[12];

	switch (kind) {
	case VALUE_TEXT:
		return emit_text(terms, word, value, err);
	case VALUE_DATE:
		if (date_parse_option(value, terms->now, &instant, day, err) < 0)
			return -1;
		emit(terms, day);
		return 0;
	case VALUE_SIZE:
		if (text_parse_size(value, &size, err) < 0)
			return -1;
		if (size > INT64_MAX) /* RFC 9051 §9 number64 */
			return wrong(word, "more than anything can have", err);
		emit(terms, arena_print(terms->arena, "%llu", (unsigned long long)size));
		return 0;
	case VALUE_UIDS:
		if (uidset_parse(span_of(value), terms->arena, &uids) < 0)
			return wrong(word, "not a set of UIDs (write 1:5,7,9:*)", err);
		break;
	case VALUE_FLAG:
		if (!is_atom(value))
			return wrong(word, "not the name of a keyword", err);
		break;
	}
	emit(terms, value);
	return 0;
}

static int header(struct terms *terms, const char *word, const char *field, const char *value,
	struct err *err)
{
	if (!is_field(field))
		return wrong(word, "not the name of a header field", err);
	emit(terms, "HEADER");
	if (emit_text(terms, word, field, err) < 0)
		return -1;
	return emit_text(terms, word, value, err);
}

/* KEY=VALUE, cut at the first '='; any other name is that of a header field. */
static int pair(struct terms *terms, const char *word, bool is_header, struct err *err)
{
	const char *equals = strchr(word, '=');
	const char *key, *value;

	if (!equals)
		return wrong(word,
			is_header
				? "behind header comes NAME=VALUE"
				: "not KEY=VALUE, a flag such as unseen, OR, NOT, AND or a parenthesis",
			err);
	key = arena_text(terms->arena, span_make(word, (size_t)(equals - word)));
	value = equals + 1;
	if (span_starts_nocase(span_of(key), SPAN("header "))) {
		key += strlen("header ");
		is_header = true;
	}
	for (size_t i = 0; i < countof(keys) && !is_header; i++) {
		if (!span_equal_nocase(span_of(key), span_of(keys[i].word)))
			continue;
		emit(terms, keys[i].key);
		return emit_value(terms, keys[i].kind, word, value, err);
	}
	return header(terms, word, key, value, err);
}

static int one(struct terms *terms, struct err *err);

static int group(struct terms *terms, struct err *err)
{
	bool any = false;

	emit(terms, "(");
	while (terms->next < terms->count && strcmp(terms->word[terms->next], ")") != 0) {
		if (one(terms, err) < 0)
			return -1;
		any = true;
	}
	if (terms->next == terms->count)
		return wrong("(", "never closed", err);
	terms->next++;
	emit(terms, ")");
	return any ? 0 : wrong("(", "nothing in the parentheses", err);
}

static bool is_word(const char *word, const char *name)
{
	return span_equal_nocase(span_of(word), span_of(name));
}

static int leaf(struct terms *terms, const char *word, struct err *err)
{
	for (size_t i = 0; i < countof(plain); i++) {
		if (is_word(word, plain[i])) {
			emit(terms, plain[i]);
			return 0;
		}
	}
	if (is_word(word, "HEADER"))
		return terms->next < terms->count
			       ? pair(terms, terms->word[terms->next++], true, err)
			       : wrong(word, "behind header comes NAME=VALUE", err);
	return pair(terms, word, false, err);
}

static int operands(struct terms *terms, const char *name, unsigned number, struct err *err)
{
	int rc = 0;

	emit(terms, name);
	if (++terms->depth > DEPTH_MAX)
		return wrong(name, "nested too deeply", err);
	for (unsigned i = 0; i < number && rc == 0; i++)
		rc = one(terms, err);
	terms->depth--;
	return rc;
}

static int one(struct terms *terms, struct err *err)
{
	const char *word;
	int rc;

	while (terms->next < terms->count && is_word(terms->word[terms->next], "AND"))
		terms->next++;
	if (terms->next == terms->count)
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
			"the search ends too early: a term is missing");
	word = terms->word[terms->next++];
	if (is_word(word, "OR"))
		return operands(terms, "OR", 2, err);
	if (is_word(word, "NOT"))
		return operands(terms, "NOT", 1, err);
	if (strcmp(word, "(") != 0)
		return leaf(terms, word, err);
	if (++terms->depth > DEPTH_MAX)
		return wrong(word, "nested too deeply", err);
	rc = group(terms, err);
	terms->depth--;
	return rc;
}

const char *search_terms(
	char *const *word, size_t count, int64_t now, struct arena *arena, struct err *err)
{
	struct terms terms = { .word = word, .count = count, .now = now, .arena = arena };
	const char *text = NULL;
	int rc = 0;

	buf_init(&terms.out, EXPRESSION_MAX);
	while (rc == 0 && terms.next < count)
		rc = one(&terms, err);
	if (rc == 0 && terms.out.len + 256 > EXPRESSION_MAX)
		rc = err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE, "the search is too long");
	if (rc == 0)
		text = arena_strdup(arena, buf_text(&terms.out));
	buf_release(&terms.out);
	return text;
}
