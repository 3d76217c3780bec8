/* Walking and searching the tables, and storing values by their kind. */
#include "cli/option.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/text.h"
#include "cli/cmd.h"

#define NUMBER_MAX 65535

enum stage { STAGE_OWN, STAGE_GROUPS, STAGE_ACCOUNT, STAGE_EVERYWHERE, STAGE_END };

void option_walk_begin(struct option_walk *walk, const struct command *command, bool help)
{
	unsigned groups = command ? command->groups : 0;

	*walk = (struct option_walk){ .command = command };
	walk->groups = groups | GROUP_GLOBAL;
	if (!help || !command)
		walk->groups |= GROUPS_EVERYWHERE;
}

static void show_row(const struct option *row, const char *group, struct option_shown *out)
{
	*out = (struct option_shown){
		.letter = row->letter,
		.optional = row->optional,
		.value = row->value,
		.choices = row->choices,
		.help = row->help,
		.group = group,
		.option = row,
	};
	snprintf(out->name, sizeof(out->name), "%s", row->name);
}

static void show_key(size_t key, bool sided, unsigned side, struct option_shown *out)
{
	const struct account_key_info *info = &account_keys[key];

	*out = (struct option_shown){
		.value = info->value,
		.choices = info->choices,
		.help = info->help,
		.group = GROUP_TITLE_ACCOUNT,
		.key = (enum account_key)key,
		.side = side,
		.sided = sided,
	};
	snprintf(out->name, sizeof(out->name), "%s%s",
		!sided      ? ""
		: side == 0 ? "src-"
			    : "dst-",
		info->name);
}

static bool next_own(struct option_walk *walk, struct option_shown *out)
{
	if (!walk->command || walk->row >= walk->command->own_count)
		return false;
	show_row(&walk->command->own[walk->row++], GROUP_TITLE_OWN, out);
	return true;
}

/* The next row of the groups that are wanted and lie (or don't lie) in GROUPS_EVERYWHERE. */
static bool next_row(struct option_walk *walk, bool everywhere, struct option_shown *out)
{
	for (; option_groups[walk->group].bit; walk->group++, walk->row = 0) {
		const struct option_group *group = &option_groups[walk->group];
		bool here = ((group->bit & GROUPS_EVERYWHERE) != 0) == everywhere;

		if (!here || !(group->bit & walk->groups) || walk->row >= group->count)
			continue;
		show_row(&group->option[walk->row++], group->title, out);
		return true;
	}
	return false;
}

/* A key whose name an option has already (timeout) is that option. */
static bool key_is_option(const struct command *command, const char *name)
{
	for (size_t i = 0; i < command->own_count; i++)
		if (strcmp(command->own[i].name, name) == 0)
			return true;
	for (const struct option_group *group = option_groups; group->bit; group++)
		for (size_t i = 0; i < group->count; i++)
			if ((group->bit & (command->groups | GROUPS_EVERYWHERE)) &&
				strcmp(group->option[i].name, name) == 0)
				return true;
	return false;
}

static bool next_key(struct option_walk *walk, struct option_shown *out)
{
	bool sided = walk->groups & GROUP_ACCOUNTS;

	if (!(walk->groups & (GROUP_ACCOUNT | GROUP_ACCOUNTS)))
		return false;
	while (walk->row < ACCOUNT_KEYS * (sided ? 2u : 1u)) {
		size_t key = sided ? walk->row / 2 : walk->row;
		unsigned side = sided ? walk->row % 2 : 0;

		walk->row++;
		/* The login by browser comes later. */
		if (key == ACCOUNT_OAUTH ||
			(!sided && key_is_option(walk->command, account_keys[key].name)))
			continue;
		show_key(key, sided, side, out);
		return true;
	}
	return false;
}

bool option_walk_next(struct option_walk *walk, struct option_shown *out)
{
	for (; walk->stage < STAGE_END; walk->stage++, walk->group = 0, walk->row = 0) {
		bool found = false;

		switch ((enum stage)walk->stage) {
		case STAGE_OWN:
			found = next_own(walk, out);
			break;
		case STAGE_GROUPS:
		case STAGE_EVERYWHERE:
			found = next_row(walk, walk->stage == STAGE_EVERYWHERE, out);
			break;
		case STAGE_ACCOUNT:
			found = next_key(walk, out);
			break;
		case STAGE_END:
			break;
		}
		if (found)
			return true;
	}
	return false;
}

bool option_find(
	const struct command *command, const char *name, size_t len, struct option_shown *out)
{
	struct option_walk walk;

	for (option_walk_begin(&walk, command, false); option_walk_next(&walk, out);)
		if (span_equal_text(span_make(name, len), out->name))
			return true;
	return false;
}

