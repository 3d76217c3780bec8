/* The journal against a naive model of it, from both sides. */
#include "journal_fixture.h"

/* The model: rows as side a sees them, and every rule spelled out. */
struct row {
	int64_t mailbox;
	uint32_t uid[2];
	const char *flags[2];
	enum journal_status status;
};

#define ROWS_MAX 4096
#define BOXES 20 /* more than the journal keeps the reach of */

struct model {
	struct row rows[ROWS_MAX];
	size_t count;
	int src; /* the side that is the source: 0 or 1 */
	uint64_t random;
};

static uint32_t pick(struct model *model, uint32_t below)
{
	model->random = model->random * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(model->random >> 33) % below;
}

static void model_remove(struct model *model, size_t at)
{
	model->rows[at] = model->rows[--model->count];
}

static enum journal_status model_status(const struct model *model, enum journal_status status)
{
	if (model->src == 1 && status == JOURNAL_GONE_SRC)
		return JOURNAL_GONE_DST;
	if (model->src == 1 && status == JOURNAL_GONE_DST)
		return JOURNAL_GONE_SRC;
	return status;
}

static void model_put(struct model *model, int64_t mailbox, const struct journal_pair *pair)
{
	const int src = model->src, dst = !src;
	bool exact = false;

	for (size_t i = 0; i < model->count; i++) {
		const struct row *row = &model->rows[i];

		exact |= row->mailbox == mailbox && row->uid[src] == pair->src_uid &&
			 row->uid[dst] == pair->dst_uid;
	}
	for (size_t i = model->count; i-- > 0;) {
		const struct row *row = &model->rows[i];
		const bool same_src = row->uid[src] == pair->src_uid;
		const bool same_dst = row->uid[dst] == pair->dst_uid;

		if (row->mailbox != mailbox)
			continue;
		if ((same_src && same_dst) || (same_src && pair->src_uid != 0 && !exact) ||
			(same_dst && pair->src_uid != 0 && pair->dst_uid != 0 &&
				row->uid[src] == 0))
			model_remove(model, i);
	}
	assert_true(model->count < ROWS_MAX);
	struct row *row = &model->rows[model->count++];
	*row = (struct row){ .mailbox = mailbox, .status = model_status(model, pair->status) };
	row->uid[src] = pair->src_uid;
	row->uid[dst] = pair->dst_uid;
	row->flags[src] = pair->src_flags;
	row->flags[dst] = pair->dst_flags;
}

static int compare_rows(const void *a, const void *b, void *argument)
{
	const struct row *x = a, *y = b;
	const struct model *model = argument;
	const int src = model->src, dst = !src;

	if (x->mailbox != y->mailbox)
		return x->mailbox < y->mailbox ? -1 : 1;
	if (x->uid[src] != y->uid[src])
		return x->uid[src] < y->uid[src] ? -1 : 1;
	return x->uid[dst] < y->uid[dst] ? -1 : x->uid[dst] > y->uid[dst];
}

static void model_compare(struct model *model, struct journal *journal, const int64_t boxes[BOXES])
{
	struct arena *arena = arena_new();
	const int src = model->src, dst = !src;
	size_t at = 0;

	qsort_r(model->rows, model->count, sizeof(model->rows[0]), compare_rows, model);
	for (int box = 0; box < BOXES; box++) {
		struct journal_pairs pairs;

		arena_clear(arena);
		assert_int_equal(journal_pairs(journal, boxes[box], arena, &pairs, NULL), 0);
		for (size_t i = 0; i < pairs.count; i++, at++) {
			const struct row *row = &model->rows[at];

			assert_true(at < model->count);
			assert_int_equal(row->mailbox, boxes[box]);
			assert_int_equal(pairs.src_uid[i], row->uid[src]);
			assert_int_equal(pairs.dst_uid[i], row->uid[dst]);
			assert_string_equal(pairs.flag_text[pairs.src_flags[i]], row->flags[src]);
			assert_string_equal(pairs.flag_text[pairs.dst_flags[i]], row->flags[dst]);
			assert_int_equal(pairs.status[i], model_status(model, row->status));
		}
	}
	assert_int_equal(at, model->count);
	arena_free(arena);
}

static void random_put(struct model *model, struct journal *journal, int64_t mailbox)
{
	static const char *const flags[] = { "", "\\Seen", "\\Answered \\Seen", "$Junk",
		"\\Flagged" };
	struct journal_pair pair = {
		.src_uid = pick(model, 10) ? pick(model, 30) + 1 : 0,
		.dst_uid = pick(model, 10) ? pick(model, 30) + 1 : 0,
		.src_flags = flags[pick(model, countof(flags))],
		.dst_flags = flags[pick(model, countof(flags))],
		.size = pick(model, 1000),
		.header = { { pick(model, 2), 0 } },
		.status = (enum journal_status)pick(model, 4),
	};

	if (pair.src_uid == 0 && pair.dst_uid == 0)
		pair.src_uid = UINT32_MAX;
	assert_int_equal(journal_put_pair(journal, mailbox, &pair, NULL), 0);
	model_put(model, mailbox, &pair);
}

static void random_status(struct model *model, struct journal *journal, int64_t mailbox)
{
	const uint32_t uid = pick(model, 30) + 1;
	const enum journal_status status = (enum journal_status)pick(model, 4);

	assert_int_equal(journal_set_status(journal, mailbox, uid, status, NULL), 0);
	for (size_t i = 0; i < model->count; i++) {
		struct row *row = &model->rows[i];

		if (row->mailbox == mailbox && row->uid[model->src] == uid)
			row->status = model_status(model, status);
	}
}

static void random_forget(struct model *model, struct journal *journal, int64_t mailbox)
{
	assert_int_equal(journal_forget_pairs(journal, mailbox, NULL), 0);
	for (size_t i = model->count; i-- > 0;) {
		if (model->rows[i].mailbox == mailbox)
			model_remove(model, i);
	}
}

static struct journal *random_reopen(struct model *model, struct journal *journal)
{
	close_good(journal);
	model->src = (int)pick(model, 2);
	return model->src ? open_pair("b", "a") : open_pair("a", "b");
}

static void test_random(void **state)
{
	static struct model model;
	const char *seed = getenv("MAILHAUL_SEED");
	struct journal *journal = open_pair("a", "b");
	int64_t boxes[BOXES];

	(void)state;
	model = (struct model){ .random = seed ? strtoull(seed, NULL, 10) : 1 };
	for (int i = 0; i < BOXES; i++) {
		char name[16];

		snprintf(name, sizeof(name), "box %02d", i);
		boxes[i] = put_box(journal, name, name);
	}
	for (int i = 0; i < 20000; i++) {
		const int64_t box = boxes[pick(&model, 3) ? pick(&model, 2) : pick(&model, BOXES)];
		const uint32_t action = pick(&model, 1000);

		if (action < 800)
			random_put(&model, journal, box);
		else if (action < 980)
			random_status(&model, journal, box);
		else if (action < 985)
			random_forget(&model, journal, box);
		else if (action < 990)
			assert_int_equal(journal_commit(journal, action & 1, NULL), 0);
		else if (action < 995)
			model_compare(&model, journal, boxes);
		else
			journal = random_reopen(&model, journal);
	}
	model_compare(&model, journal, boxes);
	close_good(journal);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_random, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
