/* A mailbox at a time, its copies in portions: looked at, marked, and gone once the last look at those that stay is done. */
#include "ops/dedup_parts.h"

#include "base/arena.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/os.h"
#include "ops/relocate.h"
#include "ops/remove.h"
#include "store/hold.h"

#define PORTION 1000 /* copies between two looks at what stays */

static struct duplicate *row_of(const struct dedup_batch *batch, const struct dedup_item *item)
{
	return &batch->dedup->rows[item->row];
}

static void settle(struct dedup_batch *batch, const struct dedup_item *item, unsigned fate)
{
	row_of(batch, item)->fate |= (uint8_t)fate;
}

void dedup_spare(struct dedup_batch *batch, const struct dedup_item *item)
{
	settle(batch, item, DEDUP_SPARED);
}

void dedup_drop_settled(struct dedup_batch *batch)
{
	size_t left = 0;

	for (size_t i = 0; i < batch->count; i++) {
		if (!(row_of(batch, &batch->item[i])->fate & DEDUP_SETTLED))
			batch->item[left++] = batch->item[i];
	}
	batch->count = left;
}

int dedup_open(struct dedup_batch *batch, const struct dedup_box *of, enum store_mode mode,
	bool anew, struct err *err)
{
	if (of == batch->from)
		mode = STORE_WRITE;
	if (!batch->open || anew || batch->open_of != of ||
		(mode == STORE_WRITE && !batch->writes)) {
		box_close(batch->open);
		batch->open = store_open_box(batch->visit->store, of->row.mailbox, mode, err);
		batch->open_of = of;
		batch->writes = mode == STORE_WRITE;
	}
	return batch->open ? walk_check_uids(batch->open, of->uidvalidity, err) : -1;
}

static struct uidset uids_of(const struct dedup_batch *batch)
{
	struct uidset uids = { 0 };

	for (size_t i = 0; i < batch->count; i++) {
		const uint32_t uid = row_of(batch, &batch->item[i])->uid;

		uidset_add(&uids, batch->visit->arena, uid, uid);
	}
	return uids;
}

/* ---- marks ---- */

/* Takes this run's marks off what stays; of all of the mailbox, so that a visit that is called again takes off what an earlier one could not. */
static int unmark(struct dedup_batch *batch, struct err *err)
{
	struct duplicate *rows = &batch->dedup->rows[batch->from->first];
	struct uidset uids = { 0 };

	for (size_t i = 0; i < batch->from->count; i++) {
		if ((rows[i].fate & DEDUP_MARKED) && (rows[i].fate & DEDUP_STAYS))
			uidset_add(&uids, batch->visit->arena, rows[i].uid, rows[i].uid);
	}
	if (uids.count == 0)
		return 0;
	if (dedup_open(batch, batch->from, STORE_WRITE, false, err) < 0 ||
		box_change_flags(batch->open, &uids, 0, batch->deleted, err) < 0)
		return err_wrap(err, "taking marks off copies that stay");
	for (size_t i = 0; i < batch->from->count; i++) {
		if (rows[i].fate & DEDUP_STAYS)
			rows[i].fate &= (uint8_t) ~(unsigned)DEDUP_MARKED;
	}
	return 0;
}

/* After a refusal: what is left of the batch stays. Always -1. */
static int give_up(struct dedup_batch *batch, const struct err *err)
{
	struct err late = ERR_INIT;

	if (err->scope >= ERR_CONN)
		return -1;
	for (size_t i = 0; i < batch->count; i++)
		settle(batch, &batch->item[i], DEDUP_FAILED);
	dedup_drop_settled(batch);
	if (unmark(batch, &late) < 0)
		log_error("%s: %s", batch->from->row.mailbox, late.text);
	return -1;
}

/* Nothing was marked: the file was written by others, and keeps no flags of ours. */
static void take_back(struct dedup_batch *batch)
{
	for (size_t i = 0; i < batch->count; i++)
		row_of(batch, &batch->item[i])->fate &= (uint8_t) ~(unsigned)DEDUP_MARKED;
}

