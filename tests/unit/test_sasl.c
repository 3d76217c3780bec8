/* SASL: the RFCs' examples, a SCRAM server written down from RFC 5802, and which mechanism is chosen when. */
#include "net/sasl.h"

#include "base/buf.h"
#include "base/digest.h"
#include "base/err.h"
#include "net/secret.h"
#include "net/tls.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct secret *pencil, *token;
static const struct tls_facts encrypted = { .has_exporter = true,
	.exporter = "0123456789abcdef0123456789abcde" };

static struct sasl_options options_for(const char *user)
{
	return (struct sasl_options){ .user = user,
		.password = pencil,
		.host = "server.example.com",
		.service = "imap",
		.port = 143,
		.tls = &encrypted };
}

static struct sasl *begin(const char *key, const struct sasl_options *options)
{
	struct err err = ERR_INIT;
	struct sasl *sasl = sasl_new(sasl_find(key), options, &err);

	if (!sasl)
		fail_msg("%s: %s", key, err.text);
	return sasl;
}

/* One step in plain text: challenge in, answer compared (NULL: returned in out instead). */
static void step(
	struct sasl *sasl, const char *challenge, const char *answer, int result, struct buf *out)
{
	struct buf coded, reply, plain;
	struct err err = ERR_INIT;

	buf_init(&coded, 65536);
	buf_init(&reply, 65536);
	buf_init(&plain, 65536);
	assert_int_equal(base64_encode(span_of(challenge), &coded), 0);
	const int rc = sasl_step(sasl, buf_span(&coded), &reply, &err);
	if (rc != result)
		fail_msg("%d: %s", rc, err.text);
	assert_int_equal(base64_decode(buf_span(&reply), &plain), 0);
	if (answer) {
		if (!span_equal_text(buf_span(&plain), answer))
			fail_msg("\"%s\" instead of \"%s\"", buf_text(&plain), answer);
	} else {
		buf_clear(out);
		assert_int_equal(buf_add(out, buf_span(&plain)), 0);
	}
	buf_release(&coded);
	buf_release(&reply);
	buf_release(&plain);
}

/* RFC 5802 §3, with SHA-256 (RFC 7677). */
struct scram {
	unsigned char stored[32], server[32];
	char client_first_bare[256], server_first[256], client_final_bare[256];
};

static void hmac(
	const unsigned char *key, size_t key_len, const char *text, size_t len, unsigned char *out)
{
	assert_non_null(
		HMAC(EVP_sha256(), key, (int)key_len, (const unsigned char *)text, len, out, NULL));
}

static void scram_keys(
	struct scram *scram, const char *password, const char *salt, size_t salt_len, int rounds)
{
	unsigned char salted[32], client[32];

	assert_int_equal(
		PKCS5_PBKDF2_HMAC(password, (int)strlen(password), (const unsigned char *)salt,
			(int)salt_len, rounds, EVP_sha256(), 32, salted),
		1);
	hmac(salted, 32, "Client Key", 10, client);
	digest_bytes(span_make((const char *)client, 32), scram->stored);
	hmac(salted, 32, "Server Key", 10, scram->server);
}

/* Is the proof right, and what does the server answer? */
static bool scram_judge(
	const struct scram *scram, const unsigned char *proof, unsigned char *signature_out)
{
	unsigned char signature[32], client[32], stored[32];
	char message[1024];

	const int len = snprintf(message, sizeof(message), "%s,%s,%s", scram->client_first_bare,
		scram->server_first, scram->client_final_bare);
	hmac(scram->stored, 32, message, (size_t)len, signature);
	for (int i = 0; i < 32; i++)
		client[i] = proof[i] ^ signature[i];
	digest_bytes(span_make((const char *)client, 32), stored);
	hmac(scram->server, 32, message, (size_t)len, signature_out);
	return memcmp(stored, scram->stored, 32) == 0;
}

static void decode(const char *text, struct buf *out)
{
	buf_clear(out);
	assert_int_equal(base64_decode(span_of(text), out), 0);
}

