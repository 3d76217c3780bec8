/*
 * What a mailbox held at one moment, as columns: read-only once the scan is done. A scan that failed or broke off gives no
 * snapshot that says "complete": unknown is never empty (product rule 3).
 *
 * Owner: whoever scanned. Lifetime: snapshot_release(). Threads: any, immutable after the scan.
 *
 * Memory: 4 (uid) + 4 (flags) + 8 (instant) + 2 (zone) + 4 (size) + 1 octets a message, + 16 with digests, + 16 with ids.
 */
#ifndef STORE_SNAPSHOT_H
#define STORE_SNAPSHOT_H

#include "base/digest.h"
#include "mail/date.h"
#include "mail/flags.h"
#include "mail/uidset.h"

enum snapshot_attr {
	SNAPSHOT_HAS_DIGEST = 1, /* digest[i] is the header digest */
	SNAPSHOT_HAS_MESSAGE_ID = 2,
	SNAPSHOT_HAS_CONTENT = 4, /* content[i] is set */
	SNAPSHOT_HAS_ID = 16, /* id[i] is the digest of an id of the content */
	SNAPSHOT_SIZE_ROUGH = 8, /* rows of files: size may count an LF where IMAP counts CRLF */
};

struct snapshot {
	bool complete; /* every message that was asked for is in it */
	size_t count, room;
	uint32_t *uid; /* ascending */
	flags_t *flags;
	int64_t *instant; /* INTERNALDATE; DATE_UNKNOWN */
	int16_t *zone;
	uint32_t *size; /* RFC822.SIZE, a hint; UINT32_MAX = that or more */
	uint8_t *attr;
	struct digest128 *digest; /* NULL unless asked for */
	struct digest128 *content; /* NULL unless asked for */
	struct digest128 *id; /* imap/imap_content_id.h; NULL unless asked for */
	uint64_t modseq; /* what SELECT gave before the scan */
};

void snapshot_init(struct snapshot *snapshot, bool digests);
void snapshot_release(struct snapshot *snapshot);
/* A new row at the end; the caller fills it. Rows may come in any order: snapshot_finish() sorts by UID, drops later doubles. */
size_t snapshot_add(struct snapshot *snapshot, uint32_t uid);
void snapshot_want_digests(struct snapshot *snapshot);
void snapshot_want_content(struct snapshot *snapshot);
void snapshot_want_ids(struct snapshot *snapshot);
void snapshot_forget_digests(struct snapshot *snapshot); /* contents too; gives the memory back */
void snapshot_finish(struct snapshot *snapshot, bool complete);
/* Takes out the rows of these UIDs; after snapshot_finish(). */
void snapshot_remove(struct snapshot *snapshot, const struct uidset *uids);
/* Row of a UID by binary search, or SIZE_MAX. */
size_t snapshot_find(const struct snapshot *snapshot, uint32_t uid);
size_t snapshot_bytes(const struct snapshot *snapshot); /* memory held */

#endif
