/* The file of a manifest: opening without following links, the lock of its writer, whole groups, and writing it anew. */
#include "store/manifest_parts.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/os.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <unistd.h>

#define MAGIC "mailhaul-manifest "
#define VERSION "1"
#define CHUNK 65536
#define DIGITS (MANIFEST_MARK_LEN - 2)
#define LOCK_TRIES 100
#define LOCK_WAIT_MS 50
#define NAME_ROOM 280

int manifest_damaged(
	const struct manifest *manifest, uint64_t line, const char *what, struct err *err)
{
	return err_set(err, ERR_MAILBOX,
		"%s:%llu: damaged (%s); without this file its messages are numbered anew, and what only it knows is lost",
		manifest->place.shown, (unsigned long long)line, what);
}

static int set_errno(const struct manifest *manifest, const char *verb, struct err *err)
{
	return err_set_errno(err, ERR_LOCAL, "cannot %s %s", verb, manifest->place.shown);
}

/* The line that ends a group, of its lines and the line that ended the one before. */
static void end_mark(struct digest *digest, char out[MANIFEST_MARK_LEN + 1])
{
	unsigned char sha[DIGEST_SIZE];

	digest_end(digest, sha);
	out[0] = '!';
	digest_hex(sha, DIGITS / 2, out + 1);
	out[MANIFEST_MARK_LEN - 1] = '\n';
	out[MANIFEST_MARK_LEN] = '\0';
}

void manifest_mark(const char *before, struct span lines, char out[MANIFEST_MARK_LEN + 1])
{
	struct digest *digest = digest_new();

	digest_add(digest, span_of(before));
	digest_add(digest, lines);
	end_mark(digest, out);
	digest_free(digest);
}

/* Octets of the file from `at` on, `need` of them or up to its end. */
static int look(
	struct manifest *manifest, uint64_t at, size_t need, struct span *out, struct err *err)
{
	struct buf *window = &manifest->window;

	*out = (struct span){ 0 };
	if (at < manifest->window_at || at > manifest->window_at + window->len) {
		buf_clear(window);
		manifest->window_at = at;
	}
	size_t skip = (size_t)(at - manifest->window_at);
	while (window->len - skip < need) {
		buf_drop_front(window, skip);
		manifest->window_at = at;
		skip = 0;
		if (buf_reserve(window, need + CHUNK) < 0)
			return err_set(
				err, ERR_MAILBOX, "%s: a line is too long", manifest->place.shown);
		const ssize_t got = os_pread(manifest->fd, window->data + window->len,
			need - window->len + CHUNK, (off_t)(at + window->len));
		if (got < 0)
			return set_errno(manifest, "read", err);
		if (got == 0)
			break;
		window->len += (size_t)got;
	}
	*out = span_from(buf_span(window), skip);
	return 0;
}

static bool cut_line(struct span *text)
{
	const char *end = text->len > 0 ? memchr(text->data, '\n', text->len) : NULL;

	if (end)
		text->len = (size_t)(end - text->data);
	return end != NULL;
}

int manifest_file_line(struct manifest *manifest, uint64_t at, struct span *out, struct err *err)
{
	size_t need = 1;

	if (at >= manifest->end) {
		*out = span_from(buf_span(&manifest->pending), (size_t)(at - manifest->end));
		if (!cut_line(out))
			out->len = 0;
		return 0;
	}
	for (;;) {
		if (look(manifest, at, need, out, err) < 0)
			return -1;
		if (out->len > manifest->end - at)
			out->len = (size_t)(manifest->end - at);
		const size_t had = out->len;
		if (cut_line(out))
			return 0;
		if (had < need || need > MANIFEST_LINE_MAX)
			return err_set(
				err, ERR_MAILBOX, "%s: a line has no end", manifest->place.shown);
		need = had + 1;
	}
}

struct scan {
	struct digest *digest;
	uint64_t at, line;
	bool begins; /* at is where a line begins */
	bool has_hole; /* the group has NULs: blocks that a crash left unwritten */
};

/* 1: the group is whole; 0: it is not. */
static int scan_mark(struct manifest *manifest, struct scan *scan, struct span text)
{
	char mark[MANIFEST_MARK_LEN + 1];

	end_mark(scan->digest, mark);
	if (!span_starts(text, span_of(mark)))
		return 0;
	memcpy(manifest->mark, mark, sizeof(mark));
	digest_add(scan->digest, span_of(mark));
	scan->at += MANIFEST_MARK_LEN;
	manifest->end = scan->at;
	scan->has_hole = false;
	return 1;
}

