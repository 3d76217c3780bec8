/* The way in: from a host name to a session that is logged in and knows what the server can do. */
#include "pop3/pop3.h"

#include "base/clock.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "net/secret.h"
#include "net/wire.h"
#include "pop3/pop3_parts.h"

#include <openssl/evp.h>
#include <string.h>

#define SASL_STEPS_MAX 32 /* no mechanism takes more than a handful */
#define SASL_LINE_MAX 65536
#define SASL_ROOM 8192
#define AUTH_LINE_MAX 255 /* RFC 5034 §4: longer ones send the initial response by itself */
#define MD5_SIZE 16
#define DELAY_MAX_S 3600 /* nobody is believed who asks for more */

struct login {
	struct pop3 *pop3;
	const struct pop3_options *options;
	struct pop3_facts *facts;
	const struct sasl_mechanism *mechanism; /* NULL: APOP */
	char stamp[512]; /* of the greeting, for APOP */
	int64_t step_us; /* when the current step began */
};

/* Each step has its deadline: a server that drips would otherwise never be silent for long enough. */
static void step_begin(struct login *login)
{
	login->step_us = clock_us();
	login->pop3->deadline =
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

/* Adds to a fact that is a list. */
static void fact_add(char *out, size_t size, struct span text)
{
	const size_t used = strlen(out);

	if (used + 3 >= size)
		return;
	if (used > 0)
		memcpy(out + used, ", ", 3);
	fact_set(out + strlen(out), size - strlen(out), text);
}

/* ---- greeting, CAPA, STLS ---- */

/* Who answers there instead: the first octets, and what to do. */
static const struct stranger {
	const char *start, *advice;
} strangers[] = {
	{ "* ", "it speaks IMAP: use imap:// or imaps://" },
	{ "HTTP/", "it is a web server: check the port" },
	{ "<", "it is a web server: check the port" },
	{ "SSH-", "it speaks SSH: check the port" },
	{ "220", "it speaks SMTP or FTP: check the port" },
	{ "\x15\x03", "it wants TLS from the first byte: use pop3s:// or tls=implicit" },
};

static int refuse_stranger(const struct login *login, struct span said, struct err *err)
{
	const char *advice = "check host and port";
	char shown[TEXT_SHOWN];

	for (size_t i = 0; i < countof(strangers); i++) {
		if (!span_starts(said, span_of(strangers[i].start)))
			continue;
		advice = strangers[i].advice;
		break;
	}
	const size_t end = span_find(said, '\n');
	text_shown(span_trim(span_sub(said, 0, end < 60 ? end : 60)), shown);
	return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_NETWORK,
		"%s port %u does not speak POP3: it says \"%s\": %s", host_of(login),
		login->options->dial.port, shown, advice);
}

/* Looked at before it is parsed: what else may answer has no line ends, or none soon. */
static int greeting_look(const struct login *login, struct err *err)
{
	for (;;) {
		const struct span said = wire_peek(login->pop3->wire);
		const bool stranger = said.len > 0 && said.data[0] != '+' && said.data[0] != '-';

		if (said.len > 0 && !stranger)
			return 0;
		if (stranger && (said.len >= 60 || span_find(said, '\n') != SIZE_MAX))
			return refuse_stranger(login, said, err);
		if (pop3_wait(login->pop3, err) == 0)
			continue;
		if (stranger)
			return refuse_stranger(login, wire_peek(login->pop3->wire), err);
		if (err->scope == ERR_STOPPED)
			return -1;
		return err_wrap(err, "waiting for the greeting of %s port %u%s", host_of(login),
			login->options->dial.port,
			login->options->tls == POP3_TLS_IMPLICIT
				? ""
				: " (if it wants TLS from the first byte, use pop3s:// or "
				  "tls=implicit)");
	}
}

static int enter_greeting(struct login *login, struct err *err)
{
	struct pop3_reply reply;

	step_begin(login);
	if (greeting_look(login, err) < 0)
		return -1;
	if (pop3_reply(login->pop3, &reply, err) < 0)
		return err_wrap(err, "greeting of %s", host_of(login));
	if (reply.status != POP3_OK) {
		(void)pop3_refusal(login->pop3, &reply, err);
		err_wrap(err, "greeting of %s", host_of(login));
		return err->scope < ERR_CONN ? err_rescope(err, ERR_CONN) : -1;
	}

	const struct span stamp = pop3_stamp(reply.text);
	if (stamp.len < sizeof(login->stamp))
		(void)snprintf(login->stamp, sizeof(login->stamp), "%.*s", (int)stamp.len,
			stamp.data ? stamp.data : "");
	login->facts->greeting_us = step_us(login);
	fact_set(login->facts->greeting, sizeof(login->facts->greeting), reply.text);
	return 0;
}

