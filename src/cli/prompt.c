/* The answer is read octet by octet, and the stop flag is watched meanwhile. */
#include "cli/prompt.h"

#include "base/buf.h"
#include "base/os.h"
#include "base/span.h"
#include "base/stop.h"
#include "base/text.h"
#include "cli/progress.h"

#include <fcntl.h>

#define ANSWER_MAX 80

static int ask(int tty, const char *question)
{
	struct buf text;
	ssize_t written = -1;

	buf_init(&text, 4096);
	if (text_harmless(span_of(question), &text) == 0 && buf_print(&text, " [y/N] ") == 0)
		written = os_write(tty, text.data, text.len);
	buf_release(&text);
	return written > 0 ? 0 : -1;
}

/* One line into answer: its length, or -1. */
static int listen_for_answer(int tty, char answer[ANSWER_MAX])
{
	struct pollfd fds[2] = { { .fd = tty, .events = POLLIN },
		{ .fd = stop_fd(), .events = POLLIN } };
	int len = 0;

	for (;;) {
		char c;

		if (os_poll(fds, 2, -1) < 0 || stop_requested())
			return -1;
		if (os_read(tty, &c, 1) != 1)
			return -1;
		if (c == '\n')
			return len;
		if (len < ANSWER_MAX)
			answer[len++] = c;
	}
}

int prompt_confirm(void *context, const char *question)
{
	int tty = os_open("/dev/tty", O_RDWR | O_NOCTTY, 0);
	char answer[ANSWER_MAX];
	int len = -1;

	(void)context;
	if (tty < 0)
		return 0;
	progress_hide();
	if (ask(tty, question) == 0)
		len = listen_for_answer(tty, answer);
	progress_show();
	(void)os_close(tty);
	if (len < 0)
		return 0;

	const struct span word = span_trim(span_make(answer, (size_t)len));
	return span_equal_nocase(word, SPAN("y")) || span_equal_nocase(word, SPAN("yes"));
}
