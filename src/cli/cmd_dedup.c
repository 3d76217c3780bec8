/* mailhaul dedup: messages that are there more than once. */
#include "cli/cmd.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/many.h"
#include "cli/option_values.h"
#include "cli/outcome.h"
#include "cli/printer.h"
#include "cli/progress.h"
#include "cli/prompt.h"
#include "ops/dedup.h"
#include "ops/meter.h"
#include "ops/report.h"

#define AT(member) offsetof(struct cli, member)
#define LINE_MAX_BYTES (1u << 20)

static const struct option own[] = {
	{ "by", "HOW", "auto|message-id|header:NAMES|content",
		"what makes two messages the same: auto = headers and size, body where these leave doubt; content = headers and body",
		AT(settings.match), take_match, OPTION_OTHER, 0, false },
	{ "with-date", NULL, NULL, "and they arrived in the same second", AT(dedup.with_date), NULL,
		OPTION_SWITCH, 0, false },
	{ "across", NULL, NULL,
		"compare over all chosen mailboxes, not in each alone; what stays, stays in the first: in the order of -m, then INBOX, then by name",
		AT(dedup.across), NULL, OPTION_SWITCH, 0, false },
	{ "keep", "WHICH", "first|last|flagged|largest",
		"which one stays (first); never one that is marked as deleted", AT(dedup.keep),
		NULL, OPTION_CHOICE, 0, false },
	{ "verify", "HOW", "none|content",
		"content: only what was read whole, and is equal, is a copy (so with --mark, --expunge and --move-to)",
		AT(dedup.verify), NULL, OPTION_CHOICE, 0, false },
	{ "mark", NULL, NULL, "mark copies as deleted, after a question or with --yes",
		AT(dedup.mark), NULL, OPTION_SWITCH, 0, false },
	{ "expunge", NULL, NULL, "delete copies, after a question or with --yes", AT(dedup.expunge),
		NULL, OPTION_SWITCH, 0, false },
	{ "move-to", "MAILBOX", NULL,
		"move copies to this mailbox of the account, which is not looked at itself",
		AT(dedup.move_to), NULL, OPTION_TEXT, 0, false },
};

struct work { /* for one account */
	struct cli *cli;
	struct dedup_request request;
	struct dedup *dedup;
	struct err trouble; /* what ended it */
};

static void dedup_begin(struct cli *cli)
{
	cli->dedup.verify = -1;
}

static enum dedup_action action_of(const struct cli *cli)
{
	if (cli->dedup.move_to)
		return DEDUP_MOVE;
	if (cli->dedup.expunge)
		return DEDUP_EXPUNGE;
	return cli->dedup.mark ? DEDUP_MARK : DEDUP_REPORT;
}

static const char *done_word(const struct cli *cli)
{
	switch (action_of(cli)) {
	case DEDUP_MOVE:
		return arena_print(cli->arena, "moved to %s",
			text_harmless_copy(cli->arena, span_of(cli->dedup.move_to)));
	case DEDUP_EXPUNGE:
		return "deleted";
	case DEDUP_MARK:
		return "marked as deleted";
	case DEDUP_REPORT:
		break;
	}
	return "are copies";
}

/* ---- showing ---- */

static void print_json_copy(const struct dedup_copy *copy)
{
	struct print_json line;
	struct buf buffer;
	struct json *json;

	buf_init(&buffer, LINE_MAX_BYTES);
	json = print_json_begin(&line, &buffer, "copy");
	json_key(json, "mailbox");
	json_text(json, copy->mailbox);
	json_key(json, "uid");
	json_u64(json, copy->uid);
	json_key(json, "octets");
	json_u64(json, copy->octets);
	json_key(json, "kept_mailbox");
	json_text(json, copy->kept_mailbox);
	json_key(json, "kept_uid");
	json_u64(json, copy->kept_uid);
	json_key(json, "by_content");
	json_bool(json, copy->by_content);
	print_json_end(&line);
	buf_release(&buffer);
}

static void print_copy(const struct cli *cli, const struct dedup_copy *copy, struct arena *arena)
{
	print("%s%s%s UID %lu is a copy of %s UID %lu%s\n", cli->user ? log_label() : "",
		cli->user ? ": " : "", text_harmless_copy(arena, span_of(copy->mailbox)),
		(unsigned long)copy->uid, text_harmless_copy(arena, span_of(copy->kept_mailbox)),
		(unsigned long)copy->kept_uid, copy->by_content ? ", by content" : "");
}

static void list_copies(const struct work *work)
{
	const struct cli *cli = work->cli;
	struct arena *arena = arena_new();
	struct dedup_copy copy;

	const bool shown = cli->verbose > 0 && !cli->settings.quiet;

	if (print_json_wanted() || shown) {
		for (size_t at = 0; dedup_next(work->dedup, &at, &copy);) {
			if (print_json_wanted())
				print_json_copy(&copy);
			if (shown)
				print_copy(cli, &copy, arena);
			arena_clear(arena);
		}
	}
	arena_free(arena);
}

