/* Writing messages into mbox files, in groups: prepared without a lock, appended under it, durable before they count as stored. */
#include "store/store_mbox_parts.h"

#include "base/clock.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/os.h"
#include "base/spool.h"
#include "mail/unix_eol.h"

#include <errno.h>
#include <unistd.h>

#define GROUP_OCTETS (4 * 1024 * 1024)
#define GROUP_MESSAGES 256
#define GROUP_MS 1000 /* after which a flush is more than a hint */
#define MESSAGE_MEMORY (1024 * 1024)
#define HEAD_MAX 16384 /* octets in which the sender is looked for */

struct pending { /* a message of the group */
	size_t result;
	struct mbox_entry entry; /* start: from the group's beginning */
	uint64_t size;
	flags_t flags;
	struct date date;
	unsigned char sha256[DIGEST_SIZE];
};

struct mbox_append {
	struct mbox_file *file;
	bool in_message;
	/* the message under way */
	uint64_t token, size, got;
	flags_t flags;
	struct date date;
	struct spool *message; /* as it will stand in the file */
	bool exact; /* with its own line ends */
	struct unix_eol eol;
	struct mbox_status status;
	struct mbox_quote quote;
	struct digest *digest;
	struct buf head, scratch, named, piece;
	char last; /* octet spooled */
	/* the group */
	struct spool *group, *packed;
	uint64_t group_octets;
	struct pending *pending;
	size_t count, room;
	int64_t since;
	struct mbox_facts *facts;
	struct file_results results;
	size_t begun; /* with a result that was not taken yet */
};

static struct mbox_append *append_of(const struct store *base)
{
	return store_mbox_of(base)->append;
}

static struct mbox_append *append_new(void)
{
	struct mbox_append *append = mem_alloc(sizeof(*append));

	append->message = spool_new(MESSAGE_MEMORY);
	append->group = spool_new(GROUP_OCTETS + MESSAGE_MEMORY);
	append->packed = spool_new(GROUP_OCTETS);
	append->digest = digest_new();
	append->facts = mbox_facts_new();
	buf_init(&append->head, HEAD_MAX);
	buf_init(&append->scratch, SIZE_MAX / 2);
	buf_init(&append->named, SIZE_MAX / 2);
	buf_init(&append->piece, SIZE_MAX / 2);
	return append;
}

void mbox_append_free(struct store_mbox *store)
{
	struct mbox_append *append = store->append;

	if (append == NULL)
		return;
	mbox_file_close(append->file);
	spool_free(append->message);
	spool_free(append->group);
	spool_free(append->packed);
	digest_free(append->digest);
	mbox_facts_free(append->facts);
	buf_release(&append->head);
	buf_release(&append->scratch);
	buf_release(&append->named);
	buf_release(&append->piece);
	mem_free(append->pending);
	file_results_release(&append->results);
	mem_free(append);
	store->append = NULL;
}

int mbox_append_to(struct store *base, const char *name, struct err *err)
{
	struct store_mbox *store = store_mbox_of(base);
	struct mbox_file *file = mbox_file_open(store, name, true, true, err);

	if (file == NULL)
		return -1;
	if (store->append == NULL)
		store->append = append_new();
	mbox_file_close(store->append->file);
	store->append->file = file;
	return 0;
}

/* ---- a message ---- */

static void forget_message(struct mbox_append *append)
{
	append->in_message = false;
	append->exact = false;
	append->eol = (struct unix_eol){ 0 };
	append->status = (struct mbox_status){ .undo = false };
	append->quote = (struct mbox_quote){ .how = MBOX_QUOTE_RD };
	append->last = '\n';
	append->got = 0;
	spool_clear(append->message);
	digest_reset(append->digest);
	buf_clear(&append->head);
}

int mbox_append_begin(struct store *base, uint64_t token, flags_t flags, struct date date,
	uint64_t size, struct err *err)
{
	struct mbox_append *append = append_of(base);

	(void)err;
	forget_message(append);
	append->in_message = true;
	append->token = token;
	append->flags = flags;
	append->date = date;
	append->size = size;
	return 0;
}

