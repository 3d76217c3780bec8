/* Plans of random mailboxes against a model: nothing lost, nothing doubled, and a second plan finds nothing to do. */
#include "plan_fixture.h"

static uint64_t random_state;
static bool random_shown; /* MAILHAUL_TEST_SEED alone was given */
static uint32_t random_seed; /* of the world being checked, 0 = none */

static uint32_t pick(uint32_t below)
{
	random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(random_state >> 33) % below;
}

struct world {
	struct flag_table *flags;
	struct arena *arena;
	struct scene scene;
	uint32_t shift; /* this destination counts so many octets more */
	bool unreadable; /* some message could not be read */
	uint32_t dst_next; /* UIDNEXT */
};

struct journal_row {
	uint32_t src, dst;
	flags_t flags[2];
	uint8_t status;
};

static flags_t random_flags(struct world *world)
{
	static const char *const sets[] = { "", "\\Seen", "\\Seen \\Flagged", "\\Deleted", "$A",
		"\\Seen $A $B", "$C", "\\Draft $B" };

	return flags_parse(world->flags, span_of(sets[pick(countof(sets))]));
}

static void random_truth(struct world *world, struct truth *truth, uint32_t uid)
{
	uint32_t head = pick(5), body = pick(3);

	*truth = (struct truth){ .uid = uid,
		.size = 1000 * (head + 1) + 10 * body,
		.date = pick(3),
		.flags = random_flags(world) };
	truth->no_id = head == 4;
	snprintf(truth->head, sizeof(truth->head), "h%u", head);
	snprintf(truth->body, sizeof(truth->body), "b%u", body);
	if (pick(30) == 0)
		truth->size = UINT32_MAX;
}

static void copy_truth(struct world *world, const struct truth *from, uint32_t uid, flags_t flags)
{
	struct mailbox *dst = &world->scene.dst;
	struct truth *truth = &dst->row[dst->count++];

	assert_true(dst->count <= ROWS);
	*truth = *from;
	truth->uid = uid;
	truth->flags = flags;
	truth->skip = 0;
	if (truth->size != UINT32_MAX)
		truth->size += world->shift;
	if (uid >= world->dst_next)
		world->dst_next = uid + 1;
}

static void set_pair(struct world *world, const struct journal_row *row)
{
	struct scene *scene = &world->scene;
	size_t at = 0;

	while (at < scene->pairs && scene->pair_src[at] < row->src)
		at++;
	if (at == scene->pairs || scene->pair_src[at] != row->src) {
		assert_true(scene->pairs < ROWS);
		for (size_t i = scene->pairs; i > at; i--) {
			scene->pair_src[i] = scene->pair_src[i - 1];
			scene->pair_dst[i] = scene->pair_dst[i - 1];
			scene->pair_status[i] = scene->pair_status[i - 1];
			scene->pair_flags[0][i] = scene->pair_flags[0][i - 1];
			scene->pair_flags[1][i] = scene->pair_flags[1][i - 1];
		}
		scene->pairs++;
	}
	scene->pair_src[at] = row->src;
	scene->pair_dst[at] = row->dst;
	scene->pair_status[at] = row->status;
	for (size_t side = 0; side < 2; side++) {
		size_t text = 0;

		while (text < scene->texts &&
			scene->flag_text[text] != flags_text(world->flags, row->flags[side]))
			text++;
		if (text == scene->texts)
			scene->flag_text[scene->texts++] =
				flags_text(world->flags, row->flags[side]);
		scene->pair_flags[side][at] = (uint16_t)text;
	}
}

