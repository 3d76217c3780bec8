/* UTF-8 (RFC 3629): one character, whole texts, and the columns they take. */
#include "base/text.h"

#include "base/utf8_parts.h"

size_t utf8_next(struct span text, uint32_t *out)
{
	static const uint32_t least[5] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned char lead = (unsigned char)text.data[0];
	size_t len = lead < 0x80 ? 1 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc2 ? 2 : 0;
	uint32_t c = len == 1 ? lead : lead & (0x7fu >> len);

	if (len == 0 || len > text.len || lead > 0xf4)
		return 0;
	for (size_t i = 1; i < len; i++) {
		if (((unsigned char)text.data[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | ((unsigned char)text.data[i] & 0x3f);
	}
	if (len > 1 && (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000)))
		return 0;
	*out = c;
	return len;
}

bool utf8_valid(struct span text)
{
	while (text.len > 0) {
		uint32_t c;
		size_t len = utf8_next(text, &c);

		if (len == 0)
			return false;
		text = span_from(text, len);
	}
	return true;
}

static bool in_ranges(const struct utf8_range *ranges, size_t count, uint32_t c)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (c > ranges[middle].last)
			low = middle + 1;
		else
			high = middle;
	}
	return low < count && c >= ranges[low].first;
}

static size_t columns_of(uint32_t c)
{
	if (c >= 0x20 && c < 0x7f)
		return 1;
	if (in_ranges(utf8_narrow, utf8_narrow_count, c))
		return 0;
	return in_ranges(utf8_wide, utf8_wide_count, c) ? 2 : 1;
}

size_t utf8_columns(struct span text)
{
	size_t columns = 0;

	while (text.len > 0) {
		uint32_t c = 0xfffd;
		size_t len = utf8_next(text, &c);

		columns += columns_of(c);
		text = span_from(text, len > 0 ? len : 1);
	}
	return columns;
}

bool utf8_harmful(uint32_t c)
{
	if (c < 0x20 || (c >= 0x7f && c < 0xa0))
		return true;
	return (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0x200e ||
	       c == 0x200f || c == 0x061c; /* all of Bidi_Control, and line ends */
}
