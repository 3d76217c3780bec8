/*
 * Removing messages of one mailbox by UID, under the guards that hold wherever anything is deleted (product §4 rules 2 and 4): the UIDs are lasting ones, the
 * mailbox is still the one they were read in, --no-expunge only marks, and nothing is expunged that others marked unless --expunge-all allows it.
 *
 * Owner: the caller, of everything. Threads: as the store's. Errors: ERR_MAILBOX: nothing or not all went; kind SAFETY: a guard held it.
 *
 *	struct remove remove = { .mailbox = "Junk", .uidvalidity = uidvalidity, .uids = &uids };
 *	if (remove_messages(settings, store, flags, &remove, err) < 0)
 */
#ifndef OPS_REMOVE_H
#define OPS_REMOVE_H

#include "base/must.h"
#include "ops/settings.h"
#include "store/store.h"

struct remove {
	const char *mailbox;
	uint32_t uidvalidity; /* when the UIDs were read */
	const struct uidset *uids;
	bool if_marked; /* they are marked, and one that is not any more stays (REMOVE_IF_MARKED) */
};

/* Nothing may be open in the store. flags: of this connection. */
int remove_messages(const struct settings *settings, struct store *store, struct flag_table *flags,
	const struct remove *remove, struct err *err) MUST_CHECK;
/* The same in a box that is open for writing. */
int remove_from(const struct settings *settings, struct box *box, struct flag_table *flags,
	const struct remove *remove, struct err *err) MUST_CHECK;
/*
 * remove_from(), and a look at what became of them: *done_out are those of the UIDs that are not there any more (--no-expunge: or are marked), also after -1 with less than
 * ERR_CONN. A removal that a broken connection left open can be repeated: what went counts as done.
 */
int remove_proven(const struct settings *settings, struct box *box, struct flag_table *flags,
	const struct remove *remove, uint64_t *done_out, struct err *err) MUST_CHECK;

#endif
