/* The parser of locations. */
#include "store/location.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/path.h"
#include "base/text.h"
#include "net/secret.h"
#include "store/account_parts.h"

#include <arpa/inet.h>
#include <string.h>

#define HOST_MAX 253 /* RFC 1035 §2.3.4 */
#define URL_RESERVED "/:@?;&=#+[] "
#define USER_MARK "%u"

static const struct {
	const char *word; /* before the ':' */
	const char *scheme;
	enum location_kind kind;
	bool implicit_tls;
} schemes[] = {
	{ "imaps", "imap", LOCATION_IMAP, true },
	{ "imap", "imap", LOCATION_IMAP, false },
	{ "pop3s", "pop3", LOCATION_POP3, true },
	{ "pop3", "pop3", LOCATION_POP3, false },
	{ "maildir", "maildir", LOCATION_FILE, false },
	{ "mbox", "mbox", LOCATION_FILE, false },
	{ "eml", "eml", LOCATION_FILE, false },
	{ "thunderbird", "thunderbird", LOCATION_FILE, false },
	{ "archive", "archive", LOCATION_FILE, false },
	{ "manifest", "manifest", LOCATION_FILE, false },
};

struct parser {
	struct arena *arena;
	struct location *location;
	bool quote; /* error messages may quote: no misplaced password can be in what is read */
	struct err *err;
};

static int usage(struct parser *parser, const char *what)
{
	return err_set_kind(parser->err, ERR_LOCAL, ERR_KIND_USAGE, "%s", what);
}

/* C0, DEL and C1. */
static bool has_control(struct span text)
{
	while (text.len > 0) {
		uint32_t c;
		size_t len = utf8_next(text, &c);

		if (len == 0) {
			c = (unsigned char)text.data[0];
			len = 1;
			if (c >= 128)
				c = 160; /* no character at all: valid_text() tells */
		}
		if (c < 32 || (c >= 127 && c < 160))
			return true;
		text = span_from(text, len);
	}
	return false;
}

/* Decodes text into the arena; it must be UTF-8 without control characters. what: "user name". */
static const char *decode(struct parser *parser, struct span text, const char *what)
{
	const char *result = NULL;
	struct buf out;

	buf_init(&out, LOCATION_MAX);
	if (percent_decode(text, &out) < 0)
		(void)err_set_kind(parser->err, ERR_LOCAL, ERR_KIND_USAGE,
			"the %s holds a %% without two hexadecimal digits behind it, or %%00: "
			"write a %% as %%25",
			what);
	else if (has_control(buf_span(&out)))
		(void)err_set_kind(parser->err, ERR_LOCAL, ERR_KIND_USAGE,
			"the %s holds a control character", what);
	else if (!utf8_valid(buf_span(&out)))
		(void)err_set_kind(
			parser->err, ERR_LOCAL, ERR_KIND_USAGE, "the %s is not valid UTF-8", what);
	else
		result = arena_text(parser->arena, buf_span(&out));
	buf_release(&out);
	return result;
}

static bool bytes_among(struct span text, const char *allowed)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] == '\0' || !strchr(allowed, text.data[i]))
			return false;
	return true;
}

#define HEX_DIGITS "0123456789abcdefABCDEF"
#define ALNUM "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

static char *lower_copy(struct arena *arena, struct span text)
{
	char *copy = arena_text(arena, text);

	for (char *at = copy; *at; at++)
		if (*at >= 'A' && *at <= 'Z')
			*at = (char)(*at + 32);
	return copy;
}

