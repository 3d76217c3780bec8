/* The grammar of SEARCH: a recursive descent, as deep as the caller's parentheses, OR and NOT. */
#include "store/file_search_parts.h"

#include "base/buf.h"
#include "base/text.h"
#include "mail/fold.h"

#define DAY_SECONDS INT64_C(86400)

enum argument {
	ARG_NONE,
	ARG_FLAG,
	ARG_KEYWORD,
	ARG_TEXT,
	ARG_NAMED,
	ARG_DATE,
	ARG_SIZE,
	ARG_AGE,
	ARG_UIDS
};

static const struct known_key {
	const char *word;
	enum search_key key;
	enum argument argument;
	const char *name; /* of the field or flag that the word stands for */
} known[] = {
	{ "ALL", SEARCH_ALL, ARG_NONE, NULL },
	{ "OLD", SEARCH_ALL, ARG_NONE, NULL },
	{ "NEW", SEARCH_NONE, ARG_NONE, NULL },
	{ "RECENT", SEARCH_NONE, ARG_NONE, NULL },
	{ "ANSWERED", SEARCH_FLAG, ARG_FLAG, "\\Answered" },
	{ "DELETED", SEARCH_FLAG, ARG_FLAG, "\\Deleted" },
	{ "DRAFT", SEARCH_FLAG, ARG_FLAG, "\\Draft" },
	{ "FLAGGED", SEARCH_FLAG, ARG_FLAG, "\\Flagged" },
	{ "SEEN", SEARCH_FLAG, ARG_FLAG, "\\Seen" },
	{ "UNANSWERED", SEARCH_NO_FLAG, ARG_FLAG, "\\Answered" },
	{ "UNDELETED", SEARCH_NO_FLAG, ARG_FLAG, "\\Deleted" },
	{ "UNDRAFT", SEARCH_NO_FLAG, ARG_FLAG, "\\Draft" },
	{ "UNFLAGGED", SEARCH_NO_FLAG, ARG_FLAG, "\\Flagged" },
	{ "UNSEEN", SEARCH_NO_FLAG, ARG_FLAG, "\\Seen" },
	{ "KEYWORD", SEARCH_FLAG, ARG_KEYWORD, NULL },
	{ "UNKEYWORD", SEARCH_NO_FLAG, ARG_KEYWORD, NULL },
	{ "BEFORE", SEARCH_BEFORE, ARG_DATE, NULL },
	{ "ON", SEARCH_ON, ARG_DATE, NULL },
	{ "SINCE", SEARCH_SINCE, ARG_DATE, NULL },
	{ "SENTBEFORE", SEARCH_SENT_BEFORE, ARG_DATE, NULL },
	{ "SENTON", SEARCH_SENT_ON, ARG_DATE, NULL },
	{ "SENTSINCE", SEARCH_SENT_SINCE, ARG_DATE, NULL },
	{ "OLDER", SEARCH_OLDER, ARG_AGE, NULL },
	{ "YOUNGER", SEARCH_YOUNGER, ARG_AGE, NULL },
	{ "LARGER", SEARCH_LARGER, ARG_SIZE, NULL },
	{ "SMALLER", SEARCH_SMALLER, ARG_SIZE, NULL },
	{ "FROM", SEARCH_FIELD, ARG_TEXT, "From" },
	{ "TO", SEARCH_FIELD, ARG_TEXT, "To" },
	{ "CC", SEARCH_FIELD, ARG_TEXT, "Cc" },
	{ "BCC", SEARCH_FIELD, ARG_TEXT, "Bcc" },
	{ "SUBJECT", SEARCH_FIELD, ARG_TEXT, "Subject" },
	{ "HEADER", SEARCH_FIELD, ARG_NAMED, NULL },
	{ "BODY", SEARCH_BODY, ARG_TEXT, NULL },
	{ "TEXT", SEARCH_TEXT, ARG_TEXT, NULL },
	{ "UID", SEARCH_UIDS, ARG_UIDS, NULL },
};

struct parser {
	struct span rest;
	struct arena *arena;
	int64_t now;
	unsigned depth;
	size_t leaves;
};

static int wrong(struct span word, const char *problem, struct err *err)
{
	char shown[TEXT_SHOWN];

	text_shown(span_sub(word, 0, 80), shown);
	return err_set_kind(
		err, ERR_ACCOUNT, ERR_KIND_USAGE, "the search: \"%s\": %s", shown, problem);
}

