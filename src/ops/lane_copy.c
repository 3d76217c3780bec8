/* Copies: from the one connection to the other, each recorded when the destination has confirmed it. */
#include "ops/lane_parts.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rate.h"
#include "base/spool.h"
#include "base/stop.h"
#include "ops/meter.h"
#include "ops/transform.h"

#define RING 2048 /* messages begun and not settled: more than any window holds */
#define ASK_BYTES (1u << 20) /* octets one FETCH asks for */
#define ASK_MESSAGES 2048
#define SIZE_GUESS 65536 /* octets of a message whose size the source did not tell */
#define MESSAGE_WORTH 1024 /* octets that carrying any message is worth, when speed is measured */
#define SEEN_LEAST \
	3 /* messages that must all have turned before the server, not a reader, is to blame */
#define HIDDEN_NAMED 100 /* findings about single messages a mailbox */
#define SPEND_STEP (16u << 20) /* octets after which the journal learns what was carried */

struct flight { /* what must be known of a message when its answer comes */
	uint32_t item; /* index */
	/* a server may have stored other octets than these: it is looked at again */
	bool doubtful, has_nul, has_both;
	uint64_t size;
	uint32_t claimed; /* RFC822.SIZE at the source; 0 = not known */
	struct digest128 header;
};

struct doubt { /* a stored message of which the octets may have changed */
	uint32_t src_uid, dst_uid;
	uint64_t size; /* as sent */
	bool has_nul;
	bool has_both; /* bare CRs, which shrink, and bare LFs, which grow: the size proves nothing */
};

struct copy {
	struct lane *lane;
	struct pass *pass;
	const struct item *item; /* sorted by UID */
	size_t items;
	size_t asked; /* of them, from the front, or from the back with --newest-first */
	size_t settled; /* of them, one way or another */
	uint64_t token;
	struct flight flight[RING];
	struct doubt *doubt;
	size_t doubts, doubts_room;
	struct uidset turned; /* unseen when scanned, \Seen when fetched */
	uint64_t unseen; /* messages fetched that were unseen when scanned */
	struct uidset gone; /* the source says it does not have them any more */
	/* 0, or: the quota had no room for a message of this size, and none as large is tried any more */
	uint64_t full_size;
	struct err full_err;
	unsigned slow; /* sides that are to compress: LANE_SRC, LANE_DST */
	struct err trouble; /* an answer that asks for a pause, or poisons more than its message */
};

const char *lane_mailbox_of(const struct pass *pass)
{
	return pass->work->pair.src->name;
}

void lane_count_error(struct lane *lane, uint64_t count)
{
	struct run *run = lane->run;
	struct err end = ERR_INIT;
	uint64_t errors;
	bool too_many;

	meter_error(run->job->meter, count);
	pthread_mutex_lock(&run->lock);
	errors = run->errors += count;
	too_many = run->settings->max_errors && run->errors >= run->settings->max_errors;
	pthread_mutex_unlock(&run->lock);
	if (too_many) {
		err_set(&end, ERR_MAILBOX, "%llu errors: stopped by --max-errors",
			(unsigned long long)errors);
		run_end(run, &end);
	}
}

static int put_pair(struct copy *copy, const struct flight *flight, uint32_t dst_uid, flags_t lost,
	enum journal_status status, struct err *err)
{
	const struct item *item = &copy->item[flight->item];
	struct flag_table *flags = copy->lane->flags;
	struct journal_pair pair = {
		.src_uid = item->uid,
		.dst_uid = dst_uid,
		.src_flags = flags_text(flags, item->src_flags),
		.dst_flags = status == JOURNAL_DONE
				     ? flags_text(flags, flags_minus(flags, item->dst_flags, lost))
				     : "",
		.size = flight->claimed,
		.header = flight->header,
		.status = status,
	};

	return journal_put_pair(copy->lane->run->journal, copy->pass->work->record.id, &pair, err);
}

/* Proven to be at the destination: may go at the source, if that was asked for. */
void lane_may_delete(struct lane *lane, struct pass *pass, uint32_t src_uid)
{
	struct work *work = pass->work;

	if (!lane->run->settings->delete_source)
		return;
	if (!work->arena)
		work->arena = arena_new();
	uidset_add(&work->deletable, work->arena, src_uid, src_uid);
}

