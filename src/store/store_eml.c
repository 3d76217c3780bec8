/* A tree of directories with a file for each message, as a store. */
#include "store/store_eml_parts.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/os.h"
#include "base/path.h"
#include "mail/mailbox_name.h"
#include "mail/mime_library.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>

#define EXT_MAX 16

static int usage(const char *key, const char *value, const char *right, struct err *err)
{
	return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE, "%s=%s: it is %s", key, value, right);
}

static int take_ext(struct store_eml *store, struct err *err)
{
	const char *ext = account_get(store->store.account, ACCOUNT_EXT);

	store->ext = ext ? ext : "eml";
	store->ext_given = ext != NULL;
	const size_t len = strlen(store->ext);
	for (size_t i = 0; i < len; i++) {
		const char c = store->ext[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			    c == '_' || c == '-'))
			return usage("ext", store->ext, "letters and digits, without a dot", err);
	}
	return len > 0 && len <= EXT_MAX
		       ? 0
		       : usage("ext", store->ext, "an extension of 1 to 16 characters", err);
}

static int take_words(struct store_eml *store, struct err *err)
{
	const char *by = account_get(store->store.account, ACCOUNT_NAME_BY);
	const char *parts = account_get(store->store.account, ACCOUNT_ATTACHMENTS);

	store->name_by = !by || strcmp(by, "uid") == 0 ? EML_BY_UID
			 : strcmp(by, "number") == 0   ? EML_BY_NUMBER
						       : EML_BY_SUBJECT;
	if (store->name_by == EML_BY_SUBJECT && strcmp(by, "subject") != 0)
		return usage("name-by", by, "uid, number or subject", err);
	store->attachments = !parts || strcmp(parts, "no") == 0 ? EML_ATTACHMENTS_NO
			     : strcmp(parts, "also") == 0       ? EML_ATTACHMENTS_ALSO
								: EML_ATTACHMENTS_ONLY;
	if (store->attachments == EML_ATTACHMENTS_ONLY && strcmp(parts, "only") != 0)
		return usage("attachments", parts, "no, also or only", err);
	if (store->attachments != EML_ATTACHMENTS_NO && mime_need(err) < 0)
		return -1;
	return 0;
}

static bool has_mark(int root, const char *mark)
{
	struct stat st;

	return os_fstatat(root, mark, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
}

static bool has_tree_mark(int root)
{
	return has_mark(root, EML_TREE) || has_mark(root, EML_TREE_PARTS);
}

/* Messages of which only attachments were kept must not pass for the messages, nor messages for their attachments. */
static int check_kind(const struct store_eml *store, struct err *err)
{
	const bool only = store->attachments == EML_ATTACHMENTS_ONLY;

	if (!has_mark(store->root, only ? EML_TREE : EML_TREE_PARTS))
		return 0;
	return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
		only ? "%s keeps whole messages: name another directory for attachments=only"
		     : "%s keeps nothing but attachments: name another directory, or give attachments=only",
		account_path(store->store.account));
}

static int open_store(struct store *base, const struct store_request *request, struct err *err)
{
	struct store_eml *store = store_eml_of(base);
	const char *path = account_path(base->account);
	const bool is_dst = account_is_target(base->account);

	store->state_dir = request->state_dir;
	store->root = store->fd = -1;
	store->digest = digest_new();
	buf_init(&store->header, EML_HEADER_MAX);
	if (take_ext(store, err) < 0 || take_words(store, err) < 0 ||
		owner_find(account_get(store->store.account, ACCOUNT_OWNER), &store->owner, err) <
			0)
		return -1;
	store->root = os_open(path, O_RDONLY | O_DIRECTORY, 0);
	if (store->root >= 0)
		store->ours = has_tree_mark(store->root);
	else if (errno != ENOENT || !is_dst)
		return err_set_errno(err, ERR_LOCAL, "cannot open directory %s", path);
	else
		store->ours = true; /* it will be made with the first mailbox */
	return is_dst && store->root >= 0 ? check_kind(store, err) : 0;
}

