/*
 * Content options (--headers-only, --fix-eol, --wrap-lines, --pipe): a message goes in as chunks, its changed form comes out of a
 * spool, for its length is known only at the end.
 *
 * Owner: the lane. Lifetime: transform_new() to transform_free(), one message at a time. Threads: one at a time.
 *
 *	transform_begin(t, err);
 *	while (… > 0) transform_add(t, chunk, err);
 *	spool = transform_end(t, err);          // borrowed until the next transform_begin()
 */
#ifndef OPS_TRANSFORM_H
#define OPS_TRANSFORM_H

#include "base/must.h"
#include "base/span.h"
#include "ops/settings.h"

struct err;
struct spool;
struct transform;

struct transform *transform_new(const struct settings *settings);
void transform_free(struct transform *transform); /* accepts NULL */
int transform_begin(struct transform *transform, struct err *err) MUST_CHECK;
int transform_add(struct transform *transform, struct span chunk, struct err *err) MUST_CHECK;
/* NULL: ERR_MESSAGE when the command of --pipe failed, ERR_LOCAL when the disk is full. */
struct spool *transform_end(struct transform *transform, struct err *err);
/* Gives the message up half way (its source failed): ends the command. */
void transform_cancel(struct transform *transform);

#endif
