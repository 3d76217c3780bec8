/* One run of copy from its first connection to its verdict. */
#include "ops/job.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/rate.h"
#include "base/stop.h"
#include "mail/mailbox_name.h"
#include "ops/lane.h"
#include "ops/meter.h"
#include "ops/transform.h"

#define EMPTIED_LEAST 10 /* messages: fewer are deleted by hand, all at once */

/* One side of the first lane while it is opened: both at once, each in a thread of its own. */
struct opening {
	struct account *account;
	struct store_request request;
	unsigned want, retries; /* retries: while the server is too busy */
	struct arena *arena;
	struct store *store;
	struct mailbox_list list;
	struct err err;
	const char *label; /* log_label() */
	pthread_t thread;
};

struct first { /* what the run begins with */
	struct opening src, dst;
	struct arena *arena;
	struct name_pair *pairs;
	size_t count;
	struct journal_mailbox *records;
	size_t record_count;
};

static void *open_side(void *argument)
{
	struct opening *opening = argument;

	log_set_label(opening->label);
	for (unsigned attempt = 1;; attempt++) {
		const struct err *err = &opening->err;

		opening->store = store_open(opening->account, &opening->request, &opening->err);
		if (opening->store || err->kind != ERR_KIND_BUSY || err->scope > ERR_ACCOUNT ||
			attempt > opening->retries)
			break;
		log_warn("%s: %s; again in %.1f s", account_name(opening->account), err->text,
			(double)lane_pause_ms(err, attempt) / 1000);
		if (clock_sleep(lane_pause_ms(err, attempt)) < 0)
			break;
		err_clear(&opening->err);
	}
	if (opening->store && store_list(opening->store, opening->want, opening->arena,
				      &opening->list, &opening->err) < 0)
		err_wrap(&opening->err, "listing mailboxes");
	return NULL;
}

static int open_both(struct run *run, struct lane *lane, struct first *first, struct err *err)
{
	struct opening *sides[] = { &first->src, &first->dst };
	bool threaded;

	for (size_t i = 0; i < 2; i++) {
		*sides[i] = (struct opening){
			.account = i == 0 ? run->job->src : run->job->dst,
			.request = { .timeout_ms = run->settings->timeout_ms,
				.state_dir = run->state_dir,
				.flags = lane->flags,
				.want_utf8 = true,
				.will_write = i == 1 },
			.want = STORE_LIST_STATUS,
			.retries = run->settings->retries,
			.arena = arena_new(),
			.label = log_label(),
		};
	}
	threaded = pthread_create(&first->dst.thread, NULL, open_side, &first->dst) == 0;
	open_side(&first->src);
	if (threaded)
		pthread_join(first->dst.thread, NULL);
	else
		open_side(&first->dst);
	lane->src = first->src.store;
	lane->dst = first->dst.store;
	for (size_t i = 0; i < 2; i++) {
		if (sides[i]->err.scope == ERR_NONE)
			continue;
		*err = sides[i]->err;
		return err_wrap(err, "%s", account_name(sides[i]->account));
	}
	run->src_list = &first->src.list;
	run->dst_list = &first->dst.list;
	return 0;
}

static int pair_mailboxes(struct run *run, struct first *first, struct err *err)
{
	struct name_request request = {
		.src = &first->src.list,
		.dst = &first->dst.list,
		.select = run->select,
		.src_root = account_mailbox(run->job->src),
		.dst_root = account_mailbox(run->job->dst),
		.gmail = run->gmail,
	};
	struct names *names = names_new(run->settings, err);
	int rc;

	if (!names)
		return -1;
	rc = names_pairs(names, &request, first->arena, &first->pairs, &first->count, err);
	names_free(names);
	return rc;
}

/*
 * Mailboxes that were named and are not there. A mirror that deletes mailboxes is told so that one is gone, and further targets (--into) are of the same
 * source: there it is no news.
 */
static void report_missing(struct run *run, const struct mailbox_list *list)
{
	const char *name;

	select_warn(run->select, list);
	if (run->settings->delete_mailboxes || run->job->round > 0)
		return;
	for (size_t at = 0;
		(name = select_missing(run->select, list, account_mailbox(run->job->src), &at));) {
		const struct report_mailbox line = { .src = name,
			.dst = name,
			.state = REPORT_FAILED,
			.text = select_missing_text(name, list) };

		report_finding(run->job->report, FINDING_MAILBOX_FAILED, name, 0, "%s", line.text);
		report_mailbox(run->job->report, &line);
	}
}

