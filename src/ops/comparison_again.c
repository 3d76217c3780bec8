/* A second look, where ids were not enough: the header digests of some messages. */
#include "ops/comparison_parts.h"

#include "ops/meter.h"

#define LOOKS \
	2 /* messages that have no id of both sides; then, of what is left, whether it is doubled */

static void want(struct seen *seen, size_t row)
{
	if (!seen->again)
		seen->again = mem_alloc(seen->rows.count + 1);
	seen->wants_again += !seen->again[row];
	seen->again[row] = 1;
}

static bool is_undigested(const struct snapshot *rows, size_t row)
{
	return !(rows->attr[row] & SNAPSHOT_HAS_DIGEST);
}

/* Rows of this side that go by headers; all: those too whose id is enough for the pairing. */
static size_t want_rows(struct seen *seen, const uint8_t *by, bool all, bool alone)
{
	size_t wants = 0;

	for (size_t row = 0; row < seen->rows.count; row++)
		if (is_undigested(&seen->rows, row) &&
			(all || by[row] == COMPARE_BY_HEADERS ||
				(alone && by[row] == COMPARE_ALONE))) {
			want(seen, row);
			wants++;
		}
	return wants;
}

bool comparison_look_again(
	struct unit *unit, const uint8_t *a_by, const uint8_t *b_by, bool doubled)
{
	struct comparison *job = unit->other->job;
	size_t first_row = 0, wants = 0;

	if (unit->looks == LOOKS)
		return false;
	pthread_mutex_lock(&job->lock);
	for (size_t i = 0; i < unit->a_count; i++) {
		wants += want_rows(unit->a[i], a_by + first_row, doubled, false);
		first_row += unit->a[i]->rows.count;
	}
	if (unit->b)
		wants += want_rows(unit->b, b_by, false, doubled);
	unit->open = wants > 0;
	pthread_mutex_unlock(&job->lock);
	unit->looks += wants > 0;
	return wants > 0;
}

/* ---- the visits ---- */

static bool is_wanted(void *context, const struct walk_place *place)
{
	(void)context;
	return ((const struct seen *)place->data)->wants_again > 0;
}

/* Rows of messages that are not there any more, or cannot be read, go. */
static void drop_rows(struct seen *seen, const struct uidset *gone)
{
	size_t kept = 0;

	if (gone->count == 0)
		return;
	for (size_t row = 0; row < seen->rows.count; row++)
		if (!uidset_has(gone, seen->rows.uid[row]))
			seen->reason[kept++] = seen->reason[row];
	snapshot_remove(&seen->rows, gone);
}

static void take_digests(struct seen *seen, const struct snapshot *read, struct arena *arena)
{
	struct snapshot *rows = &seen->rows;
	struct uidset gone = { 0 };

	snapshot_want_digests(rows);
	for (size_t row = 0; row < rows->count; row++) {
		const size_t there =
			seen->again[row] ? snapshot_find(read, rows->uid[row]) : SIZE_MAX;

		if (there != SIZE_MAX && !is_undigested(read, there)) {
			rows->digest[row] = read->digest[there];
			rows->attr[row] |= SNAPSHOT_HAS_DIGEST;
		} else if (seen->again[row]) {
			uidset_add(&gone, arena, rows->uid[row], rows->uid[row]);
		}
	}
	rows->complete &= read->complete;
	drop_rows(seen, &gone);
}

static void tick(void *context, uint64_t messages)
{
	meter_scanned(context, messages);
}

static int read_headers(
	struct seen *seen, struct walk_visit *visit, struct box *box, struct err *err)
{
	struct meter *meter = seen->side->job->request.meter;
	struct uidset uids = { 0 }, unknown = { 0 };
	const struct box_scan scan = { .uids = &uids,
		.digests = true,
		.no_dates = true,
		.tick = meter ? tick : NULL,
		.tick_context = meter };
	struct snapshot read;
	int rc;

	if (box_facts(box)->uidvalidity != seen->uidvalidity)
		return err_set(err, ERR_MAILBOX,
			"mailbox %s: UIDVALIDITY changed while it was compared", seen->info->name);
	for (size_t row = 0; row < seen->rows.count; row++)
		if (seen->again[row])
			uidset_add(&uids, visit->arena, seen->rows.uid[row], seen->rows.uid[row]);
	snapshot_init(&read, true);
	rc = box_scan(box, &scan, &read, visit->arena, &unknown, err);
	if (rc == 0)
		take_digests(seen, &read, visit->arena);
	snapshot_release(&read);
	return rc;
}

static void hand_over(struct seen *seen)
{
	struct comparison *job = seen->side->job;

	seen->done = true;
	for (size_t i = 0; i < seen->units; i++) {
		struct unit *unit = seen->unit[i];
		bool last;

		pthread_mutex_lock(&job->lock);
		last = unit->looking && --unit->waiting == 0;
		if (last)
			unit->looking = false;
		pthread_mutex_unlock(&job->lock);
		if (last)
			comparison_decide(unit);
	}
}

static int see_again(void *context, struct walk_visit *visit, struct err *err)
{
	struct seen *seen = visit->place->data;
	struct box *box = store_open_box(visit->store, seen->info->name, STORE_READ, err);
	int rc = box ? read_headers(seen, visit, box, err) : -1;

	(void)context;
	box_close(box);
	if (rc == 0) {
		mem_free(seen->again);
		seen->again = NULL;
		seen->wants_again = 0;
		hand_over(seen);
	}
	return rc;
}

/* What a unit waits for; nothing runs meanwhile. */
static bool prepare(struct comparison *job)
{
	bool any = false;

	for (size_t i = 0; i < job->units; i++) {
		struct unit *unit = job->unit[i];

		if (!unit->open)
			continue;
		any = unit->looking = true;
		unit->open = false;
		for (size_t k = 0; k < unit->a_count; k++)
			unit->waiting += unit->a[k]->wants_again > 0;
		unit->waiting += unit->b && unit->b->wants_again > 0;
	}
	return any;
}

static void begin_visits(struct side *side)
{
	for (size_t i = 0; side->walk && i < walk_count(side->walk); i++) {
		struct seen *seen = &side->seen[i];

		if (seen->wants_again == 0)
			continue;
		seen->done = false;
		if (side->job->request.meter)
			meter_total(side->job->request.meter, 1, seen->wants_again);
	}
}

void comparison_see_again(struct comparison *job)
{
	struct err *before = mem_array(job->request.accounts, sizeof(*before));

	for (size_t i = 0; i < job->request.accounts; i++)
		before[i] = job->side[i].err;
	for (unsigned look = 0; look < LOOKS && prepare(job); look++) {
		for (size_t i = 0; i < job->request.accounts; i++)
			begin_visits(&job->side[i]);
		comparison_visit(job, see_again, is_wanted);
	}
	/* What ended the first visit is why its other mailboxes were not seen. */
	for (size_t i = 0; i < job->request.accounts; i++)
		if (before[i].scope != ERR_NONE)
			job->side[i].err = before[i];
	mem_free(before);
}
