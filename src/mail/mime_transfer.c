/* base64, quoted-printable, and iconv for charsets that mail is written in. */
#include "mail/mime_transfer.h"

#include "base/must.h"

#include <errno.h>

#define PIECE_MAX 65536
#define HELD_MAX 32 /* octets of a character that is not whole yet */
#define NOT_A_DIGIT 64

static void put(struct buf *out, struct span bytes)
{
	if (buf_add(out, bytes) < 0)
		abort(); /* the caller's cap has room */
}

enum mime_encoding mime_encoding_of(struct span name)
{
	if (span_equal_nocase(name, SPAN("base64")))
		return MIME_BASE64;
	return span_equal_nocase(name, SPAN("quoted-printable")) ? MIME_QUOTED : MIME_IDENTITY;
}

/*
 * Charsets to convert from: none that needs no conversion, and of all that iconv knows those seen in mail; a name from a message is never handed on otherwise.
 */
static bool is_known(struct span name)
{
	static const char *const families[] = { "iso-8859-", "iso8859-", "windows-125", "cp125",
		"cp85", "cp437", "koi8-", "iso-2022-jp", "iso-2022-kr", "shift_jis", "shift-jis",
		"sjis", "euc-jp", "euc-kr", "ks_c_5601", "gb2312", "gbk", "gb18030", "big5",
		"tis-620", "utf-16", "utf-32", "utf-7", "macintosh", "latin1" };

	for (size_t i = 0; i < name.len; i++) {
		const char c = name.data[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
			c != '-' && c != '_')
			return false;
	}
	for (size_t i = 0; i < countof(families); i++)
		if (span_starts_nocase(name, span_of(families[i])))
			return true;
	return false;
}

static void close_charset(struct mime_transfer *transfer)
{
	if (transfer->name[0] != '\0')
		(void)iconv_close(transfer->charset);
	transfer->name[0] = '\0';
}

static bool open_charset(struct mime_transfer *transfer, struct span name)
{
	if (name.len == 0 || name.len >= sizeof(transfer->name) || !is_known(name))
		return false;
	if (span_equal_text(name, transfer->name)) {
		(void)iconv(transfer->charset, NULL, NULL, NULL, NULL);
		return true;
	}
	close_charset(transfer);
	memcpy(transfer->name, name.data, name.len);
	transfer->name[name.len] = '\0';
	transfer->charset = iconv_open("UTF-8", transfer->name);
	/* POSIX: (iconv_t)-1. */
	if ((intptr_t)transfer->charset != -1)
		return true;
	transfer->name[0] = '\0';
	return false;
}

void mime_transfer_init(struct mime_transfer *transfer)
{
	*transfer = (struct mime_transfer){ .encoding = MIME_IDENTITY };
	buf_init(&transfer->plain, PIECE_MAX + MIME_TRANSFER_REST);
}

void mime_transfer_release(struct mime_transfer *transfer)
{
	close_charset(transfer);
	buf_release(&transfer->plain);
}

void mime_transfer_begin(struct mime_transfer *transfer, struct span encoding, struct span charset)
{
	transfer->encoding = mime_encoding_of(encoding);
	transfer->bits = 0;
	transfer->digits = transfer->held_count = 0;
	transfer->converts = open_charset(transfer, charset);
	buf_clear(&transfer->plain);
}

/* ---- base64 ---- */

static unsigned digit64(char c)
{
	if (c >= 'A' && c <= 'Z')
		return (unsigned)(c - 'A');
	if (c >= 'a' && c <= 'z')
		return (unsigned)(c - 'a') + 26;
	if (c >= '0' && c <= '9')
		return (unsigned)(c - '0') + 52;
	return c == '+' ? 62 : c == '/' ? 63 : NOT_A_DIGIT;
}

/* What the digits so far make; a single one is no octet. */
static void flush64(struct mime_transfer *transfer, struct buf *out)
{
	char octets[3];
	const unsigned count = transfer->digits * 6 / 8;

	transfer->bits <<= 6 * (4 - transfer->digits);
	for (unsigned i = 0; i < count; i++)
		octets[i] = (char)(transfer->bits >> (16 - 8 * i) & 0xff);
	put(out, span_make(octets, count));
	transfer->bits = 0;
	transfer->digits = 0;
}

