/* Making mailboxes, subscribing, and the quota. */
#include "store/store_imap_parts.h"

#include "base/log.h"

#define KIB 1024

static int create_with(
	struct store_imap *store, const char *raw, enum store_use use, struct err *err)
{
	struct imap_command command;
	uint32_t tag;

	imap_command_init(&command, "CREATE");
	imap_command_mailbox(&command, raw);
	if (use != STORE_USE_NONE)
		imap_command_print(&command, "(USE (%s))", store_use_name(use)); /* RFC 6154 §3 */
	tag = imap_submit(store->imap, &command, err);
	return tag != 0 ? imap_finish(store->imap, tag, err) : -1;
}

/* The use is a wish: a server may already have a mailbox for it ([USEATTR]), or take none at all. */
static int create_one(
	struct store_imap *store, const char *raw, enum store_use use, struct err *err)
{
	struct err local = ERR_INIT;

	if (use != STORE_USE_NONE && imap_has(store->imap, IMAP_CAP_CREATE_SPECIAL_USE)) {
		if (create_with(store, raw, use, &local) == 0)
			return 0;
		if (local.scope >= ERR_CONN) {
			if (err != NULL)
				*err = local;
			return -1;
		}
		log_debug("mailbox %s not created as %s: %s", raw, store_use_name(use), local.text);
	}
	return create_with(store, raw, STORE_USE_NONE, err);
}

/*
 * 1 = it is there and can be selected, 0 = not so, -1. Asked by STATUS, for which a name is no pattern: LIST "{5}" ends Cyrus 3.6, and the run with
 * it.
 */
static int exists(struct store_imap *store, const char *raw, struct err *err)
{
	struct err local = ERR_INIT;
	struct imap_command command;
	uint32_t tag;

	imap_command_init(&command, "STATUS");
	imap_command_mailbox(&command, raw);
	imap_command_print(&command, "(UIDVALIDITY)");
	tag = imap_submit(store->imap, &command, &local);
	if (tag != 0 && imap_finish(store->imap, tag, &local) == 0)
		return 1;
	if (local.scope < ERR_CONN)
		return 0;
	if (err != NULL)
		*err = local;
	return -1;
}

/* A refusal may mean that it is there already: not all servers have the code for it, and another lane may have been faster. */
static int create_or_find(
	struct store_imap *store, const char *raw, enum store_use use, struct err *err)
{
	struct err refused = ERR_INIT, local = ERR_INIT;

	if (create_one(store, raw, use, &refused) == 0)
		return 0;
	if (refused.scope < ERR_CONN) {
		const int there = exists(store, raw, &local);

		if (there > 0)
			return 0;
		if (there < 0 && local.scope >= ERR_CONN)
			refused = local;
	}
	if (err != NULL)
		*err = refused;
	return -1;
}

/* Servers make parents themselves, mostly (RFC 3501 §6.3.3: SHOULD). What fails here shows when the mailbox itself is made. */
static int create_parents(
	struct store_imap *store, const char *name, struct arena *arena, struct err *err)
{
	for (const char *end = strchr(name, '/'); end != NULL; end = strchr(end + 1, '/')) {
		const char *parent = arena_text(arena, span_make(name, (size_t)(end - name)));
		struct err local = ERR_INIT;
		bool changed;
		char *raw;

		if (mailbox_is_inbox(parent))
			continue;
		if (imap_names_raw(store, parent, arena, &raw, &changed, &local) < 0 ||
			create_or_find(store, raw, STORE_USE_NONE, &local) == 0)
			continue;
		if (local.scope >= ERR_CONN) {
			if (err != NULL)
				*err = local;
			return -1;
		}
	}
	return 0;
}

/* Whether making the parents may help: a server that is full or busy is not asked for more. */
static bool may_lack_parents(const struct err *err, const char *name)
{
	return err->scope < ERR_CONN && err->kind != ERR_KIND_BUSY && err->kind != ERR_KIND_QUOTA &&
	       strchr(name, '/') != NULL;
}