/* Octets with their line ends and names as they will stand in the file. */
static int spool_named(struct mbox_append *append, struct span text, struct err *err)
{
	buf_clear(&append->piece);
	if (mbox_quote_add(&append->quote, text, &append->piece) < 0)
		return err_set(err, ERR_LOCAL, "a piece of a message is too large");
	if (append->piece.len > 0)
		append->last = append->piece.data[append->piece.len - 1];
	return spool_add(append->message, buf_span(&append->piece), err);
}

static int spool_text(struct mbox_append *append, struct span text, struct err *err)
{
	if (!append->file->store->status)
		return spool_named(append, text, err);
	buf_clear(&append->named);
	if (mbox_status_add(&append->status, text, &append->named) < 0)
		return err_set(err, ERR_LOCAL, "a piece of a message is too large");
	return spool_named(append, buf_span(&append->named), err);
}

static int end_names(struct mbox_append *append, struct err *err)
{
	buf_clear(&append->named);
	if (mbox_status_end(&append->status, &append->named) < 0)
		return err_set(err, ERR_LOCAL, "a piece of a message is too large");
	return spool_named(append, buf_span(&append->named), err);
}

/* LF would not come back as it was: what is there gets its CRLFs again, and the rest stays as it is. */
static int make_exact(struct mbox_append *append, struct err *err)
{
	struct spool *again = spool_new(MESSAGE_MEMORY);
	struct unix_eol eol = { 0 };
	struct span chunk;
	int rc;

	spool_rewind(append->message);
	while ((rc = spool_next(append->message, &chunk, err)) > 0) {
		buf_clear(&append->scratch);
		unix_eol_get(&eol, chunk, &append->scratch);
		if (spool_add(again, buf_span(&append->scratch), err) < 0) {
			rc = -1;
			break;
		}
	}
	spool_free(append->message);
	append->message = again;
	append->exact = append->status.crlf = true;
	if (rc == 0 && append->eol.last_cr)
		rc = spool_text(append, SPAN("\r"), err);
	return rc;
}

int mbox_append_add(struct store *base, struct span bytes, struct err *err)
{
	struct mbox_append *append = append_of(base);

	append->got += bytes.len;
	if (append->got > append->size)
		return 0; /* refused at its end */
	digest_add(append->digest, bytes);
	if (append->head.len < HEAD_MAX &&
		buf_add(&append->head, span_sub(bytes, 0, HEAD_MAX - append->head.len)) < 0)
		return err_set(err, ERR_LOCAL, "a header is too large");
	if (!append->exact) {
		buf_clear(&append->scratch);
		if (unix_eol_put(&append->eol, bytes, &append->scratch))
			return spool_text(append, buf_span(&append->scratch), err);
		if (make_exact(append, err) < 0)
			return -1;
	}
	return spool_text(append, bytes, err);
}

/* ---- the envelope ---- */

/* The value of the first field of this name, its first line; empty: there is none. */
static struct span field(struct span header, struct span name)
{
	while (header.len > 0) {
		const size_t lf = span_find(header, '\n');
		const struct span line = span_sub(header, 0, lf == SIZE_MAX ? header.len : lf);

		if (span_trim(line).len == 0)
			break;
		if (span_starts_nocase(line, name) && line.len > name.len &&
			line.data[name.len] == ':')
			return span_trim(span_from(line, name.len + 1));
		header = span_from(header, lf == SIZE_MAX ? header.len : lf + 1);
	}
	return span_sub(header, 0, 0);
}

/* The address in "Anna <a@x>" or "a@x (Anna)"; empty: there is none. */
static struct span address(struct span value)
{
	const char *open = value.len > 0 ? memrchr(value.data, '<', value.len) : NULL;
	size_t len = 0;

	if (open != NULL) {
		value = span_from(value, (size_t)(open - value.data) + 1);
		len = span_find(value, '>');
		return len == SIZE_MAX ? span_sub(value, 0, 0) : span_sub(value, 0, len);
	}
	while (len < value.len && value.data[len] != ' ' && value.data[len] != '\t' &&
		value.data[len] != ',' && value.data[len] != '(')
		len++;
	value = span_sub(value, 0, len);
	return span_find(value, '@') == SIZE_MAX ? span_sub(value, 0, 0) : value;
}

static struct span sender(const struct mbox_append *append)
{
	const struct span header = buf_span(&append->head);
	struct span found = address(field(header, SPAN("Return-Path")));

	return found.len > 0 ? found : address(field(header, SPAN("From")));
}

