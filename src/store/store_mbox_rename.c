/*
 * Renaming mbox files, with those below them. What is not in the file (flags, UIDs) must not be lost on the way: its record gets the new name as a second one
 * before the file moves, and loses the old one behind it. Those below go first, so that a run that was killed is repeated by the same call.
 */
#include "store/store_mbox_parts.h"

#include "base/os.h"
#include "mail/mailbox_name.h"
#include "state/ledger.h"
#include "store/mbox_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

struct move {
	const char *from, *to; /* mailboxes */
	const char *path; /* of the new file, relative to the root */
};

/* Packed files stay packed, whatever new ones are. */
static const char *ext_of(const struct store_mbox *store, const char *path, struct arena *arena)
{
	const struct span name = span_of(path);
	size_t len;

	(void)mbox_packing_of(name, &len);
	const struct span plain = span_sub(name, 0, name.len - len);
	const bool dotted =
		store->layout != MBOX_LAYOUT_THUNDERBIRD || span_ends(plain, SPAN(".mbox"));
	return arena_print(arena, "%s%s", dotted ? ".mbox" : "", path + plain.len);
}

static int plan_one(struct store_mbox *store, const struct mbox_place *place, const char *from,
	const char *to, struct arena *arena, struct move *out, struct err *err)
{
	const char *usual = store->ext;

	out->from = place->name;
	out->to = arena_print(arena, "%s%s", to, place->name + strlen(from));
	store->ext = ext_of(store, place->path, arena);
	out->path = mbox_tree_path(store, out->to, arena, err);
	store->ext = usual;
	return out->path != NULL ? 0 : -1;
}

static bool has(const struct mbox_place *place, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(place[i].name, name) == 0)
			return true;
	}
	return false;
}

/* Every file there is to move, the mailbox itself last. */
static int plan(struct store_mbox *store, const char *from, const char *to, struct arena *arena,
	struct move **out, size_t *count_out, struct err *err)
{
	struct mbox_place *place;
	size_t count;

	*count_out = 0;
	if (mbox_tree_list(store, arena, &place, &count, err) < 0)
		return -1;
	if (!has(place, count, from))
		return err_set(err, ERR_MAILBOX, "there is no mailbox %s", from);
	*out = arena_array(arena, count, sizeof(**out));
	for (size_t i = count; i-- > 0;) {
		struct move *move = &(*out)[*count_out];

		if (!mailbox_below(from, place[i].name))
			continue;
		if (plan_one(store, &place[i], from, to, arena, move, err) < 0)
			return -1;
		if (has(place, count, move->to))
			return err_set(err, ERR_MAILBOX, "mailbox %s exists already", move->to);
		(*count_out)++;
	}
	return 0;
}

/* The directory of a new file. Its descriptor, or -1. */
static int open_target(
	struct store_mbox *store, const char *path, struct arena *arena, struct err *err)
{
	const char *slash = strrchr(path, '/');
	const char *dir =
		slash == NULL ? "." : arena_text(arena, span_make(path, (size_t)(slash - path)));
	int fd;

	if (slash != NULL && owner_make_dirs(store->owner,
				     arena_print(arena, "%s/%s", store->root_path, dir), err) < 0)
		return -1;
	fd = os_openat(store->root, dir, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		err_set_errno(err, err_scope_of_errno(), "cannot open directory %s", dir);
	return fd;
}

/* 1 = the record has both names, 0 = there is none, or the file system has no links. */
static int link_record(
	const struct mbox_file *file, int target, const char *sidecar, struct err *err)
{
	if (os_linkat(file->dir, file->sidecar, target, sidecar) == 0)
		return 1;
	/* left by a run that was killed: there is no mailbox of that name */
	if (errno == EEXIST && os_unlinkat(target, sidecar, 0) == 0 &&
		os_linkat(file->dir, file->sidecar, target, sidecar) == 0)
		return 1;
	if (errno == ENOENT || errno == EPERM || errno == EOPNOTSUPP || errno == EMLINK)
		return 0;
	return err_set_errno(err, err_scope_of_errno(), "cannot link %s", file->sidecar);
}

static int sync_dirs(const struct mbox_file *file, int target, struct err *err)
{
	if (os_fsync(target) < 0 || os_fsync(file->dir) < 0)
		return err_set_errno(
			err, ERR_LOCAL, "cannot write the directory of %s", file->path);
	return 0;
}

static int move_files(const struct mbox_file *file, int target, const char *base,
	struct arena *arena, struct err *err)
{
	const char *sidecar = arena_print(arena, ".%s.mailhaul", base);
	const int linked = link_record(file, target, sidecar, err);

