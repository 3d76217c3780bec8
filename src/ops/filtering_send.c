/* Messages that go to another place: the copy machinery carries them, for each mailbox and target as `copy --mailbox X --into Y --uid SET` would. */
#include "ops/filtering_parts.h"

#include "base/arena.h"
#include "base/buf.h"
#include "ops/job.h"
#include "ops/meter.h"
#include "ops/report.h"

#include <string.h>

#define RANGES_AT_ONCE 100000 /* of UIDs, in one job */

/* A part on its way. */
struct sending {
	struct filtering *filtering;
	struct boxed *boxed;
	struct filter_part *part;
	struct arena *arena; /* of this portion */
};

/* The mailbox's name as a pattern that matches nothing else (base/glob.h). */
static const char *as_glob(const char *name, struct arena *arena)
{
	char *glob = arena_alloc(arena, 3 * strlen(name) + 1), *at = glob;

	for (; *name; name++) {
		const bool special = strchr("*?[", *name) != NULL;

		if (special)
			*at++ = '[';
		*at++ = *name;
		if (special)
			*at++ = ']';
	}
	*at = '\0';
	return glob;
}

static const char *as_text(const struct uidset *uids, struct arena *arena)
{
	const size_t room = uids->count * 24 + 1;
	size_t next = 0;
	struct buf text;
	const char *copy;

	buf_init(&text, room);
	(void)uidset_print(uids, &next, room, &text);
	copy = arena_strdup(arena, buf_text(&text));
	buf_release(&text);
	return copy;
}

/*
 * What the rules chose is all that counts: of the options only those that say how to work remain. A move was asked for by the rules file, so there is no
 * question and no brake; nothing is removed that the other place has not confirmed.
 */
static struct settings settings_for(const struct sending *sending, const struct uidset *uids)
{
	const struct settings *given = sending->filtering->request.settings;
	const struct rule *rule = part_rule(sending->filtering, sending->part);
	const char **mailbox = arena_alloc(sending->arena, sizeof(const char *));
	struct settings settings;

	settings_init(&settings);
	settings.quiet = given->quiet;
	settings.jobs = given->jobs;
	settings.timeout_ms = given->timeout_ms;
	settings.settle_ms = given->settle_ms;
	settings.retries = given->retries;
	settings.rate = given->rate;
	settings.bandwidth = given->bandwidth;
	settings.daily_limit = given->daily_limit;
	settings.max_errors = given->max_errors;
	settings.state_dir = given->state_dir;
	settings.no_state = given->no_state;
	settings.all_mail = true;
	settings.expunge_all = given->expunge_all;
	settings.yes = true;
	settings.has_max_delete = true;
	settings.max_delete = UINT64_MAX;
	settings.max_delete_percent = -1;
	settings.no_subscribe = true;
	settings.delete_source = !rule->copy;
	settings.recopy = !rule->copy;
	*mailbox = as_glob(sending->boxed->box.mailbox, sending->arena);
	settings.mailboxes = (struct text_list){ mailbox, 1 };
	settings.into = sending->part->target;
	settings.uid_set = as_text(uids, sending->arena);
	settings.uidvalidity = sending->boxed->box.uidvalidity;
	return settings;
}

/* Of what is left to be counted, so many at most. */
static uint64_t take(uint64_t *left, uint64_t count)
{
	const uint64_t taken = count < *left ? count : *left;

	*left -= taken;
	return taken;
}

/*
 * What the job is certain of. A message that stands there and could not be removed here is unknown: a move that is half done. What is not there to be sent is only
 * gone when the mailbox was looked at.
 */
static void count(
	struct filter_part *part, bool copy, const struct tally *tally, uint64_t asked, bool looked)
{
	const uint64_t there = tally->there_record + tally->there_digest + tally->there_content;
	const uint64_t delivered = tally->copied + there;
	uint64_t left = asked, chosen = tally->found;

	for (size_t i = SELECT_YES + 1; i < SELECT_REASONS; i++)
		chosen -= tally->skipped[i] < chosen ? tally->skipped[i] : chosen;
	if (copy) {
		part->counts.copied += take(&left, tally->copied);
		part->counts.there += take(&left, there + tally->gone_dst);
	} else {
		part->counts.moved += take(&left, tally->deleted);
		part->counts.unknown +=
			take(&left, delivered > tally->deleted ? delivered - tally->deleted : 0);
	}
	part->counts.unknown += take(&left, tally->unknown);
	part->counts.gone += take(&left, tally->vanished);
	if (looked && tally->unknown == 0 && asked > chosen)
		part->counts.gone += take(&left, asked - chosen);
}

