/* Where mailboxes go: the rules in their order, map files, automap in many languages, meetings and twins. */
#include "ops/names.h"

#include "base/arena.h"
#include "base/log.h"
#include "base/must.h"
#include "base/text.h"
#include "mail/mailbox_name.h"
#include "ops/automap.h"
#include "ops/name_map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#define LIST(...)                                                                \
	{                                                                        \
		(const char *[]){ __VA_ARGS__ },                                 \
			sizeof((const char *[]){ __VA_ARGS__ }) / sizeof(char *) \
	}

#define BOXES 32

/* "NAME", "NAME \Use", "NAME -" (\NoSelect); separated by '|'. */
static struct mailbox_list boxes(struct arena *arena, const char *text)
{
	static const char *const uses[] = { "", " \\All", " \\Archive", " \\Drafts", " \\Flagged",
		" \\Important", " \\Junk", " \\Sent", " \\Trash" };
	struct mailbox_list list = {
		.mailbox = arena_array(arena, BOXES, sizeof(struct mailbox_info)), .delimiter = '/'
	};
	struct span rest = span_of(text);

	while (rest.len > 0) {
		size_t end = span_find(rest, '|');
		struct span word = span_sub(rest, 0, end);
		struct mailbox_info *mailbox = &list.mailbox[list.count++];

		assert_true(list.count < BOXES);
		rest = end == SIZE_MAX ? SPAN("") : span_from(rest, end + 1);
		if (span_ends(word, SPAN(" -"))) {
			mailbox->noselect = true;
			word.len -= 2;
		}
		for (size_t use = 1; use < countof(uses); use++) {
			if (!span_ends(word, span_of(uses[use])))
				continue;
			mailbox->use = (enum store_use)use;
			word.len -= strlen(uses[use]);
		}
		mailbox->name = mailbox->raw = arena_text(arena, word);
	}
	return list;
}

/* Pairs as "a=>b|c=>d": '=' the mailbox exists, '+' it is to be created, '-' \NoSelect at the source. */
static void check_rooted(const struct settings *settings, const char *src_names,
	const char *dst_names, const char *src_root, const char *dst_root, const char *expected)
{
	struct arena *arena = arena_new();
	struct err err = ERR_INIT;
	struct names *names = names_new(settings, &err);
	struct mailbox_list src = boxes(arena, src_names),
			    dst = boxes(arena, dst_names != NULL ? dst_names : "");
	struct name_request request = { &src, &dst, NULL, src_root, dst_root, false };
	struct name_pair *pairs;
	size_t count;
	const char *got = "";

	if (names == NULL)
		fail_msg("%s", err.text);
	if (names_pairs(names, &request, arena, &pairs, &count, &err) < 0)
		fail_msg("%s", err.text);
	for (size_t i = 0; i < count; i++) {
		char mark = pairs[i].noselect ? '-' : pairs[i].existing != NULL ? '=' : '+';
		const char *applied = names_apply(names, &request, pairs[i].src, arena);

		if (pairs[i].existing != NULL)
			assert_string_equal(pairs[i].existing->name, pairs[i].dst);
		assert_string_equal(applied, pairs[i].dst);
		got = arena_print(arena, "%s%s%s%c>%s", got, i ? "|" : "", pairs[i].src->name, mark,
			pairs[i].dst);
	}
	assert_string_equal(got, expected);
	names_free(names);
	arena_free(arena);
}

static void check_pairs(
	const struct settings *settings, const char *src, const char *dst, const char *expected)
{
	check_rooted(settings, src, dst, NULL, NULL, expected);
}

static void check_meeting(const struct settings *settings, const char *src, const char *dst,
	const char *const *expected, size_t count)
{
	struct arena *arena = arena_new();
	struct err err = ERR_INIT;
	struct names *names = names_new(settings, &err);
	struct mailbox_list src_list = boxes(arena, src), dst_list = boxes(arena, dst);
	struct name_request request = { &src_list, &dst_list, NULL, NULL, NULL, false };
	struct name_pair *pairs;
	size_t pair_count;

	if (names != NULL)
		assert_int_equal(
			names_pairs(names, &request, arena, &pairs, &pair_count, &err), -1);
	assert_int_equal(err.scope, ERR_LOCAL);
	assert_int_equal(err.kind, ERR_KIND_USAGE);
	for (size_t i = 0; i < count; i++) {
		if (strstr(err.text, expected[i]) == NULL)
			fail_msg("\"%s\" not in \"%s\"", expected[i], err.text);
	}
	names_free(names);
	arena_free(arena);
}

