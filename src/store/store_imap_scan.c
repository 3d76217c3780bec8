/*
 * What a mailbox holds, in one UID FETCH. Completeness is proved, not assumed: what came is counted against EXISTS, and where that does not agree (or
 * the mailbox changed meanwhile) UID SEARCH names every message, and those left out are asked for alone.
 */
#include "store/store_imap_parts.h"

#include "base/log.h"
#include "base/mem.h"
#include "imap/imap_content_id.h"

#define COLUMNS "(UID FLAGS INTERNALDATE RFC822.SIZE)"
#define COLUMN_ITEMS \
	(IMAP_FETCH_UID | IMAP_FETCH_FLAGS | IMAP_FETCH_SIZE) /* a date may be missing or no date */
#define TICK_EVERY 64
#define CACHE_SLOTS 64
#define CACHE_TEXT 60
#define SEARCHES 3 /* while the mailbox is changing */
#define MISSING_MAX \
	(1u << 20) /* messages that are asked for once more; beyond it the server is no use */

/* Flags as sent → interned set: most messages share a few. */
struct flag_cache {
	struct {
		char text[CACHE_TEXT];
		uint8_t len; /* 0 = free */
		flags_t flags;
	} slot[CACHE_SLOTS];
};

struct late { /* flags told apart from the message's row */
	uint32_t uid;
	flags_t flags;
};

struct columns { /* the running UID FETCH */
	struct scan_work *work;
	struct imap *imap;
	struct flag_cache cache;
	struct uidset partial; /* of which only a part came; in scratch */
	struct late *late;
	size_t late_count, late_room;
	uint32_t exists; /* when it began */
	bool moved; /* messages came or went meanwhile */
	bool refused;
	struct err refusal;
};

void scan_tick(struct scan_work *work)
{
	work->done++;
	if (work->want->tick != NULL && work->done % TICK_EVERY == 0)
		work->want->tick(work->want->tick_context, TICK_EVERY);
}

void scan_set_date(struct snapshot *rows, size_t row, struct span text)
{
	struct date date;

	if (date_parse_internal(text, &date) < 0)
		return;
	rows->instant[row] = date.instant;
	rows->zone[row] = date.zone;
}

static flags_t cached_flags(struct columns *columns, struct span text)
{
	struct flag_table *table = columns->work->store->store.flags;
	uint32_t hash = 2166136261u; /* FNV-1a */

	if (text.len == 0)
		return 0;
	if (text.len > CACHE_TEXT)
		return flags_parse(table, text);
	for (size_t i = 0; i < text.len; i++)
		hash = (hash ^ (unsigned char)text.data[i]) * 16777619u;

	const size_t slot = (hash >> 8) % CACHE_SLOTS;
	if (columns->cache.slot[slot].len != text.len ||
		memcmp(columns->cache.slot[slot].text, text.data, text.len) != 0) {
		memcpy(columns->cache.slot[slot].text, text.data, text.len);
		columns->cache.slot[slot].len = (uint8_t)text.len;
		columns->cache.slot[slot].flags = flags_parse(table, text);
	}
	return columns->cache.slot[slot].flags;
}

static void add_late(struct columns *columns, uint32_t uid, flags_t flags)
{
	if (columns->late_count == columns->late_room) {
		const size_t room = columns->late_room > 0 ? columns->late_room * 2 : 16;

		columns->late = arena_grow(columns->work->scratch, columns->late,
			columns->late_room, room, sizeof(*columns->late));
		columns->late_room = room;
	}
	columns->late[columns->late_count++] = (struct late){ uid, flags };
}

/* A whole row, or news about a message that changed while the scan runs (or an answer in pieces). */
static void take_fetch(struct columns *columns, const struct imap_fetch_data *data)
{
	struct snapshot *rows = columns->work->rows;
	const struct uidset *wanted = columns->work->want->uids;

	if (!(data->has & IMAP_FETCH_UID) || data->uid == 0 ||
		(wanted != NULL && !uidset_has(wanted, data->uid)))
		return;
	if ((data->has & COLUMN_ITEMS) != COLUMN_ITEMS) {
		uidset_add(&columns->partial, columns->work->scratch, data->uid, data->uid);
		if (data->has & IMAP_FETCH_FLAGS)
			add_late(columns, data->uid, cached_flags(columns, data->flags));
		return;
	}

	const size_t row = snapshot_add(rows, data->uid);
	rows->flags[row] = cached_flags(columns, data->flags);
	rows->size[row] = data->size < UINT32_MAX ? (uint32_t)data->size : UINT32_MAX;
	if (data->has & IMAP_FETCH_DATE)
		scan_set_date(rows, row, data->date);
	if (rows->id != NULL && imap_content_id_take(columns->work->want->id, data, &rows->id[row]))
		rows->attr[row] |= SNAPSHOT_HAS_ID;
	scan_tick(columns->work);
}

