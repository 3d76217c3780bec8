/*
 * One interface for every kind of place that holds mail, one const table per back end. Policies ask capability bits, never "is this IMAP?".
 *
 * A store is a place (for IMAP: one connection); a box is the mailbox open in it, one at a time. Mailbox names are display names everywhere (UTF-8,
 * '/' between levels, mail/mailbox_name.h).
 *
 * Owner: the lane that opened it. Lifetime: store_open() to store_close(). Threads: never shared.
 *
 *	store = store_open(account, &request, err);
 *	store_list(store, STORE_LIST_STATUS, arena, &list, err);
 *	box = store_open_box(store, "Archive/2024", STORE_READ, err);
 *	box_scan(box, &scan, &snapshot, err);
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/err.h"
#include "base/must.h"
#include "base/span.h"
#include "imap/imap.h"
#include "mail/date.h"
#include "mail/flags.h"
#include "store/account.h"
#include "store/snapshot.h"

struct store;
struct box;

enum store_cap {
	STORE_CAP_FLAGS = 1, /* keeps flags at all */
	STORE_CAP_KEYWORDS = 2,
	STORE_CAP_DATES = 4, /* keeps INTERNALDATE */
	STORE_CAP_MODSEQ = 8, /* box_facts.modseq tells that flags changed (CONDSTORE) */
	STORE_CAP_VANISHED = 16, /* … and that messages went (QRESYNC) */
	STORE_CAP_UIDS_TOLD = 32, /* append says which UID (UIDPLUS) */
	STORE_CAP_REMOVE_ONE = 64, /* removes by UID without touching others (UIDPLUS) */
	STORE_CAP_SUBSCRIBE = 128,
	STORE_CAP_SPECIAL_USE = 256, /* CREATE with a use */
	STORE_CAP_RAW = 512, /* holds NUL, bare LF, empty messages as they are */
	STORE_CAP_SEARCH = 1024, /* box_search() */
	STORE_CAP_WRITE = 2048,
	STORE_CAP_STREAMS = 4096, /* appends may be pipelined without waiting (LITERAL+, -) */
	STORE_CAP_CHEAP_LIST = 8192, /* list gives status without a round trip per mailbox */
	STORE_CAP_ALONE = 16384, /* one connection at a time (POP3) */
	STORE_CAP_FILES =
		32768, /* kept in local files: no round trips, appends are committed in groups */
	STORE_CAP_COMPRESS = 65536, /* store_compress() would change something */
	/* what is marked as deleted shows so in the mailbox itself, to whoever reads it, whatever way he came */
	STORE_CAP_MARKS = 262144,
	STORE_CAP_ONE_BOX = 524288, /* one file, which holds one mailbox */
	STORE_CAP_MOVE = 131072, /* box_move() is one step for each message (RFC 6851) */
};

enum store_use { /* RFC 6154, 8457; a mailbox may have several: the first counts */
	STORE_USE_NONE,
	STORE_USE_ALL,
	STORE_USE_ARCHIVE,
	STORE_USE_DRAFTS,
	STORE_USE_FLAGGED,
	STORE_USE_IMPORTANT,
	STORE_USE_JUNK,
	STORE_USE_SENT,
	STORE_USE_TRASH,
};
const char *store_use_name(enum store_use use); /* "\\Sent"; NULL for NONE */

struct mailbox_info {
	const char *name; /* display */
	const char *raw; /* the server's own */
	bool noselect, noinferiors, has_children, subscribed, nonexistent;
	bool unclear; /* files: among its messages stands what cannot be read; that the numbers are the same proves nothing */
	enum store_use use;
	unsigned has; /* enum imap_status_item bits of what follows */
	uint32_t messages, unseen, uidnext, uidvalidity;
	uint64_t highestmodseq, size;
	const char *mailboxid; /* NULL where only SELECT is trusted with it (IMAP): see box_facts */
	char newest[32]; /* of files with a record of ours: as box_facts.mailboxid; else "" */
	/* the display form of raw, where mailbox_list_rename() gave another name; else NULL */
	const char *shown;
};

struct mailbox_list { /* sorted by name, no doubles; memory of the arena given */
	struct mailbox_info *mailbox;
	size_t count;
	char delimiter;
	/* names that were no names, or two with one display name: left out and logged; they may hold mail */
	size_t refused;
	size_t foreign; /* mailboxes of other users or shared ones: left out and logged */
	bool inbox_unseen; /* the server does not list INBOX, which it has: what else it leaves out is not known */
	bool subscriptions_unknown; /* LSUB was refused: subscribed means nothing */
	/* of a manifest: options left mailboxes or messages out when it was written, and it says nothing of them */
	bool part_mailboxes, part_messages;
};

