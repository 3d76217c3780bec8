/* The doing half of a pass: flags first, then copies, each recorded when the destination has confirmed it. */
#include "ops/lane.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/os.h"
#include "base/rate.h"
#include "base/spool.h"
#include "base/stop.h"
#include "ops/meter.h"
#include "ops/transform.h"

#define RING 2048 /* messages begun and not settled: more than any window holds */
#define ASK_BYTES (1u << 20) /* octets one FETCH asks for */
#define ASK_MESSAGES 2048
#define SPEND_STEP (16u << 20) /* octets after which the journal learns what was carried */
#define FLAG_GROUPS 4096 /* different flag changes sent as one STORE each; beyond, message by message */

struct flight { /* what must be known of a message when its answer comes */
	uint32_t action; /* index in the plan */
	uint64_t size;
	uint32_t claimed; /* RFC822.SIZE at the source; 0 = not known */
	struct digest128 header;
};

struct target { /* a message to copy, sorted by UID */
	uint32_t uid, action;
};

struct copy {
	struct lane *lane;
	struct pass *pass;
	struct target *target;
	size_t targets;
	size_t next; /* action to ask for */
	uint64_t token;
	struct flight flight[RING];
	struct uidset turned; /* unseen when scanned, \Seen when fetched */
	uint64_t unseen; /* messages fetched that were unseen when scanned */
	bool full; /* the destination takes no more: what is left is not even tried */
	struct err full_err;
	struct err trouble; /* an answer that asks for a pause, or poisons more than its message */
};

static const char *
mailbox_of(const struct pass *pass)
{
	return pass->work->pair.src->name;
}

static void
count_error(struct lane *lane, uint64_t count)
{
	struct run *run = lane->run;
	struct err end = ERR_INIT;
	bool too_many;

	meter_error(run->job->meter, count);
	pthread_mutex_lock(&run->lock);
	run->errors += count;
	too_many = run->settings->max_errors && run->errors >= run->settings->max_errors;
	pthread_mutex_unlock(&run->lock);
	if (too_many) {
		err_set(&end, ERR_MAILBOX, "%llu errors: stopped by --max-errors", (unsigned long long)run->errors);
		run_end(run, &end);
	}
}

static int
put_pair(struct lane *lane, struct pass *pass, const struct plan_action *action, uint32_t dst_uid, flags_t dst_flags,
	const struct flight *flight, enum journal_status status, struct err *err)
{
	struct journal_pair pair = {
		.src_uid = action->src_uid,
		.dst_uid = dst_uid,
		.src_flags = flags_text(lane->flags, action->src_flags),
		.dst_flags = flags_text(lane->flags, dst_flags),
		.status = status,
	};

	if (flight) {
		pair.size = flight->claimed;
		pair.header = flight->header;
	}
	return journal_put_pair(lane->run->journal, pass->work->record.id, &pair, err);
}

/* Proven to be at the destination: may go at the source, if that was asked for. */
static void
may_delete(struct lane *lane, struct pass *pass, uint32_t src_uid)
{
	struct work *work = pass->work;

	if (!lane->run->settings->delete_source)
		return;
	if (!work->arena)
		work->arena = arena_new();
	uidset_add(&work->deletable, work->arena, src_uid, src_uid);
}

static void
report_lost_flags(struct lane *lane, struct pass *pass, const struct plan_action *action)
{
	if (!action->lost)
		return;
	if (pass->work->tally.flags_lost++ == 0)
		report_finding(lane->run->job->report, FINDING_FLAGS_LOST, mailbox_of(pass), action->src_uid,
			"the destination cannot hold %s (said once for this mailbox)", flags_text(lane->flags, action->lost));
}

/* One STORE for all messages that get the same change. */
struct flag_change {
	flags_t add, remove;
	struct uidset uids;
	uint64_t count;
};

static struct flag_change *
find_change(struct flag_change *changes, size_t *count, flags_t add, flags_t remove)
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

static int
send_changes(struct pass *pass, struct flag_change *changes, size_t *count, struct err *err)
{
	for (size_t i = 0; i < *count; i++) {
		if (box_change_flags(pass->dst_box, &changes[i].uids, changes[i].add, changes[i].remove, err) < 0)
			return err_wrap(err, "changing flags");
		pass->work->tally.flags_changed += changes[i].count;
	}
	*count = 0;
	return 0;
}

