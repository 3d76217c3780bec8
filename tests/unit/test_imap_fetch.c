/* The pipelined reader against servers that leave out, refuse, repeat, reorder and cut. */
#include "imap/imap_fetch.h"

#include "base/arena.h"
#include "imap_script.h"

#define CAPS "UIDPLUS CONDSTORE QRESYNC"
#define ALL (IMAP_FETCH_FLAGS | IMAP_FETCH_DATE)
#define ASK_ALL "(UID FLAGS INTERNALDATE BODY.PEEK[])"
#define DATE "INTERNALDATE \"17-Jul-1996 02:44:25 -0700\""

struct fixture {
	struct script *script;
	struct imap_fetch *fetch;
	struct arena *arena;
};

static struct fixture begin(void (*run)(struct script *script), unsigned items, const char *section)
{
	struct fixture fixture = { .script = script_begin(CAPS, run), .arena = arena_new() };

	fixture.fetch = imap_fetch_new(fixture.script->imap, items, section);
	return fixture;
}

static void end(struct fixture *fixture)
{
	imap_fetch_free(fixture->fetch);
	arena_free(fixture->arena);
	script_end(fixture->script);
}

static void ask(struct fixture *fixture, const char *set, uint64_t bytes)
{
	struct uidset uids;

	assert_int_equal(uidset_parse(span_of(set), fixture->arena, &uids), 0);
	assert_int_equal(imap_fetch_ask(fixture->fetch, &uids, bytes, NULL), 0);
}

static const struct imap_message *next(struct fixture *fixture)
{
	const struct imap_message *message = NULL;
	struct err err = ERR_INIT;
	const int rc = imap_fetch_next(fixture->fetch, &message, &err);

	if (rc < 0)
		fail_msg("imap_fetch_next(): %s", err.text);
	return rc > 0 ? message : NULL;
}

static void expect_outcome(struct fixture *fixture, uint32_t uid, enum imap_message_outcome outcome)
{
	const struct imap_message *message = next(fixture);

	assert_non_null(message);
	assert_int_equal(message->uid, uid);
	assert_int_equal(message->outcome, outcome);
}

static void expect_end(struct fixture *fixture)
{
	assert_null(next(fixture));
	assert_true(imap_fetch_ready(fixture->fetch));
}

static void expect_body(struct fixture *fixture, struct span body)
{
	struct buf got;
	struct span chunk;
	int rc;

	buf_init(&got, SCRIPT_TEXT_MAX);
	while ((rc = imap_fetch_body(fixture->fetch, &chunk, NULL)) > 0)
		assert_int_equal(buf_add(&got, chunk), 0);
	assert_int_equal(rc, 0);
	assert_int_equal(got.len, body.len);
	if (body.len > 0)
		assert_memory_equal(got.data, body.data, body.len);
	buf_release(&got);
}

static void say_message(struct script *script, uint32_t seq, uint32_t uid, const char *body)
{
	script_say(script, "* %u FETCH (UID %u FLAGS (\\Seen) " DATE " BODY[] {%zu}\r\n%s)\r\n",
		seq, uid, strlen(body), body);
}

/* Both commands are there before either is answered; answers come in any order. */
static void run_pipelined(struct script *script)
{
	const uint32_t first = script_expect(script, "UID FETCH 1:2 " ASK_ALL);
	const uint32_t second = script_expect(script, "UID FETCH 7 " ASK_ALL);

	say_message(script, 2, 2, "two");
	say_message(script, 1, 1, "one");
	script_ok(script, first);
	say_message(script, 3, 7, "");
	script_ok(script, second);
}

