/* The IMAP back end against a server that plays a script: fallbacks and refusals of listing, creating, searching and changing. */
#include "imap_store_fixture.h"

/* ---- listing ---- */

static void test_list_at_once(void **state)
{
	static const struct rule rules[] = {
		{ "NAMESPACE",
			"* NAMESPACE ((\"INBOX.\" \".\")) ((\"user.\" \".\")) ((\"\" \".\"))\n%T "
			"OK done",
			0 },
		{ "LIST \"\" \"*\" RETURN (SUBSCRIBED SPECIAL-USE STATUS (MESSAGES "
		  "UIDNEXT UIDVALIDITY HIGHESTMODSEQ))",
			"* LIST (\\HasChildren \\Subscribed) \".\" INBOX\n"
			"* STATUS INBOX (MESSAGES 3 UIDNEXT 9 UIDVALIDITY 7 HIGHESTMODSEQ 0)\n"
			"* LIST (\\Sent) \".\" \"INBOX.Gesendet &APw-ber\"\n"
			"* STATUS \"INBOX.Gesendet &APw-ber\" (MESSAGES 0 UIDNEXT 1 UIDVALIDITY 8 "
			"HIGHESTMODSEQ 5)\n"
			"* LIST () \".\" INBOX.Lost\n"
			"* LIST () \".\" INBOX.Silent\n"
			"* LIST (\\Noselect) \".\" INBOX.Dir\n"
			"* LIST () \".\" INBOX.Dir.Sub\n"
			"* STATUS INBOX.Dir.Sub (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 3)\n"
			"* LIST () \".\" user.bob\n"
			"* LIST (\\Noselect) \".\" user\n"
			"* LIST () \".\" public\n"
			"%T OK done",
			0 },
		{ "STATUS \"INBOX.Lost\"",
			"* STATUS INBOX.Lost (MESSAGES 4 UIDNEXT 5 UIDVALIDITY 6)\n%T OK done", 0 },
	};
	struct mailbox_list found;
	struct client client;

	(void)state;
	START(&client, "IMAP4rev1 NAMESPACE LIST-EXTENDED LIST-STATUS SPECIAL-USE CONDSTORE",
		rules);
	assert_true(store_caps(client.store) & STORE_CAP_CHEAP_LIST);
	list(&client, STORE_LIST_STATUS, &found);
	assert_int_equal(found.count, 6);
	assert_int_equal(found.foreign, 3);
	assert_int_equal(found.refused, 0);
	assert_false(found.subscriptions_unknown);
	assert_int_equal(found.delimiter, '.');
	assert_string_equal(store_style(client.store).prefix, "INBOX.");
	assert_int_equal(find(&found, "INBOX")->messages, 3);
	assert_int_equal(find(&found, "INBOX")->has, BASIC);
	assert_true(find(&found, "INBOX")->subscribed);
	assert_int_equal(find(&found, "Gesendet über")->use, STORE_USE_SENT);
	assert_int_equal(find(&found, "Gesendet über")->has, BASIC | IMAP_STATUS_HIGHESTMODSEQ);
	assert_string_equal(find(&found, "Gesendet über")->raw, "INBOX.Gesendet &APw-ber");
	assert_int_equal(find(&found, "Lost")->messages, 4);
	assert_int_equal(find(&found, "Silent")->has, 0); /* unknown, not empty */
	assert_true(find(&found, "Dir")->noselect);
	assert_true(find(&found, "Dir")->has_children);
	assert_int_equal(find(&found, "Dir/Sub")->messages, 1);
	stop(&client);
	assert_int_equal(seen("LIST"), 1);
	assert_int_equal(seen("STATUS"), 2);
}

