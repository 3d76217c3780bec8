/* Small text files beside mail. */
#include "store/side_file.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/os.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define PIECE 8192

static int write_all(int fd, struct span bytes)
{
	while (bytes.len > 0) {
		const ssize_t written = os_write(fd, bytes.data, bytes.len);

		if (written < 0)
			return -1;
		bytes = span_from(bytes, (size_t)written);
	}
	return 0;
}

static int write_new(
	struct owner owner, int dir, const char *name, struct span content, struct err *err)
{
	const int fd = os_openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
	int rc = 0;

	if (fd < 0)
		return err_set_errno(err, ERR_MAILBOX, "cannot create %s", name);
	if (write_all(fd, content) < 0 || os_fsync(fd) < 0)
		rc = err_set_errno(err, ERR_LOCAL, "cannot write %s", name);
	else
		rc = owner_give(owner, fd, err);
	if (os_close(fd) < 0 && rc == 0)
		rc = err_set_errno(err, ERR_LOCAL, "cannot write %s", name);
	return rc;
}

int side_file_put(struct owner owner, int dir, const char *temporary, const char *name,
	struct span content, struct err *err)
{
	int rc = write_new(owner, dir, temporary, content, err);

	if (rc == 0 && os_renameat(dir, temporary, dir, name) < 0)
		rc = err_set_errno(err, ERR_LOCAL, "cannot replace %s", name);
	if (rc < 0)
		(void)os_unlinkat(dir, temporary, 0);
	if (rc == 0 && os_fsync(dir) < 0 &&
		errno != EINVAL) /* a file system that has no such thing */
		rc = err_set_errno(err, ERR_LOCAL, "cannot sync the directory of %s", name);
	return rc;
}

static int read_all(int fd, const char *name, struct buf *buf, struct err *err)
{
	ssize_t got;

	for (;;) {
		if (buf_reserve(buf, PIECE) < 0)
			return err_set(err, ERR_MAILBOX, "%s is too large", name);
		got = os_read(fd, buf->data + buf->len, PIECE);
		if (got < 0)
			return err_set_errno(err, ERR_MAILBOX, "cannot read %s", name);
		if (got == 0)
			return 0;
		buf->len += (size_t)got;
	}
}

int side_file_read(int dir, const char *name, size_t max, struct arena *arena, struct span *out,
	struct err *err)
{
	const int fd = os_openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0);
	struct stat st;
	struct buf buf;
	int rc = -1;

	*out = (struct span){ 0 };
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return err_set_errno(err, ERR_MAILBOX, "cannot open %s", name);
	buf_init(&buf, max);
	if (os_fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		err_set(err, ERR_MAILBOX, "%s is not a regular file", name);
	else
		rc = read_all(fd, name, &buf, err);
	if (rc == 0)
		*out = arena_span(arena, buf_span(&buf));
	buf_release(&buf);
	(void)os_close(fd);
	return rc < 0 ? -1 : 1;
}
