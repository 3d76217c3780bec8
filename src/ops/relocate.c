/*
 * Messages that go from one mailbox into another of the same account. A call is: look what an earlier one left, note what will go, send it, find out what arrived, remove
 * that, and only that.
 */
#include "ops/relocate.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/log.h"
#include "base/os.h"
#include "mail/mailbox_name.h"
#include "ops/lane.h"
#include "ops/relocate_parts.h"
#include "ops/walk.h"
#include "state/intents.h"

#include <pthread.h>

int relocate_check(unsigned caps, const struct relocation *work, struct err *err)
{
	if (!(caps & STORE_CAP_WRITE))
		return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_UNSUPPORTED,
			"this location can only be read: no message can be moved or copied in it");
	if (work->copy || work->expunge_all || (caps & (STORE_CAP_MOVE | STORE_CAP_REMOVE_ONE)))
		return 0;
	return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_SAFETY,
		"the server can neither move messages (no MOVE) nor expunge single ones (no UIDPLUS), and would remove what others marked too: nothing was moved; "
		"--expunge-all allows it");
}

/* ---- items ---- */

static void add(struct relocating *run, struct uidset *set, uint32_t uid)
{
	uidset_add(set, run->visit->arena, uid, uid);
}

static struct relocate_item *find_item(struct relocating *run, uint32_t uid)
{
	size_t low = 0, high = run->count;

	while (low < high) {
		const size_t mid = low + (high - low) / 2;

		if (run->item[mid].uid < uid)
			low = mid + 1;
		else
			high = mid;
	}
	return low < run->count && run->item[low].uid == uid ? &run->item[low] : NULL;
}

/* Those of a set of which nothing else is known. */
static void add_strangers(struct relocating *run, struct uidset *to, const struct uidset *set,
	const struct uidset *but)
{
	for (size_t i = 0; i < set->count; i++) {
		for (uint64_t uid = set->range[i].first; uid <= set->range[i].last; uid++) {
			if (!find_item(run, (uint32_t)uid) && !uidset_has(but, (uint32_t)uid))
				add(run, to, (uint32_t)uid);
		}
	}
}

static int by_uid(const void *a, const void *b)
{
	const struct relocate_item *x = a, *y = b;

	return (x->uid > y->uid) - (x->uid < y->uid);
}

/* The rows that were asked for or are recorded, and what is recorded and not here any more. */
static void make_items(
	struct relocating *run, const struct snapshot *rows, const struct intent *intent)
{
	size_t all;

	run->item =
		arena_array(run->visit->arena, rows->count + intent->count + 1, sizeof(*run->item));
	for (size_t i = 0; i < rows->count; i++) {
		const bool known = rows->attr[i] & SNAPSHOT_HAS_DIGEST;

		run->item[run->count++] = (struct relocate_item){
			.uid = rows->uid[i],
			.size = rows->size[i],
			.digest = known ? rows->digest[i] : (struct digest128){ { 0, 0 } },
			.asked = uidset_has(run->work->uids, rows->uid[i]),
			.here = true,
		};
	}
	for (size_t i = 0; i < intent->count; i++) {
		const struct intent_message *message = &intent->message[i];
		struct relocate_item *item = find_item(run, message->uid);

		if (item)
			item->sent = true;
	}
	all = run->count;
	for (size_t i = 0; i < intent->count; i++) {
		const struct intent_message *message = &intent->message[i];

		if (snapshot_find(rows, message->uid) == SIZE_MAX)
			run->item[all++] = (struct relocate_item){ .uid = message->uid,
				.size = message->size,
				.digest = message->digest,
				.sent = true };
	}
	run->count = all;
	qsort(run->item, run->count, sizeof(*run->item), by_uid);
}

static bool may_go(const struct relocate_item *item)
{
	return item->asked && item->here && !item->sent;
}

/* ---- the source ---- */

static int check_source(struct relocating *run, struct err *err)
{
	if (walk_check_uids(*run->box, box_facts(*run->box)->uidvalidity, err) < 0)
		return -1;
	run->uidvalidity = box_facts(*run->box)->uidvalidity;
	return 0;
}

/* What is here of a set; those that can't be read are unknown, and stay as they are. */
static int scan_source(struct relocating *run, const struct uidset *uids, bool digests,
	struct snapshot *rows, struct uidset *unread, struct err *err)
{
	const struct box_scan scan = { .uids = uids, .digests = digests };

