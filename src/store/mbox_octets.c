/* Windows on a file, plain or through libarchive. */
#include "store/mbox_octets.h"

#include "base/dynamic.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/must.h"
#include "base/os.h"
#include "base/spool.h"
#include "mail/mbox_reader.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>

#define BUFFER 262144
#define READ_SIZE 65536

struct mbox_octets {
	int fd;
	enum mbox_packing packing;
	uint64_t limit;
	const char *shown;
	char *data;
	uint64_t base; /* offset of data[0] */
	size_t len;
	bool ended; /* nothing follows what is in data */
	/* compressed files */
	struct archive *archive;
	uint64_t taken; /* octets of the file given to libarchive */
	char *in;
	struct span rest; /* decompressed, not in data yet */
};

static const struct {
	const char *end;
	enum mbox_packing packing;
	struct span mark;
} packings[] = {
	{ "", MBOX_PLAIN, { "", 0 } },
	{ ".gz", MBOX_GZIP, { "\x1f\x8b\x08\x00", 4 } },
	{ ".bz2", MBOX_BZIP2, { "BZh91AY&SY", 10 } },
	{ ".zst", MBOX_ZSTD, { "\x28\xb5\x2f\xfd", 4 } },
	{ ".xz", MBOX_XZ,
		{ "\xfd"
		  "7zXZ\0",
			6 } },
};

/*
 * libarchive and what it brings along cost more memory than a whole run over IMAP: it is loaded when the first compressed file is met, and stays.
 */
/* clang-format off */
#define LIBRARY_CALLS(X) \
	X(archive_set_error) \
	X(archive_entry_free) \
	X(archive_entry_new) \
	X(archive_entry_set_filetype) \
	X(archive_entry_set_pathname) \
	X(archive_error_string) \
	X(archive_filter_bytes) \
	X(archive_read_data_block) \
	X(archive_read_free) \
	X(archive_read_new) \
	X(archive_read_next_header) \
	X(archive_read_open) \
	X(archive_read_support_filter_bzip2) \
	X(archive_read_support_filter_gzip) \
	X(archive_read_support_filter_xz) \
	X(archive_read_support_filter_zstd) \
	X(archive_read_support_format_empty) \
	X(archive_read_support_format_raw) \
	X(archive_write_add_filter_bzip2) \
	X(archive_write_add_filter_gzip) \
	X(archive_write_add_filter_xz) \
	X(archive_write_add_filter_zstd) \
	X(archive_write_close) \
	X(archive_write_data) \
	X(archive_write_free) \
	X(archive_write_header) \
	X(archive_write_new) \
	X(archive_write_open) \
	X(archive_write_set_bytes_in_last_block) \
	X(archive_write_set_filter_option) \
	X(archive_write_set_format_raw)
/* clang-format on */

static struct {
#define DECLARE(name) __typeof__(&(name)) name; /* NOLINT(bugprone-macro-parentheses): a name */
	LIBRARY_CALLS(DECLARE)
#undef DECLARE
	bool loaded;
} library;

static void load_library(void)
{
	static const struct dynamic_call calls[] = {
#define CALL(name) DYNAMIC_CALL(library, name),
		LIBRARY_CALLS(CALL)
#undef CALL
	};

	library.loaded = dynamic_load("libarchive.so.13", calls, countof(calls));
}

static int need_library(struct err *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, load_library);
	if (library.loaded)
		return 0;
	return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
		"compressed files need libarchive (libarchive.so.13), which is not installed");
}

enum mbox_packing mbox_packing_of(struct span name, size_t *len_out)
{
	for (size_t i = 1; i < countof(packings); i++) {
		const size_t len = strlen(packings[i].end);

		if (name.len > len && span_equal_nocase(span_from(name, name.len - len),
					      span_of(packings[i].end))) {
			*len_out = len;
			return packings[i].packing;
		}
	}
	*len_out = 0;
	return MBOX_PLAIN;
}

struct span mbox_packing_mark(enum mbox_packing packing)
{
	return packings[packing].mark;
}

struct mbox_octets *mbox_octets_open(
	int fd, enum mbox_packing packing, uint64_t limit, const char *shown)
{
	struct mbox_octets *octets = mem_alloc(sizeof(*octets));

	octets->fd = fd;
	octets->packing = packing;
	octets->limit = limit;
	octets->shown = shown;
	octets->data = mem_alloc(BUFFER);
	return octets;
}

static void end_archive(struct mbox_octets *octets)
{
	if (octets->archive != NULL)
		library.archive_read_free(octets->archive);
	octets->archive = NULL;
	octets->rest = (struct span){ NULL, 0 };
}

void mbox_octets_close(struct mbox_octets *octets)
{
	if (octets == NULL)
		return;
	end_archive(octets);
	mem_free(octets->in);
	mem_free(octets->data);
	mem_free(octets);
}