/* What a listing left out may hold mail: it is said, and the run is not complete. */
static void report_left_out(struct run *run, const struct mailbox_list *list)
{
	/* An answer without a single name is no account without mail: INBOX is always there. */
	if (list->count == 1 && list->inbox_unseen)
		report_finding(run->job->report, FINDING_UNKNOWN, "", 0,
			"the source lists no mailbox at all, not even INBOX: which there are is not known");
	if (list->count == 0)
		report_finding(run->job->report, FINDING_UNKNOWN, "", 0,
			"%s: there is no mailbox in it: another kind of mail, or another place?",
			account_name(run->job->src));
	if (list->refused)
		report_finding(run->job->report, FINDING_MAILBOX_FAILED, "", 0,
			"%zu mailboxes of the source were left out: their names are none, or they cannot be opened",
			list->refused);
	report_missing(run, list);
	if (list->foreign)
		log_info("%zu mailboxes of other users or shared ones are left out", list->foreign);
}

static const struct journal_mailbox *find_record(
	const struct first *first, const char *src, const char *dst)
{
	for (size_t i = 0; i < first->record_count; i++) {
		if (strcmp(first->records[i].src_name, src) == 0 &&
			strcmp(first->records[i].dst_name, dst) == 0)
			return &first->records[i];
	}
	return NULL;
}

static bool same_source(const struct journal_mailbox *record, const struct mailbox_info *now)
{
	const unsigned needed =
		IMAP_STATUS_MESSAGES | IMAP_STATUS_UIDNEXT | IMAP_STATUS_UIDVALIDITY;

	return (now->has & needed) == needed && now->highestmodseq != 0 &&
	       record->src_modseq == now->highestmodseq &&
	       record->src_uidvalidity == now->uidvalidity && record->src_uidnext == now->uidnext &&
	       record->src_messages == now->messages;
}

/* Flags changed at the destination are its user's, and no news; with --flags-on-update=source they would be undone. */
static bool same_destination(
	const struct run *run, const struct journal_mailbox *record, const struct mailbox_info *now)
{
	const unsigned needed =
		IMAP_STATUS_MESSAGES | IMAP_STATUS_UIDNEXT | IMAP_STATUS_UIDVALIDITY;

	return (now->has & needed) == needed && !now->unclear &&
	       record->dst_uidvalidity == now->uidvalidity && record->dst_uidnext == now->uidnext &&
	       record->dst_messages == now->messages &&
	       (now->newest[0] == '\0' || record->dst_mailboxid == NULL ||
		       strcmp(now->newest, record->dst_mailboxid) == 0) &&
	       (run->settings->flags_on_update != FLAGS_SOURCE ||
		       (now->highestmodseq != 0 && record->dst_modseq == now->highestmodseq));
}

/* Both sides are as they were when everything was known to be there: nothing is opened. */
static bool is_unchanged(const struct run *run, const struct work *work)
{
	const struct journal_mailbox *record = &work->record;

	return record->id && record->baseline == 0 && record->doubt == 0 && work->pair.existing &&
	       !run->settings->delete_source &&
	       (!run->settings->uidvalidity ||
		       run->settings->uidvalidity == work->src.uidvalidity) &&
	       /* what --recopy is for; a mirror that was reconciled has done it already */
	       (!run->settings->recopy || settings_extra(run->settings)) &&
	       record->selection == settings_selection(run->settings) && record->selection != 0 &&
	       same_source(record, &work->src) && same_destination(run, record, &work->dst);
}

static int count_unchanged(struct run *run, struct work *work, struct err *err)
{
	uint64_t pairs[JOURNAL_REFUSED + 1], there;

	if (journal_count(run->journal, work->record.id, pairs, err) < 0)
		return -1;
	work->state = WORK_UNCHANGED;
	log_debug("%s: unchanged since the last run", work->pair.src->name);
	work->tally.found = work->src.messages;
	work->tally.there_record = pairs[JOURNAL_DONE];
	work->tally.gone_dst = pairs[JOURNAL_GONE_DST];
	if (run->settings->recopy) { /* what was gone was copied again, and has two pairs since */
		work->tally.gone_dst = 0;
		if (work->tally.there_record > work->tally.found)
			work->tally.there_record = work->tally.found;
	}
	there = work->tally.there_record + work->tally.gone_dst;
	if (work->tally.found > there)
		work->tally.skipped[SELECT_EARLIER] = work->tally.found - there;
	return 0;
}

