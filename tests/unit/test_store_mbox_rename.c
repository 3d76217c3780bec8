/* Renaming and removing mailboxes in every kind of files; also when the program is killed on the way: nothing is lost, and the same call ends it. */
#include "store/store_mbox_parts.h"

#include "base/arena.h"
#include "base/mem.h"
#include "base/os.h"
#include "base/path.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define BODY "Subject: a\r\n\r\nFrom here\r\n"
#define KILLED 137 /* how a shell tells SIGKILL */

struct place {
	struct arena *arena;
	struct account *account;
	struct store *store;
	const char *top;
};

static void open_again(struct place *place)
{
	const struct store_request request = { .state_dir = place->top };
	struct err err = ERR_INIT;

	store_close(place->store);
	place->store = store_open(place->account, &request, &err);
	if (!place->store)
		fail_msg("%s", err.text);
}

/* how: "mbox:%s/mail?layout=fs" */
static void open_place(struct place *place, const char *how, const char *top)
{
	struct account_request request = { .role = "dst" };
	struct err err = ERR_INIT;

	*place = (struct place){ .arena = arena_new() };
	place->top = arena_strdup(place->arena, top);
	const char *percent = strstr(how, "%s");
	request.location =
		arena_print(place->arena, "%.*s%s%s", (int)(percent - how), how, top, percent + 2);
	place->account = account_new(&request, &err);
	if (!place->account)
		fail_msg("%s", err.text);
	open_again(place);
}

static void close_place(struct place *place)
{
	store_close(place->store);
	account_free(place->account);
	arena_free(place->arena);
}

static const char *new_top(struct arena *arena)
{
	/* in memory: the disk's fsync is most of the time else */
	char *top = arena_print(arena, "%s/mailhaul-rename-XXXXXX",
		access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");

	assert_non_null(mkdtemp(top));
	return top;
}

static void drop_top(const char *top)
{
	struct arena *arena = arena_new();

	assert_int_equal(system(arena_print(arena, "rm -r '%s'", top)), 0);
	arena_free(arena);
}

static void put(struct place *place, const char *name, size_t count)
{
	const struct date date = { .instant = 1700000000, .zone = 60 };
	struct append_result result;
	struct err err = ERR_INIT;
	bool changed;

	assert_int_equal(store_create(place->store, name, STORE_USE_NONE, &changed, &err), 0);
	assert_int_equal(store_append_to(place->store, name, &err), 0);
	for (size_t i = 0; i < count; i++) {
		const flags_t flags = flags_add(place->store->flags, 0, SPAN("\\Flagged"));

		assert_int_equal(
			store_append_begin(place->store, i, flags, date, strlen(BODY), &err), 0);
		assert_int_equal(store_append_add(place->store, SPAN(BODY), &err), 0);
		assert_int_equal(store_append_end(place->store, &err), 0);
	}
	assert_int_equal(store_append_flush(place->store, &err), 0);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(store_append_settle(place->store, true, &result, &err), 1);
		assert_int_equal(result.outcome, APPEND_STORED);
	}
}

/* How many messages, all flagged, or -1: there is no such mailbox. */
static int look(struct place *place, const char *name)
{
	struct err err = ERR_INIT;
	struct box *box = store_open_box(place->store, name, STORE_READ, &err);
	struct box_scan scan = { 0 };
	struct uidset unknown = { 0 };
	struct snapshot rows;
	int count;

	if (!box)
		return -1;
	snapshot_init(&rows, false);
	assert_int_equal(box_scan(box, &scan, &rows, place->arena, &unknown, &err), 0);
	assert_true(rows.complete);
	for (size_t i = 0; i < rows.count; i++)
		assert_true(flags_has(place->store->flags, rows.flags[i], SPAN("\\Flagged")));
	count = (int)rows.count;
	snapshot_release(&rows);
	box_close(box);
	return count;
}

static const char *const kinds[] = { "maildir:%s/mail", "maildir:%s/mail?layout=fs", "eml:%s/mail",
	"mbox:%s/mail", "mbox:%s/mail?layout=fs", "mbox:%s/mail?ext=mbox.gz",
	"mbox:%s/mail?layout=thunderbird", "thunderbird:%s/mail" };

static void test_rename(void **state)
{
	(void)state;
	for (size_t i = 0; i < countof(kinds); i++) {
		struct arena *arena = arena_new();
		const char *top = new_top(arena);
		struct err err = ERR_INIT;
		struct place place;

		open_place(&place, kinds[i], top);
		put(&place, "A", 1);
		put(&place, "A/B", 2);
		put(&place, "AB", 3);
		put(&place, "Other", 4);
		open_again(&place);
		if (store_rename_mailbox(place.store, "A", "Deep/New.er", &err) < 0)
			fail_msg("%s: %s", kinds[i], err.text);
		for (int again = 0; again < 2; again++) {
			assert_int_equal(look(&place, "A"), -1);
			assert_int_equal(look(&place, "A/B"), -1);
			assert_int_equal(look(&place, "Deep/New.er"), 1);
			assert_int_equal(look(&place, "Deep/New.er/B"), 2);
			assert_int_equal(look(&place, "AB"), 3);
			open_again(&place);
		}
		/* never over another one, never INBOX, never into itself, never nothing */
		assert_int_equal(store_rename_mailbox(place.store, "AB", "Other", &err), -1);
		assert_int_equal(err.scope, ERR_MAILBOX);
		assert_int_equal(store_rename_mailbox(place.store, "AB", "AB/C", &err), -1);
		assert_int_equal(store_rename_mailbox(place.store, "INBOX", "X", &err), -1);
		assert_int_equal(store_rename_mailbox(place.store, "gone", "X", &err), -1);
		assert_int_equal(err.scope, ERR_MAILBOX);
		assert_int_equal(look(&place, "AB"), 3);
		assert_int_equal(look(&place, "Other"), 4);
		/* and it is a mailbox like any other */
		put(&place, "Deep/New.er", 1);
		assert_int_equal(look(&place, "Deep/New.er"), 2);
		close_place(&place);
		drop_top(top);
		arena_free(arena);
	}
}

