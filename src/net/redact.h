/*
 * What was sent and must not be written down, though the other side says it back: passwords and tokens in the forms they go out in, and the
 * answers of SASL. Looked for in what is traced and in what a server says of an error, and blotted out there; what is read for its meaning
 * stays as it is, for a mailbox may be called like a password.
 *
 * Owner: the wire. Lifetime: redact_free(), which wipes. Threads: one at a time.
 *
 *	redact_secret(redact, secret_bytes(password));
 *	redact_apply(redact, err->text, strlen(err->text));
 */
#ifndef NET_REDACT_H
#define NET_REDACT_H

#include "base/span.h"

struct redact;

struct redact *redact_new(void);
void redact_free(struct redact *redact); /* accepts NULL */
/* These octets as they are; what is shorter than four would be found everywhere, and is not taken. */
void redact_add(struct redact *redact, struct span bytes);
/* A secret: as it is, as a quoted string, and wherever base64 of a longer text can hold it. */
void redact_secret(struct redact *redact, struct span secret);
/* Overwrites with '*' what it finds, also the beginning of it at the very end, where a text may have been cut. redact may be NULL. */
void redact_apply(const struct redact *redact, char *text, size_t len);

#endif
