/* --automap: which mailbox of the source is its Sent, and which of the destination's. */
#include "ops/automap.h"

#include "base/arena.h"
#include "base/map.h"
#include "mail/mailbox_name.h"

#define USES (STORE_USE_TRASH + 1)

struct automap {
	const char *from[USES]; /* NULL = none */
	const char *to[USES];
};

/* The best mailbox of each use so far. */
struct holders {
	const char *name[USES];
	size_t rank[USES]; /* 0 = by special use, else by place in the table of names */
};

/* Where servers and mail programs put special mailboxes: at the top, below INBOX, below Gmail's own. */
static const char *const parents[] = { "", "INBOX/", "[Gmail]/", "[Google Mail]/" };

/* Folded name → its row of the table. */
static struct map *fold_names(struct arena *arena)
{
	struct map *map = map_new(arena);

	for (size_t i = 0; i < automap_name_count; i++) {
		struct span key = span_of(mailbox_fold(automap_names[i].name, arena));

		if (!map_has(map, key))
			map_set(map, key, (void *)(uintptr_t)&automap_names[i]);
	}
	return map;
}

static const struct automap_name *find_name(
	const struct map *names, const char *name, struct arena *arena)
{
	for (size_t i = 0; i < countof(parents); i++) {
		struct span parent = span_of(parents[i]);
		const char *last = name + parent.len;

		if (!span_starts_nocase(span_of(name), parent) || strchr(last, '/') != NULL)
			continue;
		return map_find(names, span_of(mailbox_fold(last, arena)));
	}
	return NULL;
}

static void hold(struct holders *holders, enum store_use use, size_t rank, const char *name)
{
	if (holders->name[use] != NULL && holders->rank[use] <= rank)
		return;
	holders->name[use] = name;
	holders->rank[use] = rank;
}

static void consider(struct holders *holders, const struct map *names, const char *name,
	enum store_use use, struct arena *arena)
{
	const struct automap_name *known;

	if (mailbox_is_inbox(name))
		return;
	if (use != STORE_USE_NONE) {
		hold(holders, use, 0, name);
		return;
	}
	known = find_name(names, name, arena);
	if (known != NULL)
		hold(holders, known->use, (size_t)(known - automap_names) + 1, name);
}

/* The name below the root, or NULL. */
static const char *below(const char *root, const char *name)
{
	size_t len = root != NULL ? strlen(root) : 0;

	if (len == 0)
		return name;
	return mailbox_below(root, name) && name[len] == '/' ? name + len + 1 : NULL;
}

static void consider_list(struct holders *holders, const struct map *names,
	const struct mailbox_list *list, const char *root, struct arena *arena)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct mailbox_info *mailbox = &list->mailbox[i];
		const char *name = below(root, mailbox->name);

		if (name != NULL && !mailbox->noselect && !mailbox->nonexistent)
			consider(holders, names, name, mailbox->use, arena);
	}
}

const char *automap_holder(const struct mailbox_list *list, enum store_use use, struct arena *arena)
{
	struct map *names = fold_names(arena);
	struct holders holders = { 0 };

	consider_list(&holders, names, list, NULL, arena);
	map_free(names);
	return holders.name[use];
}

void automap_uses(const struct mailbox_list *list, enum store_use *use, struct arena *arena)
{
	struct map *names = fold_names(arena);

	for (size_t i = 0; i < list->count; i++) {
		const struct mailbox_info *mailbox = &list->mailbox[i];
		const struct automap_name *known =
			mailbox->use == STORE_USE_NONE && !mailbox_is_inbox(mailbox->name)
				? find_name(names, mailbox->name, arena)
				: NULL;

		use[i] = known ? known->use : mailbox->use;
	}
	map_free(names);
}

struct automap *automap_new(const struct automap_request *request, struct arena *arena)
{
	struct automap *map = arena_alloc(arena, sizeof(*map));
	struct holders src = { 0 }, dst = { 0 };
	struct map *names = fold_names(arena);

	for (size_t i = 0; i < request->count; i++)
		consider(&src, names, request->src[i].name, request->src[i].use, arena);
	consider_list(&dst, names, request->dst, request->dst_root, arena);
	for (size_t use = 0; use < USES; use++) {
		if (src.name[use] == NULL || dst.name[use] == NULL)
			continue;
		map->from[use] = src.name[use];
		map->to[use] = dst.name[use];
	}
	map_free(names);
	return map;
}

const char *automap_find(const struct automap *map, const char *name, struct arena *arena)
{
	size_t best = STORE_USE_NONE, best_len = 0;

	for (size_t use = STORE_USE_NONE + 1; use < USES;
		use++) { /* the nearest: a Trash may be below Archive */
		if (map->from[use] == NULL || !mailbox_below(map->from[use], name) ||
			strlen(map->from[use]) <= best_len)
			continue;
		best = use;
		best_len = strlen(map->from[use]);
	}
	if (best == STORE_USE_NONE)
		return NULL;
	return arena_print(arena, "%s%s", map->to[best], name + best_len);
}
