/* One value, one text: formatted, made harmless, cut on a UTF-8 border. */
#define ERR_ITSELF
#include "base/err.h"

#include "base/buf.h"
#include "base/text.h"

#include <errno.h>
#include <stdarg.h>

#define TEXT_MAX (sizeof(((struct err *)NULL)->text) - 1)
#define HARMLESS_GROWTH 8 /* a C1 control of two bytes becomes \u{0080} */

/* The longest start of at most max bytes that does not end inside a character. */
static size_t utf8_cut(struct span text, size_t max)
{
	if (text.len <= max)
		return text.len;

	size_t at = max;
	while (at > 0 && max - at < 3 && ((unsigned char)text.data[at] & 0xc0) == 0x80)
		at--;
	return ((unsigned char)text.data[at] & 0xc0) == 0x80 ? max : at;
}

/* As vsnprintf(), and the result, at most TEXT_MAX bytes, is harmless. */
static MUST_FORMAT(2, 0) void format(char out[TEXT_MAX + 1], const char *fmt, va_list args)
{
	char raw[TEXT_MAX +
		 5]; /* a character more than fits, so that the cut sees where it starts */
	struct buf clean;

	const int size = vsnprintf(raw, sizeof(raw), fmt, args);
	struct span text = span_make(raw, size < 0 ? 0 : strnlen(raw, sizeof(raw)));
	text.len = utf8_cut(text, TEXT_MAX);
	buf_init(&clean, HARMLESS_GROWTH * sizeof(raw));
	if (text_harmless(text, &clean) < 0)
		buf_clear(&clean);
	text = buf_span(&clean);
	text.len = utf8_cut(text, TEXT_MAX);
	if (text.len > 0)
		memcpy(out, text.data, text.len);
	out[text.len] = '\0';
	buf_release(&clean);
}

/* Both parts are harmless already. */
static void join(struct err *err, const char *front, const char *back)
{
	char whole[2 * TEXT_MAX + 3];
	const int size = snprintf(whole, sizeof(whole), "%s: %s", front, back);
	const size_t len = utf8_cut(span_make(whole, size < 0 ? 0 : (size_t)size), TEXT_MAX);

	memcpy(err->text, whole, len);
	err->text[len] = '\0';
}

static void fill(struct err *err, enum err_scope scope, enum err_kind kind)
{
	err->scope = scope;
	err->kind = kind;
	err->retry = scope == ERR_CONN ? ERR_RETRY_NOW : ERR_RETRY_NEVER;
	err->wait_ms = 0;
}

int err_set(struct err *err, enum err_scope scope, const char *fmt, ...)
{
	va_list args;

	if (!err)
		return -1;
	va_start(args, fmt);
	format(err->text, fmt, args);
	va_end(args);
	fill(err, scope, ERR_KIND_OTHER);
	return -1;
}

int err_set_kind(struct err *err, enum err_scope scope, enum err_kind kind, const char *fmt, ...)
{
	va_list args;

	if (!err)
		return -1;
	va_start(args, fmt);
	format(err->text, fmt, args);
	va_end(args);
	fill(err, scope, kind);
	return -1;
}

/* Unlike a full disk, which is so for everybody. */
static bool is_of_path(int number)
{
	return number == EACCES || number == EPERM || number == ENOENT || number == ENOTDIR ||
	       number == EISDIR || number == EROFS || number == ELOOP || number == ENAMETOOLONG;
}

int err_set_errno(struct err *err, enum err_scope scope, const char *fmt, ...)
{
	const int number = errno;
	char text[TEXT_MAX + 1];
	char reason[128];
	va_list args;

	if (!err)
		return -1;
	va_start(args, fmt);
	format(text, fmt, args);
	va_end(args);
	join(err, text, strerror_r(number, reason, sizeof(reason)));
	fill(err, scope, scope == ERR_LOCAL && is_of_path(number) ? ERR_KIND_PATH : ERR_KIND_OTHER);
	return -1;
}

enum err_scope err_scope_of_errno(void)
{
	return is_of_path(errno) ? ERR_MAILBOX : ERR_LOCAL;
}

int err_wrap(struct err *err, const char *fmt, ...)
{
	char text[TEXT_MAX + 1];
	va_list args;

	if (!err)
		return -1;
	va_start(args, fmt);
	format(text, fmt, args);
	va_end(args);
	join(err, text, err->text);
	return -1;
}

int err_rescope(struct err *err, enum err_scope scope)
{
	if (err)
		err->scope = scope;
	return -1;
}

int err_retry_after(struct err *err, uint32_t wait_ms)
{
	if (err) {
		err->retry = ERR_RETRY_AFTER;
		err->wait_ms = wait_ms;
	}
	return -1;
}

void err_clear(struct err *err)
{
	if (err)
		*err = ERR_INIT;
}

const char *err_scope_name(enum err_scope scope)
{
	switch (scope) {
	case ERR_NONE:
		return "none";
	case ERR_MESSAGE:
		return "message";
	case ERR_MAILBOX:
		return "mailbox";
	case ERR_CONN:
		return "connection";
	case ERR_ACCOUNT:
		return "account";
	case ERR_LOCAL:
		return "local";
	case ERR_STOPPED:
		return "stopped";
	}
	return "unknown";
}
