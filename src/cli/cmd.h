/*
 * A command is one file that exports one const struct command. Parsing, --help, completion and the manual all come from
 * it and from the option tables.
 *
 * Owner: none. Lifetime: the program. Threads: any, immutable.
 *
 *	const struct command command_list = { .name = "list", .run = list_run, … };
 */
#ifndef CLI_CMD_H
#define CLI_CMD_H

#include "cli/cli.h"
#include "cli/option.h"

enum command_many { /* --users */
	MANY_NEVER, /* refused */
	MANY_IN_TURN, /* one user after another, each under a heading */
	MANY_APART, /* side by side, and each one's output comes whole, under a heading, when he is done */
	MANY_TOGETHER, /* side by side, with a report over all of them (many.h) */
	MANY_GATHERED, /* side by side, and gathered() prints one result over all of them */
};

struct command {
	const char *name;
	const char *summary; /* one line, as in "mailhaul --help" */
	const char *
		details; /* what --help of the command says below the usage line; NULL = nothing more */
	const char *arguments; /* "SRC DST" */
	const char *
		words; /* what the first argument may be, for completion: "bash|zsh|fish"; NULL = a location */
	unsigned groups; /* enum option_group_bit */
	const struct option *own; /* options of this command alone */
	size_t own_count;
	size_t least, most; /* arguments */
	/* The first argument is one of `words`, and goes to cli.action; the rest are counted as the locations. */
	bool acts;
	size_t accounts; /* how many of the locations are any; 0 = all, the others are other words */
	bool hidden; /* listed nowhere */
	bool manifests; /* locations may be manifest:FILE */
	bool read_only; /* also of what stands where another command has its destination */
	enum command_many many;
	/* What it means unless options say otherwise; before any of them is read. May be NULL. */
	void (*begin)(struct cli *cli);
	/* MANY_GATHERED: what the turns add to (struct shared.gathered), and its end: prints, frees, returns the code. code: the gravest of the turns. */
	void *(*gather)(void);
	int (*gathered)(struct cli *cli, void *gathered, int code);
	/* The exit code, or -1 with err. */
	int (*run)(struct cli *cli, struct err *err);
};

extern const struct command command_check, command_compare, command_completion, command_copy,
	command_dedup, command_filter, command_help, command_list, command_mailbox, command_manual,
	command_mirror, command_purge, command_run, command_search, command_size, command_trash;

/* All commands in the order of --help; ends with NULL. */
extern const struct command *const commands[];

const struct command *command_find(const char *name); /* or NULL */
bool command_has_options(const struct command *command); /* besides the global ones */
/* -1 with a usage error: not there yet, or did you mean. */
int command_refuse(const char *name, struct err *err);

/* What cmd_help.c prints: of the command, or with NULL of the program. */
void help_print(const struct command *command, struct arena *arena);
void help_version(void);

#endif
