#include "ops/report.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/os.h"
#include "base/text.h"
#include "ops/report_users.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>

#define REPORT_LINE_MAX (1u << 20)
#define REPORT_ROWS 2000 /* mailboxes kept for the closing table; all of them are in the JSON */
#define CODE_BITS 8 /* enough for the exit codes below 8; 130 has a bit of its own */

struct row {
	char *src, *dst, *text;
	enum report_state state;
	struct tally tally;
};

struct traffic {
	const char *side;
	uint64_t in, out, turns;
	unsigned connections;
};

struct report {
	pthread_mutex_t lock;
	struct report_options options;
	struct arena *arena;
	struct buf line;
	int fd; /* --report, or -1 */
	bool codes[CODE_BITS], interrupted;
	struct tally total;
	struct row *row;
	size_t rows, room, rows_left_out;
	uint64_t mailboxes, by_state[REPORT_INTERRUPTED + 1], by_finding[FINDING_NOTE + 1];
	struct traffic traffic[4];
	size_t traffics;
	char error[768]; /* the first error that ended something */
	uint64_t users_done, users_failed; /* of options.users; done: whatever became of them */
	struct user_rows *user_rows;
};

static const struct {
	const char *name;
	int code;
	enum log_level level;
} findings[] = {
	[FINDING_REFUSED] = { "refused", 3, LOG_ERROR },
	[FINDING_FAILED] = { "failed", 3, LOG_ERROR },
	[FINDING_UNKNOWN] = { "unknown", 3, LOG_ERROR },
	[FINDING_MAILBOX_FAILED] = { "mailbox-failed", 3, LOG_ERROR },
	[FINDING_FLAGS_LOST] = { "flags-lost", 1, LOG_WARN },
	[FINDING_NAME_CHANGED] = { "name-changed", 1, LOG_WARN },
	[FINDING_ALTERED] = { "altered", 1, LOG_WARN },
	[FINDING_NOT_SUBSCRIBED] = { "not-subscribed", 1, LOG_WARN },
	[FINDING_MAILBOX_DELETED] = { "mailbox-deleted", 0, LOG_INFO },
	[FINDING_EMPTIED] = { "emptied", 0, LOG_WARN },
	[FINDING_NOTE] = { "note", 0, LOG_WARN },
};

static const char *const state_names[] = {
	[REPORT_DONE] = "done",
	[REPORT_UNCHANGED] = "unchanged",
	[REPORT_FAILED] = "failed",
	[REPORT_UNKNOWN] = "unknown",
	[REPORT_INTERRUPTED] = "interrupted",
};

/* The columns of a tally: one table for JSON, sums and the closing lines. */
#define TALLY(field) offsetof(struct tally, field)
static const struct {
	const char *name;
	size_t offset;
	const char *label; /* in the closing lines; NULL = not by itself */
} columns[] = {
	{ "found", TALLY(found), "found at the source" },
	{ "copied", TALLY(copied), "copied" },
	{ "copied_bytes", TALLY(copied_bytes), NULL },
	{ "there_by_record", TALLY(there_record), NULL },
	{ "there_by_digest", TALLY(there_digest), NULL },
	{ "there_by_content", TALLY(there_content), NULL },
	{ "deleted_at_destination", TALLY(gone_dst),
		"deleted at the destination by its owner, not copied again" },
	{ "vanished", TALLY(vanished), "vanished from the source meanwhile" },
	{ "refused", TALLY(refused), "refused by the destination" },
	{ "failed", TALLY(failed), "failed" },
	{ "unknown", TALLY(unknown), "unknown" },
	{ "flags_changed", TALLY(flags_changed), "flags brought up to date" },
	{ "flags_lost", TALLY(flags_lost), "with flags the destination cannot hold" },
	{ "deleted_at_source", TALLY(deleted), "deleted at the source" },
	{ "deleted_extra", TALLY(deleted_extra), "deleted at the destination: not at the source" },
	{ "altered", TALLY(altered), "altered" },
};

