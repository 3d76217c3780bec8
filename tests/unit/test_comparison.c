/* Whole comparisons, of manifests: what is equal, different, unknown, by tables of two accounts. */
#include "ops/comparison.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/text.h"
#include "store/inventory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

/*
 * An account: mailboxes between blanks, each NAME=MESSAGES. A message is a letter, which is its header; 'A' is 'a' with another flag. '?' behind '=': it could
 * not be read; '!': not all of it. "~" alone: mailboxes are missing; "-" alone: options left mailboxes out; "." alone: messages.
 */
static char root[] = "/tmp/mailhaul-comparison-XXXXXX";
static struct arena *arena;

static int set_up(void **state)
{
	(void)state;
	arena = arena_new();
	return mkdtemp(root) ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	(void)rmdir(root);
	arena_free(arena);
	return 0;
}

static void fill(struct snapshot *rows, const char *messages, struct flag_table *flags)
{
	bool complete = true;
	uint32_t uid = 0;

	snapshot_init(rows, true);
	for (const char *at = messages; *at; at++) {
		if (*at == '!') {
			complete = false;
			continue;
		}
		const bool flagged = *at >= 'A' && *at <= 'Z';
		const size_t row = snapshot_add(rows, ++uid);

		rows->flags[row] = flagged ? flags_parse(flags, SPAN("\\Flagged")) : 0;
		rows->instant[row] = 1000;
		rows->size[row] = 100;
		rows->attr[row] = SNAPSHOT_HAS_DIGEST;
		rows->digest[row] = (struct digest128){ { (uint64_t)(*at | 32), 1 } };
	}
	snapshot_finish(rows, complete);
}

static void add_mailbox(struct inventory_writer *writer, struct span word, struct flag_table *flags)
{
	const size_t equals = span_find(word, '=');
	const char *messages = arena_text(arena, span_from(word, equals + 1));
	struct inventory_mailbox mailbox = { .name = arena_text(arena, span_sub(word, 0, equals)),
		.flags = flags,
		.error = *messages == '?' ? "broken" : NULL };
	struct snapshot rows;

	fill(&rows, *messages == '?' ? "" : messages, flags);
	mailbox.rows = *messages == '?' ? NULL : &rows;
	assert_int_equal(inventory_mailbox(writer, &mailbox, NULL), 0);
	snapshot_release(&rows);
}

static struct account *account_of(const char *path, const char *text)
{
	const struct inventory_about about = { .location = "x",
		.flags = true,
		.dates = true,
		.all_mailboxes = !strchr(text, '-'),
		.all_messages = !strchr(text, '.') };
	const struct account_request request = {
		.location = arena_print(arena, "manifest:%s", path), .role = ""
	};
	struct inventory_writer *writer = inventory_create(path, &about, NULL);
	struct flag_table *flags = flag_table_new();
	struct inventory_sum sum;
	struct span rest = span_of(text);
	struct account *account;

	assert_non_null(writer);
	while (rest.len > 0) {
		const size_t blank = span_find(rest, ' ');
		const struct span word = span_sub(rest, 0, blank);

		if (span_find(word, '=') != SIZE_MAX)
			add_mailbox(writer, word, flags);
		rest = blank == SIZE_MAX ? span_make("", 0) : span_from(rest, blank + 1);
	}
	assert_int_equal(inventory_finish(writer, NULL, true, !strchr(text, '~'), &sum, NULL), 0);
	flag_table_free(flags);
	account = account_new(&request, NULL);
	assert_non_null(account);
	return account;
}

enum option {
	BOTH = 1,
	COUNT = 2,
	FLAGS = 4,
	NO_EMPTY = 8,
	MERGE = 16,
	ONE_UID = 32,
	INBOX_ONLY = 64
};

struct sample {
	const char *a, *b;
	unsigned options;
	enum comparison_state state;
	int code;
	unsigned missing, doubled, extra, differing, unknown;
	unsigned missing_boxes, extra_boxes, unknown_boxes;
};

#define EQUAL COMPARISON_EQUAL
#define DIFFERS COMPARISON_DIFFERS
#define UNKNOWN COMPARISON_UNKNOWN

