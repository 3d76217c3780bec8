/* Making mailboxes, under other names where theirs is refused; subscribing; the quota. */
#include "store/store_imap_parts.h"

#include "base/log.h"
#include "base/map.h"
#include "base/text.h"

#define KIB 1024

/* One try to have a mailbox. */
struct attempt {
	struct err err;
	bool final; /* the refusal is of this name: another may do */
	bool there; /* it was there already */
	bool counted; /* … with so many messages */
	uint32_t messages;
};

/*
 * Whether a refusal is of the name and will stay: not for want of room, time or permission, and not because it is there. Many servers have no
 * codes for these.
 */
static bool is_final(const struct err *err, enum imap_code_type code)
{
	if (err->scope >= ERR_CONN || err->retry != ERR_RETRY_NEVER ||
		err->kind == ERR_KIND_QUOTA || err->kind == ERR_KIND_BUSY)
		return false;
	return code != IMAP_CODE_NOPERM && code != IMAP_CODE_ALREADYEXISTS &&
	       strcasestr(err->text, "permission") == NULL &&
	       strcasestr(err->text, "exists") == NULL;
}

static int create_with(
	struct store_imap *store, const char *raw, enum store_use use, struct attempt *out)
{
	struct imap_command command;
	uint32_t tag;

	err_clear(&out->err);
	out->final = false;
	imap_command_init(&command, "CREATE");
	imap_command_mailbox(&command, raw);
	if (use != STORE_USE_NONE)
		imap_command_print(&command, "(USE (%s))", store_use_name(use)); /* RFC 6154 §3 */
	tag = imap_submit(store->imap, &command, &out->err);
	if (tag == 0)
		return -1;
	if (imap_finish(store->imap, tag, &out->err) == 0)
		return 0;
	out->final = is_final(&out->err, imap_answer_code(store->imap, tag));
	return -1;
}

/* The use is a wish: a server may already have a mailbox for it ([USEATTR]), or take none at all. */
static int create_one(
	struct store_imap *store, const char *raw, enum store_use use, struct attempt *out)
{
	if (use != STORE_USE_NONE && imap_has(store->imap, IMAP_CAP_CREATE_SPECIAL_USE)) {
		if (create_with(store, raw, use, out) == 0)
			return 0;
		if (out->err.scope >= ERR_CONN)
			return -1;
		log_debug("mailbox %s not created as %s: %s", raw, store_use_name(use),
			out->err.text);
	}
	return create_with(store, raw, STORE_USE_NONE, out);
}

/*
 * 1 = it is there and can be selected, 0 = not so, -1. Asked by STATUS, for which a name is no pattern: LIST "{5}" ends Cyrus 3.6, and the run with
 * it.
 */
static int exists(struct store_imap *store, const char *raw, struct attempt *out, struct err *err)
{
	const struct imap_event *event;
	struct imap_command command;
	uint32_t tag;
	int rc = -1;

	imap_command_init(&command, "STATUS");
	imap_command_mailbox(&command, raw);
	imap_command_print(&command, "(MESSAGES UIDVALIDITY)");
	tag = imap_submit(store->imap, &command, err);
	while (tag != 0 && (rc = imap_until(store->imap, tag, &event, err)) > 0) {
		imap_names_note(store, event);
		if (event->type != IMAP_STATUS || !(event->mailbox.has & IMAP_STATUS_MESSAGES) ||
			!span_equal(
				imap_name_key(event->mailbox.name), imap_name_key(span_of(raw))))
			continue;
		out->counted = true;
		out->messages = event->mailbox.messages;
	}
	if (rc == 0)
		return 1;
	return err->scope < ERR_CONN ? 0 : -1;
}

/* A refusal may mean that it is there already: not all servers have the code for it, and another lane may have been faster. */
static int create_or_find(
	struct store_imap *store, const char *raw, enum store_use use, struct attempt *out)
{
	struct err local = ERR_INIT;
	int there;

	*out = (struct attempt){ 0 };
	if (create_one(store, raw, use, out) == 0)
		return 0;
	if (out->err.scope >= ERR_CONN)
		return -1;
	there = exists(store, raw, out, &local);
	if (there < 0) {
		out->err = local;
		out->final = false;
	}
	out->there = there > 0;
	return there > 0 ? 0 : -1;
}

