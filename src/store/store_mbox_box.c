/* Reading messages of an mbox file, and flags in its record. */
#include "store/store_mbox_parts.h"

#include "mail/mozilla_filter.h"

#define PIECE 65536

struct box_mbox {
	struct file_box file; /* first */
	struct mbox_file *mbox;
	struct mbox_body body;
	char newest[MANIFEST_NEWEST_ROOM]; /* facts.mailboxid */
};

static struct box_mbox *box_of(struct box *base)
{
	return (struct box_mbox *)(void *)base;
}

struct mbox_file *mbox_box_file(struct box *base)
{
	return box_of(base)->mbox;
}

/* ---- one message ---- */

/* A message that is not where it was: another program was at the file. */
static bool begins_there(struct mbox_file *file, const struct mbox_entry *entry, struct err *err)
{
	struct span window;
	bool last;

	if (mbox_octets_window(file->octets, entry->start, &window, &last, err) < 0)
		return false;
	if (entry->head >= 6 && window.len >= entry->head) {
		window.len = entry->head;
		while (span_ends(window, SPAN("\n")) || span_ends(window, SPAN("\r")))
			window.len--;
		if (mbox_line_hash(window) == entry->line)
			return true;
	}
	err_set(err, ERR_CONN,
		"%s was changed by another program: no message begins at octet %llu any more",
		file->path, (unsigned long long)entry->start);
	return false;
}

int mbox_body_open(struct mbox_body *body, struct mbox_file *file, const struct mbox_entry *entry,
	struct err *err)
{
	mbox_body_close(body);
	if (file->folder) {
		uint64_t size;
		const int rc = mbox_folder_message(file, entry->start, &size, err);

		if (rc < 0)
			return -1;
		if (rc == 0 || size != entry->size)
			return err_set(err, ERR_CONN, "%s was changed meanwhile", file->path);
	} else if (!begins_there(file, entry, err)) {
		return -1;
	}
	*body = (struct mbox_body){ .file = file, .entry = *entry };
	body->at = (file->folder ? 0 : entry->start + entry->head) + entry->strip;
	body->left = entry->size - entry->strip - (entry->open_line ? 1 : 0);
	body->quote.how = (enum mbox_quote_how)entry->how;
	if (entry->filtered)
		body->filter = mem_alloc(sizeof(*body->filter));
	/* where LF ends lines, there is no CRLF that could not be undone (unix_eol.h) */
	body->status = (struct mbox_status){ .undo = true, .crlf = true };
	buf_init(&body->out, (size_t)PIECE * 4);
	buf_init(&body->quoted, (size_t)PIECE * 2);
	return 0;
}

void mbox_body_close(struct mbox_body *body)
{
	if (body->file == NULL)
		return;
	mem_free(body->filter);
	buf_release(&body->out);
	buf_release(&body->quoted);
	*body = (struct mbox_body){ .file = NULL };
}

static int unquote(struct mbox_body *body, struct span raw)
{
	if (!body->entry.aside)
		return mbox_quote_add(&body->quote, raw, &body->out);
	buf_clear(&body->quoted);
	if (mbox_quote_add(&body->quote, raw, &body->quoted) < 0)
		return -1;
	return mbox_status_add(&body->status, buf_span(&body->quoted), &body->out);
}

static int end_quoting(struct mbox_body *body)
{
	if (!body->entry.aside)
		return mbox_quote_end(&body->quote, &body->out);
	buf_clear(&body->quoted);
	if (mbox_quote_end(&body->quote, &body->quoted) < 0 ||
		mbox_status_add(&body->status, buf_span(&body->quoted), &body->out) < 0)
		return -1;
	return mbox_status_end(&body->status, &body->out);
}

/* Header lines of Thunderbird are looked for in what is quoted: it does not matter to them. */
static int convert(struct mbox_body *body, struct span raw)
{
	struct buf kept;
	int rc;

	if (body->filter == NULL)
		return unquote(body, raw);
	buf_init(&kept, (size_t)PIECE * 2);
	rc = mozilla_filter_add(body->filter, raw, &kept);
	if (rc == 0 && body->left == 0)
		rc = mozilla_filter_end(body->filter, &kept);
	if (rc == 0)
		rc = unquote(body, buf_span(&kept));
	buf_release(&kept);
	return rc;
}

int mbox_body_read(struct mbox_body *body, struct span *out, struct err *err)
{
	struct span window;
	bool last;
	int rc = 0;

	buf_clear(&body->out);
	while (body->out.len == 0 && body->left > 0) {
		if (mbox_octets_window(body->file->octets, body->at, &window, &last, err) < 0)
			return -1;
		if (window.len == 0)
			return err_set(err, ERR_CONN, "%s has become shorter", body->file->path);
		window = span_sub(window, 0, PIECE);
		if (window.len > body->left)
			window = span_sub(window, 0, (size_t)body->left);
		body->at += window.len;
		body->left -= window.len;
		rc |= convert(body, window);
	}
	if (body->left == 0 && !body->ended) {
		body->ended = true;
		rc |= end_quoting(body);
	}
	if (rc < 0)
		return err_set(err, ERR_LOCAL, "%s: a piece became too large", body->file->path);
	*out = buf_span(&body->out);
	return out->len > 0;
}

