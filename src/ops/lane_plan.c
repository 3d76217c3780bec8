/* The looking half of a pass: open both mailboxes, scan what must be scanned, let the plan decide. */
#include "ops/lane.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/spool.h"
#include "ops/meter.h"
#include "ops/transform.h"
#include "ops/walk.h"

#define THREAD_LEAST 200 /* messages at the destination from which its scan gets a thread */
#define UNKNOWN_CAP 1000 /* findings about single unreadable messages a mailbox */

static void tick(void *context, uint64_t messages)
{
	meter_scanned(context, messages);
}

/* Options that look at dates, or at the destination's sizes: then a row rebuilt from the journal, which has neither, will not do. */
static bool wants_columns(const struct settings *settings)
{
	return settings->since != DATE_UNKNOWN || settings->before != DATE_UNKNOWN ||
	       settings->recopy || settings_extra(settings) || settings->match != MATCH_AUTO;
}

/* The source's sizes, which the journal has. */
static bool wants_sizes(const struct settings *settings)
{
	return settings->larger || settings->smaller || settings->max_size;
}

void lane_scan_fields(const struct settings *settings, struct box_scan *scan)
{
	static const char *const message_id[] = { "Message-ID" };

	if (settings->match == MATCH_MESSAGE_ID) {
		scan->fields = message_id;
		scan->field_count = 1;
	} else if (settings->match == MATCH_HEADER) {
		scan->fields = settings->match_headers.item;
		scan->field_count = settings->match_headers.count;
	}
}

/* One side of a pass being scanned; the destination's may run in a thread beside the source's. */
struct side_scan {
	struct lane *lane;
	const struct pass *pass; /* pairs: read only */
	struct box *box;
	struct snapshot *snapshot;
	struct uidset *unknown;
	struct arena *arena;
	bool is_src, digests;
	uint64_t since; /* recorded modseq, 0 = none */
	int rc;
	struct err err;
	pthread_t thread;
};

static int scan_all(struct side_scan *side)
{
	const struct settings *settings = side->lane->run->settings;
	struct box_scan scan = { .digests = side->digests,
		.dates = side->is_src &&
			 (settings->since != DATE_UNKNOWN || settings->before != DATE_UNKNOWN) };

	lane_scan_fields(settings, &scan);
	if (side->is_src) {
		scan.tick = tick;
		scan.tick_context = side->lane->run->job->meter;
	}
	if (side->digests)
		snapshot_want_digests(side->snapshot);
	return box_scan(side->box, &scan, side->snapshot, side->arena, side->unknown, &side->err);
}

/*
 * Where the newest recorded messages of the source begin, which are to be asked for: lane_forget_if_strange() needs what the server says of them. A source without new ones was hardly put
 * back.
 */
static size_t tail_of(const struct side_scan *side, const struct uidset *there)
{
	const struct journal_pairs *pairs = &side->pass->pairs;
	size_t at = pairs->count, wanted = LANE_NEWEST;

	if (!side->is_src || box_facts(side->box)->uidnext == side->pass->work->record.src_uidnext)
		return at;
	while (at > 0 && wanted > 0)
		wanted -= uidset_has(there, pairs->src_uid[--at]);
	return at;
}

/*
 * Adds a row for each recorded message that is still there; those in the snapshot already are newer and win. Where sizes are wanted, one of
 * unknown size is left to be asked for, and so are some more: forget_if_strange() needs what the server says, not what is recorded.
 */
static void add_recorded(struct side_scan *side, const struct uidset *there)
{
	const struct journal_pairs *pairs = &side->pass->pairs;
	const uint32_t *uid = side->is_src ? pairs->src_uid : pairs->dst_uid;
	const uint16_t *flags = side->is_src ? pairs->src_flags : pairs->dst_flags;
	flags_t *set = arena_array(side->arena, pairs->flag_texts + 1, sizeof(*set));
	const bool sizes = side->is_src && wants_sizes(side->lane->run->settings);
	const size_t tail = tail_of(side, there);
	size_t sampled = 0;

	for (size_t i = 0; i < pairs->flag_texts; i++)
		set[i] = flags_parse(side->lane->flags, span_of(pairs->flag_text[i]));
	for (size_t i = 0; i < tail; i++) {
		size_t row;

		if (!uid[i] || !uidset_has(there, uid[i]))
			continue;
		if (sizes && (pairs->size[i] == 0 || sampled++ < LANE_SAMPLE))
			continue;
		row = snapshot_add(side->snapshot, uid[i]);
		side->snapshot->flags[row] = set[flags[i]];
		side->snapshot->instant[row] = DATE_UNKNOWN;
		side->snapshot->size[row] = sizes ? pairs->size[i] : UINT32_MAX;
	}
	snapshot_finish(side->snapshot, true);
}

