/*
 * Searching a maildrop: LIST tells sizes, TOP the headers, and what neither decides is fetched whole, and thrown away again. There are no flags, and a
 * message arrived when its header says so.
 */
#include "store/store_pop3_parts.h"

#include "base/mem.h"
#include "store/file_search.h"

#include <time.h>

struct pop3_search {
	struct store_pop3 *store;
	struct file_search *search;
	struct arena *arena;
	struct uidset *out, *unknown;
	struct pop3_row **next; /* those to be asked for whole */
	size_t next_count;
};

static enum file_search_state begin(
	struct pop3_search *pop3, const struct pop3_row *row, struct file_search_facts *facts)
{
	const struct store_pop3 *store = pop3->store;

	*facts = (struct file_search_facts){
		.uid = row->uid,
		.last_uid = store->row[store->by_uid[store->count - 1]].uid,
		.number = row->number,
		.last_number = store->row[store->count - 1].number,
		.table = store->store.flags,
		.date = { .instant = DATE_UNKNOWN },
		.date_in_header = true,
		.size = row->size,
	};
	return file_search_begin(pop3->search, facts);
}

static void decide(
	struct pop3_search *pop3, const struct pop3_row *row, enum file_search_state state)
{
	if (state == FILE_SEARCH_YES)
		uidset_add(pop3->out, pop3->arena, row->uid, row->uid);
}

/* The octets have to be taken whether they matter or not. */
static int read_one(struct pop3_search *pop3, struct pop3_row *row, bool whole, struct err *err)
{
	const uint64_t limit = pop3_size_limit(row->size);
	struct file_search_facts facts;
	enum file_search_state state = begin(pop3, row, &facts);
	struct span chunk;
	uint64_t size = 0;
	int rc;

	while ((rc = pop3_body(pop3->store->pop3, &chunk, err)) > 0) {
		if (state >= FILE_SEARCH_HEADER)
			state = file_search_add(pop3->search, chunk);
		size += chunk.len;
		if (size > limit) {
			pop3_abandon(pop3->store->pop3);
			return err_set(err, ERR_CONN,
				"the server sends without end: more than %llu octets of a message",
				(unsigned long long)limit);
		}
	}
	if (rc < 0)
		return -1;
	if (state == FILE_SEARCH_ALL && !whole) {
		pop3->next[pop3->next_count++] = row;
		return 0;
	}
	if (state >= FILE_SEARCH_HEADER)
		state = file_search_end(pop3->search, size);
	decide(pop3, row, state);
	return 0;
}

static int read_rows(
	struct pop3_search *pop3, struct pop3_row **rows, size_t count, bool whole, struct err *err)
{
	struct pop3_run run = { .store = pop3->store,
		.row = rows,
		.count = count,
		.verb = whole ? POP3_RUN_RETR : POP3_RUN_TOP };
	struct pop3_reply reply;
	struct pop3_row *row;
	int rc;

	while ((rc = pop3_run_next(&run, &row, &reply, err)) > 0) {
		if (reply.status == POP3_OK)
			rc = read_one(pop3, row, whole, err);
		else
			rc = pop3_run_refused(pop3->store, &reply, NULL, err);
		if (rc < 0)
			break;
		if (reply.status != POP3_OK && whole)
			uidset_add(pop3->unknown, pop3->arena, row->uid, row->uid);
		else if (reply.status != POP3_OK)
			pop3->next[pop3->next_count++] = row;
	}
	return rc;
}

/* Rows whose header may decide come first, with TOP; the others, and what it left open, with RETR. */
static int search_rows(struct pop3_search *pop3, struct err *err)
{
	struct store_pop3 *store = pop3->store;
	struct pop3_row **first = mem_array(store->count + 1, sizeof(struct pop3_row *));
	struct pop3_row **whole = mem_array(store->count + 1, sizeof(struct pop3_row *));
	const bool top = pop3_has(store->pop3, POP3_CAP_TOP);
	size_t count = 0;
	int rc = 0;

	pop3->next = whole;
	for (size_t i = 0; i < store->count; i++) {
		struct pop3_row *row = &store->row[store->by_uid[i]];
		struct file_search_facts facts;
		enum file_search_state state;

		if (row->uid == 0)
			continue;
		state = begin(pop3, row, &facts);
		if (state < FILE_SEARCH_HEADER)
			decide(pop3, row, state);
		else if (top && file_search_header_first(pop3->search))
			first[count++] = row;
		else
			whole[pop3->next_count++] = row;
	}
	if (count > 0)
		rc = read_rows(pop3, first, count, false, err);
	if (rc == 0 && pop3->next_count > 0)
		rc = read_rows(pop3, whole, pop3->next_count, true, err);
	mem_free(first);
	mem_free(whole);
	return rc;
}

int pop3_box_search(struct box *base, const char *expression, struct arena *arena,
	struct uidset *out, struct uidset *unknown, struct err *err)
{
	struct store_pop3 *store = store_pop3_of(base->store);
	struct pop3_search pop3 = {
		.store = store, .arena = arena, .out = out, .unknown = unknown
	};
	int rc = -1;

	pop3.search = file_search_new(expression, (int64_t)time(NULL), err);
	if (pop3.search && pop3_session(store, err) == 0) {
		base->facts.messages = (uint32_t)store->count;
		rc = search_rows(&pop3, err);
	}
	file_search_free(pop3.search);
	if (rc < 0)
		return err_wrap(err, "mailbox %s: search", base->name);
	return store->unreadable > 0 ? 1 : 0;
}
