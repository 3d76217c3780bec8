/* UID SEARCH, with ESEARCH (RFC 4731) where offered, since its answer is a set and not a list; and ESEARCH over many mailboxes (RFC 7377). */
#include "store/store_imap_parts.h"

#include "base/buf.h"
#include "base/log.h"
#include "base/map.h"

struct found {
	struct arena *arena;
	struct uidset *out;
	bool answered; /* an ESEARCH came */
	bool numbers; /* it had no UID: these may be sequence numbers */
};

static void note_found(struct found *found, const struct imap_event *event)
{
	const struct uidset *set = &event->search.set;

	if (event->type != IMAP_SEARCH)
		return;
	if (event->search.esearch) {
		found->answered = true;
		if (!event->search.uid) {
			found->numbers = true;
			return;
		}
	}
	for (size_t i = 0; i < set->count; i++)
		uidset_add(found->out, found->arena, set->range[i].first, set->range[i].last);
}

/* An ESEARCH must come even if it is empty (RFC 4731 §3.1), SEARCH need not be believed to. */
static bool is_useless(const struct found *found, bool extended)
{
	return extended && (!found->answered || found->numbers);
}

static int run_set(struct set_run *run, struct found *found, struct err *err)
{
	const struct imap_event *event;
	int rc;

	while ((rc = set_run_next(run, &event, err)) > 0)
		note_found(found, event);
	if (rc == 0 && run->refused) {
		if (err != NULL)
			*err = run->refusal;
		return -1;
	}
	return rc;
}

/* Whether the extended form is to blame and the plain one is worth a try. */
static bool fall_back(
	struct imap *imap, bool extended, int rc, const struct found *found, const struct err *err)
{
	if (!extended)
		return false;
	if (rc < 0 ? err->scope >= ERR_CONN || err->kind != ERR_KIND_UNSUPPORTED
		   : !is_useless(found, true))
		return false;
	imap_give_up(imap, IMAP_CAP_ESEARCH);
	return true;
}

int imap_search_set(struct imap *imap, const struct uidset *set, struct arena *arena,
	struct uidset *out, struct err *err)
{
	for (;;) {
		const bool extended = imap_has(imap, IMAP_CAP_ESEARCH);
		struct uidset uids = { 0 };
		struct found found = { .arena = arena, .out = &uids };
		struct err local = ERR_INIT;
		struct set_run run = {
			.imap = imap,
			.verb = extended ? "UID SEARCH RETURN (ALL) UID" : "UID SEARCH UID",
			.set = set,
			.tail = "",
		};
		const int rc = run_set(&run, &found, &local);

		if (fall_back(imap, extended, rc, &found, &local))
			continue;
		if (rc < 0) {
			if (err != NULL)
				*err = local;
			return -1;
		}
		*out = uids;
		return 0;
	}
}

/* ---- a user's expression ---- */

static bool is_ascii(struct span text)
{
	for (size_t i = 0; i < text.len; i++) {
		if ((unsigned char)text.data[i] >= 0x80)
			return false;
	}
	return true;
}

/* The length of the word or quoted string at the front; its value, unquoted, in `value`. */
static size_t take_word(struct span text, struct buf *value)
{
	size_t at = 0;

	buf_clear(value);
	if (text.data[0] != '"') {
		while (at < text.len && strchr(" ()", text.data[at]) == NULL)
			at++;
		(void)!buf_add(value, span_sub(text, 0, at));
		return at;
	}
	for (at = 1; at < text.len && text.data[at] != '"'; at++) {
		if (text.data[at] == '\\' && at + 1 < text.len)
			at++;
		(void)!buf_add_char(value, text.data[at]);
	}
	return at < text.len ? at + 1 : at;
}

/* A blank comes in front, but for a parenthesis that closes behind a literal. */
static void flush_plain(struct imap_command *command, struct buf *plain, struct arena *arena)
{
	const struct span text = span_trim(buf_span(plain));

	if (text.len > 0 && text.data[0] == ')')
		command->broken |= buf_add(&command->bytes, text) < 0;
	else if (text.len > 0)
		imap_command_raw(command, arena_text(arena, text));
	buf_clear(plain);
}

