/*
 * The fault machinery behind os.h, private to os*.c; only in builds with -Dfaults=true.
 *
 * Owner: the process. Threads: any, atomic counters inside.
 */
#ifndef BASE_OS_PARTS_H
#define BASE_OS_PARTS_H

#include <stdbool.h>
#include <stddef.h>

enum os_op {
	OS_OPEN,
	OS_OPENAT,
	OS_CLOSE,
	OS_READ,
	OS_WRITE,
	OS_PREAD,
	OS_PWRITE,
	OS_FTRUNCATE,
	OS_FSYNC,
	OS_RENAME,
	OS_LINK,
	OS_UNLINK,
	OS_MKDIR,
	OS_RMDIR,
	OS_RENAMEAT,
	OS_UNLINKAT,
	OS_MKDIRAT,
	OS_FSTATAT,
	OS_FUTIMENS,
	OS_FCHOWN,
	OS_STAT,
	OS_FSTAT,
	OS_FCNTL,
	OS_FLOCK,
	OS_SOCKET,
	OS_CONNECT,
	OS_SEND,
	OS_RECV,
	OS_POLL,
	OS_OP_COUNT,
};

/* Counts the call and does what MAILHAUL_FAULT says: true = the call fails with errno set. size_inout (may be NULL) may be halved. */
bool os_fault(enum os_op op, size_t *size_inout);
void os_fault_point(const char *name);

#endif
