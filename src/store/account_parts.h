/*
 * What account*.c and config.c share: the rules of single values, and the account itself. For these only.
 *
 * Owner: the account. Lifetime: the run. Threads: values are immutable once account_new() returned; secrets are locked inside.
 */
#ifndef STORE_ACCOUNT_PARTS_H
#define STORE_ACCOUNT_PARTS_H

#include "store/account.h"

#include "base/err.h"
#include "store/location.h"

#include <pthread.h>

#define ACCOUNT_VALUE_MAX 8192 /* octets of one value */
#define ACCOUNT_TIMEOUT_DEFAULT "60s"

/* All -1 are ERR_LOCAL kind USAGE. */

bool account_key_find(struct span name, enum account_key *out);
/* The key somebody who typed name may have meant, or NULL. */
const char *account_key_near(struct span name);
/* The one of candidates (ends with NULL) that differs least from name, or NULL when none is close. */
const char *account_nearest(struct span name, const char *const *candidates);
int account_key_unknown(struct span name, struct err *err); /* "unknown key …, did you mean …?" */

/* Is it a value this key can have? The text names the key, and the value only where that can be no secret. */
int account_value_check(enum account_key key, const char *value, struct err *err) MUST_CHECK;
/* The bit of a location's scheme; 0 for NULL: what a name stands for is not known yet. */
unsigned account_kind_of(const char *scheme);
/*
 * Values of one place taken together: secrets named twice, keys and values that this kind of location does not know (scheme NULL: not known yet).
 * *key_out, where not NULL, is the key to blame.
 */
int account_values_check(const struct account_values *values, bool has_password, const char *scheme,
	enum account_key *key_out, struct err *err) MUST_CHECK;
/* Adds the values of more; both naming a key, or a secret, is an error. */
int account_values_join(struct account_values *values, const struct account_values *more,
	enum account_key *key_out, struct err *err) MUST_CHECK;
bool account_value_bool(const char *value); /* of a value that passed */
/* The next item of "a, b c": false at the end. */
bool account_list_next(struct span *rest, struct span *item_out);
/* The capabilities of "disable=A,B" in a checked quirk value, separated by blanks; NULL = none. */
const char *account_quirk_disabled(struct arena *arena, const char *value);

enum account_group { GROUP_LOGIN, GROUP_CLIENT_KEY, GROUP_PROXY, GROUP_NONE };
/* Which secret a key names a source of. */
enum account_group account_key_group(enum account_key key);

struct account {
	struct arena *arena;
	struct location location; /* of the configuration's, if the location was a name */
	struct account_values values; /* what holds */
	const char *role, *name, *identity, *mailbox;
	const char *trace_label; /* "src", "src(anna)" */
	bool read_only, may_prompt, password_in_location;
	bool depends_on_user;
	uint16_t port;
	enum imap_tls tls;
	const char **mechanisms; /* without preauth and apop */
	size_t mechanism_count;
	bool preauth, apop;
	bool nobody;
	const char **pins;
	size_t pin_count;
	const char *disable; /* capabilities, or NULL */

	pthread_mutex_t lock; /* of what follows */
	struct ledger *ledger; /* or NULL */
	struct secret *password, *token, *client_key_password, *proxy_password;
	struct secret **old_tokens; /* other lanes may still look at them */
	size_t old_token_count;
	bool tried; /* the secrets were asked for; failure says how it went */
	struct err failure;
};

/* Puts name and identity together; host, port and tls are known. */
void account_name_fill(struct account *account);
/* Takes what can only be taken once and early: pass-env. */
int account_secrets_early(struct account *account, struct err *err) MUST_CHECK;
/* Asks for the secrets, once; fresh: for the token again. Call with the lock held. */
int account_secrets_load(struct account *account, bool fresh_token, struct err *err) MUST_CHECK;
void account_secrets_free(struct account *account);

#endif