/* What an earlier run left behind for a source message. */
static void random_past(struct world *world, const struct truth *src)
{
	struct journal_row row = { .src = src->uid,
		.dst = world->dst_next,
		.flags = { random_flags(world), random_flags(world) } };

	switch (pick(9)) {
	case 0: /* copied */
	case 1:
		copy_truth(
			world, src, world->dst_next, pick(2) ? row.flags[1] : random_flags(world));
		set_pair(world, &row);
		break;
	case 2: /* copied, its UID not told */
		copy_truth(world, src, world->dst_next, row.flags[1]);
		row.dst = 0;
		set_pair(world, &row);
		break;
	case 3: /* copied and not recorded */
		copy_truth(world, src, world->dst_next, row.flags[1]);
		break;
	case 4: /* copied, and deleted by its owner */
		world->dst_next++;
		row.status = pick(2) ? JOURNAL_DONE : JOURNAL_GONE_DST;
		set_pair(world, &row);
		break;
	case 5:
		row.dst = 0;
		row.status = JOURNAL_REFUSED;
		set_pair(world, &row);
		break;
	default:
		break;
	}
}

static void random_world(struct world *world)
{
	struct scene *scene = &world->scene;
	uint32_t uid = 1, count = pick(10);

	*scene = (struct scene){ 0 };
	world->dst_next = 101;
	world->shift = pick(4) == 0 ? 3 : 0;
	scene->policy.flags_on_update = (enum flags_on_update)pick(3);
	scene->policy.recopy = pick(6) == 0;
	scene->policy.extra = pick(3) == 0;
	scene->policy.match = pick(3) == 0 ? MATCH_CONTENT : MATCH_AUTO;
	scene->policy.has_permanent = pick(2);
	scene->policy.permanent = flags_parse(world->flags, SPAN("\\Seen \\Deleted $A"));
	scene->policy.any_keyword = pick(3) == 0;
	for (uint32_t i = 0; i < count; i++) {
		struct truth truth;

		uid += 1 + pick(3);
		random_truth(world, &truth, uid);
		truth.skip = pick(8) == 0 ? SELECT_DATE : SELECT_YES;
		random_past(world, &truth);
		if (pick(8) != 0) /* else the source lost it */
			scene->src.row[scene->src.count++] = truth;
		if (pick(4) == 0) { /* somebody else's, perhaps by chance the same */
			random_truth(world, &truth, 1);
			copy_truth(world, &truth, world->dst_next, truth.flags);
		}
	}
}

static void random_blindness(struct world *world)
{
	struct mailbox *mailboxes[] = { &world->scene.src, &world->scene.dst };

	world->unreadable = false;
	if (pick(3) != 0)
		return;
	for (size_t m = 0; m < countof(mailboxes); m++) {
		for (size_t i = 0; i < mailboxes[m]->count; i++) {
			if (pick(10) != 0)
				continue;
			world->unreadable = true;
			/* What is true stays known to the checks: the names begin with '?'. */
			mailboxes[m]->row[i].skip |= pick(2) ? 0x40 : 0x80;
		}
	}
}

/* As reveal(), but blindness is in the high bits of skip. */
static void reveal_random(struct world *world, struct snapshot *into, const struct mailbox *mailbox,
	const struct uidset *uids, bool content)
{
	struct mailbox seen = *mailbox;

	(void)world;
	for (size_t i = 0; i < seen.count; i++) {
		if (seen.row[i].skip & (content ? 0x80 : 0x40))
			snprintf(content ? seen.row[i].body : seen.row[i].head,
				sizeof(seen.row[i].body), "?");
	}
	reveal(into, &seen, uids, content);
}

struct result {
	struct plan *plan;
	bool asked;
};

static struct result run_plan(struct world *world)
{
	struct scene *scene = &world->scene;
	struct journal_pairs pairs = { scene->pairs, scene->pair_src, scene->pair_dst,
		scene->pair_flags[0], scene->pair_flags[1], scene->pair_status, NULL,
		scene->flag_text, scene->texts, NULL };
	struct snapshot src, dst;
	uint8_t reason[ROWS];
	struct plan_input input = { world->flags, &src, &dst, reason, NULL, &pairs, NULL, 0,
		&scene->policy, scene->baseline, { 0 } };
	struct uidset src_set, dst_set;
	struct result result = { 0 };

