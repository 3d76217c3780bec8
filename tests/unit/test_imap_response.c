/* Responses as events: every sample whole, byte by byte, cut at every place, and mutated; bodies streamed; the caps. */
#include "imap/imap_response.h"

#include "imap_play.h"
#include "imap_samples.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define OUT_MAX (64u << 20)

static void play(struct span input, size_t first, size_t step, struct buf *out)
{
	buf_clear(out);
	imap_play(input, (struct imap_cut){ .first = first, .step = step }, out);
}

static void check(struct span input, size_t first, size_t step, const char *expected)
{
	struct buf out;

	buf_init(&out, OUT_MAX);
	play(input, first, step, &out);
	if (strcmp(buf_text(&out), expected) != 0)
		fail_msg("input '%.*s'\ncut %zu, %zu\ngives    %sexpected %s", (int)input.len,
			input.data, first, step, buf_text(&out), expected);
	buf_release(&out);
}

static void check_every_cut(struct span input, const char *expected)
{
	check(input, 1, 1, expected);
	for (size_t first = 1; first <= input.len; first++)
		check(input, first, input.len, expected);
}

static bool has_literal(struct span text)
{
	return memmem(text.data, text.len, "}\r\n", 3) != NULL ||
	       memmem(text.data, text.len, "\r\n", 2) != NULL;
}

/* The sample with this line end, in front of a response that must be intact unless the connection is given up. */
static void check_sample(const struct sample *sample, const char *line_end)
{
	const bool ends = strncmp(sample->expected, "ERROR", 5) == 0;
	struct buf input, expected;

	buf_init(&input, OUT_MAX);
	buf_init(&expected, OUT_MAX);
	assert_int_equal(buf_add(&input, sample->input), 0);
	assert_int_equal(buf_print(&input, "%s* 7 EXISTS\r\n", line_end), 0);
	assert_int_equal(
		buf_print(&expected, "%s\n%s", sample->expected, ends ? "" : "EXISTS 7\n"), 0);
	check_every_cut(buf_span(&input), buf_text(&expected));
	buf_release(&input);
	buf_release(&expected);
}

static void check_samples(const struct sample *samples, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		check_sample(&samples[i], "\r\n");
		if (!has_literal(samples[i].input))
			check_sample(&samples[i], "\n");
	}
}

static void test_status(void **state)
{
	(void)state;
	check_samples(status_samples, countof(status_samples));
}

static void test_data(void **state)
{
	(void)state;
	check_samples(data_samples, countof(data_samples));
}

static void test_fetch(void **state)
{
	(void)state;
	check_samples(fetch_samples, countof(fetch_samples));
}

/* --- mutations --- */

static uint64_t seed = 88172645463325252u;

static size_t random_below(size_t limit)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (size_t)(seed % limit);
}

static size_t mutate(char *text, size_t len)
{
	static const char bytes[] = "(){}[]<>\"\\~+*% \r\n\0"
				    "0123456789NIL";
	const size_t at = random_below(len);

	switch (random_below(4)) {
	case 0:
		text[at] = bytes[random_below(sizeof(bytes))];
		return len;
	case 1:
		text[at] = (char)(text[at] ^ (1 << random_below(8)));
		return len;
	case 2:
		memmove(text + at, text + at + 1, len - at - 1);
		return len - 1;
	default:
		memmove(text + at + 1, text + at, len - at);
		return len + 1;
	}
}

static void check_mutations(const struct sample *samples, size_t count)
{
	struct buf whole, cut;
	char text[1024];

	buf_init(&whole, OUT_MAX);
	buf_init(&cut, OUT_MAX);
	for (size_t i = 0; i < count; i++) {
		for (int round = 0; round < 60; round++) {
			size_t len = (size_t)snprintf(text, sizeof(text), "%.*s\r\nm1 OK\r\n",
				(int)samples[i].input.len, samples[i].input.data);
			for (size_t n = 1 + random_below(3); n > 0; n--)
				len = mutate(text, len);
			play(span_make(text, len), len, 1, &whole);
			play(span_make(text, len), 1, 1, &cut);
			assert_string_equal(buf_text(&whole), buf_text(&cut));
		}
	}
	buf_release(&whole);
	buf_release(&cut);
}