void lane_lost_flags(struct lane *lane, struct pass *pass, uint32_t uid, flags_t lost)
{
	if (!lost)
		return;
	if (pass->work->tally.flags_lost++ == 0)
		report_finding(lane->run->job->report, FINDING_FLAGS_LOST, lane_mailbox_of(pass),
			uid, "the destination cannot hold %s (said once for this mailbox)",
			flags_text(lane->flags, lost));
}

static uint32_t claimed_size(const struct pass *pass, uint32_t uid)
{
	size_t row = snapshot_find(&pass->src, uid);

	return row == SIZE_MAX || pass->src.size[row] == UINT32_MAX ? 0 : pass->src.size[row];
}

/* A full account may still have room for a smaller message (product rule 6: what it can't hold never stops the others). */
static bool is_too_large(const struct copy *copy, uint64_t size)
{
	return copy->full_size && size >= copy->full_size;
}

/* Asks for the next copies while the source has room for it. */
static int ask_more(struct copy *copy, struct err *err)
{
	bool newest_first = copy->lane->run->settings->newest_first;
	struct pass *pass = copy->pass;

	while (copy->asked < copy->items && box_fetch_has_room(pass->src_box) &&
		!run_ended(copy->lane->run)) {
		struct uidset set = { 0 };
		uint64_t bytes = 0;
		unsigned messages = 0;

		for (; copy->asked < copy->items && bytes < ASK_BYTES && messages < ASK_MESSAGES;
			copy->asked++, messages++) {
			size_t next = newest_first ? copy->items - 1 - copy->asked : copy->asked;
			uint32_t uid = copy->item[next].uid, size = claimed_size(pass, uid);

			if (is_too_large(copy, size))
				continue; /* counted at the end */
			uidset_add(&set, pass->arena, uid, uid);
			bytes += size ? size : SIZE_GUESS;
		}
		if (set.count > 0 && box_fetch_ask(pass->src_box, &set, bytes, err) < 0)
			return err_wrap(err, "source");
	}
	return 0;
}

/* A refusal that is no fault of the message: the mailbox is full, or the server wants a pause. */
static int take_refusal(struct copy *copy, const struct flight *flight,
	const struct append_result *result, struct err *err)
{
	struct pass *pass = copy->pass;

	if (result->err.scope != ERR_MESSAGE && result->err.kind != ERR_KIND_QUOTA) {
		if (copy->trouble.scope == ERR_NONE)
			copy->trouble = result->err;
		return 0;
	}
	if (result->err.kind == ERR_KIND_QUOTA && !is_too_large(copy, flight->size)) {
		copy->full_size = flight->size ? flight->size : 1;
		copy->full_err = result->err;
	}
	work_lock(pass);
	pass->work->tally.refused++;
	work_unlock(pass);
	copy->settled++;
	report_finding(copy->lane->run->job->report, FINDING_REFUSED, lane_mailbox_of(pass),
		copy->item[flight->item].uid, "refused by the destination: %s", result->err.text);
	lane_count_error(copy->lane, 1);
	return put_pair(copy, flight, 0, 0, JOURNAL_REFUSED, err);
}

static void add_doubt(struct copy *copy, const struct flight *flight, uint32_t dst_uid)
{
	if (copy->doubts == copy->doubts_room) {
		copy->doubts_room = copy->doubts_room ? copy->doubts_room * 2 : 16;
		copy->doubt = mem_resize(copy->doubt, copy->doubts_room, sizeof(*copy->doubt));
	}
	copy->doubt[copy->doubts++] = (struct doubt){
		.src_uid = copy->item[flight->item].uid,
		.dst_uid = dst_uid,
		.size = flight->size,
		.has_nul = flight->has_nul,
		.has_both = flight->has_both,
	};
}

static int take_stored(struct copy *copy, const struct flight *flight,
	const struct append_result *result, struct err *err)
{
	const struct item *item = &copy->item[flight->item];
	struct pass *pass = copy->pass;
	struct work *work = pass->work;

	if (result->uidvalidity && pass->dst_uidvalidity &&
		result->uidvalidity != pass->dst_uidvalidity) {
		copy->lane->unsettled++;
		return err_set(err, ERR_CONN,
			"the destination's mailbox was replaced meanwhile (new UIDVALIDITY %u)",
			result->uidvalidity);
	}
	copy->lane->progress++;
	copy->settled++;
	pass->again |= result->uid == 0;
	work_lock(pass);
	work->dst_stored++;
	work->tally.copied++;
	work->tally.copied_bytes += flight->size;
	pass->run->team.carried += flight->size + MESSAGE_WORTH;
	work->tally.altered += copy->lane->transform != NULL;
	lane_lost_flags(copy->lane, pass, item->uid,
		flags_union(copy->lane->flags, item->lost, result->lost));
	work_note_stored(work, item->uid);
	if (result->uid && !flight->doubtful)
		lane_may_delete(copy->lane, pass, item->uid);
	work_unlock(pass);
	if (flight->doubtful)
		add_doubt(copy, flight, result->uid);
	meter_done(copy->lane->run->job->meter, 1, flight->size);
	return put_pair(copy, flight, result->uid, result->lost, JOURNAL_DONE, err);
}

