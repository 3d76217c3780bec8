/* Through a proxy: SOCKS 5 (RFC 1928) with a user name and password (RFC 1929), and HTTP CONNECT (RFC 9110 §9.3.6). */
#include "net/dial_parts.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/text.h"
#include "net/secret.h"

#include <netinet/in.h>
#include <string.h>

#define REQUEST_CAP 4096
#define ANSWER_CAP 16384 /* of an HTTP proxy's header */

enum proxy_kind { PROXY_SOCKS5, PROXY_SOCKS5H, PROXY_HTTP };

static const struct {
	const char *prefix;
	enum proxy_kind kind;
	uint16_t port;
} proxy_schemes[] = {
	{ "socks5://", PROXY_SOCKS5, 1080 },
	{ "socks5h://", PROXY_SOCKS5H, 1080 },
	{ "http://", PROXY_HTTP, 8080 },
};

struct proxy {
	enum proxy_kind kind;
	char host[256];
	uint16_t port;
	struct buf user; /* decoded; empty = none */
	struct span password; /* borrowed from a struct secret */
	/* What it shall connect to. */
	const char *target;
	uint16_t target_port;
};

static int proxy_usage(const char *what, struct err *err)
{
	return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
		"proxy: %s: write socks5://[user@]host[:port], socks5h://… or http://…", what);
}

/* host[:port], the host perhaps in brackets. */
static int proxy_parse_host(struct proxy *proxy, struct span text, struct err *err)
{
	struct span host = text, port = span_make("", 0);
	uint32_t number = proxy->port;

	if (text.len > 0 && text.data[0] == '[') {
		const size_t end = span_find(text, ']');
		if (end == SIZE_MAX)
			return proxy_usage("a bracket is not closed", err);
		host = span_sub(text, 1, end - 1);
		port = span_from(text, end + 1);
	} else {
		const size_t colon = span_find(text, ':');
		if (colon != SIZE_MAX) {
			host = span_sub(text, 0, colon);
			port = span_from(text, colon);
		}
	}
	if (port.len > 0 && (port.data[0] != ':' || !span_u32(span_from(port, 1), &number) ||
				    number == 0 || number > 65535))
		return proxy_usage("the port is not a number from 1 to 65535", err);
	if (host.len == 0 || host.len >= sizeof(proxy->host) || memchr(host.data, ' ', host.len))
		return proxy_usage("the host is missing", err);
	memcpy(proxy->host, host.data, host.len);
	proxy->host[host.len] = '\0';
	proxy->port = (uint16_t)number;
	return 0;
}

static int proxy_parse(struct proxy *proxy, const char *url, struct err *err)
{
	struct span rest = span_of(url);
	size_t i = 0;

	while (i < countof(proxy_schemes) &&
		!span_starts_nocase(rest, span_of(proxy_schemes[i].prefix)))
		i++;
	if (i == countof(proxy_schemes))
		return proxy_usage("unknown kind", err);
	proxy->kind = proxy_schemes[i].kind;
	proxy->port = proxy_schemes[i].port;
	rest = span_from(rest, strlen(proxy_schemes[i].prefix));
	if (span_ends(rest, SPAN("/")))
		rest = span_sub(rest, 0, rest.len - 1);

	const size_t at = span_find(rest, '@');
	if (at != SIZE_MAX) {
		const struct span user = span_sub(rest, 0, at);
		if (span_find(user, ':') != SIZE_MAX)
			return proxy_usage(
				"the password belongs into proxy-pass-file or proxy-pass-cmd", err);
		if (percent_decode(user, &proxy->user) < 0)
			return proxy_usage("the user name is not percent-encoded correctly", err);
		rest = span_from(rest, at + 1);
	}
	return proxy_parse_host(proxy, rest, err);
}

static int proxy_send(struct stream *stream, struct span bytes, int64_t deadline, struct err *err)
{
	while (bytes.len > 0) {
		const ssize_t put = stream_write(stream, bytes.data, bytes.len, err);
		if (put == -1)
			return -1;
		if (put > 0)
			bytes = span_from(bytes, (size_t)put);
		else if (stream_wait(stream, STREAM_WRITE, deadline, err) < 0)
			return -1;
	}
	return 0;
}

/* Exactly size octets: what follows them belongs to the server behind. */
static int proxy_receive(
	struct stream *stream, void *data, size_t size, int64_t deadline, struct err *err)
{
	for (size_t have = 0; have < size;) {
		const ssize_t got = stream_read(stream, (char *)data + have, size - have, err);
		if (got == -1)
			return -1;
		if (got == 0)
			return err_set_kind(
				err, ERR_CONN, ERR_KIND_NETWORK, "the proxy closed the connection");
		if (got > 0)
			have += (size_t)got;
		else if (stream_wait(stream, STREAM_READ, deadline, err) < 0)
			return -1;
	}
	return 0;
}

static int proxy_refused_login(struct err *err)
{
	return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_AUTH,
		"the proxy refused the login: check the user in proxy= and proxy-pass-file");
}

