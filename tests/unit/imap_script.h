/*
 * A server made of a function: it runs in a thread at the far end of a socket pair, reads commands and says what it likes. What it did not
 * expect is reported when the test ends.
 *
 * Owner: the test. Threads: the function's own; the test sees it again after script_end().
 */
#ifndef IMAP_SCRIPT_H
#define IMAP_SCRIPT_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "imap/imap.h"

#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define SCRIPT_PATIENCE 10000
#define SCRIPT_TEXT_MAX (64u << 20)

struct script {
	struct stream *far;
	struct imap *imap;
	const char *capabilities;
	void (*run)(struct script *script);
	const char *data; /* the function's own */
	pthread_t thread;
	struct buf in; /* read and not used */
	struct buf text; /* the command read last, with its literals, without tag and final CRLF */
	uint32_t tag;
	bool over; /* the client is gone, or a failure: everything returns at once */
	char failure[1024];
};

static inline void script_fail(struct script *script, const char *what, const char *text)
{
	if (!script->over)
		(void)snprintf(script->failure, sizeof(script->failure), "%s: %.600s", what, text);
	script->over = true;
}

static inline bool script_fill(struct script *script)
{
	while (!script->over) {
		if (buf_reserve(&script->in, 65536) < 0)
			break;

		const ssize_t got =
			stream_read(script->far, script->in.data + script->in.len, 65536, NULL);
		if (got > 0) {
			script->in.len += (size_t)got;
			return true;
		}
		if (got != STREAM_AGAIN || stream_wait(script->far, STREAM_READ,
						   clock_ms() + SCRIPT_PATIENCE, NULL) < 0)
			break;
	}
	script_fail(script, "no more input; so far", buf_text(&script->in));
	return false;
}

/* Moves so many octets of input behind the text. */
static inline void script_octets(struct script *script, size_t count)
{
	while (script->in.len < count && script_fill(script))
		;
	if (script->over)
		return;
	if (buf_add(&script->text, span_make(script->in.data, count)) < 0)
		script_fail(script, "too much", "");
	buf_drop_front(&script->in, count);
}

/* The literal that the text ends with: "{n}CRLF" or "{n+}CRLF". */
static inline bool script_literal(const struct script *script, size_t *size_out, bool *sync_out)
{
	const struct span text = buf_span(&script->text);
	size_t at = text.len;

	if (!span_ends(text, SPAN("}\r\n")))
		return false;
	at -= 3;
	*sync_out = text.data[at - 1] != '+';
	if (!*sync_out)
		at--;
	*size_out = 0;
	for (size_t factor = 1; at > 0 && text.data[at - 1] >= '0' && text.data[at - 1] <= '9';
		at--, factor *= 10)
		*size_out += factor * (size_t)(text.data[at - 1] - '0');
	return true;
}

static inline void script_line(struct script *script)
{
	size_t at = 0;

	for (;;) {
		const char *end = script->in.len > at
					  ? memchr(script->in.data + at, '\n', script->in.len - at)
					  : NULL;
		if (end) {
			script_octets(script, (size_t)(end - script->in.data) + 1);
			return;
		}
		at = script->in.len;
		if (!script_fill(script))
			return;
	}
}

/* Goes on with a command: up to its end, or to a synchronising literal. */
static inline const char *script_more(struct script *script)
{
	size_t size;
	bool sync;

	for (;;) {
		if (script->over)
			return "";
		script_line(script);
		if (!script_literal(script, &size, &sync))
			break;
		if (sync)
			return buf_text(&script->text);
		script_octets(script, size);
	}
	if (span_ends(buf_span(&script->text), SPAN("\r\n")))
		script->text.len -= 2;
	return buf_text(&script->text);
}

/* The tag off the front of the text. */
static inline void script_untag(struct script *script)
{
	const size_t blank = span_find(buf_span(&script->text), ' ');

	if (script->over)
		return;
	if (blank == SIZE_MAX || script->text.data[0] != 'm' ||
		!span_u32(span_make(script->text.data + 1, blank - 1), &script->tag)) {
		script_fail(script, "no tag of ours", buf_text(&script->text));
		return;
	}
	buf_drop_front(&script->text, blank + 1);
}

