/*
 * What Thunderbird writes about a message into its header (X-Mozilla-Status, -Status2, -Keys), as flags and back. The numbers are hexadecimal.
 *
 * Owner: the caller. Threads: any. Pure.
 *
 *	struct mozilla mozilla = { 0 };
 *	mozilla_status("0001", &mozilla.status);
 *	mozilla_flags(&mozilla, "$label1", &text);       // "\\Seen $label1"
 */
#ifndef MAIL_MOZILLA_H
#define MAIL_MOZILLA_H

#include "base/must.h"
#include "base/span.h"

struct buf;

struct mozilla {
	uint32_t status, status2;
};

#define MOZILLA_KEYS_MAX 4096 /* octets of names of keywords */

/* One to eight hexadecimal digits, blanks around. False: it is none, and nothing is changed. */
bool mozilla_status(struct span text, uint32_t *out);
/* Deleted, and only not compacted away yet: such a message is not there. */
bool mozilla_is_gone(const struct mozilla *mozilla);
/* Names of flags between blanks, appended to what is in out. keys: as X-Mozilla-Keys has them. -1 at the buffer's cap. */
int mozilla_flags(const struct mozilla *mozilla, struct span keys, struct buf *out) MUST_CHECK;
/*
 * The three lines for these flags (between blanks), ended by LF; the keys padded to 80 octets as Thunderbird does, so that tags can be set in place. -1
 * at the buffer's cap.
 */
int mozilla_print(struct span flags, struct buf *out) MUST_CHECK;

#endif
