/*
 * Mailbox names between display form and server form.
 *
 * Both forms share one escape: '%', k times "25", two upper case hex digits XX; k = 0 stands for the byte XX, k > 0 for the text
 * that the same escape with k - 1 shows. Crossing over, a byte that one form cannot hold (a '/' in a level here, the delimiter
 * there) becomes its escape, and the literal text of such an escape gets one "25" more; all other escapes pass as they are.
 * So the way there and back is exact.
 */
#include "mail/mailbox_name.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"
#include "mail/mailbox_parts.h"

struct escape {
	size_t len; /* of the whole text */
	size_t depth; /* k */
	unsigned char byte;
};

static int hex_value(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	return digit >= 'A' && digit <= 'F' ? digit - 'A' + 10 : -1;
}

static int hex_pair(struct span text, size_t at)
{
	if (at + 2 > text.len || hex_value(text.data[at]) < 0 || hex_value(text.data[at + 1]) < 0)
		return -1;
	return hex_value(text.data[at]) * 16 + hex_value(text.data[at + 1]);
}

static bool find_escape(struct span text, struct escape *out)
{
	size_t at = 1, depth = 0;
	int byte;

	if (text.len == 0 || text.data[0] != '%')
		return false;
	for (byte = hex_pair(text, at); byte == '%'; byte = hex_pair(text, at)) {
		depth++;
		at += 2;
	}
	if (byte < 0)
		return false;
	*out = (struct escape){ at + 2, depth, (unsigned char)byte };
	return true;
}

/* The buffers here are made as large as the worst case, so that adding cannot fail. */
static void put(struct buf *out, struct span text)
{
	(void)!buf_add(out, text);
}

static void put_escape(struct buf *out, size_t depth, unsigned char byte)
{
	static const char digits[] = "0123456789ABCDEF";
	const char pair[2] = { digits[byte >> 4], digits[byte & 15] };

	put(out, SPAN("%"));
	while (depth-- > 0)
		put(out, SPAN("25"));
	put(out, span_make(pair, sizeof(pair)));
}

static bool is_control(unsigned char byte)
{
	return byte < 0x20 || byte == 0x7f;
}

/* A delimiter that is part of escapes cannot be escaped itself. RFC 3501 lets a server have any. */
static bool is_usable(char delimiter)
{
	return delimiter != '\0' && delimiter != '%' && hex_value(delimiter) < 0;
}

static size_t worst_case(struct span text)
{
	return text.len * 6 + 64;
}

/* Bytes that are no UTF-8, controls and perhaps '&' as escapes. */
static char *escape_raw(struct span raw, bool ampersand, struct arena *arena)
{
	struct buf out;
	char *text;

	buf_init(&out, worst_case(raw));
	while (raw.len > 0) {
		uint32_t c;
		size_t len = utf8_next(raw, &c);

		if (len == 0 || (len == 1 && is_control((unsigned char)c)) ||
			(c == '&' && ampersand)) {
			put_escape(&out, 0, (unsigned char)raw.data[0]);
			len = 1;
		} else {
			put(&out, span_sub(raw, 0, len));
		}
		raw = span_from(raw, len);
	}
	text = arena_text(arena, buf_span(&out));
	buf_release(&out);
	return text;
}

static bool has_control(const char *text)
{
	for (; *text != '\0'; text++) {
		if (is_control((unsigned char)*text))
			return true;
	}
	return false;
}

/* One level of a server name as UTF-8. Not valid in its form: what can be read is shown, the rest escaped. */
static char *decode_level(const struct mailbox_style *style, struct span raw, struct arena *arena)
{
	char *text;

	if (style->utf8)
		return escape_raw(raw, false, arena);
	if (mutf7_decode(raw, arena, &text) == 0 && !has_control(text))
		return text;
	return escape_raw(raw, true, arena);
}

