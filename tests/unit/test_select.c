/* Selection: patterns over mailboxes, conditions over rows, the SEARCH expression and what it refuses. */
#include "ops/select.h"

#include "base/arena.h"
#include "base/must.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define LIST(...)                                                                \
	{                                                                        \
		(const char *[]){ __VA_ARGS__ },                                 \
			sizeof((const char *[]){ __VA_ARGS__ }) / sizeof(char *) \
	}

static struct settings defaults(void)
{
	return (struct settings){ .since = DATE_UNKNOWN,
		.before = DATE_UNKNOWN,
		.sent_since = DATE_UNKNOWN,
		.sent_before = DATE_UNKNOWN };
}

static struct select *make(const struct settings *settings)
{
	struct err err = ERR_INIT;
	struct select *select = select_new(settings, &err);

	if (select == NULL)
		fail_msg("%s", err.text);
	return select;
}

static void refuse(const struct settings *settings, const char *expected)
{
	struct err err = ERR_INIT;

	assert_null(select_new(settings, &err));
	assert_int_equal(err.scope, ERR_LOCAL);
	assert_int_equal(err.kind, ERR_KIND_USAGE);
	if (strstr(err.text, expected) == NULL)
		fail_msg("\"%s\" not in \"%s\"", expected, err.text);
}

static void check_mailbox(const struct settings *settings, const char *name, bool expected)
{
	struct select *select = make(settings);
	struct mailbox_info mailbox = { .name = name, .raw = name };

	if (select_mailbox(select, &mailbox, false) != expected)
		fail_msg("%s: expected %d", name, expected);
	select_free(select);
}

static void test_mailboxes(void **state)
{
	struct settings s = defaults();

	(void)state;
	check_mailbox(&s, "INBOX", true);
	check_mailbox(&s, "anything/at all", true);

	s.mailboxes = (struct text_list)LIST("Work/**", "INBOX");
	check_mailbox(&s, "INBOX", true);
	check_mailbox(&s, "Work", true);
	check_mailbox(&s, "Work/2024/May", true);
	check_mailbox(&s, "Workshop", false);
	check_mailbox(&s, "work", false);

	s.include_regex = (struct text_list)LIST("^Lists/[a-m]");
	check_mailbox(&s, "Lists/apple", true);
	check_mailbox(&s, "Lists/pear", false);
	check_mailbox(&s, "Work", true); /* the union */

	s.exclude = (struct text_list)LIST("Work/*/May");
	s.exclude_regex = (struct text_list)LIST("apple$");
	check_mailbox(&s, "Work/2024/May", false);
	check_mailbox(&s, "Work/2024", true);
	check_mailbox(&s, "Lists/apple", false);

	s = defaults();
	s.exclude = (struct text_list)LIST("Trash");
	check_mailbox(&s, "Trash", false);
	check_mailbox(&s, "Trash/x", true);
	check_mailbox(&s, "INBOX", true);

	s = defaults();
	s.mailboxes = (struct text_list)LIST("inbox");
	check_mailbox(&s, "INBOX", true);
	check_mailbox(&s, "INBOX/x", false);
	s.exclude = (struct text_list)LIST("Inbox");
	check_mailbox(&s, "INBOX", false);
}

/* Gmail's brackets are no set of letters, and a name that is written out matches itself. */
static void test_brackets(void **state)
{
	struct settings s = defaults();

	(void)state;
	s.mailboxes = (struct text_list)LIST("[Gmail]/**");
	check_mailbox(&s, "[Gmail]/Sent Mail", true);
	check_mailbox(&s, "G/Sent Mail", false);
	s.mailboxes = (struct text_list)LIST("[Google Mail]/Sent*");
	check_mailbox(&s, "[Google Mail]/Sent Mail", true);
	s.mailboxes = (struct text_list)LIST("a[bc]d");
	check_mailbox(&s, "abd", true);
	check_mailbox(&s, "a[bc]d", true);
	s.mailboxes = (struct text_list)LIST("[open");
	check_mailbox(&s, "[open", true);
}

