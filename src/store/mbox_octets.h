/*
 * The octets of an mbox file from any place on, also of one that is compressed (gzip, bzip2, zstd, xz; several one after the other too), and compressing what is
 * appended to it. Going forward is cheap; in a compressed file going back begins anew.
 *
 * Owner: the caller, of the descriptor too. Lifetime: mbox_octets_open() to mbox_octets_close(). Threads: one at a time.
 *
 *	octets = mbox_octets_open(fd, MBOX_PLAIN, size, path);
 *	if (mbox_octets_window(octets, offset, &window, &last, err) < 0)
 *		return -1;
 */
#ifndef STORE_MBOX_OCTETS_H
#define STORE_MBOX_OCTETS_H

#include "base/must.h"
#include "base/span.h"

struct err;
struct mbox_octets;
struct spool;

enum mbox_packing { MBOX_PLAIN, MBOX_GZIP, MBOX_BZIP2, MBOX_ZSTD, MBOX_XZ };

/* By the end of a file name: ".gz", ".bz2", ".zst", ".xz"; *len_out: octets of that end. */
enum mbox_packing mbox_packing_of(struct span name, size_t *len_out);

/* limit: octets of the file that count, as it is on the disk. shown: borrowed, for messages. */
struct mbox_octets *mbox_octets_open(
	int fd, enum mbox_packing packing, uint64_t limit, const char *shown);
void mbox_octets_close(struct mbox_octets *octets); /* accepts NULL */
/*
 * What stands at the offset: at least MBOX_WINDOW octets (mail/mbox_reader.h), or all there are: then *last_out. Borrowed until the next call. -1: ERR_MAILBOX:
 * it cannot be read or decompressed.
 */
int mbox_octets_window(struct mbox_octets *octets, uint64_t offset, struct span *out,
	bool *last_out, struct err *err) MUST_CHECK;

/* Compresses all of one spool to the end of another. */
int mbox_pack(
	enum mbox_packing packing, struct spool *in, struct spool *out, struct err *err) MUST_CHECK;
/* The octets with which a compressed member of this kind begins. */
struct span mbox_packing_mark(enum mbox_packing packing);

#endif
