/* Lays option, location and configuration over each other, checks what came out, and answers questions about it. */
#include "store/account_parts.h"

#include "base/arena.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/text.h"
#include "net/sasl.h"
#include "net/secret.h"
#include "state/ledger.h"

#include <string.h>

/* Where a value may come from, nearest first. */
enum place { PLACE_LINE, PLACE_OPTION, PLACE_LOCATION, PLACE_CONFIG, PLACES };

struct layers {
	struct account_values values[PLACES];
	bool has_password[PLACES]; /* besides the values: in PLACE_LINE and PLACE_LOCATION */
};

static int usage(struct err *err, const char *what)
{
	return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE, "%s", what);
}

static const char *get(const struct account *account, enum account_key key)
{
	return account->values.value[key];
}

/* "src location", "location" */
static int wrap_location(const struct account *account, struct err *err)
{
	return err_wrap(err, "%s%slocation", account->role, *account->role ? " " : "");
}

/* Copies one place's values, with the user in place of %u where a name or a path may depend on it. */
static int place_fill(struct account *account, const struct account_values *from, const char *user,
	struct account_values *out, struct err *err)
{
	for (size_t i = 0; i < ACCOUNT_KEYS; i++) {
		const bool path = account_keys[i].type == KEY_FILE;
		const char *value = from->value[i];

		if (value && (path || i == ACCOUNT_USER)) {
			value = location_put_user(value, user, path, account->arena, err);
			account->depends_on_user |= i == ACCOUNT_USER && value != from->value[i];
		}
		if (value && account_value_check((enum account_key)i, value, err) < 0)
			return -1;
		if (from->value[i] && !value)
			return err_wrap(err, "%s", account_keys[i].name);
		out->value[i] = value ? arena_strdup(account->arena, value) : NULL;
	}
	return 0;
}

static int fill_options(struct account *account, const struct account_request *request,
	struct layers *layers, struct err *err)
{
	if (!request->options)
		return 0;
	if (place_fill(account, request->options, request->user, &layers->values[PLACE_OPTION],
		    err) < 0)
		return err_wrap(err, "options%s%s", *account->role ? " --" : "", account->role);
	return 0;
}

static int fill_line(struct account *account, const struct account_request *request,
	struct layers *layers, struct err *err)
{
	struct account_values *values = &layers->values[PLACE_LINE];

	if (!request->line)
		return 0;
	if (place_fill(account, request->line, request->user, values, err) < 0)
		return err_wrap(err, "users file");
	layers->has_password[PLACE_LINE] = request->line_secret != NULL;
	if (account->location.kind == LOCATION_FILE) {
		layers->has_password[PLACE_LINE] = false;
		for (size_t key = 0; key < ACCOUNT_KEYS; key++)
			if (account_key_group((enum account_key)key) == GROUP_LOGIN)
				values->value[key] = NULL;
	}
	return 0;
}

static int no_such_account(const char *name, const struct config *config, struct err *err)
{
	const char *near = config ? config_account_near(config, name) : NULL;
	char shown[TEXT_SHOWN];

	text_shown(span_of(name), shown);
	if (near)
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
			"no account %s in the configuration: did you mean %s?", shown, near);
	return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
		"no account %s in the configuration: a directory is written maildir:%s, a server "
		"imaps://USER@HOST",
		shown, shown);
}

/* The name stands for a section, and the section's own location takes the place of the name. */
static int fill_config(struct account *account, const struct account_request *request,
	struct layers *layers, struct err *err)
{
	struct location *location = &account->location;
	const char *text = NULL, *mailbox = location->mailbox;
	struct account_values *out = &layers->values[PLACE_CONFIG];
	const struct account_values *section =
		request->config ? config_account(request->config, location->name, &text) : NULL;

	if (!section)
		return no_such_account(location->name, request->config, err);
	if (place_fill(account, section, request->user, out, err) < 0)
		return err_wrap(err, "account %s", location->name);
	if (!text) {
		location->kind = LOCATION_IMAP;
		location->scheme = "imap";
		location->implicit_tls = true;
		return 0;
	}

