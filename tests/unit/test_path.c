/* Files and directories: whole replacement, caps, secrets, the lock between processes, and the places of XDG. */
#include "base/path.h"

#include "base/arena.h"
#include "base/err.h"

#include <dirent.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct arena *arena;
static char root[] = "/tmp/mailhaul-path-XXXXXX";

static char *below(const char *name)
{
	return arena_print(arena, "%s/%s", root, name);
}

static int set_up(void **state)
{
	(void)state;
	arena = arena_new();
	return mkdtemp(root) ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	const int rc = system(arena_print(arena, "rm -rf %s", root));
	arena_free(arena);
	return rc;
}

static void test_dirs(void **state)
{
	struct err err = ERR_INIT;
	struct stat st;

	(void)state;
	assert_int_equal(path_make_dirs(below("a//b/c/"), 0700, &err), 0);
	assert_int_equal(stat(below("a/b/c"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_int_equal(chmod(below("a"), 0750), 0);
	assert_int_equal(path_make_dirs(below("a/b"), 0700, &err), 0);
	assert_int_equal(stat(below("a"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0750);
	assert_int_equal(path_make_dirs("/", 0700, &err), 0);
	assert_int_equal(path_write(below("a/file"), SPAN("x"), 0600, &err), 0);
	assert_int_equal(path_make_dirs(below("a/file"), 0700, &err), -1);
	assert_int_equal(path_make_dirs(below("a/file/d"), 0700, &err), -1);
	assert_int_equal(err.scope, ERR_LOCAL);
}

static int count_entries(const char *path) /* "." and ".." with them */
{
	DIR *dir = opendir(path);
	int entries = 0;

	assert_non_null(dir);
	while (readdir(dir))
		entries++;
	closedir(dir);
	return entries;
}

static void test_write_read(void **state)
{
	struct err err = ERR_INIT;
	struct span got;

	(void)state;
	assert_int_equal(path_make_dirs(below("w"), 0700, &err), 0);
	assert_int_equal(path_write(below("w/f"), SPAN("first, and longer"), 0600, &err), 0);
	assert_int_equal(path_write(below("w/f"), SPAN("second"), 0600, &err), 0);
	assert_int_equal(path_read(below("w/f"), 6, arena, &got, &err), 0);
	assert_true(span_equal_text(got, "second"));
	assert_int_equal(path_read(below("w/f"), 5, arena, &got, &err), -1);
	assert_non_null(strstr(err.text, "larger than 5"));
	assert_true(span_equal_text(got, "second"));
	assert_int_equal(path_write(below("w/f"), SPAN(""), 0600, &err), 0);
	assert_int_equal(path_read(below("w/f"), SIZE_MAX, arena, &got, &err), 0);
	assert_int_equal(got.len, 0);
	assert_int_equal(path_read(below("w"), 100, arena, &got, &err), -1);
	assert_int_equal(path_read("/proc/self/status", 1 << 20, arena, &got, &err),
		0); /* says its size is 0 */
	assert_true(got.len > 100);
	assert_int_equal(path_read("/proc/self/status", 20, arena, &got, &err), -1);
	assert_int_equal(path_write(below("none/f"), SPAN("x"), 0600, &err), -1);
	assert_int_equal(mkdir(below("w/dir"), 0700), 0);
	assert_int_equal(path_write(below("w/dir"), SPAN("x"), 0600, &err), -1);

	assert_int_equal(count_entries(below("w")),
		4); /* ".", "..", "dir" and "f": no temporary file is left, not even by the failure */
}

static void test_fifo(void **state)
{
	struct err err = ERR_INIT;
	struct span got;

	(void)state;
	assert_int_equal(mkfifo(below("fifo"), 0600), 0);
	assert_int_equal(path_read(below("fifo"), 100, arena, &got, &err), -1);
	assert_non_null(strstr(err.text, "not a regular file"));
}

static void test_secret(void **state)
{
	static const mode_t modes[] = { 0640, 0604, 0620, 0602 };
	struct err err = ERR_INIT;
	struct span got;

	(void)state;
	assert_int_equal(path_write(below("s"), SPAN("pw"), 0600, &err), 0);
	assert_int_equal(path_read_secret(below("s"), 100, arena, &got, &err), 0);
	assert_true(span_equal_text(got, "pw"));
	for (size_t i = 0; i < countof(modes); i++) {
		assert_int_equal(chmod(below("s"), modes[i]), 0);
		err_clear(&err);
		assert_int_equal(path_read_secret(below("s"), 100, arena, &got, &err), -1);
		assert_true(err.scope == ERR_LOCAL && err.kind == ERR_KIND_USAGE);
	}
	if (geteuid() != 0)
		return;
	assert_int_equal(chmod(below("s"), 0600), 0);
	assert_int_equal(chown(below("s"), 12345, -1), 0);
	assert_int_equal(path_read_secret(below("s"), 100, arena, &got, &err), -1);
	assert_non_null(strstr(err.text, "another user"));
}

static void test_lock(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	const int fd = path_lock(below("lock"), &err);
	assert_true(fd >= 0);
	assert_int_equal(path_lock(below("lock"), &err), -1); /* even within one process */
	assert_int_equal(err.scope, ERR_LOCAL);
	assert_string_equal(err.text,
		arena_print(arena, "state is locked by another run (pid %d)", (int)getpid()));
	path_unlock(fd);

	const pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0)
		_exit(path_lock(below("lock"), &err) >= 0 ? 0 : 1); /* its end is its unlock */
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	const int again = path_lock(below("lock"), &err);
	assert_true(again >= 0);
	path_unlock(again);
	path_unlock(-1);
}

static void test_places(void **state)
{
	(void)state;
	setenv("HOME", "/home/jo", 1);
	unsetenv("XDG_STATE_HOME");
	setenv("XDG_CONFIG_HOME", "relative", 1);
	assert_string_equal(path_state_dir(arena), "/home/jo/.local/state/mailhaul");
	assert_string_equal(path_config_file(arena), "/home/jo/.config/mailhaul/config");
	setenv("XDG_STATE_HOME", "/var/s", 1);
	setenv("XDG_CONFIG_HOME", "/var/c", 1);
	assert_string_equal(path_state_dir(arena), "/var/s/mailhaul");
	assert_string_equal(path_config_file(arena), "/var/c/mailhaul/config");
	assert_string_equal(path_expand(arena, "~/x"), "/home/jo/x");
	assert_string_equal(path_expand(arena, "~"), "/home/jo");
	assert_string_equal(path_expand(arena, "~jo/x"), "~jo/x");
	assert_string_equal(path_expand(arena, "a/~/x"), "a/~/x");
}

/* Piece by piece: nothing is there before all of it is, and no name is taken from another file. */
static void test_new(void **state)
{
	const char *path;
	struct path_new *file;
	struct err err = ERR_INIT;
	struct span text;

	(void)state;
	assert_int_equal(mkdir(below("n"), 0700), 0);
	path = below("n/pieces");
	file = path_new(path, 0600, NULL);
	assert_non_null(file);
	assert_int_equal(path_new_add(file, SPAN("one "), NULL), 0);
	assert_int_equal(path_new_add(file, SPAN("two"), NULL), 0);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(path_new_publish(file, false, NULL), 0);
	for (int replace = 0; replace < 2; replace++) {
		file = path_new(path, 0600, NULL);
		assert_non_null(file);
		assert_int_equal(path_new_add(file, SPAN("three"), NULL), 0);
		assert_int_equal(path_new_publish(file, replace, &err), replace ? 0 : -1);
		assert_int_equal(path_read(path, 100, arena, &text, NULL), 0);
		assert_true(span_equal_text(text, replace ? "three" : "one two"));
	}
	assert_non_null(strstr(err.text, "exists"));
	path_new_drop(path_new(path, 0600, NULL));
	path_new_drop(NULL);
	assert_null(path_new(below("no/such/place"), 0600, NULL));
	assert_int_equal(count_entries(below("n")), 3);
	assert_int_equal(unlink(path), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dirs),
		cmocka_unit_test(test_write_read),
		cmocka_unit_test(test_new),
		cmocka_unit_test(test_fifo),
		cmocka_unit_test(test_secret),
		cmocka_unit_test(test_lock),
		cmocka_unit_test(test_places),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
