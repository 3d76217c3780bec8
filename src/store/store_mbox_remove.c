/* Removing messages: the file is written anew without them and takes the old one's place in one step. */
#include "store/store_mbox_parts.h"

#include "base/os.h"
#include "base/spool.h"
#include "base/stop.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define SPOOL_MEMORY (1024 * 1024)

struct part { /* a message, in the order of the file */
	struct mbox_entry entry;
	uint32_t uid;
	size_t index; /* of its row */
	bool removed;
};

struct rewrite {
	struct mbox_file *file;
	struct arena *arena;
	struct part *part;
	size_t count;
	struct spool *spool; /* what is to be compressed */
	int fd;
	uint64_t written; /* octets of the new file, decompressed */
};

static int compare_parts(const void *a, const void *b)
{
	const struct part *x = a, *y = b;

	return x->entry.start < y->entry.start ? -1 : x->entry.start > y->entry.start;
}

static int list_parts(struct rewrite *rewrite, const struct uidset *uids, struct err *err)
{
	struct mbox_file *file = rewrite->file;
	const size_t count =
		file->manifest != NULL ? manifest_count(file->manifest) : file->finding.count;

	rewrite->part = arena_array(rewrite->arena, count + 1, sizeof(*rewrite->part));
	for (size_t i = 0; i < count; i++) {
		struct part *part = &rewrite->part[i];

		part->index = i;
		part->uid = file->manifest != NULL ? manifest_uid(file->manifest, i)
						   : file->finding.found[i].uid;
		if (mbox_file_entry(file, part->uid, &part->entry, err) < 0)
			return -1;
		part->removed = uidset_has(uids, part->uid);
	}
	rewrite->count = count;
	if (count > 0)
		qsort(rewrite->part, count, sizeof(*rewrite->part), compare_parts);
	return 0;
}

static int put(struct rewrite *rewrite, struct span bytes, struct err *err)
{
	rewrite->written += bytes.len;
	if (rewrite->file->packing != MBOX_PLAIN)
		return spool_add(rewrite->spool, bytes, err);
	while (bytes.len > 0) {
		const ssize_t got = os_write(rewrite->fd, bytes.data, bytes.len);

		if (got < 0)
			return err_set_errno(
				err, ERR_LOCAL, "cannot write %s anew", rewrite->file->path);
		bytes = span_from(bytes, (size_t)got);
	}
	return 0;
}

static int copy_octets(struct rewrite *rewrite, uint64_t from, uint64_t to, struct err *err)
{
	struct span window;
	bool last;

	while (from < to) {
		if (mbox_octets_window(rewrite->file->octets, from, &window, &last, err) < 0 ||
			stop_check(err) < 0)
			return -1;
		if (window.len > to - from)
			window = span_sub(window, 0, (size_t)(to - from));
		if (window.len == 0)
			break;
		if (put(rewrite, window, err) < 0)
			return -1;
		from += window.len;
	}
	return 0;
}

/* Everything but the removed messages, each of which ends where the next one begins: what nobody knows (compacted away, say) stays. */
static int copy_rest(struct rewrite *rewrite, struct err *err)
{
	uint64_t from = 0;

	for (size_t i = 0; i < rewrite->count; i++) {
		struct part *part = &rewrite->part[i];
		const uint64_t start = part->entry.start;
		uint64_t end = start + part->entry.head + part->entry.size;
		struct span window;
		bool last;

		if (copy_octets(rewrite, from, start, err) < 0)
			return -1;
		from = start;
		part->entry.start = rewrite->written;
		if (!part->removed)
			continue;
		if (mbox_octets_window(rewrite->file->octets, end, &window, &last, err) < 0)
			return -1;
		if (span_starts(window, SPAN("\r\n")))
			end += 2;
		else if (span_starts(window, SPAN("\n")))
			end += 1;
		from = end;
	}
	return copy_octets(rewrite, from, UINT64_MAX, err);
}

static int finish_octets(struct rewrite *rewrite, struct err *err)
{
	struct mbox_file *file = rewrite->file;
	struct spool *packed;
	struct span chunk;
	int rc;

	if (file->packing == MBOX_PLAIN)
		return 0;
	packed = spool_new(SPOOL_MEMORY);
	rc = rewrite->written == 0 ? 0 : mbox_pack(file->packing, rewrite->spool, packed, err);
	spool_rewind(packed);
	while (rc == 0 && (rc = spool_next(packed, &chunk, err)) > 0) {
		rc = 0;
		while (chunk.len > 0 && rc == 0) {
			const ssize_t got = os_write(rewrite->fd, chunk.data, chunk.len);

			if (got < 0)
				rc = err_set_errno(
					err, ERR_LOCAL, "cannot write %s anew", file->path);
			else
				chunk = span_from(chunk, (size_t)got);
		}
	}
	spool_free(packed);
	return rc;
}

