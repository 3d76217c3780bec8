/* System calls, and in builds with -Dfaults=true the faults: a child is started again with MAILHAUL_FAULT in its environment. */
#include "base/os.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_plain(void **state)
{
	int pair[2];
	char text[8];

	(void)state;
	assert_int_equal(pipe2(pair, O_CLOEXEC), 0);
	assert_int_equal(os_write(pair[1], "abc", 3), 3);
	assert_int_equal(os_read(pair[0], text, sizeof(text)), 3);
	struct pollfd wait = { .fd = pair[0], .events = POLLIN };
	assert_int_equal(os_poll(&wait, 1, 0), 0);
	assert_int_equal(os_close(pair[0]), 0);
	assert_int_equal(os_close(pair[1]), 0);
	const int fd = os_open("/dev/null", O_RDONLY, 0);
	assert_int_equal(os_fcntl(fd, F_GETFD, 0), FD_CLOEXEC);
	os_close(fd);
	const int sock = os_socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(os_fcntl(sock, F_GETFD, 0), FD_CLOEXEC);
	os_close(sock);
	assert_int_equal(os_open("/nowhere/at/all", O_RDONLY, 0), -1);
	assert_int_equal(errno, ENOENT);
	os_point("test");
}

/* Beside an open directory, and never over what is there. */
static void test_at(void **state)
{
	char root[] = "/tmp/mailhaul-os-XXXXXX";
	struct stat st;

	(void)state;
	assert_non_null(mkdtemp(root));
	const int dir = os_open(root, O_RDONLY | O_DIRECTORY, 0);
	assert_int_equal(os_mkdirat(dir, "sub", 0700), 0);
	assert_int_equal(os_close(os_openat(dir, "a", O_WRONLY | O_CREAT, 0600)), 0);
	assert_int_equal(os_close(os_openat(dir, "b", O_WRONLY | O_CREAT, 0600)), 0);
	assert_int_equal(os_renameat_new(dir, "a", dir, "b"), -1);
	assert_int_equal(errno, EEXIST);
	assert_int_equal(os_fstatat(dir, "a", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(os_renameat_new(dir, "a", dir, "sub/c"), 0);
	assert_int_equal(os_renameat(dir, "b", dir, "sub/c"), 0);
	assert_int_equal(os_fstatat(dir, "b", &st, 0), -1);
	assert_int_equal(os_unlinkat(dir, "sub/c", 0), 0);
	assert_int_equal(os_unlinkat(dir, "sub", AT_REMOVEDIR), 0);
	os_close(dir);
	assert_int_equal(os_rmdir(root), 0);
}

#ifdef MAILHAUL_FAULTS
/* What the child does; its exit status tells how it went. */
static int child_main(void)
{
	const int fd = os_open("/dev/null", O_WRONLY, 0);
	const ssize_t first = os_write(fd, "12345678", 8);
	const int first_errno = errno;
	const ssize_t second = os_write(fd, "12345678", 8);

	os_point("begin");
	os_point("end");
	os_point("end");
	os_close(fd);
	if (first == 8 && second == 8)
		return 0;
	if (first == 4 && second == 8)
		return 4;
	if (first < 0 && first_errno == ENOSPC)
		return second < 0 ? 12 : 11;
	return 1;
}

static int run(const char *fault, const char *count_file)
{
	const pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0) {
		setenv("MAILHAUL_FAULT", fault, 1);
		if (count_file)
			setenv("MAILHAUL_FAULT_COUNT", count_file, 1);
		execl("/proc/self/exe", "test_os", "child", (char *)NULL);
		_exit(99);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static void test_faults(void **state)
{
	(void)state;
	assert_int_equal(run("", NULL), 0);
	assert_int_equal(run("write:1:ENOSPC", NULL), 11);
	assert_int_equal(run("write:1+:ENOSPC", NULL), 12);
	assert_int_equal(run("any:2:ENOSPC", NULL), 11);
	assert_int_equal(run("write:1:ENOSPC,write:2:ENOSPC", NULL), 12);
	assert_int_equal(run("write:1:short", NULL), 4);
	assert_int_equal(run("write:2:kill", NULL), -SIGKILL);
	assert_int_equal(run("write:3:kill", NULL), 0);
	assert_int_equal(run("point:3:kill", NULL), -SIGKILL);
	assert_int_equal(run("point:4:kill", NULL), 0);
	assert_int_equal(run("point.end:2:kill", NULL), -SIGKILL);
	assert_int_equal(run("point.begin:2:kill", NULL), 0);
	assert_int_equal(run("wriet:1:kill", NULL), 2);
	assert_int_equal(run("write:1:EWHAT", NULL), 2);
	assert_int_equal(run("point:1:EIO", NULL), 2);
}

static void test_count(void **state)
{
	struct arena *arena = arena_new();
	struct err err = ERR_INIT;
	char path[] = "/tmp/mailhaul-count-XXXXXX";
	struct span got;

	(void)state;
	close(mkstemp(path));
	assert_int_equal(run("", path), 0);
	assert_int_equal(path_read(path, 4096, arena, &got, &err), 0);
	assert_non_null(strstr(got.data, "any 4\n"));
	assert_non_null(strstr(got.data, "point 3\n"));
	assert_non_null(strstr(got.data, "\nwrite 2\n"));
	assert_non_null(strstr(got.data, "\npoint.end 2\n"));
	unlink(path);
	arena_free(arena);
}
#endif

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_at),
#ifdef MAILHAUL_FAULTS
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_count),
#endif
	};

	(void)argv;
#ifdef MAILHAUL_FAULTS
	if (argc > 1)
		return child_main();
#endif
	(void)argc;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
