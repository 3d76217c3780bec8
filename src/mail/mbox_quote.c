/* Quoting of From_ lines. The front of a line is looked at octet by octet, the rest is copied whole. */
#include "mail/mbox_quote.h"

#include "base/buf.h"

#include <string.h>

static const char from[] = "From ";
#define FROM_LEN (sizeof(from) - 1)

/* The line is decided: gives what was held back, with the quoting changed if it was "From ". */
static int decide(struct mbox_quote *quote, struct buf *out)
{
	const bool is_from = quote->matched == FROM_LEN;
	const bool drop =
		is_from && quote->held && (quote->how == MBOX_UNQUOTE_RD || quote->depth == 1);
	int rc = 0;

	if (quote->held && !drop)
		rc = buf_add_char(out, '>');
	if (is_from && quote->how == MBOX_QUOTE_RD && rc == 0)
		rc = buf_add_char(out, '>');
	if (rc == 0)
		rc = buf_add(out, span_make(from, quote->matched));
	quote->inside = true;
	quote->held = false;
	quote->matched = 0;
	quote->depth = 0;
	return rc;
}

/* One octet at the front of a line. True: it was taken. */
static bool take_front(struct mbox_quote *quote, char byte, struct buf *out, int *rc)
{
	if (byte == '>' && quote->matched == 0) {
		quote->depth++;
		if (quote->held || quote->how == MBOX_QUOTE_RD)
			*rc = buf_add_char(out, '>');
		else
			quote->held = true;
		return true;
	}
	if (byte != from[quote->matched])
		return false;
	if (++quote->matched == FROM_LEN)
		*rc = decide(quote, out);
	return true;
}

/* Octets from here up to the front of the next line that could be one to change. */
static size_t plain_length(struct span rest)
{
	const char *at = rest.data, *const end = rest.data + rest.len;

	while ((at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
		if (++at == end || *at == '>' || *at == 'F')
			return (size_t)(at - rest.data);
	}
	return rest.len;
}

int mbox_quote_add(struct mbox_quote *quote, struct span chunk, struct buf *out)
{
	int rc = 0;

	if (quote->how == MBOX_UNQUOTE_NONE)
		return buf_add(out, chunk);
	while (chunk.len > 0 && rc == 0) {
		size_t len;

		if (!quote->inside) {
			if (take_front(quote, *chunk.data, out, &rc))
				chunk = span_from(chunk, 1);
			else
				rc = decide(quote, out);
			continue;
		}
		len = plain_length(chunk);
		rc = buf_add(out, span_sub(chunk, 0, len));
		quote->inside = chunk.data[len - 1] != '\n';
		chunk = span_from(chunk, len);
	}
	return rc;
}

int mbox_quote_end(struct mbox_quote *quote, struct buf *out)
{
	return decide(quote, out);
}
