/* Accounts: which place wins, what holds by default, what excludes each other, names, and what imap_open() gets. */
#include "store/account.h"

#include "base/arena.h"
#include "base/err.h"
#include "net/secret.h"
#include "store/account_parts.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct account *open_with(const char *location, const struct account_values *options,
	const struct config *config, struct err *err)
{
	const struct account_request request = {
		.location = location, .options = options, .config = config, .role = "src"
	};

	return account_new(&request, err);
}

static struct account *open_it(const char *location)
{
	struct err err = ERR_INIT;
	struct account *account = open_with(location, NULL, NULL, &err);

	if (!account)
		fail_msg("%s: %s", location, err.text);
	return account;
}

static struct config *config_of(const char *text)
{
	struct err err = ERR_INIT;
	struct config *config = config_read(span_of(text), "conf", &err);

	if (!config)
		fail_msg("%s", err.text);
	return config;
}

static void the_table_is_whole(void **state)
{
	(void)state;
	for (size_t i = 0; i < ACCOUNT_KEYS; i++) {
		enum account_key key;

		assert_non_null(account_keys[i].name);
		assert_non_null(account_keys[i].value);
		assert_non_null(account_keys[i].help);
		assert_true(account_keys[i].kinds != 0);
		assert_int_equal(
			account_keys[i].type == KEY_CHOICE, account_keys[i].choices != NULL);
		assert_true(account_key_find(span_of(account_keys[i].name), &key));
		assert_int_equal(key, i);
	}
}

static void values_are_checked(void **state)
{
	static const char hex[] =
		"sha256$0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789abcdef";
	static const struct {
		enum account_key key;
		const char *good, *bad;
	} rows[] = {
		{ ACCOUNT_HOST, "old.example", "old example" },
		{ ACCOUNT_HOST, "::1", "::g" },
		{ ACCOUNT_HOST, "[::1]", "[::1" },
		{ ACCOUNT_PORT, "65535", "65536" },
		{ ACCOUNT_PORT, "1", "0" },
		{ ACCOUNT_PORT, "993", "993 " },
		{ ACCOUNT_USER, "j\xC3\xBC", "a\r\nb" },
		{ ACCOUNT_USER, "x", "\xFF" },
		{ ACCOUNT_USER, "x", "" },
		{ ACCOUNT_AUTH, "scram-sha-256-plus, plain", "plain,plan" },
		{ ACCOUNT_AUTH, "preauth", "," },
		{ ACCOUNT_AUTH, "kerio-master apop", "PLAIN" },
		{ ACCOUNT_PASS_CMD, "pass show x |\n\thead -1", "a\x01" },
		{ ACCOUNT_PASS_FILE, "/x y/\xFF", "/x\n" },
		{ ACCOUNT_PASS_ENV, "PW_1", "PW=1" },
		{ ACCOUNT_PASS_ENV, "PW_1", "hunter 2" },
		{ ACCOUNT_TLS, "starttls", "STARTTLS" },
		{ ACCOUNT_TLS_VERIFY, "no", "n" },
		{ ACCOUNT_TLS_MIN, "1.0", "1.4" },
		{ ACCOUNT_TLS_MAX, "1.3", "1.3|1.2" },
		{ ACCOUNT_TLS_PIN, hex, hex + 7 },
		{ ACCOUNT_TLS_PIN, hex, "sha256$00" },
		{ ACCOUNT_TLS_PIN, hex,
			"sha1$0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789abcdef" },
		{ ACCOUNT_TLS_PIN, hex, "" },
		{ ACCOUNT_PROXY, "socks5h://u@127.0.0.1:9050", "socks4://h" },
		{ ACCOUNT_PROXY, "http://h", "http://u:sesame@h" },
		{ ACCOUNT_PROXY, "http://h", "http://" },
		{ ACCOUNT_COMPRESS, "auto", "on" },
		{ ACCOUNT_TIMEOUT, "90", "0" },
		{ ACCOUNT_TIMEOUT, "1m", "25h" },
		{ ACCOUNT_TIMEOUT, "1000ms", "soon" },
		{ ACCOUNT_CONNECTIONS, "8", "0" },
		{ ACCOUNT_CONNECTIONS, "1000", "1001" },
		{ ACCOUNT_NAMESPACE, "", "a\nb" },
		{ ACCOUNT_QUIRK, "disable=IDLE,X-GM-EXT-1", "disable=" },
		{ ACCOUNT_QUIRK, "disable=A disable=LITERAL+", "slow" },
		{ ACCOUNT_QUIRK, "disable=A", "disable=(A)" },
		{ ACCOUNT_LAYOUT, "maildir++", "maildir" },
		{ ACCOUNT_HEADERS_ONLY, "yes", "maybe" },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		struct err err = ERR_INIT;

		if (account_value_check(rows[i].key, rows[i].good, &err) < 0)
			fail_msg("%s: %s", rows[i].good, err.text);
		if (account_value_check(rows[i].key, rows[i].bad, &err) == 0)
			fail_msg("%s=%s was taken", account_keys[rows[i].key].name, rows[i].bad);
		assert_non_null(strstr(err.text, account_keys[rows[i].key].name));
		assert_null(strstr(err.text, "sesame"));
		assert_int_equal(err.kind, ERR_KIND_USAGE);
	}
}

