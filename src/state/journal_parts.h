/*
 * What the journal*.c share. For these only.
 *
 * Owner: the journal. Threads: db_lock is held by every function here, except where it says otherwise.
 */
#ifndef STATE_JOURNAL_PARTS_H
#define STATE_JOURNAL_PARTS_H

#include "base/buf.h"
#include "base/err.h"
#include "state/db.h"
#include "state/journal.h"

#include <pthread.h>

/* In the order of the table in journal_open.c. */
enum journal_sql {
	SQL_BEGIN,
	SQL_COMMIT,
	SQL_TOUCH,
	SQL_MAILBOX_ANY,
	SQL_MAILBOX_COUNT,
	SQL_MAILBOX_LIST,
	SQL_MAILBOX_FIND,
	SQL_MAILBOX_ADD,
	SQL_MAILBOX_SET,
	SQL_MAILBOX_STALE,
	SQL_PAIR_COUNT,
	SQL_PAIR_COUNTS,
	SQL_PAIR_SIZES,
	SQL_SPEND,
	SQL_SPENT,
	SQL_PAIR_LIST,
	SQL_PAIR_REACH,
	SQL_PAIR_FIND,
	SQL_PAIR_PUT,
	SQL_PAIR_DROP,
	SQL_PAIR_DROP_ONE,
	SQL_PAIR_DROP_ALL,
	SQL_PAIR_STATUS,
	SQL_GRAVE_DIG,
	SQL_GRAVE_LIST,
	SQL_GRAVE_FILL,
	SQL_FLAGS_FIND,
	SQL_FLAGS_ADD,
	SQL_FLAGS_TEXT,
	SQL_COUNT,
};

enum record_kind { RECORD_PAIR, RECORD_STATUS };

struct record {
	int64_t mailbox;
	uint64_t size;
	struct digest128 header, content;
	uint32_t src_uid, dst_uid;
	uint32_t src_flags, dst_flags; /* offsets into the queue's texts */
	uint8_t kind, status;
};

struct queue {
	struct record *records; /* room for JOURNAL_GROUP at first */
	size_t count, room;
	struct buf texts; /* NUL-terminated flags; those of neighbours are shared */
};

/* Sets of flags seen lately and their ids; one slot a hash, the newer wins. */
#define FLAG_SLOTS 64
struct flag_slot {
	char *text; /* NULL = free */
	int64_t id;
};

/* What makes looking for older pairs needless: most records are of UIDs never seen before. One slot a mailbox id, the newer wins. */
#define REACH_SLOTS 16
struct reach {
	int64_t mailbox; /* 0 = free */
	uint32_t src_uid; /* no pair has a higher one */
	bool waiting; /* there may be pairs whose src_uid is not known */
};

struct journal {
	pthread_mutex_t db_lock; /* the database and all below it; taken before queue_lock */
	struct db *db;
	struct db_statement *sql[SQL_COUNT];
	struct queue writing; /* what is being committed; empty outside of that */
	struct flag_slot slots[FLAG_SLOTS];
	struct reach reaches[REACH_SLOTS];
	bool unsynced; /* commits that may not have reached the disk */

	pthread_mutex_t queue_lock; /* queue and failed; never held across a call of SQLite */
	struct queue queue;
	struct err failed; /* ERR_NONE until the first error of a commit */

	bool swapped; /* the source is side b; immutable, as all below */
	bool is_new;
	int lock_fd; /* -1 for a journal in memory */
	char *path;
};

void queue_init(struct queue *queue);
void queue_release(struct queue *queue);

/* A transaction that has written the queue and takes more; each begin has its end, which commits when rc is 0. Both make errors stick. */
int journal_begin(struct journal *journal, bool durable, struct err *err);
int journal_end(struct journal *journal, int rc, bool durable, struct err *err);
/* Commits the queue, not durably, where there is one. */
int journal_flush(struct journal *journal, struct err *err);
/* Steps a statement that gives no rows. */
int journal_run(struct journal *journal, enum journal_sql which, struct err *err);

/* Inside a transaction. */
int journal_write_pair(struct journal *journal, const struct record *record, struct err *err);
int journal_write_status(struct journal *journal, const struct record *record, struct err *err);

#endif
