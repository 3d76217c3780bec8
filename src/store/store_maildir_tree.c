/* The folders of a tree of Maildirs. */
#include "store/store_maildir_parts.h"

#include "base/log.h"
#include "base/os.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>

#define DEPTH_MAX 64
#define FOLDERS_MAX 1000000
#define DOTTED_DEPTH 4

int maildir_open_below(int dir, const char *path)
{
	int fd = -1;

	for (;;) {
		const size_t len = strcspn(path, "/");
		char level[256];
		int next;

		if (len >= sizeof(level)) {
			errno = ENAMETOOLONG;
			next = -1;
		} else {
			memcpy(level, path, len);
			level[len] = '\0';
			next = os_openat(fd >= 0 ? fd : dir, len > 0 ? level : ".",
				O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
		}

		const int number = errno;
		if (fd >= 0)
			(void)os_close(fd);
		errno = number;
		if (next < 0 || path[len] == '\0')
			return next;
		fd = next;
		path += len + 1;
	}
}

static bool is_dir(int dir, const char *name)
{
	struct stat st;

	return os_fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

/* What cannot be looked at may be one: then there is a word, and the listing is not whole. */
static bool has_cur(struct maildir_tree *tree, int dir, const char *path)
{
	struct stat st;
	const int rc = os_fstatat(dir, "cur", &st, AT_SYMLINK_NOFOLLOW);

	if ((rc < 0 && errno != ENOENT) || (rc == 0 && S_ISLNK(st.st_mode))) {
		log_warn("%s/cur is left out: %s", *path != '\0' ? path : ".",
			rc < 0 ? strerror(errno) : "it is a symbolic link");
		tree->refused++;
	}
	return rc == 0 && S_ISDIR(st.st_mode);
}

bool maildir_is_folder(int dir, const char *path)
{
	const int fd = maildir_open_below(dir, path);
	const bool is = fd >= 0 && is_dir(fd, "cur");

	if (fd >= 0)
		(void)os_close(fd);
	return is;
}

static void add_path(struct maildir_tree *tree, const char *path, struct arena *arena)
{
	if (tree->count == tree->room) {
		const size_t room = tree->room > 0 ? tree->room * 2 : 16;

		tree->path = arena_grow(arena, tree->path, tree->room, room, sizeof(*tree->path));
		tree->room = room;
	}
	tree->path[tree->count++] = path;
}

struct walk {
	enum maildir_layout layout;
	struct arena *arena;
	struct maildir_tree *tree;
};

static int walk_dir(struct walk *walk, int dir, const char *path, unsigned depth, struct err *err);

/* There is mail in it, or below. */
static bool holds_mail(int dir, const char *name, unsigned depth)
{
	const int fd = maildir_open_below(dir, name);
	DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
	bool found = stream != NULL && is_dir(fd, "cur");
	const struct dirent *entry;

	while (stream != NULL && !found && depth > 0 && (entry = readdir(stream)) != NULL) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN)
			found = holds_mail(fd, entry->d_name, depth - 1);
	}
	if (stream != NULL)
		(void)closedir(stream);
	else if (fd >= 0)
		(void)os_close(fd);
	return found;
}

/* The folders of a Maildir++ that stands in the tree, or KMail's `.NAME.directory`: none of this layout's. */
static void note_dotted(struct walk *walk, int dir, const char *name, const char *path)
{
	if (!holds_mail(dir, name, DOTTED_DEPTH))
		return;
	if (walk->tree->dotted++ == 0)
		walk->tree->first_dotted = arena_print(walk->arena, "%s%s", path, name);
}

/* What an entry of a directory is: 1 = a directory to look into, 0 = something else. */
static int judge_entry(struct walk *walk, int dir, const struct dirent *entry, const char *path)
{
	const bool dot = entry->d_name[0] == '.';
	unsigned char type = entry->d_type;
	struct stat st;

	if (dot && walk->layout == MAILDIR_FS && type != DT_REG)
		note_dotted(walk, dir, entry->d_name, path);
	if (dot != (walk->layout == MAILDIR_PLUSPLUS))
		return 0;
	if (type == DT_UNKNOWN && os_fstatat(dir, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		type = S_ISDIR(st.st_mode) ? DT_DIR : S_ISLNK(st.st_mode) ? DT_LNK : DT_REG;
	if (type == DT_LNK && (os_fstatat(dir, entry->d_name, &st, 0) < 0 || S_ISDIR(st.st_mode))) {
		log_warn("%s%s is a symbolic link and is not followed", path, entry->d_name);
		walk->tree->refused++;
	}
	return type == DT_DIR;
}

static bool is_own(const char *name)
{
	return strcmp(name, "cur") == 0 || strcmp(name, "new") == 0 || strcmp(name, "tmp") == 0;
}

static int walk_entry(struct walk *walk, int dir, const struct dirent *entry, const char *path,
	unsigned depth, struct err *err)
{
	const char *below = arena_print(walk->arena, "%s%s", path, entry->d_name);
	int fd, rc = 0;

	if (judge_entry(walk, dir, entry, path) == 0)
		return 0;
	fd = maildir_open_below(dir, entry->d_name);
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
		return 0; /* replaced meanwhile */
	if (fd < 0 && errno == EACCES) {
		log_warn("directory %s cannot be opened: %s", below, strerror(errno));
		walk->tree->refused++;
		return 0;
	}
	if (fd < 0)
		return err_set_errno(err, ERR_LOCAL, "cannot open directory %s", below);
	if (has_cur(walk->tree, fd, below))
		add_path(walk->tree, below, walk->arena);
	if (walk->layout == MAILDIR_FS && depth < DEPTH_MAX && walk->tree->count < FOLDERS_MAX)
		rc = walk_dir(walk, fd, arena_print(walk->arena, "%s/", below), depth + 1, err);
	else if (walk->layout == MAILDIR_FS)
		rc = err_set(err, ERR_ACCOUNT, "directories are nested too deep at %s", below);
	(void)os_close(fd);
	return rc;
}

/* Takes its own descriptor, so that the caller's stays at its place. */
static int walk_dir(struct walk *walk, int dir, const char *path, unsigned depth, struct err *err)
{
	const int fd = os_openat(dir, ".", O_RDONLY | O_DIRECTORY, 0);
	DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;
	int rc = 0;

	if (stream == NULL) {
		err_set_errno(err, ERR_LOCAL, "cannot list directory %s", path);
		if (fd >= 0)
			(void)os_close(fd);
		return -1;
	}
	for (errno = 0; rc == 0 && (entry = readdir(stream)) != NULL; errno = 0) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (is_own(entry->d_name))
			continue;
		walk->tree->others += depth == 0 && entry->d_name[0] != '.';
		rc = walk_entry(walk, dir, entry, path, depth, err);
	}
	if (rc == 0 && errno != 0)
		rc = err_set_errno(err, ERR_LOCAL, "cannot list directory %s", path);
	(void)closedir(stream);
	return rc;
}

int maildir_tree_read(int root, enum maildir_layout layout, struct arena *arena,
	struct maildir_tree *out, struct err *err)
{
	struct walk walk = { layout, arena, out };

	*out = (struct maildir_tree){ 0 };
	if (root < 0)
		return 0;
	if (has_cur(out, root, ""))
		add_path(out, "", arena);
	return walk_dir(&walk, root, "", 0, err);
}
