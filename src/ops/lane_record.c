/* The doing half of a pass but for the copies themselves: flags follow, what is known is recorded, the plan is shown. */
#include "ops/lane_parts.h"

#include "base/arena.h"
#include "base/log.h"
#include "base/os.h"
#include "ops/meter.h"

#define FLAG_GROUPS \
	4096 /* different flag changes sent as one STORE each; beyond, in several rounds */

void work_note_stored(struct work *work, uint32_t src_uid)
{
	if (!work->arena)
		work->arena = arena_new();
	uidset_add(&work->stored, work->arena, src_uid, src_uid);
}

/* One STORE for all messages that get the same change. */
struct flag_change {
	flags_t add, remove;
	struct uidset uids;
	uint64_t count;
};

static struct flag_change *find_change(
	struct flag_change *changes, size_t *count, flags_t add, flags_t remove)
{
	for (size_t i = *count; i-- > 0;) {
		if (changes[i].add == add && changes[i].remove == remove)
			return &changes[i];
	}
	if (*count == FLAG_GROUPS)
		return NULL;
	changes[*count] = (struct flag_change){ .add = add, .remove = remove };
	return &changes[(*count)++];
}

/* Flags that the destination will not change hold up no message. They are not recorded, so the next run tries again. */
static void refuse_change(struct lane *lane, struct pass *pass, const struct flag_change *change,
	const struct err *why)
{
	for (size_t i = 0; i < change->uids.count; i++)
		uidset_add(&pass->flags_refused, pass->arena, change->uids.range[i].first,
			change->uids.range[i].last);
	pass->work->tally.failed += change->count;
	report_finding(lane->run->job->report, FINDING_FAILED, lane_mailbox_of(pass), 0,
		"flags of %llu messages could not be changed: %s",
		(unsigned long long)change->count, why->text);
	lane_count_error(lane, change->count);
}

static int send_changes(struct lane *lane, struct pass *pass, struct flag_change *changes,
	size_t *count, struct err *err)
{
	for (size_t i = 0; i < *count; i++) {
		if (box_change_flags(pass->dst_box, &changes[i].uids, changes[i].add,
			    changes[i].remove, err) < 0) {
			if (err->scope >= ERR_CONN || err->kind == ERR_KIND_BUSY)
				return err_wrap(err, "changing flags");
			refuse_change(lane, pass, &changes[i], err);
			err_clear(err);
			continue;
		}
		pass->work->tally.flags_changed += changes[i].count;
	}
	*count = 0;
	return 0;
}

static int change_flags(struct lane *lane, struct pass *pass, struct err *err)
{
	struct flag_change *changes = NULL;
	size_t count = 0;

	if (!pass->dst_box)
		return 0;
	for (size_t i = 0; i < plan_count(pass->plan); i++) {
		const struct plan_action *action = plan_action(pass->plan, i);
		struct flag_change *change;

		if (!action->flags)
			continue;
		lane_lost_flags(lane, pass, action->src_uid, action->lost);
		if (!changes)
			changes = arena_array(pass->arena, FLAG_GROUPS, sizeof(*changes));
		change = find_change(changes, &count, action->add, action->remove);
		if (!change) {
			if (send_changes(lane, pass, changes, &count, err) < 0)
				return -1;
			change = find_change(changes, &count, action->add, action->remove);
		}
		uidset_add(&change->uids, pass->arena, action->dst_uid, action->dst_uid);
		change->count++;
	}
	return changes ? send_changes(lane, pass, changes, &count, err) : 0;
}

/* Of those that --no-expunge has marked already nothing is left to do. */
static bool may_remove(struct lane *lane, const struct plan_action *action)
{
	return !lane->run->settings->no_expunge ||
	       !flags_has(lane->flags, action->dst_flags, SPAN("\\Deleted"));
}

