/*
 * How large accounts are, as `size` shows it: a row for each, the largest first, and a total. For cmd_size.c and sizes*.c.
 *
 * Owner: the command; texts of rows are copied. Lifetime: sizes_new() to sizes_free(). Threads: sizes_add() from several at once, the rest when they are done.
 */
#ifndef CLI_SIZES_H
#define CLI_SIZES_H

#include "cli/cli.h"

enum size_method { /* how the size was found: said in every row */
	SIZE_UNKNOWN,
	SIZE_STATUS, /* the server adds up each mailbox (STATUS=SIZE, RFC 8438) */
	SIZE_SCAN, /* RFC822.SIZE of every message, at least in some mailboxes */
	SIZE_QUOTA, /* what the quota root has used: in KiB, and perhaps not this account alone */
};

struct size_row {
	const char *account;
	const char *user; /* of --users, or NULL */
	enum size_method method;
	uint64_t size, messages, mailboxes, unknown; /* unknown: mailboxes that are not in it */
	uint64_t limit; /* of the quota; 0 = none or not asked */
	bool counted; /* messages and mailboxes mean something */
	const char *error; /* why there is no size, or why it is only a part; NULL = it is all */
	int code; /* the exit code for this account */
};

struct sizes;

struct meter;

struct sizes *sizes_new(struct meter *meter); /* of the progress line; borrowed, NULL allowed */
void sizes_free(struct sizes *sizes); /* accepts NULL */
void sizes_add(struct sizes *sizes, const struct size_row *row);
/* The account of this location: measured, or a row with its error. Returns the row's code. */
int sizes_measure(struct sizes *sizes, struct cli *cli, size_t index);
/* Prints all rows, the largest first, and the total. Returns the gravest code. */
int sizes_print(struct sizes *sizes, const struct cli *cli);

#endif
