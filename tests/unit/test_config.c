/* The configuration file: what it says, and each mistake with its line. */
#include "store/account.h"

#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

static struct config *read_text(const char *text, struct err *err)
{
	return config_read(span_of(text), "conf", err);
}

static void accounts_and_jobs_are_read(void **state)
{
	static const char text[] =
		"\xEF\xBB\xBF# mine\r\n"
		"[account work]\r\n"
		"location = imaps://anna%40x@old.example/Root\r\n"
		"pass-cmd = pass show work ; true   # not a comment\r\n"
		"  timeout=2m\n"
		"\n"
		"[account a-name-that-is-longer-than-the-fifty-octets-inih-keeps@example.com]\n"
		"host: other.example\n"
		"[job nightly]\n"
		"; nor is this\n"
		"source = work/INBOX\n"
		"command = copy\n"
		"jobs = 4\n"
		"dry-run\n"
		"rename = s/a=b/c/\n"
		"destination = maildir:/x\n"
		"exclude =\n";
	const char *const arguments[] = { "--jobs=4", "--dry-run", "--rename=s/a=b/c/",
		"--exclude=", "work/INBOX", "maildir:/x" };
	struct err err = ERR_INIT;
	struct config *config = read_text(text, &err);
	const char *location = "";

	(void)state;
	if (!config)
		fail_msg("%s", err.text);

	const struct account_values *values = config_account(config, "work", &location);
	assert_non_null(values);
	assert_string_equal(location, "imaps://anna%40x@old.example/Root");
	assert_string_equal(
		values->value[ACCOUNT_PASS_CMD], "pass show work ; true   # not a comment");
	assert_string_equal(values->value[ACCOUNT_TIMEOUT], "2m");
	assert_null(values->value[ACCOUNT_HOST]);

	values = config_account(config,
		"a-name-that-is-longer-than-the-fifty-octets-inih-keeps@example.com", &location);
	assert_non_null(values);
	assert_null(location);
	assert_string_equal(values->value[ACCOUNT_HOST], "other.example");
	assert_null(config_account(config, "Work", &location));
	assert_string_equal(config_account_near(config, "wrk"), "work");
	assert_null(config_account_near(config, "something else"));

	const struct config_job *job = config_job(config, "nightly");
	assert_non_null(job);
	assert_string_equal(job->command, "copy");
	assert_int_equal(job->count, countof(arguments));
	for (size_t i = 0; i < countof(arguments); i++)
		assert_string_equal(job->arguments[i], arguments[i]);
	assert_null(config_job(config, "daily"));
	config_free(config);
}

static void each_mistake_has_its_line(void **state)
{
	static const struct {
		const char *text, *start, *part;
	} rows[] = {
		{ "user = x\n", "conf:1: ", "before the first" },
		{ "\n[acount a]\n", "conf:2: ", "did you mean account" },
		{ "[xyzzy plugh]\n", "conf:1: ", "unknown section xyzzy: [account NAME]" },
		{ "[account]\n", "conf:1: ", "no name" },
		{ "[account  ]", "conf:1: ", "no name" },
		{ "[]", "conf:1: ", "unknown section" },
		{ "[", "conf:1: ", "not closed" },
		{ "[account a\n", "conf:1: ", "not closed" },
		{ "[account a] # x\n", "conf:1: ", "not closed" },
		{ "[account a/b]\n", "conf:1: ", "holds no" },
		{ "[account .a]\n", "conf:1: ", "does not begin" },
		{ "[account a]\n[account b]\n[account a]\n", "conf:3: ", "already" },
		{ "[job a]\ncommand = list\n[job a]\n", "conf:3: ", "already" },
		{ "[account a]\n\n\nusr = x\n", "conf:4: ", "did you mean user" },
		{ "[account a]\nlocatoin = x\n", "conf:2: ", "did you mean location" },
		{ "[account a]\nbogosity = x\n", "conf:2: ", "unknown key bogosity" },
		{ "[account a]\n\x1b[31m = x\n", "conf:2: ", "control" },
		{ "[account a]\nuser = x\nhost = h\nuser = y\n", "conf:4: ", "first in line 2" },
		{ "[account a]\nport = 0\n", "conf:2: ", "1 to 65535" },
		{ "[account a]\ntls = ssl\n", "conf:2: ", "one of implicit|starttls|none" },
		{ "[account a]\nhost =\n", "conf:2: ", "empty" },
		{ "[account a]\nuser\n", "conf:2: ", "KEY = VALUE" },
		{ "[account a]\n= x\n", "conf:2: ", "key before the '='" },
		{ "[account a]\npass-file = x\nuser = u\ntoken-cmd = y\n",
			"conf:4: ", "both name a secret" },
		{ "[account a]\nproxy-pass-file = x\nproxy-pass-cmd = y\n",
			"conf:3: ", "both name a secret" },
		{ "[account a]\nlocation = imaps://u:sesame@h\n", "conf:2: ", "no passwords" },
		{ "[account a]\nlocation = b\n", "conf:2: ", "does not refer" },
		{ "[account a]\nlocation = imaps://u@h:x\n", "conf:2: ", "location: the port" },
		{ "[account a]\nlocation = maildir:x\nlocation = maildir:y\n",
			"conf:3: ", "given twice" },
		{ "[account a]\nlocation = imaps://u@h\n\nuser = v\n",
			"conf:4: ", "in the location and beside it" },
		{ "[account a]\nlocation = imaps://u@h\ntls = none\n",
			"conf:3: ", "in the location and beside it" },
		{ "[account a]\nlocation = imaps://u@h?pass-file=x\npass-cmd = y\n",
			"conf:3: ", "both name a secret" },
		{ "[account a]\nlocation = maildir:x\nuser = v\n", "conf:3: ", "servers only" },
		{ "[account a]\nlayout = fs\nlocation = imap://u@h\n",
			"conf:2: ", "maildir: and mbox: only" },
		{ "[account a]\nlocation = imap://u@h\nauth = apop\n", "conf:3: ", "POP3 only" },
		{ "[account a]\nuser = \xFF\n", "conf:2: ", "UTF-8" },
		{ "[account a]\nuser = a\x01\n", "conf:2: ", "control" },
		{ "[job a]\n\nlocation = x\n", "conf:1: ", "no command" },
		{ "[job a]\ncommand = copy\ncommand = sync\n", "conf:3: ", "given twice" },
		{ "[job a]\ncommand = rm -rf\n", "conf:2: ", "not the name of a command" },
		{ "[job a]\ncommand = copy\n--jobs = 4\n", "conf:3: ", "without --" },
		{ "[job a]\ncommand = copy\nsource = imaps://u:sesame@h\n",
			"conf:3: ", "no passwords" },
		{ "[job a]\ncommand = copy\nsource\n", "conf:3: ", "missing" },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		struct err err = ERR_INIT;

		if (read_text(rows[i].text, &err))
			fail_msg("%s was taken", rows[i].text);
		if (strncmp(err.text, rows[i].start, strlen(rows[i].start)) != 0 ||
			!strstr(err.text, rows[i].part))
			fail_msg("%s: \"%s\", not \"%s…%s\"", rows[i].text, err.text, rows[i].start,
				rows[i].part);
		assert_null(strstr(err.text, "sesame"));
		assert_int_equal(err.scope, ERR_LOCAL);
		assert_int_equal(err.kind, ERR_KIND_USAGE);
	}
}

