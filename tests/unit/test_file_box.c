/* What the back ends of files share, over messages in memory. */
#include "store/file_box.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/must.h"
#include "base/stop.h"
#include "mail/header.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define LONG_LINES 20000

enum trouble {
	TROUBLE_NONE,
	TROUBLE_GONE,
	TROUBLE_OPEN,
	TROUBLE_READ,
	TROUBLE_LINE,
	TROUBLE_GROWS
};

struct sample { /* of UID index + 1 */
	struct span text;
	enum trouble trouble;
};

struct memory_box {
	struct file_box file;
	struct store store;
	struct sample *sample;
	size_t chunk; /* octets given at a time */
	struct span rest;
	uint32_t open; /* UID, 0 = none */
	unsigned opened, refreshed;
	bool broken; /* the next read fails or gives more */
};

static struct memory_box *memory_of(struct file_box *box)
{
	return (struct memory_box *)(void *)box;
}

static int memory_open(struct file_box *base, uint32_t uid, struct err *err)
{
	struct memory_box *box = memory_of(base);
	const struct sample *sample = &box->sample[uid - 1];

	if (sample->trouble == TROUBLE_GONE)
		return 0;
	if (sample->trouble == TROUBLE_OPEN)
		return err_set(err, ERR_MESSAGE, "no permission");
	box->opened++;
	box->rest = sample->text;
	box->broken = (sample->trouble == TROUBLE_GROWS && box->open == uid) ||
		      sample->trouble == TROUBLE_READ || sample->trouble == TROUBLE_LINE;
	box->open = uid;
	return 1;
}

static int memory_read(struct file_box *base, struct span *out, struct err *err)
{
	struct memory_box *box = memory_of(base);

	assert_int_not_equal(box->open, 0);
	if (box->rest.len == 0 && box->broken) {
		box->broken = false;
		if (box->sample[box->open - 1].trouble == TROUBLE_READ)
			return err_set(err, ERR_MESSAGE, "input/output error");
		if (box->sample[box->open - 1].trouble == TROUBLE_LINE)
			return err_set(err, ERR_LOCAL, "the disk is gone");
		*out = SPAN("more\n");
		return 1;
	}
	if (box->rest.len == 0)
		return 0;
	*out = span_sub(box->rest, 0, box->chunk);
	box->rest = span_from(box->rest, out->len);
	return 1;
}

static void memory_close(struct file_box *base)
{
	memory_of(base)->open = 0;
}

static int memory_refresh(struct file_box *base, struct err *err)
{
	(void)err;
	memory_of(base)->refreshed++;
	return 0;
}

static const struct file_body_ops memory_ops = {
	.open = memory_open, .read = memory_read, .close = memory_close, .refresh = memory_refresh
};

static void start(struct memory_box *box, struct sample *sample, size_t count, size_t chunk)
{
	*box = (struct memory_box){ .sample = sample, .chunk = chunk };
	file_box_init(&box->file, &box->store, "INBOX", &memory_ops);
	for (size_t i = 0; i < count; i++) {
		const size_t row = snapshot_add(&box->file.rows, (uint32_t)i + 1);

		box->file.rows.instant[row] = 1000 + (int64_t)i;
		box->file.rows.size[row] = 7;
	}
	snapshot_finish(&box->file.rows, true);
}

static void ask(struct memory_box *box, struct arena *arena, uint32_t first, uint32_t last)
{
	struct uidset set = { 0 };

	uidset_add(&set, arena, first, last);
	assert_int_equal(file_box_fetch_ask(&box->file.box, &set, 1, NULL), 0);
}

static void read_all(struct memory_box *box, struct buf *out)
{
	struct err err = ERR_INIT;
	struct span chunk;
	int rc;

	while ((rc = file_box_fetch_chunk(&box->file.box, &chunk, &err)) > 0)
		assert_int_equal(buf_add(out, chunk), 0);
	assert_int_equal(rc, 0);
}

/* A message of 20,000 lines, some with CRLF. */
static void fill_long(struct buf *file, struct buf *mail)
{
	buf_init(file, 1u << 22);
	buf_init(mail, 1u << 22);
	for (int i = 0; i < LONG_LINES; i++) {
		const char *end = i % 3 == 0 ? "\r\n" : "\n";

		assert_int_equal(buf_print(file, "this is line %d%s", i, end), 0);
		assert_int_equal(buf_print(mail, "this is line %d\r\n", i), 0);
	}
}

