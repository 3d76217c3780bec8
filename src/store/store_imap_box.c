/* The open mailbox: what SELECT said of it, and messages read from it. */
#include "store/store_imap_parts.h"

#include "base/log.h"
#include "base/mem.h"
#include "imap/imap_quirks.h"

/* RFC 8474 §7: objectid = 1*255(ALPHA / DIGIT / "_" / "-"). Anything else is an accident. */
static bool is_objectid(const char *text)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";

	return text != NULL && text[0] != '\0' && strspn(text, letters) == strlen(text);
}

static void fill_facts(struct box_imap *box, struct store_imap *store)
{
	const struct imap_selected *selected = imap_selected(store->imap);
	struct box_facts *facts = &box->box.facts;

	mem_free(box->mailboxid);
	box->mailboxid = is_objectid(selected->mailboxid) ? mem_strdup(selected->mailboxid) : NULL;
	*facts = (struct box_facts){
		.messages = selected->exists,
		.uidvalidity = selected->uidvalidity,
		.uidnext = selected->uidnext,
		.modseq = selected->highestmodseq,
		.has_permanent = selected->permanent_flags != NULL,
		.any_keyword = selected->any_keyword,
		.read_only = selected->read_only,
		.uid_not_sticky = selected->uid_not_sticky,
		.shows_part = imap_quirk_shows_part(imap_quirk(store->imap), selected->exists),
		.mailboxid = box->mailboxid,
	};
	if (facts->has_permanent)
		facts->permanent =
			flags_parse(store->store.flags, span_of(selected->permanent_flags));
}

/* EXAMINE first for reading. Where it is refused as such, or tells no UIDVALIDITY, it is useless (product rule 1). */
static int open_selected(
	struct store_imap *store, const char *raw, enum store_mode mode, struct err *err)
{
	struct err local = ERR_INIT;
	int rc = imap_select(store->imap, raw, mode == STORE_READ, &local);

	if (mode == STORE_READ &&
		(rc == 0 ? imap_selected(store->imap)->uidvalidity == 0
			 : local.scope < ERR_CONN && local.kind == ERR_KIND_UNSUPPORTED)) {
		log_debug("mailbox %s: EXAMINE is useless here, it is opened by SELECT", raw);
		err_clear(&local);
		rc = imap_select(store->imap, raw, false, &local);
	}
	if (rc < 0 && err != NULL)
		*err = local;
	return rc;
}

static int open_by_name(
	struct store_imap *store, const char *name, enum store_mode mode, struct err *err)
{
	struct arena *arena = arena_new();
	bool changed;
	char *raw;
	int rc = imap_names_raw(store, name, arena, &raw, &changed, err);

	if (rc == 0) {
		rc = open_selected(store, raw, mode, err);
		if (rc < 0)
			err_wrap(err, "cannot open mailbox %s", name);
	}
	arena_free(arena);
	return rc;
}

struct box *imap_box_open(
	struct store *base, const char *name, enum store_mode mode, struct err *err)
{
	struct store_imap *store = store_imap_of(base);
	struct box_imap *box;

	if (store->box != NULL) {
		err_set(err, ERR_LOCAL, "mailbox %s is opened while %s is open", name,
			store->box->box.name);
		return NULL;
	}
	if (store->append != NULL && imap_append_outstanding(store->append) > 0) {
		err_set(err, ERR_LOCAL, "mailbox %s is opened while messages are being stored",
			name);
		return NULL;
	}
	if (open_by_name(store, name, mode, err) < 0)
		return NULL;
	box = mem_alloc(sizeof(*box));
	box->box.store = base;
	box->box.name = mem_strdup(name);
	box->fresh = true;
	fill_facts(box, store);
	store->box = box;
	return &box->box;
}

/* Nothing is sent: the next SELECT leaves the mailbox, and CLOSE would expunge. */
void imap_box_close(struct box *base)
{
	struct box_imap *box = box_imap_of(base);

	imap_fetch_free(box->fetch);
	store_imap_of(base->store)->box = NULL;
	mem_free(box->mailboxid);
	mem_free(base->name);
	mem_free(box);
}

