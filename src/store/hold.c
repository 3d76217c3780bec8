/* Descriptors of directories, sorted by device and inode, locked one after the other. */
#include "store/hold.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/os.h"
#include "store/dot_lock.h"
#include "store/store_ops.h"

#include <errno.h>
#include <sys/file.h>

#define PAUSE_MS 50
#define PATIENCE_MS 60000
#define RETRY_MS 1000
#define STALE 86400 /* seconds; one of this machine is known for what it is at once */

struct held {
	int fd;
	dev_t device;
	ino_t inode;
	const char *name; /* borrowed while taking */
	bool by_file;
};

struct hold {
	size_t count;
	struct held dir[];
};

static int by_identity(const void *a, const void *b)
{
	const struct held *x = a, *y = b;

	if (x->device != y->device)
		return x->device < y->device ? -1 : 1;
	return (x->inode > y->inode) - (x->inode < y->inode);
}

static int open_one(struct store *store, const char *name, struct held *out, struct err *err)
{
	struct stat st;

	*out = (struct held){ .fd = store->ops->open_dir(store, name, err), .name = name };
	if (out->fd < 0)
		return -1;
	if (os_fstat(out->fd, &st) < 0) {
		err_set_errno(err, ERR_MAILBOX, "cannot look at the directory of %s", name);
		return os_close(out->fd), -1;
	}
	out->device = st.st_dev;
	out->inode = st.st_ino;
	return 0;
}

/* Files of one directory are held once. */
static void drop_doubles(struct hold *hold)
{
	size_t kept = 0;

	qsort(hold->dir, hold->count, sizeof(*hold->dir), by_identity);
	for (size_t i = 0; i < hold->count; i++) {
		if (kept > 0 && by_identity(&hold->dir[kept - 1], &hold->dir[i]) == 0)
			(void)os_close(hold->dir[i].fd);
		else
			hold->dir[kept++] = hold->dir[i];
	}
	hold->count = kept;
}

static int busy(const struct held *dir, struct err *err)
{
	err_set_kind(err, ERR_MAILBOX, ERR_KIND_BUSY,
		"another run of mailhaul is removing messages of %s, or because of some in it",
		dir->name);
	return err_retry_after(err, RETRY_MS);
}

/* Of NFS, where it needs a descriptor open for writing, and of what has no locks at all. */
static bool is_unsupported(int number)
{
	return number == EBADF || number == ENOLCK || number == EINVAL || number == ENOTSUP ||
	       number == ENOSYS;
}

static int lock_by_file(struct held *dir, int64_t until, struct err *err)
{
	const int rc = dot_lock_make(dir->fd, HOLD_FILE, dir->name, STALE, until, err);

	if (rc == 0)
		return err_set_errno(
			err, ERR_MAILBOX, "%s cannot be held: no lock file can be made", dir->name);
	dir->by_file = rc > 0;
	return rc < 0 ? -1 : 0;
}

static int lock(struct held *dir, int64_t until, struct err *err)
{
	while (os_flock(dir->fd, LOCK_EX | LOCK_NB) < 0) {
		if (is_unsupported(errno))
			return lock_by_file(dir, until, err);
		if (errno != EWOULDBLOCK)
			return err_set_errno(
				err, ERR_MAILBOX, "cannot lock the directory of %s", dir->name);
		if (clock_ms() >= until)
			return busy(dir, err);
		if (clock_sleep(PAUSE_MS) < 0)
			return err_set(err, ERR_STOPPED, "interrupted");
	}
	return 0;
}

int hold_take(struct store *store, const char *const *name, size_t count, int64_t wait_ms,
	struct hold **out, struct err *err)
{
	const int64_t until = clock_ms() + (wait_ms > 0 ? wait_ms : PATIENCE_MS);
	struct hold *hold;
	int rc = 0;

	*out = NULL;
	if (store->ops->open_dir == NULL)
		return 0;
	hold = mem_alloc(sizeof(*hold) + count * sizeof(hold->dir[0]));
	hold->count = 0;
	for (size_t i = 0; i < count && rc == 0; i++) {
		rc = open_one(store, name[i], &hold->dir[hold->count], err);
		hold->count += rc == 0;
	}
	drop_doubles(hold);
	for (size_t i = 0; i < hold->count && rc == 0; i++)
		rc = lock(&hold->dir[i], until, err);
	if (rc < 0) {
		hold_drop(hold);
		return -1;
	}
	*out = hold;
	return 0;
}

void hold_drop(struct hold *hold)
{
	if (hold == NULL)
		return;
	for (size_t i = hold->count; i-- > 0;) {
		if (hold->dir[i].by_file)
			(void)os_unlinkat(hold->dir[i].fd, HOLD_FILE, 0);
		(void)os_close(hold->dir[i].fd); /* and with it the lock */
	}
	mem_free(hold);
}
