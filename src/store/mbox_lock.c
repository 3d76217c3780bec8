/* FILE.lock and fcntl. */
#include "store/mbox_lock.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/os.h"
#include "store/dot_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define PATIENCE_MS 10000
#define PAUSE_MS 50
#define STALE_SECONDS 300

/* 0, or -1; where the file system has no such locks, without one. */
static int lock_octets(int fd, short type, const char *shown, int64_t until, struct err *err)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET };

	while (os_fcntl(fd, F_OFD_SETLK, (long)(intptr_t)&lock) < 0) {
		if (errno != EAGAIN && errno != EACCES) {
			log_debug("%s: no fcntl lock is to be had here", shown);
			return 0;
		}
		if (clock_ms() >= until)
			return dot_lock_busy(shown, "an fcntl lock", err);
		if (clock_sleep(PAUSE_MS) < 0)
			return err_set(err, ERR_STOPPED, "interrupted");
	}
	return 0;
}

static void unlock_octets(int fd)
{
	struct flock lock = { .l_type = F_UNLCK, .l_whence = SEEK_SET };

	(void)os_fcntl(fd, F_OFD_SETLK, (long)(intptr_t)&lock);
}

static char *dotted_name(const char *name)
{
	struct buf text;
	char *out;

	buf_init(&text, SIZE_MAX / 2);
	if (buf_print(&text, "%s.lock", name) < 0)
		abort();
	out = mem_strdup(buf_text(&text));
	buf_release(&text);
	return out;
}

int mbox_lock_take(struct mbox_lock *lock, int dir, const char *name, int fd, const char *shown,
	struct err *err)
{
	const int64_t until = clock_ms() + PATIENCE_MS;
	int made;

	*lock = (struct mbox_lock){ .dir = dir, .fd = fd, .dotted = dotted_name(name) };
	made = dot_lock_make(dir, lock->dotted, shown, STALE_SECONDS, until, err);
	if (made <= 0) {
		mem_free(lock->dotted);
		lock->dotted = NULL;
	}
	if (made < 0)
		return -1;
	lock->held = true;
	if (lock_octets(fd, F_WRLCK, shown, until, err) == 0)
		return 0;
	lock->fd = -1;
	mbox_lock_drop(lock);
	return -1;
}

void mbox_lock_drop(struct mbox_lock *lock)
{
	if (!lock->held)
		return;
	if (lock->fd >= 0)
		unlock_octets(lock->fd);
	if (lock->dotted != NULL)
		(void)os_unlinkat(lock->dir, lock->dotted, 0);
	mem_free(lock->dotted);
	lock->dotted = NULL;
	lock->held = false;
}

int mbox_lock_wait(int dir, const char *name, int fd, const char *shown, struct err *err)
{
	const int64_t until = clock_ms() + PATIENCE_MS;
	char *dotted = dotted_name(name);
	struct stat st;
	int rc = 0;

	while (rc == 0 && os_fstatat(dir, dotted, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		if (dot_lock_is_stale(dir, dotted, STALE_SECONDS))
			break;
		if (clock_ms() >= until)
			rc = dot_lock_busy(shown, dotted, err);
		else if (clock_sleep(PAUSE_MS) < 0)
			rc = err_set(err, ERR_STOPPED, "interrupted");
	}
	mem_free(dotted);
	if (rc < 0 || lock_octets(fd, F_RDLCK, shown, until, err) < 0)
		return -1;
	unlock_octets(fd);
	return 0;
}
