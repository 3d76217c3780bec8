/* The mailbox: scans by what LIST, TOP and RETR tell, and removing, which holds only once QUIT was answered. */
#include "store/store_pop3_parts.h"

#include "base/log.h"
#include "base/mem.h"
#include "mail/arrival.h"
#include "mail/header.h"
#include "mail/mailbox_name.h"
#include "store/header_tap.h"

struct box *pop3_box_open(
	struct store *base, const char *name, enum store_mode mode, struct err *err)
{
	struct store_pop3 *store = store_pop3_of(base);
	struct box_pop3 *box;

	if (!mailbox_is_inbox(name)) {
		err_set(err, ERR_MAILBOX, "POP3 has no mailbox but INBOX");
		return NULL;
	}
	if (store->box) {
		err_set(err, ERR_LOCAL, "two POP3 mailboxes open at a time");
		return NULL;
	}
	if (pop3_session(store, err) < 0)
		return NULL;
	box = mem_alloc(sizeof(*box));
	box->box.store = base;
	box->box.name = mem_strdup("INBOX");
	box->box.facts = (struct box_facts){
		.messages = (uint32_t)store->count,
		.uidvalidity = store->ledger_facts.uidvalidity,
		.uidnext = store->ledger_facts.uidnext,
		.read_only = mode == STORE_READ,
	};
	pop3_box_fetch_window(&box->box, 0, 0);
	store->box = box;
	return &box->box;
}

void pop3_box_close(struct box *base)
{
	struct box_pop3 *box = box_pop3_of(base);

	pop3_box_fetch_end(base);
	store_pop3_of(base->store)->box = NULL;
	mem_free(box->asked);
	mem_free(base->name);
	mem_free(box);
}

/* ---- scanning ---- */

struct reading { /* of headers or whole messages, for a scan */
	const struct box_scan *scan;
	struct snapshot *rows;
	struct header_scan *header;
	struct buf begin; /* of the message, for its date */
	struct header_tap tap;
	bool whole;
};

static void begin_add(struct buf *begin, struct span chunk)
{
	const size_t room = ARRIVAL_HEADER_MAX - begin->len;

	(void)!buf_add(begin, span_sub(chunk, 0, room));
}

static int read_one(struct store_pop3 *store, struct reading *reading, const struct pop3_row *row,
	struct err *err)
{
	const uint64_t limit = pop3_size_limit(row->size); /* some answer TOP with all of it */
	struct snapshot *rows = reading->rows;
	const size_t at = snapshot_find(rows, row->uid);
	struct header_facts facts;
	struct span chunk;
	uint64_t size = 0;
	int rc;

	buf_clear(&reading->begin);
	while ((rc = pop3_body(store->pop3, &chunk, err)) > 0) {
		header_scan_add(reading->header, chunk);
		begin_add(&reading->begin, chunk);
		header_tap_add(&reading->tap, chunk);
		size += chunk.len;
		if (size > limit) {
			pop3_abandon(store->pop3);
			rc = err_set(err, ERR_CONN,
				"the server sends without end: more than %llu octets of a message",
				(unsigned long long)limit);
			break;
		}
	}
	header_scan_end(reading->header, &facts);
	if (rc < 0 || at == SIZE_MAX) {
		header_tap_drop(&reading->tap);
		return rc;
	}
	header_tap_give(&reading->tap, reading->scan, row->uid);

	const struct date date = arrival_date(buf_span(&reading->begin));
	rows->instant[at] = date.instant;
	rows->zone[at] = date.zone;
	if (rows->digest) {
		rows->digest[at] = facts.header;
		rows->attr[at] |= SNAPSHOT_HAS_DIGEST;
		rows->attr[at] |= facts.has_message_id ? SNAPSHOT_HAS_MESSAGE_ID : 0;
	}
	if (reading->scan->content && rows->content) {
		rows->content[at] = facts.content;
		rows->attr[at] |= SNAPSHOT_HAS_CONTENT;
	}
	return 0;
}

