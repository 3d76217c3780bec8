/*
 * Any octets as an mbox file: the messages don't depend on the windows, and cover the file in order. Any octets as messages: quoted and written
 * one after the other they are found again as they were.
 */
#include "mail/mbox_reader.h"

#include "base/buf.h"
#include "base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

/* All that was found as one text: facts and octets. */
static void read_all(struct span file, enum mbox_variant variant, size_t width, struct buf *out)
{
	struct mbox_reader reader = { .variant = variant };
	size_t shown = width, begun = 0;
	uint64_t behind = 0;

	for (;;) {
		const struct span window = span_sub(file, (size_t)reader.offset, shown);
		const bool last = reader.offset + window.len == file.len;
		struct span text;

		switch (mbox_reader_next(&reader, window, last, &text)) {
		case MBOX_MORE:
			must(!last && shown < MBOX_WINDOW);
			shown = shown * 2 < MBOX_WINDOW ? shown * 2 : MBOX_WINDOW;
			continue;
		case MBOX_BEGIN:
			begun = out->len;
			must(reader.message.start >= behind);
			break;
		case MBOX_TEXT:
			must(buf_add(out, text) == 0);
			break;
		case MBOX_END:
			must(out->len - begun == reader.message.size);
			behind = reader.message.start + reader.message.head + reader.message.size;
			must(behind <= file.len);
			must(buf_print(out, "\n[%u %lld]", reader.message.head,
				     (long long)reader.message.from.date.instant) == 0);
			break;
		case MBOX_AGAIN:
			out->len = begun;
			break;
		case MBOX_DONE:
			must(reader.offset == file.len);
			return;
		case MBOX_FOREIGN:
			must(buf_add(out, SPAN("foreign")) == 0);
			return;
		}
		shown = width;
	}
}

static void check_windows(struct span file, enum mbox_variant variant, size_t width)
{
	struct buf whole, cut;

	buf_init(&whole, SIZE_MAX / 2);
	buf_init(&cut, SIZE_MAX / 2);
	read_all(file, variant, MBOX_WINDOW + file.len, &whole);
	read_all(file, variant, width, &cut);
	/* With lengths that do not hold, how far ahead could be looked decides how often it was tried. */
	if (variant == MBOX_RD)
		must(span_equal(buf_span(&whole), buf_span(&cut)));
	buf_release(&whole);
	buf_release(&cut);
}

/* Messages are what stands between NULs. */
static void check_round(struct span texts, size_t step)
{
	const struct date date = { 951782400, 0 };
	struct buf file, want, got;

	buf_init(&file, SIZE_MAX / 2);
	buf_init(&want, SIZE_MAX / 2);
	buf_init(&got, SIZE_MAX / 2);
	while (texts.len > 0) {
		const size_t end = span_find(texts, '\0');
		const struct span text = span_sub(texts, 0, end == SIZE_MAX ? texts.len : end);
		struct mbox_quote quote = { .how = MBOX_QUOTE_RD };
		const size_t head = file.len;

		must(mbox_from_print(SPAN("a@x"), date, &file) == 0);
		const size_t start = file.len;
		for (size_t at = 0; at < text.len; at += step)
			must(mbox_quote_add(&quote, span_sub(text, at, step), &file) == 0);
		must(mbox_quote_end(&quote, &file) == 0);
		if (file.len > start && file.data[file.len - 1] != '\n')
			must(buf_add_char(&file, '\n') == 0);
		must(buf_add(&want, span_from(buf_span(&file), start)) == 0);
		must(buf_print(&want, "\n[%zu %lld]", start - head, (long long)date.instant) == 0);
		must(buf_add_char(&file, '\n') == 0);

		struct mbox_quote back = { .how = MBOX_UNQUOTE_RD };
		buf_clear(&got);
		for (size_t at = start; at < file.len - 1; at += step)
			must(mbox_quote_add(&back,
				     span_sub(span_sub(buf_span(&file), 0, file.len - 1), at, step),
				     &got) == 0);
		must(mbox_quote_end(&back, &got) == 0);
		must(span_starts(buf_span(&got), text) && got.len <= text.len + 1);
		texts = span_from(texts, text.len + 1);
	}
	buf_clear(&got);
	read_all(buf_span(&file), MBOX_RD, MBOX_WINDOW, &got);
	must(span_equal(buf_span(&got), buf_span(&want)));
	buf_release(&file);
	buf_release(&want);
	buf_release(&got);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;

	const struct span text = span_make((const char *)data + 1, size - 1);
	const size_t step = 1 + data[0] % 64;

	check_windows(text, MBOX_RD, step);
	check_windows(text, MBOX_AUTO, step);
	check_round(text, step);
	return 0;
}
