/* Messages of known UIDs one by one: rows that a scan left out, and the digests of headers and bodies. */
#include "store/store_imap_parts.h"

#include "base/buf.h"
#include "mail/header.h"
#include "store/header_tap.h"

#define PIECE_BYTES \
	(512u << 10) /* asked for at once: what is lost when a server refuses, and the unit of the window */
#define PIECE_UIDS 1000
#define HEADER_BYTES 800 /* of the fields that are digested, about */
#define ROW_BYTES 100
#define BODY_BYTES (16u << 10) /* of a body while nothing is known */
#define SAMPLE 16 /* bodies, after which their average is believed */
#define WINDOW_COMMANDS 16
#define WINDOW_BYTES (4u << 20)

struct pass {
	struct scan_work *work;
	struct imap_fetch *fetch;
	struct header_scan *digest; /* NULL = rows only */
	struct header_tap tap;
	bool new_rows; /* else they are there */
	bool content;
	const struct uidset *set;
	size_t range; /* next to be asked for */
	uint32_t uid; /* in it; 0 = its first */
	uint64_t bodies, body_bytes; /* read so far */
	struct uidset gone; /* UIDs whose rows go; in scratch */
	struct arena *piece; /* of one set asked for */
};

static uint64_t weigh(const struct pass *pass, uint32_t uid)
{
	const struct snapshot *rows = pass->work->rows;
	size_t row;

	if (pass->digest == NULL)
		return ROW_BYTES;
	if (!pass->content)
		return HEADER_BYTES;
	row = pass->new_rows ? SIZE_MAX : snapshot_find(rows, uid);
	if (row != SIZE_MAX)
		return rows->size[row];
	return pass->bodies >= SAMPLE ? pass->body_bytes / pass->bodies : BODY_BYTES;
}

static bool has_more(const struct pass *pass)
{
	return pass->range < pass->set->count;
}

static int ask_piece(struct pass *pass, struct err *err)
{
	struct uidset piece = { 0 };
	uint64_t bytes = 0;

	arena_clear(pass->piece);
	for (size_t count = 0; has_more(pass) && count < PIECE_UIDS && bytes < PIECE_BYTES;
		count++) {
		const struct uid_range range = pass->set->range[pass->range];
		const uint32_t uid = pass->uid != 0 ? pass->uid : range.first;

		uidset_add(&piece, pass->piece, uid, uid);
		bytes += weigh(pass, uid);
		pass->uid = uid < range.last ? uid + 1 : 0;
		pass->range += uid == range.last;
	}
	return imap_fetch_ask(pass->fetch, &piece, bytes, err);
}

/* The row of a message that came, or SIZE_MAX: then it is of no interest. */
static size_t row_of(struct pass *pass, const struct imap_message *message)
{
	struct snapshot *rows = pass->work->rows;
	size_t row;

	if (!pass->new_rows)
		return snapshot_find(rows, message->uid);
	row = snapshot_add(rows, message->uid);
	rows->flags[row] = flags_parse(pass->work->store->store.flags, message->flags);
	rows->size[row] = message->size < UINT32_MAX ? (uint32_t)message->size : UINT32_MAX;
	if (message->has & IMAP_FETCH_DATE)
		scan_set_date(rows, row, message->date);
	return row;
}

static void set_digests(struct pass *pass, size_t row, const struct header_facts *facts)
{
	struct snapshot *rows = pass->work->rows;

	if (rows->digest != NULL) {
		rows->digest[row] = facts->header;
		rows->attr[row] |= SNAPSHOT_HAS_DIGEST;
	}
	if (facts->has_message_id)
		rows->attr[row] |= SNAPSHOT_HAS_MESSAGE_ID;
	if (pass->content) {
		rows->content[row] = facts->content;
		rows->attr[row] |= SNAPSHOT_HAS_CONTENT;
		rows->size[row] = facts->size < UINT32_MAX ? (uint32_t)facts->size : UINT32_MAX;
	}
}

static int take_body(struct pass *pass, size_t row, struct err *err)
{
	struct header_facts facts;
	struct span chunk;
	int rc;

	while ((rc = imap_fetch_body(pass->fetch, &chunk, err)) > 0) {
		header_scan_add(pass->digest, chunk);
		header_tap_add(&pass->tap, chunk);
	}
	header_scan_end(pass->digest, &facts);
	pass->bodies++;
	pass->body_bytes += facts.size;
	if (rc == 0 && row != SIZE_MAX) {
		set_digests(pass, row, &facts);
		header_tap_give(&pass->tap, pass->work->want, pass->work->rows->uid[row]);
	}
	header_tap_drop(&pass->tap);
	return rc;
}