static void show_escape(
	const struct mailbox_style *style, const struct escape *escape, struct buf *out)
{
	const char delimiter = style->delimiter;
	size_t depth = escape->depth;

	if (delimiter == '\0') { /* flat: the escape stands for a level's end */
		if (escape->byte == '/' && depth == 0) {
			put(out, SPAN("/"));
			return;
		}
	} else if (delimiter != '/') {
		if (escape->byte == (unsigned char)delimiter && is_usable(delimiter)) {
			if (depth == 0) {
				put(out, span_make(&delimiter, 1));
				return;
			}
			depth--;
		} else if (escape->byte == '/') {
			depth++;
		}
	}
	put_escape(out, depth, escape->byte);
}

static void show_level(const struct mailbox_style *style, struct span text, struct buf *out)
{
	while (text.len > 0) {
		struct escape escape;
		size_t len = 1;

		if (find_escape(text, &escape)) {
			show_escape(style, &escape, out);
			len = escape.len;
		} else if (text.data[0] == '/') {
			put_escape(out, 0, '/');
		} else {
			put(out, span_sub(text, 0, 1));
		}
		text = span_from(text, len);
	}
}

/* The prefix is compared as the server wrote it, but for the name INBOX in it (RFC 3501 §5.1). */
static bool has_prefix(const struct mailbox_style *style, struct span name)
{
	struct span prefix = span_of(style->prefix);
	size_t any_case = span_starts_nocase(prefix, SPAN("INBOX")) ? 5 : 0;

	if (prefix.len == 0 || name.len <= prefix.len)
		return false;
	return span_starts_nocase(name, span_sub(prefix, 0, any_case)) &&
	       span_starts(span_from(name, any_case), span_from(prefix, any_case));
}

/* Whether text is INBOX with its first letter escaped: "%49NBOX", "%2549NBOX". */
static bool is_escaped_inbox(struct span text, struct escape *out)
{
	if (!find_escape(text, out) || (out->byte != 'I' && out->byte != 'i'))
		return false;
	return span_equal_nocase(span_from(text, out->len), SPAN("NBOX"));
}

/* Behind a prefix a mailbox may be called INBOX and be another than INBOX: its first letter is escaped. */
static char *quote_inbox(struct span text, struct arena *arena)
{
	struct escape escape;
	struct buf out;
	char *quoted;

	buf_init(&out, worst_case(text));
	if (span_equal_nocase(text, SPAN("INBOX"))) {
		put_escape(&out, 0, (unsigned char)text.data[0]);
		put(&out, span_from(text, 1));
	} else if (is_escaped_inbox(text, &escape)) {
		put_escape(&out, escape.depth + 1, escape.byte);
		put(&out, span_from(text, escape.len));
	} else {
		put(&out, text);
	}
	quoted = arena_text(arena, buf_span(&out));
	buf_release(&out);
	return quoted;
}

char *mailbox_display(
	const struct mailbox_style *style, struct span server_name, struct arena *arena)
{
	struct span rest = server_name;
	struct buf out;
	char *name;

	if (span_equal_nocase(server_name, SPAN("INBOX")))
		return arena_strdup(arena, "INBOX");
	if (has_prefix(style, server_name))
		rest = span_from(server_name, span_of(style->prefix).len);
	buf_init(&out, worst_case(rest));
	for (;;) {
		size_t end =
			style->delimiter != '\0' ? span_find(rest, style->delimiter) : SIZE_MAX;

		show_level(
			style, span_of(decode_level(style, span_sub(rest, 0, end), arena)), &out);
		if (end == SIZE_MAX)
			break;
		put(&out, SPAN("/"));
		rest = span_from(rest, end + 1);
	}
	if (span_of(style->prefix).len > 0)
		name = quote_inbox(buf_span(&out), arena);
	else
		name = arena_text(arena, buf_span(&out));
	buf_release(&out);
	return name;
}

/* An escape of the display form for the server; true when the name is not there as it is here. */
static bool write_escape(
	const struct mailbox_style *style, const struct escape *escape, struct buf *out)
{
	const char delimiter = style->delimiter;
	size_t depth = escape->depth;
	bool changed = false;

	if (escape->byte == '/' && delimiter != '/' && (depth == 0 || delimiter != '\0')) {
		if (depth == 0) {
			put(out, SPAN("/"));
			return false;
		}
		depth--;
	} else if (delimiter != '/' && is_usable(delimiter) &&
		   escape->byte == (unsigned char)delimiter) {
		depth++;
		changed = true;
	} else if (depth == 0) {
		changed = escape->byte == '/' || escape->byte == '&' || escape->byte >= 0x80 ||
			  is_control(escape->byte);
	}
	put_escape(out, depth, escape->byte);
	return changed;
}

