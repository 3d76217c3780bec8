/*
 * Steps 2 and 3 of a plan: what is left on both sides is sorted by digest, so that equal messages stand together, source before
 * destination, and each group is decided by itself: N against M pairs min(N, M). n log n, whatever a hostile mailbox holds.
 */
#include "base/mem.h"
#include "base/must.h"
#include "ops/plan_parts.h"

#define FIELDS_MAX 32 /* headers of --match, as mail/header.c has it */
#define NOTHINGS (2 * FIELDS_MAX)

enum side { SIDE_SRC, SIDE_DST };

/* A message in a step. Sorted by all fields in this order. */
struct member {
	uint8_t blind; /* its content could not be read */
	uint8_t side;
	uint8_t fresh; /* stored ones choose first */
	uint32_t row;
	uint64_t word[2]; /* digest, later whatever the pairing prefers */
};

struct list {
	struct member *at;
	size_t count;
};

static int compare_u64(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

static int compare_members(const void *a, const void *b)
{
	const struct member *x = a, *y = b;

	if (x->blind != y->blind)
		return x->blind < y->blind ? -1 : 1;
	if (x->word[0] != y->word[0])
		return compare_u64(x->word[0], y->word[0]);
	if (x->word[1] != y->word[1])
		return compare_u64(x->word[1], y->word[1]);
	if (x->side != y->side)
		return x->side < y->side ? -1 : 1;
	if (x->fresh != y->fresh)
		return x->fresh < y->fresh ? -1 : 1;
	return x->row < y->row ? -1 : x->row > y->row;
}

/* Often they are in order already. */
static void sort(struct list list)
{
	for (size_t i = 1; i < list.count; i++) {
		if (compare_members(&list.at[i - 1], &list.at[i]) > 0) {
			qsort(list.at, list.count, sizeof(*list.at), compare_members);
			return;
		}
	}
}

static struct member make_member(const struct plan *plan, enum side side, size_t row)
{
	const struct snapshot *snapshot = side == SIDE_SRC ? plan->in.src : plan->in.dst;
	struct member member = { .side = (uint8_t)side, .row = (uint32_t)row };

	member.fresh = side == SIDE_SRC && plan_fate(plan, row) == FATE_FRESH;
	member.word[0] = snapshot->digest[row].word[0];
	member.word[1] = snapshot->digest[row].word[1];
	return member;
}

/* The members of a step are looked at a part at a time, by their digest, so that a big mailbox needs memory for one part only. */
#define PARTS 16

struct part {
	bool marked; /* only those whose content was asked for */
	unsigned number;
};

static bool is_in_part(const struct plan *plan, const struct part *part, enum side side, size_t row)
{
	const struct snapshot *snapshot = side == SIDE_SRC ? plan->in.src : plan->in.dst;
	uint8_t state = side == SIDE_SRC ? plan->src_state[row] : plan->dst_state[row];

	if (!(side == SIDE_SRC ? plan_is_wanting(plan, row) : plan_is_offered(plan, row)))
		return false;
	if (!plan_has(snapshot, row, SNAPSHOT_HAS_DIGEST) ||
		(part->marked && !(state & ROW_CONTENT)))
		return false;
	return snapshot->digest[row].word[0] % PARTS == part->number;
}

/* Adds one side's members; with no memory yet it only counts them. */
static void gather_side(
	const struct plan *plan, const struct part *part, enum side side, struct list *list)
{
	size_t count = side == SIDE_SRC ? plan->in.src->count : plan->in.dst->count;

	for (size_t row = 0; row < count; row++) {
		if (!is_in_part(plan, part, side, row))
			continue;
		if (list->at != NULL)
			list->at[list->count] = make_member(plan, side, row);
		list->count++;
	}
}

/* Messages of both sides that have a digest, sorted by it. */
static struct list gather(const struct plan *plan, const struct part *part)
{
	struct list list = { 0 };

	gather_side(plan, part, SIDE_SRC, &list);
	gather_side(plan, part, SIDE_DST, &list);
	if (list.count == 0)
		return list;
	list = (struct list){ mem_array(list.count, sizeof(*list.at)), 0 };
	gather_side(plan, part, SIDE_SRC, &list);
	gather_side(plan, part, SIDE_DST, &list);
	sort(list);
	return list;
}

/* How many members at the front share blindness and digest. */
static size_t run_length(struct list list)
{
	size_t len = 1;

	while (len < list.count && list.at[len].blind == list.at[0].blind &&
		list.at[len].word[0] == list.at[0].word[0] &&
		list.at[len].word[1] == list.at[0].word[1])
		len++;
	return len;
}

struct group { /* of equal digest */
	struct list stored, fresh, dst;
};

/* The members are sorted: stored, fresh, destination. */
static struct group split(struct list list)
{
	struct group group = { { list.at, 0 }, { 0 }, { 0 } };
	size_t at = 0;

	while (at < list.count && list.at[at].side == SIDE_SRC && !list.at[at].fresh)
		at++;
	group.stored.count = at;
	group.fresh.at = list.at + at;
	while (at < list.count && list.at[at].side == SIDE_SRC)
		at++;
	group.fresh.count = (size_t)(list.at + at - group.fresh.at);
	group.dst = (struct list){ list.at + at, list.count - at };
	return group;
}

enum preference { PREFER_SIZE = 1, PREFER_DATE = 2 };

static void set_words(const struct plan *plan, struct list list, unsigned preference)
{
	for (size_t i = 0; i < list.count; i++) {
		struct member *member = &list.at[i];
		const struct snapshot *snapshot =
			member->side == SIDE_SRC ? plan->in.src : plan->in.dst;

		member->blind = 0;
		member->word[0] = preference & PREFER_SIZE ? snapshot->size[member->row] : 0;
		member->word[1] =
			preference & PREFER_DATE ? (uint64_t)snapshot->instant[member->row] : 0;
	}
	sort(list);
}

static int compare_words(const struct member *a, const struct member *b)
{
	if (a->word[0] != b->word[0])
		return compare_u64(a->word[0], b->word[0]);
	return compare_u64(a->word[1], b->word[1]);
}

static void swap(struct member *a, struct member *b)
{
	struct member other = *a;

	*a = *b;
	*b = other;
}

/* Pairs what agrees in the preferred properties, in order; what is left stays at the front of both lists. */
static void match_preferred(struct plan *plan, struct list *src, struct list *dst,
	unsigned preference, enum plan_fate fate)
{
	size_t i = 0, j = 0, src_left = 0, dst_left = 0;

	if (src->count == 0 || dst->count == 0)
		return;
	set_words(plan, *src, preference);
	set_words(plan, *dst, preference);
	while (i < src->count && j < dst->count) {
		int order = compare_words(&src->at[i], &dst->at[j]);

		if (order == 0)
			plan_take(plan, src->at[i++].row, dst->at[j++].row, fate);
		else if (order < 0)
			swap(&src->at[src_left++], &src->at[i++]);
		else
			swap(&dst->at[dst_left++], &dst->at[j++]);
	}
	while (i < src->count)
		swap(&src->at[src_left++], &src->at[i++]);
	while (j < dst->count)
		swap(&dst->at[dst_left++], &dst->at[j++]);
	src->count = src_left;
	dst->count = dst_left;
}

/* Equal in what counts: min(N, M) pairs, those of equal size and date first. */
static void match_all(struct plan *plan, struct list *src, struct list *dst, enum plan_fate fate)
{
	match_preferred(plan, src, dst, PREFER_SIZE | PREFER_DATE, fate);
	match_preferred(plan, src, dst, PREFER_SIZE, fate);
	match_preferred(plan, src, dst, PREFER_DATE, fate);
	match_preferred(plan, src, dst, 0, fate);
}

/* The bodies decide. A size that only one side has is nothing that a scan by sizes explains. */
static void mark_content(struct plan *plan, struct list list)
{
	uint32_t size = plan->in.src->size[list.at[0].row];

	for (size_t i = 0; i < list.count; i++) {
		size_t row = list.at[i].row;

		if (list.at[i].side == SIDE_SRC) {
			plan->src_state[row] |= ROW_CONTENT;
			continue;
		}
		plan->dst_state[row] |= ROW_CONTENT;
		plan->unexplained |= size == UINT32_MAX || plan->in.dst->size[row] != size;
	}
}

/* Two messages, one on each side, with all that step 2 asks for. */
static bool is_certain(const struct plan *plan, size_t src_row, size_t dst_row)
{
	const struct snapshot *src = plan->in.src, *dst = plan->in.dst;

	return src->size[src_row] != UINT32_MAX && src->size[src_row] == dst->size[dst_row] &&
	       plan_has(src, src_row, SNAPSHOT_HAS_MESSAGE_ID) &&
	       plan_has(dst, dst_row, SNAPSHOT_HAS_MESSAGE_ID);
}

/*
 * Digests that identify nothing, when the user named the headers: of messages that have none of them, or all of them empty. All
 * such messages have the same one (mail/header.c, end_field()).
 */
static void fill_nothings(struct digest128 nothing[NOTHINGS])
{
	static const unsigned char absent[DIGEST_SIZE];
	unsigned char empty[DIGEST_SIZE];
	struct digest *digest = digest_new();

	digest_bytes(SPAN("\n"), empty);
	for (size_t count = 1; count <= FIELDS_MAX; count++) {
		for (size_t i = 0; i < count; i++)
			digest_add(digest, span_make((const char *)absent, sizeof(absent)));
		nothing[2 * (count - 1)] = digest_end128(digest);
		for (size_t i = 0; i < count; i++)
			digest_add(digest, span_make((const char *)empty, sizeof(empty)));
		nothing[2 * (count - 1) + 1] = digest_end128(digest);
	}
	digest_free(digest);
}

static bool identifies(const struct plan *plan, const struct digest128 *nothing, struct list list)
{
	const struct snapshot *snapshot = list.at[0].side == SIDE_SRC ? plan->in.src : plan->in.dst;
	struct digest128 digest = { { list.at[0].word[0], list.at[0].word[1] } };

	if (plan->policy.match == MATCH_MESSAGE_ID &&
		!plan_has(snapshot, list.at[0].row, SNAPSHOT_HAS_MESSAGE_ID))
		return false;
	for (size_t i = 0; i < NOTHINGS; i++) {
		if (digest128_equal(digest, nothing[i]))
			return false;
	}
	return true;
}

static void decide_group(struct plan *plan, const struct digest128 *nothing, struct list list)
{
	struct group group = split(list);
	bool by_digest =
		(plan->policy.match == MATCH_MESSAGE_ID || plan->policy.match == MATCH_HEADER);

	if (group.dst.count == 0 || group.stored.count + group.fresh.count == 0)
		return;
	if (by_digest && identifies(plan, nothing, list)) {
		match_all(plan, &group.stored, &group.dst, FATE_ADOPT_RECORD);
		match_all(plan, &group.fresh, &group.dst, FATE_ADOPT_DIGEST);
	} else if (list.count == 2 && group.stored.count == 1) {
		plan_take(plan, group.stored.at->row, group.dst.at->row, FATE_ADOPT_RECORD);
	} else if (list.count == 2 && plan->policy.match == MATCH_AUTO &&
		   is_certain(plan, group.fresh.at->row, group.dst.at->row)) {
		plan_take(plan, group.fresh.at->row, group.dst.at->row, FATE_ADOPT_DIGEST);
	} else {
		mark_content(plan, list);
	}
}

/* A resumed run in which something is left over that no size explains: perhaps this destination changes sizes. */
static bool must_widen(const struct plan *plan)
{
	bool left = plan->unexplained, unasked = false;

	if (!plan->narrow || plan->widened)
		return false;
	for (size_t row = 0; row < plan->in.dst->count && !left; row++)
		left = plan_is_offered(plan, row) && !(plan->dst_state[row] & ROW_CONTENT);
	for (size_t row = 0; row < plan->in.src->count && !unasked; row++)
		unasked = plan_is_wanting(plan, row) && !(plan->src_state[row] & ROW_ASKED) &&
			  !plan_has(plan->in.src, row, SNAPSHOT_HAS_DIGEST);
	return left && unasked;
}

static void unmark_content(uint8_t *state, size_t count)
{
	for (size_t row = 0; row < count; row++)
		state[row] &= (uint8_t)~ROW_CONTENT;
}

void plan_by_digest(struct plan *plan)
{
	struct digest128 nothing[NOTHINGS];

	unmark_content(plan->src_state, plan->in.src->count);
	unmark_content(plan->dst_state, plan->in.dst->count);
	plan->unexplained = false;
	fill_nothings(nothing);
	for (unsigned number = 0; number < PARTS; number++) {
		struct list part = gather(plan, &(struct part){ false, number });

		for (size_t at = 0; part.at && at < part.count;) {
			size_t len = run_length((struct list){ part.at + at, part.count - at });

			decide_group(plan, nothing, (struct list){ part.at + at, len });
			at += len;
		}
		mem_free(part.at);
	}
	plan->widened |= must_widen(plan);
}

/* In place of the header digest, which is the same for all of the list. */
static void set_content(const struct plan *plan, struct list list)
{
	for (size_t i = 0; i < list.count; i++) {
		struct member *member = &list.at[i];
		const struct snapshot *snapshot =
			member->side == SIDE_SRC ? plan->in.src : plan->in.dst;

		member->blind = !plan_has(snapshot, member->row, SNAPSHOT_HAS_CONTENT);
		member->word[0] = member->blind ? 0 : snapshot->content[member->row].word[0];
		member->word[1] = member->blind ? 0 : snapshot->content[member->row].word[1];
	}
	sort(list);
}

/* Messages of one content: first those that were stored, or the fresh ones. */
static void match_equal(struct plan *plan, struct list list, bool fresh)
{
	struct group group = split(list);
	struct list *src = fresh ? &group.fresh : &group.stored;
	enum plan_fate fate = fresh ? FATE_ADOPT_CONTENT : FATE_ADOPT_RECORD;

	match_preferred(plan, src, &group.dst, PREFER_DATE, fate);
	match_preferred(plan, src, &group.dst, 0, fate);
}

/* All messages of one header digest, a content at a time. */
static void match_contents(struct plan *plan, struct list list, bool fresh)
{
	set_content(plan, list);
	for (size_t at = 0; at < list.count && !list.at[at].blind;) {
		size_t len = run_length((struct list){ list.at + at, list.count - at });

		match_equal(plan, (struct list){ list.at + at, len }, fresh);
		at += len;
	}
}

/* Moves what is still undecided to the front. */
static struct list keep_undecided(const struct plan *plan, struct list list)
{
	struct list left = { list.at, 0 };

	for (size_t i = 0; i < list.count; i++) {
		size_t row = list.at[i].row;

		if (list.at[i].side == SIDE_SRC ? plan_is_wanting(plan, row)
						: plan_is_offered(plan, row))
			swap(&left.at[left.count++], &list.at[i]);
	}
	return left;
}

static bool is_blind(const struct plan *plan, struct list list)
{
	for (size_t i = 0; i < list.count; i++) {
		const struct snapshot *snapshot =
			list.at[i].side == SIDE_SRC ? plan->in.src : plan->in.dst;

		if (!plan_has(snapshot, list.at[i].row, SNAPSHOT_HAS_CONTENT))
			return true;
	}
	return false;
}

/* Those that no content was found for are missing only if every content was read. */
static void doubt(struct plan *plan, struct list fresh, struct list dst)
{
	bool blind = is_blind(plan, dst);

	if (fresh.count == 1 && dst.count == 1 && (blind || is_blind(plan, fresh)) &&
		plan->policy.match == MATCH_AUTO && is_certain(plan, fresh.at->row, dst.at->row)) {
		/* As step 2 would, had these been alone. */
		plan_take(plan, fresh.at->row, dst.at->row, FATE_ADOPT_DIGEST);
		return;
	}
	for (size_t i = 0; i < fresh.count; i++) {
		size_t row = fresh.at[i].row;

		if (blind || (dst.count > 0 && !plan_has(plan->in.src, row, SNAPSHOT_HAS_CONTENT)))
			plan->src_state[row] = FATE_UNKNOWN;
	}
}

/*
 * What is left of a header digest when equal contents are paired. Stored ones belong to those left all the same: a server that changes
 * bodies. But then a fresh one may be what was taken, if one of them could not be read.
 */
static void match_leftover(struct plan *plan, struct list list)
{
	struct group group;

	list = keep_undecided(plan, list);
	set_words(plan, list, 0);
	group = split(list);
	if (group.stored.count > 0 && is_blind(plan, group.dst)) {
		for (size_t i = 0; i < group.fresh.count; i++)
			plan->src_state[group.fresh.at[i].row] = FATE_UNKNOWN;
		group.fresh.count = 0;
	}
	match_all(plan, &group.stored, &group.dst, FATE_ADOPT_RECORD);
	doubt(plan, group.fresh, group.dst);
}

/*
 * A stored message whose content could not be read may be any of those left, so that a fresh one of equal content may not take it: the one
 * would be given up, and the other never copied. Whether this is so here; then both stay as they are.
 */
static bool is_contended(struct plan *plan, struct list list)
{
	struct group group;
	bool contended;

	list = keep_undecided(plan, list);
	set_words(plan, list, 0);
	group = split(list);
	contended = group.fresh.count > 0 && group.dst.count > 0 && is_blind(plan, group.stored);
	for (size_t i = 0; i < group.fresh.count && contended; i++)
		plan->src_state[group.fresh.at[i].row] = FATE_UNKNOWN;
	if (contended)
		mark_content(plan, group.stored);
	return contended;
}

/* Messages of one header digest. */
static void decide_content(struct plan *plan, struct list list)
{
	for (size_t i = 0; i < list.count; i++) {
		/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): gather() gives memory for what it counts */
		if (list.at[i].side == SIDE_SRC)
			plan->src_state[list.at[i].row] &= (uint8_t)~ROW_CONTENT;
		else
			plan->dst_state[list.at[i].row] &= (uint8_t)~ROW_CONTENT;
	}
	match_contents(plan, list, false);
	if (is_contended(plan, list))
		return;
	list = keep_undecided(plan, list);
	match_contents(plan, list, true);
	match_leftover(plan, list);
}

void plan_by_content(struct plan *plan)
{
	for (unsigned number = 0; number < PARTS; number++) {
		struct list part = gather(plan, &(struct part){ true, number });

		for (size_t at = 0; part.at && at < part.count;) {
			size_t len = run_length((struct list){ part.at + at, part.count - at });

			decide_content(plan, (struct list){ part.at + at, len });
			at += len;
		}
		mem_free(part.at);
	}
}
