/*
 * What the files of the mbox and Thunderbird back ends share: store_mbox.c (opening, mailboxes), mbox_tree.c (names and files), store_mbox_file.c (one file and its
 * record), store_mbox_sync.c (both brought together), store_mbox_box.c (reading), store_mbox_append.c, store_mbox_remove.c, store_mbox_subscribe.c. For these only.
 *
 * A mailbox is a file; beside it `.FILE.mailhaul` (store/manifest.h) tells for what we wrote: UIDs, flags, dates, and how to give back the very octets. The record is
 * believed while the file's size, time and inode are those it was last in step with (note `end`); else the file is looked through again: from that end on
 * if it has only grown, else whole, and messages are known again by their key (mail/mbox_facts.h).
 *
 * Writing a group: the rows and the note `append` (where it will stand) are made durable, then the octets are appended, fsync'ed, and only then believed stored. After a
 * crash the rows behind that note are checked by their SHA-256: what is whole is kept with all that is known of it; a torn rest is cut off only if nothing in it
 * can be somebody else's.
 *
 * A file without a record (another program's) that is only read gets none: its UIDs are kept in the state directory (state/ledger.h).
 *
 * Owner: the store. Threads: one at a time.
 */
#ifndef STORE_STORE_MBOX_PARTS_H
#define STORE_STORE_MBOX_PARTS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "mail/mbox_facts.h"
#include "mail/mbox_reader.h"
#include "mail/mbox_status.h"
#include "store/file_box.h"
#include "store/manifest.h"
#include "store/mbox_lock.h"
#include "store/mbox_octets.h"
#include "store/mbox_subscriptions.h"
#include "store/owner.h"

#include <sys/stat.h>

struct ledger;
struct mozilla_filter;
struct mbox_append;

#define MBOX_SUBSCRIPTIONS ".mailhaul-subscriptions" /* mbox_subscriptions.h */
#define MBOX_SUBSCRIBED "subscribed" /* note in the record of a location that is one file: 1 or 0 */

enum mbox_layout { MBOX_LAYOUT_FLAT, MBOX_LAYOUT_FS, MBOX_LAYOUT_THUNDERBIRD };

struct mbox_entry { /* a message in a file */
	uint64_t start, size; /* of the From_ line; octets of the message behind it */
	uint64_t key; /* the first octets of mbox_result.key */
	uint32_t head; /* octets of the From_ line */
	uint32_t strip; /* octets of lines of our own at the front of the message */
	uint32_t line; /* mbox_line_hash() of the From_ line */
	uint8_t how; /* enum mbox_quote_how */
	bool exact; /* line ends are handed on as they stand */
	bool open_line; /* the last line end is not the message's */
	bool filtered; /* lines X-Mozilla-* are left out, wherever they stand */
	bool aside; /* the message's own lines of status are kept aside (mail/mbox_status.h) */
};

/* A message found by looking through a file. There is one for each message as long as the mailbox is open, so it has no holes. */
struct mbox_found {
	struct mbox_entry entry;
	uint64_t key_rest; /* of the key, behind entry.key */
	int64_t instant; /* struct date */
	flags_t flags;
	uint32_t size; /* a hint */
	uint32_t uid; /* 0 = none yet */
	int16_t zone;
	bool has_status; /* the flags are what some program wrote into the message */
	bool by_length;
};

static inline struct date mbox_found_date(const struct mbox_found *found)
{
	return (struct date){ .instant = found->instant, .zone = found->zone };
}

static inline void mbox_found_set_date(struct mbox_found *found, struct date date)
{
	found->instant = date.instant;
	found->zone = date.zone;
}

struct mbox_finding { /* the result of looking */
	struct mbox_found *found;
	size_t count, room;
	uint64_t end; /* octets, with the empty line behind the last message */
	unsigned pad; /* LFs missing before another one can be appended */
};

struct mbox_place { /* of a mailbox */
	const char *name; /* display */
	const char *path; /* relative to the store's directory */
};

struct store_mbox {
	struct store store;
	struct arena *arena;
	int root; /* the directory; -1: there is none yet */
	char *root_path;
	char *single; /* name of the one file the location is, or NULL: a tree */
	enum mbox_layout layout;
	bool profile; /* mailboxes are below Mail/ and ImapMail/ */
	bool listed; /* links were told of */
	bool told; /* that the file of subscriptions cannot be read */
	int single_subscribed; /* of the one mailbox, by the last listing: 1, 0, -1 = not known */
	size_t refused; /* in the last listing: files with the name of another one, and what cannot be opened */
	bool mozilla; /* thunderbird: */
	bool status; /* flags are written into the messages too */
	enum mbox_variant variant;
	const char *ext; /* of new files, with its dot; "" = none */
	struct owner owner; /* of new files */
	struct ledger *ledger;
	struct mbox_file *files; /* open ones */
	struct mbox_append *append; /* NULL: nothing was written yet */
};

