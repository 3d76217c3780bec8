/* Borrowed bytes. Every function accepts the empty span with data NULL, which memcmp() and memchr() formally do not. */
#include "base/span.h"

static char lower(char byte)
{
	return byte >= 'A' && byte <= 'Z' ? (char)(byte + ('a' - 'A')) : byte;
}

static bool same(const char *a, const char *b, size_t len)
{
	return len == 0 || memcmp(a, b, len) == 0;
}

static bool same_nocase(const char *a, const char *b, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (lower(a[i]) != lower(b[i]))
			return false;
	}
	return true;
}

struct span span_of(const char *text)
{
	return (struct span){ text, text ? strlen(text) : 0 };
}

struct span span_make(const char *data, size_t len)
{
	return (struct span){ data, len };
}

bool span_equal(struct span a, struct span b)
{
	return a.len == b.len && same(a.data, b.data, a.len);
}

bool span_equal_nocase(struct span a, struct span b)
{
	return a.len == b.len && same_nocase(a.data, b.data, a.len);
}

bool span_equal_text(struct span a, const char *text)
{
	return span_equal(a, span_of(text));
}

bool span_starts(struct span a, struct span prefix)
{
	return a.len >= prefix.len && same(a.data, prefix.data, prefix.len);
}

bool span_starts_nocase(struct span a, struct span prefix)
{
	return a.len >= prefix.len && same_nocase(a.data, prefix.data, prefix.len);
}

bool span_ends(struct span a, struct span suffix)
{
	return a.len >= suffix.len && span_equal(span_from(a, a.len - suffix.len), suffix);
}

size_t span_find(struct span a, char byte)
{
	const char *at = a.len > 0 ? memchr(a.data, byte, a.len) : NULL;

	return at ? (size_t)(at - a.data) : SIZE_MAX;
}

struct span span_from(struct span a, size_t offset)
{
	if (offset > a.len)
		offset = a.len;
	if (offset == 0)
		return a;
	return (struct span){ a.data + offset, a.len - offset };
}

struct span span_sub(struct span a, size_t offset, size_t len)
{
	struct span rest = span_from(a, offset);

	if (rest.len > len)
		rest.len = len;
	return rest;
}

static bool is_blank(char byte)
{
	return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

struct span span_trim(struct span a)
{
	while (a.len > 0 && is_blank(a.data[0]))
		a = span_from(a, 1);
	while (a.len > 0 && is_blank(a.data[a.len - 1]))
		a.len--;
	return a;
}

bool span_u64(struct span a, uint64_t *out)
{
	uint64_t value = 0;

	if (a.len == 0 || a.len > 20)
		return false;
	for (size_t i = 0; i < a.len; i++) {
		if (a.data[i] < '0' || a.data[i] > '9')
			return false;

		const unsigned digit = (unsigned)(a.data[i] - '0');
		if (value > (UINT64_MAX - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	*out = value;
	return true;
}

bool span_u32(struct span a, uint32_t *out)
{
	uint64_t value;

	if (!span_u64(a, &value) || value > UINT32_MAX)
		return false;
	*out = (uint32_t)value;
	return true;
}

int span_compare(struct span a, struct span b)
{
	const size_t len = a.len < b.len ? a.len : b.len;
	const int order = len > 0 ? memcmp(a.data, b.data, len) : 0;

	if (order != 0)
		return order;
	return (a.len > b.len) - (a.len < b.len);
}
