/*
 * An IMAP server that plays a script, one for a process, and the store that talks to it. A rule's answer is sent as it stands, with the tag for %T.
 *
 *	static const struct rule rules[] = { NAMES, { "EXAMINE", SELECTED("3"), 0 } };
 *	struct client client;
 *	START(&client, "IMAP4rev1", rules);
 *	assert_int_equal(seen("EXAMINE"), 1);
 *	stop(&client);
 */
#ifndef TEST_IMAP_STORE_FIXTURE_H
#define TEST_IMAP_STORE_FIXTURE_H

#include "store/store.h"

#include "base/arena.h"
#include "base/mem.h"
#include "mail/mailbox_name.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- the server ---- */

struct rule { /* the first one whose command begins like this, and that is not used up, answers */
	const char *command;
	const char *answer; /* %T is the tag; no CRLF at the end is needed */
	int times; /* 0 = always */
};

#define SEEN_MAX 200

static struct {
	const char *capabilities;
	struct rule rules[20];
	int used[20];
	int listener, port;
	pthread_t thread;
	char seen[SEEN_MAX][300]; /* without tags */
	size_t seen_count;
} server;
/* Of seen and seen_count: a command may still be on its way when the client looks. */
static pthread_mutex_t seen_lock = PTHREAD_MUTEX_INITIALIZER;

static inline void send_text(int fd, const char *text, const char *tag)
{
	for (; *text != '\0'; text++) {
		const char *part = text;
		size_t len = 1;

		if (text[0] == '%' && text[1] == 'T') {
			part = tag;
			len = strlen(tag);
			text++;
		} else if (text[0] == '\n') {
			part = "\r\n";
			len = 2;
		}
		if (write(fd, part, len) < 0)
			return;
	}
}

static inline const char *find_answer(const char *command)
{
	for (size_t i = 0; i < countof(server.rules) && server.rules[i].command != NULL; i++) {
		const struct rule *rule = &server.rules[i];

		if (strncasecmp(command, rule->command, strlen(rule->command)) != 0)
			continue;
		if (rule->times > 0 && server.used[i] >= rule->times)
			continue;
		server.used[i]++;
		return rule->answer;
	}
	return "%T OK done";
}

static inline void serve(int fd)
{
	FILE *in = fdopen(fd, "r");
	static char line[70000];
	char greeting[1000];

	(void)snprintf(greeting, sizeof(greeting), "* PREAUTH [CAPABILITY %s] ready\n",
		server.capabilities);
	send_text(fd, greeting, "");
	while (fgets(line, sizeof(line), in) != NULL) {
		char *command = strchr(line, ' ');
		size_t len;

		if (command == NULL)
			continue;
		*command++ = '\0';
		len = strcspn(command, "\r\n");
		/* A non-synchronising literal is shown in place of its announcement. */
		while (len >= 2 && command[len - 1] == '}' && command[len - 2] == '+') {
			char *open = strrchr(command, '{');
			const size_t size = strtoul(open + 1, NULL, 10);

			if (fread(open, 1, size, in) != size ||
				fgets(open + size, 4000, in) == NULL)
				break;
			len = strcspn(command, "\r\n");
		}
		command[len] = '\0';
		(void)pthread_mutex_lock(&seen_lock);
		if (server.seen_count < SEEN_MAX)
			(void)snprintf(server.seen[server.seen_count++], sizeof(server.seen[0]),
				"%.299s", command);
		(void)pthread_mutex_unlock(&seen_lock);
		if (strcmp(command, "LOGOUT") == 0)
			break;
		send_text(fd, find_answer(command), line);
		send_text(fd, "\n", "");
	}
	(void)fclose(in);
}

static inline void *run_server(void *context)
{
	const int fd = accept(server.listener, NULL, NULL);

	(void)context;
	if (fd >= 0)
		serve(fd);
	return NULL;
}

static inline void start_server(const char *capabilities, const struct rule *rules, size_t count)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);

	memset(&server, 0, sizeof(server));
	server.capabilities = capabilities;
	memcpy(server.rules, rules, count * sizeof(*rules));
	server.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(server.listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(server.listener, 5), 0);
	assert_int_equal(getsockname(server.listener, (struct sockaddr *)&address, &size), 0);
	server.port = ntohs(address.sin_port);
	assert_int_equal(pthread_create(&server.thread, NULL, run_server, NULL), 0);
}

/* ---- the client ---- */

struct client {
	struct account *account;
	struct store *store;
	struct arena *arena;
	struct err err;
};

static inline void start(struct client *client, const char *capabilities, const struct rule *rules,
	size_t count, const char *more)
{
	struct account_request request = { .role = "src" };
	struct store_request how = { .timeout_ms = 5000 };
	char location[200];

	start_server(capabilities, rules, count);
	(void)snprintf(location, sizeof(location),
		"imap://anna@127.0.0.1:%d?auth=preauth&tls=none%s", server.port, more);
	request.location = location;
	memset(client, 0, sizeof(*client));
	client->arena = arena_new();
	client->account = account_new(&request, &client->err);
	if (client->account != NULL)
		client->store = store_open(client->account, &how, &client->err);
	if (client->store == NULL)
		fail_msg("%s", client->err.text);
}

#define START(client, capabilities, rules) start(client, capabilities, rules, countof(rules), "")

static inline void stop(struct client *client)
{
	store_close(client->store);
	account_free(client->account);
	arena_free(client->arena);
	assert_int_equal(pthread_join(server.thread, NULL), 0);
	(void)close(server.listener);
}

/* How many commands began like this. Only what was answered is certain to be counted. */
static inline size_t seen(const char *command)
{
	size_t count = 0;

	(void)pthread_mutex_lock(&seen_lock);
	for (size_t i = 0; i < server.seen_count; i++)
		count += strncasecmp(server.seen[i], command, strlen(command)) == 0;
	(void)pthread_mutex_unlock(&seen_lock);
	return count;
}

static inline const struct mailbox_info *find(const struct mailbox_list *list, const char *name)
{
	for (size_t i = 0; i < list->count; i++) {
		if (strcmp(list->mailbox[i].name, name) == 0)
			return &list->mailbox[i];
	}
	return NULL;
}

static inline void list(struct client *client, unsigned want, struct mailbox_list *out)
{
	if (store_list(client->store, want, client->arena, out, &client->err) < 0)
		fail_msg("%s", client->err.text);
}

#define BASIC (IMAP_STATUS_MESSAGES | IMAP_STATUS_UIDNEXT | IMAP_STATUS_UIDVALIDITY)

/* ---- answers ---- */

#define SELECTED(exists)                                                                           \
	"* FLAGS (\\Seen)\n* " exists " EXISTS\n* OK [UIDVALIDITY 77] v\n* OK [UIDNEXT 100] n\n* " \
	"OK [PERMANENTFLAGS (\\Seen \\*)] p\n"                                                     \
	"%T OK [READ-ONLY] done"
#define NAMES                                                                     \
	{                                                                         \
		"LIST \"\" \"\"", "* LIST (\\Noselect) \"/\" \"\"\n%T OK done", 0 \
	}
#define ROW(seq, uid)               \
	"* " seq " FETCH (UID " uid \
	" FLAGS (\\Seen) INTERNALDATE \"17-Jul-1996 02:44:25 -0700\" RFC822.SIZE 4" uid ")\n"

#endif
