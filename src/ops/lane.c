/* A lane's life: take a mailbox, pass over it until it is settled, reconnect when a line breaks, stop when told. */
#include "ops/lane.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/rate.h"
#include "base/stop.h"
#include "ops/meter.h"
#include "ops/transform.h"

#define BACKOFF_FIRST_MS 500
#define BACKOFF_MAX_MS 60000
#define WAIT_MAX_MS (15 * 60 * 1000) /* the longest pause a server is granted at once */
#define QUIET_STEP_MS 250
#define QUIET_MAX_MS 60000 /* a mailbox that never comes to rest is not waited for longer */
#define PASSES_MAX 100 /* of one mailbox without an error: more never settle */

bool run_ended(struct run *run)
{
	bool ended;

	pthread_mutex_lock(&run->lock);
	ended = run->ended;
	pthread_mutex_unlock(&run->lock);
	return ended || stop_requested();
}

void run_end(struct run *run, const struct err *err)
{
	pthread_mutex_lock(&run->lock);
	if (!run->ended) {
		run->ended = true;
		run->end = *err;
	}
	pthread_mutex_unlock(&run->lock);
}

struct work *run_take(struct run *run)
{
	struct work *work = NULL;

	pthread_mutex_lock(&run->lock);
	while (!run->ended && !stop_requested() && run->next < run->count && !work) {
		struct work *next = &run->work[run->next++];

		if (!next->chained && next->state == WORK_WAITING)
			work = next;
	}
	run->busy += work != NULL;
	pthread_mutex_unlock(&run->lock);
	return work;
}

static void run_leave(struct run *run)
{
	pthread_mutex_lock(&run->lock);
	run->busy--;
	pthread_cond_broadcast(&run->changed);
	pthread_mutex_unlock(&run->lock);
}

static void count_traffic(struct lane *lane, int side, struct store *store)
{
	uint64_t in, out, turns;

	if (!store)
		return;
	store_traffic(store, &in, &out, &turns);
	lane->traffic_in[side] += in;
	lane->traffic_out[side] += out;
	lane->turns[side] += turns;
	lane->connections[side]++;
}

void lane_disconnect(struct lane *lane)
{
	count_traffic(lane, 0, lane->src);
	count_traffic(lane, 1, lane->dst);
	store_close(lane->src);
	store_close(lane->dst);
	lane->src = lane->dst = NULL;
}

struct side {
	struct account *account;
	const struct store_request *request;
	struct store **store;
	const char *label;
	pthread_t thread;
	struct err err;
};

static void *open_side(void *argument)
{
	struct side *side = argument;

	log_set_label(side->label);
	if (!*side->store)
		*side->store = store_open(side->account, side->request, &side->err);
	return NULL;
}

static int keep_error(const struct side *side, struct err *err)
{
	if (*side->store)
		return 0;
	*err = side->err;
	return -1;
}

/* Both at once: a login takes several round trips. */
int lane_connect(struct lane *lane, struct err *err)
{
	struct run *run = lane->run;
	struct store_request request = { .timeout_ms = run->settings->timeout_ms,
		.state_dir = run->state_dir,
		.flags = lane->flags };
	struct store_request dst_request;
	struct side src = { .account = run->job->src, .store = &lane->src, .label = log_label() };
	struct side dst = { .account = run->job->dst, .store = &lane->dst, .label = log_label() };
	bool threaded;

	request.want_utf8 = true;
	dst_request = request;
	dst_request.will_write = true;
	request.names = run->src_list;
	dst_request.names = run->dst_list;
	pthread_mutex_lock(&run->lock);
	request.compress_scan = run->compress || run->compress_bodies[0] == PAYS;
	dst_request.compress_scan = run->compress || run->compress_bodies[1] == PAYS;
	pthread_mutex_unlock(&run->lock);
	src.request = &request;
	dst.request = &dst_request;
	threaded =
		!lane->src && !lane->dst && pthread_create(&dst.thread, NULL, open_side, &dst) == 0;
	open_side(&src);
	if (threaded)
		pthread_join(dst.thread, NULL);
	else if (lane->src)
		open_side(&dst);
	return keep_error(&src, err) < 0 ? -1 : keep_error(&dst, err);
}

/* How long to wait before the n-th attempt: what the server named, else doubling. */
int64_t lane_pause_ms(const struct err *err, unsigned attempt)
{
	int64_t ms = BACKOFF_FIRST_MS;

	if (err->retry == ERR_RETRY_AFTER && err->wait_ms > 0)
		return err->wait_ms < WAIT_MAX_MS ? err->wait_ms : WAIT_MAX_MS;
	for (unsigned i = 1; i < attempt && ms < BACKOFF_MAX_MS; i++)
		ms *= 2;
	if (err->retry == ERR_RETRY_AFTER || err->kind == ERR_KIND_BUSY)
		ms *= 2;
	return ms < BACKOFF_MAX_MS ? ms : BACKOFF_MAX_MS;
}

