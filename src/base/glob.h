/*
 * Mailbox patterns as people type them: `*` and `?` within one level, `**` over levels, [a-z] sets, a trailing "/**" also
 * matches the parent itself. UTF-8, case-sensitive.
 *
 * Owner: none. Threads: any. Linear time: no exponential backtracking on hostile names.
 */
#ifndef BASE_GLOB_H
#define BASE_GLOB_H

#include "base/span.h"

bool glob_match(const char *pattern, struct span name);

#endif
