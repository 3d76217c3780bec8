/* Mailbox and server data but FETCH: LIST, STATUS, NAMESPACE, QUOTA, SEARCH, ESEARCH, VANISHED. */
#include "imap/imap_response_parts.h"

#include "base/arena.h"
#include "base/buf.h"

#include <stddef.h>

/* --- LIST --- */

/*
 * mailbox = "INBOX" / astring (RFC 3501 §9). Servers that do not quote names with blanks in them are read up to the line's end, or up to
 * the list that follows: then `list` says where it may begin.
 */
static bool read_mailbox(struct imap_cursor *c, bool list, struct span *out)
{
	const bool quoted = imap_peek(c) == '"';
	const char *start = c->at;

	if (!imap_read_astring(c, out))
		return false;
	imap_skip_blanks(c);
	if (quoted || out->data != start || imap_at_end(c) || (list && imap_peek(c) == '('))
		return true;

	struct span name = span_make(start, (size_t)(c->end - start));
	const char *open = list ? memrchr(start, '(', name.len) : NULL;
	if (open)
		name.len = (size_t)(open - start);
	c->at = start + name.len;
	while (name.len > 0 && name.data[name.len - 1] == ' ')
		name.len--;
	*out = name;
	return true;
}

/* (DQUOTE QUOTED-CHAR DQUOTE / nil); Domino's backslash comes unescaped: "\" */
static bool read_delimiter(struct imap_cursor *c, char *out)
{
	struct span text;

	if (span_starts(imap_rest(c), SPAN("\"\\\" "))) {
		c->at += 3;
		*out = '\\';
		return true;
	}
	if (!imap_read_string(c, &text))
		return false;
	*out = text.len > 0 ? text.data[0] : '\0';
	return true;
}

/* mbox-list-extended = "(" [tag SP value *(SP tag SP value)] ")" (RFC 5258 §6): of which CHILDINFO is wanted */
static void read_list_extended(struct imap_cursor *c, struct imap_list *out)
{
	struct imap_words words;
	struct span tag;

	if (!imap_skip_char(c, '('))
		return;
	for (;;) {
		imap_skip_blanks(c);
		if (!imap_read_string(c, &tag))
			return;
		imap_skip_blanks(c);
		if (!span_equal_nocase(tag, SPAN("CHILDINFO"))) {
			if (!imap_skip_value(c))
				return;
			continue;
		}
		if (!imap_read_list(c, &words))
			return;
		for (size_t i = 0; i < words.count; i++)
			out->child_info_subscribed |=
				span_equal_nocase(words.word[i], SPAN("SUBSCRIBED"));
	}
}

/* mailbox-list = "(" [mbx-list-flags] ")" SP delimiter SP mailbox [SP mbox-list-extended] */
bool imap_read_list_response(struct imap_cursor *c, struct imap_event *out)
{
	struct imap_list *list = &out->list;

	if (!imap_read_list(c, &list->attributes))
		return false;
	imap_skip_blanks(c);
	if (!read_delimiter(c, &list->delimiter))
		return false;
	imap_skip_blanks(c);
	const char *start = c->at;
	if (!read_mailbox(c, false, &list->name))
		return false;
	/* An unquoted name took everything; the extended data begins with the first list in it. */
	if (list->name.data == start) {
		const char *open = memmem(start, list->name.len, " (", 2);

		if (open && list->name.data[list->name.len - 1] == ')') {
			list->name.len = (size_t)(open - start);
			c->at = open + 1;
		}
	}
	read_list_extended(c, list);
	return true;
}

bool imap_read_lsub_response(struct imap_cursor *c, struct imap_event *out)
{
	out->list.lsub = true;
	return imap_read_list_response(c, out);
}

/* --- STATUS --- */

enum width { WIDTH_32, WIDTH_64, WIDTH_MODSEQ, WIDTH_ID };

#define ITEM(name, bit, field, width)                                         \
	{                                                                     \
		name, bit, width, offsetof(struct imap_mailbox_status, field) \
	}

static const struct {
	const char *name;
	enum imap_status_item bit;
	enum width width;
	size_t offset;
} status_items[] = {
	ITEM("MESSAGES", IMAP_STATUS_MESSAGES, messages, WIDTH_32),
	ITEM("RECENT", IMAP_STATUS_RECENT, recent, WIDTH_32),
	ITEM("UNSEEN", IMAP_STATUS_UNSEEN, unseen, WIDTH_32),
	ITEM("UIDNEXT", IMAP_STATUS_UIDNEXT, uidnext, WIDTH_32),
	ITEM("UIDVALIDITY", IMAP_STATUS_UIDVALIDITY, uidvalidity, WIDTH_32),
	ITEM("DELETED", IMAP_STATUS_DELETED, deleted, WIDTH_32),
	ITEM("HIGHESTMODSEQ", IMAP_STATUS_HIGHESTMODSEQ, highestmodseq, WIDTH_MODSEQ),
	ITEM("SIZE", IMAP_STATUS_SIZE, size, WIDTH_64),
	ITEM("APPENDLIMIT", IMAP_STATUS_APPENDLIMIT, appendlimit, WIDTH_64),
	ITEM("MAILBOXID", IMAP_STATUS_MAILBOXID, mailboxid, WIDTH_ID),
};

