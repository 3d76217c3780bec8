/* Manifests, written and read back: what is believed is what was written, and nothing else is believed. */
#include "store/inventory.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/path.h"

#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

static char root[] = "/tmp/mailhaul-inventory-XXXXXX";
static struct arena *arena;
static char *path;

static int set_up(void **state)
{
	(void)state;
	arena = arena_new();
	if (!mkdtemp(root))
		return -1;
	path = arena_print(arena, "%s/m", root);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	(void)unlink(path);
	(void)rmdir(root);
	arena_free(arena);
	return 0;
}

static struct span id_of(void *context, uint32_t uid)
{
	(void)context;
	return uid == 1 ? SPAN("<one@\xff>") : (struct span){ NULL, 0 };
}

static void fill(struct snapshot *rows, struct flag_table *flags)
{
	snapshot_init(rows, true);
	snapshot_want_content(rows);
	for (uint32_t uid = 1; uid <= 3; uid++) {
		const size_t row = snapshot_add(rows, uid);

		rows->flags[row] = flags_parse(flags, SPAN("\\Seen kw"));
		rows->instant[row] = uid == 3 ? DATE_UNKNOWN : 1704106800 + uid;
		rows->zone[row] = -90;
		rows->size[row] = uid == 3 ? UINT32_MAX : 100 * uid;
		rows->attr[row] = uid == 3 ? 0 : SNAPSHOT_HAS_DIGEST | SNAPSHOT_HAS_CONTENT;
		rows->digest[row] = (struct digest128){ { uid, 0xabcdef0123456789 } };
		rows->content[row] = (struct digest128){ { 0, uid } };
	}
	snapshot_finish(rows, true);
}

static void write_it(bool replace, struct inventory_sum *sum)
{
	static const uint8_t reason[] = { 0, 1, 0 };
	const struct inventory_about about = {
		.location = "imap://x", .content = true, .flags = true, .all_messages = true
	};
	struct flag_table *flags = flag_table_new();
	struct inventory_mailbox mailbox = { .name = "a \"b\"\t\xe2\x80\xae",
		.uidvalidity = 5,
		.flags = flags,
		.message_id = id_of };
	struct inventory_writer *writer = inventory_create(path, &about, NULL);
	struct snapshot rows;

	assert_non_null(writer);
	fill(&rows, flags);
	mailbox.rows = &rows;
	assert_int_equal(inventory_mailbox(writer, &mailbox, NULL), 0);
	mailbox.name = "part";
	mailbox.reason = reason;
	rows.complete = false;
	assert_int_equal(inventory_mailbox(writer, &mailbox, NULL), 0);
	assert_int_equal(
		inventory_mailbox(
			writer, &(struct inventory_mailbox){ .name = "lost", .error = "no" }, NULL),
		0);
	assert_int_equal(access(path, F_OK), replace ? 0 : -1);
	assert_int_equal(inventory_finish(writer, NULL, replace, true, sum, NULL), 0);
	snapshot_release(&rows);
	flag_table_free(flags);
}

struct taken {
	uint32_t count;
	struct inventory_message last;
};

static int take(void *context, const struct inventory_message *message, struct err *err)
{
	struct taken *taken = context;

	(void)err;
	taken->count++;
	taken->last = *message;
	if (message->uid == 1) {
		assert_int_equal(message->size, 100);
		assert_int_equal(message->arrived.instant, 1704106801);
		assert_int_equal(message->arrived.zone, -90);
		assert_int_equal(message->header.word[1], 0xabcdef0123456789);
		assert_int_equal(message->content.word[1], 1);
		assert_true(span_equal_text(message->flags, "\\Seen kw"));
		assert_true(span_equal_text(message->message_id, "<one@\xef\xbf\xbd>"));
	}
	return 0;
}

