/*
 * The plan of one mailbox pair: step 1, by record, and the actions. Steps 2 and 3 are in plan_match.c, flags in plan_flags.c.
 *
 * What is not in a snapshot that says "complete" is gone; what is not in one that does not is unknown, and neither copied nor given up.
 */
#include "ops/plan.h"

#include "base/mem.h"
#include "base/must.h"
#include "ops/plan_parts.h"

static const char *const kind_names[] = {
	[PLAN_KEEP] = "keep",
	[PLAN_ADOPT] = "adopt",
	[PLAN_COPY] = "copy",
	[PLAN_GONE_SRC] = "gone-src",
	[PLAN_GONE_DST] = "gone-dst",
	[PLAN_REFUSED] = "refused",
	[PLAN_SKIP] = "skip",
	[PLAN_UNKNOWN] = "unknown",
	[PLAN_EXTRA] = "extra",
};

const char *plan_kind_name(enum plan_kind kind)
{
	return (size_t)kind < countof(kind_names) ? kind_names[kind] : "?";
}

/* Pairs and rows mostly run in step: the row behind the last one is tried first. */
static uint32_t find_row(const struct snapshot *snapshot, uint32_t uid, uint32_t *hint)
{
	size_t row = *hint;

	if (row >= snapshot->count || snapshot->uid[row] != uid)
		row = snapshot_find(snapshot, uid);
	if (row == SIZE_MAX)
		return PLAN_NONE;
	*hint = (uint32_t)row + 1;
	return (uint32_t)row;
}

void plan_take(struct plan *plan, size_t src_row, size_t dst_row, enum plan_fate fate)
{
	uint32_t src_size = plan->in.src->size[src_row], dst_size = plan->in.dst->size[dst_row];

	plan->src_dst[src_row] = (uint32_t)dst_row;
	plan->src_state[src_row] = (uint8_t)(fate | (plan->src_state[src_row] & ROW_ASKED));
	plan->dst_state[dst_row] = (uint8_t)(CLAIM_TAKEN | (plan->dst_state[dst_row] & ROW_ASKED));
	plan->sizes_differ |=
		src_size != UINT32_MAX && dst_size != UINT32_MAX && src_size != dst_size;
}

static bool is_selected(const struct plan *plan, size_t row)
{
	return plan->in.src_reason == NULL || plan->in.src_reason[row] == SELECT_YES;
}

/* A pair whose destination message is there. Claimed for its source message even when that is not selected. */
static void record_found(struct plan *plan, size_t pair, uint32_t row, uint32_t dst_row)
{
	/* The source has merged two of the destination's messages: both are its own. */
	if (plan->src_dst[row] != PLAN_NONE) {
		plan->dst_state[dst_row] = CLAIM_TAKEN;
		return;
	}
	plan->src_pair[row] = (uint32_t)pair;
	plan_take(plan, row, dst_row, is_selected(plan, row) ? FATE_KEEP : FATE_SKIP);
}

/* A destination that confirms a message and drops it would be sent it again in every pass. */
static bool may_recopy(const struct plan *plan, uint32_t src_uid)
{
	const struct uidset *confirmed = plan->policy.confirmed;

	return plan->policy.recopy && !(confirmed && uidset_has(confirmed, src_uid));
}

/* A pair whose destination message is not there, or not known. Of several records of a message the most hopeful counts. */
static void record_lost(struct plan *plan, size_t pair, uint32_t row)
{
	const struct journal_pairs *pairs = plan->in.pairs;
	uint32_t uid = pairs->dst_uid[pair];

	if (plan->src_dst[row] != PLAN_NONE || plan_fate(plan, row) == FATE_STORED ||
		plan_fate(plan, row) == FATE_KEEP)
		return;
	if (plan->src_pair[row] == PLAN_NONE || pairs->status[pair] != JOURNAL_GONE_DST)
		plan->src_pair[row] = (uint32_t)pair;
	if (pairs->status[pair] == JOURNAL_REFUSED)
		return;
	if (uid == 0 && pairs->status[pair] != JOURNAL_GONE_DST)
		plan->src_state[row] = FATE_STORED;
	else if (!is_selected(plan, row))
		return;
	else if (plan_is_hidden(plan, uid) && pairs->status[pair] != JOURNAL_GONE_DST)
		plan->src_state[row] = FATE_KEEP;
	else if (uid != 0 && !plan->in.dst->complete)
		plan->src_state[row] = FATE_UNKNOWN;
	else
		plan->src_state[row] =
			may_recopy(plan, pairs->src_uid[pair]) ? FATE_FRESH : FATE_GONE;
}

