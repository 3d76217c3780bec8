/*
 * What the directory of a mailbox holds: the manifest's messages less those whose file is gone, and message files that are not in it, which are taken in. A crash
 * between the naming of files and the manifest leaves such ones: they get UIDs above UIDNEXT, where whoever copied them looks for them.
 */
#include "store/store_eml_parts.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/os.h"
#include "mail/header_field.h"
#include "state/ledger.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define PIECE 65536
#define NOT_REGULAR "it is no regular file"

struct listed {
	char *name;
	unsigned char type; /* as of readdir(3) */
	bool known;
};

struct listing { /* of a directory */
	struct arena *arena;
	struct listed *file; /* sorted by name */
	size_t count, room;
};

int eml_open_file(int dir, const char *name, struct stat *st)
{
	const int fd = os_openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0);

	if (fd < 0)
		return -1;
	if (os_fstat(fd, st) == 0 && S_ISREG(st->st_mode))
		return fd;
	(void)os_close(fd);
	errno = ELOOP;
	return -1;
}

int eml_sync_dir(int fd, const char *shown, struct err *err)
{
	if (os_fsync(fd) < 0 && errno != EINVAL)
		return err_set_errno(err, ERR_LOCAL, "cannot sync directory %s", shown);
	return 0;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(((const struct listed *)a)->name, ((const struct listed *)b)->name);
}

/* Numbers as numbers, so that files are taken in in the order in which they were written. */
static int by_number(const void *a, const void *b)
{
	const char *x = ((const struct listed *)a)->name, *y = ((const struct listed *)b)->name;
	const unsigned long long m = strtoull(x, NULL, 10), n = strtoull(y, NULL, 10);

	return m != n ? (m < n ? -1 : 1) : strcmp(x, y);
}

/* Names that are not hidden; what runs that were killed left is removed where we write. */
static int list_dir(struct eml_dir *dir, struct listing *out, struct err *err)
{
	const int fd = os_openat(dir->fd, ".", O_RDONLY | O_DIRECTORY, 0);
	DIR *list = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	*out = (struct listing){ .arena = arena_new() };
	if (!list)
		return err_set_errno(err, ERR_MAILBOX, "cannot read %s", dir->shown);
	while ((errno = 0, entry = readdir(list)) != NULL) {
		if (dir->writable && span_starts(span_of(entry->d_name), SPAN(EML_TEMPORARY)))
			(void)os_unlinkat(dir->fd, entry->d_name, 0);
		if (entry->d_name[0] == '.' || entry->d_type == DT_DIR)
			continue;
		if (out->count == out->room) {
			out->room = out->room ? out->room * 2 : 256;
			out->file = mem_resize(out->file, out->room, sizeof(*out->file));
		}
		out->file[out->count++] =
			(struct listed){ .name = arena_strdup(out->arena, entry->d_name),
				.type = entry->d_type };
	}
	const int number = errno;
	closedir(list);
	errno = number;
	if (number != 0)
		return err_set_errno(err, ERR_MAILBOX, "cannot read %s", dir->shown);
	if (out->count > 0)
		qsort(out->file, out->count, sizeof(*out->file), by_text);
	return 0;
}

static void release_listing(struct listing *listing)
{
	arena_free(listing->arena);
	mem_free(listing->file);
}

static const char *file_of(const struct manifest_row *row)
{
	return row->where[0] == '~' ? row->where + 1 : row->where;
}

static bool check_where(const char *where)
{
	return strcmp(where, EML_NO_FILE) == 0 ||
	       eml_name_is_plain(where[0] == '~' ? where + 1 : where);
}

/* There may be a message behind it: the mailbox is not known as a whole. */
static void hide(struct eml_dir *dir, const char *name, const char *why)
{
	log_warn("%s/%s is left out: %s", dir->shown, name, why);
	dir->hidden++;
}

