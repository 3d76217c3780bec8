/* A walk that reads keys, one that reads contents where these are needed, and the decision. */
#include "ops/dedup_parts.h"

#include "base/arena.h"
#include "base/log.h"
#include "base/mem.h"
#include "mail/header_field.h"
#include "mail/mailbox_name.h"
#include "mail/multipart.h"
#include "ops/automap.h"
#include "ops/brake.h"
#include "ops/relocate.h"

static const char *const message_id[] = { "Message-ID" };

static struct dedup_box *box_of(const struct walk_place *place)
{
	return place->data;
}

void dedup_keep_err(struct dedup_box *box, const struct err *err)
{
	struct err *kept;

	if (box->row.err)
		return;
	kept = arena_alloc(box->arena, sizeof(*kept));
	*kept = *err;
	box->row.err = kept;
	log_error("%s: %s", box->row.mailbox, err->text);
}

/* ---- which mailboxes, and in which order ---- */

static bool is_same_mailbox(const char *a, const char *b)
{
	return strcmp(a, b) == 0 || (mailbox_is_inbox(a) && mailbox_is_inbox(b));
}

/* Views of other mailboxes (RFC 6154 §2, RFC 8457): what is in them is in another one too, and is the same message. */
static bool is_view(const struct mailbox_info *info)
{
	return info->use == STORE_USE_ALL || info->use == STORE_USE_FLAGGED ||
	       info->use == STORE_USE_IMPORTANT;
}

static bool is_named(const struct dedup *dedup, const char *name)
{
	const struct text_list *named = &dedup->request.walk.settings->mailboxes;

	for (size_t i = 0; i < named->count; i++)
		if (is_same_mailbox(named->item[i], name))
			return true;
	return false;
}

/* By number in the list: a trash or junk mailbox, or below one. What stayed there would go with it. */
static bool is_in_bin(const struct dedup *dedup, const enum store_use *use, const char *name)
{
	const struct mailbox_list *list = walk_list(dedup->walk);

	if (is_named(dedup, name))
		return false;
	for (size_t i = 0; i < list->count; i++)
		if ((use[i] == STORE_USE_TRASH || use[i] == STORE_USE_JUNK) &&
			mailbox_below(list->mailbox[i].name, name))
			return true;
	return false;
}

static bool is_looked_at(
	const struct dedup *dedup, const enum store_use *use, const struct mailbox_info *info)
{
	if (dedup->request.target && is_same_mailbox(dedup->request.target, info->name))
		return false;
	if (dedup->request.across)
		return !is_view(info) && !is_in_bin(dedup, use, info->name);
	/* Two in a view are two in any mailboxes: that is --across, unless somebody wants just that. */
	return !is_view(info) || is_named(dedup, info->name);
}

static int by_rank(const void *a, const void *b, void *context)
{
	const struct dedup *dedup = context;
	const struct walk_place *x = *(struct walk_place *const *)a;
	const struct walk_place *y = *(struct walk_place *const *)b;
	const size_t first = select_rank(walk_select(dedup->walk), x->info->name);
	const size_t second = select_rank(walk_select(dedup->walk), y->info->name);
	const bool inbox = mailbox_is_inbox(x->info->name);

	if (first != second)
		return first < second ? -1 : 1;
	if (inbox != mailbox_is_inbox(y->info->name))
		return inbox ? -1 : 1;
	return strcmp(x->info->name, y->info->name);
}

static void rank_boxes(struct dedup *dedup)
{
	const size_t count = walk_count(dedup->walk);
	struct walk_place **order = mem_array(count + 1, sizeof(*order));
	struct arena *arena = arena_new();
	enum store_use *use = arena_array(arena, walk_list(dedup->walk)->count + 1, sizeof(*use));

	automap_uses(walk_list(dedup->walk), use, arena);
	for (size_t i = 0; i < count; i++) {
		if (is_looked_at(dedup, use, walk_place(dedup->walk, i)->info))
			order[dedup->boxes++] = walk_place(dedup->walk, i);
		else
			log_info("%s is left out", walk_place(dedup->walk, i)->info->name);
	}
	arena_free(arena);
	qsort_r(order, dedup->boxes, sizeof(*order), by_rank, dedup);
	dedup->box = mem_array(dedup->boxes + 1, sizeof(*dedup->box));
	for (size_t i = 0; i < dedup->boxes; i++) {
		dedup->box[i].row.mailbox = order[i]->info->name;
		dedup->box[i].arena = arena_new();
		order[i]->data = &dedup->box[i];
	}
	mem_free(order);
}

