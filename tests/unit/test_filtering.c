/* filter on real accounts: which rule gets a message, where it ends up, and what is left alone when mailboxes change between the decision and the deed. */
#include "maildir_fixture.h"

#include "ops/filtering.h"
#include "ops/rules.h"

static struct place place;
static struct settings settings;
static struct account *far[1];

static int set_up(void **state)
{
	(void)state;
	place_open(&place, "here");
	place_make(&place, "Work");
	place_put(&place, "INBOX", "invoice 1", "S");
	place_put(&place, "INBOX", "invoice plan", "F");
	place_put(&place, "INBOX", "other", "ST");
	place_put(&place, "Work", "invoice 2", "S");
	settings_init(&settings);
	settings.settle_ms = 1;
	far[0] = place_account(&place, "there");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	account_free(far[0]);
	place_close(&place);
	return 0;
}

static struct rules *rules_of(const char *text)
{
	struct err err = ERR_INIT;
	struct rules *rules = rules_parse("rules", span_of(text), 0, &err);

	if (!rules)
		fail_msg("%s", err.text);
	return rules;
}

static struct filtering *decide(const struct rules *rules, bool first_match)
{
	const struct filter_request request = { .settings = &settings,
		.rules = rules,
		.account = place.account,
		.place = far,
		.state_dir = place.state,
		.first_match = first_match };
	struct err err = ERR_INIT;
	struct filtering *filtering = filtering_open(&request, &err);

	if (!filtering || filtering_decide(filtering, &err) < 0)
		fail_msg("%s", err.text);
	return filtering;
}

static struct filter_counts sum(const struct filtering *filtering)
{
	struct filter_counts sum = { 0 };

	for (size_t i = 0; i < filtering_count(filtering); i++) {
		const struct filter_box *box = filtering_box(filtering, i);

		for (size_t k = 0; k < box->parts; k++) {
			const struct filter_counts *more = &box->part[k].counts;

			sum.found += more->found;
			sum.moved += more->moved;
			sum.copied += more->copied;
			sum.there += more->there;
			sum.stayed += more->stayed;
			sum.gone += more->gone;
			sum.failed += more->failed;
			sum.unknown += more->unknown;
		}
	}
	assert_int_equal(sum.found, sum.moved + sum.copied + sum.there + sum.stayed + sum.gone +
					    sum.failed + sum.unknown);
	return sum;
}

static struct filter_counts carry_out(struct filtering *filtering)
{
	struct err err = ERR_INIT;

	if (filtering_carry_out(filtering, &err) < 0)
		fail_msg("%s", err.text);
	return sum(filtering);
}

static struct filter_counts run(const char *text, bool first_match)
{
	struct rules *rules = rules_of(text);
	struct filtering *filtering = decide(rules, first_match);
	const struct filter_counts counts = carry_out(filtering);

	filtering_free(filtering);
	rules_free(rules);
	return counts;
}

static const char *there(const char *mailbox)
{
	return place_list_of(&place, arena_print(place.arena, "%s/there/%s", place.top, mailbox));
}

/* Which UIDs of INBOX go where. */
static void check_targets(const char *text, bool first_match, const char *expected)
{
	struct rules *rules = rules_of(text);
	struct filtering *filtering = decide(rules, first_match);
	const char *found = "";

	for (size_t i = 0; i < filtering_count(filtering); i++) {
		const struct filter_box *box = filtering_box(filtering, i);

		assert_true(box->decided);
		for (size_t k = 0; k < box->parts; k++)
			for (uint64_t n = 0; n < uidset_size(&box->part[k].uids); n++)
				found = arena_print(place.arena, "%s%s/%u:%s%s ", found,
					box->mailbox, uidset_at(&box->part[k].uids, n),
					box->part[k].target, box->part[k].stays ? "(stays)" : "");
	}
	assert_string_equal(found, expected);
	filtering_free(filtering);
	rules_free(rules);
}

static void test_decides(void **state)
{
	static const char two[] = "Subject\tinvoice\tINBOX\tA\nSubject\tplan\tINBOX\tB\n";

	(void)state;
	check_targets(two, false, "INBOX/1:A INBOX/2:B ");
	check_targets(two, true, "INBOX/1:A INBOX/2:A ");
	/* The second takes nothing, but Work has to be looked at for it. */
	check_targets("Subject\tinvoice\t*\tWork\nSubject\tnothing\tWork\tA\n", false,
		"INBOX/1:Work INBOX/2:Work Work/1:Work(stays) ");
	check_targets("Flags\tFlagged\t*\tA\nSubject\tnothing\t*\tB\n", false, "INBOX/2:A ");
	/* Nothing was changed by all that. */
	assert_string_equal(place_list(&place, "INBOX"), "invoice 1:S invoice plan:F other:ST ");
	assert_string_equal(place_list(&place, "A"), "-");
}

