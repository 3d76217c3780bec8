/*
 * Deleting by UID, and --delete-source: the last phase. Only messages whose copy the destination has confirmed, or that were proven to be there, by UID, under
 * the brake, after a yes (product rules 3 and 4; §3 Deleting).
 */
#include "ops/lane.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/os.h"
#include "base/stop.h"
#include "ops/brake.h"
#include "ops/proven.h"
#include "ops/remove.h"

static int remove_in(
	struct run *run, struct lane *lane, const struct removal *removal, struct err *err)
{
	const struct remove remove = { .mailbox = removal->mailbox,
		.uidvalidity = removal->uidvalidity,
		.uids = removal->uids };

	return remove_messages(run->settings, removal->at_source ? lane->src : lane->dst,
		lane->flags, &remove, err);
}

int job_again(struct lane *lane, const char *what, unsigned attempt, struct err *err)
{
	if (err->scope == ERR_CONN)
		lane_disconnect(lane);
	if (err->scope != ERR_CONN || attempt >= lane->run->settings->retries)
		return -1;
	log_warn("%s: %s; again", what, err->text);
	if (clock_sleep(lane_pause_ms(err, attempt + 1)) < 0)
		return stop_check(err) < 0 ? -1 : err_set(err, ERR_STOPPED, "interrupted");
	err_clear(err);
	return 0;
}

int job_remove(struct run *run, struct lane *lane, const struct removal *removal, struct err *err)
{
	for (unsigned attempt = 0;; attempt++) {
		os_point("remove");
		if (lane_connect(lane, err) == 0 && remove_in(run, lane, removal, err) == 0)
			break;
		if (job_again(lane, removal->mailbox, attempt, err) < 0)
			return -1;
	}
	os_point("removed");
	log_info("%s: %llu messages %s at the %s", removal->mailbox,
		(unsigned long long)uidset_size(removal->uids),
		run->settings->no_expunge ? "marked as deleted" : "deleted",
		removal->at_source ? "source" : "destination");
	return 0;
}

static int check_brake(const struct run *run, uint64_t *going_out, struct err *err)
{
	struct loss *losses = mem_array(run->count + 1, sizeof(*losses));
	int rc;

	*going_out = 0;
	for (size_t i = 0; i < run->count; i++) {
		const struct work *work = &run->work[i];
		uint64_t going = uidset_size(&work->deletable), found = work->tally.found;

		losses[i] = (struct loss){ work->pair.src->name, going, found,
			found > going ? found - going : 0 };
		*going_out += going;
	}
	rc = brake_check(run->settings, "source", losses, run->count, err);
	mem_free(losses);
	return rc;
}

static int confirm(const struct run *run, uint64_t going, struct err *err)
{
	char question[256];

	snprintf(question, sizeof(question),
		"delete %llu messages at %s, whose copies are confirmed?",
		(unsigned long long)going, account_name(run->job->src));
	return brake_confirm(
		run->settings, run->job->confirm, run->job->confirm_context, question, err);
}

static int delete_in(struct run *run, struct lane *lane, struct work *work, struct err *err)
{
	struct removal removal = { true, work->pair.src->name, work->record.src_uidvalidity,
		&work->deletable };

	if (job_remove(run, lane, &removal, err) == 0) {
		work->tally.deleted += uidset_size(&work->deletable);
		return 0;
	}
	if (err->scope > ERR_CONN)
		return -1;
	report_finding(run->job->report, FINDING_MAILBOX_FAILED, work->pair.src->name, 0,
		"deleting at the source: %s", err->text);
	report_code(run->job->report, report_err_code(err));
	err_clear(err);
	return 0;
}

/* With several targets: what the other ones have too. */
static void cut_to_proven(struct run *run)
{
	const struct job *job = run->job;

	for (size_t i = 0; i < run->count; i++) {
		struct work *work = &run->work[i];

		if (!work->arena)
			work->arena = arena_new();
		proven_cut(job->proven, job->round, work->pair.src->name,
			work->record.src_uidvalidity, &work->deletable, work->arena);
	}
}

int job_delete_source(struct run *run, struct lane *lane, struct err *err)
{
	uint64_t going;

	if (run->settings->dry_run)
		return 0;
	if (run->job->proven)
		cut_to_proven(run);
	if (run->job->more)
		return 0;
	if (job_keep_found(run, lane, err) < 0 || check_brake(run, &going, err) < 0)
		return -1;
	if (going > 0 && (confirm(run, going, err) < 0 || job_check_apart(run, lane, err) < 0))
		return -1;
	for (size_t i = 0; i < run->count; i++) {
		if (uidset_size(&run->work[i].deletable) > 0 &&
			delete_in(run, lane, &run->work[i], err) < 0)
			return -1;
	}
	return run->settings->delete_source_mailboxes ? job_delete_source_mailboxes(run, lane, err)
						      : 0;
}
