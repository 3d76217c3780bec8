/* Mailboxes that go: --delete-mailboxes at the destination, --delete-source-mailboxes at the source. */
#include "ops/lane.h"

#include "base/arena.h"
#include "base/log.h"
#include "base/map.h"
#include "mail/mailbox_name.h"
#include "ops/mailboxes.h"

/* Where all of the source's mailboxes go, selected or not, as this run's names have it. */
static struct map *mapped_names(
	struct run *run, const struct mailbox_list *list, struct arena *arena, struct err *err)
{
	struct settings settings = *run->settings;
	struct name_request request = {
		.src = run->src_list,
		.dst = list,
		.src_root = account_mailbox(run->job->src),
		.dst_root = account_mailbox(run->job->dst),
		.gmail = run->gmail,
	};
	struct names *names;
	struct name_pair *pairs;
	struct map *map = NULL;
	size_t count;

	settings.merge = true; /* mailboxes that are left out may meet */
	settings.delete_extra = settings.empty_destination = false;
	names = names_new(&settings, err);
	if (names && names_pairs(names, &request, arena, &pairs, &count, err) == 0) {
		map = map_new(arena);
		for (size_t i = 0; i < count; i++)
			map_set(map, span_of(pairs[i].dst), &pairs[i]);
	}
	names_free(names);
	return map;
}

static bool may_go(struct run *run, const struct mailbox_info *info, const struct map *mapped,
	struct arena *arena)
{
	if (mailbox_is_inbox(info->name) || info->nonexistent ||
		map_has(mapped, span_of(info->name)))
		return false;
	if (!names_are_below(run->settings, account_mailbox(run->job->dst), info->name, arena) ||
		!select_mailbox(run->select, info, false))
		return false;
	if (info->use != STORE_USE_NONE) {
		log_info("%s: it is the destination's mailbox for %s, and stays", info->name,
			store_use_name(info->use));
		return false;
	}
	if (!info->noselect && !(info->has & IMAP_STATUS_MESSAGES)) {
		report_finding(run->job->report, FINDING_MAILBOX_FAILED, info->name, 0,
			"the mailbox stays at the destination: it is not known what it holds");
		return false;
	}
	return info->noselect || info->messages == 0 || !run->settings->no_expunge;
}

/* Whether a mailbox below it is in the list and stays. */
static bool has_staying_child(const struct mailbox_list *list, const bool *goes, size_t index)
{
	const char *name = list->mailbox[index].name;
	size_t len = strlen(name);

	for (size_t i = 0; i < list->count; i++) {
		if (!goes[i] && strncmp(list->mailbox[i].name, name, len) == 0 &&
			list->mailbox[i].name[len] == '/')
			return true;
	}
	return false;
}

int job_doomed_mailboxes(struct run *run, const struct mailbox_list *list, struct arena *arena,
	const struct mailbox_info ***out, size_t *count_out, struct err *err)
{
	struct map *mapped = mapped_names(run, list, arena, err);
	bool *goes = arena_array(arena, list->count + 1, sizeof(*goes));
	const struct mailbox_info **doomed =
		arena_array(arena, list->count + 1, sizeof(struct mailbox_info *));
	size_t count = 0;

	if (!mapped)
		return -1;
	for (size_t i = 0; i < list->count; i++)
		goes[i] = may_go(run, &list->mailbox[i], mapped, arena);
	map_free(mapped);
	/* From the end: sorted by name, those below a mailbox come before it. */
	for (size_t i = list->count; i-- > 0;) {
		if (goes[i] && list->mailbox[i].noselect && has_staying_child(list, goes, i))
			goes[i] = false;
		if (goes[i])
			doomed[count++] = &list->mailbox[i];
	}
	*out = doomed;
	*count_out = count;
	return 0;
}

/* 0 also when it failed and the others may be tried. */
static int take_mailbox(struct run *run, struct lane *lane, bool at_source,
	const struct mailbox_info *info, struct err *err)
{
	const char *side = at_source ? "source" : "destination";
	struct store *store;
	bool done;
	int rc;

	if (lane_connect(lane, err) < 0)
		return -1;
	store = at_source ? lane->src : lane->dst;
	rc = mailboxes_remove(store, info, &done, err);
	if (rc == 0 && done) {
		report_finding(run->job->report, FINDING_MAILBOX_DELETED, info->name, 0,
			"deleted at the %s, with %u messages", side, info->messages);
		rc = mailboxes_unsubscribe(store, info, err);
	}
	if (rc == 0)
		return 0;
	if (err->scope == ERR_CONN)
		lane_disconnect(lane);
	if (err->scope > ERR_CONN)
		return -1;
	if (done)
		report_finding(run->job->report, FINDING_NOTE, info->name, 0,
			"its subscription at the %s was not ended: %s", side, err->text);
	else
		report_finding(run->job->report, FINDING_MAILBOX_FAILED, info->name, 0,
			"deleting the mailbox at the %s: %s", side, err->text);
	err_clear(err);
	return 0;
}

int job_delete_mailboxes(struct run *run, struct lane *lane, const struct mailbox_info **doomed,
	size_t count, struct err *err)
{
	for (size_t i = 0; i < count; i++) {
		if (take_mailbox(run, lane, false, doomed[i], err) < 0)
			return -1;
	}
	return 0;
}

/* ---- at the source ---- */

static const struct work *find_work(const struct run *run, const char *name)
{
	for (size_t i = 0; i < run->count; i++) {
		if (strcmp(run->work[i].pair.src->name, name) == 0)
			return &run->work[i];
	}
	return NULL;
}

/* Copied by this run whole, empty now, and nobody's furniture. */
static bool is_left_empty(const struct run *run, const struct mailbox_info *info)
{
	const struct work *work = find_work(run, info->name);

	return work && work->state == WORK_DONE && work->looked && work->record.dst_uidvalidity &&
	       !work->tally.refused && !work->tally.failed && !work->tally.unknown &&
	       !mailbox_is_inbox(info->name) && info->use == STORE_USE_NONE && !info->noselect &&
	       !info->nonexistent && (info->has & IMAP_STATUS_MESSAGES) && info->messages == 0 &&
	       (info->has & IMAP_STATUS_UIDVALIDITY) &&
	       info->uidvalidity == work->record.src_uidvalidity;
}

int job_delete_source_mailboxes(struct run *run, struct lane *lane, struct err *err)
{
	struct arena *arena = arena_new();
	struct mailbox_list list = { 0 };
	bool *goes;
	int rc = lane_connect(lane, err);

	if (rc == 0)
		rc = store_list(lane->src, STORE_LIST_STATUS, arena, &list, err);
	if (rc < 0) {
		arena_free(arena);
		return err_wrap(err, "listing what is left at the source");
	}
	goes = arena_array(arena, list.count + 1, sizeof(*goes));
	for (size_t i = list.count; i-- > 0 && rc == 0;) {
		goes[i] = is_left_empty(run, &list.mailbox[i]);
		if (goes[i] && has_staying_child(&list, goes, i))
			goes[i] = false;
		if (goes[i])
			rc = take_mailbox(run, lane, true, &list.mailbox[i], err);
	}
	arena_free(arena);
	return rc;
}
