/* What the journal promises about places, locks, mailboxes and lanes. */
#include "journal_fixture.h"

#include "state/db.h"

#include <pthread.h>
#include <sys/wait.h>

static void test_both_directions(void **state)
{
	struct err err = ERR_INIT;
	struct journal *journal = open_pair("imap://x@a", "imap://x@b");
	const int64_t box = put_box(journal, "Sent", "Gesendet");

	(void)state;
	assert_true(journal_is_new(journal));
	assert_true(journal_remembers(journal));
	put(journal, box, 1, 103, "\\Answered");
	put(journal, box, 2, 102, "");
	put(journal, box, 3, 101, NULL);
	put(journal, box, 4, 0, "$Junk");
	assert_int_equal(journal_set_status(journal, box, 1, JOURNAL_GONE_SRC, &err), 0);
	assert_int_equal(journal_set_status(journal, box, 2, JOURNAL_GONE_DST, &err), 0);
	assert_int_equal(journal_set_status(journal, box, 99, JOURNAL_GONE_DST, &err), 0);
	assert_pairs(journal, box,
		"1:103 \\Answered/\\Seen 1, 2:102 /\\Seen 2, 3:101 /\\Seen 0, 4:0 $Junk/\\Seen "
		"0, ");
	close_good(journal);

	journal = open_pair("imap://x@b", "imap://x@a");
	assert_false(journal_is_new(journal));
	assert_int_equal(put_box(journal, "Gesendet", "Sent"), box);
	assert_pairs(journal, box,
		"0:4 \\Seen/$Junk 0, 101:3 \\Seen/ 0, 102:2 \\Seen/ 1, 103:1 \\Seen/\\Answered "
		"2, ");
	put(journal, box, 104, 4, "x"); /* what was not known before: takes the place */
	put(journal, box, 102, 7, "y"); /* another one */
	put(journal, box, 103, 3, "z"); /* 3 has two now: merged */
	assert_pairs(journal, box,
		"101:3 \\Seen/ 0, 102:7 y/\\Seen 0, 103:3 z/\\Seen 0, 104:4 x/\\Seen 0, ");
	close_good(journal);

	journal = open_pair("imap://x@a", "imap://x@b");
	put(journal, box, 3, 103, "known"); /* one of two: the other stays */
	assert_pairs(journal, box,
		"3:101 /\\Seen 0, 3:103 known/\\Seen 0, 4:104 \\Seen/x 0, 7:102 \\Seen/y 0, ");
	assert_int_equal(journal_set_status(journal, box, 3, JOURNAL_REFUSED, &err), 0);
	put(journal, box, 3, 200, "new"); /* neither: both go */
	put(journal, box, 0, 300, "");
	put(journal, box, 0, 301, "");
	put(journal, box, 9, 301, "");
	assert_pairs(journal, box,
		"0:300 /\\Seen 0, 3:200 new/\\Seen 0, 4:104 \\Seen/x 0, 7:102 \\Seen/y 0, 9:301 "
		"/\\Seen 0, ");

	const struct journal_pair none = { .src_flags = "" };
	assert_int_equal(journal_put_pair(journal, box, &none, &err), -1);
	assert_int_equal(err.scope, ERR_MESSAGE);
	close_good(journal);
	assert_int_equal(journal_close(NULL, &err), 0);
}

static const struct journal_mailbox full_box = {
	.src_name = "Ä/ü",
	.dst_name = "Ä.ü",
	.src_uidvalidity = UINT32_MAX,
	.dst_uidvalidity = 5,
	.src_uidnext = UINT32_MAX,
	.dst_uidnext = 7,
	.src_modseq = INT64_MAX,
	.dst_modseq = 9,
	.src_messages = 10,
	.dst_messages = 11,
	.src_mailboxid = "F1",
	.baseline = 12,
	.doubt = 13,
	.selection = UINT64_MAX,
	.view = { 14, 15, 16, 0, UINT64_MAX - 1, 17 },
};

