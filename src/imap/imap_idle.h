/*
 * Waiting for what a server says by itself: IDLE (RFC 2177) for the selected mailbox, NOTIFY (RFC 5465) for several. Every wait has an end, sees a stop, and
 * nothing else is sent while an IDLE lasts.
 *
 * Owner: the caller; on the stack. Lifetime: imap_idle_begin() to imap_idle_end(), or to the end of the connection. Threads: the session's.
 *
 *	if (imap_idle_begin(&idle, imap, err) == 0)
 *		while ((rc = imap_idle_wait(imap, clock_ms() + IMAP_IDLE_MS, &event, err)) > 0 && event->type != IMAP_EXISTS)
 *			;
 *	rc = imap_idle_end(&idle, err);                 // and again, for ever
 */
#ifndef IMAP_IMAP_IDLE_H
#define IMAP_IMAP_IDLE_H

#include "base/must.h"
#include "imap/imap.h"

/* A server may log out who has been idle for 30 minutes (RFC 3501 §5.4), and routers forget connections sooner: after so long IDLE, or NOOP, is sent again. */
#define IMAP_IDLE_MS (9 * 60 * 1000)

struct imap_idle {
	struct imap *imap;
	uint32_t tag; /* 0 = none is under way */
	bool news; /* EXISTS came before the server was ready */
};

/* Nothing may be in flight. NO or BAD: kind UNSUPPORTED, and IDLE is not used again on this session. */
int imap_idle_begin(struct imap_idle *idle, struct imap *imap, struct err *err) MUST_CHECK;
/* The next event: 1; 0 = none came until then (clock_ms()); -1. Also without an IDLE, for NOTIFY. */
int imap_idle_wait(struct imap *imap, int64_t until, const struct imap_event **out,
	struct err *err) MUST_CHECK;
/* DONE, and its answer. *news_out: EXISTS came meanwhile; NULL allowed. */
int imap_idle_end(struct imap_idle *idle, bool *news_out, struct err *err) MUST_CHECK;

#endif
