/* The field of options behind a user: KEY=VALUE between blanks. */
#include "store/users_parts.h"

#include "base/arena.h"
#include "base/err.h"
#include "store/account_parts.h"

#include <string.h>

static size_t key_length(struct span text)
{
	size_t len = 0;

	while (len < text.len &&
		((text.data[len] >= 'a' && text.data[len] <= 'z') ||
			(text.data[len] >= '0' && text.data[len] <= '9') || text.data[len] == '-'))
		len++;
	return len < text.len && text.data[len] == '=' ? len : 0;
}

bool users_options_start(struct span text)
{
	return key_length(text) > 0;
}

/* Up to a blank that is not escaped. */
static struct span next_word(struct span *rest)
{
	size_t at = 0;

	while (at < rest->len && rest->data[at] != ' ' && rest->data[at] != '\t') {
		if (rest->data[at] == '\\' && at + 1 < rest->len)
			at++;
		at++;
	}

	const struct span word = span_sub(*rest, 0, at);
	*rest = span_from(*rest, at);
	while (rest->len > 0 && (rest->data[0] == ' ' || rest->data[0] == '\t'))
		*rest = span_from(*rest, 1);
	return word;
}

static const char *set_once(const char **slot, const char *value)
{
	if (*slot)
		return "a key given twice";
	*slot = value;
	return NULL;
}

static const char *set_location(struct users_line *line, const char **slot, const char *value)
{
	size_t at, len;

	line->guarded = true;
	if (strlen(value) > LOCATION_MAX)
		return "a location longer than 8192 octets";
	if (location_find_password(span_of(value), &at, &len))
		return "a password in a location: it belongs into the field of the secret";
	return set_once(slot, value);
}

/* "src-KEY", "dst-KEY", or "KEY" where there is one location. */
static const char *set_key(
	struct users_line *line, struct span name, const char *value, struct user *out)
{
	struct user_side *side = &out->side[0];
	struct err err = ERR_INIT;
	enum account_key key;

	if (line->two_sided) {
		if (span_starts(name, SPAN("dst-")))
			side = &out->side[1];
		else if (!span_starts(name, SPAN("src-")))
			return "an unknown option: map, root, source, destination, src-KEY and "
			       "dst-KEY are known";
		name = span_from(name, strlen("src-"));
	}
	if (!account_key_find(name, &key))
		return line->two_sided ? "an unknown option: behind src- and dst- stands an "
					 "account key, such as host or auth"
				       : "an unknown option: location and account keys are known";
	if (key == ACCOUNT_USER)
		return "the user has a field of its own";
	if (account_value_check(key, value, &err) < 0)
		return arena_strdup(line->arena, err.text);
	line->guarded |= account_keys[key].type == KEY_COMMAND;
	return set_once(&side->values.value[key], value);
}

static const char *set_option(struct users_line *line, struct span word, struct user *out)
{
	const size_t len = key_length(word);
	const struct span name = span_sub(word, 0, len);
	const char *problem = NULL, *value;
	struct span text;

	if (len == 0)
		return "an option that is not KEY=VALUE (a blank inside a value is written with a "
		       "backslash)";
	text = users_unescape(line, span_from(word, len + 1), &problem);
	if (problem)
		return problem;
	if (text.len == 0)
		return "an option without a value";
	value = arena_text(line->arena, text);
	if (!line->two_sided && span_equal_text(name, "location"))
		return set_location(line, &out->side[0].location, value);
	if (line->two_sided && span_equal_text(name, "source"))
		return set_location(line, &out->side[0].location, value);
	if (line->two_sided && span_equal_text(name, "destination"))
		return set_location(line, &out->side[1].location, value);
	if (line->two_sided && span_equal_text(name, "map"))
		return set_once(&out->map_file, value);
	if (line->two_sided && span_equal_text(name, "root"))
		return set_once(&out->root, value);
	return set_key(line, name, value, out);
}

const char *users_options(struct users_line *line, struct span text, struct user *out)
{
	while (text.len > 0) {
		const char *problem = set_option(line, next_word(&text), out);

		if (problem)
			return problem;
	}
	for (size_t i = 0; i < countof(out->side); i++) {
		const struct user_side *side = &out->side[i];
		struct err err = ERR_INIT;

		if (account_values_check(&side->values, side->secret != NULL, NULL, NULL, &err) < 0)
			return arena_strdup(line->arena, err.text);
	}
	return NULL;
}
