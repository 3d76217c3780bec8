/* Whether the files of a mailbox lie in some place, by what directories are and not by what they are called. */
#include "store/store_ops.h"

#include "base/os.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>

#define DEPTH_MAX 256

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Goes up from the directory, which it closes. */
static bool is_below(int fd, const struct stat *place)
{
	struct stat st;
	bool found = false;

	for (int i = 0; fd >= 0 && i < DEPTH_MAX && !found; i++) {
		struct stat before = st;

		if (os_fstat(fd, &st) < 0 || (i > 0 && is_same(&st, &before)))
			break;
		found = is_same(&st, place);
		const int up = found ? -1 : os_openat(fd, "..", O_RDONLY | O_DIRECTORY, 0);
		(void)os_close(fd);
		fd = up;
	}
	if (fd >= 0)
		(void)os_close(fd);
	return found;
}

bool store_mailbox_is_in(struct store *store, const struct mailbox_info *mailbox, const char *path)
{
	const char *slash = strrchr(mailbox->raw, '/');
	const char *file = slash ? slash + 1 : mailbox->raw; /* of an mbox file */
	struct err ignored = ERR_INIT;
	struct stat place, st;

	if (!store->ops->open_dir || os_fstatat(AT_FDCWD, path, &place, 0) < 0)
		return false;
	const int fd = store->ops->open_dir(store, mailbox->name, &ignored);
	if (fd < 0)
		return false;
	if (S_ISDIR(place.st_mode))
		return is_below(fd, &place);
	const bool found = os_fstatat(fd, file, &st, 0) == 0 && is_same(&st, &place);
	(void)os_close(fd);
	return found;
}
