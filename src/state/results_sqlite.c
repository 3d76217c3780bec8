/* The database of results in a file of SQLite. */
#include "state/results_parts.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/os.h"
#include "state/db.h"

#include <errno.h>
#include <fcntl.h>

#define APPLICATION_ID 0x4d487231 /* "MHr1" */
#define POLL_MS 50 /* for a file that another run is writing */
/* Of the file's header: https://sqlite.org/fileformat2.html §1.3 */
#define HEADER_BYTES 100
#define HEADER_MARK "SQLite format 3"
#define HEADER_APPLICATION 68
#define HEADER_PAGE 16 /* 1 = 65536 */

/* Foreign keys would only work where each program asks for them. */
static const char *const schema[RESULTS_VERSION] = {
	"CREATE TABLE runs(run INTEGER PRIMARY KEY AUTOINCREMENT, command TEXT NOT NULL, version TEXT NOT NULL,"
	" began TEXT NOT NULL, ended TEXT, state TEXT NOT NULL, exit_code INTEGER) STRICT;"
	"CREATE TABLE locations(run INTEGER NOT NULL, location INTEGER NOT NULL, name TEXT NOT NULL, host TEXT, user_name TEXT,"
	" error TEXT, PRIMARY KEY(run, location)) STRICT, WITHOUT ROWID;"
	"CREATE TABLE mailboxes(run INTEGER NOT NULL, mailbox INTEGER NOT NULL, location INTEGER NOT NULL, name TEXT NOT NULL,"
	" uidvalidity INTEGER, complete INTEGER NOT NULL, messages INTEGER NOT NULL, octets INTEGER NOT NULL, announced INTEGER,"
	" error TEXT, PRIMARY KEY(run, mailbox)) STRICT, WITHOUT ROWID;"
	"CREATE TABLE messages(run INTEGER NOT NULL, mailbox INTEGER NOT NULL, uid INTEGER NOT NULL, arrived TEXT, octets INTEGER,"
	" flags TEXT, message_id TEXT, header_digest TEXT, content_digest TEXT, PRIMARY KEY(run, mailbox, uid)) STRICT, WITHOUT ROWID;"
	"CREATE TABLE findings(run INTEGER NOT NULL, finding INTEGER NOT NULL, kind TEXT NOT NULL, location INTEGER NOT NULL,"
	" mailbox INTEGER, other_mailbox INTEGER, name TEXT, what TEXT, uid INTEGER, other_uid INTEGER, reason TEXT,"
	" PRIMARY KEY(run, finding)) STRICT, WITHOUT ROWID;"
	"CREATE TRIGGER forget_run AFTER DELETE ON runs BEGIN"
	" DELETE FROM locations WHERE run = OLD.run; DELETE FROM mailboxes WHERE run = OLD.run;"
	" DELETE FROM messages WHERE run = OLD.run; DELETE FROM findings WHERE run = OLD.run; END;" RESULTS_VIEWS,
};

struct session {
	const struct results_request *request;
	struct db *db; /* NULL: there is none, and none is to be made */
	struct db_statement *insert; /* for the table under way */
};

/* What a run leaves that was killed while it made the tables: they are in the log yet. */
static bool is_blank(const char *header, const struct stat *st)
{
	static const char none[4];
	const unsigned page =
		((unsigned char)header[HEADER_PAGE] << 8) | (unsigned char)header[HEADER_PAGE + 1];

	return memcmp(header + HEADER_APPLICATION, none, sizeof(none)) == 0 &&
	       st->st_size == (page == 1 ? 65536 : (off_t)page);
}

/* Whether a file is a database, and ours, is seen before it is touched in any way: 1 = ours, 0 = there is none, or it is empty; -1 */
static int look(const struct results_request *request, struct err *err)
{
	const char *path = request->target->path;
	char header[HEADER_BYTES] = "";
	static const char mark[] = { APPLICATION_ID >> 24, (APPLICATION_ID >> 16) & 0xff,
		(APPLICATION_ID >> 8) & 0xff, APPLICATION_ID & 0xff };
	const int fd = os_open(path, O_RDONLY | O_NONBLOCK, 0);
	struct stat st;
	ssize_t got;

	if (fd < 0)
		return errno == ENOENT ? 0
				       : err_set_errno(err, ERR_LOCAL, "cannot open %s",
						 request->target->shown);
	got = os_fstat(fd, &st) < 0 ? -1 : os_pread(fd, header, sizeof(header), 0);
	if (got < 0)
		(void)err_set_errno(err, ERR_LOCAL, "cannot read %s", request->target->shown);
	(void)os_close(fd);
	if (got <= 0)
		return (int)got;
	if (got == HEADER_BYTES && memcmp(header, HEADER_MARK, sizeof(HEADER_MARK)) == 0 &&
		(memcmp(header + HEADER_APPLICATION, mark, sizeof(mark)) == 0 ||
			is_blank(header, &st)))
		return 1;
	return err_set_kind(err, ERR_LOCAL, ERR_KIND_STATE,
		"%s is no database of results: nothing in it was touched; name another file",
		request->target->shown);
}

static bool is_locked(const struct err *err)
{
	return err->retry == ERR_RETRY_NOW;
}

/* Another run writes for a moment: wait for it. */
static struct db *open_unlocked(
	const struct results_request *request, enum results_opening opening, struct err *err)
{
	const int64_t wait = opening == RESULTS_HURRY ? RESULTS_HURRY_MS
			     : request->timeout_ms    ? request->timeout_ms
						      : RESULTS_TIMEOUT_MS;
	const int64_t until = clock_ms() + wait;

	for (;;) {
		struct db *db = db_open(request->target->path, err);

		if (db && db_migrate(db, APPLICATION_ID, schema, RESULTS_VERSION, err) == 0)
			return db;
		db_close(db);
		if (!is_locked(err) || clock_ms() >= until)
			return NULL;
		if (clock_sleep(POLL_MS) < 0 && opening != RESULTS_HURRY) {
			err_clear(err);
			(void)err_set(err, ERR_STOPPED, "interrupted");
			return NULL;
		}
		err_clear(err);
	}
}