enum store_list_want { STORE_LIST_STATUS = 1, STORE_LIST_SIZE = 2, STORE_LIST_UNSEEN = 4 };

struct store_request {
	/* ENABLE UTF8=ACCEPT if offered: internationalised headers come, and are taken, as they are (RFC 6855 §3, RFC 9755 §4) */
	bool want_utf8;
	bool will_write; /* a destination: mailboxes are made there */
	/* this connection is for scanning, or known to be slow: compress it if offered and not forbidden */
	bool compress_scan;
	/* octets of appends kept until they are confirmed; 0 = enough to fill a fast line to a far server */
	size_t append_window;
	int64_t timeout_ms;
	const char *
		state_dir; /* for UIDs of places that have none (state/ledger.h); NULL = forget them */
	struct flag_table *flags; /* of the lane; borrowed */
	/*
	 * What store_list() of another connection to this account gave, borrowed while the store is open; NULL allowed. Needed only for
	 * mailboxes outside the personal namespace's prefix, whose server form does not follow from the display name.
	 */
	const struct mailbox_list *names;
	const char *verify_key; /* who must have signed a manifest: a file; NULL = nobody */
	/* what was learned on the way in, also when opening fails; NULL allowed */
	struct imap_facts *facts;
};

struct store *store_open(
	struct account *account, const struct store_request *request, struct err *err);
void store_close(struct store *store); /* accepts NULL; polite if that costs no wait */
unsigned store_caps(const struct store *store); /* enum store_cap bits */
const struct account *store_account(const struct store *store);
uint64_t store_append_limit(const struct store *store); /* octets, 0 = not known */
struct imap *store_imap_session(
	struct store *store); /* NULL if it is no IMAP: for `check`, and what Gmail alone has */
const struct imap_facts *store_imap_facts(const struct store *store);
struct mailbox_style store_style(const struct store *store);
/* Octets and round trips so far (wire_turns()). */
void store_traffic(
	const struct store *store, uint64_t *in_out, uint64_t *out_out, uint64_t *turns_out);
/* Microseconds that this connection was waited for so far. */
int64_t store_waited_us(const struct store *store);

/* All mailboxes of the user (personal namespace, INBOX, and what LIST shows), or -1: then nothing is known. want: enum store_list_want bits. */
int store_list(struct store *store, unsigned want, struct arena *arena, struct mailbox_list *out,
	struct err *err) MUST_CHECK;
/* Fresh counts of one mailbox; has says what came. ERR_MAILBOX when it does not exist. */
int store_status(struct store *store, const char *name, unsigned want, struct mailbox_info *out,
	struct err *err) MUST_CHECK;
/* Creates with all parents; one that exists already is success. *changed_out: the name had to be escaped (to be reported). */
int store_create(struct store *store, const char *name, enum store_use use, bool *changed_out,
	struct err *err) MUST_CHECK;
int store_subscribe(
	struct store *store, const char *name, bool subscribe, struct err *err) MUST_CHECK;

/* Removes a mailbox and what is in it, not those below it, nor (IMAP) the subscription to it. Renames one with those below it. ERR_MAILBOX when it does not exist, or cannot be (INBOX). */
int store_remove_mailbox(struct store *store, const char *name, struct err *err) MUST_CHECK;
int store_rename_mailbox(
	struct store *store, const char *from, const char *to, struct err *err) MUST_CHECK;

/* Compresses this connection from now on, if the server offers it and the account does not forbid it. Nothing may be under way. */
int store_compress(struct store *store, struct err *err) MUST_CHECK;
/* Creating and subscribing for a whole account at once: one round trip for all of them where the server allows it. */
struct store_preparation {
	const char *name;
	bool create, subscribe;
	bool unsubscribe; /* only of STORE_CAP_FILES, and not with create: what is made is not subscribed */
	enum store_use use;
	/*
	 * The name is refused as it is, and a mailbox with messages stands under its strict form (mailbox_strict()) already: it is ours, from an earlier
	 * run. Without this it is refused.
	 */
	bool ours;
	bool created; /* result, with create: it is there; err is then about the subscription */
	bool changed; /* result: the name had to be escaped */
	/* result, with changed: what the server calls it; lives as long as the store. Its listing shows this name. */
	const char *raw;
	/* result: why it could not be created or subscribed; scope NONE = done, or was there already */
	struct err err;
};
/* 0 = every entry's err tells; -1 = the connection failed. Sorted by name, so that parents come first. */
int store_prepare(struct store *store, struct store_preparation *list, size_t count,
	struct err *err) MUST_CHECK;
/* From now on names are looked up in this list first, as if it had been given by the request. */
void store_use_names(struct store *store, const struct mailbox_list *names);
/*
 * Gives the mailbox that the server calls raw another name: the one that it could not be created by. The order is kept, pointers into the list are
 * not; one that has the name already is left out. False: it is not in the list.
 */
