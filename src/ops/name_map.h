/*
 * The file of --map: which mailbox goes where, one a line. Pure but for reading the file.
 *
 *	line    = blanks (comment / entry) blanks
 *	comment = "#" …
 *	entry   = source ":" destination
 *	name    = quoted / plain            a plain name holds no ':' but as "\:", and "\\" for '\'; blanks around it don't count
 *	quoted  = DQUOTE … DQUOTE           with \" and \\ inside; nothing else is special
 *
 * A plain source that ends in a level of one or two asterisks is the mailbox with all below it; what is below goes below the destination.
 * An exact line comes before a subtree, the nearest subtree before others. INBOX is written in any case.
 *
 * Owner: the arena. Threads: any, immutable.
 */
#ifndef OPS_NAME_MAP_H
#define OPS_NAME_MAP_H

#include "base/must.h"
#include "base/span.h"

struct arena;
struct err;
struct name_map;

/* NULL with a usage error "FILE:LINE: …". name_map_free() before the arena. */
struct name_map *name_map_read(const char *path, struct arena *arena, struct err *err);
struct name_map *name_map_parse(const char *path, struct span text, struct arena *arena,
	struct err *err); /* path: for errors */
void name_map_free(struct name_map *map);
/* Where it goes, or NULL when no line names it; memory of the arena given here or of the map. */
const char *name_map_find(const struct name_map *map, const char *name, struct arena *arena);

/* Why no mailbox can be called so (an empty level, control characters, too long …), or NULL. */
const char *name_problem(struct span name);
/* "inbox" in any case becomes "INBOX"; else the name itself. */
const char *name_canonical(const char *name);

#endif
