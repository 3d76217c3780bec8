/*
 * Headers as a stream: the digest that identifies a message by the headers carriage does not rewrite, and the digest of its
 * content. Both are computed while bytes stream by, in any chunking, in constant memory.
 *
 * Header digest, version 1: for each of Date, From, To, Cc, Subject, Message-ID, In-Reply-To, References (without case) all values in
 * order of appearance, unfolded (RFC 5322 §2.2.3), runs of blanks as one, trimmed; hashed per name, then over the names in that order.
 * A whole message, its header alone and an answer to HEADER.FIELDS of those names give the same digest.
 * Content digest, version 1: the header digest, then every byte behind the first empty line with bare LF counted as CRLF.
 *
 * Owner: the caller. Threads: one at a time.
 *
 *	struct header_scan *scan = header_scan_new(true);
 *	header_scan_add(scan, chunk); …
 *	header_scan_end(scan, &facts);      // and is ready for the next message
 */
#ifndef MAIL_HEADER_H
#define MAIL_HEADER_H

#include "base/digest.h"
#include "base/span.h"

#define HEADER_DIGEST_VERSION 1
#define HEADER_DIGEST_FIELDS "DATE FROM TO CC SUBJECT MESSAGE-ID IN-REPLY-TO REFERENCES"

struct header_facts {
	struct digest128 header; /* always set, also for a message without header */
	struct digest128 content; /* all zero unless want_content */
	uint64_t size; /* octets fed */
	bool has_message_id;
	bool has_nul, has_bare_lf, has_bare_cr; /* anywhere in the message */
	bool has_open_line; /* the last line has no line end */
	bool has_8bit_header;
	uint32_t longest_line; /* octets without line end */
};

struct header_scan;

struct header_scan *header_scan_new(bool want_content);
/* Digest by the values of other headers (--match header:A,B or message-id). Returns the same scan type. */
struct header_scan *header_scan_new_fields(
	bool want_content, const char *const *names, size_t count);
void header_scan_free(struct header_scan *scan);
void header_scan_add(struct header_scan *scan, struct span chunk);
void header_scan_end(struct header_scan *scan, struct header_facts *out);

#endif
