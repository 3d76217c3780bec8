/* The session: responses in, commands out, and which tag stands for what. */
#include "imap/imap.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/mem.h"
#include "imap/imap_parts.h"
#include "net/redact.h"
#include "net/secret.h"
#include "net/wire.h"

#include <stdarg.h>

#define TAGS_FIRST 256
#define TAGS_MAX 65536 /* commands in flight */
#define DRIP_OCTETS 100 /* a second; what comes slower than that is no connection */
#define CHATTER_MAX 100000
#define FETCHED_TIMES 16 /* responses a message and a command */
#define LITERAL_MINUS_MAX 4096 /* RFC 7888 §5 */

struct imap *imap_new(struct stream *stream, int64_t timeout_ms)
{
	struct imap *imap = mem_alloc(sizeof(*imap));

	imap->wire = wire_new(stream, timeout_ms);
	imap->timeout_ms = timeout_ms;
	imap->arena = arena_new();
	imap->about = arena_new();
	imap->offer = arena_new();
	imap->tags.room = TAGS_FIRST;
	imap->tags.slot = mem_array(TAGS_FIRST, sizeof(*imap->tags.slot));
	imap_forget(imap);
	return imap;
}

void imap_close(struct imap *imap)
{
	if (!imap)
		return;
	/* In the middle of a command LOGOUT would be part of it. Nobody waits for the answer. */
	const bool polite = !imap->failed && imap->tags.unsent == 0 && wire_unsent(imap->wire) == 0;
	if (polite && imap_sendf(imap, NULL, "LOGOUT") > 0)
		(void)!wire_push(imap->wire, NULL);
	imap_forget(imap);
	wire_free(imap->wire);
	for (size_t i = 0; i < imap->tags.room; i++)
		mem_free(imap->tags.slot[i].err);
	mem_free(imap->tags.slot);
	mem_free(imap->disabled);
	arena_free(imap->arena);
	arena_free(imap->about);
	arena_free(imap->offer);
	mem_free(imap);
}

struct wire *imap_wire(struct imap *imap)
{
	return imap->wire;
}

int imap_abandon(struct imap *imap, const struct err *err)
{
	imap->failed = true;
	imap->fault = *err;
	return -1;
}

static struct imap_tag *tag_slot(const struct imap *imap, uint32_t number)
{
	return &imap->tags.slot[number & (imap->tags.room - 1)];
}

static struct imap_tag *tag_find(const struct imap *imap, uint32_t number)
{
	struct imap_tag *tag = tag_slot(imap, number);

	return number > 0 && tag->number == number && tag->state != IMAP_TAG_FREE ? tag : NULL;
}

static bool tag_in_flight(const struct imap_tag *tag)
{
	return tag->state == IMAP_TAG_UNSENT || tag->state == IMAP_TAG_SENT;
}

/* Numbers that differed modulo the old size differ modulo the new one. */
static void tags_grow(struct imap *imap)
{
	const struct imap_tags old = imap->tags;

	imap->tags.room = old.room * 2;
	imap->tags.slot = mem_array(imap->tags.room, sizeof(*imap->tags.slot));
	for (size_t i = 0; i < old.room; i++)
		if (old.slot[i].state != IMAP_TAG_FREE)
			*tag_slot(imap, old.slot[i].number) = old.slot[i];
	mem_free(old.slot);
}

uint32_t imap_tag_new(struct imap *imap)
{
	const uint32_t number = imap->tags.last == UINT32_MAX ? 1 : imap->tags.last + 1;

	while (tag_in_flight(tag_slot(imap, number))) {
		if (imap->tags.room >= TAGS_MAX)
			return 0;
		tags_grow(imap);
	}

	struct imap_tag *tag = tag_slot(imap, number);
	mem_free(tag->err);
	*tag = (struct imap_tag){ .number = number, .state = IMAP_TAG_UNSENT };
	imap->tags.last = number;
	imap->tags.in_flight++;
	imap->tags.unsent++;
	return number;
}

void imap_tag_sent(struct imap *imap, uint32_t number)
{
	struct imap_tag *tag = tag_find(imap, number);

	if (!tag || tag->state != IMAP_TAG_UNSENT)
		return; /* refused early */
	tag->state = IMAP_TAG_SENT;
	imap->tags.unsent--;
}

size_t imap_in_flight(const struct imap *imap)
{
	return imap->tags.in_flight;
}

bool imap_refused(const struct imap *imap, uint32_t number)
{
	const struct imap_tag *tag = tag_find(imap, number);

	return tag && tag->state == IMAP_TAG_REFUSED;
}