bool option_find_letter(const struct command *command, char letter, struct option_shown *out)
{
	struct option_walk walk;

	for (option_walk_begin(&walk, command, false); option_walk_next(&walk, out);)
		if (out->letter == letter)
			return true;
	return false;
}

const char *option_later(const char *name, size_t len)
{
	static const struct {
		const char *name, *answer;
	} later[] = {
		{ "oauth", "is not there yet: use token-cmd" },
		{ "src-oauth", "is not there yet: use --src-token-cmd" },
		{ "dst-oauth", "is not there yet: use --dst-token-cmd" },
		{ "watch", "comes with the command sync, which is not there yet" },
		{ "rules", "comes with the command filter, which is not there yet" },
	};

	for (size_t i = 0; i < countof(later); i++)
		if (span_equal_text(span_make(name, len), later[i].name))
			return later[i].answer;
	return NULL;
}

static int refuse(const char *value, const char *wanted, struct err *err)
{
	char shown[TEXT_SHOWN];

	text_shown(span_of(value), shown);
	return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE, "\"%s\" is not %s", shown, wanted);
}

/* yes and no as in the configuration file, so that a job's switch can be taken back on the command line. */
static int parse_switch(const char *value, bool *out, struct err *err)
{
	static const struct {
		const char *name;
		bool on;
	} words[] = { { "yes", true }, { "no", false }, { "true", true }, { "false", false },
		{ "on", true }, { "off", false }, { "1", true }, { "0", false } };

	for (size_t i = 0; i < countof(words); i++) {
		if (!value || span_equal_nocase(span_of(value), span_of(words[i].name))) {
			*out = words[i].on;
			return 0;
		}
	}
	return refuse(value, "yes or no", err);
}

static int parse_choice(
	struct cli *cli, const char *choices, const char *value, int *out, struct err *err)
{
	struct span rest = span_of(choices);

	for (int i = 0;; i++) {
		size_t bar = span_find(rest, '|');

		if (span_equal_text(span_sub(rest, 0, bar), value)) {
			*out = i;
			return 0;
		}
		if (bar == SIZE_MAX)
			break;
		rest = span_from(rest, bar + 1);
	}

	char *list = arena_strdup(cli->arena, choices);
	for (char *bar = list; (bar = strchr(bar, '|'));)
		*bar = ' ';
	return refuse(value, arena_print(cli->arena, "one of %s", list), err);
}

static int parse_size(const char *value, uint64_t *out, struct err *err)
{
	uint64_t size;

	if (text_parse_size(value, &size, err) < 0)
		return -1;
	if (size == 0)
		return refuse(value, "a size of 1 octet or more", err);
	*out = size;
	return 0;
}

static int parse_duration(const char *value, int64_t *out, struct err *err)
{
	int64_t ms;

	if (text_parse_duration(value, &ms, err) < 0)
		return -1;
	if (ms == 0)
		return refuse(value, "a time longer than 0", err);
	*out = ms;
	return 0;
}

static int parse_count(const char *value, uint64_t *out, struct err *err)
{
	uint64_t count;

	if (!span_u64(span_of(value), &count) || count == 0)
		return refuse(value, "a number from 1 up", err);
	*out = count;
	return 0;
}

static int parse_number(const char *value, unsigned *out, struct err *err)
{
	uint32_t number;

	if (!span_u32(span_of(value), &number) || number > NUMBER_MAX)
		return refuse(value, "a number from 0 to 65535", err);
	*out = number;
	return 0;
}

static int parse_real(const char *value, double *out, struct err *err)
{
	char *end = NULL;
	double real = 0;

	/* No exponent, no hexadecimal, no "inf": only what a person would write. */
	if (*value && strspn(value, "0123456789.") == strlen(value))
		real = strtod(value, &end);
	if (!end || *end || !(real > 0))
		return refuse(value, "a number above 0 such as 20 or 0.5", err);
	*out = real;
	return 0;
}

static int parse_text(const char *value, const char **out, struct err *err)
{
	if (!*value)
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE, "the value is empty");
	*out = value;
	return 0;
}

static int add_to_list(struct cli *cli, const char *value, struct text_list *list, struct err *err)
{
	if (parse_text(value, &value, err) < 0)
		return -1;
	list->item = arena_grow(
		cli->arena, list->item, list->count, list->count + 1, sizeof(*list->item));
	list->item[list->count++] = value;
	return 0;
}

static int add_words(struct cli *cli, const char *value, const char **words, struct err *err)
{
	if (parse_text(value, &value, err) < 0)
		return -1;
	*words = *words ? arena_print(cli->arena, "%s %s", *words, value) : value;
	return 0;
}