/* An IPv6 address, perhaps with a zone: "fe80::1%eth0", "%25" in URLs (RFC 6874). */
static const char *host_v6(struct span text, struct arena *arena, struct err *err)
{
	const size_t percent = span_find(text, '%');
	struct span address = span_sub(text, 0, percent);
	struct span zone = percent == SIZE_MAX ? span_make("", 0) : span_from(text, percent + 1);
	struct in6_addr parsed;

	if (span_starts(zone, SPAN("25")))
		zone = span_from(zone, 2);

	const bool zone_ok =
		percent == SIZE_MAX || (zone.len > 0 && bytes_among(zone, ALNUM "._-"));
	const char *lower = lower_copy(arena, address);
	if (!zone_ok || inet_pton(AF_INET6, lower, &parsed) != 1) {
		(void)err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE, "not an IPv6 address");
		return NULL;
	}
	if (zone.len == 0)
		return lower;
	return arena_print(arena, "%s%%%.*s", lower, (int)zone.len, zone.data);
}

const char *location_host(struct span text, struct arena *arena, struct err *err)
{
	if (text.len > HOST_MAX) {
		(void)err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
			"the host name is longer than %d octets", HOST_MAX);
		return NULL;
	}
	if (span_starts(text, SPAN("["))) {
		if (!span_ends(text, SPAN("]"))) {
			(void)err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
				"the bracket before the host is not closed");
			return NULL;
		}
		return host_v6(span_sub(text, 1, text.len - 2), arena, err);
	}
	if (bytes_among(text, HEX_DIGITS ":.") && span_find(text, ':') != SIZE_MAX)
		return host_v6(text, arena, err);
	for (size_t i = 0; i < text.len; i++) {
		if ((unsigned char)text.data[i] >= 128) {
			(void)err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
				"the host name is not ASCII: write its form that begins with xn--");
			return NULL;
		}
	}
	if (text.len == 0 || !bytes_among(text, ALNUM "-._") || text.data[0] == '-' ||
		text.data[0] == '.') {
		(void)err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE, "not a host name or address");
		return NULL;
	}
	if (text.data[text.len - 1] == '.')
		text = span_sub(text, 0,
			text.len -
				1); /* "old.example." is the same host, and certificates do not say it so */
	return lower_copy(arena, text);
}

static int parse_password(struct parser *parser, struct span text)
{
	struct buf out;
	int rc = 0;

	buf_init(&out, LOCATION_MAX);
	if (percent_decode(text, &out) < 0)
		rc = usage(parser, "the password holds a % without two hexadecimal digits behind "
				   "it, or %00: write a % as %25");
	else if (memchr(buf_text(&out), '\r', out.len) || memchr(buf_text(&out), '\n', out.len))
		rc = usage(parser, "the password holds a line end");
	else if (out.len == 0)
		rc = usage(parser, "the password is empty: leave the ':' out to be asked for it");
	else
		parser->location->password = secret_new(buf_span(&out));
	secret_wipe(out.data, out.room);
	buf_release(&out);
	return rc;
}

/* ";AUTH=MECHANISM" behind the user name (RFC 5092 §3.2); "*" is what we do anyhow. */
static int parse_user_auth(struct parser *parser, struct span text)
{
	if (!span_starts_nocase(text, SPAN("AUTH=")))
		return usage(parser, "a ';' behind the user name starts AUTH=MECHANISM: write a "
				     "';' of the name as %3B");

	const char *word = decode(parser, span_from(text, 5), "AUTH parameter");
	if (!word)
		return -1;
	if (strcmp(word, "*") == 0)
		return 0;

	const char *lower = lower_copy(parser->arena, span_of(word));
	if (account_value_check(ACCOUNT_AUTH, lower, parser->err) < 0)
		return -1;
	parser->location->values.value[ACCOUNT_AUTH] = lower;
	return 0;
}

/* iuserinfo = enc-user [iauth] (RFC 5092 §11), and the password that RFC 3986 §3.2.1 deprecates. */
static int parse_userinfo(struct parser *parser, struct span text)
{
	const size_t colon = span_find(text, ':');
	struct span user = span_sub(text, 0, colon);
	const size_t semicolon = span_find(user, ';');

	if (colon != SIZE_MAX && parse_password(parser, span_from(text, colon + 1)) < 0)
		return -1;
	if (semicolon != SIZE_MAX) {
		if (parse_user_auth(parser, span_from(user, semicolon + 1)) < 0)
			return -1;
		user = span_sub(user, 0, semicolon);
	}
	if (user.len == 0) {
		if (colon != SIZE_MAX)
			return usage(parser, "a password without a user name");
		return 0;
	}
	parser->location->values.value[ACCOUNT_USER] = decode(parser, user, "user name");
	return parser->location->values.value[ACCOUNT_USER] ? 0 : -1;
}