static void assert_same_text(const char *a, const char *b)
{
	if (a && b)
		assert_string_equal(a, b);
	else
		assert_true(a == b);
}

static void assert_box(const struct journal_mailbox *a, const struct journal_mailbox *b)
{
	assert_same_text(a->src_name, b->src_name);
	assert_same_text(a->dst_name, b->dst_name);
	assert_same_text(a->src_mailboxid, b->src_mailboxid);
	assert_same_text(a->dst_mailboxid, b->dst_mailboxid);
	assert_int_equal(a->src_uidvalidity, b->src_uidvalidity);
	assert_int_equal(a->dst_uidvalidity, b->dst_uidvalidity);
	assert_int_equal(a->src_uidnext, b->src_uidnext);
	assert_int_equal(a->dst_uidnext, b->dst_uidnext);
	assert_int_equal(a->src_modseq, b->src_modseq);
	assert_int_equal(a->dst_modseq, b->dst_modseq);
	assert_int_equal(a->src_messages, b->src_messages);
	assert_int_equal(a->dst_messages, b->dst_messages);
	assert_int_equal(a->baseline, b->baseline);
	assert_int_equal(a->doubt, b->doubt);
	assert_int_equal(a->selection, b->selection);
	assert_int_equal(a->view.seen, b->view.seen);
	assert_int_equal(a->view.src_uidnext, b->view.src_uidnext);
	assert_int_equal(a->view.clean, b->view.clean);
	assert_int_equal(a->view.selection, b->view.selection);
	assert_int_equal(a->view.time, b->view.time);
}

static struct journal_mailbox *list_boxes(
	struct journal *journal, struct arena *arena, size_t expected)
{
	struct journal_mailbox *boxes;
	struct err err = ERR_INIT;
	size_t count;

	assert_int_equal(journal_mailboxes(journal, arena, &boxes, &count, &err), 0);
	assert_int_equal(count, expected);
	return boxes;
}

static struct journal_mailbox turned(const struct journal_mailbox *box)
{
	return (struct journal_mailbox){
		.src_name = box->dst_name,
		.dst_name = box->src_name,
		.src_uidvalidity = box->dst_uidvalidity,
		.dst_uidvalidity = box->src_uidvalidity,
		.src_uidnext = box->dst_uidnext,
		.dst_uidnext = box->src_uidnext,
		.src_modseq = box->dst_modseq,
		.dst_modseq = box->src_modseq,
		.src_messages = box->dst_messages,
		.dst_messages = box->src_messages,
		.src_mailboxid = box->dst_mailboxid,
		.dst_mailboxid = box->src_mailboxid,
	};
}

static void test_mailboxes(void **state)
{
	struct arena *arena = arena_new();
	struct err err = ERR_INIT;
	struct journal *journal = open_pair("a", "b");
	struct journal_mailbox box = full_box;

	(void)state;
	put_box(journal, "z", "a");
	put_box(journal, "", "y");
	assert_int_equal(journal_put_mailbox(journal, &box, true, &err), 0);
	struct journal_mailbox *list = list_boxes(journal, arena, 3);
	assert_string_equal(list[0].src_name, "");
	assert_string_equal(list[1].src_name, "z");
	assert_box(&list[2], &full_box);
	assert_int_equal(list[2].id, box.id);
	close_good(journal);

	/* The other way: the same numbers, but nothing was ever copied that way. */
	journal = open_pair("b", "a");
	struct journal_mailbox back = turned(&full_box);
	list = list_boxes(journal, arena, 3);
	assert_string_equal(list[0].src_name, "a");
	assert_box(&list[2], &back);
	back.selection = 77;
	back.baseline = 78;
	back.doubt = 79;
	back.view.seen = 80;
	assert_int_equal(journal_put_mailbox(journal, &back, false, &err), 0);
	assert_int_equal(back.id, box.id);
	close_good(journal);

	/* Nothing changed since: what this direction proved still holds. */
	journal = open_pair("a", "b");
	assert_box(&list_boxes(journal, arena, 3)[2], &full_box);
	close_good(journal);

	/* The other direction saw something new: now it proves nothing. */
	journal = open_pair("b", "a");
	back.src_messages++;
	assert_int_equal(journal_put_mailbox(journal, &back, false, &err), 0);
	close_good(journal);
	journal = open_pair("a", "b");
	box = full_box;
	box.dst_messages++;
	box.selection = 0;
	assert_box(&list_boxes(journal, arena, 3)[2], &box);
	close_good(journal);
	arena_free(arena);
}

