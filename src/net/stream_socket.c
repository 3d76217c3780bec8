/* The bottom of a stack: a connected socket, or the two pipes of a tunnel command. */
#include "net/stream.h"

#include "base/child.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/os.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define REAP_PATIENCE_MS 1000 /* for a tunnel to end by itself, then again after SIGTERM */

#define END_PATIENCE_MS \
	200 /* between the end of its output and its end: the only place where a stream waits, once a tunnel */

struct stream_socket {
	struct stream stream;
	pid_t child; /* 0: none, or already reaped */
	bool is_socket; /* send() can keep SIGPIPE away; on pipes the process ignores it (main) */
};

static void child_wait(pid_t child, int timeout_ms)
{
	const int fd = pidfd_open(child, 0);

	if (fd < 0)
		return;
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	(void)os_poll(&wait, 1, timeout_ms);
	(void)os_close(fd);
}

/* True once it has ended and was waited for. */
static bool child_take(pid_t child, int *status, int options)
{
	if (waitpid(child, status, options) != child)
		return false;
	child_ended(child);
	return true;
}

static int stream_socket_fail(const char *what, struct err *err)
{
	if (errno == ECONNRESET || errno == EPIPE)
		err_set(err, ERR_CONN, "the server broke the connection off");
	else
		err_set_errno(err, ERR_CONN, "%s", what);
	if (err)
		err->kind = ERR_KIND_NETWORK;
	return -1;
}

/* A tunnel that ended with a status says more than "end of stream". 0 when there is nothing to say. */
static int stream_socket_child_end(struct stream_socket *socket, struct err *err)
{
	int status = 0;

	if (socket->child <= 0)
		return 0;
	child_wait(socket->child, END_PATIENCE_MS);
	if (!child_take(socket->child, &status, WNOHANG))
		return 0;
	socket->child = 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return err_set_kind(err, ERR_CONN, ERR_KIND_NETWORK,
			"the tunnel command was not found (status 127)");
	if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
		return err_set_kind(err, ERR_CONN, ERR_KIND_NETWORK,
			"the tunnel command ended with status %d", WEXITSTATUS(status));
	if (WIFSIGNALED(status))
		return err_set_kind(err, ERR_CONN, ERR_KIND_NETWORK,
			"the tunnel command was killed by signal %d", WTERMSIG(status));
	return 0;
}

static ssize_t stream_socket_read(struct stream *stream, void *data, size_t size, struct err *err)
{
	struct stream_socket *socket = (struct stream_socket *)stream;
	const ssize_t got = socket->is_socket ? os_recv(stream->read_fd, data, size)
					      : os_read(stream->read_fd, data, size);

	if (got > 0)
		return got;
	if (got == 0)
		return stream_socket_child_end(socket, err);
	if (errno == EAGAIN || errno == EWOULDBLOCK)
		return STREAM_AGAIN;
	return stream_socket_fail("cannot read from the server", err);
}

static ssize_t stream_socket_write(
	struct stream *stream, const void *data, size_t size, struct err *err)
{
	struct stream_socket *socket = (struct stream_socket *)stream;
	const ssize_t put = socket->is_socket ? os_send(stream->write_fd, data, size)
					      : os_write(stream->write_fd, data, size);

	if (put > 0)
		return put;
	if (put == 0 || errno == EAGAIN || errno == EWOULDBLOCK)
		return STREAM_AGAIN;
	if (errno == EPIPE && stream_socket_child_end(socket, err) < 0)
		return -1;
	return stream_socket_fail("cannot write to the server", err);
}

static bool child_ends_within(pid_t child, int timeout_ms)
{
	child_wait(child, timeout_ms);
	return child_take(child, NULL, WNOHANG) || kill(child, 0) < 0;
}

/* Its standard streams are closed by now, so a well-behaved command ends by itself. */
static void child_reap(pid_t child)
{
	if (child_ends_within(child, REAP_PATIENCE_MS))
		return;
	(void)kill(child, SIGTERM);
	if (child_ends_within(child, REAP_PATIENCE_MS))
		return;
	(void)kill(child, SIGKILL);
	(void)child_take(child, NULL, 0);
}

static void stream_socket_free(struct stream *stream)
{
	struct stream_socket *socket = (struct stream_socket *)stream;

	(void)os_close(stream->read_fd);
	if (stream->write_fd != stream->read_fd)
		(void)os_close(stream->write_fd);
	if (socket->child > 0)
		child_reap(socket->child);
	mem_free(socket);
}

static const struct stream_ops stream_socket_ops = {
	.name = "socket",
	.read = stream_socket_read,
	.write = stream_socket_write,
	.free = stream_socket_free,
};

static void fd_unblock(int fd)
{
	const int flags = os_fcntl(fd, F_GETFL, 0);

	if (flags >= 0 && !(flags & O_NONBLOCK))
		(void)os_fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

struct stream *stream_socket_new(int read_fd, int write_fd, int child)
{
	struct stream_socket *socket = mem_alloc(sizeof(*socket));
	struct stat st = { .st_mode = 0 };

	socket->stream = (struct stream){
		.ops = &stream_socket_ops,
		.read_fd = read_fd,
		.write_fd = write_fd < 0 ? read_fd : write_fd,
	};
	socket->child = child;
	socket->is_socket = os_fstat(read_fd, &st) == 0 && S_ISSOCK(st.st_mode);
	fd_unblock(socket->stream.read_fd);
	fd_unblock(socket->stream.write_fd);
	return &socket->stream;
}

void stream_pair_new(struct stream **a, struct stream **b)
{
	int fds[2] = { -1, -1 };

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
		abort(); /* tests only: nothing they could do about it */
	*a = stream_socket_new(fds[0], -1, 0);
	*b = stream_socket_new(fds[1], -1, 0);
}