static void the_nearest_wins(void **state)
{
	struct config *config = config_of(
		"[account w]\nlocation = "
		"imaps://anna@old.example/Deep?timeout=1m\nconnections = 3\n"
		"pass-file = /c\n[account bare]\nhost = Bare.Example\nuser = "
		"%u\npass-file = /p/%u\n[account d]\nlocation = maildir:/tmp/%u\n[account e]\nlocation = eml:/e?headers-only=yes\nattachments = also\n");
	const struct account_values options = {
		.value = { [ACCOUNT_TIMEOUT] = "3m", [ACCOUNT_TLS] = "starttls" }
	};
	const struct account_values token = { .value = { [ACCOUNT_TOKEN_CMD] = "t" } };
	struct err err = ERR_INIT;

	(void)state;
	struct account *account = open_with("w", NULL, config, &err);
	assert_non_null(account);
	assert_string_equal(account_name(account), "imaps://anna@old.example");
	assert_string_equal(account_mailbox(account), "Deep");
	assert_string_equal(account_get(account, ACCOUNT_TIMEOUT), "1m");
	assert_int_equal(account_connections(account), 3);
	account_free(account);

	account = open_with("w/Other?timeout=2m&connections=4", &options, config, &err);
	assert_non_null(account);
	assert_string_equal(account_mailbox(account), "Other");
	assert_string_equal(account_get(account, ACCOUNT_TIMEOUT), "3m");
	assert_int_equal(account_connections(account), 4);
	assert_string_equal(account_get(account, ACCOUNT_TLS), "starttls");
	assert_string_equal(account_get(account, ACCOUNT_PORT), "143");
	assert_string_equal(account_get(account, ACCOUNT_PASS_FILE), "/c");
	account_free(account);

	/* A nearer secret of any kind puts away the farther ones. */
	account = open_with("w?pass-env=X_NOT_USED", &token, config, &err);
	assert_non_null(account);
	assert_string_equal(account_get(account, ACCOUNT_TOKEN_CMD), "t");
	assert_null(account_get(account, ACCOUNT_PASS_FILE));
	assert_null(account_get(account, ACCOUNT_PASS_ENV));
	account_free(account);

	const struct account_request request = {
		.location = "bare", .config = config, .user = "a/b"
	};
	account = account_new(&request, &err);
	assert_non_null(account);
	assert_string_equal(account_name(account), "imaps://a%2Fb@bare.example");
	assert_string_equal(account_get(account, ACCOUNT_PASS_FILE), "/p/a%2Fb");
	assert_string_equal(account_role(account), "");
	account_free(account);

	const struct account_request file = { .location = "d", .config = config, .user = "anna" };
	account = account_new(&file, &err);
	assert_non_null(account);
	assert_string_equal(account_path(account), "/tmp/anna");
	account_free(account);

	/* What the configuration says of the destination is no mistake where it is a source. */
	account = open_with("e", NULL, config, &err);
	assert_non_null(account);
	assert_string_equal(account_part(account), "header");
	account_free(account);

	err = ERR_INIT;
	assert_null(open_with("wx", NULL, config, &err));
	assert_non_null(strstr(err.text, "did you mean w?"));
	err = ERR_INIT;
	assert_null(open_with("d", NULL, config, &err));
	assert_non_null(strstr(err.text, "--users"));
	config_free(config);
}