/* A rule that leads on from where another leads to does not see what is only just moved; what others marked as deleted stays. */
static void test_moves(void **state)
{
	struct filter_counts counts = run(
		"Subject\tinvoice\tINBOX\tWork\nSubject\tinvoice\tWork\tDone\nSubject\tplan\tINBOX\tDone\n",
		false);

	(void)state;
	assert_int_equal(counts.moved, 3);
	assert_string_equal(place_list(&place, "INBOX"), "other:ST ");
	assert_string_equal(place_list(&place, "Work"), "invoice 1:S ");
	assert_int_equal(strlen(place_list(&place, "Done")), strlen("invoice 2:S invoice plan:F "));
}

static void test_copies_once(void **state)
{
	static const char rule[] = "Subject\tinvoice\tINBOX\tCopies\tcopy\n";

	(void)state;
	assert_int_equal(run(rule, false).copied, 2);
	assert_int_equal(run(rule, false).there, 2);
	assert_string_equal(place_list(&place, "Copies"), "invoice 1:S invoice plan:F ");
	assert_string_equal(place_list(&place, "INBOX"), "invoice 1:S invoice plan:F other:ST ");
}

/* To another place: moved by one rule, copied by the other, each to its own mailbox and to that of the same name. */
static void test_far(void **state)
{
	const char *rules = arena_print(place.arena,
		"RemoteServer: far = maildir:%s/there\nSubject\tinvoice\tINBOX\tfar:Bills\nSubject\tplan\tINBOX\tfar:Bills\n"
		"Subject\tinvoice\tWork\tfar:*\tcopy\n",
		place.top);
	struct filter_counts counts = run(rules, false);

	(void)state;
	assert_int_equal(counts.moved, 2);
	assert_int_equal(counts.copied, 1);
	assert_string_equal(there(".Bills"), "invoice 1:S invoice plan:F ");
	assert_string_equal(there(".Work"), "invoice 2:S ");
	assert_string_equal(place_list(&place, "INBOX"), "other:ST ");
	assert_string_equal(place_list(&place, "Work"), "invoice 2:S ");
	counts = run(rules, false);
	assert_int_equal(counts.there, 1);
	assert_int_equal(counts.found, 1);
}

/* Work is removed and made anew after the decision: its UIDs are those of other messages, wherever they were to go. */
static void test_made_anew(void **state)
{
	const char *targets[] = { "Done", "far:Done" };

	(void)state;
	for (size_t i = 0; i < countof(targets); i++) {
		struct rules *rules = rules_of(arena_print(place.arena,
			"RemoteServer: far = maildir:%s/there\nSubject\tinvoice\tWork\t%s\nSubject\tplan\tINBOX\t%s\n",
			place.top, targets[i], targets[i]));
		struct filtering *filtering = decide(rules, false);
		struct filter_counts counts;
		const char *error;

		place_renew(&place, "Work");
		place_put(&place, "Work", "letter", "S");
		counts = carry_out(filtering);
		assert_int_equal(counts.moved, i == 0);
		assert_int_equal(counts.failed, 1);
		assert_int_equal(counts.gone, 0);
		assert_string_equal(place_list(&place, "Work"), "letter:S ");
		error = filtering_box(filtering, filtering_count(filtering) - 1)->err ? "told"
										      : NULL;
		assert_true(error || filtering_code(filtering) == 3);
		filtering_free(filtering);
		rules_free(rules);
		/* again, for the other target */
		place_renew(&place, "Work");
		place_put(&place, "Work", "invoice 2", "S");
	}
	assert_string_equal(place_list(&place, "Done"), "invoice plan:F ");
	assert_string_equal(there(".Done"), "");
}

/* What somebody took away after the decision is gone, and only that. */
static void test_gone_meanwhile(void **state)
{
	struct rules *rules = rules_of("Subject\tinvoice\tINBOX\tDone\n");
	struct filtering *filtering = decide(rules, false);
	struct filter_counts counts;

	(void)state;
	place_touch(&place, "INBOX", 1, "S", NULL);
	counts = carry_out(filtering);
	assert_int_equal(counts.moved, 1);
	assert_int_equal(counts.gone, 1);
	assert_string_equal(place_list(&place, "Done"), "invoice plan:F ");
	filtering_free(filtering);
	rules_free(rules);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_decides, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_moves, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_copies_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_far, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_made_anew, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_gone_meanwhile, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
