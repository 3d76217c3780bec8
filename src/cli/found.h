/*
 * What `search` found in one mailbox: rows with decoded headers, and how they are shown. For cmd_search.c.
 *
 * Owner: the command. Lifetime: found_new() to found_free(). Threads: one at a time; mailboxes are independent.
 */
#ifndef CLI_FOUND_H
#define CLI_FOUND_H

#include "cli/cli.h"
#include "store/snapshot.h"

struct found;

struct found *found_new(void);
void found_free(struct found *found);
void found_clear(struct found *found);
/* Raw header fields of a message (struct box_scan.header); context is the struct found. */
void found_header(void *context, uint32_t uid, struct span header);
void found_add(struct found *found, const struct snapshot *snapshot, size_t row);
/* Prints the rows, by UID; how many. */
size_t found_print(const struct found *found, const struct cli *cli, const char *mailbox);
void found_print_end(const struct cli *cli, size_t messages, bool incomplete);

#endif
