/* Setting, finding, order, many keys, and keys that are prefixes, empty or hold NUL. */
#include "base/map.h"

#include "base/arena.h"
#include "base/must.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_few(void **state)
{
	const struct span keys[] = { SPAN(""), SPAN("a"), SPAN("aa"), SPAN("a\0"), SPAN("a\0b"),
		SPAN("abcdefgh"), SPAN("abcdefgh\0"), SPAN("abcdefghi") };
	struct arena *arena = arena_new();
	struct map *map = map_new(arena);
	int values[countof(keys)], other;

	(void)state;
	assert_null(map_find(map, SPAN("a")));
	assert_int_equal(map_count(map), 0);
	for (size_t i = 0; i < countof(keys); i++)
		assert_null(map_set(map, keys[i], &values[i]));
	assert_int_equal(map_count(map), countof(keys));
	for (size_t i = 0; i < countof(keys); i++) {
		assert_ptr_equal(map_find(map, keys[i]), &values[i]);
		assert_true(span_equal(map_key(map, i), keys[i]));
		assert_ptr_equal(map_value(map, i), &values[i]);
	}
	assert_ptr_equal(map_find(map, span_make(NULL, 0)), &values[0]);
	assert_ptr_equal(map_set(map, SPAN("a"), &other), &values[1]);
	assert_ptr_equal(map_find(map, SPAN("a")), &other);
	assert_int_equal(map_count(map), countof(keys));
	assert_false(map_has(map, SPAN("b")));
	assert_null(map_set(map, SPAN("b"), NULL));
	assert_null(map_find(map, SPAN("b")));
	assert_true(map_has(map, SPAN("b")));
	map_free(map);
	map_free(NULL);
	arena_free(arena);
}

static void test_many(void **state)
{
	struct arena *arena = arena_new();
	struct map *map = map_new(arena);
	char key[32];

	(void)state;
	for (uintptr_t i = 0; i < 100000; i++) {
		(void)snprintf(key, sizeof(key), "key %zu", (size_t)i);
		assert_null(map_set(map, span_of(key), (void *)(i + 1)));
	}
	memset(key, 0, sizeof(key));
	assert_int_equal(map_count(map), 100000);
	for (uintptr_t i = 0; i < 100000; i++) {
		(void)snprintf(key, sizeof(key), "key %zu", (size_t)i);
		if (map_find(map, span_of(key)) != (void *)(i + 1) ||
			!span_equal_text(map_key(map, i), key))
			fail_msg("%s is lost", key);
	}
	assert_null(map_find(map, SPAN("key 100000")));
	map_free(map);
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_few),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
