/*
 * What a person writes to search for, as one IMAP SEARCH expression: words such as from=anna, "header Received=mx", unseen, with OR, NOT (both in front of what
 * they mean), AND (implied) and parentheses. Values are quoted, so that none can be more than a value.
 *
 * Owner: none. Threads: any.
 *
 *	search_terms(word, count, now, arena, err)   // OR from=anna subject="a \"b\"" → OR FROM "anna" SUBJECT "a \"b\""
 */
#ifndef OPS_SEARCH_TERMS_H
#define OPS_SEARCH_TERMS_H

#include "base/must.h"

#include <stdint.h>

struct arena;
struct err;

/* NULL: ERR_LOCAL kind USAGE. now: for dates such as 30d. */
const char *search_terms(
	char *const *word, size_t count, int64_t now, struct arena *arena, struct err *err);

#endif