static const struct sample samples[] = {
	{ "INBOX=abc W=d", "INBOX=cab W=d", BOTH, EQUAL, 0, 0, 0, 0, 0, 0, 0, 0, 0 },
	{ "INBOX=abb", "INBOX=ab", 0, DIFFERS, 0, 1, 0, 0, 0, 0, 0, 0, 0 },
	{ "INBOX=ab", "INBOX=abb", 0, DIFFERS, 0, 0, 1, 0, 0, 0, 0, 0, 0 },
	{ "INBOX=ab", "INBOX=abc", 0, EQUAL, 0, 0, 0, 1, 0, 0, 0, 0, 0 },
	{ "INBOX=ab", "INBOX=abc", BOTH, DIFFERS, 0, 0, 0, 1, 0, 0, 0, 0, 0 },
	{ "INBOX=aB", "INBOX=ab", 0, EQUAL, 0, 0, 0, 0, 0, 0, 0, 0, 0 },
	{ "INBOX=aB", "INBOX=ab", FLAGS, DIFFERS, 0, 0, 0, 0, 1, 0, 0, 0, 0 },
	{ "INBOX=aAb", "INBOX=bAa", FLAGS | BOTH, EQUAL, 0, 0, 0, 0, 0, 0, 0, 0, 0 },
	/* Mailboxes. */
	{ "INBOX=a W=bc", "INBOX=a", 0, DIFFERS, 0, 2, 0, 0, 0, 0, 1, 0, 0 },
	{ "INBOX=a W=", "INBOX=a", 0, DIFFERS, 0, 0, 0, 0, 0, 0, 1, 0, 0 },
	{ "INBOX=a W=", "INBOX=a", NO_EMPTY, EQUAL, 0, 0, 0, 0, 0, 0, 0, 0, 0 },
	{ "INBOX=a", "INBOX=a W=bc", 0, EQUAL, 0, 0, 0, 2, 0, 0, 0, 1, 0 },
	{ "INBOX=a", "INBOX=a W=bc", BOTH, DIFFERS, 0, 0, 0, 2, 0, 0, 0, 1, 0 },
	{ "INBOX=a W=b", "INBOX=a", INBOX_ONLY, EQUAL, 0, 0, 0, 0, 0, 0, 0, 0, 0 },
	{ "INBOX=a W=b", "INBOX=a V=b", INBOX_ONLY | BOTH, EQUAL, 0, 0, 0, 0, 0, 0, 0, 0, 0 },
	{ "W=ab V=bc", "All=abbc", MERGE, EQUAL, 0, 0, 0, 0, 0, 0, 0, 0, 0 },
	{ "W=ab V=bc", "All=abc", MERGE, DIFFERS, 0, 1, 0, 0, 0, 0, 0, 0, 0 },
	/* What could not be read is unknown, on either side, whatever else there is. */
	{ "INBOX=a W=?", "INBOX=a W=b", BOTH, UNKNOWN, 3, 0, 0, 0, 0, 0, 0, 0, 1 },
	{ "INBOX=a W=b", "INBOX=a W=?", 0, UNKNOWN, 3, 0, 0, 0, 0, 0, 0, 0, 1 },
	{ "INBOX=ab W=b", "INBOX=a W=?", 0, UNKNOWN, 3, 1, 0, 0, 0, 0, 0, 0, 1 },
	{ "INBOX=abc", "INBOX=!ab", 0, UNKNOWN, 0, 0, 0, 0, 0, 1, 0, 0, 0 },
	{ "INBOX=ab", "INBOX=!abc", 0, EQUAL, 0, 0, 0, 1, 0, 0, 0, 0, 0 },
	{ "INBOX=!ab", "INBOX=abc", BOTH, UNKNOWN, 0, 0, 0, 0, 0, 1, 0, 0, 0 },
	{ "INBOX=!ab", "INBOX=ab", 0, UNKNOWN, 0, 0, 0, 0, 0, 0, 0, 0, 1 },
	{ "INBOX=a W=b", "INBOX=a ~", 0, UNKNOWN, 0, 0, 0, 0, 0, 1, 0, 0, 0 },
	{ "INBOX=a ~", "INBOX=a", 0, UNKNOWN, 3, 0, 0, 0, 0, 0, 0, 0, 0 },
	{ "INBOX=a", "INBOX=a ~", 0, EQUAL, 0, 0, 0, 0, 0, 0, 0, 0, 0 },
	{ "INBOX=a", "INBOX=a ~", BOTH, UNKNOWN, 3, 0, 0, 0, 0, 0, 0, 0, 0 },
	/* Parts say nothing of the rest. */
	{ "INBOX=a -", "INBOX=a W=b", BOTH, EQUAL, 0, 0, 0, 0, 0, 0, 0, 0, 0 },
	{ "INBOX=a W=b", "INBOX=a -", 0, UNKNOWN, 0, 0, 0, 0, 0, 1, 0, 0, 0 },
	{ "INBOX=a .", "INBOX=ab", BOTH, EQUAL, 0, 0, 0, 0, 0, 0, 0, 0, 0 },
	{ "INBOX=ab", "INBOX=a .", 0, UNKNOWN, 0, 0, 0, 0, 0, 1, 0, 0, 0 },
	/* Numbers alone. */
	{ "INBOX=ab W=c", "INBOX=xy W=z", COUNT | BOTH, EQUAL, 0, 0, 0, 0, 0, 0, 0, 0, 0 },
	{ "INBOX=abc", "INBOX=x", COUNT, DIFFERS, 0, 2, 0, 0, 0, 0, 0, 0, 0 },
	{ "INBOX=a", "INBOX=xyz", COUNT, EQUAL, 0, 0, 0, 2, 0, 0, 0, 0, 0 },
	{ "INBOX=a", "INBOX=xyz", COUNT | BOTH, DIFFERS, 0, 0, 0, 2, 0, 0, 0, 0, 0 },
	{ "INBOX=a W=bc", "INBOX=a", COUNT, DIFFERS, 0, 2, 0, 0, 0, 0, 1, 0, 0 },
	{ "INBOX=a W=bc", "INBOX=a ~", COUNT, UNKNOWN, 0, 0, 0, 0, 0, 2, 0, 0, 0 },
	{ "INBOX=a", "INBOX=!a", COUNT, UNKNOWN, 3, 0, 0, 0, 0, 0, 0, 0, 1 },
	/* Options that speak of the first's UIDs say nothing of what else the other has. */
	{ "INBOX=ab", "INBOX=acd", ONE_UID | BOTH, EQUAL, 0, 0, 0, 0, 0, 0, 0, 0, 0 },
};

