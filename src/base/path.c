/* Durable files, private directories, the lock of a run, and the places of XDG. */
#include "base/path.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/os.h"
#include "base/path_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdatomic.h>
#include <unistd.h>

#define NAME_TRIES 100
#define READ_FIRST 4096

char *path_parent(struct arena *arena, const char *path)
{
	struct span rest = span_of(path);

	while (rest.len > 1 && rest.data[rest.len - 1] == '/')
		rest.len--;
	while (rest.len > 0 && rest.data[rest.len - 1] != '/')
		rest.len--;
	if (rest.len == 0)
		return arena_strdup(arena, ".");
	while (rest.len > 1 && rest.data[rest.len - 1] == '/')
		rest.len--;
	return arena_text(arena, rest);
}

static bool is_dir(const char *path)
{
	struct stat st;

	return os_stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* A directory entry is durable once its own directory is synced. */
static int make_dir(struct arena *arena, const char *path, mode_t mode, struct err *err)
{
	if (is_dir(path))
		return 0;
	if (os_mkdir(path, mode) < 0) {
		const int number = errno;

		if (number == EEXIST && is_dir(path))
			return 0;
		errno = number == EEXIST ? ENOTDIR : number;
		return err_set_errno(err, ERR_LOCAL, "cannot create directory %s", path);
	}
	return path_sync_dir(path_parent(arena, path), err);
}

int path_make_dirs(const char *path, mode_t mode, struct err *err)
{
	struct arena *arena = arena_new();
	const size_t len = strlen(path);
	size_t at = 0;
	int rc = 0;

	while (rc == 0 && at < len) {
		at += strspn(path + at, "/");
		at += strcspn(path + at, "/");
		rc = make_dir(arena, arena_text(arena, span_make(path, at)), mode, err);
	}
	arena_free(arena);
	return rc;
}

int path_sync_dir(const char *path, struct err *err)
{
	const int fd = os_open(path, O_RDONLY | O_DIRECTORY, 0);

	if (fd < 0)
		return err_set_errno(err, ERR_LOCAL, "cannot open directory %s", path);

	int rc = os_fsync(fd);
	if (rc < 0 && errno == EINVAL) /* a file system that has no such thing, as some FUSE ones */
		rc = 0;
	if (rc < 0)
		err_set_errno(err, ERR_LOCAL, "cannot sync directory %s", path);
	(void)os_close(fd);
	return rc;
}

int path_write_all(int fd, struct span bytes)
{
	while (bytes.len > 0) {
		const ssize_t written = os_write(fd, bytes.data, bytes.len);

		if (written < 0)
			return -1;
		if (written == 0) {
			errno = ENOSPC;
			return -1;
		}
		bytes = span_from(bytes, (size_t)written);
	}
	return 0;
}

int path_open_temporary(struct arena *arena, const char *path, mode_t mode, const char **name_out)
{
	static atomic_uint serial;

	for (int i = 0; i < NAME_TRIES; i++) {
		const char *name = arena_print(
			arena, "%s.tmp-%ld-%u", path, (long)getpid(), atomic_fetch_add(&serial, 1));
		const int fd = os_open(name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);

		if (fd >= 0)
			*name_out = name;
		if (fd >= 0 || errno != EEXIST)
			return fd;
	}
	return -1;
}

/* -1 with errno, and then no temporary file stays behind. */
static int write_and_rename(struct arena *arena, const char *path, struct span bytes, mode_t mode)
{
	const char *name;
	const int fd = path_open_temporary(arena, path, mode, &name);

	if (fd < 0)
		return -1;

	int rc = path_write_all(fd, bytes);
	if (rc == 0)
		rc = os_fsync(fd);
	int number = errno;
	if (os_close(fd) < 0 && rc == 0) {
		number = errno;
		rc = -1;
	}
	if (rc == 0 && os_rename(name, path) == 0)
		return 0;
	if (rc == 0)
		number = errno;
	(void)os_unlink(name);
	errno = number;
	return -1;
}

int path_write(const char *path, struct span bytes, mode_t mode, struct err *err)
{
	struct arena *arena = arena_new();
	int rc = write_and_rename(arena, path, bytes, mode);

	if (rc < 0)
		err_set_errno(err, ERR_LOCAL, "cannot write %s", path);
	else
		rc = path_sync_dir(path_parent(arena, path), err);
	arena_free(arena);
	return rc;
}

static int read_all(int fd, const char *path, size_t first, size_t max, struct arena *arena,
	struct span *out, struct err *err)
{
	size_t room =
		first < max ? first + 1 : max + 1; /* one more shows the end, and is the NUL */
	size_t len = 0;
	char *data = arena_alloc(arena, room);

	for (;;) {
		const ssize_t got = os_read(fd, data + len, room - len);

		if (got < 0)
			return err_set_errno(err, ERR_LOCAL, "cannot read %s", path);
		len += (size_t)got;
		if (len > max)
			return err_set(err, ERR_LOCAL, "%s is larger than %zu bytes", path, max);
		if (got == 0)
			break;
		if (len < room)
			continue;

		const size_t more = room <= max / 2
					    ? room * 2
					    : max + 1; /* it grows while we read, or is of /proc */
		data = arena_grow(arena, data, room, more, 1);
		room = more;
	}
	*out = span_make(data, len);
	return 0;
}

static int check_secret(const char *path, const struct stat *st, struct err *err)
{
	if (st->st_uid != geteuid())
		return err_set_kind(
			err, ERR_LOCAL, ERR_KIND_USAGE, "%s belongs to another user", path);
	if (st->st_mode & (S_IRWXG | S_IRWXO))
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
			"%s is open to others: run chmod 600 on it", path);
	return 0;
}