static void test_list_bare(void **state)
{
	static const struct rule rules[] = {
		{ "LIST \"\" \"\"", "* LIST (\\Noselect) \"/\" \"\"\n%T OK done", 0 },
		{ "LIST \"\" \"*\"",
			"* LIST () \"/\" \"../../etc/passwd\"\n"
			"* LIST () \"/\" \"\"\n"
			"* LIST () \"/\" {5}\na\x1b[2J\n"
			"* LIST () \"/\" plain\n"
			"* LIST () \"/\" plain\n"
			"* LIST (\\Noselect) \"/\" dir/\n"
			"* LIST () \"/\" a//b\n"
			"%T OK done",
			0 },
		{ "LSUB",
			"* LSUB () \"/\" plain\n* LSUB () \"/\" vanished\n* LSUB (\\Noselect) "
			"\"/\" dir\n%T OK done",
			0 },
		{ "STATUS \"plain\"",
			"* STATUS plain (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 3)\n%T OK done", 0 },
		{ "STATUS \"a//b\"", "%T NO not now", 0 },
	};
	struct mailbox_list found;
	struct client client;

	(void)state;
	START(&client, "IMAP4rev1", rules);
	list(&client, STORE_LIST_STATUS, &found);
	assert_int_equal(found.count, 6);
	assert_non_null(find(&found, "INBOX"));
	assert_int_equal(find(&found, "INBOX")->has, 0);
	assert_true(find(&found, "plain")->subscribed);
	assert_int_equal(find(&found, "plain")->has, BASIC);
	assert_non_null(find(&found, "../../etc/passwd"));
	assert_non_null(find(&found, "a%1B[2J"));
	assert_true(find(&found, "dir")->noselect);
	assert_false(
		find(&found, "dir")->subscribed); /* only in LSUB because of what is below it */
	assert_int_equal(find(&found, "a//b")->has, 0);
	assert_null(find(&found, "vanished"));
	stop(&client);
	assert_int_equal(seen("STATUS"), 5);
	assert_int_equal(seen("NAMESPACE"), 0);
}

static void test_list_announced_but_refused(void **state)
{
	static const struct rule rules[] = {
		{ "NAMESPACE", "%T BAD what?", 0 },
		{ "LIST \"\" \"*\" RETURN", "* LIST () \"/\" junk\n%T BAD what?", 0 },
		{ "LIST \"\" \"*\"", "* LIST () \"/\" INBOX\n* LIST () \"/\" a/b\n%T OK done", 0 },
		{ "LSUB", "%T NO no subscriptions", 0 },
		{ "STATUS \"INBOX\" (MESSAGES UIDNEXT UIDVALIDITY)",
			"* STATUS inbox (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 3)\n%T OK done", 0 },
		{ "STATUS", "%T BAD what?", 0 },
	};
	struct mailbox_list found;
	struct client client;

	(void)state;
	START(&client, "IMAP4rev1 NAMESPACE LIST-EXTENDED LIST-STATUS CONDSTORE OBJECTID", rules);
	list(&client, STORE_LIST_STATUS, &found);
	assert_int_equal(found.count, 2);
	assert_true(found.subscriptions_unknown);
	assert_int_equal(find(&found, "INBOX")->messages, 1);
	assert_int_equal(find(&found, "a/b")->has, 0);
	assert_int_equal(store_style(client.store).delimiter, '/');
	list(&client, STORE_LIST_STATUS, &found);
	stop(&client);
	assert_int_equal(seen("LIST \"\" \"*\" RETURN"), 2);
	assert_int_equal(seen("NAMESPACE"), 1);
}

static void test_list_refused(void **state)
{
	static const struct rule rules[] = {
		{ "LIST \"\" \"\"", "* LIST (\\Noselect) \"/\" \"\"\n%T OK done", 0 },
		{ "LIST \"\" \"*\"", "* LIST () \"/\" INBOX\n%T NO try later", 0 },
	};
	struct mailbox_list found;
	struct client client;

	(void)state;
	START(&client, "IMAP4rev1 LIST-EXTENDED", rules);
	assert_int_equal(store_list(client.store, 0, client.arena, &found, &client.err), -1);
	assert_int_equal(client.err.scope, ERR_ACCOUNT);
	assert_non_null(strstr(client.err.text, "try later"));
	stop(&client);
	assert_int_equal(seen("LIST \"\" \"*\""), 1);
}

/* The account's own prefix counts, and names outside of it still lead to their mailboxes. */
static void test_list_own_prefix(void **state)
{
	static const struct rule rules[] = {
		{ "NAMESPACE", "* NAMESPACE ((\"\" \"/\")) NIL NIL\n%T OK done", 0 },
		{ "LIST \"\" \"*\"",
			"* LIST () \"/\" Mail/a\n* LIST () \"/\" b\n* LIST () \"/\" a\n* LIST () "
			"\"/\" inbox\n%T OK done",
			0 },
		{ "STATUS \"b\"", "* STATUS b (MESSAGES 2 UIDNEXT 3 UIDVALIDITY 4)\n%T OK done",
			0 },
	};
	struct mailbox_list found;
	struct mailbox_info info;
	struct client client;

	(void)state;
	start(&client, "IMAP4rev1 NAMESPACE", rules, countof(rules), "&namespace=Mail");
	list(&client, 0, &found);
	assert_int_equal(found.count, 3);
	assert_int_equal(found.refused, 1); /* two mailboxes would be "a" */
	assert_string_equal(find(&found, "a")->raw, "Mail/a");
	assert_int_equal(store_status(client.store, "b", 0, &info, &client.err), 0);
	assert_int_equal(info.messages, 2);
	stop(&client);
}

