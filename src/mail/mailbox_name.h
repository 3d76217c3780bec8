/*
 * Mailbox names between what people read (UTF-8, '/' between levels) and what a server uses (modified UTF-7 or UTF-8, its own
 * delimiter, a namespace prefix). Reversible: what one side cannot hold is percent-encoded and reported (RFC 3501 §5.1.3).
 *
 * A display name: UTF-8, levels joined by '/', a '/' inside a level written %2F, a '%' that would read as an escape written %25; bytes
 * that are no valid UTF-7/UTF-8 written %XX.
 *
 * Owner: none. Threads: any.
 */
#ifndef MAIL_MAILBOX_NAME_H
#define MAIL_MAILBOX_NAME_H

#include "base/must.h"
#include "base/span.h"

struct arena;
struct err;

struct mailbox_style {
	char delimiter; /* 0 = flat */
	/* the server talks UTF-8 names (UTF8=ACCEPT enabled, IMAP4rev2) instead of modified UTF-7 */
	bool utf8;
	const char *prefix; /* of the personal namespace, server form ("INBOX."), "" if none */
};

#define MAILBOX_NAME_MAX 4000 /* octets; longer names from a server are refused */

/* Modified UTF-7 <-> UTF-8. -1 when the text is not valid in its form. */
int mutf7_decode(struct span name, struct arena *arena, char **out) MUST_CHECK;
int mutf7_encode(struct span name, struct arena *arena, char **out) MUST_CHECK;

/* Server form → display form; the prefix is removed (names outside keep their whole name); INBOX in any case → "INBOX". Never fails. */
char *mailbox_display(
	const struct mailbox_style *style, struct span server_name, struct arena *arena);
/*
 * Display form → server form. A delimiter inside a level and control characters are percent-encoded; *changed_out tells whether that
 * happened (the name is then reported). -1 with ERR_MAILBOX when the name is impossible (empty level, too long).
 */
int mailbox_server(const struct mailbox_style *style, const char *display, struct arena *arena,
	char **out, bool *changed_out, struct err *err) MUST_CHECK;
/*
 * One level of a display name for servers that refuse it as it is: letters, digits and " ._+-" stay (but for the delimiter, and for blanks and dots at the ends of the
 * level), every other octet is written as the escape ('%', or '=' for Cyrus, which takes no '%') and two upper case hex digits. Injective: decoding what follows each escape
 * gives the level back. On a flat server the level is the whole name. NULL where the delimiter would be part of escapes.
 */
char *mailbox_strict(
	const struct mailbox_style *style, struct span level, char escape, struct arena *arena);
/* Whether raw is the server form of the name with at least one level in strict form. */
bool mailbox_is_strict(const struct mailbox_style *style, const char *raw, const char *display);
bool mailbox_is_inbox(const char *display); /* in any case */
char *mailbox_parent(const char *display, struct arena *arena); /* NULL for a top level */
bool mailbox_below(const char *root, const char *name); /* equal to root or below it */
/* Key under which names differing only in case or Unicode normal form collide (Latin, Greek, Cyrillic folding is enough). */
char *mailbox_fold(const char *display, struct arena *arena);

#endif
