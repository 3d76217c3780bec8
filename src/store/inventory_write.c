/* Writing an inventory. See inventory.h. */
#include "store/inventory.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/signature.h"
#include "mail/header.h"
#include "store/inventory_parts.h"

#include <pthread.h>

#define CHUNK (64u * 1024)

struct inventory_writer {
	char *path;
	struct path_new *file;
	struct digest *digest;
	struct buf out; /* lines not written yet */
	struct json json;
	struct inventory_sum sum;
	bool failed;
	pthread_mutex_t lock;
};

static int flush(struct inventory_writer *writer, struct err *err)
{
	digest_add(writer->digest, buf_span(&writer->out));
	if (path_new_add(writer->file, buf_span(&writer->out), err) < 0) {
		writer->failed = true;
		return -1;
	}
	buf_clear(&writer->out);
	json_init(&writer->json, &writer->out);
	return 0;
}

static void begin(struct inventory_writer *writer, const char *type)
{
	json_begin_object(&writer->json);
	json_key(&writer->json, "type");
	json_text(&writer->json, type);
}

/* Lines are collected until it pays to write them. */
static int end(struct inventory_writer *writer, struct err *err)
{
	const size_t start = writer->json.start;

	json_end_object(&writer->json);
	if (json_end_line(&writer->json) < 0 || writer->out.len - start > INVENTORY_LINE_MAX) {
		writer->failed = true;
		return err_set(err, ERR_LOCAL, "%s: a line would be too long", writer->path);
	}
	return writer->out.len >= CHUNK ? flush(writer, err) : 0;
}

static void add_text(struct inventory_writer *writer, const char *key, const char *text)
{
	json_key(&writer->json, key);
	json_text(&writer->json, text);
}

static void add_u64(struct inventory_writer *writer, const char *key, uint64_t number)
{
	json_key(&writer->json, key);
	json_u64(&writer->json, number);
}

static void add_bool(struct inventory_writer *writer, const char *key, bool value)
{
	json_key(&writer->json, key);
	json_bool(&writer->json, value);
}

static void add_digest(
	struct inventory_writer *writer, const char *key, bool known, struct digest128 digest)
{
	char hex[2 * sizeof(digest) + 1];

	inventory_hex(digest, hex);
	add_text(writer, key, known ? hex : NULL);
}

static int write_head(
	struct inventory_writer *writer, const struct inventory_about *about, struct err *err)
{
	const time_t now = (time_t)clock_wall();
	struct tm when = { 0 };
	char text[32];

	(void)gmtime_r(&now, &when);
	(void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &when);
	json_begin_object(&writer->json);
	add_u64(writer, "version", INVENTORY_VERSION);
	add_text(writer, "type", "manifest");
	add_text(writer, "location", about->location);
	add_text(writer, "written", text);
	add_u64(writer, "header_digest", HEADER_DIGEST_VERSION);
	add_bool(writer, "content", about->content);
	add_bool(writer, "flags", about->flags);
	add_bool(writer, "dates", about->dates);
	add_bool(writer, "all_mailboxes", about->all_mailboxes);
	add_bool(writer, "all_messages", about->all_messages);
	return end(writer, err);
}

static void free_writer(struct inventory_writer *writer)
{
	path_new_drop(writer->file);
	digest_free(writer->digest);
	buf_release(&writer->out);
	pthread_mutex_destroy(&writer->lock);
	mem_free(writer->path);
	mem_free(writer);
}

void inventory_abandon(struct inventory_writer *writer)
{
	if (writer)
		free_writer(writer);
}

struct inventory_writer *inventory_create(
	const char *path, const struct inventory_about *about, struct err *err)
{
	struct inventory_writer *writer = mem_alloc(sizeof(*writer));

	writer->path = mem_strdup(path);
	writer->digest = digest_new();
	writer->sum.complete = true;
	buf_init(&writer->out, CHUNK + 2 * INVENTORY_LINE_MAX);
	json_init(&writer->json, &writer->out);
	pthread_mutex_init(&writer->lock, NULL);
	writer->file = path_new(path, 0600, err);
	if (writer->file && write_head(writer, about, err) == 0)
		return writer;
	free_writer(writer);
	return NULL;
}

static bool is_written(const struct inventory_mailbox *mailbox, size_t row)
{
	return mailbox->reason == NULL || mailbox->reason[row] == 0;
}

static uint64_t count_written(const struct inventory_mailbox *mailbox)
{
	uint64_t count = 0;

	for (size_t row = 0; mailbox->rows && row < mailbox->rows->count; row++)
		count += is_written(mailbox, row);
	return count;
}

