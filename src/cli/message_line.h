/*
 * A message as a line for people: mailbox, UID, date, sender, subject. For `search` and `filter`.
 *
 * Owner: none. Threads: any.
 *
 *	message_line(&line, print_terminal(), arena, &buffer);
 */
#ifndef CLI_MESSAGE_LINE_H
#define CLI_MESSAGE_LINE_H

#include "base/must.h"
#include "mail/date.h"

struct arena;
struct buf;

struct message_line { /* texts as they came; NULL = there is none */
	const char *mailbox;
	uint32_t uid;
	struct date date;
	const char *from, *subject;
	const char *what; /* becomes of it; harmless already */
};

/*
 * Adds the line, harmless, with its LF. On a terminal (of this many columns; 0 = it is none) names and texts are cut so that it fits, the date loses its seconds, and what
 * becomes of the message stands on a line below. -1 at the buffer's cap.
 */
int message_line(const struct message_line *message, size_t columns, struct arena *arena,
	struct buf *out) MUST_CHECK;

#endif
