/*
 * SQLite on base/os: every system call that its unix VFS lets us replace is counted and obeys MAILHAUL_FAULT. It calls fsync
 * directly, so the method above it is replaced instead. Empty without -Dfaults=true.
 */
#ifdef MAILHAUL_FAULTS
#include "state/db_parts.h"

#include "base/must.h"
#include "base/os.h"
#include "base/os_parts.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdarg.h>

/* SQLite calls it with an int or a pointer; on every system we build for both arrive as one word. */
static int fault_fcntl(int fd, int cmd, ...)
{
	va_list args;

	va_start(args, cmd);
	const long arg = va_arg(args, long);
	va_end(args);
	return os_fcntl(fd, cmd, arg);
}

static int fault_open(const char *path, int flags, int mode)
{
	return os_open(path, flags, (mode_t)mode);
}

typedef int (*vfs_open)(sqlite3_vfs *, const char *, sqlite3_file *, int, int *);

/* Written once, before the first open. */
static sqlite3_vfs vfs;
static vfs_open unix_open;

/* The methods of an open file behind ours, which differ from them in one: kept per kind of file. */
#define KINDS_MAX 8
static struct {
	const sqlite3_io_methods *unix_methods;
	sqlite3_io_methods ours;
} kinds[KINDS_MAX];

static const sqlite3_io_methods *fault_unix_methods(const sqlite3_io_methods *ours)
{
	for (int i = 0; i < KINDS_MAX; i++) {
		if (&kinds[i].ours == ours)
			return kinds[i].unix_methods;
	}
	return NULL;
}

/* The kernel's own code would ask where an error is returned for; SQLite keeps no errno for this one. */
static int fault_sync(sqlite3_file *file, int flags)
{
	if (os_fault(OS_FSYNC, NULL))
		return SQLITE_IOERR_FSYNC;
	return fault_unix_methods(file->pMethods)->xSync(file, flags);
}

/* Under SQLite's own global lock. */
static const sqlite3_io_methods *fault_methods(const sqlite3_io_methods *methods)
{
	for (int i = 0; i < KINDS_MAX; i++) {
		if (kinds[i].unix_methods == methods)
			return &kinds[i].ours;
		if (kinds[i].unix_methods)
			continue;
		kinds[i].ours = *methods;
		kinds[i].ours.xSync = fault_sync;
		kinds[i].unix_methods = methods;
		return &kinds[i].ours;
	}
	return methods;
}

static int fault_vfs_open(
	sqlite3_vfs *self, const char *name, sqlite3_file *file, int flags, int *out)
{
	const int rc = unix_open(self, name, file, flags, out);
	sqlite3_mutex *lock = sqlite3_mutex_alloc(SQLITE_MUTEX_STATIC_APP1);

	sqlite3_mutex_enter(lock);
	if (rc == SQLITE_OK && file->pMethods)
		file->pMethods = fault_methods(file->pMethods);
	sqlite3_mutex_leave(lock);
	return rc;
}

static const struct {
	const char *name;
	sqlite3_syscall_ptr call;
} calls[] = {
	{ "open", (sqlite3_syscall_ptr)fault_open },
	{ "close", (sqlite3_syscall_ptr)os_close },
	{ "stat", (sqlite3_syscall_ptr)os_stat },
	{ "fstat", (sqlite3_syscall_ptr)os_fstat },
	{ "ftruncate", (sqlite3_syscall_ptr)os_ftruncate },
	{ "fcntl", (sqlite3_syscall_ptr)fault_fcntl },
	{ "read", (sqlite3_syscall_ptr)os_read },
	{ "pread", (sqlite3_syscall_ptr)os_pread },
	{ "pread64", (sqlite3_syscall_ptr)os_pread },
	{ "write", (sqlite3_syscall_ptr)os_write },
	{ "pwrite", (sqlite3_syscall_ptr)os_pwrite },
	{ "pwrite64", (sqlite3_syscall_ptr)os_pwrite },
	{ "unlink", (sqlite3_syscall_ptr)os_unlink },
	{ "mkdir", (sqlite3_syscall_ptr)os_mkdir },
	{ "rmdir", (sqlite3_syscall_ptr)os_rmdir },
};

void db_fault_install(void)
{
	sqlite3_vfs *unix_vfs = sqlite3_vfs_find("unix");

	if (!unix_vfs)
		return;
	for (size_t i = 0; i < countof(calls); i++)
		unix_vfs->xSetSystemCall(unix_vfs, calls[i].name, calls[i].call);
	unix_open = unix_vfs->xOpen;
	vfs = *unix_vfs;
	vfs.zName = "mailhaul-fault";
	vfs.pNext = NULL;
	vfs.xOpen = fault_vfs_open;
	sqlite3_vfs_register(&vfs, 1);
}
#endif