int imap_box_ready(struct box_imap *box, struct err *err)
{
	if (box->fetch != NULL)
		return err_set(err, ERR_LOCAL, "mailbox %s is still being read", box->box.name);
	box->fresh = false;
	return 0;
}

int imap_box_refresh(struct box_imap *box, struct err *err)
{
	struct imap *imap = store_imap_of(box->box.store)->imap;
	const bool fresh = box->fresh;
	struct err local = ERR_INIT;
	uint32_t tag;

	if (imap_box_ready(box, err) < 0)
		return -1;
	if (fresh)
		return 0;
	tag = imap_sendf(imap, &local, "NOOP");
	if ((tag == 0 || imap_finish(imap, tag, &local) < 0) && local.scope >= ERR_CONN) {
		if (err != NULL)
			*err = local;
		return -1;
	}
	return 0;
}

/* ---- messages ---- */

static struct imap_fetch *fetch_of(struct box_imap *box)
{
	if (box->fetch == NULL) {
		box->fresh = false;
		box->fetch = imap_fetch_new(store_imap_of(box->box.store)->imap,
			IMAP_FETCH_FLAGS | IMAP_FETCH_DATE, "BODY.PEEK[]");
		if (box->window > 0)
			imap_fetch_window(box->fetch, box->window, box->window_bytes);
	}
	return box->fetch;
}

void imap_box_fetch_window(struct box *base, unsigned commands, uint64_t bytes)
{
	struct box_imap *box = box_imap_of(base);

	box->window = commands;
	box->window_bytes = bytes;
	if (box->fetch != NULL)
		imap_fetch_window(box->fetch, commands, bytes);
}

bool imap_box_fetch_has_room(const struct box *base)
{
	const struct box_imap *box = box_imap_of(base);

	return box->fetch == NULL || imap_fetch_has_room(box->fetch);
}

int imap_box_fetch_ask(struct box *base, const struct uidset *uids, uint64_t bytes, struct err *err)
{
	return imap_fetch_ask(fetch_of(box_imap_of(base)), uids, bytes, err);
}

bool imap_box_fetch_ready(struct box *base)
{
	struct box_imap *box = box_imap_of(base);

	return box->fetch == NULL || imap_fetch_ready(box->fetch);
}

static enum message_outcome outcome_of(enum imap_message_outcome outcome)
{
	switch (outcome) {
	case IMAP_MESSAGE_HERE:
		return MESSAGE_HERE;
	case IMAP_MESSAGE_GONE:
		return MESSAGE_GONE;
	case IMAP_MESSAGE_REFUSED:
		break;
	}
	return MESSAGE_REFUSED;
}

int imap_box_fetch_next(struct box *base, struct message *out, struct err *err)
{
	struct box_imap *box = box_imap_of(base);
	const struct imap_message *message;
	int rc;

	if (box->fetch == NULL)
		return 0;
	rc = imap_fetch_next(box->fetch, &message, err);
	if (rc <= 0)
		return rc;
	*out = (struct message){
		.uid = message->uid,
		.outcome = outcome_of(message->outcome),
		.date = { .instant = DATE_UNKNOWN },
		.size = message->body_size,
	};
	(void)snprintf(out->text, sizeof(out->text), "%s", message->text);
	if (message->has & IMAP_FETCH_FLAGS) {
		out->has_flags = true;
		out->flags = flags_parse(base->store->flags, message->flags);
	}
	if ((message->has & IMAP_FETCH_DATE) && date_parse_internal(message->date, &out->date) < 0)
		out->date = (struct date){ .instant = DATE_UNKNOWN };
	return 1;
}

int imap_box_fetch_chunk(struct box *base, struct span *chunk_out, struct err *err)
{
	struct box_imap *box = box_imap_of(base);

	if (box->fetch == NULL)
		return err_set(err, ERR_LOCAL, "no message is being read");
	return imap_fetch_body(box->fetch, chunk_out, err);
}

void imap_box_fetch_end(struct box *base)
{
	struct box_imap *box = box_imap_of(base);

	imap_fetch_free(box->fetch);
	box->fetch = NULL;
}
