/* The pipelined writer: what goes into a command, how many commands go ahead, and which UID a message got. */
#include "imap_append_fixture.h"

static void run_batch(struct script *script)
{
	const uint32_t tag = script_expect(
		script, "APPEND \"Box\"" LETTER("3+", "one") LETTER("3+", "two") " {5+}\r\nthree");

	script_say(script, "* 3 EXISTS\r\nm%u OK [APPENDUID 77 101:102,107] done\r\n", tag);
}

static void test_batch(void **state)
{
	struct fixture f = begin(MULTI, run_batch);
	struct imap_append_result result;

	(void)state;
	add(&f, 1, "one");
	add(&f, 2, "two");
	assert_int_equal(imap_append_begin(f.append, 3, "", NULL, 5, NULL), 0);
	assert_true(imap_append_in_message(f.append));
	assert_int_equal(imap_append_add(f.append, SPAN("three"), NULL), 0);
	assert_int_equal(imap_append_end(f.append, NULL), 0);
	assert_false(imap_append_in_message(f.append));
	assert_int_equal(imap_append_outstanding(f.append), 3);
	assert_int_equal(imap_append_settle(f.append, false, &result, NULL), 0);
	assert_int_equal(imap_append_flush(f.append, NULL), 0);
	while (imap_append_settle(f.append, false, &result, NULL) == 0)
		;
	assert_int_equal(result.token, 1);
	assert_int_equal(result.uid, 101);
	expect(&f, 2, IMAP_APPEND_STORED, 102);
	expect(&f, 3, IMAP_APPEND_STORED, 107);
	expect_end(&f);
	end(&f);
}

/* Two whole batches come before the first is answered, and each is as full as it may be. */
static void run_two_in_flight(struct script *script)
{
	static const unsigned counts[] = { 128, 128, 44 };
	uint32_t tag[3];

	for (unsigned i = 0; i < 4; i++) {
		if (i < 3) {
			(void)script_command(script);
			tag[i] = script->tag;
			if (count_letters(script) != counts[i])
				script_fail(script, "batch of another size", "");
		}
		if (i > 0)
			script_say(script, "m%u OK [APPENDUID 77 %u:%u] done\r\n", tag[i - 1],
				1000 + 128 * (i - 1), 1000 + 128 * (i - 1) + counts[i - 1] - 1);
	}
}

static void test_two_batches_in_flight(void **state)
{
	struct fixture f = begin(MULTI, run_two_in_flight);

	(void)state;
	for (uint64_t i = 0; i < 300; i++)
		add(&f, i, "message");
	for (uint32_t i = 0; i < 300; i++)
		expect(&f, i, IMAP_APPEND_STORED, 1000 + i);
	expect_end(&f);
	end(&f);
}

#define LARGE 170000 /* three of them make a batch */

static void run_bytes(struct script *script)
{
	static const size_t size[] = { LARGE, LARGE, LARGE, LARGE, HUGE, LARGE };
	static const unsigned counts[] = { 3, 1, 1, 1 };
	unsigned token = 0;

	for (unsigned i = 0; i < countof(counts); i++) {
		(void)script_command(script);
		if (count_letters(script) != counts[i])
			script_fail(script, "batch of another size", "");
		for (unsigned j = 0; j < counts[i]; j++, token++)
			expect_body(script, token, size[token]);
		script_say(script, "m%u OK [APPENDUID 77 %u:%u] done\r\n", script->tag,
			100 + token - counts[i], 100 + token - 1);
	}
}

static void test_batches_by_bytes(void **state)
{
	struct fixture f = begin(MULTI, run_bytes);

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		add_sized(&f, i, LARGE);
	add_sized(&f, 4, HUGE);
	add_sized(&f, 5, LARGE);
	for (unsigned i = 0; i < 6; i++)
		expect(&f, i, IMAP_APPEND_STORED, 100 + i);
	expect_end(&f);
	end(&f);
}

static void run_singles(struct script *script)
{
	uint32_t tag[64];

	for (int round = 0; round < 2; round++) {
		for (unsigned i = 0; i < countof(tag); i++)
			tag[i] = script_expect(script, "APPEND \"Box\"" LETTER("7+", "message"));
		for (unsigned i = 0; i < countof(tag); i++)
			script_say(script,
				i == 5 ? "m%u NO [CANNOT] I will not\r\n" : "m%u OK done\r\n",
				tag[i]);
	}
}

