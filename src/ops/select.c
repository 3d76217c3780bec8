/* Which mailboxes and which messages: patterns, flags, dates, sizes, UIDs; the rest is one SEARCH expression. */
#include "ops/select.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/glob.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/must.h"
#include "base/regex.h"
#include "base/text.h"
#include "mail/header_field.h"
#include "mail/mailbox_name.h"
#include "ops/skip_ids.h"
#include "store/header_tap.h"

#define DAY_SECONDS INT64_C(86400)
#define SEARCH_MAX 65536 /* octets of the expression */

struct globs {
	const char **item;
	size_t count;
};

struct regexes {
	struct regex **item;
	size_t count;
};

struct select {
	struct arena *arena;
	const struct settings *settings;
	struct globs include, exclude;
	struct regexes include_regex, exclude_regex;
	struct uidset uids;
	char *search; /* NULL = nothing to ask the server */
};

static const char *const reason_names[SELECT_REASONS] = {
	[SELECT_YES] = "selected",
	[SELECT_DATE] = "date",
	[SELECT_FLAG] = "flag",
	[SELECT_DELETED] = "deleted",
	[SELECT_SIZE] = "size",
	[SELECT_UID] = "uid",
	[SELECT_SEARCH] = "search",
	[SELECT_ID] = "id",
	[SELECT_LIMIT] = "limit",
	[SELECT_EARLIER] = "earlier",
};

const char *select_reason_name(enum select_reason reason)
{
	return (size_t)reason < countof(reason_names) ? reason_names[reason] : "?";
}

static int usage(struct err *err, const char *option, const char *value, const char *problem)
{
	char shown[TEXT_SHOWN];

	text_shown(span_of(value), shown);
	return err_set_kind(
		err, ERR_LOCAL, ERR_KIND_USAGE, "%s \"%s\": %s", option, shown, problem);
}

/* Nobody means the set of these letters: Gmail's mailboxes are written as they are listed. */
static const char *literal_bracket(struct arena *arena, const char *pattern)
{
	static const char *const names[] = { "[Gmail]", "[Google Mail]" };

	for (size_t i = 0; i < countof(names); i++) {
		if (span_starts(span_of(pattern), span_of(names[i])))
			return arena_print(arena, "[[]%s", pattern + 1);
	}
	return pattern;
}

static int read_globs(struct select *select, const struct text_list *list, const char *option,
	struct globs *out, struct err *err)
{
	out->item = arena_array(select->arena, list->count + 1, sizeof(*out->item));
	for (size_t i = 0; i < list->count; i++) {
		struct span pattern = span_of(list->item[i]);

		if (pattern.len == 0 || pattern.len > MAILBOX_NAME_MAX)
			return usage(err, option, list->item[i],
				pattern.len == 0 ? "an empty pattern" : "too long");
		if (!utf8_valid(pattern))
			return usage(err, option, list->item[i], "not valid UTF-8");
		out->item[out->count++] = literal_bracket(select->arena, list->item[i]);
	}
	return 0;
}

static int read_regexes(struct select *select, const struct text_list *list, const char *option,
	struct regexes *out, struct err *err)
{
	out->item = arena_array(select->arena, list->count + 1, sizeof(*out->item));
	for (size_t i = 0; i < list->count; i++) {
		struct regex *regex = regex_new(list->item[i], err);

		if (regex == NULL)
			return err_wrap(err, "%s", option);
		out->item[out->count++] = regex;
	}
	return 0;
}

static int check_flags(const struct text_list *list, const char *option, struct err *err)
{
	struct flag_table *table = flag_table_new();
	int rc = 0;

	for (size_t i = 0; i < list->count && rc == 0; i++) {
		if (flags_count(table, flags_parse(table, span_of(list->item[i]))) != 1 ||
			strpbrk(list->item[i], " \t\r\n") != NULL)
			rc = usage(err, option, list->item[i],
				"not the name of one flag (write \\Flagged or a keyword)");
	}
	flag_table_free(table);
	return rc;
}

/* "…" with \" and \\ (RFC 3501 §9 quoted). Position behind it, or 0 when it never closes. */
static size_t skip_quoted(const char *text, size_t at)
{
	for (at++; text[at] != '\0'; at++) {
		if (text[at] == '"')
			return at + 1;
		if (text[at] == '\\' && text[++at] == '\0')
			return 0;
	}
	return 0;
}

