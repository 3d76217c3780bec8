/*
 * From a host name to a connected stream: resolve, race IPv6 and IPv4 (RFC 8305), go through a proxy, or start a tunnel command.
 *
 * Owner: the caller owns the stream returned. Threads: any.
 */
#ifndef NET_DIAL_H
#define NET_DIAL_H

#include "net/stream.h"

struct secret;

struct dial_options {
	const char *host;
	uint16_t port;
	/* "socks5://[user@]host[:port]", "socks5h://…" (the proxy resolves), "http://…" (CONNECT); NULL = none */
	const char *proxy;
	const struct secret *proxy_password;
	/* a command speaking IMAP on its standard streams, given to /bin/sh -c as the user wrote it; NULL = none */
	const char *tunnel;
	const char *trace_label; /* for --trace: "src", "dst" */
	int64_t timeout_ms; /* for the whole of it */
};

struct dial_facts {
	char address[64]; /* numeric, the one that answered */
	int address_count;
	int64_t resolve_us, connect_us;
};

/* NULL: unknown host (ERR_ACCOUNT), refused, unreachable, timed out (ERR_CONN), all kind NETWORK, with a next step in the text. */
struct stream *dial(const struct dial_options *options, struct dial_facts *facts, struct err *err);

#endif
