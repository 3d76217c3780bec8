/* TLS against a server of our own in a thread, with certificates made for the occasion: each kind of bad one is refused in words. */
#include "net/tls.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/stop.h"
#include "net/wire.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE 5000
#define DAY 86400L

struct ident {
	X509 *cert;
	EVP_PKEY *key;
};

struct recipe {
	const char *names; /* subjectAltName */
	long from_day, to_day; /* from today */
	bool self_signed;
};

static struct fixture {
	struct ident ca, good, other, expired, early, selfsigned, address;
	char ca_file[64];
} fixture;

static void extension_add(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	assert_non_null(extension);
	assert_int_equal(X509_add_ext(cert, extension, -1), 1);
	X509_EXTENSION_free(extension);
}

static struct ident ident_new(
	const char *common_name, const struct recipe *recipe, const struct ident *issuer)
{
	struct ident ident = { .cert = X509_new(), .key = EVP_EC_gen("P-256") };
	static long serial = 1;

	assert_non_null(ident.key);
	X509_set_version(ident.cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(ident.cert), serial++);
	X509_gmtime_adj(X509_getm_notBefore(ident.cert), recipe->from_day * DAY);
	X509_gmtime_adj(X509_getm_notAfter(ident.cert), recipe->to_day * DAY);
	X509_set_pubkey(ident.cert, ident.key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(ident.cert), "CN", MBSTRING_ASC,
		(const unsigned char *)common_name, -1, -1, 0);
	X509_set_issuer_name(ident.cert, X509_get_subject_name(issuer ? issuer->cert : ident.cert));
	if (recipe->names)
		extension_add(ident.cert, NID_subject_alt_name, recipe->names);
	else
		extension_add(ident.cert, NID_basic_constraints, "critical,CA:TRUE");
	assert_true(X509_sign(ident.cert, issuer ? issuer->key : ident.key, EVP_sha256()) > 0);
	return ident;
}

static void ident_free(struct ident *ident)
{
	X509_free(ident->cert);
	EVP_PKEY_free(ident->key);
}

static int group_setup(void **state)
{
	const struct recipe ca = { .from_day = -10, .to_day = 100 };
	const struct recipe good = {
		.names = "DNS:mail.example,DNS:*.wild.example", .from_day = -10, .to_day = 100
	};
	const struct recipe other = { .names = "DNS:a.example", .from_day = -10, .to_day = 100 };
	const struct recipe expired = {
		.names = "DNS:mail.example", .from_day = -10, .to_day = -2
	};
	const struct recipe early = { .names = "DNS:mail.example", .from_day = 2, .to_day = 100 };
	const struct recipe address = {
		.names = "IP:127.0.0.1,IP:::1", .from_day = -10, .to_day = 100
	};

	(void)state;
	fixture.ca = ident_new("test CA", &ca, NULL);
	fixture.good = ident_new("mail.example", &good, &fixture.ca);
	fixture.other = ident_new("a.example", &other, &fixture.ca);
	fixture.expired = ident_new("mail.example", &expired, &fixture.ca);
	fixture.early = ident_new("mail.example", &early, &fixture.ca);
	fixture.address = ident_new("127.0.0.1", &address, &fixture.ca);
	fixture.selfsigned = ident_new("mail.example", &good, NULL);

	(void)snprintf(fixture.ca_file, sizeof(fixture.ca_file), "/tmp/test_tls_XXXXXX");
	const int fd = mkstemp(fixture.ca_file);
	FILE *file = fdopen(fd, "w");
	PEM_write_X509(file, fixture.ca.cert);
	(void)fclose(file);
	return 0;
}

static int group_teardown(void **state)
{
	(void)state;
	(void)unlink(fixture.ca_file);
	ident_free(&fixture.ca);
	ident_free(&fixture.good);
	ident_free(&fixture.other);
	ident_free(&fixture.expired);
	ident_free(&fixture.early);
	ident_free(&fixture.address);
	ident_free(&fixture.selfsigned);
	return 0;
}

enum farewell { SAY_BYE, CUT };

struct server {
	const struct ident *ident;
	int max_version; /* 0: any */
	enum farewell farewell;
	size_t flood; /* octets sent after the greeting */
	const char *plain; /* says this instead of TLS */
	int fd;
	pthread_t thread;
	/* Results. */
	char sni[64];
	unsigned char exporter[32];
	size_t app_octets; /* of the client, decrypted */
};

