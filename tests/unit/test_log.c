/* The log: levels, one harmless line each, and the file that gets everything. */
#include "base/log.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/path.h"

#include <sys/stat.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static int painted;

static void wipe(void)
{
	painted += 1;
}

static void paint(void)
{
	painted += 100;
}

static void test_file(void **state)
{
	struct arena *arena = arena_new();
	struct err err = ERR_INIT;
	char path[] = "/tmp/mailhaul-log-XXXXXX";
	struct stat st;
	struct span got;

	(void)state;
	close(mkstemp(path));
	unlink(path);
	assert_int_equal(log_open(path, &err), 0);
	assert_int_equal(log_level_now(), LOG_WARN);
	clock_fake(1709208000000);
	log_set_screen(wipe, paint);
	log_debug("a %s", "b\n\x1b[2Jc");
	log_info("info");
	assert_int_equal(painted, 0);
	log_set_level(LOG_ERROR);
	log_warn("quiet");
	assert_int_equal(painted, 0);
	log_error("loud");
	assert_int_equal(painted, 101);
	clock_fake(-1);
	log_close();
	log_error("not in the file");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(path_read(path, 4096, arena, &got, &err), 0);
	assert_string_equal(got.data, "2024-02-29T12:00:00Z debug: a b\\x0A\\x1B[2Jc\n"
				      "2024-02-29T12:00:00Z info: info\n"
				      "2024-02-29T12:00:00Z warning: quiet\n"
				      "2024-02-29T12:00:00Z error: loud\n");
	assert_int_equal(log_open("/nowhere/log", &err), -1);
	assert_int_equal(log_open(NULL, &err), 0);
	log_set_screen(NULL, NULL);
	unlink(path);
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
