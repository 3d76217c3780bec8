/* stdio does the buffering; errors are collected by it and asked for once, at the end. */
#include "cli/printer.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/text.h"

#include <errno.h>
#include <stdarg.h>

static int failed; /* errno of the first write that failed */

static void note_failure(bool failure)
{
	if (failure && failed == 0)
		failed = errno ? errno : EIO;
}

void print(const char *fmt, ...)
{
	va_list args;

	errno = 0;
	va_start(args, fmt);
	note_failure(vprintf(fmt, args) < 0);
	va_end(args);
}

size_t print_width(const char *text, struct arena *arena)
{
	return utf8_columns(span_of(text_harmless_copy(arena, span_of(text))));
}

void print_column(const char *text, int columns, struct arena *arena)
{
	const char *shown = text_harmless_copy(arena, span_of(text));
	int used = (int)utf8_columns(span_of(shown));

	if (columns >= 0)
		print("%s%*s", shown, used < columns ? columns - used : 0, "");
	else
		print("%*s%s", used < -columns ? -columns - used : 0, "", shown);
}

void print_wrapped(const char *text, size_t used, size_t indent, size_t width)
{
	struct span rest = span_of(text);
	bool first = true;

	while (rest.len > 0) {
		size_t blank = span_find(rest, ' ');
		struct span word = span_sub(rest, 0, blank);
		size_t columns = utf8_columns(word);

		if (!first && used + 1 + columns > width) {
			print("\n%*s", (int)indent, "");
			used = indent;
			first = true;
		}
		print("%s%.*s", first ? "" : " ", (int)word.len, word.data);
		used += columns + (first ? 0 : 1);
		first = false;
		rest = span_from(rest, blank == SIZE_MAX ? rest.len : blank + 1);
	}
	print("\n");
}

struct json *print_json_begin(struct print_json *line, struct buf *buffer, const char *type)
{
	line->out = buffer;
	buf_clear(buffer);
	json_init(&line->json, buffer);
	json_begin_object(&line->json);
	json_key(&line->json, "version");
	json_u64(&line->json, PRINTER_VERSION);
	json_key(&line->json, "type");
	json_text(&line->json, type);
	if (log_label()) {
		json_key(&line->json, "user");
		json_string(&line->json, span_of(log_label()));
	}
	return &line->json;
}

void print_json_end(struct print_json *line)
{
	json_end_object(&line->json);
	if (json_end_line(&line->json) < 0) {
		errno = EOVERFLOW;
		note_failure(true);
		return;
	}
	errno = 0;
	note_failure(fwrite(line->out->data, 1, line->out->len, stdout) != line->out->len);
}

int printer_finish(struct err *err)
{
	errno = 0;
	note_failure(fflush(stdout) != 0);
	if (failed == 0 && ferror(stdout))
		failed = EIO; /* somebody else's write (report.c) */
	if (failed == 0)
		return 0;
	err_set(err, ERR_LOCAL, "cannot write to standard output: %s", strerror(failed));
	if (failed == EPIPE)
		err->text[0] = 0; /* the reader has seen enough (| head) */
	return -1;
}
