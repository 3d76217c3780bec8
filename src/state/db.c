/* SQLite: one connection, one user, write-ahead log without shared memory, errors in words that say what to do. */
#include "state/db.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/os.h"
#include "state/db_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sqlite3.h>
#include <unistd.h>

#define FILE_MODE 0600

struct db_statement {
	struct db *db;
	sqlite3_stmt *handle;
	struct db_statement *next;
};

struct db {
	sqlite3 *handle;
	char *path; /* "" = temporary */
	struct db_statement *statements;
	bool durable;
	int pending; /* a result code that db_set_durable() could not return: the next call does */
};

static void sqlite_start(void)
{
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); /* nobody asks, and counting takes a lock */
	sqlite3_config(SQLITE_CONFIG_URI, 0); /* a path is a path, even "file:x" */
	sqlite3_initialize();
#ifdef MAILHAUL_FAULTS
	db_fault_install();
#endif
}

static const char *shown_path(const struct db *db)
{
	return *db->path ? db->path : "the temporary journal";
}

static int db_fail_full(struct db *db, struct err *err)
{
	return err_set(err, ERR_LOCAL,
		"disk full: cannot write %s; free some space and run again to resume",
		shown_path(db));
}

/* SQLite remembers the system's reason only where it opens a file. Elsewhere errno, zero before the call, may still be that of the failure. */
static int system_reason(struct db *db, int number)
{
	static const int told[] = { ENOSPC, EDQUOT, EFBIG, EIO, EROFS, EACCES, EMFILE, ENOLCK };
	const int remembered = sqlite3_system_errno(db->handle);

	if (remembered != 0)
		return remembered;
	for (size_t i = 0; i < countof(told); i++) {
		if (told[i] == number)
			return number;
	}
	return 0;
}

static int db_fail_system(struct db *db, const char *verb, int number, struct err *err)
{
	number = system_reason(db, number);
	if (number == ENOSPC || number == EDQUOT || number == EFBIG)
		return db_fail_full(db, err);
	if (number == 0)
		return err_set(err, ERR_LOCAL, "cannot %s %s: %s", verb, shown_path(db),
			sqlite3_errmsg(db->handle));
	errno = number;
	return err_set_errno(err, ERR_LOCAL, "cannot %s %s", verb, shown_path(db));
}

int db_damaged(const struct db *db, struct err *err)
{
	return err_set_kind(err, ERR_LOCAL, ERR_KIND_STATE,
		"%s is damaged; move it away and run again: what is at the destination will be "
		"adopted",
		shown_path(db));
}

/* Returns -1. Out of memory ends the run, as everywhere (mem.h). */
static int db_fail(struct db *db, int code, struct err *err)
{
	const int number = errno;

	switch (code & 0xff) {
	case SQLITE_FULL:
		return db_fail_full(db, err);
	case SQLITE_IOERR:
		return db_fail_system(db, "read or write", number, err);
	case SQLITE_CANTOPEN:
	case SQLITE_PERM:
	case SQLITE_READONLY:
		return db_fail_system(db, "open", number, err);
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return db_damaged(db, err);
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		err_set_kind(err, ERR_LOCAL, ERR_KIND_STATE, "%s is locked by another run",
			shown_path(db));
		if (err)
			err->retry = ERR_RETRY_NOW;
		return -1;
	case SQLITE_NOMEM:
		(void)mem_array(SIZE_MAX, 1);
	}
	return err_set(err, ERR_LOCAL, "database %s: %s (%d)", shown_path(db),
		sqlite3_errmsg(db->handle), code);
}

/* SQLite would create it with the umask's mode; its log files take the mode of this one. Never opened when it exists: closing would drop SQLite's POSIX locks. */
static int make_private_file(const char *path, struct err *err)
{
	const int fd = os_open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, FILE_MODE);
	struct stat st;
	int rc = 0;

	if (fd < 0 && errno != EEXIST)
		return err_set_errno(err, ERR_LOCAL, "cannot create %s", path);
	if (fd >= 0) {
		if (fchmod(fd, FILE_MODE) < 0)
			rc = err_set_errno(err, ERR_LOCAL, "cannot make %s private", path);
		(void)os_close(fd);
		return rc;
	}
	if (os_stat(path, &st) < 0)
		return err_set_errno(err, ERR_LOCAL, "cannot examine %s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_LOCAL, "%s is not a regular file", path);
	if ((st.st_mode & (S_IRWXG | S_IRWXO)) && chmod(path, FILE_MODE) < 0)
		return err_set_errno(err, ERR_LOCAL, "cannot make %s private", path);
	return 0;
}

