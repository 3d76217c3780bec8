/* Mailbox names: RFC examples, escapes over every delimiter and prefix, names that are no names, and the round trips. */
#include "mail/mailbox_name.h"

#include "base/arena.h"
#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_mutf7(void **state)
{
	static const struct {
		const char *utf7, *utf8;
	} pairs[] = {
		{ "", "" },
		{ "INBOX", "INBOX" },
		{ "~peter/mail/&U,BTFw-/&ZeVnLIqe-",
			"~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e" }, /* §5.1.3 */
		{ "&-", "&" },
		{ "R&-D", "R&D" },
		{ "&AOk-&-&AOk-", "\xc3\xa9&\xc3\xa9" },
		{ "Entw&APw-rfe", "Entw\xc3\xbcrfe" },
		{ "&2D3eAA-", "\xf0\x9f\x98\x80" },
		{ "&AAo-", "\n" },
		{ "&AH8-", "\x7f" },
		{ "&2AHcNw-", "\xf0\x90\x90\xb7" },
		{ "&,,8-", "\xef\xbf\xbf" },
		{ "a-b+c,d", "a-b+c,d" },
	};
	static const char *const bad[] = { "&", "a&", "&AOk", "&A-", "&AO-", "&AOk=-", "&AOk/-",
		"&AGE-", "&AAAA-", "&AAA-", "&AOl-", "&2D0-", "&3gA-", "&2D0AYQ-", "&AOk-&AOk-",
		"\xc3\xa9", "\n", "\x7f", "&AOkA-", "&AOkAAAA-", "R&D", "&&-" };
	static const char *const bad_utf8[] = { "\xff", "\xc3", "\xc0\x80", "\xed\xa0\x80",
		"\xf4\x90\x80\x80", "\xe2\x82", "\x80", "\xf8\x88\x80\x80\x80" };
	struct arena *arena = arena_new();
	char *out;

	(void)state;
	for (size_t i = 0; i < countof(pairs); i++) {
		assert_int_equal(mutf7_decode(span_of(pairs[i].utf7), arena, &out), 0);
		assert_string_equal(out, pairs[i].utf8);
		assert_int_equal(mutf7_encode(span_of(pairs[i].utf8), arena, &out), 0);
		assert_string_equal(out, pairs[i].utf7);
	}
	for (size_t i = 0; i < countof(bad); i++) {
		if (mutf7_decode(span_of(bad[i]), arena, &out) != -1)
			fail_msg("\"%s\" was decoded", bad[i]);
	}
	assert_int_equal(mutf7_decode(span_make("a\0b", 3), arena, &out), -1);
	for (size_t i = 0; i < countof(bad_utf8); i++)
		assert_int_equal(mutf7_encode(span_of(bad_utf8[i]), arena, &out), -1);
	assert_int_equal(mutf7_encode(span_make("a\0b", 3), arena, &out), -1);
	arena_free(arena);
}

struct pair {
	struct mailbox_style style;
	const char *server, *display;
	bool changed; /* on the way to the server */
};