static int take_result(struct copy *copy, const struct append_result *result, struct err *err)
{
	const struct flight *flight = &copy->flight[result->token % RING];

	switch (result->outcome) {
	case APPEND_STORED:
		return take_stored(copy, flight, result, err);
	case APPEND_REFUSED:
		return take_refusal(copy, flight, result, err);
	case APPEND_UNKNOWN:
		copy->lane->unsettled++;
		copy->pass->again = true;
		return 0;
	case APPEND_SKIPPED:
		copy->pass->again = true;
		return 0;
	}
	return 0;
}

static int settle(struct copy *copy, bool wait, struct err *err)
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
static int obey_daily_limit(struct run *run, uint64_t size, struct err *err)
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
		err_set(&end, ERR_MAILBOX,
			"the daily limit of %llu octets is used up: run again later to go on",
			(unsigned long long)run->settings->daily_limit);
		run_end(run, &end);
	}
	return 0;
}

static int obey_limits(struct copy *copy, uint64_t size, struct err *err)
{
	struct run *run = copy->lane->run;

	if (run->settings->daily_limit && obey_daily_limit(run, size, err) < 0)
		return -1;
	if (rate_take(run->messages, 1) < 0 || rate_take(run->bytes, size) < 0)
		return stop_check(err) < 0 ? -1 : err_set(err, ERR_STOPPED, "interrupted");
	return 0;
}

static struct date date_of(const struct pass *pass, const struct message *message)
{
	size_t row = snapshot_find(&pass->src, message->uid);

	if (message->date.instant != DATE_UNKNOWN || row == SIZE_MAX)
		return message->date;
	return (struct date){ .instant = pass->src.instant[row], .zone = pass->src.zone[row] };
}

/* The body straight from the one connection to the other. */
static int stream_body(struct copy *copy, struct err *err)
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
static struct spool *transform_body(struct copy *copy, struct err *err)
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

static int send_spool(struct copy *copy, struct spool *spool, struct err *err)
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

/* The item of this UID, or SIZE_MAX. */
static size_t item_of(const struct copy *copy, uint32_t uid)
{
	size_t low = 0, high = copy->items;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (copy->item[middle].uid < uid)
			low = middle + 1;
		else
			high = middle;
	}
	return low < copy->items && copy->item[low].uid == uid ? low : SIZE_MAX;
}

/*
 * IMAP carries lines that end in CRLF, and no NUL (RFC 3501 §9: literal = "{" number "}" CRLF *CHAR8). Courier ends the last line
 * when it is open, Dovecot makes NULs 0x80 and bare LFs CRLFs, others refuse or keep them.
 */
static bool is_doubtful(const struct header_facts *facts)
{
	return facts->has_open_line || facts->has_nul || facts->has_bare_lf || facts->has_bare_cr;
}

/* One message from source to destination: 0, or -1. Scope ERR_MESSAGE: reported and passed over by the caller. */
static int copy_message(
	struct copy *copy, const struct message *message, size_t index, struct err *err)
{
	struct lane *lane = copy->lane;
	struct flight *flight = &copy->flight[copy->token % RING];
	struct spool *spool = NULL;
	const struct date date = date_of(copy->pass, message);
	uint64_t size = message->size;
	struct header_facts facts;
	int rc;

