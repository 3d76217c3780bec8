/* The IMAP back end against a server that plays a script: fallbacks, refusals, and scans that are not what they seem. */
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

static void send_text(int fd, const char *text, const char *tag)
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

static const char *find_answer(const char *command)
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

static void serve(int fd)
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

static void *run_server(void *context)
{
	const int fd = accept(server.listener, NULL, NULL);

	(void)context;
	if (fd >= 0)
		serve(fd);
	return NULL;
}

static void start_server(const char *capabilities, const struct rule *rules, size_t count)
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

static void start(struct client *client, const char *capabilities, const struct rule *rules,
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

static void stop(struct client *client)
{
	store_close(client->store);
	account_free(client->account);
	arena_free(client->arena);
	assert_int_equal(pthread_join(server.thread, NULL), 0);
	(void)close(server.listener);
}

/* How many commands began like this. Only what was answered is certain to be counted. */
static size_t seen(const char *command)
{
	size_t count = 0;

	(void)pthread_mutex_lock(&seen_lock);
	for (size_t i = 0; i < server.seen_count; i++)
		count += strncasecmp(server.seen[i], command, strlen(command)) == 0;
	(void)pthread_mutex_unlock(&seen_lock);
	return count;
}

static const struct mailbox_info *find(const struct mailbox_list *list, const char *name)
{
	for (size_t i = 0; i < list->count; i++) {
		if (strcmp(list->mailbox[i].name, name) == 0)
			return &list->mailbox[i];
	}
	return NULL;
}

static void list(struct client *client, unsigned want, struct mailbox_list *out)
{
	if (store_list(client->store, want, client->arena, out, &client->err) < 0)
		fail_msg("%s", client->err.text);
}

#define BASIC (IMAP_STATUS_MESSAGES | IMAP_STATUS_UIDNEXT | IMAP_STATUS_UIDVALIDITY)

/* ---- listing ---- */

static void test_list_at_once(void **state)
{
	static const struct rule rules[] = {
		{ "NAMESPACE",
			"* NAMESPACE ((\"INBOX.\" \".\")) ((\"user.\" \".\")) ((\"\" \".\"))\n%T "
			"OK done",
			0 },
		{ "LIST \"\" \"*\" RETURN (SUBSCRIBED SPECIAL-USE STATUS (MESSAGES "
		  "UIDNEXT UIDVALIDITY HIGHESTMODSEQ))",
			"* LIST (\\HasChildren \\Subscribed) \".\" INBOX\n"
			"* STATUS INBOX (MESSAGES 3 UIDNEXT 9 UIDVALIDITY 7 HIGHESTMODSEQ 0)\n"
			"* LIST (\\Sent) \".\" \"INBOX.Gesendet &APw-ber\"\n"
			"* STATUS \"INBOX.Gesendet &APw-ber\" (MESSAGES 0 UIDNEXT 1 UIDVALIDITY 8 "
			"HIGHESTMODSEQ 5)\n"
			"* LIST () \".\" INBOX.Lost\n"
			"* LIST () \".\" INBOX.Silent\n"
			"* LIST (\\Noselect) \".\" INBOX.Dir\n"
			"* LIST () \".\" INBOX.Dir.Sub\n"
			"* STATUS INBOX.Dir.Sub (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 3)\n"
			"* LIST () \".\" user.bob\n"
			"* LIST (\\Noselect) \".\" user\n"
			"* LIST () \".\" public\n"
			"%T OK done",
			0 },
		{ "STATUS \"INBOX.Lost\"",
			"* STATUS INBOX.Lost (MESSAGES 4 UIDNEXT 5 UIDVALIDITY 6)\n%T OK done", 0 },
	};
	struct mailbox_list found;
	struct client client;

	(void)state;
	START(&client, "IMAP4rev1 NAMESPACE LIST-EXTENDED LIST-STATUS SPECIAL-USE CONDSTORE",
		rules);
	assert_true(store_caps(client.store) & STORE_CAP_CHEAP_LIST);
	list(&client, STORE_LIST_STATUS, &found);
	assert_int_equal(found.count, 6);
	assert_int_equal(found.foreign, 3);
	assert_int_equal(found.refused, 0);
	assert_false(found.subscriptions_unknown);
	assert_int_equal(found.delimiter, '.');
	assert_string_equal(store_style(client.store).prefix, "INBOX.");
	assert_int_equal(find(&found, "INBOX")->messages, 3);
	assert_int_equal(find(&found, "INBOX")->has, BASIC);
	assert_true(find(&found, "INBOX")->subscribed);
	assert_int_equal(find(&found, "Gesendet über")->use, STORE_USE_SENT);
	assert_int_equal(find(&found, "Gesendet über")->has, BASIC | IMAP_STATUS_HIGHESTMODSEQ);
	assert_string_equal(find(&found, "Gesendet über")->raw, "INBOX.Gesendet &APw-ber");
	assert_int_equal(find(&found, "Lost")->messages, 4);
	assert_int_equal(find(&found, "Silent")->has, 0); /* unknown, not empty */
	assert_true(find(&found, "Dir")->noselect);
	assert_true(find(&found, "Dir")->has_children);
	assert_int_equal(find(&found, "Dir/Sub")->messages, 1);
	stop(&client);
	assert_int_equal(seen("LIST"), 1);
	assert_int_equal(seen("STATUS"), 2);
}

static void test_list_bare(void **state)
{
	static const struct rule rules[] = {
		{ "LIST \"\" \"\"", "* LIST (\\Noselect) \"/\" \"\"\n%T OK done", 0 },
		{ "LIST \"\" \"*\"",
			"* LIST () \"/\" \"../../etc/passwd\"\n"
			"* LIST () \"/\" \"\"\n"
			"* LIST () \"/\" {5}\na\x1b[2J\n"
			"* LIST () \"/\" plain\n"
			"* LIST () \"/\" plain\n"
			"* LIST (\\Noselect) \"/\" dir/\n"
			"* LIST () \"/\" a//b\n"
			"%T OK done",
			0 },
		{ "LSUB",
			"* LSUB () \"/\" plain\n* LSUB () \"/\" vanished\n* LSUB (\\Noselect) "
			"\"/\" dir\n%T OK done",
			0 },
		{ "STATUS \"plain\"",
			"* STATUS plain (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 3)\n%T OK done", 0 },
		{ "STATUS \"a//b\"", "%T NO not now", 0 },
	};
	struct mailbox_list found;
	struct client client;

	(void)state;
	START(&client, "IMAP4rev1", rules);
	list(&client, STORE_LIST_STATUS, &found);
	assert_int_equal(found.count, 6);
	assert_non_null(find(&found, "INBOX"));
	assert_int_equal(find(&found, "INBOX")->has, 0);
	assert_true(find(&found, "plain")->subscribed);
	assert_int_equal(find(&found, "plain")->has, BASIC);
	assert_non_null(find(&found, "../../etc/passwd"));
	assert_non_null(find(&found, "a%1B[2J"));
	assert_true(find(&found, "dir")->noselect);
	assert_false(
		find(&found, "dir")->subscribed); /* only in LSUB because of what is below it */
	assert_int_equal(find(&found, "a//b")->has, 0);
	assert_null(find(&found, "vanished"));
	stop(&client);
	assert_int_equal(seen("STATUS"), 5);
	assert_int_equal(seen("NAMESPACE"), 0);
}

static void test_list_announced_but_refused(void **state)
{
	static const struct rule rules[] = {
		{ "NAMESPACE", "%T BAD what?", 0 },
		{ "LIST \"\" \"*\" RETURN", "* LIST () \"/\" junk\n%T BAD what?", 0 },
		{ "LIST \"\" \"*\"", "* LIST () \"/\" INBOX\n* LIST () \"/\" a/b\n%T OK done", 0 },
		{ "LSUB", "%T NO no subscriptions", 0 },
		{ "STATUS \"INBOX\" (MESSAGES UIDNEXT UIDVALIDITY)",
			"* STATUS inbox (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 3)\n%T OK done", 0 },
		{ "STATUS", "%T BAD what?", 0 },
	};
	struct mailbox_list found;
	struct client client;

	(void)state;
	START(&client, "IMAP4rev1 NAMESPACE LIST-EXTENDED LIST-STATUS CONDSTORE OBJECTID", rules);
	list(&client, STORE_LIST_STATUS, &found);
	assert_int_equal(found.count, 2);
	assert_true(found.subscriptions_unknown);
	assert_int_equal(find(&found, "INBOX")->messages, 1);
	assert_int_equal(find(&found, "a/b")->has, 0);
	assert_int_equal(store_style(client.store).delimiter, '/');
	list(&client, STORE_LIST_STATUS, &found);
	stop(&client);
	assert_int_equal(seen("LIST \"\" \"*\" RETURN"), 2);
	assert_int_equal(seen("NAMESPACE"), 1);
}

static void test_list_refused(void **state)
{
	static const struct rule rules[] = {
		{ "LIST \"\" \"\"", "* LIST (\\Noselect) \"/\" \"\"\n%T OK done", 0 },
		{ "LIST \"\" \"*\"", "* LIST () \"/\" INBOX\n%T NO try later", 0 },
	};
	struct mailbox_list found;
	struct client client;

	(void)state;
	START(&client, "IMAP4rev1 LIST-EXTENDED", rules);
	assert_int_equal(store_list(client.store, 0, client.arena, &found, &client.err), -1);
	assert_int_equal(client.err.scope, ERR_ACCOUNT);
	assert_non_null(strstr(client.err.text, "try later"));
	stop(&client);
	assert_int_equal(seen("LIST \"\" \"*\""), 1);
}

/* The account's own prefix counts, and names outside of it still lead to their mailboxes. */
static void test_list_own_prefix(void **state)
{
	static const struct rule rules[] = {
		{ "NAMESPACE", "* NAMESPACE ((\"\" \"/\")) NIL NIL\n%T OK done", 0 },
		{ "LIST \"\" \"*\"",
			"* LIST () \"/\" Mail/a\n* LIST () \"/\" b\n* LIST () \"/\" a\n* LIST () "
			"\"/\" inbox\n%T OK done",
			0 },
		{ "STATUS \"b\"", "* STATUS b (MESSAGES 2 UIDNEXT 3 UIDVALIDITY 4)\n%T OK done",
			0 },
	};
	struct mailbox_list found;
	struct mailbox_info info;
	struct client client;

	(void)state;
	start(&client, "IMAP4rev1 NAMESPACE", rules, countof(rules), "&namespace=Mail");
	list(&client, 0, &found);
	assert_int_equal(found.count, 3);
	assert_int_equal(found.refused, 1); /* two mailboxes would be "a" */
	assert_string_equal(find(&found, "a")->raw, "Mail/a");
	assert_int_equal(store_status(client.store, "b", 0, &info, &client.err), 0);
	assert_int_equal(info.messages, 2);
	stop(&client);
}

/* ---- creating ---- */

static void test_create(void **state)
{
	static const struct rule rules[] = {
		{ "LIST \"\" \"\"", "* LIST (\\Noselect) \"/\" \"\"\n%T OK done", 0 },
		{ "CREATE \"there\"", "%T NO exists", 0 },
		{ "STATUS \"there\"", "* STATUS there (UIDVALIDITY 1)\n%T OK done", 0 },
		{ "CREATE \"bad\"", "%T NO may not", 0 },
		{ "STATUS \"bad\"", "%T NO [NONEXISTENT] no such mailbox", 0 },
		{ "CREATE \"a/b/c\"", "%T NO no parent", 1 },
		{ "STATUS \"a/b/c\"", "%T NO [NONEXISTENT] no such mailbox", 0 },
		{ "CREATE \"s\" (USE (\\Sent))", "%T NO [USEATTR] there is one", 0 },
	};
	struct client client;
	bool changed = true;

	(void)state;
	START(&client, "IMAP4rev1 CREATE-SPECIAL-USE", rules);
	assert_int_equal(
		store_create(client.store, "Inbox", STORE_USE_NONE, &changed, &client.err), 0);
	assert_false(changed);
	assert_int_equal(
		store_create(client.store, "there", STORE_USE_NONE, &changed, &client.err), 0);
	assert_int_equal(store_create(client.store, "s", STORE_USE_SENT, &changed, &client.err), 0);
	assert_int_equal(
		store_create(client.store, "a/b/c", STORE_USE_NONE, &changed, &client.err), 0);
	assert_int_equal(
		store_create(client.store, "bad", STORE_USE_NONE, &changed, &client.err), -1);
	assert_int_equal(client.err.scope, ERR_MAILBOX);
	assert_non_null(strstr(client.err.text, "may not"));
	assert_int_equal(
		store_create(client.store, "x\ny", STORE_USE_NONE, &changed, &client.err), 0);
	assert_true(changed);
	assert_int_equal(store_subscribe(client.store, "there", true, &client.err), 0);
	stop(&client);
	assert_int_equal(seen("CREATE \"INBOX\""), 0);
	assert_int_equal(seen("CREATE \"s\""), 2);
	assert_int_equal(seen("CREATE \"a\""), 1);
	assert_int_equal(seen("CREATE \"a/b\""), 1);
	assert_int_equal(seen("CREATE \"a/b/c\""), 2);
	assert_int_equal(seen("SUBSCRIBE \"there\""), 1);
}

/* ---- scanning ---- */

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

struct scanned {
	struct client client;
	struct box *box;
	struct snapshot rows;
	struct uidset unknown;
	int rc;
};

static void scan_with(struct scanned *scanned, const char *capabilities, const struct rule *rules,
	size_t count, const struct box_scan *scan)
{
	start(&scanned->client, capabilities, rules, count, "");
	scanned->unknown = (struct uidset){ 0 };
	snapshot_init(&scanned->rows, false);
	scanned->box =
		store_open_box(scanned->client.store, "INBOX", STORE_READ, &scanned->client.err);
	if (scanned->box == NULL)
		fail_msg("%s", scanned->client.err.text);
	scanned->rc = box_scan(scanned->box, scan, &scanned->rows, scanned->client.arena,
		&scanned->unknown, &scanned->client.err);
}

#define SCAN(scanned, rules) \
	scan_with(scanned, "IMAP4rev1", rules, countof(rules), &(struct box_scan){ 0 })

static void end_scan(struct scanned *scanned)
{
	snapshot_release(&scanned->rows);
	box_close(scanned->box);
	stop(&scanned->client);
}

static void test_scan(void **state)
{
	static const struct rule rules[] = {
		NAMES,
		{ "EXAMINE", SELECTED("3"), 0 },
		{ "UID FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE)",
			ROW("2", "20")
				ROW("1", "10") "* 1 FETCH (FLAGS (\\Deleted))\n"
					       "* 3 FETCH (UID 30 FLAGS ())\n* 3 FETCH (UID 30 "
					       "INTERNALDATE \"\" RFC822.SIZE 5)\n"
					       "* 2 FETCH (UID 20 FLAGS (\\Flagged))\n%T OK done",
			0 },
		{ "UID FETCH 30 (UID FLAGS INTERNALDATE RFC822.SIZE)",
			"* 3 FETCH (UID 30 RFC822.SIZE 430 FLAGS (x))\n%T OK done", 0 },
		{ "UID SEARCH", "* SEARCH 30\n%T OK done", 0 },
	};
	struct scanned scanned;

	(void)state;
	SCAN(&scanned, rules);
	assert_int_equal(scanned.rc, 0);
	assert_int_equal(box_facts(scanned.box)->uidvalidity, 77);
	assert_int_equal(box_facts(scanned.box)->uidnext, 100);
	assert_true(box_facts(scanned.box)->any_keyword);
	assert_int_equal(scanned.rows.count, 3);
	assert_true(scanned.rows.complete);
	assert_int_equal(scanned.unknown.count, 0);
	assert_int_equal(scanned.rows.uid[0], 10);
	assert_int_equal(scanned.rows.size[0], 410);
	assert_int_equal(scanned.rows.zone[0], -7 * 60);
	assert_int_not_equal(scanned.rows.flags[0],
		scanned.rows.flags[1]); /* 20 was flagged while it was listed */
	assert_int_equal(scanned.rows.size[2], 430); /* came in pieces: asked for once more */
	end_scan(&scanned);
}

static void test_scan_empty(void **state)
{
	static const struct rule rules[] = { NAMES, { "EXAMINE", SELECTED("0"), 0 } };
	struct scanned scanned;

	(void)state;
	SCAN(&scanned, rules);
	assert_int_equal(scanned.rc, 0);
	assert_true(scanned.rows.complete);
	assert_int_equal(scanned.rows.count, 0);
	end_scan(&scanned);
	assert_int_equal(seen("UID FETCH"), 0);
}

/* Courier looks at a mailbox again only for NOOP: what was appended since SELECT would not be seen. */
static void test_scan_again(void **state)
{
	static const struct rule rules[] = {
		NAMES,
		{ "EXAMINE", "* OK [MAILBOXID (a+b)] not one\n" SELECTED("0"), 0 },
		{ "NOOP", "* 1 EXISTS\n%T OK done", 0 },
		{ "UID FETCH 1:* ", ROW("1", "10") "%T OK done", 0 },
	};
	struct scanned scanned;
	struct box_scan all = { 0 };

	(void)state;
	SCAN(&scanned, rules);
	assert_int_equal(scanned.rows.count, 0);
	assert_int_equal(seen("NOOP"), 0);
	assert_int_equal(box_scan(scanned.box, &all, &scanned.rows, scanned.client.arena,
				 &scanned.unknown, &scanned.client.err),
		0);
	assert_true(scanned.rows.complete);
	assert_int_equal(scanned.rows.count, 1);
	assert_null(box_facts(scanned.box)->mailboxid);
	end_scan(&scanned);
}

static void test_scan_refused(void **state)
{
	static const struct rule rules[] = {
		NAMES,
		{ "EXAMINE", SELECTED("3"), 0 },
		{ "UID FETCH", "%T NO disk trouble", 0 },
		{ "UID SEARCH", "* SEARCH 1 2 3\n%T OK done", 0 },
	};
	struct scanned scanned;

	(void)state;
	SCAN(&scanned, rules);
	assert_int_equal(scanned.rc, -1);
	assert_false(scanned.rows.complete);
	assert_int_equal(scanned.client.err.scope, ERR_MAILBOX);
	assert_non_null(strstr(scanned.client.err.text, "disk trouble"));
	end_scan(&scanned);
}

/* One message stops the server; the others are known, and it is unknown, not gone. */
static void test_scan_refused_in_part(void **state)
{
	static const struct rule rules[] = {
		NAMES,
		{ "EXAMINE", SELECTED("4"), 0 },
		{ "UID FETCH 1:* ", ROW("1", "10") "%T NO message 20 is broken", 0 },
		{ "UID FETCH 20 ", "%T NO broken", 0 },
		{ "UID FETCH 30 ", ROW("3", "30") "%T OK done", 0 },
		{ "UID FETCH 40 ", "%T OK done", 0 },
		{ "UID FETCH 20,", "%T NO broken", 0 },
		{ "UID FETCH 30,", ROW("3", "30") "%T OK done", 0 },
		{ "UID SEARCH UID 1:*", "* SEARCH 10 20 30 40\n%T OK done", 0 },
		{ "UID SEARCH UID 40", "* SEARCH\n%T OK done", 0 },
		{ "UID SEARCH UID 20", "* SEARCH 20\n%T OK done", 0 },
	};
	struct scanned scanned;

	(void)state;
	SCAN(&scanned, rules);
	assert_int_equal(scanned.rc, 0);
	assert_false(scanned.rows.complete);
	assert_int_equal(scanned.rows.count, 2);
	assert_int_equal(uidset_size(&scanned.unknown), 1);
	assert_true(uidset_has(&scanned.unknown, 20));
	end_scan(&scanned);
}

static void test_scan_left_out(void **state)
{
	static const struct rule rules[] = {
		NAMES,
		{ "EXAMINE", SELECTED("3"), 0 },
		{ "UID FETCH 1:* ", ROW("1", "10") ROW("3", "30") "%T OK done", 0 },
		{ "UID FETCH 20 ", ROW("2", "20") "%T OK done", 0 },
		{ "UID SEARCH RETURN (ALL) UID 1:*",
			"* ESEARCH (TAG \"%T\") UID ALL 10,20,30\n%T OK done", 0 },
	};
	struct scanned scanned;

	(void)state;
	scan_with(&scanned, "IMAP4rev1 ESEARCH", rules, countof(rules), &(struct box_scan){ 0 });
	assert_int_equal(scanned.rc, 0);
	assert_true(scanned.rows.complete);
	assert_int_equal(scanned.rows.count, 3);
	assert_int_equal(scanned.rows.size[1], 420);
	end_scan(&scanned);
}

/* Gone meanwhile: left out. A search that contradicts the count is no reason to drop anything. */
static void test_scan_moving(void **state)
{
	static const struct rule rules[] = {
		NAMES,
		{ "EXAMINE", SELECTED("3"), 0 },
		{ "UID FETCH 1:* ",
			ROW("1", "10") ROW("2", "20") "* 1 EXPUNGE\n" ROW("2", "30") "%T OK done",
			0 },
		{ "UID SEARCH UID 1:*", "* SEARCH 20 30\n%T OK done", 0 },
	};
	static const struct rule even[] = {
		NAMES,
		{ "EXAMINE", SELECTED("3"), 0 },
		{ "UID FETCH 1:* ",
			ROW("1", "10") ROW("2", "20")
				ROW("3", "30") "* 1 EXPUNGE\n* 3 EXISTS\n%T OK done",
			0 },
		{ "UID SEARCH UID 1:*", "* SEARCH 20 30 40\n%T OK done", 0 },
		{ "UID FETCH 40 ", ROW("3", "40") "%T OK done", 0 },
	};
	static const struct rule lying[] = {
		NAMES,
		{ "EXAMINE", SELECTED("3"), 0 },
		{ "UID FETCH 1:* ", ROW("1", "10") ROW("2", "20") "%T OK done", 0 },
		{ "UID SEARCH", "* SEARCH\n%T OK done", 0 },
	};
	struct scanned scanned;

	(void)state;
	SCAN(&scanned, rules);
	assert_int_equal(scanned.rc, 0);
	assert_true(scanned.rows.complete);
	assert_int_equal(scanned.rows.count, 2);
	assert_int_equal(scanned.rows.uid[0], 20);
	end_scan(&scanned);

	/* One went and one came: the count is the same, the messages are not. */
	SCAN(&scanned, even);
	assert_int_equal(scanned.rc, 0);
	assert_true(scanned.rows.complete);
	assert_int_equal(scanned.rows.count, 3);
	assert_int_equal(scanned.rows.uid[0], 20);
	assert_int_equal(scanned.rows.uid[2], 40);
	end_scan(&scanned);

	SCAN(&scanned, lying);
	assert_int_equal(scanned.rc, 0);
	assert_false(scanned.rows.complete);
	assert_int_equal(scanned.rows.count, 2);
	assert_int_equal(scanned.unknown.count, 0);
	end_scan(&scanned);
}

/* More found than there is: not asked for, and not believed. */
static void test_scan_too_much(void **state)
{
	static const struct rule rules[] = {
		NAMES,
		{ "EXAMINE", SELECTED("3"), 0 },
		{ "UID FETCH 1:* ", ROW("1", "10") ROW("2", "20") "%T OK done", 0 },
		{ "UID SEARCH", "* ESEARCH (TAG \"%T\") UID ALL 1:4294967295\n%T OK done", 0 },
	};
	struct scanned scanned;

	(void)state;
	scan_with(&scanned, "IMAP4rev1 ESEARCH", rules, countof(rules), &(struct box_scan){ 0 });
	assert_int_equal(scanned.rc, 0);
	assert_false(scanned.rows.complete);
	assert_int_equal(scanned.rows.count, 2);
	end_scan(&scanned);
	assert_int_equal(seen("UID FETCH"), 1);
}

/* Only some are wanted, and the set has an open end; '*' brings one that is not. */
static void test_scan_some(void **state)
{
	static const struct rule rules[] = {
		NAMES,
		{ "EXAMINE", SELECTED("3"), 0 },
		{ "UID FETCH 15:25,40:4294967295 ", ROW("2", "20") ROW("3", "30") "%T OK done", 0 },
		{ "UID SEARCH UID 15:25,40:4294967295", "* SEARCH 20 30\n%T OK done", 0 },
	};
	struct uid_range ranges[] = { { 15, 25 }, { 40, UINT32_MAX } };
	struct uidset some = { ranges, 2, 2 };
	struct scanned scanned;

	(void)state;
	scan_with(
		&scanned, "IMAP4rev1", rules, countof(rules), &(struct box_scan){ .uids = &some });
	assert_int_equal(scanned.rc, 0);
	assert_true(scanned.rows.complete);
	assert_int_equal(scanned.rows.count, 1);
	assert_int_equal(scanned.rows.uid[0], 20);
	end_scan(&scanned);
}

/* A pause that the server asks for is no reason to ask for each message. */
static void test_scan_busy(void **state)
{
	static const struct rule rules[] = {
		NAMES,
		{ "EXAMINE", SELECTED("3"), 0 },
		{ "UID FETCH 1:* ", ROW("1", "10") "%T NO [THROTTLED] slow down", 0 },
	};
	struct scanned scanned;

	(void)state;
	SCAN(&scanned, rules);
	assert_int_equal(scanned.rc, -1);
	assert_int_equal(scanned.client.err.kind, ERR_KIND_BUSY);
	end_scan(&scanned);
	assert_int_equal(seen("UID SEARCH"), 0);
}

/* The server counts messages and shows none: an error, not an empty mailbox. */
static void test_scan_shows_nothing(void **state)
{
	static const struct rule rules[] = {
		NAMES,
		{ "EXAMINE", SELECTED("3"), 0 },
		{ "UID SEARCH", "* SEARCH\n%T OK done", 0 },
	};
	struct scanned scanned;

	(void)state;
	SCAN(&scanned, rules);
	assert_int_equal(scanned.rc, -1);
	assert_int_equal(scanned.client.err.scope, ERR_MAILBOX);
	end_scan(&scanned);
}

static void test_scan_since(void **state)
{
	static const struct rule rules[] = {
		NAMES,
		{ "EXAMINE",
			"* 3 EXISTS\n* OK [UIDVALIDITY 77] v\n* OK [HIGHESTMODSEQ 50] h\n%T OK "
			"done",
			0 },
		{ "UID FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE) (CHANGEDSINCE 40)",
			"* 2 FETCH (UID 20 FLAGS (\\Seen) INTERNALDATE \"17-Jul-1996 02:44:25 "
			"-0700\" RFC822.SIZE 420 MODSEQ (45))\n"
			"%T OK done",
			0 },
	};
	struct scanned scanned;

	(void)state;
	scan_with(&scanned, "IMAP4rev1 CONDSTORE", rules, countof(rules),
		&(struct box_scan){ .since = 40 });
	assert_int_equal(scanned.rc, 0);
	assert_true(scanned.rows.complete);
	assert_int_equal(scanned.rows.count, 1);
	assert_int_equal(scanned.rows.modseq, 50);
	end_scan(&scanned);
	assert_int_equal(seen("UID SEARCH"), 0);
}

#define HEADER "BODY[HEADER.FIELDS (DATE FROM TO CC SUBJECT MESSAGE-ID IN-REPLY-TO REFERENCES)]"

static void note_header(void *context, uint32_t uid, struct span header)
{
	assert_true(uid == 10 ? span_equal(header, SPAN("Message-ID: <1@a.b>\r\n\r\n"))
			      : span_equal(header, SPAN("Subject: other\r\n\r\n")));
	*(uint32_t *)context += uid;
}

static void test_scan_digests(void **state)
{
	static const struct rule rules[] = {
		NAMES,
		{ "EXAMINE", SELECTED("3"), 0 },
		{ "UID FETCH 1:* ", ROW("1", "10") ROW("2", "20") ROW("3", "30") "%T OK done", 0 },
		{ "UID FETCH 10,20,30 (UID BODY.PEEK[HEADER.FIELDS (DATE FROM TO CC SUBJECT "
		  "MESSAGE-ID IN-REPLY-TO REFERENCES)])",
			"* 1 FETCH (UID 10 " HEADER
			" {23}\nMessage-ID: <1@a.b>\n\n)\n* 2 FETCH (UID 20 " HEADER
			" {18}\nSubject: other\n\n)\n%T OK done",
			0 },
		{ "UID FETCH 30 ", "%T NO [SERVERBUG] cannot read it", 0 },
		{ "UID SEARCH UID 30", "* SEARCH 30\n%T OK done", 0 },
	};
	uint32_t headers = 0;
	struct scanned scanned;

	(void)state;
	scan_with(&scanned, "IMAP4rev1", rules, countof(rules),
		&(struct box_scan){
			.digests = true, .header = note_header, .header_context = &headers });
	assert_int_equal(scanned.rc, 0);
	assert_int_equal(headers, 30);
	assert_false(scanned.rows.complete);
	assert_int_equal(scanned.rows.count, 2);
	assert_true(uidset_has(&scanned.unknown, 30));
	assert_int_equal(scanned.rows.attr[0], SNAPSHOT_HAS_DIGEST | SNAPSHOT_HAS_MESSAGE_ID);
	assert_int_equal(scanned.rows.attr[1], SNAPSHOT_HAS_DIGEST);
	assert_true(digest128_known(scanned.rows.digest[0]));
	assert_false(digest128_equal(scanned.rows.digest[0], scanned.rows.digest[1]));
	end_scan(&scanned);
}

/* ---- searching and changing ---- */

static void test_search(void **state)
{
	static const struct rule rules[] = {
		NAMES,
		{ "EXAMINE", SELECTED("3"), 0 },
		{ "UID SEARCH RETURN (ALL) SEEN", "%T OK done",
			0 }, /* announced, and not done: no ESEARCH at all */
		{ "UID SEARCH SEEN", "* SEARCH 3\n* SEARCH 1 2\n%T OK done", 0 },
		{ "UID SEARCH CHARSET UTF-8 (SUBJECT gr\xc3\xbcn FROM \"a b\") SEEN",
			"* SEARCH 9\n%T OK done", 0 },
		{ "UID SEARCH CHARSET UTF-8 (SUBJECT gr\xc3\xbcn)", "* SEARCH 8\n%T OK done", 0 },
		{ "UID SEARCH BROKEN", "%T BAD what?", 0 },
	};
	struct uidset found = { 0 }, unknown = { 0 };
	struct client client;
	struct box *box;

	(void)state;
	START(&client, "IMAP4rev1 ESEARCH LITERAL+", rules);
	box = store_open_box(client.store, "INBOX", STORE_READ, &client.err);
	assert_non_null(box);
	assert_int_equal(box_search(box, "SEEN", client.arena, &found, &unknown, &client.err), 0);
	assert_int_equal(uidset_size(&found), 3);
	assert_int_equal(box_search(box, "(SUBJECT \"gr\xc3\xbcn\" FROM \"a b\") SEEN",
				 client.arena, &found, &unknown, &client.err),
		0);
	assert_int_equal(uidset_at(&found, 0), 9);
	assert_int_equal(box_search(box, "(SUBJECT gr\xc3\xbcn)", client.arena, &found, &unknown,
				 &client.err),
		0);
	assert_int_equal(uidset_at(&found, 0), 8);
	assert_int_equal(box_search(box, "UNSEEN", client.arena, &found, &unknown, &client.err), 0);
	assert_int_equal(found.count, 0);
	assert_int_equal(
		box_search(box, "BROKEN", client.arena, &found, &unknown, &client.err), -1);
	assert_int_equal(client.err.scope, ERR_MAILBOX);
	box_close(box);
	stop(&client);
}

/* Of a, b, c (told in one answer), one without STATUS, and one whose name cannot be quoted simply. */
static void check_find(
	const char *capabilities, const char *answer, const char *expression, const char *expected)
{
	const struct rule rules[] = { NAMES,
		{ "ESEARCH IN (mailboxes (\"a\" \"b\" \"inbox\")) RETURN (COUNT) ", answer, 0 } };
	const struct mailbox_info all[] = {
		{ .name = "a", .raw = "a", .has = IMAP_STATUS_MESSAGES },
		{ .name = "no status", .raw = "no status" },
		{ .name = "b", .raw = "b", .has = IMAP_STATUS_MESSAGES },
		{ .name = "say \"x\"", .raw = "say \"x\"", .has = IMAP_STATUS_MESSAGES },
		{ .name = "INBOX", .raw = "inbox", .has = IMAP_STATUS_MESSAGES },
	};
	const struct mailbox_info *mailbox[countof(all)];
	char told[countof(all) + 1] = "";
	bool found[countof(all)];
	struct client client;

	for (size_t i = 0; i < countof(all); i++)
		mailbox[i] = &all[i];
	START(&client, capabilities, rules);
	assert_int_equal(
		store_find(client.store, expression, mailbox, countof(all), found, &client.err), 0);
	for (size_t i = 0; i < countof(all); i++)
		told[i] = found[i] ? 'y' : '-';
	assert_string_equal(told, expected);
	stop(&client);
}

static void test_find(void **state)
{
	static const char offers[] = "IMAP4rev1 MULTISEARCH LITERAL+";
	static const char hit[] = "* ESEARCH (TAG \"%T\" MAILBOX b UIDVALIDITY 7) UID COUNT 2\n";
	char answer[300];

	(void)state;
	check_find("IMAP4rev1", "%T OK done", "SEEN", "yyyyy"); /* not offered */
	check_find(offers, "%T OK done", "SEEN", "-y-y-");
	snprintf(answer, sizeof(answer),
		"%s* ESEARCH (MAILBOX INBOX UIDVALIDITY 1 TAG %%T) UID COUNT 1\n%%T OK done", hit);
	check_find(offers, answer, "SUBJECT gr\xc3\xbcn", "-yyyy");
	/* Another search's answer is none of this one. */
	check_find(offers,
		"* ESEARCH (TAG \"m99\" MAILBOX \"b\" UIDVALIDITY 7) UID COUNT 2\n%T OK done",
		"SEEN", "-y-y-");
	/* What cannot be relied on: refused, cut short, a mailbox nobody asked about, none named, and keys that may be taken loosely. */
	check_find(offers, "%T NO not today", "SEEN", "yyyyy");
	check_find(offers, "%T BAD what?", "SEEN", "yyyyy");
	snprintf(answer, sizeof(answer), "%s%%T OK [LIMIT] enough", hit);
	check_find(offers, answer, "SEEN", "yyyyy");
	check_find(offers,
		"* ESEARCH (TAG \"%T\" MAILBOX \"c\" UIDVALIDITY 7) UID COUNT 2\n%T OK done",
		"SEEN", "yyyyy");
	check_find(offers, "* ESEARCH (TAG \"%T\") UID COUNT 2\n%T OK done", "SEEN", "yyyyy");
	check_find(offers, "%T OK done", "NOT (SEEN text x)", "yyyyy");
	check_find(offers, "%T OK done", "SUBJECT \"the text\"", "-y-y-");
}

static void test_remove(void **state)
{
	static const struct rule rules[] = { NAMES,
		{ "SELECT", "* 3 EXISTS\n* OK [UIDVALIDITY 77] v\n%T OK [READ-WRITE] done", 0 } };
	struct uidset uids = { 0 };
	struct client client;
	struct box *box;

	(void)state;
	START(&client, "IMAP4rev1", rules);
	uidset_add(&uids, client.arena, 5, 7);
	box = store_open_box(client.store, "INBOX", STORE_WRITE, &client.err);
	assert_non_null(box);
	assert_false(box_facts(box)->read_only);
	assert_int_equal(box_remove(box, &uids, false, &client.err), -1);
	assert_int_equal(client.err.kind, ERR_KIND_SAFETY);
	assert_int_equal(seen("UID STORE"), 0);
	assert_int_equal(box_remove(box, &uids, true, &client.err), 0);
	assert_int_equal(seen("UID STORE 5:7 +FLAGS.SILENT (\\Deleted)"), 1);
	assert_int_equal(seen("EXPUNGE"), 1);
	box_close(box);
	stop(&client);

	START(&client, "IMAP4rev1 UIDPLUS", rules);
	uids = (struct uidset){ 0 };
	uidset_add(&uids, client.arena, 5, 7);
	box = store_open_box(client.store, "INBOX", STORE_WRITE, &client.err);
	assert_non_null(box);
	assert_int_equal(box_remove(box, &uids, true, &client.err), 0);
	assert_int_equal(seen("UID EXPUNGE 5:7"), 1);
	assert_int_equal(seen("EXPUNGE"), 0);
	box_close(box);
	stop(&client);
}

static void test_change_flags(void **state)
{
	static const struct rule rules[] = {
		NAMES,
		{ "SELECT", "* 3 EXISTS\n* OK [UIDVALIDITY 77] v\n%T OK [READ-WRITE] done", 0 },
		{ "UID STORE 1,3,", "%T NO not these", 1 },
	};
	struct uidset uids = { 0 };
	struct client client;
	struct box *box;

	(void)state;
	START(&client, "IMAP4rev1 X-GM-EXT-1", rules); /* lines of 16,000 octets */
	for (uint32_t uid = 1; uid < 20000; uid += 2)
		uidset_add(&uids, client.arena, uid, uid);
	box = store_open_box(client.store, "INBOX", STORE_WRITE, &client.err);
	assert_non_null(box);
	/* The set is long: one piece is refused, the others are carried out, and the caller hears of it. */
	assert_int_equal(box_change_flags(box, &uids, 0, 0, &client.err), 0);
	assert_int_equal(seen("UID STORE"), 0);
	assert_int_equal(box_remove(box, &uids, true, &client.err), -1);
	assert_non_null(strstr(client.err.text, "not these"));
	assert_in_range(seen("UID STORE"), 3, 5);
	assert_int_equal(seen("EXPUNGE"), 0);
	box_close(box);
	stop(&client);
}

static void test_no_such_place(void **state)
{
	struct account_request request = { .location = "maildir:/tmp/nowhere", .role = "src" };
	struct store_request how = { 0 };
	struct account *account;
	struct err err = ERR_INIT;

	(void)state;
	account = account_new(&request, &err);
	if (account == NULL)
		return; /* said even earlier */
	assert_null(store_open(account, &how, &err));
	assert_int_equal(err.scope, ERR_LOCAL);
	assert_int_equal(err.kind, ERR_KIND_PATH);
	assert_string_equal(
		err.text, "cannot open directory /tmp/nowhere: No such file or directory");
	account_free(account);
	store_close(NULL);
	box_close(NULL);
}

static void test_quota(void **state)
{
	static const struct rule rules[] = {
		NAMES,
		{ "GETQUOTAROOT",
			"* QUOTAROOT INBOX a b\n* QUOTA a (STORAGE 10 512 MESSAGE 1 2)\n* QUOTA b "
			"(STORAGE 20 100)\n%T OK done",
			0 },
	};
	uint64_t used = 0, limit = 0;
	struct client client;

	(void)state;
	START(&client, "IMAP4rev1 QUOTA", rules);
	assert_int_equal(store_quota(client.store, &used, &limit, &client.err), 0);
	assert_int_equal(used, 20 * 1024);
	assert_int_equal(limit, 100 * 1024);
	stop(&client);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list_at_once),
		cmocka_unit_test(test_list_bare),
		cmocka_unit_test(test_list_announced_but_refused),
		cmocka_unit_test(test_list_refused),
		cmocka_unit_test(test_list_own_prefix),
		cmocka_unit_test(test_create),
		cmocka_unit_test(test_scan),
		cmocka_unit_test(test_scan_empty),
		cmocka_unit_test(test_scan_again),
		cmocka_unit_test(test_scan_refused),
		cmocka_unit_test(test_scan_refused_in_part),
		cmocka_unit_test(test_scan_left_out),
		cmocka_unit_test(test_scan_moving),
		cmocka_unit_test(test_scan_too_much),
		cmocka_unit_test(test_scan_some),
		cmocka_unit_test(test_scan_busy),
		cmocka_unit_test(test_scan_shows_nothing),
		cmocka_unit_test(test_scan_since),
		cmocka_unit_test(test_scan_digests),
		cmocka_unit_test(test_search),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_remove),
		cmocka_unit_test(test_change_flags),
		cmocka_unit_test(test_no_such_place),
		cmocka_unit_test(test_quota),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
