/* Names to addresses. getaddrinfo() cannot be interrupted, so it runs in a thread that is left behind when the wait for it ends early. */
#include "net/dial_parts.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/os.h"
#include "base/stop.h"

#include <limits.h>
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define RESOLVE_STACK ((size_t)512 << 10)

/* Shared by the thread and whoever waits for it; the last one frees it. */
struct resolve {
	atomic_int users;
	atomic_bool done;
	int done_fd;
	char *host;
	char port[8];
	int status; /* EAI_*, valid when done */
	struct addrinfo *found;
};

static void resolve_leave(struct resolve *resolve)
{
	if (atomic_fetch_sub(&resolve->users, 1) > 1)
		return;
	if (resolve->found)
		freeaddrinfo(resolve->found);
	(void)os_close(resolve->done_fd);
	mem_free(resolve->host);
	mem_free(resolve);
}

static void *resolve_thread(void *argument)
{
	struct resolve *resolve = argument;
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	const uint64_t one = 1;

	resolve->status = getaddrinfo(resolve->host, resolve->port, &hints, &resolve->found);
	atomic_store(&resolve->done, true);
	(void)!write(resolve->done_fd, &one, sizeof(one));
	resolve_leave(resolve);
	return NULL;
}

static int resolve_start(struct resolve *resolve, struct err *err)
{
	pthread_attr_t attributes;
	pthread_t thread;

	(void)pthread_attr_init(&attributes);
	(void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	(void)pthread_attr_setstacksize(&attributes, RESOLVE_STACK);
	atomic_store(&resolve->users, 2);
	const int rc = pthread_create(&thread, &attributes, resolve_thread, resolve);
	(void)pthread_attr_destroy(&attributes);
	if (rc == 0)
		return 0;
	atomic_store(&resolve->users, 1);
	return err_set(err, ERR_LOCAL, "cannot start a thread to look up %s: %s", resolve->host,
		strerror(rc));
}

static int resolve_wait(struct resolve *resolve, int64_t deadline, struct err *err)
{
	while (!atomic_load(&resolve->done)) {
		const int64_t left = deadline > 0 ? deadline - clock_ms() : INT_MAX;
		struct pollfd fds[] = {
			{ .fd = stop_fd(), .events = POLLIN },
			{ .fd = resolve->done_fd, .events = POLLIN },
		};

		if (stop_check(err) < 0)
			return -1;
		if (left <= 0)
			return err_set_kind(err, ERR_CONN, ERR_KIND_NETWORK,
				"looking up %s took too long: is the name server reachable?",
				resolve->host);
		if (os_poll(fds, countof(fds), deadline > 0 && left < INT_MAX ? (int)left : -1) < 0)
			return err_set_errno(err, ERR_LOCAL, "cannot wait for the name server");
	}
	return stop_check(err);
}

static int resolve_fail(const char *host, int status, struct err *err)
{
	if (status == EAI_AGAIN)
		return err_set_kind(err, ERR_CONN, ERR_KIND_NETWORK,
			"cannot look up %s now: the name server does not answer", host);
	if (status == EAI_NONAME || status == EAI_NODATA)
		return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_NETWORK,
			"unknown host %s: check the name", host);
	if (status == EAI_SYSTEM)
		return err_set_errno(err, ERR_CONN, "cannot look up %s", host);
	return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_NETWORK, "cannot look up %s: %s", host,
		gai_strerror(status));
}

static void address_add(struct dial_addresses *out, const struct addrinfo *info)
{
	struct dial_address *address = &out->list[out->count];

	memcpy(&address->storage, info->ai_addr, info->ai_addrlen);
	address->size = info->ai_addrlen;
	out->count++;
}

/* RFC 8305 §4: the resolver's order within a family is kept, and the families take turns, that of the first address first. */
static void addresses_interleave(const struct addrinfo *found, struct dial_addresses *out)
{
	const struct addrinfo *same = found, *other = found;
	const int family = found->ai_family;

	out->count = 0;
	while ((same || other) && out->count < DIAL_ADDRESS_CAP) {
		while (same && same->ai_family != family)
			same = same->ai_next;
		while (other &&
			(other->ai_family == family ||
				(other->ai_family != AF_INET && other->ai_family != AF_INET6)))
			other = other->ai_next;
		if (same) {
			address_add(out, same);
			same = same->ai_next;
		}
		if (other && out->count < DIAL_ADDRESS_CAP) {
			address_add(out, other);
			other = other->ai_next;
		}
	}
}

/* A numeric address needs no name server and no thread. */
static bool resolve_numeric(const char *host, const char *port, struct dial_addresses *out)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };
	struct addrinfo *found = NULL;

	if (getaddrinfo(host, port, &hints, &found) != 0)
		return false;
	addresses_interleave(found, out);
	freeaddrinfo(found);
	return true;
}

/* RFC 6761 §6.4: names under .invalid do not exist, whatever a name server out of reach might say. */
static bool host_is_invalid(const char *host)
{
	return span_ends(span_of(host), SPAN(".invalid"));
}

int dial_resolve(const char *host, uint16_t port, int64_t deadline, struct dial_addresses *out,
	struct err *err)
{
	char service[8];
	int rc = -1;

	(void)snprintf(service, sizeof(service), "%u", port);
	if (resolve_numeric(host, service, out))
		return 0;
	if (host_is_invalid(host))
		return resolve_fail(host, EAI_NONAME, err);

	struct resolve *resolve = mem_alloc(sizeof(*resolve));
	resolve->host = mem_strdup(host);
	memcpy(resolve->port, service, sizeof(service));
	atomic_init(&resolve->users, 1);
	resolve->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (resolve->done_fd < 0) {
		err_set_errno(err, ERR_LOCAL, "cannot look up %s", host);
		goto out;
	}
	if (resolve_start(resolve, err) < 0 || resolve_wait(resolve, deadline, err) < 0)
		goto out;
	if (resolve->status != 0 || !resolve->found) {
		resolve_fail(host, resolve->status ? resolve->status : EAI_NONAME, err);
		goto out;
	}
	addresses_interleave(resolve->found, out);
	rc = 0;
out:
	resolve_leave(resolve);
	return rc;
}

void dial_address_text(const struct dial_address *address, char *out, size_t size)
{
	if (getnameinfo((const struct sockaddr *)&address->storage, address->size, out,
		    (socklen_t)size, NULL, 0, NI_NUMERICHOST) != 0)
		(void)snprintf(out, size, "?");
}
