/* Which mailboxes, and into what: names and expressions against a listing. */
#include "ops/mailboxes_parts.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/regex.h"
#include "base/text.h"
#include "mail/mailbox_name.h"
#include "ops/name_map.h"

#define ROOM_FIRST 16

static struct mailboxes_step *add_step(
	struct mailboxes *plan, const char *name, const struct mailbox_info *info)
{
	if (plan->count == plan->room) {
		const size_t room = plan->room ? plan->room * 2 : ROOM_FIRST;

		plan->step =
			arena_grow(plan->arena, plan->step, plan->room, room, sizeof(*plan->step));
		plan->room = room;
	}
	plan->step[plan->count] = (struct mailboxes_step){ .info = info };
	plan->step[plan->count].row.name = info ? info->name : arena_strdup(plan->arena, name);
	return &plan->step[plan->count++];
}

static void fail(
	struct mailboxes *plan, struct mailboxes_step *step, const char *name, const char *why)
{
	struct err *err = arena_alloc(plan->arena, sizeof(*err));

	(void)err_set(err, ERR_MAILBOX, "mailbox %s: %s", name, why);
	step->row.err = err;
	step->row.state = MAILBOXES_FAILED;
}

static bool has_step(const struct mailboxes *plan, const char *name)
{
	for (size_t i = 0; i < plan->count; i++) {
		if (strcmp(plan->step[i].row.name, name) == 0)
			return true;
	}
	return false;
}

/* ---- which ---- */

static int check_name(const struct mailboxes *plan, const char *name, struct err *err)
{
	const char *root = account_mailbox(plan->request.account);
	const char *problem = name_problem(span_of(name));
	char shown[TEXT_SHOWN];

	text_shown(span_of(name), shown);
	if (problem)
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
			"\"%s\" is no name of a mailbox: %s", shown, problem);
	if (root && !mailbox_below(root, name))
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
			"\"%s\" is not below %s, which the location names", shown, root);
	return 0;
}

static int choose_names(struct mailboxes *plan, struct err *err)
{
	for (size_t i = 0; i < plan->request.names; i++) {
		const char *name = name_canonical(plan->request.name[i]);
		const struct mailbox_info *info = mailbox_list_find(&plan->list, name);

		if (check_name(plan, name, err) < 0)
			return -1;
		if (info && info->nonexistent)
			info = NULL;
		if (!has_step(plan, info ? info->name : name))
			(void)add_step(plan, name, info);
	}
	return 0;
}

static int choose_regex(struct mailboxes *plan, const char *expression, struct err *err)
{
	const char *root = account_mailbox(plan->request.account);
	struct regex *regex = regex_new(expression, err);

	if (!regex)
		return err_wrap(err, "--regex");
	for (size_t i = 0; i < plan->list.count; i++) {
		const struct mailbox_info *info = &plan->list.mailbox[i];

		if (info->nonexistent || (root && !mailbox_below(root, info->name)) ||
			!regex_match(regex, span_of(info->name)))
			continue;
		if (plan->request.action == MAILBOXES_DELETE && mailbox_is_inbox(info->name)) {
			log_info("INBOX matches too, and stays");
			continue;
		}
		if (!has_step(plan, info->name))
			(void)add_step(plan, info->name, info);
	}
	regex_free(regex);
	return 0;
}

static int choose(struct mailboxes *plan, struct err *err)
{
	const struct text_list *regex = plan->request.regex;

	if (choose_names(plan, err) < 0)
		return -1;
	for (size_t i = 0; regex && i < regex->count; i++) {
		if (choose_regex(plan, regex->item[i], err) < 0)
			return -1;
	}
	return 0;
}

/* ---- delete ---- */

/* The deepest first: what is below a mailbox sorts behind it. */
static int from_the_end(const void *a, const void *b)
{
	const struct mailboxes_step *x = a, *y = b;

	return strcmp(y->row.name, x->row.name);
}

