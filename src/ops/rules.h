/*
 * The rules of `filter`: which messages go from which mailbox to which. Two ways to write them, one engine (pure: nothing here knows of servers).
 *
 * Lines, as imapfilter had them: four or five fields between tabs, "Subject<TAB>invoice<TAB>INBOX<TAB>Money[<TAB>copy]". The field is a header,
 * Size, Date, Internaldate, Flags or ISEARCH. Blocks, when the first line is one: "[name]", then conditions that must all hold (with any = yes: one of them):
 * `in`, `from`, `to`, `cc`, `subject`, `header NAME`, `size`, `date`, `arrived`, `flag`, `no-flag`, `search`, and one of `move-to` and `copy-to`, with `at` for
 * another place than the account itself.
 *
 * A line "RemoteServer: HOST[:PORT]/USER/SECRET", "RemoteServer: NAME" or "RemoteServer: NAME = LOCATION" makes targets "HOST:mailbox" or "NAME:mailbox" lead to
 * that place; NAME alone is an account of the configuration.
 *
 * Everything is checked before a rule is used: an error names each wrong line. A message is decided once, by where it was before anything moved, and
 * one whose rule leads to where it is stays: rules cannot chase a message in circles.
 *
 * Owner: the command. Lifetime: rules_parse() to rules_free(); texts given out live as long. Threads: any, immutable.
 *
 *	rules = rules_parse("rules", text, now, err);
 *	message.field = rules_header(header, arena, &message.fields);
 *	rule = rules_decide(rules, "INBOX", &message, first_match);
 */
#ifndef OPS_RULES_H
#define OPS_RULES_H

#include "base/span.h"
#include "mail/date.h"

struct arena;
struct err;
struct rules;

#define RULES_MAX 10000
#define RULES_NONE SIZE_MAX

struct secret;

struct rule_place { /* of a RemoteServer line, or an `at` */
	unsigned line;
	size_t index; /* of rules_place() */
	const char *name; /* as targets call it, and for people */
	const char *location; /* as cli_account() takes it */
	const struct secret *secret; /* as it stands in the line, or NULL */
};

struct rule {
	unsigned line;
	const char *name; /* of a block; NULL for a line */
	const char *
		text; /* the conditions as written, one line; for people, through text_harmless() */
	const char *target; /* display name; "*" at a remote place: as at the source */
	const struct rule_place *place; /* NULL: the account itself */
	bool copy; /* the message stays where it is too */
};

struct rule_field { /* of a message's header, unfolded */
	struct span name, value;
};

struct rule_message {
	const struct rule_field *field;
	size_t fields;
	uint64_t size;
	struct date arrived; /* INTERNALDATE */
	const char *flags; /* flags_text() */
	const bool *found; /* by rules_search(); NULL = no search was made: none matches */
};

/* name: of the file, for errors. now: what days are counted back from. NULL: usage error with the lines that are wrong. */
struct rules *rules_parse(const char *name, struct span text, int64_t now, struct err *err);
void rules_free(struct rules *rules);
size_t rules_count(const struct rules *rules);
const struct rule *rules_at(const struct rules *rules, size_t index);
/* NULL behind the last. */
const struct rule_place *rules_place(const struct rules *rules, size_t index);
/* From now on what means any mailbox ("*", a block without `in`) means only this one and those below it. */
void rules_under(struct rules *rules, const char *mailbox);
/* The headers to ask for, each once; NULL behind the last. */
const char *rules_field(const struct rules *rules, size_t index);
/* The SEARCH expressions to ask for; NULL behind the last. *rule_out: the rule it belongs to. */
const char *rules_search(const struct rules *rules, size_t index, size_t *rule_out);
/* Whether the rule takes messages from the mailbox. */
bool rules_takes(const struct rules *rules, size_t index, const char *mailbox);
/* Whether any rule takes messages from the mailbox: if not, it need not be opened. */
bool rules_want(const struct rules *rules, const char *mailbox);
/* The rule that decides: the last one that matches, or the first; RULES_NONE. */
size_t rules_decide(const struct rules *rules, const char *mailbox,
	const struct rule_message *message, bool first_match);
/* The rule's target is the mailbox itself: the message stays, and no other rule gets it. */
bool rules_stays(const struct rules *rules, size_t index, const char *mailbox);
/* Fields of a header block as it came; values may then be decoded in place by the caller. Lines that are none are left out. */
struct rule_field *rules_header(struct span header, struct arena *arena, size_t *count_out);

#endif