/* RFC 1929 §2 */
static int socks_login(
	const struct proxy *proxy, struct stream *stream, int64_t deadline, struct err *err)
{
	unsigned char answer[2];
	char request[3 + 255 + 255];
	size_t len = 0;

	if (proxy->user.len == 0)
		return proxy_refused_login(err);
	if (proxy->user.len > 255 || proxy->password.len > 255)
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
			"proxy: SOCKS takes at most 255 octets of user name and password");
	request[len++] = 1;
	request[len++] = (char)proxy->user.len;
	memcpy(request + len, proxy->user.data, proxy->user.len);
	len += proxy->user.len;
	request[len++] = (char)proxy->password.len;
	memcpy(request + len, proxy->password.data, proxy->password.len);
	len += proxy->password.len;

	int rc = proxy_send(stream, span_make(request, len), deadline, err);
	secret_wipe(request, sizeof(request));
	if (rc == 0)
		rc = proxy_receive(stream, answer, sizeof(answer), deadline, err);
	if (rc == 0 && answer[1] != 0)
		return proxy_refused_login(err);
	return rc;
}

/* RFC 1928 §3 */
static int socks_greet(
	const struct proxy *proxy, struct stream *stream, int64_t deadline, struct err *err)
{
	const struct span hello = proxy->user.len > 0 ? SPAN("\5\2\0\2") : SPAN("\5\1\0");
	unsigned char answer[2];

	if (proxy_send(stream, hello, deadline, err) < 0 ||
		proxy_receive(stream, answer, sizeof(answer), deadline, err) < 0)
		return -1;
	if (answer[0] != 5)
		return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_NETWORK,
			"%s port %u is not a SOCKS 5 proxy", proxy->host, proxy->port);
	if (answer[1] == 0)
		return 0;
	if (answer[1] == 2)
		return socks_login(proxy, stream, deadline, err);
	return proxy_refused_login(err);
}

/* RFC 1928 §6 */
static int socks_refusal(const struct proxy *proxy, unsigned code, struct err *err)
{
	static const char *const reasons[] = {
		NULL,
		"general failure",
		"forbidden by its rules",
		"network unreachable",
		"host unreachable",
		"connection refused",
		"timed out",
		"command not supported",
		"address type not supported",
	};
	const char *reason =
		code < countof(reasons) && reasons[code] ? reasons[code] : "unknown reason";

	return err_set_kind(err, code == 2 ? ERR_ACCOUNT : ERR_CONN, ERR_KIND_NETWORK,
		"the proxy cannot connect to %s port %u: %s", proxy->target, proxy->target_port,
		reason);
}

/* The address part of a request (RFC 1928 §5): numeric as such, else the name for the proxy to resolve. Returns its length. */
static size_t socks_address(
	const struct proxy *proxy, const struct dial_address *address, unsigned char *out)
{
	if (address && address->storage.ss_family == AF_INET) {
		out[0] = 1;
		memcpy(out + 1, &((const struct sockaddr_in *)&address->storage)->sin_addr, 4);
		return 5;
	}
	if (address) {
		out[0] = 4;
		memcpy(out + 1, &((const struct sockaddr_in6 *)&address->storage)->sin6_addr, 16);
		return 17;
	}

	const size_t len = strlen(proxy->target); /* at most 255: dial() checked */
	out[0] = 3;
	out[1] = (unsigned char)len;
	memcpy(out + 2, proxy->target, len);
	return 2 + len;
}

/* RFC 1928 §4, §6. address NULL: the proxy resolves. */
static int socks_connect(const struct proxy *proxy, struct stream *stream,
	const struct dial_address *address, int64_t deadline, struct err *err)
{
	unsigned char request[4 + 1 + 255 + 2] = { 5, 1, 0 };
	unsigned char answer[256 + 2];
	size_t len = 3 + socks_address(proxy, address, request + 3);

	request[len++] = (unsigned char)(proxy->target_port >> 8);
	request[len++] = (unsigned char)(proxy->target_port & 0xff);
	if (proxy_send(stream, span_make((const char *)request, len), deadline, err) < 0)
		return -1;
	if (proxy_receive(stream, answer, 4, deadline, err) < 0)
		return -1;
	if (answer[0] != 5 || answer[1] != 0)
		return socks_refusal(proxy, answer[1], err);

	/* The bound address is of no use, but has to be read. */
	unsigned char size = 4;
	if (answer[3] == 4)
		size = 16;
	if (answer[3] == 3 && proxy_receive(stream, &size, 1, deadline, err) < 0)
		return -1;
	return proxy_receive(stream, answer, (size_t)size + 2, deadline, err);
}

