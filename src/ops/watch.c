/* IDLE, NOTIFY, or patience. */
#include "ops/watch.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/stop.h"
#include "imap/imap_idle.h"
#include "mail/mailbox_name.h"
#include "ops/settings.h"
#include "store/store.h"

#include <string.h>

#define NOTIFY_NAMES_MAX 100 /* beyond it the server tells of all of the user's mailboxes */

enum way { WAY_NONE, WAY_POLL, WAY_IDLE, WAY_NOTIFY };

struct watch {
	struct watch_request request;
	struct arena *arena; /* of key */
	const char *key; /* the mailboxes watched, in one text */
	struct flag_table *flags;
	struct store *store;
	enum way way;
	struct imap_idle idle;
	bool others; /* mailboxes that the way does not tell of */
	int64_t renew; /* clock_ms() */
};

struct watch *watch_new(const struct watch_request *request)
{
	struct watch *watch = mem_alloc(sizeof *watch);

	watch->request = *request;
	watch->arena = arena_new();
	watch->flags = flag_table_new();
	return watch;
}

static void stop_watching(struct watch *watch)
{
	store_close(watch->store);
	watch->store = NULL;
	watch->way = WAY_NONE;
}

void watch_free(struct watch *watch)
{
	if (!watch)
		return;
	/* In the middle of an IDLE there is no LOGOUT. */
	if (watch->way == WAY_IDLE && !stop_requested())
		(void)!imap_idle_end(&watch->idle, NULL, &(struct err){ .scope = ERR_NONE });
	stop_watching(watch);
	flag_table_free(watch->flags);
	arena_free(watch->arena);
	mem_free(watch);
}

static struct imap *session(struct watch *watch)
{
	return store_imap_session(watch->store);
}

/* ---- beginning ---- */

static int add_quoted(struct buf *out, const char *name)
{
	int full = buf_add_char(out, '"');

	for (; *name; name++) {
		if ((unsigned char)*name < ' ')
			return -1;
		if (*name == '"' || *name == '\\')
			full |= buf_add_char(out, '\\');
		full |= buf_add_char(out, *name);
	}
	return full | buf_add_char(out, '"');
}

/* "mailboxes (…)", or when these are too many "personal" (RFC 5465 §6). */
static const char *filter_of(
	struct watch *watch, const struct watch_box *boxes, size_t count, struct arena *arena)
{
	const char *filter = "personal";
	struct buf text;
	int full = 0;

	if (count > NOTIFY_NAMES_MAX)
		return filter;
	buf_init(&text, imap_line_max(session(watch)) / 2);
	full = buf_print(&text, "mailboxes (");
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			full |= buf_add_char(&text, ' ');
		full |= add_quoted(&text, boxes[i].raw);
	}
	full |= buf_add_char(&text, ')');
	if (full == 0)
		filter = arena_strdup(arena, buf_text(&text));
	buf_release(&text);
	return filter;
}

/* 1 = the server will tell, 0 = it won't. */
static int begin_notify(
	struct watch *watch, const struct watch_box *boxes, size_t count, struct err *err)
{
	struct arena *arena = arena_new();
	struct err local = ERR_INIT;
	/* Either of the two events needs the other one (RFC 5465 §5.2). */
	const uint32_t tag =
		imap_sendf(session(watch), &local, "NOTIFY SET (%s (MessageNew MessageExpunge))",
			filter_of(watch, boxes, count, arena));
	int rc = tag > 0 ? imap_finish(session(watch), tag, &local) : -1;

	arena_free(arena);
	if (rc == 0)
		return 1;
	if (local.scope < ERR_CONN) {
		log_debug("NOTIFY: %s", local.text);
		return 0;
	}
	*err = local;
	return -1;
}

/* 1 = the server will tell, 0 = it won't. */
static int begin_idle(struct watch *watch, const struct watch_box *box, struct err *err)
{
	struct err local = ERR_INIT;

	if (!imap_has(session(watch), IMAP_CAP_IDLE))
		return 0;
	if (imap_select(session(watch), box->raw, true, &local) == 0 &&
		imap_idle_begin(&watch->idle, session(watch), &local) == 0)
		return 1;
	if (local.scope < ERR_CONN) {
		log_debug("mailbox %s cannot be watched by IDLE: %s", box->name, local.text);
		return 0;
	}
	*err = local;
	return -1;
}

static int open_store(struct watch *watch, struct err *err)
{
	const struct store_request request = { .timeout_ms = watch->request.settings->timeout_ms,
		.flags = watch->flags };

	watch->store = store_open(watch->request.account, &request, err);
	return watch->store ? 0 : -1;
}

/* Which mailbox an IDLE is for: the only one, or INBOX. */
static const struct watch_box *idle_box(const struct watch_box *boxes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (count == 1 || mailbox_is_inbox(boxes[i].name))
			return &boxes[i];
	return NULL;
}