static void *session_open(
	const struct results_request *request, enum results_opening opening, struct err *err)
{
	const int there = look(request, err);
	struct session *session;
	struct db *db = NULL;

	if (there < 0)
		return NULL;
	if (there || opening != RESULTS_LOOK) {
		db = open_unlocked(request, opening, err);
		if (!db)
			return NULL;
	}
	session = mem_alloc(sizeof(*session));
	session->request = request;
	session->db = db;
	return session;
}

static void session_close(void *context)
{
	struct session *session = context;

	if (!session)
		return;
	db_close(session->db);
	mem_free(session);
}

/* One number, or -1. */
static int ask(struct session *session, const char *sql, uint64_t *out, struct err *err)
{
	struct db_statement *statement = db_prepare(session->db, sql, err);

	if (!statement || db_step(statement, err) < 0)
		return -1;
	*out = db_u64(statement, 0);
	db_reset(statement);
	return 0;
}

static int count_runs(void *context, uint64_t *out, struct err *err)
{
	struct session *session = context;

	*out = 0;
	return session->db ? ask(session, "SELECT count(*) FROM runs", out, err) : 0;
}

static int clear(void *context, struct err *err)
{
	struct session *session = context;

	db_set_durable(session->db, true);
	return db_exec(session->db, "BEGIN IMMEDIATE; DELETE FROM runs; COMMIT", err);
}

static void bind_time(struct db_statement *statement, int index, int64_t seconds)
{
	char text[32];

	db_bind_text(statement, index, results_time_text(seconds, text) ? text : NULL);
}

static int begin_run(
	void *context, const char *command, int64_t began, int64_t *run_out, struct err *err)
{
	struct session *session = context;
	struct db_statement *insert = db_prepare(session->db,
		"INSERT INTO runs(command, version, began, state) VALUES(?, ?, ?, 'unfinished')",
		err);

	if (!insert)
		return -1;
	db_set_durable(session->db, true);
	db_bind_text(insert, 1, command);
	db_bind_text(insert, 2, MAILHAUL_VERSION);
	bind_time(insert, 3, began);
	if (db_step(insert, err) < 0)
		return -1;
	*run_out = db_last_id(session->db);
	return 0;
}

static int begin(void *context, int64_t run, bool *ended_out, struct err *err)
{
	struct session *session = context;
	struct db_statement *find = db_prepare(
		session->db, "SELECT state <> 'unfinished' FROM runs WHERE run = ?", err);
	int rc;

	db_set_durable(session->db, true);
	if (!find || db_exec(session->db, "BEGIN IMMEDIATE", err) < 0)
		return -1;
	db_bind_i64(find, 1, run);
	rc = db_step(find, err);
	if (rc == 0)
		return results_run_gone(session->request, err);
	if (rc < 0)
		return -1;
	*ended_out = db_i64(find, 0) != 0;
	db_reset(find);
	return 0;
}

static int table_begin(void *context, const struct results_table *table, struct err *err)
{
	struct session *session = context;
	char sql[512];
	int used = snprintf(sql, sizeof(sql), "INSERT INTO %s(", table->name);

	for (size_t i = 0; i < table->columns; i++)
		used += snprintf(sql + used, sizeof(sql) - (size_t)used, "%s%s", i > 0 ? ", " : "",
			table->column[i].name);
	used += snprintf(sql + used, sizeof(sql) - (size_t)used, ") VALUES(");
	for (size_t i = 0; i < table->columns; i++)
		used += snprintf(sql + used, sizeof(sql) - (size_t)used, i > 0 ? ", ?" : "?");
	(void)snprintf(sql + used, sizeof(sql) - (size_t)used, ")");
	session->insert = db_prepare(session->db, sql, err);
	return session->insert ? 0 : -1;
}

static void bind_value(struct db_statement *insert, int index, enum results_type type,
	const struct results_value *value)
{
	if (value->null)
		db_bind_text(insert, index, NULL);
	else if (type == RESULTS_BYTES)
		db_bind_text(insert, index, value->bytes.data);
	else if (type == RESULTS_TIME)
		bind_time(insert, index, value->number);
	else
		db_bind_i64(insert, index, value->number);
}

static int row(void *context, const struct results_table *table, const struct results_value *value,
	struct err *err)
{
	struct session *session = context;

	for (size_t i = 0; i < table->columns; i++)
		bind_value(session->insert, (int)i + 1, table->column[i].type, &value[i]);
	return db_step(session->insert, err) < 0 ? -1 : 0;
}

static int table_end(void *context, struct err *err)
{
	(void)context, (void)err;
	return 0;
}

static int end_run(
	void *context, int64_t run, const char *state, int64_t ended, int code, struct err *err)
{
	struct session *session = context;
	struct db_statement *update = db_prepare(session->db,
		"UPDATE runs SET state = ?, ended = ?, exit_code = ? WHERE run = ?", err);

	if (!update)
		return -1;
	db_bind_text(update, 1, state);
	bind_time(update, 2, ended);
	db_bind_i64(update, 3, code);
	db_bind_i64(update, 4, run);
	if (db_step(update, err) < 0)
		return -1;
	return db_exec(session->db, "COMMIT", err);
}

const struct results_backend results_sqlite = {
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