static void test_singles_are_pipelined(void **state)
{
	struct fixture f = begin(PLUS, run_singles);

	(void)state;
	for (uint64_t i = 0; i < 128; i++)
		add(&f, i, "message");
	for (uint64_t i = 0; i < 128; i++) {
		const bool refused = i % 64 == 5;
		const struct imap_append_result result =
			expect(&f, i, refused ? IMAP_APPEND_REFUSED : IMAP_APPEND_STORED, 0);

		if (refused)
			assert_int_equal(result.err.scope, ERR_MESSAGE);
	}
	expect_end(&f);
	end(&f);
}

#define WINDOW 15 /* so many of LARGE octets are kept in flight */

static void run_window(struct script *script)
{
	uint32_t tag[WINDOW];

	for (unsigned i = 0; i < WINDOW; i++) {
		(void)script_command(script);
		tag[i] = script->tag;
	}
	script_quiet(script); /* the next one's octets would be too many */
	script_ok(script, tag[0]);
	(void)script_command(script);
	for (unsigned i = 1; i < WINDOW; i++)
		script_ok(script, tag[i]);
	script_ok(script, script->tag);
}

static void test_singles_window_by_bytes(void **state)
{
	struct fixture f = begin(PLUS, run_window);

	(void)state;
	for (uint64_t i = 0; i < WINDOW + 1; i++)
		add_sized(&f, i, LARGE);
	for (uint64_t i = 0; i < WINDOW + 1; i++)
		expect(&f, i, IMAP_APPEND_STORED, 0);
	expect_end(&f);
	end(&f);
}

/* Nothing but synchronising literals: each line waits, and a refusal in place of '+' ends the command. */
static void run_synchronising(struct script *script)
{
	uint32_t tag = script_expect(script, "APPEND \"Box\" (\\Seen) \"" DATE "\" {3}\r\n");
	script_say(script, "+ go on\r\n");
	(void)script_more(script);
	script_ok(script, tag);
	tag = script_expect(script, "APPEND \"Box\" (\\Seen) \"" DATE "\" {600000}\r\n");
	script_say(script, "m%u NO Message size exceeds fixed limit\r\n", tag);
	tag = script_expect(script, "APPEND \"Box\" (\\Seen) \"" DATE "\" {5}\r\n");
	script_say(script, "m%u NO [TOOBIG] no\r\n", tag);
	tag = script_expect(script, "APPEND \"Box\" (\\Seen) \"" DATE "\" {600000}\r\n");
	script_say(script, "+ go on\r\n");
	script_octets(script, 600000);
	script_line(script);
	expect_body(script, 4, 600000);
	script_say(script, "m%u OK [APPENDUID 77 9] done\r\n", tag);
}

static void test_synchronising(void **state)
{
	struct fixture f = begin("UIDPLUS MULTIAPPEND", run_synchronising);

	(void)state;
	add(&f, 1, "one");
	add_sized(&f, 2, 600000);
	add(&f, 3, "three");
	add_sized(&f, 4, 600000);
	expect(&f, 1, IMAP_APPEND_STORED, 0);
	struct imap_append_result result = expect(&f, 2, IMAP_APPEND_REFUSED, 0);
	assert_int_equal(result.err.scope, ERR_MESSAGE);
	assert_int_equal(result.err.kind, ERR_KIND_OTHER);
	result = expect(&f, 3, IMAP_APPEND_REFUSED, 0);
	assert_int_equal(result.err.scope, ERR_MESSAGE);
	expect(&f, 4, IMAP_APPEND_STORED, 9);
	expect_end(&f);
	end(&f);
}

/* LITERAL-: small ones go unasked; a big one waits until they are answered, for a '+' must be its own. */
static void run_minus(struct script *script)
{
	uint32_t tag[2];

	tag[0] = script_expect(script, "APPEND \"Box\"" LETTER("3+", "one"));
	tag[1] = script_expect(script, "APPEND \"Box\"" LETTER("3+", "two"));
	script_quiet(script);
	script_say(script, "+ stray\r\nm%u OK done\r\n", tag[0]);
	script_ok(script, tag[1]);
	tag[0] = script_expect(script, "APPEND \"Box\" (\\Seen) \"" DATE "\" {4097}\r\n");
	script_say(script, "+ go on\r\n");
	script_octets(script, 4097);
	script_line(script);
	expect_body(script, 3, 4097);
	/* The next line comes before this answer: it saves a round trip. */
	buf_clear(&script->text);
	script_line(script);
	script_untag(script);
	tag[1] = script->tag;
	script_ok(script, tag[0]);
	script_say(script, "+ go on\r\n");
	script_octets(script, 5000);
	script_line(script);
	(void)script_command(script);
	if (count_letters(script) != 1)
		script_fail(script, "the last one is small", "");
	script_ok(script, tag[1]);
	script_ok(script, script->tag);
}

