/*
 * Tokens, read leniently. What a literal is must be the same here as in imap_response_frame(): both ask for "{digits}" right before a
 * line end, so a token never runs over one.
 */
#include "imap/imap_syntax.h"

#include "base/arena.h"

#define WORDS_FIRST 4
#define WORDS_MAX 16384 /* of one response: a line of 7 MiB must not become 56 MiB of spans */
#define DIGITS_MAX 20 /* of a 64-bit number; more are leading zeros or an attack */

enum {
	CLASS_STOP = 1, /* ends an atom */
	CLASS_BRACE = 2, /* ends an atom if a literal begins here */
	CLASS_WORD = 4,
};

static const unsigned char class_of[256] = {
	['\r'] = CLASS_STOP,
	['\n'] = CLASS_STOP,
	[' '] = CLASS_STOP,
	['('] = CLASS_STOP,
	[')'] = CLASS_STOP,
	['{'] = CLASS_BRACE,
	['~'] = CLASS_BRACE,
	['+'] = CLASS_WORD,
	['-'] = CLASS_WORD,
	['.'] = CLASS_WORD,
	['/'] = CLASS_WORD,
	['_'] = CLASS_WORD,
	['0' ... '9'] = CLASS_WORD,
	['A' ... 'Z'] = CLASS_WORD,
	['a' ... 'z'] = CLASS_WORD,
};

static unsigned class_at(const struct imap_cursor *c)
{
	return class_of[(unsigned char)*c->at];
}

static size_t left(const struct imap_cursor *c)
{
	return (size_t)(c->end - c->at);
}

struct imap_cursor imap_cursor(struct span input, struct arena *arena)
{
	const char *start = input.data ? input.data : "";

	return (struct imap_cursor){ start, start + input.len, arena };
}

struct span imap_rest(const struct imap_cursor *c)
{
	return span_make(c->at, left(c));
}

struct span imap_read_word(struct imap_cursor *c)
{
	const char *start = c->at;

	while (c->at < c->end && class_at(c) == CLASS_WORD)
		c->at++;
	return span_make(start, (size_t)(c->at - start));
}

struct span imap_read_digits(struct imap_cursor *c)
{
	const char *start = c->at;

	while (c->at < c->end && *c->at >= '0' && *c->at <= '9')
		c->at++;
	return span_make(start, (size_t)(c->at - start));
}

/* literal = "{" number ["+"] "}" CRLF *CHAR8, literal8 = "~" literal (RFC 3501 §9, RFC 7888 §8, RFC 3516 §7) */
bool imap_read_literal_size(struct imap_cursor *c, uint64_t *size_out)
{
	const struct span rest = span_sub(imap_rest(c), 0, DIGITS_MAX + 6);
	size_t at = rest.len > 0 && rest.data[0] == '~';
	uint64_t size;

	if (at >= rest.len || rest.data[at] != '{')
		return false;

	const size_t digits = ++at;
	while (at < rest.len && rest.data[at] >= '0' && rest.data[at] <= '9')
		at++;
	if (!span_u64(span_sub(rest, digits, at - digits), &size))
		return false;
	at += at < rest.len && rest.data[at] == '+';
	if (at >= rest.len || rest.data[at++] != '}')
		return false;
	at += at < rest.len && rest.data[at] == '\r';
	if (at >= rest.len || rest.data[at++] != '\n')
		return false;
	c->at += at;
	*size_out = size;
	return true;
}

enum imap_literal imap_line_literal(struct span line, size_t *start_out, uint64_t *size_out)
{
	uint64_t size;

	if (line.len < 3 || line.data[line.len - 1] != '}')
		return IMAP_LITERAL_NONE;

	size_t end = line.len - 1;
	if (line.data[end - 1] == '+')
		end--;
	size_t start = end;
	while (start > 0 && line.data[start - 1] >= '0' && line.data[start - 1] <= '9')
		start--;

	const struct span digits = span_sub(line, start, end - start);
	const bool negative = start > 0 && line.data[start - 1] == '-';
	start -= negative;
	if (digits.len == 0 || start == 0 || line.data[start - 1] != '{')
		return IMAP_LITERAL_NONE;
	if (negative || !span_u64(digits, &size) || size > INT64_MAX)
		return IMAP_LITERAL_BAD;
	*start_out = start - 1;
	*size_out = size;
	return IMAP_LITERAL_SIZE;
}

static bool at_literal(const struct imap_cursor *c)
{
	struct imap_cursor probe = *c;
	uint64_t size;

	return imap_read_literal_size(&probe, &size);
}

bool imap_read_atom(struct imap_cursor *c, struct span *out)
{
	const char *start = c->at;

	for (; c->at < c->end; c->at++) {
		const unsigned class = class_at(c);

		if (class == CLASS_STOP || (class == CLASS_BRACE && at_literal(c)))
			break;
	}
	if (c->at == start)
		return false;
	*out = span_make(start, (size_t)(c->at - start));
	return true;
}

uint64_t imap_read_modseq(struct imap_cursor *c)
{
	uint64_t modseq;

	return imap_read_number(c, &modseq) ? modseq : 0;
}

