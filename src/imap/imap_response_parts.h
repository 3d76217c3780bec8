/*
 * What the files imap_response*.c share. For these only. The readers get the cursor behind the response's name and return false for
 * syntax that cannot be understood.
 *
 * Owner: none. Threads: any.
 */
#ifndef IMAP_IMAP_RESPONSE_PARTS_H
#define IMAP_IMAP_RESPONSE_PARTS_H

#include "imap/imap_syntax.h"

/* resp-text: "[code] text", either of which may be missing. */
void imap_read_status_text(struct imap_cursor *c, struct imap_event *out);
/* "LITERAL +" of two words becomes LITERAL+. */
void imap_join_capabilities(struct imap_words *words);

bool imap_read_list_response(struct imap_cursor *c, struct imap_event *out);
bool imap_read_lsub_response(struct imap_cursor *c, struct imap_event *out);
bool imap_read_mailbox_status(struct imap_cursor *c, struct imap_event *out);
bool imap_read_namespace(struct imap_cursor *c, struct imap_event *out);
bool imap_read_quota(struct imap_cursor *c, struct imap_event *out);
bool imap_read_search(struct imap_cursor *c, struct imap_event *out);
bool imap_read_esearch(struct imap_cursor *c, struct imap_event *out);
bool imap_read_vanished(struct imap_cursor *c, struct imap_event *out);

/* "m17" is 17; any other tag 0. */
uint32_t imap_tag_number(struct span tag);

enum imap_fetch_end {
	IMAP_FETCH_WHOLE,
	IMAP_FETCH_STREAM, /* the part ends in front of a literal; fetch.section says which */
	IMAP_FETCH_BROKEN,
};

/* The items behind "* n FETCH", or behind a streamed literal. stream: the part ends in front of one. */
enum imap_fetch_end imap_read_fetch(
	struct imap_cursor *c, bool stream, struct imap_fetch_data *out);

#endif
