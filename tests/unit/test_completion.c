/* What completion scripts are made of. That the shells read them is tests/e2e/test_cli.py's. */
#include "cli/completion.h"

#include "base/arena.h"
#include "base/must.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct option_shown find(const char *command, const char *name)
{
	struct option_shown option;

	assert_true(option_find(command_find(command), name, strlen(name), &option));
	return option;
}

static void test_values(void **state)
{
	static const struct {
		const char *command, *option;
		enum completion_value value;
		const char *choices;
	} rows[] = {
		{ "copy", "dry-run", COMPLETION_NOTHING, NULL },
		{ "copy", "progress", COMPLETION_CHOICE, "auto always never" },
		{ "copy", "match", COMPLETION_CHOICE, "auto message-id header: content" },
		{ "copy", "src-tls-verify", COMPLETION_CHOICE, "yes no" },
		{ "copy", "dst-pass-file", COMPLETION_FILE, NULL },
		{ "copy", "map", COMPLETION_FILE, NULL },
		{ "copy", "mailbox", COMPLETION_TEXT, NULL },
		{ "mirror", "attachments", COMPLETION_CHOICE, "no also only" },
		{ "list", "tls", COMPLETION_CHOICE, "implicit starttls none" },
	};
	struct arena *arena = arena_new();

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		const struct option_shown option = find(rows[i].command, rows[i].option);

		assert_int_equal(completion_value(&option), rows[i].value);
		if (rows[i].choices)
			assert_string_equal(completion_choices(&option, arena), rows[i].choices);
	}
	arena_free(arena);
}

static void test_words(void **state)
{
	struct arena *arena = arena_new();
	const struct command *command = NULL;

	(void)state;
	assert_string_equal(completion_words(command_find("copy"), arena), "");
	assert_string_equal(completion_words(command_find("completion"), arena), "bash zsh fish");
	assert_string_equal(completion_words(command_find("help"), arena),
		"copy mirror compare check list size search filter dedup purge trash mailbox run completion help");
	while ((command = completion_next(command)))
		assert_false(command->hidden);
	arena_free(arena);
}

static void test_quoted(void **state)
{
	struct arena *arena = arena_new();

	(void)state;
	assert_string_equal(completion_quoted("don't", "", arena), "'don'\\''t'");
	assert_string_equal(completion_quoted("a[b]:c", "[]:", arena), "'a\\[b\\]\\:c'");
	assert_string_equal(completion_quoted("", "", arena), "''");
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_quoted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
