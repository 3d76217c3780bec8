/* The command line: every way to write an option, every way to get it wrong, files of arguments, jobs of the configuration. */
#include "cli/options.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/must.h"
#include "cli/arguments.h"
#include "cli/closest.h"
#include "cli/cmd.h"
#include "mail/date.h"

#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#define WORDS_MAX 32

struct call { /* one call of the program */
	struct arena *arena;
	struct cli cli;
	struct err err;
	int rc;
};

static char directory[] = "/tmp/mailhaul-options-XXXXXX";

/* The words stand between blanks; '_' stands for a blank inside one. */
static void call(struct call *call, const char *line)
{
	char text[2048], *argv[WORDS_MAX + 1] = { (char[]){ "mailhaul" } };
	struct arguments arguments;
	int argc = 1;

	snprintf(text, sizeof(text), "%s", line);
	for (char *at = text; *at;) {
		char *end = at + strcspn(at, " ");

		assert_true(argc < WORDS_MAX);
		argv[argc++] = at;
		at = *end ? end + 1 : end;
		*end = 0;
		for (char *blank = argv[argc - 1]; (blank = strchr(blank, '_'));)
			*blank = ' ';
	}
	call->arena = arena_new();
	call->err = ERR_INIT;
	cli_init(&call->cli, call->arena);
	arguments_take(&arguments, call->arena, argc, argv);
	call->rc = options_parse(&call->cli, &arguments, &call->err);
}

static void hang_up(struct call *call)
{
	config_free(call->cli.config);
	arena_free(call->arena);
}

static void write_file(const char *name, const char *text)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void test_forms(void **state)
{
	static const char *const lines[] = {
		"copy --mailbox=A --limit=5 -n -j4 src dst",
		"copy --mailbox A --limit 5 -n -j 4 src dst",
		"copy -mA --limit 5 -nj4 src dst",
		"copy src -m A dst -nj 4 --limit=5",
		"-n --jobs=4 copy src dst -mA --limit=5",
		"--dry-run copy -j4 --limit=5 -mA -- src dst",
		"copy --limit=7 --limit=5 --dry-run=no --dry-run=yes -mA -j4 src dst",
	};

	(void)state;
	for (size_t i = 0; i < countof(lines); i++) {
		struct call one;

		call(&one, lines[i]);
		assert_string_equal(one.err.text, "");
		assert_int_equal(one.rc, 0);
		assert_string_equal(one.cli.command->name, "copy");
		assert_int_equal(one.cli.locations, 2);
		assert_string_equal(one.cli.location[0], "src");
		assert_string_equal(one.cli.location[1], "dst");
		assert_int_equal(one.cli.settings.mailboxes.count, 1);
		assert_string_equal(one.cli.settings.mailboxes.item[0], "A");
		assert_int_equal(one.cli.settings.limit, 5);
		assert_int_equal(one.cli.settings.jobs, 4);
		assert_true(one.cli.settings.dry_run);
		hang_up(&one);
	}
}

