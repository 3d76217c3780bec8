/* Lines to stderr and to the log file. A line that cannot be written is dropped: talk never stops the work. */
#include "base/log.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/os.h"
#include "base/text.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>

#define LINE_MAX_BYTES (16u << 10) /* before untrusted bytes are written out as escapes */
#define HARMLESS_GROWTH 8

static const char *const names[] = {
	[LOG_ERROR] = "error",
	[LOG_WARN] = "warning",
	[LOG_INFO] = "info",
	[LOG_DEBUG] = "debug",
};

static atomic_int level_now = LOG_WARN;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_int file = -1; /* changed under the lock */
static _Thread_local const char *label_now;
static void (*screen_before)(void);
static void (*screen_after)(void);

void log_set_level(enum log_level level)
{
	atomic_store(&level_now, level);
}

enum log_level log_level_now(void)
{
	return (enum log_level)atomic_load(&level_now);
}

void log_set_label(const char *label)
{
	label_now = label;
}

const char *log_label(void)
{
	return label_now;
}

static void log_replace(int fd)
{
	pthread_mutex_lock(&lock);
	const int old = atomic_exchange(&file, fd);
	pthread_mutex_unlock(&lock);
	if (old >= 0)
		(void)os_close(old);
}

int log_open(const char *path, struct err *err)
{
	if (!path) {
		log_close();
		return 0;
	}

	const int fd = os_open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
	if (fd < 0)
		return err_set_errno(err, ERR_LOCAL, "cannot open log file %s", path);
	log_replace(fd);
	return 0;
}

void log_close(void)
{
	log_replace(-1);
}

void log_set_screen(void (*before)(void), void (*after)(void))
{
	pthread_mutex_lock(&lock);
	screen_before = before;
	screen_after = after;
	pthread_mutex_unlock(&lock);
}

/* "mailhaul: warning: text"; information is the normal talk and carries no label. */
static void log_screen(enum log_level level, const char *text)
{
	if (screen_before)
		screen_before();
	if (level == LOG_INFO)
		fprintf(stderr, "%s\n", text);
	else
		fprintf(stderr, "mailhaul: %s: %s\n", names[level], text);
	fflush(stderr);
	if (screen_after)
		screen_after();
}

/* "2024-02-29T12:00:00Z warning: text", in one write, so that lines of two processes never mix. */
static void log_file(int fd, enum log_level level, const char *text)
{
	const time_t now = (time_t)clock_wall();
	struct tm utc;
	char stamp[32] = "";
	struct buf line;

	if (gmtime_r(&now, &utc))
		strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%SZ", &utc);
	buf_init(&line, HARMLESS_GROWTH * LINE_MAX_BYTES + 256);
	if (buf_print(&line, "%s %s: %s\n", stamp, names[level], text) == 0) {
		const ssize_t written = os_write(fd, line.data, line.len);

		(void)written;
	}
	buf_release(&line);
}

void log_write(enum log_level level, const char *fmt, ...)
{
	const bool on_screen = level <= log_level_now();
	char raw[LINE_MAX_BYTES];
	struct buf text;
	size_t len = 0;
	va_list args;

	if (!on_screen && atomic_load(&file) < 0)
		return;
	if (label_now) {
		const int label_len = snprintf(raw, sizeof(raw) / 2, "%s: ", label_now);

		len = (size_t)label_len < sizeof(raw) / 2 ? (size_t)label_len : sizeof(raw) / 2 - 1;
	}
	va_start(args, fmt);
	vsnprintf(raw + len, sizeof(raw) - len, fmt, args);
	va_end(args);
	buf_init(&text, HARMLESS_GROWTH * LINE_MAX_BYTES);
	if (text_harmless(span_of(raw), &text) < 0)
		buf_clear(&text);

	pthread_mutex_lock(&lock);
	if (on_screen)
		log_screen(level, buf_text(&text));
	if (atomic_load(&file) >= 0)
		log_file(atomic_load(&file), level, buf_text(&text));
	pthread_mutex_unlock(&lock);
	buf_release(&text);
}