static void close_store(struct store *base)
{
	struct store_eml *store = store_eml_of(base);

	if (store->box)
		eml_box_close(&store->box->file.box);
	eml_append_drop(base);
	file_results_release(&store->results);
	mem_free(store->pending);
	mem_free(store->to_name);
	digest_free(store->digest);
	buf_release(&store->header);
	if (store->root >= 0)
		(void)os_close(store->root);
}

static unsigned caps_of(const struct store *base)
{
	(void)base;
	return STORE_CAP_FLAGS | STORE_CAP_KEYWORDS | STORE_CAP_DATES | STORE_CAP_UIDS_TOLD |
	       STORE_CAP_REMOVE_ONE | STORE_CAP_SUBSCRIBE | STORE_CAP_RAW | STORE_CAP_WRITE |
	       STORE_CAP_STREAMS | STORE_CAP_CHEAP_LIST | STORE_CAP_FILES | STORE_CAP_SEARCH |
	       STORE_CAP_MARKS;
}

static void traffic_of(
	const struct store *base, uint64_t *in_out, uint64_t *out_out, uint64_t *turns_out)
{
	const struct store_eml *store = (const struct store_eml *)(const void *)base;

	*in_out = store->in;
	*out_out = store->out;
	*turns_out = 0;
}

static int fill_info(
	struct store_eml *store, unsigned want, struct mailbox_info *info, struct err *err)
{
	struct eml_dir *dir;
	struct snapshot rows;

	dir = eml_dir_open(store, info->name, STORE_READ, err);
	if (!dir)
		return -1;
	snapshot_init(&rows, false);
	info->subscribed = dir->manifest && manifest_note(dir->manifest, "subscribed");
	const int rc = eml_dir_rows(dir, store->store.flags, &rows, err);
	if (rc == 0 && dir->complete) {
		info->has = IMAP_STATUS_MESSAGES | IMAP_STATUS_UIDNEXT | IMAP_STATUS_UIDVALIDITY;
		info->messages = (uint32_t)(rows.count + dir->hidden);
		info->unclear = dir->hidden > 0;
		info->uidnext = eml_dir_uidnext(dir);
		info->uidvalidity = eml_dir_uidvalidity(dir);
		if (dir->manifest)
			manifest_newest(dir->manifest, info->newest);
	}
	if (rc == 0 && (want & STORE_LIST_SIZE)) {
		info->has |= IMAP_STATUS_SIZE;
		for (size_t i = 0; i < rows.count; i++) {
			info->size += rows.size[i];
			if (rows.size[i] == UINT32_MAX)
				info->has &= ~(unsigned)IMAP_STATUS_SIZE;
		}
	}
	if (rc == 0 && (want & STORE_LIST_UNSEEN)) {
		info->has |= IMAP_STATUS_UNSEEN;
		for (size_t i = 0; i < rows.count; i++)
			info->unseen +=
				!flags_has(store->store.flags, rows.flags[i], SPAN("\\Seen"));
	}
	snapshot_release(&rows);
	eml_dir_close(dir);
	return rc;
}

/* A mailbox that cannot be looked into is there all the same: opening it says why. */
static int list_store(struct store *base, unsigned want, struct arena *arena,
	struct mailbox_list *out, struct err *err)
{
	struct store_eml *store = store_eml_of(base);

	*out = (struct mailbox_list){ .delimiter = '/', .subscriptions_unknown = true };
	if (store->root < 0)
		return 0;
	if (eml_walk(store, arena, out, err) < 0)
		return -1;
	out->subscriptions_unknown = !store->ours;
	for (size_t i = 0; i < out->count; i++) {
		struct err local = ERR_INIT;

		if (fill_info(store, want, &out->mailbox[i], &local) < 0) {
			if (local.scope > ERR_MAILBOX) {
				if (err)
					*err = local;
				return -1;
			}
			log_debug("%s: %s", out->mailbox[i].name, local.text);
		}
		for (size_t j = i + 1;
			j < out->count && !out->mailbox[i].has_children && j == i + 1; j++)
			out->mailbox[i].has_children =
				mailbox_below(out->mailbox[i].name, out->mailbox[j].name);
	}
	return 0;
}

static int status_store(struct store *base, const char *name, unsigned want,
	struct mailbox_info *out, struct err *err)
{
	*out = (struct mailbox_info){ .name = name, .raw = name };
	if (store_eml_of(base)->root < 0)
		return err_set(err, ERR_MAILBOX, "there is no mailbox %s", name);
	return fill_info(store_eml_of(base), want ? want : STORE_LIST_STATUS, out, err);
}

