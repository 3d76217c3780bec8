/*
 * What the files of comparison.h share: accounts as sides, mailboxes as they were seen, units of mailboxes that are compared. For src/ops/comparison*.c.
 *
 * Owner: struct comparison. Threads: the lock guards what says so; the rest is written before threads begin or by one of them.
 */
#ifndef OPS_COMPARISON_PARTS_H
#define OPS_COMPARISON_PARTS_H

#include "ops/comparison.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "ops/kept.h"
#include "ops/walk.h"

#include <pthread.h>

struct inventory_writer;
struct recorded;

struct side { /* an account */
	struct comparison *job;
	size_t number; /* 0 = the first */
	struct account *account;
	struct settings settings; /* of the others: no mailbox is left out by name */
	struct walk *walk; /* NULL: err says why */
	struct err err; /* of opening, or what ended the last visit */
	struct seen *seen; /* one a place of the walk */
	bool no_search; /* which of its messages the options choose cannot be told */
	bool trusted; /* its listing shows every mailbox */
	bool part_mailboxes, part_messages; /* a manifest of a part: of the rest nothing is known */
	struct inventory_writer *manifest; /* being written, or NULL */
	struct recorded *recorded; /* what copies between the first and this one wrote down */
	size_t records;
	struct unit *sample; /* of content ids, compared with the first */
	const char *label;
	pthread_t thread;
};

struct seen { /* a mailbox: walk_place.data */
	struct side *side;
	const struct mailbox_info *info;
	struct snapshot rows; /* flags are of the job's table */
	uint8_t *reason; /* a row; NULL = nothing was read */
	uint32_t uidvalidity;
	uint64_t kept; /* its number in the database; 0 = not there yet */
	bool in_manifest;
	bool sampled; /* its first and last messages show whether content ids are of use */
	uint8_t *again; /* under the lock: a row, 1 = its header digest is wanted; NULL = of none */
	size_t wants_again;
	uint64_t counted; /* count_only: messages selected */
	bool done;
	struct unit **unit; /* what it is compared in */
	size_t units;
	size_t waiting; /* under the lock: units that still need the rows */
	struct comparison_difference **wanted; /* whose headings are read here, by UID */
	size_t wants, wants_room;
};

struct unit {
	struct comparison_box box;
	struct side *other;
	struct seen **a, *b; /* b NULL: it is not there */
	size_t a_count;
	size_t waiting; /* under the lock: mailboxes not seen yet */
	bool open; /* under the lock: header digests are wanted */
	bool looking; /* under the lock: … and being read */
	unsigned looks; /* begun so far */
	bool decided;
	bool partial; /* messages that nobody was shown may be missing */
	uint32_t *first_row; /* where the rows of each of a begin */
	size_t room;
};

struct comparison {
	struct comparison_request request;
	pthread_mutex_t lock;
	struct arena *arena; /* under the lock while visits run */
	struct flag_table *flags;
	enum imap_content_id id; /* that messages are told apart by; NONE = headers */
	struct side *side;
	struct unit **unit;
	size_t units, unit_room;
	struct comparison_other *other;
};

/* Makes the units of this side; names are translated as for copy. */
int comparison_pair(struct comparison *job, struct side *other, struct err *err) MUST_CHECK;
/* Both sides are seen. What it cannot decide yet is left open for comparison_see_again(). */
void comparison_decide(struct unit *unit);
/* Fills job->id. */
void comparison_choose_ids(struct comparison *job);
/*
 * Wants header digests of the rows that go by headers (enum compare_by a row of the unit, both sides); doubled: of whatever tells what is doubled. False: all are there, or it was asked for often enough.
 */
bool comparison_look_again(
	struct unit *unit, const uint8_t *a_by, const uint8_t *b_by, bool doubled);
/* Reads what is wanted and decides what was left open. */
void comparison_see_again(struct comparison *job);
/* Reads the headings of what differs. */
void comparison_read_headings(struct comparison *job);
/* The rows of a mailbox as they were read, for --db; flags are of the visit's table yet. */
void comparison_keep_rows(struct seen *seen, struct kept *kept, const struct flag_table *flags);
/* Everything else. why: what ended the comparison, or NULL. */
void comparison_keep(struct comparison *job, const struct err *why);
/* Records of copies between the first and each other account, if there are any. */
void comparison_read_records(struct comparison *job);
/* Those of a unit that was seen, to be freed; rows of a count through its mailboxes. NULL = none. */
struct compare_record *comparison_records(const struct unit *unit, size_t *count_out);
/* Opens those that are wanted, once it is known what is read. The comparison goes on without one that cannot be written. */
void comparison_manifests_begin(struct comparison *job);
bool comparison_manifest_wanted(const struct side *side);
/* Of the first each mailbox that was chosen, of the others what those are compared with. */
bool comparison_is_read(const struct seen *seen);
/* The rows of a mailbox as they were read; flags are of the visit's table yet. */
void comparison_manifest_rows(struct seen *seen, struct kept *kept, const struct flag_table *flags);
/* Adds what could not be read and gives the files their names; why: what ended the comparison, or NULL. */
void comparison_manifests_end(struct comparison *job, const struct err *why);
/* All walks at once: each visits the places that `wants`. */
void comparison_visit(struct comparison *job,
	int (*visit)(void *context, struct walk_visit *visit, struct err *err),
	bool (*wants)(void *context, const struct walk_place *place));

#endif
