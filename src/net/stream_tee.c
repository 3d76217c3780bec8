/*
 * The trace: who said what and when, one protocol line a line, literals cut short, secrets as ***. The tee looks for literals itself,
 * because it must also be readable when the session above it got lost.
 */
#include "net/stream.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/os.h"
#include "base/text.h"
#include "net/redact.h"

#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#define LINE_KEEP 1000 /* octets of a line that are shown */
#define LITERAL_KEEP 200 /* octets of a literal that are shown */
#define TAIL_SIZE 28 /* enough for "~{18446744073709551615+}" CR LF */
#define TEXT_CAP 16384

struct tee_side {
	const char *mark; /* "C:" or "S:" */
	char kept[LINE_KEEP];
	size_t kept_len, total; /* of the line or literal under way */
	char tail[TAIL_SIZE]; /* its last octets */
	size_t tail_len;
	uint64_t literal_left, literal_size;
	bool starred; /* kept ends with *** */
};

struct stream_tee {
	struct stream stream;
	char *label;
	bool masked;
	const struct redact *redact; /* or NULL */
	struct tee_side in, out;
};

/* The trace file; shared by all tees of the process. */
static struct {
	pthread_mutex_t lock;
	int fd;
} trace = { .lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1 };

int stream_trace_open(const char *path, struct err *err)
{
	int fd = -1;

	if (path) {
		fd = os_open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0600);
		if (fd < 0)
			return err_set_errno(err, ERR_LOCAL, "cannot open the trace file %s", path);
	}
	(void)pthread_mutex_lock(&trace.lock);
	const int old = trace.fd;
	trace.fd = fd;
	(void)pthread_mutex_unlock(&trace.lock);
	if (old >= 0)
		(void)os_close(old);
	return 0;
}

bool stream_trace_on(void)
{
	(void)pthread_mutex_lock(&trace.lock);
	const bool on = trace.fd >= 0;
	(void)pthread_mutex_unlock(&trace.lock);
	return on;
}

static int stamp_print(struct buf *text, const char *label, const char *mark)
{
	struct timespec now = { .tv_sec = 0 };
	struct tm tm;
	char date[32];

	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)gmtime_r(&now.tv_sec, &tm);
	(void)strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	return buf_print(text, "%s.%03ldZ %s %s ", date, now.tv_nsec / 1000000, label, mark);
}

/* A trace that cannot be written must not stop the mail. */
static void trace_write(const struct buf *text)
{
	(void)pthread_mutex_lock(&trace.lock);
	for (size_t at = 0; trace.fd >= 0 && at < text->len;) {
		const ssize_t put = os_write(trace.fd, text->data + at, text->len - at);
		if (put <= 0)
			break;
		at += (size_t)put;
	}
	(void)pthread_mutex_unlock(&trace.lock);
}

static void side_clear(struct tee_side *side)
{
	side->kept_len = side->total = side->tail_len = 0;
	side->starred = false;
}

/* note: NULL or what the octets are. */
static void side_emit(struct stream_tee *tee, struct tee_side *side, const char *note)
{
	const size_t hidden = side->total - side->kept_len;
	struct buf text;

	redact_apply(tee->redact, side->kept, side->kept_len);
	buf_init(&text, TEXT_CAP);
	int rc = stamp_print(&text, tee->label, side->mark);
	if (rc == 0 && note)
		rc = buf_print(&text, "[%s of %llu octets] ", note,
			(unsigned long long)side->literal_size);
	if (rc == 0)
		rc = text_harmless(span_make(side->kept, side->kept_len), &text);
	if (rc == 0 && hidden > 0 && !side->starred)
		rc = buf_print(&text, " … and %zu octets", hidden);
	if (rc == 0)
		rc = buf_add_char(&text, '\n');
	if (rc == 0)
		trace_write(&text);
	buf_release(&text);
	side_clear(side);
}

/* The size n of a line that ends with {n}, {n+} or {n-}; 0 for none. */
static uint64_t literal_at_end(struct span line)
{
	size_t open = line.len;
	uint64_t size = 0;

	if (line.len < 3 || line.data[line.len - 1] != '}')
		return 0;
	while (open > 0 && line.data[open - 1] != '{')
		open--;
	if (open == 0)
		return 0;

	struct span digits = span_sub(line, open, line.len - 1 - open);
	if (digits.len > 1 &&
		(digits.data[digits.len - 1] == '+' || digits.data[digits.len - 1] == '-'))
		digits.len--;
	return span_u64(digits, &size) ? size : 0;
}

