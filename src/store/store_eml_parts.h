/*
 * What the files of the eml: back end share: store_eml.c (the tree), store_eml_names.c (mailboxes and directories), store_eml_dir.c (what a directory holds),
 * store_eml_box.c (reading, flags, removing), store_eml_append.c (writing) and eml_file.c (names of message files). For these only.
 *
 * A mailbox is a directory with a manifest (`.mailhaul`), or without one: then it was written by others (imapdump, or by hand), and its messages get their
 * UIDs from the ledger. WHERE in the manifest is the name of the file; with "~" before it its LFs become CRLFs when it is read; "!" = no file is kept.
 * Names that begin with a dot are never messages. The root of a tree that mailhaul made holds the file `.mailhaul-tree`.
 *
 * Owner: the store. Threads: one at a time.
 */
#ifndef STORE_STORE_EML_PARTS_H
#define STORE_STORE_EML_PARTS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/digest.h"
#include "base/err.h"
#include "mail/unix_eol.h"
#include "store/file_box.h"
#include "store/manifest.h"
#include "store/owner.h"

#include <sys/stat.h>

#define EML_MANIFEST ".mailhaul"
#define EML_TREE ".mailhaul-tree"
#define EML_TREE_PARTS ".mailhaul-attachments" /* instead of it: attachments=only made the tree */
#define EML_TEMPORARY ".mailhaul-new-"
#define EML_NO_FILE "!"
#define EML_NAME_MAX 240 /* octets of a file name */
#define EML_HEADER_MAX 65536 /* octets of a header that are looked at for names */

enum eml_name_by { EML_BY_UID, EML_BY_NUMBER, EML_BY_SUBJECT };
enum eml_attachments { EML_ATTACHMENTS_NO, EML_ATTACHMENTS_ALSO, EML_ATTACHMENTS_ONLY };

struct eml_dir { /* the directory of a mailbox, open */
	char *name; /* display */
	char *shown; /* path for messages */
	int fd;
	struct manifest *manifest; /* NULL = it has none */
	bool writable; /* the manifest is open for writing */
	bool complete; /* there is no file that could not be taken in */
	struct arena *arena;
	size_t hidden; /* what stands in the place of messages and is no regular file, or cannot be looked at, or is not what the manifest says */
	struct uidset
		odd; /* those of it that are in the manifest: they stay there, and are not shown */
	struct uidset gone; /* in the manifest, which is open for reading, and not on the disk */
	/* without a manifest: */
	struct eml_entry *entry; /* by UID */
	size_t count;
	uint32_t uidvalidity, uidnext;
	unsigned users; /* the box, the writer */
};

struct eml_entry { /* a message file */
	const char *name;
	uint32_t uid;
	int64_t modified;
	uint64_t size;
};

struct eml_pending { /* a message that is written, and not committed */
	int fd;
	char *temporary;
	struct manifest_row row; /* message_id is its own */
	char *subject;
	uint64_t token;
};

struct store_eml {
	struct store store;
	const char *state_dir;
	int root;
	bool ours; /* the root says that mailhaul made the tree */
	const char *ext; /* "" = none */
	bool ext_given;
	enum eml_name_by name_by;
	enum eml_attachments attachments;
	struct owner owner;
	uint64_t in, out; /* octets read and written */
	struct box_eml *box; /* the open one */

	/* writing */
	struct eml_dir *to; /* NULL between groups */
	char *to_name;
	struct eml_pending *pending;
	size_t pending_count, pending_room;
	uint64_t pending_bytes;
	int64_t pending_since;
	int fd; /* of the message that is being written, -1 = none */
	char *temporary;
	struct manifest_row row;
	uint64_t token, announced;
	struct digest *digest;
	struct buf header;
	uint64_t number; /* last one tried for name-by=number */
	struct file_results results;
};

struct box_eml {
	struct file_box file;
	struct eml_dir *dir;
	char newest[MANIFEST_NEWEST_ROOM]; /* facts.mailboxid */
	int fd; /* of the message being read, -1 = none */
	bool converts;
	struct unix_eol eol;
	struct digest *digest; /* of what was read */
	struct manifest_row row; /* what it has to be; texts are not */
	uint64_t read;
	uint32_t uid;
	struct buf raw, out;
};

static inline struct store_eml *store_eml_of(const struct store *store)
{
	return (struct store_eml *)(void *)store;
}