static void defaults_encrypt(void **state)
{
	static const struct {
		const char *location, *tls, *port;
	} rows[] = {
		{ "imaps://u@h", "implicit", "993" },
		{ "imap://u@h", "starttls", "143" },
		{ "imap://u@h?tls=none", "none", "143" },
		{ "imap://u@h?tls=implicit", "implicit", "993" },
		{ "imap://u@h:993", "starttls", "993" },
		{ "imap://u@h?auth=preauth", "starttls", "143" },
		{ "imap://u@h?auth=preauth&tunnel=x", "none", "143" },
		{ "imap://u@h?auth=preauth,plain&tunnel=x", "starttls", "143" },
		{ "imap://u@h?tunnel=x", "starttls", "143" },
		{ "imap://u@?tunnel=x&tls=none", "none", "143" },
		{ "pop3s://u@h", "implicit", "995" },
		{ "pop3://u@h", "starttls", "110" },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		struct account *account = open_it(rows[i].location);

		assert_string_equal(account_get(account, ACCOUNT_TLS), rows[i].tls);
		assert_string_equal(account_get(account, ACCOUNT_PORT), rows[i].port);
		assert_string_equal(account_get(account, ACCOUNT_TIMEOUT), "60s");
		assert_string_equal(account_get(account, ACCOUNT_COMPRESS), "auto");
		assert_true(account_verifies(account));
		assert_int_equal(account_connections(account), 0);
		account_free(account);
	}
}

static void what_does_not_go_together_is_refused(void **state)
{
	static const struct {
		const char *location, *part;
	} rows[] = {
		{ "imaps://h", "no user name" },
		{ "imaps://h?auth=external&admin=x", "no user name" },
		{ "imaps://u@", "no host" },
		{ "imap://u@?tunnel=x", "name to check a certificate" },
		{ "imaps://u@h?tunnel=x&proxy=http://p", "exclude" },
		{ "imaps://u@h?tls-min=1.3&tls-max=1.2", "above" },
		{ "imaps://u@h?tls-max=1.1", "lower tls-min" },
		{ "imaps://u@h?client-key=x", "without client-cert" },
		{ "imaps://u@h?oauth=google", "use token-cmd" },
		{ "imaps://u@h?admin=root&auth=login,cram-md5", "another's behalf" },
		{ "work", "no account work" },
		{ "maildir:/x?headers-only=yes", "the destination of copy" },
		{ "eml:/x?attachments=only", "only read" },
	};
	const struct account_values both = {
		.value = { [ACCOUNT_PASS_FILE] = "a", [ACCOUNT_TOKEN_FILE] = "b" }
	};
	const struct account_values bad = { .value = { [ACCOUNT_TLS] = "ssl" } };
	const struct account_values tls = { .value = { [ACCOUNT_TLS] = "none" } };
	const struct account_values eml = { .value = { [ACCOUNT_NAME_BY] = "uid" } };
	const struct account_request two = { .role = "dst",
		.location = "eml:/x?headers-only=on&attachments=only" };
	struct err err = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		err = ERR_INIT;
		if (open_with(rows[i].location, NULL, NULL, &err))
			fail_msg("%s was taken", rows[i].location);
		if (!strstr(err.text, rows[i].part))
			fail_msg("%s: \"%s\" does not speak of \"%s\"", rows[i].location, err.text,
				rows[i].part);
		assert_int_equal(err.scope, ERR_LOCAL);
		assert_int_equal(err.kind, ERR_KIND_USAGE);
	}
	assert_null(open_with("imaps://u@h", &both, NULL, &err));
	assert_non_null(strstr(err.text, "src options: pass-file and token-file"));
	assert_null(open_with("imaps://u@h", &bad, NULL, &err));
	assert_non_null(strstr(err.text, "one of implicit"));
	assert_null(open_with("maildir:/x", &tls, NULL, &err));
	assert_non_null(strstr(err.text, "servers only"));
	assert_null(open_with("mbox:/x", &eml, NULL, &err));
	assert_non_null(strstr(err.text, "src options: name-by: is for eml: only, mbox: has"));
	assert_null(account_new(&two, &err));
	assert_non_null(strstr(err.text, "a header has no attachments"));
	account_free(open_it("imaps://u@h?admin=root&auth=login,plain"));
	account_free(open_it("imaps://h?auth=external"));
}

