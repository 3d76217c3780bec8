/* The pipelined writer against servers that refuse, early or late, one or all, and that vanish. */
#include "imap_append_fixture.h"

/* Takes what does not hold "bad", as many as come; gives UIDs from 1 on. Ends with "last". */
static void run_picky(struct script *script)
{
	const char *refusal = script->data;
	unsigned uid = 1;

	for (bool last = false; !last && !script->over;) {
		const char *text = script_command(script);
		const unsigned count = count_letters(script);

		if (strstr(text, "bad")) {
			script_say(script, "m%u %s\r\n", script->tag, refusal);
			last = count == 1 && strstr(text, "last");
			continue;
		}
		last = strstr(text, "last") != NULL;
		script_say(script, "m%u OK [APPENDUID 77 %u:%u] done\r\n", script->tag, uid,
			uid + count - 1);
		uid += count;
	}
}

static void run_picky_no(struct script *script)
{
	script->data = "NO Message contains invalid header";
	run_picky(script);
}

/* RFC 6855 §4 to the letter: 8-bit headers only as UTF8 (~{n+}…). */
static void run_strict(struct script *script)
{
	unsigned uid = 1;

	for (bool last = false; !last && !script->over;) {
		const char *text = script_command(script);
		const unsigned count = count_letters(script);
		const bool item = strstr(text, "UTF8 (~{") != NULL;

		if (strstr(text, "Subject: \xc3\xbc") && !item) {
			script_say(script, "* ENABLED UTF8=ACCEPT\r\nm%u NO %s\r\n", script->tag,
				"[CANNOT] header is not ASCII");
			continue;
		}
		if (strstr(text, "never")) {
			script_say(script, "m%u BAD UTF8 what\r\n", script->tag);
			last = strstr(text, "last") != NULL;
			continue;
		}
		last = strstr(text, "last") != NULL;
		script_say(script, "m%u OK [APPENDUID 77 %u:%u] done\r\n", script->tag, uid,
			uid + count - 1);
		uid += count;
	}
}

static void test_8bit_headers(void **state)
{
	static const char *const bodies[] = { "Subject: u\r\n\r\n\xc3\xbc",
		"Subject: \xc3\xbc\r\n\r\nx", "Subject: v\r\n\r\ny",
		"Subject: \xc3\xbc\r\n\r\nnever", "Subject: \xc3\xbc\r\n\r\nz last" };
	struct fixture f = begin(MULTI, run_strict);

	(void)state;
	for (unsigned i = 0; i < countof(bodies); i++)
		add(&f, i, bodies[i]);
	for (unsigned i = 0; i < countof(bodies); i++) {
		const struct imap_append_result result = settle(&f);

		if (result.token == 3) {
			assert_int_equal(result.outcome, IMAP_APPEND_REFUSED);
			assert_non_null(strstr(result.err.text, "not ASCII"));
		} else {
			assert_int_equal(result.outcome, IMAP_APPEND_STORED);
		}
	}
	expect_end(&f);
	end(&f);
}

static void test_refused_batch_is_halved(void **state)
{
	struct fixture f = begin(MULTI, run_picky_no);
	static const char *const bodies[] = { "one", "two", "bad 3", "four", "five", "six", "bad 7",
		"eight", "last" };
	bool seen[countof(bodies)] = { false };

	(void)state;
	for (unsigned i = 0; i < countof(bodies); i++)
		add(&f, i, bodies[i]);
	for (unsigned i = 0; i < countof(bodies); i++) {
		const struct imap_append_result result = settle(&f);

		assert_false(seen[result.token]);
		seen[result.token] = true;
		if (span_starts(span_of(bodies[result.token]), SPAN("bad"))) {
			assert_int_equal(result.outcome, IMAP_APPEND_REFUSED);
			assert_int_equal(result.err.scope, ERR_MESSAGE);
			assert_non_null(strstr(result.err.text, "invalid header"));
			continue;
		}
		assert_int_equal(result.outcome, IMAP_APPEND_STORED);
		/* In order, those refused aside. */
		assert_int_equal(
			result.uid, result.token + 1 - (result.token > 2) - (result.token > 6));
	}
	expect_end(&f);
	end(&f);
}

static void run_refuse(struct script *script)
{
	(void)script_command(script);
	script_say(script, "m%u %s\r\n", script->tag, script->data);
}

static void run_try_create(struct script *script)
{
	script->data = "NO [TRYCREATE] Mailbox doesn't exist: Box";
	run_refuse(script);
}

