/* What is the same, what stays: each rule by itself, then all of them against a slow and simple second opinion. */
#include "base/mem.h"
#include "mail/date.h"
#include "ops/duplicates.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define KEY DUPLICATE_HAS_KEY
#define CONTENT DUPLICATE_HAS_CONTENT
#define ID DUPLICATE_HAS_MESSAGE_ID
#define USUAL (KEY | CONTENT | ID)
#define ROWS_MAX 64

struct table {
	struct duplicate row[ROWS_MAX];
	size_t count;
	struct duplicates_policy policy;
	struct duplicates_sum sum;
};

static struct duplicate *add(
	struct table *table, uint32_t box, uint64_t key, uint64_t content, unsigned attr)
{
	struct duplicate *row = &table->row[table->count++];

	*row = (struct duplicate){ .key = { { key, 1 } },
		.content = { { content, content != 0 } },
		.instant = 1000,
		.box = box,
		.uid = (uint32_t)table->count,
		.size = 100,
		.attr = (uint8_t)attr };
	return row;
}

static size_t decide(struct table *table)
{
	const size_t asked = duplicates_ask(table->row, table->count, &table->policy);

	duplicates_decide(table->row, table->count, &table->policy, &table->sum);
	return asked;
}

static void assert_kept(const struct table *table, size_t row, uint32_t by)
{
	assert_int_equal(table->row[row].kept, by);
	assert_true(by == DUPLICATE_STAYS || table->row[by].kept == DUPLICATE_STAYS);
	assert_true(by == DUPLICATE_STAYS || (table->row[by].attr & DUPLICATE_KEPT));
}

static void test_of_many_one_stays(void **state)
{
	struct table table = { .policy = { .by = DUPLICATES_BY_MESSAGE_ID } };

	(void)state;
	add(&table, 0, 5, 0, KEY);
	add(&table, 0, 6, 0, KEY);
	add(&table, 0, 5, 0, KEY);
	add(&table, 0, 5, 0, KEY);
	add(&table, 1, 5, 0, KEY);
	assert_int_equal(decide(&table), 0);
	assert_kept(&table, 0, DUPLICATE_STAYS);
	assert_kept(&table, 1, DUPLICATE_STAYS);
	assert_kept(&table, 2, 0);
	assert_kept(&table, 3, 0);
	assert_kept(&table, 4, DUPLICATE_STAYS); /* another mailbox */
	assert_int_equal(table.sum.groups, 1);
	assert_int_equal(table.sum.copies, 2);
	table.policy.across = true;
	decide(&table);
	assert_kept(&table, 4, 0);
	assert_int_equal(table.sum.copies, 3);
}

static void test_without_key(void **state)
{
	struct table table = { .policy = { .by = DUPLICATES_BY_MESSAGE_ID } };

	(void)state;
	for (int i = 0; i < 3; i++)
		add(&table, 0, 5, 7, CONTENT);
	decide(&table);
	assert_int_equal(table.sum.copies, 0);
	assert_kept(&table, 1, DUPLICATE_STAYS);
}

static void test_verified(void **state)
{
	struct table table = { .policy = { .by = DUPLICATES_BY_MESSAGE_ID, .verify = true } };

	(void)state;
	add(&table, 0, 5, 1, USUAL);
	add(&table, 0, 5, 2, USUAL);
	add(&table, 0, 5, 1, USUAL);
	add(&table, 0, 5, 0, KEY | ID); /* not known */
	add(&table, 0, 5, 0, KEY | ID);
	add(&table, 0, 5, 0, USUAL); /* says that it is known, and is not */
	add(&table, 0, 5, 0, USUAL);
	add(&table, 0, 6, 1, USUAL); /* alone: not asked */
	assert_int_equal(decide(&table), 7);
	assert_kept(&table, 2, 0);
	for (size_t i = 3; i < 8; i++)
		assert_kept(&table, i, DUPLICATE_STAYS);
	assert_int_equal(table.sum.copies, 1);
	assert_int_equal(table.sum.differing, 5);
	assert_false(table.row[7].attr & DUPLICATE_ASKED);
}

