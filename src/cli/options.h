/*
 * Reads the command line, GNU style: --name=VALUE or --name VALUE, -x VALUE or -xVALUE, -nv together, options also behind
 * locations, "--" ends them, @FILE for a file of arguments. Names are not abbreviated; a mistyped one is answered with the nearest.
 *
 * Owner: the caller. Threads: one at a time.
 *
 *	cli_init(&cli, arena);
 *	arguments_take(&arguments, arena, argc, argv);
 *	if (options_parse(&cli, &arguments, err) < 0) …
 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include "base/must.h"

struct arena;
struct arguments;
struct cli;
struct err;

void cli_init(struct cli *cli, struct arena *arena); /* the defaults */
/* Everything that can be known to be wrong before a server is asked: ERR_LOCAL kind USAGE. A job of the configuration (run NAME) is put in place. */
int options_parse(struct cli *cli, struct arguments *arguments, struct err *err) MUST_CHECK;
/* Opens the configuration file unless it is open. */
int cli_config(struct cli *cli, struct err *err) MUST_CHECK;

#endif
