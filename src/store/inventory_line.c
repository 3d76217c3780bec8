#include "store/inventory_line.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/text.h"

struct reader {
	struct span rest;
	struct arena *arena;
};

static void skip_blanks(struct reader *reader)
{
	while (reader->rest.len > 0 && strchr(" \t\r", reader->rest.data[0]) &&
		reader->rest.data[0])
		reader->rest = span_from(reader->rest, 1);
}

static bool take(struct reader *reader, char c)
{
	skip_blanks(reader);
	if (reader->rest.len == 0 || reader->rest.data[0] != c)
		return false;
	reader->rest = span_from(reader->rest, 1);
	return true;
}

static int take_hex(struct reader *reader, uint32_t *out)
{
	*out = 0;
	if (reader->rest.len < 4)
		return -1;
	for (size_t i = 0; i < 4; i++) {
		const char c = reader->rest.data[i];
		const char *digit = memchr("0123456789abcdefABCDEF", c, 22);

		if (!digit)
			return -1;
		const uint32_t value = (uint32_t)(digit - "0123456789abcdefABCDEF");
		*out = *out * 16 + (value < 16 ? value : value - 6);
	}
	reader->rest = span_from(reader->rest, 4);
	return 0;
}

static int add_utf8(struct buf *out, uint32_t c)
{
	char text[4];
	size_t len = 0;

	if (c < 0x80) {
		text[len++] = (char)c;
	} else if (c < 0x800) {
		text[len++] = (char)(0xc0 | (c >> 6));
	} else if (c < 0x10000) {
		text[len++] = (char)(0xe0 | (c >> 12));
		text[len++] = (char)(0x80 | ((c >> 6) & 0x3f));
	} else {
		text[len++] = (char)(0xf0 | (c >> 18));
		text[len++] = (char)(0x80 | ((c >> 12) & 0x3f));
		text[len++] = (char)(0x80 | ((c >> 6) & 0x3f));
	}
	if (c >= 0x80)
		text[len++] = (char)(0x80 | (c & 0x3f));
	return buf_add(out, span_make(text, len));
}

/* \uXXXX, or two of them (RFC 8259 §7). */
static int take_unicode(struct reader *reader, struct buf *out)
{
	uint32_t c, low;

	if (take_hex(reader, &c) < 0 || c == 0 || (c >= 0xdc00 && c < 0xe000))
		return -1;
	if (c >= 0xd800 && c < 0xdc00) {
		if (!span_starts(reader->rest, SPAN("\\u")))
			return -1;
		reader->rest = span_from(reader->rest, 2);
		if (take_hex(reader, &low) < 0 || low < 0xdc00 || low >= 0xe000)
			return -1;
		c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
	}
	return add_utf8(out, c);
}

static int take_escape(struct reader *reader, struct buf *out)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *at;

	if (reader->rest.len == 0)
		return -1;
	const char c = reader->rest.data[0];
	reader->rest = span_from(reader->rest, 1);
	if (c == 'u')
		return take_unicode(reader, out);
	at = memchr(from, c, sizeof(from) - 1);
	return at ? buf_add_char(out, to[at - from]) : -1;
}

static int take_characters(struct reader *reader, struct buf *out)
{
	while (reader->rest.len > 0) {
		const char c = reader->rest.data[0];

		reader->rest = span_from(reader->rest, 1);
		if (c == '"')
			return 0;
		if ((unsigned char)c < 0x20)
			return -1;
		if ((c == '\\' ? take_escape(reader, out) : buf_add_char(out, c)) < 0)
			return -1;
	}
	return -1;
}

static int take_text(struct reader *reader, struct span *out)
{
	struct buf text;
	int rc = -1;

	buf_init(&text, reader->rest.len + 4);
	if (take(reader, '"') && take_characters(reader, &text) == 0 &&
		utf8_valid(buf_span(&text))) {
		*out = arena_span(reader->arena, buf_span(&text));
		rc = 0;
	}
	buf_release(&text);
	return rc;
}

static bool take_word(struct reader *reader, const char *word)
{
	if (!span_starts(reader->rest, span_of(word)))
		return false;
	reader->rest = span_from(reader->rest, strlen(word));
	return true;
}

