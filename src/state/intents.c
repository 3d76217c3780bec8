/* One SQLite file an account; each call is one transaction. */
#include "state/intents.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/os.h"
#include "base/path.h"
#include "state/db.h"

#include <pthread.h>
#include <sys/stat.h>

#define APPLICATION_ID 0x4d486d31 /* "MHm1" */
#define HASH_BYTES 16

static const char *const schema[] = {
	"CREATE TABLE place(id INTEGER PRIMARY KEY CHECK(id = 1), identity TEXT NOT NULL) STRICT;"
	"CREATE TABLE intent(id INTEGER PRIMARY KEY, source TEXT NOT NULL, target TEXT NOT NULL,"
	" source_uidvalidity INTEGER NOT NULL, target_uidvalidity INTEGER NOT NULL,"
	" target_uidnext INTEGER NOT NULL, UNIQUE(source, target)) STRICT;"
	"CREATE TABLE message(intent INTEGER NOT NULL, uid INTEGER NOT NULL, size INTEGER NOT NULL,"
	" digest BLOB NOT NULL, PRIMARY KEY(intent, uid)) WITHOUT ROWID, STRICT;",
	"CREATE TABLE claim(intent INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,"
	" PRIMARY KEY(intent, first, last)) WITHOUT ROWID, STRICT;",
};

enum intents_sql {
	SQL_PLACE,
	SQL_PLACE_SET,
	SQL_FIND,
	SQL_NEW,
	SQL_DROP,
	SQL_LIST,
	SQL_PUT,
	SQL_GONE,
	SQL_CLAIMS,
	SQL_CLAIM_PUT,
	SQL_CLAIM_OTHERS,
	SQL_CLAIMS_GONE,
	SQL_RIVALS,
	SQL_SOURCES,
	SQL_COUNT
};

static const char *const statements[SQL_COUNT] = {
	[SQL_PLACE] = "SELECT identity FROM place",
	[SQL_PLACE_SET] = "INSERT INTO place(id, identity) VALUES(1, ?1)",
	[SQL_FIND] = "SELECT id, source_uidvalidity, target_uidvalidity, target_uidnext FROM intent"
		     " WHERE source = ?1 AND target = ?2",
	[SQL_NEW] =
		"INSERT INTO intent(source, target, source_uidvalidity, target_uidvalidity, target_uidnext)"
		" VALUES(?1, ?2, ?3, ?4, ?5)",
	[SQL_DROP] = "DELETE FROM intent WHERE id = ?1",
	[SQL_LIST] = "SELECT uid, size, digest FROM message WHERE intent = ?1 ORDER BY uid",
	[SQL_PUT] = "INSERT OR REPLACE INTO message(intent, uid, size, digest)"
		    " VALUES(?1, ?2, ?3, ?4)",
	[SQL_GONE] = "DELETE FROM message WHERE intent = ?1",
	[SQL_CLAIMS] = "SELECT first, last FROM claim WHERE intent = ?1 ORDER BY first",
	[SQL_CLAIM_PUT] = "INSERT OR IGNORE INTO claim(intent, first, last) VALUES(?1, ?2, ?3)",
	[SQL_CLAIM_OTHERS] =
		"INSERT OR IGNORE INTO claim(intent, first, last) SELECT id, ?4, ?5 FROM intent"
		" WHERE target = ?2 AND source <> ?1 AND target_uidvalidity = ?3",
	[SQL_CLAIMS_GONE] = "DELETE FROM claim WHERE intent = ?1",
	[SQL_RIVALS] =
		"SELECT uid, size, digest FROM message JOIN intent ON intent.id = message.intent"
		" WHERE source <> ?1 AND target = ?2",
	[SQL_SOURCES] = "SELECT source FROM intent WHERE target = ?1 ORDER BY source",
};

struct intents {
	pthread_mutex_t lock;
	struct db *db;
	char *identity;
	struct db_statement *sql[SQL_COUNT];
};

/* ---- opening ---- */

static char *file_path(const char *dir, const char *identity, struct arena *arena)
{
	unsigned char hash[DIGEST_SIZE];
	char hex[2 * HASH_BYTES + 1];

	digest_bytes(span_of(identity), hash);
	digest_hex(hash, HASH_BYTES, hex);
	return arena_print(arena, "%s/moves/%s.db", dir, hex);
}

static int run(struct db_statement *statement, struct err *err)
{
	return db_step(statement, err) < 0 ? -1 : 0;
}

/* A file that says it is another account's was moved or copied here. */
static int check_place(struct intents *intents, struct err *err)
{
	struct db_statement *place = intents->sql[SQL_PLACE];
	const int rc = db_step(place, err);
	bool same =
		rc > 0 && db_text(place, 0) && strcmp(db_text(place, 0), intents->identity) == 0;

	if (rc < 0)
		return -1;
	if (rc > 0) {
		db_reset(place);
		return same ? 0 : db_damaged(intents->db, err);
	}
	db_bind_text(intents->sql[SQL_PLACE_SET], 1, intents->identity);
	return run(intents->sql[SQL_PLACE_SET], err);
}