/* Largest first, so that the lanes end together. */
static int by_size(const void *a, const void *b)
{
	const struct work *x = a, *y = b;

	return (x->src.messages < y->src.messages) - (x->src.messages > y->src.messages);
}

/*
 * A file holds one mailbox. Whoever copies several into it wants all of them, and the first one, whichever that is, is not what he wants: nothing is begun. Mailboxes
 * that --no-empty leaves out are none of them.
 */
static int check_one_box(const struct run *run, const struct lane *lane, struct err *err)
{
	const char *target = NULL;

	if (!(store_caps(lane->dst) & STORE_CAP_ONE_BOX))
		return 0;
	if (run->job->more || run->job->round > 0)
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
			"%s is one file, and holds one mailbox: --into can name only one",
			account_name(run->job->dst));
	for (size_t i = 0; i < run->count; i++) {
		const struct work *work = &run->work[i];

		if (work->state == WORK_DONE)
			continue;
		if (target && strcmp(target, work->pair.dst) != 0)
			return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
				"%s is one file, and holds one mailbox: choose one with --mailbox, let copy --into NAME put all into it, or name a directory, which gets a file for each (%s and %s are two)",
				account_name(run->job->dst), target, work->pair.dst);
		target = work->pair.dst;
	}
	return 0;
}

static int make_work(struct run *run, struct first *first, struct err *err)
{
	uint64_t messages = 0;
	size_t waiting = 0;

	run->work = mem_array(first->count + 1, sizeof(*run->work));
	for (size_t i = 0; i < first->count; i++) {
		struct name_pair *pair = &first->pairs[i];
		struct work *work;
		const struct journal_mailbox *record;

		if (pair->noselect)
			continue;
		work = &run->work[run->count++];
		work->pair = *pair;
		work->src = *pair->src;
		if (pair->existing)
			work->dst = *pair->existing;
		record = find_record(first, pair->src->name, pair->dst);
		if (record)
			work->record = *record;
		work->record.src_name = pair->src->name;
		work->record.dst_name = pair->dst;
		if (is_unchanged(run, work)) {
			if (count_unchanged(run, work, err) < 0)
				return -1;
		} else if (!pair->existing && run->settings->no_empty &&
			   (work->src.has & IMAP_STATUS_MESSAGES) && work->src.messages == 0) {
			work->state = WORK_DONE;
		} else {
			waiting++;
			messages += work->src.messages;
		}
	}
	qsort(run->work, run->count, sizeof(*run->work), by_size);
	meter_total(run->job->meter, waiting, messages);
	return 0;
}

/* It did not get its name with something escaped in it, but another one. */
static bool is_moved(const struct mailbox_style *style, const struct store_preparation *one)
{
	struct arena *arena;
	bool moved;

	if (!one->raw)
		return false;
	arena = arena_new();
	moved = strcmp(mailbox_display(style, span_of(one->raw), arena), one->name) != 0;
	arena_free(arena);
	return moved;
}

/* A header is no copy of its message: where the first of them come to be beside whole messages, that may not be meant. */
static void report_beside(struct run *run)
{
	for (size_t i = 0; i < run->count && run->settings->headers_only; i++) {
		const struct work *work = &run->work[i];

		if (work->record.id == 0 && work->dst.messages > 0)
			report_finding(run->job->report, FINDING_NOTE, work->pair.src->name, 0,
				"the destination holds %u messages there already: where they are whole, their headers come beside them, for a header is not its message",
				(unsigned)work->dst.messages);
	}
}

/*
 * What is to be done about a subscription. Files keep what the source says: a mirror's also that it was ended, and any that said nothing yet. On a server they are
 * their user's, who may have made more of them.
 */
