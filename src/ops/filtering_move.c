/* Moves and copies within the account, a relocation for each mailbox and target. */
#include "ops/filtering_parts.h"

#include "base/arena.h"
#include "base/log.h"
#include "base/map.h"
#include "mail/mailbox_name.h"
#include "ops/relocate.h"
#include "ops/there.h"

#include <string.h>

struct target { /* a mailbox of the account that rules lead to */
	const char *name; /* as written */
	const char *real; /* as it is called in the end */
	bool created; /* in this run */
	bool failed; /* it is not there and cannot be created */
};

struct moving {
	struct filtering *filtering;
	struct map *targets; /* name → struct target */
	const struct walk_place *first; /* whose visit creates the targets */
	bool prepared;
	bool broken_off; /* only where a run was broken off in the middle of it */
};

/* Parts of one mailbox that go to one target in one way. */
struct group {
	struct moving *moving;
	struct walk_visit *visit;
	struct boxed *boxed;
	const struct target *target;
	bool copy;
	struct uidset asked; /* all that is left of them */
};

/* ---- targets ---- */

static struct target *target_of(const struct moving *moving, const struct filter_part *part)
{
	const struct rule *rule = part_rule(moving->filtering, part);

	return map_find(moving->targets, span_of(rule->target));
}

static bool has_work(const struct filtering *filtering, const struct boxed *boxed)
{
	for (size_t i = 0; i < boxed->box.parts; i++)
		if (part_is_local(filtering, &boxed->box.part[i]) &&
			boxed->box.part[i].left.count > 0)
			return true;
	return false;
}

static bool wants(void *context, const struct walk_place *place)
{
	const struct moving *moving = context;

	return place->data && has_work(moving->filtering, place->data);
}

static bool wants_first(void *context, const struct walk_place *place)
{
	const struct moving *moving = context;

	return place == moving->first;
}

static void note_targets(struct moving *moving, struct boxed *boxed)
{
	struct arena *arena = moving->filtering->arena;

	for (size_t i = 0; i < boxed->box.parts; i++) {
		const struct filter_part *part = &boxed->box.part[i];
		struct target *target;

		if (!part_is_local(moving->filtering, part) || part->left.count == 0 ||
			target_of(moving, part))
			continue;
		target = arena_alloc(arena, sizeof *target);
		target->name = target->real = part_rule(moving->filtering, part)->target;
		(void)map_set(moving->targets, span_of(target->name), target);
	}
}

static bool is_there(const struct moving *moving, const char *name)
{
	const struct mailbox_info *info =
		mailbox_list_find(walk_list(moving->filtering->walk), name);

	return info && !info->noselect && !info->nonexistent;
}

/* What came of creating one. */
static void settle_target(struct moving *moving, struct target *target,
	const struct store_preparation *done, struct mailbox_style style)
{
	target->created = done->created;
	target->failed = !done->created;
	if (target->failed) {
		log_error("mailbox %s, which rules lead to: %s", target->name, done->err.text);
		return;
	}
	if (done->err.scope != ERR_NONE)
		log_warn("mailbox %s: not subscribed: %s", target->name, done->err.text);
	if (done->changed && done->raw) {
		target->real =
			mailbox_display(&style, span_of(done->raw), moving->filtering->arena);
		if (strcmp(target->real, target->name) != 0)
			filtering_note_code(moving->filtering, 1);
		log_warn("mailbox %s had to be created as %s", target->name, target->real);
	}
}

/* All that are missing, at once, in a visit of whatever mailbox. */
static int prepare(void *context, struct walk_visit *visit, struct err *err)
{
	struct moving *moving = context;
	struct store_preparation *list =
		arena_array(visit->arena, map_count(moving->targets) + 1, sizeof *list);
	struct target **of =
		arena_array(visit->arena, map_count(moving->targets) + 1, sizeof(struct target *));
	size_t count = 0;

	for (size_t i = 0; i < map_count(moving->targets); i++) {
		struct target *target = map_value(moving->targets, i);

		if (target->created || is_there(moving, target->name))
			continue;
		list[count] = (struct store_preparation){ .name = target->name,
			.create = true,
			.subscribe = store_caps(visit->store) & STORE_CAP_SUBSCRIBE };
		of[count++] = target;
	}
	if (count > 0 && store_prepare(visit->store, list, count, err) < 0)
		return err_wrap(err, "creating mailboxes");
	for (size_t i = 0; i < count; i++)
		settle_target(moving, of[i], &list[i], store_style(visit->store));
	moving->prepared = true;
	return 0;
}

