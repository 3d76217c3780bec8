/* UIDs that are in every target, by source mailbox. */
#include "ops/proven.h"

#include "base/arena.h"
#include "base/map.h"
#include "base/mem.h"

struct proven {
	struct arena *arena;
	struct map *mailboxes; /* name -> struct entry */
};

struct entry {
	uint32_t uidvalidity;
	unsigned rounds; /* that have had their say */
	struct uidset uids;
};

struct proven *proven_new(void)
{
	struct proven *proven = mem_alloc(sizeof(*proven));

	proven->arena = arena_new();
	proven->mailboxes = map_new(proven->arena);
	return proven;
}

void proven_free(struct proven *proven)
{
	if (!proven)
		return;
	map_free(proven->mailboxes);
	arena_free(proven->arena);
	mem_free(proven);
}

static struct entry *first_say(struct proven *proven, const char *mailbox, uint32_t uidvalidity)
{
	struct entry *entry = arena_alloc(proven->arena, sizeof(*entry));

	*entry = (struct entry){ .uidvalidity = uidvalidity };
	(void)map_set(proven->mailboxes, span_of(arena_strdup(proven->arena, mailbox)), entry);
	return entry;
}

void proven_cut(struct proven *proven, unsigned round, const char *mailbox, uint32_t uidvalidity,
	struct uidset *uids, struct arena *arena)
{
	struct entry *entry = round == 0 ? first_say(proven, mailbox, uidvalidity)
					 : map_find(proven->mailboxes, span_of(mailbox));
	struct uidset all = { 0 };

	if (!entry || entry->rounds != round || entry->uidvalidity != uidvalidity) {
		*uids = all;
		return;
	}
	if (round == 0)
		uidset_add_set(&all, proven->arena, uids);
	else
		all = uidset_common(uids, &entry->uids, proven->arena);
	entry->uids = all;
	entry->rounds++;
	*uids = (struct uidset){ 0 };
	uidset_add_set(uids, arena, &all);
}
