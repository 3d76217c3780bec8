/*
 * `filter` at work on one account: decides for every message of the mailboxes that rules take from which rule is its own, and only then moves and
 * copies. Nothing is changed before all mailboxes are decided, so that rules cannot chase a message from one to the next.
 *
 * A message is found, and then: moved; copied; there (a copy rule's, whose target holds it already); stayed (its rule leads to where it is); gone
 * (somebody took it away meanwhile); failed (it is where it was); unknown. What is not known to stand in the target is never removed.
 *
 * Memory: sets of UIDs for each rule in each mailbox, and one mailbox's columns a connection; no message's text outlives its decision.
 *
 * Owner: the command. Lifetime: filtering_open() to filtering_free(). Threads: the caller's; told() is called from those of the walk, each mailbox from one.
 *
 *	filtering = filtering_open(&request, err);            // connects, lists, chooses
 *	if (filtering_decide(filtering, err) == 0 && !dry_run)
 *		rc = filtering_carry_out(filtering, err);
 *	for (i = 0; i < filtering_count(filtering); i++) … filtering_box(filtering, i)
 */
#ifndef OPS_FILTERING_H
#define OPS_FILTERING_H

#include "base/must.h"
#include "mail/date.h"
#include "mail/uidset.h"

struct account;
struct err;
struct filtering;
struct filter_memory;
struct meter;
struct rules;
struct settings;

struct filter_counts { /* messages */
	uint64_t found, moved, copied, there, stayed, gone, failed, unknown;
};

struct filter_part { /* what one rule does in one mailbox */
	size_t rule;
	const char *target; /* its name there, as it is in the end */
	bool stays; /* the target is the mailbox itself */
	struct uidset uids; /* all it decides */
	struct filter_counts counts;
	/* what is left to be done; of it, what may stand in the target already */
	struct uidset left, unknown;
};

struct filter_box {
	const char *mailbox, *raw; /* display form; the server's own */
	bool decided; /* false: nothing of it is moved; err tells why, or the run ended before */
	const struct err *err; /* of the last thing done in it; NULL = none */
	uint32_t uidvalidity, uidnext; /* when it was decided */
	uint64_t looked_at, unmatched; /* chosen messages; those that no rule is for */
	uint64_t unreadable; /* about which nothing could be decided: they stay */
	struct filter_part *part; /* by rule */
	size_t parts;
};

struct filter_decision {
	const char *mailbox;
	uint32_t uid;
	uint64_t size;
	struct date date; /* of the Date header, or of arrival */
	const char *from, *subject; /* decoded, not harmless; NULL = it has none */
	size_t rule; /* RULES_NONE: no rule is for it */
	bool stays;
};

struct filter_request {
	const struct settings *settings;
	const struct rules *rules;
	struct account *account;
	struct account *const *place; /* by rule_place.index */
	struct meter *meter; /* NULL allowed */
	const char *state_dir; /* NULL: nothing is remembered */
	bool first_match;
	/* What was decided in earlier rounds of --watch is not looked at again; NULL = everything is. */
	struct filter_memory *memory;
	/*
	 * What was decided, message by message; begin gives what the other two are called with. end: the mailbox is done, or (good false) will be told anew or not
	 * at all. All NULL: nobody wants to know, and fewer headers are read.
	 */
	void *(*begin)(void *context, const char *mailbox);
	void (*told)(void *one, const struct filter_decision *decision);
	void (*end)(void *one, bool good);
	void *context;
};

struct filtering *filtering_open(const struct filter_request *request, struct err *err);
void filtering_free(struct filtering *filtering);
/* -1: ended; nothing is to be carried out. 0: each mailbox is decided, or has an err of its own. */
int filtering_decide(struct filtering *filtering, struct err *err) MUST_CHECK;
/* -1: ended before all was done: the counts are certain all the same. */
int filtering_carry_out(struct filtering *filtering, struct err *err) MUST_CHECK;
/* Mailboxes that rules take from, in the order of their names. */
size_t filtering_count(const struct filtering *filtering);
const struct filter_box *filtering_box(const struct filtering *filtering, size_t index);
/* Names that were no names: mailboxes that were not looked at. */
size_t filtering_left_out(const struct filtering *filtering);
/* An exit code that is due besides what boxes and counts tell: 1 when a target could not get its name, what a job to another place ended with. */
int filtering_code(const struct filtering *filtering);

/* For --watch: up to where each mailbox was decided and done. */
struct filter_memory *filter_memory_new(void);
void filter_memory_free(struct filter_memory *memory);

#endif
