/* Secrets from files, commands, the environment and a terminal. */
#include "store/secrets.h"

#include "base/clock.h"
#include "base/err.h"
#include "net/secret.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

static char directory[] = "/tmp/mailhaul-secrets-XXXXXX";
static char path[64];

static int set_up(void **state)
{
	(void)state;
	if (!mkdtemp(directory))
		return -1;
	(void)snprintf(path, sizeof(path), "%s/pass", directory);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	(void)unlink(path);
	return rmdir(directory);
}

static void put(struct span bytes, mode_t mode)
{
	const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes.data, bytes.len), bytes.len);
	assert_int_equal(fchmod(fd, mode), 0);
	assert_int_equal(close(fd), 0);
}

/* Frees the secret. wanted NULL: none, and the message holds part. */
static void expect(
	struct secret *secret, const struct err *err, const char *wanted, const char *part)
{
	if (!wanted) {
		assert_null(secret);
		if (!strstr(err->text, part))
			fail_msg("\"%s\" does not speak of \"%s\"", err->text, part);
		return;
	}
	if (!secret)
		fail_msg("%s", err->text);
	if (!span_equal_text(secret_bytes(secret), wanted))
		fail_msg("\"%s\", not \"%s\"", secret_bytes(secret).data, wanted);
	secret_free(secret);
}

static void files(void **state)
{
	static const struct {
		struct span bytes;
		mode_t mode;
		const char *wanted, *part;
	} rows[] = {
		{ SPAN("sesame"), 0600, "sesame", NULL },
		{ SPAN("sesame\n"), 0400, "sesame", NULL },
		{ SPAN(" se same \r\nsecond\n"), 0600, " se same ", NULL },
		{ SPAN("\xE9\xFF\n"), 0600, "\xE9\xFF", NULL },
		{ SPAN(""), 0600, NULL, "empty" },
		{ SPAN("\nsesame"), 0600, NULL, "empty" },
		{ SPAN("a\0b\n"), 0600, NULL, "NUL" },
		{ SPAN("sesame"), 0640, NULL, "open to others" },
		{ SPAN("sesame"), 0604, NULL, "open to others" },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		struct err err = ERR_INIT;

		(void)unlink(path);
		put(rows[i].bytes, rows[i].mode);
		expect(secrets_from_file(path, &err), &err, rows[i].wanted, rows[i].part);
		assert_null(strstr(err.text, "sesame"));
	}

	struct err err = ERR_INIT;
	assert_null(secrets_from_file("/nowhere/at all", &err));
	assert_int_equal(err.scope, ERR_LOCAL);
	assert_int_equal(err.kind, ERR_KIND_USAGE);

	assert_int_equal(setenv("HOME", directory, 1), 0);
	(void)unlink(path);
	put(SPAN("home"), 0600);
	err = ERR_INIT;
	expect(secrets_from_file("~/pass", &err), &err, "home", NULL);
}

static void commands(void **state)
{
	static const struct {
		const char *command, *wanted, *part;
	} rows[] = {
		{ "echo sesame", "sesame", NULL },
		{ "printf 'a b\\r\\nmore\\n'; exit 0", "a b", NULL },
		{ "printf '%s' \"$(echo x | tr x y)\"", "y", NULL },
		{ "exec >&-; exit 0", NULL, "printed nothing" },
		{ "true", NULL, "printed nothing" },
		{ "echo; echo sesame", NULL, "printed nothing" },
		{ "echo sesame; exit 3", NULL, "status 3" },
		{ "no-such-program-here 2>/dev/null", NULL, "status 127" },
		{ "echo sesame; kill -9 $$", NULL, "signal 9" },
		{ "printf 'a\\0b\\n'", NULL, "NUL" },
		{ "yes", NULL, "more than" },
		{ "echo sesame; sleep 30 2>&- & exit 0", "sesame", NULL },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		struct err err = ERR_INIT;

		expect(secrets_from_command(rows[i].command, SECRETS_COMMAND_MS, &err), &err,
			rows[i].wanted, rows[i].part);
		assert_null(strstr(err.text, "sesame"));
		if (!rows[i].wanted) {
			assert_int_equal(err.scope, ERR_LOCAL);
			assert_int_equal(err.kind, ERR_KIND_AUTH);
		}
	}
}

