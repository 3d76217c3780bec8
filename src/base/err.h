/*
 * What went wrong, what it poisons, whether trying again helps, and a text for a person. A fixed-size value, never
 * allocated; the callee fills it once, each level up may prefix context.
 *
 * Owner: the caller. Lifetime: the caller's. Threads: one at a time.
 *
 *	if (fd < 0)
 *		return err_set_errno(err, ERR_LOCAL, "cannot open %s", path);
 *	if (box_open(...) < 0)
 *		return err_wrap(err, "mailbox %s", name);
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include "base/must.h"

#include <stdint.h>

/* Ordered by how much is poisoned, so that policy is a comparison. */
enum err_scope {
	ERR_NONE,
	ERR_MESSAGE, /* this message; the others go on */
	ERR_MAILBOX, /* this mailbox; the others go on */
	ERR_CONN, /* this connection: reconnect and resume */
	/* this account: no further connection will help (login refused, TLS not trusted) */
	ERR_ACCOUNT,
	ERR_LOCAL, /* this machine: disk, database, usage */
	ERR_STOPPED, /* asked to stop: SIGINT, SIGTERM */
};

/* What kind of trouble, for the exit code (product rules §5). ERR_KIND_OTHER is decided by the scope. */
enum err_kind {
	ERR_KIND_OTHER,
	ERR_KIND_USAGE, /* exit 2 */
	ERR_KIND_NETWORK, /* exit 4: name, connection, TLS, protocol */
	ERR_KIND_TLS, /* exit 4 */
	ERR_KIND_AUTH, /* exit 5 */
	ERR_KIND_SAFETY, /* exit 6 */
	ERR_KIND_QUOTA, /* destination full: the mailbox or account takes no more */
	ERR_KIND_UNSUPPORTED, /* the far side lacks or refuses a feature: fall back */
	ERR_KIND_STATE, /* this one record of what was copied: in use, damaged; others may be fine */
	ERR_KIND_PATH, /* this one path: not there, not to be written; others may be fine */
	ERR_KIND_BUSY, /* the server asked for a pause, or refused one more connection */
};

enum err_retry {
	ERR_RETRY_NEVER,
	ERR_RETRY_NOW,
	ERR_RETRY_AFTER, /* after wait_ms, which the server named or 0 for "our own backoff" */
};

struct err {
	enum err_scope scope;
	enum err_kind kind;
	enum err_retry retry;
	uint32_t wait_ms;
	/* lower case, no full stop, untrusted bytes already made harmless; truncated on a UTF-8 border */
	char text[768];
};

#define ERR_INIT ((struct err){ .scope = ERR_NONE })

/* All return -1. The retry class starts as ERR_RETRY_NOW for ERR_CONN and NEVER for all else. Calling with err NULL is allowed. */
int err_set(struct err *err, enum err_scope scope, const char *fmt, ...) MUST_FORMAT(3, 4);
int err_set_kind(struct err *err, enum err_scope scope, enum err_kind kind, const char *fmt, ...)
	MUST_FORMAT(4, 5);
/* ": strerror" is added. Of ERR_LOCAL, what errno says of the path alone (EACCES, ENOENT, EROFS, ...) is ERR_KIND_PATH. */
int err_set_errno(struct err *err, enum err_scope scope, const char *fmt, ...) MUST_FORMAT(3, 4);
/* Of something in the directory of one mailbox: ERR_MAILBOX for what errno says of the path alone, else (a full disk) ERR_LOCAL. */
enum err_scope err_scope_of_errno(void);
/* Prefixes "context: " to the text; scope, kind and retry stay. */
int err_wrap(struct err *err, const char *fmt, ...) MUST_FORMAT(2, 3);
/* Raises or lowers the scope of an error already set; text stays. */
int err_rescope(struct err *err, enum err_scope scope);
/* What clang's analyzer cannot see from another file. err.c does without. */
#if defined(__clang_analyzer__) && !defined(ERR_ITSELF)
static inline int err_minus_one(int rc)
{
	(void)rc;
	return -1;
}
#define err_set(...) err_minus_one(err_set(__VA_ARGS__))
#define err_set_kind(...) err_minus_one(err_set_kind(__VA_ARGS__))
#define err_set_errno(...) err_minus_one(err_set_errno(__VA_ARGS__))
#define err_wrap(...) err_minus_one(err_wrap(__VA_ARGS__))
#endif

int err_retry_after(struct err *err, uint32_t wait_ms); /* marks ERR_RETRY_AFTER */
void err_clear(struct err *err);
const char *err_scope_name(enum err_scope scope);

#endif
