/*
 * Interned flag sets. A set of system flags alone is its own bit mask as id (0..31), so these always exist; a set with keywords
 * is a row of name ids in canonical order.
 */
#include "mail/flags.h"

#include "base/arena.h"
#include "base/mem.h"

#include <pthread.h>

#define SYSTEM_COUNT 5
#define SYSTEM_SETS (1u << SYSTEM_COUNT)
#define NAMES_MAX 4096
#define SETS_MAX 65536
#define NAME_LEN_MAX 255
#define TEXT_BYTES_MAX \
	((size_t)64    \
		<< 20) /* all texts and rows of a table: many long sets from a hostile server stay bounded */

struct name {
	const char *text;
	size_t len;
	uint32_t hash;
};

struct set {
	const uint16_t *id; /* name ids in canonical order */
	uint32_t count;
	uint32_t hash;
	const char *text;
};

struct index {
	uint32_t *slot; /* position + 1, 0 = free */
	size_t room; /* power of two, at most half full */
};

struct flag_table {
	struct arena *arena;
	struct name *name;
	size_t name_count, name_room;
	struct set *set;
	size_t set_count, set_room;
	struct index names, sets;
	size_t bytes, dropped;
	pthread_mutex_t lock; /* of flags_parse() against itself */
};

/* A set under construction: name ids in canonical order. */
struct draft {
	uint16_t id[NAMES_MAX];
	size_t count;
};

/* RFC 3501 §2.3.2, in the order of printing. */
static const char *const system_names[SYSTEM_COUNT] = { "\\Answered", "\\Flagged", "\\Deleted",
	"\\Seen", "\\Draft" };

static char lower(char byte)
{
	return byte >= 'A' && byte <= 'Z' ? (char)(byte + 32) : byte;
}

static uint32_t hash_name(struct span name)
{
	uint32_t hash = 2166136261u; /* FNV-1a */

	for (size_t i = 0; i < name.len; i++)
		hash = (hash ^ (uint8_t)lower(name.data[i])) * 16777619u;
	return hash;
}

static uint32_t hash_ids(const uint16_t *id, size_t count)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < count; i++)
		hash = (hash ^ id[i]) * 16777619u;
	return hash ^ hash >> 15;
}

static struct span name_span(const struct flag_table *table, size_t id)
{
	return span_make(table->name[id].text, table->name[id].len);
}

static const struct set *get_set(const struct flag_table *table, flags_t set)
{
	return &table->set[set < table->set_count ? set : 0];
}

static void index_put(struct index *index, uint32_t hash, size_t position)
{
	size_t at = hash & (index->room - 1);

	while (index->slot[at] != 0)
		at = (at + 1) & (index->room - 1);
	index->slot[at] = (uint32_t)position + 1;
}

/* Makes the index empty and big enough for count entries more than half free. */
static void index_renew(struct index *index, size_t count)
{
	mem_free(index->slot);
	index->room = 64;
	while (index->room < count * 2)
		index->room *= 2;
	index->slot = mem_array(index->room, sizeof(*index->slot));
}

static size_t find_name(const struct flag_table *table, struct span name, uint32_t hash)
{
	size_t mask = table->names.room - 1;

	for (size_t at = hash & mask; table->names.slot[at] != 0; at = (at + 1) & mask) {
		size_t id = table->names.slot[at] - 1;

		if (table->name[id].hash == hash && span_equal_nocase(name_span(table, id), name))
			return id;
	}
	return SIZE_MAX;
}

static size_t add_name(struct flag_table *table, struct span name, uint32_t hash)
{
	struct name *entry;

	if (table->name_count == NAMES_MAX)
		return SIZE_MAX;
	if (table->name_count == table->name_room) {
		table->name_room = table->name_room ? table->name_room * 2 : 32;
		table->name = mem_resize(table->name, table->name_room, sizeof(*table->name));
	}
	if ((table->name_count + 1) * 2 > table->names.room) {
		index_renew(&table->names, (table->name_count + 1) * 2);
		for (size_t i = 0; i < table->name_count; i++)
			index_put(&table->names, table->name[i].hash, i);
	}
	entry = &table->name[table->name_count];
	*entry = (struct name){ arena_text(table->arena, name), name.len, hash };
	index_put(&table->names, hash, table->name_count);
	return table->name_count++;
}

