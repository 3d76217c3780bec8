/*
 * --db and its options: the database of results (state/results.h) opened as the command line asks, with the question before --clear-db.
 *
 * Owner: the command. Threads: turns of --users from several at once; the database is cleared by the first of them only.
 *
 *	if (database_open(cli, &results, err) < 0)      // before any server is asked
 *		return -1;
 *	…
 *	code = database_end(results, code);             // when the result is printed
 *	results_close(results);
 */
#ifndef CLI_DATABASE_H
#define CLI_DATABASE_H

#include "base/must.h"
#include "cli/cli.h"
#include "state/results.h"

/* *out NULL: nothing is to be kept (no --db, or --dry-run). -1: usage, ERR_LOCAL, kind SAFETY when --clear-db was not confirmed. */
int database_open(struct cli *cli, struct results **out, struct err *err) MUST_CHECK;
/* Ends the run in the database: the exit code, or EXIT_LOCAL after saying what went wrong. results may be NULL. */
int database_end(struct results *results, int code);

#endif
