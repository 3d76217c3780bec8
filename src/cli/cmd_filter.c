/* mailhaul filter: moves and copies messages by the rules of a file. */
#include "cli/cmd.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/log.h"
#include "base/path.h"
#include "base/stop.h"
#include "cli/filtered.h"
#include "cli/many.h"
#include "net/secret.h"
#include "ops/report.h"
#include "ops/rules.h"
#include "store/users.h"

#include <time.h>

#define RULES_FILE_MAX (16u << 20)
#define AT(member) offsetof(struct cli, member)

static const struct option own[] = {
	{ "rules", "FILE", NULL, "the rules: lines with tabs, or blocks", AT(filter.rules), NULL,
		OPTION_TEXT, 0, false },
	{ "first-match", NULL, NULL,
		"the first rule that matches a message decides, instead of the last",
		AT(filter.first_match), NULL, OPTION_SWITCH, 0, false },
	{ "under", "MAILBOX", NULL,
		"rules for any mailbox (* as their source) are for this one and those below it",
		AT(filter.under), NULL, OPTION_TEXT, 0, false },
	{ "expunge-all", NULL, NULL,
		"on servers without MOVE and UIDPLUS: expunge, though it also removes what others "
		"marked",
		AT(settings.expunge_all), NULL, OPTION_SWITCH, 0, false },
};

struct filter {
	struct cli *cli;
	struct rules *rules;
	struct account *account;
	struct account **place; /* by rule_place.index; NULL where no rule leads */
	size_t places;
	char *state_dir;
};

/* ---- the rules file ---- */

static int parse(struct filter *filter, struct span text, struct err *err)
{
	struct cli *cli = filter->cli;

	filter->rules = rules_parse(cli->filter.rules, text, (int64_t)time(NULL), err);
	if (!filter->rules)
		return -1;
	if (cli->filter.under)
		rules_under(filter->rules, cli->filter.under);
	return 0;
}

/* Secrets in it are nobody else's. */
static int check_secrets(struct filter *filter, struct arena *arena, struct err *err)
{
	const struct rule_place *place;
	struct span text;
	int rc;

	for (size_t i = 0; (place = rules_place(filter->rules, i)); i++) {
		if (!place->secret)
			continue;
		rc = path_read_secret(filter->cli->filter.rules, RULES_FILE_MAX, arena, &text, err);
		if (rc == 0)
			secret_wipe((void *)(uintptr_t)text.data, text.len);
		return rc < 0 ? err_wrap(err, "the rules hold a password") : 0;
	}
	return 0;
}

static int read_rules(struct filter *filter, struct err *err)
{
	struct arena *arena = arena_new();
	struct span text;
	int rc = path_read(filter->cli->filter.rules, RULES_FILE_MAX, arena, &text, err);

	if (rc < 0) {
		err->kind = err->kind == ERR_KIND_PATH ? ERR_KIND_USAGE : err->kind;
	} else {
		rc = parse(filter, text, err);
		secret_wipe((void *)(uintptr_t)text.data, text.len);
	}
	if (rc == 0)
		rc = check_secrets(filter, arena, err);
	arena_free(arena);
	return rc;
}

/* ---- accounts ---- */

/* Passwords are asked for, and commands for them run, before anything begins. */
static int check_place(struct filter *filter, struct account *place, struct err *err)
{
	struct imap_options options;

	if (strcmp(account_scheme(place), "pop3") == 0)
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
			"%s: POP3 can only be read: no rule can lead there", account_name(place));
	if (account_same(filter->account, place))
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
			"%s is the account itself: write its mailboxes as they are",
			account_name(place));
	if (filter->cli->settings.dry_run || strcmp(account_scheme(place), "imap") != 0)
		return 0;
	return account_imap_options(place, false, &options, err);
}

static int open_places(struct filter *filter, struct err *err)
{
	const struct rule_place *place;

	while (rules_place(filter->rules, filter->places))
		filter->places++;
	filter->place =
		arena_array(filter->cli->arena, filter->places + 1, sizeof(struct account *));
	for (size_t i = 0; i < rules_count(filter->rules); i++) {
		place = rules_at(filter->rules, i)->place;
		if (!place || filter->place[place->index])
			continue;
		filter->place[place->index] =
			cli_account_of(filter->cli, place->location, place->secret, err);
		if (!filter->place[place->index] ||
			check_place(filter, filter->place[place->index], err) < 0)
			return err_wrap(err, "%s: line %u", filter->cli->filter.rules, place->line);
	}
	return 0;
}

