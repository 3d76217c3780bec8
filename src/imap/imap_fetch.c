/* Messages of the selected mailbox as a pipelined reader: what the caller sees. */
#include "imap/imap_fetch.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/spool.h"
#include "imap/imap_fetch_parts.h"

#define COMMANDS_FIRST 16
#define BYTES_FIRST (4u << 20)
#define ITEMS_MAX 4096
#define LINE_MAX (128u << 10)
#define KNOWN_MAX (1u << 24) /* UIDs that are asked for one by one in the worst case */

/* What each item is called, and which capability it needs (0 = none). */
static const struct {
	enum imap_fetch_item item;
	const char *name;
	enum imap_cap cap;
} items_table[] = {
	{ IMAP_FETCH_UID, "UID", 0 },
	{ IMAP_FETCH_FLAGS, "FLAGS", 0 },
	{ IMAP_FETCH_DATE, "INTERNALDATE", 0 },
	{ IMAP_FETCH_SIZE, "RFC822.SIZE", 0 },
	{ IMAP_FETCH_MODSEQ, "MODSEQ", IMAP_CAP_CONDSTORE },
};

static void name_items(struct imap_fetch *fetch, unsigned items, const char *section)
{
	bool full = buf_add_char(&fetch->items, '(') < 0;

	for (size_t i = 0; i < countof(items_table); i++) {
		if ((items & items_table[i].item) == 0)
			continue;
		if (items_table[i].cap != 0 && !imap_has(fetch->imap, items_table[i].cap))
			continue;
		full |= buf_print(&fetch->items, "%s%s", fetch->items.len > 1 ? " " : "",
				items_table[i].name) < 0;
	}
	if (section)
		full |= buf_print(&fetch->items, " %s", section) < 0;
	full |= buf_add_char(&fetch->items, ')') < 0;
	if (full) /* our own words: a section of some kilobytes is a mistake, and the server will say so */
		buf_clear(&fetch->items);
}

struct imap_fetch *imap_fetch_new(struct imap *imap, unsigned items, const char *section)
{
	struct imap_fetch *fetch = mem_alloc(sizeof(*fetch));
	const struct span whole = span_of(section);
	const size_t open = span_find(whole, '['), close = span_find(whole, ']');

	fetch->imap = imap;
	fetch->window_commands = COMMANDS_FIRST;
	fetch->window_bytes = BYTES_FIRST;
	fetch->asks_end = &fetch->asks;
	fetch->again_end = &fetch->again;
	fetch->vanished_sorted = true;
	buf_init(&fetch->items, ITEMS_MAX);
	buf_init(&fetch->line, LINE_MAX);
	name_items(fetch, items | IMAP_FETCH_UID, section);

	fetch->has_section = section != NULL;
	if (open < close && close < whole.len)
		fetch->section = span_sub(whole, open + 1, close - open - 1);
	/* MODSEQ is an extra; the size of RFC822.SIZE is a hint beside the body itself. */
	fetch->needed = IMAP_FETCH_UID | (items & (IMAP_FETCH_FLAGS | IMAP_FETCH_DATE));
	fetch->needed |= section ? IMAP_FETCH_SECTION : items & IMAP_FETCH_SIZE;
	return fetch;
}

void imap_fetch_free(struct imap_fetch *fetch)
{
	if (!fetch)
		return;
	imap_fetch_asks_release(fetch);
	buf_release(&fetch->items);
	buf_release(&fetch->line);
	arena_free(fetch->gather.arena);
	spool_free(fetch->gather.spool);
	arena_free(fetch->gone);
	mem_free(fetch);
}

void imap_fetch_window(struct imap_fetch *fetch, unsigned commands, uint64_t bytes)
{
	if (commands > FETCH_COMMANDS_MAX)
		commands = FETCH_COMMANDS_MAX;
	fetch->window_commands = commands > 0 ? commands : 1;
	fetch->window_bytes = bytes;
}

bool imap_fetch_has_room(const struct imap_fetch *fetch)
{
	if (fetch->asks || fetch->again)
		return false;
	return fetch->flights == 0 ||
	       (fetch->flights < fetch->window_commands && fetch->bytes < fetch->window_bytes);
}

static struct fetch_ask *ask_new(const struct uidset *set, uint64_t bytes)
{
	struct fetch_ask *ask = mem_alloc(sizeof(*ask));

	ask->range = mem_array(set->count, sizeof(*ask->range));
	memcpy(ask->range, set->range, set->count * sizeof(*ask->range));
	ask->ranges = set->count;
	ask->uids = ask->at_once = uidset_size(set);
	ask->bytes = bytes;
	return ask;
}

int imap_fetch_ask(
	struct imap_fetch *fetch, const struct uidset *set, uint64_t bytes, struct err *err)
{
	if (set->count == 0)
		return 0;

	const bool open = set->range[set->count - 1].last == UINT32_MAX;
	if (!open && uidset_size(set) > KNOWN_MAX)
		return err_set(err, ERR_LOCAL, "%llu messages asked for at once",
			(unsigned long long)uidset_size(set));