static void apply(unsigned options, struct settings *settings)
{
	static const char *into[] = { "INBOX" };

	settings_init(settings);
	settings->no_state = true;
	settings->no_empty = options & NO_EMPTY;
	settings->merge = options & MERGE;
	settings->into = options & MERGE ? "All" : NULL;
	settings->uid_set = options & ONE_UID ? "1" : NULL;
	if (options & INBOX_ONLY)
		settings->mailboxes = (struct text_list){ into, 1 };
}

static void check(const struct sample *sample, const struct comparison_other *other)
{
	const struct compare_result *total = &other->total;

	if (other->state == sample->state && other->code == sample->code &&
		total->missing == sample->missing && total->doubled == sample->doubled &&
		total->extra == sample->extra && total->differing == sample->differing &&
		total->unknown == sample->unknown &&
		other->missing_boxes == sample->missing_boxes &&
		other->extra_boxes == sample->extra_boxes &&
		other->unknown_boxes == sample->unknown_boxes)
		return;
	fail_msg(
		"%s | %s | %#x: state %d, code %d; %d missing, %d doubled, %d extra, %d differing, %d unknown; mailboxes: %d missing, %d extra, %d unknown",
		sample->a, sample->b, sample->options, (int)other->state, other->code,
		(int)total->missing, (int)total->doubled, (int)total->extra, (int)total->differing,
		(int)total->unknown, (int)other->missing_boxes, (int)other->extra_boxes,
		(int)other->unknown_boxes);
}

static void test_samples(void **state)
{
	char *first = arena_print(arena, "%s/a", root), *second = arena_print(arena, "%s/b", root);

	(void)state;
	for (size_t i = 0; i < sizeof(samples) / sizeof(*samples); i++) {
		const struct sample *sample = &samples[i];
		struct account *account[] = { account_of(first, sample->a),
			account_of(second, sample->b) };
		struct settings settings;
		const struct comparison_request request = { .settings = &settings,
			.account = account,
			.accounts = 2,
			.check = COMPARE_SIZE | (sample->options & FLAGS ? COMPARE_FLAGS : 0),
			.both = sample->options & BOTH,
			.count_only = sample->options & COUNT };
		struct comparison *comparison;
		struct err err = ERR_INIT;

		apply(sample->options, &settings);
		comparison = comparison_run(&request, &err);
		if (!comparison)
			fail_msg("%s | %s: %s", sample->a, sample->b, err.text);
		assert_int_equal(comparison_count(comparison), 1);
		check(sample, comparison_other(comparison, 0));
		comparison_free(comparison);
		account_free(account[0]);
		account_free(account[1]);
	}
	(void)unlink(first);
	(void)unlink(second);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_samples) };

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
