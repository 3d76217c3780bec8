/*
 * Mailbox patterns. The pattern is cut into elements, and all positions in it are followed at once through the name, so
 * that the time is the product of both lengths at worst.
 *
 *	pattern = *element
 *	element = "**" / "*" / "?" / "[" ["!" / "^"] 1*(char / char "-" char) "]" / char
 */
#include "base/glob.h"

#include "base/mem.h"
#include "base/text.h"

#include <string.h>

#define RAW_BYTE 0x110000u /* above Unicode: an octet that is no valid UTF-8 */

enum element_kind { ELEMENT_CHAR, ELEMENT_ANY, ELEMENT_SET, ELEMENT_STAR, ELEMENT_DEEP };

struct element {
	enum element_kind kind;
	bool negated;
	uint32_t c;
	struct span set; /* between the brackets, without the negation */
};

/* The character at the front, which is not the end; returns its length. */
static size_t take(struct span text, uint32_t *out)
{
	size_t len = utf8_next(text, out);

	if (len > 0)
		return len;
	*out = RAW_BYTE + (unsigned char)text.data[0];
	return 1;
}

/* Length of the set at the front, or 0 when the bracket never closes; "]" right behind the opening is a member. */
static size_t cut_set(struct span text, struct element *out)
{
	bool negated = text.len > 1 && (text.data[1] == '!' || text.data[1] == '^');
	size_t from = negated ? 2 : 1;
	size_t end = from < text.len ? span_find(span_from(text, from + 1), ']') : SIZE_MAX;

	if (end == SIZE_MAX)
		return 0;
	*out = (struct element){ ELEMENT_SET, negated, 0, span_sub(text, from, end + 1) };
	return from + end + 2;
}

/* Length of the element at the front of text. */
static size_t cut_element(struct span text, struct element *out)
{
	size_t len = 0;

	*out = (struct element){ .kind = ELEMENT_CHAR };
	if (span_starts(text, SPAN("**"))) {
		out->kind = ELEMENT_DEEP;
		return 2;
	}
	if (text.data[0] == '*' || text.data[0] == '?') {
		out->kind = text.data[0] == '*' ? ELEMENT_STAR : ELEMENT_ANY;
		return 1;
	}
	if (text.data[0] == '[')
		len = cut_set(text, out);
	return len > 0 ? len : take(text, &out->c);
}

static bool set_holds(struct span set, uint32_t c)
{
	while (set.len > 0) {
		uint32_t first, last;

		set = span_from(set, take(set, &first));
		last = first;
		if (set.len > 1 && set.data[0] == '-') {
			set = span_from(set, 1);
			set = span_from(set, take(set, &last));
		}
		if (c >= first && c <= last)
			return true;
	}
	return false;
}

static bool element_takes(const struct element *element, uint32_t c)
{
	switch (element->kind) {
	case ELEMENT_CHAR:
		return element->c == c;
	case ELEMENT_ANY:
	case ELEMENT_STAR:
		return c != '/';
	case ELEMENT_SET:
		return c != '/' && set_holds(element->set, c) != element->negated;
	case ELEMENT_DEEP:
		return true;
	}
	return false;
}

static bool is_star(const struct element *element)
{
	return element->kind == ELEMENT_STAR || element->kind == ELEMENT_DEEP;
}

static bool is_slash(const struct element *element)
{
	return element->kind == ELEMENT_CHAR && element->c == '/';
}

/* Adds the positions reachable without taking a character; level_start: the name begins a level here. */
static void spread(const struct element *elements, size_t count, bool level_start, bool *at)
{
	for (size_t i = 0; i < count; i++) {
		bool whole_level = i == 0 || is_slash(&elements[i - 1]);

		if (at[i] && is_star(&elements[i]))
			at[i + 1] = true;
		/* "**" as an earlier level also matches no level. */
		if (at[i] && level_start && whole_level && i + 1 < count &&
			elements[i].kind == ELEMENT_DEEP && is_slash(&elements[i + 1]))
			at[i + 2] = true;
		/* "**" as the last level also matches its parent. */
		if (at[i] && i + 2 == count && is_slash(&elements[i]) &&
			elements[i + 1].kind == ELEMENT_DEEP)
			at[count] = true;
	}
}

static bool follow(
	const struct element *elements, size_t count, struct span name, bool *now, bool *then)
{
	now[0] = true;
	spread(elements, count, true, now);
	while (name.len > 0) {
		uint32_t c;
		bool *swap = now;

		name = span_from(name, take(name, &c));
		memset(then, 0, count + 1);
		for (size_t i = 0; i < count; i++) {
			if (now[i] && element_takes(&elements[i], c))
				then[is_star(&elements[i]) ? i : i + 1] = true;
		}
		now = then;
		then = swap;
		spread(elements, count, c == '/', now);
	}
	return now[count];
}

bool glob_match(const char *pattern, struct span name)
{
	struct span rest = span_of(pattern);
	struct element *elements = mem_array(rest.len + 1, sizeof(*elements));
	bool *positions = mem_array(2 * (rest.len + 1), sizeof(*positions));
	size_t count = 0;
	bool matches;

	while (rest.len > 0)
		rest = span_from(rest, cut_element(rest, &elements[count++]));
	matches = follow(elements, count, name, positions, positions + count + 1);
	mem_free(positions);
	mem_free(elements);
	return matches;
}
