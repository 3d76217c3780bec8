/*
 * Secrets: passwords and tokens. Wiped on free, kept out of core dumps, never formatted.
 *
 * Owner: the account. Threads: read by any, changed by one.
 */
#ifndef NET_SECRET_H
#define NET_SECRET_H

#include "base/must.h"
#include "base/span.h"

struct secret;

struct secret *secret_new(struct span bytes); /* copies; the caller wipes its own */
void secret_free(struct secret *secret); /* accepts NULL */
/* also NUL-terminated behind len; borrowed; NULL gives the empty span */
struct span secret_bytes(const struct secret *secret);
void secret_wipe(void *memory, size_t size);
void secret_protect_process(void); /* PR_SET_DUMPABLE 0, RLIMIT_CORE 0; first thing in main */

#endif
