/*
 * The queue and its commits, and the mailboxes. Two locks: a lane that puts a record waits for the queue only, not for
 * another lane's fsync; whoever commits takes the whole queue with it, so that lanes that ask together share one fsync.
 */
#include "state/journal_parts.h"

#include "base/arena.h"
#include "base/mem.h"
#include "base/os.h"

#define TEXTS_FULL (64u << 10) /* a group ends here too, however few its records are */
#define TEXTS_MAX (1u << 20)

void queue_init(struct queue *queue)
{
	*queue = (struct queue){ 0 };
	buf_init(&queue->texts, TEXTS_MAX);
}

void queue_release(struct queue *queue)
{
	mem_free(queue->records);
	buf_release(&queue->texts);
}

static void queue_clear(struct queue *queue)
{
	queue->count = 0;
	buf_clear(&queue->texts);
}

static bool queue_full(const struct queue *queue)
{
	return queue->count >= JOURNAL_GROUP || queue->texts.len >= TEXTS_FULL;
}

/* Messages that follow one another mostly have the same flags: a text like one of the last record's is not stored again. */
static int queue_add_text(
	struct queue *queue, const char *text, const uint32_t like[2], uint32_t *offset_out)
{
	const size_t start = queue->texts.len;

	for (int i = 0; i < 2; i++) {
		if (like[i] < start && strcmp(queue->texts.data + like[i], text) == 0) {
			*offset_out = like[i];
			return 0;
		}
	}
	if (buf_add(&queue->texts, span_make(text, strlen(text) + 1)) < 0)
		return -1;
	*offset_out = (uint32_t)start;
	return 0;
}

static struct record *queue_add(struct queue *queue)
{
	if (queue->count == queue->room) {
		queue->room = queue->room ? 2 * queue->room : JOURNAL_GROUP;
		queue->records = mem_resize(queue->records, queue->room, sizeof(*queue->records));
	}
	queue->records[queue->count] = (struct record){ 0 };
	return &queue->records[queue->count++];
}

static int queue_add_pair(struct queue *queue, int64_t mailbox, const struct journal_pair *pair)
{
	uint32_t like[2] = { 0, 0 };
	uint32_t src_flags, dst_flags;

	if (queue->count > 0) {
		like[0] = queue->records[queue->count - 1].src_flags;
		like[1] = queue->records[queue->count - 1].dst_flags;
	}
	if (queue_add_text(queue, pair->src_flags ? pair->src_flags : "", like, &src_flags) < 0)
		return -1;
	like[0] = src_flags;
	if (queue_add_text(queue, pair->dst_flags ? pair->dst_flags : "", like, &dst_flags) < 0)
		return -1;
	*queue_add(queue) = (struct record){
		.mailbox = mailbox,
		.size = pair->size,
		.header = pair->header,
		.content = pair->content,
		.src_uid = pair->src_uid,
		.dst_uid = pair->dst_uid,
		.src_flags = src_flags,
		.dst_flags = dst_flags,
		.kind = RECORD_PAIR,
		.status = (uint8_t)pair->status,
	};
	return 0;
}

/* Under queue_lock: -1 once a commit has failed. */
static int check_failed(const struct journal *journal, struct err *err)
{
	if (journal->failed.scope == ERR_NONE)
		return 0;
	if (err)
		*err = journal->failed;
	return -1;
}

static int stick(struct journal *journal, struct err *err)
{
	pthread_mutex_lock(&journal->queue_lock);
	if (journal->failed.scope == ERR_NONE)
		journal->failed = *err;
	pthread_mutex_unlock(&journal->queue_lock);
	return -1;
}

/* Moves the queue to `writing`; the emptied one takes its place. */
static int take_queue(struct journal *journal, struct err *err)
{
	pthread_mutex_lock(&journal->queue_lock);
	const int rc = check_failed(journal, err);
	if (rc == 0) {
		const struct queue emptied = journal->writing;

		journal->writing = journal->queue;
		journal->queue = emptied;
	}
	pthread_mutex_unlock(&journal->queue_lock);
	return rc;
}

