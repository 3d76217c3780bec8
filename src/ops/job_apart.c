/*
 * --delete-source, before it deletes: is a mailbox of the source the very one in which the copies were found? No name tells: a host may have two, after a move of DNS the old one
 * leads to the new server, POP3 and IMAP are doors to one mailbox, and a Maildir may be what a server serves.
 *
 * Where marks show in the mailbox itself (STORE_CAP_MARKS), some messages are marked as deleted at the source for a moment: if the copy shows the mark, it is no copy. Elsewhere
 * only what we appended ourselves is known to be another message.
 *
 * A run that is killed in that moment leaves the marks on those few messages; nothing is expunged by that, and the next run looks at others.
 */
#include "ops/lane.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/os.h"
#include "base/stop.h"
#include "ops/walk.h"

#define SAMPLE 8 /* messages of a mailbox: half of them its first ones, half its last */
#define LOOKS 3 /* where everything speaks for one mailbox but the mark */

static bool is_eml(const struct account *account)
{
	return strcmp(account_scheme(account), "eml") == 0;
}

static bool is_maildir(const struct account *account)
{
	return strcmp(account_scheme(account), "maildir") == 0;
}

/* No server serves an eml tree, and files of one format are none of another; mbox and Thunderbird's are one. */
static bool may_be_one(const struct lane *lane)
{
	const struct account *src = store_account(lane->src), *dst = store_account(lane->dst);
	const unsigned both = store_caps(lane->src) & store_caps(lane->dst);

	if (is_eml(src) != is_eml(dst))
		return false;
	return !(both & STORE_CAP_FILES) || is_maildir(src) == is_maildir(dst);
}

static bool shows_marks(const struct lane *lane)
{
	return store_caps(lane->src) & store_caps(lane->dst) & STORE_CAP_MARKS;
}

/* ---- where marks do not show ---- */

static int keep_found_in(struct run *run, struct work *work, uint64_t *kept_out, struct err *err)
{
	struct arena *arena = arena_new();
	struct journal_pairs pairs;
	struct uidset ours = { 0 };
	const uint64_t before = uidset_size(&work->deletable);
	int rc = journal_pairs(run->journal, work->record.id, arena, &pairs, err);

	if (rc == 0) {
		for (size_t i = 0; i < pairs.count; i++)
			if (pairs.copied[i] && pairs.status[i] == JOURNAL_DONE && pairs.src_uid[i])
				uidset_add(&ours, arena, pairs.src_uid[i], pairs.src_uid[i]);
		uidset_add_set(&ours, arena, &work->stored);
		work->deletable = uidset_common(&work->deletable, &ours, work->arena);
		*kept_out = before - uidset_size(&work->deletable);
	}
	arena_free(arena);
	return rc;
}

static bool is_any_deletable(const struct run *run)
{
	for (size_t i = 0; i < run->count; i++)
		if (run->work[i].deletable.count > 0)
			return true;
	return false;
}

int job_keep_found(struct run *run, struct lane *lane, struct err *err)
{
	if (!is_any_deletable(run))
		return 0;
	for (unsigned attempt = 0; lane_connect(lane, err) < 0; attempt++)
		if (job_again(lane, account_name(run->job->src), attempt, err) < 0)
			return -1;
	if (!may_be_one(lane) || shows_marks(lane))
		return 0;
	for (size_t i = 0; i < run->count; i++) {
		struct work *work = &run->work[i];
		uint64_t kept = 0;

		if (work->deletable.count == 0)
			continue;
		if (keep_found_in(run, work, &kept, err) < 0)
			return -1;
		if (kept == 0)
			continue;
		report_finding(run->job->report, FINDING_UNKNOWN, work->pair.src->name, 0,
			"%llu messages stay at the source: they were at the destination already, and nothing tells whether both are one mailbox",
			(unsigned long long)kept);
		report_code(run->job->report, 6);
	}
	return 0;
}

/* ---- the copies, once more ---- */

struct probe { /* of one mailbox pair */
	struct run *run;
	struct lane *lane;
	struct work *work;
	struct arena *arena;
	uint32_t src_uid[SAMPLE], dst_uid[SAMPLE];
	bool src_marked[SAMPLE], dst_marked[SAMPLE]; /* before */
	bool asked[SAMPLE]; /* its mark was changed */
	size_t count, seen;
	bool shows_part; /* the destination shows only its newest messages */
};

