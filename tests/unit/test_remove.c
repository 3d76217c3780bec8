/* The guards of removing by UID, in files: another mailbox of that name, what others marked, and what is counted as gone. */
#include "maildir_fixture.h"

#include "ops/remove.h"

static struct place place;
static struct settings settings;
static struct flag_table *flags;
static struct store *store;
static struct box *box;

/* Three marked as deleted and two not; 2 and 4 are what is asked for. */
static int set_up(void **state)
{
	static const char *const marks[] = { "ST", "ST", "S", "S", "T" };
	struct store_request request = { .will_write = true };
	struct err err = ERR_INIT;

	(void)state;
	place_open(&place, "here");
	for (size_t i = 0; i < countof(marks); i++)
		place_put(&place, "INBOX", "note", marks[i]);
	settings_init(&settings);
	flags = flag_table_new();
	request.flags = flags;
	request.state_dir = place.state;
	store = store_open(place.account, &request, &err);
	assert_non_null(store);
	box = store_open_box(store, "INBOX", STORE_WRITE, &err);
	assert_non_null(box);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	box_close(box);
	store_close(store);
	flag_table_free(flags);
	place_close(&place);
	return 0;
}

static struct remove asked(void)
{
	struct uidset *uids = arena_alloc(place.arena, sizeof *uids);

	uidset_add(uids, place.arena, 2, 2);
	uidset_add(uids, place.arena, 4, 4);
	return (struct remove){
		.mailbox = "INBOX", .uidvalidity = box_facts(box)->uidvalidity, .uids = uids
	};
}

static void test_only_these(void **state)
{
	const struct remove remove = asked();
	struct err err = ERR_INIT;
	uint64_t done;

	(void)state;
	assert_int_equal(remove_proven(&settings, box, flags, &remove, &done, &err), 0);
	assert_int_equal(done, 2);
	assert_string_equal(place_list(&place, "INBOX"), "note:ST note:S note:T ");
	/* Repeated after a broken line: what is gone counts as gone. */
	assert_int_equal(remove_proven(&settings, box, flags, &remove, &done, &err), 0);
	assert_int_equal(done, 2);
	assert_string_equal(place_list(&place, "INBOX"), "note:ST note:S note:T ");
}

static void test_marks(void **state)
{
	const struct remove remove = asked();
	struct err err = ERR_INIT;
	uint64_t done;

	(void)state;
	settings.no_expunge = true;
	assert_int_equal(remove_proven(&settings, box, flags, &remove, &done, &err), 0);
	assert_int_equal(done, 2);
	assert_string_equal(place_list(&place, "INBOX"), "note:ST note:ST note:S note:ST note:T ");
}

static void test_another_mailbox(void **state)
{
	static const uint32_t others[] = { 0, 1 };
	struct err err;
	uint64_t done = 7;

	(void)state;
	for (size_t i = 0; i < countof(others); i++) {
		struct remove remove = asked();

		remove.uidvalidity = others[i];
		err = (struct err)ERR_INIT;
		assert_int_equal(remove_proven(&settings, box, flags, &remove, &done, &err), -1);
		assert_int_equal(err.scope, ERR_MAILBOX);
		assert_non_null(strstr(err.text, "UIDVALIDITY"));
		assert_int_equal(done, 0);
	}
	assert_string_equal(place_list(&place, "INBOX"), "note:ST note:ST note:S note:S note:T ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_only_these, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_marks, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_another_mailbox, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
