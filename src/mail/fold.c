/* Folding by the table that script/fold-table writes. */
#include "mail/fold.h"

#include "base/buf.h"
#include "base/text.h"
#include "mail/mailbox_parts.h"

static const struct fold_entry *find_entry(uint32_t c)
{
	size_t low = 0, high = fold_table_size;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (fold_table[mid].from == c)
			return &fold_table[mid];
		if (fold_table[mid].from < c)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

static size_t put_unit(char *to, uint16_t c)
{
	size_t len = 0;

	if (c < 0x80) {
		to[len++] = (char)c;
		return len;
	}
	if (c < 0x800) {
		to[len++] = (char)(0xc0 | c >> 6);
	} else {
		to[len++] = (char)(0xe0 | c >> 12);
		to[len++] = (char)(0x80 | (c >> 6 & 0x3f));
	}
	to[len++] = (char)(0x80 | (c & 0x3f));
	return len;
}

/* One character, or an octet that is none; how many octets of the text it was. */
static size_t fold_one(struct span rest, char **to)
{
	uint32_t c = 0;
	size_t len = utf8_next(rest, &c);
	const struct fold_entry *entry = len > 1 ? find_entry(c) : NULL;

	if (len <= 1) {
		*(*to)++ = rest.data[0] >= 'A' && rest.data[0] <= 'Z' ? (char)(rest.data[0] + 32)
								      : rest.data[0];
		return 1;
	}
	if (entry == NULL) {
		memcpy(*to, rest.data, len);
		*to += len;
		return len;
	}
	for (size_t i = 0; i < countof(entry->to) && entry->to[i] != 0; i++)
		*to += put_unit(*to, entry->to[i]);
	return len;
}

void fold_text(struct span text, struct buf *out)
{
	char *to;

	if (text.len == 0)
		return;
	if (buf_reserve(out, text.len * FOLD_GROWTH) < 0)
		abort();
	to = out->data + out->len;
	for (size_t at = 0; at < text.len;) {
		const unsigned char byte = (unsigned char)text.data[at];

		if (byte < 0x80) {
			*to++ = (char)(byte >= 'A' && byte <= 'Z' ? byte + 32 : byte);
			at++;
		} else {
			at += fold_one(span_from(text, at), &to);
		}
	}
	out->len = (size_t)(to - out->data);
}