static int pause_lane(struct lane *lane, const struct err *why, unsigned attempt, struct err *err)
{
	int64_t ms = lane_pause_ms(why, attempt);
	char note[160];

	snprintf(note, sizeof(note), "waiting %lld s: %.120s", (long long)(ms + 999) / 1000,
		why->text);
	log_warn("%s; again in %.1f s", why->text, (double)ms / 1000);
	meter_note(lane->run->job->meter, note);
	if (why->kind == ERR_KIND_BUSY || why->retry == ERR_RETRY_AFTER)
		rate_slow(lane->run->messages);
	if (clock_sleep(ms) < 0)
		return stop_check(err);
	meter_note(lane->run->job->meter, NULL);
	return 0;
}

int lane_wait_quiet(struct store *store, const char *mailbox, int64_t settle_ms, struct err *err)
{
	int64_t began = clock_ms(), quiet_since = began;
	struct mailbox_info before = { 0 }, now;

	while (clock_ms() - began < QUIET_MAX_MS) {
		if (store_status(store, mailbox, STORE_LIST_STATUS, &now, err) < 0)
			return -1;
		if (now.messages != before.messages || now.uidnext != before.uidnext)
			quiet_since = clock_ms();
		if (clock_ms() - quiet_since >= settle_ms)
			return 0;
		before = now;
		if (clock_sleep(QUIET_STEP_MS) < 0)
			return stop_check(err);
	}
	return 0;
}

static int wait_quiet(struct lane *lane, struct work *work, struct err *err)
{
	if (lane_wait_quiet(lane->dst, work->pair.dst, lane->run->settings->settle_ms, err) < 0)
		return err_wrap(err, "destination");
	return 0;
}

static void pass_release(struct pass *pass)
{
	box_close(pass->src_box);
	box_close(pass->dst_box);
	plan_free(pass->plan);
	snapshot_release(&pass->src);
	snapshot_release(&pass->dst);
	arena_free(pass->arena);
	arena_free(pass->dst_arena);
}

/* Counts of a pass begin anew; what earlier passes copied stays copied, and is not "already there" now. */
static struct tally begin_tally(struct work *work)
{
	struct tally earlier = work->tally;

	work->tally = (struct tally){
		.copied = earlier.copied,
		.copied_bytes = earlier.copied_bytes,
		.flags_changed = earlier.flags_changed,
		.flags_lost = earlier.flags_lost,
		.altered = earlier.altered,
	};
	/* What an earlier pass proved is proved again, or it is not deleted. */
	work->deletable = work->extra = (struct uidset){ 0 };
	work->unequal = work->extra_unknown = false;
	return earlier;
}

static void end_tally(struct work *work, const struct tally *earlier)
{
	struct tally *tally = &work->tally;

	tally->there_record -=
		tally->there_record < earlier->copied ? tally->there_record : earlier->copied;
}

/* What the journal is told when everything selected is known to be there. The destination's columns come from the closing list. */
static void remember(struct lane *lane, struct pass *pass)
{
	struct work *work = pass->work;
	const struct box_facts *facts = box_facts(pass->src_box);
	const struct tally *tally = &work->tally;

	work->reconciled = !pass->again && !tally->refused && !tally->failed && !tally->unknown &&
			   !tally->vanished && !run_ended(lane->run);
	if (!work->reconciled)
		return;
	work->record.src_messages = (uint32_t)pass->src.count;
	work->record.src_uidnext = facts->uidnext;
	if (!pass->stale)
		work->record.src_modseq = pass->src.modseq;
	work->record.selection = settings_selection(lane->run->settings);
}

/* What is sent again may still arrive from before: durable with the record, before anything is sent. */
static void note_doubt(struct journal_mailbox *record)
{
	if (record->baseline && (record->doubt == 0 || record->baseline < record->doubt))
		record->doubt = record->baseline;
}

static int lane_pass(struct lane *lane, struct work *work, bool *again_out, struct err *err)
{
	struct pass pass = {
		.run = lane->run, .work = work, .arena = arena_new(), .dst_arena = arena_new()
	};
	struct tally earlier = begin_tally(work);
	int rc = -1;

	snapshot_init(&pass.src, false);
	snapshot_init(&pass.dst, false);
	if (lane->unsettled && !lane->run->settings->dry_run &&
		!(store_caps(lane->dst) & STORE_CAP_FILES) && wait_quiet(lane, work, err) < 0)
		goto out;
	if (lane->unsettled)
		note_doubt(&work->record);
	if (lane_look(lane, &pass, err) < 0)
		goto out;
	if (!work->resent && lane->unsettled && plan_copies(pass.plan) > 0) {
		work->resent = true;
		work->resent_from = pass.dst_uidnext;
	}
	lane->unsettled = 0;
	if (lane_carry_out(lane, &pass, err) < 0)
		goto out;
	end_tally(work, &earlier);
	remember(lane, &pass);
	*again_out = pass.again;
	rc = 0;
out:
	if (rc < 0)
		end_tally(work, &earlier);
	pass_release(&pass);
	return rc;
}

