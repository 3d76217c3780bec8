/* The way in: from a host name to a session that is logged in, has its extensions enabled and compresses. */
#include "imap/imap.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/must.h"
#include "base/text.h"
#include "imap/imap_parts.h"
#include "net/redact.h"
#include "net/secret.h"
#include "net/wire.h"

#include <string.h>

#define SASL_STEPS_MAX 32 /* no mechanism takes more than a handful */
#define SASL_LINE_MAX 65536
#define SASL_ROOM 8192

struct login {
	struct imap *imap;
	const struct imap_options *options;
	struct imap_facts *facts;
	const struct sasl_mechanism *mechanism;
	bool preauth; /* the greeting said so */
	int64_t step_us; /* when the current step began */
};

/* Each step has its deadline: a server that drips would otherwise never be silent for long enough. */
static void step_begin(struct login *login)
{
	login->step_us = clock_us();
	login->imap->deadline =
		login->options->timeout_ms > 0 ? clock_ms() + login->options->timeout_ms : 0;
}

static int64_t step_us(const struct login *login)
{
	const int64_t took = clock_us() - login->step_us;

	return took > 0 ? took : 1; /* 0 says that it did not happen */
}

static const char *host_of(const struct login *login)
{
	const char *host = login->options->dial.host;

	return host ? host : "the server";
}

/* As much of it as fits, harmless. */
static void fact_set(char *out, size_t size, struct span text)
{
	struct buf clean;

	buf_init(&clean, size * 12);
	if (text_harmless(span_sub(span_trim(text), 0, size - 1), &clean) < 0)
		buf_clear(&clean);
	(void)snprintf(out, size, "%s", buf_text(&clean));
	buf_release(&clean);
}

/* Who answers there instead: the first octets, and what to do. */
static const struct stranger {
	const char *start, *advice;
} strangers[] = {
	{ "+OK", "it speaks POP3: use pop3:// or pop3s://" },
	{ "-ERR", "it speaks POP3: use pop3:// or pop3s://" },
	{ "HTTP/", "it is a web server: check the port" },
	{ "<", "it is a web server: check the port" },
	{ "SSH-", "it speaks SSH: check the port" },
	{ "220", "it speaks SMTP or FTP: check the port" },
	{ "\x15\x03", "it wants TLS from the first byte: use imaps:// or tls=implicit" },
};

static int refuse_stranger(const struct login *login, struct span said, struct err *err)
{
	const char *advice = "check host and port";

	for (size_t i = 0; i < countof(strangers); i++) {
		if (!span_starts(said, span_of(strangers[i].start)))
			continue;
		advice = strangers[i].advice;
		break;
	}
	const size_t end = span_find(said, '\n');
	said = span_trim(span_sub(said, 0, end < 60 ? end : 60));
	return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_NETWORK,
		"%s port %u does not speak IMAP: it says \"%.*s\": %s", host_of(login),
		login->options->dial.port, (int)said.len, said.data, advice);
}

/* Nothing came, or not enough. */
static int greeting_missing(const struct login *login, struct err *err)
{
	if (err->scope == ERR_STOPPED)
		return -1;
	if (login->options->tls == IMAP_TLS_IMPLICIT || login->options->dial.tunnel)
		return err_wrap(err, "waiting for the greeting of %s", host_of(login));
	return err_wrap(err,
		"waiting for the greeting of %s port %u (if it wants TLS from the first byte, use "
		"imaps:// or tls=implicit)",
		host_of(login), login->options->dial.port);
}

/*
 * RFC 3501 §7.1: greeting = "*" SP (resp-cond-auth / resp-cond-bye) CRLF. Looked at before the parser gets it: what else may answer has no
 * line ends, or none soon.
 */
static int greeting_look(const struct login *login, struct err *err)
{
	const struct wire *wire = login->imap->wire;

	for (;;) {
		const struct span said = wire_peek(wire);
		const bool stranger = !span_starts(SPAN("* "), span_sub(said, 0, 2));

		if (said.len >= 2 && !stranger)
			return 0;
		if (stranger && (said.len >= 60 || span_find(said, '\n') != SIZE_MAX))
			return refuse_stranger(login, said, err);
		if (imap_wait(login->imap, err) == 0)
			continue;
		return stranger ? refuse_stranger(login, wire_peek(wire), err)
				: greeting_missing(login, err);
	}
}