/* HOST[:PORT]; both may be missing where a tunnel or the configuration stands in. */
static int parse_host(struct parser *parser, struct span text)
{
	const bool bracket = span_starts(text, SPAN("["));
	const size_t close = bracket ? span_find(text, ']') : 0;

	if (close == SIZE_MAX)
		return usage(parser, "the bracket before the host is not closed");

	const struct span tail = span_from(text, close);
	const size_t colon = span_find(tail, ':');
	const struct span host = span_sub(text, 0, colon == SIZE_MAX ? text.len : close + colon);
	const struct span port = colon == SIZE_MAX ? span_make("", 0) : span_from(tail, colon + 1);
	uint32_t number;

	if (colon != SIZE_MAX) {
		if (!bracket && span_find(port, ':') != SIZE_MAX)
			return usage(parser, "more than one ':' behind the host: an IPv6 address "
					     "stands in brackets");
		if (!span_u32(port, &number) || number < 1 || number > 65535)
			return usage(parser,
				"the port is not a number from 1 to 65535 (a '/', '?' or "
				"'@' in a user name or password is written %2F, %3F, %40)");
		parser->location->values.value[ACCOUNT_PORT] =
			arena_print(parser->arena, "%u", (unsigned)number);
	}
	if (host.len == 0)
		return 0;

	const char *result = location_host(host, parser->arena, parser->err);
	parser->location->values.value[ACCOUNT_HOST] = result;
	return result ? 0 : -1;
}

static int parse_authority(struct parser *parser, struct span text)
{
	const char *last = text.len > 0 ? memrchr(text.data, '@', text.len) : NULL;

	if (!last)
		return parse_host(parser, text);

	const size_t at = (size_t)(last - text.data);
	if (parse_userinfo(parser, span_sub(text, 0, at)) < 0)
		return -1;
	return parse_host(parser, span_from(text, at + 1));
}

/* One KEY=VALUE of a query. */
static int parse_pair(struct parser *parser, struct span pair)
{
	const size_t equals = span_find(pair, '=');
	const struct span name = span_sub(pair, 0, equals);
	struct account_values *values = &parser->location->values;
	enum account_key key;

	if (!account_key_find(name, &key)) {
		if (!parser->quote)
			return usage(parser, "an unknown key behind the '?' (a '?' in a user name "
					     "or password is written %3F)");
		return account_key_unknown(name, parser->err);
	}
	if (equals == SIZE_MAX)
		return err_set_kind(parser->err, ERR_LOCAL, ERR_KIND_USAGE,
			"%s: the value is missing", account_keys[key].name);
	if (values->value[key])
		return err_set_kind(parser->err, ERR_LOCAL, ERR_KIND_USAGE, "%s: given twice",
			account_keys[key].name);

	const char *value = decode(parser, span_from(pair, equals + 1), account_keys[key].name);
	if (!value || account_value_check(key, value, parser->err) < 0)
		return -1;
	values->value[key] = value;
	return 0;
}

static int parse_query(struct parser *parser, struct span text)
{
	while (text.len > 0) {
		const size_t end = span_find(text, '&');
		const struct span pair = span_sub(text, 0, end);

		if (pair.len > 0 && parse_pair(parser, pair) < 0)
			return -1;
		text = end == SIZE_MAX ? span_make("", 0) : span_from(text, end + 1);
	}
	return 0;
}

