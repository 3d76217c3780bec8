/*
 * Dialogues of tests/wire/ as data, and the server that plays its part of one in a thread. What may stand in a file:
 *
 *	# a comment
 *	S: a line from the server         S-: without CRLF         S*: 20000 x, so many x         S.: the server closes
 *	C: a line from the client         C-: without CRLF         C?: or only its beginning
 *	> what the client does
 *	= what comes of it; * stands for anything
 *
 * A C line may begin with $NAME, which takes the tag; $NAME in an S line is that tag. \xNN is an octet.
 *
 * Owner: the test. Threads: server_run() has its own; the test looks at the server again after it is joined.
 */
#ifndef WIRE_DIALOGUE_H
#define WIRE_DIALOGUE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "net/stream.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define PATIENCE 10000
#define LINES_MAX 1000
#define NAMES_MAX 32

enum kind {
	SERVER,
	SERVER_PART,
	SERVER_FILL,
	SERVER_CLOSE,
	CLIENT,
	CLIENT_PART,
	CLIENT_MAYBE,
	STEP,
	RESULT
};

static const struct mark {
	const char *text;
	enum kind kind;
} marks[] = {
	{ "S: ", SERVER },
	{ "S-: ", SERVER_PART },
	{ "S*: ", SERVER_FILL },
	{ "S.:", SERVER_CLOSE },
	{ "C: ", CLIENT },
	{ "C-: ", CLIENT_PART },
	{ "C?: ", CLIENT_MAYBE },
	{ "> ", STEP },
	{ "= ", RESULT },
};

struct line {
	enum kind kind;
	int number;
	struct span text;
};

struct name {
	struct span name;
	char value[32];
};

struct script {
	const char *file;
	struct arena *arena;
	struct line line[LINES_MAX];
	size_t lines;
};

static void script_fail(const struct script *script, int number, const char *what, struct span text)
{
	fail_msg("%s:%d: %s: %.*s", script->file, number, what, (int)text.len, text.data);
}

static int hex(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = memchr(digits, c | 0x20, 16);

	return at ? (int)(at - digits) : -1;
}

/* \xNN → the octet; any other backslash stays. */
static struct span unescape(struct arena *arena, struct span text)
{
	char *out = arena_alloc(arena, text.len + 1);
	size_t len = 0;

	for (size_t i = 0; i < text.len; i++) {
		const bool escape = i + 3 < text.len && text.data[i] == '\\' &&
				    text.data[i + 1] == 'x' && hex(text.data[i + 2]) >= 0;

		out[len++] = escape ? (char)(hex(text.data[i + 2]) * 16 + hex(text.data[i + 3]))
				    : text.data[i];
		i += escape ? 3 : 0;
	}
	return span_make(out, len);
}

static void script_load(struct script *script, const char *path)
{
	char text[4096];
	FILE *file = fopen(path, "re");

	assert_non_null(file);
	script->arena = arena_new();
	for (int number = 1; fgets(text, sizeof(text), file); number++) {
		text[strcspn(text, "\n")] = '\0';
		if (text[0] == '\0' || text[0] == '#')
			continue;
		assert_true(script->lines < LINES_MAX);
		struct line *line = &script->line[script->lines++];
		line->number = number;
		line->text.data = NULL;
		for (size_t i = 0; i < countof(marks); i++) {
			const size_t len = strlen(marks[i].text);
			if (strncmp(text, marks[i].text, len) != 0)
				continue;
			line->kind = marks[i].kind;
			line->text = span_of(arena_strdup(script->arena, text + len));
			if (line->kind != RESULT)
				line->text = unescape(script->arena, line->text);
			break;
		}
		if (!line->text.data)
			script_fail(script, number, "not a line of a dialogue", span_of(text));
	}
	fclose(file);
}

/* A layer that reads and writes few octets at a time. */
struct narrow {
	struct stream stream;
	size_t read_max, write_max;
	bool rest; /* every second write would block */
};

static ssize_t narrow_read(struct stream *stream, void *data, size_t size, struct err *err)
{
	const struct narrow *narrow = (struct narrow *)stream;

	return stream_read(
		stream->below, data, size < narrow->read_max ? size : narrow->read_max, err);
}

static ssize_t narrow_write(struct stream *stream, const void *data, size_t size, struct err *err)
{
	struct narrow *narrow = (struct narrow *)stream;

	if (narrow->write_max < SIZE_MAX) {
		narrow->rest = !narrow->rest;
		if (narrow->rest)
			return STREAM_AGAIN;
	}
	return stream_write(
		stream->below, data, size < narrow->write_max ? size : narrow->write_max, err);
}

static void narrow_free(struct stream *stream)
{
	mem_free(stream);
}

static const struct stream_ops narrow_ops = {
	.name = "narrow",
	.read = narrow_read,
	.write = narrow_write,
	.free = narrow_free,
};

static struct stream *narrow_new(struct stream *below, size_t read_max, size_t write_max)
{
	struct narrow *narrow = mem_alloc(sizeof(*narrow));

