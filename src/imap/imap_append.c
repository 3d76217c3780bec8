/* A pipelined writer of messages into one mailbox: what the caller sees. */
#include "imap/imap_append.h"

#include "base/mem.h"
#include "imap/imap_append_parts.h"
#include "net/wire.h"

#include <inttypes.h>

#define LITERAL_MINUS_MAX 4096 /* RFC 7888 §5 */
#define HEAD_MAX (32u << 10) /* octets of flags and date */
#define DATE_MAX 40
#define LINE_MAX (IMAP_COMMAND_MAX + 64)
#define PIECE (64u << 10) /* is worth a system call, and goes from our memory straight into it */

struct imap_append *imap_append_new(struct imap *imap, const char *server_name)
{
	struct imap_append *append = mem_alloc(sizeof(*append));

	append->imap = imap;
	append->flight_end = &append->flight;
	append->flight_most = APPEND_FLIGHT_BYTES;
	imap_command_init(&append->command, "APPEND");
	imap_command_mailbox(&append->command, server_name);
	imap_command_init(&append->head, "");
	buf_init(&append->line, LINE_MAX);
	return append;
}

void imap_append_window(struct imap_append *append, size_t bytes)
{
	append->flight_most = bytes;
}

static void free_all(struct append_batch *batch)
{
	while (batch) {
		struct append_batch *next = batch->next;

		imap_append_batch_free(batch);
		batch = next;
	}
}

void imap_append_free(struct imap_append *append)
{
	if (!append)
		return;
	imap_append_batch_free(append->open);
	free_all(append->flight);
	free_all(append->spare);
	imap_append_results_release(append);
	imap_command_release(&append->command);
	imap_command_release(&append->head);
	buf_release(&append->line);
	mem_free(append);
}

bool imap_append_in_message(const struct imap_append *append)
{
	return append->message != APPEND_NO_MESSAGE;
}

size_t imap_append_outstanding(const struct imap_append *append)
{
	return append->outstanding;
}

/* Whether a literal of this size is taken without asking (RFC 7888; RFC 9051 §4.3 includes LITERAL-). */
static bool is_free(const struct imap *imap, uint64_t size)
{
	if (imap_has(imap, IMAP_CAP_LITERAL_PLUS))
		return true;
	return size <= LITERAL_MINUS_MAX &&
	       (imap_has(imap, IMAP_CAP_LITERAL_MINUS) || imap_has(imap, IMAP_CAP_REV2));
}

/* A literal without octets cancels a MULTIAPPEND (RFC 3502 §6.3.11), so it stays alone. */
static bool may_share(const struct imap *imap, uint64_t size)
{
	return size > 0 && size <= APPEND_ALONE_BYTES && imap_has(imap, IMAP_CAP_MULTIAPPEND) &&
	       is_free(imap, size);
}

/* [SP flag-list] [SP date-time] SP "{" number ["+"] "}" CRLF */
static int write_head(struct imap_append *append, const char *flags, const char *date,
	uint64_t size, struct err *err)
{
	struct imap_command *head = &append->head;
	const struct span when = span_of(date);

	for (size_t i = 0; i < when.len; i++) {
		const char byte = when.data[i];

		if (byte < ' ' || byte > '~' || byte == '"' || byte == '\\' || when.len > DATE_MAX)
			return err_set(err, ERR_LOCAL, "no date that can be sent: %s", date);
	}
	buf_clear(&head->bytes);
	head->broken = false;
	if (flags && *flags)
		imap_command_flags(head, flags);
	if (head->broken || head->bytes.len > HEAD_MAX)
		return err_set(err, ERR_MESSAGE, "flags of more than %u octets", HEAD_MAX);
	if (date && buf_print(&head->bytes, " \"%s\"", date) < 0)
		return err_set(err, ERR_LOCAL, "a command is too long");
	if (buf_print(&head->bytes, " {%" PRIu64 "%s}\r\n", size,
		    is_free(append->imap, size) ? "+" : "") < 0)
		return err_set(err, ERR_LOCAL, "a command is too long");
	return 0;
}

static bool has_room(const struct imap_append *append, uint64_t size)
{
	bool multi = imap_has(append->imap, IMAP_CAP_MULTIAPPEND) && is_free(append->imap, 1);
	uint64_t kept = size > APPEND_ALONE_BYTES ? 0 : size;

	if (append->flights == 0)
		return true;
	return append->flights < (multi ? APPEND_BATCHES : APPEND_SINGLES) &&
	       append->flight_kept + kept <= append->flight_most;
}