static uint64_t tally_get(const struct tally *tally, size_t column)
{
	uint64_t value;

	memcpy(&value, (const char *)tally + columns[column].offset, sizeof(value));
	return value;
}

static bool is_deletion(size_t column)
{
	return columns[column].offset == TALLY(deleted) ||
	       columns[column].offset == TALLY(deleted_extra);
}

static uint64_t tally_skipped(const struct tally *tally)
{
	uint64_t sum = 0;

	for (size_t i = 1; i < SELECT_REASONS; i++)
		sum += tally->skipped[i];
	return sum;
}

static uint64_t tally_there(const struct tally *tally)
{
	return tally->there_record + tally->there_digest + tally->there_content;
}

static void tally_add(struct tally *into, const struct tally *from)
{
	for (size_t i = 0; i < countof(columns); i++) {
		uint64_t sum = tally_get(into, i) + tally_get(from, i);

		memcpy((char *)into + columns[i].offset, &sum, sizeof(sum));
	}
	for (size_t i = 0; i < SELECT_REASONS; i++)
		into->skipped[i] += from->skipped[i];
}

/* The buffered line goes out: to stdout when that is JSON's, and to the report file. Errors are exit 7, said once. */
static void put_line(struct report *report)
{
	struct report *over = report->options.over;
	struct report *out = over ? over : report;
	struct span rest = buf_span(&report->line);

	if (over)
		pthread_mutex_lock(&over->lock);
	if (out->options.json && fwrite(rest.data, 1, rest.len, stdout) != rest.len)
		out->codes[7] = true;
	while (out->fd >= 0 && rest.len > 0) {
		ssize_t n = os_write(out->fd, rest.data, rest.len);

		if (n < 0) {
			log_error("cannot write %s: %s", out->options.file, strerror(errno));
			out->codes[7] = true;
			os_close(out->fd);
			out->fd = -1;
			break;
		}
		rest = span_from(rest, (size_t)n);
	}
	if (over)
		pthread_mutex_unlock(&over->lock);
	buf_clear(&report->line);
}

static bool wants_json(const struct report *report)
{
	return report->options.json || report->options.file;
}

static void begin_line(struct report *report, struct json *json, const char *type)
{
	buf_clear(&report->line);
	json_init(json, &report->line);
	json_begin_object(json);
	json_key(json, "version");
	json_u64(json, REPORT_VERSION);
	json_key(json, "type");
	json_text(json, type);
	if (report->options.user) {
		json_key(json, "user");
		json_string(json, span_of(report->options.user));
	}
}

static void end_line(struct report *report, struct json *json)
{
	json_end_object(json);
	if (json_end_line(json) == 0)
		put_line(report);
}

static void add_tally(struct json *json, const struct tally *tally)
{
	for (size_t i = 0; i < countof(columns); i++) {
		json_key(json, columns[i].name);
		json_u64(json, tally_get(tally, i));
	}
	json_key(json, "skipped");
	json_begin_object(json);
	for (size_t i = 1; i < SELECT_REASONS; i++) {
		json_key(json, select_reason_name((enum select_reason)i));
		json_u64(json, tally->skipped[i]);
	}
	json_end_object(json);
}

struct report *report_new(const struct report_options *options, struct err *err)
{
	struct report *report = mem_alloc(sizeof(*report));

