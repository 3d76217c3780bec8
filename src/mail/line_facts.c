/* Line facts from bit masks of 64 bytes each. */
#include "mail/line_facts.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define BLOCK 64

struct masks {
	uint64_t lf, cr; /* bit i: byte i */
	bool nul; /* any */
};

#ifdef __SSE2__
static inline struct masks block_masks(const char *data)
{
	const __m128i lf = _mm_set1_epi8('\n'), cr = _mm_set1_epi8('\r'),
		      zero = _mm_setzero_si128();
	__m128i nul = zero;
	struct masks out = { 0 };

	for (int i = 0; i < BLOCK; i += 16) {
		__m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(data + i));

		out.lf |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, lf)) << i;
		out.cr |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, cr)) << i;
		nul = _mm_or_si128(nul, _mm_cmpeq_epi8(bytes, zero));
	}
	out.nul = _mm_movemask_epi8(nul) != 0;
	return out;
}
#else
static inline struct masks block_masks(const char *data)
{
	struct masks out = { 0 };

	for (int i = 0; i < BLOCK; i++) {
		out.lf |= (uint64_t)(data[i] == '\n') << i;
		out.cr |= (uint64_t)(data[i] == '\r') << i;
		out.nul |= data[i] == '\0';
	}
	return out;
}
#endif

static inline uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/*
 * Lines that end in this block: the first began earlier, the others are wholly inside. Mail has about one line end in 64 bytes, at
 * no place that a processor could predict, so the first and the last are worked out without a branch.
 */
static inline void add_lines(
	struct line_facts *facts, uint64_t lf, uint64_t after_cr, unsigned count)
{
	unsigned first = lf != 0 ? (unsigned)__builtin_ctzll(lf) : 0;
	unsigned behind = lf != 0 ? BLOCK - (unsigned)__builtin_clzll(lf) : 0;
	uint64_t len = facts->column + first - (after_cr >> first & 1);

	facts->longest = larger(facts->longest, lf != 0 ? len : 0);
	for (uint64_t rest = lf & (lf - 1), start = first + 1; rest != 0; rest &= rest - 1) {
		unsigned at = (unsigned)__builtin_ctzll(rest);

		facts->longest = larger(facts->longest, at - start - (after_cr >> at & 1));
		start = at + 1;
	}
	facts->column = lf != 0 ? count - behind : facts->column + count;
}

/* Adds a block of count bytes (the bits above are clear). Whether it holds a bare LF. */
static inline bool add_block(struct line_facts *facts, struct masks masks, unsigned count)
{
	uint64_t after_cr = masks.cr << 1 | facts->last_cr;
	uint64_t bare_lf = masks.lf & ~after_cr;
	uint64_t valid = count == BLOCK ? ~UINT64_C(0) : (UINT64_C(1) << count) - 1;

	facts->has_nul |= masks.nul;
	facts->has_bare_cr |= (after_cr & ~masks.lf & valid) != 0;
	facts->last_cr = masks.cr >> (count - 1) & 1;
	add_lines(facts, masks.lf, after_cr, count);
	return bare_lf != 0;
}

bool line_facts_add(struct line_facts *facts, struct span chunk)
{
	struct line_facts now = *facts; /* a copy of our own can live in registers */
	bool bare = false;
	size_t at = 0;

	for (; chunk.len - at >= BLOCK; at += BLOCK)
		bare |= add_block(&now, block_masks(chunk.data + at), BLOCK);
	if (at < chunk.len) {
		char rest[BLOCK];

		memset(rest, ' ', sizeof(rest));
		memcpy(rest, chunk.data + at, chunk.len - at);
		bare |= add_block(&now, block_masks(rest), (unsigned)(chunk.len - at));
	}
	now.has_bare_lf |= bare;
	*facts = now;
	return bare;
}

void line_facts_end(struct line_facts *facts)
{
	facts->has_bare_cr |= facts->last_cr;
	facts->last_cr = false;
	facts->longest = larger(facts->longest, facts->column);
	facts->column = 0;
}
