/*
 * Visits the chosen mailboxes of one account, several at once: what the commands with one account have in common (search, dedup, purge, trash, filter, size),
 * and each side of compare.
 *
 * Owner: the command. Lifetime: walk_open() to walk_free(). Threads: the caller's and one a further connection; visits run in any of them,
 * each with a connection, a flag table and an arena of its own.
 *
 *	walk = walk_open(&request, err);                   // connects, lists, chooses
 *	walk_visit(walk, visit, context, NULL, err);       // each chosen mailbox once
 *	for (i = 0; i < walk_count(walk); i++) … walk_place(walk, i)->err
 */
#ifndef OPS_WALK_H
#define OPS_WALK_H

#include "base/err.h"
#include "base/must.h"
#include "ops/select.h"
#include "store/store.h"

#include <pthread.h>

struct arena;
struct intents;
struct meter;
struct walk;

struct walk_request {
	const struct settings *settings;
	struct account *account;
	struct meter *meter; /* NULL allowed */
	const char *state_dir; /* for places without UIDs of their own; NULL = forget them */
	bool scans; /* mostly listings are read: compress */
	unsigned want; /* enum store_list_want bits for the listing */
	const struct select *select; /* NULL: walk_open() makes one of the settings */
};

struct walk_place { /* a chosen mailbox */
	const struct mailbox_info *info;
	size_t index;
	bool visited; /* by the last walk_visit(): without an error */
	const struct err *err; /* of the last visit, memory of the walk; NULL = none */
	void *data; /* the command's own; memory is the command's */
};

struct walk_visit {
	struct walk *walk;
	struct walk_place *place;
	struct store *store; /* nothing is open in it */
	struct flag_table *flags; /* of this connection */
	struct arena *arena; /* freed after the visit */
	unsigned attempt; /* from 1: a visit begins anew after a broken connection */
};

/* What a listing left out (names that are none), or lacks though it was named (select_missing()): walk_left_out() > 0, and the command must not call its result complete. NULL: nothing is known. */
struct walk *walk_open(const struct walk_request *request, struct err *err);
void walk_free(struct walk *walk);
size_t walk_count(const struct walk *walk);
struct walk_place *walk_place(struct walk *walk, size_t index);
size_t walk_left_out(const struct walk *walk);
const struct mailbox_list *walk_list(const struct walk *walk); /* all mailboxes */
const struct select *walk_select(const struct walk *walk);
unsigned walk_caps(const struct walk *walk); /* enum store_cap bits */
unsigned walk_content_ids(const struct walk *walk); /* imap_content_ids() */
const char *walk_software(const struct walk *walk); /* imap_software(), "" = it does not say */
struct mailbox_style walk_style(const struct walk *walk);
uint64_t walk_connections(const struct walk *walk);
const struct settings *walk_settings(const struct walk *walk);
/* What is being moved within this account (state/intents.h), opened at the first call and closed by walk_free(). NULL: ERR_LOCAL. */
struct intents *walk_intents(struct walk *walk, struct err *err);
/* Held by what only one visit at a time may do. */
pthread_mutex_t *walk_turn(struct walk *walk);
bool walk_has_intents(struct walk *walk); /* it is open, or there is a file of it */

/*
 * Calls visit for each place that `wants` (NULL: every one), largest first. An error of a message or mailbox is the place's, and the others go on; a broken connection is
 * made anew and the visit called again, up to --retries; anything worse ends the walk. -1: it was ended (also by SIGINT), err says why. 0: every place
 * was visited or has an err of its own.
 */
int walk_visit(struct walk *walk,
	int (*visit)(void *context, struct walk_visit *visit, struct err *err), void *context,
	bool (*wants)(void *context, const struct walk_place *place), struct err *err) MUST_CHECK;

/* Gives up the connection that is kept between walks; the next walk makes one anew. */
void walk_rest(struct walk *walk);

/*
 * For visits: opens the place's mailbox, scans it and decides which messages the options choose. *box_out stays open; reason (memory of the visit's
 * arena) is enum select_reason a row. scan may be NULL. snapshot->complete false: what is not in it is unknown.
 */
int walk_scan(struct walk_visit *visit, enum store_mode mode, const struct box_scan *scan,
	struct snapshot *snapshot, uint8_t **reason_out, struct box **box_out,
	struct err *err) MUST_CHECK;

/* Before anything is changed by UIDs that were decided on earlier: they last (RFC 4315 §2), and are the same still (product rule 2). 0 as the uidvalidity of then proves nothing. */
int walk_check_uids(const struct box *box, uint32_t uidvalidity, struct err *err) MUST_CHECK;

#endif
