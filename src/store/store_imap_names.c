/* Namespace, prefix and delimiter of an IMAP server (RFC 2342), and names to and fro. */
#include "store/store_imap_parts.h"

#include "base/map.h"
#include "base/text.h"

static uint32_t ask_delimiter(struct store_imap *store, struct err *err)
{
	store->names.asked_namespace = false;
	return imap_sendf(store->imap, err,
		"LIST \"\" \"\""); /* RFC 3501 §6.3.8: the delimiter and nothing else */
}

int imap_names_ask(struct store_imap *store, struct err *err)
{
	struct imap_names *names = &store->names;

	if (imap_has(store->imap, IMAP_CAP_NAMESPACE)) {
		names->asked_namespace = true;
		names->tag = imap_sendf(store->imap, err, "NAMESPACE");
	} else {
		names->tag = ask_delimiter(store, err);
	}
	return names->tag != 0 ? 0 : -1;
}

static char *prefix_of(struct store_imap *store, struct span prefix)
{
	return prefix.data != NULL ? arena_text(store->arena, prefix) : NULL;
}

void imap_names_note(struct store_imap *store, const struct imap_event *event)
{
	struct imap_names *names = &store->names;

	if (names->known)
		return;
	if (event->type == IMAP_NAMESPACE && !names->has_namespace) {
		const struct imap_namespace *told = &event->namespace_;

		names->has_namespace = true;
		names->personal = prefix_of(store, told->personal);
		names->other = prefix_of(store, told->other);
		names->shared = prefix_of(store, told->shared);
		if (names->personal != NULL) {
			names->has_delimiter = true;
			names->delimiter = told->personal_delimiter;
		}
	}
	if (event->type == IMAP_LIST && event->list.name.len == 0 && !names->has_delimiter) {
		names->has_delimiter = true;
		names->delimiter = event->list.delimiter;
	}
}

static int wait_for(struct store_imap *store, uint32_t tag, struct err *err)
{
	const struct imap_event *event;
	int rc;

	while ((rc = imap_until(store->imap, tag, &event, err)) > 0)
		imap_names_note(store, event);
	return rc;
}

/* The server's prefix, or the one that the account names instead. */
static const char *choose_prefix(struct store_imap *store)
{
	const char *wanted = account_get(store->store.account, ACCOUNT_NAMESPACE);
	const char delimiter = store->names.delimiter;
	size_t len;

	if (wanted == NULL)
		return store->names.personal != NULL ? store->names.personal : "";
	len = strlen(wanted);
	if (len == 0 || strcmp(wanted, "none") == 0)
		return "";
	if (delimiter != '\0' && wanted[len - 1] != delimiter)
		return arena_print(store->arena, "%s%c", wanted, delimiter);
	return arena_strdup(store->arena, wanted);
}

/* What NAMESPACE left open LIST "" "" tells. */
static int complete(struct store_imap *store, struct err *err)
{
	struct imap_names *names = &store->names;

	if (!names->has_delimiter && names->asked_namespace) {
		const uint32_t tag = ask_delimiter(store, err);

		if (tag == 0 || wait_for(store, tag, err) < 0)
			return -1;
	}
	store->style = (struct mailbox_style){
		.delimiter =
			names->delimiter, /* 0 if never told: names are made flat then, which is safe everywhere */
		.utf8 = imap_utf8(store->imap),
		.prefix = choose_prefix(store),
	};
	names->known = true;
	return 0;
}

int imap_names_settle(struct store_imap *store, struct err *err)
{
	struct imap_names *names = &store->names;
	struct err local = ERR_INIT;
	int rc;

	if (names->known)
		return 0;
	rc = names->tag != 0 ? wait_for(store, names->tag, &local) : imap_names_ask(store, &local);
	if (rc == 0 && names->tag != 0)
		rc = wait_for(store, names->tag, &local);
	if (rc < 0 && local.scope < ERR_CONN && names->asked_namespace) {
		imap_give_up(store->imap, IMAP_CAP_NAMESPACE);
		rc = 0;
	}
	if (rc == 0)
		rc = complete(store, &local);
	if (rc < 0) {
		names->tag = 0;
		err_wrap(&local, "cannot learn how mailboxes are named");
		if (err != NULL)
			*err = local;
	}
	return rc;
}

static const char *find_given(const struct mailbox_list *list, const char *display)
{
	size_t low = 0, high = list != NULL ? list->count : 0;

	while (low < high) {
		const size_t mid = low + (high - low) / 2;
		const int order = strcmp(list->mailbox[mid].name, display);

		if (order == 0)
			return list->mailbox[mid].raw;
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

int imap_names_raw(struct store_imap *store, const char *display, struct arena *arena,
	char **raw_out, bool *changed_out, struct err *err)
{
	const char *raw;

	if (imap_names_settle(store, err) < 0)
		return -1;
	raw = store->names.escaped != NULL ? map_find(store->names.escaped, span_of(display))
					   : NULL;
	if (raw != NULL) {
		*raw_out = arena_strdup(arena, raw);
		*changed_out = true;
		return 0;
	}
	raw = store->names.odd != NULL ? map_find(store->names.odd, span_of(display)) : NULL;
	if (raw == NULL)
		raw = find_given(store->given, display);
	if (raw != NULL) {
		*raw_out = arena_strdup(arena, raw);
		*changed_out = false;
		return 0;
	}
	if (mailbox_server(&store->style, display, arena, raw_out, changed_out, err) < 0)
		return err_wrap(err, "mailbox %s", text_harmless_copy(arena, span_of(display)));
	return 0;
}

/* As bytes, but for the name INBOX in front (RFC 3501 §5.1). */
static bool starts_with(struct span raw, struct span prefix)
{
	const size_t any_case = span_starts_nocase(prefix, SPAN("INBOX")) ? 5 : 0;

	return span_starts_nocase(raw, span_sub(prefix, 0, any_case)) &&
	       span_starts(span_from(raw, any_case), span_from(prefix, any_case));
}

/* How many octets of the name this prefix covers, or -1. The root of a namespace is its prefix without the delimiter. */
static int covers(const char *prefix, char delimiter, struct span raw, bool root)
{
	struct span want = span_of(prefix);

	if (prefix == NULL)
		return -1;
	if (starts_with(raw, want))
		return (int)want.len;
	if (root && want.len > 1 && prefix[want.len - 1] == delimiter &&
		span_equal(raw, span_sub(want, 0, want.len - 1)))
		return (int)want.len;
	return -1;
}

bool imap_names_foreign(const struct store_imap *store, struct span raw, bool noselect)
{
	const struct imap_names *names = &store->names;
	const char delimiter = store->style.delimiter;
	const int own = covers(store->style.prefix, delimiter, raw, true);
	const int other = covers(names->other, delimiter, raw, noselect);
	const int shared = covers(names->shared, delimiter, raw, noselect);

	if (span_equal_nocase(raw, SPAN("INBOX")))
		return false;
	return other > own ||
	       shared > own; /* the longest prefix counts, and its owner when two are equal */
}
