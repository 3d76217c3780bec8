/*
 * SHA-256, whole or cut to 128 bits for columns in memory, and small text codings (hex, base64).
 *
 * Owner: the caller. Threads: one at a time per context.
 */
#ifndef BASE_DIGEST_H
#define BASE_DIGEST_H

#include "base/must.h"
#include "base/span.h"

#define DIGEST_SIZE 32

/* The first 16 octets of a SHA-256: enough to tell 2^60 messages apart, half the memory. All zero = not known. */
struct digest128 {
	uint64_t word[2];
};

struct digest; /* a running SHA-256 (OpenSSL EVP) */

struct digest *digest_new(void);
void digest_free(struct digest *digest);
void digest_reset(struct digest *digest);
void digest_add(struct digest *digest, struct span bytes);
void digest_end(struct digest *digest, unsigned char out[DIGEST_SIZE]); /* and resets */
struct digest128 digest_end128(struct digest *digest); /* and resets; never all zero */

void digest_bytes(struct span bytes, unsigned char out[DIGEST_SIZE]);
bool digest128_equal(struct digest128 a, struct digest128 b);
bool digest128_known(struct digest128 a);
int digest128_compare(struct digest128 a, struct digest128 b);

/* out has room for 2 * len + 1. */
void digest_hex(const unsigned char *bytes, size_t len, char *out);

struct buf;
/* -1 at the buffer's cap. */
int base64_encode(struct span bytes, struct buf *out) MUST_CHECK;
/* -1 on a byte outside the alphabet or bad padding (white space is skipped). */
int base64_decode(struct span text, struct buf *out) MUST_CHECK;

#endif
