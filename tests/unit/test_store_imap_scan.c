/* Scans of the IMAP back end against a server that plays a script: what was refused, is not what it seems, or moves meanwhile. */
#include "imap_store_fixture.h"

struct scanned {
	struct client client;
	struct box *box;
	struct snapshot rows;
	struct uidset unknown;
	int rc;
};

static void scan_with(struct scanned *scanned, const char *capabilities, const struct rule *rules,
	size_t count, const struct box_scan *scan)
{
	start(&scanned->client, capabilities, rules, count, "");
	scanned->unknown = (struct uidset){ 0 };
	snapshot_init(&scanned->rows, false);
	scanned->box =
		store_open_box(scanned->client.store, "INBOX", STORE_READ, &scanned->client.err);
	if (scanned->box == NULL)
		fail_msg("%s", scanned->client.err.text);
	scanned->rc = box_scan(scanned->box, scan, &scanned->rows, scanned->client.arena,
		&scanned->unknown, &scanned->client.err);
}

#define SCAN(scanned, rules) \
	scan_with(scanned, "IMAP4rev1", rules, countof(rules), &(struct box_scan){ 0 })

static void end_scan(struct scanned *scanned)
{
	snapshot_release(&scanned->rows);
	box_close(scanned->box);
	stop(&scanned->client);
}

static void test_scan(void **state)
{
	static const struct rule rules[] = {
		NAMES,
		{ "EXAMINE", SELECTED("3"), 0 },
		{ "UID FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE)",
			ROW("2", "20")
				ROW("1", "10") "* 1 FETCH (FLAGS (\\Deleted))\n"
					       "* 3 FETCH (UID 30 FLAGS ())\n* 3 FETCH (UID 30 "
					       "INTERNALDATE \"\" RFC822.SIZE 5)\n"
					       "* 2 FETCH (UID 20 FLAGS (\\Flagged))\n%T OK done",
			0 },
		{ "UID FETCH 30 (UID FLAGS INTERNALDATE RFC822.SIZE)",
			"* 3 FETCH (UID 30 RFC822.SIZE 430 FLAGS (x))\n%T OK done", 0 },
		{ "UID SEARCH", "* SEARCH 30\n%T OK done", 0 },
	};
	struct scanned scanned;

	(void)state;
	SCAN(&scanned, rules);
	assert_int_equal(scanned.rc, 0);
	assert_int_equal(box_facts(scanned.box)->uidvalidity, 77);
	assert_int_equal(box_facts(scanned.box)->uidnext, 100);
	assert_true(box_facts(scanned.box)->any_keyword);
	assert_int_equal(scanned.rows.count, 3);
	assert_true(scanned.rows.complete);
	assert_int_equal(scanned.unknown.count, 0);
	assert_int_equal(scanned.rows.uid[0], 10);
	assert_int_equal(scanned.rows.size[0], 410);
	assert_int_equal(scanned.rows.zone[0], -7 * 60);
	assert_int_not_equal(scanned.rows.flags[0],
		scanned.rows.flags[1]); /* 20 was flagged while it was listed */
	assert_int_equal(scanned.rows.size[2], 430); /* came in pieces: asked for once more */
	end_scan(&scanned);
}

static void test_scan_empty(void **state)
{
	static const struct rule rules[] = { NAMES, { "EXAMINE", SELECTED("0"), 0 } };
	struct scanned scanned;

	(void)state;
	SCAN(&scanned, rules);
	assert_int_equal(scanned.rc, 0);
	assert_true(scanned.rows.complete);
	assert_int_equal(scanned.rows.count, 0);
	end_scan(&scanned);
	assert_int_equal(seen("UID FETCH"), 0);
}

/* Courier looks at a mailbox again only for NOOP: what was appended since SELECT would not be seen. */
static void test_scan_again(void **state)
{
	static const struct rule rules[] = {
		NAMES,
		{ "EXAMINE", "* OK [MAILBOXID (a+b)] not one\n" SELECTED("0"), 0 },
		{ "NOOP", "* 1 EXISTS\n%T OK done", 0 },
		{ "UID FETCH 1:* ", ROW("1", "10") "%T OK done", 0 },
	};
	struct scanned scanned;
	struct box_scan all = { 0 };

	(void)state;
	SCAN(&scanned, rules);
	assert_int_equal(scanned.rows.count, 0);
	assert_int_equal(seen("NOOP"), 0);
	assert_int_equal(box_scan(scanned.box, &all, &scanned.rows, scanned.client.arena,
				 &scanned.unknown, &scanned.client.err),
		0);
	assert_true(scanned.rows.complete);
	assert_int_equal(scanned.rows.count, 1);
	assert_null(box_facts(scanned.box)->mailboxid);
	end_scan(&scanned);
}

