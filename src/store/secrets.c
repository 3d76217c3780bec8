/* Reads secrets where the user keeps them, and leaves no second copy behind. */
#include "store/secrets.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/child.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/os.h"
#include "base/path.h"
#include "base/stop.h"
#include "net/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define SECRET_CAP 65536 /* octets; tokens have been seen with 8 K */
#define TICK_MS 20

static struct secret *no_secret(struct err *err, enum err_kind kind, const char *what)
{
	(void)err_set_kind(err, ERR_LOCAL, kind, "%s", what);
	return NULL;
}

/* The first line of what was read. */
static struct secret *first_line(struct span text, const char *empty, struct err *err)
{
	size_t len = 0;

	while (len < text.len && text.data[len] != '\r' && text.data[len] != '\n')
		len++;
	if (len == 0)
		return no_secret(err, ERR_KIND_AUTH, empty);
	if (memchr(text.data, '\0', len))
		return no_secret(err, ERR_KIND_AUTH, "the first line holds a NUL octet");
	return secret_new(span_sub(text, 0, len));
}

struct secret *secrets_from_file(const char *path, struct err *err)
{
	struct arena *arena = arena_new();
	const char *expanded = path_expand(arena, path);
	struct secret *secret = NULL;
	struct err why = ERR_INIT;
	struct span text;

	if (path_read_secret(expanded, SECRET_CAP, arena, &text, &why) == 0) {
		secret = first_line(text, "the first line is empty", &why);
		secret_wipe((void *)(uintptr_t)text.data, text.len);
		if (!secret)
			(void)err_wrap(&why, "%s", expanded);
	}
	arena_free(arena);
	if (!secret && why.scope == ERR_LOCAL &&
		(why.kind == ERR_KIND_OTHER || why.kind == ERR_KIND_PATH))
		why.kind = ERR_KIND_USAGE; /* no such file: named wrongly */
	if (!secret && err)
		*err = why;
	return secret;
}

