/*
 * When a message arrived, by its header alone: for places that keep no INTERNALDATE (POP3). The newest Received field that has a date (RFC 5321 §4.4 puts
 * new ones on top), else the Date field.
 *
 * Owner: none. Threads: any.
 *
 *	struct date date = arrival_date(header);     // instant DATE_UNKNOWN: neither
 */
#ifndef MAIL_ARRIVAL_H
#define MAIL_ARRIVAL_H

#include "mail/date.h"

#define ARRIVAL_HEADER_MAX (64u << 10) /* octets of a header that are worth keeping for this */

/* A header or the beginning of one; what follows an empty line is not looked at. */
struct date arrival_date(struct span header);

#endif
