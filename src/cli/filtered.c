/* Decisions and results of `filter` for people and programs. Terminals see nothing harmful. */
#include "cli/filtered.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/spool.h"
#include "base/text.h"
#include "cli/message_line.h"
#include "cli/printer.h"
#include "cli/progress.h"
#include "ops/report.h"
#include "ops/rules.h"

#define LINE_MAX_BYTES (1u << 20)
#define SPOOL_BYTES (64u << 10) /* of one mailbox's lines, in memory */
#define UIDS_MAX_BYTES 8000 /* of UIDs in a line */

/* ---- a line a message ---- */

struct one { /* a mailbox whose lines are kept until it is decided */
	struct filtered *filtered;
	struct spool *shown, *reported; /* or NULL: nobody wants to see them there */
	struct arena *arena;
	struct buf line;
	bool failed;
};

void *filtered_begin(void *context, const char *mailbox)
{
	struct one *one = mem_alloc(sizeof *one);

	(void)mailbox;
	one->filtered = context;
	if (one->filtered->shows)
		one->shown = spool_new(SPOOL_BYTES);
	if (one->filtered->cli->settings.report_file)
		one->reported = spool_new(SPOOL_BYTES);
	one->arena = arena_new();
	buf_init(&one->line, LINE_MAX_BYTES);
	return one;
}

static const char *where(const struct rule *rule, struct arena *arena)
{
	const char *target = rule->place
				     ? arena_print(arena, "%s:%s", rule->place->name, rule->target)
				     : rule->target;

	return text_harmless_copy(arena, span_of(target));
}

/* "line 3" or "[bills]" */
static const char *which(const struct rule *rule, struct arena *arena)
{
	if (!rule->name)
		return arena_print(arena, "line %u", rule->line);
	return arena_print(arena, "[%s]", text_harmless_copy(arena, span_of(rule->name)));
}

static const char *what(
	const struct rules *rules, const struct filter_decision *decision, struct arena *arena)
{
	const struct rule *rule;

	if (decision->rule == RULES_NONE)
		return "stays: no rule";
	rule = rules_at(rules, decision->rule);
	return arena_print(arena, "%s %s (%s: %s)",
		decision->stays ? "stays in"
		: rule->copy    ? "copy to"
				: "move to",
		where(rule, arena), which(rule, arena),
		text_harmless_copy(arena, span_of(rule->text)));
}

static const char *shown_date(struct date date, struct arena *arena)
{
	char text[DATE_TEXT_SIZE];

	if (date.instant == DATE_UNKNOWN)
		return "?";
	date_print_internal(date, text);
	return arena_strdup(arena, text);
}

static void write_text(struct one *one, const struct filter_decision *decision)
{
	const struct message_line line = { .mailbox = decision->mailbox,
		.uid = decision->uid,
		.date = decision->date,
		.from = decision->from,
		.subject = decision->subject,
		.what = what(one->filtered->rules, decision, one->arena) };

	one->failed |= message_line(&line, print_terminal(), one->arena, &one->line) < 0;
}

static void add_rule(struct json *json, const struct rule *rule)
{
	json_key(json, "line");
	if (rule)
		json_u64(json, rule->line);
	else
		json_null(json);
	json_key(json, "rule");
	json_text(json, rule ? rule->name : NULL);
	json_key(json, "text");
	json_text(json, rule ? rule->text : NULL);
	json_key(json, "place");
	json_text(json, rule && rule->place ? rule->place->name : NULL);
	json_key(json, "target");
	json_text(json, rule ? rule->target : NULL);
}

static void write_json(struct one *one, const struct filter_decision *decision)
{
	const struct rule *rule = decision->rule == RULES_NONE
					  ? NULL
					  : rules_at(one->filtered->rules, decision->rule);
	struct print_json line;
	struct json *json = print_json_begin(&line, &one->line, "message");

	json_key(json, "mailbox");
	json_text(json, decision->mailbox);
	json_key(json, "uid");
	json_u64(json, decision->uid);
	json_key(json, "size");
	json_u64(json, decision->size);
	json_key(json, "date");
	json_text(json, shown_date(decision->date, one->arena));
	json_key(json, "from");
	json_text(json, decision->from);
	json_key(json, "subject");
	json_text(json, decision->subject);
	json_key(json, "decision");
	json_text(json, !rule || decision->stays ? "stay" : rule->copy ? "copy" : "move");
	add_rule(json, rule);
	json_end_object(json);
	one->failed |= json_end_line(json) < 0;
}

