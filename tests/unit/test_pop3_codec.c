/* Lines of POP3, and messages without their dot-stuffing. */
#include "pop3/pop3_codec.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_lines(void **state)
{
	struct span line;
	size_t used = 0;

	(void)state;
	assert_int_equal(pop3_line(SPAN("+OK"), 10, &line, &used), 0);
	assert_int_equal(pop3_line(SPAN("+OK hi\r\nrest"), 10, &line, &used), 1);
	assert_true(span_equal(line, SPAN("+OK hi")));
	assert_int_equal(used, 8);
	assert_int_equal(pop3_line(SPAN("a\nb\n"), 10, &line, &used), 1);
	assert_true(span_equal(line, SPAN("a")));
	assert_int_equal(pop3_line(SPAN("0123456789"), 10, &line, &used), -1);
	assert_int_equal(pop3_line(SPAN("\r\n"), 10, &line, &used), 1);
	assert_int_equal(line.len, 0);
}

static void test_replies(void **state)
{
	static const struct {
		const char *line;
		enum pop3_status status;
		enum pop3_code code;
		const char *text;
	} rows[] = {
		{ "+OK", POP3_OK, POP3_CODE_NONE, "" },
		{ "+OK  2 messages ", POP3_OK, POP3_CODE_NONE, "2 messages" },
		{ "+ok [IN-USE] x", POP3_OK, POP3_CODE_NONE, "[IN-USE] x" },
		{ "-ERR", POP3_ERR, POP3_CODE_NONE, "" },
		{ "-ERR [IN-USE] locked", POP3_ERR, POP3_CODE_IN_USE, "locked" },
		{ "-ERR [in-use/again]  locked", POP3_ERR, POP3_CODE_IN_USE, "locked" },
		{ "-ERR [LOGIN-DELAY] later", POP3_ERR, POP3_CODE_LOGIN_DELAY, "later" },
		{ "-ERR [AUTH]", POP3_ERR, POP3_CODE_AUTH, "" },
		{ "-ERR [SYS/TEMP] x", POP3_ERR, POP3_CODE_SYS_TEMP, "x" },
		{ "-ERR [SYS/PERM] x", POP3_ERR, POP3_CODE_SYS_PERM, "x" },
		{ "-ERR [SYS] x", POP3_ERR, POP3_CODE_OTHER, "x" },
		{ "-ERR [open", POP3_ERR, POP3_CODE_NONE, "[open" },
		{ "+ Zm9v", POP3_CONTINUE, POP3_CODE_NONE, "Zm9v" },
		{ "+", POP3_CONTINUE, POP3_CODE_NONE, "" },
	};
	static const char *const none[] = { "", " +OK", "* OK", "OK", "+OKAY", "-ERROR", "220 hi" };
	struct pop3_reply reply;

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		assert_int_equal(pop3_reply_parse(span_of(rows[i].line), &reply), 0);
		assert_int_equal(reply.status, rows[i].status);
		assert_int_equal(reply.code, rows[i].code);
		assert_true(span_equal_text(reply.text, rows[i].text));
	}
	for (size_t i = 0; i < countof(none); i++)
		assert_int_equal(pop3_reply_parse(span_of(none[i]), &reply), -1);
}

static void test_capabilities(void **state)
{
	struct span argument = SPAN("");

	(void)state;
	assert_int_equal(pop3_cap_parse(SPAN("pipelining"), &argument), POP3_CAP_PIPELINING);
	assert_int_equal(pop3_cap_parse(SPAN("SASL PLAIN CRAM-MD5 "), &argument), POP3_CAP_SASL);
	assert_true(span_equal(argument, SPAN("PLAIN CRAM-MD5")));
	assert_int_equal(pop3_cap_parse(SPAN("EXPIRE 0"), &argument), POP3_CAP_EXPIRE_0);
	assert_int_equal(pop3_cap_parse(SPAN("EXPIRE NEVER"), &argument), 0);
	assert_int_equal(pop3_cap_parse(SPAN("EXPIRE 01 USER"), &argument), 0);
	assert_int_equal(pop3_cap_parse(SPAN("X-FOO"), &argument), 0);
	assert_int_equal(pop3_cap_parse(SPAN(""), &argument), 0);
}

static void test_list_lines(void **state)
{
	static const char *const bad_list[] = { "", "1", "0 5", "-1 5", "x 5", "1 x",
		"4294967296 1", "1 18446744073709551616" };
	static const char *const bad_uidl[] = { "", "1", "1 ", "0 a", "1 a b", "1 a\x7f",
		"1 a\001b", "4294967296 a" };
	char long_id[POP3_UIDL_MAX + 16] = "1 ";
	uint32_t number = 0;
	uint64_t size = 0;
	struct span id;

	(void)state;
	assert_true(pop3_list_parse(SPAN("3 120000000000"), &number, &size));
	assert_int_equal(number, 3);
	assert_true(size == 120000000000);
	assert_true(pop3_list_parse(SPAN(" 3\t12 more "), &number, &size));
	assert_true(pop3_uidl_parse(SPAN("7 !~\xff"), &number, &id));
	assert_true(span_equal(id, SPAN("!~\xff")));
	for (size_t i = 0; i < countof(bad_list); i++)
		assert_false(pop3_list_parse(span_of(bad_list[i]), &number, &size));
	for (size_t i = 0; i < countof(bad_uidl); i++)
		assert_false(pop3_uidl_parse(span_of(bad_uidl[i]), &number, &id));
	memset(long_id + 2, 'u', POP3_UIDL_MAX);
	assert_true(pop3_uidl_parse(span_of(long_id), &number, &id));
	long_id[POP3_UIDL_MAX + 2] = 'u';
	assert_false(pop3_uidl_parse(span_of(long_id), &number, &id));
}