/* Our own lines in front of the message: what Thunderbird or an mbox program wants to read there. */
static int print_own(struct store_mbox *store, flags_t flags, struct buf *out)
{
	struct flag_table *table = store->store.flags;
	struct span names;

	if (store->mozilla)
		return mozilla_print(span_of(flags_text(table, flags)), out);
	if (!store->status)
		return 0;
	names = span_of(flags_text(table, flags_minus(table, flags, flags_system(table, flags))));
	if (buf_print(out, "Status: %sO\nX-Status: %s%s%s%s\n",
		    flags_has(table, flags, SPAN("\\Seen")) ? "R" : "",
		    flags_has(table, flags, SPAN("\\Answered")) ? "A" : "",
		    flags_has(table, flags, SPAN("\\Flagged")) ? "F" : "",
		    flags_has(table, flags, SPAN("\\Draft")) ? "T" : "",
		    flags_has(table, flags, SPAN("\\Deleted")) ? "D" : "") < 0)
		return -1;
	return names.len == 0 ? 0
			      : buf_print(out, "X-Keywords: %.*s\n", (int)names.len, names.data);
}

static struct pending *add_pending(struct mbox_append *append)
{
	if (append->count == append->room) {
		append->room = append->room == 0 ? 64 : append->room * 2;
		append->pending =
			mem_resize(append->pending, append->room, sizeof(*append->pending));
	}
	return &append->pending[append->count++];
}

static int add_group(
	struct mbox_append *append, struct pending *pending, struct span text, struct err *err)
{
	mbox_facts_add(append->facts, text);
	pending->entry.size += text.len;
	append->group_octets += text.len;
	return spool_add(append->group, text, err);
}

/* The spooled message goes to the end of the group, with all that surrounds it. */
static int put_message(struct mbox_append *append, struct pending *pending, struct err *err)
{
	struct store_mbox *store = append->file->store;
	struct date date = append->date;
	struct mbox_result facts;
	struct span chunk;
	int rc;

	if (date.instant == DATE_UNKNOWN)
		date = (struct date){ .instant = clock_wall() };
	pending->entry.start = append->group_octets;
	pending->entry.how = MBOX_UNQUOTE_RD;
	pending->entry.exact = append->exact;
	pending->entry.aside = store->status;
	buf_clear(&append->scratch);
	if (mbox_from_print(sender(append), date, &append->scratch) < 0)
		return err_set(err, ERR_MESSAGE, "its date cannot be written");
	pending->entry.head = (uint32_t)append->scratch.len;
	pending->entry.line =
		mbox_line_hash(span_sub(buf_span(&append->scratch), 0, append->scratch.len - 1));
	append->group_octets += append->scratch.len;
	if (spool_add(append->group, buf_span(&append->scratch), err) < 0)
		return -1;
	buf_clear(&append->scratch);
	if (print_own(store, append->flags, &append->scratch) < 0)
		return err_set(err, ERR_LOCAL, "flags are too long");
	pending->entry.strip = (uint32_t)append->scratch.len;
	if (add_group(append, pending, buf_span(&append->scratch), err) < 0)
		return -1;
	spool_rewind(append->message);
	while ((rc = spool_next(append->message, &chunk, err)) > 0) {
		if (add_group(append, pending, chunk, err) < 0)
			return -1;
	}
	if (rc < 0)
		return -1;
	pending->entry.open_line = append->last != '\n' && spool_size(append->message) > 0;
	if (pending->entry.open_line && add_group(append, pending, SPAN("\n"), err) < 0)
		return -1;
	mbox_facts_end(append->facts, &facts);
	pending->entry.key = facts.key.word[0];
	append->group_octets++;
	return spool_add(append->group, SPAN("\n"), err);
}

/* None of it is stored: its results say so. */
static void forget_group(struct mbox_append *append)
{
	append->count = 0;
	append->group_octets = 0;
	spool_clear(append->group);
	spool_clear(append->packed);
}

static int commit(struct mbox_append *append, struct err *err);