static int open_body(struct file_box *base, uint32_t uid, struct err *err)
{
	struct box_mbox *box = box_of(&base->box);
	struct mbox_entry entry;
	const int rc = mbox_file_entry(box->mbox, uid, &entry, err);

	if (rc <= 0)
		return rc;
	base->raw = entry.exact;
	return mbox_body_open(&box->body, box->mbox, &entry, err) < 0 ? -1 : 1;
}

static int read_body(struct file_box *base, struct span *chunk_out, struct err *err)
{
	return mbox_body_read(&box_of(&base->box)->body, chunk_out, err);
}

static void close_body(struct file_box *base)
{
	mbox_body_close(&box_of(&base->box)->body);
}

/* ---- rows ---- */

static void fill_row(
	struct snapshot *rows, uint32_t uid, flags_t flags, struct date date, uint64_t size)
{
	const size_t row = snapshot_add(rows, uid);

	rows->flags[row] = flags;
	rows->instant[row] = date.instant;
	rows->zone[row] = date.zone;
	rows->size[row] = size < UINT32_MAX ? (uint32_t)size : UINT32_MAX;
}

static int fill_rows(struct box_mbox *box, struct err *err)
{
	struct mbox_file *file = box->mbox;
	struct snapshot *rows = &box->file.rows;
	struct box_facts *facts = &box->file.box.facts;

	snapshot_release(rows);
	snapshot_init(rows, false);
	box->newest[0] = '\0';
	if (file->manifest == NULL) {
		for (size_t i = 0; i < file->finding.count; i++) {
			const struct mbox_found *found = &file->finding.found[i];

			fill_row(rows, found->uid, found->flags, mbox_found_date(found),
				found->size);
		}
	} else {
		for (size_t i = 0; i < manifest_count(file->manifest); i++) {
			struct manifest_row row;

			if (manifest_read(file->manifest, i, &row, err) < 0)
				return -1;
			fill_row(rows, row.uid, row.flags, row.date, row.size);
		}
		file->uidvalidity = manifest_uidvalidity(file->manifest);
		file->uidnext = manifest_uidnext(file->manifest);
		manifest_newest(file->manifest, box->newest);
	}
	snapshot_finish(rows, file->hidden == 0);
	facts->messages = (uint32_t)(rows->count + file->hidden);
	facts->uidvalidity = file->uidvalidity;
	facts->uidnext = file->uidnext;
	facts->any_keyword = true;
	facts->mailboxid = box->newest;
	return 0;
}

bool mbox_box_is_same(struct box *base, const char *mailboxid)
{
	struct manifest *manifest = box_of(base)->mbox->manifest;

	return manifest == NULL || manifest_continues(manifest, mailboxid);
}

/* After appends through this store, or when another program has been at the file. */
static int refresh(struct file_box *base, struct err *err)
{
	struct box_mbox *box = box_of(&base->box);
	struct mbox_file *file = box->mbox;

	mbox_body_close(&box->body);
	if (file->manifest != NULL && file->writable && !mbox_in_step(file)) {
		struct mbox_lock lock = { .held = false };
		int rc = mbox_file_lock(file, &lock, err);

		if (rc == 0)
			rc = mbox_sync(file, err);
		mbox_lock_drop(&lock);
		if (rc < 0)
			return -1;
	}
	return fill_rows(box, err);
}

static const struct file_body_ops body_ops = {
	.open = open_body,
	.read = read_body,
	.close = close_body,
	.refresh = refresh,
};

struct box *mbox_box_open(
	struct store *base, const char *name, enum store_mode mode, struct err *err)
{
	struct store_mbox *store = store_mbox_of(base);
	const bool is_dst = account_is_target(base->account);
	struct mbox_file *file = mbox_file_open(store, name, mode == STORE_WRITE, is_dst, err);
	struct box_mbox *box;

	if (file == NULL)
		return NULL;
	box = mem_alloc(sizeof(*box));
	file_box_init(&box->file, base, name, &body_ops);
	box->mbox = file;
	box->file.box.facts.read_only = mode == STORE_READ;
	if (fill_rows(box, err) < 0) {
		mbox_box_close(&box->file.box);
		return NULL;
	}
	return &box->file.box;
}

void mbox_box_close(struct box *base)
{
	struct box_mbox *box = box_of(base);

	mbox_body_close(&box->body);
	file_box_release(&box->file);
	mbox_file_close(box->mbox);
	mem_free(box);
}

int mbox_box_flags(
	struct box *base, const struct uidset *uids, flags_t add, flags_t remove, struct err *err)
{
	struct box_mbox *box = box_of(base);
	struct flag_table *table = base->store->flags;
	struct manifest *manifest = box->mbox->manifest;

	if (manifest == NULL || !box->mbox->writable)
		return err_set_kind(err, ERR_MAILBOX, ERR_KIND_UNSUPPORTED,
			"%s was written by another program: its flags cannot be changed",
			box->mbox->path);
	for (size_t i = 0; i < manifest_count(manifest); i++) {
		const flags_t now = manifest_flags(manifest, i);
		const uint32_t uid = manifest_uid(manifest, i);
		flags_t flags;
		size_t row;

		if (!uidset_has(uids, uid))
			continue;
		flags = flags_minus(table, flags_union(table, now, add), remove);
		row = snapshot_find(&box->file.rows, uid);
		if (row != SIZE_MAX)
			box->file.rows.flags[row] = flags;
		if (flags != now)
			manifest_set_flags(manifest, i, flags);
	}
	return manifest_dirty(manifest) ? manifest_commit(manifest, err) : 0;
}
