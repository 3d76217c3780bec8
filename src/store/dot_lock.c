/* Made under a temporary name and given its own when its content is in it. */
#include "store/dot_lock.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/os.h"
#include "base/span.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PAUSE_MS 50
#define RETRY_MS 5000
#define MARK " mailhaul "

int dot_lock_busy(const char *shown, const char *what, struct err *err)
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

bool dot_lock_is_stale(int dir, const char *name, int stale)
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
	       (st.st_mtime < clock_wall() - stale || is_left_behind(span_make(text, (size_t)len)));
}

static void temporary_name(char out[64], const char *what)
{
	(void)snprintf(out, 64, ".mailhaul-%s.%ld.%ld", what, (long)getpid(), (long)gettid());
}

/* Moved aside first and looked at again: between a look and an unlink another one may have broken it and made its own. */
static void break_stale(int dir, const char *name, const char *shown, int stale)
{
	char aside[64];

	temporary_name(aside, "stale");
	if (os_renameat(dir, name, dir, aside) < 0)
		return;
	if (!dot_lock_is_stale(dir, aside, stale) && os_renameat_new(dir, aside, dir, name) == 0)
		return;
	log_info("%s: a stale lock file is taken away: %s", shown, name);
	(void)os_unlinkat(dir, aside, 0);
}

/* With the owner's name in it from the first moment on: one that a killed run leaves behind is known for what it is. */
static int write_dotted(int dir, const char *name)
{
	char host[256] = "", text[320], temporary[64];
	int fd, len, rc = -1, trouble;

	(void)gethostname(host, sizeof(host) - 1);
	len = snprintf(text, sizeof(text), "%ld" MARK "%s\n", (long)getpid(), host);
	temporary_name(temporary, "lock");
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

int dot_lock_make(
	int dir, const char *name, const char *shown, int stale, int64_t until, struct err *err)
{
	while (write_dotted(dir, name) < 0) {
		if (errno == EACCES || errno == EPERM || errno == EROFS || errno == ENAMETOOLONG)
			return 0;
		if (errno != EEXIST)
			return err_set_errno(err, ERR_LOCAL, "cannot create %s", name);
		if (dot_lock_is_stale(dir, name, stale)) {
			break_stale(dir, name, shown, stale);
		} else if (clock_ms() >= until) {
			return dot_lock_busy(shown, name, err);
		} else if (clock_sleep(PAUSE_MS) < 0) {
			return err_set(err, ERR_STOPPED, "interrupted");
		}
	}
	return 1;
}
