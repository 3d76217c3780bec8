/* TLS as a layer: OpenSSL between a BIO that is the stream below and a stream that is the caller's. */
#include "net/tls_parts.h"

#include "base/err.h"
#include "base/mem.h"
#include "net/secret.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <string.h>

#define READ_AHEAD (64u << 10) /* several records with one recv() */

struct stream_tls {
	struct stream stream;
	SSL_CTX *ctx;
	SSL *ssl;
	BIO_METHOD *method;
	struct err *err; /* of the call under way, for the BIO to fill */
	bool io_failed; /* it did */
	bool below_ended; /* the stream below ended, close_notify or not */
	bool failed; /* fatal: no close_notify */
	bool established;
	bool drained; /* the last SSL_read() found no whole record */
	int read_wants, write_wants; /* directions SSL_read() and SSL_write() wait for */
};

static int tls_bio_read(BIO *bio, char *data, size_t size, size_t *got_out)
{
	struct stream_tls *layer = BIO_get_data(bio);
	const ssize_t got = stream_read(layer->stream.below, data, size, layer->err);

	BIO_clear_retry_flags(bio);
	*got_out = got > 0 ? (size_t)got : 0;
	if (got == STREAM_AGAIN)
		BIO_set_retry_read(bio);
	if (got == -1)
		layer->io_failed = true;
	if (got == 0)
		layer->below_ended = true;
	return got > 0;
}

static int tls_bio_write(BIO *bio, const char *data, size_t size, size_t *put_out)
{
	struct stream_tls *layer = BIO_get_data(bio);
	const ssize_t put = stream_write(layer->stream.below, data, size, layer->err);

	BIO_clear_retry_flags(bio);
	*put_out = put > 0 ? (size_t)put : 0;
	if (put == STREAM_AGAIN)
		BIO_set_retry_write(bio);
	if (put == -1)
		layer->io_failed = true;
	return put > 0;
}

static long tls_bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
	const struct stream_tls *layer = BIO_get_data(bio);

	(void)number;
	(void)pointer;
	if (command == BIO_CTRL_FLUSH)
		return 1;
	if (command == BIO_CTRL_EOF)
		return layer->below_ended;
	return 0;
}

static const struct {
	int reason;
	const char *text;
} tls_reasons[] = {
	{ SSL_R_WRONG_VERSION_NUMBER,
		"the server does not speak TLS on this port: imap:// is for STARTTLS, imaps:// for TLS from the first byte" },
	{ SSL_R_HTTP_REQUEST, "the server speaks HTTP on this port" },
	{ SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE,
		"the server and we have no cipher in common: see tls-ciphers and tls-ciphersuites" },
	{ SSL_R_NO_CIPHERS_AVAILABLE,
		"tls-ciphers, tls-ciphersuites and the versions allowed leave no cipher" },
	{ SSL_R_DH_KEY_TOO_SMALL, "the server's Diffie-Hellman key is too small to be safe" },
	{ SSL_R_EE_KEY_TOO_SMALL, "the server's key is too small to be safe" },
	{ SSL_R_CA_MD_TOO_WEAK, "the server's certificate is signed with a broken digest" },
	{ SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED,
		"the server asks for a client certificate: add client-cert=FILE and client-key=FILE" },
	{ SSL_R_SSLV3_ALERT_BAD_CERTIFICATE, "the server refuses our client certificate" },
	{ SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN, "the server refuses our client certificate" },
	{ SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED,
		"the server says that our client certificate has expired" },
	{ SSL_R_TLSV1_ALERT_UNKNOWN_CA,
		"the server does not know who issued our client certificate" },
	{ SSL_R_TLSV1_UNRECOGNIZED_NAME, "the server does not know the name we ask for: see sni" },
	{ SSL_R_TLSV1_ALERT_INSUFFICIENT_SECURITY,
		"the server demands stronger encryption than tls-max and tls-ciphers allow" },
};

static bool reason_is_version(int reason)
{
	return reason == SSL_R_UNSUPPORTED_PROTOCOL ||
	       reason == SSL_R_TLSV1_ALERT_PROTOCOL_VERSION || reason == SSL_R_VERSION_TOO_LOW ||
	       reason == SSL_R_VERSION_TOO_HIGH || reason == SSL_R_WRONG_SSL_VERSION ||
	       reason == SSL_R_NO_PROTOCOLS_AVAILABLE;
}

