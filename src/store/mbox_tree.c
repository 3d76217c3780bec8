/* Mailboxes and the files they are in. What a level of a name holds that a file name cannot is percent-encoded. */
#include "store/store_mbox_parts.h"

#include "base/log.h"
#include "base/map.h"
#include "base/os.h"
#include "base/path.h"
#include "base/text.h"
#include "mail/mailbox_name.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define DEPTH_MAX 64
#define LEVEL_MAX 230 /* octets of a file name, with room for what is put around it */

static const struct mailbox_style display_style = { .delimiter = '/', .utf8 = true, .prefix = "" };

bool mbox_is_sidecar(const char *base)
{
	return span_ends(span_of(base), SPAN(".mailhaul")) ||
	       span_ends(span_of(base), SPAN(".mailhaul-new"));
}

/* ---- names to files ---- */

static bool ends_in_any(struct span level, const char *const *ends)
{
	for (; *ends != NULL; ends++) {
		const struct span end = span_of(*ends);

		if (level.len >= end.len &&
			span_equal_nocase(span_from(level, level.len - end.len), end))
			return true;
	}
	return false;
}

static const char *const foreign_ends[] = { ".msf", ".sbd", ".dat", ".html", ".lock", ".mbox",
	".gz", ".bz2", ".zst", ".xz", ".mozmsgs", NULL };

static int add_level(const struct store_mbox *store, struct span level, bool first, struct buf *out)
{
	const bool dots = store->layout != MBOX_LAYOUT_THUNDERBIRD || level.data[0] == '.' ||
			  ends_in_any(level, foreign_ends);

	if (first && store->mozilla && span_equal_text(level, "INBOX") &&
		store->layout == MBOX_LAYOUT_THUNDERBIRD)
		return buf_add(out, SPAN("Inbox"));
	return percent_encode(level, dots ? "." : "", out);
}

char *mbox_tree_path(
	const struct store_mbox *store, const char *name, struct arena *arena, struct err *err)
{
	static const char *const between[] = { [MBOX_LAYOUT_FLAT] = ".",
		[MBOX_LAYOUT_FS] = "/",
		[MBOX_LAYOUT_THUNDERBIRD] = ".sbd/" };
	struct span rest = span_of(name);
	struct buf path;
	char *out = NULL;
	size_t start = 0, levels = 0;
	int rc = 0;

	if (store->single != NULL)
		return arena_strdup(arena, store->single);
	buf_init(&path, MAILBOX_NAME_MAX);
	for (bool first = true; rc == 0; first = false) {
		const size_t slash = span_find(rest, '/');
		const struct span level = span_sub(rest, 0, slash == SIZE_MAX ? rest.len : slash);

		/* what would not be found again when the tree is walked through */
		if (level.len == 0 || (store->layout != MBOX_LAYOUT_FLAT && ++levels > DEPTH_MAX))
			rc = -1;
		else if (!first)
			rc = buf_add(&path, span_of(between[store->layout]));
		if (store->layout != MBOX_LAYOUT_FLAT)
			start = path.len;
		if (rc == 0)
			rc = add_level(store, level, first, &path);
		if (path.len - start > LEVEL_MAX)
			rc = -1;
		if (slash == SIZE_MAX)
			break;
		rest = span_from(rest, slash + 1);
	}
	if (rc == 0)
		rc = buf_add(&path, span_of(store->ext));
	if (rc == 0)
		out = arena_strdup(arena, buf_text(&path));
	else
		err_set(err, ERR_MAILBOX, "%s cannot be the name of a file", name);
	buf_release(&path);
	return out;
}

/* ---- files to names ---- */

/* A level as it is shown: escapes of ours undone; what is none stays. */
static void show_level(struct span level, struct buf *out)
{
	struct buf plain;

	buf_init(&plain, MAILBOX_NAME_MAX);
	if (percent_decode(level, &plain) < 0 || !utf8_valid(buf_span(&plain))) {
		buf_clear(&plain);
		if (buf_add(&plain, level) < 0)
			abort();
	}
	if (buf_add(out, buf_span(&plain)) < 0)
		log_debug("a name is too long");
	buf_release(&plain);
}

struct walk {
	struct store_mbox *store;
	struct arena *arena;
	struct map *seen; /* by display name */
	struct mbox_place *place;
	size_t count, room;
};

