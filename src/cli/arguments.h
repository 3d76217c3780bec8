/*
 * The words of the command line with the files that @FILE names written out, one token a line. Each word knows where it
 * came from.
 *
 * Owner: the caller's arena. Lifetime: the run. Threads: one at a time.
 *
 *	arguments_take(&arguments, arena, argc, argv);     // argv holds no password from here on
 *	while (arguments_next(&arguments, &token, err) > 0) …
 */
#ifndef CLI_ARGUMENTS_H
#define CLI_ARGUMENTS_H

#include "base/must.h"

#include <stdbool.h>
#include <stddef.h>

struct arena;
struct err;

#define ARGUMENTS_DEPTH 8 /* files that name files */
#define ARGUMENTS_MAX 100000 /* words in all */

struct token {
	char *text;
	const char *file; /* NULL: the command line; "[job NAME]"; a path */
	size_t line; /* 0 = not of a file */
};

struct arguments {
	struct arena *arena;
	struct token *token;
	size_t count, next;
};

/* Copies what follows argv[0], and wipes passwords out of argv's own memory. */
void arguments_take(struct arguments *arguments, struct arena *arena, int argc, char **argv);
/* Puts words in front of those that are still to come. */
void arguments_insert(struct arguments *arguments, const struct token *token, size_t count);
/* Replaces every word of the form @FILE before "--"; -1 usage: no such file, too deep, too many. */
int arguments_expand(struct arguments *arguments, struct err *err) MUST_CHECK;
bool arguments_next(struct arguments *arguments, struct token *out);
bool arguments_peek(const struct arguments *arguments, struct token *out);
/* Prefixes an error with where the word stands, if that is a file. -1. */
int arguments_blame(const struct token *token, struct err *err);

#endif