static int greeting_judge(struct login *login, const struct imap_event *event, struct err *err)
{
	const struct imap_options *options = login->options;

	login->preauth = event->status == IMAP_PREAUTH;
	if (event->status == IMAP_NO || event->status == IMAP_BAD) {
		imap_answer_err(event, err);
		return err_rescope(err, ERR_CONN);
	}
	if (!login->preauth && options->preauth)
		return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_AUTH,
			"auth=preauth: %s wants a login: leave auth away, or check that the tunnel "
			"logs in",
			host_of(login));
	if (!login->preauth)
		return 0;
	/* Who is in between can say PREAUTH too, to make us skip STARTTLS (CVE-2020-14093 of mutt). */
	if (options->tls == IMAP_TLS_STARTTLS)
		return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_TLS,
			"%s says that we are logged in before TLS could begin: refused, for that "
			"hides an attack: use imaps://, or tls=none for a tunnel",
			host_of(login));
	if (!options->preauth && !options->dial.tunnel)
		return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_AUTH,
			"%s says that we are logged in already, and not as whom: add auth=preauth "
			"if that is right",
			host_of(login));
	return 0;
}

static int enter_greeting(struct login *login, struct err *err)
{
	const struct imap_event *event;

	step_begin(login);
	if (greeting_look(login, err) < 0)
		return -1;
	if (imap_next(login->imap, &event, err) < 0)
		return err_wrap(err, "greeting of %s", host_of(login));
	if (event->type != IMAP_STATUS_LINE)
		return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_NETWORK,
			"%s port %u does not speak IMAP: its first line is no greeting",
			host_of(login), login->options->dial.port);

	login->facts->greeting_us = step_us(login);
	fact_set(login->facts->greeting, sizeof(login->facts->greeting), event->text);
	imap_note_greeting(login->imap, event->text);
	return greeting_judge(login, event, err);
}

/* Required where it is asked for; no login without it (reliability: A1 to A3). */
static int enter_starttls(struct login *login, struct err *err)
{
	const struct imap_event *event;
	struct imap *imap = login->imap;

	if (login->options->tls != IMAP_TLS_STARTTLS)
		return 0;
	step_begin(login);
	/* What is here already cannot be the answer. */
	while (imap_ready(imap))
		if (imap_next(imap, &event, err) < 0)
			return -1;

	const uint32_t tag = imap_sendf(imap, err, "STARTTLS");
	if (tag == 0)
		return -1;
	if (imap_finish(imap, tag, err) < 0) {
		if (!imap_refused(imap, tag))
			return err_wrap(err, "STARTTLS with %s", host_of(login));
		return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_TLS,
			"%s refuses STARTTLS (%s): use imaps:// if it offers that, or tls=none if "
			"clear text will do",
			host_of(login), err->text);
	}
	if (wire_start_tls(imap->wire, &login->options->tls_options, &login->facts->tls, err) < 0)
		return imap_abandon(imap, err);
	imap_forget(imap);
	login->facts->greeting[0] = '\0'; /* whoever said that */
	login->facts->has_tls = true;
	login->facts->tls_us = step_us(login);
	return 0;
}

static int ask_capability(struct login *login, struct err *err)
{
	const uint32_t tag = imap_sendf(login->imap, err, "CAPABILITY");

	if (tag == 0)
		return -1;
	if (imap_finish(login->imap, tag, err) < 0)
		return err_wrap(err, "capabilities of %s", host_of(login));
	return 0;
}

/* The mechanisms offered, without those disabled. Returns how many; the words are borrowed from the session. */
static size_t mechanisms_offered(const struct imap *imap, struct span *out, size_t max)
{
	const struct imap_words *words = imap_capabilities(imap);
	size_t count = 0;

	for (size_t i = 0; i < words->count && count < max; i++)
		if (span_starts_nocase(words->word[i], SPAN("AUTH=")) &&
			!imap_is_disabled(imap, words->word[i]))
			out[count++] = span_from(words->word[i], 5);
	return count;
}

static void note_offered(struct login *login, const struct span *offered, size_t count)
{
	struct imap_facts *facts = login->facts;
	struct buf names;

	buf_init(&names, sizeof(facts->offered));
	for (size_t i = 0; i < count; i++)
		if (buf_print(&names, "%s%.*s", i > 0 ? " " : "", (int)offered[i].len,
			    offered[i].data) < 0)
			break;
	fact_set(facts->offered, sizeof(facts->offered), buf_span(&names));
	buf_release(&names);
}