static void server_talk(struct server *server, SSL *ssl)
{
	char data[4096];

	(void)SSL_export_keying_material(
		ssl, server->exporter, 32, "EXPORTER-Channel-Binding", 24, NULL, 0, 0);
	(void)SSL_write(ssl, "* OK ready\r\n", 12);
	memset(data, 'x', sizeof(data));
	for (size_t left = server->flood; left > 0;) {
		const int put =
			SSL_write(ssl, data, left < sizeof(data) ? (int)left : (int)sizeof(data));
		if (put <= 0)
			return;
		left -= (size_t)put;
	}
	if (server->farewell == CUT)
		return;
	for (;;) {
		const int got = SSL_read(ssl, data, sizeof(data));
		if (got <= 0)
			break;
		server->app_octets += (size_t)got;
		if (memchr(data, '\n', (size_t)got))
			break;
	}
	(void)SSL_shutdown(ssl);
}

static void *server_run(void *argument)
{
	struct server *server = argument;

	if (server->plain) {
		(void)!write(server->fd, server->plain, strlen(server->plain));
		char byte;
		(void)!read(server->fd, &byte, 1);
		(void)close(server->fd);
		return NULL;
	}

	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	SSL_CTX_set_security_level(ctx, 0);
	SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
	SSL_CTX_set_max_proto_version(ctx, server->max_version);
	SSL_CTX_use_certificate(ctx, server->ident->cert);
	SSL_CTX_use_PrivateKey(ctx, server->ident->key);
	SSL *ssl = SSL_new(ctx);
	SSL_set_fd(ssl, server->fd);
	if (SSL_accept(ssl) == 1) {
		const char *sni = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
		(void)snprintf(server->sni, sizeof(server->sni), "%s", sni ? sni : "");
		server_talk(server, ssl);
	}
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	(void)close(server->fd);
	return NULL;
}

/* The client's end, before TLS. */
static struct stream *server_start(struct server *server)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	server->fd = fds[1];
	assert_int_equal(pthread_create(&server->thread, NULL, server_run, server), 0);
	return stream_socket_new(fds[0], -1, 0);
}

static struct tls_options options_for(const char *host)
{
	return (struct tls_options){ .host = host, .verify = true, .ca_file = fixture.ca_file };
}

static void expect_refused(
	const struct ident *ident, const struct tls_options *options, const char *const *words)
{
	struct server server = { .ident = ident };
	struct err err = ERR_INIT;
	struct tls_facts facts;

	struct stream *stream =
		stream_tls_new(server_start(&server), options, &facts, clock_ms() + PATIENCE, &err);
	assert_null(stream);
	(void)pthread_join(server.thread, NULL);
	assert_int_equal(err.scope, ERR_ACCOUNT);
	assert_int_equal(err.kind, ERR_KIND_TLS);
	for (; *words; words++)
		if (!strstr(err.text, *words))
			fail_msg("\"%s\" lacks \"%s\"", err.text, *words);
	assert_int_equal(server.app_octets, 0);
}

static void expect_fine(
	struct server *server, const struct tls_options *options, struct tls_facts *facts)
{
	struct err err = ERR_INIT;

	struct stream *stream =
		stream_tls_new(server_start(server), options, facts, clock_ms() + PATIENCE, &err);
	if (!stream)
		fail_msg("%s", err.text);
	struct wire *wire = wire_new(stream, PATIENCE);
	assert_int_equal(wire_wait(wire, NULL), 1);
	assert_true(span_starts(wire_peek(wire), SPAN("* OK ready\r\n")));
	wire_consume(wire, 12);
	for (size_t left = server->flood; left > 0;) {
		const struct span span = wire_peek(wire);
		if (span.len == 0)
			assert_int_equal(wire_wait(wire, NULL), 1);
		left -= span.len;
		wire_consume(wire, span.len);
	}
	if (server->farewell == SAY_BYE)
		assert_int_equal(wire_put(wire, SPAN("A1 LOGOUT\r\n"), NULL), 0);
	/* A proper end is the end; a connection cut off is an error, for it may have been cut by somebody. */
	assert_int_equal(wire_wait(wire, &err), server->farewell == SAY_BYE ? 0 : -1);
	if (server->farewell == CUT)
		assert_int_equal(err.scope, ERR_CONN);
	wire_free(wire);
	(void)pthread_join(server->thread, NULL);
}

