/*
 * Inside the database of results: its tables, rows as they are gathered, and what a back end does.
 *
 * Owner: results.c. Threads: one at a time.
 */
#ifndef STATE_RESULTS_PARTS_H
#define STATE_RESULTS_PARTS_H

#include "state/results.h"

#define RESULTS_VERSION 1 /* of the tables */
#define RESULTS_COLUMNS 12

/* clang-format off */
/* The same in every dialect. */
#define RESULTS_VIEWS \
	"CREATE VIEW differences AS SELECT f.run, r.began, r.state, l.name AS location, l.user_name, f.name AS mailbox, f.kind," \
	" count(*) AS number FROM findings f JOIN runs r ON r.run = f.run JOIN locations l ON l.run = f.run AND l.location = f.location" \
	" GROUP BY f.run, r.began, r.state, f.location, l.name, l.user_name, f.name, f.kind;" \
	"CREATE VIEW found AS SELECT f.run, f.finding, l.name AS location, l.user_name, f.kind, f.name AS mailbox, f.what, f.uid," \
	" f.other_uid, COALESCE(m.message_id, o.message_id) AS message_id, f.reason FROM findings f" \
	" JOIN locations l ON l.run = f.run AND l.location = f.location" \
	" LEFT JOIN messages m ON m.run = f.run AND m.mailbox = f.mailbox AND m.uid = f.uid" \
	" LEFT JOIN messages o ON o.run = f.run AND o.mailbox = f.other_mailbox AND o.uid = f.other_uid;"
/* clang-format on */

enum results_type { RESULTS_NUMBER, RESULTS_BYTES, RESULTS_TIME, RESULTS_BOOL };

struct results_table {
	const char *name;
	size_t columns;
	struct {
		const char *name;
		enum results_type type;
	} column[RESULTS_COLUMNS];
};

/* In the order in which they are filled. The first column of each is the run. */
enum { RESULTS_LOCATIONS, RESULTS_MAILBOXES, RESULTS_MESSAGES, RESULTS_FINDINGS, RESULTS_TABLES };
extern const struct results_table results_tables[RESULTS_TABLES];

struct results_value {
	bool null;
	int64_t number; /* also BOOL, and TIME in seconds since 1970 */
	struct span bytes; /* valid UTF-8, harmless, and a NUL behind it */
};

enum results_opening {
	RESULTS_LOOK, /* makes nothing: where there is nothing, count_runs() gives 0 */
	RESULTS_MAKE, /* the tables, if there are none */
	RESULTS_HURRY, /* likewise; a stop was asked for before: it does not count, but nothing is waited for longer than seconds */
};
#define RESULTS_HURRY_MS 5000
#define RESULTS_TIMEOUT_MS 60000 /* unless the request has one */

/* One connection, or an open file. Errors are ERR_LOCAL with ERR_RETRY_NOW where trying again may help, or ERR_STOPPED. */
struct results_backend {
	void *(*open)(const struct results_request *request, enum results_opening opening,
		struct err *err);
	void (*close)(void *session); /* accepts NULL; what is not committed is gone */
	int (*count_runs)(void *session, uint64_t *out, struct err *err);
	int (*clear)(void *session, struct err *err);
	/* A transaction of its own. */
	int (*begin_run)(void *session, const char *command, int64_t began, int64_t *run_out,
		struct err *err);
	/* Begins the transaction. *ended_out: the run has been ended already, by a commit whose answer was lost. */
	int (*begin)(void *session, int64_t run, bool *ended_out, struct err *err);
	int (*table_begin)(void *session, const struct results_table *table, struct err *err);
	int (*row)(void *session, const struct results_table *table,
		const struct results_value *value, struct err *err);
	int (*table_end)(void *session, struct err *err);
	/* Ends run and transaction. */
	int (*end_run)(void *session, int64_t run, const char *state, int64_t ended, int code,
		struct err *err);
};

extern const struct results_backend results_sqlite, results_postgres;

/* "2026-11-27T04:05:06Z"; false: no such year. */
bool results_time_text(int64_t seconds, char out[32]);
/* Run and state are not what they were: another run has cleared the database. */
int results_run_gone(const struct results_request *request, struct err *err);

#endif
