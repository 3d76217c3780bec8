/* mailhaul filter: moves and copies messages by the rules of a file. */
#include "cli/cmd.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/stop.h"
#include "base/text.h"
#include "cli/filtered.h"
#include "cli/many.h"
#include "cli/printer.h"
#include "cli/progress.h"
#include "net/secret.h"
#include "ops/lane.h"
#include "ops/meter.h"
#include "ops/report.h"
#include "ops/rules.h"
#include "ops/watch.h"
#include "store/users.h"

#include <time.h>

#define RULES_FILE_MAX (16u << 20)
#define POLL_MS 60000
#define AT(member) offsetof(struct cli, member)

static int take_watch(struct cli *cli, const char *value, struct err *err)
{
	cli->filter.watch = true;
	cli->filter.poll_ms = POLL_MS;
	return value ? text_parse_duration(value, &cli->filter.poll_ms, err) : 0;
}

static const struct option own[] = {
	{ "rules", "FILE", NULL, "the rules: lines with tabs, or blocks", AT(filter.rules), NULL,
		OPTION_TEXT, 0, false },
	{ "first-match", NULL, NULL,
		"the first rule that matches a message decides, instead of the last",
		AT(filter.first_match), NULL, OPTION_SWITCH, 0, false },
	{ "watch", "TIME", NULL,
		"go on, and apply the rules to what arrives; where the server does not tell, look "
		"this often (60s)",
		0, take_watch, OPTION_OTHER, 0, true },
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
	struct secret *text; /* of the rules file */
	struct account **place; /* by rule_place.index; NULL where no rule leads */
	size_t places;
	char *state_dir;
};

struct round { /* of --watch; without it there is one */
	struct filter_memory *memory;
	struct watch *watch;
	bool again; /* the watch began in this round: what came before has to be looked for */
	struct err trouble; /* what ended it before its end */
	struct filtered_total total;
};

/* ---- the rules file ---- */

/* Days are counted back from now: while mailboxes are watched that is done again and again. */
static int parse(struct filter *filter, struct err *err)
{
	struct cli *cli = filter->cli;

	rules_free(filter->rules);
	filter->rules = rules_parse(
		cli->filter.rules, secret_bytes(filter->text), (int64_t)time(NULL), err);
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
		filter->text = secret_new(text);
		secret_wipe((void *)(uintptr_t)text.data, text.len);
		rc = parse(filter, err);
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
	/* A move would leave nothing but that part of the message, anywhere. */
	if (account_part(place))
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
			"%s keeps only a part of each message (%s): rules lead to whole messages",
			account_name(place), account_part(place));
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
	if (filter->cli->filter.watch && (filter->cli->settings.dry_run || filter->cli->user))
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
			"--watch goes with neither --dry-run nor --users");
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
	secret_free(filter->text);
}

/* ---- one round ---- */

static bool explains(const struct cli *cli)
{
	return (cli->settings.dry_run || cli->verbose > 0) && !cli->settings.quiet;
}

/* What is to be watched is known with the list; *again: what came before the watch began needs another look. */
static int begin_watch(
	struct watch *watch, const struct filtering *filtering, bool *again, struct err *err)
{
	const size_t count = filtering_count(filtering);
	struct watch_box *boxes = mem_array(count + 1, sizeof *boxes);
	int rc;

	for (size_t i = 0; i < count; i++) {
		const struct filter_box *box = filtering_box(filtering, i);

		boxes[i] = (struct watch_box){ box->mailbox, box->raw };
	}
	rc = watch_begin(watch, boxes, count, err);
	*again = rc > 0;
	mem_free(boxes);
	return rc < 0 ? -1 : 0;
}

static int work(
	struct round *round, struct filtering *filtering, const struct cli *cli, struct err *err)
{
	if (round->watch && begin_watch(round->watch, filtering, &round->again, err) < 0)
		return -1;
	if (filtering_decide(filtering, err) < 0)
		return -1;
	return cli->settings.dry_run ? 0 : filtering_carry_out(filtering, err);
}

