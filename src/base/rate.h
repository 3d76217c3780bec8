/*
 * Token buckets: messages per second, bytes per second, bytes per day; shared by all lanes.
 *
 * Owner: the job. Threads: any, locked inside; sleeping happens outside the lock and obeys stop.
 */
#ifndef BASE_RATE_H
#define BASE_RATE_H

#include "base/must.h"

#include <stdint.h>

struct rate;

/* per_second 0 = no limit (then NULL is returned, which every call accepts). The bucket holds one second's worth. */
struct rate *rate_new(double per_second);
void rate_free(struct rate *rate);
/* Takes amount, sleeping as long as the bucket owes it. -1 when stopped. */
int rate_take(struct rate *rate, uint64_t amount) MUST_CHECK;
/* A server asked to slow down: halves the pace (down to 1/16, once a second at most); each quiet minute doubles it again. */
void rate_slow(struct rate *rate);

#endif
