/* Values that need more than their kind says. Everything a server would refuse is refused here, before anything is connected. */
#include "cli/option_values.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/path.h"
#include "base/regex.h"
#include "base/text.h"
#include "cli/cli.h"
#include "mail/date.h"
#include "mail/flags.h"
#include "mail/uidset.h"
#include "ops/skip_ids.h"

#define JOBS_MAX 64
#define WRAP_DEFAULT 998 /* RFC 5322 §2.1.1 */
#define WRAP_LEAST 40

static int refuse(const char *value, const char *wanted, struct err *err)
{
	char shown[TEXT_SHOWN];

	text_shown(span_of(value), shown);
	return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE, "\"%s\" is not %s", shown, wanted);
}

int take_state(struct cli *cli, const char *value, struct err *err)
{
	if (!*value)
		return refuse(value, "a directory or none", err);
	cli->settings.no_state = strcmp(value, "none") == 0;
	cli->settings.state_dir = cli->settings.no_state ? NULL : value;
	return 0;
}

int take_bandwidth(struct cli *cli, const char *value, struct err *err)
{
	struct span text = span_of(value);
	uint64_t size;

	if (span_ends(text, SPAN("/s")))
		text = span_sub(text, 0, text.len - 2);
	if (text_parse_size(arena_text(cli->arena, text), &size, err) < 0)
		return -1;
	if (size == 0)
		return refuse(value,
			"a size a second such as 500k or 2M; leave --bandwidth out for no limit",
			err);
	cli->settings.bandwidth = size;
	return 0;
}

int take_jobs(struct cli *cli, const char *value, struct err *err)
{
	uint32_t jobs;

	if (!span_u32(span_of(value), &jobs) || jobs < 1 || jobs > JOBS_MAX)
		return refuse(value, "a number from 1 to 64", err);
	cli->settings.jobs = jobs;
	return 0;
}

int take_since(struct cli *cli, const char *value, struct err *err)
{
	return date_parse_option(
		value, clock_wall(), &cli->settings.since, cli->settings.since_day, err);
}

int take_before(struct cli *cli, const char *value, struct err *err)
{
	return date_parse_option(
		value, clock_wall(), &cli->settings.before, cli->settings.before_day, err);
}

int take_sent_since(struct cli *cli, const char *value, struct err *err)
{
	return date_parse_option(
		value, clock_wall(), &cli->settings.sent_since, cli->settings.sent_since_day, err);
}

int take_sent_before(struct cli *cli, const char *value, struct err *err)
{
	return date_parse_option(value, clock_wall(), &cli->settings.sent_before,
		cli->settings.sent_before_day, err);
}

int take_search(struct cli *cli, const char *value, struct err *err)
{
	(void)cli;
	if (strpbrk(value, "\r\n"))
		return refuse(value, "one line", err);
	return 0;
}

/* The list has the others. */
int take_into(struct cli *cli, const char *value, struct err *err)
{
	(void)err;
	if (cli->into.count == 0)
		cli->settings.into = value;
	return 0;
}

int take_skip_ids(struct cli *cli, const char *value, struct err *err)
{
	cli->settings.skip_ids = skip_ids_read(path_expand(cli->arena, value), cli->arena, err);
	return cli->settings.skip_ids ? 0 : -1;
}

int take_uid(struct cli *cli, const char *value, struct err *err)
{
	struct uidset set;

	if (uidset_parse(span_of(value), cli->arena, &set) < 0)
		return refuse(value, "a set of UIDs such as 1:100,205,300:*", err);
	return 0;
}

int take_regex(struct cli *cli, const char *value, struct err *err)
{
	struct regex *regex = regex_new(value, err);

	(void)cli;
	if (!regex)
		return -1;
	regex_free(regex);
	return 0;
}

int take_rename(struct cli *cli, const char *value, struct err *err)
{
	struct rewrite *rewrite = rewrite_new(value, err);

	(void)cli;
	if (!rewrite)
		return -1;
	rewrite_free(rewrite);
	return 0;
}

