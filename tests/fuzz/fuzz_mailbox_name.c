/*
 * Any octets as a mailbox name, both ways: what a server calls a mailbox is shown so that it goes back as it came, and what is typed or comes
 * from another server has exactly its own levels there, with nothing in it that a command line could not hold.
 *
 * The first octet of the input chooses the style.
 */
#include "mail/mailbox_name.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/must.h"
#include "base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct mailbox_style styles[] = {
	{ '/', false, "" },
	{ '.', false, "INBOX." },
	{ '.', false, "" },
	{ '\\', true, "" },
	{ 0, false, "" },
	{ '/', true, "Mail/" },
	{ '^', false, "user^" },
	{ '%', false, "" },
	{ '&', false, "" },
	{ '2', true, "" },
};

static void must(bool condition)
{
	if (!condition)
		abort();
}

static size_t count_char(const char *text, char c)
{
	size_t count = 0;

	for (; *text != '\0'; text++)
		count += *text == c;
	return count;
}

static void check_plain(const char *text)
{
	for (const char *at = text; *at != '\0'; at++)
		must((unsigned char)*at >= ' ' && *at != 127);
	must(utf8_valid(span_of(text)));
}

/* The way there keeps the levels, and the way back gives a name that goes there again. */
static void check_server(
	const struct mailbox_style *style, const char *display, struct arena *arena)
{
	struct err err = ERR_INIT;
	char *server = NULL, *again = NULL;
	bool changed = false;

	if (mailbox_server(style, display, arena, &server, &changed, &err) < 0) {
		must(err.scope == ERR_MAILBOX && server == NULL);
		return;
	}
	check_plain(server);
	must(strlen(server) <= MAILBOX_NAME_MAX);
	if (mailbox_is_inbox(display)) {
		must(strcmp(server, "INBOX") == 0);
		return;
	}
	must(span_starts(span_of(server), span_of(style->prefix)));
	if (style->delimiter != '\0')
		must(count_char(server + strlen(style->prefix), style->delimiter) ==
			count_char(display, '/'));
	const char *back = mailbox_display(style, span_of(server), arena);
	must(count_char(back, '/') == count_char(display, '/'));
	must(mailbox_server(style, back, arena, &again, &changed, &err) == 0);
	must(strcmp(server, again) == 0);
}

/* What can be written on that server (in UTF-8 here) goes there as it came. */
static void check_display(const struct mailbox_style *style, struct span raw, struct arena *arena)
{
	const char *display = mailbox_display(style, raw, arena);
	struct err err = ERR_INIT;
	char *name, *back = NULL;
	bool changed = false;

	check_plain(display);
	check_server(style, display, arena);
	if (style->utf8) {
		name = arena_text(arena, raw);
		if (strlen(name) != raw.len || !utf8_valid(raw))
			return;
	} else if (mutf7_encode(raw, arena, &name) < 0) {
		return;
	} else {
		display = mailbox_display(style, span_of(name), arena);
	}
	for (const char *at = arena_text(arena, raw); *at != '\0'; at++)
		if ((unsigned char)*at < ' ' || *at == 127)
			return;
	if (!span_starts(span_of(name), span_of(style->prefix)) ||
		mailbox_server(style, display, arena, &back, &changed, &err) < 0)
		return;
	if (mailbox_is_inbox(display))
		must(span_equal_nocase(span_of(name), SPAN("INBOX")));
	else
		must(strcmp(back, name) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;

	const struct mailbox_style *style = &styles[data[0] % countof(styles)];
	const struct span raw = span_make((const char *)data + 1, size - 1);
	struct arena *arena = arena_new();
	char *text, *again;

	check_display(style, raw, arena);
	check_server(style, arena_text(arena, raw), arena);
	if (mutf7_decode(raw, arena, &text) == 0) {
		must(mutf7_encode(span_of(text), arena, &again) == 0);
		must(span_equal(raw, span_of(again)));
	}
	arena_free(arena);
	return 0;
}
