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

#define DATE \
	"2026-11-27" /* of the last change of meaning, not of the build: builds are to be repeatable */
#define SOURCE_MAX (4u << 20)
#define LINE_COLUMNS 70 /* before escapes */

static void print_octet(char octet)
{
	if (octet == '\\')
		print("\\e");
	else if (octet == '-')
		print("\\-");
	else
		print("%c", octet);
}

/*
 * roff reads backslashes everywhere, dots and quotes in front; a hyphen of an option is to be a minus sign. Lines are broken where
 * mandoc wants them.
 */
static void print_text(const char *text)
{
	size_t column = 0;

	for (; *text; text++, column++) {
		if (*text == ' ' && column + 1 + strcspn(text + 1, " ") > LINE_COLUMNS) {
			print("\n");
			column = SIZE_MAX; /* 0 for the next */
			continue;
		}
		if (column == 0 && (*text == '.' || *text == '\''))
			print("\\&");
		print_octet(*text);
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
		if (command_has_options(command))
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

static void print_explanation(const struct option_shown *option, struct arena *arena)
{
	const char *choices = option->choices;

	print_text(arena_print(arena, choices ? "%s (%s)." : "%s.", option->help, choices));
	print("\n");
}

static void print_row(const struct option *row, const struct command *command, struct arena *arena)
{
	struct option_shown shown;

	if (option_find(command, row->name, strlen(row->name), &shown)) {
		print_heading(&shown);
		print_explanation(&shown, arena);
	}
}

static void print_own(const struct command *command, struct arena *arena)
{
	if (command->hidden || command->own_count == 0)
		return;
	print(".SS Options of %s\n", command->name);
	for (size_t i = 0; i < command->own_count; i++)
		print_row(&command->own[i], command, arena);
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
	for (const struct option_group *group = option_groups; group->bit; group++) {
		print(".SS %s\n", group->title);
		for (size_t i = 0; i < group->count; i++)
			print_row(&group->option[i], having(group->bit), arena);
	}
	for (size_t i = 0; commands[i]; i++)
		print_own(commands[i], arena);
}

/* Most keys are of all servers, and some of everything. */
static void print_kinds(unsigned kinds)
{
	char text[ACCOUNT_KINDS_TEXT];

	if ((kinds & ACCOUNT_KIND_SERVERS) == ACCOUNT_KIND_SERVERS)
		return;
	account_kinds_text(kinds, text);
	print("For ");
	print_text(text);
	print(".\n");
}

static void print_keys(struct arena *arena)
{
	for (size_t i = 0; i < ACCOUNT_KEYS; i++) {
		struct option_shown key = {
			.value = account_keys[i].value,
			.choices = account_keys[i].choices,
			.help = account_keys[i].help,
		};

		if (i == ACCOUNT_OAUTH)
			continue;
		print(".TP\n\\fB");
		print_text(account_keys[i].name);
		print("\\fR=\\fI");
		print_text(key.value);
		print("\\fR\n");
		print_explanation(&key, arena);
		print_kinds(account_keys[i].kinds);
	}
}

static void print_version(struct arena *arena)
{
	(void)arena;
	print(".TH MAILHAUL 1 \"%s\" \"mailhaul %s\" \"User Commands\"\n", DATE, MAILHAUL_VERSION);
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
