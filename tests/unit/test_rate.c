/* Token buckets on a fake clock: pace, burst, slowing down and recovering. */
#include "base/rate.h"

#include "base/clock.h"
#include "base/stop.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* Milliseconds that taking so much takes. */
static int64_t cost(struct rate *rate, uint64_t amount)
{
	const int64_t begin = clock_ms();

	assert_int_equal(rate_take(rate, amount), 0);
	return clock_ms() - begin;
}

static void test_none(void **state)
{
	(void)state;
	assert_null(rate_new(0));
	assert_null(rate_new(-1));
	assert_int_equal(rate_take(NULL, UINT64_MAX), 0);
	rate_slow(NULL);
	rate_free(NULL);
}

static void test_pace(void **state)
{
	(void)state;
	clock_fake(1000);
	struct rate *rate = rate_new(10);
	assert_int_equal(cost(rate, 10), 0); /* the first second's worth */
	assert_in_range(cost(rate, 1), 100, 101);
	assert_in_range(cost(rate, 100), 9990, 10010);
	assert_int_equal(clock_sleep(60000), 0); /* an idle minute saves up one second */
	assert_int_equal(cost(rate, 10), 0);
	assert_in_range(cost(rate, 10), 990, 1010);
	rate_free(rate);
	clock_fake(-1);
}

static void test_slow(void **state)
{
	(void)state;
	clock_fake(1000);
	struct rate *rate = rate_new(10);
	cost(rate, 10);
	rate_slow(rate);
	rate_slow(rate); /* another lane, the same complaint */
	assert_in_range(cost(rate, 10), 1990, 2010);
	for (int i = 0; i < 20; i++) {
		rate_slow(rate);
		assert_int_equal(clock_sleep(2000), 0);
	}
	cost(rate, 10);
	assert_in_range(cost(rate, 10), 15900, 16100);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(clock_sleep(60000), 0);
		cost(rate, 1);
	}
	cost(rate, 10);
	assert_in_range(cost(rate, 10), 990, 1010);
	rate_free(rate);
	clock_fake(-1);
}

static void test_stopped(void **state)
{
	(void)state;
	struct rate *rate = rate_new(1);
	stop_init();
	stop_request(2);
	assert_int_equal(rate_take(rate, 1000000), -1);
	stop_reset();
	rate_free(rate);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_pace),
		cmocka_unit_test(test_slow),
		cmocka_unit_test(test_stopped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
