/* Gathering rows, and writing them to whichever back end. */
#include "state/results.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/os.h"
#include "base/spool.h"
#include "base/stop.h"
#include "base/text.h"
#include "state/results_parts.h"

#include <pthread.h>
#include <time.h>

#define SPOOL_BYTES ((size_t)256 * 1024) /* of a table, in memory */
#define TEXT_BYTES ((size_t)4 * RESULTS_TEXT + 16) /* harmless */
#define ROW_BYTES (RESULTS_COLUMNS * (TEXT_BYTES + 16))
#define ATTEMPTS 3
#define PAUSE_MS 1000 /* before the second attempt; twice that before the third */

/* clang-format off */
const struct results_table results_tables[RESULTS_TABLES] = {
	[RESULTS_LOCATIONS] = { "locations", 6, {
		{ "run", RESULTS_NUMBER }, { "location", RESULTS_NUMBER }, { "name", RESULTS_BYTES },
		{ "host", RESULTS_BYTES }, { "user_name", RESULTS_BYTES }, { "error", RESULTS_BYTES } } },
	[RESULTS_MAILBOXES] = { "mailboxes", 10, {
		{ "run", RESULTS_NUMBER }, { "mailbox", RESULTS_NUMBER }, { "location", RESULTS_NUMBER },
		{ "name", RESULTS_BYTES }, { "uidvalidity", RESULTS_NUMBER }, { "complete", RESULTS_BOOL },
		{ "messages", RESULTS_NUMBER }, { "octets", RESULTS_NUMBER }, { "announced", RESULTS_NUMBER },
		{ "error", RESULTS_BYTES } } },
	[RESULTS_MESSAGES] = { "messages", 9, {
		{ "run", RESULTS_NUMBER }, { "mailbox", RESULTS_NUMBER }, { "uid", RESULTS_NUMBER },
		{ "arrived", RESULTS_TIME }, { "octets", RESULTS_NUMBER }, { "flags", RESULTS_BYTES },
		{ "message_id", RESULTS_BYTES }, { "header_digest", RESULTS_BYTES },
		{ "content_digest", RESULTS_BYTES } } },
	[RESULTS_FINDINGS] = { "findings", 11, {
		{ "run", RESULTS_NUMBER }, { "finding", RESULTS_NUMBER }, { "kind", RESULTS_BYTES },
		{ "location", RESULTS_NUMBER }, { "mailbox", RESULTS_NUMBER }, { "other_mailbox", RESULTS_NUMBER },
		{ "name", RESULTS_BYTES }, { "what", RESULTS_BYTES }, { "uid", RESULTS_NUMBER },
		{ "other_uid", RESULTS_NUMBER }, { "reason", RESULTS_BYTES } } },
};
/* clang-format on */

static const char *const kinds[] = {
	[RESULTS_MISSING] = "missing",
	[RESULTS_EXTRA] = "extra",
	[RESULTS_DOUBLED] = "doubled",
	[RESULTS_DIFFERS] = "differs",
	[RESULTS_NOT_KNOWN] = "unknown",
	[RESULTS_MAILBOX_MISSING] = "mailbox missing",
	[RESULTS_MAILBOX_EXTRA] = "mailbox extra",
};

struct rows { /* of one table */
	struct spool *spool;
	uint64_t count;
};

struct results {
	struct results_request request;
	const struct results_backend *backend;
	char *password; /* behind request.password */
	int64_t run;
	bool ended;

	pthread_mutex_t lock; /* over what follows */
	struct rows rows[RESULTS_TABLES];
	struct buf row, text; /* being put together */
	struct err failure; /* the first of a row; scope NONE = none */
	uint64_t altered; /* texts that were made harmless or cut */
};

static const struct results_backend *backend_of(const struct results_target *target)
{
	return target->kind == RESULTS_SQLITE ? &results_sqlite : &results_postgres;
}