static void test_values(void **state)
{
	struct call one;
	const struct settings *s = &one.cli.settings;

	(void)state;
	call(&one, "copy --since=2024-02-01 --before 1-Mar-2024 --larger=10k --smaller=1MiB "
		   "--rate=2.5 --bandwidth=2M/s "
		   "--timeout=2m --retries=0 --max-delete=12.5% --delete-source "
		   "--match=header:Message-ID,Date "
		   "--flags-on-update=keep --wrap-lines --add-flags=\\Seen --add-flags=$Work_x "
		   "--state=none src dst");
	assert_string_equal(one.err.text, "");
	assert_int_equal(s->since, 1706745600);
	assert_string_equal(s->since_day, "1-Feb-2024");
	assert_string_equal(s->before_day, "1-Mar-2024");
	assert_int_equal(s->sent_since, DATE_UNKNOWN);
	assert_int_equal(s->larger, 10000);
	assert_int_equal(s->smaller, 1048576);
	assert_true(s->rate > 2.49 && s->rate < 2.51);
	assert_int_equal(s->bandwidth, 2000000);
	assert_int_equal(s->timeout_ms, 120000);
	assert_int_equal(s->retries, 0);
	assert_true(
		s->has_max_delete && s->max_delete_percent > 12.4 && s->max_delete_percent < 12.6);
	assert_int_equal(s->match, MATCH_HEADER);
	assert_int_equal(s->match_headers.count, 2);
	assert_string_equal(s->match_headers.item[1], "Date");
	assert_int_equal(s->flags_on_update, FLAGS_KEEP);
	assert_int_equal(s->wrap_lines, 998);
	assert_string_equal(s->add_flags, "\\Seen $Work x");
	assert_true(s->no_state);
	assert_null(s->state_dir);
	hang_up(&one);

	call(&one, "copy --max-delete=7 --delete-source --wrap-lines=500 --state=/x --retries=3 "
		   "src dst");
	assert_string_equal(one.err.text, "");
	assert_int_equal(s->max_delete, 7);
	assert_true(s->max_delete_percent < 0);
	assert_int_equal(s->wrap_lines, 500);
	assert_string_equal(s->state_dir, "/x");
	hang_up(&one);
}

static void test_account_keys(void **state)
{
	struct call one;

	(void)state;
	call(&one, "copy --src-port=144 --dst-tls=none --src-tls-pin=a --src-tls-pin b src dst");
	assert_string_equal(one.err.text, "");
	assert_string_equal(one.cli.account[0].value[ACCOUNT_PORT], "144");
	assert_string_equal(one.cli.account[0].value[ACCOUNT_TLS_PIN], "a,b");
	assert_null(one.cli.account[1].value[ACCOUNT_PORT]);
	assert_string_equal(one.cli.account[1].value[ACCOUNT_TLS], "none");
	hang_up(&one);

	call(&one, "list --port=144 --timeout=5 loc");
	assert_string_equal(one.err.text, "");
	assert_string_equal(one.cli.account[0].value[ACCOUNT_PORT], "144");
	assert_true(one.cli.account_given);
	assert_int_equal(one.cli.settings.timeout_ms, 5000);
	hang_up(&one);
}

/* Without a side they are the destination's, and the last one counts. */
static void test_file_keys(void **state)
{
	struct call one;

	(void)state;
	call(&one,
		"copy --dst-ext=x --layout fs --variant=mboxrd,status --ext=msg --name-by=number "
		"--attachments only --owner=a:b src dst");
	assert_string_equal(one.err.text, "");
	assert_string_equal(one.cli.account[1].value[ACCOUNT_LAYOUT], "fs");
	assert_string_equal(one.cli.account[1].value[ACCOUNT_VARIANT], "mboxrd,status");
	assert_string_equal(one.cli.account[1].value[ACCOUNT_EXT], "msg");
	assert_string_equal(one.cli.account[1].value[ACCOUNT_NAME_BY], "number");
	assert_string_equal(one.cli.account[1].value[ACCOUNT_ATTACHMENTS], "only");
	assert_string_equal(one.cli.account[1].value[ACCOUNT_OWNER], "a:b");
	assert_null(one.cli.account[0].value[ACCOUNT_OWNER]);
	hang_up(&one);

	call(&one, "mirror --owner=a --dst-owner=b --src-owner=c src dst");
	assert_string_equal(one.cli.account[0].value[ACCOUNT_OWNER], "c");
	assert_string_equal(one.cli.account[1].value[ACCOUNT_OWNER], "b");
	hang_up(&one);
}

