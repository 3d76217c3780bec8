/* Maildir++ and nested Maildirs: the place, and making, renaming and removing its folders. */
#include "store/store_maildir_parts.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/os.h"
#include "base/path.h"
#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define DIR_MODE 0700

/* ---- opening ---- */

static bool has_8bit(const char *text)
{
	for (; *text != '\0'; text++) {
		if ((unsigned char)*text >= 0x80)
			return true;
	}
	return false;
}

static bool has_root(const struct maildir_tree *tree)
{
	return tree->count > 0 && tree->path[0][0] == '\0';
}

/* Where INBOX is: the root, or where the root has no messages, a folder of that name. */
static void find_inbox(struct store_maildir *store, const struct maildir_tree *tree)
{
	store->inbox = "";
	for (size_t i = 0; i < tree->count; i++) {
		store->style.utf8 |= has_8bit(tree->path[i]);
		if (!has_root(tree) &&
			span_equal_nocase(span_from(span_of(tree->path[i]),
						  store->style.layout == MAILDIR_PLUSPLUS),
				SPAN("INBOX")))
			store->inbox = arena_strdup(store->arena, tree->path[i]);
	}
}

/* A layout in which folders that are there are no folders, and nothing else is one. */
static int take_layout(struct store_maildir *store, const char *layout,
	const struct maildir_tree *plusplus, const struct maildir_tree *fs, struct err *err)
{
	const bool is_fs = strcmp(layout, "fs") == 0;
	const struct maildir_tree *mine = is_fs ? fs : plusplus, *other = is_fs ? plusplus : fs;

	store->style.layout = is_fs ? MAILDIR_FS : MAILDIR_PLUSPLUS;
	if (other->count == has_root(other) || mine->count > has_root(mine))
		return 0;
	return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
		"layout: the folders of %s are of layout=%s: %s would not see them", store->path,
		is_fs ? "maildir++" : "fs", is_fs ? "fs" : "maildir++");
}

static int find_layout(struct store_maildir *store, struct arena *arena, struct err *err)
{
	const char *layout = account_get(store->store.account, ACCOUNT_LAYOUT);
	struct maildir_tree plusplus, fs;
	size_t folders;

	if (maildir_tree_read(store->root, MAILDIR_PLUSPLUS, arena, &plusplus, err) < 0 ||
		maildir_tree_read(store->root, MAILDIR_FS, arena, &fs, err) < 0)
		return -1;
	if (layout != NULL) {
		if (take_layout(store, layout, &plusplus, &fs, err) < 0)
			return -1;
	} else if (plusplus.count == has_root(&plusplus) && fs.count > has_root(&fs)) {
		store->style.layout = MAILDIR_FS;
	} else {
		store->left_out = fs.count - has_root(&fs);
	}
	if (store->left_out > 0)
		log_warn("%s: nested directories with mail are left out: layout=fs would read them",
			store->path);
	if (store->style.layout == MAILDIR_FS && fs.dotted > 0) {
		store->left_out = fs.dotted;
		log_warn(
			"%s: directories of mail whose names begin with a dot are left out (%zu; %s): a Maildir++ in this tree is a location of its own",
			store->path, fs.dotted, fs.first_dotted);
	}
	folders = store->style.layout == MAILDIR_FS ? fs.count : plusplus.count;
	find_inbox(store, store->style.layout == MAILDIR_FS ? &fs : &plusplus);
	if (folders > 0 || store->root < 0)
		return 0;
	if (!store->may_create)
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_PATH,
			"%s is no Maildir: it has no cur, and no folder has", store->path);
	if (fs.others > 0)
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
			"%s holds something else than a Maildir", store->path);
	return 0;
}

static int open_root(struct store_maildir *store, struct err *err)
{
	store->root = os_open(store->path, O_RDONLY | O_DIRECTORY, 0);
	if (store->root >= 0)
		return 0;
	if (errno == ENOENT && store->may_create)
		return 0;
	return err_set_errno(err, ERR_LOCAL, "cannot open directory %s", store->path);
}

