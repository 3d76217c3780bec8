#include "store/header_tap.h"

#include "store/store.h"

void header_tap_init(struct header_tap *tap, const struct box_scan *want)
{
	*tap = (struct header_tap){ .wanted = want->header != NULL,
		.wants_tail = want->header != NULL && want->tail != NULL };
	buf_init(&tap->text, HEADER_TAP_MAX);
	buf_init(&tap->tail, 2 * HEADER_TAP_TAIL);
}

void header_tap_release(struct header_tap *tap)
{
	buf_release(&tap->text);
	buf_release(&tap->tail);
}

static struct span last_of(struct span text)
{
	return text.len > HEADER_TAP_TAIL ? span_from(text, text.len - HEADER_TAP_TAIL) : text;
}

static void keep_tail(struct header_tap *tap, struct span chunk)
{
	chunk = last_of(chunk);
	if (tap->tail.len + chunk.len > 2 * HEADER_TAP_TAIL) {
		const struct span last = last_of(buf_span(&tap->tail));

		memmove(tap->tail.data, last.data, last.len);
		tap->tail.len = last.len;
	}
	if (buf_add(&tap->tail, chunk) < 0)
		abort(); /* its cap has room for as much */
}

/* Where the first empty line ends, from an offset at the beginning of a line or inside one; 0 = there is none yet. */
static size_t end_of_header(struct span text, size_t from)
{
	for (size_t at = from; at < text.len; at++) {
		if (text.data[at] != '\n')
			continue;
		if (at == 0 || text.data[at - 1] == '\n')
			return at + 1;
		if (text.data[at - 1] == '\r' && (at == 1 || text.data[at - 2] == '\n'))
			return at + 1;
	}
	return 0;
}

void header_tap_add(struct header_tap *tap, struct span chunk)
{
	const size_t before = tap->text.len;
	size_t end;

	if (tap->wants_tail)
		keep_tail(tap, chunk);
	if (!tap->wanted || tap->whole)
		return;
	if (buf_add(&tap->text, span_sub(chunk, 0, HEADER_TAP_MAX - before)) < 0)
		abort(); /* its cap has room for as much */
	end = end_of_header(buf_span(&tap->text), before);
	if (end > 0)
		tap->text.len = end;
	tap->whole = end > 0 || tap->text.len == HEADER_TAP_MAX;
}

void header_tap_drop(struct header_tap *tap)
{
	buf_clear(&tap->text);
	buf_clear(&tap->tail);
	tap->whole = false;
}

void header_tap_give(struct header_tap *tap, const struct box_scan *want, uint32_t uid)
{
	if (tap->wanted)
		want->header(want->header_context, uid, buf_span(&tap->text));
	if (tap->wants_tail)
		want->tail(want->header_context, uid, buf_span(&tap->text),
			last_of(buf_span(&tap->tail)));
	header_tap_drop(tap);
}