static void test_rank(void **state)
{
	struct settings s = defaults();
	struct select *select;

	(void)state;
	s.mailboxes = (struct text_list)LIST("Work/**", "[Gmail]/*", "inbox", "*");
	s.include_regex = (struct text_list)LIST("^Deep/");
	select = make(&s);
	assert_int_equal(select_rank(select, "Work/2024/a"), 0);
	assert_int_equal(select_rank(select, "[Gmail]/Drafts"), 1);
	assert_int_equal(select_rank(select, "INBOX"), 2);
	assert_int_equal(select_rank(select, "Other"), 3);
	assert_int_equal(select_rank(select, "Deep/Other"), 4);
	select_free(select);
}

/* What can only mean one mailbox has to be there. */
static void test_missing(void **state)
{
	struct mailbox_info infos[] = { { .name = "INBOX" }, { .name = "Work" },
		{ .name = "Top", .noselect = true }, { .name = "Top/A" }, { .name = "a[b" } };
	const struct mailbox_list list = { .mailbox = infos, .count = countof(infos) };
	const char *const expected[] = { "Wrok", "[Gmail]/x", "INBOX,Work", "Top", "work" };
	const char *const roots[] = { NULL, "inbox", "Top", "Top/A" };
	struct settings s = defaults();
	struct select *select;
	size_t at = 0;

	(void)state;
	s.mailboxes = (struct text_list)LIST("inbox", "Wrok", "Work", "W?x", "[Gmail]/x", "Z*",
		"INBOX,Work", "Top", "a[b", "work", "Top/**");
	select = make(&s);
	for (size_t i = 0; i < countof(expected); i++)
		assert_string_equal(select_missing(select, &list, NULL, &at), expected[i]);
	assert_null(select_missing(select, &list, NULL, &at));
	assert_null(select_missing(select, &list, NULL, &at));
	s.mailboxes_optional = true;
	at = 0;
	assert_null(select_missing(select, &list, "Nowhere", &at));
	select_free(select);

	s = defaults();
	select = make(&s);
	for (size_t i = 0; i < countof(roots); i++) {
		at = 0;
		assert_null(select_missing(select, &list, roots[i], &at));
	}
	at = 0;
	assert_string_equal(select_missing(select, &list, "To", &at), "To");
	assert_null(select_missing(select, &list, "To", &at));
	select_free(select);
	assert_non_null(strstr(select_missing_text("Top", &list), "/**"));
	assert_non_null(strstr(select_missing_text("a,b", &list), "an -m each"));
	assert_string_equal(select_missing_text("Wrok", &list), "there is no such mailbox");
}

static void test_subscribed_and_gmail(void **state)
{
	struct settings s = defaults();
	struct mailbox_info all = { .name = "[Gmail]/All Mail", .use = STORE_USE_ALL };
	struct mailbox_info plain = { .name = "Work", .subscribed = true };
	struct select *select;

	(void)state;
	select = make(&s);
	assert_true(select_mailbox(select, &all, false));
	assert_false(select_mailbox(select, &all, true));
	assert_true(select_mailbox(select, &plain, true));
	select_free(select);

	s.all_mail = true;
	select = make(&s);
	assert_true(select_mailbox(select, &all, true));
	select_free(select);

	s = defaults();
	s.mailboxes = (struct text_list)LIST("[Gmail]/All Mail"); /* who names it wants it */
	select = make(&s);
	assert_true(select_mailbox(select, &all, true));
	select_free(select);
	s.mailboxes = (struct text_list)LIST("[Gmail]/**"); /* who means it all does not */
	select = make(&s);
	assert_false(select_mailbox(select, &all, true));
	select_free(select);

	s = defaults();
	s.subscribed = true;
	select = make(&s);
	assert_true(select_mailbox(select, &plain, false));
	assert_false(select_mailbox(select, &all, false));
	select_free(select);
}