static void test_mistakes(void **state)
{
	static const struct {
		const char *line, *text; /* part of what is said */
	} rows[] = {
		{ "", "which command?" },
		{ "copi a b", "did you mean copy?" },
		{ "sync a b", "sync is not there yet" },
		{ "frobnicate", "there is no command \"frobnicate\"" },
		{ "copy a", "copy needs SRC DST" },
		{ "copy a b c", "\"c\" is one too many" },
		{ "copy --exlude=x a b", "did you mean --exclude?" },
		{ "copy --excl=x a b", "did you mean --exclude" },
		{ "copy --src-pasfile=x a b", "did you mean --src-pass-file?" },
		{ "list --rename=s/a/b/ a", "no option of list (copy has it)" },
		{ "--mailbox=x list a", "belongs behind the command" },
		{ "copy --delete-extra --delete-source a b", "the next run would delete" },
		{ "mirror --delete-source a b", "the next run would delete" },
		{ "mirror --uid 1:5 a b", "UIDs tell nothing" },
		{ "mirror --delete-mailboxes --into X a b", "all mailboxes but one" },
		{ "copy --delete-source-mailboxes a b",
			"only means something with --delete-source" },
		{ "mirror --delete-extra=no --no-expunge a b", "only means something with" },
		{ "copy --users-format=pop3 a b", "only means something with --users" },
		{ "copy --users=f --users-format=commas a b",
			"one of escaped migrate single blank pop3 maildir" },
		{ "copy -z a b", "there is no option -z" },
		{ "copy -dry-run a b", "long options begin with --" },
		{ "copy a b --since", "--since: needs a value: --since=DATE" },
		{ "copy a b -m", "-m: needs a value" },
		{ "copy --since --before=3d a b", "--since: needs a value" },
		{ "copy --since=yesterday a b", "--since: not a date" },
		{ "copy --larger=big a b", "--larger: \"big\" is not a size" },
		{ "copy --larger=0 a b", "--larger: \"0\" is not a size of 1 octet or more" },
		{ "copy --timeout=soon a b", "--timeout: \"soon\" is not a time" },
		{ "copy --limit=0 a b", "--limit: \"0\" is not a number from 1 up" },
		{ "copy --jobs=65 a b", "from 1 to 64" },
		{ "copy --rate=1e3 a b", "--rate: \"1e3\" is not a number above 0" },
		{ "copy --rate=nan a b", "is not a number above 0" },
		{ "copy --progress=maybe a b", "one of auto always never" },
		{ "copy --match=subject a b", "one of auto, message-id, header:NAMES, content" },
		{ "copy --match=header: a b", "wants names" },
		{ "copy --max-delete=110% --delete-source a b", "a part from 0% to 100%" },
		{ "copy --max-delete=x --delete-source a b", "a number of messages" },
		{ "copy --uid=0 a b", "is not a set of UIDs" },
		{ "copy --include-regex=( a b", "--include-regex:" },
		{ "copy --rename=s/(/x/ a b", "--rename:" },
		{ "copy --flag=\\Foo a b", "\"\\Foo\" is not a flag" },
		{ "copy --flag=a(b a b", "is not a flag" },
		{ "copy --mailbox= a b", "--mailbox: the value is empty" },
		{ "copy --dry-run=perhaps a b", "is not yes or no" },
		{ "copy -v --verbose=yes a b", "takes no value" },
		{ "copy --wrap-lines=10 a b", "a line length of 40 octets or more" },
		{ "copy --seen --unseen a b", "--seen and --unseen" },
		{ "copy -q -v a b", "--quiet and --verbose" },
		{ "copy --root=a --into=b a b", "--root and --into" },
		{ "copy --delete-source --headers-only a b", "lose the bodies" },
		{ "copy --no-expunge a b", "only means something with --delete-source" },
		{ "copy --src-oauth=google a b", "use --src-token-cmd" },
		{ "help copy list", "\"list\" is one too many" },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		struct call one;

		call(&one, rows[i].line);
		if (!strstr(one.err.text, rows[i].text))
			fail_msg("\"%s\" gives \"%s\", not \"%s\"", rows[i].line, one.err.text,
				rows[i].text);
		assert_int_equal(one.rc, -1);
		assert_int_equal(one.err.kind, ERR_KIND_USAGE);
		hang_up(&one);
	}
}

