/* Changing flags and removing messages, by UID and silently. */
#include "store/store_imap_parts.h"

#include "base/log.h"

static int change(struct box_imap *box, const struct uidset *uids, const char *how,
	const char *names, struct err *err)
{
	struct arena *arena = arena_new();
	struct set_run run = {
		.imap = store_imap_of(box->box.store)->imap,
		.verb = "UID STORE",
		.set = uids,
		.tail = arena_print(arena, "%sFLAGS.SILENT (%s)", how, names),
	};
	const int rc = set_run_finish(&run, err);

	arena_free(arena);
	return rc < 0 ? err_wrap(err, "mailbox %s: cannot change flags", box->box.name) : 0;
}

int imap_box_writable(struct box_imap *box, struct err *err)
{
	if (box->box.facts.read_only)
		return err_set(
			err, ERR_MAILBOX, "mailbox %s is open for reading only", box->box.name);
	return imap_box_ready(box, err);
}

int imap_box_change_flags(
	struct box *base, const struct uidset *uids, flags_t add, flags_t remove, struct err *err)
{
	struct box_imap *box = box_imap_of(base);
	const struct flag_table *table = base->store->flags;

	if (uids->count == 0 || (add == 0 && remove == 0))
		return 0;
	if (imap_box_writable(box, err) < 0)
		return -1;
	if (add != 0 && change(box, uids, "+", flags_text(table, add), err) < 0)
		return -1;
	if (remove != 0 && change(box, uids, "-", flags_text(table, remove), err) < 0)
		return -1;
	return 0;
}

/* RFC 4315 §2.1: of these UIDs only, and of them only what is marked. */
static int expunge_uids(struct box_imap *box, const struct uidset *uids, struct err *err)
{
	struct set_run run = {
		.imap = store_imap_of(box->box.store)->imap,
		.verb = "UID EXPUNGE",
		.set = uids,
		.tail = "",
	};

	return set_run_finish(&run, err);
}

static int expunge_all_marked(struct box_imap *box, struct err *err)
{
	struct imap *imap = store_imap_of(box->box.store)->imap;
	const uint32_t tag = imap_sendf(imap, err, "EXPUNGE");

	return tag != 0 ? imap_finish(imap, tag, err) : -1;
}

static int lacks_uidplus(const struct box_imap *box, struct err *err)
{
	return err_set_kind(err, ERR_MAILBOX, ERR_KIND_SAFETY,
		"mailbox %s: the server cannot expunge single messages (no UIDPLUS), and would "
		"remove what others marked too",
		box->box.name);
}

int imap_box_remove(struct box *base, const struct uidset *uids, unsigned how, struct err *err)
{
	struct box_imap *box = box_imap_of(base);
	struct imap *imap = store_imap_of(base->store)->imap;
	struct err local = ERR_INIT;

	if (uids->count == 0)
		return 0;
	if (!imap_has(imap, IMAP_CAP_UIDPLUS) && !(how & REMOVE_EXPUNGE_ALL))
		return lacks_uidplus(box, err);
	if (imap_box_writable(box, err) < 0 ||
		(!(how & REMOVE_IF_MARKED) && change(box, uids, "+", "\\Deleted", err) < 0))
		return -1;
	if (imap_has(imap, IMAP_CAP_UIDPLUS)) {
		if (expunge_uids(box, uids, &local) == 0)
			return 0;
		if (local.scope >= ERR_CONN || local.kind != ERR_KIND_UNSUPPORTED) {
			if (err != NULL)
				*err = local;
			return err_wrap(err, "mailbox %s: messages are marked, but not expunged",
				base->name);
		}
		imap_give_up(imap, IMAP_CAP_UIDPLUS);
	}
	if (!(how & REMOVE_EXPUNGE_ALL))
		return lacks_uidplus(box, err);
	if (expunge_all_marked(box, err) < 0)
		return err_wrap(
			err, "mailbox %s: messages are marked, but not expunged", base->name);
	return 0;
}