static bool has_box(void *context, const struct walk_place *place)
{
	(void)context;
	return place->data != NULL;
}

/* ---- keys ---- */

struct keys { /* of a mailbox */
	const char *const *field; /* all of these have to be there, and to say something */
	size_t fields;
	struct uidset uids; /* of messages where they do */
	struct arena *arena, *scratch;
};

static void take_header(void *context, uint32_t uid, struct span header)
{
	struct keys *keys = context;
	bool whole = true;

	for (size_t i = 0; i < keys->fields && whole; i++) {
		const char *value = header_field(header, span_of(keys->field[i]), keys->scratch);

		/* "<>" is what programs write that have none */
		whole = value && value[strspn(value, " \t<>")] != '\0';
	}
	if (whole)
		uidset_add(&keys->uids, keys->arena, uid, uid);
	arena_clear(keys->scratch);
}

static struct box_scan scan_for(const struct settings *settings, struct keys *keys)
{
	struct box_scan scan = { .digests = true, .header = take_header, .header_context = keys };

	keys->field = message_id;
	keys->fields = 1;
	if (settings->match == MATCH_HEADER) {
		keys->field = settings->match_headers.item;
		keys->fields = settings->match_headers.count;
	}
	if (settings->match == MATCH_HEADER || settings->match == MATCH_MESSAGE_ID) {
		scan.fields = keys->field;
		scan.field_count = keys->fields;
	}
	return scan;
}

static uint8_t attr_of(const struct walk_visit *visit, const struct snapshot *rows, size_t i,
	const struct keys *keys, bool needs_fields)
{
	const bool has_fields = uidset_has(&keys->uids, rows->uid[i]);
	const flags_t flags = rows->flags[i];
	unsigned attr = 0;

	if ((rows->attr[i] & SNAPSHOT_HAS_DIGEST) && (has_fields || !needs_fields))
		attr |= DUPLICATE_HAS_KEY;
	if (has_fields)
		attr |= DUPLICATE_HAS_MESSAGE_ID;
	if (flags_has(visit->flags, flags, SPAN("\\Flagged")))
		attr |= DUPLICATE_FLAGGED;
	if (flags_has(visit->flags, flags, SPAN("\\Deleted")))
		attr |= DUPLICATE_DELETED;
	return (uint8_t)attr;
}

static void take_rows(struct dedup *dedup, const struct walk_visit *visit,
	const struct snapshot *rows, const uint8_t *reason, const struct keys *keys)
{
	const enum match_by by = dedup->request.walk.settings->match;
	const bool needs_fields = by == MATCH_MESSAGE_ID || by == MATCH_HEADER;
	struct dedup_box *box = box_of(visit->place);

	box->own = mem_array(rows->count + 1, sizeof(*box->own));
	if (rows->id)
		box->id = mem_array(rows->count + 1, sizeof(*box->id));
	for (size_t i = 0; i < rows->count; i++) {
		if (reason[i] != SELECT_YES)
			continue;
		if (rows->id)
			box->id[box->count] = rows->id[i];
		box->own[box->count++] = (struct duplicate){ .key = rows->digest[i],
			.instant = rows->instant[i],
			.box = (uint32_t)(box - dedup->box),
			.uid = rows->uid[i],
			.size = rows->size[i],
			.kept = DUPLICATE_STAYS,
			.attr = attr_of(visit, rows, i, keys, needs_fields) };
	}
	box->row.found = rows->count;
}

static void forget(struct dedup_box *box)
{
	mem_free(box->own);
	mem_free(box->id);
	box->own = NULL;
	box->id = NULL;
	box->count = 0;
	box->uidvalidity = 0;
	box->row.found = 0;
}

/* A tree of files that others made gets its record, and with it other UIDs, when it is opened for writing: better before the UIDs are looked at than after. */
static enum store_mode mode_of(const struct dedup *dedup, const struct walk_visit *visit)
{
	const bool changes =
		dedup->request.action != DEDUP_REPORT && !dedup->request.walk.settings->dry_run;