/* A pair whose source message is gone, or not in an incomplete snapshot: then its copy is left to it. */
static void record_absent(struct plan *plan, uint32_t dst_row)
{
	if (!plan->in.src->complete)
		plan->dst_state[dst_row] = CLAIM_TAKEN;
	else if (plan_claim(plan, dst_row) == CLAIM_NONE)
		plan->dst_state[dst_row] = CLAIM_ORPHAN;
}

static void step_record(struct plan *plan)
{
	const struct journal_pairs *pairs = plan->in.pairs;
	uint32_t src_hint = 0, dst_hint = 0;

	for (size_t i = 0; i < pairs->count; i++) {
		uint32_t row, dst_row = PLAN_NONE;

		/* Copied the other way, its UID here not known: to be matched by digest like any other. */
		if (pairs->src_uid[i] == 0)
			continue;
		row = find_row(plan->in.src, pairs->src_uid[i], &src_hint);
		if (pairs->dst_uid[i] != 0)
			dst_row = find_row(plan->in.dst, pairs->dst_uid[i], &dst_hint);
		if (row != PLAN_NONE && dst_row != PLAN_NONE)
			record_found(plan, i, row, dst_row);
		else if (row != PLAN_NONE)
			record_lost(plan, i, row);
		else if (dst_row != PLAN_NONE)
			record_absent(plan, dst_row);
	}
}

struct plan *plan_new(const struct plan_input *input)
{
	static const struct journal_pairs no_pairs;
	struct plan *plan = mem_alloc(sizeof(*plan));
	size_t src_count = input->src->count;

	plan->in = *input;
	if (plan->in.pairs == NULL)
		plan->in.pairs = &no_pairs;
	plan->policy = *input->policy;
	plan->flags = plan_flags_new(input->flags, &plan->policy);
	plan->src_state = mem_array(src_count + 1, sizeof(*plan->src_state));
	plan->src_dst = mem_array(src_count + 1, sizeof(*plan->src_dst));
	plan->src_pair = mem_array(src_count + 1, sizeof(*plan->src_pair));
	plan->dst_state = mem_array(input->dst->count + 1, sizeof(*plan->dst_state));
	for (size_t row = 0; row < src_count; row++) {
		plan->src_state[row] = is_selected(plan, row) ? FATE_FRESH : FATE_SKIP;
		plan->src_dst[row] = plan->src_pair[row] = PLAN_NONE;
	}
	step_record(plan);
	plan->window = plan_window_new(plan);
	return plan;
}

static void release_steps(struct plan *plan)
{
	plan_flags_free(plan->flags);
	plan_window_free(plan->window);
	mem_free(plan->base);
	mem_free(plan->src_state);
	mem_free(plan->src_dst);
	mem_free(plan->src_pair);
	mem_free(plan->dst_state);
	plan->flags = NULL;
	plan->window = NULL;
	plan->base = NULL;
	plan->src_state = plan->dst_state = NULL;
	plan->src_dst = plan->src_pair = NULL;
}

void plan_free(struct plan *plan)
{
	if (plan == NULL)
		return;
	release_steps(plan);
	mem_free(plan->action);
	mem_free(plan);
}

static flags_t base_flags(const struct plan *plan, uint16_t text)
{
	return text < plan->in.pairs->flag_texts ? plan->base[text] : 0;
}

static struct flags_seen seen_of(const struct plan *plan, size_t row)
{
	const struct journal_pairs *pairs = plan->in.pairs;
	uint32_t pair = plan->src_pair[row], dst_row = plan->src_dst[row];
	struct flags_seen seen = { .src = plan->in.src->flags[row] };

	if (pair != PLAN_NONE) {
		seen.src_base = base_flags(plan, pairs->src_flags[pair]);
		seen.dst_base = base_flags(plan, pairs->dst_flags[pair]);
	}
	seen.dst = dst_row != PLAN_NONE ? plan->in.dst->flags[dst_row] : seen.dst_base;
	return seen;
}

static void set_change(struct plan_action *action, const struct flags_change *change)
{
	action->add = change->add;
	action->remove = change->remove;
	action->flags = change->add != 0 || change->remove != 0;
	action->dst_flags = change->after;
	action->lost = change->lost;
}

/* Where a server has merged several messages into one, the first source message decides about its flags: else they'd take turns. */
static bool may_drive(struct plan *plan, size_t row)
{
	uint32_t dst_row = plan->src_dst[row];
	bool driven;

	if (plan->policy.flags_on_update != FLAGS_SOURCE)
		return true;
	driven = plan->dst_state[dst_row] & ROW_DRIVEN;
	plan->dst_state[dst_row] |= ROW_DRIVEN;
	return !driven;
}