static void note_extra(struct lane *lane, struct pass *pass, const struct plan_action *action)
{
	struct work *work = pass->work;

	if (!may_remove(lane, action))
		return;
	if (!work->arena)
		work->arena = arena_new();
	work->unequal = true;
	uidset_add(&work->extra, work->arena, action->dst_uid, action->dst_uid);
}

static int put_known(
	struct lane *lane, struct pass *pass, const struct plan_action *action, struct err *err)
{
	const size_t row = snapshot_find(&pass->src, action->src_uid);
	struct journal_pair pair = {
		.src_uid = action->src_uid,
		.dst_uid = action->dst_uid,
		.src_flags = flags_text(lane->flags, action->src_flags),
		.dst_flags = flags_text(lane->flags, action->dst_flags),
		.status = JOURNAL_DONE,
	};

	/* Newer than the baseline: an append of ours of which nothing was written down, for the run broke off. */
	if (row != SIZE_MAX && action->kind == PLAN_ADOPT && pass->work->record.baseline &&
		action->dst_uid >= pass->work->record.baseline &&
		(pass->src.attr[row] & SNAPSHOT_HAS_DIGEST))
		pair.header = pass->src.digest[row];
	/* Content options change what the snapshot says of it. */
	if (row != SIZE_MAX && pass->src.size[row] != UINT32_MAX && !lane->transform)
		pair.size = pass->src.size[row];
	return journal_put_pair(lane->run->journal, pass->work->record.id, &pair, err);
}

/* The destination's UID as recorded; 0 = not known. */
static uint32_t recorded_uid(const struct pass *pass, uint32_t src_uid)
{
	for (size_t i = 0; i < pass->pairs.count; i++) {
		if (pass->pairs.src_uid[i] == src_uid)
			return pass->pairs.dst_uid[i];
	}
	return 0;
}

/*
 * Confirmed by the destination in this very run, and not there: nobody's deletion. A UID that the server made up is forgotten, and the next pass
 * looks for the message itself; one that is not found then either is tried again by the next run.
 */
static int record_lost(
	struct lane *lane, struct pass *pass, const struct plan_action *action, struct err *err)
{
	struct journal_pair pair = {
		.src_uid = action->src_uid,
		.src_flags = flags_text(lane->flags, action->src_flags),
		.dst_flags = "",
		.status = JOURNAL_DONE,
	};

	if (recorded_uid(pass, action->src_uid)) {
		pass->again = true;
		return journal_put_pair(lane->run->journal, pass->work->record.id, &pair, err);
	}
	pass->work->tally.unknown++;
	pass->work->tally.copied -= pass->work->tally.copied > 0;
	report_finding(lane->run->job->report, FINDING_UNKNOWN, lane_mailbox_of(pass),
		action->src_uid,
		"the destination said that it stored this message, and does not have it");
	return journal_set_status(
		lane->run->journal, pass->work->record.id, action->src_uid, JOURNAL_REFUSED, err);
}

/* Deleted at the destination by its owner. One that was known by its grave has a UID of today now. */
static int put_gone(
	struct lane *lane, struct pass *pass, const struct plan_action *action, struct err *err)
{
	struct journal_pair pair = { .src_uid = action->src_uid, .status = JOURNAL_GONE_DST };

	if (action->grave == 0)
		return journal_set_status(lane->run->journal, pass->work->record.id,
			action->src_uid, JOURNAL_GONE_DST, err);
	pair.header = pass->graves[action->grave - 1].header;
	pair.size = pass->graves[action->grave - 1].size;
	return journal_put_pair(lane->run->journal, pass->work->record.id, &pair, err);
}