static void test_auto(void **state)
{
	struct table table = { .policy = { .by = DUPLICATES_BY_AUTO } };

	(void)state;
	add(&table, 0, 5, 0, KEY | ID);
	add(&table, 0, 5, 0, KEY | ID);
	assert_int_equal(decide(&table), 0); /* headers and size are equal */
	assert_kept(&table, 1, 0);
	table.row[1].size = 101; /* doubt, and nothing to resolve it */
	assert_int_equal(decide(&table), 2);
	assert_kept(&table, 1, DUPLICATE_STAYS);
	table.row[0].attr |= CONTENT;
	table.row[1].attr |= CONTENT;
	table.row[0].content = table.row[1].content = (struct digest128){ { 9, 9 } };
	decide(&table);
	assert_kept(&table, 1, 0);
	table.row[1].size = 100;
	table.row[1].attr &= (uint8_t)~ID;
	table.row[1].content.word[0]++;
	assert_int_equal(decide(&table), 2);
	assert_kept(&table, 1, DUPLICATE_STAYS);
	table.row[1].attr |= ID;
	table.row[0].size = table.row[1].size = UINT32_MAX;
	assert_int_equal(decide(&table), 2);
	assert_kept(&table, 1, DUPLICATE_STAYS);
}

static void test_content(void **state)
{
	struct table table = { .policy = { .by = DUPLICATES_BY_CONTENT } };

	(void)state;
	add(&table, 0, 100, 1, KEY | CONTENT);
	add(&table, 0, 100, 2, KEY | CONTENT);
	add(&table, 0, 100, 1, KEY | CONTENT);
	assert_int_equal(decide(&table), 3);
	assert_kept(&table, 2, 0);
	assert_int_equal(table.sum.copies, 1);
}

static void test_date(void **state)
{
	struct table table = { .policy = { .by = DUPLICATES_BY_MESSAGE_ID, .with_date = true } };

	(void)state;
	add(&table, 0, 5, 0, KEY);
	add(&table, 0, 5, 0, KEY)->instant = 1001;
	add(&table, 0, 5, 0, KEY)->instant = DATE_UNKNOWN;
	add(&table, 0, 5, 0, KEY)->instant = DATE_UNKNOWN;
	add(&table, 0, 5, 0, KEY)->instant = 1001;
	decide(&table);
	assert_int_equal(table.sum.copies, 1);
	assert_kept(&table, 4, 1);
}

static void test_keep(void **state)
{
	struct table table = { .policy = { .by = DUPLICATES_BY_MESSAGE_ID, .across = true } };

	(void)state;
	add(&table, 0, 5, 0, KEY);
	add(&table, 0, 5, 0, KEY | DUPLICATE_FLAGGED)->size = 90;
	add(&table, 1, 5, 0, KEY | DUPLICATE_FLAGGED)->size = 120;
	add(&table, 1, 5, 0, KEY)->size = 120;
	decide(&table);
	assert_kept(&table, 3, 0);
	table.policy.keep = DUPLICATES_KEEP_LAST;
	decide(&table);
	assert_kept(&table, 0, 3);
	assert_kept(&table, 3, DUPLICATE_STAYS);
	table.policy.keep = DUPLICATES_KEEP_FLAGGED;
	decide(&table);
	assert_kept(&table, 0, 1);
	assert_kept(&table, 2, 1);
	table.policy.keep = DUPLICATES_KEEP_LARGEST;
	decide(&table);
	assert_kept(&table, 0, 2);
	assert_kept(&table, 3, 2);
}

static void test_marked_as_deleted(void **state)
{
	struct table table = { .policy = { .by = DUPLICATES_BY_MESSAGE_ID } };

	(void)state;
	add(&table, 0, 5, 0, KEY | DUPLICATE_DELETED | DUPLICATE_FLAGGED);
	add(&table, 0, 5, 0, KEY);
	add(&table, 0, 5, 0, KEY | DUPLICATE_DELETED);
	for (int keep = DUPLICATES_KEEP_FIRST; keep <= DUPLICATES_KEEP_LARGEST; keep++) {
		table.policy.keep = (enum duplicates_keep)keep;
		decide(&table);
		assert_kept(&table, 0, 1);
		assert_kept(&table, 2, 1);
	}
	table.row[1].attr |= DUPLICATE_DELETED;
	table.policy.verify = true;
	assert_int_equal(decide(&table), 0);
	assert_int_equal(table.sum.groups, 0);
	assert_kept(&table, 0, DUPLICATE_STAYS);
}

