/*
 * UIDs for places that have none of their own (POP3, Maildir, foreign mbox files): which message got which number under which UIDVALIDITY, kept in the
 * state directory, so that reading a place changes nothing in it.
 *
 * A message is known by a key: what identifies it at its place (the digest of its UIDL, of its Maildir name, of its content). Equal keys are a multiset: the n-th of
 * them now is the n-th of them then. UIDs ascend in the order in which keys were first seen and are never used twice under one UIDVALIDITY.
 *
 * Owner: the account (account_ledger()). Lifetime: ledger_open() to ledger_close(). Threads: any, locked inside; lanes share it.
 *
 *	ledger_assign(ledger, "INBOX", keys, count, uids, &facts, err);     // of all messages that are there now
 *	ledger_add(ledger, "INBOX", &key, 1, &uid, err);                    // of those just stored there
 */
#ifndef STATE_LEDGER_H
#define STATE_LEDGER_H

#include "base/digest.h"
#include "base/must.h"

struct err;
struct ledger;

struct ledger_facts {
	uint32_t uidvalidity, uidnext,
		messages; /* messages: at the last ledger_assign() or _add() */
};

/*
 * Opens or creates DIR/uids/HASH.db for the identity of an account; directories are made 0700. dir NULL: a private temporary one that forgets
 * everything with ledger_close() (--state none). Damaged, newer, disk full, in use by another run: ERR_LOCAL.
 */
struct ledger *ledger_open(const char *dir, const char *identity, struct err *err);
void ledger_close(struct ledger *ledger); /* accepts NULL */

/* Of a mailbox not seen before: uidnext 1 and a new UIDVALIDITY, which is written down. */
int ledger_facts(struct ledger *ledger, const char *mailbox, struct ledger_facts *out,
	struct err *err) MUST_CHECK;
/*
 * Tells the UID of each message that is there now, new ones in the order given; forgets what is gone. Durable when it returns. Pass only a listing that is
 * known to be complete: what is left out loses its UID for ever. facts_out may be NULL.
 */
int ledger_assign(struct ledger *ledger, const char *mailbox, const struct digest128 *key,
	size_t count, uint32_t *uid_out, struct ledger_facts *facts_out,
	struct err *err) MUST_CHECK;
/* UIDs for messages just stored; durable when it returns. */
int ledger_add(struct ledger *ledger, const char *mailbox, const struct digest128 *key,
	size_t count, uint32_t *uid_out, struct err *err) MUST_CHECK;
/* Removed, or about to be made anew: the next ledger_facts() gives a new UIDVALIDITY. */
int ledger_forget(struct ledger *ledger, const char *mailbox, struct err *err) MUST_CHECK;
int ledger_rename(
	struct ledger *ledger, const char *from, const char *to, struct err *err) MUST_CHECK;

#endif
