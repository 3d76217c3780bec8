/* Pairs as rows and as columns. Sets of flags are few: rows hold their numbers. */
#include "state/journal_parts.h"

#include "base/arena.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"

#define SLOT_TEXT_MAX 512

/* FNV-1a: spreads, and a collision costs a look-up only. */
static struct flag_slot *flag_slot(struct journal *journal, const char *text)
{
	uint32_t hash = 2166136261u;

	for (const char *at = text; *at; at++)
		hash = (hash ^ (unsigned char)*at) * 16777619u;
	return &journal->slots[(hash ^ hash >> 16) % FLAG_SLOTS];
}

static int find_flags(struct journal *journal, const char *text, int64_t *id_out, struct err *err)
{
	struct db_statement *find = journal->sql[SQL_FLAGS_FIND];

	db_bind_text(find, 1, text);
	const int rc = db_step(find, err);
	if (rc < 0)
		return -1;
	if (rc > 0) {
		*id_out = db_i64(find, 0);
		db_reset(find);
		return 0;
	}
	db_bind_text(journal->sql[SQL_FLAGS_ADD], 1, text);
	if (journal_run(journal, SQL_FLAGS_ADD, err) < 0)
		return -1;
	*id_out = db_last_id(journal->db);
	return 0;
}

/* The number of a set of flags, which it is given now where it has none. 0 = empty. */
static int intern_flags(struct journal *journal, const char *text, int64_t *id_out, struct err *err)
{
	if (!*text) {
		*id_out = 0;
		return 0;
	}

	struct flag_slot *slot = flag_slot(journal, text);
	if (slot->text && strcmp(slot->text, text) == 0) {
		*id_out = slot->id;
		return 0;
	}
	if (find_flags(journal, text, id_out, err) < 0)
		return -1;
	if (strlen(text) <= SLOT_TEXT_MAX) {
		mem_free(slot->text);
		slot->text = mem_strdup(text);
		slot->id = *id_out;
	}
	return 0;
}

/* In the file side a is the source. Also the way back. */
static enum journal_status turn_status(const struct journal *journal, enum journal_status status)
{
	if (!journal->swapped)
		return status;
	switch (status) {
	case JOURNAL_GONE_SRC:
		return JOURNAL_GONE_DST;
	case JOURNAL_GONE_DST:
		return JOURNAL_GONE_SRC;
	case JOURNAL_DONE:
	case JOURNAL_REFUSED:
		return status;
	}
	return status;
}

/* NULL on error. Deletions make a reach too far at worst. */
static struct reach *find_reach(struct journal *journal, int64_t mailbox, struct err *err)
{
	struct reach *reach = &journal->reaches[(uint64_t)mailbox % REACH_SLOTS];
	struct db_statement *find = journal->sql[SQL_PAIR_REACH];

	if (reach->mailbox == mailbox)
		return reach;
	db_bind_i64(find, 1, mailbox);
	if (db_step(find, err) < 0)
		return NULL;
	*reach = (struct reach){ mailbox, (uint32_t)db_u64(find, 0), db_i64(find, 1) != 0 };
	db_reset(find);
	return reach;
}

/* Whether src has pairs, and this very one among them. */
static int find_older(struct journal *journal, const struct record *record, bool *any, bool *exact,
	struct err *err)
{
	struct db_statement *find = journal->sql[SQL_PAIR_FIND];
	int rc;

	db_bind_i64(find, 1, record->mailbox);
	db_bind_u64(find, 2, record->src_uid);
	while ((rc = db_step(find, err)) > 0) {
		*any = true;
		if (db_u64(find, 0) == record->dst_uid)
			*exact = true;
	}
	return rc;
}

static int drop_older(struct journal *journal, const struct record *record, struct err *err)
{
	struct db_statement *drop = journal->sql[SQL_PAIR_DROP];

	db_bind_i64(drop, 1, record->mailbox);
	db_bind_u64(drop, 2, record->src_uid);
	return db_step(drop, err);
}

