/* Waiting where nobody tells: the time between two looks, and what is watched already. IDLE and NOTIFY are tests/e2e/test_filter.py's. */
#include "maildir_fixture.h"

#include "base/clock.h"
#include "ops/watch.h"

static void test_nobody_tells(void **state)
{
	static const struct watch_box boxes[] = { { "INBOX", "INBOX" }, { "A/B", "A.B" },
		{ "A", "B\nA" } };
	struct settings settings;
	struct place place;
	struct watch *watch;
	struct err err = ERR_INIT;
	int64_t began;

	(void)state;
	place_open(&place, "here");
	settings_init(&settings);
	watch = watch_new(&(struct watch_request){ &settings, place.account, 20 });
	/* Before anything is watched there is nothing to wait for. */
	assert_int_equal(watch_wait(watch, &err), -1);
	assert_int_equal(err.scope, ERR_CONN);
	err = (struct err)ERR_INIT;
	/* A round looks at everything that came before: no other look is due. */
	assert_int_equal(watch_begin(watch, boxes, 2, &err), 0);
	began = clock_ms();
	for (int i = 0; i < 3; i++) {
		assert_int_equal(watch_begin(watch, boxes, 2, &err), 0);
		assert_int_equal(watch_wait(watch, &err), 1);
	}
	assert_true(clock_ms() - began >= 30);
	/* Other mailboxes, fewer, and none: watched anew. */
	assert_int_equal(watch_begin(watch, boxes, 3, &err), 0);
	assert_int_equal(watch_begin(watch, boxes, 1, &err), 0);
	assert_int_equal(watch_begin(watch, boxes, 0, &err), 0);
	assert_int_equal(watch_wait(watch, &err), 1);
	watch_free(watch);
	watch_free(NULL);
	place_close(&place);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_nobody_tells) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