static bool has_staying_child(const struct mailboxes *plan, const char *name)
{
	const size_t len = strlen(name);

	for (size_t i = 0; i < plan->list.count; i++) {
		const struct mailbox_info *other = &plan->list.mailbox[i];

		if (strncmp(other->name, name, len) == 0 && other->name[len] == '/' &&
			!other->nonexistent && !has_step(plan, other->name))
			return true;
	}
	return false;
}

static void judge_deletion(struct mailboxes *plan, struct mailboxes_step *step)
{
	const unsigned needed =
		IMAP_STATUS_MESSAGES | IMAP_STATUS_UIDNEXT | IMAP_STATUS_UIDVALIDITY;
	const struct mailbox_info *info = step->info;

	if (!info)
		fail(plan, step, step->row.name, "there is no such mailbox");
	else if (mailbox_is_inbox(info->name))
		fail(plan, step, info->name, "it cannot be deleted; purge removes what is in it");
	else if (info->noselect && has_staying_child(plan, info->name))
		fail(plan, step, info->name,
			"it holds nothing but mailboxes below it, which were not named");
	else if (!info->noselect && (info->has & needed) != needed)
		fail(plan, step, info->name,
			"the server does not tell what is in it: nothing is deleted");
	else
		step->row.messages = info->noselect ? 0 : info->messages;
}

static int plan_deletion(struct mailboxes *plan, struct err *err)
{
	if (choose(plan, err) < 0)
		return -1;
	if (plan->count > 0)
		qsort(plan->step, plan->count, sizeof(*plan->step), from_the_end);
	for (size_t i = 0; i < plan->count; i++)
		judge_deletion(plan, &plan->step[i]);
	return 0;
}

/* ---- rename ---- */

static bool is_expression(const char *text)
{
	size_t delimiters = 0;

	if (text[0] != 's' || text[1] == '\0' || strchr("/|,!#:;@%~", text[1]) == NULL)
		return false;
	for (const char *at = text + 1; *at; at++)
		delimiters += *at == text[1];
	return delimiters >= 3;
}

/* What a mailbox is called once those above it were renamed. */
static const char *name_by_then(const struct mailboxes *plan, const char *name)
{
	const struct mailboxes_row *nearest = NULL;

	for (size_t i = 0; i < plan->count; i++) {
		const struct mailboxes_row *row = &plan->step[i].row;

		if (row->state != MAILBOXES_FAILED && mailbox_below(row->name, name) &&
			(!nearest || strlen(row->name) > strlen(nearest->name)))
			nearest = row;
	}
	return nearest ? arena_print(plan->arena, "%s%s", nearest->to, name + strlen(nearest->name))
		       : name;
}

static const char *judge_target(const struct mailboxes *plan, const char *from, const char *to)
{
	const struct mailbox_info *taken = mailbox_list_find(&plan->list, to);

	if (mailbox_is_inbox(from))
		return "INBOX cannot be renamed";
	if (mailbox_is_inbox(to))
		return "INBOX cannot be a new name";
	if (name_problem(span_of(to)))
		return name_problem(span_of(to));
	if (taken && !taken->nonexistent)
		return "the new name is taken";
	if (mailbox_below(from, to))
		return "the new name is below the old one";
	for (size_t i = 0; i < plan->count; i++) {
		const struct mailboxes_row *row = &plan->step[i].row;

		if (row->to && strcmp(row->to, to) == 0)
			return "another mailbox gets this name too";
	}
	return NULL;
}

/* name: by then. */
static void add_rename(
	struct mailboxes *plan, const char *name, const struct mailbox_info *info, const char *to)
{
	const char *problem =
		info ? judge_target(plan, info->name, to) : "there is no such mailbox";
	struct mailboxes_step *step = add_step(plan, name, info);

	step->row.to = to;
	step->from = name;
	if (problem)
		fail(plan, step, step->row.name, problem);
}