/* flag = "\Answered" … / atom / "\" atom (RFC 3501 §9) */
static bool is_flag(struct span name)
{
	size_t start = name.len > 0 && name.data[0] == '\\';

	if (name.len <= start || name.len > NAME_LEN_MAX)
		return false;
	for (size_t i = start; i < name.len; i++) {
		unsigned char byte = (unsigned char)name.data[i];

		if (byte <= ' ' || byte >= 0x7f || strchr("(){%*\"\\]", byte) != NULL)
			return false;
	}
	return true;
}

static size_t intern_name(struct flag_table *table, struct span name)
{
	uint32_t hash;
	size_t id;

	/* The session's own flag and the mark of PERMANENTFLAGS: nothing is lost with them. */
	if (span_equal_nocase(name, SPAN("\\Recent")) || span_equal(name, SPAN("\\*")))
		return SIZE_MAX;
	if (!is_flag(name)) {
		table->dropped++;
		return SIZE_MAX;
	}
	hash = hash_name(name);
	id = find_name(table, name, hash);
	if (id == SIZE_MAX)
		id = add_name(table, name, hash);
	if (id == SIZE_MAX)
		table->dropped++;
	return id;
}

/* Canonical order: system flags as in their table, then names without case. */
static int compare_names(const struct flag_table *table, size_t a, size_t b)
{
	struct span x = name_span(table, a), y = name_span(table, b);
	size_t len = x.len < y.len ? x.len : y.len;

	if (a == b)
		return 0;
	if (a < SYSTEM_COUNT || b < SYSTEM_COUNT)
		return a < b ? -1 : 1;
	for (size_t i = 0; i < len; i++) {
		if (lower(x.data[i]) != lower(y.data[i]))
			return (unsigned char)lower(x.data[i]) < (unsigned char)lower(y.data[i])
				       ? -1
				       : 1;
	}
	return x.len < y.len ? -1 : 1;
}

static void draft_add(const struct flag_table *table, struct draft *draft, size_t id)
{
	size_t low = 0, high = draft->count;

	while (low < high) {
		size_t mid = (low + high) / 2;
		int order = compare_names(table, draft->id[mid], id);

		if (order == 0)
			return;
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	memmove(&draft->id[low + 1], &draft->id[low], (draft->count - low) * sizeof(draft->id[0]));
	draft->id[low] = (uint16_t)id;
	draft->count++;
}

static void draft_set(const struct flag_table *table, struct draft *draft, flags_t set)
{
	const struct set *from = get_set(table, set);

	memcpy(draft->id, from->id, from->count * sizeof(draft->id[0]));
	draft->count = from->count;
}

static char *print_set(struct flag_table *table, const uint16_t *id, size_t count, size_t len)
{
	char *text = arena_alloc(table->arena, len + 1);
	char *to = text;

	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			*to++ = ' ';
		memcpy(to, table->name[id[i]].text, table->name[id[i]].len);
		to += table->name[id[i]].len;
	}
	return text;
}

static void store_set(struct flag_table *table, const uint16_t *id, size_t count, size_t text_len)
{
	uint16_t *row = arena_array(table->arena, count > 0 ? count : 1, sizeof(*row));
	struct set *set;

	if (table->set_count == table->set_room) {
		table->set_room = table->set_room ? table->set_room * 2 : 64;
		table->set = mem_resize(table->set, table->set_room, sizeof(*table->set));
	}
	if ((table->set_count + 1) * 2 > table->sets.room) {
		index_renew(&table->sets, (table->set_count + 1) * 2);
		for (size_t i = 0; i < table->set_count; i++)
			index_put(&table->sets, table->set[i].hash, i);
	}
	memcpy(row, id, count * sizeof(*row));
	set = &table->set[table->set_count];
	*set = (struct set){ row, (uint32_t)count, hash_ids(id, count),
		print_set(table, id, count, text_len) };
	index_put(&table->sets, set->hash, table->set_count);
	table->set_count++;
}

