/* The values of rules: patterns, sizes, dates, flags, searches. */
#include "ops/rules_parse.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/regex.h"
#include "base/text.h"
#include "ops/name_map.h"

#include <string.h>

#define DAY 86400
#define PATTERN_MAX 4096
#define DAYS_MAX 100000

static int wrong(struct err *err, const char *what)
{
	return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE, "%s", what);
}

void *rule_more(struct parse *parse, void *list, size_t count, size_t size)
{
	if (count > 0 && (count & (count - 1)) != 0)
		return list;
	return arena_grow(parse->rules->arena, list, count, count > 0 ? count * 2 : 1, size);
}

size_t rule_text_once(struct parse *parse, const char ***list, size_t *count, struct span text)
{
	for (size_t i = 0; i < *count; i++)
		if (span_equal_nocase(span_of((*list)[i]), text))
			return i;
	*list = rule_more(parse, *list, *count, sizeof **list);
	(*list)[*count] = arena_text(parse->rules->arena, text);
	return (*count)++;
}

struct span rule_unquote(struct span text)
{
	text = span_trim(text);
	if (text.len >= 2 && text.data[0] == '"' && text.data[text.len - 1] == '"')
		return span_sub(text, 1, text.len - 2);
	return text;
}

int rule_regex(
	struct parse *parse, struct condition *condition, struct span pattern, struct err *err)
{
	/* A '*' that repeats nothing means "anything" in the old syntax. */
	if (span_starts(pattern, SPAN("*")))
		pattern = span_from(pattern, 1);
	if (pattern.len > PATTERN_MAX)
		return wrong(err, "the pattern is longer than 4096 octets");
	condition->regex = regex_new(arena_print(parse->rules->arena, "(?i)%s",
					     arena_text(parse->rules->arena, pattern)),
		err);
	return condition->regex ? 0 : -1;
}

static bool order_of(struct span *text, char *out)
{
	if (text->len == 0 || !memchr("<>=+", text->data[0], 4))
		return false;
	*out = text->data[0] == '+' ? '>' : text->data[0];
	*text = span_trim(span_from(*text, 1));
	return true;
}

int rule_size(struct condition *condition, struct span text, struct err *err)
{
	char digits[32];

	condition->kind = CONDITION_SIZE;
	text = rule_unquote(text);
	if (!order_of(&text, &condition->order) || text.len == 0 || text.len >= sizeof digits)
		return wrong(err, "a size is written >N, <N or =N");
	memcpy(digits, text.data, text.len);
	digits[text.len] = '\0';
	return text_parse_size(digits, &condition->number, err);
}

int rule_date(struct parse *parse, struct condition *condition, struct span text, bool words,
	struct err *err)
{
	struct date date;
	uint64_t days;
	char day[12];

	text = rule_unquote(text);
	if (!order_of(&text, &condition->order)) {
		if (!words)
			return wrong(err,
				"a date is written >DATE, <DATE, =DATE or with days, as in >30");
		if (condition->kind == CONDITION_DATE) {
			condition->kind = CONDITION_HEADER;
			condition->name = "Date";
		}
		return rule_regex(parse, condition, text, err);
	}
	if (span_u64(text, &days)) {
		if (days > DAYS_MAX)
			return wrong(err, "more than 100,000 days");
		condition->instant = parse->now - (int64_t)days * DAY;
		return 0;
	}
	if (date_parse_header(text, &date) == 0 && date.instant != DATE_UNKNOWN) {
		condition->instant = date.instant;
		return 0;
	}
	return date_parse_option(
		arena_text(parse->rules->arena, text), parse->now, &condition->instant, day, err);
}

static bool is_atom(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] <= ' ' || text.data[i] >= 0x7f ||
			memchr("(){%*\"\\]:", text.data[i], 9))
			return false;
	return text.len > 0 && text.len < 256;
}

int rule_flag(struct parse *parse, struct condition *condition, struct span name, struct err *err)
{
	name = rule_unquote(name);
	if (span_starts(name, SPAN("\\")))
		name = span_from(name, 1);
	if (!is_atom(name))
		return wrong(err, "this is no flag's name");
	condition->kind = CONDITION_FLAG;
	if (span_equal_nocase(name, SPAN("Unseen"))) {
		condition->wanted = !condition->wanted;
		name = SPAN("Seen");
	}
	condition->name = arena_text(parse->rules->arena, name);
	return 0;
}

int rule_header(struct parse *parse, struct condition *condition, struct span name, struct err *err)
{
	struct rules *rules = parse->rules;
	size_t index;

	name = span_trim(name);
	if (span_ends(name, SPAN(":")))
		name = span_sub(name, 0, name.len - 1);
	if (!is_atom(name))
		return wrong(err, "this is no header's name");
	condition->kind = CONDITION_HEADER;
	index = rule_text_once(parse, &rules->field, &rules->fields, name);
	condition->name = rules->field[index];
	return 0;
}

