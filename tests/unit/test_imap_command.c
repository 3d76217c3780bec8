/* Commands as bytes: each kind of argument, and that nothing breaks out of its argument. */
#include "imap/imap_command.h"

#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void check(struct imap_command *command, const char *expected, size_t literals)
{
	assert_false(command->broken);
	assert_string_equal(buf_text(&command->bytes), expected);
	assert_int_equal(command->literals, literals);
	for (size_t i = 0; i < literals; i++) {
		assert_int_equal(command->bytes.data[command->literal[i]], '}');
		assert_memory_equal(command->bytes.data + command->literal[i], "}\r\n", 3);
	}
	imap_command_release(command);
}

static void test_words(void **state)
{
	struct imap_command command;

	(void)state;
	imap_command_init(&command, "UID FETCH");
	imap_command_raw(&command, "");
	imap_command_raw(&command, NULL);
	imap_command_raw(&command, "1:*");
	imap_command_print(&command, "(UID %s) (CHANGEDSINCE %llu)", "FLAGS", 123ull);
	check(&command, "UID FETCH 1:* (UID FLAGS) (CHANGEDSINCE 123)", 0);
}

static void test_string(void **state)
{
	static const struct {
		const char *text, *expected;
		size_t literals;
	} rows[] = {
		{ "smith", "X smith", 0 },
		{ "", "X \"\"", 0 },
		{ "NIL", "X \"NIL\"", 0 },
		{ "nil", "X \"nil\"", 0 },
		{ "nils", "X nils", 0 },
		{ "a b", "X \"a b\"", 0 },
		{ "a\"b\\c", "X \"a\\\"b\\\\c\"", 0 },
		{ "a(b", "X \"a(b\"", 0 },
		{ "{5}", "X \"{5}\"", 0 },
		{ "a]b", "X \"a]b\"", 0 },
		{ "*%", "X \"*%\"", 0 },
		{ "tab\there\x7f", "X \"tab\there\x7f\"", 0 },
		{ "p\xc3\xa4ss", "X {5}\r\np\xc3\xa4ss", 1 },
		{ "a\r\nb LOGOUT", "X {11}\r\na\r\nb LOGOUT", 1 },
		{ "\n", "X {1}\r\n\n", 1 },
		{ "\r", "X {1}\r\n\r", 1 },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		struct imap_command command;

		imap_command_init(&command, "X");
		imap_command_string(&command, span_of(rows[i].text));
		if (rows[i].literals)
			assert_int_equal(command.literal_size[0], strlen(rows[i].text));
		check(&command, rows[i].expected, rows[i].literals);
	}
}

static void test_two_literals(void **state)
{
	struct imap_command command;

	(void)state;
	imap_command_init(&command, "LOGIN");
	command.secret = true;
	imap_command_string(&command, SPAN("\xff"));
	imap_command_string(&command, SPAN("\xfe\xfe"));
	assert_int_equal(command.literal[0], 8);
	assert_int_equal(command.literal_size[1], 2);
	check(&command, "LOGIN {1}\r\n\xff {2}\r\n\xfe\xfe", 2);
}

static void test_mailbox(void **state)
{
	static const struct {
		const char *name, *expected;
		size_t literals;
	} rows[] = {
		{ "INBOX", "SELECT \"INBOX\"", 0 },
		{ "", "SELECT \"\"", 0 },
		{ "NIL", "SELECT \"NIL\"", 0 },
		{ "a\"b\\c*%", "SELECT \"a\\\"b\\\\c*%\"", 0 },
		{ "R\xc3\xa9seaux", "SELECT \"R\xc3\xa9seaux\"", 0 },
		{ "R&AOk-seaux", "SELECT \"R&AOk-seaux\"", 0 },
		{ "a\nb", "SELECT {3}\r\na\nb", 1 },
		{ "a\r\nm1 DELETE x", "SELECT {14}\r\na\r\nm1 DELETE x", 1 },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		struct imap_command command;

		imap_command_init(&command, "SELECT");
		imap_command_mailbox(&command, rows[i].name);
		check(&command, rows[i].expected, rows[i].literals);
	}
}