int mbox_append_end(struct store *base, struct err *err)
{
	struct mbox_append *append = append_of(base);
	struct pending *pending;
	int rc = 0;

	if (file_append_whole(append->got, append->size, err) < 0) {
		forget_message(append);
		return -1;
	}
	if (append->count > 0 && spool_size(append->message) > GROUP_OCTETS / 4)
		rc = commit(append, err);
	buf_clear(&append->scratch);
	if (!append->exact)
		unix_eol_put_end(&append->eol, &append->scratch);
	if (rc == 0)
		rc = spool_text(append, buf_span(&append->scratch), err);
	if (rc == 0)
		rc = end_names(append, err);
	buf_clear(&append->piece);
	if (rc == 0 && mbox_quote_end(&append->quote, &append->piece) == 0 &&
		append->piece.len > 0) {
		append->last = append->piece.data[append->piece.len - 1];
		rc = spool_add(append->message, buf_span(&append->piece), err);
	}
	if (rc < 0)
		return -1;
	if (append->count == 0)
		append->since = clock_ms();
	pending = add_pending(append);
	*pending = (struct pending){
		.size = append->size,
		.flags = append->flags,
		.date = append->date,
	};
	digest_end(append->digest, pending->sha256);
	(void)file_results_add(&append->results, append->token);
	pending->result = append->results.count - 1;
	append->begun++;
	if (put_message(append, pending, err) < 0) {
		/* its front stands in the group already: with it, all that is not committed goes */
		mbox_facts_reset(append->facts);
		forget_group(append);
		forget_message(append);
		return -1;
	}
	forget_message(append);
	if (append->group_octets >= GROUP_OCTETS || append->count >= GROUP_MESSAGES)
		return commit(append, err);
	return 0;
}

bool mbox_append_in_message(const struct store *base)
{
	const struct mbox_append *append = append_of(base);

	return append != NULL && append->in_message;
}

bool mbox_append_cancel(struct store *base)
{
	forget_message(append_of(base));
	return true;
}

/* ---- the group ---- */

/* Rows and the note of what is going to be written, durable. */
static int announce(struct mbox_append *append, uint64_t octets, struct err *err)
{
	struct mbox_file *file = append->file;
	const uint64_t size = (uint64_t)file->known.st_size;
	char where[128], note[96];

	for (size_t i = 0; i < append->count; i++) {
		const struct pending *pending = &append->pending[i];
		struct mbox_entry entry = pending->entry;
		struct manifest_row row = {
			.date = pending->date,
			.size = pending->size,
			.flags = pending->flags,
			.has_sha256 = true,
			.where = where,
		};
		struct append_result *result = &append->results.result[pending->result];

		entry.start += file->end + file->pad;
		memcpy(row.sha256, pending->sha256, DIGEST_SIZE);
		mbox_entry_print(&entry, where);
		result->uid = manifest_add(file->manifest, &row);
		result->uidvalidity = manifest_uidvalidity(file->manifest);
		if (result->uid == 0)
			return err_set(err, ERR_MAILBOX, "%s: no UIDs are left", file->path);
	}
	(void)snprintf(note, sizeof(note), "%llu %llu %llu", (unsigned long long)size,
		(unsigned long long)(size + octets), (unsigned long long)file->end);
	manifest_set_note(file->manifest, "append", note);
	file->stamped = false;
	return manifest_commit(file->manifest, err);
}

static int write_all(int fd, struct span bytes, uint64_t *offset)
{
	while (bytes.len > 0) {
		const ssize_t got = os_pwrite(fd, bytes.data, bytes.len, (off_t)*offset);

		if (got < 0)
			return -1;
		*offset += (uint64_t)got;
		bytes = span_from(bytes, (size_t)got);
	}
	return 0;
}

static int write_group(struct mbox_file *file, struct spool *spool, struct err *err)
{
	uint64_t offset = (uint64_t)file->known.st_size;
	struct span chunk;
	int rc;

	spool_rewind(spool);
	while ((rc = spool_next(spool, &chunk, err)) > 0) {
		if (write_all(file->fd, chunk, &offset) < 0)
			return err_set_errno(err, ERR_LOCAL, "cannot write %s", file->path);
	}
	if (rc < 0)
		return -1;
	os_point("mbox-written");
	if (os_fsync(file->fd) < 0)
		return err_set_errno(err, ERR_LOCAL, "cannot write %s", file->path);
	return 0;
}