/* Reads a command; returns its text. The tag is in script->tag. */
static inline const char *script_command(struct script *script)
{
	buf_clear(&script->text);
	(void)script_more(script);
	script_untag(script);
	return buf_text(&script->text);
}

/* Reads the first line of a command, not its literal. */
static inline const char *script_command_line(struct script *script)
{
	buf_clear(&script->text);
	script_line(script);
	script_untag(script);
	return buf_text(&script->text);
}

/* Reads a command that has to be this one; returns its tag. */
static inline uint32_t script_expect(struct script *script, const char *text)
{
	const char *got = script_command(script);

	if (!script->over && strcmp(got, text) != 0) {
		fprintf(stderr, "expected: %.400s\n", text);
		script_fail(script, "another command", got);
	}
	return script->tag;
}

static inline void script_say_bytes(struct script *script, struct span bytes)
{
	while (!script->over && bytes.len > 0) {
		const ssize_t put = stream_write(script->far, bytes.data, bytes.len, NULL);

		if (put > 0)
			bytes = span_from(bytes, (size_t)put);
		else if (put != STREAM_AGAIN || stream_wait(script->far, STREAM_WRITE,
							clock_ms() + SCRIPT_PATIENCE, NULL) < 0)
			script_fail(script, "cannot write", "");
	}
}

static inline MUST_FORMAT(2, 3) void script_say(struct script *script, const char *fmt, ...)
{
	char text[4096];
	va_list args;

	va_start(args, fmt);
	const int size = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	script_say_bytes(script, span_make(text, (size_t)size));
}

static inline void script_ok(struct script *script, uint32_t tag)
{
	script_say(script, "m%u OK done\r\n", tag);
}

/* Nothing more may have been sent: it has to wait for us. */
static inline void script_quiet(struct script *script)
{
	if (script->in.len > 0 || stream_wait(script->far, STREAM_READ, clock_ms() + 50, NULL) >= 0)
		script_fail(script, "input too early", buf_text(&script->in));
}

/* So many octets that depend on the seed, with line ends in them. */
static inline char *script_body(size_t size, unsigned seed)
{
	char *body = mem_alloc(size + 1);

	for (size_t i = 0; i < size; i++)
		body[i] = i % 64 == 62   ? '\r'
			  : i % 64 == 63 ? '\n'
					 : (char)('a' + (i * 7 + seed) % 26);
	return body;
}

static inline void *script_main(void *arg)
{
	struct script *script = arg;

	script_say(script, "* OK [CAPABILITY IMAP4rev1 %s] ready\r\n", script->capabilities);
	script->run(script);
	return NULL;
}

/* Starts it; the greeting has been read when this returns. */
static inline struct script *script_begin(
	const char *capabilities, void (*run)(struct script *script))
{
	struct script *script = mem_alloc(sizeof(*script));
	const struct imap_event *event;
	struct stream *near;

	stream_pair_new(&near, &script->far);
	script->run = run;
	script->capabilities = capabilities;
	buf_init(&script->in, SCRIPT_TEXT_MAX);
	buf_init(&script->text, SCRIPT_TEXT_MAX);
	script->imap = imap_new(near, SCRIPT_PATIENCE);
	assert_int_equal(pthread_create(&script->thread, NULL, script_main, script), 0);
	assert_int_equal(imap_next(script->imap, &event, NULL), 1);
	return script;
}

/* Waits for it, and fails with what it did not like. */
static inline void script_end(struct script *script)
{
	char failure[sizeof(script->failure)];

	pthread_join(script->thread, NULL);
	imap_close(script->imap);
	stream_free(script->far);
	buf_release(&script->in);
	buf_release(&script->text);
	memcpy(failure, script->failure, sizeof(failure));
	mem_free(script);
	if (failure[0])
		fail_msg("the server: %s", failure);
}

/* Closes the connection from the server's side. */
static inline void script_hang_up(struct script *script)
{
	stream_free(script->far);
	script->far = NULL;
	script->over = true;
}

#endif