static void test_uidvalidity(void **state)
{
	struct arena *arena = arena_new();
	struct err err = ERR_INIT;
	struct journal *journal = open_pair("a", "b");
	const int64_t other = put_box(journal, "other", "other");
	struct journal_mailbox box = { .src_name = "x", .dst_name = "x", .src_uidvalidity = 5 };

	(void)state;
	put(journal, other, 1, 1, "");
	assert_int_equal(journal_put_mailbox(journal, &box, false, &err), 0);
	put(journal, box.id, 1, 2, "");
	box.dst_uidvalidity = 6; /* known now: no change */
	assert_int_equal(journal_put_mailbox(journal, &box, false, &err), 0);
	box.src_uidvalidity = 0; /* not known this time */
	assert_int_equal(journal_put_mailbox(journal, &box, false, &err), 0);
	assert_pairs(journal, box.id, "1:2 /\\Seen 0, ");
	assert_int_equal(list_boxes(journal, arena, 2)[1].src_uidvalidity, 5);
	put(journal, box.id, 2, 3, ""); /* queued, and also of the old one */
	box.src_uidvalidity = 7;
	box.view = full_box.view;
	assert_int_equal(journal_put_mailbox(journal, &box, false, &err), 0);
	assert_pairs(journal, box.id, "");
	assert_int_equal(list_boxes(journal, arena, 2)[1].view.seen, 14);

	put(journal, box.id, 1, 2, "");
	assert_int_equal(journal_forget_pairs(journal, box.id, &err), 0);
	assert_int_equal(list_boxes(journal, arena, 2)[1].view.seen, 0);
	assert_int_equal(list_boxes(journal, arena, 2)[1].view.clean, 0);
	put(journal, box.id, 8, 9, ""); /* adopted before the mailbox is put: must stay */
	box.dst_uidvalidity = 60;
	assert_int_equal(journal_put_mailbox(journal, &box, true, &err), 0);
	assert_pairs(journal, box.id, "8:9 /\\Seen 0, ");
	assert_pairs(journal, other, "1:1 /\\Seen 0, ");
	close_good(journal);
	arena_free(arena);
}

static void put_tombstone(struct journal *journal, int64_t box, uint32_t uid, uint64_t seed,
	enum journal_status status)
{
	const struct journal_pair pair = { .src_uid = uid,
		.dst_uid = status == JOURNAL_GONE_SRC ? uid : 0,
		.size = 100 + seed,
		.header = { { seed, 1 } },
		.status = status };

	assert_int_equal(journal_put_pair(journal, box, &pair, NULL), 0);
}

static size_t count_graves(
	struct journal *journal, struct arena *arena, int64_t box, struct journal_grave **out)
{
	size_t count = 99;

	assert_int_equal(journal_graves(journal, box, arena, out, &count, NULL), 0);
	return count;
}

