/* Which mailboxes of mbox files and Thunderbird's folders are subscribed: a file of our own in the root of the tree, or a note in the record of the one file. */
#include "store/store_mbox_parts.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/os.h"
#include "store/dot_lock.h"
#include "store/side_file.h"

#define LOCK MBOX_SUBSCRIPTIONS ".lock"
#define NEW MBOX_SUBSCRIPTIONS "-new"
#define LOCK_WAIT_MS 10000
#define LOCK_STALE 120 /* seconds without a sign of life */
#define TEXT_MAX (4u << 20)

/* ---- reading ---- */

/* 1; 0 = there is no such file; -1: ERR_MAILBOX */
static int read_list(const struct store_mbox *store, struct mbox_subscriptions *out,
	struct arena *arena, struct err *err)
{
	struct span text;
	const int rc = side_file_read(store->root, MBOX_SUBSCRIPTIONS, TEXT_MAX, arena, &text, err);

	if (rc < 0)
		return err_wrap(err, "%s", store->root_path);
	if (rc == 0)
		return 0;
	return mbox_subscriptions_parse(text,
		       arena_print(arena, "%s/%s", store->root_path, MBOX_SUBSCRIPTIONS), out,
		       err) < 0
		       ? -1
		       : 1;
}

static void fill_tree(struct store_mbox *store, struct mailbox_list *list, struct arena *arena)
{
	struct mbox_subscriptions kept;
	struct err err = ERR_INIT;
	int rc = 0;

	mbox_subscriptions_init(&kept, arena);
	if (store->root >= 0 && !store->profile)
		rc = read_list(store, &kept, arena, &err);
	if (rc < 0 && !store->told)
		log_warn("what is subscribed is not known: %s", err.text);
	store->told |= rc < 0;
	list->subscriptions_unknown = rc <= 0;
	for (size_t i = 0; i < list->count; i++)
		list->mailbox[i].subscribed =
			rc <= 0 || mbox_subscriptions_has(&kept, list->mailbox[i].name);
	mbox_subscriptions_release(&kept);
}

void mbox_subscribe_fill(struct store_mbox *store, struct mailbox_list *list, struct arena *arena)
{
	if (store->single == NULL) {
		fill_tree(store, list, arena);
		return;
	}
	list->subscriptions_unknown = store->single_subscribed < 0;
	for (size_t i = 0; i < list->count; i++)
		list->mailbox[i].subscribed = store->single_subscribed != 0;
}

/* ---- writing ---- */

struct wish {
	const char *name;
	bool subscribed;
};

/* 1 = something is news, also that there is a file now (make), -1 */
static int apply(const struct store_mbox *store, const struct wish *wish, size_t count, bool make,
	struct buf *out, struct err *err)
{
	struct arena *arena = arena_new();
	struct mbox_subscriptions list;
	int rc;

	mbox_subscriptions_init(&list, arena);
	rc = read_list(store, &list, arena, err);
	if (rc >= 0) {
		bool news = rc == 0 && make;

		for (size_t i = 0; i < count; i++)
			news |= mbox_subscriptions_set(&list, wish[i].name, wish[i].subscribed);
		rc = news;
		if (news && mbox_subscriptions_print(&list, out) < 0)
			rc = err_set(err, ERR_MAILBOX, "%s/%s: it would become too large",
				store->root_path, MBOX_SUBSCRIPTIONS);
	}
	mbox_subscriptions_release(&list);
	arena_free(arena);
	return rc;
}

/* Others change it too: what it says under the lock is what counts. */
static int write_list(struct store_mbox *store, const struct wish *wish, size_t count, bool make,
	struct buf *text, struct err *err)
{
	const char *const shown = store->root_path;
	int rc =
		dot_lock_make(store->root, LOCK, shown, LOCK_STALE, clock_ms() + LOCK_WAIT_MS, err);

	if (rc == 0)
		return err_set_errno(err, err_scope_of_errno(), "cannot create %s/%s", shown, LOCK);
	if (rc < 0)
		return -1;
	buf_clear(text);
	rc = apply(store, wish, count, make, text, err);
	if (rc > 0) {
		rc = side_file_put(
			store->owner, store->root, NEW, MBOX_SUBSCRIPTIONS, buf_span(text), err);
		if (rc < 0)
			rc = err_wrap(err, "%s", shown);
	}
	(void)os_unlinkat(store->root, LOCK, 0);
	return rc;
}