static void test_read(void **state)
{
	const size_t chunks[] = { 1, 7, 65536, 100000000 };
	struct arena *arena = arena_new();
	struct buf file, mail;

	(void)state;
	fill_long(&file, &mail);
	for (size_t c = 0; c < countof(chunks); c++) {
		struct sample sample[] = { { SPAN("a\nb\r\n"), 0 }, { SPAN(""), 0 },
			{ buf_span(&file), 0 }, { SPAN("x\r"), 0 } };
		const char *expected[] = { "a\r\nb\r\n", "", buf_text(&mail), "x\r" };
		struct memory_box box;
		struct message message;

		start(&box, sample, countof(sample), chunks[c]);
		ask(&box, arena, 1, 2);
		ask(&box, arena, 3, 5);
		for (uint32_t i = 0; i < 4; i++) {
			struct buf out;

			buf_init(&out, 1u << 22);
			assert_int_equal(file_box_fetch_next(&box.file.box, &message, NULL), 1);
			assert_int_equal(message.uid, i + 1);
			assert_int_equal(message.outcome, MESSAGE_HERE);
			assert_int_equal(message.date.instant, 1000 + i);
			read_all(&box, &out);
			assert_int_equal(message.size, out.len);
			assert_string_equal(buf_text(&out), expected[i]);
			buf_release(&out);
		}
		assert_int_equal(file_box_fetch_next(&box.file.box, &message, NULL), 1);
		assert_int_equal(message.outcome, MESSAGE_GONE);
		assert_int_equal(file_box_fetch_next(&box.file.box, &message, NULL), 0);
		assert_int_equal(box.open, 0);
		file_box_release(&box.file);
	}
	buf_release(&file);
	buf_release(&mail);
	arena_free(arena);
}

static void test_raw(void **state)
{
	struct sample sample[] = { { SPAN("a\nb\r\n"), 0 } };
	struct arena *arena = arena_new();
	struct memory_box box;
	struct message message;
	struct span chunk;

	(void)state;
	start(&box, sample, 1, 100);
	box.file.raw = true;
	ask(&box, arena, 1, 1);
	assert_int_equal(file_box_fetch_next(&box.file.box, &message, NULL), 1);
	assert_int_equal(message.size, 5);
	assert_int_equal(file_box_fetch_chunk(&box.file.box, &chunk, NULL), 1);
	assert_true(span_equal(chunk, SPAN("a\nb\r\n")));
	file_box_release(&box.file);
	arena_free(arena);
}

/* Skipped ones are closed, refused ones say why, gone ones are gone; a failing place fails. */
static void test_trouble(void **state)
{
	struct sample sample[] = { { SPAN("a\n"), TROUBLE_OPEN }, { SPAN("b\n"), TROUBLE_GONE },
		{ SPAN("c\n"), TROUBLE_READ }, { SPAN("d\n"), 0 }, { SPAN("e\n"), TROUBLE_LINE } };
	const enum message_outcome outcome[] = { MESSAGE_REFUSED, MESSAGE_GONE, MESSAGE_REFUSED,
		MESSAGE_HERE };
	struct arena *arena = arena_new();
	struct memory_box box;
	struct message message;
	struct err err = ERR_INIT;

	(void)state;
	start(&box, sample, countof(sample), 100);
	ask(&box, arena, 1, 5);
	for (size_t i = 0; i < countof(outcome); i++) {
		assert_int_equal(file_box_fetch_next(&box.file.box, &message, &err), 1);
		assert_int_equal(message.outcome, outcome[i]);
	}
	assert_int_equal(file_box_fetch_next(&box.file.box, &message, &err), -1);
	assert_int_equal(err.scope, ERR_LOCAL);
	assert_int_equal(box.open, 0);
	file_box_release(&box.file);
	arena_free(arena);
}

