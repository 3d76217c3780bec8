/* The session: in step whatever is answered, nothing sent too early, nothing believed unasked. */
#include "pop3/pop3.h"

#include "pop3_script.h"

static struct pop3 *session(struct play *play, bool pipelining)
{
	struct pop3 *pop3 = pop3_new(play->near, 3000);

	pop3_set(pop3, POP3_CAP_PIPELINING, pipelining);
	return pop3;
}

static void expect_body(struct pop3 *pop3, const char *text)
{
	struct span chunk;
	struct buf all;
	int rc;

	buf_init(&all, 1 << 20);
	while ((rc = pop3_body(pop3, &chunk, NULL)) > 0)
		assert_int_equal(buf_add(&all, chunk), 0);
	assert_int_equal(rc, 0);
	assert_string_equal(buf_text(&all), text);
	buf_release(&all);
}

static void expect_reply(struct pop3 *pop3, enum pop3_status status, const char *text)
{
	struct pop3_reply reply;
	struct err err = ERR_INIT;

	if (pop3_next(pop3, &reply, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(reply.status, status);
	assert_true(span_equal_text(reply.text, text));
}

static void ask_three(struct pop3 *pop3)
{
	for (unsigned i = 1; i <= 3; i++)
		assert_int_equal(pop3_send(pop3, POP3_MULTI, NULL, "RETR %u", i), 0);
	assert_int_equal(pop3_in_flight(pop3), 3);
}

static void take_three(struct pop3 *pop3)
{
	expect_reply(pop3, POP3_OK, "one");
	expect_body(pop3, "+OK\r\n.\r\n");
	expect_reply(pop3, POP3_ERR, "no such message");
	expect_reply(pop3, POP3_OK, "three"); /* its text is not read */
	assert_int_equal(pop3_in_flight(pop3), 0);
	assert_int_equal(pop3_command(pop3, NULL, "NOOP"), 0);
}

static void test_pipelining(void **state)
{
	static const char *const lines[] = { "C: RETR 1", "C: RETR 2", "C: RETR 3",
		"S-: +OK one\r\n+OK\r\n..\r\n.\r\n-ERR no such message\r\n+OK th",
		"S-: ree\r\n-ERR\r\n\r", "S-: \n.\r", "S-: \n", "C: NOOP", "S: +OK", NULL };
	struct play *play = play_begin(lines);
	struct pop3 *pop3 = session(play, true);

	(void)state;
	ask_three(pop3);
	assert_int_equal(pop3_push(pop3, NULL), 0);
	take_three(pop3);
	pop3_close(pop3);
	play_end(play);
}

/* The next command leaves when the answer before is whole. */
static void test_one_by_one(void **state)
{
	static const char *const lines[] = { "C: RETR 1", "S: +OK one", "S-: +OK\r\n..\r\n.\r\n",
		"C: RETR 2", "S: -ERR no such message", "C: RETR 3", "S: +OK three",
		"S-: -ERR\r\n\r\n.\r\n", "C: NOOP", "S: +OK", NULL };
	struct play *play = play_begin(lines);
	struct pop3 *pop3 = session(play, false);

	(void)state;
	ask_three(pop3);
	take_three(pop3);
	pop3_close(pop3);
	play_end(play);
}

static void test_lines_of_answer(void **state)
{
	static const char *const lines[] = { "C: UIDL", "S: +OK", "S-: 1 a\r\n2 b\r\n3",
		"S-:  c\r\n..x\r\n.", "S-: \r\n", "C: NOOP", "S: +OK", NULL };
	static const char *const expected[] = { "1 a", "2 b", "3 c", ".x" };
	struct play *play = play_begin(lines);
	struct pop3 *pop3 = session(play, true);
	struct span line;

	(void)state;
	assert_int_equal(pop3_send(pop3, POP3_MULTI, NULL, "UIDL"), 0);
	expect_reply(pop3, POP3_OK, "");
	for (size_t i = 0; i < countof(expected); i++) {
		assert_int_equal(pop3_body_line(pop3, &line, NULL), 1);
		assert_true(span_equal_text(line, expected[i]));
	}
	assert_int_equal(pop3_body_line(pop3, &line, NULL), 0);
	assert_int_equal(pop3_command(pop3, NULL, "NOOP"), 0);
	pop3_close(pop3);
	play_end(play);
}

static void test_unasked_answer(void **state)
{
	static const char *const lines[] = { "C: NOOP", "S-: +OK\r\n+OK injected\r\n", NULL };
	struct play *play = play_begin(lines);
	struct pop3 *pop3 = session(play, false);
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(pop3_command(pop3, &err, "NOOP"), 0);
	assert_int_equal(pop3_command(pop3, &err, "STLS"), -1);
	assert_int_equal(err.scope, ERR_CONN);
	assert_non_null(strstr(err.text, "not sent"));
	pop3_close(pop3);
	play_end(play);
}

static void fails(const char *const *lines, const char *words)
{
	struct play *play = play_begin(lines);
	struct pop3 *pop3 = session(play, true);
	struct pop3_reply reply;
	struct err err = ERR_INIT, again = ERR_INIT;
	struct span chunk;
	int rc;

	assert_int_equal(pop3_send(pop3, POP3_MULTI, &err, "RETR 1"), 0);
	rc = pop3_next(pop3, &reply, &err);
	while (rc >= 0 && (rc = pop3_body(pop3, &chunk, &err)) > 0)
		;
	assert_int_equal(rc, -1);
	assert_int_equal(err.scope, ERR_CONN);
	assert_non_null(strstr(err.text, words));
	assert_int_equal(pop3_send(pop3, POP3_SINGLE, &again, "NOOP"), -1); /* for good */
	assert_int_equal(again.scope, ERR_CONN);
	pop3_close(pop3);
	play_end(play);
}

static void test_broken_lines(void **state)
{
	static const char *const cut_reply[] = { "C: RETR 1", "S-: +OK 12", "X", NULL };
	static const char *const cut_body[] = { "C: RETR 1", "S-: +OK\r\nabc\r\n.", "X", NULL };
	static const char *const other[] = { "C: RETR 1", "S: * OK IMAP", NULL };
	static const char *const more[] = { "C: RETR 1", "S: + go on", NULL };
	static char endless[POP3_LINE_MAX + 100] = "S-: +OK ";
	const char *const endless_lines[] = { "C: RETR 1", endless, NULL };

	(void)state;
	memset(endless + 8, 'x', sizeof(endless) - 9);
	fails(cut_reply, "closed");
	fails(cut_body, "closed");
	fails(other, "none of POP3");
	fails(more, "asks for more");
	fails(endless_lines, "more than");
}

static void test_refusals(void **state)
{
	static const struct {
		const char *line;
		bool entered;
		enum err_scope scope;
		enum err_kind kind;
	} rows[] = {
		{ "-ERR [IN-USE] x", true, ERR_CONN, ERR_KIND_BUSY },
		{ "-ERR [LOGIN-DELAY] x", false, ERR_CONN, ERR_KIND_BUSY },
		{ "-ERR [SYS/TEMP] x", true, ERR_CONN, ERR_KIND_BUSY },
		{ "-ERR [SYS/PERM] x", true, ERR_ACCOUNT, ERR_KIND_OTHER },
		{ "-ERR [AUTH] x", false, ERR_ACCOUNT, ERR_KIND_AUTH },
		{ "-ERR", true, ERR_MAILBOX, ERR_KIND_OTHER },
		{ "-ERR Unable to lock maildrop", false, ERR_CONN, ERR_KIND_BUSY },
		{ "-ERR message in use", true, ERR_MAILBOX, ERR_KIND_OTHER },
		{ "-ERR account locked", false, ERR_MAILBOX, ERR_KIND_OTHER },
	};
	struct pop3 pop3 = { .login_delay_s = 30 };
	struct pop3_reply reply;
	struct err err;

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		pop3.entered = rows[i].entered;
		assert_int_equal(pop3_reply_parse(span_of(rows[i].line), &reply), 0);
		assert_int_equal(pop3_refusal(&pop3, &reply, &err), -1);
		assert_int_equal(err.scope, rows[i].scope);
		assert_int_equal(err.kind, rows[i].kind);
		assert_int_equal(err.wait_ms, reply.code == POP3_CODE_LOGIN_DELAY ? 30000 : 0);
	}
}

/* QUIT is what deletes: after DELE it is the caller's to send, and with EXPIRE 0 nobody's. */
static void test_quit(void **state)
{
	static const char *const polite[] = { "C: NOOP", "S: +OK", "C: QUIT", NULL };
	static const char *const marked[] = { "C: DELE 1", "S: +OK", NULL };
	static const char *const expire[] = { "C: NOOP", "S: +OK", NULL };
	static const struct {
		const char *const *lines;
		const char *command;
		bool expire;
	} rows[] = {
		{ polite, "NOOP", false },
		{ marked, "DELE 1", false },
		{ expire, "NOOP", true },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		struct play *play = play_begin(rows[i].lines);
		struct pop3 *pop3 = session(play, false);

		pop3->entered = true;
		pop3_set(pop3, POP3_CAP_EXPIRE_0, rows[i].expire);
		assert_int_equal(pop3_command(pop3, NULL, "%s", rows[i].command), 0);
		pop3_close(pop3);
		play_end(play);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pipelining),
		cmocka_unit_test(test_one_by_one),
		cmocka_unit_test(test_lines_of_answer),
		cmocka_unit_test(test_unasked_answer),
		cmocka_unit_test(test_broken_lines),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_quit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