static int drop_waiting(struct journal *journal, const struct record *record, struct err *err)
{
	struct db_statement *drop = journal->sql[SQL_PAIR_DROP_ONE];

	db_bind_i64(drop, 1, record->mailbox);
	db_bind_u64(drop, 2, 0);
	db_bind_u64(drop, 3, record->dst_uid);
	return db_step(drop, err);
}

/*
 * Makes way for (src, dst): what was recorded for src goes, unless this very pair is among it (then the others are of messages that the
 * server merged, as seen from the other direction); so does the pair of dst that waited for its src.
 */
static int make_way(struct journal *journal, const struct record *record, struct err *err)
{
	struct reach *reach = find_reach(journal, record->mailbox, err);
	bool any = false, exact = false;

	if (!reach)
		return -1;
	if (record->src_uid == 0) {
		reach->waiting = true;
		return 0;
	}
	if (record->src_uid <= reach->src_uid && find_older(journal, record, &any, &exact, err) < 0)
		return -1;
	if (any && !exact && drop_older(journal, record, err) < 0)
		return -1;
	if (record->src_uid > reach->src_uid)
		reach->src_uid = record->src_uid;
	return reach->waiting && record->dst_uid ? drop_waiting(journal, record, err) : 0;
}

static void bind_digest(struct db_statement *statement, int index, const struct digest128 *digest)
{
	if (digest128_known(*digest))
		db_bind_blob(statement, index, span_make((const char *)digest, sizeof(*digest)));
	else
		db_bind_text(statement, index, NULL);
}

/* A message that lies in a grave has a UID again, and its tombstone. */
static int fill_grave(struct journal *journal, const struct record *record, struct err *err)
{
	struct db_statement *fill = journal->sql[SQL_GRAVE_FILL];

	if (record->status != JOURNAL_GONE_DST || !digest128_known(record->header))
		return 0;
	db_bind_i64(fill, 1, record->mailbox);
	db_bind_u64(fill, 2, turn_status(journal, JOURNAL_GONE_DST));
	bind_digest(fill, 3, &record->header);
	db_bind_u64(fill, 4, record->size);
	return db_step(fill, err);
}

int journal_write_pair(struct journal *journal, const struct record *record, struct err *err)
{
	struct db_statement *put = journal->sql[SQL_PAIR_PUT];
	const char *texts = journal->writing.texts.data;
	int64_t src_flags, dst_flags;

	if (intern_flags(journal, texts + record->src_flags, &src_flags, err) < 0 ||
		intern_flags(journal, texts + record->dst_flags, &dst_flags, err) < 0 ||
		make_way(journal, record, err) < 0 || fill_grave(journal, record, err) < 0)
		return -1;
	db_bind_i64(put, 1, record->mailbox);
	db_bind_u64(put, 2, record->src_uid);
	db_bind_u64(put, 3, record->dst_uid);
	db_bind_i64(put, 4, src_flags);
	db_bind_i64(put, 5, dst_flags);
	db_bind_u64(put, 6, turn_status(journal, (enum journal_status)record->status));
	db_bind_u64(put, 7, record->size);
	bind_digest(put, 8, &record->header);
	bind_digest(put, 9, &record->content);
	return db_step(put, err);
}

int journal_write_status(struct journal *journal, const struct record *record, struct err *err)
{
	struct db_statement *set = journal->sql[SQL_PAIR_STATUS];

	db_bind_i64(set, 1, record->mailbox);
	db_bind_u64(set, 2, record->src_uid);
	db_bind_u64(set, 3, turn_status(journal, (enum journal_status)record->status));
	return db_step(set, err);
}

static int count_pairs(struct journal *journal, int64_t mailbox, size_t *out, struct err *err)
{
	struct db_statement *count = journal->sql[SQL_PAIR_COUNT];

	db_bind_i64(count, 1, mailbox);
	if (db_step(count, err) < 0)
		return -1;
	*out = (size_t)db_u64(count, 0);
	db_reset(count);
	return 0;
}

