/* A walk that finds what is marked, and one that moves it. */
#include "ops/trash.h"

#include "base/arena.h"
#include "base/log.h"
#include "base/mem.h"
#include "mail/mailbox_name.h"
#include "ops/automap.h"
#include "ops/relocate.h"

#include <pthread.h>

#define NEW_NAME "Trash"

struct going { /* from a mailbox */
	struct trash_row row;
	struct arena *arena; /* of the sets: one visit at a time */
	uint32_t uidvalidity;
	struct uidset plan, moved, gone, unknown;
};

struct trash {
	struct walk *walk;
	struct arena *arena;
	const char *name;
	bool is_new;
	struct going *going; /* by walk_place.index */
	bool moving; /* in the second walk */

	pthread_mutex_t lock; /* of is_new, in visits */
};

/* ---- which mailbox ---- */

static void find_trash(struct trash *trash, const char *name)
{
	const struct mailbox_list *list = walk_list(trash->walk);
	const struct mailbox_info *info;

	if (!name)
		name = automap_holder(list, STORE_USE_TRASH, trash->arena);
	trash->name = name ? name : NEW_NAME;
	info = mailbox_list_find(list, trash->name);
	trash->is_new = !info || info->noselect || info->nonexistent;
	if (info)
		trash->name = info->name;
}

static bool is_source(void *context, const struct walk_place *place)
{
	const struct trash *trash = context;
	const struct going *going = place->data;

	if (mailbox_below(trash->name, place->info->name))
		return false;
	return !trash->moving || !going->row.err;
}

/* ---- finding ---- */

static int cannot_read(const struct box *box, struct err *err)
{
	return err_set(
		err, ERR_MAILBOX, "mailbox %s: not every message in it can be read", box_name(box));
}

/* Those of the rows that are marked, and that the options choose. */
static int choose(struct trash *trash, struct walk_visit *visit, struct box *box,
	const struct snapshot *rows, const struct uidset *found, struct uidset *out,
	struct arena *arena, struct err *err)
{
	const struct select *select = walk_select(trash->walk);
	struct select_answer answer = { .found = *found };
	uint8_t *reason = arena_alloc(visit->arena, rows->count + 1);

	if (select_ask(select, box, visit->flags, rows, true, visit->arena, &answer, err) < 0)
		return -1;
	if (answer.unknown.count > 0)
		return cannot_read(box, err);
	select_messages(select, visit->flags, rows, &answer, reason);
	for (size_t i = 0; i < rows->count; i++) {
		if (reason[i] == SELECT_YES &&
			flags_has(visit->flags, rows->flags[i], SPAN("\\Deleted")))
			uidset_add(out, arena, rows->uid[i], rows->uid[i]);
	}
	return 0;
}

static int scan_found(struct walk_visit *visit, struct box *box, const struct uidset *found,
	struct snapshot *rows, struct err *err)
{
	const struct box_scan scan = { .uids = found };
	struct uidset unread = { 0 };

	if (found->count == 0) {
		snapshot_finish(rows, true);
		return 0;
	}
	if (box_scan(box, &scan, rows, visit->arena, &unread, err) < 0)
		return -1;
	return rows->complete ? 0 : cannot_read(box, err);
}

static int search(struct trash *trash, struct walk_visit *visit, struct box *box,
	struct uidset *found, struct err *err)
{
	const char *expression = select_search(walk_select(trash->walk));
	struct uidset unread = { 0 };
	int rc;

	expression = arena_print(
		visit->arena, "DELETED%s%s", expression ? " " : "", expression ? expression : "");
	rc = box_search(box, expression, visit->arena, found, &unread, err);
	if (rc > 0 || (rc == 0 && unread.count > 0))
		return cannot_read(box, err);
	return rc;
}

/* Opens the mailbox, and finds in it what is marked and chosen. */
static int find_marked(struct trash *trash, struct walk_visit *visit, enum store_mode mode,
	struct uidset *out, struct arena *arena, struct box **box_out, struct err *err)
{
	struct uidset found = { 0 };
	struct snapshot rows;
	int rc;