static struct outcome_row row_of(const struct dedup_row *from)
{
	return (struct outcome_row){ .mailbox = from->mailbox,
		.found = from->found,
		.selected = from->copies,
		.done = from->done,
		.vanished = from->vanished,
		.spared = from->spared,
		.groups = from->groups,
		.octets = from->octets,
		.error = from->err ? from->err->text : NULL,
		.code = from->err ? report_err_code(from->err) : EXIT_DONE };
}

static int show(const struct work *work)
{
	const struct cli *cli = work->cli;
	const size_t count = dedup_count(work->dedup);
	struct outcome_row *rows = mem_array(count + 1, sizeof(*rows));
	struct outcome outcome = { .rows = rows,
		.count = count,
		.done = done_word(cli),
		.only_shows = action_of(cli) == DEDUP_REPORT,
		.has_groups = true,
		.error = work->trouble.scope == ERR_NONE ? NULL : work->trouble.text,
		.code = report_err_code(&work->trouble) };
	int code;

	if (dedup_left_out(work->dedup) && outcome.code < EXIT_SOME_FAILED)
		outcome.code = EXIT_SOME_FAILED;
	list_copies(work);
	for (size_t i = 0; i < count; i++)
		rows[i] = row_of(dedup_row(work->dedup, i));
	code = outcome_account(cli, &outcome);
	mem_free(rows);
	return code;
}

/* ---- an account ---- */

/* Brake, question, work. */
static void carry_out(struct work *work)
{
	const bool dry_run = work->cli->settings.dry_run;
	const uint64_t differing = dedup_differing(work->dedup);
	struct err *err = &work->trouble;

	if (differing > 0)
		log_info(
			"%llu messages have the key of others and other content, or none that could be read: they stay",
			(unsigned long long)differing);
	progress_hide();
	/* A run over many users asks nothing. A dry run says what the brake would say. */
	if (dedup_allow(work->dedup, dry_run || work->cli->user ? NULL : prompt_confirm, NULL,
		    err) < 0) {
		log_error("%s", err->text);
		if (dry_run && err->kind == ERR_KIND_SAFETY)
			err_clear(err);
	}
	progress_show();
	if (err->scope == ERR_NONE && !dry_run && dedup_do(work->dedup, err) < 0)
		log_error("%s", err->text);
}

static int dedup_account(struct cli *cli, struct account *account, struct err *err)
{
	const enum dedup_action action = action_of(cli);
	struct work work = { .cli = cli,
		.request = { .keep = (enum duplicates_keep)cli->dedup.keep,
			.across = cli->dedup.across,
			.with_date = cli->dedup.with_date,
			.verify = cli->dedup.verify < 0 ? action != DEDUP_REPORT
							: cli->dedup.verify == 1,
			.action = action,
			.target = cli->dedup.move_to },
		.trouble = ERR_INIT };
	struct meter *own_meter = cli->shared ? NULL : meter_new();
	char *dir;
	int code = -1;

	work.request.walk = (struct walk_request){ .settings = &cli->settings,
		.account = account,
		.meter = own_meter,
		.want = STORE_LIST_STATUS,
		.scans = true };
	if (own_meter)
		progress_start(own_meter, cli_progress(cli));
	if (settings_state_dir(&cli->settings, cli->arena, &dir, err) == 0) {
		work.request.walk.state_dir = dir;
		work.dedup = dedup_plan(&work.request, err);
	}
	if (work.dedup)
		carry_out(&work);
	if (own_meter)
		progress_stop();
	if (work.dedup)
		code = show(&work);
	dedup_free(work.dedup);
	meter_free(own_meter);
	return code;
}

static int check(const struct cli *cli, struct err *err)
{
	const struct dedup_options *options = &cli->dedup;
	const char *why = NULL;

	if (options->mark + options->expunge + (options->move_to != NULL) > 1)
		why = "--mark, --expunge and --move-to exclude each other";
	else if (cli->settings.no_expunge)
		why = "--no-expunge: to mark copies and leave them there is --mark";
	else if (cli->settings.match == MATCH_CONTENT && options->verify == 0)
		why = "--by content and --verify none exclude each other";
	return why ? err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE, "%s", why) : 0;
}

static int dedup_run(struct cli *cli, struct err *err)
{
	struct account *account = cli_account(cli, 0, "", err);
	int code = -1;

	if (account && check(cli, err) == 0 && cli_ask_secrets(account, err) == 0)
		code = dedup_account(cli, account, err);
	account_free(account);
	return code < 0 ? outcome_failure(cli, done_word(cli), err) : code;
}

const struct command command_dedup = {
	.name = "dedup",
	.summary = "find and remove duplicates",
	.details =
		"Finds messages that a mailbox holds more than once, and says how many copies there are; -v and --json list them. "
		"With --mark, --expunge or --move-to all but one of each are marked, deleted or moved, if they were read whole and are equal; "
		"their flags go to the one that stays.",
	.arguments = "LOCATION",
	.groups = GROUP_ACCOUNT | GROUP_RUN | GROUP_MAILBOXES | GROUP_MESSAGES | GROUP_GUARDS,
	.own = own,
	.own_count = countof(own),
	.least = 1,
	.most = 1,
	.many = MANY_GATHERED,
	.gather = outcomes_gather,
	.gathered = outcomes_gathered,
	.begin = dedup_begin,
	.run = dedup_run,
};
