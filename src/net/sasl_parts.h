/*
 * What a mechanism's implementation shows to sasl.c. For src/net/sasl*.c only.
 *
 * Owner: struct sasl. Threads: one at a time.
 */
#ifndef NET_SASL_PARTS_H
#define NET_SASL_PARTS_H

#include "net/sasl.h"

#include <gsasl.h>

#define SASL_CAP 65536 /* octets of one challenge or answer */

struct sasl_engine {
	int (*open)(struct sasl *sasl, struct err *err);
	/* Decoded challenge in, raw answer out. 1 = more may come, 0 = done, -1. */
	int (*step)(struct sasl *sasl, struct span challenge, struct buf *out, struct err *err);
	void (*close)(struct sasl *sasl);
};

struct sasl {
	const struct sasl_mechanism *mechanism;
	const struct sasl_engine *engine;
	char *user, *admin, *host, *service;
	const struct secret *password, *token;
	uint16_t port;
	const struct tls_facts *tls; /* borrowed, used by open() only */
	unsigned steps;
	bool done; /* the mechanism has all it wanted */
	bool token_expired;
	Gsasl *gsasl;
	Gsasl_session *session;
};

extern const struct sasl_engine sasl_gnu, sasl_oauth, sasl_trusted_app, sasl_kerio;

#endif
