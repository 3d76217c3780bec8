/* Names of messages and folders in a Maildir. */
#include "mail/maildir_name.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "mail/mailbox_name.h"

#define COMPONENT_MAX 255 /* octets of a file name, on every file system in use */
#define HOST_MAX 64

static const char letters[] = "DFPRST";

/* ---- messages ---- */

static bool is_field(struct span text, char letter)
{
	return text.len >= 3 && text.data[0] == ',' && text.data[1] == letter &&
	       text.data[2] == '=';
}

static uint64_t field_value(struct span text)
{
	const struct span rest = span_from(text, 3);
	size_t digits = 0;
	uint64_t value;

	while (digits < rest.len && rest.data[digits] >= '0' && rest.data[digits] <= '9')
		digits++;
	return span_u64(span_sub(rest, 0, digits), &value) ? value : MAILDIR_SIZE_UNKNOWN;
}

/* What other programs put behind the unique name: sizes (Maildir++), mbsync's UIDs, offlineimap's digests. */
static void parse_fields(struct maildir_name *out)
{
	for (size_t at = 0; at < out->base.len; at++) {
		const struct span rest = span_from(out->base, at);
		const bool size = is_field(rest, 'S'), mail_size = is_field(rest, 'W');

		if (!size && !mail_size && !is_field(rest, 'U') &&
			!span_starts(rest, SPAN(",FMD5=")))
			continue;
		if (out->unique.len == out->base.len && at > 0)
			out->unique = span_sub(out->base, 0, at);
		if (size)
			out->size = field_value(rest);
		if (mail_size)
			out->mail_size = field_value(rest);
	}
}

static uint64_t leading_number(struct span text)
{
	size_t digits = 0;
	uint64_t value;

	while (digits < text.len && digits < 19 && text.data[digits] >= '0' &&
		text.data[digits] <= '9')
		digits++;
	return span_u64(span_sub(text, 0, digits), &value) ? value : 0;
}

static void parse_time(struct maildir_name *out)
{
	const size_t dot = span_find(out->base, '.');
	const struct span middle = span_from(out->base, dot == SIZE_MAX ? out->base.len : dot + 1);

	out->seconds = leading_number(out->base);
	out->micros =
		middle.len > 0 && middle.data[0] == 'M' ? leading_number(span_from(middle, 1)) : 0;
}

static void parse_letters(struct maildir_name *out)
{
	for (size_t i = 0; i < out->info.len && out->info.data[i] != ','; i++) {
		const char letter = out->info.data[i];
		const char *known = letter != '\0' ? strchr(letters, letter) : NULL;

		if (known != NULL)
			out->flags |= 1u << (known - letters);
		else if (letter >= 'a' && letter <= 'z')
			out->keywords |= UINT32_C(1) << (letter - 'a');
	}
}

bool maildir_name_parse(struct span file, struct maildir_name *out)
{
	const size_t colon = span_find(file, ':');

	*out = (struct maildir_name){ .size = MAILDIR_SIZE_UNKNOWN,
		.mail_size = MAILDIR_SIZE_UNKNOWN };
	if (file.len == 0 || file.data[0] == '.' || colon == 0)
		return false;
	out->base = out->unique = span_sub(file, 0, colon);
	if (colon != SIZE_MAX && span_starts(span_from(file, colon), SPAN(":2,")))
		out->info = span_from(file, colon + 3);
	parse_fields(out);
	parse_time(out);
	parse_letters(out);
	return true;
}

/* Letters that are neither flags nor keywords, each once. */
static void mark_others(struct span info, bool set[256])
{
	for (size_t i = 0; i < info.len && info.data[i] != ','; i++) {
		const unsigned char letter = (unsigned char)info.data[i];

		if ((letter < 'a' || letter > 'z') && strchr(letters, letter) == NULL)
			set[letter] = true;
	}
}