static int take_number(struct reader *reader, int64_t *out)
{
	const bool negative = take(reader, '-');
	uint64_t value;
	size_t len = 0;

	while (len < reader->rest.len && reader->rest.data[len] >= '0' &&
		reader->rest.data[len] <= '9')
		len++;
	if (len == 0 || len > 18 || (len > 1 && reader->rest.data[0] == '0') ||
		!span_u64(span_make(reader->rest.data, len), &value))
		return -1;
	reader->rest = span_from(reader->rest, len);
	*out = negative ? -(int64_t)value : (int64_t)value;
	return 0;
}

static int take_value(struct reader *reader, struct inventory_field *out)
{
	skip_blanks(reader);
	if (reader->rest.len > 0 && reader->rest.data[0] == '"') {
		out->kind = INVENTORY_TEXT;
		return take_text(reader, &out->text);
	}
	if (take_word(reader, "true"))
		out->kind = INVENTORY_TRUE;
	else if (take_word(reader, "false"))
		out->kind = INVENTORY_FALSE;
	else if (take_word(reader, "null"))
		out->kind = INVENTORY_NULL;
	else {
		out->kind = INVENTORY_NUMBER;
		return take_number(reader, &out->number);
	}
	return 0;
}

static int take_field(struct reader *reader, struct inventory_fields *out)
{
	struct inventory_field *field = &out->field[out->count];

	if (out->count == INVENTORY_FIELDS)
		return -1;
	*field = (struct inventory_field){ 0 };
	skip_blanks(reader);
	if (take_text(reader, &field->key) < 0 || !take(reader, ':') ||
		take_value(reader, field) < 0)
		return -1;
	for (size_t i = 0; i < out->count; i++)
		if (span_equal(out->field[i].key, field->key))
			return -1;
	out->count++;
	return 0;
}

int inventory_line_parse(struct span line, struct arena *arena, struct inventory_fields *out)
{
	struct reader reader = { .rest = line, .arena = arena };

	out->count = 0;
	if (!take(&reader, '{'))
		return -1;
	if (!take(&reader, '}')) {
		do {
			if (take_field(&reader, out) < 0)
				return -1;
		} while (take(&reader, ','));
		if (!take(&reader, '}'))
			return -1;
	}
	skip_blanks(&reader);
	return reader.rest.len == 0 ? 0 : -1;
}

const struct inventory_field *inventory_line_find(
	const struct inventory_fields *fields, const char *key)
{
	for (size_t i = 0; i < fields->count; i++)
		if (span_equal_text(fields->field[i].key, key))
			return &fields->field[i];
	return NULL;
}

int inventory_line_text(const struct inventory_fields *fields, const char *key, struct span *out)
{
	const struct inventory_field *field = inventory_line_find(fields, key);

	if (!field || field->kind != INVENTORY_TEXT)
		return -1;
	*out = field->text;
	return 0;
}

int inventory_line_text_null(
	const struct inventory_fields *fields, const char *key, struct span *out)
{
	const struct inventory_field *field = inventory_line_find(fields, key);

	*out = (struct span){ 0 };
	if (field && field->kind == INVENTORY_NULL)
		return 0;
	return inventory_line_text(fields, key, out);
}

int inventory_line_u64(
	const struct inventory_fields *fields, const char *key, uint64_t most, uint64_t *out)
{
	const struct inventory_field *field = inventory_line_find(fields, key);

	if (!field || field->kind != INVENTORY_NUMBER || field->number < 0 ||
		(uint64_t)field->number > most)
		return -1;
	*out = (uint64_t)field->number;
	return 0;
}

int inventory_line_i64_null(const struct inventory_fields *fields, const char *key, int64_t *out)
{
	const struct inventory_field *field = inventory_line_find(fields, key);

	if (field && field->kind == INVENTORY_NULL)
		return 0;
	if (!field || field->kind != INVENTORY_NUMBER)
		return -1;
	*out = field->number;
	return 0;
}

int inventory_line_bool(const struct inventory_fields *fields, const char *key, bool *out)
{
	const struct inventory_field *field = inventory_line_find(fields, key);

	if (!field || (field->kind != INVENTORY_TRUE && field->kind != INVENTORY_FALSE))
		return -1;
	*out = field->kind == INVENTORY_TRUE;
	return 0;
}