/* Half of the places are for the first ones, the others go to the last. */
static void add_to_sample(struct probe *probe, uint32_t src_uid, uint32_t dst_uid, bool marked)
{
	const size_t half = SAMPLE / 2;
	const size_t at = probe->seen < half ? probe->seen : half + (probe->seen - half) % half;

	probe->src_uid[at] = src_uid;
	probe->dst_uid[at] = dst_uid;
	probe->dst_marked[at] = marked;
	probe->seen++;
	if (probe->count < SAMPLE)
		probe->count++;
}

static bool is_marked(const struct probe *probe, const struct snapshot *rows, size_t row)
{
	return flags_has(probe->lane->flags, rows->flags[row], SPAN("\\Deleted"));
}

static int scan_copies(struct probe *probe, const struct uidset *uids, bool digests,
	struct snapshot *rows, struct err *err)
{
	struct box_scan scan = { .uids = uids, .digests = digests };
	struct work *work = probe->work;
	struct box *box = store_open_box(probe->lane->dst, work->pair.dst, STORE_READ, err);
	struct uidset unread = { 0 };
	int rc = box ? walk_check_uids(box, work->record.dst_uidvalidity, err) : -1;

	lane_scan_fields(probe->run->settings, &scan);
	if (rc == 0) {
		probe->shows_part = box_facts(box)->shows_part;
		rc = box_scan(box, &scan, rows, probe->arena, &unread, err);
	}
	box_close(box);
	return rc < 0 ? err_wrap(err, "looking at the copies before their originals go") : 0;
}

/*
 * What a record alone says is there: a server that was put back to an earlier state gives UIDs anew under the old UIDVALIDITY, and then a record tells of other
 * messages than those that bear its UIDs now. Content options make other headers of them.
 */
static void find_unseen(struct probe *probe, struct uidset *out)
{
	const struct work *work = probe->work;
	const struct uidset *uids = &work->deletable;

	for (uint64_t i = 0; i < uidset_size(uids) && !settings_transform(probe->run->settings);
		i++) {
		const uint32_t uid = uidset_at(uids, i);

		if (!uidset_has(&work->stored, uid))
			uidset_add(out, probe->arena, uid, uid);
	}
}

static int scan_unseen(
	struct probe *probe, const struct uidset *uids, struct snapshot *rows, struct err *err)
{
	struct box_scan scan = { .uids = uids, .digests = true };
	struct uidset unread = { 0 };
	struct work *work = probe->work;
	struct box *box;
	int rc;

	if (uids->count == 0)
		return 0;
	lane_scan_fields(probe->run->settings, &scan);
	box = store_open_box(probe->lane->src, work->pair.src->name, STORE_READ, err);
	rc = box ? walk_check_uids(box, work->record.src_uidvalidity, err) : -1;
	if (rc == 0)
		rc = box_scan(box, &scan, rows, probe->arena, &unread, err);
	box_close(box);
	return rc < 0 ? err_wrap(err, "looking at the originals before they go") : 0;
}

static bool is_copy(const struct snapshot *originals, uint32_t src_uid,
	const struct snapshot *copies, size_t copy)
{
	const size_t row = snapshot_find(originals, src_uid);

	return row != SIZE_MAX && (originals->attr[row] & SNAPSHOT_HAS_DIGEST) &&
	       (copies->attr[copy] & SNAPSHOT_HAS_DIGEST) &&
	       digest128_compare(originals->digest[row], copies->digest[copy]) == 0;
}

/* The records stay: a destination that changes headers would be sent everything once more. */
static void say_kept(const struct probe *probe, uint64_t gone, uint64_t others)
{
	struct report *report = probe->run->job->report;
	const char *name = probe->work->pair.src->name;

	if (gone > 0)
		report_finding(report, FINDING_UNKNOWN, name, 0,
			probe->shows_part
				? "%llu messages stay at the source: the destination shows only its newest messages, and their copies are not among them"
				: "%llu messages stay at the source: their copies are not at the destination any more",
			(unsigned long long)gone);
	if (others > 0)
		report_finding(report, FINDING_UNKNOWN, name, 0,
			"%llu messages stay at the source: their copies at the destination have other headers. If one of the mailboxes was put back to an earlier state, run once with --state none; a destination that changes headers would get them twice then",
			(unsigned long long)others);
}

struct copies { /* of what may be deleted */
	struct journal_pairs pairs;
	struct uidset unseen;
	struct snapshot originals, rows;
};