/* The line, in one of the two forms. */
static void keep(
	struct one *one, struct spool *spool, bool json, const struct filter_decision *decision)
{
	struct err err = ERR_INIT;

	buf_clear(&one->line);
	arena_clear(one->arena);
	if (json)
		write_json(one, decision);
	else
		write_text(one, decision);
	if (one->failed || spool_add(spool, buf_span(&one->line), &err) == 0)
		return;
	one->failed = true;
	log_error("%s", err.text);
}

void filtered_told(void *context, const struct filter_decision *decision)
{
	struct one *one = context;
	const struct cli *cli = one->filtered->cli;

	/* Messages that no rule is for are most: they are shown to those who want to know everything. */
	if (decision->rule == RULES_NONE && cli->verbose == 0)
		return;
	if (one->shown && !one->failed)
		keep(one, one->shown, cli->settings.json, decision);
	if (one->reported && !one->failed)
		keep(one, one->reported, true, decision);
}

/* -1: it could not be read again. */
static int pass_on(struct spool *spool, void (*put)(struct span bytes))
{
	struct err err = ERR_INIT;
	struct span chunk;
	int rc;

	spool_rewind(spool);
	while ((rc = spool_next(spool, &chunk, &err)) > 0)
		put(chunk);
	if (rc < 0)
		log_error("%s", err.text);
	return rc;
}

void filtered_end(void *context, bool good)
{
	struct one *one = context;
	struct filtered *filtered = one->filtered;

	pthread_mutex_lock(&filtered->lock);
	progress_hide();
	if (good && one->shown)
		one->failed |= pass_on(one->shown, print_bytes) < 0;
	if (good && one->reported)
		one->failed |= pass_on(one->reported, print_report) < 0;
	progress_show();
	filtered->failed |= good && one->failed;
	pthread_mutex_unlock(&filtered->lock);
	spool_free(one->shown);
	spool_free(one->reported);
	arena_free(one->arena);
	buf_release(&one->line);
	mem_free(one);
}

/* ---- a line a rule and mailbox ---- */

static const struct {
	const char *name, *text;
	size_t offset;
} columns[] = {
	{ "found", "found", offsetof(struct filter_counts, found) },
	{ "moved", "moved", offsetof(struct filter_counts, moved) },
	{ "copied", "copied", offsetof(struct filter_counts, copied) },
	{ "there", "there already", offsetof(struct filter_counts, there) },
	{ "stayed", "stay where they are", offsetof(struct filter_counts, stayed) },
	{ "gone", "gone meanwhile", offsetof(struct filter_counts, gone) },
	{ "failed", "FAILED", offsetof(struct filter_counts, failed) },
	{ "unknown", "UNKNOWN", offsetof(struct filter_counts, unknown) },
};

static uint64_t get(const struct filter_counts *counts, size_t column)
{
	uint64_t value;

	memcpy(&value, (const char *)counts + columns[column].offset, sizeof value);
	return value;
}

static void add_counts(struct filter_counts *sum, const struct filter_counts *more)
{
	for (size_t i = 0; i < countof(columns); i++) {
		const uint64_t value = get(sum, i) + get(more, i);

		memcpy((char *)sum + columns[i].offset, &value, sizeof value);
	}
}

static void print_counts(const struct filter_counts *counts, struct arena *arena)
{
	print("%s found", text_count(arena, counts->found));
	for (size_t i = 1; i < countof(columns); i++)
		if (get(counts, i) > 0)
			print(", %s %s", text_count(arena, get(counts, i)), columns[i].text);
}

static void json_counts(struct json *json, const struct filter_counts *counts)
{
	for (size_t i = 0; i < countof(columns); i++) {
		json_key(json, columns[i].name);
		json_u64(json, get(counts, i));
	}
}

