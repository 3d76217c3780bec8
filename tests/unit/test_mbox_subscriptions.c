/*
 * What is subscribed in trees of mbox files, in Thunderbird's folders, and in the location that is one file: the text that says it, and that it is kept, carried along,
 * and never made up.
 */
#include "files_fixture.h"

#include "base/buf.h"
#include "base/path.h"
#include "store/mbox_subscriptions.h"

#define FILE_NAME "mail/.mailhaul-subscriptions"
#define FIRST "mailhaul-subscriptions 1\n"

static void test_there_and_back(void **state)
{
	struct arena *arena = arena_new();
	struct mbox_subscriptions list;
	struct err err = ERR_INIT;
	struct buf text;

	(void)state;
	buf_init(&text, 4096);
	mbox_subscriptions_init(&list, arena);
	assert_int_equal(mbox_subscriptions_print(&list, &text), 0);
	assert_string_equal(buf_text(&text), FIRST);
	assert_true(mbox_subscriptions_has(&list, "Work"));
	assert_true(mbox_subscriptions_set(&list, "Work", false));
	assert_false(mbox_subscriptions_set(&list, "Work", false));
	assert_true(mbox_subscriptions_set(&list, "A/100%\n-", false));
	assert_true(mbox_subscriptions_set(&list,
		"K\xc3\xbc"
		"che",
		false));
	assert_true(mbox_subscriptions_set(&list, "Gone", false));
	assert_true(mbox_subscriptions_set(&list, "Gone", true));
	buf_clear(&text);
	assert_int_equal(mbox_subscriptions_print(&list, &text), 0);
	mbox_subscriptions_release(&list);
	assert_string_equal(buf_text(&text), FIRST "-A/100%25%0A-\n-K\xc3\xbc"
						   "che\n-Work\n");

	mbox_subscriptions_init(&list, arena);
	assert_int_equal(mbox_subscriptions_parse(buf_span(&text), "file", &list, &err), 0);
	assert_false(mbox_subscriptions_has(&list, "A/100%\n-"));
	assert_false(mbox_subscriptions_has(&list, "Work"));
	assert_true(mbox_subscriptions_has(&list, "Gone"));
	mbox_subscriptions_release(&list);
	buf_release(&text);
	/* no more than there is room for */
	mbox_subscriptions_init(&list, arena);
	mbox_subscriptions_set(&list, "Work", false);
	buf_init(&text, sizeof(FIRST) + 3);
	assert_int_equal(mbox_subscriptions_print(&list, &text), -1);
	buf_release(&text);
	mbox_subscriptions_release(&list);
	arena_free(arena);
}

static void test_damaged(void **state)
{
	static const struct {
		const char *text, *where;
	} bad[] = {
		{ "", "file:1:" },
		{ "mailhaul-subscriptions 1", "file:1:" },
		{ "mailhaul-subscriptions 2\n", "file:1:" },
		{ FIRST "-A\n-B", "file:3:" },
		{ FIRST "A\n", "file:2:" },
		{ FIRST "-\n-A\n", "file:2:" },
		{ FIRST "-A\n\n", "file:3:" },
		{ FIRST "-%0\n", "file:2:" },
		{ FIRST "-%00\n", "file:2:" },
		{ FIRST "-A\r\n", "file:2:" },
		{ FIRST "-A\n-\xff\n", "file:3:" },
	};

	(void)state;
	for (size_t i = 0; i < countof(bad); i++) {
		struct arena *arena = arena_new();
		struct mbox_subscriptions list;
		struct err err = ERR_INIT;

		mbox_subscriptions_init(&list, arena);
		assert_int_equal(
			mbox_subscriptions_parse(span_of(bad[i].text), "file", &list, &err), -1);
		assert_int_equal(err.scope, ERR_MAILBOX);
		if (strstr(err.text, bad[i].where) != err.text)
			fail_msg("%zu: %s", i, err.text);
		mbox_subscriptions_release(&list);
		arena_free(arena);
	}
}

/* "A- B " : - behind what is not subscribed; "?" before it all: it is not known. */
static const char *subscribed(struct files *files)
{
	struct mailbox_list list;
	struct err err = ERR_INIT;
	const char *out;

	assert_int_equal(store_list(files->store, 0, files->arena, &list, &err), 0);
	out = list.subscriptions_unknown ? "?" : "";
	for (size_t i = 0; i < list.count; i++)
		out = arena_print(files->arena, "%s%s%s ", out, list.mailbox[i].name,
			list.mailbox[i].subscribed ? "" : "-");
	return out;
}

static const char *content(struct files *files)
{
	struct err err = ERR_INIT;
	struct span text;

	if (path_read(files_path(files, FILE_NAME), 4096, files->arena, &text, &err) < 0)
		return NULL;
	return arena_text(files->arena, text);
}

static void subscribe(struct files *files, const char *name, bool wanted)
{
	struct err err = ERR_INIT;

	if (store_subscribe(files->store, name, wanted, &err) < 0)
		fail_msg("%s: %s", name, err.text);
}