/* What was deleted at one side is remembered when UIDs mean nothing any more, for the direction it was deleted in. */
static void test_graves(void **state)
{
	struct arena *arena = arena_new();
	struct journal *journal = open_pair("a", "b");
	struct journal_mailbox box = {
		.src_name = "x", .dst_name = "x", .src_uidvalidity = 5, .dst_uidvalidity = 6
	};
	struct journal_grave *graves;

	(void)state;
	assert_int_equal(journal_put_mailbox(journal, &box, false, NULL), 0);
	put_tombstone(journal, box.id, 2, 9, JOURNAL_GONE_DST);
	put_tombstone(journal, box.id, 3, 7, JOURNAL_GONE_DST);
	put_tombstone(journal, box.id, 4, 7, JOURNAL_GONE_DST);
	put_tombstone(journal, box.id, 5, 3, JOURNAL_GONE_SRC);
	put_tombstone(journal, box.id, 6, 0, JOURNAL_GONE_DST);
	/* Header not known: no grave. */
	put(journal, box.id, 1, 1, "");
	assert_int_equal(journal_set_status(journal, box.id, 1, JOURNAL_GONE_DST, NULL), 0);
	assert_int_equal(count_graves(journal, arena, box.id, &graves), 0);

	box.src_uidvalidity = 50;
	assert_int_equal(journal_put_mailbox(journal, &box, false, NULL), 0);
	assert_int_equal(count_graves(journal, arena, box.id, &graves), 4);
	for (size_t i = 1; i < 4; i++)
		assert_true(digest128_compare(graves[i - 1].header, graves[i].header) <= 0);

	/* Known again, under the UID of today: one grave less, also of two alike. */
	put_tombstone(journal, box.id, 70, 7, JOURNAL_GONE_DST);
	assert_int_equal(count_graves(journal, arena, box.id, &graves), 3);
	put_tombstone(journal, box.id, 71, 12345, JOURNAL_GONE_DST); /* from no grave */
	assert_int_equal(count_graves(journal, arena, box.id, &graves), 3);
	close_good(journal);

	journal = open_pair("b", "a");
	assert_int_equal(count_graves(journal, arena, box.id, &graves), 1);
	assert_int_equal(graves[0].size, 103);
	assert_int_equal(journal_forget_pairs(journal, box.id, NULL), 0); /* buried once more */
	close_good(journal);
	journal = open_pair("a", "b");
	assert_int_equal(count_graves(journal, arena, box.id, &graves), 5);
	assert_int_equal(count_graves(journal, arena, box.id + 1, &graves), 0);
	close_good(journal);
	arena_free(arena);
}

static void assert_mode(const char *name, mode_t mode)
{
	struct stat st;

	assert_int_equal(stat(name, &st), 0);
	assert_int_equal(st.st_mode & 0777, mode);
}

static void test_place(void **state)
{
	const mode_t before = umask(0);
	struct err err = ERR_INIT;
	struct journal *journal = open_pair("a", "b");
	char path[160], lock[160];

	(void)state;
	umask(before);
	put_box(journal, "x", "x");
	snprintf(path, sizeof(path), "%s", journal_path(journal));
	assert_int_equal(strncmp(path, dir, strlen(dir)), 0);
	snprintf(lock, sizeof(lock), "%.*s.lock", (int)strlen(path) - 3, path);
	assert_mode(dir, 0700);
	assert_mode(path, 0600);
	assert_mode(lock, 0600);

	/* Other accounts have other files, though their names run together to the same text. */
	struct journal *other = open_pair("ab", "");
	assert_string_not_equal(journal_path(other), path);
	close_good(other);
	close_good(journal);

	/* A file that was put in another's place. */
	assert_int_equal(rename(path, lock), 0);
	journal = open_pair("a", "c");
	char *theirs = strdup(journal_path(journal));
	close_good(journal);
	assert_int_equal(rename(lock, theirs), 0);
	assert_null(journal_open(dir, "a", "c", &err));
	assert_says(&err, "other accounts (a and b)");

	/* A newer one. */
	struct db *db = db_open(theirs, &err);
	assert_non_null(db);
	assert_int_equal(db_exec(db, "PRAGMA user_version = 99", &err), 0);
	db_close(db);
	assert_null(journal_open(dir, "a", "c", &err));
	assert_says(&err, "newer mailhaul (schema 99");
	free(theirs);

	assert_null(journal_open("/dev/null/x", "a", "b", &err));
	assert_int_equal(err.scope, ERR_LOCAL);
}