static int login_choose(struct login *login, struct sasl_options *options, struct err *err)
{
	struct span offered[32];
	const size_t count = mechanisms_offered(login->imap, offered, countof(offered));
	const struct sasl_choice choice = {
		.wanted = login->options->mechanisms,
		.wanted_count = login->options->mechanism_count,
		.offered = offered,
		.offered_count = count,
		.login_disabled = imap_has(login->imap, IMAP_CAP_SASL_NONE),
		.clear_ok = login->options->tls == IMAP_TLS_NONE,
	};
	struct imap_facts *facts = login->facts;

	note_offered(login, offered, count);
	options->tls = facts->has_tls ? &facts->tls : NULL;
	login->mechanism = sasl_choose(&choice, options, err);
	if (!login->mechanism)
		return err_wrap(err, "login at %s", host_of(login));
	(void)snprintf(facts->mechanism, sizeof(facts->mechanism), "%s", login->mechanism->key);
	return 0;
}

/* With room from the start: a buffer that grows leaves its octets behind. */
static void secret_buf_init(struct buf *buf)
{
	buf_init(buf, 2 * SASL_LINE_MAX);
	if (buf_reserve(buf, SASL_ROOM) < 0)
		buf_clear(buf); /* cannot be: the cap is higher */
}

static void secret_buf_release(struct buf *buf)
{
	secret_wipe(buf->data, buf->room);
	buf_release(buf);
}

/* Sends one line of the exchange and wipes it. */
static int sasl_line(struct login *login, struct buf *line, struct err *err)
{
	const int rc = buf_add(line, SPAN("\r\n")) < 0
			       ? err_set(err, ERR_LOCAL, "a SASL answer is too long")
			       : wire_put_secret(login->imap->wire, buf_span(line), err);

	secret_wipe(line->data, line->room);
	buf_clear(line);
	return rc;
}

/* "m7 AUTHENTICATE PLAIN", with the initial response where that is understood (RFC 4959). Returns the tag, or 0. */
static uint32_t sasl_begin(
	struct login *login, struct sasl *sasl, bool *answered_out, struct err *err)
{
	const bool own = login->mechanism->traits & SASL_OWN_COMMAND;
	const bool initial =
		!own && imap_has(login->imap, IMAP_CAP_SASL_IR) && sasl_client_first(sasl);
	const uint32_t tag = imap_tag_new(login->imap);
	struct buf answer, line;

	secret_buf_init(&answer);
	secret_buf_init(&line);
	int rc = initial ? sasl_step(sasl, SPAN(""), &answer, err) : 0;
	if (rc >= 0 && buf_print(&line, "m%u %s%s%s", tag, own ? "" : "AUTHENTICATE ",
			       login->mechanism->wire, initial ? " " : "") < 0)
		rc = err_set(err, ERR_LOCAL, "a SASL answer is too long");
	wire_hide_exact(login->imap->wire, buf_span(&answer));
	if (rc >= 0 && initial && buf_add(&line, buf_span(&answer)) < 0)
		rc = err_set(err, ERR_LOCAL, "a SASL answer is too long");
	if (rc >= 0)
		rc = sasl_line(login, &line, err);
	secret_buf_release(&answer);
	secret_buf_release(&line);
	if (rc < 0)
		return 0;
	imap_tag_sent(login->imap, tag);
	*answered_out = initial;
	return tag;
}

/* Answers one "+". */
static int sasl_answer(
	struct login *login, struct sasl *sasl, struct span challenge, bool first, struct err *err)
{
	struct buf answer;

	secret_buf_init(&answer);
	int rc = sasl_step(sasl, first ? SPAN("") : span_trim(challenge), &answer, err);
	/* "=" stands for an empty answer only behind AUTHENTICATE itself (RFC 4959 §3). */
	if (rc >= 0 && first && span_equal(buf_span(&answer), SPAN("=")))
		buf_clear(&answer);
	wire_hide_exact(login->imap->wire, buf_span(&answer));
	if (rc >= 0)
		rc = sasl_line(login, &answer, err);
	secret_buf_release(&answer);
	return rc < 0 ? -1 : 0;
}