static int
change_flags(struct lane *lane, struct pass *pass, struct err *err)
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
		report_lost_flags(lane, pass, action);
		if (!changes)
			changes = arena_array(pass->arena, FLAG_GROUPS, sizeof(*changes));
		change = find_change(changes, &count, action->add, action->remove);
		if (!change) {
			if (send_changes(pass, changes, &count, err) < 0)
				return -1;
			change = find_change(changes, &count, action->add, action->remove);
		}
		uidset_add(&change->uids, pass->arena, action->dst_uid, action->dst_uid);
		change->count++;
	}
	return changes ? send_changes(pass, changes, &count, err) : 0;
}

/* Kept, adopted and gone pairs: counted, and written down where the journal does not know it yet. */
static int
record_known(struct lane *lane, struct pass *pass, struct err *err)
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
			may_delete(lane, pass, action->src_uid);
			if (action->record)
				rc = put_pair(lane, pass, action, action->dst_uid, action->dst_flags, NULL, JOURNAL_DONE, err);
			break;
		case PLAN_GONE_DST:
			tally->gone_dst++;
			if (action->record)
				rc = journal_set_status(lane->run->journal, pass->work->record.id, action->src_uid, JOURNAL_GONE_DST, err);
			break;
		case PLAN_GONE_SRC:
			if (action->record)
				rc = journal_set_status(lane->run->journal, pass->work->record.id, action->src_uid, JOURNAL_GONE_SRC, err);
			break;
		case PLAN_UNKNOWN:
			tally->unknown++;
			report_finding(lane->run->job->report, FINDING_UNKNOWN, mailbox_of(pass), action->src_uid,
				"it may be at the destination already, but its content could not be compared: not copied");
			break;
		case PLAN_SKIP:
			tally->skipped[action->reason]++;
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
static int
set_baseline(struct lane *lane, struct pass *pass, struct err *err)
{
	struct journal_mailbox *record = &pass->work->record;

	record->dst_uidvalidity = pass->dst_uidvalidity;
	if (record->baseline == 0 || record->baseline > pass->dst_uidnext)
		record->baseline = pass->dst_uidnext ? pass->dst_uidnext : 1;
	record->src_messages = record->dst_messages = 0; /* not reconciled any more */
	os_point("baseline");
	return journal_put_mailbox(lane->run->journal, record, true, err);
}

/* Asks for the next copies while the source has room for it. */
static int
ask_more(struct copy *copy, struct err *err)
{
	struct pass *pass = copy->pass;
	size_t count = plan_count(pass->plan);

	while (copy->next < count && box_fetch_has_room(pass->src_box) && !run_ended(copy->lane->run)) {
		struct uidset set = { 0 };
		uint64_t bytes = 0;
		unsigned messages = 0;

		for (; copy->next < count && bytes < ASK_BYTES && messages < ASK_MESSAGES; copy->next++) {
			const struct plan_action *action = plan_action(pass->plan, copy->next);
			size_t row;

			if (action->kind != PLAN_COPY)
				continue;
			row = snapshot_find(&pass->src, action->src_uid);
			uidset_add(&set, pass->arena, action->src_uid, action->src_uid);
			bytes += row == SIZE_MAX || pass->src.size[row] == UINT32_MAX ? 65536 : pass->src.size[row];
			messages++;
		}
		if (messages && box_fetch_ask(pass->src_box, &set, bytes, err) < 0)
			return err_wrap(err, "source");
	}
	return 0;
}

static void
refuse(struct copy *copy, const struct flight *flight, const struct err *why)
{
	struct pass *pass = copy->pass;
	const struct plan_action *action = plan_action(pass->plan, flight->action);

	pass->work->tally.refused++;
	report_finding(copy->lane->run->job->report, FINDING_REFUSED, mailbox_of(pass), action->src_uid, "refused by the destination: %s",
		why->text);
	count_error(copy->lane, 1);
}

