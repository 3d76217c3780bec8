/*
 * What the completion scripts of all shells have in common. For completion*.c and cmd_completion.c.
 *
 * Owner: none. Lifetime: texts are in the arena. Threads: any.
 */
#ifndef CLI_COMPLETION_H
#define CLI_COMPLETION_H

#include "cli/cmd.h"

struct arena;

enum completion_value { COMPLETION_NOTHING, COMPLETION_TEXT, COMPLETION_FILE, COMPLETION_CHOICE };

enum completion_value completion_value(const struct option_shown *option);
/* "auto always never": what may stand behind the option, between blanks. */
const char *completion_choices(const struct option_shown *option, struct arena *arena);
/* What the first argument may be, between blanks; "" = a location. */
const char *completion_words(const struct command *command, struct arena *arena);
/* In single quotes, as bash, zsh and sh read them; with escape, a backslash goes before each of its characters. */
const char *completion_quoted(const char *text, const char *escape, struct arena *arena);
/* The next command that is listed, beginning with NULL; NULL at the end. */
const struct command *completion_next(const struct command *command);

void completion_bash(struct arena *arena);
void completion_zsh(struct arena *arena);
void completion_fish(struct arena *arena);

#endif
