/* Which messages arrived: a multiset by digest and size, and by content where that leaves doubt. */
#include "ops/relocate_parts.h"

#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define ITEMS 16

struct game {
	struct arena *arena;
	struct relocate_item item[ITEMS];
	size_t count;
	struct snapshot target;
	struct uidset copies;
};

/* "aB aC": a message a word: the letter of its header, the letter of its content. here: they are in the source too. */
static void deal(struct game *game, const char *items, const char *rows, bool here)
{
	*game = (struct game){ .arena = arena_new() };
	for (; items[0]; items += items[2] ? 3 : 2)
		game->item[game->count++] = (struct relocate_item){
			.uid = (uint32_t)(game->count + 1) * 10,
			.size = 100,
			.digest = { { (uint64_t)items[0], 1 } },
			.content = { { (uint64_t)items[1], 2 } },
			.asked = true,
			.sent = true,
			.here = here,
		};
	snapshot_init(&game->target, true);
	snapshot_want_content(&game->target);
	for (uint32_t uid = 501; rows[0]; rows += rows[2] ? 3 : 2, uid++) {
		const size_t row = snapshot_add(&game->target, uid);

		game->target.size[row] = 100;
		game->target.attr[row] = SNAPSHOT_HAS_DIGEST | SNAPSHOT_HAS_CONTENT;
		game->target.digest[row] = (struct digest128){ { (uint64_t)rows[0], 1 } };
		game->target.content[row] = (struct digest128){ { (uint64_t)rows[1], 2 } };
	}
	snapshot_finish(&game->target, true);
}

static size_t match(struct game *game, bool content)
{
	return relocate_match(
		game->item, game->count, &game->target, content, &game->copies, game->arena);
}

/* A letter an item: + arrived, ~ ambiguous, - neither. */
static void expect(struct game *game, const char *expected)
{
	char found[ITEMS + 1] = "";

	for (size_t i = 0; i < game->count; i++)
		found[i] = "-+~!"[game->item[i].arrived + 2 * game->item[i].ambiguous];
	assert_string_equal(found, expected);
}

static void end(struct game *game)
{
	snapshot_release(&game->target);
	arena_free(game->arena);
}

static void test_each_its_own(void **state)
{
	struct game game;

	(void)state;
	deal(&game, "aA bB cC", "cC xX aA", false);
	assert_int_equal(match(&game, false), 0);
	expect(&game, "+-+");
	assert_true(uidset_has(&game.copies, 501) && uidset_has(&game.copies, 503));
	assert_false(uidset_has(&game.copies, 502));
	end(&game);
}

/* What stands there may be the copy of another mailbox's message: one that is here is not removed for it. */
static void test_rival(void **state)
{
	struct game game;

	(void)state;
	deal(&game, "aA bB", "aA bB", true);
	game.item[0].rivals = 1;
	assert_int_equal(match(&game, false), 2);
	assert_int_equal(match(&game, true), 1);
	expect(&game, "~+");
	assert_false(uidset_has(&game.copies, 501));
	end(&game);

	/* A row for each: it has one, and leaves the other one alone. */
	deal(&game, "aA bB", "aA bB aA", true);
	game.item[0].rivals = 1;
	assert_int_equal(match(&game, false), 2);
	assert_int_equal(match(&game, true), 0);
	expect(&game, "++");
	assert_true(uidset_has(&game.copies, 501));
	assert_false(uidset_has(&game.copies, 503));
	end(&game);

	/* With another content it is no row for either. */
	deal(&game, "aA", "aA aC", true);
	game.item[0].rivals = 1;
	assert_int_equal(match(&game, true), 1);
	expect(&game, "~");
	end(&game);
}

static void test_nothing_there(void **state)
{
	struct game game;

	(void)state;
	deal(&game, "aA", "", false);
	assert_int_equal(match(&game, false), 0);
	expect(&game, "-");
	end(&game);
}

static void test_another_size(void **state)
{
	struct game game;

	(void)state;
	deal(&game, "aA", "aA", false);
	game.target.size[0] = 101;
	assert_int_equal(match(&game, false), 0);
	expect(&game, "-");
	end(&game);
}

