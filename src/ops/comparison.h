/*
 * What differs between accounts: the first against each other one. All are listed and scanned at once, each by its own walk, and nothing is changed
 * anywhere but manifests written; pairs of mailboxes are compared (compare.h) as soon as both sides are there.
 *
 * A mailbox or an account that could not be read is UNKNOWN, with the reason, and so is what a doubtful listing may have left out: never equal, never missing.
 *
 * Owner: the caller. Lifetime: comparison_run() to comparison_free(), with all texts in it. Threads: comparison_run() starts one an account and those
 * of the walks; its result may be read by any.
 *
 *	comparison = comparison_run(&request, err);            // NULL: usage, or the first account could not be read
 *	for (k = 0; k < comparison_count(comparison); k++)     // the other accounts
 *		for (i = 0; i < comparison_other(comparison, k)->boxes; i++) … ->box[i]->state
 *	comparison_free(comparison);
 */
#ifndef OPS_COMPARISON_H
#define OPS_COMPARISON_H

#include "base/err.h"
#include "ops/compare.h"
#include "ops/settings.h"
#include "store/account.h"

struct meter;
struct results;
struct comparison;

enum comparison_state { COMPARISON_EQUAL, COMPARISON_DIFFERS, COMPARISON_UNKNOWN };

struct comparison_heading { /* decoded, not made harmless; NULL = it has none */
	const char *message_id, *date, *from, *subject;
};

struct comparison_difference {
	struct difference what;
	const char *
		mailbox; /* of the first account, where several go into one; NULL = only the other has the message */
	const struct comparison_heading *heading; /* NULL = not asked for, or not to be had */
};

struct comparison_box { /* a mailbox of the other account, and what of the first goes there */
	const char *a; /* the first account's mailbox, the first of them if there are more */
	const char *b; /* what it is, or would be, called at the other */
	bool a_there, b_there;
	const char *raw; /* the other calls it so, because it takes no such name; or NULL */
	enum comparison_state state;
	struct compare_result result; /* with count_only: a, b, missing, extra */
	unsigned unchecked; /* enum compare_check bits that one of the accounts does not keep */
	const char *text; /* why it is unknown, or NULL */
	struct comparison_difference *difference; /* in no order that matters */
	size_t differences;
};

struct comparison_other {
	const struct account *account;
	const struct comparison_box *const
		*box; /* sorted by name, mailboxes that only it has last */
	size_t boxes;
	struct compare_result total;
	uint64_t missing_boxes, extra_boxes, unknown_boxes, differing_boxes;
	size_t left_out
		[2]; /* mailboxes that the first's, and its listing left out: names that are none, or that were asked for and are not there */
	enum comparison_state state;
	const char *text; /* why it could not be compared at all, or NULL */
	int code; /* the exit code of what went wrong; 0 = nothing did. What differs is not in it. */
};

struct comparison_manifest { /* of one account (store/inventory.h) */
	const char *path; /* NULL = none is wanted */
	bool replace; /* a file that is there already */
	/* results */
	bool written;
	uint64_t mailboxes, messages;
	bool complete; /* nothing is unknown in it */
	int code; /* the exit code of what could not be read for it; 0 = nothing was wrong */
	struct err err; /* why it was not written */
};

struct comparison_request {
	const struct settings *settings;
	struct account *const
		*account; /* two or more, or one for a manifest; borrowed until comparison_free() */
	size_t accounts;
	unsigned check; /* enum compare_check bits */
	bool count_only; /* numbers of messages; from the listings where nothing is selected among them */
	bool both; /* what only the other account has is a difference too */
	bool may_be_nothing; /* that the options choose none of the first's mailboxes is an answer, not unknown */
	bool headings; /* read those of messages that differ */
	struct meter *meter; /* NULL allowed */
	struct results *results; /* of --db: what was read and found goes there too; NULL allowed */
	struct comparison_manifest
		*manifest; /* one an account, or NULL; filled by comparison_run() */
	const char *sign_key; /* signs them; a file, or NULL */
};

struct comparison *comparison_run(const struct comparison_request *request, struct err *err);
void comparison_free(struct comparison *comparison); /* accepts NULL */
const struct account *comparison_first(const struct comparison *comparison);
size_t comparison_count(const struct comparison *comparison); /* of other accounts */
const struct comparison_other *comparison_other(const struct comparison *comparison, size_t index);
/* The names of the bits, "flags", "date", "size", "content"; NULL-safe walking: compare_check_name(1 << bit). */
const char *compare_check_name(unsigned bit);
const char *compare_proof_name(enum compare_proof proof); /* "record" … */

#endif