/* Servers make parents themselves, mostly (RFC 3501 §6.3.3: SHOULD). What fails here shows when the mailbox itself is made. */
static int create_parents(struct store_imap *store, const char *name, bool strict,
	struct arena *arena, struct err *err);

/* ---- names that are refused as they are ---- */

/* Where a mailbox stands at the server: head, then its level. */
struct place {
	const char *head; /* the parent with the delimiter behind it, or the prefix */
	const char *level; /* as mailbox_server() writes it */
	const char *display; /* … and as people do; on a flat server the whole name */
	bool moved; /* the parent stands under another name than its own */
};

static int find_place(struct store_imap *store, const char *name, struct arena *arena,
	struct place *out, struct err *err)
{
	const struct mailbox_style *style = &store->style;
	const char *slash = style->delimiter != '\0' ? strrchr(name, '/') : NULL;
	const char *end, *parent = NULL;
	size_t head = strlen(style->prefix);
	bool changed;
	char *plain;

	if (mailbox_server(style, name, arena, &plain, &changed, err) < 0)
		return -1;
	end = style->delimiter != '\0' ? strrchr(plain, style->delimiter) : NULL;
	if (end != NULL && (size_t)(end - plain) + 1 > head)
		head = (size_t)(end - plain) + 1;
	if (slash != NULL && store->names.escaped != NULL)
		parent = map_find(store->names.escaped, span_make(name, (size_t)(slash - name)));
	*out = (struct place){
		.head = parent != NULL ? arena_print(arena, "%s%c", parent, style->delimiter)
				       : arena_text(arena, span_make(plain, head)),
		.level = plain + head,
		.display = slash != NULL ? slash + 1 : name,
		.moved = parent != NULL,
	};
	return 0;
}

/* The names to try, best first; returns how many. */
static size_t list_strict(struct store_imap *store, const struct place *place, struct arena *arena,
	const char *out[3])
{
	static const char escapes[] = { '%', '=' };
	size_t count = 0;

	if (place->moved)
		out[count++] = arena_print(arena, "%s%s", place->head, place->level);
	for (size_t i = 0; i < sizeof(escapes); i++) {
		const char *strict =
			mailbox_strict(&store->style, span_of(place->display), escapes[i], arena);

		if (strict != NULL && strcmp(strict, place->level) != 0 &&
			strlen(place->head) + strlen(strict) <= MAILBOX_NAME_MAX)
			out[count++] = arena_print(arena, "%s%s", place->head, strict);
	}
	return count;
}

/*
 * What stands under another name than the one wanted is only taken if it was made for it: now, in an earlier run, or by one that was killed before its
 * first message. Mail of two mailboxes is never poured together.
 */
static int check_ours(struct store_imap *store, const struct store_preparation *one,
	const char *raw, const struct attempt *attempt, struct err *err)
{
	char shown[TEXT_SHOWN];
	struct arena *arena;

	if (one->ours || !attempt->there || (attempt->counted && attempt->messages == 0))
		return 0;
	arena = arena_new();
	text_shown(span_of(mailbox_display(&store->style, span_of(raw), arena)), shown);
	arena_free(arena);
	return err_set(err, ERR_MAILBOX,
		"the server refuses the name, and \"%s\", the name it would have there, is a mailbox "
		"that holds mail: if an earlier run put it there whose records are lost (or "
		"--state none), name it as the target with --map; if not, rename it, or choose "
		"another name with --map",
		shown);
}

static void take_name(struct store_imap *store, struct store_preparation *one, const char *raw)
{
	one->changed = true;
	one->raw = arena_strdup(store->arena, raw);
}

/* 1 = created or found under another name, 0 = refused under all of them, -1. */
static int create_strict(struct store_imap *store, struct store_preparation *one,
	struct arena *arena, struct err *err)
{
	struct attempt attempt;
	struct place place;
	const char *name[3];
	size_t count;