/*
 * Exclusive before WAL: then the log's index lives on the heap, with no -shm file beside it. The last one reads the file, and takes its lock.
 * A temporary database has nothing to roll back to, since its first error is its end.
 */
static const char file_pragmas[] = "PRAGMA locking_mode=EXCLUSIVE;"
				   "PRAGMA cache_size=-512;"
				   "PRAGMA temp_store=MEMORY;"
				   "PRAGMA mmap_size=0;"
				   "PRAGMA secure_delete=OFF;"
				   "PRAGMA cell_size_check=ON;"
				   "PRAGMA trusted_schema=OFF;"
				   "PRAGMA journal_mode=WAL;"
				   "PRAGMA synchronous=NORMAL;";
static const char temporary_pragmas[] = "PRAGMA cache_size=-512;"
					"PRAGMA temp_store=MEMORY;"
					"PRAGMA secure_delete=OFF;"
					"PRAGMA journal_mode=OFF;"
					"PRAGMA synchronous=OFF;";

/* 0, or -1 with the handle to be closed by the caller. */
static int open_handle(struct db *db, struct err *err)
{
	const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
	const bool temporary = !*db->path;
	const int rc = sqlite3_open_v2(
		db->path, &db->handle, temporary ? flags | SQLITE_OPEN_CREATE : flags, NULL);

	if (!db->handle)
		return db_fail(db, SQLITE_NOMEM, err);
	if (rc != SQLITE_OK)
		return db_fail(db, rc, err);
	if (db_exec(db, temporary ? temporary_pragmas : file_pragmas, err) < 0)
		return -1;
	if (sqlite3_db_readonly(db->handle, "main") == 1)
		return err_set(err, ERR_LOCAL, "cannot write %s: it is read-only", db->path);
	sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	return 0;
}

struct db *db_open(const char *path, struct err *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, sqlite_start);
	if (path && make_private_file(path, err) < 0)
		return NULL;

	struct db *db = mem_alloc(sizeof(*db));
	db->path = mem_strdup(path ? path : "");
	if (open_handle(db, err) < 0) {
		db_close(db);
		return NULL;
	}
	return db;
}

void db_close(struct db *db)
{
	if (!db)
		return;
	while (db->statements) {
		struct db_statement *statement = db->statements;

		db->statements = statement->next;
		sqlite3_finalize(statement->handle);
		mem_free(statement);
	}
	sqlite3_close(db->handle);
	mem_free(db->path);
	mem_free(db);
}

const char *db_path(const struct db *db)
{
	return db->path;
}

int db_exec(struct db *db, const char *sql, struct err *err)
{
	if (db->pending != SQLITE_OK)
		return db_fail(db, db->pending, err);

	errno = 0;
	const int rc = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
	return rc == SQLITE_OK ? 0 : db_fail(db, rc, err);
}

/* Straight to SQLite: a pending error is a reason for it, not an obstacle. */
void db_rollback(struct db *db)
{
	sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
}

struct db_statement *db_prepare(struct db *db, const char *sql, struct err *err)
{
	sqlite3_stmt *handle;
	const int rc =
		sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &handle, NULL);

	if (rc == SQLITE_ERROR) { /* a table or a column is missing */
		db_damaged(db, err);
		return NULL;
	}
	if (rc != SQLITE_OK) {
		db_fail(db, rc, err);
		return NULL;
	}

	struct db_statement *statement = mem_alloc(sizeof(*statement));
	*statement = (struct db_statement){ db, handle, db->statements };
	db->statements = statement;
	return statement;
}

/* A failed bind (no memory, or an index the statement does not have) must not become a wrong row. */
static void bound(struct db_statement *statement, int code)
{
	if (code != SQLITE_OK && statement->db->pending == SQLITE_OK)
		statement->db->pending = code;
}

void db_bind_u64(struct db_statement *statement, int index, uint64_t value)
{
	bound(statement, sqlite3_bind_int64(statement->handle, index, (int64_t)value));
}

void db_bind_i64(struct db_statement *statement, int index, int64_t value)
{
	bound(statement, sqlite3_bind_int64(statement->handle, index, value));
}

void db_bind_text(struct db_statement *statement, int index, const char *text)
{
	bound(statement, sqlite3_bind_text(statement->handle, index, text, -1, SQLITE_TRANSIENT));
}

