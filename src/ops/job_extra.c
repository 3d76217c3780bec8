/*
 * What only the destination has: --delete-extra, --empty-destination, --delete-mailboxes. The last phase: after all copies are confirmed, by UID,
 * under the brake, after a yes, and nothing in a mailbox of which anything is unknown (product rules 3 and 4; §3 Deleting).
 *
 * No record is kept of what is about to go: a run that is killed here leaves extra messages, and the next one finds them as this one did.
 */
#include "ops/lane.h"

#include "base/arena.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "mail/mailbox_name.h"
#include "ops/brake.h"

#define NAMED 5 /* mailboxes that the question names */

static bool is_wanted(const struct run *run)
{
	bool any = run->settings->delete_mailboxes;

	for (size_t i = 0; i < run->count; i++)
		any |= run->work[i].extra.count > 0 || run->work[i].extra_unknown;
	return any;
}

/* ---- what moved at the source while the run went on ---- */

static bool has_grown(const struct work *work, const struct mailbox_info *now)
{
	const unsigned needed = IMAP_STATUS_UIDNEXT | IMAP_STATUS_UIDVALIDITY;
	bool looked = work->state == WORK_DONE;
	uint32_t uidnext = looked ? work->src_uidnext : work->src.uidnext;
	uint32_t uidvalidity = looked ? work->record.src_uidvalidity : work->src.uidvalidity;

	return (now->has & needed) != needed || uidnext == 0 || now->uidnext != uidnext ||
	       now->uidvalidity != uidvalidity;
}

/* A mailbox that was not there when the run began may hold what the others have lost. */
static void look_for_new(struct run *run, const struct mailbox_list *now)
{
	for (size_t i = 0; i < now->count; i++) {
		const struct mailbox_info *info = &now->mailbox[i];

		if (info->noselect || info->nonexistent ||
			mailbox_list_find(run->src_list, info->name) ||
			!select_mailbox(run->select, info, run->gmail))
			continue;
		run->source_moved = true;
		report_finding(run->job->report, FINDING_UNKNOWN, info->name, 0,
			"this mailbox appeared at the source meanwhile: nothing is deleted at the destination before it is copied; run again");
	}
}

static void keep_common(struct work *work, const struct uidset *before)
{
	struct uidset now = work->extra;

	work->extra = (struct uidset){ 0 };
	for (uint64_t i = 0; i < uidset_size(before); i++) {
		uint32_t uid = uidset_at(before, i);

		if (uidset_has(&now, uid))
			uidset_add(&work->extra, work->arena, uid, uid);
	}
}

/*
 * A message that moved at the source from a mailbox that was looked at late to one that was looked at early is in neither: its copy in the one
 * is extra, and in the other it has none. Whatever grew since is looked at again, and only what was extra before that goes.
 */
static void look_at(struct lane *lane, struct work *work, const struct mailbox_list *list)
{
	const struct mailbox_info *now = mailbox_list_find(list, work->pair.src->name);
	struct uidset before = work->extra;

	if (work->state != WORK_DONE && work->state != WORK_UNCHANGED)
		return;
	if (!now) { /* deleted or renamed meanwhile */
		if (work->extra.count > 0)
			report_finding(lane->run->job->report, FINDING_UNKNOWN,
				work->pair.src->name, 0,
				"the source's mailbox is not there any more: what only the destination has in it stays; run again");
		work->extra = (struct uidset){ 0 };
		return;
	}
	if (!has_grown(work, now))
		return;
	log_info("%s: it has grown meanwhile, and is looked at again", work->pair.src->name);
	work->state = WORK_WAITING;
	lane_work_on(lane, work);
	keep_common(work, &before);
}

int job_look_again(struct run *run, struct lane *lane, struct err *err)
{
	struct mailbox_list list;
	struct arena *arena;
	int rc;

	if (run->settings->dry_run || !is_wanted(run))
		return 0;
	arena = arena_new();
	rc = lane_connect(lane, err);
	if (rc == 0)
		rc = store_list(lane->src, STORE_LIST_STATUS, arena, &list, err);
	if (rc < 0)
		err_wrap(err, "listing the source again");
	for (size_t i = 0; i < run->count && rc == 0; i++)
		look_at(lane, &run->work[i], &list);
	if (rc == 0)
		look_for_new(run, &list);
	arena_free(arena);
	if (rc == 0 && run->ended) {
		*err = run->end;
		rc = -1;
	}
	return rc;
}

/* ---- what may go ---- */

