/* Files that are written piece by piece and are there when they are whole. */
#include "base/path.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/os.h"
#include "base/path_parts.h"

#include <errno.h>
#include <fcntl.h>

struct path_new {
	struct arena *arena;
	const char *path, *temporary;
	int fd;
};

struct path_new *path_new(const char *path, mode_t mode, struct err *err)
{
	struct path_new *file = mem_alloc(sizeof(*file));

	file->arena = arena_new();
	file->path = arena_strdup(file->arena, path);
	file->fd = path_open_temporary(file->arena, path, mode, &file->temporary);
	if (file->fd >= 0)
		return file;
	(void)err_set_errno(err, ERR_LOCAL, "cannot write %s", path);
	path_new_drop(file);
	return NULL;
}

int path_new_add(struct path_new *file, struct span bytes, struct err *err)
{
	if (path_write_all(file->fd, bytes) < 0)
		return err_set_errno(err, ERR_LOCAL, "cannot write %s", file->path);
	return 0;
}

static int take_name(struct path_new *file, bool replace, struct err *err)
{
	const int fd = file->fd;
	int rc = os_fsync(fd);

	if (rc == 0) {
		file->fd = -1;
		rc = os_close(fd);
	}
	if (rc == 0)
		rc = replace ? os_rename(file->temporary, file->path)
			     : os_renameat_new(AT_FDCWD, file->temporary, AT_FDCWD, file->path);
	if (rc < 0)
		return err_set_errno(err, ERR_LOCAL, "cannot write %s", file->path);
	file->temporary = NULL;
	return path_sync_dir(path_parent(file->arena, file->path), err);
}

int path_new_publish(struct path_new *file, bool replace, struct err *err)
{
	const int rc = take_name(file, replace, err);

	path_new_drop(file);
	return rc;
}

void path_new_drop(struct path_new *file)
{
	if (!file)
		return;
	if (file->fd >= 0)
		(void)os_close(file->fd);
	if (file->temporary)
		(void)os_unlink(file->temporary);
	arena_free(file->arena);
	mem_free(file);
}
