/* One line of --users in each of its layouts. What comes out of a field that may be a secret stays in the scratch memory or becomes a struct secret. */
#include "store/users_parts.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/text.h"
#include "net/secret.h"
#include "store/account_parts.h"

#include <string.h>

#define FIELDS 4
#define TOKEN_MARK SPAN("oauth2:")
#define ESCAPABLE ":\\#=@!$ "

struct fields {
	struct span field[FIELDS]; /* as written */
	size_t count; /* also of those too many */
	struct span options; /* data NULL: none */
};

struct span users_unescape(struct users_line *line, struct span text, const char **problem)
{
	char *out = line->scratch;
	size_t len = 0;

	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] == '\\' && (++i == text.len || !strchr(ESCAPABLE, text.data[i]))) {
			*problem = "a backslash before something that needs none: a backslash "
				   "itself is written \\\\";
			return span_make(out, 0);
		}
		out[len++] = text.data[i];
	}
	return span_make(out, len);
}

/* Older layouts: only what would end a field needs its backslash. */
static struct span unescape_colons(struct users_line *line, struct span text)
{
	char *out = line->scratch;
	size_t len = 0;

	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] == '\\' && i + 1 < text.len &&
			(text.data[i + 1] == ':' || text.data[i + 1] == '\\'))
			i++;
		out[len++] = text.data[i];
	}
	return span_make(out, len);
}

/* Where the field at the front of text ends; the colon of a token's mark is part of it. */
static size_t field_end(struct span text, bool secret)
{
	size_t at = secret && span_starts_nocase(text, TOKEN_MARK) ? TOKEN_MARK.len : 0;

	for (; at < text.len && text.data[at] != ':'; at++) {
		if (text.data[at] == '\\' && at + 1 < text.len)
			at++;
	}
	return at;
}

static void split_colons(struct span text, bool options, struct fields *out)
{
	*out = (struct fields){ 0 };
	for (;;) {
		size_t end;

		if (options && (out->count == 2 || out->count == 4) && users_options_start(text)) {
			out->options = text;
			return;
		}
		end = field_end(text, out->count % 2 == 1);
		if (out->count < FIELDS)
			out->field[out->count] = span_sub(text, 0, end);
		out->count++;
		if (end == text.len)
			return;
		text = span_from(text, end + 1);
	}
}

static const char *set_user(struct users_line *line, struct span name, struct user_side *side)
{
	if (name.len == 0)
		return "a user name is missing";
	side->user = arena_text(line->arena, name);
	return NULL;
}

static const char *set_secret(struct users_line *line, struct span text, struct user_side *side)
{
	if (text.len == 0)
		return NULL;
	line->guarded = true;
	side->secret = secret_new(text);
	return NULL;
}

/* "oauth2:TOKEN" as it is, no escapes and no kinds. */
static const char *set_plain(struct users_line *line, struct span text, struct user_side *side)
{
	side->token = span_starts_nocase(text, TOKEN_MARK);
	if (side->token)
		text = span_from(text, TOKEN_MARK.len);
	if (side->token && text.len == 0)
		return "the token behind oauth2: is missing";
	return set_secret(line, text, side);
}

static bool blank_at_end(struct span text)
{
	const size_t len = text.len;

	if (len == 0)
		return false;
	if (text.data[0] == ' ' || text.data[0] == '\t' || text.data[len - 1] == '\t')
		return true;
	if (text.data[len - 1] != ' ')
		return false;

	size_t backslashes = 0;
	while (backslashes < len - 1 && text.data[len - 2 - backslashes] == '\\')
		backslashes++;
	return backslashes % 2 == 0;
}

/* "@file", "!command", "$VARIABLE": a source of the secret rather than the secret. */
static const char *set_source(
	struct users_line *line, char kind, struct span text, struct user_side *side)
{
	const char *problem = NULL;
	enum account_key key = ACCOUNT_PASS_ENV;
	struct err err = ERR_INIT;