/* What OpenSSL's error queue says, as ERR_ACCOUNT kind TLS, or ERR_CONN where the connection just broke. */
static int tls_explain(struct stream_tls *layer, struct err *err)
{
	const unsigned long code = ERR_peek_error();
	const int reason = ERR_GET_REASON(code);

	layer->failed = true;
	if (layer->io_failed)
		return -1; /* the layer below said it */
	if (code == 0 || reason == SSL_R_UNEXPECTED_EOF_WHILE_READING)
		return err_set_kind(err, ERR_CONN, ERR_KIND_NETWORK,
			layer->established
				? "the server broke the connection off without ending TLS"
				: "the server closed the connection during the TLS handshake");
	if (ERR_GET_LIB(code) != ERR_LIB_SSL) {
		const char *text = ERR_reason_error_string(code);
		return err_set_kind(err, layer->established ? ERR_CONN : ERR_ACCOUNT, ERR_KIND_TLS,
			"TLS failed: %s", text ? text : "unknown reason");
	}
	if (reason_is_version(reason))
		return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_TLS,
			"the server offers no TLS version between tls-min and tls-max (from 1.2 on, unless set otherwise)");
	for (size_t i = 0; i < countof(tls_reasons); i++)
		if (tls_reasons[i].reason == reason)
			return err_set_kind(
				err, ERR_ACCOUNT, ERR_KIND_TLS, "%s", tls_reasons[i].text);

	/* Once established, an alert or a damaged record is the connection's trouble: another one may do. */
	const char *text = ERR_reason_error_string(code);
	return err_set_kind(err, layer->established ? ERR_CONN : ERR_ACCOUNT, ERR_KIND_TLS,
		"TLS failed: %s", text ? text : "unknown reason");
}

static void tls_begin(struct stream_tls *layer, struct err *err)
{
	ERR_clear_error();
	layer->err = err;
	layer->io_failed = false;
}

/* After a call that got nowhere: STREAM_AGAIN (with *wants_out the direction), 0 = ended properly, -1. */
static int tls_result(struct stream_tls *layer, int rc, int *wants_out, struct err *err)
{
	switch (SSL_get_error(layer->ssl, rc)) {
	case SSL_ERROR_WANT_READ:
		*wants_out = STREAM_READ;
		return STREAM_AGAIN;
	case SSL_ERROR_WANT_WRITE:
		*wants_out = STREAM_WRITE;
		return STREAM_AGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	default:
		return tls_explain(layer, err);
	}
}

static ssize_t stream_tls_read(struct stream *stream, void *data, size_t size, struct err *err)
{
	struct stream_tls *layer = (struct stream_tls *)stream;

	tls_begin(layer, err);
	const int got = SSL_read(layer->ssl, data, size > INT_MAX ? INT_MAX : (int)size);
	layer->drained = got <= 0;
	layer->read_wants = STREAM_READ;
	if (got > 0)
		return got;
	return tls_result(layer, got, &layer->read_wants, err);
}

static ssize_t stream_tls_write(
	struct stream *stream, const void *data, size_t size, struct err *err)
{
	struct stream_tls *layer = (struct stream_tls *)stream;

	tls_begin(layer, err);
	const int put = SSL_write(layer->ssl, data, size > INT_MAX ? INT_MAX : (int)size);
	layer->write_wants = STREAM_WRITE;
	if (put > 0)
		return put;

	const int rc = tls_result(layer, put, &layer->write_wants, err);
	if (rc == 0)
		return err_set_kind(
			err, ERR_CONN, ERR_KIND_NETWORK, "the server closed the connection");
	return rc;
}

/* Part of a record does not count: only the rest of it, from below, makes it readable. */
static bool stream_tls_pending(const struct stream *stream)
{
	const struct stream_tls *layer = (const struct stream_tls *)stream;

	return !layer->drained && SSL_has_pending(layer->ssl);
}

static int stream_tls_wants(const struct stream *stream, int want)
{
	const struct stream_tls *layer = (const struct stream_tls *)stream;

	return (want & STREAM_READ ? layer->read_wants : 0) |
	       (want & STREAM_WRITE ? layer->write_wants : 0);
}

static void stream_tls_free(struct stream *stream)
{
	struct stream_tls *layer = (struct stream_tls *)stream;

	if (layer->established && !layer->failed) {
		tls_begin(layer, NULL);
		(void)SSL_shutdown(layer->ssl); /* ours only; theirs is not waited for */
	}
	ERR_clear_error();
	SSL_free(layer->ssl);
	SSL_CTX_free(layer->ctx);
	BIO_meth_free(layer->method);
	mem_free(layer);
}

