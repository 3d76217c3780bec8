/* The table of mechanisms, choosing among them, and the steps they have in common. */
#include "net/sasl_parts.h"

#include "base/buf.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "net/secret.h"
#include "net/tls.h"

#include <string.h>

/*
 * Strongest first. CRAM-MD5 stands behind PLAIN: it makes the server keep the password readable, and PLAIN is only used where nobody listens;
 * where somebody might, sasl_choose() prefers it. DIGEST-MD5 is historic (RFC 6331).
 */
static const struct sasl_mechanism sasl_table[] = {
	{ "oauthbearer", "OAUTHBEARER", SASL_NEEDS_TOKEN | SASL_CLEAR_TEXT | SASL_CARRIES_AUTHZID },
	{ "xoauth2", "XOAUTH2", SASL_NEEDS_TOKEN | SASL_CLEAR_TEXT },
	{ "scram-sha-256-plus", "SCRAM-SHA-256-PLUS",
		SASL_NEEDS_PASSWORD | SASL_BINDS_CHANNEL | SASL_CARRIES_AUTHZID |
			SASL_PROVES_SERVER },
	{ "scram-sha-256", "SCRAM-SHA-256",
		SASL_NEEDS_PASSWORD | SASL_CARRIES_AUTHZID | SASL_PROVES_SERVER },
	{ "scram-sha-1", "SCRAM-SHA-1",
		SASL_NEEDS_PASSWORD | SASL_CARRIES_AUTHZID | SASL_PROVES_SERVER },
	{ "plain", "PLAIN", SASL_NEEDS_PASSWORD | SASL_CLEAR_TEXT | SASL_CARRIES_AUTHZID },
	{ "login", "LOGIN", SASL_NEEDS_PASSWORD | SASL_CLEAR_TEXT },
	{ "cram-md5", "CRAM-MD5", SASL_NEEDS_PASSWORD },
	{ "login", "", SASL_NEEDS_PASSWORD | SASL_CLEAR_TEXT | SASL_LOGIN_COMMAND },
	{ "digest-md5", "DIGEST-MD5",
		SASL_NEEDS_PASSWORD | SASL_CARRIES_AUTHZID | SASL_ONLY_IF_NAMED |
			SASL_PROVES_SERVER },
	{ "external", "EXTERNAL", SASL_CARRIES_AUTHZID | SASL_ONLY_IF_NAMED },
	{ "gssapi", "GSSAPI", SASL_CARRIES_AUTHZID | SASL_ONLY_IF_NAMED },
	{ "ntlm", "NTLM", SASL_NEEDS_PASSWORD | SASL_ONLY_IF_NAMED },
	/* Both speak for any user: the name that follows is the mailbox's, so that an administrator is nothing more to carry. */
	{ "xgwtrustedapp", "XGWTRUSTEDAPP",
		SASL_NEEDS_PASSWORD | SASL_CLEAR_TEXT | SASL_CARRIES_AUTHZID | SASL_ONLY_IF_NAMED |
			SASL_THEN_LOGIN },
	{ "kerio-master", "X-MASTERAUTH",
		SASL_NEEDS_PASSWORD | SASL_CARRIES_AUTHZID | SASL_ONLY_IF_NAMED | SASL_OWN_COMMAND |
			SASL_THEN_SETUSER },
	{ NULL, NULL, 0 },
};

const struct sasl_mechanism *sasl_mechanisms(void)
{
	return sasl_table;
}

const struct sasl_mechanism *sasl_find(const char *key)
{
	for (const struct sasl_mechanism *at = sasl_table; at->key; at++)
		if (strcmp(at->key, key) == 0)
			return at;
	return NULL;
}

static const struct sasl_engine *sasl_engine_of(const struct sasl_mechanism *mechanism)
{
	if (mechanism->traits & SASL_NEEDS_TOKEN)
		return &sasl_oauth;
	if (mechanism->traits & SASL_THEN_LOGIN)
		return &sasl_trusted_app;
	if (mechanism->traits & SASL_THEN_SETUSER)
		return &sasl_kerio;
	return &sasl_gnu;
}

static bool choice_offers(const struct sasl_choice *choice, const struct sasl_mechanism *mechanism)
{
	if (mechanism->traits & SASL_LOGIN_COMMAND)
		return !choice->login_disabled;
	if (mechanism->traits & (SASL_THEN_LOGIN | SASL_THEN_SETUSER))
		return true; /* not announced reliably, and never chosen unasked */
	for (size_t i = 0; i < choice->offered_count; i++)
		if (span_equal_nocase(choice->offered[i], span_of(mechanism->wire)))
			return true;
	return false;
}

/* Why a mechanism is out of the question; in the order in which it is worth telling. */
enum obstacle {
	FITS,
	NOT_OFFERED,
	CLEAR_TEXT,
	NO_CHANNEL,
	NO_AUTHZID,
	NO_TOKEN,
	NO_PASSWORD,
};

static bool channel_can_bind(const struct tls_facts *tls)
{
	return tls && (tls->has_exporter || tls->unique_len > 0);
}

