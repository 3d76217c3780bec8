/*
 * trash: every message that is marked as deleted goes to the trash, whatever mailbox it is in. First everything is read, in mailboxes opened for reading only; then exactly
 * what was found and is still marked is moved (ops/relocate.h), and the mark is taken off what arrived, for any client's EXPUNGE would remove it there.
 *
 * The trash is the mailbox named, else that with the special use \Trash (RFC 6154), else that whose name says so in one of many languages; where there is
 * none, one called Trash is made. It and what is below it are left alone.
 *
 * Owner: the command. Lifetime: trash_plan() to trash_free(). Threads: the caller's; rows are final between calls.
 *
 *	trash = trash_plan(&request, NULL, err);         // nothing has changed yet
 *	rc = trash_move(trash, err);
 *	for (i = 0; i < trash_count(trash); i++) … trash_row(trash, i)
 */
#ifndef OPS_TRASH_H
#define OPS_TRASH_H

#include "base/must.h"
#include "ops/walk.h"

struct trash;

struct trash_row { /* a mailbox */
	const char *mailbox;
	uint64_t found; /* messages in it */
	uint64_t marked; /* of them, and selected: to go */
	uint64_t
		moved; /* stand in the trash and not here any more; more than marked where a run was taken up that was broken off */
	uint64_t vanished; /* went before, by another hand */
	uint64_t spared; /* are not marked any more: stay */
	uint64_t unknown; /* stand in both places, or nobody knows */
	const struct err *err; /* why not all went, or NULL */
};

/* name: --trash, or NULL. NULL: nothing is known and nothing goes. A mailbox that could not be read has an err, and nothing in it goes. */
struct trash *trash_plan(const struct walk_request *request, const char *name, struct err *err);
void trash_free(struct trash *trash); /* accepts NULL */
const char *trash_name(const struct trash *trash);
bool trash_is_new(
	const struct trash *trash); /* it is not there yet: it is made if anything goes into it */
/* Carries the plan out. 0: each row tells how it went; -1: it was ended, and the rows tell how far it came. */
int trash_move(struct trash *trash, struct err *err) MUST_CHECK;
size_t trash_count(const struct trash *trash);
const struct trash_row *trash_row(const struct trash *trash, size_t index);
bool trash_is_source(
	const struct trash *trash, size_t index); /* else it is the trash, or below it */
bool trash_left_out(const struct trash *trash); /* the listing was not complete */

#endif
