/* Any octets as lines of a POP3 server, and as a message: unstuff(stuff(x)) is x in any cut, and no cut makes a difference to what is no stuffed text. */
#include "pop3/pop3_codec.h"

#include "base/buf.h"

#include <stdlib.h>

#define TEXT_MAX (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

static bool inside(struct span part, struct span whole)
{
	return part.len == 0 ||
	       (part.data >= whole.data && part.data + part.len <= whole.data + whole.len);
}

static void check_line(struct span line)
{
	struct pop3_reply reply;
	struct span text = SPAN("");
	uint32_t number = 0;
	uint64_t octets;

	if (pop3_reply_parse(line, &reply) == 0)
		must(inside(reply.text, line));
	(void)pop3_cap_parse(line, &text);
	must(inside(text, line) || text.len == 0);
	if (pop3_list_parse(line, &number, &octets))
		must(number > 0);
	if (pop3_uidl_parse(line, &number, &text))
		must(number > 0 && text.len > 0 && text.len <= POP3_UIDL_MAX && inside(text, line));
	must(inside(pop3_stamp(line), line));
}

static void check_lines(struct span input)
{
	struct span line;
	size_t used = 0;

	while (pop3_line(input, POP3_LINE_MAX, &line, &used) > 0) {
		must(used > line.len && used <= input.len && used <= POP3_LINE_MAX);
		check_line(line);
		input = span_from(input, used);
	}
	check_line(input);
}

/* Feeds pieces of so many octets; returns how many octets belonged to it. */
static size_t unstuff(struct span input, size_t piece, bool bare_lf, struct buf *out, bool *done)
{
	struct pop3_unstuff unstuff = { .bare_lf = bare_lf };
	size_t at = 0;

	buf_clear(out);
	while (at < input.len && !unstuff.done) {
		const struct span part = span_sub(input, at, piece);
		struct span text;
		const size_t used = pop3_unstuff(&unstuff, part, &text);

		must(used <= part.len && (used > 0 || text.len > 0));
		must(buf_add(out, text) == 0);
		at += used;
	}
	*done = unstuff.done;
	return at;
}

/* As a server does it: RFC 1939 §3. The text has to end with CRLF. */
static void stuff(struct span text, struct buf *out)
{
	bool start = true;

	for (size_t i = 0; i < text.len; i++) {
		if (start && text.data[i] == '.')
			must(buf_add_char(out, '.') == 0);
		must(buf_add_char(out, text.data[i]) == 0);
		start = text.data[i] == '\n' && i > 0 && text.data[i - 1] == '\r';
	}
	if (!start)
		must(buf_add(out, SPAN("\r\n")) == 0);
	must(buf_add(out, SPAN(".\r\n")) == 0);
}

static void check_message(struct span text)
{
	struct buf stuffed, out, again;
	bool done;

	buf_init(&stuffed, TEXT_MAX);
	buf_init(&out, TEXT_MAX);
	buf_init(&again, TEXT_MAX);
	stuff(text, &stuffed);
	const size_t len = stuffed.len;
	must(buf_add(&stuffed, SPAN("+OK next\r\n")) == 0);
	for (size_t piece = 1; piece < 8; piece += 3) {
		must(unstuff(buf_span(&stuffed), piece, false, &out, &done) == len && done);
		must(span_starts(buf_span(&out), text) && out.len <= text.len + 2);
	}
	for (int bare_lf = 0; bare_lf < 2; bare_lf++) {
		const size_t one = unstuff(text, 1, bare_lf == 1, &out, &done);

		must(unstuff(text, SIZE_MAX, bare_lf == 1, &again, &done) == one);
		must(span_equal(buf_span(&out), buf_span(&again)));
	}
	buf_release(&stuffed);
	buf_release(&out);
	buf_release(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct span input = span_make((const char *)data, size);

	if (size > TEXT_MAX / 4)
		return 0;
	check_lines(input);
	check_message(input);
	return 0;
}
