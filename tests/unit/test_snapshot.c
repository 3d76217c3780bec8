/* Snapshots: rows in any order, doubles, removing, memory. */
#include "store/snapshot.h"

#include "base/arena.h"
#include "base/must.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void add(struct snapshot *snapshot, uint32_t uid, uint32_t size)
{
	const size_t row = snapshot_add(snapshot, uid);

	snapshot->size[row] = size;
	snapshot->flags[row] = size + 1;
	snapshot->instant[row] = (int64_t)size + 2;
	snapshot->zone[row] = (int16_t)(size + 3);
	snapshot->attr[row] = SNAPSHOT_HAS_DIGEST;
	if (snapshot->digest != NULL)
		snapshot->digest[row].word[1] = size;
}

static void check(const struct snapshot *snapshot, size_t row, uint32_t uid, uint32_t size)
{
	assert_int_equal(snapshot->uid[row], uid);
	assert_int_equal(snapshot->size[row], size);
	assert_int_equal(snapshot->flags[row], size + 1);
	assert_int_equal(snapshot->instant[row], size + 2);
	assert_int_equal(snapshot->zone[row], size + 3);
	assert_int_equal(snapshot->attr[row], SNAPSHOT_HAS_DIGEST);
	if (snapshot->digest != NULL)
		assert_int_equal(snapshot->digest[row].word[1], size);
}

static void test_empty(void **state)
{
	struct snapshot snapshot;

	(void)state;
	snapshot_init(&snapshot, false);
	assert_false(snapshot.complete);
	assert_null(snapshot.digest);
	assert_int_equal(snapshot_find(&snapshot, 1), SIZE_MAX);
	snapshot_finish(&snapshot, true);
	assert_true(snapshot.complete);
	assert_int_equal(snapshot.count, 0);
	snapshot_want_digests(&snapshot);
	snapshot_want_content(&snapshot);
	assert_non_null(snapshot.digest);
	assert_non_null(snapshot.content);
	snapshot_release(&snapshot);
	snapshot_release(&snapshot);
}

static void test_order(void **state)
{
	struct snapshot snapshot;

	(void)state;
	snapshot_init(&snapshot, true);
	add(&snapshot, 5, 50);
	add(&snapshot, 3, 30);
	add(&snapshot, 4294967295u, 99);
	add(&snapshot, 5, 51); /* a double: the first counts */
	add(&snapshot, 1, 10);
	snapshot_finish(&snapshot, true);
	assert_int_equal(snapshot.count, 4);
	check(&snapshot, 0, 1, 10);
	check(&snapshot, 1, 3, 30);
	check(&snapshot, 2, 5, 50);
	check(&snapshot, 3, 4294967295u, 99);
	assert_int_equal(snapshot_find(&snapshot, 5), 2);
	assert_int_equal(snapshot_find(&snapshot, 4), SIZE_MAX);
	assert_int_equal(snapshot_find(&snapshot, 4294967295u), 3);

	/* More rows afterwards, and finished again. */
	add(&snapshot, 4, 40);
	snapshot_finish(&snapshot, true);
	assert_int_equal(snapshot.count, 5);
	check(&snapshot, 2, 4, 40);
	snapshot_release(&snapshot);
}

static void test_remove(void **state)
{
	struct arena *arena = arena_new();
	struct uidset gone = { 0 };
	struct snapshot snapshot;

	(void)state;
	snapshot_init(&snapshot, true);
	for (uint32_t uid = 1; uid <= 10; uid++)
		add(&snapshot, uid, uid * 10);
	snapshot_finish(&snapshot, true);
	snapshot_remove(&snapshot, &gone);
	assert_int_equal(snapshot.count, 10);
	uidset_add(&gone, arena, 1, 2);
	uidset_add(&gone, arena, 5, 5);
	uidset_add(&gone, arena, 10, 4000);
	snapshot_remove(&snapshot, &gone);
	assert_int_equal(snapshot.count, 6);
	check(&snapshot, 0, 3, 30);
	check(&snapshot, 2, 6, 60);
	check(&snapshot, 5, 9, 90);
	arena_free(arena);
	snapshot_release(&snapshot);
}

/* Product rule 7, and what snapshot.h promises. */
static void test_memory(void **state)
{
	struct snapshot snapshot;
	size_t most = 0;

	(void)state;
	snapshot_init(&snapshot, false);
	for (uint32_t uid = 1; uid <= 100000; uid++) {
		snapshot_add(&snapshot, uid);
		if (uid > 10000 && snapshot_bytes(&snapshot) / snapshot.count > most)
			most = snapshot_bytes(&snapshot) / snapshot.count;
	}
	assert_true(most <= 30);
	snapshot_finish(&snapshot, true);
	assert_int_equal(snapshot_bytes(&snapshot), 100000 * 23);
	snapshot_want_digests(&snapshot);
	assert_int_equal(snapshot_bytes(&snapshot), 100000 * 39);
	snapshot.attr[7] = SNAPSHOT_HAS_DIGEST | SNAPSHOT_SIZE_ROUGH;
	snapshot_forget_digests(&snapshot);
	assert_int_equal(snapshot_bytes(&snapshot), 100000 * 23);
	assert_int_equal(snapshot.attr[7], SNAPSHOT_SIZE_ROUGH);
	snapshot_release(&snapshot);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_remove),
		cmocka_unit_test(test_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