static void names_are_harmless_and_identities_plain(void **state)
{
	static const struct {
		const char *location, *name, *identity;
	} rows[] = {
		{ "imaps://Anna@OLD.Example./INBOX?timeout=9", "imaps://Anna@old.example",
			"imap://Anna@old.example:993" },
		{ "imap://anna@old.example:143", "imap://anna@old.example",
			"imap://anna@old.example:143" },
		{ "imaps://a%40x@h:994", "imaps://a@x@h:994", "imap://a@x@h:994" },
		{ "imaps://a:sesame@[::1]", "imaps://a@[::1]", "imap://a@[::1]:993" },
		{ "imaps://a%E2%80%AEb@h", "imaps://a\\u{202E}b@h",
			"imap://a\xE2\x80\xAE"
			"b@h:993" },
		{ "imaps://h?auth=external", "imaps://h", "imap://h:993" },
		{ "imap://u@?auth=preauth&tunnel=ssh%20h", "imap://u@(tunnel)",
			"imap://u@(ssh h)" },
		{ "pop3s://u@h", "pop3s://u@h", "pop3://u@h:995" },
		{ "maildir:/dev/../dev/none/such", "maildir:/dev/../dev/none/such",
			"maildir:/dev/none/such" },
		{ "archive:/", "archive:/", "archive:/" },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		struct account *account = open_it(rows[i].location);

		assert_string_equal(account_name(account), rows[i].name);
		assert_string_equal(account_identity(account), rows[i].identity);
		account_free(account);
	}
}

static void the_same_account_is_known_again(void **state)
{
	static const struct {
		const char *a, *b;
		bool same;
	} rows[] = {
		{ "imaps://u@h", "imap://U@H./Other", true },
		{ "imaps://u@h", "pop3s://u@h", true },
		{ "imap://u@IMAP.example.org", "pop3s://u@pop.example.org", true },
		{ "imaps://u@mail.example.org", "pop3s://u@example.org", true },
		{ "imaps://u@imap.example.org", "pop3s://u@pop.example.com", false },
		{ "imaps://u@imap.org", "pop3s://u@pop.org", false },
		{ "imaps://u@imap.example.org", "imaps://u@mail.example.org", false },
		{ "imaps://u@h", "imaps://u@h:1993", false },
		{ "imaps://u@h:1993", "imap://u@h:1993", true },
		{ "imaps://u@h", "imaps://v@h", false },
		{ "imaps://u@h", "imaps://u@g", false },
		{ "imaps://u@h", "maildir:/u", false },
		{ "imap://?tls=none&auth=preauth&tunnel=a",
			"imap://?tls=none&auth=preauth&tunnel=a", true },
		{ "imap://?tls=none&auth=preauth&tunnel=a",
			"imap://?tls=none&auth=preauth&tunnel=b", false },
		{ "imap://?tls=none&auth=preauth&tunnel=a", "imaps://h?auth=preauth", false },
		{ "maildir:/tmp", "eml:/tmp/../tmp/", true },
		{ "maildir:/tmp/a", "maildir:/tmp/b", false },
	};
	struct arena *arena = arena_new();

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		struct account *a = open_it(rows[i].a), *b = open_it(rows[i].b);

		if (account_same(a, b) != rows[i].same || account_same(b, a) != rows[i].same)
			fail_msg("%s, %s", rows[i].a, rows[i].b);
		/* POP3 beside IMAP has no key of its own kind. */
		if (strncmp(rows[i].a, rows[i].b, 4) == 0)
			assert_int_equal(
				strcmp(account_same_key(a, arena), account_same_key(b, arena)) == 0,
				rows[i].same);
		account_free(a);
		account_free(b);
	}
	arena_free(arena);
}

