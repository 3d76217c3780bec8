/* mailhaul mailbox: deletes, renames, creates, subscribes to mailboxes by name or regular expression. */
#include "cli/cmd.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/stop.h"
#include "base/text.h"
#include "cli/option_values.h"
#include "cli/printer.h"
#include "cli/prompt.h"
#include "ops/mailboxes.h"
#include "ops/report.h"

#define AT(member) offsetof(struct cli, mailbox.member)
#define LINE_MAX_BYTES (1u << 20)

static const struct option own[] = {
	{ "regex", "RE", NULL,
		"mailboxes that match this expression too, but never INBOX; not of rename and create (repeatable)",
		AT(regex), take_regex, OPTION_LIST, 0, false },
};

static const struct verb {
	const char *name, *done;
	enum mailboxes_action action;
} verbs[] = {
	{ "delete", "deleted", MAILBOXES_DELETE },
	{ "rename", "renamed", MAILBOXES_RENAME },
	{ "create", "created", MAILBOXES_CREATE },
	{ "subscribe", "subscribed", MAILBOXES_SUBSCRIBE },
	{ "unsubscribe", "unsubscribed", MAILBOXES_UNSUBSCRIBE },
};

static const struct verb *find_verb(const struct cli *cli)
{
	for (size_t i = 1; i < countof(verbs); i++) {
		if (strcmp(cli->action, verbs[i].name) == 0)
			return &verbs[i];
	}
	return &verbs[0];
}

static int check(const struct cli *cli, const struct verb *verb, struct err *err)
{
	const size_t regexes = cli->mailbox.regex.count, names = cli->locations - 1;

	if (regexes > 0 && (verb->action == MAILBOXES_RENAME || verb->action == MAILBOXES_CREATE))
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE, "--regex: %s takes names%s",
			verb->name,
			verb->action == MAILBOXES_RENAME ? ", or expressions such as s/^Old/New/"
							 : "");
	if (regexes + names == 0)
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
			"which mailbox? name it behind the location%s",
			verb->action == MAILBOXES_CREATE ? "" : ", or give --regex RE");
	if (cli->settings.no_expunge)
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
			"--no-expunge: a mailbox is not marked as deleted, but deleted");
	return 0;
}

/* ---- showing ---- */

static const char *state_name(enum mailboxes_state state)
{
	switch (state) {
	case MAILBOXES_PLANNED:
		return "planned";
	case MAILBOXES_DONE:
		return "done";
	case MAILBOXES_ALREADY:
		return "already";
	case MAILBOXES_FAILED:
		return "failed";
	}
	return "";
}

static void print_json_row(const struct mailboxes_row *row, struct buf *buffer)
{
	struct print_json line;
	struct json *json = print_json_begin(&line, buffer, "mailbox");

	json_key(json, "mailbox");
	json_text(json, row->name);
	json_key(json, "to");
	json_text(json, row->to);
	json_key(json, "messages");
	json_u64(json, row->messages);
	json_key(json, "state");
	json_text(json, state_name(row->state));
	json_key(json, "error");
	json_text(json, row->err ? row->err->text : NULL);
	print_json_end(&line);
}

static void print_row(
	const struct cli *cli, const struct verb *verb, const struct mailboxes_row *row)
{
	struct arena *arena = arena_new();

	if (row->state == MAILBOXES_DONE || row->state == MAILBOXES_PLANNED)
		print("%s%s ",
			row->state == MAILBOXES_DONE ? ""
			: cli->settings.dry_run      ? "would be "
						     : "not ",
			verb->done);
	print("%s", text_harmless_copy(arena, span_of(row->name)));
	if (row->to)
		print(" to %s", text_harmless_copy(arena, span_of(row->to)));
	if (verb->action == MAILBOXES_DELETE && row->messages > 0)
		print(" with %u messages", row->messages);
	if (row->state == MAILBOXES_ALREADY)
		print(": it is already");
	if (row->err)
		print(": %s%s", row->state == MAILBOXES_DONE ? "" : "failed: ",
			text_harmless_copy(arena, span_of(row->err->text)));
	print("\n");
	arena_free(arena);
}

struct sum {
	uint64_t rows, done, planned, failed;
};

static const char *verdict(const struct cli *cli, int code)
{
	if (code == EXIT_INTERRUPTED)
		return "interrupted";
	if (code != EXIT_DONE)
		return "incomplete";
	return cli->settings.dry_run ? "dry-run" : "complete";
}

