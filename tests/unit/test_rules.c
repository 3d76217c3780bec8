/* Rules: both ways to write them, what is refused and on which lines, and what they decide. */
#include "ops/rules.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/must.h"
#include "net/secret.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <string.h>

#define NOW 1700000000 /* 14 November 2023 */
#define DAY 86400

static struct rules *make(const char *text)
{
	struct err err = ERR_INIT;
	struct rules *rules = rules_parse("f", span_of(text), NOW, &err);

	if (!rules)
		fail_msg("%s", err.text);
	return rules;
}

static void refuse(const char *text, const char *expected)
{
	struct err err = ERR_INIT;

	assert_null(rules_parse("f", span_of(text), NOW, &err));
	assert_int_equal(err.kind, ERR_KIND_USAGE);
	if (!strstr(err.text, expected))
		fail_msg("\"%s\" does not say \"%s\"", err.text, expected);
}

struct mail {
	const char *header, *flags;
	uint64_t size;
	int64_t arrived;
	const bool *found;
};

static size_t decide(const char *text, struct mail mail, const char *mailbox, bool first)
{
	struct rules *rules = make(text);
	struct arena *arena = arena_new();
	struct rule_message message = { .size = mail.size,
		.arrived = { mail.arrived, 0 },
		.flags = mail.flags ? mail.flags : "",
		.found = mail.found };
	size_t index;

	message.field =
		rules_header(span_of(mail.header ? mail.header : ""), arena, &message.fields);
	index = rules_decide(rules, mailbox, &message, first);
	arena_free(arena);
	rules_free(rules);
	return index;
}

static bool holds(const char *text, struct mail mail)
{
	return decide(text, mail, "INBOX", false) == 0;
}

static void test_header(void **state)
{
	struct mail mail = {
		.header = "From: a@x\r\nSubject: Your\r\n INVOICE 7\r\n\r\nSubject: no\r\n"
	};

	(void)state;
	assert_true(holds("Subject\tyour invoice\tINBOX\tMoney\n", mail));
	assert_true(holds("subject:\t\t\"invoice [0-9]$\"\tinbox\tMoney", mail));
	assert_true(holds("Subject\t*invoice\t*\tMoney\r\n", mail));
	assert_true(holds("Subject\t*\tINBOX\tMoney", mail));
	assert_false(holds("Subject\tno\tINBOX\tMoney", mail));
	assert_false(holds("To\t*\tINBOX\tMoney", mail));
	assert_false(holds("Subject\tinvoice\tWork\tMoney", mail));
}

static void test_pseudo(void **state)
{
	struct mail mail = { .header = "Date: Tue, 14 Nov 2023 10:00:00 +0000\n",
		.flags = "\\Flagged Work",
		.size = 1000,
		.arrived = NOW - 40 * DAY };

	(void)state;
	assert_true(holds("Size\t>999\tINBOX\tX", mail));
	assert_false(holds("Size\t>1000\tINBOX\tX", mail));
	assert_true(holds("Size\t= 1000\tINBOX\tX", mail));
	assert_false(holds("Size\t<1000\tINBOX\tX", mail));
	assert_true(holds("Date\t>30\tINBOX\tX", mail));
	assert_true(holds("Date\t+30\tINBOX\tX", mail));
	assert_false(holds("Date\t<30\tINBOX\tX", mail));
	assert_true(holds("Internaldate\t<30\tINBOX\tX", mail));
	assert_true(holds("Date\t<Wed, 15 Nov 2023 00:00:00 +0000\tINBOX\tX", mail));
	assert_true(holds("Date\t=2023-11-14\tINBOX\tX", mail));
	assert_true(holds("Date\tnov 2023\tINBOX\tX", mail));
	assert_true(holds("Flags\tFlagged\tINBOX\tX", mail));
	assert_true(holds("Flags\tunseen\tINBOX\tX", mail));
	assert_true(holds("Flags\tWork\tINBOX\tX", mail));
	assert_false(holds("Flags\tSeen\tINBOX\tX", mail));
	mail.header = "Date: no date\n";
	mail.arrived = DATE_UNKNOWN;
	assert_false(holds("Date\t<30\tINBOX\tX", mail));
	assert_false(holds("Internaldate\t<30\tINBOX\tX", mail));
	assert_false(holds("Internaldate\t2023\tINBOX\tX", mail));
}