/* Up to the last whole group; what is behind it was never confirmed, unless others follow. */
static int scan_groups(struct manifest *manifest, struct scan *scan, struct err *err)
{
	for (;;) {
		struct span text;

		if (look(manifest, scan->at, MANIFEST_MARK_LEN, &text, err) < 0)
			return -1;
		if (text.len == 0)
			return 0;
		if (scan->begins && text.data[0] == '!') {
			scan->line++;
			if (scan_mark(manifest, scan, text) == 1)
				continue;
			if (text.len > MANIFEST_MARK_LEN ||
				(text.len == MANIFEST_MARK_LEN && !scan->has_hole))
				return manifest_damaged(manifest, scan->line,
					"the lines above are not as they were written", err);
			return 0;
		}
		const char *end = memchr(text.data, '\n', text.len);
		if (end)
			text.len = (size_t)(end - text.data) + 1;
		scan->has_hole |= memchr(text.data, '\0', text.len) != NULL;
		digest_add(scan->digest, text);
		scan->at += text.len;
		scan->begins = end != NULL;
		scan->line += scan->begins;
	}
}

static int read_head(struct manifest *manifest, struct err *err)
{
	struct span line;

	if (manifest->end == 0)
		return manifest_damaged(manifest, 1, "it is no manifest, or not a whole one", err);
	if (manifest_file_line(manifest, 0, &line, err) < 0)
		return -1;
	if (!span_starts(line, SPAN(MAGIC)))
		return manifest_damaged(manifest, 1, "it is no manifest", err);
	if (!span_starts(line, SPAN(MAGIC VERSION " ")))
		return err_set(
			err, ERR_MAILBOX, "%s is of a newer mailhaul", manifest->place.shown);
	if (!span_u32(span_from(line, sizeof(MAGIC VERSION)), &manifest->uidvalidity) ||
		manifest->uidvalidity == 0)
		return manifest_damaged(manifest, 1, "no UIDVALIDITY", err);
	return 0;
}

static int examine(struct manifest *manifest, struct err *err)
{
	struct scan scan = { .digest = digest_new(), .begins = true };
	struct stat st;
	int rc = scan_groups(manifest, &scan, err);

	digest_free(scan.digest);
	if (rc < 0 || read_head(manifest, err) < 0)
		return -1;
	if (os_fstat(manifest->fd, &st) < 0)
		return set_errno(manifest, "examine", err);
	manifest->size = (uint64_t)st.st_size;
	if (manifest->size > manifest->end && manifest->mode == MANIFEST_WRITE)
		log_info("%s: %llu octets that were not confirmed are left out",
			manifest->place.shown,
			(unsigned long long)(manifest->size - manifest->end));
	return 0;
}

static int write_all(int fd, struct span bytes, uint64_t at)
{
	while (bytes.len > 0) {
		const ssize_t written = os_pwrite(fd, bytes.data, bytes.len, (off_t)at);

		if (written <= 0) {
			if (written == 0)
				errno = ENOSPC;
			return -1;
		}
		at += (uint64_t)written;
		bytes = span_from(bytes, (size_t)written);
	}
	return 0;
}

static int lock(int fd)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	return os_fcntl(fd, F_OFD_SETLK, (long)&whole);
}

static int sync_dir(const struct manifest *manifest)
{
	const int rc = os_fsync(manifest->place.dir);

	return rc < 0 && errno == EINVAL ? 0 : rc; /* a file system that has no such thing */
}