/* ---- copies that are there already ---- */

static int scan(struct group *group, struct box *box, const struct uidset *uids,
	struct snapshot *rows, struct err *err)
{
	const struct box_scan scan = { .uids = uids, .digests = true };
	struct uidset unknown = { 0 };

	return box_scan(box, &scan, rows, group->visit->arena, &unknown, err);
}

static int scan_target(struct group *group, struct snapshot *rows, struct err *err)
{
	struct box *box = store_open_box(group->visit->store, group->target->real, STORE_READ, err);
	int rc = box ? scan(group, box, NULL, rows, err) : -1;

	box_close(box);
	return rc;
}

/* The part's share of a result is taken off what is left. */
static uint64_t take(struct group *group, struct filter_part *part, const struct uidset *result)
{
	struct arena *arena = group->visit->arena;
	const struct uidset share = uidset_common(&part->left, result, arena);

	if (share.count == 0)
		return 0;
	part->left = uidset_without(&part->left, &share, group->boxed->arena);
	part->unknown = uidset_without(&part->unknown, &share, group->boxed->arena);
	return uidset_size(&share);
}

static bool is_of(const struct group *group, const struct filter_part *part)
{
	const struct filtering *filtering = group->moving->filtering;

	return part_is_local(filtering, part) && part->left.count > 0 &&
	       target_of(group->moving, part) == group->target &&
	       part_rule(filtering, part)->copy == group->copy;
}

/* A copy rule leaves the message where it is, so that every run meets it again: what the target holds already is not copied a second time. */
static int leave_out_there(
	struct group *group, struct box *box, const struct snapshot *target, struct err *err)
{
	struct there found;

	if (there_find(group->visit, box, &group->asked, target, &found, err) < 0)
		return -1;
	for (size_t i = 0; i < group->boxed->box.parts; i++) {
		struct filter_part *part = &group->boxed->box.part[i];

		if (!is_of(group, part))
			continue;
		part->counts.there += take(group, part, &found.there);
		part->counts.gone += take(group, part, &found.gone);
		part->unknown = uidset_without(&part->left, &found.missing, group->boxed->arena);
	}
	group->asked = found.missing;
	return 0;
}

/* ---- one mailbox and one target ---- */

/* What is in doubt was asked for, or left out for a doubt of its own. */
static void note_unknown(
	struct group *group, struct filter_part *part, const struct relocation *work)
{
	struct arena *arena = group->boxed->arena;
	const struct uidset doubt = uidset_common(&part->left, &work->unknown, group->visit->arena);

	part->unknown = uidset_without(&part->unknown, &work->stayed, arena);
	uidset_add_set(&part->unknown, arena, &doubt);
}

/* Whatever became of it, what is certain is counted. */
static void count_results(struct group *group, const struct relocation *work)
{
	for (size_t i = 0; i < group->boxed->box.parts; i++) {
		struct filter_part *part = &group->boxed->box.part[i];
		uint64_t *done = group->copy ? &part->counts.copied : &part->counts.moved;

		if (!is_of(group, part))
			continue;
		*done += take(group, part, &work->moved);
		part->counts.gone += take(group, part, &work->gone);
		note_unknown(group, part, work);
	}
}

static int relocate_group(struct group *group, struct box **box, struct err *err)
{
	struct relocation work = { .target = group->target->real,
		.uids = &group->asked,
		.copy = group->copy,
		.expunge_all = group->moving->filtering->request.settings->expunge_all };
	int rc;

	if (group->asked.count == 0 && !relocate_pending(group->visit, group->target->real))
		return 0;
	rc = relocate(group->visit, box, &work, err);
	count_results(group, &work);
	return rc;
}

