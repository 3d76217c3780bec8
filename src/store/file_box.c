/* Mail kept in files: what is asked for is read one by one, and gets the line ends of IMAP on the way. */
#include "store/file_box.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/stop.h"
#include "mail/header.h"
#include "mail/unix_eol.h"
#include "store/file_search.h"
#include "store/header_tap.h"

#include <time.h>

#define GATHER_MAX 262144 /* octets of a message that is read whole before its size is told */
#define PIECE 65536 /* octets converted at a time */
#define QUEUE_MAX 1024 /* messages asked for and not read yet */
#define TICK_EVERY 64

enum reading_state {
	READING_NONE,
	READING_GATHERED, /* the whole message is in buf, to be handed on once */
	READING_STREAM, /* the second pass over a long one */
};

struct file_reading {
	struct uid_range *queue; /* asked for, in this order */
	size_t first, count, room;
	uint64_t waiting; /* messages of it */
	enum reading_state state;
	struct span rest; /* of what the back end gave, not converted yet */
	struct unix_eol eol;
	struct buf buf; /* converted */
	uint64_t size, given; /* octets of the open message, and of them handed on */
	uint32_t uid;
};

static struct file_box *file_box_of(struct box *box)
{
	return (struct file_box *)(void *)box;
}

void file_box_init(struct file_box *box, struct store *store, const char *name,
	const struct file_body_ops *body)
{
	*box = (struct file_box){ .body = body };
	box->box.store = store;
	box->box.name = mem_strdup(name);
	snapshot_init(&box->rows, false);
	box->reading = mem_alloc(sizeof(*box->reading));
	buf_init(&box->reading->buf, GATHER_MAX + (size_t)PIECE * 2);
}

void file_box_release(struct file_box *box)
{
	file_box_fetch_end(&box->box);
	buf_release(&box->reading->buf);
	mem_free(box->reading->queue);
	mem_free(box->reading);
	snapshot_release(&box->rows);
	mem_free(box->box.name);
}

/* ---- octets ---- */

/* 1 = a piece of the open message as it is kept, 0 = its end, -1. */
static int next_piece(struct file_box *box, struct span *out, struct err *err)
{
	struct file_reading *reading = box->reading;
	int rc;

	while (reading->rest.len == 0) {
		rc = box->body->read(box, &reading->rest, err);
		if (rc <= 0)
			return rc;
	}
	*out = span_sub(reading->rest, 0, PIECE);
	reading->rest = span_from(reading->rest, out->len);
	return 1;
}

static void convert(struct file_box *box, struct span piece)
{
	struct buf *buf = &box->reading->buf;

	if (!box->raw)
		unix_eol_get(&box->reading->eol, piece, buf);
	else if (buf_add(buf, piece) < 0)
		abort(); /* its cap has room for a piece */
}

/* 1 = open at its beginning, 0 = gone, -1. */
static int open_message(struct file_box *box, uint32_t uid, struct err *err)
{
	struct file_reading *reading = box->reading;

	reading->rest = (struct span){ NULL, 0 };
	reading->eol = (struct unix_eol){ 0 };
	buf_clear(&reading->buf);
	return box->body->open(box, uid, err);
}

/* The rest of a long message is only counted, then it is opened once more. */
static int begin_stream(struct file_box *box, struct err *err)
{
	struct file_reading *reading = box->reading;
	uint64_t size = reading->buf.len;
	struct span piece;
	int rc;

	while ((rc = next_piece(box, &piece, err)) > 0) {
		size += piece.len;
		if (!box->raw)
			size += unix_eol_count(&reading->eol, piece);
		if (stop_check(err) < 0)
			return -1;
	}
	if (rc < 0)
		return -1;
	rc = open_message(box, reading->uid, err);
	if (rc <= 0)
		return rc;
	reading->state = READING_STREAM;
	reading->size = size;
	reading->given = 0;
	return 1;
}

/* 1 = ready to be handed on, its size known; 0 = gone; -1. */
static int begin_message(struct file_box *box, uint32_t uid, struct err *err)
{
	struct file_reading *reading = box->reading;
	struct span piece;
	int rc;

	reading->uid = uid;
	rc = open_message(box, uid, err);
	if (rc <= 0)
		return rc;
	while ((rc = next_piece(box, &piece, err)) > 0) {
		convert(box, piece);
		if (reading->buf.len > GATHER_MAX)
			return begin_stream(box, err);
	}
	if (rc < 0)
		return -1;
	box->body->close(box);
	reading->state = READING_GATHERED;
	reading->size = reading->buf.len;
	return 1;
}

/* ---- the queue ---- */