static void test_tree(void **state)
{
	static const char *const kinds[] = { "mbox:%s/mail", "mbox:%s/mail?layout=fs",
		"thunderbird:%s/mail" };

	(void)state;
	for (size_t i = 0; i < countof(kinds); i++) {
		struct store_preparation list[] = {
			{ .name = "A", .create = true, .subscribe = true },
			{ .name = "A/B", .create = true }, { .name = "C%", .create = true },
			{ .name = "D", .create = true, .subscribe = true },
			{ .name = "D", .create = true }, /* two go into one */
		};
		struct store_preparation again[] = { { .name = "A", .unsubscribe = true },
			{ .name = "C%", .subscribe = true } };
		struct files files;
		struct err err = ERR_INIT;

		files_open(&files, kinds[i]);
		assert_int_equal(store_prepare(files.store, list, countof(list), &err), 0);
		for (size_t at = 0; at < countof(list); at++)
			assert_true(list[at].created && list[at].err.scope == ERR_NONE);
		assert_string_equal(content(&files), FIRST "-A/B\n-C%25\n");
		assert_string_equal(subscribed(&files), "A A/B- C%- D ");
		assert_int_equal(store_prepare(files.store, again, countof(again), &err), 0);
		assert_string_equal(subscribed(&files), "A- A/B- C% D ");
		subscribe(&files, "A", true);
		subscribe(&files, "D", false);
		files_open_again(&files);
		assert_string_equal(subscribed(&files), "A A/B- C% D- ");
		assert_int_equal(store_rename_mailbox(files.store, "A", "E", &err), 0);
		assert_int_equal(store_rename_mailbox(files.store, "D", "F", &err), 0);
		assert_string_equal(subscribed(&files), "C% E E/B- F- ");
		assert_string_equal(content(&files), FIRST "-E/B\n-F\n");
		/* what is gone is not kept, and cannot be subscribed */
		assert_int_equal(store_remove_mailbox(files.store, "F", &err), 0);
		subscribe(&files, "F", false);
		assert_string_equal(content(&files), FIRST "-E/B\n");
		assert_int_equal(store_subscribe(files.store, "F", true, &err), -1);
		files_make(&files, "G");
		assert_string_equal(subscribed(&files), "C% E E/B- G- ");
		files_close(&files);
	}
}

static void test_one_file(void **state)
{
	struct store_preparation one = { .name = "A", .create = true };
	struct files files;
	struct err err = ERR_INIT;

	(void)state;
	files_open(&files, "mbox:%s/x.mbox");
	assert_int_equal(store_prepare(files.store, &one, 1, &err), 0);
	assert_string_equal(subscribed(&files), "A- ");
	subscribe(&files, "A", true);
	files_open_again(&files);
	assert_string_equal(subscribed(&files), "A ");
	subscribe(&files, "A", false);
	assert_string_equal(subscribed(&files), "A- ");
	files_close(&files);
}

/* Of others' files nothing is known until we are told; a file that is not ours is left as it is, and mailboxes are made all the same. */
static void test_others(void **state)
{
	static const char *const damaged[] = { "something\n", FIRST "-A" };
	struct store_preparation list[] = { { .name = "B", .create = true, .subscribe = true } };
	struct files files;
	struct err err = ERR_INIT;

	(void)state;
	files_open(&files, "mbox:%s/mail");
	assert_int_equal(mkdir(files_path(&files, "mail"), 0700), 0);
	files_open_again(&files);
	files_write(&files, "mail/A.mbox", O_CREAT | O_EXCL, "");
	assert_string_equal(subscribed(&files), "?A ");
	subscribe(&files, "A", true);
	assert_null(content(&files));
	subscribe(&files, "A", false);
	assert_string_equal(subscribed(&files), "A- ");
	files_write(&files, "mail/C.mbox", O_CREAT | O_EXCL, "");
	assert_string_equal(subscribed(&files), "A- C ");
	for (size_t i = 0; i < countof(damaged); i++) {
		files_write(&files, FILE_NAME, O_TRUNC, damaged[i]);
		assert_string_equal(subscribed(&files), i == 0 ? "?A C " : "?A B C ");
		assert_int_equal(store_subscribe(files.store, "C", false, &err), -1);
		assert_int_equal(err.scope, ERR_MAILBOX);
		assert_non_null(strstr(err.text, ".mailhaul-subscriptions:"));
		err_clear(&err);
		list[0].create = i == 0;
		assert_int_equal(store_prepare(files.store, list, 1, &err), 0);
		assert_int_equal(list[0].created, i == 0);
		assert_int_equal(list[0].err.scope, ERR_MAILBOX);
		assert_string_equal(content(&files), damaged[i]);
	}
	/* nor is a link followed */
	assert_int_equal(unlink(files_path(&files, FILE_NAME)), 0);
	files_write(&files, "elsewhere", O_CREAT, FIRST "-A\n");
	assert_int_equal(symlink("../elsewhere", files_path(&files, FILE_NAME)), 0);
	assert_string_equal(subscribed(&files), "?A B C ");
	assert_int_equal(store_subscribe(files.store, "C", false, &err), -1);
	files_close(&files);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_tree),
		cmocka_unit_test(test_one_file),
		cmocka_unit_test(test_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