/* Which messages of a part may not be done: in as many lines as it takes. */
static void json_left(const struct rules *rules, const struct filter_box *box,
	const struct filter_part *part, struct buf *buffer)
{
	struct print_json line;
	struct json *json;
	struct buf uids;
	size_t next = 0;

	buf_init(&uids, UIDS_MAX_BYTES);
	while (uidset_print(&part->left, &next, UIDS_MAX_BYTES - 1, &uids)) {
		json = print_json_begin(&line, buffer, "left");
		json_key(json, "mailbox");
		json_text(json, box->mailbox);
		add_rule(json, rules_at(rules, part->rule));
		json_key(json, "uids");
		json_text(json, buf_text(&uids));
		print_json_end(&line);
		buf_clear(&uids);
	}
	buf_release(&uids);
}

static void print_part(const struct cli *cli, const struct rules *rules,
	const struct filter_box *box, const struct filter_part *part, struct buf *buffer)
{
	const struct rule *rule = rules_at(rules, part->rule);
	struct arena *arena;
	struct print_json line;
	struct json *json;

	if (print_json_wanted()) {
		json = print_json_begin(&line, buffer, "rule");
		json_key(json, "mailbox");
		json_text(json, box->mailbox);
		add_rule(json, rule);
		json_key(json, "copy");
		json_bool(json, rule->copy);
		json_counts(json, &part->counts);
		print_json_end(&line);
		if (!cli->settings.dry_run)
			json_left(rules, box, part, buffer);
	}
	if (cli->settings.quiet || cli->shared)
		return;
	arena = arena_new();
	print_column(box->mailbox, 20, arena);
	print("  %s %s %s: ", which(rule, arena), rule->copy ? "copies to" : "->",
		where(rule, arena));
	print_counts(&part->counts, arena);
	print("\n");
	arena_free(arena);
}

static void print_box(const struct cli *cli, const struct filter_box *box, struct buf *buffer)
{
	struct print_json line;
	struct json *json;

	if (box->err)
		log_error("%s", box->err->text);
	if (box->unreadable > 0)
		log_error("mailbox %s: %llu messages could not be looked at, and stay",
			box->mailbox, (unsigned long long)box->unreadable);
	/* While they are watched most mailboxes have nothing new most of the time. */
	if (!print_json_wanted() || (cli->filter.watch && box->looked_at == 0 && !box->err))
		return;
	json = print_json_begin(&line, buffer, "mailbox");
	json_key(json, "mailbox");
	json_text(json, box->mailbox);
	json_key(json, "decided");
	json_bool(json, box->decided);
	json_key(json, "looked_at");
	json_u64(json, box->looked_at);
	json_key(json, "unmatched");
	json_u64(json, box->unmatched);
	json_key(json, "unreadable");
	json_u64(json, box->unreadable);
	json_key(json, "error");
	json_text(json, box->err ? box->err->text : NULL);
	print_json_end(&line);
}

static void note_code(struct filtered_total *total, int code)
{
	total->code = code > total->code ? code : total->code;
}

void filtered_add(struct filtered_total *sum, const struct filtered_total *more)
{
	add_counts(&sum->counts, &more->counts);
	sum->mailboxes += more->mailboxes;
	sum->looked_at += more->looked_at;
	sum->unreadable += more->unreadable;
	sum->failed_mailboxes += more->failed_mailboxes;
	note_code(sum, more->code);
}

struct filtered_total filtered_print(const struct cli *cli, const struct rules *rules,
	const struct filtering *filtering, const struct err *ended)
{
	struct filtered_total total = { .mailboxes = filtering_count(filtering),
		.code = filtering_code(filtering) };
	struct buf buffer;

	buf_init(&buffer, LINE_MAX_BYTES);
	for (size_t i = 0; i < total.mailboxes; i++) {
		const struct filter_box *box = filtering_box(filtering, i);

		total.looked_at += box->looked_at;
		total.unreadable += box->unreadable;
		total.failed_mailboxes += !box->decided || box->err;
		for (size_t k = 0; k < box->parts && box->decided; k++) {
			print_part(cli, rules, box, &box->part[k], &buffer);
			add_counts(&total.counts, &box->part[k].counts);
		}
		print_box(cli, box, &buffer);
		if (box->err)
			note_code(&total, report_err_code(box->err));
	}
	buf_release(&buffer);
	if (total.counts.failed + total.counts.unknown + total.unreadable + total.failed_mailboxes +
			filtering_left_out(filtering) >
		0)
		note_code(&total, EXIT_SOME_FAILED);
	if (ended)
		note_code(&total, report_err_code(ended));
	return total;
}

