/* What is in the maildrop, and under which UIDs. */
#include "store/store_pop3_parts.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "mail/header.h"

#define ROWS_MAX 10000000u
#define RUN_WINDOW 256 /* commands under way */
#define INBOX "INBOX"

/* ---- runs of commands ---- */

static int run_send(struct pop3_run *run, struct err *err)
{
	struct pop3 *pop3 = run->store->pop3;

	while (run->sent < run->count && run->sent - run->answered < RUN_WINDOW) {
		const unsigned number = run->row[run->sent]->number;
		int rc = -1;

		switch (run->verb) {
		case POP3_RUN_TOP:
			rc = pop3_send(pop3, POP3_MULTI, err, "TOP %u 0", number);
			break;
		case POP3_RUN_RETR:
			rc = pop3_send(pop3, POP3_MULTI, err, "RETR %u", number);
			break;
		case POP3_RUN_UIDL:
			rc = pop3_send(pop3, POP3_SINGLE, err, "UIDL %u", number);
			break;
		case POP3_RUN_DELE:
			rc = pop3_send(pop3, POP3_SINGLE, err, "DELE %u", number);
			break;
		}
		if (rc < 0)
			return -1;
		run->sent++;
	}
	return 0;
}

int pop3_run_next(
	struct pop3_run *run, struct pop3_row **row_out, struct pop3_reply *reply, struct err *err)
{
	if (run_send(run, err) < 0)
		return -1;
	if (run->answered == run->count)
		return 0;
	*row_out = run->row[run->answered++];
	return pop3_next(run->store->pop3, reply, err) < 0 ? -1 : 1;
}

int pop3_run_refused(
	struct store_pop3 *store, const struct pop3_reply *reply, struct err *why, struct err *err)
{
	struct err local = ERR_INIT;

	(void)pop3_refusal(store->pop3, reply, &local);
	if (local.scope > ERR_MAILBOX) {
		if (err)
			*err = local;
		return -1;
	}
	if (why)
		*why = local;
	return 0;
}

/* ---- LIST and UIDL ---- */

static int add_row(
	struct store_pop3 *store, uint32_t number, uint64_t size, uint32_t count, struct err *err)
{
	const uint32_t last = store->count > 0 ? store->row[store->count - 1].number : 0;

	if (number <= last || store->count >= ROWS_MAX)
		return err_set(err, ERR_CONN, "the server's LIST is none: message %u after %u",
			number, last);
	if (store->count >= count)
		return err_set(err, ERR_CONN,
			"the server counts %u messages and lists more: nothing is known", count);
	if (store->count == store->room) {
		store->room = store->room ? store->room * 2 : 256;
		store->row = mem_resize(store->row, store->room, sizeof(*store->row));
	}
	store->row[store->count++] = (struct pop3_row){ .number = number,
		.size = size < UINT32_MAX ? (uint32_t)size : UINT32_MAX };
	return 0;
}

static int read_list(struct store_pop3 *store, uint32_t count, struct err *err)
{
	struct span line;
	uint32_t number;
	uint64_t size;
	int rc;

	while ((rc = pop3_body_line(store->pop3, &line, err)) > 0) {
		if (!pop3_list_parse(line, &number, &size)) {
			char shown[TEXT_SHOWN];

			text_shown(span_sub(line, 0, 60), shown);
			pop3_blot(store->pop3, shown);
			return err_set(err, ERR_CONN, "the server's LIST is none: \"%s\"", shown);
		}
		if (add_row(store, number, size, count, err) < 0)
			return -1;
	}
	return rc;
}

static struct pop3_row *row_of_number(const struct store_pop3 *store, uint32_t number)
{
	size_t low = 0, high = store->count;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (store->row[middle].number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low < store->count && store->row[low].number == number ? &store->row[low] : NULL;
}

/*
 * The size belongs to it, for some servers give a UIDL again when its message is gone: a new message must not be taken for an old one. One that only
 * counts differently tomorrow costs a comparison.
 */
struct digest128 pop3_uidl_key(struct span id, uint64_t size)
{
	struct digest *digest = digest_new();
	char text[32];