/* RFC 3501 §2.3.2 has no others; a server may know more, but a slip of the hand is likelier. */
static bool is_system_flag(struct span word)
{
	static const char *const names[] = { "\\Seen", "\\Answered", "\\Flagged", "\\Deleted",
		"\\Draft" };

	for (size_t i = 0; i < countof(names); i++)
		if (span_equal_nocase(word, span_of(names[i])))
			return true;
	return false;
}

/* One word after the other, so that the message names the one that is wrong. */
int take_flags(struct cli *cli, const char *value, struct err *err)
{
	struct flag_table *table = flag_table_new();
	struct span rest = span_trim(span_of(value));
	int rc = rest.len > 0 ? 0 : refuse(value, "a flag such as \\Seen or $Work", err);

	while (rc == 0 && rest.len > 0) {
		size_t blank = span_find(rest, ' ');
		struct span word = span_sub(rest, 0, blank);

		if (flags_count(table, flags_parse(table, word)) != 1 ||
			(word.data[0] == '\\' && !is_system_flag(word)))
			rc = refuse(arena_text(cli->arena, word),
				"a flag that can be set: a keyword, or \\Seen \\Answered \\Flagged "
				"\\Deleted \\Draft",
				err);
		rest = blank == SIZE_MAX ? SPAN("") : span_trim(span_from(rest, blank));
	}
	flag_table_free(table);
	return rc;
}

static int take_headers(struct cli *cli, struct span names, struct err *err)
{
	struct text_list *list = &cli->settings.match_headers;

	*list = (struct text_list){ NULL, 0 };
	for (bool more = true; more;) {
		size_t comma = span_find(names, ',');
		struct span name = span_trim(span_sub(names, 0, comma));

		/* RFC 5322 §2.2: printable ASCII but the colon. */
		for (size_t i = 0; i < name.len; i++)
			if (name.data[i] <= ' ' || name.data[i] > '~' || name.data[i] == ':')
				name.len = 0;
		if (name.len == 0)
			return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
				"header: wants names such as header:Message-ID,Date");
		list->item = arena_grow(
			cli->arena, list->item, list->count, list->count + 1, sizeof(*list->item));
		list->item[list->count++] = arena_text(cli->arena, name);
		more = comma != SIZE_MAX;
		names = span_from(names, comma == SIZE_MAX ? names.len : comma + 1);
	}
	cli->settings.match = MATCH_HEADER;
	return 0;
}

int take_match(struct cli *cli, const char *value, struct err *err)
{
	static const struct {
		const char *name;
		enum match_by match;
	} ways[] = {
		{ "auto", MATCH_AUTO },
		{ "message-id", MATCH_MESSAGE_ID },
		{ "content", MATCH_CONTENT },
	};

	if (span_starts(span_of(value), SPAN("header:")))
		return take_headers(cli, span_from(span_of(value), strlen("header:")), err);
	for (size_t i = 0; i < countof(ways); i++) {
		if (strcmp(value, ways[i].name) == 0) {
			cli->settings.match = ways[i].match;
			return 0;
		}
	}
	return refuse(value, "one of auto, message-id, header:NAMES, content", err);
}

/* "100" messages or "10%", also "2.5%". */
int take_max_delete(struct cli *cli, const char *value, struct err *err)
{
	struct span text = span_of(value);
	bool percent = span_ends(text, SPAN("%"));
	double part;
	char *end;

	if (!percent) {
		if (!span_u64(text, &cli->settings.max_delete))
			return refuse(value, "a number of messages or a part such as 10%", err);
		cli->settings.max_delete_percent = -1;
		cli->settings.has_max_delete = true;
		return 0;
	}
	part = strtod(value, &end);
	if (strspn(value, "0123456789.") != text.len - 1 || end != value + text.len - 1 ||
		part > 100)
		return refuse(value, "a part from 0% to 100%", err);
	cli->settings.max_delete_percent = part;
	cli->settings.max_delete = 0;
	cli->settings.has_max_delete = true;
	return 0;
}

int take_wrap_lines(struct cli *cli, const char *value, struct err *err)
{
	uint32_t octets = WRAP_DEFAULT;

	if (value && (!span_u32(span_of(value), &octets) || octets < WRAP_LEAST))
		return refuse(value, "a line length of 40 octets or more", err);
	cli->settings.wrap_lines = octets;
	return 0;
}