/* The server of this test is right about the example of RFC 7677 §3. */
static void test_scram_server_knows_the_rfc(void **state)
{
	struct scram scram = {
		.client_first_bare = "n=user,r=rOprNGfwEbeRWgbNEkqO",
		.server_first =
			"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
		.client_final_bare = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
	};
	unsigned char signature[32];
	struct buf salt, proof, verifier;

	(void)state;
	buf_init(&salt, 256);
	buf_init(&proof, 256);
	buf_init(&verifier, 256);
	decode("W22ZaJ0SNY7soEsUEjb6gQ==", &salt);
	decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", &proof);
	decode("6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", &verifier);
	scram_keys(&scram, "pencil", salt.data, salt.len, 4096);
	assert_true(scram_judge(&scram, (const unsigned char *)proof.data, signature));
	assert_memory_equal(signature, verifier.data, 32);
	buf_release(&salt);
	buf_release(&proof);
	buf_release(&verifier);
}

/* Plays the server up to the client's proof; *out then holds v=…. gs2: the header the client must send, cbind: base64 of it and the binding. */
static void scram_play(struct sasl *sasl, const char *gs2, const char *cbind, struct buf *out)
{
	struct scram scram;
	unsigned char signature[32];
	struct buf text, proof;

	buf_init(&text, 4096);
	buf_init(&proof, 256);
	step(sasl, "", NULL, 1, &text);
	assert_true(span_starts(buf_span(&text), span_of(gs2)));
	(void)snprintf(scram.client_first_bare, sizeof(scram.client_first_bare), "%s",
		buf_text(&text) + strlen(gs2));
	const char *nonce = strstr(scram.client_first_bare, ",r=");
	assert_non_null(nonce);
	(void)snprintf(scram.server_first, sizeof(scram.server_first),
		"%sSERVER,s=c2FsdHNhbHQ=,i=4096", nonce + 1);
	step(sasl, scram.server_first, NULL, 1, &text);

	char *end = strstr((char *)(uintptr_t)buf_text(&text), ",p=");
	assert_non_null(end);
	(void)snprintf(scram.client_final_bare, sizeof(scram.client_final_bare), "%.*s",
		(int)(end - text.data), text.data);
	char expected[256];
	(void)snprintf(expected, sizeof(expected), "c=%s,%sSERVER", cbind, nonce + 1);
	assert_string_equal(scram.client_final_bare, expected);
	decode(end + 3, &proof);
	assert_int_equal(proof.len, 32);
	scram_keys(&scram, "pencil", "saltsalt", 8, 4096);
	assert_true(scram_judge(&scram, (const unsigned char *)proof.data, signature));
	buf_clear(out);
	assert_int_equal(buf_add(out, SPAN("v=")), 0);
	assert_int_equal(base64_encode(span_make((const char *)signature, 32), out), 0);
	buf_release(&text);
	buf_release(&proof);
}

static void test_scram(void **state)
{
	struct sasl_options options = options_for("user");
	struct err err = ERR_INIT;
	struct buf verifier;

	(void)state;
	buf_init(&verifier, 256);
	struct sasl *sasl = begin("scram-sha-256", &options);
	assert_true(sasl_client_first(sasl));
	scram_play(sasl, "n,,", "biws", &verifier);
	/* An OK without the server's signature is not believed. */
	assert_int_equal(sasl_finish(sasl, &err), -1);
	assert_int_equal(err.scope, ERR_ACCOUNT);
	step(sasl, buf_text(&verifier), "", 0, NULL);
	assert_int_equal(sasl_finish(sasl, &err), 0);
	sasl_free(sasl);

	sasl = begin("scram-sha-256", &options);
	scram_play(sasl, "n,,", "biws", &verifier);
	struct buf out;
	buf_init(&out, 256);
	assert_int_equal(
		sasl_step(sasl,
			SPAN("dj1BQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQT0="), &out,
			&err),
		-1);
	assert_int_equal(err.kind, ERR_KIND_AUTH);
	buf_release(&out);
	sasl_free(sasl);
	buf_release(&verifier);
}

