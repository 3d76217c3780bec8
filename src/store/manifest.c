/* The record of a mailbox in files: rows as columns, what changed as lines to be written. */
#include "store/manifest_parts.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/os.h"

#include <assert.h>

#define LINES_SPARE 1000 /* a file of so few lines is never written anew just to be shorter */
#define UIDNEXT_NONE ((uint64_t)UINT32_MAX + 1)

static struct manifest_note *find_note(const struct manifest *manifest, struct span key)
{
	for (size_t i = 0; i < manifest->note_count; i++) {
		if (span_equal_text(key, manifest->note[i].key))
			return (struct manifest_note *)&manifest->note[i];
	}
	return NULL;
}

static void keep_note(struct manifest *manifest, struct span key, const char *text)
{
	struct manifest_note *note = find_note(manifest, key);

	if (note) {
		mem_free(note->text);
		note->text = NULL;
	} else {
		assert(manifest->note_count < MANIFEST_NOTES_MAX);
		note = &manifest->note[manifest->note_count++];
		note->key = mem_alloc(key.len + 1);
		memcpy(note->key, key.data, key.len);
	}
	if (text && *text) {
		note->text = mem_strdup(text);
		return;
	}
	mem_free(note->key);
	*note = manifest->note[--manifest->note_count];
}

static void add_columns(struct manifest *manifest, uint32_t uid, flags_t flags, uint64_t at)
{
	if (manifest->count == manifest->room) {
		const size_t room = manifest->room + manifest->room / 2 + 16;

		manifest->uid = mem_resize(manifest->uid, room, sizeof(*manifest->uid));
		manifest->flags = mem_resize(manifest->flags, room, sizeof(*manifest->flags));
		manifest->at = mem_resize(manifest->at, room, sizeof(*manifest->at));
		manifest->room = room;
	}
	manifest->uid[manifest->count] = uid;
	manifest->flags[manifest->count] = flags;
	manifest->at[manifest->count++] = at;
}

/* Takes out what is marked as gone. */
static void pack(struct manifest *manifest)
{
	size_t kept = 0;

	for (size_t i = 0; i < manifest->count; i++) {
		if (manifest->at[i] == MANIFEST_GONE)
			continue;
		manifest->uid[kept] = manifest->uid[i];
		manifest->flags[kept] = manifest->flags[i];
		manifest->at[kept++] = manifest->at[i];
	}
	manifest->count = kept;
}

static size_t find(const struct manifest *manifest, uint32_t uid)
{
	size_t low = 0, high = manifest->count;

	while (low < high) {
		const size_t mid = low + (high - low) / 2;

		if (manifest->uid[mid] < uid)
			low = mid + 1;
		else
			high = mid;
	}
	return low < manifest->count && manifest->uid[low] == uid ? low : SIZE_MAX;
}

static const char *take_row(struct manifest *manifest, struct span line, uint64_t at)
{
	struct manifest_row row;

	if (!manifest_parse_row(line, manifest->place.flags, manifest->text, &row))
		return "no message's line";
	if (row.uid < manifest->uidnext)
		return "a UID that does not ascend";
	if (manifest->place.check && !manifest->place.check(row.where))
		return "a place that cannot be";
	add_columns(manifest, row.uid, row.flags, at);
	manifest->uidnext = (uint64_t)row.uid + 1;
	return NULL;
}

/* The row of a line "=UID…" or "-UID". */
static bool take_index(struct manifest *manifest, struct span text, size_t *out)
{
	uint32_t uid;

	if (!span_u32(text, &uid))
		return false;
	*out = find(manifest, uid);
	return *out != SIZE_MAX && manifest->at[*out] != MANIFEST_GONE;
}

static const char *take_flags(struct manifest *manifest, struct span line)
{
	const size_t tab = span_find(line, '\t');
	size_t index;
	bool none;

	if (tab == SIZE_MAX || !take_index(manifest, span_sub(line, 0, tab), &index) ||
		!manifest_parse_text(span_from(line, tab + 1), &manifest->text[0], &none))
		return "flags of no message";
	manifest->flags[index] =
		none ? 0 : flags_parse(manifest->place.flags, buf_span(&manifest->text[0]));
	return NULL;
}