static void missing_rows(const struct snapshot *snapshot, const struct uidset *there,
	struct arena *arena, struct uidset *out)
{
	for (size_t i = 0; i < there->count; i++) {
		for (uint64_t uid = there->range[i].first; uid <= there->range[i].last; uid++) {
			if (snapshot_find(snapshot, (uint32_t)uid) == SIZE_MAX)
				uidset_add(out, arena, (uint32_t)uid, (uint32_t)uid);
		}
	}
}

static void add_rows(struct snapshot *into, const struct snapshot *from)
{
	for (size_t i = 0; i < from->count; i++) {
		size_t row = snapshot_add(into, from->uid[i]);

		into->flags[row] = from->flags[i];
		into->instant[row] = from->instant[i];
		into->zone[row] = from->zone[i];
		into->size[row] = from->size[i];
	}
}

/*
 * The snapshot from what the journal knows and what changed since (RFC 7162 §3.1.4): flags of a hundred thousand messages are not sent
 * again because five are new. UIDs that neither explains are asked for alone.
 */
static int scan_changes(struct side_scan *side)
{
	struct box_scan scan = { .since = side->since };
	struct uidset there = { 0 }, missing = { 0 };
	struct snapshot rest;
	bool complete;
	int rc = 0;

	if (box_search(side->box, "ALL", side->arena, &there, side->unknown, &side->err) < 0)
		return -1;
	/* A search that lags behind the count (or runs ahead of it) is no list of what is there. */
	if (uidset_size(&there) != box_facts(side->box)->messages)
		return scan_all(side);
	if (box_scan(side->box, &scan, side->snapshot, side->arena, side->unknown, &side->err) < 0)
		return -1;
	complete = side->snapshot->complete;
	add_recorded(side, &there);
	missing_rows(side->snapshot, &there, side->arena, &missing);
	snapshot_init(&rest, false);
	if (missing.count > 0) {
		scan = (struct box_scan){ .uids = &missing };
		rc = box_scan(side->box, &scan, &rest, side->arena, side->unknown, &side->err);
		complete &= rest.complete;
		add_rows(side->snapshot, &rest);
	}
	snapshot_release(&rest);
	snapshot_finish(side->snapshot, complete);
	side->snapshot->modseq = box_facts(side->box)->modseq;
	return rc;
}

static void *scan_side(void *argument)
{
	struct side_scan *side = argument;
	unsigned caps = store_caps(side->is_src ? side->lane->src : side->lane->dst);
	bool changes = !side->digests && side->since &&
		       box_facts(side->box)->modseq >= side->since && side->pass->pairs.count > 0 &&
		       !wants_columns(side->lane->run->settings) && (caps & STORE_CAP_MODSEQ) &&
		       (caps & STORE_CAP_SEARCH);

	log_set_label(side->lane->label);
	side->rc = changes ? scan_changes(side) : scan_all(side);
	return NULL;
}