static int mark(struct dedup_batch *batch, struct err *err)
{
	struct uidset uids = { 0 };
	int rc;

	for (size_t i = 0; i < batch->count; i++) {
		const struct duplicate *row = row_of(batch, &batch->item[i]);

		if (!flags_has(batch->visit->flags, batch->item[i].flags, SPAN("\\Deleted")))
			uidset_add(&uids, batch->visit->arena, row->uid, row->uid);
	}
	os_point("dedup note");
	if (dedup_note_marks(batch, &uids, err) < 0)
		return give_up(batch, err);
	for (size_t i = 0; i < batch->count; i++) {
		if (uidset_has(&uids, row_of(batch, &batch->item[i])->uid))
			settle(batch, &batch->item[i], DEDUP_MARKED); /* whatever is answered */
	}
	os_point("dedup mark");
	rc = dedup_open(batch, batch->from, STORE_WRITE, false, err);
	if (rc == 0)
		rc = box_change_flags(batch->open, &uids, batch->deleted, 0, err);
	os_point("dedup marked");
	if (rc < 0 && batch->held && err->kind == ERR_KIND_UNSUPPORTED) {
		take_back(batch);
		/* Held, they can do without: no other run is there to see a mark. */
		if (batch->dedup->request.action != DEDUP_MARK)
			return err_clear(err), 0;
	}
	return rc < 0 ? give_up(batch, err) : 0;
}

/* ---- looking at the copies ---- */

static void take_copies(
	struct dedup_batch *batch, const struct snapshot *rows, const uint8_t *reason)
{
	for (size_t i = 0; i < batch->count; i++) {
		struct dedup_item *item = &batch->item[i];
		const struct duplicate *row = row_of(batch, item);
		const size_t at = snapshot_find(rows, row->uid);

		if (at == SIZE_MAX)
			settle(batch, item, row->fate & DEDUP_BEGUN ? DEDUP_DONE : DEDUP_VANISHED);
		else if (reason[at] != SELECT_YES && !(row->fate & DEDUP_MARKED))
			dedup_spare(batch, item); /* its own mark may be why */
		else
			item->flags = rows->flags[at];
	}
	dedup_drop_settled(batch);
}

static int look_at_copies(struct dedup_batch *batch, struct err *err)
{
	const struct uidset uids = uids_of(batch);
	const struct box_scan scan = { .uids = &uids };
	struct snapshot rows;
	uint8_t *reason;
	int rc;

	box_close(batch->open);
	batch->open_of = batch->from;
	batch->writes = true;
	snapshot_init(&rows, false);
	rc = walk_scan(batch->visit, STORE_WRITE, &scan, &rows, &reason, &batch->open, err);
	if (rc == 0)
		rc = walk_check_uids(batch->open, batch->from->uidvalidity, err);
	if (rc == 0 && !rows.complete)
		rc = err_set(err, ERR_MAILBOX,
			"the server did not show its messages again: nothing is changed in it");
	if (rc == 0)
		take_copies(batch, &rows, reason);
	snapshot_release(&rows);
	return rc;
}

/* ---- what is done with them ---- */

/* Which of them are gone, or with marks: or marked. Those that are not are left in the batch. */
static int see_what_became(struct dedup_batch *batch, bool marks, struct err *err)
{
	const struct uidset uids = uids_of(batch);
	const struct box_scan scan = { .uids = &uids };
	struct uidset unread = { 0 };
	struct snapshot rows;
	int rc;

	snapshot_init(&rows, false);
	rc = dedup_open(batch, batch->from, STORE_WRITE, false, err);
	if (rc == 0)
		rc = box_scan(batch->open, &scan, &rows, batch->visit->arena, &unread, err);
	if (rc == 0 && !rows.complete)
		rc = err_set(err, ERR_MAILBOX, "what became of its copies could not be seen");
	for (size_t i = 0; i < batch->count && rc == 0; i++) {
		const size_t at = snapshot_find(&rows, row_of(batch, &batch->item[i])->uid);

		if (at == SIZE_MAX)
			settle(batch, &batch->item[i], marks ? DEDUP_VANISHED : DEDUP_DONE);
		else if (marks && flags_has(batch->visit->flags, rows.flags[at], SPAN("\\Deleted")))
			settle(batch, &batch->item[i], DEDUP_DONE);
	}
	snapshot_release(&rows);
	dedup_drop_settled(batch);
	return rc;
}

