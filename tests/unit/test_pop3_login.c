/* The way in: which mechanism, what is sent, and what never is. */
#include "pop3/pop3.h"

#include "base/digest.h"

#include "pop3_script.h"

static const char *const no_mechanisms[] = { NULL };

/* Plays a login; returns the error's text, or "" if it went well. */
static const char *enter(const char *const *lines, struct pop3_options options,
	struct pop3_facts *facts, struct err *err)
{
	struct secret *password = secret_new(SPAN("tanstaaf"));
	struct play *play = play_begin(lines);
	struct pop3 *pop3 = pop3_new(play->near, 3000);

	*facts = (struct pop3_facts){ 0 };
	*err = ERR_INIT;
	options.timeout_ms = 3000;
	options.sasl.password = password;
	options.sasl.service = "pop";
	if (!options.sasl.user)
		options.sasl.user = "mrose";
	if (!options.mechanisms)
		options.mechanisms = no_mechanisms;
	if (pop3_enter(pop3, &options, facts, err) == 0)
		err_clear(err);
	pop3_close(pop3);
	play_end(play);
	secret_free(password);
	return err->text;
}

#define ALLOW .tls = POP3_TLS_NONE

static void test_user_and_pass(void **state)
{
	static const char *const lines[] = { "S: +OK ready", "C: CAPA", "S: -ERR what?",
		"C: USER mrose", "S: +OK", "C: PASS tanstaaf", "S: +OK 2 messages", "C: QUIT",
		NULL };
	struct pop3_facts facts;
	struct err err;

	(void)state;
	assert_string_equal(enter(lines, (struct pop3_options){ ALLOW }, &facts, &err), "");
	assert_string_equal(facts.mechanism, "login");
	assert_string_equal(facts.greeting, "ready");
}

/* The example of RFC 1939 §7. */
static void test_apop(void **state)
{
	static const char *const lines[] = {
		"S: +OK POP3 server ready <1896.697170952@dbc.mtview.ca.us>", "C: CAPA", "S: -ERR",
		"C: APOP mrose c4c9334bac560ecc979e58001b3e22fb", "S: +OK maildrop has 1 message",
		"C: QUIT", NULL
	};
	static const char *const forged[] = { "S: +OK ready <a\x80@x>", "C: CAPA", "S: -ERR",
		NULL };
	struct pop3_facts facts;
	struct err err;

	(void)state;
	assert_string_equal(enter(lines, (struct pop3_options){ ALLOW }, &facts, &err), "");
	assert_string_equal(facts.mechanism, "apop");
	assert_string_equal(
		enter(lines, (struct pop3_options){ ALLOW, .apop = true }, &facts, &err), "");
	enter(forged, (struct pop3_options){ ALLOW, .apop = true }, &facts, &err);
	assert_int_equal(err.kind, ERR_KIND_AUTH);
	assert_non_null(strstr(err.text, "time stamp"));
}

static void test_auth_plain(void **state)
{
	static const char *const lines[] = { "S: +OK", "C: CAPA", "S: +OK", "S: SASL PLAIN",
		"S: PIPELINING", "S: IMPLEMENTATION x\x1b[1m", "S: .",
		"C: AUTH PLAIN AG1yb3NlAHRhbnN0YWFm", "S: +OK", "C: CAPA", "S: +OK", "S: TOP",
		"S: .", "C: QUIT", NULL };
	struct pop3_facts facts;
	struct err err;

	(void)state;
	assert_string_equal(enter(lines, (struct pop3_options){ ALLOW }, &facts, &err), "");
	assert_string_equal(facts.mechanism, "plain");
	assert_string_equal(facts.capabilities, "TOP"); /* asked again */
	assert_null(strchr(facts.server_id, '\x1b'));
}

