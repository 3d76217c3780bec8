/* dial(): chooses the way (direct, proxy, tunnel) and races the addresses of a name against each other (RFC 8305). */
#include "net/dial_parts.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/os.h"
#include "base/stop.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#define ATTEMPT_DELAY_MS 250 /* RFC 8305 §5, Connection Attempt Delay */

struct attempt {
	int fd;
	int which;
};

struct race {
	const struct dial_addresses *addresses;
	struct attempt active[DIAL_ADDRESS_CAP];
	int active_count;
	int next; /* address to try next */
	int64_t next_at;
	int worst; /* errno of the most telling failure so far */
};

/* A refusal by one address says more than a missing route to another. */
static int errno_weight(int error)
{
	if (error == ECONNREFUSED || error == ECONNRESET)
		return 3;
	if (error == ETIMEDOUT)
		return 2;
	return error == 0 ? 0 : 1;
}

static void race_note(struct race *race, int error)
{
	if (errno_weight(error) > errno_weight(race->worst))
		race->worst = error;
	race->next_at = 0; /* no reason to let the next one wait */
}

static int race_fail(const struct race *race, const char *name, uint16_t port, struct err *err)
{
	switch (race->worst) {
	case ECONNREFUSED:
	case ECONNRESET:
		return err_set_kind(err, ERR_CONN, ERR_KIND_NETWORK,
			"%s refused the connection on port %u: is the port right and the server running?",
			name, port);
	case ETIMEDOUT:
		return err_set_kind(err, ERR_CONN, ERR_KIND_NETWORK,
			"%s port %u does not answer: is the name right, or a firewall in the way?",
			name, port);
	case ENETUNREACH:
	case EHOSTUNREACH:
	case EADDRNOTAVAIL:
		return err_set_kind(err, ERR_CONN, ERR_KIND_NETWORK,
			"%s port %u cannot be reached from here: is the network up?", name, port);
	default:
		errno = race->worst;
		err_set_errno(err, ERR_CONN, "cannot connect to %s port %u", name, port);
		if (err)
			err->kind = ERR_KIND_NETWORK;
		return -1;
	}
}

