/* Repairs of line ends and of overlong lines, byte stream in, byte stream out. */
#include "mail/eol.h"

#include "base/buf.h"

/* Bytes without CR and LF, broken wherever the line grows longer than allowed. */
static int add_run(struct eol_fix *fix, struct span run, struct buf *out)
{
	if (fix->wrap == 0)
		return buf_add(out, run);
	while (run.len > 0) {
		size_t room = fix->wrap - fix->column;
		struct span part = span_sub(run, 0, room);

		if (room == 0) {
			fix->column = 0;
			if (buf_add(out, SPAN("\r\n")) < 0)
				return -1;
			continue;
		}
		if (buf_add(out, part) < 0)
			return -1;
		fix->column += (uint32_t)part.len;
		run = span_from(run, part.len);
	}
	return 0;
}

static int add_line_end(struct eol_fix *fix, struct span bytes, struct buf *out)
{
	fix->column = 0;
	return buf_add(out, bytes);
}

/* A CR of which the next byte has shown that no LF follows. */
static int add_bare_cr(struct eol_fix *fix, struct buf *out)
{
	fix->last_cr = false;
	if (fix->fix_eol)
		return add_line_end(fix, SPAN("\r\n"), out);
	return add_run(fix, SPAN("\r"), out);
}

static int add_lf(struct eol_fix *fix, struct buf *out)
{
	bool with_cr = fix->last_cr || fix->fix_eol;

	fix->last_cr = false;
	return add_line_end(fix, with_cr ? SPAN("\r\n") : SPAN("\n"), out);
}

/* Looks ahead a window only, so that many CRs without any LF stay linear. */
static size_t run_length(struct span text)
{
	const size_t window = 1024;
	size_t at = 0;

	while (at < text.len) {
		size_t size = text.len - at < window ? text.len - at : window;
		const char *lf = memchr(text.data + at, '\n', size);
		size_t len = lf != NULL ? (size_t)(lf - (text.data + at)) : size;
		const char *cr = memchr(text.data + at, '\r', len);

		if (cr != NULL)
			return (size_t)(cr - text.data);
		if (lf != NULL)
			return at + len;
		at += size;
	}
	return at;
}

int eol_fix_add(struct eol_fix *fix, struct span chunk, struct buf *out)
{
	while (chunk.len > 0) {
		size_t len;

		if (chunk.data[0] == '\n') {
			if (add_lf(fix, out) < 0)
				return -1;
			chunk = span_from(chunk, 1);
			continue;
		}
		if (fix->last_cr && add_bare_cr(fix, out) < 0)
			return -1;
		if (chunk.data[0] == '\r') {
			fix->last_cr = true; /* written when the next byte is known */
			chunk = span_from(chunk, 1);
			continue;
		}
		len = run_length(chunk);
		if (add_run(fix, span_sub(chunk, 0, len), out) < 0)
			return -1;
		chunk = span_from(chunk, len);
	}
	return 0;
}

int eol_fix_end(struct eol_fix *fix, struct buf *out)
{
	if (fix->last_cr && add_bare_cr(fix, out) < 0)
		return -1;
	fix->column = 0;
	return 0;
}
