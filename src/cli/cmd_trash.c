/* mailhaul trash: what is marked as deleted goes to the trash, which can be emptied. */
#include "cli/cmd.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "cli/many.h"
#include "cli/outcome.h"
#include "cli/progress.h"
#include "cli/prompt.h"
#include "mail/date.h"
#include "ops/meter.h"
#include "ops/purge.h"
#include "ops/report.h"
#include "ops/trash.h"

#define AT(member) offsetof(struct cli, trash.member)
#define REGEX_MAX 65536

static int take_older_than(struct cli *cli, const char *value, struct err *err)
{
	return date_parse_option(
		value, clock_wall(), &cli->trash.before, cli->trash.before_day, err);
}

static const struct option own[] = {
	{ "trash", "MAILBOX", NULL,
		"the trash; without this option the mailbox with the special use \\Trash, or that has such a name",
		AT(name), NULL, OPTION_TEXT, 0, false },
	{ "empty", NULL, NULL,
		"then delete all messages in the trash, after a question or with --yes", AT(empty),
		NULL, OPTION_SWITCH, 0, false },
	{ "older-than", "DATE", NULL,
		"with --empty: only messages that arrived before this day, such as 30d; the day of arrival is that of the mailbox they were moved from",
		AT(older_than), take_older_than, OPTION_TEXT, 0, false },
};

struct work { /* for one account */
	struct cli *cli;
	struct account *account;
	const char *state_dir;
	struct meter *meter; /* or NULL */
	struct trash *trash;
	struct purge *purge; /* of --empty; NULL before it */
	struct settings emptying; /* of the purge */
	const char *regex;
	struct err trouble; /* what ended it */
};

static bool is_word(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (unsigned char)c >= 0x80;
}

/* An expression for exactly this name. */
static const char *regex_of(const char *name, struct arena *arena)
{
	struct buf text;
	const char *out = "";

	buf_init(&text, REGEX_MAX);
	(void)!buf_add(&text, SPAN("\\A"));
	for (; *name; name++) {
		if (!is_word(*name))
			(void)!buf_add_char(&text, '\\');
		(void)!buf_add_char(&text, *name);
	}
	if (buf_add(&text, SPAN("\\z")) == 0)
		out = arena_text(arena, buf_span(&text));
	buf_release(&text);
	return out;
}

/*
 * All of the trash, or what is old in it, whatever else the options choose. Without --max-delete there is no brake: that the trash loses its last message is what
 * was asked for.
 */
static void set_emptying(struct work *work)
{
	const struct settings *given = &work->cli->settings;
	struct settings *settings = &work->emptying;

	settings_init(settings);
	settings->jobs = given->jobs;
	settings->timeout_ms = given->timeout_ms;
	settings->settle_ms = given->settle_ms;
	settings->retries = given->retries;
	settings->state_dir = given->state_dir;
	settings->no_state = given->no_state;
	settings->yes = given->yes;
	settings->dry_run = given->dry_run;
	settings->expunge_all = given->expunge_all;
	settings->has_max_delete = true;
	settings->max_delete = given->max_delete;
	settings->max_delete_percent = given->has_max_delete ? given->max_delete_percent : 100;
	work->regex = regex_of(trash_name(work->trash), work->cli->arena);
	settings->include_regex = (struct text_list){ &work->regex, 1 };
	if (work->cli->trash.older_than) {
		settings->before = work->cli->trash.before;
		snprintf(settings->before_day, sizeof(settings->before_day), "%s",
			work->cli->trash.before_day);
	}
}

static int empty(struct work *work, struct err *err)
{
	struct walk_request request = { .settings = &work->emptying,
		.account = work->account,
		.state_dir = work->state_dir,
		.meter = work->meter,
		.scans = true };
	const bool dry_run = work->cli->settings.dry_run;
	int rc;

	if (trash_is_new(work->trash))
		return 0;
	set_emptying(work);
	work->purge = purge_plan(&request, err);
	if (!work->purge)
		return -1;
	progress_hide();
	rc = purge_allow(
		work->purge, dry_run || work->cli->user ? NULL : prompt_confirm, NULL, err);
	progress_show();
	if (dry_run) { /* it says what the brake would say */
		if (rc < 0)
			log_error("%s", err->text);
		err_clear(err);
		return 0;
	}
	return rc < 0 ? -1 : purge_do(work->purge, err);
}

static bool all_moved(const struct trash *trash)
{
	bool all = !trash_left_out(trash);

	for (size_t i = 0; i < trash_count(trash); i++)
		all &= !trash_row(trash, i)->err && trash_row(trash, i)->unknown == 0;
	return all;
}

static void carry_out(struct work *work)
{
	struct cli *cli = work->cli;
	int rc = cli->settings.dry_run ? 0 : trash_move(work->trash, &work->trouble);

	if (rc == 0 && cli->trash.empty && !all_moved(work->trash))
		log_warn("the trash is not emptied, for not all that is marked could be moved");
	else if (rc == 0 && cli->trash.empty)
		rc = empty(work, &work->trouble);
	if (rc < 0)
		log_error("%s", work->trouble.text);
}

