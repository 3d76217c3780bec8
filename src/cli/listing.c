/* Choosing, sorting and measuring mailboxes. */
#include "cli/listing.h"

#include "base/arena.h"
#include "base/log.h"
#include "mail/mailbox_name.h"
#include "ops/select.h"

static bool is_listed(
	const struct select *select, const struct mailbox_info *info, const char *root)
{
	return (!root || mailbox_below(root, info->name)) && select_mailbox(select, info, false);
}

/* A '/' sorts before everything else, so that children follow their parent; INBOX and what is below it come first. */
static int compare_names(const void *a, const void *b)
{
	const char *x = ((const struct listing_row *)a)->info.name;
	const char *y = ((const struct listing_row *)b)->info.name;
	const bool x_inbox = mailbox_below("INBOX", x), y_inbox = mailbox_below("INBOX", y);

	if (x_inbox != y_inbox)
		return x_inbox ? -1 : 1;
	while (*x && *x == *y) {
		x++;
		y++;
	}
	const int left = *x == '/' ? 1 : *x ? 1 + (unsigned char)*x : 0;
	const int right = *y == '/' ? 1 : *y ? 1 + (unsigned char)*y : 0;
	return left - right;
}

static int compare_sizes(const void *a, const void *b)
{
	const uint64_t x = ((const struct listing_row *)a)->info.size;
	const uint64_t y = ((const struct listing_row *)b)->info.size;

	return x != y ? (x < y ? 1 : -1) : compare_names(a, b);
}

/* Below the nearest mailbox above that is shown too: a parent that is no mailbox stands in the label. */
static void plant(struct listing *listing)
{
	const char **above = arena_array(listing->arena, listing->count + 1, sizeof(*above));
	size_t depth = 0;

	for (size_t i = 0; i < listing->count; i++) {
		struct listing_row *row = &listing->row[i];
		const char *name = row->info.name;

		while (depth > 0 && !mailbox_below(above[depth - 1], name))
			depth--;
		row->depth = depth;
		row->label = depth == 0 ? name : name + strlen(above[depth - 1]) + 1;
		above[depth++] = name;
	}
}

/* What only holds others has a row, and is there. */
static void look_for_named(struct listing *listing, const struct select *select,
	const struct mailbox_list *list, const char *root)
{
	const char *name;

	select_warn(select, list);
	for (size_t at = 0; (name = select_missing(select, list, root, &at)) != NULL;) {
		if (mailbox_list_find(list, name))
			continue;
		listing->missing++;
		log_error("mailbox %s: %s", name, select_missing_text(name, list));
	}
}

static int choose(
	struct listing *listing, const struct mailbox_list *list, const char *root, struct err *err)
{
	struct select *select = select_new(&listing->cli->settings, err);

	if (!select)
		return -1;
	look_for_named(listing, select, list, root);
	listing->row = arena_array(listing->arena, list->count + 1, sizeof(*listing->row));
	for (size_t i = 0; i < list->count; i++)
		if (is_listed(select, &list->mailbox[i], root))
			listing->row[listing->count++].info = list->mailbox[i];
	select_free(select);
	if (listing->count > 0)
		qsort(listing->row, listing->count, sizeof(*listing->row), compare_names);
	plant(listing);
	return 0;
}

int listing_read(struct listing *listing, const char *root, struct err *err)
{
	const bool cheap = store_caps(listing->store) & STORE_CAP_CHEAP_LIST;
	struct mailbox_list list;
	unsigned want = 0;

	/* Counts that cost nothing are shown unasked; sizes may cost the server a look at every message. */
	if (cheap) {
		want = STORE_LIST_STATUS | STORE_LIST_UNSEEN |
		       (listing->sizes ? STORE_LIST_SIZE : 0u);
		listing->counts = true;
	}
	if (store_list(listing->store, want, listing->arena, &list, err) < 0)
		return -1;
	listing->refused = list.refused;
	if (list.refused > 0)
		log_warn("%zu names of the server's list are no names and were left out",
			list.refused);
	return choose(listing, &list, root, err);
}

/* Reads the size of every message: for servers without STATUS=SIZE (RFC 8438). */
static int add_sizes(struct listing *listing, struct listing_row *row, struct err *err)
{
	struct box *box = store_open_box(listing->store, row->info.name, STORE_READ, err);
	struct box_scan scan = { 0 };
	struct uidset unknown = { 0 };
	struct snapshot snapshot;
	uint64_t size = 0;
	int rc;

	if (!box)
		return -1;
	snapshot_init(&snapshot, false);
	rc = box_scan(box, &scan, &snapshot, listing->arena, &unknown, err);
	for (size_t i = 0; rc == 0 && i < snapshot.count; i++)
		size += snapshot.size[i];
	if (rc == 0 && !snapshot.complete)
		rc = err_set(err, ERR_MAILBOX, "the server did not show all messages");
	snapshot_release(&snapshot);
	box_close(box);
	if (rc < 0)
		return -1;
	row->info.size = size;
	row->info.has |= IMAP_STATUS_SIZE;
	return 0;
}

static int measure(struct listing *listing, struct listing_row *row, struct err *err)
{
	const unsigned counts = IMAP_STATUS_MESSAGES | IMAP_STATUS_UNSEEN;
	const unsigned wanted =
		(listing->counts ? counts : 0u) | (listing->sizes ? IMAP_STATUS_SIZE : 0u);
	struct mailbox_info fresh = { 0 };

	if ((row->info.has & counts & wanted) != (counts & wanted) ||
		(!(row->info.has & IMAP_STATUS_SIZE) && (wanted & IMAP_STATUS_SIZE))) {
		if (store_status(listing->store, row->info.name,
			    STORE_LIST_STATUS | STORE_LIST_UNSEEN |
				    (listing->sizes ? STORE_LIST_SIZE : 0u),
			    &fresh, err) < 0)
			return -1;
		row->info.has |= fresh.has;
		row->info.messages = fresh.messages;
		row->info.unseen = fresh.unseen;
		row->info.uidnext = fresh.uidnext;
		row->info.uidvalidity = fresh.uidvalidity;
		row->info.highestmodseq = fresh.highestmodseq;
		row->info.size = fresh.size;
	}
	if (!listing->sizes || (row->info.has & IMAP_STATUS_SIZE))
		return 0;
	return add_sizes(listing, row, err);
}

int listing_measure(struct listing *listing, struct err *err)
{
	for (size_t i = 0; i < listing->count; i++) {
		struct listing_row *row = &listing->row[i];

		if (row->info.noselect || row->info.nonexistent)
			continue;
		if (measure(listing, row, err) == 0)
			continue;
		if (err->scope > ERR_MAILBOX)
			return err_wrap(err, "mailbox %s", row->info.name);
		log_error("mailbox %s: %s", row->info.name, err->text);
		row->error = arena_strdup(listing->arena, err->text);
		err_clear(err);
	}
	return 0;
}

void listing_largest(struct listing *listing, uint64_t count)
{
	if (listing->count > 0)
		qsort(listing->row, listing->count, sizeof(*listing->row), compare_sizes);
	if (listing->count > count)
		listing->count = (size_t)count;
}

struct listing_total listing_total(const struct listing *listing)
{
	struct listing_total total = { .unknown = listing->refused + listing->missing };

	for (size_t i = 0; i < listing->count; i++) {
		const struct listing_row *row = &listing->row[i];

		total.mailboxes += !row->info.noselect && !row->info.nonexistent;
		total.messages += row->info.messages;
		total.unseen += row->info.unseen;
		total.size += row->info.size;
		total.unknown += row->error != NULL;
	}
	return total;
}
