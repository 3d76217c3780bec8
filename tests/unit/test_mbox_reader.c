/* Borders of messages in mbox files of every dialect, whatever the windows; quoting; From_ lines. */
#include "mail/mbox_reader.h"

#include "base/buf.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define TEXTS_MAX 8

struct found {
	size_t count;
	struct buf text[TEXTS_MAX]; /* as it stands in the file */
	struct mbox_message message[TEXTS_MAX];
	unsigned again;
	bool foreign;
};

/* Reads the file through windows of at most `width` octets, more only when asked for. */
static void read_all(struct span file, enum mbox_variant variant, size_t width, struct found *found)
{
	struct mbox_reader reader = { .variant = variant };
	size_t shown = width;

	*found = (struct found){ .count = 0 };
	for (;;) {
		const struct span window = span_sub(file, (size_t)reader.offset, shown);
		const bool last = reader.offset + window.len == file.len;
		struct span text;

		switch (mbox_reader_next(&reader, window, last, &text)) {
		case MBOX_MORE:
			assert_false(last);
			assert_true(shown < MBOX_WINDOW);
			shown++;
			continue;
		case MBOX_BEGIN:
			assert_true(found->count < TEXTS_MAX);
			buf_init(&found->text[found->count], 1 << 20);
			break;
		case MBOX_TEXT:
			assert_int_equal(buf_add(&found->text[found->count], text), 0);
			break;
		case MBOX_END:
			found->message[found->count] = reader.message;
			assert_int_equal(found->text[found->count].len, reader.message.size);
			found->count++;
			break;
		case MBOX_AGAIN:
			buf_release(&found->text[found->count]);
			found->again++;
			break;
		case MBOX_DONE:
			assert_int_equal(reader.offset, file.len);
			return;
		case MBOX_FOREIGN:
			found->foreign = true;
			return;
		}
		shown = width;
	}
}

static void release(struct found *found)
{
	for (size_t i = 0; i < found->count; i++)
		buf_release(&found->text[i]);
}

#define F1 "From a@x Thu Jan  1 00:00:01 1970\n"
#define F2 "From b@x Thu Jan  1 00:00:02 1970\n"

struct example {
	enum mbox_variant variant;
	const char *file;
	const char *text[4];
};

static const struct example examples[] = {
	{ MBOX_AUTO, "", { NULL } },
	{ MBOX_AUTO, "\n\n", { NULL } },
	{ MBOX_AUTO, F1, { "" } },
	{ MBOX_AUTO, F1 "\n", { "" } },
	{ MBOX_AUTO, F1 "\n" F2 "\n", { "", "" } },
	{ MBOX_AUTO, F1 "\n\n" F2 "\n\n\n", { "\n", "\n\n" } },
	{ MBOX_AUTO, F1 "A: b\n\nc\n\n" F2 "D: e\n\nf\n\n", { "A: b\n\nc\n", "D: e\n\nf\n" } },
	{ MBOX_AUTO, F1 "A: b\n\n" F2 "D: e\n", { "A: b\n", "D: e\n" } },
	{ MBOX_AUTO, F1 "A: b\n\nno end", { "A: b\n\nno end" } },
	{ MBOX_AUTO, F1 "A: b\n\nc\n\n\n" F2 "\nd", { "A: b\n\nc\n\n", "\nd" } },
	/* A sentence, and a line without an empty one before it. */
	{ MBOX_AUTO, F1 "A: b\n\nc\n\nFrom the start\n\nd\n" F2 "e\n\n",
		{ "A: b\n\nc\n\nFrom the start\n\nd\n" F2 "e\n" } },
	/* CRLF, and both kinds. */
	{ MBOX_AUTO, "From a@x Thu Jan  1 00:00:01 1970\r\nA: b\r\n\r\nc\r\n\r\n" F2 "D: e\r\n\n",
		{ "A: b\r\n\r\nc\r\n", "D: e\r\n" } },
	{ MBOX_AUTO, F1 "\r\rx\n\r\n" F2 "\r", { "\r\rx\n", "\r" } },
	/* The first line may be anything. */
	{ MBOX_AUTO, "From ???\nA: b\n\n" F2 "\n", { "A: b\n", "" } },
	{ MBOX_AUTO, "\n" F1 "A: b\n\n", { "A: b\n" } },
	/* A length that holds hides what looks like a message. */
	{ MBOX_AUTO, F1 "Content-Length: 37\n\nb\n\n" F2 "\n" F1 "\n",
		{ "Content-Length: 37\n\nb\n\n" F2, "" } },
	{ MBOX_RD, F1 "Content-Length: 37\n\nb\n\n" F2 "\n" F1 "\n",
		{ "Content-Length: 37\n\nb\n", "", "" } },
	/* At the end of the file, with and without the empty line. */
	{ MBOX_AUTO, F1 "content-length:2\n\nb\n\n", { "content-length:2\n\nb\n" } },
	{ MBOX_AUTO, F1 "content-length:2\n\nb\n", { "content-length:2\n\nb\n" } },
	{ MBOX_AUTO, F1 "content-length:1\n\nb", { "content-length:1\n\nb" } },
	{ MBOX_AUTO, F1 "content-length:0\n\n\n" F2, { "content-length:0\n\n", "" } },
	/* One that does not hold: with something hidden it is read again, else it just goes on. */
	{ MBOX_AUTO, F1 "Content-Length: 36\n\nb\n\n" F2 "\n" F1 "\n",
		{ "Content-Length: 36\n\nb\n", "", "" } },
	{ MBOX_AUTO, F1 "Content-Length: 2\n\nb\nc\n\n" F2 "d\n",
		{ "Content-Length: 2\n\nb\nc\n", "d\n" } },
	{ MBOX_AUTO, F1 "Content-Length: 1\n\nb\nc\n\n" F2 "d\n",
		{ "Content-Length: 1\n\nb\nc\n", "d\n" } },
	{ MBOX_AUTO, F1 "Content-Length: 9999\n\nb\n\n" F2 "d\n",
		{ "Content-Length: 9999\n\nb\n", "d\n" } },
	{ MBOX_AUTO, F1 "Content-Length: 18446744073709551615\n\nb\n\n" F2 "d\n",
		{ "Content-Length: 18446744073709551615\n\nb\n", "d\n" } },
	{ MBOX_AUTO, F1 "Content-Length: -1\n\nb\n\n" F2 "d\n",
		{ "Content-Length: -1\n\nb\n", "d\n" } },
};

