/*
 * What all kinds of files promise alike, through store.h: a message of another length than announced is not kept; with the disk full, a directory that may not be written
 * or the program killed from any call on, what was told as stored is there once, nothing half is seen, and the next run goes on; others deliver and lock meanwhile.
 */
#include "base/arena.h"
#include "base/clock.h"
#include "base/mem.h"
#include "store/store.h"

#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define MESSAGES 3

static const char *const kinds[] = { "maildir:%s/mail", "eml:%s/mail", "mbox:%s/mail",
	"mbox:%s/mail?variant=mboxrd,status", "mbox:%s/mail?ext=mbox.gz", "thunderbird:%s/mail" };

static const char *const bodies[MESSAGES] = { "Subject: one\r\nStatus: O\r\n\r\nFrom here\r\n",
	"Subject: two\r\n\r\n>From there\r\n\r\n", "Subject: three\r\n\r\nno end" };

struct place {
	struct arena *arena;
	struct account *account;
	struct store *store;
	char top[64];
};

static void new_top(struct place *place)
{
	/* in memory: the disk's fsync is most of the time else */
	snprintf(place->top, sizeof(place->top), "%s/mailhaul-files-XXXXXX",
		access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	assert_non_null(mkdtemp(place->top));
}

static int drop_one(const char *path, const struct stat *st, int type, struct FTW *walk)
{
	(void)st;
	(void)type;
	(void)walk;
	return remove(path);
}

static void drop_top(const struct place *place)
{
	assert_int_equal(nftw(place->top, drop_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static int open_place(struct place *place, const char *how, struct err *err)
{
	const char *percent = strstr(how, "%s");
	struct account_request request = { .role = "dst" };
	const struct store_request wanted = { .state_dir = place->top, .will_write = true };

	place->arena = arena_new();
	request.location = arena_print(
		place->arena, "%.*s%s%s", (int)(percent - how), how, place->top, percent + 2);
	place->account = account_new(&request, err);
	place->store = place->account ? store_open(place->account, &wanted, err) : NULL;
	return place->store ? 0 : -1;
}

static void close_place(struct place *place)
{
	store_close(place->store);
	account_free(place->account);
	arena_free(place->arena);
}

static int append(
	struct place *place, uint64_t token, const char *body, size_t announced, struct err *err)
{
	const struct date date = { .instant = 1700000000, .zone = 60 };
	const struct span text = span_of(body);

	if (store_append_begin(place->store, token, 0, date, announced, err) < 0 ||
		store_append_add(place->store, span_sub(text, 0, 10), err) < 0 ||
		store_append_add(place->store, span_from(text, 10), err) < 0)
		return -1;
	return store_append_end(place->store, err);
}

/* How often each of the messages is there, octet by octet; what is none of them fails. A mailbox that does not exist has none. */
static void look(struct place *place, const char *how, unsigned count[MESSAGES])
{
	struct err err = ERR_INIT;
	struct box *box = store_open_box(place->store, "A", STORE_READ, &err);
	struct box_scan scan = { 0 };
	struct uidset unknown = { 0 };
	struct message message;
	struct snapshot rows;
	struct span chunk;

	memset(count, 0, MESSAGES * sizeof(*count));
	if (!box)
		return;
	snapshot_init(&rows, false);
	if (box_scan(box, &scan, &rows, place->arena, &unknown, &err) < 0 || !rows.complete)
		fail_msg("%s: %s", how, err.text);
	for (size_t i = 0; i < rows.count; i++) {
		struct uidset one = { 0 };
		struct buf text;
		size_t which = 0;

		uidset_add(&one, place->arena, rows.uid[i], rows.uid[i]);
		buf_init(&text, 4096);
		assert_int_equal(box_fetch_ask(box, &one, 0, &err), 0);
		assert_int_equal(box_fetch_next(box, &message, &err), 1);
		assert_int_equal(message.outcome, MESSAGE_HERE);
		while (box_fetch_chunk(box, &chunk, &err) > 0)
			assert_int_equal(buf_add(&text, chunk), 0);
		while (which < MESSAGES && !span_equal_text(buf_span(&text), bodies[which]))
			which++;
		if (which == MESSAGES)
			fail_msg("%s: a message is [%.*s]", how, (int)text.len, text.data);
		count[which]++;
		buf_release(&text);
		assert_int_equal(box_fetch_next(box, &message, &err), 0);
	}
	snapshot_release(&rows);
	box_close(box);
}

/* A new place with mailbox A, into which the first message is written. */
static void begin(struct place *place, const char *how)
{
	struct err err = ERR_INIT;
	bool changed;

	new_top(place);
	assert_int_equal(open_place(place, how, &err), 0);
	assert_int_equal(store_create(place->store, "A", STORE_USE_NONE, &changed, &err), 0);
	assert_int_equal(store_append_to(place->store, "A", &err), 0);
	assert_int_equal(append(place, 0, bodies[0], strlen(bodies[0]), &err), 0);
}

/* ---- lengths ---- */

static void test_lengths(void **state)
{
	(void)state;
	for (size_t i = 0; i < countof(kinds); i++) {
		struct append_result result;
		struct err err = ERR_INIT;
		struct place place;
		unsigned count[MESSAGES];

		begin(&place, kinds[i]);
		for (int wrong = -1; wrong <= 1; wrong++) {
			const size_t announced = strlen(bodies[1]) + (size_t)wrong;

			if (wrong == 0)
				continue;
			assert_int_equal(append(&place, 1, bodies[1], announced, &err), -1);
			assert_int_equal(err.scope, ERR_MESSAGE);
			assert_false(store_append_in_message(place.store));
			err_clear(&err);
		}
		assert_int_equal(append(&place, 2, bodies[2], strlen(bodies[2]), &err), 0);
		for (uint64_t token = 0; token < 3; token += 2) {
			assert_int_equal(store_append_settle(place.store, true, &result, &err), 1);
			assert_true(result.token == token && result.outcome == APPEND_STORED);
		}
		assert_int_equal(store_append_settle(place.store, true, &result, &err), 0);
		close_place(&place);
		assert_int_equal(open_place(&place, kinds[i], &err), 0);
		look(&place, kinds[i], count);
		assert_true(count[0] == 1 && count[1] == 0 && count[2] == 1);
		close_place(&place);
		drop_top(&place);
	}
}

/* ---- faults ---- */

enum { ENDED = 0, FAILED = 1, BROKEN = 2 };

static void tell(int fd, const struct append_result *result)
{
	const char token = (char)result->token;

	if (result->outcome == APPEND_STORED && write(fd, &token, 1) != 1)
		_exit(BROKEN);
}

/* All messages in two groups; the tokens of what is stored go to fd. With some there already, only the others. */
static int write_all(struct place *place, const unsigned *there, int fd, struct err *err)
{
	struct append_result result;
	bool changed;
	int rc = 0;

	if (store_create(place->store, "A", STORE_USE_NONE, &changed, err) < 0 ||
		store_append_to(place->store, "A", err) < 0)
		return -1;
	for (uint64_t i = 0; i < MESSAGES && rc == 0; i++) {
		if (there[i] == 0)
			rc = append(place, i, bodies[i], strlen(bodies[i]), err);
		while (rc == 0 && i != 0 &&
			(rc = store_append_settle(place->store, true, &result, err)) > 0) {
			tell(fd, &result);
			rc = 0;
		}
		if (rc == 0 && i == 1)
			rc = store_append_to(place->store, "A", err);
	}
	if (rc < 0)
		store_append_drop(place->store);
	while (store_append_settle(place->store, false, &result, NULL) > 0)
		tell(fd, &result);
	return rc;
}

static MUST_NOT_RETURN void run_faulty(
	struct place *place, const char *how, const char *fault, int fd)
{
	static const unsigned nothing[MESSAGES];
	struct err err = ERR_INIT;
	int rc;

	setenv("MAILHAUL_FAULT", fault, 1);
	rc = open_place(place, how, &err);
	if (rc == 0)
		rc = write_all(place, nothing, fd, &err);
	_exit(rc == 0 ? ENDED : err.scope == ERR_NONE || err.text[0] == '\0' ? BROKEN : FAILED);
}

/* told: tokens that the first run said to be stored. They are there once, the others once or not; then the rest is written. */
static MUST_NOT_RETURN void check_after(
	struct place *place, const char *how, const char *fault, const unsigned *told)
{
	struct err err = ERR_INIT;
	unsigned count[MESSAGES];

	unsetenv("MAILHAUL_FAULT");
	if (open_place(place, how, &err) < 0) {
		fprintf(stderr, "%s, %s: %s\n", how, fault, err.text);
		_exit(BROKEN);
	}
	for (int again = 0; again < 2; again++) {
		look(place, how, count);
		for (size_t i = 0; i < MESSAGES; i++) {
			if (count[i] > 1 || (again > 0 || told[i] ? count[i] == 0 : false)) {
				fprintf(stderr,
					"%s, %s: message %zu is there %u times, told %u, look %d\n",
					how, fault, i, count[i], told[i], again);
				_exit(BROKEN);
			}
		}
		if (again == 0 && write_all(place, count, STDERR_FILENO, &err) < 0) {
			fprintf(stderr, "%s, %s: afterwards: %s\n", how, fault, err.text);
			_exit(BROKEN);
		}
	}
	_exit(ENDED);
}

static int wait_for(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

/* Nothing of the machinery of faults may have run in this process: children have it fresh. False: it did not strike. */
static bool strike(const char *how, const char *fault)
{
	unsigned told[MESSAGES] = { 0 };
	struct place place;
	char token;
	int pipes[2], status;
	pid_t pid;

	new_top(&place);
	assert_int_equal(pipe(pipes), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		run_faulty(&place, how, fault, pipes[1]);
	close(pipes[1]);
	while (read(pipes[0], &token, 1) == 1)
		told[token % MESSAGES]++;
	close(pipes[0]);
	status = wait_for(pid);
	if (WIFSIGNALED(status) ? WTERMSIG(status) != SIGKILL : WEXITSTATUS(status) > FAILED)
		fail_msg("%s, %s: status %x", how, fault, (unsigned)status);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		check_after(&place, how, fault, told);
	if (wait_for(pid) != 0)
		fail_msg("%s, %s", how, fault);
	drop_top(&place);
	return WIFSIGNALED(status) || WEXITSTATUS(status) == FAILED;
}

/* Without -Dfaults=true nothing strikes, and each loop ends at once. */
static void test_faults(void **state)
{
	static const char *const forms[] = { "write:%u+:ENOSPC", "pwrite:%u+:ENOSPC",
		"fsync:%u+:ENOSPC", "openat:%u+:EACCES", "renameat:%u+:EROFS", "mkdirat:%u+:EROFS",
		"unlinkat:%u+:EROFS", "point:%u:kill" };
	static const char *const places[] = { "maildir:%s/mail", "eml:%s/mail", "mbox:%s/mail",
		"thunderbird:%s/mail" };
	const size_t mboxes = 2; /* from here on */

	(void)state;
	for (size_t kind = 0; kind < countof(places); kind++) {
		for (size_t i = 0; i < countof(forms); i++) {
			unsigned missed = 0;

			/* a dot lock that cannot be taken away is waited for, ten seconds each time */
			if (kind >= mboxes && strncmp(forms[i], "unlinkat", 8) == 0)
				continue;
			/* one that is forgiven is not the last */
			for (unsigned n = 1; missed < 2; n += 1 + n / 3) {
				char fault[64];

				snprintf(fault, sizeof(fault), forms[i], n);
				missed = strike(places[kind], fault) ? 0 : missed + 1;
			}
		}
	}
}

/* ---- others ---- */

static void put(const char *top, const char *name, int flags, const char *text)
{
	char path[160];
	int fd;

	snprintf(path, sizeof(path), "%s/mail/%s", top, name);
	fd = open(path, O_WRONLY | flags, 0600);
	assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

static const struct {
	const char *how, *name, *text;
	int flags;
} delivered[] = {
	{ "maildir:%s/mail", ".A/new/1800000000.M1P1.other", "Subject: two\n\n>From there\n\n",
		O_CREAT | O_EXCL },
	{ "eml:%s/mail", "A/other.eml", "Subject: two\r\n\r\n>From there\r\n\r\n",
		O_CREAT | O_EXCL },
	{ "mbox:%s/mail", "A.mbox",
		"From x@y Mon Jan  1 00:00:00 2024\nSubject: two\n\n>>From there\n\n\n", O_APPEND },
	{ "thunderbird:%s/mail", "A",
		"From x@y Mon Jan  1 00:00:00 2024\nSubject: two\n\n>>From there\n\n\n", O_APPEND },
};

/* Another program delivers while a message of ours is begun, ended and not settled yet. */
static void test_delivery(void **state)
{
	(void)state;
	for (size_t i = 0; i < countof(delivered); i++) {
		struct append_result result;
		struct err err = ERR_INIT;
		struct place place;
		unsigned count[MESSAGES];

		begin(&place, delivered[i].how);
		put(place.top, delivered[i].name, delivered[i].flags, delivered[i].text);
		assert_int_equal(append(&place, 2, bodies[2], strlen(bodies[2]), &err), 0);
		for (int n = 0; n < 2; n++) {
			if (store_append_settle(place.store, true, &result, &err) != 1)
				fail_msg("%s: %s", delivered[i].how, err.text);
			assert_int_equal(result.outcome, APPEND_STORED);
		}
		store_append_drop(place.store);
		for (int again = 0; again < 2; again++) {
			look(&place, delivered[i].how, count);
			assert_true(count[0] == 1 && count[1] == 1 && count[2] == 1);
			close_place(&place);
			assert_int_equal(open_place(&place, delivered[i].how, &err), 0);
		}
		close_place(&place);
		drop_top(&place);
	}
}

/* Files that another process holds, and how. */
static const struct {
	const char *how, *name;
	bool dotted; /* by the name alone; else by an fcntl lock */
} locked[] = {
	{ "mbox:%s/mail", "A.mbox.lock", true }, { "mbox:%s/mail", "A.mbox", false },
	{ "thunderbird:%s/mail", "A.lock", true }, { "thunderbird:%s/mail", "A", false },
	{ "eml:%s/mail", "A/.mailhaul", false }, /* another mailhaul writes there */
};

/* Waited for, not written into, and told as busy; ours goes on when it is free again. The clock is not the real one. */
static void test_locked(void **state)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	(void)state;
	clock_fake(1000000);
	for (size_t i = 0; i < countof(locked); i++) {
		static const unsigned there[MESSAGES] = { 0, 1, 1 }, rest[MESSAGES] = { 1, 0, 0 };
		struct err err = ERR_INIT;
		struct place place;
		unsigned count[MESSAGES];
		char path[160];
		int fd;

		new_top(&place);
		assert_int_equal(open_place(&place, locked[i].how, &err), 0);
		assert_int_equal(write_all(&place, there, STDERR_FILENO, &err), 0);
		close_place(&place);
		assert_int_equal(open_place(&place, locked[i].how, &err), 0);
		snprintf(path, sizeof(path), "%s/mail/%s", place.top, locked[i].name);
		fd = open(path, O_RDWR | O_CREAT, 0600);
		assert_true(fd >= 0);
		if (!locked[i].dotted)
			assert_int_equal(fcntl(fd, F_OFD_SETLK, &whole), 0);
		if (write_all(&place, rest, STDERR_FILENO, &err) != -1 ||
			err.kind != ERR_KIND_BUSY || err.scope != ERR_MAILBOX)
			fail_msg("%s: %s", locked[i].name, err.text);
		close(fd);
		if (locked[i].dotted)
			assert_int_equal(unlink(path), 0);
		look(&place, locked[i].how, count);
		assert_true(count[0] == 1 && count[1] == 0 && count[2] == 0);
		err_clear(&err);
		if (write_all(&place, rest, STDERR_FILENO, &err) < 0)
			fail_msg("%s: %s", locked[i].name, err.text);
		look(&place, locked[i].how, count);
		assert_true(count[0] == 1 && count[1] == 1 && count[2] == 1);
		close_place(&place);
		drop_top(&place);
	}
	clock_fake(-1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_faults), /* first */
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_delivery),
		cmocka_unit_test(test_locked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
