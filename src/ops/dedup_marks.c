/*
 * Marks that a run which was broken off left behind: what is about to be marked is written down first, and a run that finds such a note takes the marks off before it looks at
 * anything. Without that the only message of a mailbox with two names could stay marked for ever, and nobody would know why.
 *
 * And the holds on files, under which all of this happens.
 */
#include "ops/dedup_parts.h"

#include "base/arena.h"
#include "base/log.h"
#include "base/os.h"
#include "state/intents.h"
#include "store/hold.h"

/* ---- notes ---- */

static bool may_be_marked(const struct duplicate *row)
{
	return (row->fate & DEDUP_MARKED) && !(row->fate & (DEDUP_DONE | DEDUP_VANISHED));
}

/* Marks of an attempt before are of the note too, for it takes the place of the last one. */
int dedup_note_marks(struct dedup_batch *batch, const struct uidset *uids, struct err *err)
{
	struct dedup_box *from = batch->from;
	const struct duplicate *rows = &batch->dedup->rows[from->first];
	struct intent intent = { .source = from->row.mailbox,
		.target = INTENT_MARKS,
		.source_uidvalidity = from->uidvalidity };
	struct intents *intents = walk_intents(batch->visit->walk, err);

	if (!intents)
		return -1;
	intent.message = arena_array(batch->visit->arena, from->count + 1, sizeof(*intent.message));
	for (size_t i = 0; i < from->count; i++)
		if (may_be_marked(&rows[i]) || uidset_has(uids, rows[i].uid))
			intent.message[intent.count++] =
				(struct intent_message){ .uid = rows[i].uid, .size = rows[i].size };
	if (intent.count == 0)
		return 0;
	from->noted = true;
	return intents_put(intents, &intent, err);
}

int dedup_forget_marks(struct dedup_batch *batch, struct err *err)
{
	struct dedup_box *from = batch->from;
	const struct duplicate *rows = &batch->dedup->rows[from->first];
	struct intents *intents;

	if (!from->noted)
		return 0;
	for (size_t i = 0; i < from->count; i++)
		if (may_be_marked(&rows[i]))
			return 0;
	intents = walk_intents(batch->visit->walk, err);
	if (!intents || intents_drop(intents, from->row.mailbox, INTENT_MARKS, err) < 0)
		return -1;
	from->noted = false;
	return 0;
}

/* ---- what an earlier run left ---- */

struct leftovers {
	struct dedup *dedup;
	struct intents *intents;
	struct arena *arena;
	const char **mailbox; /* sorted */
	size_t count;
};

/* The noted UIDs that are marked. */
static int find_marked(struct walk_visit *visit, struct box *box, const struct intent *intent,
	struct uidset *out, struct err *err)
{
	struct uidset uids = { 0 }, unread = { 0 };
	const struct box_scan scan = { .uids = &uids };
	struct snapshot rows;
	int rc;

	*out = (struct uidset){ 0 };
	for (size_t i = 0; i < intent->count; i++)
		uidset_add(&uids, visit->arena, intent->message[i].uid, intent->message[i].uid);
	snapshot_init(&rows, false);
	rc = box_scan(box, &scan, &rows, visit->arena, &unread, err);
	if (rc == 0 && !rows.complete)
		rc = err_set(err, ERR_MAILBOX,
			"the server did not show messages that a run which was broken off may have marked as deleted");
	for (size_t i = 0; i < rows.count && rc == 0; i++)
		if (flags_has(visit->flags, rows.flags[i], SPAN("\\Deleted")))
			uidset_add(out, visit->arena, rows.uid[i], rows.uid[i]);
	snapshot_release(&rows);
	return rc;
}

static int take_off(
	struct walk_visit *visit, struct box *box, const struct intent *intent, struct err *err)
{
	const flags_t deleted = flags_parse(visit->flags, SPAN("\\Deleted"));
	struct uidset marked;
	uint64_t count;

	/* Another mailbox by that name: the marks went with the old one. */
	if (box_facts(box)->uidvalidity != intent->source_uidvalidity)
		return 0;
	if (find_marked(visit, box, intent, &marked, err) < 0)
		return -1;
	count = uidset_size(&marked);
	if (count == 0)
		return 0;
	if (box_change_flags(box, &marked, 0, deleted, err) < 0 ||
		find_marked(visit, box, intent, &marked, err) < 0)
		return err_wrap(err, "taking off the marks of a run that was broken off");
	if (marked.count > 0)
		return err_set(err, ERR_MAILBOX,
			"%llu messages stay marked as deleted, by a run that was broken off",
			(unsigned long long)uidset_size(&marked));
	log_warn(
		"%s: %llu messages were marked as deleted by a run that was broken off: the marks are taken off",
		visit->place->info->name, (unsigned long long)count);
	return 0;
}