static void test_borders(void **state)
{
	(void)state;
	for (size_t i = 0; i < countof(examples); i++) {
		for (size_t width = 1; width < 120; width += width < 40 ? 1 : 13) {
			struct found found;
			size_t want = 0;

			read_all(span_of(examples[i].file), examples[i].variant, width, &found);
			while (want < 4 && examples[i].text[want])
				want++;
			if (found.count != want || found.foreign)
				fail_msg("example %zu, width %zu: %zu messages", i, width,
					found.count);
			for (size_t j = 0; j < want; j++)
				assert_string_equal(buf_text(&found.text[j]), examples[i].text[j]);
			release(&found);
		}
	}
}

static void test_facts(void **state)
{
	struct found found;

	(void)state;
	read_all(SPAN(F1 "Content-Length: 23\n\nFrom me\n>>From you\nend\n\n" F2
			 "\n>From\n > From\n"),
		MBOX_AUTO, 64, &found);
	assert_int_equal(found.count, 2);
	assert_true(found.message[0].by_length && found.message[0].has_from);
	assert_true(found.message[0].has_quoted);
	assert_int_equal(found.message[0].from.date.instant, 1);
	assert_int_equal(found.message[0].start, 0);
	assert_int_equal(found.message[0].head, sizeof(F1) - 1);
	assert_false(found.message[1].by_length || found.message[1].has_from);
	assert_false(found.message[1].has_quoted);
	assert_int_equal(found.message[1].from.date.instant, 2);
	release(&found);
	read_all(SPAN("Return-Path: <a@x>\n\nFrom nobody\n"), MBOX_AUTO, 64, &found);
	assert_true(found.foreign);
	assert_int_equal(mbox_unquote_how(MBOX_AUTO, false, true), MBOX_UNQUOTE_RD);
	assert_int_equal(mbox_unquote_how(MBOX_AUTO, true, true), MBOX_UNQUOTE_NONE);
	assert_int_equal(mbox_unquote_how(MBOX_AUTO, true, false), MBOX_UNQUOTE_O);
	assert_int_equal(mbox_unquote_how(MBOX_O, true, true), MBOX_UNQUOTE_O);
	assert_int_equal(mbox_unquote_how(MBOX_CL2, false, false), MBOX_UNQUOTE_NONE);
}

/* Lengths that lie cost a second look each, and no more than a few of them. */
static void test_wrong_lengths(void **state)
{
	struct mbox_reader reader = { 0 };
	struct buf file;
	uint64_t looked = 0;
	size_t messages = 0;
	struct span text;

	(void)state;
	buf_init(&file, 1 << 20);
	for (size_t i = 0; i < 1000; i++)
		assert_int_equal(buf_add(&file, SPAN(F1 "Content-Length: 90000\n\ntext\n\n")), 0);
	for (enum mbox_event event = MBOX_MORE; event != MBOX_DONE;) {
		const struct span window =
			span_sub(buf_span(&file), (size_t)reader.offset, MBOX_WINDOW);

		event = mbox_reader_next(
			&reader, window, reader.offset + window.len == file.len, &text);
		looked += text.len;
		messages += event == MBOX_END;
	}
	assert_int_equal(messages, 1000);
	assert_true(looked < 25 * file.len);
	buf_release(&file);
}

