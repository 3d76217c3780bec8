/*
 * Arguments from anywhere: what comes out is one command. Outside its literals and quoted strings there is no CR or LF, quotes and
 * parentheses close, and reading it back gives the arguments that went in.
 *
 * The input is a list of arguments between 0xff octets; the first octet of each says what kind it is.
 */
#include "imap/imap_command.h"
#include "imap/imap_syntax.h"

#include "base/arena.h"

#define ARGUMENTS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void add(struct imap_command *command, struct arena *arena, char kind, struct span text)
{
	struct uidset set;

	switch (kind % 5) {
	case 0:
		imap_command_string(command, text);
		break;
	case 1:
		imap_command_mailbox(command, arena_text(arena, text));
		break;
	case 2:
		imap_command_flags(command, arena_text(arena, text));
		break;
	case 3:
		if (uidset_parse(text, arena, &set) == 0)
			imap_command_set(command, &set);
		break;
	default:
		imap_command_print(command, "(%s)", arena_text(arena, text));
		command->broken |= span_find(text, '"') !=
				   SIZE_MAX; /* our own words are not checked for balance */
	}
}

static void check_literals(const struct imap_command *command)
{
	struct span rest = buf_span(&command->bytes);
	size_t at = 0;

	for (size_t i = 0; i < command->literals; i++) {
		must(command->literal[i] + 3 + command->literal_size[i] <= rest.len);
		for (; at < command->literal[i]; at++)
			must(rest.data[at] != '\r' && rest.data[at] != '\n' &&
				rest.data[at] != '\0');
		must(memcmp(rest.data + at, "}\r\n", 3) == 0);
		at += 3 + command->literal_size[i];
	}
	for (; at < rest.len; at++)
		must(rest.data[at] != '\r' && rest.data[at] != '\n' && rest.data[at] != '\0');
}

static void check_strings(
	struct imap_command *command, struct arena *arena, const struct span *strings, size_t count)
{
	struct imap_cursor c = imap_cursor(buf_span(&command->bytes), arena);
	struct span value;

	must(imap_read_atom(&c, &value) && span_equal(value, SPAN("X")));
	for (size_t i = 0; i < count; i++) {
		must(imap_skip_char(&c, ' '));
		must(imap_read_string(&c, &value) && value.data && span_equal(value, strings[i]));
	}
	must(imap_at_end(&c));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = span_make((const char *)data, size), strings[ARGUMENTS_MAX];
	struct arena *arena = arena_new();
	struct imap_command command, only_strings;
	size_t count = 0;

	imap_command_init(&command, "X");
	imap_command_init(&only_strings, "X");
	while (rest.len > 1 && count < ARGUMENTS_MAX) {
		const struct span text =
			span_sub(span_from(rest, 1), 0, span_find(span_from(rest, 1), '\xff'));

		add(&command, arena, rest.data[0], text);
		imap_command_string(&only_strings, text);
		strings[count++] = text;
		rest = span_from(rest, text.len + 2);
	}
	if (!command.broken)
		check_literals(&command);
	if (!only_strings.broken) {
		check_literals(&only_strings);
		check_strings(&only_strings, arena, strings, count);
	}
	imap_command_release(&command);
	imap_command_release(&only_strings);
	arena_free(arena);
	return 0;
}
