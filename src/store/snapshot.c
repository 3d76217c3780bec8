/* Snapshots: columns that grow together, sorted once at the end. */
#include "store/snapshot.h"

#include "base/mem.h"
#include "base/must.h"

#define ROOM_FIRST 64

/* Every column, so that growing, sorting and removing need not name them. */
struct column {
	size_t offset, size;
	bool optional; /* NULL unless asked for */
};

#define COLUMN(field, optional)                                                                    \
	{                                                                                          \
		offsetof(struct snapshot, field), sizeof(*((struct snapshot *)0)->field), optional \
	}

static const struct column columns[] = {
	COLUMN(uid, false),
	COLUMN(flags, false),
	COLUMN(instant, false),
	COLUMN(zone, false),
	COLUMN(size, false),
	COLUMN(attr, false),
	COLUMN(digest, true),
	COLUMN(content, true),
	COLUMN(id, true),
};

static void **column_at(struct snapshot *snapshot, const struct column *column)
{
	return (void **)(void *)((char *)snapshot + column->offset);
}

void snapshot_init(struct snapshot *snapshot, bool digests)
{
	*snapshot = (struct snapshot){ 0 };
	if (digests)
		snapshot_want_digests(snapshot);
}

void snapshot_release(struct snapshot *snapshot)
{
	for (size_t i = 0; i < countof(columns); i++)
		mem_free(*column_at(snapshot, &columns[i]));
	*snapshot = (struct snapshot){ 0 };
}

/* At least one row, so that an optional column that was asked for is not NULL. */
static void set_room(struct snapshot *snapshot, size_t room)
{
	if (room == 0)
		room = 1;
	for (size_t i = 0; i < countof(columns); i++) {
		void **data = column_at(snapshot, &columns[i]);

		if (*data != NULL || !columns[i].optional)
			*data = mem_resize(*data, room, columns[i].size);
	}
	snapshot->room = room;
}

static void *optional_column(struct snapshot *snapshot, void *old, size_t size)
{
	if (old != NULL)
		return old;
	return mem_array(snapshot->room > 0 ? snapshot->room : 1, size);
}

void snapshot_want_digests(struct snapshot *snapshot)
{
	snapshot->digest = optional_column(snapshot, snapshot->digest, sizeof(*snapshot->digest));
}

void snapshot_want_content(struct snapshot *snapshot)
{
	snapshot->content =
		optional_column(snapshot, snapshot->content, sizeof(*snapshot->content));
}

void snapshot_want_ids(struct snapshot *snapshot)
{
	snapshot->id = optional_column(snapshot, snapshot->id, sizeof(*snapshot->id));
}

void snapshot_forget_digests(struct snapshot *snapshot)
{
	const unsigned forgotten =
		SNAPSHOT_HAS_DIGEST | SNAPSHOT_HAS_MESSAGE_ID | SNAPSHOT_HAS_CONTENT;

	mem_free(snapshot->digest);
	mem_free(snapshot->content);
	snapshot->digest = snapshot->content = NULL;
	for (size_t i = 0; i < snapshot->count; i++)
		snapshot->attr[i] &= (uint8_t)~forgotten;
}

size_t snapshot_add(struct snapshot *snapshot, uint32_t uid)
{
	const size_t row = snapshot->count;

	if (row >=
		snapshot->room) /* a fifth more, for what is not used is held all the same until the end */
		set_room(snapshot, snapshot->room + snapshot->room / 5 + ROOM_FIRST);
	snapshot->count++;
	snapshot->uid[row] = uid;
	snapshot->flags[row] = 0;
	snapshot->instant[row] = DATE_UNKNOWN;
	snapshot->zone[row] = 0;
	snapshot->size[row] = 0;
	snapshot->attr[row] = 0;
	if (snapshot->digest != NULL)
		snapshot->digest[row] = (struct digest128){ { 0, 0 } };
	if (snapshot->content != NULL)
		snapshot->content[row] = (struct digest128){ { 0, 0 } };
	if (snapshot->id != NULL)
		snapshot->id[row] = (struct digest128){ { 0, 0 } };
	return row;
}

static bool is_ascending(const struct snapshot *snapshot)
{
	for (size_t i = 1; i < snapshot->count; i++) {
		if (snapshot->uid[i] <= snapshot->uid[i - 1])
			return false;
	}
	return true;
}

struct place {
	uint32_t uid;
	size_t row;
};

static int compare_places(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->uid != y->uid)
		return x->uid < y->uid ? -1 : 1;
	return x->row < y->row ? -1 : x->row > y->row;
}

/* Rows in the order of these places, the others dropped. */
static void reorder(struct snapshot *snapshot, const struct place *place, size_t count)
{
	for (size_t i = 0; i < countof(columns); i++) {
		const size_t size = columns[i].size;
		void **data = column_at(snapshot, &columns[i]);
		const char *old = *data;
		char *new;

		if (old == NULL)
			continue;
		new = mem_array(snapshot->room, size);
		for (size_t row = 0; row < count; row++)
			memcpy(new + row *size, old + place[row].row * size, size);
		mem_free(*data);
		*data = new;
	}
	snapshot->count = count;
}

static void sort(struct snapshot *snapshot)
{
	struct place *place = mem_array(snapshot->count, sizeof(*place));
	size_t kept = 0;

	for (size_t i = 0; i < snapshot->count; i++)
		place[i] = (struct place){ snapshot->uid[i], i };
	qsort(place, snapshot->count, sizeof(*place), compare_places);
	for (size_t i = 0; i < snapshot->count; i++) {
		if (i == 0 || place[i].uid != place[kept - 1].uid)
			place[kept++] = place[i];
	}
	reorder(snapshot, place, kept);
	mem_free(place);
}

void snapshot_finish(struct snapshot *snapshot, bool complete)
{
	if (!is_ascending(snapshot))
		sort(snapshot);
	if (snapshot->room > snapshot->count && snapshot->room > 1)
		set_room(snapshot, snapshot->count);
	snapshot->complete = complete;
}

void snapshot_remove(struct snapshot *snapshot, const struct uidset *uids)
{
	size_t kept = 0, range = 0;

	for (size_t row = 0; row < snapshot->count; row++) {
		const uint32_t uid = snapshot->uid[row];

		while (range < uids->count && uids->range[range].last < uid)
			range++;
		if (range < uids->count && uids->range[range].first <= uid)
			continue;
		for (size_t i = 0; i < countof(columns) && kept != row; i++) {
			const size_t size = columns[i].size;
			char *data = *column_at(snapshot, &columns[i]);

			if (data != NULL)
				memcpy(data + kept * size, data + row * size, size);
		}
		kept++;
	}
	snapshot->count = kept;
}

size_t snapshot_find(const struct snapshot *snapshot, uint32_t uid)
{
	size_t low = 0, high = snapshot->count;

	while (low < high) {
		const size_t mid = low + (high - low) / 2;

		if (snapshot->uid[mid] < uid)
			low = mid + 1;
		else
			high = mid;
	}
	return low < snapshot->count && snapshot->uid[low] == uid ? low : SIZE_MAX;
}

size_t snapshot_bytes(const struct snapshot *snapshot)
{
	struct snapshot copy = *snapshot; /* column_at() wants one that can be written */
	size_t row = 0;

	for (size_t i = 0; i < countof(columns); i++) {
		if (*column_at(&copy, &columns[i]) != NULL)
			row += columns[i].size;
	}
	return row * snapshot->room;
}
