/* A file and its record brought together again: after a crash, after other programs, or when there was no record at all. */
#include "store/store_mbox_parts.h"

#include "base/digest.h"
#include "base/log.h"
#include "base/os.h"
#include "mail/unix_eol.h"
#include "state/ledger.h"

#include <errno.h>

#define NOTE_END "end" /* SIZE SECONDS NANOSECONDS INODE OCTETS PAD */
#define NOTE_APPEND "append" /* FILE-OFFSET FILE-OFFSET-BEHIND OCTETS */

static size_t split_numbers(const char *text, uint64_t *out, size_t max)
{
	struct span rest = span_of(text);
	size_t count = 0;

	while (rest.len > 0 && count < max) {
		const size_t blank = span_find(rest, ' ');
		const size_t len = blank == SIZE_MAX ? rest.len : blank;

		if (!span_u64(span_sub(rest, 0, len), &out[count]))
			return 0;
		count++;
		rest = span_from(rest, blank == SIZE_MAX ? rest.len : blank + 1);
	}
	return rest.len == 0 ? count : 0;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_size == b->st_size && a->st_ino == b->st_ino &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* What the note says: false, if there is none. */
static bool read_end(struct mbox_file *file, struct stat *st, uint64_t *octets, uint64_t *pad)
{
	const char *note = manifest_note(file->manifest, NOTE_END);
	uint64_t number[6];

	if (note == NULL || split_numbers(note, number, 6) != 6 || number[5] > 2)
		return false;
	st->st_size = (off_t)number[0];
	st->st_mtim.tv_sec = (time_t)number[1];
	st->st_mtim.tv_nsec = (long)number[2];
	st->st_ino = (ino_t)number[3];
	*octets = number[4];
	*pad = number[5];
	return true;
}

bool mbox_in_step(struct mbox_file *file)
{
	struct stat st = { .st_size = 0 }, noted = { .st_size = 0 };
	uint64_t octets, pad;

	if (os_fstat(file->fd, &st) < 0)
		return false;
	if (file->in_step)
		return same_file(&st, &file->known);
	if (manifest_note(file->manifest, NOTE_APPEND) != NULL ||
		!read_end(file, &noted, &octets, &pad) || !same_file(&st, &noted))
		return false;
	file->known = st;
	file->in_step = file->stamped = true;
	file->end = octets;
	file->pad = (unsigned)pad;
	return true;
}

int mbox_stamp(struct mbox_file *file, struct err *err)
{
	struct arena *arena;

	if (file->stamped)
		return 0;
	arena = arena_new();
	manifest_set_note(file->manifest, NOTE_APPEND, NULL);
	manifest_set_note(file->manifest, NOTE_END,
		arena_print(arena, "%llu %llu %llu %llu %llu %u",
			(unsigned long long)file->known.st_size,
			(unsigned long long)file->known.st_mtim.tv_sec,
			(unsigned long long)file->known.st_mtim.tv_nsec,
			(unsigned long long)file->known.st_ino, (unsigned long long)file->end,
			file->pad));
	arena_free(arena);
	file->stamped = manifest_commit(file->manifest, err) == 0;
	return file->stamped ? 0 : -1;
}

static int look(struct mbox_file *file, struct err *err)
{
	if (os_fstat(file->fd, &file->known) < 0)
		return err_set_errno(err, ERR_MAILBOX, "cannot look at %s", file->path);
	mbox_file_reopen_octets(file, (uint64_t)file->known.st_size);
	return 0;
}

/* ---- after a crash ---- */

/* A message that cannot be read is not there; other trouble is trouble. */
static int forgive(struct err *err)
{
	if (err != NULL && err->scope >= ERR_ACCOUNT)
		return -1;
	err_clear(err);
	return 0;
}

/* 1 = the message stands there whole, 0 = it does not, -1. What cannot be read is not there. */
static int verify(struct mbox_file *file, const struct manifest_row *row, struct err *err)
{
	struct mbox_entry entry;
	struct mbox_body body = { .file = NULL };
	struct unix_eol eol = { 0 };
	struct digest *digest;
	struct buf crlf;
	unsigned char sha256[DIGEST_SIZE];
	struct span chunk;
	int rc;

	if (!mbox_entry_parse(row->where, &entry) || !row->has_sha256)
		return 0;
	if (mbox_body_open(&body, file, &entry, err) < 0)
		return forgive(err);
	digest = digest_new();
	buf_init(&crlf, SIZE_MAX / 2);
	while ((rc = mbox_body_read(&body, &chunk, err)) > 0) {
		buf_clear(&crlf);
		if (!entry.exact)
			unix_eol_get(&eol, chunk, &crlf);
		digest_add(digest, entry.exact ? chunk : buf_span(&crlf));
	}
	buf_release(&crlf);
	digest_end(digest, sha256);
	digest_free(digest);
	mbox_body_close(&body);
	if (rc < 0)
		return forgive(err);
	return memcmp(sha256, row->sha256, DIGEST_SIZE) == 0;
}

struct recovery {
	uint64_t start, behind, octets; /* the note */
	uint64_t good; /* octets up to which messages are whole */
	struct uidset lost;
	struct mbox_entry *entry; /* of the lost ones */
	size_t count;
	struct arena *arena;
};

static int check_rows(struct mbox_file *file, struct recovery *recovery, struct err *err)
{
	const size_t count = manifest_count(file->manifest);
	bool failed = false;

	recovery->entry = arena_array(recovery->arena, count + 1, sizeof(*recovery->entry));
	for (size_t i = 0; i < count; i++) {
		struct manifest_row row;
		struct mbox_entry entry;
		int rc = 0;

		if (manifest_read(file->manifest, i, &row, err) < 0)
			return -1;
		if (!mbox_entry_parse(row.where, &entry) || entry.start < recovery->octets)
			continue;
		if (!failed)
			rc = verify(file, &row, err);
		if (rc < 0)
			return -1;
		if (rc > 0) {
			recovery->good = entry.start + entry.head + entry.size + 1;
			continue;
		}
		failed = true;
		recovery->entry[recovery->count++] = entry;
		uidset_add(&recovery->lost, recovery->arena, row.uid, row.uid);
	}
	return 0;
}

static const struct mbox_entry *lost_at(const struct recovery *recovery, uint64_t start)
{
	for (size_t i = 0; i < recovery->count; i++) {
		if (recovery->entry[i].start == start)
			return &recovery->entry[i];
	}
	return NULL;
}

/* The last place in this line where a From_ line of its own would begin: torn octets before it have no line end. */
static size_t last_from(struct span line)
{
	for (size_t at = line.len; at-- > 0;) {
		struct mbox_from from;

		if (line.data[at] == 'F' && mbox_from_parse(span_from(line, at), &from))
			return at;
	}
	return SIZE_MAX;
}

/* Whether the From_ line found in a line is only quoted, or in the middle of what we wrote: SIZE_MAX, else where somebody else's mail begins in it. */
static size_t others_in_line(const struct recovery *recovery, struct span line, uint64_t offset)
{
	const struct mbox_entry *entry = lost_at(recovery, offset);
	const size_t at = last_from(line);
	size_t quotes = 0;

	if (at == SIZE_MAX || (entry != NULL && entry->line == mbox_line_hash(line)))
		return SIZE_MAX;
	while (quotes < at && line.data[quotes] == '>')
		quotes++;
	return quotes == at && at > 0 ? SIZE_MAX : at;
}

/* Behind the last whole message: where mail of others begins. UINT64_MAX: nowhere. */
static int find_others(
	struct mbox_file *file, const struct recovery *recovery, uint64_t *out, struct err *err)
{
	uint64_t offset = recovery->good;
	struct span window;
	bool last = false;

	*out = UINT64_MAX;
	for (;;) {
		size_t len, at;

		if (mbox_octets_window(file->octets, offset, &window, &last, err) < 0)
			return -1;
		if (window.len == 0)
			return 0;
		window = span_sub(window, 0, MBOX_WINDOW);
		len = span_find(window, '\n');
		/* a line without an end is not theirs; of a very long one the last part tells */
		if (len == SIZE_MAX && window.len < MBOX_WINDOW)
			return 0;
		if (len == SIZE_MAX) {
			offset += window.len - MBOX_FROM_MAX;
			continue;
		}
		if (len > MBOX_FROM_MAX) {
			offset += len - MBOX_FROM_MAX;
			continue;
		}
		window.len = len;
		if (span_ends(window, SPAN("\r")))
			window.len--;
		at = others_in_line(recovery, window, offset);
		if (at != SIZE_MAX) {
			*out = offset + at;
			return 0;
		}
		offset += len + 1;
	}
}

/* Compressed: one member, from start on. Another one behind it would be somebody else's. */
static bool member_is_ours(struct mbox_file *file, const struct recovery *recovery)
{
	const struct span mark = mbox_packing_mark(file->packing);
	const uint64_t size = (uint64_t)file->known.st_size;
	uint64_t at = recovery->start + 1;
	char data[8192];

	if (size > recovery->behind)
		return false;
	while (at < size) {
		const ssize_t got = os_pread(file->fd, data, sizeof(data), (off_t)at);

		if (got <= 0)
			return false;
		if (memmem(data, (size_t)got, mark.data, mark.len) != NULL)
			return false;
		at += (uint64_t)got > mark.len && at + (uint64_t)got < size
			      ? (uint64_t)got - mark.len
			      : (uint64_t)got;
	}
	return true;
}

/* Takes out what was only begun to be written; what others put behind it stays. */
static int cut_off(struct mbox_file *file, struct recovery *recovery, struct err *err)
{
	const bool plain = file->packing == MBOX_PLAIN;
	const uint64_t size = (uint64_t)file->known.st_size;
	const uint64_t to = plain ? recovery->good : recovery->start;
	uint64_t others = UINT64_MAX;

	if (recovery->count == 0 || size <= to)
		return 0;
	if (plain && find_others(file, recovery, &others, err) < 0)
		return -1;
	if (others == to)
		return 0;
	if (others == UINT64_MAX &&
		(plain ? size > recovery->behind : !member_is_ours(file, recovery))) {
		log_warn(
			"%s: messages were only begun to be written, and something follows: they stay as they are",
			file->path);
		return 0;
	}
	log_info("%s: a message that was only begun to be written is taken back", file->path);
	if (others != UINT64_MAX)
		return mbox_cut_out(file, to, others, err) < 0 ? -1 : look(file, err);
	if (os_ftruncate(file->fd, (off_t)to) < 0 || os_fsync(file->fd) < 0)
		return err_set_errno(err, ERR_LOCAL, "cannot shorten %s", file->path);
	return look(file, err);
}

/* The group that was being written when the last run ended. */
static int recover(struct mbox_file *file, struct err *err)
{
	const char *note = manifest_note(file->manifest, NOTE_APPEND);
	struct recovery recovery = { .arena = NULL };
	uint64_t number[3];
	int rc;

	if (note == NULL || split_numbers(note, number, 3) != 3)
		return 0;
	recovery.start = number[0];
	recovery.behind = number[1];
	recovery.good = recovery.octets = number[2];
	recovery.arena = arena_new();
	rc = check_rows(file, &recovery, err);
	if (rc == 0)
		rc = cut_off(file, &recovery, err);
	if (rc == 0) {
		manifest_remove(file->manifest, &recovery.lost);
		manifest_set_note(file->manifest, NOTE_APPEND, NULL);
		if (recovery.good != recovery.octets || file->end != recovery.octets)
			file->pad = 0;
		file->end = recovery.good;
	}
	arena_free(recovery.arena);
	return rc < 0 ? -1 : 1;
}

/* ---- after others ---- */

static void add_row(struct mbox_file *file, const struct mbox_found *found)
{
	char where[128];
	struct manifest_row row = {
		.date = mbox_found_date(found),
		.size = found->size < UINT32_MAX ? found->size : UINT64_MAX,
		.flags = found->flags,
		.where = where,
	};

	mbox_entry_print(&found->entry, where);
	(void)manifest_add(file->manifest, &row);
}

struct known { /* a row, for matching */
	uint64_t key;
	size_t index;
	struct mbox_entry entry;
	bool taken;
};

static int compare_known(const void *a, const void *b)
{
	const struct known *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

static int list_known(
	struct mbox_file *file, struct arena *arena, struct known **out, struct err *err)
{
	const size_t count = manifest_count(file->manifest);

	*out = arena_array(arena, count + 1, sizeof(**out));
	for (size_t i = 0; i < count; i++) {
		struct manifest_row row;

		if (manifest_read(file->manifest, i, &row, err) < 0)
			return -1;
		(*out)[i].index = i;
		if (mbox_entry_parse(row.where, &(*out)[i].entry))
			(*out)[i].key = (*out)[i].entry.key;
	}
	if (count > 0)
		qsort(*out, count, sizeof(**out), compare_known);
	return 0;
}

/* The first row with this key that is not taken yet: the n-th of equal ones is the n-th again. */
static struct known *match(struct known *known, size_t count, uint64_t key)
{
	size_t low = 0, high = count;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (known[middle].key < key)
			low = middle + 1;
		else
			high = middle;
	}
	while (low < count && known[low].key == key && known[low].taken)
		low++;
	if (low == count || known[low].key != key)
		return NULL;
	known[low].taken = true;
	return &known[low];
}

/* Where a message we knew stands now; what only the record tells of it stays. */
static struct mbox_entry moved(const struct mbox_found *found, const struct mbox_entry *old)
{
	struct mbox_entry entry = found->entry;

	entry.how = old->how;
	entry.exact = old->exact;
	entry.aside = old->aside;
	entry.strip = 0;
	entry.open_line = old->open_line && entry.size > 0;
	/* our own lines are where they were, if nothing before the message's end changed */
	if (old->strip > 0 && entry.size == old->size && !entry.filtered)
		entry.strip = old->strip;
	return entry;
}

/* System flags as another program wrote them into the message; keywords of the record stay where it writes none. */
static flags_t flags_now(struct flag_table *table, const struct mbox_found *found, flags_t recorded)
{
	if (!found->has_status)
		return recorded;
	return flags_union(
		table, found->flags, flags_minus(table, recorded, flags_system(table, recorded)));
}

static int match_all(struct mbox_file *file, struct mbox_finding *finding, struct err *err)
{
	struct arena *arena = arena_new();
	struct flag_table *table = file->store->store.flags;
	const size_t count = manifest_count(file->manifest);
	struct known *known;
	struct uidset gone = { 0 };
	int rc = list_known(file, arena, &known, err);

	for (size_t i = 0; i < finding->count && rc == 0; i++) {
		struct mbox_found *found = &finding->found[i];
		struct known *row = match(known, count, found->entry.key);
		struct mbox_entry entry;
		char where[128];
		flags_t flags;

		if (row == NULL)
			continue;
		entry = moved(found, &row->entry);
		mbox_entry_print(&entry, where);
		manifest_set_where(file->manifest, row->index, where);
		flags = flags_now(table, found, manifest_flags(file->manifest, row->index));
		if (flags != manifest_flags(file->manifest, row->index))
			manifest_set_flags(file->manifest, row->index, flags);
		found->uid = manifest_uid(file->manifest, row->index);
	}
	for (size_t i = 0; i < count && rc == 0; i++) {
		const uint32_t uid = manifest_uid(file->manifest, known[i].index);

		if (!known[i].taken)
			uidset_add(&gone, arena, uid, uid);
	}
	if (rc == 0) {
		for (size_t i = 0; i < finding->count; i++) {
			if (finding->found[i].uid == 0)
				add_row(file, &finding->found[i]);
		}
		manifest_remove(file->manifest, &gone);
	}
	arena_free(arena);
	return rc;
}

/* The file is what it was, and more: a From_ line stands where the last message of the record begins, and where it ended. */
static bool only_grown(struct mbox_file *file, const struct stat *noted)
{
	const size_t count = manifest_count(file->manifest);
	struct mbox_entry entry;
	struct manifest_row row;
	struct span window;
	struct mbox_from from;
	bool last;
	size_t end, at = 0;

	if (file->known.st_size <= noted->st_size || file->known.st_ino != noted->st_ino ||
		count == 0 || manifest_read(file->manifest, count - 1, &row, NULL) < 0 ||
		!mbox_entry_parse(row.where, &entry))
		return false;
	if (file->packing == MBOX_PLAIN &&
		(mbox_octets_window(file->octets, entry.start, &window, &last, NULL) < 0 ||
			window.len < entry.head || !span_starts(window, SPAN("From ")) ||
			window.data[entry.head - 1] != '\n'))
		return false;
	if (mbox_octets_window(file->octets, file->end, &window, &last, NULL) < 0)
		return false;
	while (at < window.len && (window.data[at] == '\n' || window.data[at] == '\r'))
		at++;
	window = span_sub(window, at, MBOX_FROM_MAX);
	end = span_find(window, '\n');
	if (end != SIZE_MAX && end > 0 && window.data[end - 1] == '\r')
		end--;
	return end != SIZE_MAX && mbox_from_parse(span_sub(window, 0, end), &from);
}

int mbox_sync(struct mbox_file *file, struct err *err)
{
	struct stat noted = { .st_size = 0 };
	struct mbox_finding finding = { .count = 0 };
	uint64_t octets, pad;
	bool has_end, recovered;
	int rc;

	if (mbox_in_step(file))
		return 0;
	has_end = file->in_step || read_end(file, &noted, &octets, &pad);
	if (file->in_step)
		noted = file->known;
	else if (has_end) {
		file->end = octets;
		file->pad = (unsigned)pad;
	}
	file->in_step = file->stamped = false;
	if (look(file, err) < 0 || (rc = recover(file, err)) < 0)
		return -1;
	recovered = rc > 0;
	if (recovered && file->packing == MBOX_PLAIN &&
		(uint64_t)file->known.st_size == file->end) {
		rc = 0;
	} else if (recovered || (has_end && only_grown(file, &noted))) {
		rc = mbox_index(file, file->end, &finding, err);
		for (size_t i = 0; i < finding.count && rc == 0; i++)
			add_row(file, &finding.found[i]);
	} else {
		rc = mbox_index(file, 0, &finding, err);
		if (rc == 0)
			rc = match_all(file, &finding, err);
	}
	if (rc == 0 && (finding.end > file->end || !recovered)) {
		file->end = finding.end;
		file->pad = finding.pad;
	}
	mbox_finding_release(&finding);
	if (rc < 0)
		return -1;
	file->in_step = true;
	return mbox_stamp(file, err);
}

/* ---- without a record ---- */

/* What the record, although it is not of this state of the file, tells about messages known again. */
static int take_over(struct mbox_file *file, struct err *err)
{
	struct arena *arena = arena_new();
	struct flag_table *table = file->store->store.flags;
	const size_t count = manifest_count(file->manifest);
	struct known *known;
	int rc = list_known(file, arena, &known, err);

	for (size_t i = 0; i < file->finding.count && rc == 0; i++) {
		struct mbox_found *found = &file->finding.found[i];
		struct known *row = match(known, count, found->entry.key);
		struct manifest_row read;

		if (row == NULL)
			continue;
		rc = manifest_read(file->manifest, row->index, &read, err);
		if (rc < 0)
			break;
		found->entry = moved(found, &row->entry);
		found->flags = flags_now(table, found, read.flags);
		mbox_found_set_date(found, read.date);
	}
	arena_free(arena);
	return rc;
}

static int compare_found(const void *a, const void *b)
{
	const struct mbox_found *x = a, *y = b;

	return x->uid < y->uid ? -1 : x->uid > y->uid;
}

int mbox_sync_ledger(struct mbox_file *file, struct err *err)
{
	struct mbox_finding *finding = &file->finding;
	struct ledger_facts facts;
	struct digest128 *key;
	uint32_t *uid;
	int rc;

	if (file->folder)
		rc = mbox_folder_index(file, finding, err);
	else if (mbox_lock_wait(file->dir, file->base, file->fd, file->path, err) < 0 ||
		 look(file, err) < 0)
		rc = -1;
	else
		rc = mbox_index(file, 0, finding, err);
	if (rc < 0)
		return -1;
	if (file->manifest != NULL && take_over(file, err) < 0)
		return -1;
	manifest_close(file->manifest);
	file->manifest = NULL;
	key = mem_array(finding->count + 1, sizeof(*key));
	uid = mem_array(finding->count + 1, sizeof(*uid));
	for (size_t i = 0; i < finding->count; i++)
		key[i] = (struct digest128){ { finding->found[i].entry.key,
			finding->found[i].key_rest } };
	rc = ledger_assign(file->store->ledger, file->name, key, finding->count, uid, &facts, err);
	if (rc == 0) {
		for (size_t i = 0; i < finding->count; i++)
			finding->found[i].uid = uid[i];
		if (finding->count > 0)
			qsort(finding->found, finding->count, sizeof(*finding->found),
				compare_found);
		file->uidvalidity = facts.uidvalidity;
		file->uidnext = facts.uidnext;
	}
	mem_free(key);
	mem_free(uid);
	file->in_step = true;
	return rc;
}
