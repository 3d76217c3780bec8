/*
 * Signatures of short texts: Ed25519 (RFC 8032), keys as PEM files, by OpenSSL.
 *
 *	openssl genpkey -algorithm ed25519 -out key.pem; openssl pkey -in key.pem -pubout -out key.pub
 *
 * Owner: none. Threads: any.
 *
 *	if (signature_make("key.pem", text, signature, err) < 0) …
 *	if (signature_check("key.pub", text, signature, err) < 0) …     // ERR_LOCAL kind SAFETY: it is not of this key
 */
#ifndef BASE_SIGNATURE_H
#define BASE_SIGNATURE_H

#include "base/must.h"
#include "base/span.h"

#define SIGNATURE_SIZE 64

struct err;

/* The private key's file must be readable by its owner only (path_read_secret()), and not encrypted. */
int signature_make(const char *key_file, struct span text, unsigned char out[SIGNATURE_SIZE],
	struct err *err) MUST_CHECK;
int signature_check(const char *key_file, struct span text,
	const unsigned char signature[SIGNATURE_SIZE], struct err *err) MUST_CHECK;

#endif
