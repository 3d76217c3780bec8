/*
 * Plays the dialogues of tests/wire/ (see wire_dialogue.h) between a session and a scripted server: whole, with input octet by octet, and
 * with short writes. `test_imap_wire NAME` plays one. The steps are listed at the end.
 */
#include "imap/imap.h"

#include "base/text.h"
#include "imap/imap_parts.h"
#include "net/secret.h"
#include "wire_dialogue.h"

#include <dirent.h>
#include <pthread.h>

struct client {
	struct script *script;
	struct imap *imap;
	struct name name[NAMES_MAX]; /* of commands; value holds the tag */
	size_t names;
	char *said[LINES_MAX];
	size_t said_count;
	struct imap_facts facts;
};

static void MUST_FORMAT(2, 3) say(struct client *client, const char *fmt, ...)
{
	char text[2048];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	assert_true(client->said_count < LINES_MAX);
	client->said[client->said_count++] = arena_strdup(client->script->arena, text);
}

static const char *const kind_names[] = {
	[ERR_KIND_OTHER] = "other",
	[ERR_KIND_USAGE] = "usage",
	[ERR_KIND_NETWORK] = "network",
	[ERR_KIND_TLS] = "tls",
	[ERR_KIND_AUTH] = "auth",
	[ERR_KIND_SAFETY] = "safety",
	[ERR_KIND_QUOTA] = "quota",
	[ERR_KIND_UNSUPPORTED] = "unsupported",
	[ERR_KIND_BUSY] = "busy",
};

static void say_result(struct client *client, int rc, const struct err *err)
{
	if (rc >= 0)
		say(client, "ok");
	else if (err->retry == ERR_RETRY_AFTER)
		say(client, "%s %s after %u ms: %s", err_scope_name(err->scope),
			kind_names[err->kind], err->wait_ms, err->text);
	else
		say(client, "%s %s %s: %s", err_scope_name(err->scope), kind_names[err->kind],
			err->retry == ERR_RETRY_NOW ? "now" : "never", err->text);
}

static const char *words_text(struct client *client, const struct imap_words *words)
{
	char *text = arena_strdup(client->script->arena, "");

	for (size_t i = 0; i < words->count; i++)
		text = arena_print(client->script->arena, "%s%s%.*s", text, i > 0 ? " " : "",
			(int)words->word[i].len, words->word[i].data ? words->word[i].data : "");
	return text;
}

static void say_fetch(struct client *client, const struct imap_fetch_data *fetch)
{
	char text[512];
	size_t len = (size_t)snprintf(text, sizeof(text), "fetch");

	if (fetch->continued)
		len += (size_t)snprintf(text + len, sizeof(text) - len, " continued");
	else
		len += (size_t)snprintf(text + len, sizeof(text) - len, " %u", fetch->seq);
	if (fetch->has & IMAP_FETCH_UID)
		len += (size_t)snprintf(text + len, sizeof(text) - len, " uid=%u", fetch->uid);
	if (fetch->has & IMAP_FETCH_FLAGS)
		len += (size_t)snprintf(text + len, sizeof(text) - len, " flags=(%.*s)",
			(int)fetch->flags.len, fetch->flags.data);
	if (fetch->has & IMAP_FETCH_SIZE)
		len += (size_t)snprintf(text + len, sizeof(text) - len, " size=%llu",
			(unsigned long long)fetch->size);
	if (fetch->has & IMAP_FETCH_MODSEQ)
		len += (size_t)snprintf(text + len, sizeof(text) - len, " modseq=%llu",
			(unsigned long long)fetch->modseq);
	if (fetch->stream)
		len += (size_t)snprintf(text + len, sizeof(text) - len, " stream=%llu",
			(unsigned long long)fetch->stream_size);
	else if (fetch->has & IMAP_FETCH_SECTION)
		len += (size_t)snprintf(text + len, sizeof(text) - len, " body=%.*s",
			(int)fetch->section.bytes.len, fetch->section.bytes.data);
	say(client, "%s", text);
}

static const char *tag_name(const struct client *client, uint32_t tag)
{
	for (size_t i = 0; i < client->names; i++)
		if (client->name[i].value[0] && strtoul(client->name[i].value, NULL, 10) == tag)
			return arena_text(client->script->arena, client->name[i].name);
	return "?";
}

