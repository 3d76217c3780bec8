/* Modified UTF-7 (RFC 3501 §5.1.3): Unicode in mailbox names as "&" base64 of UTF-16 "-", with ',' for '/' and no padding. */
#include "mail/mailbox_name.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/text.h"
#include "mail/mailbox_parts.h"

#define NAME_CAP \
	65536 /* of any form: a name of MAILBOX_NAME_MAX octets grows less than this when converted */

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

static int add_utf8(struct buf *out, uint32_t c)
{
	char bytes[4];
	size_t len = 0;

	if (c < 0x80) {
		bytes[len++] = (char)c;
	} else if (c < 0x800) {
		bytes[len++] = (char)(0xc0 | c >> 6);
	} else if (c < 0x10000) {
		bytes[len++] = (char)(0xe0 | c >> 12);
		bytes[len++] = (char)(0x80 | (c >> 6 & 0x3f));
	} else {
		bytes[len++] = (char)(0xf0 | c >> 18);
		bytes[len++] = (char)(0x80 | (c >> 12 & 0x3f));
		bytes[len++] = (char)(0x80 | (c >> 6 & 0x3f));
	}
	if (c >= 0x80)
		bytes[len++] = (char)(0x80 | (c & 0x3f));
	return buf_add(out, span_make(bytes, len));
}

static int sextet(char byte)
{
	const char *at = byte != '\0' ? strchr(alphabet, byte) : NULL;

	return at != NULL ? (int)(at - alphabet) : -1;
}

struct utf16 {
	uint32_t high; /* a high surrogate waiting for its low one, or 0 */
};

/* One UTF-16 unit. -1 for a lone surrogate, U+0000, or a character that should stand for itself. */
static int add_unit(struct utf16 *state, uint32_t unit, struct buf *out)
{
	if (unit >= 0xdc00 && unit < 0xe000) {
		uint32_t high = state->high;

		state->high = 0;
		if (high == 0)
			return -1;
		return add_utf8(out, 0x10000 + ((high - 0xd800) << 10) + (unit - 0xdc00));
	}
	if (state->high != 0 || unit == 0 || (unit >= 0x20 && unit < 0x7f))
		return -1;
	if (unit >= 0xd800 && unit < 0xdc00) {
		state->high = unit;
		return 0;
	}
	return add_utf8(out, unit);
}

/* The base64 between "&" and "-", not empty. */
static int decode_shifted(struct span text, struct buf *out)
{
	struct utf16 state = { 0 };
	uint32_t bits = 0;
	unsigned count = 0;

	for (size_t i = 0; i < text.len; i++) {
		int value = sextet(text.data[i]);

		if (value < 0)
			return -1;
		bits = (bits << 6 | (uint32_t)value) & 0x3fffff;
		count += 6;
		if (count < 16)
			continue;
		count -= 16;
		if (add_unit(&state, bits >> count & 0xffff, out) < 0)
			return -1;
	}
	/* What is left pads the last sextet, with zeroes. */
	return state.high != 0 || count >= 6 || (bits & ((1u << count) - 1)) != 0 ? -1 : 0;
}

static int decode(struct span name, struct buf *out)
{
	size_t shift_end = SIZE_MAX;

	for (size_t i = 0; i < name.len; i++) {
		unsigned char byte = (unsigned char)name.data[i];
		size_t end;

		if (byte < 0x20 || byte >= 0x7f)
			return -1;
		if (byte != '&') {
			if (buf_add_char(out, (char)byte) < 0)
				return -1;
			continue;
		}
		end = span_find(span_from(name, i), '-');
		if (end == SIZE_MAX)
			return -1;
		if (end == 1) {
			if (buf_add_char(out, '&') < 0)
				return -1;
		} else {
			/* "&…-&…-" should have been one shift */
			if (shift_end == i ||
				decode_shifted(span_sub(name, i + 1, end - 1), out) < 0)
				return -1;
			shift_end = i + end + 1;
		}
		i += end;
	}
	return 0;
}

int mutf7_decode(struct span name, struct arena *arena, char **out)
{
	struct buf text;
	int rc;

	buf_init(&text, NAME_CAP);
	rc = decode(name, &text);
	if (rc == 0)
		*out = arena_text(arena, buf_span(&text));
	buf_release(&text);
	return rc;
}

struct encoder {
	struct buf *out;
	uint32_t bits;
	unsigned count;
	bool shifted;
};

static int encode_unit(struct encoder *encoder, uint32_t unit)
{
	if (!encoder->shifted) {
		if (buf_add_char(encoder->out, '&') < 0)
			return -1;
		encoder->shifted = true;
		encoder->bits = encoder->count = 0;
	}
	encoder->bits = encoder->bits << 16 | unit;
	encoder->count += 16;
	while (encoder->count >= 6) {
		encoder->count -= 6;
		if (buf_add_char(encoder->out, alphabet[encoder->bits >> encoder->count & 63]) < 0)
			return -1;
	}
	encoder->bits &= (1u << encoder->count) - 1;
	return 0;
}

static int end_shift(struct encoder *encoder)
{
	if (!encoder->shifted)
		return 0;
	encoder->shifted = false;
	if (encoder->count > 0 && buf_add_char(encoder->out,
					  alphabet[encoder->bits << (6 - encoder->count) & 63]) < 0)
		return -1;
	return buf_add_char(encoder->out, '-');
}

static int encode_char(struct encoder *encoder, uint32_t c)
{
	if (c < 0x20 || c >= 0x7f) {
		if (c >= 0x10000) {
			c -= 0x10000;
			if (encode_unit(encoder, 0xd800 + (c >> 10)) < 0)
				return -1;
			c = 0xdc00 + (c & 0x3ff);
		}
		return encode_unit(encoder, c);
	}
	if (end_shift(encoder) < 0)
		return -1;
	return c == '&' ? buf_add(encoder->out, SPAN("&-")) : buf_add_char(encoder->out, (char)c);
}

static int encode(struct span name, struct buf *out)
{
	struct encoder encoder = { .out = out };

	while (name.len > 0) {
		uint32_t c;
		size_t len = utf8_next(name, &c);

		if (len == 0 || c == 0 || encode_char(&encoder, c) < 0)
			return -1;
		name = span_from(name, len);
	}
	return end_shift(&encoder);
}

int mutf7_encode(struct span name, struct arena *arena, char **out)
{
	struct buf text;
	int rc;

	buf_init(&text, NAME_CAP);
	rc = encode(name, &text);
	if (rc == 0)
		*out = arena_text(arena, buf_span(&text));
	buf_release(&text);
	return rc;
}
