/*
 * Plays the octets of a server to the codec, cut as wanted, and writes down the events as text, one a line: two cuts must give the same
 * text. A session in miniature: streamed literals are taken off between the parts.
 *
 * Owner: the caller, of the buffer. Threads: one at a time. For test_imap_response.c and fuzz_imap_response.c.
 *
 *	imap_play(input, (struct imap_cut){ .first = 1, .step = 1 }, &out);
 */
#ifndef TESTS_IMAP_PLAY_H
#define TESTS_IMAP_PLAY_H

#include "imap/imap_response.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"

#include <stdarg.h>

/* What arrives at once: first octets, then step by step. */
struct imap_cut {
	size_t first, step;
	/* streamed literals take no octets of the input: for a fuzzer, whose inputs are short */
	bool imagined;
};

static void play_say(struct buf *out, const char *fmt, ...) MUST_FORMAT(2, 3);

static void play_say(struct buf *out, const char *fmt, ...)
{
	va_list args;
	char text[1024];

	va_start(args, fmt);
	const int len = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (len < 0 || (size_t)len >= sizeof(text) ||
		buf_add(out, span_make(text, (size_t)len)) < 0)
		abort();
}

static void play_span(struct buf *out, const char *label, struct span text)
{
	play_say(out, "%s", label);
	if (!text.data) {
		play_say(out, "NIL");
		return;
	}
	play_say(out, "'");
	for (size_t i = 0; i < text.len; i++) {
		const unsigned char byte = (unsigned char)text.data[i];

		if (byte < ' ' || byte >= 0x7f)
			play_say(out, "\\x%02x", byte);
		else if (buf_add_char(out, (char)byte) < 0)
			abort();
	}
	play_say(out, "'");
}

static void play_words(struct buf *out, const char *label, struct imap_words words)
{
	play_say(out, "%s(", label);
	for (size_t i = 0; i < words.count; i++)
		play_span(out, i > 0 ? " " : "", words.word[i]);
	play_say(out, ")");
}

static void play_set(struct buf *out, const char *label, const struct uidset *set)
{
	if (set->count == 0)
		return;
	play_say(out, "%s", label);
	for (size_t i = 0; i < set->count; i++) {
		play_say(out, "%s%u", i > 0 ? "," : "", set->range[i].first);
		if (set->range[i].last != set->range[i].first)
			play_say(out, ":%u", set->range[i].last);
	}
}

static void play_number(struct buf *out, const char *label, bool has, uint64_t number)
{
	if (has)
		play_say(out, "%s%llu", label, (unsigned long long)number);
}

static void play_code(struct buf *out, const struct imap_code *code)
{
	if (code->type == IMAP_CODE_NONE)
		return;
	play_span(out, code->type == IMAP_CODE_OTHER ? " other=" : " code=", code->name);
	if (code->text.len > 0)
		play_span(out, ":", code->text);
	play_number(out, " number=", code->number != 0, code->number);
	play_number(out, " modseq=", code->modseq != 0, code->modseq);
	play_set(out, " a=", &code->set_a);
	play_set(out, " b=", &code->set_b);
	if (code->words.count > 0)
		play_words(out, " words=", code->words);
}

static void play_status_line(struct buf *out, const struct imap_event *event)
{
	static const char *const names[] = { "OK", "NO", "BAD", "BYE", "PREAUTH" };

	play_say(out, " %s", names[event->status]);
	play_code(out, &event->code);
	play_span(out, " ", event->text);
}

static void play_list(struct buf *out, const struct imap_list *list)
{
	play_say(out, "%s delimiter=", list->lsub ? "LSUB" : "LIST");
	if (list->delimiter)
		play_span(out, "", span_make(&list->delimiter, 1));
	else
		play_say(out, "NIL");
	play_span(out, " ", list->name);
	play_words(out, " ", list->attributes);
	if (list->child_info_subscribed)
		play_say(out, " child-subscribed");
}