static void test_back(void **state)
{
	struct inventory_sum sum;
	struct inventory *inventory;
	const struct inventory_box *box;
	struct taken taken = { 0 };

	(void)state;
	write_it(false, &sum);
	assert_int_equal(sum.mailboxes, 3);
	assert_int_equal(sum.messages, 5);
	assert_false(sum.complete);
	inventory = inventory_open(path, NULL, NULL);
	assert_non_null(inventory);
	assert_string_equal(inventory_about(inventory)->location, "imap://x");
	assert_true(inventory_about(inventory)->content && inventory_about(inventory)->flags &&
		    inventory_about(inventory)->all_messages);
	assert_false(
		inventory_about(inventory)->dates || inventory_about(inventory)->all_mailboxes);
	assert_false(inventory_complete(inventory));
	assert_int_equal(inventory_boxes(inventory), 3);
	box = inventory_find(inventory, "a \"b\"\t\xe2\x80\xae");
	assert_non_null(box);
	assert_ptr_equal(box, inventory_box_at(inventory, 0));
	assert_true(box->complete);
	assert_int_equal(box->uidvalidity, 5);
	assert_int_equal(box->uidnext, 4);
	assert_int_equal(inventory_read(inventory, box, take, &taken, NULL), 0);
	assert_int_equal(taken.count, 3);
	assert_int_equal(taken.last.size, UINT32_MAX);
	assert_true(taken.last.arrived.instant == DATE_UNKNOWN);
	assert_false(digest128_known(taken.last.header) || digest128_known(taken.last.content));
	box = inventory_find(inventory, "part");
	assert_false(box->complete);
	assert_int_equal(inventory_read(inventory, box, take, &taken, NULL), 0);
	assert_int_equal(taken.count, 5);
	assert_string_equal(inventory_find(inventory, "lost")->error, "no");
	assert_null(inventory_find(inventory, "INBOX"));
	inventory_close(inventory);
}

/* The name is taken, or a file of it is to go. */
static void test_replaced(void **state)
{
	const struct inventory_about about = { .location = "x" };
	struct inventory_writer *writer = inventory_create(path, &about, NULL);
	struct inventory_sum sum;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(inventory_finish(writer, NULL, false, true, &sum, &err), -1);
	assert_int_equal(err.scope, ERR_LOCAL);
	inventory_abandon(inventory_create(path, &about, NULL));
	write_it(true, &sum);
	assert_null(inventory_create(arena_print(arena, "%s/no/m", root), &about, NULL));
}

/* Each octet, and each length. */
static void test_damaged(void **state)
{
	struct span whole;

	(void)state;
	assert_int_equal(path_read(path, 1u << 20, arena, &whole, NULL), 0);
	for (size_t i = 0; i < whole.len; i += i < 400 || i + 200 > whole.len ? 1 : 7) {
		char *text = arena_text(arena, whole);

		text[i] ^= 1;
		assert_int_equal(path_write(path, span_make(text, whole.len), 0600, NULL), 0);
		/* Hexadecimal digits and base64 of the seal are all that is not under the digest; they must agree. */
		if (inventory_open(path, NULL, NULL))
			fail_msg("octet %zu changed, and it was believed", i);
		assert_int_equal(path_write(path, span_sub(whole, 0, i), 0600, NULL), 0);
		if (inventory_open(path, NULL, NULL))
			fail_msg("cut at %zu, and it was believed", i);
	}
	assert_int_equal(path_write(path, whole, 0600, NULL), 0);
}

/* Checked when it was opened, and another one when it is read. */
static void test_changed_meanwhile(void **state)
{
	struct inventory *inventory = inventory_open(path, NULL, NULL);
	struct taken taken = { 0 };
	struct err err = ERR_INIT;
	struct span whole;
	FILE *file;

	(void)state;
	assert_non_null(inventory);
	assert_int_equal(path_read(path, 1u << 20, arena, &whole, NULL), 0);
	char *text = arena_text(arena, whole);
	char *size = strstr(text, "\"size\":200");
	assert_non_null(size);
	size[7] = '3';
	file = fopen(path, "r+e");
	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, whole.len, file), whole.len);
	fclose(file);
	assert_int_equal(
		inventory_read(inventory, inventory_box_at(inventory, 0), take, &taken, &err), -1);
	assert_non_null(strstr(err.text, "changed while"));
	inventory_close(inventory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_back),
		cmocka_unit_test(test_replaced),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_changed_meanwhile),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