static void test_pipelined(void **state)
{
	struct fixture f = begin(run_pipelined, ALL, "BODY.PEEK[]");

	(void)state;
	imap_fetch_window(f.fetch, 2, 1000);
	assert_true(imap_fetch_has_room(f.fetch));
	ask(&f, "1:2", 500);
	assert_true(imap_fetch_has_room(f.fetch));
	ask(&f, "7", 100);
	assert_false(imap_fetch_has_room(f.fetch));

	const struct imap_message *message = next(&f);
	assert_int_equal(message->uid, 2);
	assert_int_equal(message->outcome, IMAP_MESSAGE_HERE);
	assert_true(span_equal_text(message->flags, "\\Seen"));
	assert_true(span_equal_text(message->date, "17-Jul-1996 02:44:25 -0700"));
	assert_true(message->has_body);
	assert_int_equal(message->body_size, 3);
	expect_body(&f, SPAN("two"));
	expect_outcome(&f, 1, IMAP_MESSAGE_HERE); /* its body is not read */
	message = next(&f);
	assert_int_equal(message->uid, 7);
	assert_true(message->has_body);
	expect_body(&f, SPAN(""));
	assert_true(imap_fetch_has_room(f.fetch));
	expect_end(&f);
	end(&f);
}

static void test_window_by_bytes(void **state)
{
	struct fixture f = begin(run_pipelined, ALL, "BODY.PEEK[]");

	(void)state;
	imap_fetch_window(f.fetch, 8, 1000);
	ask(&f, "1:2", 1200);
	assert_false(imap_fetch_has_room(f.fetch));
	ask(&f, "7", 10);
	expect_outcome(&f, 2, IMAP_MESSAGE_HERE);
	assert_true(imap_fetch_has_room(f.fetch)); /* 600 + 10 are left */
	while (next(&f))
		;
	end(&f);
}

#define BIG 300000

static void say_big(struct script *script, const char *before, const char *after)
{
	char *body = script_body(BIG, 1);

	script_say(script, "%s{%u}\r\n", before, BIG);
	script_say_bytes(script, span_make(body, BIG));
	script_say(script, "%s", after);
	mem_free(body);
}

static void run_streamed(struct script *script)
{
	const uint32_t tag = script_expect(script, "UID FETCH 1:4 " ASK_ALL);

	say_big(script, "* 1 FETCH (UID 1 FLAGS (\\Draft $Work) " DATE " BODY[] ", ")\r\n");
	say_big(script, "* 2 FETCH (UID 2 FLAGS () " DATE " BODY[] ", ")\r\n");
	/* UID and items behind the body; and cut short by the reader. */
	say_big(script, "* 3 FETCH (FLAGS (\\Seen) BODY[] ", " UID 3 " DATE ")\r\n");
	say_big(script, "* 4 FETCH (BODY[] ", " " DATE " FLAGS (\\Answered) UID 4)\r\n");
	/* Not asked for, and asked for once only. */
	say_big(script, "* 9 FETCH (BODY[] ", " " DATE " FLAGS () UID 9)\r\n");
	say_big(script, "* 1 FETCH (UID 1 FLAGS () " DATE " BODY[] ", ")\r\n");
	script_ok(script, tag);
}

static void test_streamed(void **state)
{
	struct fixture f = begin(run_streamed, ALL, "BODY.PEEK[]");
	char *body = script_body(BIG, 1);
	const struct imap_message *message;
	struct span chunk;

	(void)state;
	ask(&f, "1:4", 4 * BIG);
	message = next(&f);
	assert_int_equal(message->uid, 1);
	assert_int_equal(message->body_size, BIG);
	expect_body(&f, span_make(body, BIG));
	assert_true(span_equal_text(message->flags, "\\Draft $Work")); /* also behind the body */
	assert_int_equal(imap_fetch_body(f.fetch, &chunk, NULL), 0);

	expect_outcome(&f, 2, IMAP_MESSAGE_HERE);
	assert_int_equal(imap_fetch_body(f.fetch, &chunk, NULL), 1);
	message = next(&f);
	assert_int_equal(message->uid, 3);
	assert_true(span_equal_text(message->flags, "\\Seen"));
	assert_int_equal(message->body_size, BIG);
	expect_body(&f, span_make(body, BIG));
	message = next(&f);
	assert_int_equal(message->uid, 4);
	assert_true(span_equal_text(message->date, "17-Jul-1996 02:44:25 -0700"));
	expect_body(&f, span_make(body, BIG));
	expect_end(&f);
	mem_free(body);
	end(&f);
}

