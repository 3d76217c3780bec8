/* The database of results in a schema of PostgreSQL. Rows go by COPY, in its binary form: nothing has to be quoted, and a message costs no round trip. */
#include "state/results_parts.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "state/pq.h"

#include <arpa/inet.h>
#include <endian.h>
#include <inttypes.h>

#define APPLICATION "mailhaul results"
#define VERSION_LEAST 100000 /* identity columns */
#define VERSION_LEAST_TEXT "10"
#define SEND_BYTES ((size_t)64 * 1024)
#define COPY_ROWS 10000 /* of one COPY: a sign of life from the server after each */
#define EPOCH_S INT64_C(946684800) /* PostgreSQL's 2000-01-01 since 1970 */
/* So that two first runs do not make the tables at once: "mailhaul" */
#define MAKING "SELECT pg_advisory_xact_lock(7881696737203680620)"

/* Steps from a version to the next, run with the schema as search path. */
static const char *const schema[RESULTS_VERSION] = {
	"CREATE TABLE about(application text NOT NULL, version integer NOT NULL);"
	"INSERT INTO about VALUES('" APPLICATION "', 0);"
	"CREATE TABLE runs(run bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, command text NOT NULL, version text NOT NULL,"
	" began timestamptz NOT NULL, ended timestamptz, state text NOT NULL, exit_code integer);"
	"CREATE TABLE locations(run bigint NOT NULL REFERENCES runs ON DELETE CASCADE, location bigint NOT NULL, name text NOT NULL,"
	" host text, user_name text, error text, PRIMARY KEY(run, location));"
	"CREATE TABLE mailboxes(run bigint NOT NULL REFERENCES runs ON DELETE CASCADE, mailbox bigint NOT NULL, location bigint NOT NULL,"
	" name text NOT NULL, uidvalidity bigint, complete boolean NOT NULL, messages bigint NOT NULL, octets bigint NOT NULL,"
	" announced bigint, error text, PRIMARY KEY(run, mailbox));"
	"CREATE TABLE messages(run bigint NOT NULL REFERENCES runs ON DELETE CASCADE, mailbox bigint NOT NULL, uid bigint NOT NULL,"
	" arrived timestamptz, octets bigint, flags text, message_id text, header_digest text, content_digest text,"
	" PRIMARY KEY(run, mailbox, uid));"
	"CREATE TABLE findings(run bigint NOT NULL REFERENCES runs ON DELETE CASCADE, finding bigint NOT NULL, kind text NOT NULL,"
	" location bigint NOT NULL, mailbox bigint, other_mailbox bigint, name text, what text, uid bigint, other_uid bigint, reason text, PRIMARY KEY(run, finding));" RESULTS_VIEWS,
};

struct session {
	const struct results_request *request;
	struct pq *pq;
	bool there; /* the tables */
	const struct results_table *table; /* under way */
	size_t rows; /* of the COPY under way */
	struct buf out;
};

static int ask(struct session *session, const char *sql, const char *parameter, struct err *err)
{
	return pq_ask(session->pq, sql, &parameter, parameter ? 1 : 0, err);
}

/* ---- the tables ---- */

/* Names in search_path follow what an administrator or other users have made: nothing but this schema may be meant. */
static int settle(struct session *session, struct err *err)
{
	const char *encoding = pq_setting(session->pq, "server_encoding");

	if (pq_server_version(session->pq) < VERSION_LEAST)
		return err_set(err, ERR_LOCAL,
			"%s: the server is older than PostgreSQL " VERSION_LEAST_TEXT,
			session->request->target->shown);
	if (!encoding || strcmp(encoding, "UTF8") != 0)
		return err_set(err, ERR_LOCAL,
			"%s: the database is not in UTF8; make another: createdb -E UTF8 -T "
			"template0 NAME",
			session->request->target->shown);
	return ask(session,
		"SELECT set_config('search_path', $1, false), set_config('client_min_messages', "
		"'warning', false),"
		" set_config('statement_timeout', '10min', false), set_config('lock_timeout', "
		"'1min', false),"
		" set_config('idle_in_transaction_session_timeout', '0', false)",
		session->request->target->schema, err);
}

static int refuse(struct session *session, struct err *err)
{
	return err_set_kind(err, ERR_LOCAL, ERR_KIND_STATE,
		"%s: the schema %s is not mailhaul's: nothing in it was touched; name another with "
		"?schema=",
		session->request->target->shown, session->request->target->schema);
}

/* *version_out: 0 = no tables yet. *schema_out: there is such a schema. */
static int read_version(
	struct session *session, int64_t *version_out, bool *schema_out, struct err *err)
{
	const char *name = session->request->target->schema;
	bool about, empty;

