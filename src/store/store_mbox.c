/* mbox files and Thunderbird's folders as a store: opening, listing, creating. */
#include "store/store_mbox_parts.h"

#include "base/log.h"
#include "base/os.h"
#include "mail/mailbox_name.h"
#include "state/ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* ---- opening ---- */

static int take_variant(struct store_mbox *store, const char *text)
{
	static const struct {
		const char *name;
		enum mbox_variant variant;
	} variants[] = {
		{ "mboxo", MBOX_O },
		{ "mboxrd", MBOX_RD },
		{ "mboxcl", MBOX_CL },
		{ "mboxcl2", MBOX_CL2 },
		{ "mboxrd,status", MBOX_AUTO },
	};

	for (size_t i = 0; text != NULL && i < countof(variants); i++) {
		if (strcmp(text, variants[i].name) == 0)
			store->variant = variants[i].variant;
	}
	store->status = text != NULL && strcmp(text, "mboxrd,status") == 0;
	/* what is written is mboxrd, whatever is read */
	return store->variant == MBOX_AUTO || store->variant == MBOX_RD ? 0 : 1;
}

static enum mbox_layout layout_of(const char *text, bool mozilla)
{
	if (text == NULL)
		return mozilla ? MBOX_LAYOUT_THUNDERBIRD : MBOX_LAYOUT_FLAT;
	if (strcmp(text, "thunderbird") == 0)
		return MBOX_LAYOUT_THUNDERBIRD;
	return strcmp(text, "fs") == 0 ? MBOX_LAYOUT_FS : MBOX_LAYOUT_FLAT;
}

/* "mbox.gz" to ".mbox.gz" */
static const char *ext_of(struct store_mbox *store, const char *text)
{
	if (text == NULL)
		return store->layout == MBOX_LAYOUT_THUNDERBIRD ? "" : ".mbox";
	return *text == '.' || !*text ? text : arena_print(store->arena, ".%s", text);
}

/* Is the location one file, there already or to be made? */
static bool is_single(const char *path)
{
	const size_t path_len = strlen(path);
	struct span name = span_make(path, path_len);
	struct stat st;
	size_t len;

	if (os_stat(path, &st) == 0)
		return !S_ISDIR(st.st_mode);
	if (path_len > 0 && path[path_len - 1] == '/')
		return false;
	if (mbox_packing_of(name, &len) != MBOX_PLAIN)
		return true;
	return name.len > 5 && span_equal_nocase(span_from(name, name.len - 5), SPAN(".mbox"));
}

static void take_path(struct store_mbox *store, const char *path)
{
	const char *slash = strrchr(path, '/');

	if (store->mozilla || !is_single(path)) {
		store->root_path = arena_strdup(store->arena, path);
		return;
	}
	store->single = arena_strdup(store->arena, slash != NULL ? slash + 1 : path);
	store->root_path =
		slash == NULL   ? arena_strdup(store->arena, ".")
		: slash == path ? arena_strdup(store->arena, "/")
				: arena_text(store->arena, span_make(path, (size_t)(slash - path)));
}

/* What says how the files of a tree are called or lie says nothing of one file. */
static int check_single(const struct account *account, struct err *err)
{
	const enum account_key keys[] = { ACCOUNT_LAYOUT, ACCOUNT_EXT };

	for (size_t i = 0; i < countof(keys); i++)
		if (account_get(account, keys[i]) != NULL)
			return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
				"%s: %s is one mbox file: it is for a directory of them",
				account_keys[keys[i]].name, account_path(account));
	return 0;
}

static bool is_profile(int root)
{
	struct stat st;

	return (os_fstatat(root, "Mail", &st, 0) == 0 && S_ISDIR(st.st_mode)) ||
	       (os_fstatat(root, "ImapMail", &st, 0) == 0 && S_ISDIR(st.st_mode));
}