static int check_marks(struct dedup_batch *batch, struct err *err)
{
	if (see_what_became(batch, true, err) < 0)
		return -1;
	if (batch->count == 0)
		return 0;
	err_set(err, ERR_MAILBOX, "%zu copies are not marked, though that was confirmed",
		batch->count);
	return give_up(batch, err);
}

static int expunge(struct dedup_batch *batch, struct err *err)
{
	const struct settings *settings = walk_settings(batch->dedup->walk);
	const struct uidset uids = uids_of(batch);
	/* Not marked anew: of more runs than two at once one may have taken the mark off since the last look. */
	const struct remove remove = { .mailbox = batch->from->row.mailbox,
		.uidvalidity = batch->from->uidvalidity,
		.uids = &uids,
		.if_marked = true };
	struct err late = ERR_INIT;
	int rc = dedup_open(batch, batch->from, STORE_WRITE, false, err);

	if (rc < 0)
		return give_up(batch, err);
	for (size_t i = 0; i < batch->count; i++)
		row_of(batch, &batch->item[i])->fate |= DEDUP_BEGUN;
	os_point("dedup remove");
	rc = remove_from(settings, batch->open, batch->visit->flags, &remove, err);
	os_point("dedup removed");
	if (rc < 0 && err->scope >= ERR_CONN)
		return -1;
	/* The first error is the one that tells. */
	if (see_what_became(batch, false, rc < 0 ? &late : err) < 0)
		return -1;
	if (rc == 0 && batch->count > 0)
		rc = err_set(err, ERR_MAILBOX,
			"%zu copies are still there, though their removal was confirmed",
			batch->count);
	return rc < 0 ? give_up(batch, err) : 0;
}

/* Of all of the mailbox: what an attempt before had under way is told too. How many are unknown. */
static size_t take_relocated(struct dedup_batch *batch, const struct relocation *work)
{
	struct duplicate *rows = &batch->dedup->rows[batch->from->first];
	size_t unknown = 0;

	for (size_t i = 0; i < batch->from->count; i++) {
		struct duplicate *row = &rows[i];

		if (!dedup_goes(batch->dedup, row))
			continue;
		row->fate &= (uint8_t) ~(unsigned)DEDUP_UNKNOWN;
		if (uidset_has(&work->moved, row->uid)) {
			row->fate &= (uint8_t) ~(unsigned)DEDUP_VANISHED;
			row->fate |= DEDUP_DONE;
		} else if (uidset_has(&work->unknown, row->uid)) {
			row->fate |= DEDUP_UNKNOWN;
			unknown++;
		} else if (uidset_has(&work->gone, row->uid) && !(row->fate & DEDUP_SETTLED)) {
			row->fate |= DEDUP_VANISHED;
		}
	}
	dedup_drop_settled(batch);
	return unknown;
}

/* All of a mailbox's at once: one call is one intent. The marks come off in the target. */
static int move(struct dedup_batch *batch, struct err *err)
{
	const struct uidset uids = uids_of(batch);
	struct relocation work = { .target = batch->dedup->request.target,
		.uids = &uids,
		.expunge_all = walk_settings(batch->dedup->walk)->expunge_all,
		.remove_flags = batch->deleted };
	size_t unknown;
	int rc = dedup_open(batch, batch->from, STORE_WRITE, false, err);

	if (rc < 0)
		return give_up(batch, err);
	rc = relocate(batch->visit, &batch->open, &work, err);
	unknown = take_relocated(batch, &work);
	if (rc == 0 && unknown > 0)
		rc = err_set(err, ERR_MAILBOX,
			"%zu copies stand here and in %s, or it is not known where they are",
			unknown, work.target);
	else if (rc == 0 && batch->count > 0)
		rc = err_set(err, ERR_MAILBOX, "%zu copies could not be moved to %s", batch->count,
			work.target);
	return rc < 0 ? give_up(batch, err) : 0;
}

