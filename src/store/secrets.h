/*
 * Where passwords and tokens come from: files, commands, the environment, the terminal. The first line counts, without CR and LF.
 *
 * Owner: the caller owns the secret returned. Threads: any (secrets_from_env: locked inside).
 */
#ifndef STORE_SECRETS_H
#define STORE_SECRETS_H

#include "base/must.h"

#include <stdint.h>

struct err;
struct secret;

#define SECRETS_COMMAND_MS 60000 /* a command may ask its user for something */

/* All return NULL with ERR_LOCAL: kind USAGE for what is set up wrongly, AUTH when there is no secret to be had; ERR_STOPPED. */

/* "~/" is the home directory. The file must be ours alone (path_read_secret). */
struct secret *secrets_from_file(const char *path, struct err *err);
/* Given to /bin/sh -c as the user wrote it; standard error and input are ours. The error text does not quote the command. */
struct secret *secrets_from_command(const char *command, int64_t timeout_ms, struct err *err);
/* Takes the variable out of the environment, so that no child inherits it; asked again, it still knows the value. */
struct secret *secrets_from_env(const char *name, struct err *err);
/* Asks on the terminal (normally /dev/tty) with the echo off. NULL with kind AUTH if there is none, or nothing is typed. */
struct secret *secrets_from_terminal(const char *terminal, const char *prompt, struct err *err);

#endif
