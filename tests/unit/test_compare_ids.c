/* Two mailboxes whose messages have ids: which of them need no headers, and what is found all the same. */
#include "ops/compare.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/*
 * A side: messages between blanks, each an id ('-' = none), a size, and, if it was read, a header: "x1A" is id x, size 1, header A. What becomes of each: i by id, h by
 * headers, a alone.
 */
static const struct sample {
	const char *a, *b, *by_a, *by_b;
	/* of compare_boxes() with that */
	unsigned ids, digests, missing, extra, doubled, unknown;
	bool headers_wanted;
} samples[] = {
	{ "x1 y2", "y2 x1", "ii", "ii", 2, 0, 0, 0, 0, 0, false },
	/* Twins: as often, or not. */
	{ "x1 x1", "x1 x1", "ii", "ii", 2, 0, 0, 0, 0, 0, false },
	{ "x1A x1A y2", "x1A y2", "hhi", "hi", 1, 1, 1, 0, 0, 0, false },
	{ "x1A", "x1A x1A", "h", "hh", 0, 1, 0, 0, 1, 0, false },
	/* One id and two sizes. */
	{ "x1A", "x2A", "h", "h", 0, 0, 0, 0, 0, 0, false },
	{ "x1A x2B", "x1A x2B", "hh", "hh", 0, 2, 0, 0, 0, 0, false },
	{ "x1A", "x1B", "i", "i", 1, 0, 0, 0, 0, 0, false }, /* believed */
	/* Another id, or none: headers. */
	{ "x1A y2", "z1A y2", "hi", "hi", 1, 1, 0, 0, 0, 0, false },
	{ "-1A y2", "-1A y2", "hi", "hi", 1, 1, 0, 0, 0, 0, false },
	{ "x1A", "-1B", "h", "h", 0, 0, 1, 1, 0, 0, false },
	/* Nothing is left over there that it could be. */
	{ "x1 y2", "x1", "ia", "i", 1, 0, 1, 0, 0, 0, false },
	{ "x1 y2", "", "aa", "", 0, 0, 2, 0, 0, 0, false },
	{ "", "x1 y2", "", "aa", 0, 0, 0, 2, 0, 0, false },
	/* Whether it is doubled, only headers tell. */
	{ "x1", "x1 y1", "i", "ia", 1, 0, 0, 0, 0, 1, true },
	{ "x1A", "x1 y1", "i", "ia", 1, 0, 0, 0, 0, 1, true },
	{ "x1A", "x1 y1A", "i", "ia", 1, 0, 0, 0, 1, 0, false },
	{ "x1", "x1 y1A", "i", "ia", 1, 0, 0, 0, 0, 1, true },
	{ "x1A", "x1 y1B", "i", "ia", 1, 0, 0, 1, 0, 0, false },
	{ "x1A", "x1 -1B", "i", "ih", 1, 0, 0, 1, 0, 0, false },
};

static void fill(struct snapshot *rows, const char *text)
{
	uint32_t uid = 0;

	snapshot_init(rows, true);
	snapshot_want_ids(rows);
	for (; *text; text += strcspn(text, " "), text += *text == ' ') {
		const size_t row = snapshot_add(rows, ++uid);

		rows->size[row] = (uint32_t)text[1];
		if (text[0] != '-') {
			rows->id[row] = (struct digest128){ { (uint64_t)text[0], 1 } };
			rows->attr[row] |= SNAPSHOT_HAS_ID;
		}
		if (text[2] > ' ') {
			rows->digest[row] = (struct digest128){ { (uint64_t)text[2], 2 } };
			rows->attr[row] |= SNAPSHOT_HAS_DIGEST;
		}
	}
	snapshot_finish(rows, true);
}

static void check_by(const struct sample *sample, const char *expected, const uint8_t *by)
{
	for (size_t i = 0; expected[i]; i++)
		if ("hia"[by[i]] != expected[i])
			fail_msg("%s, %s: %c", sample->a, sample->b, "hia"[by[i]]);
}

static void check(const struct sample *sample)
{
	struct snapshot a, b;
	uint8_t by_a[8], by_b[8];
	struct compare_request request = { .a = { .rows = &a, .by = by_a },
		.b = { .rows = &b, .by = by_b } };
	struct compare_result result;

	fill(&a, sample->a);
	fill(&b, sample->b);
	compare_by_ids(&a, &b, by_a, by_b);
	check_by(sample, sample->by_a, by_a);
	check_by(sample, sample->by_b, by_b);
	compare_boxes(&request, &result);
	if (result.proved[PROOF_ID] != sample->ids ||
		result.proved[PROOF_DIGEST] != sample->digests ||
		result.missing != sample->missing || result.extra != sample->extra ||
		result.doubled != sample->doubled || result.unknown != sample->unknown ||
		result.headers_wanted != sample->headers_wanted)
		fail_msg(
			"%s, %s: %d by id, %d by digest, %d missing, %d extra, %d doubled, %d unknown",
			sample->a, sample->b, (int)result.proved[PROOF_ID],
			(int)result.proved[PROOF_DIGEST], (int)result.missing, (int)result.extra,
			(int)result.doubled, (int)result.unknown);
	snapshot_release(&a);
	snapshot_release(&b);
}

static void test_samples(void **state)
{
	(void)state;
	for (size_t i = 0; i < countof(samples); i++)
		check(&samples[i]);
}

/* A record is believed where the ids of both are the same, or their headers; where ids are against it, they decide. */
static void test_records(void **state)
{
	const struct compare_record records[] = { { 0, 0 }, { 1, 1 }, { 2, 2 } };
	struct snapshot a, b;
	uint8_t by_a[3], by_b[3];
	struct compare_request request = { .a = { .rows = &a, .by = by_a },
		.b = { .rows = &b, .by = by_b },
		.record = records,
		.records = 3 };
	struct compare_result result;

	(void)state;
	fill(&a, "x1 y2A z3B");
	fill(&b, "x1 v2A w3C");
	compare_by_ids(&a, &b, by_a, by_b);
	compare_boxes(&request, &result);
	assert_int_equal(result.proved[PROOF_RECORD], 2);
	assert_int_equal(result.missing, 1);
	snapshot_release(&a);
	fill(&a, "u9D v2A x1");
	request.records = 1; /* u became x, it says */
	compare_by_ids(&a, &b, by_a, by_b);
	compare_boxes(&request, &result);
	assert_int_equal(result.proved[PROOF_RECORD], 0);
	assert_int_equal(result.proved[PROOF_ID], 2);
	assert_int_equal(result.missing, 1);
	snapshot_release(&a);
	snapshot_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_samples),
		cmocka_unit_test(test_records),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
