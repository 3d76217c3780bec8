/*
 * The memory of what went where: one SQLite file per unordered pair of accounts, locked for the run. What is recorded here is what a
 * killed run stands on (product rule 5).
 *
 * Sides are named from the run's view, source and destination; the file knows them as a and b, so that copy, mirror and sync in either direction
 * share it.
 *
 * Owner: the job. Lifetime: journal_open() to journal_close(). Threads: any, locked inside; no lock is held across network I/O. Records go
 * to a queue in memory and are committed in groups (every JOURNAL_GROUP records or when asked); whatever reads or writes the file commits the queue
 * first, so that a call always sees what was put before it.
 *
 * The first error of a commit is the journal's end: every later put, set, commit and close fails with it, and nothing after it counts as safe.
 * Points for crash tests: "journal commit" / "journal committed" around every commit, "journal mailbox", "journal forget", "journal close" / "journal closed".
 */
#ifndef STATE_JOURNAL_H
#define STATE_JOURNAL_H

#include "base/digest.h"
#include "base/must.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct err;
struct journal;

#define JOURNAL_GROUP 1024

/*
 * What is known of a destination that will show only the newest of its messages once it holds many. Zero = nothing. Kept for each direction, and forgotten with
 * the pairs.
 */
struct journal_view {
	uint32_t seen; /* UIDs below it were taken at `time` */
	/* Source messages below it, as `selection` chose them, were looked for among all that stood there below `seen`: what has no pair was not there. */
	uint32_t src_uidnext;
	uint32_t clean; /* below it nothing stood there but what pairs name */
	uint32_t padding; /* 0: the octets are what the file holds */
	uint64_t selection;
	int64_t time; /* clock_wall() */
};

/* A mailbox pair as last seen. Zero = not known. */
struct journal_mailbox {
	int64_t id; /* 0 = not recorded yet */
	const char *src_name, *dst_name; /* display names */
	uint32_t src_uidvalidity, dst_uidvalidity;
	uint32_t src_uidnext, dst_uidnext;
	uint64_t src_modseq, dst_modseq; /* up to which both sides were reconciled */
	/* at that moment: with uidnext and modseq the proof that nothing happened since */
	uint32_t src_messages, dst_messages;
	const char *src_mailboxid, *dst_mailboxid; /* or NULL */
	/* the destination's UIDNEXT before the first append not yet reconciled; 0 = all reconciled */
	uint32_t baseline;
	/* an answer was lost: from this UID on the destination may hold a message twice; 0 = no */
	uint32_t doubt;
	/* hash of the options that chose and changed messages when it was reconciled: another one means "look again" */
	uint64_t selection;
	struct journal_view view;
};

/*
 * What is recorded of a pair belongs to its two UIDVALIDITYs. A mailbox put with another one than recorded loses its pairs in the same transaction,
 * and of tombstones a grave stays; 0 keeps the one recorded. Baseline, doubt and selection are kept for each direction; a put that changes any uidvalidity, uidnext, modseq or message
 * count clears the selection of the other direction, for which those numbers no longer prove anything.
 */
enum journal_status {
	JOURNAL_DONE, /* both are there */
	JOURNAL_GONE_SRC, /* was copied, then the source lost it */
	/* was copied, then its owner deleted it at the destination: a tombstone, not copied again */
	JOURNAL_GONE_DST,
	JOURNAL_REFUSED, /* the destination refused it; src_uid only */
};

struct journal_pair {
	uint32_t src_uid, dst_uid; /* dst_uid 0 = stored, UID not known yet */
	const char *src_flags, *dst_flags; /* canonical text as last seen on each side */
	uint64_t size; /* RFC822.SIZE as the source claimed it; 0 = not known */
	struct digest128 header, content; /* all zero = not known */
	enum journal_status status;
};

/*
 * columns; memory of the arena; sorted by src_uid, then dst_uid. src_uid may repeat (a server merged two messages), and is 0 for a pair
 * recorded from the other side whose UID here is not known (stored without UIDPLUS, or refused). Flags put as NULL come back as "".
 */
struct journal_pairs {
	size_t count;
	uint32_t *src_uid, *dst_uid;
	uint16_t *src_flags, *dst_flags; /* indexes into flag_text */
	uint8_t *status;
	uint32_t *size; /* as the source claimed it; 0 = not known, or more than fits */
	const char **flag_text;
	size_t flag_texts;
	/* 1: the one was made of the other by an append of ours; 0: it was found there, or that is not known */
	uint8_t *copied;
};