/* A refusal that is no fault of the message: the mailbox is full, or the server wants a pause. */
static int
judge_refusal(struct copy *copy, const struct flight *flight, const struct append_result *result, struct err *err)
{
	const struct plan_action *action = plan_action(copy->pass->plan, flight->action);

	if (result->err.scope != ERR_MESSAGE && result->err.kind != ERR_KIND_QUOTA) {
		if (copy->trouble.scope == ERR_NONE)
			copy->trouble = result->err;
		return 0;
	}
	if (result->err.kind == ERR_KIND_QUOTA && !copy->full) {
		copy->full = true;
		copy->full_err = result->err;
	}
	refuse(copy, flight, &result->err);
	return put_pair(copy->lane, copy->pass, action, 0, 0, flight, JOURNAL_REFUSED, err);
}

static int
take_result(struct copy *copy, const struct append_result *result, struct err *err)
{
	const struct flight *flight = &copy->flight[result->token % RING];
	const struct plan_action *action = plan_action(copy->pass->plan, flight->action);
	struct pass *pass = copy->pass;
	struct work *work = pass->work;

	switch (result->outcome) {
	case APPEND_STORED:
		if (result->uidvalidity && pass->dst_uidvalidity && result->uidvalidity != pass->dst_uidvalidity) {
			copy->lane->unsettled++;
			return err_set(err, ERR_CONN, "the destination's mailbox was replaced meanwhile (new UIDVALIDITY %u)",
				result->uidvalidity);
		}
		copy->lane->progress++;
		work->dst_stored++;
		work->tally.copied++;
		work->tally.copied_bytes += flight->size;
		pass->again |= result->uid == 0;
		report_lost_flags(copy->lane, pass, action);
		may_delete(copy->lane, pass, action->src_uid);
		meter_done(copy->lane->run->job->meter, 1, flight->size);
		return put_pair(copy->lane, pass, action, result->uid, action->dst_flags, flight, JOURNAL_DONE, err);
	case APPEND_REFUSED:
		return judge_refusal(copy, flight, result, err);
	case APPEND_SKIPPED:
		pass->again = true;
		return 0;
	case APPEND_UNKNOWN:
		copy->lane->unsettled++;
		pass->again = true;
		return 0;
	}
	return 0;
}

static int
settle(struct copy *copy, bool wait, struct err *err)
{
	struct append_result result;
	int rc;

	while ((rc = store_append_settle(copy->lane->dst, wait, &result, err)) > 0) {
		if (take_result(copy, &result, err) < 0)
			return -1;
	}
	return rc < 0 ? err_wrap(err, "destination") : 0;
}

/* --daily-limit over the last 24 hours, whichever runs carried it. The journal is told now and then; a crash forgets one step. */
static int
obey_daily_limit(struct run *run, uint64_t size, struct err *err)
{
	struct err end = ERR_INIT;
	uint64_t step = 0, day = 0;

	pthread_mutex_lock(&run->lock);
	run->unspent += size;
	if (run->unspent >= SPEND_STEP || run->unspent >= run->settings->daily_limit / 16) {
		step = run->unspent;
		run->unspent = 0;
	}
	pthread_mutex_unlock(&run->lock);
	if (!step)
		return 0;
	if (journal_spend(run->journal, clock_wall(), step, &day, err) < 0)
		return -1;
	if (day >= run->settings->daily_limit) {
		err_set(&end, ERR_MAILBOX, "the daily limit of %llu octets is used up: run again later to go on",
			(unsigned long long)run->settings->daily_limit);
		run_end(run, &end);
	}
	return 0;
}

static int
obey_limits(struct copy *copy, uint64_t size, struct err *err)
{
	struct run *run = copy->lane->run;

	if (run->settings->daily_limit && obey_daily_limit(run, size, err) < 0)
		return -1;
	if (rate_take(run->messages, 1) < 0 || rate_take(run->bytes, size) < 0)
		return stop_check(err) < 0 ? -1 : err_set(err, ERR_STOPPED, "interrupted");
	return 0;
}

