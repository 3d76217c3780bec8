/* How many connections a run has, whether they compress, and what they carried. */
#include "ops/lane.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/must.h"
#include "ops/transform.h"

#define LANES_NEAR 2 /* measured: two connections fill two servers' cores */
#define LANES_FAR 3 /* and three hide the round trips of a far one */
#define LANES_RAISED 8 /* as far as it goes by itself: many servers allow ten */
#define WINDOW_MS 1000
#define LEFT_LEAST 20 /* messages */
#define GROWTH 1.1 /* what one lane more has to bring */
#define STRIKES 2 /* windows without growth: one alone may be a slow mailbox */
#define COMPRESS_LEAST 2000 /* messages to compare before compressing is worth a round trip */
#define FAR_US 10000 /* a round trip that takes longer is far */

/*
 * COMPRESS cannot be switched off again (RFC 4978), gains 9 to 17 times on listings, and costs bodies on a near line more time than it saves: it
 * is switched on when the run will compare much and carry little.
 */
int job_choose_compression(struct run *run, struct lane *lane, struct err *err)
{
	uint64_t scanned = 0, bodies = 0;

	for (size_t i = 0; i < run->count; i++) {
		const struct work *work = &run->work[i];
		uint64_t there = work->record.id ? work->record.src_messages : work->dst.messages;

		if (work->state != WORK_WAITING)
			continue;
		if (!work->record.id && work->dst.messages)
			scanned += work->src.messages;
		bodies += work->src.messages > there ? work->src.messages - there : 0;
	}
	run->compress = scanned > COMPRESS_LEAST && bodies < scanned / 20;
	if (!run->compress)
		return 0;
	if (store_compress(lane->src, err) < 0)
		return err_wrap(err, "source");
	return store_compress(lane->dst, err) < 0 ? err_wrap(err, "destination") : 0;
}

/* How far the server is. The first commands after the login count too: a proxy answers a connect by itself. */
int64_t job_round_trip_us(const struct store *store)
{
	const struct imap_facts *facts = store_imap_facts(store);

	if (!facts)
		return 0;
	return facts->dial.connect_us > facts->ready_us ? facts->dial.connect_us : facts->ready_us;
}

/* So many of these lanes as there is work for, and as the accounts allow. */
static unsigned count_lanes(const struct run *run, const struct lane *first, unsigned lanes)
{
	const struct job *job = run->job;
	bool shares = !(store_caps(first->dst) & STORE_CAP_STREAMS) && !run->settings->keep_order;
	unsigned waiting = 0;
	const unsigned caps[] = { account_connections(job->src), account_connections(job->dst),
		store_caps(first->src) & STORE_CAP_ALONE ? 1 : LANES_MAX };

	for (size_t i = 0; i < run->count; i++) {
		if (run->work[i].state != WORK_WAITING)
			continue;
		waiting++;
		/* A mailbox that lanes will share (lane_share.c) has work for several. */
		if (shares && run->work[i].src.messages > SHARE_LEAST)
			waiting += run->work[i].src.messages / SHARE_LEAST;
	}
	for (size_t i = 0; i < countof(caps); i++)
		lanes = caps[i] && lanes > caps[i] ? caps[i] : lanes;
	return waiting < lanes ? waiting : lanes;
}

unsigned job_choose_lanes(const struct run *run, const struct lane *first)
{
	int64_t src_us = job_round_trip_us(first->src), dst_us = job_round_trip_us(first->dst);
	bool far = src_us > FAR_US || dst_us > FAR_US;

	return count_lanes(run, first,
		run->settings->jobs ? run->settings->jobs
		: far               ? LANES_FAR
				    : LANES_NEAR);
}

void lane_init(struct lane *lane, struct run *run, unsigned number)
{
	*lane = (struct lane){ .run = run,
		.number = number,
		.label = log_label(),
		.flags = flag_table_new(),
		.header = header_scan_new(false) };
	if (settings_transform(run->settings))
		lane->transform = transform_new(run->settings);
}

