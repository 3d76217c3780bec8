/* The table of account keys, from which the options, the queries and the configuration have their names. */
#include "store/account_parts.h"

#include <string.h>

#define FOR_IMAP ACCOUNT_KIND_IMAP
#define FOR_SERVER ACCOUNT_KIND_SERVERS
#define FOR_MBOX (ACCOUNT_KIND_MBOX | ACCOUNT_KIND_THUNDERBIRD)
#define FOR_EML ACCOUNT_KIND_EML
#define FOR_FILE ACCOUNT_KIND_FILES
#define FOR_ALL (ACCOUNT_KIND_SERVERS | ACCOUNT_KIND_FILES | ACCOUNT_KIND_ARCHIVE)
#define NEAR_MAX 40 /* longer words are not guessed at */

const struct account_key_info account_keys[ACCOUNT_KEYS] = {
	[ACCOUNT_HOST] = { "host", KEY_TEXT, NULL, "HOST", "host name or address of the server",
		FOR_SERVER },
	[ACCOUNT_PORT] = { "port", KEY_NUMBER, NULL, "N", "port, if not the usual one",
		FOR_SERVER },
	[ACCOUNT_USER] = { "user", KEY_TEXT, NULL, "USER", "user name", FOR_SERVER },
	[ACCOUNT_AUTH] = { "auth", KEY_LIST, NULL, "MECHANISM,...",
		"login mechanisms allowed, the first that fits is taken", FOR_SERVER },
	[ACCOUNT_ADMIN] = { "admin", KEY_TEXT, NULL, "USER",
		"log in as this administrator on the user's behalf", FOR_SERVER },
	[ACCOUNT_PASS_FILE] = { "pass-file", KEY_FILE, NULL, "FILE",
		"the password is the first line of FILE", FOR_SERVER },
	[ACCOUNT_PASS_CMD] = { "pass-cmd", KEY_COMMAND, NULL, "COMMAND",
		"the password is the first line COMMAND prints", FOR_SERVER },
	[ACCOUNT_PASS_ENV] = { "pass-env", KEY_TEXT, NULL, "NAME",
		"the password is in the environment variable NAME", FOR_SERVER },
	[ACCOUNT_TOKEN_FILE] = { "token-file", KEY_FILE, NULL, "FILE",
		"the OAuth access token is the first line of FILE", FOR_SERVER },
	[ACCOUNT_TOKEN_CMD] = { "token-cmd", KEY_COMMAND, NULL, "COMMAND",
		"the OAuth access token is the first line COMMAND prints; run again when it "
		"expires",
		FOR_SERVER },
	[ACCOUNT_OAUTH] = { "oauth", KEY_TEXT, NULL, "PROVIDER",
		"built-in OAuth login (not there yet: use token-cmd)", FOR_SERVER },
	[ACCOUNT_TLS] = { "tls", KEY_CHOICE, "implicit|starttls|none", "HOW",
		"encryption; none sends everything in clear text", FOR_SERVER },
	[ACCOUNT_TLS_VERIFY] = { "tls-verify", KEY_BOOL, NULL, "yes|no",
		"check the server's certificate (default: yes)", FOR_SERVER },
	[ACCOUNT_TLS_MIN] = { "tls-min", KEY_CHOICE, "1.0|1.1|1.2|1.3", "VERSION",
		"lowest TLS version (default: 1.2)", FOR_SERVER },
	[ACCOUNT_TLS_MAX] = { "tls-max", KEY_CHOICE, "1.0|1.1|1.2|1.3", "VERSION",
		"highest TLS version", FOR_SERVER },
	[ACCOUNT_TLS_CIPHERS] = { "tls-ciphers", KEY_TEXT, NULL, "LIST",
		"ciphers up to TLS 1.2, as OpenSSL writes them", FOR_SERVER },
	[ACCOUNT_TLS_CIPHERSUITES] = { "tls-ciphersuites", KEY_TEXT, NULL, "LIST",
		"ciphers of TLS 1.3, as OpenSSL writes them", FOR_SERVER },
	[ACCOUNT_TLS_PIN] = { "tls-pin", KEY_LIST, NULL, "sha256$HEX,...",
		"public keys of which the server must have one", FOR_SERVER },
	[ACCOUNT_CA_FILE] = { "ca-file", KEY_FILE, NULL, "FILE",
		"trusted certificates instead of the system's", FOR_SERVER },
	[ACCOUNT_CA_PATH] = { "ca-path", KEY_FILE, NULL, "DIR", "directory of trusted certificates",
		FOR_SERVER },
	[ACCOUNT_SNI] = { "sni", KEY_TEXT, NULL, "NAME", "server name to send, if not the host",
		FOR_SERVER },
	[ACCOUNT_CLIENT_CERT] = { "client-cert", KEY_FILE, NULL, "FILE", "client certificate (PEM)",
		FOR_SERVER },
	[ACCOUNT_CLIENT_KEY] = { "client-key", KEY_FILE, NULL, "FILE",
		"private key of the client certificate (PEM)", FOR_SERVER },
	[ACCOUNT_CLIENT_KEY_PASS_FILE] = { "client-key-pass-file", KEY_FILE, NULL, "FILE",
		"pass phrase of the client key", FOR_SERVER },
	[ACCOUNT_CLIENT_KEY_PASS_CMD] = { "client-key-pass-cmd", KEY_COMMAND, NULL, "COMMAND",
		"prints the pass phrase of the client key", FOR_SERVER },
	[ACCOUNT_PROXY] = { "proxy", KEY_TEXT, NULL, "URL",
		"socks5://, socks5h:// or http://[USER@]HOST[:PORT]", FOR_SERVER },
	[ACCOUNT_PROXY_PASS_FILE] = { "proxy-pass-file", KEY_FILE, NULL, "FILE",
		"password of the proxy", FOR_SERVER },
	[ACCOUNT_PROXY_PASS_CMD] = { "proxy-pass-cmd", KEY_COMMAND, NULL, "COMMAND",
		"prints the password of the proxy", FOR_SERVER },
	[ACCOUNT_TUNNEL] = { "tunnel", KEY_COMMAND, NULL, "COMMAND",
		"a command that speaks IMAP (or POP3) on its standard streams", FOR_SERVER },
	[ACCOUNT_COMPRESS] = { "compress", KEY_CHOICE, "auto|yes|no", "HOW",
		"compress the connection; auto = where it pays", FOR_IMAP },
	[ACCOUNT_TIMEOUT] = { "timeout", KEY_DURATION, NULL, "TIME",
		"longest silence of the server (default: 60s)", FOR_SERVER },
	[ACCOUNT_CONNECTIONS] = { "connections", KEY_NUMBER, NULL, "N",
		"most connections at a time", FOR_ALL },
	[ACCOUNT_NAMESPACE] = { "namespace", KEY_TEXT, NULL, "PREFIX",
		"prefix of mailbox names instead of the server's; none = no prefix", FOR_IMAP },
	[ACCOUNT_QUIRK] = { "quirk", KEY_LIST, NULL, "disable=CAPABILITY,...",
		"what the server announces and cannot do", FOR_SERVER },
	[ACCOUNT_LAYOUT] = { "layout", KEY_CHOICE, "maildir++|fs|flat|thunderbird", "HOW",
		"how nested folders lie on the disk: maildir++ or fs of maildir:, flat, fs or thunderbird of mbox:",
		ACCOUNT_KIND_MAILDIR | ACCOUNT_KIND_MBOX },
	[ACCOUNT_VARIANT] = { "variant", KEY_CHOICE, "mboxo|mboxrd|mboxcl|mboxcl2|mboxrd,status",
		"KIND",
		"dialect of mbox; mboxrd and mboxrd,status can be written, the others only read",
		FOR_MBOX },
	[ACCOUNT_EXT] = { "ext", KEY_TEXT, NULL, "EXTENSION",
		"extension of the files: of messages in eml:, of mailboxes in mbox:",
		ACCOUNT_KIND_EML | ACCOUNT_KIND_MBOX },
	[ACCOUNT_NAME_BY] = { "name-by", KEY_TEXT, NULL, "uid|number|subject",
		"what message files are named by", FOR_EML },
	[ACCOUNT_ATTACHMENTS] = { "attachments", KEY_TEXT, NULL, "no|also|only",
		"what becomes of attachments", FOR_EML },
	[ACCOUNT_HEADERS_ONLY] = { "headers-only", KEY_BOOL, NULL, "yes|no",
		"of a destination: keep the headers only", FOR_FILE },
	[ACCOUNT_OWNER] = { "owner", KEY_TEXT, NULL, "USER[:GROUP]", "whose the files shall be",
		FOR_FILE },
};