static struct date
date_of(const struct pass *pass, const struct message *message)
{
	size_t row = snapshot_find(&pass->src, message->uid);

	if (message->date.instant != DATE_UNKNOWN || row == SIZE_MAX)
		return message->date;
	return (struct date){ .instant = pass->src.instant[row], .zone = pass->src.zone[row] };
}

/* The body straight from the one connection to the other. */
static int
stream_body(struct copy *copy, struct err *err)
{
	struct lane *lane = copy->lane;
	struct span chunk;
	int rc;

	while ((rc = box_fetch_chunk(copy->pass->src_box, &chunk, err)) > 0) {
		header_scan_add(lane->header, chunk);
		if (store_append_add(lane->dst, chunk, err) < 0)
			return err_wrap(err, "destination");
	}
	return rc < 0 ? err_wrap(err, "source") : 0;
}

/* The body through the content options into a spool, whose length is then known. NULL with ERR_MESSAGE: only this message is lost. */
static struct spool *
transform_body(struct copy *copy, struct err *err)
{
	struct transform *transform = copy->lane->transform;
	struct span chunk;
	int rc;

	if (transform_begin(transform, err) < 0)
		return NULL;
	while ((rc = box_fetch_chunk(copy->pass->src_box, &chunk, err)) > 0) {
		if (transform_add(transform, chunk, err) < 0)
			goto fail;
	}
	if (rc == 0)
		return transform_end(transform, err);
	err_wrap(err, "source");
fail:
	transform_cancel(transform);
	return NULL;
}

static int
send_spool(struct copy *copy, struct spool *spool, struct err *err)
{
	struct span chunk;
	int rc;

	while ((rc = spool_next(spool, &chunk, err)) > 0) {
		header_scan_add(copy->lane->header, chunk);
		if (store_append_add(copy->lane->dst, chunk, err) < 0)
			return err_wrap(err, "destination");
	}
	return rc;
}

static int
compare_targets(const void *a, const void *b)
{
	const struct target *x = a, *y = b;

	return (x->uid > y->uid) - (x->uid < y->uid);
}

static void
find_targets(struct copy *copy)
{
	struct plan *plan = copy->pass->plan;

	copy->target = arena_array(copy->pass->arena, plan_copies(plan), sizeof(*copy->target));
	for (size_t i = 0; i < plan_count(plan); i++) {
		if (plan_action(plan, i)->kind == PLAN_COPY)
			copy->target[copy->targets++] = (struct target){ plan_action(plan, i)->src_uid, (uint32_t)i };
	}
	qsort(copy->target, copy->targets, sizeof(*copy->target), compare_targets);
}

/* The action that copies this UID, or SIZE_MAX. */
static size_t
action_of(const struct copy *copy, uint32_t uid)
{
	struct target key = { .uid = uid };
	const struct target *found = bsearch(&key, copy->target, copy->targets, sizeof(key), compare_targets);

	return found ? found->action : SIZE_MAX;
}

static uint32_t
claimed_size(const struct pass *pass, uint32_t uid)
{
	size_t row = snapshot_find(&pass->src, uid);

	return row == SIZE_MAX || pass->src.size[row] == UINT32_MAX ? 0 : pass->src.size[row];
}

/* One message from source to destination: 0, or -1. Scope ERR_MESSAGE: reported and passed over by the caller. */
static int
copy_message(struct copy *copy, const struct message *message, size_t index, struct err *err)
{
	struct lane *lane = copy->lane;
	const struct plan_action *action = plan_action(copy->pass->plan, index);
	struct flight *flight = &copy->flight[copy->token % RING];
	struct spool *spool = NULL;
	uint64_t size = message->size;
	struct header_facts facts;

	if (lane->transform) {
		spool = transform_body(copy, err);
		if (!spool)
			return -1;
		size = spool_size(spool);
	}
	if (obey_limits(copy, size, err) < 0)
		return -1;
	*flight = (struct flight){ .action = (uint32_t)index, .size = size, .claimed = claimed_size(copy->pass, message->uid) };
	if (store_append_begin(lane->dst, copy->token++, action->dst_flags, date_of(copy->pass, message), size, err) < 0)
		return err_wrap(err, "destination");
	if ((spool ? send_spool(copy, spool, err) : stream_body(copy, err)) < 0)
		return -1;
	header_scan_end(lane->header, &facts);
	flight->header = facts.header;
	copy->pass->work->tally.altered += spool != NULL;
	if (store_append_end(lane->dst, err) < 0)
		return err_wrap(err, "destination");
	return 0;
}