/* ---- showing ---- */

static struct outcome_row row_of_move(const struct trash_row *from, const char *done)
{
	struct outcome_row row = { .mailbox = from->mailbox,
		.done_here = done,
		.found = from->found,
		.selected = from->marked,
		.done = from->moved,
		.vanished = from->vanished,
		.spared = from->spared };

	if (from->err) {
		row.error = from->err->text;
		row.code = report_err_code(from->err);
	} else if (from->unknown > 0) {
		row.error =
			"some messages stand here and in the trash, or it is not known where they are";
		row.code = EXIT_SOME_FAILED;
	}
	return row;
}

static struct outcome_row row_of_removal(const struct purge_row *from)
{
	return (struct outcome_row){ .mailbox = from->mailbox,
		.done_here = "deleted",
		.found = from->found,
		.selected = from->chosen,
		.done = from->deleted,
		.vanished = from->vanished,
		.spared = from->spared,
		.error = from->err ? from->err->text : NULL,
		.code = from->err ? report_err_code(from->err) : EXIT_DONE };
}

static int show(const struct work *work)
{
	struct cli *cli = work->cli;
	const size_t moves = trash_count(work->trash);
	const size_t removals = work->purge ? purge_count(work->purge) : 0;
	struct outcome_row *rows = arena_array(cli->arena, moves + removals + 1, sizeof(*rows));
	const char *moved = arena_print(cli->arena, "moved to %s", trash_name(work->trash));
	struct outcome outcome = { .rows = rows,
		.done = cli->trash.empty ? arena_print(cli->arena, "%s, or deleted in it", moved)
					 : moved,
		.error = work->trouble.scope == ERR_NONE ? NULL : work->trouble.text,
		.code = report_err_code(&work->trouble) };

	if (trash_left_out(work->trash) && outcome.code < EXIT_SOME_FAILED)
		outcome.code = EXIT_SOME_FAILED;
	for (size_t i = 0; i < moves; i++) {
		if (trash_is_source(work->trash, i))
			rows[outcome.count++] = row_of_move(trash_row(work->trash, i), moved);
	}
	for (size_t i = 0; i < removals; i++)
		rows[outcome.count++] = row_of_removal(purge_row(work->purge, i));
	return outcome_account(cli, &outcome);
}

static int trash_account(struct cli *cli, struct account *account, struct err *err)
{
	struct work work = { .cli = cli, .account = account, .trouble = ERR_INIT };
	struct walk_request request = { .settings = &cli->settings,
		.account = account,
		.want = STORE_LIST_STATUS,
		.scans = true };
	struct meter *meter = cli->shared ? NULL : meter_new();
	char *dir;
	int code = -1;

	work.meter = request.meter = meter;
	if (meter)
		progress_start(meter, cli_progress(cli));
	if (settings_state_dir(&cli->settings, cli->arena, &dir, err) == 0) {
		work.state_dir = request.state_dir = dir;
		work.trash = trash_plan(&request, cli->trash.name, err);
	}
	if (work.trash)
		carry_out(&work);
	if (meter)
		progress_stop();
	if (work.trash)
		code = show(&work);
	purge_free(work.purge);
	trash_free(work.trash);
	meter_free(meter);
	return code;
}

static int check(const struct cli *cli, const struct account *account, struct err *err)
{
	const char *why = NULL;

	if (cli->settings.no_expunge)
		why = "--no-expunge: what is marked as deleted is moved, not marked";
	else if (cli->trash.older_than && !cli->trash.empty)
		why = "--older-than only means something with --empty";
	else if (cli->trash.empty && account_mailbox(account))
		why = "--empty: leave the mailbox out of the location, and choose with -m";
	else if (cli->trash.name && strcasecmp(cli->trash.name, "INBOX") == 0)
		why = "--trash: INBOX is where new mail comes to: it is no trash";
	return why ? err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE, "%s", why) : 0;
}

static int trash_run(struct cli *cli, struct err *err)
{
	struct account *account = cli_account(cli, 0, "", err);
	int code = -1;

	if (account && check(cli, account, err) == 0 && cli_ask_secrets(account, err) == 0)
		code = trash_account(cli, account, err);
	account_free(account);
	return code < 0 ? outcome_failure(cli, "moved to the trash", err) : code;
}

const struct command command_trash = {
	.name = "trash",
	.summary = "move messages marked as deleted to the trash",
	.details =
		"Moves every message that is marked as deleted (\\Deleted), in all mailboxes or those chosen, to the trash, and takes the mark off there. "
		"The trash is the mailbox with that special use, else one with a usual name in one of many languages, else a new one called Trash. "
		"With --empty, what is in the trash is deleted then.",
	.arguments = "LOCATION",
	.groups = GROUP_ACCOUNT | GROUP_RUN | GROUP_MAILBOXES | GROUP_MESSAGES | GROUP_GUARDS,
	.own = own,
	.own_count = countof(own),
	.least = 1,
	.most = 1,
	.many = MANY_GATHERED,
	.gather = outcomes_gather,
	.gathered = outcomes_gathered,
	.run = trash_run,
};
