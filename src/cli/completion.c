/* Options and commands in the form that shells want. */
#include "cli/completion.h"

#include "base/arena.h"

enum completion_value completion_value(const struct option_shown *option)
{
	if (!option->value)
		return COMPLETION_NOTHING;
	if (option->choices || strcmp(option->value, "yes|no") == 0)
		return COMPLETION_CHOICE;
	if (strcmp(option->value, "FILE") == 0 || strcmp(option->value, "DIR") == 0)
		return COMPLETION_FILE;
	return COMPLETION_TEXT;
}

/* "a|b:NAMES|c" → "a b: c": what follows a colon is left to the user. */
const char *completion_choices(const struct option_shown *option, struct arena *arena)
{
	const char *from = option->choices ? option->choices : "yes|no";
	char *text = arena_alloc(arena, strlen(from) + 1);
	size_t to = 0;

	while (*from) {
		text[to++] = *from == '|' ? ' ' : *from;
		from += *from == ':' ? 1 + strcspn(from + 1, "|") : 1;
	}
	return text;
}

const char *completion_words(const struct command *command, struct arena *arena)
{
	const char *text = "";

	if (!command->words)
		return "";
	if (strcmp(command->words, "*") != 0) {
		char *list = arena_strdup(arena, command->words);

		for (char *bar = list; (bar = strchr(bar, '|'));)
			*bar = ' ';
		return list;
	}
	for (const struct command *one = NULL; (one = completion_next(one));)
		text = arena_print(arena, "%s%s%s", text, *text ? " " : "", one->name);
	return text;
}

const char *completion_quoted(const char *text, const char *escape, struct arena *arena)
{
	char *out = arena_alloc(arena, 4 * strlen(text) + 3);
	size_t to = 0;

	out[to++] = '\'';
	for (; *text; text++) {
		if (*text == '\'') {
			memcpy(out + to, "'\\'", 3);
			to += 3;
		} else if (strchr(escape, *text)) {
			out[to++] = '\\';
		}
		out[to++] = *text;
	}
	out[to++] = '\'';
	return out;
}

const struct command *completion_next(const struct command *command)
{
	size_t i = 0;

	while (command && commands[i] != command)
		i++;
	if (command)
		i++;
	while (commands[i] && commands[i]->hidden)
		i++;
	return commands[i];
}
