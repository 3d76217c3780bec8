/* libpq without blocking: send, flush, wait, read, with one loop for all of it. */
#include "state/pq.h"

#include "base/clock.h"
#include "base/dynamic.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/must.h"
#include "base/os.h"
#include "base/stop.h"
#include "base/text.h"

#include <libpq-fe.h>
#include <poll.h>
#include <pthread.h>

#define LIBRARY "libpq.so.5"

/* clang-format off */
#define LIBRARY_CALLS(X) \
	X(PQclear) \
	X(PQcmdStatus) \
	X(PQconnectPoll) \
	X(PQconnectStartParams) \
	X(PQconnectionNeedsPassword) \
	X(PQconsumeInput) \
	X(PQerrorMessage) \
	X(PQfinish) \
	X(PQflush) \
	X(PQgetResult) \
	X(PQgetisnull) \
	X(PQgetvalue) \
	X(PQinitOpenSSL) \
	X(PQisBusy) \
	X(PQntuples) \
	X(PQparameterStatus) \
	X(PQputCopyData) \
	X(PQputCopyEnd) \
	X(PQresultErrorField) \
	X(PQresultStatus) \
	X(PQsendQuery) \
	X(PQsendQueryParams) \
	X(PQserverVersion) \
	X(PQsetNoticeProcessor) \
	X(PQsetnonblocking) \
	X(PQsocket) \
	X(PQstatus)
/* clang-format on */

static struct {
#define DECLARE(name) __typeof__(&(name)) name; /* NOLINT(bugprone-macro-parentheses): a name */
	LIBRARY_CALLS(DECLARE)
#undef DECLARE
	bool loaded;
} library;

struct pq {
	struct pq_request request; /* of which the password is gone */
	PGconn *conn;
	PGresult *result; /* of the last pq_ask() */
};

static void load_library(void)
{
	static const struct dynamic_call calls[] = {
#define CALL(name) DYNAMIC_CALL(library, name),
		LIBRARY_CALLS(CALL)
#undef CALL
	};

	library.loaded = dynamic_load(LIBRARY, calls, countof(calls));
	if (library.loaded)
		library.PQinitOpenSSL(0, 0); /* this program has done so */
}

static int need_library(struct err *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, load_library);
	if (library.loaded)
		return 0;
	return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
		"PostgreSQL needs libpq (%s, Debian's libpq5), which is not installed", LIBRARY);
}

/* ---- errors ---- */

static int again(struct err *err)
{
	if (err)
		err->retry = ERR_RETRY_NOW;
	return -1;
}

/* libpq's text of several lines as one, without the file names and hints of its last lines. */
static void one_line(const char *text, char out[TEXT_SHOWN])
{
	char line[512];
	size_t len = 0;

	for (; *text && len + 2 < sizeof(line); text++) {
		if (*text != '\n')
			line[len++] = *text == '\t' ? ' ' : *text;
		else if (text[1]) {
			line[len++] = ';';
			line[len++] = ' ';
		}
	}
	text_shown(span_make(line, len), out);
}

static int fail_connection(struct pq *pq, struct err *err)
{
	char shown[TEXT_SHOWN];

	one_line(library.PQerrorMessage(pq->conn), shown);
	(void)err_set(err, ERR_LOCAL, "%s: %s%s", pq->request.shown, shown,
		library.PQconnectionNeedsPassword(pq->conn)
			? " (--db-pass-file, --db-pass-cmd or --db-pass-env say where it is)"
			: "");
	return again(err);
}

/* What is worth trying again: lost connections, servers that start or stop, deadlocks (https://www.postgresql.org/docs/15/errcodes-appendix.html). */
static bool is_passing(const char *state)
{
	static const char *const passing[] = { "08", "40", "57P" };

	for (size_t i = 0; i < countof(passing); i++)
		if (strncmp(state, passing[i], strlen(passing[i])) == 0)
			return true;
	return false;
}

static int fail_result(struct pq *pq, const PGresult *result, struct err *err)
{
	const char *state = library.PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *text = library.PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	char shown[TEXT_SHOWN];

	if (!state || !text || library.PQstatus(pq->conn) == CONNECTION_BAD)
		return fail_connection(pq, err);
	one_line(text, shown);
	(void)err_set(err, ERR_LOCAL, "%s: %s", pq->request.shown, shown);
	return is_passing(state) ? again(err) : -1;
}

