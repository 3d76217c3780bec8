/* Opening, visiting, counting up. */
#include "ops/comparison_parts.h"

#include "base/log.h"
#include "base/stop.h"
#include "imap/imap.h"
#include "mail/header.h"
#include "ops/report.h"

/* ---- threads, one a side ---- */

static void each_side(struct comparison *job, void *(*work)(void *side))
{
	const size_t count = job->request.accounts;
	bool *threaded = mem_array(count, sizeof(*threaded));

	for (size_t i = 1; i < count; i++)
		threaded[i] = pthread_create(&job->side[i].thread, NULL, work, &job->side[i]) == 0;
	work(&job->side[0]);
	for (size_t i = 1; i < count; i++) {
		if (threaded[i])
			pthread_join(job->side[i].thread, NULL);
		else
			work(&job->side[i]);
	}
	mem_free(threaded);
}

/* ---- opening ---- */

/* What the other's mailboxes are called, and which UIDs its messages have, is no matter of the options, which speak of the first's. */
static void relax(struct settings *settings)
{
	const struct text_list none = { 0 };

	settings->mailboxes = settings->exclude = none;
	settings->include_regex = settings->exclude_regex = none;
	settings->subscribed = false;
	settings->all_mail = true;
	settings->uid_set = NULL;
	settings->limit = 0;
}

static bool is_trusted(const struct mailbox_list *list)
{
	return !(list->count == 1 && list->inbox_unseen);
}

/* A side that cannot search is not asked: then what is extra there cannot be told either. */
static bool must_not_search(const struct side *side)
{
	return side->number > 0 && select_search(walk_select(side->walk)) &&
	       !(walk_caps(side->walk) & STORE_CAP_SEARCH);
}

static int open_walk(struct side *side)
{
	const struct comparison_request *request = &side->job->request;
	const struct walk_request walk = { .settings = &side->settings,
		.account = side->account,
		.meter = request->meter,
		.state_dir = side->settings.state_dir,
		.scans = !request->count_only,
		.want = STORE_LIST_STATUS };

	side->walk = walk_open(&walk, &side->err);
	return side->walk ? 0 : -1;
}

static int open_once(struct side *side)
{
	int rc = open_walk(side);

	if (rc == 0 && must_not_search(side)) {
		walk_free(side->walk);
		side->settings.search = NULL;
		side->settings.sent_since_day[0] = side->settings.sent_before_day[0] = '\0';
		side->no_search = true;
		rc = open_walk(side);
	}
	if (rc < 0)
		(void)err_wrap(&side->err, "%s", account_name(side->account));
	return rc;
}

static void *open_side(void *argument)
{
	struct side *side = argument;
	size_t count;

	log_set_label(side->label);
	if (open_once(side) < 0)
		return NULL;
	count = walk_count(side->walk);
	side->trusted = is_trusted(walk_list(side->walk)) && walk_left_out(side->walk) == 0;
	side->part_mailboxes = walk_list(side->walk)->part_mailboxes;
	side->part_messages = walk_list(side->walk)->part_messages;
	/* What the first's part leaves out is not asked about; what another's does may be there. */
	if (side->number > 0 && side->part_mailboxes)
		side->trusted = false;
	side->seen = mem_array(count + 1, sizeof(*side->seen));
	for (size_t i = 0; i < count; i++) {
		struct walk_place *place = walk_place(side->walk, i);

		side->seen[i].side = side;
		side->seen[i].info = place->info;
		place->data = &side->seen[i];
		snapshot_init(&side->seen[i].rows, false);
	}
	return NULL;
}

static struct comparison *make(const struct comparison_request *request)
{
	struct comparison *job = mem_alloc(sizeof(*job));

	job->request = *request;
	pthread_mutex_init(&job->lock, NULL);
	job->arena = arena_new();
	job->flags = flag_table_new();
	job->side = mem_array(request->accounts, sizeof(*job->side));
	job->other = arena_array(job->arena, request->accounts, sizeof(*job->other));
	for (size_t i = 0; i < request->accounts; i++) {
		struct side *side = &job->side[i];

		side->job = job;
		side->number = i;
		side->account = request->account[i];
		side->settings = *request->settings;
		side->label = log_label();
		if (i > 0)
			relax(&side->settings);
	}
	return job;
}

