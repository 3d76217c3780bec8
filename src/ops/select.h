/*
 * Which mailboxes and which messages (product §3). All given conditions hold together. What columns tell is decided here; what they
 * cannot (--search, --sent-since, --sent-before; --skip-ids) is asked of the open mailbox: as one SEARCH expression, and by reading Message-IDs.
 *
 * Owner: the job. Threads: any, immutable; flag sets are resolved against the lane's table at each call.
 */
#ifndef OPS_SELECT_H
#define OPS_SELECT_H

#include "ops/settings.h"
#include "store/store.h"

struct select;

enum select_reason { /* why a message is left out; the report counts each */
	SELECT_YES,
	SELECT_DATE, /* --since, --before */
	SELECT_FLAG, /* --seen, --unseen, --flag, --no-flag */
	SELECT_DELETED, /* --skip-deleted */
	SELECT_SIZE, /* --larger, --smaller, --max-size */
	SELECT_UID, /* --uid */
	SELECT_SEARCH, /* --search, --sent-since, --sent-before */
	SELECT_ID, /* --skip-ids */
	SELECT_LIMIT, /* --limit */
	/* left out by the same options in an earlier run; the mailbox has not changed since */
	SELECT_EARLIER,
	SELECT_REASONS
};
const char *select_reason_name(enum select_reason reason); /* "date", "flag", … */

/* NULL: usage error (bad glob, expression, UID set, a search with CR, LF or NUL). */
struct select *select_new(const struct settings *settings, struct err *err);
void select_free(struct select *select);
/* By patterns, --subscribed, and Gmail's All Mail (left out when other mailboxes with labels cover it: gmail true). \NoSelect names are not asked. */
bool select_mailbox(const struct select *select, const struct mailbox_info *mailbox, bool gmail);
/* The place of the first --mailbox that takes this name, among them; their number when none does. */
size_t select_rank(const struct select *select, const char *name);
/* Says which patterns of --mailbox (with mailboxes_optional: and which names) match none of these. */
void select_warn(const struct select *select, const struct mailbox_list *mailboxes);
/*
 * What was asked for by its name, by --mailbox without *, ? and [, or as the root of the location (NULL = none), and holds no message because it is not among these: one a
 * call, NULL behind the last. A name mistyped, or several with commas as older programs took them, is not taken for "nothing to do": the run is not complete.
 *
 *	for (size_t at = 0; (name = select_missing(select, list, root, &at)); …)
 */
const char *select_missing(const struct select *select, const struct mailbox_list *mailboxes,
	const char *root, size_t *at);
/* Why: "there is no such mailbox", or what is below it. */
const char *select_missing_text(const char *name, const struct mailbox_list *mailboxes);
/* The SEARCH expression to send, or NULL: "SENTSINCE 1-Feb-2024 (UNSEEN FROM x)". */
const char *select_search(const struct select *select);
/* What the open mailbox answered about these rows. Memory of the arena given; no set overlaps another. */
struct select_answer {
	struct uidset
		found; /* UIDs that select_search() matched; those of a search that was not made match nothing */
	struct uidset listed; /* whose Message-ID is among --skip-ids */
	struct uidset unknown; /* which cannot be read: whether they are meant is not known */
};
/*
 * Asks, as far as the options want it: one SEARCH, unless `searched` says that out->found is there already, and the Message-IDs of the rows that all else
 * selects. Rows that went meanwhile, or that no answer came for, are unknown too. 1: besides, there are messages that have no UID because they cannot be read.
 */
int select_ask(const struct select *select, struct box *box, struct flag_table *flags,
	const struct snapshot *snapshot, bool searched, struct arena *arena,
	struct select_answer *out, struct err *err) MUST_CHECK;
/*
 * Decides every row: reason_out[row]. --limit keeps the oldest, or with --newest-first the newest, by UID among those otherwise selected. What is unknown counts as
 * listed: who cannot bear that takes it out of the snapshot first.
 */
void select_messages(const struct select *select, struct flag_table *flags,
	const struct snapshot *snapshot, const struct select_answer *answer, uint8_t *reason_out);

#endif