/* Kept, adopted and gone pairs: counted, and written down where the journal does not know it yet. */
static int record_known(struct lane *lane, struct pass *pass, struct err *err)
{
	struct tally *tally = &pass->work->tally;

	for (size_t i = 0; i < plan_count(pass->plan); i++) {
		const struct plan_action *action = plan_action(pass->plan, i);
		int rc = 0;

		switch ((enum plan_kind)action->kind) {
		case PLAN_KEEP:
		case PLAN_ADOPT:
			tally->there_record += action->proof == PROOF_RECORD;
			tally->there_digest += action->proof == PROOF_DIGEST;
			tally->there_content += action->proof == PROOF_CONTENT;
			if (action->dst_uid)
				lane_may_delete(lane, pass, action->src_uid);
			/* One whose answer was lost, or that the destination stored without saying where. */
			if (pass->work->looked && action->kind == PLAN_ADOPT &&
				!uidset_has(&pass->work->stored, action->src_uid))
				pass->work->dst_stored++;
			if (action->record && !(action->flags && uidset_has(&pass->flags_refused,
									 action->dst_uid)))
				rc = put_known(lane, pass, action, err);
			break;
		case PLAN_GONE_DST:
			if (uidset_has(&pass->work->stored, action->src_uid)) {
				rc = record_lost(lane, pass, action, err);
				break;
			}
			tally->gone_dst++;
			if (action->record)
				rc = put_gone(lane, pass, action, err);
			break;
		case PLAN_GONE_SRC:
			if (action->record)
				rc = journal_set_status(lane->run->journal, pass->work->record.id,
					action->src_uid, JOURNAL_GONE_SRC, err);
			break;
		case PLAN_UNKNOWN:
			tally->unknown++;
			if (!action->hidden) /* those are told of all at once */
				report_finding(lane->run->job->report, FINDING_UNKNOWN,
					lane_mailbox_of(pass), action->src_uid,
					"it may be at the destination already, but its content could not be compared: not copied");
			break;
		case PLAN_SKIP:
			tally->skipped[action->reason]++;
			pass->stale |= action->dst_uid != 0;
			break;
		case PLAN_EXTRA:
			note_extra(lane, pass, action);
			break;
		case PLAN_COPY:
		case PLAN_REFUSED:
			break;
		}
		if (rc < 0)
			return -1;
	}
	return 0;
}

/* Rule 5: before the first append, where the destination stood is durable. */
static int set_baseline(struct lane *lane, struct pass *pass, struct err *err)
{
	struct journal_mailbox *record = &pass->work->record;

	record->dst_uidvalidity = pass->dst_uidvalidity;
	if (record->baseline == 0 || record->baseline > pass->dst_uidnext)
		record->baseline = pass->dst_uidnext ? pass->dst_uidnext : 1;
	record->src_messages = record->dst_messages = 0; /* not reconciled any more */
	pass->work->dst.has = 0; /* from here on the listing does not tell what is there */
	os_point("baseline");
	return journal_put_mailbox(lane->run->journal, record, true, err);
}

static uint64_t copy_bytes(const struct pass *pass)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < plan_count(pass->plan); i++) {
		const struct plan_action *action = plan_action(pass->plan, i);
		size_t row = action->kind == PLAN_COPY ? snapshot_find(&pass->src, action->src_uid)
						       : SIZE_MAX;

		if (row != SIZE_MAX && pass->src.size[row] != UINT32_MAX)
			bytes += pass->src.size[row];
	}
	return bytes;
}

/* --dry-run: the plan in words, nothing else. */
static void show_plan(struct lane *lane, struct pass *pass)
{
	struct tally *tally = &pass->work->tally;

	for (size_t i = 0; i < plan_count(pass->plan); i++) {
		const struct plan_action *action = plan_action(pass->plan, i);

		if (action->kind == PLAN_EXTRA) {
			note_extra(lane, pass, action);
			log_info("would delete UID %u of %s at the destination", action->dst_uid,
				pass->work->pair.dst);
			continue;
		}
		if (action->kind != PLAN_KEEP && action->kind != PLAN_SKIP)
			log_info("would %s UID %u of %s",
				plan_kind_name((enum plan_kind)action->kind), action->src_uid,
				lane_mailbox_of(pass));
		tally->flags_changed += action->flags;
		tally->there_record += action->proof == PROOF_RECORD;
		tally->there_digest += action->proof == PROOF_DIGEST;
		tally->there_content += action->proof == PROOF_CONTENT;
		tally->gone_dst += action->kind == PLAN_GONE_DST;
		tally->unknown += action->kind == PLAN_UNKNOWN;
		if (action->kind == PLAN_SKIP)
			tally->skipped[action->reason]++;
	}
	tally->copied += plan_copies(pass->plan);
	tally->copied_bytes += copy_bytes(pass);
	if (lane->run->settings->delete_source)
		tally->deleted += tally->copied + tally->there_record + tally->there_digest +
				  tally->there_content;
}