void comparison_free(struct comparison *job)
{
	if (!job)
		return;
	for (size_t i = 0; i < job->request.accounts; i++) {
		struct side *side = &job->side[i];

		for (size_t place = 0; side->walk && place < walk_count(side->walk); place++) {
			snapshot_release(&side->seen[place].rows);
			mem_free(side->seen[place].reason);
			mem_free(side->seen[place].again);
		}
		mem_free(side->seen);
		walk_free(side->walk);
	}
	for (size_t i = 0; i < job->units; i++)
		mem_free(job->unit[i]->box.difference);
	mem_free(job->side);
	flag_table_free(job->flags);
	arena_free(job->arena);
	pthread_mutex_destroy(&job->lock);
	mem_free(job);
}

/* ---- seeing one mailbox ---- */

/* What a scan digests so that two messages can be told apart. */
static void choose_digest(
	const struct comparison *job, const char *const id[], struct box_scan *scan)
{
	const struct comparison_request *request = &job->request;
	const struct settings *settings = request->settings;

	scan->id = job->id;
	scan->digests = !request->count_only && job->id == IMAP_CONTENT_ID_NONE;
	scan->dates = (request->check & COMPARE_DATE) || request->manifest ||
		      settings->since != DATE_UNKNOWN || settings->before != DATE_UNKNOWN;
	/* Beside flags, the date tells which of several twins is which. */
	scan->no_dates = !scan->dates && !request->results && !(request->check & COMPARE_FLAGS) &&
			 !settings_choose_messages(settings);
	scan->content = !request->count_only &&
			((request->check & COMPARE_CONTENT) || settings->match == MATCH_CONTENT);
	if (settings->match == MATCH_MESSAGE_ID) {
		scan->fields = id;
		scan->field_count = 1;
	} else if (settings->match == MATCH_HEADER) {
		scan->fields = settings->match_headers.item;
		scan->field_count = settings->match_headers.count;
	}
}

/* What a message has in none of the fields: then they tell nothing. */
static struct digest128 digest_of_nothing(const struct box_scan *scan)
{
	struct header_scan *header = header_scan_new_fields(false, scan->fields, scan->field_count);
	struct header_facts facts;

	header_scan_add(header, SPAN("\r\n"));
	header_scan_end(header, &facts);
	header_scan_free(header);
	return facts.header;
}

/* Messages that lack the fields of --match are told apart by the usual ones. */
static int read_usual(struct walk_visit *visit, struct box *box, const struct box_scan *by,
	struct snapshot *rows, struct err *err)
{
	const struct digest128 nothing = digest_of_nothing(by);
	struct uidset uids = { 0 }, unknown = { 0 };
	const struct box_scan scan = { .uids = &uids, .digests = true };
	struct snapshot usual;
	int rc = 0;

	for (size_t row = 0; row < rows->count; row++)
		if ((rows->attr[row] & SNAPSHOT_HAS_DIGEST) &&
			digest128_equal(rows->digest[row], nothing))
			uidset_add(&uids, visit->arena, rows->uid[row], rows->uid[row]);
	if (uids.count == 0)
		return 0;
	snapshot_init(&usual, true);
	rc = box_scan(box, &scan, &usual, visit->arena, &unknown, err);
	for (size_t row = 0; rc == 0 && row < rows->count; row++) {
		const size_t there = uidset_has(&uids, rows->uid[row])
					     ? snapshot_find(&usual, rows->uid[row])
					     : SIZE_MAX;

		if (there != SIZE_MAX && (usual.attr[there] & SNAPSHOT_HAS_DIGEST))
			rows->digest[row] = usual.digest[there];
		else if (uidset_has(&uids, rows->uid[row]))
			rows->attr[row] &= (uint8_t)~SNAPSHOT_HAS_DIGEST;
	}
	snapshot_release(&usual);
	return rc;
}

/* --match content: bodies are what tells messages apart. */
static void digest_by_content(struct snapshot *rows)
{
	for (size_t row = 0; row < rows->count; row++) {
		rows->attr[row] &= (uint8_t)~SNAPSHOT_HAS_DIGEST;
		if (!(rows->attr[row] & SNAPSHOT_HAS_CONTENT))
			continue;
		rows->digest[row] = rows->content[row];
		rows->attr[row] |= SNAPSHOT_HAS_DIGEST;
	}
}

static flags_t highest_set(const struct snapshot *rows)
{
	flags_t highest = 0;

	for (size_t row = 0; row < rows->count; row++)
		highest = rows->flags[row] > highest ? rows->flags[row] : highest;
	return highest;
}

/* From the connection's table to the job's. -1: more sets than a table holds. */
static int translate_flags(struct walk_visit *visit, struct flag_table *to, struct snapshot *rows)
{
	const size_t sets = (size_t)highest_set(rows) + 1;
	flags_t *known = arena_array(visit->arena, sets, sizeof(*known));
	bool *done = arena_array(visit->arena, sets, sizeof(*done));

	for (size_t row = 0; row < rows->count; row++) {
		const flags_t set = rows->flags[row];

		if (!done[set]) {
			known[set] = flags_parse(to, span_of(flags_text(visit->flags, set)));
			done[set] = true;
		}
		rows->flags[row] = known[set];
	}
	return flag_table_dropped(to) + flag_table_dropped(visit->flags) > 0 ? -1 : 0;
}

