/* stdio does the buffering; errors are collected by it and asked for once, at the end. */
#include "cli/printer.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/os.h"
#include "base/spool.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define TURN_MEMORY (256 * 1024) /* of a turn's output; beyond it a temporary file */

static bool json_to_stdout, text_to_stdout = true;
static int report = -1;
static const char *report_name;
static pthread_mutex_t lock =
	PTHREAD_MUTEX_INITIALIZER; /* of report, failed and the end of turns */
static int failed; /* errno of the first write that failed */
static bool report_failed; /* and that was said */
static bool turned; /* a turn's output came out already */
static _Thread_local struct spool *turn; /* or NULL */

static void note_failure(bool failure)
{
	const int reason = errno ? errno : EIO;

	if (!failure)
		return;
	pthread_mutex_lock(&lock);
	if (failed == 0)
		failed = reason;
	pthread_mutex_unlock(&lock);
}

int printer_begin(bool json, const char *file, struct err *err)
{
	json_to_stdout = json;
	text_to_stdout = !json;
	if (!file)
		return 0;
	report_name = file;
	report = os_open(file, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
	return report < 0 ? err_set_errno(err, ERR_LOCAL, "cannot write the report %s", file) : 0;
}

bool print_json_wanted(void)
{
	return json_to_stdout || report >= 0;
}

static void put(struct span bytes)
{
	struct err err = ERR_INIT;

	errno = 0;
	if (turn && spool_add(turn, bytes, &err) < 0) {
		log_error("%s", err.text);
		note_failure(true);
	} else if (!turn) {
		note_failure(fwrite(bytes.data, 1, bytes.len, stdout) != bytes.len);
	}
}

void print_bytes(struct span bytes)
{
	put(bytes);
}

void printer_turn_begin(void)
{
	turn = spool_new(TURN_MEMORY);
}

void printer_turn_end(const char *between)
{
	struct spool *mine = turn;
	struct err err = ERR_INIT;
	struct span chunk;
	bool first;
	int rc;

	turn = NULL;
	pthread_mutex_lock(&lock);
	first = !turned;
	turned = true;
	flockfile(stdout);
	pthread_mutex_unlock(&lock);
	if (!first)
		put(span_of(between));
	spool_rewind(mine);
	while ((rc = spool_next(mine, &chunk, &err)) > 0)
		put(chunk);
	funlockfile(stdout);
	if (rc < 0) {
		log_error("%s", err.text);
		note_failure(true);
	}
	spool_free(mine);
}

static MUST_FORMAT(1, 0) void put_text(const char *fmt, va_list args)
{
	char usual[512], *longer;
	va_list again;
	int len;

	va_copy(again, args);
	len = vsnprintf(usual, sizeof(usual), fmt, args);
	if (len >= 0 && (size_t)len < sizeof(usual)) {
		put(span_make(usual, (size_t)len));
	} else if (len >= 0) {
		longer = mem_alloc((size_t)len + 1);
		(void)vsnprintf(longer, (size_t)len + 1, fmt, again);
		put(span_make(longer, (size_t)len));
		mem_free(longer);
	}
	note_failure(len < 0);
	va_end(again);
}

void print(const char *fmt, ...)
{
	va_list args;

	if (!text_to_stdout)
		return;
	errno = 0;
	va_start(args, fmt);
	if (turn)
		put_text(fmt, args);
	else
		note_failure(vprintf(fmt, args) < 0);
	va_end(args);
}

size_t print_terminal(void)
{
	struct winsize size;

	if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0)
		return 0;
	return size.ws_col;
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

/* Trouble with it is said once, and is exit 7 like any other. */
void print_report(struct span rest)
{
	ssize_t put_out = 0;

	pthread_mutex_lock(&lock);
	while (report >= 0 && rest.len > 0 &&
		(put_out = os_write(report, rest.data, rest.len)) >= 0)
		rest = span_from(rest, (size_t)put_out);
	if (put_out < 0) {
		log_error("cannot write %s: %s", report_name, strerror(errno));
		report_failed = true;
		os_close(report);
		report = -1;
	}
	pthread_mutex_unlock(&lock);
}

void print_json_end(struct print_json *line)
{
	json_end_object(&line->json);
	if (json_end_line(&line->json) < 0) {
		errno = EOVERFLOW;
		note_failure(true);
		return;
	}
	if (json_to_stdout)
		put(buf_span(line->out));
	print_report(buf_span(line->out));
}

int printer_flush(struct err *err)
{
	errno = 0;
	note_failure(fflush(stdout) != 0);
	if (failed == 0 && ferror(stdout))
		failed = EIO; /* somebody else's write (report.c) */
	if (failed == 0 && report_failed) {
		err_set(err, ERR_LOCAL, "the report is not complete");
		err->text[0] = 0; /* said already */
		return -1;
	}
	if (failed == 0)
		return 0;
	err_set(err, ERR_LOCAL, "cannot write to standard output: %s", strerror(failed));
	if (failed == EPIPE)
		err->text[0] = 0; /* the reader has seen enough (| head) */
	return -1;
}

int printer_finish(struct err *err)
{
	if (report >= 0 && os_close(report) < 0) {
		log_error("cannot write %s: %s", report_name, strerror(errno));
		report_failed = true;
	}
	report = -1;
	return printer_flush(err);
}