static const struct {
	const char *scheme;
	enum account_kind kind;
} kinds[] = {
	{ "imap", ACCOUNT_KIND_IMAP },
	{ "pop3", ACCOUNT_KIND_POP3 },
	{ "maildir", ACCOUNT_KIND_MAILDIR },
	{ "mbox", ACCOUNT_KIND_MBOX },
	{ "thunderbird", ACCOUNT_KIND_THUNDERBIRD },
	{ "eml", ACCOUNT_KIND_EML },
	{ "archive", ACCOUNT_KIND_ARCHIVE },
	{ "manifest", ACCOUNT_KIND_MANIFEST },
};

unsigned account_kind_of(const char *scheme)
{
	for (size_t i = 0; scheme && i < countof(kinds); i++)
		if (strcmp(kinds[i].scheme, scheme) == 0)
			return kinds[i].kind;
	return 0;
}

void account_kinds_text(unsigned bits, char out[ACCOUNT_KINDS_TEXT])
{
	size_t at = 0;

	snprintf(out, ACCOUNT_KINDS_TEXT, bits == ACCOUNT_KIND_FILES ? "files" : "servers");
	if (bits == ACCOUNT_KIND_SERVERS || bits == ACCOUNT_KIND_FILES)
		return;
	for (size_t i = 0; i < countof(kinds); i++) {
		if (!(bits & kinds[i].kind))
			continue;
		bits &= ~(unsigned)kinds[i].kind;
		at += (size_t)snprintf(out + at, ACCOUNT_KINDS_TEXT - at, "%s%s:",
			at == 0     ? ""
			: bits != 0 ? ", "
				    : " and ",
			kinds[i].scheme);
	}
}