static int read_box(struct walk_visit *visit, struct seen *seen, struct err *err)
{
	static const char *const id[] = { "Message-ID" };
	const struct comparison *job = seen->side->job;
	const enum match_by match = job->request.settings->match;
	const bool keeps =
		(job->request.results || seen->side->manifest) && !job->request.count_only;
	struct box_scan scan = { 0 };
	struct kept kept = { 0 };
	struct box *box = NULL;
	uint8_t *reason;
	int rc;

	snapshot_release(&seen->rows); /* an attempt before this one */
	snapshot_init(&seen->rows, false);
	choose_digest(job, id, &scan);
	if (keeps)
		kept_begin(&kept, &scan);
	rc = walk_scan(visit, STORE_READ, &scan, &seen->rows, &reason, &box, err);
	if (rc == 0) {
		seen->uidvalidity = box_facts(box)->uidvalidity;
		seen->rows.complete &= !box_facts(box)->shows_part;
		seen->reason = mem_resize(seen->reason, seen->rows.count + 1, 1);
		memcpy(seen->reason, reason, seen->rows.count);
	}
	if (rc == 0 && scan.fields)
		rc = read_usual(visit, box, &scan, &seen->rows, err);
	box_close(box);
	if (seen->side->part_messages && seen->side->number > 0)
		seen->rows.complete = false;
	if (rc == 0 && job->request.results && keeps)
		comparison_keep_rows(seen, &kept, visit->flags);
	if (rc == 0 && seen->side->manifest)
		comparison_manifest_rows(seen, &kept, visit->flags);
	if (keeps)
		kept_end(&kept);
	if (rc == 0 && scan.digests && match == MATCH_CONTENT)
		digest_by_content(&seen->rows);
	return rc;
}

/* Numbers are all that is wanted of it. */
static int count_box(struct seen *seen, struct err *err)
{
	seen->counted = 0;
	for (size_t row = 0; row < seen->rows.count; row++)
		seen->counted += seen->reason[row] == SELECT_YES;
	if (!seen->rows.complete)
		return err_set(err, ERR_MAILBOX, "mailbox %s: the server did not show all messages",
			seen->info->name);
	snapshot_release(&seen->rows);
	snapshot_init(&seen->rows, false);
	return 0;
}

/* Who comes last to a unit compares it; rows that no unit needs any more go. */
static void hand_over(struct seen *seen)
{
	struct comparison *job = seen->side->job;

	seen->done = true;
	for (size_t i = 0; i < seen->units; i++) {
		bool last;

		pthread_mutex_lock(&job->lock);
		last = --seen->unit[i]->waiting == 0;
		pthread_mutex_unlock(&job->lock);
		if (last)
			comparison_decide(seen->unit[i]);
	}
	if (seen->units == 0)
		snapshot_release(&seen->rows);
}

static int see(void *context, struct walk_visit *visit, struct err *err)
{
	struct comparison *job = context;
	struct seen *seen = visit->place->data;
	int rc = read_box(visit, seen, err);

	if (rc == 0 && job->request.count_only)
		rc = count_box(seen, err);
	else if (rc == 0 && translate_flags(visit, job->flags, &seen->rows) < 0)
		rc = err_set(err, ERR_MAILBOX,
			"mailbox %s: more combinations of flags than can be compared",
			seen->info->name);
	if (rc == 0)
		hand_over(seen);
	return rc;
}

static bool is_counted(const struct comparison *job, const struct seen *seen)
{
	return job->request.count_only && !settings_choose_messages(job->request.settings) &&
	       (seen->info->has & IMAP_STATUS_MESSAGES);
}

static bool must_see(void *context, const struct walk_place *place)
{
	const struct seen *seen = place->data;

	return comparison_is_read(seen) && !is_counted(context, seen);
}

/* ---- visiting with all walks at once ---- */

struct visiting {
	struct comparison *job;
	int (*visit)(void *context, struct walk_visit *visit, struct err *err);
	bool (*wants)(void *context, const struct walk_place *place);
	struct side *side;
};

static void *visit_side(void *argument)
{
	struct visiting *visiting = argument;
	struct side *side = visiting->side;

	log_set_label(side->label);
	err_clear(&side->err);
	if (walk_visit(side->walk, visiting->visit, visiting->job, visiting->wants, &side->err) < 0)
		(void)err_wrap(&side->err, "%s", account_name(side->account));
	return NULL;
}