static void test_scan_refused(void **state)
{
	static const struct rule rules[] = {
		NAMES,
		{ "EXAMINE", SELECTED("3"), 0 },
		{ "UID FETCH", "%T NO disk trouble", 0 },
		{ "UID SEARCH", "* SEARCH 1 2 3\n%T OK done", 0 },
	};
	struct scanned scanned;

	(void)state;
	SCAN(&scanned, rules);
	assert_int_equal(scanned.rc, -1);
	assert_false(scanned.rows.complete);
	assert_int_equal(scanned.client.err.scope, ERR_MAILBOX);
	assert_non_null(strstr(scanned.client.err.text, "disk trouble"));
	end_scan(&scanned);
}

/* One message stops the server; the others are known, and it is unknown, not gone. */
static void test_scan_refused_in_part(void **state)
{
	static const struct rule rules[] = {
		NAMES,
		{ "EXAMINE", SELECTED("4"), 0 },
		{ "UID FETCH 1:* ", ROW("1", "10") "%T NO message 20 is broken", 0 },
		{ "UID FETCH 20 ", "%T NO broken", 0 },
		{ "UID FETCH 30 ", ROW("3", "30") "%T OK done", 0 },
		{ "UID FETCH 40 ", "%T OK done", 0 },
		{ "UID FETCH 20,", "%T NO broken", 0 },
		{ "UID FETCH 30,", ROW("3", "30") "%T OK done", 0 },
		{ "UID SEARCH UID 1:*", "* SEARCH 10 20 30 40\n%T OK done", 0 },
		{ "UID SEARCH UID 40", "* SEARCH\n%T OK done", 0 },
		{ "UID SEARCH UID 20", "* SEARCH 20\n%T OK done", 0 },
	};
	struct scanned scanned;

	(void)state;
	SCAN(&scanned, rules);
	assert_int_equal(scanned.rc, 0);
	assert_false(scanned.rows.complete);
	assert_int_equal(scanned.rows.count, 2);
	assert_int_equal(uidset_size(&scanned.unknown), 1);
	assert_true(uidset_has(&scanned.unknown, 20));
	end_scan(&scanned);
}

static void test_scan_left_out(void **state)
{
	static const struct rule rules[] = {
		NAMES,
		{ "EXAMINE", SELECTED("3"), 0 },
		{ "UID FETCH 1:* ", ROW("1", "10") ROW("3", "30") "%T OK done", 0 },
		{ "UID FETCH 20 ", ROW("2", "20") "%T OK done", 0 },
		{ "UID SEARCH RETURN (ALL) UID 1:*",
			"* ESEARCH (TAG \"%T\") UID ALL 10,20,30\n%T OK done", 0 },
	};
	struct scanned scanned;

	(void)state;
	scan_with(&scanned, "IMAP4rev1 ESEARCH", rules, countof(rules), &(struct box_scan){ 0 });
	assert_int_equal(scanned.rc, 0);
	assert_true(scanned.rows.complete);
	assert_int_equal(scanned.rows.count, 3);
	assert_int_equal(scanned.rows.size[1], 420);
	end_scan(&scanned);
}