/* RFC 5034 §4: an initial response that makes the line longer than 255 octets goes by itself. */
static void test_auth_long(void **state)
{
	static char user[201], line[600] = "C: ";
	static const char *const lines[] = { "S: +OK", "C: CAPA", "S: +OK", "S: SASL PLAIN", "S: .",
		"C: AUTH PLAIN", "S: + ", line, "S: +OK", "C: CAPA", "S: +OK", "S: .", "C: QUIT",
		NULL };
	struct pop3_options options = { ALLOW, .sasl = { .user = user } };
	char plain[300];
	struct pop3_facts facts;
	struct buf coded;
	struct err err;

	(void)state;
	memset(user, 'u', sizeof(user) - 1);
	const int len = snprintf(plain, sizeof(plain), "%c%s%ctanstaaf", 0, user, 0);
	buf_init(&coded, 1000);
	assert_int_equal(base64_encode(span_make(plain, (size_t)len), &coded), 0);
	(void)snprintf(line, sizeof(line), "C: %s", buf_text(&coded));
	buf_release(&coded);
	assert_string_equal(enter(lines, options, &facts, &err), "");
}

/* Some servers say +OK where RFC 5034 wants +. */
static void test_auth_ok_for_plus(void **state)
{
	static const char *const lines[] = { "S: +OK", "C: CAPA", "S: +OK", "S: SASL LOGIN", "S: .",
		"C: AUTH LOGIN", "S: +OK", "C: bXJvc2U=", "S: + UGFzc3dvcmQ6",
		"C: dGFuc3RhYWY=", "S: +OK", "C: CAPA", "S: +OK", "S: .", "C: QUIT", NULL };
	struct pop3_facts facts;
	struct err err;

	(void)state;
	assert_string_equal(enter(lines, (struct pop3_options){ ALLOW }, &facts, &err), "");
}

/* Without tls=none nothing readable goes out, and without STLS no login begins. */
static void test_clear_text(void **state)
{
	static const char *const no_stls[] = { "S: +OK", "C: STLS", "S: -ERR unknown command",
		NULL };
	static const char *const injected[] = { "S-: +OK\r\n+OK begin TLS\r\n", NULL };
	static const char *const behind[] = { "S: +OK", "C: STLS", "S-: +OK\r\n+OK injected\r\n",
		NULL };
	const struct pop3_options options = { .tls = POP3_TLS_STLS };
	struct pop3_facts facts;
	struct err err;

	(void)state;
	enter(no_stls, options, &facts, &err);
	assert_int_equal(err.kind, ERR_KIND_TLS);
	assert_int_equal(err.scope, ERR_ACCOUNT);
	enter(injected, options, &facts, &err);
	assert_int_equal(err.scope, ERR_CONN);
	enter(behind, options, &facts, &err);
	assert_int_equal(err.kind, ERR_KIND_TLS);
	assert_int_equal(facts.has_tls, false);
}

static void test_refused(void **state)
{
	static const char *const wrong[] = { "S: +OK", "C: CAPA", "S: -ERR", "C: USER mrose",
		"S: +OK", "C: PASS tanstaaf", "S: -ERR [AUTH] invalid", NULL };
	static const char *const busy[] = { "S: +OK", "C: CAPA", "S: -ERR", "C: USER mrose",
		"S: +OK", "C: PASS tanstaaf", "S: -ERR [IN-USE] locked", NULL };
	static const char *const delay[] = { "S: +OK", "C: CAPA", "S: +OK", "S: USER",
		"S: LOGIN-DELAY 7 USER", "S: .", "C: USER mrose", "S: +OK", "C: PASS tanstaaf",
		"S: -ERR [LOGIN-DELAY] later", NULL };
	static const char *const greeting[] = { "S: -ERR [SYS/TEMP] later", NULL };
	struct pop3_facts facts;
	struct err err;

	(void)state;
	enter(wrong, (struct pop3_options){ ALLOW }, &facts, &err);
	assert_int_equal(err.scope, ERR_ACCOUNT);
	assert_int_equal(err.kind, ERR_KIND_AUTH);
	assert_null(strstr(err.text, "tanstaaf"));
	enter(busy, (struct pop3_options){ ALLOW }, &facts, &err);
	assert_int_equal(err.scope, ERR_CONN);
	assert_int_equal(err.kind, ERR_KIND_BUSY);
	enter(delay, (struct pop3_options){ ALLOW }, &facts, &err);
	assert_int_equal(err.kind, ERR_KIND_BUSY);
	assert_int_equal(err.wait_ms, 7000);
	enter(greeting, (struct pop3_options){ ALLOW }, &facts, &err);
	assert_int_equal(err.kind, ERR_KIND_BUSY);
}

