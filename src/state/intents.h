/*
 * What is about to be moved or copied within an account, written down before it begins: a run that was killed, or lost an answer, leaves here which messages
 * may stand in two mailboxes, and from which UID on their copies are to be looked for. What is done is taken out again, so that the file is empty most of the time.
 *
 * One intent a source mailbox and target; the target INTENT_MARKS is none: the messages are about to be marked as deleted (ops/dedup.h). Messages are recorded with what identifies their copies, for those that went can't be read any more.
 *
 * Owner: the walk (ops/walk.h). Lifetime: intents_open() to intents_close(). Threads: any, locked inside.
 *
 *	intents_put(intents, &intent, err);               // on disk when it returns
 *	… COPY, UID EXPUNGE …
 *	intents_drop(intents, "INBOX", "Trash", err);
 */
#ifndef STATE_INTENTS_H
#define STATE_INTENTS_H

#include "base/digest.h"
#include "base/must.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct err;
struct intents;

#define INTENT_MARKS "" /* no mailbox has this name */

struct intent_message {
	uint32_t uid; /* in the source */
	uint64_t size;
	struct digest128 digest; /* of its header; all zero = not known */
};

struct intent_range {
	uint32_t first, last;
};

struct intent {
	const char *source, *target; /* display names */
	uint32_t source_uidvalidity, target_uidvalidity;
	uint32_t target_uidnext; /* before the first of them went: no copy has a lower UID */
	struct intent_message *message;
	size_t count;
	/* UIDs in the target, from target_uidnext on, that are copies of other mailboxes' messages */
	const struct intent_range *claimed;
	size_t claims;
};

/*
 * Opens or creates DIR/moves/HASH.db for the identity of an account; directories are made 0700. dir NULL: a private temporary one that forgets everything with
 * intents_close() (--state none). Damaged, newer, disk full, in use by another run: ERR_LOCAL.
 */
struct intents *intents_open(const char *dir, const char *identity, struct err *err);
void intents_close(struct intents *intents); /* accepts NULL */
/* Whether there is a file to open. */
bool intents_exist(const char *dir, const char *identity);

/* 1 = found, memory of the arena; 0 = there is none; -1. */
int intents_get(struct intents *intents, const char *source, const char *target,
	struct arena *arena, struct intent *out, struct err *err) MUST_CHECK;
/* In place of an earlier one of this source and target. Durable when it returns. */
int intents_put(struct intents *intents, const struct intent *intent, struct err *err) MUST_CHECK;
/* None is no error. */
int intents_drop(struct intents *intents, const char *source, const char *target,
	struct err *err) MUST_CHECK;

/*
 * Says to every other open intent with this target whose copies these are, so that none takes them for its own: before anything is removed on the strength of them. Durable
 * when it returns.
 */
int intents_claim(struct intents *intents, const struct intent *intent,
	const struct intent_range *copies, size_t count, struct err *err) MUST_CHECK;
/* Which mailboxes have one with this target, sorted; memory of the arena. */
int intents_sources(struct intents *intents, const char *target, struct arena *arena,
	const char ***out, size_t *count_out, struct err *err) MUST_CHECK;
/* The messages of all other open intents with this target: what may stand there and be theirs. Memory of the arena. */
int intents_rivals(struct intents *intents, const char *source, const char *target,
	struct arena *arena, struct intent_message **out, size_t *count_out,
	struct err *err) MUST_CHECK;

#endif