static void check_refused(
	const struct settings *settings, const char *src, const char *const *expected, size_t count)
{
	check_meeting(settings, src, "", expected, count);
}

static void test_plain(void **state)
{
	struct settings s = { 0 };

	(void)state;
	check_pairs(&s, "INBOX|Work|Work/2024", "INBOX|Work",
		"INBOX=>INBOX|Work=>Work|Work/2024+>Work/2024");
	check_pairs(&s, "", NULL, "");
	/* A \NoSelect parent is there for its children; one at the destination is no mailbox yet. */
	check_pairs(&s, "A -|A/b|C", "A|C -", "A->A|A/b+>A/b|C+>C");
}

static void test_roots(void **state)
{
	struct settings s = { 0 };

	(void)state;
	/* The source's only limits. */
	check_rooted(&s, "INBOX|Work|Work/x|Workshop", "INBOX", "Work", NULL,
		"Work+>Work|Work/x+>Work/x");
	check_rooted(
		&s, "INBOX|INBOX/x|Work", "INBOX", "inbox", NULL, "INBOX=>INBOX|INBOX/x+>INBOX/x");
	/* The destination's is around everything. */
	check_rooted(&s, "INBOX|Work|Work/x", "INBOX", NULL, "Old",
		"INBOX+>Old/INBOX|Work+>Old/Work|Work/x+>Old/Work/x");
	check_rooted(&s, "INBOX|Work", "INBOX", NULL, "INBOX", "INBOX=>INBOX|Work+>INBOX/Work");
	/* Both: the one becomes the other. */
	check_rooted(&s, "INBOX|Work|Work/x", "Old", "Work", "Old", "Work=>Old|Work/x+>Old/x");
	check_rooted(
		&s, "INBOX|INBOX/x", "INBOX", "INBOX", "INBOX", "INBOX=>INBOX|INBOX/x+>INBOX/x");
	check_rooted(&s, "Work -|Work/x", "", "Work", "Old", "Work->Old|Work/x+>Old/x");

	s.root = "R";
	check_pairs(&s, "INBOX|Work", "R/Work", "INBOX+>R/INBOX|Work=>R/Work");
	check_rooted(&s, "INBOX|Work", NULL, NULL, "Old", "INBOX+>Old/R/INBOX|Work+>Old/R/Work");
	check_rooted(&s, "Work|Work/x", NULL, "Work", "Old", "Work+>Old/R/Work|Work/x+>Old/R/x");
}

static void test_strip(void **state)
{
	struct settings s = { .strip_prefix = "[Gmail]" };

	(void)state;
	check_pairs(&s, "INBOX|[Gmail] -|[Gmail]/Sent Mail|[Gmail]x/y", NULL,
		"INBOX+>INBOX|[Gmail]->[Gmail]|[Gmail]/Sent Mail+>Sent "
		"Mail|[Gmail]x/y+>[Gmail]x/y");
	s.strip_prefix = "a/b/";
	check_pairs(&s, "a/b|a/b/c|a/bc", NULL, "a/b+>a/b|a/b/c+>c|a/bc+>a/bc");
	s.strip_prefix = "inbox";
	check_pairs(
		&s, "INBOX|INBOX/Sent|Inbox/y", NULL, "INBOX+>INBOX|INBOX/Sent+>Sent|Inbox/y+>y");
	s.strip_prefix = "x";
	check_pairs(&s, "x/inbox", NULL, "x/inbox+>INBOX");
}

static void test_into(void **state)
{
	struct settings s = { .into = "Everything", .automap = true };

	(void)state;
	check_pairs(&s, "INBOX|A -|A/b|Sent \\Sent", "Sent",
		"A/b+>Everything|INBOX+>Everything|Sent+>Everything");
	s.into = "inbox";
	check_pairs(&s, "A|B", "INBOX", "A=>INBOX|B=>INBOX");
}