static void want_subscription(const struct run *run, const struct lane *lane,
	const struct first *first, const struct work *work, struct store_preparation *out)
{
	const struct mailbox_info *existing = work->pair.existing;
	const bool said = !first->src.list.subscriptions_unknown;
	const unsigned caps = store_caps(lane->dst);

	if (run->settings->no_subscribe || !(caps & STORE_CAP_SUBSCRIBE))
		return;
	/* Where the source keeps no subscriptions, what is made is subscribed: many mail programs show nothing else. */
	if (said ? work->src.subscribed : out->create)
		out->subscribe = out->create || (existing && !existing->subscribed);
	else if (said && existing && existing->subscribed && (caps & STORE_CAP_FILES))
		out->unsubscribe = settings_extra(run->settings) ||
				   (first->dst.list.subscriptions_unknown && !run->shared);
}

/* Mailboxes that are missing at the destination, and subscriptions: asked for all at once. */
static int prepare_destination(
	struct run *run, struct lane *lane, struct first *first, struct err *err)
{
	struct store_preparation *list = arena_array(first->arena, run->count + 1, sizeof(*list));
	struct work **of = arena_array(first->arena, run->count + 1, sizeof(struct work *));
	struct mailbox_style style;
	bool created = false;
	size_t count = 0;

	for (size_t i = 0; i < run->count; i++) {
		struct work *work = &run->work[i];
		struct store_preparation *one = &list[count];

		*one = (struct store_preparation){
			.name = work->pair.dst,
			.create = !work->pair.existing && work->state == WORK_WAITING,
			.use = work->src.use,
			.ours = work->record.id != 0,
		};
		want_subscription(run, lane, first, work, one);
		if (!one->create && !one->subscribe && !one->unsubscribe)
			continue;
		of[count++] = work;
		created |= one->create;
	}
	if (count == 0 || run->settings->dry_run)
		return 0;
	if (store_prepare(lane->dst, list, count, err) < 0)
		return err_wrap(err, "creating mailboxes");
	style = store_style(lane->dst);
	for (size_t i = 0; i < count; i++) {
		if (list[i].create && !list[i].created) {
			job_fail_mailbox(run, of[i], list[i].err.text);
			continue;
		}
		if (list[i].err.scope != ERR_NONE) {
			report_finding(run->job->report, FINDING_NOT_SUBSCRIBED,
				of[i]->pair.src->name, 0,
				list[i].subscribe ? "not subscribed: %s"
						  : "it is not recorded as not subscribed: %s",
				list[i].err.text);
		} else if (list[i].changed && !is_moved(&style, &list[i])) {
			report_finding(run->job->report, FINDING_NAME_CHANGED,
				of[i]->pair.src->name, 0,
				"the destination cannot hold this name as it is: it was escaped there");
		}
		if (list[i].create && list[i].changed && is_moved(&style, &list[i]))
			of[i]->dst.raw = arena_strdup(first->arena, list[i].raw);
	}
	return created ? 1 : 0;
}

/* Where new mailboxes stand: one listing for all of them. */
static int refresh_destination(struct run *run, struct lane *lane, struct arena *arena,
	struct mailbox_list *list, struct err *err)
{
	if (store_list(lane->dst, STORE_LIST_STATUS, arena, list, err) < 0)
		return err_wrap(err, "listing mailboxes at the destination");
	job_names_again(run, list);
	job_names_created(run, list);
	run->dst_list = list;
	store_use_names(lane->dst, list);
	for (size_t i = 0; i < run->count; i++) {
		struct work *work = &run->work[i];
		const struct mailbox_info *info = mailbox_list_find(list, work->pair.dst);

		if (info) {
			work->pair.existing = info;
			work->dst = *info;
		}
	}
	return 0;
}

/* Whether two mailboxes go into one, now or in an earlier run. */
static bool shares_targets(const struct run *run, const struct first *first)
{
	struct arena *arena = arena_new();
	struct map *targets = map_new(arena);
	bool shared = false;

	for (size_t i = 0; i < first->record_count; i++)
		shared |= map_set(targets, span_of(first->records[i].dst_name),
				  (void *)(uintptr_t)first->records[i].src_name) != NULL;
	for (size_t i = 0; i < run->count; i++) {
		const struct name_pair *pair = &run->work[i].pair;
		const char *other =
			map_set(targets, span_of(pair->dst), (void *)(uintptr_t)pair->src->name);

		shared |= other && strcmp(other, pair->src->name) != 0;
	}
	map_free(targets);
	arena_free(arena);
	return shared;
}

