/* UID sets against a bitmap of small UIDs, the RFC's syntax, and the largest numbers. */
#include "mail/uidset.h"

#include "base/arena.h"
#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void print_all(const struct uidset *set, size_t max_len, struct buf *out)
{
	size_t next = 0;

	while (uidset_print(set, &next, max_len, out))
		assert_int_equal(buf_add_char(out, ' '), 0);
	assert_int_equal(next, set->count);
}

static void check_print(const struct uidset *set, size_t max_len, const char *expected)
{
	struct buf out;

	buf_init(&out, 65536);
	print_all(set, max_len, &out);
	assert_string_equal(buf_text(&out), expected);
	buf_release(&out);
}

static void test_parse(void **state)
{
	static const struct {
		const char *text, *merged, *ordered;
	} good[] = {
		{ "1", "1 ", "1 " },
		{ "2,4:7,9,12:*", "2,4:7,9,12:4294967295 ", "2,4:7,9,12:4294967295 " },
		{ "*:4,5:7", "4:4294967295 ", "4:4294967295,5:7 " },
		{ "9:3", "3:9 ", "3:9 " },
		{ "5,1,3,2", "1:3,5 ", "5,1,3,2 " },
		{ "1:5,3:4,6", "1:6 ", "1:5,3:4,6 " },
		{ "*", "4294967295 ", "4294967295 " },
		{ "4294967294,4294967295", "4294967294:4294967295 ", "4294967294,4294967295 " },
		{ "1:4294967295,7", "1:4294967295 ", "1:4294967295,7 " },
		{ "007", "7 ", "7 " },
	};
	static const char *const bad[] = { "", "0", "1,", ",1", "1:", ":1", "1:0", "a", "1 2",
		"1;2", "4294967296", "1:2:3", "**", "-1", "99999999999999999999999", "1:4294967296",
		"+1" };
	struct arena *arena = arena_new();
	struct uidset set = { .count = 77 };

	(void)state;
	for (size_t i = 0; i < countof(good); i++) {
		assert_int_equal(uidset_parse(span_of(good[i].text), arena, &set), 0);
		check_print(&set, 1000, good[i].merged);
		assert_int_equal(uidset_parse_ordered(span_of(good[i].text), arena, &set), 0);
		check_print(&set, 1000, good[i].ordered);
	}
	set.count = 77;
	for (size_t i = 0; i < countof(bad); i++) {
		assert_int_equal(uidset_parse(span_of(bad[i]), arena, &set), -1);
		assert_int_equal(set.count, 77);
	}
	arena_free(arena);
}

static void test_hostile(void **state)
{
	struct arena *arena = arena_new();
	struct uidset set;
	struct buf text;

	(void)state;
	assert_int_equal(uidset_parse(SPAN("1:4294967295"), arena, &set), 0);
	assert_int_equal(set.count, 1);
	assert_int_equal(uidset_size(&set), 4294967295u);
	assert_int_equal(uidset_at(&set, 4294967294u), 4294967295u);
	assert_int_equal(uidset_at(&set, 4294967295u), 0);
	assert_true(uidset_has(&set, UINT32_MAX));
	assert_false(uidset_has(&set, 0));

	buf_init(&text, 32 << 20);
	for (uint32_t i = 0; i < UIDSET_RANGES_MAX; i++)
		assert_int_equal(
			buf_print(&text, "%s%u", i > 0 ? "," : "", (UIDSET_RANGES_MAX - i) * 2), 0);
	assert_int_equal(uidset_parse(buf_span(&text), arena, &set), 0);
	assert_int_equal(set.count, UIDSET_RANGES_MAX);
	assert_int_equal(buf_add(&text, SPAN(",1")), 0);
	assert_int_equal(uidset_parse(buf_span(&text), arena, &set), -1);
	buf_release(&text);
	arena_free(arena);
}

static void test_print_parts(void **state)
{
	struct arena *arena = arena_new();
	struct uidset set;

	(void)state;
	assert_int_equal(uidset_parse(SPAN("1,3,5,7:9"), arena, &set), 0);
	check_print(&set, 1000, "1,3,5,7:9 ");
	check_print(&set, 4, "1,3 5 7:9 ");
	check_print(&set, 3, "1,3 5 7:9 ");
	check_print(&set, 0, "1 3 5 7:9 "); /* one range at least, so that every caller gets on */
	set.count = 0;
	check_print(&set, 10, "");
	arena_free(arena);
}

#define SMALL 64

