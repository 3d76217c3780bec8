#include "ops/remove.h"

#include "base/arena.h"
#include "ops/walk.h"

int remove_from(const struct settings *settings, struct box *box, struct flag_table *flags,
	const struct remove *remove, struct err *err)
{
	if (walk_check_uids(box, remove->uidvalidity, err) < 0)
		return -1;
	if (settings->no_expunge)
		return box_change_flags(
			box, remove->uids, flags_parse(flags, SPAN("\\Deleted")), 0, err);
	return box_remove(box, remove->uids,
		(settings->expunge_all ? REMOVE_EXPUNGE_ALL : 0u) |
			(remove->if_marked ? REMOVE_IF_MARKED : 0u),
		err);
}

int remove_messages(const struct settings *settings, struct store *store, struct flag_table *flags,
	const struct remove *remove, struct err *err)
{
	struct box *box = store_open_box(store, remove->mailbox, STORE_WRITE, err);
	int rc;

	if (!box)
		return -1;
	rc = remove_from(settings, box, flags, remove, err);
	box_close(box);
	return rc;
}

/* Of the UIDs those that are there and not what was asked for. */
static int count_left(const struct settings *settings, struct box *box, struct flag_table *flags,
	const struct uidset *uids, uint64_t *left_out, struct err *err)
{
	const struct box_scan scan = { .uids = uids };
	struct arena *arena = arena_new();
	struct uidset unknown = { 0 };
	struct snapshot snapshot;
	uint64_t left = 0;
	int rc;

	snapshot_init(&snapshot, false);
	rc = box_scan(box, &scan, &snapshot, arena, &unknown, err);
	for (size_t i = 0; i < snapshot.count; i++)
		left += !settings->no_expunge ||
			!flags_has(flags, snapshot.flags[i], SPAN("\\Deleted"));
	if (rc == 0 && !snapshot.complete)
		rc = err_set(err, ERR_MAILBOX, "whether all of them went could not be seen");
	*left_out = left;
	snapshot_release(&snapshot);
	arena_free(arena);
	return rc;
}

int remove_proven(const struct settings *settings, struct box *box, struct flag_table *flags,
	const struct remove *remove, uint64_t *done_out, struct err *err)
{
	const int rc = remove_from(settings, box, flags, remove, err);
	struct err unseen = ERR_INIT;
	uint64_t left;

	*done_out = 0;
	if (rc < 0 && err->scope >= ERR_CONN)
		return -1;
	/* The first error is the one that tells. */
	if (count_left(settings, box, flags, remove->uids, &left, rc < 0 ? &unseen : err) < 0)
		return -1;
	*done_out = uidset_size(remove->uids) - left;
	if (rc == 0 && left > 0)
		return err_set(err, ERR_MAILBOX,
			"%llu messages are still there, though their removal was confirmed",
			(unsigned long long)left);
	return rc;
}