static int undo(void *context, struct walk_visit *visit, struct err *err)
{
	const struct leftovers *left = context;
	const char *name = visit->place->info->name;
	struct intent intent;
	struct hold *hold = NULL;
	struct box *box = NULL;
	int rc = intents_get(left->intents, name, INTENT_MARKS, visit->arena, &intent, err);

	if (rc <= 0)
		return rc;
	rc = hold_take(visit->store, &name, 1, walk_settings(visit->walk)->timeout_ms, &hold, err);
	if (rc == 0) {
		box = store_open_box(visit->store, name, STORE_WRITE, err);
		rc = box ? take_off(visit, box, &intent, err) : -1;
	}
	box_close(box);
	hold_drop(hold);
	os_point("dedup undone");
	return rc == 0 ? intents_drop(left->intents, name, INTENT_MARKS, err) : -1;
}

static bool is_left(const struct leftovers *left, const char *name)
{
	for (size_t i = 0; i < left->count; i++)
		if (strcmp(left->mailbox[i], name) == 0)
			return true;
	return false;
}

static bool has_left(void *context, const struct walk_place *place)
{
	return is_left(context, place->info->name);
}

/* Not looked at, whatever options chose: nobody can say that all is well there. */
static void tell(const struct leftovers *left, const char *name, const char *what)
{
	log_error(
		"%s: a run of dedup was broken off and may have left messages marked as deleted: %s",
		name, what);
	left->dedup->unsure = true;
}

static void keep_errors(const struct leftovers *left)
{
	struct dedup *dedup = left->dedup;

	for (size_t i = 0; i < walk_count(dedup->walk); i++) {
		const struct walk_place *place = walk_place(dedup->walk, i);

		if (place->err && !place->data)
			tell(left, place->info->name, place->err->text);
	}
	dedup_keep_errors(dedup);
}

/* One that is not there any more took its marks with it, or has another name now: it is told of once. */
static int tell_of_others(const struct leftovers *left, struct err *err)
{
	const struct mailbox_list *list = walk_list(left->dedup->walk);
	const size_t places = walk_count(left->dedup->walk);

	for (size_t i = 0; i < left->count; i++) {
		const char *name = left->mailbox[i];
		size_t at = 0;

		while (at < places &&
			strcmp(walk_place(left->dedup->walk, at)->info->name, name) != 0)
			at++;
		if (at < places)
			continue;
		if (mailbox_list_find(list, name)) {
			tell(left, name, "choose it too");
			continue;
		}
		tell(left, name, "it is not there any more; see to it if it was renamed");
		if (!walk_settings(left->dedup->walk)->dry_run &&
			intents_drop(left->intents, name, INTENT_MARKS, err) < 0)
			return -1;
	}
	return 0;
}

static bool only_tells(const struct dedup *dedup)
{
	return dedup->request.action == DEDUP_REPORT || walk_settings(dedup->walk)->dry_run;
}

static int undo_all(struct leftovers *left, struct err *err)
{
	struct dedup *dedup = left->dedup;

	if (only_tells(dedup)) {
		for (size_t i = 0; i < left->count; i++)
			tell(left, left->mailbox[i],
				"run it again, with --mark, --expunge or --move-to");
		return 0;
	}
	if (walk_visit(dedup->walk, undo, left, has_left, err) < 0)
		return -1;
	keep_errors(left);
	return tell_of_others(left, err);
}

int dedup_undo_marks(struct dedup *dedup, struct err *err)
{
	struct leftovers left = { .dedup = dedup };
	struct err trouble = ERR_INIT;
	int rc;

	if (!walk_has_intents(dedup->walk))
		return 0;
	left.intents = walk_intents(dedup->walk, &trouble);
	if (!left.intents && only_tells(dedup)) {
		log_warn("whether an earlier run left marks is not known: %s", trouble.text);
		return 0;
	}
	if (!left.intents) {
		*err = trouble;
		return -1;
	}
	left.arena = arena_new();
	rc = intents_sources(
		left.intents, INTENT_MARKS, left.arena, &left.mailbox, &left.count, err);
	if (rc == 0 && left.count > 0)
		rc = undo_all(&left, err);
	arena_free(left.arena);
	return rc;
}

/* ---- files ---- */

int dedup_hold(const struct dedup_batch *batch, struct hold **out, struct err *err)
{
	const struct duplicate *rows = batch->dedup->rows;
	const char *name[HOLD_MAX] = { batch->from->row.mailbox };
	uint32_t last = UINT32_MAX;
	size_t count = 1;

	*out = NULL;
	if (!(store_caps(batch->visit->store) & STORE_CAP_FILES))
		return 0;
	for (size_t i = 0; i < batch->count; i++) {
		const uint32_t of = rows[rows[batch->item[i].row].kept].box;

		if (of != last && count < HOLD_MAX)
			name[count++] = batch->dedup->box[of].row.mailbox;
		last = of;
	}
	return hold_take(batch->visit->store, name, count,
		walk_settings(batch->dedup->walk)->timeout_ms, out, err);
}