size_t journal_pair_count(struct journal *journal, int64_t mailbox)
{
	struct err err = ERR_INIT;
	size_t count = 0;

	pthread_mutex_lock(&journal->db_lock);
	if (journal_flush(journal, &err) < 0 || count_pairs(journal, mailbox, &count, &err) < 0)
		count = 0;
	pthread_mutex_unlock(&journal->db_lock);
	return count;
}

int journal_count(struct journal *journal, int64_t mailbox, uint64_t counts[JOURNAL_REFUSED + 1],
	struct err *err)
{
	struct db_statement *list = journal->sql[SQL_PAIR_COUNTS];
	int rc;

	memset(counts, 0, (JOURNAL_REFUSED + 1) * sizeof(counts[0]));
	pthread_mutex_lock(&journal->db_lock);
	rc = journal_flush(journal, err);
	if (rc == 0) {
		db_bind_i64(list, 1, mailbox);
		while ((rc = db_step(list, err)) > 0) {
			const uint64_t status = db_u64(list, 0);

			if (status <= JOURNAL_REFUSED)
				counts[turn_status(journal, (enum journal_status)status)] =
					db_u64(list, 1);
		}
	}
	pthread_mutex_unlock(&journal->db_lock);
	return rc;
}

/* One load: the file's numbers of flag sets become places in flag_text, of which place 0 is the empty set. */
struct loader {
	struct journal *journal;
	struct arena *arena;
	struct journal_pairs *out;
	size_t room; /* of the columns */
	size_t text_room;
	struct map *places; /* number → place + 1 */
	struct arena *keys;
	int64_t last_id; /* mostly asked for again */
	uint16_t last_place;
	bool overflowed;
};

static int load_text(struct loader *loader, int64_t id, const char **text_out, struct err *err)
{
	struct db_statement *find = loader->journal->sql[SQL_FLAGS_TEXT];

	db_bind_i64(find, 1, id);
	const int rc = db_step(find, err);
	if (rc < 0)
		return -1;
	*text_out = rc > 0 ? arena_strdup(loader->arena, db_text(find, 0)) : NULL;
	db_reset(find);
	return *text_out ? 0 : db_damaged(loader->journal->db, err);
}

/* More sets than a column can number are no mailbox of a person: those beyond read as none, and are looked at again. */
static int add_text(struct loader *loader, int64_t id, uint16_t *place_out, struct err *err)
{
	struct journal_pairs *out = loader->out;
	const char *text = "";

	if (out->flag_texts > UINT16_MAX) {
		loader->overflowed = true;
		*place_out = 0;
		return 0;
	}
	if (id != 0 && load_text(loader, id, &text, err) < 0)
		return -1;
	if (out->flag_texts == loader->text_room) {
		const size_t more = loader->text_room ? 2 * loader->text_room : 16;

		out->flag_text = arena_grow(loader->arena, out->flag_text, loader->text_room, more,
			sizeof(*out->flag_text));
		loader->text_room = more;
	}
	out->flag_text[out->flag_texts] = text;
	*place_out = (uint16_t)out->flag_texts++;
	map_set(loader->places, span_make((const char *)&id, sizeof(id)),
		(void *)((uintptr_t)*place_out + 1));
	return 0;
}

static int load_flags(struct loader *loader, int64_t id, uint16_t *place_out, struct err *err)
{
	if (id != loader->last_id) {
		const struct span key = span_make((const char *)&id, sizeof(id));
		const uintptr_t found = (uintptr_t)map_find(loader->places, key);

		if (found)
			loader->last_place = (uint16_t)(found - 1);
		else if (add_text(loader, id, &loader->last_place, err) < 0)
			return -1;
		loader->last_id = id;
	}
	*place_out = loader->last_place;
	return 0;
}