static void take(struct columns *columns, const struct imap_event *event)
{
	const struct box_scan *want = columns->work->want;

	switch (event->type) {
	case IMAP_FETCH:
		take_fetch(columns, &event->fetch);
		break;
	case IMAP_EXISTS:
		columns->moved |= event->number != columns->exists;
		break;
	case IMAP_EXPUNGE:
		columns->moved = true;
		break;
	case IMAP_VANISHED:
		columns->moved |= !event->search.earlier;
		for (size_t i = 0; want->vanished != NULL && i < event->search.set.count; i++)
			uidset_add(want->vanished, columns->work->arena,
				event->search.set.range[i].first, event->search.set.range[i].last);
		break;
	case IMAP_TAGGED:
	case IMAP_STATUS_LINE:
	case IMAP_CONTINUE:
	case IMAP_CAPABILITY:
	case IMAP_ENABLED:
	case IMAP_LIST:
	case IMAP_STATUS:
	case IMAP_SEARCH:
	case IMAP_FLAGS:
	case IMAP_RECENT:
	case IMAP_NAMESPACE:
	case IMAP_ID:
	case IMAP_QUOTA:
	case IMAP_QUOTAROOT:
	case IMAP_UNKNOWN:
		break;
	}
}

/* Flags told later than the row stand; UIDs that have no row after all stay in partial. */
static void settle_late(struct columns *columns)
{
	struct snapshot *rows = columns->work->rows;
	struct uidset left = { 0 };

	snapshot_finish(rows, false);
	for (size_t i = 0; i < columns->late_count; i++) {
		const size_t row = snapshot_find(rows, columns->late[i].uid);

		if (row != SIZE_MAX)
			rows->flags[row] = columns->late[i].flags;
	}
	for (size_t i = 0; i < columns->partial.count; i++) {
		for (uint64_t uid = columns->partial.range[i].first;
			uid <= columns->partial.range[i].last; uid++) {
			if (snapshot_find(rows, (uint32_t)uid) == SIZE_MAX)
				uidset_add(&left, columns->work->scratch, (uint32_t)uid,
					(uint32_t)uid);
		}
	}
	columns->partial = left;
}

static int read_columns(struct columns *columns, const char *tail, struct err *err)
{
	const struct imap_event *event;
	struct set_run run = {
		.imap = columns->imap,
		.verb = "UID FETCH",
		.set = columns->work->want->uids,
		.tail = tail,
	};
	int rc;

	while ((rc = set_run_next(&run, &event, err)) > 0)
		take(columns, event);
	columns->refused = run.refused;
	columns->refusal = run.refusal;
	settle_late(columns);
	return rc;
}

/* ---- completeness ---- */

static uint32_t exists_now(const struct imap *imap)
{
	return imap_selected(imap)->exists;
}

/* UIDs of `there` without a row. */
static void find_missing(const struct snapshot *rows, const struct uidset *there,
	struct arena *arena, struct uidset *out)
{
	size_t row = 0;

	for (size_t i = 0; i < there->count; i++) {
		uint64_t next = there->range[i].first;
		const uint64_t last = there->range[i].last;

		while (row < rows->count && rows->uid[row] < next)
			row++;
		for (; row < rows->count && rows->uid[row] <= last; row++) {
			if (rows->uid[row] > next)
				uidset_add(out, arena, (uint32_t)next, rows->uid[row] - 1);
			next = (uint64_t)rows->uid[row] + 1;
		}
		if (next <= last)
			uidset_add(out, arena, (uint32_t)next, (uint32_t)last);
	}
}

static void find_gone(const struct snapshot *rows, const struct uidset *there, struct arena *arena,
	struct uidset *out)
{
	for (size_t row = 0; row < rows->count; row++) {
		if (!uidset_has(there, rows->uid[row]))
			uidset_add(out, arena, rows->uid[row], rows->uid[row]);
	}
}

/* UIDs asked for that a search named; '*' of a set may have brought others. */
static void restrict_to(struct uidset *set, const struct uidset *wanted, struct arena *arena)
{
	struct uidset kept = { 0 };

	if (wanted == NULL)
		return;
	for (size_t i = 0, k = 0; i < set->count && k < wanted->count;) {
		const struct uid_range a = set->range[i], b = wanted->range[k];
		const uint32_t first = a.first > b.first ? a.first : b.first;
		const uint32_t last = a.last < b.last ? a.last : b.last;

		if (first <= last)
			uidset_add(&kept, arena, first, last);
		if (a.last < b.last)
			i++;
		else
			k++;
	}
	*set = kept;
}