static void test_mutations(void **state)
{
	(void)state;
	check_mutations(status_samples, countof(status_samples));
	check_mutations(data_samples, countof(data_samples));
	check_mutations(fetch_samples, countof(fetch_samples));
}

/* --- response codes --- */

static void test_codes(void **state)
{
	static const struct {
		const char *name;
		enum imap_code_type type;
	} codes[] = {
		{ "ALERT", IMAP_CODE_ALERT },
		{ "ALREADYEXISTS", IMAP_CODE_ALREADYEXISTS },
		{ "APPENDUID", IMAP_CODE_APPENDUID },
		{ "AUTHENTICATIONFAILED", IMAP_CODE_AUTHENTICATIONFAILED },
		{ "AUTHORIZATIONFAILED", IMAP_CODE_AUTHORIZATIONFAILED },
		{ "BADCHARSET", IMAP_CODE_BADCHARSET },
		{ "CANNOT", IMAP_CODE_CANNOT },
		{ "CAPABILITY", IMAP_CODE_CAPABILITY },
		{ "CLIENTBUG", IMAP_CODE_CLIENTBUG },
		{ "CLOSED", IMAP_CODE_CLOSED },
		{ "CONTACTADMIN", IMAP_CODE_CONTACTADMIN },
		{ "COPYUID", IMAP_CODE_COPYUID },
		{ "CORRUPTION", IMAP_CODE_CORRUPTION },
		{ "EXPIRED", IMAP_CODE_EXPIRED },
		{ "EXPUNGEISSUED", IMAP_CODE_EXPUNGEISSUED },
		{ "HASCHILDREN", IMAP_CODE_HASCHILDREN },
		{ "HIGHESTMODSEQ", IMAP_CODE_HIGHESTMODSEQ },
		{ "INPROGRESS", IMAP_CODE_INPROGRESS },
		{ "INUSE", IMAP_CODE_INUSE },
		{ "LIMIT", IMAP_CODE_LIMIT },
		{ "MAILBOXID", IMAP_CODE_MAILBOXID },
		{ "MODIFIED", IMAP_CODE_MODIFIED },
		{ "NOMODSEQ", IMAP_CODE_NOMODSEQ },
		{ "NONEXISTENT", IMAP_CODE_NONEXISTENT },
		{ "NOPERM", IMAP_CODE_NOPERM },
		{ "OVERQUOTA", IMAP_CODE_OVERQUOTA },
		{ "PERMANENTFLAGS", IMAP_CODE_PERMANENTFLAGS },
		{ "PRIVACYREQUIRED", IMAP_CODE_PRIVACYREQUIRED },
		{ "READ-ONLY", IMAP_CODE_READ_ONLY },
		{ "READ-WRITE", IMAP_CODE_READ_WRITE },
		{ "REFERRAL", IMAP_CODE_REFERRAL },
		{ "SERVERBUG", IMAP_CODE_SERVERBUG },
		{ "THROTTLED", IMAP_CODE_THROTTLED },
		{ "TOOBIG", IMAP_CODE_TOOBIG },
		{ "TRYCREATE", IMAP_CODE_TRYCREATE },
		{ "UIDNEXT", IMAP_CODE_UIDNEXT },
		{ "UIDNOTSTICKY", IMAP_CODE_UIDNOTSTICKY },
		{ "UIDVALIDITY", IMAP_CODE_UIDVALIDITY },
		{ "UNAVAILABLE", IMAP_CODE_UNAVAILABLE },
		{ "UNKNOWN-CTE", IMAP_CODE_UNKNOWN_CTE },
		{ "UNSEEN", IMAP_CODE_UNSEEN },
		{ "USEATTR", IMAP_CODE_USEATTR },
		{ "ALERTS", IMAP_CODE_OTHER },
		{ "ALER", IMAP_CODE_OTHER },
	};
	struct arena *arena = arena_new();

	(void)state;
	for (size_t i = 0; i < countof(codes); i++) {
		const struct span line =
			span_of(arena_print(arena, "* NO [%s] text\r\n", codes[i].name));
		struct imap_frame frame = { 0 };
		struct imap_event event;
		struct err err = ERR_INIT;

		assert_int_equal(imap_response_frame(&frame, line, &err), 1);
		assert_int_equal(imap_response_parse(line, &frame, arena, &event, &err), 0);
		assert_int_equal(event.type, IMAP_STATUS_LINE);
		assert_int_equal(event.code.type, codes[i].type);
		assert_true(span_equal_text(event.code.name, codes[i].name));
		assert_true(span_equal_text(event.text, "text"));
	}
	arena_free(arena);
}

