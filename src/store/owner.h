/*
 * owner=USER[:GROUP]: whose the files of a location shall be. As chown(1): a name before a number, and a user by name brings his group.
 *
 * Owner: the store. Threads: any.
 *
 *	if (owner_find(account_get(account, ACCOUNT_OWNER), &owner, err) < 0) …
 */
#ifndef STORE_OWNER_H
#define STORE_OWNER_H

#include "base/must.h"

#include <stdint.h>

struct err;

#define OWNER_SAME UINT32_MAX /* left as it is, as for fchown(2) */

struct owner {
	uint32_t user, group;
};

/* text NULL: both stay as they are. -1: ERR_LOCAL kind USAGE: nobody of that name, or only root can give files away. */
int owner_find(const char *text, struct owner *out, struct err *err) MUST_CHECK;

/* Gives an open file to its owner; nothing to change is success. -1: ERR_LOCAL. */
int owner_give(struct owner owner, int fd, struct err *err) MUST_CHECK;

/*
 * As path_make_dirs(), and what it makes becomes his. Of a path that is there already nothing is changed. -1: ERR_LOCAL.
 */
int owner_make_dirs(struct owner owner, const char *path, struct err *err) MUST_CHECK;

#endif
