#include "cli/outcome.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/stop.h"
#include "base/text.h"
#include "cli/cmd.h"
#include "cli/many.h"
#include "cli/printer.h"
#include "cli/progress.h"
#include "ops/report.h"

#include <pthread.h>

#define LINE_MAX_BYTES (1u << 20)
#define NAME_COLUMNS 30

struct total {
	struct outcome_row sum;
	uint64_t mailboxes, failed;
	uint64_t users, users_failed;
	bool has_groups;
};

struct outcomes { /* of all users */
	pthread_mutex_t lock;
	struct total total;
	char done[64]; /* what is done, the same for all */
	bool only_shows;
};

static int graver(int a, int b)
{
	return a > b ? a : b;
}

static void add_row(struct total *total, const struct outcome_row *row)
{
	total->sum.found += row->found;
	total->sum.selected += row->selected;
	total->sum.done += row->done;
	total->sum.vanished += row->vanished;
	total->sum.spared += row->spared;
	total->sum.groups += row->groups;
	total->sum.octets += row->octets;
	total->failed += row->error != NULL;
	total->mailboxes++;
}

static void add_total(struct total *total, const struct total *more)
{
	total->sum.found += more->sum.found;
	total->sum.selected += more->sum.selected;
	total->sum.done += more->sum.done;
	total->sum.vanished += more->sum.vanished;
	total->sum.spared += more->sum.spared;
	total->sum.groups += more->sum.groups;
	total->sum.octets += more->sum.octets;
	total->has_groups |= more->has_groups;
	total->failed += more->failed;
	total->mailboxes += more->mailboxes;
}

static const char *verdict(int code, bool dry_run)
{
	if (code == EXIT_INTERRUPTED)
		return "interrupted";
	if (code > EXIT_DIFFERS)
		return "incomplete";
	return dry_run ? "dry-run" : "complete";
}

/* ---- JSON ---- */

static void add_number(struct json *json, const char *key, uint64_t value)
{
	json_key(json, key);
	json_u64(json, value);
}

static void add_counts(struct json *json, const struct outcome_row *row, bool has_groups)
{
	add_number(json, "found", row->found);
	add_number(json, "selected", row->selected);
	add_number(json, "done", row->done);
	add_number(json, "vanished", row->vanished);
	add_number(json, "spared", row->spared);
	if (has_groups) {
		add_number(json, "groups", row->groups);
		add_number(json, "octets", row->octets);
	}
}

static void print_json_row(const struct outcome_row *row, bool has_groups, struct buf *buffer)
{
	struct print_json line;
	struct json *json = print_json_begin(&line, buffer, "mailbox");

	json_key(json, "mailbox");
	json_text(json, row->mailbox);
	add_counts(json, row, has_groups);
	json_key(json, "error");
	json_text(json, row->error);
	print_json_end(&line);
}

static void print_json_total(const struct cli *cli, const char *type, const struct total *total,
	const char *done, const char *error, int code)
{
	struct print_json line;
	struct buf buffer;
	struct json *json;

	buf_init(&buffer, LINE_MAX_BYTES);
	json = print_json_begin(&line, &buffer, type);
	json_key(json, "command");
	json_text(json, cli->command->name);
	json_key(json, "dry_run");
	json_bool(json, cli->settings.dry_run);
	json_key(json, "verdict");
	json_text(json, verdict(code, cli->settings.dry_run));
	add_number(json, "exit_code", (uint64_t)code);
	json_key(json, "what");
	json_text(json, done);
	add_number(json, "mailboxes", total->mailboxes);
	add_number(json, "mailboxes_failed", total->failed);
	add_counts(json, &total->sum, total->has_groups);
	if (total->users > 0) {
		add_number(json, "users", total->users);
		add_number(json, "users_failed", total->users_failed);
	}
	json_key(json, "error");
	json_text(json, error);
	print_json_end(&line);
	buf_release(&buffer);
}

/* ---- text ---- */

/* "12 of 40 messages deleted, 1 gone before" */
static const char *describe(struct arena *arena, const struct outcome_row *row, const char *done,
	bool only_shows, bool dry_run)
{
	const char *text = arena_print(arena, "%s of %s messages %s%s",
		text_count(arena, only_shows || dry_run ? row->selected : row->done),
		text_count(arena, row->found), dry_run && !only_shows ? "would be " : "", done);

	if (row->vanished > 0)
		text = arena_print(
			arena, "%s, %s gone before", text, text_count(arena, row->vanished));
	if (row->spared > 0)
		text = arena_print(arena, "%s, %s spared", text, text_count(arena, row->spared));
	if (row->groups > 0 || row->octets > 0)
		text = arena_print(arena, "%s, %s groups, %s", text, text_count(arena, row->groups),
			text_size(arena, row->octets));
	return text;
}