static int write_message(struct inventory_writer *writer, const struct inventory_mailbox *mailbox,
	size_t row, struct err *err)
{
	const struct snapshot *rows = mailbox->rows;
	const bool content = rows->content && (rows->attr[row] & SNAPSHOT_HAS_CONTENT);
	const bool header = rows->digest && (rows->attr[row] & SNAPSHOT_HAS_DIGEST);
	const struct date arrived = { rows->instant[row], rows->zone[row] };
	const struct digest128 none = { { 0, 0 } };
	struct span id = { 0 };
	char date[DATE_ISO_SIZE];

	if (mailbox->message_id)
		id = mailbox->message_id(mailbox->context, rows->uid[row]);

	begin(writer, "message");
	add_text(writer, "mailbox", mailbox->name);
	add_u64(writer, "uid", rows->uid[row]);
	add_text(writer, "internaldate", date_print_iso(arrived, date) ? date : NULL);
	json_key(&writer->json, "size");
	if (rows->size[row] != UINT32_MAX)
		json_u64(&writer->json, rows->size[row]);
	else
		json_null(&writer->json);
	add_text(writer, "flags", flags_text(mailbox->flags, rows->flags[row]));
	add_digest(writer, "header", header, header ? rows->digest[row] : none);
	add_digest(writer, "content", content, content ? rows->content[row] : none);
	json_key(&writer->json, "message_id");
	if (id.data)
		json_string(&writer->json, id);
	else
		json_null(&writer->json);
	return end(writer, err);
}

static int write_mailbox(
	struct inventory_writer *writer, const struct inventory_mailbox *mailbox, struct err *err)
{
	const bool complete = mailbox->rows && mailbox->rows->complete && !mailbox->error;
	const uint64_t count = count_written(mailbox);
	int rc;

	begin(writer, "mailbox");
	add_text(writer, "mailbox", mailbox->name);
	add_u64(writer, "uidvalidity", mailbox->uidvalidity);
	add_u64(writer, "messages", count);
	add_bool(writer, "complete", complete);
	add_text(writer, "error", mailbox->error);
	rc = end(writer, err);
	for (size_t row = 0; mailbox->rows && row < mailbox->rows->count && rc == 0; row++)
		if (is_written(mailbox, row))
			rc = write_message(writer, mailbox, row, err);
	writer->sum.mailboxes++;
	writer->sum.messages += count;
	writer->sum.complete &= complete;
	return rc;
}

static int cannot_write(const struct inventory_writer *writer, struct err *err)
{
	return err_set(err, ERR_LOCAL, "%s: an error ended it", writer->path);
}

int inventory_mailbox(
	struct inventory_writer *writer, const struct inventory_mailbox *mailbox, struct err *err)
{
	int rc = -1;

	pthread_mutex_lock(&writer->lock);
	if (writer->failed)
		(void)cannot_write(writer, err);
	else
		rc = write_mailbox(writer, mailbox, err);
	pthread_mutex_unlock(&writer->lock);
	return rc;
}

/* The line that seals the others. */
static int write_seal(struct inventory_writer *writer, const char *key_file, struct err *err)
{
	unsigned char sum[DIGEST_SIZE], signature[SIGNATURE_SIZE];
	char hex[2 * DIGEST_SIZE + 1], signed_text[INVENTORY_SIGNED_MAX];
	struct buf coded;
	int rc = 0;

	digest_end(writer->digest, sum);
	digest_hex(sum, sizeof(sum), hex);
	inventory_signed_text(hex, signed_text);
	buf_init(&coded, 256);
	if (key_file)
		rc = signature_make(key_file, span_of(signed_text), signature, err);
	if (rc == 0 && key_file &&
		base64_encode(span_make((const char *)signature, sizeof(signature)), &coded) < 0)
		rc = err_set(err, ERR_LOCAL, "%s: cannot be signed", writer->path);
	if (rc == 0) {
		begin(writer, "digest");
		add_text(writer, "sha256", hex);
		add_text(writer, "signature", key_file ? buf_text(&coded) : NULL);
		rc = end(writer, err);
	}
	if (rc == 0)
		rc = flush(writer, err);
	buf_release(&coded);
	return rc;
}

static int finish(struct inventory_writer *writer, const char *key_file, bool replace,
	struct inventory_sum *sum, struct err *err)
{
	struct path_new *file = writer->file;

	begin(writer, "total");
	add_u64(writer, "mailboxes", sum->mailboxes);
	add_u64(writer, "messages", sum->messages);
	add_bool(writer, "complete", sum->complete);
	if (end(writer, err) < 0 || flush(writer, err) < 0 || write_seal(writer, key_file, err) < 0)
		return -1;
	writer->file = NULL;
	return path_new_publish(file, replace, err);
}

int inventory_finish(struct inventory_writer *writer, const char *key_file, bool replace,
	bool complete, struct inventory_sum *out, struct err *err)
{
	int rc;

	*out = writer->sum;
	out->complete &= complete;
	rc = writer->failed ? cannot_write(writer, err)
			    : finish(writer, key_file, replace, out, err);
	free_writer(writer);
	return rc;
}
