/*
 * The line that begins a message in an mbox file: "From anna@old.example Thu Jan  1 00:00:00 1970". Strict enough that a sentence is not taken for one: behind the
 * sender stands a date as asctime() writes it, with or without seconds, zone and year, or as RFC 5322 writes it.
 *
 * Owner: none. Threads: any. Pure.
 */
#ifndef MAIL_MBOX_FROM_H
#define MAIL_MBOX_FROM_H

#include "mail/date.h"

struct buf;

#define MBOX_FROM_MAX 1024 /* octets; no longer line is one */

struct mbox_from {
	struct span sender; /* part of the line; may be empty */
	/* UTC unless the line has a zone; DATE_UNKNOWN without a year, or where it is no date at all (31 February) */
	struct date date;
};

/* line: without its end. */
bool mbox_from_parse(struct span line, struct mbox_from *out);
/*
 * Appends the line with LF: the date in UTC; what is no part of an address in the sender is left out, MAILER-DAEMON stands for none. -1 at the buffer's
 * cap, or when the date is none.
 */
int mbox_from_print(struct span sender, struct date date, struct buf *out) MUST_CHECK;

#endif
