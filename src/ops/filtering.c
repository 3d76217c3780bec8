/* Decides, by the rules, where every message belongs. Reads only. */
#include "ops/filtering_parts.h"

#include "base/arena.h"
#include "base/map.h"
#include "base/log.h"
#include "base/mem.h"
#include "ops/relocate.h"
#include "mail/mime.h"

#include <string.h>

/* One mailbox while it is decided. */
struct deciding {
	struct filtering *filtering;
	struct boxed *boxed;
	struct walk_visit *visit;
	struct snapshot rows; /* of the chosen messages and the others */
	uint8_t *reason;
	struct uidset *by_search; /* what each search found */
	bool *found; /* of the message at hand, by search */
	uint32_t *part_of; /* rule → its part, from 1; 0 = none yet */
	struct arena *message; /* of the message at hand */
	void *one; /* of the request's begin() */
};

static const char *const shown_fields[] = { "Date", "From", "Subject" };

static const struct rules *rules_of(const struct filtering *filtering)
{
	return filtering->request.rules;
}

const struct rule *part_rule(const struct filtering *filtering, const struct filter_part *part)
{
	return rules_at(rules_of(filtering), part->rule);
}

bool part_is_local(const struct filtering *filtering, const struct filter_part *part)
{
	return !part->stays && !part_rule(filtering, part)->place;
}

/* ---- memory of earlier rounds ---- */

struct remembered {
	uint32_t uidvalidity, uidnext;
	bool again; /* something above was tried, and not all of it done */
};

struct filter_memory {
	struct arena *arena;
	struct map *boxes; /* name → struct remembered */
};

struct filter_memory *filter_memory_new(void)
{
	struct filter_memory *memory = mem_alloc(sizeof *memory);

	memory->arena = arena_new();
	memory->boxes = map_new(memory->arena);
	return memory;
}

void filter_memory_free(struct filter_memory *memory)
{
	if (!memory)
		return;
	map_free(memory->boxes);
	arena_free(memory->arena);
	mem_free(memory);
}

static const struct remembered *remembered(
	const struct filter_memory *memory, const struct filter_box *box)
{
	return memory ? map_find(memory->boxes, span_of(box->mailbox)) : NULL;
}

static bool is_done(const struct boxed *boxed)
{
	const struct filter_box *box = &boxed->box;

	if (!box->decided || box->err || box->unreadable > 0 || box->uidvalidity == 0)
		return false;
	for (size_t i = 0; i < box->parts; i++)
		if (box->part[i].left.count > 0)
			return false;
	return true;
}

static void remember(struct filtering *filtering, const struct boxed *boxed)
{
	struct filter_memory *memory = filtering->request.memory;
	struct remembered *known = map_find(memory->boxes, span_of(boxed->box.mailbox));

	if (!known) {
		known = arena_alloc(memory->arena, sizeof *known);
		(void)map_set(memory->boxes, span_of(boxed->box.mailbox), known);
	}
	if (is_done(boxed))
		*known = (struct remembered){ boxed->box.uidvalidity, boxed->box.uidnext, false };
	else
		known->again = true;
}

/* ---- one message ---- */

static struct filter_part *part_for(struct deciding *deciding, size_t rule)
{
	struct boxed *boxed = deciding->boxed;
	struct filter_box *box = &boxed->box;
	const size_t known = deciding->part_of[rule];

	if (known > 0)
		return &box->part[known - 1];
	if (box->parts == 0 || (box->parts & (box->parts - 1)) == 0)
		box->part = arena_grow(boxed->arena, box->part, box->parts,
			box->parts ? 2 * box->parts : 1, sizeof *box->part);
	deciding->part_of[rule] = (uint32_t)++box->parts;
	box->part[box->parts - 1] = (struct filter_part){ .rule = rule,
		.target = rules_at(rules_of(deciding->filtering), rule)->target,
		.stays = rules_stays(rules_of(deciding->filtering), rule, box->mailbox) };
	return &box->part[box->parts - 1];
}

