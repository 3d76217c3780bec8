/* STATUS: of one mailbox, or of all that LIST left open, many in flight. Unknown is never empty: what did not come has no bit in `has`. */
#include "store/store_imap_parts.h"

#include "base/log.h"
#include "base/map.h"

#define STATUS_WINDOW 256
#define STATUS_BASIC (IMAP_STATUS_MESSAGES | IMAP_STATUS_UIDNEXT | IMAP_STATUS_UIDVALIDITY)

struct span imap_name_key(struct span raw)
{
	return span_equal_nocase(raw, SPAN("INBOX")) ? SPAN("INBOX") : raw;
}

/* MAILBOXID is not asked for: Cyrus 3.6.1 answers with memory it has freed, line feeds and all, and SELECT tells it too. */
const char *imap_status_items(const struct store_imap *store, unsigned want, struct arena *arena)
{
	const struct imap *imap = store->imap;
	const bool more = !store->status_basic;
	const bool modseq = imap_has(imap, IMAP_CAP_CONDSTORE) || imap_has(imap, IMAP_CAP_QRESYNC);

	return arena_print(arena, "(MESSAGES UIDNEXT UIDVALIDITY%s%s%s)",
		want & STORE_LIST_UNSEEN ? " UNSEEN" : "", more && modseq ? " HIGHESTMODSEQ" : "",
		more && (want & STORE_LIST_SIZE) && imap_has(imap, IMAP_CAP_STATUS_SIZE) ? " SIZE"
											 : "");
}

void imap_status_fill(struct mailbox_info *info, const struct imap_mailbox_status *status)
{
	unsigned has = status->has;

	/* None of these can be 0 (RFC 3501 §2.3.1.1), but for HIGHESTMODSEQ, where it means "not kept" (RFC 7162 §3.1.2.2). */
	if (status->uidnext == 0)
		has &= ~(unsigned)IMAP_STATUS_UIDNEXT;
	if (status->uidvalidity == 0)
		has &= ~(unsigned)IMAP_STATUS_UIDVALIDITY;
	if (status->highestmodseq == 0)
		has &= ~(unsigned)IMAP_STATUS_HIGHESTMODSEQ;
	if (has & IMAP_STATUS_MESSAGES)
		info->messages = status->messages;
	if (has & IMAP_STATUS_UNSEEN)
		info->unseen = status->unseen;
	if (has & IMAP_STATUS_UIDNEXT)
		info->uidnext = status->uidnext;
	if (has & IMAP_STATUS_UIDVALIDITY)
		info->uidvalidity = status->uidvalidity;
	if (has & IMAP_STATUS_HIGHESTMODSEQ)
		info->highestmodseq = status->highestmodseq;
	if (has & IMAP_STATUS_SIZE)
		info->size = status->size;
	info->has |= has & ~(unsigned)IMAP_STATUS_MAILBOXID;
}

bool imap_status_known(const struct mailbox_info *info)
{
	return (info->has & STATUS_BASIC) == STATUS_BASIC;
}

static uint32_t send_status(
	struct store_imap *store, const char *raw, const char *items, struct err *err)
{
	struct imap_command command;

	imap_command_init(&command, "STATUS");
	imap_command_mailbox(&command, raw);
	imap_command_raw(&command, items);
	return imap_submit(store->imap, &command, err);
}

/* ---- many ---- */

struct status_run {
	struct store_imap *store;
	struct mailbox_list *list;
	const struct map *by_raw; /* server form → struct mailbox_info */
	const char *items;
	size_t next; /* to be sent */
	struct {
		uint32_t tag;
		struct mailbox_info *info;
	} sent[STATUS_WINDOW];
	size_t first, count;
	bool too_much; /* BAD: items this server does not know after all */
};

static bool wants_status(const struct mailbox_info *info)
{
	return !info->noselect && !info->nonexistent && !imap_status_known(info);
}

