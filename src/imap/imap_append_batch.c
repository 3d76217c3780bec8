/*
 * APPEND commands: out in pieces straight from the bytes that are kept, answers in, and a refused batch halved until the message that is to
 * blame stands alone. A tagged NO means that nothing of the command was stored (RFC 3502 §6.3.11), so what is sent again is never doubled.
 */
#include "imap/imap_append_parts.h"

#include "base/mem.h"
#include "net/wire.h"

#define BYTES_MAX (64u << 20) /* far above a batch with its flags */
#define SPARES 4
#define SPARE_BYTES (64u << 10) /* more of them when they are small */

struct append_batch *imap_append_batch_new(struct imap_append *append)
{
	struct append_batch *batch = append->spare;

	if (!batch) {
		batch = mem_alloc(sizeof(*batch));
		buf_init(&batch->bytes, BYTES_MAX);
		return batch;
	}
	append->spare = batch->next;
	append->spares--;
	batch->next = NULL;
	return batch;
}

void imap_append_batch_free(struct append_batch *batch)
{
	if (!batch)
		return;
	mem_free(batch->early);
	mem_free(batch->plain);
	mem_free(batch->letter);
	buf_release(&batch->bytes);
	mem_free(batch);
}

/* Memory that was written to once is cheap to write to again. */
static void recycle(struct imap_append *append, struct append_batch *batch)
{
	const bool keep = append->spares < SPARES ||
			  (append->spares < APPEND_SINGLES && batch->bytes.room <= SPARE_BYTES);

	mem_free(batch->early);
	mem_free(batch->plain);
	batch->early = batch->plain = NULL;
	if (!keep) {
		imap_append_batch_free(batch);
		return;
	}
	buf_clear(&batch->bytes);
	*batch = (struct append_batch){ .next = append->spare,
		.bytes = batch->bytes,
		.letter = batch->letter,
		.room = batch->room };
	append->spare = batch;
	append->spares++;
}

struct append_letter *imap_append_letter_new(struct append_batch *batch, uint64_t token)
{
	if (batch->count == batch->room) {
		batch->room = batch->room ? APPEND_BATCH_MESSAGES : 1;
		batch->letter = mem_resize(batch->letter, batch->room, sizeof(*batch->letter));
	}

	struct append_letter *letter = &batch->letter[batch->count++];
	*letter = (struct append_letter){
		.token = token, .from = batch->bytes.len, .to = batch->bytes.len
	};
	return letter;
}

/* tag SP "APPEND" SP mailbox */
static int start(struct imap_append *append, struct append_batch *batch, struct err *err)
{
	batch->tag = imap_tag_new(append->imap);
	if (batch->tag == 0)
		return err_set(err, ERR_CONN, "too many commands are unanswered");
	buf_clear(&append->line);
	if (buf_print(&append->line, "m%u ", batch->tag) < 0 ||
		buf_add(&append->line, buf_span(&append->command.bytes)) < 0)
		return err_set(err, ERR_LOCAL, "a command is too long");
	return imap_put(append->imap, buf_span(&append->line), err);
}

static void flight_add(struct imap_append *append, struct append_batch *batch)
{
	batch->next = NULL;
	*append->flight_end = batch;
	append->flight_end = &batch->next;
	append->flights++;
	batch->kept = batch->bytes.len;
	append->flight_kept += batch->kept;
}

static void flight_remove(struct imap_append *append, struct append_batch *batch)
{
	struct append_batch **at = &append->flight;

	while (*at != batch)
		at = &(*at)->next;
	*at = batch->next;
	if (append->flight_end == &batch->next)
		append->flight_end = at;
	append->flights--;
	append->flight_kept -= batch->kept;
}

int imap_append_send(struct imap_append *append, struct err *err)
{
	struct append_batch *batch = append->open;
	const size_t end =
		append->message == APPEND_GATHERED ? append->current->from : batch->bytes.len;

	if (end == batch->sent)
		return 0;
	if (batch->tag == 0 && start(append, batch, err) < 0)
		return -1;

	const struct span rest = span_sub(buf_span(&batch->bytes), batch->sent, end - batch->sent);
	batch->sent = end;
	return imap_put(append->imap, rest, err);
}

static struct append_refusal refusal_of(const struct imap_event *event)
{
	const enum imap_code_type code = event->code.type;
	struct append_refusal refusal = { .bad = event->status == IMAP_BAD };

	(void)imap_answer_err(event, &refusal.err);
	/* RFC 3501 §6.3.11: NO without [TRYCREATE] means that creating would not help. */
	refusal.try_create = code == IMAP_CODE_TRYCREATE;
	refusal.general = refusal.try_create || code == IMAP_CODE_NONEXISTENT ||
			  code == IMAP_CODE_NOPERM || code == IMAP_CODE_UNAVAILABLE ||
			  code == IMAP_CODE_THROTTLED || refusal.err.kind == ERR_KIND_BUSY ||
			  refusal.err.scope > ERR_MAILBOX;
	return refusal;
}