static void play_mailbox(struct buf *out, const struct imap_mailbox_status *status)
{
	const struct {
		enum imap_status_item bit;
		const char *label;
		uint64_t value;
	} items[] = {
		{ IMAP_STATUS_MESSAGES, " messages=", status->messages },
		{ IMAP_STATUS_RECENT, " recent=", status->recent },
		{ IMAP_STATUS_UNSEEN, " unseen=", status->unseen },
		{ IMAP_STATUS_UIDNEXT, " uidnext=", status->uidnext },
		{ IMAP_STATUS_UIDVALIDITY, " uidvalidity=", status->uidvalidity },
		{ IMAP_STATUS_DELETED, " deleted=", status->deleted },
		{ IMAP_STATUS_HIGHESTMODSEQ, " modseq=", status->highestmodseq },
		{ IMAP_STATUS_SIZE, " size=", status->size },
		{ IMAP_STATUS_APPENDLIMIT, " appendlimit=", status->appendlimit },
	};

	play_span(out, "STATUS ", status->name);
	for (size_t i = 0; i < countof(items); i++)
		play_number(out, items[i].label, (status->has & items[i].bit) != 0, items[i].value);
	if (status->has & IMAP_STATUS_MAILBOXID)
		play_span(out, " mailboxid=", status->mailboxid);
}

static void play_search(struct buf *out, const struct imap_search *search)
{
	if (search->esearch)
		play_say(out, "ESEARCH tag=%u%s", search->tag, search->uid ? " uid" : "");
	else
		play_say(out, "SEARCH");
	if (search->mailbox.data)
		play_span(out, " mailbox=", search->mailbox);
	play_number(out, " count=", search->has_count, search->count);
	play_number(out, " min=", search->has_min, search->min);
	play_number(out, " max=", search->has_max, search->max);
	play_number(out, " modseq=", search->modseq != 0, search->modseq);
	play_set(out, " ", &search->set);
}

static const char *const play_id_names[] = { " id=", " digest=", " emailid=", " guid=", " gmail=" };

static void play_fetch(struct buf *out, const struct imap_fetch_data *fetch)
{
	play_say(out, fetch->continued ? "FETCH continued" : "FETCH %u", fetch->seq);
	play_number(out, " uid=", (fetch->has & IMAP_FETCH_UID) != 0, fetch->uid);
	if (fetch->has & IMAP_FETCH_FLAGS)
		play_span(out, " flags=", fetch->flags);
	if (fetch->has & IMAP_FETCH_DATE)
		play_span(out, " date=", fetch->date);
	play_number(out, " size=", (fetch->has & IMAP_FETCH_SIZE) != 0, fetch->size);
	play_number(out, " modseq=", (fetch->has & IMAP_FETCH_MODSEQ) != 0, fetch->modseq);
	if (fetch->has & IMAP_FETCH_CONTENT_ID)
		play_span(out, play_id_names[fetch->content_id_kind], fetch->content_id);
	if (fetch->has & IMAP_FETCH_SECTION) {
		play_span(out, " [", fetch->section.name);
		play_say(out, "]");
		if (!fetch->stream)
			play_span(out, "=",
				fetch->section.nil ? (struct span){ 0 } : fetch->section.bytes);
	}
	play_number(out, " stream=", fetch->stream, fetch->stream_size);
}

static void play_namespace(struct buf *out, const struct imap_namespace *space)
{
	const struct {
		const char *label;
		struct span prefix;
		const char *delimiter;
	} all[] = {
		{ " personal=", space->personal, &space->personal_delimiter },
		{ " other=", space->other, &space->other_delimiter },
		{ " shared=", space->shared, &space->shared_delimiter },
	};

	play_say(out, "NAMESPACE");
	for (size_t i = 0; i < countof(all); i++) {
		play_span(out, all[i].label, all[i].prefix);
		if (*all[i].delimiter)
			play_span(out, "", span_make(all[i].delimiter, 1));
	}
}

static void play_quota(struct buf *out, const struct imap_quota *quota)
{
	play_span(out, "QUOTA ", quota->root);
	for (size_t i = 0; i < quota->count; i++) {
		play_span(out, " ", quota->item[i].name);
		play_number(out, "=", true, quota->item[i].usage);
		play_number(out, "/", true, quota->item[i].limit);
	}
}

