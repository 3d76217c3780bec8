/* A second look at what differs: its Message-ID, date, sender and subject. */
#include "ops/comparison_parts.h"

#include "base/log.h"
#include "mail/header_field.h"
#include "mail/mime.h"

#define FIELD_MAX 2000 /* octets of a header field that are kept */

struct reading {
	struct seen *seen;
	struct arena *arena; /* of the visit */
};

static uint32_t uid_in(const struct comparison_difference *difference)
{
	return difference->what.a_uid ? difference->what.a_uid : difference->what.b_uid;
}

static int by_uid(const void *x, const void *y)
{
	const struct comparison_difference *const *a = x, *const *b = y;
	const uint32_t i = uid_in(*a), k = uid_in(*b);

	return (i > k) - (i < k);
}

static void want(struct seen *seen, struct comparison_difference *difference)
{
	if (seen->wants == seen->wants_room) {
		const size_t room = seen->wants_room ? 2 * seen->wants_room : 16;

		seen->wanted =
			mem_resize(seen->wanted, room, sizeof(struct comparison_difference *));
		seen->wants_room = room;
	}
	seen->wanted[seen->wants++] = difference;
}

/* Where a message is read: at the first if that has it. */
static struct seen *reads_at(
	const struct unit *unit, const struct comparison_difference *difference)
{
	if (!difference->what.a_uid)
		return unit->b;
	for (size_t i = 0; i < unit->a_count; i++)
		if (unit->a[i]->info->name == difference->mailbox)
			return unit->a[i];
	return NULL;
}

static void collect(struct comparison *job)
{
	for (size_t i = 0; i < job->units; i++) {
		const struct unit *unit = job->unit[i];

		for (size_t k = 0; k < unit->box.differences; k++) {
			struct comparison_difference *difference = &unit->box.difference[k];
			struct seen *seen = reads_at(unit, difference);

			if (seen && uid_in(difference))
				want(seen, difference);
		}
	}
}

static const char *field(
	struct comparison *job, struct span header, const char *name, struct arena *arena)
{
	char *value = header_field(header, span_of(name), arena);
	const char *kept;

	if (!value)
		return NULL;
	if (strlen(value) > FIELD_MAX)
		value[FIELD_MAX] = '\0';
	value = mime_decode(value, arena);
	pthread_mutex_lock(&job->lock);
	kept = arena_strdup(job->arena, value);
	pthread_mutex_unlock(&job->lock);
	return kept;
}

static void take_header(void *context, uint32_t uid, struct span header)
{
	const struct reading *reading = context;
	const struct seen *seen = reading->seen;
	struct comparison *job = seen->side->job;
	struct comparison_heading *heading;
	size_t low = 0, high = seen->wants;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (uid_in(seen->wanted[middle]) < uid)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == seen->wants || uid_in(seen->wanted[low]) != uid)
		return;
	pthread_mutex_lock(&job->lock);
	heading = arena_alloc(job->arena, sizeof(*heading));
	pthread_mutex_unlock(&job->lock);
	heading->message_id = field(job, header, "Message-ID", reading->arena);
	heading->date = field(job, header, "Date", reading->arena);
	heading->from = field(job, header, "From", reading->arena);
	heading->subject = field(job, header, "Subject", reading->arena);
	for (; low < seen->wants && uid_in(seen->wanted[low]) == uid; low++)
		seen->wanted[low]->heading = heading;
}

/* The UIDs are those of the first look, if the mailbox is the same. */
static int read_some(void *context, struct walk_visit *visit, struct err *err)
{
	static const char *const fields[] = { "Message-ID", "Date", "From", "Subject" };
	struct seen *seen = visit->place->data;
	struct reading reading = { .seen = seen, .arena = visit->arena };
	struct uidset uids = { 0 }, unknown = { 0 };
	const struct box_scan scan = { .uids = &uids,
		.digests = true,
		.fields = fields,
		.field_count = countof(fields),
		.header = take_header,
		.header_context = &reading };
	struct snapshot rows;
	struct box *box = store_open_box(visit->store, seen->info->name, STORE_READ, err);
	int rc = 0;

	(void)context;
	if (!box)
		return -1;
	for (size_t i = 0; i < seen->wants; i++)
		uidset_add(&uids, visit->arena, uid_in(seen->wanted[i]), uid_in(seen->wanted[i]));
	snapshot_init(&rows, true);
	if (box_facts(box)->uidvalidity == seen->uidvalidity)
		rc = box_scan(box, &scan, &rows, visit->arena, &unknown, err);
	snapshot_release(&rows);
	box_close(box);
	return rc;
}

static bool wants(void *context, const struct walk_place *place)
{
	(void)context;
	return ((const struct seen *)place->data)->wants > 0;
}

static void each_seen(struct comparison *job, void (*work)(struct seen *seen))
{
	for (size_t i = 0; i < job->request.accounts; i++)
		for (size_t k = 0; job->side[i].walk && k < walk_count(job->side[i].walk); k++)
			work(&job->side[i].seen[k]);
}

static void sort(struct seen *seen)
{
	if (seen->wants > 1)
		qsort(seen->wanted, seen->wants, sizeof(struct comparison_difference *), by_uid);
}

static void finish(struct seen *seen)
{
	const struct walk_place *place =
		walk_place(seen->side->walk, (size_t)(seen - seen->side->seen));

	if (seen->wants > 0 && place->err)
		log_warn("%s", place->err->text);
	mem_free(seen->wanted);
	seen->wanted = NULL;
	seen->wants = 0;
}

void comparison_read_headings(struct comparison *job)
{
	collect(job);
	each_seen(job, sort);
	comparison_visit(job, read_some, wants);
	each_seen(job, finish);
}