/* No process group of its own: in the background it could not ask on the terminal. */
static int command_spawn(const char *command, int child_out, pid_t *pid)
{
	char *const argv[] = { (char *)"sh", (char *)"-c", (char *)(uintptr_t)command, NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t set;
	int rc;

	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawnattr_init(&attributes);
	(void)posix_spawn_file_actions_adddup2(&actions, child_out, STDOUT_FILENO);
	(void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
	(void)sigemptyset(&set);
	(void)posix_spawnattr_setsigmask(&attributes, &set);
	(void)sigaddset(&set, SIGPIPE); /* ignored by us, and ignoring is inherited */
	(void)posix_spawnattr_setsigdefault(&attributes, &set);
	rc = posix_spawn(pid, "/bin/sh", &actions, &attributes, argv, environ);
	if (rc == 0)
		child_began(*pid);
	(void)posix_spawnattr_destroy(&attributes);
	(void)posix_spawn_file_actions_destroy(&actions);
	return rc;
}

/* A running command: what it printed, and whether it ended. */
struct command {
	pid_t pid;
	int fd;
	bool eof, ended;
	int status;
	struct buf out; /* all its memory reserved at once: growing would leave copies */
};

/* Takes what is there: -1 when it is too much or reading failed. */
static int command_drain(struct command *command, struct err *err)
{
	while (!command->eof) {
		const ssize_t got = os_read(command->fd, command->out.data + command->out.len,
			command->out.room - command->out.len);

		if (got < 0 && errno == EAGAIN)
			return 0;
		if (got < 0)
			return err_set_errno(err, ERR_LOCAL, "cannot read what the command prints");
		command->eof = got == 0;
		command->out.len += (size_t)got;
		if (command->out.len == command->out.room)
			return err_set_kind(err, ERR_LOCAL, ERR_KIND_AUTH,
				"the command prints more than %d octets", SECRET_CAP);
	}
	return 0;
}

/*
 * Until the shell has ended and its output is read. A child that it leaves in the background may hold the pipe open (agents do): that is
 * not waited for.
 */
static int command_wait(struct command *command, int64_t deadline, struct err *err)
{
	while (!command->ended) {
		struct pollfd fds[2] = {
			{ .fd = command->eof ? -1 : command->fd, .events = POLLIN },
			{ .fd = stop_fd(), .events = POLLIN },
		};

		if (stop_check(err) < 0)
			return -1;
		if (clock_ms() >= deadline)
			return err_set_kind(
				err, ERR_LOCAL, ERR_KIND_AUTH, "the command did not end in time");
		if (os_poll(fds, 2, TICK_MS) < 0)
			return err_set_errno(err, ERR_LOCAL, "cannot wait for the command");

		const pid_t ended = waitpid(command->pid, &command->status, WNOHANG);
		if (ended < 0 && errno != EINTR)
			return err_set_errno(err, ERR_LOCAL, "cannot wait for the command");
		command->ended = ended == command->pid;
		if (command->ended)
			child_ended(command->pid);
		if (command_drain(command, err) < 0)
			return -1;
	}
	return 0;
}

static void command_close(struct command *command)
{
	(void)os_close(command->fd);
	if (!command->ended && command->pid > 0) {
		(void)kill(command->pid, SIGKILL);
		while (waitpid(command->pid, &command->status, 0) < 0 && errno == EINTR)
			;
		child_ended(command->pid);
	}
	secret_wipe(command->out.data, command->out.room);
	buf_release(&command->out);
}

static struct secret *command_judge(struct command *command, struct err *err)
{
	if (WIFSIGNALED(command->status)) {
		(void)err_set_kind(err, ERR_LOCAL, ERR_KIND_AUTH,
			"the command was ended by signal %d", WTERMSIG(command->status));
		return NULL;
	}
	if (WEXITSTATUS(command->status) != 0) {
		(void)err_set_kind(err, ERR_LOCAL, ERR_KIND_AUTH,
			"the command failed with status %d", WEXITSTATUS(command->status));
		return NULL;
	}
	return first_line(
		buf_span(&command->out), "the command printed nothing on its first line", err);
}

struct secret *secrets_from_command(const char *text, int64_t timeout_ms, struct err *err)
{
	struct command command = { 0 };
	struct secret *secret = NULL;
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0) {
		(void)err_set_errno(err, ERR_LOCAL, "cannot start the command");
		return NULL;
	}
	command.fd = fds[0];
	buf_init(&command.out, SECRET_CAP);
	if (buf_reserve(&command.out, SECRET_CAP) < 0)
		(void)err_set(err, ERR_LOCAL, "cannot start the command");

	int rc = os_fcntl(fds[0], F_SETFL, O_NONBLOCK) < 0
			 ? errno
			 : command_spawn(text, fds[1], &command.pid);
	(void)os_close(fds[1]);
	if (rc != 0) {
		command.pid = 0;
		(void)err_set(err, ERR_LOCAL, "cannot start the command: %s", strerror(rc));
	} else if (command_wait(&command, clock_ms() + timeout_ms, err) == 0) {
		secret = command_judge(&command, err);
	}
	command_close(&command);
	return secret;
}

/* Variables already taken: several accounts may name the same one. */
struct taken {
	struct taken *next;
	char *name;
	struct secret *secret;
};

static pthread_mutex_t taken_lock = PTHREAD_MUTEX_INITIALIZER;
static struct taken
	*taken_list; /* the environment is the process's, and so is what is taken out of it */

static struct secret *taken_find(const char *name)
{
	for (const struct taken *at = taken_list; at; at = at->next)
		if (strcmp(at->name, name) == 0)
			return secret_new(secret_bytes(at->secret));
	return NULL;
}

static struct secret *take_env(const char *name, struct err *err)
{
	char *value = getenv(name);

	if (!value) {
		struct secret *known = taken_find(name);

		if (!known)
			(void)err_set_kind(err, ERR_LOCAL, ERR_KIND_AUTH,
				"the environment variable %s is not set", name);
		return known;
	}

	struct secret *secret =
		first_line(span_of(value), "the environment variable is empty", err);
	if (!secret)
		return NULL;
	secret_wipe(value, strlen(value)); /* also what /proc shows */
	(void)unsetenv(name);

	struct taken *taken = taken_list;
	while (taken && strcmp(taken->name, name) != 0)
		taken = taken->next;
	if (!taken) {
		taken = mem_alloc(sizeof(*taken));
		taken->name = mem_strdup(name);
		taken->next = taken_list;
		taken_list = taken;
	}
	secret_free(taken->secret);
	taken->secret = secret_new(secret_bytes(secret));
	return secret;
}

struct secret *secrets_from_env(const char *name, struct err *err)
{
	(void)pthread_mutex_lock(&taken_lock);
	struct secret *secret = take_env(name, err);
	(void)pthread_mutex_unlock(&taken_lock);
	return secret;
}

/* A line without its end: -1 at the end of input or a stop. The terminal is in canonical mode, one read is one line. */
static int terminal_line(int fd, struct buf *line, struct err *err)
{
	for (;;) {
		struct pollfd fds[2] = { { .fd = fd, .events = POLLIN },
			{ .fd = stop_fd(), .events = POLLIN } };

		if (stop_check(err) < 0)
			return -1;
		if (os_poll(fds, 2, -1) < 0)
			return err_set_errno(err, ERR_LOCAL, "cannot read from the terminal");
		if (fds[0].revents == 0)
			continue;

		const ssize_t got = os_read(fd, line->data + line->len, line->room - line->len);
		if (got < 0)
			return err_set_errno(err, ERR_LOCAL, "cannot read from the terminal");
		line->len += (size_t)got;
		if (got == 0 || (line->len > 0 && line->data[line->len - 1] == '\n'))
			return 0;
		if (line->len == line->room)
			return err_set_kind(
				err, ERR_LOCAL, ERR_KIND_AUTH, "what was typed is too long");
	}
}

static int terminal_say(int fd, const char *text)
{
	return os_write(fd, text, strlen(text)) < 0 ? -1 : 0;
}

static struct secret *terminal_ask(int fd, const char *prompt, struct err *err)
{
	struct secret *secret = NULL;
	struct termios before, silent;
	struct buf line;

	if (tcgetattr(fd, &before) < 0)
		return no_secret(err, ERR_KIND_AUTH, "the terminal is none");
	silent = before;
	silent.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL);
	silent.c_lflag |= ICANON | ISIG;
	silent.c_iflag |= ICRNL;
	if (tcsetattr(fd, TCSAFLUSH, &silent) < 0)
		return no_secret(err, ERR_KIND_AUTH, "the terminal does not turn its echo off");

	buf_init(&line, SECRET_CAP);
	if (buf_reserve(&line, SECRET_CAP) == 0 && terminal_say(fd, prompt) == 0 &&
		terminal_line(fd, &line, err) == 0)
		secret = first_line(buf_span(&line), "no password was typed", err);
	(void)tcsetattr(fd, TCSAFLUSH, &before);
	(void)terminal_say(fd, "\n");
	secret_wipe(line.data, line.room);
	buf_release(&line);
	return secret;
}

struct secret *secrets_from_terminal(const char *terminal, const char *prompt, struct err *err)
{
	const int fd = os_open(terminal, O_RDWR | O_NOCTTY, 0);

	if (fd < 0)
		return no_secret(err, ERR_KIND_AUTH, "there is no terminal to ask on");

	struct secret *secret = terminal_ask(fd, prompt, err);
	if (!secret && err && err->scope == ERR_NONE)
		(void)no_secret(err, ERR_KIND_AUTH, "cannot ask on the terminal");
	(void)os_close(fd);
	return secret;
}
