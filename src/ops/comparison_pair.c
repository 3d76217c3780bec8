/* Which mailboxes are compared with which. */
#include "ops/comparison_parts.h"

#include "base/map.h"
#include "mail/mailbox_name.h"
#include "ops/names.h"

struct pairing {
	struct comparison *job;
	struct side *first, *other;
	struct arena *arena;
	struct map *units; /* name at the other → unit */
};

static struct unit *add_unit(struct pairing *pairing, const char *a, const char *b)
{
	struct comparison *job = pairing->job;
	struct unit *unit = arena_alloc(job->arena, sizeof(*unit));

	unit->other = pairing->other;
	unit->box.a = arena_strdup(job->arena, a);
	unit->box.b = arena_strdup(job->arena, b);
	if (job->units == job->unit_room) {
		const size_t room = job->unit_room ? 2 * job->unit_room : 64;

		job->unit = arena_grow(
			job->arena, job->unit, job->unit_room, room, sizeof(struct unit *));
		job->unit_room = room;
	}
	job->unit[job->units++] = unit;
	return unit;
}

static void join(struct comparison *job, struct unit *unit, struct seen *seen)
{
	seen->unit = arena_grow(
		job->arena, seen->unit, seen->units, seen->units + 1, sizeof(struct unit *));
	seen->unit[seen->units++] = unit;
	seen->waiting++;
	unit->waiting++;
}

static void join_a(struct comparison *job, struct unit *unit, struct seen *seen)
{
	unit->a = arena_grow(
		job->arena, unit->a, unit->a_count, unit->a_count + 1, sizeof(struct seen *));
	unit->a[unit->a_count++] = seen;
	unit->box.a_there = true;
	join(job, unit, seen);
}

static void join_b(struct comparison *job, struct unit *unit, struct seen *seen)
{
	unit->b = seen;
	unit->box.b_there = true;
	join(job, unit, seen);
}

static struct seen *find_seen(const struct side *side, const struct mailbox_info *info)
{
	for (size_t i = 0; i < walk_count(side->walk); i++)
		if (side->seen[i].info == info)
			return &side->seen[i];
	return NULL;
}

/* The first's mailboxes that were chosen, as a list of their own. */
static struct mailbox_list chosen(const struct pairing *pairing)
{
	struct mailbox_list list = *walk_list(pairing->first->walk);

	list.count = walk_count(pairing->first->walk);
	list.mailbox = arena_array(pairing->arena, list.count + 1, sizeof(*list.mailbox));
	for (size_t i = 0; i < list.count; i++)
		list.mailbox[i] = *pairing->first->seen[i].info;
	return list;
}

static int make_pairs(const struct pairing *pairing, const struct settings *settings,
	const struct mailbox_list *from, struct name_pair **out, size_t *count_out, struct err *err)
{
	const struct name_request request = {
		.src = from,
		.dst = walk_list(pairing->other->walk),
		.src_root = account_mailbox(pairing->first->account),
		.dst_root = account_mailbox(pairing->other->account),
	};
	struct names *names = names_new(settings, err);
	int rc;

	if (!names)
		return -1;
	rc = names_pairs(names, &request, pairing->arena, out, count_out, err);
	names_free(names);
	return rc;
}

static bool is_holder(const struct mailbox_info *info)
{
	return !info->noselect && !info->nonexistent;
}

/* The other takes no such name, and a copy gave the mailbox the nearest one. */
static const struct mailbox_info *find_strict(
	const struct pairing *pairing, const char *name, const struct map *wanted)
{
	const struct mailbox_list *list = walk_list(pairing->other->walk);
	const struct mailbox_style style = walk_style(pairing->other->walk);

	for (size_t i = 0; i < list->count; i++) {
		const struct mailbox_info *info = &list->mailbox[i];

		if (is_holder(info) && !map_has(wanted, span_of(info->name)) &&
			mailbox_is_strict(&style, info->raw, name))
			return info;
	}
	return NULL;
}