static int prepare(struct intents *intents, struct err *err)
{
	if (db_migrate(intents->db, APPLICATION_ID, schema, countof(schema), err) < 0)
		return -1;
	for (size_t i = 0; i < SQL_COUNT; i++) {
		intents->sql[i] = db_prepare(intents->db, statements[i], err);
		if (!intents->sql[i])
			return -1;
	}
	db_set_durable(intents->db, true);
	return check_place(intents, err);
}

struct intents *intents_open(const char *dir, const char *identity, struct err *err)
{
	struct arena *arena = arena_new();
	struct intents *intents = NULL;
	struct db *db = NULL;

	if (!dir || path_make_dirs(arena_print(arena, "%s/moves", dir), 0700, err) == 0)
		db = db_open(dir ? file_path(dir, identity, arena) : NULL, err);
	arena_free(arena);
	if (!db)
		return NULL;
	intents = mem_alloc(sizeof(*intents));
	pthread_mutex_init(&intents->lock, NULL);
	intents->db = db;
	intents->identity = mem_strdup(identity);
	if (prepare(intents, err) < 0) {
		intents_close(intents);
		return NULL;
	}
	return intents;
}

void intents_close(struct intents *intents)
{
	if (!intents)
		return;
	db_close(intents->db);
	pthread_mutex_destroy(&intents->lock);
	mem_free(intents->identity);
	mem_free(intents);
}

bool intents_exist(const char *dir, const char *identity)
{
	struct arena *arena = arena_new();
	struct stat st;
	const bool there = dir && os_stat(file_path(dir, identity, arena), &st) == 0;

	arena_free(arena);
	return there;
}

/* ---- one intent ---- */

static int begin(struct intents *intents, struct err *err)
{
	pthread_mutex_lock(&intents->lock);
	if (db_exec(intents->db, "BEGIN IMMEDIATE", err) == 0)
		return 0;
	pthread_mutex_unlock(&intents->lock);
	return -1;
}

static int end(struct intents *intents, int rc, struct err *err)
{
	if (rc >= 0 && db_exec(intents->db, "COMMIT", err) < 0)
		rc = -1;
	if (rc < 0)
		db_rollback(intents->db);
	pthread_mutex_unlock(&intents->lock);
	return rc;
}

/* 1 = found, 0, -1. out may be NULL. */
static int find(struct intents *intents, const char *source, const char *target, int64_t *id_out,
	struct intent *out, struct err *err)
{
	struct db_statement *find = intents->sql[SQL_FIND];
	int rc;

	db_bind_text(find, 1, source);
	db_bind_text(find, 2, target);
	rc = db_step(find, err);
	if (rc <= 0)
		return rc;
	*id_out = db_i64(find, 0);
	if (out)
		*out = (struct intent){ .source_uidvalidity = (uint32_t)db_u64(find, 1),
			.target_uidvalidity = (uint32_t)db_u64(find, 2),
			.target_uidnext = (uint32_t)db_u64(find, 3) };
	db_reset(find);
	return 1;
}

/* The messages that a bound statement lists. */
static int load_messages(struct intents *intents, struct db_statement *list, struct arena *arena,
	struct intent_message **message_out, size_t *count_out, struct err *err)
{
	size_t room = 0;
	int rc;

	*message_out = NULL;
	*count_out = 0;
	while ((rc = db_step(list, err)) > 0) {
		const struct span digest = db_blob(list, 2);
		struct intent_message *message;

		if (digest.len != sizeof(message->digest)) {
			db_reset(list);
			return db_damaged(intents->db, err);
		}
		if (*count_out == room) {
			const size_t more = room ? room * 2 : 64;

			*message_out =
				arena_grow(arena, *message_out, room, more, sizeof(**message_out));
			room = more;
		}
		message = &(*message_out)[(*count_out)++];
		message->uid = (uint32_t)db_u64(list, 0);
		message->size = db_u64(list, 1);
		memcpy(&message->digest, digest.data, digest.len);
	}
	return rc;
}

static int load_claims(struct intents *intents, int64_t id, struct arena *arena, struct intent *out,
	struct err *err)
{
	struct db_statement *list = intents->sql[SQL_CLAIMS];
	struct intent_range *range = NULL;
	size_t count = 0, room = 0;
	int rc;

	db_bind_i64(list, 1, id);
	while ((rc = db_step(list, err)) > 0) {
		if (count == room) {
			const size_t more = room ? room * 2 : 16;

			range = arena_grow(arena, range, room, more, sizeof(*range));
			room = more;
		}
		range[count++] = (struct intent_range){ (uint32_t)db_u64(list, 0),
			(uint32_t)db_u64(list, 1) };
	}
	out->claimed = range;
	out->claims = count;
	return rc;
}

static int load(struct intents *intents, int64_t id, struct arena *arena, struct intent *out,
	struct err *err)
{
	struct db_statement *list = intents->sql[SQL_LIST];

	db_bind_i64(list, 1, id);
	if (load_messages(intents, list, arena, &out->message, &out->count, err) < 0)
		return -1;
	return load_claims(intents, id, arena, out, err);
}

