/* A directory of message files as an open mailbox: octets as they are kept, and proof that they are those that were stored. */
#include "store/store_eml_parts.h"

#include "base/mem.h"
#include "base/os.h"

#include <errno.h>
#include <fcntl.h>

#define PIECE 65536

static struct box_eml *box_of(struct file_box *box)
{
	return box_eml_of(&box->box);
}

static const struct eml_entry *find_entry(const struct eml_dir *dir, uint32_t uid)
{
	size_t low = 0, high = dir->count;

	while (low < high) {
		const size_t mid = low + (high - low) / 2;

		if (dir->entry[mid].uid < uid)
			low = mid + 1;
		else
			high = mid;
	}
	return low < dir->count && dir->entry[low].uid == uid ? &dir->entry[low] : NULL;
}

/* The file of a message: 1, 0 = there is no such message, -1. */
static int find_file(struct box_eml *box, uint32_t uid, const char **name_out, struct err *err)
{
	struct eml_dir *dir = box->dir;

	if (!dir->manifest) {
		const struct eml_entry *entry = find_entry(dir, uid);

		box->row = (struct manifest_row){ .size = UINT64_MAX };
		*name_out = entry ? entry->name : NULL;
		return entry != NULL;
	}
	const size_t index = manifest_find(dir->manifest, uid);
	if (index == SIZE_MAX)
		return 0;
	if (manifest_read(dir->manifest, index, &box->row, err) < 0)
		return -1;
	if (strcmp(box->row.where, EML_NO_FILE) == 0)
		return err_set(
			err, ERR_MESSAGE, "only its attachments were kept (attachments=only)");
	box->converts = box->row.where[0] == '~';
	*name_out = box->row.where + box->converts;
	return 1;
}

static void close_body(struct file_box *file)
{
	struct box_eml *box = box_of(file);

	if (box->fd >= 0)
		(void)os_close(box->fd);
	box->fd = -1;
}

static int open_body(struct file_box *file, uint32_t uid, struct err *err)
{
	struct box_eml *box = box_of(file);
	const char *name;
	struct stat st;

	close_body(file);
	const int rc = find_file(box, uid, &name, err);
	if (rc <= 0)
		return rc;
	box->fd = eml_open_file(box->dir->fd, name, &st);
	if (box->fd < 0 && errno == ENOENT)
		return 0;
	if (box->fd < 0)
		return errno == ELOOP ? err_set(err, ERR_MESSAGE, "%s/%s is no regular file",
						box->dir->shown, name)
				      : err_set_errno(err, ERR_MESSAGE, "cannot read %s/%s",
						box->dir->shown, name);
	box->uid = uid;
	box->read = 0;
	box->eol = (struct unix_eol){ 0 };
	digest_reset(box->digest);
	return 1;
}

/* The end of the file: is it what was stored? */
static int check_whole(struct box_eml *box, struct err *err)
{
	unsigned char sha[DIGEST_SIZE];

	digest_end(box->digest, sha);
	if (box->row.size != UINT64_MAX && box->read != box->row.size)
		return err_set(err, ERR_MESSAGE,
			"its file was changed since it was stored: %llu octets, and there were %llu",
			(unsigned long long)box->read, (unsigned long long)box->row.size);
	if (box->row.has_sha256 && memcmp(sha, box->row.sha256, sizeof(sha)) != 0)
		return err_set(err, ERR_MESSAGE,
			"its file was changed since it was stored: the SHA-256 is another");
	return 0;
}

/* Of a tree that is not ours, files with the line ends of Unix are converted; where there are CRLFs, an LF alone is an octet of the message. */
static int read_body(struct file_box *file, struct span *out, struct err *err)
{
	struct box_eml *box = box_of(file);

	if (box->fd < 0)
		return 0;
	buf_clear(&box->raw);
	(void)!buf_reserve(&box->raw, PIECE);
	const ssize_t got = os_read(box->fd, box->raw.data, PIECE);
	if (got < 0)
		return err_set_errno(err, ERR_MESSAGE, "cannot read its file");
	if (got == 0)
		return check_whole(box, err);
	box->raw.len = (size_t)got;
	if (!box->dir->manifest && box->read == 0)
		box->converts = memmem(box->raw.data, box->raw.len, "\r\n", 2) == NULL;
	box->read += (uint64_t)got;
	store_eml_of(box->file.box.store)->in += (uint64_t)got;
	digest_add(box->digest, buf_span(&box->raw));
	*out = buf_span(&box->raw);
	if (!box->converts)
		return 1;
	buf_clear(&box->out);
	unix_eol_get(&box->eol, *out, &box->out);
	*out = buf_span(&box->out);
	return 1;
}

