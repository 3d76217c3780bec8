/*
 * What messages a folder has. Other programs deliver into `new`, move to `cur` and rename within it meanwhile: `new` is read first, so that what moves is seen twice
 * rather than never, and both are read again until neither changed while it was read.
 */
#include "store/store_maildir_parts.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/os.h"
#include "base/stop.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>

#define ROUNDS 5
#define TICK_NS \
	10000000 /* of the clock that file systems use: two changes within it look like one */
#define TICK_MS 10

struct found { /* a directory entry */
	const char *file;
	uint64_t seconds, micros;
	uint32_t base_len;
	uint8_t round;
	bool in_new;
};

struct listing {
	int dir;
	struct arena *arena;
	struct found *found;
	size_t count, room;
	uint8_t round;
	bool moving; /* something changed while it was read */
	size_t hidden; /* in the last round: entries that are no files, where messages stand */
	struct maildir_seen seen;
};

static bool same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool is_recent(struct timespec then)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME_COARSE, &now);
	return (now.tv_sec - then.tv_sec) * INT64_C(1000000000) + now.tv_nsec - then.tv_nsec <
	       TICK_NS;
}

static void add_found(struct listing *list, const char *file, bool in_new)
{
	struct maildir_name name;

	if (!maildir_name_parse(span_of(file), &name))
		return;
	if (list->count == list->room) {
		list->room = list->room > 0 ? list->room * 2 : 64;
		list->found = mem_resize(list->found, list->room, sizeof(*list->found));
	}
	list->found[list->count++] = (struct found){
		.file = arena_strdup(list->arena, file),
		.seconds = name.seconds,
		.micros = name.micros,
		.base_len = (uint32_t)name.base.len,
		.round = list->round,
		.in_new = in_new,
	};
}