static void pair_up(struct pairing *pairing, const struct mailbox_list *from,
	const struct name_pair *pair, const struct map *wanted)
{
	struct comparison *job = pairing->job;
	const struct mailbox_info *there = pair->existing;
	struct unit *unit = map_find(pairing->units, span_of(pair->dst));

	if (!unit) {
		unit = add_unit(pairing, pair->src->name, pair->dst);
		(void)map_set(pairing->units, span_of(unit->box.b), unit);
		if (!there)
			there = find_strict(pairing, pair->dst, wanted);
		if (there && there != pair->existing)
			unit->box.raw = arena_strdup(job->arena, there->raw);
		if (there && is_holder(there) && find_seen(pairing->other, there))
			join_b(job, unit, find_seen(pairing->other, there));
	}
	join_a(job, unit, &pairing->first->seen[pair->src - from->mailbox]);
}

static int pair_chosen(struct pairing *pairing, struct err *err)
{
	const struct mailbox_list list = chosen(pairing);
	struct map *wanted;
	struct name_pair *pairs;
	size_t count;

	if (make_pairs(pairing, pairing->job->request.settings, &list, &pairs, &count, err) < 0)
		return -1;
	wanted = map_new(pairing->arena);
	for (size_t i = 0; i < count; i++)
		(void)map_set(wanted, span_of(pairs[i].dst), &pairs[i]);
	for (size_t i = 0; i < count; i++)
		pair_up(pairing, &list, &pairs[i], wanted);
	map_free(wanted);
	return 0;
}

/* ---- mailboxes that only the other has ---- */

/* Where the one mailbox goes that the first's location names: what the other has elsewhere is none of this comparison. */
static const char *root_at_other(
	const struct pairing *pairing, const struct name_pair *pairs, size_t count)
{
	const char *root = account_mailbox(pairing->first->account);

	if (!root || account_mailbox(pairing->other->account))
		return NULL;
	for (size_t i = 0; i < count; i++)
		if (strcmp(pairs[i].src->name, root) == 0)
			return pairs[i].dst;
	return root;
}

static bool is_extra(const struct pairing *pairing, const struct seen *seen,
	const struct map *mapped, const char *root)
{
	const struct comparison_request *request = &pairing->job->request;
	const char *name = seen->info->name;

	return seen->units == 0 && !map_has(mapped, span_of(name)) &&
	       (!root || mailbox_below(root, name)) &&
	       names_are_below(request->settings, account_mailbox(pairing->other->account), name,
		       pairing->arena) &&
	       select_mailbox(walk_select(pairing->first->walk), seen->info, false);
}

/* They are only looked into where they count, or go into a manifest. */
static void add_extra_box(struct pairing *pairing, struct seen *seen)
{
	struct unit *unit = add_unit(pairing, NULL, seen->info->name);

	if (pairing->job->request.both || comparison_manifest_wanted(pairing->other)) {
		join_b(pairing->job, unit, seen);
		return;
	}
	unit->box.b_there = true;
	unit->box.result.b = unit->box.result.extra = seen->info->messages;
	unit->decided = true;
}

/* What the first has may be left out by options and still stand there: such mailboxes are not extra. */
static int add_extra(struct pairing *pairing, struct err *err)
{
	struct settings settings = *pairing->job->request.settings;
	struct name_pair *pairs;
	struct map *mapped;
	const char *root;
	size_t count;

	settings.merge = true;
	if (make_pairs(pairing, &settings, walk_list(pairing->first->walk), &pairs, &count, err) <
		0)
		return -1;
	mapped = map_new(pairing->arena);
	for (size_t i = 0; i < count; i++)
		(void)map_set(mapped, span_of(pairs[i].dst), &pairs[i]);
	root = root_at_other(pairing, pairs, count);
	for (size_t i = 0; i < walk_count(pairing->other->walk); i++) {
		struct seen *seen = &pairing->other->seen[i];

		if (is_extra(pairing, seen, mapped, root))
			add_extra_box(pairing, seen);
	}
	map_free(mapped);
	return 0;
}

int comparison_pair(struct comparison *job, struct side *other, struct err *err)
{
	struct pairing pairing = {
		.job = job, .first = &job->side[0], .other = other, .arena = arena_new()
	};
	int rc;

	pairing.units = map_new(pairing.arena);
	rc = pair_chosen(&pairing, err);
	if (rc == 0 && !pairing.first->part_mailboxes)
		rc = add_extra(&pairing, err);
	map_free(pairing.units);
	arena_free(pairing.arena);
	return rc;
}