/*
 * A server may take two names for one mailbox (case, Unicode form): each of the two would take the other's messages for extra. Two that
 * it lists both are two.
 */
static bool has_twin(const struct run *run, const struct work *work)
{
	struct arena *arena = arena_new();
	const char *folded = mailbox_fold(work->pair.dst, arena);
	bool listed = mailbox_list_find(run->dst_list, work->pair.dst) != NULL, twin = false;

	for (size_t i = 0; i < run->count && !twin; i++) {
		const struct work *other = &run->work[i];

		twin = other != work && strcmp(mailbox_fold(other->pair.dst, arena), folded) == 0 &&
		       !(listed && mailbox_list_find(run->dst_list, other->pair.dst));
	}
	arena_free(arena);
	return twin;
}

static const char *find_doubt(const struct run *run, const struct work *work)
{
	const struct tally *tally = &work->tally;

	if (work->state != WORK_DONE || tally->refused || tally->failed || tally->unknown)
		return "not all of the source's are known to be there";
	if (run->source_moved)
		return "the source was changed meanwhile";
	if (!run->settings->dry_run && has_twin(run, work))
		return "another mailbox may have the same name at this server";
	return NULL;
}

static void drop_doubtful(struct run *run)
{
	for (size_t i = 0; i < run->count; i++) {
		struct work *work = &run->work[i];
		const char *doubt = work->extra.count > 0 ? find_doubt(run, work) : NULL;

		if (work->extra_unknown)
			report_finding(run->job->report, FINDING_UNKNOWN, work->pair.src->name, 0,
				"what only the destination has cannot be told, for not every message could be compared: nothing is deleted there");
		if (!doubt)
			continue;
		report_finding(run->job->report, FINDING_UNKNOWN, work->pair.src->name, 0,
			"%llu messages that only the destination has stay there: %s",
			(unsigned long long)uidset_size(&work->extra), doubt);
		work->extra = (struct uidset){ 0 };
	}
}

/* A mailbox goes only when every other one of the run is as it should be. */
static bool is_clean(const struct run *run)
{
	bool clean = !run->source_moved && run->src_list->refused == 0;

	for (size_t i = 0; i < run->count; i++) {
		const struct work *work = &run->work[i];
		const struct tally *tally = &work->tally;

		clean &= (work->state == WORK_DONE || work->state == WORK_UNCHANGED) &&
			 !tally->refused && !tally->failed && !tally->unknown;
	}
	return clean;
}

struct going { /* all of a run */
	struct arena *arena;
	struct mailbox_list list;
	const struct mailbox_info **doomed;
	size_t doomed_count;
	struct loss *loss; /* of the works, then of the mailboxes */
	size_t losses;
	uint64_t messages; /* by UID */
};

static int find_doomed(struct run *run, struct lane *lane, struct going *going, struct err *err)
{
	if (!run->settings->delete_mailboxes)
		return 0;
	if (!is_clean(run)) {
		report_finding(run->job->report, FINDING_NOTE, "", 0,
			"no mailbox is deleted: not all that the source has is known to be at the destination");
		return 0;
	}
	if (run->src_list->count == 0 || run->src_list->inbox_unseen)
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_SAFETY,
			"the source's list of mailboxes lacks even INBOX, and may lack others: nothing was deleted");
	if (lane_connect(lane, err) < 0 ||
		store_list(lane->dst, STORE_LIST_STATUS, going->arena, &going->list, err) < 0)
		return err_wrap(err, "listing the destination's mailboxes");
	job_names_again(run, &going->list);
	return job_doomed_mailboxes(
		run, &going->list, going->arena, &going->doomed, &going->doomed_count, err);
}

static uint64_t messages_before(const struct work *work)
{
	return work->looked || work->extra.count > 0 ? work->dst_before : work->dst.messages;
}

static void sum_up(const struct run *run, struct going *going)
{
	going->loss = arena_array(
		going->arena, run->count + going->doomed_count + 1, sizeof(*going->loss));
	for (size_t i = 0; i < run->count; i++) {
		const struct work *work = &run->work[i];
		uint64_t extra = uidset_size(&work->extra), before = messages_before(work);
		uint64_t after = before + work->dst_stored;

		going->messages += extra;
		going->loss[going->losses++] = (struct loss){ work->pair.dst, extra, before,
			after > extra ? after - extra : 0 };
	}
	for (size_t i = 0; i < going->doomed_count; i++) {
		const struct mailbox_info *info = going->doomed[i];
		uint64_t messages = info->noselect ? 0 : info->messages;

		going->loss[going->losses++] = (struct loss){ info->name, messages, messages, 0 };
	}
}

