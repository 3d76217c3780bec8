/*
 * --users: a command for each user of a file. The file is read whole, and every account put together once, before anything begins; then each user's turn is
 * the command's own run() with a struct cli of its own, in which `user` says whose turn it is and `shared` what all turns have in common.
 *
 * A command that takes part (struct command.many) makes its accounts by cli_account(), takes arena and settings from the cli it was given, and where `shared` is
 * set reports by report_new() with .user and .over, adds to shared->meter, shows no progress of its own, and asks nothing.
 *
 * Owner: main(). Lifetime: the call. Threads: run() of a MANY_TOGETHER command is called from several at once; log_label() is the user's name there.
 */
#ifndef CLI_MANY_H
#define CLI_MANY_H

#include "base/must.h"

struct cli;
struct err;

struct shared {
	struct report *report; /* only with MANY_TOGETHER */
	void *gathered; /* what gather() of a MANY_GATHERED command made */
	struct meter *meter;
	struct rate *messages, *bytes; /* or NULL */
};

/* The exit code, or -1 with err when nothing was begun. One user's failure does not stop the others; trouble of this machine does. */
int many_run(struct cli *cli, struct err *err) MUST_CHECK;

#endif