/* ---- creating ---- */

static void test_create(void **state)
{
	static const struct rule rules[] = {
		{ "LIST \"\" \"\"", "* LIST (\\Noselect) \"/\" \"\"\n%T OK done", 0 },
		{ "CREATE \"there\"", "%T NO exists", 0 },
		{ "STATUS \"there\"", "* STATUS there (UIDVALIDITY 1)\n%T OK done", 0 },
		{ "CREATE \"bad\"", "%T NO may not", 0 },
		{ "STATUS \"bad\"", "%T NO [NONEXISTENT] no such mailbox", 0 },
		{ "CREATE \"a/b/c\"", "%T NO no parent", 1 },
		{ "STATUS \"a/b/c\"", "%T NO [NONEXISTENT] no such mailbox", 0 },
		{ "CREATE \"s\" (USE (\\Sent))", "%T NO [USEATTR] there is one", 0 },
	};
	struct client client;
	bool changed = true;

	(void)state;
	START(&client, "IMAP4rev1 CREATE-SPECIAL-USE", rules);
	assert_int_equal(
		store_create(client.store, "Inbox", STORE_USE_NONE, &changed, &client.err), 0);
	assert_false(changed);
	assert_int_equal(
		store_create(client.store, "there", STORE_USE_NONE, &changed, &client.err), 0);
	assert_int_equal(store_create(client.store, "s", STORE_USE_SENT, &changed, &client.err), 0);
	assert_int_equal(
		store_create(client.store, "a/b/c", STORE_USE_NONE, &changed, &client.err), 0);
	assert_int_equal(
		store_create(client.store, "bad", STORE_USE_NONE, &changed, &client.err), -1);
	assert_int_equal(client.err.scope, ERR_MAILBOX);
	assert_non_null(strstr(client.err.text, "may not"));
	assert_int_equal(
		store_create(client.store, "x\ny", STORE_USE_NONE, &changed, &client.err), 0);
	assert_true(changed);
	assert_int_equal(store_subscribe(client.store, "there", true, &client.err), 0);
	stop(&client);
	assert_int_equal(seen("CREATE \"INBOX\""), 0);
	assert_int_equal(seen("CREATE \"s\""), 2);
	assert_int_equal(seen("CREATE \"a\""), 1);
	assert_int_equal(seen("CREATE \"a/b\""), 1);
	assert_int_equal(seen("CREATE \"a/b/c\""), 2);
	assert_int_equal(seen("SUBSCRIBE \"there\""), 1);
}

/* ---- searching and changing ---- */

static void test_search(void **state)
{
	static const struct rule rules[] = {
		NAMES,
		{ "EXAMINE", SELECTED("3"), 0 },
		{ "UID SEARCH RETURN (ALL) SEEN", "%T OK done",
			0 }, /* announced, and not done: no ESEARCH at all */
		{ "UID SEARCH SEEN", "* SEARCH 3\n* SEARCH 1 2\n%T OK done", 0 },
		{ "UID SEARCH CHARSET UTF-8 (SUBJECT gr\xc3\xbcn FROM \"a b\") SEEN",
			"* SEARCH 9\n%T OK done", 0 },
		{ "UID SEARCH CHARSET UTF-8 (SUBJECT gr\xc3\xbcn)", "* SEARCH 8\n%T OK done", 0 },
		{ "UID SEARCH BROKEN", "%T BAD what?", 0 },
	};
	struct uidset found = { 0 }, unknown = { 0 };
	struct client client;
	struct box *box;

	(void)state;
	START(&client, "IMAP4rev1 ESEARCH LITERAL+", rules);
	box = store_open_box(client.store, "INBOX", STORE_READ, &client.err);
	assert_non_null(box);
	assert_int_equal(box_search(box, "SEEN", client.arena, &found, &unknown, &client.err), 0);
	assert_int_equal(uidset_size(&found), 3);
	assert_int_equal(box_search(box, "(SUBJECT \"gr\xc3\xbcn\" FROM \"a b\") SEEN",
				 client.arena, &found, &unknown, &client.err),
		0);
	assert_int_equal(uidset_at(&found, 0), 9);
	assert_int_equal(box_search(box, "(SUBJECT gr\xc3\xbcn)", client.arena, &found, &unknown,
				 &client.err),
		0);
	assert_int_equal(uidset_at(&found, 0), 8);
	assert_int_equal(box_search(box, "UNSEEN", client.arena, &found, &unknown, &client.err), 0);
	assert_int_equal(found.count, 0);
	assert_int_equal(
		box_search(box, "BROKEN", client.arena, &found, &unknown, &client.err), -1);
	assert_int_equal(client.err.scope, ERR_MAILBOX);
	box_close(box);
	stop(&client);
}

