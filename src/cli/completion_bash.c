/* The script for bash. Readline cuts --name=value at the equals sign, so the pieces are looked at together. */
#include "cli/completion.h"

#include "base/arena.h"
#include "cli/printer.h"

static const char start[] =
	"# bash completion for mailhaul\n"
	"_mailhaul()\n"
	"{\n"
	"\tlocal current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}\n"
	"\tlocal name= command= options= words= values= files= i\n"
	"\tCOMPREPLY=()\n"
	"\tif [[ $current == '=' ]]; then\n"
	"\t\tname=$before current=\n"
	"\telif [[ $before == '=' ]]; then\n"
	"\t\tname=${COMP_WORDS[COMP_CWORD - 2]}\n"
	"\telif [[ $before == --* ]]; then\n"
	"\t\tname=$before\n"
	"\tfi\n";

static const char end[] = "\tif [[ $values ]]; then\n"
			  "\t\tmapfile -t COMPREPLY < <(compgen -W \"$values\" -- \"$current\")\n"
			  "\telif [[ $files ]]; then\n"
			  "\t\tcompopt -o filenames\n"
			  "\t\tmapfile -t COMPREPLY < <(compgen -f -- \"$current\")\n"
			  "\telif [[ $name && \" $options \" == *\" $name= \"* ]]; then\n"
			  "\t\treturn\n"
			  "\telif [[ $current == @* ]]; then\n"
			  "\t\tmapfile -t COMPREPLY < <(compgen -P @ -f -- \"${current#@}\")\n"
			  "\telif [[ $current == -* ]]; then\n"
			  "\t\tmapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$current\")\n"
			  "\t\tif [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *= ]]; then\n"
			  "\t\t\tcompopt -o nospace\n"
			  "\t\tfi\n"
			  "\telse\n"
			  "\t\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\")\n"
			  "\tfi\n"
			  "}\n"
			  "complete -F _mailhaul mailhaul\n";

static void print_names(const char *separator)
{
	const char *before = "";

	for (const struct command *command = NULL; (command = completion_next(command));) {
		print("%s%s", before, command->name);
		before = separator;
	}
}

static void print_options(const struct command *command, struct arena *arena)
{
	struct option_walk walk;
	struct option_shown option;

	print("\t\toptions='");
	for (option_walk_begin(&walk, command, false); option_walk_next(&walk, &option);) {
		if (option.letter)
			print("-%c ", option.letter);
		print("--%s%s ", option.name, option.value && !option.optional ? "=" : "");
	}
	print("'\n\t\twords='");
	if (command)
		print("%s", completion_words(command, arena));
	else
		print_names(" ");
	print("'\n\t\t;;\n");
}

/* An option means the same everywhere, so one list serves all commands. */
static bool was_shown(const struct command *until, const char *name)
{
	struct option_shown option;

	for (const struct command *command = NULL;
		(command = completion_next(command)) && command != until;)
		if (option_find(command, name, strlen(name), &option))
			return true;
	return false;
}

static void print_values(struct arena *arena)
{
	struct option_walk walk;
	struct option_shown option;

	for (const struct command *command = NULL; (command = completion_next(command));) {
		for (option_walk_begin(&walk, command, false); option_walk_next(&walk, &option);) {
			const enum completion_value value = completion_value(&option);

			if (was_shown(command, option.name))
				continue;
			if (value == COMPLETION_CHOICE)
				print("\t--%s) values='%s' ;;\n", option.name,
					completion_choices(&option, arena));
			else if (value == COMPLETION_FILE)
				print("\t--%s) files=yes ;;\n", option.name);
		}
	}
}

void completion_bash(struct arena *arena)
{
	print("%s", start);
	print("\tfor ((i = 1; i < COMP_CWORD; i++)); do\n\t\tcase ${COMP_WORDS[i]} in\n\t\t");
	print_names(" | ");
	print(")\n\t\t\tcommand=${COMP_WORDS[i]}\n\t\t\tbreak\n\t\t\t;;\n\t\tesac\n\tdone\n");
	print("\tcase $command in\n\t'')\n");
	print_options(NULL, arena);
	for (const struct command *command = NULL; (command = completion_next(command));) {
		print("\t%s)\n", command->name);
		print_options(command, arena);
	}
	print("\tesac\n\tcase $name in\n");
	print_values(arena);
	print("\tesac\n%s", end);
}
