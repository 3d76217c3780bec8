/* Arenas: zeroed and aligned memory, growth in place and across blocks, and memory given back. */
#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_empty(void **state)
{
	struct arena *arena = arena_new();

	(void)state;
	assert_int_equal(arena_used(arena), 0);
	assert_null(arena_strdup(arena, NULL));
	assert_int_equal(arena_used(arena), 0);
	assert_non_null(arena_alloc(arena, 0));
	arena_free(arena);
	arena_free(NULL);
}

static void test_alloc(void **state)
{
	struct arena *arena = arena_new();

	(void)state;
	for (int round = 0; round < 2; round++) {
		for (size_t size = 1; size < 40000; size = size * 3 / 2 + 1) {
			arena_text(arena, SPAN("odd"));
			unsigned char *memory = arena_alloc(arena, size);

			assert_int_equal((uintptr_t)memory % _Alignof(max_align_t), 0);
			for (size_t i = 0; i < size; i++)
				assert_int_equal(memory[i], 0);
			memset(memory, 0xa5, size);
		}
		arena_clear(arena);
		assert_true(arena_used(arena) <= 64 << 10);
	}
	arena_free(arena);
}

static void test_small_stays_small(void **state)
{
	struct arena *arena = arena_new();

	(void)state;
	arena_alloc(arena, 100);
	assert_true(arena_used(arena) <= 4096);
	for (int i = 0; i < 100000; i++)
		arena_text(arena, SPAN("ten bytes"));
	assert_true(arena_used(arena) < 1000000 + (80 << 10));
	arena_free(arena);
}

static void test_grow(void **state)
{
	struct arena *arena = arena_new();
	uint32_t *list = NULL;
	size_t room = 0;

	(void)state;
	for (uint32_t i = 0; i < 100000; i++) {
		if (i == room) {
			list = arena_grow(arena, list, room, room * 2 + 1, sizeof(*list));
			for (size_t at = room; at < room * 2 + 1; at++)
				assert_int_equal(list[at], 0);
			room = room * 2 + 1;
		}
		list[i] = i;
	}
	for (uint32_t i = 0; i < 100000; i++)
		assert_int_equal(list[i], i);
	assert_true(arena_used(arena) <
		    room * sizeof(*list) + (64 << 10)); /* the old large ones are gone */
	arena_free(arena);
}

static void test_grow_in_place(void **state)
{
	struct arena *arena = arena_new();
	char *a = arena_array(arena, 10, 1);

	(void)state;
	assert_ptr_equal(arena_grow(arena, a, 10, 20, 1), a);
	char *b = arena_alloc(arena, 1);
	assert_true(b >= a + 20);
	memcpy(a, "twenty bytes of text", 20);
	char *c = arena_grow(arena, a, 20, 30, 1);
	assert_ptr_not_equal(c, a);
	assert_memory_equal(c, "twenty bytes of text\0", 21);
	arena_free(arena);
}

static void test_texts(void **state)
{
	struct arena *arena = arena_new();
	char wide[2001];

	(void)state;
	assert_string_equal(arena_print(arena, "%s/%d", "a", 7), "a/7");
	assert_string_equal(arena_print(arena, "%s", ""), "");
	for (int width = 505; width < 520; width++) {
		snprintf(wide, sizeof(wide), "%*d", width, 42);
		assert_string_equal(arena_print(arena, "%*d", width, 42), wide);
	}
	snprintf(wide, sizeof(wide), "%2000d", 1);
	assert_string_equal(arena_print(arena, "%s", wide), wide);
	assert_string_equal(arena_text(arena, span_make("abc", 2)), "ab");
	assert_true(span_equal(arena_span(arena, span_make("a\0b", 3)), span_make("a\0b", 3)));
	assert_string_equal(arena_text(arena, span_of(NULL)), "");
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_alloc),
		cmocka_unit_test(test_small_stays_small),
		cmocka_unit_test(test_grow),
		cmocka_unit_test(test_grow_in_place),
		cmocka_unit_test(test_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
