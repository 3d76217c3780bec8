/* Evaluation in three values: what is open stays so until the octets that tell have come. */
#include "store/file_search_parts.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "mail/arrival.h"
#include "mail/fold.h"
#include "mail/mime.h"
#include "mail/mime_text.h"

#define PIECE_MAX (1u << 18) /* more octets than a piece of mime_text.h has */

struct file_search {
	struct arena *arena, *scratch;
	struct search_node *root;
	struct search_node **leaf;
	size_t leaves;
	size_t longest; /* octets of the longest needle for bodies */
	const struct file_search_facts *facts;
	struct mime_text *mime;
	struct buf window; /* folded text: the end of the piece before, and a piece */
	struct buf header; /* as it came, for its date */
	bool in_header, wants_date;
	bool wants_octets; /* not only how many they are */
};

static bool looks_at_octets(const struct search_node *node)
{
	return node->key == SEARCH_BODY || node->key == SEARCH_TEXT;
}

static void gather_leaves(struct file_search *search, struct search_node *node)
{
	if (node->key == SEARCH_AND || node->key == SEARCH_OR || node->key == SEARCH_NOT) {
		for (struct search_node *one = node->first; one != NULL; one = one->next)
			gather_leaves(search, one);
		return;
	}
	search->leaf[search->leaves++] = node;
	if (looks_at_octets(node) && node->needle.len > search->longest)
		search->longest = node->needle.len;
}

struct file_search *file_search_new(const char *expression, int64_t now, struct err *err)
{
	struct file_search *search = mem_alloc(sizeof(*search));
	size_t leaves = 0;

	search->arena = arena_new();
	search->scratch = arena_new();
	search->root = file_search_parse(span_of(expression), now, search->arena, &leaves, err);
	if (search->root == NULL) {
		file_search_free(search);
		return NULL;
	}
	search->leaf = arena_array(search->arena, leaves + 1, sizeof(struct search_node *));
	gather_leaves(search, search->root);
	buf_init(&search->window, search->longest + (size_t)PIECE_MAX * FOLD_GROWTH);
	buf_init(&search->header, ARRIVAL_HEADER_MAX);
	return search;
}

void file_search_free(struct file_search *search)
{
	if (search == NULL)
		return;
	mime_text_free(search->mime);
	buf_release(&search->window);
	buf_release(&search->header);
	arena_free(search->arena);
	arena_free(search->scratch);
	mem_free(search);
}

/* ---- verdicts ---- */

static enum search_verdict of(bool true_or_false)
{
	return true_or_false ? SEARCH_TRUE : SEARCH_FALSE;
}

static enum search_verdict judge(const struct search_node *node)
{
	enum search_verdict all = node->key == SEARCH_OR ? SEARCH_FALSE : SEARCH_TRUE;

	switch (node->key) {
	case SEARCH_NOT:
		all = judge(node->first);
		return all == SEARCH_OPEN ? SEARCH_OPEN : of(all == SEARCH_FALSE);
	case SEARCH_AND:
	case SEARCH_OR:
		for (const struct search_node *one = node->first; one != NULL; one = one->next) {
			const enum search_verdict verdict = judge(one);

			if (verdict == SEARCH_OPEN)
				all = SEARCH_OPEN;
			else if (verdict != of(node->key == SEARCH_AND))
				return verdict;
		}
		return all;
	default:
		return node->verdict;
	}
}

static bool is_size(const struct search_node *node)
{
	return node->key == SEARCH_LARGER || node->key == SEARCH_SMALLER;
}

/* Whether something that is open and matters needs more than the header. */
static bool needs_all(const struct search_node *node)
{
	if (judge(node) != SEARCH_OPEN)
		return false;
	if (node->key != SEARCH_AND && node->key != SEARCH_OR && node->key != SEARCH_NOT)
		return looks_at_octets(node) || is_size(node);
	for (const struct search_node *one = node->first; one != NULL; one = one->next)
		if (needs_all(one))
			return true;
	return false;
}

static enum file_search_state state_of(const struct file_search *search)
{
	switch (judge(search->root)) {
	case SEARCH_TRUE:
		return FILE_SEARCH_YES;
	case SEARCH_FALSE:
		return FILE_SEARCH_NO;
	default:
		return needs_all(search->root) ? FILE_SEARCH_ALL : FILE_SEARCH_HEADER;
	}
}

/* ---- what is known without reading ---- */

/* RFC 3501 §9 seq-range: "*" is the highest there is, on either side of the colon. */
static bool in_set(const struct uidset *set, uint32_t number, uint32_t last)
{
	return uidset_has(set, number) || (number == last && uidset_has(set, UINT32_MAX));
}