static int check_allowed(
	struct run *run, struct lane *lane, const struct going *going, struct err *err)
{
	const struct settings *settings = run->settings;

	if (going->messages > 0 && !settings->expunge_all && !settings->no_expunge) {
		if (lane_connect(lane, err) < 0)
			return -1;
		if (!(store_caps(lane->dst) & STORE_CAP_REMOVE_ONE))
			return err_set_kind(err, ERR_LOCAL, ERR_KIND_SAFETY,
				"the destination cannot expunge single messages (no UIDPLUS), and would remove what others marked too: nothing was deleted; "
				"--expunge-all allows it, --no-expunge only marks them");
	}
	return brake_check(settings, "destination", going->loss, going->losses, err);
}

static int confirm(struct run *run, const struct going *going, struct err *err)
{
	char question[768], names[512] = "";
	size_t len = 0, named = 0;

	for (size_t i = 0; i < going->losses && len < sizeof(names); i++) {
		const struct loss *loss = &going->loss[i];

		if (i < run->count && loss->going == 0)
			continue;
		log_info("%s: %llu of %llu messages at the destination are to go%s", loss->mailbox,
			(unsigned long long)loss->going, (unsigned long long)loss->found,
			i < run->count ? "" : ", and the mailbox");
		if (named++ < NAMED)
			len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%.60s %llu",
				len > 0 ? ", " : "", loss->mailbox,
				(unsigned long long)loss->going);
	}
	snprintf(question, sizeof(question),
		"delete %llu messages and %zu mailboxes at %s that the source does not have (%s%s)?",
		(unsigned long long)going->messages, going->doomed_count,
		account_name(run->job->dst), names, named > NAMED ? ", …" : "");
	return brake_confirm(
		run->settings, run->job->confirm, run->job->confirm_context, question, err);
}

/* ---- going ---- */

static void show(struct run *run, struct lane *lane, const struct going *going, struct err *err)
{
	if (check_allowed(run, lane, going, err) < 0) {
		report_finding(run->job->report, FINDING_NOTE, "", 0, "it would be refused: %s",
			err->text);
		err_clear(err);
	}
	for (size_t i = 0; i < run->count; i++)
		run->work[i].tally.deleted_extra = uidset_size(&run->work[i].extra);
	for (size_t i = 0; i < going->doomed_count; i++)
		report_finding(run->job->report, FINDING_MAILBOX_DELETED, going->doomed[i]->name, 0,
			"would be deleted at the destination, with %u messages",
			going->doomed[i]->messages);
}

static int remove_extra(struct run *run, struct lane *lane, struct work *work, struct err *err)
{
	struct removal removal = { false, work->pair.dst, work->record.dst_uidvalidity,
		&work->extra };

	if (job_remove(run, lane, &removal, err) == 0) {
		work->tally.deleted_extra += uidset_size(&work->extra);
		return 0;
	}
	if (err->scope > ERR_CONN)
		return -1;
	report_finding(run->job->report, FINDING_MAILBOX_FAILED, work->pair.src->name, 0,
		"deleting at the destination: %s", err->text);
	report_code(run->job->report, report_err_code(err));
	err_clear(err);
	return 0;
}

static int delete_all(struct run *run, struct lane *lane, struct going *going, struct err *err)
{
	if (going->messages == 0 && going->doomed_count == 0)
		return 0;
	if (run->settings->dry_run) {
		show(run, lane, going, err);
		return 0;
	}
	if (check_allowed(run, lane, going, err) < 0 || confirm(run, going, err) < 0)
		return -1;
	/* What proves that the source has lost these is on disk before they go. */
	if (journal_commit(run->journal, true, err) < 0)
		return -1;
	for (size_t i = 0; i < run->count; i++) {
		if (run->work[i].extra.count > 0 && remove_extra(run, lane, &run->work[i], err) < 0)
			return -1;
	}
	return job_delete_mailboxes(run, lane, going->doomed, going->doomed_count, err);
}

int job_delete_extra(struct run *run, struct lane *lane, struct err *err)
{
	struct going going = { 0 };
	int rc;

	if (!is_wanted(run))
		return 0;
	going.arena = arena_new();
	drop_doubtful(run);
	rc = find_doomed(run, lane, &going, err);
	if (rc == 0) {
		sum_up(run, &going);
		rc = delete_all(run, lane, &going, err);
	}
	arena_free(going.arena);
	return rc;
}