/* What there is to be read, can it be? A destination need not be there yet. */
static int check_path(struct store_mbox *store, bool is_dst, struct err *err)
{
	const char *path = account_path(store->store.account);
	int fd;

	if (store->root < 0) {
		errno = ENOENT;
		return is_dst ? 0 : err_set_errno(err, ERR_LOCAL, "cannot open %s", path);
	}
	if (store->single == NULL)
		return 0;
	fd = os_openat(store->root, store->single, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	if (fd >= 0)
		return os_close(fd);
	return is_dst && errno == ENOENT ? 0
					 : err_set_errno(err, ERR_LOCAL, "cannot open %s", path);
}

static int open_store(struct store *base, const struct store_request *request, struct err *err)
{
	struct store_mbox *store = store_mbox_of(base);
	struct account *account = base->account;
	const bool is_dst = account_is_target(account);

	store->root = -1;
	store->arena = arena_new();
	store->mozilla = strcmp(account_scheme(account), "thunderbird") == 0;
	store->layout = layout_of(account_get(account, ACCOUNT_LAYOUT), store->mozilla);
	if (take_variant(store, account_get(account, ACCOUNT_VARIANT)) > 0 && is_dst)
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
			"variant: only mboxrd is written, for it alone gives back what went in");
	store->ext = ext_of(store, account_get(account, ACCOUNT_EXT));
	if (owner_find(account_get(account, ACCOUNT_OWNER), &store->owner, err) < 0)
		return -1;
	take_path(store, account_path(account));
	if (store->single != NULL && check_single(account, err) < 0)
		return -1;
	store->ledger = account_ledger(account, request->state_dir, err);
	if (store->ledger == NULL || mbox_tree_root(store, false, err) < 0)
		return -1;
	store->profile = store->mozilla && store->root >= 0 && is_profile(store->root);
	if (store->profile && is_dst)
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
			"%s is a whole profile: name the directory of one of its accounts, such as 'Mail/Local Folders'",
			account_path(account));
	return check_path(store, is_dst, err);
}

static void close_store(struct store *base)
{
	struct store_mbox *store = store_mbox_of(base);

	mbox_append_free(store);
	if (store->root >= 0)
		os_close(store->root);
	arena_free(store->arena);
}

static unsigned caps_of(const struct store *base)
{
	return (((const struct store_mbox *)base)->single != NULL ? STORE_CAP_ONE_BOX : 0) |
	       STORE_CAP_FLAGS | STORE_CAP_KEYWORDS | STORE_CAP_DATES | STORE_CAP_UIDS_TOLD |
	       STORE_CAP_REMOVE_ONE | STORE_CAP_SUBSCRIBE | STORE_CAP_WRITE | STORE_CAP_STREAMS |
	       STORE_CAP_RAW | STORE_CAP_FILES | STORE_CAP_SEARCH;
}

/* ---- listing ---- */

static size_t count_of(const struct mbox_file *file)
{
	return file->manifest != NULL ? manifest_count(file->manifest) : file->finding.count;
}

static void fill_status(struct mbox_file *file, struct mailbox_info *info)
{
	info->has = IMAP_STATUS_MESSAGES | IMAP_STATUS_UIDVALIDITY | IMAP_STATUS_UIDNEXT;
	info->messages = (uint32_t)(count_of(file) + file->hidden);
	info->uidvalidity = file->uidvalidity;
	info->uidnext = file->uidnext;
	if (file->manifest != NULL)
		manifest_newest(file->manifest, info->newest);
}

static void fill_counts(struct mbox_file *file, struct mailbox_info *info)
{
	const struct flag_table *table = file->store->store.flags;
	struct manifest_row row;

	info->has |= IMAP_STATUS_UNSEEN | IMAP_STATUS_SIZE;
	for (size_t i = 0; i < count_of(file); i++) {
		const flags_t flags = file->manifest != NULL ? manifest_flags(file->manifest, i)
							     : file->finding.found[i].flags;

		info->unseen += !flags_has(table, flags, SPAN("\\Seen"));
		if (file->manifest == NULL && file->finding.found[i].size < UINT32_MAX)
			info->size += file->finding.found[i].size;
		else if (file->manifest != NULL &&
			 manifest_read(file->manifest, i, &row, NULL) == 0 &&
			 row.size != UINT64_MAX)
			info->size += row.size;
		else
			info->has &= ~(unsigned)IMAP_STATUS_SIZE;
	}
}