static void fail_work(struct lane *lane, struct work *work, const struct err *err)
{
	work->state = err->scope == ERR_STOPPED ? WORK_INTERRUPTED : WORK_FAILED;
	if (!work->arena)
		work->arena = arena_new();
	work->text = arena_strdup(work->arena, err->text);
	/* Sent, and no answer came: whether they are there the next run finds out. */
	if (work->looked)
		work->tally.unknown += lane->unsettled;
	if (err->scope == ERR_STOPPED)
		return;
	report_finding(lane->run->job->report, FINDING_MAILBOX_FAILED, work->pair.src->name, 0,
		"%s", err->text);
	report_code(lane->run->job->report, report_err_code(err));
}

/* Whether the mailbox may be tried again after this error: 0, or -1 when it is given up. Connections that are no good are closed. */
static int recover(struct lane *lane, struct err *why, unsigned *attempt, struct err *err)
{
	bool busy = why->kind == ERR_KIND_BUSY || why->retry == ERR_RETRY_AFTER;

	if (why->scope >= ERR_ACCOUNT || (why->scope < ERR_CONN && !busy))
		return -1;
	/* Whatever it was, more connections would not help. */
	pthread_mutex_lock(&lane->run->lock);
	lane->run->team.settled = true;
	pthread_mutex_unlock(&lane->run->lock);
	if (why->scope == ERR_CONN)
		lane_disconnect(lane);
	if (lane->progress) {
		*attempt = 0;
		lane->progress = 0;
	}
	if (++*attempt > lane->run->settings->retries)
		return -1;
	if (pause_lane(lane, why, *attempt, err) < 0) {
		*why = *err;
		return -1;
	}
	return 0;
}

static void log_work(const struct work *work)
{
	static const char *const states[] = {
		[WORK_WAITING] = "waiting",
		[WORK_UNCHANGED] = "unchanged",
		[WORK_DONE] = "done",
		[WORK_FAILED] = "failed",
		[WORK_INTERRUPTED] = "interrupted",
	};
	const struct tally *tally = &work->tally;

	log_info(
		"%s: %s: %llu messages found, %llu copied, %llu already there, %llu refused, %llu failed, %llu unknown",
		work->pair.src->name, states[work->state], (unsigned long long)tally->found,
		(unsigned long long)tally->copied,
		(unsigned long long)(tally->there_record + tally->there_digest +
				     tally->there_content),
		(unsigned long long)tally->refused, (unsigned long long)tally->failed,
		(unsigned long long)tally->unknown);
}

void lane_work_on(struct lane *lane, struct work *work)
{
	struct err err = ERR_INIT, other = ERR_INIT;
	unsigned attempt = 0, passes = 0;
	bool again = true;

	meter_mailbox(lane->run->job->meter, work->pair.src->name);
	lane->progress = 0;
	/* A baseline that was never taken back: the run that set it died, and its last appends may still be under way. */
	lane->unsettled = work->record.baseline != 0;
	while (again && !run_ended(lane->run)) {
		again = false;
		err_clear(&err);
		if (++passes > PASSES_MAX) {
			err_set(&err, ERR_MAILBOX,
				"the destination's answers never add up: given up after %d passes",
				PASSES_MAX);
			break;
		}
		if (lane_connect(lane, &err) == 0 && lane_pass(lane, work, &again, &err) == 0)
			continue;
		if (recover(lane, &err, &attempt, &other) < 0)
			break;
		again = true;
	}
	if (err.scope != ERR_NONE)
		fail_work(lane, work, &err);
	else
		work->state =
			run_ended(lane->run) && !work->reconciled ? WORK_INTERRUPTED : WORK_DONE;
	if (err.scope >= ERR_ACCOUNT)
		run_end(lane->run, &err);
	log_work(work);
	meter_mailbox_done(lane->run->job->meter);
}

/* A lane beyond the first that gets no connection leaves the work to the others. */
static bool may_work(struct lane *lane)
{
	struct err err = ERR_INIT;
	bool alone;

	if (lane->number == 0)
		return true;
	if (lane_connect(lane, &err) == 0) {
		job_lane_ready(lane->run, false);
		return true;
	}
	job_lane_ready(lane->run, true);
	lane_disconnect(lane);
	pthread_mutex_lock(&lane->run->lock);
	alone = lane->run->lanes == 1;
	if (!alone)
		lane->run->lanes--;
	pthread_mutex_unlock(&lane->run->lock);
	if (!alone && err.scope != ERR_STOPPED)
		log_info("going on with one connection less: %s", err.text);
	return alone;
}

void *lane_main(void *argument)
{
	struct lane *lane = argument;
	struct work *work;

	log_set_label(lane->label);
	if (!may_work(lane))
		return NULL;
	while ((work = run_take(lane->run))) {
		lane_work_on(lane, work);
		while ((work = work->next) && !run_ended(lane->run))
			lane_work_on(lane, work);
		run_leave(lane->run);
	}
	lane_help(lane);
	pthread_mutex_lock(&lane->run->lock);
	lane->run->lanes--;
	pthread_mutex_unlock(&lane->run->lock);
	return NULL;
}