static int fail_order(struct pq *pq, struct err *err)
{
	return err_set(err, ERR_LOCAL, "%s: the server answered out of order", pq->request.shown);
}

/* Notices would go to standard error as they are. */
static void take_notice(void *context, const char *text)
{
	const struct pq *pq = context;
	char shown[TEXT_SHOWN];

	one_line(text, shown);
	log_debug("%s: %s", pq->request.shown, shown);
}

/* ---- waiting ---- */

static int wait_for(struct pq *pq, short events, int64_t until, struct err *err)
{
	struct pollfd fds[] = { { library.PQsocket(pq->conn), events, 0 },
		{ pq->request.ignore_stop ? -1 : stop_fd(), POLLIN, 0 } };
	const int64_t left = until - clock_ms();
	int rc;

	if (!pq->request.ignore_stop && stop_check(err) < 0)
		return -1;
	rc = left > 0 ? os_poll(fds, countof(fds), (int)(left < INT32_MAX ? left : INT32_MAX)) : 0;
	if (rc < 0)
		return err_set_errno(err, ERR_LOCAL, "%s: cannot wait for it", pq->request.shown);
	if (rc > 0)
		return !pq->request.ignore_stop && stop_requested() ? stop_check(err) : 0;
	(void)err_set(err, ERR_LOCAL, "%s: no answer for %lld s", pq->request.shown,
		(long long)(pq->request.timeout_ms / 1000));
	return again(err);
}

static int64_t deadline(const struct pq *pq)
{
	return clock_ms() + pq->request.timeout_ms;
}

/* Until everything is with the system. */
static int flush(struct pq *pq, struct err *err)
{
	int rc;

	while ((rc = library.PQflush(pq->conn)) > 0) {
		if (wait_for(pq, POLLIN | POLLOUT, deadline(pq), err) < 0)
			return -1;
		if (!library.PQconsumeInput(pq->conn))
			return fail_connection(pq, err);
	}
	return rc < 0 ? fail_connection(pq, err) : 0;
}

/* The next result, NULL = no more. */
static int next_result(struct pq *pq, PGresult **out, struct err *err)
{
	const int64_t until = deadline(pq);

	while (library.PQisBusy(pq->conn)) {
		if (wait_for(pq, POLLIN, until, err) < 0)
			return -1;
		if (!library.PQconsumeInput(pq->conn))
			return fail_connection(pq, err);
	}
	*out = library.PQgetResult(pq->conn);
	return 0;
}

/* All results of what was sent; the last one is kept. -1: the first that failed. */
static int take_results(struct pq *pq, struct err *err)
{
	PGresult *result;
	int rc = 0;

	library.PQclear(pq->result);
	pq->result = NULL;
	for (;;) {
		if (next_result(pq, &result, err) < 0)
			return -1;
		if (!result)
			break;

		const ExecStatusType status = library.PQresultStatus(result);
		const bool good = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
		if (rc == 0 && !good)
			rc = fail_result(pq, result, err);
		library.PQclear(pq->result);
		pq->result = result;
		if (!good && library.PQstatus(pq->conn) == CONNECTION_BAD)
			break;
	}
	return rc == 0 && !pq->result ? fail_order(pq, err) : rc;
}

/* ---- the interface ---- */

static int finish_connecting(struct pq *pq, struct err *err)
{
	const int64_t until = deadline(pq);
	PostgresPollingStatusType status = PGRES_POLLING_WRITING;

	while (library.PQstatus(pq->conn) != CONNECTION_BAD && status != PGRES_POLLING_OK &&
		status != PGRES_POLLING_FAILED) {
		const short events = status == PGRES_POLLING_READING ? POLLIN : POLLOUT;

		if (wait_for(pq, events, until, err) < 0)
			return -1;
		status = library.PQconnectPoll(pq->conn);
	}
	if (library.PQstatus(pq->conn) != CONNECTION_OK || status != PGRES_POLLING_OK)
		return fail_connection(pq, err);
	library.PQsetNoticeProcessor(pq->conn, take_notice, pq);
	return library.PQsetnonblocking(pq->conn, 1) < 0 ? fail_connection(pq, err) : 0;
}

