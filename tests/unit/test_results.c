/* The database of results: --db as typed, and SQLite. PostgreSQL is tested against a server in tests/e2e/test_results.py; with MAILHAUL_TEST_DB=URL, here. */
#include "state/results.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/must.h"
#include "base/stop.h"
#include "state/results_parts.h"

#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64], path[96], url[128];
static struct arena *arena;

static int remove_one(const char *name, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(name);
}

static int set_up(void **state)
{
	(void)state;
	stop_init();
	arena = arena_new();
	snprintf(dir, sizeof(dir), "/tmp/mailhaul-test-results-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/results.db", dir);
	snprintf(url, sizeof(url), "sqlite:%s", path);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	stop_reset();
	arena_free(arena);
	return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static struct results_target target_of(const char *text)
{
	struct results_target target;
	struct err err = ERR_INIT;

	if (results_target_parse(text, arena, &target, &err) < 0)
		fail_msg("%s: %s", text, err.text);
	return target;
}

static const char *setting(const struct results_target *target, const char *key)
{
	for (size_t i = 0; target->key[i]; i++)
		if (strcmp(target->key[i], key) == 0)
			return target->value[i];
	return "(none)";
}

/* ---- --db ---- */

static void test_target_sqlite(void **state)
{
	static const char *const same[] = { "sqlite:a b%20?.db", "SQLite:a b%20?.db",
		"sqlite:///a b%20?.db" };

	(void)state;
	for (size_t i = 0; i < countof(same); i++) {
		struct results_target target = target_of(same[i]);

		assert_int_equal(target.kind, RESULTS_SQLITE);
		assert_string_equal(target.path, "a b%20?.db");
		assert_string_equal(target.shown, "sqlite:a b%20?.db");
	}
	assert_string_equal(target_of("sqlite:/var/x.db").path, "/var/x.db");
	assert_string_equal(target_of("sqlite:////var/x.db").path, "/var/x.db");
}

static void test_target_postgres(void **state)
{
	struct results_target target;

	(void)state;
	target = target_of("postgresql://an%40na:p%3A%2Fw@db.example:5433/mail%20s?sslmode="
			   "verify-full&sslrootcert=/x%26y&schema=m_1");
	assert_int_equal(target.kind, RESULTS_POSTGRES);
	assert_string_equal(setting(&target, "user"), "an@na");
	assert_string_equal(setting(&target, "host"), "db.example");
	assert_string_equal(setting(&target, "port"), "5433");
	assert_string_equal(setting(&target, "dbname"), "mail s");
	assert_string_equal(setting(&target, "sslmode"), "verify-full");
	assert_string_equal(setting(&target, "sslrootcert"), "/x&y");
	assert_string_equal(target.schema, "m_1");
	assert_string_equal(target.password.data, "p:/w");
	assert_string_equal(target.shown, "postgresql://an@na@db.example:5433/mail s");
	assert_false(target.exposed);

	target = target_of("postgres://[::1]:1/d");
	assert_string_equal(setting(&target, "host"), "::1");
	assert_string_equal(target.schema, "mailhaul");
	target = target_of("postgresql:///d?host=/run/postgresql");
	assert_string_equal(setting(&target, "host"), "/run/postgresql");
	target =
		target_of("postgresql://h/d?host=a&sslmode=require&sslrootcert=b&sslcert=c&sslkey=d"
			  "&channel_binding=require");
	assert_string_equal(setting(&target, "host"), "a");
}

static void test_target_tls(void **state)
{
	static const struct {
		const char *text, *mode;
		bool exposed;
	} row[] = {
		{ "postgresql:///d", "prefer", false },
		{ "postgresql://localhost/d", "prefer", false },
		{ "postgresql://127.1.2.3/d", "prefer", false },
		{ "postgresql://[::1]/d", "prefer", false },
		{ "postgresql://localhost/d?sslmode=disable", "disable", false },
		{ "postgresql://db.example/d", "require", false },
		{ "postgresql://128.0.0.1/d", "require", false },
		{ "postgresql://localhost.example/d", "require", false },
		{ "postgresql://localhost/d?host=db.example", "require", false },
		{ "postgresql://db.example/d?sslmode=prefer", "prefer", true },
		{ "postgresql://db.example/d?sslmode=disable", "disable", true },
		{ "postgresql://db.example/d?sslmode=verify-ca", "verify-ca", false },
	};

	(void)state;
	for (size_t i = 0; i < countof(row); i++) {
		struct results_target target = target_of(row[i].text);

		assert_string_equal(setting(&target, "sslmode"), row[i].mode);
		assert_int_equal(target.exposed, row[i].exposed);
	}
	setenv("PGHOST", "db.example", 1);
	{
		struct results_target target = target_of("postgresql:///d");

		assert_string_equal(setting(&target, "sslmode"), "require");
	}
	unsetenv("PGHOST");
}

static void test_target_refused(void **state)
{
	static const char *const bad[] = { "", "x.db", "sqlite:", "sqlite:///", "sqlite://x.db",
		"sqlite:///:memory:", "sqlite::memory:", "mysql://u:hunter2@h/d", "postgresql:d",
		"postgresql://h", "postgresql://h/", "postgresql://h/a/b",
		"postgresql://u:hunter2@h:x/d", "postgresql://u:hun/ter2@h/d",
		"postgresql://u:hunter2%@h/d", "postgresql://@h/d", "postgresql://u:@h/d",
		"postgresql://h:0/d", "postgresql://h:65536/d", "postgresql://a,b/d",
		"postgresql://h/d?host=a,b", "postgresql://h/d?sslmode=hunter2",
		"postgresql://h/d?password=hunter2", "postgresql://h/d?schema=X",
		"postgresql://h/d?schema=1a", "postgresql://h/d?schema=pg_x",
		"postgresql://h/d?schema=a%22b",
		"postgresql://h/d?schema=", "postgresql://h/d?schema", "postgresql://h/d%00x",
		"postgresql://h/d?service=x" };

	(void)state;
	for (size_t i = 0; i < countof(bad); i++) {
		struct err err = ERR_INIT;
		struct results_target target;

		if (results_target_parse(bad[i], arena, &target, &err) == 0)
			fail_msg("%s is taken", bad[i]);
		assert_int_equal(err.scope, ERR_LOCAL);
		assert_int_equal(err.kind, ERR_KIND_USAGE);
		assert_null(strstr(err.text, "hun"));
		assert_null(strstr(err.text, "ter2"));
	}
}

/* ---- a run ---- */

static struct results_target target;

static struct results_request request_of(const char *text)
{
	target = target_of(text);
	return (struct results_request){ .target = &target,
		.password = target.password,
		.command = "compare",
		.timeout_ms = 2000 };
}

static struct results *open_good(const char *text, bool clear)
{
	struct results_request request = request_of(text);
	struct err err = ERR_INIT;
	struct results *results;

	request.clear = clear;
	results = results_open(&request, &err);
	assert_string_equal(err.text, "");
	assert_non_null(results);
	return results;
}

static void end_good(struct results *results, int code)
{
	struct err err = ERR_INIT;

	if (results_end(results, code, &err) < 0)
		fail_msg("%s", err.text);
	results_close(results);
}

/* What a query gives, fields with '|', rows with '\n'. */
static const char *query(const char *sql)
{
	static char out[8192];
	sqlite3 *db;
	sqlite3_stmt *statement;
	size_t used = 0;

	assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
	if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
	out[0] = 0;
	while (sqlite3_step(statement) == SQLITE_ROW)
		for (int i = 0; i < sqlite3_column_count(statement); i++) {
			const unsigned char *text = sqlite3_column_text(statement, i);

			used += (size_t)snprintf(out + used, sizeof(out) - used, "%s%s",
				i > 0      ? "|"
				: used > 0 ? "\n"
					   : "",
				text ? (const char *)text : "NULL");
		}
	sqlite3_finalize(statement);
	sqlite3_close(db);
	return out;
}

static void add_all(struct results *results)
{
	const unsigned first = 1, second = 2;

	results_location(results, &(struct results_location){ .number = first,
					  .name = "imaps://anna@a.example",
					  .host = "a.example",
					  .user = "anna*admin" });
	results_location(
		results, &(struct results_location){
				 .number = second, .name = "maildir:/x", .error = "not there" });
	const uint64_t inbox =
		results_mailbox(results, &(struct results_mailbox){ .location = first,
						 .name = "INBOX",
						 .uidvalidity = 7,
						 .complete = true,
						 .messages = 2,
						 .octets = 300,
						 .announced = 2 });
	const uint64_t other =
		results_mailbox(results, &(struct results_mailbox){ .location = second,
						 .name = "a/\xc3\xa4",
						 .announced = RESULTS_UNKNOWN,
						 .error = "NO" });

	assert_int_equal(inbox, 1);
	assert_int_equal(other, 2);
	results_message(results, &(struct results_message){ .mailbox = inbox,
					 .uid = 4294967295u,
					 .arrived = 1700000000,
					 .size = 200,
					 .flags = SPAN("\\Seen $x"),
					 .message_id = SPAN("<a@b>"),
					 .header = { { 1, 0x0200000000000000 } } });
	results_message(results, &(struct results_message){ .mailbox = inbox,
					 .uid = 1,
					 .arrived = RESULTS_UNKNOWN,
					 .size = RESULTS_UNKNOWN });
	results_finding(results, &(struct results_finding){ .kind = RESULTS_MISSING,
					 .location = second,
					 .mailbox = inbox,
					 .name = "INBOX",
					 .uid = 1 });
	results_finding(results, &(struct results_finding){ .kind = RESULTS_DIFFERS,
					 .location = second,
					 .mailbox = inbox,
					 .other_mailbox = other,
					 .name = "INBOX",
					 .what = "flags date",
					 .uid = 1,
					 .other_uid = 2,
					 .text = "why" });
}

static void test_whole_run(void **state)
{
	struct results *results = open_good(url, false);
	struct stat st;

	(void)state;
	assert_int_equal(results_run(results), 1);
	assert_string_equal(query("SELECT run, command, state, ended, exit_code FROM runs"),
		"1|compare|unfinished|NULL|NULL");
	add_all(results);
	assert_string_equal(query("SELECT count(*) FROM locations"), "0");
	end_good(results, 1);
	assert_string_equal(
		query("SELECT run, command, state, began <= ended, exit_code FROM runs"),
		"1|compare|finished|1|1");
	assert_string_equal(query("SELECT * FROM locations"),
		"1|1|imaps://anna@a.example|a.example|anna|NULL\n1|2|maildir:/x|NULL|NULL|not there");
	assert_string_equal(query("SELECT * FROM mailboxes"),
		"1|1|1|INBOX|7|1|2|300|2|NULL\n1|2|2|a/\xc3\xa4|NULL|0|0|0|NULL|NO");
	assert_string_equal(query("SELECT * FROM messages"),
		"1|1|1|NULL|NULL|NULL|NULL|NULL|NULL\n"
		"1|1|4294967295|2023-11-14T22:13:20Z|200|\\Seen $x|<a@b>|"
		"01000000000000000000000000000002|NULL");
	assert_string_equal(query("SELECT * FROM findings"),
		"1|1|missing|2|1|NULL|INBOX|NULL|1|NULL|NULL\n"
		"1|2|differs|2|1|2|INBOX|flags date|1|2|why");
	assert_string_equal(query("SELECT finding, location, kind, mailbox, message_id FROM found"),
		"1|maildir:/x|missing|INBOX|NULL\n2|maildir:/x|differs|INBOX|NULL");
	assert_string_equal(query("SELECT location, mailbox, kind, number FROM differences"),
		"maildir:/x|INBOX|differs|1\nmaildir:/x|INBOX|missing|1");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void test_no_database(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	results_location(NULL, NULL);
	assert_int_equal(results_mailbox(NULL, NULL), 0);
	results_message(NULL, NULL);
	results_finding(NULL, NULL);
	assert_int_equal(results_run(NULL), 0);
	assert_int_equal(results_end(NULL, 0, &err), 0);
	results_close(NULL);
}

static void test_broken_off(void **state)
{
	struct results *results = open_good(url, false);

	(void)state;
	add_all(results);
	results_close(results);
	results = open_good(url, false);
	assert_int_equal(results_run(results), 2);
	add_all(results);
	stop_request(SIGINT);
	end_good(results, RESULTS_INTERRUPTED);
	stop_reset();
	assert_string_equal(query("SELECT run, state, ended IS NULL, exit_code FROM runs"),
		"1|unfinished|1|NULL\n2|interrupted|0|130");
	assert_string_equal(query("SELECT count(*) FROM messages"), "0");
}

static void test_interrupted_while_writing(void **state)
{
	struct results *results = open_good(url, false);
	struct err err = ERR_INIT;

	(void)state;
	add_all(results);
	stop_request(SIGINT);
	assert_int_equal(results_end(results, 0, &err), -1);
	assert_int_equal(err.scope, ERR_STOPPED);
	stop_reset();
	results_close(results);
	assert_string_equal(query("SELECT state FROM runs"), "unfinished");
	assert_string_equal(query("SELECT count(*) FROM locations"), "0");
}

static void test_hostile_texts(void **state)
{
	static char large[100001];
	struct results *results = open_good(url, false);
	const unsigned location = 1;

	(void)state;
	memset(large, 1, sizeof(large) - 1);
	results_location(results,
		&(struct results_location){ .number = location, .name = "'; DROP TABLE runs; --" });
	for (int i = 0; i < 3; i++) /* all fields as large as they get */
		results_finding(results, &(struct results_finding){ .kind = RESULTS_EXTRA,
						 .location = location,
						 .name = "",
						 .what = large,
						 .text = "" });
	results_finding(results, &(struct results_finding){ .kind = RESULTS_EXTRA,
					 .location = location,
					 .name = "\xff\x1b[31m\xe2\x80\xae",
					 .text = "b\\N\n" });
	end_good(results, 0);
	assert_string_equal(query("SELECT name FROM locations"), "'; DROP TABLE runs; --");
	assert_string_equal(query("SELECT name, reason FROM findings WHERE finding = 4"),
		"\\xFF\\x1B[31m\\u{202E}|b\\N\\x0A");
	assert_string_equal(
		query("SELECT length(what) FROM findings WHERE finding < 4 GROUP BY 1"), "16384");
}

static void test_clear_takes_only_runs(void **state)
{
	struct results_request request;
	struct err err = ERR_INIT;
	struct results *results;
	uint64_t runs = 99;

	(void)state;
	request = request_of(url);
	assert_int_equal(results_count_runs(&request, &runs, &err), 0);
	assert_int_equal(runs, 0);
	assert_int_equal(access(path, F_OK), -1); /* nothing was made */
	for (int i = 0; i < 2; i++) {
		results = open_good(url, false);
		add_all(results);
		end_good(results, 0);
	}
	query("CREATE TABLE mine(x)");
	query("INSERT INTO mine VALUES(5)");
	request = request_of(url);
	assert_int_equal(results_count_runs(&request, &runs, &err), 0);
	assert_int_equal(runs, 2);
	results = open_good(url, true);
	assert_int_equal(results_run(results), 3); /* numbers are not used again */
	add_all(results);
	end_good(results, 0);
	assert_string_equal(query("SELECT run FROM runs"), "3");
	assert_string_equal(query("SELECT DISTINCT run FROM messages"), "3");
	assert_string_equal(query("SELECT DISTINCT run FROM findings"), "3");
	assert_string_equal(query("SELECT DISTINCT run FROM mailboxes"), "3");
	assert_string_equal(query("SELECT DISTINCT run FROM locations"), "3");
	assert_string_equal(query("SELECT x FROM mine"), "5");
}

static void test_cleared_meanwhile(void **state)
{
	struct results *first = open_good(url, false), *second;
	struct err err = ERR_INIT;

	(void)state;
	add_all(first);
	second = open_good(url, true);
	assert_int_equal(results_end(first, 0, &err), -1);
	assert_non_null(strstr(err.text, "cleared"));
	results_close(first);
	end_good(second, 0);
	assert_string_equal(query("SELECT run, state FROM runs"), "2|finished");
	assert_string_equal(query("SELECT count(*) FROM messages"), "0");
}

/* A commit whose answer was lost must not write twice. */
static void test_ended_twice(void **state)
{
	struct results *results = open_good(url, false);
	struct err err = ERR_INIT;

	(void)state;
	add_all(results);
	assert_int_equal(results_end(results, 0, &err), 0);
	assert_int_equal(results_end(results, 0, &err), 0);
	results_close(results);
	assert_string_equal(query("SELECT count(*) FROM messages"), "2");
}

static void assert_refused(const char *part)
{
	struct results_request request = request_of(url);
	struct err err = ERR_INIT;

	assert_null(results_open(&request, &err));
	assert_int_equal(err.scope, ERR_LOCAL);
	if (!strstr(err.text, part))
		fail_msg("\"%s\" does not say \"%s\"", err.text, part);
}

static void put_file(const char *text, size_t len)
{
	const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	assert_int_equal(write(fd, text, len), (ssize_t)len);
	assert_int_equal(fchmod(fd, 0644), 0);
	close(fd);
}

static void test_foreign_files(void **state)
{
	static const char text[] = "root:x:0:0:root:/root:/bin/bash\n";
	struct stat st;
	sqlite3 *db;

	(void)state;
	put_file(text, sizeof(text) - 1);
	assert_refused("no database of results");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0644);
	assert_int_equal(st.st_size, sizeof(text) - 1);
	assert_int_equal(unlink(path), 0);

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "CREATE TABLE runs(run)", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	assert_refused("no database of results");
	assert_string_equal(query("SELECT count(*) FROM runs"), "0");
	assert_int_equal(unlink(path), 0);

	assert_int_equal(mkdir(path, 0700), 0);
	assert_refused("");
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_refused("");
	assert_int_equal(unlink(path), 0);
	put_file("", 0); /* mktemp makes such */
	end_good(open_good(url, false), 0);
}

static void test_newer_schema(void **state)
{
	(void)state;
	end_good(open_good(url, false), 0);
	query("PRAGMA user_version = 99");
	assert_refused("newer mailhaul");
	assert_string_equal(query("SELECT count(*) FROM runs"), "1");
}

/* A child that holds the file for a while, as another run would. */
static void test_waits_for_others(void **state)
{
	struct results_request request;
	struct results *results;
	struct err err = ERR_INIT;
	sqlite3 *db;

	(void)state;
	results = open_good(url, false);
	add_all(results);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	request = request_of(url);
	request.timeout_ms = 1;
	assert_null(results_open(&request, &err));
	assert_non_null(strstr(err.text, "locked"));
	sqlite3_close(db);
	end_good(results, 0);
}

static void *whole_run(void *context)
{
	struct err err = ERR_INIT;
	struct results_request request = {
		.target = &target, .command = "check", .timeout_ms = 20000
	};
	struct results *results = results_open(&request, &err);

	if (!results)
		return context;
	for (uint32_t uid = 1; uid <= 100; uid++)
		results_message(results, &(struct results_message){ .mailbox = 1, .uid = uid });
	if (results_end(results, 0, &err) < 0)
		return context;
	results_close(results);
	return NULL;
}

static void test_side_by_side(void **state)
{
	pthread_t thread[4];

	(void)state;
	target = target_of(url);
	for (size_t i = 0; i < countof(thread); i++)
		assert_int_equal(pthread_create(&thread[i], NULL, whole_run, dir), 0);
	for (size_t i = 0; i < countof(thread); i++) {
		void *failed;

		pthread_join(thread[i], &failed);
		assert_null(failed);
	}
	assert_string_equal(query("SELECT count(*), count(DISTINCT run) FROM messages"), "400|4");
}

static void test_many_rows(void **state)
{
	struct results *results = open_good(url, false);
	const unsigned location = 1;

	results_location(results, &(struct results_location){ .number = location, .name = "x" });
	const uint64_t mailbox = results_mailbox(
		results, &(struct results_mailbox){ .location = location, .name = "INBOX" });

	(void)state;
	for (uint32_t uid = 1; uid <= 30000; uid++) {
		char id[64];

		snprintf(id, sizeof(id), "<%u.%u@a.example>", uid, uid * 7);
		results_message(results,
			&(struct results_message){
				.mailbox = mailbox, .uid = uid, .message_id = span_of(id) });
	}
	end_good(results, 0);
	assert_string_equal(query("SELECT count(*), sum(uid), max(message_id) FROM messages"),
		"30000|450015000|<9999.69993@a.example>");
}

/* For measuring, and against a server that somebody started. */
static void test_other_database(void **state)
{
	const char *other = getenv("MAILHAUL_TEST_DB");
	const char *count = getenv("MAILHAUL_TEST_ROWS");
	struct results *results;
	uint64_t mailbox;

	(void)state;
	if (!other)
		skip();
	results = open_good(other, true);
	add_all(results);
	mailbox =
		results_mailbox(results, &(struct results_mailbox){ .location = 1, .name = "big" });
	for (uint32_t uid = 1; uid <= strtoul(count ? count : "100000", NULL, 10); uid++)
		results_message(
			results, &(struct results_message){ .mailbox = mailbox,
					 .uid = uid,
					 .message_id = SPAN("<0123456789abcdef@mail.example>"),
					 .flags = SPAN("\\Seen"),
					 .header = { { uid, 2 } } });
	const int64_t began = clock_ms();
	end_good(results, 0);
	print_message("%lld ms\n", (long long)(clock_ms() - began));
}

static void test_times(void **state)
{
	char text[32];

	(void)state;
	assert_true(results_time_text(0, text));
	assert_string_equal(text, "1970-01-01T00:00:00Z");
	assert_true(results_time_text(-62135596800, text));
	assert_string_equal(text, "0001-01-01T00:00:00Z");
	assert_false(results_time_text(-62135596801, text));
	assert_false(results_time_text(INT64_C(253402300800), text));
	assert_false(results_time_text(INT64_MAX, text));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_target_sqlite, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_target_postgres, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_target_tls, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_target_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_whole_run, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_database, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_broken_off, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_interrupted_while_writing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_hostile_texts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_clear_takes_only_runs, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_cleared_meanwhile, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_ended_twice, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_foreign_files, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_newer_schema, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_waits_for_others, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_side_by_side, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_many_rows, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_other_database, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_times, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
