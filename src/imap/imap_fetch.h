/*
 * Messages of the selected mailbox as a pipelined reader: UID sets are asked ahead, messages are pulled one by one, bodies as chunks.
 *
 * What a server leaves out is asked for alone before it is called gone; a range refused is narrowed to the message. Messages may come in any
 * order and any cut; items in any order (a body that comes before its UID is spooled).
 *
 * Owner: the caller. Lifetime: within one SELECT. Threads: one at a time. Nothing else may be sent on the session meanwhile.
 *
 *	fetch = imap_fetch_new(imap, IMAP_FETCH_FLAGS | IMAP_FETCH_DATE, "BODY.PEEK[]");
 *	imap_fetch_ask(fetch, &set, bytes, err);
 *	while ((rc = imap_fetch_next(fetch, &message, err)) > 0)
 *		if (message->outcome == IMAP_MESSAGE_HERE)
 *			while ((rc = imap_fetch_body(fetch, &chunk, err)) > 0) …
 *	imap_fetch_free(fetch);
 */
#ifndef IMAP_IMAP_FETCH_H
#define IMAP_IMAP_FETCH_H

#include "imap/imap.h"

struct imap_fetch;

enum imap_message_outcome {
	IMAP_MESSAGE_HERE,
	/* asked for alone, answered OK and without it, and UID SEARCH does not know it: expunged meanwhile */
	IMAP_MESSAGE_GONE,
	IMAP_MESSAGE_REFUSED, /* asked for alone and refused, or OK without a body: text says why */
};

struct imap_message {
	uint32_t uid;
	enum imap_message_outcome outcome;
	unsigned
		has; /* enum imap_fetch_item bits of what follows; all that was asked for, unless the server keeps leaving something out even of a message asked for alone */
	struct span flags, date; /* borrowed until the next call */
	uint64_t size, modseq; /* RFC822.SIZE: a hint */
	bool has_body;
	uint64_t body_size; /* exact octets that imap_fetch_body() gives */
	char text[256]; /* of a refusal, harmless */
};

/* section: "BODY.PEEK[]", "BODY.PEEK[HEADER.FIELDS (…)]", or NULL for none. UID is always asked. */
struct imap_fetch *imap_fetch_new(struct imap *imap, unsigned items, const char *section);
void imap_fetch_free(struct imap_fetch
		*fetch); /* accepts NULL; outstanding answers stay to be skipped by the session */
/* Few commands and about 4 MiB (or what is set) asked ahead. */
void imap_fetch_window(struct imap_fetch *fetch, unsigned commands, uint64_t bytes);
bool imap_fetch_has_room(const struct imap_fetch *fetch);
/*
 * Asks for these UIDs; bytes is what they are expected to weigh. Long sets are cut into several commands by imap_line_max(); those that the window
 * does not let go wait for imap_fetch_next(). The set is copied. ask: every UID of the set is known to exist and gets a message, a GONE or a REFUSED (a
 * set up to '*' is a scan instead, as below). ask_since: a scan, where UIDs without an answer are no news; modseq: CHANGEDSINCE, 0 = none.
 */
int imap_fetch_ask(struct imap_fetch *fetch, const struct uidset *set, uint64_t bytes,
	struct err *err) MUST_CHECK;
int imap_fetch_ask_since(struct imap_fetch *fetch, const struct uidset *set, uint64_t modseq,
	bool vanished, struct err *err) MUST_CHECK;
bool imap_fetch_ready(struct imap_fetch *fetch); /* imap_fetch_next() would hardly wait */
/*
 * 1 = a message that was asked for (HERE once, or GONE, or REFUSED), 0 = all that was asked is answered, -1. With CHANGEDSINCE unanswered UIDs are no news,
 * and VANISHED gathers in imap_fetch_vanished(). Unsolicited FETCH (flags only, UIDs not asked for) is left out.
 * -1 below ERR_CONN is a NO or BAD that is not about messages (throttled, busy, limits, not permitted), or one to a scan: its command's UIDs
 * without a message so far are dropped, and the next call goes on with the other commands.
 */
int imap_fetch_next(
	struct imap_fetch *fetch, const struct imap_message **out, struct err *err) MUST_CHECK;
int imap_fetch_body(struct imap_fetch *fetch, struct span *chunk_out, struct err *err)
	MUST_CHECK; /* 1, 0 = end, -1; the rest is skipped by the next imap_fetch_next() */
const struct uidset *imap_fetch_vanished(const struct imap_fetch *fetch);

#endif
