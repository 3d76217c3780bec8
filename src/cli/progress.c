/* The one piece of state that log.h's hooks, which carry no context, and the painting thread share. */
#include "cli/progress.h"

#include "base/arena.h"
#include "base/log.h"
#include "base/stop.h"
#include "base/text.h"
#include "ops/meter.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define PAINT_NS 200000000 /* 5 Hz */
#define LINES_NS 3000000000LL
#define COLUMNS_DEFAULT 80
#define COLUMNS_LEAST 20
#define MAILBOX_COLUMNS 30

static struct {
	pthread_mutex_t lock; /* of all below; taken inside log's own lock, never around it */
	pthread_cond_t wake;
	pthread_t thread;
	struct meter *meter;
	bool running, ending, terminal, plain;
	unsigned hidden;
	bool painted;
} progress = { .lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER };

static void append(char out[PROGRESS_LINE_MAX], size_t width, const char *text)
{
	size_t len = strlen(out), more = strlen(text);
	size_t columns =
		utf8_columns(span_of(out)) + (len > 0 ? 2 : 0) + utf8_columns(span_of(text));

	if (*text && columns <= width && len + more + 3 < PROGRESS_LINE_MAX)
		snprintf(out + len, PROGRESS_LINE_MAX - len, "%s%s", len > 0 ? "  " : "", text);
}

static const char *amounts(struct arena *arena, const struct meter_view *view)
{
	if (view->messages_total > 0)
		return arena_print(arena, "%s/%s", text_count(arena, view->messages),
			text_count(arena, view->messages_total));
	/* What is read a second time, for its content, is counted again. */
	if (view->scanned_total > 0 && view->scanned <= view->scanned_total)
		return arena_print(arena, "looking at %s/%s", text_count(arena, view->scanned),
			text_count(arena, view->scanned_total));
	return view->scanned > 0
		       ? arena_print(arena, "looking at %s", text_count(arena, view->scanned))
		       : "";
}

static const char *users(struct arena *arena, const struct meter_view *view)
{
	if (view->users_total == 0)
		return "";
	return arena_print(arena, "%s/%s users, %s at work", text_count(arena, view->users),
		text_count(arena, view->users_total), text_count(arena, view->users_running));
}

static const char *octets(struct arena *arena, const struct meter_view *view)
{
	if (view->bytes_total == 0)
		return "";
	return arena_print(arena, "%s of %s", text_size(arena, view->bytes),
		text_size(arena, view->bytes_total));
}

static const char *errors(struct arena *arena, const struct meter_view *view)
{
	if (view->errors == 0)
		return "";
	return arena_print(arena, "%s failed", text_count(arena, view->errors));
}

static const char *rates(struct arena *arena, const struct meter_view *view)
{
	if (view->bytes_per_second < 1)
		return "";
	return arena_print(arena, "%s/s", text_size(arena, (uint64_t)view->bytes_per_second));
}

static const char *message_rate(struct arena *arena, const struct meter_view *view)
{
	return view->messages_per_second < 0.5
		       ? ""
		       : arena_print(arena, "%.0f msg/s", view->messages_per_second);
}

static const char *time_left(struct arena *arena, const struct meter_view *view)
{
	return view->left_s < 0 ? ""
				: arena_print(arena, "%s left", text_duration(arena, view->left_s));
}

void progress_line(const struct meter_view *view, size_t width, char out[PROGRESS_LINE_MAX])
{
	struct arena *arena = arena_new();
	size_t name = width / 3 < MAILBOX_COLUMNS ? width / 3 : MAILBOX_COLUMNS;

	out[0] = 0;
	append(out, width, users(arena, view));
	if (view->mailboxes_total > 1)
		append(out, width,
			arena_print(arena, "[%s/%s]", text_count(arena, view->mailboxes),
				text_count(arena, view->mailboxes_total)));
	append(out, width, text_cut(arena, view->mailbox, name, true));
	append(out, width, amounts(arena, view));
	append(out, width, time_left(arena, view));
	append(out, width, errors(arena, view));
	append(out, width, octets(arena, view));
	append(out, width, rates(arena, view));
	append(out, width, message_rate(arena, view));
	append(out, width, stop_requested() ? "stopping, state is being saved" : view->note);
	arena_free(arena);
}

