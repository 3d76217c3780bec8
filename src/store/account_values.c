/* What a key's value may be, and which values may stand together in one place. */
#include "store/account_parts.h"

#include "base/arena.h"
#include "base/text.h"
#include "net/sasl.h"

#include <inttypes.h>
#include <string.h>

#define PIN_HEX 64 /* digits of a SHA-256 */
#define TIMEOUT_MIN_MS 1000
#define TIMEOUT_MAX_MS (INT64_C(24) * 3600 * 1000)
#define CONNECTIONS_MAX 1000

static int value_wrong(enum account_key key, const char *what, struct err *err)
{
	return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE, "%s: %s", account_keys[key].name, what);
}

int account_key_unknown(struct span name, struct err *err)
{
	const char *near = account_key_near(name);
	char shown[TEXT_SHOWN];

	text_shown(name, shown);
	if (near)
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
			"unknown key %s: did you mean %s?", shown, near);
	return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE, "unknown key %s", shown);
}

bool account_list_next(struct span *rest, struct span *item_out)
{
	size_t from = 0;

	while (from < rest->len && strchr(", \t", rest->data[from]))
		from++;

	size_t to = from;
	while (to < rest->len && !strchr(", \t", rest->data[to]))
		to++;
	if (from == to)
		return false;
	*item_out = span_sub(*rest, from, to - from);
	*rest = span_from(*rest, to);
	return true;
}

static bool word_among(struct span word, const char *choices)
{
	struct span rest = span_of(choices);

	while (rest.len > 0) {
		const size_t bar = span_find(rest, '|');
		const size_t len = bar == SIZE_MAX ? rest.len : bar;

		if (span_equal(word, span_sub(rest, 0, len)))
			return true;
		rest = span_from(rest, len + 1);
	}
	return false;
}

bool account_value_bool(const char *value)
{
	return word_among(span_of(value), "yes|true|on|1");
}

static int check_number(enum account_key key, struct span value, uint32_t max, struct err *err)
{
	uint32_t number;

	if (!span_u32(value, &number) || number < 1 || number > max)
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
			"%s: not a number from 1 to %" PRIu32, account_keys[key].name, max);
	return 0;
}

static int check_duration(enum account_key key, const char *value, struct err *err)
{
	int64_t ms;

	if (text_parse_duration(value, &ms, err) < 0)
		return err_wrap(err, "%s", account_keys[key].name);
	if (ms < TIMEOUT_MIN_MS || ms > TIMEOUT_MAX_MS)
		return value_wrong(key, "not between 1 second and 24 hours", err);
	return 0;
}

static bool mechanism_known(struct span word, enum location_kind *only)
{
	char key[32];

	*only = LOCATION_NAME;
	if (span_equal(word, SPAN("preauth"))) {
		*only = LOCATION_IMAP;
		return true;
	}
	if (span_equal(word, SPAN("apop"))) {
		*only = LOCATION_POP3;
		return true;
	}
	if (word.len >= sizeof(key))
		return false;
	memcpy(key, word.data, word.len);
	key[word.len] = '\0';
	return sasl_find(key) != NULL;
}

static int mechanism_unknown(struct span word, struct err *err)
{
	const char *names[64] = { "preauth", "apop" };
	size_t count = 2;
	char shown[TEXT_SHOWN];

	for (const struct sasl_mechanism *at = sasl_mechanisms();
		at->key && count + 1 < countof(names); at++)
		names[count++] = at->key;
	text_shown(word, shown);

	const char *near = account_nearest(word, names);
	if (near)
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
			"auth: unknown mechanism %s: did you mean %s?", shown, near);
	return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
		"auth: unknown mechanism %s: scram-sha-256, scram-sha-1, plain, login, "
		"oauthbearer, xoauth2 and others are known",
		shown);
}

static int check_auth(struct span value, struct err *err)
{
	enum location_kind only;
	struct span word;
	size_t count = 0;

	for (; account_list_next(&value, &word); count++)
		if (!mechanism_known(word, &only))
			return mechanism_unknown(word, err);
	return count > 0 ? 0 : value_wrong(ACCOUNT_AUTH, "names no mechanism", err);
}

static bool is_hex(char byte)
{
	return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'f') ||
	       (byte >= 'A' && byte <= 'F');
}

/* "sha256$" and 64 digits; colons between them are what openssl prints. */
static bool pin_valid(struct span pin)
{
	size_t digits = 0;

	if (!span_starts_nocase(pin, SPAN("sha256$")))
		return false;
	for (size_t i = sizeof("sha256$") - 1; i < pin.len; i++) {
		if (is_hex(pin.data[i]))
			digits++;
		else if (pin.data[i] != ':')
			return false;
	}
	return digits == PIN_HEX;
}

static int check_pins(struct span value, struct err *err)
{
	struct span pin;
	size_t count = 0;

	for (; account_list_next(&value, &pin); count++)
		if (!pin_valid(pin))
			return value_wrong(ACCOUNT_TLS_PIN,
				"not sha256$ and 64 hexadecimal digits (commas between several)",
				err);
	return count > 0 ? 0 : value_wrong(ACCOUNT_TLS_PIN, "names no key", err);
}