	struct location inner;
	account->depends_on_user |= strstr(text, "%u") != NULL;
	if (location_parse(text, request->user, account->arena, &inner, err) < 0)
		return err_wrap(err, "account %s", location->name);
	if (inner.password || inner.kind == LOCATION_NAME) { /* config_open() refused both */
		location_release(&inner);
		return usage(err, "the configuration holds no passwords, and accounts do not refer "
				  "to each other");
	}
	if (out->value[ACCOUNT_TLS] && inner.implicit_tls)
		inner.values.value[ACCOUNT_TLS] = NULL; /* the same: config_open() saw to it */
	*location = inner;
	location->mailbox = mailbox ? mailbox : inner.mailbox;
	return account_values_join(out, &inner.values, NULL, err);
}

/*
 * What keeps only a part of each message, asked of a place where nothing is kept: somebody believes that it copies only a part. The configuration may say it, for
 * it speaks of whatever the account is used for.
 */
static int check_part_keys(
	const struct account *account, const struct account_values *values, struct err *err)
{
	const char *headers = values->value[ACCOUNT_HEADERS_ONLY];
	const char *parts = values->value[ACCOUNT_ATTACHMENTS];

	if (headers && account_value_bool(headers) && !account_is_target(account))
		return usage(err, "headers-only: is for the destination of copy and mirror");
	if (parts && strcmp(parts, "only") == 0 &&
		(account->read_only || strcmp(account->role, "src") == 0))
		return usage(err, "attachments=only: is for a destination, and this is only read");
	return 0;
}

/* A name's query was read before its kind was known. */
static int check_layers(const struct account *account, const struct layers *layers, struct err *err)
{
	static const char *const places[PLACES] = { [PLACE_LINE] = "users file",
		[PLACE_OPTION] = "options",
		[PLACE_LOCATION] = "location",
		[PLACE_CONFIG] = "configuration" };

	for (size_t i = 0; i < PLACES; i++) {
		if (account_values_check(&layers->values[i], layers->has_password[i],
			    account->location.scheme, NULL, err) < 0 ||
			(i != PLACE_CONFIG &&
				check_part_keys(account, &layers->values[i], err) < 0))
			return err_wrap(
				err, "%s%s%s", account->role, *account->role ? " " : "", places[i]);
	}
	return 0;
}

/* The nearest place that names a source of this group, or PLACES. */
static size_t group_place(const struct layers *layers, enum account_group group)
{
	for (size_t place = 0; place < PLACES; place++) {
		if (group == GROUP_LOGIN && layers->has_password[place])
			return place;
		for (size_t key = 0; key < ACCOUNT_KEYS; key++)
			if (layers->values[place].value[key] &&
				account_key_group((enum account_key)key) == group)
				return place;
	}
	return PLACES;
}

/* The nearest wins; secrets as a group, so that a token does not stay behind a nearer password. */
static void merge(struct account *account, const struct layers *layers)
{
	for (size_t key = 0; key < ACCOUNT_KEYS; key++) {
		const enum account_group group = account_key_group((enum account_key)key);
		const char *value = NULL;

		if (group != GROUP_NONE) {
			const size_t place = group_place(layers, group);

			value = place < PLACES ? layers->values[place].value[key] : NULL;
		} else {
			for (size_t place = 0; place < PLACES && !value; place++)
				value = layers->values[place].value[key];
		}
		if (value && account_keys[key].type == KEY_FILE)
			value = path_expand(account->arena, value);
		account->values.value[key] = value;
	}
	if (account->location.password && group_place(layers, GROUP_LOGIN) == PLACE_LOCATION) {
		account->password = account->location.password;
		account->location.password = NULL;
	}
}

/* What the line of --users adds besides values. */
static void merge_line(
	struct account *account, const struct account_request *request, const struct layers *layers)
{
	const struct account_values *line = &layers->values[PLACE_LINE];
	const char **user = &account->values.value[ACCOUNT_USER];

