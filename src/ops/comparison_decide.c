/* One unit: the rows of both sides go through compare_boxes(). */
#include "ops/comparison_parts.h"

struct deciding {
	struct unit *unit;
	uint8_t *a_by, *b_by; /* enum compare_by a row, with ids */
	struct snapshot joined; /* rows of several mailboxes of the first */
	uint8_t *reason;
};

static size_t rows_of_a(const struct unit *unit)
{
	size_t rows = 0;

	for (size_t i = 0; i < unit->a_count; i++)
		rows += unit->a[i]->rows.count;
	return rows;
}

static void copy_row(struct snapshot *to, const struct snapshot *from, size_t row)
{
	const size_t at = snapshot_add(to, from->uid[row]);

	to->flags[at] = from->flags[row];
	to->instant[at] = from->instant[row];
	to->size[at] = from->size[row];
	to->attr[at] = from->attr[row];
	if (from->digest)
		to->digest[at] = from->digest[row];
	if (from->content)
		to->content[at] = from->content[row];
	if (from->id)
		to->id[at] = from->id[row];
}

/* Several mailboxes, or none, are compared as one. */
static void join_rows(struct deciding *deciding, struct compare_side *out)
{
	struct unit *unit = deciding->unit;

	snapshot_init(&deciding->joined, true);
	deciding->joined.complete = unit->a_count > 0 || unit->other->job->side[0].trusted;
	deciding->reason = mem_alloc(rows_of_a(unit) + 1);
	unit->first_row = mem_array(unit->a_count + 1, sizeof(*unit->first_row));
	for (size_t i = 0; i < unit->a_count; i++) {
		const struct seen *seen = unit->a[i];

		if (seen->rows.content)
			snapshot_want_content(&deciding->joined);
		if (seen->rows.id)
			snapshot_want_ids(&deciding->joined);
		deciding->joined.complete &= seen->rows.complete;
		unit->first_row[i] = (uint32_t)deciding->joined.count;
		for (size_t row = 0; row < seen->rows.count; row++) {
			deciding->reason[deciding->joined.count] = seen->reason[row];
			copy_row(&deciding->joined, &seen->rows, row);
		}
	}
	*out = (struct compare_side){ .rows = &deciding->joined, .reason = deciding->reason };
}

static void take_a(struct deciding *deciding, struct compare_side *out)
{
	const struct unit *unit = deciding->unit;

	if (unit->a_count == 1)
		*out = (struct compare_side){ .rows = &unit->a[0]->rows,
			.reason = unit->a[0]->reason };
	else
		join_rows(deciding, out);
}

/* Nothing is there: that is certain if the listing is. */
static void take_b(const struct unit *unit, struct snapshot *nothing, struct compare_side *out)
{
	snapshot_init(nothing, false);
	nothing->complete = unit->other->trusted;
	if (unit->b)
		*out = (struct compare_side){ .rows = &unit->b->rows, .reason = unit->b->reason };
	else
		*out = (struct compare_side){ .rows = nothing };
}

/* Whose row of a this is. */
static const char *mailbox_of(const struct unit *unit, uint32_t row)
{
	size_t i = unit->a_count;

	if (row == NO_ROW || unit->a_count == 0)
		return NULL;
	if (!unit->first_row)
		return unit->a[0]->info->name;
	while (i > 1 && unit->first_row[i - 1] > row)
		i--;
	return unit->a[i - 1]->info->name;
}

static bool counts(const struct unit *unit, enum difference_kind kind)
{
	return kind != DIFFERENCE_EXTRA || unit->other->job->request.both;
}

static void keep(void *context, const struct difference *difference)
{
	struct unit *unit = context;

	if (!counts(unit, difference->kind))
		return;
	if (unit->box.differences == unit->room) {
		const size_t room = unit->room ? 2 * unit->room : 8;

		unit->box.difference =
			mem_resize(unit->box.difference, room, sizeof(*unit->box.difference));
		unit->room = room;
	}
	unit->box.difference[unit->box.differences++] =
		(struct comparison_difference){ .what = *difference,
			.mailbox = mailbox_of(unit, difference->a_row) };
}

/* What one of the two does not keep is not compared. */
static unsigned unchecked(const struct unit *unit)
{
	const unsigned caps =
		walk_caps(unit->other->job->side[0].walk) & walk_caps(unit->other->walk);
	unsigned bits = 0;

	bits |= caps & STORE_CAP_FLAGS ? 0 : COMPARE_FLAGS;
	bits |= caps & STORE_CAP_DATES ? 0 : COMPARE_DATE;
	return bits & unit->other->job->request.check;
}