/* The descriptor when connected at once, else -1 (under way or failed). */
static int race_start_next(struct race *race)
{
	const int which = race->next++;
	const struct dial_address *address = &race->addresses->list[which];
	const int fd = os_socket(
		address->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	race->next_at = clock_ms() + ATTEMPT_DELAY_MS;
	if (fd < 0) {
		race_note(race, errno);
		return -1;
	}
	if (os_connect(fd, (const struct sockaddr *)&address->storage, address->size) == 0) {
		race->active[race->active_count++] = (struct attempt){ .fd = fd, .which = which };
		return fd;
	}
	if (errno != EINPROGRESS && errno != EINTR) {
		race_note(race, errno);
		(void)os_close(fd);
		return -1;
	}
	race->active[race->active_count++] = (struct attempt){ .fd = fd, .which = which };
	return -1;
}

static int race_sleep(struct race *race, struct pollfd *fds, int64_t deadline, struct err *err)
{
	int64_t until = deadline > 0 ? deadline : INT64_MAX;

	if (race->next < race->addresses->count && race->next_at < until)
		until = race->next_at;
	fds[0] = (struct pollfd){ .fd = stop_fd(), .events = POLLIN };
	for (int i = 0; i < race->active_count; i++)
		fds[1 + i] = (struct pollfd){ .fd = race->active[i].fd, .events = POLLOUT };

	const int64_t left = until == INT64_MAX ? -1 : until - clock_ms();
	int timeout = left > INT_MAX ? INT_MAX : (int)left;
	if (left < 0)
		timeout = until == INT64_MAX ? -1 : 0;
	if (os_poll(fds, 1 + (nfds_t)race->active_count, timeout) < 0)
		return err_set_errno(err, ERR_LOCAL, "cannot wait for the network");
	return 0;
}

/* Looks at the attempts that poll() named. The winner's descriptor or -1; failed ones are closed and forgotten. */
static int race_look(struct race *race, const struct pollfd *fds)
{
	int kept = 0, winner = -1;

	for (int i = 0; i < race->active_count; i++) {
		struct attempt attempt = race->active[i];
		int error = 0;
		socklen_t size = sizeof(error);

		if (winner < 0 && fds[1 + i].revents) {
			if (getsockopt(attempt.fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
				error = errno;
			if (error == 0) {
				winner = attempt.fd;
			} else {
				race_note(race, error);
				(void)os_close(attempt.fd);
				continue;
			}
		}
		race->active[kept++] = attempt;
	}
	race->active_count = kept;
	return winner;
}

static int race_run(
	struct race *race, const char *name, uint16_t port, int64_t deadline, struct err *err)
{
	const int64_t begin = clock_ms();
	struct pollfd fds[1 + DIAL_ADDRESS_CAP];

	for (;;) {
		if (stop_check(err) < 0)
			return -1;
		if (race->next < race->addresses->count &&
			(race->active_count == 0 || clock_ms() >= race->next_at)) {
			const int fd = race_start_next(race);
			if (fd >= 0)
				return fd;
			continue;
		}
		if (race->active_count == 0)
			return race_fail(race, name, port, err);
		if (deadline > 0 && clock_ms() >= deadline)
			return err_set_kind(err, ERR_CONN, ERR_KIND_NETWORK,
				"%s port %u does not answer within %lld s: is the name right, or a firewall in the way?",
				name, port, (long long)(clock_ms() - begin + 500) / 1000);
		if (race_sleep(race, fds, deadline, err) < 0)
			return -1;
		const int fd = race_look(race, fds);
		if (fd >= 0)
			return fd;
	}
}

int dial_race(const struct dial_addresses *addresses, const char *name, uint16_t port,
	int64_t deadline, int *which, struct err *err)
{
	struct race race = { .addresses = addresses };
	const int winner = race_run(&race, name, port, deadline, err);

	for (int i = 0; i < race.active_count; i++) {
		if (race.active[i].fd == winner)
			*which = race.active[i].which;
		else
			(void)os_close(race.active[i].fd);
	}
	return winner;
}

static void socket_tune(int fd)
{
	const int on = 1, idle_s = 60;

	/* Commands are gathered by the wire; waiting for more (Nagle) only costs round trips. A dead peer shows within minutes. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
}

struct stream *dial_host(const char *host, uint16_t port, int64_t deadline,
	struct dial_facts *facts, struct err *err)
{
	struct dial_addresses addresses;
	int which = 0;

	const int64_t begin = clock_us();
	if (dial_resolve(host, port, deadline, &addresses, err) < 0)
		return NULL;
	const int64_t resolved = clock_us();
	facts->address_count = addresses.count;
	facts->resolve_us = resolved - begin;
	const int fd = dial_race(&addresses, host, port, deadline, &which, err);
	if (fd < 0)
		return NULL;

	socket_tune(fd);
	dial_address_text(&addresses.list[which], facts->address, sizeof(facts->address));
	facts->connect_us = clock_us() - resolved;
	return stream_socket_new(fd, -1, 0);
}

/* A host name travels into proxy requests and messages: nothing in it may end a line or a word there. */
static bool host_is_sane(const char *host)
{
	if (!host || !*host || strlen(host) > 255)
		return false;
	for (const unsigned char *at = (const unsigned char *)host; *at; at++)
		if (*at <= ' ' || *at == 0x7f || *at == '/' || *at == '@')
			return false;
	return true;
}

struct stream *dial(const struct dial_options *options, struct dial_facts *facts, struct err *err)
{
	const int64_t deadline = options->timeout_ms > 0 ? clock_ms() + options->timeout_ms : 0;
	struct dial_facts unused;
	struct stream *stream;

	if (!facts)
		facts = &unused;
	*facts = (struct dial_facts){ .address_count = 0 };
	if (!options->tunnel && !host_is_sane(options->host)) {
		err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE, "that is not a host name");
		return NULL;
	}
	if (options->tunnel)
		stream = dial_tunnel(options->tunnel, err);
	else if (options->proxy)
		stream = dial_proxy(options, deadline, facts, err);
	else
		stream = dial_host(options->host, options->port, deadline, facts, err);
	if (stream && stream_trace_on())
		stream = stream_tee_new(
			stream, options->trace_label ? options->trace_label : "imap");
	return stream;
}
