/* Which back end a location has, and what holds where a back end lacks something. */
#include "store/store.h"

#include "base/mem.h"
#include "mail/mailbox_name.h"
#include "store/store_ops.h"

static const struct store_ops *const back_ends[] = { &store_imap_ops, &store_pop3_ops,
	&store_maildir_ops, &store_mbox_ops, &store_thunderbird_ops, &store_eml_ops,
	&store_inventory_ops };

static const char *const use_names[] = {
	[STORE_USE_NONE] = NULL,
	[STORE_USE_ALL] = "\\All",
	[STORE_USE_ARCHIVE] = "\\Archive",
	[STORE_USE_DRAFTS] = "\\Drafts",
	[STORE_USE_FLAGGED] = "\\Flagged",
	[STORE_USE_IMPORTANT] = "\\Important",
	[STORE_USE_JUNK] = "\\Junk",
	[STORE_USE_SENT] = "\\Sent",
	[STORE_USE_TRASH] = "\\Trash",
};

const char *store_use_name(enum store_use use)
{
	return (size_t)use < countof(use_names) ? use_names[use] : NULL;
}

static const struct store_ops *find_ops(const char *scheme)
{
	for (size_t i = 0; i < countof(back_ends); i++) {
		if (strcmp(back_ends[i]->scheme, scheme) == 0)
			return back_ends[i];
	}
	return NULL;
}

static int lacks(const struct store *store, const char *what, struct err *err)
{
	return err_set_kind(err, ERR_MAILBOX, ERR_KIND_UNSUPPORTED, "%s: locations cannot %s",
		store->ops->scheme, what);
}

struct store *store_open(
	struct account *account, const struct store_request *request, struct err *err)
{
	const struct store_ops *ops = find_ops(account_scheme(account));
	struct store *store;

	if (ops == NULL) {
		err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE, "%s: locations are not supported yet",
			account_scheme(account));
		return NULL;
	}
	store = mem_alloc(ops->store_size);
	store->ops = ops;
	store->account = account;
	store->flags = request->flags;
	if (store->flags == NULL)
		store->flags = store->own_flags = flag_table_new();
	if (ops->open(store, request, err) < 0) {
		store_close(store);
		return NULL;
	}
	return store;
}

void store_close(struct store *store)
{
	if (store == NULL)
		return;
	store->ops->close(store);
	flag_table_free(store->own_flags);
	mem_free(store);
}

unsigned store_caps(const struct store *store)
{
	return store->ops->caps(store);
}

const struct account *store_account(const struct store *store)
{
	return store->account;
}

uint64_t store_append_limit(const struct store *store)
{
	return store->ops->append_limit != NULL ? store->ops->append_limit(store) : 0;
}

struct imap *store_imap_session(struct store *store)
{
	return store->ops->imap_session != NULL ? store->ops->imap_session(store) : NULL;
}

const struct imap_facts *store_imap_facts(const struct store *store)
{
	return store->ops->imap_facts != NULL ? store->ops->imap_facts(store) : NULL;
}

struct mailbox_style store_style(const struct store *store)
{
	if (store->ops->style != NULL)
		return store->ops->style(store);
	return (struct mailbox_style){ .delimiter = '/', .utf8 = true, .prefix = "" };
}

void store_traffic(
	const struct store *store, uint64_t *in_out, uint64_t *out_out, uint64_t *turns_out)
{
	*in_out = *out_out = *turns_out = 0;
	if (store->ops->traffic != NULL)
		store->ops->traffic(store, in_out, out_out, turns_out);
}

int64_t store_waited_us(const struct store *store)
{
	return store->ops->waited_us ? store->ops->waited_us(store) : 0;
}

int store_list(struct store *store, unsigned want, struct arena *arena, struct mailbox_list *out,
	struct err *err)
{
	return store->ops->list(store, want, arena, out, err);
}

int store_status(struct store *store, const char *name, unsigned want, struct mailbox_info *out,
	struct err *err)
{
	return store->ops->status(store, name, want, out, err);
}

int store_create(struct store *store, const char *name, enum store_use use, bool *changed_out,
	struct err *err)
{
	if (store->ops->create == NULL)
		return lacks(store, "create mailboxes", err);
	return store->ops->create(store, name, use, changed_out, err);
}