	snapshot_init(rows, digests);
	return box_scan(*run->box, &scan, rows, run->visit->arena, unread, err);
}

static int reopen_source(struct relocating *run, bool read_only, struct err *err)
{
	const char *name = run->visit->place->info->name;

	*run->box =
		store_open_box(run->visit->store, name, read_only ? STORE_READ : STORE_WRITE, err);
	if (!*run->box)
		return -1;
	if (box_facts(*run->box)->uidvalidity == run->uidvalidity)
		return 0;
	box_close(*run->box);
	*run->box = NULL;
	return err_set(err, ERR_MAILBOX, "mailbox %s: UIDVALIDITY changed meanwhile", name);
}

/* ---- the record, and other mailboxes' ---- */

static struct intent intent_of(const struct relocating *run)
{
	return (struct intent){ .source = run->visit->place->info->name,
		.target = run->work->target,
		.source_uidvalidity = run->uidvalidity,
		.target_uidvalidity = run->target.uidvalidity,
		.target_uidnext = run->baseline };
}

static struct intent_range *ranges_of(
	const struct relocating *run, const struct uidset *set, size_t *count_out)
{
	struct intent_range *range = arena_array(run->visit->arena, set->count + 1, sizeof(*range));

	for (size_t i = 0; i < set->count; i++)
		range[i] = (struct intent_range){ set->range[i].first, set->range[i].last };
	*count_out = set->count;
	return range;
}

/*
 * Whose the copies are, before anything is removed or forgotten on the strength of them: messages of two mailboxes may be alike, and the other one's answer may be what was
 * lost.
 */
static int claim(struct relocating *run, struct err *err)
{
	const struct intent intent = intent_of(run);
	struct intents *intents = walk_intents(run->visit->walk, err);
	struct intent_range *copies;
	size_t count;

	if (!intents)
		return -1;
	copies = ranges_of(run, &run->copies, &count);
	return count > 0 ? intents_claim(intents, &intent, copies, count, err) : 0;
}

static int by_kind(const void *a, const void *b)
{
	const struct intent_message *x = a, *y = b;
	const int order = digest128_compare(x->digest, y->digest);

	return order ? order : (x->size > y->size) - (x->size < y->size);
}

