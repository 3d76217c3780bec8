/*
 * Messages with 8-bit headers (RFC 6855). Once UTF8=ACCEPT is enabled, RFC 9755 and most servers take them as any other; those that follow RFC 6855 §4 to
 * the letter want them in a data item of their own, which others answer with BAD. So it is tried for the one message that was refused without.
 */
#include "imap/imap_append_parts.h"

/* The first octet of the message. */
static size_t body_at(const struct append_batch *batch, const struct append_letter *letter)
{
	const struct span bytes = span_from(buf_span(&batch->bytes), letter->from);

	return letter->from + span_find(bytes, '\n') + 1;
}

static bool has_8bit_header(struct span message)
{
	for (size_t i = 0; i < message.len; i++) {
		if (message.data[i] == '\n' && span_starts(span_from(message, i), SPAN("\n\r\n")))
			return false;
		if ((unsigned char)message.data[i] >= 0x80)
			return true;
	}
	return false;
}

/* Only of what is kept, and needs no '+' of its own. */
bool imap_append_utf8_helps(const struct imap_append *append, const struct append_batch *batch,
	const struct append_letter *letter, const struct append_refusal *refusal)
{
	if (letter->utf8 || !imap_utf8(append->imap) || batch->sync || batch->bytes.len == 0 ||
		refusal->err.kind == ERR_KIND_QUOTA)
		return false;
	const size_t at = body_at(batch, letter);
	return has_8bit_header(span_sub(buf_span(&batch->bytes), at, letter->to - at));
}

/* [SP flag-list] [SP date-time] SP "UTF8" SP "(" literal8 ")" */
int imap_append_utf8_put(struct imap_append *append, const struct append_batch *batch,
	const struct append_letter *letter, struct err *err)
{
	const struct span bytes = buf_span(&batch->bytes);
	size_t brace = body_at(batch, letter) - 1;

	while (bytes.data[brace] != '{')
		brace--;
	if (imap_put(append->imap, span_sub(bytes, letter->from, brace - letter->from), err) < 0 ||
		imap_put(append->imap, SPAN("UTF8 (~"), err) < 0 ||
		imap_put(append->imap, span_sub(bytes, brace, letter->to - brace), err) < 0)
		return -1;
	return imap_put(append->imap, SPAN(")"), err);
}
