/* Digests of headers and content: equal where they must be, different where they must be, for every way to cut the input. */
#include "mail/header.h"

#include "base/must.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct header_facts scan_text(struct header_scan *scan, struct span text)
{
	struct header_facts facts;

	header_scan_add(scan, text);
	header_scan_end(scan, &facts);
	return facts;
}

static bool same(const struct header_facts *a, const struct header_facts *b)
{
	return digest128_equal(a->header, b->header) && digest128_equal(a->content, b->content) &&
	       a->size == b->size && a->has_message_id == b->has_message_id &&
	       a->has_nul == b->has_nul && a->has_bare_lf == b->has_bare_lf &&
	       a->has_bare_cr == b->has_bare_cr && a->has_8bit_header == b->has_8bit_header &&
	       a->longest_line == b->longest_line;
}

#define MAIL                                                                                                                              \
	"Received: from x\r\n\tby y\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\nFrom: A <a@b>\r\nTo: c@d,\r\n e@f\r\nSubject: one two\r\n" \
	"Message-ID: <1@x>\r\nX-Other: y\r\n"

/* Pairs whose header digests must agree. */
static void test_equal(void **state)
{
	static const struct {
		const char *a, *b;
	} pairs[] = {
		{ MAIL "\r\nbody\r\n", MAIL "\r\n" }, /* a header alone */
		{ MAIL "\r\nbody\r\n", MAIL }, /* without the empty line */
		/* an answer to HEADER.FIELDS, in another case and order of names */
		{ MAIL "\r\nbody",
			"subject: one two\r\nMESSAGE-ID: <1@x>\r\nTo: c@d,\r\n e@f\r\nFROM: A <a@b>\r\n"
			"Date: Mon, 1 Jan 2024 00:00:00 +0000\r\n\r\n" },
		{ "Subject: a b\r\n\r\n", "Subject:a \t b \r\n\r\n" },
		{ "Subject: a b\r\n\r\n", "Subject: a\r\n b\r\n\r\n" },
		{ "Subject: a b\r\n\r\n", "Subject: a \r\n\t \r\n  b\r\n\r\n" },
		{ "Subject: a b\r\n\r\n", "Subject:\r\n a b\r\n\r\n" },
		{ "Subject: a b\r\n\r\n", "Subject : a b\n\n" },
		{ "Subject: a b\r\n\r\n", "Subject: a b" },
		{ "Subject: a b\r\n\r\n",
			"From nobody Mon Jan  1 00:00:00 2024\nSubject: a b\n\n" },
		{ "Subject: a b\r\n\r\n", "no colon here\r\n folded\r\nSubject: a b\r\n\r\n" },
		{ "Subject: a b\r\n\r\n",
			"Subject: a b\r\nX-Subject: c\r\nSubjec: d\r\nSubjects: e\r\n\r\nSubject: f\r\n" },
		{ "", "\r\nSubject: in the body\r\n" },
		{ "", "\n" },
		{ "", "X: y" },
	};
	struct header_scan *scan = header_scan_new(false);

	(void)state;
	for (size_t i = 0; i < countof(pairs); i++) {
		struct header_facts a = scan_text(scan, span_of(pairs[i].a)),
				    b = scan_text(scan, span_of(pairs[i].b));

		if (!digest128_equal(a.header, b.header))
			fail_msg("pair %zu differs", i);
		assert_true(digest128_known(a.header));
		assert_false(digest128_known(a.content));
	}
	header_scan_free(scan);
}