	report->options = *options;
	report->arena = arena_new();
	report->fd = -1;
	pthread_mutex_init(&report->lock, NULL);
	buf_init(&report->line, REPORT_LINE_MAX);
	if (options->users)
		report->user_rows = user_rows_new();
	if (options->file && !options->over) {
		report->fd =
			os_open(options->file, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
		if (report->fd < 0) {
			err_set_errno(err, ERR_LOCAL, "cannot write the report %s", options->file);
			report_free(report);
			return NULL;
		}
	}
	if (wants_json(report)) {
		struct json json;

		begin_line(report, &json, "begin");
		json_key(&json, "command");
		json_text(&json, options->command);
		json_key(&json, "source");
		json_text(&json, options->src);
		json_key(&json, "destination");
		json_text(&json, options->dst);
		json_key(&json, "dry_run");
		json_bool(&json, options->dry_run);
		if (options->users) {
			json_key(&json, "users");
			json_u64(&json, options->users);
		}
		end_line(report, &json);
	}
	return report;
}

void report_free(struct report *report)
{
	if (!report)
		return;
	if (report->fd >= 0)
		os_close(report->fd);
	buf_release(&report->line);
	user_rows_free(report->user_rows);
	arena_free(report->arena);
	mem_free(report->row);
	pthread_mutex_destroy(&report->lock);
	mem_free(report);
}

static bool worth_a_row(const struct report_mailbox *mailbox)
{
	const struct tally *tally = &mailbox->tally;

	return mailbox->state > REPORT_UNCHANGED || tally->copied || tally->flags_changed ||
	       tally->deleted || tally->deleted_extra || tally->refused || tally->failed ||
	       tally->unknown || tally->vanished || tally->gone_dst || tally->there_digest ||
	       tally->there_content;
}

static void keep_row(struct report *report, const struct report_mailbox *mailbox)
{
	if (report->rows == REPORT_ROWS) {
		report->rows_left_out++;
		return;
	}
	if (report->rows == report->room) {
		report->room = report->room ? report->room * 2 : 16;
		report->row = mem_resize(report->row, report->room, sizeof(*report->row));
	}
	report->row[report->rows++] = (struct row){
		.src = arena_strdup(report->arena, mailbox->src),
		.dst = arena_strdup(report->arena, mailbox->dst),
		.text = arena_strdup(report->arena, mailbox->text),
		.state = mailbox->state,
		.tally = mailbox->tally,
	};
}

/* Copies into a second mailbox are copies; what there is to be copied is there once. */
static void add_mailbox(struct report *report, const struct report_mailbox *mailbox)
{
	struct tally tally = mailbox->tally;

	if (mailbox->again) {
		tally.found = 0;
		memset(tally.skipped, 0, sizeof(tally.skipped));
	}
	tally_add(&report->total, &tally);
	report->mailboxes += !mailbox->again;
	if (!mailbox->again || mailbox->state != REPORT_UNCHANGED)
		report->by_state[mailbox->state]++;
}

void report_mailbox(struct report *report, const struct report_mailbox *mailbox)
{
	pthread_mutex_lock(&report->lock);
	add_mailbox(report, mailbox);
	if (mailbox->state == REPORT_FAILED || mailbox->state == REPORT_UNKNOWN)
		report->codes[3] = true;
	if (worth_a_row(mailbox))
		keep_row(report, mailbox);
	if (wants_json(report)) {
		struct json json;

		begin_line(report, &json, "mailbox");
		json_key(&json, "source");
		json_string(&json, span_of(mailbox->src));
		json_key(&json, "destination");
		json_string(&json, span_of(mailbox->dst));
		json_key(&json, "state");
		json_text(&json, state_names[mailbox->state]);
		add_tally(&json, &mailbox->tally);
		json_key(&json, "text");
		json_text(&json, mailbox->text);
		end_line(report, &json);
	}
	pthread_mutex_unlock(&report->lock);
}

void report_finding(struct report *report, enum finding finding, const char *mailbox, uint32_t uid,
	const char *fmt, ...)
{
	struct err text = ERR_INIT;
	char shown[TEXT_SHOWN];
	char what[sizeof(text.text)];
	va_list args;

	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	err_set(&text, ERR_MESSAGE, "%s", what); /* makes it harmless */
	text_shown(span_of(mailbox), shown);
	if (uid)
		log_write(findings[finding].level, "%s, UID %u: %s", shown, uid, text.text);
	else
		log_write(findings[finding].level, "%s%s%s", shown, *shown ? ": " : "", text.text);

	pthread_mutex_lock(&report->lock);
	report->by_finding[finding]++;
	if (findings[finding].code)
		report->codes[findings[finding].code] = true;
	if (wants_json(report)) {
		struct json json;

		begin_line(report, &json, "finding");
		json_key(&json, "finding");
		json_text(&json, findings[finding].name);
		json_key(&json, "mailbox");
		json_string(&json, span_of(mailbox));
		json_key(&json, "uid");
		json_u64(&json, uid);
		json_key(&json, "text");
		json_text(&json, text.text);
		end_line(report, &json);
	}
	pthread_mutex_unlock(&report->lock);
}

int report_err_code(const struct err *err)
{
	static const int by_kind[] = {
		[ERR_KIND_USAGE] = 2,
		[ERR_KIND_NETWORK] = 4,
		[ERR_KIND_TLS] = 4,
		[ERR_KIND_AUTH] = 5,
		[ERR_KIND_SAFETY] = 6,
		[ERR_KIND_BUSY] = 4,
	};

	if (err->scope == ERR_STOPPED)
		return 130;
	if (err->scope == ERR_NONE)
		return 0;
	if (err->kind < countof(by_kind) && by_kind[err->kind])
		return by_kind[err->kind];
	switch (err->scope) {
	case ERR_NONE:
	case ERR_STOPPED:
	case ERR_MESSAGE:
	case ERR_MAILBOX:
		return 3;
	case ERR_CONN:
	case ERR_ACCOUNT:
		return 4;
	case ERR_LOCAL:
		return 7;
	}
	return 7;
}

void report_code(struct report *report, int code)
{
	pthread_mutex_lock(&report->lock);
	if (code == 130)
		report->interrupted = true;
	else if (code >= 0 && code < CODE_BITS)
		report->codes[code] = true;
	pthread_mutex_unlock(&report->lock);
}

void report_error(struct report *report, const struct err *err)
{
	report_code(report, report_err_code(err));
	pthread_mutex_lock(&report->lock);
	if (!report->error[0])
		snprintf(report->error, sizeof(report->error), "%s", err->text);
	if (wants_json(report)) {
		struct json json;

		begin_line(report, &json, "error");
		json_key(&json, "scope");
		json_text(&json, err_scope_name(err->scope));
		json_key(&json, "text");
		json_text(&json, err->text);
		end_line(report, &json);
	}
	pthread_mutex_unlock(&report->lock);
}

void report_traffic(struct report *report, const char *side, uint64_t in, uint64_t out,
	uint64_t turns, unsigned connections)
{
	pthread_mutex_lock(&report->lock);
	if (report->traffics < countof(report->traffic))
		report->traffic[report->traffics++] =
			(struct traffic){ side, in, out, turns, connections };
	pthread_mutex_unlock(&report->lock);
}

struct tally report_total(struct report *report)
{
	struct tally total;