	return changes && (store_caps(visit->store) & STORE_CAP_FILES) ? STORE_WRITE : STORE_READ;
}

/* What the server does not show is nobody's copy, and keeps the others from nothing: they are proved one by one. */
static int look(void *context, struct walk_visit *visit, struct err *err)
{
	struct dedup *dedup = context;
	struct dedup_box *box = box_of(visit->place);
	struct keys keys = { .arena = visit->arena, .scratch = arena_new() };
	struct box_scan scan = scan_for(dedup->request.walk.settings, &keys);
	struct snapshot rows;
	struct box *open = NULL;
	uint8_t *reason;
	int rc;

	if (dedup_wants_ids(dedup, visit))
		scan.id = IMAP_CONTENT_ID_GMAIL;
	forget(box); /* of an attempt before */
	snapshot_init(&rows, true);
	rc = walk_scan(visit, mode_of(dedup, visit), &scan, &rows, &reason, &open, err);
	if (rc == 0) {
		box->uidvalidity = box_facts(open)->uidvalidity;
		take_rows(dedup, visit, &rows, reason, &keys);
	}
	if (rc == 0 && !rows.complete)
		rc = err_set(err, ERR_MAILBOX,
			"not all messages in it can be read: those that can't are nobody's copies");
	box_close(open);
	snapshot_release(&rows);
	arena_free(keys.scratch);
	return rc;
}

/* ---- contents ---- */

static struct duplicate *find_row(struct dedup *dedup, const struct dedup_box *box, uint32_t uid)
{
	size_t low = box->first, high = box->first + box->count;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (dedup->rows[middle].uid == uid)
			return &dedup->rows[middle];
		if (dedup->rows[middle].uid < uid)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static struct uidset asked(
	const struct dedup *dedup, const struct dedup_box *box, struct arena *arena)
{
	struct uidset uids = { 0 };

	for (size_t i = box->first; i < box->first + box->count; i++) {
		if (dedup->rows[i].attr & DUPLICATE_ASKED)
			uidset_add(&uids, arena, dedup->rows[i].uid, dedup->rows[i].uid);
	}
	return uids;
}

static bool is_asked(void *context, const struct walk_place *place)
{
	const struct dedup *dedup = context;
	const struct dedup_box *box = box_of(place);

	for (size_t i = box ? box->first : 0; box && i < box->first + box->count; i++) {
		if (dedup->rows[i].attr & DUPLICATE_ASKED)
			return true;
	}
	return false;
}

static bool keys_are_header_digests(const struct dedup *dedup)
{
	return dedup->policy.by == DUPLICATES_BY_AUTO || dedup->policy.by == DUPLICATES_BY_CONTENT;
}

/*
 * There are servers that answer with an empty or cut body, or another text, for what they cannot read: those would all be equal. Only a size that the server told counts, for that of
 * a file may be rough. And there are servers that tell more than there is (Exchange): a multipart shows where it ends, if its header shows that it is this message.
 */
static bool is_whole(const struct dedup *dedup, const struct walk_visit *visit,
	const struct snapshot *rows, size_t i, const struct duplicate *row)
{
	const bool files = store_caps(visit->store) & STORE_CAP_FILES;

	if (!files && row->size != UINT32_MAX && rows->size[i] < row->size &&
		!((row->attr & DUPLICATE_CLOSED) && keys_are_header_digests(dedup)))
		return false;
	return !keys_are_header_digests(dedup) ||
	       ((rows->attr[i] & SNAPSHOT_HAS_DIGEST) &&
		       digest128_equal(rows->digest[i], row->key));
}

struct forms { /* of contents: what says how a body is to be read, which no digest of headers holds */
	struct dedup *dedup;
	const struct dedup_box *box;
	struct arena *scratch;
	struct digest *digest;
};

static void take_form(void *context, uint32_t uid, struct span header)
{
	static const char *const field[] = { "Content-Type", "Content-Transfer-Encoding" };
	struct forms *forms = context;
	struct duplicate *row = find_row(forms->dedup, forms->box, uid);

	for (size_t i = 0; row && i < countof(field); i++) {
		const char *value = header_field(header, span_of(field[i]), forms->scratch);

		digest_add(forms->digest, value ? span_of(value) : SPAN("\n"));
		digest_add(forms->digest, SPAN("\n"));
	}
	if (row)
		row->content = digest_end128(forms->digest);
	arena_clear(forms->scratch);
}

static void take_end(void *context, uint32_t uid, struct span header, struct span tail)
{
	struct forms *forms = context;
	struct duplicate *row = find_row(forms->dedup, forms->box, uid);

	if (row && multipart_is_closed(header, tail, forms->scratch))
		row->attr |= DUPLICATE_CLOSED;
	else if (row)
		row->attr &= (uint8_t) ~(unsigned)DUPLICATE_CLOSED; /* of an attempt before */
	arena_clear(forms->scratch);
}

static void add_content(struct forms *forms, struct duplicate *row, struct digest128 content)
{
	digest_add(forms->digest, span_make((const char *)&row->content, sizeof(row->content)));
	digest_add(forms->digest, span_make((const char *)&content, sizeof(content)));
	row->content = digest_end128(forms->digest);
	row->attr |= DUPLICATE_HAS_CONTENT;
}

static int scan_contents(struct forms *forms, struct walk_visit *visit, struct box *open,
	struct snapshot *rows, struct err *err)
{
	struct dedup *dedup = forms->dedup;
	const struct dedup_box *box = forms->box;
	const struct uidset uids = asked(dedup, box, visit->arena);
	const struct box_scan scan = { .uids = &uids,
		.digests = keys_are_header_digests(dedup),
		.content = true,
		.header = take_form,
		.tail = take_end,
		.header_context = forms };
	struct uidset unread = { 0 };

