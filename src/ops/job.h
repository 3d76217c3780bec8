/*
 * One run of copy between two accounts: lists both sides, pairs the mailboxes, decides what needs a look, lets lanes work, settles, deletes last.
 *
 * Owner: the command. Lifetime: the call. Threads: the caller's plus one a lane.
 *
 *	struct job job = { .settings = &settings, .src = src, .dst = dst, .report = report, .meter = meter };
 *	rc = job_copy(&job, err);            // -1: the run could not begin or was ended; report has the rest
 */
#ifndef OPS_JOB_H
#define OPS_JOB_H

#include "base/must.h"
#include "ops/settings.h"

#include <stdbool.h>

struct account;
struct err;
struct meter;
struct proven;
struct rate;
struct report;

struct job {
	const struct settings *settings;
	struct account *src, *dst;
	struct report *report;
	struct meter *meter;
	struct rate *messages, *bytes; /* of several jobs together, or NULL: the settings' own */
	int (*confirm)(void *context, const char *question); /* 1 = yes; NULL: only --yes counts */
	void *confirm_context;
	/* Of several jobs that each put the same messages elsewhere, or NULL: only the last one deletes, what all have proven (--delete-source). */
	struct proven *proven;
	unsigned round; /* from 0 */
	bool more; /* jobs follow */
};

int job_copy(struct job *job, struct err *err) MUST_CHECK;

#endif