/* 0 = tagged OK, and the server is who it should be. -1: *tag_out tells a refusal from a failure. */
static int sasl_exchange(struct login *login, struct sasl *sasl, uint32_t *tag_out, struct err *err)
{
	const struct imap_event *event;
	bool answered = false;
	int steps = 0, rc;

	*tag_out = sasl_begin(login, sasl, &answered, err);
	if (*tag_out == 0)
		return -1;
	while ((rc = imap_until(login->imap, *tag_out, &event, err)) > 0) {
		if (event->type != IMAP_CONTINUE)
			continue;
		if (++steps > SASL_STEPS_MAX)
			return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_AUTH,
				"%s: the server asks without end", login->mechanism->key);
		/* A mechanism that speaks first begins with whatever came along; the others need it. */
		const bool first = !answered && sasl_client_first(sasl);
		if (sasl_answer(login, sasl, event->text, first, err) < 0)
			return -1;
		answered = true;
	}
	return rc < 0 ? -1 : sasl_finish(sasl, err);
}

static int login_by_sasl(
	struct login *login, const struct sasl_options *options, uint32_t *tag_out, struct err *err)
{
	struct sasl *sasl = sasl_new(login->mechanism, options, err);

	if (!sasl)
		return -1;
	const int rc = sasl_exchange(login, sasl, tag_out, err);
	login->facts->token_expired = sasl_token_expired(sasl);
	sasl_free(sasl);
	return rc;
}

/* RFC 3501 §6.2.3 */
static int login_by_command(struct login *login, const char *user, struct span password,
	uint32_t *tag_out, struct err *err)
{
	struct imap_command command;

	imap_command_init(&command, "LOGIN");
	command.secret = true;
	imap_command_string(&command, span_of(user));
	imap_command_string(&command, password);
	if (command.broken) {
		imap_command_release(&command);
		return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_AUTH,
			"user name or password holds what LOGIN cannot carry: use another auth");
	}
	*tag_out = imap_submit(login->imap, &command, err);
	return *tag_out > 0 ? imap_finish(login->imap, *tag_out, err) : -1;
}

/* What Kerio's and GroupWise's ways for an administrator end with: whose mailbox it shall be. */
static int login_on_behalf(
	struct login *login, const char *user, uint32_t *tag_out, struct err *err)
{
	struct imap_command command;

	if (login->mechanism->traits & SASL_THEN_LOGIN)
		return login_by_command(login, user, SPAN(""), tag_out, err);
	if (!(login->mechanism->traits & SASL_THEN_SETUSER))
		return 0;
	imap_command_init(&command, "X-SETUSER");
	imap_command_mailbox(&command, user); /* always in quotes */
	*tag_out = imap_submit(login->imap, &command, err);
	return *tag_out > 0 ? imap_finish(login->imap, *tag_out, err) : -1;
}

static const char *login_hint(const struct login *login)
{
	const unsigned traits = login->mechanism->traits;

	if (traits & SASL_NEEDS_TOKEN)
		return "the token is not valid for this user or not for IMAP: get a new one";
	if (traits & SASL_NEEDS_PASSWORD)
		return "check user name and password, and whether the provider wants an app "
		       "password or a token instead";
	return "check that the user may log in this way";
}

/* NO or BAD: it is the account's trouble, unless the server only has no time. It is not tried again, for that locks accounts. */
static int login_refused(struct login *login, const char *user, struct err *err)
{
	if (err->kind == ERR_KIND_BUSY || err->retry == ERR_RETRY_AFTER) {
		err_wrap(err, "login of %s at %s", user, host_of(login));
		return err->scope < ERR_CONN ? err_rescope(err, ERR_CONN) : -1;
	}
	if (login->mechanism->traits & SASL_NEEDS_TOKEN)
		login->facts->token_expired = true; /* many servers do not say why */
	return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_AUTH,
		"login of %s at %s with %s failed: %s: %s", user, host_of(login),
		login->mechanism->key, err->text, login_hint(login));
}

static int enter_authenticate(struct login *login, struct err *err)
{
	struct sasl_options options = login->options->sasl;
	const char *user = options.user ? options.user : "";
	struct imap *imap = login->imap;
	uint32_t tag = 0;
	int rc;

	step_begin(login);
	if (login->preauth)
		return 0;
	if (!imap->told && ask_capability(login, err) < 0)
		return -1;
	if (login_choose(login, &options, err) < 0)
		return -1;

	/* What was offered before the login may not be what is offered after it (RFC 3501 §6.2). */
	imap->told = false;
	wire_hide(imap->wire, secret_bytes(options.password));
	wire_hide(imap->wire, secret_bytes(options.token));
	if (login->mechanism->traits & SASL_LOGIN_COMMAND)
		rc = login_by_command(login, user, secret_bytes(options.password), &tag, err);
	else
		rc = login_by_sasl(login, &options, &tag, err);
	if (rc == 0)
		rc = login_on_behalf(login, user, &tag, err);
	if (rc < 0 && imap_refused(imap, tag))
		return login_refused(login, user, err);
	if (rc < 0) {
		/* In the middle of an exchange nothing more can be said. */
		imap_abandon(imap, err);
		return err_wrap(err, "login of %s at %s", user, host_of(login));
	}
	login->facts->login_us = step_us(login);
	return 0;
}

