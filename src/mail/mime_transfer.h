/*
 * Transfer encodings and charsets of text parts as streams (RFC 2045 §6, RFC 2046 §4.1.2). What cannot be decoded is passed over (base64) or stays
 * (quoted-printable, charsets that are not known).
 *
 * Owner: the caller. Threads: one at a time.
 *
 *	mime_transfer_begin(&transfer, SPAN("base64"), SPAN("iso-8859-1"));
 *	mime_transfer_add(&transfer, bytes, &out); …
 *	mime_transfer_end(&transfer);
 */
#ifndef MAIL_MIME_TRANSFER_H
#define MAIL_MIME_TRANSFER_H

#include "base/buf.h"

#include <iconv.h>

#define MIME_TRANSFER_GROWTH 4 /* an octet becomes at most so many … */
#define MIME_TRANSFER_REST 64 /* … and what was held back so many in all */

enum mime_encoding { MIME_IDENTITY, MIME_BASE64, MIME_QUOTED };

struct mime_transfer {
	enum mime_encoding encoding;
	uint32_t bits; /* base64 */
	unsigned digits;
	char held[3]; /* quoted-printable: "=" and what followed it so far */
	unsigned held_count;
	iconv_t charset; /* kept for the next part of the same charset */
	char name[48]; /* of it; "" = none is open */
	bool converts;
	struct buf plain; /* between the two */
};

enum mime_encoding mime_encoding_of(struct span name); /* "" is MIME_IDENTITY */
void mime_transfer_init(struct mime_transfer *transfer);
void mime_transfer_release(struct mime_transfer *transfer);
void mime_transfer_begin(struct mime_transfer *transfer, struct span encoding, struct span charset);
/* Appends; out needs a cap with room for MIME_TRANSFER_GROWTH times the bytes, at most 65,536, and MIME_TRANSFER_REST (less ends the program). */
void mime_transfer_add(struct mime_transfer *transfer, struct span bytes, struct buf *out);
void mime_transfer_end(struct mime_transfer *transfer, struct buf *out);

#endif
