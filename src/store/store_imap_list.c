/*
 * Listing all mailboxes in the fewest round trips: the namespace, LIST with everything it can return (RFC 5258, 5819, 6154) and, where that is not
 * offered, LSUB go out together; then one more for every STATUS that is still missing.
 */
#include "store/store_imap_parts.h"

#include "base/log.h"
#include "base/map.h"
#include "base/text.h"

#define MAILBOXES_MAX 1000000

struct entry { /* a name as the server listed it */
	struct mailbox_info info; /* .name comes later */
	bool listed; /* else known by LSUB or STATUS only */
};

struct listing {
	struct store_imap *store;
	struct arena *arena; /* the caller's */
	struct map *entries; /* server form → struct entry */
	bool status_in_list; /* LIST … RETURN (STATUS …) was sent */
	size_t refused, foreign;
	bool subscriptions_unknown;
};

enum attribute {
	NOSELECT = 1,
	NOINFERIORS = 2,
	CHILDREN = 4,
	NO_CHILDREN = 8,
	SUBSCRIBED = 16,
	NONEXISTENT = 32
};

static const struct {
	const char *name;
	unsigned attribute;
	enum store_use use;
} attribute_rows[] = {
	{ "\\Noselect", NOSELECT, STORE_USE_NONE },
	{ "\\NonExistent", NONEXISTENT | NOSELECT,
		STORE_USE_NONE }, /* RFC 5258 §3: implies \Noselect */
	{ "\\Noinferiors", NOINFERIORS, STORE_USE_NONE },
	{ "\\HasChildren", CHILDREN, STORE_USE_NONE },
	{ "\\HasNoChildren", NO_CHILDREN, STORE_USE_NONE },
	{ "\\Subscribed", SUBSCRIBED, STORE_USE_NONE },
	{ "\\All", 0, STORE_USE_ALL },
	{ "\\AllMail", 0, STORE_USE_ALL }, /* XLIST's names of before RFC 6154 are still seen */
	{ "\\Archive", 0, STORE_USE_ARCHIVE },
	{ "\\Drafts", 0, STORE_USE_DRAFTS },
	{ "\\Flagged", 0, STORE_USE_FLAGGED },
	{ "\\Starred", 0, STORE_USE_FLAGGED },
	{ "\\Important", 0, STORE_USE_IMPORTANT },
	{ "\\Junk", 0, STORE_USE_JUNK },
	{ "\\Spam", 0, STORE_USE_JUNK },
	{ "\\Sent", 0, STORE_USE_SENT },
	{ "\\Trash", 0, STORE_USE_TRASH },
};

static void set_attributes(struct mailbox_info *info, const struct imap_words *words)
{
	for (size_t i = 0; i < words->count; i++) {
		for (size_t row = 0; row < countof(attribute_rows); row++) {
			const unsigned attribute = attribute_rows[row].attribute;

			if (!span_equal_nocase(words->word[i], span_of(attribute_rows[row].name)))
				continue;
			info->noselect |= (attribute & NOSELECT) != 0;
			info->nonexistent |= (attribute & NONEXISTENT) != 0;
			info->noinferiors |= (attribute & NOINFERIORS) != 0;
			info->has_children |= (attribute & CHILDREN) != 0;
			info->subscribed |= (attribute & SUBSCRIBED) != 0;
			if (info->use == STORE_USE_NONE)
				info->use = attribute_rows[row].use;
		}
	}
}

/* ---- reading ---- */

/* NULL when there are too many. */
static struct entry *entry_of(struct listing *listing, struct span raw)
{
	const struct span key = imap_name_key(raw);
	struct entry *entry = map_find(listing->entries, key);

	if (entry == NULL && map_count(listing->entries) < MAILBOXES_MAX) {
		entry = arena_alloc(listing->arena, sizeof(*entry));
		entry->info.raw = arena_text(listing->arena, raw);
		map_set(listing->entries, key, entry);
	}
	return entry;
}

static void refuse(struct listing *listing, struct span raw, const char *why)
{
	char shown[TEXT_SHOWN];

	listing->refused++;
	text_shown(raw, shown);
	log_warn("%s: mailbox \"%s\" is left out: %s", account_name(listing->store->store.account),
		shown, why);
}

static bool is_noselect(const struct imap_words *attributes)
{
	struct mailbox_info info = { 0 };

	set_attributes(&info, attributes);
	return info.noselect;
}