static void test_refusals(void **state)
{
	struct settings s = defaults();
	const char *const searches[][2] = { { "", "empty" }, { "  ", "empty" },
		{ "FROM x\r\nA1 LOGOUT", "control" }, { "FROM \"x\r\ny\"", "control" },
		{ "FROM \x7f", "control" }, { "SUBJECT \"open", "quote" },
		{ "SUBJECT \"open\\\"", "quote" }, { "SUBJECT \"x\\", "quote" },
		{ "(SEEN", "not closed" }, { "SEEN)", "not opened" },
		{ "SEEN) OR (ALL", "not opened" }, { "((SEEN)", "not closed" },
		{ "SUBJECT {5}", "literal" }, { "SUBJECT {5+}", "literal" },
		{ "SUBJECT \xff", "UTF-8" } };

	(void)state;
	for (size_t i = 0; i < countof(searches); i++) {
		s.search = searches[i][0];
		refuse(&s, searches[i][1]);
	}
	s = defaults();
	s.mailboxes = (struct text_list)LIST("");
	refuse(&s, "--mailbox");
	s.mailboxes = (struct text_list)LIST("a\xff");
	refuse(&s, "UTF-8");
	s = defaults();
	s.exclude = (struct text_list)LIST("ok", "");
	refuse(&s, "--exclude");
	s = defaults();
	s.include_regex = (struct text_list)LIST("(");
	refuse(&s, "--include-regex");
	s = defaults();
	s.exclude_regex = (struct text_list)LIST("fine", "[");
	refuse(&s, "--exclude-regex");
	s = defaults();
	s.uid_set = "1:x";
	refuse(&s, "--uid");
	s = defaults();
	s.with_flags = (struct text_list)LIST("\\Seen \\Flagged");
	refuse(&s, "--flag");
	s.with_flags = (struct text_list)LIST("a)b");
	refuse(&s, "--flag");
	s = defaults();
	s.without_flags = (struct text_list)LIST("");
	refuse(&s, "--no-flag");
	s = defaults();
	s.seen = s.unseen = true;
	refuse(&s, "--unseen");
	select_free(NULL);
}

static void check_search(const struct settings *settings, const char *expected)
{
	struct select *select = make(settings);

	if (expected == NULL)
		assert_null(select_search(select));
	else
		assert_string_equal(select_search(select), expected);
	select_free(select);
}

static void test_search(void **state)
{
	struct settings s = defaults();

	(void)state;
	check_search(&s, NULL);
	s.search = " UNSEEN FROM x ";
	check_search(&s, "UNSEEN FROM x");
	s.search = "OR (FROM \"a)(b\") (SUBJECT \"{5}\\\"\\\\\")";
	check_search(&s, s.search);
	s.search = "SUBJECT \xc3\xa9t\xc3\xa9";
	check_search(&s, s.search);
	s.search = NULL;
	memcpy(s.sent_since_day, "1-Feb-2024", 11);
	check_search(&s, "SENTSINCE 1-Feb-2024");
	s.search = "UNSEEN FROM x";
	check_search(&s, "SENTSINCE 1-Feb-2024 (UNSEEN FROM x)");
	memcpy(s.sent_before_day, "2-Mar-2024", 11);
	check_search(&s, "SENTSINCE 1-Feb-2024 SENTBEFORE 2-Mar-2024 (UNSEEN FROM x)");
	s.sent_since_day[0] = '\0';
	s.search = NULL;
	check_search(&s, "SENTBEFORE 2-Mar-2024");
}

struct row {
	uint32_t uid, size;
	const char *date; /* INTERNALDATE or NULL */
	const char *flags;
	const char *expected; /* reason */
};

/* answers: what is found, listed and unknown, as sets; NULL = nothing. */
static void check_answers(const struct settings *settings, const char *const answers[3],
	const struct row *rows, size_t count)
{
	struct flag_table *flags = flag_table_new();
	struct arena *arena = arena_new();
	struct select *select = make(settings);
	struct snapshot snapshot;
	struct select_answer answer = { 0 };
	struct uidset *const sets[] = { &answer.found, &answer.listed, &answer.unknown };
	uint8_t reason[64];

	snapshot_init(&snapshot, false);
	for (size_t i = 0; i < count; i++) {
		size_t row = snapshot_add(&snapshot, rows[i].uid);
		struct date date = { DATE_UNKNOWN, 0 };

		if (rows[i].date != NULL)
			assert_int_equal(date_parse_internal(span_of(rows[i].date), &date), 0);
		snapshot.instant[row] = date.instant;
		snapshot.zone[row] = date.zone;
		snapshot.size[row] = rows[i].size;
		snapshot.flags[row] = flags_parse(flags, span_of(rows[i].flags));
	}
	snapshot_finish(&snapshot, true);
	for (size_t i = 0; i < countof(sets); i++)
		if (answers[i] != NULL && answers[i][0] != '\0')
			assert_int_equal(uidset_parse(span_of(answers[i]), arena, sets[i]), 0);
	select_messages(select, flags, &snapshot, &answer, reason);
	for (size_t i = 0; i < count; i++) {
		if (strcmp(select_reason_name(reason[i]), rows[i].expected) != 0)
			fail_msg("UID %u: %s, expected %s", rows[i].uid,
				select_reason_name(reason[i]), rows[i].expected);
	}
	snapshot_release(&snapshot);
	select_free(select);
	arena_free(arena);
	flag_table_free(flags);
}

