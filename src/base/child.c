/* A table of atomics: a signal handler may read it at any moment. */
#include "base/child.h"

#include "base/must.h"

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>

static _Atomic pid_t children[CHILD_MAX];

static void replace(pid_t from, pid_t to)
{
	for (size_t i = 0; i < countof(children); i++) {
		pid_t expected = from;

		if (atomic_compare_exchange_strong(&children[i], &expected, to))
			return;
	}
}

void child_began(pid_t pid)
{
	if (pid > 0)
		replace(0, pid);
}

void child_ended(pid_t pid)
{
	if (pid > 0)
		replace(pid, 0);
}

void child_kill_all(void)
{
	for (size_t i = 0; i < countof(children); i++) {
		const pid_t pid = atomic_load(&children[i]);

		if (pid > 0)
			(void)kill(pid, SIGKILL);
	}
}