static void test_flags(void **state)
{
	static const struct {
		const char *names, *expected;
	} rows[] = {
		{ "", "X ()" },
		{ "\\Seen $Work", "X (\\Seen $Work)" },
		{ "  \\Seen   a  ", "X (\\Seen a)" },
		{ "\\Recent \\recent \\* \\ a]b [c (d) e{5} \"f\" g\\h \\i\\j k%l m*n o\xc3\xa9 "
		  "p\x01 q\tr ok",
			"X ([c ok)" },
		{ "a)\r\nm1 LOGOUT", "X (LOGOUT)" },
		{ "$Forwarded $MDNSent NonJunk x/y:z;<>=?@^_`|~!#&',-.+",
			"X ($Forwarded $MDNSent NonJunk x/y:z;<>=?@^_`|~!#&',-.+)" },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		struct imap_command command;

		imap_command_init(&command, "X");
		imap_command_flags(&command, rows[i].names);
		check(&command, rows[i].expected, 0);
	}
}

static void test_set(void **state)
{
	struct imap_command command;
	struct arena *arena = arena_new();
	struct uidset set;

	(void)state;
	assert_int_equal(uidset_parse(SPAN("1:3,7,9:*"), arena, &set), 0);
	imap_command_init(&command, "UID STORE");
	imap_command_set(&command, &set);
	imap_command_raw(&command, "+FLAGS.SILENT");
	check(&command, "UID STORE 1:3,7,9:4294967295 +FLAGS.SILENT", 0);
	arena_free(arena);
}

/* Each of these would be a different command than meant: it must not be sent. */
static void test_broken(void **state)
{
	static char huge[IMAP_COMMAND_MAX + 1];
	struct imap_command command;
	struct arena *arena = arena_new();
	const struct uidset empty = { 0 };
	struct uidset large = { 0 };

	(void)state;
	memset(huge, 'x', sizeof(huge) - 1);
	for (uint32_t i = 0; i < 200000; i++)
		uidset_add(&large, arena, 1000000 + 2 * i, 1000000 + 2 * i);
	for (int which = 0; which < 11; which++) {
		imap_command_init(&command, which == 0 ? "NOOP\r\nm1 LOGOUT" : "X");
		switch (which) {
		case 1:
			imap_command_raw(&command, "a\r\nb");
			break;
		case 2:
			imap_command_print(&command, "%s", "a\nb");
			break;
		case 3:
			imap_command_string(&command, SPAN("a\0b"));
			break;
		case 4:
			imap_command_mailbox(&command, NULL);
			break;
		case 5:
			imap_command_set(&command, &empty);
			break;
		case 6:
			imap_command_string(&command, span_of(huge));
			break;
		case 7:
			for (int i = 0; i <= IMAP_COMMAND_LITERALS; i++)
				imap_command_string(&command, SPAN("\n"));
			break;
		case 8:
			imap_command_print(&command, "%s", huge);
			break;
		case 9:
			imap_command_raw(&command, huge);
			break;
		case 10:
			imap_command_set(&command, &large);
			break;
		}
		if (!command.broken)
			fail_msg("case %d is not broken", which);
		imap_command_release(&command);
	}
	arena_free(arena);
}

static void test_is_atom(void **state)
{
	(void)state;
	assert_true(imap_is_atom(SPAN("$Work-1.2:+")));
	assert_false(imap_is_atom(SPAN("")));
	for (int byte = 0; byte < 256; byte++) {
		const char c = (char)byte;
		const bool special =
			byte <= ' ' || byte >= 0x7f || memchr("(){%*\"\\]", byte, 8) != NULL;

		assert_int_equal(imap_is_atom(span_make(&c, 1)), !special);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_string),
		cmocka_unit_test(test_two_literals),
		cmocka_unit_test(test_mailbox),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_set),
		cmocka_unit_test(test_broken),
		cmocka_unit_test(test_is_atom),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