static void skip_blanks(struct parser *parser)
{
	while (parser->rest.len > 0 && parser->rest.data[0] == ' ')
		parser->rest = span_from(parser->rest, 1);
}

/* RFC 3501 §9 astring, with all that no server would take for something else. */
static struct span take_atom(struct parser *parser)
{
	size_t len = 0;

	while (len < parser->rest.len && (unsigned char)parser->rest.data[len] > ' ' &&
		strchr("(){\"", parser->rest.data[len]) == NULL)
		len++;
	const struct span atom = span_sub(parser->rest, 0, len);

	parser->rest = span_from(parser->rest, len);
	return atom;
}

static int take_quoted(struct parser *parser, struct span *out, struct err *err)
{
	const struct span all = parser->rest;
	char *text = arena_alloc(parser->arena, all.len + 1);
	size_t len = 0;

	for (size_t at = 1; at < all.len; at++) {
		if (all.data[at] == '"') {
			*out = span_make(text, len);
			parser->rest = span_from(all, at + 1);
			return 0;
		}
		if (all.data[at] == '\\' && ++at == all.len)
			break;
		text[len++] = all.data[at];
	}
	return wrong(all, "a quote that is not closed", err);
}

static int take_string(struct parser *parser, struct span word, struct span *out, struct err *err)
{
	skip_blanks(parser);
	if (parser->rest.len > 0 && parser->rest.data[0] == '"')
		return take_quoted(parser, out, err);
	if (parser->rest.len > 0 && parser->rest.data[0] == '{')
		return wrong(parser->rest, "literals have no place here: quote it", err);
	*out = take_atom(parser);
	return out->len > 0 ? 0 : wrong(word, "what it is to look for is missing", err);
}

int64_t file_search_day(struct date date)
{
	const int64_t seconds = date.instant + (int64_t)date.zone * 60;

	return seconds >= 0 ? seconds / DAY_SECONDS : -((-seconds + DAY_SECONDS - 1) / DAY_SECONDS);
}

/* RFC 3501 §9 date: "1-Feb-1994". */
static int take_day(struct parser *parser, struct span text, int64_t *out, struct err *err)
{
	struct date date;
	const char *full =
		arena_print(parser->arena, "%.*s 00:00:00 +0000", (int)text.len, text.data);

	if (text.len > 11 || date_parse_internal(span_of(full), &date) < 0)
		return wrong(text, "not a date (write 1-Feb-2024)", err);
	*out = file_search_day(date);
	return 0;
}

static int take_number(struct span text, int64_t *out, struct err *err)
{
	uint64_t number;

	if (!span_u64(text, &number) || number > INT64_MAX)
		return wrong(text, "not a number", err);
	*out = (int64_t)number;
	return 0;
}

static int take_set(
	struct parser *parser, struct span text, struct search_node *node, struct err *err)
{
	if (uidset_parse(text, parser->arena, &node->set) < 0)
		return wrong(text, "not a set of numbers (write 1:5,7,9:*)", err);
	return 0;
}

static struct span folded(struct parser *parser, struct span text)
{
	struct buf out;
	struct span result;

	buf_init(&out, text.len * FOLD_GROWTH + 1);
	fold_text(text, &out);
	result = arena_span(parser->arena, buf_span(&out));
	buf_release(&out);
	return result;
}

static int take_argument(struct parser *parser, const struct known_key *key, struct span word,
	struct search_node *node, struct err *err)
{
	struct span text = { NULL, 0 };

	node->name = span_of(key->name);
	if (key->argument == ARG_NONE || key->argument == ARG_FLAG)
		return 0;
	if (take_string(parser, word, &text, err) < 0)
		return -1;
	switch (key->argument) {
	case ARG_DATE:
		return take_day(parser, text, &node->number, err);
	case ARG_SIZE:
		return take_number(text, &node->number, err);
	case ARG_AGE:
		if (take_number(text, &node->number, err) < 0)
			return -1;
		node->number = node->number < parser->now ? parser->now - node->number : 0;
		return 0;
	case ARG_UIDS:
		return take_set(parser, text, node, err);
	case ARG_KEYWORD:
		node->name = text;
		return 0;
	case ARG_NAMED:
		node->name = text;
		if (take_string(parser, word, &text, err) < 0)
			return -1;
		break;
	default:
		break;
	}
	node->needle = folded(parser, text);
	return 0;
}

