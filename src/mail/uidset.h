/*
 * Sets of UIDs as sorted, disjoint ranges (RFC 3501 §9 sequence-set); never expanded, so a hostile 1:4294967295 costs one range.
 *
 * Owner: the arena given. Threads: one at a time.
 */
#ifndef MAIL_UIDSET_H
#define MAIL_UIDSET_H

#include "base/must.h"
#include "base/span.h"

struct arena;
struct buf;

struct uid_range {
	uint32_t first, last; /* 1..4294967295, first <= last */
};

struct uidset {
	struct uid_range *range;
	size_t count, room;
};

#define UIDSET_RANGES_MAX 1000000

/* "1:5,7,9:3,*" ('*' is UINT32_MAX; reversed ranges are turned; sorted and merged). -1: bad syntax, a zero, or too many ranges. */
int uidset_parse(struct span text, struct arena *arena, struct uidset *out) MUST_CHECK;
/* In the order given, unmerged: for APPENDUID and COPYUID (RFC 4315 §3), where position matters. */
int uidset_parse_ordered(struct span text, struct arena *arena, struct uidset *out) MUST_CHECK;
/* any order; merges; cheap when ascending */
void uidset_add(struct uidset *set, struct arena *arena, uint32_t first, uint32_t last);
void uidset_add_set(struct uidset *set, struct arena *arena, const struct uidset *more);
/* UIDs that are in both; those of a that are not in b. New memory of the arena. */
struct uidset uidset_common(const struct uidset *a, const struct uidset *b, struct arena *arena);
struct uidset uidset_without(const struct uidset *a, const struct uidset *b, struct arena *arena);
bool uidset_has(const struct uidset *set, uint32_t uid); /* binary search */
uint64_t uidset_size(const struct uidset *set); /* number of UIDs */
/* the n-th UID (0-based) in order of ranges, or 0 */
uint32_t uidset_at(const struct uidset *set, uint64_t n);
/* Writes ranges from *next on until max_len octets are reached; advances *next; false when nothing was left to write. */
bool uidset_print(const struct uidset *set, size_t *next, size_t max_len, struct buf *out);

#endif