/* What the server says back of the password reaches nobody. */
static void test_said_back(void **state)
{
	static const char *const refused[] = { "S: +OK", "C: CAPA", "S: -ERR", "C: USER mrose",
		"S: +OK", "C: PASS tanstaaf", "S: -ERR wrong password tanstaaf for PASS tanstaaf",
		NULL };
	static const char *const plain[] = { "S: +OK", "C: CAPA", "S: +OK", "S: SASL PLAIN", "S: .",
		"C: AUTH PLAIN AG1yb3NlAHRhbnN0YWFm", "S: -ERR AUTH PLAIN AG1yb3NlAHRhbnN0YWFm",
		NULL };
	static const char *const told[] = { "S: +OK", "C: CAPA", "S: +OK", "S: USER", "S: .",
		"C: USER mrose", "S: +OK", "C: PASS tanstaaf", "S: +OK", "C: CAPA", "S: +OK",
		"S: IMPLEMENTATION tanstaaf", "S: .", "C: QUIT", NULL };
	struct pop3_facts facts;
	struct err err;

	(void)state;
	assert_null(
		strstr(enter(refused, (struct pop3_options){ ALLOW }, &facts, &err), "tanstaaf"));
	assert_null(strstr(enter(plain, (struct pop3_options){ ALLOW }, &facts, &err),
		"AG1yb3NlAHRhbnN0YWFm"));
	assert_string_equal(enter(told, (struct pop3_options){ ALLOW }, &facts, &err), "");
	assert_null(strstr(facts.server_id, "tanstaaf"));
	assert_null(strstr(facts.capabilities, "tanstaaf"));
}

static void test_strangers(void **state)
{
	static const char *const imap[] = { "S: * OK IMAP4rev1", NULL };
	static const char *const silent[] = { "X", NULL };
	struct pop3_facts facts;
	struct err err;

	(void)state;
	assert_non_null(strstr(
		enter(imap, (struct pop3_options){ ALLOW }, &facts, &err), "it speaks IMAP"));
	assert_int_equal(err.scope, ERR_ACCOUNT);
	enter(silent, (struct pop3_options){ ALLOW }, &facts, &err);
	assert_int_equal(err.scope, ERR_CONN);
}

/* What the user disabled is as good as not announced; UTF8 is asked for before the login (RFC 6856 §2). */
static void test_disabled_and_utf8(void **state)
{
	static const char *const lines[] = { "S: +OK", "C: CAPA", "S: +OK", "S: SASL PLAIN",
		"S: UTF8 USER", "S: PIPELINING", "S: .", "C: UTF8", "S: +OK", "C: USER mrose",
		"S: +OK", "C: PASS tanstaaf", "S: +OK", "C: CAPA", "S: +OK", "S: PIPELINING",
		"S: .", "C: QUIT", NULL };
	const struct pop3_options options = { ALLOW, .want_utf8 = true,
		.disable = "PLAIN,PIPELINING" };
	struct pop3_facts facts;
	struct err err;

	(void)state;
	/* nothing of SASL is left, and USER is not announced: it is tried all the same */
	assert_string_equal(enter(lines, options, &facts, &err), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_user_and_pass),
		cmocka_unit_test(test_apop),
		cmocka_unit_test(test_auth_plain),
		cmocka_unit_test(test_auth_long),
		cmocka_unit_test(test_auth_ok_for_plus),
		cmocka_unit_test(test_clear_text),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_said_back),
		cmocka_unit_test(test_strangers),
		cmocka_unit_test(test_disabled_and_utf8),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