	narrow->stream = (struct stream){ .ops = &narrow_ops,
		.below = below,
		.read_fd = below->read_fd,
		.write_fd = below->write_fd };
	narrow->read_max = read_max;
	narrow->write_max = write_max;
	return &narrow->stream;
}

struct server {
	const struct script *script;
	struct stream *stream;
	struct name name[NAMES_MAX];
	size_t names;
	struct buf out; /* S lines go out together */
	char complaint[1024];
};

static const char *server_name(struct server *server, struct span name)
{
	for (size_t i = server->names; i-- > 0;)
		if (span_equal(server->name[i].name, name))
			return server->name[i].value;
	return "?";
}

static size_t name_len(struct span text)
{
	size_t len = 0;

	while (len < text.len &&
		((text.data[len] >= 'A' && text.data[len] <= 'Z') || text.data[len] == '_'))
		len++;
	return len < text.len && text.data[len] >= 'a' && text.data[len] <= 'z'
		       ? 0
		       : len; /* $Work is none */
}

static void server_queue(struct server *server, struct span text)
{
	for (size_t i = 0; i < text.len; i++) {
		const struct span name = span_sub(text, i + 1, name_len(span_from(text, i + 1)));

		if (text.data[i] == '$' && name.len > 0) {
			assert_int_equal(
				buf_print(&server->out, "%s", server_name(server, name)), 0);
			i += name.len;
		} else {
			assert_int_equal(buf_add_char(&server->out, text.data[i]), 0);
		}
	}
}

static int server_flush(struct server *server)
{
	while (server->out.len > 0) {
		const ssize_t put =
			stream_write(server->stream, server->out.data, server->out.len, NULL);
		if (put > 0)
			buf_drop_front(&server->out, (size_t)put);
		else if (put != STREAM_AGAIN ||
			 stream_wait(server->stream, STREAM_WRITE, clock_ms() + PATIENCE, NULL) < 0)
			return -1;
	}
	return 0;
}

/* One octet, or -1 at the end. */
static int server_get(struct server *server)
{
	unsigned char byte;

	for (;;) {
		const ssize_t got = stream_read(server->stream, &byte, 1, NULL);
		if (got == 1)
			return byte;
		if (got != STREAM_AGAIN ||
			stream_wait(server->stream, STREAM_READ, clock_ms() + PATIENCE, NULL) < 0)
			return -1;
	}
}

static int server_expect(struct server *server, const struct line *line)
{
	struct span want = line->text;
	struct buf got;
	int byte, rc = -1;

	buf_init(&got, 1 << 20);
	while ((line->kind != CLIENT_PART || got.len < want.len) &&
		(byte = server_get(server)) >= 0) {
		assert_int_equal(buf_add_char(&got, (char)byte), 0);
		if (line->kind != CLIENT_PART && span_ends(buf_span(&got), SPAN("\r\n"))) {
			got.len -= 2;
			break;
		}
	}
	struct span text = buf_span(&got);
	if (want.len > 0 && want.data[0] == '$') {
		struct name *name = &server->name[server->names++ % NAMES_MAX];
		const size_t len = span_find(text, ' ');

		name->name = span_sub(want, 1, name_len(span_from(want, 1)));
		(void)snprintf(name->value, sizeof(name->value), "%.*s",
			(int)(len < text.len ? len : text.len), text.data);
		text = span_from(text, len);
		want = span_from(want, 1 + name->name.len);
	}
	if (span_equal(text, want) || (line->kind == CLIENT_MAYBE && span_starts(want, text)))
		rc = 0;
	else
		(void)snprintf(server->complaint, sizeof(server->complaint),
			"line %d: the client sent \"%.*s\" instead of \"%.*s\"", line->number,
			(int)text.len, text.data, (int)want.len, want.data);
	buf_release(&got);
	return rc;
}

static int server_fill(struct server *server, struct span text)
{
	const size_t blank = span_find(text, ' ');
	uint32_t count;

	assert_true(span_u32(span_sub(text, 0, blank), &count));
	for (uint32_t i = 0; i < count; i++)
		assert_int_equal(buf_add_char(&server->out, text.data[blank + 1]), 0);
	return 0;
}

static int server_line(struct server *server, const struct line *line)
{
	switch (line->kind) {
	case SERVER:
		server_queue(server, line->text);
		server_queue(server, SPAN("\r\n"));
		return 0;
	case SERVER_PART:
		server_queue(server, line->text);
		return 0;
	case SERVER_FILL:
		return server_fill(server, line->text);
	case SERVER_CLOSE:
		(void)server_flush(server);
		stream_free(server->stream);
		server->stream = NULL;
		return -1;
	case CLIENT:
	case CLIENT_PART:
	case CLIENT_MAYBE:
		return server_flush(server) < 0 ? -1 : server_expect(server, line);
	case STEP:
	case RESULT:
		return 0;
	}
	return -1;
}

static void *server_run(void *data)
{
	struct server *server = data;

	for (size_t i = 0; i < server->script->lines; i++) {
		if (server_line(server, &server->script->line[i]) == 0)
			continue;
		/* The client should not wait for what will not come. */
		stream_free(server->stream);
		server->stream = NULL;
		return NULL;
	}
	(void)server_flush(server);
	return NULL;
}

#endif