static int http_request(const struct proxy *proxy, struct buf *out)
{
	const bool v6 = strchr(proxy->target, ':') != NULL;
	const char *open = v6 ? "[" : "", *close = v6 ? "]" : "";
	struct buf login, coded;
	int rc = buf_print(out, "CONNECT %s%s%s:%u HTTP/1.1\r\nHost: %s%s%s:%u\r\n", open,
		proxy->target, close, proxy->target_port, open, proxy->target, close,
		proxy->target_port);

	buf_init(&login, REQUEST_CAP);
	buf_init(&coded, REQUEST_CAP);
	if (rc == 0 && proxy->user.len > 0) { /* RFC 7617 §2 */
		if (buf_add(&login, buf_span(&proxy->user)) < 0 || buf_add_char(&login, ':') < 0 ||
			buf_add(&login, proxy->password) < 0 ||
			base64_encode(buf_span(&login), &coded) < 0 ||
			buf_add(out, SPAN("Proxy-Authorization: Basic ")) < 0 ||
			buf_add(out, buf_span(&coded)) < 0 || buf_add(out, SPAN("\r\n")) < 0)
			rc = -1;
	}
	secret_wipe(login.data, login.room);
	secret_wipe(coded.data, coded.room);
	buf_release(&login);
	buf_release(&coded);
	return rc == 0 ? buf_add(out, SPAN("\r\n")) : -1;
}

static int http_judge(const struct proxy *proxy, struct span answer, struct err *err)
{
	const size_t space = span_find(answer, ' ');
	uint32_t status = 0;

	if (!span_starts(answer, SPAN("HTTP/1.")) || space == SIZE_MAX ||
		!span_u32(span_sub(answer, space + 1, 3), &status))
		return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_NETWORK,
			"%s port %u is not an HTTP proxy", proxy->host, proxy->port);
	if (status >= 200 && status <= 299)
		return 0;
	if (status == 407)
		return proxy_refused_login(err);
	return err_set_kind(err, status == 403 || status == 405 ? ERR_ACCOUNT : ERR_CONN,
		ERR_KIND_NETWORK, "the proxy cannot connect to %s port %u: status %u",
		proxy->target, proxy->target_port, status);
}

static int http_connect(
	const struct proxy *proxy, struct stream *stream, int64_t deadline, struct err *err)
{
	struct buf text;
	int rc = -1;

	buf_init(&text, ANSWER_CAP);
	if (http_request(proxy, &text) < 0) {
		err_set_kind(
			err, ERR_LOCAL, ERR_KIND_USAGE, "proxy: user name or password too long");
		goto out;
	}
	if (proxy_send(stream, buf_span(&text), deadline, err) < 0)
		goto out;
	secret_wipe(text.data, text.room);
	buf_clear(&text);

	/* Octet by octet: what follows the empty line is the server's greeting. */
	while (!span_ends(buf_span(&text), SPAN("\r\n\r\n"))) {
		char byte = 0;
		if (proxy_receive(stream, &byte, 1, deadline, err) < 0)
			goto out;
		if (buf_add_char(&text, byte) < 0) {
			err_set_kind(
				err, ERR_CONN, ERR_KIND_NETWORK, "the proxy's answer is too long");
			goto out;
		}
	}
	rc = http_judge(proxy, buf_span(&text), err);
out:
	secret_wipe(text.data, text.room);
	buf_release(&text);
	return rc;
}

/* One connection to the proxy, and through it to the target. */
static struct stream *proxy_open(const struct proxy *proxy, const struct dial_address *address,
	int64_t deadline, struct dial_facts *facts, struct err *err)
{
	struct stream *stream = dial_host(proxy->host, proxy->port, deadline, facts, err);
	int rc;

	if (!stream) {
		err_wrap(err, "proxy");
		return NULL;
	}
	if (proxy->kind == PROXY_HTTP)
		rc = http_connect(proxy, stream, deadline, err);
	else
		rc = socks_greet(proxy, stream, deadline, err) < 0
			     ? -1
			     : socks_connect(proxy, stream, address, deadline, err);
	if (rc == 0)
		return stream;
	stream_free(stream);
	return NULL;
}

/* A numeric target needs no resolving at either end; a name does, here with socks5://. */
static int proxy_target(
	const struct proxy *proxy, int64_t deadline, struct dial_addresses *out, struct err *err)
{
	out->count = 0;
	if (proxy->kind != PROXY_SOCKS5)
		return 0;
	return dial_resolve(proxy->target, proxy->target_port, deadline, out, err);
}

struct stream *dial_proxy(const struct dial_options *options, int64_t deadline,
	struct dial_facts *facts, struct err *err)
{
	struct proxy proxy = { .target = options->host,
		.target_port = options->port,
		.password = secret_bytes(options->proxy_password) };
	struct dial_addresses addresses;
	struct stream *stream = NULL;

	buf_init(&proxy.user, REQUEST_CAP / 8);
	if (proxy_parse(&proxy, options->proxy, err) < 0 ||
		proxy_target(&proxy, deadline, &addresses, err) < 0)
		goto out;
	if (addresses.count == 0) {
		stream = proxy_open(&proxy, NULL, deadline, facts, err);
		goto out;
	}
	for (int i = 0; i < addresses.count && !stream; i++) {
		err_clear(err);
		stream = proxy_open(&proxy, &addresses.list[i], deadline, facts, err);
		/* Another address helps only where the proxy tried this one in vain. */
		if (!stream && (!err || err->scope != ERR_CONN))
			break;
	}
out:
	buf_release(&proxy.user);
	return stream;
}