/* A new file that only this manifest knows, locked, as its owner wants it. */
static int open_beside(const struct manifest *manifest, const char *name)
{
	const struct manifest_place *place = &manifest->place;
	const int fd = os_openat(place->dir, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	struct stat st;

	if (fd < 0)
		return -1;
	if (lock(fd) < 0)
		goto fail;
	if ((place->owner != UINT32_MAX || place->group != UINT32_MAX) &&
		fchown(fd, place->owner, place->group) < 0)
		goto fail;
	if (manifest->fd >= 0 && os_fstat(manifest->fd, &st) == 0 && (st.st_mode & 07777) != 0600 &&
		fchmod(fd, st.st_mode & 0666) < 0)
		goto fail;
	return fd;
fail:;
	const int number = errno;
	(void)os_close(fd);
	(void)os_unlinkat(place->dir, name, 0);
	errno = number;
	return -1;
}

static uint32_t new_uidvalidity(void)
{
	static atomic_uint last;
	uint32_t before = atomic_load(&last);
	uint32_t next;

	do {
		next = (uint32_t)clock_wall();
		if (next <= before)
			next = before + 1;
	} while (!atomic_compare_exchange_weak(&last, &before, next));
	return next;
}

/* 1: it is ours now; 0: somebody else was faster. */
static int create(struct manifest *manifest, struct err *err)
{
	static atomic_uint serial;
	const struct manifest_place *place = &manifest->place;
	char name[NAME_ROOM], text[80], mark[MANIFEST_MARK_LEN + 1];

	snprintf(name, sizeof(name), "%s.new-%ld-%u", place->name, (long)getpid(),
		atomic_fetch_add(&serial, 1));
	snprintf(text, sizeof(text), MAGIC VERSION " %lu\n", (unsigned long)new_uidvalidity());
	manifest_mark("", span_of(text), mark);
	const int fd = open_beside(manifest, name);
	if (fd < 0)
		return set_errno(manifest, "create", err);
	if (write_all(fd, span_of(text), 0) == 0 &&
		write_all(fd, span_of(mark), strlen(text)) == 0 && os_fsync(fd) == 0 &&
		os_renameat_new(place->dir, name, place->dir, place->name) == 0 &&
		sync_dir(manifest) == 0) {
		manifest->fd = fd;
		manifest->is_new = true;
		return 1;
	}
	const int number = errno;
	(void)os_close(fd);
	(void)os_unlinkat(place->dir, name, 0);
	errno = number;
	return number == EEXIST ? 0 : set_errno(manifest, "create", err);
}

/* 1: open; 0: there is none. Another's locked one may be replaced at any time: the name must still be this file's. */
static int open_there(struct manifest *manifest, struct err *err)
{
	const struct manifest_place *place = &manifest->place;
	const int how = manifest->mode == MANIFEST_WRITE ? O_RDWR : O_RDONLY;
	const int fd =
		os_openat(place->dir, place->name, how | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0);
	struct stat st;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return errno == ELOOP
			       ? err_set(err, ERR_MAILBOX, "%s is a symbolic link", place->shown)
			       : set_errno(manifest, "open", err);
	manifest->fd = fd;
	if (os_fstat(fd, &st) < 0)
		return set_errno(manifest, "examine", err);
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_MAILBOX, "%s is no regular file", place->shown);
	return 1;
}

static bool is_still_there(const struct manifest *manifest)
{
	struct stat mine, there;

	return os_fstat(manifest->fd, &mine) == 0 &&
	       os_fstatat(manifest->place.dir, manifest->place.name, &there, AT_SYMLINK_NOFOLLOW) ==
		       0 &&
	       mine.st_ino == there.st_ino && mine.st_dev == there.st_dev;
}

static int open_to_write(struct manifest *manifest, struct err *err)
{
	for (int i = 0; i < LOCK_TRIES; i++) {
		int rc = open_there(manifest, err);

		if (rc < 0)
			return -1;
		if (rc == 0)
			rc = create(manifest, err);
		else if (lock(manifest->fd) == 0)
			rc = is_still_there(manifest);
		else if (errno == EAGAIN || errno == EACCES)
			rc = 0;
		else
			return set_errno(manifest, "lock", err);
		if (rc != 0)
			return rc < 0 ? -1 : 0;
		if (manifest->fd >= 0)
			(void)os_close(manifest->fd);
		manifest->fd = -1;
		if (manifest->place.no_wait && i > 2)
			break;
		if (clock_sleep(LOCK_WAIT_MS) < 0)
			return err_set(err, ERR_STOPPED, "stopped");
	}
	return err_set_kind(err, ERR_MAILBOX, ERR_KIND_BUSY, "%s is being written by another run",
		manifest->place.shown);
}

int manifest_file_open(struct manifest *manifest, struct err *err)
{
	if (manifest->mode == MANIFEST_WRITE) {
		if (open_to_write(manifest, err) < 0)
			return -1;
	} else {
		const int rc = open_there(manifest, err);

		if (rc <= 0)
			return rc;
	}
	return examine(manifest, err);
}

int manifest_file_append(struct manifest *manifest, struct err *err)
{
	struct buf *pending = &manifest->pending;
	char mark[MANIFEST_MARK_LEN + 1];

	manifest->broken = true;
	manifest_mark(manifest->mark, buf_span(pending), mark);
	if (manifest->size > manifest->end && os_ftruncate(manifest->fd, (off_t)manifest->end) < 0)
		return set_errno(manifest, "write", err);
	if (buf_add(pending, span_of(mark)) < 0)
		return err_set(err, ERR_LOCAL, "%s: too much at once", manifest->place.shown);
	if (write_all(manifest->fd, buf_span(pending), manifest->end) < 0 ||
		os_fsync(manifest->fd) < 0)
		return set_errno(manifest, "write", err);
	memcpy(manifest->mark, mark, sizeof(mark));
	manifest->end += pending->len;
	manifest->size = manifest->end;
	manifest->lines++;
	buf_clear(pending);
	buf_clear(&manifest->window);
	manifest->broken = false;
	return 0;
}

