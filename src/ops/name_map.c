/* The file of --map. */
#include "ops/name_map.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/text.h"
#include "mail/mailbox_name.h"

#define FILE_MAX ((size_t)16 << 20)

struct entry {
	const char *dst;
	size_t line;
};

struct name_map {
	struct map *exact, *subtrees; /* source name → struct entry */
};

struct reader {
	const char *path;
	size_t line;
	struct arena *arena;
	struct name_map *map;
};

/* One side of an entry. */
struct side {
	char *name;
	bool subtree;
};

const char *name_problem(struct span name)
{
	struct span rest = name;

	if (name.len == 0)
		return "an empty name";
	if (name.len > MAILBOX_NAME_MAX)
		return "too long for a mailbox";
	if (!utf8_valid(name))
		return "not valid UTF-8";
	for (size_t i = 0; i < name.len; i++) {
		if ((unsigned char)name.data[i] < ' ' || name.data[i] == 0x7f)
			return "control characters";
	}
	for (;;) {
		size_t slash = span_find(rest, '/');

		if (slash == 0 || rest.len == 0)
			return "an empty level (a '/' at an end, or two together)";
		if (slash == SIZE_MAX)
			return NULL;
		rest = span_from(rest, slash + 1);
	}
}

const char *name_canonical(const char *name)
{
	return mailbox_is_inbox(name) ? "INBOX" : name;
}

static int refuse(const struct reader *reader, const char *problem, struct err *err)
{
	return err_set_kind(
		err, ERR_LOCAL, ERR_KIND_USAGE, "%s:%zu: %s", reader->path, reader->line, problem);
}

/* "…" at the front: the text in it; *len_out with both quotes. */
static const char *read_quoted(struct span text, struct buf *out, size_t *len_out)
{
	for (size_t at = 1; at < text.len; at++) {
		if (text.data[at] == '"') {
			*len_out = at + 1;
			return NULL;
		}
		if (text.data[at] == '\\' && ++at == text.len)
			break;
		if (buf_add_char(out, text.data[at]) < 0)
			return "a line that is too long";
	}
	return "a quote that is not closed";
}

/* Up to a ':' or the end. */
static const char *read_plain(struct span text, struct buf *out, size_t *len_out)
{
	size_t at = 0;

	for (; at < text.len && text.data[at] != ':'; at++) {
		char next = at + 1 < text.len ? text.data[at + 1] : '\0';

		if (text.data[at] == '\\' && (next == ':' || next == '\\'))
			at++;
		if (buf_add_char(out, text.data[at]) < 0)
			return "a line that is too long";
	}
	*len_out = at;
	return NULL;
}

static bool cut_subtree(struct span *name)
{
	static const char *const ends[] = { "/**", "/*" };

	for (size_t i = 0; i < countof(ends); i++) {
		if (span_ends(*name, span_of(ends[i]))) {
			name->len -= strlen(ends[i]);
			return true;
		}
	}
	return false;
}

/* Reads one side and moves *text behind it and the blanks that follow. */
static const char *read_side(struct reader *reader, struct span *text, struct side *out)
{
	bool quoted = text->len > 0 && text->data[0] == '"';
	struct buf buf;
	struct span name;
	const char *problem;
	size_t len = 0;

	buf_init(&buf, 2 * MAILBOX_NAME_MAX);
	problem = quoted ? read_quoted(*text, &buf, &len) : read_plain(*text, &buf, &len);
	if (problem == NULL) {
		name = quoted ? buf_span(&buf) : span_trim(buf_span(&buf));
		*out = (struct side){ 0 };
		out->subtree = !quoted && cut_subtree(&name);
		out->name = arena_text(reader->arena, name);
		*text = span_trim(span_from(*text, len));
		if (name.len == 0)
			problem = "an empty name";
		else if (memchr(name.data, '\0', name.len) != NULL || !utf8_valid(name))
			problem = "a name that is not valid UTF-8";
	}
	buf_release(&buf);
	return problem;
}

static int add_entry(
	struct reader *reader, const struct side *src, const struct side *dst, struct err *err)
{
	struct map *map = src->subtree ? reader->map->subtrees : reader->map->exact;
	struct span key = span_of(name_canonical(src->name));
	const struct entry *old = map_find(map, key);
	struct entry *entry;

	if (old != NULL) {
		char shown[TEXT_SHOWN];

		text_shown(key, shown);
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
			"%s:%zu: \"%s\" was mapped in line %zu already", reader->path, reader->line,
			shown, old->line);
	}
	entry = arena_alloc(reader->arena, sizeof(*entry));
	*entry = (struct entry){ name_canonical(dst->name), reader->line };
	map_set(map, key, entry);
	return 0;
}

static int read_line(struct reader *reader, struct span line, struct err *err)
{
	struct span rest = span_trim(line);
	struct side src, dst;
	const char *problem;

	if (rest.len == 0 || rest.data[0] == '#')
		return 0;
	problem = read_side(reader, &rest, &src);
	if (problem == NULL && (rest.len == 0 || rest.data[0] != ':'))
		problem = "no ':' behind the source mailbox (write \"source: destination\")";
	if (problem != NULL)
		return refuse(reader, problem, err);
	rest = span_trim(span_from(rest, 1));
	problem = read_side(reader, &rest, &dst);
	if (problem == NULL && rest.len > 0)
		problem = "something behind the destination mailbox (a name with ':' is written in "
			  "quotes)";
	if (problem == NULL)
		problem = name_problem(span_of(dst.name));
	if (problem == NULL && dst.subtree && !src.subtree)
		problem = "a subtree as the destination of a single mailbox";
	if (problem != NULL)
		return refuse(reader, problem, err);
	return add_entry(reader, &src, &dst, err);
}

struct name_map *name_map_parse(
	const char *path, struct span text, struct arena *arena, struct err *err)
{
	struct name_map *map = mem_alloc(sizeof(*map));
	struct reader reader = { .path = path, .arena = arena, .map = map };

	map->exact = map_new(arena);
	map->subtrees = map_new(arena);
	if (span_starts(text, SPAN("\xef\xbb\xbf"))) /* a byte order mark */
		text = span_from(text, 3);
	while (text.len > 0) {
		size_t end = span_find(text, '\n');

		reader.line++;
		if (read_line(&reader, span_sub(text, 0, end), err) < 0) {
			name_map_free(map);
			return NULL;
		}
		text = end == SIZE_MAX ? span_of(NULL) : span_from(text, end + 1);
	}
	return map;
}

struct name_map *name_map_read(const char *path, struct arena *arena, struct err *err)
{
	struct span text;

	if (path_read(path, FILE_MAX, arena, &text, err) < 0) {
		if (err != NULL)
			err->kind = ERR_KIND_USAGE;
		err_wrap(err, "--map");
		return NULL;
	}
	return name_map_parse(path, text, arena, err);
}

void name_map_free(struct name_map *map)
{
	if (map == NULL)
		return;
	map_free(map->exact);
	map_free(map->subtrees);
	mem_free(map);
}

const char *name_map_find(const struct name_map *map, const char *name, struct arena *arena)
{
	const struct entry *entry = map_find(map->exact, span_of(name));
	struct span parent = span_of(name);

	if (entry != NULL)
		return entry->dst;
	while (map_count(map->subtrees) > 0) {
		size_t end = parent.len;

		entry = map_find(map->subtrees, parent);
		if (entry != NULL)
			return arena_print(arena, "%s%s", entry->dst, name + parent.len);
		while (end > 0 && parent.data[end - 1] != '/')
			end--;
		if (end == 0)
			break;
		parent.len = end - 1;
	}
	return NULL;
}
