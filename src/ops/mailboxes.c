/* One mailbox after the other, with one connection; what a lost answer leaves open a new listing tells. */
#include "ops/mailboxes_parts.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/os.h"
#include "base/stop.h"
#include "base/text.h"
#include "mail/mailbox_name.h"
#include "ops/brake.h"
#include "ops/lane.h"

#define NAMED 5 /* mailboxes that the question names */

/* ---- the connection ---- */

static int list(
	struct mailboxes *plan, struct arena *arena, struct mailbox_list *out, struct err *err)
{
	const unsigned want = plan->request.action == MAILBOXES_DELETE ? STORE_LIST_STATUS : 0;

	if (store_list(plan->store, want, arena, out, err) < 0)
		return err_wrap(err, "listing mailboxes");
	return 0;
}

static int connect_once(struct mailboxes *plan, struct err *err)
{
	struct store_request request = { .timeout_ms = plan->request.settings->timeout_ms,
		.state_dir = plan->request.state_dir,
		.flags = plan->flags,
		.want_utf8 = true,
		.will_write = true };

	if (plan->store)
		return 0;
	plan->store = store_open(plan->request.account, &request, err);
	if (!plan->store)
		return -1;
	if (plan->list.count > 0)
		store_use_names(plan->store, &plan->list);
	return 0;
}

static bool may_retry(struct mailboxes *plan, const struct err *err, unsigned attempt)
{
	const bool busy = err->kind == ERR_KIND_BUSY || err->retry == ERR_RETRY_AFTER;

	if (err->scope >= ERR_ACCOUNT || (err->scope < ERR_CONN && !busy))
		return false;
	if (err->scope == ERR_CONN) {
		store_close(plan->store);
		plan->store = NULL;
	}
	if (attempt > plan->request.settings->retries)
		return false;
	log_warn("%s; again in %.1f s", err->text, (double)lane_pause_ms(err, attempt) / 1000);
	return clock_sleep(lane_pause_ms(err, attempt)) == 0;
}

/* ---- the plan ---- */

static int open_plan(struct mailboxes *plan, struct err *err)
{
	for (unsigned attempt = 1;; attempt++) {
		if (connect_once(plan, err) == 0 && list(plan, plan->arena, &plan->list, err) == 0)
			break;
		if (!may_retry(plan, err, attempt))
			return stop_requested() ? stop_check(err) : -1;
		err_clear(err);
	}
	store_use_names(plan->store, &plan->list);
	if (!(store_caps(plan->store) & STORE_CAP_WRITE))
		return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_UNSUPPORTED, "%s can only be read",
			account_name(plan->request.account));
	return mailboxes_choose(plan, err);
}

struct mailboxes *mailboxes_plan(const struct mailboxes_request *request, struct err *err)
{
	struct mailboxes *plan = mem_alloc(sizeof(*plan));

	plan->request = *request;
	plan->arena = arena_new();
	plan->flags = flag_table_new();
	if (open_plan(plan, err) < 0) {
		mailboxes_free(plan);
		return NULL;
	}
	return plan;
}

void mailboxes_free(struct mailboxes *plan)
{
	if (!plan)
		return;
	store_close(plan->store);
	flag_table_free(plan->flags);
	arena_free(plan->arena);
	mem_free(plan);
}

static const char *print_question(const struct mailboxes *plan, size_t going, uint64_t messages)
{
	struct arena *arena = plan->arena;
	const char *names = "";
	size_t named = 0;

	for (size_t i = 0; i < plan->count && named < NAMED; i++) {
		const struct mailboxes_row *row = &plan->step[i].row;

		if (row->state != MAILBOXES_PLANNED)
			continue;
		names = arena_print(arena, "%s%s%.60s %u", names, named++ > 0 ? ", " : "",
			row->name, row->messages);
	}
	return arena_print(arena, "delete %zu mailboxes with %llu messages at %s (%s%s)?", going,
		(unsigned long long)messages, account_name(plan->request.account), names,
		going > named ? ", …" : "");
}