static int read_rows(struct store_pop3 *store, struct reading *reading, struct pop3_row **rows,
	size_t count, struct arena *arena, struct uidset *unknown, struct err *err)
{
	struct pop3_run run = { .store = store,
		.row = rows,
		.count = count,
		.verb = reading->whole ? POP3_RUN_RETR : POP3_RUN_TOP };
	struct pop3_reply reply;
	struct pop3_row *row;
	int rc;

	while ((rc = pop3_run_next(&run, &row, &reply, err)) > 0) {
		if (reply.status == POP3_OK) {
			rc = read_one(store, reading, row, err);
		} else {
			rc = pop3_run_refused(store, &reply, NULL, err);
			if (rc == 0)
				uidset_add(unknown, arena, row->uid, row->uid);
		}
		if (rc < 0)
			break;
		if (reading->scan->tick)
			reading->scan->tick(reading->scan->tick_context, 1);
	}
	return rc;
}

static struct header_scan *scan_of(const struct box_scan *scan)
{
	return scan->fields ? header_scan_new_fields(scan->content, scan->fields, scan->field_count)
			    : header_scan_new(scan->content);
}

/* Rows of the set in an array to be freed. */
static struct pop3_row **rows_of(
	const struct store_pop3 *store, const struct uidset *set, size_t *count_out)
{
	struct pop3_row **rows = mem_array(store->count + 1, sizeof(struct pop3_row *));

	*count_out = 0;
	for (size_t i = 0; i < store->count; i++) {
		struct pop3_row *row = &store->row[store->by_uid[i]];

		if (row->uid != 0 && (!set || uidset_has(set, row->uid)))
			rows[(*count_out)++] = row;
	}
	return rows;
}

/* What TOP refuses of some messages is read whole: not every server has it that says so. */
static int read_all(struct store_pop3 *store, struct reading *reading, struct pop3_row **rows,
	size_t count, struct arena *arena, struct uidset *unknown, struct err *err)
{
	struct uidset refused = { 0 };
	struct pop3_row **rest;
	size_t rest_count;
	int rc;

	if (reading->whole)
		return read_rows(store, reading, rows, count, arena, unknown, err);
	if (read_rows(store, reading, rows, count, arena, &refused, err) < 0)
		return -1;
	if (refused.count == 0)
		return 0;
	if (uidset_size(&refused) == count)
		pop3_set(store->pop3, POP3_CAP_TOP, false);
	rest = rows_of(store, &refused, &rest_count);
	reading->whole = true;
	rc = read_rows(store, reading, rest, rest_count, arena, unknown, err);
	mem_free(rest);
	return rc;
}

int pop3_box_scan(struct box *base, const struct box_scan *scan, struct snapshot *snapshot,
	struct arena *arena, struct uidset *unknown, struct err *err)
{
	struct store_pop3 *store = store_pop3_of(base->store);
	struct reading reading = { .scan = scan, .rows = snapshot };
	struct uidset refused = { 0 };
	struct pop3_row **rows;
	size_t count;
	int rc = 0;

	if (pop3_session(store, err) < 0)
		return -1;
	rows = rows_of(store, scan->uids, &count);
	for (size_t i = 0; i < count; i++) {
		const size_t at = snapshot_add(snapshot, rows[i]->uid);

		snapshot->flags[at] = 0;
		snapshot->instant[at] = DATE_UNKNOWN;
		snapshot->size[at] = rows[i]->size;
	}
	snapshot_finish(snapshot, store->unreadable == 0);
	if (count > 0 && (scan->digests || scan->content || scan->dates)) {
		reading.whole = scan->content || !pop3_has(store->pop3, POP3_CAP_TOP);
		reading.header = scan_of(scan);
		buf_init(&reading.begin, ARRIVAL_HEADER_MAX);
		header_tap_init(&reading.tap, scan);
		rc = read_all(store, &reading, rows, count, arena, &refused, err);
		buf_release(&reading.begin);
		header_tap_release(&reading.tap);
		header_scan_free(reading.header);
	}
	mem_free(rows);
	for (size_t i = 0; i < refused.count; i++)
		uidset_add(unknown, arena, refused.range[i].first, refused.range[i].last);
	if (refused.count > 0) {
		snapshot_remove(snapshot, &refused);
		snapshot->complete = false;
	}
	if (rc < 0)
		snapshot->complete = false;
	return rc;
}