static void note_cap(struct login *login, struct span line)
{
	struct pop3 *pop3 = login->pop3;
	struct pop3_facts *facts = login->facts;
	struct span argument = SPAN(""), rest = line, name, word;
	const unsigned bit = pop3_cap_parse(line, &argument);
	uint32_t seconds;

	if (!pop3_word(&rest, &name))
		return;
	fact_add(facts->capabilities, sizeof(facts->capabilities), line);
	if (pop3_is_disabled(pop3, name))
		return;
	pop3->caps |= bit;
	if (bit == POP3_CAP_SASL) {
		buf_clear(&pop3->mechanisms);
		if (buf_add(&pop3->mechanisms, argument) < 0)
			buf_clear(&pop3->mechanisms);
	} else if (span_equal_nocase(name, SPAN("LOGIN-DELAY")) && pop3_word(&rest, &word) &&
		   span_u32(word, &seconds)) {
		pop3->login_delay_s = seconds < DELAY_MAX_S ? seconds : DELAY_MAX_S;
	} else if (span_equal_nocase(name, SPAN("IMPLEMENTATION"))) {
		fact_set(facts->server_id, sizeof(facts->server_id), rest);
	}
}

/* RFC 2449 §5. A server without CAPA may have everything of RFC 1939: it is tried. */
static int ask_capabilities(struct login *login, struct err *err)
{
	struct pop3 *pop3 = login->pop3;
	struct pop3_reply reply;
	struct span line;
	int rc;

	pop3_forget(pop3);
	login->facts->capabilities[0] = '\0';
	if (pop3_send(pop3, POP3_MULTI, err, "CAPA") < 0 || pop3_next(pop3, &reply, err) < 0)
		return err_wrap(err, "capabilities of %s", host_of(login));
	pop3->told = reply.status == POP3_OK;
	if (!pop3->told) {
		pop3->caps = POP3_CAP_USER | POP3_CAP_TOP | POP3_CAP_UIDL;
		return 0;
	}
	while ((rc = pop3_body_line(pop3, &line, err)) > 0)
		note_cap(login, line);
	return rc < 0 ? err_wrap(err, "capabilities of %s", host_of(login)) : 0;
}

/* RFC 2595 §4: required where it is asked for; no login without it. */
static int enter_stls(struct login *login, struct err *err)
{
	struct pop3 *pop3 = login->pop3;

	if (login->options->tls != POP3_TLS_STLS)
		return 0;
	step_begin(login);
	/* What is here already cannot be the answer: pop3_command() sees to that once it is read. */
	(void)!wire_fill(pop3->wire, NULL);
	if (pop3_command(pop3, err, "STLS") < 0) {
		if (pop3->failed)
			return err_wrap(err, "STLS with %s", host_of(login));
		return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_TLS,
			"%s refuses STLS (%s): use pop3s:// if it offers that, or tls=none if "
			"clear text will do",
			host_of(login), err->text);
	}
	if (wire_start_tls(pop3->wire, &login->options->tls_options, &login->facts->tls, err) < 0) {
		pop3->fault = *err;
		pop3->failed = true;
		return -1;
	}
	login->facts->greeting[0] = '\0'; /* whoever said that */
	login->facts->has_tls = true;
	login->facts->tls_us = step_us(login);
	return 0;
}

/* ---- logging in ---- */

static size_t mechanisms_offered(const struct pop3 *pop3, struct span *out, size_t max)
{
	struct span rest = buf_span(&pop3->mechanisms), word;
	size_t count = 0;

	while (count < max && pop3_word(&rest, &word))
		if (!pop3_is_disabled(pop3, word))
			out[count++] = word;
	return count;
}

static bool apop_fits(const struct login *login)
{
	return login->stamp[0] && login->options->sasl.password && !login->options->sasl.admin;
}

static int choose_apop(struct login *login, struct err *err)
{
	if (!login->stamp[0])
		return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_AUTH,
			"login at %s: auth=apop needs a time stamp in the greeting, and there is "
			"none",
			host_of(login));
	if (!login->options->sasl.password || login->options->sasl.admin)
		return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_AUTH,
			"login at %s: auth=apop takes a password, and no admin", host_of(login));
	login->mechanism = NULL;
	(void)snprintf(login->facts->mechanism, sizeof(login->facts->mechanism), "apop");
	return 0;
}