static void test_good(void **state)
{
	struct server server = { .ident = &fixture.good };
	struct tls_options options = options_for("mail.example");
	struct tls_facts facts;

	(void)state;
	expect_fine(&server, &options, &facts);
	assert_string_equal(facts.version, "1.3");
	assert_string_equal(facts.verified, "ok");
	assert_string_equal(facts.subject, "CN=mail.example");
	assert_string_equal(facts.issuer, "CN=test CA");
	assert_string_equal(facts.names, "mail.example, *.wild.example");
	assert_int_equal(strlen(facts.pin), 7 + 64);
	assert_true(facts.not_after > clock_wall() && facts.not_before < clock_wall());
	assert_true(facts.has_exporter);
	assert_memory_equal(facts.exporter, server.exporter, 32);
	assert_string_equal(server.sni, "mail.example");
	assert_int_equal(server.app_octets, 11);

	options.host = "x.wild.example";
	options.sni = "other.example";
	expect_fine(&server, &options, &facts);
	assert_string_equal(server.sni, "other.example");
}

static void test_much(void **state)
{
	struct server server = { .ident = &fixture.good, .flood = 20u << 20 };
	struct tls_options options = options_for("mail.example");
	struct tls_facts facts;

	(void)state;
	expect_fine(&server, &options, &facts);
}

static void test_tls12_binding(void **state)
{
	struct server server = { .ident = &fixture.good, .max_version = TLS1_2_VERSION };
	struct tls_options options = options_for("mail.example");
	struct tls_facts facts;

	(void)state;
	expect_fine(&server, &options, &facts);
	assert_string_equal(facts.version, "1.2");
	assert_false(facts.has_exporter);
	assert_int_equal(facts.unique_len, 12);
}

static void test_cut_off(void **state)
{
	struct server server = { .ident = &fixture.good, .farewell = CUT };
	struct tls_options options = options_for("mail.example");
	struct tls_facts facts;

	(void)state;
	expect_fine(&server, &options, &facts);
}

static void test_address(void **state)
{
	struct server server = { .ident = &fixture.address };
	struct tls_options options = options_for("127.0.0.1");
	struct tls_facts facts;

	(void)state;
	expect_fine(&server, &options, &facts);
	assert_string_equal(facts.names, "127.0.0.1, ::1");
	assert_string_equal(server.sni, "");
	options.host = "::1";
	expect_fine(&server, &options, &facts);
	options.host = "127.0.0.2";
	expect_refused(&fixture.address, &options,
		(const char *const[]){ "127.0.0.1, ::1", "not 127.0.0.2", NULL });
}

static void test_expired(void **state)
{
	struct tls_options options = options_for("mail.example");

	(void)state;
	expect_refused(&fixture.expired, &options,
		(const char *const[]){ "certificate expired on 20", "clock", NULL });
	expect_refused(&fixture.early, &options,
		(const char *const[]){ "valid only from 20", "clock", NULL });
}

static void test_wrong_name(void **state)
{
	struct tls_options options = options_for("b.example");

	(void)state;
	expect_refused(&fixture.other, &options,
		(const char *const[]){ "certificate is for a.example, not b.example", NULL });
	options.host = "a.b.wild.example";
	expect_refused(
		&fixture.good, &options, (const char *const[]){ "not a.b.wild.example", NULL });
}

static void test_self_signed(void **state)
{
	struct server server = { .ident = &fixture.selfsigned };
	struct tls_options options = options_for("mail.example");
	struct tls_facts facts;

	(void)state;
	expect_refused(&fixture.selfsigned, &options,
		(const char *const[]){ "self-signed", "ca-file=", "tls-pin=sha256$", NULL });
	options.verify = false;
	expect_fine(&server, &options, &facts);
	assert_string_not_equal(facts.verified, "ok");

	/* Its pin vouches for it, but not for another name. */
	const char *pins[] = { facts.pin };
	struct tls_facts again;
	options.verify = true;
	options.pins = pins;
	options.pin_count = 1;
	expect_fine(&server, &options, &again);
	options.host = "b.example";
	expect_refused(
		&fixture.selfsigned, &options, (const char *const[]){ "not b.example", NULL });
}

static void test_unknown_issuer(void **state)
{
	struct tls_options options = options_for("mail.example");

	(void)state;
	options.ca_file = NULL;
	options.ca_path = "/var/empty";
	expect_refused(
		&fixture.good, &options, (const char *const[]){ "CN=test CA", "ca-file=", NULL });
}

