/*
 * The database of results: what `check --scan` and `compare` found, kept in SQLite or PostgreSQL for questions in SQL (tables in results_parts.h).
 *
 * What a run finds is gathered first, in memory and then in an unlinked file, and written by results_end() in one transaction: a run whose state is
 * 'finished' has all of its rows, any other has none ('unfinished': it is at work, or broke off; 'interrupted'). The database is open at both ends of the
 * run only, so that others may use it meanwhile; a server that went away is asked three times.
 *
 * Texts from mail are made harmless and cut at RESULTS_TEXT octets, for people print what they select; results_end() says how many it changed.
 *
 * Owner: the command. Lifetime: results_open() to results_close(). Threads: rows from any (locked inside), the rest one at a time. A struct results * may be
 * NULL everywhere: nothing is kept then.
 *
 *	results_target_parse("sqlite:results.db", arena, &target, err);
 *	results = results_open(&(struct results_request){ .target = &target, .command = "compare" }, err);
 *	results_location(results, &(struct results_location){ .number = 1, .name = "imaps://anna@old.example" });
 *	mailbox = results_mailbox(results, &(struct results_mailbox){ .location = 1, .name = "INBOX", .complete = true });
 *	results_message(results, &(struct results_message){ .mailbox = mailbox, .uid = 17 }); …
 *	results_end(results, exit_code, err);
 *	results_close(results);
 */
#ifndef STATE_RESULTS_H
#define STATE_RESULTS_H

#include "base/digest.h"
#include "base/must.h"
#include "base/span.h"

struct arena;
struct err;
struct results;

#define RESULTS_TEXT 4096
#define RESULTS_UNKNOWN INT64_MIN /* of a number: NULL in the database. Equals DATE_UNKNOWN */
#define RESULTS_INTERRUPTED 130 /* exit code */

enum results_kind { RESULTS_SQLITE, RESULTS_POSTGRES };

#define RESULTS_SETTINGS 12

struct results_target { /* what --db names, taken apart */
	enum results_kind kind;
	const char *path; /* of SQLite */
	/* for libpq: "host", "dbname", "sslmode", …; ends with NULL. No password */
	const char *key[RESULTS_SETTINGS + 1], *value[RESULTS_SETTINGS + 1];
	const char *schema; /* of PostgreSQL */
	struct span password; /* stood in the URL; the caller warns and wipes it */
	bool exposed; /* TLS is not asked for, and the server is not this machine */
	const char *shown; /* for people: no password */
};

/*
 * "sqlite:PATH" (sqlite:///PATH too, as SQLAlchemy writes it) or "postgresql://USER@HOST[:PORT]/DB[?KEY=VALUE&…]". -1: ERR_LOCAL kind USAGE, and the text quotes
 * nothing that may be part of a password.
 */
int results_target_parse(const char *text, struct arena *arena, struct results_target *out,
	struct err *err) MUST_CHECK;

struct results_request {
	const struct results_target *target; /* borrowed until results_close() */
	struct span password; /* copied; empty = none. libpq looks into ~/.pgpass then */
	const char *command; /* "compare" */
	int64_t timeout_ms; /* without any answer; 0 = a minute */
	bool clear; /* delete all earlier runs first; only what is mailhaul's */
};

/*
 * Makes the tables if there are none, and notes that a run began. NULL: ERR_LOCAL: unreachable, refused, of a newer version, not ours, disk full; kind USAGE: libpq
 * is not installed; or ERR_STOPPED.
 */
struct results *results_open(const struct results_request *request, struct err *err);
/* Without results_end() the run stays 'unfinished'. */
void results_close(struct results *results);
/* How many runs there are: for the question before clear. Makes nothing: 0 where there are no tables yet. */
int results_count_runs(
	const struct results_request *request, uint64_t *out, struct err *err) MUST_CHECK;
/* Writes everything and ends the run; with RESULTS_INTERRUPTED no rows, only that it was interrupted. -1 (as above): no row is there. */
int results_end(struct results *results, int exit_code, struct err *err) MUST_CHECK;
int64_t results_run(const struct results *results); /* its number in the database */

struct results_location {
	unsigned number; /* from 1, as on the command line */
	const char *name; /* account_name() */
	const char *host, *user; /* NULL = none; of user*MASTER only the user is kept */
	const char *error; /* why it could not be reached, or NULL */
};

struct results_mailbox {
	unsigned location; /* its number */
	const char *name;
	uint32_t uidvalidity; /* 0 = not known */
	bool complete; /* every message is among the rows: else what is not is unknown */
	uint64_t messages, octets; /* as read */
	int64_t announced; /* as the server counts; RESULTS_UNKNOWN */
	const char *error; /* or NULL */
};

struct results_message {
	uint64_t mailbox;
	uint32_t uid;
	int64_t arrived; /* INTERNALDATE; RESULTS_UNKNOWN */
	int64_t size; /* RESULTS_UNKNOWN */
	struct span flags; /* between blanks; data NULL = not known */
	struct span message_id; /* data NULL = not read */
	struct digest128 header, content; /* not known = NULL */
};

enum results_finding_kind { /* what follows is how the database says it */
	RESULTS_MISSING, /* 'missing': the first location has it, the other one not */
	RESULTS_EXTRA, /* 'extra': the other way round */
	RESULTS_DOUBLED, /* 'doubled': the other one has it more often */
	RESULTS_DIFFERS, /* 'differs': in `what` */
	RESULTS_NOT_KNOWN, /* 'unknown' */
	RESULTS_MAILBOX_MISSING, /* 'mailbox missing' */
	RESULTS_MAILBOX_EXTRA, /* 'mailbox extra' */
};

struct results_finding {
	enum results_finding_kind kind;
	unsigned location; /* the one compared with the first; with one location that one */
	uint64_t mailbox, other_mailbox; /* numbers; 0 = none */
	const char *name; /* of the mailbox, at the first location where it is there; NULL = none */
	const char *what; /* "flags date", or NULL */
	uint32_t uid, other_uid; /* 0 = none */
	const char *text; /* why, for people; or NULL */
};

/* Rows in any order. They never fail: a full disk is told by results_end(). */
void results_location(struct results *results, const struct results_location *location);
/* Mailboxes are numbered from 1 in a run: the number, which messages and findings name. */
uint64_t results_mailbox(struct results *results, const struct results_mailbox *mailbox);
void results_message(struct results *results, const struct results_message *message);
void results_finding(struct results *results, const struct results_finding *finding);

#endif