/*
 * What would end the command, begin a literal or leave the server waiting for more. Anything else that is wrong with the expression
 * the server will say.
 */
static const char *search_problem(const char *text)
{
	size_t depth = 0;

	if (span_trim(span_of(text)).len == 0)
		return "empty";
	if (strlen(text) > SEARCH_MAX)
		return "too long";
	if (!utf8_valid(span_of(text)))
		return "not valid UTF-8";
	/* Inside quotes too: CR LF would begin a command of its own. */
	for (const char *c = text; *c != '\0'; c++) {
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return "control characters";
	}
	for (size_t at = 0; text[at] != '\0';) {
		char byte = text[at];

		if (byte == '"') {
			at = skip_quoted(text, at);
			if (at == 0)
				return "a quote that is not closed";
			continue;
		}
		if (byte == '{')
			return "a brace outside of quotes (it would begin a literal)";
		if (byte == '(')
			depth++;
		else if (byte == ')' && depth-- == 0)
			return "a parenthesis that was not opened";
		at++;
	}
	return depth > 0 ? "a parenthesis that is not closed" : NULL;
}

static int make_search(struct select *select, struct err *err)
{
	const struct settings *settings = select->settings;
	const char *problem = settings->search != NULL ? search_problem(settings->search) : NULL;
	struct span own = span_trim(span_of(settings->search));
	bool dates = settings->sent_since_day[0] != '\0' || settings->sent_before_day[0] != '\0';

	if (problem != NULL)
		return usage(err, "--search", settings->search, problem);
	if (!dates && own.len == 0)
		return 0;
	if (!dates) {
		select->search = arena_text(select->arena, own);
		return 0;
	}
	select->search = arena_print(select->arena, "%s%s%s%s%s%s%.*s%s",
		settings->sent_since_day[0] ? "SENTSINCE " : "", settings->sent_since_day,
		settings->sent_since_day[0] && settings->sent_before_day[0] ? " " : "",
		settings->sent_before_day[0] ? "SENTBEFORE " : "", settings->sent_before_day,
		own.len > 0 ? " (" : "", (int)own.len, own.len > 0 ? own.data : "",
		own.len > 0 ? ")" : "");
	return 0;
}

static int read_all(struct select *select, struct err *err)
{
	const struct settings *settings = select->settings;

	if (read_globs(select, &settings->mailboxes, "--mailbox", &select->include, err) < 0 ||
		read_globs(select, &settings->exclude, "--exclude", &select->exclude, err) < 0)
		return -1;
	if (read_regexes(select, &settings->include_regex, "--include-regex",
		    &select->include_regex, err) < 0 ||
		read_regexes(select, &settings->exclude_regex, "--exclude-regex",
			&select->exclude_regex, err) < 0)
		return -1;
	if (check_flags(&settings->with_flags, "--flag", err) < 0 ||
		check_flags(&settings->without_flags, "--no-flag", err) < 0)
		return -1;
	if (settings->seen && settings->unseen)
		return err_set_kind(
			err, ERR_LOCAL, ERR_KIND_USAGE, "--seen and --unseen exclude each other");
	if (settings->uid_set != NULL &&
		uidset_parse(span_of(settings->uid_set), select->arena, &select->uids) < 0)
		return usage(
			err, "--uid", settings->uid_set, "not a set of UIDs (write 1:5,7,9:*)");
	return make_search(select, err);
}

struct select *select_new(const struct settings *settings, struct err *err)
{
	struct select *select = mem_alloc(sizeof(*select));

	select->arena = arena_new();
	select->settings = settings;
	if (read_all(select, err) == 0)
		return select;
	select_free(select);
	return NULL;
}

static void free_regexes(struct regexes *regexes)
{
	for (size_t i = 0; i < regexes->count; i++)
		regex_free(regexes->item[i]);
}

void select_free(struct select *select)
{
	if (select == NULL)
		return;
	free_regexes(&select->include_regex);
	free_regexes(&select->exclude_regex);
	arena_free(select->arena);
	mem_free(select);
}

const char *select_search(const struct select *select)
{
	return select->search;
}

/* A pattern that is the name itself matches whatever brackets it holds; INBOX is INBOX in any case (RFC 3501 §5.1). */
static bool is_named(const struct text_list *list, const char *name)
{
	for (size_t i = 0; i < list->count; i++) {
		if (strcmp(list->item[i], name) == 0 ||
			(mailbox_is_inbox(name) && mailbox_is_inbox(list->item[i])))
			return true;
	}
	return false;
}