static int load_row(struct loader *loader, struct err *err)
{
	struct db_statement *list = loader->journal->sql[SQL_PAIR_LIST];
	struct journal_pairs *out = loader->out;
	const size_t at = out->count;
	const uint64_t src_uid = db_u64(list, 0), dst_uid = db_u64(list, 1);
	const uint64_t status = db_u64(list, 4);

	if (at == loader->room || src_uid > UINT32_MAX || dst_uid > UINT32_MAX ||
		status > JOURNAL_REFUSED)
		return db_damaged(loader->journal->db, err);
	if (load_flags(loader, db_i64(list, 2), &out->src_flags[at], err) < 0 ||
		load_flags(loader, db_i64(list, 3), &out->dst_flags[at], err) < 0)
		return -1;
	out->src_uid[at] = (uint32_t)src_uid;
	out->dst_uid[at] = (uint32_t)dst_uid;
	out->size[at] = db_u64(list, 5) <= UINT32_MAX ? (uint32_t)db_u64(list, 5) : 0;
	out->status[at] = turn_status(loader->journal, (enum journal_status)status) & 0xff;
	out->copied[at] = db_u64(list, 6) != 0; /* only an append knows the headers */
	out->count++;
	return 0;
}

static bool pair_less(const struct journal_pairs *pairs, size_t i, size_t j)
{
	return pairs->src_uid[i] != pairs->src_uid[j] ? pairs->src_uid[i] < pairs->src_uid[j]
						      : pairs->dst_uid[i] < pairs->dst_uid[j];
}

#define SWAP(column, i, j)                                         \
	do {                                                       \
		const __typeof__((column)[0]) kept_ = (column)[i]; \
		(column)[i] = (column)[j];                         \
		(column)[j] = kept_;                               \
	} while (0)

static void pair_swap(struct journal_pairs *pairs, size_t i, size_t j)
{
	SWAP(pairs->src_uid, i, j);
	SWAP(pairs->dst_uid, i, j);
	SWAP(pairs->src_flags, i, j);
	SWAP(pairs->dst_flags, i, j);
	SWAP(pairs->status, i, j);
	SWAP(pairs->copied, i, j);
	SWAP(pairs->size, i, j);
}

static void pair_sift(struct journal_pairs *pairs, size_t at, size_t end)
{
	for (;;) {
		size_t child = 2 * at + 1;

		if (child >= end)
			return;
		if (child + 1 < end && pair_less(pairs, child, child + 1))
			child++;
		if (!pair_less(pairs, at, child))
			return;
		pair_swap(pairs, at, child);
		at = child;
	}
}

/* Rows come in the order of side a. For the other side a heap sort in place: no memory, no worst case; mostly there is nothing to do. */
static void sort_pairs(struct journal_pairs *pairs)
{
	bool sorted = true;

	for (size_t i = 1; i < pairs->count && sorted; i++)
		sorted = !pair_less(pairs, i, i - 1);
	if (sorted)
		return;
	for (size_t i = pairs->count / 2; i-- > 0;)
		pair_sift(pairs, i, pairs->count);
	for (size_t end = pairs->count - 1; end > 0; end--) {
		pair_swap(pairs, 0, end);
		pair_sift(pairs, 0, end);
	}
}

static int load_rows(struct loader *loader, int64_t mailbox, struct err *err)
{
	struct db_statement *list = loader->journal->sql[SQL_PAIR_LIST];
	uint16_t none;
	int rc = add_text(loader, 0, &none, err);

	if (rc < 0)
		return -1;
	db_bind_i64(list, 1, mailbox);
	while ((rc = db_step(list, err)) > 0) {
		rc = load_row(loader, err);
		if (rc < 0)
			break;
	}
	db_reset(list);
	return rc;
}

static int load_pairs(struct journal *journal, int64_t mailbox, struct arena *arena,
	struct journal_pairs *out, struct err *err)
{
	struct journal_pairs pairs = { 0 };
	struct loader loader = { .journal = journal, .arena = arena, .out = &pairs };

