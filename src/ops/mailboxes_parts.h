/*
 * What mailboxes.c (connections, doing it) and mailboxes_plan.c (what is to be done, pure) share. For these only, and for tests.
 *
 * Owner: the plan. Threads: one at a time.
 */
#ifndef OPS_MAILBOXES_PARTS_H
#define OPS_MAILBOXES_PARTS_H

#include "ops/mailboxes.h"

struct mailboxes_step {
	struct mailboxes_row row;
	const struct mailbox_info *info; /* as listed; NULL = it is not there */
	const char
		*from; /* of RENAME: what it is called by then, for those above it were renamed */
	bool asked; /* an attempt got as far as asking for it */
	bool changed; /* it is certain to be carried out, but for subscriptions */
};

struct mailboxes {
	struct mailboxes_request request;
	struct arena *arena;
	struct store *store; /* NULL after it broke */
	struct flag_table *flags;
	struct mailbox_list list;
	struct mailboxes_step *step;
	size_t count, room;
};

/* Fills the steps by request and list. Names that can't be treated are steps that FAILED. */
int mailboxes_choose(struct mailboxes *plan, struct err *err) MUST_CHECK;

#endif
