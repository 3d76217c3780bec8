#include "ops/transform.h"

#include "base/child.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/os.h"
#include "base/spool.h"
#include "base/stop.h"
#include "mail/eol.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#define TRANSFORM_MEMORY (256u << 10) /* octets kept in memory before the spool goes to disk */
#define TRANSFORM_STEP (64u << 10)
#define PIPE_TIMEOUT_MS 120000 /* without any octet of progress */

extern char **environ;

enum header_state { IN_LINE, AT_LINE_START, AFTER_CR, HEADER_DONE };

struct transform {
	const struct settings *settings;
	struct spool *spool;
	struct buf out; /* of eol_fix, at most twice a step */
	struct eol_fix eol;
	enum header_state header;
	pid_t child;
	int to, from; /* the command's standard streams, -1 = closed */
};

struct transform *transform_new(const struct settings *settings)
{
	struct transform *transform = mem_alloc(sizeof(*transform));

	transform->settings = settings;
	transform->spool = spool_new(TRANSFORM_MEMORY);
	transform->to = transform->from = -1;
	buf_init(&transform->out, 4 * TRANSFORM_STEP);
	return transform;
}

void transform_free(struct transform *transform)
{
	if (!transform)
		return;
	transform_cancel(transform);
	spool_free(transform->spool);
	buf_release(&transform->out);
	mem_free(transform);
}

static void close_end(int *fd)
{
	if (*fd >= 0)
		os_close(*fd);
	*fd = -1;
}

/* The command's exit status as waitpid() has it. */
static int reap(struct transform *transform)
{
	int status = 0;

	while (waitpid(transform->child, &status, 0) < 0 && errno == EINTR)
		;
	child_ended(transform->child);
	transform->child = 0;
	return status;
}

void transform_cancel(struct transform *transform)
{
	close_end(&transform->to);
	close_end(&transform->from);
	if (transform->child > 0) {
		kill(transform->child, SIGKILL);
		reap(transform);
	}
}

/* Starts the command with pipes for its standard input and output. */
static int start_command(struct transform *transform, struct err *err)
{
	const char *argv[] = { "/bin/sh", "-c", transform->settings->pipe, NULL };
	posix_spawn_file_actions_t actions;
	int in[2], out[2], rc;

	if (pipe2(in, O_CLOEXEC) < 0)
		return err_set_errno(err, ERR_LOCAL, "cannot start the --pipe command");
	if (pipe2(out, O_CLOEXEC) < 0) {
		err_set_errno(err, ERR_LOCAL, "cannot start the --pipe command");
		os_close(in[0]);
		os_close(in[1]);
		return -1;
	}
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
	rc = posix_spawn(&transform->child, argv[0], &actions, NULL, (char *const *)(uintptr_t)argv,
		environ);
	posix_spawn_file_actions_destroy(&actions);
	os_close(in[0]);
	os_close(out[1]);
	transform->to = in[1];
	transform->from = out[0];
	if (rc != 0) {
		transform->child = 0;
		transform_cancel(transform);
		errno = rc;
		return err_set_errno(err, ERR_LOCAL, "cannot start the --pipe command");
	}
	child_began(transform->child);
	os_fcntl(transform->to, F_SETFL, O_NONBLOCK);
	os_fcntl(transform->from, F_SETFL, O_NONBLOCK);
	return 0;
}

int transform_begin(struct transform *transform, struct err *err)
{
	transform_cancel(transform);
	spool_clear(transform->spool);
	transform->header = AT_LINE_START;
	transform->eol = (struct eol_fix){ .fix_eol = transform->settings->fix_eol,
		.wrap = transform->settings->wrap_lines };
	if (transform->settings->pipe)
		return start_command(transform, err);
	return 0;
}

/* Reads what the command has written: 1 = some, 0 = nothing now or its end, -1. */
static int read_command(struct transform *transform, struct err *err)
{
	char bytes[16384];
	ssize_t n = os_read(transform->from, bytes, sizeof(bytes));

	if (n > 0)
		return spool_add(transform->spool, span_make(bytes, (size_t)n), err) < 0 ? -1 : 1;
	if (n == 0)
		close_end(&transform->from);
	else if (errno != EAGAIN)
		return err_set_errno(err, ERR_MESSAGE, "cannot read from the --pipe command");
	return 0;
}