/* Is the file of a message still that of the message, as far as can be told without reading it? 0 = it is gone, -1 = it was replaced: it is hidden. */
static int look_at(struct eml_dir *dir, const struct manifest_row *row, unsigned char type)
{
	const char *file = file_of(row);
	struct stat st;
	char why[96];

	if (type == DT_REG || type == DT_UNKNOWN) {
		if (os_fstatat(dir->fd, file, &st, AT_SYMLINK_NOFOLLOW) < 0) {
			if (errno == ENOENT)
				return 0;
			hide(dir, file, strerror(errno));
			return -1;
		}
		type = S_ISREG(st.st_mode) ? DT_REG : DT_UNKNOWN;
	}
	if (type != DT_REG) {
		hide(dir, file, NOT_REGULAR);
		return -1;
	}
	if (row->size == UINT64_MAX || row->size == (uint64_t)st.st_size)
		return 1;
	snprintf(why, sizeof(why), "it was changed: %llu octets, and there were %llu",
		(unsigned long long)st.st_size, (unsigned long long)row->size);
	hide(dir, file, why);
	return -1;
}

/* Marks the files that the manifest knows. gone: rows whose file is not there; what was replaced is neither there nor gone, and stays in the manifest. */
static int compare_rows(struct eml_dir *dir, struct listing *listing, struct uidset *gone,
	struct arena *arena, struct err *err)
{
	dir->hidden = 0;
	dir->odd = (struct uidset){ 0 };
	for (size_t i = 0; i < manifest_count(dir->manifest); i++) {
		struct manifest_row row;

		if (manifest_read(dir->manifest, i, &row, err) < 0)
			return -1;
		if (strcmp(row.where, EML_NO_FILE) == 0)
			continue;
		const struct listed key = { .name = (char *)(uintptr_t)file_of(&row) };
		struct listed *found = listing->count ? bsearch(&key, listing->file, listing->count,
								sizeof(key), by_text)
						      : NULL;
		if (found)
			found->known = true;
		/* a directory in its place is not listed */
		const int there = look_at(dir, &row, found ? found->type : DT_UNKNOWN);
		if (there <= 0)
			uidset_add(there == 0 ? gone : &dir->odd, there == 0 ? arena : dir->arena,
				row.uid, row.uid);
	}
	return 0;
}

static bool may_be_message(
	const struct store_eml *store, const struct eml_dir *dir, const char *name)
{
	const bool any = !dir->manifest || manifest_is_new(dir->manifest);
	const struct span bare = eml_name_without_flags(name, store->store.flags, NULL);

	if (!eml_name_is_plain(name) || name[0] == '~')
		return false;
	if (any && !store->ext_given)
		return !span_ends(bare, SPAN(".header"));
	return eml_name_has_ext(bare, store->ext);
}

/* Directories, and links to them, are told of where mailboxes are listed. */
static bool leads_to_folder(int dir, const char *name, const struct stat *st)
{
	struct stat behind;

	return S_ISDIR(st->st_mode) ||
	       (S_ISLNK(st->st_mode) && os_fstatat(dir, name, &behind, 0) == 0 &&
		       S_ISDIR(behind.st_mode));
}

/* Leaves the files that may be messages and are not known, by number. */
static void keep_unknown(
	const struct store_eml *store, struct eml_dir *dir, struct listing *listing)
{
	size_t kept = 0;

	for (size_t i = 0; i < listing->count; i++) {
		const struct listed *file = &listing->file[i];
		struct stat st;

		if (file->known || !may_be_message(store, dir, file->name))
			continue;
		const int rc = os_fstatat(dir->fd, file->name, &st, AT_SYMLINK_NOFOLLOW);
		if (rc < 0 && errno == ENOENT)
			continue;
		if (rc == 0 && S_ISREG(st.st_mode))
			listing->file[kept++] = *file;
		else if (rc < 0)
			hide(dir, file->name, strerror(errno));
		else if (!leads_to_folder(dir->fd, file->name, &st))
			hide(dir, file->name, NOT_REGULAR);
	}
	listing->count = kept;
	if (kept > 0)
		qsort(listing->file, kept, sizeof(*listing->file), by_number);
}

struct contents {
	struct digest *digest;
	struct buf header;
	bool has_crlf, has_lf, last_cr;
};