/* Of a, b, c (told in one answer), one without STATUS, and one whose name cannot be quoted simply. */
static void check_find(
	const char *capabilities, const char *answer, const char *expression, const char *expected)
{
	const struct rule rules[] = { NAMES,
		{ "ESEARCH IN (mailboxes (\"a\" \"b\" \"inbox\")) RETURN (COUNT) ", answer, 0 } };
	const struct mailbox_info all[] = {
		{ .name = "a", .raw = "a", .has = IMAP_STATUS_MESSAGES },
		{ .name = "no status", .raw = "no status" },
		{ .name = "b", .raw = "b", .has = IMAP_STATUS_MESSAGES },
		{ .name = "say \"x\"", .raw = "say \"x\"", .has = IMAP_STATUS_MESSAGES },
		{ .name = "INBOX", .raw = "inbox", .has = IMAP_STATUS_MESSAGES },
	};
	const struct mailbox_info *mailbox[countof(all)];
	char told[countof(all) + 1] = "";
	bool found[countof(all)];
	struct client client;

	for (size_t i = 0; i < countof(all); i++)
		mailbox[i] = &all[i];
	START(&client, capabilities, rules);
	assert_int_equal(
		store_find(client.store, expression, mailbox, countof(all), found, &client.err), 0);
	for (size_t i = 0; i < countof(all); i++)
		told[i] = found[i] ? 'y' : '-';
	assert_string_equal(told, expected);
	stop(&client);
}

static void test_find(void **state)
{
	static const char offers[] = "IMAP4rev1 MULTISEARCH LITERAL+";
	static const char hit[] = "* ESEARCH (TAG \"%T\" MAILBOX b UIDVALIDITY 7) UID COUNT 2\n";
	char answer[300];

	(void)state;
	check_find("IMAP4rev1", "%T OK done", "SEEN", "yyyyy"); /* not offered */
	check_find(offers, "%T OK done", "SEEN", "-y-y-");
	snprintf(answer, sizeof(answer),
		"%s* ESEARCH (MAILBOX INBOX UIDVALIDITY 1 TAG %%T) UID COUNT 1\n%%T OK done", hit);
	check_find(offers, answer, "SUBJECT gr\xc3\xbcn", "-yyyy");
	/* Another search's answer is none of this one. */
	check_find(offers,
		"* ESEARCH (TAG \"m99\" MAILBOX \"b\" UIDVALIDITY 7) UID COUNT 2\n%T OK done",
		"SEEN", "-y-y-");
	/* What cannot be relied on: refused, cut short, a mailbox nobody asked about, none named, and keys that may be taken loosely. */
	check_find(offers, "%T NO not today", "SEEN", "yyyyy");
	check_find(offers, "%T BAD what?", "SEEN", "yyyyy");
	snprintf(answer, sizeof(answer), "%s%%T OK [LIMIT] enough", hit);
	check_find(offers, answer, "SEEN", "yyyyy");
	check_find(offers,
		"* ESEARCH (TAG \"%T\" MAILBOX \"c\" UIDVALIDITY 7) UID COUNT 2\n%T OK done",
		"SEEN", "yyyyy");
	check_find(offers, "* ESEARCH (TAG \"%T\") UID COUNT 2\n%T OK done", "SEEN", "yyyyy");
	check_find(offers, "%T OK done", "NOT (SEEN text x)", "yyyyy");
	check_find(offers, "%T OK done", "SUBJECT \"the text\"", "-y-y-");
}