/* 1 = `there` is what the server has, 0 = it contradicts its own count, again and again, -1. */
static int search_there(struct columns *columns, struct uidset *there, struct err *err)
{
	struct scan_work *work = columns->work;

	for (int i = 0; i < SEARCHES; i++) {
		if (imap_search_set(columns->imap, work->want->uids, work->scratch, there, err) < 0)
			return -1;
		restrict_to(there, work->want->uids, work->scratch);

		const uint64_t found = uidset_size(there);
		const uint64_t exists = exists_now(columns->imap);
		if (found == exists || (work->want->uids != NULL && found < exists))
			return 1;
		if (found > exists)
			*there = (struct uidset){ 0 }; /* 1:4294967295 costs a server nothing */
	}
	return 0;
}

/* The first look did not show every message, or the mailbox was changing: asks which there are and reads those that are missing. */
static int complete_columns(struct columns *columns, bool *whole_out, struct err *err)
{
	struct scan_work *work = columns->work;
	struct uidset there = { 0 }, missing = { 0 }, gone = { 0 };
	const int trusted = search_there(columns, &there, err);

	if (trusted < 0)
		return -1;
	find_missing(work->rows, &there, work->scratch, &missing);
	if (work->rows->count == 0 && missing.count > 0 && columns->refused) {
		if (err != NULL)
			*err = columns->refusal; /* refused as a whole: narrowing would ask for every single message */
		return -1;
	}
	if (trusted > 0 && work->want->uids == NULL) {
		find_gone(work->rows, &there, work->scratch, &gone);
		snapshot_remove(work->rows, &gone);
	}
	log_debug("mailbox %s: %llu messages are asked for again", work->box->box.name,
		(unsigned long long)uidset_size(&missing));
	if (uidset_size(&missing) > MISSING_MAX)
		return err_set(err, ERR_MAILBOX, "the server left out %llu messages",
			(unsigned long long)uidset_size(&missing));
	if (missing.count > 0 && scan_pass_rows(work, &missing, err) < 0)
		return -1;
	*whole_out = trusted > 0 ||
		     (work->want->uids == NULL && work->rows->count == exists_now(columns->imap));
	return 0;
}

static bool is_whole(const struct columns *columns)
{
	const struct scan_work *work = columns->work;

	if (columns->refused || columns->moved)
		return false;
	if (work->want->uids != NULL)
		return work->rows->count == uidset_size(work->want->uids);
	return work->rows->count == exists_now(columns->imap);
}

/* Refused for a reason that is not in the messages: to ask again at once, and in pieces, would be wrong. */
static bool is_general(const struct columns *columns)
{
	const struct err *refusal = &columns->refusal;

	return columns->refused &&
	       (refusal->kind == ERR_KIND_BUSY || refusal->kind == ERR_KIND_QUOTA ||
		       refusal->scope > ERR_MAILBOX);
}

/* Refused as a whole, it may be the ids that the server does not give after all. */
static int read_wanted(struct columns *columns, struct err *err)
{
	struct scan_work *work = columns->work;
	const char *tail = work->want->no_dates ? "(UID FLAGS RFC822.SIZE"
						: "(UID FLAGS INTERNALDATE RFC822.SIZE";
	const char *item = imap_content_id_item(work->want->id);

	if (item != NULL) {
		if (read_columns(columns, arena_print(work->scratch, "%s %s)", tail, item), err) <
			0)
			return -1;
		if (!columns->refused || is_general(columns) || work->rows->count > 0)
			return 0;
		log_debug(
			"mailbox %s: no %s: %s", work->box->box.name, item, columns->refusal.text);
		*columns = (struct columns){
			.work = work, .imap = columns->imap, .exists = columns->exists
		};
	}
	return read_columns(columns, arena_print(work->scratch, "%s)", tail), err);
}

/* The rows of all messages wanted. */
static int scan_columns(struct columns *columns, bool *whole_out, struct err *err)
{
	struct scan_work *work = columns->work;

	if (read_wanted(columns, err) < 0)
		return -1;
	if (is_general(columns)) {
		if (err != NULL)
			*err = columns->refusal;
		return -1;
	}
	if (columns->partial.count > 0 && scan_pass_rows(work, &columns->partial, err) < 0)
		return -1;
	*whole_out = is_whole(columns);
	if (!*whole_out && complete_columns(columns, whole_out, err) < 0)
		return -1;
	if (work->rows->count == 0 && work->unknown->count == 0 && !*whole_out)
		return err_set(err, ERR_MAILBOX, "the server counts %u messages and shows none",
			exists_now(columns->imap));
	return 0;
}