/* A later record of a pair that knows less of the message takes nothing away. */
static void test_sizes_stay(void **state)
{
	struct arena *arena = arena_new();
	struct err err = ERR_INIT;
	struct journal *journal = open_pair("z", "a"); /* the source is side b */
	struct journal_mailbox box = full_box;
	struct journal_pair pair = { .src_uid = 2, .dst_uid = 1, .size = 700 };
	struct journal_pairs pairs;

	(void)state;
	assert_int_equal(journal_put_mailbox(journal, &box, false, &err), 0);
	assert_int_equal(journal_put_pair(journal, box.id, &pair, &err), 0);
	pair.size = 0;
	pair.dst_flags = "\\Seen";
	assert_int_equal(journal_put_pair(journal, box.id, &pair, &err), 0);
	pair = (struct journal_pair){ .src_uid = 1, .dst_uid = 2, .size = UINT64_C(1) << 33 };
	assert_int_equal(journal_put_pair(journal, box.id, &pair, &err), 0);
	assert_int_equal(journal_pairs(journal, box.id, arena, &pairs, &err), 0);
	assert_int_equal(pairs.count, 2);
	assert_int_equal(pairs.size[0], 0); /* more than the column holds */
	assert_int_equal(pairs.size[1], 700);
	assert_string_equal(pairs.flag_text[pairs.dst_flags[1]], "\\Seen");
	close_good(journal);
	arena_free(arena);
}

/* A file of the first schema, which knew of no doubts. */
static void test_older_schema(void **state)
{
	struct arena *arena = arena_new();
	struct err err = ERR_INIT;
	struct journal *journal = open_pair("old", "older");
	struct journal_mailbox box = full_box, expected = full_box;
	char *path = strdup(journal_path(journal));

	(void)state;
	assert_int_equal(journal_put_mailbox(journal, &box, true, &err), 0);
	close_good(journal);
	struct db *db = db_open(path, &err);
	assert_int_equal(db_exec(db,
				 "ALTER TABLE mailbox DROP COLUMN doubt_a;"
				 "ALTER TABLE mailbox DROP COLUMN doubt_b; DROP TABLE grave;"
				 "ALTER TABLE mailbox DROP COLUMN view_a;"
				 "ALTER TABLE mailbox DROP COLUMN view_b;"
				 "PRAGMA user_version = 1",
				 &err),
		0);
	db_close(db);
	free(path);
	journal = open_pair("old", "older");
	expected.doubt = 0;
	expected.view = (struct journal_view){ 0 };
	assert_box(&list_boxes(journal, arena, 1)[0], &expected);
	close_good(journal);
	arena_free(arena);
}

/* Holds it until told, in another process. */
static pid_t hold_elsewhere(int *release_out)
{
	int ready[2], release[2];
	char byte = 0;

	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(release), 0);
	const pid_t child = fork();
	if (child == 0) {
		struct journal *journal = journal_open(dir, "b", "a", NULL);

		close(release[1]);
		if (!journal || write(ready[1], &byte, 1) != 1 || read(release[0], &byte, 1) < 0)
			_exit(1);
		_exit(journal_close(journal, NULL) == 0 ? 0 : 2);
	}
	close(release[0]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	*release_out = release[1];
	return child;
}

static void test_locked(void **state)
{
	struct err err = ERR_INIT;
	char text[64];
	int release, status;

	(void)state;
	const pid_t child = hold_elsewhere(&release);
	assert_null(journal_open(dir, "a", "b", &err));
	snprintf(text, sizeof(text), "locked by another run (pid %d)", (int)child);
	assert_says(&err, text);
	close(release);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);

	struct journal *journal = open_pair("a", "b");
	assert_null(journal_open(dir, "a", "b", &err)); /* ourselves */
	assert_says(&err, "locked by another run");
	close_good(journal);
}