static int plan_pair(struct mailboxes *plan, struct err *err)
{
	const char *from = name_canonical(plan->request.name[0]);
	const char *to = name_canonical(plan->request.name[1]);
	const struct mailbox_info *info = mailbox_list_find(&plan->list, from);

	if (check_name(plan, from, err) < 0 || check_name(plan, to, err) < 0)
		return -1;
	add_rename(plan, from, info && !info->nonexistent ? info : NULL, to);
	return 0;
}

/* From the top: what is below a mailbox goes along with it, and is renamed only where the expressions give it yet another name. */
static void plan_rewrites(struct mailboxes *plan, struct rewrite *const *rewrite, size_t count)
{
	const char *root = account_mailbox(plan->request.account);

	for (size_t i = 0; i < plan->list.count; i++) {
		const struct mailbox_info *info = &plan->list.mailbox[i];
		const char *to = info->name;

		if (info->nonexistent || (root && !mailbox_below(root, info->name)))
			continue;
		for (size_t k = 0; k < count; k++)
			to = rewrite_apply(rewrite[k], plan->arena, to);
		to = name_canonical(to);
		if (strcmp(to, info->name) == 0)
			continue;
		if (mailbox_is_inbox(info->name)) {
			log_info("INBOX matches too, and keeps its name");
			continue;
		}
		if (strcmp(to, name_by_then(plan, info->name)) != 0)
			add_rename(plan, name_by_then(plan, info->name), info, to);
	}
}

static int plan_expressions(struct mailboxes *plan, struct err *err)
{
	const size_t count = plan->request.names;
	struct rewrite **rewrite = mem_array(count + 1, sizeof(struct rewrite *));
	size_t made = 0;
	int rc = 0;

	while (made < count && rc == 0) {
		rewrite[made] = rewrite_new(plan->request.name[made], err);
		if (rewrite[made])
			made++;
		else
			rc = -1;
	}
	if (rc == 0)
		plan_rewrites(plan, rewrite, count);
	while (made > 0)
		rewrite_free(rewrite[--made]);
	mem_free(rewrite);
	return rc;
}

static int plan_renames(struct mailboxes *plan, struct err *err)
{
	size_t expressions = 0;

	for (size_t i = 0; i < plan->request.names; i++)
		expressions += is_expression(plan->request.name[i]);
	if (plan->request.names == 2 && expressions == 0)
		return plan_pair(plan, err);
	if (expressions > 0 && expressions == plan->request.names)
		return plan_expressions(plan, err);
	return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
		"rename takes the old name and the new one, or expressions such as s/^Old/New/");
}

/* ---- create, subscribe ---- */

static int plan_creation(struct mailboxes *plan, struct err *err)
{
	if (choose_names(plan, err) < 0)
		return -1;
	for (size_t i = 0; i < plan->count; i++) {
		struct mailboxes_step *step = &plan->step[i];

		if (step->info && !step->info->noselect)
			step->row.state = MAILBOXES_ALREADY;
	}
	return 0;
}

/* A subscription may be to what is not there any more: it can be ended. */
static int plan_subscriptions(struct mailboxes *plan, bool wanted, struct err *err)
{
	if (choose(plan, err) < 0)
		return -1;
	for (size_t i = 0; i < plan->count; i++) {
		struct mailboxes_step *step = &plan->step[i];

		if (!step->info && wanted)
			fail(plan, step, step->row.name, "there is no such mailbox");
		else if (step->info && !plan->list.subscriptions_unknown &&
			 step->info->subscribed == wanted)
			step->row.state = MAILBOXES_ALREADY;
	}
	return 0;
}

int mailboxes_choose(struct mailboxes *plan, struct err *err)
{
	switch (plan->request.action) {
	case MAILBOXES_DELETE:
		return plan_deletion(plan, err);
	case MAILBOXES_RENAME:
		return plan_renames(plan, err);
	case MAILBOXES_CREATE:
		return plan_creation(plan, err);
	case MAILBOXES_SUBSCRIBE:
		return plan_subscriptions(plan, true, err);
	case MAILBOXES_UNSUBSCRIBE:
		return plan_subscriptions(plan, false, err);
	}
	return 0;
}
