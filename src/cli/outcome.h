/*
 * How a command that cleans (purge, dedup) tells what it did: a line a mailbox, a line a user with --users, and a verdict at the end, as text or as JSON lines.
 *
 * Owner: the command; outcomes_gather() and outcomes_gathered() are struct command's. Lifetime: the run. Threads: outcome_account() from several at once.
 *
 *	outcome_account(cli, &(struct outcome){ .rows = rows, .count = count, .code = code, … });   // returns the code
 */
#ifndef CLI_OUTCOME_H
#define CLI_OUTCOME_H

#include "cli/cli.h"

struct outcome_row { /* a mailbox; of users and of all: sums */
	const char *mailbox;
	const char *done_here; /* where it is another thing than outcome.done, or NULL */
	uint64_t found; /* messages in it */
	uint64_t selected; /* of them: to be treated */
	uint64_t done; /* known to be */
	uint64_t vanished; /* were gone before */
	uint64_t spared; /* stay, for what was known of them changed meanwhile */
	uint64_t groups, octets; /* with outcome.has_groups: of those selected */
	const char *error; /* why not all was done, or NULL */
	int code; /* the exit code of the error */
};

struct outcome { /* of an account */
	const struct outcome_row *rows;
	size_t count;
	const char *done; /* "deleted", "moved"; also as "would be deleted" */
	/* nothing was to be done: selected is the result; so it is with --dry-run */
	bool only_shows;
	bool has_groups; /* the rows tell groups and octets */
	const char *error; /* what ended it, or NULL; told already */
	int code; /* what is known so far besides the rows' */
};

/* Prints, or with --users adds the user's line. Returns the gravest code. */
int outcome_account(const struct cli *cli, const struct outcome *outcome);

/*
 * For the end of run(): what ended it before there was an outcome. With --users it is the user's line and a code; else it is -1, as it came.
 */
int outcome_failure(const struct cli *cli, const char *done, struct err *err);

void *outcomes_gather(void);
int outcomes_gathered(struct cli *cli, void *gathered, int code);

#endif