	*version_out = 0;
	if (ask(session,
		    "SELECT n.oid IS NOT NULL,"
		    " EXISTS(SELECT FROM pg_catalog.pg_class WHERE relnamespace = n.oid AND relname = "
		    "'about'),"
		    " NOT EXISTS(SELECT FROM pg_catalog.pg_class WHERE relnamespace = n.oid)"
		    " FROM (SELECT 1) one LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = $1",
		    name, err) < 0)
		return -1;
	*schema_out = pq_text(session->pq, 0)[0] == 't';
	about = pq_text(session->pq, 1)[0] == 't';
	empty = pq_text(session->pq, 2)[0] == 't';
	if (!about)
		return empty ? 0 : refuse(session, err);
	if (ask(session, "SELECT version FROM about WHERE application = '" APPLICATION "'", NULL,
		    err) < 0)
		return -1;
	if (pq_rows(session->pq) != 1)
		return refuse(session, err);
	*version_out = strtoll(pq_text(session->pq, 0), NULL, 10);
	if (*version_out < 1)
		return refuse(session, err);
	if (*version_out > RESULTS_VERSION)
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_STATE,
			"%s was written by a newer mailhaul (schema %" PRId64
			", known here: %d); use that one, or another ?schema=",
			session->request->target->shown, *version_out, RESULTS_VERSION);
	return 0;
}

static int make(struct session *session, struct err *err)
{
	char sql[128], number[16];
	int64_t version;
	bool schema_there;

	if (pq_run(session->pq, "BEGIN", err) < 0 || pq_run(session->pq, MAKING, err) < 0 ||
		read_version(session, &version, &schema_there, err) < 0)
		return -1;
	/* The name is of a-z, 0-9 and _ (results_target.c). Who may not make schemas can be given one. */
	(void)snprintf(sql, sizeof(sql), "CREATE SCHEMA \"%s\"", session->request->target->schema);
	if (!schema_there && pq_run(session->pq, sql, err) < 0)
		return -1;
	for (int64_t at = version; at < RESULTS_VERSION; at++)
		if (pq_run(session->pq, schema[at], err) < 0)
			return -1;
	(void)snprintf(number, sizeof(number), "%d", RESULTS_VERSION);
	if (ask(session, "UPDATE about SET version = $1::integer", number, err) < 0)
		return -1;
	return pq_run(session->pq, "COMMIT", err);
}

static int prepare(struct session *session, enum results_opening opening, struct err *err)
{
	int64_t version;
	bool schema_there;

	if (settle(session, err) < 0 || read_version(session, &version, &schema_there, err) < 0)
		return -1;
	session->there = version > 0;
	if (version == RESULTS_VERSION || opening == RESULTS_LOOK)
		return 0;
	return make(session, err);
}

static void session_close(void *context)
{
	struct session *session = context;

	if (!session)
		return;
	pq_close(session->pq);
	buf_release(&session->out);
	mem_free(session);
}

static void *session_open(
	const struct results_request *request, enum results_opening opening, struct err *err)
{
	const struct pq_request ask = {
		.key = request->target->key,
		.value = request->target->value,
		.password = request->password,
		.shown = request->target->shown,
		.timeout_ms = opening == RESULTS_HURRY ? RESULTS_HURRY_MS
			      : request->timeout_ms    ? request->timeout_ms
						       : RESULTS_TIMEOUT_MS,
		.ignore_stop = opening == RESULTS_HURRY,
	};
	struct pq *pq = pq_open(&ask, err);
	struct session *session;

	if (!pq)
		return NULL;
	session = mem_alloc(sizeof(*session));
	session->request = request;
	session->pq = pq;
	buf_init(&session->out, SIZE_MAX);
	if (prepare(session, opening, err) < 0) {
		session_close(session);
		return NULL;
	}
	return session;
}

/* ---- runs ---- */

static int count_runs(void *context, uint64_t *out, struct err *err)
{
	struct session *session = context;

	*out = 0;
	if (!session->there)
		return 0;
	if (ask(session, "SELECT count(*) FROM runs", NULL, err) < 0)
		return -1;
	*out = strtoull(pq_text(session->pq, 0), NULL, 10);
	return 0;
}

static int clear(void *context, struct err *err)
{
	struct session *session = context;

	return pq_run(session->pq, "DELETE FROM runs", err);
}

static int begin_run(
	void *context, const char *command, int64_t began, int64_t *run_out, struct err *err)
{
	struct session *session = context;
	char text[32];
	const char *parameter[] = { command, MAILHAUL_VERSION, text };

	if (!results_time_text(began, text))
		return err_set(err, ERR_LOCAL, "the clock is wrong");
	if (pq_ask(session->pq,
		    "INSERT INTO runs(command, version, began, state) VALUES($1, $2, "
		    "$3::timestamptz, 'unfinished')"
		    " RETURNING run",
		    parameter, countof(parameter), err) < 0)
		return -1;
	*run_out = strtoll(pq_text(session->pq, 0), NULL, 10);
	return 0;
}

