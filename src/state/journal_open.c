/* A journal's file: its place, its lock, its tables, and the statements that know which side is the source. */
#include "state/journal_parts.h"

#include "base/arena.h"
#include "base/mem.h"
#include "base/os.h"
#include "base/path.h"
#include "base/span.h"

#define APPLICATION_ID 0x4d486a31 /* "MHj1" */
#define HASH_BYTES 16

/*
 * Sides are a and b by the order of the identities. Statuses are those of enum journal_status with a as the source. flags 0 is the empty
 * set. One row of `accounts` says whose file this is; `syncs` is written to when a commit must reach the disk and has nothing to say.
 */
static const char *const schema[] = {
	"CREATE TABLE accounts(id INTEGER PRIMARY KEY CHECK(id = 1), identity_a TEXT NOT NULL,"
	" identity_b TEXT NOT NULL, syncs INTEGER NOT NULL DEFAULT 0) STRICT;"
	"CREATE TABLE mailbox(id INTEGER PRIMARY KEY, name_a TEXT NOT NULL, name_b TEXT NOT NULL,"
	" mailboxid_a TEXT, mailboxid_b TEXT,"
	" uidvalidity_a INTEGER NOT NULL, uidvalidity_b INTEGER NOT NULL,"
	" uidnext_a INTEGER NOT NULL, uidnext_b INTEGER NOT NULL,"
	" modseq_a INTEGER NOT NULL, modseq_b INTEGER NOT NULL,"
	" messages_a INTEGER NOT NULL, messages_b INTEGER NOT NULL,"
	" baseline_a INTEGER NOT NULL DEFAULT 0, baseline_b INTEGER NOT NULL DEFAULT 0,"
	" selection_a INTEGER NOT NULL DEFAULT 0, selection_b INTEGER NOT NULL DEFAULT 0,"
	" UNIQUE(name_a, name_b)) STRICT;"
	"CREATE TABLE flagset(id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT;"
	"CREATE TABLE pair(mailbox INTEGER NOT NULL, uid_a INTEGER NOT NULL, uid_b INTEGER NOT "
	"NULL,"
	" flags_a INTEGER NOT NULL, flags_b INTEGER NOT NULL, status INTEGER NOT NULL,"
	" size INTEGER NOT NULL, head_digest BLOB, body_digest BLOB,"
	" PRIMARY KEY(mailbox, uid_a, uid_b)) WITHOUT ROWID, STRICT;"
	"CREATE INDEX pair_b ON pair(mailbox, uid_b);"
	"CREATE TABLE spent(hour INTEGER PRIMARY KEY, octets INTEGER NOT NULL) STRICT;",
	"ALTER TABLE mailbox ADD COLUMN doubt_a INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE mailbox ADD COLUMN doubt_b INTEGER NOT NULL DEFAULT 0;",
	"CREATE TABLE grave(mailbox INTEGER NOT NULL, status INTEGER NOT NULL, head_digest BLOB NOT NULL,"
	" size INTEGER NOT NULL) STRICT;"
	"CREATE INDEX grave_mailbox ON grave(mailbox, status, head_digest, size);",
	"ALTER TABLE mailbox ADD COLUMN view_a BLOB; ALTER TABLE mailbox ADD COLUMN view_b BLOB;",
};