static void test_rename(void **state)
{
	struct settings s = { .rename = LIST("s/^Alt\\///", "s/(\\d+)/Year $1/", "s/_/ /g") };

	(void)state;
	check_pairs(&s, "Alt/2024|Alt/a_b_c|INBOX|Work", NULL,
		"Alt/2024+>Year 2024|Alt/a_b_c+>a b c|INBOX+>INBOX|Work+>Work");
	s.rename = (struct text_list)LIST("s/^(.*)$/\\L$1/");
	check_pairs(&s, "INBOX|Work", "INBOX", "INBOX=>INBOX|Work+>work");
	s.rename = (struct text_list)LIST("s/^INBOX$/Old/");
	check_pairs(&s, "INBOX|Work", NULL, "INBOX+>Old|Work+>Work");
	s.rename = (struct text_list)LIST("s/^/x\\//");
	s.strip_prefix = "x";
	s.root = "R";
	check_pairs(&s, "A", NULL, "A+>R/A"); /* in this order */
}

static void test_rename_refused(void **state)
{
	struct settings s = { .rename = LIST("s/Work//") };

	(void)state;
	check_refused(
		&s, "Work", (const char *const[]){ "--rename", "\"Work\"", "an empty name" }, 3);
	check_refused(&s, "Work/x", (const char *const[]){ "an empty level" }, 1);
	check_refused(&s, "x/Work", (const char *const[]){ "an empty level" }, 1);
	check_refused(&s, "a/Work/b", (const char *const[]){ "an empty level" }, 1);
	s.rename = (struct text_list)LIST("s/a/b");
	check_refused(&s, "a", (const char *const[]){ "--rename" }, 1);
	s.rename = (struct text_list)LIST("s/a/b/e");
	check_refused(&s, "a", (const char *const[]){ "--rename" }, 1);
	s.rename = (struct text_list)LIST("s/a/\x01/");
	check_refused(&s, "a", (const char *const[]){ "control" }, 1);
	s = (struct settings){ .root = "a//b" };
	check_refused(&s, "a", (const char *const[]){ "--root", "empty level" }, 2);
	s = (struct settings){ .into = "" };
	check_refused(&s, "a", (const char *const[]){ "--into" }, 1);
	s = (struct settings){ .strip_prefix = "/" };
	check_refused(&s, "a", (const char *const[]){ "--strip-prefix" }, 1);
}

/* Expressions that run away are given up on, and the name stays. */
static void test_hostile(void **state)
{
	struct settings s = { .rename = LIST("s/^(a+)+$/x/", "s/(?:(?:.?){1,30}){1,30}!/y/") };
	struct arena *arena = arena_new();
	char name[3000];

	(void)state;
	log_set_level(LOG_ERROR);
	memset(name, 'a', sizeof(name));
	name[40] = '!';
	name[41] = '\0';
	check_pairs(&s, name, NULL, arena_print(arena, "%s+>%s", name, name));
	name[41] = 'a';
	name[sizeof(name) - 1] = '\0';
	check_pairs(&s, name, NULL, arena_print(arena, "%s+>%s", name, name));
	s = (struct settings){ .rename = LIST("s/a/aa/g") };
	check_refused(&s, name + 100, (const char *const[]){ "too long" }, 1);
	log_set_level(LOG_WARN);
	arena_free(arena);
}

static void test_meetings(void **state)
{
	struct settings s = { .rename = LIST("s/B/A/") };

	(void)state;
	check_refused(&s, "A|B", (const char *const[]){ "\"A\"", "\"B\"", "--merge" }, 3);
	s.merge = true;
	check_pairs(&s, "A|B", NULL, "A+>A|B+>A");
	s.merge = false;
	check_pairs(&s, "A -|B", NULL, "A->A|B+>A"); /* holds nothing, meets nobody */
}

static char *log_text(struct arena *arena, const char *path)
{
	FILE *file = fopen(path, "r");
	char *text = arena_alloc(arena, 65536);

	assert_non_null(file);
	assert_true(fread(text, 1, 65535, file) > 0 || feof(file));
	fclose(file);
	return text;
}

static size_t count_text(const char *text, const char *part)
{
	size_t count = 0;

	for (const char *at = strstr(text, part); at != NULL; at = strstr(at + 1, part))
		count++;
	return count;
}

