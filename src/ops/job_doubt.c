/*
 * A message whose append was sent again because the first answer was lost may stand at the destination twice. That is not undone, and not
 * forgotten either: the journal keeps the UID from which on it may be so until a look at the destination explains everything.
 *
 * The rule: a stray is a message from that UID on that no record of any mailbox names, with the size, header digest and content digest of one
 * that a record names, also from that UID on. Both are compared where they stand, so that what a server changes on the way in does not count.
 * Identical messages of the source are recorded each, what others deliver meanwhile is no copy of ours to the octet: neither is a stray.
 */
#include "ops/lane.h"

#include "base/arena.h"
#include "base/mem.h"

#define STRAYS_NAMED 100 /* findings a mailbox; beyond, only their number */

struct look {
	struct run *run;
	struct work *work;
	struct arena *arena;
	struct uidset paired; /* recorded for any mailbox that goes there */
	struct journal_pairs pairs; /* this one's */
	struct snapshot rows, bodies;
	struct uidset suspects, unreadable;
	bool blind; /* the destination does not show all that is in doubt */
};

static int add_paired(struct look *look, const struct journal_mailbox *record, struct err *err)
{
	const struct journal_mailbox *own = &look->work->record;
	struct journal_pairs pairs;

	if (strcmp(record->dst_name, own->dst_name) != 0 ||
		record->dst_uidvalidity != own->dst_uidvalidity)
		return 0;
	if (journal_pairs(look->run->journal, record->id, look->arena, &pairs, err) < 0)
		return -1;
	if (record->id == own->id)
		look->pairs = pairs;
	for (size_t i = 0; i < pairs.count; i++) {
		if (pairs.dst_uid[i] >= own->doubt)
			uidset_add(&look->paired, look->arena, pairs.dst_uid[i], pairs.dst_uid[i]);
	}
	return 0;
}

