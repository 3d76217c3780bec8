#include "ops/skip_ids.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/os.h"

#include <fcntl.h>

#define PIECE 4096

struct skip_ids {
	struct digest128 *id; /* ascending, all different */
	size_t count;
};

struct reading {
	const char *path;
	size_t line;
	struct digest128 *id;
	size_t count, room;
};

static struct digest128 digest_of(struct span id)
{
	unsigned char digest[DIGEST_SIZE];
	struct digest128 out;

	id = span_trim(id);
	if (id.len >= 2 && id.data[0] == '<' && id.data[id.len - 1] == '>')
		id = span_trim(span_sub(id, 1, id.len - 2));
	digest_bytes(id, digest);
	memcpy(&out, digest, sizeof(out));
	return out;
}

static int wrong(const struct reading *reading, const char *problem, struct err *err)
{
	return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE, "%s line %zu: %s", reading->path,
		reading->line, problem);
}

static int take_line(struct reading *reading, struct span line, struct err *err)
{
	reading->line++;
	if (reading->line == 1 && span_starts(line, SPAN("\xef\xbb\xbf")))
		line = span_from(line, 3);
	line = span_trim(line);
	if (line.len == 0 || line.data[0] == '#')
		return 0;
	for (size_t i = 0; i < line.len; i++) {
		if ((unsigned char)line.data[i] < ' ' && line.data[i] != '\t')
			return wrong(reading, "control characters: this is no Message-ID", err);
	}
	if (reading->count == SKIP_IDS_MAX)
		return wrong(reading, "more Message-IDs than can be kept", err);
	if (reading->count == reading->room) {
		reading->room = reading->room ? 2 * reading->room : 1024;
		reading->id = mem_resize(reading->id, reading->room, sizeof(*reading->id));
	}
	reading->id[reading->count++] = digest_of(line);
	return 0;
}

/* Takes the whole lines off the front of what was read. */
static int take_lines(struct reading *reading, struct buf *text, struct err *err)
{
	size_t at = 0, end;

	while ((end = span_find(span_from(buf_span(text), at), '\n')) != SIZE_MAX) {
		if (take_line(reading, span_sub(buf_span(text), at, end), err) < 0)
			return -1;
		at += end + 1;
	}
	buf_drop_front(text, at);
	return 0;
}

static int read_all(struct reading *reading, int fd, struct buf *text, struct err *err)
{
	char piece[PIECE];
	ssize_t got;

	while ((got = os_read(fd, piece, sizeof(piece))) > 0) {
		if (buf_add(text, span_make(piece, (size_t)got)) < 0) {
			reading->line++;
			return wrong(reading, "a line that is too long", err);
		}
		if (take_lines(reading, text, err) < 0)
			return -1;
	}
	if (got < 0)
		return err_set_errno(err, ERR_LOCAL, "cannot read %s", reading->path);
	return text->len > 0 ? take_line(reading, buf_span(text), err) : 0;
}

static int compare(const void *a, const void *b)
{
	return digest128_compare(*(const struct digest128 *)a, *(const struct digest128 *)b);
}

static struct skip_ids *keep(struct reading *reading, struct arena *arena)
{
	struct skip_ids *ids = arena_alloc(arena, sizeof(*ids));

	if (reading->count > 1)
		qsort(reading->id, reading->count, sizeof(*reading->id), compare);
	ids->id = arena_array(arena, reading->count + 1, sizeof(*ids->id));
	for (size_t i = 0; i < reading->count; i++) {
		if (ids->count == 0 || compare(&reading->id[i], &ids->id[ids->count - 1]) != 0)
			ids->id[ids->count++] = reading->id[i];
	}
	return ids;
}

struct skip_ids *skip_ids_read(const char *path, struct arena *arena, struct err *err)
{
	struct reading reading = { .path = path };
	struct skip_ids *ids = NULL;
	struct buf text;
	const int fd = os_open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY, 0);

	if (fd < 0) {
		err_set_errno(err, ERR_LOCAL, "cannot open %s", path);
		err->kind = ERR_KIND_USAGE;
		return NULL;
	}
	buf_init(&text, SKIP_IDS_LINE_MAX + PIECE);
	if (read_all(&reading, fd, &text, err) == 0)
		ids = keep(&reading, arena);
	os_close(fd);
	buf_release(&text);
	mem_free(reading.id);
	return ids;
}

size_t skip_ids_count(const struct skip_ids *ids)
{
	return ids->count;
}

bool skip_ids_has(const struct skip_ids *ids, struct span id)
{
	const struct digest128 key = digest_of(id);

	return ids->count > 0 && bsearch(&key, ids->id, ids->count, sizeof(key), compare) != NULL;
}

struct digest128 skip_ids_digest(const struct skip_ids *ids)
{
	return digest_of(span_make((const char *)ids->id, ids->count * sizeof(*ids->id)));
}
