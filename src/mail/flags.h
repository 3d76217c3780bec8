/*
 * Flag sets as small integers: every distinct set of IMAP flags and keywords seen by a lane is interned once, so that a
 * message's flags are four bytes in a column and comparing two sets is comparing two ids (RFC 3501 §2.3.2).
 *
 * Owner: the lane (or a test). Lifetime: ids are valid as long as the table. Threads: one at a time, but flags_parse() beside itself.
 *
 *	struct flag_table *table = flag_table_new();
 *	flags_t a = flags_parse(table, SPAN("\\Seen $Forwarded"));
 *	printf("(%s)", flags_text(table, a));
 */
#ifndef MAIL_FLAGS_H
#define MAIL_FLAGS_H

#include "base/must.h"
#include "base/span.h"

typedef uint32_t flags_t; /* 0 = the empty set */

struct flag_table;

struct flag_table *flag_table_new(void);
void flag_table_free(struct flag_table *table);

/*
 * A set from names separated by blanks, in any order: case of the system flags made canonical, keywords compared without case but
 * spelt as first seen; duplicates and \Recent dropped; names with bytes that no atom can hold are dropped. At most 65,536 sets and 4,096
 * names a table: what is beyond is dropped, and flag_table_dropped() counts it.
 */
flags_t flags_parse(struct flag_table *table, struct span names);
flags_t flags_add(struct flag_table *table, flags_t set, struct span name);
size_t flag_table_dropped(const struct flag_table *table);
/* Canonical text: system flags in fixed order, then keywords sorted without case, one blank between. Lives as long as the table. */
const char *flags_text(const struct flag_table *table, flags_t set);
bool flags_has(const struct flag_table *table, flags_t set, struct span name);
size_t flags_count(const struct flag_table *table, flags_t set);
struct span flags_at(const struct flag_table *table, flags_t set, size_t index);

flags_t flags_union(struct flag_table *table, flags_t a, flags_t b);
flags_t flags_intersect(struct flag_table *table, flags_t a, flags_t b);
flags_t flags_minus(struct flag_table *table, flags_t a, flags_t b);
flags_t flags_system(struct flag_table *table, flags_t set); /* without keywords */
/* What a PERMANENTFLAGS list lets be stored (any_keyword: it held \*). */
flags_t flags_allowed(struct flag_table *table, flags_t set, flags_t permanent, bool any_keyword);
/*
 * Three-way merge: what the source added or removed since src_base is done to dst_now. A flag the destination refused is in src_base
 * but not in dst_base, so it reads neither as a user's removal there nor as news here.
 */
flags_t flags_merge3(struct flag_table *table, flags_t src_base, flags_t src_now, flags_t dst_base,
	flags_t dst_now);

#endif