void db_bind_blob(struct db_statement *statement, int index, struct span bytes)
{
	bound(statement, sqlite3_bind_blob64(statement->handle, index, bytes.data, bytes.len,
				 SQLITE_TRANSIENT));
}

int db_step(struct db_statement *statement, struct err *err)
{
	struct db *db = statement->db;

	errno = 0;
	const int rc = db->pending == SQLITE_OK ? sqlite3_step(statement->handle) : db->pending;

	if (rc == SQLITE_ROW)
		return 1;
	if (rc != SQLITE_DONE)
		db_fail(db, rc,
			err); /* before the reset, which may change what SQLite remembers of it */
	sqlite3_reset(statement->handle);
	return rc == SQLITE_DONE ? 0 : -1;
}

void db_reset(struct db_statement *statement)
{
	sqlite3_reset(statement->handle);
}

int64_t db_i64(struct db_statement *statement, int column)
{
	return sqlite3_column_int64(statement->handle, column);
}

uint64_t db_u64(struct db_statement *statement, int column)
{
	return (uint64_t)sqlite3_column_int64(statement->handle, column);
}

struct span db_blob(struct db_statement *statement, int column)
{
	const char *data = sqlite3_column_blob(statement->handle, column);

	return span_make(data, (size_t)sqlite3_column_bytes(statement->handle, column));
}

const char *db_text(struct db_statement *statement, int column)
{
	return (const char *)sqlite3_column_text(statement->handle, column);
}

int64_t db_last_id(struct db *db)
{
	return sqlite3_last_insert_rowid(db->handle);
}

/* A temporary database has nothing to be durable for. */
void db_set_durable(struct db *db, bool durable)
{
	if (durable == db->durable || !*db->path)
		return;

	const int rc = sqlite3_exec(db->handle,
		durable ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL", NULL, NULL,
		NULL);
	if (rc == SQLITE_OK)
		db->durable = durable;
	else
		db->pending = rc;
}

/* The one integer that a query gives. */
static int db_query(struct db *db, const char *sql, int64_t *out, struct err *err)
{
	sqlite3_stmt *handle;
	int rc = sqlite3_prepare_v2(db->handle, sql, -1, &handle, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(handle);
	if (rc != SQLITE_ROW)
		db_fail(db, rc == SQLITE_DONE ? SQLITE_CORRUPT : rc, err);
	else
		*out = sqlite3_column_int64(handle, 0);
	sqlite3_finalize(handle);
	return rc == SQLITE_ROW ? 0 : -1;
}

static int migrate_step(
	struct db *db, uint32_t application, const char *step, int version, struct err *err)
{
	char mark[96];

	snprintf(mark, sizeof(mark), "PRAGMA application_id=%" PRId32 "; PRAGMA user_version=%d",
		(int32_t)application, version);
	if (db_exec(db, "BEGIN IMMEDIATE", err) < 0)
		return -1;
	if (db_exec(db, step, err) < 0) {
		/* what it makes is there already, or what it changes is not: the file is not of the version it says */
		const bool other = sqlite3_errcode(db->handle) == SQLITE_ERROR;

		db_rollback(db);
		return other ? db_damaged(db, err) : -1;
	}
	if (db_exec(db, mark, err) < 0 || db_exec(db, "COMMIT", err) < 0) {
		db_rollback(db);
		return -1;
	}
	return 0;
}

int db_migrate(
	struct db *db, uint32_t application, const char *const steps[], int count, struct err *err)
{
	int64_t version, mark, objects;

	if (db_query(db, "PRAGMA user_version", &version, err) < 0 ||
		db_query(db, "PRAGMA application_id", &mark, err) < 0 ||
		db_query(db, "SELECT count(*) FROM sqlite_schema", &objects, err) < 0)
		return -1;
	const bool empty = version == 0 && mark == 0 && objects == 0;
	if (!empty && mark != (int32_t)application)
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_STATE,
			"%s was not written by mailhaul; move it away and run again",
			shown_path(db));
	if (version < 0 || (version == 0 && !empty))
		return db_damaged(db, err);
	if (version > count)
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_STATE,
			"%s was written by a newer mailhaul (schema %d, known here: %d); use that "
			"one, or move the file away",
			shown_path(db), (int)version, count);
	db_set_durable(db, true);
	for (int at = (int)version; at < count; at++) {
		os_point("db migrate");
		if (migrate_step(db, application, steps[at], at + 1, err) < 0)
			return -1;
		os_point("db migrated");
	}
	db_set_durable(db, false);
	return 0;
}