static int take_list(struct listing *listing, const struct imap_list *list, struct err *err)
{
	struct span raw = list->name;
	struct entry *entry;

	if (raw.len == 0)
		return 0; /* LIST "" "" */
	if (raw.len > MAILBOX_NAME_MAX || span_find(raw, '\0') != SIZE_MAX) {
		refuse(listing, raw, "the name is too long or no text");
		return 0;
	}
	/* "INBOX/" for a directory (c-client, some gateways): the name is without it. */
	if (raw.len > 1 && list->delimiter != '\0' && raw.data[raw.len - 1] == list->delimiter)
		raw.len--;
	entry = entry_of(listing, raw);
	if (entry == NULL)
		return err_set(
			err, ERR_ACCOUNT, "the server lists more than %d mailboxes", MAILBOXES_MAX);
	if (list->lsub) {
		entry->info.subscribed |= !is_noselect(
			&list->attributes); /* Courier shows the parents of subscribed ones too */
		return 0;
	}
	entry->listed = true;
	set_attributes(&entry->info, &list->attributes);
	if (!listing->store->names.has_delimiter && list->delimiter != '\0') {
		listing->store->names.has_delimiter = true;
		listing->store->names.delimiter = list->delimiter;
	}
	return 0;
}

/* A line of the listing that cannot be read may name any mailbox: what is known without it is not all there is. */
static bool is_broken_line(struct span line)
{
	static const char *const starts[] = { "* LIST ", "* LSUB ", "* XLIST " };

	for (size_t i = 0; i < countof(starts); i++)
		if (span_starts_nocase(line, span_of(starts[i])))
			return true;
	return false;
}

static int take(struct listing *listing, const struct imap_event *event, struct err *err)
{
	imap_names_note(listing->store, event);
	if (event->type == IMAP_UNKNOWN && is_broken_line(event->text)) {
		char shown[TEXT_SHOWN];

		text_shown(event->text, shown);
		return err_set(err, ERR_ACCOUNT,
			"the server's listing has a line that makes no sense: %s", shown);
	}
	if (event->type == IMAP_LIST)
		return take_list(listing, &event->list, err);
	if (event->type == IMAP_STATUS) {
		struct entry *entry =
			map_find(listing->entries, imap_name_key(event->mailbox.name));

		if (entry != NULL)
			imap_status_fill(&entry->info, &event->mailbox);
	}
	return 0;
}

static int pull(struct listing *listing, uint32_t tag, struct err *err)
{
	const struct imap_event *event;
	int rc;

	while ((rc = imap_until(listing->store->imap, tag, &event, err)) > 0) {
		if (take(listing, event, err) < 0)
			return -1;
	}
	return rc;
}

/* ---- asking ---- */

static uint32_t send_extended(struct listing *listing, unsigned want, struct err *err)
{
	struct imap *imap = listing->store->imap;
	const char *use = imap_has(imap, IMAP_CAP_SPECIAL_USE) ? " SPECIAL-USE" : "";
	const bool status = (want & STORE_LIST_STATUS) && imap_has(imap, IMAP_CAP_LIST_STATUS);

	listing->status_in_list = status;
	if (!status)
		return imap_sendf(imap, err, "LIST \"\" \"*\" RETURN (SUBSCRIBED%s)", use);
	return imap_sendf(imap, err, "LIST \"\" \"*\" RETURN (SUBSCRIBED%s STATUS %s)", use,
		imap_status_items(listing->store, want, listing->arena));
}

static int ask_extended(struct listing *listing, unsigned want, struct err *err)
{
	const uint32_t tag = send_extended(listing, want, err);

	/* What the opening asked is on its way too; its outcome is imap_names_settle()'s matter. */
	if (tag == 0)
		return -1;
	return pull(listing, tag, err);
}

static int ask_plain(struct listing *listing, struct err *err)
{
	struct imap *imap = listing->store->imap;
	struct err local = ERR_INIT;
	uint32_t list, lsub;

	list = imap_sendf(imap, err, "LIST \"\" \"*\"");
	if (list == 0)
		return -1;
	lsub = imap_sendf(imap, err, "LSUB \"\" \"*\"");
	if (lsub == 0 || pull(listing, list, err) < 0)
		return -1;
	if (pull(listing, lsub, &local) == 0)
		return 0;
	if (local.scope >= ERR_CONN) {
		if (err != NULL)
			*err = local;
		return -1;
	}
	listing->subscriptions_unknown = true;
	log_info("%s: subscriptions are not known: %s", account_name(listing->store->store.account),
		local.text);
	return 0;
}

/* What came with an answer that was refused counts for nothing. */
static void start_over(struct listing *listing)
{
	map_free(listing->entries);
	listing->entries = map_new(listing->arena);
	listing->refused = 0;
}

/* From the most that is offered down to LIST of RFC 3501. A refusal other than BAD is an error: never an empty list. */
static int ask(struct listing *listing, unsigned want, struct err *err)
{
	struct imap *imap = listing->store->imap;

	while (imap_has(imap, IMAP_CAP_LIST_EXTENDED)) {
		struct err local = ERR_INIT;

		if (ask_extended(listing, want, &local) == 0)
			return 0;
		if (local.scope >= ERR_CONN || local.kind != ERR_KIND_UNSUPPORTED) {
			if (err != NULL)
				*err = local;
			return -1;
		}
		imap_give_up(imap,
			listing->status_in_list ? IMAP_CAP_LIST_STATUS : IMAP_CAP_LIST_EXTENDED);
		start_over(listing);
	}
	return ask_plain(listing, err);
}