/* Capability names are atoms (RFC 3501 §9). */
static bool capability_valid(struct span name)
{
	for (size_t i = 0; i < name.len; i++)
		if (name.data[i] <= ' ' || (unsigned char)name.data[i] >= 127 ||
			strchr("(){%*\"\\]", name.data[i]))
			return false;
	return name.len > 0;
}

/* "disable=CAP,CAP", several between blanks. */
static int check_quirk(struct span value, struct err *err)
{
	struct span rest = span_trim(value);
	struct span name;

	if (rest.len == 0)
		return value_wrong(
			ACCOUNT_QUIRK, "names nothing: write disable=CAPABILITY,...", err);
	while (rest.len > 0) {
		const size_t blank = span_find(rest, ' ');
		struct span word = span_sub(rest, 0, blank == SIZE_MAX ? rest.len : blank);

		rest = span_trim(span_from(rest, word.len));
		if (!span_starts(word, SPAN("disable=")))
			return value_wrong(
				ACCOUNT_QUIRK, "unknown: disable=CAPABILITY,... is known", err);
		word = span_from(word, strlen("disable="));
		if (word.len == 0)
			return value_wrong(ACCOUNT_QUIRK, "disable= names no capability", err);
		while (account_list_next(&word, &name))
			if (!capability_valid(name))
				return value_wrong(ACCOUNT_QUIRK, "not a capability name", err);
	}
	return 0;
}

const char *account_quirk_disabled(struct arena *arena, const char *value)
{
	struct span rest = span_of(value), word;
	const char *list = NULL;

	while (value && account_list_next(&rest, &word)) {
		if (span_starts(word, SPAN("disable=")))
			word = span_from(word, strlen("disable="));
		if (word.len > 0)
			list = arena_print(arena, "%s%s%.*s", list ? list : "", list ? " " : "",
				(int)word.len, word.data);
	}
	return list;
}

/* The rest of it is dial()'s to judge; a password must not get that far. */
static int check_proxy(struct span value, struct err *err)
{
	static const char *const schemes[] = { "socks5://", "socks5h://", "http://" };

	for (size_t i = 0; i < countof(schemes); i++) {
		if (!span_starts_nocase(value, span_of(schemes[i])))
			continue;

		const struct span rest = span_from(value, strlen(schemes[i]));
		const size_t at = span_find(rest, '@');
		if (at != SIZE_MAX && span_find(span_sub(rest, 0, at), ':') != SIZE_MAX)
			return value_wrong(ACCOUNT_PROXY,
				"the password belongs into proxy-pass-file or proxy-pass-cmd", err);
		return rest.len > 0 ? 0 : value_wrong(ACCOUNT_PROXY, "the host is missing", err);
	}
	return value_wrong(
		ACCOUNT_PROXY, "write socks5://[user@]host[:port], socks5h://… or http://…", err);
}

static int check_host(const char *value, struct err *err)
{
	struct arena *arena = arena_new();
	const char *host = location_host(span_of(value), arena, err);

	arena_free(arena);
	return host ? 0 : err_wrap(err, "host");
}

