/* USER[:GROUP] by name and by number, and what is neither. */
#include "store/owner.h"

#include "base/err.h"
#include "base/must.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void test_find(void **state)
{
	static const struct {
		const char *text;
		uint32_t user, group;
	} cases[] = {
		{ NULL, OWNER_SAME, OWNER_SAME },
		{ "root", 0, 0 },
		{ "root:", 0, 0 },
		{ "0", 0, OWNER_SAME },
		{ "root:daemon", 0, 1 },
		{ ":daemon", OWNER_SAME, 1 },
		{ "0:4242", 0, 4242 },
	};

	(void)state;
	if (geteuid() != 0)
		skip();
	for (size_t i = 0; i < countof(cases); i++) {
		struct err err = ERR_INIT;
		struct owner owner;

		assert_int_equal(owner_find(cases[i].text, &owner, &err), 0);
		assert_int_equal(owner.user, cases[i].user);
		assert_int_equal(owner.group, cases[i].group);
	}
}

static void test_nobody(void **state)
{
	static const char *const texts[] = { "no-such-user", "root:no-such-group", "-1",
		"4294967296", ":x y" };

	(void)state;
	for (size_t i = 0; i < countof(texts); i++) {
		struct err err = ERR_INIT;
		struct owner owner;

		assert_int_equal(owner_find(texts[i], &owner, &err), -1);
		assert_int_equal(err.kind, ERR_KIND_USAGE);
		assert_non_null(strstr(err.text, "USER[:GROUP]"));
	}
}

static void test_give(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(owner_give((struct owner){ OWNER_SAME, OWNER_SAME }, -1, &err), 0);
	assert_int_equal(owner_give((struct owner){ geteuid(), OWNER_SAME }, -1, &err), -1);
	assert_int_equal(err.scope, ERR_LOCAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_nobody),
		cmocka_unit_test(test_give),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
