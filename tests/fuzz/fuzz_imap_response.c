/*
 * Octets of a server: whatever they are, events do not depend on how they were cut, nothing crashes, and an event holds no more memory than
 * a small multiple of its input. The first octet of the input chooses the cut.
 */
#include "../unit/imap_play.h"

#define INPUT_MAX 4096
#define OUT_MAX (1u << 20)
#define ARENA_MAX         \
	(16 * INPUT_MAX + \
		8192) /* the first block of an arena, and spans of 16 octets for words of one */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole, cut;

	if (size < 2 || size > INPUT_MAX)
		return 0;

	const struct span input = span_make((const char *)data + 1, size - 1);
	const size_t step = 1 + data[0] % 16, first = 1 + data[0] / 16;
	buf_init(&whole, OUT_MAX);
	buf_init(&cut, OUT_MAX);
	if (imap_play(input, (struct imap_cut){ input.len, 1, true }, &whole) > ARENA_MAX)
		abort();
	imap_play(input, (struct imap_cut){ first, step, true }, &cut);
	if (!span_equal(buf_span(&whole), buf_span(&cut)))
		abort();
	buf_release(&whole);
	buf_release(&cut);
	return 0;
}