static void run_noise(struct script *script)
{
	const uint32_t tag = script_expect(script, "UID FETCH 1:3 " ASK_ALL);

	script_say(script, "* 1 FETCH (FLAGS (\\Deleted))\r\n* 2 FETCH (UID 2 FLAGS "
			   "(\\Deleted))\r\n* 5 EXISTS\r\n");
	say_message(script, 1, 1, "one");
	say_message(script, 1, 1, "again");
	say_message(script, 9, 9, "nobody asked");
	script_say(script,
		"* 1 FETCH (UID 1 FLAGS ())\r\n* 4 EXPUNGE\r\n* 2 FETCH (FLAGS (\\Flagged))\r\n");
	say_message(script, 3, 3, "three");
	say_message(script, 2, 2, "two");
	say_message(script, 2, 2, "again");
	script_ok(script, tag);
}

static void test_noise_is_left_out(void **state)
{
	struct fixture f = begin(run_noise, ALL, "BODY.PEEK[]");
	static const struct {
		uint32_t uid;
		const char *body;
	} expected[] = { { 1, "one" }, { 3, "three" }, { 2, "two" } };

	(void)state;
	ask(&f, "1:3", 0);
	for (size_t i = 0; i < countof(expected); i++) {
		const struct imap_message *message = next(&f);

		assert_int_equal(message->uid, expected[i].uid);
		assert_true(span_equal_text(message->flags, "\\Seen"));
		expect_body(&f, span_of(expected[i].body));
	}
	expect_end(&f);
	end(&f);
}

/* One message told in several responses (RFC 3501 §7.4.2), the body first. */
static void run_split(struct script *script)
{
	const uint32_t tag = script_expect(script, "UID FETCH 1:2 " ASK_ALL);

	script_say(script, "* 1 FETCH (UID 1 BODY[] {3}\r\none)\r\n* 1 FETCH (FLAGS (\\Seen))\r\n* "
			   "1 FETCH (UID 1 " DATE ")\r\n");
	say_big(script, "* 2 FETCH (BODY[] ", ")\r\n");
	script_say(script, "* 2 FETCH (UID 2 FLAGS (\\Seen) " DATE ")\r\n");
	script_ok(script, tag);
}

static void test_split_over_responses(void **state)
{
	struct fixture f = begin(run_split, ALL, "BODY.PEEK[]");
	char *body = script_body(BIG, 1);

	(void)state;
	ask(&f, "1:2", 0);
	const struct imap_message *message = next(&f);
	assert_int_equal(message->uid, 1);
	assert_int_equal(message->has & ALL, ALL);
	expect_body(&f, SPAN("one"));
	message = next(&f);
	assert_int_equal(message->uid, 2);
	assert_true(span_equal_text(message->flags, "\\Seen"));
	expect_body(&f, span_make(body, BIG));
	expect_end(&f);
	mem_free(body);
	end(&f);
}

/* Parts must not be put together of two numbers, nor across an EXPUNGE: the number then means another message. */
static void run_renumbered(struct script *script)
{
	const uint32_t tag = script_expect(script, "UID FETCH 1:2 " ASK_ALL);

	script_say(script, "* 2 FETCH (BODY[] {3}\r\none FLAGS (\\Seen))\r\n* 1 FETCH (UID 1 " DATE
			   ")\r\n* 9 EXPUNGE\r\n");
	script_say(script, "* 1 FETCH (BODY[] {3}\r\none FLAGS (\\Seen))\r\n* 1 EXPUNGE\r\n* 1 "
			   "FETCH (UID 2 " DATE ")\r\n");
	say_message(script, 1, 2, "two");
	script_ok(script, tag);
	const uint32_t alone = script_expect(script, "UID FETCH 1 " ASK_ALL);
	script_ok(script, alone);
	const uint32_t probe = script_expect(script, "UID SEARCH UID 1");
	script_ok(script, probe);
}

static void test_parts_of_other_messages(void **state)
{
	struct fixture f = begin(run_renumbered, ALL, "BODY.PEEK[]");

	(void)state;
	ask(&f, "1:2", 0);
	expect_outcome(&f, 2, IMAP_MESSAGE_HERE);
	expect_body(&f, SPAN("two"));
	expect_outcome(&f, 1, IMAP_MESSAGE_GONE);
	expect_end(&f);
	end(&f);
}