static const struct stream_ops stream_tls_ops = {
	.name = "TLS",
	.read = stream_tls_read,
	.write = stream_tls_write,
	.pending = stream_tls_pending,
	.wants = stream_tls_wants,
	.free = stream_tls_free,
};

static int tls_version(const char *text, const char *key, int *out, struct err *err)
{
	static const struct {
		const char *text;
		int version;
	} versions[] = {
		{ "1.0", TLS1_VERSION },
		{ "1.1", TLS1_1_VERSION },
		{ "1.2", TLS1_2_VERSION },
		{ "1.3", TLS1_3_VERSION },
	};

	for (size_t i = 0; i < countof(versions); i++) {
		if (strcmp(text, versions[i].text) == 0) {
			*out = versions[i].version;
			return 0;
		}
	}
	return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
		"%s: %s is not a TLS version: 1.0, 1.1, 1.2 and 1.3 are", key, text);
}

static int tls_limit_versions(SSL_CTX *ctx, const struct tls_options *options, struct err *err)
{
	int min = TLS1_2_VERSION, max = 0;

	if (options->min_version && tls_version(options->min_version, "tls-min", &min, err) < 0)
		return -1;
	if (options->max_version && tls_version(options->max_version, "tls-max", &max, err) < 0)
		return -1;
	if (max > 0 && max < min)
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
			"tls-max is below tls-min (1.2 unless set)");
	(void)SSL_CTX_set_min_proto_version(ctx, min);
	(void)SSL_CTX_set_max_proto_version(ctx, max);

	/* 1.0 and 1.1 sign with SHA-1, which OpenSSL allows at level 0 only; whoever lowers the floor means it. */
	if (min < TLS1_2_VERSION)
		SSL_CTX_set_security_level(ctx, 0);
	if (options->ciphers && SSL_CTX_set_cipher_list(ctx, options->ciphers) != 1)
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
			"tls-ciphers: OpenSSL knows no cipher of %s", options->ciphers);
	if (options->ciphersuites && SSL_CTX_set_ciphersuites(ctx, options->ciphersuites) != 1)
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
			"tls-ciphersuites: OpenSSL does not know %s", options->ciphersuites);
	return 0;
}

static int tls_key_password(char *out, int size, int writing, void *argument)
{
	const struct span password = secret_bytes(argument);

	(void)writing;
	if (password.len == 0 || size < 0 || password.len > (size_t)size)
		return -1;
	memcpy(out, password.data, password.len);
	return (int)password.len;
}

static int tls_client_cert(SSL_CTX *ctx, const struct tls_options *options, struct err *err)
{
	const char *key = options->client_key ? options->client_key : options->client_cert;

	if (!options->client_cert)
		return 0;
	SSL_CTX_set_default_passwd_cb(ctx, tls_key_password);
	/* OpenSSL's type lacks the const */
	SSL_CTX_set_default_passwd_cb_userdata(ctx, (void *)options->client_key_password);
	if (SSL_CTX_use_certificate_chain_file(ctx, options->client_cert) != 1)
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
			"client-cert: no certificate can be read from %s", options->client_cert);
	if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
			"client-key: no key can be read from %s: if it is encrypted, add client-key-pass-file",
			key);
	if (SSL_CTX_check_private_key(ctx) != 1)
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
			"client-key: %s does not belong to the certificate", key);
	return 0;
}