static void a_place_in_another_is_known(void **state)
{
	static const struct {
		const char *outer, *inner;
		bool holds;
	} rows[] = {
		{ "mbox:/tmp", "mbox:/tmp/../tmp/a", true },
		{ "mbox:/", "thunderbird:/a/b", true },
		{ "mbox:/tmp", "mbox:/tmp", false },
		{ "mbox:/tmp/a", "mbox:/tmp/ab", false },
		{ "mbox:/tmp/a", "mbox:/tmp", false },
		{ "mbox:/tmp", "maildir:/tmp/a", false },
		{ "thunderbird:/tmp", "maildir:/tmp/a", true },
		{ "thunderbird:/tmp", "eml:/tmp/a", false },
		{ "maildir:/tmp", "maildir:/tmp/.a", true },
		{ "maildir:/tmp", "eml:/tmp/a", false },
		{ "eml:/tmp", "mbox:/tmp/a", true },
		{ "eml:/tmp", "imaps://u@h", false },
		{ "imaps://u@h", "eml:/tmp", false },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		struct account *outer = open_it(rows[i].outer), *inner = open_it(rows[i].inner);

		if (account_holds(outer, inner) != rows[i].holds)
			fail_msg("%s, %s", rows[i].outer, rows[i].inner);
		account_free(outer);
		account_free(inner);
	}
}

static void pop3_accounts_have_their_options(void **state)
{
	static const struct {
		const char *location;
		uint16_t port;
		enum pop3_tls tls;
		bool apop;
		size_t mechanisms;
	} rows[] = {
		{ "pop3s://u:sesame@h", 995, POP3_TLS_IMPLICIT, false, 0 },
		{ "pop3://u:sesame@h", 110, POP3_TLS_STLS, false, 0 },
		{ "pop3://u:sesame@h?tls=none&auth=apop", 110, POP3_TLS_NONE, true, 0 },
		{ "pop3://u:sesame@h:1110?auth=plain,apop", 1110, POP3_TLS_STLS, true, 1 },
	};
	struct imap_options imap;
	struct pop3_options options;
	struct err err = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		struct account *account = open_it(rows[i].location);

		assert_int_equal(account_imap_options(account, false, &imap, &err), -1);
		assert_int_equal(account_pop3_options(account, false, &options, &err), 0);
		assert_int_equal(options.dial.port, rows[i].port);
		assert_int_equal(options.tls, rows[i].tls);
		assert_int_equal(options.apop, rows[i].apop);
		assert_int_equal(options.mechanism_count, rows[i].mechanisms);
		assert_string_equal(options.sasl.service, "pop");
		assert_true(span_equal_text(secret_bytes(options.sasl.password), "sesame"));
		account_free(account);
	}
}

