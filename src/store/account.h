/*
 * An account: what a LOCATION means once option, query and configuration are laid over each other (product §1). One table defines
 * every key; its three spellings (--src-KEY, ?KEY=, KEY = in the configuration file) come from it.
 *
 * Owner: the command. Lifetime: the run. Threads: any, immutable after account_new(), but for the secrets (locked inside).
 *
 *	account = account_new(&request, err);
 *	printf("%s", account_name(account));          // "imaps://anna@old.example": never a secret
 */
#ifndef STORE_ACCOUNT_H
#define STORE_ACCOUNT_H

#include "base/must.h"
#include "base/span.h"
#include "imap/imap.h"
#include "pop3/pop3.h"

struct arena;
struct config;
struct err;
struct ledger;
struct secret;

enum account_key {
	ACCOUNT_HOST,
	ACCOUNT_PORT,
	ACCOUNT_USER,
	ACCOUNT_AUTH,
	ACCOUNT_ADMIN,
	ACCOUNT_PASS_FILE,
	ACCOUNT_PASS_CMD,
	ACCOUNT_PASS_ENV,
	ACCOUNT_TOKEN_FILE,
	ACCOUNT_TOKEN_CMD,
	ACCOUNT_OAUTH,
	ACCOUNT_TLS,
	ACCOUNT_TLS_VERIFY,
	ACCOUNT_TLS_MIN,
	ACCOUNT_TLS_MAX,
	ACCOUNT_TLS_CIPHERS,
	ACCOUNT_TLS_CIPHERSUITES,
	ACCOUNT_TLS_PIN,
	ACCOUNT_CA_FILE,
	ACCOUNT_CA_PATH,
	ACCOUNT_SNI,
	ACCOUNT_CLIENT_CERT,
	ACCOUNT_CLIENT_KEY,
	ACCOUNT_CLIENT_KEY_PASS_FILE,
	ACCOUNT_CLIENT_KEY_PASS_CMD,
	ACCOUNT_PROXY,
	ACCOUNT_PROXY_PASS_FILE,
	ACCOUNT_PROXY_PASS_CMD,
	ACCOUNT_TUNNEL,
	ACCOUNT_COMPRESS, /* auto, yes, no */
	ACCOUNT_TIMEOUT,
	ACCOUNT_CONNECTIONS,
	ACCOUNT_NAMESPACE, /* a prefix in place of the one the server names; "" or "none" = none */
	ACCOUNT_QUIRK, /* "disable=CAP,CAP" and named deviations */
	/* file locations (issue 3): layout variant ext name-by attachments headers-only owner */
	ACCOUNT_LAYOUT,
	ACCOUNT_VARIANT,
	ACCOUNT_EXT,
	ACCOUNT_NAME_BY,
	ACCOUNT_ATTACHMENTS,
	ACCOUNT_HEADERS_ONLY,
	ACCOUNT_OWNER,
	ACCOUNT_KEYS /* how many */
};

enum account_key_type {
	KEY_TEXT,
	KEY_NUMBER,
	KEY_BOOL,
	KEY_DURATION,
	KEY_CHOICE,
	KEY_FILE,
	KEY_COMMAND,
	KEY_LIST
};

/* What a location can be, as bits. */
enum account_kind {
	ACCOUNT_KIND_IMAP = 1 << 0,
	ACCOUNT_KIND_POP3 = 1 << 1,
	ACCOUNT_KIND_MAILDIR = 1 << 2,
	ACCOUNT_KIND_MBOX = 1 << 3,
	ACCOUNT_KIND_THUNDERBIRD = 1 << 4,
	ACCOUNT_KIND_EML = 1 << 5,
	ACCOUNT_KIND_ARCHIVE = 1 << 6,
	ACCOUNT_KIND_MANIFEST = 1 << 7,
	ACCOUNT_KIND_SERVERS = ACCOUNT_KIND_IMAP | ACCOUNT_KIND_POP3,
	ACCOUNT_KIND_FILES = ACCOUNT_KIND_MAILDIR | ACCOUNT_KIND_MBOX | ACCOUNT_KIND_THUNDERBIRD |
			     ACCOUNT_KIND_EML
};

struct account_key_info {
	const char *name; /* "pass-file" */
	enum account_key_type type;
	const char *choices; /* "implicit|starttls|none" */
	const char *value; /* how help names the value: "FILE" */
	const char *help;
	unsigned kinds; /* enum account_kind bits: which locations know it */
};

extern const struct account_key_info account_keys[ACCOUNT_KEYS];

#define ACCOUNT_KINDS_TEXT 80
/* For messages and the manual: "servers", "files", or "mbox: and thunderbird:". */
void account_kinds_text(unsigned kinds, char out[ACCOUNT_KINDS_TEXT]);

struct account_values { /* one place's values, NULL = not given; borrowed texts */
	const char *value[ACCOUNT_KEYS];
};

