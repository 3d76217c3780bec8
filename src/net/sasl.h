/*
 * SASL as a pull: choose a mechanism, then base64 in, base64 out (RFC 4422, RFC 4959). GNU SASL does SCRAM, PLAIN, LOGIN, CRAM-MD5,
 * DIGEST-MD5, EXTERNAL, GSSAPI, NTLM; OAUTHBEARER (RFC 7628), XOAUTH2, XGWTRUSTEDAPP and X-MASTERAUTH are ours.
 *
 * Owner: the caller. Threads: one at a time.
 */
#ifndef NET_SASL_H
#define NET_SASL_H

#include "base/must.h"
#include "base/span.h"

struct buf;
struct err;
struct secret;
struct tls_facts;

struct sasl_options {
	const char *user; /* whose mailbox */
	/* log in as this one on user's behalf (authorization identity); NULL = none */
	const char *admin;
	/* of user, or of admin when set; xgwtrustedapp: "NAME KEY", or the key if admin is the name */
	const struct secret *password;
	const struct secret *token; /* OAuth access token */
	const char *host;
	const char *service; /* "imap", "pop" */
	uint16_t port;
	const struct tls_facts *tls; /* NULL on a clear-text connection */
};

enum sasl_trait {
	SASL_NEEDS_PASSWORD = 1,
	SASL_NEEDS_TOKEN = 2,
	SASL_CLEAR_TEXT = 4, /* whoever reads the wire has the secret */
	SASL_BINDS_CHANNEL = 8,
	SASL_CARRIES_AUTHZID = 16,
	/* IMAP's LOGIN, not AUTHENTICATE: what remains when no mechanism is offered */
	SASL_LOGIN_COMMAND = 32,
	SASL_ONLY_IF_NAMED = 64, /* never chosen unless the user names it */
	SASL_PROVES_SERVER = 128, /* sasl_finish() insists on the server's proof */
	/* Not listed among the server's mechanisms, and not quite SASL: */
	/* `wire` is the command itself instead of AUTHENTICATE; challenges and answers are plain text, not base64 */
	SASL_OWN_COMMAND = 256,
	/* then LOGIN user "" says whose mailbox (GroupWise trusted application) */
	SASL_THEN_LOGIN = 512,
	SASL_THEN_SETUSER = 1024, /* then X-SETUSER "user" does (Kerio master password) */
};

struct sasl_mechanism {
	const char *key; /* as in the auth option: "scram-sha-256-plus" */
	const char *wire; /* "SCRAM-SHA-256-PLUS" */
	unsigned traits; /* enum sasl_trait bits */
};

/* All mechanisms, strongest first; ends with key NULL. */
const struct sasl_mechanism *sasl_mechanisms(void);
const struct sasl_mechanism *sasl_find(const char *key);
/*
 * The mechanism to use: the first of `wanted` (the user's list; empty = strongest first) that the server offers (wire names), that fits the
 * secrets at hand and the admin setting, and sends no clear-text secret over a clear-text connection (tls NULL) unless clear_ok.
 * LOGINDISABLED rules out the LOGIN command. NULL: ERR_ACCOUNT kind AUTH saying what was offered and what would help
 * (ERR_KIND_USAGE when admin is set and the only named mechanism carries no authorization identity).
 */
struct sasl_choice {
	const char *const *wanted;
	size_t wanted_count;
	const struct span *offered;
	size_t offered_count;
	bool login_disabled;
	bool clear_ok; /* tls=none was asked for */
};
const struct sasl_mechanism *sasl_choose(
	const struct sasl_choice *choice, const struct sasl_options *options, struct err *err);

struct sasl;
/* The options are copied, except for the secrets, which are borrowed until sasl_free(). NULL for SASL_LOGIN_COMMAND: there is nothing to step through. */
struct sasl *sasl_new(const struct sasl_mechanism *mechanism, const struct sasl_options *options,
	struct err *err);
void sasl_free(struct sasl *sasl);
bool sasl_client_first(const struct sasl *sasl); /* may send an initial response (RFC 4959) */
/* The server's challenge as base64 (empty at first) → our answer as base64 in out (cleared first; "=" = empty initial response; holds secrets: wire_put_secret(), then wipe). 1 = more may come, 0 = done, -1. */
int sasl_step(
	struct sasl *sasl, struct span challenge, struct buf *out, struct err *err) MUST_CHECK;
/* After OK: did the server prove itself where the mechanism lets it (SCRAM's v=)? -1 with ERR_ACCOUNT if not. */
int sasl_finish(struct sasl *sasl, struct err *err) MUST_CHECK;
/* the error challenge of OAUTHBEARER/XOAUTH2 said so (status 401 / invalid_token) */
bool sasl_token_expired(const struct sasl *sasl);

#endif
