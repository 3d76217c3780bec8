/* Rules applied to a message. */
#include "ops/rules_parts.h"

#include "base/arena.h"
#include "base/glob.h"
#include "base/mem.h"
#include "base/regex.h"
#include "mail/mailbox_name.h"
#include "net/secret.h"

#include <string.h>

#define DAY 86400

void rules_free(struct rules *rules)
{
	if (!rules)
		return;
	for (size_t i = 0; i < rules->count; i++)
		for (size_t k = 0; k < rules->rule[i].conditions; k++)
			regex_free(rules->rule[i].condition[k].regex);
	for (size_t i = 0; i < rules->places; i++)
		secret_free((struct secret *)(uintptr_t)rules->place[i]->secret);
	arena_free(rules->arena);
	mem_free(rules);
}

size_t rules_count(const struct rules *rules)
{
	return rules->count;
}

const struct rule *rules_at(const struct rules *rules, size_t index)
{
	return &rules->rule[index].rule;
}

const char *rules_field(const struct rules *rules, size_t index)
{
	return index < rules->fields ? rules->field[index] : NULL;
}

const char *rules_search(const struct rules *rules, size_t index, size_t *rule_out)
{
	if (index >= rules->searches)
		return NULL;
	*rule_out = rules->search_rule[index];
	return rules->search[index];
}

const struct rule_place *rules_place(const struct rules *rules, size_t index)
{
	return index < rules->places ? rules->place[index] : NULL;
}

void rules_under(struct rules *rules, const char *mailbox)
{
	rules->under = arena_strdup(rules->arena, mailbox);
}

/* INBOX has no case (RFC 3501 §5.1). */
static bool same_mailbox(const char *a, const char *b)
{
	return strcmp(a, b) == 0 || (span_equal_nocase(span_of(a), SPAN("INBOX")) &&
					    span_equal_nocase(span_of(b), SPAN("INBOX")));
}

static bool takes_from(const struct rules *rules, const struct rule_full *rule, const char *mailbox)
{
	const char *any = rule->globs ? "**" : "*";

	for (size_t i = 0; i < rule->sources; i++) {
		if (strcmp(rule->source[i], any) == 0) {
			if (!rules->under || mailbox_below(rules->under, mailbox))
				return true;
		} else if (same_mailbox(rule->source[i], mailbox) ||
			   (rule->globs && glob_match(rule->source[i], span_of(mailbox)))) {
			return true;
		}
	}
	return false;
}

bool rules_takes(const struct rules *rules, size_t index, const char *mailbox)
{
	return takes_from(rules, &rules->rule[index], mailbox);
}

bool rules_want(const struct rules *rules, const char *mailbox)
{
	for (size_t i = 0; i < rules->count; i++)
		if (takes_from(rules, &rules->rule[i], mailbox) && !rules_stays(rules, i, mailbox))
			return true;
	return false;
}

static bool header_matches(const struct condition *condition, const struct rule_message *message)
{
	for (size_t i = 0; i < message->fields; i++)
		if (span_equal_nocase(message->field[i].name, span_of(condition->name)) &&
			regex_match(condition->regex, message->field[i].value))
			return true;
	return false;
}

static int64_t header_date(const struct rule_message *message)
{
	struct date date;

	for (size_t i = 0; i < message->fields; i++)
		if (span_equal_nocase(message->field[i].name, SPAN("Date")))
			return date_parse_header(message->field[i].value, &date) < 0 ? DATE_UNKNOWN
										     : date.instant;
	return DATE_UNKNOWN;
}

static int64_t day_of(int64_t instant)
{
	return instant >= 0 ? instant / DAY : -((-instant + DAY - 1) / DAY);
}

/* A date that nobody knows is neither before nor after another. */
static bool date_matches(const struct condition *condition, int64_t instant)
{
	if (instant == DATE_UNKNOWN)
		return false;
	if (condition->order == '=')
		return day_of(instant) == day_of(condition->instant);
	return condition->order == '>' ? instant > condition->instant
				       : instant < condition->instant;
}

