/*
 * The memory of one scope (an event, a mailbox, a job), freed as a whole. Allocation never fails (mem.h).
 *
 * Owner: whoever created it. Lifetime: until arena_free(), contents until arena_clear(). Threads: one at a time.
 *
 *	struct arena *arena = arena_new();
 *	char *name = arena_print(arena, "%s/%s", parent, child);
 *	arena_free(arena);
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/must.h"
#include "base/span.h"

#include <stdarg.h>

struct arena;

struct arena *arena_new(void); /* costs no block until the first allocation */
void arena_clear(struct arena *arena); /* forgets everything, keeps at most one block for reuse */
void arena_free(struct arena *arena); /* accepts NULL */

/* zeroed, aligned for any type */
void *arena_alloc(struct arena *arena, size_t size) NEVER_NULL;
void *arena_array(struct arena *arena, size_t count, size_t size) NEVER_NULL;
/* Grows the most recent allocation in place where possible, else copies; new part zeroed. old may be NULL, and is gone afterwards. */
void *arena_grow(
	struct arena *arena, void *old, size_t old_count, size_t new_count, size_t size) NEVER_NULL;
char *arena_strdup(struct arena *arena, const char *text); /* NULL gives NULL */
char *arena_text(struct arena *arena, struct span bytes); /* NUL-terminated copy */
/* copy, also NUL-terminated behind len */
struct span arena_span(struct arena *arena, struct span bytes);
char *arena_print(struct arena *arena, const char *fmt, ...) MUST_FORMAT(2, 3);
size_t arena_used(const struct arena *arena); /* bytes held from the system */

#endif
