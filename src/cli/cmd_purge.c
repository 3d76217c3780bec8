/* mailhaul purge: removes messages, all or selected. */
#include "cli/cmd.h"

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/many.h"
#include "cli/outcome.h"
#include "cli/progress.h"
#include "cli/prompt.h"
#include "ops/meter.h"
#include "ops/purge.h"
#include "ops/report.h"

/* A whole account only goes when that was said. */
static int check_mailboxes(const struct cli *cli, const struct account *account, struct err *err)
{
	const struct settings *settings = &cli->settings;

	if (account_mailbox(account) || settings->mailboxes.count > 0 ||
		settings->include_regex.count > 0 || settings->subscribed)
		return 0;
	return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
		"in which mailboxes? give -m MAILBOX, or one in the location; -m '**' is all of them");
}

static const char *done_word(const struct cli *cli)
{
	return cli->settings.no_expunge ? "marked as deleted" : "deleted";
}

static int show(const struct cli *cli, const struct purge *purge, int code, const char *error)
{
	const size_t count = purge_count(purge);
	struct outcome_row *rows = mem_array(count + 1, sizeof(*rows));
	const struct outcome outcome = { .rows = rows,
		.count = count,
		.done = done_word(cli),
		.error = error,
		.code = purge_left_out(purge) && code < EXIT_SOME_FAILED ? EXIT_SOME_FAILED
									 : code };

	for (size_t i = 0; i < count; i++) {
		const struct purge_row *row = purge_row(purge, i);

		rows[i] = (struct outcome_row){ .mailbox = row->mailbox,
			.found = row->found,
			.selected = row->chosen,
			.done = row->deleted,
			.vanished = row->vanished,
			.spared = row->spared,
			.error = row->err ? row->err->text : NULL,
			.code = row->err ? report_err_code(row->err) : EXIT_DONE };
	}
	code = outcome_account(cli, &outcome);
	mem_free(rows);
	return code;
}

/* Brake, question, work. The code, and err. */
static int do_it(struct cli *cli, struct purge *purge, struct err *err)
{
	const bool dry_run = cli->settings.dry_run;

	progress_hide();
	/* A run over many users asks nothing. A dry run says what the brake would say. */
	if (purge_allow(purge, dry_run || cli->user ? NULL : prompt_confirm, NULL, err) < 0) {
		log_error("%s", err->text);
		if (dry_run && err->kind == ERR_KIND_SAFETY)
			err_clear(err);
	}
	progress_show();
	if (err->scope == ERR_NONE && !dry_run && purge_do(purge, err) < 0)
		log_error("%s", err->text);
	return report_err_code(err);
}

static int purge_account(struct cli *cli, struct account *account, struct err *err)
{
	struct walk_request request = {
		.settings = &cli->settings, .account = account, .scans = true
	};
	struct meter *own = cli->shared ? NULL : meter_new();
	struct err trouble = ERR_INIT;
	struct purge *purge = NULL;
	char *dir;
	int code = -1;

	request.meter = own;
	if (own)
		progress_start(own, cli_progress(cli));
	if (settings_state_dir(&cli->settings, cli->arena, &dir, err) == 0) {
		request.state_dir = dir;
		purge = purge_plan(&request, err);
	}
	if (purge)
		code = do_it(cli, purge, &trouble);
	if (own)
		progress_stop();
	if (purge)
		code = show(cli, purge, code, trouble.scope == ERR_NONE ? NULL : trouble.text);
	purge_free(purge);
	meter_free(own);
	return code;
}

static int purge_run(struct cli *cli, struct err *err)
{
	struct account *account = cli_account(cli, 0, "", err);
	int code = -1;

	if (account && check_mailboxes(cli, account, err) == 0 &&
		cli_ask_secrets(account, err) == 0)
		code = purge_account(cli, account, err);
	account_free(account);
	return code < 0 ? outcome_failure(cli, done_word(cli), err) : code;
}

const struct command command_purge = {
	.name = "purge",
	.summary = "delete messages, all or selected",
	.details = "Deletes the messages that the options select in the mailboxes that they name. "
		   "Everything is read and decided first; then, after a question or with --yes, "
		   "and within --max-delete, exactly these messages go. Mail that arrives "
		   "meanwhile stays. A mailbox that is to lose all its messages needs "
		   "--max-delete 100%.",
	.arguments = "LOCATION",
	.groups = GROUP_ACCOUNT | GROUP_RUN | GROUP_MAILBOXES | GROUP_MESSAGES | GROUP_GUARDS,
	.least = 1,
	.most = 1,
	.many = MANY_GATHERED,
	.gather = outcomes_gather,
	.gathered = outcomes_gathered,
	.run = purge_run,
};
