/* One SQLite file an account; each call is one transaction, on disk when it returns. */
#include "state/ledger.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/path.h"
#include "state/db.h"

#include <pthread.h>

#define APPLICATION_ID 0x4d486c31 /* "MHl1" */
#define HASH_BYTES 16
#define UID_MAX (UINT32_MAX - 1) /* UIDNEXT has to fit too (RFC 9051 §2.3.1.1) */

static const char *const schema[] = {
	"CREATE TABLE place(id INTEGER PRIMARY KEY CHECK(id = 1), identity TEXT NOT NULL,"
	" uidvalidity INTEGER NOT NULL) STRICT;"
	"CREATE TABLE mailbox(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,"
	" uidvalidity INTEGER NOT NULL, uidnext INTEGER NOT NULL, messages INTEGER NOT NULL) STRICT;"
	"CREATE TABLE message(mailbox INTEGER NOT NULL, uid INTEGER NOT NULL, key BLOB NOT NULL,"
	" PRIMARY KEY(mailbox, uid)) WITHOUT ROWID, STRICT;",
};

enum ledger_sql {
	SQL_PLACE,
	SQL_PLACE_SET,
	SQL_FIND,
	SQL_NEW,
	SQL_SET,
	SQL_DROP,
	SQL_RENAME,
	SQL_LIST,
	SQL_PUT,
	SQL_GONE,
	SQL_GONE_ALL,
	SQL_COUNT
};

static const char *const statements[SQL_COUNT] = {
	[SQL_PLACE] = "SELECT identity, uidvalidity FROM place",
	[SQL_PLACE_SET] =
		"INSERT OR REPLACE INTO place(id, identity, uidvalidity) VALUES(1, ?1, ?2)",
	[SQL_FIND] = "SELECT id, uidvalidity, uidnext, messages FROM mailbox WHERE name = ?1",
	[SQL_NEW] =
		"INSERT INTO mailbox(name, uidvalidity, uidnext, messages) VALUES(?1, ?2, 1, 0)",
	[SQL_SET] = "UPDATE mailbox SET uidnext = ?2, messages = ?3 WHERE id = ?1",
	[SQL_DROP] = "DELETE FROM mailbox WHERE id = ?1",
	[SQL_RENAME] = "UPDATE mailbox SET name = ?2 WHERE id = ?1",
	[SQL_LIST] = "SELECT uid, key FROM message WHERE mailbox = ?1 ORDER BY uid",
	[SQL_PUT] = "INSERT INTO message(mailbox, uid, key) VALUES(?1, ?2, ?3)",
	[SQL_GONE] = "DELETE FROM message WHERE mailbox = ?1 AND uid = ?2",
	[SQL_GONE_ALL] = "DELETE FROM message WHERE mailbox = ?1",
};

struct ledger {
	pthread_mutex_t lock;
	struct db *db;
	char *identity;
	struct db_statement *sql[SQL_COUNT];
};

struct ledger_box {
	int64_t id;
	struct ledger_facts facts;
};

struct entry { /* a message as recorded */
	uint32_t uid;
	struct digest128 key;
};

/* ---- transactions ---- */

static int begin(struct ledger *ledger, struct err *err)
{
	pthread_mutex_lock(&ledger->lock);
	if (db_exec(ledger->db, "BEGIN IMMEDIATE", err) == 0)
		return 0;
	pthread_mutex_unlock(&ledger->lock);
	return -1;
}

static int end(struct ledger *ledger, int rc, struct err *err)
{
	if (rc == 0)
		rc = db_exec(ledger->db, "COMMIT", err);
	if (rc < 0)
		db_rollback(ledger->db);
	pthread_mutex_unlock(&ledger->lock);
	return rc;
}

static int run(struct db_statement *statement, struct err *err)
{
	return db_step(statement, err) < 0 ? -1 : 0;
}

/* ---- opening ---- */

static char *file_path(struct arena *arena, const char *dir, const char *identity, struct err *err)
{
	unsigned char hash[DIGEST_SIZE];
	char hex[2 * HASH_BYTES + 1];
	size_t room = strlen(dir) + sizeof("/uids/.db") + sizeof(hex);
	char *path = arena_array(arena, room, 1);

	digest_bytes(span_of(identity), hash);
	digest_hex(hash, HASH_BYTES, hex);
	snprintf(path, room, "%s/uids", dir);
	if (path_make_dirs(path, 0700, err) < 0)
		return NULL;
	snprintf(path, room, "%s/uids/%s.db", dir, hex);
	return path;
}