static void refuse_part(struct imap_append *append, const struct append_batch *batch,
	struct append_part part, const struct append_refusal *refusal)
{
	for (size_t i = part.from; i < part.to; i++)
		imap_append_refused(append, batch->letter[i].token, refusal);
}

static size_t letter_size(const struct append_letter *letter)
{
	return letter->to - letter->from;
}

/* No room for one message: none for parts of which every message is as large. Smaller ones may still fit. */
static void refuse_as_large(struct imap_append *append, struct append_batch *batch, size_t size,
	const struct append_refusal *refusal)
{
	size_t kept = 0;

	for (size_t w = 0; w < batch->waitings; w++) {
		const struct append_part part = batch->waiting[w];
		bool smaller = false;

		for (size_t i = part.from; i < part.to; i++)
			smaller |= letter_size(&batch->letter[i]) < size;
		if (smaller)
			batch->waiting[kept++] = part;
		else
			refuse_part(append, batch, part, refusal);
	}
	batch->waitings = kept;
}

/* Refused alone: once more, the other way. */
static bool try_utf8(struct imap_append *append, struct append_batch *batch,
	const struct append_refusal *refusal)
{
	struct append_letter *letter = &batch->letter[batch->out.from];

	if (!imap_append_utf8_helps(append, batch, letter, refusal))
		return false;
	letter->utf8 = true;
	mem_free(batch->plain);
	batch->plain = mem_alloc(sizeof(*batch->plain));
	*batch->plain = *refusal;
	batch->waiting[batch->waitings++] = batch->out;
	return true;
}

static void refused(
	struct imap_append *append, struct append_batch *batch, struct append_refusal *refusal)
{
	const struct append_part part = batch->out;
	const size_t middle = part.from + (part.to - part.from + 1) / 2;

	if (refusal->general) {
		refuse_part(append, batch, part, refusal);
		while (batch->waitings > 0)
			refuse_part(append, batch, batch->waiting[--batch->waitings], refusal);
		return;
	}
	if (part.to - part.from == 1) {
		batch->single_refused = true;
		(void)err_rescope(&refusal->err, ERR_MESSAGE);
		if (try_utf8(append, batch, refusal))
			return;
		if (batch->letter[part.from].utf8 &&
			batch->plain) /* the second answer may only say that UTF8 is not known */
			*refusal = *batch->plain;
		refuse_part(append, batch, part, refusal);
		if (refusal->err.kind == ERR_KIND_QUOTA)
			refuse_as_large(
				append, batch, letter_size(&batch->letter[part.from]), refusal);
		return;
	}
	batch->bad |= refusal->bad;
	batch->waiting[batch->waitings++] = (struct append_part){ middle, part.to };
	batch->waiting[batch->waitings++] = (struct append_part){ part.from, middle };
}

/* BAD for two messages at once, and each was taken alone: the server only says that it can do this. */
static void judge_multiappend(struct imap_append *append, const struct append_batch *batch)
{
	if (batch->bad && !batch->multi_stored && !batch->single_refused &&
		batch->singles_stored >= 2 && imap_has(append->imap, IMAP_CAP_MULTIAPPEND))
		imap_give_up(append->imap, IMAP_CAP_MULTIAPPEND);
}

/* The command is over; the batch is, when nothing waits to be sent again. */
static void advance(struct imap_append *append, struct append_batch *batch)
{
	batch->tag = 0;
	batch->may_be_stored = false;
	if (batch->waitings > 0)
		return;
	flight_remove(append, batch);
	recycle(append, batch);
}

static void answered(
	struct imap_append *append, struct append_batch *batch, const struct imap_event *event)
{
	if (event->status == IMAP_OK) {
		batch->multi_stored |= batch->out.to - batch->out.from > 1;
		batch->singles_stored += batch->out.to - batch->out.from == 1;
		imap_append_stored(append, batch, &event->code);
		judge_multiappend(append, batch);
	} else {
		struct append_refusal refusal = refusal_of(event);

		refused(append, batch, &refusal);
	}
	advance(append, batch);
}

static void take_tagged(struct imap_append *append, const struct imap_event *event)
{
	struct append_batch *batch = append->flight;

	while (batch && batch->tag != event->tag)
		batch = batch->next;
	if (batch) {
		answered(append, batch, event);
		return;
	}
	batch = append->open;
	if (!batch || batch->tag != event->tag || batch->early)
		return;
	/* Not sent whole yet, so this is no OK: the session sees to that. */
	batch->early = mem_alloc(sizeof(*batch->early));
	*batch->early = refusal_of(event);
}

int imap_append_take(struct imap_append *append, struct err *err)
{
	const struct imap_event *event;

	if (imap_next(append->imap, &event, err) < 0)
		return -1;
	if (event->type == IMAP_CONTINUE)
		append->go_on = true;
	if (event->type == IMAP_TAGGED && event->tag != 0)
		take_tagged(append, event);
	return 0;
}

bool imap_append_in_flight(const struct imap_append *append)
{
	const struct append_batch *batch = append->flight;

	while (batch && batch->tag == 0)
		batch = batch->next;
	return batch != NULL;
}