static void a_password_in_the_location_is_taken(void **state)
{
	static const struct account_values option = { .value = {
							      [ACCOUNT_TOKEN_CMD] = "echo tok" } };
	struct account *account = open_it("imaps://u:se%2Fsame@h");
	struct imap_options options;
	struct err err = ERR_INIT;

	(void)state;
	assert_true(account_password_in_location(account));
	assert_int_equal(account_imap_options(account, false, &options, &err), 0);
	assert_true(span_equal_text(secret_bytes(options.sasl.password), "se/same"));
	assert_null(options.sasl.token);
	account_free(account);

	account = open_with("imaps://u:sesame@h", &option, NULL, &err);
	assert_non_null(account);
	assert_true(account_password_in_location(account));
	assert_int_equal(account_imap_options(account, false, &options, &err), 0);
	assert_null(options.sasl.password);
	assert_true(span_equal_text(secret_bytes(options.sasl.token), "tok"));
	account_free(account);
}

struct line_row {
	const char *location, *secret;
	enum account_key key; /* of the line, and its value */
	const char *value;
	bool token;
	const char *user, *admin, *password, *tokened; /* what came out */
};

static void check_line(const struct line_row *row)
{
	static const char config[] = "[account old]\nlocation = imaps://%u@h\n"
				     "admin = root\npass-cmd = echo rootpw\n";
	struct config *accounts = config_of(config);
	struct account_values values = { .value = { NULL } };
	struct secret *secret = row->secret ? secret_new(span_of(row->secret)) : NULL;
	struct account_request request = { .location = row->location,
		.config = accounts,
		.user = "anna",
		.role = "src",
		.line = &values,
		.line_secret = secret,
		.line_secret_is_token = row->token };
	struct imap_options options;
	struct err err = ERR_INIT;
	struct account *account;

	if (row->value)
		values.value[row->key] = row->value;
	account = account_new(&request, &err);
	assert_string_equal(err.text, "");
	assert_int_equal(account_imap_options(account, false, &options, &err), 0);
	assert_string_equal(options.sasl.user, row->user);
	assert_string_equal(options.sasl.admin ? options.sasl.admin : "-", row->admin);
	assert_string_equal(options.sasl.password ? secret_bytes(options.sasl.password).data : "-",
		row->password);
	assert_string_equal(
		options.sasl.token ? secret_bytes(options.sasl.token).data : "-", row->tokened);
	assert_string_equal(options.dial.trace_label, "src(anna)");
	account_free(account);
	secret_free(secret);
	config_free(accounts);
}

static void a_line_of_users_is_the_nearest(void **state)
{
	static const struct line_row rows[] = {
		{ "old", NULL, 0, NULL, false, "anna", "root", "rootpw", "-" },
		{ "old", "own", 0, NULL, false, "anna", "-", "own", "-" },
		{ "old", NULL, ACCOUNT_PASS_CMD, "echo line", false, "anna", "-", "line", "-" },
		{ "old", "own", ACCOUNT_ADMIN, "boss", false, "anna", "boss", "own", "-" },
		{ "old", "tok", 0, NULL, true, "anna", "-", "-", "tok" },
		{ "old", "tok", ACCOUNT_AUTH, "xoauth2", false, "anna", "-", "-", "tok" },
		{ "old", "own", ACCOUNT_AUTH, "xoauth2,plain", false, "anna", "-", "own", "-" },
		{ "imaps://h", "own", 0, NULL, false, "anna", "-", "own", "-" },
		{ "imaps://%u*root@h", "own", 0, NULL, false, "anna*root", "-", "own", "-" },
		{ "imaps://bob@h?pass-cmd=false", "own", 0, NULL, false, "bob", "-", "own", "-" },
	};
	const struct account_values none = { .value = { NULL } };
	struct secret *secret = secret_new(SPAN("own"));
	const struct account_request file = {
		.location = "maildir:/tmp/%u", .user = "anna", .line = &none, .line_secret = secret
	};
	struct err err = ERR_INIT;
	struct account *account;

	(void)state;
	for (size_t i = 0; i < countof(rows); i++)
		check_line(&rows[i]);
	account = account_new(&file, &err);
	assert_non_null(account);
	assert_true(account_depends_on_user(account));
	account_free(account);
	account = open_it("imaps://bob@h");
	assert_false(account_depends_on_user(account));
	account_free(account);
	secret_free(secret);
}

