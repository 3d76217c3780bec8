/*
 * dedup: finds messages that are there more than once, and marks, deletes or moves away all but one of each. First everything is read and decided (ops/duplicates.h), in
 * mailboxes opened for reading only; then the brake and the question; then, in portions:
 *
 * 1. the copies are looked at again, and the flags of those that are to go are given to the one that stays;
 * 2. the copies are marked as deleted;
 * 3. the one that stays is looked at once more, in a mailbox opened anew: where it is gone or marked by now, the marks come off its copies, and they stay;
 * 4. the copies go, by UID.
 *
 * The marks come before the last look so that two runs that keep different ones can't both go on: each would see the other's mark. For the same reason a mailbox that is
 * another name of one, or a view of it, loses nothing, for there the mark appears on the message that stays.
 *
 * Files are held meanwhile (store/hold.h): of several runs one after the other looks and removes. What is about to be marked is written down (state/intents.h), so that the next
 * run takes the marks of a killed one off before it looks at anything; it is the one thing that dedup_plan() changes, and with --dry-run, or to report, it only tells.
 *
 * Owner: the command. Lifetime: dedup_plan() to dedup_free(). Threads: the caller's; rows and copies are final between calls.
 *
 *	dedup = dedup_plan(&request, err);             // nothing has changed yet
 *	if (dedup_allow(dedup, ask, NULL, err) == 0)   // brake, question
 *		rc = dedup_do(dedup, err);
 *	for (i = 0; i < dedup_count(dedup); i++) … dedup_row(dedup, i)
 */
#ifndef OPS_DEDUP_H
#define OPS_DEDUP_H

#include "base/must.h"
#include "ops/duplicates.h"
#include "ops/walk.h"

struct dedup;

#define DEDUP_FIELDS_MAX 32

enum dedup_action { DEDUP_REPORT, DEDUP_MARK, DEDUP_EXPUNGE, DEDUP_MOVE };

struct dedup_request {
	struct walk_request walk; /* settings.match is --by */
	enum duplicates_keep keep;
	bool across, with_date, verify;
	enum dedup_action action;
	const char *target; /* of DEDUP_MOVE; display name; made if it is not there */
};

struct dedup_row { /* a mailbox */
	const char *mailbox;
	uint64_t found; /* messages in it */
	uint64_t groups; /* of messages that are the same, whose one that stays is here */
	uint64_t copies, octets; /* here, that need not stay; to be treated */
	uint64_t done; /* known to be gone, marked or in the target */
	uint64_t vanished; /* went before, by another hand */
	uint64_t spared; /* stay, for what was known of them or of the one that stays changed */
	const struct err *err; /* why not all is known or done, or NULL; kind SAFETY: a guard */
};

struct dedup_copy {
	const char *mailbox, *kept_mailbox;
	uint32_t uid, kept_uid;
	uint32_t octets; /* UINT32_MAX = not known, or that or more */
	bool by_content; /* the contents were compared */
};

/* NULL: nothing is known and nothing goes, or the place cannot do what is asked for (kind SAFETY, USAGE). */
struct dedup *dedup_plan(const struct dedup_request *request, struct err *err);
void dedup_free(struct dedup *dedup); /* accepts NULL */
/* The brake, as far as it is for this action, and the question before deleting and marking. -1, kind SAFETY: nothing goes. */
int dedup_allow(struct dedup *dedup, int (*ask)(void *context, const char *question), void *context,
	struct err *err) MUST_CHECK;
/* Carries the plan out. 0: each row tells how it went; -1: it was ended, and the rows tell how far it came. */
int dedup_do(struct dedup *dedup, struct err *err) MUST_CHECK;

size_t dedup_count(const struct dedup *dedup);
const struct dedup_row *dedup_row(const struct dedup *dedup, size_t index);
/* The next copy that the plan is about; *at is 0 first. False = there are no more. */
bool dedup_next(const struct dedup *dedup, size_t *at, struct dedup_copy *out);
/* Messages with the key of others and other or unknown content: they stay. */
uint64_t dedup_differing(const struct dedup *dedup);
/* The listing was not complete, or a run before left marks where this one does not look. */
bool dedup_left_out(const struct dedup *dedup);

#endif