static void test_twins_all_there(void **state)
{
	struct game game;

	(void)state;
	deal(&game, "aA aA bB", "aA aA aA", false);
	assert_int_equal(match(&game, false), 0);
	expect(&game, "++-");
	assert_int_equal(uidset_size(&game.copies), 2);
	end(&game);
}

/* One of two that look alike arrived: only the content tells which. */
static void test_twins_half_there(void **state)
{
	struct game game;

	(void)state;
	deal(&game, "aA aB", "aB", true);
	assert_int_equal(match(&game, false), 2);
	expect(&game, "~~");
	assert_int_equal(uidset_size(&game.copies), 0);
	assert_int_equal(match(&game, true), 0);
	expect(&game, "-+");
	end(&game);
}

static void test_equal_twins_half_there(void **state)
{
	struct game game;

	(void)state;
	deal(&game, "aA aA aA", "aA aA", true);
	assert_int_equal(match(&game, false), 3);
	assert_int_equal(match(&game, true), 0);
	expect(&game, "++-");
	end(&game);
}

static void test_content_not_read(void **state)
{
	struct game game;

	(void)state;
	deal(&game, "aA aB", "aB", true);
	game.item[1].content = (struct digest128){ { 0, 0 } };
	assert_int_equal(match(&game, false), 2);
	assert_int_equal(match(&game, true), 0);
	expect(&game, "-~");
	end(&game);
}

/* A row that is somebody's copy is nobody else's. */
static void test_taken_rows(void **state)
{
	struct game game;

	(void)state;
	deal(&game, "aA aA", "aA aA", false);
	game.item[0].arrived = true;
	uidset_add(&game.copies, game.arena, 502, 502);
	assert_int_equal(match(&game, false), 0);
	expect(&game, "++");
	assert_true(uidset_has(&game.copies, 501));
	assert_int_equal(match(&game, false), 0);
	expect(&game, "++");
	end(&game);
}

static void test_not_sent(void **state)
{
	struct game game;

	(void)state;
	deal(&game, "aA bB", "aA bB", false);
	game.item[0].sent = false;
	game.item[1].digest = (struct digest128){ { 0, 0 } };
	assert_int_equal(match(&game, false), 0);
	expect(&game, "--");
	end(&game);
}

/* What is still here arrives by its content only, however alike the headers are. */
static void test_here(void **state)
{
	struct game game;

	(void)state;
	deal(&game, "aA bB cC", "aA bX", true);
	assert_int_equal(match(&game, false), 2);
	expect(&game, "~~-");
	assert_int_equal(uidset_size(&game.copies), 0);
	assert_int_equal(match(&game, true), 0);
	expect(&game, "+--");
	end(&game);
}

/* Of two that are alike one went, so that one row is its; whose a second one is, the content tells. */
static void test_one_here_one_gone(void **state)
{
	struct game game;

	(void)state;
	deal(&game, "aA aA", "aA", false);
	game.item[0].here = true;
	assert_int_equal(match(&game, false), 0);
	expect(&game, "-+");
	end(&game);
	deal(&game, "aA aA", "aA aA", false);
	game.item[0].here = true;
	assert_int_equal(match(&game, false), 1);
	expect(&game, "~+");
	assert_int_equal(match(&game, true), 0);
	expect(&game, "++");
	end(&game);
}

static void test_fewer_than_went(void **state)
{
	struct game game;

	(void)state;
	deal(&game, "aA aA", "aA", false);
	assert_int_equal(match(&game, false), 2);
	expect(&game, "~~");
	end(&game);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_its_own),
		cmocka_unit_test(test_rival),
		cmocka_unit_test(test_nothing_there),
		cmocka_unit_test(test_another_size),
		cmocka_unit_test(test_twins_all_there),
		cmocka_unit_test(test_twins_half_there),
		cmocka_unit_test(test_equal_twins_half_there),
		cmocka_unit_test(test_content_not_read),
		cmocka_unit_test(test_taken_rows),
		cmocka_unit_test(test_not_sent),
		cmocka_unit_test(test_here),
		cmocka_unit_test(test_one_here_one_gone),
		cmocka_unit_test(test_fewer_than_went),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