	if (box_facts(open)->uidvalidity != box->uidvalidity)
		return err_set(err, ERR_MAILBOX,
			"UIDVALIDITY changed meanwhile: nothing in it is anybody's copy");
	if (box_scan(open, &scan, rows, visit->arena, &unread, err) < 0)
		return -1;
	for (size_t i = 0; i < rows->count; i++) {
		struct duplicate *row = find_row(dedup, box, rows->uid[i]);

		if (!row || !(rows->attr[i] & SNAPSHOT_HAS_CONTENT))
			continue;
		if (!is_whole(dedup, visit, rows, i, row)) {
			uidset_add(&unread, visit->arena, row->uid, row->uid);
			continue;
		}
		add_content(forms, row, rows->content[i]);
	}
	return unread.count == 0
		       ? 0
		       : err_set(err, ERR_MAILBOX,
				 "%llu messages can't be read whole: they are nobody's copies",
				 (unsigned long long)uidset_size(&unread));
}

static int read_contents(void *context, struct walk_visit *visit, struct err *err)
{
	struct snapshot rows;
	struct box *open = store_open_box(visit->store, visit->place->info->name, STORE_READ, err);
	struct forms forms = { .dedup = context, .box = box_of(visit->place) };
	int rc;

	if (!open)
		return -1;
	forms.scratch = arena_new();
	forms.digest = digest_new();
	snapshot_init(&rows, false);
	rc = scan_contents(&forms, visit, open, &rows, err);
	box_close(open);
	snapshot_release(&rows);
	digest_free(forms.digest);
	arena_free(forms.scratch);
	return rc;
}

/* ---- the plan ---- */

void dedup_keep_errors(struct dedup *dedup)
{
	for (size_t i = 0; i < walk_count(dedup->walk); i++) {
		const struct walk_place *place = walk_place(dedup->walk, i);

		if (place->err && box_of(place))
			dedup_keep_err(box_of(place), place->err);
	}
}

/* Mailbox by mailbox, so that no more than one is there twice. */
static int join(struct dedup *dedup, struct err *err)
{
	size_t room = 0;

	for (size_t i = 0; i < dedup->boxes; i++)
		room += dedup->box[i].count;
	if (room >= DUPLICATE_STAYS)
		return err_set(err, ERR_LOCAL,
			"%zu messages are too many for one run: choose with -m", room);
	for (size_t i = 0; i < dedup->boxes; i++) {
		struct dedup_box *box = &dedup->box[i];

		box->first = dedup->count;
		dedup->count += box->count;
		if (!dedup->rows) {
			dedup->rows = box->own;
		} else if (box->count > 0) {
			dedup->rows = mem_resize(dedup->rows, dedup->count, sizeof(*dedup->rows));
			memcpy(&dedup->rows[box->first], box->own, box->count * sizeof(*box->own));
			mem_free(box->own);
		} else {
			mem_free(box->own);
		}
		box->own = NULL;
	}
	return 0;
}

bool dedup_goes(const struct dedup *dedup, const struct duplicate *row)
{
	if (row->kept == DUPLICATE_STAYS)
		return false;
	return dedup->request.action != DEDUP_MARK || !(row->attr & DUPLICATE_DELETED);
}

static void count_up(struct dedup *dedup)
{
	for (size_t i = 0; i < dedup->count; i++) {
		const struct duplicate *row = &dedup->rows[i];
		struct dedup_row *of = &dedup->box[row->box].row;

		of->groups += row->attr & DUPLICATE_KEPT ? 1 : 0;
		if (!dedup_goes(dedup, row))
			continue;
		of->copies++;
		of->octets += row->size;
	}
}

static int look_and_decide(struct dedup *dedup, struct err *err)
{
	if (walk_visit(dedup->walk, look, dedup, has_box, err) < 0)
		return -1;
	dedup_keep_errors(dedup);
	if (join(dedup, err) < 0)
		return -1;
	dedup_leave_out_same(dedup);
	if (duplicates_ask(dedup->rows, dedup->count, &dedup->policy) > 0) {
		if (walk_visit(dedup->walk, read_contents, dedup, is_asked, err) < 0)
			return -1;
		dedup_keep_errors(dedup);
	}
	duplicates_decide(dedup->rows, dedup->count, &dedup->policy, &dedup->sum);
	count_up(dedup);
	return 0;
}

static struct duplicates_policy policy_of(const struct dedup_request *request)
{
	static const enum duplicates_by by[] = { [MATCH_AUTO] = DUPLICATES_BY_AUTO,
		[MATCH_MESSAGE_ID] = DUPLICATES_BY_MESSAGE_ID,
		[MATCH_HEADER] = DUPLICATES_BY_HEADER,
		[MATCH_CONTENT] = DUPLICATES_BY_CONTENT };