static void test_scram_admin_and_channel(void **state)
{
	struct sasl_options options = options_for("anna");
	struct buf verifier, cbind;

	(void)state;
	buf_init(&verifier, 256);
	buf_init(&cbind, 256);
	options.admin = "root";
	struct sasl *sasl = begin("scram-sha-256", &options);
	scram_play(sasl, "n,a=anna,", "bixhPWFubmEs", &verifier);
	sasl_free(sasl);

	options.admin = NULL;
	sasl = begin("scram-sha-256-plus", &options);
	assert_int_equal(buf_add(&verifier, SPAN("")), 0);
	struct buf raw;
	buf_init(&raw, 256);
	assert_int_equal(buf_add(&raw, SPAN("p=tls-exporter,,")), 0);
	assert_int_equal(buf_add(&raw, span_make((const char *)encrypted.exporter, 32)), 0);
	assert_int_equal(base64_encode(buf_span(&raw), &cbind), 0);
	scram_play(sasl, "p=tls-exporter,,", buf_text(&cbind), &verifier);
	step(sasl, buf_text(&verifier), "", 0, NULL);
	sasl_free(sasl);
	buf_release(&raw);
	buf_release(&cbind);
	buf_release(&verifier);
}

static void test_plain(void **state)
{
	struct sasl_options options = options_for("tim");
	struct secret *password = secret_new(SPAN("tanstaaftanstaaf"));
	struct buf out;

	(void)state;
	/* RFC 4616 §4 */
	buf_init(&out, 256);
	options.password = password;
	struct sasl *sasl = begin("plain", &options);
	assert_int_equal(sasl_step(sasl, SPAN(""), &out, NULL), 0);
	assert_string_equal(buf_text(&out), "AHRpbQB0YW5zdGFhZnRhbnN0YWFm");
	assert_int_equal(sasl_finish(sasl, NULL), 0);
	sasl_free(sasl);

	struct secret *kurts = secret_new(SPAN("xipj3plmq"));
	options = options_for("Ursel");
	options.admin = "Kurt";
	options.password = kurts;
	sasl = begin("plain", &options);
	assert_int_equal(sasl_step(sasl, SPAN(""), &out, NULL), 0);
	assert_string_equal(buf_text(&out), "VXJzZWwAS3VydAB4aXBqM3BsbXE=");
	sasl_free(sasl);
	secret_free(kurts);
	secret_free(password);
	buf_release(&out);
}

static void test_login_and_cram(void **state)
{
	struct sasl_options options = options_for("tim");
	struct secret *password = secret_new(SPAN("tanstaaftanstaaf"));

	(void)state;
	struct sasl *sasl = begin("login", &options);
	assert_false(sasl_client_first(sasl));
	step(sasl, "User Name", "tim", 1, NULL);
	step(sasl, "Password", "pencil", 0, NULL);
	sasl_free(sasl);

	/* RFC 2195 §3 */
	options.password = password;
	sasl = begin("cram-md5", &options);
	assert_false(sasl_client_first(sasl));
	step(sasl, "<1896.697170952@postoffice.reston.mci.net>",
		"tim b913a602c7eda7a495b4e6e7334d3890", 0, NULL);
	sasl_free(sasl);
	secret_free(password);
}

static void test_external(void **state)
{
	struct sasl_options options = options_for("fred@example.com");
	struct sasl *sasl = begin("external", &options);

	(void)state;
	step(sasl, "", "fred@example.com", 0, NULL);
	sasl_free(sasl);
}