/* Reads a value; true when it is there and makes sense. A value that does not is passed. */
static bool read_status_value(struct imap_cursor *c, enum width width, void *field)
{
	const bool list = imap_skip_char(c, '(');
	bool valid = false;

	imap_skip_blanks(c);
	if (imap_peek(c) == ')') {
		c->at += list;
		return false;
	}
	switch (width) {
	case WIDTH_32:
		valid = imap_read_number32(c, field);
		break;
	case WIDTH_64:
		valid = imap_read_number(c, field);
		break;
	case WIDTH_MODSEQ:
		*(uint64_t *)field = imap_read_modseq(c);
		valid = true;
		break;
	case WIDTH_ID:
		valid = imap_read_string(c, field) && ((struct span *)field)->data;
		break;
	}
	if (list)
		valid = imap_skip_list_rest(c) && valid;
	return valid;
}

static void read_status_item(
	struct imap_cursor *c, struct span name, struct imap_mailbox_status *out)
{
	for (size_t i = 0; i < countof(status_items); i++) {
		if (!span_equal_nocase(name, span_of(status_items[i].name)))
			continue;
		if (read_status_value(
			    c, status_items[i].width, (char *)out + status_items[i].offset))
			out->has |= status_items[i].bit;
		return;
	}
	if (!imap_skip_value(c))
		imap_skip_blanks(c);
}

/* mailbox-data = "STATUS" SP mailbox SP "(" [status-att-list] ")" */
bool imap_read_mailbox_status(struct imap_cursor *c, struct imap_event *out)
{
	if (!read_mailbox(c, true, &out->mailbox.name))
		return false;
	imap_skip_blanks(c);
	imap_skip_char(c, '(');
	for (;;) {
		imap_skip_blanks(c);
		const struct span name = imap_read_word(c);
		if (name.len == 0)
			return true;
		imap_skip_blanks(c);
		read_status_item(c, name, &out->mailbox);
	}
}

/* --- NAMESPACE --- */

/* namespace = nil / "(" 1*namespace-descr ")"; namespace-descr = "(" string SP delimiter [extensions] ")" (RFC 2342 §6) */
static bool read_namespace(struct imap_cursor *c, struct span *prefix_out, char *delimiter_out)
{
	struct span prefix;
	char delimiter;

	imap_skip_blanks(c);
	if (imap_at_end(c))
		return true;
	if (!imap_skip_char(c, '('))
		return imap_read_string(c, &prefix) && !prefix.data;
	imap_skip_blanks(c);
	if (imap_skip_char(c, '(')) {
		imap_skip_blanks(c);
		if (!imap_read_string(c, &prefix))
			return false;
		imap_skip_blanks(c);
		if (!read_delimiter(c, &delimiter) || !imap_skip_list_rest(c))
			return false;
		*prefix_out = prefix.data ? prefix : SPAN("");
		*delimiter_out = delimiter;
	}
	return imap_skip_list_rest(c);
}

bool imap_read_namespace(struct imap_cursor *c, struct imap_event *out)
{
	struct imap_namespace *space = &out->namespace_;

	return !imap_at_end(c) && read_namespace(c, &space->personal, &space->personal_delimiter) &&
	       read_namespace(c, &space->other, &space->other_delimiter) &&
	       read_namespace(c, &space->shared, &space->shared_delimiter);
}

/* --- QUOTA --- */

/* quota-response = "QUOTA" SP quota-root SP "(" [resource SP usage SP limit …] ")" (RFC 9208 §7) */
bool imap_read_quota(struct imap_cursor *c, struct imap_event *out)
{
	struct imap_quota *quota = &out->quota;
	struct span name;
	uint64_t usage, limit;

	if (!imap_read_string(c, &quota->root))
		return false;
	imap_skip_blanks(c);
	imap_skip_char(c, '(');
	while (quota->count < countof(quota->item)) {
		imap_skip_blanks(c);
		if (!imap_read_astring(c, &name))
			break;
		imap_skip_blanks(c);
		const bool used = imap_read_number(c, &usage);
		imap_skip_blanks(c);
		if (!imap_read_number(c, &limit) || !used)
			continue;
		quota->item[quota->count].name = name;
		quota->item[quota->count].usage = usage;
		quota->item[quota->count].limit = limit;
		quota->count++;
	}
	return true;
}

/* --- SEARCH --- */

/* "MODSEQ 917162500)" behind "(" (RFC 7162 §3.1.5) */
static void read_search_modseq(struct imap_cursor *c, uint64_t *out)
{
	imap_skip_blanks(c);
	if (!span_equal_nocase(imap_read_word(c), SPAN("MODSEQ")))
		return;
	imap_skip_blanks(c);
	*out = imap_read_modseq(c);
}

/*
 * Numbers that do not ascend, from `rest` on, into a set that has those before: as text for uidset_parse(), which sorts once, for
 * inserting one by one takes a hostile server's word for quadratic work.
 */