/* A tombstone whose UIDs mean nothing any more: what is known of the message. */
struct journal_grave {
	struct digest128 header;
	uint64_t size; /* RFC822.SIZE as the source claimed it */
};

/*
 * Opens or creates DIR/HASH.db for the two identities; DIR is made 0700. "state is locked by another run (pid N)", disk full, damaged or newer file: ERR_LOCAL.
 * dir NULL: a journal in memory that forgets everything (--state none).
 */
struct journal *journal_open(
	const char *dir, const char *src_identity, const char *dst_identity, struct err *err);
/* Whether there is one to open. */
bool journal_exists(const char *dir, const char *src_identity, const char *dst_identity);
/* commits what is queued, durably; freed whatever it returns; accepts NULL */
int journal_close(struct journal *journal, struct err *err);
const char *journal_path(const struct journal *journal); /* "" for --state none */
bool journal_is_new(const struct journal *journal); /* it held nothing when it was opened */
bool journal_remembers(const struct journal *journal); /* false for --state none */

/* All mailboxes, sorted by src_name; memory of the arena. */
int journal_mailboxes(struct journal *journal, struct arena *arena, struct journal_mailbox **out,
	size_t *count_out, struct err *err) MUST_CHECK;
/* Inserts or updates by (src_name, dst_name), sets mailbox->id; durable tells whether it must be on disk before the call returns. */
int journal_put_mailbox(struct journal *journal, struct journal_mailbox *mailbox, bool durable,
	struct err *err) MUST_CHECK;
/* Forgets the pairs of a mailbox and its UIDVALIDITYs (they changed): pairs are adopted again by digest. Tombstones become graves. */
int journal_forget_pairs(struct journal *journal, int64_t mailbox, struct err *err) MUST_CHECK;
int journal_pairs(struct journal *journal, int64_t mailbox, struct arena *arena,
	struct journal_pairs *out, struct err *err) MUST_CHECK;
/* Those of messages that were deleted at the destination; memory of the arena; sorted by header, then size. A JOURNAL_GONE_DST pair put with both takes one away. */
int journal_graves(struct journal *journal, int64_t mailbox, struct arena *arena,
	struct journal_grave **out, size_t *count_out, struct err *err) MUST_CHECK;
/* How many pairs of each enum journal_status; one pass over them. */
int journal_count(struct journal *journal, int64_t mailbox, uint64_t counts[JOURNAL_REFUSED + 1],
	struct err *err) MUST_CHECK;
/* cheap; 0 when it cannot be read */
size_t journal_pair_count(struct journal *journal, int64_t mailbox);

/*
 * Some recorded messages of a mailbox and how long the source said they were when they were copied: a server put in an old one's place betrays itself by messages of
 * other sizes under the same UIDs. At most room; returns how many, or -1.
 */
struct journal_size {
	uint32_t src_uid, dst_uid;
	uint64_t size; /* octets */
};
int journal_sizes(struct journal *journal, int64_t mailbox, struct journal_size *out, size_t room,
	struct err *err) MUST_CHECK;

/* --daily-limit: adds octets to what was carried in the hour of `now` (clock_wall()); gives the sum of the last 24 hours. */
int journal_spend(struct journal *journal, int64_t now, uint64_t octets, uint64_t *day_out,
	struct err *err) MUST_CHECK;

/*
 * Queues an insert or replacement by (mailbox, src_uid); texts are copied. Commits by itself when the group is full. A pair (src, dst) that is recorded
 * already is updated (size and digests stay where the new one knows none), and others of that src_uid stay. With src_uid 0 (copied the other way, UID here not known) the key is dst_uid.
 */
int journal_put_pair(struct journal *journal, int64_t mailbox, const struct journal_pair *pair,
	struct err *err) MUST_CHECK;
/* Of every pair with this src_uid, which is not 0; none is no error. */
int journal_set_status(struct journal *journal, int64_t mailbox, uint32_t src_uid,
	enum journal_status status, struct err *err) MUST_CHECK;
/* Commits the queue; durable = fsync'ed when it returns. */
int journal_commit(struct journal *journal, bool durable, struct err *err) MUST_CHECK;

#endif
