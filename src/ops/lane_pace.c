/* What a lane's connections carry while bodies flow, and what follows from it: slow lines compress. */
#include "ops/lane.h"

#include "base/clock.h"
#include "base/log.h"

#define WINDOW_US 1000000
#define LOOK_US 50000 /* between two looks */
/*
 * Octets a second below which compressing pays. Text shrinks to a third and base64 to three quarters, while a server deflates some 25 MB/s a core: at
 * this pace it costs it a sixth of one, and gains at least a quarter even of pictures.
 */
#define SLOW (4.0 * 1000 * 1000)
#define LEAST (64u << 10) /* octets: fewer tell nothing */
#define ROUND_TRIP_MAX_US 500000 /* a login that took longer says nothing of the distance */

static const char *const side_names[] = { "source", "destination" };

static struct pace pace_of(const struct store *store, unsigned side)
{
	struct pace pace = { .waited_us = store_waited_us(store) };
	uint64_t in, out;

	store_traffic(store, &in, &out, &pace.turns);
	pace.octets = side == 0 ? in : out;
	return pace;
}

/*
 * The line is slow, and it is the line that was waited for: not the other side, not our own limits (then nobody sleeps here), and not mere
 * distance, which is a round trip for every turn.
 */
bool pace_pays(const struct pace *pace, int64_t us, int64_t round_trip_us)
{
	const int64_t far = round_trip_us < ROUND_TRIP_MAX_US ? round_trip_us : ROUND_TRIP_MAX_US;

	if (pace->octets < LEAST || (double)pace->octets * 1e6 / (double)us >= SLOW)
		return false;
	return pace->waited_us - (int64_t)pace->turns * far > us / 2;
}

static void mark(struct lane *lane)
{
	lane->pace_mark_us = clock_us();
	lane->pace_mark[0] = pace_of(lane->src, 0);
	lane->pace_mark[1] = pace_of(lane->dst, 1);
}

void lane_pace_end(struct lane *lane)
{
	const struct pace marks[] = { lane->pace_mark[0], lane->pace_mark[1] };
	const int64_t since = lane->pace_mark_us;

	mark(lane);
	lane->pace_us += lane->pace_mark_us - since;
	for (size_t side = 0; side < 2; side++) {
		struct pace *pace = &lane->pace[side];
		const struct pace *now = &lane->pace_mark[side];

		pace->octets += now->octets - marks[side].octets;
		pace->turns += now->turns - marks[side].turns;
		pace->waited_us += now->waited_us - marks[side].waited_us;
	}
}

/* A window is full: what it says of one side. */
static void judge(struct lane *lane, unsigned side)
{
	const struct store *store = side == 0 ? lane->src : lane->dst;
	const struct pace *pace = &lane->pace[side];

	if (lane->run->compress_bodies[side] != PAYS_NOT_KNOWN ||
		!(store_caps(store) & STORE_CAP_COMPRESS) ||
		!pace_pays(pace, lane->pace_us, job_round_trip_us(store)))
		return;
	lane->run->compress_bodies[side] = PAYS;
	log_info(
		"%s: a connection carries %.2f MB/s and was waited for %.0f %% of the time: compressing from here on",
		side_names[side], (double)pace->octets / (double)lane->pace_us,
		100.0 * (double)pace->waited_us / (double)lane->pace_us);
}

/* The lines of one side are alike: what one lane found out holds for all. */
static unsigned sides_due(struct lane *lane)
{
	unsigned due = 0;

	for (unsigned side = 0; side < 2; side++) {
		const struct store *store = side == 0 ? lane->src : lane->dst;

		if (lane->run->compress_bodies[side] == PAYS &&
			(store_caps(store) & STORE_CAP_COMPRESS))
			due |= 1u << side;
	}
	return due;
}

unsigned lane_pace_begin(struct lane *lane)
{
	unsigned due;

	mark(lane);
	pthread_mutex_lock(&lane->run->lock);
	due = sides_due(lane);
	pthread_mutex_unlock(&lane->run->lock);
	return due;
}

unsigned lane_pace(struct lane *lane)
{
	unsigned due;

	if (clock_us() - lane->pace_mark_us < LOOK_US)
		return 0;
	lane_pace_end(lane);
	pthread_mutex_lock(&lane->run->lock);
	if (lane->pace_us >= WINDOW_US) {
		judge(lane, 0);
		judge(lane, 1);
		lane->pace_us = 0;
		lane->pace[0] = lane->pace[1] = (struct pace){ 0 };
	}
	due = sides_due(lane);
	job_consider_lane(lane->run);
	pthread_mutex_unlock(&lane->run->lock);
	return due;
}

/* What cannot even begin is not tried again; the error is the connection's. */
int lane_compress(struct lane *lane, unsigned sides, struct err *err)
{
	for (unsigned side = 0; side < 2; side++) {
		struct store *store = side == 0 ? lane->src : lane->dst;

		if (!(sides & 1u << side) || store_compress(store, err) == 0)
			continue;
		pthread_mutex_lock(&lane->run->lock);
		lane->run->compress_bodies[side] = PAYS_NEVER;
		pthread_mutex_unlock(&lane->run->lock);
		return err_wrap(err, "%s", side_names[side]);
	}
	return 0;
}
