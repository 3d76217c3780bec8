/*
 * Dates of mail: INTERNALDATE (RFC 3501 §9 date-time), search dates, Date: headers (RFC 5322 §3.3 and what is seen in the wild).
 *
 * Owner: none. Threads: any.
 */
#ifndef MAIL_DATE_H
#define MAIL_DATE_H

#include "base/must.h"
#include "base/span.h"

struct err;

struct date {
	int64_t instant; /* seconds since 1970 UTC; DATE_UNKNOWN = not known or unparsable */
	int16_t zone; /* minutes east of UTC, as written */
};

#define DATE_UNKNOWN INT64_MIN
#define DATE_TEXT_SIZE 27 /* "dd-Mon-yyyy hh:mm:ss +zzzz" and NUL */

/* "17-Jul-1996 02:44:25 -0700" (a blank for the day's first digit, a missing zone tolerated). 0, or -1 when it is no date. */
int date_parse_internal(struct span text, struct date *out) MUST_CHECK;
void date_print_internal(struct date date, char out[DATE_TEXT_SIZE]);
int date_parse_header(struct span text, struct date *out) MUST_CHECK;
/* "1996-07-17T02:44:25-07:00" (RFC 3339). False: not known, or beyond the years 0 to 9999. What would be printed otherwise is none: -1. */
#define DATE_ISO_SIZE 112 /* for any numbers; 25 octets are used */
bool date_print_iso(struct date date, char out[DATE_ISO_SIZE]);
int date_parse_iso(struct span text, struct date *out) MUST_CHECK;
/*
 * An option's DATE: "1-Feb-2024", "2024-02-01", "2024-02-01T10:00:00Z", "30d" (days before now). Gives the instant (midnight UTC
 * for plain dates) and the day for SEARCH ("1-Feb-2024").
 */
int date_parse_option(const char *text, int64_t now, int64_t *instant_out, char day_out[12],
	struct err *err) MUST_CHECK;

#endif