static size_t terminal_columns(void)
{
	struct winsize size;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
		return COLUMNS_DEFAULT;
	return size.ws_col < COLUMNS_LEAST ? COLUMNS_LEAST : size.ws_col;
}

/* A terminal without escape sequences gets blanks. With the lock held. */
static void wipe(void)
{
	if (!progress.painted)
		return;
	if (progress.plain)
		fprintf(stderr, "\r%*s\r", (int)terminal_columns() - 1, "");
	else
		fputs("\r\033[K", stderr);
	fflush(stderr);
	progress.painted = false;
}

/* With the lock held. */
static void paint(void)
{
	char line[PROGRESS_LINE_MAX];
	struct meter_view view;

	if (progress.hidden > 0 || !progress.running)
		return;
	meter_view(progress.meter, &view);
	/* The last column stays empty: some terminals wrap there. */
	progress_line(
		&view, progress.terminal ? terminal_columns() - 1 : PROGRESS_LINE_MAX / 4, line);
	if (!progress.terminal) {
		if (line[0])
			fprintf(stderr, "%s\n", line);
	} else {
		wipe();
		fputs(line, stderr);
		progress.painted = true;
	}
	fflush(stderr);
}

static void before_line(void)
{
	pthread_mutex_lock(&progress.lock);
	wipe();
}

static void after_line(void)
{
	pthread_mutex_unlock(&progress.lock);
}

static void *painter(void *context)
{
	const long long pause = progress.terminal ? PAINT_NS : LINES_NS;
	struct timespec until;

	(void)context;
	pthread_mutex_lock(&progress.lock);
	while (!progress.ending) {
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec += (time_t)((until.tv_nsec + pause) / 1000000000);
		until.tv_nsec = (long)((until.tv_nsec + pause) % 1000000000);
		if (pthread_cond_timedwait(&progress.wake, &progress.lock, &until) == ETIMEDOUT)
			paint();
	}
	pthread_mutex_unlock(&progress.lock);
	return NULL;
}

/* Signals are the main thread's. */
static bool start_thread(void)
{
	sigset_t all, old;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	rc = pthread_create(&progress.thread, NULL, painter, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return rc == 0;
}

void progress_start(struct meter *meter, enum progress_when when)
{
	const char *term = getenv("TERM");

	progress.terminal = isatty(STDERR_FILENO);
	progress.plain = !term || strcmp(term, "dumb") == 0;
	if (when == PROGRESS_NEVER || (when == PROGRESS_AUTO && !progress.terminal))
		return;
	progress.meter = meter;
	progress.ending = progress.painted = false;
	progress.running = true;
	if (!start_thread()) {
		progress.running = false;
		return;
	}
	log_set_screen(before_line, after_line);
}

void progress_stop(void)
{
	if (!progress.running)
		return;
	log_set_screen(NULL, NULL);
	pthread_mutex_lock(&progress.lock);
	progress.ending = true;
	pthread_cond_signal(&progress.wake);
	pthread_mutex_unlock(&progress.lock);
	pthread_join(progress.thread, NULL);
	if (progress.terminal)
		wipe();
	else
		paint();
	progress.running = false;
}

void progress_hide(void)
{
	pthread_mutex_lock(&progress.lock);
	wipe();
	progress.hidden++;
	pthread_mutex_unlock(&progress.lock);
}

void progress_show(void)
{
	pthread_mutex_lock(&progress.lock);
	if (progress.hidden > 0)
		progress.hidden--;
	pthread_mutex_unlock(&progress.lock);
}
