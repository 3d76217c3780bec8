/* From a name to a stream: refusals in words, racing addresses, proxies of our own in a thread, tunnels. */
#include "net/dial.h"
#include "net/dial_parts.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/stop.h"
#include "net/secret.h"
#include "net/wire.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE 5000

static int listener(int family, int backlog, uint16_t *port_out)
{
	struct sockaddr_storage storage = { .ss_family = (sa_family_t)family };
	struct sockaddr_in *v4 = (struct sockaddr_in *)&storage;
	socklen_t size = family == AF_INET ? sizeof(*v4) : sizeof(struct sockaddr_in6);
	const int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (family == AF_INET)
		v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else
		((struct sockaddr_in6 *)&storage)->sin6_addr = in6addr_loopback;
	if (fd < 0 || bind(fd, (struct sockaddr *)&storage, size) < 0) {
		if (fd >= 0)
			(void)close(fd);
		return -1;
	}
	assert_int_equal(listen(fd, backlog), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&storage, &size), 0);
	*port_out = ntohs(v4->sin_port); /* at the same place in both */
	return fd;
}

static struct stream *try_dial(
	const char *host, uint16_t port, struct dial_facts *facts, struct err *err)
{
	const struct dial_options options = { .host = host, .port = port, .timeout_ms = PATIENCE };

	*err = ERR_INIT;
	return dial(&options, facts, err);
}

static void test_connects(void **state)
{
	struct dial_facts facts;
	struct err err;
	uint16_t port;
	const int fd = listener(AF_INET, 5, &port);

	(void)state;
	/* localhost may be ::1 first, where nobody listens. */
	struct stream *stream = try_dial("localhost", port, &facts, &err);
	if (!stream)
		fail_msg("%s", err.text);
	assert_string_equal(facts.address, "127.0.0.1");
	assert_true(facts.address_count >= 1);
	stream_free(stream);
	stream = try_dial("127.0.0.1", port, &facts, &err);
	assert_non_null(stream);
	assert_int_equal(facts.address_count, 1);
	stream_free(stream);
	(void)close(fd);
}

static void test_refused(void **state)
{
	struct dial_facts facts;
	struct err err;
	uint16_t port;
	const int fd = listener(AF_INET, 5, &port);

	(void)state;
	(void)close(fd);
	assert_null(try_dial("127.0.0.1", port, &facts, &err));
	assert_int_equal(err.scope, ERR_CONN);
	assert_int_equal(err.kind, ERR_KIND_NETWORK);
	assert_non_null(strstr(err.text, "127.0.0.1 refused the connection"));
}

static void test_unknown_host(void **state)
{
	struct dial_facts facts;
	struct err err;

	(void)state;
	assert_null(try_dial("no-such-host.invalid", 993, &facts, &err));
	assert_int_equal(err.scope, ERR_ACCOUNT);
	assert_int_equal(err.kind, ERR_KIND_NETWORK);
	assert_non_null(strstr(err.text, "unknown host no-such-host.invalid"));
	assert_null(try_dial("a host\r\n", 993, &facts, &err));
	assert_int_equal(err.kind, ERR_KIND_USAGE);
	assert_null(try_dial("", 993, &facts, &err));
	assert_int_equal(err.kind, ERR_KIND_USAGE);
}

static struct dial_address loopback(uint16_t port)
{
	struct dial_address address = { .size = sizeof(struct sockaddr_in) };
	struct sockaddr_in *v4 = (struct sockaddr_in *)&address.storage;

	v4->sin_family = AF_INET;
	v4->sin_port = htons(port);
	v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return address;
}

/* A listener whose queue is full answers nothing, like a host that is down. */
static int deaf_listener(uint16_t *port_out, int *fillers, int count)
{
	const int fd = listener(AF_INET, 0, port_out);
	const struct dial_address address = loopback(*port_out);

	for (int i = 0; i < count; i++) {
		fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		(void)connect(fillers[i], (const struct sockaddr *)&address.storage, address.size);
	}
	return fd;
}

