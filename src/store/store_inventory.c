/* A written inventory as a place ("manifest:FILE"): it can be listed and scanned, to be compared, and holds no messages to be read. */
#include "store/store_ops.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "mail/mailbox_name.h"
#include "store/inventory.h"

struct store_inventory {
	struct store store;
	struct inventory *inventory;
};

struct box_inventory {
	struct box box;
	const struct inventory_box *what;
};

static struct inventory *inventory_of(const struct store *store)
{
	return ((const struct store_inventory *)(const void *)store)->inventory;
}

static int open_inventory(struct store *base, const struct store_request *request, struct err *err)
{
	struct store_inventory *store = (struct store_inventory *)(void *)base;

	store->inventory = inventory_open(account_path(base->account), request->verify_key, err);
	return store->inventory ? 0 : -1;
}

static void close_inventory(struct store *base)
{
	inventory_close(inventory_of(base));
}

static unsigned caps(const struct store *store)
{
	const struct inventory_about *about = inventory_about(inventory_of(store));

	return (about->flags ? STORE_CAP_FLAGS | STORE_CAP_KEYWORDS : 0) |
	       (about->dates ? STORE_CAP_DATES : 0) | STORE_CAP_CHEAP_LIST | STORE_CAP_FILES |
	       STORE_CAP_ALONE;
}

static struct mailbox_style style(const struct store *store)
{
	(void)store;
	return (struct mailbox_style){ .delimiter = '/', .utf8 = true, .prefix = "" };
}

static void describe(const struct inventory_box *box, struct mailbox_info *out)
{
	*out = (struct mailbox_info){ .name = box->name,
		.raw = box->name,
		.uidvalidity = box->uidvalidity,
		.uidnext = box->uidnext,
		.has = IMAP_STATUS_UIDVALIDITY | IMAP_STATUS_UIDNEXT };
	if (box->complete) {
		out->messages = box->messages;
		out->has |= IMAP_STATUS_MESSAGES;
	}
}

static int by_name(const void *x, const void *y)
{
	return strcmp(
		((const struct mailbox_info *)x)->name, ((const struct mailbox_info *)y)->name);
}

/* One that says of itself that mailboxes are not in it is a listing that left something out. */
static int list(struct store *store, unsigned want, struct arena *arena, struct mailbox_list *out,
	struct err *err)
{
	const struct inventory *inventory = inventory_of(store);
	const struct inventory_about *about = inventory_about(inventory);
	const size_t count = inventory_boxes(inventory);
	bool all_read = true;

	(void)want;
	(void)err;
	*out = (struct mailbox_list){ .count = count,
		.delimiter = '/',
		.part_mailboxes = !about->all_mailboxes,
		.part_messages = !about->all_messages };
	out->mailbox = arena_array(arena, count + 1, sizeof(*out->mailbox));
	for (size_t i = 0; i < count; i++) {
		const struct inventory_box *box = inventory_box_at(inventory, i);

		describe(box, &out->mailbox[i]);
		out->mailbox[i].name = out->mailbox[i].raw = arena_strdup(arena, box->name);
		all_read &= box->complete;
	}
	if (count > 1)
		qsort(out->mailbox, count, sizeof(*out->mailbox), by_name);
	out->refused = all_read && !inventory_complete(inventory);
	return 0;
}

static int not_there(const char *name, struct err *err)
{
	return err_set(err, ERR_MAILBOX, "mailbox %s: not in the manifest", name);
}

static int status(struct store *store, const char *name, unsigned want, struct mailbox_info *out,
	struct err *err)
{
	const struct inventory_box *box = inventory_find(inventory_of(store), name);

	(void)want;
	if (!box)
		return not_there(name, err);
	describe(box, out);
	return 0;
}

static struct box *open_box(
	struct store *store, const char *name, enum store_mode mode, struct err *err)
{
	const struct inventory_box *what = inventory_find(inventory_of(store), name);
	struct box_inventory *box;

	if (!what || mode != STORE_READ) {
		if (!what)
			(void)not_there(name, err);
		else
			(void)err_set_kind(
				err, ERR_ACCOUNT, ERR_KIND_USAGE, "a manifest cannot be changed");
		return NULL;
	}
	box = mem_alloc(sizeof(*box));
	box->what = what;
	box->box.store = store;
	box->box.name = mem_strdup(name);
	box->box.facts = (struct box_facts){ .messages = what->messages,
		.uidvalidity = what->uidvalidity,
		.uidnext = what->uidnext,
		.read_only = true };
	return &box->box;
}

static void close_box(struct box *box)
{
	mem_free(box->name);
	mem_free(box);
}

/* ---- scanning ---- */

