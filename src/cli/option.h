/*
 * Options as tables: each row says how an option is written, what it takes and where its value goes. Account keys (store/account.h)
 * are rows that are made on the fly: --src-KEY and --dst-KEY, or --KEY.
 *
 * Owner: none. Lifetime: the program. Threads: any, immutable.
 *
 *	for (option_walk_begin(&walk, command); option_walk_next(&walk, &shown);)
 *		print("--%s %s\n", shown.name, shown.help);
 */
#ifndef CLI_OPTION_H
#define CLI_OPTION_H

#include "base/must.h"
#include "store/account.h"

#include <stddef.h>

struct cli;
struct command;
struct err;

enum option_kind {
	OPTION_SWITCH, /* bool; takes no value, or =yes, =no */
	OPTION_REPEATED, /* unsigned: how often it was given */
	OPTION_TEXT, /* const char *: not empty */
	OPTION_LIST, /* struct text_list: each time one more */
	OPTION_WORDS, /* const char *: joined by blanks when given more than once */
	OPTION_SIZE, /* uint64_t octets */
	OPTION_COUNT, /* uint64_t, 1 and more */
	OPTION_NUMBER, /* unsigned, up to 65,535 */
	OPTION_REAL, /* double, more than 0 */
	OPTION_DURATION, /* int64_t ms, more than 0 */
	OPTION_CHOICE, /* int: which of the choices */
	OPTION_OTHER, /* take() does it all */
};

struct option {
	const char *name; /* "mailbox" */
	const char *value; /* how help names what it takes: "GLOB"; NULL = nothing */
	const char *choices; /* "auto|always|never", or NULL */
	const char *help;
	size_t target; /* offset into struct cli */
	/* Further checks or another way to store; value is not NULL unless optional is set. */
	int (*take)(struct cli *cli, const char *value, struct err *err);
	enum option_kind kind;
	char letter; /* 'm', 0 = none */
	bool optional; /* the value may be left out, and is then only taken from --name=VALUE */
};

enum option_group_bit {
	GROUP_GLOBAL = 1,
	GROUP_RUN = 2,
	GROUP_MAILBOXES = 4,
	GROUP_MESSAGES = 8,
	GROUP_NAMES = 16,
	GROUP_IDENTITY = 32,
	GROUP_FLAGS = 64,
	GROUP_DELETING = 128,
	GROUP_CONTENT = 256,
	GROUP_ACCOUNT = 512, /* --KEY */
	GROUP_ACCOUNTS = 1024, /* --src-KEY, --dst-KEY */
	GROUP_FILES = 2048, /* with GROUP_ACCOUNTS: some of --dst-KEY without their side */
	GROUP_RESULTS = 4096, /* --db */
	GROUP_GUARDS = 8192, /* of commands that delete by themselves */
};
/* These are taken before and behind every command, whether they mean something to it or not. */
#define GROUPS_EVERYWHERE (GROUP_GLOBAL | GROUP_RUN)

struct option_group {
	unsigned bit;
	const char *title; /* "Which mailboxes" */
	const struct option *option;
	size_t count;
};

extern const struct option_group option_groups[]; /* in the order of help; ends with bit 0 */
#define GROUP_TITLE_OWN "Options of this command"
#define GROUP_TITLE_ACCOUNT "Account keys"

struct option_shown { /* one option, from whichever table */
	char name[48];
	char letter;
	bool optional;
	const char *value, *choices, *help, *group;
	const struct option *option; /* NULL: an account key */
	enum account_key key;
	unsigned side; /* 0 = --src-KEY or --KEY, 1 = --dst-KEY */
	bool sided;
};

struct option_walk {
	const struct command *command;
	unsigned groups;
	size_t group, row;
	int stage;
};

/* All options that the command takes, or with NULL those that may stand before one; help: only those that mean something to it. */
void option_walk_begin(struct option_walk *walk, const struct command *command, bool help);
bool option_walk_next(struct option_walk *walk, struct option_shown *out);
bool option_find(
	const struct command *command, const char *name, size_t len, struct option_shown *out);
bool option_find_letter(const struct command *command, char letter, struct option_shown *out);
/* Names that the contract knows and this version does not have: which command brings it, or NULL. */
const char *option_later(const char *name, size_t len);

/* Checks a value and puts it where it belongs; value NULL: none was given. Errors: usage, saying what would be right. */
int option_store(struct cli *cli, const struct option_shown *option, const char *value,
	struct err *err) MUST_CHECK;
/* Options that contradict each other or need another one, after all of them were read. */
int option_check_all(const struct cli *cli, struct err *err) MUST_CHECK;

#endif