/* What came of it is in the round; -1 when it could not begin. */
static int run_round(struct filter *filter, struct round *round, struct err *err)
{
	const struct cli *cli = filter->cli;
	struct filtered filtered = { .cli = cli, .rules = filter->rules, .shows = explains(cli) };
	struct filter_request request = { .settings = &cli->settings,
		.rules = filter->rules,
		.account = filter->account,
		.place = filter->place,
		.state_dir = filter->state_dir,
		.first_match = cli->filter.first_match,
		.memory = round->memory,
		.context = &filtered };
	struct meter *meter = cli->shared || round->watch ? NULL : meter_new();
	struct filtering *filtering;
	int rc;

	round->trouble = ERR_INIT;
	if (filtered.shows || cli->settings.report_file) {
		request.begin = filtered_begin;
		request.told = filtered_told;
		request.end = filtered_end;
	}
	request.meter = meter;
	if (meter)
		progress_start(meter, cli_progress(cli));
	filtering = filtering_open(&request, err);
	pthread_mutex_init(&filtered.lock, NULL);
	rc = filtering ? work(round, filtering, cli, &round->trouble) : -1;
	pthread_mutex_destroy(&filtered.lock);
	if (meter)
		progress_stop();
	meter_free(meter);
	if (!filtering)
		return -1;
	if (rc < 0 && round->trouble.kind == ERR_KIND_USAGE) {
		*err = round->trouble;
	} else {
		if (rc < 0 && round->trouble.scope != ERR_STOPPED)
			log_error("%s", round->trouble.text);
		round->total = filtered_print(
			cli, filter->rules, filtering, rc < 0 ? &round->trouble : NULL);
		if (filtered.failed && round->total.code < EXIT_LOCAL)
			round->total.code = EXIT_LOCAL;
		rc = 0;
	}
	filtering_free(filtering);
	return rc;
}

/* ---- --watch ---- */

/* Of what went wrong in a round, or on the way to it: whether another one may do better. The first one has to show that it can be done at all. */
static bool is_final(const struct err *err, bool first)
{
	if (err->scope == ERR_STOPPED || err->kind == ERR_KIND_SAFETY ||
		err->kind == ERR_KIND_USAGE ||
		(err->scope == ERR_LOCAL && err->kind == ERR_KIND_OTHER))
		return true;
	return err->scope > ERR_MAILBOX && (first || err->kind == ERR_KIND_AUTH);
}

/* Until the next look is due: 0, or -1 when there is no next one. */
static int wait_round(struct round *round, unsigned *failures, struct err *err)
{
	struct err *trouble = &round->trouble;
	int64_t ms;

	err_clear(err);
	if (trouble->scope < ERR_CONN && round->again)
		return stop_check(err);
	if (trouble->scope < ERR_CONN && watch_wait(round->watch, trouble) >= 0) {
		*failures = 0;
		return 0;
	}
	*err = *trouble;
	if (is_final(trouble, false))
		return -1;
	ms = lane_pause_ms(trouble, ++*failures);
	log_warn("%s; again in %.1f s", trouble->text, (double)ms / 1000);
	err_clear(err);
	return clock_sleep(ms) == 0 ? 0 : stop_check(err);
}

/* Rounds without end, each with what is new since the last one. */
static int watch_rounds(struct filter *filter, struct round *round, struct err *err)
{
	struct filtered_total sum = { .watched = true };
	unsigned failures = 0;
	bool first = true;
	int rc = 0;

	while (rc == 0) {
		rc = parse(filter, err);
		if (rc == 0 && run_round(filter, round, err) < 0)
			round->trouble = *err;
		else if (rc == 0)
			filtered_add(&sum, &round->total);
		sum.mailboxes = round->total.mailboxes;
		if (rc == 0 && is_final(&round->trouble, first)) {
			*err = round->trouble;
			rc = -1;
		}
		if (rc == 0)
			rc = printer_flush(err);
		if (rc == 0)
			rc = wait_round(round, &failures, err);
		round->total = (struct filtered_total){ .code = EXIT_DONE };
		first = false;
	}
	if (err->kind == ERR_KIND_USAGE)
		return -1;
	sum.code = report_err_code(err);
	if (err->scope != ERR_STOPPED)
		log_error("%s", err->text);
	filtered_verdict(filter->cli, &sum);
	return sum.code;
}

static int run_watch(struct filter *filter, struct err *err)
{
	const struct watch_request request = { .settings = &filter->cli->settings,
		.account = filter->account,
		.poll_ms = filter->cli->filter.poll_ms };
	struct round round = { .memory = filter_memory_new(), .watch = watch_new(&request) };
	const int code = watch_rounds(filter, &round, err);

	watch_free(round.watch);
	filter_memory_free(round.memory);
	return code;
}

/* ---- once ---- */

static int run_once(struct filter *filter, struct err *err)
{
	struct round round = { .memory = NULL };

	if (run_round(filter, &round, err) < 0)
		return -1;
	if (filter->cli->shared)
		filtered_users_add(
			filter->cli->shared->gathered, filter->cli->user->name, &round.total);
	filtered_verdict(filter->cli, &round.total);
	return round.total.code;
}

static int filter_run(struct cli *cli, struct err *err)
{
	struct filter filter = { .cli = cli };
	int code = -1;

	if (open_all(&filter, err) == 0)
		code = cli->filter.watch ? run_watch(&filter, err) : run_once(&filter, err);
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