/* The display name of a file; levels: those of its directories, joined. */
static char *name_of(struct walk *walk, const char *levels, const char *base)
{
	struct span rest = span_of(base);
	struct buf name;
	size_t len;
	bool dotted = false;
	char *out;

	if (mbox_packing_of(rest, &len) != MBOX_PLAIN)
		rest.len -= len;
	if (rest.len > 5 && span_equal_nocase(span_from(rest, rest.len - 5), SPAN(".mbox"))) {
		rest.len -= 5;
		dotted = !walk->store->mozilla;
	}
	buf_init(&name, MAILBOX_NAME_MAX * 2);
	if (buf_print(&name, "%s", levels) < 0)
		log_debug("a name is too long");
	for (;;) {
		const size_t dot = dotted ? span_find(rest, '.') : SIZE_MAX;

		show_level(span_sub(rest, 0, dot == SIZE_MAX ? rest.len : dot), &name);
		if (dot == SIZE_MAX)
			break;
		if (buf_add_char(&name, '/') < 0)
			break;
		rest = span_from(rest, dot + 1);
	}
	out = mailbox_display(&display_style, buf_span(&name), walk->arena);
	if (strcmp(out, "Inbox") == 0 ||
		(walk->store->mozilla && span_starts(span_of(out), SPAN("Inbox/"))))
		memcpy(out, "INBOX", 5);
	buf_release(&name);
	return out;
}

static void add_place(struct walk *walk, const char *name, const char *path)
{
	if (map_has(walk->seen, span_of(name))) {
		log_warn("%s/%s: there is another file for mailbox %s: it is left out",
			walk->store->root_path, path, name);
		walk->store->refused++;
		return;
	}
	map_set(walk->seen, span_of(name), walk->arena);
	if (walk->count == walk->room) {
		const size_t room = walk->room == 0 ? 64 : walk->room * 2;

		walk->place = arena_grow(
			walk->arena, walk->place, walk->room, room, sizeof(*walk->place));
		walk->room = room;
	}
	walk->place[walk->count++] = (struct mbox_place){ .name = name, .path = path };
}

/* Thunderbird's own index says that the file is a mailbox, whatever became of it. */
static bool has_summary(struct walk *walk, int dir, const char *base)
{
	struct stat st;

	return walk->store->layout == MBOX_LAYOUT_THUNDERBIRD &&
	       os_fstatat(dir, arena_print(walk->arena, "%s.msf", base), &st,
		       AT_SYMLINK_NOFOLLOW) == 0;
}

/* Does mail begin there? Empty files count if their name says so. link: O_NOFOLLOW, or 0 to look where it leads. */
static bool is_mbox(struct walk *walk, int dir, const char *base, const char *path, int link)
{
	struct mbox_octets *octets;
	const struct span name = span_of(base);
	struct span window;
	struct stat st;
	size_t len;
	bool last, is = false;
	const int fd = os_openat(dir, base, O_RDONLY | link | O_NONBLOCK | O_NOCTTY, 0);
	const enum mbox_packing packing = mbox_packing_of(name, &len);
	const struct span plain = span_sub(name, 0, name.len - len);

	if (fd < 0) {
		log_warn("%s/%s cannot be opened: %s", walk->store->root_path, path,
			strerror(errno));
		walk->store->refused++;
		return false;
	}
	if (os_fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		os_close(fd);
		return false;
	}
	octets = mbox_octets_open(fd, packing, (uint64_t)st.st_size, path);
	if (st.st_size == 0)
		is = walk->store->layout == MBOX_LAYOUT_THUNDERBIRD ||
		     span_ends(plain, SPAN(".mbox"));
	else if (mbox_octets_window(octets, 0, &window, &last, NULL) == 0) {
		while (window.len > 0 && (*window.data == '\n' || *window.data == '\r'))
			window = span_from(window, 1);
		/* what is called so and is none is told when it is opened */
		is = span_starts(window, SPAN("From ")) || span_ends(plain, SPAN(".mbox")) ||
		     has_summary(walk, dir, base);
	} else {
		is = span_ends(plain, SPAN(".mbox")); /* damaged: to be told when it is opened */
	}
	mbox_octets_close(octets);
	os_close(fd);
	return is;
}

static int walk_dir(struct walk *walk, int dir, const char *path, const char *levels,
	unsigned depth, struct err *err);

static bool may_be_mbox(const char *base)
{
	return !ends_in_any(
		span_of(base), (const char *const[]){ ".msf", ".lock", ".dat", ".html", NULL });
}

static bool is_called_mbox(const char *base)
{
	struct span plain = span_of(base);
	size_t len;

	(void)mbox_packing_of(plain, &len);
	plain.len -= len;
	return span_ends(plain, SPAN(".mbox"));
}