static bool is_key(struct span key)
{
	for (size_t i = 0; i < key.len; i++) {
		const char c = key.data[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')))
			return false;
	}
	return key.len > 0;
}

static const char *take_note(struct manifest *manifest, struct span line)
{
	const size_t tab = span_find(line, '\t');
	const struct span key = span_sub(line, 0, tab);
	bool none;

	if (tab == SIZE_MAX || !is_key(key) ||
		!manifest_parse_text(span_from(line, tab + 1), &manifest->text[0], &none))
		return "no note";
	keep_note(manifest, key, none ? NULL : buf_text(&manifest->text[0]));
	return manifest->note_count <= MANIFEST_NOTES_MAX / 2 ? NULL : "too many notes";
}

/* NULL, or what is wrong with it. */
static const char *take_line(struct manifest *manifest, struct span line, uint64_t at)
{
	const struct span rest = span_from(line, 1);
	uint64_t number;
	size_t index;

	switch (line.len > 0 ? line.data[0] : '\0') {
	case '=':
		return take_flags(manifest, rest);
	case '-':
		if (!take_index(manifest, rest, &index))
			return "no such message to remove";
		manifest->at[index] = MANIFEST_GONE;
		return NULL;
	case '+':
		if (!span_u64(rest, &number) || number < manifest->uidnext || number > UIDNEXT_NONE)
			return "a UIDNEXT that does not ascend";
		manifest->uidnext = number;
		return NULL;
	case '@':
		return take_note(manifest, rest);
	case '!':
		return NULL;
	default:
		return take_row(manifest, line, at);
	}
}

static int take_lines(struct manifest *manifest, struct err *err)
{
	uint64_t at = 0;

	while (at < manifest->end) {
		struct span line;

		if (manifest_file_line(manifest, at, &line, err) < 0)
			return -1;
		const size_t len = line.len;
		const char *wrong = manifest->lines == 0 ? NULL : take_line(manifest, line, at);
		manifest->lines++;
		if (wrong)
			return manifest_damaged(manifest, manifest->lines, wrong, err);
		at += len + 1;
	}
	pack(manifest);
	return 0;
}

struct manifest *manifest_open(
	const struct manifest_place *place, enum manifest_mode mode, struct err *err)
{
	struct manifest *manifest = mem_alloc(sizeof(*manifest));

	*manifest = (struct manifest){
		.place = *place, .mode = mode, .fd = -1, .uidnext = 1, .room = 0
	};
	buf_init(&manifest->pending, SIZE_MAX);
	buf_init(&manifest->window, (size_t)4 * MANIFEST_LINE_MAX);
	for (size_t i = 0; i < countof(manifest->text); i++)
		buf_init(&manifest->text[i], MANIFEST_LINE_MAX);
	if (manifest_file_open(manifest, err) == 0 && take_lines(manifest, err) == 0)
		return manifest;
	manifest_close(manifest);
	return NULL;
}

static void forget_wheres(struct manifest *manifest)
{
	map_free(manifest->wheres);
	arena_free(manifest->wheres_arena);
	manifest->wheres = NULL;
	manifest->wheres_arena = NULL;
}

void manifest_close(struct manifest *manifest)
{
	if (!manifest)
		return;
	if (manifest->fd >= 0)
		(void)os_close(manifest->fd);
	for (size_t i = 0; i < manifest->note_count; i++) {
		mem_free(manifest->note[i].key);
		mem_free(manifest->note[i].text);
	}
	if (manifest->wheres)
		forget_wheres(manifest);
	for (size_t i = 0; i < countof(manifest->text); i++)
		buf_release(&manifest->text[i]);
	buf_release(&manifest->pending);
	buf_release(&manifest->window);
	mem_free(manifest->uid);
	mem_free(manifest->flags);
	mem_free(manifest->at);
	mem_free(manifest);
}

bool manifest_exists(const struct manifest *manifest)
{
	return manifest->fd >= 0;
}

bool manifest_is_new(const struct manifest *manifest)
{
	return manifest->is_new;
}

uint32_t manifest_uidvalidity(const struct manifest *manifest)
{
	return manifest->uidvalidity;
}

uint32_t manifest_uidnext(const struct manifest *manifest)
{
	return manifest->uidnext < UIDNEXT_NONE ? (uint32_t)manifest->uidnext : 0;
}

size_t manifest_count(const struct manifest *manifest)
{
	return manifest->count;
}

uint32_t manifest_uid(const struct manifest *manifest, size_t index)
{
	return manifest->uid[index];
}

flags_t manifest_flags(const struct manifest *manifest, size_t index)
{
	return manifest->flags[index];
}

size_t manifest_find(const struct manifest *manifest, uint32_t uid)
{
	return find(manifest, uid);
}

/* Changed WHEREs are kept by UID. */
static struct span where_key(const uint32_t *uid)
{
	return span_make((const char *)uid, sizeof(*uid));
}

int manifest_read(
	struct manifest *manifest, size_t index, struct manifest_row *out, struct err *err)
{
	struct span line;

	if (manifest_file_line(manifest, manifest->at[index], &line, err) < 0)
		return -1;
	if (!manifest_parse_row(line, manifest->place.flags, manifest->text, out) ||
		out->uid != manifest->uid[index])
		return err_set(err, ERR_MAILBOX, "%s was changed while it was in use",
			manifest->place.shown);
	out->flags = manifest->flags[index];
	if (manifest->wheres) {
		const char *where = map_find(manifest->wheres, where_key(&out->uid));

		out->where = where ? where : out->where;
	}
	return 0;
}

/* What does not change in a row. */
static bool name_row(struct manifest *manifest, size_t index, char out[MANIFEST_NEWEST_ROOM])
{
	unsigned char sha256[DIGEST_SIZE];
	struct manifest_row row;
	char text[64], hex[17];

	if (manifest_read(manifest, index, &row, NULL) < 0)
		return false;
	if (!row.has_sha256) {
		snprintf(text, sizeof(text), "%lld %llu", (long long)row.date.instant,
			(unsigned long long)row.size);
		digest_bytes(span_of(text), sha256);
	}
	digest_hex(row.has_sha256 ? row.sha256 : sha256, (sizeof(hex) - 1) / 2, hex);
	snprintf(out, MANIFEST_NEWEST_ROOM, "%lu:%s", (unsigned long)row.uid, hex);
	return true;
}

void manifest_newest(struct manifest *manifest, char out[MANIFEST_NEWEST_ROOM])
{
	if (manifest->count == 0 || !name_row(manifest, manifest->count - 1, out))
		out[0] = '\0';
}

bool manifest_continues(struct manifest *manifest, const char *newest)
{
	const struct span text = span_of(newest);
	char now[MANIFEST_NEWEST_ROOM];
	uint32_t uid;
	size_t index;

	if (!span_u32(span_sub(text, 0, span_find(text, ':')), &uid))
		return true;
	index = find(manifest, uid);
	if (index == SIZE_MAX)
		return uid < manifest->uidnext;
	return !name_row(manifest, index, now) || span_equal_text(text, now);
}

const char *manifest_note(const struct manifest *manifest, const char *key)
{
	const struct manifest_note *note = find_note(manifest, span_of(key));

	return note ? note->text : NULL;
}

/* Whole lines only, and pending has no cap that could be reached. */
static void end_line(struct manifest *manifest, int rc)
{
	assert(rc == 0);
	(void)rc;
	(void)!buf_add_char(&manifest->pending, '\n');
	manifest->lines++;
}

uint32_t manifest_add(struct manifest *manifest, const struct manifest_row *row)
{
	const uint64_t at = manifest->end + manifest->pending.len;
	struct manifest_row numbered = *row;

	if (numbered.uid == 0)
		numbered.uid = manifest_uidnext(manifest);
	if (numbered.uid == 0 || numbered.uid < manifest->uidnext ||
		manifest_print_row(&manifest->pending, manifest->place.flags, &numbered) < 0)
		return 0;
	end_line(manifest, 0);
	add_columns(manifest, numbered.uid, numbered.flags, at);
	manifest->uidnext = (uint64_t)numbered.uid + 1;
	return numbered.uid;
}

void manifest_skip_to(struct manifest *manifest, uint32_t uidnext)
{
	if (uidnext <= manifest->uidnext)
		return;
	end_line(manifest, buf_print(&manifest->pending, "+%lu", (unsigned long)uidnext));
	manifest->uidnext = uidnext;
}

void manifest_set_flags(struct manifest *manifest, size_t index, flags_t flags)
{
	if (manifest->flags[index] == flags)
		return;
	int rc = buf_print(&manifest->pending, "=%lu\t", (unsigned long)manifest->uid[index]);
	if (rc == 0)
		rc = manifest_print_text(
			&manifest->pending, flags_text(manifest->place.flags, flags));
	end_line(manifest, rc);
	manifest->flags[index] = flags;
}

void manifest_set_where(struct manifest *manifest, size_t index, const char *where)
{
	if (!manifest->wheres) {
		manifest->wheres_arena = arena_new();
		manifest->wheres = map_new(manifest->wheres_arena);
	}
	map_set(manifest->wheres, where_key(&manifest->uid[index]),
		arena_strdup(manifest->wheres_arena, where));
	manifest->rewrite = true;
}

void manifest_remove(struct manifest *manifest, const struct uidset *uids)
{
	for (size_t i = 0; i < manifest->count; i++) {
		if (!uidset_has(uids, manifest->uid[i]))
			continue;
		manifest->at[i] = MANIFEST_GONE;
		end_line(manifest,
			buf_print(&manifest->pending, "-%lu", (unsigned long)manifest->uid[i]));
	}
	pack(manifest);
}

void manifest_set_note(struct manifest *manifest, const char *key, const char *text)
{
	const char *before = manifest_note(manifest, key);
	const struct span now = span_of(text ? text : "");

	assert(is_key(span_of(key)) && now.len <= MANIFEST_NOTE_MAX);
	if (span_equal(now, span_of(before ? before : "")))
		return;
	int rc = buf_print(&manifest->pending, "@%s\t", key);
	if (rc == 0)
		rc = manifest_print_text(&manifest->pending, text);
	end_line(manifest, rc);
	keep_note(manifest, span_of(key), text);
}

bool manifest_dirty(const struct manifest *manifest)
{
	return manifest->rewrite || manifest->pending.len > 0;
}

static int write_shorter(struct manifest *manifest, struct err *err)
{
	if (manifest->lines / 2 <= manifest->count + LINES_SPARE)
		return 0;
	return manifest_file_rewrite(manifest, err) < 0 ? -1 : 1;
}

int manifest_commit(struct manifest *manifest, struct err *err)
{
	if (manifest->broken)
		return err_set(
			err, ERR_LOCAL, "%s could not be written before", manifest->place.shown);
	if (!manifest_dirty(manifest))
		return 0;
	if (!manifest->rewrite) {
		struct err shortening = ERR_INIT;
		const int rc = write_shorter(manifest, &shortening);

		/* not worth a failure, as long as the file is as before */
		if (rc == 0 || (rc < 0 && !manifest->broken))
			return manifest_file_append(manifest, err);
		return rc > 0 ? 0 : err_set(err, ERR_LOCAL, "%s", shortening.text);
	}
	if (manifest_file_rewrite(manifest, err) < 0) {
		manifest->broken = true;
		return -1;
	}
	manifest->rewrite = false;
	forget_wheres(manifest);
	return 0;
}