static int read_copies(struct probe *probe, struct copies *copies, struct err *err)
{
	const struct journal_pairs *pairs = &copies->pairs;
	struct work *work = probe->work;
	struct uidset uids = { 0 };

	if (journal_pairs(probe->run->journal, work->record.id, probe->arena, &copies->pairs, err) <
		0)
		return -1;
	for (size_t i = 0; i < pairs->count; i++)
		if (pairs->dst_uid[i] && uidset_has(&work->deletable, pairs->src_uid[i]))
			uidset_add(&uids, probe->arena, pairs->dst_uid[i], pairs->dst_uid[i]);
	find_unseen(probe, &copies->unseen);
	if (copies->unseen.count > 0)
		snapshot_want_digests(&copies->rows);
	return scan_copies(probe, &uids, copies->unseen.count > 0, &copies->rows, err) < 0
		       ? -1
		       : scan_unseen(probe, &copies->unseen, &copies->originals, err);
}

static void judge_copies(
	struct probe *probe, const struct copies *copies, struct uidset *sure, struct uidset *there)
{
	const struct journal_pairs *pairs = &copies->pairs;
	struct work *work = probe->work;

	for (size_t i = 0; i < pairs->count; i++) {
		const uint32_t uid = pairs->src_uid[i];
		const size_t row = pairs->dst_uid[i] && uidset_has(&work->deletable, uid)
					   ? snapshot_find(&copies->rows, pairs->dst_uid[i])
					   : SIZE_MAX;

		if (row == SIZE_MAX)
			continue;
		uidset_add(there, probe->arena, uid, uid);
		if (uidset_has(&copies->unseen, uid) &&
			!is_copy(&copies->originals, uid, &copies->rows, row))
			continue;
		uidset_add(sure, work->arena, uid, uid);
		add_to_sample(probe, uid, pairs->dst_uid[i], is_marked(probe, &copies->rows, row));
	}
}

/* Whose copy is there at this moment stays deletable: the question may have waited for hours. */
static int look_at_copies(struct probe *probe, struct err *err)
{
	struct work *work = probe->work;
	struct copies copies = { .unseen = { 0 } };
	struct uidset sure = { 0 }, there = { 0 };
	int rc;

	snapshot_init(&copies.rows, false);
	snapshot_init(&copies.originals, true);
	rc = read_copies(probe, &copies, err);
	if (rc == 0) {
		judge_copies(probe, &copies, &sure, &there);
		say_kept(probe, uidset_size(&work->deletable) - uidset_size(&there),
			uidset_size(&there) - uidset_size(&sure));
		work->deletable = sure;
	}
	snapshot_release(&copies.rows);
	snapshot_release(&copies.originals);
	return rc;
}

/* ---- where marks show ---- */

static int look_at_originals(struct probe *probe, struct box *box, struct err *err)
{
	struct uidset uids = { 0 }, unread = { 0 };
	const struct box_scan scan = { .uids = &uids };
	struct snapshot rows;
	bool any = false;
	int rc;

	for (size_t i = 0; i < probe->count; i++)
		uidset_add(&uids, probe->arena, probe->src_uid[i], probe->src_uid[i]);
	snapshot_init(&rows, false);
	rc = box_scan(box, &scan, &rows, probe->arena, &unread, err);
	for (size_t i = 0; i < probe->count && rc == 0; i++) {
		const size_t row = snapshot_find(&rows, probe->src_uid[i]);

		probe->src_marked[i] = row != SIZE_MAX && is_marked(probe, &rows, row);
		probe->asked[i] = row != SIZE_MAX && !probe->src_marked[i];
		any |= probe->asked[i];
	}
	for (size_t i = 0; i < probe->count && rc == 0 && !any; i++)
		probe->asked[i] = probe->src_marked[i];
	snapshot_release(&rows);
	for (size_t i = 0; i < probe->count && rc == 0; i++)
		if (probe->asked[i])
			return 0;
	return rc < 0 ? -1
		      : err_set(err, ERR_MAILBOX,
				"messages that were to go are gone already: run again for the others");
}

/* Those that are without a mark get one; where all have one, they lose it. */
static int change_marks(struct probe *probe, struct box *box, bool back, struct err *err)
{
	const flags_t deleted = flags_parse(probe->lane->flags, SPAN("\\Deleted"));
	struct uidset add = { 0 }, take = { 0 };

	for (size_t i = 0; i < probe->count; i++)
		if (probe->asked[i])
			uidset_add(probe->src_marked[i] != back ? &take : &add, probe->arena,
				probe->src_uid[i], probe->src_uid[i]);
	if (add.count > 0 && box_change_flags(box, &add, deleted, 0, err) < 0)
		return -1;
	return take.count > 0 ? box_change_flags(box, &take, 0, deleted, err) : 0;
}

