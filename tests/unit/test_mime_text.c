/* Messages as text, in every chunking. */
#include "mail/mime_text.h"

#include "base/buf.h"
#include "base/must.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void note(struct buf *out, const struct mime_piece *piece)
{
	static const char *const marks[] = { [MIME_FIELD] = "F",
		[MIME_HEADER_END] = "H",
		[MIME_PART_FIELD] = "P",
		[MIME_TEXT] = "",
		[MIME_TEXT_END] = "|" };

	assert_int_equal(buf_add(out, span_of(marks[piece->kind])), 0);
	if (piece->text.len > 0)
		assert_int_equal(buf_add(out, piece->text), 0);
	if (piece->kind == MIME_FIELD || piece->kind == MIME_PART_FIELD)
		assert_int_equal(buf_add_char(out, '\n'), 0);
}

/* F field, H end of the header, P field of a part, text, | */
static const char *read_message(
	struct mime_text *mime, struct span text, size_t piece, struct buf *out)
{
	struct mime_piece got;

	buf_clear(out);
	mime_text_begin(mime);
	while (text.len > 0) {
		struct span chunk = span_sub(text, 0, piece);

		text = span_from(text, chunk.len);
		while (mime_text_next(mime, &chunk, &got))
			note(out, &got);
	}
	while (mime_text_end(mime, &got))
		note(out, &got);
	return buf_text(out);
}

static const struct {
	const char *message, *read;
} samples[] = {
	{ "", "H|" },
	{ "A: b", "FA: b\nH|" },
	{ "A: b\r\n  c\r\n\r\nx\r\n", "FA: b c\nHx\r\n|" },
	{ "A: b\n\tc\n\nx\ny", "FA: b c\nHx\ny|" },
	{ "\r\nx", "Hx|" },
	{ "Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\nGr=FC=DFe=\n!\n=3Dno=zz=",
		"FContent-Type: text/plain; charset=iso-8859-1\nFContent-Transfer-Encoding: quoted-printable\nHGr\xc3\xbc\xc3\x9f"
		"e!\n=no=zz=|" },
	{ "Content-Transfer-Encoding: Base64\n\nR3LD\nvMOf\nZQ==\nIQ",
		"FContent-Transfer-Encoding: Base64\nHGr\xc3\xbc\xc3\x9f"
		"e!|" },
	{ "Content-Type: text/plain; charset=\"nonsense/../x\"\n\n\xfc\n",
		"FContent-Type: text/plain; charset=\"nonsense/../x\"\nH\xfc\n|" },
	{ "Content-Type: image/png\n\nx\n", "FContent-Type: image/png\nH" },
	{ "Content-Type: multipart/mixed; x=\"a;b\"; boundary=\"a\\\"b\"\n\npre\n--a\"b\n\none\n--a\"b  \nContent-Type: image/gif\n\nno\n"
	  "--a\"b\nX: y\n\ntwo\n--a\"b--\npost\n--a\"b\nno more\n",
		"FContent-Type: multipart/mixed; x=\"a;b\"; boundary=\"a\\\"b\"\nHone\n|PContent-Type: image/gif\nPX: y\ntwo\n|" },
	/* nested, the inner one never closed; a part that has no empty line */
	{ "Content-Type: multipart/mixed; boundary=o\n\n--o\nContent-Type: multipart/alternative; boundary=i\n\n--i\n\nin\n--o\nB: c\n--o\n\nout\n--o--\n",
		"FContent-Type: multipart/mixed; boundary=o\nHPContent-Type: multipart/alternative; boundary=i\nin\n|PB: c\n|out\n|" },
	{ "Content-Type: multipart/digest; boundary=d\n\n--d\n\nSubject: inner\n\nbody\n--d--\n",
		"FContent-Type: multipart/digest; boundary=d\nHPSubject: inner\nbody\n|" },
	{ "Content-Type: message/rfc822\n\nSubject: in\nContent-Type: text/html\n\n<b>\n",
		"FContent-Type: message/rfc822\nHPSubject: in\nPContent-Type: text/html\n<b>\n|" },
	/* a multipart that has no boundary is looked at as it is */
	{ "Content-Type: multipart/mixed\n\n--x\n\ny\n",
		"FContent-Type: multipart/mixed\nH--x\n\ny\n|" },
	{ "Content-Type: text/plain; charset=utf-16be\nContent-Transfer-Encoding: base64\n\nAEEA/A==\n",
		"FContent-Type: text/plain; charset=utf-16be\nFContent-Transfer-Encoding: base64\nHA\xc3\xbc|" },
	{ "Content-Type: text/plain; charset=shift_jis\n\n\x93\xfa\xff\n",
		"FContent-Type: text/plain; charset=shift_jis\nH\xe6\x97\xa5\xef\xbf\xbd\n|" },
};

static void test_samples(void **state)
{
	struct mime_text *mime = mime_text_new();
	struct buf out;

	(void)state;
	buf_init(&out, 1 << 16);
	for (size_t i = 0; i < countof(samples); i++) {
		const struct span text = span_of(samples[i].message);

		for (size_t piece = 1; piece <= text.len + 1; piece++)
			assert_string_equal(read_message(mime, text, piece, &out), samples[i].read);
	}
	buf_release(&out);
	mime_text_free(mime);
}

/* Long lines and texts: all of it comes, whole characters at a time. */
static void test_long(void **state)
{
	struct mime_text *mime = mime_text_new();
	struct mime_piece got;
	struct buf text, out;
	struct span rest;
	size_t largest = 0;

	(void)state;
	buf_init(&text, 1 << 22);
	buf_init(&out, 1 << 22);
	assert_int_equal(buf_add(&text, SPAN("A: ")), 0);
	for (size_t i = 0; i < 100000; i++)
		assert_int_equal(buf_add_char(&text, 'x'), 0);
	assert_int_equal(buf_add(&text, SPAN("\n\n")), 0);
	const size_t body = text.len;
	for (size_t i = 0; i < 300000; i++)
		assert_int_equal(buf_add(&text, SPAN("\xe2\x82\xac")), 0);
	mime_text_begin(mime);
	rest = buf_span(&text);
	while (mime_text_next(mime, &rest, &got)) {
		if (got.kind == MIME_FIELD)
			assert_int_equal(got.text.len, MIME_FIELD_MAX);
		if (got.kind != MIME_TEXT)
			continue;
		assert_int_equal(got.text.len % 3, 0);
		largest = got.text.len > largest ? got.text.len : largest;
		assert_int_equal(buf_add(&out, got.text), 0);
	}
	while (mime_text_end(mime, &got))
		assert_int_equal(buf_add(&out, got.text), 0);
	assert_true(span_equal(buf_span(&out), span_from(buf_span(&text), body)));
	assert_true(largest < 131072);
	buf_release(&text);
	buf_release(&out);
	mime_text_free(mime);
}

/* Deeper than is entered: the rest is text. */
static void test_depth(void **state)
{
	struct mime_text *mime = mime_text_new();
	struct buf text, out;

	(void)state;
	buf_init(&text, 1 << 20);
	buf_init(&out, 1 << 20);
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(
			buf_print(&text, "Content-Type: multipart/mixed; boundary=b%u\n\n--b%u\n",
				i, i),
			0);
	assert_int_equal(buf_add(&text, SPAN("\nfound\n")), 0);
	assert_non_null(strstr(read_message(mime, buf_span(&text), 1000, &out), "\nfound\n|"));
	buf_release(&text);
	buf_release(&out);
	mime_text_free(mime);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_samples),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_depth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