/* Both sides at once, where there is enough to scan at the destination to be worth a thread. */
static int scan_both(struct lane *lane, struct pass *pass, struct err *err)
{
	struct work *work = pass->work;
	/* Nothing recorded and something there: headers are wanted of all, so they come with the first scan. */
	bool fresh = pass->pairs.count == 0 && pass->dst_box &&
		     box_facts(pass->dst_box)->messages > 0 &&
		     !settings_transform(lane->run->settings);
	struct side_scan src = { .lane = lane,
		.pass = pass,
		.box = pass->src_box,
		.snapshot = &pass->src,
		.unknown = &pass->src_unknown,
		.arena = pass->arena,
		.is_src = true,
		.digests = fresh,
		.since = work->record.src_modseq };
	struct side_scan dst = { .lane = lane,
		.pass = pass,
		.box = pass->dst_box,
		.snapshot = &pass->dst,
		.unknown = &pass->dst_unknown,
		.arena = pass->dst_arena,
		.digests = fresh,
		.since = work->record.dst_modseq };
	bool threaded = pass->dst_box && box_facts(pass->dst_box)->messages >= THREAD_LEAST &&
			pthread_create(&dst.thread, NULL, scan_side, &dst) == 0;

	scan_side(&src);
	if (threaded)
		pthread_join(dst.thread, NULL);
	else if (pass->dst_box && src.rc == 0)
		scan_side(&dst);
	else if (!pass->dst_box)
		snapshot_finish(&pass->dst, true);
	if (src.rc < 0) {
		*err = src.err;
		return err_wrap(err, "scanning the source");
	}
	if (dst.rc < 0) {
		*err = dst.err;
		return err_wrap(err, "scanning the destination");
	}
	return 0;
}

/* What cannot be read cannot be searched: whether it was meant is not known. */
static void leave_out_unknown(struct pass *pass, const struct uidset *unknown)
{
	if (unknown->count == 0)
		return;
	snapshot_remove(&pass->src, unknown);
	pass->src.complete = false;
	for (size_t i = 0; i < unknown->count; i++)
		uidset_add(&pass->src_unknown, pass->arena, unknown->range[i].first,
			unknown->range[i].last);
}

/* --search and its like: asked of the mailbox; then every row is decided. */
static int select_rows(struct lane *lane, struct pass *pass, struct err *err)
{
	const struct select *select = lane->run->select;
	struct select_answer answer = { 0 };

	if (select_ask(select, pass->src_box, lane->flags, &pass->src, false, pass->arena, &answer,
		    err) < 0)
		return -1;
	leave_out_unknown(pass, &answer.unknown);
	pass->reason = arena_alloc(pass->arena, pass->src.count + 1);
	select_messages(select, lane->flags, &pass->src, &answer, pass->reason);
	return 0;
}

/*
 * What only the destination has may go if the same options select it there: who mirrors the mail of this year leaves the older mail alone.
 * A destination that cannot tell keeps all of it. --limit counts what is copied, and says nothing of the rest.
 */
static int select_extra(struct lane *lane, struct pass *pass, struct err *err)
{
	const struct settings *settings = lane->run->settings;
	const struct select *select = lane->run->select;
	struct select_answer answer = { 0 };
	int rc;

	pass->policy.extra = settings_extra(settings) && pass->dst_box;
	if (!pass->policy.extra || settings->empty_destination || pass->dst.count == 0)
		return 0;
	rc = select_ask(
		select, pass->dst_box, lane->flags, &pass->dst, false, pass->arena, &answer, err);
	if (rc > 0 || answer.unknown.count > 0)
		rc = err_set(err, ERR_MAILBOX, "some of them cannot be read");
	if (rc < 0 && err->scope >= ERR_CONN)
		return err_wrap(err, "at the destination");
	if (rc < 0) {
		pass->policy.extra = false;
		pass->work->unequal = true;
		report_finding(lane->run->job->report, FINDING_UNKNOWN, pass->work->pair.src->name,
			0,
			"which messages the options select at the destination cannot be told (%s): nothing is deleted there",
			err->text);
		err_clear(err);
		return 0;
	}
	pass->dst_reason = arena_alloc(pass->arena, pass->dst.count + 1);
	select_messages(select, lane->flags, &pass->dst, &answer, pass->dst_reason);
	for (size_t row = 0; row < pass->dst.count; row++) {
		if (pass->dst_reason[row] == SELECT_LIMIT)
			pass->dst_reason[row] = SELECT_YES;
	}
	return 0;
}

