/* mailhaul copy and mirror: two accounts, a report, a progress line, and the job in ops/ between them. */
#include "cli/cmd.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/stop.h"
#include "cli/many.h"
#include "cli/progress.h"
#include "cli/prompt.h"
#include "ops/job.h"
#include "ops/meter.h"
#include "ops/proven.h"
#include "ops/report.h"
#include "store/users.h"

struct copy {
	struct cli *cli;
	struct account *src, *dst;
	const char *part; /* report_options.part */
	struct report *report;
	struct meter *meter;
};

/* What files at the destination leave out must not be deleted at the source. */
static int take_file_keys(struct copy *copy, struct err *err)
{
	struct settings *settings = &copy->cli->settings;
	copy->part = account_part(copy->dst);
	if (copy->part && strcmp(copy->part, "header") == 0)
		settings->headers_only = true;
	else if (copy->part && settings->headers_only)
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
			"--headers-only with attachments=only: a header has no attachments");
	else if (settings->headers_only)
		copy->part = "header";
	if (settings->delete_source && copy->part)
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
			"--delete-source with headers-only or attachments=only would lose mail: give only one of them");
	return 0;
}

/* What is deleted at the one would be mail of the other. */
static int refuse_nested(const struct copy *copy, struct err *err)
{
	const struct settings *settings = &copy->cli->settings;
	const bool inside = account_holds(copy->src, copy->dst);

	if (!settings_extra(settings) && !settings->delete_mailboxes)
		return 0;
	if (!inside && !account_holds(copy->dst, copy->src))
		return 0;
	return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
		"the %s (%s) lies in the %s (%s): what is deleted at the destination would be mail of the source",
		inside ? "destination" : "source", account_name(inside ? copy->dst : copy->src),
		inside ? "source" : "destination", account_name(inside ? copy->src : copy->dst));
}

static int open_accounts(struct copy *copy, struct err *err)
{
	copy->src = cli_account(copy->cli, 0, "src", err);
	if (!copy->src)
		return -1;
	copy->dst = cli_account(copy->cli, 1, "dst", err);
	if (!copy->dst)
		return -1;
	if (strcmp(account_scheme(copy->dst), "pop3") == 0)
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
			"%s: POP3 can only be read: it is no destination", account_name(copy->dst));
	if (account_same(copy->src, copy->dst))
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
			"source and destination are the same account: %s", account_name(copy->src));
	if (refuse_nested(copy, err) < 0 || take_file_keys(copy, err) < 0)
		return -1;
	if (copy->cli->settings.delete_mailboxes && account_mailbox(copy->src) &&
		!account_mailbox(copy->dst))
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
			"--delete-mailboxes: the source is only one mailbox and those below it, so the destination has to name one too");
	if (cli_ask_secrets(copy->src, err) < 0)
		return -1;
	return cli_ask_secrets(copy->dst, err);
}

static int open_report(struct copy *copy, struct err *err)
{
	const struct settings *settings = &copy->cli->settings;
	struct report_options options = {
		.command = copy->cli->command->name,
		.src = account_name(copy->src),
		.dst = account_name(copy->dst),
		.dry_run = settings->dry_run,
		.json = settings->json,
		.quiet = settings->quiet,
		.part = copy->part,
		.file = settings->report_file,
		.user = copy->cli->user ? copy->cli->user->name : NULL,
		.over = copy->cli->shared ? copy->cli->shared->report : NULL,
	};

	copy->report = report_new(&options, err);
	return copy->report ? 0 : -1;
}

/* One job a target, one after another (POP3 lets nobody else in); what is deleted is deleted by the last. */
static int copy_into_each(struct copy *copy, struct job *job, struct err *err)
{
	const struct text_list *into = &copy->cli->into;
	int rc = 0;

	job->proven = proven_new();
	for (size_t i = 0; i < into->count && rc == 0; i++) {
		copy->cli->settings.into = into->item[i];
		job->round = (unsigned)i;
		job->more = i + 1 < into->count;
		rc = job_copy(job, err);
	}
	proven_free(job->proven);
	return rc;
}