	for (size_t i = 0; i < scene->src.count; i++)
		reason[i] = scene->src.row[i].skip & 0x3f;
	fill(&src, &scene->src);
	fill(&dst, &scene->dst);
	result.plan = plan_new(&input);
	while (plan_wants_digests(result.plan, world->arena, &src_set, &dst_set)) {
		result.asked = true;
		reveal_random(world, &src, &scene->src, &src_set, false);
		reveal_random(world, &dst, &scene->dst, &dst_set, false);
		plan_by_digest(result.plan);
	}
	if (plan_wants_content(result.plan, world->arena, &src_set, &dst_set)) {
		reveal_random(world, &src, &scene->src, &src_set, true);
		reveal_random(world, &dst, &scene->dst, &dst_set, true);
		plan_by_content(result.plan);
	}
	plan_finish(result.plan, false);
	snapshot_release(&src);
	snapshot_release(&dst);
	return result;
}

static bool same_message(const struct truth *a, const struct truth *b)
{
	return strcmp(a->head, b->head) == 0 && strcmp(a->body, b->body) == 0;
}

static bool has_pair(const struct scene *scene, uint32_t src, uint32_t dst)
{
	for (size_t i = 0; i < scene->pairs; i++) {
		if (scene->pair_src[i] == src && scene->pair_dst[i] == dst)
			return true;
	}
	return false;
}

/* Whether a recorded pair points at this destination message. */
static bool is_recorded(const struct scene *scene, uint32_t dst)
{
	for (size_t i = 0; i < scene->pairs; i++) {
		if (scene->pair_dst[i] == dst)
			return true;
	}
	return false;
}

/* Source messages that are the same and of which nobody can say whether they are at the destination. */
static size_t count_undecided(
	const struct scene *scene, const struct plan *plan, const struct truth *same)
{
	size_t count = 0;

	for (size_t i = 0; i < plan_count(plan); i++) {
		const struct plan_action *action = plan_action(plan, i);
		bool undecided = action->kind == PLAN_UNKNOWN ||
				 (action->kind == PLAN_KEEP && action->dst_uid == 0);

		count += undecided && same_message(find_truth(&scene->src, action->src_uid), same);
	}
	return count;
}

/*
 * No message copied or given up while one that is the same stands at the destination and belongs to nobody, nor can belong to one that is
 * undecided.
 */
static void check_missing(const struct world *world, const struct plan *plan, const bool *taken,
	const struct plan_action *action)
{
	const struct scene *scene = &world->scene;
	const struct truth *src = find_truth(&scene->src, action->src_uid);
	size_t count = 0;

	for (size_t i = 0; i < scene->dst.count; i++) {
		const struct truth *dst = &scene->dst.row[i];

		if (taken[i] || !same_message(src, dst))
			continue;
		/* Where sizes are no evidence and nothing shows it, an orphan or what cannot be read is not found: doc of plan_ask.c. */
		if (world->shift > 0 &&
			(is_recorded(scene, dst->uid) || (dst->skip & 0x40) || (src->skip & 0x40)))
			continue;
		count++;
	}
	if (count > count_undecided(scene, plan, src))
		fail_msg("message %u is %s, and one at the destination is the same",
			action->src_uid, plan_kind_name(action->kind));
}

/* Nothing is extra that is what a source message is, unless that one has another or gets one. */
static void check_extra(const struct world *world, const struct plan *plan, const bool *taken,
	const struct plan_action *action)
{
	const struct scene *scene = &world->scene;
	const struct truth *dst = find_truth(&scene->dst, action->dst_uid);

	assert_true(scene->policy.extra);
	assert_false(taken[dst - scene->dst.row]);
	for (size_t i = 0; i < plan_count(plan); i++) {
		const struct plan_action *other = plan_action(plan, i);
		const struct truth *src = find_truth(&scene->src, other->src_uid);

		assert_int_not_equal(other->kind, PLAN_UNKNOWN);
		if (src != NULL && same_message(src, dst))
			assert_true(other->dst_uid != 0 || other->kind == PLAN_COPY);
	}
}