static void print_line(const struct cli *cli, const char *name, const struct outcome_row *row,
	const char *done, bool only_shows)
{
	struct arena *arena = arena_new();

	print_column(name, NAME_COLUMNS, arena);
	print("  %s", describe(arena, row, done, only_shows, cli->settings.dry_run));
	if (row->error)
		print("; failed: %s", text_harmless_copy(arena, span_of(row->error)));
	print("\n");
	arena_free(arena);
}

static void print_end(const struct cli *cli, const struct total *total, const char *done,
	bool only_shows, int code)
{
	struct arena *arena = arena_new();
	const char *how = verdict(code, cli->settings.dry_run);

	print("%s: %s", strcmp(how, "incomplete") == 0 ? "INCOMPLETE" : how,
		describe(arena, &total->sum, done, only_shows, cli->settings.dry_run));
	if (total->failed > 0)
		print("; %s of %s mailboxes failed", text_count(arena, total->failed),
			text_count(arena, total->mailboxes));
	if (total->users > 0)
		print("; %s of %s users failed", text_count(arena, total->users_failed),
			text_count(arena, total->users));
	print("\n");
	arena_free(arena);
}

/* ---- accounts and users ---- */

static void print_rows(const struct cli *cli, const struct outcome *outcome)
{
	struct buf buffer;

	buf_init(&buffer, LINE_MAX_BYTES);
	for (size_t i = 0; i < outcome->count; i++) {
		const struct outcome_row *row = &outcome->rows[i];

		if (print_json_wanted())
			print_json_row(row, outcome->has_groups, &buffer);
		if (!cli->settings.quiet && !cli->shared && (row->selected > 0 || row->error))
			print_line(cli, row->mailbox, row,
				row->done_here ? row->done_here : outcome->done,
				outcome->only_shows);
	}
	buf_release(&buffer);
}

static void add_user(const struct cli *cli, struct outcomes *outcomes,
	const struct outcome *outcome, const struct total *total, int code)
{
	struct outcome_row row = total->sum;

	pthread_mutex_lock(&outcomes->lock);
	add_total(&outcomes->total, total);
	outcomes->total.users++;
	outcomes->total.users_failed += code > EXIT_DIFFERS;
	snprintf(outcomes->done, sizeof(outcomes->done), "%s", outcome->done);
	outcomes->only_shows = outcome->only_shows;
	row.error = outcome->error;
	for (size_t i = 0; i < outcome->count && !row.error; i++)
		row.error = outcome->rows[i].error;
	progress_hide();
	if (print_json_wanted())
		print_json_total(cli, "user", total, outcome->done, row.error, code);
	if (!cli->settings.quiet)
		print_line(cli, log_label(), &row, outcome->done, outcome->only_shows);
	progress_show();
	pthread_mutex_unlock(&outcomes->lock);
}

int outcome_account(const struct cli *cli, const struct outcome *outcome)
{
	struct total total = { .has_groups = outcome->has_groups };
	int code = outcome->code;

	for (size_t i = 0; i < outcome->count; i++) {
		add_row(&total, &outcome->rows[i]);
		if (outcome->rows[i].error)
			code = graver(code, graver(outcome->rows[i].code, EXIT_SOME_FAILED));
	}
	if (stop_requested() && code != EXIT_DONE)
		code = EXIT_INTERRUPTED;
	print_rows(cli, outcome);
	if (cli->shared) {
		add_user(cli, cli->shared->gathered, outcome, &total, code);
		return code;
	}
	if (print_json_wanted())
		print_json_total(cli, "end", &total, outcome->done, outcome->error, code);
	print_end(cli, &total, outcome->done, outcome->only_shows, code);
	return code;
}

int outcome_failure(const struct cli *cli, const char *done, struct err *err)
{
	struct outcome outcome = { .done = done, .error = err->text };

	if (!cli->shared || (err->scope == ERR_LOCAL && err->kind == ERR_KIND_OTHER))
		return -1;
	log_error("%s", err->text);
	outcome.code = report_err_code(err);
	return outcome_account(cli, &outcome);
}

void *outcomes_gather(void)
{
	struct outcomes *outcomes = mem_alloc(sizeof(*outcomes));

	pthread_mutex_init(&outcomes->lock, NULL);
	snprintf(outcomes->done, sizeof(outcomes->done), "done");
	return outcomes;
}

int outcomes_gathered(struct cli *cli, void *gathered, int code)
{
	struct outcomes *outcomes = gathered;

	if (stop_requested() && code != EXIT_DONE)
		code = EXIT_INTERRUPTED;
	if (print_json_wanted())
		print_json_total(cli, "end", &outcomes->total, outcomes->done, NULL, code);
	print_end(cli, &outcomes->total, outcomes->done, outcomes->only_shows, code);
	pthread_mutex_destroy(&outcomes->lock);
	mem_free(outcomes);
	return code;
}
