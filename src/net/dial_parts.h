/*
 * The parts of dial(): names to addresses, addresses to a connected descriptor, what proxies want to hear, tunnel commands.
 * For src/net/dial*.c only.
 *
 * Owner: the caller of each. Threads: any.
 */
#ifndef NET_DIAL_PARTS_H
#define NET_DIAL_PARTS_H

#include "net/dial.h"

#include <sys/socket.h>

#define DIAL_ADDRESS_CAP 16 /* more addresses of one name are not tried */

struct dial_address {
	struct sockaddr_storage storage;
	socklen_t size;
};

struct dial_addresses {
	struct dial_address list[DIAL_ADDRESS_CAP];
	int count;
};

/*
 * Addresses of host in the order to try them, families alternating (RFC 8305 §4). getaddrinfo() runs in a thread of its own, which is
 * abandoned at the deadline (clock_ms() based, 0 = none) or a stop.
 */
int dial_resolve(const char *host, uint16_t port, int64_t deadline, struct dial_addresses *out,
	struct err *err) MUST_CHECK;
/* The numeric form, without the port. */
void dial_address_text(const struct dial_address *address, char *out, size_t size);
/* A connected, non-blocking descriptor, or -1. name and port are for the error text; the winner's place is stored in which. */
int dial_race(const struct dial_addresses *addresses, const char *name, uint16_t port,
	int64_t deadline, int *which, struct err *err) MUST_CHECK;

/* resolve + race + facts. */
struct stream *dial_host(const char *host, uint16_t port, int64_t deadline,
	struct dial_facts *facts, struct err *err);
struct stream *dial_proxy(const struct dial_options *options, int64_t deadline,
	struct dial_facts *facts, struct err *err);
struct stream *dial_tunnel(const char *command, struct err *err);

#endif
