/* The key under which mailbox names collide on file systems and servers that ignore case or normal form. */
#include "mail/mailbox_name.h"

#include "base/arena.h"
#include "base/buf.h"
#include "mail/fold.h"

char *mailbox_fold(const char *display, struct arena *arena)
{
	const struct span name = span_of(display);
	struct buf out;
	char *key;

	buf_init(&out, name.len * FOLD_GROWTH + 1);
	fold_text(name, &out);
	key = arena_text(arena, buf_span(&out));
	buf_release(&out);
	return key;
}