	pthread_mutex_lock(&report->lock);
	total = report->total;
	pthread_mutex_unlock(&report->lock);
	return total;
}

/* With the lock held. */
static int exit_code(const struct report *report)
{
	static const int order[] = { 7, 6, 5, 4, 3, 2, 1 };

	if (report->interrupted)
		return 130;
	for (size_t i = 0; i < countof(order); i++) {
		if (report->codes[order[i]])
			return order[i];
	}
	return 0;
}

int report_exit_code(struct report *report)
{
	int code;

	pthread_mutex_lock(&report->lock);
	code = exit_code(report);
	pthread_mutex_unlock(&report->lock);
	return code;
}

/* With the lock held. What may be said at the end: nothing selected may be missing or unknown. */
static bool is_complete(const struct report *report)
{
	const struct tally *total = &report->total;
	int code = exit_code(report);

	return (code == 0 || code == 1) && !report->options.dry_run && !total->refused &&
	       !total->failed && !total->unknown && report->users_done == report->options.users &&
	       !report->by_state[REPORT_FAILED] && !report->by_state[REPORT_UNKNOWN] &&
	       !report->by_state[REPORT_INTERRUPTED];
}

static void print_rows(const struct report *report, struct arena *arena)
{
	size_t width = 7;

	for (size_t i = 0; i < report->rows; i++) {
		size_t columns_used = utf8_columns(
			span_of(text_harmless_copy(arena, span_of(report->row[i].src))));

		width = columns_used > width ? columns_used : width;
	}
	width = width > 40 ? 40 : width;
	if (report->rows)
		printf("%-*s %10s %10s %8s %8s %10s\n", (int)width, "mailbox", "copied", "there",
			"skipped", "failed", "bytes");
	for (size_t i = 0; i < report->rows; i++) {
		const struct row *row = &report->row[i];
		const struct tally *tally = &row->tally;
		const char *name = text_harmless_copy(arena, span_of(row->src));
		size_t used = utf8_columns(span_of(name));

		printf("%s%*s %10s %10s %8s %8s %10s", name, used < width ? (int)(width - used) : 0,
			"", text_count(arena, tally->copied), text_count(arena, tally_there(tally)),
			text_count(arena, tally_skipped(tally) + tally->gone_dst + tally->vanished),
			text_count(arena, tally->refused + tally->failed + tally->unknown),
			text_size(arena, tally->copied_bytes));
		if (row->dst && strcmp(row->src, row->dst) != 0)
			printf("  to %s", text_harmless_copy(arena, span_of(row->dst)));
		if (row->state > REPORT_UNCHANGED)
			printf("  %s%s%s", state_names[row->state], row->text ? ": " : "",
				row->text ? text_harmless_copy(arena, span_of(row->text)) : "");
		putchar('\n');
	}
	if (report->rows_left_out)
		printf("(and %zu more mailboxes)\n", report->rows_left_out);
	if (report->rows)
		putchar('\n');
}

static void print_totals(const struct report *report, struct arena *arena, double seconds)
{
	const struct tally *total = &report->total;

	if (report->options.users)
		printf("%s of %s user%s\n", text_count(arena, report->users_done),
			text_count(arena, report->options.users),
			report->options.users == 1 ? "" : "s");
	printf("%s message%s in %s mailbox%s (%s of them unchanged since the last run)\n",
		text_count(arena, total->found), total->found == 1 ? "" : "s",
		text_count(arena, report->mailboxes), report->mailboxes == 1 ? "" : "es",
		text_count(arena, report->by_state[REPORT_UNCHANGED]));
	printf("  %s %s, %s", text_count(arena, total->copied),
		report->options.dry_run ? "to copy" : "copied",
		text_size(arena, total->copied_bytes));
	if (!report->options.dry_run)
		printf(" in %.1f s", seconds);
	printf("\n  %s already there", text_count(arena, tally_there(total)));
	if (tally_there(total))
		printf(" (%s by record, %s by digest, %s by content)",
			text_count(arena, total->there_record),
			text_count(arena, total->there_digest),
			text_count(arena, total->there_content));
	putchar('\n');
	for (size_t i = 1; i < SELECT_REASONS; i++) {
		if (total->skipped[i])
			printf("  %s skipped by option (%s)\n",
				text_count(arena, total->skipped[i]),
				select_reason_name((enum select_reason)i));
	}
	for (size_t i = 2; i < countof(columns); i++) {
		if (columns[i].label && tally_get(total, i))
			printf("  %s %s%s\n", text_count(arena, tally_get(total, i)),
				report->options.dry_run && is_deletion(i) ? "to be " : "",
				columns[i].label);
	}
	if (report->by_finding[FINDING_MAILBOX_DELETED])
		printf("  %s mailboxes %s\n",
			text_count(arena, report->by_finding[FINDING_MAILBOX_DELETED]),
			report->options.dry_run ? "to be deleted" : "deleted");
	for (size_t i = 0; i < report->traffics; i++) {
		const struct traffic *traffic = &report->traffic[i];

		if (traffic->turns == 0) /* files, or nobody answered */
			continue;
		printf("  %s: %s read, %s written, %u connection%s, %s round trip%s waited for\n",
			traffic->side, text_size(arena, traffic->in),
			text_size(arena, traffic->out), traffic->connections,
			traffic->connections == 1 ? "" : "s", text_count(arena, traffic->turns),
			traffic->turns == 1 ? "" : "s");
	}
}

static const char *verdict(const struct report *report)
{
	if (report->interrupted)
		return "interrupted";
	if (report->options.dry_run)
		return exit_code(report) > 1 ? "incomplete" : "dry-run";
	return is_complete(report) ? "complete" : "incomplete";
}

/* The end of an INCOMPLETE line. */
static void print_misses(const struct report *report)
{
	const struct tally *total = &report->total;
	const struct {
		uint64_t count;
		const char *what, *many;
	} misses[] = {
		{ total->refused, " refused", "" },
		{ total->failed, " failed", "" },
		{ total->unknown, " unknown", "" },
		{ report->by_state[REPORT_FAILED] + report->by_state[REPORT_UNKNOWN], " mailbox",
			"es" },
	};
	const char *between = "";

	for (size_t i = 0; i < countof(misses); i++) {
		if (misses[i].count == 0)
			continue;
		printf("%s%llu%s%s", between, (unsigned long long)misses[i].count, misses[i].what,
			misses[i].count == 1 ? "" : misses[i].many);
		between = ", ";
	}
	if (misses[countof(misses) - 1].count > 0)
		fputs(" failed", stdout);
	if (report->error[0])
		printf("%s%s", between[0] ? "; " : "", report->error);
	else if (!between[0])
		fputs("see above", stdout);
	putchar('\n');
}

static void print_verdict(const struct report *report)
{
	const struct tally *total = &report->total;

	if (report->interrupted) {
		puts("interrupted: the state is saved; run the same command again to go on");
	} else if (report->options.dry_run && exit_code(report) <= 1) {
		puts("dry run: nothing was changed");
	} else if (is_complete(report)) {
		if (report->options.users)
			printf("complete: every selected message of %llu user%s is at the destination",
				(unsigned long long)report->options.users,
				report->options.users == 1 ? "" : "s");
		else
			fputs("complete: every selected message is at the destination", stdout);
		if (report->options.part)
			printf(", of each only the %s", report->options.part);
		if (total->gone_dst)
			printf(", but for %llu that were deleted there",
				(unsigned long long)total->gone_dst);
		puts(exit_code(report) == 0 ? "" : "; some metadata it could not hold");
	} else {
		fputs("INCOMPLETE: ", stdout);
		if (report->options.users)
			printf("%llu of %llu user%s failed or were left out: ",
				(unsigned long long)(report->options.users - report->users_done +
						     report->users_failed),
				(unsigned long long)report->options.users,
				report->options.users == 1 ? "" : "s");
		print_misses(report);
	}
}

/* A user's end: his line, and his part in the report of all. */
static void finish_user(struct report *report, struct arena *arena)
{
	struct report *over = report->options.over;
	const struct tally *total = &report->total;
	const int code = exit_code(report);
	const struct user_row row = {
		.name = text_harmless_copy(arena, span_of(report->options.user)),
		.verdict = verdict(report),
		.text = report->error,
		.copied = total->copied,
		.copied_bytes = total->copied_bytes,
		.there = tally_there(total),
		.skipped = tally_skipped(total) + total->gone_dst + total->vanished,
		.failed = total->refused + total->failed + total->unknown,
	};

	pthread_mutex_lock(&over->lock);
	over->users_done++;
	over->users_failed += code > 1;
	over->interrupted |= report->interrupted;
	if (code < CODE_BITS)
		over->codes[code] = true;
	over->codes[3] |= code == 2; /* of one user, it is no usage error of the whole */
	tally_add(&over->total, total);
	over->mailboxes += report->mailboxes;
	for (size_t i = 0; i < countof(over->by_state); i++)
		over->by_state[i] += report->by_state[i];
	if (report->error[0] && !over->error[0])
		snprintf(over->error, sizeof(over->error), "%s: %.600s", row.name, report->error);
	user_rows_add(over->user_rows, &row);
	if (!over->options.json && !over->options.quiet)
		user_row_print(&row, arena);
	pthread_mutex_unlock(&over->lock);
}

static void print_end(const struct report *report, struct arena *arena, double seconds)
{
	if (!report->options.json && !report->options.quiet) {
		if (report->user_rows)
			user_rows_print(report->user_rows, arena);
		print_rows(report, arena);
		print_totals(report, arena, seconds);
	}
	if (!report->options.json)
		print_verdict(report);
}

static void json_traffic(const struct report *report, struct json *json)
{
	json_key(json, "traffic");
	json_begin_array(json);
	for (size_t i = 0; i < report->traffics; i++) {
		const struct traffic *traffic = &report->traffic[i];

		json_begin_object(json);
		json_key(json, "side");
		json_text(json, traffic->side);
		json_key(json, "connections");
		json_u64(json, traffic->connections);
		json_key(json, "read");
		json_u64(json, traffic->in);
		json_key(json, "written");
		json_u64(json, traffic->out);
		json_key(json, "round_trips");
		json_u64(json, traffic->turns);
		json_end_object(json);
	}
	json_end_array(json);
}

void report_finish(struct report *report, double seconds)
{
	struct arena *arena = arena_new();

	pthread_mutex_lock(&report->lock);
	if (wants_json(report)) {
		struct json json;

		begin_line(report, &json, "end");
		json_key(&json, "verdict");
		json_text(&json, verdict(report));
		json_key(&json, "exit_code");
		json_i64(&json, exit_code(report));
		json_key(&json, "mailboxes");
		json_u64(&json, report->mailboxes);
		json_key(&json, "mailboxes_unchanged");
		json_u64(&json, report->by_state[REPORT_UNCHANGED]);
		json_key(&json, "mailboxes_failed");
		json_u64(&json, report->by_state[REPORT_FAILED] + report->by_state[REPORT_UNKNOWN]);
		json_key(&json, "mailboxes_deleted");
		json_u64(&json, report->by_finding[FINDING_MAILBOX_DELETED]);
		add_tally(&json, &report->total);
		json_key(&json, "seconds");
		json_u64(&json, (uint64_t)seconds);
		json_traffic(report, &json);
		json_key(&json, "error");
		json_text(&json, report->error[0] ? report->error : NULL);
		if (report->options.users) {
			json_key(&json, "users");
			json_u64(&json, report->options.users);
			json_key(&json, "users_done");
			json_u64(&json, report->users_done);
			json_key(&json, "users_failed");
			json_u64(&json, report->users_failed);
		}
		end_line(report, &json);
	}
	if (report->options.over)
		finish_user(report, arena);
	else
		print_end(report, arena, seconds);
	if (fflush(stdout) != 0)
		report->codes[7] = true;
	log_info(
		"run ends: %s, exit code %d: %llu messages found, %llu copied, %llu already there, %llu refused, %llu failed, %llu unknown",
		verdict(report), exit_code(report), (unsigned long long)report->total.found,
		(unsigned long long)report->total.copied,
		(unsigned long long)tally_there(&report->total),
		(unsigned long long)report->total.refused, (unsigned long long)report->total.failed,
		(unsigned long long)report->total.unknown);
	pthread_mutex_unlock(&report->lock);
	arena_free(arena);
}