/* Mailboxes that go into one (--merge, --into) are worked on one after another: each has to see what the others have put there. */
static void chain_works(struct run *run)
{
	struct arena *arena = arena_new();
	struct map *targets = map_new(arena);

	for (size_t i = 0; i < run->count; i++) {
		struct work *work = &run->work[i], *before;

		if (work->state != WORK_WAITING)
			continue;
		before = map_set(targets, span_of(work->pair.dst), work);
		if (!before)
			continue;
		before->next = work;
		work->chained = true;
	}
	map_free(targets);
	arena_free(arena);
}

/*
 * What its owner deleted is not copied again, and that is no failure. But who deletes everything may be somebody else, or the server: then
 * "complete" would be understood as "it is there".
 */
static void report_emptied(struct run *run, const struct work *work)
{
	const struct tally *tally = &work->tally;

	if ((work->state != WORK_DONE && work->state != WORK_UNCHANGED) ||
		tally->gone_dst < EMPTIED_LEAST || tally->there_record > 0)
		return;
	report_finding(run->job->report, FINDING_EMPTIED, work->pair.src->name, 0,
		"none of the %llu messages copied there before is at the destination any more: they count as deleted by their owner and are not copied again; if that was not meant, use --recopy",
		(unsigned long long)tally->gone_dst);
}

static void report_works(struct run *run)
{
	static const enum report_state states[] = {
		[WORK_WAITING] = REPORT_INTERRUPTED,
		[WORK_UNCHANGED] = REPORT_UNCHANGED,
		[WORK_DONE] = REPORT_DONE,
		[WORK_FAILED] = REPORT_FAILED,
		[WORK_INTERRUPTED] = REPORT_INTERRUPTED,
	};

	for (size_t i = 0; i < run->count; i++) {
		struct work *work = &run->work[i];
		struct report_mailbox line = {
			.src = work->pair.src->name,
			.dst = work->pair.dst,
			.state = states[work->state],
			.tally = work->tally,
			.text = work->text,
			.again = run->job->round > 0,
		};

		if (line.state == REPORT_DONE && work->tally.unknown)
			line.state = REPORT_UNKNOWN;
		report_emptied(run, work);
		report_mailbox(run->job->report, &line);
	}
}

/* What this run carried is noted; a limit that earlier runs have used up ends it before it begins. */
static int note_daily_limit(struct run *run, bool *used_up_out, struct err *err)
{
	uint64_t day;

	*used_up_out = false;
	if (!run->settings->daily_limit)
		return 0;
	if (journal_spend(run->journal, clock_wall(), run->unspent, &day, err) < 0)
		return -1;
	run->unspent = 0;
	*used_up_out = day >= run->settings->daily_limit;
	return 0;
}

/* What is kept in part has a record of its own: it must never stand for the whole message, least of all with --delete-source. */
static const char *identity_of_dst(const struct run *run, struct arena *arena)
{
	const char *identity = account_identity(run->job->dst);
	const char *parts = account_get(run->job->dst, ACCOUNT_ATTACHMENTS);

	if (parts && strcmp(parts, "only") == 0)
		identity = arena_print(arena, "%s?attachments=only", identity);
	if (run->settings->headers_only)
		identity = arena_print(arena, "%s?headers-only", identity);
	return identity;
}

/* Journal, both listings, the work. */
static int begin(struct run *run, struct lane *lane, struct first *first, struct err *err)
{
	const struct settings *settings = run->settings;
	struct mailbox_style style;
	bool used_up;
	char *dir;
	const char *src = account_identity(run->job->src);
	const char *dst = identity_of_dst(run, first->arena);

	if (settings_state_dir(settings, first->arena, &dir, err) < 0)
		return -1;
	if (dir && settings->dry_run && !journal_exists(dir, src, dst))
		dir = NULL; /* a dry run leaves nothing behind, not even an empty journal */
	run->state_dir = dir;
	run->journal = journal_open(dir, src, dst, err);
	if (!run->journal)
		return -1;
	log_info("run begins: %s to %s, state %s%s", account_name(run->job->src),
		account_name(run->job->dst), dir ? journal_path(run->journal) : "kept nowhere",
		settings->dry_run ? ", dry run" : "");
	if (note_daily_limit(run, &used_up, err) < 0)
		return -1;
	if (used_up)
		return err_set(err, ERR_MAILBOX,
			"the daily limit of %llu octets is used up: run again later to go on",
			(unsigned long long)settings->daily_limit);
	if (journal_mailboxes(
		    run->journal, first->arena, &first->records, &first->record_count, err) < 0 ||
		open_both(run, lane, first, err) < 0)
		return -1;
	run->gmail = store_imap_session(lane->src) &&
		     imap_has(store_imap_session(lane->src), IMAP_CAP_GMAIL);
	if (settings->subscribed && first->src.list.subscriptions_unknown)
		return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_UNSUPPORTED,
			"the source does not tell what is subscribed: leave out --subscribed");
	report_left_out(run, &first->src.list);
	job_leave_out_destination(run, lane, &first->src.list);
	style = store_style(lane->dst);
	job_names_known(&first->dst.list, first->records, first->record_count, &style);
	store_use_names(lane->dst, run->dst_list);
	if (pair_mailboxes(run, first, err) < 0)
		return -1;
	if (make_work(run, first, err) < 0)
		return -1;
	report_beside(run);
	return check_one_box(run, lane, err);
}

