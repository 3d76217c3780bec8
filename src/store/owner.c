/* The user database knows names; what it does not know may be a number. */
#include "store/owner.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/os.h"
#include "base/path.h"
#include "base/span.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#define LOOKUP_ROOM (64 << 10) /* octets; groups have long lists of members */

static int unknown(const char *what, const char *name, struct err *err)
{
	return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
		"owner: there is no %s %s; it is USER[:GROUP] of this machine", what, name);
}

static int find_user(const char *name, struct owner *out, struct err *err)
{
	char *room = mem_alloc(LOOKUP_ROOM);
	struct passwd entry, *found = NULL;
	int rc = 0;

	if (getpwnam_r(name, &entry, room, LOOKUP_ROOM, &found) == 0 && found) {
		out->user = found->pw_uid;
		out->group = found->pw_gid;
	} else if (!span_u32(span_of(name), &out->user)) {
		rc = unknown("user", name, err);
	}
	mem_free(room);
	return rc;
}

static int find_group(const char *name, struct owner *out, struct err *err)
{
	char *room = mem_alloc(LOOKUP_ROOM);
	struct group entry, *found = NULL;
	int rc = 0;

	if (getgrnam_r(name, &entry, room, LOOKUP_ROOM, &found) == 0 && found)
		out->group = found->gr_gid;
	else if (!span_u32(span_of(name), &out->group))
		rc = unknown("group", name, err);
	mem_free(room);
	return rc;
}

int owner_find(const char *text, struct owner *out, struct err *err)
{
	char *user, *group;
	int rc = 0;

	*out = (struct owner){ OWNER_SAME, OWNER_SAME };
	if (!text)
		return 0;
	user = mem_strdup(text);
	group = strchr(user, ':');
	if (group)
		*group++ = '\0';
	if (*user)
		rc = find_user(user, out, err);
	if (rc == 0 && group && *group)
		rc = find_group(group, out, err);
	mem_free(user);
	if (rc == 0 && geteuid() != 0 && out->user != OWNER_SAME && out->user != geteuid())
		rc = err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
			"owner=%s: only root can give files to others", text);
	return rc;
}

int owner_give(struct owner owner, int fd, struct err *err)
{
	if ((owner.user == OWNER_SAME && owner.group == OWNER_SAME) ||
		os_fchown(fd, owner.user, owner.group) == 0)
		return 0;
	return err_set_errno(err, ERR_LOCAL, "cannot give a file to its owner");
}

static int make_dir(struct owner owner, const char *path, struct err *err)
{
	struct stat st;
	int fd, rc;

	if (os_stat(path, &st) == 0)
		return 0;
	if (path_make_dirs(path, 0700, err) < 0)
		return -1;
	fd = os_open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (fd < 0)
		return err_set_errno(err, ERR_LOCAL, "cannot open the directory %s", path);
	rc = owner_give(owner, fd, err);
	(void)os_close(fd);
	return rc;
}

int owner_make_dirs(struct owner owner, const char *path, struct err *err)
{
	char *prefix = mem_strdup(path);
	int rc = 0;

	for (char *at = prefix + 1; *prefix && rc == 0; at++) {
		const char end = *at;

		if (end != '/' && end != '\0')
			continue;
		*at = '\0';
		rc = make_dir(owner, prefix, err);
		*at = end;
		if (end == '\0')
			break;
	}
	mem_free(prefix);
	return rc;
}