	/* Some servers answer so for a message they cannot read: an empty copy would be taken for it. */
	if (size == 0 && claimed_size(copy->pass, message->uid) > 0)
		return err_set(err, ERR_MESSAGE,
			"the source gives an empty body for a message of %u octets",
			claimed_size(copy->pass, message->uid));
	if (lane->transform) {
		spool = transform_body(copy, err);
		if (!spool)
			return -1;
		size = spool_size(spool);
	}
	if (obey_limits(copy, size, err) < 0)
		return -1;
	*flight = (struct flight){ .item = (uint32_t)index,
		.size = size,
		.claimed = lane->transform ? 0 : claimed_size(copy->pass, message->uid) };
	if (store_append_begin(
		    lane->dst, copy->token++, copy->item[index].dst_flags, date, size, err) < 0)
		return err_wrap(err, "destination");
	rc = spool ? send_spool(copy, spool, err) : stream_body(copy, err);
	header_scan_end(lane->header, &facts); /* also makes it ready for the next message */
	if (rc < 0)
		return -1;
	flight->header = facts.header;
	flight->doubtful = is_doubtful(&facts) && !(store_caps(lane->dst) & STORE_CAP_RAW);
	flight->has_nul = facts.has_nul && !(store_caps(lane->dst) & STORE_CAP_FILES);
	flight->has_both = facts.has_bare_lf && facts.has_bare_cr &&
			   !(store_caps(lane->dst) & STORE_CAP_FILES);
	if (store_append_end(lane->dst, err) < 0)
		return err_wrap(err, "destination");
	if (date.instant == DATE_UNKNOWN && (store_caps(lane->src) & STORE_CAP_DATES))
		report_finding(lane->run->job->report, FINDING_ALTERED, lane_mailbox_of(copy->pass),
			message->uid,
			"the source gives no INTERNALDATE that can be read: the destination sets its own");
	return 0;
}

static void fail_message(struct copy *copy, uint32_t uid, const char *why)
{
	work_lock(copy->pass);
	copy->pass->work->tally.failed++;
	work_unlock(copy->pass);
	copy->settled++;
	report_finding(copy->lane->run->job->report, FINDING_FAILED, lane_mailbox_of(copy->pass),
		uid, "%s", why);
	lane_count_error(copy->lane, 1);
}

/* Rule 1: a server that sets \Seen for a BODY.PEEK[] is found out here. */
static void watch_seen(struct copy *copy, const struct message *message)
{
	struct flag_table *flags = copy->lane->flags;
	size_t row = snapshot_find(&copy->pass->src, message->uid);

	if (row == SIZE_MAX || !message->has_flags ||
		flags_has(flags, copy->pass->src.flags[row], SPAN("\\Seen")))
		return;
	copy->unseen++;
	if (flags_has(flags, message->flags, SPAN("\\Seen")))
		uidset_add(&copy->turned, copy->pass->arena, message->uid, message->uid);
}

/*
 * … and put right. Somebody who reads mail meanwhile turns some messages; a server that does it turns all of them.
 */
static int restore_seen(struct copy *copy, struct err *err)
{
	struct pass *pass = copy->pass;
	struct box *box;
	int rc;

	if (copy->unseen < SEEN_LEAST || uidset_size(&copy->turned) < copy->unseen)
		return 0;
	log_warn("%s: the source marked %llu messages as seen by reading them: taking it back",
		lane_mailbox_of(pass), (unsigned long long)copy->unseen);
	box_close(pass->src_box);
	pass->src_box = NULL;
	box = store_open_box(copy->lane->src, lane_mailbox_of(pass), STORE_WRITE, err);
	if (!box)
		return err_wrap(err, "source");
	pass->src_box = box;
	rc = box_change_flags(
		box, &copy->turned, 0, flags_parse(copy->lane->flags, SPAN("\\Seen")), err);
	return rc < 0 ? err_wrap(err, "source") : 0;
}

/* What came for one asked UID: copied, gone, or refused by the source. */
static int take_message(struct copy *copy, const struct message *message, struct err *err)
{
	size_t index = item_of(copy, message->uid);

	switch (message->outcome) {
	case MESSAGE_GONE:
		work_lock(copy->pass);
		copy->pass->work->tally.vanished++;
		work_unlock(copy->pass);
		uidset_add(&copy->gone, copy->pass->arena, message->uid, message->uid);
		copy->settled++;
		return 0;
	case MESSAGE_REFUSED:
		fail_message(copy, message->uid, message->text);
		return 0;
	case MESSAGE_HERE:
		break;
	}
	watch_seen(copy, message);
	if (index == SIZE_MAX || is_too_large(copy, message->size))
		return 0; /* counted at the end */
	if (copy_message(copy, message, index, err) == 0)
		return 0;
	if (err->scope != ERR_MESSAGE || store_append_in_message(copy->lane->dst))
		return -1;
	fail_message(copy, message->uid, err->text);
	err_clear(err);
	return 0;
}

/*
 * Between two messages, when a line turned out slow: the destination compresses once all is settled; the source asks for nothing more until all
 * that was asked is answered (drained).
 */