static flags_t system_mask(const struct draft *draft)
{
	flags_t mask = 0;

	for (size_t i = 0; i < draft->count && draft->id[i] < SYSTEM_COUNT; i++)
		mask |= 1u << draft->id[i];
	return mask;
}

static flags_t intern_set(struct flag_table *table, const struct draft *draft)
{
	size_t bytes = draft->count * sizeof(draft->id[0]), text_len = 0;
	uint32_t hash;

	if (draft->count == 0 || draft->id[draft->count - 1] < SYSTEM_COUNT)
		return system_mask(draft);
	hash = hash_ids(draft->id, draft->count);
	for (size_t at = hash & (table->sets.room - 1); table->sets.slot[at] != 0;
		at = (at + 1) & (table->sets.room - 1)) {
		const struct set *set = &table->set[table->sets.slot[at] - 1];

		if (set->hash == hash && set->count == draft->count &&
			memcmp(set->id, draft->id, bytes) == 0)
			return table->sets.slot[at] - 1;
	}
	for (size_t i = 0; i < draft->count; i++)
		text_len += table->name[draft->id[i]].len + (i > 0);
	if (table->set_count == SETS_MAX || table->bytes + bytes + text_len > TEXT_BYTES_MAX) {
		table->dropped++;
		return system_mask(draft);
	}
	table->bytes += bytes + text_len;
	store_set(table, draft->id, draft->count, text_len);
	return (flags_t)table->set_count - 1;
}

struct flag_table *flag_table_new(void)
{
	struct flag_table *table = mem_alloc(sizeof(*table));

	table->arena = arena_new();
	pthread_mutex_init(&table->lock, NULL);
	index_renew(&table->names, 32);
	index_renew(&table->sets, 64);
	for (size_t i = 0; i < SYSTEM_COUNT; i++)
		add_name(table, span_of(system_names[i]), hash_name(span_of(system_names[i])));
	for (unsigned mask = 0; mask < SYSTEM_SETS; mask++) {
		uint16_t id[SYSTEM_COUNT];
		size_t count = 0, text_len = 0;

		for (unsigned i = 0; i < SYSTEM_COUNT; i++) {
			if (!(mask & 1u << i))
				continue;
			text_len += table->name[i].len + (count > 0);
			id[count++] = (uint16_t)i;
		}
		store_set(table, id, count, text_len);
	}
	return table;
}

void flag_table_free(struct flag_table *table)
{
	if (table == NULL)
		return;
	mem_free(table->name);
	mem_free(table->set);
	mem_free(table->names.slot);
	mem_free(table->sets.slot);
	arena_free(table->arena);
	pthread_mutex_destroy(&table->lock);
	mem_free(table);
}