static void options_are_filled(void **state)
{
	static const char hex[] =
		"0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789abcdef";
	char text[1024];
	struct imap_options options;
	struct err err = ERR_INIT;

	(void)state;
	(void)snprintf(text, sizeof(text),
		"imaps://"
		"u@h?auth=plain,login&admin=root&pass-cmd=echo%%20pw&tls-verify=off&tls-min=1.1&"
		"tls-pin=sha256$%s,sha256$%s&timeout=5s"
		"&compress=yes&quirk=disable=IDLE,MOVE&proxy=http://"
		"p&proxy-pass-cmd=echo%%20pp&client-cert=/c&client-key=/"
		"k&client-key-pass-cmd=echo%%20kk",
		hex, hex);
	struct account *account = open_it(text);
	assert_false(account_verifies(account));
	assert_int_equal(account_imap_options(account, false, &options, &err), 0);
	assert_string_equal(options.dial.host, "h");
	assert_int_equal(options.dial.port, 993);
	assert_string_equal(options.dial.proxy, "http://p");
	assert_true(span_equal_text(secret_bytes(options.dial.proxy_password), "pp"));
	assert_string_equal(options.dial.trace_label, "src");
	assert_int_equal(options.dial.timeout_ms, 5000);
	assert_int_equal(options.timeout_ms, 5000);
	assert_int_equal(options.tls, IMAP_TLS_IMPLICIT);
	assert_false(options.tls_options.verify);
	assert_string_equal(options.tls_options.host, "h");
	assert_string_equal(options.tls_options.min_version, "1.1");
	assert_int_equal(options.tls_options.pin_count, 2);
	assert_string_equal(options.tls_options.client_key, "/k");
	assert_true(span_equal_text(secret_bytes(options.tls_options.client_key_password), "kk"));
	assert_string_equal(options.sasl.user, "u");
	assert_string_equal(options.sasl.admin, "root");
	assert_true(span_equal_text(secret_bytes(options.sasl.password), "pw"));
	assert_string_equal(options.sasl.service, "imap");
	assert_int_equal(options.mechanism_count, 2);
	assert_string_equal(options.mechanisms[1], "login");
	assert_false(options.preauth);
	assert_true(options.compress);
	assert_string_equal(options.disable, "IDLE MOVE");
	account_free(account);

	account = open_it("imap://?tunnel=x&auth=preauth");
	assert_int_equal(account_imap_options(account, false, &options, &err), 0);
	assert_true(options.preauth);
	assert_int_equal(options.mechanism_count, 0);
	assert_int_equal(options.tls, IMAP_TLS_NONE);
	assert_null(options.dial.host);
	assert_null(options.sasl.password);
	account_free(account);

	account = open_it("pop3s://u:p@h");
	assert_int_equal(account_imap_options(account, false, &options, &err), -1);
	assert_int_equal(err.kind, ERR_KIND_USAGE);
	account_free(account);
}

static void without_a_secret_it_says_what_to_do(void **state)
{
	static const struct {
		const char *location, *part;
	} rows[] = {
		{ "imaps://u@h", "no password named for imaps://u@h: use pass-file" },
		{ "imaps://u@h?auth=xoauth2",
			"no token named for imaps://u@h: use token-file or token-cmd" },
		{ "imaps://u@h?pass-file=/nowhere/x", "imaps://u@h: pass-file: " },
		{ "imaps://u@h?pass-cmd=echo%20sesame;exit%205",
			"imaps://u@h: pass-cmd: the command failed with status 5" },
	};
	struct imap_options options;
	struct err err = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		struct account *account = open_it(rows[i].location);
		for (int j = 0; j < 2; j++) {
			err = ERR_INIT;
			assert_int_equal(account_imap_options(account, false, &options, &err), -1);
			if (!strstr(err.text, rows[i].part))
				fail_msg("%s: %s", rows[i].location, err.text);
			assert_null(strstr(err.text, "sesame"));
			assert_int_equal(err.scope, ERR_LOCAL);
			assert_true(err.kind == ERR_KIND_AUTH || err.kind == ERR_KIND_USAGE);
		}
		account_free(account);
	}
	assert_null(open_with("imaps://u@h?pass-env=MAILHAUL_TEST_NONE", NULL, NULL, &err));
	assert_int_equal(err.kind, ERR_KIND_AUTH);

	struct account *account = open_it("imaps://u@h?auth=external");
	assert_int_equal(account_imap_options(account, false, &options, &err), 0);
	account_free(account);
}