/* The first pattern that takes the name; count = none does. */
static size_t find_glob(const struct globs *globs, const struct text_list *list, const char *name)
{
	size_t at = 0;

	while (at < globs->count && !is_named(&(struct text_list){ &list->item[at], 1 }, name) &&
		!glob_match(globs->item[at], span_of(name)))
		at++;
	return at;
}

size_t select_rank(const struct select *select, const char *name)
{
	return find_glob(&select->include, &select->settings->mailboxes, name);
}

static bool matches(const struct globs *globs, const struct text_list *list,
	const struct regexes *regexes, const char *name)
{
	if (find_glob(globs, list, name) < globs->count)
		return true;
	for (size_t i = 0; i < regexes->count; i++) {
		if (regex_match(regexes->item[i], span_of(name)))
			return true;
	}
	return false;
}

bool select_mailbox(const struct select *select, const struct mailbox_info *mailbox, bool gmail)
{
	const struct settings *settings = select->settings;
	bool all = select->include.count == 0 && select->include_regex.count == 0;

	if (!all && !matches(&select->include, &settings->mailboxes, &select->include_regex,
			    mailbox->name))
		return false;
	if (matches(&select->exclude, &settings->exclude, &select->exclude_regex, mailbox->name))
		return false;
	if (settings->subscribed && !mailbox->subscribed)
		return false;
	/* Every message of Gmail is in All Mail; those with a label come with their label's mailbox. Who names it wants it. */
	if (gmail && mailbox->use == STORE_USE_ALL && !settings->all_mail)
		return is_named(&settings->mailboxes, mailbox->name);
	return true;
}

static bool can_be_opened(const struct mailbox_info *mailbox)
{
	return !mailbox->noselect && !mailbox->nonexistent;
}

static bool matches_any(const struct globs *globs, size_t at, const struct text_list *list,
	const struct mailbox_list *mailboxes)
{
	const struct text_list named = { &list->item[at], 1 };

	for (size_t i = 0; i < mailboxes->count; i++) {
		const char *name = mailboxes->mailbox[i].name;

		if (can_be_opened(&mailboxes->mailbox[i]) &&
			(is_named(&named, name) || glob_match(globs->item[at], span_of(name))))
			return true;
	}
	return false;
}

/* It can only mean one mailbox. */
static bool is_plain(const char *pattern)
{
	if (span_starts(span_of(pattern), SPAN("[[]")))
		pattern += strlen("[[]");
	return pattern[strcspn(pattern, "*?[")] == '\0';
}

void select_warn(const struct select *select, const struct mailbox_list *mailboxes)
{
	char shown[TEXT_SHOWN];

	for (size_t i = 0; i < select->include.count; i++) {
		if ((is_plain(select->include.item[i]) && !select->settings->mailboxes_optional) ||
			matches_any(&select->include, i, &select->settings->mailboxes, mailboxes))
			continue;
		text_shown(span_of(select->settings->mailboxes.item[i]), shown);
		log_warn("-m %s: there is no such mailbox", shown);
	}
}

static bool is_root_there(const char *root, const struct mailbox_list *mailboxes)
{
	for (size_t i = 0; i < mailboxes->count; i++)
		if (can_be_opened(&mailboxes->mailbox[i]) &&
			mailbox_below(root, mailboxes->mailbox[i].name))
			return true;
	return false;
}

const char *select_missing(const struct select *select, const struct mailbox_list *mailboxes,
	const char *root, size_t *at)
{
	const struct text_list *named = &select->settings->mailboxes;

	if (select->settings->mailboxes_optional)
		return NULL;
	while (*at < select->include.count) {
		const size_t i = (*at)++;

		if (is_plain(select->include.item[i]) &&
			!matches_any(&select->include, i, named, mailboxes))
			return named->item[i];
	}
	if (*at > select->include.count)
		return NULL;
	(*at)++;
	return root && !is_root_there(root, mailboxes) ? root : NULL;
}

const char *select_missing_text(const char *name, const struct mailbox_list *mailboxes)
{
	if (is_root_there(name, mailboxes))
		return "it holds no messages itself: add /** to take what is below it";
	return strchr(name, ',') ? "there is no such mailbox: several are named by an -m each"
				 : "there is no such mailbox";
}

/* What the flag conditions say about each set, found out once. */
struct verdicts {
	uint8_t *of; /* enum select_reason + 1, 0 = not looked at yet */
	flags_t max;
};

