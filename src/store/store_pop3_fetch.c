/*
 * Messages: asked ahead, unstuffed into a spool, for only their end tells their length. While one is handed on from its spool, the next comes into the other.
 */
#include "store/store_pop3_parts.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/spool.h"
#include "mail/arrival.h"

#define SPOOL_MEMORY (512u << 10) /* octets of a message kept in memory */
#define WINDOW_COMMANDS 256
#define WINDOW_BYTES (4u << 20)
#define ASKED_MAX 1024 /* messages in the queue before has_room says no */
#define SIZE_GUESS 4096
#define LIMIT_LEAST (64u << 20)

/* LIST may count otherwise (LF alone, before it is converted), but not by a factor. */
uint64_t pop3_size_limit(uint32_t size)
{
	return LIMIT_LEAST + 4 * (uint64_t)size;
}

void pop3_box_fetch_window(struct box *base, unsigned commands, uint64_t bytes)
{
	struct box_pop3 *box = box_pop3_of(base);

	box->window = commands > 0 ? commands : WINDOW_COMMANDS;
	box->window_bytes = bytes > 0 ? bytes : WINDOW_BYTES;
}

bool pop3_box_fetch_has_room(const struct box *base)
{
	const struct box_pop3 *box = (const struct box_pop3 *)(const void *)base;

	return box->end - box->first < ASKED_MAX && box->asked_bytes < box->window_bytes;
}

static struct pop3_asked *queue_add(struct box_pop3 *box)
{
	if (box->first == box->end)
		box->first = box->next = box->end = 0;
	if (box->end == box->room && box->first > box->room / 2) {
		memmove(box->asked, box->asked + box->first,
			(box->end - box->first) * sizeof(*box->asked));
		box->next -= box->first;
		box->end -= box->first;
		box->first = 0;
	}
	if (box->end == box->room) {
		box->room = box->room ? box->room * 2 : 256;
		box->asked = mem_resize(box->asked, box->room, sizeof(*box->asked));
	}
	return &box->asked[box->end++];
}

int pop3_box_fetch_ask(struct box *base, const struct uidset *uids, uint64_t bytes, struct err *err)
{
	struct box_pop3 *box = box_pop3_of(base);
	const struct store_pop3 *store = store_pop3_of(base->store);

	(void)bytes;
	(void)err;
	for (size_t i = 0; i < uids->count; i++) {
		for (uint64_t uid = uids->range[i].first; uid <= uids->range[i].last; uid++) {
			const struct pop3_row *row = pop3_row(store, (uint32_t)uid);
			const bool known = row && row->size != UINT32_MAX;

			*queue_add(box) = (struct pop3_asked){ .uid = (uint32_t)uid,
				.size = known ? row->size : SIZE_GUESS };
			box->asked_bytes += known ? row->size : SIZE_GUESS;
		}
	}
	return 0;
}

/* Sends as many as the window lets go. Those that are gone need no command. */
static int send_asked(struct box_pop3 *box, struct err *err)
{
	struct store_pop3 *store = store_pop3_of(box->box.store);
	uint64_t bytes = 0;
	size_t commands = 0;

	for (size_t i = box->first; i < box->next; i++) {
		bytes += box->asked[i].size;
		commands += box->asked[i].sent;
	}
	while (box->next < box->end &&
		(commands == 0 || (commands < box->window && bytes < box->window_bytes))) {
		struct pop3_asked *asked = &box->asked[box->next];
		const struct pop3_row *row = pop3_row(store, asked->uid);

		asked->gone = !row;
		asked->sent = row != NULL;
		if (row && pop3_send(store->pop3, POP3_MULTI, err, "RETR %u", row->number) < 0)
			return -1;
		box->next++;
		commands += asked->sent;
		bytes += asked->size;
	}
	return 0;
}

/* ---- slots ---- */

static void slot_clear(struct pop3_slot *slot)
{
	if (slot->spool)
		spool_clear(slot->spool);
	buf_clear(&slot->header);
	slot->state = SLOT_EMPTY;
}

static void slot_begin(struct pop3_slot *slot, const struct pop3_asked *asked)
{
	if (!slot->spool) {
		slot->spool = spool_new(SPOOL_MEMORY);
		buf_init(&slot->header, ARRIVAL_HEADER_MAX);
	}
	slot_clear(slot);
	slot->message = (struct message){
		.uid = asked->uid, .outcome = MESSAGE_HERE, .date = { .instant = DATE_UNKNOWN }
	};
	slot->limit = pop3_size_limit(asked->size);
	slot->state = SLOT_LOADING;
}

static void slot_end(struct pop3_slot *slot)
{
	if (slot->message.outcome == MESSAGE_HERE) {
		slot->message.size = spool_size(slot->spool);
		slot->message.date = arrival_date(buf_span(&slot->header));
	}
	slot->state = SLOT_FULL;
}

/*
 * A message without end can only be got rid of with the connection. It alone is refused: the others are asked for again in another session.
 */
static int slot_overrun(struct box_pop3 *box, struct pop3_slot *slot)
{
	struct store_pop3 *store = store_pop3_of(box->box.store);

	log_warn("%s: a message does not end where it should: the session is broken off",
		account_name(box->box.store->account));
	pop3_abandon(store->pop3);
	pop3_session_end(store);
	box->next = box->first;
	slot->message.outcome = MESSAGE_REFUSED;
	(void)snprintf(slot->message.text, sizeof(slot->message.text),
		"the source sends more than %llu octets of it, far more than it listed",
		(unsigned long long)slot->limit);
	spool_clear(slot->spool);
	slot_end(slot);
	return 0;
}