	if (!request->line || account->location.kind == LOCATION_FILE)
		return;
	if (layers->has_password[PLACE_LINE]) {
		struct secret *copy = secret_new(secret_bytes(request->line_secret));

		if (request->line_secret_is_token)
			account->token = copy;
		else
			account->password = copy;
	}
	if (group_place(layers, GROUP_LOGIN) == PLACE_LINE)
		account->values.value[ACCOUNT_ADMIN] = line->value[ACCOUNT_ADMIN];
	if (!*user && request->user) {
		*user = arena_strdup(account->arena, request->user);
		account->depends_on_user = true;
	}
}

static void fill_mechanisms(struct account *account)
{
	struct span rest = span_of(get(account, ACCOUNT_AUTH)), word;
	const size_t most = rest.len / 2 + 1;

	account->mechanisms = arena_array(account->arena, most, sizeof(*account->mechanisms));
	while (account_list_next(&rest, &word)) {
		if (span_equal(word, SPAN("preauth")))
			account->preauth = true;
		else if (span_equal(word, SPAN("apop")))
			account->apop = true;
		else
			account->mechanisms[account->mechanism_count++] =
				arena_text(account->arena, word);
	}
}

static void fill_pins(struct account *account)
{
	struct span rest = span_of(get(account, ACCOUNT_TLS_PIN)), word;

	account->pins = arena_array(account->arena, rest.len / 2 + 1, sizeof(*account->pins));
	while (account_list_next(&rest, &word))
		account->pins[account->pin_count++] = arena_text(account->arena, word);
}

/* Encryption unless it is ruled out in so many words, or a tunnel is logged in from the start and leaves no room for STARTTLS. */
static void fill_tls(struct account *account)
{
	const char *tls = get(account, ACCOUNT_TLS);
	const bool only_preauth = account->preauth && account->mechanism_count == 0;

	if (!tls && account->location.implicit_tls)
		tls = "implicit";
	else if (!tls)
		tls = only_preauth && get(account, ACCOUNT_TUNNEL) ? "none" : "starttls";
	account->values.value[ACCOUNT_TLS] = tls;
	account->tls = IMAP_TLS_STARTTLS;
	if (strcmp(tls, "implicit") == 0)
		account->tls = IMAP_TLS_IMPLICIT;
	if (strcmp(tls, "none") == 0)
		account->tls = IMAP_TLS_NONE;
}

static unsigned usual_port(enum location_kind kind, enum imap_tls tls)
{
	if (kind == LOCATION_POP3)
		return tls == IMAP_TLS_IMPLICIT ? 995 : 110;
	return tls == IMAP_TLS_IMPLICIT ? 993 : 143;
}

/* A secret in a line of --users is what the mechanisms named take. */
static void fill_token(struct account *account)
{
	for (size_t i = 0; i < account->mechanism_count; i++) {
		const struct sasl_mechanism *mechanism = sasl_find(account->mechanisms[i]);

		if (!mechanism || !(mechanism->traits & SASL_NEEDS_TOKEN))
			return;
	}
	if (account->mechanism_count > 0 && !account->token) {
		account->token = account->password;
		account->password = NULL;
	}
}

static void fill_defaults(struct account *account)
{
	static const struct {
		enum account_key key;
		const char *value;
	} defaults[] = {
		{ ACCOUNT_TLS_VERIFY, "yes" },
		{ ACCOUNT_COMPRESS, "auto" },
		{ ACCOUNT_TIMEOUT, ACCOUNT_TIMEOUT_DEFAULT },
	};
	const char *host = get(account, ACCOUNT_HOST);
	struct err unused = ERR_INIT;
	uint32_t port = 0;

	fill_mechanisms(account);
	fill_pins(account);
	fill_tls(account);
	account->disable = account_quirk_disabled(account->arena, get(account, ACCOUNT_QUIRK));
	for (size_t i = 0; i < countof(defaults); i++)
		if (!get(account, defaults[i].key))
			account->values.value[defaults[i].key] = defaults[i].value;
	if (!get(account, ACCOUNT_PORT))
		account->values.value[ACCOUNT_PORT] = arena_print(
			account->arena, "%u", usual_port(account->location.kind, account->tls));
	if (span_u32(span_of(get(account, ACCOUNT_PORT)), &port))
		account->port = (uint16_t)port;
	if (host) /* one form, whoever named it */
		account->values.value[ACCOUNT_HOST] =
			location_host(span_of(host), account->arena, &unused);
}

