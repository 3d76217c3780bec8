/*
 * What sizes*.c share. See sizes.h.
 *
 * Owner: as sizes.h. Threads: as sizes.h.
 */
#ifndef CLI_SIZES_PARTS_H
#define CLI_SIZES_PARTS_H

#include "base/arena.h"
#include "cli/sizes.h"

#include <pthread.h>

struct sizes {
	struct arena *arena;
	struct size_row *row;
	size_t count, room;
	struct meter *meter; /* borrowed, or NULL */
	pthread_mutex_t lock; /* of all of it while accounts are measured */
};

#endif