/* ---- from the server's names to people's ---- */

static int compare_names(const void *a, const void *b)
{
	const struct mailbox_info *x = a, *y = b;

	return strcmp(x->name, y->name);
}

/* A name that mailbox_server() would not lead back to is remembered as it is. */
static void keep_odd(struct listing *listing, const struct mailbox_info *info)
{
	struct store_imap *store = listing->store;
	bool changed;
	char *raw;

	if (mailbox_server(&store->style, info->name, listing->arena, &raw, &changed, NULL) == 0 &&
		span_equal(imap_name_key(span_of(raw)), imap_name_key(span_of(info->raw))))
		return;
	if (store->names.odd == NULL)
		store->names.odd = map_new(store->arena);
	map_set(store->names.odd, span_of(info->name), arena_strdup(store->arena, info->raw));
}

static void add_mailbox(struct listing *listing, const struct entry *entry, struct map *seen,
	struct mailbox_list *out)
{
	struct mailbox_info info = entry->info;
	const struct span raw = span_of(info.raw);

	if (!entry->listed)
		return;
	if (imap_names_foreign(listing->store, raw, info.noselect)) {
		listing->foreign++;
		return;
	}
	info.name = mailbox_display(&listing->store->style, raw, listing->arena);
	if (map_has(seen, span_of(info.name))) {
		refuse(listing, raw,
			"another mailbox has the same name but for the namespace's prefix");
		return;
	}
	map_set(seen, span_of(info.name), listing);
	out->mailbox[out->count++] = info;
}

/* INBOX is there whether LIST shows it or not (RFC 3501 §5.1). */
static void add_inbox(struct listing *listing, const struct map *seen, struct mailbox_list *out)
{
	if (map_has(seen, SPAN("INBOX")))
		return;
	out->inbox_unseen = true;
	log_debug("%s: LIST does not show INBOX", account_name(listing->store->store.account));
	out->mailbox[out->count++] = (struct mailbox_info){
		.name = arena_strdup(listing->arena, "INBOX"),
		.raw = arena_strdup(listing->arena, "INBOX"),
	};
}

static void mark_parents(struct listing *listing, struct mailbox_list *out)
{
	struct map *by_name = map_new(listing->arena);

	for (size_t i = 0; i < out->count; i++)
		map_set(by_name, span_of(out->mailbox[i].name), &out->mailbox[i]);
	for (size_t i = 0; i < out->count; i++) {
		const char *name = out->mailbox[i].name;
		const char *end = strrchr(name, '/');
		struct mailbox_info *parent = NULL;

		if (end != NULL)
			parent = map_find(by_name, span_make(name, (size_t)(end - name)));
		if (parent != NULL)
			parent->has_children = true;
	}
	map_free(by_name);
}

static void translate(struct listing *listing, struct mailbox_list *out)
{
	const size_t count = map_count(listing->entries);
	struct map *seen = map_new(listing->arena);

	*out = (struct mailbox_list){
		.mailbox = arena_array(listing->arena, count + 1, sizeof(*out->mailbox)),
		.delimiter = listing->store->style.delimiter,
	};
	for (size_t i = 0; i < count; i++)
		add_mailbox(listing, map_value(listing->entries, i), seen, out);
	add_inbox(listing, seen, out);
	map_free(seen);
	qsort(out->mailbox, out->count, sizeof(*out->mailbox), compare_names);
	for (size_t i = 0; i < out->count; i++)
		keep_odd(listing, &out->mailbox[i]);
	mark_parents(listing, out);
	out->refused = listing->refused;
	out->foreign = listing->foreign;
	out->subscriptions_unknown = listing->subscriptions_unknown;
	if (out->foreign > 0)
		log_info("%s: %zu mailboxes of other users or shared ones are left out",
			account_name(listing->store->store.account), out->foreign);
}

static int list_all(
	struct listing *listing, unsigned want, struct mailbox_list *out, struct err *err)
{
	if (ask(listing, want, err) < 0)
		return -1;
	if (imap_names_settle(listing->store, err) < 0)
		return -1;
	translate(listing, out);
	if (want & STORE_LIST_STATUS)
		return imap_status_ask(listing->store, want, listing->arena, out, err);
	return 0;
}

int imap_store_list(struct store *base, unsigned want, struct arena *arena,
	struct mailbox_list *out, struct err *err)
{
	struct listing listing = {
		.store = store_imap_of(base), .arena = arena, .entries = map_new(arena)
	};
	struct mailbox_list list;
	int rc;

	rc = list_all(&listing, want, &list, err);
	map_free(listing.entries);
	if (rc < 0) {
		if (err != NULL && err->scope < ERR_CONN)
			err_rescope(
				err, ERR_ACCOUNT); /* without the list nothing can be done here */
		return err_wrap(err, "cannot list the mailboxes");
	}
	*out = list;
	return 0;
}
