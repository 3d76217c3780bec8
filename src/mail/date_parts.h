/*
 * What date.c and date_header.c share: a wall clock reading and how its parts are read. For src/mail/date*.c only.
 *
 * Owner: none. Threads: any.
 */
#ifndef MAIL_DATE_PARTS_H
#define MAIL_DATE_PARTS_H

#include "mail/date.h"

#define ZONE_LIMIT (24 * 60 - 1) /* minutes */

struct civil {
	int year, month, day; /* 1.., 1..12, 1..31 */
	int hour, minute, second;
	int zone; /* minutes east of UTC */
};

/* -1 when a part is out of its range: no 30 February, years 1 to 9999. */
int date_from_civil(const struct civil *civil, struct date *out) MUST_CHECK;
/* 1..12 by the first three letters, else 0. */
int date_month(struct span name);
/* One to four digits and nothing else. */
int date_digits(struct span text, int *out) MUST_CHECK;
/* "+hhmm", "+hh:mm" to minutes. */
int date_zone(struct span text, int *out) MUST_CHECK;

#endif
