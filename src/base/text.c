/* Text for people and from people: harmless copies, sizes, durations, counts, percent escapes. */
#include "base/text.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

#include <inttypes.h>

/* How many octets at the front of text may be shown as they are. */
static size_t harmless_run(struct span text)
{
	size_t at = 0;

	while (at < text.len) {
		uint32_t c;
		size_t len = utf8_next(span_from(text, at), &c);

		if (len == 0 || utf8_harmful(c))
			break;
		at += len;
	}
	return at;
}

/* Adds the escape for the character at the front; *len_out: the octets it stands for. */
static int add_escape(struct span text, struct buf *out, size_t *len_out)
{
	uint32_t c;
	size_t len = utf8_next(text, &c);

	*len_out = len > 0 ? len : 1;
	if (len > 1)
		return buf_print(out, "\\u{%04" PRIX32 "}", c);
	return buf_print(out, "\\x%02X", (unsigned char)text.data[0]);
}

int text_harmless(struct span text, struct buf *out)
{
	size_t before = out->len;

	while (text.len > 0) {
		size_t len = harmless_run(text);
		int rc = len > 0 ? buf_add(out, span_sub(text, 0, len))
				 : add_escape(text, out, &len);

		if (rc < 0) {
			out->len = before;
			return -1;
		}
		text = span_from(text, len);
	}
	return 0;
}

char *text_harmless_copy(struct arena *arena, struct span text)
{
	struct buf out;
	char *copy;

	buf_init(&out, SIZE_MAX);
	if (text_harmless(text, &out) < 0)
		buf_clear(&out);
	copy = arena_text(arena, buf_span(&out));
	buf_release(&out);
	return copy;
}

void text_shown(struct span text, char out[TEXT_SHOWN])
{
	struct span mark = SPAN("…");
	struct buf shown;
	bool fits = true;

	buf_init(&shown, TEXT_SHOWN - 1 - mark.len);
	while (text.len > 0 && fits) {
		uint32_t c;
		size_t len = utf8_next(text, &c);
		struct span first = span_sub(text, 0, len > 0 ? len : 1);

		fits = text_harmless(first, &shown) == 0;
		text = span_from(text, first.len);
	}
	(void)snprintf(out, TEXT_SHOWN, "%s%s", buf_text(&shown), fits ? "" : mark.data);
	buf_release(&shown);
}

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit size_units[] = {
	{ "", 1 },
	{ "B", 1 },
	{ "k", 1000 },
	{ "kB", 1000 },
	{ "KiB", 1024 },
	{ "M", 1000000 },
	{ "MB", 1000000 },
	{ "MiB", UINT64_C(1) << 20 },
	{ "G", 1000000000 },
	{ "GB", 1000000000 },
	{ "GiB", UINT64_C(1) << 30 },
	{ "T", 1000000000000 },
	{ "TB", 1000000000000 },
	{ "TiB", UINT64_C(1) << 40 },
};

static const struct unit duration_units[] = {
	{ "", 1000 },
	{ "ms", 1 },
	{ "s", 1000 },
	{ "m", 60000 },
	{ "h", 3600000 },
	{ "d", 86400000 },
};

static size_t digits_run(struct span text)
{
	size_t at = 0;

	while (at < text.len && text.data[at] >= '0' && text.data[at] <= '9')
		at++;
	return at;
}

/* The fraction at the front ("." and up to 6 digits) in millionths; leaves *text behind it. */
static bool take_fraction(struct span *text, uint64_t *millionths_out)
{
	uint64_t value = 0;
	size_t digits;

	*millionths_out = 0;
	if (text->len == 0 || text->data[0] != '.')
		return true;
	*text = span_from(*text, 1);
	digits = digits_run(*text);
	if (digits == 0 || digits > 6)
		return false;
	for (size_t i = 0; i < 6; i++)
		value = value * 10 + (i < digits ? (uint64_t)(text->data[i] - '0') : 0);
	*text = span_from(*text, digits);
	*millionths_out = value;
	return true;
}

/* number = 1*DIGIT ["." 1*6DIGIT] [" "] unit; false for anything else, and past max. */
static bool parse_number(
	struct span text, const struct unit *units, size_t count, uint64_t max, uint64_t *out)
{
	size_t digits = digits_run(text);
	uint64_t whole, millionths, part;
	size_t i = 0;

	if (!span_u64(span_sub(text, 0, digits), &whole))
		return false;
	text = span_from(text, digits);
	if (!take_fraction(&text, &millionths))
		return false;
	if (text.len > 1 && text.data[0] == ' ')
		text = span_from(text, 1);
	while (i < count && !span_equal_nocase(text, span_of(units[i].name)))
		i++;
	if (i == count || whole > max / units[i].factor)
		return false;
	part = millionths * units[i].factor / 1000000;
	if (part > max - whole * units[i].factor || (millionths > 0 && units[i].factor == 1))
		return false;
	*out = whole * units[i].factor + part;
	return true;
}

