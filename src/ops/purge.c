#include "ops/purge.h"

#include "base/arena.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/os.h"
#include "ops/brake.h"
#include "ops/remove.h"

struct plan { /* of one mailbox; written by its visit only */
	struct purge_row row;
	struct arena *arena; /* of the UIDs and the error; NULL until it is needed */
	struct uidset uids;
	uint32_t uidvalidity;
	/* The second look. begun: the removal was tried; what is missing then went by it. */
	struct uidset going;
	bool begun;
};

struct purge {
	const struct settings *settings;
	struct account *account;
	struct walk *walk;
	struct plan *plan; /* one a place */
};

static void forget(struct plan *plan)
{
	arena_free(plan->arena);
	plan->arena = arena_new();
	plan->uids = (struct uidset){ 0 };
	plan->row.found = plan->row.chosen = 0;
}

static void keep_err(struct plan *plan, const struct err *err)
{
	struct err *kept;

	if (!plan->arena)
		plan->arena = arena_new();
	kept = arena_alloc(plan->arena, sizeof(*kept));
	*kept = *err;
	plan->row.err = kept;
}

static void choose(struct plan *plan, const struct snapshot *snapshot, const uint8_t *reason)
{
	for (size_t i = 0; i < snapshot->count; i++) {
		if (reason[i] == SELECT_YES)
			uidset_add(&plan->uids, plan->arena, snapshot->uid[i], snapshot->uid[i]);
	}
	plan->row.found = snapshot->count;
	plan->row.chosen = uidset_size(&plan->uids);
}

static int look(void *context, struct walk_visit *visit, struct err *err)
{
	struct purge *purge = context;
	struct plan *plan = &purge->plan[visit->place->index];
	struct snapshot snapshot;
	struct box *box = NULL;
	uint8_t *reason;
	int rc;

	forget(plan); /* of an attempt before */
	snapshot_init(&snapshot, false);
	rc = walk_scan(visit, STORE_READ, NULL, &snapshot, &reason, &box, err);
	if (rc == 0 && !snapshot.complete)
		rc = err_set(err, ERR_MAILBOX,
			"the server did not show all messages: nothing is deleted in it");
	if (rc == 0) {
		plan->uidvalidity = box_facts(box)->uidvalidity;
		choose(plan, &snapshot, reason);
	}
	box_close(box);
	snapshot_release(&snapshot);
	return rc;
}

/* What the visits say of their places goes into the rows: the next walk forgets it. */
static void keep_errors(struct purge *purge)
{
	for (size_t i = 0; i < walk_count(purge->walk); i++) {
		const struct walk_place *place = walk_place(purge->walk, i);

		if (place->err && !purge->plan[i].row.err) {
			keep_err(&purge->plan[i], place->err);
			log_error("%s: %s", place->info->name, place->err->text);
		}
	}
}

struct purge *purge_plan(const struct walk_request *request, struct err *err)
{
	struct walk *walk = walk_open(request, err);
	struct purge *purge;

	if (!walk)
		return NULL;
	purge = mem_alloc(sizeof(*purge));
	*purge = (struct purge){
		.settings = request->settings, .account = request->account, .walk = walk
	};
	purge->plan = mem_array(walk_count(walk) + 1, sizeof(*purge->plan));
	for (size_t i = 0; i < walk_count(walk); i++)
		purge->plan[i].row.mailbox = walk_place(walk, i)->info->name;
	if (walk_visit(walk, look, purge, NULL, err) < 0) {
		purge_free(purge);
		return NULL;
	}
	keep_errors(purge);
	return purge;
}

void purge_free(struct purge *purge)
{
	if (!purge)
		return;
	for (size_t i = 0; i < walk_count(purge->walk); i++)
		arena_free(purge->plan[i].arena);
	mem_free(purge->plan);
	walk_free(purge->walk);
	mem_free(purge);
}

int purge_allow(struct purge *purge, int (*ask)(void *context, const char *question), void *context,
	struct err *err)
{
	const size_t count = walk_count(purge->walk);
	struct loss *losses = mem_array(count + 1, sizeof(*losses));
	char question[256];
	uint64_t going = 0;
	size_t mailboxes = 0;
	int rc;

	for (size_t i = 0; i < count; i++) {
		const struct purge_row *row = &purge->plan[i].row;

		losses[i] = (struct loss){ row->mailbox, row->chosen, row->found,
			row->found - row->chosen };
		going += row->chosen;
		mailboxes += row->chosen > 0;
	}
	rc = brake_check(purge->settings, "selected", losses, count, err);
	mem_free(losses);
	if (rc < 0 || going == 0)
		return rc;
	snprintf(question, sizeof(question), "%s %llu messages in %zu mailboxes of %s?",
		purge->settings->no_expunge ? "mark as deleted" : "delete",
		(unsigned long long)going, mailboxes, account_name(purge->account));
	return brake_confirm(purge->settings, ask, context, question, err);
}

static bool has_plan(void *context, const struct walk_place *place)
{
	const struct plan *plan = &((struct purge *)context)->plan[place->index];

	return plan->row.chosen > 0 && !plan->row.err;
}

/* What of the plan is there and still selected. */
static void choose_again(struct plan *plan, const struct snapshot *snapshot, const uint8_t *reason)
{
	for (size_t i = 0; i < snapshot->count; i++) {
		if (reason[i] == SELECT_YES)
			uidset_add(&plan->going, plan->arena, snapshot->uid[i], snapshot->uid[i]);
	}
	plan->row.vanished = plan->row.chosen - snapshot->count;
	plan->row.spared = snapshot->count - uidset_size(&plan->going);
}

static int take_out(struct purge *purge, struct walk_visit *visit, struct plan *plan,
	struct box *box, struct err *err)
{
	const struct remove remove = {
		.mailbox = plan->row.mailbox, .uidvalidity = plan->uidvalidity, .uids = &plan->going
	};
	int rc;

	plan->begun = true;
	if (plan->going.count == 0)
		return 0;
	os_point("remove");
	rc = remove_proven(purge->settings, box, visit->flags, &remove, &plan->row.deleted, err);
	os_point("removed");
	return rc;
}

static int carry_out(void *context, struct walk_visit *visit, struct err *err)
{
	struct purge *purge = context;
	struct plan *plan = &purge->plan[visit->place->index];
	const struct box_scan scan = { .uids = &plan->uids };
	struct snapshot snapshot;
	struct box *box = NULL;
	uint8_t *reason;
	int rc;

	snapshot_init(&snapshot, false);
	rc = walk_scan(visit, STORE_WRITE, &scan, &snapshot, &reason, &box, err);
	if (rc == 0)
		rc = walk_check_uids(box, plan->uidvalidity, err);
	if (rc == 0 && !plan->begun && !snapshot.complete)
		rc = err_set(err, ERR_MAILBOX,
			"the server did not show its messages again: nothing is deleted in it");
	if (rc == 0 && !plan->begun)
		choose_again(plan, &snapshot, reason);
	snapshot_release(&snapshot);
	if (rc == 0)
		rc = take_out(purge, visit, plan, box, err);
	box_close(box);
	return rc;
}

int purge_do(struct purge *purge, struct err *err)
{
	const int rc = walk_visit(purge->walk, carry_out, purge, has_plan, err);

	keep_errors(purge);
	return rc;
}

size_t purge_count(const struct purge *purge)
{
	return walk_count(purge->walk);
}

const struct purge_row *purge_row(const struct purge *purge, size_t index)
{
	return &purge->plan[index].row;
}

bool purge_left_out(const struct purge *purge)
{
	return walk_left_out(purge->walk) > 0;
}
