/*
 * Small text files beside mail: read whole, and replaced whole and durably.
 *
 * Never followed when they are symbolic links, never waited for when they are FIFOs. Who changes one holds its lock (dot_lock.h).
 *
 * Owner: the caller. Threads: any.
 *
 *	switch (side_file_read(dir, "subscriptions", 1 << 20, arena, &text, err)) …
 *	if (side_file_put(owner, dir, ".subscriptions-new", "subscriptions", text, err) < 0)
 *		return -1;
 */
#ifndef STORE_SIDE_FILE_H
#define STORE_SIDE_FILE_H

#include "base/span.h"
#include "store/owner.h"

struct arena;
struct err;

/* 1; 0 = there is no such file; -1: ERR_MAILBOX, also when it is longer than max or no regular file. */
int side_file_read(int dir, const char *name, size_t max, struct arena *arena, struct span *out,
	struct err *err) MUST_CHECK;
/* By way of a temporary name; what a killed run left under that one is written over. -1: what was there is as before, unless only the directory could not be synced. */
int side_file_put(struct owner owner, int dir, const char *temporary, const char *name,
	struct span content, struct err *err) MUST_CHECK;

#endif
