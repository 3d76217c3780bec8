#include "cli/message_line.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/text.h"

#include <string.h>

#define COLUMNS_LEAST 60 /* a narrower terminal breaks lines by itself */
#define COLUMNS_WIDE 100
#define COLUMNS_WIDER 120
#define FIELD_MAX 2000 /* octets of a header field that are shown */

struct layout { /* columns; 0 = as long as it is */
	size_t mailbox, from, subject;
	int uid;
	size_t date; /* characters of it */
	bool cut;
};

static struct layout layout_for(size_t columns)
{
	struct layout layout = { .mailbox = 20, .from = 30, .uid = 10, .date = 26 };

	if (columns < COLUMNS_LEAST)
		return layout;
	layout.cut = true;
	layout.uid = 6;
	layout.mailbox = columns < COLUMNS_WIDER ? 14 : 20;
	layout.from = columns < COLUMNS_WIDER ? 18 : 26;
	layout.date = strlen(columns < COLUMNS_WIDE ? "02-Jan-2023" : "02-Jan-2023 10:00");
	layout.subject = columns - (layout.mailbox + 1 + (size_t)layout.uid + 2 + layout.date + 2 +
					   layout.from + 2);
	return layout;
}

static const char *date_text(struct date date, size_t characters, struct arena *arena)
{
	char text[DATE_TEXT_SIZE];

	if (date.instant == DATE_UNKNOWN)
		return "?";
	date_print_internal(date, text);
	return arena_print(arena, "%.*s", (int)characters, text);
}

/* One line, and no more of it than a line takes: a field that was folded at a tab has a blank there. */
static const char *field(const char *text, struct arena *arena)
{
	const struct span part = span_sub(span_of(text ? text : ""), 0, FIELD_MAX);
	char *copy = arena_text(arena, part);

	for (char *c = copy; *c; c++)
		if (*c == '\t')
			*c = ' ';
	return text_harmless_copy(arena, span_of(copy));
}

static int add_column(struct buf *out, const char *text, size_t columns)
{
	const size_t used = utf8_columns(span_of(text));

	return buf_print(out, "%s%*s", text, used < columns ? (int)(columns - used) : 0, "");
}

int message_line(
	const struct message_line *message, size_t columns, struct arena *arena, struct buf *out)
{
	const struct layout layout = layout_for(columns);
	const char *mailbox = text_harmless_copy(arena, span_of(message->mailbox));
	const char *from = field(message->from, arena), *subject = field(message->subject, arena);

	if (layout.cut) {
		mailbox = text_cut(arena, mailbox, layout.mailbox, true);
		from = text_cut(arena, from, layout.from, false);
		subject = text_cut(arena, subject, layout.subject, false);
	}
	if (add_column(out, mailbox, layout.mailbox) < 0 ||
		buf_print(out, " %*lu  ", layout.uid, (unsigned long)message->uid) < 0 ||
		add_column(out, date_text(message->date, layout.date, arena), layout.date) < 0 ||
		buf_print(out, "  ") < 0 || add_column(out, from, layout.from) < 0 ||
		buf_print(out, "  ") < 0)
		return -1;
	if (!message->what)
		return buf_print(out, "%s\n", subject);
	if (layout.cut)
		return buf_print(out, "%s\n    %s\n", subject, message->what);
	return add_column(out, subject, 40) < 0 ? -1 : buf_print(out, "  %s\n", message->what);
}