static const struct pair pairs[] = {
	{ { '/', false, "" }, "INBOX", "INBOX", false },
	{ { '/', false, "" }, "a/b", "a/b", false },
	{ { '.', false, "" }, "a.b", "a/b", false },
	{ { '\\', false, "" }, "a\\b", "a/b", false },
	{ { '.', false, "INBOX." }, "INBOX.Sent", "Sent", false },
	{ { '.', false, "INBOX." }, "INBOX.a.b", "a/b", false },
	{ { '/', false, "" }, "INBOX/a", "INBOX/a", false },
	{ { '.', false, "INBOX." }, "INBOX.INBOX.a", "INBOX/a", false },
	{ { '/', false, "" }, "Entw&APw-rfe/R&-D", "Entw\xc3\xbcrfe/R&D", false },
	{ { '/', true, "" }, "Entw\xc3\xbcrfe/R&D", "Entw\xc3\xbcrfe/R&D", false },
	{ { '/', true, "" }, "R&-D", "R&-D", false },
	/* a '/' in a level */
	{ { '.', false, "" }, "a/b.c", "a%2Fb/c", false },
	{ { '.', false, "" }, "a%2Fb", "a%252Fb", false },
	{ { '.', false, "" }, "a%252Fb", "a%25252Fb", false },
	{ { '/', false, "" }, "a%2Fb", "a%2Fb", true },
	{ { '/', false, "" }, "a%252Fb", "a%252Fb", false },
	/* the server's delimiter in a level */
	{ { '.', false, "" }, "a%2Eb", "a.b", true },
	{ { '.', false, "" }, "a%252Eb", "a%2Eb", true },
	{ { '/', false, "" }, "a%2Eb", "a%2Eb", false },
	{ { '\\', false, "" }, "a%5Cb", "a\\b", true },
	{ { '|', false, "" }, "a.b|c/d", "a.b/c%2Fd", false },
	/* a '%' that is no escape */
	{ { '/', false, "" }, "100%", "100%", false },
	{ { '.', false, "" }, "100%25", "100%25", false },
	{ { '.', false, "" }, "%%/%2", "%%%2F%2", false },
	{ { '.', false, "" }, "%2f%2e", "%2f%2e", false },
	/* flat */
	{ { 0, false, "" }, "a.b", "a.b", false },
	{ { 0, false, "" }, "a/b", "a%2Fb", false },
	{ { 0, false, "" }, "a%2Fb", "a/b", true },
	{ { 0, false, "" }, "a%252Fb", "a%252Fb", false },
	/* controls and what is no text */
	{ { '/', false, "" }, "a%0D%0Ab", "a%0D%0Ab", true },
	{ { '/', false, "" }, "R%26D", "R%26D", true },
	{ { '/', false, "" }, "%E9", "%E9", true },
	/* another mailbox called INBOX */
	{ { '.', false, "INBOX." }, "INBOX.INBOX", "%49NBOX", false },
	{ { '.', false, "INBOX." }, "INBOX.inbox", "%69nbox", false },
	{ { '.', false, "INBOX." }, "INBOX.%49NBOX", "%2549NBOX", false },
	{ { '.', false, "" }, "%49NBOX", "%49NBOX", true },
	{ { '.', false, "" }, "%2549NBOX", "%2549NBOX", false },
};

static void test_pairs(void **state)
{
	struct arena *arena = arena_new();

	(void)state;
	for (size_t i = 0; i < countof(pairs); i++) {
		const struct pair *pair = &pairs[i];
		struct err err = ERR_INIT;
		bool changed = !pair->changed;
		char *server;

		assert_string_equal(
			mailbox_display(&pair->style, span_of(pair->server), arena), pair->display);
		assert_int_equal(
			mailbox_server(&pair->style, pair->display, arena, &server, &changed, &err),
			0);
		assert_string_equal(server, pair->server);
		if (changed != pair->changed)
			fail_msg("\"%s\": changed is %d", pair->display, changed);
	}
	arena_free(arena);
}