static void json_verdict(const struct cli *cli, const struct filtered_total *total)
{
	struct print_json line;
	struct buf buffer;
	struct json *json;

	buf_init(&buffer, LINE_MAX_BYTES);
	json = print_json_begin(&line, &buffer, "total");
	json_key(json, "dry_run");
	json_bool(json, cli->settings.dry_run);
	json_key(json, "mailboxes");
	json_u64(json, total->mailboxes);
	json_key(json, "mailboxes_failed");
	json_u64(json, total->failed_mailboxes);
	json_key(json, "looked_at");
	json_u64(json, total->looked_at);
	json_key(json, "unreadable");
	json_u64(json, total->unreadable);
	json_counts(json, &total->counts);
	if (total->users > 0) {
		json_key(json, "users");
		json_u64(json, total->users);
		json_key(json, "users_failed");
		json_u64(json, total->users_failed);
	}
	json_key(json, "complete");
	json_bool(json, total->code <= EXIT_DIFFERS);
	json_key(json, "exit_code");
	json_u64(json, (uint64_t)total->code);
	print_json_end(&line);
	buf_release(&buffer);
}

void filtered_verdict(const struct cli *cli, const struct filtered_total *total)
{
	struct arena *arena;

	if (print_json_wanted())
		json_verdict(cli, total);
	if (cli->shared)
		return;
	arena = arena_new();
	print("%s messages looked at in %s mailboxes: ", text_count(arena, total->looked_at),
		text_count(arena, total->mailboxes));
	print_counts(&total->counts, arena);
	if (total->watched)
		print("; the watch is over\n");
	else if (total->code > EXIT_DIFFERS)
		print("; NOT complete\n");
	else
		print(cli->settings.dry_run ? "; nothing was changed: a dry run\n"
					    : "; complete\n");
	arena_free(arena);
}

/* ---- a row a user ---- */

struct user_result {
	const char *user;
	struct filtered_total total;
};

struct filtered_users {
	pthread_mutex_t lock;
	struct arena *arena;
	struct user_result *result;
	size_t count, room;
};

struct filtered_users *filtered_users_new(void)
{
	struct filtered_users *users = mem_alloc(sizeof *users);

	users->arena = arena_new();
	pthread_mutex_init(&users->lock, NULL);
	return users;
}

void filtered_users_add(
	struct filtered_users *users, const char *user, const struct filtered_total *total)
{
	pthread_mutex_lock(&users->lock);
	if (users->count == users->room) {
		const size_t room = users->room ? 2 * users->room : 64;

		users->result = arena_grow(
			users->arena, users->result, users->room, room, sizeof *users->result);
		users->room = room;
	}
	users->result[users->count++] =
		(struct user_result){ arena_strdup(users->arena, user), *total };
	pthread_mutex_unlock(&users->lock);
}

void filtered_users_end(struct filtered_users *users, const struct cli *cli, int code)
{
	struct filtered_total sum = { .code = code, .users = users->count };
	struct arena *arena = arena_new();

	for (size_t i = 0; i < users->count; i++) {
		const struct filtered_total *total = &users->result[i].total;

		filtered_add(&sum, total);
		sum.users_failed += total->code > EXIT_DIFFERS;
		if (cli->settings.quiet)
			continue;
		print_column(users->result[i].user, 24, arena);
		print("  ");
		print_counts(&total->counts, arena);
		print("%s\n", total->code > EXIT_DIFFERS ? "; NOT complete" : "");
		arena_clear(arena);
	}
	filtered_verdict(cli, &sum);
	arena_free(arena);
	pthread_mutex_destroy(&users->lock);
	arena_free(users->arena);
	mem_free(users);
}