void comparison_visit(struct comparison *job,
	int (*visit)(void *context, struct walk_visit *visit, struct err *err),
	bool (*wants)(void *context, const struct walk_place *place))
{
	const size_t count = job->request.accounts;
	struct visiting *visiting = mem_array(count, sizeof(*visiting));
	bool *threaded = mem_array(count, sizeof(*threaded));

	for (size_t i = 0; i < count; i++)
		visiting[i] = (struct visiting){
			.job = job, .visit = visit, .wants = wants, .side = &job->side[i]
		};
	for (size_t i = 1; i < count; i++)
		threaded[i] = job->side[i].walk && pthread_create(&job->side[i].thread, NULL,
							   visit_side, &visiting[i]) == 0;
	visit_side(&visiting[0]);
	for (size_t i = 1; i < count; i++) {
		if (threaded[i])
			pthread_join(job->side[i].thread, NULL);
		else if (job->side[i].walk)
			visit_side(&visiting[i]);
	}
	mem_free(threaded);
	mem_free(visiting);
}

/* What the listings tell already. */
static void take_listed(struct comparison *job)
{
	for (size_t i = 0; i < job->request.accounts; i++) {
		struct side *side = &job->side[i];

		for (size_t place = 0; side->walk && place < walk_count(side->walk); place++) {
			struct seen *seen = &side->seen[place];

			if (seen->units == 0 || !is_counted(job, seen))
				continue;
			seen->counted = seen->info->messages;
			hand_over(seen);
		}
	}
}

/* ---- the result ---- */

static const struct walk_place *place_of(const struct seen *seen)
{
	return walk_place(seen->side->walk, (size_t)(seen - seen->side->seen));
}

static const struct err *why_unseen(const struct seen *seen)
{
	const struct walk_place *place = place_of(seen);

	if (seen->done)
		return NULL;
	return place->err ? place->err : &seen->side->err;
}

static void note_code(struct comparison_other *other, const struct err *err)
{
	const int code = err->scope == ERR_NONE ? 3 : report_err_code(err);

	other->code = code > other->code ? code : other->code;
}

/* A mailbox that could not be read. */
static void give_up(struct unit *unit, struct comparison_other *other)
{
	const struct err *why = NULL;

	for (size_t i = 0; i < unit->a_count && !why; i++)
		why = why_unseen(unit->a[i]);
	if (!why && unit->b)
		why = why_unseen(unit->b);
	unit->box.state = COMPARISON_UNKNOWN;
	unit->box.text = why && why->text[0] ? arena_strdup(unit->other->job->arena, why->text)
					     : "it was not read";
	if (why)
		note_code(other, why);
}

static void add_result(struct compare_result *total, const struct compare_result *one)
{
	total->a += one->a;
	total->b += one->b;
	total->equal += one->equal;
	total->missing += one->missing;
	total->extra += one->extra;
	total->doubled += one->doubled;
	total->differing += one->differing;
	total->unknown += one->unknown;
	for (size_t i = 0; i < COMPARE_CHECKS; i++)
		total->in[i] += one->in[i];
	for (size_t i = 0; i < PROOFS; i++)
		total->proved[i] += one->proved[i];
}

static int by_name(const void *x, const void *y)
{
	const struct comparison_box *const *a = x, *const *b = y;

	if (((*a)->a != NULL) != ((*b)->a != NULL))
		return (*a)->a ? -1 : 1;
	return strcmp((*a)->a ? (*a)->a : (*a)->b, (*b)->a ? (*b)->a : (*b)->b);
}

static void count_box_state(struct comparison_other *other, const struct comparison_box *box)
{
	other->missing_boxes += box->a_there && !box->b_there && box->state == COMPARISON_DIFFERS;
	other->extra_boxes += !box->a_there;
	other->unknown_boxes += box->text != NULL;
	other->differing_boxes += box->state == COMPARISON_DIFFERS;
	if (box->state > other->state)
		other->state = box->state;
}

/* A listing that leaves something out leaves the comparison open: of the first's always, of the other's if all of it is to be compared. */
static void judge_listings(const struct side *first, const struct side *side, bool both,
	struct comparison_other *other)
{
	other->left_out[0] = walk_left_out(first->walk);
	other->left_out[1] = walk_left_out(side->walk);
	if (first->trusted && (side->trusted || !both))
		return;
	other->state = COMPARISON_UNKNOWN;
	other->code = other->code > 3 ? other->code : 3;
}