static bool read_unsorted(struct imap_cursor *c, struct uidset *set)
{
	struct buf text;
	struct span word;
	size_t next = 0;
	bool valid = true;

	buf_init(&text, 2 * IMAP_LINE_MAX);
	if (set->count > 0 && !uidset_print(set, &next, SIZE_MAX, &text))
		valid = false;
	for (; valid; imap_skip_blanks(c)) {
		uint32_t number;

		if (imap_at_end(c) || imap_peek(c) == '(' || !imap_read_atom(c, &word))
			break;
		if (word.data[0] < '0' || word.data[0] > '9')
			continue;
		valid = span_u32(word, &number);
		if (valid && number != 0)
			valid = buf_print(&text, text.len > 0 ? ",%u" : "%u", number) == 0;
	}
	valid = valid && uidset_parse(buf_span(&text), c->arena, set) == 0;
	buf_release(&text);
	return valid;
}

/* "SEARCH" *(SP nz-number) [SP "(" "MODSEQ" SP mod-sequence-value ")"]; words that are no numbers are passed over */
bool imap_read_search(struct imap_cursor *c, struct imap_event *out)
{
	struct imap_search *search = &out->search;
	struct span word;

	for (;; imap_skip_blanks(c)) {
		const char *start = c->at;
		uint32_t number;

		if (imap_skip_char(c, '(')) {
			read_search_modseq(c, &search->modseq);
			return true;
		}
		if (!imap_read_atom(c, &word))
			return true;
		if (word.data[0] < '0' || word.data[0] > '9')
			continue;
		if (!span_u32(word, &number))
			return false;
		if (number == 0)
			continue;
		if (search->set.count > 0 &&
			number < search->set.range[search->set.count - 1].last) {
			c->at = start;
			if (!read_unsorted(c, &search->set))
				return false;
			continue;
		}
		uidset_add(&search->set, c->arena, number, number);
	}
}

/* search-correlator = SP "(" one-correlator *(SP one-correlator) ")": TAG, and with the ESEARCH command MAILBOX and UIDVALIDITY (RFC 7377 §4) */
static void read_correlators(struct imap_cursor *c, struct imap_search *out)
{
	struct imap_words words = { 0 };

	if (imap_peek(c) != '(' || !imap_read_list(c, &words))
		return;
	for (size_t i = 0; i + 1 < words.count; i += 2) {
		if (span_equal_nocase(words.word[i], SPAN("TAG")))
			out->tag = imap_tag_number(words.word[i + 1]);
		else if (span_equal_nocase(words.word[i], SPAN("MAILBOX")))
			out->mailbox = words.word[i + 1];
	}
}

static bool read_optional(struct imap_cursor *c, bool *has_out, uint32_t *out)
{
	const char next = imap_peek(c);

	if (next < '0' || next > '9')
		return true;
	*has_out = imap_read_number32(c, out);
	return *has_out;
}

/* One search-return-data (RFC 4731 §3.1): an answer without its value (iCloud) is none. */
static bool read_search_return(struct imap_cursor *c, struct span name, struct imap_search *out)
{
	struct span text;

	if (span_equal_nocase(name, SPAN("UID"))) {
		out->uid = true;
		return true;
	}
	if (span_equal_nocase(name, SPAN("COUNT")))
		return read_optional(c, &out->has_count, &out->count);
	if (span_equal_nocase(name, SPAN("MIN")))
		return read_optional(c, &out->has_min, &out->min);
	if (span_equal_nocase(name, SPAN("MAX")))
		return read_optional(c, &out->has_max, &out->max);
	if (span_equal_nocase(name, SPAN("MODSEQ"))) {
		out->modseq = imap_read_modseq(c);
		return true;
	}
	if (span_equal_nocase(name, SPAN("ALL")) && !imap_at_end(c))
		return imap_read_string(c, &text) &&
		       (!text.data || uidset_parse(text, c->arena, &out->set) == 0);
	return imap_skip_value(c) || imap_at_end(c);
}

/* esearch-response = "ESEARCH" [search-correlator] [SP "UID"] *(SP search-return-data) (RFC 4466 §2.6.2) */
bool imap_read_esearch(struct imap_cursor *c, struct imap_event *out)
{
	struct imap_search *search = &out->search;

	search->esearch = true;
	read_correlators(c, search);
	for (;;) {
		imap_skip_blanks(c);
		const struct span name = imap_read_word(c);
		if (name.len == 0)
			return imap_at_end(c);
		imap_skip_blanks(c);
		if (!read_search_return(c, name, search))
			return false;
	}
}

/* expunged-resp = "VANISHED" [SP "(EARLIER)"] SP known-uids (RFC 7162 §7) */
bool imap_read_vanished(struct imap_cursor *c, struct imap_event *out)
{
	struct imap_words words = { 0 };
	struct span text;

	if (imap_peek(c) == '(' && !imap_read_list(c, &words))
		return false;
	for (size_t i = 0; i < words.count; i++)
		out->search.earlier |= span_equal_nocase(words.word[i], SPAN("EARLIER"));
	out->search.uid = true;
	imap_skip_blanks(c);
	return imap_read_astring(c, &text) && uidset_parse(text, c->arena, &out->search.set) == 0;
}
