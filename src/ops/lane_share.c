/* Several lanes at one mailbox, where a destination takes nothing but one synchronising literal after another. */
#include "ops/lane_parts.h"

#include "base/arena.h"
#include "base/log.h"
#include "base/stop.h"

#include <errno.h>

#define SLICE 32 /* messages taken at a time */
#define LOOK_AGAIN_MS 200 /* a stop is no signal to a condition: it is looked for this often */

/* Sets of flags are numbers of their owner's table: helpers get them as text. */
struct texts {
	const char *src, *dst, *lost;
};

struct share { /* of the owner's stack and arena; in run->shares under run->lock */
	struct share *next;
	const struct pass *pass; /* its snapshot of the source is read only */
	const struct item *item;
	const struct texts *text;
	size_t count, taken;
	uint32_t src_uidvalidity;
	unsigned helpers; /* at work */
	unsigned unsettled; /* what helpers left behind: see struct lane */
	bool again, closed;
};

void work_lock(struct pass *pass)
{
	pthread_mutex_lock(&pass->run->lock);
}

void work_unlock(struct pass *pass)
{
	pthread_mutex_unlock(&pass->run->lock);
}

bool lane_shares(const struct lane *lane, size_t count)
{
	unsigned lanes;

	pthread_mutex_lock(&lane->run->lock);
	lanes = lane->run->lanes;
	pthread_mutex_unlock(&lane->run->lock);
	return !(store_caps(lane->dst) & STORE_CAP_STREAMS) && !lane->run->settings->keep_order &&
	       !lane->run->settings->newest_first && lanes > 1 && count > SHARE_LEAST;
}

/* The next messages of a share: how many, 0 = none left. */
static size_t take_slice(struct run *run, struct share *share, size_t *from)
{
	size_t count;

	pthread_mutex_lock(&run->lock);
	count = share->closed ? 0 : share->count - share->taken;
	count = count > SLICE ? SLICE : count;
	*from = share->taken;
	share->taken += count;
	pthread_mutex_unlock(&run->lock);
	return count;
}

static void open_share(struct run *run, struct share *share)
{
	pthread_mutex_lock(&run->lock);
	share->next = run->shares;
	run->shares = share;
	pthread_cond_broadcast(&run->changed);
	pthread_mutex_unlock(&run->lock);
}

/* Nobody joins any more, and those who help are waited for. */
static void close_share(struct run *run, struct share *share)
{
	pthread_mutex_lock(&run->lock);
	share->closed = true;
	for (struct share **at = &run->shares; *at; at = &(*at)->next) {
		if (*at == share) {
			*at = share->next;
			break;
		}
	}
	while (share->helpers > 0)
		pthread_cond_wait(&run->changed, &run->lock);
	pthread_mutex_unlock(&run->lock);
}

static const struct texts *texts_of(
	struct lane *lane, struct pass *pass, const struct item *items, size_t count)
{
	struct texts *texts = arena_array(pass->arena, count, sizeof(*texts));

	for (size_t i = 0; i < count; i++) {
		texts[i].src = flags_text(lane->flags, items[i].src_flags);
		texts[i].dst = flags_text(lane->flags, items[i].dst_flags);
		texts[i].lost = flags_text(lane->flags, items[i].lost);
	}
	return texts;
}

int lane_share(struct lane *lane, struct pass *pass, const struct item *items, size_t count,
	struct err *err)
{
	struct share share = {
		.pass = pass,
		.item = items,
		.text = texts_of(lane, pass, items, count),
		.count = count,
		.src_uidvalidity = box_facts(pass->src_box)->uidvalidity,
	};
	size_t from, slice;
	int rc = 0;

	open_share(lane->run, &share);
	while (rc == 0 && !run_ended(lane->run) &&
		(slice = take_slice(lane->run, &share, &from)) > 0)
		rc = lane_copy_items(lane, pass, items + from, slice, err);
	close_share(lane->run, &share);
	pass->again |= share.again;
	lane->unsettled += share.unsettled;
	return rc;
}

/* One slice by a helper: as the owner does it, with flags of its own table. */
static int help_slice(struct lane *lane, struct pass *pass, const struct share *share, size_t from,
	size_t count, struct err *err)
{
	struct item items[SLICE];

	for (size_t i = 0; i < count; i++) {
		const struct texts *text = &share->text[from + i];

		items[i] = (struct item){
			.uid = share->item[from + i].uid,
			.src_flags = flags_parse(lane->flags, span_of(text->src)),
			.dst_flags = flags_parse(lane->flags, span_of(text->dst)),
			.lost = flags_parse(lane->flags, span_of(text->lost)),
		};
	}
	return lane_copy_items(lane, pass, items, count, err);
}

static int help_share(struct lane *lane, struct pass *pass, struct share *share, struct err *err)
{
	size_t from, count;

	if (lane_connect(lane, err) < 0)
		return -1;
	pass->src_box = store_open_box(lane->src, lane_mailbox_of(pass), STORE_READ, err);
	if (!pass->src_box)
		return -1;
	if (box_facts(pass->src_box)->uidvalidity != share->src_uidvalidity)
		return err_set(err, ERR_MAILBOX, "UIDVALIDITY changed meanwhile");
	while (!run_ended(lane->run) && (count = take_slice(lane->run, share, &from)) > 0) {
		if (help_slice(lane, pass, share, from, count, err) < 0) {
			pass->again = true;
			return -1;
		}
	}
	return 0;
}

/* False: this lane is of no use as a helper. */
static bool help(struct lane *lane, struct share *share)
{
	const struct pass *owner = share->pass;
	struct pass pass = {
		.run = lane->run,
		.work = owner->work,
		.arena = arena_new(),
		.src = owner->src,
		.dst_uidvalidity = owner->dst_uidvalidity,
		.dst_uidnext = owner->dst_uidnext,
	};
	struct err err = ERR_INIT;
	bool good;

	lane->unsettled = 0;
	good = help_share(lane, &pass, share, &err) == 0;
	if (!good) {
		log_info("%s: one lane less helps: %s", lane_mailbox_of(&pass), err.text);
		box_close(pass.src_box);
		pass.src_box = NULL;
		lane_disconnect(lane);
	}
	box_close(pass.src_box);
	arena_free(pass.arena);
	pthread_mutex_lock(&lane->run->lock);
	share->again |= pass.again;
	share->unsettled += lane->unsettled;
	share->helpers--;
	pthread_cond_broadcast(&lane->run->changed);
	pthread_mutex_unlock(&lane->run->lock);
	return good;
}

/* A share that wants help, joined; NULL: nothing is worked on any more. */
static struct share *join_share(struct run *run)
{
	struct share *share = NULL;

	pthread_mutex_lock(&run->lock);
	while (!share && run->busy > 0 && !run->ended && !stop_requested()) {
		struct timespec until;

		for (share = run->shares; share && share->taken == share->count;)
			share = share->next;
		if (share)
			break;
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += LOOK_AGAIN_MS * 1000000L;
		until.tv_sec += until.tv_nsec / 1000000000L;
		until.tv_nsec %= 1000000000L;
		pthread_cond_timedwait(&run->changed, &run->lock, &until);
	}
	if (share)
		share->helpers++;
	pthread_mutex_unlock(&run->lock);
	return share;
}

void lane_help(struct lane *lane)
{
	struct share *share;

	if (lane->run->settings->keep_order || !lane->dst ||
		(store_caps(lane->dst) & STORE_CAP_STREAMS))
		return;
	while ((share = join_share(lane->run))) {
		if (!help(lane, share))
			return;
	}
}
