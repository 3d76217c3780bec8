/*
 * What differs between two mailboxes: a pure function of two snapshots. Messages are paired as multisets: first by record (a copy wrote down which became
 * which, and the headers of the two do not speak against it), then by digest; among those of one digest the most alike are paired first (content, size, date, flags, in this order). What is left over
 * is missing, or extra, or doubled.
 *
 * Unknown is never equal, and never missing: where a side is incomplete, or has messages without digest, what has no counterpart there is UNKNOWN; so is
 * a pair of which a checked attribute is not known on either side.
 *
 * Where both accounts vouch for one kind of content id (imap/imap_content_id.h, comparison_ids.c), equal ids and equal sizes stand for equal headers: an id that both sides have equally
 * often, with one size, tells its messages apart, and their headers need not be read. All others go by header digest: an id that only one side has proves nothing, for a copy may get a new one. A
 * server that lies in its ids is believed, as one is that lies in its headers; and what happened to a message behind the server's back, on its disk, an id does not tell.
 *
 * Selected messages are paired with selected ones first, then with what the options leave out: a message whose date differs is no missing one.
 *
 * Owner: the caller. Lifetime: the call. Threads: any, one at a time for one flag table. Memory: 8 octets a message meanwhile.
 *
 *	compare_boxes(&(struct compare_request){ .a = { &rows_a, NULL }, .b = { &rows_b, NULL }, .check = COMPARE_FLAGS, .found = print }, &result);
 *	if (result.missing + result.extra + result.doubled + result.differing + result.unknown == 0) … equal
 */
#ifndef OPS_COMPARE_H
#define OPS_COMPARE_H

#include "store/snapshot.h"

enum compare_check { COMPARE_FLAGS = 1, COMPARE_DATE = 2, COMPARE_SIZE = 4, COMPARE_CONTENT = 8 };
#define COMPARE_CHECKS 4

enum compare_proof { /* why two messages are taken for the same */
	PROOF_CONTENT, /* equal content digests */
	PROOF_RECORD, /* a copy recorded that the one became the other */
	PROOF_ID, /* equal content ids and equal size */
	PROOF_DIGEST, /* equal header digest and equal size */
	PROOF_HEADER, /* equal header digest; the sizes differ, or one is not known */
	PROOFS
};

enum compare_by { /* what tells a message apart */
	COMPARE_BY_HEADERS,
	COMPARE_BY_ID,
	COMPARE_ALONE, /* its id: nothing is left on the other side that it could be */
};

struct compare_side {
	const struct snapshot *rows; /* with digests; with contents if they are checked */
	const uint8_t *reason; /* enum select_reason a row; NULL = all selected */
	const uint8_t *by; /* enum compare_by a row; NULL = headers */
};

struct compare_record { /* rows of the two snapshots */
	uint32_t a, b;
};

enum difference_kind {
	DIFFERENCE_MISSING, /* only a has it */
	DIFFERENCE_EXTRA, /* only b has it */
	DIFFERENCE_DOUBLED, /* both have it, b more often */
	DIFFERENCE_IN, /* a pair: `in` says in what */
	DIFFERENCE_UNKNOWN, /* `in`: what of a pair is not known; 0 = whether there is a counterpart */
};

#define NO_ROW UINT32_MAX

struct difference {
	enum difference_kind kind;
	unsigned in; /* enum compare_check bits */
	uint32_t a_row, b_row; /* NO_ROW = none */
	uint32_t a_uid, b_uid; /* 0 = none */
};

struct compare_request {
	struct compare_side a, b; /* flags of both are of one table */
	unsigned check; /* enum compare_check bits */
	bool no_extra; /* the options say nothing of what b has (--uid, --limit) */
	const struct compare_record *record; /* no row twice on either side; NULL = none */
	size_t records;
	void (*found)(void *context, const struct difference *difference); /* NULL allowed */
	void *context;
};

struct compare_result {
	uint64_t a, b; /* selected messages */
	uint64_t equal; /* pairs */
	uint64_t missing, extra, doubled, differing, unknown;
	uint64_t in[COMPARE_CHECKS]; /* of the differing pairs, by bit of enum compare_check */
	uint64_t proved[PROOFS]; /* of all pairs, also those that differ */
	/*
	 * b has more than a: whether it is doubled the headers would tell, of all messages of a and of those of b that are COMPARE_ALONE. Without them it is unknown.
	 */
	bool headers_wanted;
};

/* Of rows with ids: fills enum compare_by for each row of both. */
void compare_by_ids(
	const struct snapshot *a, const struct snapshot *b, uint8_t *a_out, uint8_t *b_out);
void compare_boxes(const struct compare_request *request, struct compare_result *out);

#endif