/* Sets the display name; an empty one is none. */
static int take_mailbox(struct parser *parser, const char *name)
{
	struct span rest = span_of(name);

	if (span_ends(rest, SPAN("/")))
		rest = span_sub(rest, 0, rest.len - 1);
	if (rest.len == 0)
		return 0;
	if (span_starts(rest, SPAN("/")) || span_ends(rest, SPAN("/")) ||
		memmem(rest.data, rest.len, "//", 2))
		return usage(parser, "the mailbox has a level without a name (two '/' in a row)");
	parser->location->mailbox = arena_text(parser->arena, rest);
	return 0;
}

/* RFC 5092 §11: what may follow the mailbox points at messages, which a location does not. */
static bool has_message_part(struct span text)
{
	static const char *const parts[] = {
		"UIDVALIDITY=", "UID=", "SECTION=", "PARTIAL=", "EXPIRE=", "URLAUTH="
	};

	for (size_t at = span_find(text, ';'); at != SIZE_MAX; at = span_find(text, ';')) {
		text = span_from(text, at + 1);
		for (size_t i = 0; i < countof(parts); i++)
			if (span_starts_nocase(text, span_of(parts[i])))
				return true;
	}
	return false;
}

static int parse_url_mailbox(struct parser *parser, struct span text)
{
	if (has_message_part(text))
		return usage(parser, "the location names a message (;UID=, ;UIDVALIDITY= …): only "
				     "a mailbox can be given (a ';' of its name is written %3B)");
	if (text.len > 1 && parser->location->kind == LOCATION_POP3)
		return usage(parser, "POP3 has no mailboxes: leave out what follows the host");

	const char *name = decode(parser, text, "mailbox");
	return name ? take_mailbox(parser, name + (*name == '/')) : -1;
}

static int parse_url(struct parser *parser, struct span rest)
{
	if (!span_starts(rest, SPAN("//")))
		return usage(parser, "write SCHEME://USER@HOST[:PORT][/MAILBOX]");
	rest = span_from(rest, 2);

	size_t end = 0;
	while (end < rest.len && rest.data[end] != '/' && rest.data[end] != '?')
		end++;

	const struct span tail = span_from(rest, end);
	const size_t question = span_find(tail, '?');
	parser->quote = span_find(tail, '@') == SIZE_MAX;
	if (parse_authority(parser, span_sub(rest, 0, end)) < 0)
		return -1;
	if (parse_url_mailbox(parser, span_sub(tail, 0, question)) < 0)
		return -1;
	return question == SIZE_MAX ? 0 : parse_query(parser, span_from(tail, question + 1));
}

/* Cuts the query off a path or name and reads it. */
static int split_query(struct parser *parser, struct span *text)
{
	const char *mark = text->len > 0 ? memrchr(text->data, '?', text->len) : NULL;

	if (!mark)
		return 0;

	const size_t at = (size_t)(mark - text->data);
	const struct span query = span_from(*text, at + 1);
	if (query.len > 0 && span_find(query, '=') == SIZE_MAX)
		return 0;
	*text = span_sub(*text, 0, at);
	return parse_query(parser, query);
}

static int parse_path(struct parser *parser, struct span text)
{
	if (split_query(parser, &text) < 0)
		return -1;
	if (text.len == 0)
		return usage(parser, "the path is missing");
	if (span_starts(text, SPAN("//")) && !span_starts(text, SPAN("///")))
		return usage(parser, "a path stands directly behind the ':', without //");
	if (has_control(text))
		return usage(parser, "the path holds a control character");
	parser->location->path = path_expand(parser->arena, arena_text(parser->arena, text));
	return 0;
}

static int name_wrong(struct parser *parser, struct span text)
{
	char shown[TEXT_SHOWN];

	if (span_find(text, ':') != SIZE_MAX)
		return usage(parser,
			"unknown kind of location: imaps:// imap:// pop3s:// pop3:// maildir: "
			"mbox: eml: thunderbird: archive: manifest: or an account of the configuration");
	text_shown(text, shown);
	return err_set_kind(parser->err, ERR_LOCAL, ERR_KIND_USAGE,
		"%s is not the name of an account: a directory is written maildir:%s, a server "
		"imaps://USER@HOST",
		shown, shown);
}