static int act(struct dedup_batch *batch, struct err *err)
{
	switch (batch->dedup->request.action) {
	case DEDUP_MARK:
		return check_marks(batch, err);
	case DEDUP_EXPUNGE:
		return expunge(batch, err);
	case DEDUP_MOVE:
		return move(batch, err);
	case DEDUP_REPORT:
		break;
	}
	return 0;
}

static int treat_held(struct dedup_batch *batch, struct err *err)
{
	if (look_at_copies(batch, err) < 0 || dedup_look_at_kept(batch, true, err) < 0)
		return give_up(batch, err);
	if (batch->count > 0 && mark(batch, err) < 0)
		return -1;
	if (dedup_look_at_kept(batch, false, err) < 0)
		return give_up(batch, err);
	if (unmark(batch, err) < 0)
		return give_up(batch, err);
	return batch->count > 0 ? act(batch, err) : 0;
}

/* Files have locks of their own while they are open, for which others wait. */
static void shut(struct dedup_batch *batch)
{
	box_close(batch->open);
	batch->open = NULL;
}

static int treat(struct dedup_batch *batch, struct err *err)
{
	struct err late = ERR_INIT;
	struct hold *hold;
	int rc;

	shut(batch);
	if (dedup_hold(batch, &hold, err) < 0)
		return give_up(batch, err);
	batch->held = hold != NULL;
	rc = treat_held(batch, err);
	os_point("dedup forget");
	if (dedup_forget_marks(batch, rc < 0 ? &late : err) < 0)
		rc = -1;
	if (hold)
		shut(batch);
	hold_drop(hold);
	return rc;
}

/* ---- a mailbox ---- */

static int by_kept(const void *a, const void *b, void *context)
{
	const struct duplicate *rows = context;
	const uint32_t x = ((const struct dedup_item *)a)->row;
	const uint32_t y = ((const struct dedup_item *)b)->row;

	if (rows[x].kept != rows[y].kept)
		return rows[x].kept < rows[y].kept ? -1 : 1;
	return (x > y) - (x < y);
}

static struct dedup_item *items_of(
	const struct dedup *dedup, const struct dedup_box *box, struct arena *arena, size_t *out)
{
	struct dedup_item *item = arena_array(arena, box->count + 1, sizeof(*item));

	*out = 0;
	for (size_t i = box->first; i < box->first + box->count; i++) {
		const struct duplicate *row = &dedup->rows[i];

		if (dedup_goes(dedup, row) && !(row->fate & DEDUP_SETTLED))
			item[(*out)++].row = (uint32_t)i;
	}
	qsort_r(item, *out, sizeof(*item), by_kept, dedup->rows);
	return item;
}

/* What an attempt before left marked; and what it could not do is tried again. */
static int begin_again(struct dedup_batch *batch, struct err *err)
{
	struct duplicate *rows = &batch->dedup->rows[batch->from->first];

	if (unmark(batch, err) < 0)
		return -1;
	for (size_t i = 0; i < batch->from->count; i++)
		rows[i].fate &= (uint8_t) ~(unsigned)DEDUP_FAILED;
	return dedup_forget_marks(batch, err);
}

/* How many of them at once. In files each look reads the folder: what is looked at between two of them is all of it, as far as the mailboxes can be held. */
static size_t portion_of(
	const struct dedup_batch *batch, const struct dedup_item *item, size_t count)
{
	const struct duplicate *rows = batch->dedup->rows;
	size_t portion = 0, boxes = 1;
	uint32_t of = UINT32_MAX;

	if (!(store_caps(batch->visit->store) & STORE_CAP_FILES))
		return batch->dedup->request.action == DEDUP_MOVE || count < PORTION ? count
										     : PORTION;
	for (; portion < count; portion++) {
		const uint32_t kept_of = rows[rows[item[portion].row].kept].box;

		if (kept_of != of && boxes++ == HOLD_MAX)
			break;
		of = kept_of;
	}
	return portion;
}

