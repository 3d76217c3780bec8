/* Commands that were started and not waited for end with child_kill_all(); those that were waited for are nobody's. */
#include "base/child.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static pid_t sleeper(void)
{
	const pid_t pid = fork();

	if (pid == 0) {
		(void)signal(SIGTERM, SIG_IGN);
		sleep(60);
		_exit(0);
	}
	assert_true(pid > 0);
	return pid;
}

static void test_kill_all(void **state)
{
	const pid_t one = sleeper(), other = sleeper(), forgotten = sleeper();
	int status;

	(void)state;
	child_began(one);
	child_began(other);
	child_began(forgotten);
	child_ended(forgotten);
	child_kill_all();
	assert_int_equal(waitpid(one, &status, 0), one);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_int_equal(waitpid(other, &status, 0), other);
	assert_int_equal(kill(forgotten, 0), 0);
	assert_int_equal(waitpid(forgotten, &status, WNOHANG), 0);
	(void)kill(forgotten, SIGKILL);
	(void)waitpid(forgotten, &status, 0);
}

static void test_more_than_fit(void **state)
{
	(void)state;
	for (pid_t i = 1; i < 2 * CHILD_MAX; i++)
		child_began(INT32_MAX - i);
	for (pid_t i = 1; i < 2 * CHILD_MAX; i++)
		child_ended(INT32_MAX - i);
	child_began(0);
	child_ended(-1);
	child_kill_all();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kill_all),
		cmocka_unit_test(test_more_than_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
