/*
 * What writing and reading an inventory share. See inventory.h.
 *
 * Owner: none. Threads: any.
 */
#ifndef STORE_INVENTORY_PARTS_H
#define STORE_INVENTORY_PARTS_H

#include "base/digest.h"

#define INVENTORY_SIGNED_MAX 128

/* What is signed, from the digest in hexadecimal. */
void inventory_signed_text(const char *sha256, char out[INVENTORY_SIGNED_MAX]);
/* out has room for 33 octets. */
void inventory_hex(struct digest128 digest, char *out);
/* -1: not 32 hexadecimal digits. */
int inventory_unhex(struct span text, struct digest128 *out) MUST_CHECK;

#endif
