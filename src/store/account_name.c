/* What an account is called: for people, for the journal, and beside another account. */
#include "store/account_parts.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/path.h"
#include "base/text.h"
#include "net/secret.h"

#include <limits.h>
#include <string.h>
#include <strings.h>

#define NAME_MAX_OCTETS (4 * LOCATION_MAX)

/* "host", "[v6]", or the tunnel where there is no host. */
static const char *host_text(const struct account *account)
{
	const char *host = account->values.value[ACCOUNT_HOST];

	if (!host)
		return NULL;
	return strchr(host, ':') ? arena_print(account->arena, "[%s]", host) : host;
}

/* The user name so that it may stand before '@' in a location; an '@' of its own does no harm there, and reads better as it is. */
static const char *user_text(const struct account *account)
{
	const char *user = account->values.value[ACCOUNT_USER];
	const char *text = "";
	struct buf coded;

	if (!user)
		return "";
	buf_init(&coded, NAME_MAX_OCTETS);
	if (percent_encode(span_of(user), "/:?;#[] ", &coded) == 0)
		text = arena_print(account->arena, "%s@", buf_text(&coded));
	buf_release(&coded);
	return text;
}

static bool port_usual(const struct account *account)
{
	const uint16_t port = account->port;

	if (account->location.kind == LOCATION_POP3)
		return port == (account->tls == IMAP_TLS_IMPLICIT ? 995 : 110);
	return port == (account->tls == IMAP_TLS_IMPLICIT ? 993 : 143);
}

/* realpath() of as much as exists; the rest has no links to follow yet. */
static const char *real_path(struct arena *arena, const char *path)
{
	const size_t len = strlen(path);
	char resolved[PATH_MAX];

	for (size_t at = len; at > 0; at--) {
		if (at < len && path[at] != '/')
			continue;

		const char *rest = path + at;
		if (realpath(arena_text(arena, span_make(path, at)), resolved)) {
			rest += strspn(rest, "/");
			return *rest ? arena_print(arena, "%s/%s",
					       strcmp(resolved, "/") == 0 ? "" : resolved, rest)
				     : arena_strdup(arena, resolved);
		}
	}
	if (*path == '/' || !realpath(".", resolved))
		return path;
	return arena_print(arena, "%s/%s", resolved, path);
}

static void file_name_fill(struct account *account)
{
	struct arena *arena = account->arena;
	const char *name =
		arena_print(arena, "%s:%s", account->location.scheme, account->location.path);

	account->name = text_harmless_copy(arena, span_of(name));
	account->identity = arena_print(
		arena, "%s:%s", account->location.scheme, real_path(arena, account->location.path));
}

void account_name_fill(struct account *account)
{
	struct arena *arena = account->arena;
	const char *host, *user, *scheme = account->location.scheme, *s;

	if (account->location.kind == LOCATION_FILE) {
		file_name_fill(account);
		return;
	}
	host = host_text(account);
	user = user_text(account);
	s = account->tls == IMAP_TLS_IMPLICIT ? "s" : "";
	if (!host) {
		account->name = text_harmless_copy(
			arena, span_of(arena_print(arena, "%s%s://%s(tunnel)", scheme, s, user)));
		account->identity = arena_print(
			arena, "%s://%s(%s)", scheme, user, account->values.value[ACCOUNT_TUNNEL]);
		return;
	}

	const char *port = port_usual(account) ? "" : arena_print(arena, ":%u", account->port);
	const char *name = arena_print(arena, "%s%s://%s%s%s", scheme, s, user, host, port);
	account->name = text_harmless_copy(arena, span_of(name));
	account->identity = arena_print(arena, "%s://%s%s:%u", scheme, user, host, account->port);
}

const char *account_name(const struct account *account)
{
	return account->name;
}

const char *account_identity(const struct account *account)
{
	return account->identity;
}

static bool text_same(const char *a, const char *b)
{
	return strcasecmp(a ? a : "", b ? b : "") == 0;
}

static bool port_standard(uint16_t port)
{
	return port == 143 || port == 993 || port == 110 || port == 995;
}