static void fill_keep(struct plan *plan, size_t row, struct plan_action *action)
{
	const struct journal_pairs *pairs = plan->in.pairs;
	struct flags_seen seen = seen_of(plan, row);
	struct flags_change change = { .after = seen.dst };

	action->proof = PROOF_RECORD;
	if (plan->src_dst[row] == PLAN_NONE) { /* stored, and still not found: as it was */
		action->src_flags = seen.src_base;
		action->dst_flags = seen.dst_base;
		return;
	}
	if (may_drive(plan, row))
		change = plan_flags_keep(plan->flags, &seen);
	set_change(action, &change);
	action->record = pairs->status[plan->src_pair[row]] != JOURNAL_DONE ||
			 seen.src_base != seen.src || seen.dst_base != change.after;
}

static void fill_adopt(
	struct plan *plan, size_t row, struct plan_action *action, enum plan_proof proof)
{
	struct flags_seen seen = seen_of(plan, row);
	struct flags_change change = { .after = seen.dst };

	action->proof = (uint8_t)proof;
	action->record = true;
	if (is_selected(plan, row) && may_drive(plan, row))
		change = proof == PROOF_RECORD ? plan_flags_keep(plan->flags, &seen)
					       : plan_flags_adopt(plan->flags, seen.src, seen.dst);
	set_change(action, &change);
}

static enum plan_kind kind_of(enum plan_fate fate)
{
	switch (fate) {
	case FATE_SKIP:
		return PLAN_SKIP;
	case FATE_FRESH:
		return PLAN_COPY;
	case FATE_STORED:
	case FATE_KEEP:
		return PLAN_KEEP;
	case FATE_GONE:
		return PLAN_GONE_DST;
	case FATE_ADOPT_RECORD:
	case FATE_ADOPT_DIGEST:
	case FATE_ADOPT_CONTENT:
		return PLAN_ADOPT;
	case FATE_UNKNOWN:
	case FATE_HIDDEN:
		break;
	}
	return PLAN_UNKNOWN;
}

static void fill_action(struct plan *plan, size_t row, struct plan_action *action)
{
	enum plan_fate fate = plan_fate(plan, row);
	uint32_t dst_row = plan->src_dst[row], pair = plan->src_pair[row];
	struct flags_change change;

	*action = (struct plan_action){ .kind = (uint8_t)kind_of(fate) };
	action->src_uid = plan->in.src->uid[row];
	action->src_flags = plan->in.src->flags[row];
	action->dst_uid = dst_row != PLAN_NONE ? plan->in.dst->uid[dst_row] : 0;
	switch (fate) {
	case FATE_SKIP:
		action->reason = plan->in.src_reason[row];
		break;
	case FATE_FRESH:
		change = plan_flags_copy(plan->flags, action->src_flags);
		action->dst_flags = change.add;
		action->lost = change.lost;
		plan->copies++;
		break;
	case FATE_STORED:
	case FATE_KEEP:
		action->hidden = fate == FATE_KEEP && dst_row == PLAN_NONE;
		fill_keep(plan, row, action);
		break;
	case FATE_ADOPT_RECORD:
		fill_adopt(plan, row, action, PROOF_RECORD);
		break;
	case FATE_ADOPT_DIGEST:
		fill_adopt(plan, row, action, PROOF_DIGEST);
		break;
	case FATE_ADOPT_CONTENT:
		fill_adopt(plan, row, action, PROOF_CONTENT);
		break;
	case FATE_GONE:
		if (pair >= plan->in.pairs->count)
			action->grave = (uint32_t)(pair - plan->in.pairs->count + 1);
		action->record =
			action->grave != 0 || plan->in.pairs->status[pair] != JOURNAL_GONE_DST;
		break;
	case FATE_HIDDEN:
		action->hidden = true;
		plan->hidden++;
		break;
	case FATE_UNKNOWN:
		break;
	}
}

/* Pairs whose source message is gone. The destination's message is named only if no other source message is paired with it. */
static void add_gone(struct plan *plan)
{
	const struct journal_pairs *pairs = plan->in.pairs;
	uint32_t src_hint = 0, dst_hint = 0;

	if (!plan->in.src->complete)
		return;
	for (size_t i = 0; i < pairs->count; i++) {
		uint32_t dst_row = PLAN_NONE;
		struct plan_action *action;

		if (pairs->src_uid[i] == 0 ||
			find_row(plan->in.src, pairs->src_uid[i], &src_hint) != PLAN_NONE)
			continue;
		if (pairs->dst_uid[i] != 0)
			dst_row = find_row(plan->in.dst, pairs->dst_uid[i], &dst_hint);
		if (dst_row != PLAN_NONE && plan_claim(plan, dst_row) == CLAIM_TAKEN)
			dst_row = PLAN_NONE;
		action = &plan->action[plan->count++];
		*action =
			(struct plan_action){ .kind = PLAN_GONE_SRC, .src_uid = pairs->src_uid[i] };
		action->record = pairs->status[i] != JOURNAL_GONE_SRC;
		if (dst_row != PLAN_NONE) {
			action->dst_uid = plan->in.dst->uid[dst_row];
			action->dst_flags = plan->in.dst->flags[dst_row];
		}
	}
}