/* --- streamed bodies --- */

#define BIG 20000

/* "%" stands for a body of BIG octets that looks like responses, as "BODY 20000 sum" in the expected text. */
static void expand(const char *text, const char *body, struct buf *out)
{
	buf_init(out, OUT_MAX);
	for (; *text; text++) {
		if (*text == '%')
			assert_int_equal(buf_add(out, span_of(body)), 0);
		else
			assert_int_equal(buf_add_char(out, *text), 0);
	}
}

static void check_stream(const char *input, const char *expected)
{
	static char body[BIG + 1];
	char sum_text[64];
	uint64_t sum = 0;
	struct buf in, out;

	for (size_t i = 0; i < BIG; i++)
		body[i] = "m1 OK done\r\n* BYE {5}\r\n)"[i % 24];
	for (size_t i = 0; i < BIG; i++)
		sum = sum * 31 + (unsigned char)body[i];
	snprintf(sum_text, sizeof(sum_text), "BODY %d %016llx", BIG, (unsigned long long)sum);
	expand(input, body, &in);
	expand(expected, sum_text, &out);
	check(buf_span(&in), in.len, 1, buf_text(&out));
	check(buf_span(&in), 1, 97, buf_text(&out));
	/* At every place near both ends, and at some in the middle. */
	for (size_t first = 1; first < in.len; first++) {
		check(buf_span(&in), first, in.len, buf_text(&out));
		if (first == 100 && in.len > 200)
			first = in.len - 100;
		else if (first == 50)
			check(buf_span(&in), in.len / 2, 1000, buf_text(&out));
	}
	buf_release(&in);
	buf_release(&out);
}

