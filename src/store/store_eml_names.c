/*
 * Mailboxes and their directories. A level that a directory cannot be called is escaped: '%' and two upper case hex digits for the octet at its front or end. The
 * literal text of such an escape gets one "25" more, as in mail/mailbox_name.c, so that the way back is exact. In trees of others names are
 * modified UTF-7, as imapdump leaves them.
 */
#include "store/store_eml_parts.h"

#include "base/log.h"
#include "base/os.h"
#include "base/text.h"
#include "mail/mailbox_name.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define LEVEL_MAX 200 /* octets; a longer one is shortened */
#define LEVEL_CUT 150
#define DEPTH_MAX 64
#define MAILBOXES_MAX 100000

/* The length of an escape at the front of the text, or 0; *octet_out is what it stands for. */
static size_t escape_at(struct span text, unsigned char *octet_out)
{
	static const char digits[] = "0123456789ABCDEF";
	size_t at = 1;

	if (text.len < 3 || text.data[0] != '%')
		return 0;
	while (text.len >= at + 4 && text.data[at] == '2' && text.data[at + 1] == '5')
		at += 2;
	if (text.len < at + 2)
		return 0;
	const char *high = text.data[at] ? strchr(digits, text.data[at]) : NULL;
	const char *low = text.data[at + 1] ? strchr(digits, text.data[at + 1]) : NULL;
	if (!high || !low)
		return 0;
	*octet_out = (unsigned char)((high - digits) * 16 + (low - digits));
	return at + 2;
}

/* Where an escape begins that ends the text, or SIZE_MAX. */
static size_t escape_at_end(struct span text, unsigned char *octet_out)
{
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] == '%' && escape_at(span_from(text, i), octet_out) == text.len - i)
			return i;
	}
	return SIZE_MAX;
}

/* Names that are devices to Windows, with any extension. */
static bool is_reserved(struct span level)
{
	static const char *const names[] = { "CON", "PRN", "AUX", "NUL" };
	const struct span base = span_sub(level, 0, span_find(level, '.'));

	for (size_t i = 0; i < countof(names); i++) {
		if (span_equal_nocase(base, span_of(names[i])))
			return true;
	}
	return base.len == 4 && base.data[3] >= '1' && base.data[3] <= '9' &&
	       (span_starts_nocase(base, SPAN("COM")) || span_starts_nocase(base, SPAN("LPT")));
}

static bool escaped_in_front(unsigned char octet)
{
	return octet == '.' || strchr("CPANLcpanl", octet ? octet : '.');
}

static bool escaped_at_end(unsigned char octet)
{
	return octet == '.' || octet == ' ';
}

static int add_hidden(struct buf *out, struct span level)
{
	unsigned char octet;
	const size_t len = escape_at(level, &octet);

	if (len > 0 && escaped_in_front(octet))
		return buf_add(out, SPAN("%25")) | buf_add(out, span_from(level, 1));
	if (level.data[0] == '.' || is_reserved(level))
		return buf_print(out, "%%%02X", (unsigned char)level.data[0]) |
		       buf_add(out, span_from(level, 1));
	return buf_add(out, level);
}

bool eml_level_to_file(struct span level, struct buf *out)
{
	char hex[17];
	unsigned char sha[DIGEST_SIZE], octet;
	const size_t begin = out->len;

	if (level.len == 0 || add_hidden(out, level) < 0)
		return false;
	const struct span made = span_from(buf_span(out), begin);
	const size_t at = escape_at_end(made, &octet);
	const unsigned char last = (unsigned char)made.data[made.len - 1];
	if (at != SIZE_MAX && escaped_at_end(octet)) {
		char *text = strndup(made.data + at + 1, made.len - at - 1);

		out->len = begin + at;
		(void)!buf_print(out, "%%25%s", text ? text : "");
		free(text);
	} else if (escaped_at_end(last)) {
		out->len--;
		(void)!buf_print(out, "%%%02X", last);
	}
	if (out->len - begin <= LEVEL_MAX)
		return true;
	digest_bytes(level, sha);
	digest_hex(sha, 8, hex);
	out->len = begin + LEVEL_CUT;
	while (out->len > begin && ((unsigned char)out->data[out->len] & 0xc0) == 0x80)
		out->len--;
	(void)!buf_print(out, "~%s", hex);
	return false;
}

