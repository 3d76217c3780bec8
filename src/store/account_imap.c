/* An account's secrets, and what imap_open() and pop3_open() want to know of it. */
#include "store/account_parts.h"

#include "base/arena.h"
#include "base/mem.h"
#include "base/text.h"
#include "net/secret.h"
#include "store/secrets.h"

#include <string.h>

static const char *get(const struct account *account, enum account_key key)
{
	return account->values.value[key];
}

/* One secret from the file or the command, whichever is named; NULL without an error if neither is. */
static struct secret *ask(const struct account *account, enum account_key file,
	enum account_key command, struct err *err)
{
	struct secret *secret = NULL;
	enum account_key key = file;

	if (get(account, file)) {
		secret = secrets_from_file(get(account, file), err);
	} else if (get(account, command)) {
		key = command;
		secret = secrets_from_command(get(account, command), SECRETS_COMMAND_MS, err);
	} else {
		return NULL;
	}
	if (!secret)
		(void)err_wrap(err, "%s: %s", account->name, account_keys[key].name);
	return secret;
}

static int ask_into(const struct account *account, enum account_key file, enum account_key command,
	struct secret **out, struct err *err)
{
	if (*out || (!get(account, file) && !get(account, command)))
		return 0;
	*out = ask(account, file, command, err);
	return *out ? 0 : -1;
}

int account_secrets_early(struct account *account, struct err *err)
{
	const char *name = get(account, ACCOUNT_PASS_ENV);

	if (!name || account->password)
		return 0;
	account->password = secrets_from_env(name, err);
	return account->password ? 0 : err_wrap(err, "%s: pass-env", account->name);
}

/* What the mechanisms named ask for; with none named, anything goes. */
struct needs {
	bool password; /* at least one would take a password */
	bool nothing; /* at least one needs no secret */
};

static struct needs needs_of(const struct account *account)
{
	struct needs needs = { .nothing = account->preauth };

	if (account->mechanism_count == 0)
		needs.password = !account->preauth;
	for (size_t i = 0; i < account->mechanism_count; i++) {
		const struct sasl_mechanism *mechanism = sasl_find(account->mechanisms[i]);
		const unsigned traits = mechanism ? mechanism->traits : 0;

		if (traits & SASL_NEEDS_PASSWORD)
			needs.password = true;
		else if (!(traits & SASL_NEEDS_TOKEN))
			needs.nothing = true;
	}
	/* Most tunnels are logged in from the start. Where one is not, the login says what is missing. */
	if (get(account, ACCOUNT_TUNNEL) && account->tls == IMAP_TLS_NONE)
		needs.nothing = true;
	return needs;
}

static int no_secret(const struct account *account, bool password, struct err *err)
{
	if (!password)
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_AUTH,
			"no token named for %s: use token-file or token-cmd", account->name);
	return err_set_kind(err, ERR_LOCAL, ERR_KIND_AUTH,
		"no password named for %s: use pass-file, pass-cmd or pass-env", account->name);
}

static int prompt(struct account *account, struct err *err)
{
	const char *admin = get(account, ACCOUNT_ADMIN);
	const char *who = admin ? text_harmless_copy(account->arena, span_of(admin)) : NULL;
	const char *text =
		who ? arena_print(account->arena, "password of %s for %s: ", who, account->name)
		    : arena_print(account->arena, "password for %s: ", account->name);
	struct err why = ERR_INIT;

	account->password = secrets_from_terminal("/dev/tty", text, &why);
	if (account->password)
		return 0;
	if (why.scope == ERR_STOPPED) {
		if (err)
			*err = why;
		return -1;
	}
	(void)no_secret(account, true, err);
	return err_wrap(err, "%s", why.text);
}

static int load_login(struct account *account, struct err *err)
{
	const struct needs needs = needs_of(account);

	if (ask_into(account, ACCOUNT_PASS_FILE, ACCOUNT_PASS_CMD, &account->password, err) < 0)
		return -1;
	if (ask_into(account, ACCOUNT_TOKEN_FILE, ACCOUNT_TOKEN_CMD, &account->token, err) < 0)
		return -1;
	if (account->password || account->token || needs.nothing)
		return 0;
	if (!needs.password || !account->may_prompt)
		return no_secret(account, needs.password, err);
	return prompt(account, err);
}

static int load_all(struct account *account, struct err *err)
{
	if (load_login(account, err) < 0)
		return -1;
	if (ask_into(account, ACCOUNT_CLIENT_KEY_PASS_FILE, ACCOUNT_CLIENT_KEY_PASS_CMD,
		    &account->client_key_password, err) < 0)
		return -1;
	return ask_into(account, ACCOUNT_PROXY_PASS_FILE, ACCOUNT_PROXY_PASS_CMD,
		&account->proxy_password, err);
}

/* The old one stays: another lane may be logging in with it. */
static int refresh_token(struct account *account, struct err *err)
{
	struct secret *fresh = ask(account, ACCOUNT_TOKEN_FILE, ACCOUNT_TOKEN_CMD, err);

	if (!fresh)
		return -1;
	account->old_tokens = mem_resize(
		account->old_tokens, account->old_token_count + 1, sizeof(struct secret *));
	account->old_tokens[account->old_token_count++] = account->token;
	account->token = fresh;
	return 0;
}

