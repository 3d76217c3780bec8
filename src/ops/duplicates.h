/*
 * Which of many messages are the same, and which of the same one stays. Pure: a table goes in, a table comes out; nothing in it knows of stores.
 *
 * Two steps, since bodies are dear: duplicates_ask() marks the rows whose content has to be known, the caller reads it, duplicates_decide() decides. A row whose
 * content is needed and not known is nobody's duplicate, and so is one without a key.
 *
 * What makes messages the same, all of it together:
 * - the key: Message-ID, the headers named, or the header digest;
 * - the mailbox, unless `across`; the second of arrival, with `with_date`;
 * - the content, with `verify` or DUPLICATES_BY_CONTENT; else with DUPLICATES_BY_AUTO wherever headers and size leave doubt: among messages with equal keys one
 *   has no Message-ID or no certain size, or sizes differ.
 * Of N equal messages one stays, and it is none that is marked as deleted; where all of them are, there is nothing to decide.
 *
 * Owner: the caller. Threads: any. Memory: a row (64 octets) and 4 a message.
 *
 *	rows sorted by (box, uid), the box that is to keep its copies first
 *	if (duplicates_ask(rows, count, &policy) > 0) … fill content of the rows with DUPLICATE_ASKED
 *	duplicates_decide(rows, count, &policy, &sum);
 *	for (…) if (rows[i].kept != DUPLICATE_STAYS) … a copy of rows[rows[i].kept]
 */
#ifndef OPS_DUPLICATES_H
#define OPS_DUPLICATES_H

#include "base/digest.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum duplicates_by { /* as --by */
	DUPLICATES_BY_AUTO,
	DUPLICATES_BY_MESSAGE_ID,
	DUPLICATES_BY_HEADER,
	DUPLICATES_BY_CONTENT,
};

enum duplicates_keep { /* as --keep; among equals the first */
	DUPLICATES_KEEP_FIRST,
	DUPLICATES_KEEP_LAST,
	DUPLICATES_KEEP_FLAGGED,
	DUPLICATES_KEEP_LARGEST,
};

enum duplicate_attr {
	DUPLICATE_HAS_KEY = 1,
	DUPLICATE_HAS_CONTENT = 2,
	DUPLICATE_HAS_MESSAGE_ID = 4, /* and it is not empty */
	DUPLICATE_FLAGGED = 8,
	DUPLICATE_DELETED = 16, /* marked as deleted */
	DUPLICATE_ASKED = 32, /* duplicates_ask(): the content is needed */
	DUPLICATE_KEPT = 64, /* duplicates_decide(): it is the one that stays of several */
	DUPLICATE_CLOSED = 128, /* the caller's: a multipart that was read to its end */
};

#define DUPLICATE_STAYS UINT32_MAX

struct duplicate {
	struct digest128 key, content;
	int64_t instant; /* of arrival; DATE_UNKNOWN is nobody's equal */
	uint32_t box, uid;
	uint32_t size; /* UINT32_MAX = not known, or that or more */
	uint32_t kept; /* the row whose copy it is, or DUPLICATE_STAYS */
	uint8_t attr; /* enum duplicate_attr */
	uint8_t fate; /* the caller's */
};

struct duplicates_policy {
	enum duplicates_by by;
	enum duplicates_keep keep;
	bool across, with_date;
	bool verify; /* content decides in any case */
};

struct duplicates_sum {
	uint64_t groups; /* of messages that are the same */
	uint64_t copies; /* that don't stay */
	uint64_t
		differing; /* the key is that of others, the content is not, or is not known: stay */
};

/* Marks, and returns how many are marked. count < DUPLICATE_STAYS. */
size_t duplicates_ask(struct duplicate *rows, size_t count, const struct duplicates_policy *policy);
void duplicates_decide(struct duplicate *rows, size_t count, const struct duplicates_policy *policy,
	struct duplicates_sum *sum);

#endif