struct mbox_file { /* an open mailbox */
	struct mbox_file *next;
	unsigned users;
	struct store_mbox *store;
	char *name; /* display */
	char *path; /* for messages */
	int dir; /* its directory */
	char *base; /* its name there */
	char *sidecar;
	int fd; /* -1: does not exist */
	bool folder; /* a directory of Thunderbird's maildir kind: fd and octets are of the message last opened */
	char **names; /* of its files */
	size_t names_count;
	size_t hidden; /* what stands among them and is no regular file */
	bool writable;
	enum mbox_packing packing;
	struct manifest_place place;
	struct manifest *manifest; /* NULL: `finding` with UIDs of the ledger is all there is */
	struct mbox_finding finding;
	uint32_t uidvalidity, uidnext;
	struct mbox_octets *octets;
	struct stat known; /* of the file when it was last in step with the record */
	bool in_step, stamped;
	uint64_t end; /* octets, decompressed, up to which it is known */
	unsigned pad;
};

static inline struct store_mbox *store_mbox_of(const struct store *store)
{
	return (struct store_mbox *)(void *)store;
}

/* ---- mbox_tree.c ---- */

bool mbox_is_sidecar(const char *base);
/* Path of a new mailbox, relative to the root; NULL with ERR_MAILBOX. */
char *mbox_tree_path(
	const struct store_mbox *store, const char *name, struct arena *arena, struct err *err);
/* Every mailbox there is, sorted by name, none twice. A root that does not exist has none. */
int mbox_tree_list(struct store_mbox *store, struct arena *arena, struct mbox_place **out,
	size_t *count_out, struct err *err) MUST_CHECK;
/* Path of an existing mailbox, or NULL: there is none (err untouched), or an error. */
const char *mbox_tree_find(
	struct store_mbox *store, const char *name, struct arena *arena, struct err *err);
/* Opens the root, making it if it is not there and asked for. 0 = fine, also when it does not exist. */
int mbox_tree_root(struct store_mbox *store, bool make, struct err *err) MUST_CHECK;

/* ---- store_mbox.c ---- */

int mbox_is_there(struct store_mbox *store, const char *name, struct err *err) MUST_CHECK;
/* 0 also when it is there already. */
int mbox_make(struct store_mbox *store, const char *name, struct err *err) MUST_CHECK;

/* ---- store_mbox_file.c ---- */

/*
 * Opens a mailbox, in step with its record; once for all users of this store. write: the record is made if it is missing. NULL: ERR_MAILBOX if there is no such
 * mailbox.
 */
struct mbox_file *mbox_file_open(
	struct store_mbox *store, const char *name, bool write, bool record, struct err *err);
/* For a listing: only if its record is in step with it; else NULL. */
struct mbox_file *mbox_file_open_quick(
	struct store_mbox *store, const char *name, const char *relative);
void mbox_file_close(struct mbox_file *file); /* accepts NULL; the last one closes */
/* For writing (mbox_lock.h). Refused (ERR_LOCAL) while a Thunderbird has the profile open that the directory is in: in the middle of a run too. */
int mbox_file_lock(struct mbox_file *file, struct mbox_lock *lock, struct err *err) MUST_CHECK;
/* The same without a lock. */
int mbox_may_write(const struct store_mbox *store, int dir, struct err *err) MUST_CHECK;
/* A descriptor of the directory that a mailbox is in. */
int mbox_file_open_dir(struct store_mbox *store, const char *name, struct err *err) MUST_CHECK;
/* Makes an empty mailbox. */
int mbox_file_create(struct store_mbox *store, const char *name, struct err *err) MUST_CHECK;
/* Where the message stands. 1, 0 = no such message, -1. */
int mbox_file_entry(
	struct mbox_file *file, uint32_t uid, struct mbox_entry *out, struct err *err) MUST_CHECK;
uint32_t mbox_line_hash(struct span line); /* without its end */
void mbox_entry_print(const struct mbox_entry *entry, char out[128]);
bool mbox_entry_parse(const char *where, struct mbox_entry *out);
bool mbox_entry_check(const char *where);
void mbox_file_reopen_octets(struct mbox_file *file, uint64_t limit);

/* ---- store_mbox_index.c ---- */

/* Looks through the file from this octet on, where a message begins or the file ends. */
int mbox_index(struct mbox_file *file, uint64_t from, struct mbox_finding *out,
	struct err *err) MUST_CHECK;
void mbox_finding_release(struct mbox_finding *finding);
/* Adds a message with what its octets told, unless it is only not compacted away yet; entry: where it stands. NULL: it was not added. */
struct mbox_found *mbox_finding_take(struct mbox_file *file, struct mbox_finding *out,
	const struct mbox_result *result, const struct mbox_entry *entry);