	(void)snprintf(text, sizeof(text), "uidl %llu ", (unsigned long long)size);
	digest_add(digest, span_of(text));
	digest_add(digest, id);
	const struct digest128 key = digest_end128(digest);
	digest_free(digest);
	return key;
}

/* Servers that number messages from 1 in each session and call that UIDL: the next message gets the number of the last. */
static bool is_number(struct span id, uint32_t number)
{
	uint32_t value;

	return span_u32(id, &value) && value == number;
}

/* Lines that are none leave their messages without a key: those are known by their header. */
static int read_uidl(struct store_pop3 *store, struct err *err)
{
	struct span line, id;
	uint64_t lines = 0;
	uint32_t number;
	int rc;

	while ((rc = pop3_body_line(store->pop3, &line, err)) > 0) {
		if (++lines > store->count)
			return err_set(
				err, ERR_CONN, "the server's UIDL has more lines than messages");

		struct pop3_row *row =
			pop3_uidl_parse(line, &number, &id) ? row_of_number(store, number) : NULL;

		if (!row || is_number(id, number))
			continue;
		row->key = pop3_uidl_key(id, row->size);
		row->by_uidl = true;
	}
	return rc;
}

static int compare_keys(const void *a, const void *b, void *context)
{
	const struct pop3_row *rows = context;

	return digest128_compare(rows[*(const uint32_t *)a].key, rows[*(const uint32_t *)b].key);
}

/*
 * Identical copies may share a UIDL (RFC 1939 §7), and then any of them stands for any other. Whether those that do are identical is not taken
 * on trust: they are known by their header.
 */
static void distrust_doubles(struct store_pop3 *store)
{
	uint32_t *order = mem_array(store->count + 1, sizeof(*order));
	struct pop3_row *rows = store->row;

	for (size_t i = 0; i < store->count; i++)
		order[i] = (uint32_t)i;
	if (store->count > 1)
		qsort_r(order, store->count, sizeof(*order), compare_keys, rows);
	for (size_t i = 0, end; i < store->count; i = end) {
		const struct digest128 key = rows[order[i]].key;

		for (end = i + 1; end < store->count && digest128_equal(key, rows[order[end]].key);
			end++)
			;
		for (size_t at = i; at < end && end - i > 1; at++) {
			rows[order[at]].key = (struct digest128){ 0 };
			rows[order[at]].by_uidl = false;
		}
	}
	mem_free(order);
}

/* ---- messages without UIDL ---- */

static struct digest128 header_key(const struct header_facts *facts, uint32_t size)
{
	struct digest *digest = digest_new();
	char text[32];

	(void)snprintf(text, sizeof(text), "header %u ", size);
	digest_add(digest, span_of(text));
	digest_add(digest, span_make((const char *)&facts->header, sizeof(facts->header)));
	digest_add(digest, span_make((const char *)&facts->content, sizeof(facts->content)));
	const struct digest128 key = digest_end128(digest);
	digest_free(digest);
	return key;
}

static int read_message(struct store_pop3 *store, struct header_scan *scan, uint32_t listed,
	struct header_facts *facts, struct err *err)
{
	const uint64_t limit = pop3_size_limit(listed);
	struct span chunk;
	uint64_t size = 0;
	int rc;

	while ((rc = pop3_body(store->pop3, &chunk, err)) > 0) {
		header_scan_add(scan, chunk);
		size += chunk.len;
		if (size > limit) {
			pop3_abandon(store->pop3);
			rc = err_set(err, ERR_CONN,
				"the server sends without end: more than %llu octets of a message",
				(unsigned long long)limit);
			break;
		}
	}
	header_scan_end(scan, facts);
	return rc;
}

/* By header where the server has TOP, by all of it otherwise. Those refused stay without a key. */
static int read_keys(
	struct store_pop3 *store, struct pop3_row **rows, size_t count, bool top, struct err *err)
{
	struct pop3_run run = { .store = store,
		.row = rows,
		.count = count,
		.verb = top ? POP3_RUN_TOP : POP3_RUN_RETR };
	struct header_scan *scan = header_scan_new(!top);
	struct pop3_reply reply;
	struct header_facts facts;
	struct pop3_row *row;
	int rc;

	while ((rc = pop3_run_next(&run, &row, &reply, err)) > 0) {
		if (reply.status != POP3_OK) {
			rc = pop3_run_refused(store, &reply, NULL, err);
		} else {
			rc = read_message(store, scan, row->size, &facts, err);
			row->key = header_key(&facts, row->size);
		}
		if (rc < 0)
			break;
	}
	header_scan_free(scan);
	return rc;
}

/* Those without a key, in an array to be freed. */
static struct pop3_row **keyless(const struct store_pop3 *store, size_t *count_out)
{
	struct pop3_row **rows = mem_array(store->count + 1, sizeof(struct pop3_row *));

