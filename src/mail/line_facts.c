/* Line facts from bit masks of 64 bytes each. */
#include "mail/line_facts.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define BLOCK 64

struct masks {
	uint64_t lf, cr, nul; /* bit i: byte i */
};

#ifdef __SSE2__
static struct masks block_masks(const char *data)
{
	const __m128i lf = _mm_set1_epi8('\n'), cr = _mm_set1_epi8('\r'), zero = _mm_setzero_si128();
	struct masks out = { 0 };

	for (int i = 0; i < BLOCK; i += 16) {
		__m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(data + i));

		out.lf |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, lf)) << i;
		out.cr |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, cr)) << i;
		out.nul |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, zero)) << i;
	}
	return out;
}
#else
static struct masks block_masks(const char *data)
{
	struct masks out = { 0 };

	for (int i = 0; i < BLOCK; i++) {
		out.lf |= (uint64_t)(data[i] == '\n') << i;
		out.cr |= (uint64_t)(data[i] == '\r') << i;
		out.nul |= (uint64_t)(data[i] == '\0') << i;
	}
	return out;
}
#endif

static void end_line(struct line_facts *facts, uint64_t len)
{
	if (len > facts->longest)
		facts->longest = len;
}

/* Adds a block of count bytes (the bits above are clear). Whether it holds a bare LF. */
static bool add_block(struct line_facts *facts, struct masks masks, unsigned count)
{
	uint64_t after_cr = masks.cr << 1 | facts->last_cr;
	uint64_t bare_lf = masks.lf & ~after_cr;
	uint64_t valid = count == BLOCK ? ~UINT64_C(0) : (UINT64_C(1) << count) - 1;
	unsigned start = 0;

	facts->has_nul |= masks.nul != 0;
	facts->has_bare_lf |= bare_lf != 0;
	facts->has_bare_cr |= (after_cr & ~masks.lf & valid) != 0;
	facts->last_cr = masks.cr >> (count - 1) & 1;
	for (uint64_t lf = masks.lf; lf != 0; lf &= lf - 1) {
		unsigned at = (unsigned)__builtin_ctzll(lf);

		end_line(facts, facts->column + (at - start) - (after_cr >> at & 1));
		facts->column = 0;
		start = at + 1;
	}
	facts->column += count - start;
	return bare_lf != 0;
}

bool line_facts_add(struct line_facts *facts, struct span chunk)
{
	bool bare = false;
	size_t at = 0;

	for (; chunk.len - at >= BLOCK; at += BLOCK)
		bare |= add_block(facts, block_masks(chunk.data + at), BLOCK);
	if (at < chunk.len) {
		char rest[BLOCK];

		memset(rest, ' ', sizeof(rest));
		memcpy(rest, chunk.data + at, chunk.len - at);
		bare |= add_block(facts, block_masks(rest), (unsigned)(chunk.len - at));
	}
	return bare;
}

void line_facts_end(struct line_facts *facts)
{
	facts->has_bare_cr |= facts->last_cr;
	facts->last_cr = false;
	end_line(facts, facts->column);
	facts->column = 0;
}