static enum search_verdict judge_size(const struct search_node *node, uint64_t size)
{
	const uint64_t limit = (uint64_t)node->number;

	return of(node->key == SEARCH_LARGER ? size > limit : size < limit);
}

/* A rough size can at most double, for every octet may be an LF. */
static enum search_verdict judge_rough(
	const struct search_node *node, const struct file_search_facts *facts)
{
	const enum search_verdict least = judge_size(node, facts->size);

	if (facts->size == UINT32_MAX)
		return SEARCH_OPEN;
	if (!facts->size_rough || least == judge_size(node, (uint64_t)facts->size * 2))
		return least;
	return SEARCH_OPEN;
}

static enum search_verdict judge_date(const struct search_node *node, struct date date)
{
	if (date.instant == DATE_UNKNOWN)
		return SEARCH_FALSE;
	switch (node->key) {
	case SEARCH_OLDER:
		return of(date.instant <= node->number);
	case SEARCH_YOUNGER:
		return of(date.instant >= node->number);
	case SEARCH_BEFORE:
	case SEARCH_SENT_BEFORE:
		return of(file_search_day(date) < node->number);
	case SEARCH_ON:
	case SEARCH_SENT_ON:
		return of(file_search_day(date) == node->number);
	default:
		return of(file_search_day(date) >= node->number);
	}
}

static bool is_internal_date(const struct search_node *node)
{
	return node->key >= SEARCH_BEFORE && node->key <= SEARCH_YOUNGER;
}

static bool is_sent_date(const struct search_node *node)
{
	return node->key >= SEARCH_SENT_BEFORE && node->key <= SEARCH_SENT_SINCE;
}

static enum search_verdict judge_cheap(
	const struct search_node *node, const struct file_search_facts *facts)
{
	if (is_internal_date(node))
		return facts->date_in_header ? SEARCH_OPEN : judge_date(node, facts->date);
	if (is_size(node))
		return judge_rough(node, facts);
	switch (node->key) {
	case SEARCH_ALL:
		return SEARCH_TRUE;
	case SEARCH_NONE:
		return SEARCH_FALSE;
	case SEARCH_FLAG:
		return of(flags_has(facts->table, facts->flags, node->name));
	case SEARCH_NO_FLAG:
		return of(!flags_has(facts->table, facts->flags, node->name));
	case SEARCH_UIDS:
		return of(in_set(&node->set, facts->uid, facts->last_uid));
	case SEARCH_NUMBERS:
		return of(in_set(&node->set, facts->number, facts->last_number));
	default:
		return looks_at_octets(node) && node->needle.len == 0 ? SEARCH_TRUE : SEARCH_OPEN;
	}
}

enum file_search_state file_search_begin(
	struct file_search *search, const struct file_search_facts *facts)
{
	enum file_search_state state;

	search->facts = facts;
	search->wants_date = search->wants_octets = false;
	for (size_t i = 0; i < search->leaves; i++) {
		struct search_node *node = search->leaf[i];

		node->verdict = judge_cheap(node, facts);
		if (node->verdict != SEARCH_OPEN)
			continue;
		search->wants_date |= facts->date_in_header;
		search->wants_octets |= !is_size(node);
	}
	state = state_of(search);
	if (state < FILE_SEARCH_HEADER)
		return state;
	search->in_header = true;
	buf_clear(&search->window);
	buf_clear(&search->header);
	if (search->mime == NULL)
		search->mime = mime_text_new();
	mime_text_begin(search->mime);
	return state;
}

bool file_search_header_first(const struct file_search *search)
{
	for (size_t i = 0; i < search->leaves; i++) {
		const struct search_node *node = search->leaf[i];

		if (node->verdict == SEARCH_OPEN && !looks_at_octets(node) && !is_size(node))
			return true;
	}
	return false;
}

/* ---- reading ---- */

static bool has_needle(const struct buf *window, struct span needle)
{
	if (needle.len == 0)
		return true;
	return window->len >= needle.len &&
	       memmem(window->data, window->len, needle.data, needle.len) != NULL;
}

/* A field's text, encoded words decoded, folded, in the window. */
static void fold_field(struct file_search *search, struct span text)
{
	if (memmem(text.data, text.len, "=?", 2) != NULL || !utf8_valid(text)) {
		arena_clear(search->scratch);
		text = span_of(mime_decode(arena_text(search->scratch, text), search->scratch));
	}
	buf_clear(&search->window);
	fold_text(span_sub(text, 0, PIECE_MAX), &search->window);
}