static int fill_rows(struct box_eml *box, struct err *err)
{
	struct box_facts *facts = &box->file.box.facts;

	snapshot_release(&box->file.rows);
	snapshot_init(&box->file.rows, false);
	if (eml_dir_rows(box->dir, box->file.box.store->flags, &box->file.rows, err) < 0)
		return -1;
	box->file.used = false;
	box->newest[0] = '\0';
	if (box->dir->manifest)
		manifest_newest(box->dir->manifest, box->newest);
	*facts = (struct box_facts){
		.messages = (uint32_t)(box->file.rows.count + box->dir->hidden),
		.uidvalidity = eml_dir_uidvalidity(box->dir),
		.uidnext = eml_dir_uidnext(box->dir),
		.any_keyword = true,
		.read_only = !box->dir->writable,
		.mailboxid = box->newest,
	};
	return 0;
}

bool eml_box_is_same(struct box *base, const char *mailboxid)
{
	struct manifest *manifest = box_eml_of(base)->dir->manifest;

	return !manifest || manifest_continues(manifest, mailboxid);
}

/* A writer's manifest is what is there; a reader looks again. */
static int refresh(struct file_box *file, struct err *err)
{
	struct box_eml *box = box_of(file);

	if (!box->dir->writable) {
		struct eml_dir *dir = eml_dir_open(
			store_eml_of(file->box.store), box->dir->name, STORE_READ, err);

		if (!dir)
			return -1;
		eml_dir_close(box->dir);
		dir->users = 1;
		box->dir = dir;
	}
	return fill_rows(box, err);
}

static const struct file_body_ops body_ops = {
	.open = open_body,
	.read = read_body,
	.close = close_body,
	.refresh = refresh,
};

struct box *eml_box_open(
	struct store *base, const char *name, enum store_mode mode, struct err *err)
{
	struct store_eml *store = store_eml_of(base);
	struct eml_dir *dir = mode == STORE_WRITE && store->to && strcmp(store->to->name, name) == 0
				      ? store->to
				      : eml_dir_open(store, name, mode, err);

	if (!dir)
		return NULL;
	struct box_eml *box = mem_alloc(sizeof(*box));
	file_box_init(&box->file, base, name, &body_ops);
	box->file.raw = true;
	box->dir = dir;
	dir->users++;
	box->fd = -1;
	box->digest = digest_new();
	buf_init(&box->raw, PIECE);
	buf_init(&box->out, (size_t)2 * PIECE + 2);
	store->box = box;
	if (fill_rows(box, err) == 0)
		return &box->file.box;
	eml_box_close(&box->file.box);
	return NULL;
}

void eml_box_close(struct box *base)
{
	struct box_eml *box = box_eml_of(base);

	close_body(&box->file);
	file_box_release(&box->file);
	store_eml_of(base->store)->box = NULL;
	eml_dir_close(box->dir);
	digest_free(box->digest);
	buf_release(&box->raw);
	buf_release(&box->out);
	mem_free(box);
}

static int not_writable(const struct box_eml *box, struct err *err)
{
	return err_set(err, ERR_MAILBOX, "%s is open for reading only", box->dir->shown);
}

int eml_box_change_flags(
	struct box *base, const struct uidset *uids, flags_t add, flags_t remove, struct err *err)
{
	struct box_eml *box = box_eml_of(base);
	struct flag_table *table = base->store->flags;
	struct snapshot *rows = &box->file.rows;

	if (!box->dir->writable)
		return not_writable(box, err);
	for (size_t i = 0; i < rows->count; i++) {
		if (!uidset_has(uids, rows->uid[i]))
			continue;
		const size_t index = manifest_find(box->dir->manifest, rows->uid[i]);
		if (index == SIZE_MAX)
			continue;
		rows->flags[i] =
			flags_minus(table, flags_union(table, rows->flags[i], add), remove);
		manifest_set_flags(box->dir->manifest, index, rows->flags[i]);
	}
	return manifest_commit(box->dir->manifest, err);
}

/* The files first: what a crash leaves in the manifest without a file is gone, what it left as a file would come back. */
int eml_box_remove(struct box *base, const struct uidset *uids, unsigned how, struct err *err)
{
	struct box_eml *box = box_eml_of(base);
	struct manifest *manifest = box->dir->manifest;

	(void)how;
	if (!box->dir->writable)
		return not_writable(box, err);
	for (size_t i = 0; i < manifest_count(manifest); i++) {
		struct manifest_row row;

		if (!uidset_has(uids, manifest_uid(manifest, i)))
			continue;
		if (manifest_read(manifest, i, &row, err) < 0)
			return -1;
		if (strcmp(row.where, EML_NO_FILE) != 0 &&
			os_unlinkat(box->dir->fd, row.where + (row.where[0] == '~'), 0) < 0 &&
			errno != ENOENT)
			return err_set_errno(err, ERR_MAILBOX, "cannot remove %s/%s",
				box->dir->shown, row.where);
	}
	if (eml_sync_dir(box->dir->fd, box->dir->shown, err) < 0)
		return -1;
	manifest_remove(manifest, uids);
	snapshot_remove(&box->file.rows, uids);
	base->facts.messages = (uint32_t)(box->file.rows.count + box->dir->hidden);
	return manifest_commit(manifest, err);
}