static enum obstacle obstacle_of(const struct sasl_choice *choice,
	const struct sasl_options *options, const struct sasl_mechanism *mechanism, bool clear_ok)
{
	const unsigned traits = mechanism->traits;

	if ((traits & SASL_NEEDS_PASSWORD) && !options->password)
		return NO_PASSWORD;
	if ((traits & SASL_NEEDS_TOKEN) && !options->token)
		return NO_TOKEN;
	if (options->admin && !(traits & SASL_CARRIES_AUTHZID))
		return NO_AUTHZID;
	if (!choice_offers(choice, mechanism))
		return NOT_OFFERED;
	if ((traits & SASL_BINDS_CHANNEL) && !channel_can_bind(options->tls))
		return NO_CHANNEL;
	if ((traits & SASL_CLEAR_TEXT) && !options->tls && !clear_ok)
		return CLEAR_TEXT;
	return FITS;
}

/* The first of all (or of those with this key) that fits. */
static const struct sasl_mechanism *choose_among(const struct sasl_choice *choice,
	const struct sasl_options *options, const char *key, bool clear_ok)
{
	for (const struct sasl_mechanism *at = sasl_table; at->key; at++) {
		if (key ? strcmp(at->key, key) != 0 : (at->traits & SASL_ONLY_IF_NAMED) != 0)
			continue;
		if (obstacle_of(choice, options, at, clear_ok) == FITS)
			return at;
	}
	return NULL;
}

static void offered_print(const struct sasl_choice *choice, struct buf *out)
{
	for (size_t i = 0; i < choice->offered_count && out->len < 200; i++)
		if (buf_add(out, i > 0 ? SPAN(" ") : SPAN("")) < 0 ||
			text_harmless(choice->offered[i], out) < 0)
			break;
	if (choice->offered_count == 0 &&
		buf_add(out, choice->login_disabled ? SPAN("nothing") : SPAN("only LOGIN")) < 0)
		return;
}

static int explain_one(const struct sasl_choice *choice, const struct sasl_options *options,
	const struct sasl_mechanism *mechanism, const char *offered, struct err *err)
{
	switch (obstacle_of(choice, options, mechanism, choice->clear_ok)) {
	case FITS:
	case NOT_OFFERED:
		break;
	case CLEAR_TEXT:
		return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_AUTH,
			"auth=%s would send the secret in clear text over a connection without TLS",
			mechanism->key);
	case NO_CHANNEL:
		return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_AUTH,
			"auth=%s needs a TLS connection to bind to: use tls=implicit or tls=starttls",
			mechanism->key);
	case NO_AUTHZID:
		return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_USAGE,
			"auth=%s cannot log in as admin on a user's behalf: use plain, scram-sha-256 or another that can",
			mechanism->key);
	case NO_TOKEN:
		return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_AUTH,
			"auth=%s needs a token: add token-file or token-cmd", mechanism->key);
	case NO_PASSWORD:
		return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_AUTH,
			"auth=%s needs a password: add pass-file, pass-cmd or pass-env",
			mechanism->key);
	}
	return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_AUTH,
		"the server does not offer auth=%s: it offers %s", mechanism->key, offered);
}

/* No mechanism was named and none fits: the nearest miss among all of them. */
static int explain_all(const struct sasl_choice *choice, const struct sasl_options *options,
	const char *offered, struct err *err)
{
	bool seen[NO_PASSWORD + 1] = { false };

	for (const struct sasl_mechanism *at = sasl_table; at->key; at++)
		if (!(at->traits & SASL_ONLY_IF_NAMED) && choice_offers(choice, at))
			seen[obstacle_of(choice, options, at, choice->clear_ok)] = true;
	if (!options->password && !options->token)
		return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_AUTH,
			"there is no password or token to log in with: add pass-file or pass-cmd, or token-cmd");
	if (seen[CLEAR_TEXT])
		return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_AUTH,
			"the server offers %s, which would send the secret in clear text over a connection without TLS",
			offered);
	if (seen[NO_AUTHZID])
		return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_AUTH,
			"the server offers %s, and none of that can log in as admin on a user's behalf",
			offered);
	if (seen[NO_PASSWORD] && !seen[NO_TOKEN])
		return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_AUTH,
			"the server offers %s: a token does not help there, add pass-file or pass-cmd",
			offered);
	if (seen[NO_TOKEN])
		return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_AUTH,
			"the server offers %s: a password does not help there, add token-file or token-cmd",
			offered);
	return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_AUTH,
		"the server offers no way to log in that we know%s: it offers %s",
		options->tls ? "" : " without TLS", offered);
}

static int choose_explain(
	const struct sasl_choice *choice, const struct sasl_options *options, struct err *err)
{
	struct buf offered;
	int rc;

	buf_init(&offered, 512);
	offered_print(choice, &offered);
	if (choice->wanted_count == 0) {
		rc = explain_all(choice, options, buf_text(&offered), err);
	} else {
		const struct sasl_mechanism *mechanism = sasl_find(choice->wanted[0]);
		if (mechanism)
			rc = explain_one(choice, options, mechanism, buf_text(&offered), err);
		else
			rc = err_set_kind(err, ERR_ACCOUNT, ERR_KIND_USAGE,
				"auth=%s is not a mechanism for this protocol", choice->wanted[0]);
	}
	buf_release(&offered);
	return rc;
}

