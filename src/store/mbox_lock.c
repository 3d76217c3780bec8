/* FILE.lock and fcntl. */
#include "store/mbox_lock.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/os.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#define PATIENCE_MS 10000
#define PAUSE_MS 50
#define STALE_SECONDS 300
#define RETRY_MS 5000
#define MARK " mailhaul "

static int busy(const char *shown, const char *what, struct err *err)
{
	err_set_kind(err, ERR_MAILBOX, ERR_KIND_BUSY, "%s is locked by another program (%s)", shown,
		what);
	return err_retry_after(err, RETRY_MS);
}

/* "PID mailhaul HOST": written by this program on this machine, and that process is gone. */
static bool is_left_behind(struct span text)
{
	char host[256] = "";
	const char *mark = memmem(text.data, text.len, MARK, sizeof(MARK) - 1);
	uint32_t pid;

	if (mark == NULL || gethostname(host, sizeof(host) - 1) < 0 ||
		!span_u32(span_sub(text, 0, (size_t)(mark - text.data)), &pid) || pid == 0)
		return false;
	text = span_trim(span_from(text, (size_t)(mark - text.data) + sizeof(MARK) - 1));
	return span_equal_text(text, host) && kill((pid_t)pid, 0) < 0 && errno == ESRCH;
}

static bool is_stale(int dir, const char *name)
{
	char text[320];
	struct stat st;
	const int fd = os_openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	ssize_t len;

	if (fd < 0)
		return false;
	len = os_fstat(fd, &st) == 0 ? os_read(fd, text, sizeof(text)) : -1;
	os_close(fd);
	return len >= 0 && S_ISREG(st.st_mode) &&
	       (st.st_mtime < clock_wall() - STALE_SECONDS ||
		       is_left_behind(span_make(text, (size_t)len)));
}

/* With the owner's name in it from the first moment on: one that a killed run leaves behind is known for what it is. */
static int write_dotted(int dir, const char *name)
{
	char host[256] = "", text[320], temporary[64];
	int fd, len, rc = -1, trouble;

	(void)gethostname(host, sizeof(host) - 1);
	len = snprintf(text, sizeof(text), "%ld" MARK "%s\n", (long)getpid(), host);
	(void)snprintf(temporary, sizeof(temporary), ".mailhaul-lock.%ld.%ld", (long)getpid(),
		(long)gettid());
	fd = os_openat(dir, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return -1;
	if (os_write(fd, text, (size_t)len) == len)
		rc = os_renameat_new(dir, temporary, dir, name);
	trouble = errno;
	os_close(fd);
	if (rc < 0)
		(void)os_unlinkat(dir, temporary, 0);
	errno = trouble;
	return rc;
}

/* 1 = made, 0 = the directory does not let it be made, -1 */
static int make_dotted(int dir, const char *name, const char *shown, int64_t until, struct err *err)
{
	while (write_dotted(dir, name) < 0) {
		if (errno == EACCES || errno == EPERM || errno == EROFS || errno == ENAMETOOLONG)
			return 0;
		if (errno != EEXIST)
			return err_set_errno(err, ERR_LOCAL, "cannot create %s", name);
		if (is_stale(dir, name)) {
			log_info("%s: a stale lock file is taken away: %s", shown, name);
			(void)os_unlinkat(dir, name, 0);
		} else if (clock_ms() >= until) {
			return busy(shown, name, err);
		} else if (clock_sleep(PAUSE_MS) < 0) {
			return err_set(err, ERR_STOPPED, "interrupted");
		}
	}
	return 1;
}

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
			return busy(shown, "an fcntl lock", err);
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
	made = make_dotted(dir, lock->dotted, shown, until, err);
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
		if (is_stale(dir, dotted))
			break;
		if (clock_ms() >= until)
			rc = busy(shown, dotted, err);
		else if (clock_sleep(PAUSE_MS) < 0)
			rc = err_set(err, ERR_STOPPED, "interrupted");
	}
	mem_free(dotted);
	if (rc < 0 || lock_octets(fd, F_RDLCK, shown, until, err) < 0)
		return -1;
	unlock_octets(fd);
	return 0;
}