/* Without looking through the file: what a record says that is in step with it. */
static void fill_cheaply(
	struct store_mbox *store, const char *path, unsigned want, struct mailbox_info *info)
{
	struct arena *arena = arena_new();
	const char *slash = strrchr(path, '/');
	const char *sidecar = slash != NULL ? arena_print(arena, "%.*s/.%s.mailhaul",
						      (int)(slash - path), path, slash + 1)
					    : arena_print(arena, ".%s.mailhaul", path);
	struct mbox_file *file = NULL;
	struct stat st;

	if (os_fstatat(store->root, sidecar, &st, AT_SYMLINK_NOFOLLOW) == 0)
		file = mbox_file_open_quick(store, info->name, path);
	if (file != NULL) {
		fill_status(file, info);
		if (want & (STORE_LIST_SIZE | STORE_LIST_UNSEEN))
			fill_counts(file, info);
	}
	mbox_file_close(file);
	arena_free(arena);
}

/* A destination that is not in step with its record gets so when it is opened for writing: until then nothing is told. */
static int status_of_destination(struct store_mbox *store, const char *name, unsigned want,
	struct mailbox_info *out, struct err *err)
{
	struct arena *arena = arena_new();
	struct err local = ERR_INIT;
	const char *path = mbox_tree_find(store, name, arena, &local);

	if (path != NULL)
		fill_cheaply(store, path, want, out);
	else if (local.scope == ERR_NONE)
		err_set(&local, ERR_MAILBOX, "there is no mailbox %s", name);
	arena_free(arena);
	if (path == NULL && err != NULL)
		*err = local;
	return path != NULL ? 0 : -1;
}

static int list_store(struct store *base, unsigned want, struct arena *arena,
	struct mailbox_list *out, struct err *err)
{
	struct store_mbox *store = store_mbox_of(base);
	struct mbox_place *place;
	size_t count;

	*out = (struct mailbox_list){ .delimiter = '/', .subscriptions_unknown = true };
	if (mbox_tree_list(store, arena, &place, &count, err) < 0)
		return -1;
	out->refused = store->refused;
	out->mailbox = arena_array(arena, count + 1, sizeof(*out->mailbox));
	for (size_t i = 0; i < count; i++) {
		struct mailbox_info *info = &out->mailbox[out->count++];

		info->name = place[i].name;
		info->raw = place[i].path;
		if (want != 0)
			fill_cheaply(store, info->raw, want, info);
	}
	mbox_subscribe_fill(store, out, arena);
	return 0;
}

static int status_store(struct store *base, const char *name, unsigned want,
	struct mailbox_info *out, struct err *err)
{
	struct store_mbox *store = store_mbox_of(base);
	struct mbox_file *file;

	*out = (struct mailbox_info){ .name = name, .raw = name };
	if (account_is_target(base->account))
		return status_of_destination(store, name, want, out, err);
	file = mbox_file_open(store, name, false, false, err);
	if (file == NULL)
		return -1;
	fill_status(file, out);
	if (want & (STORE_LIST_SIZE | STORE_LIST_UNSEEN))
		fill_counts(file, out);
	mbox_file_close(file);
	return 0;
}

/* ---- creating ---- */

/* The one mailbox of a file goes by the first name it was given. */
static int name_single(struct store_mbox *store, const char *name, struct err *err)
{
	struct mbox_place *place;
	struct mbox_file *file;
	bool same, fresh;
	size_t count;
	int rc = 0;

	if (mbox_tree_list(store, store->arena, &place, &count, err) < 0)
		return -1;
	if (count == 0)
		return err_set(err, ERR_MAILBOX, "there is no file %s", store->single);
	file = mbox_file_open(store, place[0].name, true, true, err);
	if (file == NULL)
		return -1;
	same = strcmp(place[0].name, name) == 0;
	fresh = manifest_count(file->manifest) == 0;
	if (!same && (!fresh || manifest_note(file->manifest, "mailbox") != NULL)) {
		rc = err_set(err, ERR_MAILBOX,
			"%s holds mailbox %s: a file is one mailbox; name a directory, or give --into %s",
			store->single, place[0].name, place[0].name);
	} else {
		if (!same)
			manifest_set_note(file->manifest, "mailbox", name);
		if (fresh && store->single_subscribed < 0)
			manifest_set_note(file->manifest, MBOX_SUBSCRIBED, "0");
		rc = manifest_dirty(file->manifest) ? manifest_commit(file->manifest, err) : 0;
	}
	mbox_file_close(file);
	return rc;
}