static int fill_window(struct status_run *run, struct err *err)
{
	while (run->count < STATUS_WINDOW && run->next < run->list->count) {
		struct mailbox_info *info = &run->list->mailbox[run->next++];
		const size_t slot = (run->first + run->count) % STATUS_WINDOW;
		uint32_t tag;

		if (!wants_status(info))
			continue;
		tag = send_status(run->store, info->raw, run->items, err);
		if (tag == 0)
			return -1;
		run->sent[slot].tag = tag;
		run->sent[slot].info = info;
		run->count++;
	}
	return 0;
}

static int pull_status(struct status_run *run, uint32_t tag, struct err *err)
{
	const struct imap_event *event;
	int rc;

	while ((rc = imap_until(run->store->imap, tag, &event, err)) > 0) {
		struct mailbox_info *info = NULL;

		if (event->type == IMAP_STATUS)
			info = map_find(run->by_raw, imap_name_key(event->mailbox.name));
		if (info != NULL)
			imap_status_fill(info, &event->mailbox);
	}
	return rc;
}

static int run_status(struct status_run *run, struct err *err)
{
	run->next = run->first = run->count = 0;
	run->too_much = false;
	for (;;) {
		struct err local = ERR_INIT;
		const struct mailbox_info *info;

		if (fill_window(run, err) < 0)
			return -1;
		if (run->count == 0)
			return 0;
		info = run->sent[run->first].info;
		if (pull_status(run, run->sent[run->first].tag, &local) < 0) {
			if (local.scope >= ERR_CONN) {
				if (err != NULL)
					*err = local;
				return -1;
			}
			run->too_much |= local.kind == ERR_KIND_UNSUPPORTED;
			log_debug("mailbox %s: no status: %s", info->name, local.text);
		}
		run->first = (run->first + 1) % STATUS_WINDOW;
		run->count--;
	}
}

static struct map *index_by_raw(struct mailbox_list *list, struct arena *arena)
{
	struct map *map = map_new(arena);

	for (size_t i = 0; i < list->count; i++)
		map_set(map, imap_name_key(span_of(list->mailbox[i].raw)), &list->mailbox[i]);
	return map;
}

int imap_status_ask(struct store_imap *store, unsigned want, struct arena *arena,
	struct mailbox_list *list, struct err *err)
{
	struct map *by_raw = index_by_raw(list, arena);
	struct status_run run = {
		.store = store,
		.list = list,
		.by_raw = by_raw,
		.items = imap_status_items(store, want, arena),
	};
	int rc = run_status(&run, err);

	if (rc == 0 && run.too_much && !store->status_basic) {
		store->status_basic = true;
		run.items = imap_status_items(store, 0, arena);
		rc = run_status(&run, err);
	}
	map_free(by_raw);
	return rc;
}

/* ---- one ---- */

static int ask_one(struct store_imap *store, const char *raw, unsigned want,
	struct mailbox_info *info, struct err *err)
{
	const uint32_t tag =
		send_status(store, raw, imap_status_items(store, want, store->answer), err);
	const struct imap_event *event;
	int rc;

	if (tag == 0)
		return -1;
	while ((rc = imap_until(store->imap, tag, &event, err)) > 0) {
		if (event->type == IMAP_STATUS &&
			span_equal(imap_name_key(event->mailbox.name), imap_name_key(span_of(raw))))
			imap_status_fill(info, &event->mailbox);
	}
	return rc;
}

int imap_store_status(struct store *base, const char *name, unsigned want, struct mailbox_info *out,
	struct err *err)
{
	struct store_imap *store = store_imap_of(base);
	struct err local = ERR_INIT;
	struct mailbox_info info = { 0 };
	bool changed;
	char *raw;
	int rc;

	arena_clear(store->answer);
	if (imap_names_raw(store, name, store->answer, &raw, &changed, err) < 0)
		return -1;
	info.name = arena_strdup(store->answer, name);
	info.raw = raw;
	rc = ask_one(store, raw, want, &info, &local);
	if (rc < 0 && local.scope < ERR_CONN && local.kind == ERR_KIND_UNSUPPORTED &&
		!store->status_basic) {
		store->status_basic = true;
		err_clear(&local);
		rc = ask_one(store, raw, 0, &info, &local);
	}
	if (rc < 0) {
		if (err != NULL)
			*err = local;
		return err_wrap(err, "mailbox %s", name);
	}
	*out = info;
	return 0;
}