/* Gone meanwhile: left out. A search that contradicts the count is no reason to drop anything. */
static void test_scan_moving(void **state)
{
	static const struct rule rules[] = {
		NAMES,
		{ "EXAMINE", SELECTED("3"), 0 },
		{ "UID FETCH 1:* ",
			ROW("1", "10") ROW("2", "20") "* 1 EXPUNGE\n" ROW("2", "30") "%T OK done",
			0 },
		{ "UID SEARCH UID 1:*", "* SEARCH 20 30\n%T OK done", 0 },
	};
	static const struct rule even[] = {
		NAMES,
		{ "EXAMINE", SELECTED("3"), 0 },
		{ "UID FETCH 1:* ",
			ROW("1", "10") ROW("2", "20")
				ROW("3", "30") "* 1 EXPUNGE\n* 3 EXISTS\n%T OK done",
			0 },
		{ "UID SEARCH UID 1:*", "* SEARCH 20 30 40\n%T OK done", 0 },
		{ "UID FETCH 40 ", ROW("3", "40") "%T OK done", 0 },
	};
	static const struct rule lying[] = {
		NAMES,
		{ "EXAMINE", SELECTED("3"), 0 },
		{ "UID FETCH 1:* ", ROW("1", "10") ROW("2", "20") "%T OK done", 0 },
		{ "UID SEARCH", "* SEARCH\n%T OK done", 0 },
	};
	struct scanned scanned;

	(void)state;
	SCAN(&scanned, rules);
	assert_int_equal(scanned.rc, 0);
	assert_true(scanned.rows.complete);
	assert_int_equal(scanned.rows.count, 2);
	assert_int_equal(scanned.rows.uid[0], 20);
	end_scan(&scanned);

	/* One went and one came: the count is the same, the messages are not. */
	SCAN(&scanned, even);
	assert_int_equal(scanned.rc, 0);
	assert_true(scanned.rows.complete);
	assert_int_equal(scanned.rows.count, 3);
	assert_int_equal(scanned.rows.uid[0], 20);
	assert_int_equal(scanned.rows.uid[2], 40);
	end_scan(&scanned);

	SCAN(&scanned, lying);
	assert_int_equal(scanned.rc, 0);
	assert_false(scanned.rows.complete);
	assert_int_equal(scanned.rows.count, 2);
	assert_int_equal(scanned.unknown.count, 0);
	end_scan(&scanned);
}

/* More found than there is: not asked for, and not believed. */
static void test_scan_too_much(void **state)
{
	static const struct rule rules[] = {
		NAMES,
		{ "EXAMINE", SELECTED("3"), 0 },
		{ "UID FETCH 1:* ", ROW("1", "10") ROW("2", "20") "%T OK done", 0 },
		{ "UID SEARCH", "* ESEARCH (TAG \"%T\") UID ALL 1:4294967295\n%T OK done", 0 },
	};
	struct scanned scanned;

	(void)state;
	scan_with(&scanned, "IMAP4rev1 ESEARCH", rules, countof(rules), &(struct box_scan){ 0 });
	assert_int_equal(scanned.rc, 0);
	assert_false(scanned.rows.complete);
	assert_int_equal(scanned.rows.count, 2);
	end_scan(&scanned);
	assert_int_equal(seen("UID FETCH"), 1);
}

/* Only some are wanted, and the set has an open end; '*' brings one that is not. */
static void test_scan_some(void **state)
{
	static const struct rule rules[] = {
		NAMES,
		{ "EXAMINE", SELECTED("3"), 0 },
		{ "UID FETCH 15:25,40:4294967295 ", ROW("2", "20") ROW("3", "30") "%T OK done", 0 },
		{ "UID SEARCH UID 15:25,40:4294967295", "* SEARCH 20 30\n%T OK done", 0 },
	};
	struct uid_range ranges[] = { { 15, 25 }, { 40, UINT32_MAX } };
	struct uidset some = { ranges, 2, 2 };
	struct scanned scanned;

	(void)state;
	scan_with(
		&scanned, "IMAP4rev1", rules, countof(rules), &(struct box_scan){ .uids = &some });
	assert_int_equal(scanned.rc, 0);
	assert_true(scanned.rows.complete);
	assert_int_equal(scanned.rows.count, 1);
	assert_int_equal(scanned.rows.uid[0], 20);
	end_scan(&scanned);
}

/* A pause that the server asks for is no reason to ask for each message. */
static void test_scan_busy(void **state)
{
	static const struct rule rules[] = {
		NAMES,
		{ "EXAMINE", SELECTED("3"), 0 },
		{ "UID FETCH 1:* ", ROW("1", "10") "%T NO [THROTTLED] slow down", 0 },
	};
	struct scanned scanned;

	(void)state;
	SCAN(&scanned, rules);
	assert_int_equal(scanned.rc, -1);
	assert_int_equal(scanned.client.err.kind, ERR_KIND_BUSY);
	end_scan(&scanned);
	assert_int_equal(seen("UID SEARCH"), 0);
}

/* The server counts messages and shows none: an error, not an empty mailbox. */
static void test_scan_shows_nothing(void **state)
{
	static const struct rule rules[] = {
		NAMES,
		{ "EXAMINE", SELECTED("3"), 0 },
		{ "UID SEARCH", "* SEARCH\n%T OK done", 0 },
	};
	struct scanned scanned;

	(void)state;
	SCAN(&scanned, rules);
	assert_int_equal(scanned.rc, -1);
	assert_int_equal(scanned.client.err.scope, ERR_MAILBOX);
	end_scan(&scanned);
}