char *eml_level_of_file(const char *file, struct arena *arena)
{
	struct span name = span_of(file);
	unsigned char octet;
	const size_t at = escape_at_end(name, &octet);

	if (at != SIZE_MAX && escaped_at_end(octet)) {
		const struct span front = span_sub(name, 0, at);

		name = name.len - at == 3 ? span_of(arena_print(arena, "%.*s%c", (int)front.len,
						    front.data, octet))
					  : span_of(arena_print(arena, "%.*s%%%s", (int)front.len,
						    front.data, name.data + at + 3));
	}
	const size_t len = escape_at(name, &octet);
	if (len == 3 && escaped_in_front(octet))
		return arena_print(arena, "%c%s", octet, name.data + 3);
	if (len > 3 && escaped_in_front(octet))
		return arena_print(arena, "%%%s", name.data + 3);
	return arena_text(arena, name);
}

/* The level of a directory that others made. */
static char *foreign_level(const char *file, struct arena *arena)
{
	struct mailbox_style style = { .delimiter = '/', .prefix = "" };
	char *unused;

	style.utf8 = mutf7_decode(span_of(file), arena, &unused) < 0;
	return mailbox_display(&style, span_of(arena_print(arena, "x/%s", file)), arena) + 2;
}

/* The true level of a shortened name is a note in its manifest. */
static char *noted_level(struct store_eml *store, int dir, struct arena *arena)
{
	const struct manifest_place place = { .dir = dir,
		.name = EML_MANIFEST,
		.shown = EML_MANIFEST,
		.flags = store->store.flags,
		.owner = UINT32_MAX,
		.group = UINT32_MAX };
	struct manifest *manifest = manifest_open(&place, MANIFEST_READ, NULL);
	char *level = manifest ? arena_strdup(arena, manifest_note(manifest, "level")) : NULL;

	manifest_close(manifest);
	return level;
}

static char *level_of(struct store_eml *store, int dir, const char *file, struct arena *arena)
{
	const char *tilde = strrchr(file, '~');

	if (!store->ours)
		return foreign_level(file, arena);
	if (tilde && strlen(tilde) == 17) {
		char *level = noted_level(store, dir, arena);

		if (level)
			return level;
	}
	return eml_level_of_file(file, arena);
}