static void test_search(void **state)
{
	struct rules *rules = make("ISEARCH\t\"OR (UNSEEN) (SENTSINCE (30))\"\tINBOX\tX\n"
				   "ISEARCH\t(BEFORE 1 SUBJECT \"a (b 7\")\tINBOX\tX\n");
	const bool no[] = { false }, yes[] = { true };
	size_t rule;

	(void)state;
	assert_string_equal(rules_search(rules, 0, &rule), "OR (UNSEEN) (SENTSINCE 15-Oct-2023)");
	assert_string_equal(
		rules_search(rules, 1, &rule), "(BEFORE 13-Nov-2023 SUBJECT \"a (b 7\")");
	assert_int_equal(rule, 1);
	assert_null(rules_search(rules, 2, &rule));
	rules_free(rules);
	assert_true(holds("ISEARCH\tUNSEEN\tINBOX\tX", (struct mail){ .found = yes }));
	assert_false(holds("ISEARCH\tUNSEEN\tINBOX\tX", (struct mail){ .found = no }));
	assert_false(holds("ISEARCH\tUNSEEN\tINBOX\tX", (struct mail){ .found = NULL }));
	refuse("ISEARCH\t(UNSEEN\tINBOX\tX", "line 1: the search has a ( too many");
	refuse("ISEARCH\tUNSEEN)\tINBOX\tX", "a ) too many");
	refuse("ISEARCH\tSUBJECT \"x\tINBOX\tX", "quotes that do not end");
	refuse("ISEARCH\tSUBJECT {3}\tINBOX\tX", "literals");
}

static void test_order(void **state)
{
	const char *text = "Subject\tx\tINBOX\tA\nSubject\ty\tINBOX\tB\nSubject\tx\t*\tC\n";
	struct mail mail = { .header = "Subject: x\n" };

	(void)state;
	assert_int_equal(decide(text, mail, "INBOX", true), 0);
	assert_int_equal(decide(text, mail, "INBOX", false), 2);
	assert_int_equal(decide(text, mail, "A", true), 2);
	mail.header = "Subject: z\n";
	assert_int_equal(decide(text, mail, "INBOX", true), RULES_NONE);
}

static void test_own_target(void **state)
{
	struct rules *rules =
		make("Subject\tx\t*\tInbox\nRemoteServer: h/u/s\nTo\tx\tAll\th:*\tcopy\n");

	(void)state;
	assert_true(rules_stays(rules, 0, "INBOX"));
	assert_false(rules_stays(rules, 0, "Work"));
	assert_false(rules_stays(rules, 1, "*"));
	assert_false(rules_want(rules, "INBOX"));
	assert_true(rules_want(rules, "Work"));
	assert_string_equal(rules_at(rules, 1)->place->name, "h");
	assert_string_equal(rules_at(rules, 1)->target, "*");
	assert_true(rules_at(rules, 1)->copy);
	assert_int_equal(rules_at(rules, 1)->line, 3);
	assert_string_equal(rules_field(rules, 0), "Subject");
	assert_string_equal(rules_field(rules, 1), "To");
	assert_null(rules_field(rules, 2));
	rules_free(rules);
}

static void test_places(void **state)
{
	struct rules *rules =
		make("RemoteServer: h:143/a@b/se/cr=et\nRemoteServer: disk = maildir:/x\n"
		     "RemoteServer: work\nRemoteServer: g/u\nLocalServer: here/u/s\n"
		     "To\tx\tAll\tH:993:M\nTo\tx\tAll\tdisk:M/N\nTo\ty\tAll\tinbox\n");

	(void)state;
	assert_string_equal(rules_place(rules, 0)->location, "imap://a%40b@h:143");
	assert_true(span_equal(secret_bytes(rules_place(rules, 0)->secret), SPAN("se/cr=et")));
	assert_string_equal(rules_place(rules, 1)->location, "maildir:/x");
	assert_string_equal(rules_place(rules, 2)->location, "work");
	assert_string_equal(rules_place(rules, 3)->location, "imaps://u@g");
	assert_null(rules_place(rules, 3)->secret);
	assert_null(rules_place(rules, 4));
	assert_ptr_equal(rules_at(rules, 0)->place, rules_place(rules, 0));
	assert_string_equal(rules_at(rules, 0)->target, "M");
	assert_int_equal(rules_at(rules, 1)->place->index, 1);
	assert_string_equal(rules_at(rules, 2)->target, "INBOX");
	rules_free(rules);
	rules = make("[a]\nsubject = x\nat = imaps://u@h/Old\nmove-to = *\n"
		     "[b]\nsubject = y\ncopy-to = X\nat = imaps://u@h/Old\n");
	assert_string_equal(rules_place(rules, 0)->location, "imaps://u@h/Old");
	assert_null(rules_place(rules, 1));
	assert_ptr_equal(rules_at(rules, 0)->place, rules_at(rules, 1)->place);
	rules_free(rules);
}