static void add_actions(struct plan *plan, unsigned kinds)
{
	for (size_t row = 0; row < plan->in.src->count; row++) {
		if (kinds & 1u << kind_of(plan_fate(plan, row)))
			fill_action(plan, row, &plan->action[plan->count++]);
	}
}

static void add_extra(struct plan *plan)
{
	for (size_t row = 0; row < plan->in.dst->count; row++) {
		if (plan_claim(plan, row) != CLAIM_EXTRA)
			continue;
		plan->action[plan->count++] = (struct plan_action){
			.kind = PLAN_EXTRA,
			.dst_uid = plan->in.dst->uid[row],
			.dst_flags = plan->in.dst->flags[row],
		};
	}
}

static void reverse(struct plan_action *action, size_t count)
{
	for (size_t i = 0; i < count / 2; i++) {
		struct plan_action other = action[i];

		action[i] = action[count - 1 - i];
		action[count - 1 - i] = other;
	}
}

void plan_decide(struct plan *plan)
{
	if (plan->decided)
		return;
	plan->decided = true;
	plan_settle(plan);
	plan->extra = plan_mark_extra(plan);
}

void plan_finish(struct plan *plan, bool newest_first)
{
	const struct journal_pairs *pairs = plan->in.pairs;
	size_t start, room = plan->in.src->count;

	plan_decide(plan);
	room += plan->extra;
	plan->base = mem_array(pairs->flag_texts + 1, sizeof(*plan->base));
	for (size_t i = 0; i < pairs->flag_texts; i++)
		plan->base[i] = flags_parse(plan->in.flags, span_of(pairs->flag_text[i]));
	/* Of the pairs only those without a source message need an action of their own. */
	for (size_t row = 0; row < plan->in.src->count; row++)
		room -= plan->src_pair[row] < pairs->count;
	plan->action = mem_array(room + pairs->count + 1, sizeof(*plan->action));
	add_actions(plan, 1u << PLAN_KEEP | 1u << PLAN_ADOPT);
	start = plan->count;
	add_actions(plan, 1u << PLAN_COPY);
	if (newest_first)
		reverse(plan->action + start, plan->count - start);
	add_actions(plan, 1u << PLAN_UNKNOWN);
	add_gone(plan);
	add_actions(plan, 1u << PLAN_GONE_DST);
	add_actions(plan, 1u << PLAN_SKIP);
	add_extra(plan);
	release_steps(plan);
}

size_t plan_count(const struct plan *plan)
{
	return plan->count;
}

const struct plan_action *plan_action(const struct plan *plan, size_t index)
{
	return &plan->action[index];
}

bool plan_extra_unknown(const struct plan *plan)
{
	return plan->extra_unknown;
}

const struct journal_view *plan_view(const struct plan *plan)
{
	return &plan->view;
}

size_t plan_hidden_count(const struct plan *plan)
{
	return plan->hidden;
}

size_t plan_copies(const struct plan *plan)
{
	return plan->copies;
}

void snapshot_merge(struct snapshot *into, const struct snapshot *from)
{
	uint32_t hint = 0;

	for (size_t i = 0; i < from->count; i++) {
		uint32_t row = find_row(into, from->uid[i], &hint);

		if (row == PLAN_NONE)
			continue;
		/* A digest once there stays: a scan for content may have digested other headers. */
		if (from->digest != NULL && (from->attr[i] & SNAPSHOT_HAS_DIGEST) &&
			!(into->attr[row] & SNAPSHOT_HAS_DIGEST)) {
			snapshot_want_digests(into);
			into->digest[row] = from->digest[i];
			into->attr[row] |=
				from->attr[i] & (SNAPSHOT_HAS_DIGEST | SNAPSHOT_HAS_MESSAGE_ID);
		}
		if (from->content != NULL && (from->attr[i] & SNAPSHOT_HAS_CONTENT)) {
			snapshot_want_content(into);
			into->content[row] = from->content[i];
			into->attr[row] |= SNAPSHOT_HAS_CONTENT;
		}
	}
}