static int write_record(struct journal *journal, const struct record *record, struct err *err)
{
	switch ((enum record_kind)record->kind) {
	case RECORD_PAIR:
		return journal_write_pair(journal, record, err);
	case RECORD_STATUS:
		return journal_write_status(journal, record, err);
	}
	return -1;
}

int journal_run(struct journal *journal, enum journal_sql which, struct err *err)
{
	return db_step(journal->sql[which], err);
}

/* With the queue taken. */
static int begin_taken(struct journal *journal, bool durable, struct err *err)
{
	db_set_durable(journal->db, durable);
	int rc = journal_run(journal, SQL_BEGIN, err);

	for (size_t i = 0; rc == 0 && i < journal->writing.count; i++)
		rc = write_record(journal, &journal->writing.records[i], err);
	return rc < 0 ? journal_end(journal, rc, durable, err) : 0;
}

int journal_begin(struct journal *journal, bool durable, struct err *err)
{
	if (take_queue(journal, err) < 0)
		return -1;
	return begin_taken(journal, durable, err);
}

/* Once a group could not be written nothing later may be: it would count as safe what stands on the lost one. */
int journal_end(struct journal *journal, int rc, bool durable, struct err *err)
{
	if (rc == 0) {
		os_point("journal commit");
		rc = journal_run(journal, SQL_COMMIT, err);
	}
	queue_clear(&journal->writing);
	if (rc < 0) {
		stick(journal, err);
		db_rollback(journal->db);
		return -1;
	}
	journal->unsynced = !durable && journal_remembers(journal);
	os_point("journal committed");
	return 0;
}

/* Of the records taken, or of nothing when earlier commits must be made durable. */
static int commit_locked(struct journal *journal, bool durable, struct err *err)
{
	if (take_queue(journal, err) < 0)
		return -1;
	const bool sync = durable && journal->unsynced;
	if (journal->writing.count == 0 && !sync)
		return 0;
	if (begin_taken(journal, durable, err) < 0)
		return -1;
	/* A transaction without a page of its own would not sync the log. */
	const int rc = sync ? journal_run(journal, SQL_TOUCH, err) : 0;
	return journal_end(journal, rc, durable, err);
}

int journal_flush(struct journal *journal, struct err *err)
{
	return commit_locked(journal, false, err);
}

int journal_commit(struct journal *journal, bool durable, struct err *err)
{
	struct err own = ERR_INIT;

	pthread_mutex_lock(&journal->db_lock);
	const int rc = commit_locked(journal, durable, err ? err : &own);
	pthread_mutex_unlock(&journal->db_lock);
	return rc;
}

/* queue_lock is held, and is released here; rc is that of the addition. */
static int finish_put(struct journal *journal, int rc, struct err *err)
{
	const bool full = queue_full(&journal->queue);

	pthread_mutex_unlock(&journal->queue_lock);
	return rc == 0 && full ? journal_commit(journal, false, err) : rc;
}

int journal_put_pair(
	struct journal *journal, int64_t mailbox, const struct journal_pair *pair, struct err *err)
{
	if (pair->src_uid == 0 && pair->dst_uid == 0)
		return err_set(err, ERR_MESSAGE, "a message without a UID cannot be recorded");

	pthread_mutex_lock(&journal->queue_lock);
	int rc = check_failed(journal, err);
	if (rc == 0 && queue_add_pair(&journal->queue, mailbox, pair) < 0)
		rc = err_set(err, ERR_MESSAGE, "its flags are too long to be recorded");
	return finish_put(journal, rc, err);
}

int journal_set_status(struct journal *journal, int64_t mailbox, uint32_t src_uid,
	enum journal_status status, struct err *err)
{
	if (src_uid == 0)
		return 0;

	pthread_mutex_lock(&journal->queue_lock);
	const int rc = check_failed(journal, err);
	if (rc == 0) {
		struct record *record = queue_add(&journal->queue);

		record->mailbox = mailbox;
		record->src_uid = src_uid;
		record->kind = RECORD_STATUS;
		record->status = (uint8_t)status;
	}
	return finish_put(journal, rc, err);
}