static void run_left_out(struct script *script)
{
	uint32_t alone[4], probe[3];

	const uint32_t tag = script_expect(script, "UID FETCH 1:5 " ASK_ALL);
	say_message(script, 2, 2, "two");
	script_say(script, "* 4 FETCH (UID 4 FLAGS () " DATE " BODY[] NIL)\r\n");
	script_ok(script, tag);
	alone[0] = script_expect(script, "UID FETCH 1 " ASK_ALL);
	alone[1] = script_expect(script, "UID FETCH 3 " ASK_ALL);
	alone[2] = script_expect(script, "UID FETCH 4 " ASK_ALL);
	alone[3] = script_expect(script, "UID FETCH 5 " ASK_ALL);
	script_ok(script, alone[0]);
	say_message(script, 3, 3, "three");
	script_ok(script, alone[1]);
	script_say(script, "* 4 FETCH (UID 4 FLAGS () " DATE " BODY[] NIL)\r\n");
	script_ok(script, alone[2]);
	script_ok(script, alone[3]);
	probe[0] = script_expect(script, "UID SEARCH UID 1");
	probe[1] = script_expect(script, "UID SEARCH UID 4");
	probe[2] = script_expect(script, "UID SEARCH UID 5");
	script_say(script, "* SEARCH\r\n");
	script_ok(script, probe[0]);
	script_say(script, "* SEARCH 4\r\n");
	script_ok(script, probe[1]);
	script_say(script, "m%u BAD what is a search?\r\n", probe[2]);
}

static void test_left_out_is_asked_alone(void **state)
{
	struct fixture f = begin(run_left_out, ALL, "BODY.PEEK[]");

	(void)state;
	ask(&f, "1:5", 100);
	expect_outcome(&f, 2, IMAP_MESSAGE_HERE);
	expect_outcome(&f, 3, IMAP_MESSAGE_HERE);
	expect_body(&f, SPAN("three"));
	expect_outcome(&f, 1, IMAP_MESSAGE_GONE);
	const struct imap_message *message = next(&f);
	assert_int_equal(message->uid, 4);
	assert_int_equal(message->outcome, IMAP_MESSAGE_REFUSED);
	assert_true(strlen(message->text) > 0);
	assert_false(message->has_body);
	expect_body(&f, SPAN(""));
	expect_outcome(&f, 5, IMAP_MESSAGE_REFUSED); /* not known to be gone */
	expect_end(&f);
	end(&f);
}

/* Yahoo answers OK and leaves most out: what is left goes as a range again, as long as that helps. */
static void run_much_left_out(struct script *script)
{
	uint32_t tag = script_expect(script, "UID FETCH 1:30 " ASK_ALL);
	for (uint32_t i = 1; i <= 10; i++)
		say_message(script, i, i, "x");
	script_ok(script, tag);
	tag = script_expect(script, "UID FETCH 11:30 " ASK_ALL);
	for (uint32_t i = 11; i <= 28; i++)
		say_message(script, i, i, "x");
	script_ok(script, tag);
	tag = script_expect(script, "UID FETCH 29 " ASK_ALL);
	say_message(script, 29, 29, "x");
	script_ok(script, tag);
	tag = script_expect(script, "UID FETCH 30 " ASK_ALL);
	say_message(script, 30, 30, "x");
	script_ok(script, tag);
}

static void test_much_left_out(void **state)
{
	struct fixture f = begin(run_much_left_out, ALL, "BODY.PEEK[]");

	(void)state;
	ask(&f, "1:30", 30);
	for (uint32_t uid = 1; uid <= 30; uid++)
		expect_outcome(&f, uid, IMAP_MESSAGE_HERE);
	expect_end(&f);
	end(&f);
}

static void run_all_gone(struct script *script)
{
	const uint32_t tag = script_expect(script, "UID FETCH 1:40 " ASK_ALL);

	script_ok(script, tag);
	for (int i = 0; i < 80; i++) {
		(void)script_command(script);
		script_ok(script, script->tag);
	}
}

