/* The file of --users as a whole: held in guarded memory, an index of its lines beside it. */
#include "store/users.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/text.h"
#include "net/secret.h"
#include "store/users_parts.h"

#include <string.h>

#define FILE_MAX ((size_t)256 << 20)

struct place { /* of a user in the text */
	uint32_t at, line;
};

struct users {
	struct secret *text;
	struct place *place;
	size_t count, room;
	enum users_format format;
	bool two_sided, guarded;
};

/* Escaped blanks at the end belong to the last field. */
static struct span trim(struct span text, bool escapes)
{
	struct span whole = text;

	text = span_trim(text);
	if (!escapes || text.len == 0)
		return text;

	const size_t behind = (size_t)(text.data - whole.data) + text.len;
	size_t backslashes = 0;

	while (backslashes < text.len && text.data[text.len - 1 - backslashes] == '\\')
		backslashes++;
	if (backslashes % 2 == 1 && behind < whole.len && whole.data[behind] == ' ')
		text.len++;
	return text;
}

/* The line that begins here, and where the next one does. */
static struct span line_at(struct span text, size_t at, size_t *next_out)
{
	const struct span rest = span_from(text, at);
	const size_t end = span_find(rest, '\n');

	*next_out = end == SIZE_MAX ? text.len : at + end + 1;
	return span_sub(rest, 0, end);
}

static const char *check_octets(struct span line)
{
	if (line.len >= USERS_LINE_MAX)
		return "longer than 65,535 octets";
	for (size_t i = 0; i < line.len; i++) {
		const unsigned char byte = (unsigned char)line.data[i];

		if ((byte < ' ' && byte != '\t') || byte == 127)
			return "a control character";
	}
	return utf8_valid(line) ? NULL
				: "not valid UTF-8 (a secret in another encoding goes into a file "
				  "of its own)";
}

static void add_place(struct users *users, size_t at, size_t line)
{
	if (users->count == users->room) {
		users->room = users->room ? users->room * 2 : 64;
		users->place = mem_resize(users->place, users->room, sizeof(*users->place));
	}
	users->place[users->count++] = (struct place){ (uint32_t)at, (uint32_t)line };
}

/* Every line is taken apart once, so that nothing begins on the strength of half a file. */
static const char *check_all(struct users *users, struct users_line *line, size_t *number)
{
	const struct span text = secret_bytes(users->text);
	const bool escapes = users->format == USERS_ESCAPED;
	size_t at = span_starts(text, SPAN("\xef\xbb\xbf")) ? 3 : 0, next;

	for (*number = 1; at < text.len; at = next, ++*number) {
		const struct span one = trim(line_at(text, at, &next), escapes);
		struct user user = { 0 };
		const char *problem;

		if (one.len == 0 || one.data[0] == '#')
			continue;
		problem = check_octets(one);
		if (!problem) {
			problem = users_line(line, one, &user);
			user_release(&user);
		}
		if (problem)
			return problem;
		if (users->count == USERS_MAX)
			return "more than 1,000,000 users";
		add_place(users, at, *number);
		arena_clear(line->arena);
	}
	return NULL;
}

struct users *users_parse(const char *path, struct span text, enum users_format format,
	bool two_sided, struct err *err)
{
	struct users *users = mem_alloc(sizeof(*users));
	struct users_line line = { .format = format,
		.two_sided = two_sided,
		.arena = arena_new(),
		.scratch = mem_alloc(USERS_LINE_MAX) };
	const char *problem;
	size_t number = 0;

	users->text = secret_new(text);
	users->format = format;
	users->two_sided = two_sided;
	problem = check_all(users, &line, &number);
	users->guarded = line.guarded;
	if (problem)
		(void)err_set_kind(
			err, ERR_LOCAL, ERR_KIND_USAGE, "%s:%zu: %s", path, number, problem);
	else if (users->count == 0)
		(void)err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE, "%s: names no user", path);
	if (problem || users->count == 0) {
		users_free(users);
		users = NULL;
	}
	secret_wipe(line.scratch, USERS_LINE_MAX);
	mem_free(line.scratch);
	arena_free(line.arena);
	return users;
}

static struct users *parse_and_wipe(const char *path, struct span text, enum users_format format,
	bool two_sided, struct err *err)
{
	struct users *users = users_parse(path, text, format, two_sided, err);

	secret_wipe((void *)(uintptr_t)text.data, text.len);
	return users;
}

/* A list of names may be anybody's to read; one that others can read or write and that holds more is refused. */
struct users *users_read(
	const char *path, enum users_format format, bool two_sided, struct err *err)
{
	struct arena *arena = arena_new();
	const char *expanded = path_expand(arena, path);
	struct err open_to_others = ERR_INIT, why = ERR_INIT;
	struct users *users = NULL;
	struct span text;

	if (path_read_secret(expanded, FILE_MAX, arena, &text, &open_to_others) == 0) {
		users = parse_and_wipe(expanded, text, format, two_sided, &why);
	} else if (path_read(expanded, FILE_MAX, arena, &text, &why) == 0) {
		users = parse_and_wipe(expanded, text, format, two_sided, &why);
		if (users && users->guarded) {
			users_free(users);
			users = NULL;
			why = open_to_others;
		}
	}
	if (!users) {
		why.kind = ERR_KIND_USAGE;
		if (err)
			*err = why;
		(void)err_wrap(err, "--users");
	}
	arena_free(arena);
	return users;
}

void users_free(struct users *users)
{
	if (!users)
		return;
	secret_free(users->text);
	mem_free(users->place);
	mem_free(users);
}

size_t users_count(const struct users *users)
{
	return users->count;
}

bool users_guarded(const struct users *users)
{
	return users->guarded;
}

void users_get(const struct users *users, size_t index, struct arena *arena, struct user *out)
{
	const struct place *place = &users->place[index];
	struct users_line line = { .format = users->format,
		.two_sided = users->two_sided,
		.arena = arena,
		.scratch = mem_alloc(USERS_LINE_MAX) };
	size_t next;

	*out = (struct user){ 0 };
	/* It was found good when the file was read. */
	(void)users_line(&line,
		trim(line_at(secret_bytes(users->text), place->at, &next),
			users->format == USERS_ESCAPED),
		out);
	out->line = place->line;
	secret_wipe(line.scratch, USERS_LINE_MAX);
	mem_free(line.scratch);
}

void user_release(struct user *user)
{
	for (size_t i = 0; i < countof(user->side); i++) {
		secret_free(user->side[i].secret);
		user->side[i].secret = NULL;
	}
}