static void test_in_memory(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	for (int round = 0; round < 2; round++) {
		struct journal *journal = journal_open(NULL, "b", "a", &err);

		assert_non_null(journal);
		assert_true(journal_is_new(journal));
		assert_false(journal_remembers(journal));
		assert_string_equal(journal_path(journal), "");
		const int64_t box = put_box(journal, "x", "x");
		for (uint32_t uid = 3000; uid > 0; uid--)
			put(journal, box, uid, uid + 5, "\\Seen");
		assert_int_equal(journal_commit(journal, true, &err), 0);
		assert_int_equal(journal_pair_count(journal, box), 3000);
		assert_int_equal(journal_forget_pairs(journal, box, &err), 0);
		assert_pairs(journal, box, "");
		close_good(journal);
	}
}

#define MANY_FLAGS 70000

/* More sets of flags than a column can number: no error, and those within are right. */
static void test_many_flags(void **state)
{
	struct arena *arena = arena_new();
	struct journal *journal = journal_open(NULL, "a", "b", NULL);
	const int64_t box = put_box(journal, "x", "x");
	struct journal_pairs pairs;
	char text[1000];

	(void)state;
	for (uint32_t uid = 1; uid <= MANY_FLAGS; uid++) {
		snprintf(text, sizeof(text), "%*u", uid % 100 == 0 ? 999 : 1, uid);
		put(journal, box, uid, uid, text);
	}
	assert_int_equal(journal_pairs(journal, box, arena, &pairs, NULL), 0);
	assert_int_equal(pairs.count, MANY_FLAGS);
	assert_int_equal(pairs.flag_texts, 65536);
	for (uint32_t uid = 1; uid <= MANY_FLAGS; uid++) {
		const char *found = pairs.flag_text[pairs.src_flags[uid - 1]];

		if (uid > 65534)
			assert_string_equal(found, "");
		else
			assert_int_equal(strtoul(found, NULL, 10), uid);
	}
	close_good(journal);
	arena_free(arena);
}

#define LANES 4
#define LANE_PAIRS 5000

struct lane {
	pthread_t thread;
	struct journal *journal;
	int64_t mailbox;
	int rc;
};

static void *run_lane(void *argument)
{
	struct lane *lane = argument;

	for (uint32_t uid = 1; uid <= LANE_PAIRS && lane->rc == 0; uid++) {
		const struct journal_pair pair = {
			.src_uid = uid, .dst_uid = uid, .src_flags = "x"
		};

		lane->rc = journal_put_pair(lane->journal, lane->mailbox, &pair, NULL);
		if (lane->rc == 0 && uid % 700 == 0)
			lane->rc = journal_commit(lane->journal, uid % 1400 == 0, NULL);
		if (uid % 2000 == 0 && journal_pair_count(lane->journal, lane->mailbox) != uid)
			lane->rc = -1;
	}
	return NULL;
}

static void test_lanes(void **state)
{
	struct lane lanes[LANES] = { 0 };
	struct journal *journal = open_pair("a", "b");

	(void)state;
	for (int i = 0; i < LANES; i++) {
		lanes[i].journal = journal;
		lanes[i].mailbox = put_box(journal, i % 2 ? "odd" : "even", i / 2 ? "1" : "2");
		assert_int_equal(pthread_create(&lanes[i].thread, NULL, run_lane, &lanes[i]), 0);
	}
	for (int i = 0; i < LANES; i++) {
		pthread_join(lanes[i].thread, NULL);
		assert_int_equal(lanes[i].rc, 0);
	}
	close_good(journal);
	journal = open_pair("a", "b");
	for (int i = 0; i < LANES; i++)
		assert_int_equal(journal_pair_count(journal, lanes[i].mailbox), LANE_PAIRS);
	close_good(journal);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_both_directions, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_mailboxes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_uidvalidity, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_graves, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_place, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_older_schema, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_sizes_stay, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_locked, set_up, tear_down),
		cmocka_unit_test(test_in_memory),
		cmocka_unit_test(test_many_flags),
		cmocka_unit_test_setup_teardown(test_lanes, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