static void check_rows(
	const struct settings *settings, const char *found, const struct row *rows, size_t count)
{
	check_answers(settings, (const char *const[3]){ found }, rows, count);
}

/* What --skip-ids names is left out before --limit counts, and so is what may be named there. */
static void test_listed(void **state)
{
	struct settings s = defaults();
	const struct row rows[] = {
		{ 1, 1, NULL, "\\Seen", "flag" },
		{ 2, 1, NULL, "", "id" },
		{ 3, 1, NULL, "", "selected" },
		{ 4, 1, NULL, "", "id" },
		{ 5, 1, NULL, "", "selected" },
		{ 6, 1, NULL, "", "limit" },
	};
	const struct row searched[] = {
		{ 1, 1, NULL, "", "id" },
		{ 2, 1, NULL, "", "search" },
		{ 3, 1, NULL, "", "selected" },
	};

	(void)state;
	s.unseen = true;
	s.limit = 2;
	check_answers(&s, (const char *const[3]){ NULL, "1:2", "4" }, rows, countof(rows));
	s = defaults();
	s.search = "TEXT x";
	check_answers(
		&s, (const char *const[3]){ "1,3", "1:2", NULL }, searched, countof(searched));
}

static void test_dates(void **state)
{
	struct settings s = defaults();
	struct err err = ERR_INIT;
	char day[12];
	/* RFC 3501: the day as written, whatever the zone makes of it. */
	const struct row rows[] = {
		{ 1, 1, "31-Jan-2024 23:59:59 +0000", "", "date" },
		{ 2, 1, "01-Feb-2024 00:00:00 +0000", "", "selected" },
		{ 3, 1, "01-Feb-2024 00:30:00 +0500", "", "selected" }, /* still January in UTC */
		{ 4, 1, "31-Jan-2024 23:00:00 -0800", "", "date" }, /* February in UTC */
		{ 5, 1, "29-Feb-2024 23:59:59 -0800", "", "selected" },
		{ 6, 1, "01-Mar-2024 00:00:00 +1400", "", "date" },
		{ 7, 1, NULL, "", "date" },
	};
	const struct row old[] = {
		{ 1, 1, "31-Dec-1969 23:59:59 +0000", "", "selected" },
		{ 2, 1, "01-Jan-1970 00:00:00 +0000", "", "date" },
		{ 3, 1, "01-Jan-1970 00:30:00 +0100", "", "date" },
	};

	(void)state;
	assert_int_equal(date_parse_option("2024-02-01", 0, &s.since, day, &err), 0);
	assert_int_equal(date_parse_option("1-Mar-2024", 0, &s.before, day, &err), 0);
	check_rows(&s, NULL, rows, countof(rows));
	s = defaults();
	s.before = 0;
	check_rows(&s, NULL, old, countof(old));
}