static int open_maildir(struct store *base, const struct store_request *request, struct err *err)
{
	struct store_maildir *store = store_maildir_of(base);
	struct arena *scratch;
	int rc;

	store->root = -1;
	store->arena = arena_new();
	store->path = account_path(base->account);
	store->may_create = account_is_target(base->account);
	if (gethostname(store->host, sizeof(store->host) - 1) < 0)
		store->host[0] = '\0';
	if (owner_find(store->may_create ? account_get(base->account, ACCOUNT_OWNER) : NULL,
		    &store->owner, err) < 0 ||
		open_root(store, err) < 0)
		return -1;
	scratch = arena_new();
	rc = find_layout(store, scratch, err);
	arena_free(scratch);
	if (rc < 0)
		return -1;
	store->ledger = account_ledger(base->account, request->state_dir, err);
	return store->ledger != NULL ? 0 : -1;
}

static void close_maildir(struct store *base)
{
	struct store_maildir *store = store_maildir_of(base);

	maildir_append_free(store->append);
	if (store->root >= 0)
		(void)os_close(store->root);
	arena_free(store->arena);
}

static unsigned maildir_caps(const struct store *base)
{
	(void)base;
	return STORE_CAP_FLAGS | STORE_CAP_KEYWORDS | STORE_CAP_DATES | STORE_CAP_UIDS_TOLD |
	       STORE_CAP_REMOVE_ONE | STORE_CAP_SUBSCRIBE | STORE_CAP_WRITE | STORE_CAP_STREAMS |
	       STORE_CAP_CHEAP_LIST | STORE_CAP_FILES | STORE_CAP_SEARCH | STORE_CAP_MARKS;
}

static struct mailbox_style maildir_style(const struct store *base)
{
	const struct store_maildir *store = store_maildir_of(base);

	return (struct mailbox_style){
		.delimiter = store->style.layout == MAILDIR_FS ? '/' : '.',
		.utf8 = store->style.utf8,
		.prefix = "",
	};
}

/* ---- folders ---- */

int maildir_path_of(const struct store_maildir *store, const char *name, struct arena *arena,
	char **path_out, bool *changed_out, struct err *err)
{
	if (mailbox_is_inbox(name)) {
		*path_out = arena_strdup(arena, store->inbox);
		*changed_out = false;
		return 0;
	}
	if (maildir_folder_path(&store->style, name, arena, path_out, changed_out, err) < 0)
		return err_wrap(err, "mailbox %s", name);
	return 0;
}

static int no_folder(const char *name, struct err *err)
{
	return err_set(err, ERR_MAILBOX, "mailbox %s does not exist", name);
}

int maildir_open_folder(struct store_maildir *store, const char *name, struct err *err)
{
	struct arena *arena = arena_new();
	bool changed;
	char *path;
	int fd = -1;

	if (maildir_path_of(store, name, arena, &path, &changed, err) < 0)
		goto out;
	if (store->root >= 0)
		fd = maildir_open_below(store->root, path);
	else
		errno = ENOENT;
	if (fd < 0 && errno != ENOENT)
		err_set_errno(err, ERR_MAILBOX, "cannot open mailbox %s", name);
	else if (fd < 0)
		no_folder(name, err);
	if (fd >= 0 && !maildir_is_folder(fd, "")) {
		(void)os_close(fd);
		fd = no_folder(name, err);
	}
out:
	arena_free(arena);
	return fd;
}

int maildir_sync_dir(int dir, const char *what, struct err *err)
{
	if (os_fsync(dir) == 0 || errno == EINVAL) /* a file system that has no such thing */
		return 0;
	return err_set_errno(err, ERR_LOCAL, "cannot sync the directory of %s", what);
}

/* A directory, there already or made now. Its descriptor. */
static int make_dir(struct store_maildir *store, int dir, const char *name, struct err *err)
{
	bool made = os_mkdirat(dir, name, DIR_MODE) == 0;
	int fd;

	if (!made && errno != EEXIST)
		return err_set_errno(err, err_scope_of_errno(), "cannot create directory %s", name);
	fd = os_openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (fd < 0)
		return err_set_errno(err, ERR_MAILBOX, "cannot open directory %s", name);
	if (made && owner_give(store->owner, fd, err) < 0) {
		(void)os_close(fd);
		return -1;
	}
	return fd;
}