bool mailbox_list_rename(struct mailbox_list *list, const char *raw, const char *name);
/* By display name, INBOX in any case; NULL = not in it. */
const struct mailbox_info *mailbox_list_find(const struct mailbox_list *list, const char *name);
int store_quota(struct store *store, uint64_t *used_out, uint64_t *limit_out,
	struct err *err) MUST_CHECK; /* octets; limit 0 = none */

/* Files: the mailbox is kept below this path, or in the very file. False also where that cannot be told. */
bool store_mailbox_is_in(struct store *store, const struct mailbox_info *mailbox, const char *path);

enum store_mode { STORE_READ, STORE_WRITE }; /* EXAMINE, SELECT */

struct box_facts {
	uint32_t messages; /* when it was opened, or at the last box_search() */
	uint32_t uidvalidity, uidnext;
	uint64_t modseq; /* 0 = not kept */
	flags_t permanent; /* what can be stored; meaningful with has_permanent */
	bool has_permanent, any_keyword, read_only, uid_not_sticky;
	bool shows_part; /* there may be older messages, which this server does not show */
	/* OBJECTID (RFC 8474); of files with a record of ours its newest message: ask box_is_same() */
	const char *mailboxid;
};

struct box *store_open_box(
	struct store *store, const char *name, enum store_mode mode, struct err *err);
void box_close(struct box *box); /* accepts NULL; never expunges */
const struct box_facts *box_facts(const struct box *box);
const char *box_name(const struct box *box);
/*
 * Whether it is, for all we know, the mailbox that once said this mailboxid (NULL: it said none). One whose files were put back to an earlier state is another: it has given, or will
 * give, UIDs anew.
 */
bool box_is_same(struct box *box, const char *mailboxid);

struct box_scan {
	const struct uidset *uids; /* NULL = all */
	bool digests; /* header digests too (HEADER.FIELDS, mail/header.h), or by `fields` */
	/* other headers to digest (--match header:A,B); NULL = the usual */
	const char *const *fields;
	size_t field_count;
	bool content; /* reads the bodies too: content digests */
	/* of all messages: ids of their content, where the server has this kind (imap/imap_content_id.h); snapshot->id. What it refuses is read without. */
	enum imap_content_id id;
	bool dates; /* wanted even where they have to be read from headers one by one */
	bool no_dates; /* nobody looks at them: they may be left out where that saves something */
	/* only what changed after this modseq; 0 = all; without STORE_CAP_MODSEQ all is read */
	uint64_t since;
	/* with since and STORE_CAP_VANISHED: UIDs that went, memory of box_scan()'s arena; NULL = not wanted */
	struct uidset *vanished;
	void (*tick)(
		void *context, uint64_t messages); /* so many more are looked at; NULL allowed */
	void *tick_context;
	/*
	 * With digests or content: the header of each message whose row is set, as it came: all of it, or only the fields that were asked for. At most 64 KiB
	 * (header_tap.h); borrowed for the call. NULL = not wanted.
	 */
	void (*header)(void *context, uint32_t uid, struct span header);
	void *header_context;
	/* With content and `header`: right after it, the same with the last octets of the message, at most HEADER_TAP_TAIL (those of a short one are all of it). NULL = not wanted. */
	void (*tail)(void *context, uint32_t uid, struct span header, struct span tail);
};
/*
 * Fills the snapshot (init'ed by the caller; rows are added, snapshot_finish() is called). Messages that vanish meanwhile are left out; messages whose FETCH is refused
 * are put in *unknown (uids; memory of arena): these are neither there nor gone, have no row, and snapshot->complete is false then. So it is, with
 * 0, when the server counts more messages than it shows. -1: nothing is known, whatever rows there are.
 */
int box_scan(struct box *box, const struct box_scan *scan, struct snapshot *snapshot,
	struct arena *arena, struct uidset *unknown, struct err *err) MUST_CHECK;
/*
 * UIDs that match an IMAP SEARCH expression (already checked for CR, LF, NUL). Of those in *unknown it cannot be told, for they cannot be read (never of IMAP). 1: besides, there are
 * messages that have no UID because they cannot be read.
 */
int box_search(struct box *box, const char *expression, struct arena *arena, struct uidset *out,
	struct uidset *unknown, struct err *err) MUST_CHECK;

/*
 * Which of these mailboxes hold anything that the expression finds, asked for all at once where the server can (MULTISEARCH, RFC 7377); nothing may be open. found_out
 * false: nothing, for certain. true: it has to be searched. Where nobody can tell, all are true. -1: the connection broke.
 */