/* The octets promised are the octets given, or the pass ends. */
static void test_changed(void **state)
{
	struct arena *arena = arena_new();
	struct err err = ERR_INIT;
	struct buf file, mail;
	struct memory_box box;
	struct message message;
	struct span chunk;
	uint64_t given = 0;
	int rc;

	(void)state;
	fill_long(&file, &mail);
	struct sample sample[] = { { buf_span(&file), TROUBLE_GROWS } };
	start(&box, sample, 1, 5000);
	ask(&box, arena, 1, 1);
	assert_int_equal(file_box_fetch_next(&box.file.box, &message, NULL), 1);
	assert_int_equal(box.opened, 2);
	while ((rc = file_box_fetch_chunk(&box.file.box, &chunk, &err)) > 0)
		given += chunk.len;
	assert_int_equal(rc, -1);
	assert_int_equal(err.scope, ERR_CONN);
	assert_int_equal(given, message.size);
	file_box_release(&box.file);
	buf_release(&file);
	buf_release(&mail);
	arena_free(arena);
}

static void test_room(void **state)
{
	struct sample sample[] = { { SPAN("a\n"), 0 } };
	struct arena *arena = arena_new();
	struct memory_box box;

	(void)state;
	start(&box, sample, 1, 100);
	assert_true(file_box_fetch_has_room(&box.file.box));
	ask(&box, arena, 1, 2000);
	assert_false(file_box_fetch_has_room(&box.file.box));
	file_box_fetch_end(&box.file.box);
	assert_true(file_box_fetch_has_room(&box.file.box));
	file_box_release(&box.file);
	arena_free(arena);
}

#define MAIL_LF "Subject: a\nMessage-ID: <1@x>\n\nbody\n"
#define MAIL_CRLF "Subject: a\r\nMessage-ID: <1@x>\r\n\r\nbody\r\n"

static void note_header(void *context, uint32_t uid, struct span header)
{
	const struct span lf = SPAN("Subject: a\nMessage-ID: <1@x>\n\n");
	const struct span crlf = SPAN("Subject: a\r\nMessage-ID: <1@x>\r\n\r\n");

	assert_true(span_equal(header, uid == 1 ? lf : crlf));
	++*(unsigned *)context;
}

static void test_scan(void **state)
{
	struct sample sample[] = { { SPAN(MAIL_LF), 0 }, { SPAN("x"), TROUBLE_OPEN },
		{ SPAN("x"), TROUBLE_GONE }, { SPAN(MAIL_CRLF), 0 } };
	struct arena *arena = arena_new();
	unsigned headers = 0;
	const struct box_scan want = {
		.digests = true, .content = true, .header = note_header, .header_context = &headers
	};
	struct header_scan *header = header_scan_new(true);
	struct header_facts facts;
	struct uidset unknown = { 0 };
	struct snapshot rows;
	struct memory_box box;

	(void)state;
	header_scan_add(header, SPAN(MAIL_CRLF));
	header_scan_end(header, &facts);
	start(&box, sample, countof(sample), 3);
	snapshot_init(&rows, false);
	assert_int_equal(file_box_scan(&box.file.box, &want, &rows, arena, &unknown, NULL), 0);
	assert_int_equal(headers, 2);
	assert_int_equal(box.refreshed, 0);
	assert_int_equal(rows.count, 2);
	assert_false(rows.complete);
	assert_true(uidset_has(&unknown, 2));
	assert_int_equal(uidset_size(&unknown), 1);
	for (size_t i = 0; i < 2; i++) {
		assert_true(digest128_equal(rows.digest[i], facts.header));
		assert_true(digest128_equal(rows.content[i], facts.content));
		assert_int_equal(rows.size[i], sizeof(MAIL_CRLF) - 1);
		assert_int_equal(rows.attr[i],
			SNAPSHOT_HAS_DIGEST | SNAPSHOT_HAS_MESSAGE_ID | SNAPSHOT_HAS_CONTENT);
	}
	snapshot_release(&rows);
	header_scan_free(header);
	file_box_release(&box.file);
	arena_free(arena);
}

static void count_ticks(void *context, uint64_t messages)
{
	*(uint64_t *)context += messages;
}

