/*
 * One message out of FETCH responses. Nearly always one event holds it all and nothing is copied; else its parts are kept until the
 * response is over, and over further responses to the same sequence number, for servers may tell a message in several (RFC 3501 §7.4.2).
 */
#include "imap/imap_fetch_parts.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/spool.h"

#define SPOOL_MEMORY (256u << 10)

static struct span first_word(struct span text)
{
	return span_sub(text, 0, span_find(text, ' '));
}

/* Servers may quote or reorder the fields of HEADER.FIELDS: the part's name is enough. */
static bool is_ours(const struct imap_fetch *fetch, const struct imap_section *section)
{
	if (!fetch->has_section || section->nil)
		return false;
	return span_equal_nocase(first_word(section->name), first_word(fetch->section));
}

void imap_fetch_gather_reset(struct fetch_gather *gather, uint32_t seq)
{
	if (gather->open) {
		arena_clear(gather->arena);
		if (gather->spool)
			spool_clear(gather->spool);
	}
	gather->open = seq != 0;
	gather->skip = false;
	gather->seq = seq;
	gather->parts = (struct imap_message){ 0 };
}

static void copy_items(struct fetch_gather *gather, const struct imap_fetch_data *data)
{
	struct imap_message *parts = &gather->parts;

	parts->has |= data->has & ~(unsigned)IMAP_FETCH_SECTION;
	if (data->has & IMAP_FETCH_UID)
		parts->uid = data->uid;
	if (data->has & IMAP_FETCH_FLAGS)
		parts->flags = arena_span(gather->arena, data->flags);
	if (data->has & IMAP_FETCH_DATE)
		parts->date = arena_span(gather->arena, data->date);
	if (data->has & IMAP_FETCH_SIZE)
		parts->size = data->size;
	if (data->has & IMAP_FETCH_MODSEQ)
		parts->modseq = data->modseq;
}

static int deliver(struct imap_fetch *fetch, struct fetch_command *command, enum fetch_body body)
{
	imap_fetch_answered(fetch, command, fetch->message.uid);
	fetch->message.outcome = IMAP_MESSAGE_HERE;
	fetch->message.has_body = body != FETCH_BODY_NONE;
	fetch->body = body;
	return 1;
}

/* The usual case: all that was asked for in one event, in memory. */
static int deliver_event(
	struct imap_fetch *fetch, struct fetch_command *command, const struct imap_fetch_data *data)
{
	fetch->message = (struct imap_message){
		.uid = data->uid,
		.has = data->has,
		.flags = data->flags,
		.date = data->date,
		.size = data->size,
		.modseq = data->modseq,
		.body_size = fetch->has_section ? data->section.bytes.len : 0,
	};
	fetch->inline_bytes = data->section.bytes;
	return deliver(fetch, command, fetch->has_section ? FETCH_BODY_INLINE : FETCH_BODY_NONE);
}

static int deliver_parts(struct imap_fetch *fetch, struct fetch_command *command)
{
	fetch->message = fetch->gather.parts;
	if ((fetch->message.has & IMAP_FETCH_SECTION) == 0)
		return deliver(fetch, command, FETCH_BODY_NONE);
	fetch->message.body_size = spool_size(fetch->gather.spool);
	spool_rewind(fetch->gather.spool);
	return deliver(fetch, command, FETCH_BODY_SPOOL);
}

static int deliver_stream(struct imap_fetch *fetch, struct fetch_command *command, uint64_t size)
{
	fetch->message = fetch->gather.parts;
	fetch->message.has |= IMAP_FETCH_SECTION;
	fetch->message.body_size = size;
	fetch->gather.skip = true;
	return deliver(fetch, command, FETCH_BODY_STREAM);
}

/* The body came before we know whose it is, or before the items that have to go in front of it. */
static int keep_body(struct imap_fetch *fetch, const struct imap_fetch_data *data, struct err *err)
{
	struct fetch_gather *gather = &fetch->gather;
	struct span chunk = data->section.bytes;
	int rc = 0;

	if (!gather->spool)
		gather->spool = spool_new(SPOOL_MEMORY);
	spool_clear(gather->spool);
	if (!data->stream)
		rc = spool_add(gather->spool, chunk, err);
	while (data->stream && rc >= 0) {
		rc = imap_body_next(fetch->imap, &chunk, err);
		if (rc <= 0)
			break;
		rc = spool_add(gather->spool, chunk, err);
	}
	if (rc < 0)
		return -1;
	gather->parts.has |= IMAP_FETCH_SECTION;
	return 0;
}

static int take_part(struct imap_fetch *fetch, const struct imap_fetch_data *data, struct err *err)
{
	struct fetch_gather *gather = &fetch->gather;
	const bool other = (data->has & IMAP_FETCH_UID) && (gather->parts.has & IMAP_FETCH_UID) &&
			   gather->parts.uid != data->uid;

	if (!gather->arena)
		gather->arena = arena_new();
	if (!gather->open || other || (!data->continued && gather->seq != data->seq))
		imap_fetch_gather_reset(gather, data->seq ? data->seq : 1);
	copy_items(gather, data);

	struct fetch_command *command = NULL;
	if (gather->parts.has & IMAP_FETCH_UID) {
		command = imap_fetch_wanted(fetch, gather->parts.uid);
		if (!command) {
			gather->skip = true;
			return 0;
		}
	}
	const bool ours = is_ours(fetch, &data->section) &&
			  (data->stream || (data->has & IMAP_FETCH_SECTION));
	const unsigned missing = fetch->needed & ~gather->parts.has;
	if (ours && data->stream && command && (missing & ~(unsigned)IMAP_FETCH_SECTION) == 0)
		return deliver_stream(fetch, command, data->stream_size);
	if (ours && keep_body(fetch, data, err) < 0)
		return -1;
	if (!data->stream && command && (fetch->needed & ~gather->parts.has) == 0) {
		gather->skip = true;
		return deliver_parts(fetch, command);
	}
	return 0;
}

int imap_fetch_take(struct imap_fetch *fetch, const struct imap_fetch_data *data, struct err *err)
{
	struct fetch_gather *gather = &fetch->gather;

	if (data->continued) {
		if (gather->skip)
			return 0;
		return take_part(fetch, data, err);
	}
	if (gather->skip)
		imap_fetch_gather_reset(gather, 0);

	const bool whole = !data->stream && (fetch->needed & ~data->has) == 0 &&
			   (!fetch->has_section || is_ours(fetch, &data->section));
	if (!whole)
		return take_part(fetch, data, err);

	struct fetch_command *command = imap_fetch_wanted(fetch, data->uid);
	if (!command)
		return 0;
	if (gather->open)
		imap_fetch_gather_reset(gather, 0);
	return deliver_event(fetch, command, data);
}

bool imap_fetch_make_do(struct imap_fetch *fetch, struct fetch_command *command)
{
	const struct fetch_gather *gather = &fetch->gather;
	const unsigned least = fetch->has_section ? IMAP_FETCH_SECTION : ~(unsigned)IMAP_FETCH_UID;

	if (!gather->open || gather->skip || (gather->parts.has & IMAP_FETCH_UID) == 0 ||
		(gather->parts.has & least) == 0)
		return false;
	if (gather->parts.uid != command->slice[0].first)
		return false;
	fetch->gather.skip = true;
	(void)deliver_parts(fetch, command);
	return true;
}