static int take_key(struct parser *parser, struct search_node **out, struct err *err);

/* An operator's operands: so many, or all up to the end or a parenthesis. */
static int take_keys(struct parser *parser, struct search_node *node, size_t count,
	struct span word, struct err *err)
{
	struct search_node **end = &node->first;

	if (++parser->depth > FILE_SEARCH_DEPTH_MAX)
		return wrong(word, "nested too deeply", err);
	for (size_t i = 0; i < count; i++) {
		skip_blanks(parser);
		if (parser->rest.len == 0 || parser->rest.data[0] == ')') {
			if (count == SIZE_MAX && i > 0)
				break;
			return wrong(word, "it ends too early: a key is missing", err);
		}
		if (take_key(parser, end, err) < 0)
			return -1;
		end = &(*end)->next;
	}
	parser->depth--;
	return 0;
}

static int take_group(struct parser *parser, struct search_node *node, struct err *err)
{
	node->key = SEARCH_AND;
	parser->rest = span_from(parser->rest, 1);
	if (take_keys(parser, node, SIZE_MAX, SPAN("("), err) < 0)
		return -1;
	if (parser->rest.len == 0)
		return wrong(SPAN("("), "never closed", err);
	parser->rest = span_from(parser->rest, 1);
	return 0;
}

static int take_word(
	struct parser *parser, struct span word, struct search_node *node, struct err *err)
{
	if (span_equal_nocase(word, SPAN("OR"))) {
		node->key = SEARCH_OR;
		return take_keys(parser, node, 2, word, err);
	}
	if (span_equal_nocase(word, SPAN("NOT"))) {
		node->key = SEARCH_NOT;
		return take_keys(parser, node, 1, word, err);
	}
	parser->leaves++;
	for (size_t i = 0; i < countof(known); i++) {
		if (!span_equal_nocase(word, span_of(known[i].word)))
			continue;
		node->key = known[i].key;
		return take_argument(parser, &known[i], word, node, err);
	}
	if (word.data[0] == '*' || (word.data[0] >= '0' && word.data[0] <= '9')) {
		node->key = SEARCH_NUMBERS;
		return take_set(parser, word, node, err);
	}
	return wrong(word, "not a key that can be searched for without a server", err);
}

static int take_key(struct parser *parser, struct search_node **out, struct err *err)
{
	struct search_node *node = arena_alloc(parser->arena, sizeof(*node));
	struct span word;
	int rc;

	*out = node;
	if (parser->rest.data[0] == '(')
		return take_group(parser, node, err);
	word = take_atom(parser);
	if (word.len == 0)
		return wrong(parser->rest, "not a key", err);
	rc = take_word(parser, word, node, err);
	/* RFC 3501 §9: a blank stands between keys. */
	if (rc == 0 && parser->rest.len > 0 && parser->rest.data[0] != ' ' &&
		parser->rest.data[0] != ')')
		return wrong(parser->rest, "a blank is missing before it", err);
	return rc;
}

/* "CHARSET UTF-8" may stand in front. */
static int take_charset(struct parser *parser, struct err *err)
{
	struct parser ahead = *parser;
	struct span name;

	if (!span_equal_nocase(take_atom(&ahead), SPAN("CHARSET")))
		return 0;
	if (take_string(&ahead, SPAN("CHARSET"), &name, err) < 0)
		return -1;
	if (!span_equal_nocase(name, SPAN("UTF-8")) && !span_equal_nocase(name, SPAN("US-ASCII")))
		return wrong(name, "only UTF-8 can be searched for", err);
	*parser = ahead;
	return 0;
}

struct search_node *file_search_parse(
	struct span text, int64_t now, struct arena *arena, size_t *leaves_out, struct err *err)
{
	struct parser parser = { .rest = text, .arena = arena, .now = now };
	struct search_node *root = arena_alloc(arena, sizeof(*root));

	root->key = SEARCH_AND;
	if (text.len > FILE_SEARCH_MAX) {
		wrong(text, "too long", err);
		return NULL;
	}
	skip_blanks(&parser);
	if (take_charset(&parser, err) < 0 || take_keys(&parser, root, SIZE_MAX, text, err) < 0)
		return NULL;
	if (parser.rest.len > 0) {
		wrong(parser.rest, "a parenthesis that was not opened", err);
		return NULL;
	}
	*leaves_out = parser.leaves;
	return root;
}
