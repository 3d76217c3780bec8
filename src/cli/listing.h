/*
 * The mailboxes of an account as `list` shows them: chosen, measured, in the order of a tree. For cmd_list.c and listing*.c.
 *
 * Owner: the command. Lifetime: the arena given. Threads: one at a time.
 */
#ifndef CLI_LISTING_H
#define CLI_LISTING_H

#include "cli/cli.h"
#include "store/store.h"

struct listing_row {
	struct mailbox_info info;
	size_t depth; /* in the tree of those shown */
	const char *label; /* the name without that of the mailbox above */
	const char *error; /* why it could not be measured, or NULL */
};

struct listing {
	const struct cli *cli;
	struct store *store;
	struct arena *arena;
	struct listing_row *row;
	size_t count;
	size_t refused; /* names that could not be understood: they may hold mail */
	size_t missing; /* named and not there */
	bool counts, sizes; /* what was asked for */
};

/* Lists, chooses and sorts. root: the location's /MAILBOX, or NULL. */
int listing_read(struct listing *listing, const char *root, struct err *err) MUST_CHECK;
/* Counts and sizes that did not come with the list. A mailbox that refuses keeps its error; -1: the connection does. */
int listing_measure(struct listing *listing, struct err *err) MUST_CHECK;
/* By size, the largest first, the others dropped. */
void listing_largest(struct listing *listing, uint64_t count);

struct listing_total {
	uint64_t mailboxes, messages, unseen, size, unknown;
};
struct listing_total listing_total(const struct listing *listing);

void listing_print(const struct listing *listing, bool tree);
void listing_print_total(const struct listing *listing, const struct listing_total *total);
void listing_print_json(
	const struct listing *listing, const struct listing_total *total, const char *account);

#endif