enum imap_code_type imap_answer_code(const struct imap *imap, uint32_t number)
{
	const struct imap_tag *tag = tag_find(imap, number);

	return tag && !tag_in_flight(tag) ? tag->code : IMAP_CODE_NONE;
}

/*
 * A tagged line. An answer that nobody waits for is never believed: it may have been put there to be taken for the answer to a command yet to
 * come, STARTTLS above all (net-imap GHSA-vcgp-9326-pqcp).
 */
static int tag_answered(struct imap *imap, const struct imap_event *event, struct err *err)
{
	struct imap_tag *tag = tag_find(imap, event->tag);

	if (!tag || !tag_in_flight(tag))
		return err_set(err, ERR_CONN,
			"the server answered a command that was not sent: it is confused, or "
			"someone is tampering with the connection");
	if (tag->state == IMAP_TAG_UNSENT && event->status == IMAP_OK)
		return err_set(err, ERR_CONN,
			"the server said OK to a command before it was sent: it is confused, or "
			"someone is tampering with the connection");

	imap->tags.unsent -= tag->state == IMAP_TAG_UNSENT;
	imap->tags.in_flight--;
	tag->state = event->status == IMAP_OK ? IMAP_TAG_OK : IMAP_TAG_REFUSED;
	tag->code = event->code.type;
	if (tag->state == IMAP_TAG_REFUSED) {
		tag->err = mem_alloc(sizeof(*tag->err));
		imap_answer_err(event, tag->err);
	}
	return 0;
}

static bool is_late(const struct imap *imap)
{
	return imap->deadline > 0 && clock_ms() >= imap->deadline;
}

static int fail_late(const struct imap *imap, struct err *err)
{
	return err_set_kind(err, ERR_CONN, ERR_KIND_NETWORK, "no complete answer within %lld s",
		(long long)(imap->timeout_ms + 999) / 1000);
}

int imap_wait(struct imap *imap, struct err *err)
{
	if (is_late(imap))
		return fail_late(imap, err);
	if (imap->deadline > 0)
		wire_set_timeout(imap->wire, imap->deadline - clock_ms() + 1);
	const int rc = wire_wait(imap->wire, err);
	if (imap->deadline > 0)
		wire_set_timeout(imap->wire, imap->timeout_ms);
	if (rc > 0)
		return 0;
	if (rc == 0)
		return err_set_kind(
			err, ERR_CONN, ERR_KIND_NETWORK, "the server closed the connection");
	return is_late(imap) ? fail_late(imap, err) : -1;
}

/*
 * Waits for the rest of a response that has begun. Silence is the wire's to judge; here a server is given up that says something all the
 * time and never comes to an end. Only the waiting counts: we may be slow ourselves.
 */
static int wait_rest(struct imap *imap, struct err *err)
{
	const size_t before = wire_peek(imap->wire).len;
	const int64_t began = clock_ms();

	if (imap_wait(imap, err) < 0)
		return -1;
	if (before == 0 && imap->stream_left == 0)
		return 0; /* the first octets: what was waited for is the answer */
	imap->waited_ms += clock_ms() - began;
	imap->waited_octets += wire_peek(imap->wire).len - before;
	if (imap->timeout_ms > 0 && imap->waited_ms > imap->timeout_ms &&
		imap->waited_octets < (uint64_t)imap->waited_ms / 1000 * DRIP_OCTETS)
		return fail_late(imap, err);
	return 0;
}

static void chunk_consume(struct imap *imap)
{
	wire_consume(imap->wire, imap->chunk);
	imap->stream_left -= imap->chunk;
	imap->chunk = 0;
}

/* The next octets of the streamed literal, at least one, without consuming them. */
static int chunk_next(struct imap *imap, struct err *err)
{
	while (wire_peek(imap->wire).len == 0)
		if (wait_rest(imap, err) < 0)
			return -1;

	const size_t len = wire_peek(imap->wire).len;
	imap->chunk = len < imap->stream_left ? len : (size_t)imap->stream_left;
	return 0;
}

static int body_skip(struct imap *imap, struct err *err)
{
	chunk_consume(imap);
	while (imap->stream_left > 0) {
		if (chunk_next(imap, err) < 0)
			return -1;
		chunk_consume(imap);
	}
	return 0;
}

