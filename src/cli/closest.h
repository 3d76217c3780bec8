/*
 * "Did you mean": the known word that is nearest to a mistyped one.
 *
 * Owner: the caller. Threads: one at a time.
 *
 *	closest_begin(&closest, "exlude");
 *	closest_try(&closest, "exclude"); …
 *	if (closest_found(&closest)) … closest.best
 */
#ifndef CLI_CLOSEST_H
#define CLI_CLOSEST_H

#include <stdbool.h>
#include <stddef.h>

#define CLOSEST_MAX 48

struct closest {
	const char *word;
	size_t len, distance;
	char best[CLOSEST_MAX];
};

/* the word is borrowed */
void closest_begin(struct closest *closest, const char *word, size_t len);
void closest_try(struct closest *closest, const char *candidate);
bool closest_found(const struct closest *closest); /* near enough to be meant */

#endif
