/* A token bucket that may owe: takers pay in advance and sleep their debt off, so that they queue fairly without a queue. */
#include "base/rate.h"

#include "base/clock.h"
#include "base/mem.h"

#include <pthread.h>
#include <stdbool.h>

#define SLOW_LEAST (1.0 / 16)
#define SLOW_ONCE_MS 1000 /* several lanes report one and the same complaint */
#define RESTORE_MS 60000 /* without a complaint: the pace doubles again */
#define SLEEP_MAX_MS 1e15

struct rate {
	pthread_mutex_t lock;
	double per_second; /* as asked for */
	double share; /* of per_second, 1 unless slowed down */
	double tokens; /* negative: owed */
	int64_t filled_us;
	int64_t slowed_ms; /* the last change of share by a complaint or by its absence */
};

struct rate *rate_new(double per_second)
{
	if (!(per_second > 0))
		return NULL;

	struct rate *rate = mem_alloc(sizeof(*rate));
	pthread_mutex_init(&rate->lock, NULL);
	rate->per_second = rate->tokens = per_second;
	rate->share = 1;
	rate->filled_us = clock_us();
	return rate;
}

void rate_free(struct rate *rate)
{
	if (!rate)
		return;
	pthread_mutex_destroy(&rate->lock);
	mem_free(rate);
}

static void rate_fill(struct rate *rate)
{
	const int64_t now_us = clock_us();
	const double pace = rate->per_second * rate->share;

	rate->tokens += (double)(now_us - rate->filled_us) * pace / 1e6;
	if (rate->tokens > pace)
		rate->tokens = pace;
	rate->filled_us = now_us;
	if (rate->share < 1 && now_us / 1000 - rate->slowed_ms >= RESTORE_MS) {
		rate->share *= 2;
		rate->slowed_ms = now_us / 1000;
	}
}

int rate_take(struct rate *rate, uint64_t amount)
{
	if (!rate)
		return 0;
	pthread_mutex_lock(&rate->lock);
	rate_fill(rate);
	rate->tokens -= (double)amount;
	const double owed_ms = -rate->tokens / (rate->per_second * rate->share) * 1000;
	pthread_mutex_unlock(&rate->lock);
	if (owed_ms <= 0)
		return clock_sleep(0);
	return clock_sleep(owed_ms < SLEEP_MAX_MS ? (int64_t)owed_ms + 1 : (int64_t)SLEEP_MAX_MS);
}

void rate_slow(struct rate *rate)
{
	if (!rate)
		return;
	pthread_mutex_lock(&rate->lock);
	rate_fill(rate);
	const int64_t now_ms = clock_ms();
	const bool again = rate->share < 1 && now_ms - rate->slowed_ms < SLOW_ONCE_MS;
	if (!again) {
		rate->share = rate->share / 2 > SLOW_LEAST ? rate->share / 2 : SLOW_LEAST;
		rate->slowed_ms = now_ms;
	}
	pthread_mutex_unlock(&rate->lock);
}