static const char *code_text(struct client *client, const struct imap_code *code)
{
	if (code->type == IMAP_CODE_NONE)
		return "";
	return arena_print(client->script->arena, " [%.*s]", (int)code->name.len, code->name.data);
}

static void say_event(struct client *client, const struct imap_event *event)
{
	static const char *const status[] = { "OK", "NO", "BAD", "BYE", "PREAUTH" };
	const int len = (int)event->text.len;
	const char *text = event->text.data ? event->text.data : "";

	switch (event->type) {
	case IMAP_TAGGED:
		say(client, "%s %s%s %.*s", tag_name(client, event->tag), status[event->status],
			code_text(client, &event->code), len, text);
		break;
	case IMAP_STATUS_LINE:
		say(client, "* %s%s %.*s", status[event->status], code_text(client, &event->code),
			len, text);
		break;
	case IMAP_CONTINUE:
		say(client, "+ %.*s", len, text);
		break;
	case IMAP_CAPABILITY:
		say(client, "capability %s", words_text(client, &event->words));
		break;
	case IMAP_ENABLED:
		say(client, "enabled %s", words_text(client, &event->words));
		break;
	case IMAP_ID:
		say(client, "id %s", words_text(client, &event->words));
		break;
	case IMAP_FLAGS:
		say(client, "flags %s", words_text(client, &event->words));
		break;
	case IMAP_LIST:
		say(client, "list %.*s", (int)event->list.name.len, event->list.name.data);
		break;
	case IMAP_STATUS:
		say(client, "status %.*s", (int)event->mailbox.name.len, event->mailbox.name.data);
		break;
	case IMAP_EXISTS:
		say(client, "exists %u", event->number);
		break;
	case IMAP_RECENT:
		say(client, "recent %u", event->number);
		break;
	case IMAP_EXPUNGE:
		say(client, "expunge %u", event->number);
		break;
	case IMAP_VANISHED:
		say(client, "vanished %llu", (unsigned long long)uidset_size(&event->search.set));
		break;
	case IMAP_SEARCH:
		say(client, "search %llu", (unsigned long long)uidset_size(&event->search.set));
		break;
	case IMAP_FETCH:
		say_fetch(client, &event->fetch);
		break;
	case IMAP_NAMESPACE:
	case IMAP_QUOTA:
	case IMAP_QUOTAROOT:
		say(client, "other");
		break;
	case IMAP_UNKNOWN:
		say(client, "unknown %.*s", len, text);
		break;
	}
}

/* The word at the front; moves behind it. */
static struct span word_next(struct span *text)
{
	const struct span word = span_sub(*text, 0, span_find(*text, ' '));

	*text = span_trim(span_from(*text, word.len));
	return word;
}

/* enter user=U password=P auth=A tls=none|starttls|secured timeout=MS disable=NAME,NAME preauth compress utf8 qresync */
static void step_enter(struct client *client, struct span args)
{
	struct arena *arena = client->script->arena;
	struct imap_options options = {
		.dial = { .host = "mail.example", .port = 143 },
		.tls = IMAP_TLS_NONE,
		.sasl = { .user = "anna", .host = "mail.example", .service = "imap", .port = 143 },
		.timeout_ms = PATIENCE,
	};
	const char *mechanism = NULL;
	struct secret *password = secret_new(SPAN("geheim")), *token = NULL;
	struct err err = ERR_INIT;

	while (args.len > 0) {
		const struct span word = word_next(&args);
		const size_t equals = span_find(word, '=');
		const struct span key = span_sub(word, 0, equals);
		char *value = arena_text(
			arena, span_from(word, equals < word.len ? equals + 1 : word.len));

		for (char *at = value; *at; at++)
			if (*at == '~')
				*at = ' ';
		if (span_equal(key, SPAN("user")))
			options.sasl.user = value;
		else if (span_equal(key, SPAN("admin")))
			options.sasl.admin = value;
		else if (span_equal(key, SPAN("port")))
			options.dial.port = (uint16_t)strtoul(value, NULL, 10);
		else if (span_equal(key, SPAN("auth")))
			mechanism = value;
		else if (span_equal(key, SPAN("timeout")))
			options.timeout_ms = (int64_t)strtoul(value, NULL, 10);
		else if (span_equal(key, SPAN("disable")))
			options.disable = value;
		else if (span_equal(word, SPAN("tls=starttls")))
			options.tls = IMAP_TLS_STARTTLS;
		else if (span_equal(word, SPAN("tls=secured")))
			options.tls = IMAP_TLS_IMPLICIT; /* as if it had been dialled with TLS */
		else if (span_equal(word, SPAN("tunnel")))
			options.dial.tunnel = "true";
		else if (span_equal(word, SPAN("preauth")))
			options.preauth = true;
		else if (span_equal(word, SPAN("compress")))
			options.compress = true;
		else if (span_equal(word, SPAN("utf8")))
			options.want_utf8 = true;
		else if (span_equal(word, SPAN("qresync")))
			options.want_qresync = true;
		else if (span_equal(key, SPAN("password"))) {
			secret_free(password);
			password = secret_new(span_of(value));
		} else if (span_equal(key, SPAN("token"))) {
			token = secret_new(span_of(value));
		} else {
			fail_msg("enter: %.*s", (int)word.len, word.data);
		}
	}
	options.sasl.password = password;
	options.sasl.token = token;
	options.mechanisms = &mechanism;
	options.mechanism_count = mechanism ? 1 : 0;
	client->facts = (struct imap_facts){ .has_tls = options.tls == IMAP_TLS_IMPLICIT };
	say_result(client, imap_enter(client->imap, &options, &client->facts, &err), &err);
	secret_free(password);
	secret_free(token);
}

