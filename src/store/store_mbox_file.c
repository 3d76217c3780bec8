/* One mbox file and its record. */
#include "store/store_mbox_parts.h"

#include "base/log.h"
#include "base/os.h"
#include "base/path.h"
#include "store/thunderbird_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* ---- places of messages as text ---- */

uint32_t mbox_line_hash(struct span line)
{
	unsigned char sha256[DIGEST_SIZE];
	uint32_t hash;

	digest_bytes(line, sha256);
	memcpy(&hash, sha256, sizeof(hash));
	return hash;
}

/* START HEAD SIZE STRIP LETTERS KEY LINE, between dots */
void mbox_entry_print(const struct mbox_entry *entry, char out[128])
{
	static const char *const hows[] = {
		[MBOX_UNQUOTE_RD] = "r", [MBOX_UNQUOTE_O] = "o", [MBOX_UNQUOTE_NONE] = "n"
	};

	(void)snprintf(out, 128, "%llu.%u.%llu.%u.%s%s%s%s%s.%016llx.%u",
		(unsigned long long)entry->start, (unsigned)entry->head,
		(unsigned long long)entry->size, (unsigned)entry->strip, hows[entry->how],
		entry->exact ? "x" : "", entry->open_line ? "e" : "", entry->filtered ? "m" : "",
		entry->aside ? "s" : "", (unsigned long long)entry->key, (unsigned)entry->line);
}

static struct span take_part(struct span *text)
{
	const size_t dot = span_find(*text, '.');
	const struct span part = span_sub(*text, 0, dot == SIZE_MAX ? text->len : dot);

	*text = span_from(*text, dot == SIZE_MAX ? text->len : dot + 1);
	return part;
}

static bool take_letters(struct span letters, struct mbox_entry *out)
{
	if (letters.len == 0)
		return false;
	switch (letters.data[0]) {
	case 'r':
		out->how = MBOX_UNQUOTE_RD;
		break;
	case 'o':
		out->how = MBOX_UNQUOTE_O;
		break;
	case 'n':
		out->how = MBOX_UNQUOTE_NONE;
		break;
	default:
		return false;
	}
	for (size_t i = 1; i < letters.len; i++) {
		if (letters.data[i] == 'x')
			out->exact = true;
		else if (letters.data[i] == 'e')
			out->open_line = true;
		else if (letters.data[i] == 'm')
			out->filtered = true;
		else if (letters.data[i] == 's')
			out->aside = true;
		else
			return false;
	}
	return true;
}

static bool take_key(struct span text, uint64_t *out)
{
	*out = 0;
	for (size_t i = 0; i < text.len; i++) {
		const char digit = text.data[i];

		if (digit >= '0' && digit <= '9')
			*out = *out << 4 | (uint64_t)(digit - '0');
		else if (digit >= 'a' && digit <= 'f')
			*out = *out << 4 | (uint64_t)(digit - 'a' + 10);
		else
			return false;
	}
	return text.len == 16;
}

bool mbox_entry_parse(const char *where, struct mbox_entry *out)
{
	struct span text = span_of(where);

	*out = (struct mbox_entry){ .start = 0 };
	return span_u64(take_part(&text), &out->start) && span_u32(take_part(&text), &out->head) &&
	       span_u64(take_part(&text), &out->size) && span_u32(take_part(&text), &out->strip) &&
	       take_letters(take_part(&text), out) && take_key(take_part(&text), &out->key) &&
	       span_u32(take_part(&text), &out->line) && text.len == 0 &&
	       out->start < INT64_MAX / 4 && out->size < INT64_MAX / 4 && out->strip <= out->size &&
	       (!out->open_line || out->size > out->strip);
}

bool mbox_entry_check(const char *where)
{
	struct mbox_entry entry;

	return mbox_entry_parse(where, &entry);
}

static int compare_uid(const void *a, const void *b)
{
	const struct mbox_found *x = a, *y = b;

	return x->uid < y->uid ? -1 : x->uid > y->uid;
}

int mbox_file_entry(struct mbox_file *file, uint32_t uid, struct mbox_entry *out, struct err *err)
{
	const struct mbox_found key = { .uid = uid }, *found;
	struct manifest_row row;
	size_t index;

	if (file->manifest == NULL) {
		found = file->finding.count == 0
				? NULL
				: bsearch(&key, file->finding.found, file->finding.count,
					  sizeof(key), compare_uid);
		if (found != NULL)
			*out = found->entry;
		return found != NULL;
	}
	index = manifest_find(file->manifest, uid);
	if (index == SIZE_MAX)
		return 0;
	if (manifest_read(file->manifest, index, &row, err) < 0)
		return -1;
	return mbox_entry_parse(row.where, out);
}

/* ---- opening ---- */

static char *join(const char *a, const char *b, const char *c)
{
	struct buf text;
	char *out;

	buf_init(&text, SIZE_MAX / 2);
	if (buf_print(&text, "%s%s%s", a, b, c) < 0)
		abort();
	out = mem_strdup(buf_text(&text));
	buf_release(&text);
	return out;
}

