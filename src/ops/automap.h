/*
 * --automap: the source's Sent, Drafts, Trash, Junk, Archive … go to the destination's, whatever the two call them: by special use
 * (RFC 6154) first, then by the names that mail programs give in many languages. Children go along.
 *
 * Owner: the arena. Threads: one at a time while it is made, then any.
 *
 *	map = automap_new(&request, arena);
 *	target = automap_find(map, "Gesendet/2023", arena);     // "Sent Items/2023", or NULL: no such mailbox, the name stays
 */
#ifndef OPS_AUTOMAP_H
#define OPS_AUTOMAP_H

#include "store/store.h"

struct automap;

struct automap_source { /* a mailbox that may have a special use */
	const char *name; /* as it is called by now */
	enum store_use use;
};

struct automap_request {
	const struct automap_source *src;
	size_t count;
	const struct mailbox_list *dst;
	/* Only what is below it is looked at, and by its name below it; NULL = all. */
	const char *dst_root;
};

struct automap *automap_new(const struct automap_request *request, struct arena *arena);
const char *automap_find(const struct automap *map, const char *name, struct arena *arena);

/* The mailbox of a list that has this use, or by its name would have; NULL = none. */
const char *automap_holder(
	const struct mailbox_list *list, enum store_use use, struct arena *arena);

/* What each mailbox of a list is for, by its use or else its name: use[i] of list->mailbox[i]. */
void automap_uses(const struct mailbox_list *list, enum store_use *use, struct arena *arena);

/* What a mailbox of this name is for, and how usual the name is (0 = the most usual); STORE_USE_NONE when the name tells nothing. */
struct automap_name {
	enum store_use use;
	const char *name;
};
extern const struct automap_name automap_names[];
extern const size_t automap_name_count;

#endif
