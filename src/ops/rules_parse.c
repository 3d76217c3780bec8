/* Rules files: lines with tabs, or blocks. Every wrong line is told, before anything happens. */
#include "ops/rules_parse.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"

#include <string.h>

#define FIELDS 5
#define CONDITIONS_MAX 200 /* of one rule */
#define SHOWN_MAX 5 /* wrong lines that an error names */

static int wrong(struct err *err, const char *what)
{
	return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE, "%s", what);
}

static struct rule_full *new_rule(struct parse *parse)
{
	struct rules *rules = parse->rules;

	rules->rule = rule_more(parse, rules->rule, rules->count, sizeof *rules->rule);
	rules->rule[rules->count].rule.line = parse->line;
	return &rules->rule[rules->count++];
}

static struct condition *new_condition(struct parse *parse, struct rule_full *rule)
{
	rule->condition =
		rule_more(parse, rule->condition, rule->conditions, sizeof *rule->condition);
	rule->condition[rule->conditions].wanted = true;
	return &rule->condition[rule->conditions++];
}

static int add_source(
	struct parse *parse, struct rule_full *rule, struct span text, struct err *err)
{
	rule->source = rule_more(parse, rule->source, rule->sources, sizeof *rule->source);
	return rule_mailbox(parse, text, &rule->source[rule->sources++], err);
}

static int line_condition(struct parse *parse, struct condition *condition, struct span field,
	struct span pattern, struct err *err)
{
	if (span_equal_nocase(field, SPAN("Size")))
		return rule_size(condition, pattern, err);
	if (span_equal_nocase(field, SPAN("ISEARCH")))
		return rule_search(parse, condition, pattern, err);
	if (span_equal_nocase(field, SPAN("Flags")))
		return rule_flag(parse, condition, pattern, err);
	if (span_equal_nocase(field, SPAN("Internaldate"))) {
		condition->kind = CONDITION_ARRIVED;
		return rule_date(parse, condition, pattern, true, err);
	}
	if (span_equal(rule_unquote(pattern), SPAN("-")))
		return wrong(
			err, "the pattern - would let senders of mail choose the mailbox: refused");
	if (rule_header(parse, condition, field, err) < 0)
		return -1;
	if (!span_equal_nocase(span_of(condition->name), SPAN("Date")))
		return rule_regex(parse, condition, rule_unquote(pattern), err);
	condition->kind = CONDITION_DATE;
	return rule_date(parse, condition, pattern, true, err);
}

/* "host:mailbox" or "host:port:mailbox": the host must be one of a RemoteServer line, so that a slip never makes a mailbox of that name here. */
static int line_target(
	struct parse *parse, struct rule_full *rule, struct span text, struct err *err)
{
	size_t colon, port;
	uint32_t number;

	text = rule_unquote(text);
	colon = span_find(text, ':');
	if (colon == SIZE_MAX && span_equal(text, SPAN("*")))
		return wrong(err, "the target * means something at a RemoteServer only");
	if (colon == SIZE_MAX)
		return rule_target(parse, text, &rule->rule.target, err);
	rule->rule.place = rule_place_find(parse->rules, span_sub(text, 0, colon));
	if (!rule->rule.place)
		return wrong(err, "the target names a server, and no RemoteServer line above does");
	text = span_from(text, colon + 1);
	port = span_find(text, ':');
	if (port != SIZE_MAX && span_u32(span_sub(text, 0, port), &number))
		text = span_from(text, port + 1);
	return rule_target(parse, text, &rule->rule.target, err);
}

/* Fields between one or more tabs. */
static size_t split(struct span line, struct span out[FIELDS + 1])
{
	size_t count = 0;

	while (line.len > 0 && count <= FIELDS) {
		size_t tab = span_find(line, '\t');
		struct span field = span_trim(span_sub(line, 0, tab == SIZE_MAX ? line.len : tab));

		if (field.len > 0)
			out[count++] = field;
		line = tab == SIZE_MAX ? SPAN("") : span_from(line, tab + 1);
	}
	return count;
}

