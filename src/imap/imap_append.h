/*
 * A pipelined writer of messages into one mailbox: MULTIAPPEND (RFC 3502) in batches of at most 128 messages and about 1 MiB, up to 4 MiB
 * in flight, bigger messages alone; else single APPENDs in a window; LITERAL+ / LITERAL- (RFC 7888) without waiting, synchronising literals
 * one by one. What became of each message is pulled by its token.
 *
 * The octets of unsettled batches are kept (that is the bound), so a refused batch is first classified and then halved from memory until the
 * message that is to blame stands alone. A message sent alone and too big to be kept is never sent twice: its refusal is its own. Messages up
 * to 512 KiB are sent once they are whole, bigger ones as they come.
 *
 * Owner: the caller. Lifetime: within the session. Threads: one at a time. The session's other commands wait until everything is settled.
 *
 *	append = imap_append_new(imap, "Archive");
 *	imap_append_begin(append, token, "\\Seen $Work", "17-Jul-1996 02:44:25 -0700", size, err);
 *	imap_append_add(append, chunk, err); …
 *	imap_append_end(append, err);
 *	while (imap_append_settle(append, false, &result, err) > 0) …
 */
#ifndef IMAP_IMAP_APPEND_H
#define IMAP_IMAP_APPEND_H

#include "base/err.h"
#include "imap/imap.h"

struct imap_append;

enum imap_append_outcome {
	/* tagged OK; uid, or 0 when the server does not say (no UIDPLUS, or fewer UIDs than messages) */
	IMAP_APPEND_STORED,
	/*
	 * NO or BAD: err says why. ERR_MESSAGE: the message was alone and is to blame. Else it is not about messages, and all of a batch get the
	 * same: ERR_KIND_QUOTA stops the mailbox; ERR_KIND_BUSY asks for a pause; try_create: there is no such mailbox; a scope above
	 * ERR_MAILBOX speaks for itself. Nothing of it was stored in any of these.
	 */
	IMAP_APPEND_REFUSED,
	IMAP_APPEND_SKIPPED, /* never sent, or cut off before its last octet: surely not stored */
	/* sent whole, the answer is lost: to be looked for before it is sent again */
	IMAP_APPEND_UNKNOWN,
};

struct imap_append_result {
	uint64_t token;
	enum imap_append_outcome outcome;
	uint32_t uidvalidity, uid;
	bool try_create; /* refused with [TRYCREATE] */
	struct err err; /* ERR_NONE unless refused */
};

struct imap_append *imap_append_new(struct imap *imap, const char *server_name);
void imap_append_free(struct imap_append *append); /* accepts NULL */
/* Octets kept of what is in flight, 2.5 MiB unless set: what there is memory for. A batch is always let go. */
void imap_append_window(struct imap_append *append, size_t bytes);
/*
 * Starts a message of exactly size octets. flags: names between blanks ("" = none); date: INTERNALDATE text or NULL. May wait for room (settling
 * internally). ERR_LOCAL, ERR_MAILBOX, ERR_MESSAGE: an argument cannot be sent, and nothing was begun.
 */
int imap_append_begin(struct imap_append *append, uint64_t token, const char *flags,
	const char *date, uint64_t size, struct err *err) MUST_CHECK;
int imap_append_add(struct imap_append *append, struct span bytes, struct err *err) MUST_CHECK;
/* ERR_LOCAL when not exactly size octets came: the message is as if never begun, or (when it was announced already) the connection has to go. */
int imap_append_end(struct imap_append *append, struct err *err) MUST_CHECK;
bool imap_append_in_message(const struct imap_append *
		append); /* between begin and end: giving up now costs the connection, unless imap_append_cancel() can */
/* Takes back the message that was begun: true, and there will be no result of it; false when it was announced to the server (those above 512 KiB are). */
bool imap_append_cancel(struct imap_append *append);
/* Closes the open batch and pushes it out. In a message: only pushes. */
int imap_append_flush(struct imap_append *append, struct err *err) MUST_CHECK;
/*
 * 1 = a result; 0 = none (wait false: none arrived yet; wait true: nothing is outstanding); -1 = the connection failed: then call imap_append_drop().
 * wait true closes the open batch first.
 */
int imap_append_settle(struct imap_append *append, bool wait, struct imap_append_result *out,
	struct err *err) MUST_CHECK;
/* After the connection failed (or instead of it): turns everything outstanding into results SKIPPED or UNKNOWN, then settle() yields them without the session. */
void imap_append_drop(struct imap_append *append);
/* messages begun and without a result */
size_t imap_append_outstanding(const struct imap_append *append);

#endif
