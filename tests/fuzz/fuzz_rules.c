/* Any bytes as a rules file, and the rest as a message's header: no crash, every refusal names the file, and what is decided is a rule that takes from there. */
#include "ops/rules.h"

#include "base/arena.h"
#include "base/err.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void judge(const struct rules *rules, struct span header, struct arena *arena)
{
	struct rule_message message = {
		.size = header.len, .flags = "\\Seen Work", .arrived = { .instant = 1700000000 }
	};
	size_t first, last;

	message.field = rules_header(header, arena, &message.fields);
	first = rules_decide(rules, "INBOX", &message, true);
	last = rules_decide(rules, "INBOX", &message, false);
	must((first == RULES_NONE) == (last == RULES_NONE));
	must(first == RULES_NONE || (first <= last && last < rules_count(rules)));
	must(first == RULES_NONE || rules_stays(rules, first, "INBOX") ||
		rules_want(rules, "INBOX"));
	for (size_t i = 0; i < rules_count(rules); i++) {
		const struct rule *rule = rules_at(rules, i);

		must(rule->line > 0 && rule->target && *rule->target && rule->text);
	}
	for (size_t i = 0, rule; rules_search(rules, i, &rule); i++)
		must(!strpbrk(rules_search(rules, i, &rule), "\r\n") && rule < rules_count(rules));
	for (size_t i = 0; rules_place(rules, i); i++)
		must(rules_place(rules, i)->index == i && *rules_place(rules, i)->location);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span all = span_make((const char *)data, size);
	size_t cut = span_find(all, '\x01');
	struct arena *arena = arena_new();
	struct err err = ERR_INIT;
	struct rules *rules = rules_parse(
		"list", span_sub(all, 0, cut == SIZE_MAX ? size : cut), 1700000000, &err);

	if (rules)
		judge(rules, cut == SIZE_MAX ? SPAN("") : span_from(all, cut + 1), arena);
	else
		must(strncmp(err.text, "list:", 5) == 0 && err.kind == ERR_KIND_USAGE);
	rules_free(rules);
	arena_free(arena);
	return 0;
}