static void test_remove(void **state)
{
	(void)state;
	for (size_t i = 0; i < countof(kinds); i++) {
		struct arena *arena = arena_new();
		const char *top = new_top(arena);
		struct err err = ERR_INIT;
		struct place place;

		open_place(&place, kinds[i], top);
		put(&place, "A", 1);
		put(&place, "A/B", 2);
		open_again(&place);
		if (store_remove_mailbox(place.store, "A", &err) < 0)
			fail_msg("%s: %s", kinds[i], err.text);
		assert_int_equal(look(&place, "A/B"), 2);
		assert_true(look(&place, "A") <= 0);
		assert_int_equal(store_remove_mailbox(place.store, "A/B", &err), 0);
		open_again(&place);
		assert_int_equal(look(&place, "A/B"), -1);
		assert_int_equal(store_remove_mailbox(place.store, "gone", &err), -1);
		assert_int_equal(err.scope, ERR_MAILBOX);
		/* a new one of the same name has nothing of the old one */
		put(&place, "A", 1);
		assert_int_equal(look(&place, "A"), 1);
		close_place(&place);
		drop_top(top);
		arena_free(arena);
	}
}

static void test_one_file(void **state)
{
	struct arena *arena = arena_new();
	const char *top = new_top(arena);
	struct err err = ERR_INIT;
	struct place place;

	(void)state;
	open_place(&place, "mbox:%s/one.mbox", top);
	put(&place, "A", 2);
	open_again(&place);
	assert_int_equal(store_rename_mailbox(place.store, "A", "B/C", &err), 0);
	open_again(&place);
	assert_int_equal(look(&place, "B/C"), 2);
	assert_int_equal(look(&place, "A"), -1);
	close_place(&place);
	drop_top(top);
	arena_free(arena);
}

/* This program again, to be killed at the n-th call of its kind: what a shell says of it. */
static int rename_killed(const char *how, const char *top, const char *call, unsigned n)
{
	struct arena *arena = arena_new();
	const char *command = arena_print(arena,
		"MAILHAUL_FAULT=%s:%u:kill exec /proc/%ld/exe '%s' '%s' >/dev/null 2>&1", call, n,
		(long)getpid(), how, top);
	const int status = system(command);

	arena_free(arena);
	return WIFSIGNALED(status) ? KILLED : WEXITSTATUS(status);
}

static void check_killed(const char *how, const char *call, unsigned n, bool *ended_out)
{
	struct arena *arena = arena_new();
	const char *top = new_top(arena);
	struct err err = ERR_INIT;
	struct place place;
	bool moved;

	open_place(&place, how, top);
	put(&place, "A", 1);
	put(&place, "A/B", 2);
	close_place(&place);
	*ended_out = rename_killed(how, top, call, n) != KILLED;

	open_place(&place, how, top);
	moved = look(&place, "A") < 0;
	assert_int_equal(look(&place, moved ? "New" : "A"), 1);
	assert_int_equal(look(&place, moved ? "A" : "New"), -1);
	assert_int_equal(look(&place, "A/B") + look(&place, "New/B"), 1); /* 2, and none */
	if (*ended_out)
		assert_true(moved);
	if (!moved)
		assert_int_equal(store_rename_mailbox(place.store, "A", "New", &err), 0);
	open_again(&place);
	assert_int_equal(look(&place, "New"), 1);
	assert_int_equal(look(&place, "New/B"), 2);
	put(&place, "A", 3);
	assert_int_equal(look(&place, "A"), 3);
	close_place(&place);
	drop_top(top);
	arena_free(arena);
}

/* Without -Dfaults=true nothing is killed, and each loop ends at once. */
static void test_killed(void **state)
{
	static const char *const calls[] = { "link", "renameat", "unlinkat", "fsync", "mkdirat",
		"point" };
	static const char *const places[] = { "mbox:%s/mail", "mbox:%s/mail?layout=fs",
		"maildir:%s/mail", "maildir:%s/mail?layout=fs", "eml:%s/mail" };

	(void)state;
	for (size_t kind = 0; kind < countof(places); kind++) {
		for (size_t i = 0; i < countof(calls); i++) {
			bool ended = false;

			for (unsigned n = 1; !ended; n++)
				check_killed(places[kind], calls[i], n, &ended);
		}
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rename),
		cmocka_unit_test(test_remove),
		cmocka_unit_test(test_one_file),
		cmocka_unit_test(test_killed),
	};

	if (argc == 3) {
		struct err err = ERR_INIT;
		struct place place;
		int rc;

		open_place(&place, argv[1], argv[2]);
		rc = store_rename_mailbox(place.store, "A", "New", &err);
		close_place(&place);
		return rc < 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