static int read_line(struct parse *parse, struct span line, struct err *err)
{
	struct span field[FIELDS + 1];
	struct rule_full *rule;
	size_t count;

	if (span_starts_nocase(line, SPAN("RemoteServer:")))
		return rule_remote(parse, span_from(line, 13), err);
	if (span_starts_nocase(line, SPAN("LocalServer:")))
		return 0; /* the account stands on the command line */
	count = split(line, field);
	if (count < 4 || count > FIELDS)
		return wrong(err,
			"a rule has four fields between tabs: header, pattern, source, target");
	if (count == FIELDS && !span_equal_nocase(field[4], SPAN("copy")))
		return wrong(err, "the fifth field is nothing but \"copy\"");
	rule = new_rule(parse);
	rule->rule.copy = count == FIELDS;
	rule->rule.text =
		arena_print(parse->rules->arena, "%s %s", arena_text(parse->rules->arena, field[0]),
			arena_text(parse->rules->arena, field[1]));
	if (line_condition(parse, new_condition(parse, rule), field[0], field[1], err) < 0 ||
		add_source(parse, rule, field[2], err) < 0)
		return -1;
	return line_target(parse, rule, field[3], err);
}

static int block_target(
	struct parse *parse, struct rule_full *rule, struct span value, bool copy, struct err *err)
{
	if (rule->rule.target)
		return wrong(err, "a rule has one target");
	rule->rule.copy = copy;
	return rule_target(parse, value, &rule->rule.target, err);
}

static int block_header(struct parse *parse, struct rule_full *rule, struct span name,
	struct span value, struct err *err)
{
	struct condition *condition = new_condition(parse, rule);

	if (rule_header(parse, condition, name, err) < 0)
		return -1;
	return rule_regex(parse, condition, rule_unquote(value), err);
}

static int block_condition(struct parse *parse, struct rule_full *rule, struct span key,
	struct span value, struct err *err)
{
	struct condition *condition;

	if (span_equal(key, SPAN("from")) || span_equal(key, SPAN("to")) ||
		span_equal(key, SPAN("cc")) || span_equal(key, SPAN("subject")))
		return block_header(parse, rule, key, value, err);
	if (span_starts(key, SPAN("header ")))
		return block_header(parse, rule, span_from(key, 7), value, err);
	condition = new_condition(parse, rule);
	if (span_equal(key, SPAN("size")))
		return rule_size(condition, value, err);
	if (span_equal(key, SPAN("search")))
		return rule_search(parse, condition, value, err);
	if (span_equal(key, SPAN("flag")) || span_equal(key, SPAN("no-flag"))) {
		condition->wanted = key.data[0] == 'f';
		return rule_flag(parse, condition, value, err);
	}
	if (span_equal(key, SPAN("date"))) {
		if (rule_header(parse, condition, SPAN("Date"), err) < 0)
			return -1;
		condition->kind = CONDITION_DATE;
		return rule_date(parse, condition, value, false, err);
	}
	if (!span_equal(key, SPAN("arrived")))
		return wrong(err, "a rule knows no such key");
	condition->kind = CONDITION_ARRIVED;
	return rule_date(parse, condition, value, false, err);
}

static void add_text(struct parse *parse, struct rule_full *rule, struct span line)
{
	const char *before = rule->rule.text;
	const char *text = arena_text(parse->rules->arena, line);

	rule->rule.text = before ? arena_print(parse->rules->arena, "%s, %s", before, text) : text;
}

static int read_key(struct parse *parse, struct span line, struct err *err)
{
	struct rule_full *rule = &parse->rules->rule[parse->rules->count - 1];
	size_t equals = span_find(line, '=');
	struct span key = span_trim(span_sub(line, 0, equals == SIZE_MAX ? 0 : equals)), value;

	if (equals == SIZE_MAX || key.len == 0)
		return wrong(err, "a line of a block is KEY = VALUE");
	value = span_trim(span_from(line, equals + 1));
	if (value.len == 0)
		return wrong(err, "the value is missing");
	if (span_equal(key, SPAN("in")))
		return add_source(parse, rule, value, err);
	if (span_equal(key, SPAN("move-to")) || span_equal(key, SPAN("copy-to")))
		return block_target(parse, rule, value, key.data[0] == 'c', err);
	if (span_equal(key, SPAN("at")))
		return rule_at(parse, value, &rule->rule.place, err);
	if (span_equal(key, SPAN("any"))) {
		rule->any = span_equal(value, SPAN("yes"));
		return rule->any || span_equal(value, SPAN("no")) ? 0
								  : wrong(err, "any = yes or no");
	}
	if (rule->conditions >= CONDITIONS_MAX)
		return wrong(err, "more than 200 conditions");
	add_text(parse, rule, line);
	return block_condition(parse, rule, key, value, err);
}

