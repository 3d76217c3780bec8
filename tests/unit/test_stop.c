/* The stop flag and the clocks that obey it. */
#include "base/stop.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/os.h"

#include <signal.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static bool readable(void)
{
	struct pollfd wait = { .fd = stop_fd(), .events = POLLIN };

	return os_poll(&wait, 1, 0) == 1;
}

static void test_before_init(void **state)
{
	(void)state;
	assert_int_equal(stop_fd(), -1);
	stop_request(SIGINT);
	stop_init();
	assert_true(readable());
	stop_reset();
	assert_false(readable());
	assert_false(stop_requested());
}

static void test_request(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	stop_init();
	assert_int_equal(stop_check(&err), 0);
	stop_request(SIGTERM);
	stop_request(SIGTERM);
	assert_true(stop_requested() && readable() && readable());
	assert_int_equal(stop_signal(), SIGTERM);
	assert_int_equal(stop_check(&err), -1);
	assert_int_equal(err.scope, ERR_STOPPED);
	assert_string_equal(err.text, "interrupted");
	assert_int_equal(clock_sleep(1000000), -1);
	stop_reset();
	assert_int_equal(stop_check(&err), 0);
	assert_false(readable());
}

static void test_fake(void **state)
{
	(void)state;
	clock_fake(5000);
	assert_true(clock_ms() == 5000 && clock_us() == 5000000 && clock_wall() == 5);
	assert_int_equal(clock_sleep(86400000), 0);
	assert_int_equal(clock_ms(), 5000 + 86400000);
	clock_fake(-1);
}

static void test_real(void **state)
{
	(void)state;
	const int64_t begin = clock_us();
	assert_int_equal(clock_sleep(2), 0);
	assert_true(clock_us() - begin >= 2000);
	assert_int_equal(clock_sleep(-1), 0);
	assert_true(clock_wall() > 1700000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_before_init),
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_fake),
		cmocka_unit_test(test_real),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