static void side_tail(struct tee_side *side, struct span bytes)
{
	const struct span last =
		bytes.len > TAIL_SIZE ? span_from(bytes, bytes.len - TAIL_SIZE) : bytes;
	const size_t over =
		side->tail_len + last.len > TAIL_SIZE ? side->tail_len + last.len - TAIL_SIZE : 0;

	memmove(side->tail, side->tail + over, side->tail_len - over);
	side->tail_len -= over;
	memcpy(side->tail + side->tail_len, last.data, last.len);
	side->tail_len += last.len;
}

static void side_keep(struct tee_side *side, struct span bytes, size_t cap, bool masked)
{
	const struct span shown = masked ? SPAN("***") : bytes;

	side->total += shown.len;
	if (masked && side->starred)
		return;
	side->starred = masked;
	if (side->kept_len < cap) {
		const struct span part = span_sub(shown, 0, cap - side->kept_len);
		memcpy(side->kept + side->kept_len, part.data, part.len);
		side->kept_len += part.len;
	}
	if (!masked)
		side_tail(side, bytes);
}

static void side_end_line(struct stream_tee *tee, struct tee_side *side)
{
	const uint64_t literal = literal_at_end(span_trim(span_make(side->tail, side->tail_len)));

	side_emit(tee, side, NULL);
	side->literal_left = side->literal_size = literal;
}

static void side_feed(struct stream_tee *tee, struct tee_side *side, struct span bytes, bool masked)
{
	while (bytes.len > 0) {
		if (side->literal_left > 0) {
			const struct span part = span_sub(bytes, 0,
				side->literal_left < bytes.len ? (size_t)side->literal_left
							       : bytes.len);
			side_keep(side, part, LITERAL_KEEP, masked);
			side->literal_left -= part.len;
			bytes = span_from(bytes, part.len);
			if (side->literal_left == 0)
				side_emit(tee, side, "literal");
			continue;
		}

		const size_t end = span_find(bytes, '\n');
		const struct span line = span_sub(bytes, 0, end == SIZE_MAX ? bytes.len : end);
		if (line.len > 0 && !(line.len == 1 && line.data[0] == '\r'))
			side_keep(side,
				line.data[line.len - 1] == '\r' ? span_sub(line, 0, line.len - 1)
								: line,
				LINE_KEEP, masked);
		if (end == SIZE_MAX)
			return;
		side_end_line(tee, side);
		bytes = span_from(bytes, end + 1);
	}
}

static ssize_t stream_tee_read(struct stream *stream, void *data, size_t size, struct err *err)
{
	struct stream_tee *tee = (struct stream_tee *)stream;
	const ssize_t got = stream_read(stream->below, data, size, err);

	if (got > 0)
		side_feed(tee, &tee->in, span_make(data, (size_t)got), false);
	return got;
}

static ssize_t stream_tee_write(
	struct stream *stream, const void *data, size_t size, struct err *err)
{
	struct stream_tee *tee = (struct stream_tee *)stream;
	const ssize_t put = stream_write(stream->below, data, size, err);

	if (put > 0)
		side_feed(tee, &tee->out, span_make(data, (size_t)put), tee->masked);
	return put;
}

static void stream_tee_free(struct stream *stream)
{
	struct stream_tee *tee = (struct stream_tee *)stream;

	if (tee->out.total > 0)
		side_emit(tee, &tee->out, tee->out.literal_left > 0 ? "broken literal" : NULL);
	if (tee->in.total > 0)
		side_emit(tee, &tee->in, tee->in.literal_left > 0 ? "broken literal" : NULL);
	mem_free(tee->label);
	mem_free(tee);
}

static const struct stream_ops stream_tee_ops = {
	.name = "trace",
	.read = stream_tee_read,
	.write = stream_tee_write,
	.free = stream_tee_free,
};

struct stream *stream_tee_new(struct stream *below, const char *label)
{
	struct stream_tee *tee = mem_alloc(sizeof(*tee));

	tee->stream = (struct stream){
		.ops = &stream_tee_ops,
		.below = below,
		.read_fd = below->read_fd,
		.write_fd = below->write_fd,
	};
	tee->label = mem_strdup(label);
	tee->in.mark = "S:";
	tee->out.mark = "C:";
	return &tee->stream;
}

void stream_tee_mask(struct stream *top, bool masked)
{
	for (; top; top = top->below)
		if (top->ops == &stream_tee_ops)
			((struct stream_tee *)top)->masked = masked;
}

void stream_tee_redact(struct stream *top, const struct redact *redact)
{
	for (; top; top = top->below)
		if (top->ops == &stream_tee_ops)
			((struct stream_tee *)top)->redact = redact;
}

struct stream *stream_insert_point(struct stream *top)
{
	return top->ops == &stream_tee_ops ? top->below : top;
}

struct stream *stream_insert(struct stream *top, struct stream *layer)
{
	if (top->ops != &stream_tee_ops)
		return layer;
	top->below = layer;
	return top;
}