/* make: there is a file afterwards, also if all are subscribed. */
static int change(
	struct store_mbox *store, const struct wish *wish, size_t count, bool make, struct err *err)
{
	struct buf text;
	int rc;

	if (mbox_tree_root(store, make, err) < 0)
		return -1;
	if (store->root < 0)
		return 0;
	if (mbox_may_write(store, store->root, err) < 0)
		return -1;
	buf_init(&text, TEXT_MAX);
	rc = apply(store, wish, count, make, &text, err);
	if (rc > 0)
		rc = write_list(store, wish, count, make, &text, err);
	buf_release(&text);
	return rc;
}

static int note_single(struct store_mbox *store, const char *name, bool subscribed, struct err *err)
{
	struct mbox_file *file = mbox_file_open(store, name, true, true, err);
	int rc = 0;

	if (file == NULL)
		return -1;
	manifest_set_note(file->manifest, MBOX_SUBSCRIBED, subscribed ? "1" : "0");
	rc = manifest_commit(file->manifest, err);
	mbox_file_close(file);
	return rc;
}

/* A subscription to what is not there can only be ended, and then nothing is kept of it. */
int mbox_subscribe(struct store *base, const char *name, bool subscribe, struct err *err)
{
	struct store_mbox *store = store_mbox_of(base);
	const int there = mbox_is_there(store, name, err);
	const struct wish wish = { .name = name, .subscribed = subscribe || there == 0 };

	if (there < 0)
		return -1;
	if (there == 0 && subscribe)
		return err_set(err, ERR_MAILBOX, "there is no mailbox %s", name);
	if (store->single != NULL)
		return there > 0 ? note_single(store, name, subscribe, err) : 0;
	return change(store, &wish, 1, false, err);
}

int mbox_subscribe_new(struct store_mbox *store, const char *name, struct err *err)
{
	const struct wish wish = { .name = name };
	const int there = store->single != NULL ? 1 : mbox_is_there(store, name, err);

	return there != 0 ? there > 0 ? 0 : -1 : change(store, &wish, 1, true, err);
}

int mbox_subscribe_renamed(
	struct store_mbox *store, const char *from, const char *to, bool done, struct err *err)
{
	struct arena *arena = arena_new();
	struct mbox_subscriptions list;
	struct wish wish = { .name = done ? from : to, .subscribed = done };
	int rc;

	mbox_subscriptions_init(&list, arena);
	rc = read_list(store, &list, arena, err);
	if (rc > 0)
		rc = mbox_subscriptions_has(&list, from) ? 0 : change(store, &wish, 1, false, err);
	mbox_subscriptions_release(&list);
	arena_free(arena);
	return rc;
}

/* ---- for a whole account ---- */

/* What is made first counts as not subscribed, then what is to be subscribed as such: two of the list may be one mailbox. */
static int prepare_tree(struct store_mbox *store, const struct store_preparation *list,
	size_t count, struct err *err)
{
	struct wish *wish = mem_array(2 * count + 1, sizeof(*wish));
	size_t wishes = 0;
	bool make = false;
	int rc;

	for (size_t i = 0; i < count; i++) {
		make |= list[i].create;
		if (list[i].create || list[i].unsubscribe)
			wish[wishes++] = (struct wish){ .name = list[i].name };
	}
	for (size_t i = 0; i < count; i++) {
		if (list[i].subscribe)
			wish[wishes++] = (struct wish){ .name = list[i].name, .subscribed = true };
	}
	rc = change(store, wish, wishes, make, err);
	mem_free(wish);
	return rc;
}

int mbox_prepare(struct store *base, struct store_preparation *list, size_t count, struct err *err)
{
	struct store_mbox *store = store_mbox_of(base);
	struct err local = ERR_INIT;

	if (store->single == NULL)
		(void)!prepare_tree(store, list, count, &local);
	for (size_t i = 0; i < count && local.scope < ERR_CONN; i++) {
		struct store_preparation *one = &list[i];

		one->err = local;
		one->created = false;
		if (one->create) {
			struct err why = ERR_INIT;

			one->created = mbox_make(store, one->name, &why) == 0;
			if (!one->created)
				one->err = why;
		}
		if (store->single != NULL && one->create == one->created &&
			(one->subscribe || one->unsubscribe))
			(void)!note_single(store, one->name, one->subscribe, &one->err);
		if (one->err.scope >= ERR_CONN)
			local = one->err;
	}
	if (local.scope < ERR_CONN)
		return 0;
	*err = local;
	return -1;
}