struct scanning {
	const struct box_scan *want;
	struct snapshot *rows;
	struct flag_table *flags;
	struct arena *arena;
	uint64_t done;
};

/* All that is known of the header. */
static struct span header_of(const struct scanning *scanning, struct span id)
{
	if (!id.data || memchr(id.data, '\n', id.len) || memchr(id.data, '\r', id.len))
		return SPAN("\r\n");
	return span_of(
		arena_print(scanning->arena, "Message-ID: %.*s\r\n\r\n", (int)id.len, id.data));
}

static int take(void *context, const struct inventory_message *message, struct err *err)
{
	struct scanning *scanning = context;
	const struct box_scan *want = scanning->want;
	struct snapshot *rows = scanning->rows;
	size_t row;

	(void)err;
	if (want->uids && !uidset_has(want->uids, message->uid))
		return 0;
	row = snapshot_add(rows, message->uid);
	rows->flags[row] = flags_parse(scanning->flags, message->flags);
	rows->size[row] = message->size;
	rows->instant[row] = message->arrived.instant;
	rows->zone[row] = message->arrived.zone;
	rows->attr[row] = message->message_id.data ? SNAPSHOT_HAS_MESSAGE_ID : 0;
	if (rows->digest && digest128_known(message->header)) {
		rows->digest[row] = message->header;
		rows->attr[row] |= SNAPSHOT_HAS_DIGEST;
	}
	if (rows->content && digest128_known(message->content)) {
		rows->content[row] = message->content;
		rows->attr[row] |= SNAPSHOT_HAS_CONTENT;
	}
	if (want->header && (want->digests || want->content))
		want->header(want->header_context, message->uid,
			header_of(scanning, message->message_id));
	arena_clear(scanning->arena);
	scanning->done++;
	return 0;
}

static int check_wants(
	const struct box_inventory *box, const struct box_scan *want, struct err *err)
{
	const struct inventory_about *about = inventory_about(inventory_of(box->box.store));

	if (want->digests && want->fields && !want->header)
		return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_USAGE,
			"a manifest holds no headers but those of --match auto");
	if (want->content && !about->content)
		return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_USAGE,
			"it was written without --check content: leave content out here, or write it again with it");
	if (box->what->error)
		return err_set(err, ERR_MAILBOX,
			"mailbox %s: could not be read when the manifest was written: %s",
			box->box.name, box->what->error);
	return 0;
}

static int scan(struct box *base, const struct box_scan *want, struct snapshot *rows,
	struct arena *arena, struct uidset *unknown, struct err *err)
{
	const struct box_inventory *box = (const struct box_inventory *)(const void *)base;
	struct scanning scanning = { .want = want, .rows = rows, .flags = base->store->flags };
	int rc = check_wants(box, want, err);

	(void)arena;
	(void)unknown;
	if (rc < 0)
		return -1;
	if (want->digests)
		snapshot_want_digests(rows);
	if (want->content)
		snapshot_want_content(rows);
	scanning.arena = arena_new();
	rc = inventory_read(inventory_of(base->store), box->what, take, &scanning, err);
	snapshot_finish(rows, rc == 0 && box->what->complete);
	if (want->tick)
		want->tick(want->tick_context, scanning.done);
	arena_free(scanning.arena);
	return rc;
}

/* ---- it holds no messages ---- */

static bool fetch_has_room(const struct box *box)
{
	(void)box;
	return true;
}

static int fetch_ask(struct box *box, const struct uidset *uids, uint64_t bytes, struct err *err)
{
	(void)box;
	(void)uids;
	(void)bytes;
	return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_USAGE,
		"a manifest holds no messages: it can only be compared");
}

static bool fetch_ready(struct box *box)
{
	(void)box;
	return false;
}

static int fetch_next(struct box *box, struct message *out, struct err *err)
{
	(void)box;
	(void)out;
	(void)err;
	return 0;
}

static int fetch_chunk(struct box *box, struct span *chunk_out, struct err *err)
{
	(void)box;
	(void)chunk_out;
	(void)err;
	return 0;
}

static void fetch_end(struct box *box)
{
	(void)box;
}

const struct store_ops store_inventory_ops = {
	.scheme = "manifest",
	.store_size = sizeof(struct store_inventory),
	.open = open_inventory,
	.close = close_inventory,
	.caps = caps,
	.style = style,
	.list = list,
	.status = status,
	.open_box = open_box,
	.close_box = close_box,
	.scan = scan,
	.fetch_has_room = fetch_has_room,
	.fetch_ask = fetch_ask,
	.fetch_ready = fetch_ready,
	.fetch_next = fetch_next,
	.fetch_chunk = fetch_chunk,
	.fetch_end = fetch_end,
};