static int in_portions(struct dedup_batch *batch, struct err *err)
{
	struct dedup *dedup = batch->dedup;
	struct dedup_item *item;
	size_t count, portion;

	if (begin_again(batch, err) < 0)
		return -1;
	item = items_of(dedup, batch->from, batch->visit->arena, &count);
	for (size_t first = 0; first < count; first += portion) {
		portion = portion_of(batch, &item[first], count - first);
		batch->item = &item[first];
		batch->count = portion;
		if (treat(batch, err) < 0)
			return -1;
	}
	/* What a run that was broken off had under way is brought to its end. */
	batch->count = 0;
	if (dedup->request.action == DEDUP_MOVE &&
		relocate_pending(batch->visit, dedup->request.target))
		return move(batch, err);
	return 0;
}

static int make_target(struct dedup *dedup, struct store *store, struct err *err)
{
	struct store_preparation one = { .name = dedup->request.target,
		.create = true,
		.subscribe = store_caps(store) & STORE_CAP_SUBSCRIBE };
	int rc = 0;

	pthread_mutex_lock(&dedup->lock);
	if (!dedup->target_ready) {
		rc = store_prepare(store, &one, 1, err);
		if (rc == 0 && !one.created) {
			*err = one.err;
			rc = -1;
		} else if (rc == 0 && one.changed && one.raw) {
			rc = err_set(err, ERR_ACCOUNT,
				"the server takes another form of this name only: choose another one");
		}
		dedup->target_ready = rc == 0;
	}
	pthread_mutex_unlock(&dedup->lock);
	return rc < 0 ? err_wrap(err, "making the mailbox %s", dedup->request.target) : 0;
}

static int carry_out(void *context, struct walk_visit *visit, struct err *err)
{
	struct dedup *dedup = context;
	struct dedup_batch batch = { .dedup = dedup,
		.visit = visit,
		.from = visit->place->data,
		.deleted = flags_parse(visit->flags, SPAN("\\Deleted")) };
	/* Two connections to the same files would meet each other's locks. */
	const bool alone = store_caps(visit->store) & STORE_CAP_FILES;
	int rc;

	if (dedup->request.action == DEDUP_MOVE && make_target(dedup, visit->store, err) < 0)
		return -1;
	if (alone)
		pthread_mutex_lock(&dedup->lock);
	rc = in_portions(&batch, err);
	if (alone)
		pthread_mutex_unlock(&dedup->lock);
	box_close(batch.open);
	return rc;
}

static bool target_is_there(const struct dedup *dedup)
{
	const struct mailbox_info *info =
		mailbox_list_find(walk_list(dedup->walk), dedup->request.target);

	return info && !info->noselect && !info->nonexistent;
}

/* What an earlier run was moving is looked for in mailboxes without copies too. */
static bool has_work(void *context, const struct walk_place *place)
{
	const struct dedup *dedup = context;
	const struct dedup_box *box = place->data;

	if (!box || box->uidvalidity == 0)
		return false;
	return box->row.copies > 0 || (dedup->request.action == DEDUP_MOVE && dedup->target_ready &&
					      walk_has_intents(dedup->walk));
}

static void count_up(const struct dedup *dedup)
{
	for (size_t i = 0; i < dedup->boxes; i++) {
		struct dedup_box *box = &dedup->box[i];
		size_t marked = 0;

		for (size_t at = box->first; at < box->first + box->count; at++) {
			const unsigned fate = dedup->rows[at].fate;

			box->row.done += (fate & DEDUP_DONE) != 0;
			box->row.vanished += (fate & DEDUP_VANISHED) != 0;
			box->row.spared += (fate & DEDUP_SPARED) != 0;
			marked += (fate & DEDUP_MARKED) && !(fate & (DEDUP_DONE | DEDUP_VANISHED));
		}
		if (marked > 0)
			log_warn("%s: %zu copies may be marked as deleted and were left there",
				box->row.mailbox, marked);
	}
}

int dedup_do(struct dedup *dedup, struct err *err)
{
	int rc;

	if (dedup->request.action == DEDUP_REPORT)
		return 0;
	/* Before anything is marked: not to be found out in the middle. */
	if (dedup->sum.copies > 0 && !walk_intents(dedup->walk, err))
		return -1;
	dedup->target_ready = dedup->request.action != DEDUP_MOVE || target_is_there(dedup);
	rc = walk_visit(dedup->walk, carry_out, dedup, has_work, err);
	dedup_keep_errors(dedup);
	count_up(dedup);
	return rc;
}