static void check_bitmap(const struct uidset *set, uint64_t bits)
{
	uint64_t n = 0;

	for (uint32_t uid = 1; uid < SMALL; uid++) {
		bool in = bits >> uid & 1;

		assert_int_equal(uidset_has(set, uid), in);
		if (in) {
			assert_int_equal(uidset_at(set, n), uid);
			n++;
		}
	}
	assert_int_equal(uidset_size(set), n);
	for (size_t i = 1; i < set->count; i++) /* disjoint, sorted, not touching */
		assert_true(set->range[i - 1].last + 1 < set->range[i].first);
}

static void test_add_random(void **state)
{
	unsigned seed = 1;

	(void)state;
	for (int round = 0; round < 2000; round++) {
		struct arena *arena = arena_new();
		struct uidset set = { 0 };
		uint64_t bits = 0;

		for (int i = 0; i < 20; i++) {
			uint32_t first, last;

			seed = seed * 1103515245u + 12345;
			first = (seed >> 16) % (SMALL - 1) + 1;
			seed = seed * 1103515245u + 12345;
			last = first + (seed >> 16) % 5;
			last = last < SMALL ? last : SMALL - 1;
			uidset_add(&set, arena, (round & 1) ? last : first,
				(round & 1) ? first : last);
			for (uint32_t uid = first; uid <= last; uid++)
				bits |= UINT64_C(1) << uid;
			check_bitmap(&set, bits);
		}
		arena_free(arena);
	}
}

static void test_add_edges(void **state)
{
	struct arena *arena = arena_new();
	struct uidset set = { 0 };

	(void)state;
	uidset_add(&set, arena, 0, 0);
	assert_int_equal(set.count, 0);
	uidset_add(&set, arena, UINT32_MAX, UINT32_MAX);
	uidset_add(&set, arena, 1, 1);
	uidset_add(&set, arena, UINT32_MAX - 1, UINT32_MAX - 1);
	check_print(&set, 100, "1,4294967294:4294967295 ");
	uidset_add(&set, arena, 0, UINT32_MAX);
	check_print(&set, 100, "1:4294967295 ");
	uidset_add(&set, arena, UINT32_MAX, UINT32_MAX);
	check_print(&set, 100, "1:4294967295 ");
	arena_free(arena);
}

static void test_add_set(void **state)
{
	struct arena *arena = arena_new();
	struct uidset set = { 0 }, more = { 0 };

	(void)state;
	assert_int_equal(uidset_parse(SPAN("3,7:9"), arena, &set), 0);
	assert_int_equal(uidset_parse(SPAN("1,4:7,20"), arena, &more), 0);
	uidset_add_set(&set, arena, &more);
	uidset_add_set(&set, arena, &(struct uidset){ 0 });
	check_print(&set, 1000, "1,3:9,20 ");
	arena_free(arena);
}

/* Against the plain way: one UID after another. */
static void test_algebra(void **state)
{
	struct arena *arena = arena_new();
	unsigned random = 7;

	(void)state;
	for (int round = 0; round < 500; round++) {
		struct uidset a = { 0 }, b = { 0 }, both, rest, all = { 0 };

		for (int i = 0; i < 6; i++) {
			const uint32_t x = (random = random * 1103515245 + 12345) >> 16 & 31;
			const uint32_t y = (random = random * 1103515245 + 12345) >> 16 & 31;

			uidset_add(i % 2 ? &a : &b, arena, x + 1, x + 1 + y / 6);
		}
		both = uidset_common(&a, &b, arena);
		rest = uidset_without(&a, &b, arena);
		uidset_add_set(&all, arena, &both);
		uidset_add_set(&all, arena, &rest);
		for (uint32_t uid = 1; uid < 50; uid++) {
			const bool in_a = uidset_has(&a, uid), in_b = uidset_has(&b, uid);

			assert_int_equal(uidset_has(&both, uid), in_a && in_b);
			assert_int_equal(uidset_has(&rest, uid), in_a && !in_b);
			assert_int_equal(uidset_has(&all, uid), in_a);
		}
		arena_clear(arena);
	}
	{
		struct uidset whole = { 0 }, ends = { 0 }, out;

		uidset_add(&whole, arena, 1, UINT32_MAX);
		uidset_add(&ends, arena, 1, 1);
		uidset_add(&ends, arena, UINT32_MAX, UINT32_MAX);
		out = uidset_without(&whole, &ends, arena);
		assert_int_equal(out.count, 1);
		assert_int_equal(out.range[0].first, 2);
		assert_int_equal(out.range[0].last, UINT32_MAX - 1);
		assert_int_equal(uidset_size(&(struct uidset){ 0 }), 0);
		assert_int_equal(uidset_without(&ends, &whole, arena).count, 0);
	}
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_print_parts),
		cmocka_unit_test(test_add_random),
		cmocka_unit_test(test_add_edges),
		cmocka_unit_test(test_add_set),
		cmocka_unit_test(test_algebra),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
