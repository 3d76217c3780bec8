/* The key under which mailbox names collide on file systems and servers that ignore case or normal form. */
#include "mail/mailbox_name.h"

#include "base/arena.h"
#include "base/text.h"
#include "mail/mailbox_parts.h"

static const struct fold_entry *find_entry(uint32_t c)
{
	size_t low = 0, high = fold_table_size;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (fold_table[mid].from == c)
			return &fold_table[mid];
		if (fold_table[mid].from < c)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

static size_t put_unit(char *to, uint16_t c)
{
	size_t len = 0;

	if (c < 0x80) {
		to[len++] = (char)c;
		return len;
	}
	if (c < 0x800) {
		to[len++] = (char)(0xc0 | c >> 6);
	} else {
		to[len++] = (char)(0xe0 | c >> 12);
		to[len++] = (char)(0x80 | (c >> 6 & 0x3f));
	}
	to[len++] = (char)(0x80 | (c & 0x3f));
	return len;
}

char *mailbox_fold(const char *display, struct arena *arena)
{
	struct span rest = span_of(display);
	char *out = arena_alloc(arena, rest.len * 9 + 1);
	char *to = out;

	while (rest.len > 0) {
		uint32_t c = 0;
		size_t len = utf8_next(rest, &c);
		const struct fold_entry *entry = len > 1 ? find_entry(c) : NULL;

		if (len <= 1) {
			*to++ = rest.data[0] >= 'A' && rest.data[0] <= 'Z'
					? (char)(rest.data[0] + 32)
					: rest.data[0];
			len = 1;
		} else if (entry == NULL) {
			memcpy(to, rest.data, len);
			to += len;
		} else {
			for (size_t i = 0; i < countof(entry->to) && entry->to[i] != 0; i++)
				to += put_unit(to, entry->to[i]);
		}
		rest = span_from(rest, len);
	}
	return out;
}