/* None of these is like another. */
static void test_different(void **state)
{
	static const char *const texts[] = { "", "Subject: a\r\n", "Subject: b\r\n", "Subject:\r\n",
		"To: a\r\n", "Cc: a\r\n", "Subject: a b\r\n", "Subject: ab\r\n", "Subject: A\r\n",
		"Subject: a\r\nSubject: b\r\n", "Subject: b\r\nSubject: a\r\n",
		"Subject: a\r\nSubject: a\r\n", "To: a\r\nCc: a\r\n", "To: a\r\nTo: a\r\n",
		"From: a\r\n", "References: a\r\n", "In-Reply-To: a\r\n", "Date: a\r\n",
		"Message-ID: a\r\n", "Subject: a\r\nTo:\r\n" };
	struct header_facts facts[countof(texts)];
	struct header_scan *scan = header_scan_new(true);

	(void)state;
	for (size_t i = 0; i < countof(texts); i++) {
		facts[i] = scan_text(scan, span_of(texts[i]));
		for (size_t j = 0; j < i; j++) {
			assert_false(digest128_equal(facts[i].header, facts[j].header));
			assert_false(digest128_equal(facts[i].content, facts[j].content));
		}
	}
	header_scan_free(scan);
}

static void test_content(void **state)
{
	static const struct {
		const char *a, *b;
		bool equal;
	} pairs[] = {
		{ "Subject: x\r\n\r\na\r\nb\r\n", "Subject: x\n\na\nb\n", true },
		{ "Subject: x\r\n\r\na\r\nb\r\n", "Received: z\r\nSubject:  x\r\n\r\na\r\nb\r\n",
			true },
		{ "Subject: x\r\n\r\n", "Subject: x\r\n", true },
		{ "Subject: x\r\n\r\n\r\n", "Subject: x\r\n\r\n", false },
		{ "Subject: x\r\n\r\na\r\nb\r\n", "Subject: y\r\n\r\na\r\nb\r\n", false },
		{ "Subject: x\r\n\r\na\r\nb\r\n", "Subject: x\r\n\r\na\r\nb", false },
		{ "Subject: x\r\n\r\na\rb", "Subject: x\r\n\r\na\r\nb", false },
		{ "Subject: x\r\n\r\na\r\r\nb", "Subject: x\r\n\r\na\r\nb", false },
		{ "Subject: x\r\n\r\na\n\nb", "Subject: x\r\n\r\na\r\n\r\nb", true },
		{ "Subject: x\r\n\r\n\n", "Subject: x\r\n\r\n\r\n", true },
	};
	struct header_scan *scan = header_scan_new(true);

	(void)state;
	for (size_t i = 0; i < countof(pairs); i++) {
		struct header_facts a = scan_text(scan, span_of(pairs[i].a)),
				    b = scan_text(scan, span_of(pairs[i].b));

		if (digest128_equal(a.content, b.content) != pairs[i].equal)
			fail_msg("pair %zu", i);
	}
	header_scan_free(scan);
}

static void test_facts(void **state)
{
	static const struct {
		const char *text;
		size_t len;
		bool nul, bare_lf, bare_cr, high, id;
		uint32_t longest;
	} examples[] = {
		{ "", 0, false, false, false, false, false, 0 },
		{ "a: b\r\n\r\nbody\r\n", 14, false, false, false, false, false, 4 },
		{ "a: b\n\nbody-\n", 12, false, true, false, false, false, 5 },
		{ "a: b\r\n\r\nbo\rdy12", 15, false, false, true, false, false, 7 },
		{ "a: b\r\n\r\nbody\r", 13, false, false, true, false, false, 5 },
		{ "a: b\r\n\r\r\n\r\nx\r\n", 14, false, false, true, false, false, 4 },
		{ "a: \0\r\n\r\n", 8, true, false, false, false, false, 4 },
		{ "a: b\r\n\r\n\0", 9, true, false, false, false, false, 4 },
		{ "a: \xe9\r\n\r\n", 8, false, false, false, true, false, 4 },
		{ "a: b\r\n\r\n\xe9", 9, false, false, false, false, false, 4 },
		{ "message-id: <x>\r\n\r\n", 19, false, false, false, false, true, 15 },
		{ "a: b\r\n\r\nMessage-ID: <x>\r\n", 25, false, false, false, false, false, 15 },
		{ "\r\n", 2, false, false, false, false, false, 0 },
	};
	struct header_scan *scan = header_scan_new(false);

	(void)state;
	for (size_t i = 0; i < countof(examples); i++) {
		struct header_facts facts =
			scan_text(scan, span_make(examples[i].text, examples[i].len));

		assert_int_equal(facts.size, examples[i].len);
		assert_int_equal(facts.has_nul, examples[i].nul);
		assert_int_equal(facts.has_bare_lf, examples[i].bare_lf);
		assert_int_equal(facts.has_bare_cr, examples[i].bare_cr);
		assert_int_equal(facts.has_8bit_header, examples[i].high);
		assert_int_equal(facts.has_message_id, examples[i].id);
		assert_int_equal(facts.longest_line, examples[i].longest);
	}
	header_scan_free(scan);
}

