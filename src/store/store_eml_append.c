/*
 * Messages into a directory, in groups: each is written under a temporary name; then the files are synced, get their names (never over another file), the directory
 * is synced, and the manifest's group makes them known. Only then they are stored. A crash before that leaves nothing, or whole files that the next opening takes in.
 */
#include "store/store_eml_parts.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/os.h"
#include "mail/header_field.h"
#include "mail/mime.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define GROUP_MESSAGES 64
#define GROUP_BYTES (16u << 20)
#define GROUP_MS 1000 /* a group that waits for a slow source is written after so long */
#define SUBJECT_MAX 120
#define NUMBER_TRIES 1000000

static void release_dir(struct store_eml *store)
{
	eml_dir_close(store->to);
	store->to = NULL;
}

/* The box may have it open already: one manifest, one lock. */
static int open_to(struct store_eml *store, struct err *err)
{
	struct box_eml *box = store->box;

	if (store->to)
		return 0;
	store->to = box && box->dir->writable && strcmp(box->dir->name, store->to_name) == 0
			    ? box->dir
			    : eml_dir_open(store, store->to_name, STORE_WRITE, err);
	if (!store->to)
		return -1;
	store->to->users++;
	store->number = 0;
	return 0;
}

int eml_append_to(struct store *base, const char *name, struct err *err)
{
	struct store_eml *store = store_eml_of(base);

	if (store->to && strcmp(store->to->name, name) != 0)
		release_dir(store);
	mem_free(store->to_name);
	store->to_name = mem_strdup(name);
	return open_to(store, err);
}