static ssize_t read_file(struct mbox_octets *octets, void *to, size_t size, uint64_t offset)
{
	if (offset >= octets->limit)
		return 0;
	if (size > octets->limit - offset)
		size = (size_t)(octets->limit - offset);
	return os_pread(octets->fd, to, size, (off_t)offset);
}

static la_ssize_t feed(struct archive *archive, void *context, const void **out)
{
	struct mbox_octets *octets = context;
	const ssize_t got = read_file(octets, octets->in, READ_SIZE, octets->taken);

	if (got < 0) {
		library.archive_set_error(archive, errno, "%s", strerror(errno));
		return -1;
	}
	octets->taken += (uint64_t)got;
	*out = octets->in;
	return got;
}

static int damaged(struct mbox_octets *octets, struct err *err)
{
	const char *text = library.archive_error_string(octets->archive);

	err_set(err, ERR_MAILBOX, "%s cannot be decompressed: %s", octets->shown,
		text != NULL ? text : "it is damaged");
	end_archive(octets);
	return -1;
}

/* 1, 0 = it holds nothing, -1 */
static int begin_archive(struct mbox_octets *octets, struct err *err)
{
	struct archive_entry *entry;
	int rc;

	end_archive(octets);
	if (need_library(err) < 0)
		return -1;
	if (octets->in == NULL)
		octets->in = mem_alloc(READ_SIZE);
	octets->archive = library.archive_read_new();
	octets->taken = 0;
	if (octets->archive == NULL)
		return err_set(err, ERR_LOCAL, "%s: no memory to decompress it", octets->shown);
	library.archive_read_support_filter_gzip(octets->archive);
	library.archive_read_support_filter_bzip2(octets->archive);
	library.archive_read_support_filter_zstd(octets->archive);
	library.archive_read_support_filter_xz(octets->archive);
	library.archive_read_support_format_raw(octets->archive);
	library.archive_read_support_format_empty(octets->archive);
	if (library.archive_read_open(octets->archive, octets, NULL, feed, NULL) != ARCHIVE_OK)
		return damaged(octets, err);
	rc = library.archive_read_next_header(octets->archive, &entry);
	if (rc == ARCHIVE_EOF)
		return 0;
	return rc == ARCHIVE_OK || rc == ARCHIVE_WARN ? 1 : damaged(octets, err);
}

/* gzip and bzip2 end where no other part begins, and leave alone what follows: there may be mail in it, but for zeros, which are padding. */
static int check_end(struct mbox_octets *octets, struct err *err)
{
	uint64_t at = (uint64_t)library.archive_filter_bytes(octets->archive, -1);
	ssize_t got;

	while ((got = read_file(octets, octets->in, READ_SIZE, at)) > 0) {
		const struct span part = span_make(octets->in, (size_t)got);

		for (size_t i = 0; i < part.len; i++) {
			if (part.data[i] != '\0')
				return err_set(err, ERR_MAILBOX,
					"%s cannot be decompressed: what stands at octet %llu and behind it is not compressed",
					octets->shown, (unsigned long long)(at + i));
		}
		at += (uint64_t)got;
	}
	return got < 0 ? err_set_errno(err, ERR_MAILBOX, "%s cannot be read", octets->shown) : 0;
}

/* Fills *rest with the next decompressed octets: 1, 0 = end, -1. */
static int decompress(struct mbox_octets *octets, struct err *err)
{
	const void *block;
	la_int64_t at;
	size_t len = 0;
	int rc = ARCHIVE_OK;

	if (octets->archive == NULL) {
		rc = begin_archive(octets, err);
		if (rc <= 0)
			return rc;
	}
	do
		rc = library.archive_read_data_block(octets->archive, &block, &len, &at);
	while (rc == ARCHIVE_OK && len == 0);
	if (rc == ARCHIVE_EOF)
		return check_end(octets, err);
	if (rc != ARCHIVE_OK && rc != ARCHIVE_WARN)
		return damaged(octets, err);
	octets->rest = span_make(block, len);
	return 1;
}

/* Puts more behind what is in data: 1, 0 = end, -1. */
static int fill(struct mbox_octets *octets, struct err *err)
{
	const size_t room = BUFFER - octets->len;
	struct span part;
	int rc;

	if (octets->packing == MBOX_PLAIN) {
		const ssize_t got = read_file(
			octets, octets->data + octets->len, room, octets->base + octets->len);

		if (got < 0)
			return err_set_errno(err, ERR_MAILBOX, "%s cannot be read", octets->shown);
		octets->len += (size_t)got;
		return got > 0;
	}
	if (octets->rest.len == 0 && (rc = decompress(octets, err)) <= 0)
		return rc;
	part = span_sub(octets->rest, 0, room);
	memcpy(octets->data + octets->len, part.data, part.len);
	octets->len += part.len;
	octets->rest = span_from(octets->rest, part.len);
	return 1;
}