/* $ is the letter of the source's side, @ that of the destination's. baseline_b, doubt_b, selection_b and view_b are those of copying towards b. */
static const struct {
	enum journal_sql which;
	const char *text;
} statements[] = {
	{ SQL_BEGIN, "BEGIN IMMEDIATE" },
	{ SQL_COMMIT, "COMMIT" },
	{ SQL_TOUCH, "UPDATE accounts SET syncs = syncs + 1" },
	{ SQL_MAILBOX_ANY, "SELECT 1 FROM mailbox LIMIT 1" },
	{ SQL_MAILBOX_COUNT, "SELECT count(*) FROM mailbox" },
	{ SQL_MAILBOX_LIST,
		"SELECT id, name_$, name_@, uidvalidity_$, uidvalidity_@, uidnext_$, uidnext_@,"
		" modseq_$, modseq_@, messages_$, messages_@, mailboxid_$, mailboxid_@,"
		" baseline_@, selection_@, doubt_@, view_@ FROM mailbox ORDER BY name_$, name_@" },
	{ SQL_MAILBOX_FIND, "SELECT id, uidvalidity_$, uidvalidity_@ FROM mailbox WHERE name_$ = "
			    "?1 AND name_@ = ?2" },
	{ SQL_MAILBOX_ADD,
		"INSERT INTO mailbox(name_$, name_@, uidvalidity_$, uidvalidity_@, uidnext_$, "
		"uidnext_@,"
		" modseq_$, modseq_@, messages_$, messages_@, mailboxid_$, mailboxid_@, baseline_@,"
		" selection_@, doubt_@, view_@) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11,"
		" ?12, ?13, ?14, ?15, ?16)" },
	{ SQL_MAILBOX_SET,
		"UPDATE mailbox SET selection_$ = CASE WHEN uidvalidity_$ = ?3 AND uidvalidity_@ = "
		"?4"
		" AND uidnext_$ = ?5 AND uidnext_@ = ?6 AND modseq_$ = ?7 AND modseq_@ = ?8"
		" AND messages_$ = ?9 AND messages_@ = ?10 THEN selection_$ ELSE 0 END,"
		" uidvalidity_$ = ?3, uidvalidity_@ = ?4, uidnext_$ = ?5, uidnext_@ = ?6,"
		" modseq_$ = ?7, modseq_@ = ?8, messages_$ = ?9, messages_@ = ?10, mailboxid_$ = "
		"?11,"
		" mailboxid_@ = ?12, baseline_@ = ?13, selection_@ = ?14, doubt_@ = ?15,"
		" view_@ = ?16"
		" WHERE name_$ = ?1 AND name_@ = ?2" },
	{ SQL_MAILBOX_STALE,
		"UPDATE mailbox SET uidvalidity_a = 0, uidvalidity_b = 0, selection_a = 0,"
		" selection_b = 0, view_a = NULL, view_b = NULL WHERE id = ?1" },
	{ SQL_PAIR_COUNT, "SELECT count(*) FROM pair WHERE mailbox = ?1" },
	{ SQL_PAIR_COUNTS, "SELECT status, count(*) FROM pair WHERE mailbox = ?1 GROUP BY status" },
	{ SQL_PAIR_SIZES, "SELECT uid_$, uid_@, size FROM pair WHERE mailbox = ?1 AND size > 0 AND"
			  " status = 0 ORDER BY uid_a LIMIT ?2" },
	{ SQL_SPEND,
		"INSERT INTO spent(hour, octets) VALUES(?1, ?2) ON CONFLICT(hour) DO UPDATE SET"
		" octets = octets + excluded.octets" },
	{ SQL_SPENT,
		"SELECT ifnull(sum(octets), 0) FROM spent WHERE hour > ?1 - 24 AND hour <= ?1" },
	{ SQL_PAIR_LIST,
		"SELECT uid_$, uid_@, flags_$, flags_@, status, size, head_digest IS NOT NULL FROM pair"
		" WHERE mailbox = ?1 ORDER BY uid_a, uid_b" },
	{ SQL_PAIR_REACH, "SELECT ifnull(max(uid), 0), ifnull(min(uid), 1) = 0 FROM"
			  " (SELECT max(uid_$) AS uid FROM pair WHERE mailbox = ?1"
			  " UNION ALL SELECT min(uid_$) FROM pair WHERE mailbox = ?1)" },
	{ SQL_PAIR_FIND, "SELECT uid_@ FROM pair WHERE mailbox = ?1 AND uid_$ = ?2" },
	{ SQL_PAIR_PUT, "INSERT INTO pair(mailbox, uid_$, uid_@, flags_$, flags_@, status, size,"
			" head_digest, body_digest) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
			" ON CONFLICT DO UPDATE SET flags_$ = ?4, flags_@ = ?5, status = ?6,"
			" size = CASE WHEN ?7 > 0 THEN ?7 ELSE size END,"
			" head_digest = ifnull(?8, head_digest),"
			" body_digest = ifnull(?9, body_digest)" },
	{ SQL_PAIR_DROP, "DELETE FROM pair WHERE mailbox = ?1 AND uid_$ = ?2" },
	{ SQL_PAIR_DROP_ONE, "DELETE FROM pair WHERE mailbox = ?1 AND uid_$ = ?2 AND uid_@ = ?3" },
	{ SQL_PAIR_DROP_ALL, "DELETE FROM pair WHERE mailbox = ?1" },
	{ SQL_PAIR_STATUS, "UPDATE pair SET status = ?3 WHERE mailbox = ?1 AND uid_$ = ?2" },
	{ SQL_GRAVE_DIG, "INSERT INTO grave(mailbox, status, head_digest, size)"
			 " SELECT mailbox, status, head_digest, size FROM pair WHERE mailbox = ?1"
			 " AND status IN (1, 2) AND size > 0 AND head_digest IS NOT NULL" },
	{ SQL_GRAVE_LIST,
		"SELECT head_digest, size FROM grave WHERE mailbox = ?1 AND status = ?2" },
	{ SQL_GRAVE_FILL,
		"DELETE FROM grave WHERE rowid = (SELECT rowid FROM grave WHERE mailbox = ?1"
		" AND status = ?2 AND head_digest = ?3 AND size = ?4 LIMIT 1)" },
	{ SQL_FLAGS_FIND, "SELECT id FROM flagset WHERE text = ?1" },
	{ SQL_FLAGS_ADD, "INSERT INTO flagset(text) VALUES(?1)" },
	{ SQL_FLAGS_TEXT, "SELECT text FROM flagset WHERE id = ?1" },
};
_Static_assert(countof(statements) == SQL_COUNT, "a statement each");