static int read_contents(int fd, struct contents *out)
{
	char *piece = mem_alloc(PIECE);
	ssize_t got;

	while ((got = os_read(fd, piece, PIECE)) > 0) {
		const struct span bytes = span_make(piece, (size_t)got);

		digest_add(out->digest, bytes);
		if (out->header.len < EML_HEADER_MAX)
			(void)!buf_add(
				&out->header, span_sub(bytes, 0, EML_HEADER_MAX - out->header.len));
		for (ssize_t i = 0; i < got; i++) {
			if (piece[i] == '\n') {
				out->has_crlf |= out->last_cr;
				out->has_lf |= !out->last_cr;
			}
			out->last_cr = piece[i] == '\r';
		}
	}
	mem_free(piece);
	return got < 0 ? -1 : 0;
}

static int adopt(struct store_eml *store, struct eml_dir *dir, const char *name,
	struct contents *contents, struct err *err)
{
	struct arena *arena = arena_new();
	struct stat st;
	const int fd = eml_open_file(dir->fd, name, &st);
	int rc = fd < 0 ? -1 : read_contents(fd, contents);

	if (rc < 0) {
		err_set_errno(err, ERR_MAILBOX, "cannot read %s/%s", dir->shown, name);
	} else {
		const bool converts = contents->has_lf && !contents->has_crlf;
		struct manifest_row row = {
			.date = { .instant = st.st_mtim.tv_sec },
			.size = (uint64_t)st.st_size,
			.has_sha256 = true,
			.where = converts ? arena_print(arena, "~%s", name) : name,
			.message_id = header_field(
				buf_span(&contents->header), SPAN("Message-ID"), arena),
		};

		digest_end(contents->digest, row.sha256);
		(void)eml_name_without_flags(name, store->store.flags, &row.flags);
		row.uid = manifest_add(dir->manifest, &row);
		if (row.uid == 0)
			rc = err_set(err, ERR_MAILBOX, "%s takes no more messages", dir->shown);
		else if (store->attachments == EML_ATTACHMENTS_ALSO)
			rc = eml_parts_write(store, dir, fd, row.uid, err);
	}
	if (fd >= 0)
		(void)os_close(fd);
	arena_free(arena);
	return rc;
}

static int adopt_all(
	struct store_eml *store, struct eml_dir *dir, struct listing *listing, struct err *err)
{
	struct contents contents = { .digest = digest_new() };
	int rc = 0;

	buf_init(&contents.header, EML_HEADER_MAX);
	for (size_t i = 0; i < listing->count && rc == 0; i++) {
		contents.has_crlf = contents.has_lf = contents.last_cr = false;
		buf_clear(&contents.header);
		digest_reset(contents.digest);
		rc = adopt(store, dir, listing->file[i].name, &contents, err);
	}
	buf_release(&contents.header);
	digest_free(contents.digest);
	if (rc == 0 && listing->count > 0)
		log_info("%s: %zu files that the manifest did not know are taken in", dir->shown,
			listing->count);
	return rc;
}

static struct manifest *open_manifest(struct store_eml *store, const struct eml_dir *dir,
	enum manifest_mode mode, bool no_wait, struct err *err)
{
	const struct manifest_place place = { .dir = dir->fd,
		.name = EML_MANIFEST,
		.shown = arena_print(dir->arena, "%s/%s", dir->shown, EML_MANIFEST),
		.flags = store->store.flags,
		.check = check_where,
		.owner = store->owner.user,
		.group = store->owner.group,
		.no_wait = no_wait };

	return manifest_open(&place, mode, err);
}

/* What is there now against what the manifest says; the manifest is open for writing. */
static int bring_up_to_date(struct store_eml *store, struct eml_dir *dir, struct err *err)
{
	struct listing listing;
	struct uidset gone = { 0 };
	int rc = list_dir(dir, &listing, err);

	if (rc == 0)
		rc = compare_rows(dir, &listing, &gone, listing.arena, err);
	if (rc == 0) {
		manifest_remove(dir->manifest, &gone);
		keep_unknown(store, dir, &listing);
		rc = adopt_all(store, dir, &listing, err);
	}
	if (rc == 0)
		rc = manifest_commit(dir->manifest, err);
	release_listing(&listing);
	return rc;
}