/* What a block must have, once it is read; told for the line of its name. */
static int end_block(struct parse *parse, struct err *err)
{
	struct rule_full *rule = &parse->rules->rule[parse->rules->count - 1];

	parse->line = rule->rule.line;
	if (!rule->rule.target)
		return wrong(err, "the rule has neither move-to nor copy-to");
	if (strcmp(rule->rule.target, "*") == 0 && !rule->rule.place)
		return wrong(err, "the target * means something with `at` only");
	if (rule->conditions == 0)
		return wrong(err, "the rule has no condition");
	return rule->sources > 0 ? 0 : add_source(parse, rule, SPAN("**"), err);
}

static int begin_block(struct parse *parse, struct span line, struct err *err)
{
	struct rule_full *rule = new_rule(parse);
	struct span name;

	rule->globs = true;
	if (!span_ends(line, SPAN("]")))
		return wrong(err, "the name of a rule ends in ]");
	name = span_trim(span_sub(line, 1, line.len - 2));
	rule->rule.name = arena_text(parse->rules->arena, name);
	return name.len > 0 ? 0 : wrong(err, "the rule has no name");
}

struct trouble {
	struct buf text;
	size_t count;
};

static void note(struct trouble *trouble, const struct parse *parse, const struct err *err)
{
	if (trouble->count++ < SHOWN_MAX &&
		buf_print(&trouble->text, "%sline %u: %.150s", trouble->count > 1 ? "; " : "",
			parse->line, err->text) < 0)
		trouble->count = SHOWN_MAX;
}

static void read_all(struct parse *parse, struct span text, struct trouble *trouble)
{
	bool blocks = false, begun = false;

	for (unsigned number = 1; text.len > 0; number++) {
		size_t end = span_find(text, '\n');
		struct span line = span_trim(span_sub(text, 0, end == SIZE_MAX ? text.len : end));
		struct err err = ERR_INIT;
		int code;

		text = end == SIZE_MAX ? SPAN("") : span_from(text, end + 1);
		if (number == 1 && span_starts(line, SPAN("\xef\xbb\xbf")))
			line = span_from(line, 3);
		if (line.len == 0 || line.data[0] == '#' || (blocks && line.data[0] == ';'))
			continue;
		if (!begun)
			blocks = line.data[0] == '[';
		begun = true;
		if (blocks && line.data[0] == '[' && parse->rules->count > 0 &&
			end_block(parse, &err) < 0)
			note(trouble, parse, &err);
		parse->line = number;
		if (memchr(line.data, '\0', line.len))
			code = wrong(&err, "the line holds NUL");
		else if (parse->rules->count >= RULES_MAX)
			code = wrong(&err, "more than 10,000 rules");
		else if (!blocks)
			code = read_line(parse, line, &err);
		else if (line.data[0] == '[')
			code = begin_block(parse, line, &err);
		else
			code = parse->rules->count > 0
				       ? read_key(parse, line, &err)
				       : wrong(&err, "a line before the first [name]");
		if (code < 0)
			note(trouble, parse, &err);
	}
	if (blocks && parse->rules->count > 0) {
		struct err err = ERR_INIT;

		if (end_block(parse, &err) < 0)
			note(trouble, parse, &err);
	}
}

struct rules *rules_parse(const char *name, struct span text, int64_t now, struct err *err)
{
	struct rules *rules = mem_alloc(sizeof *rules);
	struct parse parse = { .rules = rules, .now = now };
	struct trouble trouble = { .count = 0 };

	rules->arena = arena_new();
	buf_init(&trouble.text, 4096);
	read_all(&parse, text, &trouble);
	if (trouble.count == 0 && rules->count == 0)
		err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE, "%s: there are no rules in it", name);
	else if (trouble.count > SHOWN_MAX)
		err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE, "%s: %s; and %zu more", name,
			buf_text(&trouble.text), trouble.count - SHOWN_MAX);
	else if (trouble.count > 0)
		err_set_kind(
			err, ERR_LOCAL, ERR_KIND_USAGE, "%s: %s", name, buf_text(&trouble.text));
	buf_release(&trouble.text);
	if (trouble.count == 0 && rules->count > 0)
		return rules;
	rules_free(rules);
	return NULL;
}
