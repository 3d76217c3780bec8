/*
 * Lock files beside mail, as mail programs know them: while NAME.lock exists, NAME is its maker's.
 *
 * Ours say "PID mailhaul HOST" from the first moment on, so that one which a killed run leaves behind is broken at once; others' are broken when nobody has touched
 * them for `stale` seconds.
 *
 * Owner: who made the file takes it away with os_unlinkat(). Threads: any.
 *
 *	if (dot_lock_make(dir, "subscriptions.lock", path, 120, clock_ms() + 10000, err) < 0)
 *		return -1;
 *	…
 *	(void)os_unlinkat(dir, "subscriptions.lock", 0);
 */
#ifndef STORE_DOT_LOCK_H
#define STORE_DOT_LOCK_H

#include "base/must.h"

#include <stdbool.h>
#include <stdint.h>

struct err;

/*
 * 1 = made; 0 = the directory does not let it be made (errno says why); -1. name: that of the lock file; shown: what it locks; until: of clock_ms(). Held by others
 * until then: ERR_MAILBOX kind BUSY, to be tried again.
 */
int dot_lock_make(int dir, const char *name, const char *shown, int stale, int64_t until,
	struct err *err) MUST_CHECK;
bool dot_lock_is_stale(int dir, const char *name, int stale);
/* The error of make, for locks of other kinds. Always -1. */
int dot_lock_busy(const char *shown, const char *what, struct err *err);

#endif