static bool arrived_matches(const struct condition *condition, struct date arrived)
{
	char text[DATE_TEXT_SIZE];

	if (!condition->regex)
		return date_matches(condition, arrived.instant);
	if (arrived.instant == DATE_UNKNOWN)
		return false;
	date_print_internal(arrived, text);
	return regex_match(condition->regex, span_of(text));
}

static bool size_matches(const struct condition *condition, uint64_t size)
{
	if (condition->order == '=')
		return size == condition->number;
	return condition->order == '>' ? size > condition->number : size < condition->number;
}

static bool has_flag(const char *flags, struct span name)
{
	struct span rest = span_of(flags);

	while (rest.len > 0) {
		size_t end = span_find(rest, ' ');
		struct span one = span_sub(rest, 0, end == SIZE_MAX ? rest.len : end);

		if (span_equal_nocase(one, name) ||
			(span_starts(one, SPAN("\\")) &&
				span_equal_nocase(span_from(one, 1), name)))
			return true;
		rest = span_from(rest, one.len + 1);
	}
	return false;
}

static bool holds(const struct condition *condition, const struct rule_message *message)
{
	switch (condition->kind) {
	case CONDITION_HEADER:
		return header_matches(condition, message);
	case CONDITION_SIZE:
		return size_matches(condition, message->size);
	case CONDITION_DATE:
		return date_matches(condition, header_date(message));
	case CONDITION_ARRIVED:
		return arrived_matches(condition, message->arrived);
	case CONDITION_FLAG:
		return has_flag(message->flags, span_of(condition->name)) == condition->wanted;
	case CONDITION_SEARCH:
		return message->found && message->found[condition->number];
	}
	return false;
}

static bool matches(const struct rule_full *rule, const struct rule_message *message)
{
	for (size_t i = 0; i < rule->conditions; i++)
		if (holds(&rule->condition[i], message) == rule->any)
			return rule->any;
	return !rule->any;
}

size_t rules_decide(const struct rules *rules, const char *mailbox,
	const struct rule_message *message, bool first_match)
{
	for (size_t n = 0; n < rules->count; n++) {
		size_t i = first_match ? n : rules->count - 1 - n;

		if (takes_from(rules, &rules->rule[i], mailbox) &&
			matches(&rules->rule[i], message))
			return i;
	}
	return RULES_NONE;
}

bool rules_stays(const struct rules *rules, size_t index, const char *mailbox)
{
	const struct rule *rule = &rules->rule[index].rule;

	return !rule->place && same_mailbox(rule->target, mailbox);
}

/* Unfolds (RFC 5322 §2.2.3): the line end goes, the blank behind it stays. */
static struct span unfold(struct arena *arena, struct span value)
{
	char *text = arena_alloc(arena, value.len + 1);
	size_t len = 0;

	for (size_t i = 0; i < value.len; i++)
		if (value.data[i] != '\r' && value.data[i] != '\n')
			text[len++] = value.data[i];
	return span_trim(span_make(text, len));
}

/* Up to the line end of the field, and of the lines that go on with it. */
static size_t field_end(struct span header)
{
	for (size_t at = 0; at < header.len;) {
		size_t end = span_find(span_from(header, at), '\n');

		if (end == SIZE_MAX)
			return header.len;
		at += end + 1;
		if (at >= header.len || (header.data[at] != ' ' && header.data[at] != '\t'))
			return at;
	}
	return header.len;
}

struct rule_field *rules_header(struct span header, struct arena *arena, size_t *count_out)
{
	struct rule_field *list = NULL;
	size_t count = 0, room = 0;

	while (header.len > 0) {
		struct span field = span_sub(header, 0, field_end(header));
		size_t colon = span_find(field, ':');

		header = span_from(header, field.len);
		if (span_trim(field).len == 0)
			break;
		if (colon == SIZE_MAX)
			continue;
		if (count == room) {
			size_t more = room > 0 ? room * 2 : 8;

			list = arena_grow(arena, list, room, more, sizeof *list);
			room = more;
		}
		list[count].name = span_trim(span_sub(field, 0, colon));
		list[count++].value = unfold(arena, span_from(field, colon + 1));
	}
	*count_out = count;
	return list;
}