/* Asking for help is answered, whatever else is missing. */
static void test_help(void **state)
{
	static const char *const lines[] = { "copy --help", "--help", "-h", "--help copy",
		"copy -h a", "run --help" };
	struct call one;

	(void)state;
	for (size_t i = 0; i < countof(lines); i++) {
		call(&one, lines[i]);
		assert_int_equal(one.rc, 0);
		assert_true(one.cli.help);
		hang_up(&one);
	}
}

static void test_files(void **state)
{
	char line[1024];
	struct call one;

	(void)state;
	write_file("inner", "\xef\xbb\xbf--limit\r\n5\r\n\r\nsrc\r\n");
	snprintf(line, sizeof(line), "copy\n-m\na b\n@%s/inner\n", directory);
	write_file("outer", line);
	snprintf(line, sizeof(line), "@%s/outer dst --search=@not-a-file", directory);
	call(&one, line);
	assert_string_equal(one.err.text, "");
	assert_string_equal(one.cli.settings.mailboxes.item[0], "a b");
	assert_string_equal(one.cli.settings.search, "@not-a-file");
	assert_int_equal(one.cli.settings.limit, 5);
	assert_string_equal(one.cli.location[0], "src");
	assert_string_equal(one.cli.location[1], "dst");
	hang_up(&one);

	call(&one, "copy src -- @dst");
	assert_string_equal(one.err.text, "");
	assert_string_equal(one.cli.location[1], "@dst");
	hang_up(&one);
}

static void test_bad_files(void **state)
{
	char line[1024];
	struct call one;

	(void)state;
	snprintf(line, sizeof(line), "@%s/missing", directory);
	call(&one, line);
	assert_int_equal(one.err.kind, ERR_KIND_USAGE);
	assert_non_null(strstr(one.err.text, "missing"));
	hang_up(&one);

	snprintf(line, sizeof(line), "x\n@%s/loop\n", directory);
	write_file("loop", line);
	snprintf(line, sizeof(line), "@%s/loop", directory);
	call(&one, line);
	assert_non_null(strstr(one.err.text, "more than 8 deep"));
	hang_up(&one);

	write_file("wrong", "copy\n--exlude=x\n");
	snprintf(line, sizeof(line), "@%s/wrong", directory);
	call(&one, line);
	assert_non_null(strstr(one.err.text, "wrong line 2: there is no option --exlude"));
	hang_up(&one);
}

/* What the command line says wins over the job, wherever it stands. */
static void test_jobs(void **state)
{
	struct call one;

	(void)state;
	write_file("config", "[account old]\nlocation = imaps://anna@old.example\n\n"
			     "[job nightly]\ncommand = copy\nsource = old\ndestination = "
			     "imaps://anna@new.example\n"
			     "dry-run = yes\nretries = 5\nlimit = 5\nexclude = Trash\n\n"
			     "[job again]\ncommand = run\nlocation = nightly\n");

	char line[1024];
	snprintf(line, sizeof(line),
		"--retries=7 run nightly --dry-run=no -x Junk --config=%s/config", directory);
	call(&one, line);
	assert_string_equal(one.err.text, "");
	assert_string_equal(one.cli.command->name, "copy");
	assert_string_equal(one.cli.location[0], "old");
	assert_string_equal(one.cli.location[1], "imaps://anna@new.example");
	assert_int_equal(one.cli.settings.retries, 7);
	assert_int_equal(one.cli.settings.limit, 5);
	assert_false(one.cli.settings.dry_run);
	assert_int_equal(one.cli.settings.exclude.count, 2);
	hang_up(&one);

	static const struct {
		const char *tail, *text;
	} wrong[] = {
		{ "run", "run needs NAME" },
		{ "run weekly", "there is no [job weekly]" },
		{ "run again", "names none that can be run" },
		{ "run nightly third", "\"third\" is one too many" },
	};
	for (size_t i = 0; i < countof(wrong); i++) {
		snprintf(line, sizeof(line), "--config=%s/config %s", directory, wrong[i].tail);
		call(&one, line);
		assert_int_equal(one.err.kind, ERR_KIND_USAGE);
		if (!strstr(one.err.text, wrong[i].text))
			fail_msg("\"%s\" gives \"%s\"", line, one.err.text);
		hang_up(&one);
	}
}