/* One level of a display name, as UTF-8 without what the server cannot hold. */
static bool write_level(const struct mailbox_style *style, struct span text, struct buf *out)
{
	bool changed = false;

	while (text.len > 0) {
		struct escape escape;
		uint32_t c = 0;
		size_t len = utf8_next(text, &c);
		bool delimiter = text.data[0] == style->delimiter && is_usable(style->delimiter);

		if (find_escape(text, &escape)) {
			changed |= write_escape(style, &escape, out);
			len = escape.len;
		} else if (len == 0 || delimiter || (len == 1 && is_control((unsigned char)c))) {
			put_escape(out, 0, (unsigned char)text.data[0]);
			changed = true;
			len = 1;
		} else {
			put(out, span_sub(text, 0, len));
		}
		text = span_from(text, len);
	}
	return changed;
}

/* Adds one level in the server's charset. */
static int add_level(const struct mailbox_style *style, struct span level, struct arena *arena,
	struct buf *out, bool *changed)
{
	struct buf utf8;
	struct span form;
	char *text = NULL;
	int rc = 0;

	if (level.len == 0)
		return -1;
	buf_init(&utf8, worst_case(level));
	*changed |= write_level(style, level, &utf8);
	if (style->utf8)
		text = arena_text(arena, buf_span(&utf8));
	else
		rc = mutf7_encode(buf_span(&utf8), arena, &text);
	buf_release(&utf8);
	form = span_of(text);
	if (rc < 0 || (style->delimiter != '\0' && span_find(form, style->delimiter) != SIZE_MAX))
		return -1;
	return buf_add(out, form);
}

static int add_levels(const struct mailbox_style *style, struct span rest, struct arena *arena,
	struct buf *out, bool *changed)
{
	for (;;) {
		size_t end = span_find(rest, '/');

		if (add_level(style, span_sub(rest, 0, end), arena, out, changed) < 0)
			return -1;
		if (end == SIZE_MAX)
			return 0;
		if (style->delimiter == '\0') {
			if (buf_add(out, SPAN("%2F")) < 0)
				return -1;
			*changed = true;
		} else if (buf_add_char(out, style->delimiter) < 0) {
			return -1;
		}
		rest = span_from(rest, end + 1);
	}
}

/* The reverse of quote_inbox(). Where there is no prefix, the escape stays and the name is another one. */
static struct span unquote_inbox(
	const struct mailbox_style *style, struct span display, struct arena *arena, bool *changed)
{
	struct escape escape;
	struct span rest;

	if (!is_escaped_inbox(display, &escape))
		return display;
	if (span_of(style->prefix).len == 0) {
		*changed |= escape.depth == 0;
		return display;
	}
	rest = span_from(display, escape.len);
	if (escape.depth == 0)
		return span_of(arena_print(arena, "%c%.4s", escape.byte, rest.data));
	/* One "25" less: what is behind the first goes on behind the '%'. */
	return span_of(arena_print(arena, "%%%s", display.data + 3));
}

int mailbox_server(const struct mailbox_style *style, const char *display, struct arena *arena,
	char **out, bool *changed_out, struct err *err)
{
	struct span name = span_of(display);
	struct buf text;
	bool changed = false;
	int rc;

	if (mailbox_is_inbox(display)) {
		*out = arena_strdup(arena, "INBOX");
		*changed_out = false;
		return 0;
	}
	if (name.len > MAILBOX_NAME_MAX)
		return err_set(
			err, ERR_MAILBOX, "mailbox name of %zu octets is too long", name.len);
	name = unquote_inbox(style, name, arena, &changed);
	buf_init(&text, MAILBOX_NAME_MAX);
	rc = buf_add(&text, span_of(style->prefix));
	if (rc == 0)
		rc = add_levels(style, name, arena, &text, &changed);
	if (rc == 0) {
		*out = arena_text(arena, buf_span(&text));
		*changed_out = changed;
	}
	buf_release(&text);
	if (rc < 0)
		return err_set(err, ERR_MAILBOX,
			"the server cannot hold this mailbox name (an empty level, too long, or its "
			"delimiter inside a level)");
	return 0;
}