static int open_all(struct filter *filter, struct err *err)
{
	if (!filter->cli->filter.rules)
		return err_set_kind(
			err, ERR_LOCAL, ERR_KIND_USAGE, "filter needs its rules: --rules FILE");
	if (filter->cli->settings.report_file)
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
			"filter writes no --report: --json prints the same");
	if (read_rules(filter, err) < 0)
		return -1;
	filter->account = cli_account(filter->cli, 0, "", err);
	if (!filter->account || open_places(filter, err) < 0)
		return -1;
	return settings_state_dir(
		&filter->cli->settings, filter->cli->arena, &filter->state_dir, err);
}

static void close_all(struct filter *filter)
{
	for (size_t i = 0; i < filter->places && filter->place; i++)
		account_free(filter->place[i]);
	account_free(filter->account);
	rules_free(filter->rules);
}

/* ---- one round ---- */

static bool explains(const struct cli *cli)
{
	return (cli->settings.dry_run || cli->verbose > 0) && !cli->settings.quiet;
}

static int work(struct filtering *filtering, const struct cli *cli, struct err *err)
{
	if (filtering_decide(filtering, err) < 0)
		return -1;
	return cli->settings.dry_run ? 0 : filtering_carry_out(filtering, err);
}

/* What came of it is in total; -1 when it could not begin. */
static int round_of(struct filter *filter, struct filter_memory *memory,
	struct filtered_total *total, struct err *err)
{
	const struct cli *cli = filter->cli;
	struct filtered filtered = { .cli = cli, .rules = filter->rules };
	struct filter_request request = { .settings = &cli->settings,
		.rules = filter->rules,
		.account = filter->account,
		.place = filter->place,
		.state_dir = filter->state_dir,
		.first_match = cli->filter.first_match,
		.memory = memory,
		.context = &filtered };
	struct filtering *filtering;
	struct err trouble = ERR_INIT;
	int rc;

	if (explains(cli)) {
		request.begin = filtered_begin;
		request.told = filtered_told;
		request.end = filtered_end;
	}
	filtering = filtering_open(&request, err);
	if (!filtering)
		return -1;
	pthread_mutex_init(&filtered.lock, NULL);
	rc = work(filtering, cli, &trouble);
	pthread_mutex_destroy(&filtered.lock);
	if (rc < 0 && trouble.kind == ERR_KIND_USAGE) {
		*err = trouble;
	} else {
		if (rc < 0)
			log_error("%s", trouble.text);
		*total = filtered_print(cli, filter->rules, filtering, rc < 0 ? &trouble : NULL);
		if (filtered.failed && total->code < EXIT_LOCAL)
			total->code = EXIT_LOCAL;
		rc = 0;
	}
	filtering_free(filtering);
	return rc;
}

static int run_once(struct filter *filter, struct err *err)
{
	struct filtered_total total;

	if (round_of(filter, NULL, &total, err) < 0)
		return -1;
	if (filter->cli->shared)
		filtered_users_add(filter->cli->shared->gathered, filter->cli->user->name, &total);
	if (!filter->cli->shared || filter->cli->settings.json)
		filtered_verdict(filter->cli, &total);
	return total.code;
}

static int filter_run(struct cli *cli, struct err *err)
{
	struct filter filter = { .cli = cli };
	int code = -1;

	if (open_all(&filter, err) == 0)
		code = run_once(&filter, err);
	if (code < 0 && cli->shared) { /* he has a row all the same */
		const struct filtered_total none = { .code = report_err_code(err) };

		filtered_users_add(cli->shared->gathered, cli->user->name, &none);
	}
	close_all(&filter);
	return code;
}

static void *gather(void)
{
	return filtered_users_new();
}

static int gathered(struct cli *cli, void *users, int code)
{
	code = stop_requested() ? EXIT_INTERRUPTED : code;
	filtered_users_end(users, cli, code);
	return code;
}

const struct command command_filter = {
	.name = "filter",
	.summary = "move and copy messages by the rules of a file",
	.details =
		"Decides for each message of the mailboxes that the rules name which rule is its own: the last one that matches, or with --first-match the first. "
		"Only when all are decided they are moved, or copied. A message whose rule leads to where it is stays. --dry-run shows every decision.",
	.arguments = "LOCATION",
	.groups = GROUP_ACCOUNT | GROUP_MAILBOXES | GROUP_MESSAGES,
	.own = own,
	.own_count = countof(own),
	.least = 1,
	.most = 1,
	.many = MANY_GATHERED,
	.gather = gather,
	.gathered = gathered,
	.run = filter_run,
};