static uint32_t client_tag(struct client *client, struct span name)
{
	for (size_t i = 0; i < client->names; i++)
		if (span_equal(client->name[i].name, name))
			return (uint32_t)strtoul(client->name[i].value, NULL, 10);
	fail_msg("no command is called %.*s", (int)name.len, name.data);
	return 0;
}

static void client_remember(struct client *client, struct span name, uint32_t tag)
{
	struct name *slot = &client->name[client->names++];

	assert_true(client->names <= NAMES_MAX);
	slot->name = name;
	(void)snprintf(slot->value, sizeof(slot->value), "%u", tag);
}

/* send NAME COMMAND */
static void step_send(struct client *client, struct span args)
{
	const struct span name = word_next(&args);
	struct err err = ERR_INIT;
	const uint32_t tag = imap_sendf(client->imap, &err, "%.*s", (int)args.len, args.data);

	if (tag == 0)
		say_result(client, -1, &err);
	else
		client_remember(client, name, tag);
}

/* string NAME VERB TEXT: one string argument, as a literal if it has to be */
static void step_string(struct client *client, struct span args)
{
	const struct span name = word_next(&args);
	struct err err = ERR_INIT;
	struct imap_command command;

	imap_command_init(&command, arena_text(client->script->arena, word_next(&args)));
	imap_command_string(&command, args);
	const uint32_t tag = imap_submit(client->imap, &command, &err);
	if (tag == 0)
		say_result(client, -1, &err);
	else
		client_remember(client, name, tag);
}

/* begin NAME: a tag; put TEXT: a line of its command; sent NAME */
static void step_begin(struct client *client, struct span args)
{
	client_remember(client, args, imap_tag_new(client->imap));
}

static void step_put(struct client *client, struct span args)
{
	struct err err = ERR_INIT;

	if (imap_put(client->imap, args, &err) < 0 ||
		imap_put(client->imap, SPAN("\r\n"), &err) < 0)
		say_result(client, -1, &err);
}

static void step_sent(struct client *client, struct span args)
{
	imap_tag_sent(client->imap, client_tag(client, args));
}

static int body_read(struct client *client, struct err *err)
{
	struct span chunk;
	size_t total = 0;
	char last = 0;
	int rc;

	while ((rc = imap_body_next(client->imap, &chunk, err)) > 0) {
		assert_true(chunk.len > 0);
		total += chunk.len;
		last = chunk.data[chunk.len - 1];
	}
	if (rc == 0)
		say(client, "body %zu %c", total, last);
	return rc;
}

