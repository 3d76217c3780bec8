/* Expressions against messages in memory: what they say, and how much of a message it takes to say it. */
#include "store/file_search.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/must.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define NOW INT64_C(1700000000)

static const char message[] = "Return-Path: <a@b>\r\n"
			      "Date: Mon, 5 Feb 2024 23:30:00 -0800\r\n"
			      "From: =?iso-8859-1?q?J=FCrgen?= Meyer <jm@example.org>\r\n"
			      "To: \"Anna, B.\" <anna@example.net>,\r\n\tother@example.net\r\n"
			      "Subject: =?utf-8?b?R3LDvMOfZQ==?= from\r\n  afar\r\n"
			      "X-Empty:\r\n"
			      "MIME-Version: 1.0\r\n"
			      "Content-Type: multipart/mixed; boundary=b\r\n"
			      "\r\n"
			      "preamble\r\n"
			      "--b\r\n"
			      "Content-Type: text/plain; charset=iso-8859-1\r\n"
			      "Content-Transfer-Encoding: quoted-printable\r\n"
			      "X-Part: of the part\r\n"
			      "\r\n"
			      "See you in M=FCn=\r\nchen\r\n"
			      "--b\r\n"
			      "Content-Type: text/html; charset=utf-8\r\n"
			      "Content-Transfer-Encoding: base64\r\n"
			      "\r\n"
			      "PGI+aGlkZGVu\r\nIHRyZWFzdXJlPC9iPg==\r\n"
			      "--b\r\n"
			      "Content-Type: application/octet-stream\r\n"
			      "\r\n"
			      "attached octets\r\n"
			      "--b--\r\n"
			      "epilogue\r\n";

struct fixture {
	struct flag_table *table;
	struct file_search_facts facts;
};

static void start(struct fixture *f)
{
	f->table = flag_table_new();
	f->facts = (struct file_search_facts){
		.uid = 7,
		.last_uid = 9,
		.number = 2,
		.last_number = 3,
		.table = f->table,
		.flags = flags_parse(f->table, SPAN("\\Seen $Work")),
		.date = { 1706745600, 60 }, /* 1-Feb-2024 00:00 UTC, an hour later there */
		.size = sizeof(message) - 1,
	};
}

/* The verdict; *octets_out: how many octets it took. */
static bool ask(const struct fixture *f, const char *expression, struct span text, size_t piece,
	size_t *octets_out)
{
	struct err err = ERR_INIT;
	struct file_search *search = file_search_new(expression, NOW, &err);
	enum file_search_state state;
	size_t at = 0;

	if (search == NULL)
		fail_msg("%s: %s", expression, err.text);
	/* Twice, for it has to forget the first. */
	for (unsigned turn = 0; turn < 2; turn++) {
		state = file_search_begin(search, &f->facts);
		for (at = 0; state >= FILE_SEARCH_HEADER && at < text.len; at += piece)
			state = file_search_add(search, span_sub(text, at, piece));
		if (state >= FILE_SEARCH_HEADER)
			state = file_search_end(search, text.len);
		assert_true(state < FILE_SEARCH_HEADER);
	}
	file_search_free(search);
	*octets_out = at;
	return state == FILE_SEARCH_YES;
}

enum reading { NOTHING, HEADER, ANY };