	if (kind == '@')
		key = side->token ? ACCOUNT_TOKEN_FILE : ACCOUNT_PASS_FILE;
	else if (kind == '!')
		key = side->token ? ACCOUNT_TOKEN_CMD : ACCOUNT_PASS_CMD;
	else if (side->token)
		return "a token comes from a @file or a !command, not from a variable";
	text = users_unescape(line, text, &problem);
	if (problem)
		return problem;
	if (text.len == 0)
		return "nothing behind the @, ! or $ of a secret (one that begins so is written "
		       "with a backslash)";
	line->guarded |= kind == '!';
	side->values.value[key] = arena_text(line->arena, text);
	if (account_value_check(key, side->values.value[key], &err) < 0)
		return arena_strdup(line->arena, err.text);
	return NULL;
}

static const char *set_escaped(struct users_line *line, struct span text, struct user_side *side)
{
	const char *problem = NULL;

	if (blank_at_end(text))
		return "a blank at the start or the end of a field (one that is meant is written "
		       "with a backslash)";
	side->token = span_starts_nocase(text, TOKEN_MARK);
	if (side->token)
		text = span_from(text, TOKEN_MARK.len);
	if (side->token && text.len == 0)
		return "the token behind oauth2: is missing";
	if (text.len > 0 && strchr("@!$", text.data[0]))
		return set_source(line, text.data[0], span_from(text, 1), side);
	text = users_unescape(line, text, &problem);
	return problem ? problem : set_secret(line, text, side);
}

static const char *set_escaped_user(
	struct users_line *line, struct span text, struct user_side *side)
{
	const char *problem = NULL;

	if (blank_at_end(text))
		return "a blank at the start or the end of a field (one that is meant is written "
		       "with a backslash)";
	text = users_unescape(line, text, &problem);
	return problem ? problem : set_user(line, text, side);
}

static const char *wrong_count(size_t count)
{
	if (count == 3)
		return "3 fields: a line has 1, 2 or 4, or options as the last "
		       "(a ':' inside a field is written \\:)";
	return "more fields than 4: a ':' inside a field is written \\: and the field behind the "
	       "fourth holds options such as root=MAILBOX";
}

static const char *read_escaped(struct users_line *line, struct span text, struct user *out)
{
	const char *problem;
	struct fields fields;
	size_t sides;

	split_colons(text, true, &fields);
	if (fields.count == 3 || fields.count > FIELDS)
		return wrong_count(fields.count);
	if (fields.count == FIELDS && !line->two_sided)
		return "4 fields, but the command has one location: it takes user:secret";
	sides = line->two_sided ? 2 : 1;
	for (size_t i = 0; i < sides; i++) {
		const size_t from = fields.count == FIELDS ? 2 * i : 0;

		problem = set_escaped_user(line, fields.field[from], &out->side[i]);
		if (!problem && fields.count > 1)
			problem = set_escaped(line, fields.field[from + 1], &out->side[i]);
		if (problem)
			return problem;
	}
	return users_options(line, fields.options, out);
}

static const char *read_migrate(struct users_line *line, struct span text, struct user *out)
{
	const char *problem = NULL;
	struct fields fields;

	split_colons(text, false, &fields);
	if (fields.count < FIELDS)
		return "fewer fields than 4: srcuser:srcsecret:dstuser:dstsecret";
	if (fields.count > FIELDS)
		return "more fields than 4: a ':' inside a field is written \\:";
	for (size_t i = 0; i < 2 && !problem; i++) {
		problem = set_user(line, unescape_colons(line, fields.field[2 * i]), &out->side[i]);
		if (!problem)
			problem = set_plain(line, unescape_colons(line, fields.field[2 * i + 1]),
				&out->side[i]);
	}
	return problem;
}

/* The same user and secret for each side that the command has. */
static const char *set_pair(struct users_line *line, struct span user, struct span secret,
	bool escapes, struct user *out)
{
	const char *problem = NULL;

	for (size_t i = 0; i < (line->two_sided ? 2 : 1) && !problem; i++) {
		problem =
			set_user(line, escapes ? unescape_colons(line, user) : user, &out->side[i]);
		if (!problem)
			problem = set_secret(line, escapes ? unescape_colons(line, secret) : secret,
				&out->side[i]);
	}
	return problem;
}

