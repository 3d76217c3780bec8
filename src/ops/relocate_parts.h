/*
 * What the files of relocate share: relocate.c (the way of a call), relocate_match.c (which of the messages stand in the target, pure), relocate_files.c (appending, in
 * places without COPY). For these only, and for tests.
 *
 * Owner: relocate(). Lifetime: one call. Threads: a visit's.
 */
#ifndef OPS_RELOCATE_PARTS_H
#define OPS_RELOCATE_PARTS_H

#include "base/digest.h"
#include "ops/relocate.h"
#include "store/snapshot.h"
#include "store/store.h"

struct relocate_item { /* a message that is asked for, or was by an earlier call that did not end */
	uint32_t uid; /* in the source */
	uint64_t size;
	struct digest128 digest, content; /* all zero = not known */
	bool asked;
	bool sent; /* its copy may be in the target */
	bool here; /* in the source */
	bool arrived; /* in the target, for certain */
	bool ambiguous; /* something like it is in the target: see relocate_match() */
	uint32_t rivals; /* other mailboxes' messages like it: what stands there may be theirs */
};

struct relocating {
	struct walk_visit *visit;
	struct box **box;
	struct relocation *work;
	struct relocate_item *item; /* ascending by UID */
	size_t count;
	struct mailbox_info target; /* its numbers before the first message of this call went */
	uint32_t uidvalidity; /* of the source */
	/* no copy has a UID below it */
	uint32_t baseline;
	struct uidset copies; /* UIDs in the target that are known to be copies of items */
	struct uidset claimed; /* … of other mailboxes' messages */
	bool unclear; /* what became of those that were sent is not known */
};

/*
 * Finds the copies of what was sent and has not arrived yet among the rows of the target that are nobody's: by header digest and size, and with content by that too, as a
 * multiset. What is found arrives, and its row is added to copies. A message that is still here will be removed on the strength of this, so that only content will do: without, it
 * is ambiguous when there is a row like it. So are those that went, where fewer than there should be are there, and those that
 * have rivals and are still here, unless there are rows enough for them all. Returns how many are ambiguous.
 */
size_t relocate_match(struct relocate_item *item, size_t count, const struct snapshot *target,
	bool content, struct uidset *copies, struct arena *arena);

/* In places without COPY: appends those that are here and not sent. What is stored for certain arrives. -1: with what may have been. */
int relocate_append(struct relocating *run, struct err *err) MUST_CHECK;

#endif