/* until NAME [read]: all events until the command is answered; read: the streamed literals too */
static void step_until(struct client *client, struct span args)
{
	const uint32_t tag = client_tag(client, word_next(&args));
	const struct imap_event *event;
	struct err err = ERR_INIT;
	int rc;

	while ((rc = imap_until(client->imap, tag, &event, &err)) > 0) {
		const bool stream = event->type == IMAP_FETCH && event->fetch.stream;

		say_event(client, event);
		if (stream && span_equal(args, SPAN("read")) && body_read(client, &err) < 0) {
			rc = -1;
			break;
		}
		if (stream && span_equal(args, SPAN("some"))) {
			struct span chunk;
			assert_int_equal(imap_body_next(client->imap, &chunk, &err), 1);
		}
	}
	say_result(client, rc, &err);
}

static void step_finish(struct client *client, struct span args)
{
	struct err err = ERR_INIT;

	say_result(client, imap_finish(client->imap, client_tag(client, args), &err), &err);
}

static void step_next(struct client *client, struct span args)
{
	const struct imap_event *event;
	struct err err = ERR_INIT;

	(void)args;
	if (imap_next(client->imap, &event, &err) < 0)
		say_result(client, -1, &err);
	else
		say_event(client, event);
}

static void say_selected(struct client *client)
{
	const struct imap_selected *box = imap_selected(client->imap);

	say(client, "%s exists=%u uidvalidity=%u uidnext=%u modseq=%llu%s%s%s flags=%s%s%s",
		box->name ? box->name : "nothing", box->exists, box->uidvalidity, box->uidnext,
		(unsigned long long)box->highestmodseq, box->read_only ? " read-only" : "",
		box->any_keyword ? " any-keyword" : "", box->uid_not_sticky ? " not-sticky" : "",
		box->permanent_flags ? box->permanent_flags : "?", box->mailboxid ? " id=" : "",
		box->mailboxid ? box->mailboxid : "");
}

static void step_select(struct client *client, struct span args)
{
	struct err err = ERR_INIT;

	say_result(client,
		imap_select(client->imap, arena_text(client->script->arena, args), false, &err),
		&err);
	say_selected(client);
}

static void step_examine(struct client *client, struct span args)
{
	struct err err = ERR_INIT;

	say_result(client,
		imap_select(client->imap, arena_text(client->script->arena, args), true, &err),
		&err);
	say_selected(client);
}

static void step_unselect(struct client *client, struct span args)
{
	struct err err = ERR_INIT;

	(void)args;
	say_result(client, imap_unselect(client->imap, &err), &err);
	say_selected(client);
}

static void step_box(struct client *client, struct span args)
{
	(void)args;
	say_selected(client);
}

static void step_facts(struct client *client, struct span args)
{
	const struct imap_facts *facts = &client->facts;

	(void)args;
	say(client, "greeting=%s auth=%s offered=%s id=%s%s", facts->greeting, facts->mechanism,
		facts->offered, facts->server_id, facts->token_expired ? " token-expired" : "");
}

static void step_session(struct client *client, struct span args)
{
	const struct imap *imap = client->imap;

	(void)args;
	say(client, "server=%s line=%zu limit=%llu in-flight=%zu%s%s%s%s%s%s%s",
		imap_quirk(imap)->server ? imap_quirk(imap)->server : "?", imap_line_max(imap),
		(unsigned long long)imap_append_limit(imap), imap_in_flight(imap),
		imap_utf8(imap) ? " utf8" : "", imap_condstore(imap) ? " condstore" : "",
		imap_qresync(imap) ? " qresync" : "",
		imap_has(imap, IMAP_CAP_MULTIAPPEND) ? " multiappend" : "",
		imap_has(imap, IMAP_CAP_LITERAL_PLUS) ? " literal+" : "",
		imap_has(imap, IMAP_CAP_COMPRESS) ? " compress" : "",
		imap_has(imap, IMAP_CAP_MOVE) ? " move" : "");
}

static void step_close(struct client *client, struct span args)
{
	(void)args;
	imap_close(client->imap);
	client->imap = NULL;
}

static const struct step {
	const char *name;
	void (*run)(struct client *client, struct span args);
} steps[] = {
	{ "enter", step_enter },
	{ "send", step_send },
	{ "string", step_string },
	{ "begin", step_begin },
	{ "put", step_put },
	{ "sent", step_sent },
	{ "until", step_until },
	{ "finish", step_finish },
	{ "next", step_next },
	{ "select", step_select },
	{ "examine", step_examine },
	{ "unselect", step_unselect },
	{ "box", step_box },
	{ "facts", step_facts },
	{ "session", step_session },
	{ "close", step_close },
};