/* A file that says it is another place's was moved or copied here. */
static int check_place(struct ledger *ledger, struct err *err)
{
	struct db_statement *place = ledger->sql[SQL_PLACE], *set = ledger->sql[SQL_PLACE_SET];
	int rc = db_step(place, err);
	bool same = rc > 0 && db_text(place, 0) && strcmp(db_text(place, 0), ledger->identity) == 0;

	if (rc < 0)
		return -1;
	if (rc > 0) {
		db_reset(place);
		return same ? 0 : db_damaged(ledger->db, err);
	}
	db_bind_text(set, 1, ledger->identity);
	db_bind_u64(set, 2, 0);
	return run(set, err);
}

static int prepare(struct ledger *ledger, struct err *err)
{
	if (db_migrate(ledger->db, APPLICATION_ID, schema, countof(schema), err) < 0)
		return -1;
	for (size_t i = 0; i < SQL_COUNT; i++) {
		ledger->sql[i] = db_prepare(ledger->db, statements[i], err);
		if (!ledger->sql[i])
			return -1;
	}
	db_set_durable(ledger->db, true);
	return check_place(ledger, err);
}

struct ledger *ledger_open(const char *dir, const char *identity, struct err *err)
{
	struct arena *arena = arena_new();
	char *path = dir ? file_path(arena, dir, identity, err) : NULL;
	struct ledger *ledger = NULL;
	struct db *db = dir && !path ? NULL : db_open(path, err);

	arena_free(arena);
	if (!db)
		return NULL;
	ledger = mem_alloc(sizeof(*ledger));
	pthread_mutex_init(&ledger->lock, NULL);
	ledger->db = db;
	ledger->identity = mem_strdup(identity);
	if (prepare(ledger, err) < 0) {
		ledger_close(ledger);
		return NULL;
	}
	return ledger;
}

void ledger_close(struct ledger *ledger)
{
	if (!ledger)
		return;
	db_close(ledger->db);
	pthread_mutex_destroy(&ledger->lock);
	mem_free(ledger->identity);
	mem_free(ledger);
}

/* ---- mailboxes ---- */

/* Greater than any given before at this place, also after a mailbox was removed and made anew within a second. */
static int next_uidvalidity(struct ledger *ledger, uint32_t *out, struct err *err)
{
	struct db_statement *place = ledger->sql[SQL_PLACE], *set = ledger->sql[SQL_PLACE_SET];
	uint64_t last, now = (uint64_t)clock_wall();

	if (db_step(place, err) <= 0)
		return -1;
	last = db_u64(place, 1);
	db_reset(place);
	last = now > last ? now : last + 1;
	if (last > UINT32_MAX)
		return err_set(err, ERR_LOCAL, "no UIDVALIDITY is left for %s", ledger->identity);
	*out = (uint32_t)last;
	db_bind_text(set, 1, ledger->identity);
	db_bind_u64(set, 2, last);
	return run(set, err);
}

/* 1 = found, 0, -1 */
static int find_box(
	struct ledger *ledger, const char *name, struct ledger_box *out, struct err *err)
{
	struct db_statement *find = ledger->sql[SQL_FIND];
	int rc;

	db_bind_text(find, 1, name);
	rc = db_step(find, err);
	if (rc <= 0)
		return rc;
	*out = (struct ledger_box){ .id = db_i64(find, 0),
		.facts = { .uidvalidity = (uint32_t)db_u64(find, 1),
			.uidnext = (uint32_t)db_u64(find, 2),
			.messages = (uint32_t)db_u64(find, 3) } };
	db_reset(find);
	if (out->facts.uidvalidity == 0 || out->facts.uidnext == 0)
		return db_damaged(ledger->db, err);
	return 1;
}

static int get_box(struct ledger *ledger, const char *name, struct ledger_box *out, struct err *err)
{
	struct db_statement *new = ledger->sql[SQL_NEW];
	uint32_t uidvalidity = 0;
	int rc = find_box(ledger, name, out, err);

	if (rc != 0)
		return rc < 0 ? -1 : 0;
	if (next_uidvalidity(ledger, &uidvalidity, err) < 0)
		return -1;
	db_bind_text(new, 1, name);
	db_bind_u64(new, 2, uidvalidity);
	if (run(new, err) < 0)
		return -1;
	*out = (struct ledger_box){ .id = db_last_id(ledger->db),
		.facts = { .uidvalidity = uidvalidity, .uidnext = 1 } };
	return 0;
}