static const struct {
	const char *line;
	const char *sender;
	int64_t instant;
} lines[] = {
	{ "From a@x Thu Jan  1 00:00:01 1970", "a@x", 1 },
	{ "From a@x Thu Jan 1 00:01 1970", "a@x", 60 },
	{ "From - Thu Jan 01 00:00:01 1970", "-", 1 },
	{ "From  Thu Jan  1 00:00:01 1970", "", 1 },
	{ "From a@x Thu Jan  1 01:00:01 1970 +0100", "a@x", 1 },
	{ "From a@x Thu Jan  1 01:00:01 +0100 1970", "a@x", 1 },
	{ "From a@x Wed Dec 31 19:00:01 EST 1969", "a@x", 1 },
	{ "From a@x  Thu Jan  1 00:00:01 1970 remote from host", "a@x", 1 },
	{ "From \"A B\" <a@x> Thu, 1 Jan 1970 01:00:01 +0100", "\"A B\" <a@x>", 1 },
	{ "From Mon Thu Jan  1 00:00:01 1970", "Mon", 1 },
	{ "From a@x Thu Jan  1 00:00:01", "a@x", DATE_UNKNOWN },
	{ "From a@x Thu Feb 31 00:00:01 1970", "a@x", DATE_UNKNOWN },
	{ "From a@x Thu Jan  1 1970", NULL, 0 },
	{ "From me to you", NULL, 0 },
	{ "From Thu Jan  1 00:00:01 1970 on I read", NULL, 0 },
	{ "From", NULL, 0 },
	{ "From ", NULL, 0 },
	{ ">From a@x Thu Jan  1 00:00:01 1970", NULL, 0 },
};

static void test_from(void **state)
{
	struct buf out;

	(void)state;
	for (size_t i = 0; i < countof(lines); i++) {
		struct mbox_from from;
		const bool is = mbox_from_parse(span_of(lines[i].line), &from);

		if (is != (lines[i].sender != NULL))
			fail_msg("%s", lines[i].line);
		if (!is)
			continue;
		assert_true(span_equal_text(from.sender, lines[i].sender));
		if (from.date.instant != lines[i].instant)
			fail_msg("%s: %lld", lines[i].line, (long long)from.date.instant);
	}
	buf_init(&out, 1000);
	assert_int_equal(
		mbox_from_print(SPAN("<a b@x\n>"), (struct date){ 951782400, 60 }, &out), 0);
	assert_string_equal(buf_text(&out), "From ab@x Tue Feb 29 00:00:00 2000\n");
	buf_clear(&out);
	assert_int_equal(mbox_from_print(SPAN(" "), (struct date){ -1, 0 }, &out), 0);
	assert_string_equal(buf_text(&out), "From MAILER-DAEMON Wed Dec 31 23:59:59 1969\n");
	buf_clear(&out);
	assert_int_equal(mbox_from_print(SPAN("a"), (struct date){ 1, 0 }, &out), 0);
	assert_string_equal(buf_text(&out), "From a Thu Jan  1 00:00:01 1970\n");
	assert_int_equal(mbox_from_print(SPAN("a"), (struct date){ DATE_UNKNOWN, 0 }, &out), -1);
	buf_release(&out);
}

static const struct {
	enum mbox_quote_how how;
	const char *in, *out;
} quotes[] = {
	{ MBOX_QUOTE_RD, "From a\n>From b\n>>From c\nFrom\n Fromage\nFrom ",
		">From a\n>>From b\n>>>From c\nFrom\n Fromage\n>From " },
	{ MBOX_QUOTE_RD, "a\r\nFrom b\r\n\r\n>>\n>Fro\nFFrom ",
		"a\r\n>From b\r\n\r\n>>\n>Fro\nFFrom " },
	{ MBOX_UNQUOTE_RD, ">From a\n>>From b\n>>>From c\nFrom d\n>\n>>x>From ",
		"From a\n>From b\n>>From c\nFrom d\n>\n>>x>From " },
	{ MBOX_UNQUOTE_O, ">From a\n>>From b\nFrom c\n>", "From a\n>>From b\nFrom c\n>" },
	{ MBOX_UNQUOTE_NONE, ">From a\n", ">From a\n" },
};

static void test_quoting(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 1000);
	for (size_t i = 0; i < countof(quotes); i++) {
		const struct span in = span_of(quotes[i].in);

		for (size_t step = 1; step <= in.len; step++) {
			struct mbox_quote quote = { .how = quotes[i].how };

			buf_clear(&out);
			for (size_t at = 0; at < in.len; at += step)
				assert_int_equal(
					mbox_quote_add(&quote, span_sub(in, at, step), &out), 0);
			assert_int_equal(mbox_quote_end(&quote, &out), 0);
			assert_string_equal(buf_text(&out), quotes[i].out);
		}
	}
	buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_borders),
		cmocka_unit_test(test_facts),
		cmocka_unit_test(test_wrong_lengths),
		cmocka_unit_test(test_from),
		cmocka_unit_test(test_quoting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