/* One by one, for back ends where that costs nothing. */
static int prepare_each(
	struct store *store, struct store_preparation *list, size_t count, struct err *err)
{
	for (size_t i = 0; i < count; i++) {
		struct store_preparation *one = &list[i];

		err_clear(&one->err);
		one->created = one->create && store_create(store, one->name, one->use,
						      &one->changed, &one->err) == 0;
		if (one->create == one->created && (one->subscribe || one->unsubscribe))
			(void)!store_subscribe(store, one->name, one->subscribe, &one->err);
		if (one->err.scope >= ERR_CONN) {
			*err = one->err;
			return -1;
		}
	}
	return 0;
}

int store_compress(struct store *store, struct err *err)
{
	return store->ops->compress ? store->ops->compress(store, err) : 0;
}

int store_prepare(
	struct store *store, struct store_preparation *list, size_t count, struct err *err)
{
	return store->ops->prepare ? store->ops->prepare(store, list, count, err)
				   : prepare_each(store, list, count, err);
}

void store_use_names(struct store *store, const struct mailbox_list *names)
{
	if (store->ops->use_names != NULL)
		store->ops->use_names(store, names);
}

static int compare_names(const void *a, const void *b)
{
	const struct mailbox_info *x = a, *y = b;

	return strcmp(x->name, y->name);
}

bool mailbox_list_rename(struct mailbox_list *list, const char *raw, const char *name)
{
	size_t found = SIZE_MAX, kept = 0;

	for (size_t i = 0; i < list->count; i++) {
		if (strcmp(list->mailbox[i].raw, raw) == 0)
			found = i;
	}
	if (found == SIZE_MAX)
		return false;
	if (strcmp(list->mailbox[found].name, name) == 0)
		return true;
	for (size_t i = 0; i < list->count; i++) {
		struct mailbox_info info = list->mailbox[i];

		if (i == found) {
			info.shown = info.name;
			info.name = name;
		} else if (strcmp(info.name, name) == 0) {
			continue;
		}
		list->mailbox[kept++] = info;
	}
	list->count = kept;
	qsort(list->mailbox, list->count, sizeof(*list->mailbox), compare_names);
	return true;
}

const struct mailbox_info *mailbox_list_find(const struct mailbox_list *list, const char *name)
{
	bool inbox = mailbox_is_inbox(name);

	for (size_t i = 0; i < list->count; i++) {
		if (inbox ? mailbox_is_inbox(list->mailbox[i].name)
			  : strcmp(list->mailbox[i].name, name) == 0)
			return &list->mailbox[i];
	}
	return NULL;
}

int store_subscribe(struct store *store, const char *name, bool subscribe, struct err *err)
{
	if (store->ops->subscribe == NULL)
		return lacks(store, "keep subscriptions", err);
	return store->ops->subscribe(store, name, subscribe, err);
}

int store_remove_mailbox(struct store *store, const char *name, struct err *err)
{
	if (store->ops->remove_mailbox == NULL)
		return lacks(store, "remove mailboxes", err);
	return store->ops->remove_mailbox(store, name, err);
}

int store_rename_mailbox(struct store *store, const char *from, const char *to, struct err *err)
{
	if (store->ops->rename_mailbox == NULL)
		return lacks(store, "rename mailboxes", err);
	return store->ops->rename_mailbox(store, from, to, err);
}

int store_quota(struct store *store, uint64_t *used_out, uint64_t *limit_out, struct err *err)
{
	if (store->ops->quota == NULL)
		return lacks(store, "tell a quota", err);
	return store->ops->quota(store, used_out, limit_out, err);
}

/* ---- boxes ---- */

struct box *store_open_box(
	struct store *store, const char *name, enum store_mode mode, struct err *err)
{
	return store->ops->open_box(store, name, mode, err);
}

void box_close(struct box *box)
{
	if (box != NULL)
		box->store->ops->close_box(box);
}

const struct box_facts *box_facts(const struct box *box)
{
	return &box->facts;
}

const char *box_name(const struct box *box)
{
	return box->name;
}

bool box_is_same(struct box *box, const char *mailboxid)
{
	if (mailboxid == NULL || box->facts.mailboxid == NULL)
		return true;
	return box->store->ops->is_same ? box->store->ops->is_same(box, mailboxid)
					: strcmp(mailboxid, box->facts.mailboxid) == 0;
}