/* ---- store_mbox_folder.c ---- */

bool mbox_folder_is(int dir, const char *path);
int mbox_folder_open(struct mbox_file *file, struct err *err) MUST_CHECK;
/* 1 = file->octets is that message's, *size_out its size; 0 = it is gone, or no file; -1 */
int mbox_folder_message(
	struct mbox_file *file, uint64_t number, uint64_t *size_out, struct err *err) MUST_CHECK;
int mbox_folder_index(struct mbox_file *file, struct mbox_finding *out, struct err *err) MUST_CHECK;

/* ---- store_mbox_sync.c ---- */

/* Brings a record open for writing in step with the file, which is locked. */
int mbox_sync(struct mbox_file *file, struct err *err) MUST_CHECK;
/* For reading: true when the record can be believed as it is. */
bool mbox_in_step(struct mbox_file *file);
/* Without a record that can be believed: all from the file, UIDs from the ledger. */
int mbox_sync_ledger(struct mbox_file *file, struct err *err) MUST_CHECK;
/* Notes that file and record are in step now; made durable. */
int mbox_stamp(struct mbox_file *file, struct err *err) MUST_CHECK;

/* ---- store_mbox_box.c ---- */

struct mbox_body { /* a message being read */
	struct mbox_file *file;
	struct mbox_entry entry;
	uint64_t at; /* next octet in the file */
	uint64_t left;
	struct mbox_quote quote;
	struct mozilla_filter *filter;
	struct mbox_status status;
	struct buf out, quoted; /* quoted: before mbox_status, where there is any */
	bool ended;
};

/* 0; -1: ERR_CONN when no message stands there any more. */
int mbox_body_open(struct mbox_body *body, struct mbox_file *file, const struct mbox_entry *entry,
	struct err *err) MUST_CHECK;
int mbox_body_read(struct mbox_body *body, struct span *out, struct err *err) MUST_CHECK;
void mbox_body_close(struct mbox_body *body);
struct box *mbox_box_open(
	struct store *base, const char *name, enum store_mode mode, struct err *err);
void mbox_box_close(struct box *base);
bool mbox_box_is_same(struct box *base, const char *mailboxid);
int mbox_box_flags(struct box *base, const struct uidset *uids, flags_t add, flags_t remove,
	struct err *err) MUST_CHECK;

/* ---- store_mbox_remove.c ---- */

int mbox_box_remove(
	struct box *base, const struct uidset *uids, unsigned how, struct err *err) MUST_CHECK;
struct mbox_file *mbox_box_file(struct box *base);
/* The file without these octets; by another file that takes its place. Under its lock. */
int mbox_cut_out(struct mbox_file *file, uint64_t from, uint64_t to, struct err *err) MUST_CHECK;

/* ---- store_mbox_rename.c ---- */

/* With the mailboxes below it; after a crash, the same again. */
int mbox_rename(struct store *base, const char *from, const char *to, struct err *err) MUST_CHECK;

/* ---- store_mbox_subscribe.c ---- */

/* Fills in what is subscribed. A file that cannot be read is told of, and nothing is known then. */
void mbox_subscribe_fill(struct store_mbox *store, struct mailbox_list *list, struct arena *arena);
int mbox_subscribe(
	struct store *base, const char *name, bool subscribe, struct err *err) MUST_CHECK;
/* Before a mailbox is made: it is not subscribed, until it is. */
int mbox_subscribe_new(struct store_mbox *store, const char *name, struct err *err) MUST_CHECK;
int mbox_prepare(struct store *base, struct store_preparation *list, size_t count,
	struct err *err) MUST_CHECK;
/* What is not subscribed is not so by its new name either: called before it is renamed, and again (done) behind. */
int mbox_subscribe_renamed(struct store_mbox *store, const char *from, const char *to, bool done,
	struct err *err) MUST_CHECK;

/* ---- store_mbox_append.c ---- */

int mbox_append_to(struct store *base, const char *name, struct err *err) MUST_CHECK;
int mbox_append_begin(struct store *base, uint64_t token, flags_t flags, struct date date,
	uint64_t size, struct err *err) MUST_CHECK;
int mbox_append_add(struct store *base, struct span bytes, struct err *err) MUST_CHECK;
int mbox_append_end(struct store *base, struct err *err) MUST_CHECK;
bool mbox_append_in_message(const struct store *base);
bool mbox_append_cancel(struct store *base);
int mbox_append_flush(struct store *base, struct err *err) MUST_CHECK;
int mbox_append_settle(
	struct store *base, bool wait, struct append_result *out, struct err *err) MUST_CHECK;
void mbox_append_drop(struct store *base);
size_t mbox_append_outstanding(const struct store *base);
void mbox_append_free(struct store_mbox *store);

#endif