/* Shown one way only: the server's own form is no legal name, or there are several for one mailbox. */
static void test_display(void **state)
{
	static const struct pair oneway[] = {
		{ { '/', false, "" }, "inbox", "INBOX", false },
		{ { '.', false, "INBOX." }, "Inbox", "INBOX", false },
		{ { '.', false, "INBOX." }, "Inbox.Sent", "Sent", false },
		{ { '.', false, "INBOX." }, "shared.x", "shared/x", false },
		{ { '.', false, "INBOX." }, "INBOX.", "INBOX/", false },
		{ { '/', false, "Mail/" }, "mail/x", "mail/x", false },
		{ { '/', false, "" }, "R&D/x&-y", "R%26D/x&y", false },
		{ { '/', false, "" }, "&AGE-", "%26AGE-", false },
		{ { '/', false, "" }, "&AAo-", "%26AAo-", false },
		{ { '/', false, "" }, "a\r\nb\x7f", "a%0D%0Ab%7F", false },
		{ { '/', false, "" }, "caf\xe9", "caf%E9", false },
		{ { '/', false, "" }, "caf\xc3\xa9", "caf\xc3\xa9", false },
		{ { '/', true, "" }, "caf\xe9", "caf%E9", false },
		{ { '/', false, "" }, "a//b/", "a//b/", false },
		{ { '/', false, "" }, "", "", false },
		{ { '%', false, "" }, "a%b", "a/b", false },
	};
	const struct mailbox_style slash = { '/', false, "" };
	struct arena *arena = arena_new();

	(void)state;
	for (size_t i = 0; i < countof(oneway); i++)
		assert_string_equal(
			mailbox_display(&oneway[i].style, span_of(oneway[i].server), arena),
			oneway[i].display);
	assert_string_equal(mailbox_display(&slash, span_make("a\0b", 3), arena), "a%00b");
	arena_free(arena);
}

static void test_refused(void **state)
{
	static const struct pair refused[] = {
		{ { '/', false, "" }, NULL, "", false },
		{ { '/', false, "" }, NULL, "/a", false },
		{ { '/', false, "" }, NULL, "a/", false },
		{ { '/', false, "" }, NULL, "a//b", false },
		{ { 0, false, "" }, NULL, "a//b", false },
		{ { '%', false, "" }, NULL, "100%", false }, /* cannot be written there at all */
		{ { '2', false, "" }, NULL, "a2", false },
		{ { '&', false, "" }, NULL, "\xc3\xa9", false },
	};
	const struct mailbox_style slash = { '/', false, "" };
	struct arena *arena = arena_new();
	static char longer[MAILBOX_NAME_MAX + 2];
	bool changed;
	char *out = NULL;
	struct err err;

	(void)state;
	for (size_t i = 0; i < countof(refused); i++) {
		err = ERR_INIT;
		if (mailbox_server(&refused[i].style, refused[i].display, arena, &out, &changed,
			    &err) != -1)
			fail_msg("\"%s\" was taken", refused[i].display);
		assert_int_equal(err.scope, ERR_MAILBOX);
		assert_null(out);
	}
	memset(longer, 'x', MAILBOX_NAME_MAX);
	assert_int_equal(mailbox_server(&slash, longer, arena, &out, &changed, &err), 0);
	longer[MAILBOX_NAME_MAX] = 'x';
	assert_int_equal(mailbox_server(&slash, longer, arena, &out, &changed, &err), -1);
	memset(longer, '\n', MAILBOX_NAME_MAX);
	longer[MAILBOX_NAME_MAX] = '\0';
	assert_int_equal(mailbox_server(&slash, longer, arena, &out, &changed, &err), -1);
	arena_free(arena);
}

static void test_hostile_display(void **state)
{
	const struct mailbox_style dot = { '.', false, "" };
	struct arena *arena = arena_new();
	struct err err = ERR_INIT;
	bool changed = false;
	char *out;

	(void)state;
	/* what a user types or another server gives: no control, no invalid byte reaches a command */
	assert_int_equal(
		mailbox_server(&dot, "a\r\nA1 DELETE x\xff\"{5+}", arena, &out, &changed, &err), 0);
	assert_string_equal(out, "a%0D%0AA1 DELETE x%FF\"{5+}");
	assert_true(changed);
	arena_free(arena);
}

static unsigned next_random(unsigned *seed)
{
	*seed = *seed * 1103515245u + 12345;
	return *seed >> 16;
}