/* 1 = done, 0 = the server does not do it after all. What is not answered has not changed (RFC 7162 §3.1.4.1). */
static int scan_changed(struct columns *columns, struct err *err)
{
	struct scan_work *work = columns->work;
	const bool vanished = work->want->vanished != NULL && imap_qresync(columns->imap);
	const char *tail = arena_print(work->scratch, COLUMNS " (CHANGEDSINCE %llu%s)",
		(unsigned long long)work->want->since, vanished ? " VANISHED" : "");

	if (read_columns(columns, tail, err) < 0)
		return -1;
	if (columns->refused) {
		if (columns->refusal.kind == ERR_KIND_UNSUPPORTED)
			return 0;
		if (err != NULL)
			*err = columns->refusal;
		return -1;
	}
	if (columns->partial.count > 0 && scan_pass_rows(work, &columns->partial, err) < 0)
		return -1;
	return 1;
}

/* ---- the scan ---- */

static bool wants_bodies(const struct box_scan *want)
{
	return want->digests || want->content;
}

/* Known UIDs whose digests are wanted are read in one go. A set with holes would cost a question for each. */
static bool is_exact(const struct box_imap *box, const struct box_scan *want)
{
	return want->uids != NULL && wants_bodies(want) && want->since == 0 &&
	       want->id == IMAP_CONTENT_ID_NONE &&
	       uidset_size(want->uids) <= exists_now(store_imap_of(box->box.store)->imap);
}

static int scan_rows(struct scan_work *work, bool *whole_out, struct err *err)
{
	struct imap *imap = work->store->imap;
	struct columns *columns;
	int rc = 0;

	*whole_out = true;
	columns = mem_alloc(sizeof(*columns));
	columns->work = work;
	columns->imap = imap;
	columns->exists = exists_now(imap);
	if (work->want->since > 0 && imap_has(imap, IMAP_CAP_CONDSTORE)) {
		rc = scan_changed(columns, err);
		if (rc == 0) {
			imap_give_up(imap, IMAP_CAP_CONDSTORE);
			*columns = (struct columns){
				.work = work, .imap = imap, .exists = exists_now(imap)
			};
		}
	}
	if (rc == 0)
		rc = scan_columns(columns, whole_out, err);
	mem_free(columns);
	return rc < 0 ? -1 : 0;
}

static int scan(struct scan_work *work, bool *whole_out, struct err *err)
{
	const struct box_scan *want = work->want;

	*whole_out = true;
	if (want->uids != NULL && want->uids->count == 0)
		return 0;
	if (is_exact(work->box, want))
		return scan_pass_whole(work, want->uids, err);
	if (scan_rows(work, whole_out, err) < 0)
		return -1;
	return wants_bodies(want) ? scan_pass_digests(work, err) : 0;
}

/* The count is up to date: of SELECT, or asked for since. Nothing there, but something may have gone. */
static bool is_empty(const struct scan_work *work)
{
	return exists_now(work->store->imap) == 0 && work->want->vanished == NULL;
}

static int scan_box(struct scan_work *work, struct err *err)
{
	struct snapshot *rows = work->rows;
	bool whole = true;

	rows->modseq = work->box->box.facts.modseq;
	if (work->want->digests)
		snapshot_want_digests(rows);
	if (work->want->content)
		snapshot_want_content(rows);
	if (work->want->id != IMAP_CONTENT_ID_NONE)
		snapshot_want_ids(rows);
	if (!is_empty(work) && scan(work, &whole, err) < 0) {
		snapshot_finish(rows, false);
		return err_wrap(err, "mailbox %s: cannot tell what is in it", work->box->box.name);
	}
	if (!whole)
		log_warn("mailbox %s: the server counts %u messages and shows %zu",
			work->box->box.name, exists_now(work->store->imap), rows->count);
	snapshot_finish(rows, whole && work->unknown->count == 0);
	if (work->want->tick != NULL)
		work->want->tick(work->want->tick_context, work->done % TICK_EVERY);
	return 0;
}

int imap_box_scan(struct box *base, const struct box_scan *want, struct snapshot *snapshot,
	struct arena *arena, struct uidset *unknown, struct err *err)
{
	struct box_imap *box = box_imap_of(base);
	struct scan_work work = {
		.store = store_imap_of(base->store),
		.box = box,
		.want = want,
		.rows = snapshot,
		.arena = arena,
		.unknown = unknown,
	};
	int rc;

	if ((is_exact(box, want) ? imap_box_ready(box, err) : imap_box_refresh(box, err)) < 0)
		return -1;
	work.scratch = arena_new();
	rc = scan_box(&work, err);
	arena_free(work.scratch);
	return rc;
}