static void test_all_gone(void **state)
{
	struct fixture f = begin(run_all_gone, ALL, "BODY.PEEK[]");
	uint64_t seen = 0;

	(void)state;
	ask(&f, "1:40", 30);
	for (int i = 0; i < 40; i++) {
		const struct imap_message *message = next(&f);

		assert_int_equal(message->outcome, IMAP_MESSAGE_GONE);
		assert_false(seen >> message->uid & 1);
		seen |= UINT64_C(1) << message->uid;
	}
	expect_end(&f);
	end(&f);
}

/* Answers any FETCH that does not hold UID 13 with all of it, and NO to others: as servers do that stumble over one message. */
static void run_stumbling(struct script *script)
{
	unsigned commands = 0;

	for (int done = 0; done < 20 && !script->over;) {
		unsigned first = 0, last = 0;
		const char *text = script_command(script);

		commands++;

		if (sscanf(text, "UID FETCH %u:%u", &first, &last) < 2)
			last = first;
		if (first <= 13 && 13 <= last) {
			script_say(
				script, "m%u NO [SERVERBUG] Internal \001error\r\n", script->tag);
			done += first == last;
			continue;
		}
		for (uint32_t uid = first; uid <= last; uid++, done++)
			say_message(script, uid, uid, "x");
		script_ok(script, script->tag);
	}
	if (commands > 10) /* 1 whole, 2 halves, 2 quarters, 5 alone */
		script_fail(script, "not halved", "");
}

static void test_refused_range_is_narrowed(void **state)
{
	struct fixture f = begin(run_stumbling, ALL, "BODY.PEEK[]");
	uint32_t seen = 0;

	(void)state;
	ask(&f, "1:20", 20);
	for (int i = 0; i < 20; i++) {
		const struct imap_message *message = next(&f);

		assert_false(seen >> message->uid & 1);
		seen |= 1u << message->uid;
		assert_int_equal(message->outcome,
			message->uid == 13 ? IMAP_MESSAGE_REFUSED : IMAP_MESSAGE_HERE);
		if (message->uid == 13)
			assert_non_null(strstr(message->text, "Internal \\x01error"));
	}
	assert_int_equal(seen, 0x1ffffe);
	expect_end(&f);
	end(&f);
}

static void run_throttled(struct script *script)
{
	const uint32_t first = script_expect(script, "UID FETCH 1:2 " ASK_ALL);
	const uint32_t second = script_expect(script, "UID FETCH 3 " ASK_ALL);

	say_message(script, 1, 1, "one");
	script_say(script,
		"m%u NO Request is throttled. Suggested Backoff Time: 1500 milliseconds\r\n",
		first);
	say_message(script, 3, 3, "three");
	script_ok(script, second);
}

static void test_throttled_is_not_narrowed(void **state)
{
	struct fixture f = begin(run_throttled, ALL, "BODY.PEEK[]");
	const struct imap_message *message;
	struct err err = ERR_INIT;

	(void)state;
	imap_fetch_window(f.fetch, 8, 100);
	ask(&f, "1:2", 200);
	ask(&f, "3", 20);
	expect_outcome(&f, 1, IMAP_MESSAGE_HERE);
	assert_int_equal(imap_fetch_next(f.fetch, &message, &err), -1);
	assert_int_equal(err.kind, ERR_KIND_BUSY);
	assert_int_equal(err.scope, ERR_MAILBOX);
	assert_int_equal(err.wait_ms, 1500);
	assert_true(imap_fetch_has_room(f.fetch)); /* what was dropped weighs no more */
	expect_outcome(&f, 3, IMAP_MESSAGE_HERE);
	expect_end(&f);
	end(&f);
}

static void run_limit(struct script *script)
{
	const uint32_t first = script_expect(script, "UID FETCH 1:2 " ASK_ALL);

	script_say(script, "m%u NO [LIMIT] enough for today\r\n", first);
}