static int create(struct store_imap *store, const char *name, enum store_use use,
	struct arena *arena, bool *changed_out, struct err *err)
{
	struct err local = ERR_INIT;
	bool changed = false;
	char *raw = NULL;
	int rc;

	if (imap_names_raw(store, name, arena, &raw, &changed, err) < 0)
		return -1;
	rc = create_or_find(store, raw, use, &local);
	if (rc < 0 && may_lack_parents(&local, name)) {
		if (create_parents(store, name, arena, err) < 0)
			return -1;
		err_clear(&local);
		rc = create_or_find(store, raw, use, &local);
	}
	if (rc < 0) {
		if (err != NULL)
			*err = local;
		return err_wrap(err, "cannot create mailbox %s", name);
	}
	*changed_out = changed;
	return 0;
}

int imap_store_create(struct store *base, const char *name, enum store_use use, bool *changed_out,
	struct err *err)
{
	struct arena *arena;
	int rc;

	if (mailbox_is_inbox(name)) {
		*changed_out = false;
		return 0;
	}
	arena = arena_new();
	rc = create(store_imap_of(base), name, use, arena, changed_out, err);
	arena_free(arena);
	return rc;
}

int imap_store_subscribe(struct store *base, const char *name, bool subscribe, struct err *err)
{
	struct store_imap *store = store_imap_of(base);
	struct arena *arena = arena_new();
	struct imap_command command;
	uint32_t tag = 0;
	bool changed;
	char *raw;
	int rc = -1;

	if (imap_names_raw(store, name, arena, &raw, &changed, err) == 0) {
		imap_command_init(&command, subscribe ? "SUBSCRIBE" : "UNSUBSCRIBE");
		imap_command_mailbox(&command, raw);
		tag = imap_submit(store->imap, &command, err);
		rc = tag != 0 ? imap_finish(store->imap, tag, err) : -1;
		if (rc < 0)
			err_wrap(err, "cannot %s mailbox %s",
				subscribe ? "subscribe to" : "unsubscribe from", name);
	}
	arena_free(arena);
	return rc;
}

/* ---- quota (RFC 9208) ---- */

struct quota {
	bool found;
	uint64_t used, limit;
};

static uint64_t octets(uint64_t kib)
{
	return kib > UINT64_MAX / KIB ? UINT64_MAX : kib * KIB;
}

/* Of several roots the one with the least room counts. */
static void note_quota(struct quota *quota, const struct imap_quota *told)
{
	for (size_t i = 0; i < told->count; i++) {
		const uint64_t used = octets(told->item[i].usage),
			       limit = octets(told->item[i].limit);
		const uint64_t left = limit > used ? limit - used : 0;

		if (!span_equal_nocase(told->item[i].name, SPAN("STORAGE")) || limit == 0)
			continue;
		if (quota->found &&
			left >= (quota->limit > quota->used ? quota->limit - quota->used : 0))
			continue;
		*quota = (struct quota){ true, used, limit };
	}
}

int imap_store_quota(struct store *base, uint64_t *used_out, uint64_t *limit_out, struct err *err)
{
	struct store_imap *store = store_imap_of(base);
	struct quota quota = { 0 };
	const struct imap_event *event;
	uint32_t tag;
	int rc;

	if (!imap_has(store->imap, IMAP_CAP_QUOTA))
		return err_set_kind(
			err, ERR_MAILBOX, ERR_KIND_UNSUPPORTED, "the server tells no quota");
	if (imap_names_settle(store, err) < 0)
		return -1;
	tag = imap_sendf(store->imap, err, "GETQUOTAROOT INBOX");
	if (tag == 0)
		return -1;
	while ((rc = imap_until(store->imap, tag, &event, err)) > 0) {
		if (event->type == IMAP_QUOTA)
			note_quota(&quota, &event->quota);
	}
	if (rc < 0)
		return err_wrap(err, "cannot learn the quota");
	*used_out = quota.used;
	*limit_out = quota.limit;
	return 0;
}
