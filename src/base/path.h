/*
 * Files done right: write-temporary-fsync-rename-fsync-directory, private directories, locks, XDG places.
 *
 * Owner: the caller of each. Threads: any.
 */
#ifndef BASE_PATH_H
#define BASE_PATH_H

#include "base/must.h"
#include "base/span.h"

#include <stdint.h>
#include <sys/types.h>

struct arena;
struct err;

/* Creates path and its parents with this mode; existing ones are left as they are. */
int path_make_dirs(const char *path, mode_t mode, struct err *err) MUST_CHECK;
/* Replaces path atomically and durably. */
int path_write(const char *path, struct span bytes, mode_t mode, struct err *err) MUST_CHECK;
/*
 * The same piece by piece: the file has its name when it is whole and synced, and not before; replace false: EEXIST when the name is taken. path_new_publish() frees it, whatever it
 * returns; path_new_drop() leaves nothing behind and accepts NULL.
 */
struct path_new;
struct path_new *path_new(const char *path, mode_t mode, struct err *err);
int path_new_add(struct path_new *file, struct span bytes, struct err *err) MUST_CHECK;
int path_new_publish(struct path_new *file, bool replace, struct err *err) MUST_CHECK;
void path_new_drop(struct path_new *file);
/* Reads a whole regular file of at most max bytes into the arena. */
int path_read(const char *path, size_t max, struct arena *arena, struct span *out,
	struct err *err) MUST_CHECK;
int path_sync_dir(const char *path, struct err *err) MUST_CHECK;
/* As path_read(), and refuses (ERR_LOCAL, usage) a file others can read or write, or that is not ours. */
int path_read_secret(const char *path, size_t max, struct arena *arena, struct span *out,
	struct err *err) MUST_CHECK;
/* Exclusive advisory lock (fcntl OFD or flock) on path, created 0600. Returns a descriptor, or -1 with ERR_LOCAL naming the holder's pid. */
int path_lock(const char *path, struct err *err) MUST_CHECK;
void path_unlock(int fd);
/* $XDG_STATE_HOME/mailhaul or ~/.local/state/mailhaul; $XDG_CONFIG_HOME/mailhaul/config or ~/.config/mailhaul/config. NULL without a home. */
char *path_state_dir(struct arena *arena);
char *path_config_file(struct arena *arena);
/* "~/x" with the home directory in place of ~. */
char *path_expand(struct arena *arena, const char *path);

#endif