static bool is_empty(int root)
{
	const int fd = os_openat(root, ".", O_RDONLY | O_DIRECTORY, 0);
	DIR *list = fd < 0 ? NULL : fdopendir(fd);
	bool empty = list != NULL;
	const struct dirent *entry;

	while (empty && (entry = readdir(list)) != NULL)
		empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
	if (list)
		closedir(list);
	return empty;
}

/* The root, with the mark that it is ours where nothing was there before. */
static int make_root(struct store_eml *store, struct err *err)
{
	const char *path = account_path(store->store.account);

	if (store->root < 0) {
		if (path_make_dirs(path, 0700, err) < 0)
			return -1;
		store->root = os_open(path, O_RDONLY | O_DIRECTORY, 0);
		if (store->root < 0)
			return err_set_errno(err, ERR_LOCAL, "cannot open directory %s", path);
		if (owner_give(store->owner, store->root, err) < 0)
			return -1;
	}
	store->ours = has_tree_mark(store->root);
	if (store->ours || !is_empty(store->root))
		return 0;
	const int fd = os_openat(store->root,
		store->attachments == EML_ATTACHMENTS_ONLY ? EML_TREE_PARTS : EML_TREE,
		O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	if (fd < 0 && errno != EEXIST)
		return err_set_errno(err, err_scope_of_errno(), "cannot write into %s", path);
	if (fd >= 0 && (owner_give(store->owner, fd, err) < 0 || os_close(fd) < 0))
		return -1;
	store->ours = true;
	return eml_sync_dir(store->root, path, err);
}

static int create_mailbox(struct store *base, const char *name, enum store_use use,
	bool *changed_out, struct err *err)
{
	struct store_eml *store = store_eml_of(base);

	(void)use;
	*changed_out = false;
	if (strlen(name) > MAILBOX_NAME_MAX)
		return err_set(err, ERR_MAILBOX, "a mailbox name is too long");
	if (make_root(store, err) < 0)
		return -1;
	const int dir = eml_open_dir(store, name, true, err);
	if (dir < 0)
		return -1;
	(void)os_close(dir);
	struct eml_dir *made = eml_dir_open(store, name, STORE_WRITE, err);
	eml_dir_close(made);
	return made ? 0 : -1;
}

static int subscribe(struct store *base, const char *name, bool wanted, struct err *err)
{
	struct store_eml *store = store_eml_of(base);
	const int dir = store->root < 0 ? err_set(err, ERR_MAILBOX, "there is no mailbox %s", name)
					: eml_open_dir(store, name, false, err);

	/* The mark is in the directory, and gone with it. */
	if (dir < 0 && !wanted && errno == ENOENT && store->root >= 0) {
		err_clear(err);
		return 0;
	}
	if (dir < 0)
		return -1;
	/* A directory that stayed, for what else is in it, becomes no mailbox again. */
	const bool nothing = !wanted &&
			     faccessat(dir, EML_MANIFEST, F_OK, AT_SYMLINK_NOFOLLOW) < 0 &&
			     errno == ENOENT;
	const int rc = nothing ? 0 : eml_note(store, dir, "subscribed", wanted ? "1" : NULL, err);
	(void)os_close(dir);
	return rc;
}

static bool in_use(const struct store_eml *store, const char *name)
{
	return (store->box && strcmp(store->box->dir->name, name) == 0) ||
	       (store->to && strcmp(store->to->name, name) == 0);
}

/* Messages and manifest; what else is there stays, and the directory with it. */
static int empty_dir(struct store_eml *store, const char *name, struct err *err)
{
	struct eml_dir *dir = eml_dir_open(store, name, STORE_WRITE, err);
	int rc = dir ? 0 : -1;

	for (size_t i = 0; rc == 0 && i < manifest_count(dir->manifest); i++) {
		struct manifest_row row;

		rc = manifest_read(dir->manifest, i, &row, err);
		if (rc == 0 && strcmp(row.where, EML_NO_FILE) != 0 &&
			os_unlinkat(dir->fd, row.where + (row.where[0] == '~'), 0) < 0 &&
			errno != ENOENT)
			rc = err_set_errno(
				err, ERR_MAILBOX, "cannot remove %s/%s", dir->shown, row.where);
	}
	if (rc == 0 && os_unlinkat(dir->fd, EML_MANIFEST, 0) < 0)
		rc = err_set_errno(
			err, ERR_MAILBOX, "cannot remove %s/%s", dir->shown, EML_MANIFEST);
	if (rc == 0)
		rc = eml_sync_dir(dir->fd, dir->shown, err);
	eml_dir_close(dir);
	return rc;
}

static int remove_mailbox(struct store *base, const char *name, struct err *err)
{
	struct store_eml *store = store_eml_of(base);
	struct arena *arena;
	char *file;
	int rc;

	if (store->root < 0)
		return err_set(err, ERR_MAILBOX, "there is no mailbox %s", name);
	if (in_use(store, name))
		return err_set(err, ERR_MAILBOX, "mailbox %s is open", name);
	if (empty_dir(store, name, err) < 0)
		return -1;
	arena = arena_new();
	rc = eml_open_parent(store, name, false, arena, &file, err);
	if (rc >= 0) {
		const int parent = rc;

		/* with mailboxes or other files in it, it stays */
		(void)os_unlinkat(parent, file, AT_REMOVEDIR);
		rc = eml_sync_dir(parent, name, err);
		(void)os_close(parent);
	}
	arena_free(arena);
	return rc;
}

static int rename_mailbox(struct store *base, const char *from, const char *to, struct err *err)
{
	struct store_eml *store = store_eml_of(base);
	struct arena *arena;
	char *from_file, *to_file;
	int rc = -1;

	if (store->root < 0)
		return err_set(err, ERR_MAILBOX, "there is no mailbox %s", from);
	if (mailbox_is_inbox(from) || mailbox_below(from, to) || in_use(store, from))
		return err_set(err, ERR_MAILBOX, "mailbox %s cannot be renamed to %s", from, to);
	arena = arena_new();
	const int source = eml_open_parent(store, from, false, arena, &from_file, err);
	const int target = source < 0 ? -1 : eml_open_parent(store, to, true, arena, &to_file, err);
	if (target >= 0) {
		if (os_renameat_new(source, from_file, target, to_file) == 0)
			rc = eml_sync_dir(source, from, err) | eml_sync_dir(target, to, err);
		else
			err_set_errno(err, ERR_MAILBOX, "cannot rename mailbox %s to %s", from, to);
		(void)os_close(target);
	}
	if (source >= 0)
		(void)os_close(source);
	arena_free(arena);
	return rc;
}

static int open_dir(struct store *base, const char *name, struct err *err)
{
	return eml_open_dir(store_eml_of(base), name, false, err);
}

const struct store_ops store_eml_ops = {
	.scheme = "eml",
	.store_size = sizeof(struct store_eml),
	.open = open_store,
	.close = close_store,
	.caps = caps_of,
	.traffic = traffic_of,
	.list = list_store,
	.status = status_store,
	.create = create_mailbox,
	.subscribe = subscribe,
	.remove_mailbox = remove_mailbox,
	.rename_mailbox = rename_mailbox,
	.open_dir = open_dir,
	.open_box = eml_box_open,
	.close_box = eml_box_close,
	.is_same = eml_box_is_same,
	.scan = file_box_scan,
	.search = file_box_search,
	.change_flags = eml_box_change_flags,
	.remove = eml_box_remove,
	.fetch_has_room = file_box_fetch_has_room,
	.fetch_ask = file_box_fetch_ask,
	.fetch_ready = file_box_fetch_ready,
	.fetch_next = file_box_fetch_next,
	.fetch_chunk = file_box_fetch_chunk,
	.fetch_end = file_box_fetch_end,
	.append_to = eml_append_to,
	.append_begin = eml_append_begin,
	.append_add = eml_append_add,
	.append_end = eml_append_end,
	.append_in_message = eml_append_in_message,
	.append_cancel = eml_append_cancel,
	.append_flush = eml_append_flush,
	.append_settle = eml_append_settle,
	.append_drop = eml_append_drop,
	.append_outstanding = eml_append_outstanding,
};
