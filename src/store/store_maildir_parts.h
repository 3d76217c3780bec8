/*
 * What the files of the Maildir back end share: store_maildir.c (opening, folders), store_maildir_tree.c (what folders there are), store_maildir_list.c (listing, status),
 * store_maildir_text.c (the small files beside mail), store_maildir_courier.c (Courier's keywords), store_maildir_look.c (what messages there are), store_maildir_box.c (boxes), store_maildir_append.c. For these only.
 *
 * Everything is reached from a descriptor of the root, never through a symbolic link. Other programs deliver and rename at any time: a listing is repeated while
 * directories change, a file that is not there any more is looked for by the part of its name that stays.
 *
 * Owner: the store. Threads: one at a time.
 */
#ifndef STORE_STORE_MAILDIR_PARTS_H
#define STORE_STORE_MAILDIR_PARTS_H

#include "base/arena.h"
#include "mail/mailbox_name.h"
#include "mail/maildir_name.h"
#include "state/ledger.h"
#include "store/file_box.h"
#include "store/owner.h"

#define MAILDIR_NAME_MAX 255 /* octets of a file name */
#define MAILDIR_PATH_SIZE (MAILDIR_NAME_MAX + 5) /* "cur/", a name, NUL */

struct maildir_append;

struct store_maildir {
	struct store store;
	struct arena *arena; /* as long as the store */
	const char *path; /* of the root */
	int root; /* descriptor; -1: a destination that is not there yet */
	struct maildir_style style;
	size_t left_out; /* folders of the other layout */
	const char *inbox; /* path of INBOX below the root, "" = the root itself */
	bool may_create;
	struct owner owner;
	struct ledger *ledger;
	char host[65];
	struct box_maildir *box; /* open, or NULL */
	struct maildir_append *append;
};

static inline struct store_maildir *store_maildir_of(const struct store *store)
{
	return (struct store_maildir *)(void *)store;
}

/* ---- store_maildir.c ---- */

/* The path of a mailbox below the root. */
int maildir_path_of(const struct store_maildir *store, const char *name, struct arena *arena,
	char **path_out, bool *changed_out, struct err *err) MUST_CHECK;
/* A descriptor of its directory. -1: ERR_MAILBOX, there is none (or it is no Maildir). */
int maildir_open_folder(struct store_maildir *store, const char *name, struct err *err) MUST_CHECK;
int maildir_sync_dir(int dir, const char *what, struct err *err) MUST_CHECK;
/* Makes the mailbox, with the root if need be. */
int maildir_make(struct store_maildir *store, const char *name, bool *changed_out,
	struct err *err) MUST_CHECK;

/* ---- store_maildir_tree.c ---- */

struct maildir_tree { /* memory of the arena given */
	const char **path; /* of folders, "" = the root; in no order */
	size_t count, room;
	size_t refused; /* symbolic links that may lead to mail, and what cannot be looked into */
	size_t others; /* entries of the root that are not part of a Maildir */
	/* fs: directories whose names begin with a dot and that hold Maildirs; the first of them */
	size_t dotted;
	const char *first_dotted;
};

/* Folders of this layout. The root is among them if it has messages itself. */
int maildir_tree_read(int root, enum maildir_layout layout, struct arena *arena,
	struct maildir_tree *out, struct err *err) MUST_CHECK;
bool maildir_is_folder(int dir, const char *path); /* it holds a `cur` */
/* Opens a directory below another, level by level, following no link. -1 with errno. */
int maildir_open_below(int dir, const char *path);

/* ---- store_maildir_list.c ---- */

int maildir_store_list(struct store *base, unsigned want, struct arena *arena,
	struct mailbox_list *out, struct err *err) MUST_CHECK;
int maildir_store_status(struct store *base, const char *name, unsigned want,
	struct mailbox_info *out, struct err *err) MUST_CHECK;

/* ---- store_maildir_text.c ---- */

/*
 * The lock of a small file beside mail that Dovecot takes too, NAME.lock (held by others: ERR_MAILBOX kind BUSY); maildir_replace() puts the new content into its
 * place and unlocks, also when it fails.
 */
int maildir_lock(int dir, const char *name, struct err *err) MUST_CHECK;
int maildir_replace(struct store_maildir *store, int dir, const char *name, struct span content,
	struct err *err) MUST_CHECK;
void maildir_unlock(int dir, const char *name);
/* 1; 0 = there is no such file. */
int maildir_read_text(int dir, const char *name, struct arena *arena, struct span *out,
	struct err *err) MUST_CHECK;

struct maildir_keywords {
	struct arena *arena; /* of the names */
	const char *name[MAILDIR_KEYWORDS]; /* NULL = free */
};

