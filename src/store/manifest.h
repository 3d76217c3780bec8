/*
 * The record kept beside mail in files, for what the files themselves do not tell: UIDs, dates, flags, keywords, digests. eml: keeps one in each directory
 * (`.mailhaul`), mbox: one beside each file (`.NAME.mailhaul`).
 *
 * A text file, one line a message, fields between TABs, percent-encoded where they hold %, TAB, CR, LF or other control octets:
 *
 *	mailhaul-manifest 1 UIDVALIDITY UIDNEXT
 *	UID  INTERNALDATE (ISO 8601 with zone, - = none)  SIZE (as IMAP counts)  FLAGS (between blanks, - = none)  SHA-256 (hex)  MESSAGE-ID (- = none)  WHERE
 *	=UID  FLAGS                 flags changed
 *	-UID                        removed
 *	+UIDNEXT                    UIDs below are used up
 *
 * WHERE is the back end's: a file name, an offset and a length. Lines are appended in groups and fsync'ed; when more than half of a long file is dead it is written
 * anew (path_write()). A last line without its end is what a crash left: it is cut off. Any other line that is not as above, a UID that does not ascend,
 * a WHERE that the back end's check refuses: ERR_MAILBOX "FILE:LINE: damaged …", and nothing of it is believed.
 *
 * Owner: the box or store that opened it. Lifetime: manifest_open() to manifest_close(). Threads: one at a time; processes: an fcntl lock on the file
 * while open for writing.
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

struct manifest_row {
	uint32_t uid;
	struct date date;
	uint64_t size; /* UINT64_MAX = not known */
	flags_t flags;
	bool has_sha256;
	unsigned char sha256
		[DIGEST_SIZE]; /* of the octets as IMAP carries them, or raw where the place keeps them raw */
	const char
		*message_id; /* NULL = none; borrowed for adding, the manifest's memory when read */
	const char *where;
};

enum manifest_mode { MANIFEST_READ, MANIFEST_WRITE };

/*
 * dir: a descriptor of the directory, name: of the file in it (never a symbolic link). A file that does not exist is an empty manifest; with WRITE it is created
 * with the first group, with a new UIDVALIDITY. check may be NULL. *exists_out: there was one.
 */
struct manifest *manifest_open(int dir, const char *name, enum manifest_mode mode,
	struct flag_table *flags, bool (*check)(const char *where), bool *exists_out,
	struct err *err);
void manifest_close(struct manifest *manifest); /* accepts NULL; what was not committed is lost */
uint32_t manifest_uidvalidity(const struct manifest *manifest);
uint32_t manifest_uidnext(const struct manifest *manifest);
/* Rows by UID ascending; what is removed is not among them. */
size_t manifest_count(const struct manifest *manifest);
const struct manifest_row *manifest_row(const struct manifest *manifest, size_t index);
const struct manifest_row *manifest_find(const struct manifest *manifest, uint32_t uid);

/* Take effect at once in memory, and on disk with manifest_commit(). row->uid 0: the next one, which is returned. */
uint32_t manifest_add(struct manifest *manifest, const struct manifest_row *row);
void manifest_set_flags(struct manifest *manifest, uint32_t uid, flags_t flags);
void manifest_set_where(struct manifest *manifest, uint32_t uid,
	const char *where); /* rewrites the file at the next commit */
void manifest_remove(struct manifest *manifest, uint32_t uid);
/* Durable when it returns. -1: ERR_LOCAL, and the file is as before or ends in a line that the next opening cuts off. */
int manifest_commit(struct manifest *manifest, struct err *err) MUST_CHECK;

#endif
