/* System calls: EINTR retried, descriptors closed on exec, and in test builds faults on demand. */
#include "base/os.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#ifdef MAILHAUL_FAULTS
#include "base/os_parts.h"
#define FAULT(op, size_inout) os_fault(op, size_inout)
#else
#define FAULT(op, size_inout) ((void)(size_inout), false)
#endif

/* glibc's TEMP_FAILURE_RETRY, in the type of the call. */
#define RETRY(call)                                \
	({                                         \
		__typeof__(call) rc_;              \
		do                                 \
			rc_ = (call);              \
		while (rc_ < 0 && errno == EINTR); \
		rc_;                               \
	})

int os_open(const char *path, int flags, mode_t mode)
{
	if (FAULT(OS_OPEN, NULL))
		return -1;
	return RETRY(open(path, flags | O_CLOEXEC, mode));
}

int os_openat(int dir, const char *path, int flags, mode_t mode)
{
	if (FAULT(OS_OPENAT, NULL))
		return -1;
	return RETRY(openat(dir, path, flags | O_CLOEXEC, mode));
}

/* Never retried: Linux has released the descriptor even when it says EINTR. So it has for an injected fault. */
int os_close(int fd)
{
	if (FAULT(OS_CLOSE, NULL)) {
		const int number = errno;

		(void)close(fd);
		errno = number;
		return -1;
	}
	const int rc = close(fd);
	return rc < 0 && errno == EINTR ? 0 : rc;
}

ssize_t os_read(int fd, void *data, size_t size)
{
	if (FAULT(OS_READ, &size))
		return -1;
	return RETRY(read(fd, data, size));
}

ssize_t os_write(int fd, const void *data, size_t size)
{
	if (FAULT(OS_WRITE, &size))
		return -1;
	return RETRY(write(fd, data, size));
}

ssize_t os_pread(int fd, void *data, size_t size, off_t offset)
{
	if (FAULT(OS_PREAD, &size))
		return -1;
	return RETRY(pread(fd, data, size, offset));
}

ssize_t os_pwrite(int fd, const void *data, size_t size, off_t offset)
{
	if (FAULT(OS_PWRITE, &size))
		return -1;
	return RETRY(pwrite(fd, data, size, offset));
}

int os_ftruncate(int fd, off_t size)
{
	if (FAULT(OS_FTRUNCATE, NULL))
		return -1;
	return RETRY(ftruncate(fd, size));
}

int os_fsync(int fd)
{
	if (FAULT(OS_FSYNC, NULL))
		return -1;
	return RETRY(fsync(fd));
}

int os_rename(const char *from, const char *to)
{
	if (FAULT(OS_RENAME, NULL))
		return -1;
	return rename(from, to);
}

int os_link(const char *from, const char *to)
{
	if (FAULT(OS_LINK, NULL))
		return -1;
	return link(from, to);
}

int os_linkat(int from_dir, const char *from, int to_dir, const char *to)
{
	if (FAULT(OS_LINK, NULL))
		return -1;
	return linkat(from_dir, from, to_dir, to, 0);
}

int os_unlink(const char *path)
{
	if (FAULT(OS_UNLINK, NULL))
		return -1;
	return unlink(path);
}

int os_mkdir(const char *path, mode_t mode)
{
	if (FAULT(OS_MKDIR, NULL))
		return -1;
	return mkdir(path, mode);
}

int os_rmdir(const char *path)
{
	if (FAULT(OS_RMDIR, NULL))
		return -1;
	return rmdir(path);
}

int os_renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	if (FAULT(OS_RENAMEAT, NULL))
		return -1;
	return renameat(from_dir, from, to_dir, to);
}

int os_renameat_new(int from_dir, const char *from, int to_dir, const char *to)
{
	if (FAULT(OS_RENAMEAT, NULL))
		return -1;
	if (renameat2(from_dir, from, to_dir, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -1;
	if (linkat(from_dir, from, to_dir, to, 0) < 0)
		return -1;
	return os_unlinkat(from_dir, from, 0);
}

int os_unlinkat(int dir, const char *path, int flags)
{
	if (FAULT(OS_UNLINKAT, NULL))
		return -1;
	return unlinkat(dir, path, flags);
}

int os_mkdirat(int dir, const char *path, mode_t mode)
{
	if (FAULT(OS_MKDIRAT, NULL))
		return -1;
	return mkdirat(dir, path, mode);
}

int os_fstatat(int dir, const char *path, struct stat *st, int flags)
{
	if (FAULT(OS_FSTATAT, NULL))
		return -1;
	return fstatat(dir, path, st, flags);
}

int os_futimens(int fd, const struct timespec times[2])
{
	if (FAULT(OS_FUTIMENS, NULL))
		return -1;
	return futimens(fd, times);
}

int os_fchown(int fd, uid_t owner, gid_t group)
{
	if (FAULT(OS_FCHOWN, NULL))
		return -1;
	return fchown(fd, owner, group);
}

int os_stat(const char *path, struct stat *st)
{
	if (FAULT(OS_STAT, NULL))
		return -1;
	return stat(path, st);
}

int os_fstat(int fd, struct stat *st)
{
	if (FAULT(OS_FSTAT, NULL))
		return -1;
	return fstat(fd, st);
}

int os_fcntl(int fd, int cmd, long arg)
{
	if (FAULT(OS_FCNTL, NULL))
		return -1;
	return RETRY(fcntl(fd, cmd, arg));
}

int os_flock(int fd, int operation)
{
	if (FAULT(OS_FLOCK, NULL))
		return -1;
	return RETRY(flock(fd, operation));
}

int os_socket(int domain, int type, int protocol)
{
	if (FAULT(OS_SOCKET, NULL))
		return -1;
	return socket(domain, type | SOCK_CLOEXEC, protocol);
}

/* Not retried: an interrupted connect goes on by itself, and a second call would say EALREADY. */
int os_connect(int fd, const struct sockaddr *address, socklen_t size)
{
	if (FAULT(OS_CONNECT, NULL))
		return -1;

	const int rc = connect(fd, address, size);
	if (rc < 0 && errno == EINTR)
		errno = EINPROGRESS;
	return rc;
}

ssize_t os_send(int fd, const void *data, size_t size)
{
	if (FAULT(OS_SEND, &size))
		return -1;
	return RETRY(send(fd, data, size, MSG_NOSIGNAL));
}

ssize_t os_recv(int fd, void *data, size_t size)
{
	if (FAULT(OS_RECV, &size))
		return -1;
	return RETRY(recv(fd, data, size, 0));
}

/* Not base/clock: a fake time must not make an interrupted poll wait for ever. */
static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int os_poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
	if (FAULT(OS_POLL, NULL))
		return -1;

	const int64_t until = timeout_ms > 0 ? now_ms() + timeout_ms : 0;
	for (;;) {
		const int rc = poll(fds, count, timeout_ms);

		if (rc >= 0 || errno != EINTR)
			return rc;
		if (timeout_ms > 0) {
			const int64_t left = until - now_ms();

			timeout_ms = left > 0 ? (int)left : 0;
		}
	}
}

void os_point(const char *name)
{
#ifdef MAILHAUL_FAULTS
	os_fault_point(name);
#else
	(void)name;
#endif
}