/* Reads one response and makes it the current event. */
static int event_read(struct imap *imap, struct err *err)
{
	struct imap_frame *frame = &imap->frame;
	int rc;

	if (body_skip(imap, err) < 0)
		return -1;
	if (!frame->continued) {
		imap->waited_ms = 0;
		imap->waited_octets = 0;
	}
	while ((rc = imap_response_frame(frame, wire_peek(imap->wire), err)) == 0)
		if (wait_rest(imap, err) < 0)
			return -1;
	if (rc < 0)
		return -1;

	/* Copied, for sending may read, and reading moves the buffer. */
	arena_clear(imap->arena);
	const struct span input =
		arena_span(imap->arena, span_sub(wire_peek(imap->wire), 0, frame->size));
	wire_consume(imap->wire, frame->size);
	rc = imap_response_parse(input, frame, imap->arena, &imap->event, err);
	imap->stream_left = frame->stream ? frame->stream_size : 0;
	*frame = (struct imap_frame){ .continued = frame->stream };
	return rc;
}

/* Each message may be told in pieces, and of several commands under way; but not more of them than there are, again and again. */
static int fetched_count(struct imap *imap, struct err *err)
{
	const uint64_t most = (uint64_t)imap->selected.exists * FETCHED_TIMES + CHATTER_MAX;

	return ++imap->fetched <= most
		       ? 0
		       : err_set_kind(err, ERR_CONN, ERR_KIND_NETWORK,
				 "the server tells of more than %llu messages in a mailbox of %u, and does not come to an end",
				 (unsigned long long)most, imap->selected.exists);
}

/* Servers that are busy say so now and then, and announce what changes; none does it a hundred thousand times before it answers. */
static int chatter_count(struct imap *imap, const struct imap_event *event, struct err *err)
{
	switch (event->type) {
	case IMAP_TAGGED:
		imap->chatter = 0;
		imap->fetched = 0;
		return 0;
	case IMAP_STATUS_LINE:
	case IMAP_CONTINUE:
	case IMAP_CAPABILITY:
	case IMAP_FLAGS:
	case IMAP_EXISTS:
	case IMAP_RECENT:
	case IMAP_UNKNOWN:
		break;
	case IMAP_FETCH:
		if (event->fetch.uid == 0 && !event->fetch.stream && !event->fetch.continued)
			break; /* only flags, of whatever it is */
		return event->fetch.continued ? 0 : fetched_count(imap, err);
	default:
		return 0;
	}
	return ++imap->chatter <= CHATTER_MAX
		       ? 0
		       : err_set_kind(err, ERR_CONN, ERR_KIND_NETWORK,
				 "the server talks without end and does not answer");
}

/* The words are in the arena's copy of what was read. */
static void blot_span(const struct imap *imap, struct span words)
{
	redact_apply(wire_redact(imap->wire), (char *)(uintptr_t)words.data, words.len);
}

/* Some servers say back what was sent to them, and words to people end up in logs and reports. */
static void blot_out(struct imap *imap)
{
	struct imap_event *event = &imap->event;

	if (event->type != IMAP_TAGGED && event->type != IMAP_STATUS_LINE)
		return;
	blot_span(imap, event->text);
	if (event->code.type == IMAP_CODE_OTHER) {
		blot_span(imap, event->code.name);
		blot_span(imap, event->code.text);
	}
}

static int event_next(struct imap *imap, struct err *err)
{
	const struct imap_event *event = &imap->event;

	if (is_late(imap)) /* a flood leaves nothing to wait for */
		return fail_late(imap, err);
	if (event_read(imap, err) < 0) {
		redact_apply(wire_redact(imap->wire), err->text, strlen(err->text));
		return -1;
	}
	blot_out(imap);
	if (chatter_count(imap, event, err) < 0)
		return -1;
	if (event->type == IMAP_TAGGED && tag_answered(imap, event, err) < 0)
		return -1;
	imap_note(imap, event);
	if (event->type == IMAP_STATUS_LINE && event->status == IMAP_BYE)
		return imap_answer_err(event, err);
	return 0;
}

/* Keeps what broke the connection. A stop is no fault of it. */
static int session_fail(struct imap *imap, struct err *err)
{
	if (imap->fault.scope != ERR_STOPPED)
		imap->failed = true;
	if (err)
		*err = imap->fault;
	return -1;
}

int imap_next(struct imap *imap, const struct imap_event **out, struct err *err)
{
	if (imap->failed || event_next(imap, &imap->fault) < 0)
		return session_fail(imap, err);
	*out = &imap->event;
	return 1;
}

bool imap_ready(struct imap *imap)
{
	if (imap->failed)
		return true;
	if (wire_ready(imap->wire))
		return true;
	(void)!wire_push(
		imap->wire, NULL); /* or the answer would never come; an error shows when reading */
	return false;
}