/* A reader finds files that the manifest does not know: only a writer can number them. */
static int take_in(struct store_eml *store, struct eml_dir *dir, struct err *err)
{
	struct err local = ERR_INIT;
	struct manifest *before = dir->manifest;

	dir->manifest = open_manifest(store, dir, MANIFEST_WRITE, true, &local);
	dir->writable = dir->manifest != NULL;
	const int rc = dir->manifest ? bring_up_to_date(store, dir, &local) : -1;
	manifest_close(dir->manifest);
	dir->writable = false;
	if (rc == 0) {
		manifest_close(before);
		dir->manifest = open_manifest(store, dir, MANIFEST_READ, true, err);
		return dir->manifest ? 1 : -1;
	}
	dir->manifest = before;
	if (local.kind == ERR_KIND_BUSY) /* they are being written, and not confirmed yet */
		return 0;
	log_warn(
		"%s: there are files that its manifest does not know, and they cannot be taken in: %s",
		dir->shown, local.text);
	dir->complete = false;
	return 0;
}

static int look(struct store_eml *store, struct eml_dir *dir, struct uidset *gone, struct err *err)
{
	struct listing listing;
	int rc = list_dir(dir, &listing, err);
	size_t unknown = 0;

	if (rc == 0)
		rc = compare_rows(dir, &listing, gone, dir->arena, err);
	if (rc == 0) {
		keep_unknown(store, dir, &listing);
		unknown = listing.count;
	}
	release_listing(&listing);
	return rc < 0 ? -1 : unknown > 0;
}

static int read_manifest(struct store_eml *store, struct eml_dir *dir, struct err *err)
{
	int rc = look(store, dir, &dir->gone, err);

	if (rc <= 0)
		return rc;
	rc = take_in(store, dir, err);
	if (rc <= 0)
		return rc;
	dir->gone = (struct uidset){ 0 };
	rc = look(store, dir, &dir->gone, err);
	if (rc > 0) /* newer still, from a run that goes on */
		log_debug("%s: more files appear", dir->shown);
	return rc < 0 ? -1 : 0;
}

/* A file is known by its name without flags and its size: a number that was given to another message is another message. */
static struct digest128 key_of(struct digest *digest, const struct eml_entry *entry)
{
	char size[24];

	digest_add(digest, eml_name_without_flags(entry->name, NULL, NULL));
	snprintf(size, sizeof(size), "/%llu", (unsigned long long)entry->size);
	digest_add(digest, span_of(size));
	return digest_end128(digest);
}

static int number_entries(struct store_eml *store, struct eml_dir *dir, struct err *err)
{
	struct ledger *ledger = account_ledger(store->store.account, store->state_dir, err);
	struct digest128 *key = mem_array(dir->count + 1, sizeof(*key));
	uint32_t *uid = mem_array(dir->count + 1, sizeof(*uid));
	struct digest *digest = digest_new();
	struct ledger_facts facts;
	int rc = ledger ? 0 : -1;

	for (size_t i = 0; i < dir->count; i++)
		key[i] = key_of(digest, &dir->entry[i]);
	if (rc == 0)
		rc = ledger_assign(ledger, dir->name, key, dir->count, uid, &facts, err);
	for (size_t i = 0; i < dir->count && rc == 0; i++)
		dir->entry[i].uid = uid[i];
	if (rc == 0) {
		dir->uidvalidity = facts.uidvalidity;
		dir->uidnext = facts.uidnext;
	}
	digest_free(digest);
	mem_free(key);
	mem_free(uid);
	return rc;
}

static int by_uid(const void *a, const void *b)
{
	const struct eml_entry *x = a, *y = b;

	return x->uid < y->uid ? -1 : x->uid > y->uid;
}

