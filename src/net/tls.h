/*
 * TLS by OpenSSL, as a layer on any stream: verification with host name on, SPKI pins, client certificates, version floor.
 *
 * Owner: the stream owns the session; facts are the caller's. Threads: one at a time per stream.
 */
#ifndef NET_TLS_H
#define NET_TLS_H

#include "net/stream.h"

struct secret;

struct tls_options {
	/* checked against the certificate (RFC 6125) and sent as SNI unless sni is set */
	const char *host;
	const char *sni;
	bool verify; /* false: the caller warns */
	const char *min_version, *max_version; /* "1.0" … "1.3"; NULL min = 1.2 */
	const char *ciphers; /* TLS 1.2 and below, OpenSSL syntax */
	const char *ciphersuites; /* TLS 1.3 */
	const char *const *
		pins; /* "sha256$HEX" of the SubjectPublicKeyInfo. One must match, verify or not; a match stands
					in for a trusted issuer (self-signed), never for the right name or date */
	size_t pin_count;
	const char *ca_file, *ca_path;
	const char *client_cert, *client_key;
	const struct secret *client_key_password;
};

struct tls_facts {
	char version[16], cipher[64];
	char subject[256], issuer[256], names[512]; /* made harmless */
	int64_t not_before, not_after; /* instants */
	char pin[80]; /* "sha256$HEX" of the peer's key */
	char verified[160]; /* "ok" or why not */
	/* Channel bindings for SCRAM-PLUS: tls-exporter (RFC 9266) with 1.3, tls-unique (RFC 5929) below. */
	unsigned char exporter[32], unique[64];
	size_t unique_len;
	bool has_exporter;
};

/*
 * Shakes hands within the deadline. NULL: ERR_ACCOUNT kind TLS (not trusted: expired / self-signed / wrong name / wrong pin / too old, and what
 * to do about it) or ERR_CONN kind NETWORK. `below` is freed on failure.
 */
struct stream *stream_tls_new(struct stream *below, const struct tls_options *options,
	struct tls_facts *facts, int64_t deadline, struct err *err);

#endif