static int work(struct copy *copy, struct err *err)
{
	const struct shared *shared = copy->cli->shared;
	const int64_t began = clock_ms();
	struct job job = {
		.settings = &copy->cli->settings,
		.src = copy->src,
		.dst = copy->dst,
		.report = copy->report,
		.meter = copy->meter,
		.messages = shared ? shared->messages : NULL,
		.bytes = shared ? shared->bytes : NULL,
		.confirm = prompt_confirm,
	};
	int rc;

	if (!shared)
		progress_start(copy->meter, cli_progress(copy->cli));
	rc = copy->cli->into.count > 1 ? copy_into_each(copy, &job, err) : job_copy(&job, err);
	if (!shared)
		progress_stop();
	if (rc < 0 && err->kind == ERR_KIND_USAGE && !shared)
		return -1;
	if (rc < 0) {
		report_error(copy->report, err);
		log_error("%s", err->text);
	}
	/* Whatever a stop brought about, such as a question left unanswered, it is the stop that tells why. */
	if (stop_requested() && report_exit_code(copy->report) != EXIT_DONE)
		report_code(copy->report, EXIT_INTERRUPTED);
	progress_hide(); /* with --users it goes on */
	report_finish(copy->report, (double)(clock_ms() - began) / 1000);
	progress_show();
	return report_exit_code(copy->report);
}

static int copy_run(struct cli *cli, struct err *err)
{
	struct copy copy = { .cli = cli };
	struct meter *own = NULL;
	int code = -1;

	if (open_accounts(&copy, err) == 0 && open_report(&copy, err) == 0) {
		if (!cli->shared)
			own = meter_new();
		copy.meter = own ? own : cli->shared->meter;
		code = work(&copy, err);
	}
	meter_free(own);
	report_free(copy.report);
	account_free(copy.dst);
	account_free(copy.src);
	return code;
}

const struct command command_copy = {
	.name = "copy",
	.summary = "copy what is missing at the destination",
	.details = "Copies messages, flags and mailboxes from SRC to DST, whatever of them is not "
		   "there yet. "
		   "Nothing is deleted unless an option says so. It may be interrupted and "
		   "repeated at any time: "
		   "nothing is lost, nothing is doubled, and what is done is not done again.",
	.arguments = "SRC DST",
	.groups = GROUP_ACCOUNTS | GROUP_RUN | GROUP_MAILBOXES | GROUP_MESSAGES | GROUP_NAMES |
		  GROUP_IDENTITY | GROUP_FLAGS | GROUP_DELETING | GROUP_CONTENT | GROUP_FILES,
	.least = 2,
	.most = 2,
	.many = MANY_TOGETHER,
	.run = copy_run,
};

static void mirror_begin(struct cli *cli)
{
	cli->settings.delete_extra = true;
	cli->settings.recopy = true;
}

const struct command command_mirror = {
	.name = "mirror",
	.summary = "make the destination equal to the source",
	.details = "Copies as copy does, again too what was deleted at the destination, and then "
		   "deletes messages there "
		   "that the source does not have, after a question or with --yes, and within "
		   "--max-delete. "
		   "The source is never changed. Nothing is deleted in a mailbox of which anything "
		   "failed or is unknown. Mailboxes of the destination that the source does not "
		   "have stay unless --delete-mailboxes asks for them; --delete-extra=no deletes "
		   "nothing.",
	.arguments = "SRC DST",
	.groups = GROUP_ACCOUNTS | GROUP_RUN | GROUP_MAILBOXES | GROUP_MESSAGES | GROUP_NAMES |
		  GROUP_IDENTITY | GROUP_FLAGS | GROUP_DELETING | GROUP_CONTENT | GROUP_FILES,
	.least = 2,
	.most = 2,
	.begin = mirror_begin,
	.many = MANY_TOGETHER,
	.run = copy_run,
};