static const struct {
	const char *expression;
	bool matches;
	enum reading reading;
} samples[] = {
	{ "ALL", true, NOTHING },
	{ "SEEN", true, NOTHING },
	{ "unseen", false, NOTHING },
	{ "KEYWORD $work", true, NOTHING },
	{ "UNKEYWORD $Other", true, NOTHING },
	{ "ANSWERED", false, NOTHING },
	{ "UNANSWERED UNDELETED UNDRAFT UNFLAGGED OLD", true, NOTHING },
	{ "NEW", false, NOTHING },
	{ "RECENT", false, NOTHING },
	{ "2", true, NOTHING },
	{ "1,3", false, NOTHING },
	{ "3:*", false, NOTHING },
	{ "*", false, NOTHING },
	{ "UID 5:8", true, NOTHING },
	{ "UID 8:*", false, NOTHING },
	{ "UID 1,9", false, NOTHING },
	{ "LARGER 100", true, NOTHING },
	{ "SMALLER 100", false, NOTHING },
	{ "LARGER 99999999999", false, NOTHING },
	{ "ON 1-Feb-2024", true, NOTHING },
	{ "SINCE \"1-feb-2024\"", true, NOTHING },
	{ "BEFORE 1-Feb-2024", false, NOTHING },
	{ "SINCE 2-Feb-2024", false, NOTHING },
	{ "OLDER 10", false, NOTHING },
	{ "YOUNGER 10", true, NOTHING },
	{ "SENTON 5-Feb-2024", true, HEADER }, /* the day as written */
	{ "SENTSINCE 6-Feb-2024", false, HEADER },
	{ "SENTBEFORE 6-Feb-2024", true, HEADER },
	{ "FROM J\xc3\xbcRGEN", true, HEADER },
	{ "FROM jurgen", false, HEADER },
	{ "FROM \"Ju\xcc\x88rgen meyer <JM@\"", true, HEADER },
	{ "TO \"anna, b.\"", true, HEADER },
	{ "TO \"net>, other\"", true, HEADER },
	{ "CC anna", false, HEADER },
	{ "BCC \"\"", false, HEADER },
	{ "SUBJECT \"gr\xc3\xbc\xc3\x9f"
	  "e FROM afar\"",
		true, HEADER },
	{ "SUBJECT =?utf-8", false, HEADER },
	{ "HEADER X-Empty \"\"", true, HEADER },
	{ "HEADER X-Empty x", false, HEADER },
	{ "HEADER x-none \"\"", false, HEADER },
	{ "HEADER Return-Path <A@b>", true, HEADER },
	{ "HEADER X-Part part", false, HEADER },
	{ "BODY m\xc3\xbcnchen", true, ANY },
	{ "BODY \"<b>hidden treasure</B>\"", true, ANY },
	{ "BODY \"attached octets\"", false, ANY },
	{ "BODY preamble", false, ANY },
	{ "BODY X-Part", false, ANY },
	{ "BODY \"\"", true, NOTHING },
	{ "TEXT \"x-part: of the PART\"", true, ANY },
	{ "TEXT \"subject: gr\xc3\xbc\"", true, HEADER },
	{ "TEXT nowhere", false, ANY },
	{ "TEXT PGI", false, ANY },
	/* what decides first */
	{ "UNSEEN BODY hidden", false, NOTHING },
	{ "OR SEEN BODY hidden", true, NOTHING },
	{ "NOT (OR SEEN BODY nowhere)", false, NOTHING },
	{ "BODY hidden SUBJECT nothing", false, HEADER },
	{ "OR (FROM meyer SEEN) BODY nowhere", true, HEADER },
	{ "NOT NOT NOT BODY nowhere", true, ANY },
	{ "OR OR UNSEEN DELETED (FLAGGED)", false, NOTHING },
	{ "CHARSET utf-8 SEEN", true, NOTHING },
	{ " SEEN  ( UID 7 )  ", true, NOTHING },
	{ "(SEEN)(UID 7)", true, NOTHING },
	{ "SEEN NOT BODY hidden", false, ANY },
};

static void test_samples(void **state)
{
	const struct span text = span_of(message);
	const size_t header = (size_t)(strstr(message, "\r\n\r\n") - message) + 4;
	struct fixture f;
	size_t octets;

	(void)state;
	start(&f);
	for (size_t i = 0; i < countof(samples); i++) {
		for (size_t piece = 1; piece < 3000; piece = piece * 3 + 1) {
			if (ask(&f, samples[i].expression, text, piece, &octets) !=
				samples[i].matches)
				fail_msg("%s, by %zu", samples[i].expression, piece);
			if (octets > (samples[i].reading == NOTHING         ? 0
					     : samples[i].reading == HEADER ? header + piece
									    : SIZE_MAX))
				fail_msg("%s: %zu octets were read", samples[i].expression, octets);
		}
	}
	flag_table_free(f.table);
}

