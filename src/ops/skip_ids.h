/*
 * The file of --skip-ids: Message-IDs of messages to leave out, one a line, as imapcopy.skip and imapsync.pl's list have them.
 *
 *	<1234@example.org>           without the angle brackets too
 *	# a comment; blank lines don't count either
 *
 * An ID is compared octet by octet, the blanks around it and its brackets aside. Only digests are kept: 16 octets an ID, however long it is; the file
 * itself streams.
 *
 * Owner: the command. Lifetime: that of the arena. Threads: any, immutable.
 */
#ifndef OPS_SKIP_IDS_H
#define OPS_SKIP_IDS_H

#include "base/digest.h"
#include "base/span.h"

#include <stddef.h>

struct arena;
struct err;
struct skip_ids;

#define SKIP_IDS_MAX (4u << 20) /* IDs */
#define SKIP_IDS_LINE_MAX 65536 /* octets */

/* NULL with a usage error "FILE line 3: …"; ERR_LOCAL when it cannot be read. */
struct skip_ids *skip_ids_read(const char *path, struct arena *arena, struct err *err);
size_t skip_ids_count(const struct skip_ids *ids);
/* id: the value of a Message-ID field, unfolded */
bool skip_ids_has(const struct skip_ids *ids, struct span id);
/* Two lists with the same IDs have the same, in whatever order they name them. */
struct digest128 skip_ids_digest(const struct skip_ids *ids);

#endif