static bool is_plain(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       c == '_' || c == '+' || c == '-';
}

char *mailbox_strict(
	const struct mailbox_style *style, struct span level, char escape, struct arena *arena)
{
	static const char digits[] = "0123456789ABCDEF";
	char *strict, *out;

	if (style->delimiter != '\0' &&
		(style->delimiter == escape || hex_value(style->delimiter) >= 0))
		return NULL;
	strict = out = arena_array(arena, 3 * level.len + 1, 1);
	for (size_t i = 0; i < level.len; i++) {
		const unsigned char c = (unsigned char)level.data[i];
		const bool at_end = i == 0 || i + 1 == level.len;

		if (level.data[i] != style->delimiter &&
			(is_plain(c) || ((c == ' ' || c == '.') && !at_end))) {
			*out++ = level.data[i];
			continue;
		}
		*out++ = escape;
		*out++ = digits[c >> 4];
		*out++ = digits[c & 15];
	}
	*out = '\0';
	return strict;
}

/* How a level stands at the server: 0 = as mailbox_server() has it, 1 = strict, -1 = otherwise. */
static int level_form(const struct mailbox_style *style, struct span raw, struct span plain,
	struct span level, struct arena *arena)
{
	static const char escapes[] = { '%', '=' };

	if (span_equal(raw, plain))
		return 0;
	for (size_t i = 0; i < sizeof(escapes); i++) {
		const char *strict = mailbox_strict(style, level, escapes[i], arena);

		if (strict != NULL && span_equal(raw, span_of(strict)))
			return 1;
	}
	return -1;
}

/* Takes what stands before the delimiter off the front. */
static struct span take_level(struct span *rest, char delimiter)
{
	const size_t end = delimiter != '\0' ? span_find(*rest, delimiter) : SIZE_MAX;
	const struct span level = span_sub(*rest, 0, end);

	*rest = end == SIZE_MAX ? (struct span){ 0 } : span_from(*rest, end + 1);
	return level;
}

static bool is_strict(const struct mailbox_style *style, struct span raw, struct span plain,
	struct span display, struct arena *arena)
{
	bool strict = false;

	do {
		/* A flat server's only level is the whole name. */
		const struct span level =
			take_level(&display, style->delimiter != '\0' ? '/' : '\0');
		const struct span here = take_level(&raw, style->delimiter);
		const int form =
			level_form(style, here, take_level(&plain, style->delimiter), level, arena);

		if (form < 0)
			return false;
		strict |= form > 0;
	} while (display.len > 0 && raw.len > 0 && plain.len > 0);
	return strict && display.len == 0 && raw.len == 0 && plain.len == 0;
}

bool mailbox_is_strict(const struct mailbox_style *style, const char *raw, const char *display)
{
	const struct span prefix = span_of(style->prefix), name = span_of(raw);
	struct arena *arena;
	bool changed, strict = false;
	char *plain = NULL;

	if (mailbox_is_inbox(display) || !span_starts(name, prefix))
		return false;
	arena = arena_new();
	if (mailbox_server(style, display, arena, &plain, &changed, NULL) == 0)
		strict = is_strict(style, span_from(name, prefix.len),
			span_from(span_of(plain), prefix.len), span_of(display), arena);
	arena_free(arena);
	return strict;
}

bool mailbox_is_inbox(const char *display)
{
	return span_equal_nocase(span_of(display), SPAN("INBOX"));
}

char *mailbox_parent(const char *display, struct arena *arena)
{
	const char *end = strrchr(display, '/');

	if (end == NULL)
		return NULL;
	return arena_text(arena, span_make(display, (size_t)(end - display)));
}

bool mailbox_below(const char *root, const char *name)
{
	size_t len = strlen(root);

	if (len == 0)
		return true;
	if (strncmp(root, name, len) != 0)
		return mailbox_is_inbox(root) && mailbox_is_inbox(name);
	return name[len] == '\0' || name[len] == '/';
}
