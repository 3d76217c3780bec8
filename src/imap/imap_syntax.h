/*
 * The tokens of IMAP: atoms, numbers, quoted strings, literals, lists (RFC 3501 §4, RFC 9051 §4), read leniently from octets that are all
 * there. Every reader advances the cursor only over what it understood, or says false.
 *
 * Owner: the caller. Lifetime: tokens lie in the input, or in the arena where escapes had to be undone. Threads: one at a time.
 *
 *	struct imap_cursor c = imap_cursor(input, arena);
 *	if (imap_read_string(&c, &name) && imap_read_list(&c, &words)) …
 */
#ifndef IMAP_IMAP_SYNTAX_H
#define IMAP_IMAP_SYNTAX_H

#include "imap/imap_response.h"

struct imap_cursor {
	const char *at, *end;
	struct arena *
		arena; /* may be NULL where only framing is done: then strings with escapes stay as they are */
};

enum imap_literal {
	IMAP_LITERAL_NONE, /* no literal */
	IMAP_LITERAL_SIZE,
	IMAP_LITERAL_BAD, /* a negative size, or one above 63 bits (RFC 9051 §9 number64) */
};

struct imap_cursor imap_cursor(struct span input, struct arena *arena);

/* Inline, for they are called per octet or nearly so. */
static inline bool imap_at_end(const struct imap_cursor *c)
{
	return c->at == c->end;
}

static inline char imap_peek(const struct imap_cursor *c) /* '\0' at the end */
{
	return c->at < c->end ? *c->at : '\0';
}

static inline void imap_skip_blanks(struct imap_cursor *c)
{
	while (c->at < c->end && *c->at == ' ')
		c->at++;
}

static inline bool imap_skip_char(struct imap_cursor *c, char wanted) /* no blanks around it */
{
	if (c->at == c->end || *c->at != wanted)
		return false;
	c->at++;
	return true;
}

struct span imap_rest(const struct imap_cursor *c);

/* ALPHA / DIGIT and "-._+/": names of items, capabilities, response codes. Empty when there is none. */
struct span imap_read_word(struct imap_cursor *c);
struct span imap_read_digits(struct imap_cursor *c); /* empty when there is none */
/* Everything up to a blank, a parenthesis, a line end or a literal; a quote or backslash within belongs to it. Not empty. */
bool imap_read_atom(struct imap_cursor *c, struct span *out) MUST_CHECK;
/* An atom (or string) of digits. Any other word is passed and says false; a parenthesis is not passed. */
bool imap_read_number(struct imap_cursor *c, uint64_t *out) MUST_CHECK;
bool imap_read_number32(struct imap_cursor *c, uint32_t *out) MUST_CHECK;
uint64_t imap_read_modseq(struct imap_cursor *c); /* 0 for what is none: Zoho says -1 */
/* Quoted, literal, literal8 or atom. NIL is a word like any other here (a mailbox may have that name). */
bool imap_read_astring(struct imap_cursor *c, struct span *out) MUST_CHECK;
/* As above, and NIL in any case gives data NULL. */
bool imap_read_string(struct imap_cursor *c, struct span *out) MUST_CHECK;
/* "(" strings ")", strings as above; NIL and "()" give none. A list in the list is passed over. */
bool imap_read_list(struct imap_cursor *c, struct imap_words *out) MUST_CHECK;
/* Strings to the end of the input, as far as they can be read; parentheses are passed over. */
void imap_read_words(struct imap_cursor *c, struct imap_words *out);
/* One value of any kind; a list with all that is in it. False at ')' or the end, and below IMAP_NESTING_MAX. */
bool imap_skip_value(struct imap_cursor *c) MUST_CHECK;
/* What stands between here and the ')' that closes the list begun before c; parentheses and strings inside are respected. */
bool imap_skip_list_rest(struct imap_cursor *c) MUST_CHECK;

/* "{n}CRLF", "{n+}CRLF", "~{n}CRLF" at the cursor, which moves behind it for IMAP_LITERAL_SIZE only. */
bool imap_read_literal_size(struct imap_cursor *c, uint64_t *size_out) MUST_CHECK;
/* The "{n}" or "{n+}" a line (without its end) ends with; *start_out is where its '{' stands. */
enum imap_literal imap_line_literal(struct span line, size_t *start_out, uint64_t *size_out);

#endif