static void test_race(void **state)
{
	int fillers[4], which = -1;
	struct err err = ERR_INIT;
	uint16_t deaf_port = 0, port, closed_port;
	const int deaf = deaf_listener(&deaf_port, fillers, 4);
	const int good = listener(AF_INET, 5, &port);
	const int closed = listener(AF_INET, 5, &closed_port);

	(void)state;
	(void)close(closed);
	struct dial_addresses addresses = { .list = { loopback(deaf_port), loopback(port) },
		.count = 2 };
	int64_t begin = clock_ms();
	int fd = dial_race(&addresses, "mail.example", 993, begin + PATIENCE, &which, &err);
	assert_true(fd >= 0);
	assert_int_equal(which, 1);
	assert_true(clock_ms() - begin >= 240 && clock_ms() - begin < 2000);
	(void)close(fd);

	/* After a refusal the next one does not wait its turn. */
	addresses.list[0] = loopback(closed_port);
	begin = clock_ms();
	fd = dial_race(&addresses, "mail.example", 993, begin + PATIENCE, &which, &err);
	assert_true(fd >= 0);
	assert_int_equal(which, 1);
	assert_true(clock_ms() - begin < 200);
	(void)close(fd);

	addresses.list[0] = loopback(deaf_port);
	addresses.count = 1;
	assert_int_equal(
		dial_race(&addresses, "mail.example", 993, clock_ms() + 50, &which, &err), -1);
	assert_int_equal(err.scope, ERR_CONN);
	assert_non_null(strstr(err.text, "mail.example port 993 does not answer"));

	stop_request(0);
	assert_int_equal(
		dial_race(&addresses, "mail.example", 993, clock_ms() + PATIENCE, &which, &err),
		-1);
	assert_int_equal(err.scope, ERR_STOPPED);
	stop_reset();
	for (int i = 0; i < 4; i++)
		(void)close(fillers[i]);
	(void)close(deaf);
	(void)close(good);
}

/* A proxy that is a script: what it must hear, what it says, in turn. */
struct line {
	const char *hears;
	size_t hears_len;
	const char *says;
	size_t says_len;
};
#define HEARS(h, s)                                \
	{                                          \
		h, sizeof(h) - 1, s, sizeof(s) - 1 \
	}

struct proxy_script {
	int listener;
	const struct line *lines;
	size_t count;
	bool matched;
	pthread_t thread;
};

static void *proxy_run(void *argument)
{
	struct proxy_script *script = argument;
	const int fd = accept(script->listener, NULL, NULL);
	char heard[512];

	script->matched = true;
	for (size_t i = 0; i < script->count; i++) {
		const struct line *line = &script->lines[i];
		size_t have = 0;
		while (have < line->hears_len) {
			const ssize_t got = read(fd, heard + have, line->hears_len - have);
			if (got <= 0)
				break;
			have += (size_t)got;
		}
		if (have != line->hears_len || memcmp(heard, line->hears, have) != 0)
			script->matched = false;
		(void)!write(fd, line->says, line->says_len);
	}
	(void)close(fd);
	return NULL;
}

static struct stream *through_proxy(const char *scheme, const char *user, const char *host,
	const struct line *lines, size_t count, struct err *err)
{
	struct proxy_script script = { .lines = lines, .count = count };
	struct secret *password = secret_new(SPAN("s3cret"));
	char url[128];
	uint16_t port;

	*err = ERR_INIT;
	script.listener = listener(AF_INET, 5, &port);
	(void)snprintf(
		url, sizeof(url), "%s://%s%s127.0.0.1:%u", scheme, user, *user ? "@" : "", port);
	assert_int_equal(pthread_create(&script.thread, NULL, proxy_run, &script), 0);
	const struct dial_options options = { .host = host,
		.port = 993,
		.proxy = url,
		.proxy_password = password,
		.timeout_ms = PATIENCE };
	struct stream *stream = dial(&options, NULL, err);
	(void)pthread_join(script.thread, NULL);
	(void)close(script.listener);
	secret_free(password);
	assert_true(script.matched);
	return stream;
}

static void expect_greeting(struct stream *stream)
{
	assert_non_null(stream);
	struct wire *wire = wire_new(stream, PATIENCE);
	assert_int_equal(wire_wait(wire, NULL), 1);
	assert_true(span_equal(wire_peek(wire), SPAN("* OK\r\n")));
	wire_free(wire);
}

static void test_socks(void **state)
{
	static const struct line by_name[] = {
		HEARS("\5\1\0", "\5\0"),
		HEARS("\5\1\0\3\14mail.example\3\341", "\5\0\0\1\0\0\0\0\0\0* OK\r\n"),
	};
	static const struct line by_address[] = {
		HEARS("\5\2\0\2", "\5\2"),
		HEARS("\1\4anna\6s3cret", "\1\0"),
		HEARS("\5\1\0\1\300\0\2\1\3\341", "\5\0\0\3\4name\0\0* OK\r\n"),
	};
	static const struct line refuses[] = {
		HEARS("\5\1\0", "\5\0"),
		HEARS("\5\1\0\3\14mail.example\3\341", "\5\5\0\1\0\0\0\0\0\0"),
	};
	static const struct line no_login[] = {
		HEARS("\5\2\0\2", "\5\2"),
		HEARS("\1\4anna\6s3cret", "\1\1"),
	};
	static const struct line not_socks[] = { HEARS("\5\1\0", "HTTP/1.0 400") };
	struct err err;

	(void)state;
	expect_greeting(
		through_proxy("socks5h", "", "mail.example", by_name, countof(by_name), &err));
	expect_greeting(through_proxy(
		"socks5", "anna", "192.0.2.1", by_address, countof(by_address), &err));

	assert_null(through_proxy("socks5h", "", "mail.example", refuses, countof(refuses), &err));
	assert_int_equal(err.scope, ERR_CONN);
	assert_non_null(strstr(err.text, "mail.example port 993: connection refused"));
	assert_null(
		through_proxy("socks5", "anna", "192.0.2.1", no_login, countof(no_login), &err));
	assert_int_equal(err.scope, ERR_ACCOUNT);
	assert_int_equal(err.kind, ERR_KIND_AUTH);
	assert_null(strstr(err.text, "s3cret"));
	assert_null(
		through_proxy("socks5h", "", "mail.example", not_socks, countof(not_socks), &err));
	assert_non_null(strstr(err.text, "not a SOCKS 5 proxy"));
}

