/*
 * Mailbox patterns as people type them: `*` and `?` within one level, `**` over levels, [a-z] and [!a-z] sets. "**" as the
 * last level also matches the parent itself, as an earlier level also no level at all. UTF-8, case-sensitive.
 *
 * Owner: none. Threads: any. Time: pattern length by name length at worst.
 */
#ifndef BASE_GLOB_H
#define BASE_GLOB_H

#include "base/span.h"

bool glob_match(const char *pattern, struct span name);

#endif
