/* What a message in an mbox file tells: flags, dates, and a key that mail programs do not change. */
#include "mail/mbox_facts.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct mbox_facts *facts;

static struct mbox_result facts_of(const char *text, size_t step)
{
	const struct span all = span_of(text);
	struct mbox_result result;

	for (size_t at = 0; at < all.len; at += step)
		mbox_facts_add(facts, span_sub(all, at, step));
	mbox_facts_end(facts, &result);
	return result;
}

static const char plain[] = "From: a@x\nReceived: by y;\n Thu, 1 Jan 1970 00:00:07 +0000\n"
			    "Date: Thu, 1 Jan 1970 00:00:09 +0000\n\nStatus: RO\nbody\r\n";
static const char marked[] =
	"X-Mozilla-Status: 0005\nX-Mozilla-Keys: $label1  \nFrom: a@x\nReceived: by y;\n"
	" Thu, 1 Jan 1970 00:00:07 +0000\nX-IMAPbase: 1 2\n  Folded\nstatus: R\nX-Status: AT\n"
	"X-Keywords: Work\n Home\nContent-Length: 17\n"
	"Date: Thu, 1 Jan 1970 00:00:09 +0000\nX-UID: 7\n\nStatus: RO\nbody\r\n";

static void test_facts(void **state)
{
	const struct digest128 key = facts_of(plain, 1000).key;

	(void)state;
	for (size_t step = 1; step < sizeof(marked); step++) {
		struct mbox_result result = facts_of(plain, step);

		assert_true(digest128_equal(result.key, key));
		assert_false(result.has_status || result.has_mozilla);
		assert_int_equal(result.date.instant, 7);
		assert_int_equal(result.bare_lf, 6);
		result = facts_of(marked, step);
		assert_true(digest128_equal(result.key, key));
		assert_true(result.has_status && result.has_mozilla);
		assert_true(span_equal_text(
			result.status_flags, "\\Seen \\Answered \\Draft Work  Home"));
		assert_true(span_equal_text(result.mozilla_flags, "\\Seen \\Flagged $label1"));
		assert_int_equal(result.mozilla_octets, 49);
	}
	assert_false(digest128_equal(facts_of("A: b\n\nc", 9).key, facts_of("A: b\nc", 9).key));
	assert_false(digest128_equal(facts_of("A: b\n\nc", 9).key, facts_of("A: b\n\nd", 9).key));
	assert_int_equal(facts_of("", 1).date.instant, DATE_UNKNOWN);
	assert_int_equal(facts_of("Date: Thu, 1 Jan 1970 00:00:09 +0000", 7).date.instant, 9);
	assert_true(facts_of("Status: \r\n", 3).has_status);
}

/* Only what stands in front, in our order, with letters that we write. */
static void test_own(void **state)
{
	static const struct {
		const char *text;
		unsigned octets;
	} table[] = {
		{ "Status: RO\nX-Status: \nA: b\n\nStatus: O\n", 22 },
		{ "Status: O\nX-Status: AT\nX-Keywords: a b\n\n", 39 },
		{ "Status: O\nX-Status: F\nX-UID: 7\nX-Keywords: a\nStatus: R\n\n", 22 },
		{ "Status: O\nX-Status: F\n", 22 },
		{ "Status: O\n\nX-Status: F\n", 0 },
		{ "A: b\nStatus: O\nX-Status: F\n\n", 0 },
		{ "X-Status: F\nStatus: O\n\n", 0 },
		{ "Status: O\nA: b\nX-Status: F\n\n", 0 },
		{ "Status: done\nX-Status: F\n\n", 0 },
		{ "Status: O\nX-Status: yes\n\n", 0 },
	};

	(void)state;
	for (size_t i = 0; i < countof(table); i++) {
		for (size_t step = 1; step < 30; step += 7)
			assert_int_equal(facts_of(table[i].text, step).own_octets, table[i].octets);
	}
}

static void test_fields(void **state)
{
	(void)state;
	assert_true(mbox_is_status_field(SPAN("x-uid")) && mbox_is_status_field(SPAN("Status")));
	assert_true(mbox_is_status_field(SPAN("X-Mozilla-Keys")));
	assert_false(mbox_is_status_field(SPAN("Date")) || mbox_is_status_field(SPAN("From")));
	assert_true(mbox_is_mozilla_field(SPAN("X-MOZILLA-STATUS2")));
	assert_false(mbox_is_mozilla_field(SPAN("Status")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_facts),
		cmocka_unit_test(test_own),
		cmocka_unit_test(test_fields),
	};
	int failed;

	facts = mbox_facts_new();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	mbox_facts_free(facts);
	return failed;
}