/* The new file takes the place of the old one, with its owner and mode. */
static int replace(struct rewrite *rewrite, const char *temporary, struct err *err)
{
	struct mbox_file *file = rewrite->file;
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct stat st;

	(void)os_fcntl(rewrite->fd, F_OFD_SETLK, (long)(intptr_t)&lock);
	if (os_fstat(file->fd, &st) < 0 || fchmod(rewrite->fd, st.st_mode & 07777) < 0 ||
		(fchown(rewrite->fd, st.st_uid, st.st_gid) < 0 && errno != EPERM) ||
		os_fsync(rewrite->fd) < 0 ||
		os_renameat(file->dir, temporary, file->dir, file->base) < 0)
		return err_set_errno(err, ERR_LOCAL, "cannot replace %s", file->path);
	os_point("mbox-replaced");
	if (os_fsync(file->dir) < 0)
		return err_set_errno(err, ERR_LOCAL, "cannot replace %s", file->path);
	/* the same number, so that who holds the lock holds the new file's */
	if (dup3(rewrite->fd, file->fd, O_CLOEXEC) < 0)
		return err_set_errno(err, ERR_LOCAL, "cannot replace %s", file->path);
	if (os_fstat(file->fd, &file->known) < 0)
		return err_set_errno(err, ERR_LOCAL, "cannot look at %s", file->path);
	mbox_file_reopen_octets(file, (uint64_t)file->known.st_size);
	file->end = rewrite->written;
	return 0;
}

static void drop_found(struct mbox_finding *finding, uint32_t uid)
{
	for (size_t i = 0; i < finding->count; i++) {
		if (finding->found[i].uid == uid)
			finding->found[i].entry.size = UINT64_MAX; /* to be dropped */
	}
}

/* What is known of the file, as it is now. */
static int record_change(struct rewrite *rewrite, struct err *err)
{
	struct mbox_file *file = rewrite->file;
	struct uidset gone = { 0 };
	size_t kept = 0;

	for (size_t i = 0; i < rewrite->count; i++) {
		const struct part *part = &rewrite->part[i];
		char where[128];

		if (part->removed)
			uidset_add(&gone, rewrite->arena, part->uid, part->uid);
		if (file->manifest == NULL && part->removed)
			drop_found(&file->finding, part->uid);
		else if (file->manifest == NULL)
			file->finding.found[part->index].entry.start = part->entry.start;
		if (file->manifest == NULL || part->removed)
			continue;
		mbox_entry_print(&part->entry, where);
		manifest_set_where(file->manifest, part->index, where);
	}
	if (file->manifest != NULL) {
		manifest_remove(file->manifest, &gone);
		file->stamped = false;
		return mbox_stamp(file, err);
	}
	for (size_t i = 0; i < file->finding.count; i++) {
		if (file->finding.found[i].entry.size != UINT64_MAX)
			file->finding.found[kept++] = file->finding.found[i];
	}
	file->finding.count = kept;
	return 0;
}

static int make_new(struct rewrite *rewrite, const char *temporary, struct err *err)
{
	struct mbox_file *file = rewrite->file;

	(void)os_unlinkat(file->dir, temporary, 0); /* of a run that was killed */
	rewrite->fd = os_openat(file->dir, temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	if (rewrite->fd < 0)
		return err_set_errno(
			err, err_scope_of_errno(), "cannot create a file beside %s", file->path);
	return 0;
}

/* rc: of what was written so far. */
static int end_new(struct rewrite *rewrite, const char *temporary, int rc, struct err *err)
{
	if (rc == 0)
		rc = finish_octets(rewrite, err);
	if (rc == 0)
		rc = replace(rewrite, temporary, err);
	if (rc < 0)
		(void)os_unlinkat(rewrite->file->dir, temporary, 0);
	os_close(rewrite->fd);
	return rc;
}

static int rewrite_all(struct rewrite *rewrite, const struct uidset *uids, struct err *err)
{
	const char *temporary =
		arena_print(rewrite->arena, ".%s.mailhaul-new", rewrite->file->base);

	if (list_parts(rewrite, uids, err) < 0 || make_new(rewrite, temporary, err) < 0)
		return -1;
	if (end_new(rewrite, temporary, copy_rest(rewrite, err), err) < 0)
		return -1;
	return record_change(rewrite, err);
}

int mbox_cut_out(struct mbox_file *file, uint64_t from, uint64_t to, struct err *err)
{
	struct rewrite rewrite = { .file = file, .fd = -1, .arena = arena_new() };
	const char *temporary = arena_print(rewrite.arena, ".%s.mailhaul-new", file->base);
	int rc = make_new(&rewrite, temporary, err);

	if (rc == 0) {
		rc = copy_octets(&rewrite, 0, from, err);
		if (rc == 0)
			rc = copy_octets(&rewrite, to, UINT64_MAX, err);
		rc = end_new(&rewrite, temporary, rc, err);
	}
	arena_free(rewrite.arena);
	return rc;
}

int mbox_box_remove(struct box *base, const struct uidset *uids, unsigned how, struct err *err)
{
	struct mbox_file *file = mbox_box_file(base);
	struct rewrite rewrite = { .file = file, .fd = -1 };
	struct mbox_lock lock = { .held = false };
	struct stat st;
	int rc;

	(void)how;
	((struct file_box *)(void *)base)->used =
		true; /* what is looked at next is looked at anew */
	if (mbox_file_lock(file, &lock, err) < 0)
		return -1;
	rewrite.arena = arena_new();
	rewrite.spool = spool_new(SPOOL_MEMORY);
	if (file->manifest != NULL)
		rc = mbox_sync(file, err);
	else if (os_fstat(file->fd, &st) < 0 || st.st_size != file->known.st_size ||
		 st.st_mtim.tv_sec != file->known.st_mtim.tv_sec ||
		 st.st_mtim.tv_nsec != file->known.st_mtim.tv_nsec)
		rc = err_set(
			err, ERR_CONN, "%s was changed by another program meanwhile", file->path);
	else
		rc = 0;
	if (rc == 0)
		rc = rewrite_all(&rewrite, uids, err);
	mbox_lock_drop(&lock);
	spool_free(rewrite.spool);
	arena_free(rewrite.arena);
	return rc;
}