static void print_end(const struct cli *cli, const struct verb *verb, const struct sum *sum,
	int code, struct buf *buffer)
{
	struct print_json line;
	struct json *json;

	print("%s: %llu of %llu mailboxes %s%s\n",
		code == EXIT_DONE || code == EXIT_INTERRUPTED ? verdict(cli, code) : "INCOMPLETE",
		(unsigned long long)(cli->settings.dry_run ? sum->planned : sum->done),
		(unsigned long long)sum->rows, cli->settings.dry_run ? "would be " : "",
		verb->done);
	if (!print_json_wanted())
		return;
	json = print_json_begin(&line, buffer, "end");
	json_key(json, "command");
	json_text(json, "mailbox");
	json_key(json, "action");
	json_text(json, verb->name);
	json_key(json, "dry_run");
	json_bool(json, cli->settings.dry_run);
	json_key(json, "verdict");
	json_text(json, verdict(cli, code));
	json_key(json, "exit_code");
	json_u64(json, (uint64_t)code);
	json_key(json, "mailboxes");
	json_u64(json, sum->rows);
	json_key(json, "done");
	json_u64(json, sum->done);
	json_key(json, "failed");
	json_u64(json, sum->failed);
	print_json_end(&line);
}

/* code: what is known so far. */
static int show(
	const struct cli *cli, const struct verb *verb, const struct mailboxes *plan, int code)
{
	struct sum sum = { .rows = mailboxes_count(plan) };
	struct buf buffer;

	buf_init(&buffer, LINE_MAX_BYTES);
	for (size_t i = 0; i < sum.rows; i++) {
		const struct mailboxes_row *row = mailboxes_row(plan, i);

		sum.done += row->state == MAILBOXES_DONE || row->state == MAILBOXES_ALREADY;
		sum.planned += row->state == MAILBOXES_PLANNED;
		sum.failed += row->state == MAILBOXES_FAILED;
		if (row->err && report_err_code(row->err) > code)
			code = report_err_code(row->err);
		if (print_json_wanted())
			print_json_row(row, &buffer);
		if (!cli->settings.quiet)
			print_row(cli, verb, row);
	}
	if ((sum.failed > 0 || (mailboxes_left_out(plan) && cli->mailbox.regex.count > 0)) &&
		code < EXIT_SOME_FAILED)
		code = EXIT_SOME_FAILED;
	if (stop_requested() && code != EXIT_DONE)
		code = EXIT_INTERRUPTED;
	print_end(cli, verb, &sum, code, &buffer);
	buf_release(&buffer);
	return code;
}

static int change_mailboxes(
	struct cli *cli, const struct verb *verb, struct account *account, struct err *err)
{
	struct mailboxes_request request = { .settings = &cli->settings,
		.account = account,
		.action = verb->action,
		.name = cli->location + 1,
		.names = cli->locations - 1,
		.regex = &cli->mailbox.regex };
	struct mailboxes *plan;
	char *dir;
	int code = EXIT_DONE;

	if (settings_state_dir(&cli->settings, cli->arena, &dir, err) < 0)
		return -1;
	request.state_dir = dir;
	plan = mailboxes_plan(&request, err);
	if (!plan)
		return -1;
	/* A run over many users asks nothing. A dry run says what the brake would say. */
	if (mailboxes_allow(plan, cli->user ? NULL : prompt_confirm, NULL, err) < 0) {
		code = cli->settings.dry_run ? EXIT_DONE : report_err_code(err);
		log_error("%s", err->text);
	} else if (!cli->settings.dry_run && mailboxes_do(plan, err) < 0) {
		code = report_err_code(err);
		log_error("%s", err->text);
	}
	code = show(cli, verb, plan, code);
	mailboxes_free(plan);
	return code;
}

static int mailbox_run(struct cli *cli, struct err *err)
{
	const struct verb *verb = find_verb(cli);
	struct account *account;
	int code;

	if (check(cli, verb, err) < 0)
		return -1;
	account = cli_account(cli, 0, "", err);
	if (!account)
		return -1;
	code = change_mailboxes(cli, verb, account, err);
	account_free(account);
	return code;
}

const struct command command_mailbox = {
	.name = "mailbox",
	.summary = "delete, rename, create or subscribe to mailboxes",
	.details =
		"delete removes the mailboxes named, and those that match --regex, with what is in them, after a question or with --yes and within --max-delete; "
		"what is below them stays unless it is named too, and so does a mailbox that changed since it was listed. "
		"rename takes OLD NEW, or expressions s/RE/TEXT/flags for all mailboxes; what is below goes along, and so do subscriptions. "
		"INBOX is neither deleted nor renamed.",
	.arguments = "delete|rename|create|subscribe|unsubscribe LOCATION [NAME...]",
	.words = "delete|rename|create|subscribe|unsubscribe",
	.groups = GROUP_ACCOUNT | GROUP_RUN | GROUP_GUARDS,
	.own = own,
	.own_count = countof(own),
	.least = 2,
	.most = SIZE_MAX,
	.acts = true,
	.accounts = 1,
	.many = MANY_APART,
	.run = mailbox_run,
};
