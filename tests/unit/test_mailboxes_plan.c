/* Which mailboxes an action means: names, expressions, what is below, what is refused. */
#include "ops/mailboxes_parts.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/must.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define NAMES 16

struct game {
	struct mailboxes plan;
	struct account *account;
	char *name[NAMES];
	const char *regex[2];
	struct text_list regexes;
	struct err err;
};

/* listing: names between blanks, sorted; "-" in front: only a name of what is below it; "?": nothing is told of it. */
static void list(struct mailboxes *plan, const char *listing)
{
	char *text = arena_strdup(plan->arena, listing), *rest = text, *word;

	plan->list.mailbox = arena_array(plan->arena, NAMES, sizeof(*plan->list.mailbox));
	while ((word = strsep(&rest, " "))) {
		struct mailbox_info *info = &plan->list.mailbox[plan->list.count++];
		const char mark = *word;

		info->name = info->raw = word + (mark == '-' || mark == '?');
		info->noselect = mark == '-';
		info->subscribed = strchr(word, 'S') != NULL;
		info->messages = 7;
		info->has = mark == '?' ? 0
					: IMAP_STATUS_MESSAGES | IMAP_STATUS_UIDNEXT |
						  IMAP_STATUS_UIDVALIDITY;
	}
}

static int play(struct game *game, enum mailboxes_action action, const char *location,
	const char *listing, const char *names, const char *regex)
{
	struct account_request request = { .location = location, .role = "" };
	struct mailboxes_request *asked = &game->plan.request;
	char *rest, *word;

	*game = (struct game){ .err = ERR_INIT };
	game->plan.arena = arena_new();
	game->account = account_new(&request, &game->err);
	assert_non_null(game->account);
	asked->account = game->account;
	asked->action = action;
	rest = names ? arena_strdup(game->plan.arena, names) : NULL;
	while (rest && (word = strsep(&rest, " ")))
		game->name[asked->names++] = word;
	asked->name = game->name;
	game->regex[0] = regex;
	game->regexes = (struct text_list){ game->regex, regex != NULL };
	asked->regex = &game->regexes;
	list(&game->plan, listing);
	return mailboxes_choose(&game->plan, &game->err);
}

/* "Old/x>New/x Old!": what is to be done, in its order; "!": failed; "=": it is so already. */
static void expect(struct game *game, const char *expected)
{
	char found[1024] = "";

	for (size_t i = 0; i < game->plan.count; i++) {
		const struct mailboxes_row *row = &game->plan.step[i].row;
		const size_t len = strlen(found);

		snprintf(found + len, sizeof(found) - len, "%s%s%s%s%s", i ? " " : "", row->name,
			row->to ? ">" : "", row->to ? row->to : "",
			row->state == MAILBOXES_FAILED    ? "!"
			: row->state == MAILBOXES_ALREADY ? "="
							  : "");
	}
	assert_string_equal(found, expected);
	arena_free(game->plan.arena);
	account_free(game->account);
}

static void test_delete(void **state)
{
	static const struct {
		const char *listing, *names, *regex, *expected;
	} rows[] = {
		{ "A A/b A/b/c B INBOX", "A", NULL, "A" },
		{ "A A/b A/b/c B INBOX", "A/b/c A B A", NULL, "B A/b/c A" },
		{ "A A/b Ab INBOX", NULL, "^A(/|$)", "A/b A" },
		{ "A INBOX INBOX/x", NULL, ".", "INBOX/x A" },
		{ "A INBOX", "inbox A nowhere", NULL, "nowhere! INBOX! A" },
		{ "-A A/b INBOX", "A", NULL, "A!" },
		{ "-A A/b INBOX", "A A/b", NULL, "A/b A" },
		{ "-A INBOX", "A", NULL, "A" },
		{ "?A INBOX", "A", NULL, "A!" },
		{ "A INBOX", NULL, "xyz", "" },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		struct game game;

		assert_int_equal(play(&game, MAILBOXES_DELETE, "maildir:/x", rows[i].listing,
					 rows[i].names, rows[i].regex),
			0);
		expect(&game, rows[i].expected);
	}
}

static void test_rename(void **state)
{
	static const struct {
		const char *listing, *names, *expected;
	} rows[] = {
		{ "A A/b INBOX", "A B", "A>B" },
		{ "A INBOX", "B C", "B>C!" },
		{ "A B INBOX", "A B", "A>B!" },
		{ "A INBOX", "A A/b", "A>A/b!" },
		{ "A INBOX", "INBOX A2", "INBOX>A2!" },
		{ "A INBOX", "A inbox", "A>INBOX!" },
		/* what is below goes along, whatever the expression says of it */
		{ "A A/b A/b/c B INBOX", "s/^A/X/", "A>X" },
		{ "A A/b INBOX", "s/^A$/X/", "A>X" },
		{ "A A/b A/b/c INBOX", "s/b/y/", "A/b>A/y" },
		{ "A A/A INBOX", "s/A/X/g", "A>X A/A>X/X" },
		{ "A B INBOX", "s/[AB]/X/", "A>X B>X!" },
		{ "A B INBOX", "s/A/B/", "A>B!" },
		{ "A INBOX INBOX/A", "s/INBOX/X/", "INBOX/A>X/A" },
		{ "A INBOX", "s/A// s/^$/Z/", "A>Z" },
		{ "A INBOX", "s/A//", "A>!" },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		struct game game;

		assert_int_equal(play(&game, MAILBOXES_RENAME, "maildir:/x", rows[i].listing,
					 rows[i].names, NULL),
			0);
		expect(&game, rows[i].expected);
	}
}

static void test_create_and_subscribe(void **state)
{
	struct game game;

	(void)state;
	assert_int_equal(
		play(&game, MAILBOXES_CREATE, "maildir:/x", "A -B INBOX", "A B C/d", NULL), 0);
	expect(&game, "A= B C/d");
	assert_int_equal(
		play(&game, MAILBOXES_SUBSCRIBE, "maildir:/x", "A INBOX S", "A S nowhere", NULL),
		0);
	expect(&game, "A S= nowhere!");
	assert_int_equal(
		play(&game, MAILBOXES_UNSUBSCRIBE, "maildir:/x", "A INBOX S", "nowhere", "^(A|S)$"),
		0);
	expect(&game, "nowhere A= S");
}

/* Usage: nothing is done at all. */
static void test_refused(void **state)
{
	static const struct {
		enum mailboxes_action action;
		const char *names, *regex;
	} rows[] = {
		{ MAILBOXES_DELETE, NULL, "(" },
		{ MAILBOXES_DELETE, "A//b", NULL },
		{ MAILBOXES_DELETE, "Other", NULL }, /* not below the location's */
		{ MAILBOXES_RENAME, "A", NULL },
		{ MAILBOXES_RENAME, "A B C", NULL },
		{ MAILBOXES_RENAME, "s/A/B/ C", NULL },
		{ MAILBOXES_RENAME, "s/(/B/", NULL },
		{ MAILBOXES_CREATE, "/A", NULL },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		struct game game;

		assert_int_equal(play(&game, rows[i].action, "imaps://u@h/A", "A A/b INBOX Other",
					 rows[i].names, rows[i].regex),
			-1);
		assert_int_equal(game.err.kind, ERR_KIND_USAGE);
		arena_free(game.plan.arena);
		account_free(game.account);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_delete),
		cmocka_unit_test(test_rename),
		cmocka_unit_test(test_create_and_subscribe),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