int maildir_name_print(
	const struct maildir_name *name, unsigned flags, uint32_t keywords, struct buf *out)
{
	const size_t comma = span_find(name->info, ',');
	bool set[256] = { false };
	int rc;

	mark_others(name->info, set);
	for (size_t i = 0; letters[i] != '\0'; i++)
		set[(unsigned char)letters[i]] = flags & (1u << i);
	for (unsigned i = 0; i < MAILDIR_KEYWORDS; i++)
		set['a' + i] = keywords & (UINT32_C(1) << i);
	rc = buf_add(out, name->base);
	if (rc == 0)
		rc = buf_add(out, SPAN(":2,"));
	for (unsigned i = 1; i < 256 && rc == 0; i++)
		rc = set[i] ? buf_add_char(out, (char)i) : 0;
	if (rc == 0 && comma != SIZE_MAX)
		rc = buf_add(out, span_from(name->info, comma));
	return rc;
}

int maildir_name_compare(const struct maildir_name *a, const struct maildir_name *b)
{
	if (a->seconds != b->seconds)
		return a->seconds < b->seconds ? -1 : 1;
	if (a->micros != b->micros)
		return a->micros < b->micros ? -1 : 1;
	return span_compare(a->base, b->base);
}

void maildir_unique_print(const struct maildir_unique *unique, char out[256])
{
	char host[HOST_MAX * 4 + 1];
	size_t len = 0;

	for (const char *at = unique->host; *at != '\0' && len < HOST_MAX - 4; at++) {
		const unsigned char c = (unsigned char)*at;

		/* The Maildir specification's own escapes; what else could hurt, or be taken for a field, likewise. */
		if (c <= ' ' || c >= 0x7f || c == '/' || c == ':' || c == ',' || c == '\\')
			len += (size_t)snprintf(host + len, 5, "\\%03o", c);
		else
			host[len++] = (char)c;
	}
	host[len] = '\0';
	(void)snprintf(out, 256, "%lld.M%uP%uQ%u_%016llx.%s", (long long)unique->seconds,
		unique->micros, unique->pid, unique->counter, (unsigned long long)unique->random,
		len > 0 ? host : "localhost");
}

static bool skip_number(struct span *text)
{
	size_t digits = 0;

	while (digits < text->len && text->data[digits] >= '0' && text->data[digits] <= '9')
		digits++;
	*text = span_from(*text, digits);
	return digits > 0;
}

bool maildir_unique_ours(struct span name)
{
	static const char *const marks[] = { ".M", "P", "Q", "_" };

	for (size_t i = 0; i < countof(marks); i++) {
		if (!skip_number(&name) || !span_starts(name, span_of(marks[i])))
			return false;
		name = span_from(name, strlen(marks[i]));
	}
	for (size_t i = 0; i < 16; i++) {
		if (i >= name.len || strchr("0123456789abcdef", name.data[i]) == NULL ||
			name.data[i] == '\0')
			return false;
	}
	return name.len > 17 && name.data[16] == '.';
}

/* ---- folders ---- */

static struct mailbox_style server_style(const struct maildir_style *style)
{
	return (struct mailbox_style){ .delimiter = style->layout == MAILDIR_FS ? '/' : '.',
		.utf8 = style->utf8,
		.prefix = "" };
}

