/* Where rules lead besides the account itself: RemoteServer lines, and `at`. */
#include "ops/rules_parse.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/text.h"
#include "net/secret.h"

#define PORT_CLEAR 143 /* STARTTLS there, TLS from the first octet elsewhere */
#define PLACES_MAX 1000

static const char how[] =
	"a server is written RemoteServer: HOST[:PORT]/USER/SECRET, RemoteServer: NAME, or RemoteServer: NAME = LOCATION";

static int wrong(struct err *err, const char *what)
{
	return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE, "%s", what);
}

static bool is_plain(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.data[i] <= ' ' || text.data[i] == 0x7f)
			return false;
	return text.len > 0 && text.len < 4096 && utf8_valid(text);
}

const struct rule_place *rule_place_find(const struct rules *rules, struct span name)
{
	for (size_t i = 0; i < rules->places; i++)
		if (span_equal_nocase(span_of(rules->place[i]->name), name))
			return rules->place[i];
	return NULL;
}

static struct rule_place *add(
	struct parse *parse, struct span name, const char *location, struct err *err)
{
	struct rules *rules = parse->rules;
	struct rule_place *place;

	if (rules->places >= PLACES_MAX) {
		(void)wrong(err, "more than 1,000 servers");
		return NULL;
	}
	if (rule_place_find(rules, name)) {
		(void)wrong(err, "a line above names this server already");
		return NULL;
	}
	place = arena_alloc(rules->arena, sizeof *place);
	*place = (struct rule_place){ .line = parse->line,
		.index = rules->places,
		.name = arena_text(rules->arena, name),
		.location = location };
	rules->place = rule_more(parse, rules->place, rules->places, sizeof(struct rule_place *));
	rules->place[rules->places++] = place;
	return place;
}

/* "imaps://USER@HOST:PORT" of the old way to say it. */
static const char *location_of(struct parse *parse, struct span host, struct span user)
{
	size_t colon = span_find(host, ':');
	uint32_t port = 0;
	struct buf escaped;
	const char *location = NULL;

	if (colon != SIZE_MAX && (!span_u32(span_from(host, colon + 1), &port) || port == 0))
		return NULL;
	buf_init(&escaped, 3 * user.len + 1);
	if (percent_encode(user, "@:/?#[] ", &escaped) == 0)
		location = arena_print(parse->rules->arena, "%s://%s@%s",
			port == PORT_CLEAR ? "imap" : "imaps", buf_text(&escaped),
			arena_text(parse->rules->arena, host));
	buf_release(&escaped);
	return location;
}

/* "HOST[:PORT]/USER/SECRET": the secret is the rest of the line, slashes and all. No error quotes it. */
static int historic(struct parse *parse, struct span text, size_t slash, struct err *err)
{
	struct span host = span_trim(span_sub(text, 0, slash)), rest = span_from(text, slash + 1);
	size_t end = span_find(rest, '/');
	struct span user = span_trim(span_sub(rest, 0, end == SIZE_MAX ? rest.len : end));
	struct span secret = end == SIZE_MAX ? SPAN("") : span_from(rest, end + 1);
	size_t colon = span_find(host, ':');
	struct span name = span_sub(host, 0, colon == SIZE_MAX ? host.len : colon);
	struct rule_place *place;
	const char *location;

	if (!is_plain(host) || !is_plain(user) || name.len == 0)
		return wrong(err, how);
	location = location_of(parse, host, user);
	if (!location)
		return wrong(err, how);
	place = add(parse, name, location, err);
	if (!place)
		return -1;
	if (secret.len > 0)
		place->secret = secret_new(secret);
	return 0;
}

int rule_remote(struct parse *parse, struct span text, struct err *err)
{
	size_t slash, equals;
	struct span name, location;

	text = span_trim(text);
	slash = span_find(text, '/');
	equals = span_find(text, '=');
	if (equals == SIZE_MAX || slash < equals) {
		if (slash != SIZE_MAX)
			return historic(parse, text, slash, err);
		name = location = text;
	} else {
		name = span_trim(span_sub(text, 0, equals));
		location = span_trim(span_from(text, equals + 1));
	}
	if (!is_plain(name) || span_find(name, ':') != SIZE_MAX || location.len == 0)
		return wrong(err, how);
	return add(parse, name, arena_text(parse->rules->arena, location), err) ? 0 : -1;
}

int rule_at(struct parse *parse, struct span text, const struct rule_place **out, struct err *err)
{
	if (!is_plain(text))
		return wrong(err, "at is a location, or an account of the configuration");
	*out = rule_place_find(parse->rules, text);
	if (!*out)
		*out = add(parse, text, arena_text(parse->rules->arena, text), err);
	return *out ? 0 : -1;
}