static enum select_reason judge_flags(
	const struct select *select, const struct flag_table *table, flags_t set)
{
	const struct settings *settings = select->settings;
	bool seen = flags_has(table, set, SPAN("\\Seen"));

	if ((settings->seen && !seen) || (settings->unseen && seen))
		return SELECT_FLAG;
	for (size_t i = 0; i < settings->with_flags.count; i++) {
		if (!flags_has(table, set, span_of(settings->with_flags.item[i])))
			return SELECT_FLAG;
	}
	for (size_t i = 0; i < settings->without_flags.count; i++) {
		if (flags_has(table, set, span_of(settings->without_flags.item[i])))
			return SELECT_FLAG;
	}
	if (settings->skip_deleted && flags_has(table, set, SPAN("\\Deleted")))
		return SELECT_DELETED;
	return SELECT_YES;
}

static enum select_reason flags_reason(const struct select *select, const struct flag_table *table,
	struct verdicts *verdicts, flags_t set)
{
	if (verdicts->of[set] == 0)
		verdicts->of[set] = (uint8_t)(judge_flags(select, table, set) + 1);
	return verdicts->of[set] - 1;
}

static int64_t day_of(int64_t seconds)
{
	return seconds >= 0 ? seconds / DAY_SECONDS : -((-seconds + DAY_SECONDS - 1) / DAY_SECONDS);
}

/*
 * RFC 3501 §6.4.4: SINCE and BEFORE take the internal date "disregarding time and timezone": the day as the server wrote it. A date
 * that is not known meets no condition.
 */
static bool is_in_time(const struct settings *settings, const struct snapshot *snapshot, size_t row)
{
	int64_t day;

	if (settings->since == DATE_UNKNOWN && settings->before == DATE_UNKNOWN)
		return true;
	if (snapshot->instant[row] == DATE_UNKNOWN)
		return false;
	day = day_of(snapshot->instant[row] + (int64_t)snapshot->zone[row] * 60);
	if (settings->since != DATE_UNKNOWN && day < day_of(settings->since))
		return false;
	return settings->before == DATE_UNKNOWN || day < day_of(settings->before);
}

static bool is_in_size(const struct settings *settings, uint64_t size)
{
	if (settings->larger > 0 && size <= settings->larger)
		return false;
	if (settings->smaller > 0 && size >= settings->smaller)
		return false;
	return settings->max_size == 0 || size <= settings->max_size;
}

/* "*" alone is the last message there is; "5:*" is 5 and above, without RFC 3501's turn to the last one below. */
static bool has_uid(const struct select *select, const struct snapshot *snapshot, size_t row)
{
	const struct uidset *uids = &select->uids;

	if (select->settings->uid_set == NULL || uidset_has(uids, snapshot->uid[row]))
		return true;
	return row + 1 == snapshot->count && uids->range[uids->count - 1].first == UINT32_MAX;
}

/* --limit keeps the oldest, or the newest, of those selected. */
static void limit(const struct settings *settings, size_t count, uint8_t *reason)
{
	uint64_t kept = 0;

	if (settings->limit == 0)
		return;
	for (size_t i = 0; i < count; i++) {
		size_t row = settings->newest_first ? count - 1 - i : i;

		if (reason[row] == SELECT_YES && ++kept > settings->limit)
			reason[row] = SELECT_LIMIT;
	}
}

/* The first condition that does not hold. */
static enum select_reason judge(const struct select *select, const struct flag_table *flags,
	struct verdicts *verdicts, const struct snapshot *snapshot,
	const struct select_answer *answer, size_t row)
{
	enum select_reason reason;

	if (!is_in_time(select->settings, snapshot, row))
		return SELECT_DATE;
	reason = flags_reason(select, flags, verdicts, snapshot->flags[row]);
	if (reason != SELECT_YES)
		return reason;
	if (!is_in_size(select->settings, snapshot->size[row]))
		return SELECT_SIZE;
	if (!has_uid(select, snapshot, row))
		return SELECT_UID;
	/* A search without an answer selects nothing. */
	if (select->search != NULL && !uidset_has(&answer->found, snapshot->uid[row]))
		return SELECT_SEARCH;
	if (uidset_has(&answer->listed, snapshot->uid[row]) ||
		uidset_has(&answer->unknown, snapshot->uid[row]))
		return SELECT_ID;
	return SELECT_YES;
}

