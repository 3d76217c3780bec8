/* Mailboxes that stand at the destination under another name, because theirs was refused there: found again, and each reported. */
#include "ops/lane.h"

#include "base/arena.h"
#include "base/log.h"
#include "mail/mailbox_name.h"

void job_fail_mailbox(struct run *run, struct work *work, const char *text)
{
	work->state = WORK_FAILED;
	if (!work->arena)
		work->arena = arena_new();
	work->text = arena_strdup(work->arena, text);
	report_finding(
		run->job->report, FINDING_MAILBOX_FAILED, work->pair.src->name, 0, "%s", text);
}

void job_leave_out_destination(struct run *run, struct lane *lane, struct mailbox_list *list)
{
	const char *path = account_path(run->job->dst), *first = NULL;
	const size_t count = list->count;
	size_t kept = 0;

	if (!path || !account_holds(run->job->src, run->job->dst))
		return;
	for (size_t i = 0; i < count; i++) {
		if (!store_mailbox_is_in(lane->src, &list->mailbox[i], path))
			list->mailbox[kept++] = list->mailbox[i];
		else if (!first)
			first = list->mailbox[i].name;
	}
	list->count = kept;
	if (first)
		log_warn(
			"the destination lies in the source: %zu mailboxes there are not copied into it again (%s…)",
			count - kept, first);
}

/* Recorded, not listed under its name, and there is one of the recorded UIDVALIDITY under the name that a refusal leads to: that is it. */
static const char *find_moved(const struct mailbox_list *list, const struct journal_mailbox *record,
	const struct mailbox_style *style)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct mailbox_info *info = &list->mailbox[i];

		if (!info->shown && !info->noselect && (info->has & IMAP_STATUS_UIDVALIDITY) &&
			info->uidvalidity == record->dst_uidvalidity &&
			mailbox_is_strict(style, info->raw, record->dst_name))
			return info->raw;
	}
	return NULL;
}

void job_names_known(struct mailbox_list *list, const struct journal_mailbox *records, size_t count,
	const struct mailbox_style *style)
{
	for (size_t i = 0; i < count; i++) {
		const char *raw;

		if (!records[i].dst_uidvalidity || mailbox_list_find(list, records[i].dst_name))
			continue;
		raw = find_moved(list, &records[i], style);
		if (raw)
			(void)mailbox_list_rename(list, raw, records[i].dst_name);
	}
}

/* Another mailbox of the run has the very name that this one was given: it may not get its mail. */
static bool is_taken(const struct run *run, const char *shown, const struct work *by)
{
	for (size_t i = 0; i < run->count; i++) {
		if (strcmp(run->work[i].pair.dst, shown) == 0 &&
			strcmp(run->work[i].pair.dst, by->pair.dst) != 0)
			return true;
	}
	return false;
}

static const struct mailbox_info *find_raw(const struct mailbox_list *list, const char *raw)
{
	for (size_t i = 0; i < list->count; i++) {
		if (strcmp(list->mailbox[i].raw, raw) == 0)
			return &list->mailbox[i];
	}
	return NULL;
}

void job_names_created(struct run *run, struct mailbox_list *list)
{
	for (size_t i = 0; i < run->count; i++) {
		struct work *work = &run->work[i];
		const struct mailbox_info *info;

		if (work->pair.existing || !work->dst.raw || work->state != WORK_WAITING)
			continue;
		info = find_raw(list, work->dst.raw);
		if (!info)
			job_fail_mailbox(run, work,
				"the destination refuses the name, and does not list the mailbox that was created under another");
		else if (!info->shown && strcmp(info->name, work->pair.dst) != 0 &&
			 is_taken(run, info->name, work))
			job_fail_mailbox(run, work,
				"the destination refuses the name, and the name it would have there is another mailbox's: choose one with --map");
		else
			(void)mailbox_list_rename(list, work->dst.raw, work->pair.dst);
	}
}

void job_names_again(const struct run *run, struct mailbox_list *list)
{
	for (size_t i = 0; i < run->count; i++) {
		if (run->work[i].dst.shown)
			(void)mailbox_list_rename(
				list, run->work[i].dst.raw, run->work[i].pair.dst);
	}
}

void job_names_report(struct run *run)
{
	for (size_t i = 0; i < run->count; i++) {
		struct work *work = &run->work[i];

		if (!work->dst.shown || work->state == WORK_FAILED)
			continue;
		report_finding(run->job->report, FINDING_NAME_CHANGED, work->pair.src->name, 0,
			"the destination cannot hold this name as it is: it is \"%s\" there",
			work->dst.shown);
		/* The other way round: who is really called so has to wait for another name. */
		for (size_t other = 0; other < run->count; other++) {
			if (run->work[other].state == WORK_WAITING &&
				strcmp(run->work[other].pair.dst, work->dst.shown) == 0)
				job_fail_mailbox(run, &run->work[other],
					"its name is taken at the destination by a mailbox whose own name is refused there: choose one with --map");
		}
	}
}
