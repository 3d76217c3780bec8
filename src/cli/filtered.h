/*
 * What `filter` decided and did, as it is shown: a line a message (in a dry run, with -v, and always in the report), a line for each rule in each mailbox, with the
 * UIDs that were left undone, a verdict; and with --users a row a user. For cmd_filter.c.
 *
 * Owner: the command. Lifetime: the call; struct filtered_users from gather() to gathered(). Threads: filtered_begin() and its like from those of the walk.
 */
#ifndef CLI_FILTERED_H
#define CLI_FILTERED_H

#include "cli/cli.h"
#include "ops/filtering.h"

#include <pthread.h>

struct rules;

struct filtered { /* the context of the request's callbacks */
	const struct cli *cli;
	const struct rules *rules;
	bool shows; /* messages on standard output too, and not only in the report */
	pthread_mutex_t lock; /* of standard output, and of failed */
	bool failed; /* a line could not be kept: the disk is full */
};

void *filtered_begin(void *context, const char *mailbox);
void filtered_told(void *one, const struct filter_decision *decision);
void filtered_end(void *one, bool good);

struct filtered_total {
	struct filter_counts counts;
	uint64_t mailboxes, looked_at, unreadable, failed_mailboxes;
	int code;
	bool watched; /* it went on until it was stopped */
	uint64_t users, users_failed; /* of the sum of all users, else 0 */
};

/* Adds the counts, and the gravest code. */
void filtered_add(struct filtered_total *sum, const struct filtered_total *more);
/* Prints the lines of rules and logs the errors of mailboxes; what it all comes to. ended: what ended the work before its end, or NULL. */
struct filtered_total filtered_print(const struct cli *cli, const struct rules *rules,
	const struct filtering *filtering, const struct err *ended);
/* The account's; of a user among others only the line for programs, for he has a row. */
void filtered_verdict(const struct cli *cli, const struct filtered_total *total);

struct filtered_users;

struct filtered_users *filtered_users_new(void);
void filtered_users_add(
	struct filtered_users *users, const char *user, const struct filtered_total *total);
/* Prints a row a user and the sum; frees. */
void filtered_users_end(struct filtered_users *users, const struct cli *cli, int code);

#endif
