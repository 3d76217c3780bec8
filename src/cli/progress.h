/*
 * The progress line: a thread paints what the meter knows on standard error, five times a second on a terminal, as plain lines
 * every few seconds elsewhere. Log lines push it aside.
 *
 * Owner: the command. Lifetime: progress_start() to progress_stop(). Threads: hide and show from any.
 *
 *	progress_start(meter, PROGRESS_AUTO);
 *	rc = job_copy(&job, err);
 *	progress_stop();
 */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include "cli/cli.h"

#define PROGRESS_LINE_MAX 1024

struct meter;
struct meter_view;

/* Paints nothing when `when` and the terminal say so; progress_stop() may be called all the same. */
void progress_start(struct meter *meter, enum progress_when when);
void progress_stop(void);
void progress_hide(void); /* for a question: until progress_show() */
void progress_show(void);
/* The line of at most width columns. */
void progress_line(const struct meter_view *view, size_t width, char out[PROGRESS_LINE_MAX]);

#endif
