/* --help, help and --version, from the tables. */
#include "cli/cmd.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/span.h"
#include "cli/printer.h"

#define WIDTH 100
#define OPTION_COLUMN 30

void help_version(void)
{
	print("mailhaul %s\n", MAILHAUL_VERSION);
}

static void print_commands(void)
{
	for (size_t i = 0; commands[i]; i++)
		if (!commands[i]->hidden)
			print("  %-12s %s\n", commands[i]->name, commands[i]->summary);
}

/* "      --src-tls, --dst-tls=HOW" */
static const char *heading(const struct option_shown *option, struct arena *arena)
{
	const char *value = option->value ? option->value : "";
	const char *equals = !option->value ? "" : option->optional ? "[=" : "=";
	const char *close = option->optional ? "]" : "";

	if (option->sided)
		return arena_print(arena, "  --src-%s, --dst-%s=%s", account_keys[option->key].name,
			account_keys[option->key].name, value);
	if (option->letter)
		return arena_print(arena, "  -%c, --%s%s%s%s", option->letter, option->name, equals,
			value, close);
	return arena_print(arena, "      --%s%s%s%s", option->name, equals, value, close);
}

static const char *explanation(const struct option_shown *option, struct arena *arena)
{
	char *choices;

	if (!option->choices || strchr(option->choices, ':'))
		return option->help;
	choices = arena_strdup(arena, option->choices);
	for (char *bar = choices; (bar = strchr(bar, '|'));)
		*bar = '/';
	return arena_print(arena, "%s [%s]", option->help, choices);
}

static void print_option(const struct option_shown *option, struct arena *arena)
{
	const char *head = heading(option, arena);
	size_t used = strlen(head);

	print("%s", head);
	if (used + 2 > OPTION_COLUMN) {
		print("\n");
		used = 0;
	}
	print("%*s", (int)(OPTION_COLUMN - used), "");
	print_wrapped(explanation(option, arena), OPTION_COLUMN, OPTION_COLUMN, WIDTH);
}

static void print_options(const struct command *command, struct arena *arena)
{
	struct option_walk walk;
	struct option_shown option;
	const char *group = NULL;

	for (option_walk_begin(&walk, command, true); option_walk_next(&walk, &option);) {
		if (option.sided && option.side == 1)
			continue; /* stands on the line of side 0 */
		if (!group || strcmp(group, option.group) != 0)
			print("\n%s:\n", option.group);
		group = option.group;
		print_option(&option, arena);
	}
}

static void help_program(struct arena *arena)
{
	print("usage: mailhaul [global options] COMMAND [options] LOCATION...\n\n");
	print_wrapped("Moves mail between servers and files and checks where it is, without losing "
		      "or doubling any.",
		0, 0, WIDTH);
	print("\nCommands:\n");
	print_commands();
	print("\nA LOCATION says where mail is:\n"
	      "  imaps://USER@HOST[:PORT][/MAILBOX]   IMAP with TLS\n"
	      "  imap://USER@HOST[:PORT][/MAILBOX]    IMAP with STARTTLS\n"
	      "  pop3s://USER@HOST[:PORT]             POP3 with TLS, to be read (pop3:// with STLS)\n"
	      "  maildir:PATH                         a Maildir\n"
	      "  mbox:PATH                            an mbox file, or a directory of them\n"
	      "  eml:PATH                             a file a message, a directory a mailbox\n"
	      "  thunderbird:PATH                     mail of Thunderbird\n"
	      "  NAME[/MAILBOX]                       an account of the configuration file\n"
	      "Account keys follow as ?KEY=VALUE&KEY=VALUE. @FILE stands for the arguments in "
	      "FILE, one a line.\n");
	print_options(NULL, arena);
	print("\nmailhaul COMMAND --help explains a command, man mailhaul everything.\n");
}

static void help_command(const struct command *command, struct arena *arena)
{
	print("usage: mailhaul %s%s%s%s\n", command->name,
		command_has_options(command) ? " [options]" : "", command->arguments ? " " : "",
		command->arguments ? command->arguments : "");
	if (command->details) {
		print("\n");
		print_wrapped(command->details, 0, 0, WIDTH);
	}
	print_options(command, arena);
}

void help_print(const struct command *command, struct arena *arena)
{
	if (command)
		help_command(command, arena);
	else
		help_program(arena);
}

static int help_run(struct cli *cli, struct err *err)
{
	const struct command *command = NULL;

	if (cli->locations > 0) {
		command = command_find(cli->location[0]);
		if (!command)
			return command_refuse(cli->location[0], err);
	}
	help_print(command, cli->arena);
	return EXIT_DONE;
}

const struct command command_help = {
	.name = "help",
	.summary = "explain a command, or the program",
	.arguments = "[COMMAND]",
	.words = "*",
	.most = 1,
	.run = help_run,
};
