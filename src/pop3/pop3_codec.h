/*
 * What a POP3 server says, taken apart: replies with their response codes (RFC 1939 §3, RFC 2449 §8, RFC 3206), capabilities (RFC 2449 §5), the lines
 * of LIST and UIDL, the time stamp of APOP, and messages without their dot-stuffing. Pure: no connection, no memory kept.
 *
 * Owner: none; spans point into what was given. Threads: any.
 *
 *	rc = pop3_line(input, POP3_LINE_MAX, &line, &used);     // 1, 0 = more is needed, -1 = too long
 *	pop3_reply_parse(line, &reply);
 */
#ifndef POP3_POP3_CODEC_H
#define POP3_POP3_CODEC_H

#include "base/must.h"
#include "base/span.h"

#define POP3_LINE_MAX 8192 /* RFC 2449 §4 says 512; servers are wordy */
#define POP3_UIDL_MAX 1000 /* RFC 1939 §7 says 70; some give more */

/* The next line without its end, which is CRLF or LF; *used_out counts the end too. 1, 0 = no line end yet, -1 = none within max octets. */
int pop3_line(struct span input, size_t max, struct span *line_out, size_t *used_out) MUST_CHECK;

enum pop3_status { POP3_OK, POP3_ERR, POP3_CONTINUE };

enum pop3_code {
	POP3_CODE_NONE,
	POP3_CODE_IN_USE, /* RFC 2449 §8.1.2 */
	POP3_CODE_LOGIN_DELAY, /* RFC 2449 §8.1.1 */
	POP3_CODE_AUTH, /* RFC 3206 */
	POP3_CODE_SYS_TEMP,
	POP3_CODE_SYS_PERM,
	POP3_CODE_OTHER,
};

struct pop3_reply {
	enum pop3_status status;
	enum pop3_code code;
	struct span text; /* behind status and code; of POP3_CONTINUE: the challenge */
};
/* -1: it is no reply */
int pop3_reply_parse(struct span line, struct pop3_reply *out) MUST_CHECK;

enum pop3_cap {
	POP3_CAP_TOP = 1,
	POP3_CAP_USER = 2,
	POP3_CAP_UIDL = 4,
	POP3_CAP_PIPELINING = 8,
	POP3_CAP_STLS = 16,
	POP3_CAP_RESP_CODES = 32,
	POP3_CAP_UTF8 = 64,
	POP3_CAP_EXPIRE_0 = 128, /* what was read may be deleted at QUIT (RFC 2449 §6.7) */
	POP3_CAP_SASL = 256,
};
/* The bit of one line of CAPA's answer, 0 = none we know; *argument_out is what follows the name. */
unsigned pop3_cap_parse(struct span line, struct span *argument_out);
/* The next word of a line; false at its end. */
bool pop3_word(struct span *rest, struct span *word_out);

/* "3 1200": false if it is not that, or the number is 0. What follows the size is ignored (RFC 1939 §5, scan listing). */
bool pop3_list_parse(struct span line, uint32_t *number_out, uint64_t *size_out);
/* "3 unique-id": the id must have 1 to POP3_UIDL_MAX octets, printable and without blanks. */
bool pop3_uidl_parse(struct span line, uint32_t *number_out, struct span *id_out);

/*
 * "<1896.697170952@dbc.mtview.ca.us>" in a greeting (RFC 1939 §7), or the empty span. It must look like a msg-id of RFC 822: who can choose it
 * freely finds the password out (CVE-2007-1558).
 */
struct span pop3_stamp(struct span greeting);

/*
 * A multi-line answer as it comes, in any cut: without the dots put in front of lines that begin with one, and up to the line with a dot
 * alone. A line ends with CRLF and nothing else (RFC 1939 §3), so that a bare LF before a dot is an octet of the message; only with bare_lf, for servers that end
 * even their replies so, LF ends it too.
 */
struct pop3_unstuff {
	bool bare_lf;
	bool done; /* the end was seen */
	unsigned char state; /* enum in pop3_unstuff.c; 0 = at the beginning of a line */
};
/*
 * The next piece of text in input: *out (may be empty) is borrowed from it or constant; returns how many octets of input are done with. Call again with the rest
 * until input is used up or done is set.
 */
size_t pop3_unstuff(struct pop3_unstuff *unstuff, struct span input, struct span *out);

#endif