static void play_event(struct buf *out, const struct imap_event *event)
{
	switch (event->type) {
	case IMAP_TAGGED:
		play_say(out, "TAGGED %u", event->tag);
		play_status_line(out, event);
		break;
	case IMAP_STATUS_LINE:
		play_say(out, "UNTAGGED");
		play_status_line(out, event);
		break;
	case IMAP_CONTINUE:
		play_span(out, "CONTINUE ", event->text);
		break;
	case IMAP_CAPABILITY:
		play_words(out, "CAPABILITY ", event->words);
		break;
	case IMAP_ENABLED:
		play_words(out, "ENABLED ", event->words);
		break;
	case IMAP_LIST:
		play_list(out, &event->list);
		break;
	case IMAP_STATUS:
		play_mailbox(out, &event->mailbox);
		break;
	case IMAP_SEARCH:
		play_search(out, &event->search);
		break;
	case IMAP_FLAGS:
		play_words(out, "FLAGS ", event->words);
		break;
	case IMAP_EXISTS:
		play_say(out, "EXISTS %u", event->number);
		break;
	case IMAP_RECENT:
		play_say(out, "RECENT %u", event->number);
		break;
	case IMAP_EXPUNGE:
		play_say(out, "EXPUNGE %u", event->number);
		break;
	case IMAP_VANISHED:
		play_say(out, event->search.earlier ? "VANISHED earlier" : "VANISHED");
		play_set(out, " ", &event->search.set);
		break;
	case IMAP_FETCH:
		play_fetch(out, &event->fetch);
		break;
	case IMAP_NAMESPACE:
		play_namespace(out, &event->namespace_);
		break;
	case IMAP_ID:
		play_words(out, "ID ", event->words);
		break;
	case IMAP_QUOTA:
		play_quota(out, &event->quota);
		break;
	case IMAP_QUOTAROOT:
		play_words(out, "QUOTAROOT ", event->words);
		break;
	case IMAP_UNKNOWN:
		play_span(out, "UNKNOWN ", event->text);
		break;
	}
	play_say(out, "\n");
}

struct imap_player {
	struct span input;
	struct imap_cut cut;
	size_t at, arrived;
	struct imap_frame frame;
	struct arena *arena;
	size_t arena_most;
};

static bool play_more(struct imap_player *player)
{
	if (player->arrived == player->input.len)
		return false;
	player->arrived += player->arrived == 0 ? player->cut.first : player->cut.step;
	if (player->arrived > player->input.len)
		player->arrived = player->input.len;
	return true;
}

/* Takes the octets of a streamed literal off; false when they are not all there. */
static bool play_stream(struct imap_player *player, uint64_t size, struct buf *out)
{
	uint64_t sum = 0;

	if (player->cut.imagined)
		size = 0;
	for (uint64_t i = 0; i < size; i++) {
		while (player->at == player->arrived) {
			if (!play_more(player))
				return false;
		}
		sum = sum * 31 + (unsigned char)player->input.data[player->at++];
	}
	play_say(out, "BODY %llu %016llx\n", (unsigned long long)size, (unsigned long long)sum);
	return true;
}

/* One response or part from a copy that is exactly as large as what arrived, so that a sanitizer sees each octet read too far. */
static int play_one(struct imap_player *player, struct buf *out)
{
	const struct span here = span_sub(player->input, player->at, player->arrived - player->at);
	struct imap_frame *frame = &player->frame;
	struct imap_event event;
	struct err err = ERR_INIT;
	char *copy = mem_resize(NULL, here.len > 0 ? here.len : 1, 1);

	if (here.len > 0)
		memcpy(copy, here.data, here.len);
	int rc = imap_response_frame(frame, span_make(copy, here.len), &err);
	if (rc > 0) {
		if (frame->size == 0 || frame->size > here.len)
			abort();
		rc = imap_response_parse(
			     span_make(copy, frame->size), frame, player->arena, &event, &err) < 0
			     ? -1
			     : 1;
	}
	if (rc > 0)
		play_event(out, &event);
	if (rc < 0)
		play_say(out, "ERROR %s\n", err.text);
	if (rc < 0 && err.scope != ERR_CONN)
		abort();
	mem_free(copy);
	return rc;
}

/* Everything in the input; ends with "(rest N)" when octets are left that make no response. Returns the most memory an event took. */
static size_t imap_play(struct span input, struct imap_cut cut, struct buf *out)
{
	struct imap_player player = { .input = input, .cut = cut, .arena = arena_new() };
	size_t most = 0;

	for (;;) {
		const int rc = play_one(&player, out);

		if (rc < 0)
			break;
		if (rc == 0) {
			if (play_more(&player))
				continue;
			if (player.at < input.len)
				play_say(out, "(rest %zu)\n", input.len - player.at);
			break;
		}

		const struct imap_frame done = player.frame;
		if (arena_used(player.arena) > most)
			most = arena_used(player.arena);
		arena_clear(player.arena);
		player.at += done.size;
		player.frame = (struct imap_frame){ .continued = done.stream };
		if (done.stream && !play_stream(&player, done.stream_size, out)) {
			play_say(out, "(body cut short)\n");
			break;
		}
	}
	arena_free(player.arena);
	return most;
}

#endif
