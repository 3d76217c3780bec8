#include "ops/pool.h"

#include "base/mem.h"
#include "base/stop.h"

#include <pthread.h>

struct hall { /* what the threads of a pool share */
	const struct pool *pool;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t changed; /* free, ended */
	size_t next;
	unsigned free;
	bool ended;
};

/* With the lock held. How many lanes the next user gets now; 0 = he has to wait. */
static unsigned share(const struct hall *hall)
{
	const struct pool *pool = hall->pool;
	const size_t waiting = pool->together - hall->next;

	if (hall->next >= pool->together)
		return hall->free == pool->lanes ? pool->lanes : 0;
	if (waiting >= hall->free)
		return hall->free > 0;
	return (unsigned)((hall->free + waiting - 1) / waiting);
}

/* The next turn, waited for: the lanes it has, or 0 when there is none any more. */
static unsigned take(struct hall *hall, size_t *user_out)
{
	unsigned lanes = 0;

	pthread_mutex_lock(&hall->lock);
	while (!hall->ended && !stop_requested() && hall->next < hall->pool->users) {
		lanes = share(hall);
		if (lanes > 0)
			break;
		pthread_cond_wait(&hall->changed, &hall->lock);
	}
	if (lanes > 0) {
		*user_out = hall->next++;
		hall->free -= lanes;
	}
	pthread_mutex_unlock(&hall->lock);
	return lanes;
}

static void give_back(struct hall *hall, unsigned lanes, bool go_on)
{
	pthread_mutex_lock(&hall->lock);
	hall->free += lanes;
	hall->ended |= !go_on;
	pthread_cond_broadcast(&hall->changed);
	pthread_mutex_unlock(&hall->lock);
}

static void *work(void *argument)
{
	struct hall *hall = argument;
	unsigned lanes;
	size_t user;

	while ((lanes = take(hall, &user)) > 0)
		give_back(hall, lanes, hall->pool->run(hall->pool->context, user, lanes));
	return NULL;
}

size_t pool_run(const struct pool *pool)
{
	const size_t most = pool->together < pool->lanes ? pool->together : pool->lanes;
	const size_t count = most > 1 ? most - 1 : 0;
	pthread_t *threads = mem_array(count + 1, sizeof(*threads));
	struct hall hall = { .pool = pool, .free = pool->lanes };
	size_t started = 0;

	pthread_mutex_init(&hall.lock, NULL);
	pthread_cond_init(&hall.changed, NULL);
	while (started < count && pthread_create(&threads[started], NULL, work, &hall) == 0)
		started++;
	work(&hall);
	for (size_t i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
	pthread_cond_destroy(&hall.changed);
	pthread_mutex_destroy(&hall.lock);
	mem_free(threads);
	return hall.next;
}