/* Passwords leave argv's memory before anything else happens. */
static void test_password_wiped(void **state)
{
	char location[] = "imaps://anna:hunter2@old.example", plain[] = "--search=FROM:x@y";
	char *argv[] = { (char[]){ "mailhaul" }, location, plain, NULL };
	struct arguments arguments;
	struct arena *arena = arena_new();

	(void)state;
	arguments_take(&arguments, arena, 3, argv);
	assert_null(strstr(location, "hunter2"));
	assert_string_equal(plain, "--search=FROM:x@y");
	assert_string_equal(arguments.token[0].text, "imaps://anna:hunter2@old.example");
	arena_free(arena);
}

static void test_closest(void **state)
{
	static const struct {
		const char *word, *best;
	} rows[] = { { "exlude", "exclude" }, { "exclued", "exclude" }, { "mail", "mailbox" },
		{ "zzzz", NULL }, { "", NULL }, { "xx", NULL },
		{ "a-word-that-is-far-too-long-to-be-looked-at-by-anybody-who-has-sense", NULL } };

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		struct closest closest;

		closest_begin(&closest, rows[i].word, strlen(rows[i].word));
		closest_try(&closest, "exclude");
		closest_try(&closest, "mailbox");
		assert_int_equal(closest_found(&closest), rows[i].best != NULL);
		if (rows[i].best)
			assert_string_equal(closest.best, rows[i].best);
	}
}

static void check_row(const struct command *command, const struct option_shown *option)
{
	struct option_shown again;

	assert_true(*option->help);
	assert_int_not_equal(option->help[strlen(option->help) - 1], '.');
	assert_true(option_find(command, option->name, strlen(option->name), &again));
	assert_true(again.option == option->option && again.key == option->key &&
		    again.side == option->side);
	if (option->letter) {
		assert_true(option_find_letter(command, option->letter, &again));
		assert_true(again.option == option->option);
	}
	if (!option->option)
		return;
	const enum option_kind kind = option->option->kind;
	assert_int_equal(!option->value, kind == OPTION_SWITCH || kind == OPTION_REPEATED);
	if (kind == OPTION_CHOICE)
		assert_non_null(option->choices);
	if (kind == OPTION_OTHER)
		assert_non_null(option->option->take);
}

/* No name and no letter twice, and each option has what its kind needs. */
static void test_tables(void **state)
{
	(void)state;
	for (size_t i = 0; commands[i]; i++) {
		struct option_walk walk;
		struct option_shown option;
		size_t count = 0;

		for (option_walk_begin(&walk, commands[i], false); option_walk_next(&walk, &option);
			count++)
			check_row(commands[i], &option);
		assert_true(count >= 21);
	}
}

static int make_directory(void **state)
{
	(void)state;
	return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
	static const char *const names[] = { "inner", "outer", "loop", "wrong", "config" };
	char path[256];

	(void)state;
	for (size_t i = 0; i < countof(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
		unlink(path);
	}
	return rmdir(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_account_keys),
		cmocka_unit_test(test_file_keys),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_help),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_bad_files),
		cmocka_unit_test(test_jobs),
		cmocka_unit_test(test_password_wiped),
		cmocka_unit_test(test_closest),
		cmocka_unit_test(test_tables),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
