/*
 * One line of an inventory as fields: a JSON object (RFC 8259) of texts, whole numbers, true, false and null, nothing inside one another.
 *
 * Owner: texts are in the arena. Threads: any.
 *
 *	if (inventory_line_parse(line, arena, &fields) < 0 || inventory_line_u64(&fields, "uid", UINT32_MAX, &uid) < 0) …
 */
#ifndef STORE_INVENTORY_LINE_H
#define STORE_INVENTORY_LINE_H

#include "base/must.h"
#include "base/span.h"

#define INVENTORY_FIELDS 24

struct arena;

enum inventory_kind {
	INVENTORY_TEXT,
	INVENTORY_NUMBER,
	INVENTORY_TRUE,
	INVENTORY_FALSE,
	INVENTORY_NULL
};

struct inventory_field {
	struct span key, text;
	int64_t number;
	enum inventory_kind kind;
};

struct inventory_fields {
	struct inventory_field field[INVENTORY_FIELDS];
	size_t count;
};

/* -1: anything else than such an object, a key twice, too many of them, a text that is no UTF-8 or holds NUL. */
int inventory_line_parse(
	struct span line, struct arena *arena, struct inventory_fields *out) MUST_CHECK;
/* NULL: there is none of this name. */
const struct inventory_field *inventory_line_find(
	const struct inventory_fields *fields, const char *key);
/* -1: not there, or of another kind; of the _null ones null is allowed, and gives data NULL or *out unchanged. */
int inventory_line_text(
	const struct inventory_fields *fields, const char *key, struct span *out) MUST_CHECK;
int inventory_line_text_null(
	const struct inventory_fields *fields, const char *key, struct span *out) MUST_CHECK;
int inventory_line_u64(const struct inventory_fields *fields, const char *key, uint64_t most,
	uint64_t *out) MUST_CHECK;
int inventory_line_i64_null(
	const struct inventory_fields *fields, const char *key, int64_t *out) MUST_CHECK;
int inventory_line_bool(
	const struct inventory_fields *fields, const char *key, bool *out) MUST_CHECK;

#endif
