/* Two snapshots and every way in which they may differ. */
#include "ops/compare.h"
#include "ops/select.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define ALL (COMPARE_FLAGS | COMPARE_DATE | COMPARE_SIZE | COMPARE_CONTENT)

struct fixture {
	struct snapshot a, b;
	struct compare_request request;
	struct compare_result result;
	struct difference last;
};

static void note(void *context, const struct difference *difference)
{
	((struct fixture *)context)->last = *difference;
}

static void add(struct snapshot *rows, uint32_t uid, uint64_t header, uint64_t content)
{
	const size_t row = snapshot_add(rows, uid);

	rows->flags[row] = 1;
	rows->instant[row] = 1000;
	rows->size[row] = 100;
	rows->attr[row] = SNAPSHOT_HAS_DIGEST | SNAPSHOT_HAS_CONTENT;
	rows->digest[row] = (struct digest128){ { header, 1 } };
	rows->content[row] = (struct digest128){ { content, 1 } };
}

/* Six messages: two are the same, two more have one header; the other side's UIDs run backwards. */
static void begin(struct fixture *fixture)
{
	static const uint64_t header[] = { 1, 2, 3, 3, 4, 4 }, content[] = { 1, 2, 3, 3, 4, 5 };

	*fixture = (struct fixture){ .request = { .check = ALL, .found = note } };
	snapshot_init(&fixture->a, true);
	snapshot_init(&fixture->b, true);
	snapshot_want_content(&fixture->a);
	snapshot_want_content(&fixture->b);
	for (uint32_t i = 0; i < 6; i++) {
		add(&fixture->a, i + 1, header[i], content[i]);
		add(&fixture->b, 60 - i, header[i], content[i]);
	}
	snapshot_finish(&fixture->a, true);
	snapshot_finish(&fixture->b, true);
	fixture->request.a.rows = &fixture->a;
	fixture->request.b.rows = &fixture->b;
	fixture->request.context = fixture;
}

static void end(struct fixture *fixture)
{
	snapshot_release(&fixture->a);
	snapshot_release(&fixture->b);
}

static void check(struct fixture *fixture, uint64_t equal, uint64_t missing, uint64_t extra,
	uint64_t differing, uint64_t unknown)
{
	compare_boxes(&fixture->request, &fixture->result);
	assert_int_equal(fixture->result.equal, equal);
	assert_int_equal(fixture->result.missing, missing);
	assert_int_equal(fixture->result.extra, extra);
	assert_int_equal(fixture->result.differing, differing);
	assert_int_equal(fixture->result.unknown, unknown);
}

/* Of each message, one attribute after another. */
static void test_attributes(void **state)
{
	(void)state;
	for (size_t row = 0; row < 6; row++) {
		for (unsigned bit = 1; bit <= COMPARE_CONTENT; bit <<= 1) {
			struct fixture fixture;

			begin(&fixture);
			check(&fixture, 6, 0, 0, 0, 0);
			fixture.b.flags[row] += bit == COMPARE_FLAGS;
			fixture.b.instant[row] += bit == COMPARE_DATE;
			fixture.b.size[row] += bit == COMPARE_SIZE;
			fixture.b.content[row].word[1] ^= bit == COMPARE_CONTENT;
			check(&fixture, 5, 0, 0, 1, 0);
			assert_int_equal(fixture.last.kind, DIFFERENCE_IN);
			assert_int_equal(fixture.last.in, bit);
			assert_int_equal(fixture.last.b_uid, fixture.b.uid[row]);
			fixture.request.check = ALL & ~bit;
			check(&fixture, 6, 0, 0, 0, 0);
			end(&fixture);
		}
	}
}

static void test_multiset(void **state)
{
	struct fixture fixture;

	(void)state;
	begin(&fixture);
	add(&fixture.a, 100, 3, 3); /* one more of the same */
	snapshot_finish(&fixture.a, true);
	check(&fixture, 6, 1, 0, 0, 0);
	assert_int_equal(fixture.last.kind, DIFFERENCE_MISSING);
	assert_int_equal(fixture.last.a_uid, 100);
	add(&fixture.b, 100, 9, 9);
	snapshot_finish(&fixture.b, true);
	check(&fixture, 6, 1, 1, 0, 0);
	assert_int_equal(fixture.last.kind, DIFFERENCE_EXTRA);
	fixture.request.no_extra = true;
	check(&fixture, 6, 1, 0, 0, 0);
	end(&fixture);
}