static const struct rule_field *field_of(const struct rule_message *message, const char *name)
{
	for (size_t i = 0; i < message->fields; i++)
		if (span_equal_nocase(message->field[i].name, span_of(name)))
			return &message->field[i];
	return NULL;
}

static const char *shown(
	const struct deciding *deciding, const struct rule_message *message, const char *name)
{
	const struct rule_field *field = field_of(message, name);

	return field ? arena_text(deciding->message, field->value) : NULL;
}

static void tell(const struct deciding *deciding, const struct rule_message *message, uint32_t uid,
	const struct filter_part *part)
{
	const struct rule_field *date = field_of(message, "Date");
	struct filter_decision decision = { .mailbox = deciding->boxed->box.mailbox,
		.uid = uid,
		.size = message->size,
		.from = shown(deciding, message, "From"),
		.subject = shown(deciding, message, "Subject"),
		.rule = part ? part->rule : RULES_NONE,
		.stays = part && part->stays };

	if (!date || date_parse_header(date->value, &decision.date) < 0)
		decision.date = message->arrived;
	deciding->filtering->request.told(deciding->one, &decision);
}

static void decide_message(struct deciding *deciding, struct rule_message *message, size_t row)
{
	const struct filter_request *request = &deciding->filtering->request;
	const struct snapshot *rows = &deciding->rows;
	struct boxed *boxed = deciding->boxed;
	struct filter_part *part = NULL;
	const uint32_t uid = rows->uid[row];
	size_t rule, search;

	message->size = rows->size[row];
	message->arrived = (struct date){ rows->instant[row], rows->zone[row] };
	message->flags = flags_text(deciding->visit->flags, rows->flags[row]);
	message->found = deciding->found;
	for (search = 0; rules_search(request->rules, search, &rule); search++)
		deciding->found[search] = uidset_has(&deciding->by_search[search], uid);
	rule = rules_decide(request->rules, boxed->box.mailbox, message, request->first_match);
	boxed->box.looked_at++;
	if (rule == RULES_NONE) {
		boxed->box.unmatched++;
	} else {
		part = part_for(deciding, rule);
		part->counts.found++;
		uidset_add(&part->uids, boxed->arena, uid, uid);
	}
	if (request->told)
		tell(deciding, message, uid, part);
}

/* ---- its header ---- */

static bool is_asked_for(const struct filtering *filtering, struct span name)
{
	for (size_t i = 0; i < filtering->field_count; i++)
		if (span_equal_nocase(span_of(filtering->fields[i]), name))
			return true;
	return false;
}

static bool is_plain(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.data[i] >= 0x80)
			return false;
	return memmem(text.data, text.len, "=?", 2) == NULL;
}

/* Rules look at what people see: encoded words (RFC 2047) are decoded. Of what a file's header holds only what was asked for is kept. */
static size_t decode(struct deciding *deciding, struct rule_field *field, size_t count)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++) {
		if (!is_asked_for(deciding->filtering, field[i].name))
			continue;
		field[kept] = field[i];
		if (!is_plain(field[kept].value))
			field[kept].value = span_of(
				mime_decode(arena_text(deciding->message, field[kept].value),
					deciding->message));
		kept++;
	}
	return kept;
}

static void take_header(void *context, uint32_t uid, struct span header)
{
	struct deciding *deciding = context;
	const size_t row = snapshot_find(&deciding->rows, uid);
	struct rule_message message = { .fields = 0 };
	struct rule_field *field;
	size_t count;

	if (row == SIZE_MAX)
		return;
	arena_clear(deciding->message);
	field = rules_header(header, deciding->message, &count);
	message.fields = decode(deciding, field, count);
	message.field = field;
	decide_message(deciding, &message, row);
}

/* ---- one mailbox ---- */

static int look_at_headers(
	struct deciding *deciding, struct box *box, const struct uidset *uids, struct err *err)
{
	const struct filtering *filtering = deciding->filtering;
	struct box_scan scan = { .uids = uids,
		.digests = true,
		.fields = filtering->fields,
		.field_count = filtering->field_count,
		.header = take_header,
		.header_context = deciding };
	struct uidset unknown = { 0 };
	struct snapshot again;
	int rc;