/* One chunk more into the slot. */
static int slot_load(struct box_pop3 *box, struct pop3_slot *slot, struct err *err)
{
	struct store_pop3 *store = store_pop3_of(box->box.store);
	struct span chunk;
	const int rc = pop3_body(store->pop3, &chunk, err);

	if (rc < 0)
		return -1;
	if (rc == 0) {
		slot_end(slot);
		return 0;
	}
	(void)!buf_add(&slot->header, span_sub(chunk, 0, ARRIVAL_HEADER_MAX - slot->header.len));
	if (spool_add(slot->spool, chunk, err) < 0)
		return -1;
	return spool_size(slot->spool) > slot->limit ? slot_overrun(box, slot) : 0;
}

/* The answer to the oldest command into the slot, up to its first line. 1, 0 = nothing is asked, -1. */
static int slot_start(struct box_pop3 *box, struct pop3_slot *slot, struct err *err)
{
	struct store_pop3 *store = store_pop3_of(box->box.store);
	struct err why = ERR_INIT;
	struct pop3_reply reply = { 0 };

	if (box->first == box->end)
		return 0;
	if (pop3_session(store, err) < 0 || send_asked(box, err) < 0)
		return -1;

	const struct pop3_asked asked = box->asked[box->first];
	if (!asked.gone && pop3_next(store->pop3, &reply, err) < 0)
		return -1;
	box->first++;
	box->asked_bytes -= asked.size;
	slot_begin(slot, &asked);
	if (asked.gone) {
		slot->message.outcome = MESSAGE_GONE;
		slot_end(slot);
		return 1;
	}
	if (reply.status == POP3_OK)
		return 1;
	if (pop3_run_refused(store, &reply, &why, err) < 0)
		return -1;
	slot->message.outcome = MESSAGE_REFUSED;
	slot_end(slot);
	(void)snprintf(slot->message.text, sizeof(slot->message.text),
		"refused by the source: %.200s", why.text);
	return 1;
}

/* While one message is handed on: what has arrived of the next goes into the other slot. Never waits, but for the rest of a line. */
static void load_ahead(struct box_pop3 *box)
{
	struct pop3_slot *slot = &box->slot[!box->serving];
	struct store_pop3 *store = store_pop3_of(box->box.store);

	if (!store->pop3 || slot->state == SLOT_FULL || box->trouble.scope != ERR_NONE)
		return;
	if (slot->state == SLOT_EMPTY && (box->first == box->next || !box->asked[box->first].sent ||
						 !pop3_ready(store->pop3)))
		return;
	if (slot->state == SLOT_EMPTY && slot_start(box, slot, &box->trouble) < 0)
		return;
	while (slot->state == SLOT_LOADING && store->pop3 && pop3_ready(store->pop3))
		if (slot_load(box, slot, &box->trouble) < 0)
			return;
}

bool pop3_box_fetch_ready(struct box *base)
{
	struct box_pop3 *box = box_pop3_of(base);
	const struct pop3_slot *slot = &box->slot[!box->serving];
	struct store_pop3 *store = store_pop3_of(base->store);

	if (slot->state == SLOT_FULL)
		return true;
	return store->pop3 && pop3_in_flight(store->pop3) + (slot->state == SLOT_LOADING) > 0 &&
	       pop3_ready(store->pop3);
}

static int next_message(struct box_pop3 *box, struct message *out, struct err *err)
{
	struct pop3_slot *slot;
	int rc;

	if (box->trouble.scope != ERR_NONE) {
		*err = box->trouble;
		return -1;
	}
	slot_clear(&box->slot[box->serving]);
	box->serving = !box->serving;
	slot = &box->slot[box->serving];
	if (slot->state == SLOT_EMPTY) {
		rc = slot_start(box, slot, err);
		if (rc <= 0)
			return rc;
	}
	while (slot->state == SLOT_LOADING)
		if (slot_load(box, slot, err) < 0)
			return -1;
	if (slot->message.outcome == MESSAGE_HERE)
		spool_rewind(slot->spool);
	*out = slot->message;
	return 1;
}

int pop3_box_fetch_next(struct box *base, struct message *out, struct err *err)
{
	struct err local = ERR_INIT;
	const int rc = next_message(box_pop3_of(base), out, &local);

	if (rc < 0 && err)
		*err = local;
	return rc;
}

int pop3_box_fetch_chunk(struct box *base, struct span *chunk_out, struct err *err)
{
	struct box_pop3 *box = box_pop3_of(base);
	struct pop3_slot *slot = &box->slot[box->serving];

	load_ahead(box);
	if (slot->state != SLOT_FULL || slot->message.outcome != MESSAGE_HERE)
		return 0;
	return spool_next(slot->spool, chunk_out, err);
}

/* What is under way cannot be called off but with the connection. */
void pop3_box_fetch_end(struct box *base)
{
	struct box_pop3 *box = box_pop3_of(base);
	struct store_pop3 *store = store_pop3_of(base->store);
	const bool under_way = box->trouble.scope != ERR_NONE || box->first < box->next ||
			       box->slot[0].state == SLOT_LOADING ||
			       box->slot[1].state == SLOT_LOADING;

	if (store->pop3 && under_way)
		pop3_session_end(store);
	for (size_t i = 0; i < countof(box->slot); i++) {
		if (box->slot[i].spool)
			buf_release(&box->slot[i].header);
		spool_free(box->slot[i].spool);
		box->slot[i] = (struct pop3_slot){ .state = SLOT_EMPTY };
	}
	box->first = box->next = box->end = 0;
	box->asked_bytes = 0;
	err_clear(&box->trouble);
}