/* RFC 2045 §6.8: what is no digit is passed over; after padding another text may follow. */
static void add64(struct mime_transfer *transfer, struct span bytes, struct buf *out)
{
	for (size_t i = 0; i < bytes.len; i++) {
		const unsigned digit = digit64(bytes.data[i]);

		if (digit != NOT_A_DIGIT) {
			transfer->bits = transfer->bits << 6 | digit;
			transfer->digits++;
		}
		if (transfer->digits == 4 || (bytes.data[i] == '=' && transfer->digits > 0))
			flush64(transfer, out);
	}
}

/* ---- quoted-printable ---- */

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* What was held back was no escape: it stays. */
static void give_back(struct mime_transfer *transfer, struct buf *out)
{
	put(out, span_make(transfer->held, transfer->held_count));
	transfer->held_count = 0;
}

/* RFC 2045 §6.7: =XX, or = at the end of a line, which goes on. */
static void add_escape(struct mime_transfer *transfer, char c, struct buf *out)
{
	const char *held = transfer->held;
	char octet;

	if (c == '\n' && (transfer->held_count == 1 || held[1] == '\r')) {
		transfer->held_count = 0;
		return;
	}
	if (transfer->held_count == 1 ? c == '\r' || hex(c) >= 0 : hex(c) >= 0 && held[1] != '\r') {
		transfer->held[transfer->held_count++] = c;
	} else {
		give_back(transfer, out);
		put(out, span_make(&c, 1));
	}
	if (transfer->held_count < 3)
		return;
	octet = (char)((unsigned)hex(held[1]) << 4 | (unsigned)hex(held[2]));
	put(out, span_make(&octet, 1));
	transfer->held_count = 0;
}

static void add_quoted(struct mime_transfer *transfer, struct span bytes, struct buf *out)
{
	while (bytes.len > 0) {
		size_t plain = 0;

		if (transfer->held_count > 0) {
			add_escape(transfer, bytes.data[0], out);
			plain = 1;
		} else {
			plain = span_find(bytes, '=');
			if (plain == SIZE_MAX)
				plain = bytes.len;
			put(out, span_sub(bytes, 0, plain));
			if (plain < bytes.len) {
				transfer->held[transfer->held_count++] = '=';
				plain++;
			}
		}
		bytes = span_from(bytes, plain);
	}
}

/* ---- charsets ---- */

/* `plain` to UTF-8; what is no character becomes U+FFFD. The beginning of one stays in `plain`. */
static void convert(struct mime_transfer *transfer, struct buf *out)
{
	char *in = transfer->plain.data;
	size_t left = transfer->plain.len;

	while (left > 0) {
		if (buf_reserve(out, left + 16) < 0)
			abort();
		char *to = out->data + out->len;
		size_t room = out->room - 1 - out->len;
		const size_t rc = iconv(transfer->charset, &in, &left, &to, &room);

		out->len = (size_t)(to - out->data);
		if (rc != SIZE_MAX || (errno == EINVAL && left <= HELD_MAX))
			break;
		if (errno == E2BIG)
			continue;
		put(out, SPAN("\xef\xbf\xbd"));
		in++;
		left--;
	}
	buf_drop_front(&transfer->plain, transfer->plain.len - left);
}

static void undo(struct mime_transfer *transfer, struct span bytes, struct buf *out)
{
	switch (transfer->encoding) {
	case MIME_IDENTITY:
		put(out, bytes);
		break;
	case MIME_BASE64:
		add64(transfer, bytes, out);
		break;
	case MIME_QUOTED:
		add_quoted(transfer, bytes, out);
		break;
	}
}

void mime_transfer_add(struct mime_transfer *transfer, struct span bytes, struct buf *out)
{
	if (!transfer->converts) {
		undo(transfer, bytes, out);
		return;
	}
	undo(transfer, bytes, &transfer->plain);
	convert(transfer, out);
}

void mime_transfer_end(struct mime_transfer *transfer, struct buf *out)
{
	struct buf *to = transfer->converts ? &transfer->plain : out;

	if (transfer->encoding == MIME_BASE64 && transfer->digits > 0)
		flush64(transfer, to);
	give_back(transfer, to);
	if (transfer->converts)
		convert(transfer, out);
	transfer->converts = false;
}
