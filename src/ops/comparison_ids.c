/*
 * Whether content ids tell messages apart: a kind that all accounts vouch for, and a sample that shows that the two of a pair have the same ids. Copies made by APPEND mostly have ids of their
 * own; then headers are read at once, as without ids. Where two messages of the sample have one id and different headers, ids are believed nowhere.
 */
#include "ops/comparison_parts.h"

#include "base/log.h"
#include "imap/imap_content_id.h"
#include "ops/meter.h"

#define LEAST 100 /* messages in both: below it headers cost less than asking */
#define ENDS 20 /* messages that are looked at, from the first and from the last */
#define SHARE 4 /* one of so many must have its like */

/* Contents, manifests and the database need the headers anyway. */
static bool may_use_ids(const struct comparison *job)
{
	const struct comparison_request *request = &job->request;
	bool may = request->settings->match == MATCH_AUTO && !request->count_only &&
		   !request->results && !(request->check & COMPARE_CONTENT);

	for (size_t i = 0; i < request->accounts; i++)
		may &= !comparison_manifest_wanted(&job->side[i]);
	return may;
}

static bool is_one_software(const struct comparison *job)
{
	const char *first = walk_software(job->side[0].walk);
	bool one = first[0] != '\0';

	for (size_t i = 1; i < job->request.accounts; i++)
		if (job->side[i].walk)
			one &= strcmp(walk_software(job->side[i].walk), first) == 0;
	return one;
}

/* What an EMAILID means between servers RFC 8474 leaves open: of one software, equal ones do not come about by chance. */
static enum imap_content_id find_kind(const struct comparison *job)
{
	unsigned kinds = ~0u;

	for (size_t i = 0; i < job->request.accounts; i++)
		if (job->side[i].walk)
			kinds &= walk_content_ids(job->side[i].walk);
	if (!is_one_software(job))
		kinds &= ~(1u << IMAP_CONTENT_ID_EMAILID);
	for (unsigned kind = IMAP_CONTENT_ID_DIGEST; kind <= IMAP_CONTENT_ID_GUID; kind++)
		if (kinds & (1u << kind))
			return (enum imap_content_id)kind;
	return IMAP_CONTENT_ID_NONE;
}

/* ---- the sample ---- */

static uint32_t in_both(const struct unit *unit)
{
	const uint32_t a = unit->a_count > 0 ? unit->a[0]->info->messages : 0;
	const uint32_t b = unit->b ? unit->b->info->messages : 0;

	return a < b ? a : b;
}

static struct unit *largest(const struct comparison *job, const struct side *other)
{
	struct unit *found = NULL;

	for (size_t i = 0; i < job->units; i++) {
		struct unit *unit = job->unit[i];

		if (unit->other == other && in_both(unit) >= LEAST &&
			(!found || in_both(unit) > in_both(found)))
			found = unit;
	}
	return found;
}

static void want_sample(const struct comparison *job, struct seen *seen)
{
	if (!seen->sampled && job->request.meter)
		meter_total(job->request.meter, 1, 2 * ENDS);
	seen->sampled = true;
}

/* Each of the other accounts has a mailbox that is worth it. */
static bool want_samples(struct comparison *job)
{
	for (size_t i = 1; i < job->request.accounts; i++) {
		struct side *other = &job->side[i];

		if (!other->walk)
			continue;
		other->sample = largest(job, other);
		if (!other->sample)
			return false;
		want_sample(job, other->sample->a[0]);
		want_sample(job, other->sample->b);
	}
	return true;
}

static bool is_wanted(void *context, const struct walk_place *place)
{
	(void)context;
	return ((const struct seen *)place->data)->sampled;
}

static int read_sample(void *context, struct walk_visit *visit, struct err *err)
{
	const struct comparison *job = context;
	struct seen *seen = visit->place->data;
	struct uidset uids = { 0 }, unknown = { 0 };
	const struct box_scan scan = {
		.uids = &uids, .id = job->id, .digests = true, .no_dates = true
	};
	struct box *box = store_open_box(visit->store, seen->info->name, STORE_READ, err);
	const uint32_t count = box ? box_facts(box)->messages : 0;
	int rc = box ? 0 : -1;

	snapshot_release(&seen->rows); /* an attempt before this one */
	snapshot_init(&seen->rows, false);
	if (count > 2 * ENDS)
		rc = box_search(box,
			arena_print(visit->arena, "1:%d,%u:%u", ENDS, count - ENDS + 1, count),
			visit->arena, &uids, &unknown, err);
	/* A server that finds more than there can be is not asked about all of it. */
	if (rc >= 0 && uidset_size(&uids) <= 2 * ENDS)
		rc = box_scan(box, &scan, &seen->rows, visit->arena, &unknown, err);
	box_close(box);
	return rc < 0 ? -1 : 0;
}

struct likeness {
	size_t alike;
	bool lies;
};

static void compare_samples(
	const struct snapshot *a, const struct snapshot *b, struct likeness *out)
{
	for (size_t i = 0; i < a->count; i++) {
		for (size_t k = 0; k < b->count; k++) {
			if (!(a->attr[i] & b->attr[k] & SNAPSHOT_HAS_ID) ||
				!digest128_equal(a->id[i], b->id[k]) || a->size[i] != b->size[k])
				continue;
			out->alike++;
			out->lies |= !(a->attr[i] & b->attr[k] & SNAPSHOT_HAS_DIGEST) ||
				     !digest128_equal(a->digest[i], b->digest[k]);
			break;
		}
	}
}

static bool is_good(const struct unit *unit)
{
	const struct snapshot *a = &unit->a[0]->rows, *b = &unit->b->rows;
	const size_t fewer = a->count < b->count ? a->count : b->count;
	struct likeness found = { 0 };

	compare_samples(a, b, &found);
	log_debug("content ids: %zu of %zu messages have the same at %s%s", found.alike, fewer,
		account_name(unit->other->account), found.lies ? ", but not the same headers" : "");
	return !found.lies && found.alike > 0 && found.alike * SHARE >= fewer;
}

static void forget_samples(struct comparison *job)
{
	for (size_t i = 0; i < job->request.accounts; i++) {
		struct side *side = &job->side[i];

		for (size_t k = 0; side->walk && k < walk_count(side->walk); k++) {
			snapshot_release(&side->seen[k].rows);
			snapshot_init(&side->seen[k].rows, false);
		}
	}
}

/* What goes wrong here goes wrong again in a moment, and is told then. */
void comparison_choose_ids(struct comparison *job)
{
	bool good = may_use_ids(job);

	job->id = good ? find_kind(job) : IMAP_CONTENT_ID_NONE;
	good = job->id != IMAP_CONTENT_ID_NONE && want_samples(job);
	if (good)
		comparison_visit(job, read_sample, is_wanted);
	for (size_t i = 1; i < job->request.accounts; i++)
		if (good && job->side[i].walk)
			good = is_good(job->side[i].sample);
	if (!good)
		job->id = IMAP_CONTENT_ID_NONE;
	forget_samples(job);
}
