/* The progress line in any width, with hostile and with missing values. */
#include "cli/progress.h"

#include "base/must.h"
#include "base/stop.h"
#include "base/text.h"
#include "ops/meter.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct meter_view busy = {
	.mailboxes = 3,
	.mailboxes_total = 12,
	.messages = 1234,
	.messages_total = 5678,
	.bytes = 34500000,
	.bytes_total = 1200000000,
	.errors = 2,
	.bytes_per_second = 5100000,
	.messages_per_second = 320.4,
	.left_s = 130,
	.mailbox = "Archive/2024",
	.note = "src asks for a pause of 30 s",
};

static void test_whole(void **state)
{
	char line[PROGRESS_LINE_MAX];

	(void)state;
	progress_line(&busy, 200, line);
	assert_string_equal(line, "[3/12]  Archive/2024  1,234/5,678  2m 10s left  2 failed  34.5 "
				  "MB of 1.2 GB  5.1 MB/s  "
				  "320 msg/s  src asks for a pause of 30 s");
}

static void test_widths(void **state)
{
	struct meter_view view = busy;
	char line[PROGRESS_LINE_MAX];

	(void)state;
	snprintf(view.mailbox, sizeof(view.mailbox), "%s",
		"\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e/\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e/"
		"\xe6\x97\xa5\xe6\x9c\xac/M\xc3\xbcll");
	for (size_t width = 1; width < 300; width++) {
		progress_line(&view, width, line);
		assert_true(utf8_valid(span_of(line)));
		assert_true(utf8_columns(span_of(line)) <= width);
	}
	progress_line(&view, 60, line);
	assert_non_null(strstr(line, "M\xc3\xbcll  1,234/5,678"));
	assert_non_null(strstr(line, "\xe2\x80\xa6"));
}

static void test_looking(void **state)
{
	struct meter_view view = { .scanned = 5000, .scanned_total = 20000, .left_s = -1 };
	char line[PROGRESS_LINE_MAX];

	(void)state;
	progress_line(&view, 80, line);
	assert_string_equal(line, "looking at 5,000/20,000");
	view = (struct meter_view){ .left_s = -1 };
	progress_line(&view, 80, line);
	assert_string_equal(line, "");
}

static void test_users(void **state)
{
	struct meter_view view = { .users = 12,
		.users_total = 2000,
		.users_running = 8,
		.messages = 5,
		.messages_total = 10,
		.left_s = -1 };
	char line[PROGRESS_LINE_MAX];
	struct meter *meter = meter_new();

	(void)state;
	progress_line(&view, 80, line);
	assert_string_equal(line, "12/2,000 users, 8 at work  5/10");
	meter_users(meter, 3);
	meter_user(meter);
	meter_user(meter);
	meter_user_done(meter);
	meter_view(meter, &view);
	assert_int_equal(view.users, 1);
	assert_int_equal(view.users_running, 1);
	assert_int_equal(view.users_total, 3);
	meter_free(meter);
}

static void test_stopping(void **state)
{
	char line[PROGRESS_LINE_MAX];

	(void)state;
	stop_init();
	stop_request(2);
	progress_line(&busy, 200, line);
	assert_non_null(strstr(line, "stopping, state is being saved"));
	assert_null(strstr(line, "pause"));
	stop_reset();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_widths),
		cmocka_unit_test(test_looking),
		cmocka_unit_test(test_users),
		cmocka_unit_test(test_stopping),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