static int make_sub(struct store_maildir *store, int dir, const char *name, struct err *err)
{
	const int fd = make_dir(store, dir, name, err);

	if (fd < 0)
		return -1;
	(void)os_close(fd);
	return 0;
}

/* Maildir++: an empty file that tells a folder from an account. */
static int make_mark(struct store_maildir *store, int dir, struct err *err)
{
	const int fd =
		os_openat(dir, "maildirfolder", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	int rc;

	if (fd < 0 && errno == EEXIST)
		return 0;
	if (fd < 0)
		return err_set_errno(err, err_scope_of_errno(), "cannot create maildirfolder");
	rc = owner_give(store->owner, fd, err);
	(void)os_close(fd);
	return rc;
}

/* `cur` comes last: with it the folder is whole. */
static int fill_folder(struct store_maildir *store, int dir, bool mark, struct err *err)
{
	if (mark && make_mark(store, dir, err) < 0)
		return -1;
	if (make_sub(store, dir, "tmp", err) < 0 || make_sub(store, dir, "new", err) < 0 ||
		make_sub(store, dir, "cur", err) < 0)
		return -1;
	return maildir_sync_dir(dir, "a new folder", err);
}

static int make_root(struct store_maildir *store, struct err *err)
{
	if (store->root >= 0)
		return 0;
	if (!store->may_create)
		return err_set(err, ERR_LOCAL, "there is no directory %s", store->path);
	if (path_make_dirs(store->path, DIR_MODE, err) < 0)
		return -1;
	store->root = os_open(store->path, O_RDONLY | O_DIRECTORY, 0);
	if (store->root < 0)
		return err_set_errno(err, ERR_LOCAL, "cannot open directory %s", store->path);
	return owner_give(store->owner, store->root, err);
}

/* Opens the directory of a path, making what is missing; each new entry is synced. */
static int make_path(
	struct store_maildir *store, const char *path, struct arena *arena, struct err *err)
{
	int fd = os_openat(store->root, ".", O_RDONLY | O_DIRECTORY, 0);

	if (fd < 0)
		return err_set_errno(err, ERR_LOCAL, "cannot open directory %s", store->path);
	while (*path != '\0') {
		const size_t len = strcspn(path, "/");
		int next = make_dir(store, fd, arena_text(arena, span_make(path, len)), err);

		if (next >= 0 && maildir_sync_dir(fd, path, err) < 0) {
			(void)os_close(next);
			next = -1;
		}
		(void)os_close(fd);
		if (next < 0)
			return -1;
		fd = next;
		path += len + (path[len] == '/');
	}
	return fd;
}

int maildir_make(struct store_maildir *store, const char *name, bool *changed_out, struct err *err)
{
	struct arena *arena = arena_new();
	char *path;
	int fd = -1, rc = -1;

	if (maildir_path_of(store, name, arena, &path, changed_out, err) < 0 ||
		make_root(store, err) < 0)
		goto out;
	if (maildir_is_folder(store->root, path)) {
		rc = 0;
		goto out;
	}
	/* What the record knows was in another folder of this name, which somebody removed: it is not what was deleted here. */
	if (ledger_forget(store->ledger, name, err) < 0)
		goto out;
	fd = make_path(store, path, arena, err);
	if (fd < 0)
		goto out;
	rc = fill_folder(
		store, fd, store->style.layout == MAILDIR_PLUSPLUS && path[0] != '\0', err);
	(void)os_close(fd);
	os_point("maildir-folder");
out:
	arena_free(arena);
	return rc < 0 ? err_wrap(err, "cannot create mailbox %s", name) : 0;
}

static int maildir_create(struct store *base, const char *name, enum store_use use,
	bool *changed_out, struct err *err)
{
	(void)use;
	return maildir_make(store_maildir_of(base), name, changed_out, err);
}

/* ---- removing ---- */

/* Files of a directory; what is no file stays, and the directory with it. */
static int empty_dir(int dir, const char *name, struct err *err)
{
	const int fd = os_openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;
	int rc = 0;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (stream == NULL) {
		err_set_errno(err, ERR_MAILBOX, "cannot list %s", name);
		if (fd >= 0)
			(void)os_close(fd);
		return -1;
	}
	while (rc == 0 && (entry = readdir(stream)) != NULL) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (os_unlinkat(dirfd(stream), entry->d_name, 0) < 0 && errno != ENOENT &&
			errno != EISDIR && errno != EPERM)
			rc = err_set_errno(err, ERR_MAILBOX, "cannot remove a file in %s", name);
	}
	(void)closedir(stream);
	return rc;
}