	if (count_pairs(journal, mailbox, &loader.room, err) < 0)
		return -1;
	pairs.src_uid = arena_array(arena, loader.room, sizeof(*pairs.src_uid));
	pairs.dst_uid = arena_array(arena, loader.room, sizeof(*pairs.dst_uid));
	pairs.src_flags = arena_array(arena, loader.room, sizeof(*pairs.src_flags));
	pairs.dst_flags = arena_array(arena, loader.room, sizeof(*pairs.dst_flags));
	pairs.status = arena_array(arena, loader.room, sizeof(*pairs.status));
	pairs.copied = arena_array(arena, loader.room, sizeof(*pairs.copied));
	pairs.size = arena_array(arena, loader.room, sizeof(*pairs.size));
	loader.keys = arena_new();
	loader.places = map_new(loader.keys);
	const int rc = load_rows(&loader, mailbox, err);
	map_free(loader.places);
	arena_free(loader.keys);
	if (rc < 0)
		return -1;
	if (loader.overflowed)
		log_warn("a mailbox has more than %d different sets of flags: the others are taken "
			 "for none",
			UINT16_MAX);
	sort_pairs(&pairs);
	*out = pairs;
	return 0;
}

int journal_pairs(struct journal *journal, int64_t mailbox, struct arena *arena,
	struct journal_pairs *out, struct err *err)
{
	struct err own = ERR_INIT;

	if (!err)
		err = &own;
	pthread_mutex_lock(&journal->db_lock);
	int rc = journal_flush(journal, err);
	if (rc == 0)
		rc = load_pairs(journal, mailbox, arena, out, err);
	pthread_mutex_unlock(&journal->db_lock);
	return rc;
}

static int read_grave(struct journal *journal, struct journal_grave *out, struct err *err)
{
	struct db_statement *list = journal->sql[SQL_GRAVE_LIST];
	const struct span blob = db_blob(list, 0);

	if (blob.len != sizeof(out->header))
		return db_damaged(journal->db, err);
	memcpy(&out->header, blob.data, sizeof(out->header));
	out->size = db_u64(list, 1);
	return 0;
}

static int compare_graves(const void *a, const void *b)
{
	const struct journal_grave *x = a, *y = b;
	const int order = digest128_compare(x->header, y->header);

	return order ? order : x->size < y->size ? -1 : x->size > y->size;
}

static int load_graves(struct journal *journal, int64_t mailbox, struct arena *arena,
	struct journal_grave **out, size_t *count_out, struct err *err)
{
	struct db_statement *list = journal->sql[SQL_GRAVE_LIST];
	struct journal_grave *graves = NULL;
	size_t count = 0, room = 0;
	int rc;

	db_bind_i64(list, 1, mailbox);
	db_bind_u64(list, 2, turn_status(journal, JOURNAL_GONE_DST));
	while ((rc = db_step(list, err)) > 0) {
		if (count == room) {
			graves = arena_grow(
				arena, graves, room, room ? 2 * room : 16, sizeof(*graves));
			room = room ? 2 * room : 16;
		}
		rc = read_grave(journal, &graves[count++], err);
		if (rc < 0)
			break;
	}
	db_reset(list);
	if (rc < 0)
		return -1;
	if (count > 1)
		qsort(graves, count, sizeof(*graves), compare_graves);
	*out = graves;
	*count_out = count;
	return 0;
}

int journal_graves(struct journal *journal, int64_t mailbox, struct arena *arena,
	struct journal_grave **out, size_t *count_out, struct err *err)
{
	pthread_mutex_lock(&journal->db_lock);
	int rc = journal_flush(journal, err);
	if (rc == 0)
		rc = load_graves(journal, mailbox, arena, out, count_out, err);
	pthread_mutex_unlock(&journal->db_lock);
	return rc;
}