int store_find(struct store *store, const char *expression,
	const struct mailbox_info *const *mailbox, size_t count, bool *found_out,
	struct err *err) MUST_CHECK;

/* Reading: as imap/imap_fetch.h. */
enum message_outcome { MESSAGE_HERE, MESSAGE_GONE, MESSAGE_REFUSED };
struct message {
	uint32_t uid;
	enum message_outcome outcome;
	bool has_flags; /* the server told them */
	flags_t flags;
	struct date date;
	uint64_t size; /* exact octets of the body */
	char text[256];
};
void box_fetch_window(struct box *box, unsigned commands, uint64_t bytes);
bool box_fetch_has_room(const struct box *box);
int box_fetch_ask(
	struct box *box, const struct uidset *uids, uint64_t bytes, struct err *err) MUST_CHECK;
bool box_fetch_ready(struct box *box);
/* 1, 0 = all asked is answered, -1 */
int box_fetch_next(struct box *box, struct message *out, struct err *err) MUST_CHECK;
/* 1, 0 = end, -1 */
int box_fetch_chunk(struct box *box, struct span *chunk_out, struct err *err) MUST_CHECK;
/* forgets what is outstanding; the box can be used otherwise again */
void box_fetch_end(struct box *box);

/* Writing: as imap/imap_append.h. Into a mailbox by name; no box needs to be open, and an open one must be idle. */
enum append_outcome { APPEND_STORED, APPEND_REFUSED, APPEND_SKIPPED, APPEND_UNKNOWN };
struct append_result {
	uint64_t token;
	enum append_outcome outcome;
	uint32_t uidvalidity, uid; /* 0 = not told */
	/* stored without these: known only now, for the place has room for so many keywords */
	flags_t lost;
	struct err err;
};
/* all earlier ones must be settled */
int store_append_to(struct store *store, const char *name, struct err *err) MUST_CHECK;
int store_append_begin(struct store *store, uint64_t token, flags_t flags, struct date date,
	uint64_t size, struct err *err) MUST_CHECK;
int store_append_add(struct store *store, struct span bytes, struct err *err) MUST_CHECK;
int store_append_end(struct store *store, struct err *err) MUST_CHECK;
bool store_append_in_message(const struct store *store);
/* Takes back the message that was begun, if nothing of it was announced to the server yet: true, and no result will come of it. */
bool store_append_cancel(struct store *store);
int store_append_flush(struct store *store, struct err *err) MUST_CHECK;
int store_append_settle(
	struct store *store, bool wait, struct append_result *out, struct err *err) MUST_CHECK;
/* Forgets what is not settled, and lets go of the mailbox (locks): store_append_to() comes first then. */
void store_append_drop(struct store *store);
size_t store_append_outstanding(const struct store *store);

/* Adds and removes flags of messages of the open box (STORE_WRITE), silently. Counts what the server would not do. */
int box_change_flags(struct box *box, const struct uidset *uids, flags_t add, flags_t remove,
	struct err *err) MUST_CHECK;
enum remove_how {
	REMOVE_EXPUNGE_ALL =
		1, /* --expunge-all: without STORE_CAP_REMOVE_ONE what others marked goes too */
	/* What is marked as deleted no more by then stays. Only a server is asked so; in files the mark is not looked at. */
	REMOVE_IF_MARKED = 2,
};

/* Marks \Deleted and expunges exactly these UIDs. how: of enum remove_how. Without STORE_CAP_REMOVE_ONE: ERR_MAILBOX kind SAFETY, unless REMOVE_EXPUNGE_ALL. */
int box_remove(
	struct box *box, const struct uidset *uids, unsigned how, struct err *err) MUST_CHECK;

/* Into another mailbox of the same store, by the server itself. For the whole of what is safe see ops/relocate.h. */
struct box_transfer {
	const struct uidset *uids; /* of the open box */
	const char *target; /* display name; it exists, and is not the open mailbox */
	/*
	 * Memory of the arena given, also after -1: which of uids the server said to stand in the target, and their UIDs there under this UIDVALIDITY (COPYUID). Of the others
	 * nothing is known.
	 */
	struct uidset told, copies;
	uint32_t uidvalidity;
};
/* 0: all was answered OK, which some servers give for messages too that are not there any more. Kind UNSUPPORTED: nothing can be copied so. */
int box_copy(struct box *box, struct box_transfer *transfer, struct arena *arena,
	struct err *err) MUST_CHECK;
/* Only with STORE_CAP_MOVE, for a box that is open for writing; one that turns out not to work is given up (kind UNSUPPORTED). After -1 some may have gone. */
int box_move(struct box *box, struct box_transfer *transfer, struct arena *arena,
	struct err *err) MUST_CHECK;

#endif
