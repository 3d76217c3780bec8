#include "ops/meter.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/span.h"
#include "base/text.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define METER_SAMPLES 11 /* one a second: the rate of the last ten seconds */

struct sample {
	int64_t ms;
	uint64_t messages, bytes;
};

struct meter {
	pthread_mutex_t lock;
	struct meter_view now;
	uint64_t estimate; /* messages of mailboxes not yet planned */
	unsigned working; /* mailboxes begun and not ended */
	struct sample sample[METER_SAMPLES];
	size_t samples; /* taken so far */
	int64_t began_ms;
};

struct meter *meter_new(void)
{
	struct meter *meter = mem_alloc(sizeof(*meter));

	pthread_mutex_init(&meter->lock, NULL);
	meter->began_ms = clock_ms();
	return meter;
}

void meter_free(struct meter *meter)
{
	if (!meter)
		return;
	pthread_mutex_destroy(&meter->lock);
	mem_free(meter);
}

void meter_total(struct meter *meter, uint64_t mailboxes, uint64_t messages_estimate)
{
	pthread_mutex_lock(&meter->lock);
	meter->now.mailboxes_total += mailboxes;
	meter->now.scanned_total += messages_estimate;
	pthread_mutex_unlock(&meter->lock);
}

void meter_plan(struct meter *meter, uint64_t messages, uint64_t bytes)
{
	pthread_mutex_lock(&meter->lock);
	meter->now.messages_total += messages;
	meter->now.bytes_total += bytes;
	pthread_mutex_unlock(&meter->lock);
}

void meter_done(struct meter *meter, uint64_t messages, uint64_t bytes)
{
	pthread_mutex_lock(&meter->lock);
	meter->now.messages += messages;
	meter->now.bytes += bytes;
	pthread_mutex_unlock(&meter->lock);
}

void meter_scanned(struct meter *meter, uint64_t messages)
{
	pthread_mutex_lock(&meter->lock);
	meter->now.scanned += messages;
	pthread_mutex_unlock(&meter->lock);
}

void meter_error(struct meter *meter, uint64_t count)
{
	pthread_mutex_lock(&meter->lock);
	meter->now.errors += count;
	pthread_mutex_unlock(&meter->lock);
}

void meter_mailbox(struct meter *meter, const char *name)
{
	pthread_mutex_lock(&meter->lock);
	text_shown(span_of(name), meter->now.mailbox);
	meter->working++;
	pthread_mutex_unlock(&meter->lock);
}

void meter_mailbox_done(struct meter *meter)
{
	pthread_mutex_lock(&meter->lock);
	meter->now.mailboxes++;
	if (meter->working > 0 && --meter->working == 0)
		meter->now.mailbox[0] = '\0';
	pthread_mutex_unlock(&meter->lock);
}

void meter_users(struct meter *meter, uint64_t total)
{
	pthread_mutex_lock(&meter->lock);
	meter->now.users_total = total;
	pthread_mutex_unlock(&meter->lock);
}

void meter_user(struct meter *meter)
{
	pthread_mutex_lock(&meter->lock);
	meter->now.users_running++;
	pthread_mutex_unlock(&meter->lock);
}

void meter_user_done(struct meter *meter)
{
	pthread_mutex_lock(&meter->lock);
	meter->now.users_running--;
	meter->now.users++;
	pthread_mutex_unlock(&meter->lock);
}

void meter_note(struct meter *meter, const char *note)
{
	pthread_mutex_lock(&meter->lock);
	snprintf(meter->now.note, sizeof(meter->now.note), "%s", note ? note : "");
	pthread_mutex_unlock(&meter->lock);
}

/* Seconds left by what remains and the pace of the last seconds; -1 while either is not known. */
static int64_t time_left(const struct meter *meter, const struct meter_view *view)
{
	double left = 0;

	if (view->scanned < view->scanned_total || meter->samples < 4)
		return -1;
	/* What users hold whose turn has not come is not known. */
	if (view->users + view->users_running < view->users_total)
		return -1;
	if (view->bytes_total > view->bytes) {
		if (view->bytes_per_second < 1)
			return -1;
		left = (double)(view->bytes_total - view->bytes) / view->bytes_per_second;
	}
	if (view->messages_total > view->messages) {
		double by_count;

		if (view->messages_per_second <= 0)
			return -1;
		by_count =
			(double)(view->messages_total - view->messages) / view->messages_per_second;
		left = by_count > left ? by_count : left;
	}
	return left < 1e9 ? (int64_t)(left + 0.5) : -1;
}

void meter_view(struct meter *meter, struct meter_view *out)
{
	int64_t now = clock_ms();
	const struct sample *oldest;
	double seconds;

	pthread_mutex_lock(&meter->lock);
	if (meter->samples == 0 ||
		now - meter->sample[(meter->samples - 1) % METER_SAMPLES].ms >= 1000) {
		meter->sample[meter->samples % METER_SAMPLES] =
			(struct sample){ now, meter->now.messages, meter->now.bytes };
		meter->samples++;
	}
	*out = meter->now;
	oldest =
		&meter->sample[meter->samples > METER_SAMPLES ? meter->samples % METER_SAMPLES : 0];
	seconds = (double)(now - oldest->ms) / 1000;
	if (seconds > 0.2) {
		out->bytes_per_second = (double)(out->bytes - oldest->bytes) / seconds;
		out->messages_per_second = (double)(out->messages - oldest->messages) / seconds;
	}
	out->left_s = time_left(meter, out);
	pthread_mutex_unlock(&meter->lock);
}