bool results_time_text(int64_t seconds, char out[32])
{
	const time_t time = (time_t)seconds;
	struct tm tm;

	if (!gmtime_r(&time, &tm) || tm.tm_year <= -1900 || tm.tm_year > 9999 - 1900)
		return false;
	(void)snprintf(out, 32, "%04d-%02d-%02dT%02d:%02d:%02dZ", tm.tm_year + 1900, tm.tm_mon + 1,
		tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
	return true;
}

int results_run_gone(const struct results_request *request, struct err *err)
{
	return err_set(err, ERR_LOCAL,
		"%s: this run is no longer in it: somebody has cleared it meanwhile",
		request->target->shown);
}

/* ---- gathering ---- */

/* A row under way: columns in order. Its length is put in front at the end. */
static void row_begin(struct results *results)
{
	static const char room[sizeof(uint32_t)];

	pthread_mutex_lock(&results->lock);
	buf_clear(&results->row);
	(void)!buf_add(&results->row, span_make(room, sizeof(room)));
}

static void add_null(struct results *results)
{
	(void)!buf_add_char(&results->row, '0');
}

static void add_number(struct results *results, int64_t value)
{
	(void)!buf_add_char(&results->row, 'n');
	(void)!buf_add(&results->row, span_make((const char *)&value, sizeof(value)));
}

/* Zero is none. */
static void add_some(struct results *results, uint64_t value)
{
	if (value == 0)
		add_null(results);
	else
		add_number(results, (int64_t)value);
}

static void add_known(struct results *results, int64_t value)
{
	if (value == RESULTS_UNKNOWN)
		add_null(results);
	else
		add_number(results, value);
}

static void add_bytes(struct results *results, struct span bytes)
{
	const uint32_t len = (uint32_t)bytes.len;

	(void)!buf_add_char(&results->row, 't');
	(void)!buf_add(&results->row, span_make((const char *)&len, sizeof(len)));
	(void)!buf_add(&results->row, bytes);
	(void)!buf_add_char(&results->row, 0); /* some back ends want texts that end */
}

/* What comes from mail: each octet may become four, for which text and row have room. */
static void add_text(struct results *results, struct span text)
{
	const struct span kept = span_sub(text, 0, RESULTS_TEXT);

	if (!text.data) {
		add_null(results);
		return;
	}
	buf_clear(&results->text);
	(void)!text_harmless(kept, &results->text);
	if (!span_equal(buf_span(&results->text), text))
		results->altered++;
	add_bytes(results, span_make(buf_text(&results->text), results->text.len));
}

static void add_digest(struct results *results, struct digest128 digest)
{
	char hex[2 * sizeof(digest) + 1];

	if (!digest128_known(digest)) {
		add_null(results);
		return;
	}
	digest_hex((const unsigned char *)digest.word, sizeof(digest), hex);
	add_bytes(results, span_of(hex));
}

static void row_end(struct results *results, unsigned table)
{
	const uint32_t len = (uint32_t)(results->row.len - sizeof(len));
	struct rows *rows = &results->rows[table];

	memcpy(results->row.data, &len, sizeof(len));
	if (!rows->spool)
		rows->spool = spool_new(SPOOL_BYTES);
	if (results->failure.scope == ERR_NONE)
		(void)!spool_add(rows->spool, buf_span(&results->row), &results->failure);
	pthread_mutex_unlock(&results->lock);
}

static struct span user_alone(const char *user)
{
	const struct span all = span_of(user);

	return user ? span_sub(all, 0, span_find(all, '*')) : all;
}

void results_location(struct results *results, const struct results_location *location)
{
	if (!results)
		return;
	row_begin(results);
	results->rows[RESULTS_LOCATIONS].count++;
	add_number(results, location->number);
	add_text(results, span_of(location->name));
	add_text(results, span_of(location->host));
	add_text(results, user_alone(location->user));
	add_text(results, span_of(location->error));
	row_end(results, RESULTS_LOCATIONS);
}

uint64_t results_mailbox(struct results *results, const struct results_mailbox *mailbox)
{
	uint64_t number;

	if (!results)
		return 0;
	row_begin(results);
	number = ++results->rows[RESULTS_MAILBOXES].count;
	add_number(results, (int64_t)number);
	add_number(results, mailbox->location);
	add_text(results, span_of(mailbox->name));
	add_some(results, mailbox->uidvalidity);
	add_number(results, mailbox->complete);
	add_number(results, (int64_t)mailbox->messages);
	add_number(results, (int64_t)mailbox->octets);
	add_known(results, mailbox->announced);
	add_text(results, span_of(mailbox->error));
	row_end(results, RESULTS_MAILBOXES);
	return number;
}

void results_message(struct results *results, const struct results_message *message)
{
	if (!results)
		return;
	row_begin(results);
	results->rows[RESULTS_MESSAGES].count++;
	add_number(results, (int64_t)message->mailbox);
	add_number(results, message->uid);
	add_known(results, message->arrived);
	add_known(results, message->size);
	add_text(results, message->flags);
	add_text(results, message->message_id);
	add_digest(results, message->header);
	add_digest(results, message->content);
	row_end(results, RESULTS_MESSAGES);
}

void results_finding(struct results *results, const struct results_finding *finding)
{
	if (!results)
		return;
	row_begin(results);
	add_number(results, (int64_t)++results->rows[RESULTS_FINDINGS].count);
	add_bytes(results, span_of(kinds[finding->kind]));
	add_number(results, finding->location);
	add_some(results, finding->mailbox);
	add_some(results, finding->other_mailbox);
	add_text(results, span_of(finding->name));
	add_text(results, span_of(finding->what));
	add_some(results, finding->uid);
	add_some(results, finding->other_uid);
	add_text(results, span_of(finding->text));
	row_end(results, RESULTS_FINDINGS);
}

/* ---- writing ---- */

/* The fields of a row as row_begin() and its followers wrote them. */
static void read_row(const char *at, const struct results_table *table, int64_t run,
	struct results_value value[RESULTS_COLUMNS])
{
	value[0] = (struct results_value){ .number = run };
	for (size_t i = 1; i < table->columns; i++) {
		const char tag = *at++;
		uint32_t len;

		value[i] = (struct results_value){ .null = tag == '0' };
		if (tag == 'n') {
			memcpy(&value[i].number, at, sizeof(value[i].number));
			at += sizeof(value[i].number);
		} else if (tag == 't') {
			memcpy(&len, at, sizeof(len));
			value[i].bytes = span_make(at + sizeof(len), len);
			at += sizeof(len) + len + 1;
		}
	}
}

struct reader { /* of rows that chunks of a spool cut anywhere */
	struct spool *spool;
	struct buf pending;
	size_t used; /* of pending */
};

/* 1 = a row at *at_out, 0 = end, -1 */
static int next_row(struct reader *reader, const char **at_out, struct err *err)
{
	for (;;) {
		const size_t have = reader->pending.len - reader->used;
		const char *at = have > 0 ? reader->pending.data + reader->used : NULL;
		struct span chunk;
		uint32_t len;
		int rc;

		if (have >= sizeof(len)) {
			memcpy(&len, at, sizeof(len));
			if (have - sizeof(len) >= len) {
				*at_out = at + sizeof(len);
				reader->used += sizeof(len) + len;
				return 1;
			}
		}
		rc = spool_next(reader->spool, &chunk, err);
		if (rc <= 0)
			return rc;
		buf_drop_front(&reader->pending, reader->used);
		reader->used = 0;
		(void)!buf_add(&reader->pending, chunk);
	}
}

static int write_rows(struct results *results, void *session, const struct results_table *table,
	struct spool *spool, struct err *err)
{
	struct results_value value[RESULTS_COLUMNS];
	struct reader reader = { .spool = spool };
	const char *at;
	int rc;

	buf_init(&reader.pending, SIZE_MAX);
	spool_rewind(spool);
	rc = results->backend->table_begin(session, table, err);
	while (rc == 0 && (rc = next_row(&reader, &at, err)) > 0) {
		read_row(at, table, results->run, value);
		rc = stop_check(err);
		if (rc == 0)
			rc = results->backend->row(session, table, value, err);
	}
	if (rc == 0)
		rc = results->backend->table_end(session, err);
	buf_release(&reader.pending);
	return rc;
}

static int write_all(struct results *results, void *session, int code, struct err *err)
{
	const struct results_backend *backend = results->backend;
	bool ended = false;

	if (backend->begin(session, results->run, &ended, err) < 0)
		return -1;
	if (ended)
		return 0;
	for (size_t i = 0; i < RESULTS_TABLES; i++)
		if (results->rows[i].spool && code != RESULTS_INTERRUPTED &&
			write_rows(results, session, &results_tables[i], results->rows[i].spool,
				err) < 0)
			return -1;
	os_point("results end");
	return backend->end_run(session, results->run,
		code == RESULTS_INTERRUPTED ? "interrupted" : "finished", clock_wall(), code, err);
}

static int attempt(struct results *results, int code, struct err *err)
{
	const bool hurry = code == RESULTS_INTERRUPTED;
	void *session = results->backend->open(
		&results->request, hurry ? RESULTS_HURRY : RESULTS_MAKE, err);
	int rc = -1;

	if (session) {
		rc = write_all(results, session, code, err);
		results->backend->close(session);
	}
	return rc;
}

static void tell_altered(const struct results *results)
{
	if (results->altered > 0)
		log_warn("%llu texts are in the database with \\xNN in place of octets that are "
			 "no text or unsafe to show, or cut at %d octets",
			(unsigned long long)results->altered, RESULTS_TEXT);
}

int results_end(struct results *results, int exit_code, struct err *err)
{
	struct err why = ERR_INIT;
	int rc = -1;

	if (!results)
		return 0;
	if (results->failure.scope != ERR_NONE) {
		*err = results->failure;
		return err_wrap(err, "results");
	}
	for (int i = 1; i <= ATTEMPTS; i++) {
		err_clear(&why);
		rc = attempt(results, exit_code, &why);
		if (rc == 0 || why.retry != ERR_RETRY_NOW || exit_code == RESULTS_INTERRUPTED ||
			i == ATTEMPTS)
			break;
		log_info("%s; once more", why.text);
		if (clock_sleep((int64_t)PAUSE_MS * i) < 0)
			break;
	}
	if (rc < 0) {
		*err = why;
		return -1;
	}
	results->ended = true;
	tell_altered(results);
	return 0;
}

int64_t results_run(const struct results *results)
{
	return results ? results->run : 0;
}

/* ---- opening ---- */

static int begin_run(struct results *results, struct err *err)
{
	void *session = results->backend->open(&results->request, RESULTS_MAKE, err);
	int rc = session ? 0 : -1;

	if (rc == 0 && results->request.clear)
		rc = results->backend->clear(session, err);
	if (rc == 0)
		rc = results->backend->begin_run(
			session, results->request.command, clock_wall(), &results->run, err);
	results->backend->close(session);
	return rc;
}

struct results *results_open(const struct results_request *request, struct err *err)
{
	struct results *results = mem_alloc(sizeof(*results));

	results->request = *request;
	results->backend = backend_of(request->target);
	if (request->password.len > 0) {
		results->password = mem_alloc(request->password.len + 1);
		memcpy(results->password, request->password.data, request->password.len);
		results->request.password = span_make(results->password, request->password.len);
	}
	pthread_mutex_init(&results->lock, NULL);
	buf_init(&results->row, ROW_BYTES);
	buf_init(&results->text, TEXT_BYTES);
	if (begin_run(results, err) < 0) {
		results_close(results);
		return NULL;
	}
	return results;
}

void results_close(struct results *results)
{
	if (!results)
		return;
	for (size_t i = 0; i < RESULTS_TABLES; i++)
		spool_free(results->rows[i].spool);
	if (results->password) {
		explicit_bzero(results->password, results->request.password.len);
		mem_free(results->password);
	}
	buf_release(&results->row);
	buf_release(&results->text);
	pthread_mutex_destroy(&results->lock);
	mem_free(results);
}

int results_count_runs(const struct results_request *request, uint64_t *out, struct err *err)
{
	const struct results_backend *backend = backend_of(request->target);
	void *session = backend->open(request, RESULTS_LOOK, err);
	const int rc = session ? backend->count_runs(session, out, err) : -1;

	backend->close(session);
	return rc;
}