static void test_stream(void **state)
{
	(void)state;
	check_stream("* 1 FETCH (UID 5 BODY[] {20000}\r\n%)\r\n* 2 EXISTS\r\n",
		"FETCH 1 uid=5 [''] stream=20000\n%\nFETCH continued\nEXISTS 2\n");
	check_stream("* 1 FETCH (BODY[]<0> ~{20000+}\n% UID 5 FLAGS (\\Seen) )\nm1 OK\n",
		"FETCH 1 [''] stream=20000\n%\nFETCH continued uid=5 flags='\\Seen'\nTAGGED 1 OK "
		"''\n");
	check_stream("* 1 FETCH (RFC822.HEADER {3}\r\nabc RFC822.TEXT{20000}\r\n% RFC822 "
		     "{20000}\r\n%)\r\n",
		"FETCH 1 ['TEXT'] stream=20000\n%\nFETCH continued [''] stream=20000\n%\nFETCH "
		"continued\n");
	check_stream("* 1 fetch (uid 5 rfc822.header {020000}\r\n% rfc822.text {2}\r\nab)\r\n",
		"FETCH 1 uid=5 ['HEADER'] stream=20000\n%\nFETCH continued ['TEXT']='ab'\n");
	check_stream("* 1 FETCH (BODY[HEADER.FIELDS ({4}\r\nDATE)] {20000}\r\n%)\r\n",
		"FETCH 1 ['HEADER.FIELDS ({4}\\x0d\\x0aDATE)'] stream=20000\n%\nFETCH continued\n");
	check_stream("* 1 FETCH (BINARY[1.2] {20000}\r\n% BODYSTRUCTURE (\"TEXT\" {3}\r\na)b) UID "
		     "7)\r\n",
		"FETCH 1 ['1.2'] stream=20000\n%\nFETCH continued uid=7\n");
	/* The size was a lie. */
	check_stream("* 1 FETCH (BODY[] {20000}\r\n%rest of it\r\n)\r\n",
		"FETCH 1 [''] stream=20000\n%\nERROR server sent a message whose end is not where "
		"its size says\n");
	check_stream("* 1 FETCH (BODY[] {20000}\r\n%\r\n)\r\n",
		"FETCH 1 [''] stream=20000\n%\nERROR server sent a message whose end is not where "
		"its size says\n");
	check_stream("* 1 FETCH (BODY[] {20000}\r\n%UID 5)\r\n",
		"FETCH 1 [''] stream=20000\n%\nERROR server sent a message whose end is not where "
		"its size says\n");
	check_stream("* 1 FETCH (BODY[] {20000}\r\n% some UID 5)\r\n",
		"FETCH 1 [''] stream=20000\n%\nERROR server sent a message whose end is not where "
		"its size says\n");
	check_stream(
		"* 1 FETCH (BODY[] {40001}\r\n%%", "FETCH 1 [''] stream=40001\n(body cut short)\n");
	check_stream(
		"* 1 FETCH (BODY[] {20000}\r\n% UID 5", "FETCH 1 [''] stream=20000\n%\n(rest 6)\n");
	check_stream("* 1 FETCH (BODY[] {9223372036854775807}\r\n%",
		"FETCH 1 [''] stream=9223372036854775807\n(body cut short)\n");
	/* Looks like a section to the framing, and is none. */
	check_stream("* 1 FETCH (FLAGS (a] {20000}\r\n%))\r\n",
		"ERROR server sent a message whose end is not where its size says\n");
}

/* A line made of front, count times middle, and back. */
static void make_line(
	struct buf *out, const char *front, size_t count, const char *middle, const char *back)
{
	buf_init(out, OUT_MAX);
	assert_int_equal(buf_add(out, span_of(front)), 0);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(buf_add(out, span_of(middle)), 0);
	assert_int_equal(buf_add(out, span_of(back)), 0);
}

static void check_start(
	const char *front, size_t count, const char *middle, const char *back, const char *expected)
{
	struct buf in, out;

	make_line(&in, front, count, middle, back);
	buf_init(&out, OUT_MAX);
	play(buf_span(&in), 65536, 65536 * 16, &out);
	if (strncmp(buf_text(&out), expected, strlen(expected)) != 0)
		fail_msg("%s… gives %.200s", front, buf_text(&out));
	buf_release(&in);
	buf_release(&out);
}

static void test_inline_limit(void **state)
{
	(void)state;
	check_start("* 1 FETCH (BODY[] {16384}\r\n", 16384, "x", ")\r\n", "FETCH 1 ['']='xxx");
	check_start("* 1 FETCH (BODY[] {16385}\r\n", 16385, "x", ")\r\n",
		"FETCH 1 [''] stream=16385\nBODY 16385");
	check_start("* 1 FETCH (X {65536}\r\n", 65536, "(", " UID 3)\r\n", "FETCH 1 uid=3\n");
	check_start("* 1 FETCH (X {65537}\r\n", 65537, "(", " UID 3)\r\n",
		"ERROR server sent a string of 65537 octets");
	check_start("* LIST () \"/\" {65536}\r\n", 65536, "y", "\r\n", "LIST delimiter='/' 'yyy");
	check_start("* LIST () \"/\" {65537}\r\n", 65537, "y", "\r\n",
		"ERROR server sent a string of 65537 octets");
	check_start("* LIST () [] {20000}\r\n", 20000, "y", "\r\n", "LIST delimiter='[' 'yyy");
}

