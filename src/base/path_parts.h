/*
 * What path.c and path_new.c share. See path.h.
 *
 * Owner: the caller of each. Threads: any.
 */
#ifndef BASE_PATH_PARTS_H
#define BASE_PATH_PARTS_H

#include "base/path.h"

/* The directory that holds path: "a/b" gives "a", "/b" gives "/", "b" gives ".". */
char *path_parent(struct arena *arena, const char *path);
/* -1 with errno. */
int path_write_all(int fd, struct span bytes) MUST_CHECK;
/* A new file beside path, or -1 with errno; the name is written only on success. */
int path_open_temporary(
	struct arena *arena, const char *path, mode_t mode, const char **name_out) MUST_CHECK;

#endif