/* Strongest first; APOP only stands before what would be readable by everybody. */
static int login_choose(struct login *login, struct sasl_options *options, struct err *err)
{
	struct pop3_facts *facts = login->facts;
	const bool only_apop = login->options->apop && login->options->mechanism_count == 0;
	struct span offered[32];
	const size_t count = mechanisms_offered(login->pop3, offered, countof(offered));
	const struct sasl_choice choice = {
		.wanted = login->options->mechanisms,
		.wanted_count = login->options->mechanism_count,
		.offered = offered,
		.offered_count = count,
		/* Servers that announce neither USER nor SASL have USER all the same. */
		.login_disabled = !pop3_has(login->pop3, POP3_CAP_USER) && count > 0,
		.clear_ok = login->options->tls == POP3_TLS_NONE,
	};
	const bool apop =
		apop_fits(login) && (login->options->apop || login->options->mechanism_count == 0);

	fact_set(facts->offered, sizeof(facts->offered), buf_span(&login->pop3->mechanisms));
	options->tls = facts->has_tls ? &facts->tls : NULL;
	if (only_apop)
		return choose_apop(login, err);
	login->mechanism = sasl_choose(&choice, options, err);
	if (apop && (!login->mechanism ||
			    (!facts->has_tls && (login->mechanism->traits & SASL_CLEAR_TEXT)))) {
		err_clear(err);
		return choose_apop(login, err);
	}
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

/* Sends one line with a secret in it, wipes it, and reads the answer. */
static int secret_line(
	struct login *login, struct buf *line, struct pop3_reply *reply, struct err *err)
{
	int rc = buf_add(line, SPAN("\r\n")) < 0
			 ? err_set(err, ERR_LOCAL, "a line of the login is too long")
			 : pop3_put_secret(login->pop3, buf_span(line), err);

	secret_wipe(line->data, line->room);
	buf_clear(line);
	if (rc == 0)
		rc = pop3_reply(login->pop3, reply, err);
	return rc;
}

static int step_too_long(struct err *err)
{
	return err_set(err, ERR_LOCAL, "a line of the login is too long");
}

/* "AUTH PLAIN", with the initial response where it fits the line; RFC 5034 §4. */
static int sasl_begin(struct login *login, struct sasl *sasl, bool *answered_out,
	struct pop3_reply *reply, struct err *err)
{
	const char *wire = login->mechanism->wire;
	struct buf answer, line;
	int rc = 0;

	secret_buf_init(&answer);
	secret_buf_init(&line);
	*answered_out = false;
	if (buf_print(&line, "AUTH %s", wire) < 0)
		rc = step_too_long(err);
	if (rc == 0 && sasl_client_first(sasl) && sasl_step(sasl, SPAN(""), &answer, err) < 0)
		rc = -1;
	wire_hide_exact(login->pop3->wire, buf_span(&answer));
	const bool fits = line.len + 1 + answer.len + 2 <= AUTH_LINE_MAX;
	if (rc == 0 && answer.len > 0 && fits) {
		*answered_out = true;
		if (buf_add(&line, SPAN(" ")) < 0 || buf_add(&line, buf_span(&answer)) < 0)
			rc = step_too_long(err);
	}
	if (rc == 0)
		rc = secret_line(login, &line, reply, err);
	/* Some say +OK where + is due. */
	if (rc == 0 && answer.len > 0 && !fits && reply->status != POP3_ERR) {
		*answered_out = true;
		rc = secret_line(login, &answer, reply, err);
	}
	secret_buf_release(&answer);
	secret_buf_release(&line);
	return rc;
}

static int sasl_exchange(
	struct login *login, struct sasl *sasl, struct pop3_reply *reply, struct err *err)
{
	bool answered;
	int steps = 0;

	if (sasl_begin(login, sasl, &answered, reply, err) < 0)
		return -1;
	while (reply->status == POP3_CONTINUE || (reply->status == POP3_OK && !answered)) {
		struct buf answer;

		if (++steps > SASL_STEPS_MAX)
			return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_AUTH,
				"%s: the server asks without end", login->mechanism->key);
		secret_buf_init(&answer);
		int rc = sasl_step(sasl, reply->text, &answer, err);
		wire_hide_exact(login->pop3->wire, buf_span(&answer));
		if (rc >= 0)
			rc = secret_line(login, &answer, reply, err);
		secret_buf_release(&answer);
		if (rc < 0)
			return -1;
		answered = true;
	}
	return reply->status == POP3_OK ? sasl_finish(sasl, err) : 0;
}

