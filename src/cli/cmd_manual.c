/*
 * mailhaul manual <docs/manual.in >mailhaul.1: puts what the tables know into the text that people wrote. Lines that consist of one
 * of the marks below are replaced; all others are passed on.
 */
#include "cli/cmd.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/os.h"
#include "base/span.h"
#include "cli/printer.h"

#include <unistd.h>

#define SOURCE_MAX (4u << 20)

/* roff reads backslashes everywhere, dots and quotes in front; a hyphen of an option is to be a minus sign. */
static void print_text(const char *text)
{
	if (*text == '.' || *text == '\'')
		print("\\&");
	for (; *text; text++) {
		if (*text == '\\')
			print("\\e");
		else if (*text == '-')
			print("\\-");
		else
			print("%c", *text);
	}
}

static void print_commands(struct arena *arena)
{
	(void)arena;
	for (size_t i = 0; commands[i]; i++) {
		const struct command *command = commands[i];

		if (command->hidden)
			continue;
		print(".TP\n\\fBmailhaul %s\\fR", command->name);
		if (command->run)
			print(" [\\fIoptions\\fR]");
		if (command->arguments) {
			print(" \\fI");
			print_text(command->arguments);
			print("\\fR");
		}
		print("\n");
		if (command->details)
			print_text(command->details);
		else
			print("%c%s.", command->summary[0] - ('a' - 'A'), command->summary + 1);
		print("\n");
	}
}

static void print_heading(const struct option_shown *option)
{
	print(".TP\n");
	if (option->letter)
		print("\\fB\\-%c\\fR, ", option->letter);
	print("\\fB\\-\\-");
	print_text(option->name);
	print("\\fR");
	if (option->value) {
		print("%s=\\fI", option->optional ? "[" : "");
		print_text(option->value);
		print("\\fR%s", option->optional ? "]" : "");
	}
	print("\n");
}

static void print_explanation(const struct option_shown *option)
{
	print_text(option->help);
	if (option->choices) {
		print(" (");
		print_text(option->choices);
		print(")");
	}
	print(".\n");
}

static void print_row(const struct option *row, const struct command *command)
{
	struct option_shown shown;

	if (option_find(command, row->name, strlen(row->name), &shown)) {
		print_heading(&shown);
		print_explanation(&shown);
	}
}

static void print_own(const struct command *command)
{
	if (command->hidden || command->own_count == 0)
		return;
	print(".SS Options of %s\n", command->name);
	for (size_t i = 0; i < command->own_count; i++)
		print_row(&command->own[i], command);
}

/* The first command that has the group, to look its options up with. */
static const struct command *having(unsigned bit)
{
	for (size_t i = 0; commands[i]; i++)
		if (commands[i]->groups & bit)
			return commands[i];
	return NULL;
}

static void print_options(struct arena *arena)
{
	(void)arena;
	for (const struct option_group *group = option_groups; group->bit; group++) {
		print(".SS %s\n", group->title);
		for (size_t i = 0; i < group->count; i++)
			print_row(&group->option[i], having(group->bit));
	}
	for (size_t i = 0; commands[i]; i++)
		print_own(commands[i]);
}

static void print_keys(struct arena *arena)
{
	(void)arena;
	for (size_t i = 0; i < ACCOUNT_KEYS; i++) {
		struct option_shown key = {
			.value = account_keys[i].value,
			.choices = account_keys[i].choices,
			.help = account_keys[i].help,
		};

		if (!account_keys[i].imap)
			continue;
		print(".TP\n\\fB");
		print_text(account_keys[i].name);
		print("\\fR=\\fI");
		print_text(key.value);
		print("\\fR\n");
		print_explanation(&key);
	}
}

static void print_version(struct arena *arena)
{
	(void)arena;
	print(".TH MAILHAUL 1 \"\" \"mailhaul %s\" \"User Commands\"\n", MAILHAUL_VERSION);
}

static bool print_mark(struct span line, struct arena *arena)
{
	static const struct {
		const char *mark;
		void (*print)(struct arena *arena);
	} marks[] = {
		{ "@TITLE@", print_version },
		{ "@COMMANDS@", print_commands },
		{ "@OPTIONS@", print_options },
		{ "@KEYS@", print_keys },
	};

	for (size_t i = 0; i < countof(marks); i++) {
		if (span_equal_text(line, marks[i].mark)) {
			marks[i].print(arena);
			return true;
		}
	}
	return false;
}

static int read_source(struct buf *source, struct err *err)
{
	for (;;) {
		ssize_t got;

		if (buf_reserve(source, 65536) < 0)
			return err_set(err, ERR_LOCAL,
				"the manual's source is longer than %u octets", SOURCE_MAX);
		got = os_read(STDIN_FILENO, source->data + source->len, 65536);
		if (got < 0)
			return err_set_errno(err, ERR_LOCAL, "cannot read the manual's source");
		if (got == 0)
			return 0;
		source->len += (size_t)got;
	}
}

static int manual_run(struct cli *cli, struct err *err)
{
	struct buf source;
	struct span rest;
	int rc;

	buf_init(&source, SOURCE_MAX);
	rc = read_source(&source, err);
	for (rest = buf_span(&source); rc == 0 && rest.len > 0;) {
		size_t end = span_find(rest, '\n');
		struct span line = span_sub(rest, 0, end);

		if (!print_mark(line, cli->arena))
			print("%.*s\n", (int)line.len, line.data);
		rest = span_from(rest, end == SIZE_MAX ? rest.len : end + 1);
	}
	buf_release(&source);
	return rc < 0 ? -1 : EXIT_DONE;
}

const struct command command_manual = {
	.name = "manual",
	.summary = "write the manual page from its source",
	.hidden = true,
	.run = manual_run,
};