	*count_out = 0;
	for (size_t i = 0; i < store->count; i++)
		if (!digest128_known(store->row[i].key))
			rows[(*count_out)++] = &store->row[i];
	return rows;
}

static int find_keys(struct store_pop3 *store, struct err *err)
{
	const bool top = pop3_has(store->pop3, POP3_CAP_TOP);
	size_t count, left = 0;
	struct pop3_row **rows = keyless(store, &count);
	int rc = 0;

	if (count > 0) {
		log_warn("%s: %zu of %zu messages have no usable UIDL: they are known by their %s",
			account_name(store->store.account), count, store->count,
			top ? "headers" : "content, which is read for that");
		rc = read_keys(store, rows, count, top, err);
	}
	mem_free(rows);
	if (rc < 0 || count == 0 || !top)
		return rc;
	rows = keyless(store, &left);
	if (left == count)
		pop3_set(store->pop3, POP3_CAP_TOP, false); /* it has none, whatever it says */
	if (left > 0)
		rc = read_keys(store, rows, left, false, err);
	mem_free(rows);
	return rc;
}

/* ---- together ---- */

static int compare_uids(const void *a, const void *b, void *context)
{
	const struct pop3_row *rows = context;
	const uint32_t x = rows[*(const uint32_t *)a].uid, y = rows[*(const uint32_t *)b].uid;

	return (x > y) - (x < y);
}

/* All that can be read is passed: what is left out loses its UID, and is compared again when it can be read. */
static int assign_uids(struct store_pop3 *store, struct err *err)
{
	struct digest128 *keys = mem_array(store->count + 1, sizeof(*keys));
	uint32_t *uids = mem_array(store->count + 1, sizeof(*uids));
	size_t count = 0, at = 0;
	int rc;

	for (size_t i = 0; i < store->count; i++)
		if (digest128_known(store->row[i].key))
			keys[count++] = store->row[i].key;
	rc = ledger_assign(store->ledger, INBOX, keys, count, uids, &store->ledger_facts, err);
	for (size_t i = 0; i < store->count && rc == 0; i++)
		if (digest128_known(store->row[i].key))
			store->row[i].uid = uids[at++];
	store->unreadable = store->count - count;
	mem_free(keys);
	mem_free(uids);

	store->by_uid = mem_resize(store->by_uid, store->count + 1, sizeof(*store->by_uid));
	for (size_t i = 0; i < store->count; i++)
		store->by_uid[i] = (uint32_t)i;
	if (store->count > 0)
		qsort_r(store->by_uid, store->count, sizeof(*store->by_uid), compare_uids,
			store->row);
	return rc;
}

struct pop3_row *pop3_row(const struct store_pop3 *store, uint32_t uid)
{
	size_t low = 0, high = store->count;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (store->row[store->by_uid[middle]].uid < uid)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == store->count || uid == 0 || store->row[store->by_uid[low]].uid != uid)
		return NULL;
	return &store->row[store->by_uid[low]];
}

static int ask_count(struct store_pop3 *store, uint32_t *count_out, struct err *err)
{
	struct pop3_reply reply;
	uint64_t octets;

	if (pop3_next(store->pop3, &reply, err) < 0)
		return -1;
	if (reply.status != POP3_OK)
		return pop3_refusal(store->pop3, &reply, err);

	struct span rest = reply.text, word;
	if (!pop3_word(&rest, &word) || !span_u32(word, count_out) || !pop3_word(&rest, &word) ||
		!span_u64(word, &octets))
		return err_set(err, ERR_CONN, "the server's answer to STAT is none");
	return 0;
}

/* Of an empty maildrop LIST may be refused; otherwise all that STAT counts has to be in it. */
static int ask_list(struct store_pop3 *store, uint32_t count, struct err *err)
{
	struct pop3_reply reply;

	store->count = 0;
	if (pop3_next(store->pop3, &reply, err) < 0)
		return -1;
	if (reply.status != POP3_OK)
		return count > 0 ? pop3_refusal(store->pop3, &reply, err) : 0;
	if (read_list(store, count, err) < 0)
		return -1;
	if (store->count != count)
		return err_set(err, ERR_CONN,
			"the server counts %u messages and lists %zu: nothing is known", count,
			store->count);
	return 0;
}

static int ask_uidl(struct store_pop3 *store, struct err *err)
{
	struct pop3_reply reply;

	if (pop3_next(store->pop3, &reply, err) < 0)
		return -1;
	if (reply.status == POP3_OK)
		return read_uidl(store, err);
	pop3_set(store->pop3, POP3_CAP_UIDL, false);
	return pop3_run_refused(store, &reply, NULL, err);
}

static int ask_all(struct store_pop3 *store, struct err *err)
{
	const bool uidl = pop3_has(store->pop3, POP3_CAP_UIDL);
	uint32_t count = 0;

	if (pop3_send(store->pop3, POP3_SINGLE, err, "STAT") < 0 ||
		pop3_send(store->pop3, POP3_MULTI, err, "LIST") < 0)
		return -1;
	if (uidl && pop3_send(store->pop3, POP3_MULTI, err, "UIDL") < 0)
		return -1;
	if (ask_count(store, &count, err) < 0 || ask_list(store, count, err) < 0)
		return -1;
	return uidl ? ask_uidl(store, err) : 0;
}

int pop3_list(struct store_pop3 *store, struct err *err)
{
	struct err local = ERR_INIT;

	store->listed = false;
	if (ask_all(store, &local) == 0) {
		distrust_doubles(store);
		store->listed = find_keys(store, &local) == 0 && assign_uids(store, &local) == 0;
	}
	if (!store->listed && err)
		*err = local;
	return store->listed ? 0 : -1;
}