static void test_pins(void **state)
{
	struct server server = { .ident = &fixture.good };
	struct tls_options options = options_for("mail.example");
	const char *pins[] = {
		"sha256$00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff", NULL
	};
	struct tls_facts facts, again;

	(void)state;
	expect_fine(&server, &options, &facts);
	options.pins = pins;
	options.pin_count = 1;
	expect_refused(
		&fixture.good, &options, (const char *const[]){ facts.pin, "tls-pin", NULL });
	/* A pin holds without verification too. */
	options.verify = false;
	expect_refused(&fixture.good, &options, (const char *const[]){ facts.pin, NULL });
	options.verify = true;
	pins[1] = facts.pin;
	options.pin_count = 2;
	expect_fine(&server, &options, &again);
	/* Does not excuse an expired certificate either. */
	expect_refused(&fixture.expired, &options, (const char *const[]){ "tls-pin", NULL });
}

static void test_versions(void **state)
{
	struct tls_options options = options_for("mail.example");
	struct server old = { .ident = &fixture.good, .max_version = TLS1_1_VERSION };
	struct err err = ERR_INIT;
	struct tls_facts facts;

	(void)state;
	assert_null(
		stream_tls_new(server_start(&old), &options, &facts, clock_ms() + PATIENCE, &err));
	(void)pthread_join(old.thread, NULL);
	assert_int_equal(err.kind, ERR_KIND_TLS);
	assert_non_null(strstr(err.text, "version"));

	options.min_version = "1.0";
	expect_fine(&old, &options, &facts);
	assert_string_equal(facts.version, "1.1");

	options.min_version = "1.4";
	struct server any = { .ident = &fixture.good };
	assert_null(
		stream_tls_new(server_start(&any), &options, &facts, clock_ms() + PATIENCE, &err));
	(void)pthread_join(any.thread, NULL);
	assert_int_equal(err.kind, ERR_KIND_USAGE);
}

static void test_not_tls(void **state)
{
	struct tls_options options = options_for("mail.example");
	struct server server = { .plain = "* OK IMAP4rev1 ready\r\n" };
	struct err err = ERR_INIT;
	struct tls_facts facts;

	(void)state;
	assert_null(stream_tls_new(
		server_start(&server), &options, &facts, clock_ms() + PATIENCE, &err));
	(void)pthread_join(server.thread, NULL);
	assert_int_equal(err.kind, ERR_KIND_TLS);
	assert_non_null(strstr(err.text, "does not speak TLS"));
}

static void test_silent_server(void **state)
{
	struct tls_options options = options_for("mail.example");
	struct stream *near, *far;
	struct err err = ERR_INIT;
	struct tls_facts facts;

	(void)state;
	stream_pair_new(&near, &far);
	assert_null(stream_tls_new(near, &options, &facts, clock_ms() + 50, &err));
	assert_int_equal(err.scope, ERR_CONN);
	assert_non_null(strstr(err.text, "no answer"));
	stream_free(far);
}

/* The trace goes on showing the protocol after STARTTLS. */
static void test_tee_stays_on_top(void **state)
{
	struct server server = { .ident = &fixture.good };
	struct tls_options options = options_for("mail.example");
	char path[] = "/tmp/test_tls_XXXXXX", text[1024] = "";
	struct tls_facts facts;

	(void)state;
	const int fd = mkstemp(path);
	assert_int_equal(stream_trace_open(path, NULL), 0);
	struct wire *wire = wire_new(stream_tee_new(server_start(&server), "src"), PATIENCE);
	assert_int_equal(wire_start_tls(wire, &options, &facts, NULL), 0);
	assert_int_equal(wire_put(wire, SPAN("A1 NOOP\r\n"), NULL), 0);
	assert_int_equal(wire_wait(wire, NULL), 1);
	wire_free(wire);
	(void)pthread_join(server.thread, NULL);
	assert_int_equal(stream_trace_open(NULL, NULL), 0);
	(void)!read(fd, text, sizeof(text) - 1);
	(void)close(fd);
	(void)unlink(path);
	assert_non_null(strstr(text, "src C: A1 NOOP\n"));
	assert_non_null(strstr(text, "src S: * OK ready\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_much),
		cmocka_unit_test(test_tls12_binding),
		cmocka_unit_test(test_cut_off),
		cmocka_unit_test(test_address),
		cmocka_unit_test(test_expired),
		cmocka_unit_test(test_wrong_name),
		cmocka_unit_test(test_self_signed),
		cmocka_unit_test(test_unknown_issuer),
		cmocka_unit_test(test_pins),
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_not_tls),
		cmocka_unit_test(test_silent_server),
		cmocka_unit_test(test_tee_stays_on_top),
	};

	stop_init();
	(void)signal(SIGPIPE, SIG_IGN); /* the server's plain write() */
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