int mbox_is_there(struct store_mbox *store, const char *name, struct err *err)
{
	struct arena *arena = arena_new();
	struct err local = ERR_INIT;
	const bool found = mbox_tree_find(store, name, arena, &local) != NULL;

	arena_free(arena);
	if (local.scope == ERR_NONE)
		return found;
	if (err != NULL)
		*err = local;
	return -1;
}

int mbox_make(struct store_mbox *store, const char *name, struct err *err)
{
	const int there = store->single != NULL ? 0 : mbox_is_there(store, name, err);

	if (there != 0)
		return there < 0 ? -1 : 0;
	if (mbox_file_create(store, name, err) < 0)
		return -1;
	return store->single != NULL ? name_single(store, name, err) : 0;
}

static int create_store(struct store *base, const char *name, enum store_use use, bool *changed_out,
	struct err *err)
{
	struct store_mbox *store = store_mbox_of(base);
	struct err local = ERR_INIT;

	(void)use;
	*changed_out = false;
	if (mbox_subscribe_new(store, name, &local) == 0)
		return mbox_make(store, name, err);
	if (local.scope < ERR_CONN) { /* mail is worth more */
		log_warn("mailbox %s: it is not recorded as not subscribed: %s", name, local.text);
		return mbox_make(store, name, err);
	}
	*err = local;
	return -1;
}

static int remove_store(struct store *base, const char *name, struct err *err)
{
	struct store_mbox *store = store_mbox_of(base);
	struct mbox_file *file = mbox_file_open(store, name, true, false, err);
	struct mbox_lock lock = { .held = false };
	int rc;

	if (file == NULL)
		return -1;
	rc = mbox_file_lock(file, &lock, err);
	if (rc == 0 && os_unlinkat(file->dir, file->base, 0) < 0)
		rc = err_set_errno(err, ERR_MAILBOX, "cannot remove %s", file->path);
	if (rc == 0 && os_unlinkat(file->dir, file->sidecar, 0) < 0 && errno != ENOENT)
		rc = err_set_errno(err, ERR_MAILBOX, "cannot remove %s", file->sidecar);
	if (rc == 0)
		rc = ledger_forget(store->ledger, name, err);
	mbox_lock_drop(&lock);
	mbox_file_close(file);
	return rc;
}

static int open_dir(struct store *base, const char *name, struct err *err)
{
	return mbox_file_open_dir(store_mbox_of(base), name, err);
}

#define MBOX_OPS(name)                                                                             \
	{                                                                                          \
		.scheme = (name), .store_size = sizeof(struct store_mbox), .open = open_store,     \
		.close = close_store, .caps = caps_of, .list = list_store, .status = status_store, \
		.create = create_store, .subscribe = mbox_subscribe, .prepare = mbox_prepare,      \
		.remove_mailbox = remove_store, .rename_mailbox = mbox_rename,                     \
		.open_dir = open_dir, .open_box = mbox_box_open, .close_box = mbox_box_close,      \
		.is_same = mbox_box_is_same, .scan = file_box_scan, .search = file_box_search,     \
		.change_flags = mbox_box_flags, .remove = mbox_box_remove,                         \
		.fetch_has_room = file_box_fetch_has_room, .fetch_ask = file_box_fetch_ask,        \
		.fetch_ready = file_box_fetch_ready, .fetch_next = file_box_fetch_next,            \
		.fetch_chunk = file_box_fetch_chunk, .fetch_end = file_box_fetch_end,              \
		.append_to = mbox_append_to, .append_begin = mbox_append_begin,                    \
		.append_add = mbox_append_add, .append_end = mbox_append_end,                      \
		.append_in_message = mbox_append_in_message, .append_cancel = mbox_append_cancel,  \
		.append_flush = mbox_append_flush, .append_settle = mbox_append_settle,            \
		.append_drop = mbox_append_drop, .append_outstanding = mbox_append_outstanding,    \
	}

const struct store_ops store_mbox_ops = MBOX_OPS("mbox");
const struct store_ops store_thunderbird_ops = MBOX_OPS("thunderbird");
