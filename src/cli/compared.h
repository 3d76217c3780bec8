/*
 * What `compare` found, as it is shown: mailboxes and messages that differ, a verdict for each pair of accounts, and with --users a row a user. For cmd_compare.c.
 *
 * Owner: the command. Lifetime: compared_new() to compared_free(). Threads: compared_show() and compared_fail() from several at once.
 */
#ifndef CLI_COMPARED_H
#define CLI_COMPARED_H

#include "cli/cli.h"
#include "ops/comparison.h"

struct compared;

struct compared *compared_new(void);
void compared_free(struct compared *compared); /* accepts NULL */
/* Prints it at once, and keeps a row of a user. manifests: of compared_manifests_prepare(). The exit code. */
int compared_show(struct compared *compared, const struct cli *cli,
	const struct comparison *comparison, const struct comparison_manifest *manifests);
/* A user's accounts could not be compared at all: his row. The exit code. */
int compared_fail(struct compared *compared, const struct cli *cli, const struct err *err);
/* With --users: the rows and what they come to. */
void compared_end(struct compared *compared, const struct cli *cli);

/* Of --manifest: what is wrong with the options (kind USAGE); and one a location, in the arena, or NULL. Asks before a file goes. */
int compared_manifests_check(const struct cli *cli, struct err *err) MUST_CHECK;
int compared_manifests_prepare(
	const struct cli *cli, struct comparison_manifest **out, struct err *err) MUST_CHECK;

#endif
