/*
 * SQLite done right in one place: opening (WAL, exclusive, private files), statements, transactions, errors.
 *
 * Owner: the caller. Threads: one at a time (the journal locks around it).
 */
#ifndef STATE_DB_H
#define STATE_DB_H

#include "base/must.h"
#include "base/span.h"

struct err;
struct db;
struct db_statement;

/*
 * Creates the file 0600 if missing. Errors are ERR_LOCAL: disk full, locked (ERR_RETRY_NOW), not a database, newer schema. In fault builds the unix VFS goes through base/os.
 * path NULL: a private temporary database that leaves nothing behind; it spills to an unlinked file rather than grow in memory.
 */
struct db *db_open(const char *path, struct err *err);
/* accepts NULL; what was committed stays, what was not is rolled back */
void db_close(struct db *db);
/*
 * Brings the file to schema version count: steps[n] is the SQL from version n to n + 1, each in a durable transaction of its own. A file of a
 * newer version, or of another application (its SQLite application_id), is refused.
 */
int db_migrate(struct db *db, uint32_t application, const char *const steps[], int count,
	struct err *err) MUST_CHECK;
const char *db_path(const struct db *db); /* "" for a temporary one */
/* For contents that cannot be: sets "PATH is damaged; …" and returns -1. */
int db_damaged(const struct db *db, struct err *err);
void db_rollback(struct db *db); /* what is not committed; nothing to roll back is no error */
int db_exec(struct db *db, const char *sql, struct err *err) MUST_CHECK;
/* kept and finalised by the db */
struct db_statement *db_prepare(struct db *db, const char *sql, struct err *err);
/* from 1; stored as int64 */
void db_bind_u64(struct db_statement *statement, int index, uint64_t value);
void db_bind_i64(struct db_statement *statement, int index, int64_t value);
/* copied; NULL = NULL */
void db_bind_text(struct db_statement *statement, int index, const char *text);
void db_bind_blob(struct db_statement *statement, int index, struct span bytes);
/* 1 = a row, 0 = done (and reset), -1 */
int db_step(struct db_statement *statement, struct err *err) MUST_CHECK;
void db_reset(struct db_statement *statement);
int64_t db_i64(struct db_statement *statement, int column); /* from 0 */
uint64_t db_u64(struct db_statement *statement, int column);
struct span db_blob(struct db_statement *statement, int column); /* borrowed until the next step */
const char *db_text(struct db_statement *statement, int column); /* NULL for NULL */
int64_t db_last_id(struct db *db);
/* synchronous=FULL for the next commits, or NORMAL */
void db_set_durable(struct db *db, bool durable);

#endif
