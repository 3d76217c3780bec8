/* How many connections a run has, whether they compress, and what they carried. */
#include "ops/lane.h"

#include "base/log.h"
#include "base/must.h"
#include "ops/transform.h"

#define LANES_NEAR 2 /* measured: two connections fill two servers' cores */
#define LANES_FAR 3 /* and three hide the round trips of a far one */
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

unsigned job_choose_lanes(const struct run *run, const struct lane *first)
{
	const struct job *job = run->job;
	int64_t src_us = job_round_trip_us(first->src), dst_us = job_round_trip_us(first->dst);
	bool shares = !(store_caps(first->dst) & STORE_CAP_STREAMS) && !run->settings->keep_order;
	unsigned lanes = run->settings->jobs, waiting = 0;
	const unsigned caps[] = { account_connections(job->src), account_connections(job->dst),
		store_caps(first->src) & STORE_CAP_ALONE ? 1 : LANES_MAX };

	if (!lanes)
		lanes = src_us > FAR_US || dst_us > FAR_US ? LANES_FAR : LANES_NEAR;
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

/* Lets the lanes work until nothing is left; the first one runs in the caller's thread. */
void job_work_lanes(struct run *run, struct lane *lanes, unsigned count)
{
	unsigned started = 1;

	run->lanes = count;
	for (unsigned i = 1; i < count; i++) {
		if (pthread_create(&lanes[i].thread, NULL, lane_main, &lanes[i]) != 0)
			break;
		started++;
	}
	pthread_mutex_lock(&run->lock);
	run->lanes -= count - started;
	pthread_mutex_unlock(&run->lock);
	lane_main(&lanes[0]);
	for (unsigned i = 1; i < started; i++)
		pthread_join(lanes[i].thread, NULL);
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