static int choose(struct watch *watch, const struct watch_box *boxes, size_t count, struct err *err)
{
	const struct watch_box *box = idle_box(boxes, count);
	int rc = 0;

	watch->others = false;
	if (!session(watch))
		return 0;
	if (count > 1 && imap_offers(session(watch), "NOTIFY")) {
		rc = begin_notify(watch, boxes, count, err);
		if (rc > 0)
			watch->way = WAY_NOTIFY;
	}
	if (rc == 0 && box) {
		rc = begin_idle(watch, box, err);
		if (rc > 0)
			watch->way = WAY_IDLE;
		watch->others = count > 1;
	}
	return rc < 0 ? -1 : 0;
}

static const char *key_of(const struct watch_box *boxes, size_t count, struct arena *arena)
{
	size_t size = 1;
	char *key, *at;

	for (size_t i = 0; i < count; i++)
		size += strlen(boxes[i].raw) + 1;
	key = at = arena_alloc(arena, size);
	for (size_t i = 0; i < count; i++) {
		const size_t len = strlen(boxes[i].raw);

		memcpy(at, boxes[i].raw, len);
		at += len;
		*at++ = '\n';
	}
	return key;
}

static void set_renewal(struct watch *watch)
{
	const bool polls = watch->way == WAY_POLL || watch->others;
	const int64_t most = IMAP_IDLE_MS;

	watch->renew = clock_ms() +
		       (polls && watch->request.poll_ms < most ? watch->request.poll_ms : most);
}

int watch_begin(struct watch *watch, const struct watch_box *boxes, size_t count, struct err *err)
{
	static const char *const names[] = {
		[WAY_POLL] = "looking now and then", [WAY_IDLE] = "IDLE", [WAY_NOTIFY] = "NOTIFY"
	};
	struct arena *arena = arena_new();
	const char *key = key_of(boxes, count, arena);

	if (watch->way != WAY_NONE && strcmp(watch->key, key) == 0) {
		arena_free(arena);
		return 0;
	}
	stop_watching(watch);
	arena_free(watch->arena);
	watch->arena = arena;
	watch->key = key;
	/* A second connection is one too many where only one is allowed. */
	if (account_connections(watch->request.account) != 1 &&
		(open_store(watch, err) < 0 || choose(watch, boxes, count, err) < 0)) {
		stop_watching(watch);
		return -1;
	}
	if (watch->way == WAY_NONE) {
		store_close(watch->store);
		watch->store = NULL;
		watch->way = WAY_POLL;
	}
	set_renewal(watch);
	log_info("watching %zu mailboxes by %s%s", count, names[watch->way],
		watch->others ? ", the others by looking now and then" : "");
	return watch->way != WAY_POLL;
}

/* ---- waiting ---- */

static bool is_news(const struct watch *watch, const struct imap_event *event)
{
	if (watch->way == WAY_IDLE)
		return event->type == IMAP_EXISTS;
	/* What is too much for the server to tell has to be looked for (RFC 5465 §5.8). */
	return event->type == IMAP_STATUS ||
	       (event->type == IMAP_STATUS_LINE && event->code.type == IMAP_CODE_OTHER &&
		       span_equal_nocase(event->code.name, SPAN("NOTIFICATIONOVERFLOW")));
}

static int renew(struct watch *watch, struct err *err)
{
	uint32_t tag;

	if (watch->way == WAY_IDLE)
		return imap_idle_end(&watch->idle, NULL, err) < 0
			       ? -1
			       : imap_idle_begin(&watch->idle, session(watch), err);
	tag = imap_sendf(session(watch), err, "NOOP");
	return tag > 0 ? imap_finish(session(watch), tag, err) : -1;
}

/* Until there is news, and then all that is there already: a burst is looked at once. */
static int wait_told(struct watch *watch, struct err *err)
{
	const struct imap_event *event;
	bool news = false;
	int rc;

	while ((rc = imap_idle_wait(
			session(watch), news ? clock_ms() : watch->renew, &event, err)) > 0)
		news |= is_news(watch, event);
	if (rc == 0 && !news)
		rc = renew(watch, err);
	return rc < 0 ? -1 : 1;
}

int watch_wait(struct watch *watch, struct err *err)
{
	const int64_t now = clock_ms();
	int rc = 1;

	if (watch->way == WAY_NONE)
		return err_set(err, ERR_CONN, "nothing is watched");
	if (watch->way == WAY_POLL) {
		if (watch->renew > now && clock_sleep(watch->renew - now) < 0)
			rc = stop_check(err) < 0 ? -1 : 1;
	} else {
		rc = wait_told(watch, err);
	}
	if (rc < 0)
		stop_watching(watch);
	else if (clock_ms() >= watch->renew)
		set_renewal(watch);
	return rc;
}