static void test_limit_is_an_error(void **state)
{
	struct fixture f = begin(run_limit, ALL, "BODY.PEEK[]");
	const struct imap_message *message;
	struct err err = ERR_INIT;

	(void)state;
	ask(&f, "1:2", 20);
	assert_int_equal(imap_fetch_next(f.fetch, &message, &err), -1);
	assert_int_equal(err.scope, ERR_MAILBOX);
	expect_end(&f);
	end(&f);
}

static void run_expunge_issued(struct script *script)
{
	uint32_t tag = script_expect(script, "UID FETCH 1 " ASK_ALL);
	script_say(script,
		"m%u NO [EXPUNGEISSUED] Some of the requested messages no longer exist\r\n", tag);
	tag = script_expect(script, "UID SEARCH UID 1");
	script_say(script, "* SEARCH 2 3\r\n");
	script_ok(script, tag);
}

static void test_expunge_issued(void **state)
{
	struct fixture f = begin(run_expunge_issued, ALL, "BODY.PEEK[]");

	(void)state;
	ask(&f, "1", 20);
	expect_outcome(&f, 1, IMAP_MESSAGE_GONE);
	expect_end(&f);
	end(&f);
}

/* A server that never tells the date: the message is delivered all the same, once it was asked for alone. */
static void run_without_date(struct script *script)
{
	for (int i = 0; i < 2; i++) {
		const uint32_t tag = script_expect(script, "UID FETCH 1 " ASK_ALL);

		script_say(script, "* 1 FETCH (UID 1 FLAGS (\\Seen) BODY[] {3}\r\none)\r\n");
		script_ok(script, tag);
		if (i == 0)
			say_big(script, "* 1 FETCH (UID 1 BODY[] ", ")\r\n"); /* of nobody */
	}
}

static void test_makes_do(void **state)
{
	struct fixture f = begin(run_without_date, ALL, "BODY.PEEK[]");

	(void)state;
	for (int i = 0; i < 2; i++) {
		ask(&f, "1", 20);
		const struct imap_message *message = next(&f);
		assert_int_equal(message->uid, 1);
		assert_int_equal(message->outcome, IMAP_MESSAGE_HERE);
		assert_int_equal(message->has & ALL, IMAP_FETCH_FLAGS);
		assert_true(span_equal_text(message->flags, "\\Seen"));
		expect_body(&f, SPAN("one"));
		expect_end(&f);
	}
	end(&f);
}

static void run_since(struct script *script)
{
	uint32_t tag = script_expect(
		script, "UID FETCH 1:* (UID FLAGS MODSEQ) (CHANGEDSINCE 90 VANISHED)");

	script_say(script, "* VANISHED (EARLIER) 41,43:116\r\n* VANISHED (EARLIER) 3:5,42\r\n");
	script_say(script, "* 2 FETCH (UID 2 FLAGS (\\Seen) MODSEQ (95))\r\n* 9 FETCH (UID "
			   "4294967295 FLAGS () MODSEQ (96))\r\n");
	script_say(script, "* VANISHED 200\r\n");
	script_ok(script, tag);
	tag = script_expect(script, "UID FETCH 5:* (UID FLAGS MODSEQ)");
	script_say(script, "* 2 FETCH (UID 7 FLAGS (\\Seen))\r\n");
	script_ok(script, tag);
	tag = script_expect(script, "UID FETCH 1:3 (UID FLAGS MODSEQ)");
	script_say(script, "* 2 FETCH (UID 2 FLAGS (\\Seen))\r\nm%u NO [SERVERBUG] oops\r\n", tag);
}

