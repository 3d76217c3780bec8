/*
 * What is subscribed in a tree of mbox files or Thunderbird's folders, and what not: the file `.mailhaul-subscriptions` in its root. Pure: text to names and back.
 *
 *	mailhaul-subscriptions 1
 *	-NAME                       this mailbox is not subscribed; percent-encoded where it holds % or control octets
 *
 * Any other mailbox counts as subscribed, also one that another program puts there later: as where there is no such file at all. In the location that is one file the
 * note `subscribed` of its record (manifest.h) says the same, 1 or 0.
 *
 * Owner: the caller. Lifetime: that of the arena, and mbox_subscriptions_release(). Threads: one at a time.
 *
 *	mbox_subscriptions_init(&list, arena);
 *	if (mbox_subscriptions_parse(text, path, &list, err) < 0) …
 *	if (mbox_subscriptions_set(&list, "Work", false))
 *		rc = mbox_subscriptions_print(&list, &out);
 *	mbox_subscriptions_release(&list);
 */
#ifndef STORE_MBOX_SUBSCRIPTIONS_H
#define STORE_MBOX_SUBSCRIPTIONS_H

#include "base/must.h"
#include "base/span.h"

struct arena;
struct buf;
struct err;
struct map;

struct mbox_subscriptions {
	struct map *out; /* by name; a value that is not NULL: it is not subscribed */
};

void mbox_subscriptions_init(struct mbox_subscriptions *list, struct arena *arena);
void mbox_subscriptions_release(struct mbox_subscriptions *list);
/* Adds what the text says. shown: the file, for messages. -1: ERR_MAILBOX "FILE:LINE: damaged", and the list can only be released. */
int mbox_subscriptions_parse(struct span text, const char *shown, struct mbox_subscriptions *list,
	struct err *err) MUST_CHECK;
bool mbox_subscriptions_has(const struct mbox_subscriptions *list, const char *name);
/* True: that was news. */
bool mbox_subscriptions_set(struct mbox_subscriptions *list, const char *name, bool subscribed);
/* Sorted. -1: the buffer's cap. */
int mbox_subscriptions_print(const struct mbox_subscriptions *list, struct buf *out) MUST_CHECK;

#endif