	snapshot_init(&again, true);
	rc = box_scan(box, &scan, &again, deciding->visit->arena, &unknown, err);
	deciding->boxed->box.unreadable += uidset_size(&unknown);
	if (rc == 0 && !again.complete && unknown.count == 0)
		deciding->boxed->box.unreadable++;
	snapshot_release(&again);
	return rc;
}

static int look_at_all(struct deciding *deciding, struct box *box, struct err *err)
{
	const struct snapshot *rows = &deciding->rows;
	struct uidset chosen = { 0 };

	for (size_t row = 0; row < rows->count; row++) {
		struct rule_message message = { .fields = 0 };

		if (deciding->reason[row] != SELECT_YES)
			continue;
		if (deciding->filtering->field_count == 0)
			decide_message(deciding, &message, row);
		else
			uidset_add(&chosen, deciding->visit->arena, rows->uid[row], rows->uid[row]);
	}
	return chosen.count > 0 ? look_at_headers(deciding, box, &chosen, err) : 0;
}

/* What could not be read for a search: no rule decides about it. */
static void leave_out_unknown(struct deciding *deciding, const struct uidset *unknown)
{
	const struct snapshot *rows = &deciding->rows;

	for (size_t row = 0; row < rows->count && unknown->count > 0; row++) {
		if (deciding->reason[row] != SELECT_YES || !uidset_has(unknown, rows->uid[row]))
			continue;
		deciding->reason[row] = SELECT_SEARCH;
		deciding->boxed->box.unreadable++;
	}
}

/* A rule whose search is not known decides nothing, and neither does any other for the messages of this mailbox: last match or first, it might be the one. */
static int search(struct deciding *deciding, struct box *box, struct err *err)
{
	const struct rules *rules = rules_of(deciding->filtering);
	const char *mailbox = deciding->boxed->box.mailbox, *expression;
	size_t rule;

	for (size_t i = 0; (expression = rules_search(rules, i, &rule)); i++) {
		if (!rules_takes(rules, rule, mailbox))
			continue;
		struct uidset unknown = { 0 };

		if (box_search(box, expression, deciding->visit->arena, &deciding->by_search[i],
			    &unknown, err) < 0)
			return err_wrap(err, "the rule of line %u", rules_at(rules, rule)->line);
		leave_out_unknown(deciding, &unknown);
	}
	return 0;
}

static int decide_in(struct deciding *deciding, struct err *err)
{
	struct boxed *boxed = deciding->boxed;
	struct filter_box *box = &boxed->box;
	struct box_scan scan = { .uids = NULL };
	struct uidset later = { 0 };
	struct snapshot *rows = &deciding->rows;
	struct box *open = NULL;
	int rc;

	if (boxed->from > 1) {
		uidset_add(&later, deciding->visit->arena, boxed->from, UINT32_MAX);
		scan.uids = &later;
	}
	rc = walk_scan(deciding->visit, STORE_READ, &scan, rows, &deciding->reason, &open, err);
	if (rc < 0)
		return -1;
	box->uidvalidity = box_facts(open)->uidvalidity;
	box->uidnext = box_facts(open)->uidnext;
	if (rows->count > 0 && rows->uid[rows->count - 1] >= box->uidnext)
		box->uidnext = rows->uid[rows->count - 1] + 1;
	if (!rows->complete)
		box->unreadable += scan.uids || box_facts(open)->messages <= rows->count
					   ? 1
					   : box_facts(open)->messages - rows->count;
	rc = search(deciding, open, err);
	if (rc == 0)
		rc = look_at_all(deciding, open, err);
	box_close(open);
	return rc;
}

static void begin_box(struct boxed *boxed)
{
	arena_clear(boxed->arena);
	boxed->box = (struct filter_box){ .mailbox = boxed->place->info->name,
		.raw = boxed->place->info->raw };
}