/* Names of the bytes that matter, through two servers and back. */
static void test_random(void **state)
{
	static const char *const pieces[] = { "%", "25", "2F", "2E", "5C", "/", ".", "\\", "a",
		"%2F", "%252E", "\xc3\xa9", "&", "-", "%49NBOX", "INBOX", "I", "\xf0\x9f\x98\x80",
		" ", "%0A", "%26", "\"" };
	static const struct mailbox_style styles[] = { { '/', false, "" }, { '.', false, "" },
		{ '.', false, "INBOX." }, { '\\', true, "" }, { 0, false, "" },
		{ '/', true, "Mail/" }, { '^', false, "user^" } };
	unsigned seed = 3;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		const struct mailbox_style *style = &styles[next_random(&seed) % countof(styles)];
		const struct mailbox_style *other = &styles[next_random(&seed) % countof(styles)];
		struct arena *arena = arena_new();
		struct err err = ERR_INIT;
		char *utf8 = arena_strdup(arena, style->prefix), *name, *display, *back;
		bool changed;

		for (unsigned n = next_random(&seed) % 6 + 1; n > 0; n--)
			utf8 = arena_print(
				arena, "%s%s", utf8, pieces[next_random(&seed) % countof(pieces)]);
		name = utf8;
		if (!style->utf8)
			assert_int_equal(mutf7_encode(span_of(utf8), arena, &name), 0);
		display = mailbox_display(style, span_of(name), arena);
		if (mailbox_server(style, display, arena, &back, &changed, &err) == 0)
			assert_string_equal(back, name);
		else /* only a name with an empty level cannot be made */
			assert_true(strstr(display, "//") != NULL || display[0] == '/' ||
				    display[strlen(display) - 1] == '/');
		if (err.scope == ERR_NONE &&
			mailbox_server(other, display, arena, &back, &changed, &err) == 0)
			assert_string_equal(mailbox_display(other, span_of(back), arena), display);
		arena_free(arena);
	}
}

static void test_tree(void **state)
{
	struct arena *arena = arena_new();

	(void)state;
	assert_null(mailbox_parent("a", arena));
	assert_string_equal(mailbox_parent("a/b/c", arena), "a/b");
	assert_true(mailbox_below("", "a"));
	assert_true(mailbox_below("a", "a"));
	assert_true(mailbox_below("a", "a/b"));
	assert_false(mailbox_below("a", "ab"));
	assert_false(mailbox_below("a/b", "a"));
	assert_true(mailbox_below("inbox", "INBOX"));
	assert_true(mailbox_is_inbox("iNbOx"));
	assert_false(mailbox_is_inbox("INBOX/a"));
	assert_false(mailbox_is_inbox(""));
	arena_free(arena);
}

static void test_fold(void **state)
{
	static const char *const same[][2] = {
		{ "Sent", "SENT" }, { "\xc3\x84rger", "a\xcc\x88RGER" }, /* Ä, a + diaeresis */
		{ "\xce\xa3\xce\x91\xce\xa3", "\xcf\x83\xce\xb1\xcf\x82" }, /* ΣΑΣ, σας */
		{ "\xd0\x99", "\xd0\xb8\xcc\x86" }, /* Й, и + breve */
		{ "\xe1\xbb\x86", "e\xcc\xa3\xcc\x82" }, /* Ệ */
		{ "\xe1\xba\x9e", "\xc3\x9f" }, /* ẞ, ß */
	};
	struct arena *arena = arena_new();

	(void)state;
	for (size_t i = 0; i < countof(same); i++)
		assert_string_equal(
			mailbox_fold(same[i][0], arena), mailbox_fold(same[i][1], arena));
	assert_string_not_equal(mailbox_fold("\xc3\xa4", arena), mailbox_fold("a", arena));
	assert_string_equal(mailbox_fold("\xff\xe6\x97\xa5X", arena), "\xff\xe6\x97\xa5x");
	assert_string_equal(mailbox_fold("", arena), "");
	arena_free(arena);
}

static char *strict_decode(const char *text, char escape, struct arena *arena)
{
	char *out = arena_strdup(arena, text), *end = out;

	for (; *text != '\0'; text++) {
		char pair[3] = "";

		if (*text != escape) {
			*end++ = *text;
			continue;
		}
		memcpy(pair, text + 1, 2);
		*end++ = (char)strtoul(pair, NULL, 16);
		text += 2;
	}
	*end = '\0';
	return out;
}

