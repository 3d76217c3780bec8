/* The lines of a manifest, to text and back; strict: what this would not have written is none. */
#include "store/manifest_parts.h"

#include "base/text.h"

#define FIELDS 7
#define SHA_DIGITS ((size_t)2 * DIGEST_SIZE)

static bool parse_date(struct span field, struct date *out)
{
	*out = (struct date){ .instant = DATE_UNKNOWN };
	return span_equal_text(field, "-") || date_parse_iso(field, out) == 0;
}

int manifest_print_text(struct buf *out, const char *text)
{
	if (!text || !*text)
		return buf_add_char(out, '-');
	if (strcmp(text, "-") == 0)
		return buf_add(out, SPAN("%2D"));
	return percent_encode(span_of(text), "", out);
}

bool manifest_parse_text(struct span field, struct buf *out, bool *none_out)
{
	buf_clear(out);
	*none_out = span_equal_text(field, "-");
	for (size_t i = 0; i < field.len; i++) {
		const unsigned char byte = (unsigned char)field.data[i];

		if (byte < ' ' || byte == 0x7f)
			return false;
	}
	return field.len > 0 && percent_decode(field, out) == 0;
}

static int print_fields(
	struct buf *out, const struct flag_table *flags, const struct manifest_row *row)
{
	char date[DATE_ISO_SIZE], sha[SHA_DIGITS + 1];
	const bool has_id = row->message_id && strlen(row->message_id) <= MANIFEST_ID_MAX;

	if (buf_print(out, "%lu\t%s\t", (unsigned long)row->uid,
		    date_print_iso(row->date, date) ? date : "-") < 0)
		return -1;
	if (row->size == UINT64_MAX ? buf_add_char(out, '-') < 0
				    : buf_print(out, "%llu", (unsigned long long)row->size) < 0)
		return -1;
	if (buf_add_char(out, '\t') < 0 ||
		manifest_print_text(out, flags_text(flags, row->flags)) < 0)
		return -1;
	if (row->has_sha256)
		digest_hex(row->sha256, DIGEST_SIZE, sha);
	if (buf_print(out, "\t%s\t", row->has_sha256 ? sha : "-") < 0 ||
		manifest_print_text(out, has_id ? row->message_id : NULL) < 0 ||
		buf_add_char(out, '\t') < 0)
		return -1;
	return manifest_print_text(out, row->where);
}

int manifest_print_row(
	struct buf *out, const struct flag_table *flags, const struct manifest_row *row)
{
	const size_t before = out->len;

	if (*row->where && strlen(row->where) <= MANIFEST_WHERE_MAX &&
		print_fields(out, flags, row) == 0 && out->len - before < MANIFEST_LINE_MAX)
		return 0;
	out->len = before;
	return -1;
}

static bool parse_sha(struct span field, struct manifest_row *out)
{
	char again[SHA_DIGITS + 1];

	out->has_sha256 = false;
	if (span_equal_text(field, "-"))
		return true;
	if (field.len != SHA_DIGITS)
		return false;
	for (size_t i = 0; i < field.len; i++) {
		const char *digits = "0123456789abcdef";
		const char *found = field.data[i] ? strchr(digits, field.data[i]) : NULL;

		if (!found)
			return false;
		out->sha256[i / 2] =
			(unsigned char)(out->sha256[i / 2] << 4 | (unsigned char)(found - digits));
	}
	out->has_sha256 = true;
	digest_hex(out->sha256, DIGEST_SIZE, again);
	return span_equal_text(field, again);
}

static bool parse_numbers(const struct span field[FIELDS], struct manifest_row *out)
{
	out->size = UINT64_MAX;
	if (!span_u32(field[0], &out->uid) || out->uid == 0 || !parse_date(field[1], &out->date))
		return false;
	if (span_equal_text(field[2], "-"))
		return true;
	return span_u64(field[2], &out->size) && out->size != UINT64_MAX;
}

bool manifest_parse_row(
	struct span line, struct flag_table *flags, struct buf text[3], struct manifest_row *out)
{
	struct span field[FIELDS];
	bool none;

	*out = (struct manifest_row){ .uid = 0 };
	for (size_t i = 0; i < FIELDS; i++) {
		const size_t tab = span_find(line, '\t');

		if ((tab == SIZE_MAX) != (i == FIELDS - 1))
			return false;
		field[i] = span_sub(line, 0, tab);
		line = span_from(line, field[i].len + 1);
	}
	if (!parse_numbers(field, out) || !parse_sha(field[4], out))
		return false;
	if (!manifest_parse_text(field[3], &text[0], &none))
		return false;
	out->flags = none ? 0 : flags_parse(flags, buf_span(&text[0]));
	if (!manifest_parse_text(field[5], &text[1], &none))
		return false;
	out->message_id = none ? NULL : buf_text(&text[1]);
	if (!manifest_parse_text(field[6], &text[2], &none) || none)
		return false;
	out->where = buf_text(&text[2]);
	return text[1].len <= MANIFEST_ID_MAX && text[2].len <= MANIFEST_WHERE_MAX;
}
