/* What a directory of message files holds: a file that its manifest knows and that was replaced is no message that is there, and none that is gone. */
#include "files_fixture.h"

#include "store/store_eml_parts.h"

#include <sys/stat.h>

#define MESSAGES 3
#define BODY "Subject: a\r\n\r\nbody\r\n"

static void fill(struct files *files)
{
	struct append_result result;
	struct err err = ERR_INIT;

	files_make(files, "A");
	assert_int_equal(store_append_to(files->store, "A", &err), 0);
	for (uint64_t i = 0; i < MESSAGES; i++) {
		assert_int_equal(
			store_append_begin(files->store, i, 0,
				(struct date){ .instant = 1700000000 }, strlen(BODY), &err),
			0);
		assert_int_equal(store_append_add(files->store, SPAN(BODY), &err), 0);
		assert_int_equal(store_append_end(files->store, &err), 0);
	}
	for (size_t i = 0; i < MESSAGES; i++)
		assert_int_equal(store_append_settle(files->store, true, &result, &err), 1);
	store_append_drop(files->store);
}

static void to_link(const char *path)
{
	assert_int_equal(symlink("../kept", path), 0);
}

static void to_nowhere(const char *path)
{
	assert_int_equal(symlink("nowhere", path), 0);
}

static void to_fifo(const char *path)
{
	assert_int_equal(mkfifo(path, 0600), 0);
}

static void to_directory(const char *path)
{
	assert_int_equal(mkdir(path, 0700), 0);
}

static void to_other_length(const char *path)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_true(fputs(BODY "more\r\n", file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void check(struct files *files, enum store_mode mode, size_t there, size_t hidden)
{
	struct err err = ERR_INIT;
	struct box *box = store_open_box(files->store, "A", mode, &err);
	struct box_scan scan = { .digests = true };
	struct uidset unknown = { 0 };
	struct snapshot rows;

	assert_non_null(box);
	assert_int_equal(box_facts(box)->messages, there + hidden);
	snapshot_init(&rows, true);
	assert_int_equal(box_scan(box, &scan, &rows, files->arena, &unknown, &err), 0);
	assert_int_equal(rows.count, there);
	assert_int_equal(rows.complete, hidden == 0);
	for (size_t i = 0; i < rows.count; i++)
		assert_int_equal(rows.uid[i], i < 1 || hidden == 0 ? i + 1 : i + 2);
	assert_int_equal(box_facts(box)->uidnext, MESSAGES + 1);
	snapshot_release(&rows);
	box_close(box);
}

static void test_replaced(void **state)
{
	static void (*const ways[])(
		const char *) = { to_link, to_nowhere, to_fifo, to_directory, to_other_length };
	struct files files;

	(void)state;
	files_open(&files, "eml:%s/mail");
	fill(&files);
	const char *path = files_path(&files, "mail/A/2.eml");
	const char *kept = files_path(&files, "mail/kept");
	for (size_t i = 0; i < countof(ways); i++) {
		struct mailbox_info info;

		check(&files, STORE_READ, MESSAGES, 0);
		assert_int_equal(rename(path, kept), 0);
		ways[i](path);
		check(&files, STORE_READ, MESSAGES - 1, 1);
		check(&files, STORE_WRITE, MESSAGES - 1, 1);
		assert_int_equal(store_status(files.store, "A", STORE_LIST_STATUS, &info, NULL), 0);
		assert_true(info.unclear && info.messages == MESSAGES);
		/* and is what it was when its file is back, also after a writer was there */
		assert_int_equal(remove(path), 0);
		assert_int_equal(rename(kept, path), 0);
	}
	check(&files, STORE_WRITE, MESSAGES, 0);
	files_close(&files);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_replaced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