static void
fail_message(struct copy *copy, uint32_t uid, const char *why)
{
	copy->pass->work->tally.failed++;
	report_finding(copy->lane->run->job->report, FINDING_FAILED, mailbox_of(copy->pass), uid, "%s", why);
	count_error(copy->lane, 1);
}

/* Rule 1: a server that sets \Seen for a BODY.PEEK[] is found out here. */
static void
watch_seen(struct copy *copy, const struct message *message)
{
	struct flag_table *flags = copy->lane->flags;
	size_t row = snapshot_find(&copy->pass->src, message->uid);

	if (row == SIZE_MAX || flags_has(flags, copy->pass->src.flags[row], SPAN("\\Seen")))
		return;
	copy->unseen++;
	if (flags_has(flags, message->flags, SPAN("\\Seen")))
		uidset_add(&copy->turned, copy->pass->arena, message->uid, message->uid);
}

/*
 * … and put right. Somebody who reads mail meanwhile turns some messages; a server that does it turns all of them.
 */
static int
restore_seen(struct copy *copy, struct err *err)
{
	struct pass *pass = copy->pass;
	struct box *box;
	int rc;

	if (copy->unseen == 0 || uidset_size(&copy->turned) < copy->unseen)
		return 0;
	log_warn("%s: the source marked %llu messages as seen by reading them: taking it back", mailbox_of(pass),
		(unsigned long long)copy->unseen);
	box_close(pass->src_box);
	pass->src_box = NULL;
	box = store_open_box(copy->lane->src, mailbox_of(pass), STORE_WRITE, err);
	if (!box)
		return err_wrap(err, "source");
	pass->src_box = box;
	rc = box_change_flags(box, &copy->turned, 0, flags_parse(copy->lane->flags, SPAN("\\Seen")), err);
	return rc < 0 ? err_wrap(err, "source") : 0;
}

/* What came for one asked UID: copied, gone, or refused by the source. */
static int
take_message(struct copy *copy, const struct message *message, struct err *err)
{
	size_t index = action_of(copy, message->uid);

	switch (message->outcome) {
	case MESSAGE_GONE:
		copy->pass->work->tally.vanished++;
		return 0;
	case MESSAGE_REFUSED:
		fail_message(copy, message->uid, message->text);
		return 0;
	case MESSAGE_HERE:
		break;
	}
	watch_seen(copy, message);
	if (index == SIZE_MAX || copy->full)
		return 0; /* counted at the end */
	if (copy_message(copy, message, index, err) == 0)
		return 0;
	if (err->scope != ERR_MESSAGE || store_append_in_message(copy->lane->dst))
		return -1;
	fail_message(copy, message->uid, err->text);
	err_clear(err);
	return 0;
}

/* The heart: ask ahead, pull, push, settle what has arrived. */
static int
stream_copies(struct copy *copy, struct err *err)
{
	struct pass *pass = copy->pass;
	struct message message;
	int rc;

	for (;;) {
		if (ask_more(copy, err) < 0)
			return -1;
		if (!box_fetch_ready(pass->src_box) && store_append_flush(copy->lane->dst, err) < 0)
			return err_wrap(err, "destination");
		rc = box_fetch_next(pass->src_box, &message, err);
		if (rc < 0)
			return err_wrap(err, "source");
		if (rc == 0)
			return 0;
		if (take_message(copy, &message, err) < 0 || settle(copy, false, err) < 0)
			return -1;
		if (copy->trouble.scope != ERR_NONE || copy->full || run_ended(copy->lane->run))
			return 0;
	}
}

/*
 * Whatever went wrong, what was sent is settled: an intact destination finishes its batch; a message cut off in the middle, or a broken line,
 * leaves answers unknown.
 */