int maildir_keywords_read(int dir, struct maildir_keywords *keywords, struct err *err) MUST_CHECK;
/* The flags that letters stand for, and back. A keyword without a letter gets one; *lost: those for which none was left. */
flags_t maildir_flags_of(struct flag_table *table, const struct maildir_keywords *keywords,
	const struct maildir_name *name);
int maildir_letters_of(struct store_maildir *store, int dir, struct maildir_keywords *keywords,
	flags_t flags, unsigned *flags_out, uint32_t *keywords_out, flags_t *lost,
	struct err *err) MUST_CHECK;
/* What can be stored here: permanent flags, and whether there is room for new keywords. */
void maildir_permanent(
	struct flag_table *table, const struct maildir_keywords *keywords, struct box_facts *facts);

struct maildir_subscriptions {
	bool exists;
	const char **name; /* as the server would call them */
	size_t count;
};
int maildir_subscriptions_read(struct store_maildir *store, struct arena *arena,
	struct maildir_subscriptions *out, struct err *err) MUST_CHECK;
/* As the server would call the mailbox: "A.B", "A/B", "INBOX". */
const char *maildir_server_name(
	const struct store_maildir *store, const char *path, struct arena *arena);
int maildir_store_subscribe(
	struct store *base, const char *name, bool subscribe, struct err *err) MUST_CHECK;

/* ---- store_maildir_courier.c ---- */

struct maildir_courier;

/* The keywords of a folder that Courier serves; *out NULL: there are none. Also after -1 to be freed; the arena outlives it. */
int maildir_courier_read(
	int dir, struct arena *arena, struct maildir_courier **out, struct err *err) MUST_CHECK;
void maildir_courier_free(struct maildir_courier *courier); /* accepts NULL */
/* base: of the name of its file (struct maildir_name) */
flags_t maildir_courier_flags(
	const struct maildir_courier *courier, struct flag_table *table, struct span base);
/* Takes keywords from a message, as far as it has them there: new ones are put into the name, where Courier does not see them. */
int maildir_courier_remove(struct store_maildir *store, int dir, struct maildir_courier *courier,
	struct span base, flags_t remove, struct err *err) MUST_CHECK;

/* ---- store_maildir_look.c ---- */

struct maildir_entry {
	const char *file;
	uint32_t uid;
	bool in_new;
};

struct maildir_look {
	struct arena *arena; /* of the names */
	struct maildir_entry *entry; /* by UID */
	size_t count;
	size_t hidden; /* what stands in the place of messages and is no regular file: not among them */
	struct ledger_facts facts;
};

static inline const char *maildir_sub(const struct maildir_entry *entry)
{
	return entry->in_new ? "new" : "cur";
}

/* Every message of a folder, with its UID. */
int maildir_look(struct store_maildir *store, int dir, const char *mailbox,
	struct maildir_look *out, struct err *err) MUST_CHECK;
void maildir_look_release(struct maildir_look *look);
/* What is called otherwise now gets its new name; what is gone keeps the old one. Cheap while the directories have not changed since *seen. */
struct maildir_seen {
	struct timespec cur, new;
};
int maildir_look_again(
	int dir, struct maildir_look *look, struct maildir_seen *seen, struct err *err) MUST_CHECK;

/* ---- store_maildir_box.c ---- */

struct box *maildir_box_open(
	struct store *base, const char *name, enum store_mode mode, struct err *err);
void maildir_box_close(struct box *base);
int maildir_box_change_flags(struct box *base, const struct uidset *uids, flags_t add,
	flags_t remove, struct err *err) MUST_CHECK;
int maildir_box_remove(
	struct box *base, const struct uidset *uids, unsigned how, struct err *err) MUST_CHECK;

/* ---- store_maildir_append.c ---- */

int maildir_append_to(struct store *base, const char *name, struct err *err) MUST_CHECK;
int maildir_append_begin(struct store *base, uint64_t token, flags_t flags, struct date date,
	uint64_t size, struct err *err) MUST_CHECK;
int maildir_append_add(struct store *base, struct span bytes, struct err *err) MUST_CHECK;
int maildir_append_end(struct store *base, struct err *err) MUST_CHECK;
bool maildir_append_in_message(const struct store *base);
bool maildir_append_cancel(struct store *base);
int maildir_append_flush(struct store *base, struct err *err) MUST_CHECK;
int maildir_append_settle(
	struct store *base, bool wait, struct append_result *out, struct err *err) MUST_CHECK;
void maildir_append_drop(struct store *base);
size_t maildir_append_outstanding(const struct store *base);
void maildir_append_free(struct maildir_append *append); /* accepts NULL */

#endif