/* The same UIDs under the same UIDVALIDITY: one mailbox, or one that follows the other, or chance. Then a mark is given time to show. */
static bool looks_like_one(const struct probe *probe)
{
	bool same = probe->work->record.src_uidvalidity == probe->work->record.dst_uidvalidity;

	for (size_t i = 0; i < probe->count; i++)
		same &= probe->src_uid[i] == probe->dst_uid[i];
	return same;
}

/* A copy that is gone all of a sudden counts too: Gmail expunges what is marked. */
static int see_change(struct probe *probe, bool *shown_out, struct err *err)
{
	struct uidset uids = { 0 };
	struct snapshot rows;
	int rc;

	for (size_t i = 0; i < probe->count; i++)
		uidset_add(&uids, probe->arena, probe->dst_uid[i], probe->dst_uid[i]);
	snapshot_init(&rows, false);
	rc = scan_copies(probe, &uids, false, &rows, err);
	for (size_t i = 0; i < probe->count && rc == 0; i++) {
		const size_t row = snapshot_find(&rows, probe->dst_uid[i]);

		if (probe->asked[i] &&
			(row == SIZE_MAX || is_marked(probe, &rows, row) != probe->dst_marked[i]))
			*shown_out = true;
	}
	snapshot_release(&rows);
	return rc;
}

static int wait_for_change(struct probe *probe, bool *shown_out, struct err *err)
{
	const unsigned looks = looks_like_one(probe) ? LOOKS : 1;

	*shown_out = false;
	for (unsigned n = 0; n < looks && !*shown_out; n++) {
		if (n > 0 && clock_sleep(probe->run->settings->settle_ms / LOOKS) < 0)
			return stop_check(err) < 0 ? -1 : err_set(err, ERR_STOPPED, "interrupted");
		if (see_change(probe, shown_out, err) < 0)
			return -1;
	}
	return 0;
}

/* Marks, looks, and takes the marks off again, whatever was seen. */
static int mark_and_look(struct probe *probe, struct box *box, bool *shown_out, struct err *err)
{
	struct err late = ERR_INIT;
	int rc;

	os_point("apart mark");
	rc = change_marks(probe, box, false, err);
	os_point("apart marked");
	if (rc == 0)
		rc = wait_for_change(probe, shown_out, err);
	if (change_marks(probe, box, true, rc < 0 ? &late : err) < 0) {
		log_warn(
			"%s: marks as deleted that were set for a moment may be left at the source",
			probe->work->pair.src->name);
		return -1;
	}
	return rc;
}

static int probe_in(struct probe *probe, struct err *err)
{
	struct work *work = probe->work;
	bool shown = false;
	struct box *box;
	int rc;

	if (look_at_copies(probe, err) < 0)
		return -1;
	if (probe->count == 0 || !may_be_one(probe->lane) || !shows_marks(probe->lane))
		return 0;
	box = store_open_box(probe->lane->src, work->pair.src->name, STORE_WRITE, err);
	rc = box ? walk_check_uids(box, work->record.src_uidvalidity, err) : -1;
	if (rc == 0)
		rc = look_at_originals(probe, box, err);
	if (rc == 0)
		rc = mark_and_look(probe, box, &shown, err);
	box_close(box);
	if (rc == 0 && shown)
		rc = err_set_kind(err, ERR_LOCAL, ERR_KIND_SAFETY,
			"mailbox %s: as messages were marked as deleted at the source, they were at the destination: both are one mailbox, and its only messages would go: nothing was deleted",
			work->pair.src->name);
	return rc;
}

static int probe_work(struct run *run, struct lane *lane, struct work *work, struct err *err)
{
	for (unsigned attempt = 0;; attempt++) {
		struct probe probe = { .run = run, .lane = lane, .work = work };
		int rc = lane_connect(lane, err);

		if (rc == 0) {
			probe.arena = arena_new();
			rc = probe_in(&probe, err);
			arena_free(probe.arena);
		}
		if (rc == 0)
			return 0;
		if (job_again(lane, work->pair.src->name, attempt, err) < 0)
			return -1;
	}
}

int job_check_apart(struct run *run, struct lane *lane, struct err *err)
{
	for (size_t i = 0; i < run->count; i++) {
		struct work *work = &run->work[i];

		if (work->deletable.count == 0 || probe_work(run, lane, work, err) == 0)
			continue;
		if (err->scope >= ERR_CONN)
			return -1;
		report_finding(run->job->report, FINDING_MAILBOX_FAILED, work->pair.src->name, 0,
			"nothing is deleted at the source: %s", err->text);
		report_code(run->job->report, report_err_code(err));
		work->deletable = (struct uidset){ 0 };
		err_clear(err);
	}
	return 0;
}