static int compress_slow(struct copy *copy, bool drained, struct err *err)
{
	copy->slow |= lane_pace(copy->lane);
	if (copy->slow & LANE_DST) {
		copy->slow &= ~(unsigned)LANE_DST;
		if (settle(copy, true, err) < 0 || lane_compress(copy->lane, LANE_DST, err) < 0)
			return -1;
	}
	if ((copy->slow & LANE_SRC) && drained) {
		copy->slow &= ~(unsigned)LANE_SRC;
		return lane_compress(copy->lane, LANE_SRC, err);
	}
	return 0;
}

/* The heart: ask ahead, pull, push, settle what has arrived. */
static int stream_copies(struct copy *copy, struct err *err)
{
	struct pass *pass = copy->pass;
	struct message message;
	int rc = 0;

	copy->slow = lane_pace_begin(copy->lane);
	for (;;) {
		if (compress_slow(copy, rc == 0, err) < 0)
			return -1;
		if (!(copy->slow & LANE_SRC) && ask_more(copy, err) < 0)
			return -1;
		if (!box_fetch_ready(pass->src_box) && store_append_flush(copy->lane->dst, err) < 0)
			return err_wrap(err, "destination");
		rc = box_fetch_next(pass->src_box, &message, err);
		if (rc < 0)
			return err_wrap(err, "source");
		if (rc == 0 && (copy->asked == copy->items || run_ended(copy->lane->run)))
			return 0;
		if (rc == 0)
			continue; /* all that was asked is answered: now there is room to ask for the rest */
		if (take_message(copy, &message, err) < 0 || settle(copy, false, err) < 0)
			return -1;
		if (copy->trouble.scope != ERR_NONE || run_ended(copy->lane->run))
			return 0;
	}
}

/*
 * Whatever went wrong, what was sent is settled: an intact destination finishes its batch; a message cut off in the middle, or a broken line,
 * leaves answers unknown.
 */