/* Waits until the command takes or gives octets. */
static int wait_command(struct transform *transform, struct err *err)
{
	struct pollfd fds[3] = {
		{ .fd = transform->to, .events = POLLOUT },
		{ .fd = transform->from, .events = POLLIN },
		{ .fd = stop_fd(), .events = POLLIN },
	};
	int rc = os_poll(fds, 3, PIPE_TIMEOUT_MS);

	if (rc < 0)
		return err_set_errno(err, ERR_LOCAL, "cannot wait for the --pipe command");
	if (stop_check(err) < 0)
		return -1;
	if (rc == 0)
		return err_set(err, ERR_MESSAGE, "the --pipe command did nothing for %d s",
			PIPE_TIMEOUT_MS / 1000);
	return transform->from >= 0 && fds[1].revents ? (read_command(transform, err) < 0 ? -1 : 0)
						      : 0;
}

/* Hands octets to the command, or to the spool. A command that closes its input early has read enough. */
static int emit(struct transform *transform, struct span bytes, struct err *err)
{
	if (!transform->settings->pipe)
		return spool_add(transform->spool, bytes, err);
	while (bytes.len > 0 && transform->to >= 0) {
		ssize_t n = os_write(transform->to, bytes.data, bytes.len);

		if (n >= 0) {
			bytes = span_from(bytes, (size_t)n);
			continue;
		}
		if (errno == EPIPE)
			close_end(&transform->to);
		else if (errno != EAGAIN)
			return err_set_errno(
				err, ERR_MESSAGE, "cannot write to the --pipe command");
		else if (wait_command(transform, err) < 0)
			return -1;
	}
	return 0;
}

/* How many octets of the chunk belong to the header, its empty line included. */
static size_t header_part(struct transform *transform, struct span chunk)
{
	for (size_t i = 0; i < chunk.len; i++) {
		switch (transform->header) {
		case HEADER_DONE:
			return i;
		case AT_LINE_START:
			transform->header = chunk.data[i] == '\r'   ? AFTER_CR
					    : chunk.data[i] == '\n' ? HEADER_DONE
								    : IN_LINE;
			break;
		case AFTER_CR:
			transform->header = chunk.data[i] == '\n' ? HEADER_DONE : IN_LINE;
			break;
		case IN_LINE:
			if (chunk.data[i] == '\n')
				transform->header = AT_LINE_START;
			break;
		}
	}
	return chunk.len;
}

int transform_add(struct transform *transform, struct span chunk, struct err *err)
{
	bool lines = transform->settings->fix_eol || transform->settings->wrap_lines;

	if (transform->settings->headers_only)
		chunk.len = header_part(transform, chunk);
	while (chunk.len > 0) {
		struct span step = span_sub(chunk, 0, TRANSFORM_STEP);

		chunk = span_from(chunk, step.len);
		if (!lines) {
			if (emit(transform, step, err) < 0)
				return -1;
			continue;
		}
		buf_clear(&transform->out);
		if (eol_fix_add(&transform->eol, step, &transform->out) < 0)
			return err_set(err, ERR_MESSAGE, "repaired lines are too long");
		if (emit(transform, buf_span(&transform->out), err) < 0)
			return -1;
	}
	return 0;
}

static int end_command(struct transform *transform, struct err *err)
{
	int status;

	close_end(&transform->to);
	while (transform->from >= 0) {
		if (wait_command(transform, err) < 0)
			return -1;
	}
	status = reap(transform);
	if (WIFSIGNALED(status))
		return err_set(
			err, ERR_MESSAGE, "the --pipe command died of signal %d", WTERMSIG(status));
	if (WEXITSTATUS(status) != 0)
		return err_set(err, ERR_MESSAGE, "the --pipe command ended with status %d",
			WEXITSTATUS(status));
	return 0;
}

struct spool *transform_end(struct transform *transform, struct err *err)
{
	buf_clear(&transform->out);
	if (eol_fix_end(&transform->eol, &transform->out) < 0 ||
		emit(transform, buf_span(&transform->out), err) < 0)
		goto fail;
	if (transform->settings->pipe && end_command(transform, err) < 0)
		goto fail;
	spool_rewind(transform->spool);
	return transform->spool;
fail:
	transform_cancel(transform);
	return NULL;
}