static const char *read_single(struct users_line *line, struct span text, struct user *out)
{
	size_t end = field_end(text, false);
	const size_t bar = span_find(text, '|');

	end = bar < end ? bar : end;
	return set_pair(line, span_sub(text, 0, end), span_from(text, end + 1), true, out);
}

static size_t find_blank(struct span text)
{
	size_t at = 0;

	while (at < text.len && text.data[at] != ' ' && text.data[at] != '\t')
		at++;
	return at;
}

static const char *read_blank(struct users_line *line, struct span text, struct user *out)
{
	const size_t blank = find_blank(text), colon = span_find(text, ':');

	if (blank < text.len && colon < blank)
		return "both a colon and a blank: which of them ends the user name?";
	if (blank == text.len)
		return set_pair(line, span_sub(text, 0, colon),
			span_from(text, colon == SIZE_MAX ? text.len : colon + 1), false, out);
	return set_pair(
		line, span_sub(text, 0, blank), span_trim(span_from(text, blank)), false, out);
}

static const char *read_pop3(struct users_line *line, struct span text, struct user *out)
{
	struct span field[FIELDS];
	const char *problem = NULL;

	for (size_t i = 0; i < FIELDS; i++) {
		field[i] = span_sub(text, 0, find_blank(text));
		if (field[i].len == 0)
			return "fewer fields than 4: popuser popsecret imapuser imapsecret";
		text = span_trim(span_from(text, field[i].len));
	}
	if (text.len > 0)
		return "more fields than 4: a field of this layout holds no blank";
	for (size_t i = 0; i < 2 && !problem; i++) {
		problem = set_user(line, field[2 * i], &out->side[i]);
		if (!problem)
			problem = set_secret(line, field[2 * i + 1], &out->side[i]);
	}
	return problem;
}

static const char *read_maildir(struct users_line *line, struct span text, struct user *out)
{
	const size_t first = span_find(text, ',');
	const struct span rest = span_from(text, first == SIZE_MAX ? text.len : first + 1);
	const size_t second = span_find(rest, ',');
	const char *problem;

	if (first == SIZE_MAX || second == SIZE_MAX)
		return "fewer fields than 3: path,imapuser,secret";
	if (first == 0)
		return "the path is missing";
	out->side[0].location = arena_print(line->arena, "maildir:%.*s", (int)first, text.data);
	if (strchr(out->side[0].location, '?') || strstr(out->side[0].location, "%u"))
		return "a path with '?' or %u: name it in the escaped layout, by source=";
	line->guarded = true;
	problem = set_user(line, span_trim(span_sub(rest, 0, second)), &out->side[1]);
	return problem ? problem : set_secret(line, span_from(rest, second + 1), &out->side[1]);
}

static const char *read_layout(struct users_line *line, struct span text, struct user *out)
{
	switch (line->format) {
	case USERS_ESCAPED:
		return read_escaped(line, text, out);
	case USERS_MIGRATE:
		return read_migrate(line, text, out);
	case USERS_SINGLE:
		return read_single(line, text, out);
	case USERS_BLANK:
		return read_blank(line, text, out);
	case USERS_POP3:
		return read_pop3(line, text, out);
	case USERS_MAILDIR:
		return read_maildir(line, text, out);
	}
	return "no such layout";
}

const char *users_line(struct users_line *line, struct span text, struct user *out)
{
	const char *problem, *src, *dst;

	if (!line->two_sided && line->format != USERS_ESCAPED && line->format != USERS_SINGLE &&
		line->format != USERS_BLANK)
		return "this layout is for commands with a source and a destination";
	problem = read_layout(line, text, out);
	if (problem)
		return problem;
	src = out->side[0].user;
	dst = out->side[1].user;
	if (src && dst && strcmp(src, dst) != 0)
		src = arena_print(line->arena, "%s -> %s", src, dst);
	out->name = text_harmless_copy(line->arena, span_of(src ? src : dst));
	return NULL;
}