static int prepare_all(struct journal *journal, struct arena *arena, struct err *err)
{
	for (size_t i = 0; i < countof(statements); i++) {
		char *text = arena_strdup(arena, statements[i].text);

		for (char *at = text; *at; at++) {
			if (*at == '$')
				*at = journal->swapped ? 'b' : 'a';
			else if (*at == '@')
				*at = journal->swapped ? 'a' : 'b';
		}

		struct db_statement *statement = db_prepare(journal->db, text, err);
		if (!statement)
			return -1;
		journal->sql[statements[i].which] = statement;
	}
	return 0;
}

struct sides {
	const char *a, *b;
};

/* A new file is given its identities; one that has others was put there by hand. */
static int check_accounts(struct journal *journal, struct sides sides, struct err *err)
{
	struct db *db = journal->db;
	struct db_statement *find =
		db_prepare(db, "SELECT identity_a, identity_b FROM accounts", err);
	struct db_statement *add = db_prepare(
		db, "INSERT INTO accounts(id, identity_a, identity_b) VALUES(1, ?1, ?2)", err);

	if (!find || !add)
		return -1;
	const int rc = db_step(find, err);
	if (rc < 0)
		return -1;
	if (rc == 0) {
		db_bind_text(add, 1, sides.a);
		db_bind_text(add, 2, sides.b);
		return db_step(add, err);
	}

	const struct span a = db_blob(find, 0), b = db_blob(find, 1);
	const bool same = span_equal_text(a, sides.a) && span_equal_text(b, sides.b);
	if (!same)
		err_set(err, ERR_LOCAL,
			"%s was recorded for other accounts (%.*s and %.*s); move it away and run "
			"again",
			journal->path, (int)a.len, a.data, (int)b.len, b.data);
	db_reset(find);
	return same ? 0 : -1;
}