/* All but --limit. */
static void judge_all(const struct select *select, struct flag_table *flags,
	const struct snapshot *snapshot, const struct select_answer *answer, uint8_t *reason_out)
{
	struct verdicts verdicts = { 0 };

	for (size_t row = 0; row < snapshot->count; row++)
		verdicts.max =
			snapshot->flags[row] > verdicts.max ? snapshot->flags[row] : verdicts.max;
	verdicts.of = mem_array((size_t)verdicts.max + 1, 1);
	for (size_t row = 0; row < snapshot->count; row++)
		reason_out[row] = (uint8_t)judge(select, flags, &verdicts, snapshot, answer, row);
	mem_free(verdicts.of);
}

void select_messages(const struct select *select, struct flag_table *flags,
	const struct snapshot *snapshot, const struct select_answer *answer, uint8_t *reason_out)
{
	judge_all(select, flags, snapshot, answer, reason_out);
	limit(select->settings, snapshot->count, reason_out);
}

/* The Message-IDs of some rows while they are read. */
struct id_reading {
	const struct skip_ids *ids;
	const struct snapshot *rows;
	uint8_t *state; /* by row */
};
enum { ID_NOT_ASKED, ID_ASKED, ID_OTHER, ID_LISTED };

static void take_id(void *context, uint32_t uid, struct span header)
{
	struct id_reading *reading = context;
	const size_t row = snapshot_find(reading->rows, uid);
	struct arena *scratch = arena_new();
	const char *id = header_field(header, SPAN("Message-ID"), scratch);

	/* A header that was cut may have one further down. */
	if (row != SIZE_MAX && (id != NULL || header.len < HEADER_TAP_MAX))
		reading->state[row] = id != NULL && skip_ids_has(reading->ids, span_of(id))
					      ? ID_LISTED
					      : ID_OTHER;
	arena_free(scratch);
}

static int read_ids(struct box *box, struct id_reading *reading, const struct uidset *uids,
	struct arena *arena, struct select_answer *out, struct err *err)
{
	static const char *const fields[] = { "Message-ID" };
	const struct box_scan scan = { .uids = uids,
		.digests = true,
		.fields = fields,
		.field_count = countof(fields),
		.header = take_id,
		.header_context = reading };
	struct uidset unread = { 0 };
	struct snapshot rows;
	int rc;

	snapshot_init(&rows, true);
	rc = box_scan(box, &scan, &rows, arena, &unread, err);
	snapshot_release(&rows);
	if (rc < 0)
		return err_wrap(err, "--skip-ids");
	for (size_t row = 0; row < reading->rows->count; row++) {
		const uint32_t uid = reading->rows->uid[row];

		if (reading->state[row] == ID_LISTED)
			uidset_add(&out->listed, arena, uid, uid);
		else if (reading->state[row] == ID_ASKED)
			uidset_add(&out->unknown, arena, uid, uid);
	}
	return 0;
}

/* Only of the rows that all else selects. */
static int ask_ids(const struct select *select, struct box *box, struct flag_table *flags,
	const struct snapshot *snapshot, struct arena *arena, struct select_answer *out,
	struct err *err)
{
	struct id_reading reading = { .ids = select->settings->skip_ids, .rows = snapshot };
	struct uidset asked = { 0 };

	if (reading.ids == NULL || skip_ids_count(reading.ids) == 0)
		return 0;
	reading.state = arena_alloc(arena, snapshot->count + 1);
	judge_all(select, flags, snapshot, out, reading.state);
	for (size_t row = 0; row < snapshot->count; row++) {
		const bool asks = reading.state[row] == SELECT_YES;

		reading.state[row] = asks ? ID_ASKED : ID_NOT_ASKED;
		if (asks)
			uidset_add(&asked, arena, snapshot->uid[row], snapshot->uid[row]);
	}
	return asked.count > 0 ? read_ids(box, &reading, &asked, arena, out, err) : 0;
}

int select_ask(const struct select *select, struct box *box, struct flag_table *flags,
	const struct snapshot *snapshot, bool searched, struct arena *arena,
	struct select_answer *out, struct err *err)
{
	int rc = 0;

	if (!searched && select->search != NULL && snapshot->count > 0)
		rc = box_search(box, select->search, arena, &out->found, &out->unknown, err);
	if (rc < 0)
		return err_wrap(err, "--search");
	return ask_ids(select, box, flags, snapshot, arena, out, err) < 0 ? -1 : rc;
}