/* Nobody logs in: what is offered before it is all there is to be known. */
static int enter_nowhere(struct login *login, struct err *err)
{
	struct span offered[32];

	step_begin(login);
	if (!login->imap->told && ask_capability(login, err) < 0)
		return -1;
	note_offered(login, offered, mechanisms_offered(login->imap, offered, countof(offered)));
	return 0;
}

/* Commands under way between login and ready; 0 = not sent. */
struct batch {
	uint32_t capability, id, enable, compress;
};

static int send_id(struct login *login, struct batch *batch, struct err *err)
{
	if (batch->id > 0 || !imap_has(login->imap, IMAP_CAP_ID))
		return 0;
	/* 163 and other Coremail servers let nobody in who does not say this ("Unsafe Login"). */
	batch->id = imap_sendf(login->imap, err, "ID (\"name\" \"mailhaul\" \"version\" \"%s\")",
		MAILHAUL_VERSION);
	return batch->id > 0 ? 0 : -1;
}

static int send_enable(struct login *login, struct batch *batch, struct err *err)
{
	const struct imap_options *options = login->options;
	const struct imap *imap = login->imap;
	const char *qresync =
		options->want_qresync && imap_has(imap, IMAP_CAP_QRESYNC) ? " QRESYNC" : "";
	/* QRESYNC brings CONDSTORE with it (RFC 7162 §3.2.3). */
	const char *condstore =
		options->want_qresync && !*qresync && imap_has(imap, IMAP_CAP_CONDSTORE)
			? " CONDSTORE"
			: "";
	const bool fragile = options->will_write && (imap->quirk.flags & IMAP_QUIRK_FRAGILE_NAMES);
	const char *utf8 = options->want_utf8 && !fragile && imap_has(imap, IMAP_CAP_UTF8_ACCEPT)
				   ? " UTF8=ACCEPT"
				   : "";

	if (!imap_has(imap, IMAP_CAP_ENABLE) || (!*condstore && !*qresync && !*utf8))
		return 0;
	batch->enable = imap_sendf(login->imap, err, "ENABLE%s%s%s", condstore, qresync, utf8);
	return batch->enable > 0 ? 0 : -1;
}

/* The last command of its batch: what follows its OK is compressed (RFC 4978 §3). */
static int send_compress(struct login *login, struct batch *batch, struct err *err)
{
	if (!login->options->compress || !imap_has(login->imap, IMAP_CAP_COMPRESS))
		return 0;
	batch->compress = imap_sendf(login->imap, err, "COMPRESS DEFLATE");
	return batch->compress > 0 ? 0 : -1;
}

/* Waits for one of them. A refusal means to do without, unless it says that the login was worth nothing. */
static int settle(struct login *login, uint32_t tag, enum imap_cap cap, struct err *err)
{
	struct imap *imap = login->imap;

	if (tag == 0 || imap_finish(imap, tag, err) == 0)
		return 0;
	if (!imap_refused(imap, tag))
		return err_wrap(err, "right after the login at %s", host_of(login));
	if (err->scope >= ERR_CONN) {
		/* Exchange: "User is authenticated but not connected". */
		err->kind = ERR_KIND_AUTH;
		err->retry = ERR_RETRY_NEVER;
		err_wrap(err, "login at %s is of no use", host_of(login));
		return err_rescope(err, ERR_ACCOUNT);
	}
	imap_give_up(imap, cap);
	err_clear(err);
	return 0;
}

static int start_deflate(struct imap *imap, struct err *err)
{
	if (wire_start_deflate(imap->wire, err) < 0)
		return imap_abandon(imap, err);
	imap->compressed = true;
	return 0;
}

static void note_server_id(struct login *login)
{
	const struct imap_words *id = &login->imap->id;
	struct buf text;

	buf_init(&text, 4 * sizeof(login->facts->server_id));
	for (size_t i = 0; i + 1 < id->count; i += 2) {
		const struct span name = id->word[i], value = id->word[i + 1];

		if (value.len > 0 &&
			buf_print(&text, "%s%.*s %.*s", text.len > 0 ? ", " : "", (int)name.len,
				name.data, (int)value.len, value.data) < 0)
			break;
	}
	fact_set(login->facts->server_id, sizeof(login->facts->server_id), buf_span(&text));
	buf_release(&text);
}