static void long_lines_and_nul_are_refused(void **state)
{
	static char text[20000];
	struct err err = ERR_INIT;
	const int len = snprintf(text, sizeof(text), "[account a]\npass-cmd = ");

	(void)state;
	memset(text + len, 'x', 8192);
	struct config *config = read_text(text, &err);
	const char *location;
	assert_non_null(config);
	assert_int_equal(
		strlen(config_account(config, "a", &location)->value[ACCOUNT_PASS_CMD]), 8192);
	config_free(config);

	memset(text + len, 'x', sizeof(text) - (size_t)len - 1);
	assert_null(read_text(text, &err));
	assert_non_null(strstr(err.text, "conf:2: "));

	err = ERR_INIT;
	assert_null(config_read(SPAN("[account a]\nuser = a\0b\n"), "conf", &err));
	assert_non_null(strstr(err.text, "conf:2: "));
}

static void nothing_is_a_configuration_too(void **state)
{
	static const char *const texts[] = { "", "\n\n", "# x", "[account a]",
		"[account a]\n;\n\t\n" };

	(void)state;
	for (size_t i = 0; i < countof(texts); i++) {
		struct err err = ERR_INIT;
		struct config *config = read_text(texts[i], &err);

		assert_non_null(config);
		config_free(config);
	}
}

static void a_missing_file_is_an_error_only_if_it_was_named(void **state)
{
	char directory[] = "/tmp/mailhaul-config-XXXXXX";
	struct err err = ERR_INIT;
	const char *location;

	(void)state;
	assert_non_null(mkdtemp(directory));
	assert_int_equal(setenv("XDG_CONFIG_HOME", directory, 1), 0);
	struct config *config = config_open(NULL, &err);
	assert_non_null(config);
	assert_null(config_account(config, "a", &location));
	config_free(config);

	char path[64];
	(void)snprintf(path, sizeof(path), "%s/none", directory);
	assert_null(config_open(path, &err));
	assert_int_equal(err.kind, ERR_KIND_USAGE);
	err = ERR_INIT;
	assert_null(config_open(directory, &err));
	assert_int_equal(err.kind, ERR_KIND_USAGE);

	FILE *file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs("[account a]\nport = x\n", file) >= 0);
	assert_int_equal(fclose(file), 0);
	err = ERR_INIT;
	assert_null(config_open(path, &err));
	assert_non_null(strstr(err.text, "/none:2: port"));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(directory), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accounts_and_jobs_are_read),
		cmocka_unit_test(each_mistake_has_its_line),
		cmocka_unit_test(long_lines_and_nul_are_refused),
		cmocka_unit_test(nothing_is_a_configuration_too),
		cmocka_unit_test(a_missing_file_is_an_error_only_if_it_was_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
