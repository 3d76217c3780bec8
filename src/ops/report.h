/*
 * What became of a run: counts per mailbox and in all, findings as they happen, a verdict and an exit code that can be
 * trusted (product rules 11 and 12, §5). "Complete" is said only if every selected message is known to be at the destination.
 *
 * Owner: the job (or command). Threads: any, locked inside. Findings are written at once and only counted in memory.
 */
#ifndef OPS_REPORT_H
#define OPS_REPORT_H

#include "base/err.h"
#include "base/must.h"
#include "ops/select.h"

#define REPORT_VERSION 1

struct tally {
	uint64_t found; /* at the source */
	uint64_t skipped[SELECT_REASONS]; /* by the user's own options */
	uint64_t copied, copied_bytes;
	/* were there already, by level of proof */
	uint64_t there_record, there_digest, there_content;
	uint64_t gone_dst; /* copied once and deleted there by its owner: not copied again */
	uint64_t vanished; /* expunged at the source while the run went on */
	uint64_t refused, failed; /* by the destination; for any other reason */
	uint64_t unknown; /* neither known to be there nor to be missing */
	uint64_t flags_changed, flags_lost; /* messages */
	uint64_t deleted; /* at the source */
	uint64_t deleted_extra; /* at the destination: none of the source's */
	/* bytes changed by the user's options, or reported as changed by the destination */
	uint64_t altered;
};

enum report_state {
	REPORT_DONE,
	REPORT_UNCHANGED,
	REPORT_FAILED,
	REPORT_UNKNOWN,
	REPORT_INTERRUPTED
};

struct report_mailbox { /* one line of the report */
	const char *src, *dst;
	enum report_state state;
	struct tally tally;
	const char *text; /* why it failed, or NULL */
	bool again; /* a further target of a source mailbox: what it holds is counted already */
};

enum finding { /* what "finding" says in JSON */
	FINDING_REFUSED, /* a message; exit 3 */
	FINDING_FAILED, /* a message; exit 3 */
	FINDING_UNKNOWN, /* exit 3 */
	FINDING_MAILBOX_FAILED, /* exit 3 */
	FINDING_FLAGS_LOST, /* metadata the destination cannot hold; exit 1 */
	FINDING_NAME_CHANGED, /* exit 1 */
	/* the destination or an option changed bytes; exit 1 when the destination did */
	FINDING_ALTERED,
	FINDING_NOT_SUBSCRIBED, /* exit 1 */
	FINDING_MAILBOX_DELETED, /* as asked for; exit 0 */
	FINDING_EMPTIED, /* the destination has none of what was copied there before; exit 0 */
	FINDING_NOTE, /* worth saying; exit 0 */
};

struct report;
struct buf;

struct report_options {
	const char *command; /* "copy" */
	const char *src, *dst; /* account_name() */
	bool dry_run, json; /* json: findings and mailboxes go to stdout as JSON lines at once */
	bool quiet; /* of the closing lines only the verdict */
	const char *part; /* what is kept of each message, such as "header"; NULL = all of it */
	const char *file; /* --report, or NULL */
	/*
	 * --users: each user has a report of his own over one of all users (src, dst: as typed), which owns the file. His lines go there and carry his
	 * name; at his end a line tells how it went, and his counts and his exit code go to the one above.
	 */
	const char *user; /* whose report this is, or NULL */
	struct report *over; /* the one of all users, or NULL; outlives this one */
	uint64_t users; /* of the one of all users: how many there are; 0 = it is of one run */
};

struct report *report_new(const struct report_options *options, struct err *err);
void report_free(struct report *report);
void report_mailbox(struct report *report, const struct report_mailbox *mailbox);
void report_finding(struct report *report, enum finding finding, const char *mailbox, uint32_t uid,
	const char *fmt, ...) MUST_FORMAT(5, 6);
/* An error that ended the run or a side of it: its exit code is remembered. */
void report_error(struct report *report, const struct err *err);
void report_code(struct report *report, int code); /* remembers an exit code */
void report_traffic(struct report *report, const char *side, uint64_t in, uint64_t out,
	uint64_t turns, unsigned connections);
struct tally report_total(struct report *report);
/* 130 before 7 before 6 before 5 before 4 before 3 before 2 before 1 before 0. */
int report_exit_code(struct report *report);
int report_err_code(const struct err *err);
/* The last lines: table of mailboxes that changed or failed, totals, verdict; to stdout, or as JSON objects. seconds: how long the run took. */
void report_finish(struct report *report, double seconds);

#endif
