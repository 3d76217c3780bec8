/* Users side by side: every one gets a turn, lanes are never given twice, those at the end come one after another, and an end is an end. */
#include "ops/pool.h"

#include "base/clock.h"
#include "base/must.h"
#include "base/stop.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>

#include <cmocka.h>

#define USERS_MOST 500

struct record {
	const struct pool *pool;
	atomic_uint busy, most; /* lanes at work */
	atomic_uint alone; /* users at work of those behind the others */
	atomic_uint turns[USERS_MOST];
	atomic_uint lanes[USERS_MOST];
	size_t end_at, stop_at; /* SIZE_MAX = never */
	int64_t pause_ms;
	atomic_bool broken;
};

static bool run(void *context, size_t user, unsigned lanes)
{
	struct record *record = context;
	const unsigned busy = atomic_fetch_add(&record->busy, lanes) + lanes;
	unsigned most = atomic_load(&record->most);

	while (busy > most && !atomic_compare_exchange_weak(&record->most, &most, busy))
		;
	if (user >= record->pool->together && busy != record->pool->lanes)
		atomic_store(&record->broken, true);
	atomic_fetch_add(&record->turns[user], 1);
	atomic_store(&record->lanes[user], lanes);
	if (user == record->stop_at)
		stop_request(SIGINT);
	if (record->pause_ms > 0)
		(void)clock_sleep(record->pause_ms);
	atomic_fetch_sub(&record->busy, lanes);
	return user != record->end_at;
}

static size_t play(struct record *record, size_t users, size_t together, unsigned lanes)
{
	const struct pool pool = {
		.users = users, .together = together, .lanes = lanes, .run = run, .context = record
	};
	size_t begun;

	record->pool = &pool;
	begun = pool_run(&pool);
	assert_int_equal(record->busy, 0);
	assert_true(record->most <= lanes);
	assert_false(record->broken);
	for (size_t i = 0; i < users; i++)
		assert_int_equal(record->turns[i], i < begun);
	return begun;
}

static struct record fresh(void)
{
	return (struct record){ .end_at = SIZE_MAX, .stop_at = SIZE_MAX };
}

static void everybody_gets_a_turn(void **state)
{
	static const struct {
		size_t users, together;
		unsigned lanes;
	} rows[] = { { 1, 1, 1 }, { 1, 1, 8 }, { 500, 500, 1 }, { 500, 500, 8 }, { 500, 400, 8 },
		{ 3, 1, 64 }, { 3, 0, 4 }, { 0, 0, 4 }, { 7, 7, 64 } };

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		struct record record = fresh();

		assert_int_equal(play(&record, rows[i].users, rows[i].together, rows[i].lanes),
			rows[i].users);
	}
}

static void lanes_are_shared_out(void **state)
{
	struct record record = fresh();

	(void)state;
	record.pause_ms = 20;
	play(&record, 3, 2, 8);
	assert_int_equal(record.lanes[0] + record.lanes[1], 8);
	assert_int_equal(record.lanes[2], 8);
	record = fresh();
	play(&record, 1, 1, 5);
	assert_int_equal(record.lanes[0], 5);
	record = fresh();
	record.pause_ms = 20;
	play(&record, 6, 6, 6);
	for (size_t i = 0; i < 6; i++)
		assert_true(record.lanes[i] >= 1);
}

static void an_end_begins_no_further_one(void **state)
{
	struct record record = fresh();

	(void)state;
	record.end_at = 5;
	assert_int_equal(play(&record, 100, 100, 1), 6);
	record = fresh();
	record.end_at = 5;
	assert_true(play(&record, 500, 500, 4) >= 6);
	record = fresh();
	record.stop_at = 7;
	stop_init();
	assert_int_equal(play(&record, 100, 100, 1), 8);
	stop_reset();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everybody_gets_a_turn),
		cmocka_unit_test(lanes_are_shared_out),
		cmocka_unit_test(an_end_begins_no_further_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