/* Undoes \" and \\; a backslash before anything else stands for itself (Exchange and Domino send names like that). */
static struct span unescape(struct arena *arena, struct span text)
{
	char *out = arena_text(arena, text);
	size_t len = 0;

	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] == '\\' && i + 1 < text.len &&
			(text.data[i + 1] == '"' || text.data[i + 1] == '\\'))
			i++;
		out[len++] = text.data[i];
	}
	out[len] = '\0';
	return span_make(out, len);
}

/* quoted = DQUOTE *QUOTED-CHAR DQUOTE, without CR and LF (RFC 3501 §9); the cursor stands behind the first quote. */
static bool read_quoted(struct imap_cursor *c, struct span *out)
{
	const char *start = c->at;
	const char *at = start;
	bool escapes = false;

	for (; at < c->end && *at != '"'; at++) {
		if (*at == '\n')
			return false;
		if (*at == '\\' && at + 1 < c->end && (at[1] == '"' || at[1] == '\\')) {
			escapes = true;
			at++;
		}
	}
	if (at >= c->end)
		return false;
	*out = span_make(start, (size_t)(at - start));
	if (escapes && c->arena)
		*out = unescape(c->arena, *out);
	c->at = at + 1;
	return true;
}

static bool read_literal(struct imap_cursor *c, struct span *out)
{
	struct imap_cursor probe = *c;
	uint64_t size;

	if (!imap_read_literal_size(&probe, &size) || size > left(&probe))
		return false;
	*out = span_make(probe.at, (size_t)size);
	c->at = probe.at + size;
	return true;
}

bool imap_read_number(struct imap_cursor *c, uint64_t *out)
{
	struct span text;

	return imap_read_astring(c, &text) && span_u64(text, out);
}

bool imap_read_number32(struct imap_cursor *c, uint32_t *out)
{
	uint64_t number;

	if (!imap_read_number(c, &number) || number > UINT32_MAX)
		return false;
	*out = (uint32_t)number;
	return true;
}

bool imap_read_astring(struct imap_cursor *c, struct span *out)
{
	const char first = imap_peek(c);

	if (first == '"') {
		c->at++;
		if (read_quoted(c, out))
			return true;
		c->at--;
		return false;
	}
	if ((first == '{' || first == '~') && at_literal(c))
		return read_literal(c, out);
	return imap_read_atom(c, out);
}

bool imap_read_string(struct imap_cursor *c, struct span *out)
{
	const char first = imap_peek(c);

	if (!imap_read_astring(c, out))
		return false;
	if ((first == 'N' || first == 'n') && span_equal_nocase(*out, SPAN("NIL")))
		*out = (struct span){ 0 };
	return true;
}

static bool add_word(
	struct imap_cursor *c, struct imap_words *words, size_t *room, struct span word)
{
	if (words->count == WORDS_MAX)
		return false;
	if (words->count == *room) {
		const size_t bigger = *room ? *room * 2 : WORDS_FIRST;

		words->word =
			arena_grow(c->arena, words->word, *room, bigger, sizeof(*words->word));
		*room = bigger;
	}
	words->word[words->count++] = word;
	return true;
}

bool imap_read_list(struct imap_cursor *c, struct imap_words *out)
{
	struct imap_words words = { 0 };
	struct span word;
	size_t room = 0;

	if (!imap_skip_char(c, '(')) {
		if (!imap_read_string(c, &word) || word.data)
			return false;
		*out = words;
		return true;
	}
	for (;;) {
		imap_skip_blanks(c);
		if (imap_skip_char(c, ')'))
			break;
		if (imap_peek(c) == '(') {
			if (!imap_skip_value(c))
				return false;
			continue;
		}
		if (!imap_read_string(c, &word) || !add_word(c, &words, &room, word))
			return false;
	}
	*out = words;
	return true;
}

void imap_read_words(struct imap_cursor *c, struct imap_words *out)
{
	struct imap_words words = { 0 };
	struct span word;
	size_t room = 0;

	for (;;) {
		imap_skip_blanks(c);
		if (imap_skip_char(c, '(') || imap_skip_char(c, ')'))
			continue;
		if (!imap_read_string(c, &word) || !add_word(c, &words, &room, word))
			break;
	}
	*out = words;
}

/* Passes values until `depth` open lists are closed, or after one value when it is 0. No recursion: the input is not ours. */
static bool skip_values(struct imap_cursor *c, size_t depth)
{
	struct span value;

	do {
		imap_skip_blanks(c);
		if (imap_skip_char(c, '(')) {
			if (++depth > IMAP_NESTING_MAX)
				return false;
		} else if (depth > 0 && imap_skip_char(c, ')')) {
			depth--;
		} else if (!imap_read_astring(c, &value)) {
			return false;
		}
	} while (depth > 0);
	return true;
}

bool imap_skip_value(struct imap_cursor *c)
{
	struct imap_cursor probe = { c->at, c->end, NULL };

	if (!skip_values(&probe, 0))
		return false;
	c->at = probe.at;
	return true;
}

bool imap_skip_list_rest(struct imap_cursor *c)
{
	struct imap_cursor probe = { c->at, c->end, NULL };

	if (!skip_values(&probe, 1))
		return false;
	c->at = probe.at;
	return true;
}