static void test_http(void **state)
{
	static const struct line fine[] = {
		HEARS("CONNECT mail.example:993 HTTP/1.1\r\nHost: mail.example:993\r\nProxy-Authorization: Basic YW5uYTpzM2NyZXQ=\r\n\r\n",
			"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n* OK\r\n"),
	};
	static const struct line login[] = {
		HEARS("CONNECT [2001:db8::1]:993 HTTP/1.1\r\nHost: [2001:db8::1]:993\r\n\r\n",
			"HTTP/1.1 407 Login\r\n\r\n"),
	};
	static const struct line bad_gateway[] = {
		HEARS("CONNECT mail.example:993 HTTP/1.1\r\nHost: mail.example:993\r\n\r\n",
			"HTTP/1.1 502 Bad Gateway\r\n\r\n"),
	};
	struct err err;

	(void)state;
	expect_greeting(through_proxy("http", "anna", "mail.example", fine, countof(fine), &err));
	assert_null(through_proxy("http", "", "2001:db8::1", login, countof(login), &err));
	assert_int_equal(err.kind, ERR_KIND_AUTH);
	assert_null(
		through_proxy("http", "", "mail.example", bad_gateway, countof(bad_gateway), &err));
	assert_int_equal(err.scope, ERR_CONN);
	assert_non_null(strstr(err.text, "502"));
}

static void test_proxy_usage(void **state)
{
	static const char *const bad[] = { "ftp://x", "socks5://", "socks5://x:0",
		"socks5://x:70000", "socks5://u:p@x", "http://[::1", "socks5://x:y" };

	(void)state;
	for (size_t i = 0; i < countof(bad); i++) {
		const struct dial_options options = {
			.host = "mail.example", .port = 993, .proxy = bad[i], .timeout_ms = PATIENCE
		};
		struct err err = ERR_INIT;
		assert_null(dial(&options, NULL, &err));
		assert_int_equal(err.scope, ERR_LOCAL);
		assert_int_equal(err.kind, ERR_KIND_USAGE);
	}
}

static struct wire *tunnel(const char *command)
{
	const struct dial_options options = { .tunnel = command, .timeout_ms = PATIENCE };
	struct stream *stream = dial(&options, NULL, NULL);

	assert_non_null(stream);
	return wire_new(stream, PATIENCE);
}

static void test_tunnel(void **state)
{
	struct wire *wire = tunnel("cat");

	(void)state;
	assert_int_equal(wire_put(wire, SPAN("A1 NOOP\r\n"), NULL), 0);
	assert_int_equal(wire_wait(wire, NULL), 1);
	assert_true(span_equal(wire_peek(wire), SPAN("A1 NOOP\r\n")));
	wire_free(wire);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* reaped */
}

static void test_tunnel_that_fails(void **state)
{
	struct wire *wire = tunnel("exec 1>&-; sleep 0.05; exit 3");
	struct err err = ERR_INIT;

	(void)state;
	/* Its end and the end of its output are not the same instant. */
	assert_int_equal(wire_wait(wire, &err), -1);
	assert_non_null(strstr(err.text, "status 3"));
	wire_free(wire);

	wire = tunnel("/no/such/command 2>/dev/null");
	assert_int_equal(wire_wait(wire, &err), -1);
	assert_non_null(strstr(err.text, "127"));
	wire_free(wire);

	/* One that does not go by itself is ended. */
	const int64_t begin = clock_ms();
	wire = tunnel("exec sleep 100");
	wire_free(wire);
	assert_true(clock_ms() - begin < 4000);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_connects),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_unknown_host),
		cmocka_unit_test(test_race),
		cmocka_unit_test(test_socks),
		cmocka_unit_test(test_http),
		cmocka_unit_test(test_proxy_usage),
		cmocka_unit_test(test_tunnel),
		cmocka_unit_test(test_tunnel_that_fails),
	};

	stop_init();
	(void)signal(SIGPIPE, SIG_IGN); /* as main() does */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