static int store_row(struct cli *cli, const struct option *row, const char *value, struct err *err)
{
	void *target = (char *)cli + row->target;

	switch (row->kind) {
	case OPTION_SWITCH:
		return parse_switch(value, target, err);
	case OPTION_REPEATED:
		*(unsigned *)target += 1;
		return 0;
	case OPTION_TEXT:
		return parse_text(value, target, err);
	case OPTION_LIST:
		return add_to_list(cli, value, target, err);
	case OPTION_WORDS:
		return add_words(cli, value, target, err);
	case OPTION_SIZE:
		return parse_size(value, target, err);
	case OPTION_COUNT:
		return parse_count(value, target, err);
	case OPTION_NUMBER:
		return parse_number(value, target, err);
	case OPTION_REAL:
		return parse_real(value, target, err);
	case OPTION_DURATION:
		return parse_duration(value, target, err);
	case OPTION_CHOICE:
		return parse_choice(cli, row->choices, value, target, err);
	case OPTION_OTHER:
		return 0;
	}
	return 0;
}

/* tls-pin, auth and quirk may be given more than once. */
static int store_key(struct cli *cli, const struct option_shown *option, const char *value)
{
	const char **slot = &cli->account[option->side].value[option->key];
	bool more = *slot && account_keys[option->key].type == KEY_LIST;

	*slot = more ? arena_print(cli->arena, "%s,%s", *slot, value) : value;
	cli->account_given = true;
	return 0;
}

int option_store(
	struct cli *cli, const struct option_shown *option, const char *value, struct err *err)
{
	const struct option *row = option->option;

	if (!row)
		return store_key(cli, option, value);
	if (row->kind == OPTION_REPEATED && value)
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE, "takes no value");
	if (row->take && row->kind == OPTION_OTHER)
		return row->take(cli, value, err);
	if (row->take && row->take(cli, value, err) < 0)
		return -1;
	return store_row(cli, row, value, err);
}

static int clash(const char *text, struct err *err)
{
	return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE, "%s", text);
}

int option_check_all(const struct cli *cli, struct err *err)
{
	const struct settings *s = &cli->settings;
	const struct db_options *db = &cli->db;
	const bool deletes = s->delete_source || settings_extra(s) || s->delete_mailboxes ||
			     (cli->command && (cli->command->groups & GROUP_GUARDS));
	const struct {
		bool wrong;
		const char *text;
	} rules[] = {
		{ s->seen && s->unseen,
			"--seen and --unseen exclude each other: no message is both" },
		{ cli->users_format != 0 && !cli->users_file,
			"--users-format only means something with --users" },
		{ !db->url && (db->clear || db->pass_file || db->pass_cmd || db->pass_env),
			"--clear-db and --db-pass-* only mean something with --db" },
		{ !!db->pass_file + !!db->pass_cmd + !!db->pass_env > 1,
			"--db-pass-file, --db-pass-cmd and --db-pass-env exclude each other" },
		{ cli->users_file && cli->command == &command_compare && cli->locations > 2,
			"compare --users takes two locations" },
		{ s->quiet && cli->verbose > 0, "--quiet and --verbose exclude each other" },
		{ s->expunge_all && s->no_expunge,
			"--expunge-all and --no-expunge exclude each other" },
		{ s->root && s->into,
			"--root and --into exclude each other: --into names the one mailbox" },
		{ cli->into.count > 1 && cli->command && cli->command != &command_copy,
			"--into can only be given more than once with copy" },
		{ cli->into.count > 1 && settings_extra(s),
			"--into more than once with --delete-extra or --empty-destination: mirror into one mailbox at a time" },
		{ s->delete_source && s->headers_only, "--delete-source with --headers-only would "
						       "lose the bodies: give only one of them" },
		{ s->expunge_all && !deletes,
			"--expunge-all only means something with --delete-source or --delete-extra" },
		{ s->no_expunge && !deletes,
			"--no-expunge only means something with --delete-source or --delete-extra" },
		{ s->has_max_delete && !deletes,
			"--max-delete only means something with --delete-source, --delete-extra or "
			"--delete-mailboxes" },
		{ s->delete_source && (settings_extra(s) || s->delete_mailboxes),
			"--delete-source with --delete-extra, --empty-destination or "
			"--delete-mailboxes (or mirror): the next run would delete at the "
			"destination what this one has moved there" },
		{ s->delete_source_mailboxes && !s->delete_source,
			"--delete-source-mailboxes only means something with --delete-source" },
		{ s->delete_extra && s->uid_set,
			"--uid with --delete-extra (mirror): the source's UIDs tell nothing about "
			"what only the destination has; choose by date, size or flags" },
		{ s->delete_mailboxes && s->into,
			"--delete-mailboxes with --into would delete all mailboxes but one" },
	};

	for (size_t i = 0; i < countof(rules); i++)
		if (rules[i].wrong)
			return clash(rules[i].text, err);
	return 0;
}