/* The box's text goes with the box. */
static void keep_mailboxid(struct work *work, const char **kept, const struct box *box)
{
	if (!box)
		return;
	if (!work->arena)
		work->arena = arena_new();
	*kept = arena_strdup(work->arena, box_facts(box)->mailboxid);
}

static int compare_items(const void *a, const void *b)
{
	const struct item *x = a, *y = b;

	return (x->uid > y->uid) - (x->uid < y->uid);
}

/* What is to be copied, sorted by UID. */
static struct item *copy_items(struct pass *pass)
{
	struct item *items = arena_array(pass->arena, plan_copies(pass->plan), sizeof(*items));
	size_t count = 0;

	for (size_t i = 0; i < plan_count(pass->plan); i++) {
		const struct plan_action *action = plan_action(pass->plan, i);

		if (action->kind == PLAN_COPY)
			items[count++] = (struct item){ action->src_uid, action->src_flags,
				action->dst_flags, action->lost };
	}
	qsort(items, count, sizeof(*items), compare_items);
	return items;
}

/* What the look showed of the destination, behind the pairs it stands on. */
static int put_view(struct lane *lane, struct pass *pass, struct err *err)
{
	struct journal_mailbox *record = &pass->work->record;
	const uint32_t clean = record->view.clean;

	record->view = *plan_view(pass->plan);
	if (pass->flags_refused.count > 0) /* they were not recorded */
		record->view.clean = clean;
	return plan_copies(pass->plan) == 0
		       ? journal_put_mailbox(lane->run->journal, record, false, err)
		       : 0;
}

int lane_carry_out(struct lane *lane, struct pass *pass, struct err *err)
{
	struct journal_mailbox *record = &pass->work->record;

	pass->work->tally.found = pass->src.count + uidset_size(&pass->src_unknown) + pass->hidden;
	pass->work->src_uidnext = box_facts(pass->src_box)->uidnext;
	if (!pass->work->looked) {
		pass->work->dst_before = (uint32_t)pass->dst.count + pass->claimed;
		pass->work->dst_uidnext_before = pass->dst_uidnext;
		pass->work->looked_at = pass->looked_at;
	}
	pass->work->extra_unknown = plan_extra_unknown(pass->plan);
	pass->work->unequal |= pass->work->extra_unknown;
	if (lane->run->settings->dry_run) {
		show_plan(lane, pass);
		return 0;
	}
	record->src_uidvalidity = box_facts(pass->src_box)->uidvalidity;
	record->dst_uidvalidity = pass->dst_uidvalidity;
	keep_mailboxid(pass->work, &record->src_mailboxid, pass->src_box);
	keep_mailboxid(pass->work, &record->dst_mailboxid, pass->dst_box);
	if (journal_put_mailbox(lane->run->journal, record, false, err) < 0)
		return -1;
	if (change_flags(lane, pass, err) < 0 || record_known(lane, pass, err) < 0 ||
		put_view(lane, pass, err) < 0)
		return -1;
	snapshot_forget_digests(&pass->src);
	pass->work->looked = true;
	if (plan_copies(pass->plan) == 0)
		return 0;
	meter_plan(lane->run->job->meter, plan_copies(pass->plan), copy_bytes(pass));
	if (set_baseline(lane, pass, err) < 0)
		return -1;
	return lane_copy(lane, pass, copy_items(pass), plan_copies(pass->plan), err);
}
