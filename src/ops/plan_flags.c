/*
 * What becomes of flags. The options change what the source is seen as having (--no-keywords, --remove-flags, --add-flags, in this order);
 * then flags-on-update decides, and last what the destination can store.
 */
#include "base/mem.h"
#include "base/must.h"
#include "ops/plan_parts.h"

#define MEMO_SIZE 512 /* power of two: distinct combinations are few, messages many */

enum how { HOW_NONE, HOW_KEEP, HOW_ADOPT, HOW_COPY };

struct memo {
	enum how how;
	struct flags_seen seen;
	struct flags_change change;
};

struct plan_flags {
	struct flag_table *table;
	const struct plan_policy *policy;
	struct memo memo[MEMO_SIZE];
};

struct plan_flags *plan_flags_new(struct flag_table *table, const struct plan_policy *policy)
{
	struct plan_flags *flags = mem_alloc(sizeof(*flags));

	flags->table = table;
	flags->policy = policy;
	return flags;
}

void plan_flags_free(struct plan_flags *flags)
{
	mem_free(flags);
}

/* The source's flags as the options let them be seen. */
static flags_t seen_flags(struct flag_table *table, const struct plan_policy *policy, flags_t src)
{
	if (policy->no_keywords)
		src = flags_system(table, src);
	return flags_union(table, flags_minus(table, src, policy->remove), policy->add);
}

static flags_t storable(struct flag_table *table, const struct plan_policy *policy, flags_t set)
{
	if (!policy->has_permanent) /* RFC 3501 §7.1: then the client should assume that all can be stored */
		return set;
	return flags_allowed(table, set, policy->permanent, policy->any_keyword);
}

/* From dst to target, as far as the destination can store it. */
static struct flags_change change_to(struct plan_flags *flags, flags_t dst, flags_t target)
{
	flags_t wanted = flags_minus(flags->table, target, dst);
	flags_t unwanted = flags_minus(flags->table, dst, target);
	struct flags_change change = { 0 };

	change.add = storable(flags->table, flags->policy, wanted);
	change.lost = flags_minus(flags->table, wanted, change.add);
	change.remove = storable(flags->table, flags->policy, unwanted);
	change.after = flags_minus(
		flags->table, flags_union(flags->table, dst, change.add), change.remove);
	return change;
}

static struct flags_change make_keep(struct plan_flags *flags, const struct flags_seen *seen)
{
	struct flag_table *table = flags->table;
	flags_t base = seen_flags(table, flags->policy, seen->src_base);
	flags_t now = seen_flags(table, flags->policy, seen->src);
	struct flags_change change = { .after = seen->dst };

	switch (flags->policy->flags_on_update) {
	case FLAGS_MERGE:
		return change_to(flags, seen->dst,
			flags_merge3(table, base, now, seen->dst_base, seen->dst));
	case FLAGS_SOURCE:
		change = change_to(flags, seen->dst, now);
		change.lost = flags_minus(table, change.lost, base); /* was told when it was new */
		return change;
	case FLAGS_KEEP:
		break;
	}
	return change;
}

static struct flags_change make_adopt(struct plan_flags *flags, flags_t src, flags_t dst)
{
	struct flag_table *table = flags->table;
	flags_t now = seen_flags(table, flags->policy, src);
	struct flags_change change = { .after = dst };
	flags_t deleted = flags_parse(table, SPAN("\\Deleted"));

	switch (flags->policy->flags_on_update) {
	case FLAGS_MERGE:
		/* Without a record nobody knows whether the destination's owner took the mark away: only the user's own word adds it. */
		now = flags_minus(table, now, flags_minus(table, deleted, flags->policy->add));
		return change_to(flags, dst, flags_union(table, dst, now));
	case FLAGS_SOURCE:
		return change_to(flags, dst, now);
	case FLAGS_KEEP:
		break;
	}
	return change;
}

static struct flags_change make_copy(struct plan_flags *flags, flags_t src)
{
	struct flags_change change = { 0 };

	change.add = plan_flags_for_copy(flags->table, flags->policy, src, &change.lost);
	change.after = change.add;
	return change;
}

static struct memo *memo_slot(struct plan_flags *flags, enum how how, const struct flags_seen *seen)
{
	uint32_t hash = (uint32_t)how;

	hash = hash * 0x9e3779b1u ^ seen->src_base;
	hash = hash * 0x9e3779b1u ^ seen->dst_base;
	hash = hash * 0x9e3779b1u ^ seen->src;
	hash = hash * 0x9e3779b1u ^ seen->dst;
	return &flags->memo[(hash ^ hash >> 15) & (MEMO_SIZE - 1)];
}

static struct flags_change look_up(
	struct plan_flags *flags, enum how how, const struct flags_seen *seen)
{
	struct memo *memo = memo_slot(flags, how, seen);

	if (memo->how == how && memo->seen.src_base == seen->src_base &&
		memo->seen.dst_base == seen->dst_base && memo->seen.src == seen->src &&
		memo->seen.dst == seen->dst)
		return memo->change;
	memo->how = how;
	memo->seen = *seen;
	if (how == HOW_KEEP)
		memo->change = make_keep(flags, seen);
	else if (how == HOW_ADOPT)
		memo->change = make_adopt(flags, seen->src, seen->dst);
	else
		memo->change = make_copy(flags, seen->src);
	return memo->change;
}

struct flags_change plan_flags_keep(struct plan_flags *flags, const struct flags_seen *seen)
{
	if (flags->policy->flags_on_update != FLAGS_SOURCE && seen->src_base == seen->src)
		return (struct flags_change){ .after = seen->dst };
	return look_up(flags, HOW_KEEP, seen);
}

struct flags_change plan_flags_adopt(struct plan_flags *flags, flags_t src, flags_t dst)
{
	return look_up(flags, HOW_ADOPT, &(struct flags_seen){ .src = src, .dst = dst });
}

struct flags_change plan_flags_copy(struct plan_flags *flags, flags_t src)
{
	return look_up(flags, HOW_COPY, &(struct flags_seen){ .src = src });
}

flags_t plan_flags_for_copy(
	struct flag_table *flags, const struct plan_policy *policy, flags_t src, flags_t *lost_out)
{
	flags_t seen = seen_flags(flags, policy, src);
	flags_t stored = storable(flags, policy, seen);

	*lost_out = flags_minus(flags, seen, stored);
	return stored;
}