/* That nothing is missing where nothing was looked at is no answer. */
static bool chose_nothing(const struct comparison *job)
{
	const struct walk *first = job->side[0].walk;

	return !job->request.may_be_nothing && walk_count(first) == 0 &&
	       walk_list(first)->count > 0;
}

static void conclude(struct comparison *job, size_t number)
{
	struct side *side = &job->side[number];
	struct comparison_other *other = &job->other[number - 1];
	const struct comparison_box **box =
		arena_array(job->arena, job->units + 1, sizeof(struct comparison_box *));

	other->account = side->account;
	if (!side->walk) {
		other->state = COMPARISON_UNKNOWN;
		other->text = arena_strdup(job->arena, side->err.text);
		note_code(other, &side->err);
		return;
	}
	for (size_t i = 0; i < job->units; i++) {
		struct unit *unit = job->unit[i];

		if (unit->other != side)
			continue;
		if (!unit->decided)
			give_up(unit, other);
		else if (unit->partial && unit->box.result.unknown == 0)
			unit->box.text = arena_print(job->arena,
				"mailbox %s: not all of its messages could be read",
				unit->box.a ? unit->box.a : unit->box.b);
		add_result(&other->total, &unit->box.result);
		count_box_state(other, &unit->box);
		box[other->boxes++] = &unit->box;
	}
	if (other->boxes > 1)
		qsort(box, other->boxes, sizeof(struct comparison_box *), by_name);
	other->box = box;
	judge_listings(&job->side[0], side, job->request.both, other);
	if (chose_nothing(job)) {
		other->state = COMPARISON_UNKNOWN;
		other->text = "the options choose none of the first account's mailboxes";
		other->code = other->code > 3 ? other->code : 3;
	}
}

/* What could not be opened: of the first everything depends; another is left out, unless the options are what is wrong. */
static int check_opened(struct comparison *job, struct err *err)
{
	for (size_t i = 0; i < job->request.accounts; i++) {
		const struct side *side = &job->side[i];

		if (side->walk || (i > 0 && side->err.kind != ERR_KIND_USAGE))
			continue;
		*err = side->err;
		return -1;
	}
	return stop_check(err);
}

static int pair_all(struct comparison *job, struct err *err)
{
	for (size_t i = 1; i < job->request.accounts; i++)
		if (job->side[i].walk && comparison_pair(job, &job->side[i], err) < 0)
			return -1;
	return 0;
}

/* Options that a side cannot follow are a usage error, whichever mailbox told. */
static int check_visited(const struct comparison *job, struct err *err)
{
	for (size_t i = 0; i < job->request.accounts; i++) {
		if (!job->side[i].walk || job->side[i].err.kind != ERR_KIND_USAGE)
			continue;
		*err = job->side[i].err;
		return -1;
	}
	return 0;
}

static int run(struct comparison *job, struct err *err)
{
	each_side(job, open_side);
	if (check_opened(job, err) < 0 || pair_all(job, err) < 0)
		return -1;
	if (job->request.count_only)
		take_listed(job);
	comparison_manifests_begin(job);
	comparison_read_records(job);
	comparison_choose_ids(job);
	comparison_visit(job, see, must_see);
	if (check_visited(job, err) < 0)
		return -1;
	comparison_see_again(job);
	for (size_t i = 1; i < job->request.accounts; i++)
		conclude(job, i);
	if (job->request.headings && !stop_requested())
		comparison_read_headings(job);
	return 0;
}

struct comparison *comparison_run(const struct comparison_request *request, struct err *err)
{
	struct comparison *job = make(request);

	if (run(job, err) == 0) {
		comparison_manifests_end(job, NULL);
		comparison_keep(job, NULL);
		return job;
	}
	comparison_manifests_end(job, err);
	comparison_keep(job, err);
	comparison_free(job);
	return NULL;
}

const struct account *comparison_first(const struct comparison *job)
{
	return job->side[0].account;
}

size_t comparison_count(const struct comparison *job)
{
	return job->request.accounts - 1;
}

const struct comparison_other *comparison_other(const struct comparison *job, size_t index)
{
	return &job->other[index];
}

const char *compare_check_name(unsigned bit)
{
	return bit == COMPARE_FLAGS     ? "flags"
	       : bit == COMPARE_DATE    ? "date"
	       : bit == COMPARE_SIZE    ? "size"
	       : bit == COMPARE_CONTENT ? "content"
					: NULL;
}

const char *compare_proof_name(enum compare_proof proof)
{
	static const char *const names[PROOFS] = { "content", "record", "id", "digest", "header" };

	return proof < PROOFS ? names[proof] : NULL;
}
