/* X-Mozilla-Status: bits of nsMsgMessageFlags. */
#include "mail/mozilla.h"

#include "base/buf.h"

#define GONE 0x0008u
#define KEYS_WIDTH 80

struct bit {
	const char *flag;
	uint32_t status, status2;
};

static const struct bit bits[] = {
	{ "\\Seen", 0x0001, 0 },
	{ "\\Answered", 0x0002, 0 },
	{ "\\Flagged", 0x0004, 0 },
	{ "$Forwarded", 0x1000, 0 },
	{ "\\Deleted", 0, 0x00200000 }, /* marked at the IMAP server */
	{ "$MDNSent", 0, 0x00800000 },
};

/* Labels of old profiles, before they were keywords. */
#define LABEL_MASK 0x0E000000u
#define LABEL_SHIFT 25

bool mozilla_status(struct span text, uint32_t *out)
{
	uint32_t value = 0;

	text = span_trim(text);
	if (text.len < 1 || text.len > 8)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		const char digit = text.data[i];
		unsigned nibble;

		if (digit >= '0' && digit <= '9')
			nibble = (unsigned)(digit - '0');
		else if (digit >= 'a' && digit <= 'f')
			nibble = (unsigned)(digit - 'a') + 10;
		else if (digit >= 'A' && digit <= 'F')
			nibble = (unsigned)(digit - 'A') + 10;
		else
			return false;
		value = value << 4 | nibble;
	}
	*out = value;
	return true;
}

bool mozilla_is_gone(const struct mozilla *mozilla)
{
	return (mozilla->status & GONE) != 0;
}

static int add_name(struct buf *out, struct span name)
{
	if (out->len > 0 && buf_add_char(out, ' ') < 0)
		return -1;
	return buf_add(out, name);
}

/* The next word of *text, which loses it; empty at the end. */
static struct span next_word(struct span *text)
{
	struct span word;
	size_t len = 0;

	*text = span_trim(*text);
	while (len < text->len && text->data[len] != ' ' && text->data[len] != '\t' &&
		text->data[len] != '\r' && text->data[len] != '\n')
		len++;
	word = span_sub(*text, 0, len);
	*text = span_from(*text, len);
	return word;
}

static bool has_word(struct span text, struct span name)
{
	for (struct span word = next_word(&text); word.len > 0; word = next_word(&text)) {
		if (span_equal_nocase(word, name))
			return true;
	}
	return false;
}

int mozilla_flags(const struct mozilla *mozilla, struct span keys, struct buf *out)
{
	const unsigned label = (mozilla->status2 & LABEL_MASK) >> LABEL_SHIFT;
	char name[] = "$label0";

	for (size_t i = 0; i < countof(bits); i++) {
		if (((mozilla->status & bits[i].status) | (mozilla->status2 & bits[i].status2)) &&
			add_name(out, span_of(bits[i].flag)) < 0)
			return -1;
	}
	name[sizeof(name) - 2] = (char)('0' + label);
	if (label >= 1 && label <= 5 && !has_word(keys, span_of(name)) &&
		add_name(out, span_of(name)) < 0)
		return -1;
	for (struct span word = next_word(&keys); word.len > 0; word = next_word(&keys)) {
		/* system flags come from the bits alone */
		if (word.data[0] != '\\' && add_name(out, word) < 0)
			return -1;
	}
	return 0;
}

int mozilla_print(struct span flags, struct buf *out)
{
	struct mozilla mozilla = { 0 };
	struct buf keys;
	int rc = 0;

	buf_init(&keys, MOZILLA_KEYS_MAX);
	for (struct span word = next_word(&flags); word.len > 0; word = next_word(&flags)) {
		bool is_bit = false;

		for (size_t i = 0; i < countof(bits); i++) {
			if (!span_equal_nocase(word, span_of(bits[i].flag)))
				continue;
			is_bit = true;
			mozilla.status |= bits[i].status;
			mozilla.status2 |= bits[i].status2;
		}
		if (!is_bit && word.data[0] != '\\' && keys.len + word.len + 1 < keys.max)
			rc = add_name(&keys, word);
		if (rc < 0)
			break;
	}
	if (rc == 0)
		rc = buf_print(out,
			"X-Mozilla-Status: %04x\nX-Mozilla-Status2: %08x\nX-Mozilla-Keys: %-*s\n",
			(unsigned)mozilla.status, (unsigned)mozilla.status2, KEYS_WIDTH,
			buf_text(&keys));
	buf_release(&keys);
	return rc;
}
