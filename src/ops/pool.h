/*
 * Users side by side: shares a number of lanes out to them, one turn each. Knows nothing of accounts.
 *
 * As long as more users wait than lanes are free, each gets one; the last ones get more. A lane given back goes to the next in line, never to one that is
 * at work already.
 *
 * Owner: the caller. Lifetime: the call. Threads: run() is called in the caller's thread and those of the pool, at most as many at once as there are lanes.
 *
 *	struct pool pool = { .users = 2000, .together = 2000, .lanes = 8, .run = run, .context = context };
 *	begun = pool_run(&pool);
 */
#ifndef OPS_POOL_H
#define OPS_POOL_H

#include <stdbool.h>
#include <stddef.h>

struct pool {
	size_t users;
	size_t together; /* the first so many may be at work at once; the rest one after another, behind them */
	unsigned lanes; /* 1 and more */
	/* One user's turn. False: no further one begins, those at work go on to their end. */
	bool (*run)(void *context, size_t user, unsigned lanes);
	void *context;
};

/* Returns when all turns are over: how many were begun. A stop (base/stop.h) begins no further one. */
size_t pool_run(const struct pool *pool);

#endif