/* One of another length is of another version: as if nothing were known. */
static void read_view(struct span blob, struct journal_view *view)
{
	*view = (struct journal_view){ 0 };
	if (blob.len == sizeof(*view))
		memcpy(view, blob.data, sizeof(*view));
}

/* Names and ids are text that servers sent: NULL and values that do not fit come of damage only. */
static int read_mailbox(
	struct journal *journal, struct arena *arena, struct journal_mailbox *out, struct err *err)
{
	struct db_statement *list = journal->sql[SQL_MAILBOX_LIST];
	uint32_t *const numbers[] = { &out->src_uidvalidity, &out->dst_uidvalidity,
		&out->src_uidnext, &out->dst_uidnext };

	out->id = db_i64(list, 0);
	out->src_name = arena_strdup(arena, db_text(list, 1));
	out->dst_name = arena_strdup(arena, db_text(list, 2));
	if (out->id <= 0 || !out->src_name || !out->dst_name)
		return db_damaged(journal->db, err);
	for (int i = 0; i < (int)countof(numbers); i++) {
		if (db_u64(list, 3 + i) > UINT32_MAX)
			return db_damaged(journal->db, err);
		*numbers[i] = (uint32_t)db_u64(list, 3 + i);
	}
	out->src_modseq = db_u64(list, 7);
	out->dst_modseq = db_u64(list, 8);
	out->src_messages = (uint32_t)db_u64(list, 9);
	out->dst_messages = (uint32_t)db_u64(list, 10);
	out->src_mailboxid = arena_strdup(arena, db_text(list, 11));
	out->dst_mailboxid = arena_strdup(arena, db_text(list, 12));
	out->baseline = (uint32_t)db_u64(list, 13);
	out->selection = db_u64(list, 14);
	out->doubt = (uint32_t)db_u64(list, 15);
	read_view(db_blob(list, 16), &out->view);
	return 0;
}

static int read_mailboxes(struct journal *journal, struct arena *arena,
	struct journal_mailbox **out, size_t *count_out, struct err *err)
{
	struct db_statement *counter = journal->sql[SQL_MAILBOX_COUNT];
	struct db_statement *list = journal->sql[SQL_MAILBOX_LIST];
	int rc = db_step(counter, err);

	if (rc < 0)
		return -1;
	const size_t room = (size_t)db_u64(counter, 0);
	db_reset(counter);

	struct journal_mailbox *boxes = arena_array(arena, room, sizeof(*boxes));
	size_t count = 0;
	while ((rc = db_step(list, err)) > 0) {
		if (count == room)
			rc = db_damaged(journal->db, err); /* the index and the table differ */
		else
			rc = read_mailbox(journal, arena, &boxes[count++], err);
		if (rc < 0)
			break;
	}
	db_reset(list);
	if (rc < 0)
		return -1;
	*out = boxes;
	*count_out = count;
	return 0;
}

int journal_mailboxes(struct journal *journal, struct arena *arena, struct journal_mailbox **out,
	size_t *count_out, struct err *err)
{
	struct err own = ERR_INIT;

	if (!err)
		err = &own;
	pthread_mutex_lock(&journal->db_lock);
	int rc = journal_flush(journal, err);
	if (rc == 0)
		rc = read_mailboxes(journal, arena, out, count_out, err);
	pthread_mutex_unlock(&journal->db_lock);
	return rc;
}

static int forget_pairs(struct journal *journal, int64_t mailbox, struct err *err)
{
	static const enum journal_sql steps[] = { SQL_GRAVE_DIG, SQL_PAIR_DROP_ALL,
		SQL_MAILBOX_STALE };

	os_point("journal forget");
	for (size_t i = 0; i < countof(steps); i++) {
		db_bind_i64(journal->sql[steps[i]], 1, mailbox);
		if (journal_run(journal, steps[i], err) < 0)
			return -1;
	}
	return 0;
}