/* No command is half out here, so that refused batches get on. */
static int wait_room(struct imap_append *append, uint64_t size, struct err *err)
{
	for (;;) {
		if (imap_append_resend(append, err) < 0)
			return -1;
		if (has_room(append, size))
			return 0;
		if (imap_append_take(append, err) < 0)
			return -1;
	}
}

/* The open batch takes the message, or a new one does. */
static int open_batch(struct imap_append *append, uint64_t size, struct err *err)
{
	struct append_batch *open = append->open;
	const bool share = may_share(append->imap, size);

	if (open && (!share || open->early || open->bytes.len + size > APPEND_BATCH_BYTES)) {
		if (imap_append_close(append, err) < 0)
			return -1;
		open = NULL;
	}
	if (open)
		return 0;
	if (wait_room(append, size, err) < 0)
		return -1;
	append->open = imap_append_batch_new(append);
	append->open->multi = may_share(append->imap, size); /* may have changed meanwhile */
	append->open->sync = !is_free(append->imap, size);
	return 0;
}

/* Nothing of an open batch without messages was sent: that starts with a whole message. */
static void drop_empty(struct imap_append *append)
{
	if (append->open->count > 0)
		return;
	imap_append_batch_free(append->open);
	append->open = NULL;
}

static int begin_streamed(struct imap_append *append, struct err *err)
{
	struct append_batch *batch = append->open;

	batch->size = append->size;
	(void)imap_append_letter_new(batch, append->token);
	append->message = APPEND_STREAMED;
	append->outstanding++;

	const int rc = imap_append_announce(append, err);
	if (rc == 0) { /* the command ended there: imap_append_end() tells */
		append->refusal = *batch->early;
		if (!append->refusal.general)
			(void)err_rescope(&append->refusal.err, ERR_MESSAGE);
		append->message = APPEND_REFUSED;
		append->open = NULL;
		imap_append_batch_free(batch);
	}
	return rc < 0 ? -1 : 0;
}

static int begin_gathered(struct imap_append *append, struct err *err)
{
	struct append_batch *batch = append->open;
	const size_t at = batch->bytes.len;

	if (buf_reserve(&batch->bytes, append->head.bytes.len + (size_t)append->size) < 0 ||
		buf_add(&batch->bytes, buf_span(&append->head.bytes)) < 0)
		return err_set(err, ERR_LOCAL, "a batch of %zu octets is full", at);
	append->current = imap_append_letter_new(batch, append->token);
	append->current->from = at;
	append->message = APPEND_GATHERED;
	append->outstanding++;
	return 0;
}

/* RFC 7889: known without trying. */
static void begin_too_big(struct imap_append *append, uint64_t limit)
{
	append->refusal = (struct append_refusal){ 0 };
	(void)err_set(&append->refusal.err, ERR_MESSAGE,
		"%" PRIu64 " octets; the server takes at most %" PRIu64, append->size, limit);
	append->message = APPEND_REFUSED;
	append->outstanding++;
}

int imap_append_begin(struct imap_append *append, uint64_t token, const char *flags,
	const char *date, uint64_t size, struct err *err)
{
	const uint64_t limit = imap_append_limit(append->imap);

	if (append->dropped || append->message != APPEND_NO_MESSAGE)
		return err_set(err, ERR_LOCAL, "a message is begun %s",
			append->dropped ? "on a lost connection" : "inside another");
	if (append->command.broken || append->command.literals > 0)
		return err_set(err, ERR_MAILBOX, "the mailbox name cannot be sent");

	append->token = token;
	append->size = size;
	append->got = 0;
	if (limit > 0 && size > limit) {
		begin_too_big(append, limit);
		return 0;
	}
	if (open_batch(append, size, err) < 0)
		return -1;
	/* Only now, for which literals are taken must be the same as open_batch() saw. */
	if (write_head(append, flags, date, size, err) < 0) {
		drop_empty(append);
		return -1;
	}
	return size > APPEND_ALONE_BYTES ? begin_streamed(append, err)
					 : begin_gathered(append, err);
}

static int too_many(const struct imap_append *append, struct err *err)
{
	return err_set(err, ERR_LOCAL,
		"message of more than the %" PRIu64 " octets that were announced", append->size);
}

int imap_append_add(struct imap_append *append, struct span bytes, struct err *err)
{
	if (append->message == APPEND_NO_MESSAGE)
		return err_set(err, ERR_LOCAL, "octets without a message");
	if (bytes.len > append->size - append->got)
		return too_many(append, err);
	append->got += bytes.len;
	if (append->message == APPEND_GATHERED && buf_add(&append->open->bytes, bytes) < 0)
		return err_set(
			err, ERR_LOCAL, "a batch of %zu octets is full", append->open->bytes.len);
	if (append->message != APPEND_STREAMED)
		return 0;
	/* Some servers may not wait for the line end. */
	append->open->may_be_stored |= append->got == append->size;
	return imap_put(append->imap, bytes, err);
}

