/* One command as bytes. What cannot be written breaks the command: it is never sent in part. */
#include "imap/imap_command.h"

#include <stdarg.h>

#define ROOM_FIRST \
	1024 /* so that a password is not left behind where the buffer was before it grew */

/* ATOM-CHAR = any CHAR except ( ) { SP CTL % * DQUOTE \ ] (RFC 3501 §9 atom-specials) */
static bool is_atom_char(char byte)
{
	return byte > ' ' && byte < 0x7f && span_find(SPAN("(){%*\"\\]"), byte) == SIZE_MAX;
}

bool imap_is_atom(struct span text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (!is_atom_char(text.data[i]))
			return false;
	}
	return text.len > 0;
}

static void add(struct imap_command *command, struct span bytes)
{
	if (buf_add(&command->bytes, bytes) < 0)
		command->broken = true;
}

static void add_char(struct imap_command *command, char byte)
{
	if (buf_add_char(&command->bytes, byte) < 0)
		command->broken = true;
}

/* Our own words hold no line ends; if some text slipped into them that does, it must not become a command. */
static void add_words(struct imap_command *command, struct span text)
{
	if (span_find(text, '\r') != SIZE_MAX || span_find(text, '\n') != SIZE_MAX ||
		span_find(text, '\0') != SIZE_MAX)
		command->broken = true;
	else
		add(command, text);
}

void imap_command_init(struct imap_command *command, const char *verb)
{
	*command = (struct imap_command){ 0 };
	buf_init(&command->bytes, IMAP_COMMAND_MAX);
	if (buf_reserve(&command->bytes, ROOM_FIRST) < 0)
		command->broken = true;
	add_words(command, span_of(verb));
}

void imap_command_release(struct imap_command *command)
{
	if (command->secret && command->bytes.data)
		explicit_bzero(command->bytes.data, command->bytes.room);
	buf_release(&command->bytes);
}

void imap_command_raw(struct imap_command *command, const char *text)
{
	if (!text || !*text)
		return;
	add_char(command, ' ');
	add_words(command, span_of(text));
}

void imap_command_print(struct imap_command *command, const char *fmt, ...)
{
	struct buf text;
	va_list args;

	va_start(args, fmt);
	const int len = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	buf_init(&text, IMAP_COMMAND_MAX);
	if (len < 0 || buf_reserve(&text, (size_t)len) < 0) {
		command->broken = true;
		return;
	}
	va_start(args, fmt);
	vsnprintf(text.data, (size_t)len + 1, fmt, args);
	va_end(args);
	imap_command_raw(command, text.data);
	buf_release(&text);
}

/* literal = "{" number "}" CRLF *CHAR8: CHAR8 is any octet but NUL */
static void add_literal(struct imap_command *command, struct span text)
{
	if (command->literals == IMAP_COMMAND_LITERALS) {
		command->broken = true;
		return;
	}
	if (buf_print(&command->bytes, "{%zu", text.len) < 0) {
		command->broken = true;
		return;
	}
	command->literal[command->literals] = command->bytes.len;
	command->literal_size[command->literals] = text.len;
	command->literals++;
	add(command, SPAN("}\r\n"));
	add(command, text);
}

/* quoted = DQUOTE *QUOTED-CHAR DQUOTE: \ and " escaped; the caller knows that there is no CR, LF or NUL */
static void add_quoted(struct imap_command *command, struct span text)
{
	add_char(command, '"');
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] == '"' || text.data[i] == '\\')
			add_char(command, '\\');
		add_char(command, text.data[i]);
	}
	add_char(command, '"');
}

static bool has_line_end(struct span text)
{
	return span_find(text, '\r') != SIZE_MAX || span_find(text, '\n') != SIZE_MAX;
}

static bool has_8bit(struct span text)
{
	for (size_t i = 0; i < text.len; i++) {
		if ((unsigned char)text.data[i] >= 0x80)
			return true;
	}
	return false;
}

void imap_command_string(struct imap_command *command, struct span text)
{
	add_char(command, ' ');
	if (span_find(text, '\0') != SIZE_MAX)
		command->broken = true;
	else if (has_line_end(text) || has_8bit(text))
		add_literal(command, text);
	else if (imap_is_atom(text) && !span_equal_nocase(text, SPAN("NIL")))
		add(command, text);
	else
		add_quoted(command, text);
}

void imap_command_mailbox(struct imap_command *command, const char *server_name)
{
	const struct span name = span_of(server_name);

	add_char(command, ' ');
	if (!server_name)
		command->broken = true;
	else if (has_line_end(name))
		add_literal(command, name);
	else
		add_quoted(command, name);
}

void imap_command_set(struct imap_command *command, const struct uidset *set)
{
	size_t next = 0;

	add_char(command, ' ');
	if (!uidset_print(set, &next, SIZE_MAX, &command->bytes) || next < set->count)
		command->broken = true;
}

/* flag = "\" atom / flag-keyword; \* and \Recent are not the client's to set (RFC 3501 §2.3.2) */
static bool is_flag(struct span name)
{
	if (span_equal_nocase(name, SPAN("\\Recent")))
		return false;
	return imap_is_atom(span_starts(name, SPAN("\\")) ? span_from(name, 1) : name);
}

void imap_command_flags(struct imap_command *command, const char *names)
{
	struct span rest = span_of(names);
	bool first = true;

	add(command, SPAN(" ("));
	while (rest.len > 0) {
		const size_t blank = span_find(rest, ' ');
		const struct span name = span_sub(rest, 0, blank);

		rest = span_from(rest, name.len + 1);
		if (!is_flag(name))
			continue;
		if (!first)
			add_char(command, ' ');
		first = false;
		add(command, name);
	}
	add_char(command, ')');
}
