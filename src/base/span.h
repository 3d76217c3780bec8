/*
 * Borrowed bytes: a pointer and a length, never NUL-terminated by contract.
 *
 * Owner: nobody. Lifetime: that of the memory pointed at; a span never outlives the call that
 * gave it unless the callee says otherwise. Threads: any.
 *
 *	if (span_equal_nocase(word, SPAN("INBOX")))
 *		...
 */
#ifndef BASE_SPAN_H
#define BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct span {
	const char *data;
	size_t len;
};

#define SPAN(literal) ((struct span){ "" literal, sizeof(literal) - 1 })

struct span span_of(const char *text); /* NULL gives the empty span with data NULL */
struct span span_make(const char *data, size_t len);
bool span_equal(struct span a, struct span b);
bool span_equal_nocase(struct span a, struct span b); /* ASCII case only */
bool span_equal_text(struct span a, const char *text);
bool span_starts(struct span a, struct span prefix);
bool span_starts_nocase(struct span a, struct span prefix);
bool span_ends(struct span a, struct span suffix);
/* Position of a byte, or SIZE_MAX. */
size_t span_find(struct span a, char byte);
/* The part from offset (clamped) to the end; at most len bytes from offset. */
struct span span_from(struct span a, size_t offset);
struct span span_sub(struct span a, size_t offset, size_t len);
/* Without leading and trailing blanks, tabs, CR and LF. */
struct span span_trim(struct span a);
/* Parses all of a as an unsigned decimal, 1..20 digits, no sign; false on anything else or overflow. */
bool span_u64(struct span a, uint64_t *out);
bool span_u32(struct span a, uint32_t *out);
/* memcmp order, the shorter first. */
int span_compare(struct span a, struct span b);

#endif
