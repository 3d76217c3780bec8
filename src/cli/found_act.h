/*
 * What `search` does with what it found: flags, then copying or moving into another mailbox of the account. Every mailbox has been searched by then. What stands in the target
 * already is not copied again; what is found in the target itself stays there.
 *
 * Owner: the command. Lifetime: the call. Threads: found_act() runs visits of a walk, each with a place of its own.
 */
#ifndef CLI_FOUND_ACT_H
#define CLI_FOUND_ACT_H

#include "cli/cli.h"
#include "mail/uidset.h"

struct arena;
struct err;
struct found;
struct walk;

struct found_place { /* of a mailbox; struct walk_place.data */
	struct found *found;
	struct arena *arena;
	uint32_t uidvalidity; /* when it was searched */
	struct uidset uids; /* what was found */
	/* results of the actions */
	bool flagged;
	struct uidset left; /* to be copied or moved */
	uint64_t done, there, gone, unknown;
};

/* Before anything begins: whether the account can do what is asked for, and the options make sense. */
int found_act_check(const struct cli *cli, const struct walk *walk, struct err *err) MUST_CHECK;
bool found_act_wanted(const struct cli *cli);
/* All of it, or with --dry-run nothing but what it would be; prints what became of it. The exit code, or -1 with err: it was ended, and what is certain was printed. */
int found_act(const struct cli *cli, struct walk *walk, struct err *err) MUST_CHECK;

#endif
