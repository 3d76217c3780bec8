/* The end of a run: where the destination stands now, what arrived late, and what may be written down as reconciled. */
#include "ops/lane.h"

#include "base/arena.h"

/* How many messages the destination should hold now: those that went into the same mailbox afterwards count too. */
static uint32_t expected_at_destination(const struct work *work)
{
	uint32_t expected = work->dst_before;

	for (; work; work = work->next)
		expected += work->dst_stored;
	return expected;
}

/* Rule 5: what arrived late is looked at once more before the verdict. */
static void look_for_late(struct run *run, struct work *work, const struct mailbox_info *info)
{
	uint32_t expected = expected_at_destination(work);

	if (!work->late || work->state != WORK_DONE)
		return;
	if (!info || !(info->has & IMAP_STATUS_MESSAGES)) {
		work->tally.unknown++;
		work->reconciled = false;
		report_finding(run->job->report, FINDING_UNKNOWN, work->pair.src->name, 0,
			"an answer was lost, and whether a message arrived twice could not be looked at: run again");
		return;
	}
	if (info->messages <= expected)
		return;
	work->tally.unknown += info->messages - expected;
	work->reconciled = false;
	report_finding(run->job->report, FINDING_UNKNOWN, work->pair.src->name, 0,
		"an answer was lost, and the destination now holds %u more messages than expected: one may have arrived twice (mailhaul compare tells)",
		info->messages - expected);
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
	work->deletable = (struct uidset){ 0 };
	if (messages == 0)
		return;
	tally->unknown += messages;
	report_finding(run->job->report, FINDING_UNKNOWN, work->pair.src->name, 0,
		"the destination's mailbox was deleted or replaced meanwhile: run again to see what is left to do");
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
		       (run->work[i].reconciled || run->work[i].late);
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
		struct work *work = &run->work[i];
		const struct mailbox_info *info =
			listed ? mailbox_list_find(&list, work->pair.dst) : NULL;

		if (listed && work->state == WORK_DONE && work->record.id &&
			is_replaced(work, info)) {
			report_replaced(run, work);
			continue;
		}
		look_for_late(run, work, info);
		/* Without a list it is looked at again next time; nothing is lost. */
		if (work->state != WORK_DONE || !info || !work->record.id || !work->reconciled)
			continue;
		work->record.baseline = 0;
		work->record.dst_modseq = info->highestmodseq;
		work->record.dst_uidnext = info->uidnext;
		work->record.dst_messages = info->messages;
		if (info->messages != expected_at_destination(work) ||
			info->uidvalidity != work->record.dst_uidvalidity)
			work->record.dst_messages = work->record.src_messages =
				0; /* somebody else was there: look again */
		rc = journal_put_mailbox(run->journal, &work->record, false, err);
	}
out:
	arena_free(arena);
	return rc;
}
