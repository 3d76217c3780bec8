/* How much may go without being asked for. */
#include "ops/brake.h"

#include "base/err.h"
#include "base/must.h"
#include "ops/job.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static bool is_allowed(
	const struct settings *settings, uint64_t going, uint64_t found, uint64_t left)
{
	const struct loss losses[] = { { "A", going, found, left }, { "B", 0, 0, 0 } };
	struct err err = ERR_INIT;
	int rc = brake_check(settings, "source", losses, countof(losses), &err);

	assert_true(rc == 0 || err.kind == ERR_KIND_SAFETY);
	return rc == 0;
}

static void test_unasked(void **state)
{
	static const struct {
		uint64_t going, found, left;
		bool allowed;
	} rows[] = {
		{ 0, 0, 0, true },
		{ 1, 1, 0, false }, /* the last one */
		{ 1, 1, 1, true }, /* but another came */
		{ 10, 11, 1, true },
		{ 11, 40, 29, false }, /* the account: more than 10 % */
		{ 11, 110, 99, true },
		{ 12, 110, 98, false },
		{ 100, 1000, 900, true },
		{ 101, 1000, 899, false },
	};
	struct settings settings;

	(void)state;
	settings_init(&settings);
	for (size_t i = 0; i < countof(rows); i++)
		assert_int_equal(is_allowed(&settings, rows[i].going, rows[i].found, rows[i].left),
			rows[i].allowed);
}

/* A mailbox may not lose a quarter, though the account is large; beyond the first ten. */
static void test_one_of_many(void **state)
{
	struct loss losses[] = { { "A", 20, 40, 20 }, { "B", 0, 10000, 10000 } };
	struct settings settings;
	struct err err = ERR_INIT;

	(void)state;
	settings_init(&settings);
	assert_int_equal(brake_check(&settings, "source", losses, 2, &err), 0);
	losses[0].going = 21;
	assert_int_equal(brake_check(&settings, "source", losses, 2, &err), -1);
	assert_non_null(strstr(err.text, "A would lose 21 of 40"));
}

static void test_asked(void **state)
{
	struct settings settings;

	(void)state;
	settings_init(&settings);
	settings.has_max_delete = true;
	settings.max_delete = 5;
	assert_true(is_allowed(&settings, 5, 5, 0));
	assert_false(is_allowed(&settings, 6, 1000, 994));
	settings.max_delete_percent = 50;
	assert_true(is_allowed(&settings, 5, 10, 5));
	assert_false(is_allowed(&settings, 6, 10, 4));
	settings.max_delete_percent = 0;
	assert_false(is_allowed(&settings, 1, 1000, 999));
}

static int answer(void *context, const char *question)
{
	(void)question;
	return *(int *)context;
}

static void test_question(void **state)
{
	struct settings settings;
	int says = 0;
	struct err err = ERR_INIT;

	(void)state;
	settings_init(&settings);
	assert_int_equal(brake_confirm(&settings, NULL, NULL, "?", &err), -1);
	assert_int_equal(brake_confirm(&settings, answer, &says, "?", &err), -1);
	says = -1; /* no terminal */
	assert_int_equal(brake_confirm(&settings, answer, &says, "?", &err), -1);
	says = 1;
	assert_int_equal(brake_confirm(&settings, answer, &says, "?", &err), 0);
	settings.yes = true;
	says = 0;
	assert_int_equal(brake_confirm(&settings, answer, &says, "?", &err), 0);
	settings.yes = false;
	settings.dry_run = true; /* nothing is asked */
	assert_int_equal(brake_confirm(&settings, NULL, NULL, "?", &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unasked),
		cmocka_unit_test(test_one_of_many),
		cmocka_unit_test(test_asked),
		cmocka_unit_test(test_question),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
