/* When what is recorded of a mailbox pair is not believed any more: another mailbox, another server, or one that was put back to an earlier state. */
#include "ops/lane.h"

#include "base/log.h"

#define SAMPLE_LEAST 4

/* The records say nothing any more, and what they proved may not be deleted. A dry run leaves them in the file and does without. */
static int forget(struct lane *lane, struct pass *pass, struct err *err)
{
	struct work *work = pass->work;

	pass->forgotten = true;
	pass->pairs = (struct journal_pairs){ 0 };
	work->deletable = (struct uidset){ 0 };
	work->record.src_modseq = work->record.dst_modseq = 0;
	work->record.baseline = 0;
	work->record.view = (struct journal_view){ 0 };
	if (!work->record.id || lane->run->settings->dry_run)
		return 0;
	return journal_forget_pairs(lane->run->journal, work->record.id, err);
}

/*
 * A mailbox that is not the one recorded, or whose UIDs do not last (RFC 3501 §2.3.1.1; RFC 8474 §4; RFC 4315 §2): its pairs say nothing any more. What is at the destination is
 * adopted again by digest.
 */
int lane_forget_if_new(struct lane *lane, struct pass *pass, struct box *box, uint32_t *recorded,
	const char *mailboxid, const char *side, struct err *err)
{
	const struct box_facts *facts = box_facts(box);
	struct work *work = pass->work;
	bool other_id = facts->uid_not_sticky || !box_is_same(box, mailboxid);

	/* Without UIDVALIDITY no UID means anything tomorrow (rule 2). */
	if (*recorded == facts->uidvalidity && !other_id && facts->uidvalidity != 0)
		return 0;
	if (*recorded == 0 && !(facts->uidvalidity == 0 && work->record.id))
		return 0;
	if (*recorded == facts->uidvalidity && !facts->uid_not_sticky && facts->uidvalidity != 0)
		log_warn(
			"%s: the mailbox at the %s is another one, or was put back to an earlier state: recorded pairs are dropped, messages are compared again",
			work->pair.src->name, side);
	else
		log_warn(
			"%s: the mailbox at the %s is a new one (UIDVALIDITY %u, was %u): recorded pairs are dropped, messages are compared again",
			work->pair.src->name, side, facts->uidvalidity, *recorded);
	*recorded = facts->uidvalidity;
	if (box == pass->dst_box)
		work->record.doubt = 0; /* it was about UIDs that are no more */
	return forget(lane, pass, err);
}

/*
 * Another server behind an old name may repeat UIDVALIDITY and UIDs by chance, but hardly the sizes: when no recorded message that is still there has
 * the size it had, none of the records is believed.
 */
static int forget_if_strange(struct lane *lane, struct pass *pass, struct err *err)
{
	struct journal_size sample[LANE_SAMPLE];
	struct work *work = pass->work;
	int count = journal_sizes(lane->run->journal, work->record.id, sample, LANE_SAMPLE, err),
	    seen = 0, same = 0;

	if (count < 0)
		return -1;
	for (int i = 0; i < count; i++) {
		size_t row = snapshot_find(&pass->src, sample[i].src_uid);

		if (row == SIZE_MAX || pass->src.size[row] == UINT32_MAX ||
			(pass->src.attr[row] & SNAPSHOT_SIZE_ROUGH))
			continue;
		seen++;
		same += pass->src.size[row] == sample[i].size;
	}
	if (seen < SAMPLE_LEAST || same > 0)
		return 0;
	log_warn(
		"%s: none of %d recorded messages has the size it had: this is another mailbox; its records are dropped, messages are compared again",
		work->pair.src->name, seen);
	return forget(lane, pass, err);
}

/* The header digest of one message; false: it is not known. */
static bool digest_one(struct lane *lane, struct box *box, uint32_t uid, struct arena *arena,
	struct digest128 *out)
{
	struct box_scan scan = { .digests = true };
	struct uidset uids = { 0 }, unknown = { 0 };
	struct err ignored = ERR_INIT;
	struct snapshot rows;
	bool known = false;

	lane_scan_fields(lane->run->settings, &scan);
	uidset_add(&uids, arena, uid, uid);
	scan.uids = &uids;
	snapshot_init(&rows, true);
	if (box_scan(box, &scan, &rows, arena, &unknown, &ignored) == 0 && rows.count == 1) {
		known = rows.attr[0] & SNAPSHOT_HAS_DIGEST;
		*out = rows.digest[0];
	}
	snapshot_release(&rows);
	return known;
}