/* Nothing of the group was stored: file and record as they were. */
static void take_back(struct mbox_append *append)
{
	struct mbox_file *file = append->file;
	struct arena *arena = arena_new();
	struct uidset uids = { 0 };
	struct err late = ERR_INIT;

	if (os_ftruncate(file->fd, file->known.st_size) < 0)
		log_warn("%s cannot be shortened again: the next run will", file->path);
	for (size_t i = 0; i < append->count; i++) {
		struct append_result *result = &append->results.result[append->pending[i].result];

		if (result->uid != 0)
			uidset_add(&uids, arena, result->uid, result->uid);
		result->uid = result->uidvalidity = 0;
	}
	manifest_remove(file->manifest, &uids);
	if (os_fstat(file->fd, &file->known) < 0 || mbox_stamp(file, &late) < 0)
		log_debug("%s: %s", file->path, late.text);
	file->in_step = false;
	arena_free(arena);
}

/* With the pad in front, and compressed where the file is. */
static int prepare(struct mbox_append *append, struct spool **out, struct err *err)
{
	struct mbox_file *file = append->file;
	struct spool *whole = append->group;
	struct span chunk;
	int rc = 0;

	*out = whole;
	spool_clear(append->packed);
	if (file->pad > 0) {
		whole = spool_new(GROUP_OCTETS);
		rc = spool_add(whole, span_sub(SPAN("\n\n"), 0, file->pad), err);
		spool_rewind(append->group);
		while (rc == 0 && (rc = spool_next(append->group, &chunk, err)) > 0)
			rc = spool_add(whole, chunk, err);
		spool_free(append->group);
		*out = append->group = whole;
	}
	if (rc == 0 && file->packing != MBOX_PLAIN) {
		rc = mbox_pack(file->packing, whole, append->packed, err);
		*out = append->packed;
	}
	return rc;
}

static int commit_locked(struct mbox_append *append, struct err *err)
{
	struct mbox_file *file = append->file;
	struct spool *octets;

	if (mbox_sync(file, err) < 0 || prepare(append, &octets, err) < 0)
		return -1;
	if (announce(append, spool_size(octets), err) < 0) {
		file->in_step = false;
		return -1;
	}
	os_point("mbox-announced");
	if (write_group(file, octets, err) < 0) {
		take_back(append);
		return -1;
	}
	os_point("mbox-synced");
	file->end += file->pad + append->group_octets;
	file->pad = 0;
	if (os_fstat(file->fd, &file->known) < 0)
		file->in_step = false;
	mbox_file_reopen_octets(file, (uint64_t)file->known.st_size);
	for (size_t i = 0; i < append->count; i++)
		append->results.result[append->pending[i].result].outcome = APPEND_STORED;
	return 0;
}

static int commit(struct mbox_append *append, struct err *err)
{
	struct mbox_file *file = append->file;
	struct mbox_lock lock = { .held = false };
	int rc = 0;

	if (append->count == 0)
		return 0;
	rc = mbox_file_lock(file, &lock, err);
	if (rc == 0)
		rc = commit_locked(append, err);
	mbox_lock_drop(&lock);
	forget_group(append);
	return rc;
}

int mbox_append_flush(struct store *base, struct err *err)
{
	struct mbox_append *append = append_of(base);

	/* the sender pauses: worth a commit only when it has paused before */
	return append->count > 0 && clock_ms() - append->since >= GROUP_MS ? commit(append, err)
									   : 0;
}

int mbox_append_settle(struct store *base, bool wait, struct append_result *out, struct err *err)
{
	struct mbox_append *append = append_of(base);
	struct file_results *results = &append->results;

	if (wait && !append->in_message && commit(append, err) < 0)
		return -1;
	/* those of the open group come last, and have to wait */
	if (results->taken + append->count < results->count) {
		append->begun--;
		return file_results_take(results, out);
	}
	if (wait && append->file != NULL && append->file->in_step &&
		mbox_stamp(append->file, err) < 0)
		return -1;
	return 0;
}

void mbox_append_drop(struct store *base)
{
	struct mbox_append *append = append_of(base);

	if (append == NULL)
		return;
	forget_message(append);
	forget_group(append);
	mbox_file_close(append->file); /* and its lock */
	append->file = NULL;
}

size_t mbox_append_outstanding(const struct store *base)
{
	const struct mbox_append *append = append_of(base);

	return append == NULL ? 0 : append->begun + append->in_message;
}
