/*
 * Regular expressions (PCRE2, UTF-8, match limits set) and sed-like rewriting "s/RE/TEXT/flags", parsed and never evaluated.
 *
 * Owner: the caller. Threads: any once compiled. The library is part of the link; patterns come from the user, subjects are hostile.
 */
#ifndef BASE_REGEX_H
#define BASE_REGEX_H

#include "base/must.h"
#include "base/span.h"

struct regex;
struct rewrite;
struct arena;
struct err;

/* NULL: usage error with the offset */
struct regex *regex_new(const char *pattern, struct err *err);
void regex_free(struct regex *regex);
/* unanchored; a match limit hit counts as no match and logs once */
bool regex_match(const struct regex *regex, struct span subject);

/* "s/RE/TEXT/flags" with any delimiter; flags g, i; TEXT knows $1..$9, ${name}, \1..\9, \U \L \E. */
struct rewrite *rewrite_new(const char *expression, struct err *err);
void rewrite_free(struct rewrite *rewrite);
/* The rewritten name, in the arena; the subject itself when nothing matched. */
char *rewrite_apply(const struct rewrite *rewrite, struct arena *arena, const char *subject);

#endif