/* A directory of the fs layout that would not be taken for a folder. */
static bool is_reserved(const struct maildir_style *style, struct span level)
{
	if (style->layout != MAILDIR_FS || level.len == 0)
		return false;
	return level.data[0] == '.' || span_equal(level, SPAN("cur")) ||
	       span_equal(level, SPAN("new")) || span_equal(level, SPAN("tmp"));
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* An escape of mailbox_name.h at the front: '%', "25" depth times, two digits. Its length, or 0. */
static size_t find_escape(struct span text, size_t *depth_out, char *octet_out)
{
	size_t at = 1, depth = 0;

	if (text.len < 3 || text.data[0] != '%')
		return 0;
	while (at + 4 <= text.len && text.data[at] == '2' && text.data[at + 1] == '5' &&
		hex_digit(text.data[at + 2]) >= 0 && hex_digit(text.data[at + 3]) >= 0) {
		depth++;
		at += 2;
	}

	const int high = hex_digit(text.data[at]);
	const int low = at + 1 < text.len ? hex_digit(text.data[at + 1]) : -1;
	if (high < 0 || low < 0)
		return 0;
	*depth_out = depth;
	*octet_out = (char)(high * 16 + low);
	return at + 2;
}

static char *escape(struct arena *arena, size_t depth, char octet)
{
	char *text = arena_print(arena, "%%%*s%02X", (int)depth * 2, "", (unsigned char)octet);

	for (size_t i = 0; i < depth * 2; i++)
		text[1 + i] = i % 2 == 0 ? '2' : '5';
	return text;
}

/* Is this an escape that we put there, at some depth? Only these change. */
static bool is_own_escape(const struct maildir_style *style, char octet, struct span behind,
	bool start, struct arena *arena)
{
	if (octet == '/')
		return style->layout == MAILDIR_PLUSPLUS;
	return start && octet != '\0' &&
	       is_reserved(style, span_of(arena_print(arena, "%c%.*s", octet, (int)behind.len,
					  behind.data != NULL ? behind.data : "")));
}

/* A level between the server's form and the file's, in either direction. */
static int put_level(const struct maildir_style *style, struct span level, bool encode,
	struct arena *arena, struct buf *out)
{
	size_t at = 0;
	int rc = 0;

	if (encode && is_reserved(style, level)) {
		rc = buf_add(out, span_of(escape(arena, 0, level.data[0])));
		at = 1;
	}
	while (at < level.len && rc == 0) {
		const struct span rest = span_from(level, at);
		size_t depth = 0, len;
		char octet = '\0';

		len = find_escape(rest, &depth, &octet);
		if (len > 0 && is_own_escape(style, octet, span_from(rest, len), at == 0, arena)) {
			if (!encode && depth == 0)
				rc = buf_add_char(out, octet);
			else
				rc = buf_add(out, span_of(escape(arena,
							  encode ? depth + 1 : depth - 1, octet)));
			at += len;
			continue;
		}
		if (encode && rest.data[0] == '/')
			rc = buf_add(out, SPAN("%2F"));
		else
			rc = buf_add_char(out, rest.data[0]);
		at++;
	}
	return rc;
}

/* All levels; also tells whether each would be a file name. */
static int put_levels(const struct maildir_style *style, struct span text, bool encode,
	struct arena *arena, struct buf *out)
{
	const char delimiter = style->layout == MAILDIR_FS ? '/' : '.';

	for (;;) {
		const size_t end = span_find(text, delimiter), before = out->len;
		const struct span level = span_sub(text, 0, end);

		if (put_level(style, level, encode, arena, out) < 0 ||
			(encode && (level.len == 0 || out->len - before > COMPONENT_MAX)))
			return -1;
		if (end == SIZE_MAX)
			return 0;
		if (buf_add_char(out, delimiter) < 0)
			return -1;
		text = span_from(text, end + 1);
	}
}

int maildir_folder_path(const struct maildir_style *style, const char *display, struct arena *arena,
	char **path_out, bool *changed_out, struct err *err)
{
	const struct mailbox_style server = server_style(style);
	struct buf path;
	char *name;
	int rc = mailbox_server(&server, display, arena, &name, changed_out, err);

	if (rc < 0)
		return -1;
	buf_init(&path, MAILBOX_NAME_MAX);
	if (style->layout == MAILDIR_PLUSPLUS)
		rc = buf_add_char(&path, '.');
	if (rc == 0)
		rc = put_levels(style, span_of(name), true, arena, &path);
	if (rc == 0 && style->layout == MAILDIR_PLUSPLUS && path.len > COMPONENT_MAX)
		rc = -1;
	if (rc == 0) {
		*path_out = arena_text(arena, buf_span(&path));
		*changed_out |= !span_equal(span_of(name),
			span_from(buf_span(&path), style->layout == MAILDIR_PLUSPLUS));
	}
	buf_release(&path);
	return rc < 0 ? err_set(err, ERR_MAILBOX,
				"the name is too long for a directory (%d octets), or has an empty level",
				COMPONENT_MAX)
		      : 0;
}

char *maildir_folder_display(
	const struct maildir_style *style, struct span path, struct arena *arena)
{
	const struct mailbox_style server = server_style(style);
	struct buf name;
	char *display;

	buf_init(&name, path.len + 1);
	(void)!put_levels(
		style, span_from(path, style->layout == MAILDIR_PLUSPLUS), false, arena, &name);
	display = mailbox_display(&server, buf_span(&name), arena);
	buf_release(&name);
	return display;
}
