/* The open mailbox: rows from names and times, octets from files, flags by renaming. */
#include "store/store_maildir_parts.h"

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/os.h"

#include <errno.h>
#include <fcntl.h>

#define READ_SIZE 65536
#define PATH_SIZE MAILDIR_PATH_SIZE
#define CACHE_SLOTS 64

struct flag_slot { /* letters → flags: most messages share a few */
	bool used;
	unsigned flags;
	uint32_t keywords;
	flags_t value;
};

struct box_maildir {
	struct file_box file; /* first */
	int dir;
	struct maildir_look look;
	struct maildir_seen seen; /* of the last look for renamed files */
	struct maildir_keywords keywords;
	struct maildir_courier *courier; /* NULL: it has no keywords here */
	struct flag_slot cache[CACHE_SLOTS];
	int fd; /* of the open message, or -1 */
	uint64_t left; /* octets of it */
	char *data;
};

static struct box_maildir *box_maildir_of(struct box *box)
{
	return (struct box_maildir *)(void *)box;
}

static struct box_maildir *box_of_file(struct file_box *box)
{
	return (struct box_maildir *)(void *)box;
}

static struct maildir_entry *find_entry(struct box_maildir *box, uint32_t uid)
{
	size_t low = 0, high = box->look.count;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (box->look.entry[middle].uid < uid)
			low = middle + 1;
		else
			high = middle;
	}
	return low < box->look.count && box->look.entry[low].uid == uid ? &box->look.entry[low]
									: NULL;
}

static void path_of(const struct maildir_entry *entry, char path[PATH_SIZE])
{
	(void)snprintf(path, PATH_SIZE, "%s/%s", maildir_sub(entry), entry->file);
}

static int look_again(struct box_maildir *box, struct err *err)
{
	return maildir_look_again(box->dir, &box->look, &box->seen, err);
}

/* ---- octets ---- */

static void body_close(struct file_box *base)
{
	struct box_maildir *box = box_of_file(base);

	if (box->fd >= 0)
		(void)os_close(box->fd);
	box->fd = -1;
}

/* A descriptor, or -1 with errno. A FIFO must not hold us up, a link must not lead elsewhere. */
static int open_entry(struct box_maildir *box, const struct maildir_entry *entry)
{
	char path[PATH_SIZE];

	path_of(entry, path);
	return os_openat(box->dir, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0);
}

static int check_regular(
	struct box_maildir *box, const struct maildir_entry *entry, struct err *err)
{
	struct stat st;

	if (os_fstat(box->fd, &st) == 0 && S_ISREG(st.st_mode)) {
		box->left = (uint64_t)st.st_size;
		return 1;
	}
	body_close(&box->file);
	return err_set(err, ERR_MESSAGE, "%s is not a regular file", entry->file);
}

static int body_open(struct file_box *base, uint32_t uid, struct err *err)
{
	struct box_maildir *box = box_of_file(base);
	const struct maildir_entry *entry = find_entry(box, uid);

	body_close(base);
	if (entry == NULL)
		return 0;
	box->fd = open_entry(box, entry);
	if (box->fd < 0 && errno == ENOENT) { /* renamed by another program, or gone */
		if (look_again(box, err) < 0)
			return -1;
		box->fd = open_entry(box, entry);
		if (box->fd < 0 && errno == ENOENT)
			return 0;
	}
	if (box->fd < 0)
		return err_set_errno(err,
			errno == EMFILE || errno == ENFILE || errno == ENOMEM ? ERR_LOCAL
									      : ERR_MESSAGE,
			"cannot open %s", entry->file);
	return check_regular(box, entry, err);
}

/* A file of a Maildir never grows: its size tells where it ends, which saves a read. */
static int body_read(struct file_box *base, struct span *chunk_out, struct err *err)
{
	struct box_maildir *box = box_of_file(base);
	ssize_t got;

	if (box->left == 0)
		return 0;
	if (box->data == NULL)
		box->data = mem_array(READ_SIZE, 1);
	got = os_read(box->fd, box->data, READ_SIZE);
	if (got < 0)
		return err_set_errno(err, ERR_MESSAGE, "cannot read its file");
	if (got == 0)
		return err_set(err, ERR_MESSAGE, "its file was cut while it was read");
	box->left -= (uint64_t)got < box->left ? (uint64_t)got : box->left;
	*chunk_out = span_make(box->data, (size_t)got);
	return 1;
}

/* ---- rows ---- */

static flags_t flags_of(struct box_maildir *box, const struct maildir_name *name)
{
	struct flag_table *table = box->file.box.store->flags;
	const uint32_t hash = (name->keywords ^ name->flags * 0x9e3779b1u) * 0x85ebca6bu;
	struct flag_slot *slot = &box->cache[hash >> 26];

	if (!slot->used || slot->flags != name->flags || slot->keywords != name->keywords)
		*slot = (struct flag_slot){ true, name->flags, name->keywords,
			maildir_flags_of(table, &box->keywords, name) };
	return box->courier == NULL
		       ? slot->value
		       : flags_union(table, slot->value,
				 maildir_courier_flags(box->courier, table, name->base));
}