static void test_rough_facts(void **state)
{
	struct fixture f;
	size_t octets;

	(void)state;
	start(&f);
	f.facts.size = 100; /* up to 200 */
	f.facts.size_rough = true;
	assert_true(ask(&f, "LARGER 99", SPAN("x"), 1, &octets));
	assert_int_equal(octets, 0);
	assert_false(ask(&f, "LARGER 200", SPAN("x"), 1, &octets));
	assert_int_equal(octets, 0);
	assert_true(ask(&f, "SMALLER 2", SPAN("x"), 1, &octets) == false && octets == 0);
	assert_true(ask(&f, "LARGER 150", span_of(message), 64, &octets));
	assert_true(octets >= sizeof(message) - 1);
	f.facts.size = UINT32_MAX;
	assert_true(ask(&f, "SMALLER 2", SPAN("x"), 1, &octets));
	assert_int_equal(octets, 1);
	/* no date but that of the header */
	f.facts.date_in_header = true;
	assert_true(ask(&f, "ON 5-Feb-2024", span_of(message), 64, &octets));
	assert_true(octets > 0 && octets < 1000);
	assert_false(ask(&f, "ON 5-Feb-2024", SPAN("Subject: x\n\n"), 64, &octets));
	assert_false(ask(&f, "SENTBEFORE 1-Jan-2100", SPAN("Date: never\n\nx"), 64, &octets));
	f.facts.date_in_header = false;
	assert_true(ask(&f, "SENTON 1-Feb-2024", SPAN("Date: never\n\nx"), 64, &octets));
	f.facts.date.instant = DATE_UNKNOWN;
	assert_false(ask(&f, "SINCE 1-Jan-1970", SPAN("x"), 64, &octets));
	assert_false(ask(&f, "BEFORE 1-Jan-2100", SPAN("x"), 64, &octets));
	assert_false(ask(&f, "SENTBEFORE 1-Jan-2100", SPAN("Date: never\n\nx"), 64, &octets));
	flag_table_free(f.table);
}

/* A needle across every border that pieces of text can have, and none across two parts. */
static void test_borders(void **state)
{
	struct fixture f;
	struct buf text;
	size_t octets;

	(void)state;
	start(&f);
	buf_init(&text, 1 << 20);
	for (size_t pad = 32700; pad < 32800; pad += 7) {
		buf_clear(&text);
		assert_int_equal(buf_add_char(&text, '\n'), 0);
		for (size_t i = 0; i < pad; i++)
			assert_int_equal(buf_add_char(&text, 'x'), 0);
		assert_int_equal(buf_add(&text, SPAN("Gr\xc3\xbcne needle")), 0);
		for (size_t i = 0; i < 40000; i++)
			assert_int_equal(buf_add_char(&text, 'y'), 0);
		assert_true(
			ask(&f, "BODY \"xgr\xc3\xbcNE needley\"", buf_span(&text), 5000, &octets));
		assert_true(octets < text.len);
	}
	buf_release(&text);
	assert_false(ask(&f, "BODY ab",
		SPAN("Content-Type: multipart/mixed; boundary=z\n\n--z\n\na--z\n\nb"), 9, &octets));
	assert_false(ask(&f, "BODY \"a\nb\"",
		SPAN("Content-Type: multipart/mixed; boundary=z\n\n--z\n\na\n--z\n\nb"), 9,
		&octets));
	flag_table_free(f.table);
}

static void test_refused(void **state)
{
	static const char *const wrong[] = { "", "  ", "FROM", "FROM )", "OR SEEN", "NOT", "(SEEN",
		"SEEN)", "()", "FROM \"a", "FROM \"a\\", "BODY {3}", "SINCE yesterday", "SINCE 30d",
		"ON 31-Foo-2024", "LARGER x", "LARGER -1", "LARGER 5M", "UID a", "UID 0", "0",
		"1:", "FUZZY SUBJECT x", "MODSEQ 5", "$", "HEADER a", "CHARSET koi8-r SEEN",
		"CHARSET", "FROM \"a\"SEEN", "RETURN (ALL) SEEN", "\"SEEN\"", "KEYWORD" };
	struct err err;
	char deep[400];

	(void)state;
	for (size_t i = 0; i < countof(wrong); i++) {
		err = ERR_INIT;
		if (file_search_new(wrong[i], NOW, &err) != NULL)
			fail_msg("%s", wrong[i]);
		assert_int_equal(err.scope, ERR_ACCOUNT);
		assert_int_equal(err.kind, ERR_KIND_USAGE);
	}
	for (size_t i = 0; i < 99; i++)
		memcpy(deep + i * 4, "NOT ", 5);
	memcpy(deep + 99 * 4 - 4, "SEEN", 5);
	struct file_search *search = file_search_new(deep, NOW, &err);

	assert_non_null(search);
	file_search_free(search);
	memset(deep, '(', sizeof(deep));
	deep[sizeof(deep) - 1] = '\0';
	assert_null(file_search_new(deep, NOW, &err));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_samples),
		cmocka_unit_test(test_rough_facts),
		cmocka_unit_test(test_borders),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