/* Of the message itself: "Name: value". */
static void take_field(struct file_search *search, struct span field)
{
	const size_t colon = span_find(field, ':');
	const struct span name = span_trim(span_sub(field, 0, colon));
	const struct span value = span_trim(span_from(field, colon));
	bool folded = false;
	struct date date;

	for (size_t i = 0; i < search->leaves && colon != SIZE_MAX; i++) {
		struct search_node *node = search->leaf[i];

		if (node->verdict != SEARCH_OPEN)
			continue;
		if (is_sent_date(node) && span_equal_nocase(name, SPAN("Date")) &&
			date_parse_header(span_from(value, 1), &date) == 0)
			node->verdict = judge_date(node, date);
		if (node->key != SEARCH_FIELD || !span_equal_nocase(name, node->name))
			continue;
		if (!folded)
			fold_field(search, span_from(value, 1));
		folded = true;
		if (has_needle(&search->window, node->needle))
			node->verdict = SEARCH_TRUE;
	}
}

/* Of the message or of a part: what TEXT looks at. */
static void take_any_field(struct file_search *search, struct span field)
{
	bool folded = false;

	for (size_t i = 0; i < search->leaves; i++) {
		struct search_node *node = search->leaf[i];

		if (node->key != SEARCH_TEXT || node->verdict != SEARCH_OPEN)
			continue;
		if (!folded)
			fold_field(search, field);
		folded = true;
		if (has_needle(&search->window, node->needle))
			node->verdict = SEARCH_TRUE;
	}
	buf_clear(&search->window);
}

/* What the header did not say is not there; a message without a date was sent when it arrived (RFC 5256 §2.2). */
static void end_header(struct file_search *search)
{
	const struct date date = search->facts->date_in_header
					 ? arrival_date(buf_span(&search->header))
					 : search->facts->date;

	search->in_header = false;
	buf_clear(&search->window);
	for (size_t i = 0; i < search->leaves; i++) {
		struct search_node *node = search->leaf[i];

		if (node->verdict != SEARCH_OPEN)
			continue;
		if (is_internal_date(node) || is_sent_date(node))
			node->verdict = judge_date(node, date);
		else if (node->key == SEARCH_FIELD)
			node->verdict = SEARCH_FALSE;
	}
}

/* The end of the text before stays in the window, as far as a needle may begin there. */
static void take_text(struct file_search *search, struct span text)
{
	struct buf *window = &search->window;

	if (search->longest == 0)
		return;
	if (window->len >= search->longest)
		buf_drop_front(window, window->len - (search->longest - 1));
	fold_text(text, window);
	for (size_t i = 0; i < search->leaves; i++) {
		struct search_node *node = search->leaf[i];

		if (looks_at_octets(node) && node->verdict == SEARCH_OPEN &&
			has_needle(window, node->needle))
			node->verdict = SEARCH_TRUE;
	}
}

static void take_piece(struct file_search *search, const struct mime_piece *piece)
{
	switch (piece->kind) {
	case MIME_FIELD:
		take_field(search, piece->text);
		take_any_field(search, piece->text);
		break;
	case MIME_PART_FIELD:
		take_any_field(search, piece->text);
		break;
	case MIME_HEADER_END:
		end_header(search);
		break;
	case MIME_TEXT:
		take_text(search, piece->text);
		break;
	case MIME_TEXT_END:
		buf_clear(&search->window);
		break;
	}
}

enum file_search_state file_search_add(struct file_search *search, struct span chunk)
{
	struct mime_piece piece;
	enum file_search_state state = state_of(search);

	if (!search->wants_octets)
		return state;
	if (search->in_header && search->wants_date)
		(void)!buf_add(&search->header,
			span_sub(chunk, 0, search->header.max - search->header.len));
	while (state >= FILE_SEARCH_HEADER && mime_text_next(search->mime, &chunk, &piece)) {
		take_piece(search, &piece);
		state = state_of(search);
	}
	return state;
}

enum file_search_state file_search_end(struct file_search *search, uint64_t size)
{
	struct mime_piece piece;

	while (mime_text_end(search->mime, &piece))
		take_piece(search, &piece);
	for (size_t i = 0; i < search->leaves; i++) {
		struct search_node *node = search->leaf[i];

		if (node->verdict == SEARCH_OPEN)
			node->verdict = is_size(node) ? judge_size(node, size) : SEARCH_FALSE;
	}
	return state_of(search);
}