static void test_nothing(void **state)
{
	struct table table = { .count = 0 };

	(void)state;
	assert_int_equal(decide(&table), 0);
	assert_int_equal(table.sum.groups, 0);
}

/* ---- the second opinion ---- */

static bool in_one_run(const struct table *table, size_t a, size_t b)
{
	const struct duplicate *x = &table->row[a], *y = &table->row[b];
	const struct duplicates_policy *policy = &table->policy;

	if (!(x->attr & KEY) || !(y->attr & KEY) || !digest128_equal(x->key, y->key))
		return false;
	if (!policy->across && x->box != y->box)
		return false;
	return !policy->with_date || (x->instant == y->instant && x->instant != DATE_UNKNOWN);
}

static bool in_doubt(const struct table *table, size_t a)
{
	const struct duplicates_policy *policy = &table->policy;

	if (policy->verify || policy->by == DUPLICATES_BY_CONTENT)
		return true;
	for (size_t i = 0; i < table->count && policy->by == DUPLICATES_BY_AUTO; i++) {
		if (in_one_run(table, a, i) &&
			(!(table->row[i].attr & ID) || table->row[i].size != table->row[a].size ||
				table->row[i].size == UINT32_MAX))
			return true;
	}
	return false;
}

static bool same(const struct table *table, size_t a, size_t b)
{
	const struct duplicate *x = &table->row[a], *y = &table->row[b];

	if (!in_one_run(table, a, b))
		return false;
	if (!in_doubt(table, a))
		return true;
	return (x->attr & CONTENT) && (y->attr & CONTENT) && digest128_known(x->content) &&
	       digest128_equal(x->content, y->content);
}

static void make(struct table *table, unsigned *seed)
{
	*table = (struct table){ .policy = { .by = (enum duplicates_by)(rand_r(seed) % 4),
					 .keep = (enum duplicates_keep)(rand_r(seed) % 4),
					 .across = rand_r(seed) % 2,
					 .with_date = rand_r(seed) % 3 == 0,
					 .verify = rand_r(seed) % 2 } };
	for (int i = rand_r(seed) % 20; i > 0; i--) {
		const unsigned attr = (unsigned)rand_r(seed) % 32;
		struct duplicate *row =
			add(table, (uint32_t)table->count / 7, (uint64_t)rand_r(seed) % 3,
				(uint64_t)rand_r(seed) % 3, rand_r(seed) % 4 ? attr | USUAL : attr);

		row->size = rand_r(seed) % 9 ? 100 + (uint32_t)rand_r(seed) % 2 : UINT32_MAX;
		row->instant = rand_r(seed) % 9 ? rand_r(seed) % 2 : DATE_UNKNOWN;
	}
}

static void check(const struct table *table)
{
	for (size_t i = 0; i < table->count; i++) {
		const uint32_t kept = table->row[i].kept;
		size_t others = 0, alive = !(table->row[i].attr & DUPLICATE_DELETED), stay = 0;

		for (size_t j = 0; j < table->count; j++) {
			if (j == i || !same(table, i, j))
				continue;
			others++;
			alive += !(table->row[j].attr & DUPLICATE_DELETED);
			stay += table->row[j].kept == DUPLICATE_STAYS;
		}
		if (kept == DUPLICATE_STAYS) {
			assert_int_equal(stay, alive ? 0 : others);
			assert_int_equal(
				(table->row[i].attr & DUPLICATE_KEPT) != 0, others && alive);
			continue;
		}
		assert_true(kept != i && same(table, i, kept));
		assert_int_equal(table->row[kept].kept, DUPLICATE_STAYS);
		assert_false(table->row[kept].attr & DUPLICATE_DELETED);
		assert_int_equal(stay, 1);
	}
}

static void test_second_opinion(void **state)
{
	unsigned seed = 7;
	uint64_t copies = 0;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		struct table table;

		make(&table, &seed);
		decide(&table);
		check(&table);
		copies += table.sum.copies;
	}
	assert_true(copies > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_of_many_one_stays),
		cmocka_unit_test(test_without_key),
		cmocka_unit_test(test_verified),
		cmocka_unit_test(test_auto),
		cmocka_unit_test(test_content),
		cmocka_unit_test(test_date),
		cmocka_unit_test(test_keep),
		cmocka_unit_test(test_marked_as_deleted),
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_second_opinion),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