/* The open batch was given to the session whole. */
static void closed(struct imap_append *append)
{
	struct append_batch *batch = append->open;

	imap_tag_sent(append->imap, batch->tag);
	append->open = NULL;
	flight_add(append, batch);
	if (!batch->early)
		return;
	refused(append, batch, batch->early);
	mem_free(batch->early);
	batch->early = NULL;
	advance(append, batch);
}

/* Nothing but synchronising literals that were asked for may be unanswered: a '+' must not be taken for ours that is not. */
static int settle_others(struct imap_append *append, struct err *err)
{
	for (;;) {
		bool others = false;

		if (imap_append_resend(append, err) < 0)
			return -1;
		for (const struct append_batch *batch = append->flight; batch; batch = batch->next)
			others |= !batch->sync;
		if (!others)
			return 0;
		if (imap_append_take(append, err) < 0)
			return -1;
	}
}

/* The line is out: 1 = '+', 0 = refused instead, -1. */
static int wait_go_on(struct imap_append *append, struct err *err)
{
	while (!append->go_on && !append->open->early) {
		if (imap_append_take(append, err) < 0)
			return -1;
	}
	return append->open->early ? 0 : 1;
}

/* tag SP "APPEND" SP mailbox head, head ending in "{n}CRLF": 1 = the octets may follow, 0 = refused, -1. */
static int announce_sync(struct imap_append *append, struct span head, struct err *err)
{
	struct append_batch *batch = append->open;

	if (settle_others(append, err) < 0 || start(append, batch, err) < 0)
		return -1;
	append->go_on = false;
	batch->out = (struct append_part){ 0, 1 };
	if (imap_put(append->imap, head, err) < 0)
		return -1;
	return wait_go_on(append, err);
}

int imap_append_announce(struct imap_append *append, struct err *err)
{
	struct append_batch *batch = append->open;

	if (batch->sync)
		return announce_sync(append, buf_span(&append->head.bytes), err);
	batch->out = (struct append_part){ 0, 1 };
	if (start(append, batch, err) < 0 ||
		imap_put(append->imap, buf_span(&append->head.bytes), err) < 0)
		return -1;
	return 1;
}

/* A command that ended before its literal: its answer is there already. */
static int close_refused(struct imap_append *append)
{
	closed(append);
	return 0;
}

/* The end of the line "{n}CRLF" in the bytes of the one letter. */
static size_t head_end(const struct append_batch *batch)
{
	return span_find(buf_span(&batch->bytes), '\n') + 1;
}

int imap_append_close(struct imap_append *append, struct err *err)
{
	struct append_batch *batch = append->open;

	if (batch->sync && batch->bytes.len > 0) {
		const size_t head = head_end(batch);
		const int rc =
			announce_sync(append, span_sub(buf_span(&batch->bytes), 0, head), err);

		if (rc <= 0)
			return rc < 0 ? -1 : close_refused(append);
		batch->sent = head;
	}
	batch->out = (struct append_part){ 0, batch->count };
	/* Some servers may not wait for the line end of a single APPEND. */
	batch->may_be_stored |= !batch->multi;
	/*
	 * Refused between two messages: the line ends right there. Whether the server waits for the rest or sees an empty command, none of what
	 * would follow can be taken for commands.
	 */
	const bool rest = !batch->early || batch->tag == 0;
	if (rest && imap_append_send(append, err) < 0)
		return -1;
	batch->may_be_stored = true;
	if (imap_put(append->imap, SPAN("\r\n"), err) < 0)
		return -1;
	const bool push = batch->multi || batch->bytes.len == 0;
	closed(append);
	return push ? wire_push(imap_wire(append->imap), err) : 0;
}

static int send_part(struct imap_append *append, struct append_batch *batch, struct err *err)
{
	const struct append_part part = batch->out;
	const size_t from = batch->letter[part.from].from, to = batch->letter[part.to - 1].to;

	if (start(append, batch, err) < 0)
		return -1;
	batch->may_be_stored = true;
	if (batch->letter[part.from].utf8 && part.to - part.from == 1) {
		if (imap_append_utf8_put(append, batch, &batch->letter[part.from], err) < 0)
			return -1;
	} else if (imap_put(append->imap, span_sub(buf_span(&batch->bytes), from, to - from), err) <
		   0) {
		return -1;
	}
	if (imap_put(append->imap, SPAN("\r\n"), err) < 0)
		return -1;
	imap_tag_sent(append->imap, batch->tag);
	return wire_push(imap_wire(append->imap), err);
}

int imap_append_resend(struct imap_append *append, struct err *err)
{
	if (append->open && append->open->tag != 0)
		return 0;
	for (struct append_batch *batch = append->flight; batch; batch = batch->next) {
		if (batch->tag != 0)
			continue;

		struct append_part part = batch->waiting[--batch->waitings];
		if (part.to - part.from > 1 && !imap_has(append->imap, IMAP_CAP_MULTIAPPEND)) {
			batch->waiting[batch->waitings++] =
				(struct append_part){ part.from + 1, part.to };
			part.to = part.from + 1;
		}
		batch->out = part;
		if (send_part(append, batch, err) < 0)
			return -1;
	}
	return 0;
}
