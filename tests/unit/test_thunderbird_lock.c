/* Nothing is written into a profile while a Thunderbird has it open; what a crash of it left behind is no lock. */
#include "files_fixture.h"

#include "store/thunderbird_lock.h"

#include <sys/stat.h>
#include <sys/wait.h>

#define MAIL "profile/Mail/Local Folders"
#define BODY "Subject: a\r\n\r\nbody\r\n"

/* As another process would: its lock is not given up when this one closes the file. */
static int lock(const struct files *files, const char *name)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	const int fd = open(files_path(files, name), O_RDWR | O_CREAT, 0600);

	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &whole), 0);
	return fd;
}

static pid_t dead_process(void)
{
	const pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	return pid;
}

static void test_profiles(void **state)
{
	const struct {
		const char *address;
		pid_t pid;
		int open;
	} links[] = {
		{ "127.0.0.1:", getpid(), -1 },
		{ "127.0.0.1:+", getpid(), 0 }, /* the other lock is what counts */
		{ "127.0.0.1:", dead_process(), 0 },
		{ "", getpid(), 0 },
	};
	struct files files;
	struct err err = ERR_INIT;

	(void)state;
	files_open(&files, "thunderbird:%s/" MAIL);
	files_make(&files, "Work/Old");
	for (int below = 0; below < 2; below++) {
		const int dir = open(files_path(&files, below ? MAIL "/Work.sbd" : MAIL),
			O_RDONLY | O_DIRECTORY);
		int fd;

		assert_int_equal(thunderbird_check_closed(dir, "mail", &err), 0);
		fd = lock(&files, "profile/.parentlock");
		assert_int_equal(thunderbird_check_closed(dir, "mail", &err), -1);
		assert_true(err.scope == ERR_LOCAL && err.kind == ERR_KIND_SAFETY);
		close(fd); /* the file stays, as it does */
		assert_int_equal(thunderbird_check_closed(dir, "mail", &err), 0);
		for (size_t i = 0; i < countof(links); i++) {
			const char *to = arena_print(
				files.arena, "%s%ld", links[i].address, (long)links[i].pid);

			assert_int_equal(symlink(to, files_path(&files, "profile/lock")), 0);
			assert_int_equal(
				thunderbird_check_closed(dir, "mail", &err), links[i].open);
			assert_int_equal(unlink(files_path(&files, "profile/lock")), 0);
		}
		close(dir);
	}
	files_close(&files);
}

/* How many are stored, or -1. */
static int append(struct files *files, struct err *err)
{
	const struct date date = { .instant = 1700000000 };
	struct append_result result;
	int rc, stored = 0;

	if (store_append_to(files->store, "A", err) < 0 ||
		store_append_begin(files->store, 0, 0, date, strlen(BODY), err) < 0 ||
		store_append_add(files->store, SPAN(BODY), err) < 0 ||
		store_append_end(files->store, err) < 0)
		return -1;
	while ((rc = store_append_settle(files->store, true, &result, err)) > 0)
		stored += result.outcome == APPEND_STORED;
	return rc < 0 ? -1 : stored;
}

/* Started in the middle of a run, too. */
static void test_started_meanwhile(void **state)
{
	struct files files;
	struct err err = ERR_INIT;
	struct stat before, after;
	bool changed;
	int fd;

	(void)state;
	files_open(&files, "thunderbird:%s/" MAIL);
	files_make(&files, "A");
	assert_int_equal(append(&files, &err), 1);
	assert_int_equal(stat(files_path(&files, MAIL "/A"), &before), 0);
	fd = lock(&files, "profile/.parentlock");
	assert_int_equal(append(&files, &err), -1);
	assert_int_equal(err.scope, ERR_LOCAL);
	store_append_drop(files.store);
	assert_int_equal(store_create(files.store, "B", STORE_USE_NONE, &changed, &err), -1);
	assert_int_equal(store_rename_mailbox(files.store, "A", "B", &err), -1);
	assert_int_equal(store_remove_mailbox(files.store, "A", &err), -1);
	assert_int_equal(store_subscribe(files.store, "A", true, &err), -1);
	assert_int_equal(stat(files_path(&files, MAIL "/A"), &after), 0);
	assert_true(before.st_size == after.st_size && before.st_ino == after.st_ino);
	assert_int_not_equal(access(files_path(&files, MAIL "/B"), F_OK), 0);
	close(fd);
	err_clear(&err);
	assert_int_equal(append(&files, &err), 1);
	assert_int_equal(stat(files_path(&files, MAIL "/A"), &after), 0);
	assert_true(after.st_size > before.st_size);
	files_close(&files);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_profiles),
		cmocka_unit_test(test_started_meanwhile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
