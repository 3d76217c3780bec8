/* SQLite as we open it: private files, one user, migrations, and what its errors say. */
#include "state/db.h"

#include "base/err.h"
#include "base/must.h"

#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define APPLICATION 0x12345678

static const char *const steps[] = {
	"CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT) STRICT;",
	"ALTER TABLE t ADD COLUMN c BLOB;",
};

static char dir[64];
static char path[96];

static int remove_one(const char *name, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(name);
}

static int set_up(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/mailhaul-test-db-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/file:x?mode=ro.db", dir); /* no URI to us */
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static struct db *open_good(int version)
{
	struct err err = ERR_INIT;
	struct db *db = db_open(path, &err);

	assert_string_equal(err.text, "");
	assert_non_null(db);
	assert_int_equal(db_migrate(db, APPLICATION, steps, version, &err), 0);
	return db;
}

static void assert_says(const struct err *err, const char *part)
{
	if (!strstr(err->text, part))
		fail_msg("\"%s\" does not say \"%s\"", err->text, part);
	assert_int_equal(err->scope, ERR_LOCAL);
}

static void assert_mode(const char *name, mode_t mode)
{
	struct stat st;

	assert_int_equal(stat(name, &st), 0);
	assert_int_equal(st.st_mode & 0777, mode);
}

static void test_values(void **state)
{
	static const char bytes[] = { 'x', 0, 'y', (char)0xff };
	struct err err = ERR_INIT;
	struct db *db = open_good(2);
	struct db_statement *add = db_prepare(db, "INSERT INTO t VALUES(?1, ?2, ?3)", &err);
	struct db_statement *list = db_prepare(db, "SELECT a, b, c FROM t ORDER BY a", &err);

	(void)state;
	assert_non_null(add);
	assert_non_null(list);
	db_bind_u64(add, 1, UINT64_MAX - 1);
	db_bind_text(add, 2, NULL);
	db_bind_blob(add, 3, span_make(bytes, sizeof(bytes)));
	assert_int_equal(db_step(add, &err), 0);
	db_bind_i64(add, 1, 7);
	db_bind_text(add, 2, "sëven");
	assert_int_equal(db_step(add, &err), 0);
	assert_int_equal(db_last_id(db), 7);

	assert_int_equal(db_step(list, &err), 1);
	assert_true(db_u64(list, 0) == UINT64_MAX - 1);
	assert_int_equal(db_i64(list, 0), -2);
	assert_null(db_text(list, 1));
	assert_true(span_equal(db_blob(list, 2), span_make(bytes, sizeof(bytes))));
	assert_int_equal(db_step(list, &err), 1);
	assert_string_equal(db_text(list, 1), "sëven");
	assert_int_equal(db_step(list, &err), 0);
	assert_int_equal(db_step(list, &err), 1); /* done was reset: from the start */
	db_reset(list);

	assert_int_equal(db_exec(db, "BEGIN; DELETE FROM t", &err), 0);
	db_rollback(db);
	db_rollback(db);
	assert_int_equal(db_step(list, &err), 1);
	db_reset(list);

	assert_int_equal(db_exec(db, "no SQL", &err), -1);
	assert_says(&err, "syntax error");
	assert_null(db_prepare(db, "SELECT nothing", &err));
	db_bind_u64(add, 9, 1); /* no such index: must not go unseen */
	assert_int_equal(db_step(list, &err), -1);
	db_close(db);
	db_close(NULL);
}

static void test_private(void **state)
{
	static const mode_t umasks[] = { 0, 022, 077, 0777 };
	char wal[128];

	(void)state;
	snprintf(wal, sizeof(wal), "%s-wal", path);
	for (size_t i = 0; i < countof(umasks); i++) {
		const mode_t before = umask(umasks[i]);
		struct db *db = open_good(2);

		umask(before);
		assert_mode(path, 0600);
		assert_mode(wal, 0600);
		snprintf(wal, sizeof(wal), "%s-shm", path);
		assert_int_equal(access(wal, F_OK), -1);
		snprintf(wal, sizeof(wal), "%s-wal", path);
		db_close(db);
		assert_int_equal(access(wal, F_OK), -1);
		assert_int_equal(unlink(path), 0);
	}

	db_close(open_good(1));
	assert_int_equal(chmod(path, 0644), 0);
	db_close(open_good(1));
	assert_mode(path, 0600);
}

static void test_migrate(void **state)
{
	const char *const three[] = { steps[0], steps[1],
		"CREATE TABLE u(a); INSERT INTO nowhere VALUES(1);" };
	struct err err = ERR_INIT;
	struct db *db = open_good(1);

	(void)state;
	assert_int_equal(db_exec(db, "INSERT INTO t VALUES(1, 'kept')", &err), 0);
	db_close(db);
	db = open_good(2);
	assert_int_equal(db_exec(db, "UPDATE t SET c = x'00' WHERE b = 'kept'", &err), 0);
	assert_int_equal(
		db_migrate(db, APPLICATION, three, 3, &err), -1); /* all of a step or nothing */
	assert_null(db_prepare(db, "SELECT * FROM u", NULL));
	db_close(db);
	db = open_good(2);
	assert_int_equal(db_migrate(db, APPLICATION, steps, 1, &err), -1);
	assert_says(&err, "newer mailhaul (schema 2, known here: 1)");
	assert_int_equal(db_migrate(db, APPLICATION + 1, steps, 2, &err), -1);
	assert_says(&err, "not written by mailhaul");
	db_close(db);

	assert_int_equal(unlink(path), 0);
	db = db_open(path, &err);
	assert_non_null(db);
	assert_int_equal(db_exec(db, "CREATE TABLE others(a)", &err), 0);
	assert_int_equal(db_migrate(db, APPLICATION, steps, 2, &err), -1);
	assert_says(&err, "not written by mailhaul");
	db_close(db);
}

static void test_locked(void **state)
{
	struct err err = ERR_INIT;
	struct db *db = open_good(2);
	int status;

	(void)state;
	assert_null(db_open(path, &err));
	assert_says(&err, "locked by another run");
	const pid_t child = fork(); /* POSIX locks are not inherited */
	if (child == 0) {
		struct err own = ERR_INIT;

		_exit(!db_open(path, &own) && strstr(own.text, "locked by another run") ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	db_close(db);
	db_close(open_good(2));
}

static void test_not_a_database(void **state)
{
	struct err err = ERR_INIT;
	char text[4096];
	const int fd = open(path, O_CREAT | O_WRONLY, 0600);

	(void)state;
	memset(text, 'x', sizeof(text));
	assert_int_equal(write(fd, text, sizeof(text)), sizeof(text));
	close(fd);
	assert_null(db_open(path, &err));
	assert_says(&err, "is damaged; move it away and run again");
	assert_says(&err, path);

	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_null(db_open(path, &err));
	assert_says(&err, "not a regular file");
	assert_int_equal(rmdir(path), 0);

	snprintf(text, sizeof(text), "%s/nowhere/x.db", dir);
	assert_null(db_open(text, &err));
	assert_says(&err, "No such file");
}

/* The limit is the process's: a child's own. */
static int fill_disk(void)
{
	const struct rlimit limit = { 200000, 200000 };
	struct err err = ERR_INIT;
	struct db *db = db_open(path, &err);
	int rc = 0;

	signal(SIGXFSZ, SIG_IGN);
	if (!db || setrlimit(RLIMIT_FSIZE, &limit) < 0)
		return 1;
	for (int i = 0; i < 1000 && rc == 0; i++)
		rc = db_exec(db, "INSERT INTO t(b) VALUES(hex(randomblob(3000)))", &err);
	if (rc == 0 || err.scope != ERR_LOCAL)
		return 2;
	if (!strstr(err.text, "disk full: ") || !strstr(err.text, path) ||
		!strstr(err.text, "run again"))
		return 3;
	db_close(db);
	return 0;
}

static void test_disk_full(void **state)
{
	int status;

	(void)state;
	db_close(open_good(2));
	const pid_t child = fork();
	if (child == 0)
		_exit(fill_disk());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	struct err err = ERR_INIT;
	struct db *db = open_good(2);
	struct db_statement *list = db_prepare(db, "SELECT b FROM t", &err);
	int rows = 0;
	while (db_step(list, &err) > 0) {
		assert_int_equal(db_blob(list, 0).len, 6000);
		rows++;
	}
	assert_string_equal(err.text, "");
	assert_true(rows > 10);
	db_close(db);
}

static void test_temporary(void **state)
{
	struct err err = ERR_INIT;
	struct db *db = db_open(NULL, &err);

	(void)state;
	assert_non_null(db);
	assert_string_equal(db_path(db), "");
	assert_int_equal(db_migrate(db, APPLICATION, steps, 2, &err), 0);
	db_set_durable(db, true);
	assert_int_equal(db_exec(db,
				 "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
				 "WHERE i < 20000)"
				 " INSERT INTO t SELECT i, hex(randomblob(50)), NULL FROM n",
				 &err),
		0);
	struct db_statement *count = db_prepare(db, "SELECT count(*), sum(length(b)) FROM t", &err);
	assert_int_equal(db_step(count, &err), 1);
	assert_int_equal(db_i64(count, 0), 20000);
	assert_int_equal(db_i64(count, 1), 2000000);
	db_close(db);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_values, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_private, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_migrate, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_locked, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_not_a_database, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_disk_full, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_temporary, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