static void forget_message(struct file_box *box)
{
	if (box->reading->state == READING_STREAM)
		box->body->close(box);
	box->reading->state = READING_NONE;
}

bool file_box_fetch_has_room(const struct box *box)
{
	return ((const struct file_box *)(const void *)box)->reading->waiting < QUEUE_MAX;
}

int file_box_fetch_ask(struct box *base, const struct uidset *uids, uint64_t bytes, struct err *err)
{
	struct file_reading *reading = file_box_of(base)->reading;

	(void)bytes;
	(void)err;
	if (reading->first == reading->count)
		reading->first = reading->count = 0;
	if (uids->count > reading->room - reading->count) {
		reading->room = reading->count + uids->count;
		reading->queue = mem_resize(reading->queue, reading->room, sizeof(*reading->queue));
	}
	for (size_t i = 0; i < uids->count; i++)
		reading->queue[reading->count++] = uids->range[i];
	reading->waiting += uidset_size(uids);
	return 0;
}

/* Files never make wait as a network does. */
bool file_box_fetch_ready(struct box *box)
{
	(void)box;
	return true;
}

static bool next_uid(struct file_reading *reading, uint32_t *uid_out)
{
	struct uid_range *range;

	if (reading->first == reading->count)
		return false;
	range = &reading->queue[reading->first];
	*uid_out = range->first;
	if (range->first++ == range->last)
		reading->first++;
	reading->waiting--;
	return true;
}

int file_box_fetch_next(struct box *base, struct message *out, struct err *err)
{
	struct file_box *box = file_box_of(base);
	struct err local = ERR_INIT;
	uint32_t uid;
	int rc = 0;

	forget_message(box);
	if (!next_uid(box->reading, &uid))
		return 0;
	box->used = true;

	const size_t row = snapshot_find(&box->rows, uid);
	*out = (struct message){ .uid = uid, .outcome = MESSAGE_GONE };
	out->date.instant = DATE_UNKNOWN;
	if (row == SIZE_MAX)
		return 1;
	rc = begin_message(box, uid, &local);
	if (rc <= 0)
		box->body->close(box);
	if (rc < 0 && local.scope > ERR_MESSAGE) {
		if (err != NULL)
			*err = local;
		return -1;
	}
	if (rc < 0) {
		out->outcome = MESSAGE_REFUSED;
		(void)snprintf(out->text, sizeof(out->text), "%.*s", (int)sizeof(out->text) - 1,
			local.text);
	}
	if (rc <= 0)
		return 1;
	out->outcome = MESSAGE_HERE;
	out->has_flags = true;
	out->flags = box->rows.flags[row];
	out->date = (struct date){ box->rows.instant[row], box->rows.zone[row] };
	out->size = box->reading->size;
	return 1;
}

static int changed(const struct file_box *box, struct err *err)
{
	return err_set(err, ERR_CONN,
		"mailbox %s: message %u changed while it was read: %llu octets were there, now %s",
		box->box.name, (unsigned)box->reading->uid, (unsigned long long)box->reading->size,
		box->reading->given > box->reading->size ? "there are more" : "there are fewer");
}

static int stream_chunk(struct file_box *box, struct span *chunk_out, struct err *err)
{
	struct file_reading *reading = box->reading;
	struct err local = ERR_INIT;
	struct span piece;
	int rc = next_piece(box, &piece, &local);

	if (rc < 0) { /* half of it may be on its way: only a new beginning helps */
		if (local.scope < ERR_CONN)
			err_rescope(&local, ERR_CONN);
		if (err != NULL)
			*err = local;
		return -1;
	}
	if (rc == 0) {
		forget_message(box);
		return reading->given == reading->size ? 0 : changed(box, err);
	}
	buf_clear(&reading->buf);
	convert(box, piece);
	reading->given += reading->buf.len;
	if (reading->given > reading->size)
		return changed(box, err);
	*chunk_out = buf_span(&reading->buf);
	return 1;
}

int file_box_fetch_chunk(struct box *base, struct span *chunk_out, struct err *err)
{
	struct file_box *box = file_box_of(base);

	switch (box->reading->state) {
	case READING_NONE:
		break;
	case READING_GATHERED:
		box->reading->state = READING_NONE;
		*chunk_out = buf_span(&box->reading->buf);
		return chunk_out->len > 0;
	case READING_STREAM:
		return stream_chunk(box, chunk_out, err);
	}
	return 0;
}

void file_box_fetch_end(struct box *base)
{
	struct file_box *box = file_box_of(base);

	forget_message(box);
	box->reading->first = box->reading->count = 0;
	box->reading->waiting = 0;
}

/* ---- scans ---- */

