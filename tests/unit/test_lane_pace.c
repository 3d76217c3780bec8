/* When compressing bodies pays: slow lines that were waited for, and nothing else. */
#include "ops/lane.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define SECOND 1000000

static bool pays(uint64_t octets, int64_t waited_us, uint64_t turns, int64_t round_trip_us)
{
	const struct pace pace = { .octets = octets, .turns = turns, .waited_us = waited_us };

	return pace_pays(&pace, SECOND, round_trip_us);
}

static void test_slow_line(void **state)
{
	(void)state;
	assert_true(pays(1000000, 950000, 2, 300));
	assert_true(pays(3900000, 600000, 4, 20000));
}

static void test_fast_line(void **state)
{
	(void)state;
	assert_false(pays(4100000, 950000, 2, 300));
	assert_false(pays(100000000, 0, 2, 300));
}

/* The other side, or --bandwidth, held it up: nobody slept here. */
static void test_not_waited_for(void **state)
{
	(void)state;
	assert_false(pays(1000000, 100000, 2, 300));
	assert_false(pays(1000000, 500000, 0, 0));
}

/* Twenty messages with synchronising literals, 50 ms away: compressed, they would take as long. */
static void test_distance(void **state)
{
	(void)state;
	assert_false(pays(1000000, 990000, 20, 50000));
	assert_true(pays(1000000, 990000, 2, 50000));
	/* A login that took ten seconds is no distance. */
	assert_true(pays(1000000, 1100000, 1, 10 * SECOND));
}

static void test_too_little(void **state)
{
	(void)state;
	assert_false(pays(1000, 990000, 0, 300));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slow_line),
		cmocka_unit_test(test_fast_line),
		cmocka_unit_test(test_not_waited_for),
		cmocka_unit_test(test_distance),
		cmocka_unit_test(test_too_little),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
