/*
 * A journal that is killed, damaged, or out of disk at any step: what it called safe is there afterwards, and nothing crashes. Run with an
 * argument it is the victim.
 */
#include "state/journal.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/must.h"

#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char top[64];
static char dir[80];
static char progress[80]; /* a file: the highest source UID that a durable commit called safe */

static int remove_one(const char *name, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(name);
}

static void remove_tree(const char *path)
{
	nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static int set_up(void **state)
{
	(void)state;
	snprintf(top, sizeof(top), "/tmp/mailhaul-test-crash-XXXXXX");
	if (!mkdtemp(top))
		return -1;
	snprintf(dir, sizeof(dir), "%s/state", top);
	snprintf(progress, sizeof(progress), "%s/progress", top);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	remove_tree(top);
	return 0;
}

/* The expected pair of this UID. */
static struct journal_pair pair_of(uint32_t uid)
{
	static const char *const flags[] = { "", "\\Seen", "\\Answered \\Seen" };

	return (struct journal_pair){
		.src_uid = uid,
		.dst_uid = 3 * uid,
		.src_flags = flags[uid % 3],
		.dst_flags = flags[uid % 2],
		.size = 1000 + uid,
		.header = { { uid, uid } },
	};
}

#define VICTIM_PAIRS 400
#define VICTIM_GROUP 100

static void say_safe(int fd, uint32_t uid)
{
	if (pwrite(fd, &uid, sizeof(uid), 0) != sizeof(uid))
		_exit(9);
}

/* In groups: a mailbox first and durable, pairs after it, durable every second time. Returns 0, or 3 on an error that it told. */
static int work(const char *place, int fd, struct err *err)
{
	struct journal *journal = journal_open(place, "a", "b", err);
	struct journal_mailbox box = { .src_name = "x", .dst_name = "x", .src_uidvalidity = 4 };

	if (!journal)
		return 3;
	int rc = journal_put_mailbox(journal, &box, true, err);
	for (uint32_t uid = 1; uid <= VICTIM_PAIRS && rc == 0; uid++) {
		const struct journal_pair pair = pair_of(uid);
		const bool ends = uid % VICTIM_GROUP == 0;
		const bool durable = uid % (2 * VICTIM_GROUP) == 0;

		rc = journal_put_pair(journal, box.id, &pair, err);
		if (rc == 0 && ends)
			rc = journal_commit(journal, durable, err);
		if (rc == 0 && durable)
			say_safe(fd, uid);
	}
	if (journal_close(journal, rc == 0 ? err : NULL) < 0 && rc == 0)
		rc = -1;
	return rc == 0 ? 0 : 3;
}

/* A commit that has nothing to add must still bring earlier ones to the disk: 4 when that fails. */
static int work_late_sync(void)
{
	struct journal *journal = journal_open(dir, "a", "b", NULL);
	struct journal_mailbox box = { .src_name = "x", .dst_name = "x" };

	if (!journal || journal_put_mailbox(journal, &box, false, NULL) < 0 ||
		journal_commit(journal, false, NULL) < 0)
		return 3;
	return journal_commit(journal, true, NULL) < 0 ? 4 : 0;
}

static int victim(char **argv)
{
	if (strcmp(argv[2], "late") == 0) {
		snprintf(dir, sizeof(dir), "%s", argv[1]);
		_exit(work_late_sync());
	}

	struct err err = ERR_INIT;
	const int fd = open(argv[2], O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	const int rc = work(argv[1], fd, &err);

	if (rc != 0)
		fprintf(stderr, "%s\n", err.text);
	if (rc != 0 && err.scope != ERR_LOCAL)
		return 8;
	return rc;
}

/* Every pair up to some UID, at least this one, each as it was put. Returns that UID. */
static uint32_t check_safe(uint32_t safe)
{
	struct arena *arena = arena_new();
	struct err err = ERR_INIT;
	struct journal *journal = journal_open(dir, "a", "b", &err);
	struct journal_mailbox *boxes;
	struct journal_pairs pairs = { 0 };
	size_t count;

	if (!journal)
		fail_msg("after %u: %s", safe, err.text);
	assert_int_equal(journal_mailboxes(journal, arena, &boxes, &count, &err), 0);
	assert_true(count <= 1);
	if (count == 1)
		assert_int_equal(journal_pairs(journal, boxes[0].id, arena, &pairs, &err), 0);
	if (pairs.count < safe)
		fail_msg("%u were safe, %zu are there", safe, pairs.count);
	for (size_t i = 0; i < pairs.count; i++) {
		const struct journal_pair expected = pair_of((uint32_t)i + 1);

		assert_int_equal(pairs.src_uid[i], expected.src_uid);
		assert_int_equal(pairs.dst_uid[i], expected.dst_uid);
		assert_string_equal(pairs.flag_text[pairs.src_flags[i]], expected.src_flags);
		assert_string_equal(pairs.flag_text[pairs.dst_flags[i]], expected.dst_flags);
	}
	assert_int_equal(journal_close(journal, &err), 0);
	arena_free(arena);
	return (uint32_t)pairs.count;
}

static uint32_t read_safe(void)
{
	uint32_t uid = 0;
	const int fd = open(progress, O_RDONLY);

	if (fd < 0)
		return 0;
	if (read(fd, &uid, sizeof(uid)) != sizeof(uid))
		uid = 0;
	close(fd);
	return uid;
}

/* kill -9 with a group committed, not synced, and records behind it in the queue. */
static void test_killed(void **state)
{
	int status;

	(void)state;
	const pid_t child = fork();
	if (child == 0) {
		struct journal *journal = journal_open(dir, "a", "b", NULL);
		struct journal_mailbox box = { .src_name = "x", .dst_name = "x" };
		int rc = journal ? journal_put_mailbox(journal, &box, false, NULL) : -1;

		for (uint32_t uid = 1; uid <= JOURNAL_GROUP + 300 && rc == 0; uid++) {
			const struct journal_pair pair = pair_of(uid);

			rc = journal_put_pair(journal, box.id, &pair, NULL);
		}
		if (rc == 0)
			kill(getpid(), SIGKILL);
		_exit(1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(check_safe(JOURNAL_GROUP), JOURNAL_GROUP);
}

/* After the first failure nothing is taken any more, and the reason stays the same. */
static int fill_disk(void)
{
	const struct rlimit limit = { 150000, 150000 };
	struct err err = ERR_INIT;
	struct journal *journal = journal_open(dir, "a", "b", &err);
	struct journal_mailbox box = { .src_name = "x", .dst_name = "x" };
	uint32_t uid = 0;
	int rc = 0;

	signal(SIGXFSZ, SIG_IGN);
	if (!journal || journal_put_mailbox(journal, &box, true, &err) < 0 ||
		setrlimit(RLIMIT_FSIZE, &limit) < 0)
		return 1;
	while (rc == 0 && uid < 100000) {
		const struct journal_pair pair = pair_of(++uid);

		rc = journal_put_pair(journal, box.id, &pair, &err);
		if (rc == 0 && uid % 100 == 0)
			rc = journal_commit(journal, true, &err);
		if (rc == 0 && uid % 100 == 0)
			say_safe(open(progress, O_CREAT | O_WRONLY, 0600), uid);
	}
	if (rc == 0 || err.scope != ERR_LOCAL || !strstr(err.text, "disk full"))
		return 2;
	const struct journal_pair pair = pair_of(1);
	struct err later = ERR_INIT;
	if (journal_put_pair(journal, box.id, &pair, &later) == 0 ||
		strcmp(later.text, err.text) != 0)
		return 3;
	if (journal_set_status(journal, box.id, 1, JOURNAL_DONE, NULL) == 0 ||
		journal_commit(journal, false, NULL) == 0 ||
		journal_put_mailbox(journal, &box, false, NULL) == 0 ||
		journal_forget_pairs(journal, box.id, NULL) == 0)
		return 4;
	return journal_close(journal, &later) < 0 && strstr(later.text, "disk full") ? 0 : 5;
}

static void test_disk_full(void **state)
{
	int status;

	(void)state;
	const pid_t child = fork();
	if (child == 0)
		_exit(fill_disk());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	const uint32_t safe = read_safe();
	assert_true(safe >= 100);
	check_safe(safe);
}

static char *database_path(const char *suffix)
{
	struct journal *journal = journal_open(dir, "a", "b", NULL);
	char *path = malloc(200);

	assert_non_null(journal);
	assert_non_null(path);
	snprintf(path, 200, "%s%s", journal_path(journal), suffix);
	assert_int_equal(journal_close(journal, NULL), 0);
	return path;
}

static size_t read_file(const char *path, char *data, size_t room)
{
	const int fd = open(path, O_RDONLY);
	const ssize_t size = read(fd, data, room);

	assert_true(size > 0);
	close(fd);
	return (size_t)size;
}

static void write_file(const char *path, const char *data, size_t size)
{
	const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_int_equal(write(fd, data, size), size);
	close(fd);
}

/* Everything that can be done with it; only the kind of error is of interest. */
static int use(struct err *err)
{
	struct arena *arena = arena_new();
	struct journal *journal = journal_open(dir, "a", "b", err);
	struct journal_mailbox *boxes,
		box = { .src_name = "x", .dst_name = "x", .src_uidvalidity = 9 };
	const struct journal_pair pair = pair_of(77);
	size_t count = 0;
	int rc = journal ? 0 : -1;

	if (rc == 0)
		rc = journal_mailboxes(journal, arena, &boxes, &count, err);
	for (size_t i = 0; i < count && rc == 0; i++) {
		struct journal_pairs pairs;

		journal_pair_count(journal, boxes[i].id);
		rc = journal_pairs(journal, boxes[i].id, arena, &pairs, err);
		for (size_t at = 0; rc == 0 && at < pairs.count; at++) {
			assert_non_null(pairs.flag_text[pairs.src_flags[at]]);
			assert_non_null(pairs.flag_text[pairs.dst_flags[at]]);
		}
		if (rc == 0)
			rc = journal_put_pair(journal, boxes[i].id, &pair, err);
		if (rc == 0)
			rc = journal_set_status(journal, boxes[i].id, 50, JOURNAL_GONE_DST, err);
	}
	if (rc == 0)
		rc = journal_put_mailbox(journal, &box, true, err);
	if (journal_close(journal, rc == 0 ? err : NULL) < 0 && rc == 0)
		rc = -1;
	arena_free(arena);
	return rc;
}

static uint64_t random_state = 42;

static uint32_t pick(size_t below)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((random_state >> 33) % below);
}

static void damage(char *data, size_t *size)
{
	switch (pick(4)) {
	case 0:
		*size = pick(*size);
		return;
	case 1:
		for (uint32_t i = 0; i < 1 + pick(20); i++)
			data[pick(*size)] ^= (char)(1 << pick(8));
		return;
	case 2: {
		const size_t page = pick(*size / 4096) * 4096ul;
		for (size_t i = page; i < page + 4096; i++)
			data[i] = (char)pick(256);
		return;
	}
	case 3: /* a page in another's place */
		memcpy(data + pick(*size / 4096) * 4096ul, data + pick(*size / 4096) * 4096ul,
			4096);
		return;
	}
}

static void make_file(void)
{
	struct err err = ERR_INIT;
	const int fd = open(progress, O_CREAT | O_WRONLY, 0600);

	assert_int_equal(work(dir, fd, &err), 0);
	close(fd);
}

static void test_damaged(void **state)
{
	static char good[300000], bad[300000];
	int refused = 0;

	(void)state;
	make_file();
	char *path = database_path("");
	char *wal = database_path("-wal");
	const size_t good_size = read_file(path, good, sizeof(good));
	assert_true(good_size > 8 * 4096 && good_size < sizeof(good));
	for (int round = 0; round < 400; round++) {
		struct err err = ERR_INIT;
		size_t size = good_size;

		memcpy(bad, good, good_size);
		damage(bad, &size);
		write_file(path, bad, size);
		unlink(wal);
		if (use(&err) == 0)
			continue;
		refused++;
		assert_int_equal(err.scope, ERR_LOCAL);
		assert_non_null(strstr(err.text, path));
		assert_non_null(strstr(err.text, "move"));
	}
	assert_true(refused > 100);
	write_file(path, good, good_size); /* moved back: as before */
	unlink(wal);
	assert_int_equal(check_safe(VICTIM_PAIRS), VICTIM_PAIRS);
	free(wal);
	free(path);
}

/* Leaves everything in the log: groups of 50, then no close. */
static void kill_after_groups(void)
{
	int status;

	const pid_t child = fork();
	if (child == 0) {
		struct journal *journal = journal_open(dir, "a", "b", NULL);
		struct journal_mailbox box = { .src_name = "x", .dst_name = "x" };
		int rc = journal ? journal_put_mailbox(journal, &box, true, NULL) : -1;

		for (uint32_t uid = 1; uid <= VICTIM_PAIRS && rc == 0; uid++) {
			const struct journal_pair pair = pair_of(uid);

			rc = journal_put_pair(journal, box.id, &pair, NULL);
			if (rc == 0 && uid % 50 == 0)
				rc = journal_commit(journal, true, NULL);
		}
		kill(getpid(), rc == 0 ? SIGKILL : SIGTERM);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(WTERMSIG(status), SIGKILL);
}

/* A damaged log is cut where it was last whole: groups are there or not, never in part. */
static void test_damaged_log(void **state)
{
	static char file[300000], log[300000], bad[300000];
	char *path = database_path(""), *wal = database_path("-wal");

	(void)state;
	kill_after_groups();
	const size_t file_size = read_file(path, file, sizeof(file));
	const size_t log_size = read_file(wal, log, sizeof(log));
	for (int round = 0; round < 100; round++) {
		size_t size = log_size;

		memcpy(bad, log, log_size);
		damage(bad, &size);
		write_file(path, file, file_size);
		write_file(wal, bad, size);
		assert_int_equal(check_safe(0) % 50, 0);
	}
	write_file(path, file, file_size);
	write_file(wal, log, log_size);
	assert_int_equal(check_safe(VICTIM_PAIRS), VICTIM_PAIRS);
	free(wal);
	free(path);
}

#ifdef MAILHAUL_FAULTS
/* The exit status of the victim, run as a program of its own. */
static int run_victim(const char *fault, const char *count_file, char *what)
{
	char self[] = "/proc/self/exe", fault_text[128], count_text[128];
	char *argv[] = { self, dir, what, NULL };
	char *env[] = { fault_text, count_text, NULL };
	posix_spawn_file_actions_t files;
	pid_t child;
	int status;

	snprintf(fault_text, sizeof(fault_text), "MAILHAUL_FAULT=%s", fault);
	snprintf(count_text, sizeof(count_text), "%s%s",
		count_file ? "MAILHAUL_FAULT_COUNT=" : "NOTHING=", count_file ? count_file : "");
	remove_tree(dir);
	unlink(progress);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, 2, "/dev/null", O_WRONLY, 0);
	assert_int_equal(posix_spawn(&child, self, &files, NULL, argv, env), 0);
	posix_spawn_file_actions_destroy(&files);
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static unsigned count_of(const char *op)
{
	char file[96], line[128], name[64];
	unsigned count = 0, found = 0;

	snprintf(file, sizeof(file), "%s/count", top);
	assert_int_equal(run_victim("point.nothing:1:kill", file, progress), 0);
	FILE *stream = fopen(file, "r");
	assert_non_null(stream);
	while (fgets(line, sizeof(line), stream)) {
		if (sscanf(line, "%63s %u", name, &count) == 2 && strcmp(name, op) == 0)
			found = count;
	}
	fclose(stream);
	return found;
}

static void sweep(const char *op, const char *action, unsigned step)
{
	const unsigned count = count_of(op);
	char fault[64];

	assert_true(count > 0);
	for (unsigned at = 1; at <= count; at += step) {
		snprintf(fault, sizeof(fault), "%s:%u%s:%s", op, at,
			strcmp(action, "ENOSPC") == 0 ? "+" : "", action);
		const int status = run_victim(fault, NULL, progress);
		const bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
		const bool ended =
			WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 3);

		if (!killed && !ended)
			fail_msg("MAILHAUL_FAULT=%s: status %x", fault, status);
		if (strcmp(action, "kill") == 0 && !killed)
			fail_msg("MAILHAUL_FAULT=%s: lived", fault);
		check_safe(read_safe());
	}
}

static void test_late_sync(void **state)
{
	char fault[64], late[] = "late";
	int status = -1;

	(void)state;
	for (int at = 1; at < 50 && status != 0; at++) {
		const int before = status;

		snprintf(fault, sizeof(fault), "fsync:%d:EIO", at);
		status = run_victim(fault, NULL, late);
		if (status == 0)
			assert_int_equal(WEXITSTATUS(before), 4); /* the last one is its own */
	}
	assert_int_equal(status, 0);
}

static void test_faults(void **state)
{
	(void)state;
	sweep("point", "kill", 1);
	sweep("any", "kill", 7);
	sweep("any", "EIO", 7);
	sweep("any", "short", 11);
	sweep("pwrite", "ENOSPC", 5);
	sweep("fsync", "EIO", 1);
	sweep("open", "EMFILE", 1);
}
#endif

int main(int argc, char **argv)
{
	if (argc == 3)
		return victim(argv);

	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_killed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_disk_full, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_damaged, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_damaged_log, set_up, tear_down),
#ifdef MAILHAUL_FAULTS
		cmocka_unit_test_setup_teardown(test_late_sync, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_faults, set_up, tear_down),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