static int set_box(struct ledger *ledger, const struct ledger_box *box, struct err *err)
{
	struct db_statement *set = ledger->sql[SQL_SET];

	db_bind_i64(set, 1, box->id);
	db_bind_u64(set, 2, box->facts.uidnext);
	db_bind_u64(set, 3, box->facts.messages);
	return run(set, err);
}

static int drop_box(struct ledger *ledger, int64_t id, struct err *err)
{
	db_bind_i64(ledger->sql[SQL_GONE_ALL], 1, id);
	db_bind_i64(ledger->sql[SQL_DROP], 1, id);
	return run(ledger->sql[SQL_GONE_ALL], err) < 0 || run(ledger->sql[SQL_DROP], err) < 0 ? -1
											      : 0;
}

int ledger_facts(
	struct ledger *ledger, const char *mailbox, struct ledger_facts *out, struct err *err)
{
	struct ledger_box box;
	int rc;

	if (begin(ledger, err) < 0)
		return -1;
	rc = get_box(ledger, mailbox, &box, err);
	if (rc == 0)
		*out = box.facts;
	return end(ledger, rc, err);
}

int ledger_forget(struct ledger *ledger, const char *mailbox, struct err *err)
{
	struct ledger_box box;
	int rc;

	if (begin(ledger, err) < 0)
		return -1;
	rc = find_box(ledger, mailbox, &box, err);
	if (rc > 0)
		rc = drop_box(ledger, box.id, err);
	return end(ledger, rc, err);
}

int ledger_rename(struct ledger *ledger, const char *from, const char *to, struct err *err)
{
	struct db_statement *rename = ledger->sql[SQL_RENAME];
	struct ledger_box box, other;
	int rc;

	if (begin(ledger, err) < 0)
		return -1;
	rc = find_box(ledger, to, &other, err);
	if (rc > 0)
		rc = drop_box(ledger, other.id, err);
	if (rc == 0)
		rc = find_box(ledger, from, &box, err);
	if (rc > 0) {
		db_bind_i64(rename, 1, box.id);
		db_bind_text(rename, 2, to);
		rc = run(rename, err);
	}
	return end(ledger, rc, err);
}

/* ---- messages ---- */

static int put(struct ledger *ledger, struct ledger_box *box, struct digest128 key,
	uint32_t *uid_out, struct err *err)
{
	struct db_statement *put = ledger->sql[SQL_PUT];

	if (box->facts.uidnext >= UID_MAX)
		return err_set(
			err, ERR_MAILBOX, "no UID is left in this mailbox of %s", ledger->identity);
	*uid_out = box->facts.uidnext++;
	db_bind_i64(put, 1, box->id);
	db_bind_u64(put, 2, *uid_out);
	db_bind_blob(put, 3, span_make((const char *)&key, sizeof(key)));
	return run(put, err);
}

int ledger_add(struct ledger *ledger, const char *mailbox, const struct digest128 *key,
	size_t count, uint32_t *uid_out, struct err *err)
{
	struct ledger_box box = { 0 };
	int rc;

	if (begin(ledger, err) < 0)
		return -1;
	rc = get_box(ledger, mailbox, &box, err);
	for (size_t i = 0; i < count && rc == 0; i++)
		rc = put(ledger, &box, key[i], &uid_out[i], err);
	box.facts.messages += (uint32_t)count;
	if (rc == 0)
		rc = set_box(ledger, &box, err);
	return end(ledger, rc, err);
}

/* What is recorded, by UID. -1, or the number; *out is to be freed. */
static ssize_t load(
	struct ledger *ledger, const struct ledger_box *box, struct entry **out, struct err *err)
{
	struct db_statement *list = ledger->sql[SQL_LIST];
	size_t count = 0, room = (size_t)box->facts.messages + 1;
	int rc;

	*out = mem_array(room, sizeof(**out));
	db_bind_i64(list, 1, box->id);
	while ((rc = db_step(list, err)) > 0) {
		struct span key = db_blob(list, 1);

		if (key.len != sizeof(struct digest128)) {
			db_reset(list);
			return db_damaged(ledger->db, err);
		}
		if (count == room) {
			room *= 2;
			*out = mem_resize(*out, room, sizeof(**out));
		}
		(*out)[count].uid = (uint32_t)db_u64(list, 0);
		memcpy(&(*out)[count++].key, key.data, key.len);
	}
	return rc < 0 ? -1 : (ssize_t)count;
}