/* The host without what only says which protocol it speaks: "pop.example.org" and "imap.example.org" are doors of one house. */
static const char *host_house(const char *host)
{
	static const char *const doors[] = { "pop.", "pop3.", "pops.", "imap.", "imap4.", "imaps.",
		"mail.", "in.", "incoming.", "inbound." };

	for (size_t i = 0; i < countof(doors); i++) {
		const size_t len = strlen(doors[i]);

		if (strncasecmp(host, doors[i], len) == 0 && strchr(host + len, '.'))
			return host + len;
	}
	return host;
}

static bool host_same(const struct account *a, const struct account *b)
{
	const char *host_a = a->values.value[ACCOUNT_HOST], *host_b = b->values.value[ACCOUNT_HOST];

	if (a->location.kind == b->location.kind)
		return text_same(host_a, host_b);
	/* POP3 and IMAP: taken for two accounts, --delete-source would delete the only copies. */
	return text_same(host_house(host_a), host_house(host_b));
}

/* The same mail is behind the usual ports of a host; most servers do not tell upper from lower case in user names. */
static bool server_same(const struct account *a, const struct account *b)
{
	const char *host_a = a->values.value[ACCOUNT_HOST], *host_b = b->values.value[ACCOUNT_HOST];

	if (!text_same(a->values.value[ACCOUNT_USER], b->values.value[ACCOUNT_USER]))
		return false;
	if (!host_a || !host_b)
		return !host_a && !host_b &&
		       strcmp(a->values.value[ACCOUNT_TUNNEL], b->values.value[ACCOUNT_TUNNEL]) ==
			       0;
	if (!host_same(a, b))
		return false;
	return a->port == b->port || (port_standard(a->port) && port_standard(b->port));
}

const char *account_same_key(const struct account *account, struct arena *arena)
{
	const char *host = account->values.value[ACCOUNT_HOST],
		   *user = account->values.value[ACCOUNT_USER],
		   *tunnel = account->values.value[ACCOUNT_TUNNEL];
	char *key;

	if (account->location.kind == LOCATION_FILE)
		return arena_strdup(arena, strchr(account->identity, ':'));
	key = arena_print(arena, "%s\n%s\n%u\n", user ? user : "", host ? host : "",
		port_standard(account->port) ? 0 : account->port);
	for (char *at = key; *at; at++)
		if (*at >= 'A' && *at <= 'Z')
			*at |= 'a' - 'A';
	return host ? key : arena_print(arena, "%s%s", key, tunnel ? tunnel : "");
}

bool account_same(const struct account *a, const struct account *b)
{
	const bool file_a = a->location.kind == LOCATION_FILE,
		   file_b = b->location.kind == LOCATION_FILE;

	if (file_a != file_b)
		return false;
	if (!file_a)
		return server_same(a, b);
	return strcmp(strchr(a->identity, ':'), strchr(b->identity, ':')) ==
	       0; /* whatever the format */
}

void account_wipe_argument(char *argument)
{
	const size_t total = strlen(argument);
	size_t at, len;

	if (!location_find_password(span_make(argument, total), &at, &len))
		return;

	const size_t stars = len < 3 ? len : 3;
	memset(argument + at, '*', stars);
	memmove(argument + at + stars, argument + at + len, total - at - len);
	secret_wipe(argument + total - (len - stars), len - stars);
}

/* Whether mail of the one kind is found by who looks for the other one. */
static bool kind_finds(const char *outer, const char *inner)
{
	const bool eml = strcmp(inner, "eml") == 0, maildir = strcmp(inner, "maildir") == 0;

	if (strcmp(outer, "eml") == 0) /* all files are messages, where we did not write them */
		return true;
	if (strcmp(outer, "maildir") == 0)
		return maildir;
	return !eml && (!maildir || strcmp(outer, "thunderbird") == 0);
}

bool account_holds(const struct account *outer, const struct account *inner)
{
	if (outer->location.kind != LOCATION_FILE || inner->location.kind != LOCATION_FILE ||
		!kind_finds(outer->location.scheme, inner->location.scheme))
		return false;

	const char *above = strchr(outer->identity, ':') + 1;
	const char *below = strchr(inner->identity, ':') + 1;
	const size_t len = strcmp(above, "/") == 0 ? 0 : strlen(above);
	return strncmp(above, below, len) == 0 && below[len] == '/' && below[len + 1] != '\0';
}
