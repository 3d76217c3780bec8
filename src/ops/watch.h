/*
 * Waits until mailboxes of an account may have new messages: by IDLE where one is to be watched (or INBOX is among several), by NOTIFY where several are and the
 * server offers it, else, and where there is no server or only one connection is allowed, by the time between two looks. It only says that it is time to look.
 *
 * Owner: the command. Lifetime: watch_new() to watch_free(). Threads: one at a time.
 *
 *	watch = watch_new(&request);
 *	for (;;) {
 *		… list, and with the list: watch_begin(watch, boxes, count, err) …
 *		… look at what is new …
 *		if (watch_wait(watch, err) < 0 && err->scope > ERR_CONN)
 *			break;
 *	}
 */
#ifndef OPS_WATCH_H
#define OPS_WATCH_H

#include "base/must.h"

#include <stddef.h>
#include <stdint.h>

struct account;
struct err;
struct settings;
struct watch;

struct watch_request {
	const struct settings *settings;
	struct account *account;
	int64_t poll_ms; /* between two looks, where nobody tells */
};

struct watch_box {
	const char *name, *raw; /* display form; the server's own */
};

struct watch *watch_new(const struct watch_request *request);
void watch_free(struct watch *watch); /* accepts NULL */
/*
 * From now on these are watched; nothing is done when they are already. 1: the watch began just now, and what came before it has to be looked for once more. 0: it
 * goes on. -1: no connection.
 */
int watch_begin(struct watch *watch, const struct watch_box *boxes, size_t count,
	struct err *err) MUST_CHECK;
/* 1 = something came, or it is time to look; -1: stopped, or ERR_CONN: the connection broke, and watch_begin() makes it anew. */
int watch_wait(struct watch *watch, struct err *err) MUST_CHECK;

#endif