/* What stands in the place of a message and is no file: a link, a pipe. What is behind it is not known. */
static bool is_odd(DIR *stream, const struct dirent *entry)
{
	struct maildir_name name;
	struct stat st;

	if (entry->d_type == DT_REG || !maildir_name_parse(span_of(entry->d_name), &name))
		return false;
	return entry->d_type != DT_UNKNOWN ||
	       (os_fstatat(dirfd(stream), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		       !S_ISREG(st.st_mode));
}

static int read_stream(struct listing *list, DIR *stream, const char *sub, struct err *err)
{
	const struct dirent *entry;
	size_t odd = 0;

	for (errno = 0; (entry = readdir(stream)) != NULL; errno = 0) {
		if (is_odd(stream, entry))
			odd++;
		else
			add_found(list, entry->d_name, *sub == 'n');
	}
	if (errno != 0)
		return err_set_errno(err, ERR_MAILBOX, "cannot list %s", sub);
	if (odd > 0 && list->round == 0)
		log_warn("%zu entries of a folder's %s are no regular files: they are left out",
			odd, sub);
	list->hidden += odd;
	return 0;
}

/* A Maildir without `new` or `cur` has nothing in it. */
static int read_sub(struct listing *list, const char *sub, struct timespec *seen, struct err *err)
{
	const int fd = os_openat(list->dir, sub, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	struct stat before, after;
	DIR *stream;
	int rc;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return err_set_errno(err, ERR_MAILBOX, "cannot open its directory %s", sub);
	stream = os_fstat(fd, &before) == 0 ? fdopendir(fd) : NULL;
	if (stream == NULL) {
		err_set_errno(err, ERR_MAILBOX, "cannot list %s", sub);
		(void)os_close(fd);
		return -1;
	}
	rc = read_stream(list, stream, sub, err);
	if (rc == 0 && os_fstat(fd, &after) < 0)
		rc = err_set_errno(err, ERR_MAILBOX, "cannot list %s", sub);
	if (rc == 0)
		list->moving |=
			!same_time(before.st_mtim, after.st_mtim) || is_recent(after.st_mtim);
	*seen = before.st_mtim;
	(void)closedir(stream);
	return rc;
}

static int list_once(struct listing *list, struct err *err)
{
	list->moving = false;
	list->hidden = 0;
	if (read_sub(list, "new", &list->seen.new, err) < 0 ||
		read_sub(list, "cur", &list->seen.cur, err) < 0)
		return -1;
	return 0;
}

static int list_all(struct listing *list, struct err *err)
{
	do {
		if (list->round > 0 && clock_sleep(TICK_MS) < 0)
			return stop_check(err);
		if (list_once(list, err) < 0)
			return -1;
		list->round++;
	} while (list->moving && list->round < ROUNDS);
	return 0;
}

static struct span base_of(const struct found *found)
{
	return span_make(found->file, found->base_len);
}

/* By delivery; of one message the latest sight first, and `cur` before `new`. */
static int compare_found(const void *a, const void *b)
{
	const struct found *x = a, *y = b;
	int order;

	if (x->seconds != y->seconds)
		return x->seconds < y->seconds ? -1 : 1;
	if (x->micros != y->micros)
		return x->micros < y->micros ? -1 : 1;
	order = span_compare(base_of(x), base_of(y));
	if (order != 0)
		return order;
	if (x->round != y->round)
		return x->round > y->round ? -1 : 1;
	return x->in_new - y->in_new;
}

static bool is_there(const struct listing *list, const struct found *found)
{
	char path[MAILDIR_PATH_SIZE];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/%s", found->in_new ? "new" : "cur", found->file);
	return os_fstatat(list->dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* One entry a message. What only an earlier round saw may be gone. */
static void settle_found(struct listing *list)
{
	size_t kept = 0;

	if (list->count > 0)
		qsort(list->found, list->count, sizeof(*list->found), compare_found);
	for (size_t i = 0; i < list->count; i++) {
		const struct found *found = &list->found[i];

		if (kept > 0 && span_equal(base_of(found), base_of(&list->found[kept - 1])))
			continue;
		if (found->round + 1 < list->round && !is_there(list, found))
			continue;
		list->found[kept++] = *found;
	}
	list->count = kept;
}

/* The same message whatever is put behind its unique name. */
static struct digest128 key_of(struct digest *digest, const char *file)
{
	struct maildir_name name;

	if (maildir_name_parse(span_of(file), &name))
		digest_add(digest, name.unique);
	return digest_end128(digest);
}

static int compare_entries(const void *a, const void *b)
{
	const struct maildir_entry *x = a, *y = b;

	return x->uid < y->uid ? -1 : x->uid > y->uid;
}

/* What was found is entries from here on: the ledger needs memory too. */
static void take_found(struct listing *list, struct maildir_look *out)
{
	out->entry = mem_array(list->count + 1, sizeof(*out->entry));
	out->count = list->count;
	for (size_t i = 0; i < list->count; i++)
		out->entry[i] = (struct maildir_entry){ .file = list->found[i].file,
			.in_new = list->found[i].in_new };
	mem_free(list->found);
	list->found = NULL;
}

static int assign(struct store_maildir *store, struct listing *list, const char *mailbox,
	struct maildir_look *out, struct err *err)
{
	struct digest128 *key = mem_array(list->count + 1, sizeof(*key));
	uint32_t *uid = mem_array(list->count + 1, sizeof(*uid));
	struct digest *digest = digest_new();
	int rc;

	take_found(list, out);
	for (size_t i = 0; i < out->count; i++)
		key[i] = key_of(digest, out->entry[i].file);
	rc = ledger_assign(store->ledger, mailbox, key, out->count, uid, &out->facts, err);
	for (size_t i = 0; i < out->count && rc == 0; i++)
		out->entry[i].uid = uid[i];
	if (rc == 0 && out->count > 0)
		qsort(out->entry, out->count, sizeof(*out->entry), compare_entries);
	else
		out->count = 0;
	digest_free(digest);
	mem_free(uid);
	mem_free(key);
	return rc;
}

int maildir_look(struct store_maildir *store, int dir, const char *mailbox,
	struct maildir_look *out, struct err *err)
{
	struct listing list = { .dir = dir };
	int rc;

	*out = (struct maildir_look){ .arena = arena_new() };
	list.arena = out->arena;
	if (mailbox_is_inbox(mailbox))
		mailbox = "INBOX";
	rc = list_all(&list, err);
	if (rc == 0) {
		settle_found(&list);
		rc = assign(store, &list, mailbox, out, err);
		out->hidden = list.hidden;
	}
	mem_free(list.found);
	return rc < 0 ? err_wrap(err, "mailbox %s", mailbox) : 0;
}

void maildir_look_release(struct maildir_look *look)
{
	arena_free(look->arena);
	mem_free(look->entry);
	*look = (struct maildir_look){ 0 };
}

static bool changed_since(int dir, const char *sub, struct timespec seen)
{
	struct stat st;

	return os_fstatat(dir, sub, &st, AT_SYMLINK_NOFOLLOW) < 0 || !same_time(st.st_mtim, seen) ||
	       is_recent(seen);
}

int maildir_look_again(
	int dir, struct maildir_look *look, struct maildir_seen *seen, struct err *err)
{
	struct arena *scratch;
	struct map *by_base;
	struct listing list = { .dir = dir, .arena = look->arena };
	int rc;

	if (!changed_since(dir, "cur", seen->cur) && !changed_since(dir, "new", seen->new))
		return 0;
	rc = list_once(&list, err);
	if (rc < 0)
		goto out;
	scratch = arena_new();
	by_base = map_new(scratch);
	for (size_t i = 0; i < list.count; i++)
		map_set(by_base, base_of(&list.found[i]), &list.found[i]);
	for (size_t i = 0; i < look->count; i++) {
		struct maildir_entry *entry = &look->entry[i];
		const struct found *found = map_find(by_base,
			span_sub(span_of(entry->file), 0, span_find(span_of(entry->file), ':')));

		if (found != NULL) {
			entry->file = found->file;
			entry->in_new = found->in_new;
		}
	}
	map_free(by_base);
	arena_free(scratch);
	*seen = list.seen;
out:
	mem_free(list.found);
	return rc;
}