static void test_remove(void **state)
{
	static const struct rule rules[] = { NAMES,
		{ "SELECT", "* 3 EXISTS\n* OK [UIDVALIDITY 77] v\n%T OK [READ-WRITE] done", 0 } };
	struct uidset uids = { 0 };
	struct client client;
	struct box *box;

	(void)state;
	START(&client, "IMAP4rev1", rules);
	uidset_add(&uids, client.arena, 5, 7);
	box = store_open_box(client.store, "INBOX", STORE_WRITE, &client.err);
	assert_non_null(box);
	assert_false(box_facts(box)->read_only);
	assert_int_equal(box_remove(box, &uids, false, &client.err), -1);
	assert_int_equal(client.err.kind, ERR_KIND_SAFETY);
	assert_int_equal(seen("UID STORE"), 0);
	assert_int_equal(box_remove(box, &uids, true, &client.err), 0);
	assert_int_equal(seen("UID STORE 5:7 +FLAGS.SILENT (\\Deleted)"), 1);
	assert_int_equal(seen("EXPUNGE"), 1);
	box_close(box);
	stop(&client);

	START(&client, "IMAP4rev1 UIDPLUS", rules);
	uids = (struct uidset){ 0 };
	uidset_add(&uids, client.arena, 5, 7);
	box = store_open_box(client.store, "INBOX", STORE_WRITE, &client.err);
	assert_non_null(box);
	assert_int_equal(box_remove(box, &uids, true, &client.err), 0);
	assert_int_equal(seen("UID EXPUNGE 5:7"), 1);
	assert_int_equal(seen("EXPUNGE"), 0);
	box_close(box);
	stop(&client);
}

static void test_change_flags(void **state)
{
	static const struct rule rules[] = {
		NAMES,
		{ "SELECT", "* 3 EXISTS\n* OK [UIDVALIDITY 77] v\n%T OK [READ-WRITE] done", 0 },
		{ "UID STORE 1,3,", "%T NO not these", 1 },
	};
	struct uidset uids = { 0 };
	struct client client;
	struct box *box;

	(void)state;
	START(&client, "IMAP4rev1 X-GM-EXT-1", rules); /* lines of 16,000 octets */
	for (uint32_t uid = 1; uid < 20000; uid += 2)
		uidset_add(&uids, client.arena, uid, uid);
	box = store_open_box(client.store, "INBOX", STORE_WRITE, &client.err);
	assert_non_null(box);
	/* The set is long: one piece is refused, the others are carried out, and the caller hears of it. */
	assert_int_equal(box_change_flags(box, &uids, 0, 0, &client.err), 0);
	assert_int_equal(seen("UID STORE"), 0);
	assert_int_equal(box_remove(box, &uids, true, &client.err), -1);
	assert_non_null(strstr(client.err.text, "not these"));
	assert_in_range(seen("UID STORE"), 3, 5);
	assert_int_equal(seen("EXPUNGE"), 0);
	box_close(box);
	stop(&client);
}

static void test_no_such_place(void **state)
{
	struct account_request request = { .location = "maildir:/tmp/nowhere", .role = "src" };
	struct store_request how = { 0 };
	struct account *account;
	struct err err = ERR_INIT;

	(void)state;
	account = account_new(&request, &err);
	if (account == NULL)
		return; /* said even earlier */
	assert_null(store_open(account, &how, &err));
	assert_int_equal(err.scope, ERR_LOCAL);
	assert_int_equal(err.kind, ERR_KIND_PATH);
	assert_string_equal(
		err.text, "cannot open directory /tmp/nowhere: No such file or directory");
	account_free(account);
	store_close(NULL);
	box_close(NULL);
}

static void test_quota(void **state)
{
	static const struct rule rules[] = {
		NAMES,
		{ "GETQUOTAROOT",
			"* QUOTAROOT INBOX a b\n* QUOTA a (STORAGE 10 512 MESSAGE 1 2)\n* QUOTA b "
			"(STORAGE 20 100)\n%T OK done",
			0 },
	};
	uint64_t used = 0, limit = 0;
	struct client client;

	(void)state;
	START(&client, "IMAP4rev1 QUOTA", rules);
	assert_int_equal(store_quota(client.store, &used, &limit, &client.err), 0);
	assert_int_equal(used, 20 * 1024);
	assert_int_equal(limit, 100 * 1024);
	stop(&client);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list_at_once),
		cmocka_unit_test(test_list_bare),
		cmocka_unit_test(test_list_announced_but_refused),
		cmocka_unit_test(test_list_refused),
		cmocka_unit_test(test_list_own_prefix),
		cmocka_unit_test(test_create),
		cmocka_unit_test(test_search),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_remove),
		cmocka_unit_test(test_change_flags),
		cmocka_unit_test(test_no_such_place),
		cmocka_unit_test(test_quota),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