	*box_out = store_open_box(visit->store, visit->place->info->name, mode, err);
	if (!*box_out)
		return -1;
	snapshot_init(&rows, false);
	rc = search(trash, visit, *box_out, &found, err);
	if (rc == 0)
		rc = scan_found(visit, *box_out, &found, &rows, err);
	if (rc == 0)
		rc = choose(trash, visit, *box_out, &rows, &found, out, arena, err);
	snapshot_release(&rows);
	if (rc < 0) {
		box_close(*box_out);
		*box_out = NULL;
	}
	return rc;
}

static int look(void *context, struct walk_visit *visit, struct err *err)
{
	struct trash *trash = context;
	struct going *going = visit->place->data;
	struct box *box = NULL;

	arena_clear(going->arena);
	going->plan = (struct uidset){ 0 };
	if (find_marked(trash, visit, STORE_READ, &going->plan, going->arena, &box, err) < 0)
		return -1;
	going->uidvalidity = box_facts(box)->uidvalidity;
	going->row.found = box_facts(box)->messages;
	going->row.marked = uidset_size(&going->plan);
	box_close(box);
	return 0;
}

/* What became of the visits, for the rows. */
static void keep_errors(struct trash *trash)
{
	for (size_t i = 0; i < walk_count(trash->walk); i++) {
		const struct walk_place *place = walk_place(trash->walk, i);
		struct going *going = place->data;

		if (place->err && !going->row.err) {
			struct err *err = arena_alloc(trash->arena, sizeof(*err));

			*err = *place->err;
			going->row.err = err;
		}
	}
}

static void begin(struct trash *trash)
{
	const size_t count = walk_count(trash->walk);

	trash->going = arena_array(trash->arena, count + 1, sizeof(*trash->going));
	for (size_t i = 0; i < count; i++) {
		struct walk_place *place = walk_place(trash->walk, i);

		trash->going[i].arena = arena_new();
		trash->going[i].row.mailbox = place->info->name;
		place->data = &trash->going[i];
	}
}

struct trash *trash_plan(const struct walk_request *request, const char *name, struct err *err)
{
	struct trash *trash = mem_alloc(sizeof(*trash));
	struct relocation work = { .expunge_all = request->settings->expunge_all };

	pthread_mutex_init(&trash->lock, NULL);
	trash->arena = arena_new();
	trash->walk = walk_open(request, err);
	if (trash->walk && relocate_check(walk_caps(trash->walk), &work, err) == 0) {
		find_trash(trash, name);
		begin(trash);
		if (walk_visit(trash->walk, look, trash, is_source, err) == 0) {
			keep_errors(trash);
			return trash;
		}
	}
	trash_free(trash);
	return NULL;
}

void trash_free(struct trash *trash)
{
	if (!trash)
		return;
	for (size_t i = 0; trash->going && i < walk_count(trash->walk); i++)
		arena_free(trash->going[i].arena);
	walk_free(trash->walk);
	arena_free(trash->arena);
	pthread_mutex_destroy(&trash->lock);
	mem_free(trash);
}

/* ---- moving ---- */

static int make_trash(struct trash *trash, struct store *store, struct err *err)
{
	bool changed;
	int rc = 0;

	pthread_mutex_lock(&trash->lock);
	if (trash->is_new) {
		struct err late = ERR_INIT;

		rc = store_create(store, trash->name, STORE_USE_TRASH, &changed, err);
		trash->is_new = rc < 0;
		if (rc == 0)
			log_info("mailbox %s is made for what is deleted", trash->name);
		if (rc == 0 && (store_caps(store) & STORE_CAP_SUBSCRIBE) &&
			store_subscribe(store, trash->name, true, &late) < 0)
			log_info("mailbox %s: not subscribed: %s", trash->name, late.text);
	}
	pthread_mutex_unlock(&trash->lock);
	return rc < 0 ? err_wrap(err, "making the mailbox %s", trash->name) : 0;
}

/* Without MOVE and UIDPLUS a plain EXPUNGE removes all that is marked: then all of that has to go to the trash. */
static int check_others(
	struct walk_visit *visit, struct box *box, const struct uidset *going, struct err *err)
{
	struct uidset marked = { 0 }, unread = { 0 };

