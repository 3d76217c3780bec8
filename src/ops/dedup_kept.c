/* The messages that stay: that they are still there, and have what their copies had. */
#include "ops/dedup_parts.h"

#include "base/arena.h"

struct kept { /* a message that stays */
	uint32_t uid;
	flags_t missing; /* what its copies have and it has not */
	size_t first, count; /* its copies, of the batch's items */
};

struct looking { /* at one mailbox */
	struct dedup_batch *batch;
	const struct dedup_box *of;
	struct kept *kept;
	size_t count;
	size_t lost; /* copies spared, for the one that stays is not what it was */
	size_t poorer; /* … does not take their flags */
};

static const struct duplicate *kept_of(const struct dedup_batch *batch, size_t item)
{
	const struct duplicate *rows = batch->dedup->rows;

	return &rows[rows[batch->item[item].row].kept];
}

static void spare_all(const struct looking *looking, const struct kept *kept, size_t *count)
{
	for (size_t i = kept->first; i < kept->first + kept->count; i++)
		dedup_spare(looking->batch, &looking->batch->item[i]);
	*count += kept->count;
}

/* The items from here on whose kept ones are in the same mailbox; how many. */
static size_t gather(struct looking *looking, size_t first)
{
	struct dedup_batch *batch = looking->batch;
	const uint32_t of = kept_of(batch, first)->box;
	size_t end = first;

	while (end < batch->count && kept_of(batch, end)->box == of)
		end++;
	looking->of = &batch->dedup->box[of];
	looking->kept = arena_array(batch->visit->arena, end - first, sizeof(*looking->kept));
	looking->count = 0;
	for (size_t at = first; at < end; at++) {
		const struct duplicate *row = kept_of(batch, at);

		if (looking->count == 0 || looking->kept[looking->count - 1].uid != row->uid)
			looking->kept[looking->count++] =
				(struct kept){ .uid = row->uid, .first = at };
		looking->kept[looking->count - 1].count++;
	}
	return end - first;
}

static int scan(struct looking *looking, struct snapshot *rows, struct err *err)
{
	struct arena *arena = looking->batch->visit->arena;
	struct uidset uids = { 0 }, unread = { 0 };
	const struct box_scan scan = { .uids = &uids };

	for (size_t i = 0; i < looking->count; i++)
		uidset_add(&uids, arena, looking->kept[i].uid, looking->kept[i].uid);
	return box_scan(looking->batch->open, &scan, rows, arena, &unread, err);
}

static flags_t flags_of_copies(const struct looking *looking, const struct kept *kept)
{
	struct flag_table *table = looking->batch->visit->flags;
	flags_t all = 0;

	for (size_t i = kept->first; i < kept->first + kept->count; i++)
		all = flags_union(table, all, looking->batch->item[i].flags);
	return flags_minus(table, all, looking->batch->deleted);
}

/* Those that are what they were stay in kept, with what they miss. */
static void take_out_lost(struct looking *looking, const struct snapshot *rows)
{
	struct flag_table *table = looking->batch->visit->flags;
	size_t left = 0;

	for (size_t i = 0; i < looking->count; i++) {
		struct kept kept = looking->kept[i];
		const size_t row = snapshot_find(rows, kept.uid);

		if (row == SIZE_MAX || flags_has(table, rows->flags[row], SPAN("\\Deleted"))) {
			spare_all(looking, &kept, &looking->lost);
			continue;
		}
		kept.missing =
			flags_minus(table, flags_of_copies(looking, &kept), rows->flags[row]);
		looking->kept[left++] = kept;
	}
	looking->count = left;
}

static int look(struct looking *looking, struct err *err)
{
	struct snapshot rows;
	int rc;

	snapshot_init(&rows, false);
	rc = scan(looking, &rows, err);
	if (rc == 0)
		take_out_lost(looking, &rows);
	snapshot_release(&rows);
	return rc;
}

/* ---- flags ---- */

/* What this mailbox does not take is not asked for: it would refuse the others too. */
static flags_t allowed(const struct looking *looking, flags_t flags)
{
	const struct box_facts *facts = box_facts(looking->batch->open);

	return facts->has_permanent ? flags_allowed(looking->batch->visit->flags, flags,
					      facts->permanent, facts->any_keyword)
				    : flags;
}

/* All that miss the same as this one at once. */
static int give(struct looking *looking, size_t first, struct err *err)
{
	const flags_t missing = looking->kept[first].missing;
	struct uidset uids = { 0 };

	for (size_t i = 0; i < looking->count; i++) {
		if (looking->kept[i].missing != missing)
			continue;
		if (i < first)
			return 0;
		uidset_add(&uids, looking->batch->visit->arena, looking->kept[i].uid,
			looking->kept[i].uid);
	}
	return box_change_flags(looking->batch->open, &uids, allowed(looking, missing), 0, err);
}

static int merge(struct looking *looking, struct err *err)
{
	bool any = false;

	for (size_t i = 0; i < looking->count; i++)
		any |= looking->kept[i].missing != 0;
	if (!any)
		return 0;
	if (dedup_open(looking->batch, looking->of, STORE_WRITE, false, err) < 0)
		return -1;
	for (size_t i = 0; i < looking->count; i++) {
		if (looking->kept[i].missing != 0 && give(looking, i, err) < 0)
			return -1;
	}
	if (look(looking, err) < 0)
		return -1;
	for (size_t i = 0; i < looking->count; i++) {
		if (looking->kept[i].missing != 0)
			spare_all(looking, &looking->kept[i], &looking->poorer);
	}
	return 0;
}

/* ---- a mailbox ---- */

static void say(const struct looking *looking, size_t spared, const char *why)
{
	struct err err = ERR_INIT;

	if (spared == 0)
		return;
	err_set(&err, ERR_MAILBOX, "%zu copies stay, for %s (in %s)", spared, why,
		looking->of->row.mailbox);
	dedup_keep_err(looking->batch->from, &err);
}

static int look_at_box(struct looking *looking, bool merges, struct err *err)
{
	if (dedup_open(looking->batch, looking->of, STORE_READ, !merges, err) < 0 ||
		look(looking, err) < 0)
		return -1;
	return merges ? merge(looking, err) : 0;
}

int dedup_look_at_kept(struct dedup_batch *batch, bool merge, struct err *err)
{
	struct looking looking = { .batch = batch };
	size_t items;

	for (size_t first = 0; first < batch->count; first += items) {
		struct err trouble = ERR_INIT;

		looking.lost = looking.poorer = 0;
		items = gather(&looking, first);
		if (look_at_box(&looking, merge, &trouble) < 0) {
			const struct kept all = { .first = first, .count = items };

			if (trouble.scope >= ERR_CONN || trouble.kind == ERR_KIND_BUSY ||
				trouble.retry == ERR_RETRY_AFTER) {
				*err = trouble;
				return -1;
			}
			looking.lost = looking.poorer = 0;
			spare_all(&looking, &all, &(size_t){ 0 });
			say(&looking, items, trouble.text);
		}
		say(&looking, looking.lost,
			"the messages that were to stay are gone or marked as deleted");
		say(&looking, looking.poorer, "their flags cannot be given to those that stay");
	}
	dedup_drop_settled(batch);
	return 0;
}
