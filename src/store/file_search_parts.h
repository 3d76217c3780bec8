/*
 * What the files of file_search.h share: file_search.c (evaluation) and file_search_parse.c (the grammar). For these only.
 *
 * Owner: the search. Threads: one at a time.
 */
#ifndef STORE_FILE_SEARCH_PARTS_H
#define STORE_FILE_SEARCH_PARTS_H

#include "base/arena.h"
#include "base/err.h"
#include "mail/uidset.h"
#include "store/file_search.h"

#define FILE_SEARCH_MAX 65536 /* octets of an expression */
#define FILE_SEARCH_DEPTH_MAX 100

enum search_key {
	SEARCH_ALL,
	SEARCH_NONE,
	SEARCH_AND,
	SEARCH_OR,
	SEARCH_NOT,
	SEARCH_FLAG,
	SEARCH_NO_FLAG,
	SEARCH_NUMBERS, /* a sequence set */
	SEARCH_UIDS,
	SEARCH_BEFORE,
	SEARCH_ON,
	SEARCH_SINCE,
	SEARCH_OLDER,
	SEARCH_YOUNGER,
	SEARCH_LARGER,
	SEARCH_SMALLER,
	SEARCH_SENT_BEFORE,
	SEARCH_SENT_ON,
	SEARCH_SENT_SINCE,
	SEARCH_FIELD,
	SEARCH_BODY,
	SEARCH_TEXT,
};

enum search_verdict { SEARCH_OPEN, SEARCH_FALSE, SEARCH_TRUE };

struct search_node {
	enum search_key key;
	struct search_node *first, *next; /* operands; the next one of the same operator */
	struct span name; /* of a field or flag */
	struct span needle; /* folded */
	int64_t number; /* day since 1970; seconds since 1970; octets */
	struct uidset set;
	enum search_verdict verdict; /* of the message at hand */
};

/* The tree, in the arena; every leaf is counted. NULL: err says what is wrong. */
struct search_node *file_search_parse(
	struct span text, int64_t now, struct arena *arena, size_t *leaves_out, struct err *err);
/* The day as it is written, whatever the zone. */
int64_t file_search_day(struct date date);

#endif