int intents_get(struct intents *intents, const char *source, const char *target,
	struct arena *arena, struct intent *out, struct err *err)
{
	int64_t id = 0;
	int rc;

	*out = (struct intent){ 0 };
	if (begin(intents, err) < 0)
		return -1;
	rc = find(intents, source, target, &id, out, err);
	if (rc > 0 && load(intents, id, arena, out, err) < 0)
		rc = -1;
	out->source = source;
	out->target = target;
	return end(intents, rc, err);
}

static int drop(struct intents *intents, int64_t id, struct err *err)
{
	static const enum intents_sql parts[] = { SQL_GONE, SQL_CLAIMS_GONE, SQL_DROP };

	for (size_t i = 0; i < countof(parts); i++) {
		db_bind_i64(intents->sql[parts[i]], 1, id);
		if (run(intents->sql[parts[i]], err) < 0)
			return -1;
	}
	return 0;
}

static int write_new(struct intents *intents, const struct intent *intent, struct err *err)
{
	struct db_statement *new = intents->sql[SQL_NEW], *put = intents->sql[SQL_PUT];
	int64_t id;

	db_bind_text(new, 1, intent->source);
	db_bind_text(new, 2, intent->target);
	db_bind_u64(new, 3, intent->source_uidvalidity);
	db_bind_u64(new, 4, intent->target_uidvalidity);
	db_bind_u64(new, 5, intent->target_uidnext);
	if (run(new, err) < 0)
		return -1;
	id = db_last_id(intents->db);
	for (size_t i = 0; i < intent->count; i++) {
		const struct intent_message *message = &intent->message[i];

		db_bind_i64(put, 1, id);
		db_bind_u64(put, 2, message->uid);
		db_bind_u64(put, 3, message->size);
		db_bind_blob(
			put, 4, span_make((const char *)&message->digest, sizeof(message->digest)));
		if (run(put, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < intent->claims; i++) {
		struct db_statement *claim = intents->sql[SQL_CLAIM_PUT];

		db_bind_i64(claim, 1, id);
		db_bind_u64(claim, 2, intent->claimed[i].first);
		db_bind_u64(claim, 3, intent->claimed[i].last);
		if (run(claim, err) < 0)
			return -1;
	}
	return 0;
}

int intents_put(struct intents *intents, const struct intent *intent, struct err *err)
{
	int64_t id = 0;
	int rc;

	if (begin(intents, err) < 0)
		return -1;
	rc = find(intents, intent->source, intent->target, &id, NULL, err);
	if (rc > 0)
		rc = drop(intents, id, err);
	if (rc == 0)
		rc = write_new(intents, intent, err);
	return end(intents, rc, err);
}

int intents_drop(struct intents *intents, const char *source, const char *target, struct err *err)
{
	int64_t id = 0;
	int rc;

	if (begin(intents, err) < 0)
		return -1;
	rc = find(intents, source, target, &id, NULL, err);
	if (rc > 0)
		rc = drop(intents, id, err);
	return end(intents, rc, err);
}

int intents_claim(struct intents *intents, const struct intent *intent,
	const struct intent_range *copies, size_t count, struct err *err)
{
	struct db_statement *claim = intents->sql[SQL_CLAIM_OTHERS];
	int rc = 0;

	if (begin(intents, err) < 0)
		return -1;
	for (size_t i = 0; i < count && rc == 0; i++) {
		db_bind_text(claim, 1, intent->source);
		db_bind_text(claim, 2, intent->target);
		db_bind_u64(claim, 3, intent->target_uidvalidity);
		db_bind_u64(claim, 4, copies[i].first);
		db_bind_u64(claim, 5, copies[i].last);
		rc = run(claim, err);
	}
	return end(intents, rc, err);
}

int intents_rivals(struct intents *intents, const char *source, const char *target,
	struct arena *arena, struct intent_message **out, size_t *count_out, struct err *err)
{
	struct db_statement *list = intents->sql[SQL_RIVALS];
	int rc;

	*out = NULL;
	*count_out = 0;
	if (begin(intents, err) < 0)
		return -1;
	db_bind_text(list, 1, source);
	db_bind_text(list, 2, target);
	rc = load_messages(intents, list, arena, out, count_out, err);
	return end(intents, rc, err);
}

int intents_sources(struct intents *intents, const char *target, struct arena *arena,
	const char ***out, size_t *count_out, struct err *err)
{
	struct db_statement *list = intents->sql[SQL_SOURCES];
	size_t room = 0;
	int rc;

	*out = NULL;
	*count_out = 0;
	if (begin(intents, err) < 0)
		return -1;
	db_bind_text(list, 1, target);
	while ((rc = db_step(list, err)) > 0) {
		if (*count_out == room) {
			const size_t more = room ? room * 2 : 8;

			*out = arena_grow(arena, *out, room, more, sizeof(**out));
			room = more;
		}
		(*out)[(*count_out)++] = arena_strdup(arena, db_text(list, 0));
	}
	return end(intents, rc, err);
}
