/* What --db keeps of a comparison. The rows of a mailbox go there when it was read, all else when everything is known. */
#include "ops/comparison_parts.h"

#include "imap/imap.h"

static unsigned location_of(const struct side *side)
{
	return (unsigned)side->number + 1;
}

static struct results_mailbox row_of(const struct seen *seen)
{
	const struct mailbox_info *info = seen->info;

	return (struct results_mailbox){ .location = location_of(seen->side),
		.name = info->name,
		.uidvalidity = seen->uidvalidity,
		.announced = info->has & IMAP_STATUS_MESSAGES ? (int64_t)info->messages
							      : RESULTS_UNKNOWN };
}

void comparison_keep_rows(struct seen *seen, struct kept *kept, const struct flag_table *flags)
{
	struct results_mailbox row = row_of(seen);

	row.complete = seen->rows.complete;
	for (size_t i = 0; i < seen->rows.count; i++) {
		if (seen->reason[i] != SELECT_YES)
			continue;
		row.messages++;
		row.octets += seen->rows.size[i];
	}
	seen->kept = kept_add(
		kept, seen->side->job->request.results, &row, &seen->rows, seen->reason, flags);
}

/* One that could not be read, or was only counted. */
static void keep_unread(struct seen *seen)
{
	const struct side *side = seen->side;
	const struct err *err = walk_place(side->walk, (size_t)(seen - side->seen))->err;
	struct results_mailbox row = row_of(seen);

	row.complete = seen->done && side->job->request.count_only;
	row.messages = row.complete ? seen->counted : 0;
	if (!seen->done)
		row.error = err ? err->text : *side->err.text ? side->err.text : "it was not read";
	seen->kept = results_mailbox(side->job->request.results, &row);
}

static void keep_side(struct side *side)
{
	const struct account *account = side->account;
	const struct results_location location = { .number = location_of(side),
		.name = account_name(account),
		.host = account_get(account, ACCOUNT_HOST),
		.user = account_get(account, ACCOUNT_USER),
		.error = *side->err.text ? side->err.text : NULL };

	results_location(side->job->request.results, &location);
	for (size_t i = 0; side->walk && i < walk_count(side->walk); i++)
		if (side->seen[i].units > 0 && side->seen[i].kept == 0)
			keep_unread(&side->seen[i]);
}

/* ---- findings ---- */

static struct results_finding finding_of(const struct unit *unit, enum results_finding_kind kind)
{
	const struct comparison_box *box = &unit->box;

	return (struct results_finding){ .kind = kind,
		.location = location_of(unit->other),
		.mailbox = unit->a_count > 0 ? unit->a[0]->kept : 0,
		.other_mailbox = unit->b ? unit->b->kept : 0,
		.name = box->a ? box->a : box->b };
}

/* "flags date" */
static const char *names_of(struct arena *arena, unsigned bits)
{
	const char *text = NULL;

	for (unsigned bit = 0; bit < COMPARE_CHECKS; bit++) {
		const char *name = compare_check_name(1u << bit);

		if (bits & (1u << bit))
			text = text ? arena_print(arena, "%s %s", text, name) : name;
	}
	return text;
}

static void keep_difference(const struct unit *unit, const struct comparison_difference *difference)
{
	static const enum results_finding_kind kinds[] = {
		[DIFFERENCE_MISSING] = RESULTS_MISSING,
		[DIFFERENCE_EXTRA] = RESULTS_EXTRA,
		[DIFFERENCE_DOUBLED] = RESULTS_DOUBLED,
		[DIFFERENCE_IN] = RESULTS_DIFFERS,
		[DIFFERENCE_UNKNOWN] = RESULTS_NOT_KNOWN,
	};
	const struct difference *what = &difference->what;
	struct results_finding finding = finding_of(unit, kinds[what->kind]);
	struct arena *scratch = arena_new();

	finding.what = names_of(scratch, what->in);
	finding.uid = what->a_uid;
	finding.other_uid = what->b_uid;
	for (size_t i = 0; i < unit->a_count && difference->mailbox; i++) {
		if (strcmp(unit->a[i]->info->name, difference->mailbox) != 0)
			continue;
		finding.name = difference->mailbox;
		finding.mailbox = unit->a[i]->kept;
	}
	results_finding(unit->other->job->request.results, &finding);
	arena_free(scratch);
}

/* With --count-only, which sees no messages. */
static void keep_counts(const struct unit *unit)
{
	const struct compare_result *result = &unit->box.result;
	struct results_finding finding = finding_of(unit, RESULTS_DIFFERS);
	char text[96];

	if (unit->box.state != COMPARISON_DIFFERS || unit->box.differences > 0 ||
		result->a == result->b)
		return;
	(void)snprintf(text, sizeof(text), "%llu messages at the first, %llu there",
		(unsigned long long)result->a, (unsigned long long)result->b);
	finding.what = "count";
	finding.text = text;
	results_finding(unit->other->job->request.results, &finding);
}

static void keep_unit(const struct unit *unit)
{
	struct results *results = unit->other->job->request.results;
	const struct comparison_box *box = &unit->box;
	struct results_finding finding = finding_of(unit, RESULTS_NOT_KNOWN);

	finding.text = box->text;
	if (box->text) {
		results_finding(results, &finding);
		return;
	}
	finding.kind = box->a_there ? RESULTS_MAILBOX_MISSING : RESULTS_MAILBOX_EXTRA;
	if (box->state == COMPARISON_DIFFERS && !(box->a_there && box->b_there))
		results_finding(results, &finding);
	for (size_t i = 0; i < box->differences; i++)
		keep_difference(unit, &box->difference[i]);
	keep_counts(unit);
}

static void keep_text(const struct side *side, const char *text)
{
	const struct results_finding finding = {
		.kind = RESULTS_NOT_KNOWN, .location = location_of(side), .text = text
	};

	results_finding(side->job->request.results, &finding);
}

static void keep_left_out(const struct side *side)
{
	const size_t count = side->walk ? walk_left_out(side->walk) : 0;
	char text[96];

	(void)snprintf(text, sizeof(text),
		"%zu mailboxes were left out: names that are none, or not there", count);
	if (count > 0)
		keep_text(side, text);
}

void comparison_keep(struct comparison *job, const struct err *why)
{
	const struct side *first = &job->side[0];

	if (!job->request.results)
		return;
	for (size_t i = 0; i < job->request.accounts; i++) {
		struct side *side = &job->side[i];

		keep_side(side);
		keep_left_out(side);
		if (!side->walk && *side->err.text)
			keep_text(side, side->err.text);
	}
	if (why && first->walk)
		keep_text(first, why->text);
	for (size_t i = 0; i < job->units && !why; i++)
		keep_unit(job->unit[i]);
}
