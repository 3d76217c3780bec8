/*
 * --delete-source: the last phase. Only messages whose copy the destination has confirmed, or that were proven to be there, by UID, under
 * the brake, after a yes (product rules 3 and 4; §3 Deleting).
 */
#include "ops/lane.h"

#include "base/log.h"

#define BRAKE_FREE 10 /* messages a mailbox may lose without being asked about its share */
#define BRAKE_MAILBOX_PERCENT 25
#define BRAKE_ACCOUNT_PERCENT 10

static bool above_percent(uint64_t part, uint64_t whole, double percent)
{
	return (double)part * 100 > percent * (double)whole;
}

/* --max-delete N or P%: over all that would go. */
static int check_given(
	const struct settings *settings, uint64_t going, uint64_t found, struct err *err)
{
	if (settings->max_delete_percent >= 0
			? above_percent(going, found, settings->max_delete_percent)
			: going > settings->max_delete)
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_SAFETY,
			"%llu of %llu source messages would be deleted, more than --max-delete allows: nothing was deleted",
			(unsigned long long)going, (unsigned long long)found);
	return 0;
}

static int check_mailbox(const struct work *work, uint64_t going, struct err *err)
{
	uint64_t found = work->tally.found;

	if (going == 0)
		return 0;
	if (going >= found)
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_SAFETY,
			"%s would lose its last message: nothing was deleted; allow it with --max-delete 100%%",
			work->pair.src->name);
	if (going > BRAKE_FREE && above_percent(going - BRAKE_FREE, found, BRAKE_MAILBOX_PERCENT))
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_SAFETY,
			"%s would lose %llu of %llu messages: nothing was deleted; allow it with --max-delete",
			work->pair.src->name, (unsigned long long)going, (unsigned long long)found);
	return 0;
}

static int check_brake(const struct run *run, uint64_t *going_out, struct err *err)
{
	uint64_t going = 0, found = 0;

	for (size_t i = 0; i < run->count; i++) {
		going += uidset_size(&run->work[i].deletable);
		found += run->work[i].tally.found;
	}
	*going_out = going;
	if (run->settings->has_max_delete)
		return check_given(run->settings, going, found, err);
	for (size_t i = 0; i < run->count; i++) {
		if (check_mailbox(&run->work[i], uidset_size(&run->work[i].deletable), err) < 0)
			return -1;
	}
	if (above_percent(going, found, BRAKE_ACCOUNT_PERCENT) && going > BRAKE_FREE)
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_SAFETY,
			"the account would lose %llu of %llu messages: nothing was deleted; allow it with --max-delete",
			(unsigned long long)going, (unsigned long long)found);
	return 0;
}

static int confirm(const struct run *run, uint64_t going, struct err *err)
{
	const struct job *job = run->job;
	char question[256];

	if (run->settings->yes)
		return 0;
	snprintf(question, sizeof(question),
		"delete %llu messages at %s, whose copies are confirmed?",
		(unsigned long long)going, account_name(job->src));
	if (job->confirm && job->confirm(job->confirm_context, question) == 1)
		return 0;
	return err_set_kind(err, ERR_LOCAL, ERR_KIND_SAFETY,
		"not confirmed: nothing was deleted (--yes confirms)");
}

static int delete_in(struct run *run, struct lane *lane, struct work *work, struct err *err)
{
	struct box *box = store_open_box(lane->src, work->pair.src->name, STORE_WRITE, err);
	const struct settings *settings = run->settings;
	int rc = -1;

	if (!box)
		return -1;
	if (box_facts(box)->uidvalidity == 0 || box_facts(box)->uid_not_sticky) {
		err_set_kind(err, ERR_MAILBOX, ERR_KIND_SAFETY,
			"its UIDs are not lasting ones: nothing is deleted in it");
		goto out;
	}
	if (box_facts(box)->uidvalidity != work->record.src_uidvalidity) {
		err_set(err, ERR_MAILBOX,
			"UIDVALIDITY changed meanwhile: nothing is deleted in it");
		goto out;
	}
	if (settings->no_expunge)
		rc = box_change_flags(
			box, &work->deletable, flags_parse(lane->flags, SPAN("\\Deleted")), 0, err);
	else
		rc = box_remove(box, &work->deletable, settings->expunge_all, err);
	if (rc == 0)
		work->tally.deleted += uidset_size(&work->deletable);
out:
	box_close(box);
	return rc;
}

int job_delete_source(struct run *run, struct lane *lane, struct err *err)
{
	uint64_t going;

	if (run->settings->dry_run)
		return 0;
	if (check_brake(run, &going, err) < 0)
		return -1;
	if (going == 0)
		return 0;
	if (confirm(run, going, err) < 0)
		return -1;
	for (size_t i = 0; i < run->count; i++) {
		struct work *work = &run->work[i];

		if (uidset_size(&work->deletable) == 0)
			continue;
		if (lane_connect(lane, err) < 0)
			return -1;
		if (delete_in(run, lane, work, err) == 0)
			continue;
		if (err->scope > ERR_CONN)
			return -1;
		report_finding(run->job->report, FINDING_MAILBOX_FAILED, work->pair.src->name, 0,
			"deleting at the source: %s", err->text);
		if (err->kind == ERR_KIND_SAFETY)
			report_code(run->job->report, 6);
		if (err->scope == ERR_CONN)
			lane_disconnect(lane);
		err_clear(err);
	}
	return 0;
}