	if (find_place(store, one->name, arena, &place, err) < 0)
		return -1;
	count = list_strict(store, &place, arena, name);
	for (size_t i = 0; i < count; i++) {
		if (create_or_find(store, name[i], one->use, &attempt) < 0) {
			if (attempt.final)
				continue;
			*err = attempt.err;
			return -1;
		}
		if (check_ours(store, one, name[i], &attempt, err) < 0)
			return -1;
		take_name(store, one, name[i]);
		if (store->names.escaped == NULL)
			store->names.escaped = map_new(store->arena);
		map_set(store->names.escaped, span_of(one->name), (void *)(uintptr_t)one->raw);
		return 1;
	}
	return 0;
}

/* Only where another name for the mailbox itself does not help, its parents get other names: they may be refused because they are there. */
static int create_refused(struct store_imap *store, struct store_preparation *one,
	struct arena *arena, struct err *err)
{
	struct place place;
	int rc = create_strict(store, one, arena, err);

	if (rc != 0 || strchr(one->name, '/') == NULL || store->style.delimiter == '\0')
		return rc;
	if (create_parents(store, one->name, true, arena, err) < 0 ||
		find_place(store, one->name, arena, &place, err) < 0)
		return -1;
	return place.moved ? create_strict(store, one, arena, err) : 0;
}

static int create_parents(struct store_imap *store, const char *name, bool strict,
	struct arena *arena, struct err *err)
{
	for (const char *end = strchr(name, '/'); end != NULL; end = strchr(end + 1, '/')) {
		struct store_preparation parent = {
			.name = arena_text(arena, span_make(name, (size_t)(end - name))),
			.ours = true, /* no mail goes into it */
		};
		struct attempt attempt = { 0 };
		bool changed;
		char *raw;

		if (mailbox_is_inbox(parent.name))
			continue;
		if (imap_names_raw(store, parent.name, arena, &raw, &changed, &attempt.err) == 0 &&
			create_or_find(store, raw, STORE_USE_NONE, &attempt) < 0 && strict &&
			attempt.final) {
			err_clear(&attempt.err);
			(void)!create_strict(store, &parent, arena, &attempt.err);
		}
		if (attempt.err.scope >= ERR_CONN) {
			*err = attempt.err;
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

static int create(struct store_imap *store, struct store_preparation *one, struct arena *arena,
	struct err *err)
{
	struct attempt attempt;
	bool changed = false, moved;
	char *raw = NULL;
	int rc;

	if (imap_names_raw(store, one->name, arena, &raw, &changed, err) < 0)
		return -1;
	moved = store->names.escaped != NULL && map_has(store->names.escaped, span_of(one->name));
	rc = create_or_find(store, raw, one->use, &attempt);
	if (rc < 0 && may_lack_parents(&attempt.err, one->name)) {
		if (create_parents(store, one->name, false, arena, err) < 0)
			return -1;
		rc = create_or_find(store, raw, one->use, &attempt);
	}
	if (rc == 0) {
		if (moved && check_ours(store, one, raw, &attempt, err) < 0)
			return err_wrap(err, "cannot create mailbox %s", one->name);
		one->changed = changed;
		if (changed)
			take_name(store, one, raw);
		return 0;
	}
	if (attempt.final && !moved)
		rc = create_refused(store, one, arena, err);
	if (rc > 0)
		return 0;
	if (err->scope == ERR_NONE)
		*err = attempt.err;
	return err_wrap(err, "cannot create mailbox %s", one->name);
}

int imap_create(struct store_imap *store, struct store_preparation *one, struct err *err)
{
	struct err local = ERR_INIT;
	struct arena *arena;
	int rc;

	one->changed = false;
	one->raw = NULL;
	if (mailbox_is_inbox(one->name))
		return 0;
	arena = arena_new();
	rc = create(store, one, arena, &local);
	arena_free(arena);
	if (rc < 0 && err != NULL)
		*err = local;
	return rc;
}

int imap_store_create(struct store *base, const char *name, enum store_use use, bool *changed_out,
	struct err *err)
{
	/* Whoever wants a mailbox and nothing else takes the one that is there. */
	struct store_preparation one = { .name = name, .create = true, .use = use, .ours = true };

	if (imap_create(store_imap_of(base), &one, err) < 0)
		return -1;
	*changed_out = one.changed;
	return 0;
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
	if (!quota.found)
		return err_set_kind(err, ERR_MAILBOX, ERR_KIND_UNSUPPORTED,
			"the server counts no octets of this account for a quota");
	*used_out = quota.used;
	*limit_out = quota.limit;
	return 0;
}
