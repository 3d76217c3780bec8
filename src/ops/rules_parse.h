/* A rules file while it is read: what rules_parse.c shares with rules_value.c. Owner: rules_parse(). Threads: one. */
#ifndef OPS_RULES_PARSE_H
#define OPS_RULES_PARSE_H

#include "base/err.h"
#include "ops/rules_parts.h"

struct parse {
	struct rules *rules;
	int64_t now;
	unsigned line;
};

/* Each fills the condition from what is written; -1 with a text for the line. */
int rule_regex(struct parse *parse, struct condition *condition, struct span pattern,
	struct err *err) MUST_CHECK;
int rule_size(struct condition *condition, struct span text, struct err *err) MUST_CHECK;
/* "> 30" (days) or "> DATE"; words: anything else is a pattern for the header's, or INTERNALDATE's, text. */
int rule_date(struct parse *parse, struct condition *condition, struct span text, bool words,
	struct err *err) MUST_CHECK;
int rule_flag(struct parse *parse, struct condition *condition, struct span name,
	struct err *err) MUST_CHECK;
int rule_search(struct parse *parse, struct condition *condition, struct span text,
	struct err *err) MUST_CHECK;
int rule_header(struct parse *parse, struct condition *condition, struct span name,
	struct err *err) MUST_CHECK;
struct span rule_unquote(struct span text);
/* A mailbox's name: UTF-8 with nothing harmful in it. */
int rule_mailbox(
	struct parse *parse, struct span text, const char **out, struct err *err) MUST_CHECK;
/* The mailbox of a target: a name that can be created, or "*" at another place. */
int rule_target(
	struct parse *parse, struct span text, const char **out, struct err *err) MUST_CHECK;
/* rules_place.c: what stands behind "RemoteServer:", and the value of `at`. */
int rule_remote(struct parse *parse, struct span text, struct err *err) MUST_CHECK;
int rule_at(struct parse *parse, struct span text, const struct rule_place **out,
	struct err *err) MUST_CHECK;
const struct rule_place *rule_place_find(const struct rules *rules, struct span name);
/* Room for one more in a list that doubles whenever it is full. */
void *rule_more(struct parse *parse, void *list, size_t count, size_t size);
/* Adds to a list of texts, unless it is there; its index. */
size_t rule_text_once(struct parse *parse, const char ***list, size_t *count, struct span text);

#endif