static void check_plan(const struct world *world, const struct plan *plan)
{
	const struct scene *scene = &world->scene;
	bool taken[ROWS] = { false }, adopted[ROWS] = { false };
	size_t rows = 0;

	for (size_t i = 0; i < plan_count(plan); i++) {
		const struct plan_action *action = plan_action(plan, i);
		const struct truth *src = find_truth(&scene->src, action->src_uid),
				   *dst = find_truth(&scene->dst, action->dst_uid);

		rows += src != NULL;
		assert_int_equal(
			src == NULL, action->kind == PLAN_GONE_SRC || action->kind == PLAN_EXTRA);
		if (dst == NULL || src == NULL)
			continue;
		taken[dst - scene->dst.row] = true;
		if (action->kind != PLAN_ADOPT)
			continue;
		assert_false(adopted[dst - scene->dst.row]);
		adopted[dst - scene->dst.row] = true;
		assert_string_equal(src->head, dst->head);
		if (action->proof != PROOF_RECORD)
			assert_true(same_message(src, dst));
	}
	assert_int_equal(rows, scene->src.count);
	for (size_t i = 0; i < plan_count(plan); i++) {
		const struct plan_action *action = plan_action(plan, i);

		if (action->kind == PLAN_COPY ||
			(action->kind == PLAN_GONE_DST && has_pair(scene, action->src_uid, 0)))
			check_missing(world, plan, taken, action);
		if (action->kind == PLAN_EXTRA)
			check_extra(world, plan, taken, action);
		if (action->kind == PLAN_UNKNOWN)
			assert_true(world->unreadable);
	}
}

enum applied { APPLY_ALL, APPLY_KILLED };

static void apply(struct world *world, const struct plan *plan, enum applied how)
{
	struct scene *scene = &world->scene;

	scene->baseline = how == APPLY_KILLED ? world->dst_next : 0;
	for (size_t i = 0; i < plan_count(plan); i++) {
		const struct plan_action *action = plan_action(plan, i);
		struct journal_row row = { action->src_uid, action->dst_uid,
			{ action->src_flags, action->dst_flags }, JOURNAL_DONE };
		struct truth *dst =
			(struct truth *)(uintptr_t)find_truth(&scene->dst, action->dst_uid);
		uint32_t fate = how == APPLY_KILLED ? pick(4) : 0;

		if (action->flags)
			dst->flags = action->dst_flags;
		if (action->kind == PLAN_EXTRA) {
			if (how == APPLY_ALL)
				*dst = scene->dst.row[--scene->dst.count];
		} else if (action->kind == PLAN_GONE_SRC || action->kind == PLAN_GONE_DST) {
			for (size_t pair = 0; pair < scene->pairs && action->record; pair++) {
				if (scene->pair_src[pair] == action->src_uid)
					scene->pair_status[pair] = action->kind == PLAN_GONE_SRC
									   ? JOURNAL_GONE_SRC
									   : JOURNAL_GONE_DST;
			}
		} else if (action->kind == PLAN_COPY) {
			if (fate == 3) /* not sent any more */
				continue;
			row.dst = fate == 1 ? 0 : world->dst_next;
			copy_truth(world, find_truth(&scene->src, action->src_uid), world->dst_next,
				action->dst_flags);
			if (fate != 2) /* stored, and the record lost */
				set_pair(world, &row);
		} else if (action->record) {
			set_pair(world, &row);
		}
	}
}

static void show_mailbox(const char *side, const struct mailbox *mailbox)
{
	for (size_t i = 0; i < mailbox->count; i++)
		print_message("%s %u head=%s body=%s size=%u skip=%#x\n", side, mailbox->row[i].uid,
			mailbox->row[i].head, mailbox->row[i].body, mailbox->row[i].size,
			mailbox->row[i].skip);
}

/* For somebody who looks at one seed. */
static void show(const struct world *world, const struct plan *plan)
{
	const struct scene *scene = &world->scene;
	struct out out = { .len = 0 };

	if (!random_shown)
		return;
	print_message("match=%d flags=%d recopy=%d shift=%u baseline=%u\n", scene->policy.match,
		scene->policy.flags_on_update, scene->policy.recopy, world->shift, scene->baseline);
	show_mailbox("src", &scene->src);
	show_mailbox("dst", &scene->dst);
	for (size_t i = 0; i < scene->pairs; i++)
		print_message("pair %u %u status %u\n", scene->pair_src[i], scene->pair_dst[i],
			scene->pair_status[i]);
	for (size_t i = 0; i < plan_count(plan); i++)
		put_action(&out, world->flags, plan_action(plan, i));
	print_message("%s\n", out.text);
}