/* NAME[/MAILBOX][?KEY=VALUE…] */
static int parse_name(struct parser *parser, struct span text)
{
	parser->location->kind = LOCATION_NAME;
	if (span_find(text, ':') != SIZE_MAX && span_find(text, '?') > span_find(text, ':'))
		return name_wrong(parser, text);
	if (split_query(parser, &text) < 0)
		return -1;

	const size_t slash = span_find(text, '/');
	const struct span name = span_sub(text, 0, slash);
	if (name.len == 0 || name.data[0] == '.' || name.data[0] == '~' ||
		span_find(name, ':') != SIZE_MAX)
		return name_wrong(parser, text);
	if (!utf8_valid(text) || has_control(text))
		return usage(parser, "the name holds a control character or is not valid UTF-8");
	parser->location->name = arena_text(parser->arena, name);
	return slash == SIZE_MAX ? 0
				 : take_mailbox(parser,
					   arena_text(parser->arena, span_from(text, slash + 1)));
}

/* The row of schemes[] that text begins with, its ':' included, or -1. */
static int scheme_of(struct span text)
{
	for (size_t i = 0; i < countof(schemes); i++) {
		const size_t len = strlen(schemes[i].word);

		if (text.len > len && text.data[len] == ':' &&
			span_starts_nocase(text, span_of(schemes[i].word)))
			return (int)i;
	}
	return -1;
}

/* Puts in for each %u of text. */
static char *put_in(const char *text, const char *in, struct arena *arena)
{
	struct buf out;
	char *result = NULL;
	int rc = 0;

	buf_init(&out, LOCATION_MAX + 1);
	while (rc == 0 && *text) {
		const char *mark = strstr(text, USER_MARK);
		const size_t len = mark ? (size_t)(mark - text) : strlen(text);

		rc = buf_add(&out, span_make(text, len));
		if (rc == 0 && mark)
			rc = buf_add(&out, span_of(in));
		text += len + (mark ? strlen(USER_MARK) : 0);
	}
	if (rc == 0)
		result = arena_text(arena, buf_span(&out));
	secret_wipe(out.data, out.room); /* a location may hold a password */
	buf_release(&out);
	return result;
}

/* reserved NULL: as it is, for nothing is decoded afterwards. */
static const char *put_user(const char *text, const char *user, const char *reserved,
	struct arena *arena, struct err *err)
{
	const char *result = NULL;
	struct buf coded;
	int rc;

	if (!strstr(text, USER_MARK))
		return text;
	if (!user || !*user) {
		(void)err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
			"%%u stands for a user of --users, and there is none");
		return NULL;
	}
	buf_init(&coded, LOCATION_MAX);
	rc = reserved ? percent_encode(span_of(user), reserved, &coded)
		      : buf_add(&coded, span_of(user));
	if (rc == 0)
		result = put_in(text, buf_text(&coded), arena);
	buf_release(&coded);
	if (!result)
		(void)err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
			"longer than %d octets with the user in it", LOCATION_MAX);
	return result;
}

const char *location_put_user(
	const char *text, const char *user, bool path, struct arena *arena, struct err *err)
{
	if (path && user && strstr(text, USER_MARK) &&
		(strcmp(user, ".") == 0 || strcmp(user, "..") == 0)) {
		(void)err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
			"the user %s would lead to another directory", user);
		return NULL;
	}
	return put_user(text, user, path ? "/" : NULL, arena, err);
}

static int parse_scheme(struct parser *parser, int row, const char *text)
{
	const struct span rest = span_from(span_of(text), strlen(schemes[row].word) + 1);

	parser->location->kind = schemes[row].kind;
	parser->location->scheme = schemes[row].scheme;
	parser->location->implicit_tls = schemes[row].implicit_tls;
	return schemes[row].kind == LOCATION_FILE ? parse_path(parser, rest)
						  : parse_url(parser, rest);
}

