/*
 * What the files of the POP3 back end share: store_pop3.c (opening, the one mailbox), store_pop3_list.c (what is there, and its UIDs), store_pop3_box.c (scans, removing),
 * store_pop3_search.c and store_pop3_fetch.c (messages). For these only.
 *
 * A session numbers its messages anew (RFC 1939 §4); all else goes by UID, which state/ledger.h gives to what identifies a message: its UIDL with the size
 * that LIST tells, or its header, or all of it.
 *
 * Owner: the store. Threads: one at a time.
 */
#ifndef STORE_STORE_POP3_PARTS_H
#define STORE_STORE_POP3_PARTS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "pop3/pop3.h"
#include "state/ledger.h"
#include "store/store_ops.h"

struct spool;

struct pop3_row { /* a message of this session */
	uint32_t number, uid; /* uid 0: it cannot be read, and has no key */
	uint32_t size; /* as LIST has it, a hint; UINT32_MAX = that or more */
	bool by_uidl; /* key is that of its UIDL */
	struct digest128 key;
};

struct store_pop3 {
	struct store store;
	struct pop3 *pop3; /* NULL between sessions */
	struct pop3_facts facts;
	struct imap_facts told; /* the same in the common form, for `check` */
	int64_t timeout_ms;
	bool want_utf8;
	struct ledger *ledger; /* of the account; borrowed */

	bool listed; /* what follows is of this session */
	struct pop3_row *row; /* by number */
	size_t count, room;
	size_t unreadable; /* rows with uid 0 */
	uint32_t *by_uid; /* indexes of rows, sorted by UID; those with uid 0 come first */
	struct ledger_facts ledger_facts;

	uint64_t in, out, turns; /* of earlier sessions */
	struct box_pop3 *box; /* open, or NULL */
};

struct pop3_slot { /* a message that comes in, or is handed on */
	enum { SLOT_EMPTY, SLOT_LOADING, SLOT_FULL } state;
	struct message message;
	struct spool *spool;
	struct buf header; /* its beginning, for its date */
	uint64_t limit; /* octets after which the server is not believed any more */
};

struct pop3_asked {
	uint32_t uid;
	uint32_t size; /* hint */
	bool sent, gone;
};

struct box_pop3 {
	struct box box;
	struct pop3_asked *asked; /* queue */
	size_t first, next, end, room; /* first: not answered; next: not sent */
	uint64_t asked_bytes; /* of first to end */
	unsigned window;
	uint64_t window_bytes;
	/* One is handed on while the other comes in. */
	struct pop3_slot slot[2];
	unsigned serving; /* index */
	struct err trouble; /* of what came in meanwhile; scope NONE = none */
};

static inline struct store_pop3 *store_pop3_of(const struct store *store)
{
	return (struct store_pop3 *)(void *)store;
}

static inline struct box_pop3 *box_pop3_of(const struct box *box)
{
	return (struct box_pop3 *)(void *)box;
}

/* ---- store_pop3.c ---- */

/* Logged in and listed: opens a session if there is none. */
int pop3_session(struct store_pop3 *store, struct err *err) MUST_CHECK;
/* Ends the session; politely says QUIT unless something was marked by DELE. */
void pop3_session_end(struct store_pop3 *store);

/* ---- store_pop3_list.c ---- */

/* Asks what is there and gives it UIDs. */
int pop3_list(struct store_pop3 *store, struct err *err) MUST_CHECK;
/* By UID, or NULL. */
struct pop3_row *pop3_row(const struct store_pop3 *store, uint32_t uid);
struct digest128 pop3_uidl_key(struct span id, uint64_t size);

/*
 * One command for each of some rows, as many under way as the server allows, answers in order.
 *
 *	struct pop3_run run = { .store = store, .row = rows, .count = count, .verb = POP3_RUN_TOP };
 *	while ((rc = pop3_run_next(&run, &row, &reply, err)) > 0) …
 */
struct pop3_run {
	struct store_pop3 *store;
	struct pop3_row **row;
	size_t count;
	enum { POP3_RUN_TOP, POP3_RUN_RETR, POP3_RUN_UIDL, POP3_RUN_DELE } verb;
	/* running state */
	size_t sent, answered;
};
int pop3_run_next(struct pop3_run *run, struct pop3_row **row_out, struct pop3_reply *reply,
	struct err *err) MUST_CHECK;
/* What a refusal of one of them means: 0 = this message alone (why: what the server says, NULL allowed), -1 = more than that. */
int pop3_run_refused(struct store_pop3 *store, const struct pop3_reply *reply, struct err *why,
	struct err *err) MUST_CHECK;

/* ---- store_pop3_box.c ---- */

struct box *pop3_box_open(
	struct store *base, const char *name, enum store_mode mode, struct err *err);
void pop3_box_close(struct box *base);
int pop3_box_scan(struct box *base, const struct box_scan *scan, struct snapshot *snapshot,
	struct arena *arena, struct uidset *unknown, struct err *err) MUST_CHECK;
int pop3_box_remove(
	struct box *base, const struct uidset *uids, unsigned how, struct err *err) MUST_CHECK;

/* ---- store_pop3_search.c ---- */

int pop3_box_search(struct box *base, const char *expression, struct arena *arena,
	struct uidset *out, struct uidset *unknown, struct err *err) MUST_CHECK;

/* ---- store_pop3_fetch.c ---- */

void pop3_box_fetch_window(struct box *base, unsigned commands, uint64_t bytes);
bool pop3_box_fetch_has_room(const struct box *base);
int pop3_box_fetch_ask(
	struct box *base, const struct uidset *uids, uint64_t bytes, struct err *err) MUST_CHECK;
bool pop3_box_fetch_ready(struct box *base);
int pop3_box_fetch_next(struct box *base, struct message *out, struct err *err) MUST_CHECK;
int pop3_box_fetch_chunk(struct box *base, struct span *chunk_out, struct err *err) MUST_CHECK;
void pop3_box_fetch_end(struct box *base);
/* Octets after which a message that LIST gave this size is not believed to end. */
uint64_t pop3_size_limit(uint32_t size);

#endif