static int refuse(const char *text, const char *wanted, struct err *err)
{
	char shown[TEXT_SHOWN];

	text_shown(span_of(text), shown);
	return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE, "\"%s\" is not %s", shown, wanted);
}

const char *text_cut(struct arena *arena, const char *text, size_t columns, bool keep_end)
{
	struct span rest = span_of(text);
	size_t kept = 0, len;
	uint32_t c;

	if (utf8_columns(rest) <= columns)
		return text;
	while (keep_end && rest.len > 0 && utf8_columns(rest) + 1 > columns) {
		len = utf8_next(rest, &c);
		rest = span_from(rest, len > 0 ? len : 1);
	}
	if (keep_end)
		return arena_print(arena, "\xe2\x80\xa6%.*s", (int)rest.len, rest.data);
	while ((len = utf8_next(span_from(rest, kept), &c)) > 0 &&
		utf8_columns(span_sub(rest, 0, kept + len)) + 1 <= columns)
		kept += len;
	return arena_print(arena, "%.*s\xe2\x80\xa6", (int)kept, rest.data);
}

int text_parse_size(const char *text, uint64_t *out, struct err *err)
{
	if (!parse_number(span_of(text), size_units, countof(size_units), UINT64_MAX, out))
		return refuse(text, "a size such as 500, 10k, 5M, 1.5G or 64KiB", err);
	return 0;
}

int text_parse_duration(const char *text, int64_t *ms_out, struct err *err)
{
	uint64_t ms;

	if (!parse_number(span_of(text), duration_units, countof(duration_units), INT64_MAX, &ms))
		return refuse(text, "a time such as 30, 1.5, 500ms, 2m or 1h", err);
	*ms_out = (int64_t)ms;
	return 0;
}

char *text_size(struct arena *arena, uint64_t bytes)
{
	static const char *const names[] = { "kB", "MB", "GB", "TB", "PB", "EB" };
	uint64_t tenth = 100, tenths = 0;

	if (bytes < 1000)
		return arena_print(arena, "%" PRIu64 " B", bytes);
	for (size_t i = 0; i < countof(names); i++) {
		/* 999,950 is "1.0 MB", not "1000.0 kB": round first, then choose the unit. */
		tenths = bytes / tenth + (bytes % tenth >= tenth / 2);
		if (tenths < 10000 || i + 1 == countof(names))
			return arena_print(arena, "%" PRIu64 ".%" PRIu64 " %s", tenths / 10,
				tenths % 10, names[i]);
		tenth *= 1000;
	}
	return arena_strdup(arena, "");
}

char *text_duration(struct arena *arena, int64_t seconds)
{
	static const struct {
		char name;
		int64_t seconds;
	} units[] = { { 'd', 86400 }, { 'h', 3600 }, { 'm', 60 }, { 's', 1 } };
	char *text = NULL;
	size_t first = 0;

	if (seconds <= 0)
		return arena_strdup(arena, "0s");
	while (seconds < units[first].seconds)
		first++;
	for (size_t i = first; i < countof(units) && i < first + 3; i++) {
		int64_t amount = seconds / units[i].seconds;

		seconds %= units[i].seconds;
		if (amount > 0)
			text = arena_print(arena, "%s%s%" PRId64 "%c", text ? text : "",
				text ? " " : "", amount, units[i].name);
	}
	return text;
}

char *text_count(struct arena *arena, uint64_t count)
{
	char digits[32], *text;
	size_t len = (size_t)snprintf(digits, sizeof(digits), "%" PRIu64, count), to = 0;

	text = arena_alloc(arena, len + len / 3 + 1);
	for (size_t i = 0; i < len; i++) {
		if (i > 0 && (len - i) % 3 == 0)
			text[to++] = ',';
		text[to++] = digits[i];
	}
	return text;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int decode_escape(struct span text, struct buf *out)
{
	int high = text.len > 2 ? hex_value(text.data[1]) : -1;
	int low = text.len > 2 ? hex_value(text.data[2]) : -1;

	if (high < 0 || low < 0 || (high == 0 && low == 0))
		return -1;
	return buf_add_char(out, (char)(high << 4 | low));
}

int percent_decode(struct span text, struct buf *out)
{
	size_t before = out->len;

	while (text.len > 0) {
		bool escape = text.data[0] == '%';

		if ((escape ? decode_escape(text, out) : buf_add_char(out, text.data[0])) < 0) {
			out->len = before;
			return -1;
		}
		text = span_from(text, escape ? 3 : 1);
	}
	return 0;
}

int percent_encode(struct span text, const char *also_encode, struct buf *out)
{
	size_t before = out->len;
	int rc = 0;

	for (size_t i = 0; i < text.len && rc == 0; i++) {
		unsigned char c = (unsigned char)text.data[i];
		bool plain = c >= 0x20 && c != 0x7f && c != '%' && !strchr(also_encode, c);

		rc = plain ? buf_add_char(out, (char)c) : buf_print(out, "%%%02X", c);
	}
	if (rc < 0)
		out->len = before;
	return rc;
}