/* Do the mechanisms named get by without this trait? False if none is named. */
static bool mechanisms_lack(const struct account *account, unsigned trait)
{
	for (size_t i = 0; i < account->mechanism_count; i++) {
		const struct sasl_mechanism *mechanism = sasl_find(account->mechanisms[i]);

		if (mechanism && (mechanism->traits & trait))
			return false;
	}
	return account->mechanism_count > 0;
}

static int check_user(const struct account *account, struct err *err)
{
	const bool secretless = mechanisms_lack(account, SASL_NEEDS_PASSWORD | SASL_NEEDS_TOKEN);

	if (get(account, ACCOUNT_ADMIN) && mechanisms_lack(account, SASL_CARRIES_AUTHZID))
		return usage(err, "admin: none of the mechanisms in auth can log in on another's "
				  "behalf: use plain, scram-sha-256, external or gssapi");
	if (get(account, ACCOUNT_USER) || account->preauth || account->nobody)
		return 0;
	if (secretless && !get(account, ACCOUNT_ADMIN))
		return 0;
	return usage(err, "no user name: write imaps://USER@HOST (an '@' in USER as %40), or name "
			  "it by the user key");
}

static int check_server(const struct account *account, struct err *err)
{
	const char *min = get(account, ACCOUNT_TLS_MIN), *max = get(account, ACCOUNT_TLS_MAX);

	if (get(account, ACCOUNT_OAUTH))
		return usage(err, "oauth: built-in OAuth flows are not there yet: use token-cmd");
	if (!get(account, ACCOUNT_HOST) && !get(account, ACCOUNT_TUNNEL))
		return usage(err, "no host: write imaps://USER@HOST, or name it by the host key");
	if (get(account, ACCOUNT_TUNNEL) && get(account, ACCOUNT_PROXY))
		return usage(err, "tunnel and proxy exclude each other");
	if (!get(account, ACCOUNT_HOST) && account->tls != IMAP_TLS_NONE &&
		account_verifies(account))
		return usage(err, "a tunnel without a host has no name to check a certificate "
				  "against: add tls=none if the command encrypts, or the host");
	if (min && max && strcmp(min, max) > 0)
		return usage(err, "tls-min is above tls-max");
	if (max && !min && strcmp(max, "1.2") < 0)
		return usage(err, "tls-max is below 1.2: if that is meant, lower tls-min as well");
	if (get(account, ACCOUNT_CLIENT_KEY) && !get(account, ACCOUNT_CLIENT_CERT))
		return usage(err, "client-key without client-cert");
	return check_user(account, err);
}

static int check_parts(const struct account *account, struct err *err)
{
	const char *headers = get(account, ACCOUNT_HEADERS_ONLY), *part = account_part(account);

	if (part && strcmp(part, "attachments") == 0 && headers && account_value_bool(headers))
		return usage(
			err, "headers-only with attachments=only: a header has no attachments");
	return 0;
}