static int open_temporary(struct store_eml *store, struct err *err)
{
	static _Atomic unsigned serial;
	char name[64];

	snprintf(name, sizeof(name), EML_TEMPORARY "%ld-%u", (long)getpid(), serial++);
	store->fd = os_openat(store->to->fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	if (store->fd < 0)
		return err_set_errno(
			err, err_scope_of_errno(), "cannot write into %s", store->to->shown);
	store->temporary = mem_strdup(name);
	return owner_give(store->owner, store->fd, err);
}

int eml_append_begin(struct store *base, uint64_t token, flags_t flags, struct date date,
	uint64_t size, struct err *err)
{
	struct store_eml *store = store_eml_of(base);

	if (open_to(store, err) < 0)
		return -1;
	if (manifest_uidnext(store->to->manifest) == 0)
		return err_set(err, ERR_MAILBOX, "%s takes no more messages: all UIDs are used up",
			store->to->shown);
	if (open_temporary(store, err) < 0)
		return -1;
	store->token = token;
	store->announced = size;
	store->row = (struct manifest_row){ .date = date, .flags = flags };
	digest_reset(store->digest);
	buf_clear(&store->header);
	return 0;
}

int eml_append_add(struct store *base, struct span bytes, struct err *err)
{
	struct store_eml *store = store_eml_of(base);

	if (store->header.len < EML_HEADER_MAX)
		(void)!buf_add(
			&store->header, span_sub(bytes, 0, EML_HEADER_MAX - store->header.len));
	digest_add(store->digest, bytes);
	store->row.size += bytes.len;
	if (store->row.size > store->announced)
		return 0; /* refused at its end */
	store->out += bytes.len;
	while (bytes.len > 0) {
		const ssize_t written = os_write(store->fd, bytes.data, bytes.len);

		if (written == 0)
			errno = ENOSPC;
		if (written <= 0)
			return err_set_errno(
				err, ERR_LOCAL, "cannot write into %s", store->to->shown);
		bytes = span_from(bytes, (size_t)written);
	}
	return 0;
}

static void release_pending(struct eml_pending *pending)
{
	if (pending->fd >= 0)
		(void)os_close(pending->fd);
	mem_free(pending->temporary);
	mem_free((char *)pending->row.message_id);
	mem_free(pending->subject);
}

static char *keep_text(const char *text)
{
	return text ? mem_strdup(text) : NULL;
}

/* Everything but its name is there now. */
static void add_pending(struct store_eml *store)
{
	struct arena *arena = arena_new();
	const struct span header = buf_span(&store->header);
	struct eml_pending *pending;

	if (store->pending_count == store->pending_room) {
		store->pending_room = store->pending_room ? store->pending_room * 2 : 16;
		store->pending =
			mem_resize(store->pending, store->pending_room, sizeof(*store->pending));
	}
	if (store->pending_count == 0)
		store->pending_since = clock_ms();
	pending = &store->pending[store->pending_count++];
	*pending = (struct eml_pending){ .fd = store->fd,
		.temporary = store->temporary,
		.row = store->row,
		.token = store->token };
	pending->row.has_sha256 = true;
	digest_end(store->digest, pending->row.sha256);
	pending->row.message_id = keep_text(header_field(header, SPAN("Message-ID"), arena));
	if (store->name_by == EML_BY_SUBJECT)
		pending->subject = keep_text(header_field(header, SPAN("Subject"), arena));
	store->pending_bytes += store->row.size;
	store->fd = -1;
	store->temporary = NULL;
	arena_free(arena);
}

static int add_name(struct store_eml *store, const struct eml_pending *pending, uint32_t uid,
	uint64_t number, struct buf *out)
{
	struct arena *arena = arena_new();
	int rc = 0;

	buf_clear(out);
	if (store->name_by == EML_BY_NUMBER) {
		rc = buf_print(out, "%llu", (unsigned long long)number);
	} else {
		if (store->name_by == EML_BY_SUBJECT && pending->subject) {
			eml_name_tame(
				span_of(mime_decode(pending->subject, arena)), SUBJECT_MAX, out);
			rc = out->len > 0 ? buf_add_char(out, '.') : 0;
		}
		rc |= buf_print(out, "%lu", (unsigned long)uid);
	}
	arena_free(arena);
	return rc | buf_print(out, ".%s", store->ext);
}

/* Under its own name, which nothing has yet: a UID whose name is taken is passed over. */
static int name_file(
	struct store_eml *store, struct eml_pending *pending, struct buf *name, struct err *err)
{
	struct manifest *manifest = store->to->manifest;

	for (unsigned i = 0; i < NUMBER_TRIES; i++) {
		const uint32_t uid = manifest_uidnext(manifest);

		if (store->number < manifest_count(manifest))
			store->number = manifest_count(manifest);
		store->number++;
		if (uid == 0 || add_name(store, pending, uid, store->number, name) < 0)
			break;
		if (os_renameat_new(
			    store->to->fd, pending->temporary, store->to->fd, buf_text(name)) == 0)
			return 0;
		if (errno != EEXIST)
			return err_set_errno(err, ERR_LOCAL, "cannot write %s/%s", store->to->shown,
				buf_text(name));
		if (store->name_by != EML_BY_NUMBER) {
			if (uid == UINT32_MAX)
				break;
			manifest_skip_to(manifest, uid + 1);
		}
	}
	return err_set(
		err, ERR_MAILBOX, "%s: there is no name left for a message", store->to->shown);
}

/* The file is synced; row->uid is set when it is in the manifest, which has to be committed. */
static int place_file(
	struct store_eml *store, struct eml_pending *pending, struct buf *name, struct err *err)
{
	struct manifest *manifest = store->to->manifest;
	const bool only = store->attachments == EML_ATTACHMENTS_ONLY;

	if (!only && name_file(store, pending, name, err) < 0)
		return -1;
	if (store->attachments != EML_ATTACHMENTS_NO &&
		eml_parts_write(store, store->to, pending->fd, manifest_uidnext(manifest), err) < 0)
		return -1;
	if (only && os_unlinkat(store->to->fd, pending->temporary, 0) < 0)
		return err_set_errno(err, ERR_LOCAL, "cannot write into %s", store->to->shown);
	pending->row.where = only ? EML_NO_FILE : buf_text(name);
	pending->row.uid = manifest_add(manifest, &pending->row);
	if (pending->row.uid == 0)
		return err_set(err, ERR_MAILBOX, "%s takes no more messages", store->to->shown);
	return 0;
}

static int sync_files(struct store_eml *store, struct err *err)
{
	for (size_t i = 0; i < store->pending_count; i++) {
		const struct manifest_row *row = &store->pending[i].row;
		const struct timespec times[2] = {
			{ .tv_nsec = UTIME_OMIT },
			{ .tv_sec = (time_t)row->date.instant },
		};

		if (row->date.instant != DATE_UNKNOWN)
			(void)!futimens(store->pending[i].fd, times);
		if (os_fsync(store->pending[i].fd) < 0)
			return err_set_errno(
				err, ERR_LOCAL, "cannot write into %s", store->to->shown);
	}
	return 0;
}

static int write_group(struct store_eml *store, struct err *err)
{
	struct buf name;
	int rc = sync_files(store, err);

	buf_init(&name, EML_NAME_MAX);
	os_point("eml.synced");
	for (size_t i = 0; i < store->pending_count && rc == 0; i++)
		rc = place_file(store, &store->pending[i], &name, err);
	buf_release(&name);
	os_point("eml.named");
	if (rc == 0)
		rc = eml_sync_dir(store->to->fd, store->to->shown, err);
	if (rc == 0)
		rc = manifest_commit(store->to->manifest, err);
	os_point("eml.committed");
	return rc;
}

/* After a failure what has got its name may be there: the next opening tells. */
static int commit_group(struct store_eml *store, struct err *err)
{
	if (store->pending_count == 0)
		return 0;
	const int rc = write_group(store, err);

	for (size_t i = 0; i < store->pending_count; i++) {
		struct eml_pending *pending = &store->pending[i];
		struct append_result *result = file_results_add(&store->results, pending->token);

		if (rc == 0) {
			result->outcome = APPEND_STORED;
			result->uid = pending->row.uid;
			result->uidvalidity = manifest_uidvalidity(store->to->manifest);
		} else if (os_unlinkat(store->to->fd, pending->temporary, 0) < 0) {
			result->outcome = APPEND_UNKNOWN;
		}
		release_pending(pending);
	}
	store->pending_count = 0;
	store->pending_bytes = 0;
	return rc;
}

int eml_append_end(struct store *base, struct err *err)
{
	struct store_eml *store = store_eml_of(base);

	if (file_append_whole(store->row.size, store->announced, err) < 0) {
		(void)eml_append_cancel(base);
		return -1;
	}
	add_pending(store);
	return store->pending_count >= GROUP_MESSAGES || store->pending_bytes >= GROUP_BYTES
		       ? commit_group(store, err)
		       : 0;
}

bool eml_append_in_message(const struct store *base)
{
	return ((const struct store_eml *)(const void *)base)->fd >= 0;
}

bool eml_append_cancel(struct store *base)
{
	struct store_eml *store = store_eml_of(base);

	if (store->fd < 0)
		return false;
	(void)os_close(store->fd);
	if (store->temporary)
		(void)os_unlinkat(store->to->fd, store->temporary, 0);
	mem_free(store->temporary);
	store->temporary = NULL;
	store->fd = -1;
	return true;
}

int eml_append_flush(struct store *base, struct err *err)
{
	struct store_eml *store = store_eml_of(base);

	return store->pending_count > 0 && clock_ms() - store->pending_since >= GROUP_MS
		       ? commit_group(store, err)
		       : 0;
}

int eml_append_settle(struct store *base, bool wait, struct append_result *out, struct err *err)
{
	struct store_eml *store = store_eml_of(base);

	if (file_results_take(&store->results, out))
		return 1;
	if (!wait)
		return 0;
	if (commit_group(store, err) < 0)
		return -1;
	if (file_results_take(&store->results, out))
		return 1;
	if (store->fd < 0)
		release_dir(store); /* others may want to write there */
	return 0;
}

void eml_append_drop(struct store *base)
{
	struct store_eml *store = store_eml_of(base);

	(void)eml_append_cancel(base);
	for (size_t i = 0; i < store->pending_count; i++) {
		file_results_add(&store->results, store->pending[i].token);
		(void)os_unlinkat(store->to->fd, store->pending[i].temporary, 0);
		release_pending(&store->pending[i]);
	}
	store->pending_count = 0;
	store->pending_bytes = 0;
	release_dir(store);
}

size_t eml_append_outstanding(const struct store *base)
{
	const struct store_eml *store = (const struct store_eml *)(const void *)base;

	return store->pending_count + store->results.count - store->results.taken;
}