static void test_literal_minus(void **state)
{
	struct fixture f = begin(MINUS, run_minus);

	(void)state;
	add(&f, 1, "one");
	add(&f, 2, "two");
	add_sized(&f, 3, 4097);
	add_sized(&f, 4, 5000);
	add_sized(&f, 5, 4096);
	for (uint64_t i = 1; i <= 5; i++)
		expect(&f, i, IMAP_APPEND_STORED, 0);
	expect_end(&f);
	end(&f);
}

static void run_minus_multi(struct script *script)
{
	uint32_t tag =
		script_expect(script, "APPEND \"Box\"" LETTER("3+", "one") LETTER("3+", "two"));
	script_say(script, "m%u OK [APPENDUID 77 1:2] done\r\n", tag);
	tag = script_expect(script, "APPEND \"Box\" (\\Seen) \"" DATE "\" {5000}\r\n");
	script_say(script, "+ go on\r\n");
	script_octets(script, 5000);
	script_line(script);
	script_say(script, "m%u OK [APPENDUID 77 3] done\r\n", tag);
	tag = script_expect(script, "APPEND \"Box\"" LETTER("4+", "four"));
	script_say(script, "m%u OK [APPENDUID 77 4] done\r\n", tag);
}

static void test_literal_minus_multiappend(void **state)
{
	struct fixture f = begin("LITERAL- MULTIAPPEND", run_minus_multi);

	(void)state;
	add(&f, 1, "one");
	add(&f, 2, "two");
	add_sized(&f, 3, 5000);
	add(&f, 4, "four");
	for (uint32_t i = 1; i <= 4; i++)
		expect(&f, i, IMAP_APPEND_STORED, i);
	expect_end(&f);
	end(&f);
}

static void run_uids(struct script *script)
{
	static const char *const codes[] = { "[APPENDUID 77 5:6] ", "[APPENDUID 77 5:4294967295] ",
		"", "[APPENDUID 77 9,4:5] ", "[APPENDUID 0 4:6] " };

	for (size_t i = 0; i < countof(codes); i++) {
		(void)script_command(script);
		script_say(script, "m%u OK %sdone\r\n", script->tag, codes[i]);
	}
}

static void test_uids_by_position(void **state)
{
	struct fixture f = begin(MULTI, run_uids);
	static const uint32_t uids[][3] = { { 0, 0, 0 }, { 0, 0, 0 }, { 0, 0, 0 }, { 9, 4, 5 },
		{ 0, 0, 0 } };

	(void)state;
	for (size_t i = 0; i < countof(uids); i++) {
		for (uint64_t token = 0; token < 3; token++)
			add(&f, token, "message");
		for (uint64_t token = 0; token < 3; token++)
			expect(&f, token, IMAP_APPEND_STORED, uids[i][token]);
	}
	expect_end(&f);
	end(&f);
}

static void run_limit(struct script *script)
{
	const uint32_t tag =
		script_expect(script, "APPEND \"Box\"" LETTER("3+", "one") LETTER("5+", "three"));

	script_say(script, "m%u OK [APPENDUID 77 1:2] done\r\n", tag);
}

static void test_append_limit(void **state)
{
	struct fixture f = begin(MULTI " APPENDLIMIT=1000", run_limit);

	(void)state;
	add(&f, 1, "one");
	add_sized(&f, 2, 1001);
	add(&f, 3, "three");
	const struct imap_append_result result = expect(&f, 2, IMAP_APPEND_REFUSED, 0);
	assert_string_equal(result.err.text, "1001 octets; the server takes at most 1000");
	assert_int_equal(result.err.scope, ERR_MESSAGE);
	expect(&f, 1, IMAP_APPEND_STORED, 1);
	expect(&f, 3, IMAP_APPEND_STORED, 2);
	expect_end(&f);
	end(&f);
}