/* ---- removing ---- */

/* The server says once more what each number stands for; RFC 1939 §7 lets UIDLs be asked one by one. */
static int verify_rows(
	struct store_pop3 *store, struct pop3_row **rows, size_t count, struct err *err)
{
	struct pop3_run run = {
		.store = store, .row = rows, .count = count, .verb = POP3_RUN_UIDL
	};
	struct pop3_reply reply;
	struct pop3_row *row;
	struct span id;
	uint32_t number;
	int rc;

	if (!pop3_has(store->pop3, POP3_CAP_UIDL))
		return 0;
	while ((rc = pop3_run_next(&run, &row, &reply, err)) > 0) {
		/* Those without a usable UIDL have their number from this session's own listing. */
		if (reply.status != POP3_OK || !pop3_uidl_parse(reply.text, &number, &id))
			continue;
		if (number != row->number)
			return err_set(err, ERR_CONN, "the server answers for another message");
		if (row->by_uidl && !digest128_equal(pop3_uidl_key(id, row->size), row->key))
			return err_set_kind(err, ERR_MAILBOX, ERR_KIND_SAFETY,
				"message %u has another UIDL now: nothing was deleted", number);
	}
	return rc;
}

static int mark_rows(struct store_pop3 *store, struct pop3_row **rows, size_t count,
	size_t *refused_out, struct err *err)
{
	struct pop3_run run = {
		.store = store, .row = rows, .count = count, .verb = POP3_RUN_DELE
	};
	struct pop3_reply reply;
	struct pop3_row *row;
	int rc;

	*refused_out = 0;
	while ((rc = pop3_run_next(&run, &row, &reply, err)) > 0) {
		if (reply.status == POP3_OK)
			continue;
		(*refused_out)++;
		(void)pop3_refusal(store->pop3, &reply, err);
	}
	return rc;
}

/* The answer to QUIT was lost: a new session tells what became of them. */
static int look_again(struct store_pop3 *store, const struct uidset *uids, struct err *err)
{
	struct err local = ERR_INIT;
	size_t left = 0;

	pop3_session_end(store);
	if (pop3_session(store, &local) < 0)
		return -1; /* err still says what went wrong first */
	for (size_t i = 0; i < store->count; i++)
		left += store->row[i].uid != 0 && uidset_has(uids, store->row[i].uid);
	if (left == 0 && store->unreadable == 0) {
		err_clear(err);
		return 0;
	}
	return err_wrap(
		err, "%zu of %zu messages are still there", left, (size_t)uidset_size(uids));
}

/* RFC 1939 §6: what DELE marked goes when QUIT is answered +OK, and not before. */
static int remove_rows(struct store_pop3 *store, struct pop3_row **rows, size_t count,
	const struct uidset *uids, struct err *err)
{
	struct err why = ERR_INIT;
	size_t refused = 0;

	if (verify_rows(store, rows, count, err) < 0)
		return -1;
	if (mark_rows(store, rows, count, &refused, &why) < 0) {
		if (err)
			*err = why;
		return -1;
	}
	if (pop3_command(store->pop3, err, "QUIT") < 0)
		return look_again(store, uids, err);
	if (refused == 0)
		return 0;
	if (err)
		*err = why;
	return err_wrap(err, "%zu of %zu messages were not deleted", refused, count);
}

int pop3_box_remove(struct box *base, const struct uidset *uids, unsigned how, struct err *err)
{
	struct store_pop3 *store = store_pop3_of(base->store);
	struct pop3_row **rows;
	size_t count;
	int rc = 0;

	(void)how; /* DELE names each message */
	pop3_box_fetch_end(base);
	if (pop3_session(store, err) < 0)
		return -1;
	rows = rows_of(store, uids, &count);
	if (count > 0) {
		rc = remove_rows(store, rows, count, uids, err);
		log_debug("%s: DELE of %zu messages, %s", account_name(base->store->account), count,
			rc == 0 ? "confirmed by QUIT" : "not confirmed");
		pop3_session_end(store);
	}
	mem_free(rows);
	return rc;
}