static void make_policy(struct lane *lane, struct pass *pass)
{
	const struct settings *settings = lane->run->settings;
	struct plan_policy *policy = &pass->policy;

	*policy = (struct plan_policy){
		.match = settings->match,
		.flags_on_update = settings->flags_on_update,
		.recopy = settings->recopy,
		.confirmed = &pass->work->stored,
		.no_keywords = settings->no_keywords,
		.add = flags_parse(lane->flags, span_of(settings->add_flags)),
		.remove = flags_parse(lane->flags, span_of(settings->remove_flags)),
	};
	/* What EXAMINE calls permanent says nothing of what SELECT would (RFC 3501 §6.3.2). */
	if (pass->dst_box && !box_facts(pass->dst_box)->read_only) {
		policy->has_permanent = box_facts(pass->dst_box)->has_permanent;
		policy->permanent = box_facts(pass->dst_box)->permanent;
		policy->any_keyword = box_facts(pass->dst_box)->any_keyword;
	}
}

/* Reads what the next step of the plan wants to know of one side. */
static int scan_more(struct lane *lane, struct pass *pass, struct box *box,
	struct snapshot *snapshot, const struct uidset *uids, bool content, struct err *err)
{
	struct box_scan scan = { .uids = uids, .digests = !content, .content = content };
	struct uidset unknown = { 0 };
	struct snapshot more;
	int rc;

	if (uids->count == 0)
		return 0;
	if (!content)
		lane_scan_fields(lane->run->settings, &scan);
	snapshot_init(&more, !content);
	if (content)
		snapshot_want_content(&more);
	rc = box_scan(box, &scan, &more, pass->arena, &unknown, err);
	if (rc == 0)
		snapshot_merge(snapshot, &more);
	snapshot_release(&more);
	return rc;
}

/* One message as the content options will change it. */
static int scan_changed_message(
	struct lane *lane, struct pass *pass, struct header_scan *digest, struct err *err)
{
	struct spool *spool;
	struct span chunk;
	int rc;

	if (transform_begin(lane->transform, err) < 0)
		return -1;
	while ((rc = box_fetch_chunk(pass->src_box, &chunk, err)) > 0) {
		rc = transform_add(lane->transform, chunk, err);
		if (rc < 0)
			break;
	}
	if (rc < 0) {
		transform_cancel(lane->transform);
		return -1;
	}
	spool = transform_end(lane->transform, err);
	if (!spool)
		return -1;
	while ((rc = spool_next(spool, &chunk, err)) > 0)
		header_scan_add(digest, chunk);
	return rc;
}

/*
 * With content options the destination holds what they made of the source's messages: so that is what is digested. A message they fail on stays without
 * digest; copying it will say why.
 */
static int scan_changed(struct lane *lane, struct pass *pass, const struct uidset *uids,
	struct snapshot *more, struct err *err)
{
	struct header_scan *digest = header_scan_new(true);
	struct header_facts facts;
	struct message message;
	int rc;

	if (box_fetch_ask(pass->src_box, uids, 0, err) < 0) {
		header_scan_free(digest);
		return -1;
	}
	while ((rc = box_fetch_next(pass->src_box, &message, err)) > 0) {
		size_t row;

		if (message.outcome != MESSAGE_HERE)
			continue;
		rc = scan_changed_message(lane, pass, digest, err);
		header_scan_end(digest, &facts);
		if (rc < 0 && err->scope != ERR_MESSAGE)
			break;
		if (rc < 0) {
			err_clear(err);
			continue;
		}
		row = snapshot_add(more, message.uid);
		more->digest[row] = facts.header;
		more->content[row] = facts.content;
		more->size[row] = facts.size < UINT32_MAX ? (uint32_t)facts.size : UINT32_MAX;
		more->attr[row] = (uint8_t)(SNAPSHOT_HAS_DIGEST | SNAPSHOT_HAS_CONTENT |
					    (facts.has_message_id ? SNAPSHOT_HAS_MESSAGE_ID : 0));
	}
	box_fetch_end(pass->src_box);
	header_scan_free(digest);
	snapshot_finish(more, rc == 0);
	return rc;
}

static int scan_changed_source(
	struct lane *lane, struct pass *pass, const struct uidset *uids, struct err *err)
{
	struct snapshot more;
	int rc;

