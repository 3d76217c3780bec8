/*
 * The text of a message as a person reads it, while its octets stream by in any chunking: header fields unfolded (RFC 5322 §2.2.3), text parts with base64 and
 * quoted-printable undone (RFC 2045 §6) and in UTF-8 where their charset is a known one. Encoded words in fields (RFC 2047) are left to the reader.
 *
 * Memory is bounded: what goes beyond MIME_FIELD_MAX octets of a field is left out, multiparts are entered to a depth of MIME_DEPTH_MAX. Parts that are neither text nor message are passed
 * over. A multipart without a boundary, or one too deep, is taken for text.
 *
 * Owner: the caller. Threads: one at a time.
 *
 *	mime_text_begin(mime);
 *	while (… chunk …)
 *		while (mime_text_next(mime, &chunk, &piece)) …    // piece.text is borrowed until the next call
 *	while (mime_text_end(mime, &piece)) …
 */
#ifndef MAIL_MIME_TEXT_H
#define MAIL_MIME_TEXT_H

#include "base/span.h"

#define MIME_FIELD_MAX 65536
#define MIME_DEPTH_MAX 32

enum mime_kind {
	MIME_FIELD, /* of the message's own header: "Name: value" */
	MIME_HEADER_END, /* of the message: comes once, always */
	MIME_PART_FIELD, /* of the header of a part, or of a message within */
	MIME_TEXT, /* of a text part: whole characters, if it is UTF-8 */
	MIME_TEXT_END, /* what follows is another text */
};

struct mime_piece {
	enum mime_kind kind;
	struct span text;
};

struct mime_text;

struct mime_text *mime_text_new(void);
void mime_text_free(struct mime_text *mime); /* accepts NULL */
void mime_text_begin(struct mime_text *mime); /* another message */
/* Takes octets off the front of the chunk until there is a piece; false: the chunk is used up. */
bool mime_text_next(struct mime_text *mime, struct span *chunk, struct mime_piece *out);
/* The message has ended: what is left, then false. */
bool mime_text_end(struct mime_text *mime, struct mime_piece *out);

/* The value of a parameter of a field (RFC 2045 §5.1): a token or a quoted string; "" when it is not there, or too long. */
void mime_parameter(struct span value, const char *name, char *to, size_t size);

#endif