struct account_request {
	const char *location; /* as typed */
	const struct account_values *options; /* may be NULL */
	const struct config *config; /* may be NULL */
	const char *user; /* what %u stands for, and who logs in if nothing else says; or NULL */
	/*
	 * What a line of --users says, nearer than anything else, or NULL. With a secret of its own there the user logs in for himself: an admin named
	 * elsewhere does not count. Files take no secrets, and leave them.
	 */
	const struct account_values *line;
	const struct secret *line_secret; /* copied; or NULL */
	bool line_secret_is_token; /* also one where auth names mechanisms for tokens only */
	const char *role; /* "src", "dst", "" for messages and traces */
	bool read_only; /* whatever its role, nothing is made or changed in it (compare) */
	bool may_prompt; /* ask on the terminal when no secret is named */
	bool may_be_nobody; /* an IMAP server without a user name: nobody logs in (account_is_nobody()) */
};

struct account;

/* NULL: ERR_LOCAL kind USAGE with what is wrong and what would be right. A password in the location is taken, and account_warned() says so. */
struct account *account_new(const struct account_request *request, struct err *err);
void account_free(struct account *account);
bool account_is_nobody(
	const struct account *account); /* only asked what it offers before a login */
/* "imap" for imap and imaps; "maildir", … */
const char *account_scheme(const struct account *account);
/* NULL = not given and no default */
const char *account_get(const struct account *account, enum account_key key);
/* Does it keep less of a message than is copied to it, and what: "header", "attachments"; NULL = it keeps all. */
const char *account_part(const struct account *account);
/* for people and logs, harmless, no secret, no query */
const char *account_name(const struct account *account);
/* What identifies the account for the journal: "imap://user@host:port" in lower case host, "maildir:/real/path". */
const char *account_identity(const struct account *account);
/* of a file location, "~/" expanded; NULL for servers */
const char *account_path(const struct account *account);
/* the /MAILBOX of the location as a display name, or NULL */
const char *account_mailbox(const struct account *account);
const char *account_role(const struct account *account);
/* Where mail is written to: what is not there yet is made. */
bool account_is_target(const struct account *account);
unsigned account_connections(const struct account *account); /* the cap; 0 = not given */
bool account_verifies(const struct account *account); /* false: tls-verify=no, the caller warns */
bool account_password_in_location(const struct account *account);
/* False: another user would get the same account. */
bool account_depends_on_user(const struct account *account);
/* True when both texts name the same account: copying onto itself is refused. */
bool account_same(const struct account *a, const struct account *b);
/* Files: inner lies below outer, which takes mail of inner's kind there for its own. */
bool account_holds(const struct account *outer, const struct account *inner);
/* The same text for those of one kind that are the same account by that measure. Memory of the arena. */
const char *account_same_key(const struct account *account, struct arena *arena);
/*
 * Fills options for imap_open(), reading files and running commands for secrets (once, kept). What it points at belongs to the account.
 * fresh_token: run token-cmd or read token-file again. Errors: ERR_LOCAL kind USAGE or AUTH.
 */
int account_imap_options(struct account *account, bool fresh_token, struct imap_options *out,
	struct err *err) MUST_CHECK;
/* The same for pop3_open(). */
int account_pop3_options(struct account *account, bool fresh_token, struct pop3_options *out,
	struct err *err) MUST_CHECK;
/*
 * The UIDs of a place that has none of its own: opened at the first call and shared by all who use the account; closed by account_free(). state_dir NULL: they
 * are forgotten then. NULL: ERR_LOCAL.
 */
struct ledger *account_ledger(struct account *account, const char *state_dir, struct err *err);
/*
 * Wipes the passwords out of argv's memory after they were taken ("user:***@host"). Call after account_new() of all locations.
 */
void account_wipe_argument(char *argument);

/*
 * The configuration file: sections [account NAME] and [job NAME] (INI, inih; '#' and ';' begin a comment at the start of a line only, for
 * commands hold them). An account has the keys above and `location` (a URL or path, no name). A job has `command`, `location` (as often as
 * needed, in order; `source` and `destination` are the same in words), and options without their "--": "jobs = 4" is --jobs=4, "dry-run"
 * alone is --dry-run. No passwords: a location with one is refused.
 */
struct config_job {
	const char *name;
	const char *command;
	const char **arguments;
	size_t count; /* "--key=value" in order, then locations */
};
/* path NULL: the usual place, where a missing file is an empty configuration. NULL: ERR_LOCAL kind USAGE "FILE:LINE: what". */
struct config *config_open(const char *path, struct err *err);
/* the same from memory; path is for messages */
struct config *config_read(struct span text, const char *path, struct err *err);
void config_free(struct config *config);
const struct account_values *config_account(
	const struct config *config, const char *name, const char **location_out);
/* The account somebody may have meant by name, or NULL. */
const char *config_account_near(const struct config *config, const char *name);
const struct config_job *config_job(const struct config *config, const char *name);

#endif
