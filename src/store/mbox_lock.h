/*
 * The lock of an mbox file as mail programs and delivery agents take it: FILE.lock (where the directory lets it be made) and an fcntl lock on the file itself.
 *
 * A FILE.lock that this program left behind when it was killed, or any that has not been touched for five minutes, is taken away.
 *
 * Owner: the caller. Lifetime: mbox_lock_take() to mbox_lock_drop(). Threads: any.
 *
 *	if (mbox_lock_take(&lock, dir, "inbox", fd, path, err) < 0)
 *		return -1;
 *	…
 *	mbox_lock_drop(&lock);
 */
#ifndef STORE_MBOX_LOCK_H
#define STORE_MBOX_LOCK_H

#include "base/must.h"

#include <stdbool.h>

struct err;

struct mbox_lock {
	int dir, fd;
	char *dotted; /* name of FILE.lock, NULL = none was made */
	bool held;
};

/* Held by others for ten seconds: ERR_MAILBOX kind BUSY, to be tried again. fd: open for writing. */
int mbox_lock_take(struct mbox_lock *lock, int dir, const char *name, int fd, const char *shown,
	struct err *err) MUST_CHECK;
void mbox_lock_drop(struct mbox_lock *lock); /* not held: does nothing */
/* For reading: waits until nobody writes (an fcntl lock to read, no FILE.lock), leaves nothing behind and holds nothing. fd: open for reading. */
int mbox_lock_wait(
	int dir, const char *name, int fd, const char *shown, struct err *err) MUST_CHECK;

#endif
