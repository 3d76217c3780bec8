/* Lines of messages: whole where nobody looks at columns, within them on a terminal, harmless in both. */
#include "cli/message_line.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const char *line_of(const struct message_line *message, size_t columns, struct arena *arena)
{
	struct buf buffer;
	char *text;

	buf_init(&buffer, 10000);
	assert_int_equal(message_line(message, columns, arena, &buffer), 0);
	text = arena_text(arena, buf_span(&buffer));
	buf_release(&buffer);
	return text;
}

static void test_line(void **state)
{
	struct message_line message = {
		.mailbox = "Lists/\xe6\x97\xa5\xe6\x9c\xac",
		.uid = 7,
		.date = { 1672650000, 60 },
		.from = "Anna <a@example.org>",
		.subject =
			"\033[31mred\tand a subject that is much longer than any terminal is wide \xe6\x97\xa5\xe6\x9c\xac"
	};
	struct arena *arena = arena_new();
	const char *text = line_of(&message, 0, arena);

	(void)state;
	assert_string_equal(text,
		"Lists/\xe6\x97\xa5\xe6\x9c\xac                    7  02-Jan-2023 10:00:00 +0100  Anna <a@example.org>            "
		"\\x1B[31mred and a subject that is much longer than any terminal is wide \xe6\x97\xa5\xe6\x9c\xac\n");
	for (size_t columns = 60; columns < 300; columns++) {
		text = line_of(&message, columns, arena);
		if (utf8_columns(span_sub(span_of(text), 0, strlen(text) - 1)) > columns)
			fail_msg("%zu: %s", columns, text);
	}
	message.what = "move to X";
	text = line_of(&message, 80, arena);
	assert_non_null(strstr(text, "02-Jan-2023  Anna"));
	assert_non_null(strstr(text, "\xe2\x80\xa6\n    move to X\n"));
	assert_non_null(strstr(line_of(&message, 0, arena), "  move to X\n"));
	message.from = message.subject = NULL;
	(void)line_of(&message, 80, arena);
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
