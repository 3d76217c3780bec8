/* The end of a run: where the destination stands now, and what may be written down as reconciled. */
#include "ops/lane.h"

#include "base/arena.h"
#include "base/clock.h"

/* How many messages the destination should hold now: those that went into the same mailbox afterwards count too. */
static uint32_t expected_at_destination(const struct work *work)
{
	uint32_t expected = work->dst_before;

	for (; work; work = work->next)
		expected += work->dst_stored;
	return expected;
}

/* Confirmed once, and nowhere now: the mailbox was deleted or made anew before the verdict. No source message goes on its strength. */
static bool is_replaced(const struct work *work, const struct mailbox_info *info)
{
	return !info || ((info->has & IMAP_STATUS_UIDVALIDITY) && work->record.dst_uidvalidity &&
				info->uidvalidity != work->record.dst_uidvalidity);
}

static void report_replaced(struct run *run, struct work *work)
{
	struct tally *tally = &work->tally;
	uint64_t messages =
		tally->copied + tally->there_record + tally->there_digest + tally->there_content;

	work->reconciled = false;
	work->deletable = work->extra = (struct uidset){ 0 };
	if (messages == 0)
		return;
	tally->unknown += messages;
	tally->copied = tally->there_record = tally->there_digest = tally->there_content = 0;
	report_finding(run->job->report, FINDING_UNKNOWN, work->pair.src->name, 0,
		"the destination's mailbox was deleted or replaced meanwhile: run again to see what is left to do");
}

/*
 * All that the source had is there now, so whatever else may come to be hidden was compared with it, or came meanwhile: where the UIDs tell that nothing did, what the
 * source got since the first look is newer than all of it.
 */
static void close_view(struct work *work, const struct mailbox_info *info)
{
	struct journal_view *view = &work->record.view;
	uint32_t uidnext = work->dst_uidnext_before;

	for (const struct work *each = work; each; each = each->next)
		uidnext += each->dst_stored;
	view->time = info->uidnext == uidnext ? work->looked_at : clock_wall();
	view->seen = info->uidnext;
	view->src_uidnext = work->record.src_uidnext;
	view->selection = work->record.selection;
}

/* What adds up at the end, in the record. */
static void reconcile(struct work *work, const struct mailbox_info *info)
{
	struct journal_mailbox *record = &work->record;

	record->baseline = 0;
	close_view(work, info);
	record->dst_modseq = info->highestmodseq;
	record->dst_uidnext = info->uidnext;
	record->dst_messages = info->messages;
	if (info->newest[0] && work->arena)
		record->dst_mailboxid = arena_strdup(work->arena, info->newest);
	/* Somebody else was there, or messages will go: look again. */
	if (work->unequal || info->messages != expected_at_destination(work) ||
		info->uidvalidity != record->dst_uidvalidity)
		record->dst_messages = record->src_messages = 0;
}

static int close_work(struct run *run, struct lane *lane, struct work *work,
	const struct mailbox_list *list, struct err *err)
{
	const struct mailbox_info *info = list ? mailbox_list_find(list, work->pair.dst) : NULL;
	const uint32_t doubt = work->record.doubt;

	if (list && work->record.id && is_replaced(work, info)) {
		report_replaced(run, work);
		return 0;
	}
	if (job_settle_doubt(run, lane, work, list != NULL, err) < 0)
		return -1;
	if (!work->record.id)
		return 0;
	/* Without a list it is looked at again next time; nothing is lost. */
	if (info && work->reconciled)
		reconcile(work, info);
	else if (work->record.doubt == doubt)
		return 0;
	return journal_put_mailbox(run->journal, &work->record, false, err);
}

/*
 * The closing list says where the destination stands now. Only what adds up is written down as reconciled: next time nothing has
 * to be opened if nothing has moved.
 */
int job_close_records(struct run *run, struct lane *lane, struct err *err)
{
	struct arena *arena = arena_new();
	struct mailbox_list list;
	bool any = false, listed;
	int rc = 0;

	for (size_t i = 0; i < run->count; i++)
		any |= run->work[i].state == WORK_DONE &&
		       (run->work[i].reconciled || run->work[i].record.doubt);
	if (!any || run->settings->dry_run)
		goto out;
	listed = lane_connect(lane, err) == 0 &&
		 store_list(lane->dst, STORE_LIST_STATUS, arena, &list, err) == 0;
	if (listed)
		job_names_again(run, &list);
	if (!listed && err->scope == ERR_STOPPED) {
		rc = -1;
		goto out;
	}
	for (size_t i = 0; i < run->count && rc == 0; i++) {
		if (run->work[i].state == WORK_DONE)
			rc = close_work(run, lane, &run->work[i], listed ? &list : NULL, err);
	}
out:
	arena_free(arena);
	return rc;
}