static void test_under(void **state)
{
	struct rules *rules = make("To\tx\t*\tA\nTo\tx\tINBOX\tA\n");

	(void)state;
	rules_under(rules, "Work");
	assert_true(rules_takes(rules, 0, "Work") && rules_takes(rules, 0, "Work/x"));
	assert_false(rules_takes(rules, 0, "Workers") || rules_takes(rules, 0, "INBOX"));
	assert_true(rules_takes(rules, 1, "inbox"));
	rules_free(rules);
	rules = make("[a]\nto = x\nmove-to = A\n[b]\nin = */x\nto = x\nmove-to = A\n");
	rules_under(rules, "Work");
	assert_true(rules_takes(rules, 0, "Work/x") && rules_takes(rules, 1, "Other/x"));
	assert_false(rules_takes(rules, 0, "Other/x"));
	rules_free(rules);
}

static void test_blocks(void **state)
{
	const char *all = "# rules\n[bills]\nin = INBOX\nin = Work/**\nsubject = invoice\n"
			  "size = > 1k\nno-flag = Seen\nmove-to = Money/2023\n";
	const char *any =
		"[any]\nany = yes\nheader List-Id = mailhaul\nsubject = haul\ncopy-to = L\n";
	struct mail mail = { .header = "Subject: Invoice\n", .size = 2000 };

	(void)state;
	assert_true(holds(all, mail));
	assert_int_equal(decide(all, mail, "Work/a/b", false), 0);
	assert_int_equal(decide(all, mail, "Other", false), RULES_NONE);
	mail.flags = "\\Seen";
	assert_false(holds(all, mail));
	mail.flags = "";
	mail.size = 1000;
	assert_false(holds(all, mail));
	assert_false(holds(any, mail));
	mail.header = "Subject: overhaul\n";
	assert_true(holds(any, mail));
	assert_int_equal(decide(any, mail, "a/b/c", false), 0);
}

static void test_refused(void **state)
{
	(void)state;
	refuse("", "f: there are no rules");
	refuse("# nothing\n\n", "there are no rules");
	refuse("\nSubject\t(\tINBOX\tX\nSubject\tx\tINBOX\nSize\t5\tINBOX\tX\n",
		"; line 3: a rule has four fields between tabs: header, pattern, source, target; "
		"line 4: a size is");
	refuse("\nSubject\t(\tINBOX\tX\n", "f: line 2: ");
	refuse("Subject\tx\tINBOX\tX\tmove\n", "fifth");
	refuse("Subject\t-\tINBOX\tX\n", "senders");
	refuse("Subject\tx\tINBOX\thost:X\n", "no RemoteServer");
	refuse("Subject\tx\tINBOX\t*\n", "RemoteServer only");
	refuse("RemoteServer: a b\n", "RemoteServer: HOST");
	refuse("RemoteServer: h/\n", "RemoteServer: HOST");
	refuse("RemoteServer: h:x/u/s\n", "RemoteServer: HOST");
	refuse("RemoteServer: h = \n", "RemoteServer: HOST");
	refuse("RemoteServer: h/u/s\nRemoteServer: H:1/v/t\n", "line 2: a line above names this");
	refuse("Subject\tx\tINBOX\ta//b\n", "an empty level");
	refuse("[a]\nsubject = x\nmove-to = *\n", "line 1: the target * means");
	refuse("Bad Header\tx\tINBOX\tX\n", "no header's name");
	refuse("Subject\tx\tINBOX\tX\x1b[0m\n", "control characters");
	refuse("[a]\nsubject = x\n[b]\nmove-to = X\nfoo = 1\n",
		"line 1: the rule has neither move-to nor copy-to; line 5: a rule knows no such key");
	refuse("[b]\nmove-to = X\n", "line 1: the rule has no condition");
	refuse("[b]\nmove-to = X\nmove-to = Y\nsubject = x\n", "line 3: a rule has one target");
	refuse("x\nx\nx\nx\nx\nx\nx\n", "and 2 more");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_pseudo),
		cmocka_unit_test(test_search),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_own_target),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_under),
		cmocka_unit_test(test_blocks),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
