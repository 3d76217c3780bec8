/*
 * Every system call that can fail or that changes something durable. Thin wrappers that retry EINTR and set CLOEXEC;
 * in builds with -Dfaults=true each call is counted and obeys MAILHAUL_FAULT.
 *
 * MAILHAUL_FAULT="op:n:action[,…]": at the n-th call (1-based, over all threads) of `op`, do `action`; "op:n+:action" at the n-th
 * and every later one (a full disk stays full). `op` is the name of a call below without os_ ("write", "pwrite", "fsync", "rename",
 * "open", "send", …), "any" for every call of every op, "point" for every os_point(), or "point.NAME" for those of that name. `action` is
 * kill (SIGKILL to self, before the call), an errno name (ENOSPC, EIO, EMFILE, ECONNRESET …; not for points), or short (half of the bytes).
 * MAILHAUL_FAULT_COUNT=FILE writes "op count" lines (also "any", "point" and "point.NAME") at exit, so that a sweep
 * knows its range.
 *
 * Owner: none. Threads: any.
 */
#ifndef BASE_OS_H
#define BASE_OS_H

#include "base/must.h"

#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>

/* As the calls of POSIX of the same name: -1 and errno. */
int os_open(const char *path, int flags, mode_t mode);
int os_openat(int dir, const char *path, int flags, mode_t mode);
int os_close(int fd);
ssize_t os_read(int fd, void *data, size_t size);
ssize_t os_write(int fd, const void *data, size_t size);
ssize_t os_pread(int fd, void *data, size_t size, off_t offset);
ssize_t os_pwrite(int fd, const void *data, size_t size, off_t offset);
int os_ftruncate(int fd, off_t size);
int os_fsync(int fd);
int os_rename(const char *from, const char *to);
int os_link(const char *from, const char *to);
int os_linkat(int from_dir, const char *from, int to_dir, const char *to);
int os_unlink(const char *path);
int os_mkdir(const char *path, mode_t mode);
int os_rmdir(const char *path);
/* Relative to a directory that is open: what is renamed or replaced above it meanwhile does not matter. */
int os_renameat(int from_dir, const char *from, int to_dir, const char *to);
/* Never replaces: EEXIST. Where the file system cannot say so itself, by link and unlink. */
int os_renameat_new(int from_dir, const char *from, int to_dir, const char *to);
int os_unlinkat(int dir, const char *path, int flags);
int os_mkdirat(int dir, const char *path, mode_t mode);
int os_fstatat(int dir, const char *path, struct stat *st, int flags);
/* Both times of a file. */
int os_futimens(int fd, const struct timespec times[2]);
int os_fchown(int fd, uid_t owner, gid_t group);
int os_stat(const char *path, struct stat *st);
int os_fstat(int fd, struct stat *st);
int os_fcntl(int fd, int cmd, long arg);
int os_flock(int fd, int operation);
int os_socket(int domain, int type, int protocol);
int os_connect(int fd, const struct sockaddr *address, socklen_t size);
ssize_t os_send(int fd, const void *data, size_t size); /* MSG_NOSIGNAL */
ssize_t os_recv(int fd, void *data, size_t size);
int os_poll(struct pollfd *fds, nfds_t count, int timeout_ms);

/* A named step of a program (a journal step): countable and killable like a call. Costs nothing without -Dfaults=true. */
void os_point(const char *name);

/* Makes SQLite's unix VFS use the calls above. Once, before the first database is opened. */
/* (declared here, done in state/db.c through sqlite3_vfs.xSetSystemCall) */

#endif