static void test_strict(void **state)
{
	static const struct {
		char delimiter;
		const char *level, *percent, *equals;
	} rows[] = {
		{ '/', "Plain", "Plain", "Plain" },
		{ '/', "emoji \xf0\x9f\x98\x80", "emoji %F0%9F%98%80", "emoji =F0=9F=98=80" },
		{ '/', "100%", "100%25", "100=25" },
		{ '/', "a=b", "a%3Db", "a=3Db" },
		{ '/', "a%2Fb", "a%252Fb", "a=252Fb" },
		{ '/', "a.b c_d+e-f", "a.b c_d+e-f", "a.b c_d+e-f" },
		{ '/', " a ", "%20a%20", "=20a=20" },
		{ '/', "..", "%2E%2E", "=2E=2E" },
		{ '.', "a.b", "a%2Eb", "a=2Eb" },
		{ '-', "a-b", "a%2Db", "a=2Db" },
		{ '\0', "a/b", "a%2Fb", "a=2Fb" },
		{ '=', "a=b", "a%3Db", NULL },
		{ '%', "a%b", NULL, "a=25b" },
		{ 'A', "ab", NULL, NULL },
	};
	struct arena *arena = arena_new();

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		const struct mailbox_style style = { rows[i].delimiter, false, "" };
		const char *wanted[] = { rows[i].percent, rows[i].equals };

		for (size_t e = 0; e < 2; e++) {
			const char *out =
				mailbox_strict(&style, span_of(rows[i].level), "%="[e], arena);

			if (wanted[e] == NULL) {
				assert_null(out);
				continue;
			}
			assert_string_equal(out, wanted[e]);
			assert_string_equal(strict_decode(out, "%="[e], arena), rows[i].level);
		}
	}
	/* Every octet, alone and between others: decoding leads back, so no two levels share a form. */
	for (unsigned byte = 1; byte < 256; byte++) {
		const struct mailbox_style style = { '.', false, "" };
		const char *level = arena_print(arena, "a%cb%c", (int)byte, (int)byte);

		for (size_t e = 0; e < 2; e++)
			assert_string_equal(strict_decode(mailbox_strict(&style, span_of(level),
								  "%="[e], arena),
						    "%="[e], arena),
				level);
	}
	arena_free(arena);
}

static void test_is_strict(void **state)
{
	static const struct {
		struct mailbox_style style;
		const char *raw, *display;
		bool strict;
	} rows[] = {
		{ { '/', false, "" }, "100%25", "100%", true },
		{ { '/', false, "" }, "100=25", "100%", true },
		{ { '/', false, "" }, "100%", "100%", false },
		{ { '/', false, "" }, "K&APw-che/100%25",
			"K\xc3\xbc"
			"che/100%",
			true },
		{ { '/', false, "" }, "K%C3%BCche/100%25",
			"K\xc3\xbc"
			"che/100%",
			true },
		{ { '/', false, "" }, "K%C3%BCche/100",
			"K\xc3\xbc"
			"che/100%",
			false },
		{ { '/', false, "" }, "100%25/a", "100%", false },
		{ { '/', false, "" }, "100%25", "100%/a", false },
		{ { '.', false, "INBOX." }, "INBOX.100%25.a", "100%/a", true },
		{ { '.', false, "INBOX." }, "100%25.a", "100%/a", false },
		{ { '\0', false, "" }, "a%2F100%25", "a/100%", true },
		{ { '/', false, "" }, "INBOX", "INBOX", false },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		if (mailbox_is_strict(&rows[i].style, rows[i].raw, rows[i].display) !=
			rows[i].strict)
			fail_msg("\"%s\" for \"%s\"", rows[i].raw, rows[i].display);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mutf7),
		cmocka_unit_test(test_pairs),
		cmocka_unit_test(test_display),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_hostile_display),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_tree),
		cmocka_unit_test(test_fold),
		cmocka_unit_test(test_strict),
		cmocka_unit_test(test_is_strict),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