static uint32_t hint_of(const struct maildir_name *name, const struct stat *st)
{
	const uint64_t size =
		name->mail_size != MAILDIR_SIZE_UNKNOWN ? name->mail_size : (uint64_t)st->st_size;

	return size < UINT32_MAX ? (uint32_t)size : UINT32_MAX;
}

static int stat_entry(struct box_maildir *box, const struct maildir_entry *entry, struct stat *st)
{
	char path[PATH_SIZE];

	path_of(entry, path);
	return os_fstatat(box->dir, path, st, AT_SYMLINK_NOFOLLOW);
}

/* 1, 0 = it is gone, -1. */
static int add_row(struct box_maildir *box, const struct maildir_entry *entry, struct err *err)
{
	struct snapshot *rows = &box->file.rows;
	struct maildir_name name;
	struct stat st;
	size_t row;

	if (stat_entry(box, entry, &st) < 0) {
		if (errno != ENOENT)
			return err_set_errno(err, ERR_MAILBOX, "cannot examine %s", entry->file);
		if (look_again(box, err) < 0)
			return -1;
		if (stat_entry(box, entry, &st) < 0)
			return 0;
	}
	if (!maildir_name_parse(span_of(entry->file), &name))
		return 0;
	if (!S_ISREG(st.st_mode)) {
		box->look.hidden++;
		return 0;
	}
	row = snapshot_add(rows, entry->uid);
	rows->flags[row] = flags_of(box, &name);
	rows->instant[row] = st.st_mtim.tv_sec;
	rows->size[row] = hint_of(&name, &st);
	if (name.mail_size == MAILDIR_SIZE_UNKNOWN)
		rows->attr[row] |= SNAPSHOT_SIZE_ROUGH;
	return 1;
}

static int fill(struct box_maildir *box, struct err *err)
{
	struct store *base = box->file.box.store;
	struct box_facts *facts = &box->file.box.facts;

	maildir_courier_free(box->courier);
	box->courier = NULL;
	arena_clear(box->keywords.arena);
	memset(box->cache, 0, sizeof(box->cache));
	if (maildir_keywords_read(box->dir, &box->keywords, err) < 0 ||
		maildir_courier_read(box->dir, box->keywords.arena, &box->courier, err) < 0 ||
		maildir_look(
			store_maildir_of(base), box->dir, box->file.box.name, &box->look, err) < 0)
		return -1;
	box->seen = (struct maildir_seen){ 0 };
	for (size_t i = 0; i < box->look.count; i++) {
		if (add_row(box, &box->look.entry[i], err) < 0)
			return -1;
	}
	snapshot_finish(&box->file.rows, box->look.hidden == 0);
	*facts = (struct box_facts){
		.messages = (uint32_t)(box->file.rows.count + box->look.hidden),
		.uidvalidity = box->look.facts.uidvalidity,
		.uidnext = box->look.facts.uidnext,
	};
	maildir_permanent(base->flags, &box->keywords, facts);
	return 0;
}

static int body_refresh(struct file_box *base, struct err *err)
{
	struct box_maildir *box = box_of_file(base);

	maildir_look_release(&box->look);
	snapshot_release(&base->rows);
	snapshot_init(&base->rows, false);
	return fill(box, err);
}

static const struct file_body_ops maildir_body_ops = {
	.open = body_open,
	.read = body_read,
	.close = body_close,
	.refresh = body_refresh,
};

struct box *maildir_box_open(
	struct store *base, const char *name, enum store_mode mode, struct err *err)
{
	const int dir = maildir_open_folder(store_maildir_of(base), name, err);
	struct box_maildir *box;

	(void)mode;
	if (dir < 0)
		return NULL;
	box = mem_alloc(sizeof(*box));
	file_box_init(&box->file, base, name, &maildir_body_ops);
	box->dir = dir;
	box->fd = -1;
	box->keywords.arena = arena_new();
	if (fill(box, err) < 0) {
		maildir_box_close(&box->file.box);
		err_wrap(err, "cannot open mailbox %s", name);
		return NULL;
	}
	return &box->file.box;
}

void maildir_box_close(struct box *base)
{
	struct box_maildir *box = box_maildir_of(base);

	file_box_release(&box->file);
	body_close(&box->file);
	(void)os_close(box->dir);
	maildir_look_release(&box->look);
	maildir_courier_free(box->courier);
	arena_free(box->keywords.arena);
	mem_free(box->data);
	mem_free(box);
}

/* ---- flags and removing ---- */

struct change {
	unsigned add, remove;
	uint32_t add_keywords, remove_keywords;
	flags_t removed; /* all of them, by name */
	bool moved; /* something was renamed */
};

