/*
 * A written inventory of an account, which users know as a manifest (compare --manifest; not the manifest.h that lies beside mail in files): what it held at one
 * moment, to be compared later instead of the account. JSON lines (RFC 8259):
 *
 *	{"version":1,"type":"manifest","location":"imaps://anna@old.example","written":"2026-11-27T05:20:00Z","header_digest":1,"content":false,"flags":true,
 *	 "dates":true,"all_mailboxes":true,"all_messages":true}
 *	{"type":"mailbox","mailbox":"INBOX","uidvalidity":17,"messages":1,"complete":true,"error":null}
 *	{"type":"message","mailbox":"INBOX","uid":1,"internaldate":"2024-01-01T12:00:00+01:00","size":2310,"flags":"\\Seen","header":"…","content":null,
 *	 "message_id":"<x@example>"}
 *	{"type":"total","mailboxes":1,"messages":1,"complete":true}
 *	{"type":"digest","sha256":"…","signature":"…"}
 *
 * sha256 is of all octets before the last line; signature (base64, or null) is Ed25519 over "mailhaul manifest 1\n" and sha256 in hexadecimal. A file that is
 * cut, changed or written over halfway is refused whole. What a mailbox did not show is complete: false, and unknown to whoever compares; so is what all_mailboxes or
 * all_messages: false say that options left out.
 *
 * Owner: the caller. Threads: writing is locked inside; reading one at a time. Memory: the mailboxes; messages stream.
 *
 *	writer = inventory_create("a.jsonl", &about, err);
 *	inventory_mailbox(writer, &mailbox, err); …                       // its rows with it
 *	inventory_finish(writer, "key.pem", false, true, &sum, err);      // and freed, whatever it returns
 */
#ifndef STORE_INVENTORY_H
#define STORE_INVENTORY_H

#include "base/must.h"
#include "store/snapshot.h"

#define INVENTORY_VERSION 1
#define INVENTORY_LINE_MAX 262144 /* octets of a line */

struct arena;
struct err;
struct inventory;
struct inventory_writer;

struct inventory_about {
	const char *location; /* account_name() */
	bool content; /* content digests are in it */
	bool flags, dates; /* the account keeps them */
	bool all_mailboxes, all_messages; /* options left none out */
};

struct inventory_mailbox {
	const char *name;
	uint32_t uidvalidity;
	const struct snapshot *rows; /* NULL: it could not be read */
	const uint8_t
		*reason; /* enum select_reason a row: only SELECT_YES (0) is written; NULL = all */
	const struct flag_table *flags;
	struct span (*message_id)(void *context, uint32_t uid); /* data NULL = none */
	void *context;
	const char *error; /* why it could not be read */
};

struct inventory_sum {
	uint64_t mailboxes, messages;
	bool complete;
};

struct inventory_writer *inventory_create(
	const char *path, const struct inventory_about *about, struct err *err);
/* After -1 nothing can be written any more. */
int inventory_mailbox(struct inventory_writer *writer, const struct inventory_mailbox *mailbox,
	struct err *err) MUST_CHECK;
/* complete: every mailbox that was chosen is in it. replace: a file of this name goes, else it is an error. Frees the writer. */
int inventory_finish(struct inventory_writer *writer, const char *key_file, bool replace,
	bool complete, struct inventory_sum *out, struct err *err) MUST_CHECK;
void inventory_abandon(struct inventory_writer *writer); /* nothing stays behind; accepts NULL */

/* ---- reading ---- */

struct inventory_box {
	const char *name;
	uint32_t uidvalidity, uidnext, messages;
	bool complete;
	const char *error; /* or NULL */
	int64_t offset; /* of its first message */
	struct digest128 sum; /* of the lines of its messages */
};

/* Reads it whole once and checks everything: ERR_LOCAL kind PATH, naming file and line. verify_key NULL: a signature is not looked at; else it must be there and right (kind SAFETY). */
struct inventory *inventory_open(const char *path, const char *verify_key, struct err *err);
void inventory_close(struct inventory *inventory); /* accepts NULL */
const struct inventory_about *inventory_about(const struct inventory *inventory);
size_t inventory_boxes(const struct inventory *inventory);
const struct inventory_box *inventory_box_at(const struct inventory *inventory, size_t index);
const struct inventory_box *inventory_find(const struct inventory *inventory, const char *name);
bool inventory_complete(const struct inventory *inventory); /* every mailbox is in it, and whole */

struct inventory_message {
	uint32_t uid, size; /* size UINT32_MAX = not known */
	struct date arrived;
	struct span flags, message_id; /* message_id.data NULL = none */
	struct digest128 header, content; /* not known: all zero */
};
/* Calls take for each message, in order. The file may have changed since: an error then, after some were taken. */
int inventory_read(struct inventory *inventory, const struct inventory_box *box,
	int (*take)(void *context, const struct inventory_message *message, struct err *err),
	void *context, struct err *err) MUST_CHECK;

#endif
