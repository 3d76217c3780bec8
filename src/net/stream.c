/* What all streams share: calling the layers, the one wait, and taking a stack apart. */
#include "net/stream.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/os.h"
#include "base/stop.h"

#include <errno.h>
#include <limits.h>

ssize_t stream_read(struct stream *stream, void *data, size_t size, struct err *err)
{
	return stream->ops->read(stream, data, size, err);
}

ssize_t stream_write(struct stream *stream, const void *data, size_t size, struct err *err)
{
	return stream->ops->write(stream, data, size, err);
}

int stream_flush(struct stream *stream, struct err *err)
{
	for (; stream; stream = stream->below) {
		if (!stream->ops->flush)
			continue;
		const int rc = stream->ops->flush(stream, err);
		if (rc != 0)
			return rc;
	}
	return 0;
}

bool stream_pending(const struct stream *stream)
{
	for (; stream; stream = stream->below)
		if (stream->ops->pending && stream->ops->pending(stream))
			return true;
	return false;
}

/* What the bottom must be able to do before the top can make progress with `want`. */
static int stream_needs(const struct stream *stream, int want)
{
	for (; stream; stream = stream->below)
		if (stream->ops->wants)
			want = stream->ops->wants(stream, want);
	return want;
}

struct stream_poll {
	struct pollfd fds[3]; /* the stop descriptor, the reading and the writing end */
	int want, read_needs, write_needs;
};

static void stream_poll_init(struct stream_poll *poll, const struct stream *stream, int want)
{
	const int read_needs = want & STREAM_READ ? stream_needs(stream, STREAM_READ) : 0;
	const int write_needs = want & STREAM_WRITE ? stream_needs(stream, STREAM_WRITE) : 0;
	const int needs = read_needs | write_needs;

	/* poll() skips negative descriptors, and takes the same one twice. */
	*poll = (struct stream_poll){
		.fds = {
			{ .fd = stop_fd(), .events = POLLIN },
			{ .fd = needs & STREAM_READ ? stream->read_fd : -1, .events = POLLIN },
			{ .fd = needs & STREAM_WRITE ? stream->write_fd : -1, .events = POLLOUT },
		},
		.want = want,
		.read_needs = read_needs,
		.write_needs = write_needs,
	};
}

/* An error or a hang-up counts as ready: the read or write that follows reports it better than poll() can. */
static int stream_poll_ready(const struct stream_poll *poll)
{
	const int got = (poll->fds[1].revents ? STREAM_READ : 0) |
			(poll->fds[2].revents ? STREAM_WRITE : 0);
	int ready = 0;

	if (poll->read_needs & got)
		ready |= STREAM_READ;
	if (poll->write_needs & got)
		ready |= STREAM_WRITE;
	return ready;
}

static int stream_poll_timeout(int64_t deadline)
{
	if (deadline == 0)
		return -1;

	const int64_t left = deadline - clock_ms();
	if (left <= 0)
		return 0;
	return left > INT_MAX ? INT_MAX : (int)left;
}

static int stream_late(int64_t waited_ms, struct err *err)
{
	if (waited_ms >= 1000)
		return err_set_kind(err, ERR_CONN, ERR_KIND_NETWORK, "no answer within %lld s",
			(long long)(waited_ms + 500) / 1000);
	return err_set_kind(err, ERR_CONN, ERR_KIND_NETWORK, "no answer within %lld ms",
		(long long)(waited_ms > 0 ? waited_ms : 0));
}

int stream_wait(struct stream *stream, int want, int64_t deadline, struct err *err)
{
	const int64_t patience = deadline > 0 ? deadline - clock_ms() : 0;
	struct stream_poll poll;

	if (stop_check(err) < 0)
		return -1;
	if ((want & STREAM_READ) && stream_pending(stream))
		return STREAM_READ;
	stream_poll_init(&poll, stream, want);

	const int count = os_poll(poll.fds, countof(poll.fds), stream_poll_timeout(deadline));
	if (count < 0)
		return err_set_errno(err, ERR_LOCAL, "cannot wait for the network");
	if (stop_check(err) < 0)
		return -1;
	if (count == 0)
		return stream_late(patience, err);
	return stream_poll_ready(&poll);
}

int stream_ready(struct stream *stream, int want)
{
	struct stream_poll poll;

	if ((want & STREAM_READ) && stream_pending(stream))
		return STREAM_READ;
	stream_poll_init(&poll, stream, want);
	poll.fds[0].fd = -1;
	if (os_poll(poll.fds, countof(poll.fds), 0) <= 0)
		return 0;
	return stream_poll_ready(&poll);
}

void stream_free(struct stream *stream)
{
	while (stream) {
		struct stream *below = stream->below;
		stream->ops->free(stream);
		stream = below;
	}
}
