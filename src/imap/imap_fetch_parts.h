/*
 * What the files of the pipelined reader share: imap_fetch.c (what the caller sees), imap_fetch_ask.c (commands, what they left unanswered),
 * imap_fetch_gather.c (one message out of one or more responses), imap_fetch_marks.c (which UIDs were answered). Not for anybody else.
 *
 * Owner: struct imap_fetch. Threads: one at a time.
 */
#ifndef IMAP_IMAP_FETCH_PARTS_H
#define IMAP_IMAP_FETCH_PARTS_H

#include "base/buf.h"
#include "imap/imap_fetch.h"

#define FETCH_COMMANDS_MAX 48 /* what a window may be set to */
#define FETCH_AGAIN_MAX 16 /* commands in flight that ask once more */
#define FETCH_FLIGHT_MAX (FETCH_COMMANDS_MAX + FETCH_AGAIN_MAX)

/* A sparse bitmap of 2^32 places: memory goes with what is set, whatever order a server chooses. All zero to begin. */
struct fetch_marks {
	struct fetch_mark *slot;
	size_t room, used, near;
	uint64_t seed;
};

bool imap_fetch_mark_has(struct fetch_marks *marks, uint32_t place);
void imap_fetch_mark_set(struct fetch_marks *marks, uint32_t place);
void imap_fetch_marks_release(struct fetch_marks *marks);

struct fetch_slice {
	uint32_t first, last;
	uint32_t place; /* of first among the UIDs of the command */
};

enum fetch_kind {
	FETCH_UIDS, /* each of them is wanted */
	FETCH_NEWS, /* CHANGEDSINCE, or up to '*': what is not answered is no news */
	FETCH_PROBE, /* UID SEARCH for one UID */
};

/* A command in flight. */
struct fetch_command {
	uint32_t tag;
	enum fetch_kind kind;
	bool again; /* asks for what an earlier one left out */
	bool listed; /* of a probe: the message is there */
	struct fetch_slice *slice;
	size_t slices, near;
	uint64_t uids, answered, bytes; /* bytes: expected of what is not answered yet */
	struct fetch_marks marks;
};

/* UIDs still to be asked for. */
struct fetch_ask {
	struct fetch_ask *next;
	enum fetch_kind kind;
	bool again, vanished;
	struct uid_range *range;
	size_t ranges, at;
	uint64_t uids, bytes; /* of what is left */
	uint64_t at_once; /* UIDs in one command */
	uint64_t modseq;
};

/* A message that does not come whole in one event: its parts, until they are all there. */
struct fetch_gather {
	struct arena *arena;
	struct spool *spool;
	bool open, skip; /* skip: nothing of the rest of this response is wanted */
	uint32_t seq;
	struct imap_message parts;
};

enum fetch_body { FETCH_BODY_NONE, FETCH_BODY_INLINE, FETCH_BODY_STREAM, FETCH_BODY_SPOOL };

struct imap_fetch {
	struct imap *imap;
	struct buf items; /* "(UID FLAGS …)" */
	unsigned needed; /* enum imap_fetch_item bits without which a message is not whole */
	struct span section; /* what its brackets hold, in items */
	bool has_section;
	unsigned window_commands;
	uint64_t window_bytes;

	struct fetch_ask *asks, **asks_end; /* the caller's */
	struct fetch_ask *again, **again_end;
	struct fetch_command *flight[FETCH_FLIGHT_MAX]; /* oldest first */
	size_t flights, again_flights;
	uint64_t bytes; /* expected of all that is asked and not answered */
	struct buf line;

	struct fetch_gather gather;
	struct imap_message message;
	enum fetch_body body;
	struct span inline_bytes;

	struct arena *gone; /* of vanished */
	struct uidset vanished;
	bool vanished_sorted;
};

/* imap_fetch_ask.c */
void imap_fetch_queue(struct imap_fetch *fetch, struct fetch_ask *ask); /* takes the ask */
/* sends what the window lets */
int imap_fetch_pump(struct imap_fetch *fetch, struct err *err) MUST_CHECK;
/* the command that waits for it, or NULL */
struct fetch_command *imap_fetch_wanted(struct imap_fetch *fetch, uint32_t uid);
void imap_fetch_answered(struct imap_fetch *fetch, struct fetch_command *command, uint32_t uid);
/* A tagged line: 1 = fetch->message has a verdict, 0 = nothing to tell, -1. */
int imap_fetch_done(
	struct imap_fetch *fetch, const struct imap_event *event, struct err *err) MUST_CHECK;
void imap_fetch_found(struct imap_fetch *fetch, const struct imap_search *search);
void imap_fetch_asks_release(struct imap_fetch *fetch);

/* imap_fetch_gather.c */
/* A FETCH response or its part: 1 = fetch->message is a message, 0 = not (yet), -1. */
int imap_fetch_take(
	struct imap_fetch *fetch, const struct imap_fetch_data *data, struct err *err) MUST_CHECK;
/* The command that asked for this UID alone is over: makes do with the parts that came. False: there is nothing to make do with. */
bool imap_fetch_make_do(struct imap_fetch *fetch, struct fetch_command *command);
void imap_fetch_gather_reset(struct fetch_gather *gather, uint32_t seq);

#endif