/* 1, 0 = gone, -1. */
static int rename_entry(struct box_maildir *box, struct maildir_entry *entry,
	const struct change *change, struct err *err)
{
	char from[PATH_SIZE], to[PATH_SIZE];
	struct maildir_name name;
	struct buf file;
	int rc;

	if (!maildir_name_parse(span_of(entry->file), &name))
		return 0;
	buf_init(&file, MAILDIR_NAME_MAX);
	rc = maildir_name_print(&name, (name.flags | change->add) & ~change->remove,
		(name.keywords | change->add_keywords) & ~change->remove_keywords, &file);
	if (rc < 0) {
		buf_release(&file);
		return err_set(err, ERR_MESSAGE, "%s: no room for flags in its name", entry->file);
	}
	(void)snprintf(to, sizeof(to), "cur/%s", buf_text(&file));
	buf_release(&file);
	path_of(entry, from);
	if (strcmp(from, to) == 0)
		return 1;
	if (os_renameat_new(box->dir, from, box->dir, to) < 0)
		return errno == ENOENT
			       ? 0
			       : err_set_errno(err, ERR_MAILBOX, "cannot rename %s", entry->file);
	entry->file = arena_strdup(box->look.arena, to + 4);
	entry->in_new = false;
	return 1;
}

static int change_entry(struct box_maildir *box, size_t row, struct change *change, struct err *err)
{
	struct maildir_entry *entry = find_entry(box, box->file.rows.uid[row]);
	struct maildir_name name;
	int rc;

	if (entry == NULL)
		return 0;
	rc = rename_entry(box, entry, change, err);
	if (rc == 0) {
		if (look_again(box, err) < 0)
			return -1;
		rc = rename_entry(box, entry, change, err);
	}
	if (rc > 0 && maildir_name_parse(span_of(entry->file), &name)) {
		if (maildir_courier_remove(store_maildir_of(box->file.box.store), box->dir,
			    box->courier, name.base, change->removed, err) < 0)
			return -1;
		box->file.rows.flags[row] = flags_of(box, &name);
		change->moved = true;
	}
	return rc < 0 ? -1 : 0;
}

static int sync_sub(struct box_maildir *box, const char *sub, struct err *err)
{
	const int fd = os_openat(box->dir, sub, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	int rc;

	if (fd < 0)
		return err_set_errno(err, ERR_MAILBOX, "cannot open its directory %s", sub);
	rc = maildir_sync_dir(fd, box->file.box.name, err);
	(void)os_close(fd);
	return rc;
}

int maildir_box_change_flags(
	struct box *base, const struct uidset *uids, flags_t add, flags_t remove, struct err *err)
{
	struct box_maildir *box = box_maildir_of(base);
	struct store_maildir *store = store_maildir_of(base->store);
	const struct snapshot *rows = &box->file.rows;
	struct change change = { .removed = remove };
	flags_t lost, ignored;

	if (maildir_letters_of(store, box->dir, &box->keywords, add, &change.add,
		    &change.add_keywords, &lost, err) < 0 ||
		maildir_letters_of(store, box->dir, &box->keywords, remove, &change.remove,
			&change.remove_keywords, &ignored, err) < 0)
		return -1;
	memset(box->cache, 0, sizeof(box->cache)); /* letters may have got names */
	if (lost != 0)
		log_warn("mailbox %s: a Maildir has room for %d keywords: %s left out", base->name,
			MAILDIR_KEYWORDS, flags_text(base->store->flags, lost));
	for (size_t row = 0; row < rows->count; row++) {
		if (uidset_has(uids, rows->uid[row]) && change_entry(box, row, &change, err) < 0)
			return err_wrap(err, "mailbox %s: cannot change flags", base->name);
	}
	return change.moved ? sync_sub(box, "cur", err) : 0;
}

/* 1, 0 = gone, -1. */
static int unlink_entry(struct box_maildir *box, const struct maildir_entry *entry, struct err *err)
{
	char path[PATH_SIZE];

	path_of(entry, path);
	if (os_unlinkat(box->dir, path, 0) == 0)
		return 1;
	return errno == ENOENT ? 0
			       : err_set_errno(err, ERR_MAILBOX, "cannot remove %s", entry->file);
}

int maildir_box_remove(struct box *base, const struct uidset *uids, unsigned how, struct err *err)
{
	struct box_maildir *box = box_maildir_of(base);
	bool in_new = false, in_cur = false;

	(void)how;
	box->file.used = true; /* what is looked at next is looked at anew */
	for (size_t i = 0; i < box->look.count; i++) {
		struct maildir_entry *entry = &box->look.entry[i];
		int rc;

		if (!uidset_has(uids, entry->uid))
			continue;
		rc = unlink_entry(box, entry, err);
		if (rc == 0) {
			if (look_again(box, err) < 0)
				return -1;
			rc = unlink_entry(box, entry, err);
		}
		if (rc < 0)
			return err_wrap(err, "mailbox %s", base->name);
		in_new |= entry->in_new;
		in_cur |= !entry->in_new;
	}
	if ((in_new && sync_sub(box, "new", err) < 0) || (in_cur && sync_sub(box, "cur", err) < 0))
		return -1;
	return 0;
}
