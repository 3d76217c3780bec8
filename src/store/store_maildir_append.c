/*
 * Storing messages: each is written to `tmp`, a group of them is synced and renamed into `cur`, the directory synced, their UIDs written down. What is in `cur` is whole
 * and on disk; what a crash leaves in `tmp` is no message, and is removed after 36 hours, as the rules of Maildir have it.
 */
#include "store/store_maildir_parts.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/os.h"
#include "mail/unix_eol.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/random.h>
#include <unistd.h>

#define GROUP_MESSAGES 64 /* their descriptors are open meanwhile */
#define GROUP_BYTES (8u << 20)
#define WRITE_SIZE 65536
#define PIECE 32768
#define STALE_HOURS 36

struct message_file { /* written to `tmp`, not committed */
	uint64_t token;
	int fd;
	char tmp[256], cur[256];
	flags_t lost;
};

struct maildir_append {
	struct store_maildir *store;
	char *mailbox;
	int dir, tmp, cur; /* descriptors */
	struct maildir_keywords keywords;
	uint32_t uidvalidity;

	struct message_file group[GROUP_MESSAGES];
	size_t count;
	uint64_t bytes;
	struct file_results results;

	/* the message that is being written */
	bool in_message;
	struct message_file file;
	struct date date;
	unsigned flags;
	uint32_t letters;
	uint64_t size, given; /* as announced, and so far */
	uint64_t written; /* octets of the file */
	bool kept; /* with its CRLFs: LFs could not be undone */
	uint64_t added; /* CRs that reading it will add to what is kept */
	struct unix_eol eol, count_eol;
	struct buf buf; /* to be written */
};

/* ---- the folder ---- */

static void close_dir(int *fd)
{
	if (*fd >= 0)
		(void)os_close(*fd);
	*fd = -1;
}

static void leave_folder(struct maildir_append *append)
{
	close_dir(&append->tmp);
	close_dir(&append->cur);
	close_dir(&append->dir);
	mem_free(append->mailbox);
	append->mailbox = NULL;
	arena_clear(append->keywords.arena);
}

void maildir_append_free(struct maildir_append *append)
{
	if (append == NULL)
		return;
	maildir_append_drop(&append->store->store);
	leave_folder(append);
	file_results_release(&append->results);
	arena_free(append->keywords.arena);
	buf_release(&append->buf);
	mem_free(append);
}

static struct maildir_append *append_of(struct store_maildir *store)
{
	if (store->append == NULL) {
		struct maildir_append *append = mem_alloc(sizeof(*append));

		append->store = store;
		append->dir = append->tmp = append->cur = -1;
		append->keywords.arena = arena_new();
		buf_init(&append->buf, WRITE_SIZE + (size_t)PIECE * 4);
		store->append = append;
	}
	return store->append;
}