static void test_oauthbearer(void **state)
{
	struct sasl_options options = options_for("user@example.com");

	(void)state;
	options.password = NULL;
	options.token = token;
	struct sasl *sasl = begin("oauthbearer", &options);
	/* RFC 7628 §4.1 */
	struct buf out;
	buf_init(&out, 1024);
	assert_int_equal(sasl_step(sasl, SPAN(""), &out, NULL), 0);
	assert_string_equal(buf_text(&out),
		"bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1dGg9QmVhcmVyIHZGOWRmdDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB");
	assert_false(sasl_token_expired(sasl));
	/* RFC 7628 §4.3 */
	step(sasl, "{\"status\":\"invalid_token\",\"scope\":\"example_scope\"}", "\1", 0, NULL);
	assert_true(sasl_token_expired(sasl));
	sasl_free(sasl);

	options.user = "a=b,c";
	options.host = NULL;
	options.port = 0;
	sasl = begin("oauthbearer", &options);
	step(sasl, "", "n,a=a=3Db=2Cc,\1auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\1\1",
		0, NULL);
	step(sasl, "{\"status\":\"insufficient_scope\"}", "\1", 0, NULL);
	assert_false(sasl_token_expired(sasl));
	sasl_free(sasl);
	buf_release(&out);
}

static void test_xoauth2(void **state)
{
	struct sasl_options options = options_for("someuser@example.com");
	struct secret *bad = secret_new(SPAN("two words"));
	struct err err = ERR_INIT;

	(void)state;
	options.token = token;
	struct sasl *sasl = begin("xoauth2", &options);
	step(sasl, "",
		"user=someuser@example.com\1auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\1\1",
		0, NULL);
	step(sasl,
		"{\"status\":\"401\",\"schemes\":\"bearer mac\",\"scope\":\"https://mail.example/\"}",
		"", 0, NULL);
	assert_true(sasl_token_expired(sasl));
	sasl_free(sasl);

	options.token = bad;
	assert_null(sasl_new(sasl_find("xoauth2"), &options, &err));
	assert_int_equal(err.scope, ERR_ACCOUNT);
	assert_null(strstr(err.text, "two words"));
	secret_free(bad);
}

static void test_vendors(void **state)
{
	struct sasl_options options = options_for("anna");
	struct secret *app = secret_new(SPAN("TheApp 0123ABCD"));
	struct buf out;

	(void)state;
	buf_init(&out, 256);
	options.password = app;
	struct sasl *sasl = begin("xgwtrustedapp", &options);
	assert_false(sasl_client_first(sasl));
	assert_int_equal(sasl_step(sasl, SPAN(""), &out, NULL), 0);
	assert_string_equal(buf_text(&out), "XGWTRUSTEDAPP VGhlQXBwADAxMjNBQkNE");
	sasl_free(sasl);

	options.password = pencil;
	sasl = begin("kerio-master", &options);
	assert_int_equal(sasl_step(sasl, SPAN("<1234@kerio>\r\n"), &out, NULL), 0);
	assert_int_equal(out.len, 32);
	assert_string_equal(buf_text(&out), "20e7368db604932d554b06c7f9a0c33e");
	sasl_free(sasl);
	secret_free(app);
	buf_release(&out);
}

static void test_bad_base64(void **state)
{
	struct sasl_options options = options_for("anna");
	struct sasl *sasl = begin("cram-md5", &options);
	struct err err = ERR_INIT;
	struct buf out;

	(void)state;
	buf_init(&out, 256);
	assert_int_equal(sasl_step(sasl, SPAN("<not base64>"), &out, &err), -1);
	assert_int_equal(err.scope, ERR_ACCOUNT);
	sasl_free(sasl);
	buf_release(&out);
}