/*
 * One round trip if the login's OK told the capabilities: all commands go out together. Two if they have to be asked for.
 */
static int enter_ready(struct login *login, struct err *err)
{
	struct imap *imap = login->imap;
	struct batch batch = { 0 };

	step_begin(login);
	if (!imap->told || (imap->quirk.flags & IMAP_QUIRK_ASK_CAPABILITY)) {
		batch.capability = imap_sendf(imap, err, "CAPABILITY");
		if (batch.capability == 0)
			return -1;
	}
	if (send_id(login, &batch, err) < 0)
		return -1;
	if (!imap->told && settle(login, batch.capability, 0, err) < 0)
		return -1;
	if (send_id(login, &batch, err) < 0 || send_enable(login, &batch, err) < 0 ||
		send_compress(login, &batch, err) < 0)
		return -1;

	if (settle(login, batch.capability, 0, err) < 0 ||
		settle(login, batch.id, IMAP_CAP_ID, err) < 0 ||
		settle(login, batch.enable, IMAP_CAP_ENABLE, err) < 0 ||
		settle(login, batch.compress, IMAP_CAP_COMPRESS, err) < 0)
		return -1;
	if (batch.compress > 0 && !imap_refused(imap, batch.compress) &&
		start_deflate(imap, err) < 0)
		return -1;
	note_server_id(login);
	return 0;
}

static int enter_as_user(struct login *login, struct err *err)
{
	return enter_authenticate(login, err) < 0 ? -1 : enter_ready(login, err);
}

bool imap_may_compress(const struct imap *imap)
{
	return !imap->compressed && imap_has(imap, IMAP_CAP_COMPRESS);
}

int imap_compress(struct imap *imap, struct err *err)
{
	struct err refusal = ERR_INIT;
	uint32_t tag;

	if (!imap_may_compress(imap))
		return 0;
	tag = imap_sendf(imap, err, "COMPRESS DEFLATE");
	if (tag == 0)
		return -1;
	if (imap_finish(imap, tag, &refusal) == 0)
		return start_deflate(imap, err);
	if (imap_refused(imap, tag)) {
		imap_give_up(imap, IMAP_CAP_COMPRESS);
		return 0;
	}
	if (err)
		*err = refusal;
	return -1;
}

int imap_enter(struct imap *imap, const struct imap_options *options, struct imap_facts *facts,
	struct err *err)
{
	struct login login = { .imap = imap, .options = options, .facts = facts };
	struct err local = ERR_INIT;

	imap_disable(imap, options->disable);
	if (enter_greeting(&login, &local) < 0 || enter_starttls(&login, &local) < 0 ||
		(options->no_login ? enter_nowhere(&login, &local)
				   : enter_as_user(&login, &local)) < 0) {
		redact_apply(wire_redact(imap->wire), local.text, strlen(local.text));
		if (err)
			*err = local;
		return -1;
	}
	imap->deadline = 0;
	return 0;
}

/* Implicit TLS, where it is asked for. NULL: the stream is gone. */
static struct stream *open_tls(struct stream *stream, const struct imap_options *options,
	struct imap_facts *facts, struct err *err)
{
	const int64_t began = clock_us();

	if (options->tls != IMAP_TLS_IMPLICIT)
		return stream;
	stream = stream_tls_new(stream, &options->tls_options, &facts->tls,
		options->timeout_ms > 0 ? clock_ms() + options->timeout_ms : 0, err);
	if (!stream) {
		err_wrap(err, "%s port %u", options->dial.host ? options->dial.host : "the server",
			options->dial.port);
		return NULL;
	}
	facts->has_tls = true;
	facts->tls_us = clock_us() - began;
	return stream;
}

struct imap *imap_open(
	const struct imap_options *options, struct imap_facts *facts, struct err *err)
{
	const int64_t began = clock_us();
	struct imap_facts unwanted;

	if (!facts)
		facts = &unwanted;
	*facts = (struct imap_facts){ 0 };
	struct stream *stream = dial(&options->dial, &facts->dial, err);
	if (stream)
		stream = open_tls(stream, options, facts, err);
	if (!stream)
		return NULL;

	struct imap *imap = imap_new(stream, options->timeout_ms);
	if (imap_enter(imap, options, facts, err) < 0) {
		imap_close(imap);
		return NULL;
	}
	facts->ready_us = clock_us() - began;
	return imap;
}