static void a_command_that_does_not_end_is_ended(void **state)
{
	struct err err = ERR_INIT;
	const int64_t before = clock_ms();

	(void)state;
	expect(secrets_from_command("echo sesame; exec sleep 50", 100, &err), &err, NULL,
		"in time");
	assert_int_equal(err.kind, ERR_KIND_AUTH);
	assert_true(clock_ms() - before < 10000);
}

static void the_environment_gives_once(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(setenv("MAILHAUL_TEST_PW", "sesame", 1), 0);
	const char *place = getenv("MAILHAUL_TEST_PW");
	expect(secrets_from_env("MAILHAUL_TEST_PW", &err), &err, "sesame", NULL);
	assert_null(getenv("MAILHAUL_TEST_PW"));
	assert_int_equal(place[0], 0); /* glibc keeps what setenv() made */
	expect(secrets_from_command("echo \"<$MAILHAUL_TEST_PW>\"", SECRETS_COMMAND_MS, &err), &err,
		"<>", NULL);
	expect(secrets_from_env("MAILHAUL_TEST_PW", &err), &err, "sesame",
		NULL); /* the other account */
	assert_int_equal(setenv("MAILHAUL_TEST_PW", "other", 1), 0);
	expect(secrets_from_env("MAILHAUL_TEST_PW", &err), &err, "other", NULL);
	expect(secrets_from_env("MAILHAUL_TEST_PW", &err), &err, "other", NULL);
	expect(secrets_from_env("MAILHAUL_TEST_NONE", &err), &err, NULL,
		"MAILHAUL_TEST_NONE is not set");
	assert_int_equal(err.kind, ERR_KIND_AUTH);
	assert_int_equal(setenv("MAILHAUL_TEST_PW", "", 1), 0);
	expect(secrets_from_env("MAILHAUL_TEST_PW", &err), &err, NULL, "empty");
}

struct typist {
	int fd; /* the other side of the terminal */
	const char *typed;
	bool silent; /* the echo was off when the prompt came */
	char seen[256];
};

/* Waits for the prompt, then types. */
static void *type(void *context)
{
	struct typist *typist = context;
	struct termios now;
	size_t len = 0;

	while (!strchr(typist->seen, ':')) {
		const ssize_t got =
			read(typist->fd, typist->seen + len, sizeof(typist->seen) - len - 1);

		if (got <= 0)
			return NULL;
		len += (size_t)got;
	}
	typist->silent = tcgetattr(typist->fd, &now) == 0 && !(now.c_lflag & ECHO);
	if (write(typist->fd, typist->typed, strlen(typist->typed)) < 0)
		typist->silent = false;
	return NULL;
}

static void ask(const char *typed, const char *wanted, const char *part)
{
	const int fd = posix_openpt(O_RDWR | O_NOCTTY);
	struct typist typist = { .fd = fd, .typed = typed };
	struct termios after;
	struct err err = ERR_INIT;
	pthread_t thread;
	char name[64];

	assert_true(fd >= 0);
	assert_int_equal(grantpt(fd), 0);
	assert_int_equal(unlockpt(fd), 0);
	assert_int_equal(ptsname_r(fd, name, sizeof(name)), 0);

	const int held = open(name, O_RDWR | O_NOCTTY); /* so that no side ever sees a hang-up */
	assert_true(held >= 0);
	assert_int_equal(pthread_create(&thread, NULL, type, &typist), 0);
	expect(secrets_from_terminal(name, "password for x: ", &err), &err, wanted, part);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(typist.silent);
	assert_non_null(strstr(typist.seen, "password for x: "));
	assert_int_equal(tcgetattr(held, &after), 0);
	assert_true(after.c_lflag & ECHO);
	assert_int_equal(close(held), 0);
	assert_int_equal(close(fd), 0);
}

static void the_terminal_does_not_echo(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	ask("se same\r", "se same", NULL);
	ask("\n", NULL, "no password was typed");
	ask("\x04", NULL, "no password was typed");
	assert_null(secrets_from_terminal("/nowhere/tty", "x: ", &err));
	assert_int_equal(err.kind, ERR_KIND_AUTH);
	err = ERR_INIT;
	assert_null(secrets_from_terminal("/dev/null", "x: ", &err));
	assert_int_equal(err.kind, ERR_KIND_AUTH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files),
		cmocka_unit_test(commands),
		cmocka_unit_test(a_command_that_does_not_end_is_ended),
		cmocka_unit_test(the_environment_gives_once),
		cmocka_unit_test(the_terminal_does_not_echo),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
