/* Reading an inventory: once whole, to check it, then mailbox by mailbox. See inventory.h. */
#include "store/inventory.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/os.h"
#include "base/signature.h"
#include "base/text.h"
#include "mail/header.h"
#include "mail/mailbox_name.h"
#include "store/inventory_line.h"
#include "store/inventory_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define BLOCK (64u * 1024)

struct inventory {
	char *path;
	int fd;
	struct arena *arena;
	struct map *names; /* name → its number and 1 */
	struct inventory_about about;
	struct inventory_box *box;
	size_t count, room;
	bool complete;
};

/* Lines of the file from an offset on. */
struct lines {
	const struct inventory *inventory;
	struct buf buffer;
	size_t used; /* of the buffer: lines given out */
	int64_t offset; /* of what is in the buffer */
	uint64_t number; /* of the line given out last */
	bool ended;
	struct arena *arena; /* cleared with each line */
	struct inventory_fields fields;
};

/* ---- small codings ---- */

void inventory_signed_text(const char *sha256, char out[INVENTORY_SIGNED_MAX])
{
	(void)snprintf(
		out, INVENTORY_SIGNED_MAX, "mailhaul manifest %d\n%s", INVENTORY_VERSION, sha256);
}

void inventory_hex(struct digest128 digest, char *out)
{
	(void)snprintf(out, 33, "%016llx%016llx", (unsigned long long)digest.word[0],
		(unsigned long long)digest.word[1]);
}

int inventory_unhex(struct span text, struct digest128 *out)
{
	static const char digits[] = "0123456789abcdef";

	*out = (struct digest128){ { 0, 0 } };
	if (text.len != 32)
		return -1;
	for (size_t i = 0; i < 32; i++) {
		const char *at = memchr(digits, text.data[i], 16);

		if (!at)
			return -1;
		out->word[i / 16] = out->word[i / 16] * 16 + (uint64_t)(at - digits);
	}
	return 0;
}

/* ---- lines ---- */

static int refuse(const struct inventory *inventory, const struct lines *lines, const char *what,
	struct err *err)
{
	return err_set_kind(err, ERR_LOCAL, ERR_KIND_PATH, "%s:%llu: %s", inventory->path,
		(unsigned long long)lines->number, what);
}

static void lines_begin(struct lines *lines, const struct inventory *inventory, int64_t offset)
{
	*lines = (struct lines){ .inventory = inventory, .offset = offset };
	buf_init(&lines->buffer, BLOCK + INVENTORY_LINE_MAX);
	lines->arena = arena_new();
}

static void lines_end(struct lines *lines)
{
	buf_release(&lines->buffer);
	arena_free(lines->arena);
}

/* 1 = more is in the buffer, 0 = there is no more. */
static int fill(struct lines *lines, struct err *err)
{
	ssize_t got;

	buf_drop_front(&lines->buffer, lines->used);
	lines->offset += (int64_t)lines->used;
	lines->used = 0;
	if (lines->ended)
		return 0;
	if (lines->buffer.len >= INVENTORY_LINE_MAX || buf_reserve(&lines->buffer, BLOCK) < 0)
		return refuse(lines->inventory, lines, "a line that is too long", err);
	do
		got = os_pread(lines->inventory->fd, lines->buffer.data + lines->buffer.len, BLOCK,
			lines->offset + (int64_t)lines->buffer.len);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return err_set_errno(err, ERR_LOCAL, "%s", lines->inventory->path);
	lines->buffer.len += (size_t)got;
	lines->ended = got == 0;
	return got > 0;
}

/* 1 = a line with its LF, 0 = the end. */
static int next_line(struct lines *lines, struct span *out, struct err *err)
{
	for (;;) {
		const struct span rest = span_from(buf_span(&lines->buffer), lines->used);
		const char *lf = rest.len > 0 ? memchr(rest.data, '\n', rest.len) : NULL;
		int rc;

		if (lf) {
			*out = span_make(rest.data, (size_t)(lf - rest.data) + 1);
			lines->used += out->len;
			lines->number++;
			return 1;
		}
		rc = fill(lines, err);
		if (rc < 0)
			return -1;
		if (rc == 0 && lines->buffer.len > 0)
			return refuse(lines->inventory, lines, "the file is cut off here", err);
		if (rc == 0)
			return 0;
	}
}