int imap_body_next(struct imap *imap, struct span *chunk_out, struct err *err)
{
	if (imap->failed)
		return session_fail(imap, err);
	chunk_consume(imap);
	if (imap->stream_left == 0)
		return 0;
	if (chunk_next(imap, &imap->fault) < 0)
		return session_fail(imap, err);
	*chunk_out = span_sub(wire_peek(imap->wire), 0, imap->chunk);
	return 1;
}

/* 0 = answered OK, -1 = refused, 1 = not yet. */
static int tag_outcome(const struct imap_tag *tag, struct err *err)
{
	if (tag_in_flight(tag))
		return 1;
	if (tag->state == IMAP_TAG_OK)
		return 0;
	if (err)
		*err = *tag->err;
	return -1;
}

int imap_until(struct imap *imap, uint32_t number, const struct imap_event **out, struct err *err)
{
	const struct imap_tag *tag = tag_find(imap, number);

	if (!tag)
		return err_set(err, ERR_LOCAL, "command m%u is not known to this session", number);
	int rc = tag_outcome(tag, err);
	if (rc <= 0)
		return rc;
	if (imap_next(imap, out, err) < 0)
		return -1;
	return imap->event.type == IMAP_TAGGED && imap->event.tag == number ? tag_outcome(tag, err)
									    : 1;
}

int imap_finish(struct imap *imap, uint32_t tag, struct err *err)
{
	const struct imap_event *event;
	int rc;

	while ((rc = imap_until(imap, tag, &event, err)) > 0)
		;
	return rc;
}

int imap_put(struct imap *imap, struct span bytes, struct err *err)
{
	if (imap->failed)
		return session_fail(imap, err);
	return wire_put(imap->wire, bytes, err);
}

static uint32_t tag_take(struct imap *imap, struct err *err)
{
	const uint32_t tag = imap->failed ? 0 : imap_tag_new(imap);

	if (imap->failed)
		session_fail(imap, err);
	else if (tag == 0)
		err_set(err, ERR_LOCAL, "more than %d commands are unanswered", TAGS_MAX);
	return tag;
}

uint32_t imap_sendf(struct imap *imap, struct err *err, const char *fmt, ...)
{
	struct imap_command command;
	char small[512];
	va_list args;

	va_start(args, fmt);
	const int size = vsnprintf(small, sizeof(small), fmt, args);
	va_end(args);
	if (size < 0 || (size_t)size >= IMAP_COMMAND_MAX) {
		err_set(err, ERR_LOCAL, "a command cannot be written");
		return 0;
	}
	if ((size_t)size < sizeof(small)) {
		imap_command_init(&command, small);
		return imap_submit(imap, &command, err);
	}

	char *large = mem_alloc((size_t)size + 1);
	va_start(args, fmt);
	(void)vsnprintf(large, (size_t)size + 1, fmt, args);
	va_end(args);
	imap_command_init(&command, large);
	mem_free(large);
	return imap_submit(imap, &command, err);
}

/* Whether the server takes a literal of this size unasked (RFC 7888 §3, §5; RFC 9051 §4.3). */
static bool literal_is_free(const struct imap *imap, size_t size)
{
	if (imap_has(imap, IMAP_CAP_LITERAL_PLUS))
		return true;
	return size <= LITERAL_MINUS_MAX &&
	       (imap_has(imap, IMAP_CAP_LITERAL_MINUS) || imap_has(imap, IMAP_CAP_REV2));
}

static int part_put(
	struct imap *imap, const struct imap_command *command, struct span bytes, struct err *err)
{
	return command->secret ? wire_put_secret(imap->wire, bytes, err)
			       : wire_put(imap->wire, bytes, err);
}

/* 1 = go on, 0 = the command was refused instead, -1. Untagged data that comes meanwhile is noted and dropped. */
static int literal_wait(struct imap *imap, uint32_t tag, struct err *err)
{
	const struct imap_event *event;

	for (;;) {
		if (imap_next(imap, &event, err) < 0)
			return -1;
		if (event->type == IMAP_CONTINUE)
			return 1;
		if (imap_refused(imap, tag))
			return 0;
	}
}

/* Sends the command, with a '+' or a pause at each literal. 0 also when it was refused in a pause. */
static int command_put(
	struct imap *imap, const struct imap_command *command, uint32_t tag, struct err *err)
{
	const struct span bytes = buf_span(&command->bytes);
	struct buf part;
	size_t at = 0;
	int rc = 1;

