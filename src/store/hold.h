/*
 * Mailboxes in files, held for one run of mailhaul at a time: while it removes messages because others stand elsewhere, no other run may remove those.
 *
 * What is locked (flock) is the directory of each mailbox, by what it is and not by what it is called: roots one below another, links to a root and other state
 * directories meet there. Where directories cannot be locked (network file systems) there is a lock file HOLD_FILE in them meanwhile. Other programs know nothing of it.
 *
 * Owner: the caller. Lifetime: hold_take() to hold_drop(), the store may be closed meanwhile. Threads: any; two holds of one process exclude each other too.
 *
 *	if (hold_take(store, names, count, 0, &hold, err) < 0)
 *		return -1;
 *	… look, remove …
 *	hold_drop(hold);
 */
#ifndef STORE_HOLD_H
#define STORE_HOLD_H

#include "base/must.h"

#include <stddef.h>
#include <stdint.h>

struct err;
struct hold;
struct store;

#define HOLD_FILE ".mailhaul-hold.lock"
#define HOLD_MAX 200 /* mailboxes at once: each is an open descriptor */

/*
 * All of them, at most HOLD_MAX, in an order that is the same for every run, so that none waits for one that waits for it; or none. wait_ms: for other runs, 0 = a minute. Nothing that they wait for
 * may be open. -1: ERR_MAILBOX; kind BUSY: another run has one of them, to be tried again. Places that are no files: *out is NULL.
 */
int hold_take(struct store *store, const char *const *name, size_t count, int64_t wait_ms,
	struct hold **out, struct err *err) MUST_CHECK;
void hold_drop(struct hold *hold); /* accepts NULL */

#endif
