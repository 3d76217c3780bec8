/*
 * Runs a command with a time limit and reports what it cost, as one JSON line on descriptor 3.
 *
 *	measure SECONDS COMMAND ARGUMENT...	3>report
 *
 * A program of its own because the kernel counts the pages of whoever forks into the child's peak: measured from
 * Python no tool would seem smaller than Python. Peak memory is that of the biggest single process of the tree.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t timed_out;
static volatile pid_t child;

static void on_alarm(int sig)
{
	(void)sig;
	timed_out = 1;
	kill(-child, SIGKILL);
}

static double seconds(struct timeval tv)
{
	return (double)tv.tv_sec + (double)tv.tv_usec / 1e6;
}

int main(int argc, char **argv)
{
	struct timespec start, end;
	struct rusage usage;
	int status = 0;

	if (argc < 3) {
		fprintf(stderr, "usage: measure SECONDS COMMAND ARGUMENT... 3>report\n");
		return 2;
	}
	clock_gettime(CLOCK_MONOTONIC, &start);
	child = fork();
	if (child < 0) {
		perror("measure: fork");
		return 1;
	}
	if (child == 0) {
		setpgid(0, 0);
		close(3);
		execvp(argv[2], argv + 2);
		perror(argv[2]);
		_exit(127);
	}
	setpgid(child, child);
	signal(SIGALRM, on_alarm);
	alarm((unsigned)atoi(argv[1]));
	while (wait4(child, &status, 0, &usage) < 0)
		if (errno != EINTR) {
			perror("measure: wait4");
			return 1;
		}
	clock_gettime(CLOCK_MONOTONIC, &end);
	dprintf(3, "{\"wall\": %.3f, \"cpu\": %.3f, \"rss\": %ld, \"code\": %d, \"stopped\": %s}\n",
		(double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9,
		seconds(usage.ru_utime) + seconds(usage.ru_stime), usage.ru_maxrss,
		WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status),
		timed_out ? "true" : "false");
	return 0;
}