/* A failure is kept as well: eight lanes shall not ask eight times. */
int account_secrets_load(struct account *account, bool fresh_token, struct err *err)
{
	if (!account->tried) {
		account->failure = ERR_INIT;
		if (load_all(account, &account->failure) == 0 ||
			account->failure.scope != ERR_STOPPED)
			account->tried = true;
		fresh_token = false; /* this one is fresh */
	}
	if (account->failure.scope != ERR_NONE) {
		if (err)
			*err = account->failure;
		return -1;
	}
	return fresh_token && account->token ? refresh_token(account, err) : 0;
}

void account_secrets_free(struct account *account)
{
	secret_free(account->password);
	secret_free(account->token);
	secret_free(account->client_key_password);
	secret_free(account->proxy_password);
	for (size_t i = 0; i < account->old_token_count; i++)
		secret_free(account->old_tokens[i]);
	mem_free(account->old_tokens);
}

static struct tls_options tls_options_of(const struct account *account)
{
	return (struct tls_options){
		.host = get(account, ACCOUNT_HOST),
		.sni = get(account, ACCOUNT_SNI),
		.verify = account_verifies(account),
		.min_version = get(account, ACCOUNT_TLS_MIN),
		.max_version = get(account, ACCOUNT_TLS_MAX),
		.ciphers = get(account, ACCOUNT_TLS_CIPHERS),
		.ciphersuites = get(account, ACCOUNT_TLS_CIPHERSUITES),
		.pins = account->pins,
		.pin_count = account->pin_count,
		.ca_file = get(account, ACCOUNT_CA_FILE),
		.ca_path = get(account, ACCOUNT_CA_PATH),
		.client_cert = get(account, ACCOUNT_CLIENT_CERT),
		.client_key = get(account, ACCOUNT_CLIENT_KEY),
		.client_key_password = account->client_key_password,
	};
}

static struct sasl_options sasl_options_of(const struct account *account)
{
	const char *host = get(account, ACCOUNT_HOST);

	return (struct sasl_options){
		.user = get(account, ACCOUNT_USER),
		.admin = get(account, ACCOUNT_ADMIN),
		.password = account->password,
		.token = account->token,
		.host = host ? host : "localhost",
		.service = account->location.kind == LOCATION_POP3 ? "pop" : "imap",
		.port = account->port,
	};
}

static int64_t timeout_of(const struct account *account)
{
	struct err unused = ERR_INIT;
	int64_t timeout_ms;

	return text_parse_duration(get(account, ACCOUNT_TIMEOUT), &timeout_ms, &unused) < 0
		       ? 60000
		       : timeout_ms;
}

static struct dial_options dial_options_of(const struct account *account)
{
	return (struct dial_options){
		.host = get(account, ACCOUNT_HOST),
		.port = account->port,
		.proxy = get(account, ACCOUNT_PROXY),
		.proxy_password = account->proxy_password,
		.tunnel = get(account, ACCOUNT_TUNNEL),
		.trace_label = account->trace_label,
		.timeout_ms = timeout_of(account),
	};
}

static void options_fill(struct account *account, struct imap_options *out)
{
	*out = (struct imap_options){
		.dial = dial_options_of(account),
		.tls = account->tls,
		.tls_options = tls_options_of(account),
		.sasl = sasl_options_of(account),
		.mechanisms = account->mechanisms,
		.mechanism_count = account->mechanism_count,
		.preauth = account->preauth,
		.no_login = account->nobody,
		.compress = strcmp(get(account, ACCOUNT_COMPRESS), "yes") == 0,
		.disable = account->disable,
		.timeout_ms = timeout_of(account),
	};
}

static void pop3_options_fill(struct account *account, struct pop3_options *out)
{
	static const enum pop3_tls tls[] = {
		[IMAP_TLS_IMPLICIT] = POP3_TLS_IMPLICIT,
		[IMAP_TLS_STARTTLS] = POP3_TLS_STLS,
		[IMAP_TLS_NONE] = POP3_TLS_NONE,
	};

	*out = (struct pop3_options){
		.dial = dial_options_of(account),
		.tls = tls[account->tls],
		.tls_options = tls_options_of(account),
		.sasl = sasl_options_of(account),
		.mechanisms = account->mechanisms,
		.mechanism_count = account->mechanism_count,
		.apop = account->apop,
		.disable = account->disable,
		.timeout_ms = timeout_of(account),
	};
}

int account_imap_options(
	struct account *account, bool fresh_token, struct imap_options *out, struct err *err)
{
	int rc;

	if (account->location.kind != LOCATION_IMAP)
		return err_set_kind(
			err, ERR_LOCAL, ERR_KIND_USAGE, "%s is no IMAP server", account->name);
	(void)pthread_mutex_lock(&account->lock);
	rc = account->nobody ? 0 : account_secrets_load(account, fresh_token, err);
	if (rc == 0)
		options_fill(account, out);
	(void)pthread_mutex_unlock(&account->lock);
	return rc;
}

int account_pop3_options(
	struct account *account, bool fresh_token, struct pop3_options *out, struct err *err)
{
	int rc;

	if (account->location.kind != LOCATION_POP3)
		return err_set_kind(
			err, ERR_LOCAL, ERR_KIND_USAGE, "%s is no POP3 server", account->name);
	(void)pthread_mutex_lock(&account->lock);
	rc = account_secrets_load(account, fresh_token, err);
	if (rc == 0)
		pop3_options_fill(account, out);
	(void)pthread_mutex_unlock(&account->lock);
	return rc;
}