static int open_db(struct journal *journal, struct sides sides, struct err *err)
{
	struct arena *arena;
	int rc;

	journal->db = db_open(*journal->path ? journal->path : NULL, err);
	if (!journal->db ||
		db_migrate(journal->db, APPLICATION_ID, schema, countof(schema), err) < 0 ||
		check_accounts(journal, sides, err) < 0)
		return -1;
	arena = arena_new();
	rc = prepare_all(journal, arena, err);
	arena_free(arena);
	if (rc < 0)
		return -1;
	rc = db_step(journal->sql[SQL_MAILBOX_ANY], err);
	if (rc < 0)
		return -1;
	journal->is_new = rc == 0;
	db_reset(journal->sql[SQL_MAILBOX_ANY]);
	return 0;
}

/* The NUL between them is in no identity. */
static char *file_stem(struct arena *arena, const char *dir, struct sides sides)
{
	struct digest *digest = digest_new();
	unsigned char hash[DIGEST_SIZE];
	char hex[2 * HASH_BYTES + 1];

	digest_add(digest, span_make(sides.a, strlen(sides.a) + 1));
	digest_add(digest, span_of(sides.b));
	digest_end(digest, hash);
	digest_free(digest);
	digest_hex(hash, HASH_BYTES, hex);
	return arena_print(arena, "%s/%s", dir, hex);
}

static int take_place(struct journal *journal, const char *dir, struct sides sides, struct err *err)
{
	struct arena *arena = arena_new();
	int rc = path_make_dirs(dir, 0700, err);

	if (rc == 0) {
		const char *stem = file_stem(arena, dir, sides);

		mem_free(journal->path);
		journal->path = mem_strdup(arena_print(arena, "%s.db", stem));
		journal->lock_fd = path_lock(arena_print(arena, "%s.lock", stem), err);
		rc = journal->lock_fd < 0 ? -1 : 0;
	}
	arena_free(arena);
	return rc;
}

static void journal_free(struct journal *journal)
{
	db_close(journal->db);
	path_unlock(journal->lock_fd);
	for (size_t i = 0; i < FLAG_SLOTS; i++)
		mem_free(journal->slots[i].text);
	queue_release(&journal->writing);
	queue_release(&journal->queue);
	pthread_mutex_destroy(&journal->queue_lock);
	pthread_mutex_destroy(&journal->db_lock);
	mem_free(journal->path);
	mem_free(journal);
}

static struct sides order_sides(const char *src_identity, const char *dst_identity)
{
	return strcmp(src_identity, dst_identity) > 0
		       ? (struct sides){ dst_identity, src_identity }
		       : (struct sides){ src_identity, dst_identity };
}

bool journal_exists(const char *dir, const char *src_identity, const char *dst_identity)
{
	struct arena *arena = arena_new();
	const char *stem = file_stem(arena, dir, order_sides(src_identity, dst_identity));
	struct stat st;
	const bool exists = os_stat(arena_print(arena, "%s.db", stem), &st) == 0;

	arena_free(arena);
	return exists;
}

struct journal *journal_open(
	const char *dir, const char *src_identity, const char *dst_identity, struct err *err)
{
	struct journal *journal = mem_alloc(sizeof(*journal));
	const bool swapped = strcmp(src_identity, dst_identity) > 0;
	const struct sides sides = order_sides(src_identity, dst_identity);

	pthread_mutex_init(&journal->db_lock, NULL);
	pthread_mutex_init(&journal->queue_lock, NULL);
	queue_init(&journal->queue);
	queue_init(&journal->writing);
	journal->swapped = swapped;
	journal->unsynced =
		dir != NULL; /* a killed run may have left commits in the system's cache */
	journal->lock_fd = -1;
	journal->path = mem_strdup("");
	if ((dir && take_place(journal, dir, sides, err) < 0) || open_db(journal, sides, err) < 0) {
		journal_free(journal);
		return NULL;
	}
	return journal;
}

int journal_close(struct journal *journal, struct err *err)
{
	if (!journal)
		return 0;

	const int rc = journal_commit(journal, true, err);
	os_point("journal close");
	journal_free(journal);
	os_point("journal closed");
	return rc;
}

const char *journal_path(const struct journal *journal)
{
	return journal->path;
}

bool journal_is_new(const struct journal *journal)
{
	return journal->is_new;
}

bool journal_remembers(const struct journal *journal)
{
	return *journal->path != '\0';
}
