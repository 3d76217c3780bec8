/* SHA-256 through OpenSSL, and the text codings around it (RFC 4648). */

/*
 * The functions of SHA256_*, which OpenSSL 3 calls deprecated but keeps: they need no provider, whose start alone costs a megabyte of memory
 * and each of whose contexts costs more than the header it would digest. Where SHA-256 protects something (TLS, SASL), net/ uses EVP.
 */
#define OPENSSL_API_COMPAT 10101

#include "base/digest.h"

#include "base/buf.h"
#include "base/mem.h"

#include <openssl/sha.h>
#include <string.h>

struct digest {
	SHA256_CTX ctx;
};

struct digest *digest_new(void)
{
	struct digest *digest = mem_alloc(sizeof(*digest));

	SHA256_Init(&digest->ctx);
	return digest;
}

void digest_free(struct digest *digest)
{
	mem_free(digest);
}

void digest_reset(struct digest *digest)
{
	SHA256_Init(&digest->ctx);
}

void digest_add(struct digest *digest, struct span bytes)
{
	if (bytes.len > 0)
		SHA256_Update(&digest->ctx, bytes.data, bytes.len);
}

void digest_end(struct digest *digest, unsigned char out[DIGEST_SIZE])
{
	SHA256_Final(out, &digest->ctx);
	SHA256_Init(&digest->ctx);
}

struct digest128 digest_end128(struct digest *digest)
{
	unsigned char full[DIGEST_SIZE];
	struct digest128 cut;

	digest_end(digest, full);
	memcpy(&cut, full, sizeof(cut));
	if (!digest128_known(cut))
		cut.word[0] = 1;
	return cut;
}

void digest_bytes(struct span bytes, unsigned char out[DIGEST_SIZE])
{
	struct digest digest;

	digest_reset(&digest);
	digest_add(&digest, bytes);
	digest_end(&digest, out);
}

bool digest128_equal(struct digest128 a, struct digest128 b)
{
	return a.word[0] == b.word[0] && a.word[1] == b.word[1];
}

bool digest128_known(struct digest128 a)
{
	return (a.word[0] | a.word[1]) != 0;
}

int digest128_compare(struct digest128 a, struct digest128 b)
{
	if (a.word[0] != b.word[0])
		return a.word[0] < b.word[0] ? -1 : 1;
	if (a.word[1] != b.word[1])
		return a.word[1] < b.word[1] ? -1 : 1;
	return 0;
}

void digest_hex(const unsigned char *bytes, size_t len, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		out[2 * i] = digits[bytes[i] >> 4];
		out[2 * i + 1] = digits[bytes[i] & 15];
	}
	out[2 * len] = '\0';
}

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int base64_encode(struct span bytes, struct buf *out)
{
	char *to;

	if (bytes.len > SIZE_MAX / 2 || buf_reserve(out, (bytes.len + 2) / 3 * 4) < 0)
		return -1;
	if (bytes.len == 0)
		return 0;
	to = out->data + out->len;
	for (size_t i = 0; i < bytes.len; i += 3) {
		const unsigned char *from = (const unsigned char *)bytes.data + i;
		size_t left = bytes.len - i;
		uint32_t bits = (uint32_t)from[0] << 16 | (left > 1 ? (uint32_t)from[1] << 8 : 0) |
				(left > 2 ? from[2] : 0);

		*to++ = alphabet[bits >> 18];
		*to++ = alphabet[bits >> 12 & 63];
		*to++ = left > 1 ? alphabet[bits >> 6 & 63] : '=';
		*to++ = left > 2 ? alphabet[bits & 63] : '=';
	}
	out->len += (bytes.len + 2) / 3 * 4;
	return 0;
}

static int base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

struct decoder {
	uint32_t bits;
	unsigned digits, pads; /* of the group of four that is being read */
	bool ended; /* a group had padding: nothing may follow */
};

static int decode_char(struct decoder *decoder, char c, struct buf *out)
{
	int value = c == '=' ? 0 : base64_value(c);

	if (value < 0 || decoder->ended || (decoder->pads > 0 && c != '='))
		return -1;
	decoder->bits = decoder->bits << 6 | (uint32_t)value;
	decoder->digits++;
	decoder->pads += c == '=';
	if (decoder->pads > 0 && decoder->digits < 3)
		return -1;
	if (decoder->digits < 4)
		return 0;
	for (unsigned i = 0; i < 3 - decoder->pads; i++) {
		if (buf_add_char(out, (char)(decoder->bits >> (16 - 8 * i) & 0xff)) < 0)
			return -1;
	}
	*decoder = (struct decoder){ .ended = decoder->pads > 0 };
	return 0;
}

int base64_decode(struct span text, struct buf *out)
{
	struct decoder decoder = { 0 };
	size_t before = out->len;
	int rc = 0;

	for (size_t i = 0; i < text.len && rc == 0; i++) {
		char c = text.data[i];

		if (c != ' ' && c != '\t' && c != '\r' && c != '\n')
			rc = decode_char(&decoder, c, out);
	}
	if (rc == 0 && decoder.digits == 0)
		return 0;
	out->len = before;
	return -1;
}
