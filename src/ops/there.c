/* A comparison of what was asked for with all of the target. */
#include "ops/there.h"

#include "ops/compare.h"
#include "ops/walk.h"

struct sorting {
	struct arena *arena;
	struct there *out;
};

static void sort_out(void *context, const struct difference *difference)
{
	struct sorting *sorting = context;
	const uint32_t uid = difference->a_uid;

	if (uid != 0)
		uidset_add(difference->kind == DIFFERENCE_UNKNOWN ? &sorting->out->unknown
								  : &sorting->out->missing,
			sorting->arena, uid, uid);
}

static void sort_rows(struct arena *arena, const struct snapshot *rows, const struct uidset *uids,
	const struct snapshot *target, struct there *out)
{
	struct sorting sorting = { .arena = arena, .out = out };
	const struct compare_request request = { .a = { .rows = rows },
		.b = { .rows = target },
		.check = COMPARE_SIZE,
		.no_extra = true,
		.found = sort_out,
		.context = &sorting };
	struct compare_result result;
	struct uidset here = { 0 }, rest;

	for (size_t i = 0; i < rows->count; i++)
		uidset_add(&here, arena, rows->uid[i], rows->uid[i]);
	compare_boxes(&request, &result);
	out->there = uidset_without(&here, &out->missing, arena);
	out->there = uidset_without(&out->there, &out->unknown, arena);
	/* What a scan left out is gone only if it says that it is whole (product rule 3). */
	rest = uidset_without(uids, &here, arena);
	uidset_add_set(rows->complete ? &out->gone : &out->unknown, arena, &rest);
}

int there_find(struct walk_visit *visit, struct box *box, const struct uidset *uids,
	const struct snapshot *target, struct there *out, struct err *err)
{
	const struct box_scan scan = { .uids = uids, .digests = true };
	struct uidset unknown = { 0 };
	struct snapshot rows;
	int rc;

	*out = (struct there){ .there = { 0 } };
	snapshot_init(&rows, true);
	rc = box_scan(box, &scan, &rows, visit->arena, &unknown, err);
	if (rc == 0)
		sort_rows(visit->arena, &rows, uids, target, out);
	snapshot_release(&rows);
	return rc;
}