/*
 * Adds the expression as it is, but for words beyond ASCII: these become literals, for a quoted string cannot hold them
 * (RFC 3501 §9 QUOTED-CHAR).
 */
static void add_expression(struct imap_command *command, struct span text, struct arena *arena)
{
	struct buf plain, value;

	buf_init(&plain, text.len + 1);
	buf_init(&value, text.len + 1);
	while (text.len > 0) {
		size_t len = 1;

		if (text.data[0] != ' ' && text.data[0] != '(' && text.data[0] != ')')
			len = take_word(text, &value);
		if (is_ascii(span_sub(text, 0, len))) {
			(void)!buf_add(&plain, span_sub(text, 0, len));
		} else {
			flush_plain(command, &plain, arena);
			imap_command_string(command, buf_span(&value));
		}
		text = span_from(text, len);
	}
	flush_plain(command, &plain, arena);
	buf_release(&plain);
	buf_release(&value);
}

static void add_criteria(struct imap *imap, struct imap_command *command, const char *expression,
	struct arena *arena)
{
	if (is_ascii(span_of(expression))) {
		imap_command_raw(command, expression);
		return;
	}
	if (!imap_utf8(imap)) /* RFC 6855 §3: no CHARSET once UTF8=ACCEPT is on */
		imap_command_raw(command, "CHARSET UTF-8");
	add_expression(command, span_of(expression), arena);
}

static int search_once(struct imap *imap, const char *expression, bool extended,
	struct found *found, struct err *err)
{
	const struct imap_event *event;
	struct imap_command command;
	uint32_t tag;
	int rc;

	imap_command_init(&command, extended ? "UID SEARCH RETURN (ALL)" : "UID SEARCH");
	add_criteria(imap, &command, expression, found->arena);
	tag = imap_submit(imap, &command, err);
	if (tag == 0)
		return -1;
	while ((rc = imap_until(imap, tag, &event, err)) > 0)
		note_found(found, event);
	return rc;
}

int imap_box_search(struct box *base, const char *expression, struct arena *arena,
	struct uidset *out, struct uidset *unknown, struct err *err)
{
	struct imap *imap = store_imap_of(base->store)->imap;

	(void)unknown; /* a server that answers has looked at all */
	if (imap_box_refresh(box_imap_of(base), err) < 0)
		return -1;
	for (;;) {
		const bool extended = imap_has(imap, IMAP_CAP_ESEARCH);
		struct uidset uids = { 0 };
		struct found found = { .arena = arena, .out = &uids };
		struct err local = ERR_INIT;
		const int rc = search_once(imap, expression, extended, &found, &local);

		if (fall_back(imap, extended, rc, &found, &local))
			continue;
		if (rc < 0) {
			if (err != NULL)
				*err = local;
			return err_wrap(err, "mailbox %s: search", base->name);
		}
		box_imap_of(base)->box.facts.messages = imap_selected(imap)->exists;
		*out = uids;
		return 0;
	}
}

/* ---- many mailboxes at once ---- */

struct finding {
	struct imap *imap;
	const char *expression;
	const struct mailbox_info *const *mailbox;
	size_t count, next;
	struct arena *arena;
	struct map *by_raw; /* server form → its place in `found` */
	bool *found;
	bool useless; /* an answer came that cannot be relied on */
};

/* In these, servers may find something else when they search many mailboxes (RFC 7377 §2.3): they are searched one by one. */
static bool is_fuzzy(const char *expression, struct arena *arena)
{
	static const char *const keys[] = { "BODY", "TEXT", "FUZZY" };
	struct span text = arena_span(arena, span_of(expression));
	bool fuzzy = false;
	struct buf value;

	buf_init(&value, text.len + 1);
	while (text.len > 0 && !fuzzy) {
		size_t len = 1;

		if (!strchr(" ()", text.data[0]))
			len = take_word(text, &value);
		for (size_t i = 0; i < countof(keys); i++)
			fuzzy |= span_equal_nocase(span_sub(text, 0, len), span_of(keys[i]));
		text = span_from(text, len);
	}
	buf_release(&value);
	return fuzzy;
}