static int finish(struct copy *copy, int rc, struct err *err)
{
	struct err late = ERR_INIT;
	struct lane *lane = copy->lane;

	box_fetch_end(copy->pass->src_box);
	if (store_append_in_message(lane->dst))
		store_append_cancel(lane->dst);
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

static void report_hidden(struct copy *copy)
{
	const uint64_t count = uidset_size(&copy->gone);

	work_lock(copy->pass);
	copy->pass->work->tally.vanished -= count;
	copy->pass->work->tally.unknown += count;
	work_unlock(copy->pass);
	for (uint64_t i = 0; i < count && i < HIDDEN_NAMED; i++)
		report_finding(copy->lane->run->job->report, FINDING_UNKNOWN,
			lane_mailbox_of(copy->pass), uidset_at(&copy->gone, i),
			"the source neither shows this message nor counts one less");
	if (count > HIDDEN_NAMED)
		report_finding(copy->lane->run->job->report, FINDING_UNKNOWN,
			lane_mailbox_of(copy->pass), 0,
			"%llu more messages are neither shown nor gone",
			(unsigned long long)(count - HIDDEN_NAMED));
}

/*
 * Rule 12: silence about a message is no proof that it is gone, not even a search that is silent as well. The count has to agree with what a
 * search for all gives; else something is hidden there.
 */
static int check_gone(struct copy *copy, struct err *err)
{
	struct box *box = copy->pass->src_box;
	struct uidset there = { 0 }, unknown = { 0 };
	bool hidden = false;

	if (copy->gone.count == 0 || !(store_caps(copy->lane->src) & STORE_CAP_SEARCH))
		return 0;
	if (box_search(box, "ALL", copy->pass->arena, &there, &unknown, err) < 0) {
		if (err->scope >= ERR_CONN)
			return err_wrap(err, "source");
		err_clear(err);
		hidden = true;
	}
	for (uint64_t i = 0; i < uidset_size(&copy->gone) && !hidden; i++)
		hidden = uidset_has(&there, uidset_at(&copy->gone, i));
	if (hidden || uidset_size(&there) != box_facts(box)->messages)
		report_hidden(copy);
	return 0;
}

static void judge_rest(struct copy *copy)
{
	size_t left = copy->items - copy->settled;

	if (!copy->full_size || left == 0)
		return;
	work_lock(copy->pass);
	copy->pass->work->tally.failed += left;
	work_unlock(copy->pass);
	report_finding(copy->lane->run->job->report, FINDING_FAILED, lane_mailbox_of(copy->pass), 0,
		"%zu more messages were not tried: the destination takes no more (%s)", left,
		copy->full_err.text);
	lane_count_error(copy->lane, left);
}

/* Rule 6: a message that the destination changed is reported, and stays at the source. */
static void judge_doubt(struct copy *copy, const struct doubt *doubt, const struct snapshot *stored)
{
	struct pass *pass = copy->pass;
	struct report *report = copy->lane->run->job->report;
	size_t row = doubt->dst_uid ? snapshot_find(stored, doubt->dst_uid) : SIZE_MAX;
	bool same = row != SIZE_MAX && stored->size[row] == doubt->size && !doubt->has_nul &&
		    !doubt->has_both;

	if (row == SIZE_MAX && !doubt->has_nul) /* expunged already, or its UID is not known */
		return;
	work_lock(pass);
	pass->work->tally.altered += !same;
	if (same)
		lane_may_delete(copy->lane, pass, doubt->src_uid);
	work_unlock(pass);
	if (doubt->has_nul)
		report_finding(report, FINDING_ALTERED, lane_mailbox_of(pass), doubt->src_uid,
			"it holds NULs, which IMAP cannot carry: the destination will have changed them");
	else if (!same && stored->size[row] == doubt->size)
		report_finding(report, FINDING_ALTERED, lane_mailbox_of(pass), doubt->src_uid,
			"it holds CRs and LFs that end no line together, which servers change: its size cannot tell whether it is as it was");
	else if (!same)
		report_finding(report, FINDING_ALTERED, lane_mailbox_of(pass), doubt->src_uid,
			"the destination changed its line ends: %llu octets were sent, %lu are there",
			(unsigned long long)doubt->size, (unsigned long)stored->size[row]);
}

/* What a server may have changed is looked at again: its size tells. */
static int check_doubts(struct copy *copy, struct err *err)
{
	struct pass *pass = copy->pass;
	struct uidset uids = { 0 }, unknown = { 0 };
	struct box_scan scan = { .uids = &uids };
	struct snapshot stored;
	struct box *box;
	int rc = 0;

	for (size_t i = 0; i < copy->doubts; i++) {
		if (copy->doubt[i].dst_uid)
			uidset_add(
				&uids, pass->arena, copy->doubt[i].dst_uid, copy->doubt[i].dst_uid);
	}
	if (copy->doubts == 0)
		return 0;
	box_close(pass->dst_box);
	pass->dst_box = NULL;
	box = store_open_box(copy->lane->dst, pass->work->pair.dst, STORE_READ, err);
	if (!box)
		return err_wrap(err, "destination");
	snapshot_init(&stored, false);
	if (uids.count > 0)
		rc = box_scan(box, &scan, &stored, pass->arena, &unknown, err);
	for (size_t i = 0; i < copy->doubts && rc == 0; i++)
		judge_doubt(copy, &copy->doubt[i], &stored);
	snapshot_release(&stored);
	box_close(box);
	return rc < 0 ? err_wrap(err, "destination") : 0;
}

int lane_copy_items(struct lane *lane, struct pass *pass, const struct item *items, size_t count,
	struct err *err)
{
	struct copy *copy;
	int rc;

	if (store_append_to(lane->dst, pass->work->pair.dst, err) < 0)
		return err_wrap(err, "destination");
	copy = mem_alloc(sizeof(*copy));
	copy->lane = lane;
	copy->pass = pass;
	copy->item = items;
	copy->items = count;
	rc = stream_copies(copy, err);
	rc = finish(copy, rc, err);
	lane_pace_end(lane);
	if (rc == 0 && copy->trouble.scope != ERR_NONE) {
		*err = copy->trouble;
		rc = -1;
	}
	if (rc == 0 && !copy->full_size && copy->settled < copy->items)
		pass->again = true; /* whatever the reason: nothing is left out silently */
	if (rc == 0)
		judge_rest(copy);
	if (rc == 0)
		rc = check_gone(copy, err);
	if (rc == 0)
		rc = check_doubts(copy, err);
	if (rc == 0)
		rc = restore_seen(copy, err);
	mem_free(copy->doubt);
	mem_free(copy);
	return rc;
}

int lane_copy(struct lane *lane, struct pass *pass, const struct item *items, size_t count,
	struct err *err)
{
	return lane_shares(lane, count) ? lane_share(lane, pass, items, count, err)
					: lane_copy_items(lane, pass, items, count, err);
}