/* What one side does not show is neither missing nor extra. */
static void test_unknown(void **state)
{
	struct fixture fixture;

	(void)state;
	begin(&fixture);
	add(&fixture.a, 100, 8, 8);
	snapshot_finish(&fixture.a, true);
	fixture.b.complete = false;
	check(&fixture, 6, 0, 0, 0, 1);
	fixture.b.complete = true;
	fixture.b.attr[0] = 0;
	check(&fixture, 5, 0, 0, 0, 3);
	fixture.b.attr[0] = SNAPSHOT_HAS_DIGEST;
	check(&fixture, 5, 1, 0, 0, 1);
	fixture.b.attr[0] |= SNAPSHOT_HAS_CONTENT;
	fixture.b.instant[1] = DATE_UNKNOWN;
	check(&fixture, 5, 1, 0, 0, 1);
	fixture.request.check = COMPARE_FLAGS;
	check(&fixture, 6, 1, 0, 0, 0);
	end(&fixture);
}

static void test_selected(void **state)
{
	uint8_t a[7] = { SELECT_DATE, SELECT_DATE }, b[7] = { 0, 0, 0, 0, 0, SELECT_DATE };
	struct fixture fixture;

	(void)state;
	begin(&fixture);
	add(&fixture.b, 100, 9, 9);
	snapshot_finish(&fixture.b, true);
	b[6] = SELECT_DATE;
	fixture.request.a.reason = a;
	fixture.request.b.reason = b;
	/* Message 1 is selected nowhere, 2 only in b. */
	check(&fixture, 5, 0, 0, 0, 0);
	assert_int_equal(fixture.result.a, 4);
	assert_int_equal(fixture.result.b, 5);
	b[6] = SELECT_YES;
	check(&fixture, 5, 0, 1, 0, 0);
	end(&fixture);
}

/* b has one more often: only where a has it, and where a is not left out of account. */
static void test_doubled(void **state)
{
	struct fixture fixture;

	(void)state;
	begin(&fixture);
	add(&fixture.b, 100, 3, 3);
	add(&fixture.b, 101, 9, 9);
	snapshot_finish(&fixture.b, true);
	check(&fixture, 6, 0, 1, 0, 0);
	assert_int_equal(fixture.result.doubled, 1);
	fixture.a.complete = false; /* whether it has 9 is not known */
	check(&fixture, 6, 0, 0, 0, 1);
	assert_int_equal(fixture.result.doubled, 1);
	fixture.request.no_extra = true;
	check(&fixture, 6, 0, 0, 0, 0);
	assert_int_equal(fixture.result.doubled, 0);
	end(&fixture);
}

static void check_proofs(const struct fixture *fixture, uint64_t content, uint64_t record,
	uint64_t digest, uint64_t header)
{
	assert_int_equal(fixture->result.proved[PROOF_CONTENT], content);
	assert_int_equal(fixture->result.proved[PROOF_RECORD], record);
	assert_int_equal(fixture->result.proved[PROOF_DIGEST], digest);
	assert_int_equal(fixture->result.proved[PROOF_HEADER], header);
}

static void test_proofs(void **state)
{
	/* Against all likelihood: the first of a with the last of b. */
	const struct compare_record record = { 0, 0 };
	struct fixture fixture;

	(void)state;
	begin(&fixture);
	check(&fixture, 6, 0, 0, 0, 0);
	check_proofs(&fixture, 6, 0, 0, 0);
	fixture.request.check = 0;
	for (size_t row = 0; row < 6; row++)
		fixture.a.attr[row] = SNAPSHOT_HAS_DIGEST;
	fixture.a.size[0]++;
	fixture.a.size[1] = UINT32_MAX;
	check(&fixture, 6, 0, 0, 0, 0);
	check_proofs(&fixture, 0, 0, 4, 2);
	fixture.request.record = &record;
	fixture.request.records = 1;
	fixture.a.attr[0] = 0; /* needs no digest */
	/* What b's was is missing, and nobody has what a's was. */
	check(&fixture, 5, 1, 1, 0, 0);
	check_proofs(&fixture, 0, 1, 3, 1);
	fixture.request.check = COMPARE_SIZE;
	check(&fixture, 3, 1, 1, 1, 1);
	end(&fixture);
}

/* Of twins it tells which is which; where headers say that two are not the same, it is not believed. */
static void test_records_and_headers(void **state)
{
	const struct compare_record record[] = { { 0, 0 }, { 2, 2 }, { 3, 3 } };
	struct fixture fixture;

	(void)state;
	begin(&fixture);
	fixture.request.check = COMPARE_FLAGS;
	fixture.request.record = record;
	fixture.request.records = 3;
	fixture.a.attr[2] = fixture.a.attr[3] = SNAPSHOT_HAS_DIGEST;
	/* The twins' flags are crossed: without the record nobody would know. */
	fixture.a.flags[2] = fixture.b.flags[3] = 2;
	check(&fixture, 4, 0, 0, 2, 0);
	check_proofs(&fixture, 4, 2, 0, 0);
	fixture.request.records = 1;
	check(&fixture, 6, 0, 0, 0, 0);
	end(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_doubled),
		cmocka_unit_test(test_proofs),
		cmocka_unit_test(test_records_and_headers),
		cmocka_unit_test(test_attributes),
		cmocka_unit_test(test_multiset),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_selected),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
