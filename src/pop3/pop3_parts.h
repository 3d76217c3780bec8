/*
 * What the session's own files share: pop3.c (commands and answers) and pop3_login.c (the way in). Not for anybody else, but for tests.
 *
 * Owner: the session. Threads: one at a time.
 */
#ifndef POP3_POP3_PARTS_H
#define POP3_POP3_PARTS_H

#include "base/buf.h"
#include "base/err.h"
#include "pop3/pop3.h"

struct pop3 {
	struct wire *wire;
	bool failed; /* sticky: fault says why */
	struct err fault;
	int64_t timeout_ms;
	int64_t deadline; /* of a step of the login, against servers that drip; 0 = none */

	/* Commands in order: those sent first, then those that wait for their turn. Bits of shape as bytes. */
	struct buf shapes; /* an enum pop3_shape a command */
	struct buf waiting; /* text of those not sent yet, with CRLF */
	size_t sent; /* of shapes */

	/* reading */
	struct buf line; /* the reply, or the line of an answer, that is handed out */
	bool in_body;
	struct pop3_unstuff unstuff;
	size_t held; /* octets of the wire handed out by pop3_body() and still to be consumed */
	/* Against servers that drip: waited for the rest of this answer, and what came meanwhile. */
	int64_t waited_ms;
	uint64_t waited_octets;

	/* what the server said about itself */
	bool told;
	unsigned caps; /* enum pop3_cap bits */
	uint32_t login_delay_s;
	struct buf mechanisms; /* names behind SASL, separated by blanks */
	char *disabled;
	bool entered; /* logged in: QUIT means something */
	bool marked; /* a DELE was sent */
};

int pop3_wait(struct pop3 *pop3, struct err *err) MUST_CHECK;
/* Reads a reply that no command asked for: the greeting, and the steps of AUTH. */
int pop3_reply(struct pop3 *pop3, struct pop3_reply *out, struct err *err) MUST_CHECK;
/* The command is octets with a secret in them; nothing else may be in flight. */
int pop3_put_secret(struct pop3 *pop3, struct span line, struct err *err) MUST_CHECK;
bool pop3_is_disabled(const struct pop3 *pop3, struct span name);
/* Drops all that a server (or somebody in between) said before TLS. */
void pop3_forget(struct pop3 *pop3);
/* From greeting to logged in: what pop3_open() does after dialling. */
int pop3_enter(struct pop3 *pop3, const struct pop3_options *options, struct pop3_facts *facts,
	struct err *err) MUST_CHECK;

#endif