static bool says_nothing_of_b(const struct unit *unit)
{
	const struct settings *settings = unit->other->job->request.settings;

	return settings->uid_set || settings->limit || unit->other->no_search ||
	       unit->other->job->side[0].part_messages;
}

/*
 * What was not shown of the first may be missing at the other, however well the rest is paired; of the other it matters if all of it is to be compared. What a manifest's
 * own options left out of it is no failure.
 */
static bool is_partial(const struct unit *unit)
{
	bool whole = true;

	for (size_t i = 0; i < unit->a_count; i++)
		whole &= unit->a[i]->rows.complete;
	if (unit->other->job->request.both && unit->b && !unit->other->part_messages)
		whole &= unit->b->rows.complete;
	return !whole;
}

static void judge(struct unit *unit)
{
	const struct comparison_request *request = &unit->other->job->request;
	struct comparison_box *box = &unit->box;
	const struct compare_result *result = &box->result;
	const bool absent = box->a_there && !box->b_there;
	const bool nothing = absent && result->a == 0;

	unit->partial = !request->count_only && is_partial(unit);
	if (result->unknown > 0 || unit->partial || (absent && !unit->other->trusted))
		box->state = COMPARISON_UNKNOWN;
	else if (result->missing + result->doubled + result->differing > 0 ||
		 (absent && !(nothing && request->settings->no_empty)) ||
		 (request->both && (result->extra > 0 || !box->a_there)))
		box->state = COMPARISON_DIFFERS;
	unit->decided = true;
}

static void compare_counts(struct unit *unit)
{
	struct compare_result *result = &unit->box.result;

	for (size_t i = 0; i < unit->a_count; i++)
		result->a += unit->a[i]->counted;
	result->b = unit->b ? unit->b->counted : 0;
	if (result->a > result->b)
		result->missing = result->a - result->b;
	else if (!says_nothing_of_b(unit))
		result->extra = result->b - result->a;
	if (!unit->b && !unit->other->trusted) {
		result->unknown = result->missing;
		result->missing = 0;
	}
}

/* By ids first, where they are used. False: header digests are wanted before anything can be said. */
static bool compare_sides(
	struct deciding *deciding, struct compare_request *request, struct compare_result *result)
{
	struct unit *unit = deciding->unit;
	bool whole = true;

	if (unit->other->job->id != IMAP_CONTENT_ID_NONE) {
		deciding->a_by = mem_alloc(request->a.rows->count + 1);
		deciding->b_by = mem_alloc(request->b.rows->count + 1);
		compare_by_ids(request->a.rows, request->b.rows, deciding->a_by, deciding->b_by);
		whole = !comparison_look_again(unit, deciding->a_by, deciding->b_by, false);
	}
	request->a.by = deciding->a_by;
	request->b.by = deciding->b_by;
	if (whole)
		compare_boxes(request, result);
	if (whole && result->headers_wanted &&
		comparison_look_again(unit, deciding->a_by, deciding->b_by, true)) {
		unit->box.differences = 0;
		*result = (struct compare_result){ 0 };
		whole = false;
	}
	return whole;
}

static bool compare_rows(struct unit *unit)
{
	struct deciding deciding = { .unit = unit };
	struct compare_request request = {
		.no_extra = says_nothing_of_b(unit), .found = keep, .context = unit
	};
	struct compare_record *record = comparison_records(unit, &request.records);
	struct snapshot nothing;
	bool whole;

	request.record = record;
	unit->box.unchecked = unchecked(unit);
	request.check = unit->other->job->request.check & ~unit->box.unchecked;
	take_a(&deciding, &request.a);
	take_b(unit, &nothing, &request.b);
	whole = compare_sides(&deciding, &request, &unit->box.result);
	snapshot_release(&nothing);
	snapshot_release(&deciding.joined);
	mem_free(deciding.reason);
	mem_free(deciding.a_by);
	mem_free(deciding.b_by);
	mem_free(record);
	mem_free(unit->first_row);
	unit->first_row = NULL;
	return whole;
}

static void let_go(struct comparison *job, struct seen *seen)
{
	bool last;

	pthread_mutex_lock(&job->lock);
	last = --seen->waiting == 0;
	pthread_mutex_unlock(&job->lock);
	if (last)
		snapshot_release(&seen->rows);
}

void comparison_decide(struct unit *unit)
{
	struct comparison *job = unit->other->job;

	if (job->request.count_only)
		compare_counts(unit);
	else if (!compare_rows(unit))
		return;
	judge(unit);
	for (size_t i = 0; i < unit->a_count; i++)
		let_go(job, unit->a[i]);
	if (unit->b)
		let_go(job, unit->b);
}