	if (store_caps(visit->store) & (STORE_CAP_MOVE | STORE_CAP_REMOVE_ONE))
		return 0;
	if (box_search(box, "DELETED", visit->arena, &marked, &unread, err) < 0)
		return -1;
	if (uidset_size(&marked) == uidset_size(going))
		return 0;
	return err_set_kind(err, ERR_MAILBOX, ERR_KIND_SAFETY,
		"mailbox %s: other messages are marked as deleted than are to go to the trash, and without UIDPLUS these would be lost: nothing was moved",
		box_name(box));
}

static int move_marked(struct trash *trash, struct walk_visit *visit, struct box **box,
	const struct uidset *marked, struct err *err)
{
	struct going *going = visit->place->data;
	struct uidset uids = uidset_common(marked, &going->plan, visit->arena);
	struct relocation work = { .target = trash->name,
		.uids = &uids,
		.expunge_all = walk_settings(trash->walk)->expunge_all,
		.remove_flags = flags_parse(visit->flags, SPAN("\\Deleted")) };
	int rc;

	if (box_facts(*box)->uidvalidity != going->uidvalidity)
		return err_set(err, ERR_MAILBOX,
			"mailbox %s: UIDVALIDITY changed meanwhile: nothing is moved out of it",
			box_name(*box));
	if (uids.count == 0 && !relocate_pending(visit, trash->name))
		return 0;
	if (check_others(visit, *box, &uids, err) < 0)
		return -1;
	rc = relocate(visit, box, &work, err);
	uidset_add_set(&going->moved, going->arena, &work.moved);
	uidset_add_set(&going->gone, going->arena, &work.gone);
	going->unknown = (struct uidset){ 0 };
	uidset_add_set(&going->unknown, going->arena, &work.unknown);
	return rc;
}

/* Mailboxes with nothing to go are opened too: a run that was broken off may have left the marks on what it moved. */
static int carry(void *context, struct walk_visit *visit, struct err *err)
{
	struct trash *trash = context;
	struct going *going = visit->place->data;
	struct uidset marked = { 0 };
	struct box *box = NULL;
	int rc;

	if (going->row.marked == 0 && (trash->is_new || !relocate_pending(visit, trash->name)))
		return 0;
	if (make_trash(trash, visit->store, err) < 0)
		return -1;
	rc = find_marked(trash, visit, STORE_WRITE, &marked, visit->arena, &box, err);
	if (rc == 0)
		rc = move_marked(trash, visit, &box, &marked, err);
	box_close(box);
	return rc;
}

static void count_up(struct going *going)
{
	struct trash_row *row = &going->row;
	struct uidset settled = { 0 };
	uint64_t left;

	row->moved = uidset_size(&going->moved);
	row->unknown = uidset_size(&going->unknown);
	row->vanished = uidset_size(&going->gone);
	uidset_add_set(&settled, going->arena, &going->plan);
	uidset_add_set(&settled, going->arena, &going->moved);
	uidset_add_set(&settled, going->arena, &going->unknown);
	left = uidset_size(&settled) - row->moved - row->unknown; /* of the plan */
	if (!row->err && left > row->vanished)
		row->spared = left - row->vanished;
}

int trash_move(struct trash *trash, struct err *err)
{
	int rc;

	trash->moving = true;
	rc = walk_visit(trash->walk, carry, trash, is_source, err);
	keep_errors(trash);
	for (size_t i = 0; i < walk_count(trash->walk); i++)
		count_up(&trash->going[i]);
	return rc;
}

/* ---- reading ---- */

const char *trash_name(const struct trash *trash)
{
	return trash->name;
}

bool trash_is_new(const struct trash *trash)
{
	return trash->is_new;
}

size_t trash_count(const struct trash *trash)
{
	return walk_count(trash->walk);
}

const struct trash_row *trash_row(const struct trash *trash, size_t index)
{
	return &trash->going[index].row;
}

bool trash_is_source(const struct trash *trash, size_t index)
{
	return !mailbox_below(trash->name, trash->going[index].row.mailbox);
}

bool trash_left_out(const struct trash *trash)
{
	return walk_left_out(trash->walk) > 0;
}