	if (uids->count == 0)
		return 0;
	snapshot_init(&more, true);
	snapshot_want_content(&more);
	rc = scan_changed(lane, pass, uids, &more, err);
	if (rc == 0)
		snapshot_merge(&pass->src, &more);
	for (size_t i = 0; i < more.count && rc == 0; i++) {
		size_t row = snapshot_find(&pass->src, more.uid[i]);

		if (row != SIZE_MAX)
			pass->src.size[row] = more.size[i]; /* as the destination will count it */
	}
	snapshot_release(&more);
	return rc;
}

static int scan_more_source(struct lane *lane, struct pass *pass, const struct uidset *uids,
	bool content, struct err *err)
{
	return lane->transform
		       ? scan_changed_source(lane, pass, uids, err)
		       : scan_more(lane, pass, pass->src_box, &pass->src, uids, content, err);
}

static int refine(struct lane *lane, struct pass *pass, struct err *err)
{
	struct uidset src = { 0 }, dst = { 0 };

	if (!pass->dst_box)
		return 0;
	while (plan_wants_digests(pass->plan, pass->arena, &src, &dst)) {
		log_debug("%s: comparing headers of %llu messages with %llu",
			pass->work->pair.src->name, (unsigned long long)uidset_size(&src),
			(unsigned long long)uidset_size(&dst));
		if (scan_more_source(lane, pass, &src, false, err) < 0 ||
			scan_more(lane, pass, pass->dst_box, &pass->dst, &dst, false, err) < 0)
			return err_wrap(err, "comparing headers");
		plan_by_digest(pass->plan);
		src = dst = (struct uidset){ 0 };
	}
	if (plan_wants_content(pass->plan, pass->arena, &src, &dst)) {
		log_info("%s: comparing the content of %llu messages with %llu",
			pass->work->pair.src->name, (unsigned long long)uidset_size(&src),
			(unsigned long long)uidset_size(&dst));
		if (scan_more_source(lane, pass, &src, true, err) < 0 ||
			scan_more(lane, pass, pass->dst_box, &pass->dst, &dst, true, err) < 0)
			return err_wrap(err, "comparing contents");
		plan_by_content(pass->plan);
	}
	return 0;
}

static int open_source(struct lane *lane, struct pass *pass, struct err *err)
{
	struct work *work = pass->work;

	pass->src_box = store_open_box(lane->src, work->pair.src->name, STORE_READ, err);
	if (!pass->src_box)
		return err_wrap(err, "source");
	if (lane->run->settings->uidvalidity &&
		walk_check_uids(pass->src_box, lane->run->settings->uidvalidity, err) < 0)
		return -1;
	return lane_forget_if_new(lane, pass, pass->src_box, &work->record.src_uidvalidity,
		work->record.src_mailboxid, "source", err);
}

/* Any flag at all can be stored there: what one mailbox of a server says, the others are believed to say. */
static bool takes_all_flags(struct lane *lane, const struct box_facts *facts)
{
	flags_t system =
		flags_parse(lane->flags, SPAN("\\Answered \\Flagged \\Deleted \\Seen \\Draft"));

	return !facts->has_permanent ||
	       (facts->any_keyword && flags_minus(lane->flags, system, facts->permanent) == 0);
}

/* Opens the destination when it holds anything, when flags of recorded pairs may have to follow, or when it may not hold all flags. */
static int open_destination(struct lane *lane, struct pass *pass, struct err *err)
{
	struct work *work = pass->work;
	const struct box_facts *facts;

	pass->dst_uidvalidity = work->dst.uidvalidity;
	pass->dst_uidnext = work->dst.uidnext;
	if (!work->pair.existing && lane->run->settings->dry_run)
		return 0;
	if ((work->dst.has & IMAP_STATUS_MESSAGES) && work->dst.messages == 0 &&
		work->record.baseline == 0 &&
		journal_pair_count(lane->run->journal, work->record.id) == 0 &&
		pass->dst_uidvalidity && pass->dst_uidnext &&
		(lane->all_flags || lane->run->settings->dry_run))
		return 0;
	pass->dst_box = store_open_box(lane->dst, work->pair.dst,
		lane->run->settings->dry_run ? STORE_READ : STORE_WRITE, err);
	if (!pass->dst_box)
		return err_wrap(err, "destination");
	facts = box_facts(pass->dst_box);
	if (facts->read_only && !lane->run->settings->dry_run)
		return err_set(err, ERR_MAILBOX,
			"the destination's mailbox is read-only: ask its owner for the right to insert");
	if (!facts->read_only)
		lane->all_flags = takes_all_flags(lane, facts);
	pass->dst_uidvalidity = facts->uidvalidity;
	pass->dst_uidnext = facts->uidnext;
	return lane_forget_if_new(lane, pass, pass->dst_box, &work->record.dst_uidvalidity,
		work->record.dst_mailboxid, "destination", err);
}