bool account_key_find(struct span name, enum account_key *out)
{
	for (size_t i = 0; i < ACCOUNT_KEYS; i++) {
		if (span_equal_text(name, account_keys[i].name)) {
			*out = (enum account_key)i;
			return true;
		}
	}
	return false;
}

enum account_group account_key_group(enum account_key key)
{
	static const struct {
		enum account_key key;
		enum account_group group;
	} sources[] = {
		{ ACCOUNT_PASS_FILE, GROUP_LOGIN },
		{ ACCOUNT_PASS_CMD, GROUP_LOGIN },
		{ ACCOUNT_PASS_ENV, GROUP_LOGIN },
		{ ACCOUNT_TOKEN_FILE, GROUP_LOGIN },
		{ ACCOUNT_TOKEN_CMD, GROUP_LOGIN },
		{ ACCOUNT_OAUTH, GROUP_LOGIN },
		{ ACCOUNT_CLIENT_KEY_PASS_FILE, GROUP_CLIENT_KEY },
		{ ACCOUNT_CLIENT_KEY_PASS_CMD, GROUP_CLIENT_KEY },
		{ ACCOUNT_PROXY_PASS_FILE, GROUP_PROXY },
		{ ACCOUNT_PROXY_PASS_CMD, GROUP_PROXY },
	};

	for (size_t i = 0; i < countof(sources); i++)
		if (sources[i].key == key)
			return sources[i].group;
	return GROUP_NONE;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Levenshtein's distance, capped by the words' length of NEAR_MAX. */
static size_t word_distance(struct span a, struct span b)
{
	size_t row[NEAR_MAX + 1];

	for (size_t j = 0; j <= b.len; j++)
		row[j] = j;
	for (size_t i = 1; i <= a.len; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= b.len; j++) {
			const size_t above = row[j];
			const size_t change = diagonal + (a.data[i - 1] != b.data[j - 1]);

			row[j] = least(change, least(above, row[j - 1]) + 1);
			diagonal = above;
		}
	}
	return row[b.len];
}

const char *account_nearest(struct span name, const char *const *candidates)
{
	const char *best = NULL;
	size_t best_distance = least(name.len / 3 + 1, 3) + 1;

	if (name.len == 0 || name.len > NEAR_MAX)
		return NULL;
	for (; *candidates; candidates++) {
		const struct span candidate = span_of(*candidates);

		if (candidate.len > NEAR_MAX)
			continue;

		const size_t distance = word_distance(name, candidate);
		if (distance < best_distance) {
			best = *candidates;
			best_distance = distance;
		}
	}
	return best;
}

const char *account_key_near(struct span name)
{
	/* What other programs call them. */
	static const struct {
		const char *word;
		enum account_key key;
	} aliases[] = {
		{ "password-file", ACCOUNT_PASS_FILE },
		{ "passfile", ACCOUNT_PASS_FILE },
		{ "password", ACCOUNT_PASS_FILE },
		{ "pass", ACCOUNT_PASS_FILE },
		{ "password-command", ACCOUNT_PASS_CMD },
		{ "passcmd", ACCOUNT_PASS_CMD },
		{ "server", ACCOUNT_HOST },
		{ "hostname", ACCOUNT_HOST },
		{ "username", ACCOUNT_USER },
		{ "login", ACCOUNT_USER },
		{ "ssl", ACCOUNT_TLS },
		{ "starttls", ACCOUNT_TLS },
		{ "prefix", ACCOUNT_NAMESPACE },
	};
	const char *names[ACCOUNT_KEYS + 1] = { NULL };

	for (size_t i = 0; i < countof(aliases); i++)
		if (span_equal_nocase(name, span_of(aliases[i].word)))
			return account_keys[aliases[i].key].name;
	for (size_t i = 0; i < ACCOUNT_KEYS; i++) {
		if (span_equal_nocase(name, span_of(account_keys[i].name)))
			return account_keys[i].name;
		names[i] = account_keys[i].name;
	}
	return account_nearest(name, names);
}