	struct fetch_ask *ask = ask_new(set, bytes);
	ask->kind = open ? FETCH_NEWS : FETCH_UIDS;
	imap_fetch_queue(fetch, ask);
	return imap_fetch_pump(fetch, err);
}

int imap_fetch_ask_since(struct imap_fetch *fetch, const struct uidset *set, uint64_t modseq,
	bool vanished, struct err *err)
{
	if (set->count == 0)
		return 0;

	struct fetch_ask *ask = ask_new(set, 0);
	ask->kind = FETCH_NEWS;
	ask->modseq = modseq;
	ask->vanished = vanished;
	imap_fetch_queue(fetch, ask);
	return imap_fetch_pump(fetch, err);
}

bool imap_fetch_ready(struct imap_fetch *fetch)
{
	return (fetch->flights == 0 && !fetch->asks && !fetch->again) || imap_ready(fetch->imap);
}

/* Sorted only when somebody looks, so that a server's order costs nothing. */
static int add_vanished(struct imap_fetch *fetch, const struct uidset *set, struct err *err)
{
	struct uidset *all = &fetch->vanished;

	if (!fetch->gone)
		fetch->gone = arena_new();
	if (all->count + set->count > UIDSET_RANGES_MAX)
		return err_set(err, ERR_CONN,
			"the server reports more than %u ranges of vanished messages",
			UIDSET_RANGES_MAX);
	if (all->count + set->count > all->room) {
		const size_t room = (all->count + set->count) * 2;

		all->range =
			arena_grow(fetch->gone, all->range, all->room, room, sizeof(*all->range));
		all->room = room;
	}
	if (set->count > 0)
		memcpy(&all->range[all->count], set->range, set->count * sizeof(*set->range));
	all->count += set->count;
	fetch->vanished_sorted = false;
	return 0;
}

static int compare_ranges(const void *a, const void *b)
{
	const struct uid_range *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

static void sort_vanished(struct imap_fetch *fetch)
{
	struct uidset *all = &fetch->vanished;
	size_t kept = 0;

	if (all->count > 1)
		qsort(all->range, all->count, sizeof(*all->range), compare_ranges);
	for (size_t i = 1; i < all->count; i++) {
		const struct uid_range range = all->range[i];
		struct uid_range *last = &all->range[kept];

		if (last->last != UINT32_MAX && range.first > last->last + 1)
			all->range[++kept] = range;
		else if (range.last > last->last)
			last->last = range.last;
	}
	if (all->count > 0)
		all->count = kept + 1;
	fetch->vanished_sorted = true;
}

const struct uidset *imap_fetch_vanished(const struct imap_fetch *fetch)
{
	if (!fetch->vanished_sorted)
		sort_vanished((struct imap_fetch *)fetch); /* the set stays the same */
	return &fetch->vanished;
}

/* 1 = fetch->message is to be handed out. */
static int take_event(struct imap_fetch *fetch, const struct imap_event *event, struct err *err)
{
	if (event->type == IMAP_FETCH)
		return imap_fetch_take(fetch, &event->fetch, err);
	if (event->type == IMAP_SEARCH)
		imap_fetch_found(fetch, &event->search);
	if (event->type == IMAP_VANISHED && add_vanished(fetch, &event->search.set, err) < 0)
		return -1;

	int rc = 0;
	if (event->type == IMAP_TAGGED)
		rc = imap_fetch_done(fetch, event, err);
	/* Sequence numbers may mean other messages from here on, and a finished command adds no more parts; what is handed out stays. */
	const bool over = event->type == IMAP_TAGGED || event->type == IMAP_EXPUNGE ||
			  event->type == IMAP_VANISHED;
	if (over && (rc <= 0 || !fetch->gather.skip))
		imap_fetch_gather_reset(&fetch->gather, 0);
	return rc;
}

int imap_fetch_next(struct imap_fetch *fetch, const struct imap_message **out, struct err *err)
{
	const struct imap_event *event;

	fetch->body = FETCH_BODY_NONE;
	for (;;) {
		if (imap_fetch_pump(fetch, err) < 0)
			return -1;
		if (fetch->flights == 0)
			return 0;
		if (imap_next(fetch->imap, &event, err) < 0)
			return -1;

		const int rc = take_event(fetch, event, err);
		if (rc > 0)
			*out = &fetch->message;
		if (rc != 0)
			return rc;
	}
}

int imap_fetch_body(struct imap_fetch *fetch, struct span *chunk_out, struct err *err)
{
	switch (fetch->body) {
	case FETCH_BODY_INLINE:
		fetch->body = FETCH_BODY_NONE;
		if (fetch->inline_bytes.len == 0)
			return 0;
		*chunk_out = fetch->inline_bytes;
		return 1;
	case FETCH_BODY_STREAM:
		return imap_body_next(fetch->imap, chunk_out, err);
	case FETCH_BODY_SPOOL:
		return spool_next(fetch->gather.spool, chunk_out, err);
	case FETCH_BODY_NONE:
		break;
	}
	return 0;
}
