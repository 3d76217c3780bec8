/* A line with an expression, then a message: every cut gives the same pieces and the same verdict, and NOT the other one. */
#include "store/file_search.h"

#include "base/buf.h"
#include "base/err.h"
#include "mail/mime_text.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void note(struct buf *out, const struct mime_piece *piece)
{
	must(piece->kind != MIME_FIELD || piece->text.len <= MIME_FIELD_MAX);
	if (piece->kind != MIME_TEXT)
		must(buf_add_char(out, (char)piece->kind) == 0);
	must(buf_add(out, piece->text) == 0);
}

static void read_pieces(struct mime_text *mime, struct span text, size_t cut, struct buf *out)
{
	struct mime_piece piece;

	buf_clear(out);
	mime_text_begin(mime);
	for (size_t at = 0; at < text.len; at += cut) {
		struct span chunk = span_sub(text, at, cut);

		while (mime_text_next(mime, &chunk, &piece))
			note(out, &piece);
		must(chunk.len == 0);
	}
	while (mime_text_end(mime, &piece))
		note(out, &piece);
}

static void check_pieces(struct span text)
{
	struct mime_text *mime = mime_text_new();
	struct buf whole, parts;

	buf_init(&whole, 1 << 24);
	buf_init(&parts, 1 << 24);
	read_pieces(mime, text, SIZE_MAX - text.len, &whole);
	for (size_t cut = 1; cut < 100; cut = cut * 5 + 2) {
		read_pieces(mime, text, cut, &parts);
		must(span_equal(buf_span(&whole), buf_span(&parts)));
	}
	buf_release(&whole);
	buf_release(&parts);
	mime_text_free(mime);
}

static bool ask(struct file_search *search, const struct file_search_facts *facts, struct span text,
	size_t cut)
{
	enum file_search_state state = file_search_begin(search, facts);

	for (size_t at = 0; state >= FILE_SEARCH_HEADER && at < text.len; at += cut)
		state = file_search_add(search, span_sub(text, at, cut));
	if (state >= FILE_SEARCH_HEADER)
		state = file_search_end(search, text.len);
	must(state == FILE_SEARCH_NO || state == FILE_SEARCH_YES);
	return state == FILE_SEARCH_YES;
}

static void check_search(const char *expression, struct span text)
{
	struct flag_table *table = flag_table_new();
	struct file_search_facts facts = { .uid = 5,
		.last_uid = 5,
		.number = 2,
		.last_number = 2,
		.table = table,
		.date = { 1700000000, 0 },
		.size = UINT32_MAX };
	struct file_search *search = file_search_new(expression, 1700000000, NULL);
	struct file_search *other;
	struct buf buffer;

	if (search != NULL) {
		const bool yes = ask(search, &facts, text, SIZE_MAX - text.len);

		for (size_t cut = 1; cut < 100; cut = cut * 5 + 2)
			must(ask(search, &facts, text, cut) == yes);
		buf_init(&buffer, 1 << 20);
		must(buf_print(&buffer, "NOT (%s)", expression) == 0);
		other = file_search_new(buf_text(&buffer), 1700000000, NULL);
		/* one level more may be too deep, and CHARSET stands in front only */
		must(other == NULL || ask(other, &facts, text, 50) != yes);
		file_search_free(other);
		buf_release(&buffer);
	}
	file_search_free(search);
	flag_table_free(table);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct span input = span_make((const char *)data, size);
	const size_t line = span_find(input, '\n');
	struct buf expression;

	if (size > 100000 || line == SIZE_MAX || memchr(data, '\0', line) != NULL)
		return 0;
	buf_init(&expression, size);
	must(buf_add(&expression, span_sub(input, 0, line)) == 0);
	check_pieces(span_from(input, line + 1));
	check_search(buf_text(&expression), span_from(input, line + 1));
	buf_release(&expression);
	return 0;
}