/* The same, taken apart. */
static int next_fields(struct lines *lines, struct span *line, struct span *type, struct err *err)
{
	const int rc = next_line(lines, line, err);

	if (rc <= 0)
		return rc;
	arena_clear(lines->arena);
	if (inventory_line_parse(
		    span_make(line->data, line->len - 1), lines->arena, &lines->fields) < 0 ||
		inventory_line_text(&lines->fields, "type", type) < 0)
		return refuse(lines->inventory, lines, "not a line of a manifest", err);
	return 1;
}

/* ---- checking ---- */

struct checking {
	struct inventory *inventory;
	struct lines lines;
	struct digest *digest, *box_digest;
	struct span line, type;
	uint32_t left; /* messages that the present mailbox still has to have */
	uint32_t last_uid;
	uint64_t messages;
	bool total, sealed;
	const char *verify_key;
};

static int wrong(struct checking *checking, const char *what, struct err *err)
{
	return refuse(checking->inventory, &checking->lines, what, err);
}

static int check_head(struct checking *checking, struct err *err)
{
	const struct inventory_fields *fields = &checking->lines.fields;
	const int rc = next_fields(&checking->lines, &checking->line, &checking->type, err);
	struct inventory_about *about = &checking->inventory->about;
	struct span location;
	uint64_t version, digest;

	if (rc < 0)
		return -1;
	if (rc == 0 || !span_equal_text(checking->type, "manifest") ||
		inventory_line_u64(fields, "version", UINT32_MAX, &version) < 0)
		return wrong(checking, "not a manifest", err);
	if (version != INVENTORY_VERSION ||
		inventory_line_u64(fields, "header_digest", UINT32_MAX, &digest) < 0 ||
		digest != HEADER_DIGEST_VERSION)
		return wrong(checking, "a manifest of another version", err);
	if (inventory_line_text(fields, "location", &location) < 0 ||
		inventory_line_bool(fields, "content", &about->content) < 0 ||
		inventory_line_bool(fields, "flags", &about->flags) < 0 ||
		inventory_line_bool(fields, "dates", &about->dates) < 0 ||
		inventory_line_bool(fields, "all_mailboxes", &about->all_mailboxes) < 0 ||
		inventory_line_bool(fields, "all_messages", &about->all_messages) < 0)
		return wrong(checking, "not the first line of a manifest", err);
	about->location = arena_text(checking->inventory->arena, location);
	digest_add(checking->digest, checking->line);
	return 0;
}

static bool is_name(struct span name)
{
	return name.len > 0 && name.len <= MAILBOX_NAME_MAX && !memchr(name.data, '\n', name.len);
}

static void end_mailbox(struct checking *checking)
{
	struct inventory *inventory = checking->inventory;

	if (inventory->count > 0)
		inventory->box[inventory->count - 1].sum = digest_end128(checking->box_digest);
}

static int check_mailbox(struct checking *checking, struct err *err)
{
	struct inventory *inventory = checking->inventory;
	const struct inventory_fields *fields = &checking->lines.fields;
	struct inventory_box box = { 0 };
	struct span name, error;
	uint64_t uidvalidity, messages;

	if (checking->left > 0)
		return wrong(checking, "messages of the mailbox before are not there", err);
	if (inventory_line_text(fields, "mailbox", &name) < 0 || !is_name(name) ||
		inventory_line_u64(fields, "uidvalidity", UINT32_MAX, &uidvalidity) < 0 ||
		inventory_line_u64(fields, "messages", UINT32_MAX, &messages) < 0 ||
		inventory_line_bool(fields, "complete", &box.complete) < 0 ||
		inventory_line_text_null(fields, "error", &error) < 0)
		return wrong(checking, "not the line of a mailbox", err);
	end_mailbox(checking);
	box.name = arena_text(inventory->arena, name);
	box.error = error.data ? arena_text(inventory->arena, error) : NULL;
	box.uidvalidity = (uint32_t)uidvalidity;
	box.messages = checking->left = (uint32_t)messages;
	box.uidnext = 1;
	box.offset = checking->lines.offset + (int64_t)checking->lines.used;
	checking->last_uid = 0;
	if (map_set(inventory->names, span_of(box.name), (void *)(uintptr_t)(inventory->count + 1)))
		return wrong(checking, "a mailbox that was there already", err);
	if (inventory->count == inventory->room) {
		const size_t room = inventory->room ? 2 * inventory->room : 64;

		inventory->box = mem_resize(inventory->box, room, sizeof(*inventory->box));
		inventory->room = room;
	}
	inventory->box[inventory->count++] = box;
	return 0;
}