static void test_scans(void **state)
{
	struct fixture f = begin(run_since, IMAP_FETCH_FLAGS | IMAP_FETCH_MODSEQ, NULL);
	const struct imap_message *message;
	struct err err = ERR_INIT;
	struct uidset set = { 0 }, some = { 0 };
	struct buf text;
	size_t at = 0;

	(void)state;
	uidset_add(&set, f.arena, 1, UINT32_MAX);
	assert_int_equal(imap_fetch_ask_since(f.fetch, &set, 90, true, NULL), 0);
	message = next(&f);
	assert_int_equal(message->uid, 2);
	assert_int_equal(message->modseq, 95);
	assert_false(message->has_body);
	expect_outcome(&f, UINT32_MAX, IMAP_MESSAGE_HERE);
	expect_end(&f);
	buf_init(&text, 100);
	assert_true(uidset_print(imap_fetch_vanished(f.fetch), &at, 100, &text));
	assert_string_equal(buf_text(&text), "3:5,41:116,200");
	buf_release(&text);

	ask(&f, "5:*", 0);
	expect_outcome(&f, 7, IMAP_MESSAGE_HERE);
	expect_end(&f);

	/* A scan that is refused would be incomplete: an error, not a narrowing. */
	uidset_add(&some, f.arena, 1, 3);
	assert_int_equal(imap_fetch_ask_since(f.fetch, &some, 0, false, NULL), 0);
	expect_outcome(&f, 2, IMAP_MESSAGE_HERE);
	assert_int_equal(imap_fetch_next(f.fetch, &message, &err), -1);
	expect_end(&f);
	end(&f);
}

#define SCATTERED 20000

/* Answers whatever comes, in the wrong order, until it was all. */
static void run_scattered(struct script *script)
{
	for (uint32_t answered = 0; answered < SCATTERED && !script->over;) {
		const char *text = script_command(script);
		if (script->text.len > imap_line_max(script->imap))
			script_fail(script, "line too long", text);

		struct arena *arena = arena_new();
		struct uidset set;
		const struct span rest = span_from(span_of(text), strlen("UID FETCH "));
		if (uidset_parse(span_sub(rest, 0, span_find(rest, ' ')), arena, &set) < 0)
			script_fail(script, "no set", text);
		for (size_t i = set.count; i > 0 && !script->over; i--) {
			script_say(
				script, "* 1 FETCH (UID %u FLAGS ())\r\n", set.range[i - 1].first);
			answered++;
		}
		arena_free(arena);
		script_ok(script, script->tag);
	}
}

static void test_long_sets_are_cut(void **state)
{
	struct fixture f = begin(run_scattered, IMAP_FETCH_FLAGS, NULL);
	struct uidset set = { 0 };
	char *seen = mem_alloc(SCATTERED);

	(void)state;
	for (uint32_t i = 0; i < SCATTERED; i++)
		uidset_add(&set, f.arena, 1000000 + 2 * i, 1000000 + 2 * i);
	assert_int_equal(imap_fetch_ask(f.fetch, &set, UINT64_C(1) << 40, NULL), 0);
	assert_false(imap_fetch_has_room(f.fetch));
	for (uint32_t i = 0; i < SCATTERED; i++) {
		const struct imap_message *message = next(&f);
		const uint32_t place = (message->uid - 1000000) / 2;

		assert_int_equal(message->outcome, IMAP_MESSAGE_HERE);
		assert_in_range(place, 0, SCATTERED - 1);
		assert_int_equal(seen[place]++, 0);
	}
	expect_end(&f);
	assert_true(imap_fetch_has_room(f.fetch));
	mem_free(seen);
	end(&f);
}

static void run_sections(struct script *script)
{
	const uint32_t tag = script_expect(script,
		"UID FETCH 1:2 (UID RFC822.SIZE BODY.PEEK[HEADER.FIELDS (MESSAGE-ID DATE)])");

	script_say(script, "* 1 FETCH (UID 1 RFC822.SIZE 7 BODY[HEADER.FIELDS (\"DATE\" "
			   "\"MESSAGE-ID\")] {2}\r\n\r\n)\r\n");
	script_say(script, "* 2 FETCH (UID 2 RFC822.SIZE 7 BODY[HEADER] {4}\r\nX:\r\n)\r\n");
	script_say(script, "* 2 FETCH (UID 2 BODY[HEADER.FIELDS (MESSAGE-ID DATE)] \"\")\r\n");
	script_ok(script, tag);
}