static void client_step(struct client *client, const struct line *line)
{
	struct span args = line->text;
	const struct span verb = word_next(&args);

	for (size_t i = 0; i < countof(steps); i++) {
		if (!span_equal(verb, span_of(steps[i].name)))
			continue;
		steps[i].run(client, args);
		return;
	}
	script_fail(client->script, line->number, "no such step", line->text);
}

static bool fits(const char *pattern, const char *text)
{
	while (*pattern && *pattern != '*' && *pattern == *text) {
		pattern++;
		text++;
	}
	if (*pattern != '*')
		return *pattern == *text;
	for (;; text++) {
		if (fits(pattern + 1, text))
			return true;
		if (!*text)
			return false;
	}
}

/* The results line by line, and the first that is not as it should be. */
static void client_judge(const struct client *client, const struct server *server)
{
	const struct script *script = client->script;
	size_t at = 0;

	for (size_t i = 0; i < script->lines; i++) {
		const struct line *line = &script->line[i];
		if (line->kind != RESULT)
			continue;
		const char *want = arena_text(script->arena, line->text),
			   *said = at < client->said_count ? client->said[at] : "nothing";
		if (!fits(want, said))
			fail_msg("%s:%d: \"%s\" instead of \"%s\"; server: %s", script->file,
				line->number, said, want, server->complaint);
		at++;
	}
	if (at < client->said_count)
		fail_msg("%s: more than expected: %s", script->file, client->said[at]);
	if (server->complaint[0])
		fail_msg("%s: %s", script->file, server->complaint);
}

struct play {
	char path[512];
	size_t read_max, write_max;
};

static void play(void **state)
{
	const struct play *play = *state;
	struct script script = { .file = play->path };
	struct stream *near, *far;
	pthread_t thread;

	script_load(&script, play->path);
	stream_pair_new(&near, &far);
	struct server server = { .script = &script, .stream = far };
	buf_init(&server.out, 1 << 22);
	assert_int_equal(pthread_create(&thread, NULL, server_run, &server), 0);

	struct client client = { .script = &script,
		.imap = imap_new(narrow_new(near, play->read_max, play->write_max), PATIENCE) };
	for (size_t i = 0; i < script.lines; i++)
		if (script.line[i].kind == STEP)
			client_step(&client, &script.line[i]);
	imap_close(client.imap);
	pthread_join(thread, NULL);
	stream_free(server.stream);
	client_judge(&client, &server);
	buf_release(&server.out);
	arena_free(script.arena);
}

static const struct mode {
	const char *name;
	size_t read_max, write_max;
} modes[] = {
	{ "whole", SIZE_MAX, SIZE_MAX },
	{ "octet by octet", 1, SIZE_MAX },
	{ "in sevens, short writes", 7, 3 },
};

int main(int argc, char **argv)
{
	static struct play plays[300];
	static struct CMUnitTest tests[countof(plays)];
	const char *source = getenv("MAILHAUL_SOURCE");
	struct dirent **found;
	char folder[256];
	size_t count = 0;

	(void)snprintf(folder, sizeof(folder), "%s/tests/wire", source ? source : ".");
	const int files = scandir(folder, &found, NULL, alphasort);
	for (int i = 0; i < files; i++) {
		const char *name = found[i]->d_name;
		const bool wanted = span_ends(span_of(name), SPAN(".wire")) &&
				    (argc < 2 || strstr(name, argv[1]));

		for (size_t m = 0; wanted && m < countof(modes) && count < countof(plays);
			m++, count++) {
			(void)snprintf(plays[count].path, sizeof(plays[count].path), "%s/%s",
				folder, name);
			plays[count].read_max = modes[m].read_max;
			plays[count].write_max = modes[m].write_max;
			tests[count].name = mem_alloc(400);
			(void)snprintf(
				(char *)tests[count].name, 400, "%s, %s", name, modes[m].name);
			tests[count].test_func = play;
			tests[count].initial_state = &plays[count];
		}
		free(found[i]);
	}
	if (files >= 0)
		free(found);
	if (count == 0) {
		(void)fprintf(stderr, "no dialogue in %s\n", folder);
		return 1;
	}
	const int failed = _cmocka_run_group_tests("imap_wire", tests, count, NULL, NULL);
	for (size_t i = 0; i < count; i++)
		mem_free((char *)tests[i].name);
	return failed;
}