static int take_digest(
	const struct inventory_fields *fields, const char *key, struct digest128 *out)
{
	struct span text;

	*out = (struct digest128){ { 0, 0 } };
	if (inventory_line_text_null(fields, key, &text) < 0)
		return -1;
	return text.data ? inventory_unhex(text, out) : 0;
}

static int take_message(
	const struct inventory_fields *fields, const char *mailbox, struct inventory_message *out)
{
	uint64_t uid;
	int64_t size = UINT32_MAX;
	struct span name, date;

	*out = (struct inventory_message){ .arrived.instant = DATE_UNKNOWN };
	if (inventory_line_text(fields, "mailbox", &name) < 0 || !span_equal_text(name, mailbox) ||
		inventory_line_u64(fields, "uid", UINT32_MAX, &uid) < 0 || uid == 0 ||
		inventory_line_i64_null(fields, "size", &size) < 0 || size < 0 ||
		size > UINT32_MAX || inventory_line_text_null(fields, "internaldate", &date) < 0 ||
		(date.data && date_parse_iso(date, &out->arrived) < 0) ||
		inventory_line_text(fields, "flags", &out->flags) < 0 ||
		inventory_line_text_null(fields, "message_id", &out->message_id) < 0 ||
		take_digest(fields, "header", &out->header) < 0 ||
		take_digest(fields, "content", &out->content) < 0)
		return -1;
	out->uid = (uint32_t)uid;
	out->size = (uint32_t)size;
	return 0;
}

static int check_message(struct checking *checking, struct err *err)
{
	struct inventory *inventory = checking->inventory;
	struct inventory_message message;
	struct inventory_box *box;

	if (checking->left == 0)
		return wrong(checking, "a message that its mailbox does not count", err);
	box = &inventory->box[inventory->count - 1];
	if (take_message(&checking->lines.fields, box->name, &message) < 0)
		return wrong(checking, "not the line of a message of this mailbox", err);
	if (message.uid <= checking->last_uid)
		return wrong(checking, "UIDs that don't rise", err);
	checking->last_uid = message.uid;
	box->uidnext = message.uid < UINT32_MAX ? message.uid + 1 : message.uid;
	digest_add(checking->box_digest, checking->line);
	checking->left--;
	checking->messages++;
	return 0;
}

static int check_total(struct checking *checking, struct err *err)
{
	const struct inventory_fields *fields = &checking->lines.fields;
	uint64_t mailboxes, messages;

	if (checking->left > 0 ||
		inventory_line_u64(fields, "mailboxes", UINT64_MAX, &mailboxes) < 0 ||
		inventory_line_u64(fields, "messages", UINT64_MAX, &messages) < 0 ||
		inventory_line_bool(fields, "complete", &checking->inventory->complete) < 0 ||
		mailboxes != checking->inventory->count || messages != checking->messages)
		return wrong(checking, "the numbers don't agree", err);
	end_mailbox(checking);
	checking->total = true;
	return 0;
}

static int check_signature(
	struct checking *checking, const char *sha256, struct span coded, struct err *err)
{
	char text[INVENTORY_SIGNED_MAX];
	struct buf signature;
	int rc;

	if (!checking->verify_key)
		return 0;
	if (!coded.data)
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_SAFETY,
			"%s: the manifest is not signed", checking->inventory->path);
	inventory_signed_text(sha256, text);
	buf_init(&signature, 256);
	if (base64_decode(coded, &signature) < 0 || signature.len != SIGNATURE_SIZE)
		rc = wrong(checking, "no signature of Ed25519", err);
	else
		rc = signature_check(checking->verify_key, span_of(text),
			(const unsigned char *)signature.data, err);
	buf_release(&signature);
	return rc < 0 ? err_wrap(err, "%s", checking->inventory->path) : 0;
}

static int check_seal(struct checking *checking, struct err *err)
{
	const struct inventory_fields *fields = &checking->lines.fields;
	unsigned char sum[DIGEST_SIZE];
	char hex[2 * DIGEST_SIZE + 1];
	struct span told, signature;

	digest_end(checking->digest, sum);
	digest_hex(sum, sizeof(sum), hex);
	if (!checking->total || inventory_line_text(fields, "sha256", &told) < 0 ||
		inventory_line_text_null(fields, "signature", &signature) < 0)
		return wrong(checking, "not the last line of a manifest", err);
	if (!span_equal_text(told, hex))
		return wrong(checking,
			"the digest is another one: the manifest was damaged or changed", err);
	checking->sealed = true;
	return check_signature(checking, hex, signature, err);
}