/* What we left in `tmp` when we were killed. The time of the inode: the other is the message's. */
static void remove_stale(int tmp)
{
	const int fd = os_openat(tmp, ".", O_RDONLY | O_DIRECTORY, 0);
	DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;
	struct stat st;

	if (stream == NULL) {
		close_dir(&(int){ fd });
		return;
	}
	while ((entry = readdir(stream)) != NULL) {
		if (maildir_unique_ours(span_of(entry->d_name)) &&
			os_fstatat(tmp, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
			time(NULL) - st.st_ctime > STALE_HOURS * 3600)
			(void)os_unlinkat(tmp, entry->d_name, 0);
	}
	(void)closedir(stream);
}

static int open_sub(int dir, const char *sub, const char *mailbox, struct err *err)
{
	const int fd = os_openat(dir, sub, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);

	if (fd < 0)
		err_set_errno(
			err, ERR_MAILBOX, "mailbox %s: cannot open its directory %s", mailbox, sub);
	return fd;
}

static int enter_folder(struct maildir_append *append, const char *name, struct err *err)
{
	struct ledger_facts facts;
	bool changed;

	if (mailbox_is_inbox(name) && maildir_make(append->store, name, &changed, err) < 0)
		return -1;
	append->mailbox = mem_strdup(mailbox_is_inbox(name) ? "INBOX" : name);
	append->dir = maildir_open_folder(append->store, name, err);
	if (append->dir < 0)
		return -1;
	append->tmp = open_sub(append->dir, "tmp", name, err);
	if (append->tmp < 0)
		return -1;
	append->cur = open_sub(append->dir, "cur", name, err);
	if (append->cur < 0 || maildir_keywords_read(append->dir, &append->keywords, err) < 0 ||
		ledger_facts(append->store->ledger, append->mailbox, &facts, err) < 0)
		return -1;
	append->uidvalidity = facts.uidvalidity;
	remove_stale(append->tmp);
	return 0;
}

int maildir_append_to(struct store *base, const char *name, struct err *err)
{
	struct maildir_append *append = append_of(store_maildir_of(base));

	if (maildir_append_outstanding(base) > 0)
		return err_set(
			err, ERR_LOCAL, "mailbox %s: earlier messages are not settled", name);
	leave_folder(append);
	if (enter_folder(append, name, err) < 0) {
		leave_folder(append);
		return -1;
	}
	return 0;
}

/* ---- committing ---- */

static void discard(struct maildir_append *append, struct message_file *file)
{
	close_dir(&file->fd);
	(void)os_unlinkat(append->tmp, file->tmp, 0);
}

/* All on their way to the disk at once, then each waited for. */
static int sync_group(struct maildir_append *append, struct err *err)
{
	for (size_t i = 0; i < append->count; i++)
		(void)sync_file_range(append->group[i].fd, 0, 0, SYNC_FILE_RANGE_WRITE);
	for (size_t i = 0; i < append->count; i++) {
		struct message_file *file = &append->group[i];
		int rc = os_fsync(file->fd);
		const int number = errno;

		if (os_close(file->fd) < 0 && rc == 0)
			rc = -1;
		else
			errno = number;
		file->fd = -1;
		if (rc < 0)
			return err_set_errno(err, ERR_LOCAL,
				"mailbox %s: cannot write a message to disk", append->mailbox);
	}
	return 0;
}

/* Into `cur`, in their order. How many were renamed. */
static size_t rename_group(struct maildir_append *append, struct err *err)
{
	for (size_t i = 0; i < append->count; i++) {
		const struct message_file *file = &append->group[i];

		if (os_renameat_new(append->tmp, file->tmp, append->cur, file->cur) < 0) {
			err_set_errno(err, ERR_LOCAL, "mailbox %s: cannot store a message",
				append->mailbox);
			return i;
		}
	}
	return append->count;
}

static int record_group(struct maildir_append *append, size_t count, uint32_t *uid, struct err *err)
{
	struct digest128 key[GROUP_MESSAGES];
	struct digest *digest = digest_new();

	for (size_t i = 0; i < count; i++) {
		struct maildir_name name;

		if (maildir_name_parse(span_of(append->group[i].cur), &name))
			digest_add(digest, name.unique);
		key[i] = digest_end128(digest);
	}
	digest_free(digest);
	return ledger_add(append->store->ledger, append->mailbox, key, count, uid, err);
}

/* The first `stored` are in `cur`, and known to be on disk if rc is 0; the others never got there. */
static void settle_group(struct maildir_append *append, size_t stored, const uint32_t *uid, int rc)
{
	for (size_t i = 0; i < append->count; i++) {
		struct append_result *result =
			file_results_add(&append->results, append->group[i].token);

		if (i >= stored) {
			discard(append, &append->group[i]);
			continue;
		}
		result->outcome = rc == 0 ? APPEND_STORED : APPEND_UNKNOWN;
		result->uidvalidity = append->uidvalidity;
		result->uid = rc == 0 ? uid[i] : 0;
		result->lost = append->group[i].lost;
	}
	append->count = 0;
	append->bytes = 0;
}

static int commit(struct maildir_append *append, struct err *err)
{
	uint32_t uid[GROUP_MESSAGES] = { 0 };
	size_t stored = 0, count = append->count;
	int rc;

	if (count == 0)
		return 0;
	os_point("maildir-commit");
	rc = sync_group(append, err);
	if (rc == 0) {
		os_point("maildir-synced");
		stored = rename_group(append, err);
		rc = stored > 0 ? maildir_sync_dir(append->cur, append->mailbox, err) : 0;
		os_point("maildir-renamed");
		if (rc == 0 && stored > 0)
			rc = record_group(append, stored, uid, err);
	}
	settle_group(append, stored, uid, rc);
	return rc == 0 && stored == count ? 0 : -1;
}

/* ---- writing ---- */

static int write_failed(struct maildir_append *append, struct err *err)
{
	return err_set_errno(err, ERR_LOCAL, "mailbox %s: cannot write a message", append->mailbox);
}

static int write_out(struct maildir_append *append, struct err *err)
{
	struct span rest = buf_span(&append->buf);

	while (rest.len > 0) {
		const ssize_t written = os_write(append->file.fd, rest.data, rest.len);

		if (written < 0)
			return write_failed(append, err);
		rest = span_from(rest, (size_t)written);
		append->written += (uint64_t)written;
	}
	buf_clear(&append->buf);
	return 0;
}

static int make_file(struct maildir_append *append, struct message_file *file, struct err *err)
{
	static atomic_uint counter;
	struct timespec now;
	struct maildir_unique unique = { .host = append->store->host };

	(void)clock_gettime(CLOCK_REALTIME, &now);
	unique.seconds = now.tv_sec;
	unique.micros = (uint32_t)(now.tv_nsec / 1000);
	unique.pid = (uint32_t)getpid();
	unique.counter = atomic_fetch_add(&counter, 1);
	if (getrandom(&unique.random, sizeof(unique.random), GRND_NONBLOCK) < 0)
		unique.random = (uint64_t)clock_us();
	maildir_unique_print(&unique, file->tmp);
	file->fd = os_openat(append->tmp, file->tmp, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	if (file->fd < 0)
		return err_set_errno(err, err_scope_of_errno(),
			"mailbox %s: cannot create a file in tmp", append->mailbox);
	if (owner_give(append->store->owner, file->fd, err) < 0) {
		discard(append, file);
		return -1;
	}
	return 0;
}

int maildir_append_begin(struct store *base, uint64_t token, flags_t flags, struct date date,
	uint64_t size, struct err *err)
{
	struct maildir_append *append = append_of(store_maildir_of(base));

	if (append->mailbox == NULL || append->in_message)
		return err_set(err, ERR_LOCAL, "no mailbox is open for a message");
	append->file = (struct message_file){ .token = token, .fd = -1 };
	if (maildir_letters_of(append->store, append->dir, &append->keywords, flags, &append->flags,
		    &append->letters, &append->file.lost, err) < 0 ||
		make_file(append, &append->file, err) < 0)
		return -1;
	append->in_message = true;
	append->date = date;
	append->size = size;
	append->given = append->written = append->added = 0;
	append->kept = false;
	append->eol = append->count_eol = (struct unix_eol){ 0 };
	buf_clear(&append->buf);
	return 0;
}

/* The octets as they came, out of what is written and what is to be. */
static int unconvert(struct maildir_append *append, struct message_file *with, struct err *err)
{
	struct buf lines = append->buf;
	struct unix_eol back = { 0 };
	char data[PIECE];
	const uint64_t end = append->written;
	const int from = append->file.fd;
	uint64_t at = 0;

	buf_init(&append->buf, lines.max);
	append->file.fd = with->fd;
	append->written = 0;
	while (at < end) {
		const ssize_t got = os_pread(from, data, sizeof(data), (off_t)at);

		if (got <= 0) {
			buf_release(&lines);
			append->file.fd = from;
			return write_failed(append, err);
		}
		unix_eol_get(&back, span_make(data, (size_t)got), &append->buf);
		at += (uint64_t)got;
		if (write_out(append, err) < 0) {
			buf_release(&lines);
			append->file.fd = from;
			return -1;
		}
	}
	for (at = 0; at < lines.len; at += PIECE) {
		unix_eol_get(&back, span_sub(buf_span(&lines), at, PIECE), &append->buf);
		if (write_out(append, err) < 0) {
			buf_release(&lines);
			append->file.fd = from;
			return -1;
		}
	}
	buf_release(&lines);
	unix_eol_put_end(&append->eol, &append->buf);
	append->file.fd = from;
	return 0;
}

/* LFs could not be undone: what was written so far gets its CRLFs back, in another file. */
static int keep(struct maildir_append *append, struct err *err)
{
	struct message_file with = append->file;

	if (make_file(append, &with, err) < 0)
		return -1;
	if (unconvert(append, &with, err) < 0) {
		discard(append, &with);
		return -1;
	}
	discard(append, &append->file);
	append->file = with;
	append->kept = true;
	return 0;
}

static int add_piece(struct maildir_append *append, struct span piece, struct err *err)
{
	append->added += unix_eol_count(&append->count_eol, piece);
	if (!append->kept && !unix_eol_put(&append->eol, piece, &append->buf) &&
		keep(append, err) < 0)
		return -1;
	if (append->kept && buf_add(&append->buf, piece) < 0)
		abort(); /* its cap has room for a piece */
	return append->buf.len >= WRITE_SIZE ? write_out(append, err) : 0;
}

int maildir_append_add(struct store *base, struct span bytes, struct err *err)
{
	struct maildir_append *append = append_of(store_maildir_of(base));

	append->given += bytes.len;
	if (append->given > append->size)
		return 0; /* refused at its end */
	for (; bytes.len > 0; bytes = span_from(bytes, PIECE)) {
		if (add_piece(append, span_sub(bytes, 0, PIECE), err) < 0)
			return -1;
	}
	return 0;
}

static void set_time(struct maildir_append *append)
{
	const struct timespec times[2] = { { .tv_nsec = UTIME_NOW },
		{ .tv_sec = append->date.instant } };

	if (append->date.instant != DATE_UNKNOWN && os_futimens(append->file.fd, times) < 0)
		log_warn("mailbox %s: a message's date could not be set", append->mailbox);
}

/* Its final name: sizes of the file and of the mail, then flags. */
static int name_file(struct maildir_append *append, struct err *err)
{
	struct message_file *file = &append->file;
	const uint64_t mail = append->given + append->added;
	char base[256];
	struct maildir_name name;
	struct buf text;
	int rc = snprintf(base, sizeof(base), "%s,S=%llu,W=%llu", file->tmp,
		(unsigned long long)append->written, (unsigned long long)mail);

	buf_init(&text, sizeof(file->cur) - 1);
	if (rc > 0 && (size_t)rc < sizeof(base) && maildir_name_parse(span_of(base), &name))
		rc = maildir_name_print(&name, append->flags, append->letters, &text);
	else
		rc = -1;
	if (rc == 0)
		(void)snprintf(file->cur, sizeof(file->cur), "%s", buf_text(&text));
	buf_release(&text);
	return rc < 0 ? err_set(err, ERR_LOCAL, "a message's file name is too long") : 0;
}

int maildir_append_end(struct store *base, struct err *err)
{
	struct maildir_append *append = append_of(store_maildir_of(base));

	if (file_append_whole(append->given, append->size, err) < 0) {
		(void)maildir_append_cancel(base);
		return -1;
	}
	if (!append->kept)
		unix_eol_put_end(&append->eol, &append->buf);
	if (write_out(append, err) < 0 || name_file(append, err) < 0)
		return -1;
	set_time(append);
	append->in_message = false;
	append->group[append->count++] = append->file;
	append->bytes += append->written;
	if (append->count == GROUP_MESSAGES || append->bytes >= GROUP_BYTES)
		return commit(append, err);
	return 0;
}

bool maildir_append_in_message(const struct store *base)
{
	const struct maildir_append *append = store_maildir_of(base)->append;

	return append != NULL && append->in_message;
}

bool maildir_append_cancel(struct store *base)
{
	struct maildir_append *append = store_maildir_of(base)->append;

	if (append != NULL && append->in_message) {
		discard(append, &append->file);
		append->in_message = false;
	}
	return true;
}

int maildir_append_flush(struct store *base, struct err *err)
{
	(void)base;
	(void)err;
	return 0;
}

int maildir_append_settle(struct store *base, bool wait, struct append_result *out, struct err *err)
{
	struct maildir_append *append = store_maildir_of(base)->append;

	if (append == NULL)
		return 0;
	if (file_results_take(&append->results, out))
		return 1;
	if (!wait)
		return 0;
	if (commit(append, err) < 0)
		return -1;
	return file_results_take(&append->results, out);
}

void maildir_append_drop(struct store *base)
{
	struct maildir_append *append = store_maildir_of(base)->append;
	const uint32_t none = 0;

	if (append == NULL)
		return;
	if (append->in_message) {
		file_results_add(&append->results, append->file.token);
		maildir_append_cancel(base);
	}
	settle_group(append, 0, &none, 0);
}

size_t maildir_append_outstanding(const struct store *base)
{
	const struct maildir_append *append = store_maildir_of(base)->append;

	if (append == NULL)
		return 0;
	return append->count + append->in_message + append->results.count - append->results.taken;
}
