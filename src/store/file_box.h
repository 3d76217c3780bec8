/*
 * What the back ends that keep mail in files share: the rows of an open mailbox, the queue of asked messages, bodies with the line ends and the exact length that
 * IMAP counts, digests for scans, and the results of appends, which are committed in groups.
 *
 * Line ends: a message is handed on with CRLF: an LF without a CR before it becomes CRLF, everything else stays (NUL, bare CR, CRLF). With `raw` nothing
 * is changed. What was written by mail/unix_eol.h comes back as it was.
 *
 * A back end's box begins with struct file_box; its table has the file_box_* functions below in it. It fills `rows` when it opens the mailbox: one a message, with uid, flags,
 * date and size (a hint; UINT32_MAX = not known), in any order, then snapshot_finish().
 *
 * The rows are of the moment of opening; refresh() brings them up to date before every scan but one that comes first after it.
 *
 * Owner: the back end. Lifetime: file_box_init() to file_box_release(). Threads: of the lane.
 *
 *	file_box_init(&box->file, store, name, &maildir_body_ops);
 *	row = snapshot_add(&box->file.rows, uid); …
 *	snapshot_finish(&box->file.rows, true);
 */
#ifndef STORE_FILE_BOX_H
#define STORE_FILE_BOX_H

#include "store/store_ops.h"

struct file_box;

struct file_body_ops { /* one message open at a time */
	/* 1; 0 = it is gone; -1: with ERR_MESSAGE only this one cannot be read. Open again while open: from the beginning. */
	int (*open)(struct file_box *box, uint32_t uid, struct err *err);
	/* Its octets as they are kept, in pieces of any size; borrowed until the next call: 1, 0 = end, -1. */
	int (*read)(struct file_box *box, struct span *chunk_out, struct err *err);
	void (*close)(struct file_box *box); /* nothing open: does nothing */
	/* Looks again what is there: rows and facts. NULL = what was found at opening stands. */
	int (*refresh)(struct file_box *box, struct err *err);
};

struct file_box {
	struct box box; /* first */
	const struct file_body_ops *body;
	struct snapshot rows;
	bool raw; /* hand on the octets as they are */
	bool used; /* something was read or scanned since the rows were filled */
	struct file_reading *reading; /* file_box.c's */
};

void file_box_init(struct file_box *box, struct store *store, const char *name,
	const struct file_body_ops *body);
void file_box_release(struct file_box *box); /* name and rows too, not the struct */

/* For the table of a back end. Digests and contents of a scan are computed by reading; a message that cannot be read goes to *unknown.
 * With them the size is exact; without, it is the rows' hint. A scan since a modseq gives all. */
int file_box_scan(struct box *box, const struct box_scan *scan, struct snapshot *snapshot,
	struct arena *arena, struct uidset *unknown, struct err *err) MUST_CHECK;
/* By file_search.h: what the rows do not decide is read, once, as far as it is needed. */
int file_box_search(struct box *box, const char *expression, struct arena *arena,
	struct uidset *out, struct uidset *unknown, struct err *err) MUST_CHECK;
bool file_box_fetch_has_room(const struct box *box);
int file_box_fetch_ask(
	struct box *box, const struct uidset *uids, uint64_t bytes, struct err *err) MUST_CHECK;
bool file_box_fetch_ready(struct box *box);
/* Fills size exactly: short messages are read whole, long ones are read twice. One that changes meanwhile ends with ERR_CONN: the pass begins again. */
int file_box_fetch_next(struct box *box, struct message *out, struct err *err) MUST_CHECK;
int file_box_fetch_chunk(struct box *box, struct span *chunk_out, struct err *err) MUST_CHECK;
void file_box_fetch_end(struct box *box);

/* What came of a message is as long as was announced, or it is an error of this message (ERR_MESSAGE): none of it may be kept then. */
int file_append_whole(uint64_t came, uint64_t announced, struct err *err) MUST_CHECK;

/* Results of appends in the order in which they were begun. */
struct file_results {
	struct append_result *result;
	size_t count, room, taken;
};
struct append_result *file_results_add(
	struct file_results *results, uint64_t token); /* outcome SKIPPED; the caller sets it */
bool file_results_take(
	struct file_results *results, struct append_result *out); /* false = none left */
void file_results_release(struct file_results *results);

#endif