	return (struct duplicates_policy){ .by = by[request->walk.settings->match],
		.keep = request->keep,
		.across = request->across,
		.with_date = request->with_date,
		.verify = request->verify };
}

/* Before anything is read: whether this place can do it. */
static int check_place(const struct dedup *dedup, struct err *err)
{
	const struct settings *settings = dedup->request.walk.settings;
	const struct relocation move = { .expunge_all = settings->expunge_all };
	const unsigned caps = walk_caps(dedup->walk);

	if (dedup->request.action == DEDUP_REPORT)
		return 0;
	if (!(caps & STORE_CAP_FLAGS))
		return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_USAGE,
			"this place keeps no flags: duplicates can be shown, not marked, deleted or moved");
	if (!(caps & STORE_CAP_WRITE))
		return err_set_kind(
			err, ERR_ACCOUNT, ERR_KIND_USAGE, "this place can only be read");
	if (dedup->request.action == DEDUP_MOVE)
		return relocate_check(caps, &move, err);
	if (dedup->request.action == DEDUP_EXPUNGE && !(caps & STORE_CAP_REMOVE_ONE) &&
		!settings->expunge_all)
		return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_SAFETY,
			"the server cannot expunge single messages (no UIDPLUS), and would remove what others marked too: nothing was deleted (--expunge-all allows it)");
	return 0;
}

/* To find nothing where nothing was looked at would be no answer. */
static int check_boxes(const struct dedup *dedup, struct err *err)
{
	if (dedup->boxes > 0 || walk_count(dedup->walk) == 0)
		return 0;
	return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_USAGE,
		"nothing is looked for in any of the mailboxes chosen: views and the trash are left out of --across, and the target of --move-to always");
}

static int check_request(const struct dedup_request *request, struct err *err)
{
	if (request->walk.settings->match_headers.count > DEDUP_FIELDS_MAX)
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
			"--by header: takes at most %d names", DEDUP_FIELDS_MAX);
	return 0;
}