/* Without digests nothing is read, and sizes are hints. A second scan looks again. */
static void test_scan_rows(void **state)
{
	struct sample sample[] = { { SPAN("x"), TROUBLE_LINE }, { SPAN("x"), 0 },
		{ SPAN("x"), 0 } };
	struct arena *arena = arena_new();
	struct uidset unknown = { 0 }, uids = { 0 };
	uint64_t ticked = 0;
	struct box_scan want = { .uids = &uids, .tick = count_ticks, .tick_context = &ticked };
	struct snapshot rows;
	struct memory_box box;

	(void)state;
	uidset_add(&uids, arena, 1, 1);
	uidset_add(&uids, arena, 3, 9);
	start(&box, sample, countof(sample), 3);
	for (unsigned i = 0; i < 2; i++) {
		snapshot_init(&rows, false);
		assert_int_equal(
			file_box_scan(&box.file.box, &want, &rows, arena, &unknown, NULL), 0);
		assert_int_equal(box.refreshed, i);
		assert_int_equal(rows.count, 2);
		assert_true(rows.complete);
		assert_int_equal(rows.uid[1], 3);
		assert_int_equal(rows.size[1], 7);
		assert_int_equal(ticked, 2);
		ticked = 0;
		snapshot_release(&rows);
	}
	want.digests = true;
	snapshot_init(&rows, false);
	assert_int_equal(file_box_scan(&box.file.box, &want, &rows, arena, &unknown, NULL), -1);
	assert_false(rows.complete);
	snapshot_release(&rows);
	file_box_release(&box.file);
	arena_free(arena);
}

static void test_results(void **state)
{
	struct file_results results = { 0 };
	struct append_result result;

	(void)state;
	assert_false(file_results_take(&results, &result));
	for (uint64_t i = 0; i < 200; i++)
		file_results_add(&results, i)->outcome = APPEND_STORED;
	for (uint64_t i = 0; i < 200; i++) {
		assert_true(file_results_take(&results, &result));
		assert_int_equal(result.token, i);
		assert_int_equal(result.outcome, APPEND_STORED);
	}
	assert_false(file_results_take(&results, &result));
	assert_int_equal(file_results_add(&results, 7)->outcome, APPEND_SKIPPED);
	file_results_release(&results);
}

/* Read once, as far as it is needed; what cannot be read is unknown, what is gone is not there. */
static void test_search(void **state)
{
	struct sample sample[] = { { .text = SPAN("Subject: a\n\nfirst\nline\n") },
		{ .text = SPAN("Subject: b\n\nsecond\n") }, { .trouble = TROUBLE_GONE },
		{ .trouble = TROUBLE_OPEN }, { .text = SPAN("x"), .trouble = TROUBLE_READ } };
	struct uidset found = { 0 }, unknown = { 0 };
	struct arena *arena = arena_new();
	struct err err = ERR_INIT;
	struct memory_box box;

	(void)state;
	start(&box, sample, countof(sample), 3);
	assert_int_equal(
		file_box_search(&box.file.box, "UID 2:9 NOT UID 3", arena, &found, &unknown, &err),
		0);
	assert_int_equal(uidset_size(&found), 3);
	assert_int_equal(box.opened, 0);
	found = (struct uidset){ 0 };
	assert_int_equal(
		file_box_search(&box.file.box, "SUBJECT b", arena, &found, &unknown, &err), 0);
	assert_int_equal(uidset_size(&found), 1);
	assert_int_equal(uidset_at(&found, 0), 2);
	assert_int_equal(uidset_size(&unknown), 2);
	assert_int_equal(box.refreshed, 1);
	assert_int_equal(box.opened, 3);
	/* of the size as IMAP counts it: 25 octets, and four more for CRs */
	found = unknown = (struct uidset){ 0 };
	box.file.rows.attr[0] = SNAPSHOT_SIZE_ROUGH;
	box.file.rows.size[0] = 23;
	assert_int_equal(file_box_search(&box.file.box, "UID 1 LARGER 26 SMALLER 28", arena, &found,
				 &unknown, &err),
		0);
	assert_int_equal(uidset_size(&found), 1);
	box.file.rows.complete = false;
	assert_int_equal(file_box_search(&box.file.box, "UID 1", arena, &found, &unknown, &err), 1);
	sample[0].trouble = TROUBLE_LINE;
	assert_int_equal(
		file_box_search(&box.file.box, "BODY x", arena, &found, &unknown, &err), -1);
	assert_int_equal(err.scope, ERR_LOCAL);
	assert_int_equal(file_box_search(&box.file.box, "(", arena, &found, &unknown, &err), -1);
	file_box_release(&box.file);
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_raw),
		cmocka_unit_test(test_trouble),
		cmocka_unit_test(test_changed),
		cmocka_unit_test(test_room),
		cmocka_unit_test(test_scan),
		cmocka_unit_test(test_scan_rows),
		cmocka_unit_test(test_results),
		cmocka_unit_test(test_search),
	};

	stop_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