/* The slow and obvious way. */
static uint32_t longest_line(const char *text, size_t len)
{
	size_t longest = 0, start = 0;

	for (size_t i = 0; i <= len; i++) {
		size_t end = i;

		if (i < len && text[i] != '\n')
			continue;
		if (i < len && i > start && text[i - 1] == '\r')
			end--;
		longest = end - start > longest ? end - start : longest;
		start = i + 1;
	}
	return (uint32_t)longest;
}

static void cut_randomly(
	struct header_scan *scan, struct span text, unsigned *seed, struct header_facts *out)
{
	while (text.len > 0) {
		size_t len;

		*seed = *seed * 1103515245u + 12345;
		len = (*seed >> 16) % 9 == 0 ? (*seed >> 20) % 200 : (*seed >> 20) % 4;
		header_scan_add(scan, span_sub(text, 0, len));
		text = span_from(text, len);
	}
	header_scan_end(scan, out);
}

/* Random messages of few different bytes; every chunking gives the same facts. */
static void test_chunks(void **state)
{
	static const char *const pieces[] = { "\r", "\n", "\r\n", " ", "\t", "Subject", ":", "x",
		"Message-ID: <a>", "To", "\r\n ", "\xff",
		"a line of some length that is not quite short and goes on over a block of sixty-four",
		"\r\n\r\n", "\n\n", "References: <a>" };
	struct header_scan *scan = header_scan_new(true), *other = header_scan_new(true);
	unsigned seed = 7;

	(void)state;
	for (int round = 0; round < 3000; round++) {
		char text[2048];
		size_t len = 0;
		struct header_facts whole, cut;
		unsigned count;

		seed = seed * 1103515245u + 12345;
		count = (seed >> 16) % 40;
		for (unsigned i = 0; i < count; i++) {
			const char *piece;

			seed = seed * 1103515245u + 12345;
			piece = pieces[(seed >> 16) % countof(pieces)];
			if (len + strlen(piece) > sizeof(text))
				break;
			memcpy(text + len, piece, strlen(piece));
			len += strlen(piece);
		}
		whole = scan_text(scan, span_make(text, len));
		assert_int_equal(whole.longest_line, longest_line(text, len));
		for (size_t at = 0; at <= len && round < 300; at++) {
			header_scan_add(other, span_make(text, at));
			header_scan_add(other, span_make(text + at, len - at));
			header_scan_end(other, &cut);
			assert_true(same(&whole, &cut));
		}
		for (size_t at = 0; at < len; at++)
			header_scan_add(other, span_make(text + at, 1));
		header_scan_end(other, &cut);
		assert_true(same(&whole, &cut));
		cut_randomly(other, span_make(text, len), &seed, &cut);
		assert_true(same(&whole, &cut));
	}
	header_scan_free(scan);
	header_scan_free(other);
}