static int
finish(struct copy *copy, int rc, struct err *err)
{
	struct err late = ERR_INIT;
	struct lane *lane = copy->lane;

	box_fetch_end(copy->pass->src_box);
	if (rc == 0 || (!store_append_in_message(lane->dst) && err->scope != ERR_STOPPED)) {
		if (settle(copy, true, rc == 0 ? err : &late) == 0)
			return rc;
		rc = -1;
	}
	store_append_drop(lane->dst);
	if (settle(copy, true, &late) < 0 && late.scope == ERR_LOCAL)
		*err = late;
	return rc;
}

static void
judge_rest(struct copy *copy)
{
	uint64_t planned = plan_copies(copy->pass->plan);
	struct tally *tally = &copy->pass->work->tally;
	uint64_t settled = tally->copied + tally->refused + tally->failed + tally->vanished;

	if (!copy->full || settled >= planned)
		return;
	tally->failed += planned - settled;
	report_finding(copy->lane->run->job->report, FINDING_FAILED, mailbox_of(copy->pass), 0,
		"%llu more messages were not tried: the destination takes no more (%s)", (unsigned long long)(planned - settled),
		copy->full_err.text);
	count_error(copy->lane, planned - settled);
}

static uint64_t
copy_bytes(const struct pass *pass)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < plan_count(pass->plan); i++) {
		const struct plan_action *action = plan_action(pass->plan, i);
		size_t row = action->kind == PLAN_COPY ? snapshot_find(&pass->src, action->src_uid) : SIZE_MAX;

		if (row != SIZE_MAX && pass->src.size[row] != UINT32_MAX)
			bytes += pass->src.size[row];
	}
	return bytes;
}

static int
copy_messages(struct lane *lane, struct pass *pass, struct err *err)
{
	struct copy *copy;
	int rc;

	if (set_baseline(lane, pass, err) < 0)
		return -1;
	if (store_append_to(lane->dst, pass->work->pair.dst, err) < 0)
		return err_wrap(err, "destination");
	copy = mem_alloc(sizeof(*copy));
	copy->lane = lane;
	copy->pass = pass;
	find_targets(copy);
	rc = stream_copies(copy, err);
	rc = finish(copy, rc, err);
	if (rc == 0 && copy->trouble.scope != ERR_NONE) {
		*err = copy->trouble;
		rc = -1;
	}
	if (rc == 0)
		judge_rest(copy);
	if (rc == 0)
		rc = restore_seen(copy, err);
	mem_free(copy);
	return rc;
}

/* --dry-run: the plan in words, nothing else. */
static void
show_plan(struct lane *lane, struct pass *pass)
{
	struct tally *tally = &pass->work->tally;

	for (size_t i = 0; i < plan_count(pass->plan); i++) {
		const struct plan_action *action = plan_action(pass->plan, i);

		if (action->kind != PLAN_KEEP && action->kind != PLAN_SKIP)
			log_info("would %s UID %u of %s", plan_kind_name((enum plan_kind)action->kind), action->src_uid, mailbox_of(pass));
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
		tally->deleted += tally->copied + tally->there_record + tally->there_digest + tally->there_content;
}

int
lane_carry_out(struct lane *lane, struct pass *pass, struct err *err)
{
	struct journal_mailbox *record = &pass->work->record;

	pass->work->tally.found = pass->src.count + uidset_size(&pass->src_unknown);
	pass->work->dst_before = (uint32_t)pass->dst.count;
	pass->work->dst_stored = 0;
	if (lane->run->settings->dry_run) {
		show_plan(lane, pass);
		return 0;
	}
	record->src_uidvalidity = box_facts(pass->src_box)->uidvalidity;
	record->dst_uidvalidity = pass->dst_uidvalidity;
	record->src_mailboxid = box_facts(pass->src_box)->mailboxid;
	if (pass->dst_box)
		record->dst_mailboxid = box_facts(pass->dst_box)->mailboxid;
	if (journal_put_mailbox(lane->run->journal, record, false, err) < 0)
		return -1;
	if (change_flags(lane, pass, err) < 0 || record_known(lane, pass, err) < 0)
		return -1;
	if (plan_copies(pass->plan) == 0)
		return 0;
	meter_plan(lane->run->job->meter, plan_copies(pass->plan), copy_bytes(pass));
	return copy_messages(lane, pass, err);
}
