/*
 * A POP3 session (RFC 1939): commands are queued and answered in order by pulling. Where the server has PIPELINING (RFC 2449 §6.6) many may be
 * under way; otherwise the next one leaves when the one before is answered, and the caller need not care.
 *
 * Owner: its store. Lifetime: pop3_open() to pop3_close(). Lines and chunks are borrowed until the next call. Threads: one at a time.
 *
 *	pop3_send(pop3, POP3_MULTI, err, "RETR %u", number);
 *	if (pop3_next(pop3, &reply, err) == 0 && reply.status == POP3_OK)
 *		while ((rc = pop3_body(pop3, &chunk, err)) > 0) …
 */
#ifndef POP3_POP3_H
#define POP3_POP3_H

#include "net/dial.h"
#include "net/sasl.h"
#include "net/tls.h"
#include "pop3/pop3_codec.h"

struct err;
struct pop3;

enum pop3_tls { POP3_TLS_IMPLICIT, POP3_TLS_STLS, POP3_TLS_NONE };

/* What to do to get in; borrowed for the time of pop3_open() only. */
struct pop3_options {
	struct dial_options dial;
	enum pop3_tls tls;
	struct tls_options tls_options;
	struct sasl_options sasl;
	const char *const *mechanisms; /* keys the user named; empty = strongest first */
	size_t mechanism_count;
	bool apop; /* auth=apop is among those named */
	bool want_utf8; /* internationalised headers as they are (RFC 6856 §2), if offered */
	const char *disable; /* capability names treated as not offered (quirk key), or NULL */
	int64_t timeout_ms; /* longest silence */
};

/* What was learned on the way. Times in microseconds, 0 = did not happen. */
struct pop3_facts {
	struct dial_facts dial;
	struct tls_facts tls;
	bool has_tls;
	int64_t tls_us, greeting_us, login_us, ready_us;
	/* made harmless; capabilities: their lines, separated by ", " */
	char greeting[256], mechanism[32], server_id[256], offered[256], capabilities[512];
	bool token_expired; /* the login failed because the token was too old */
};

/* Connects, switches TLS on, logs in: pop3_login.c. NULL: as dial.h, tls.h, sasl.h say; BUSY where the server has the maildrop locked or wants a pause. */
struct pop3 *pop3_open(
	const struct pop3_options *options, struct pop3_facts *facts, struct err *err);
/* A session on a stream that is there already, before its greeting (tests). Takes the stream. */
struct pop3 *pop3_new(struct stream *stream, int64_t timeout_ms);
/*
 * QUIT if that costs no wait and deletes nothing: not after a DELE, and not where what was read is deleted by it (EXPIRE 0). Accepts NULL.
 */
void pop3_close(struct pop3 *pop3);

bool pop3_has(const struct pop3 *pop3, enum pop3_cap cap);
/* A command that the server has though it was not announced, or has not though it was. */
void pop3_set(struct pop3 *pop3, enum pop3_cap cap, bool has);
bool pop3_told(const struct pop3 *pop3); /* CAPA was answered */
struct wire *pop3_wire(struct pop3 *pop3);
/* Blots out of the server's words what was sent to it in secret: some servers say it back. */
void pop3_blot(const struct pop3 *pop3, char *text);

enum pop3_shape { POP3_SINGLE, POP3_MULTI }; /* of the answer, if it is +OK */

/* Queues a command; it leaves with the next wait or pop3_push(). Octets of our own only. */
int pop3_send(struct pop3 *pop3, enum pop3_shape shape, struct err *err, const char *fmt, ...)
	MUST_FORMAT(4, 5) MUST_CHECK;
int pop3_push(struct pop3 *pop3, struct err *err) MUST_CHECK; /* without waiting */
size_t pop3_in_flight(const struct pop3 *pop3); /* queued or sent, and not answered */
/*
 * The answer to the oldest command: 0, or -1 when the connection is no good any more (ERR_CONN). The rest of the answer before it is skipped.
 */
int pop3_next(struct pop3 *pop3, struct pop3_reply *out, struct err *err) MUST_CHECK;
/* pop3_next() or pop3_body() would hardly wait */
bool pop3_ready(struct pop3 *pop3);
/* Octets of the current multi-line answer, dots removed: 1 = a chunk, 0 = all read, -1. */
int pop3_body(struct pop3 *pop3, struct span *chunk_out, struct err *err) MUST_CHECK;
/* The same by lines, for LIST, UIDL and CAPA: 1, 0, -1 (also for one longer than POP3_LINE_MAX). */
int pop3_body_line(struct pop3 *pop3, struct span *line_out, struct err *err) MUST_CHECK;
/*
 * Makes an error of a -ERR: ERR_CONN kind BUSY for what passes ([IN-USE], [LOGIN-DELAY], [SYS/TEMP]), ERR_ACCOUNT kind AUTH for [AUTH], ERR_ACCOUNT for
 * [SYS/PERM], ERR_MAILBOX for all else. -1.
 */
int pop3_refusal(const struct pop3 *pop3, const struct pop3_reply *reply, struct err *err);
/* Sends a single-line command and waits: 0, or -1 with pop3_refusal() or worse. Nothing may be in flight. */
int pop3_command(struct pop3 *pop3, struct err *err, const char *fmt, ...)
	MUST_FORMAT(3, 4) MUST_CHECK;
/* Takes all back that was marked by DELE in this session by ending it without QUIT: RFC 1939 §6. Nothing more can be sent. */
void pop3_abandon(struct pop3 *pop3);

#endif