static int read_foreign(struct store_eml *store, struct eml_dir *dir, struct err *err)
{
	struct listing listing;
	int rc = list_dir(dir, &listing, err);

	dir->hidden = 0;
	if (rc == 0) {
		keep_unknown(store, dir, &listing);
		dir->entry = mem_array(listing.count + 1, sizeof(*dir->entry));
	}
	for (size_t i = 0; rc == 0 && i < listing.count; i++) {
		struct stat st;

		if (os_fstatat(dir->fd, listing.file[i].name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
			if (errno != ENOENT) /* else it is gone meanwhile */
				hide(dir, listing.file[i].name, strerror(errno));
			continue;
		}
		dir->entry[dir->count++] = (struct eml_entry){
			.name = arena_strdup(dir->arena, listing.file[i].name),
			.modified = st.st_mtim.tv_sec,
			.size = (uint64_t)st.st_size,
		};
	}
	release_listing(&listing);
	if (rc == 0)
		rc = number_entries(store, dir, err);
	if (rc == 0 && dir->count > 0)
		qsort(dir->entry, dir->count, sizeof(*dir->entry), by_uid);
	return rc;
}

static int fill(struct store_eml *store, struct eml_dir *dir, enum store_mode mode, struct err *err)
{
	dir->fd = eml_open_dir(store, dir->name, false, err);
	if (dir->fd < 0)
		return -1;
	dir->writable = mode == STORE_WRITE;
	dir->manifest = open_manifest(
		store, dir, mode == STORE_WRITE ? MANIFEST_WRITE : MANIFEST_READ, false, err);
	if (!dir->manifest)
		return -1;
	if (mode == STORE_WRITE)
		return bring_up_to_date(store, dir, err);
	if (manifest_exists(dir->manifest))
		return read_manifest(store, dir, err);
	manifest_close(dir->manifest);
	dir->manifest = NULL;
	return read_foreign(store, dir, err);
}

struct eml_dir *eml_dir_open(
	struct store_eml *store, const char *name, enum store_mode mode, struct err *err)
{
	struct eml_dir *dir = mem_alloc(sizeof(*dir));

	dir->name = mem_strdup(name);
	dir->arena = arena_new();
	dir->shown = mem_strdup(
		arena_print(dir->arena, "%s/%s", account_path(store->store.account), name));
	dir->fd = -1;
	dir->complete = true;
	if (fill(store, dir, mode, err) == 0)
		return dir;
	eml_dir_close(dir);
	return NULL;
}

void eml_dir_close(struct eml_dir *dir)
{
	if (!dir || (dir->users > 0 && --dir->users > 0))
		return;
	manifest_close(dir->manifest);
	if (dir->fd >= 0)
		(void)os_close(dir->fd);
	mem_free(dir->entry);
	arena_free(dir->arena);
	mem_free(dir->shown);
	mem_free(dir->name);
	mem_free(dir);
}

/* rough: of a file whose LFs become CRLFs: how many is not known */
static void fill_row(struct snapshot *rows, uint32_t uid, flags_t flags, struct date date,
	uint64_t size, bool rough)
{
	const size_t row = snapshot_add(rows, uid);

	rows->flags[row] = flags;
	rows->instant[row] = date.instant;
	rows->zone[row] = date.zone;
	rows->size[row] = size < UINT32_MAX ? (uint32_t)size : UINT32_MAX;
	if (rough)
		rows->attr[row] |= SNAPSHOT_SIZE_ROUGH;
}

int eml_dir_rows(
	struct eml_dir *dir, struct flag_table *flags, struct snapshot *rows, struct err *err)
{
	for (size_t i = 0; dir->manifest && i < manifest_count(dir->manifest); i++) {
		struct manifest_row row;

		if (manifest_read(dir->manifest, i, &row, err) < 0)
			return -1;
		if (!uidset_has(&dir->gone, row.uid) && !uidset_has(&dir->odd, row.uid))
			fill_row(rows, row.uid, row.flags, row.date, row.size, row.where[0] == '~');
	}
	for (size_t i = 0; !dir->manifest && i < dir->count; i++) {
		const struct eml_entry *entry = &dir->entry[i];
		const struct date date = { .instant = entry->modified };
		flags_t set;

		(void)eml_name_without_flags(entry->name, flags, &set);
		fill_row(rows, entry->uid, set, date, entry->size, true);
	}
	snapshot_finish(rows, dir->complete && dir->hidden == 0);
	return 0;
}

uint32_t eml_dir_uidvalidity(const struct eml_dir *dir)
{
	return dir->manifest ? manifest_uidvalidity(dir->manifest) : dir->uidvalidity;
}

uint32_t eml_dir_uidnext(const struct eml_dir *dir)
{
	return dir->manifest ? manifest_uidnext(dir->manifest) : dir->uidnext;
}