struct file_scan {
	struct file_box *box;
	const struct box_scan *want;
	struct snapshot *out;
	struct header_scan *header; /* NULL: no digests */
	struct header_tap tap;
	uint64_t done;
};

static void add_row(struct file_scan *scan, size_t from, const struct header_facts *facts)
{
	const struct snapshot *rows = &scan->box->rows;
	struct snapshot *out = scan->out;
	const size_t row = snapshot_add(out, rows->uid[from]);

	out->flags[row] = rows->flags[from];
	out->instant[row] = rows->instant[from];
	out->zone[row] = rows->zone[from];
	out->size[row] = rows->size[from];
	if (facts == NULL) {
		out->attr[row] |= rows->attr[from] & SNAPSHOT_SIZE_ROUGH;
		return;
	}
	out->size[row] = facts->size < UINT32_MAX ? (uint32_t)facts->size : UINT32_MAX;
	if (out->digest != NULL) {
		out->digest[row] = facts->header;
		out->attr[row] |= SNAPSHOT_HAS_DIGEST;
	}
	if (facts->has_message_id)
		out->attr[row] |= SNAPSHOT_HAS_MESSAGE_ID;
	if (scan->want->content) {
		out->content[row] = facts->content;
		out->attr[row] |= SNAPSHOT_HAS_CONTENT;
	}
}

/* Both digests are the same for LF and CRLF: only the length has to be put right. 1, 0 = gone, -1. */
static int digest_message(
	struct file_scan *scan, uint32_t uid, struct header_facts *facts, struct err *err)
{
	struct file_box *box = scan->box;
	struct span piece;
	uint64_t added = 0;
	int rc = open_message(box, uid, err);

	if (rc <= 0)
		return rc;
	while ((rc = next_piece(box, &piece, err)) > 0) {
		header_scan_add(scan->header, piece);
		header_tap_add(&scan->tap, piece);
		if (!box->raw)
			added += unix_eol_count(&box->reading->eol, piece);
	}
	header_scan_end(scan->header, facts);
	facts->size += added;
	return rc < 0 ? -1 : 1;
}

static int scan_message(struct file_scan *scan, size_t row, struct arena *arena,
	struct uidset *unknown, struct err *err)
{
	const uint32_t uid = scan->box->rows.uid[row];
	struct err local = ERR_INIT;
	struct header_facts facts;
	int rc;

	if (scan->header == NULL) {
		add_row(scan, row, NULL);
		return 0;
	}
	if (stop_check(err) < 0)
		return -1;
	rc = digest_message(scan, uid, &facts, &local);
	scan->box->body->close(scan->box);
	if (rc > 0) {
		add_row(scan, row, &facts);
		header_tap_give(&scan->tap, scan->want, uid);
	}
	header_tap_drop(&scan->tap);
	if (rc >= 0)
		return 0;
	if (local.scope <= ERR_MESSAGE) {
		uidset_add(unknown, arena, uid, uid);
		return 0;
	}
	if (err != NULL)
		*err = local;
	return -1;
}

static void tick(struct file_scan *scan, uint64_t messages)
{
	if (scan->want->tick != NULL && messages > 0)
		scan->want->tick(scan->want->tick_context, messages);
}

static int scan_rows(
	struct file_scan *scan, struct arena *arena, struct uidset *unknown, struct err *err)
{
	const struct snapshot *rows = &scan->box->rows;

	for (size_t row = 0; row < rows->count; row++) {
		if (scan->want->uids != NULL && !uidset_has(scan->want->uids, rows->uid[row]))
			continue;
		if (scan_message(scan, row, arena, unknown, err) < 0)
			return -1;
		if (++scan->done % TICK_EVERY == 0)
			tick(scan, TICK_EVERY);
	}
	tick(scan, scan->done % TICK_EVERY);
	return 0;
}

static int look_again(struct file_box *box, struct err *err)
{
	if (box->reading->state != READING_NONE || box->reading->waiting > 0)
		return err_set(err, ERR_LOCAL, "mailbox %s is still being read", box->box.name);
	if (box->used && box->body->refresh != NULL && box->body->refresh(box, err) < 0)
		return -1;
	box->used = true;
	return 0;
}

int file_box_scan(struct box *base, const struct box_scan *want, struct snapshot *snapshot,
	struct arena *arena, struct uidset *unknown, struct err *err)
{
	struct file_box *box = file_box_of(base);
	struct file_scan scan = { .box = box, .want = want, .out = snapshot };
	int rc;

