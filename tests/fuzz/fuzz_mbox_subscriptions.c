/* Any text as the file of subscriptions: what is taken says the same when printed and read again. */
#include "store/mbox_subscriptions.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/map.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void check_again(const struct mbox_subscriptions *list, struct arena *arena)
{
	struct mbox_subscriptions again;
	struct buf text;

	buf_init(&text, 1u << 24);
	must(mbox_subscriptions_print(list, &text) == 0);
	mbox_subscriptions_init(&again, arena);
	must(mbox_subscriptions_parse(buf_span(&text), "again", &again, NULL) == 0);
	must(map_count(again.out) == map_count(list->out));
	for (size_t i = 0; i < map_count(list->out); i++)
		must(map_find(again.out, map_key(list->out, i)) != NULL);
	mbox_subscriptions_release(&again);
	buf_release(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_new();
	struct mbox_subscriptions list;
	struct err err = ERR_INIT;

	mbox_subscriptions_init(&list, arena);
	if (mbox_subscriptions_parse(span_make((const char *)data, size), "file", &list, &err) == 0)
		check_again(&list, arena);
	else
		must(err.scope == ERR_MAILBOX);
	mbox_subscriptions_release(&list);
	arena_free(arena);
	return 0;
}