static void run_cancelled(struct script *script)
{
	uint32_t tag =
		script_expect(script, "APPEND \"Box\"" LETTER("3+", "one") LETTER("3+", "two"));
	script_say(script, "m%u OK [APPENDUID 77 1:2] done\r\n", tag);
	tag = script_expect(script, "APPEND \"Box\"" LETTER("0+", ""));
	script_say(script, "m%u NO an empty message\r\n", tag);
	tag = script_expect(script, "APPEND \"Box\"" LETTER("4+", "four"));
	script_say(script, "m%u OK [APPENDUID 77 3] done\r\n", tag);
}

/* Wrong sizes never reach the server; an empty literal would cancel a batch, so it goes alone. */
static void test_wrong_sizes(void **state)
{
	struct fixture f = begin(MULTI, run_cancelled);
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(imap_append_begin(f.append, 9, "", NULL, 4, NULL), 0);
	assert_int_equal(imap_append_add(f.append, SPAN("abc"), NULL), 0);
	assert_int_equal(imap_append_end(f.append, &err), -1);
	assert_int_equal(err.scope, ERR_LOCAL);
	assert_false(imap_append_in_message(f.append));
	assert_int_equal(imap_append_outstanding(f.append), 0);
	add(&f, 1, "one");
	assert_int_equal(imap_append_begin(f.append, 9, "", NULL, 4, NULL), 0);
	assert_int_equal(imap_append_add(f.append, SPAN("abcde"), &err), -1);
	assert_int_equal(imap_append_begin(f.append, 9, "", NULL, 4, NULL), -1);
	assert_true(imap_append_cancel(f.append));
	add(&f, 2, "two");
	add(&f, 3, "");
	add(&f, 4, "four");
	expect(&f, 1, IMAP_APPEND_STORED, 1);
	expect(&f, 2, IMAP_APPEND_STORED, 2);
	expect(&f, 3, IMAP_APPEND_REFUSED, 0);
	expect(&f, 4, IMAP_APPEND_STORED, 3);
	expect_end(&f);
	end(&f);
}

static void run_nothing(struct script *script)
{
	(void)script;
}

static void test_arguments(void **state)
{
	struct fixture f = begin(MULTI, run_nothing);
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(
		imap_append_begin(f.append, 1, "", "17-Jul-1996\"\r\nm1 DELETE x", 4, &err), -1);
	assert_int_equal(err.scope, ERR_LOCAL);
	assert_false(imap_append_in_message(f.append));
	assert_int_equal(imap_append_end(f.append, NULL), -1);
	assert_int_equal(imap_append_add(f.append, SPAN("x"), NULL), -1);
	assert_int_equal(imap_append_flush(f.append, NULL), 0);
	expect_end(&f);
	imap_append_free(f.append);
	f.append = imap_append_new(f.script->imap, "a\r\nb");
	assert_int_equal(imap_append_begin(f.append, 1, "", NULL, 4, &err), -1);
	assert_int_equal(err.scope, ERR_MAILBOX);
	expect_end(&f);
	end(&f);
}

static void run_hostile(struct script *script)
{
	script_ok(script, script_expect(script, "APPEND \"a\\\"b\\\\c\" (\\Seen $Ok) {3+}\r\none"));
}

static void test_hostile_names(void **state)
{
	struct fixture f = begin(MULTI, run_hostile);

	(void)state;
	imap_append_free(f.append);
	f.append = imap_append_new(f.script->imap, "a\"b\\c");
	assert_int_equal(
		imap_append_begin(f.append, 1, "\\Seen \\Recent $Ok a)b c\r\nd {3}", NULL, 3, NULL),
		0);
	assert_int_equal(imap_append_add(f.append, SPAN("one"), NULL), 0);
	assert_int_equal(imap_append_end(f.append, NULL), 0);
	expect(&f, 1, IMAP_APPEND_STORED, 0);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_batch),
		cmocka_unit_test(test_two_batches_in_flight),
		cmocka_unit_test(test_batches_by_bytes),
		cmocka_unit_test(test_singles_are_pipelined),
		cmocka_unit_test(test_singles_window_by_bytes),
		cmocka_unit_test(test_synchronising),
		cmocka_unit_test(test_literal_minus),
		cmocka_unit_test(test_literal_minus_multiappend),
		cmocka_unit_test(test_uids_by_position),
		cmocka_unit_test(test_append_limit),
		cmocka_unit_test(test_wrong_sizes),
		cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_hostile_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