const struct sasl_mechanism *sasl_choose(
	const struct sasl_choice *choice, const struct sasl_options *options, struct err *err)
{
	const struct sasl_mechanism *found = NULL;

	/* Even if the user asked for tls=none, what hides the secret goes first. */
	for (int pass = 0; pass < 2 && !found; pass++) {
		const bool clear_ok = pass > 0 && choice->clear_ok;
		if (choice->wanted_count == 0)
			found = choose_among(choice, options, NULL, clear_ok);
		/* The user's own order counts more than that. */
		for (size_t i = 0; i < choice->wanted_count && !found; i++)
			found = choose_among(choice, options, choice->wanted[i], choice->clear_ok);
	}
	if (!found)
		choose_explain(choice, options, err);
	return found;
}

static char *copy_or_null(const char *text)
{
	return text ? mem_strdup(text) : NULL;
}

struct sasl *sasl_new(
	const struct sasl_mechanism *mechanism, const struct sasl_options *options, struct err *err)
{
	if (mechanism->traits & SASL_LOGIN_COMMAND) {
		err_set(err, ERR_ACCOUNT, "LOGIN is a command, not a SASL mechanism");
		return NULL;
	}

	struct sasl *sasl = mem_alloc(sizeof(*sasl));
	sasl->mechanism = mechanism;
	sasl->engine = sasl_engine_of(mechanism);
	sasl->user = copy_or_null(options->user);
	sasl->admin = copy_or_null(options->admin);
	sasl->host = copy_or_null(options->host);
	sasl->service = copy_or_null(options->service);
	sasl->password = options->password;
	sasl->token = options->token;
	sasl->port = options->port;
	sasl->tls = options->tls;
	if (sasl->engine->open && sasl->engine->open(sasl, err) < 0) {
		sasl_free(sasl);
		return NULL;
	}
	return sasl;
}

void sasl_free(struct sasl *sasl)
{
	if (!sasl)
		return;
	if (sasl->engine->close)
		sasl->engine->close(sasl);
	mem_free(sasl->user);
	mem_free(sasl->admin);
	mem_free(sasl->host);
	mem_free(sasl->service);
	mem_free(sasl);
}

bool sasl_client_first(const struct sasl *sasl)
{
	static const char *const server_first[] = { "LOGIN", "CRAM-MD5", "DIGEST-MD5",
		"XGWTRUSTEDAPP", "X-MASTERAUTH" };

	for (size_t i = 0; i < countof(server_first); i++)
		if (strcmp(sasl->mechanism->wire, server_first[i]) == 0)
			return false;
	return true;
}

/* The raw answer as the wire wants it. */
static int answer_encode(const struct sasl *sasl, struct span answer, struct buf *out)
{
	if (sasl->mechanism->traits & (SASL_OWN_COMMAND | SASL_THEN_LOGIN))
		return buf_add(out, answer);
	if (answer.len == 0 && sasl->steps == 1 && sasl_client_first(sasl))
		return buf_add(out, SPAN("=")); /* RFC 4959 §3 */
	return base64_encode(answer, out);
}

int sasl_step(struct sasl *sasl, struct span challenge, struct buf *out, struct err *err)
{
	struct buf decoded, answer;
	int rc = -1;

	buf_clear(out);
	buf_init(&decoded, SASL_CAP);
	buf_init(&answer, SASL_CAP);
	sasl->steps++;
	if (challenge.len > SASL_CAP) {
		err_set_kind(err, ERR_ACCOUNT, ERR_KIND_AUTH, "the server's challenge is too long");
	} else if (sasl->mechanism->traits & SASL_OWN_COMMAND
			   ? buf_add(&decoded, challenge) < 0
			   : base64_decode(challenge, &decoded) < 0) {
		err_set_kind(err, ERR_ACCOUNT, ERR_KIND_AUTH,
			"the server's challenge is not valid base64");
	} else {
		rc = sasl->engine->step(sasl, buf_span(&decoded), &answer, err);
		if (rc >= 0 && answer_encode(sasl, buf_span(&answer), out) < 0)
			rc = err_set_kind(err, ERR_ACCOUNT, ERR_KIND_AUTH,
				"the answer to the server's challenge is too long");
	}
	if (rc == 0)
		sasl->done = true;
	secret_wipe(answer.data, answer.room);
	buf_release(&answer);
	buf_release(&decoded);
	return rc;
}

int sasl_finish(struct sasl *sasl, struct err *err)
{
	if (sasl->done || !(sasl->mechanism->traits & SASL_PROVES_SERVER))
		return 0;
	return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_AUTH,
		"the server accepted the login without proving that it knows the password: it may be an impostor");
}

bool sasl_token_expired(const struct sasl *sasl)
{
	return sasl->token_expired;
}
