/* purge on a real account: exactly what the plan chose goes; what changed in between, and what others marked, stays. */
#include "maildir_fixture.h"

#include "ops/purge.h"

static struct place place;
static struct settings settings;
static const char *without[] = { "\\Flagged" };

/* Box: eight messages, the second flagged and the third marked as deleted by somebody. */
static int set_up(void **state)
{
	static const char *const flags[] = { "S", "FS", "ST", "S", "S", "S", "S", "S" };

	(void)state;
	place_open(&place, "here");
	place_make(&place, "Box");
	for (size_t i = 0; i < countof(flags); i++)
		place_put(&place, "Box", "note", flags[i]);
	place_put(&place, "INBOX", "other", "ST");
	settings_init(&settings);
	settings.yes = true;
	settings.mailboxes = (struct text_list){ arena_alloc(place.arena, sizeof(char *)), 1 };
	settings.mailboxes.item[0] = "Box";
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	place_close(&place);
	return 0;
}

static struct purge *plan(void)
{
	const struct walk_request request = { .settings = &settings,
		.account = place.account,
		.state_dir = place.state,
		.scans = true };
	struct err err = ERR_INIT;
	struct purge *purge = purge_plan(&request, &err);

	if (!purge)
		fail_msg("%s", err.text);
	assert_int_equal(purge_count(purge), 1);
	return purge;
}

static void carry_out(struct purge *purge)
{
	struct err err = ERR_INIT;

	if (purge_allow(purge, NULL, NULL, &err) < 0 || purge_do(purge, &err) < 0)
		fail_msg("%s", err.text);
}

static void test_chosen(void **state)
{
	struct purge *purge;

	(void)state;
	settings.uid_set = "4:5,100";
	purge = plan();
	assert_int_equal(purge_row(purge, 0)->found, 8);
	assert_int_equal(purge_row(purge, 0)->chosen, 2);
	assert_string_equal(place_list(&place, "Box"),
		"note:S note:FS note:ST note:S note:S note:S note:S note:S ");
	carry_out(purge);
	assert_int_equal(purge_row(purge, 0)->deleted, 2);
	assert_string_equal(
		place_list(&place, "Box"), "note:S note:FS note:ST note:S note:S note:S ");
	assert_string_equal(place_list(&place, "INBOX"), "other:ST ");
	purge_free(purge);
}

static void test_marks(void **state)
{
	struct purge *purge;

	(void)state;
	settings.uid_set = "4:5";
	settings.no_expunge = true;
	purge = plan();
	carry_out(purge);
	assert_int_equal(purge_row(purge, 0)->deleted, 2);
	assert_string_equal(place_list(&place, "Box"),
		"note:S note:FS note:ST note:ST note:ST note:S note:S note:S ");
	purge_free(purge);
}

/* One flagged meanwhile is spared, one that went is told, what came is in no plan. */
static void test_changed_meanwhile(void **state)
{
	struct purge *purge;

	(void)state;
	settings.without_flags = (struct text_list){ without, 1 };
	settings.has_max_delete = true;
	settings.max_delete = 7;
	settings.max_delete_percent = -1;
	purge = plan();
	assert_int_equal(purge_row(purge, 0)->chosen, 7);
	place_touch(&place, "Box", 4, "S", "FS");
	place_touch(&place, "Box", 5, "S", NULL);
	place_put(&place, "Box", "new", "S");
	carry_out(purge);
	assert_int_equal(purge_row(purge, 0)->deleted, 5);
	assert_int_equal(purge_row(purge, 0)->spared, 1);
	assert_int_equal(purge_row(purge, 0)->vanished, 1);
	assert_null(purge_row(purge, 0)->err);
	assert_string_equal(place_list(&place, "Box"), "note:FS note:FS new:S ");
	purge_free(purge);
}

/* The same name and the same UIDs, and other messages. */
static void test_made_anew(void **state)
{
	struct purge *purge;

	(void)state;
	settings.uid_set = "1:2";
	purge = plan();
	assert_int_equal(purge_row(purge, 0)->chosen, 2);
	place_renew(&place, "Box");
	for (size_t i = 0; i < 3; i++)
		place_put(&place, "Box", "new", "S");
	carry_out(purge);
	assert_int_equal(purge_row(purge, 0)->deleted, 0);
	assert_non_null(purge_row(purge, 0)->err);
	assert_non_null(strstr(purge_row(purge, 0)->err->text, "UIDVALIDITY"));
	assert_string_equal(place_list(&place, "Box"), "new:S new:S new:S ");
	purge_free(purge);
}

static int says_no(void *context, const char *question)
{
	assert_non_null(strstr(question, "delete 2 messages in 1 mailboxes"));
	++*(int *)context;
	return 0;
}

static void test_brake(void **state)
{
	struct err err = ERR_INIT;
	struct purge *purge = plan();
	int asked = 0;

	(void)state;
	/* all of a mailbox */
	assert_int_equal(purge_allow(purge, says_no, &asked, &err), -1);
	assert_int_equal(err.kind, ERR_KIND_SAFETY);
	purge_free(purge);
	/* two, and nobody says yes */
	settings.uid_set = "1:2";
	settings.yes = false;
	purge = plan();
	err = (struct err)ERR_INIT;
	assert_int_equal(purge_allow(purge, says_no, &asked, &err), -1);
	assert_int_equal(err.kind, ERR_KIND_SAFETY);
	assert_int_equal(asked, 1);
	err = (struct err)ERR_INIT;
	assert_int_equal(purge_allow(purge, NULL, NULL, &err), -1);
	assert_int_equal(err.kind, ERR_KIND_SAFETY);
	purge_free(purge);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_chosen, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_marks, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_changed_meanwhile, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_made_anew, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_brake, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
