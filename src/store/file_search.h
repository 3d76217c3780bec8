/*
 * IMAP SEARCH for places without a server: an expression as a tree, and whether a message meets it (RFC 3501 §6.4.4, RFC 9051 §6.4.4, RFC 5032 for
 * OLDER and YOUNGER).
 *
 * What flags, dates, sizes and UIDs decide is decided by them; a header is read only if it matters then, and a body only if the header leaves it open. Texts are
 * compared as mail/fold.h has them: fields with their encoded words decoded, bodies as mail/mime_text.h gives them (text parts, decoded; attachments are not looked
 * into). BODY looks at text parts, TEXT also at all header fields, those of parts too. FROM, TO, CC, BCC and SUBJECT are their fields' texts.
 * Nothing is \Recent in files: RECENT and NEW find nothing, OLD everything. Dates are days as they are written, of SENT… those of the Date field, or
 * where it has none the day it arrived (RFC 5256 §2.2); one whose date is not known meets no date.
 *
 * Owner: the caller. Lifetime: file_search_new() to file_search_free(). Threads: one at a time. Memory: twice the longest text searched for and some 100 KiB.
 *
 *	search = file_search_new("OR FROM anna BODY \"see you\"", now, err);
 *	state = file_search_begin(search, &facts);
 *	while (state >= FILE_SEARCH_HEADER && … chunk …)
 *		state = file_search_add(search, chunk);
 *	if (state >= FILE_SEARCH_HEADER)
 *		state = file_search_end(search, size);
 */
#ifndef STORE_FILE_SEARCH_H
#define STORE_FILE_SEARCH_H

#include "base/must.h"
#include "base/span.h"
#include "mail/date.h"
#include "mail/flags.h"

struct err;
struct file_search;

enum file_search_state {
	FILE_SEARCH_NO,
	FILE_SEARCH_YES,
	FILE_SEARCH_HEADER, /* its header will decide, or all of it */
	FILE_SEARCH_ALL, /* all of it may be needed */
};

struct file_search_facts { /* of a message */
	uint32_t uid, last_uid; /* the highest there is */
	uint32_t number, last_number; /* sequence numbers (RFC 3501 §2.3.1.2) */
	const struct flag_table *table;
	flags_t flags;
	struct date date; /* INTERNALDATE */
	bool date_in_header; /* it is that of arrival_date() */
	uint32_t size; /* UINT32_MAX = not known, or too large for it */
	bool size_rough; /* an LF was counted where IMAP counts CRLF */
};

/* NULL: ERR_ACCOUNT, kind USAGE. now: for OLDER and YOUNGER. */
struct file_search *file_search_new(const char *expression, int64_t now, struct err *err);
void file_search_free(struct file_search *search); /* accepts NULL */
enum file_search_state file_search_begin(
	struct file_search *search, const struct file_search_facts *facts);
/* Behind file_search_begin(): a header without its body is worth reading first. */
bool file_search_header_first(const struct file_search *search);
/* The octets of the message, in pieces of any size. */
enum file_search_state file_search_add(struct file_search *search, struct span chunk);
/* There is no more of it; size: exact octets as IMAP counts, looked at if the facts do not tell. NO or YES. */
enum file_search_state file_search_end(struct file_search *search, uint64_t size);

#endif