	buf_init(&part, (size_t)2 * IMAP_COMMAND_MAX);
	/* At once, for a buffer that grows leaves its octets behind, and they may be secret. */
	int full = buf_reserve(&part, bytes.len + 64);
	full |= buf_print(&part, "m%u ", tag);
	for (size_t i = 0; i < command->literals && rc > 0; i++) {
		const size_t brace = command->literal[i];

		full |= buf_add(&part, span_sub(bytes, at, brace - at));
		at = brace;
		if (literal_is_free(imap, command->literal_size[i])) {
			full |= buf_add_char(&part, '+');
			continue;
		}
		full |= buf_add(&part, SPAN("}\r\n"));
		at += 3;
		rc = part_put(imap, command, buf_span(&part), err) < 0
			     ? -1
			     : literal_wait(imap, tag, err);
		buf_clear(&part);
	}
	full |= buf_add(&part, span_from(bytes, at)) | buf_add(&part, SPAN("\r\n"));
	if (rc > 0 && full < 0)
		rc = err_set(err, ERR_LOCAL, "a command is too long");
	if (rc > 0)
		rc = part_put(imap, command, buf_span(&part), err);
	if (command->secret)
		secret_wipe(part.data, part.room);
	buf_release(&part);
	return rc < 0 ? -1 : 0;
}

static bool command_must_wait(const struct imap *imap, const struct imap_command *command)
{
	for (size_t i = 0; i < command->literals; i++)
		if (!literal_is_free(imap, command->literal_size[i]))
			return true;
	return false;
}

static uint32_t command_submit(
	struct imap *imap, const struct imap_command *command, struct err *err)
{
	if (command->broken) {
		err_set(err, ERR_MESSAGE,
			"an argument holds what IMAP cannot carry (NUL, or more than %u octets)",
			IMAP_COMMAND_MAX);
		return 0;
	}
	if (imap->tags.in_flight > 0 && command_must_wait(imap, command)) {
		err_set(err, ERR_LOCAL,
			"a command with a synchronising literal while others are unanswered");
		return 0;
	}

	const uint32_t tag = tag_take(imap, err);
	if (tag == 0)
		return 0;
	if (command_put(imap, command, tag, err) < 0)
		return 0; /* the tag stays unsent: half a command may be out */
	imap_tag_sent(imap, tag);
	return tag;
}

uint32_t imap_submit(struct imap *imap, struct imap_command *command, struct err *err)
{
	const uint32_t tag = command_submit(imap, command, err);

	imap_command_release(command);
	return tag;
}

static int select_once(
	struct imap *imap, const char *server_name, bool read_only, bool condstore, struct err *err)
{
	const bool examine = read_only && !(imap->quirk.flags & IMAP_QUIRK_SELECT_ONLY);
	struct imap_command command;

	imap_selected_reset(imap);
	imap->selected.read_only = read_only;
	imap_command_init(&command, examine ? "EXAMINE" : "SELECT");
	imap_command_mailbox(&command, server_name);
	if (condstore)
		imap_command_raw(&command, "(CONDSTORE)");

	const uint32_t tag = imap_submit(imap, &command, err);
	if (tag == 0 || imap_finish(imap, tag, err) < 0) {
		imap_selected_reset(imap);
		return -1;
	}
	/* REQUIRED (RFC 3501 §6.3.1): without it nobody knows what is there, and unknown is not empty. */
	if (!imap->selected.counted) {
		imap_selected_reset(imap);
		return err_set(err, ERR_MAILBOX,
			"the server opens the mailbox and does not tell how many messages it holds");
	}
	imap->selected.name = mem_strdup(server_name);
	imap->selected.read_only |= read_only;
	imap->condstore |= condstore && imap->selected.highestmodseq > 0;
	return 0;
}

int imap_select(struct imap *imap, const char *server_name, bool read_only, struct err *err)
{
	struct err local = ERR_INIT;
	const bool condstore = imap_has(imap, IMAP_CAP_CONDSTORE) && !imap->condstore;

	if (select_once(imap, server_name, read_only, condstore, &local) == 0)
		return 0;
	if (condstore && local.scope < ERR_CONN && local.kind == ERR_KIND_UNSUPPORTED) {
		imap_give_up(imap, IMAP_CAP_CONDSTORE);
		return select_once(imap, server_name, read_only, false, err);
	}
	if (err)
		*err = local;
	return -1;
}

int imap_unselect(struct imap *imap, struct err *err)
{
	struct err local = ERR_INIT;

	if (!imap->selected.name || !imap_has(imap, IMAP_CAP_UNSELECT))
		return 0;

	const uint32_t tag = imap_sendf(imap, &local, "UNSELECT");
	if (tag > 0 && imap_finish(imap, tag, &local) == 0) {
		imap_selected_reset(imap);
		return 0;
	}
	if (imap_refused(imap, tag)) {
		imap_give_up(imap, IMAP_CAP_UNSELECT);
		return 0;
	}
	if (err)
		*err = local;
	return -1;
}