/* Flags and size not told even to the single question: nothing can be said of the message. */
static bool is_readable(const struct pass *pass, const struct imap_message *message)
{
	const unsigned needed = pass->new_rows ? IMAP_FETCH_FLAGS | IMAP_FETCH_SIZE : 0;

	return message->outcome == IMAP_MESSAGE_HERE && (message->has & needed) == needed &&
	       (pass->digest == NULL || message->has_body);
}

static int take_message(struct pass *pass, const struct imap_message *message, struct err *err)
{
	struct scan_work *work = pass->work;

	if (is_readable(pass, message)) {
		const size_t row = row_of(pass, message);

		scan_tick(work);
		return pass->digest != NULL ? take_body(pass, row, err) : 0;
	}
	uidset_add(&pass->gone, work->scratch, message->uid, message->uid);
	if (message->outcome != IMAP_MESSAGE_GONE)
		uidset_add(work->unknown, work->arena, message->uid, message->uid);
	return 0;
}

static int run_pass(struct pass *pass, struct err *err)
{
	imap_fetch_window(pass->fetch, WINDOW_COMMANDS, WINDOW_BYTES);
	for (;;) {
		const struct imap_message *message;
		int rc;

		while (has_more(pass) && imap_fetch_has_room(pass->fetch)) {
			if (ask_piece(pass, err) < 0)
				return -1;
		}
		rc = imap_fetch_next(pass->fetch, &message, err);
		if (rc < 0)
			return -1;
		if (rc == 0 && !has_more(pass))
			return 0;
		if (rc > 0 && take_message(pass, message, err) < 0)
			return -1;
	}
}

/* "BODY.PEEK[HEADER.FIELDS (DATE FROM …)]", or the whole. NULL: a name that is no header field's. */
static const char *section_for(const struct scan_work *work, struct err *err)
{
	const struct box_scan *want = work->want;
	struct buf text;
	const char *section;
	int full = 0;

	if (want->content)
		return "BODY.PEEK[]";
	if (want->fields == NULL)
		return "BODY.PEEK[HEADER.FIELDS (" HEADER_DIGEST_FIELDS ")]";
	buf_init(&text, 4096);
	for (size_t i = 0; i < want->field_count; i++) {
		if (!imap_is_atom(span_of(want->fields[i])))
			full = -1;
		full |= buf_print(&text, "%s%s", i > 0 ? " " : "", want->fields[i]);
	}
	section = arena_print(work->scratch, "BODY.PEEK[HEADER.FIELDS (%s)]", buf_text(&text));
	buf_release(&text);
	if (full < 0 || want->field_count == 0) {
		err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
			"these cannot be the names of header fields");
		return NULL;
	}
	return section;
}

static int pass_over(struct scan_work *work, const struct uidset *set, bool new_rows, bool digests,
	struct err *err)
{
	const struct box_scan *want = work->want;
	const char *section = digests ? section_for(work, err) : NULL;
	struct pass pass = {
		.work = work,
		.new_rows = new_rows,
		.content = digests && want->content,
		.set = set,
	};
	int rc;

	if (digests && section == NULL)
		return -1;
	if (digests && want->fields != NULL)
		pass.digest =
			header_scan_new_fields(want->content, want->fields, want->field_count);
	else if (digests)
		pass.digest = header_scan_new(want->content);
	header_tap_init(&pass.tap, want);
	pass.piece = arena_new();
	pass.fetch = imap_fetch_new(work->store->imap,
		new_rows ? IMAP_FETCH_FLAGS | IMAP_FETCH_DATE | IMAP_FETCH_SIZE : 0, section);
	rc = run_pass(&pass, err);
	imap_fetch_free(pass.fetch);
	arena_free(pass.piece);
	header_tap_release(&pass.tap);
	header_scan_free(pass.digest);
	snapshot_finish(work->rows, false);
	if (rc == 0)
		snapshot_remove(work->rows, &pass.gone);
	return rc;
}

int scan_pass_rows(struct scan_work *work, const struct uidset *set, struct err *err)
{
	return pass_over(work, set, true, false, err);
}

int scan_pass_whole(struct scan_work *work, const struct uidset *set, struct err *err)
{
	return pass_over(work, set, true, true, err);
}

int scan_pass_digests(struct scan_work *work, struct err *err)
{
	struct uidset all = { 0 };

	for (size_t row = 0; row < work->rows->count; row++)
		uidset_add(&all, work->scratch, work->rows->uid[row], work->rows->uid[row]);
	work->done = 0;
	return pass_over(work, &all, false, true, err);
}