bool imap_append_cancel(struct imap_append *append)
{
	if (append->message == APPEND_STREAMED)
		return false;
	if (append->message == APPEND_NO_MESSAGE)
		return true;
	if (append->message == APPEND_GATHERED) {
		struct append_batch *batch = append->open;

		batch->bytes.len = append->current->from;
		batch->count--;
		drop_empty(append);
	}
	append->message = APPEND_NO_MESSAGE;
	append->outstanding--;
	return true;
}

static int too_few(struct imap_append *append, struct err *err)
{
	const uint64_t got = append->got, size = append->size;

	(void)imap_append_cancel(append);
	return err_set(err, ERR_LOCAL,
		"message of %" PRIu64 " octets where %" PRIu64 " were announced", got, size);
}

int imap_append_end(struct imap_append *append, struct err *err)
{
	if (append->message == APPEND_NO_MESSAGE)
		return err_set(err, ERR_LOCAL, "the end of no message");
	if (append->got != append->size)
		return too_few(append, err);

	const enum append_message was = append->message;
	append->message = APPEND_NO_MESSAGE;
	if (was == APPEND_REFUSED) {
		imap_append_refused(append, append->token, &append->refusal);
		return 0;
	}

	struct append_batch *batch = append->open;
	if (was == APPEND_STREAMED)
		return imap_append_close(append, err);
	append->current->to = batch->bytes.len;
	batch->size += append->size;
	if (!batch->multi || batch->early || batch->count == APPEND_BATCH_MESSAGES ||
		batch->bytes.len >= APPEND_BATCH_BYTES)
		return imap_append_close(append, err);
	return batch->bytes.len - batch->sent >= PIECE ? imap_append_send(append, err) : 0;
}

int imap_append_flush(struct imap_append *append, struct err *err)
{
	if (append->dropped)
		return 0;
	if (append->open && append->message == APPEND_NO_MESSAGE &&
		imap_append_close(append, err) < 0)
		return -1;
	if (imap_append_resend(append, err) < 0)
		return -1;
	return wire_push(imap_wire(append->imap), err);
}

int imap_append_settle(
	struct imap_append *append, bool wait, struct imap_append_result *out, struct err *err)
{
	for (;;) {
		if (imap_append_result_next(append, out))
			return 1;
		if (append->dropped)
			return 0;
		if (wait && append->open && append->message == APPEND_NO_MESSAGE &&
			imap_append_close(append, err) < 0)
			return -1;
		if (imap_append_resend(append, err) < 0)
			return -1;

		const bool early = append->open && append->open->tag != 0 && !append->open->early;
		if (wait ? !imap_append_in_flight(append)
			 : !(append->flights > 0 || early) || !imap_ready(append->imap))
			return append->results_at < append->results
				       ? imap_append_result_next(append, out)
				       : 0;
		if (imap_append_take(append, err) < 0)
			return -1;
	}
}

/* What was begun and not sent whole is surely not stored, nor what was refused and not sent again. */
static void drop_open(struct imap_append *append)
{
	struct append_batch *batch = append->open;

	if (append->message == APPEND_REFUSED)
		imap_append_refused(append, append->token, &append->refusal);
	append->message = APPEND_NO_MESSAGE;
	if (!batch)
		return;
	const bool stored = batch->may_be_stored && !batch->early;
	imap_append_lost(append, batch, (struct append_part){ 0, batch->count },
		stored ? IMAP_APPEND_UNKNOWN : IMAP_APPEND_SKIPPED);
	append->open = NULL;
	imap_append_batch_free(batch);
}

void imap_append_drop(struct imap_append *append)
{
	append->dropped = true;
	for (struct append_batch *batch = append->flight; batch; batch = batch->next) {
		if (batch->tag != 0)
			imap_append_lost(append, batch, batch->out,
				batch->may_be_stored ? IMAP_APPEND_UNKNOWN : IMAP_APPEND_SKIPPED);
		while (batch->waitings > 0)
			imap_append_lost(append, batch, batch->waiting[--batch->waitings],
				IMAP_APPEND_SKIPPED);
	}
	free_all(append->flight);
	append->flight = NULL;
	append->flight_end = &append->flight;
	append->flights = 0;
	append->flight_kept = 0;
	drop_open(append);
}