static int open_level(int parent, const char *file)
{
	return os_openat(parent, file, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
}

int eml_note(struct store_eml *store, int dir, const char *key, const char *text, struct err *err)
{
	const struct manifest_place place = { .dir = dir,
		.name = EML_MANIFEST,
		.shown = EML_MANIFEST,
		.flags = store->store.flags,
		.owner = store->owner.user,
		.group = store->owner.group };
	struct manifest *manifest = manifest_open(&place, MANIFEST_WRITE, err);

	if (!manifest)
		return -1;
	manifest_set_note(manifest, key, text);
	const int rc = manifest_commit(manifest, err);
	manifest_close(manifest);
	return rc;
}

static int make_level(struct store_eml *store, int parent, const char *file, struct err *err)
{
	const bool made = os_mkdirat(parent, file, 0700) == 0;
	const int dir = made || errno == EEXIST ? open_level(parent, file) : -1;

	if (dir < 0)
		return err_set_errno(err, ERR_MAILBOX, "cannot create directory %s/%s",
			account_path(store->store.account), file);
	if (made && (owner_give(store->owner, dir, err) < 0 ||
			    eml_sync_dir(parent, account_path(store->store.account), err) < 0)) {
		(void)os_close(dir);
		return -1;
	}
	return dir;
}

/* The directory of this level as it is called; NULL = there is none. */
static char *find_file(
	struct store_eml *store, int parent, struct span level, bool top, struct arena *arena)
{
	const int fd = os_openat(parent, ".", O_RDONLY | O_DIRECTORY, 0);
	DIR *list = fd < 0 ? NULL : fdopendir(fd);
	char *found = NULL;
	const struct dirent *entry;

	if (!list) {
		if (fd >= 0)
			(void)os_close(fd);
		return NULL;
	}
	while (!found && (entry = readdir(list)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		const char *name = foreign_level(entry->d_name, arena);
		const bool inbox =
			top && mailbox_is_inbox(name) && span_equal_nocase(level, SPAN("INBOX"));
		if (!inbox && !span_equal_text(level, name))
			continue;
		const int dir = open_level(parent, entry->d_name);
		if (dir < 0)
			continue;
		(void)os_close(dir);
		found = arena_strdup(arena, entry->d_name);
	}
	closedir(list);
	(void)store;
	return found;
}

static int no_such(const char *name, struct err *err)
{
	return err_set(err, ERR_MAILBOX, "there is no mailbox %s", name);
}

/* One level down; takes over parent. */
static int descend(struct store_eml *store, int parent, struct span level, bool top, bool make,
	bool open, struct arena *arena, char **file_out, struct err *err)
{
	struct buf file;
	bool whole = true;

	if (top && span_equal_nocase(level, SPAN("INBOX")))
		level = SPAN("INBOX");
	buf_init(&file, MAILBOX_NAME_MAX * 2);
	char *name = store->ours || make ? NULL : find_file(store, parent, level, top, arena);
	if (!name) {
		whole = eml_level_to_file(level, &file);
		name = arena_text(arena, buf_span(&file));
	}
	buf_release(&file);
	*file_out = name;
	if (!open)
		return parent;
	int dir = *name ? open_level(parent, name) : -1;
	if (dir < 0 && make && *name && errno == ENOENT) {
		dir = make_level(store, parent, name, err);
		if (dir >= 0 && !whole &&
			eml_note(store, dir, "level", arena_text(arena, level), err) < 0) {
			(void)os_close(dir);
			dir = -1;
		}
	} else if (dir < 0) {
		no_such(name, err);
	}
	(void)os_close(parent);
	return dir;
}

static int walk_down(struct store_eml *store, const char *name, bool make, bool open_last,
	struct arena *arena, char **file_out, struct err *err)
{
	struct span rest = span_of(name);
	int dir = os_openat(store->root, ".", O_RDONLY | O_DIRECTORY, 0);
	bool top = true;

	if (dir < 0)
		return err_set_errno(
			err, ERR_LOCAL, "cannot open %s", account_path(store->store.account));
	do {
		const struct span level = span_sub(rest, 0, span_find(rest, '/'));
		const bool last = level.len == rest.len;

		rest = span_from(rest, level.len + 1);
		dir = descend(
			store, dir, level, top, make, open_last || !last, arena, file_out, err);
		if (dir < 0)
			return err_wrap(err, "mailbox %s", name);
		top = false;
		if (last)
			return dir;
	} while (true);
}

int eml_open_parent(struct store_eml *store, const char *name, bool make, struct arena *arena,
	char **file_out, struct err *err)
{
	return walk_down(store, name, make, false, arena, file_out, err);
}

/* Messages in the root of a foreign tree are those of a mailbox called as the root is. */
static char *root_name(const struct store_eml *store, struct arena *arena)
{
	struct span path = span_of(account_path(store->store.account));

	while (path.len > 1 && path.data[path.len - 1] == '/')
		path.len--;
	for (size_t i = path.len; i > 0; i--) {
		if (path.data[i - 1] == '/') {
			path = span_from(path, i);
			break;
		}
	}
	return foreign_level(arena_text(arena, path), arena);
}

int eml_open_dir(struct store_eml *store, const char *name, bool make, struct err *err)
{
	struct arena *arena = arena_new();
	struct err local = ERR_INIT;
	char *file;
	int dir = walk_down(store, name, make, true, arena, &file, &local);

	if (dir < 0 && !store->ours && local.scope == ERR_MAILBOX &&
		strcmp(root_name(store, arena), name) == 0)
		dir = os_openat(store->root, ".", O_RDONLY | O_DIRECTORY, 0);
	if (dir < 0 && err)
		*err = local;
	arena_free(arena);
	return dir;
}

struct walk {
	struct store_eml *store;
	struct arena *arena;
	struct mailbox_list *out;
	size_t room;
};

static void add_mailbox(struct walk *walk, const char *name)
{
	struct mailbox_list *list = walk->out;

	if (list->count == walk->room) {
		const size_t room = walk->room ? walk->room * 2 : 64;

		list->mailbox = arena_grow(
			walk->arena, list->mailbox, walk->room, room, sizeof(*list->mailbox));
		walk->room = room;
	}
	list->mailbox[list->count++] = (struct mailbox_info){ .name = name, .raw = name };
}

static bool is_message_name(const struct store_eml *store, const char *name)
{
	return eml_name_is_plain(name) &&
	       (!store->ext_given ||
		       eml_name_has_ext(
			       eml_name_without_flags(name, store->store.flags, NULL), store->ext));
}

/*
 * It may lead anywhere, to what is in the tree already too: what it hides is left out, and that is told. One that leads nowhere now counts as a message, where it is called like one
 * and messages stand.
 */
static bool is_folder_link(
	const struct store_eml *store, int dir, const struct dirent *entry, bool is_root)
{
	struct stat st;

	if (entry->d_type != DT_LNK && entry->d_type != DT_UNKNOWN)
		return false;
	if (os_fstatat(dir, entry->d_name, &st, 0) == 0)
		return S_ISDIR(st.st_mode);
	return (is_root && store->ours) || !is_message_name(store, entry->d_name);
}

static int walk_dir(struct walk *walk, int fd, const char *name, unsigned depth, struct err *err)
{
	struct store_eml *store = walk->store;
	DIR *list = fdopendir(fd);
	const struct dirent *entry;
	bool has_manifest = false, has_messages = false;
	int rc = 0;

	if (!list)
		return err_set_errno(err, ERR_LOCAL, "cannot read %s", name);
	while (rc == 0 && (errno = 0, entry = readdir(list)) != NULL) {
		const char *file = entry->d_name;

		has_manifest |= strcmp(file, EML_MANIFEST) == 0;
		if (file[0] == '.')
			continue;
		const int dir = entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN
					? open_level(fd, file)
					: -1;
		if (dir < 0 && entry->d_type == DT_DIR && errno == EACCES) {
			log_warn("directory %s/%s cannot be opened: %s", name, file,
				strerror(errno));
			walk->out->refused++;
		} else if (dir < 0 && entry->d_type == DT_DIR) {
			rc = err_set_errno(err, ERR_LOCAL, "cannot open %s/%s", name, file);
		}
		if (dir < 0 && is_folder_link(store, fd, entry, !*name)) {
			log_warn("%s/%s is a symbolic link and is not followed", name, file);
			walk->out->refused++;
			continue;
		}
		if (dir < 0) {
			has_messages |= is_message_name(store, file);
			continue;
		}
		const char *level = level_of(store, dir, file, walk->arena);
		const char *below = *name ? arena_print(walk->arena, "%s/%s", name, level) : level;
		if (!*name && mailbox_is_inbox(below))
			below = "INBOX";
		if (depth == DEPTH_MAX || walk->out->count >= MAILBOXES_MAX ||
			strlen(below) > MAILBOX_NAME_MAX) {
			log_warn("%s: too deep or too many: left out", below);
			walk->out->refused++;
			(void)os_close(dir);
			continue;
		}
		rc = walk_dir(walk, dir, below, depth + 1, err);
	}
	if (rc == 0 && errno != 0)
		rc = err_set_errno(err, ERR_LOCAL, "cannot read %s", name);
	closedir(list);
	if (rc == 0 && *name && (has_manifest || has_messages))
		add_mailbox(walk, name);
	if (rc == 0 && !*name && has_messages && !store->ours)
		add_mailbox(walk, root_name(store, walk->arena));
	return rc;
}

static int by_name(const void *a, const void *b)
{
	const struct mailbox_info *x = a, *y = b;

	return strcmp(x->name, y->name);
}

int eml_walk(
	struct store_eml *store, struct arena *arena, struct mailbox_list *out, struct err *err)
{
	struct walk walk = { .store = store, .arena = arena, .out = out };
	const int fd = os_openat(store->root, ".", O_RDONLY | O_DIRECTORY, 0);
	size_t kept = 0;

	*out = (struct mailbox_list){ .delimiter = '/', .subscriptions_unknown = true };
	if (fd < 0 || walk_dir(&walk, fd, "", 0, err) < 0)
		return fd < 0 ? err_set_errno(err, ERR_LOCAL, "cannot open %s",
					account_path(store->store.account))
			      : -1;
	if (out->count > 0)
		qsort(out->mailbox, out->count, sizeof(*out->mailbox), by_name);
	for (size_t i = 0; i < out->count; i++) {
		if (kept > 0 && strcmp(out->mailbox[kept - 1].name, out->mailbox[i].name) == 0) {
			log_warn("two directories are mailbox %s: one is left out",
				out->mailbox[i].name);
			out->refused++;
			continue;
		}
		out->mailbox[kept++] = out->mailbox[i];
	}
	out->count = kept;
	return 0;
}