/* A name that a shell could have set: nothing else can be meant. */
static int check_env(const char *value, struct err *err)
{
	if (value[strspn(value,
		    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")] != '\0')
		return value_wrong(ACCOUNT_PASS_ENV,
			"not the name of an environment variable (the name goes here, not the "
			"password)",
			err);
	return 0;
}

/* What a key's type does not say. */
static int check_special(enum account_key key, const char *value, struct err *err)
{
	if (key == ACCOUNT_PORT)
		return check_number(key, span_of(value), 65535, err);
	if (key == ACCOUNT_CONNECTIONS)
		return check_number(key, span_of(value), CONNECTIONS_MAX, err);
	if (key == ACCOUNT_AUTH)
		return check_auth(span_of(value), err);
	if (key == ACCOUNT_TLS_PIN)
		return check_pins(span_of(value), err);
	if (key == ACCOUNT_QUIRK)
		return check_quirk(span_of(value), err);
	if (key == ACCOUNT_PROXY)
		return check_proxy(span_of(value), err);
	if (key == ACCOUNT_HOST)
		return check_host(value, err);
	if (key == ACCOUNT_PASS_ENV)
		return check_env(value, err);
	return 0;
}

/* Commands may be written over several lines where the shell's quoting carries them; nothing else has a use for control characters. */
static int check_text(enum account_key key, struct span value, struct err *err)
{
	if (value.len > ACCOUNT_VALUE_MAX)
		return value_wrong(key, "longer than 8192 octets", err);
	if (value.len == 0 && key != ACCOUNT_NAMESPACE)
		return value_wrong(key, "the value is empty", err);
	for (size_t i = 0; i < value.len; i++) {
		const unsigned char byte = (unsigned char)value.data[i];
		const bool space =
			account_keys[key].type == KEY_COMMAND && (byte == '\n' || byte == '\t');

		if ((byte < ' ' && !space) || byte == 127)
			return value_wrong(key, "holds a control character", err);
	}
	if (account_keys[key].type != KEY_FILE && account_keys[key].type != KEY_COMMAND &&
		!utf8_valid(value))
		return value_wrong(key, "is not valid UTF-8", err);
	return 0;
}

int account_value_check(enum account_key key, const char *value, struct err *err)
{
	const struct account_key_info *info = &account_keys[key];

	if (check_text(key, span_of(value), err) < 0)
		return -1;
	switch (info->type) {
	case KEY_BOOL:
		if (!word_among(span_of(value), "yes|no|true|false|on|off|1|0"))
			return value_wrong(key, "yes or no", err);
		return 0;
	case KEY_CHOICE:
		if (!word_among(span_of(value), info->choices))
			return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE, "%s: one of %s",
				info->name, info->choices);
		return 0;
	case KEY_DURATION:
		return check_duration(key, value, err);
	case KEY_TEXT:
	case KEY_NUMBER:
	case KEY_FILE:
	case KEY_COMMAND:
	case KEY_LIST:
		return check_special(key, value, err);
	}
	return 0;
}

static int values_twice(const char *first, enum account_key key, struct err *err)
{
	return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
		"%s and %s both name a secret: keep one of them", first, account_keys[key].name);
}

/* APOP is POP3's and PREAUTH is IMAP's (RFC 1939 §7, RFC 3501 §7.1.4). */
static int values_check_auth(struct span value, unsigned kind, struct err *err)
{
	enum location_kind only;
	struct span word;

	while (account_list_next(&value, &word)) {
		if (!mechanism_known(word, &only) || only == LOCATION_NAME ||
			kind == (only == LOCATION_POP3 ? ACCOUNT_KIND_POP3 : ACCOUNT_KIND_IMAP))
			continue;
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE, "auth: %.*s is for %s only",
			(int)word.len, word.data, only == LOCATION_POP3 ? "POP3" : "IMAP");
	}
	return 0;
}

/* A key that would change nothing here: whoever gave it believes that it does. */
static int check_known(enum account_key key, const char *scheme, struct err *err)
{
	char kinds[ACCOUNT_KINDS_TEXT];

	if (account_keys[key].kinds & account_kind_of(scheme))
		return 0;
	account_kinds_text(account_keys[key].kinds, kinds);
	return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
		"%s: is for %s only, %s: has no such key", account_keys[key].name, kinds, scheme);
}

/* Of the layouts each kind has its own. */
static int check_layout(const char *layout, const char *scheme, struct err *err)
{
	const bool maildir = account_kind_of(scheme) == ACCOUNT_KIND_MAILDIR;
	const char *choices = maildir ? "maildir++|fs" : "flat|fs|thunderbird";

	if (word_among(span_of(layout), choices))
		return 0;
	return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE, "layout: %s: has no %s: one of %s",
		scheme, layout, choices);
}

/* What depends on the kind of location. */
static int values_check_kind(const struct account_values *values, const char *scheme,
	enum account_key *key_out, struct err *err)
{
	for (size_t i = 0; i < ACCOUNT_KEYS; i++) {
		*key_out = (enum account_key)i;
		if (values->value[i] && check_known(*key_out, scheme, err) < 0)
			return -1;
	}
	*key_out = ACCOUNT_LAYOUT;
	if (values->value[ACCOUNT_LAYOUT] &&
		check_layout(values->value[ACCOUNT_LAYOUT], scheme, err) < 0)
		return -1;
	*key_out = ACCOUNT_AUTH;
	return values->value[ACCOUNT_AUTH] ? values_check_auth(span_of(values->value[ACCOUNT_AUTH]),
						     account_kind_of(scheme), err)
					   : 0;
}

int account_values_check(const struct account_values *values, bool has_password, const char *scheme,
	enum account_key *key_out, struct err *err)
{
	const char *first[GROUP_NONE + 1] = {
		[GROUP_LOGIN] = has_password ? "the password in the location" : NULL
	};
	enum account_key unused;

	key_out = key_out ? key_out : &unused;
	for (size_t i = 0; i < ACCOUNT_KEYS; i++) {
		const enum account_group group = account_key_group((enum account_key)i);

		if (!values->value[i] || group == GROUP_NONE)
			continue;
		*key_out = (enum account_key)i;
		if (first[group])
			return values_twice(first[group], *key_out, err);
		first[group] = account_keys[i].name;
	}
	return scheme ? values_check_kind(values, scheme, key_out, err) : 0;
}

int account_values_join(struct account_values *values, const struct account_values *more,
	enum account_key *key_out, struct err *err)
{
	for (size_t i = 0; i < ACCOUNT_KEYS; i++) {
		if (!more->value[i])
			continue;
		if (values->value[i]) {
			if (key_out)
				*key_out = (enum account_key)i;
			return value_wrong((enum account_key)i,
				"given twice, in the location and beside it", err);
		}
		values->value[i] = more->value[i];
	}
	return 0;
}