/* What is chosen: one row a situation. */
static const struct choice_row {
	const char *offered, *wanted; /* words */
	const char *admin;
	bool tls, token, no_password, login_disabled, clear_ok;
	const char *key; /* NULL: refused, of this kind and with this word */
	unsigned trait; /* must be set */
	enum err_kind kind;
	const char *word;
} choices[] = {
	{ .offered = "PLAIN LOGIN SCRAM-SHA-1 SCRAM-SHA-256 SCRAM-SHA-256-PLUS",
		.tls = true,
		.key = "scram-sha-256-plus" },
	{ .offered = "PLAIN LOGIN SCRAM-SHA-1 SCRAM-SHA-256 SCRAM-SHA-256-PLUS",
		.key = "scram-sha-256" },
	{ .offered = "LOGIN PLAIN CRAM-MD5", .tls = true, .key = "plain" },
	{ .offered = "LOGIN PLAIN CRAM-MD5", .key = "cram-md5" },
	{ .offered = "LOGIN PLAIN CRAM-MD5", .clear_ok = true, .key = "cram-md5" },
	{ .offered = "LOGIN PLAIN CRAM-MD5", .clear_ok = true, .wanted = "plain", .key = "plain" },
	{ .offered = "plain", .tls = true, .key = "plain" },
	{ .offered = "LOGIN", .tls = true, .key = "login" },
	{ .offered = "", .tls = true, .key = "login", .trait = SASL_LOGIN_COMMAND },
	{ .offered = "PLAIN",
		.tls = true,
		.wanted = "login",
		.key = "login",
		.trait = SASL_LOGIN_COMMAND },
	{ .offered = "", .clear_ok = true, .key = "login", .trait = SASL_LOGIN_COMMAND },
	{ .offered = "", .word = "clear text", .kind = ERR_KIND_AUTH },
	{ .offered = "",
		.tls = true,
		.login_disabled = true,
		.word = "nothing",
		.kind = ERR_KIND_AUTH },
	{ .offered = "PLAIN LOGIN", .word = "clear text", .kind = ERR_KIND_AUTH },
	{ .offered = "PLAIN", .wanted = "plain", .word = "clear text", .kind = ERR_KIND_AUTH },
	{ .offered = "PLAIN XOAUTH2 OAUTHBEARER",
		.tls = true,
		.token = true,
		.no_password = true,
		.key = "oauthbearer" },
	{ .offered = "PLAIN XOAUTH2",
		.tls = true,
		.token = true,
		.no_password = true,
		.key = "xoauth2" },
	{ .offered = "PLAIN",
		.tls = true,
		.token = true,
		.no_password = true,
		.word = "token does not help",
		.kind = ERR_KIND_AUTH },
	{ .offered = "XOAUTH2",
		.tls = true,
		.login_disabled = true,
		.word = "add token-",
		.kind = ERR_KIND_AUTH },
	{ .offered = "XOAUTH2",
		.token = true,
		.no_password = true,
		.word = "clear text",
		.kind = ERR_KIND_AUTH },
	{ .offered = "GSSAPI NTLM EXTERNAL DIGEST-MD5",
		.tls = true,
		.login_disabled = true,
		.word = "GSSAPI NTLM",
		.kind = ERR_KIND_AUTH },
	{ .offered = "GSSAPI PLAIN", .tls = true, .wanted = "gssapi plain", .key = "gssapi" },
	{ .offered = "PLAIN", .tls = true, .wanted = "gssapi plain", .key = "plain" },
	{ .offered = "PLAIN",
		.tls = true,
		.wanted = "scram-sha-256",
		.word = "it offers PLAIN",
		.kind = ERR_KIND_AUTH },
	{ .offered = "PLAIN LOGIN", .tls = true, .admin = "root", .key = "plain" },
	{ .offered = "LOGIN CRAM-MD5",
		.tls = true,
		.admin = "root",
		.word = "on a user's behalf",
		.kind = ERR_KIND_AUTH },
	{ .offered = "LOGIN PLAIN",
		.tls = true,
		.admin = "root",
		.wanted = "login",
		.word = "on a user's behalf",
		.kind = ERR_KIND_USAGE },
	{ .offered = "SCRAM-SHA-256-PLUS",
		.wanted = "scram-sha-256-plus",
		.word = "bind",
		.kind = ERR_KIND_AUTH },
	{ .offered = "",
		.tls = true,
		.wanted = "xgwtrustedapp",
		.key = "xgwtrustedapp",
		.trait = SASL_THEN_LOGIN },
	{ .offered = "",
		.wanted = "kerio-master",
		.key = "kerio-master",
		.trait = SASL_OWN_COMMAND },
	{ .offered = "PLAIN",
		.tls = true,
		.wanted = "apop",
		.word = "apop",
		.kind = ERR_KIND_USAGE },
	{ .offered = "PLAIN",
		.tls = true,
		.no_password = true,
		.word = "no password or token",
		.kind = ERR_KIND_AUTH },
};