static int run_job(struct sending *sending, const struct uidset *uids, struct err *err)
{
	const struct rule *rule = part_rule(sending->filtering, sending->part);
	const struct filter_request *request = &sending->filtering->request;
	const struct settings settings = settings_for(sending, uids);
	const struct report_options options = { .command = "filter",
		.src = account_name(request->account),
		.dst = account_name(request->place[rule->place->index]),
		.quiet = true };
	struct meter *meter = meter_new();
	struct report *report = report_new(&options, err);
	struct job job = { .settings = &settings,
		.src = request->account,
		.dst = request->place[rule->place->index],
		.report = report,
		.meter = meter };
	struct tally tally;
	int rc = report ? job_copy(&job, err) : -1;

	if (report) {
		tally = report_total(report);
		/* Nothing found is an empty mailbox only where nothing went wrong. */
		count(sending->part, rule->copy, &tally, uidset_size(uids),
			rc == 0 && (tally.found > 0 || report_exit_code(report) <= 1));
		filtering_note_code(sending->filtering, report_exit_code(report));
	}
	report_free(report);
	meter_free(meter);
	return rc;
}

static int send_part(struct sending *sending, struct err *err)
{
	struct filter_part *part = sending->part;
	const struct uidset all = part->left;
	int rc = 0;

	/* The job would take 0 for any UIDVALIDITY. */
	if (sending->boxed->box.uidvalidity == 0)
		return err_set_kind(err, ERR_MAILBOX, ERR_KIND_SAFETY,
			"its UIDs are not lasting ones: nothing is moved from it");
	if (strcmp(part->target, "*") == 0)
		part->target = sending->boxed->box.mailbox;
	for (size_t at = 0; rc == 0 && at < all.count; at += RANGES_AT_ONCE) {
		const size_t count =
			all.count - at < RANGES_AT_ONCE ? all.count - at : RANGES_AT_ONCE;
		const struct uidset portion = { all.range + at, count, count };

		sending->arena = arena_new();
		rc = run_job(sending, &portion, err);
		arena_free(sending->arena);
	}
	if (counted(&part->counts) == part->counts.found && part->counts.unknown == 0)
		part->left = (struct uidset){ 0 };
	return rc;
}

/* The error of a place is not that of the next; what is wrong here is. */
static int send_box(struct filtering *filtering, struct boxed *boxed, bool *lost, struct err *err)
{
	for (size_t i = 0; i < boxed->box.parts; i++) {
		struct sending sending = {
			.filtering = filtering, .boxed = boxed, .part = &boxed->box.part[i]
		};
		const struct rule *rule = part_rule(filtering, sending.part);
		struct err local = ERR_INIT;
		struct err *kept;

		if (!rule->place || sending.part->left.count == 0 || lost[rule->place->index])
			continue;
		if (send_part(&sending, &local) == 0)
			continue;
		if (local.scope == ERR_STOPPED ||
			(local.scope == ERR_LOCAL && local.kind == ERR_KIND_OTHER)) {
			*err = local;
			return -1;
		}
		lost[rule->place->index] = local.scope >= ERR_CONN;
		kept = arena_alloc(boxed->arena, sizeof *kept);
		*kept = local;
		(void)err_wrap(kept, "%s to %s", boxed->box.mailbox, rule->place->name);
		boxed->box.err = kept;
	}
	return 0;
}

static bool has_work(const struct filtering *filtering)
{
	for (size_t i = 0; i < filtering->count; i++) {
		const struct filter_box *box = &filtering->boxed[i].box;

		for (size_t k = 0; k < box->parts; k++)
			if (part_rule(filtering, &box->part[k])->place && box->part[k].left.count)
				return true;
	}
	return false;
}

int filtering_send(struct filtering *filtering, struct err *err)
{
	size_t places = 0;
	bool *lost;
	int rc = 0;

	if (!has_work(filtering))
		return 0;
	while (rules_place(filtering->request.rules, places))
		places++;
	lost = arena_array(filtering->arena, places, sizeof(bool));
	walk_rest(filtering->walk); /* the job connects for itself, and connections may be few */
	for (size_t i = 0; rc == 0 && i < filtering->count; i++)
		rc = send_box(filtering, &filtering->boxed[i], lost, err);
	return rc;
}