/* Nothing left to do. Where something could not be read, what was unknown may be decided now that others are out of the way. */
static void check_settled(struct world *world)
{
	struct result second = run_plan(world);
	size_t undecided = 0;

	show(world, second.plan);
	check_plan(world, second.plan);
	for (size_t i = 0; i < plan_count(second.plan) && !world->unreadable; i++) {
		const struct plan_action *action = plan_action(second.plan, i);

		assert_true(action->kind != PLAN_COPY && action->kind != PLAN_ADOPT &&
			    action->kind != PLAN_EXTRA);
		assert_false(action->flags);
		assert_false(action->record);
		undecided += action->kind == PLAN_KEEP && action->dst_uid == 0;
	}
	/* What is left out by options is compared with what may be extra each time. */
	if (undecided == 0 && !world->unreadable && !world->scene.policy.extra)
		assert_false(second.asked);
	plan_free(second.plan);
}

/* Order of the destination's messages by what they are. */
static int compare_truths(const void *a, const void *b)
{
	const struct truth *x = a, *y = b;
	int order = strcmp(x->head, y->head);

	return order != 0 ? order : strcmp(x->body, y->body);
}

static void check_same(const struct mailbox *a, const struct mailbox *b)
{
	struct mailbox x = *a, y = *b;

	assert_int_equal(x.count, y.count);
	qsort(x.row, x.count, sizeof(*x.row), compare_truths);
	qsort(y.row, y.count, sizeof(*y.row), compare_truths);
	for (size_t i = 0; i < x.count; i++)
		assert_int_equal(compare_truths(&x.row[i], &y.row[i]), 0);
}

/* One world: carried out, and nothing left to do; or killed in the middle again and again, and the same in the end. */
static void check_world(struct world *world)
{
	struct world whole;
	struct result first;
	bool orphans = false; /* whose size is no evidence at first */

	random_world(world);
	random_blindness(world);
	for (size_t i = 0; i < world->scene.pairs; i++)
		orphans |= find_truth(&world->scene.src, world->scene.pair_src[i]) == NULL;
	first = run_plan(world);
	show(world, first.plan);
	check_plan(world, first.plan);
	whole = *world;
	apply(&whole, first.plan, APPLY_ALL);
	check_settled(&whole);
	plan_free(first.plan);
	for (int kills = 0; kills < 3; kills++) {
		first = run_plan(world);
		show(world, first.plan);
		check_plan(world, first.plan);
		apply(world, first.plan, kills < 2 ? APPLY_KILLED : APPLY_ALL);
		plan_free(first.plan);
	}
	check_settled(world);
	if (!world->unreadable && !(world->shift > 0 && orphans))
		check_same(&whole.scene.dst, &world->scene.dst);
}

static void test_random(void **state)
{
	const char *seed = getenv("MAILHAUL_TEST_SEED"), *count = getenv("MAILHAUL_TEST_COUNT");
	struct world world = { .flags = flag_table_new(), .arena = arena_new() };
	uint32_t first = 1, worlds = 3000;

	(void)state;
	if (seed != NULL)
		assert_true(span_u32(span_of(seed), &first));
	if (count != NULL)
		assert_true(span_u32(span_of(count), &worlds));
	random_shown = seed != NULL && count == NULL;
	if (random_shown)
		worlds = 1;
	for (uint32_t i = 0; i < worlds; i++) {
		random_state = first + i;
		pick(2);
		random_seed = first + i;
		check_world(&world);
		arena_clear(world.arena);
	}
	random_seed = 0;
	arena_free(world.arena);
	flag_table_free(world.flags);
}

static int say_seed(void **state)
{
	(void)state;
	if (random_seed != 0)
		print_error("again: MAILHAUL_TEST_SEED=%u\n", random_seed);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_random, say_seed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
