/*
 * What `check` found out about one account, step by step up to the one that failed. For cmd_check.c and checkup*.c.
 *
 * Owner: the command. Lifetime: checkup_begin() to checkup_end(); texts in the arena. Threads: one at a time.
 */
#ifndef CLI_CHECKUP_H
#define CLI_CHECKUP_H

#include "base/err.h"
#include "cli/cli.h"
#include "state/results.h"
#include "store/store.h"

#define CHECKUP_STEPS 8
#define CHECKUP_DAYS_WARN 14 /* a certificate that ends sooner is warned about */

struct checkup_step {
	const char *name; /* "connect" */
	bool done; /* false: the step that failed */
	int64_t us;
	const char *text; /* what came out, or "" */
};

struct checkup_box { /* --scan */
	const char *name;
	uint64_t messages, size; /* as read */
	uint64_t announced; /* as counted by the server */
	uint64_t number; /* in the database; 0 = not there yet */
	const char *error; /* could not be read, or NULL */
};

struct checkup {
	const struct cli *cli;
	struct arena *arena;
	unsigned number; /* of the location, from 1 */
	struct results *results; /* of --db, or NULL */
	struct account *account;
	struct flag_table *flags; /* of what was read for the database, or NULL */
	struct store *store;
	struct imap_facts facts;
	struct err err; /* scope NONE: all went well */
	const char *failed; /* the step that err belongs to, or NULL */

	bool listed, has_quota;
	struct mailbox_list list;
	int64_t list_us;
	uint64_t quota_used, quota_limit;
	struct checkup_box *box;
	size_t boxes, boxes_differ, boxes_unknown;
};

/* Does everything that the options ask for; the result is in the struct whatever happens. */
void checkup_run(struct checkup *checkup);
/* What --db keeps of it beside the messages, which checkup_run() adds as it reads them (checkup_keep.c). */
void checkup_keep(struct checkup *checkup);
void checkup_end(struct checkup *checkup);
int checkup_code(const struct checkup *checkup); /* exit code */
/* The steps that were taken, the failed one last: their number. */
size_t checkup_steps(const struct checkup *checkup, struct checkup_step step[CHECKUP_STEPS]);
int64_t checkup_days_left(const struct checkup *checkup); /* of the certificate */

void checkup_print(const struct checkup *checkup);
void checkup_print_line(const struct checkup *checkup); /* --ping */
void checkup_print_json(const struct checkup *checkup);

void checkup_count(const struct snapshot *snapshot, struct checkup_box *out);
/* Reads a mailbox with what --db wants of it, and adds its rows (checkup_keep.c). */
int checkup_scan_kept(struct checkup *checkup, struct box *box, struct checkup_box *out,
	struct snapshot *snapshot, struct uidset *unknown, struct err *err) MUST_CHECK;

/* Capabilities that this program uses, a row each (checkup_caps.c). */
struct checkup_cap {
	const char *name; /* "LITERAL+ or LITERAL-" */
	unsigned caps; /* any of these enum imap_cap bits */
	const char *use; /* what it is good for */
	const char *cost; /* what its absence costs, or NULL = nothing to speak of */
};
extern const struct checkup_cap checkup_caps[];
extern const size_t checkup_cap_count;
bool checkup_has(const struct checkup *checkup, const struct checkup_cap *cap);

#endif
