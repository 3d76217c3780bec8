/*
 * What the files of the IMAP back end share: store_imap.c (opening), store_imap_names.c (namespace), store_imap_list.c, store_imap_status.c,
 * store_imap_create.c, store_imap_remove.c (mailboxes), store_imap_box.c (boxes, reading), store_imap_change.c (flags, removing), store_imap_transfer.c, store_imap_scan.c, store_imap_pass.c,
 * store_imap_search.c, store_imap_append.c. For these only.
 *
 * Owner: the store. Threads: one at a time.
 */
#ifndef STORE_STORE_IMAP_PARTS_H
#define STORE_STORE_IMAP_PARTS_H

#include "base/arena.h"
#include "base/err.h"
#include "imap/imap_append.h"
#include "imap/imap_fetch.h"
#include "mail/mailbox_name.h"
#include "store/store_ops.h"

struct map;

struct imap_names { /* how the server builds its names; texts in the store's arena */
	uint32_t tag; /* of what was asked and not waited for, 0 = nothing */
	bool asked_namespace, has_namespace, known;
	char *personal, *other, *shared; /* prefixes, NULL = there is none */
	bool has_delimiter;
	char delimiter;
	struct map *odd; /* display name → server form, where mailbox_server() would give another */
	/* likewise, of those created under another name because theirs was refused */
	struct map *escaped;
};

struct store_imap {
	struct store store;
	struct imap *imap;
	struct imap_facts facts;
	struct arena *arena; /* as long as the store */
	struct arena *answer; /* texts of the last store_status() */
	struct imap_names names;
	struct mailbox_style style; /* right once names.known */
	const struct mailbox_list *given; /* request.names */
	bool status_basic; /* STATUS of more than the basic items was answered BAD */
	struct box_imap *box; /* open, or NULL */
	struct imap_append *append;
	size_t append_window; /* request.append_window */
};

struct box_imap {
	struct box box;
	char *mailboxid;
	bool fresh; /* nothing was asked since SELECT: EXISTS is the truth */
	struct imap_fetch *fetch; /* of box_fetch_*(), or NULL */
	unsigned window;
	uint64_t window_bytes;
};

static inline struct store_imap *store_imap_of(const struct store *store)
{
	return (struct store_imap *)(void *)store;
}

static inline struct box_imap *box_imap_of(const struct box *box)
{
	return (struct box_imap *)(void *)box;
}

/* ---- store_imap_names.c ---- */

/* Asks for the namespace without waiting. */
int imap_names_ask(struct store_imap *store, struct err *err) MUST_CHECK;
/* Takes over what the event says about names: NAMESPACE, or LIST of the empty name. */
void imap_names_note(struct store_imap *store, const struct imap_event *event);
/* Waits for what was asked; after it names can be translated. Every event is passed to it or to imap_names_note(). */
int imap_names_settle(struct store_imap *store, struct err *err) MUST_CHECK;
/* Display form → server form, settling first. */
int imap_names_raw(struct store_imap *store, const char *display, struct arena *arena,
	char **raw_out, bool *changed_out, struct err *err) MUST_CHECK;
/* Whether a name is below the namespace of other users or a shared one (RFC 2342), or its root. */
bool imap_names_foreign(const struct store_imap *store, struct span raw, bool noselect);

/* ---- store_imap_list.c ---- */

int imap_store_list(struct store *base, unsigned want, struct arena *arena,
	struct mailbox_list *out, struct err *err) MUST_CHECK;

/* ---- store_imap_status.c ---- */

/* "(MESSAGES UIDNEXT …)", as far as this server has it, for enum store_list_want bits. */
const char *imap_status_items(const struct store_imap *store, unsigned want, struct arena *arena);
void imap_status_fill(struct mailbox_info *info, const struct imap_mailbox_status *status);
bool imap_status_known(const struct mailbox_info *info); /* the three that everything rests on */
/* Asks for every mailbox that can be selected and is not known yet, in one round trip. What is not answered stays unknown. */
int imap_status_ask(struct store_imap *store, unsigned want, struct arena *arena,
	struct mailbox_list *list, struct err *err) MUST_CHECK;
int imap_store_status(struct store *base, const char *name, unsigned want, struct mailbox_info *out,
	struct err *err) MUST_CHECK;
/* The key by which a server's name is found again: INBOX in any case is one. */
struct span imap_name_key(struct span raw);

/* ---- store_imap_create.c ---- */

/* INBOX is there always. Fills changed and raw. */
int imap_create(
	struct store_imap *store, struct store_preparation *one, struct err *err) MUST_CHECK;
int imap_store_create(struct store *base, const char *name, enum store_use use, bool *changed_out,
	struct err *err) MUST_CHECK;
int imap_store_subscribe(
	struct store *base, const char *name, bool subscribe, struct err *err) MUST_CHECK;
int imap_store_prepare(struct store *base, struct store_preparation *list, size_t count,
	struct err *err) MUST_CHECK;
int imap_store_quota(
	struct store *base, uint64_t *used_out, uint64_t *limit_out, struct err *err) MUST_CHECK;

/* ---- store_imap_remove.c ---- */

int imap_store_remove_mailbox(struct store *base, const char *name, struct err *err) MUST_CHECK;
int imap_store_rename_mailbox(
	struct store *base, const char *from, const char *to, struct err *err) MUST_CHECK;

/* ---- store_imap_box.c ---- */

extern const struct store_ops store_imap_ops;
struct box *imap_box_open(
	struct store *base, const char *name, enum store_mode mode, struct err *err);