/* Makes data begin at the offset, or on the way there for a compressed file. */
static void move_to(struct mbox_octets *octets, uint64_t offset)
{
	if (offset >= octets->base && offset - octets->base <= octets->len) {
		const size_t drop = (size_t)(offset - octets->base);

		memmove(octets->data, octets->data + drop, octets->len - drop);
		octets->len -= drop;
		octets->base = offset;
		return;
	}
	octets->ended = false;
	if (octets->packing == MBOX_PLAIN) {
		octets->base = offset;
	} else if (offset < octets->base) {
		end_archive(octets);
		octets->base = 0;
	} else {
		octets->base += octets->len;
	}
	octets->len = 0;
}

int mbox_octets_window(struct mbox_octets *octets, uint64_t offset, struct span *out,
	bool *last_out, struct err *err)
{
	size_t at;

	for (;;) {
		const uint64_t have = octets->base + octets->len;

		if (offset >= octets->base && offset <= have &&
			(octets->ended || have - offset >= MBOX_WINDOW))
			break;
		if (octets->ended && offset > have)
			return err_set(err, ERR_CONN, "%s has become shorter", octets->shown);
		move_to(octets, offset);

		const int rc = fill(octets, err);
		if (rc < 0)
			return -1;
		octets->ended = rc == 0;
	}
	at = (size_t)(offset - octets->base);
	*out = span_make(octets->data + at, octets->len - at);
	*last_out = octets->ended;
	return 0;
}

/* ---- compressing ---- */

struct packer {
	struct spool *out;
	struct err *err;
	bool failed;
};

static la_ssize_t take_packed(struct archive *archive, void *context, const void *data, size_t size)
{
	struct packer *packer = context;

	if (packer->failed || spool_add(packer->out, span_make(data, size), packer->err) < 0) {
		packer->failed = true;
		library.archive_set_error(archive, EIO, "cannot be kept");
		return -1;
	}
	return (la_ssize_t)size;
}

static int pack_failed(struct archive *archive, struct packer *packer, struct err *err)
{
	if (!packer->failed)
		err_set(err, ERR_LOCAL, "cannot compress: %s",
			library.archive_error_string(archive));
	return -1;
}

static int pack_all(
	struct archive *archive, struct packer *packer, struct spool *in, struct err *err)
{
	struct archive_entry *entry = library.archive_entry_new();
	struct span chunk;
	int rc;

	library.archive_entry_set_pathname(entry, "mbox");
	library.archive_entry_set_filetype(entry, AE_IFREG);
	rc = library.archive_write_header(archive, entry);
	library.archive_entry_free(entry);
	if (rc != ARCHIVE_OK)
		return pack_failed(archive, packer, err);
	spool_rewind(in);
	while ((rc = spool_next(in, &chunk, err)) > 0) {
		if (library.archive_write_data(archive, chunk.data, chunk.len) !=
			(la_ssize_t)chunk.len)
			return pack_failed(archive, packer, err);
	}
	if (rc < 0)
		return -1;
	return library.archive_write_close(archive) == ARCHIVE_OK
		       ? 0
		       : pack_failed(archive, packer, err);
}

int mbox_pack(enum mbox_packing packing, struct spool *in, struct spool *out, struct err *err)
{
	struct packer packer = { .out = out, .err = err };
	struct archive *archive = need_library(err) < 0 ? NULL : library.archive_write_new();
	int rc = ARCHIVE_OK;

	if (archive == NULL && !library.loaded)
		return -1;
	if (archive == NULL)
		return err_set(err, ERR_LOCAL, "no memory to compress");
	library.archive_write_set_bytes_in_last_block(archive, 1);
	library.archive_write_set_format_raw(archive);
	if (packing == MBOX_GZIP) {
		rc = library.archive_write_add_filter_gzip(archive);
		library.archive_write_set_filter_option(archive, "gzip", "timestamp", NULL);
	} else if (packing == MBOX_BZIP2) {
		rc = library.archive_write_add_filter_bzip2(archive);
	} else if (packing == MBOX_ZSTD) {
		rc = library.archive_write_add_filter_zstd(archive);
	} else if (packing == MBOX_XZ) {
		rc = library.archive_write_add_filter_xz(archive);
	}
	if (rc == ARCHIVE_OK)
		rc = library.archive_write_open(archive, &packer, NULL, take_packed, NULL);
	rc = rc == ARCHIVE_OK ? pack_all(archive, &packer, in, err)
			      : pack_failed(archive, &packer, err);
	library.archive_write_free(archive);
	return rc;
}