/* Places in what is recorded. */
static int by_key(const void *a, const void *b, void *context)
{
	const uint32_t *x = a, *y = b;
	const struct entry *was = context;
	int order = digest128_compare(was[*x].key, was[*y].key);

	return order ? order : (*x > *y) - (*x < *y);
}

static int gone(struct ledger *ledger, const struct ledger_box *box, uint32_t uid, struct err *err)
{
	db_bind_i64(ledger->sql[SQL_GONE], 1, box->id);
	db_bind_u64(ledger->sql[SQL_GONE], 2, uid);
	return run(ledger->sql[SQL_GONE], err);
}

/* Places in the list, by its keys. */
static int by_place(const void *a, const void *b, void *context)
{
	const uint32_t *x = a, *y = b;
	const struct digest128 *key = context;
	int order = digest128_compare(key[*x], key[*y]);

	return order ? order : (*x > *y) - (*x < *y);
}

/* What is there now and what is recorded, each with its places in the order of keys. */
struct matching {
	const struct digest128 *key;
	struct entry *was;
	uint32_t *now_order, *was_order;
	size_t count, recorded;
};

static uint32_t *places(size_t count)
{
	uint32_t *place = mem_array(count + 1, sizeof(*place));

	for (size_t i = 0; i < count; i++)
		place[i] = (uint32_t)i;
	return place;
}

/* Walked together: the n-th of equal ones is the n-th. */
static int match(struct ledger *ledger, const struct ledger_box *box,
	const struct matching *matching, uint32_t *uid_out, struct err *err)
{
	size_t i = 0, j = 0;

	while (i < matching->count || j < matching->recorded) {
		const uint32_t now = matching->now_order[i];
		const struct entry *was = &matching->was[matching->was_order[j]];
		const int order = i == matching->count ? 1
				  : j == matching->recorded
					  ? -1
					  : digest128_compare(matching->key[now], was->key);

		if (order > 0 && gone(ledger, box, was->uid, err) < 0)
			return -1;
		if (order == 0)
			uid_out[now] = was->uid;
		i += order <= 0;
		j += order >= 0;
	}
	return 0;
}

/* Sorted are places only, for a big mailbox's sake. */
static int match_all(struct ledger *ledger, const struct ledger_box *box, struct matching *matching,
	uint32_t *uid_out, struct err *err)
{
	const ssize_t recorded = load(ledger, box, &matching->was, err);
	int rc = -1;

	matching->recorded = recorded < 0 ? 0 : (size_t)recorded;
	matching->now_order = places(matching->count);
	matching->was_order = places(matching->recorded);
	if (recorded >= 0) {
		qsort_r(matching->now_order, matching->count, sizeof(uint32_t), by_place,
			(void *)matching->key);
		qsort_r(matching->was_order, matching->recorded, sizeof(uint32_t), by_key,
			matching->was);
		rc = match(ledger, box, matching, uid_out, err);
	}
	mem_free(matching->was_order);
	mem_free(matching->now_order);
	mem_free(matching->was);
	return rc;
}

static int assign(struct ledger *ledger, struct ledger_box *box, const struct digest128 *key,
	size_t count, uint32_t *uid_out, struct err *err)
{
	struct matching matching = { .key = key, .count = count };
	const uint32_t before = box->facts.messages, uidnext = box->facts.uidnext;
	int rc;

	memset(uid_out, 0, count * sizeof(*uid_out));
	rc = match_all(ledger, box, &matching, uid_out, err);
	for (size_t i = 0; i < count && rc == 0; i++) {
		if (uid_out[i] == 0)
			rc = put(ledger, box, key[i], &uid_out[i], err);
	}
	box->facts.messages = (uint32_t)count;
	if (rc == 0 && (before != count || uidnext != box->facts.uidnext))
		rc = set_box(ledger, box, err);
	return rc;
}

int ledger_assign(struct ledger *ledger, const char *mailbox, const struct digest128 *key,
	size_t count, uint32_t *uid_out, struct ledger_facts *facts_out, struct err *err)
{
	struct ledger_box box;
	int rc;

	if (begin(ledger, err) < 0)
		return -1;
	rc = get_box(ledger, mailbox, &box, err);
	if (rc == 0)
		rc = assign(ledger, &box, key, count, uid_out, err);
	if (rc == 0 && facts_out)
		*facts_out = box.facts;
	return end(ledger, rc, err);
}
