/*
 * Any octets as a message: the facts don't depend on how it was cut, a header alone has the digest of its message, and a scan that was
 * used before gives what a fresh one gives. The first two octets of the input choose the cuts.
 */
#include "mail/header.h"

#include "base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void check_same(const struct header_facts *a, const struct header_facts *b)
{
	must(digest128_equal(a->header, b->header) && digest128_equal(a->content, b->content));
	must(a->size == b->size && a->longest_line == b->longest_line);
	must(a->has_message_id == b->has_message_id && a->has_nul == b->has_nul);
	must(a->has_bare_lf == b->has_bare_lf && a->has_bare_cr == b->has_bare_cr);
	must(a->has_8bit_header == b->has_8bit_header);
}

static struct header_facts scan_cut(
	struct header_scan *scan, struct span text, size_t first, size_t step)
{
	struct header_facts facts;

	header_scan_add(scan, span_sub(text, 0, first));
	for (text = span_from(text, first); text.len > 0; text = span_from(text, step))
		header_scan_add(scan, span_sub(text, 0, step));
	header_scan_end(scan, &facts);
	return facts;
}

/* Where the body begins: behind the first empty line. SIZE_MAX when there is none. */
static size_t body_at(struct span text)
{
	size_t start = 0;

	while (start < text.len) {
		const size_t len = span_find(span_from(text, start), '\n');

		if (len == SIZE_MAX)
			break;
		if (len == 0 || (len == 1 && text.data[start] == '\r'))
			return start + len + 1;
		start += len + 1;
	}
	return SIZE_MAX;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = { "Message-ID", "X-Uidl" };

	if (size < 2)
		return 0;

	const struct span text = span_make((const char *)data + 2, size - 2);
	const size_t first = data[0], step = 1 + data[1] % 64, body = body_at(text);
	struct header_scan *const scans[] = { header_scan_new(true), header_scan_new(false),
		header_scan_new_fields(true, names, countof(names)) };

	for (size_t i = 0; i < countof(scans); i++) {
		const struct header_facts whole = scan_cut(scans[i], text, text.len, 1);
		const struct header_facts cut = scan_cut(scans[i], text, first, step);

		check_same(&whole, &cut);
		must(whole.size == text.len && digest128_known(whole.header));
		must(digest128_known(whole.content) == (i != 1));
		if (body != SIZE_MAX) {
			const struct header_facts alone =
				scan_cut(scans[i], span_sub(text, 0, body), body, 1);

			must(digest128_equal(alone.header, whole.header));
		}
		header_scan_free(scans[i]);
	}
	return 0;
}
