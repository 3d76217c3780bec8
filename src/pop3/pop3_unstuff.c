/* Messages without their dot-stuffing, and where they end. */
#include "pop3/pop3_codec.h"

#include <string.h>

enum {
	LINE_START,
	IN_LINE,
	AFTER_CR, /* in a line; the CR is handed on already */
	DOT, /* at the start of a line, held back */
	DOT_CR, /* "." CR at the start of a line, both held back */
};

/* Text up to and with the next octet that may end a line. */
static size_t run_of_line(const struct pop3_unstuff *unstuff, struct span input)
{
	const char *end = memchr(input.data, unstuff->bare_lf ? '\n' : '\r', input.len);

	return end ? (size_t)(end - input.data) + 1 : input.len;
}

/* What is plain text: as long a piece as possible, across lines that need nothing done to them. */
static size_t text_run(struct pop3_unstuff *unstuff, struct span input)
{
	size_t at = 0;

	while (at < input.len) {
		const char next = input.data[at];

		if (unstuff->state == LINE_START && next == '.')
			break;
		if (unstuff->state == AFTER_CR && next == '\n') {
			unstuff->state = LINE_START;
			at++;
			continue;
		}
		at += run_of_line(unstuff, span_from(input, at));
		if (input.data[at - 1] == '\n' && unstuff->bare_lf)
			unstuff->state = LINE_START;
		else
			unstuff->state = input.data[at - 1] == '\r' ? AFTER_CR : IN_LINE;
	}
	return at;
}

/* One octet behind a dot that was held back. */
static size_t after_dot(struct pop3_unstuff *unstuff, char next, struct span *out)
{
	const bool had_cr = unstuff->state == DOT_CR;

	if (next == '\n' && (had_cr || unstuff->bare_lf)) {
		unstuff->done = true;
		return 1;
	}
	if (next == '\r' && !had_cr) {
		unstuff->state = DOT_CR;
		return 1;
	}
	/* Text of a server that does not stuff: the dot belongs to it. If a dot follows, one of them was put there. */
	unstuff->state = IN_LINE;
	*out = had_cr ? SPAN(".\r") : SPAN(".");
	return next == '.' && !had_cr ? 1 : 0;
}

size_t pop3_unstuff(struct pop3_unstuff *unstuff, struct span input, struct span *out)
{
	*out = SPAN("");
	if (unstuff->done || input.len == 0)
		return 0;
	if (unstuff->state == DOT || unstuff->state == DOT_CR)
		return after_dot(unstuff, input.data[0], out);
	if (unstuff->state == LINE_START && input.data[0] == '.') {
		unstuff->state = DOT;
		return 1;
	}

	const size_t used = text_run(unstuff, input);
	*out = span_sub(input, 0, used);
	return used;
}