int journal_forget_pairs(struct journal *journal, int64_t mailbox, struct err *err)
{
	struct err own = ERR_INIT;

	if (!err)
		err = &own;
	pthread_mutex_lock(&journal->db_lock);
	int rc = journal_begin(journal, false, err);
	if (rc == 0)
		rc = journal_end(journal, forget_pairs(journal, mailbox, err), false, err);
	pthread_mutex_unlock(&journal->db_lock);
	return rc;
}

static void bind_names(struct db_statement *statement, const struct journal_mailbox *mailbox)
{
	db_bind_text(statement, 1, mailbox->src_name ? mailbox->src_name : "");
	db_bind_text(statement, 2, mailbox->dst_name ? mailbox->dst_name : "");
}

/* What is recorded: id 0 = nothing. */
struct known {
	int64_t id;
	uint32_t src_uidvalidity, dst_uidvalidity;
};

static int find_mailbox(struct journal *journal, const struct journal_mailbox *mailbox,
	struct known *out, struct err *err)
{
	struct db_statement *find = journal->sql[SQL_MAILBOX_FIND];

	*out = (struct known){ 0 };
	bind_names(find, mailbox);
	const int rc = db_step(find, err);
	if (rc <= 0)
		return rc;
	out->id = db_i64(find, 0);
	out->src_uidvalidity = (uint32_t)db_u64(find, 1);
	out->dst_uidvalidity = (uint32_t)db_u64(find, 2);
	db_reset(find);
	return 0;
}

static bool uidvalidity_changed(uint32_t known, uint32_t now)
{
	return known != 0 && now != 0 && known != now;
}

/* RFC 9051 §2.3.1.1: UIDs mean nothing under another UIDVALIDITY, so the pairs must not outlive it, whatever the caller's order. */
static int write_mailbox(struct journal *journal, const struct journal_mailbox *mailbox,
	int64_t *id_out, struct err *err)
{
	struct known known;

	if (find_mailbox(journal, mailbox, &known, err) < 0)
		return -1;
	if ((uidvalidity_changed(known.src_uidvalidity, mailbox->src_uidvalidity) ||
		    uidvalidity_changed(known.dst_uidvalidity, mailbox->dst_uidvalidity)) &&
		forget_pairs(journal, known.id, err) < 0)
		return -1;

	const enum journal_sql which = known.id ? SQL_MAILBOX_SET : SQL_MAILBOX_ADD;
	struct db_statement *put = journal->sql[which];
	const uint64_t numbers[] = {
		mailbox->src_uidvalidity ? mailbox->src_uidvalidity : known.src_uidvalidity,
		mailbox->dst_uidvalidity ? mailbox->dst_uidvalidity : known.dst_uidvalidity,
		mailbox->src_uidnext,
		mailbox->dst_uidnext,
		mailbox->src_modseq,
		mailbox->dst_modseq,
		mailbox->src_messages,
		mailbox->dst_messages,
	};
	bind_names(put, mailbox);
	for (int i = 0; i < (int)countof(numbers); i++)
		db_bind_u64(put, 3 + i, numbers[i]);
	db_bind_text(put, 11, mailbox->src_mailboxid);
	db_bind_text(put, 12, mailbox->dst_mailboxid);
	db_bind_u64(put, 13, mailbox->baseline);
	db_bind_u64(put, 14, mailbox->selection);
	db_bind_u64(put, 15, mailbox->doubt);
	db_bind_blob(put, 16, span_make((const char *)&mailbox->view, sizeof(mailbox->view)));
	if (journal_run(journal, which, err) < 0)
		return -1;
	*id_out = known.id ? known.id : db_last_id(journal->db);
	return 0;
}

int journal_put_mailbox(
	struct journal *journal, struct journal_mailbox *mailbox, bool durable, struct err *err)
{
	struct err own = ERR_INIT;
	int64_t id = 0;

	if (!err)
		err = &own;
	pthread_mutex_lock(&journal->db_lock);
	int rc = journal_begin(journal, durable, err);
	if (rc == 0) {
		os_point("journal mailbox");
		rc = write_mailbox(journal, mailbox, &id, err);
		rc = journal_end(journal, rc, durable, err);
	}
	pthread_mutex_unlock(&journal->db_lock);
	if (rc == 0)
		mailbox->id = id;
	return rc;
}