static int check_line(struct checking *checking, struct err *err)
{
	if (checking->sealed)
		return wrong(checking, "something follows the last line", err);
	if (span_equal_text(checking->type, "digest"))
		return check_seal(checking, err);
	digest_add(checking->digest, checking->line);
	if (checking->total)
		return wrong(checking, "something follows the totals", err);
	if (span_equal_text(checking->type, "message"))
		return check_message(checking, err);
	if (span_equal_text(checking->type, "mailbox"))
		return check_mailbox(checking, err);
	if (span_equal_text(checking->type, "total"))
		return check_total(checking, err);
	return wrong(checking, "a line of an unknown kind", err);
}

static int check_all(struct inventory *inventory, const char *verify_key, struct err *err)
{
	struct checking checking = { .inventory = inventory,
		.digest = digest_new(),
		.box_digest = digest_new(),
		.verify_key = verify_key };
	int rc, more;

	lines_begin(&checking.lines, inventory, 0);
	rc = check_head(&checking, err);
	while (rc == 0) {
		more = next_fields(&checking.lines, &checking.line, &checking.type, err);
		if (more <= 0) {
			rc = more;
			break;
		}
		rc = check_line(&checking, err);
	}
	if (rc == 0 && !checking.sealed)
		rc = wrong(&checking, "the manifest is cut off", err);
	lines_end(&checking.lines);
	digest_free(checking.digest);
	digest_free(checking.box_digest);
	return rc;
}

struct inventory *inventory_open(const char *path, const char *verify_key, struct err *err)
{
	struct inventory *inventory = mem_alloc(sizeof(*inventory));
	struct stat st;
	int rc = 0;

	inventory->path = mem_strdup(path);
	inventory->arena = arena_new();
	inventory->names = map_new(inventory->arena);
	inventory->fd = os_open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0);
	if (inventory->fd < 0 || os_fstat(inventory->fd, &st) < 0)
		rc = err_set_errno(err, ERR_LOCAL, "%s", path);
	else if (!S_ISREG(st.st_mode))
		rc = err_set_kind(err, ERR_LOCAL, ERR_KIND_PATH, "%s: not a file", path);
	if (rc == 0)
		rc = check_all(inventory, verify_key, err);
	if (rc == 0)
		return inventory;
	inventory_close(inventory);
	return NULL;
}

void inventory_close(struct inventory *inventory)
{
	if (!inventory)
		return;
	if (inventory->fd >= 0)
		(void)os_close(inventory->fd);
	map_free(inventory->names);
	arena_free(inventory->arena);
	mem_free(inventory->box);
	mem_free(inventory->path);
	mem_free(inventory);
}

const struct inventory_about *inventory_about(const struct inventory *inventory)
{
	return &inventory->about;
}

size_t inventory_boxes(const struct inventory *inventory)
{
	return inventory->count;
}

const struct inventory_box *inventory_box_at(const struct inventory *inventory, size_t index)
{
	return &inventory->box[index];
}

const struct inventory_box *inventory_find(const struct inventory *inventory, const char *name)
{
	const size_t number = (size_t)(uintptr_t)map_find(inventory->names, span_of(name));

	return number ? &inventory->box[number - 1] : NULL;
}

bool inventory_complete(const struct inventory *inventory)
{
	return inventory->complete;
}

static int changed(const struct inventory *inventory, struct err *err)
{
	return err_set_kind(
		err, ERR_LOCAL, ERR_KIND_PATH, "%s: changed while it was read", inventory->path);
}

int inventory_read(struct inventory *inventory, const struct inventory_box *box,
	int (*take)(void *context, const struct inventory_message *message, struct err *err),
	void *context, struct err *err)
{
	struct digest *digest = digest_new();
	struct lines lines;
	int rc = 0;

	lines_begin(&lines, inventory, box->offset);
	for (uint32_t i = 0; i < box->messages && rc == 0; i++) {
		struct inventory_message message;
		struct span line, type;

		rc = next_fields(&lines, &line, &type, err);
		if (rc < 0)
			break;
		if (rc == 0 || !span_equal_text(type, "message") ||
			take_message(&lines.fields, box->name, &message) < 0) {
			rc = changed(inventory, err);
			break;
		}
		digest_add(digest, line);
		rc = take(context, &message, err);
	}
	if (rc == 0 && !digest128_equal(digest_end128(digest), box->sum))
		rc = changed(inventory, err);
	lines_end(&lines);
	digest_free(digest);
	return rc;
}
