/* --db as typed. Nothing that may hold a password is quoted. */
#include "state/results.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"

#include <arpa/inet.h>

#define NAME_MAX_BYTES 1024
#define SCHEMA_USUAL "mailhaul"
#define SCHEMA_MAX 63 /* NAMEDATALEN - 1 */

/* What may stand behind the '?', and reaches libpq as it is. */
static const char *const passed[] = { "host", "sslmode", "sslrootcert", "sslcert", "sslkey",
	"channel_binding" };
static const char *const sslmodes[] = { "disable", "allow", "prefer", "require", "verify-ca",
	"verify-full" };

static int usage(struct err *err, const char *text)
{
	return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE, "%s", text);
}

static bool is_one_of(const char *text, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(text, list[i]) == 0)
			return true;
	return false;
}

static const char *get(const struct results_target *target, const char *key)
{
	for (size_t i = 0; target->key[i]; i++)
		if (strcmp(target->key[i], key) == 0)
			return target->value[i];
	return NULL;
}

static void put(struct results_target *target, const char *key, const char *value)
{
	size_t i = 0;

	while (target->key[i] && strcmp(target->key[i], key) != 0)
		i++;
	target->key[i] = key;
	target->value[i] = value;
}

static const char *decode(struct arena *arena, struct span text)
{
	struct buf buf;
	const char *out = NULL;

	buf_init(&buf, NAME_MAX_BYTES);
	if (percent_decode(text, &buf) == 0)
		out = arena_text(arena, buf_span(&buf));
	buf_release(&buf);
	return out;
}

static int check_schema(const char *text, struct err *err)
{
	size_t i = 0;

	for (; text[i]; i++)
		if (!(text[i] == '_' || (text[i] >= 'a' && text[i] <= 'z') ||
			    (i > 0 && text[i] >= '0' && text[i] <= '9')))
			break;
	if (i == 0 || text[i] || i > SCHEMA_MAX || strncmp(text, "pg_", 3) == 0)
		return usage(err, "schema= takes a name of a-z, 0-9 and _");
	return 0;
}

static int take_pair(
	struct results_target *target, struct span pair, struct arena *arena, struct err *err)
{
	const size_t equals = span_find(pair, '=');
	const struct span key = span_sub(pair, 0, equals);
	const char *value = equals == SIZE_MAX ? NULL : decode(arena, span_from(pair, equals + 1));

	if (!value || !*value)
		return usage(err, "what follows '?' is KEY=VALUE&…");
	if (span_equal_text(key, "schema")) {
		target->schema = value;
		return check_schema(value, err);
	}
	for (size_t i = 0; i < countof(passed); i++) {
		if (!span_equal_text(key, passed[i]))
			continue;
		if (strcmp(passed[i], "sslmode") == 0 &&
			!is_one_of(value, sslmodes, countof(sslmodes)))
			return usage(err, "sslmode= takes disable, allow, prefer, require, "
					  "verify-ca or verify-full");
		if (strchr(value, ','))
			return usage(err, "one host only");
		put(target, passed[i], value);
		return 0;
	}
	return usage(err, "what may follow '?' is schema, host, sslmode, sslrootcert, sslcert, "
			  "sslkey and channel_binding");
}

static int take_query(
	struct results_target *target, struct span query, struct arena *arena, struct err *err)
{
	while (query.len > 0) {
		const size_t end = span_find(query, '&');

		if (take_pair(target, span_sub(query, 0, end), arena, err) < 0)
			return -1;
		query = span_from(query, end == SIZE_MAX ? query.len : end + 1);
	}
	return 0;
}

/* USER[:PASSWORD] */
static int take_user(
	struct results_target *target, struct span text, struct arena *arena, struct err *err)
{
	const size_t colon = span_find(text, ':');
	const char *user = decode(arena, span_sub(text, 0, colon));

	if (!user || !*user)
		return usage(err, "the user in front of '@' is empty, or a '%' in it is not %25");
	put(target, "user", user);
	if (colon == SIZE_MAX)
		return 0;

	const char *password = decode(arena, span_from(text, colon + 1));
	if (!password || !*password)
		return usage(err, "the password is empty, or a '%' in it is not %25");
	target->password = span_of(password);
	return 0;
}

/* HOST[:PORT]; empty = the usual socket */
static int take_host(
	struct results_target *target, struct span text, struct arena *arena, struct err *err)
{
	const char *bracket = text.len > 0 ? memrchr(text.data, ']', text.len) : NULL;
	const size_t from = bracket ? (size_t)(bracket - text.data) : 0;
	const size_t found = span_find(span_from(text, from), ':');
	const size_t colon = found == SIZE_MAX ? SIZE_MAX : from + found;
	struct span host = span_sub(text, 0, colon);
	uint32_t port;

	if (colon != SIZE_MAX) {
		if (!span_u32(span_from(text, colon + 1), &port) || port == 0 || port > 65535)
			return usage(err, "the port is no number from 1 to 65535; a ':' or '@' in "
					  "a password is written %3A or %40");
		put(target, "port", arena_print(arena, "%u", port));
	}
	if (span_starts(host, SPAN("[")) && span_ends(host, SPAN("]")))
		host = span_sub(host, 1, host.len - 2);
	if (host.len == 0)
		return 0;