static void end_box(struct boxed *boxed)
{
	struct filter_box *box = &boxed->box;

	for (size_t i = 0; i < box->parts; i++) {
		struct filter_part *part = &box->part[i];

		if (part->stays)
			part->counts.stayed = part->counts.found;
		else
			uidset_add_set(&part->left, boxed->arena, &part->uids);
	}
	box->decided = true;
}

static int decide(void *context, struct walk_visit *visit, struct err *err)
{
	struct filtering *filtering = context;
	const struct filter_request *request = &filtering->request;
	struct boxed *boxed = visit->place->data;
	struct deciding deciding = {
		.filtering = filtering, .boxed = boxed, .visit = visit, .message = arena_new()
	};
	size_t searches = 0, rule;
	int rc;

	while (rules_search(request->rules, searches, &rule))
		searches++;
	begin_box(boxed);
	deciding.part_of =
		arena_array(visit->arena, rules_count(request->rules), sizeof *deciding.part_of);
	deciding.by_search = arena_array(visit->arena, searches + 1, sizeof(struct uidset));
	deciding.found = arena_array(visit->arena, searches + 1, sizeof(bool));
	snapshot_init(&deciding.rows, false);
	if (request->begin)
		deciding.one = request->begin(request->context, boxed->box.mailbox);
	rc = decide_in(&deciding, err);
	if (rc == 0)
		end_box(boxed);
	if (request->end)
		request->end(deciding.one, rc == 0);
	snapshot_release(&deciding.rows);
	arena_free(deciding.message);
	return rc;
}

/* ---- all mailboxes ---- */

static void add_field(struct filtering *filtering, const char *name)
{
	if (is_asked_for(filtering, span_of(name)))
		return;
	filtering->fields = arena_grow(filtering->arena, filtering->fields, filtering->field_count,
		filtering->field_count + 1, sizeof(const char *));
	filtering->fields[filtering->field_count++] = name;
}

static void choose_fields(struct filtering *filtering)
{
	const char *name;

	for (size_t i = 0; (name = rules_field(rules_of(filtering), i)); i++)
		add_field(filtering, name);
	for (size_t i = 0; filtering->request.told && i < countof(shown_fields); i++)
		add_field(filtering, shown_fields[i]);
}

static void choose_boxes(struct filtering *filtering)
{
	const size_t count = walk_count(filtering->walk);

	filtering->boxed = mem_array(count + 1, sizeof *filtering->boxed);
	for (size_t i = 0; i < count; i++) {
		struct walk_place *place = walk_place(filtering->walk, i);
		struct boxed *boxed = &filtering->boxed[filtering->count];
		const struct remembered *known;

		if (!rules_want(rules_of(filtering), place->info->name))
			continue;
		*boxed = (struct boxed){ .place = place, .arena = arena_new(), .from = 1 };
		begin_box(boxed);
		known = remembered(filtering->request.memory, &boxed->box);
		if (known && (place->info->has & IMAP_STATUS_UIDVALIDITY) &&
			known->uidvalidity == place->info->uidvalidity) {
			boxed->from = known->uidnext;
			boxed->fresh = !known->again;
		}
		place->data = boxed;
		filtering->count++;
	}
}

static bool has_source(const struct filtering *filtering, size_t rule)
{
	const struct mailbox_list *list = walk_list(filtering->walk);

	for (size_t i = 0; i < list->count; i++)
		if (rules_takes(rules_of(filtering), rule, list->mailbox[i].name))
			return true;
	return false;
}

/* A name that is misspelt would else look like mail that does not match. One set of rules for many users may well name what only some have. */
static void warn_of_sources(const struct filtering *filtering)
{
	const struct filter_memory *memory = filtering->request.memory;
	const struct rules *rules = rules_of(filtering);

	if (log_label() || (memory && map_count(memory->boxes) > 0))
		return;
	for (size_t i = 0; i < rules_count(rules); i++)
		if (!has_source(filtering, i))
			log_warn("the rule of line %u: none of its mailboxes is there",
				rules_at(rules, i)->line);
}