static inline struct box_eml *box_eml_of(const struct box *box)
{
	return (struct box_eml *)(void *)box;
}

/* ---- eml_file.c: names of files, pure ---- */

/* A name that is one level, no special one, and not hidden. */
bool eml_name_is_plain(const char *name);
/* Without a suffix of flag letters (",SF$Keyword$", imapdump's); flags_out may be NULL. */
struct span eml_name_without_flags(const char *name, struct flag_table *flags, flags_t *flags_out);
bool eml_name_has_ext(struct span name, const char *ext);
/* What may stand in a file name, of at most `max` octets; "" when nothing is left. */
void eml_name_tame(struct span text, size_t max, struct buf *out);

/* ---- store_eml_names.c ---- */

/* A level of a display name ↔ the name of its directory in a tree of mailhaul's own. False: too long, the name is shortened. */
bool eml_level_to_file(struct span level, struct buf *out);
char *eml_level_of_file(const char *file, struct arena *arena);
/* Opens the directory of a mailbox; with `make` its parents and itself are made. -1 with ERR_MAILBOX when it does not exist. */
int eml_open_dir(struct store_eml *store, const char *name, bool make, struct err *err) MUST_CHECK;
/* Opens the directory that holds it, and tells what it is called there. */
int eml_open_parent(struct store_eml *store, const char *name, bool make, struct arena *arena,
	char **file_out, struct err *err) MUST_CHECK;
/* Keeps a note in the manifest of a directory that no writer has open. */
int eml_note(struct store_eml *store, int dir, const char *key, const char *text,
	struct err *err) MUST_CHECK;
/* Every directory that is a mailbox: display names, in the arena. */
int eml_walk(struct store_eml *store, struct arena *arena, struct mailbox_list *out,
	struct err *err) MUST_CHECK;

/* ---- store_eml_dir.c ---- */

/* What a mailbox holds now; with WRITE it gets a manifest, and files that are not in it are taken in. */
struct eml_dir *eml_dir_open(
	struct store_eml *store, const char *name, enum store_mode mode, struct err *err);
void eml_dir_close(struct eml_dir *dir); /* when its last user has gone; accepts NULL */
int eml_dir_rows(struct eml_dir *dir, struct flag_table *flags, struct snapshot *rows,
	struct err *err) MUST_CHECK;
uint32_t eml_dir_uidvalidity(const struct eml_dir *dir);
uint32_t eml_dir_uidnext(const struct eml_dir *dir);
/* A regular file in the directory, never a link. -1 with errno; ENOENT, ELOOP … */
int eml_open_file(int dir, const char *name, struct stat *st);
int eml_sync_dir(int fd, const char *shown, struct err *err) MUST_CHECK;

/* ---- store_eml_box.c ---- */

struct box *eml_box_open(
	struct store *base, const char *name, enum store_mode mode, struct err *err);
void eml_box_close(struct box *base);
bool eml_box_is_same(struct box *base, const char *mailboxid);
int eml_box_change_flags(struct box *base, const struct uidset *uids, flags_t add, flags_t remove,
	struct err *err) MUST_CHECK;
int eml_box_remove(
	struct box *base, const struct uidset *uids, unsigned how, struct err *err) MUST_CHECK;

/* ---- eml_parts.c: MIME, by GMime ---- */

/* Writes the attachments of a message beside it as UID.NAME; fd is the message, read from its beginning. */
int eml_parts_write(struct store_eml *store, struct eml_dir *dir, int fd, uint32_t uid,
	struct err *err) MUST_CHECK;

/* ---- store_eml_append.c ---- */

int eml_append_to(struct store *base, const char *name, struct err *err) MUST_CHECK;
int eml_append_begin(struct store *base, uint64_t token, flags_t flags, struct date date,
	uint64_t size, struct err *err) MUST_CHECK;
int eml_append_add(struct store *base, struct span bytes, struct err *err) MUST_CHECK;
int eml_append_end(struct store *base, struct err *err) MUST_CHECK;
bool eml_append_in_message(const struct store *base);
bool eml_append_cancel(struct store *base);
int eml_append_flush(struct store *base, struct err *err) MUST_CHECK;
int eml_append_settle(
	struct store *base, bool wait, struct append_result *out, struct err *err) MUST_CHECK;
void eml_append_drop(struct store *base);
size_t eml_append_outstanding(const struct store *base);

#endif