static int begin(void *context, int64_t run, bool *ended_out, struct err *err)
{
	struct session *session = context;
	char number[24];

	(void)snprintf(number, sizeof(number), "%" PRId64, run);
	/* The lock waits for a commit whose answer was lost. */
	if (pq_run(session->pq, "BEGIN", err) < 0 ||
		ask(session,
			"SELECT state <> 'unfinished' FROM runs WHERE run = $1::bigint FOR UPDATE",
			number, err) < 0)
		return -1;
	if (pq_rows(session->pq) == 0)
		return results_run_gone(session->request, err);
	*ended_out = pq_text(session->pq, 0)[0] == 't';
	return 0;
}

static int end_run(
	void *context, int64_t run, const char *state, int64_t ended, int code, struct err *err)
{
	struct session *session = context;
	char number[24], exit_code[24], text[32];
	const char *parameter[] = { number, state, text, exit_code };

	(void)snprintf(number, sizeof(number), "%" PRId64, run);
	(void)snprintf(exit_code, sizeof(exit_code), "%d", code);
	if (!results_time_text(ended, text))
		return err_set(err, ERR_LOCAL, "the clock is wrong");
	if (pq_ask(session->pq,
		    "UPDATE runs SET state = $2, ended = $3::timestamptz, exit_code = $4::integer"
		    " WHERE run = $1::bigint",
		    parameter, countof(parameter), err) < 0)
		return -1;
	return pq_run(session->pq, "COMMIT", err);
}

/* ---- COPY: https://www.postgresql.org/docs/15/sql-copy.html, "Binary Format" ---- */

static void add_u16(struct buf *out, uint16_t value)
{
	value = htons(value);
	(void)!buf_add(out, span_make((const char *)&value, sizeof(value)));
}

static void add_u32(struct buf *out, uint32_t value)
{
	value = htonl(value);
	(void)!buf_add(out, span_make((const char *)&value, sizeof(value)));
}

static void add_i64(struct buf *out, int64_t value)
{
	const uint64_t wire = htobe64((uint64_t)value);

	add_u32(out, sizeof(wire));
	(void)!buf_add(out, span_make((const char *)&wire, sizeof(wire)));
}

static void add_value(struct buf *out, enum results_type type, const struct results_value *value)
{
	char text[32];

	if (value->null || (type == RESULTS_TIME &&
				   !results_time_text(value->number, text))) { /* no such year */
		add_u32(out, UINT32_MAX);
		return;
	}
	switch (type) {
	case RESULTS_NUMBER:
		add_i64(out, value->number);
		break;
	case RESULTS_TIME:
		add_i64(out, (value->number - EPOCH_S) * 1000000);
		break;
	case RESULTS_BOOL:
		add_u32(out, 1);
		(void)!buf_add_char(out, value->number != 0);
		break;
	case RESULTS_BYTES:
		add_u32(out, (uint32_t)value->bytes.len);
		(void)!buf_add(out, value->bytes);
		break;
	}
}

static int copy_begin(struct session *session, struct err *err)
{
	const struct results_table *table = session->table;
	char sql[512];
	int used = snprintf(sql, sizeof(sql), "COPY %s(", table->name);

	for (size_t i = 0; i < table->columns; i++)
		used += snprintf(sql + used, sizeof(sql) - (size_t)used, "%s%s", i > 0 ? ", " : "",
			table->column[i].name);
	(void)snprintf(sql + used, sizeof(sql) - (size_t)used, ") FROM STDIN (FORMAT binary)");
	session->rows = 0;
	buf_clear(&session->out);
	(void)!buf_add(&session->out, SPAN("PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0"));
	return pq_copy_begin(session->pq, sql, err);
}

static int copy_end(struct session *session, struct err *err)
{
	add_u16(&session->out, UINT16_MAX);
	if (pq_copy_data(session->pq, buf_span(&session->out), err) < 0)
		return -1;
	buf_clear(&session->out);
	return pq_copy_end(session->pq, err);
}

static int table_begin(void *context, const struct results_table *table, struct err *err)
{
	struct session *session = context;

	session->table = table;
	return copy_begin(session, err);
}

static int row(void *context, const struct results_table *table, const struct results_value *value,
	struct err *err)
{
	struct session *session = context;

	if (session->rows++ == COPY_ROWS &&
		(copy_end(session, err) < 0 || copy_begin(session, err) < 0))
		return -1;
	add_u16(&session->out, (uint16_t)table->columns);
	for (size_t i = 0; i < table->columns; i++)
		add_value(&session->out, table->column[i].type, &value[i]);
	if (session->out.len < SEND_BYTES)
		return 0;
	if (pq_copy_data(session->pq, buf_span(&session->out), err) < 0)
		return -1;
	buf_clear(&session->out);
	return 0;
}

static int table_end(void *context, struct err *err)
{
	return copy_end(context, err);
}

const struct results_backend results_postgres = {
	.open = session_open,
	.close = session_close,
	.count_runs = count_runs,
	.clear = clear,
	.begin_run = begin_run,
	.begin = begin,
	.table_begin = table_begin,
	.row = row,
	.table_end = table_end,
	.end_run = end_run,
};
