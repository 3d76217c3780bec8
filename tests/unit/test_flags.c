/* Flag sets: canonical text, hostile names, limits, and the three-way merge against a plain model. */
#include "mail/flags.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void check(struct flag_table *table, const char *names, const char *expected)
{
	assert_string_equal(flags_text(table, flags_parse(table, span_of(names))), expected);
}

static void test_canonical(void **state)
{
	struct flag_table *table = flag_table_new();

	(void)state;
	check(table, "", "");
	check(table, "  ", "");
	check(table, "\\seen", "\\Seen");
	check(table, "\\DRAFT \\seen \\Deleted \\flagged \\Answered",
		"\\Answered \\Flagged \\Deleted \\Seen \\Draft");
	check(table, "$Forwarded \\Seen $junk Alpha", "\\Seen $Forwarded $junk Alpha");
	check(table, "$JUNK $forwarded", "$Forwarded $junk");
	check(table, "\\Recent \\Seen \\Seen", "\\Seen");
	check(table, "\\* \\Seen", "\\Seen");
	check(table, "b\ta", "a b");
	check(table, "ab a abc", "a ab abc");
	assert_int_equal(flags_parse(table, SPAN("")), 0);
	assert_int_equal(
		flags_parse(table, SPAN("x y \\Seen")), flags_parse(table, SPAN("\\SEEN Y X")));
	assert_int_equal(flag_table_dropped(table), 0);
	flag_table_free(table);
	flag_table_free(NULL);
}

static void test_hostile(void **state)
{
	static const char *const bad[] = { "a(b", "a)b", "a{5+}", "a%b", "a*b", "a\"b", "a\\b",
		"a]b", "\\", "a\x01", "a\x7f", "caf\xc3\xa9", "\\Se\"en" };
	struct flag_table *table = flag_table_new();
	char longer[300];

	(void)state;
	for (size_t i = 0; i < countof(bad); i++) {
		assert_int_equal(flags_parse(table, span_of(bad[i])), 0);
		assert_int_equal(flag_table_dropped(table), i + 1);
	}
	assert_int_equal(flags_parse(table, span_make("a\0b", 3)), 0);
	memset(longer, 'k', sizeof(longer));
	assert_int_equal(flags_parse(table, span_make(longer, 256)), 0);
	assert_int_not_equal(flags_parse(table, span_make(longer, 255)), 0);
	assert_string_equal(flags_text(table, UINT32_MAX), "");
	assert_int_equal(flags_count(table, UINT32_MAX), 0);
	flag_table_free(table);
}

static void test_limits(void **state)
{
	struct flag_table *table = flag_table_new();
	flags_t all = 0;
	char name[32];

	(void)state;
	for (unsigned i = 0; i < 4096 + 10; i++) {
		snprintf(name, sizeof(name), "k%u", i);
		all = flags_add(table, all, span_of(name));
	}
	/* five names are the system's; long rows also count against the memory of the table, one keyword a time */
	assert_true(flag_table_dropped(table) >= 15);
	assert_true(flags_count(table, all) <= 4091);
	flag_table_free(table);

	table = flag_table_new();
	for (unsigned i = 0; i < 70000; i++) {
		char text[80];

		snprintf(text, sizeof(text), "\\Seen a%u b%u c%u", i % 50, i / 50 % 50, i / 2500);
		if (flags_parse(table, span_of(text)) == flags_parse(table, SPAN("\\Seen")))
			assert_true(i >= 65536 - 32);
	}
	assert_true(flag_table_dropped(table) > 0);
	check(table, "\\Seen a1 b1 c1", "\\Seen a1 b1 c1");
	flag_table_free(table);
}

static void test_algebra(void **state)
{
	struct flag_table *table = flag_table_new();
	flags_t a = flags_parse(table, SPAN("\\Seen x y")),
		b = flags_parse(table, SPAN("\\Flagged y z"));
	flags_t c;

	(void)state;
	assert_string_equal(flags_text(table, flags_union(table, a, b)), "\\Flagged \\Seen x y z");
	assert_string_equal(flags_text(table, flags_intersect(table, a, b)), "y");
	assert_string_equal(flags_text(table, flags_minus(table, a, b)), "\\Seen x");
	assert_string_equal(flags_text(table, flags_system(table, a)), "\\Seen");
	assert_true(flags_has(table, a, SPAN("\\SEEN")));
	assert_true(flags_has(table, a, SPAN("X")));
	assert_false(flags_has(table, a, SPAN("z")));
	assert_false(flags_has(table, a, SPAN("unknown")));
	assert_int_equal(flags_count(table, a), 3);
	assert_true(span_equal(flags_at(table, a, 1), SPAN("x")));
	assert_int_equal(flags_at(table, a, 3).len, 0);

	/* RFC 3501 §7.1 PERMANENTFLAGS: \* lets keywords be made, a "\" atom only what is listed */
	c = flags_parse(table, SPAN("\\Seen \\Deleted \\Odd x"));
	assert_string_equal(flags_text(table, flags_allowed(table, c,
						      flags_parse(table, SPAN("\\Seen")), true)),
		"\\Seen x");
	assert_string_equal(
		flags_text(table,
			flags_allowed(table, c, flags_parse(table, SPAN("\\Seen \\Odd")), false)),
		"\\Seen \\Odd");
	assert_int_equal(flags_allowed(table, c, 0, false), 0);
	flag_table_free(table);
}

static flags_t set_of(struct flag_table *table, unsigned bits)
{
	static const char *const names[3] = { "\\Seen", "x", "y" };
	flags_t set = 0;

	for (unsigned i = 0; i < 3; i++) {
		if (bits & 1u << i)
			set = flags_add(table, set, span_of(names[i]));
	}
	return set;
}

/* One flag at a time: what did each side do with it since its base? */
static unsigned model(unsigned sb, unsigned sn, unsigned db, unsigned dn)
{
	unsigned out = 0;

	for (unsigned bit = 1; bit < 8; bit <<= 1) {
		bool added = !(sb & bit) && (sn & bit), removed = (sb & bit) && !(sn & bit);
		bool added_there = !(db & bit) && (dn & bit);

		if (added || ((dn & bit) && (!removed || added_there)))
			out |= bit;
	}
	return out;
}

static void test_merge3(void **state)
{
	struct flag_table *table = flag_table_new();
	flags_t set[8];

	(void)state;
	for (unsigned i = 0; i < 8; i++)
		set[i] = set_of(table, i);
	for (unsigned i = 0; i < 8 * 8 * 8 * 8; i++) {
		unsigned sb = i & 7, sn = i >> 3 & 7, db = i >> 6 & 7, dn = i >> 9;
		unsigned forth = model(sb, sn, db, dn), back = model(db, dn, sb, sn);

		assert_int_equal(
			flags_merge3(table, set[sb], set[sn], set[db], set[dn]), set[forth]);
		/* With equal bases both directions agree. */
		if (sb == db)
			assert_int_equal(forth, back);
	}
	/* "x" was refused by the destination: no removal there, no news here. */
	assert_int_equal(flags_merge3(table, set[3], set[3], set[1], set[1]), set[1]);
	assert_int_equal(flags_merge3(table, set[1], set[1], set[3], set[3]), set[3]);
	flag_table_free(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_canonical),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_algebra),
		cmocka_unit_test(test_merge3),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