static void test_sections(void **state)
{
	struct fixture f =
		begin(run_sections, IMAP_FETCH_SIZE, "BODY.PEEK[HEADER.FIELDS (MESSAGE-ID DATE)]");

	(void)state;
	ask(&f, "1:2", 20);
	const struct imap_message *message = next(&f);
	assert_int_equal(message->uid, 1);
	assert_int_equal(message->size, 7);
	expect_body(&f, SPAN("\r\n"));
	message = next(&f);
	assert_int_equal(message->uid, 2);
	expect_body(&f, SPAN(""));
	expect_end(&f);
	end(&f);
}

static void run_abandoned(struct script *script)
{
	const uint32_t tag = script_expect(script, "UID FETCH 1:2 " ASK_ALL);

	say_message(script, 1, 1, "one");
	say_big(script, "* 2 FETCH (UID 2 FLAGS () " DATE " BODY[] ", ")\r\n");
	script_ok(script, tag);
	script_ok(script, script_expect(script, "NOOP"));
}

static void test_session_survives_free(void **state)
{
	struct fixture f = begin(run_abandoned, ALL, "BODY.PEEK[]");

	(void)state;
	ask(&f, "1:2", 20);
	expect_outcome(&f, 1, IMAP_MESSAGE_HERE);
	imap_fetch_free(f.fetch);
	f.fetch = NULL;
	const uint32_t tag = imap_sendf(f.script->imap, NULL, "NOOP");
	assert_int_equal(imap_finish(f.script->imap, tag, NULL), 0);
	end(&f);
}

static void run_cut(struct script *script)
{
	(void)script_expect(script, "UID FETCH 1:2 " ASK_ALL);
	script_say(script, "* 1 FETCH (UID 1 FLAGS () " DATE " BODY[] {20000}\r\nonly this");
	script_hang_up(script);
}

static void test_cut_inside_a_body(void **state)
{
	struct fixture f = begin(run_cut, ALL, "BODY.PEEK[]");
	const struct imap_message *message;
	struct err err = ERR_INIT;
	struct span chunk;
	int rc;

	(void)state;
	ask(&f, "1:2", 20);
	expect_outcome(&f, 1, IMAP_MESSAGE_HERE);
	while ((rc = imap_fetch_body(f.fetch, &chunk, &err)) > 0)
		;
	assert_int_equal(rc, -1);
	assert_int_equal(err.scope, ERR_CONN);
	assert_int_equal(imap_fetch_next(f.fetch, &message, NULL), -1);
	end(&f);
}

static void test_nonsense(void **state)
{
	struct fixture f = begin(run_limit, ALL, "BODY.PEEK[]");
	struct uidset none = { 0 }, wide = { 0 };
	struct err err = ERR_INIT;
	const struct imap_message *message;

	(void)state;
	assert_int_equal(imap_fetch_ask(f.fetch, &none, 0, NULL), 0);
	expect_end(&f);
	uidset_add(&wide, f.arena, 1, UINT32_MAX - 1);
	assert_int_equal(imap_fetch_ask(f.fetch, &wide, 0, &err), -1);
	assert_int_equal(err.scope, ERR_LOCAL);
	ask(&f, "1:2", 0);
	assert_int_equal(imap_fetch_next(f.fetch, &message, NULL), -1);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pipelined),
		cmocka_unit_test(test_window_by_bytes),
		cmocka_unit_test(test_streamed),
		cmocka_unit_test(test_noise_is_left_out),
		cmocka_unit_test(test_split_over_responses),
		cmocka_unit_test(test_parts_of_other_messages),
		cmocka_unit_test(test_left_out_is_asked_alone),
		cmocka_unit_test(test_much_left_out),
		cmocka_unit_test(test_all_gone),
		cmocka_unit_test(test_refused_range_is_narrowed),
		cmocka_unit_test(test_throttled_is_not_narrowed),
		cmocka_unit_test(test_limit_is_an_error),
		cmocka_unit_test(test_expunge_issued),
		cmocka_unit_test(test_makes_do),
		cmocka_unit_test(test_scans),
		cmocka_unit_test(test_long_sets_are_cut),
		cmocka_unit_test(test_sections),
		cmocka_unit_test(test_session_survives_free),
		cmocka_unit_test(test_cut_inside_a_body),
		cmocka_unit_test(test_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