static int empty_folder(int dir, struct err *err)
{
	static const char *const subs[] = { "cur", "new", "tmp", "courierimapkeywords" };

	for (size_t i = 0; i < countof(subs); i++) {
		if (empty_dir(dir, subs[i], err) < 0)
			return -1;
		if (os_unlinkat(dir, subs[i], AT_REMOVEDIR) < 0 && errno != ENOENT)
			return err_set_errno(err, ERR_MAILBOX, "cannot remove %s", subs[i]);
	}
	return empty_dir(dir, ".", err);
}

/* Directories of nested Maildirs that only led to the one that was removed. */
static void drop_empty_parents(const struct store_maildir *store, char *path)
{
	char *slash;

	while ((slash = strrchr(path, '/')) != NULL) {
		*slash = '\0';
		if (os_unlinkat(store->root, path, AT_REMOVEDIR) < 0)
			break;
	}
}

static int maildir_remove(struct store *base, const char *name, struct err *err)
{
	struct store_maildir *store = store_maildir_of(base);
	struct arena *arena;
	bool changed;
	char *path;
	int fd, rc;

	if (mailbox_is_inbox(name))
		return err_set(err, ERR_MAILBOX, "INBOX cannot be removed");
	fd = maildir_open_folder(store, name, err);
	if (fd < 0)
		return -1;
	arena = arena_new();
	rc = maildir_path_of(store, name, arena, &path, &changed, err);
	if (rc == 0)
		rc = ledger_forget(store->ledger, name, err);
	if (rc == 0)
		rc = empty_folder(fd, err);
	(void)os_close(fd);
	/* Folders below it keep its directory there. */
	if (rc == 0 && os_unlinkat(store->root, path, AT_REMOVEDIR) < 0 && errno != ENOTEMPTY &&
		errno != EEXIST)
		rc = err_set_errno(err, ERR_MAILBOX, "cannot remove its directory");
	if (rc == 0)
		drop_empty_parents(store, path);
	if (rc == 0)
		rc = maildir_sync_dir(store->root, name, err);
	arena_free(arena);
	return rc < 0 ? err_wrap(err, "mailbox %s", name) : 0;
}

/* ---- renaming ---- */

struct folder_move {
	const char *from, *to; /* mailboxes */
	const char *from_path;
	char *to_path;
};

/* The folder and those below it; it comes last, so that a rename that was killed is repeated by the same call. */
static int plan_rename(struct store_maildir *store, const char *from, const char *to,
	struct arena *arena, struct folder_move **out, size_t *count_out, struct err *err)
{
	struct folder_move self = { .from = NULL };
	struct maildir_tree tree;
	size_t count = 0;

	if (maildir_tree_read(store->root, store->style.layout, arena, &tree, err) < 0)
		return -1;
	*out = arena_array(arena, tree.count + 1, sizeof(**out));
	for (size_t i = 0; i < tree.count; i++) {
		const char *name =
			maildir_folder_display(&store->style, span_of(tree.path[i]), arena);
		struct folder_move move = { .from = name, .from_path = tree.path[i] };
		bool changed;

		if (tree.path[i][0] == '\0' || !mailbox_below(from, name))
			continue;
		move.to = arena_print(arena, "%s%s", to, name + strlen(from));
		if (maildir_path_of(store, move.to, arena, &move.to_path, &changed, err) < 0)
			return -1;
		if (maildir_is_folder(store->root, move.to_path))
			return err_set(err, ERR_MAILBOX, "mailbox %s exists already", move.to);
		if (strcmp(name, from) == 0)
			self = move;
		else
			(*out)[count++] = move;
	}
	if (self.from != NULL)
		(*out)[count++] = self;
	*count_out = count;
	return 0;
}

/* Where those below it are directories beside it, each has to be renamed. */
static int rename_folders(struct store_maildir *store, const char *from, const char *to,
	struct arena *arena, struct err *err)
{
	struct folder_move *move;
	size_t count = 0;