struct dedup *dedup_plan(const struct dedup_request *request, struct err *err)
{
	struct dedup *dedup;

	if (check_request(request, err) < 0)
		return NULL;
	dedup = mem_alloc(sizeof(*dedup));
	*dedup = (struct dedup){ .request = *request, .policy = policy_of(request) };
	pthread_mutex_init(&dedup->lock, NULL);
	dedup->walk = walk_open(&request->walk, err);
	if (dedup->walk && check_place(dedup, err) == 0) {
		rank_boxes(dedup);
		if (check_boxes(dedup, err) == 0 && dedup_undo_marks(dedup, err) == 0 &&
			look_and_decide(dedup, err) == 0)
			return dedup;
	}
	dedup_free(dedup);
	return NULL;
}

void dedup_free(struct dedup *dedup)
{
	if (!dedup)
		return;
	for (size_t i = 0; i < dedup->boxes; i++) {
		mem_free(dedup->box[i].own);
		mem_free(dedup->box[i].id);
		arena_free(dedup->box[i].arena);
	}
	mem_free(dedup->box);
	mem_free(dedup->rows);
	walk_free(dedup->walk);
	pthread_mutex_destroy(&dedup->lock);
	mem_free(dedup);
}

/* ---- brake and question ---- */

static const char *question_of(
	const struct dedup *dedup, uint64_t going, size_t mailboxes, char *text, size_t room)
{
	snprintf(text, room, "%s %llu copies in %zu mailboxes of %s?",
		dedup->request.action == DEDUP_MARK ? "mark as deleted" : "delete",
		(unsigned long long)going, mailboxes, account_name(dedup->request.walk.account));
	return text;
}

int dedup_allow(struct dedup *dedup, int (*ask)(void *context, const char *question), void *context,
	struct err *err)
{
	const struct settings *settings = dedup->request.walk.settings;
	const bool moves = dedup->request.action == DEDUP_MOVE;
	struct loss *losses;
	char question[256];
	uint64_t going = 0;
	size_t mailboxes = 0;
	int rc = 0;

	if (dedup->request.action == DEDUP_REPORT || (moves && !settings->has_max_delete))
		return 0;
	losses = mem_array(dedup->boxes + 1, sizeof(*losses));
	for (size_t i = 0; i < dedup->boxes; i++) {
		const struct dedup_row *row = &dedup->box[i].row;

		losses[i] = (struct loss){ row->mailbox, row->copies, row->found,
			row->found - row->copies };
		going += row->copies;
		mailboxes += row->copies > 0;
	}
	rc = brake_check(settings, "chosen", losses, dedup->boxes, err);
	mem_free(losses);
	if (rc < 0 || going == 0 || moves)
		return rc;
	return brake_confirm(settings, ask, context,
		question_of(dedup, going, mailboxes, question, sizeof(question)), err);
}

/* ---- reading ---- */

size_t dedup_count(const struct dedup *dedup)
{
	return dedup->boxes;
}

const struct dedup_row *dedup_row(const struct dedup *dedup, size_t index)
{
	return &dedup->box[index].row;
}

bool dedup_next(const struct dedup *dedup, size_t *at, struct dedup_copy *out)
{
	while (*at < dedup->count && !dedup_goes(dedup, &dedup->rows[*at]))
		(*at)++;
	if (*at >= dedup->count)
		return false;
	const struct duplicate *row = &dedup->rows[(*at)++];
	const struct duplicate *kept = &dedup->rows[row->kept];

	*out = (struct dedup_copy){ .mailbox = dedup->box[row->box].row.mailbox,
		.kept_mailbox = dedup->box[kept->box].row.mailbox,
		.uid = row->uid,
		.kept_uid = kept->uid,
		.octets = row->size,
		.by_content = row->attr & kept->attr & DUPLICATE_HAS_CONTENT };
	return true;
}

uint64_t dedup_differing(const struct dedup *dedup)
{
	return dedup->sum.differing;
}

bool dedup_left_out(const struct dedup *dedup)
{
	return dedup->unsure || walk_left_out(dedup->walk) > 0;
}