static int finish(struct run *run, struct lane *lane, struct err *err)
{
	struct err end = ERR_INIT;
	bool used_up;

	if (note_daily_limit(run, &used_up, err) < 0)
		return -1;
	/* Whatever ended the run, what was confirmed is written down. */
	if (journal_commit(run->journal, true, err) < 0)
		return -1;
	if (stop_check(err) < 0)
		return -1;
	if (run->ended) {
		*err = run->end;
		return -1;
	}
	if (job_look_again(run, lane, err) < 0 || job_close_records(run, lane, err) < 0)
		return -1;
	if (run->settings->delete_source && job_delete_source(run, lane, err) < 0)
		return -1;
	if (job_delete_extra(run, lane, err) < 0)
		return -1;
	return journal_commit(run->journal, true, &end) < 0 ? (*err = end, -1) : 0;
}

static int run_copy(struct run *run, struct first *first, struct err *err)
{
	struct lane *lanes = mem_array(LANES_MAX, sizeof(*lanes));
	struct mailbox_list fresh;
	unsigned count = 1;
	int rc;

	lane_init(&lanes[0], run, 0);
	rc = begin(run, &lanes[0], first, err);
	if (rc == 0) {
		run->shared = shares_targets(run, first);
		rc = prepare_destination(run, &lanes[0], first, err);
	}
	if (rc > 0)
		rc = refresh_destination(run, &lanes[0], first->arena, &fresh, err);
	if (rc == 0) {
		job_names_report(run);
		rc = job_choose_compression(run, &lanes[0], err);
	}
	if (rc == 0) {
		count = job_choose_lanes(run, &lanes[0]);
		count = count ? count : 1;
		chain_works(run);
		count = job_work_lanes(run, lanes, count);
		rc = finish(run, &lanes[0], err);
	}
	for (unsigned i = 0; i < count; i++) {
		lane_disconnect(&lanes[i]);
		lane_release(&lanes[i]);
	}
	report_works(run);
	job_report_lanes(run, lanes, count);
	mem_free(lanes);
	return rc;
}

static void run_release(struct run *run)
{
	for (size_t i = 0; i < run->count; i++)
		arena_free(run->work[i].arena);
	mem_free(run->work);
	select_free(run->select);
	if (!run->job->messages)
		rate_free(run->messages);
	if (!run->job->bytes)
		rate_free(run->bytes);
	pthread_cond_destroy(&run->changed);
	pthread_mutex_destroy(&run->lock);
}

int job_copy(struct job *job, struct err *err)
{
	struct run run = {
		.job = job,
		.settings = job->settings,
		.messages = job->messages ? job->messages : rate_new(job->settings->rate),
		.bytes = job->bytes ? job->bytes : rate_new((double)job->settings->bandwidth),
	};
	struct first first = { .arena = arena_new() };
	struct err late = ERR_INIT;
	int rc = -1;

	pthread_mutex_init(&run.lock, NULL);
	pthread_cond_init(&run.changed, NULL);
	run.select = select_new(job->settings, err);
	if (run.select)
		rc = run_copy(&run, &first, err);
	if (journal_close(run.journal, &late) < 0 && rc == 0) {
		*err = late;
		rc = -1;
	}
	run_release(&run);
	arena_free(first.src.arena);
	arena_free(first.dst.arena);
	arena_free(first.arena);
	return rc;
}
