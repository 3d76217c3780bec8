/*
 * What the files of filtering share: filtering.c (deciding), filtering_move.c (within the account), filtering_send.c (to other places). For these only.
 *
 * Owner: the filtering. Threads: a struct boxed belongs to the visit of its mailbox; move_offered to the lock.
 */
#ifndef OPS_FILTERING_PARTS_H
#define OPS_FILTERING_PARTS_H

#include "ops/filtering.h"
#include "ops/rules.h"
#include "ops/walk.h"

#include <pthread.h>

struct arena;

struct boxed {
	struct filter_box box;
	struct walk_place *place;
	struct arena *arena; /* of the parts and their sets */
	uint32_t from; /* first UID looked at: 1 unless the memory knows more */
	bool fresh; /* what lies above has not been tried before */
};

struct filtering {
	struct filter_request request;
	struct walk *walk;
	struct arena *arena; /* names of targets */
	struct boxed *boxed;
	size_t count;
	int code; /* filtering_code() */
	const char **fields; /* headers to read */
	size_t field_count;
};

/* Whether the part moves or copies within the account. */
bool part_is_local(const struct filtering *filtering, const struct filter_part *part);
const struct rule *part_rule(const struct filtering *filtering, const struct filter_part *part);

void filtering_note_code(struct filtering *filtering, int code); /* the gravest counts */
uint64_t counted(const struct filter_counts *counts); /* what became of messages, without failed */

/* filtering_move.c */
int filtering_move(struct filtering *filtering, struct err *err) MUST_CHECK;
/* filtering_send.c */
int filtering_send(struct filtering *filtering, struct err *err) MUST_CHECK;

#endif
