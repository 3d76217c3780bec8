/* UIDs for places without: kept, never used twice, a multiset of equal keys, forgotten when asked. */
#include "state/ledger.h"

#include "base/err.h"
#include "base/must.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64];

static int remove_one(const char *name, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(name);
}

static int set_up(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/mailhaul-test-ledger-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static struct ledger *open_ledger(const char *where)
{
	struct err err = ERR_INIT;
	struct ledger *ledger = ledger_open(where, "maildir:/home/anna/Maildir", &err);

	assert_string_equal(err.text, "");
	assert_non_null(ledger);
	return ledger;
}

/* Keys are letters: "abca" are four messages. */
static size_t keys_of(const char *text, struct digest128 *key)
{
	size_t count = strlen(text);

	for (size_t i = 0; i < count; i++)
		key[i] = (struct digest128){ { (uint64_t)text[i], 7 } };
	return count;
}

static struct ledger_facts assign(
	struct ledger *ledger, const char *mailbox, const char *text, const char *expected)
{
	struct digest128 key[64] = { 0 };
	uint32_t uid[64];
	struct ledger_facts facts = { 0 };
	struct err err = ERR_INIT;
	char got[256] = "";
	size_t count = keys_of(text, key);

	assert_int_equal(ledger_assign(ledger, mailbox, key, count, uid, &facts, &err), 0);
	for (size_t i = 0; i < count; i++)
		snprintf(
			got + strlen(got), sizeof(got) - strlen(got), "%s%u", i ? " " : "", uid[i]);
	assert_string_equal(got, expected);
	assert_int_equal(facts.messages, count);
	return facts;
}

static void add(struct ledger *ledger, const char *mailbox, const char *text, uint32_t first)
{
	struct digest128 key[64] = { 0 };
	uint32_t uid[64];
	struct err err = ERR_INIT;
	size_t count = keys_of(text, key);

	assert_int_equal(ledger_add(ledger, mailbox, key, count, uid, &err), 0);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(uid[i], first + i);
}

static void test_assign(void **state)
{
	struct ledger *ledger = open_ledger(dir);
	struct ledger_facts before = assign(ledger, "INBOX", "cab", "1 2 3"), after;

	(void)state;
	assign(ledger, "INBOX", "abc", "2 3 1");
	assign(ledger, "INBOX", "bd", "3 4");
	assign(ledger, "INBOX", "abcd", "5 3 6 4"); /* what was gone is new again */
	assign(ledger, "INBOX", "", "");
	after = assign(ledger, "INBOX", "d", "7");
	assert_int_equal(before.uidvalidity, after.uidvalidity);
	assert_int_equal(after.uidnext, 8);
	ledger_close(ledger);
	ledger = open_ledger(dir);
	after = assign(ledger, "INBOX", "de", "7 8");
	assert_int_equal(before.uidvalidity, after.uidvalidity);
	ledger_close(ledger);
}

static void test_equal_keys(void **state)
{
	struct ledger *ledger = open_ledger(dir);

	(void)state;
	assign(ledger, "INBOX", "aaba", "1 2 3 4");
	assign(ledger, "INBOX", "aab", "1 2 3");
	assign(ledger, "INBOX", "aaaab", "1 2 5 6 3");
	add(ledger, "INBOX", "ab", 7);
	assign(ledger, "INBOX", "aaaaabb", "1 2 5 6 7 3 8");
	ledger_close(ledger);
}

static void test_mailboxes(void **state)
{
	struct ledger *ledger = open_ledger(dir);
	struct ledger_facts one, other, now;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(ledger_facts(ledger, "One", &one, &err), 0);
	assert_int_equal(one.uidnext, 1);
	assert_int_equal(one.messages, 0);
	assert_true(one.uidvalidity != 0);
	add(ledger, "One", "ab", 1);
	other = assign(ledger, "Other", "ab", "1 2");
	assert_true(other.uidvalidity > one.uidvalidity);
	assert_int_equal(ledger_rename(ledger, "One", "Other", &err), 0);
	now = assign(ledger, "Other", "bac", "2 1 3");
	assert_int_equal(now.uidvalidity, one.uidvalidity);
	assert_int_equal(ledger_forget(ledger, "Other", &err), 0);
	assert_int_equal(ledger_forget(ledger, "Nowhere", &err), 0);
	assert_int_equal(ledger_rename(ledger, "Nowhere", "Else", &err), 0);
	now = assign(ledger, "Other", "bac", "1 2 3");
	assert_true(now.uidvalidity > other.uidvalidity);
	ledger_close(ledger);
}

static void test_forgetful(void **state)
{
	struct ledger *ledger = open_ledger(NULL);

	(void)state;
	assign(ledger, "INBOX", "ba", "1 2");
	add(ledger, "INBOX", "c", 3);
	assign(ledger, "INBOX", "abc", "2 1 3");
	ledger_close(ledger);
	ledger_close(NULL);
}

static void test_locked_and_foreign(void **state)
{
	struct ledger *ledger = open_ledger(dir);
	struct err err = ERR_INIT;
	char command[200];

	(void)state;
	assert_null(ledger_open(dir, "maildir:/home/anna/Maildir", &err));
	assert_int_equal(err.scope, ERR_LOCAL);
	assert_non_null(strstr(err.text, "locked by another run"));
	ledger_close(ledger);
	err_clear(&err);
	ledger = ledger_open(dir, "maildir:/other", &err);
	assert_non_null(ledger);
	ledger_close(ledger);
	/* a file that another place's was copied over */
	snprintf(command, sizeof(command),
		"cd %s/uids && set -- *.db && cp \"$1\" x && cp \"$2\" \"$1\" && cp x \"$2\"", dir);
	assert_int_equal(system(command), 0);
	assert_null(ledger_open(dir, "maildir:/other", &err));
	assert_non_null(strstr(err.text, "damaged"));
	snprintf(
		command, sizeof(command), "for f in %s/uids/*.db; do echo nonsense >$f; done", dir);
	assert_int_equal(system(command), 0);
	err_clear(&err);
	assert_null(ledger_open(dir, "maildir:/other", &err));
	assert_int_equal(err.scope, ERR_LOCAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_assign, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_equal_keys, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_mailboxes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_forgetful, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_locked_and_foreign, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
