/* A command as the connection: its standard input and output are the two directions, its standard error is the user's. */
#include "net/dial_parts.h"

#include "base/child.h"
#include "base/err.h"
#include "base/os.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <unistd.h>

#define PIPE_SIZE (256 << 10) /* best effort; the default of 64 KiB makes four times the wake-ups */

static int tunnel_spawn(const char *command, int child_in, int child_out, pid_t *pid)
{
	char *const argv[] = { (char *)"sh", (char *)"-c", (char *)command, NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t set;

	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawnattr_init(&attributes);
	(void)posix_spawn_file_actions_adddup2(&actions, child_in, STDIN_FILENO);
	(void)posix_spawn_file_actions_adddup2(&actions, child_out, STDOUT_FILENO);
	(void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
	(void)sigemptyset(&set);
	(void)posix_spawnattr_setsigmask(&attributes, &set);
	(void)sigaddset(&set, SIGPIPE); /* ignored by us, and ignoring is inherited */
	(void)posix_spawnattr_setsigdefault(&attributes, &set);
	const int rc = posix_spawn(pid, "/bin/sh", &actions, &attributes, argv, environ);
	if (rc == 0)
		child_began(*pid);
	(void)posix_spawnattr_destroy(&attributes);
	(void)posix_spawn_file_actions_destroy(&actions);
	return rc;
}

static void close_pair(const int *fds)
{
	(void)os_close(fds[0]);
	(void)os_close(fds[1]);
}

struct stream *dial_tunnel(const char *command, struct err *err)
{
	int to_child[2], from_child[2];
	pid_t pid = 0;

	if (pipe2(to_child, O_CLOEXEC) < 0) {
		err_set_errno(err, ERR_LOCAL, "cannot start the tunnel command");
		return NULL;
	}
	if (pipe2(from_child, O_CLOEXEC) < 0) {
		err_set_errno(err, ERR_LOCAL, "cannot start the tunnel command");
		close_pair(to_child);
		return NULL;
	}
	(void)os_fcntl(to_child[1], F_SETPIPE_SZ, PIPE_SIZE);
	(void)os_fcntl(from_child[1], F_SETPIPE_SZ, PIPE_SIZE);

	const int rc = tunnel_spawn(command, to_child[0], from_child[1], &pid);
	if (rc != 0) {
		err_set(err, ERR_LOCAL, "cannot start the tunnel command: %s", strerror(rc));
		close_pair(to_child);
		close_pair(from_child);
		return NULL;
	}
	(void)os_close(to_child[0]);
	(void)os_close(from_child[1]);
	return stream_socket_new(from_child[0], to_child[1], pid);
}