	if (plan_rename(store, from, to, arena, &move, &count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		if (store->style.layout == MAILDIR_PLUSPLUS &&
			os_renameat_new(
				store->root, move[i].from_path, store->root, move[i].to_path) < 0)
			return err_set_errno(
				err, ERR_MAILBOX, "cannot rename it to %s", move[i].to);
		os_point("maildir-folder-renamed");
		if (ledger_rename(store->ledger, move[i].from, move[i].to, err) < 0)
			return -1;
	}
	return maildir_sync_dir(store->root, to, err);
}

static int make_parent(
	struct store_maildir *store, const char *path, struct arena *arena, struct err *err)
{
	const char *slash = strrchr(path, '/');
	int fd;

	if (slash == NULL)
		return 0;
	fd = make_path(
		store, arena_text(arena, span_make(path, (size_t)(slash - path))), arena, err);
	if (fd < 0)
		return -1;
	(void)os_close(fd);
	return 0;
}

static int maildir_rename(struct store *base, const char *from, const char *to, struct err *err)
{
	struct store_maildir *store = store_maildir_of(base);
	struct arena *arena = arena_new();
	char *from_path, *to_path;
	bool changed;
	int rc = -1;

	if (mailbox_is_inbox(from) || mailbox_is_inbox(to)) {
		err_set(err, ERR_MAILBOX, "INBOX cannot be renamed or replaced");
		goto out;
	}
	if (mailbox_below(from, to)) {
		err_set(err, ERR_MAILBOX, "it cannot be renamed to %s", to);
		goto out;
	}
	if (maildir_path_of(store, from, arena, &from_path, &changed, err) < 0 ||
		maildir_path_of(store, to, arena, &to_path, &changed, err) < 0)
		goto out;
	if (store->root < 0 || !maildir_is_folder(store->root, from_path)) {
		no_folder(from, err);
		goto out;
	}
	if (maildir_is_folder(store->root, to_path)) {
		err_set(err, ERR_MAILBOX, "mailbox %s exists already", to);
		goto out;
	}
	rc = rename_folders(store, from, to, arena, err);
	if (rc == 0 && store->style.layout == MAILDIR_FS) {
		rc = make_parent(store, to_path, arena, err);
		if (rc == 0 && os_renameat_new(store->root, from_path, store->root, to_path) < 0)
			rc = err_set_errno(err, ERR_MAILBOX, "cannot rename it to %s", to);
		if (rc == 0)
			rc = maildir_sync_dir(store->root, to, err);
	}
out:
	arena_free(arena);
	return rc < 0 ? err_wrap(err, "mailbox %s", from) : 0;
}

static int open_dir(struct store *base, const char *name, struct err *err)
{
	return maildir_open_folder(store_maildir_of(base), name, err);
}

const struct store_ops store_maildir_ops = {
	.scheme = "maildir",
	.store_size = sizeof(struct store_maildir),
	.open = open_maildir,
	.close = close_maildir,
	.caps = maildir_caps,
	.style = maildir_style,
	.list = maildir_store_list,
	.status = maildir_store_status,
	.create = maildir_create,
	.subscribe = maildir_store_subscribe,
	.remove_mailbox = maildir_remove,
	.rename_mailbox = maildir_rename,
	.open_dir = open_dir,
	.open_box = maildir_box_open,
	.close_box = maildir_box_close,
	.scan = file_box_scan,
	.search = file_box_search,
	.change_flags = maildir_box_change_flags,
	.remove = maildir_box_remove,
	.fetch_has_room = file_box_fetch_has_room,
	.fetch_ask = file_box_fetch_ask,
	.fetch_ready = file_box_fetch_ready,
	.fetch_next = file_box_fetch_next,
	.fetch_chunk = file_box_fetch_chunk,
	.fetch_end = file_box_fetch_end,
	.append_to = maildir_append_to,
	.append_begin = maildir_append_begin,
	.append_add = maildir_append_add,
	.append_end = maildir_append_end,
	.append_in_message = maildir_append_in_message,
	.append_cancel = maildir_append_cancel,
	.append_flush = maildir_append_flush,
	.append_settle = maildir_append_settle,
	.append_drop = maildir_append_drop,
	.append_outstanding = maildir_append_outstanding,
};