static void test_flags(void **state)
{
	struct settings s = defaults();
	const struct row seen[] = {
		{ 1, 1, NULL, "", "flag" },
		{ 2, 1, NULL, "\\Seen", "selected" },
		{ 3, 1, NULL, "\\Seen $Junk", "flag" },
		{ 4, 1, NULL, "\\Seen \\Deleted", "deleted" },
	};
	const struct row unseen[] = {
		{ 1, 1, NULL, "", "flag" },
		{ 2, 1, NULL, "\\Seen", "flag" },
		{ 3, 1, NULL, "$work \\flagged", "selected" },
		{ 4, 1, NULL, "$Work", "flag" },
	};

	(void)state;
	s.seen = s.skip_deleted = true;
	s.without_flags = (struct text_list)LIST("$JUNK");
	check_rows(&s, NULL, seen, countof(seen));
	s = defaults();
	s.unseen = true;
	s.with_flags = (struct text_list)LIST("$Work", "\\Flagged");
	check_rows(&s, NULL, unseen, countof(unseen));
}

static void test_sizes(void **state)
{
	struct settings s = defaults();
	const struct row rows[] = {
		{ 1, 99, NULL, "", "size" },
		{ 2, 100, NULL, "", "size" },
		{ 3, 101, NULL, "", "selected" },
		{ 4, 199, NULL, "", "selected" },
		{ 5, 200, NULL, "", "size" },
		{ 6, UINT32_MAX, NULL, "", "size" },
	};
	const struct row limited[] = { { 1, 150, NULL, "", "selected" },
		{ 2, 151, NULL, "", "size" }, { 3, 0, NULL, "", "selected" } };

	(void)state;
	s.larger = 100;
	s.smaller = 200;
	check_rows(&s, NULL, rows, countof(rows));
	s = defaults();
	s.max_size = 150;
	check_rows(&s, NULL, limited, countof(limited));
}

static void test_uids(void **state)
{
	struct settings s = defaults();
	const struct row some[] = { { 1, 1, NULL, "", "uid" }, { 5, 1, NULL, "", "selected" },
		{ 6, 1, NULL, "", "uid" }, { 9, 1, NULL, "", "selected" } };
	const struct row last[] = { { 1, 1, NULL, "", "uid" }, { 5, 1, NULL, "", "uid" },
		{ 9, 1, NULL, "", "selected" } };
	const struct row none[] = { { 1, 1, NULL, "", "uid" }, { 9, 1, NULL, "", "uid" } };

	(void)state;
	s.uid_set = "2:5,8:*";
	check_rows(&s, NULL, some, countof(some));
	s.uid_set = "*";
	check_rows(&s, NULL, last, countof(last));
	s.uid_set = "10:*";
	check_rows(&s, NULL, none, countof(none));
	check_rows(&s, NULL, none, 0);
}

static void test_found(void **state)
{
	struct settings s = defaults();
	const struct row rows[] = { { 1, 1, NULL, "", "search" }, { 2, 1, NULL, "", "selected" } };
	const struct row nothing[] = { { 1, 1, NULL, "", "search" }, { 2, 1, NULL, "", "search" } };

	(void)state;
	s.search = "FROM x";
	check_rows(&s, "2", rows, countof(rows));
	check_rows(&s, "", nothing, countof(nothing));
	check_rows(&s, NULL, nothing, countof(nothing)); /* unknown is not "all" */
}

static void test_limit(void **state)
{
	struct settings s = defaults();
	const struct row oldest[] = { { 1, 1, NULL, "\\Seen", "selected" },
		{ 2, 1, NULL, "", "flag" }, { 3, 1, NULL, "\\Seen", "selected" },
		{ 4, 1, NULL, "\\Seen", "limit" } };
	const struct row newest[] = { { 1, 1, NULL, "\\Seen", "limit" }, { 2, 1, NULL, "", "flag" },
		{ 3, 1, NULL, "\\Seen", "selected" }, { 4, 1, NULL, "\\Seen", "selected" } };

	(void)state;
	s.seen = true;
	s.limit = 2;
	check_rows(&s, NULL, oldest, countof(oldest));
	s.newest_first = true;
	check_rows(&s, NULL, newest, countof(newest));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mailboxes),
		cmocka_unit_test(test_brackets),
		cmocka_unit_test(test_rank),
		cmocka_unit_test(test_missing),
		cmocka_unit_test(test_subscribed_and_gmail),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_search),
		cmocka_unit_test(test_listed),
		cmocka_unit_test(test_dates),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_uids),
		cmocka_unit_test(test_found),
		cmocka_unit_test(test_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