static void test_twins(void **state)
{
	struct settings s = { 0 };
	struct arena *arena = arena_new();
	struct err err = ERR_INIT;
	char path[] = "/tmp/test_names.XXXXXX";
	int fd = mkstemp(path);
	char *text;

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	log_set_level(LOG_ERROR);
	assert_int_equal(log_open(path, &err), 0);
	/* "é" composed and not; the second pair of twins is at the destination already */
	check_pairs(&s, "Caf\xc3\xa9|Cafe\xcc\x81|Work|work|X|Other", "x|OTHER|Other",
		"Cafe\xcc\x81+>Cafe\xcc\x81|Caf\xc3\xa9+>Caf\xc3\xa9|Other=>Other|Work+>Work|X+>X|"
		"work+>work");
	log_close();
	log_set_level(LOG_WARN);
	text = log_text(arena, path);
	assert_int_equal(count_text(text, "differ only in case"), 3);
	assert_int_equal(count_text(text, "\"Work\" and \"work\""), 1);
	assert_int_equal(count_text(text, "\"x\" and \"X\""), 1);
	assert_int_equal(count_text(text, "\"Other\""), 0);
	unlink(path);
	arena_free(arena);
}

static void check_map(const char *text, const char *name, const char *expected)
{
	struct arena *arena = arena_new();
	struct err err = ERR_INIT;
	struct name_map *map = name_map_parse("FILE", span_of(text), arena, &err);
	const char *got;

	if (map == NULL)
		fail_msg("%s", err.text);
	got = name_map_find(map, name, arena);
	if (expected == NULL)
		assert_null(got);
	else
		assert_string_equal(got, expected);
	name_map_free(map);
	arena_free(arena);
}

static void test_map(void **state)
{
	const char *const text = "\xef\xbb\xbf# comment\r\n"
				 "\r\n"
				 "  Sent : Sent Items  \r\n"
				 "  # another: comment\n"
				 "inbox: Archive/Old inbox\n"
				 "Gone:INBOX\n"
				 "\"with: colon\" : \"x \\\"y\\\" \\\\ \"\n"
				 "a\\:b\\\\c: d\\e\n"
				 "Work/**: Job\n"
				 "Work/2024: Year\n"
				 "Work/deep/*: Deep/**\n"
				 "\"Star/*\": star\n"
				 "no#comment: x#y\n"
				 "last: line";

	(void)state;
	check_map(text, "Sent", "Sent Items");
	check_map(text, "Sent/2024", NULL);
	check_map(text, "sent", NULL);
	check_map(text, "INBOX", "Archive/Old inbox");
	check_map(text, "INBOX/x", NULL);
	check_map(text, "Gone", "INBOX");
	check_map(text, "with: colon", "x \"y\" \\ ");
	check_map(text, "a:b\\c", "d\\e");
	check_map(text, "Work", "Job");
	check_map(text, "Work/x/y", "Job/x/y");
	check_map(text, "Workshop", NULL);
	check_map(text, "Work/2024", "Year");
	check_map(text, "Work/2024/May", "Job/2024/May");
	check_map(text, "Work/deep", "Deep");
	check_map(text, "Work/deep/er", "Deep/er");
	check_map(text, "Star/*", "star");
	check_map(text, "Star/x", NULL);
	check_map(text, "no#comment", "x#y");
	check_map(text, "last", "line");
	check_map("", "x", NULL);
	check_map("\n\n#\n", "#", NULL);
	check_map("INBOX/**: Old", "INBOX/x", "Old/x");
}