/*
 * Mailboxes that may not be read are passed over in silence (RFC 7377 §2.2): only those are asked about whose STATUS was answered, which takes the same right
 * (RFC 4314 §4).
 */
static bool can_ask(const struct finding *finding, const struct mailbox_info *info)
{
	if (!(info->has & IMAP_STATUS_MESSAGES))
		return false;
	for (const char *at = info->raw; *at; at++) {
		const unsigned char byte = (unsigned char)*at;

		if (byte < ' ' || byte == '"' || byte == '\\' || byte == 0x7f ||
			(byte >= 0x80 && !imap_utf8(finding->imap)))
			return false;
	}
	return true;
}

/* As many names as a line takes; false = none was left. */
static bool take_names(struct finding *finding, struct buf *names)
{
	const size_t room = imap_line_max(finding->imap) / 2;

	for (; finding->next < finding->count && names->len < room; finding->next++) {
		const struct mailbox_info *info = finding->mailbox[finding->next];

		if (!can_ask(finding, info))
			continue;
		finding->found[finding->next] = false;
		map_set(finding->by_raw, imap_name_key(span_of(info->raw)),
			&finding->found[finding->next]);
		if (buf_print(names, "%s\"%s\"", names->len > 0 ? " " : "", info->raw) < 0)
			finding->useless = true;
	}
	return names->len > 0;
}

static void note_hit(struct finding *finding, uint32_t tag, const struct imap_event *event)
{
	bool *found;

	/* A search that was cut short (RFC 7377 §2.4). */
	finding->useless |= event->code.type == IMAP_CODE_LIMIT;
	if (event->type != IMAP_SEARCH || !event->search.esearch || event->search.tag != tag)
		return;
	found = event->search.mailbox.data
			? map_find(finding->by_raw, imap_name_key(event->search.mailbox))
			: NULL;
	finding->useless |= !found;
	if (found)
		*found = true;
}

static int find_some(struct finding *finding, const char *names, struct err *err)
{
	const struct imap_event *event = NULL;
	struct imap_command command;
	uint32_t tag;
	int rc;

	imap_command_init(&command, "ESEARCH IN (mailboxes (");
	(void)!buf_add(&command.bytes, span_of(names));
	(void)!buf_add(&command.bytes, SPAN("))"));
	imap_command_raw(&command, "RETURN (COUNT)");
	add_criteria(finding->imap, &command, finding->expression, finding->arena);
	tag = imap_submit(finding->imap, &command, err);
	if (tag == 0)
		return -1;
	while ((rc = imap_until(finding->imap, tag, &event, err)) > 0)
		note_hit(finding, tag, event);
	if (rc == 0 && event)
		note_hit(finding, tag, event);
	return rc;
}

static int find_all(struct finding *finding, struct err *err)
{
	struct buf names;
	int rc = 0;

	buf_init(&names, IMAP_COMMAND_MAX);
	while (rc == 0 && !finding->useless && take_names(finding, &names)) {
		rc = find_some(finding, buf_text(&names), err);
		buf_clear(&names);
	}
	buf_release(&names);
	return rc;
}

int imap_store_find(struct store *base, const char *expression,
	const struct mailbox_info *const *mailbox, size_t count, bool *found_out, struct err *err)
{
	struct finding finding = { .imap = store_imap_of(base)->imap,
		.expression = expression,
		.mailbox = mailbox,
		.count = count,
		.arena = arena_new(),
		.found = found_out };
	struct err local = ERR_INIT;
	int rc = 0;

	memset(found_out, true, count * sizeof(*found_out));
	finding.by_raw = map_new(finding.arena);
	if (imap_offers(finding.imap, "MULTISEARCH") && !is_fuzzy(expression, finding.arena))
		rc = find_all(&finding, &local);
	if (rc < 0 || finding.useless)
		memset(found_out, true, count * sizeof(*found_out));
	if (rc < 0 && local.scope < ERR_CONN)
		log_debug("ESEARCH over many mailboxes: %s", local.text);
	map_free(finding.by_raw);
	arena_free(finding.arena);
	if (rc == 0 || local.scope < ERR_CONN)
		return 0;
	*err = local;
	return -1;
}
