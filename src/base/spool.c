/* A file in front, growing at its end, and the newest bytes in memory behind it; the file exists only once memory is full. */
#include "base/spool.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/os.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <unistd.h>

#define CHUNK (64u << 10)
#define NAME_TRIES 100

struct spool {
	struct buf tail; /* the bytes from file_size on */
	int fd; /* -1: no file yet */
	uint64_t file_size;
	uint64_t at; /* of the next chunk */
	char *chunk; /* of CHUNK bytes, NULL until the file is read */
};

struct spool *spool_new(size_t memory_bytes)
{
	struct spool *spool = mem_alloc(sizeof(*spool));

	spool->fd = -1;
	buf_init(&spool->tail, memory_bytes);
	return spool;
}

void spool_free(struct spool *spool)
{
	if (!spool)
		return;
	buf_release(&spool->tail);
	mem_free(spool->chunk);
	if (spool->fd >= 0)
		(void)os_close(spool->fd);
	mem_free(spool);
}

/* For file systems without O_TMPFILE (NFS, old overlayfs): a name, gone at once. */
static int open_named(struct arena *arena, const char *dir)
{
	static atomic_uint serial;

	for (int i = 0; i < NAME_TRIES; i++) {
		const char *path = arena_print(arena, "%s/mailhaul-%ld-%u", dir, (long)getpid(),
			atomic_fetch_add(&serial, 1));
		const int fd = os_open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);

		if (fd >= 0) {
			(void)os_unlink(
				path); /* left over: an empty-named file of 0600, no reason to stop */
			return fd;
		}
		if (errno != EEXIST)
			return -1;
	}
	return -1;
}

static int spool_open(struct spool *spool, struct err *err)
{
	const char *wanted = getenv("TMPDIR");
	const char *dir = wanted && *wanted ? wanted : "/var/tmp";

	spool->fd = os_open(dir, O_RDWR | O_TMPFILE, 0600);
	if (spool->fd < 0 &&
		(errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL || errno == ENOENT)) {
		struct arena *arena = arena_new();

		spool->fd = open_named(arena, dir);
		arena_free(arena);
	}
	if (spool->fd < 0)
		return err_set_errno(err, ERR_LOCAL, "cannot create a temporary file in %s", dir);
	return 0;
}

static int spool_write(struct spool *spool, struct span bytes, struct err *err)
{
	if (spool->fd < 0 && spool_open(spool, err) < 0)
		return -1;
	while (bytes.len > 0) {
		const ssize_t written =
			os_pwrite(spool->fd, bytes.data, bytes.len, (off_t)spool->file_size);

		if (written < 0)
			return err_set_errno(err, ERR_LOCAL, "cannot write a temporary file");
		if (written == 0)
			return err_set(
				err, ERR_LOCAL, "cannot write a temporary file: nothing was taken");
		spool->file_size += (uint64_t)written;
		bytes = span_from(bytes, (size_t)written);
	}
	return 0;
}

int spool_add(struct spool *spool, struct span bytes, struct err *err)
{
	if (buf_add(&spool->tail, bytes) == 0)
		return 0;
	if (spool_write(spool, buf_span(&spool->tail), err) < 0)
		return -1;
	buf_clear(&spool->tail);
	if (buf_add(&spool->tail, bytes) == 0)
		return 0;
	return spool_write(spool, bytes, err);
}

uint64_t spool_size(const struct spool *spool)
{
	return spool->file_size + spool->tail.len;
}

void spool_rewind(struct spool *spool)
{
	spool->at = 0;
}

int spool_next(struct spool *spool, struct span *chunk_out, struct err *err)
{
	if (spool->at >= spool_size(spool))
		return 0;
	if (spool->at >= spool->file_size) {
		*chunk_out =
			span_from(buf_span(&spool->tail), (size_t)(spool->at - spool->file_size));
		spool->at += chunk_out->len;
		return 1;
	}

	const uint64_t left = spool->file_size - spool->at;
	if (!spool->chunk)
		spool->chunk = mem_resize(NULL, CHUNK, 1);
	const ssize_t got = os_pread(
		spool->fd, spool->chunk, left < CHUNK ? (size_t)left : CHUNK, (off_t)spool->at);
	if (got < 0)
		return err_set_errno(err, ERR_LOCAL, "cannot read a temporary file");
	if (got == 0)
		return err_set(err, ERR_LOCAL, "a temporary file became shorter by itself");
	spool->at += (uint64_t)got;
	*chunk_out = span_make(spool->chunk, (size_t)got);
	return 1;
}

void spool_clear(struct spool *spool)
{
	buf_clear(&spool->tail);
	spool->file_size = spool->at = 0;
	if (spool->fd < 0)
		return;
	if (os_ftruncate(spool->fd, 0) == 0)
		return;
	(void)os_close(spool->fd); /* what it holds must not take disk for longer */
	spool->fd = -1;
}