/* Source messages that could not even be listed are unknown, never gone. What the destination does not show is the plan's matter. */
static void report_unknown(struct lane *lane, struct pass *pass)
{
	uint64_t count = uidset_size(&pass->src_unknown);
	const uint64_t shown = pass->src.count + count;
	const uint64_t counted = box_facts(pass->src_box)->messages;
	struct report *report = lane->run->job->report;
	struct work *work = pass->work;

	if (!pass->src.complete && (count == 0 || counted > shown)) {
		pass->hidden = counted > shown ? counted - shown : 1;
		work->tally.unknown += pass->hidden;
		report_finding(report, FINDING_UNKNOWN, work->pair.src->name, 0,
			"the source counts more messages than it shows: %llu are left out",
			(unsigned long long)pass->hidden);
	}
	if (box_facts(pass->src_box)->shows_part) {
		work->tally.unknown += pass->hidden == 0;
		pass->hidden += pass->hidden == 0;
		report_finding(report, FINDING_UNKNOWN, work->pair.src->name, 0,
			"the server shows %llu messages, and of a mailbox no more than so many, its newest: whether it holds older ones is not known",
			(unsigned long long)counted);
	}
	work->tally.unknown += count;
	for (uint64_t i = 0; i < uidset_size(&pass->src_unknown) && i < UNKNOWN_CAP; i++)
		report_finding(report, FINDING_UNKNOWN, work->pair.src->name,
			uidset_at(&pass->src_unknown, i),
			"the source does not tell what this message is");
	if (!pass->dst.complete)
		report_finding(report, FINDING_UNKNOWN, work->pair.src->name, 0,
			"the destination does not show all of its messages: nothing is copied that might be there already");
}

/* What is recorded as the copy of another mailbox's message is no copy of this one's: the same message in two mailboxes is two. */
static int claim_for_others(struct lane *lane, struct pass *pass,
	const struct journal_mailbox *other, const struct uidset *own, struct uidset *claimed,
	struct err *err)
{
	struct journal_view *view = &pass->work->record.view;
	struct journal_pairs pairs;

	if (other->id == pass->work->record.id ||
		strcmp(other->dst_name, pass->work->pair.dst) != 0 ||
		other->dst_uidvalidity != pass->dst_uidvalidity)
		return 0;
	if (other->view.clean > view->clean) /* what it names is no copy of this one's either */
		view->clean = other->view.clean;
	if (journal_pairs(lane->run->journal, other->id, pass->arena, &pairs, err) < 0)
		return -1;
	for (size_t i = 0; i < pairs.count; i++) {
		uint32_t uid = pairs.dst_uid[i];

		if (uid && pairs.status[i] == JOURNAL_DONE && !uidset_has(own, uid))
			uidset_add(claimed, pass->arena, uid, uid);
	}
	return 0;
}

