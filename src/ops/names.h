/*
 * From source mailboxes to destination mailboxes (product §3, Names): --map, --rename, --automap, --strip-prefix, --root, --into, in this
 * order; a --map hit ends it. Pure.
 *
 *	--strip-prefix P   takes the level(s) P away from what is below it; P itself stays
 *	--root R           everything goes below R, INBOX to R/INBOX
 *	--into M           everything goes into this one mailbox
 *	location roots     a source's /MAILBOX only limits; a destination's /MAILBOX is a --root around all else, --map hits too; with both, the one
 *	                   goes to the other and what is below it below: Work to Old, Work/x to Old/x
 *
 * INBOX is written in any case and stays INBOX unless --map or --rename says otherwise.
 *
 * Owner: the job. Lifetime: results in the arena. Threads: any, immutable.
 */
#ifndef OPS_NAMES_H
#define OPS_NAMES_H

#include "ops/settings.h"
#include "store/store.h"

struct names;

struct name_pair {
	const struct mailbox_info *src;
	const char *dst; /* display name */
	const struct mailbox_info *existing; /* at the destination, or NULL: to be created */
	/* the source holds no messages here, only children: created only if it must exist for itself */
	bool noselect;
};

struct name_request {
	const struct mailbox_list *src, *dst;
	const struct select *select;
	/* The locations' /MAILBOX, NULL = none: only this and what is below it; everything goes below it. */
	const char *src_root, *dst_root;
	bool gmail;
};

/* NULL: usage error: bad expression, map file with line number. */
struct names *names_new(const struct settings *settings, struct err *err);
void names_free(struct names *names);
/* One name through all rules. NULL when --rename makes it a name that no mailbox can have. */
const char *names_apply(const struct names *names, const struct name_request *request,
	const struct mailbox_info *mailbox, struct arena *arena);
/*
 * The pairs of a run, sorted by source name. -1 with ERR_LOCAL kind USAGE when two sources meet at one target and neither --merge nor --into was given
 * (names both), or when --rename makes a name that no mailbox can have. \NoSelect mailboxes are not asked about and meet nobody; with --into
 * they are left out. existing: only if messages can be stored there. Targets that differ only in case or Unicode form from another target or from an existing mailbox are kept apart and logged once.
 */
int names_pairs(const struct names *names, const struct name_request *request, struct arena *arena,
	struct name_pair **out, size_t *count_out, struct err *err) MUST_CHECK;
/* Whether a mailbox of the destination is below what this run's mailboxes go below; without roots all are. */
bool names_are_below(const struct settings *settings, const char *dst_root, const char *name,
	struct arena *arena);

#endif