static int load_paired(struct look *look, struct err *err)
{
	struct journal_mailbox *mailboxes;
	size_t count;

	if (journal_mailboxes(look->run->journal, look->arena, &mailboxes, &count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		if (add_paired(look, &mailboxes[i], err) < 0)
			return -1;
	}
	return 0;
}

static int compare_sizes(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* The sizes of the recorded rows, or of those that no record names; sorted. */
static uint32_t *sizes_of(const struct look *look, bool paired, size_t *count_out)
{
	const struct snapshot *rows = &look->rows;
	uint32_t *size = arena_array(look->arena, rows->count + 1, sizeof(*size));
	size_t count = 0;

	for (size_t i = 0; i < rows->count; i++) {
		if (rows->uid[i] >= look->work->record.doubt &&
			uidset_has(&look->paired, rows->uid[i]) == paired)
			size[count++] = rows->size[i];
	}
	qsort(size, count, sizeof(*size), compare_sizes);
	*count_out = count;
	return size;
}

/* Where a recorded message and one that is not are of one size, the bodies have to tell: mostly there is none. */
static void find_suspects(struct look *look)
{
	const struct snapshot *rows = &look->rows;
	size_t count[2];
	uint32_t *size[2] = { sizes_of(look, false, &count[0]), sizes_of(look, true, &count[1]) };

	for (size_t i = 0; i < rows->count; i++) {
		const uint32_t uid = rows->uid[i];
		const bool other = !uidset_has(&look->paired, uid);

		if (uid >= look->work->record.doubt &&
			bsearch(&rows->size[i], size[other], count[other], sizeof(uint32_t),
				compare_sizes))
			uidset_add(&look->suspects, look->arena, uid, uid);
	}
}

/*
 * What the destination does not show any more cannot be looked at. That is said once; below where a message was sent again nothing of it can stand twice, for it
 * was looked for there.
 */
static void narrow(struct look *look)
{
	struct work *work = look->work;
	const uint32_t lowest = look->rows.count > 0 ? look->rows.uid[0] : 0;

	if (lowest <= work->record.doubt)
		return;
	look->blind = !work->resent || work->resent_from < lowest;
	work->record.doubt = look->blind ? lowest : work->resent_from;
}

static int scan(struct look *look, struct lane *lane, struct err *err)
{
	struct box_scan all = { 0 },
			bodies = { .uids = &look->suspects, .digests = true, .content = true };
	struct box *box = store_open_box(lane->dst, look->work->pair.dst, STORE_READ, err);
	int rc;

	if (!box)
		return -1;
	rc = box_scan(box, &all, &look->rows, look->arena, &look->unreadable, err);
	if (rc == 0 && !look->rows.complete)
		rc = err_set(err, ERR_MAILBOX, "the destination does not show all of its messages");
	if (rc == 0 && box_facts(box)->shows_part)
		narrow(look);
	if (rc == 0)
		find_suspects(look);
	if (rc == 0 && look->suspects.count > 0)
		rc = box_scan(box, &bodies, &look->bodies, look->arena, &look->unreadable, err);
	box_close(box);
	return rc;
}

/* One of the bodies, to be found by what it is. */
struct twin {
	uint32_t size, uid;
	struct digest128 header, content;
};

static struct twin twin_of(const struct snapshot *bodies, size_t row)
{
	return (struct twin){ bodies->size[row], bodies->uid[row], bodies->digest[row],
		bodies->content[row] };
}

static int compare_twins(const void *a, const void *b)
{
	const struct twin *x = a, *y = b;
	int order = compare_sizes(&x->size, &y->size);

	if (order == 0)
		order = digest128_compare(x->header, y->header);
	return order ? order : digest128_compare(x->content, y->content);
}

static uint32_t source_of(const struct look *look, uint32_t dst_uid)
{
	for (size_t i = 0; i < look->pairs.count; i++) {
		if (look->pairs.dst_uid[i] == dst_uid)
			return look->pairs.src_uid[i];
	}
	return 0;
}

static void report_stray(struct look *look, uint32_t uid, uint32_t twin)
{
	report_finding(look->run->job->report, FINDING_UNKNOWN, look->work->pair.src->name,
		source_of(look, twin),
		"an answer was lost, and this message may have arrived twice: at the destination UID %u and UID %u are the same; delete one of them there",
		twin, uid);
}

/* How many stand there twice; each is reported. */
static uint64_t count_strays(struct look *look)
{
	const struct snapshot *bodies = &look->bodies;
	struct twin *twin = arena_array(look->arena, bodies->count + 1, sizeof(*twin));
	size_t count = 0;
	uint64_t strays = 0;

	for (size_t i = 0; i < bodies->count; i++) {
		if (uidset_has(&look->paired, bodies->uid[i]))
			twin[count++] = twin_of(bodies, i);
	}
	qsort(twin, count, sizeof(*twin), compare_twins);
	for (size_t i = 0; i < bodies->count; i++) {
		const struct twin key = twin_of(bodies, i);
		const struct twin *found =
			uidset_has(&look->paired, key.uid)
				? NULL
				: bsearch(&key, twin, count, sizeof(*twin), compare_twins);

		if (found && ++strays <= STRAYS_NAMED)
			report_stray(look, key.uid, found->uid);
	}
	if (strays > STRAYS_NAMED)
		report_finding(look->run->job->report, FINDING_UNKNOWN, look->work->pair.src->name,
			0, "%llu more messages may have arrived twice",
			(unsigned long long)(strays - STRAYS_NAMED));
	return strays;
}

static void report_blind(struct run *run, struct work *work)
{
	work->tally.unknown++;
	work->reconciled = false;
	report_finding(run->job->report, FINDING_UNKNOWN, work->pair.src->name, 0,
		"an answer was lost, and whether a message arrived twice cannot be looked at any more: the destination shows only its newest messages");
}

static void report_unlooked(struct run *run, struct work *work, const char *why)
{
	work->tally.unknown++;
	work->reconciled = false;
	report_finding(run->job->report, FINDING_UNKNOWN, work->pair.src->name, 0,
		"an answer was lost, and whether a message arrived twice could not be looked at: run again (%s)",
		why);
}

/* -1: only what ends the run; a mailbox that cannot be looked at stays in doubt, and says so. */
static int look_for_strays(struct look *look, struct lane *lane, struct err *err)
{
	struct work *work = look->work;
	uint64_t strays;

	if (load_paired(look, err) < 0)
		return -1;
	if (lane_connect(lane, err) < 0 || scan(look, lane, err) < 0) {
		if (err->scope == ERR_STOPPED || err->scope == ERR_LOCAL)
			return -1;
		if (err->scope >= ERR_CONN)
			lane_disconnect(lane);
		report_unlooked(look->run, work, err->text);
		err_clear(err);
		return 0;
	}
	strays = count_strays(look);
	work->tally.unknown += strays;
	if (strays > 0)
		work->reconciled = false;
	if (look->blind)
		report_blind(look->run, work);
	if (uidset_size(&look->unreadable) > 0)
		report_unlooked(look->run, work, "not all of them can be read");
	else if (strays == 0 && !work->resent)
		work->record.doubt = 0; /* what was lost was lost before this run: it is over */
	return 0;
}

int job_settle_doubt(
	struct run *run, struct lane *lane, struct work *work, bool listed, struct err *err)
{
	struct look look = { .run = run, .work = work };
	int rc;

	if (work->record.doubt == 0)
		return 0;
	if (!listed) {
		report_unlooked(run, work, "the destination does not let its mailboxes be listed");
		return 0;
	}
	look.arena = arena_new();
	snapshot_init(&look.rows, false);
	snapshot_init(&look.bodies, true);
	snapshot_want_content(&look.bodies);
	rc = look_for_strays(&look, lane, err);
	snapshot_release(&look.rows);
	snapshot_release(&look.bodies);
	arena_free(look.arena);
	return rc;
}
