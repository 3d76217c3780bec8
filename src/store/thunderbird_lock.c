/* The locks that a running Thunderbird holds in its profile. */
#include "store/thunderbird_lock.h"

#include "base/err.h"
#include "base/os.h"
#include "base/span.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#define LEVELS_MAX 16 /* PROFILE/Mail/ACCOUNT, and folders in .sbd directories below it */

/* Does another process hold an fcntl lock on it? */
static bool is_locked(int dir, const char *name)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	const int fd = os_openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0);
	bool locked;

	if (fd < 0)
		return false;
	locked = os_fcntl(fd, F_OFD_GETLK, (long)(intptr_t)&lock) == 0 && lock.l_type != F_UNLCK;
	(void)os_close(fd);
	return locked;
}

/* "127.0.1.1:4711": a process of this machine, as far as one can tell. With a + before the number the fcntl lock is what counts, and the link is left by a crash. */
static bool is_linked(int dir)
{
	char target[256];
	const ssize_t len = readlinkat(dir, "lock", target, sizeof(target));
	struct span rest = span_make(target, len < 0 ? 0 : (size_t)len);
	const size_t colon = span_find(rest, ':');
	uint32_t pid;

	if (colon == SIZE_MAX || !span_u32(span_from(rest, colon + 1), &pid) || pid == 0 ||
		pid > INT32_MAX)
		return false;
	return kill((pid_t)pid, 0) == 0 || errno == EPERM;
}

int thunderbird_check_closed(int dir, const char *shown, struct err *err)
{
	struct stat before = { 0 }, now;
	int at = os_openat(dir, ".", O_RDONLY | O_DIRECTORY, 0);
	bool open = false;

	for (int level = 0; at >= 0 && !open && level < LEVELS_MAX; level++) {
		int above;

		open = is_locked(at, ".parentlock") || is_linked(at);
		if (os_fstat(at, &now) < 0 ||
			(level > 0 && now.st_ino == before.st_ino && now.st_dev == before.st_dev))
			break; /* the root is its own parent */
		before = now;
		above = os_openat(at, "..", O_RDONLY | O_DIRECTORY, 0);
		(void)os_close(at);
		at = above;
	}
	if (at >= 0)
		(void)os_close(at);
	if (!open)
		return 0;
	return err_set_kind(err, ERR_LOCAL, ERR_KIND_SAFETY,
		"%s: Thunderbird is running with this profile, and could lose what is written: close it first",
		shown);
}