static void start_connecting(struct pq *pq)
{
	const struct pq_request *request = &pq->request;
	const char *key[PQ_KEYS + 4] = { NULL }, *value[PQ_KEYS + 4] = { NULL };
	char *password = NULL;
	size_t count = 0;

	for (; request->key[count] && count < PQ_KEYS; count++) {
		key[count] = request->key[count];
		value[count] = request->value[count];
		if (strcmp(key[count], "sslkey") ==
			0) { /* else OpenSSL would ask on the terminal */
			key[PQ_KEYS] = "sslpassword";
			value[PQ_KEYS] = "-";
		}
	}
	key[count] = key[PQ_KEYS];
	value[count] = value[PQ_KEYS];
	count += key[PQ_KEYS] != NULL;
	key[PQ_KEYS] = NULL;
	if (request->password.len > 0) {
		password = mem_alloc(request->password.len + 1);
		memcpy(password, request->password.data, request->password.len);
		key[count] = "password";
		value[count++] = password;
	}
	pq->conn = library.PQconnectStartParams(key, value, 0);
	if (password)
		explicit_bzero(password, request->password.len);
	mem_free(password);
	pq->request.password = SPAN("");
}

struct pq *pq_open(const struct pq_request *request, struct err *err)
{
	struct pq *pq;

	if (need_library(err) < 0)
		return NULL;
	pq = mem_alloc(sizeof(*pq));
	pq->request = *request;
	start_connecting(pq);
	if (!pq->conn)
		(void)mem_array(SIZE_MAX, 1); /* no memory, which ends the run as everywhere */
	if (finish_connecting(pq, err) < 0) {
		pq_close(pq);
		return NULL;
	}
	return pq;
}

void pq_close(struct pq *pq)
{
	if (!pq)
		return;
	library.PQclear(pq->result);
	library.PQfinish(pq->conn);
	mem_free(pq);
}

int pq_server_version(const struct pq *pq)
{
	return library.PQserverVersion(pq->conn);
}

const char *pq_setting(const struct pq *pq, const char *name)
{
	return library.PQparameterStatus(pq->conn, name);
}

int pq_ask(struct pq *pq, const char *sql, const char *const *parameter, int count, struct err *err)
{
	if (!library.PQsendQueryParams(pq->conn, sql, count, NULL, parameter, NULL, NULL, 0))
		return fail_connection(pq, err);
	if (flush(pq, err) < 0)
		return -1;
	return take_results(pq, err);
}

int pq_run(struct pq *pq, const char *sql, struct err *err)
{
	if (!library.PQsendQuery(pq->conn, sql))
		return fail_connection(pq, err);
	if (flush(pq, err) < 0 || take_results(pq, err) < 0)
		return -1;
	/* COMMIT of a transaction that failed is a ROLLBACK, and no error. */
	if (strcmp(sql, "COMMIT") == 0 && strcmp(library.PQcmdStatus(pq->result), "COMMIT") != 0)
		return err_set(
			err, ERR_LOCAL, "%s: the transaction was rolled back", pq->request.shown);
	return 0;
}

int pq_rows(const struct pq *pq)
{
	return library.PQntuples(pq->result);
}

const char *pq_text(const struct pq *pq, int column)
{
	return library.PQgetisnull(pq->result, 0, column)
		       ? NULL
		       : library.PQgetvalue(pq->result, 0, column);
}

int pq_copy_begin(struct pq *pq, const char *sql, struct err *err)
{
	PGresult *result = NULL;
	int rc = 0;

	if (!library.PQsendQuery(pq->conn, sql))
		return fail_connection(pq, err);
	if (flush(pq, err) < 0 || next_result(pq, &result, err) < 0)
		return -1;
	if (!result)
		return fail_order(pq, err);
	if (library.PQresultStatus(result) != PGRES_COPY_IN)
		rc = fail_result(pq, result, err);
	library.PQclear(result);
	return rc;
}

int pq_copy_data(struct pq *pq, struct span octets, struct err *err)
{
	if (library.PQputCopyData(pq->conn, octets.data, (int)octets.len) < 0)
		return fail_connection(pq, err);
	return flush(pq, err);
}

int pq_copy_end(struct pq *pq, struct err *err)
{
	int rc;

	while ((rc = library.PQputCopyEnd(pq->conn, NULL)) == 0) /* would block */
		if (wait_for(pq, POLLOUT, deadline(pq), err) < 0)
			return -1;
	if (rc < 0)
		return fail_connection(pq, err);
	if (flush(pq, err) < 0)
		return -1;
	return take_results(pq, err);
}