/* Of the newest recorded messages that are there, the first that has another size than it had; or the number of pairs. */
static size_t find_resized(const struct pass *pass)
{
	const struct journal_pairs *pairs = &pass->pairs;

	for (size_t i = pairs->count, seen = 0; i-- > 0 && seen < LANE_NEWEST;) {
		const size_t row = pairs->src_uid[i] && pairs->status[i] == JOURNAL_DONE
					   ? snapshot_find(&pass->src, pairs->src_uid[i])
					   : SIZE_MAX;

		if (row == SIZE_MAX || pairs->size[i] == 0 || pass->src.size[row] == UINT32_MAX ||
			(pass->src.attr[row] & SNAPSHOT_SIZE_ROUGH))
			continue;
		if (pass->src.size[row] != pairs->size[i] && pairs->dst_uid[i] &&
			snapshot_find(&pass->dst, pairs->dst_uid[i]) != SIZE_MAX)
			return i;
		seen++;
	}
	return pairs->count;
}

/* A recorded message has a UID that the source will give: no mailbox does so that only went on (RFC 3501 §2.3.1.1). */
static bool has_forgotten_uids(const struct pass *pass)
{
	const struct journal_pairs *pairs = &pass->pairs;
	const uint32_t uidnext = box_facts(pass->src_box)->uidnext;

	return uidnext != 0 && pairs->count > 0 && pairs->src_uid[pairs->count - 1] >= uidnext &&
	       (pass->src.count == 0 || pass->src.uid[pass->src.count - 1] < uidnext);
}

/*
 * A server that was put back to an earlier state keeps UIDVALIDITY and gives UIDs anew: what is new there would be taken for what was copied. Where sizes make it doubtful, one
 * message is compared with its copy.
 */
static int forget_if_put_back(struct lane *lane, struct pass *pass, struct err *err)
{
	struct digest128 original, copy;
	const size_t pair = find_resized(pass);
	bool put_back = has_forgotten_uids(pass);

	if (!put_back && pair < pass->pairs.count && pass->dst_box && !lane->transform)
		put_back = digest_one(lane, pass->src_box, pass->pairs.src_uid[pair], pass->arena,
				   &original) &&
			   digest_one(lane, pass->dst_box, pass->pairs.dst_uid[pair], pass->arena,
				   &copy) &&
			   !digest128_equal(original, copy);
	if (!put_back)
		return 0;
	log_warn(
		"%s: the mailbox at the source was put back to an earlier state: recorded pairs are dropped, messages are compared again",
		pass->work->pair.src->name);
	return forget(lane, pass, err);
}

/*
 * The same of the destination: copies are recorded under UIDs that it has not given. It was put back, or a server that lags behind the others answers. Of the latter nobody knows what it
 * will show next: what it lacks may not be sent again, nor be taken for deleted.
 */
static int forget_if_behind(struct lane *lane, struct pass *pass, struct err *err)
{
	const struct journal_pairs *pairs = &pass->pairs;
	const uint32_t uidnext = pass->dst_box ? box_facts(pass->dst_box)->uidnext : 0;
	uint32_t last = 0;

	if (pass->work->looked) /* what was confirmed in this run and is not there is the plan's matter */
		return 0;
	for (size_t i = 0; i < pairs->count; i++) {
		if (pairs->dst_uid[i] > last)
			last = pairs->dst_uid[i];
	}
	if (uidnext == 0 || last < uidnext ||
		(pass->dst.count > 0 && pass->dst.uid[pass->dst.count - 1] >= uidnext))
		return 0;
	if (!(store_caps(lane->dst) & STORE_CAP_FILES) && !lane->run->settings->recopy)
		return err_set(err, ERR_MAILBOX,
			"the destination holds a copy under UID %u and says now that the next UID is %u: it was put back to an earlier state, or a server answers that lags behind; nothing is copied. If it was put back: run once with --recopy",
			last, uidnext);
	log_warn(
		"%s: the mailbox at the destination was put back to an earlier state: recorded pairs are dropped, messages are compared again",
		pass->work->pair.src->name);
	return forget(lane, pass, err);
}

int lane_forget_if_strange(struct lane *lane, struct pass *pass, struct err *err)
{
	if (forget_if_strange(lane, pass, err) < 0 ||
		(pass->pairs.count > 0 && forget_if_put_back(lane, pass, err) < 0))
		return -1;
	return pass->pairs.count > 0 ? forget_if_behind(lane, pass, err) : 0;
}
