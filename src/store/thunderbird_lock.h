/*
 * Has a Thunderbird the profile open that a directory of mail belongs to? While it runs it keeps its own idea of where messages stand in its files, and writes them anew when it
 * compacts folders: what another program puts there meanwhile can be lost.
 *
 * It holds an fcntl lock on `.parentlock` in the profile; where the file system has none, a symbolic link `lock` to "ADDRESS:PID" stands for it (with a + before the PID where it
 * has the lock too). The profile is the directory itself or one above it.
 *
 * Owner: none. Threads: any.
 *
 *	if (thunderbird_check_closed(store->root, store->root_path, err) < 0)
 *		return -1;
 */
#ifndef STORE_THUNDERBIRD_LOCK_H
#define STORE_THUNDERBIRD_LOCK_H

#include "base/must.h"

struct err;

/* dir: descriptor of a directory. -1: ERR_LOCAL, it is open. What cannot be looked at counts as closed. */
int thunderbird_check_closed(int dir, const char *shown, struct err *err) MUST_CHECK;

#endif
