/*
 * A mailbox as --db keeps it (state/results.h): its row, and one a message with the Message-ID, which a scan collects for it (and for manifests).
 *
 * Owner: the visit. Lifetime: kept_begin() to kept_end(). Threads: one at a time.
 *
 *	kept_begin(&kept, &scan);                 // scan also takes headers from now on
 *	rc = box_scan(box, &scan, &rows, …);
 *	if (rc == 0)
 *		number = kept_add(&kept, results, &mailbox, &rows, NULL, flags);
 *	kept_end(&kept);
 */
#ifndef OPS_KEPT_H
#define OPS_KEPT_H

#include "state/results.h"
#include "store/store.h"

struct kept_id;

struct kept {
	struct arena *arena;
	struct kept_id *id; /* in the order in which they came */
	size_t count, room;
	bool sorted; /* by UID */
	bool usual; /* digests are those of the usual headers, which the database calls header_digest */
};

/* The scan must ask for digests or content, else there will be no Message-IDs. */
void kept_begin(struct kept *kept, struct box_scan *scan);
/* Adds the mailbox and the rows that are selected (reason: enum select_reason; NULL = all): the mailbox's number. */
uint64_t kept_add(struct kept *kept, struct results *results, const struct results_mailbox *mailbox,
	const struct snapshot *rows, const uint8_t *reason, const struct flag_table *flags);
/* data NULL: it has none, or none was seen. */
struct span kept_message_id(struct kept *kept, uint32_t uid);
void kept_end(struct kept *kept);

#endif
