/* The script for zsh: specifications for its _arguments. */
#include "cli/completion.h"

#include "base/arena.h"
#include "cli/printer.h"

/* ":FILE:_files", ":HOW:(auto always)", ":GLOB: " */
static const char *action(const struct option_shown *option, struct arena *arena)
{
	switch (completion_value(option)) {
	case COMPLETION_NOTHING:
		return "";
	case COMPLETION_FILE:
		return arena_print(arena, ":%s:_files", option->value);
	case COMPLETION_CHOICE:
		return arena_print(arena, ":value:(%s)", completion_choices(option, arena));
	case COMPLETION_TEXT:
		return ":value: ";
	}
	return "";
}

static void print_option(const struct option_shown *option, struct arena *arena)
{
	const char *help = completion_quoted(option->help, "[]:\\", arena);
	const char *what = action(option, arena);
	const char *mark = !option->value ? "" : option->optional ? "=-" : "=";

	/* The quotes around help are taken off again: it stands within others. */
	help = arena_text(arena, span_make(help + 1, strlen(help) - 2));
	print("\t\t'*--%s%s[%s]%s%s'\n", option->name, mark, help, option->optional ? ":" : "",
		what);
	if (option->letter)
		print("\t\t'*-%c%s[%s]%s'\n", option->letter, option->value ? "+" : "", help, what);
}

static void print_options(const struct command *command, struct arena *arena)
{
	struct option_walk walk;
	struct option_shown option;

	for (option_walk_begin(&walk, command, false); option_walk_next(&walk, &option);)
		print_option(&option, arena);
}

static void print_command(const struct command *command, struct arena *arena)
{
	const char *words = completion_words(command, arena);

	print("\t%s)\n\t\tspecs=(\n", command->name);
	print_options(command, arena);
	if (*words)
		print("\t\t'1:argument:(%s)'\n", words);
	else
		print("\t\t'*:location: '\n");
	print("\t\t)\n\t\t;;\n");
}

void completion_zsh(struct arena *arena)
{
	print("#compdef mailhaul\n\n"
	      "_mailhaul() {\n"
	      "\tlocal curcontext=$curcontext state line\n"
	      "\tlocal -a commands specs\n"
	      "\ttypeset -A opt_args\n"
	      "\tcommands=(\n");
	for (const struct command *command = NULL; (command = completion_next(command));)
		print("\t\t%s\n", completion_quoted(arena_print(arena, "%s:%s", command->name,
							    command->summary),
					  "", arena));
	print("\t)\n\tspecs=(\n");
	print_options(NULL, arena);
	print("\t\t'1:command:->command'\n"
	      "\t\t'*::argument:->argument'\n"
	      "\t)\n"
	      "\t_arguments -C -s $specs && return\n"
	      "\tif [[ $state == command ]]; then\n"
	      "\t\t_describe -t commands command commands\n"
	      "\t\treturn\n"
	      "\tfi\n"
	      "\tcase $line[1] in\n");
	for (const struct command *command = NULL; (command = completion_next(command));)
		print_command(command, arena);
	print("\t*)\n\t\treturn 1\n\t\t;;\n\tesac\n"
	      "\t_arguments -s $specs\n"
	      "}\n\n"
	      "_mailhaul \"$@\"\n");
}