static void test_stamps(void **state)
{
	static const struct {
		const char *greeting, *stamp;
	} rows[] = {
		{ "ready <1896.697170952@dbc.mtview.ca.us>", "<1896.697170952@dbc.mtview.ca.us>" },
		{ "<a@b> <c@d>", "<a@b>" },
		{ "ready", "" },
		{ "ready <ab>", "" },
		{ "ready <@b>", "" },
		{ "ready <a@>", "" },
		{ "ready <a@b", "" },
		{ "ready <a@b@c>", "" },
		{ "ready <a b@c>", "" },
		{ "ready <a\x80@c>", "" }, /* as the attack needs it */
		{ "> <a@b>", "<a@b>" },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++)
		assert_true(span_equal_text(pop3_stamp(span_of(rows[i].greeting)), rows[i].stamp));
}

/* The text of a stuffed answer that comes in pieces of so many octets; *rest_out is what was behind its end. */
static void unstuff(
	struct span input, size_t piece, bool bare_lf, struct buf *out, size_t *used_out)
{
	struct pop3_unstuff unstuff = { .bare_lf = bare_lf };
	size_t at = 0;

	buf_clear(out);
	while (at < input.len && !unstuff.done) {
		struct span part = span_sub(input, at, piece), text;

		at += part.len;
		while (part.len > 0 && !unstuff.done) {
			const size_t used = pop3_unstuff(&unstuff, part, &text);

			assert_true(used > 0 || text.len > 0);
			assert_int_equal(buf_add(out, text), 0);
			part = span_from(part, used);
		}
		at -= part.len;
	}
	*used_out = unstuff.done ? at : SIZE_MAX;
}

static void test_unstuff(void **state)
{
	static const struct {
		const char *in, *out, *rest; /* rest NULL: the end is not there */
	} rows[] = {
		{ ".\r\n", "", "" },
		{ ".\r\n+OK\r\n", "", "+OK\r\n" },
		{ "a\r\n.\r\n-ERR x\r\n", "a\r\n", "-ERR x\r\n" },
		{ "..\r\n.\r\n", ".\r\n", "" },
		{ "...\r\n..a\r\n.\r\n", "..\r\n.a\r\n", "" },
		{ "+OK\r\n-ERR\r\n.\r\n", "+OK\r\n-ERR\r\n", "" },
		/* not stuffed, though it should be */
		{ ".a\r\n.\r\n", ".a\r\n", "" },
		{ ".\rx\r\n.\r\n", ".\rx\r\n", "" },
		{ ".\r\r\n.\r\n", ".\r\r\n", "" },
		/* no end: it is no line of its own */
		{ "a\n.\r\nb\r\n.\r\n", "a\n.\r\nb\r\n", "" },
		{ "a\r.\r\n.\r\n", "a\r.\r\n", "" },
		{ "a\r\n.\n.\r\n.\r\n", "a\r\n.\n.\r\n", "" },
		{ "a\n..\r\n.\r\n", "a\n..\r\n", "" },
		{ "a\r\r\n.\r\n", "a\r\r\n", "" },
		{ "a\r\n", "a\r\n", NULL },
		{ "a\r\n.", "a\r\n", NULL },
		{ "a\r\n.\r", "a\r\n", NULL },
	};
	struct buf out;
	size_t used;

	(void)state;
	buf_init(&out, 65536);
	for (size_t i = 0; i < countof(rows); i++) {
		const struct span in = span_of(rows[i].in);

		for (size_t piece = 1; piece <= in.len; piece++) {
			unstuff(in, piece, false, &out, &used);
			assert_true(span_equal_text(buf_span(&out), rows[i].out));
			assert_int_equal(
				used, rows[i].rest ? in.len - strlen(rows[i].rest) : SIZE_MAX);
		}
	}
	buf_release(&out);
}

static void test_unstuff_bare_lf(void **state)
{
	struct buf out;
	size_t used;

	(void)state;
	buf_init(&out, 65536);
	for (size_t piece = 1; piece < 16; piece++) {
		unstuff(SPAN("a\n..b\n\r\n.\n+OK\n"), piece, true, &out, &used);
		assert_true(span_equal(buf_span(&out), SPAN("a\n.b\n\r\n")));
		assert_int_equal(used, 10);
		unstuff(SPAN("a\r\n.\r\n"), piece, true, &out, &used);
		assert_true(span_equal(buf_span(&out), SPAN("a\r\n")));
		assert_int_equal(used, 6);
	}
	unstuff(SPAN("a\0b\r\n.\0\r\n.\r\n"), 3, false, &out, &used);
	assert_true(span_equal(buf_span(&out), SPAN("a\0b\r\n.\0\r\n")));
	buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_replies),
		cmocka_unit_test(test_capabilities),
		cmocka_unit_test(test_list_lines),
		cmocka_unit_test(test_stamps),
		cmocka_unit_test(test_unstuff),
		cmocka_unit_test(test_unstuff_bare_lf),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