/* The first of the sorted ones that is not less. */
static size_t lower(
	const struct intent_message *list, size_t count, const struct intent_message *like)
{
	size_t low = 0, high = count;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (by_kind(&list[middle], like) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* What is on its way from other mailboxes, and like ours. */
static int find_rivals(struct relocating *run, struct err *err)
{
	struct intents *intents = walk_intents(run->visit->walk, err);
	struct intent_message *rival;
	size_t count;

	if (!intents || intents_rivals(intents, run->visit->place->info->name, run->work->target,
				run->visit->arena, &rival, &count, err) < 0)
		return -1;
	if (count > 0)
		qsort(rival, count, sizeof(*rival), by_kind);
	for (size_t i = 0; i < run->count && count > 0; i++) {
		const struct intent_message like = { 0, run->item[i].size, run->item[i].digest };

		run->item[i].rivals = 0;
		for (size_t at = lower(rival, count, &like);
			at < count && by_kind(&rival[at], &like) == 0; at++)
			run->item[i].rivals++;
	}
	return 0;
}

/* ---- the target ---- */

static int check_target(struct relocating *run, const struct box *target, struct err *err)
{
	if (box_facts(target)->uidvalidity == run->target.uidvalidity)
		return 0;
	return err_set(err, ERR_MAILBOX, "mailbox %s was made anew meanwhile", run->work->target);
}

/* Calls with the target open, and comes back to the source. */
static int in_target(struct relocating *run, enum store_mode mode,
	int (*act)(struct relocating *run, struct box *target, struct err *err), struct err *err)
{
	const bool read_only = run->work->copy && box_facts(*run->box)->read_only;
	struct err late = ERR_INIT;
	struct box *target;
	int rc = -1;

	box_close(*run->box);
	*run->box = NULL;
	target = store_open_box(run->visit->store, run->work->target, mode, err);
	if (target && check_target(run, target, err) == 0)
		rc = act(run, target, err);
	box_close(target);
	if (rc < 0 && err->scope >= ERR_CONN)
		return -1;
	if (reopen_source(run, read_only, rc == 0 ? err : &late) < 0)
		return -1;
	return rc;
}

/* From the first UID that a copy may have to the last: the rest would only cost time. */
static int scan_target(struct relocating *run, struct box *target, bool content,
	struct snapshot *rows, struct err *err)
{
	struct uidset above = { 0 }, unread = { 0 };
	const struct box_scan scan = { .uids = &above, .digests = true, .content = content };

	uidset_add(&above, run->visit->arena, run->baseline, UINT32_MAX);
	snapshot_init(rows, true);
	if (content)
		snapshot_want_content(rows);
	if (box_scan(target, &scan, rows, run->visit->arena, &unread, err) < 0)
		return -1;
	if (!rows->complete)
		return err_set(err, ERR_MAILBOX, "mailbox %s: not every message of it can be read",
			run->work->target);
	snapshot_remove(rows, &run->claimed);
	return 0;
}

static int look(struct relocating *run, struct box *target, struct err *err)
{
	struct snapshot rows;
	int rc = scan_target(run, target, false, &rows, err);

	if (rc == 0)
		(void)relocate_match(
			run->item, run->count, &rows, false, &run->copies, run->visit->arena);
	snapshot_release(&rows);
	return rc;
}

static int look_closely(struct relocating *run, struct box *target, struct err *err)
{
	struct snapshot rows;
	int rc = scan_target(run, target, true, &rows, err);

	if (rc == 0)
		(void)relocate_match(
			run->item, run->count, &rows, true, &run->copies, run->visit->arena);
	snapshot_release(&rows);
	return rc;
}

/* Contents of those that are here and may have arrived. */
static int read_contents(struct relocating *run, const struct uidset *uids, struct err *err)
{
	const struct box_scan scan = { .uids = uids, .digests = true, .content = true };
	struct uidset unread = { 0 };
	struct snapshot rows;
	int rc;

	snapshot_init(&rows, true);
	snapshot_want_content(&rows);
	rc = box_scan(*run->box, &scan, &rows, run->visit->arena, &unread, err);
	for (size_t i = 0; i < rows.count && rc == 0; i++) {
		struct relocate_item *item = find_item(run, rows.uid[i]);

		if (item && (rows.attr[i] & SNAPSHOT_HAS_CONTENT))
			item->content = rows.content[i];
	}
	snapshot_release(&rows);
	return rc;
}

/* What arrived of all that was sent, told by nobody. */
static int find_copies(struct relocating *run, struct err *err)
{
	struct uidset doubtful = { 0 };

	if (find_rivals(run, err) < 0 || in_target(run, STORE_READ, look, err) < 0)
		return -1;
	for (size_t i = 0; i < run->count; i++) {
		if (run->item[i].ambiguous && run->item[i].here)
			add(run, &doubtful, run->item[i].uid);
	}
	if (doubtful.count == 0)
		return 0;
	if (read_contents(run, &doubtful, err) < 0)
		return -1;
	return in_target(run, STORE_READ, look_closely, err);
}

/* ---- what is written down ---- */

/* What is written down: those whose fate is open, or all that will go. */
static int note(
	struct relocating *run, bool (*is_noted)(const struct relocate_item *item), struct err *err)
{
	struct intents *intents = walk_intents(run->visit->walk, err);
	struct intent intent = intent_of(run);

	if (!intents)
		return -1;
	intent.message = arena_array(run->visit->arena, run->count + 1, sizeof(*intent.message));
	for (size_t i = 0; i < run->count; i++) {
		const struct relocate_item *item = &run->item[i];

		if (is_noted(item))
			intent.message[intent.count++] =
				(struct intent_message){ item->uid, item->size, item->digest };
	}
	intent.claimed = ranges_of(run, &run->claimed, &intent.claims);
	if (intent.count == 0)
		return intents_drop(intents, intent.source, intent.target, err);
	return intents_put(intents, &intent, err);
}

static bool will_be_open(const struct relocate_item *item)
{
	return item->sent || may_go(item);
}

static bool is_open(const struct relocate_item *item)
{
	return item->asked && item->sent && item->here && (item->arrived || item->ambiguous);
}

bool relocate_pending(struct walk_visit *visit, const char *target)
{
	struct intents *intents;
	struct intent intent = { 0 };
	struct err err = ERR_INIT;

	if (!walk_has_intents(visit->walk))
		return false;
	intents = walk_intents(visit->walk, &err);
	return !intents || intents_get(intents, visit->place->info->name, target, visit->arena,
				   &intent, &err) != 0;
}

/* What an earlier call left open; of another mailbox of this name it means nothing. */
static int read_record(struct relocating *run, struct intent *intent, struct err *err)
{
	const char *source = run->visit->place->info->name;
	struct intents *intents;

	*intent = (struct intent){ 0 };
	if (!walk_has_intents(run->visit->walk))
		return 0;
	intents = walk_intents(run->visit->walk, err);
	if (!intents ||
		intents_get(intents, source, run->work->target, run->visit->arena, intent, err) < 0)
		return -1;
	if (intent->count > 0 && intent->source_uidvalidity != run->uidvalidity) {
		log_warn(
			"mailbox %s was made anew since a run was broken off that moved messages to %s: it may hold some that stand there too",
			source, run->work->target);
		*intent = (struct intent){ 0 };
	}
	return 0;
}

/* ---- the way ---- */

/* All that was asked for or is recorded, as it is now. */
static int look_here(struct relocating *run, const struct intent *intent, struct err *err)
{
	struct uidset both = { 0 }, unread = { 0 };
	struct snapshot rows;
	int rc;

	uidset_add_set(&both, run->visit->arena, run->work->uids);
	for (size_t i = 0; i < intent->count; i++)
		add(run, &both, intent->message[i].uid);
	rc = scan_source(run, &both, true, &rows, &unread, err);
	if (rc == 0) {
		make_items(run, &rows, intent);
		for (size_t i = 0; i < run->count; i++) /* recorded, and can't be read now */
			run->item[i].here |= uidset_has(&unread, run->item[i].uid);
		add_strangers(run, &run->work->unknown, &unread, &(struct uidset){ 0 });
	}
	snapshot_release(&rows);
	return rc;
}

static int look_there(struct relocating *run, const struct intent *intent, struct err *err)
{
	const unsigned needed = IMAP_STATUS_UIDNEXT | IMAP_STATUS_UIDVALIDITY;

	if (store_status(
		    run->visit->store, run->work->target, STORE_LIST_STATUS, &run->target, err) < 0)
		return -1;
	if ((run->target.has & needed) != needed || run->target.uidnext == 0)
		return err_set(err, ERR_MAILBOX,
			"mailbox %s: the server does not tell its UIDNEXT: what arrives there could not be told from what was there",
			run->work->target);
	run->baseline = run->target.uidnext;
	for (size_t i = 0; i < intent->claims; i++) {
		if (intent->target_uidvalidity == run->target.uidvalidity)
			uidset_add(&run->claimed, run->visit->arena, intent->claimed[i].first,
				intent->claimed[i].last);
	}
	if (intent->count > 0) /* made anew since: the copies may be anywhere in it */
		run->baseline = intent->target_uidvalidity == run->target.uidvalidity
					? intent->target_uidnext
					: 1;
	return 0;
}

/* A COPY whose answer was lost may still be under way (product rule 5). */
static int take_up(struct relocating *run, const struct intent *intent, struct err *err)
{
	if (intent->count == 0)
		return 0;
	log_info(
		"mailbox %s: %zu messages were on their way to %s when a run was broken off: looking which of them arrived",
		box_name(*run->box), intent->count, run->work->target);
	if (lane_wait_quiet(run->visit->store, run->work->target,
		    walk_settings(run->visit->walk)->settle_ms, err) < 0 ||
		find_copies(run, err) < 0)
		return -1;
	for (size_t i = 0; i < run->count; i++) { /* these never went */
		struct relocate_item *item = &run->item[i];

		item->sent = item->sent && (item->arrived || item->ambiguous || !item->here);
	}
	return 0;
}

static void note_told(struct relocating *run, const struct box_transfer *transfer)
{
	if (transfer->uidvalidity != run->target.uidvalidity)
		return;
	for (size_t i = 0; i < run->count; i++)
		run->item[i].arrived |= uidset_has(&transfer->told, run->item[i].uid);
	uidset_add_set(&run->copies, run->visit->arena, &transfer->copies);
}

static struct uidset mark_sent(struct relocating *run)
{
	struct uidset going = { 0 };

	for (size_t i = 0; i < run->count; i++) {
		if (!may_go(&run->item[i]))
			continue;
		add(run, &going, run->item[i].uid);
		run->item[i].sent = true;
	}
	return going;
}

static bool is_told(const struct relocating *run, const struct uidset *going)
{
	for (size_t i = 0; i < run->count; i++) {
		if (uidset_has(going, run->item[i].uid) && !run->item[i].arrived)
			return false;
	}
	return true;
}

/* Which are here still, of those that went by MOVE. */
static int look_what_left(struct relocating *run, const struct uidset *going, struct err *err)
{
	struct uidset unread = { 0 };
	struct snapshot rows;
	int rc = scan_source(run, going, false, &rows, &unread, err);

	for (size_t i = 0; i < run->count && rc == 0; i++) {
		struct relocate_item *item = &run->item[i];

		if (uidset_has(going, item->uid))
			item->here = snapshot_find(&rows, item->uid) != SIZE_MAX ||
				     uidset_has(&unread, item->uid);
	}
	snapshot_release(&rows);
	return rc;
}

/*
 * MOVE is one step for a message, not for a set (RFC 6851 §3.3): whatever it was answered with, what left is where it said, or is looked for. A refusal is handed on
 * when all is known.
 */
static int by_move(struct relocating *run, bool *fallback_out, struct err *err)
{
	struct uidset going = mark_sent(run);
	struct box_transfer transfer = { .uids = &going, .target = run->work->target };
	struct err refusal = ERR_INIT;
	int rc = box_move(*run->box, &transfer, run->visit->arena, &refusal);

	os_point("relocate moved");
	*fallback_out = rc < 0 && refusal.kind == ERR_KIND_UNSUPPORTED && refusal.scope < ERR_CONN;
	note_told(run, &transfer);
	if (rc == 0 && is_told(run, &going)) {
		for (size_t i = 0; i < run->count; i++)
			run->item[i].here &= !uidset_has(&going, run->item[i].uid);
		return 0;
	}
	run->unclear = true;
	if (rc == 0 || refusal.scope < ERR_CONN) {
		if (look_what_left(run, &going, err) < 0 || find_copies(run, err) < 0)
			return -1;
		run->unclear = false;
	}
	for (size_t i = 0; i < run->count; i++) /* those may be sent again */
		run->item[i].sent &= run->unclear || run->item[i].arrived ||
				     run->item[i].ambiguous || !run->item[i].here;
	if (rc < 0 && !*fallback_out)
		*err = refusal;
	return *fallback_out ? 0 : rc;
}

static int by_copy(struct relocating *run, struct err *err)
{
	struct uidset going = mark_sent(run);
	struct box_transfer transfer = { .uids = &going, .target = run->work->target };
	struct err refusal = ERR_INIT;
	int rc = box_copy(*run->box, &transfer, run->visit->arena, &refusal);

	os_point("relocate copied");
	note_told(run, &transfer);
	run->unclear = rc < 0 && refusal.scope >= ERR_CONN;
	if (!run->unclear && !is_told(run, &going)) {
		run->unclear = true;
		if (find_copies(run, err) < 0)
			return -1;
		run->unclear = false;
	}
	if (rc < 0)
		*err = refusal;
	return rc;
}

static int by_files(struct relocating *run, struct err *err)
{
	const int rc = relocate_append(run, err);

	run->unclear = rc < 0;
	return rc;
}

static int send_all(struct relocating *run, struct err *err)
{
	const unsigned caps = store_caps(run->visit->store);
	bool fallback = true;

	if (caps & STORE_CAP_FILES)
		return by_files(run, err);
	if (!run->work->copy && (caps & STORE_CAP_MOVE) && by_move(run, &fallback, err) < 0)
		return -1;
	if (!fallback)
		return 0;
	if (relocate_check(store_caps(run->visit->store), run->work, err) < 0)
		return err_rescope(err, ERR_MAILBOX);
	return by_copy(run, err);
}

/* A plain EXPUNGE would take what is marked and has not arrived with it. */
static int check_plain(const struct relocating *run, struct err *err)
{
	if (store_caps(run->visit->store) & STORE_CAP_REMOVE_ONE)
		return 0;
	for (size_t i = 0; i < run->count; i++) {
		if (run->item[i].here && !run->item[i].arrived)
			return err_set_kind(err, ERR_MAILBOX, ERR_KIND_SAFETY,
				"mailbox %s: some messages did not get to %s, and without UIDPLUS these would be expunged with the others: none was",
				box_name(*run->box), run->work->target);
	}
	return 0;
}

/* What arrived and was asked for goes. Which of them went is known also when this fails on the way. */
static int remove_arrived(struct relocating *run, struct err *err)
{
	struct uidset going = { 0 };
	struct err trouble = ERR_INIT;
	int rc;

	for (size_t i = 0; i < run->count; i++) {
		const struct relocate_item *item = &run->item[i];

		if (item->arrived && item->here && item->asked)
			add(run, &going, item->uid);
	}
	if (run->work->copy || going.count == 0)
		return 0;
	if (check_plain(run, err) < 0)
		return -1;
	os_point("relocate remove");
	rc = box_remove(
		*run->box, &going, run->work->expunge_all ? REMOVE_EXPUNGE_ALL : 0, &trouble);
	os_point("relocate removed");
	if (rc < 0) {
		*err = trouble;
		if (trouble.scope < ERR_CONN)
			(void)!look_what_left(run, &going, &trouble);
		return -1;
	}
	for (size_t i = 0; i < run->count; i++)
		run->item[i].here &= !uidset_has(&going, run->item[i].uid);
	return 0;
}

static int unmark(struct relocating *run, struct box *target, struct err *err)
{
	return box_change_flags(target, &run->copies, 0, run->work->remove_flags, err);
}

/* Copies carry the flags of what they were made of; appended ones went without these. */
static int unmark_copies(struct relocating *run, struct err *err)
{
	if (run->work->remove_flags == 0 || run->copies.count == 0 ||
		(store_caps(run->visit->store) & STORE_CAP_FILES))
		return 0;
	os_point("relocate unmark");
	if (in_target(run, STORE_WRITE, unmark, err) < 0)
		return err_wrap(err, "mailbox %s: flags of what arrived", run->work->target);
	return 0;
}

static int carry(struct relocating *run, struct err *err)
{
	struct err trouble = ERR_INIT;
	size_t going = 0;
	int rc;

	for (size_t i = 0; i < run->count; i++)
		going += may_go(&run->item[i]);
	if (note(run, will_be_open, err) < 0)
		return -1;
	os_point("relocate noted");
	rc = going > 0 ? send_all(run, &trouble) : 0;
	os_point("relocate sent");
	if (claim(run, err) < 0)
		return -1;
	if (rc < 0 && (run->unclear || trouble.scope >= ERR_CONN)) {
		*err = trouble;
		return -1;
	}
	/* A refusal does not keep what arrived from being removed. */
	if (remove_arrived(run, err) < 0 || unmark_copies(run, err) < 0 ||
		note(run, is_open, err) < 0)
		return -1;
	if (rc < 0)
		*err = trouble;
	return rc;
}

/* ---- the result ---- */

static void sort_out(struct relocating *run)
{
	struct relocation *work = run->work;

	for (size_t i = 0; i < run->count; i++) {
		const struct relocate_item *item = &run->item[i];
		const bool settled = !item->sent || (!run->unclear && !item->ambiguous);

		if (item->arrived && (work->copy || !item->here))
			add(run, &work->moved, item->uid);
		else if (item->arrived || !settled)
			add(run, &work->unknown, item->uid);
		else if (item->asked && item->here)
			add(run, &work->stayed, item->uid);
		else if (item->asked)
			add(run, &work->gone, item->uid);
	}
	add_strangers(run, &work->gone, work->uids, &work->unknown);
}

static int relocate_all(
	struct walk_visit *visit, struct box **box, struct relocation *work, struct err *err)
{
	struct relocating run = { .visit = visit, .box = box, .work = work };
	struct intent intent = { 0 };
	bool looked = false;
	int rc;

	work->moved = work->gone = work->stayed = work->unknown = (struct uidset){ 0 };
	rc = relocate_check(store_caps(visit->store), work, err);
	if (rc == 0)
		rc = check_source(&run, err);
	if (rc == 0)
		rc = read_record(&run, &intent, err);
	if (rc == 0)
		rc = look_here(&run, &intent, err);
	looked = rc == 0;
	if (rc == 0)
		rc = look_there(&run, &intent, err);
	if (rc == 0) {
		run.unclear = intent.count > 0;
		rc = take_up(&run, &intent, err);
	}
	if (rc == 0) {
		run.unclear = false;
		if (run.count > 0)
			rc = carry(&run, err);
	}
	if (looked)
		sort_out(&run);
	else
		work->stayed = *work->uids;
	return rc;
}

int relocate(struct walk_visit *visit, struct box **box, struct relocation *work, struct err *err)
{
	/*
	 * One visit at a time: who looks for copies in the target must not meet those that another one has under way and does not know yet either, and in files they would
	 * meet each other's locks.
	 */
	pthread_mutex_t *turn = walk_turn(visit->walk);
	int rc;

	pthread_mutex_lock(turn);
	rc = relocate_all(visit, box, work, err);
	pthread_mutex_unlock(turn);
	return rc;
}
