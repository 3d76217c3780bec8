/* Folders that Thunderbird keeps as maildir: a directory with one file a message in `cur`, their lines of status in the headers. Only read. */
#include "store/store_mbox_parts.h"

#include "base/log.h"
#include "base/os.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>

bool mbox_folder_is(int dir, const char *path)
{
	struct arena *arena = arena_new();
	struct stat st;
	const bool is = os_fstatat(dir, arena_print(arena, "%s/cur", path), &st,
				AT_SYMLINK_NOFOLLOW) == 0 &&
			S_ISDIR(st.st_mode);

	arena_free(arena);
	return is;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* What cannot be looked at is told when it is opened. */
static bool is_regular(DIR *stream, const struct dirent *entry)
{
	struct stat st;

	return entry->d_type == DT_REG ||
	       (entry->d_type == DT_UNKNOWN &&
		       (os_fstatat(dirfd(stream), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
			       S_ISREG(st.st_mode)));
}

int mbox_folder_open(struct mbox_file *file, struct err *err)
{
	struct arena *arena = arena_new();
	const int fd = os_openat(file->dir, arena_print(arena, "%s/cur", file->base),
		O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	size_t room = 0;

	arena_free(arena);
	if (stream == NULL) {
		if (fd >= 0)
			os_close(fd);
		return err_set_errno(err, ERR_MAILBOX, "cannot open the directory %s", file->path);
	}
	while ((errno = 0, entry = readdir(stream)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		if (!is_regular(stream, entry)) {
			log_warn("%s/cur/%s is no regular file: it is left out", file->path,
				entry->d_name);
			file->hidden++;
			continue;
		}
		if (file->names_count == room) {
			room = room == 0 ? 64 : room * 2;
			file->names = mem_resize(file->names, room, sizeof(*file->names));
		}
		file->names[file->names_count++] = mem_strdup(entry->d_name);
	}
	const int trouble = errno;
	closedir(stream);
	errno = trouble;
	if (trouble != 0)
		return err_set_errno(err, ERR_MAILBOX, "cannot read the directory %s", file->path);
	if (file->names_count > 0)
		qsort(file->names, file->names_count, sizeof(*file->names), compare_names);
	return 0;
}

int mbox_folder_message(
	struct mbox_file *file, uint64_t number, uint64_t *size_out, struct err *err)
{
	struct arena *arena;
	struct stat st;

	mbox_octets_close(file->octets);
	file->octets = NULL;
	if (file->fd >= 0)
		os_close(file->fd);
	arena = arena_new();
	file->fd = os_openat(file->dir,
		arena_print(arena, "%s/cur/%s", file->base, file->names[number]),
		O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0);
	arena_free(arena);
	if (file->fd < 0 && (errno == ENOENT || errno == ELOOP))
		return 0;
	if (file->fd < 0 || os_fstat(file->fd, &st) < 0)
		return err_set_errno(
			err, ERR_MESSAGE, "cannot open %s/cur/%s", file->path, file->names[number]);
	if (!S_ISREG(st.st_mode))
		return 0;
	*size_out = (uint64_t)st.st_size;
	mbox_file_reopen_octets(file, *size_out);
	return 1;
}

/* The time of the file stands in for a date that its header does not tell. */
static void take_file(struct mbox_file *file, struct mbox_finding *out,
	const struct mbox_result *result, size_t number, uint64_t size)
{
	struct mbox_found *found = mbox_finding_take(file, out, result,
		&(struct mbox_entry){ .start = number, .size = size, .how = MBOX_UNQUOTE_NONE });
	struct stat st;

	if (found != NULL && found->instant == DATE_UNKNOWN && os_fstat(file->fd, &st) == 0)
		mbox_found_set_date(found, (struct date){ .instant = st.st_mtime });
}

int mbox_folder_index(struct mbox_file *file, struct mbox_finding *out, struct err *err)
{
	struct mbox_facts *facts = mbox_facts_new();
	int rc = 0;

	*out = (struct mbox_finding){ .count = 0 };
	for (size_t i = 0; i < file->names_count && rc == 0; i++) {
		struct mbox_result result;
		struct span window;
		uint64_t at = 0, size;
		bool last = false;

		rc = mbox_folder_message(file, i, &size, err);
		if (rc < 0)
			break;
		while (rc > 0 && !last) {
			if (mbox_octets_window(file->octets, at, &window, &last, err) < 0) {
				rc = -1;
				break;
			}
			mbox_facts_add(facts, window);
			at += window.len;
		}
		if (rc > 0) {
			mbox_facts_end(facts, &result);
			take_file(file, out, &result, i, size);
			rc = 0;
		}
	}
	mbox_facts_free(facts);
	if (rc < 0)
		mbox_finding_release(out);
	return rc;
}