int mailboxes_allow(struct mailboxes *plan, int (*ask)(void *context, const char *question),
	void *context, struct err *err)
{
	struct loss *losses = arena_array(plan->arena, plan->list.count + 1, sizeof(*losses));
	uint64_t messages = 0;
	size_t going = 0;

	if (plan->request.action != MAILBOXES_DELETE)
		return 0;
	for (size_t i = 0; i < plan->list.count; i++) {
		const struct mailbox_info *info = &plan->list.mailbox[i];

		losses[i] = (struct loss){ info->name, 0, info->messages, info->messages };
	}
	for (size_t i = 0; i < plan->count; i++) {
		const struct mailboxes_step *step = &plan->step[i];

		if (step->row.state != MAILBOXES_PLANNED)
			continue;
		losses[step->info - plan->list.mailbox] =
			(struct loss){ step->row.name, step->row.messages, step->row.messages, 0 };
		messages += step->row.messages;
		going++;
	}
	if (brake_check(plan->request.settings, "", losses, plan->list.count, err) < 0)
		return -1;
	if (going == 0 || plan->request.settings->dry_run)
		return 0;
	return brake_confirm(
		plan->request.settings, ask, context, print_question(plan, going, messages), err);
}

/* ---- doing it ---- */

/* Whether it is as it was listed: what came since would go with it. */
static int is_as_listed(
	struct store *store, const struct mailbox_info *listed, bool *same_out, struct err *err)
{
	struct mailbox_info now;

	*same_out = true;
	if (listed->noselect)
		return 0;
	if (store_status(store, listed->name, STORE_LIST_STATUS, &now, err) < 0)
		return -1;
	*same_out = (now.has & IMAP_STATUS_MESSAGES) && now.messages == listed->messages &&
		    now.uidnext == listed->uidnext && now.uidvalidity == listed->uidvalidity;
	return 0;
}

int mailboxes_remove(
	struct store *store, const struct mailbox_info *listed, bool *done_out, struct err *err)
{
	bool same;

	*done_out = false;
	if (is_as_listed(store, listed, &same, err) < 0)
		return -1;
	if (!same)
		return err_set(err, ERR_MAILBOX, "it has changed meanwhile: it stays");
	os_point("delete mailbox");
	if (store_remove_mailbox(store, listed->name, err) < 0) {
		if (!listed->noselect || err->scope >= ERR_CONN)
			return -1;
		/* Many servers drop a name that holds nothing by themselves. */
		log_debug("%s: %s", listed->name, err->text);
		err_clear(err);
		return 0;
	}
	os_point("deleted mailbox");
	*done_out = true;
	return 0;
}

int mailboxes_unsubscribe(struct store *store, const struct mailbox_info *removed, struct err *err)
{
	struct err local = ERR_INIT;

	if (!(store_caps(store) & STORE_CAP_SUBSCRIBE) ||
		store_subscribe(store, removed->name, false, &local) == 0)
		return 0;
	if (local.scope >= ERR_CONN) {
		*err = local;
		return -1;
	}
	if (removed->subscribed)
		log_warn("mailbox %s is deleted, its subscription is not: %s", removed->name,
			local.text);
	return 0;
}

/* Whether what is below a mailbox went along with this step, and not with one that is nearer. */
static bool went_along(
	const struct mailboxes *plan, const struct mailboxes_step *step, const char *name)
{
	if (!mailbox_below(step->row.name, name))
		return false;
	for (size_t i = 0; i < plan->count; i++) {
		const struct mailboxes_row *row = &plan->step[i].row;

		if (row->state != MAILBOXES_FAILED && mailbox_below(row->name, name) &&
			strlen(row->name) > strlen(step->row.name))
			return false;
	}
	return true;
}

/* RENAME leaves subscriptions to the old name where they are (RFC 3501 §6.3.6); nobody wants these. */
static int carry_subscriptions(
	struct mailboxes *plan, const struct mailboxes_step *step, struct err *err)
{
	const char *old = step->row.name;

	if (!(store_caps(plan->store) & STORE_CAP_SUBSCRIBE))
		return 0;
	for (size_t i = 0; i < plan->list.count; i++) {
		const struct mailbox_info *info = &plan->list.mailbox[i];
		const char *now;

		if (!info->subscribed || !went_along(plan, step, info->name))
			continue;
		now = arena_print(plan->arena, "%s%s", step->row.to, info->name + strlen(old));
		if (store_subscribe(plan->store, now, true, err) < 0 ||
			store_subscribe(plan->store, info->name, false, err) < 0) {
			if (err->scope >= ERR_CONN)
				return -1;
			log_warn("mailbox %s: its subscription was not carried over: %s", now,
				err->text);
			err_clear(err);
		}
	}
	return 0;
}

