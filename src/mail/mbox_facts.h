/*
 * What the octets of a message in an mbox file tell while they go by: flags as mutt, pine, Dovecot and Thunderbird write them into the header, a date for want of a better one, and a
 * key by which the message is known again after such programs changed their lines (Status, X-UID, Content-Length…), which count neither for the key nor for its size.
 *
 * The key: SHA-256 over the other header lines, the octets of all but those lines, and the first 16 KiB of the body.
 *
 * Owner: the caller. Threads: one at a time. Pure, in any chunking.
 *
 *	struct mbox_facts *facts = mbox_facts_new();
 *	mbox_facts_add(facts, text); …
 *	mbox_facts_end(facts, &result);       // and is ready for the next message
 */
#ifndef MAIL_MBOX_FACTS_H
#define MAIL_MBOX_FACTS_H

#include "base/digest.h"
#include "mail/date.h"
#include "mail/mozilla.h"

struct mbox_result {
	struct digest128 key;
	struct date date; /* of the first Received, else of Date */
	bool has_status; /* there is a line Status or X-Status */
	bool has_mozilla; /* or X-Mozilla-Status */
	struct mozilla mozilla;
	struct span
		status_flags; /* by Status, X-Status, X-Keywords; borrowed until the next call */
	struct span mozilla_flags; /* by X-Mozilla-*; likewise */
	/* Octets of Status, X-Status and perhaps X-Keywords as we write them in front of a header, with letters that we know; 0 = there are none. */
	uint64_t own_octets;
	uint64_t mozilla_octets; /* of lines X-Mozilla-Status, -Status2, -Keys */
	uint64_t bare_lf; /* how many octets CRLF adds */
};

struct mbox_facts;

struct mbox_facts *mbox_facts_new(void);
void mbox_facts_free(struct mbox_facts *facts); /* accepts NULL */
void mbox_facts_reset(struct mbox_facts *facts); /* forgets the message */
void mbox_facts_add(struct mbox_facts *facts, struct span text);
void mbox_facts_end(struct mbox_facts *facts, struct mbox_result *out);
/* Is this the name (without colon) of a line that mail programs change as they like? */
bool mbox_is_status_field(struct span name);
bool mbox_is_mozilla_field(struct span name);

#endif