static void free_file(struct mbox_file *file)
{
	mbox_octets_close(file->octets);
	manifest_close(file->manifest);
	mbox_finding_release(&file->finding);
	for (size_t i = 0; i < file->names_count; i++)
		mem_free(file->names[i]);
	mem_free(file->names);
	if (file->fd >= 0)
		os_close(file->fd);
	if (file->dir >= 0)
		os_close(file->dir);
	mem_free(file->name);
	mem_free(file->path);
	mem_free(file->base);
	mem_free(file->sidecar);
	mem_free(file);
}

static struct mbox_file *new_file(struct store_mbox *store, const char *name, const char *relative)
{
	struct mbox_file *file = mem_alloc(sizeof(*file));
	const char *slash = strrchr(relative, '/');
	size_t len;

	file->users = 1;
	file->store = store;
	file->name = mem_strdup(name);
	file->path = join(store->root_path, "/", relative);
	file->base = mem_strdup(slash != NULL ? slash + 1 : relative);
	file->sidecar = join(".", file->base, ".mailhaul");
	file->packing = mbox_packing_of(span_of(file->base), &len);
	file->dir = file->fd = -1;
	return file;
}

static int open_dir_of(const struct store_mbox *store, const char *relative)
{
	const char *slash = strrchr(relative, '/');
	struct arena *arena = arena_new();
	const char *dir =
		slash == NULL ? "."
			      : arena_text(arena, span_make(relative, (size_t)(slash - relative)));
	const int fd = os_openat(store->root, dir, O_RDONLY | O_DIRECTORY, 0);

	arena_free(arena);
	return fd;
}

static int open_dir(struct mbox_file *file, const char *relative, struct err *err)
{
	file->dir = open_dir_of(file->store, relative);
	if (file->dir < 0)
		return err_set_errno(
			err, ERR_MAILBOX, "cannot open the directory of %s", file->path);
	return 0;
}

void mbox_file_reopen_octets(struct mbox_file *file, uint64_t limit)
{
	mbox_octets_close(file->octets);
	file->octets = mbox_octets_open(file->fd, file->packing, limit, file->path);
}

/* 1, 0 = there is no such file, -1 */
static int open_octets(struct mbox_file *file, bool write, struct err *err)
{
	struct stat st;

	file->fd = os_openat(
		file->dir, file->base, (write ? O_RDWR : O_RDONLY) | O_NONBLOCK | O_NOCTTY, 0);
	if (file->fd < 0 && errno == ENOENT)
		return 0;
	if (file->fd < 0 && errno == EISDIR && mbox_folder_is(file->dir, file->base))
		return err_set_kind(err, ERR_MAILBOX, ERR_KIND_UNSUPPORTED,
			"%s is a folder of Thunderbird's maildir kind: it is only read",
			file->path);
	if (file->fd < 0)
		return err_set_errno(err, ERR_MAILBOX, "cannot open %s", file->path);
	if (os_fstat(file->fd, &st) < 0)
		return err_set_errno(err, ERR_MAILBOX, "cannot look at %s", file->path);
	file->folder = S_ISDIR(st.st_mode) && file->store->mozilla &&
		       mbox_folder_is(file->dir, file->base);
	if (file->folder)
		return mbox_folder_open(file, err) < 0 ? -1 : 1;
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_MAILBOX, "%s is not a regular file", file->path);
	mbox_file_reopen_octets(file, (uint64_t)st.st_size);
	return 1;
}

static int open_record(struct mbox_file *file, bool write, struct err *err)
{
	file->place = (struct manifest_place){
		.dir = file->dir,
		.name = file->sidecar,
		.shown = file->path,
		.flags = file->store->store.flags,
		.check = mbox_entry_check,
		.owner = file->store->owner.user,
		.group = file->store->owner.group,
	};

	file->manifest = manifest_open(&file->place, write ? MANIFEST_WRITE : MANIFEST_READ, err);
	return file->manifest != NULL ? 0 : -1;
}

int mbox_file_lock(struct mbox_file *file, struct mbox_lock *lock, struct err *err)
{
	if (mbox_may_write(file->store, file->dir, err) < 0)
		return -1;
	return mbox_lock_take(lock, file->dir, file->base, file->fd, file->path, err);
}

/* In step for writing; under the file's lock. */
static int step_in(struct mbox_file *file, struct err *err)
{
	struct mbox_lock lock = { .held = false };
	int rc;

	if (mbox_in_step(file))
		return 0;
	if (mbox_file_lock(file, &lock, err) < 0)
		return -1;
	rc = mbox_sync(file, err);
	mbox_lock_drop(&lock);
	return rc;
}

/* Fills in what the record or the file tells. record: one is made, if there is none. */
static int load(struct mbox_file *file, bool write, bool record, struct err *err)
{
	struct stat st;
	const bool has_record = os_fstatat(file->dir, file->sidecar, &st, AT_SYMLINK_NOFOLLOW) == 0;

	if (write && (record || has_record)) {
		if (open_record(file, true, err) < 0 || step_in(file, err) < 0)
			return -1;
	} else if (has_record) {
		if (open_record(file, false, err) < 0)
			return -1;
		if (!mbox_in_step(file))
			return mbox_sync_ledger(file, err);
	} else {
		return mbox_sync_ledger(file, err);
	}
	file->uidvalidity = manifest_uidvalidity(file->manifest);
	file->uidnext = manifest_uidnext(file->manifest);
	return 0;
}