static bool is_blank(char byte)
{
	return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

flags_t flags_parse(struct flag_table *table, struct span names)
{
	struct draft draft;
	flags_t set;

	draft.count = 0;
	pthread_mutex_lock(&table->lock);
	for (size_t at = 0; at < names.len;) {
		size_t start = at;
		size_t id;

		while (at < names.len && !is_blank(names.data[at]))
			at++;
		if (at == start) {
			at++;
			continue;
		}
		id = intern_name(table, span_sub(names, start, at - start));
		if (id != SIZE_MAX)
			draft_add(table, &draft, id);
	}
	set = intern_set(table, &draft);
	pthread_mutex_unlock(&table->lock);
	return set;
}

flags_t flags_add(struct flag_table *table, flags_t set, struct span name)
{
	struct draft draft;
	size_t id = intern_name(table, name);

	if (id == SIZE_MAX)
		return set;
	draft_set(table, &draft, set);
	draft_add(table, &draft, id);
	return intern_set(table, &draft);
}

size_t flag_table_dropped(const struct flag_table *table)
{
	return table->dropped;
}

const char *flags_text(const struct flag_table *table, flags_t set)
{
	return get_set(table, set)->text;
}

bool flags_has(const struct flag_table *table, flags_t set, struct span name)
{
	const struct set *row = get_set(table, set);
	size_t id = find_name(table, name, hash_name(name));

	for (size_t i = 0; i < row->count; i++) {
		if (row->id[i] == id)
			return true;
	}
	return false;
}

size_t flags_count(const struct flag_table *table, flags_t set)
{
	return get_set(table, set)->count;
}

struct span flags_at(const struct flag_table *table, flags_t set, size_t index)
{
	const struct set *row = get_set(table, set);

	if (index >= row->count)
		return span_of(NULL);
	return name_span(table, row->id[index]);
}

enum keep { KEEP_LEFT = 1, KEEP_RIGHT = 2, KEEP_BOTH = 4 };

/* Merges two rows in canonical order, keeping what is in the left alone, the right alone, or both. */
static flags_t combine(struct flag_table *table, flags_t left, flags_t right, unsigned keep)
{
	const struct set *a = get_set(table, left), *b = get_set(table, right);
	struct draft draft;
	size_t i = 0, j = 0;

	draft.count = 0;
	while (i < a->count || j < b->count) {
		int order;

		if (j == b->count)
			order = -1;
		else if (i == a->count)
			order = 1;
		else
			order = compare_names(table, a->id[i], b->id[j]);
		if (order == 0 ? keep & KEEP_BOTH : keep & (order < 0 ? KEEP_LEFT : KEEP_RIGHT))
			draft.id[draft.count++] = order <= 0 ? a->id[i] : b->id[j];
		i += order <= 0;
		j += order >= 0;
	}
	return intern_set(table, &draft);
}

flags_t flags_union(struct flag_table *table, flags_t a, flags_t b)
{
	if (a == b || b == 0)
		return a;
	if (a < SYSTEM_SETS && b < SYSTEM_SETS)
		return a | b;
	return combine(table, a, b, KEEP_LEFT | KEEP_RIGHT | KEEP_BOTH);
}

flags_t flags_intersect(struct flag_table *table, flags_t a, flags_t b)
{
	if (a == b)
		return a;
	if (a < SYSTEM_SETS && b < SYSTEM_SETS)
		return a & b;
	return combine(table, a, b, KEEP_BOTH);
}

flags_t flags_minus(struct flag_table *table, flags_t a, flags_t b)
{
	if (a == b)
		return 0;
	if (a < SYSTEM_SETS && b < SYSTEM_SETS)
		return a & ~b;
	return combine(table, a, b, KEEP_LEFT);
}

flags_t flags_system(struct flag_table *table, flags_t set)
{
	return flags_intersect(table, set, SYSTEM_SETS - 1);
}

flags_t flags_allowed(struct flag_table *table, flags_t set, flags_t permanent, bool any_keyword)
{
	const struct set *row = get_set(table, set);
	struct draft draft;

	if (!any_keyword)
		return flags_intersect(table, set, permanent);
	draft.count = 0;
	for (size_t i = 0; i < row->count; i++) {
		struct span name = name_span(table, row->id[i]);

		if (name.data[0] != '\\' || flags_has(table, permanent, name))
			draft.id[draft.count++] = row->id[i];
	}
	return intern_set(table, &draft);
}

flags_t flags_merge3(struct flag_table *table, flags_t src_base, flags_t src_now, flags_t dst_base,
	flags_t dst_now)
{
	flags_t added, removed, own;

	if (src_base == src_now)
		return dst_now;
	added = flags_minus(table, src_now, src_base);
	removed = flags_minus(table, src_base, src_now);
	/* What was newly set at the destination meanwhile outlives a removal at the source: with this both directions agree. */
	own = flags_minus(table, dst_now, dst_base);
	removed = flags_minus(table, removed, own);
	return flags_minus(table, flags_union(table, dst_now, added), removed);
}
