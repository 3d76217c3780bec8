/*
 * What the files of the pipelined writer share: imap_append.c (what the caller sees, messages), imap_append_batch.c (commands out, answers in,
 * narrowing), imap_append_utf8.c (8-bit headers), imap_append_result.c (what became of each message). Not for anybody else.
 *
 * Owner: struct imap_append. Threads: one at a time.
 */
#ifndef IMAP_IMAP_APPEND_PARTS_H
#define IMAP_IMAP_APPEND_PARTS_H

#include "imap/imap_append.h"

#define APPEND_BATCH_MESSAGES 128 /* the knee is at 50 to 128: peers.md §3.0 */
#define APPEND_BATCH_BYTES (512u << 10)
#define APPEND_ALONE_BYTES (512u << 10) /* bigger messages are neither gathered nor kept */
#define APPEND_BATCHES \
	16 /* in flight: an idle source closes small ones, and a far server answers late */
#define APPEND_FLIGHT_BYTES (2560u << 10) /* octets kept of what is in flight */
#define APPEND_SINGLES 64 /* in flight where there is no MULTIAPPEND */
#define APPEND_PARTS (8 + 1) /* 128 messages halved down to one */

struct append_letter {
	uint64_t token;
	size_t from, to; /* in the batch's bytes: " (flags) "date" {n+}CRLF" and the octets */
	bool utf8; /* is sent as UTF8 (~{n+}…): imap_append_utf8.c */
};

struct append_part { /* letters from … to - 1 of a batch */
	size_t from, to;
};

struct append_refusal {
	struct err err;
	bool general; /* not about a message: sending fewer would not help */
	bool try_create;
	bool bad; /* BAD, not NO */
};

/* One APPEND command, and those it is narrowed to. */
struct append_batch {
	struct append_batch *next;
	uint32_t tag; /* of the command that is out, wholly or in part; 0 = none */
	struct buf bytes; /* of all letters; empty when streamed */
	struct append_letter *letter;
	size_t count, room;
	struct append_part out; /* what the command with this tag holds */
	struct append_part waiting[APPEND_PARTS]; /* to be sent one after another, last first */
	size_t waitings;
	size_t sent; /* octets of bytes given to the session */
	uint64_t size; /* octets not settled yet */
	size_t kept; /* of them in memory, while in flight */
	bool multi; /* may take more than one message */
	bool sync; /* its literal waits for '+' */
	bool may_be_stored; /* the octet that may have completed it was given to the session */
	struct append_refusal *early; /* answered before all was sent */
	struct append_refusal *plain; /* why the letter that is out as UTF8 was refused before */
	/* while it is narrowed */
	bool bad, multi_stored, single_refused;
	unsigned singles_stored;
};

struct append_result {
	uint64_t token;
	enum imap_append_outcome outcome;
	uint32_t uidvalidity, uid;
	bool try_create;
	struct err *err; /* of a refusal */
};

/* The message between begin and end. */
enum append_message {
	APPEND_NO_MESSAGE,
	APPEND_GATHERED, /* at the end of the open batch's bytes; nothing of it was sent */
	APPEND_STREAMED, /* announced to the server */
	APPEND_REFUSED, /* refused already: its octets are thrown away */
};

struct imap_append {
	struct imap *imap;
	struct imap_command command; /* "APPEND name" */
	struct imap_command head; /* " (flags) "date" {n+}CRLF" */
	struct buf line;

	struct append_batch *open; /* takes messages, or is being sent */
	struct append_batch *flight, **flight_end; /* sent whole, oldest first */
	size_t flights;
	size_t flight_kept, flight_most; /* octets */
	struct append_batch *spare;
	size_t spares;
	bool go_on; /* a '+' came */
	bool dropped;

	enum append_message message;
	uint64_t token, size, got;
	struct append_letter *current; /* of the open batch, while gathered */
	struct append_refusal refusal; /* of a message thrown away */

	struct append_result *result;
	size_t results, results_at, results_room;
	size_t outstanding;
};

/* imap_append_batch.c */
struct append_batch *imap_append_batch_new(struct imap_append *append);
void imap_append_batch_free(struct append_batch *batch);
struct append_letter *imap_append_letter_new(struct append_batch *batch, uint64_t token);
/* Sends of the open batch what is complete. */
int imap_append_send(struct imap_append *append, struct err *err) MUST_CHECK;
/* Sends the rest of the open batch; it is in flight then. A synchronising literal waits. */
int imap_append_close(struct imap_append *append, struct err *err) MUST_CHECK;
/* Announces a message that is streamed, as the open batch. 1 = its octets are wanted, 0 = refused, -1. */
int imap_append_announce(struct imap_append *append, struct err *err) MUST_CHECK;
/* Sends parts of refused batches that wait for it, unless a command is half out. */
int imap_append_resend(struct imap_append *append, struct err *err) MUST_CHECK;
/* Waits for one event and takes it. */
int imap_append_take(struct imap_append *append, struct err *err) MUST_CHECK;
bool imap_append_in_flight(const struct imap_append *append); /* an answer will come by itself */

/* imap_append_utf8.c */
bool imap_append_utf8_helps(const struct imap_append *append, const struct append_batch *batch,
	const struct append_letter *letter, const struct append_refusal *refusal);
int imap_append_utf8_put(struct imap_append *append, const struct append_batch *batch,
	const struct append_letter *letter, struct err *err) MUST_CHECK;

/* imap_append_result.c */
void imap_append_stored(
	struct imap_append *append, const struct append_batch *batch, const struct imap_code *code);
void imap_append_refused(
	struct imap_append *append, uint64_t token, const struct append_refusal *refusal);
void imap_append_lost(struct imap_append *append, const struct append_batch *batch,
	struct append_part part, enum imap_append_outcome outcome);
bool imap_append_result_next(struct imap_append *append, struct imap_append_result *out);
void imap_append_results_release(struct imap_append *append);

#endif