static struct mbox_file *find_open(struct store_mbox *store, const char *name)
{
	struct mbox_file *file = store->files;

	while (file != NULL && strcmp(file->name, name) != 0)
		file = file->next;
	return file;
}

static const char *find_relative(
	struct store_mbox *store, const char *name, struct arena *arena, struct err *err)
{
	struct err local = ERR_INIT;
	const char *relative = mbox_tree_find(store, name, arena, &local);

	if (relative != NULL)
		return relative;
	if (local.scope == ERR_NONE)
		err_set(&local, ERR_MAILBOX, "there is no mailbox %s", name);
	if (err != NULL)
		*err = local;
	return NULL;
}

int mbox_file_open_dir(struct store_mbox *store, const char *name, struct err *err)
{
	struct arena *arena = arena_new();
	const char *relative = find_relative(store, name, arena, err);
	int fd = -1;

	if (relative != NULL) {
		fd = open_dir_of(store, relative);
		if (fd < 0)
			err_set_errno(err, ERR_MAILBOX, "cannot open the directory of %s", name);
	}
	arena_free(arena);
	return fd;
}

struct mbox_file *mbox_file_open(
	struct store_mbox *store, const char *name, bool write, bool record, struct err *err)
{
	struct mbox_file *file = find_open(store, name);
	struct arena *arena;
	const char *relative;
	int rc;

	if (file != NULL && (file->writable || !write)) {
		file->users++;
		return file;
	}
	arena = arena_new();
	relative = find_relative(store, name, arena, err);
	if (relative == NULL) {
		arena_free(arena);
		return NULL;
	}
	file = new_file(store, name, relative);
	file->writable = write;
	rc = open_dir(file, relative, err);
	if (rc == 0)
		rc = open_octets(file, write, err);
	if (rc == 0)
		rc = err_set(err, ERR_MAILBOX, "there is no file %s", file->path);
	if (rc > 0)
		rc = load(file, write, record, err);
	arena_free(arena);
	if (rc < 0) {
		free_file(file);
		return NULL;
	}
	file->next = store->files;
	store->files = file;
	return file;
}

struct mbox_file *mbox_file_open_quick(
	struct store_mbox *store, const char *name, const char *relative)
{
	struct mbox_file *file = find_open(store, name);

	if (file != NULL) {
		file->users++;
		return file;
	}
	file = new_file(store, name, relative);
	if (open_dir(file, relative, NULL) < 0 || open_octets(file, false, NULL) <= 0 ||
		open_record(file, false, NULL) < 0 || !mbox_in_step(file)) {
		free_file(file);
		return NULL;
	}
	file->uidvalidity = manifest_uidvalidity(file->manifest);
	file->uidnext = manifest_uidnext(file->manifest);
	file->next = store->files;
	store->files = file;
	return file;
}

void mbox_file_close(struct mbox_file *file)
{
	struct mbox_file **link;

	if (file == NULL || --file->users > 0)
		return;
	for (link = &file->store->files; *link != file; link = &(*link)->next)
		;
	*link = file->next;
	free_file(file);
}

/* ---- making one ---- */

int mbox_may_write(const struct store_mbox *store, int dir, struct err *err)
{
	return store->mozilla ? thunderbird_check_closed(dir, store->root_path, err) : 0;
}

static int make_file(struct mbox_file *file, struct err *err)
{
	const struct store_mbox *store = file->store;
	const int fd =
		os_openat(file->dir, file->base, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	int rc = 0;

	if (fd < 0 && errno == EEXIST)
		return 0;
	if (fd < 0)
		return err_set_errno(err, err_scope_of_errno(), "cannot create %s", file->path);
	if (owner_give(store->owner, fd, err) < 0)
		rc = err_wrap(err, "%s", file->path);
	if (rc == 0 && (os_fsync(fd) < 0 || os_fsync(file->dir) < 0))
		rc = err_set_errno(err, ERR_LOCAL, "cannot write %s", file->path);
	os_close(fd);
	return rc;
}

int mbox_file_create(struct store_mbox *store, const char *name, struct err *err)
{
	char *relative = mbox_tree_path(store, name, store->arena, err);
	struct mbox_file *file;
	char *slash;
	int rc = 0;

	if (relative == NULL || mbox_tree_root(store, true, err) < 0)
		return -1;
	file = new_file(store, name, relative);
	slash = strrchr(file->path, '/');
	*slash = '\0';
	if (strchr(relative, '/') != NULL)
		rc = owner_make_dirs(store->owner, file->path, err);
	*slash = '/';
	if (rc == 0)
		rc = open_dir(file, relative, err);
	if (rc == 0)
		rc = mbox_may_write(store, file->dir, err);
	if (rc == 0)
		rc = make_file(file, err);
	free_file(file);
	return rc;
}
