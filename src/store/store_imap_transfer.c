/* Messages that go into another mailbox of the account: UID COPY, and UID MOVE (RFC 6851). */
#include "store/store_imap_parts.h"

#include "base/log.h"

/* Whether every one of them was asked for. */
static bool is_within(const struct uidset *set, const struct uidset *whole)
{
	size_t at = 0;

	for (size_t i = 0; i < set->count; i++) {
		const struct uid_range range = set->range[i];

		if (at < whole->count && whole->range[at].first > range.first)
			at = 0; /* not in ascending order */
		while (at < whole->count && whole->range[at].last < range.first)
			at++;
		if (at == whole->count || range.first < whole->range[at].first ||
			range.last > whole->range[at].last)
			return false;
	}
	return true;
}

/*
 * COPYUID (RFC 4315 §3) comes with a COPY's tagged OK, and before the EXPUNGEs of a MOVE in an untagged one (RFC 6851 §4.3). One that names other messages than were
 * asked for, or another number of copies (Exchange: none), proves nothing.
 */
static void note_told(
	struct box_transfer *transfer, const struct imap_event *event, struct arena *arena)
{
	const struct imap_code *code = &event->code;

	if ((event->type != IMAP_TAGGED && event->type != IMAP_STATUS_LINE) ||
		event->status != IMAP_OK || code->type != IMAP_CODE_COPYUID)
		return;
	if (code->number == 0 || code->set_a.count == 0 ||
		uidset_size(&code->set_a) != uidset_size(&code->set_b) ||
		!is_within(&code->set_a, transfer->uids)) {
		log_debug("mailbox %s: the server tells UIDs that do not fit what went there",
			transfer->target);
		return;
	}
	if (transfer->uidvalidity != code->number) /* it was made anew between two commands */
		transfer->told = transfer->copies = (struct uidset){ 0 };
	transfer->uidvalidity = code->number;
	uidset_add_set(&transfer->told, arena, &code->set_a);
	uidset_add_set(&transfer->copies, arena, &code->set_b);
}

static int run_all(struct box_imap *box, struct box_transfer *transfer, struct set_run *run,
	struct arena *arena, struct err *err)
{
	const struct imap_event *event;
	int rc;

	while ((rc = set_run_next(run, &event, err)) > 0)
		note_told(transfer, event, arena);
	if (rc == 0 && run->refused) {
		if (err != NULL)
			*err = run->refusal;
		rc = -1;
	}
	return rc < 0 ? err_wrap(err, "mailbox %s to %s", box->box.name, transfer->target) : 0;
}

static int transfer(struct box_imap *box, struct box_transfer *transfer, const char *verb,
	struct arena *arena, struct err *err)
{
	struct store_imap *store = store_imap_of(box->box.store);
	struct set_run run = {
		.imap = store->imap, .verb = verb, .set = transfer->uids, .tail = ""
	};
	bool changed;
	char *raw;

	transfer->uidvalidity = 0;
	transfer->told = transfer->copies = (struct uidset){ 0 };
	if (transfer->uids->count == 0)
		return 0;
	if (imap_box_ready(box, err) < 0 ||
		imap_names_raw(store, transfer->target, arena, &raw, &changed, err) < 0)
		return -1;
	run.mailbox = raw;
	return run_all(box, transfer, &run, arena, err);
}

int imap_box_copy(struct box *base, struct box_transfer *job, struct arena *arena, struct err *err)
{
	return transfer(box_imap_of(base), job, "UID COPY", arena, err);
}

int imap_box_move(struct box *base, struct box_transfer *job, struct arena *arena, struct err *err)
{
	struct box_imap *box = box_imap_of(base);
	struct imap *imap = store_imap_of(base->store)->imap;
	struct err local = ERR_INIT;

	if (!imap_has(imap, IMAP_CAP_MOVE))
		return err_set_kind(err, ERR_MAILBOX, ERR_KIND_UNSUPPORTED,
			"mailbox %s: the server cannot move messages", base->name);
	if (imap_box_writable(box, err) < 0)
		return -1;
	if (transfer(box, job, "UID MOVE", arena, &local) == 0)
		return 0;
	if (local.scope < ERR_CONN && local.kind == ERR_KIND_UNSUPPORTED)
		imap_give_up(imap, IMAP_CAP_MOVE);
	if (err != NULL)
		*err = local;
	return -1;
}