struct filtering *filtering_open(const struct filter_request *request, struct err *err)
{
	struct filtering *filtering = mem_alloc(sizeof *filtering);
	const struct walk_request walk = { .settings = request->settings,
		.account = request->account,
		.meter = request->meter,
		.state_dir = request->state_dir,
		.want = STORE_LIST_STATUS };

	filtering->request = *request;
	filtering->arena = arena_new();
	choose_fields(filtering);
	filtering->walk = walk_open(&walk, err);
	if (!filtering->walk) {
		filtering_free(filtering);
		return NULL;
	}
	warn_of_sources(filtering);
	choose_boxes(filtering);
	return filtering;
}

void filtering_free(struct filtering *filtering)
{
	if (!filtering)
		return;
	for (size_t i = 0; i < filtering->count; i++)
		arena_free(filtering->boxed[i].arena);
	mem_free(filtering->boxed);
	walk_free(filtering->walk);
	arena_free(filtering->arena);
	mem_free(filtering);
}

/* What the list tells of its UIDNEXT says whether anything came since the last round. */
static bool wants(void *context, const struct walk_place *place)
{
	const struct boxed *boxed = place->data;

	(void)context;
	return boxed && !(boxed->from > 1 && (place->info->has & IMAP_STATUS_UIDNEXT) &&
				place->info->uidnext <= boxed->from);
}

/* Known before anything begins, also in a dry run. */
static int check_moves(struct filtering *filtering, struct err *err)
{
	for (size_t i = 0; i < filtering->count; i++) {
		const struct filter_box *box = &filtering->boxed[i].box;

		for (size_t k = 0; k < box->parts; k++) {
			const struct relocation work = {
				.copy = part_rule(filtering, &box->part[k])->copy,
				.expunge_all = filtering->request.settings->expunge_all
			};

			if (part_is_local(filtering, &box->part[k]) &&
				relocate_check(walk_caps(filtering->walk), &work, err) < 0)
				return -1;
		}
	}
	return 0;
}

int filtering_decide(struct filtering *filtering, struct err *err)
{
	int rc = walk_visit(filtering->walk, decide, filtering, wants, err);

	for (size_t i = 0; i < filtering->count; i++) {
		struct boxed *boxed = &filtering->boxed[i];

		boxed->box.err = boxed->place->err;
		if (wants(NULL, boxed->place))
			continue;
		/* Nothing new since the last round. */
		boxed->box.decided = true;
		boxed->box.uidvalidity = boxed->place->info->uidvalidity;
		boxed->box.uidnext = boxed->from;
	}
	return rc < 0 ? -1 : check_moves(filtering, err);
}

void filtering_note_code(struct filtering *filtering, int code)
{
	filtering->code = code > filtering->code ? code : filtering->code;
}

uint64_t counted(const struct filter_counts *counts)
{
	return counts->moved + counts->copied + counts->there + counts->stayed + counts->gone +
	       counts->unknown;
}

/* What nothing became of is where it was. */
static void count_failed(struct boxed *boxed)
{
	for (size_t i = 0; i < boxed->box.parts; i++) {
		struct filter_part *part = &boxed->box.part[i];
		struct filter_counts *counts = &part->counts;

		if (part->unknown.count > 0)
			counts->unknown = uidset_size(&part->unknown);
		counts->failed =
			counts->found > counted(counts) ? counts->found - counted(counts) : 0;
	}
}

int filtering_carry_out(struct filtering *filtering, struct err *err)
{
	int rc = filtering_move(filtering, err);

	if (rc == 0)
		rc = filtering_send(filtering, err);
	for (size_t i = 0; i < filtering->count; i++) {
		count_failed(&filtering->boxed[i]);
		if (filtering->request.memory)
			remember(filtering, &filtering->boxed[i]);
	}
	return rc;
}

size_t filtering_count(const struct filtering *filtering)
{
	return filtering->count;
}

const struct filter_box *filtering_box(const struct filtering *filtering, size_t index)
{
	return &filtering->boxed[index].box;
}

size_t filtering_left_out(const struct filtering *filtering)
{
	return walk_left_out(filtering->walk);
}

int filtering_code(const struct filtering *filtering)
{
	return filtering->code;
}