static int login_by_sasl(struct login *login, const struct sasl_options *options,
	struct pop3_reply *reply, struct err *err)
{
	struct sasl *sasl = sasl_new(login->mechanism, options, err);

	if (!sasl)
		return -1;
	const int rc = sasl_exchange(login, sasl, reply, err);
	login->facts->token_expired = sasl_token_expired(sasl);
	sasl_free(sasl);
	return rc;
}

static bool has_line_end(struct span text)
{
	return span_find(text, '\r') != SIZE_MAX || span_find(text, '\n') != SIZE_MAX ||
	       span_find(text, '\0') != SIZE_MAX;
}

/* RFC 1939 §7. The password may hold blanks: it is the rest of the line. */
static int login_by_user(struct login *login, const char *user, struct span password,
	struct pop3_reply *reply, struct err *err)
{
	struct buf line;
	int rc;

	if (!*user || has_line_end(span_of(user)) || has_line_end(password))
		return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_AUTH,
			"user name or password holds what POP3 cannot carry: use another auth");
	secret_buf_init(&line);
	rc = buf_print(&line, "USER %s", user) < 0 ? step_too_long(err)
						   : secret_line(login, &line, reply, err);
	if (rc == 0 && reply->status == POP3_OK) {
		rc = buf_add(&line, SPAN("PASS ")) < 0 || buf_add(&line, password) < 0
			     ? step_too_long(err)
			     : secret_line(login, &line, reply, err);
	}
	secret_buf_release(&line);
	return rc;
}

/* RFC 1939 §7: the MD5 of the time stamp followed by the password. */
static int apop_digest(struct span stamp, struct span password, char out[2 * MD5_SIZE + 1])
{
	unsigned char digest[MD5_SIZE];
	unsigned len = 0;
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	const bool good = context && EVP_DigestInit_ex(context, EVP_md5(), NULL) == 1 &&
			  EVP_DigestUpdate(context, stamp.data, stamp.len) == 1 &&
			  EVP_DigestUpdate(context, password.data, password.len) == 1 &&
			  EVP_DigestFinal_ex(context, digest, &len) == 1;

	EVP_MD_CTX_free(context);
	if (!good)
		return -1;
	digest_hex(digest, sizeof(digest), out);
	return 0;
}

static int login_by_apop(struct login *login, const char *user, struct span password,
	struct pop3_reply *reply, struct err *err)
{
	char digest[2 * MD5_SIZE + 1];
	struct buf line;
	int rc;

	if (!*user || has_line_end(span_of(user)))
		return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_AUTH,
			"the user name holds what POP3 cannot carry");
	if (apop_digest(span_of(login->stamp), password, digest) < 0)
		return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_AUTH,
			"auth=apop needs MD5, which this system's OpenSSL forbids");
	wire_hide_exact(login->pop3->wire, span_of(digest));
	secret_buf_init(&line);
	rc = buf_print(&line, "APOP %s %s", user, digest) < 0
		     ? step_too_long(err)
		     : secret_line(login, &line, reply, err);
	secret_buf_release(&line);
	return rc;
}

static const char *login_hint(const struct login *login)
{
	const unsigned traits = login->mechanism ? login->mechanism->traits : SASL_NEEDS_PASSWORD;

	if (traits & SASL_NEEDS_TOKEN)
		return "the token is not valid for this user or not for POP3: get a new one";
	if (traits & SASL_NEEDS_PASSWORD)
		return "check user name and password, whether POP3 is allowed for this account, "
		       "and whether the provider wants an app password";
	return "check that the user may log in this way";
}

/* It is the account's trouble, unless the server only has no time or holds the maildrop. It is not tried again, for that locks accounts. */
static int login_refused(
	struct login *login, const char *user, const struct pop3_reply *reply, struct err *err)
{
	(void)pop3_refusal(login->pop3, reply, err);
	if (err->kind == ERR_KIND_BUSY || reply->code == POP3_CODE_SYS_PERM)
		return err_wrap(err, "login of %s at %s", user, host_of(login));
	if (login->mechanism && (login->mechanism->traits & SASL_NEEDS_TOKEN))
		login->facts->token_expired = true; /* many servers do not say why */
	return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_AUTH,
		"login of %s at %s with %s failed: %s: %s", user, host_of(login),
		login->facts->mechanism, err->text, login_hint(login));
}