static void run_busy(struct script *script)
{
	script->data = "NO [UNAVAILABLE] try again in 2 seconds";
	run_refuse(script);
}

static void run_expired(struct script *script)
{
	script->data = "NO [EXPIRED] the token";
	run_refuse(script);
}

static void test_general_refusals_are_not_narrowed(void **state)
{
	static const struct {
		void (*run)(struct script *script);
		enum err_scope scope;
		enum err_kind kind;
		bool try_create;
		uint32_t wait_ms;
	} cases[] = {
		{ run_try_create, ERR_MAILBOX, ERR_KIND_OTHER, true, 0 },
		{ run_busy, ERR_MAILBOX, ERR_KIND_BUSY, false, 2000 },
		{ run_expired, ERR_ACCOUNT, ERR_KIND_AUTH, false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < countof(cases); i++) {
		struct fixture f = begin(MULTI, cases[i].run);

		add(&f, 1, "one");
		add(&f, 2, "two");
		for (uint64_t token = 1; token <= 2; token++) {
			const struct imap_append_result result =
				expect(&f, token, IMAP_APPEND_REFUSED, 0);

			assert_int_equal(result.err.scope, cases[i].scope);
			assert_int_equal(result.err.kind, cases[i].kind);
			assert_int_equal(result.try_create, cases[i].try_create);
			assert_int_equal(result.err.wait_ms, cases[i].wait_ms);
		}
		expect_end(&f);
		end(&f);
	}
}

/* No room for the batch, nor for its first message: the larger ones are refused unsent, the smaller one still fits. */
static void run_full(struct script *script)
{
	(void)script_command(script);
	script_say(script, "m%u NO [OVERQUOTA] full\r\n", script->tag);
	uint32_t tag =
		script_expect(script, "APPEND \"Box\"" LETTER("3+", "one") LETTER("3+", "two"));
	script_say(script, "m%u NO [OVERQUOTA] full\r\n", tag);
	tag = script_expect(script, "APPEND \"Box\"" LETTER("3+", "one"));
	script_say(script, "m%u NO [OVERQUOTA] full\r\n", tag);
	tag = script_expect(script, "APPEND \"Box\"" LETTER("5+", "three") LETTER("1+", "4"));
	script_say(script, "m%u NO [OVERQUOTA] full\r\n", tag);
	tag = script_expect(script, "APPEND \"Box\"" LETTER("5+", "three"));
	script_say(script, "m%u NO [OVERQUOTA] full\r\n", tag);
	script_ok(script, script_expect(script, "APPEND \"Box\"" LETTER("1+", "4")));
	script_ok(script, script_expect(script, "NOOP"));
}

static void test_a_full_account_takes_what_fits(void **state)
{
	struct fixture f = begin(MULTI, run_full);

	(void)state;
	add(&f, 1, "one");
	add(&f, 2, "two");
	add(&f, 3, "three");
	add(&f, 4, "4");
	for (uint64_t i = 1; i <= 3; i++) {
		const struct imap_append_result result = expect(&f, i, IMAP_APPEND_REFUSED, 0);

		assert_int_equal(result.err.kind, ERR_KIND_QUOTA);
	}
	(void)expect(&f, 4, IMAP_APPEND_STORED, 0);
	expect_end(&f);
	assert_int_equal(
		imap_finish(f.script->imap, imap_sendf(f.script->imap, NULL, "NOOP"), NULL), 0);
	end(&f);
}

/* Announces MULTIAPPEND and does not know it. */
static void run_broken_multi(struct script *script)
{
	for (unsigned stored = 0; stored < 20 && !script->over;) {
		(void)script_command(script);
		if (count_letters(script) > 1) {
			script_say(script, "m%u BAD Too many arguments\r\n", script->tag);
			continue;
		}
		stored++;
		script_say(script, "m%u OK [APPENDUID 77 %u] done\r\n", script->tag, stored);
	}
}

static void test_broken_multiappend_is_given_up(void **state)
{
	struct fixture f = begin(MULTI, run_broken_multi);

	(void)state;
	assert_true(imap_has(f.script->imap, IMAP_CAP_MULTIAPPEND));
	for (uint32_t i = 1; i <= 17; i++)
		add(&f, i, "message");
	for (uint32_t i = 1; i <= 17; i++)
		expect(&f, i, IMAP_APPEND_STORED, i);
	assert_false(imap_has(f.script->imap, IMAP_CAP_MULTIAPPEND));
	for (uint32_t i = 18; i <= 20; i++)
		add(&f, i, "message");
	for (uint32_t i = 18; i <= 20; i++)
		expect(&f, i, IMAP_APPEND_STORED, i);
	expect_end(&f);
	end(&f);
}

static void run_bad(struct script *script)
{
	script->data = "BAD Invalid message";
	run_picky(script);
}

static void test_bad_for_one_message_keeps_multiappend(void **state)
{
	struct fixture f = begin(MULTI, run_bad);

	(void)state;
	add(&f, 1, "one");
	add(&f, 2, "bad 2");
	add(&f, 3, "last");
	expect(&f, 1, IMAP_APPEND_STORED, 1);
	expect(&f, 2, IMAP_APPEND_REFUSED, 0);
	expect(&f, 3, IMAP_APPEND_STORED, 2);
	assert_true(imap_has(f.script->imap, IMAP_CAP_MULTIAPPEND));
	expect_end(&f);
	end(&f);
}

/* Refused while its octets are still coming: all that were announced come all the same. */
static void run_early(struct script *script)
{
	(void)script_command_line(script);
	const uint32_t tag = script->tag;
	script_say(script, "m%u NO [TOOBIG] no\r\n", tag);
	script_octets(script, HUGE);
	script_line(script);
	expect_body(script, 1, HUGE);
	if (!span_ends(buf_span(&script->text), SPAN("\r\n")))
		script_fail(script, "no line end", "");
	script_ok(script, script_expect(script, "APPEND \"Box\"" LETTER("3+", "two")));
}

static void test_refused_early(void **state)
{
	struct fixture f = begin(MULTI, run_early);
	struct imap_append_result result;
	char *body = script_body(HUGE, 1);

	(void)state;
	assert_int_equal(imap_append_begin(f.append, 1, "", NULL, HUGE, NULL), 0);
	assert_int_equal(imap_append_add(f.append, span_make(body, 1000), NULL), 0);
	assert_false(imap_append_cancel(f.append));
	while (!imap_ready(f.script->imap))
		;
	assert_int_equal(imap_append_settle(f.append, false, &result, NULL), 0);
	assert_int_equal(imap_append_settle(f.append, true, &result, NULL), 0);
	assert_int_equal(imap_append_add(f.append, span_make(body + 1000, HUGE - 1000), NULL), 0);
	assert_int_equal(imap_append_end(f.append, NULL), 0);
	add(&f, 2, "two");
	expect(&f, 1, IMAP_APPEND_REFUSED, 0);
	expect(&f, 2, IMAP_APPEND_STORED, 0);
	expect_end(&f);
	mem_free(body);
	end(&f);
}

#define MEDIUM 70000

/* Refused between two messages of a batch that is not whole yet: the line ends there. */
static void run_early_batch(struct script *script)
{
	(void)script_command_line(script);
	script_octets(script, MEDIUM);
	script_say(script, "m%u NO bad message\r\n", script->tag);
	buf_clear(&script->text);
	script_line(script);
	if (!span_equal_text(buf_span(&script->text), "\r\n"))
		script_fail(script, "no end of the line", buf_text(&script->text));
	for (unsigned i = 1; i <= 3; i++) {
		(void)script_command(script);
		if (count_letters(script) != 1)
			script_fail(script, "not alone", "");
		if (i != 2)
			expect_body(script, i == 1 ? 1 : 2, i == 1 ? MEDIUM : 100);
		script_say(script, "m%u OK [APPENDUID 77 %u] done\r\n", script->tag, i);
	}
}

static void test_batch_refused_early(void **state)
{
	struct fixture f = begin(MULTI, run_early_batch);
	struct imap_append_result result;

	(void)state;
	add_sized(&f, 1, MEDIUM);
	add_sized(&f, 2, 100);
	assert_int_equal(imap_append_begin(f.append, 3, "", NULL, 1, NULL), 0);
	while (!imap_ready(f.script->imap))
		;
	assert_int_equal(imap_append_settle(f.append, false, &result, NULL), 0);
	assert_true(imap_append_cancel(f.append));
	add(&f, 3, "three");
	/* Halves go one after another; meanwhile others pass them. */
	expect(&f, 1, IMAP_APPEND_STORED, 1);
	expect(&f, 3, IMAP_APPEND_STORED, 2);
	expect(&f, 2, IMAP_APPEND_STORED, 3);
	expect_end(&f);
	end(&f);
}

static void run_lost(struct script *script)
{
	(void)script_command(script);
	script_hang_up(script);
}

static void test_lost_batches(void **state)
{
	struct fixture f = begin(MULTI, run_lost);
	struct imap_append_result result;

	(void)state;
	add(&f, 1, "one");
	add(&f, 2, "two");
	assert_int_equal(imap_append_flush(f.append, NULL), 0);
	add(&f, 3, "three");
	add(&f, 4, "four");
	assert_int_equal(imap_append_begin(f.append, 5, "", NULL, 10, NULL), 0);
	while (imap_append_settle(f.append, false, &result, NULL) == 0)
		;
	imap_append_drop(f.append);
	assert_int_equal(imap_append_outstanding(f.append), 5);
	expect(&f, 1, IMAP_APPEND_UNKNOWN, 0);
	expect(&f, 2, IMAP_APPEND_UNKNOWN, 0);
	expect(&f, 3, IMAP_APPEND_SKIPPED, 0);
	expect(&f, 4, IMAP_APPEND_SKIPPED, 0);
	expect(&f, 5, IMAP_APPEND_SKIPPED, 0);
	expect_end(&f);
	assert_int_equal(imap_append_begin(f.append, 6, "", NULL, 10, NULL), -1);
	end(&f);
}

static void run_lost_single(struct script *script)
{
	(void)script_command(script);
	script_ok(script, script->tag);
	(void)script_command(script);
	script_hang_up(script);
}

static void test_lost_singles(void **state)
{
	struct fixture f = begin(PLUS, run_lost_single);

	(void)state;
	add(&f, 1, "one");
	add(&f, 2, "two");
	add(&f, 3, "three");
	expect(&f, 1, IMAP_APPEND_STORED, 0);
	expect_failure(&f);
	expect(&f, 2, IMAP_APPEND_UNKNOWN, 0);
	expect(&f, 3, IMAP_APPEND_UNKNOWN, 0);
	expect_end(&f);
	end(&f);
}

static void run_lost_narrowing(struct script *script)
{
	(void)script_command(script);
	script_say(script, "m%u NO something is wrong\r\n", script->tag);
	(void)script_expect(script, "APPEND \"Box\"" LETTER("3+", "one"));
	script_hang_up(script);
}

static void test_lost_while_narrowing(void **state)
{
	struct fixture f = begin(MULTI, run_lost_narrowing);

	(void)state;
	add(&f, 1, "one");
	add(&f, 2, "two");
	expect_failure(&f);
	expect(&f, 1, IMAP_APPEND_UNKNOWN, 0);
	expect(&f, 2, IMAP_APPEND_SKIPPED, 0); /* refused, and not sent again */
	expect_end(&f);
	end(&f);
}

static void run_lost_streamed(struct script *script)
{
	(void)script_command_line(script);
	script_hang_up(script);
}

static void test_lost_in_a_streamed_message(void **state)
{
	static const size_t missing[] = { 0, 1 };

	(void)state;
	for (size_t i = 0; i < countof(missing); i++) {
		struct fixture f = begin(PLUS, run_lost_streamed);
		char *body = script_body(600000, 1);
		struct imap_append_result result;

		assert_int_equal(imap_append_begin(f.append, 1, "", NULL, 600000, NULL), 0);
		/* Fails or not, as the server is quick. */
		(void)!imap_append_add(f.append, span_make(body, 600000 - missing[i]), NULL);
		imap_append_drop(f.append);
		assert_int_equal(imap_append_settle(f.append, true, &result, NULL), 1);
		assert_int_equal(
			result.outcome, missing[i] ? IMAP_APPEND_SKIPPED : IMAP_APPEND_UNKNOWN);
		expect_end(&f);
		mem_free(body);
		end(&f);
	}
}

static void run_lying(struct script *script)
{
	(void)script_command_line(script);
	script_ok(script, script->tag);
}

/* OK before it has everything: nothing it says is believed. */
static void test_ok_before_the_end(void **state)
{
	struct fixture f = begin(PLUS, run_lying);
	struct imap_append_result result;
	struct err err = ERR_INIT;
	char *body = script_body(600000, 1);

	(void)state;
	assert_int_equal(imap_append_begin(f.append, 1, "", NULL, 600000, NULL), 0);
	assert_int_equal(imap_append_add(f.append, span_make(body, 10), NULL), 0);
	while (!imap_ready(f.script->imap))
		;
	assert_int_equal(imap_append_settle(f.append, false, &result, &err), -1);
	assert_int_equal(err.scope, ERR_CONN);
	imap_append_drop(f.append);
	expect(&f, 1, IMAP_APPEND_SKIPPED, 0);
	expect_end(&f);
	mem_free(body);
	end(&f);
}

/* Refused first, accepted first: the order of those accepted at once stays. */
static void run_order(struct script *script)
{
	uint32_t tag[2];

	(void)script_command(script);
	tag[0] = script->tag;
	(void)script_command(script);
	tag[1] = script->tag;
	script_say(script, "m%u NO one of them\r\n", tag[0]);
	script_say(script, "m%u OK [APPENDUID 77 1:2] done\r\n", tag[1]);
	tag[0] = script_expect(script, "APPEND \"Box\"" LETTER("3+", "one"));
	script_say(script, "m%u NO this one\r\n", tag[0]);
	tag[0] = script_expect(script, "APPEND \"Box\"" LETTER("3+", "two"));
	script_say(script, "m%u OK [APPENDUID 77 3] done\r\n", tag[0]);
}

static void test_order(void **state)
{
	struct fixture f = begin(MULTI, run_order);

	(void)state;
	add(&f, 1, "one");
	add(&f, 2, "two");
	assert_int_equal(imap_append_flush(f.append, NULL), 0);
	add(&f, 3, "three");
	add(&f, 4, "four");
	expect(&f, 3, IMAP_APPEND_STORED, 1);
	expect(&f, 4, IMAP_APPEND_STORED, 2);
	expect(&f, 1, IMAP_APPEND_REFUSED, 0);
	expect(&f, 2, IMAP_APPEND_STORED, 3);
	expect_end(&f);
	end(&f);
}

/* BAD for one pair, though others were taken together: no reason to give MULTIAPPEND up. */
static void run_moody(struct script *script)
{
	static const struct {
		unsigned count;
		const char *answer;
	} steps[] = { { 4, "BAD what?" }, { 2, "OK done" }, { 2, "BAD what?" }, { 1, "OK done" },
		{ 1, "OK done" } };

	for (size_t i = 0; i < countof(steps); i++) {
		(void)script_command(script);
		if (count_letters(script) != steps[i].count)
			script_fail(script, "batch of another size", "");
		script_say(script, "m%u %s\r\n", script->tag, steps[i].answer);
	}
}

static void test_moody_server_keeps_multiappend(void **state)
{
	struct fixture f = begin(MULTI, run_moody);

	(void)state;
	for (uint64_t i = 1; i <= 4; i++)
		add(&f, i, "message");
	for (uint64_t i = 1; i <= 4; i++)
		expect(&f, i, IMAP_APPEND_STORED, 0);
	assert_true(imap_has(f.script->imap, IMAP_CAP_MULTIAPPEND));
	expect_end(&f);
	end(&f);
}

static void run_hang_up(struct script *script)
{
	(void)script_command_line(script);
	script_hang_up(script);
}

/* All octets were given to a connection that fails while it takes them: nobody knows how many arrived. */
static void test_lost_while_sending(void **state)
{
	struct fixture f = begin(PLUS, run_hang_up);
	char *body = script_body(500000, 1);
	struct err err = ERR_INIT;

	(void)state;
	/* Where the system takes all octets before it hears of the end, the answer fails instead. */
	if (try_add(&f, 1, span_make(body, 500000), &err) < 0) {
		assert_int_equal(err.scope, ERR_CONN);
		imap_append_drop(f.append);
	} else {
		expect_failure(&f);
	}
	expect(&f, 1, IMAP_APPEND_UNKNOWN, 0);
	expect_end(&f);
	mem_free(body);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_8bit_headers),
		cmocka_unit_test(test_refused_batch_is_halved),
		cmocka_unit_test(test_general_refusals_are_not_narrowed),
		cmocka_unit_test(test_a_full_account_takes_what_fits),
		cmocka_unit_test(test_broken_multiappend_is_given_up),
		cmocka_unit_test(test_bad_for_one_message_keeps_multiappend),
		cmocka_unit_test(test_refused_early),
		cmocka_unit_test(test_batch_refused_early),
		cmocka_unit_test(test_lost_batches),
		cmocka_unit_test(test_lost_singles),
		cmocka_unit_test(test_lost_while_narrowing),
		cmocka_unit_test(test_lost_in_a_streamed_message),
		cmocka_unit_test(test_ok_before_the_end),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_moody_server_keeps_multiappend),
		cmocka_unit_test(test_lost_while_sending),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