static void test_map_refused(void **state)
{
	static const struct {
		const char *text, *where, *why;
	} bad[] = {
		{ "# fine\nA B\n", "FILE:2: ", "no ':'" },
		{ "A: B: C", "FILE:1: ", "quotes" },
		{ ": B", "FILE:1: ", "an empty name" },
		{ "\"\": B", "FILE:1: ", "an empty name" },
		{ "A:", "FILE:1: ", "an empty name" },
		{ "A: \"\"", "FILE:1: ", "an empty name" },
		{ "A: /B", "FILE:1: ", "empty level" },
		{ "A: B//C", "FILE:1: ", "empty level" },
		{ "A: B/", "FILE:1: ", "empty level" },
		{ "\n\nA: \"B", "FILE:3: ", "not closed" },
		{ "\"A\\", "FILE:1: ", "not closed" },
		{ "\"A\" B: C", "FILE:1: ", "no ':'" },
		{ "A: \"B\" C", "FILE:1: ", "behind" },
		{ "A: B\nC: D\nA: E", "FILE:3: ", "line 1" },
		{ "INBOX: B\ninbox: E", "FILE:2: ", "line 1" },
		{ "A/*: B\nA/**: E", "FILE:2: ", "line 1" },
		{ "A: B/**", "FILE:1: ", "subtree" },
		{ "/**: B", "FILE:1: ", "an empty name" },
		{ "A\xff: B", "FILE:1: ", "UTF-8" },
		{ "A: B\xff", "FILE:1: ", "UTF-8" },
		{ "A: B\x01", "FILE:1: ", "control" },
	};

	(void)state;
	for (size_t i = 0; i < countof(bad); i++) {
		struct arena *arena = arena_new();
		struct err err = ERR_INIT;

		assert_null(name_map_parse("FILE", span_of(bad[i].text), arena, &err));
		assert_int_equal(err.kind, ERR_KIND_USAGE);
		if (strstr(err.text, bad[i].where) != err.text ||
			strstr(err.text, bad[i].why) == NULL)
			fail_msg("%s: \"%s\"", bad[i].text, err.text);
		arena_free(arena);
	}
	struct arena *arena = arena_new();
	struct err err = ERR_INIT;

	assert_null(name_map_parse("FILE", span_make("A\0: B", 5), arena, &err));
	arena_free(arena);
	name_map_free(NULL);
}

static void test_map_file(void **state)
{
	char path[] = "/tmp/test_names.XXXXXX";
	static const char text[] = "Sent: Gesendet\nTrash: Work\n";
	struct settings s = { .map_file = path,
		.rename = LIST("s/Sent/No/"),
		.root = "R",
		.strip_prefix = "Gesendet" };
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, sizeof(text) - 1), (ssize_t)sizeof(text) - 1);
	close(fd);
	/* A hit ends it, but for the destination location's own mailbox. */
	check_pairs(&s, "Sent|Work", NULL, "Sent+>Gesendet|Work+>R/Work");
	check_rooted(&s, "Sent|Work", NULL, NULL, "D", "Sent+>D/Gesendet|Work+>D/R/Work");
	s.root = NULL;
	check_refused(&s, "Trash|Work", (const char *const[]){ "Trash", "Work" }, 2);
	unlink(path);
	check_refused(&s, "Sent", (const char *const[]){ "--map" }, 1);
}

static void test_automap(void **state)
{
	struct settings s = { .automap = true };

	(void)state;
	/* By special use, children included, whatever they are called. */
	check_pairs(&s, "Alles|Foo \\Sent|Foo/2023|Foox", "Alles|Bar \\Sent",
		"Alles=>Alles|Foo=>Bar|Foo/2023+>Bar/2023|Foox+>Foox");
	/* By name, in whatever case and normal form, below INBOX or Gmail's own too. */
	check_pairs(&s, "Gesendet|Entwu\xcc\x88rfe/alt|Entw\xc3\xbcrfe|INBOX|INBOX/Papierkorb",
		"Sent Items|INBOX/DRAFTS|Trash \\Trash",
		"Entwu\xcc\x88rfe/alt+>Entwu\xcc\x88rfe/alt|Entw\xc3\xbcrfe=>INBOX/"
		"DRAFTS|Gesendet=>Sent Items|INBOX+>INBOX|INBOX/Papierkorb=>Trash");
	check_pairs(&s, "[Gmail]/Spam|[Gmail]/Sent Mail \\Sent|[Gmail]/All Mail \\All", "Junk|Sent",
		"[Gmail]/All Mail+>[Gmail]/All Mail|[Gmail]/Sent Mail=>Sent|[Gmail]/Spam=>Junk");
	/* Special use before names, and one mailbox for each use. */
	check_pairs(&s, "Sent Items|X \\Sent", "Sent|Y \\Sent", "Sent Items+>Sent Items|X=>Y");
	check_pairs(&s, "Sent Items|Sent Mail", "Sent", "Sent Items=>Sent|Sent Mail+>Sent Mail");
	/* Nothing of the kind at the destination, or only as a name without mailbox: the name stays. */
	check_pairs(&s, "Gesendet \\Sent", "INBOX|Sent -", "Gesendet+>Gesendet");
	/* Deep names tell nothing. */
	check_pairs(&s, "Work/Sent", "Sent", "Work/Sent+>Work/Sent");
	/* The nearest special mailbox counts. */
	check_pairs(&s, "Archive|Archive/Bin \\Trash|Archive/Bin/x|Archive/y", "Archiv|Trash",
		"Archive=>Archiv|Archive/Bin=>Trash|Archive/Bin/x+>Trash/x|Archive/y+>Archiv/y");
	/* INBOX has no other use. */
	check_pairs(&s, "INBOX \\Archive", "Archive \\Archive", "INBOX+>INBOX");
	/* What keeps its name may meet what gets another one. */
	check_meeting(&s, "Sent|X \\Sent", "Sent \\Sent",
		(const char *const[]){ "\"Sent\"", "\"X\"", "--merge" }, 3);
}

