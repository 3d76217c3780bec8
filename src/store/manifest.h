/*
 * The record kept beside mail in files, for what the files themselves do not tell: UIDs, dates, flags, keywords, digests. eml: keeps one in each directory
 * (`.mailhaul`), mbox: one beside each file (`.NAME.mailhaul`).
 *
 * A text file, one line a message, fields between TABs; texts are percent-encoded where they hold % or control octets:
 *
 *	mailhaul-manifest 1 UIDVALIDITY
 *	UID  INTERNALDATE (ISO 8601 with zone, - = none)  SIZE (as IMAP counts, - = not known)  FLAGS (between blanks, - = none)
 *	     SHA-256 (hex, - = not known)  MESSAGE-ID (- = none)  WHERE
 *	=UID  FLAGS                 flags changed
 *	-UID                        removed
 *	+UIDNEXT                    UIDs below are used up
 *	@KEY  TEXT                  a note of the back end; the last one of a key counts, an empty one is none
 *	!DIGEST                     end of a group
 *
 * Lines are written in groups, one write and one fsync each. A group ends with 16 hex digits of the SHA-256 of the line that ended the one before and of its own
 * lines, so that a group is there whole or not at all, whichever blocks of it a crash left: what follows the last whole group, without an end or with
 * NULs in it, is ignored, and cut off at the next writing. Any other group that is not as it was written, any line that is not as above, a UID that does not ascend, a WHERE that the back end's
 * check refuses: ERR_MAILBOX "FILE:LINE: damaged …", and nothing of it is believed. When most of its lines are out of date the file is written anew.
 *
 * Memory: 16 octets a message (UID, flags, place in the file); the rest of a row is read from the file when asked for.
 *
 * Owner: the box or store that opened it. Lifetime: manifest_open() to manifest_close(). Threads: one at a time. Processes, and other manifests of this one: any
 * that read; one that writes holds a lock on the file.
 *
 *	manifest = manifest_open(&place, MANIFEST_WRITE, err);
 *	uid = manifest_add(manifest, &row);
 *	if (manifest_commit(manifest, err) < 0)
 *		return -1;
 */
#ifndef STORE_MANIFEST_H
#define STORE_MANIFEST_H

#include "base/digest.h"
#include "base/must.h"
#include "mail/date.h"
#include "mail/flags.h"
#include "mail/uidset.h"

struct err;
struct manifest;

#define MANIFEST_ID_MAX 998 /* a longer Message-ID is not kept: RFC 5322 §2.1.1 */
#define MANIFEST_WHERE_MAX 4096
#define MANIFEST_NOTE_MAX 65536
#define MANIFEST_NEWEST_ROOM 32

struct manifest_row {
	uint32_t uid;
	struct date date;
	uint64_t size; /* UINT64_MAX = not known */
	flags_t flags;
	bool has_sha256;
	unsigned char sha256
		[DIGEST_SIZE]; /* of the octets as IMAP carries them, or raw where the place keeps them raw */
	const char
		*message_id; /* NULL = none; borrowed for adding, until the next call when read */
	const char *where; /* the back end's: a file name, an offset and a length; never NULL */
};

enum manifest_mode { MANIFEST_READ, MANIFEST_WRITE };

struct manifest_place { /* borrowed while the manifest is open */
	int dir; /* descriptor of the directory */
	const char *name; /* of the file in it; never a symbolic link */
	const char *shown; /* path for messages */
	struct flag_table *flags;
	bool (*check)(const char *where); /* NULL allowed */
	uint32_t owner, group; /* of the file; UINT32_MAX = as it comes */
	bool no_wait; /* in use by another writer: says so at once */
};

/*
 * A file that does not exist is an empty manifest for READ (manifest_exists() is false, uidvalidity 0); with WRITE it is created at once, with a new UIDVALIDITY: that
 * must be durable before the first message is. In use by another writer: ERR_MAILBOX kind BUSY, after a short wait.
 */
struct manifest *manifest_open(
	const struct manifest_place *place, enum manifest_mode mode, struct err *err);
void manifest_close(struct manifest *manifest); /* accepts NULL; what was not committed is lost */
bool manifest_exists(
	const struct manifest *manifest); /* there is a file, or was when it was opened */
bool manifest_is_new(const struct manifest *manifest); /* created by this manifest_open() */
uint32_t manifest_uidvalidity(const struct manifest *manifest);
uint32_t manifest_uidnext(
	const struct manifest *manifest); /* 0 = none is left: nothing can be added */

/* Rows by UID ascending; what is removed is not among them. index < manifest_count(). */
size_t manifest_count(const struct manifest *manifest);
uint32_t manifest_uid(const struct manifest *manifest, size_t index);
flags_t manifest_flags(const struct manifest *manifest, size_t index);
size_t manifest_find(const struct manifest *manifest, uint32_t uid); /* SIZE_MAX = no such row */
/* The whole row; one after the other is cheap. -1: ERR_MAILBOX, the file cannot be read or is no longer what it was. */
int manifest_read(struct manifest *manifest, size_t index, struct manifest_row *out,
	struct err *err) MUST_CHECK;
/*
 * Names the newest row, "" if there is none: who kept that name can ask later whether it is still the same record. One that was restored from a backup is not, once it has
 * given UIDs anew: then neither UIDVALIDITY nor UIDNEXT tells.
 */
void manifest_newest(struct manifest *manifest, char out[MANIFEST_NEWEST_ROOM]);
/* False: the row is another one now, or its UID was never given. A row that was removed since is believed. */
bool manifest_continues(struct manifest *manifest, const char *newest);
/* The text kept under a key (letters and digits), or NULL; the manifest's memory, until it is changed. */
const char *manifest_note(const struct manifest *manifest, const char *key);

/* With WRITE. They take effect at once in memory, and on disk with manifest_commit(). */
/* row->uid 0: the next one. Returns the UID; 0: none is left, or the line would be longer than a line can be. */
uint32_t manifest_add(struct manifest *manifest, const struct manifest_row *row);
void manifest_skip_to(
	struct manifest *manifest, uint32_t uidnext); /* UIDs below are never given again */
void manifest_set_flags(struct manifest *manifest, size_t index, flags_t flags);
/* Writes the file anew at the next commit. */
void manifest_set_where(struct manifest *manifest, size_t index, const char *where);
void manifest_remove(struct manifest *manifest, const struct uidset *uids);
void manifest_set_note(
	struct manifest *manifest, const char *key, const char *text); /* NULL = none */
bool manifest_dirty(const struct manifest *manifest); /* there is something to commit */
/*
 * Durable when it returns. -1: ERR_LOCAL, and the file is as before, or ends in what the next opening ignores. This manifest can then only be closed.
 */
int manifest_commit(struct manifest *manifest, struct err *err) MUST_CHECK;

#endif