void imap_box_close(struct box *base);
int imap_box_ready(struct box_imap *box, struct err *err) MUST_CHECK; /* it is idle */
/*
 * Idle, and the server has been asked for news since SELECT or the last command: some (Courier) look at a mailbox again only for NOOP, and
 * would not show what was appended meanwhile.
 */
int imap_box_refresh(struct box_imap *box, struct err *err) MUST_CHECK;
void imap_box_fetch_window(struct box *base, unsigned commands, uint64_t bytes);
bool imap_box_fetch_has_room(const struct box *base);
int imap_box_fetch_ask(
	struct box *base, const struct uidset *uids, uint64_t bytes, struct err *err) MUST_CHECK;
bool imap_box_fetch_ready(struct box *base);
int imap_box_fetch_next(struct box *base, struct message *out, struct err *err) MUST_CHECK;
int imap_box_fetch_chunk(struct box *base, struct span *chunk_out, struct err *err) MUST_CHECK;
void imap_box_fetch_end(struct box *base);

/* ---- store_imap_run.c ---- */

#define SET_RUN_WINDOW 16

/*
 * One command for each piece of a UID set that fits a line, a few in flight: "VERB SET TAIL".
 *
 *	struct set_run run = { .imap = imap, .verb = "UID FETCH", .set = NULL, .tail = "(UID FLAGS)" };
 *	while ((rc = set_run_next(&run, &event, err)) > 0)
 *		…
 *	if (rc == 0 && run.refused) …
 */
struct set_run {
	struct imap *imap;
	const char *verb, *tail;
	const char *mailbox; /* server form, behind the set; NULL = none */
	const struct uidset *set; /* NULL = 1:* */
	/* at least one was answered NO or BAD; the others were carried out all the same */
	bool refused;
	struct err refusal; /* the first of them */
	/* running state */
	size_t next;
	bool sent_all;
	uint32_t tag[SET_RUN_WINDOW];
	size_t first, count;
};

/* 1 = an event, the commands' own answers too; 0 = every command was answered, -1 = the connection failed, with what is in flight lost. */
int set_run_next(struct set_run *run, const struct imap_event **out, struct err *err) MUST_CHECK;
/* drops the events; -1 also for a refusal */
int set_run_finish(struct set_run *run, struct err *err) MUST_CHECK;

/* ---- store_imap_change.c ---- */

int imap_box_writable(struct box_imap *box, struct err *err) MUST_CHECK; /* and idle */
int imap_box_change_flags(struct box *base, const struct uidset *uids, flags_t add, flags_t remove,
	struct err *err) MUST_CHECK;
int imap_box_remove(
	struct box *base, const struct uidset *uids, unsigned how, struct err *err) MUST_CHECK;

/* ---- store_imap_transfer.c ---- */

int imap_box_copy(struct box *base, struct box_transfer *job, struct arena *arena,
	struct err *err) MUST_CHECK;
int imap_box_move(struct box *base, struct box_transfer *job, struct arena *arena,
	struct err *err) MUST_CHECK;

/* ---- store_imap_search.c ---- */

/* Which of these UIDs (NULL: of all) the server says are there. */
int imap_search_set(struct imap *imap, const struct uidset *set, struct arena *arena,
	struct uidset *out, struct err *err) MUST_CHECK;
int imap_box_search(struct box *base, const char *expression, struct arena *arena,
	struct uidset *out, struct uidset *unknown, struct err *err) MUST_CHECK;
int imap_store_find(struct store *base, const char *expression,
	const struct mailbox_info *const *mailbox, size_t count, bool *found_out,
	struct err *err) MUST_CHECK;

/* ---- store_imap_scan.c, store_imap_pass.c ---- */

struct scan_work {
	struct store_imap *store;
	struct box_imap *box;
	const struct box_scan *want;
	struct snapshot *rows;
	struct arena *arena; /* the caller's, for unknown */
	struct arena *scratch; /* of this scan */
	struct uidset *unknown;
	uint64_t done; /* messages, for want->tick */
};

int imap_box_scan(struct box *base, const struct box_scan *scan, struct snapshot *snapshot,
	struct arena *arena, struct uidset *unknown, struct err *err) MUST_CHECK;
/*
 * Reads exactly these UIDs one by one through imap_fetch: gone ones are left out (a row of theirs is removed), refused ones become unknown (and lose
 * their row). pass_rows() adds rows; pass_digests() digests header or body of rows that are there; pass_whole() does both at once.
 */
int scan_pass_rows(struct scan_work *work, const struct uidset *set, struct err *err) MUST_CHECK;
int scan_pass_digests(struct scan_work *work, struct err *err) MUST_CHECK;
int scan_pass_whole(struct scan_work *work, const struct uidset *set, struct err *err) MUST_CHECK;
void scan_tick(struct scan_work *work);
/* INTERNALDATE's text into a row. */
void scan_set_date(struct snapshot *rows, size_t row, struct span text);

/* ---- store_imap_append.c ---- */

int imap_store_append_to(struct store *base, const char *name, struct err *err) MUST_CHECK;
int imap_store_append_begin(struct store *base, uint64_t token, flags_t flags, struct date date,
	uint64_t size, struct err *err) MUST_CHECK;
int imap_store_append_add(struct store *base, struct span bytes, struct err *err) MUST_CHECK;
int imap_store_append_end(struct store *base, struct err *err) MUST_CHECK;
bool imap_store_append_in_message(const struct store *base);
bool imap_store_append_cancel(struct store *base);
int imap_store_append_flush(struct store *base, struct err *err) MUST_CHECK;
int imap_store_append_settle(
	struct store *base, bool wait, struct append_result *out, struct err *err) MUST_CHECK;
void imap_store_append_drop(struct store *base);
size_t imap_store_append_outstanding(const struct store *base);

#endif