void lane_release(struct lane *lane)
{
	flag_table_free(lane->flags);
	header_scan_free(lane->header);
	transform_free(lane->transform);
}

/* One lane more, in a thread of its own. With the lock. */
static bool start_lane(struct run *run)
{
	struct team *team = &run->team;
	struct lane *lane = &team->lane[team->count];

	lane_init(lane, run, team->count);
	if (pthread_create(&lane->thread, NULL, lane_main, lane) != 0) {
		lane_release(lane);
		team->settled = true;
		return false;
	}
	team->count++;
	team->connecting++;
	run->lanes++;
	return true;
}

static unsigned team_count(struct run *run)
{
	unsigned count;

	pthread_mutex_lock(&run->lock);
	count = run->team.count;
	pthread_mutex_unlock(&run->lock);
	return count;
}

unsigned job_work_lanes(struct run *run, struct lane *lanes, unsigned count)
{
	const struct settings *settings = run->settings;

	pthread_mutex_lock(&run->lock);
	/* Our own limits would be taken for the servers'. */
	run->team = (struct team){
		.lane = lanes,
		.count = 1,
		.settled = settings->jobs || settings->rate > 0 || settings->bandwidth,
		.most = count_lanes(run, &lanes[0], LANES_RAISED),
	};
	run->lanes = 1;
	while (run->team.count < count && start_lane(run))
		;
	pthread_mutex_unlock(&run->lock);
	lane_main(&lanes[0]);
	/* Only lanes start lanes: when the last one that was there is joined, no more can come. */
	for (unsigned i = 1; i < team_count(run); i++)
		pthread_join(lanes[i].thread, NULL);
	return team_count(run);
}

/* Enough that nobody works on yet to be worth a login. With the lock. */
static bool work_left(const struct run *run)
{
	uint64_t messages = 0;

	for (size_t i = run->next; i < run->count; i++) {
		if (!run->work[i].chained && run->work[i].state == WORK_WAITING)
			messages += run->work[i].src.messages;
	}
	return messages >= LEFT_LEAST || run->shares != NULL;
}

static void open_window(struct team *team)
{
	team->since_ms = clock_ms();
	team->carried_then = team->carried;
}

/* What the window that is over says: true, one lane more may pay. */
static bool pays_more(struct team *team, double rate)
{
	if (rate > team->rate * GROWTH) {
		team->rate = rate;
		team->strikes = 0;
		return true;
	}
	if (++team->strikes == STRIKES) {
		team->settled = true;
		log_info("%u pairs of connections carry %.2f MB/s: one more would not pay",
			team->count, rate / 1000);
	}
	return false;
}

void job_consider_lane(struct run *run)
{
	struct team *team = &run->team;
	double rate;

	if (team->settled || team->connecting || team->count >= team->most || run->ended)
		return;
	if (team->since_ms == 0)
		open_window(team);
	if (clock_ms() - team->since_ms < WINDOW_MS)
		return;
	rate = (double)(team->carried - team->carried_then) / (double)(clock_ms() - team->since_ms);
	open_window(team);
	if (rate <= 0 || !work_left(run) || !pays_more(team, rate) || !start_lane(run))
		return;
	log_info("%u pairs of connections carry %.2f MB/s: trying one more", team->count - 1,
		rate / 1000);
}

void job_lane_ready(struct run *run, bool refused)
{
	pthread_mutex_lock(&run->lock);
	run->team.connecting--;
	run->team.since_ms = 0;
	run->team.settled |= refused;
	pthread_mutex_unlock(&run->lock);
}

void job_report_lanes(struct run *run, struct lane *lanes, unsigned count)
{
	static const char *const names[] = { "source", "destination" };

	for (size_t side = 0; side < 2; side++) {
		uint64_t in = 0, out = 0, turns = 0;
		unsigned connections = 0;

		for (unsigned i = 0; i < count; i++) {
			in += lanes[i].traffic_in[side];
			out += lanes[i].traffic_out[side];
			turns += lanes[i].turns[side];
			connections += lanes[i].connections[side];
		}
		report_traffic(run->job->report, names[side], in, out, turns, connections);
	}
}