static int parse_any(struct parser *parser, const char *text, const char *user)
{
	const int row = scheme_of(span_of(text));
	const bool url = row >= 0 && schemes[row].kind != LOCATION_FILE;
	const char *whole = url ? put_user(text, user, URL_RESERVED, parser->arena, parser->err)
				: location_put_user(text, user, true, parser->arena, parser->err);
	int rc;

	if (!whole)
		return -1;
	rc = row < 0 ? parse_name(parser, span_of(whole)) : parse_scheme(parser, row, whole);
	if (whole != text && url) /* our copy may hold a password */
		secret_wipe((void *)(uintptr_t)whole, strlen(whole));
	return rc;
}

/* A password counts as a secret of this place, and "imaps" as its tls. */
static int check_place(struct parser *parser)
{
	struct location *location = parser->location;
	const char *tls = location->values.value[ACCOUNT_TLS];

	if (location->implicit_tls && tls && strcmp(tls, "implicit") != 0)
		return err_set_kind(parser->err, ERR_LOCAL, ERR_KIND_USAGE,
			"%ss: means tls=implicit: write %s: for tls=%s", location->scheme,
			location->scheme, tls);
	if (location->implicit_tls)
		location->values.value[ACCOUNT_TLS] = "implicit";
	return account_values_check(
		&location->values, location->password != NULL, location->scheme, NULL, parser->err);
}

int location_parse(const char *text, const char *user, struct arena *arena, struct location *out,
	struct err *err)
{
	struct location location = { .kind = LOCATION_NAME };
	struct parser parser = { .arena = arena, .location = &location, .quote = true, .err = err };
	int rc;

	if (strlen(text) > LOCATION_MAX)
		rc = err_set_kind(
			err, ERR_LOCAL, ERR_KIND_USAGE, "longer than %d octets", LOCATION_MAX);
	else if (!*text)
		rc = usage(&parser, "the location is empty");
	else
		rc = parse_any(&parser, text, user);
	if (rc == 0)
		rc = check_place(&parser);
	if (rc < 0) {
		location_release(&location);
		return -1;
	}
	*out = location;
	return 0;
}

void location_release(struct location *location)
{
	secret_free(location->password);
	location->password = NULL;
}

/*
 * The password stands between the first ':' of the user part and the last '@' before the path. Where somebody forgot to encode a '/', '?'
 * or '@' in it, the port is no number, and then everything up to the last '@' of all is taken for it.
 */
bool location_find_password(struct span text, size_t *at_out, size_t *len_out)
{
	const char *start = text.len > 0 ? memmem(text.data, text.len, "://", 3) : NULL;

	if (!start)
		return false;

	const size_t base = (size_t)(start - text.data) + 3;
	const struct span rest = span_from(text, base);
	const size_t colon = span_find(rest, ':');
	size_t end = 0;
	while (end < rest.len && rest.data[end] != '/' && rest.data[end] != '?')
		end++;

	const char *last = end > 0 ? memrchr(rest.data, '@', end) : NULL;
	if (colon == SIZE_MAX || colon > end)
		return false;
	if (!last || last < rest.data + colon) {
		struct span port = span_sub(rest, colon + 1, end - colon - 1);
		const char *bracket = memrchr(rest.data, ']', end);
		uint32_t number;

		if (bracket) /* [address]:port */
			port = span_from(span_sub(rest, 0, end), (size_t)(bracket - rest.data) + 2);
		if (port.len == 0 || span_u32(port, &number))
			return false;
		last = memrchr(rest.data, '@', rest.len);
	}
	if (!last || last <= rest.data + colon + 1)
		return false;
	*at_out = base + colon + 1;
	*len_out = (size_t)(last - rest.data) - colon - 1;
	return true;
}
