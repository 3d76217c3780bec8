/*
 * Any octets as a file name in a Maildir, and as the name of a folder. What is parsed is printed with the same flags, and any others, without losing its base; the
 * name of a folder never leaves the root, and goes back as it came.
 *
 * The first octet of the input chooses layout and flags.
 */
#include "mail/maildir_name.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "mail/mailbox_name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void check_message(struct span file, unsigned flags)
{
	struct maildir_name name, again;
	struct buf out;

	if (!maildir_name_parse(file, &name))
		return;
	buf_init(&out, file.len + 512);
	must(maildir_name_print(&name, flags, flags, &out) == 0);
	must(maildir_name_parse(buf_span(&out), &again));
	must(span_equal(name.base, again.base) && span_equal(name.unique, again.unique));
	must(again.flags == flags && again.keywords == flags);
	must(maildir_name_compare(&name, &again) == 0);
	must(name.unique.len > 0 && name.unique.len <= name.base.len);
	buf_release(&out);
}

static void check_path(const struct maildir_style *style, const char *path)
{
	const char *level = path + (style->layout == MAILDIR_PLUSPLUS);

	must(style->layout == MAILDIR_FS || (path[0] == '.' && strchr(path, '/') == NULL));
	must(strcmp(path, ".") != 0 && strcmp(path, "..") != 0);
	while (style->layout == MAILDIR_FS && *level != '\0') {
		const size_t len = strcspn(level, "/");

		must(len > 0 && len <= 255 && level[0] != '.');
		must(!span_equal(span_make(level, len), SPAN("cur")));
		level += len + (level[len] == '/');
	}
}

static void check_folder(
	const struct maildir_style *style, const char *display, struct arena *arena)
{
	struct err err = ERR_INIT;
	char *path, *again;
	bool changed;

	if (mailbox_is_inbox(display))
		return;
	if (maildir_folder_path(style, display, arena, &path, &changed, &err) < 0) {
		must(err.scope == ERR_MAILBOX);
		return;
	}
	check_path(style, path);

	const char *back = maildir_folder_display(style, span_of(path), arena);
	must(maildir_folder_path(style, back, arena, &again, &changed, &err) == 0);
	must(strcmp(path, again) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;

	const struct span text = span_make((const char *)data + 1, size - 1);
	const struct maildir_style style = { data[0] & 1 ? MAILDIR_FS : MAILDIR_PLUSPLUS,
		data[0] & 2 };
	struct arena *arena = arena_new();

	check_message(text, data[0] >> 2);
	(void)maildir_unique_ours(text);
	check_folder(&style, arena_text(arena, text), arena);
	if (text.len > 1)
		check_folder(&style, maildir_folder_display(&style, text, arena), arena);
	arena_free(arena);
	return 0;
}