	if (linked < 0)
		return -1;
	os_point("mbox-record-linked");
	if (os_renameat_new(file->dir, file->base, target, base) < 0)
		return err_set_errno(err, err_scope_of_errno(), "cannot rename %s", file->path);
	os_point("mbox-renamed");
	if (linked == 0 && os_renameat_new(file->dir, file->sidecar, target, sidecar) < 0 &&
		errno != ENOENT)
		return err_set_errno(err, err_scope_of_errno(), "cannot rename %s", file->sidecar);
	if (sync_dirs(file, target, err) < 0)
		return -1;
	if (linked == 1 && os_unlinkat(file->dir, file->sidecar, 0) < 0)
		return err_set_errno(err, err_scope_of_errno(), "cannot remove %s", file->sidecar);
	return 0;
}

/* The directory of what was below the mailbox goes when nothing is in it any more. */
static void drop_empty_dir(const struct store_mbox *store, const char *from_path)
{
	const char *slash = strrchr(from_path, '/');
	struct arena *arena = arena_new();

	if (slash != NULL)
		(void)!os_unlinkat(store->root,
			arena_text(arena, span_make(from_path, (size_t)(slash - from_path))),
			AT_REMOVEDIR);
	arena_free(arena);
}

static int move_one(
	struct store_mbox *store, const struct move *move, struct arena *arena, struct err *err)
{
	const char *old = mbox_tree_find(store, move->from, arena, err);
	struct mbox_file *file =
		old == NULL ? NULL : mbox_file_open(store, move->from, true, false, err);
	struct mbox_lock lock = { .held = false };
	const char *slash = strrchr(move->path, '/');
	int target, rc = -1;

	if (file == NULL)
		return -1;
	if (file->users > 1) {
		mbox_file_close(file);
		return err_set(err, ERR_MAILBOX, "mailbox %s is open", move->from);
	}
	target = open_target(store, move->path, arena, err);
	if (target >= 0)
		rc = mbox_subscribe_renamed(store, move->from, move->to, false, err);
	if (rc == 0)
		rc = mbox_file_lock(file, &lock, err);
	if (rc == 0)
		rc = move_files(file, target, slash != NULL ? slash + 1 : move->path, arena, err);
	mbox_lock_drop(&lock);
	if (rc == 0)
		rc = ledger_rename(store->ledger, move->from, move->to, err);
	if (rc == 0)
		rc = mbox_subscribe_renamed(store, move->from, move->to, true, err);
	if (target >= 0)
		os_close(target);
	mbox_file_close(file);
	if (rc == 0)
		drop_empty_dir(store, old);
	return rc;
}

/* The one mailbox of a file has its name in the record. */
static int rename_single(
	struct store_mbox *store, const char *from, const char *to, struct err *err)
{
	struct mbox_file *file = mbox_file_open(store, from, true, true, err);
	int rc;

	if (file == NULL)
		return -1;
	manifest_set_note(file->manifest, "mailbox", to);
	rc = manifest_commit(file->manifest, err);
	mbox_file_close(file);
	return rc;
}

int mbox_rename(struct store *base, const char *from, const char *to, struct err *err)
{
	struct store_mbox *store = store_mbox_of(base);
	struct arena *arena;
	struct move *move;
	size_t count;
	int rc;

	if (mailbox_is_inbox(from) || mailbox_is_inbox(to) || mailbox_below(from, to) ||
		store->profile)
		return err_set(err, ERR_MAILBOX, "mailbox %s cannot be renamed to %s", from, to);
	if (store->single != NULL)
		return rename_single(store, from, to, err);
	arena = arena_new();
	rc = plan(store, from, to, arena, &move, &count, err);
	for (size_t i = 0; i < count && rc == 0; i++)
		rc = move_one(store, &move[i], arena, err);
	arena_free(arena);
	return rc;
}