static int leave_to_others(struct lane *lane, struct pass *pass, struct err *err)
{
	struct journal_mailbox *mailboxes;
	struct uidset own = { 0 }, claimed = { 0 };
	size_t count, before = pass->dst.count;

	/* With --delete-extra no two mailboxes go into one, and records of another mailbox are of an earlier run. */
	if (!lane->run->shared || !pass->dst_box || before == 0 ||
		settings_extra(lane->run->settings))
		return 0;
	if (journal_mailboxes(lane->run->journal, pass->arena, &mailboxes, &count, err) < 0)
		return -1;
	for (size_t i = 0; i < pass->pairs.count; i++) {
		if (pass->pairs.dst_uid[i])
			uidset_add(
				&own, pass->arena, pass->pairs.dst_uid[i], pass->pairs.dst_uid[i]);
	}
	for (size_t i = 0; i < count; i++) {
		if (claim_for_others(lane, pass, &mailboxes[i], &own, &claimed, err) < 0)
			return -1;
	}
	if (claimed.count > 0)
		snapshot_remove(&pass->dst, &claimed);
	pass->dst_others = claimed;
	pass->claimed = (uint32_t)(before - pass->dst.count);
	return 0;
}

static void log_plan(const struct pass *pass)
{
	size_t of[PLAN_EXTRA + 1] = { 0 }, flags = 0;
	char text[256] = "";

	for (size_t i = 0; i < plan_count(pass->plan); i++) {
		of[plan_action(pass->plan, i)->kind]++;
		flags += plan_action(pass->plan, i)->flags;
	}
	for (size_t kind = 0, len = 0; kind < countof(of); kind++) {
		if (of[kind] > 0 && len < sizeof(text))
			len += (size_t)snprintf(text + len, sizeof(text) - len, ", %s %zu",
				plan_kind_name((enum plan_kind)kind), of[kind]);
	}
	log_debug("%s: plan for %zu messages, %zu at the destination%s, change flags %zu",
		pass->work->pair.src->name, pass->src.count, pass->dst.count, text, flags);
}

/* Graves hold digests of the usual headers, of messages as they are. --recopy wants what lies there. */
static int load_graves(struct lane *lane, struct pass *pass, struct err *err)
{
	const struct settings *settings = lane->run->settings;

	if (!pass->work->record.id || settings->recopy || lane->transform ||
		settings->match == MATCH_MESSAGE_ID || settings->match == MATCH_HEADER)
		return 0;
	return journal_graves(lane->run->journal, pass->work->record.id, pass->arena, &pass->graves,
		&pass->grave_count, err);
}

int lane_look(struct lane *lane, struct pass *pass, struct err *err)
{
	struct work *work = pass->work;
	struct plan_input input;
	struct journal_view now;

	if (open_source(lane, pass, err) < 0 || open_destination(lane, pass, err) < 0)
		return -1;
	if (work->record.id && !pass->forgotten &&
		journal_pairs(lane->run->journal, work->record.id, pass->arena, &pass->pairs, err) <
			0)
		return -1;
	pass->looked_at = clock_wall();
	if (scan_both(lane, pass, err) < 0)
		return -1;
	lane_window_look(lane, pass);
	if (pass->pairs.count > 0 && lane_forget_if_strange(lane, pass, err) < 0)
		return -1;
	if (leave_to_others(lane, pass, err) < 0)
		return -1;
	if (select_rows(lane, pass, err) < 0)
		return -1;
	report_unknown(lane, pass);

	make_policy(lane, pass);
	if (select_extra(lane, pass, err) < 0 || load_graves(lane, pass, err) < 0)
		return -1;
	input = (struct plan_input){
		.flags = lane->flags,
		.src = &pass->src,
		.dst = &pass->dst,
		.src_reason = pass->reason,
		.dst_reason = pass->dst_reason,
		.pairs = &pass->pairs,
		.graves = pass->graves,
		.grave_count = pass->grave_count,
		.policy = &pass->policy,
		/* changed messages have other sizes */
		.baseline = lane->transform ? 0 : work->record.baseline,
		.hidden = lane_window_hidden(pass),
	};
	pass->plan = plan_new(&input);
	if (refine(lane, pass, err) < 0)
		return -1;
	plan_decide(pass->plan);
	now = lane_window_now(pass);
	plan_see(pass->plan, &now);
	if (work->record.baseline == 0) /* see put_known() */
		snapshot_forget_digests(&pass->src);
	snapshot_forget_digests(&pass->dst);
	plan_finish(pass->plan, lane->run->settings->newest_first);
	log_plan(pass);
	lane_window_report(lane, pass);
	return 0;
}
