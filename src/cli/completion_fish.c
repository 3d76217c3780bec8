/* The script for fish: one line an option. */
#include "cli/completion.h"

#include "base/arena.h"
#include "cli/printer.h"

static void print_option(
	const char *condition, const struct option_shown *option, struct arena *arena)
{
	print("complete -c mailhaul%s -l %s", condition, option->name);
	if (option->letter)
		print(" -s %c", option->letter);
	switch (completion_value(option)) {
	case COMPLETION_NOTHING:
		break;
	case COMPLETION_FILE:
		print(" -r -F");
		break;
	case COMPLETION_CHOICE:
		print(" -x -a '%s'", completion_choices(option, arena));
		break;
	case COMPLETION_TEXT:
		print("%s", option->optional ? "" : " -x");
		break;
	}
	/* fish knows no way to close single quotes and open them again within one word but a backslash. */
	print(" -d '");
	for (const char *at = option->help; *at; at++)
		print("%s%c", *at == '\'' || *at == '\\' ? "\\" : "", *at);
	print("'\n");
}

static void print_command(const struct command *command, struct arena *arena)
{
	const char *condition =
		arena_print(arena, " -n '__fish_seen_subcommand_from %s'", command->name);
	const char *words = completion_words(command, arena);
	struct option_walk walk;
	struct option_shown option, global;

	if (*words)
		print("complete -c mailhaul%s -a '%s'\n", condition, words);
	for (option_walk_begin(&walk, command, false); option_walk_next(&walk, &option);)
		if (!option_find(NULL, option.name, strlen(option.name), &global))
			print_option(condition, &option, arena);
}

void completion_fish(struct arena *arena)
{
	struct option_walk walk;
	struct option_shown option;

	print("# fish completion for mailhaul\ncomplete -c mailhaul -f\n");
	for (option_walk_begin(&walk, NULL, false); option_walk_next(&walk, &option);)
		print_option("", &option, arena);
	for (const struct command *command = NULL; (command = completion_next(command));)
		print("complete -c mailhaul -n __fish_use_subcommand -a %s -d '%s'\n",
			command->name, command->summary);
	for (const struct command *command = NULL; (command = completion_next(command));)
		print_command(command, arena);
}