static int work_on(struct group *group, struct err *err)
{
	/* Messages that came since the last round cannot have been copied in it. */
	const bool look = group->copy && !group->target->created && !group->boxed->fresh;
	struct snapshot target;
	struct box *box = NULL;
	int rc = 0;

	snapshot_init(&target, true);
	if (look)
		rc = scan_target(group, &target, err);
	if (rc == 0) {
		box = store_open_box(group->visit->store, group->boxed->box.mailbox,
			group->copy ? STORE_READ : STORE_WRITE, err);
		rc = box ? walk_check_uids(box, group->boxed->box.uidvalidity, err) : -1;
	}
	if (rc == 0 && look)
		rc = leave_out_there(group, box, &target, err);
	snapshot_release(&target);
	if (rc == 0)
		rc = relocate_group(group, &box, err);
	box_close(box);
	return rc;
}

/* All parts that go where this one goes. */
static void gather(struct group *group, bool *tried)
{
	for (size_t i = 0; i < group->boxed->box.parts; i++) {
		struct filter_part *part = &group->boxed->box.part[i];

		if (!is_of(group, part))
			continue;
		tried[i] = true;
		part->target = group->target->real;
		uidset_add_set(&group->asked, group->visit->arena, &part->left);
	}
}

static int move(void *context, struct walk_visit *visit, struct err *err)
{
	struct moving *moving = context;
	struct boxed *boxed = visit->place->data;
	bool *tried = arena_array(visit->arena, boxed->box.parts + 1, sizeof(bool));
	struct err first = ERR_INIT;

	for (size_t i = 0; i < boxed->box.parts; i++) {
		struct filter_part *part = &boxed->box.part[i];
		struct group group = { .moving = moving, .visit = visit, .boxed = boxed };
		struct err local = ERR_INIT;

		if (tried[i] || !part_is_local(moving->filtering, part) || part->left.count == 0)
			continue;
		group.target = target_of(moving, part);
		group.copy = part_rule(moving->filtering, part)->copy;
		if (group.target->failed ||
			(moving->broken_off && !relocate_pending(visit, group.target->real)))
			continue;
		gather(&group, tried);
		if (work_on(&group, &local) == 0)
			continue;
		if (first.scope == ERR_NONE || local.scope >= ERR_CONN)
			first = local;
		if (local.scope >= ERR_CONN)
			break;
	}
	if (first.scope == ERR_NONE)
		return 0;
	*err = first;
	return -1;
}

/* ---- all of them ---- */

static int prepare_all(struct moving *moving, struct err *err)
{
	if (walk_visit(moving->filtering->walk, prepare, moving, wants_first, err) < 0)
		return -1;
	if (moving->prepared)
		return 0;
	if (moving->first->err)
		*err = *moving->first->err;
	return err_rescope(err, ERR_ACCOUNT);
}

static int move_all(struct moving *moving, struct err *err)
{
	struct filtering *filtering = moving->filtering;
	int rc;

	for (size_t i = 0; i < filtering->count; i++) {
		note_targets(moving, &filtering->boxed[i]);
		if (!moving->first && has_work(filtering, &filtering->boxed[i]))
			moving->first = filtering->boxed[i].place;
	}
	if (!moving->first)
		return 0;
	if (prepare_all(moving, err) < 0)
		return -1;
	/*
	 * What a run left in two mailboxes is brought to its end before anything else moves: once its copy had gone on to a third, by another rule, nobody could tell
	 * that it had arrived.
	 */
	moving->broken_off = true;
	rc = walk_has_intents(filtering->walk)
		     ? walk_visit(filtering->walk, move, moving, wants, err)
		     : 0;
	moving->broken_off = false;
	if (rc == 0)
		rc = walk_visit(filtering->walk, move, moving, wants, err);
	for (size_t i = 0; i < filtering->count; i++)
		if (filtering->boxed[i].place->err)
			filtering->boxed[i].box.err = filtering->boxed[i].place->err;
	return rc;
}

int filtering_move(struct filtering *filtering, struct err *err)
{
	struct moving moving = { .filtering = filtering, .targets = map_new(filtering->arena) };
	const int rc = move_all(&moving, err);

	map_free(moving.targets);
	return rc;
}
