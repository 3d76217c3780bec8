#include "imap/imap_content_id.h"

#include "imap/imap_parts.h"

#define SHA1_CHARACTERS 40
#define GUID_CHARACTERS 32
#define ID_LEAST 20 /* characters: of the shortest alphabet, hexadecimal, 80 bits */
#define ID_MOST 255 /* RFC 8474 §7: objectid */
#define DIFFERENT_LEAST 5
#define GUID_FIRST 0x495c0780u /* seconds: 2009, before any Dovecot made them */
#define GUID_LAST 0x90000000u
#define PID_MOST 4194304u /* of Linux, which has the largest ones */

static const char *const item_names[] = { NULL, "DIGEST.SHA1", "EMAILID", "X-GUID", "X-GM-MSGID" };

const char *imap_content_id_item(enum imap_content_id kind)
{
	return kind < countof(item_names) ? item_names[kind] : NULL;
}

struct span imap_software(const struct imap *imap)
{
	const struct imap_words *id = &imap->id;

	for (size_t i = 0; i + 1 < id->count; i += 2)
		if (span_equal_nocase(id->word[i], SPAN("name")))
			return id->word[i + 1];
	return (struct span){ 0 };
}

unsigned imap_content_ids(const struct imap *imap)
{
	unsigned kinds = 0;

	if (imap_offers(imap, "DIGEST=SHA1"))
		kinds |= 1u << IMAP_CONTENT_ID_DIGEST;
	if (imap_has(imap, IMAP_CAP_OBJECTID))
		kinds |= 1u << IMAP_CONTENT_ID_EMAILID;
	if (span_equal_nocase(imap_software(imap), SPAN("Dovecot")) &&
		!imap_is_disabled(imap, SPAN("X-GUID")))
		kinds |= 1u << IMAP_CONTENT_ID_GUID;
	return kinds;
}

static bool is_hex_digit(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

static uint32_t hex_value(char digit)
{
	return (uint32_t)(digit <= '9' ? digit - '0' : digit - 'a' + 10) & 15;
}

static bool is_hex(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if (!is_hex_digit(text.data[i]))
			return false;
	return true;
}

static bool is_objectid(struct span text)
{
	for (size_t i = 0; i < text.len; i++) {
		const char c = text.data[i];

		if (!((c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || c == '-' ||
			    c == '_'))
			return false;
	}
	return true;
}

/* Null ids, and numbers filled up with zeros. */
static bool is_varied(struct span text)
{
	bool seen[256] = { false };
	size_t different = 0;

	for (size_t i = 0; i < text.len; i++) {
		bool *one = &seen[(unsigned char)text.data[i]];

		different += !*one;
		*one = true;
	}
	return different >= DIFFERENT_LEAST;
}

/* Octets of hexadecimal digits, the least first. */
static uint32_t little_endian(struct span hex, size_t octet)
{
	uint32_t value = 0;

	for (size_t i = 4; i-- > 0;) {
		const size_t at = 2 * (octet + i);

		value = value << 8 | hex_value(hex.data[at]) << 4 | hex_value(hex.data[at + 1]);
	}
	return value;
}

static bool skip_digits(struct span *text)
{
	size_t digits = 0;

	while (digits < text->len && text->data[digits] >= '0' && text->data[digits] <= '9')
		digits++;
	*text = span_from(*text, digits);
	return digits > 0;
}

static bool skip_text(struct span *text, struct span what)
{
	if (!span_starts_nocase(*text, what))
		return false;
	*text = span_from(*text, what.len);
	return true;
}

/* A Maildir file's name as Dovecot makes it: seconds.MmicrosecondsPpid.host, and what may follow. */
static bool is_file_name(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] <= ' ' || text.data[i] > '~')
			return false;
	return skip_digits(&text) && skip_text(&text, SPAN(".M")) && skip_digits(&text) &&
	       skip_text(&text, SPAN("P")) && skip_digits(&text) && skip_text(&text, SPAN("."));
}

/* Counter, seconds, process and a digest of the host, four octets each; a digest of headers looks so once in 4,000 times. */
static bool is_guid(struct span text)
{
	uint32_t seconds;

	if (text.len != GUID_CHARACTERS || !is_hex(text))
		return is_file_name(text);
	seconds = little_endian(text, 4);
	return seconds >= GUID_FIRST && seconds < GUID_LAST && little_endian(text, 8) <= PID_MOST;
}

static bool is_number(struct span text)
{
	return text.len <= 20 && skip_digits(&text) && text.len == 0;
}

static bool is_telling(enum imap_content_id kind, struct span id)
{
	if (kind == IMAP_CONTENT_ID_GMAIL)
		return is_number(id);
	if (id.len < ID_LEAST || id.len > ID_MOST || !is_varied(id))
		return false;
	switch (kind) {
	case IMAP_CONTENT_ID_NONE:
	case IMAP_CONTENT_ID_GMAIL:
		break;
	case IMAP_CONTENT_ID_DIGEST:
		return id.len == SHA1_CHARACTERS && is_hex(id);
	case IMAP_CONTENT_ID_EMAILID:
		return is_objectid(id);
	case IMAP_CONTENT_ID_GUID:
		return is_guid(id);
	}
	return false;
}

bool imap_content_id_take(
	enum imap_content_id kind, const struct imap_fetch_data *fetch, struct digest128 *out)
{
	unsigned char text[1 + ID_MOST] = { (unsigned char)kind }, sum[DIGEST_SIZE];

	if (!(fetch->has & IMAP_FETCH_CONTENT_ID) || fetch->content_id_kind != kind ||
		!is_telling(kind, fetch->content_id))
		return false;
	memcpy(text + 1, fetch->content_id.data, fetch->content_id.len);
	digest_bytes(span_make((const char *)text, 1 + fetch->content_id.len), sum);
	memcpy(out, sum, sizeof(*out));
	return true;
}