static void test_caps(void **state)
{
	(void)state;
	check_start("* OK ", IMAP_LINE_MAX - 7, "x", "\r\n", "UNTAGGED OK 'xxx");
	check_start("* OK ", IMAP_LINE_MAX - 6, "x", "\r\n",
		"ERROR server sent a response longer than");
	check_start("", IMAP_LINE_MAX + 1, "x", "", "ERROR server sent a response longer than");
	check_start("* ID (", 200, "{65536}\r\n", ")\r\n",
		"(rest"); /* waits for octets, which are not there */
	check_start("* 1 FETCH (X ", 64, "(",
		"))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))) UID 3)\r\n",
		"FETCH 1 uid=3\n");
	check_start("* 1 FETCH (X ", 65, "(",
		")))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))) UID 3)\r\n",
		"UNKNOWN");
	check_start("* 1 FETCH ", 300000, "(", "\r\n", "UNKNOWN");
	check_start("* 1 FETCH (X ", 300000, "(", "\r\n", "UNKNOWN");
	check_start("* FLAGS (", 200000, "a ", ")\r\n", "FLAGS ('a'");
	check_start("\x15\x03\x01", 1, "", "", "ERROR server sent something that is not IMAP");
	check_start("", 1, "\r\n", "", "UNKNOWN ''\n");
}

/* The arena holds a small multiple of the line, whatever is in it. */
static void test_memory(void **state)
{
	static const struct {
		const char *front, *middle, *back;
		size_t factor;
	} lines[] = {
		{ "* SEARCH ", "9 1 ", "\r\n", 12 },
		{ "* FLAGS (", "a ", ")\r\n", 3 },
		{ "* 1 FETCH (", "FLAGS (\"\") ", ")\r\n", 2 },
		{ "* 1 FETCH (", "X-GUID \"\\\\\" ", ")\r\n", 2 },
		{ "* LIST (", "\"\\\\\" ", ") \"/\" x\r\n", 3 },
		{ "* VANISHED ", "1,3,", "5\r\n", 12 },
		{ "m1 OK [COPYUID 1 ", "1,3,", "5 7] x\r\n", 12 },
		{ "* NAMESPACE ", "((\"a\" \"/\")) ", "NIL\r\n", 1 },
	};

	(void)state;
	for (size_t i = 0; i < countof(lines); i++) {
		struct buf in, out;

		make_line(&in, lines[i].front, 100000, lines[i].middle, lines[i].back);
		buf_init(&out, OUT_MAX);
		assert_in_range(imap_play(buf_span(&in),
					(struct imap_cut){ .first = in.len, .step = 1 }, &out),
			0, lines[i].factor * in.len);
		buf_release(&in);
		buf_release(&out);
	}
}

/* Numbers in the worst order are sorted once. */
static void test_unsorted_search(void **state)
{
	struct buf in, out;

	(void)state;
	buf_init(&in, OUT_MAX);
	buf_init(&out, OUT_MAX);
	assert_int_equal(buf_print(&in, "* SEARCH"), 0);
	for (uint32_t i = 400000; i > 0; i--)
		assert_int_equal(buf_print(&in, " %u", 1 + (i * 7919u) % 400009u * 2), 0);
	assert_int_equal(buf_print(&in, "\r\n"), 0);
	play(buf_span(&in), in.len, 1, &out);
	assert_int_equal(strncmp(buf_text(&out), "SEARCH 3,5,7,", 13), 0);
	buf_release(&in);
	buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_data),
		cmocka_unit_test(test_fetch),
		cmocka_unit_test(test_mutations),
		cmocka_unit_test(test_codes),
		cmocka_unit_test(test_stream),
		cmocka_unit_test(test_inline_limit),
		cmocka_unit_test(test_caps),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_unsorted_search),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