static bool host_is_address(const char *host)
{
	unsigned char bytes[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

static int tls_prepare(struct stream_tls *layer, const struct tls_options *options,
	struct tls_check *check, struct err *err)
{
	layer->ctx = SSL_CTX_new(TLS_client_method());
	if (!layer->ctx)
		return err_set(err, ERR_LOCAL, "OpenSSL cannot be used");
	(void)SSL_CTX_set_options(
		layer->ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET);
	(void)SSL_CTX_set_mode(layer->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
						   SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
						   SSL_MODE_RELEASE_BUFFERS);
	(void)SSL_CTX_set_session_cache_mode(layer->ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_default_read_buffer_len(layer->ctx, READ_AHEAD);
	SSL_CTX_set_read_ahead(layer->ctx, 1);
	if (tls_limit_versions(layer->ctx, options, err) < 0 ||
		tls_client_cert(layer->ctx, options, err) < 0 ||
		tls_trust(layer->ctx, options, err) < 0)
		return -1;

	layer->ssl = SSL_new(layer->ctx);
	layer->method = BIO_meth_new(BIO_TYPE_SOURCE_SINK | 0x7f, "stream");
	BIO *bio = NULL;
	if (layer->method && BIO_meth_set_read_ex(layer->method, tls_bio_read) &&
		BIO_meth_set_write_ex(layer->method, tls_bio_write) &&
		BIO_meth_set_ctrl(layer->method, tls_bio_ctrl))
		bio = BIO_new(layer->method);
	if (!layer->ssl || !bio) {
		BIO_free(bio);
		return err_set(err, ERR_LOCAL, "OpenSSL cannot be used");
	}
	BIO_set_data(bio, layer);
	BIO_set_init(bio, 1);
	SSL_set_bio(layer->ssl, bio, bio);

	const char *sni = options->sni ? options->sni : options->host;
	if (sni && !host_is_address(sni) && SSL_set_tlsext_host_name(layer->ssl, sni) != 1)
		return err_set_kind(
			err, ERR_LOCAL, ERR_KIND_USAGE, "sni: %s is not a host name", sni);
	return tls_check_attach(check, layer->ctx, layer->ssl, err);
}

static int tls_handshake(
	struct stream_tls *layer, const struct tls_check *check, int64_t deadline, struct err *err)
{
	for (;;) {
		int wants = STREAM_READ;

		tls_begin(layer, err);
		const int rc = SSL_connect(layer->ssl);
		if (rc == 1)
			return 0;
		if (check->refused) {
			layer->failed = true;
			return tls_check_explain(check, err);
		}
		const int result = tls_result(layer, rc, &wants, err);
		if (result != STREAM_AGAIN)
			return result < 0 ? -1 : tls_explain(layer, err);
		if (stream_wait(layer->stream.below, wants, deadline, err) < 0)
			return err_wrap(err, "TLS handshake");
	}
}

/*
 * Channel bindings: tls-exporter (RFC 9266) for 1.3; tls-unique (RFC 5929 §3) below, the client's Finished as no session is resumed,
 * and only with the extended master secret, without which it can be forged (RFC 7627).
 */
static void tls_bindings(SSL *ssl, struct tls_facts *facts)
{
	static const char label[] = "EXPORTER-Channel-Binding";

	if (SSL_version(ssl) >= TLS1_3_VERSION) {
		facts->has_exporter =
			SSL_export_keying_material(ssl, facts->exporter, sizeof(facts->exporter),
				label, sizeof(label) - 1, (const unsigned char *)"", 0, 1) == 1;
		return;
	}
	if (SSL_get_extms_support(ssl) != 1 || SSL_session_reused(ssl))
		return;
	facts->unique_len = SSL_get_finished(ssl, facts->unique, sizeof(facts->unique));
	if (facts->unique_len > sizeof(facts->unique))
		facts->unique_len = 0;
}

static void tls_established(struct stream_tls *layer, struct tls_facts *facts)
{
	const char *version = SSL_get_version(layer->ssl);

	layer->established = true;
	(void)snprintf(facts->version, sizeof(facts->version), "%s",
		strncmp(version, "TLSv", 4) == 0 ? version + 4 : version);
	if (strcmp(facts->version, "1") == 0)
		(void)snprintf(facts->version, sizeof(facts->version), "1.0");
	(void)snprintf(facts->cipher, sizeof(facts->cipher), "%s", SSL_get_cipher_name(layer->ssl));
	tls_bindings(layer->ssl, facts);
	/* The options are the caller's and may be gone when the server speaks next. */
	SSL_set_app_data(layer->ssl, NULL);
}

struct stream *stream_tls_new(struct stream *below, const struct tls_options *options,
	struct tls_facts *facts, int64_t deadline, struct err *err)
{
	struct stream_tls *layer = mem_alloc(sizeof(*layer));
	struct stream *point = stream_insert_point(below);
	struct tls_check check = { .options = options, .facts = facts };

	*facts = (struct tls_facts){ .has_exporter = false };
	layer->stream = (struct stream){
		.ops = &stream_tls_ops,
		.below = point,
		.read_fd = point->read_fd,
		.write_fd = point->write_fd,
	};
	layer->read_wants = STREAM_READ;
	layer->write_wants = STREAM_WRITE;
	const int rc = tls_prepare(layer, options, &check, err) < 0
			       ? -1
			       : tls_handshake(layer, &check, deadline, err);
	if (rc == 0)
		tls_established(layer, facts);

	struct stream *top = stream_insert(below, &layer->stream);
	if (rc == 0)
		return top;
	stream_free(top);
	return NULL;
}
