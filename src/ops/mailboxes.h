/*
 * Deleting, renaming, creating and subscribing to mailboxes by name or regular expression. First the plan, from one listing; then for what deletes mail the brake and the
 * question; then one mailbox after the other, with one connection.
 *
 * What the plan means is exact: a mailbox goes only as it was listed (UIDVALIDITY, UIDNEXT and number of messages), deepest first, and what is below it stays unless
 * it is named too. INBOX is neither deleted nor renamed. A name that is taken is never renamed to. An answer that was lost is looked for in a new listing
 * before anything is asked again.
 *
 * Owner: the command. Lifetime: mailboxes_plan() to mailboxes_free(). Threads: one at a time; rows are final between calls.
 *
 *	plan = mailboxes_plan(&request, err);            // nothing has changed yet
 *	if (mailboxes_allow(plan, ask, NULL, err) == 0)
 *		rc = mailboxes_do(plan, err);
 *	for (i = 0; i < mailboxes_count(plan); i++) … mailboxes_row(plan, i)
 */
#ifndef OPS_MAILBOXES_H
#define OPS_MAILBOXES_H

#include "base/must.h"
#include "ops/settings.h"
#include "store/store.h"

struct mailboxes;

enum mailboxes_action {
	MAILBOXES_DELETE,
	MAILBOXES_RENAME, /* names: OLD NEW, or one or more s/RE/TEXT/flags */
	MAILBOXES_CREATE,
	MAILBOXES_SUBSCRIBE,
	MAILBOXES_UNSUBSCRIBE,
};

struct mailboxes_request {
	const struct settings *settings;
	struct account *account;
	const char *state_dir;
	enum mailboxes_action action;
	char *const *name; /* as displayed */
	size_t names;
	const struct text_list *regex; /* not for RENAME and CREATE */
};

enum mailboxes_state {
	MAILBOXES_PLANNED,
	MAILBOXES_DONE,
	MAILBOXES_ALREADY, /* it was so before */
	MAILBOXES_FAILED,
};

struct mailboxes_row {
	const char *name, *to; /* to: of RENAME, else NULL */
	uint32_t messages; /* that go with it, of DELETE */
	enum mailboxes_state state;
	/* FAILED; or DONE, and the line broke before its subscription was seen to; or NULL */
	const struct err *err;
};

/* NULL: usage (a bad expression, a name twice), or the listing failed: nothing is known. */
struct mailboxes *mailboxes_plan(const struct mailboxes_request *request, struct err *err);
void mailboxes_free(struct mailboxes *plan); /* accepts NULL */
/* The brake, and the question: only for DELETE, if anything is to go. -1, kind SAFETY: nothing goes. ask as in brake_confirm(). */
int mailboxes_allow(struct mailboxes *plan, int (*ask)(void *context, const char *question),
	void *context, struct err *err) MUST_CHECK;
/* 0: each row tells how it went; -1: it was ended, and the rows tell how far it came. */
int mailboxes_do(struct mailboxes *plan, struct err *err) MUST_CHECK;
size_t mailboxes_count(const struct mailboxes *plan);
const struct mailboxes_row *mailboxes_row(const struct mailboxes *plan, size_t index);
bool mailboxes_left_out(const struct mailboxes *plan); /* the listing was not complete */

/*
 * Removes a mailbox that is as it was listed; one that is not stays (ERR_MAILBOX), for what came since would go with it. *done_out false with 0: it was a name without
 * messages that the server dropped by itself.
 */
int mailboxes_remove(struct store *store, const struct mailbox_info *listed, bool *done_out,
	struct err *err) MUST_CHECK;
/*
 * Ends the subscription to a mailbox that was removed (RFC 3501 §6.3.9 keeps it; nobody wants it). One that the server keeps all the same is only logged; -1: ERR_CONN
 * or worse, and the mailbox is removed all the same.
 */
int mailboxes_unsubscribe(
	struct store *store, const struct mailbox_info *removed, struct err *err) MUST_CHECK;

#endif