	const char *name = decode(arena, host);
	if (!name || strchr(name, ','))
		return usage(err, "that is no host name");
	put(target, "host", name);
	return 0;
}

/* A socket, or an address that does not leave this machine. */
static bool is_here(const char *host)
{
	struct in_addr four;

	if (!host || host[0] == '/' || host[0] == '@')
		return true;
	if (inet_pton(AF_INET, host, &four) == 1)
		return (ntohl(four.s_addr) >> 24) == 127;
	return strcmp(host, "::1") == 0 || span_equal_nocase(span_of(host), SPAN("localhost"));
}

/* libpq's own default, "prefer", talks in clear text to whoever claims to have no TLS. */
static void choose_tls(struct results_target *target)
{
	const char *host = get(target, "host");
	const bool here = is_here(host ? host : getenv("PGHOST")); /* which libpq takes then */
	const char *mode = get(target, "sslmode");

	if (!mode)
		put(target, "sslmode", here ? "prefer" : "require");
	else
		target->exposed = !here && is_one_of(mode, sslmodes, 3);
}

static const char *shown(struct arena *arena, const struct results_target *target)
{
	const char *user = get(target, "user");
	const char *host = get(target, "host");
	const char *port = get(target, "port");
	char *text =
		arena_print(arena, "postgresql://%s%s%s%s%s/%s", user ? user : "", user ? "@" : "",
			host ? host : "", port ? ":" : "", port ? port : "", get(target, "dbname"));

	return text_harmless_copy(arena, span_of(text));
}

static int parse_postgres(
	struct results_target *target, struct span rest, struct arena *arena, struct err *err)
{
	const size_t question = span_find(rest, '?');
	const struct span query = question == SIZE_MAX ? SPAN("") : span_from(rest, question + 1);
	const struct span front = span_sub(rest, 0, question);
	const size_t slash = span_find(front, '/');
	const struct span where = span_sub(front, 0, slash);
	const char *at = where.len > 0 ? memrchr(where.data, '@', where.len) : NULL;
	const char *database =
		slash == SIZE_MAX ? NULL : decode(arena, span_from(front, slash + 1));

	target->kind = RESULTS_POSTGRES;
	target->schema = SCHEMA_USUAL;
	if (at && take_user(target, span_sub(where, 0, (size_t)(at - where.data)), arena, err) < 0)
		return -1;
	if (take_host(target, at ? span_from(where, (size_t)(at - where.data) + 1) : where, arena,
		    err) < 0)
		return -1;
	if (!database || !*database || strchr(database, '/'))
		return usage(err, "no database is named: postgresql://USER@HOST/DATABASE");
	put(target, "dbname", database);
	if (take_query(target, query, arena, err) < 0)
		return -1;
	choose_tls(target);
	put(target, "application_name", "mailhaul");
	put(target, "client_encoding", "UTF8");
	target->shown = shown(arena, target);
	return 0;
}

static int parse_sqlite(
	struct results_target *target, struct span rest, struct arena *arena, struct err *err)
{
	/* SQLAlchemy's form, which imapdiag took: three slashes, then the path. */
	if (span_starts(rest, SPAN("///")))
		rest = span_from(rest, 3);
	else if (span_starts(rest, SPAN("//")))
		return usage(err, "write sqlite:PATH");
	if (span_equal_text(rest, ":memory:"))
		return usage(err, "nothing would be kept: leave out --db");
	if (rest.len == 0)
		return usage(err, "no file is named: sqlite:PATH");
	target->kind = RESULTS_SQLITE;
	target->path = arena_text(arena, rest);
	target->shown =
		arena_print(arena, "sqlite:%s", text_harmless_copy(arena, span_of(target->path)));
	return 0;
}

int results_target_parse(
	const char *text, struct arena *arena, struct results_target *out, struct err *err)
{
	const struct span all = span_of(text);
	const size_t colon = span_find(all, ':');
	const struct span scheme = span_sub(all, 0, colon);
	const struct span rest = colon == SIZE_MAX ? SPAN("") : span_from(all, colon + 1);

	*out = (struct results_target){ .kind = RESULTS_SQLITE };
	if (colon != SIZE_MAX && span_equal_nocase(scheme, SPAN("sqlite")))
		return parse_sqlite(out, rest, arena, err);
	if (colon != SIZE_MAX && (span_equal_nocase(scheme, SPAN("postgresql")) ||
					 span_equal_nocase(scheme, SPAN("postgres")))) {
		if (!span_starts(rest, SPAN("//")))
			return usage(err, "write postgresql://USER@HOST/DATABASE");
		return parse_postgres(out, span_from(rest, 2), arena, err);
	}
	return usage(err, "write sqlite:PATH or postgresql://USER@HOST/DATABASE (for any other "
			  "database: --json)");
}
