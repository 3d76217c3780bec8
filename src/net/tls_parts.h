/*
 * The judgement of a certificate, kept apart from the pipe. For src/net/stream_tls.c and src/net/tls_verify.c only.
 *
 * Owner: the handshake. Lifetime: as long as it takes. Threads: one at a time.
 */
#ifndef NET_TLS_PARTS_H
#define NET_TLS_PARTS_H

#include "net/tls.h"

#include <openssl/ssl.h>

struct tls_check {
	const struct tls_options *options;
	struct tls_facts *facts;
	bool pinned; /* one of the pins is the peer's */
	bool excused; /* and stands in for an issuer we trust */
	bool refused;
	int problem, depth; /* X509_V_ERR_…, and how far up the chain; 0 = none */
	int64_t bad_date; /* the date that the problem is about */
	char bad_name[256]; /* subject (above the leaf) or issuer the problem is about; harmless */
};

/* Makes the SSL session check the peer by `check`, which must outlive the handshake. */
int tls_check_attach(struct tls_check *check, SSL_CTX *ctx, SSL *ssl, struct err *err) MUST_CHECK;
/* Why the peer was refused, and what helps: -1 with ERR_ACCOUNT kind TLS. */
int tls_check_explain(const struct tls_check *check, struct err *err);
/* Where to look for trusted roots: ca_file and ca_path if given, else the system's. */
int tls_trust(SSL_CTX *ctx, const struct tls_options *options, struct err *err) MUST_CHECK;

#endif