/* Values longer than any buffer inside, bodies with bare line feeds longer than any. */
static void test_long(void **state)
{
	static char text[100000], crlf[200000];
	struct header_scan *scan = header_scan_new(true);
	struct header_facts a, b;
	size_t len, out = 0;

	(void)state;
	len = (size_t)snprintf(text, sizeof(text), "References: ");
	memset(text + len, 'r', 40000);
	text[len + 20000] = ' ';
	len += 40000;
	memcpy(text + len, "\n\n", 2);
	len += 2;
	memset(text + len, 'b', sizeof(text) - len);
	for (size_t i = len; i < sizeof(text); i += i % 97 + 1)
		text[i] = '\n';
	for (size_t i = 0; i < sizeof(text); i++) {
		if (text[i] == '\n')
			crlf[out++] = '\r';
		crlf[out++] = text[i];
	}
	a = scan_text(scan, span_make(text, sizeof(text)));
	b = scan_text(scan, span_make(crlf, out));
	assert_true(digest128_equal(a.header, b.header));
	assert_true(digest128_equal(a.content, b.content));
	assert_int_equal(a.longest_line, 40012);
	for (size_t i = 0; i < sizeof(text); i += 1000)
		header_scan_add(scan, span_make(text + i, 1000));
	header_scan_end(scan, &b);
	assert_true(same(&a, &b));
	header_scan_free(scan);
}

static void test_fields(void **state)
{
	static const char *const names[] = { "X-Key", "message-id" };
	struct header_scan *scan = header_scan_new_fields(false, names, countof(names));
	struct header_facts a, b, c;

	(void)state;
	a = scan_text(scan, SPAN("Subject: x\r\nx-key: 1\r\nMessage-ID: <1>\r\n\r\n"));
	b = scan_text(scan, SPAN("Subject: y\r\nMessage-ID: <1>\r\nX-KEY: 1\r\n\r\nbody"));
	c = scan_text(scan, SPAN("Subject: x\r\nX-Key: 2\r\nMessage-ID: <1>\r\n\r\n"));
	assert_true(digest128_equal(a.header, b.header));
	assert_false(digest128_equal(a.header, c.header));
	assert_true(a.has_message_id);
	header_scan_free(scan);
	scan = header_scan_new_fields(false, names, 0);
	a = scan_text(scan, SPAN("Subject: x\r\n\r\n"));
	assert_true(digest128_known(a.header));
	header_scan_free(scan);
	header_scan_free(NULL);
}

/* The digest is kept in journals: its form may not change without a new version. */
static void test_version_1(void **state)
{
	static const unsigned char none[DIGEST_SIZE];
	unsigned char date[DIGEST_SIZE], subject[DIGEST_SIZE];
	struct header_scan *scan = header_scan_new(true);
	struct digest *digest = digest_new();
	struct header_facts facts =
		scan_text(scan, SPAN("Subject: b\r\nSubject:  c  d\r\nDate: a\r\n\r\nx\ny"));
	struct digest128 header, content;

	(void)state;
	digest_bytes(SPAN("a\n"), date);
	digest_bytes(SPAN("b\nc d\n"), subject);
	digest_add(digest, span_make((const char *)date, DIGEST_SIZE));
	for (int i = 0; i < 3; i++)
		digest_add(digest, span_make((const char *)none, DIGEST_SIZE));
	digest_add(digest, span_make((const char *)subject, DIGEST_SIZE));
	for (int i = 0; i < 3; i++)
		digest_add(digest, span_make((const char *)none, DIGEST_SIZE));
	header = digest_end128(digest);
	assert_true(digest128_equal(facts.header, header));
	digest_add(digest, span_make((const char *)&header, sizeof(header)));
	digest_add(digest, SPAN("x\r\ny"));
	content = digest_end128(digest);
	assert_true(digest128_equal(facts.content, content));
	digest_free(digest);
	header_scan_free(scan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_equal),
		cmocka_unit_test(test_different),
		cmocka_unit_test(test_content),
		cmocka_unit_test(test_facts),
		cmocka_unit_test(test_chunks),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_version_1),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