	if (look_again(box, err) < 0)
		return -1;
	snapshot->modseq = base->facts.modseq;
	if (want->digests)
		snapshot_want_digests(snapshot);
	if (want->content)
		snapshot_want_content(snapshot);
	if (want->digests || want->content)
		scan.header = want->field_count > 0 ? header_scan_new_fields(want->content,
							      want->fields, want->field_count)
						    : header_scan_new(want->content);
	header_tap_init(&scan.tap, want);
	rc = scan_rows(&scan, arena, unknown, err);
	header_tap_release(&scan.tap);
	header_scan_free(scan.header);
	snapshot_finish(snapshot, rc == 0 && box->rows.complete && unknown->count == 0);
	return rc < 0 ? err_wrap(err, "mailbox %s: cannot tell what is in it", base->name) : 0;
}

/* ---- searching ---- */

static enum file_search_state begin_search(struct file_box *box, struct file_search *search,
	struct file_search_facts *facts, size_t row)
{
	const struct snapshot *rows = &box->rows;

	*facts = (struct file_search_facts){
		.uid = rows->uid[row],
		.last_uid = rows->uid[rows->count - 1],
		.number = (uint32_t)row + 1,
		.last_number = (uint32_t)rows->count,
		.table = box->box.store->flags,
		.flags = rows->flags[row],
		.date = { rows->instant[row], rows->zone[row] },
		.size = rows->size[row],
		.size_rough = rows->attr[row] & SNAPSHOT_SIZE_ROUGH,
	};
	return file_search_begin(search, facts);
}

/* 1, 0 = gone, -1. */
static int read_search(struct file_box *box, struct file_search *search, uint32_t uid,
	enum file_search_state *state, struct err *err)
{
	struct span piece;
	uint64_t size = 0;
	int rc = open_message(box, uid, err);

	if (rc <= 0)
		return rc;
	while (*state >= FILE_SEARCH_HEADER && (rc = next_piece(box, &piece, err)) > 0) {
		size += piece.len;
		if (!box->raw)
			size += unix_eol_count(&box->reading->eol, piece);
		*state = file_search_add(search, piece);
		if (stop_check(err) < 0)
			return -1;
	}
	if (rc == 0)
		*state = file_search_end(search, size);
	return rc < 0 ? -1 : 1;
}

static int search_rows(struct file_box *box, struct file_search *search, struct arena *arena,
	struct uidset *out, struct uidset *unknown, struct err *err)
{
	for (size_t row = 0; row < box->rows.count; row++) {
		const uint32_t uid = box->rows.uid[row];
		struct file_search_facts facts;
		struct err local = ERR_INIT;
		enum file_search_state state = begin_search(box, search, &facts, row);
		int rc = 1;

		if (state >= FILE_SEARCH_HEADER) {
			rc = read_search(box, search, uid, &state, &local);
			box->body->close(box);
		}
		if (rc > 0 && state == FILE_SEARCH_YES)
			uidset_add(out, arena, uid, uid);
		if (rc >= 0)
			continue;
		if (local.scope > ERR_MESSAGE) {
			if (err != NULL)
				*err = local;
			return -1;
		}
		uidset_add(unknown, arena, uid, uid);
	}
	return box->rows.complete ? 0 : 1;
}

int file_box_search(struct box *base, const char *expression, struct arena *arena,
	struct uidset *out, struct uidset *unknown, struct err *err)
{
	struct file_box *box = file_box_of(base);
	struct file_search *search = file_search_new(expression, (int64_t)time(NULL), err);
	int rc = -1;

	if (search != NULL && look_again(box, err) == 0) {
		box->used = true;
		rc = search_rows(box, search, arena, out, unknown, err);
	}
	file_search_free(search);
	return rc < 0 ? err_wrap(err, "mailbox %s", base->name) : rc;
}

/* ---- appends ---- */

int file_append_whole(uint64_t came, uint64_t announced, struct err *err)
{
	return came == announced ? 0
				 : err_set(err, ERR_MESSAGE,
					   "%llu octets of it came, and %llu were announced",
					   (unsigned long long)came, (unsigned long long)announced);
}

struct append_result *file_results_add(struct file_results *results, uint64_t token)
{
	struct append_result *result;

	if (results->taken == results->count)
		results->taken = results->count = 0;
	if (results->count == results->room) {
		results->room = results->room > 0 ? results->room * 2 : 64;
		results->result =
			mem_resize(results->result, results->room, sizeof(*results->result));
	}
	result = &results->result[results->count++];
	*result = (struct append_result){ .token = token, .outcome = APPEND_SKIPPED };
	return result;
}

bool file_results_take(struct file_results *results, struct append_result *out)
{
	if (results->taken == results->count)
		return false;
	*out = results->result[results->taken++];
	return true;
}

void file_results_release(struct file_results *results)
{
	mem_free(results->result);
	*results = (struct file_results){ 0 };
}
