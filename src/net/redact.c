#include "net/redact.h"

#include "base/buf.h"
#include "base/digest.h"
#include "base/mem.h"
#include "net/secret.h"

#include <string.h>

#define LEAST 4 /* octets that are looked for */
#define PATTERNS 128 /* more steps than any exchange takes */
#define SECRET_MAX 65536

struct redact {
	struct secret *pattern[PATTERNS];
	size_t count;
};

struct redact *redact_new(void)
{
	return mem_alloc(sizeof(struct redact));
}

void redact_free(struct redact *redact)
{
	if (!redact)
		return;
	for (size_t i = 0; i < redact->count; i++)
		secret_free(redact->pattern[i]);
	mem_free(redact);
}

void redact_add(struct redact *redact, struct span bytes)
{
	if (bytes.len < LEAST || redact->count == PATTERNS)
		return;
	for (size_t i = 0; i < redact->count; i++) {
		if (span_equal(secret_bytes(redact->pattern[i]), bytes))
			return;
	}
	redact->pattern[redact->count++] = secret_new(bytes);
}

/* With room from the start: a buffer that grows leaves its octets behind. */
static bool room_for(struct buf *buf, struct span secret)
{
	buf_init(buf, 2 * SECRET_MAX + 16);
	return secret.len <= SECRET_MAX && buf_reserve(buf, 2 * secret.len + 16) == 0;
}

static void wipe(struct buf *buf)
{
	secret_wipe(buf->data, buf->room);
	buf_release(buf);
}

/* RFC 3501 §9: quoted-specials are escaped. */
static void add_quoted(struct redact *redact, struct span secret)
{
	struct buf quoted;
	bool whole = room_for(&quoted, secret);

	for (size_t i = 0; i < secret.len && whole; i++) {
		const char c = secret.data[i];

		if (c == '"' || c == '\\')
			whole = buf_add_char(&quoted, '\\') == 0;
		whole = whole && buf_add_char(&quoted, c) == 0;
	}
	if (whole)
		redact_add(redact, buf_span(&quoted));
	wipe(&quoted);
}

/* Behind `before` octets of something else: only the characters that stand for nothing but the secret. */
static void add_base64(struct redact *redact, struct span secret, size_t before)
{
	const size_t first = (before * 8 + 5) / 6, last = (before + secret.len) * 8 / 6;
	struct buf plain, coded;
	const bool first_room = room_for(&plain, secret); /* both are to be released */
	const bool room = room_for(&coded, secret) && first_room;

	if (room && buf_add(&plain, span_make("xx", before)) == 0 && buf_add(&plain, secret) == 0 &&
		base64_encode(buf_span(&plain), &coded) == 0)
		redact_add(redact, span_sub(buf_span(&coded), first, last - first));
	wipe(&plain);
	wipe(&coded);
}

void redact_secret(struct redact *redact, struct span secret)
{
	redact_add(redact, secret);
	add_quoted(redact, secret);
	for (size_t before = 0; before < 3; before++)
		add_base64(redact, secret, before);
}

/* How much of the pattern stands here: all of it, or what the text has of it before its end. */
static size_t match(struct span rest, struct span pattern)
{
	const size_t len = rest.len < pattern.len ? rest.len : pattern.len;

	return len >= LEAST && memcmp(rest.data, pattern.data, len) == 0 ? len : 0;
}

static size_t longest_match(const struct redact *redact, struct span rest)
{
	size_t longest = 0;

	for (size_t i = 0; i < redact->count; i++) {
		const size_t found = match(rest, secret_bytes(redact->pattern[i]));

		longest = found > longest ? found : longest;
	}
	return longest;
}

/* Octet by octet, for one form may begin inside another. */
void redact_apply(const struct redact *redact, char *text, size_t len)
{
	size_t end = 0; /* of what is to be blotted out */

	for (size_t at = 0; redact && at < len; at++) {
		const size_t found = longest_match(redact, span_make(text + at, len - at));

		end = at + found > end ? at + found : end;
		if (at < end)
			text[at] = '*';
	}
}