static int fill(struct account *account, const struct account_request *request, struct err *err)
{
	struct layers layers = { 0 };

	account->depends_on_user = strstr(request->location, "%u") != NULL;
	if (location_parse(
		    request->location, request->user, account->arena, &account->location, err) < 0)
		return wrap_location(account, err);
	layers.values[PLACE_LOCATION] = account->location.values;
	layers.has_password[PLACE_LOCATION] = account->location.password != NULL;
	account->password_in_location = account->location.password != NULL;
	if (account->location.kind == LOCATION_NAME &&
		fill_config(account, request, &layers, err) < 0)
		return wrap_location(account, err);
	account->mailbox = account->location.mailbox;
	if (fill_options(account, request, &layers, err) < 0 ||
		fill_line(account, request, &layers, err) < 0 ||
		check_layers(account, &layers, err) < 0)
		return -1;
	merge(account, &layers);
	merge_line(account, request, &layers);
	if (check_parts(account, err) < 0)
		return -1;
	if (account->location.kind == LOCATION_FILE) {
		account_name_fill(account);
		return 0;
	}
	if (account->location.kind == LOCATION_POP3 && account->mailbox)
		return usage(err, "POP3 has no mailboxes: leave out what follows the name");
	fill_defaults(account);
	if (layers.has_password[PLACE_LINE])
		fill_token(account);
	account->nobody = request->may_be_nobody && account->location.kind == LOCATION_IMAP &&
			  !get(account, ACCOUNT_USER) && !account->preauth;
	if (check_server(account, err) < 0)
		return wrap_location(account, err);
	account_name_fill(account);
	return account->nobody ? 0 : account_secrets_early(account, err);
}

struct account *account_new(const struct account_request *request, struct err *err)
{
	struct account *account = mem_alloc(sizeof(*account));

	account->arena = arena_new();
	(void)pthread_mutex_init(&account->lock, NULL);
	account->role = arena_strdup(account->arena, request->role ? request->role : "");
	account->read_only = request->read_only;
	account->may_prompt = request->may_prompt;
	account->trace_label = account->role;
	if (request->line && request->user)
		account->trace_label = text_harmless_copy(
			account->arena, span_of(arena_print(account->arena, "%s(%s)", account->role,
						request->user)));
	if (fill(account, request, err) < 0) {
		account_free(account);
		return NULL;
	}
	return account;
}

void account_free(struct account *account)
{
	if (!account)
		return;
	ledger_close(account->ledger);
	account_secrets_free(account);
	location_release(&account->location);
	(void)pthread_mutex_destroy(&account->lock);
	arena_free(account->arena);
	mem_free(account);
}

struct ledger *account_ledger(struct account *account, const char *state_dir, struct err *err)
{
	struct ledger *ledger;

	pthread_mutex_lock(&account->lock);
	if (!account->ledger)
		account->ledger = ledger_open(state_dir, account->identity, err);
	ledger = account->ledger;
	pthread_mutex_unlock(&account->lock);
	return ledger;
}

bool account_is_nobody(const struct account *account)
{
	return account->nobody;
}

const char *account_scheme(const struct account *account)
{
	return account->location.scheme;
}

const char *account_get(const struct account *account, enum account_key key)
{
	return account->values.value[key];
}

const char *account_part(const struct account *account)
{
	const char *headers = get(account, ACCOUNT_HEADERS_ONLY);
	const char *parts = get(account, ACCOUNT_ATTACHMENTS);

	if (parts && strcmp(parts, "only") == 0)
		return "attachments";
	return headers && account_value_bool(headers) ? "header" : NULL;
}

const char *account_path(const struct account *account)
{
	return account->location.path;
}

const char *account_mailbox(const struct account *account)
{
	return account->mailbox;
}

const char *account_role(const struct account *account)
{
	return account->role;
}

bool account_is_target(const struct account *account)
{
	return !account->read_only && strcmp(account->role, "dst") == 0;
}

unsigned account_connections(const struct account *account)
{
	const char *value = get(account, ACCOUNT_CONNECTIONS);
	uint32_t count = 0;

	return value && span_u32(span_of(value), &count) ? count : 0;
}

bool account_verifies(const struct account *account)
{
	const char *value = get(account, ACCOUNT_TLS_VERIFY);

	return !value || account_value_bool(value);
}

bool account_depends_on_user(const struct account *account)
{
	return account->depends_on_user;
}

bool account_password_in_location(const struct account *account)
{
	return account->password_in_location;
}
