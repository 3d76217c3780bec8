/*
 * Finds the messages of an mbox file: mboxo, mboxrd, mboxcl, mboxcl2, LF or CRLF, of any length, as the octets come by.
 *
 * A message begins with a From_ line (mail/mbox_from.h) at the start or behind an empty line; a first line "From …" of any kind counts too. The empty line before the next one,
 * or the last one of the file, is no part of it. A Content-Length is believed where it leads to a From_ line or to the end of the file: what looks like
 * From_ lines before that are lines of the message.
 *
 * The caller shows a window on the octets at `offset`; the reader uses up a part of it, and wants to see more when the window ends in something undecided. A window of MBOX_WINDOW
 * octets is always enough.
 *
 * Owner: the caller. Threads: one at a time. Pure.
 *
 *	struct mbox_reader reader = { 0 };
 *	for (;;) {
 *		event = mbox_reader_next(&reader, window, last, &text);
 *		switch (event) {
 *		case MBOX_MORE: …                             // read on; the window has to begin at reader.offset
 *		case MBOX_BEGIN: …                            // reader.message.start, .head, .from
 *		case MBOX_TEXT: …                             // text: octets of the message as they stand in the file
 *		case MBOX_END: …                              // reader.message is complete
 *		case MBOX_AGAIN: …                            // forget the message; go back to reader.offset, its start
 *		case MBOX_DONE: return 0;
 *		case MBOX_FOREIGN: …                          // does not begin with a From_ line
 *		}
 *	}
 */
#ifndef MAIL_MBOX_READER_H
#define MAIL_MBOX_READER_H

#include "mail/mbox_from.h"
#include "mail/mbox_quote.h"

#define MBOX_WINDOW 8192

enum mbox_variant { MBOX_AUTO, MBOX_O, MBOX_RD, MBOX_CL, MBOX_CL2 };

enum mbox_event { MBOX_MORE, MBOX_BEGIN, MBOX_TEXT, MBOX_END, MBOX_AGAIN, MBOX_DONE, MBOX_FOREIGN };

struct mbox_message {
	uint64_t start; /* of the From_ line */
	uint32_t head; /* octets of the From_ line with its end */
	uint64_t size; /* of the message behind it */
	struct mbox_from from; /* sender: borrowed from the window of MBOX_BEGIN */
	bool by_length; /* its end is where Content-Length says */
	bool has_from; /* holds a line "From …": whoever wrote it does not quote */
	bool has_quoted; /* holds a line ">From …" */
};

struct mbox_reader { /* starts with zeros and what the caller sets */
	enum mbox_variant variant; /* the caller's; O and RD: Content-Length means nothing */
	uint64_t
		offset; /* of the window in the file; may start elsewhere than at 0: at a From_ line or empty lines before it */
	struct mbox_message message;

	/* its own */
	enum { MBOX_STATE_SEEK, MBOX_STATE_HEADER, MBOX_STATE_BODY, MBOX_STATE_COUNTED } state;
	bool begun; /* a message was found */
	bool inside; /* of a line whose front was seen */
	bool has_length,
		no_length; /* of this message: a Content-Length; it is not to be believed */
	uint64_t length; /* its value, then the offset at which the message ends */
	bool hides; /* something like a From_ line stands before that end */
	unsigned wrong; /* lengths that did not hold though something depended on them */
};

enum mbox_event mbox_reader_next(
	struct mbox_reader *reader, struct span window, bool last, struct span *text_out);
/* How a message of a file is unquoted, once all of it was read: any_bare = some message with by_length has has_from. */
enum mbox_quote_how mbox_unquote_how(enum mbox_variant variant, bool by_length, bool any_bare);

#endif
