/*
 * A connection to PostgreSQL: libpq, which is loaded at the first one (it and what it brings along cost more memory than a whole run), never blocking but for the
 * look-up of a name, with a deadline for each answer, and seeing SIGINT.
 *
 * Owner: the caller. Threads: one at a time.
 *
 * Errors are ERR_LOCAL, with ERR_RETRY_NOW where the connection was lost or the server asks to try again; ERR_STOPPED; kind USAGE: libpq is not installed. What
 * the server says is made harmless.
 *
 *	pq = pq_open(&(struct pq_request){ .key = keys, .value = values, .shown = "postgresql://…", .timeout_ms = 60000 }, err);
 *	if (pq_ask(pq, "SELECT state FROM runs WHERE run = $1", (const char *[]){ "17" }, 1, err) < 0) …
 *	pq_rows(pq); pq_text(pq, 0);
 */
#ifndef STATE_PQ_H
#define STATE_PQ_H

#include "base/must.h"
#include "base/span.h"

struct err;
struct pq;

struct pq_request {
	const char *const *key; /* of libpq's connection parameters; ends with NULL */
	const char *const *value;
	struct span password; /* empty = none */
	const char *shown; /* for messages; borrowed */
	int64_t timeout_ms; /* for the whole of connecting, then for each answer */
	bool ignore_stop;
};

#define PQ_KEYS 20 /* at most */

struct pq *pq_open(const struct pq_request *request, struct err *err);
void pq_close(struct pq *pq); /* accepts NULL; the server rolls back what is not committed */
int pq_server_version(const struct pq *pq); /* 150018 */
const char *pq_setting(
	const struct pq *pq, const char *name); /* that the server reported; or NULL */
/* One statement with parameters as text, NULL = NULL. Its rows stay until the next call. */
int pq_ask(struct pq *pq, const char *sql, const char *const *parameter, int count,
	struct err *err) MUST_CHECK;
/* Statements without parameters, separated by semicolons; all or none outside a transaction. */
int pq_run(struct pq *pq, const char *sql, struct err *err) MUST_CHECK;
int pq_rows(const struct pq *pq);
const char *pq_text(const struct pq *pq, int column); /* of the first row; NULL for NULL */
/* COPY … FROM STDIN: begin, any octets, end. */
int pq_copy_begin(struct pq *pq, const char *sql, struct err *err) MUST_CHECK;
int pq_copy_data(struct pq *pq, struct span octets, struct err *err) MUST_CHECK;
int pq_copy_end(struct pq *pq, struct err *err) MUST_CHECK;

#endif
