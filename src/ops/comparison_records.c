/* What a copy between two of the accounts wrote down, in either direction: read at once, so that a copy that begins meanwhile finds its journal free. */
#include "ops/comparison_parts.h"

#include "base/log.h"
#include "state/journal.h"

struct recorded { /* a pair of mailboxes */
	const char *a, *b;
	uint32_t a_uidvalidity, b_uidvalidity;
	size_t count;
	uint32_t *a_uid, *b_uid; /* by a_uid */
};

static bool is_wanted(const struct journal_mailbox *mailbox)
{
	return mailbox->src_uidvalidity != 0 && mailbox->dst_uidvalidity != 0;
}

/* Where a server merged two messages into one, one of them is not there: no UID comes twice. */
static int read_pairs(struct side *other, struct journal *journal,
	const struct journal_mailbox *mailbox, struct recorded *out, struct err *err)
{
	struct arena *arena = other->job->arena, *scratch = arena_new();
	struct journal_pairs pairs = { 0 };
	int rc = journal_pairs(journal, mailbox->id, scratch, &pairs, err);

	*out = (struct recorded){ .a = arena_strdup(arena, mailbox->src_name),
		.b = arena_strdup(arena, mailbox->dst_name),
		.a_uidvalidity = mailbox->src_uidvalidity,
		.b_uidvalidity = mailbox->dst_uidvalidity };
	if (rc == 0) {
		out->a_uid = arena_array(arena, pairs.count + 1, sizeof(uint32_t));
		out->b_uid = arena_array(arena, pairs.count + 1, sizeof(uint32_t));
	}
	for (size_t i = 0; rc == 0 && i < pairs.count; i++) {
		if (pairs.status[i] != JOURNAL_DONE || pairs.src_uid[i] == 0 ||
			pairs.dst_uid[i] == 0)
			continue;
		out->a_uid[out->count] = pairs.src_uid[i];
		out->b_uid[out->count++] = pairs.dst_uid[i];
	}
	arena_free(scratch);
	return rc;
}

static int read_journal(struct side *other, struct journal *journal, struct err *err)
{
	struct arena *arena = other->job->arena, *scratch = arena_new();
	struct journal_mailbox *mailbox;
	size_t count = 0;
	int rc = journal_mailboxes(journal, scratch, &mailbox, &count, err);

	if (rc == 0)
		other->recorded = arena_array(arena, count + 1, sizeof(*other->recorded));
	for (size_t i = 0; rc == 0 && i < count; i++) {
		if (!is_wanted(&mailbox[i]))
			continue;
		rc = read_pairs(other, journal, &mailbox[i], &other->recorded[other->records], err);
		other->records += rc == 0;
	}
	arena_free(scratch);
	return rc;
}

/* Records make a proof better; without them there are the headers. */
static void read_side(struct side *other, const char *dir)
{
	const char *a = account_identity(other->job->side[0].account);
	const char *b = account_identity(other->account);
	struct err err = ERR_INIT;
	struct journal *journal;
	int rc = -1;

	if (!journal_exists(dir, a, b))
		return;
	journal = journal_open(dir, a, b, &err);
	if (journal) {
		rc = read_journal(other, journal, &err);
		rc = journal_close(journal, rc == 0 ? &err : NULL) < 0 ? -1 : rc;
	}
	if (rc < 0)
		log_info("%s: going on without the record of earlier copies: %s",
			account_name(other->account), err.text);
}

void comparison_read_records(struct comparison *job)
{
	struct arena *arena = arena_new();
	char *dir = NULL;

	if (job->request.settings->match == MATCH_AUTO && !job->request.count_only &&
		settings_state_dir(job->request.settings, arena, &dir, NULL) == 0 && dir)
		for (size_t i = 1; i < job->request.accounts; i++)
			if (job->side[i].walk)
				read_side(&job->side[i], dir);
	arena_free(arena);
}

/* ---- for one unit ---- */

struct filling {
	struct compare_record *record;
	size_t count, room;
	uint8_t *taken; /* rows of the other, a bit each */
};

static const struct recorded *find(
	const struct side *other, const struct seen *a, const struct seen *b)
{
	for (size_t i = 0; i < other->records; i++) {
		const struct recorded *recorded = &other->recorded[i];

		if (strcmp(recorded->a, a->info->name) == 0 &&
			strcmp(recorded->b, b->info->name) == 0 &&
			recorded->a_uidvalidity == a->uidvalidity &&
			recorded->b_uidvalidity == b->uidvalidity)
			return recorded;
	}
	return NULL;
}

static bool take(struct filling *filling, size_t row)
{
	const uint8_t bit = (uint8_t)(1u << (row % 8));
	const bool free = !(filling->taken[row / 8] & bit);

	filling->taken[row / 8] |= bit;
	return free;
}

static void add(struct filling *filling, size_t a, size_t b)
{
	if (filling->count == filling->room) {
		filling->room = filling->room ? 2 * filling->room : 256;
		filling->record =
			mem_resize(filling->record, filling->room, sizeof(*filling->record));
	}
	filling->record[filling->count++] = (struct compare_record){ (uint32_t)a, (uint32_t)b };
}

static void fill(struct filling *filling, const struct recorded *recorded, const struct seen *a,
	const struct seen *b, size_t first_row)
{
	uint32_t last = 0;

	for (size_t i = 0; i < recorded->count; i++) {
		const size_t a_row = snapshot_find(&a->rows, recorded->a_uid[i]);
		const size_t b_row = snapshot_find(&b->rows, recorded->b_uid[i]);

		if (recorded->a_uid[i] == last || a_row == SIZE_MAX || b_row == SIZE_MAX ||
			!take(filling, b_row))
			continue;
		last = recorded->a_uid[i];
		add(filling, first_row + a_row, b_row);
	}
}

struct compare_record *comparison_records(const struct unit *unit, size_t *count_out)
{
	struct filling filling = { 0 };
	size_t first_row = 0;

	*count_out = 0;
	if (!unit->b || unit->other->records == 0)
		return NULL;
	filling.taken = mem_alloc(unit->b->rows.count / 8 + 1);
	for (size_t i = 0; i < unit->a_count; i++) {
		const struct recorded *recorded = find(unit->other, unit->a[i], unit->b);

		if (recorded)
			fill(&filling, recorded, unit->a[i], unit->b, first_row);
		first_row += unit->a[i]->rows.count;
	}
	mem_free(filling.taken);
	*count_out = filling.count;
	return filling.record;
}