static void test_scan_since(void **state)
{
	static const struct rule rules[] = {
		NAMES,
		{ "EXAMINE",
			"* 3 EXISTS\n* OK [UIDVALIDITY 77] v\n* OK [HIGHESTMODSEQ 50] h\n%T OK "
			"done",
			0 },
		{ "UID FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE) (CHANGEDSINCE 40)",
			"* 2 FETCH (UID 20 FLAGS (\\Seen) INTERNALDATE \"17-Jul-1996 02:44:25 "
			"-0700\" RFC822.SIZE 420 MODSEQ (45))\n"
			"%T OK done",
			0 },
	};
	struct scanned scanned;

	(void)state;
	scan_with(&scanned, "IMAP4rev1 CONDSTORE", rules, countof(rules),
		&(struct box_scan){ .since = 40 });
	assert_int_equal(scanned.rc, 0);
	assert_true(scanned.rows.complete);
	assert_int_equal(scanned.rows.count, 1);
	assert_int_equal(scanned.rows.modseq, 50);
	end_scan(&scanned);
	assert_int_equal(seen("UID SEARCH"), 0);
}

#define HEADER "BODY[HEADER.FIELDS (DATE FROM TO CC SUBJECT MESSAGE-ID IN-REPLY-TO REFERENCES)]"

static void note_header(void *context, uint32_t uid, struct span header)
{
	assert_true(uid == 10 ? span_equal(header, SPAN("Message-ID: <1@a.b>\r\n\r\n"))
			      : span_equal(header, SPAN("Subject: other\r\n\r\n")));
	*(uint32_t *)context += uid;
}

static void test_scan_digests(void **state)
{
	static const struct rule rules[] = {
		NAMES,
		{ "EXAMINE", SELECTED("3"), 0 },
		{ "UID FETCH 1:* ", ROW("1", "10") ROW("2", "20") ROW("3", "30") "%T OK done", 0 },
		{ "UID FETCH 10,20,30 (UID BODY.PEEK[HEADER.FIELDS (DATE FROM TO CC SUBJECT "
		  "MESSAGE-ID IN-REPLY-TO REFERENCES)])",
			"* 1 FETCH (UID 10 " HEADER
			" {23}\nMessage-ID: <1@a.b>\n\n)\n* 2 FETCH (UID 20 " HEADER
			" {18}\nSubject: other\n\n)\n%T OK done",
			0 },
		{ "UID FETCH 30 ", "%T NO [SERVERBUG] cannot read it", 0 },
		{ "UID SEARCH UID 30", "* SEARCH 30\n%T OK done", 0 },
	};
	uint32_t headers = 0;
	struct scanned scanned;

	(void)state;
	scan_with(&scanned, "IMAP4rev1", rules, countof(rules),
		&(struct box_scan){
			.digests = true, .header = note_header, .header_context = &headers });
	assert_int_equal(scanned.rc, 0);
	assert_int_equal(headers, 30);
	assert_false(scanned.rows.complete);
	assert_int_equal(scanned.rows.count, 2);
	assert_true(uidset_has(&scanned.unknown, 30));
	assert_int_equal(scanned.rows.attr[0], SNAPSHOT_HAS_DIGEST | SNAPSHOT_HAS_MESSAGE_ID);
	assert_int_equal(scanned.rows.attr[1], SNAPSHOT_HAS_DIGEST);
	assert_true(digest128_known(scanned.rows.digest[0]));
	assert_false(digest128_equal(scanned.rows.digest[0], scanned.rows.digest[1]));
	end_scan(&scanned);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scan),
		cmocka_unit_test(test_scan_empty),
		cmocka_unit_test(test_scan_again),
		cmocka_unit_test(test_scan_refused),
		cmocka_unit_test(test_scan_refused_in_part),
		cmocka_unit_test(test_scan_left_out),
		cmocka_unit_test(test_scan_moving),
		cmocka_unit_test(test_scan_too_much),
		cmocka_unit_test(test_scan_some),
		cmocka_unit_test(test_scan_busy),
		cmocka_unit_test(test_scan_shows_nothing),
		cmocka_unit_test(test_scan_since),
		cmocka_unit_test(test_scan_digests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