int rule_mailbox(struct parse *parse, struct span text, const char **out, struct err *err)
{
	text = rule_unquote(text);
	if (text.len == 0 || text.len > 1000 || !utf8_valid(text))
		return wrong(err, "this is no mailbox's name");
	for (size_t at = 0; at < text.len;) {
		uint32_t c = 0;

		at += utf8_next(span_from(text, at), &c);
		if (utf8_harmful(c))
			return wrong(err, "a mailbox's name has control characters");
	}
	*out = arena_text(parse->rules->arena, text);
	return 0;
}

int rule_target(struct parse *parse, struct span text, const char **out, struct err *err)
{
	const char *problem;

	if (rule_mailbox(parse, text, out, err) < 0)
		return -1;
	problem = name_problem(span_of(*out));
	if (problem)
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
			"the target cannot be a mailbox's name: %s", problem);
	*out = name_canonical(*out);
	return 0;
}

/* One word of a search: up to a blank or a parenthesis, or a whole quoted string. 0 at the end, -1: the quotes do not end. */
static int next_word(struct span *rest, struct span *out)
{
	size_t len = 1;

	*rest = span_trim(*rest);
	if (rest->len == 0)
		return 0;
	if (rest->data[0] == '"') {
		while (len < rest->len && rest->data[len] != '"')
			len += rest->data[len] == '\\' ? 2 : 1;
		if (len >= rest->len)
			return -1;
		len++;
	} else if (!memchr("()", rest->data[0], 2)) {
		while (len < rest->len && !memchr(" ()\"", rest->data[len], 4))
			len++;
	}
	*out = span_sub(*rest, 0, len);
	*rest = span_from(*rest, len);
	return 1;
}

static bool takes_date(struct span word)
{
	return span_equal_nocase(word, SPAN("SINCE")) || span_equal_nocase(word, SPAN("BEFORE")) ||
	       span_equal_nocase(word, SPAN("SENTSINCE")) ||
	       span_equal_nocase(word, SPAN("SENTBEFORE"));
}

/* A number behind SINCE and its like is days before now. */
static int put_word(struct parse *parse, struct span word, bool dated, struct buf *out)
{
	uint64_t days;
	int64_t instant;
	char day[12];

	if (dated && span_u64(word, &days) && days <= DAYS_MAX) {
		if (date_parse_option(arena_print(parse->rules->arena, "%ud", (unsigned)days),
			    parse->now, &instant, day, NULL) < 0)
			return -1;
		word = span_of(day);
	}
	return buf_add(out, word);
}

static int check_search(struct parse *parse, struct span text, struct buf *out, struct err *err)
{
	struct span word = SPAN(""), rest = text;
	bool dated = false, inner = false;
	size_t depth = 0;
	int got;

	while ((got = next_word(&rest, &word)) > 0) {
		bool open = span_equal(word, SPAN("(")), close = span_equal(word, SPAN(")"));

		/* "SINCE (30)" is SINCE and a date: no server takes the parentheses. */
		if ((dated && open) || (inner && close)) {
			inner = open;
			continue;
		}
		if (close && depth-- == 0)
			return wrong(err, "the search has a ) too many");
		depth += open;
		if (!open && memchr(word.data, '{', word.len) && word.data[0] != '"')
			return wrong(
				err, "a search must not hold literals: put the text in quotes");
		if (out->len > 0 && !close && out->data[out->len - 1] != '(' &&
			buf_add_char(out, ' ') < 0)
			return wrong(err, "the search is too long");
		if (put_word(parse, word, dated, out) < 0)
			return wrong(err, "the search is too long, or a date in it is none");
		dated = takes_date(word);
	}
	if (got < 0)
		return wrong(err, "the search has quotes that do not end");
	if (depth > 0 || inner)
		return wrong(err, "the search has a ( too many");
	return out->len > 0 ? 0 : wrong(err, "the search is empty");
}

int rule_search(struct parse *parse, struct condition *condition, struct span text, struct err *err)
{
	struct rules *rules = parse->rules;
	struct buf out;
	int code = -1;

	text = rule_unquote(text);
	buf_init(&out, 8000);
	if (memchr(text.data, '\r', text.len) || memchr(text.data, '\n', text.len))
		wrong(err, "a search must not hold line ends");
	else if ((code = check_search(parse, text, &out, err)) == 0) {
		condition->kind = CONDITION_SEARCH;
		rules->search =
			rule_more(parse, rules->search, rules->searches, sizeof *rules->search);
		rules->search_rule = rule_more(
			parse, rules->search_rule, rules->searches, sizeof *rules->search_rule);
		rules->search[rules->searches] = arena_text(rules->arena, buf_span(&out));
		rules->search_rule[rules->searches] = rules->count - 1;
		condition->number = rules->searches++;
	}
	buf_release(&out);
	return code;
}
