/* The two clocks, the sleep that obeys stop, and the fake time of tests. */
#include "base/clock.h"

#include "base/os.h"
#include "base/stop.h"

#include <limits.h>
#include <stdatomic.h>

static _Atomic int64_t fake_ms = -1;

static int64_t clock_read_us(clockid_t id)
{
	const int64_t fake = atomic_load(&fake_ms);
	struct timespec now;

	if (fake >= 0)
		return fake * 1000;
	clock_gettime(id, &now); /* cannot fail: both clocks always exist */
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_ms(void)
{
	return clock_us() / 1000;
}

int64_t clock_us(void)
{
	return clock_read_us(CLOCK_MONOTONIC);
}

int64_t clock_wall(void)
{
	return clock_read_us(CLOCK_REALTIME) / 1000000;
}

int clock_sleep(int64_t ms)
{
	if (stop_requested())
		return -1;
	if (ms <= 0)
		return 0;
	if (atomic_load(&fake_ms) >= 0) {
		atomic_fetch_add(&fake_ms, ms);
		return 0;
	}

	const int64_t until = clock_us() + (ms < INT64_MAX / 2000 ? ms * 1000 : INT64_MAX / 2);
	for (;;) {
		const int64_t left_ms = (until - clock_us() + 999) / 1000;
		struct pollfd wait = { .fd = stop_fd(),
			.events = POLLIN }; /* a negative fd is skipped */

		if (left_ms <= 0)
			return 0;
		(void)os_poll(&wait, 1, left_ms < INT_MAX ? (int)left_ms : INT_MAX);
		if (stop_requested())
			return -1;
	}
}

void clock_fake(int64_t ms)
{
	atomic_store(&fake_ms, ms);
}