static int enter_authenticate(struct login *login, struct err *err)
{
	struct sasl_options options = login->options->sasl;
	const char *user = options.user ? options.user : "";
	const struct span password = secret_bytes(options.password);
	struct pop3 *pop3 = login->pop3;
	struct pop3_reply reply = { .status = POP3_ERR };
	int rc;

	step_begin(login);
	if (ask_capabilities(login, err) < 0)
		return -1;
	if (login->options->want_utf8 && pop3_has(pop3, POP3_CAP_UTF8) &&
		pop3_command(pop3, err, "UTF8") < 0 && pop3->failed)
		return err_wrap(err, "UTF8 with %s", host_of(login));
	err_clear(err);
	if (login_choose(login, &options, err) < 0)
		return -1;
	wire_hide(pop3->wire, password);
	wire_hide(pop3->wire, secret_bytes(options.token));
	if (!login->mechanism)
		rc = login_by_apop(login, user, password, &reply, err);
	else if (login->mechanism->traits & SASL_LOGIN_COMMAND)
		rc = login_by_user(login, user, password, &reply, err);
	else
		rc = login_by_sasl(login, &options, &reply, err);
	if (rc < 0) {
		/* In the middle of an exchange nothing more can be said. */
		pop3_abandon(pop3);
		return err_wrap(err, "login of %s at %s", user, host_of(login));
	}
	if (reply.status != POP3_OK)
		return login_refused(login, user, &reply, err);
	pop3->entered = true;
	login->facts->login_us = step_us(login);
	return 0;
}

/* What was offered before the login may not be what is offered after it (RFC 2449 §5). */
static int enter_ready(struct login *login, struct err *err)
{
	step_begin(login);
	if (login->pop3->told && ask_capabilities(login, err) < 0)
		return -1;
	/* Announced or not, they are tried: some servers have them and do not say so. */
	for (unsigned i = 0; i < 2; i++) {
		static const struct {
			const char *name;
			enum pop3_cap cap;
		} basic[] = { { "TOP", POP3_CAP_TOP }, { "UIDL", POP3_CAP_UIDL } };

		pop3_set(login->pop3, basic[i].cap,
			!pop3_is_disabled(login->pop3, span_of(basic[i].name)));
	}
	if (pop3_has(login->pop3, POP3_CAP_EXPIRE_0))
		log_info("%s deletes what was read (EXPIRE 0): sessions are broken off, so that it "
			 "does not",
			host_of(login));
	return 0;
}

int pop3_enter(struct pop3 *pop3, const struct pop3_options *options, struct pop3_facts *facts,
	struct err *err)
{
	struct login login = { .pop3 = pop3, .options = options, .facts = facts };
	struct err local = ERR_INIT;

	mem_free(pop3->disabled);
	pop3->disabled = options->disable ? mem_strdup(options->disable) : NULL;
	for (char *at = pop3->disabled; at && *at; at++)
		*at = (char)(*at == ',' ? ' ' : *at);
	if (enter_greeting(&login, &local) < 0 || enter_stls(&login, &local) < 0 ||
		enter_authenticate(&login, &local) < 0 || enter_ready(&login, &local) < 0) {
		pop3_blot(pop3, local.text);
		if (err)
			*err = local;
		return -1;
	}
	pop3_blot(pop3, facts->capabilities);
	pop3_blot(pop3, facts->server_id);
	pop3->deadline = 0;
	return 0;
}

/* Implicit TLS, where it is asked for. NULL: the stream is gone. */
static struct stream *open_tls(struct stream *stream, const struct pop3_options *options,
	struct pop3_facts *facts, struct err *err)
{
	const int64_t began = clock_us();

	if (options->tls != POP3_TLS_IMPLICIT)
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

struct pop3 *pop3_open(
	const struct pop3_options *options, struct pop3_facts *facts, struct err *err)
{
	const int64_t began = clock_us();
	struct pop3_facts unwanted;

	if (!facts)
		facts = &unwanted;
	*facts = (struct pop3_facts){ 0 };
	struct stream *stream = dial(&options->dial, &facts->dial, err);
	if (stream)
		stream = open_tls(stream, options, facts, err);
	if (!stream)
		return NULL;

	struct pop3 *pop3 = pop3_new(stream, options->timeout_ms);
	if (pop3_enter(pop3, options, facts, err) < 0) {
		pop3_close(pop3);
		return NULL;
	}
	facts->ready_us = clock_us() - began;
	return pop3;
}
