/*
 * Bytes of unknown length kept until they are wanted: in memory up to a limit, then in an unlinked temporary file
 * (O_TMPFILE in $TMPDIR or /var/tmp, 0600).
 *
 * Owner: the caller. Threads: one at a time.
 *
 *	struct spool *spool = spool_new(256 * 1024);
 *	spool_add(spool, chunk, err); …
 *	spool_rewind(spool);
 *	while ((rc = spool_next(spool, &chunk, err)) > 0) …
 *	spool_free(spool);
 */
#ifndef BASE_SPOOL_H
#define BASE_SPOOL_H

#include "base/must.h"
#include "base/span.h"

struct spool;
struct err;

struct spool *spool_new(size_t memory_bytes);
void spool_free(struct spool *spool);
/* disk full: ERR_LOCAL */
int spool_add(struct spool *spool, struct span bytes, struct err *err) MUST_CHECK;
uint64_t spool_size(const struct spool *spool);
void spool_rewind(struct spool *spool);
/* 1 = a chunk (borrowed until the next call), 0 = end, -1 = error. */
int spool_next(struct spool *spool, struct span *chunk_out, struct err *err) MUST_CHECK;
void spool_clear(struct spool *spool);

#endif