/*
 * After an attempt that was broken off: 1 = a new listing shows that it was carried out, 0, -1. A mailbox that was deleted and made anew is not mistaken: its
 * numbers differ from those listed.
 */
static int was_done(struct mailboxes *plan, const struct mailboxes_step *step, struct err *err)
{
	struct arena *arena = arena_new();
	struct mailbox_list now;
	const struct mailbox_info *old, *new;
	int rc = list(plan, arena, &now, err);

	if (rc == 0) {
		old = mailbox_list_find(&now, step->from ? step->from : step->row.name);
		new = step->row.to ? mailbox_list_find(&now, step->row.to) : NULL;
		if (plan->request.action == MAILBOXES_DELETE)
			rc = !old || old->nonexistent || (old->noselect && !step->info->noselect);
		else if (plan->request.action == MAILBOXES_RENAME)
			rc = new && !new->nonexistent && (!old || old->nonexistent);
	}
	arena_free(arena);
	return rc;
}

static int act(struct mailboxes *plan, struct mailboxes_step *step, struct err *err)
{
	const char *name = step->row.name;
	bool done, changed = false;

	switch (plan->request.action) {
	case MAILBOXES_DELETE:
		return mailboxes_remove(plan->store, step->info, &done, err);
	case MAILBOXES_RENAME:
		os_point("rename mailbox");
		return store_rename_mailbox(plan->store, step->from, step->row.to, err);
	case MAILBOXES_CREATE:
		if (store_create(plan->store, name, STORE_USE_NONE, &changed, err) < 0)
			return -1;
		if (changed)
			log_warn(
				"mailbox %s: the server takes the name only in another form", name);
		return 0;
	case MAILBOXES_SUBSCRIBE:
		return store_subscribe(plan->store, name, true, err);
	case MAILBOXES_UNSUBSCRIBE:
		return store_subscribe(plan->store, name, false, err);
	}
	return 0;
}

/* What commands that change mailboxes leave undone. */
static int tidy_subscriptions(
	struct mailboxes *plan, const struct mailboxes_step *step, struct err *err)
{
	if (plan->request.action == MAILBOXES_DELETE)
		return mailboxes_unsubscribe(plan->store, step->info, err);
	return plan->request.action == MAILBOXES_RENAME ? carry_subscriptions(plan, step, err) : 0;
}

/* One attempt. */
static int try_step(struct mailboxes *plan, struct mailboxes_step *step, struct err *err)
{
	int rc;

	if (connect_once(plan, err) < 0)
		return -1;
	rc = step->changed ? 1 : step->asked ? was_done(plan, step, err) : 0;
	if (rc < 0)
		return -1;
	step->asked = true;
	if (rc == 0 && act(plan, step, err) < 0)
		return -1;
	step->changed = true;
	return tidy_subscriptions(plan, step, err);
}

static int take_step(struct mailboxes *plan, struct mailboxes_step *step, struct err *err)
{
	struct err *kept;

	for (unsigned attempt = 1;; attempt++) {
		if (try_step(plan, step, err) == 0) {
			step->row.state = MAILBOXES_DONE;
			return 0;
		}
		if (!may_retry(plan, err, attempt))
			break;
		err_clear(err);
	}
	if (step->changed)
		(void)err_wrap(err, "its subscription was not seen to");
	kept = arena_alloc(plan->arena, sizeof(*kept));
	*kept = *err;
	step->row.err = kept;
	step->row.state = step->changed ? MAILBOXES_DONE : MAILBOXES_FAILED;
	if (err->scope >= ERR_ACCOUNT || stop_requested())
		return -1;
	err_clear(err);
	return 0;
}

int mailboxes_do(struct mailboxes *plan, struct err *err)
{
	for (size_t i = 0; i < plan->count; i++) {
		if (plan->step[i].row.state != MAILBOXES_PLANNED)
			continue;
		if (stop_check(err) < 0 || take_step(plan, &plan->step[i], err) < 0)
			return -1;
	}
	return 0;
}

/* ---- reading ---- */

size_t mailboxes_count(const struct mailboxes *plan)
{
	return plan->count;
}

const struct mailboxes_row *mailboxes_row(const struct mailboxes *plan, size_t index)
{
	return &plan->step[index].row;
}

bool mailboxes_left_out(const struct mailboxes *plan)
{
	return plan->list.refused > 0;
}
