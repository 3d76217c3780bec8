/*
 * What users.c and users_line.c share: one line taken apart. For these only.
 *
 * Owner: the caller of each. Threads: any.
 */
#ifndef STORE_USERS_PARTS_H
#define STORE_USERS_PARTS_H

#include "store/users.h"

struct users_line {
	enum users_format format;
	bool two_sided;
	bool guarded; /* set: the line holds what must be private */
	struct arena *arena; /* of what is not secret */
	char *scratch; /* USERS_LINE_MAX octets; the caller wipes them */
};

/* NULL, or what is wrong with the line, which has no blanks at its ends. user_release() whatever it returns. */
const char *users_line(struct users_line *line, struct span text, struct user *out);

/* users_options.c: the field of options, into out. NULL, or what is wrong. */
const char *users_options(struct users_line *line, struct span text, struct user *out);
/* Does the field begin like KEY=? */
bool users_options_start(struct span text);
/* Copies text with its escapes resolved behind line->scratch; *problem is set where one is none. */
struct span users_unescape(struct users_line *line, struct span text, const char **problem);

#endif