static void test_automap_and_others(void **state)
{
	struct settings s = { .automap = true, .rename = LIST("s/^Alt\\///", "s/^Foo$/Drafts/") };

	(void)state;
	/* Who renames a mailbox says what it is. */
	check_pairs(&s, "Alt/Gesendet|Foo \\Sent", "Sent|Entw\xc3\xbcrfe",
		"Alt/Gesendet=>Sent|Foo=>Entw\xc3\xbcrfe");
	s = (struct settings){ .automap = true, .root = "R" };
	check_pairs(&s, "Gesendet", "Sent", "Gesendet+>R/Gesendet");
	check_pairs(&s, "Gesendet", "Sent|R/Sent Items", "Gesendet=>R/Sent Items");
	check_rooted(&s, "Gesendet", "Sent|R/Sent|D/R/Sent Items \\Sent", NULL, "D",
		"Gesendet=>D/R/Sent Items");
	s = (struct settings){ .automap = true };
	/* Between two locations that are mailboxes the names don't matter. */
	check_rooted(&s, "Gesendet|Gesendet/x", "Sent|Old", "Gesendet", "Old",
		"Gesendet=>Old|Gesendet/x+>Old/x");
}

/* Every row of the table is found, as what it says, and none is there twice. */
static void test_automap_table(void **state)
{
	struct arena *arena = arena_new();

	(void)state;
	assert_true(automap_name_count > 350);
	for (size_t i = 0; i < automap_name_count; i++) {
		struct mailbox_info dst = { .name = "Target", .use = automap_names[i].use };
		struct mailbox_list list = { .mailbox = &dst, .count = 1, .delimiter = '/' };
		struct automap_source src = { automap_names[i].name, STORE_USE_NONE };
		struct automap_request request = { &src, 1, &list, NULL };
		const char *got = automap_find(automap_new(&request, arena), src.name, arena);

		assert_non_null(got);
		assert_string_equal(got, "Target");
		assert_true(utf8_valid(span_of(src.name)));
		for (size_t j = 0; j < i; j++) {
			if (strcmp(mailbox_fold(automap_names[j].name, arena),
				    mailbox_fold(src.name, arena)) == 0)
				fail_msg("\"%s\" is there twice", src.name);
		}
		arena_clear(arena);
	}
	arena_free(arena);
}

/* Names as servers may send them never stop the others. */
static void test_hostile_names(void **state)
{
	struct settings s = { .strip_prefix = "a", .automap = true };

	(void)state;
	check_pairs(&s, "/|//|a/|a//b|/a|../../etc/passwd|%2F|*|\"", "Sent",
		"\"+>\"|%2F+>%2F|*+>*|../../etc/passwd+>../../etc/passwd|/+>/|//+>//|/a+>/a|a/+>a/"
		"|a//b+>/b");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_roots),
		cmocka_unit_test(test_strip),
		cmocka_unit_test(test_into),
		cmocka_unit_test(test_rename),
		cmocka_unit_test(test_rename_refused),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_meetings),
		cmocka_unit_test(test_twins),
		cmocka_unit_test(test_map),
		cmocka_unit_test(test_map_refused),
		cmocka_unit_test(test_map_file),
		cmocka_unit_test(test_automap),
		cmocka_unit_test(test_automap_and_others),
		cmocka_unit_test(test_automap_table),
		cmocka_unit_test(test_hostile_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