struct writer { /* of a whole new file */
	int fd;
	struct buf lines;
	uint64_t at; /* where lines begin in the file */
	struct digest *digest;
};

static int flush(struct writer *writer)
{
	if (write_all(writer->fd, buf_span(&writer->lines), writer->at) < 0)
		return -1;
	digest_add(writer->digest, buf_span(&writer->lines));
	writer->at += writer->lines.len;
	buf_clear(&writer->lines);
	return 0;
}

/* What is not rows. */
static int write_rest(const struct manifest *manifest, struct writer *writer)
{
	struct buf *lines = &writer->lines;

	if (buf_print(lines, "+%llu\n", (unsigned long long)manifest->uidnext) < 0)
		return -1;
	for (size_t i = 0; i < manifest->note_count; i++) {
		if (buf_print(lines, "@%s\t", manifest->note[i].key) < 0 ||
			manifest_print_text(lines, manifest->note[i].text) < 0 ||
			buf_add_char(lines, '\n') < 0)
			return -1;
	}
	return 0;
}

/* at: the new place of each row. */
static int write_whole(
	struct manifest *manifest, struct writer *writer, uint64_t *at, struct err *err)
{
	char mark[MANIFEST_MARK_LEN + 1];

	if (buf_print(&writer->lines, MAGIC VERSION " %lu\n",
		    (unsigned long)manifest->uidvalidity) < 0)
		return -1;
	for (size_t i = 0; i < manifest->count; i++) {
		struct manifest_row row;

		if (manifest_read(manifest, i, &row, err) < 0)
			return -1;
		at[i] = writer->at + writer->lines.len;
		if (manifest_print_row(&writer->lines, manifest->place.flags, &row) < 0 ||
			buf_add_char(&writer->lines, '\n') < 0)
			return err_set(err, ERR_MAILBOX, "%s: a line would be too long",
				manifest->place.shown);
		if (writer->lines.len >= CHUNK && flush(writer) < 0)
			return set_errno(manifest, "write", err);
	}
	if (write_rest(manifest, writer) < 0 || flush(writer) < 0)
		return set_errno(manifest, "write", err);
	end_mark(writer->digest, mark);
	if (write_all(writer->fd, span_of(mark), writer->at) < 0 || os_fsync(writer->fd) < 0)
		return set_errno(manifest, "write", err);
	writer->at += MANIFEST_MARK_LEN;
	memcpy(manifest->mark, mark, sizeof(mark));
	return 0;
}

/* From now on the new file is the manifest's. */
static void take_over(struct manifest *manifest, struct writer *writer, uint64_t *at)
{
	(void)os_close(manifest->fd);
	manifest->fd = writer->fd;
	writer->fd = -1;
	mem_free(manifest->at);
	manifest->at = at;
	manifest->room = manifest->count;
	manifest->uid = mem_resize(manifest->uid, manifest->room + 1, sizeof(*manifest->uid));
	manifest->flags = mem_resize(manifest->flags, manifest->room + 1, sizeof(*manifest->flags));
	manifest->lines = manifest->count + manifest->note_count + 3;
	manifest->end = manifest->size = writer->at;
	buf_clear(&manifest->pending);
	buf_clear(&manifest->window);
}

int manifest_file_rewrite(struct manifest *manifest, struct err *err)
{
	const struct manifest_place *place = &manifest->place;
	struct writer writer = { .digest = digest_new() };
	uint64_t *at = mem_array(manifest->count + 1, sizeof(*at));
	char name[NAME_ROOM];
	int rc = -1;

	buf_init(&writer.lines, SIZE_MAX);
	snprintf(name, sizeof(name), "%s.new", place->name);
	(void)os_unlinkat(place->dir, name, 0); /* of a run that was killed: we hold the lock */
	writer.fd = open_beside(manifest, name);
	if (writer.fd < 0) {
		set_errno(manifest, "write", err);
	} else if (write_whole(manifest, &writer, at, err) == 0) {
		manifest->broken = true;
		if (os_renameat(place->dir, name, place->dir, place->name) < 0 ||
			sync_dir(manifest) < 0) {
			set_errno(manifest, "write", err);
		} else {
			manifest->broken = false;
			take_over(manifest, &writer, at);
			at = NULL;
			rc = 0;
		}
	}
	if (writer.fd >= 0) {
		(void)os_close(writer.fd);
		(void)os_unlinkat(place->dir, name, 0);
	}
	mem_free(at);
	buf_release(&writer.lines);
	digest_free(writer.digest);
	return rc;
}
