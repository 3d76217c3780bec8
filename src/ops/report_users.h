/*
 * The table of users at the end of a run over many, and the line of each when he is done. For report.c only.
 *
 * Owner: the report. Lifetime: the run. Threads: one at a time (the report's lock).
 */
#ifndef OPS_REPORT_USERS_H
#define OPS_REPORT_USERS_H

#include <stdint.h>

struct arena;
struct user_rows;

struct user_row {
	const char *name, *verdict, *text; /* harmless; text "" = nothing went wrong */
	uint64_t copied, copied_bytes, there, skipped, failed;
};

struct user_rows *user_rows_new(void);
void user_rows_free(struct user_rows *rows); /* accepts NULL */
/* Keeps those for whom something was done or went wrong, up to a limit; the others are counted. */
void user_rows_add(struct user_rows *rows, const struct user_row *row);
void user_rows_print(const struct user_rows *rows, struct arena *arena);
void user_row_print(const struct user_row *row, struct arena *arena);

#endif
