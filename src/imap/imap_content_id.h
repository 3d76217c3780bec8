/*
 * Ids that servers give to the content of messages, and what two servers must say before equal ids may mean the same message.
 *
 *	DIGEST.SHA1	Cyrus (DIGEST=SHA1): of the octets
 *	EMAILID		RFC 8474 (OBJECTID): the content of one message; between two servers it means nothing unless they are of one software
 *	X-GUID		Dovecot, not announced: made when a message is stored, and kept by dsync and by whoever copies Maildir files as they are
 *	X-GM-MSGID	Gmail (X-GM-EXT-1): of a message, wherever its labels show it; no other server's id, and not among imap_content_ids()
 *
 * An id that could come about twice by chance is none: short ones, few different characters (null ids, counters), and of X-GUID all that does not look
 * as if Dovecot had made it for one message. In mbox files that is a digest of a few headers, which other messages may have too.
 *
 * Owner: none. Lifetime: imap_software() until the next ID response. Threads: the session's.
 *
 *	if (imap_content_ids(a) & imap_content_ids(b) & (1u << IMAP_CONTENT_ID_GUID))
 *		… ask for imap_content_id_item(IMAP_CONTENT_ID_GUID), then
 *	if (event->type == IMAP_FETCH && imap_content_id_take(IMAP_CONTENT_ID_GUID, &event->fetch, &digest)) …
 */
#ifndef IMAP_IMAP_CONTENT_ID_H
#define IMAP_IMAP_CONTENT_ID_H

#include "base/digest.h"
#include "imap/imap.h"

/* What is asked for in a FETCH; NULL for IMAP_CONTENT_ID_NONE. */
const char *imap_content_id_item(enum imap_content_id kind);
/* Kinds that this server gives, a bit 1 << kind each; those disabled by the account (quirk key) are off. */
unsigned imap_content_ids(const struct imap *imap);
/* What the server calls itself (ID, RFC 2971 §3.3: name); data NULL = it does not say. */
struct span imap_software(const struct imap *imap);
/* A digest of kind and id. False: the response has none of this kind, or one that proves nothing. */
bool imap_content_id_take(
	enum imap_content_id kind, const struct imap_fetch_data *fetch, struct digest128 *out);

#endif