/* A link may lead anywhere, to what is in the tree already too: it is not followed. What it hides is not known to be empty. */
static void judge_link(struct walk *walk, int dir, const char *base, const char *path)
{
	struct stat st;

	if (os_fstatat(dir, base, &st, 0) < 0
			? !is_called_mbox(base)
			: !S_ISDIR(st.st_mode) && !(S_ISREG(st.st_mode) && may_be_mbox(base) &&
							  is_mbox(walk, dir, base, path, 0)))
		return;
	if (!walk->store->listed)
		log_warn("%s/%s is a symbolic link and is not followed", walk->store->root_path,
			path);
	walk->store->refused++;
}

static int walk_entry(struct walk *walk, int dir, const char *path, const char *levels,
	const char *base, unsigned depth, struct err *err)
{
	const char *below = path[0] ? arena_print(walk->arena, "%s/%s", path, base)
				    : arena_strdup(walk->arena, base);
	struct stat st;
	int fd, rc;

	if (os_fstatat(dir, base, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno == ENOENT)
			return 0;
		log_warn("%s/%s cannot be looked at: %s", walk->store->root_path, below,
			strerror(errno));
		walk->store->refused++;
		return 0;
	}
	if (S_ISREG(st.st_mode)) {
		if (may_be_mbox(base) && is_mbox(walk, dir, base, below, O_NOFOLLOW))
			add_place(walk, name_of(walk, levels, base), below);
		return 0;
	}
	if (S_ISLNK(st.st_mode)) {
		judge_link(walk, dir, base, below);
	} else if (!S_ISDIR(st.st_mode) && is_called_mbox(base)) {
		log_warn("%s/%s is no regular file: it is left out", walk->store->root_path, below);
		walk->store->refused++;
	}
	if (!S_ISDIR(st.st_mode))
		return 0;
	if (depth >= DEPTH_MAX) {
		log_warn("%s/%s is nested too deep: it is left out", walk->store->root_path, below);
		walk->store->refused++;
		return 0;
	}
	if (walk->store->mozilla && mbox_folder_is(dir, base)) {
		add_place(walk, name_of(walk, levels, base), below);
		return 0;
	}
	fd = os_openat(dir, base, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (fd < 0 && errno == EACCES) {
		log_warn("%s/%s cannot be opened: %s", walk->store->root_path, below,
			strerror(errno));
		walk->store->refused++;
		return 0;
	}
	if (fd < 0)
		return err_set_errno(err, ERR_LOCAL, "cannot open directory %s/%s",
			walk->store->root_path, below);

	struct span level = span_of(base);
	struct buf next;
	if (level.len > 4 && span_ends(level, SPAN(".sbd")))
		level.len -= 4;
	buf_init(&next, MAILBOX_NAME_MAX * 2);
	rc = buf_print(&next, "%s", levels);
	show_level(level, &next);
	rc |= buf_add_char(&next, '/');
	rc = rc == 0 ? walk_dir(walk, fd, below, buf_text(&next), depth + 1, err) : 0;
	buf_release(&next);
	return rc;
}

/* KMail's folders below NAME are in `.NAME.directory`. */
static bool is_of_kmail(int dir, const char *base)
{
	struct stat st;

	return base[0] == '.' && span_ends(span_of(base), SPAN(".directory")) &&
	       os_fstatat(dir, base, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

/* Takes over the descriptor. */
static int walk_dir(struct walk *walk, int dir, const char *path, const char *levels,
	unsigned depth, struct err *err)
{
	DIR *stream = fdopendir(dir);
	struct dirent *entry;
	int rc = 0;

	if (stream == NULL) {
		os_close(dir);
		return err_set_errno(err, ERR_LOCAL, "cannot read the directory %s/%s",
			walk->store->root_path, path);
	}
	while (rc == 0 && (errno = 0, entry = readdir(stream)) != NULL) {
		if (is_of_kmail(dir, entry->d_name)) {
			log_warn(
				"%s/%s%s%s is left out: folders of KMail's that are below another are a location of their own",
				walk->store->root_path, path, path[0] ? "/" : "", entry->d_name);
			walk->store->refused++;
		} else if (entry->d_name[0] != '.') {
			rc = walk_entry(walk, dir, path, levels, entry->d_name, depth, err);
		}
	}
	if (rc == 0 && errno != 0 && entry == NULL)
		rc = err_set_errno(err, ERR_LOCAL, "cannot read the directory %s/%s",
			walk->store->root_path, path);
	closedir(stream);
	return rc;
}

static int walk_from(struct walk *walk, const char *name, const char *path, struct err *err)
{
	const int fd = os_openat(walk->store->root, name, O_RDONLY | O_DIRECTORY, 0);

	if (fd < 0 && errno == ENOENT && *path)
		return 0;
	if (fd < 0)
		return err_set_errno(err, ERR_LOCAL, "cannot open directory %s/%s",
			walk->store->root_path, path);
	return walk_dir(walk, fd, path, "", 0, err);
}

static int compare_places(const void *a, const void *b)
{
	return strcmp(((const struct mbox_place *)a)->name, ((const struct mbox_place *)b)->name);
}

/* The one mailbox of a location that is a file: its name is kept in the record, else it is the file's. */
static int list_single(struct walk *walk, struct err *err)
{
	struct store_mbox *store = walk->store;
	const struct manifest_place place = { .dir = store->root,
		.name = arena_print(walk->arena, ".%s.mailhaul", store->single),
		.shown = store->root_path,
		.flags = store->store.flags,
		.check = mbox_entry_check,
		.owner = UINT32_MAX,
		.group = UINT32_MAX };
	struct stat st;
	const char *name, *subscribed;
	struct manifest *manifest;

	store->single_subscribed = -1;
	if (os_fstatat(store->root, store->single, &st, 0) < 0)
		return errno == ENOENT
			       ? 0
			       : err_set_errno(err, ERR_LOCAL, "cannot look at %s", store->single);
	name = name_of(walk, "", store->single);
	if (os_fstatat(store->root, place.name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		manifest = manifest_open(&place, MANIFEST_READ, err);
		if (manifest == NULL)
			return -1;
		if (manifest_note(manifest, "mailbox") != NULL)
			name = arena_strdup(walk->arena, manifest_note(manifest, "mailbox"));
		subscribed = manifest_note(manifest, MBOX_SUBSCRIBED);
		if (subscribed != NULL)
			store->single_subscribed = strcmp(subscribed, "0") != 0;
		manifest_close(manifest);
	}
	add_place(walk, name, store->single);
	return 0;
}

int mbox_tree_root(struct store_mbox *store, bool make, struct err *err)
{
	if (store->root >= 0)
		return 0;
	if (make && owner_make_dirs(store->owner, store->root_path, err) < 0)
		return -1;
	store->root = os_open(store->root_path, O_RDONLY | O_DIRECTORY, 0);
	if (store->root >= 0 || (!make && errno == ENOENT))
		return 0;
	return err_set_errno(err, ERR_LOCAL, "cannot open directory %s", store->root_path);
}

int mbox_tree_list(struct store_mbox *store, struct arena *arena, struct mbox_place **out,
	size_t *count_out, struct err *err)
{
	struct walk walk = { .store = store, .arena = arena };
	int rc;

	*out = NULL;
	*count_out = 0;
	if (mbox_tree_root(store, false, err) < 0)
		return -1;
	if (store->root < 0)
		return 0;
	store->refused = 0;
	walk.seen = map_new(arena);
	if (store->single != NULL) {
		rc = list_single(&walk, err);
	} else if (store->profile) {
		rc = walk_from(&walk, "Mail", "Mail", err);
		if (rc == 0)
			rc = walk_from(&walk, "ImapMail", "ImapMail", err);
	} else {
		rc = walk_from(&walk, ".", "", err);
		store->listed = true;
	}
	map_free(walk.seen);
	if (rc < 0)
		return -1;
	if (walk.count > 0)
		qsort(walk.place, walk.count, sizeof(*walk.place), compare_places);
	*out = walk.place;
	*count_out = walk.count;
	return 0;
}

const char *mbox_tree_find(
	struct store_mbox *store, const char *name, struct arena *arena, struct err *err)
{
	struct mbox_place *place;
	size_t count;
	struct stat st;
	const char *path;

	/* usually it is where it would be made */
	if (store->single == NULL && mbox_tree_root(store, false, err) == 0 && store->root >= 0) {
		path = mbox_tree_path(store, name, arena, NULL);
		if (path != NULL && os_fstatat(store->root, path, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
			S_ISREG(st.st_mode))
			return path;
	}
	if (mbox_tree_list(store, arena, &place, &count, err) < 0)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		if (strcmp(place[i].name, name) == 0)
			return place[i].path;
	}
	return NULL;
}