static void tokens_are_fetched_again_only_when_asked(void **state)
{
	char path[] = "/tmp/mailhaul-token-XXXXXX", location[256];
	const int fd = mkstemp(path);
	struct imap_options first, second;
	struct err err = ERR_INIT;

	(void)state;
	assert_true(fd >= 0);
	(void)snprintf(location, sizeof(location),
		"imaps://u@h?token-cmd=echo%%20x%%20>>%s;wc%%20-l%%20<%s", path, path);
	struct account *account = open_it(location);
	assert_int_equal(account_imap_options(account, true, &first, &err), 0);
	assert_true(span_equal_text(secret_bytes(first.sasl.token), "1")); /* the first is fresh */
	assert_int_equal(account_imap_options(account, false, &second, &err), 0);
	assert_true(span_equal_text(secret_bytes(second.sasl.token), "1"));
	assert_int_equal(account_imap_options(account, true, &second, &err), 0);
	assert_true(span_equal_text(secret_bytes(second.sasl.token), "2"));
	assert_true(span_equal_text(
		secret_bytes(first.sasl.token), "1")); /* another lane may be using it */
	account_free(account);
	account = open_it("imaps://u:pw@h");
	assert_int_equal(account_imap_options(account, false, &first, &err), 0);
	assert_int_equal(account_imap_options(account, true, &second, &err), 0);
	assert_null(second.sasl.token);
	account_free(account);
	assert_int_equal(close(fd), 0);
	assert_int_equal(unlink(path), 0);
}

static void arguments_are_wiped(void **state)
{
	static const struct {
		const char *before, *after;
	} rows[] = {
		{ "imaps://u:sesame@h/x", "imaps://u:***@h/x" },
		{ "--src=imaps://u:pw@h", "--src=imaps://u:**@h" },
		{ "imaps://u:p@h", "imaps://u:*@h" },
		{ "imaps://u:pa/ss@h", "imaps://u:***@h" },
		{ "imaps://u@h:993", "imaps://u@h:993" },
		{ "maildir:/a:b@c", "maildir:/a:b@c" },
	};
	char text[64];

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		const int len = snprintf(text, sizeof(text), "%s", rows[i].before);

		account_wipe_argument(text);
		assert_string_equal(text, rows[i].after);
		for (int j = (int)strlen(text); j < len; j++)
			assert_int_equal(text[j], 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table_is_whole),
		cmocka_unit_test(values_are_checked),
		cmocka_unit_test(the_nearest_wins),
		cmocka_unit_test(defaults_encrypt),
		cmocka_unit_test(what_does_not_go_together_is_refused),
		cmocka_unit_test(names_are_harmless_and_identities_plain),
		cmocka_unit_test(the_same_account_is_known_again),
		cmocka_unit_test(a_place_in_another_is_known),
		cmocka_unit_test(pop3_accounts_have_their_options),
		cmocka_unit_test(a_password_in_the_location_is_taken),
		cmocka_unit_test(a_line_of_users_is_the_nearest),
		cmocka_unit_test(options_are_filled),
		cmocka_unit_test(without_a_secret_it_says_what_to_do),
		cmocka_unit_test(tokens_are_fetched_again_only_when_asked),
		cmocka_unit_test(arguments_are_wiped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