/* O_NONBLOCK: a FIFO must not hold us up before it is refused. */
static int read_file(const char *path, size_t max, bool secret, struct arena *arena,
	struct span *out, struct err *err)
{
	const int fd = os_open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	struct stat st;
	int rc = -1;

	if (fd < 0)
		return err_set_errno(err, ERR_LOCAL, "cannot open %s", path);
	if (max > SIZE_MAX / 2)
		max = SIZE_MAX / 2;
	if (os_fstat(fd, &st) < 0) {
		err_set_errno(err, ERR_LOCAL, "cannot examine %s", path);
		goto out;
	}
	if (!S_ISREG(st.st_mode)) {
		err_set(err, ERR_LOCAL, "%s is not a regular file", path);
		goto out;
	}
	if (secret && check_secret(path, &st, err) < 0)
		goto out;
	if (st.st_size > 0 && (uint64_t)st.st_size > max) {
		err_set(err, ERR_LOCAL, "%s is larger than %zu bytes", path, max);
		goto out;
	}
	rc = read_all(
		fd, path, st.st_size > 0 ? (size_t)st.st_size : READ_FIRST, max, arena, out, err);
out:
	(void)os_close(fd);
	return rc;
}

int path_read(const char *path, size_t max, struct arena *arena, struct span *out, struct err *err)
{
	return read_file(path, max, false, arena, out, err);
}

int path_read_secret(
	const char *path, size_t max, struct arena *arena, struct span *out, struct err *err)
{
	return read_file(path, max, true, arena, out, err);
}

static int lock_contended(int fd, struct err *err)
{
	char text[24];
	const ssize_t got = os_pread(fd, text, sizeof(text), 0);
	uint32_t pid;

	if (got > 0 && span_u32(span_trim(span_make(text, (size_t)got)), &pid))
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_STATE,
			"state is locked by another run (pid %u)", (unsigned)pid);
	return err_set_kind(err, ERR_LOCAL, ERR_KIND_STATE, "state is locked by another run");
}

static int lock_fill(int fd)
{
	char text[24];
	const int len = snprintf(text, sizeof(text), "%ld\n", (long)getpid());

	if (os_ftruncate(fd, 0) < 0)
		return -1;
	return os_pwrite(fd, text, (size_t)len, 0) < 0 ? -1 : 0;
}

/* An OFD lock goes with this descriptor only: no other close() in the process gives it away, as a POSIX lock would be. */
int path_lock(const char *path, struct err *err)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	const int fd = os_open(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);

	if (fd < 0)
		return err_set_errno(err, ERR_LOCAL, "cannot open %s", path);
	if (os_fcntl(fd, F_OFD_SETLK, (long)&whole) < 0) {
		if (errno == EAGAIN || errno == EACCES)
			lock_contended(fd, err);
		else
			err_set_errno(err, ERR_LOCAL, "cannot lock %s", path);
		goto out;
	}
	if (lock_fill(fd) < 0) {
		err_set_errno(err, ERR_LOCAL, "cannot write %s", path);
		goto out;
	}
	return fd;
out:
	(void)os_close(fd);
	return -1;
}

/* The file stays: removing it would let two runs lock two files of one name. */
void path_unlock(int fd)
{
	if (fd < 0)
		return;
	(void)os_ftruncate(fd, 0);
	(void)os_close(fd);
}

/* NULL when there is none. */
static const char *home(struct arena *arena)
{
	const char *variable = getenv("HOME");
	char text[4096];
	struct passwd entry;
	struct passwd *found;

	if (variable && *variable)
		return variable;
	if (getpwuid_r(geteuid(), &entry, text, sizeof(text), &found) != 0 || !found ||
		!*found->pw_dir)
		return NULL;
	return arena_strdup(arena, found->pw_dir);
}

/* XDG base directory specification: a relative path is invalid and ignored. */
static char *xdg_place(
	struct arena *arena, const char *variable, const char *below_home, const char *name)
{
	const char *base = getenv(variable);

	if (base && *base == '/')
		return arena_print(arena, "%s/%s", base, name);

	const char *directory = home(arena);
	return directory ? arena_print(arena, "%s/%s/%s", directory, below_home, name) : NULL;
}

char *path_state_dir(struct arena *arena)
{
	return xdg_place(arena, "XDG_STATE_HOME", ".local/state", "mailhaul");
}

char *path_config_file(struct arena *arena)
{
	return xdg_place(arena, "XDG_CONFIG_HOME", ".config", "mailhaul/config");
}

char *path_expand(struct arena *arena, const char *path)
{
	if (path[0] != '~' || (path[1] != '\0' && path[1] != '/'))
		return arena_strdup(arena, path);

	const char *directory = home(arena);
	return directory ? arena_print(arena, "%s%s", directory, path + 1)
			 : arena_strdup(arena, path);
}