int box_scan(struct box *box, const struct box_scan *scan, struct snapshot *snapshot,
	struct arena *arena, struct uidset *unknown, struct err *err)
{
	return box->store->ops->scan(box, scan, snapshot, arena, unknown, err);
}

int box_search(struct box *box, const char *expression, struct arena *arena, struct uidset *out,
	struct uidset *unknown, struct err *err)
{
	if (box->store->ops->search == NULL)
		return lacks(box->store, "search", err);
	return box->store->ops->search(box, expression, arena, out, unknown, err);
}

int store_find(struct store *store, const char *expression,
	const struct mailbox_info *const *mailbox, size_t count, bool *found_out, struct err *err)
{
	if (store->ops->find)
		return store->ops->find(store, expression, mailbox, count, found_out, err);
	for (size_t i = 0; i < count; i++)
		found_out[i] = true;
	return 0;
}

int box_change_flags(
	struct box *box, const struct uidset *uids, flags_t add, flags_t remove, struct err *err)
{
	if (box->store->ops->change_flags == NULL)
		return lacks(box->store, "change flags", err);
	return box->store->ops->change_flags(box, uids, add, remove, err);
}

int box_remove(struct box *box, const struct uidset *uids, unsigned how, struct err *err)
{
	if (box->store->ops->remove == NULL)
		return lacks(box->store, "remove messages", err);
	return box->store->ops->remove(box, uids, how, err);
}

int box_copy(struct box *box, struct box_transfer *transfer, struct arena *arena, struct err *err)
{
	if (box->store->ops->copy == NULL)
		return lacks(box->store, "copy messages by themselves", err);
	return box->store->ops->copy(box, transfer, arena, err);
}

int box_move(struct box *box, struct box_transfer *transfer, struct arena *arena, struct err *err)
{
	if (box->store->ops->move == NULL)
		return lacks(box->store, "move messages by themselves", err);
	return box->store->ops->move(box, transfer, arena, err);
}

/* ---- reading ---- */

void box_fetch_window(struct box *box, unsigned commands, uint64_t bytes)
{
	if (box->store->ops->fetch_window != NULL)
		box->store->ops->fetch_window(box, commands, bytes);
}

bool box_fetch_has_room(const struct box *box)
{
	return box->store->ops->fetch_has_room(box);
}

int box_fetch_ask(struct box *box, const struct uidset *uids, uint64_t bytes, struct err *err)
{
	return box->store->ops->fetch_ask(box, uids, bytes, err);
}

bool box_fetch_ready(struct box *box)
{
	return box->store->ops->fetch_ready(box);
}

int box_fetch_next(struct box *box, struct message *out, struct err *err)
{
	return box->store->ops->fetch_next(box, out, err);
}

int box_fetch_chunk(struct box *box, struct span *chunk_out, struct err *err)
{
	return box->store->ops->fetch_chunk(box, chunk_out, err);
}

void box_fetch_end(struct box *box)
{
	box->store->ops->fetch_end(box);
}

/* ---- writing ---- */

int store_append_to(struct store *store, const char *name, struct err *err)
{
	if (store->ops->append_to == NULL)
		return lacks(store, "be written to", err);
	return store->ops->append_to(store, name, err);
}

int store_append_begin(struct store *store, uint64_t token, flags_t flags, struct date date,
	uint64_t size, struct err *err)
{
	return store->ops->append_begin(store, token, flags, date, size, err);
}

int store_append_add(struct store *store, struct span bytes, struct err *err)
{
	return store->ops->append_add(store, bytes, err);
}

int store_append_end(struct store *store, struct err *err)
{
	return store->ops->append_end(store, err);
}

bool store_append_in_message(const struct store *store)
{
	return store->ops->append_to != NULL && store->ops->append_in_message(store);
}

bool store_append_cancel(struct store *store)
{
	return store->ops->append_cancel != NULL && store->ops->append_cancel(store);
}

int store_append_flush(struct store *store, struct err *err)
{
	return store->ops->append_flush(store, err);
}

int store_append_settle(struct store *store, bool wait, struct append_result *out, struct err *err)
{
	return store->ops->append_settle(store, wait, out, err);
}

void store_append_drop(struct store *store)
{
	if (store->ops->append_to != NULL)
		store->ops->append_drop(store);
}

size_t store_append_outstanding(const struct store *store)
{
	return store->ops->append_to != NULL ? store->ops->append_outstanding(store) : 0;
}