static size_t split(char *text, const char **out, size_t cap)
{
	char *save = NULL;
	size_t count = 0;

	for (char *word = strtok_r(text, " ", &save); word && count < cap;
		word = strtok_r(NULL, " ", &save))
		out[count++] = word;
	return count;
}

static void test_choices(void **state)
{
	(void)state;
	for (size_t i = 0; i < countof(choices); i++) {
		const struct choice_row *row = &choices[i];
		char offered_text[256], wanted_text[256];
		const char *words[16], *wanted[16];
		struct span offered[16];
		struct err err = ERR_INIT;

		(void)snprintf(offered_text, sizeof(offered_text), "%s", row->offered);
		(void)snprintf(
			wanted_text, sizeof(wanted_text), "%s", row->wanted ? row->wanted : "");
		struct sasl_choice choice = {
			.wanted = wanted,
			.wanted_count = split(wanted_text, wanted, countof(wanted)),
			.offered = offered,
			.offered_count = split(offered_text, words, countof(words)),
			.login_disabled = row->login_disabled,
			.clear_ok = row->clear_ok,
		};
		for (size_t j = 0; j < choice.offered_count; j++)
			offered[j] = span_of(words[j]);
		struct sasl_options options = options_for("anna");
		options.admin = row->admin;
		options.tls = row->tls ? &encrypted : NULL;
		options.token = row->token ? token : NULL;
		options.password = row->no_password ? NULL : pencil;

		const struct sasl_mechanism *mechanism = sasl_choose(&choice, &options, &err);
		if (row->key && !mechanism)
			fail_msg("row %zu: %s", i, err.text);
		if (!row->key && mechanism)
			fail_msg("row %zu: %s", i, mechanism->key);
		if (row->key) {
			assert_string_equal(mechanism->key, row->key);
			assert_int_equal(mechanism->traits & row->trait, row->trait);
			continue;
		}
		assert_int_equal(err.scope, ERR_ACCOUNT);
		assert_int_equal(err.kind, row->kind);
		if (!strstr(err.text, row->word))
			fail_msg("row %zu: \"%s\" lacks \"%s\"", i, err.text, row->word);
	}
}

/* Every mechanism of the table starts on this system, and with a trait for each secret it takes. */
static void test_table(void **state)
{
	struct sasl_options options = options_for("anna");

	(void)state;
	options.token = token;
	for (const struct sasl_mechanism *at = sasl_mechanisms(); at->key; at++) {
		assert_non_null(sasl_find(at->key));
		if (at->traits & SASL_LOGIN_COMMAND)
			continue;
		struct err err = ERR_INIT;
		struct sasl *sasl = sasl_new(at, &options, &err);
		if (!sasl)
			fail_msg("%s: %s", at->key, err.text);
		sasl_free(sasl);
	}
	assert_null(sasl_find("nonsense"));
}

static int group_setup(void **state)
{
	(void)state;
	pencil = secret_new(SPAN("pencil"));
	token = secret_new(SPAN("vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="));
	return 0;
}

static int group_teardown(void **state)
{
	(void)state;
	secret_free(pencil);
	secret_free(token);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scram_server_knows_the_rfc),
		cmocka_unit_test(test_scram),
		cmocka_unit_test(test_scram_admin_and_channel),
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_login_and_cram),
		cmocka_unit_test(test_external),
		cmocka_unit_test(test_oauthbearer),
		cmocka_unit_test(test_xoauth2),
		cmocka_unit_test(test_vendors),
		cmocka_unit_test(test_bad_base64),
		cmocka_unit_test(test_choices),
		cmocka_unit_test(test_table),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
